"""A whole Sentinel against real brokers: in this process, with a witness on its mailbox, or as a process of its own."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Self, TypeVar

import yaml
from tests.scenarios.words import Words

from kafka_sentinel.core.commands import Command, Log
from kafka_sentinel.core.events import Event, RecordsAcked, RecordsRead, RecordsSent
from kafka_sentinel.core.types import Acks, SightingKind
from kafka_sentinel.runtime import Runtime
from kafka_sentinel.settings import Settings

Key = tuple[int, int]  # run, sequence
Heard = TypeVar("Heard", bound=Event)


def wait_for(predicate: Callable[[], object], seconds: float, what: str | Callable[[], object]) -> None:
    deadline = time.monotonic() + seconds
    while not predicate():
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {seconds} s: {what() if callable(what) else what}")
        time.sleep(0.05)


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


def configuration(bootstrap: str, topic: str, **sections: dict) -> dict:
    base = {
        "name": f"test-{topic}",
        "kafka": {"bootstrap_servers": bootstrap},
        "probe": {"topic": topic, "acks_one": {"topic": f"{topic}-acks1"}, "delivery_timeout": 8},
        "incidents": {"settle": 2, "recheck_margin": 50},
        "recheck": {"interval": 1},
        "cluster": {"snapshot_interval": 0.3, "quorum_interval": 0.5},
        "http": {"host": "127.0.0.1", "port": 0},
    }
    for name, values in sections.items():
        if isinstance(values, dict):
            base[name] = {**base.get(name, {}), **values}
        else:
            base[name] = values
    return base


class Watched(Runtime):
    """A Runtime whose mailbox is watched: what was acknowledged, as the client said it, before any ledger saw it."""

    def __init__(self, *args, **kwargs) -> None:
        self.acked: dict[tuple[Acks, int], dict[Key, tuple[int | None, float]]] = {}
        self.sent: dict[tuple[Acks, int], int] = {}
        self.read: dict[tuple[Acks, int], set[Key]] = {}
        self.heard: list[Event] = []  # what the clients and the fleet reported, in the order it was posted
        self.said: list[Log] = []
        self.published: list[dict] = []  # every status snapshot
        self.words = Words()
        super().__init__(*args, **kwargs)

    def _do(self, command: Command) -> None:
        self.words.take([command])
        if isinstance(command, Log):
            self.said.append(command)
        super()._do(command)

    def _publish(self) -> None:
        super()._publish()
        self.published.append(self.snapshot.get())

    def post(self, events: Sequence[Event]) -> None:
        self.heard += events
        for event in events:
            if isinstance(event, RecordsAcked):
                known = self.acked.setdefault((event.partition.acks, event.partition.partition), {})
                for span in event.spans:
                    for index in range(span.count):
                        offset = None if span.offset is None else span.offset + index
                        known[event.run, span.first + index] = (offset, event.at.mono)
            elif isinstance(event, RecordsRead):
                seen = self.read.setdefault((event.partition.acks, event.partition.partition), set())
                for sighting in event.sightings:
                    if sighting.kind is SightingKind.RECORD:
                        seen.update((sighting.run, sighting.first + index) for index in range(sighting.count))
            elif isinstance(event, RecordsSent):
                key = (event.partition.acks, event.partition.partition)
                self.sent[key] = self.sent.get(key, 0) + event.count
        super().post(events)


class Sentinel:
    def __init__(self, config: dict, **options) -> None:
        self.runtime = Watched(Settings.model_validate(config), **options)
        self._thread = threading.Thread(target=self._run, daemon=True)
        self.exit_code: int | None = None
        self.crash: BaseException | None = None

    def _run(self) -> None:
        try:
            self.exit_code = self.runtime.run()
        except BaseException as error:  # told by `stop`, in the test's own thread
            self.crash = error
            raise

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        self.runtime.stop()
        self._thread.join(60)
        assert not self._thread.is_alive(), "Sentinel does not stop"
        assert self.crash is None, f"Sentinel crashed: {self.crash!r}"

    @property
    def engine(self):
        return self.runtime.engine

    @property
    def status(self) -> dict:
        return self.runtime.snapshot.get() or {}

    def records(self, acks: str = "all") -> dict[str, int]:
        return self.status.get("records", {}).get(acks, {})

    def acked(self, partition: int, acks: Acks = Acks.ALL) -> dict[Key, tuple[int | None, float]]:
        return dict(self.runtime.acked.get((acks, partition), {}))

    def read(self, partition: int, acks: Acks = Acks.ALL) -> set[Key]:
        return set(self.runtime.read.get((acks, partition), set()))

    def lost(self, acks: str = "all") -> dict[Key, dict]:
        """What Sentinel calls lost, record by record, with its evidence."""
        return lost_in(self.status, acks)

    def heard(self, kind: type[Heard]) -> list[Heard]:
        """What was posted of that kind of event, oldest first."""
        return [event for event in list(self.runtime.heard) if isinstance(event, kind)]

    def said(self, event: str) -> list[Log]:
        """What it wrote to its log under that name."""
        return [line for line in list(self.runtime.said) if line.event == event]

    def isr(self, partition: int = 0, acks: str = "all") -> list[int]:
        found = [p for p in self.status.get("partitions", []) if p["partition"] == partition and p["acks"] == acks]
        return sorted(found[0]["isr"]) if found else []

    def wait_verified(self, count: int, seconds: float = 40, acks: str = "all") -> None:
        wait_for(
            lambda: self.records(acks).get("verified", 0) >= count,
            seconds,
            lambda: f"{count} verified: {self.records(acks)}",
        )

    def wait_partitions(self, count: int, seconds: float = 30) -> None:
        wait_for(lambda: len(self.status.get("partitions", [])) >= count, seconds, f"{count} partitions probed")

    def quiesce(self, seconds: float = 60) -> dict[str, int]:
        """Stop sending and wait until everything has found its verdict. Returns the figures of acks=all."""
        self.settle(seconds, still_sending=True)
        for producer in self.runtime._adapters._producers.values():
            producer.stop(15)
        self.settle(seconds)
        return self.records()

    def settle(self, seconds: float = 60, *, still_sending: bool = False) -> None:
        open_names = ("suspected", "unresolved") if still_sending else ("in_flight", "awaiting", "suspected")

        def settled() -> bool:
            asked = time.time()
            wait_for(lambda: self.status.get("now", 0) > asked, 10, "a fresh snapshot")
            figures = self.status["records"].values()
            return all(all(each[name] == 0 for name in open_names) for each in figures)

        wait_for(settled, seconds, lambda: f"all settled: {self.status.get('records')}")

    def incidents(self) -> list[dict]:
        return self.status.get("incidents", [])


def assert_identities(figures: dict[str, int]) -> None:
    """The identities, from the published figures."""
    never = figures["lost"] - figures["lost_before"]
    assert figures["sent"] == figures["acked"] + figures["rejected"] + figures["uncertain"] + figures["in_flight"]
    parts = ("verified", "expired", "corrupted_acked", "unaccounted", "awaiting")
    assert figures["acked"] == never + sum(figures[name] for name in parts)
    assert figures["uncertain"] == figures["present"] + figures["absent"] + figures["unresolved"]


def lost_in(status: dict, acks: str = "all") -> dict[Key, dict]:
    """What a status calls lost, record by record, with its evidence."""
    return {
        (int(loss["run"], 16), loss["first_sequence"] + index): {
            **loss,
            "offset": loss["offset"] + index if loss["offset"] >= 0 else -1,
        }
        for loss in status.get("losses", [])
        if loss["acks"] == acks
        for index in range(loss["count"])
    }


def trouble(sentinel: Sentinel | SentinelProcess) -> dict:
    """What it says is wrong with its connection to Kafka; {} if nothing is."""
    return sentinel.status.get("kafka", {}).get("trouble") or {}


def heard_in(tap: str, kind: str, partition: int, acks: Acks = Acks.ALL) -> set[Key]:
    """What a tap (see tapped.py) says was acknowledged, or read."""
    found: set[Key] = set()
    for line in tap.splitlines():
        said, level, its, run, first, count = json.loads(line)
        if (said, level, its) == (kind, acks.value, partition):
            found.update((int(run, 16), first + index) for index in range(count))
    return found


class SentinelProcess:
    """`kafka-sentinel run` as users run it. With `tapped`, what was acknowledged to it outlives it (see tapped.py).

    `environment`: what it has in its environment besides ours.
    """

    def __init__(
        self, folder: Path, config: dict, *, tapped: bool = False, environment: dict[str, str] | None = None
    ) -> None:
        folder.mkdir(exist_ok=True)
        config = {**config, "http": {"host": "127.0.0.1", "port": config["http"]["port"] or free_port()}}
        self._file = folder / "config.yaml"
        self._file.write_text(yaml.safe_dump(config))
        self._log = folder / "sentinel.log"
        self._tap = folder / "heard.jsonl"
        self._process: subprocess.Popen | None = None
        self._environment = environment or {}
        self.port = config["http"]["port"]
        run = ["-m", "kafka_sentinel", "run", "--config", str(self._file)]
        self._arguments = ["-m", "tests.kafka.tapped", str(self._tap), str(self._file)] if tapped else run

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        if self._process is not None and self._process.poll() is None:
            self.kill()

    def start(self) -> SentinelProcess:
        self.launch()
        wait_for(lambda: self.get("/readyz"), 60, lambda: f"Sentinel up: {self.log()[-2000:]}")
        return self

    def launch(self) -> None:
        """Start it, and do not wait until it answers."""
        environment = {k: v for k, v in os.environ.items() if not k.startswith("KAFKA_SENTINEL")}
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, *self._arguments],
                stdout=log,
                stderr=log,
                env=environment | self._environment,
                cwd=Path(__file__).parents[2],
            )

    def acked(self, partition: int = 0, acks: Acks = Acks.ALL) -> set[Key]:
        """What was acknowledged to it, in any of its lives, as the client said it."""
        return self._heard("acked", partition, acks)

    def read(self, partition: int = 0, acks: Acks = Acks.ALL) -> set[Key]:
        """What its verifier read, in any of its lives."""
        return self._heard("read", partition, acks)

    def _heard(self, kind: str, partition: int, acks: Acks) -> set[Key]:
        return heard_in(self._tap.read_text(), kind, partition, acks)

    def log(self) -> str:
        return self._log.read_text() if self._log.exists() else ""

    def get(self, path: str) -> str | None:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=5) as answer:
                return answer.read().decode()
        except OSError:
            return None

    @property
    def status(self) -> dict:
        return json.loads(self.get("/api/v1/status") or "{}")

    def records(self, acks: str = "all") -> dict[str, int]:
        return self.status.get("records", {}).get(acks, {})

    @property
    def pid(self) -> int | None:
        """Of its living process; None if it has ended."""
        return None if self._process is None or self._process.poll() is not None else self._process.pid

    def kill(self) -> None:
        assert self._process is not None
        self._process.send_signal(signal.SIGKILL)
        self._process.wait()

    def stop(self) -> int:
        assert self._process is not None
        self._process.terminate()
        return self._process.wait(40)
