"""What became of pods, event by event, as the API server tells whoever watches: nothing of it is Sentinel's word."""

from __future__ import annotations

import json
import subprocess
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from tests.kubernetes.deploy import objects
from tests.kubernetes.deploy.kafka import Kafka
from tests.kubernetes.deploy.waiting import wait_for
from tests.kubernetes.lab.build import BIN

SECONDS = 30.0  # until the watch has told what is there


class Seen(NamedTuple):
    """One event: ADDED, MODIFIED or DELETED, and the pod as it was then."""

    kind: str
    pod: dict

    @property
    def name(self) -> str:
        return self.pod["metadata"]["name"]

    @property
    def uid(self) -> str:
        return self.pod["metadata"]["uid"]

    @property
    def is_going(self) -> bool:
        return self.kind == "DELETED" or "deletionTimestamp" in self.pod["metadata"]


class PodRecord:
    """Of some pods by name. `told`: returns what the watch has printed so far."""

    def __init__(self, told: Callable[[], str], names: Iterable[str]) -> None:
        self._told = told
        self.names = frozenset(names)

    def end(self) -> None:
        """Keep what was told so far, and take up no more."""
        text = self._told()
        self._told = lambda: text

    def events(self, name: str | None = None) -> list[Seen]:
        """Return what was told so far of one of them, or of all, oldest first."""
        found = [seen for seen in _parsed(self._told()) if seen.name in self.names]
        return [seen for seen in found if name in {None, seen.name}]

    def lives(self, name: str) -> list[str]:
        """Return the UIDs of the pods that bore the name, oldest first, each once."""
        return list(dict.fromkeys(seen.uid for seen in self.events(name)))

    def replaced(self) -> dict[str, int]:
        """Return how many times each that went was replaced."""
        found = {name: len(self.lives(name)) - 1 for name in self.names}
        return {name: times for name, times in found.items() if times}

    def most_away(self) -> int:
        """Return how many were away at the same time, at most: going, gone, or another pod that was not ready yet.

        One that is not ready for a moment, as on a busy machine, is not away.
        """
        there: set[str] = set()
        known: set[str] = set()
        most = 0
        for seen in self.events():
            known.add(seen.name)
            if seen.is_going:
                there.discard(seen.name)
            elif objects.is_ready(seen.pod):
                there.add(seen.name)
            if known == self.names:
                most = max(most, len(known - there))
        return most


@contextmanager
def recorded(kafka: Kafka, names: Iterable[str]) -> Iterator[PodRecord]:
    """Watch these pods from now until the block ends. All of them are there and ready as it begins."""
    with tempfile.NamedTemporaryFile(suffix=".json") as file:
        command = [str(BIN / "kubectl"), f"--kubeconfig={kafka.cluster.kubeconfig}", "get", "pods"]
        command += ["-n", kafka.namespace, "--watch", "--output-watch-events", "-o", "json"]
        record = PodRecord(Path(file.name).read_text, names)
        with subprocess.Popen(command, stdout=file, stderr=subprocess.DEVNULL) as watching:
            try:
                wait_for(lambda: {seen.name for seen in record.events()} == record.names, "a watch of pods", SECONDS)
                assert record.most_away() == 0, "they are not all ready"
                yield record
                assert watching.poll() is None, "the watch of pods ended before its time"
            finally:
                watching.kill()
                record.end()


def _parsed(text: str) -> Iterator[Seen]:
    """Yield the events; the last one may be cut short."""
    at, decoder = 0, json.JSONDecoder()
    while at < len(text):
        try:
            found, at = decoder.raw_decode(text, at)
        except json.JSONDecodeError:
            return
        yield Seen(found["type"], found["object"])
        while at < len(text) and text[at].isspace():
            at += 1
