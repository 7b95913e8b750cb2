"""Records a real run for the report's tests: `python -m tools.record_report tests/cli/fixtures/report --minutes 8`.

A local Kafka, a Sentinel beside it that probes at acks=all and acks=1, its own experiments, with and without load, and
one failure by hand that loses records at acks=1. Kept are the evidence and the metrics of the same moment, and what
`kafka-sentinel report` makes of the evidence.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path

from kafka_sentinel.adapters import logs
from kafka_sentinel.adapters.fleet_local import LocalFleet
from kafka_sentinel.core.engine import Engine
from kafka_sentinel.demo.plan import LAB_OVERRIDES
from kafka_sentinel.demo.session import POLL, Session
from kafka_sentinel.lab.cluster import LabCluster
from kafka_sentinel.settings import Settings

REPORTS = {"markdown": "report.md", "html": "report.html", "json": "report.json"}
EVIDENCE, METRICS = "evidence.json", "metrics.txt"
PATIENCE = 180.0  # seconds for anything that is waited for
ALONE = 2.0  # seconds in which a leader acknowledges by itself: less than its followers' session time-out (3 s)
OBJECTIVE = 5  # seconds for writes and reads: enough for a kill that comes alone, not for the one by hand
LOAD = 1_200  # records per second

ROOT = Path(__file__).resolve().parents[1]
FIXTURE = ROOT / "tests" / "cli" / "fixtures" / "report"
DOC = ROOT / "docs" / "report.md"  # quotes the fixture
BEGIN, END = "<!-- example: made by tools/record_report.py -->", "<!-- end of example -->"
SHOWN = ("What was lost", "What weaker settings would have cost", "Failover under load", "Weakest point")  # sections

EXPERIMENTS: tuple[dict[str, object], ...] = tuple(
    {"every": "10s", "grace": 86_400, **each}
    for each in (
        {"name": "kill-leader", "fault": "process-kill", "target": "leader", "duration": 5},
        {"name": "kill-under-load", "fault": "process-kill", "target": "leader", "duration": 5, "load": LOAD},
        {"name": "pause-broker", "fault": "process-pause", "target": "any", "duration": 7},
    )
)


def settings(lab: LabCluster, folder: Path) -> Settings:
    """Return the settings of the Sentinel beside `lab`: as a user's, only that all goes faster."""
    return Settings.model_validate(
        {
            "name": "recorded",
            "kafka": {"bootstrap_servers": lab.bootstrap_servers, "cluster_name": "lab"},
            "probe": {"partitions": 6, "acks_one": {"enabled": True}},
            "incidents": {"settle": 3},
            "slo": {"recovery": {"produce": OBJECTIVE, "consume": OBJECTIVE}},
            "recheck": {"interval": 5},
            "cluster": {"snapshot_interval": 0.5, "quorum_interval": 1, "session_timeout": 3},
            "experiments": {
                "armed_for": lab.cluster_id,
                "dry_run": False,
                "warm_up": 5,
                "min_gap": 20,
                "steady": 3,
                "daily_budget": 1_000,
                "items": list(EXPERIMENTS),
            },
            "http": {"host": "127.0.0.1", "port": 0},
            "state": {"file": folder / "state.json"},
        }
    )


class Recorder:
    def __init__(self, lab: LabCluster, folder: Path) -> None:
        self.lab = lab
        fleet = lambda post, now, death: LocalFleet(lab, post=post, now=now, on_death=death)  # noqa: E731 - a factory
        self.session = Session(settings(lab, folder), fleet)

    def run(self, seconds: float, into: Path) -> None:
        """Watch experiments for `seconds`, and halfway lose records; then save what there is to say."""
        self.session.start()
        try:
            self._wait(lambda: self._status().get("health") == "ok", "the first records")
            end = time.monotonic() + seconds
            self._watch(time.monotonic() + seconds / 2)
            self._calm()
            self._lose()
            self._calm()
            self._say("experiments again")
            self.session.runtime.ask(lambda engine: engine.resume_with(engine.experiments.unpause(engine.now)))
            self._watch(end)
            self._calm()
            self._save(into)
        finally:
            self.session.stop()

    def _lose(self) -> None:
        """Have a leader acknowledge records that no follower gets, and kill it: with acks=1 they are lost."""
        first, *others = self.lab.brokers
        self._say(f"brokers {others} stand still, {first} goes on alone and is killed")
        for broker in others:
            self.lab.pause(broker)
        time.sleep(ALONE)
        self.lab.kill(first)
        for broker in others:
            self.lab.resume(broker)
        self._wait(lambda: self._lost() > 0, "a loss")
        self.lab.start(first)
        self.lab.wait_ready([first])

    def _lost(self) -> int:
        return int(self._status().get("records", {}).get("1", {}).get("lost", 0))

    def _calm(self) -> None:
        """Inject nothing any more, and wait until all that happened is judged and counted."""
        self._say("waiting until all is judged")
        self._wait(lambda: self.session.hold_fire(at_once=False), "the experiment under way")
        self._wait(lambda: self.session.runtime.ask(_settled), "the incidents to close")

    def _save(self, into: Path) -> None:
        """Save evidence and metrics of the same moment: the engine stands still while both are fetched."""
        into.mkdir(parents=True, exist_ok=True)
        page, runtime = self.session.page, self.session.runtime

        def fetch(engine: Engine) -> None:
            runtime.display.publish_engine(engine, waiting=0)
            for path, name in (("api/v1/evidence", EVIDENCE), ("metrics", METRICS)):
                with urllib.request.urlopen(f"{page}{path}", timeout=10) as answer:
                    (into / name).write_bytes(answer.read())

        runtime.ask(fetch, timeout=30)

    def _watch(self, until: float) -> None:
        while time.monotonic() < until:
            if not self.session.alive:
                raise RuntimeError(f"Sentinel ended: {self.session.crash!r}")
            self._say(f"{until - time.monotonic():.0f} s more, {len(self._status().get('incidents', []))} incidents")
            time.sleep(min(10.0, max(until - time.monotonic(), 0.0)))

    def _status(self) -> dict:
        return dict(self.session.status() or {})

    def _wait(self, done: Callable[[], bool], what: str) -> None:
        deadline = time.monotonic() + PATIENCE
        while not done():
            if not self.session.alive or time.monotonic() > deadline:
                raise RuntimeError(f"waited for {what}; Sentinel: {self.session.crash!r}")
            time.sleep(POLL)

    @staticmethod
    def _say(what: str) -> None:
        print(f"recording: {what}", flush=True)


def _settled(engine: Engine) -> bool:
    figures = [engine.records(acks) for acks in engine.config.acks]
    return not engine.incidents.open and all(one["unresolved"] == one["suspected"] == 0 for one in figures)


def render(folder: Path) -> None:
    """Write the reports of the evidence in `folder` beside it."""
    for form, name in REPORTS.items():
        command = ["report", "--from", str(folder / EVIDENCE), "--format", form, "--output", str(folder / name)]
        subprocess.run([sys.executable, "-m", "kafka_sentinel", *command], check=True)


def example(report: str) -> str:
    """Return the beginning of a report in Markdown and some of its sections, as a quotation."""
    first, *sections = report.split("\n## ")
    chosen = [f"## {section}" for section in sections if section.partition("\n")[0] in SHOWN]
    lines = "\n".join([first, *chosen]).rstrip("\n").splitlines()
    return "\n".join(f"> {line}".rstrip() for line in lines)


def with_example(document: str, report: str) -> str:
    """Return docs/report.md with the example of `report` between its marks."""
    before, _, rest = document.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n{example(report)}\n{END}{after}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="where the recording goes")
    parser.add_argument("--minutes", type=float, default=8.0, help="how long experiments run (8)")
    parser.add_argument("--render", action="store_true", help="record nothing: make the reports of what is there")
    given = parser.parse_args()
    if not given.render:
        with tempfile.TemporaryDirectory(prefix="kafka-sentinel-record-") as name:
            folder = Path(name)
            with (folder / "sentinel.log").open("w") as log, LabCluster("separate", overrides=LAB_OVERRIDES) as lab:
                logs.configure(settings(lab, folder).log, stream=log)
                Recorder(lab, folder).run(given.minutes * 60, given.folder)
    render(given.folder)
    if given.folder.resolve() == FIXTURE:
        DOC.write_text(with_example(DOC.read_text(), (FIXTURE / REPORTS["markdown"]).read_text()))
    print(f"recorded in {given.folder}")


if __name__ == "__main__":
    main()
