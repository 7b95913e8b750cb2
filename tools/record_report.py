"""Records what a report is made from, of a real run: `.venv/bin/python -m tools.record_report FOLDER [--minutes 12]`.

Three brokers on this machine are killed and paused by Sentinel's own experiments, at the usual rate and under load,
with acks=1 probed beside acks=all. Then FOLDER gets the answer of /api/v1/evidence, the metrics of the same instant
(the loop of the engine makes both), and the three reports of that evidence.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from click.testing import CliRunner
from prometheus_client import CollectorRegistry, generate_latest

from kafka_sentinel.adapters.fleet_local import LocalFleet
from kafka_sentinel.adapters.snapshot import VIEWS
from kafka_sentinel.cli.commands import cli
from kafka_sentinel.core.engine import Engine
from kafka_sentinel.demo.plan import LAB_OVERRIDES, lab_settings
from kafka_sentinel.demo.session import POLL, Session
from kafka_sentinel.lab.cluster import LabCluster
from kafka_sentinel.settings import Settings

LOAD = 2_000  # records per second, all partitions together
EXPERIMENTS = (
    {"name": "kill-leader", "fault": "process-kill", "target": "leader", "duration": 5},
    {"name": "kill-leader-loaded", "fault": "process-kill", "target": "leader", "duration": 5, "load": LOAD},
    {"name": "pause-broker", "fault": "process-pause", "target": "any", "duration": 7},
    {"name": "pause-broker-loaded", "fault": "process-pause", "target": "any", "duration": 7, "load": LOAD},
)
REPORTS = {"report.md": "markdown", "report.html": "html", "report.json": "json"}
OPTIONS = ("--since", "1d", "--cost-self", "310", "--cost-managed", "1150", "--currency", "EUR")
COMPARED = (
    "records_",
    "probe_slots_",
    "unavailable_seconds_",
    "blind_seconds_",
    "incidents_total",
    "recovery_seconds_",
)
LAST_CALL = 45.0  # seconds before the end after which nothing more is broken


class Recorded(NamedTuple):
    evidence: Mapping[str, Any]
    metrics: str


def taken(engine: Engine, registry: CollectorRegistry) -> Recorded:
    """Return both of one instant. To be asked of the loop, which alone changes them."""
    return Recorded(VIEWS["evidence"](engine.status()), _compared(generate_latest(registry).decode()))


def _compared(text: str) -> str:
    """Return the metrics a report is held against, without their buckets."""
    lines = text.splitlines(keepends=True)
    return "".join(
        line for line in lines if any(f"kafka_sentinel_{name}" in line for name in COMPARED) and "_bucket{" not in line
    )


def settings(lab: LabCluster, folder: Path) -> Settings:
    demo = lab_settings(
        bootstrap_servers=lab.bootstrap_servers, cluster_id=lab.cluster_id, folder=folder, http_port=0, rate=None
    )
    given = demo.model_dump(exclude={"log"}, by_alias=True)
    given["name"] = "recorded"
    given["probe"]["acks_one"]["enabled"] = True
    given["experiments"]["items"] = [{"every": "10s", "grace": 86_400, **each} for each in EXPERIMENTS]
    return Settings.model_validate(given)


def record(minutes: float) -> Recorded:
    with LabCluster(overrides=LAB_OVERRIDES) as lab, tempfile.TemporaryDirectory() as folder:
        session = Session(
            settings(lab, Path(folder)), lambda post, now, death: LocalFleet(lab, post=post, now=now, on_death=death)
        )
        session.start()
        try:
            until = time.monotonic() + max(60 * minutes - LAST_CALL, 30.0)
            while session.alive and time.monotonic() < until:
                time.sleep(POLL)
            session.finish(lambda _: time.sleep(POLL))
            registry = session.runtime.metrics.registry
            return session.runtime.ask(lambda engine: taken(engine, registry))
        finally:
            session.stop()


def write(folder: Path, recorded: Recorded) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "evidence.json").write_text(json.dumps(recorded.evidence, indent=1) + "\n", encoding="utf-8")
    (folder / "metrics.txt").write_text(recorded.metrics, encoding="utf-8")
    for name, text in reports(folder / "evidence.json").items():
        (folder / name).write_text(text, encoding="utf-8")


def reports(evidence: Path) -> dict[str, str]:
    """Return the reports of recorded evidence by the names of their files."""
    made = {}
    for name, form in REPORTS.items():
        done = CliRunner().invoke(cli, ["report", "--from", str(evidence), "--format", form, *OPTIONS])
        if done.exception is not None:
            raise RuntimeError(f"the report cannot be made: {done.exception}") from done.exception
        made[name] = done.stdout
    return made


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="gets evidence.json, metrics.txt and the three reports")
    parser.add_argument("--minutes", type=float, default=12.0, help="how long brokers are broken")
    given = parser.parse_args()
    write(given.folder, record(given.minutes))
    print((given.folder / "report.md").read_text(encoding="utf-8"))


if __name__ == "__main__":
    main()
