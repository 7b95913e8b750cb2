"""The sends of one run that are not settled yet: when each started, and what was known to be acknowledged then."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from typing import NamedTuple

from kafka_sentinel.core.types import Instant

MAX_BATCHES = 4_096  # sends remembered one by one; beyond it neighbours are merged


class Batch(NamedTuple):
    """Sequences [first, end) whose send started at `sent_at`, when the highest acknowledged offset was `barrier`."""

    first: int
    end: int
    sent_at: Instant
    barrier: int


class Sends:
    """Batches in the order of their sequences, which is the order of their instants too."""

    def __init__(self) -> None:
        self._batches: list[Batch] = []
        self._unbound_below = 0  # sends below this sequence were under way when the log went backwards

    def __len__(self) -> int:
        return len(self._batches)

    def remember(self, batch: Batch) -> None:
        self._batches.append(batch)
        if len(self._batches) > MAX_BATCHES:
            self._merge()

    def _merge(self) -> None:
        """Halve the memory: the earlier instant and the lower barrier stand for both, which errs to the safe side.

        There is one more than the bound, which is even: the newest stays by itself.
        """
        pairs = zip(self._batches[::2], self._batches[1::2], strict=False)
        merged = [Batch(a.first, b.end, a.sent_at, min(a.barrier, b.barrier)) for a, b in pairs]
        self._batches = [*merged, self._batches[-1]]

    def forget_below(self, sequence: int) -> None:
        del self._batches[: bisect_right(self._batches, sequence, key=lambda batch: batch.end)]

    def overlapping(self, first: int, count: int) -> list[Batch]:
        low = bisect_right(self._batches, first, key=lambda batch: batch.end)
        high = bisect_left(self._batches, first + count, key=lambda batch: batch.first)
        return self._batches[low:high]

    def sent_at(self, sequence: int) -> Instant | None:
        """Return when the send of `sequence` started, if that is still remembered."""
        found = self.overlapping(sequence, 1)
        return found[0].sent_at if found else None

    def sent_before(self, mono: float) -> int:
        """Return the sequence below which every send started before that monotonic instant."""
        index = bisect_left(self._batches, mono, key=lambda batch: batch.sent_at.mono)
        return self._batches[index - 1].end if index else 0

    def lower_bound(self, sequence: int) -> int:
        """Return the offset below which a record cannot have been written; 0 if the log went backwards since its send.

        What is under way when the log goes backwards may be written before the first sign of that, and so below it.
        """
        found = self.overlapping(sequence, 1)
        return found[0].barrier + 1 if found and not self.unbound(sequence) else 0

    def unbound(self, sequence: int) -> bool:
        """Whether this was under way already when the log went backwards last, as far as that is known."""
        return sequence < self._unbound_below

    def lower_barriers(self, barrier: int) -> None:
        """The log went backwards: what is in flight can be acknowledged lower than what was known when it was sent."""
        self._unbound_below = self._batches[-1].end if self._batches else 0
        self._batches = [b if b.barrier <= barrier else b._replace(barrier=barrier) for b in self._batches]
