"""What is known from outside of every record: a byte of flags for each, filled by clients and taps, never by verdicts.

Nothing here may import `kafka_sentinel`: a mistake in it must not be repeated by its judge.
"""

from __future__ import annotations

import json
import threading
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from tests.kafka import truth

ACKED = 1  # the client of some life of Sentinel was told so
READ = 2  # its verifier was given it
SEEN = 4  # the witness was given it, or a full read
STANDS = 8  # the newest full read found it
DELETED = 16  # it stood in the log below where DeleteRecords moved the log start
OLD = 32  # it stood in its topic when that was deleted
EITHER = 64  # … or was gone by then, or sent before Sentinel knew: nobody can tell what became of it, or in which topic
STRONG = 128  # the life that is running knows that it was acknowledged: it sent it, or its state says so

Where = tuple[str, int]  # level of acknowledgement, partition
Key = tuple[str, int, int]  # … and run


class Shown(NamedTuple):
    """How many of each a log shows, as it stands."""

    records: int = 0
    duplicated: int = 0
    reordered: int = 0
    foreign: int = 0
    corrupted: int = 0


class Cards:
    """Every record by (level, partition, run) and sequence. May be used from several threads."""

    def __init__(self, instance: int) -> None:
        self.flags: dict[Key, bytearray] = defaultdict(bytearray)
        self.shown: dict[Where, Shown] = {}
        self._instance = instance
        self._lock = threading.RLock()

    def copy(self) -> Cards:
        """Return what is known by now. What is acknowledged from now on may come too late for a full read."""
        copy = Cards(self._instance)
        with self._lock:
            for key, flags in self.flags.items():
                copy.flags[key] = bytearray(flags)
        return copy

    def mark(self, key: Key, first: int, count: int, flag: int) -> None:
        with self._lock:
            flags = self.flags[key]
            if len(flags) < first + count:
                flags.extend(bytes(first + count - len(flags)))
            for sequence in range(first, first + count):
                flags[sequence] |= flag

    def mark_level(self, level: str, flag: int, *, unless: int = 0) -> None:
        """Mark everything known of a level but what has one of the flags `unless`."""
        with self._lock:
            for (its, _, _), flags in self.flags.items():
                if its == level:
                    flags[:] = bytes(each if each & unless else each | flag for each in flags)

    def clear(self, flag: int, where: Where | None = None) -> None:
        keep = bytes(each & ~flag & 0xFF for each in range(256))
        with self._lock:
            for key, flags in self.flags.items():
                if where is None or key[:2] == where:
                    flags[:] = flags.translate(keep)

    def ours(self, record: truth.LogRecord, partition: int) -> bool:
        return record.valid and (record.instance, record.partition) == (self._instance, partition)

    def met(self, where: Where, records: Iterable[truth.LogRecord], flag: int) -> None:
        """Some client was given these."""
        for record in records:
            if self.ours(record, where[1]):
                self.mark((*where, record.run), record.sequence, 1, flag)

    def full_read(self, where: Where, records: list[truth.LogRecord]) -> None:
        """The whole log of a partition, as it stands."""
        self.clear(STANDS, where)
        ours = [record for record in records if self.ours(record, where[1])]
        self.met(where, ours, STANDS | SEEN)
        corrupted = sum(record.kind == "corrupted" for record in records)
        self.shown[where] = Shown(
            len(ours),
            truth.extra_copies(ours),
            truth.inversions(ours),
            len(records) - len(ours) - corrupted,
            corrupted,
        )

    def count(self, level: str, wanted: int, without: int = 0) -> int:
        """Return how many of a level have all flags `wanted` and none of `without`."""
        with self._lock:
            sums: Counter[int] = Counter()
            for (its, _, _), flags in self.flags.items():
                if its == level:
                    sums.update(flags)
        return sum(number for flag, number in sums.items() if flag & wanted == wanted and not flag & without)


class Tap:
    """What a tapped Sentinel heard (tests/kafka/tapped.py), read as it grows."""

    def __init__(self, path: Path, cards: Cards) -> None:
        self._path, self._cards, self._at = path, cards, 0
        self._lock = threading.Lock()

    def refresh(self) -> None:
        with self._lock:
            for said, level, partition, run, start, count in self._lines():
                self._cards.mark((level, partition, int(run, 16)), start, count, ACKED if said == "acked" else READ)

    def _lines(self) -> Iterator[list]:
        if not self._path.exists():
            return
        with self._path.open("rb") as stream:
            stream.seek(self._at)
            for line in stream:
                if not line.endswith(b"\n"):
                    return  # being written
                self._at += len(line)
                yield json.loads(line)
