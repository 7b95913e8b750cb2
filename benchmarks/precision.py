"""How well recovery is measured, against a truth known by construction.

Clients reach the brokers through a proxy. The leader of the only probe partition is interrupted for exactly as long as
the proxy is told, in one of three ways: bytes are held and go on afterwards, connections are cut and refused, bytes
vanish. The daemon runs with its default probe, ten records a second; objectives are 0.1 s, so that short outages count.
What it says of `produce` and `consume` is compared with how long the interruption was.
"""

from __future__ import annotations

import argparse
import random
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks import figures
from benchmarks.daemon import Daemon
from benchmarks.figures import Figure
from benchmarks.proxied import Fault, Proxied
from confluent_kafka.admin import AdminClient, NewTopic

INTERVAL = 0.1  # seconds: the default of probe.interval
SOCKET_TIMEOUT = 2.5  # seconds: the default of probe.socket_timeout
BACKOFF = 0.1  # seconds: reconnect.backoff.max.ms
# Seconds of an interruption, and how many of them in a round.
HELD = ((0.2, 8), (0.5, 8), (1.0, 6), (2.0, 6), (5.0, 3), (15.0, 1), (40.0, 1))
LONG = ((120.0, 1),)
OTHERS = ((1.0, 4), (3.0, 4), (10.0, 1))
SETTLED_WITHIN = 90.0  # seconds
ATTEMPTS = 4
TOPIC = "kafka-sentinel-probe"
SECTIONS: dict[str, dict[str, Any]] = {
    "probe": {"manage_topic": False, "replication_factor": 1, "min_insync_replicas": 1},
    "slo": {"produce": "100ms", "consume": "150ms"},
    "incidents": {"settle": "1s"},
}


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.precision", description=__doc__)
    parser.add_argument("--rounds", type=int, default=1, metavar="N", help="of everything (1: 12 minutes)")
    parser.add_argument("--long", action="store_true", help="hold for 120 s, too, in each round")
    figures.options(parser)
    given = parser.parse_args()
    errors: dict[Fault, list[tuple[float, float, float]]] = {fault: [] for fault in Fault}
    with Proxied() as lab, tempfile.TemporaryDirectory(prefix="kafka-sentinel-bench-") as folder:
        _make_topic(lab.bootstrap)
        daemon = Daemon(lab.bootstrap, Path(folder), partitions=1, **SECTIONS)
        with daemon.running():
            time.sleep(5)
            for fault in Fault:
                plan = OTHERS if fault is not Fault.HOLD else HELD + (LONG if given.long else ())
                for seconds in [seconds for seconds, times in plan for _ in range(times * given.rounds)]:
                    errors[fault].append(_measured(lab, daemon, fault, seconds))
    return figures.conclude("precision", _figures(errors), {"errors": errors}, given)


def _figures(errors: dict[Fault, list[tuple[float, float, float]]]) -> list[Figure]:
    found = []
    exact = INTERVAL + 0.05
    most = {Fault.HOLD: exact, Fault.CUT: exact + BACKOFF, Fault.SWALLOW: exact + SOCKET_TIMEOUT}
    for fault in Fault:
        for place, operation in ((1, "writes"), (2, "reads")):
            off = [abs(one[place]) for one in errors[fault]]
            name = f"{fault.value}, {operation}: error"
            found.append(Figure(f"{name}, median", 1000 * statistics.median(off), "ms"))
            found.append(
                Figure(f"… the 99th percentile of {len(off)}", 1000 * _p99(off), "ms", most=1000 * most[fault])
            )
    return found


def _p99(values: list[float]) -> float:
    return sorted(values)[min(len(values) - 1, round(0.99 * len(values)))]


def _make_topic(servers: str) -> None:
    admin = AdminClient({"bootstrap.servers": servers})
    admin.create_topics([NewTopic(TOPIC, num_partitions=1, replica_assignment=[[1]])])[TOPIC].result(30)


def _measured(lab: Proxied, daemon: Daemon, fault: Fault, seconds: float) -> tuple[float, float, float]:
    """Return for how long it was interrupted, and by how much the durations of writes and reads were off (seconds)."""
    for _ in range(ATTEMPTS):
        time.sleep(random.uniform(2, 2 + INTERVAL))
        began, ended = lab.proxies[1].interrupt(fault, seconds)
        incident = _incident(daemon, began, ended)
        if incident is not None:
            break
        print(
            f"{fault.value:8}{seconds:8.3f} s: this machine had an outage of its own just then: once more", flush=True
        )
    else:
        raise SystemExit(f"precision: this machine is too busy: {ATTEMPTS} times an outage of its own came between")
    lasted = ended - began
    found = tuple(incident["phases"][phase] - lasted for phase in ("produce", "consume"))
    print(
        f"{fault.value:8}{lasted:8.3f} s: writes {1000 * found[0]:+8.0f} ms, reads {1000 * found[1]:+8.0f} ms",
        flush=True,
    )
    return (lasted, *found)


def _incident(daemon: Daemon, began: float, ended: float) -> dict[str, Any] | None:
    """Return the incident that this interruption was, once it is closed. None: it met one that had been open before."""
    deadline = time.monotonic() + SETTLED_WITHIN
    while time.monotonic() < deadline:
        incidents = daemon.status()["incidents"]
        ours = [one for one in incidents if began - 1 < one["started_at"] < ended]
        if len(ours) == 1 and ours[0]["closed_at"] is not None:
            return dict(ours[0])
        if not ours and any(one["started_at"] < began - 1 and (one["closed_at"] or ended) > began for one in incidents):
            return None
        time.sleep(0.5)
    raise SystemExit(f"precision: no single closed incident between {began:.3f} and {ended:.3f}: {incidents[:3]}")


if __name__ == "__main__":
    sys.exit(main())
