"""The configurations of the demo: beside a local Kafka that is broken on purpose, and beside the user's own."""

from __future__ import annotations

from pathlib import Path

from pydantic import ValidationError

from kafka_sentinel.core.guard_input import MAX_DAILY_BUDGET
from kafka_sentinel.settings import ConfigurationError, Settings
from kafka_sentinel.settings.problems import sentences

LAB_PARTITIONS = 6  # two for each of the lab's three brokers
TOPIC = "kafka-sentinel-demo"  # on the user's Kafka, unless another probe topic is configured
USUAL_INTERVAL = 0.1  # seconds between two sends to a partition
MOST_PER_INTERVAL = 1_000
HOST = "127.0.0.1"

# Due again soon after its turn, each then waits for the guards; the one that has waited longest goes first. A broker is
# down for longer than the session time-out (3 s), so that its partitions get other leaders.
EXPERIMENTS: tuple[dict[str, object], ...] = tuple(
    {"every": "10s", "grace": 86_400, **each}
    for each in (
        {"name": "kill-leader", "fault": "process-kill", "target": "leader", "duration": 5},
        {"name": "pause-broker", "fault": "process-pause", "target": "any", "duration": 7},
        {"name": "kill-controller", "fault": "process-kill", "target": "controller", "duration": 5},
    )
)
# A broker that was away gets its partitions back soon (Kafka's default: up to 5 minutes), so that all lead some again.
LAB_OVERRIDES = {"leader.imbalance.check.interval.seconds": "5"}
GAP = 20  # seconds from one injection to the next, at least; an incident takes 12 to 20 s, and then come STEADY more
STEADY = 3


def lab_settings(
    *, bootstrap_servers: str, cluster_id: str, folder: Path, http_port: int, rate: int | None
) -> Settings:
    """Return the settings beside the local Kafka. `folder` gets the state; `rate`: records per second, all together."""
    return Settings.model_validate(
        {
            "name": "demo",
            "kafka": {"bootstrap_servers": bootstrap_servers, "cluster_name": "demo"},
            "probe": pace(rate, LAB_PARTITIONS),
            "incidents": {"settle": 3},
            "recheck": {"interval": 5},
            "cluster": {"snapshot_interval": 0.5, "quorum_interval": 1, "session_timeout": 3},
            "experiments": {
                "armed_for": cluster_id,
                "dry_run": False,
                "warm_up": 5,
                "min_gap": GAP,
                "steady": STEADY,
                "daily_budget": MAX_DAILY_BUDGET,
                "items": list(EXPERIMENTS),
            },
            "http": {"host": HOST, "port": http_port},
            "state": {"file": folder / "state.json"},
        }
    )


def own_settings(
    settings: Settings, *, bootstrap_servers: str, folder: Path, http_port: int, rate: int | None
) -> Settings:
    """Return the user's settings made harmless: these servers, a topic and a name of the demo's own, no experiments.

    Raises ConfigurationError.
    """
    given = settings.model_dump(exclude={"experiments", "http", "state", "log"}, by_alias=True)
    if "topic" not in settings.probe.model_fields_set:
        given["probe"]["topic"] = TOPIC
    if rate is not None:
        given["probe"]["partitions"] = settings.probe.partitions or LAB_PARTITIONS
        given["probe"] |= pace(rate, given["probe"]["partitions"])
    given["kafka"]["bootstrap_servers"] = bootstrap_servers
    given |= {
        "name": f"{settings.name}-demo"[-100:],
        "http": {"host": HOST, "port": http_port},
        "state": {"file": folder / "state.json"},
    }
    try:
        return Settings.model_validate(given)
    except ValidationError as error:
        raise ConfigurationError(sentences(error, _source)) from None


def _source(path: tuple[int | str, ...]) -> str:
    return "--bootstrap-servers" if path == ("kafka", "bootstrap_servers") else ""


def pace(rate: int | None, partitions: int) -> dict[str, float]:
    """Return the probe settings that make `rate` records a second over `partitions`: few at a time, often."""
    if rate is None:
        return {}
    at_once = min(max(round(rate * USUAL_INTERVAL / partitions), 1), MOST_PER_INTERVAL)
    return {"records_per_interval": at_once, "interval": at_once * partitions / rate}
