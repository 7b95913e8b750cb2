"""The slow second reading of everything retained: a record that was read and verified can still vanish.

Partitions take turns; each turn re-reads the next stretch of one partition. A pass over a partition ends where the
verifier was when the pass began: the log grows meanwhile, and what has been written since can wait for the next pass,
which starts over at the log start. It goes on for as long as Sentinel lives.
"""

from __future__ import annotations

from collections.abc import Mapping

from kafka_sentinel.core.ledger import PartitionLedger
from kafka_sentinel.core.types import Instant, ProbePartition


class Sweep:
    def __init__(self, *, chunk: int, interval: float) -> None:
        """`chunk`: records of one stretch. `interval`: seconds between two of them."""
        self._chunk = chunk
        self._interval = interval
        self._next_turn = float("-inf")
        self._cursors: dict[ProbePartition, int] = {}  # up to where each partition was re-read
        self._goals: dict[ProbePartition, int] = {}  # where the present pass over each partition ends
        self._turns: dict[ProbePartition, float] = {}  # when each had its last turn, monotonic

    def stretch(
        self, ledgers: Mapping[ProbePartition, PartitionLedger], now: Instant
    ) -> tuple[ProbePartition, int, int] | None:
        """Return the partition and the offsets [low, high) to re-read now, if it is time."""
        if now.mono < self._next_turn or not ledgers:
            return None
        self._next_turn = now.mono + self._interval
        partition = min(ledgers, key=lambda each: self._turns.get(each, float("-inf")))
        self._turns[partition] = now.mono
        ledger = ledgers[partition]
        end = ledger.position or 0
        low = max(self._cursors.get(partition, 0), ledger.log_start)
        if low >= min(end, self._goals.get(partition, 0)):
            low, self._goals[partition] = ledger.log_start, end
        high = min(low + self._chunk, end)
        return (partition, low, high) if high > low else None

    def reached(self, partition: ProbePartition, position: int) -> None:
        self._cursors[partition] = position

    def forget(self, partition: ProbePartition) -> None:
        """The partition's log is another one now."""
        self._cursors.pop(partition, None)
        self._goals.pop(partition, None)
