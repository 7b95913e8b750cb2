"""Settling what only time and a fence can settle: uncertain sends, earlier runs, acknowledgements without an offset.

Each kind waits for a fence that is sent after the question arose, is acknowledged, and is read at its offset by the
verifier. The keys of these fences are negative; those of rechecks are positive.
"""

from __future__ import annotations

from kafka_sentinel.core.ledger import GiveUp, PartitionLedger
from kafka_sentinel.core.types import Instant

GIVE_UPS, ORPHANS, UNPLACED = -1, -2, -3


class Settlement:
    """The settling of one partition."""

    def __init__(self, ledger: PartitionLedger, *, margin: float) -> None:
        """`margin`: seconds after a give-up before an absence may be concluded (socket plus session time-out)."""
        self._ledger = ledger
        self._margin = margin
        self._giving_up: list[GiveUp] = []  # those the present fence will settle
        self._waiting: set[int] = set()

    def tick(self, now: Instant) -> None:
        self._settle_give_ups(now)
        self._settle_orphans(now)
        self._settle_unplaced(now)

    def _settle_give_ups(self, now: Instant) -> None:
        if not self._giving_up:
            due = [entry for entry in self._ledger.give_ups if now.mono - entry.at.mono >= self._margin]
            if due:
                self._giving_up = due
                self._ledger.give_ups = [entry for entry in self._ledger.give_ups if entry not in due]
                self._ledger.fences.wait(GIVE_UPS, now)
        elif self._read_past(GIVE_UPS, now):
            for entry in self._giving_up:
                self._ledger.settle_uncertain(entry.run, entry.first, entry.count)
            self._giving_up = []

    def _settle_orphans(self, now: Instant) -> None:
        if self._passed(ORPHANS, now, needed=self._ledger.has_unsettled_orphans()):
            self._ledger.settle_orphans()

    def _settle_unplaced(self, now: Instant) -> None:
        if self._passed(UNPLACED, now, needed=bool(self._ledger.own.unplaced())):
            self._ledger.suspect_unplaced()

    def _passed(self, key: int, now: Instant, *, needed: bool) -> bool:
        """Whether the fence that `needed` called for has been read past. Begins to wait when it is needed first."""
        if key not in self._waiting:
            if needed:
                self._waiting.add(key)
                self._ledger.fences.wait(key, now)
            return False
        if not self._read_past(key, now):
            return False
        self._waiting.remove(key)
        return True

    def _read_past(self, key: int, now: Instant) -> bool:
        """Whether the verifier read the fence at its offset. Where it found another thing, a new fence is awaited."""
        fence = self._ledger.fences.ready(key)
        position = self._ledger.position
        if fence is None or position is None or position <= fence.offset:
            return False
        standing = self._ledger.log.get(fence.offset)
        if standing is None or (standing.run, standing.sequence) != (fence.run, fence.sequence):
            self._ledger.fences.wait(key, now)
            return False
        self._ledger.fences.forget(key)
        return True
