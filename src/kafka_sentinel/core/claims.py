"""What the producer may claim, in its next record, about those it sent before on the same partition in the same run."""

from __future__ import annotations

from collections.abc import Iterable

from kafka_sentinel.core.ranges import RangeSet
from kafka_sentinel.core.record import MAX_GAPS
from kafka_sentinel.core.types import Claims, Span

MAX_TRACKED_GAPS = 64  # more than a record can name: gaps that soon close must not cost the claims below them
MAX_GAP = 2**32 - 1  # a gap's length is four bytes in the record


class ClaimsTracker:
    """Follows the sends and acknowledgements of one partition of one run.

    It keeps only what was *not* acknowledged, as at most MAX_TRACKED_GAPS intervals and one for what was sent since: an
    outage of hours, in which everything sent stays unacknowledged, is a single one. When there would be more, the
    oldest is given up and nothing below its end is claimed any longer.
    """

    def __init__(self) -> None:
        self._unacked = RangeSet()
        self._sent = 0
        self._from = 0
        self._through = 0

    def sent(self, first: int, count: int) -> None:
        """Note that the next `count` sequences were sent. Sequences are sent in order, without a hole."""
        assert first == self._sent, f"sequence {first} was sent where {self._sent} was next"
        self._sent += count
        self._unacked.add(first, count)

    def acked(self, spans: Iterable[Span]) -> None:
        for first, count, _ in spans:
            assert first + count <= self._sent, f"acknowledged {first}+{count}, but only {self._sent} were sent"
            self._unacked.remove(first, count)
            self._through = max(self._through, first + count)
        self._bound()

    def claims(self) -> Claims:
        """Return what can be said now: it names the newest MAX_GAPS gaps and claims nothing below an older one."""
        start, through = self._from, max(self._through, self._from)
        gaps = self._unacked.covered(start, through - start)
        for index in range(len(gaps) - 1, -1, -1):
            first, count = gaps[index]
            if len(gaps) - index > MAX_GAPS or count > MAX_GAP:
                return Claims(first + count, through, tuple(gaps[index + 1 :]))
        return Claims(start, through, tuple(gaps))

    def start_over(self) -> None:
        """Claim nothing of what was sent so far: it went to another topic of the same name."""
        self._unacked.clear()
        self._from = self._through = self._sent

    def _bound(self) -> None:
        while self._unacked.intervals > MAX_TRACKED_GAPS:
            first, count = next((piece.first, piece.count) for piece in self._unacked)
            self._unacked.remove(first, count)
            self._from = first + count
