"""`kafka-sentinel demo` as people run it, in a process of its own."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from conftest import wait_until
from kafka_sentinel.lab.guardian import processes_of

PAGE = re.compile(r"page: (http://127\.0\.0\.1:\d+/)")
FAULT = r"incident \S+: process-"
VERDICT = r"incident \S+: (passed|failed|inconclusive)"
START_SECONDS = 120.0  # for the lab, on a busy machine
END_SECONDS = 300.0  # the ending waits for the open incident, then reads everything again


class Demo:
    def __init__(self, folder: Path, *options: str) -> None:
        self.folder = folder
        self.json = folder / "summary.json"
        self._out = folder / "out"
        environment = {name: value for name, value in os.environ.items() if not name.startswith("KAFKA_SENTINEL")}
        with self._out.open("wb") as out:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "kafka_sentinel", "demo", "--json", str(self.json), *options],
                stdout=out,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
                env={**environment, "TMPDIR": str(folder)},
                start_new_session=True,
            )

    @property
    def text(self) -> str:
        return self._out.read_text()

    def wait_for(self, pattern: str, seconds: float = START_SECONDS) -> None:
        def there() -> bool:
            found = re.search(pattern, self.text) is not None
            assert found or self.process.poll() is None, self.text
            return found

        wait_until(there, seconds, lambda: f"{pattern!r} in what the demo says:\n{self.text}")

    def end(self, seconds: float = END_SECONDS) -> int:
        return self.process.wait(seconds)

    def labs(self) -> list[Path]:
        return list(self.folder.glob("kafka-sentinel-lab-*"))


@pytest.fixture
def demo(tmp_path, kafka_ready):
    started: list[Demo] = []

    def start(*options: str) -> Demo:
        started.append(Demo(tmp_path, *options))
        return started[-1]

    yield start
    for each in started:
        if each.process.poll() is None:
            each.process.kill()
            each.process.wait()
        wait_until(lambda each=each: not each.labs(), 30, "the lab is gone")


def assert_all_gone(demo: Demo, labs: list[Path]) -> None:
    assert demo.labs() == []
    assert [pid for lab in labs for pid in processes_of(str(lab))] == []
    assert [path.name for path in demo.folder.glob("kafka-sentinel-demo-*/*")] == ["sentinel.log"]


@pytest.mark.timeout(600)
def test_demo_breaks_brokers_loses_nothing_and_leaves_nothing_behind(demo):
    running = demo("--rate", "200")
    running.wait_for(FAULT)
    labs = running.labs()
    running.wait_for(VERDICT, END_SECONDS)
    running.process.send_signal(signal.SIGINT)
    assert running.end() == 0, running.text
    found = json.loads(running.json.read_text())
    records = found["records"]
    assert found["kafka"] == "apache-kafka 4.3.1"
    assert records["acked"] == records["verified"] > 500
    assert [records[name] for name in ("lost", "duplicated", "in_flight", "awaiting", "unaccounted")] == [0] * 5
    injected = [incident for incident in found["incidents"] if incident["cause"] == "experiment"]
    assert injected
    assert {incident["fault"] for incident in injected} <= {"process-kill", "process-pause"}
    assert injected[0]["phases"]["produce"] is not None
    assert injected[0]["verdict"] is not None
    assert "none was lost" in running.text
    assert PAGE.search(running.text)
    assert_all_gone(running, labs)


@pytest.mark.full
@pytest.mark.timeout(600)
def test_demo_told_to_stop_undoes_the_fault_and_ends_with_its_summary(demo):
    running = demo()
    running.wait_for(FAULT)
    labs = running.labs()
    running.process.send_signal(signal.SIGTERM)
    assert running.end() == 0, running.text
    found = json.loads(running.json.read_text())
    assert [one["verdict"] for one in found["incidents"] if one["cause"] == "experiment"] != []
    assert "none was lost" in running.text
    assert_all_gone(running, labs)


@pytest.mark.full
@pytest.mark.timeout(300)
def test_demo_interrupted_while_the_lab_starts_leaves_nothing_behind(demo):
    running = demo()
    wait_until(lambda: any(processes_of(str(lab)) for lab in running.labs()), START_SECONDS, "brokers being started")
    labs = running.labs()
    running.process.send_signal(signal.SIGINT)
    assert running.end(60) == 130
    assert running.text.endswith("interrupted\n")
    wait_until(lambda: not running.labs(), 30, "the lab is gone")
    assert [pid for lab in labs for pid in processes_of(str(lab))] == []
    assert list(running.folder.glob("kafka-sentinel-demo-*")) == []


@pytest.mark.full
@pytest.mark.timeout(300)
def test_demo_told_to_stop_twice_ends_at_once(demo):
    running = demo()
    running.wait_for("acked ")
    running.process.send_signal(signal.SIGINT)
    time.sleep(0.2)
    running.process.send_signal(signal.SIGINT)
    assert running.end(60) == 130
    assert not running.json.exists()


@pytest.mark.full
@pytest.mark.timeout(300)
def test_demo_breaks_nothing_on_a_kafka_of_the_users_own(demo, lab_combined):
    before = {broker: lab_combined.pid(broker) for broker in lab_combined.brokers}
    running = demo("--bootstrap-servers", lab_combined.bootstrap_servers, "--duration", "15s")
    assert running.end() == 0, running.text
    found = json.loads(running.json.read_text())
    assert found["records"]["acked"] == found["records"]["verified"] > 0
    assert "process-" not in running.text
    assert found["kafka"].startswith(f"kafka cluster {lab_combined.cluster_id} at ")
    assert {broker: lab_combined.pid(broker) for broker in lab_combined.brokers} == before
