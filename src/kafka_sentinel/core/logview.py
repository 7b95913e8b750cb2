"""What stands in a partition's log, as far as we have read it: offset → record, by run-length intervals."""

from __future__ import annotations

from typing import NamedTuple

from kafka_sentinel.core.ranges import Piece, RangeMap
from kafka_sentinel.core.types import Sighting, SightingKind


class Standing(NamedTuple):
    """The thing at one offset. `run` and `sequence` are 0 unless it is a record of ours."""

    kind: SightingKind
    run: int
    sequence: int
    leader_epoch: int

    def describe(self) -> str:
        """Say in a few words what stands there."""
        if self.kind is SightingKind.RECORD:
            return f"run {self.run:016x} sequence {self.sequence} (leader epoch {self.leader_epoch})"
        return f"{self.kind.value} record (leader epoch {self.leader_epoch})"


class LogView(RangeMap[Standing]):
    __slots__ = ()

    @staticmethod
    def _shift(value: Standing, by: int) -> Standing:
        return value._replace(sequence=value.sequence + by) if value.kind is SightingKind.RECORD and by else value

    def highest_sequence_below(self, run: int, offset: int) -> int:
        """Return the highest sequence of `run` that stands below `offset`; -1 if none (a scan of the intervals)."""
        highest = -1
        for first, count, value in self:
            if first >= offset:
                break
            if value.run == run and value.kind is SightingKind.RECORD:
                highest = max(highest, value.sequence + min(count, offset - first) - 1)
        return highest

    def places(self, run: int, sequence: int, count: int) -> list[Piece[int]]:
        """Return where sequences of the window stand, as (sequence, count, offset) (a scan of the intervals)."""
        found = []
        for first, length, value in self:
            if value.run != run or value.kind is not SightingKind.RECORD:
                continue
            low, high = max(value.sequence, sequence), min(value.sequence + length, sequence + count)
            if low < high:
                found.append(Piece(low, high - low, first + low - value.sequence))
        return found


def standing(sighting: Sighting, instance: int) -> Standing:
    """Return what the first offset of a sighting holds. A record of another Sentinel is foreign to us."""
    if sighting.kind is SightingKind.RECORD and sighting.instance == instance:
        return Standing(SightingKind.RECORD, sighting.run, sighting.first, sighting.leader_epoch)
    kind = SightingKind.FOREIGN if sighting.kind is SightingKind.RECORD else sighting.kind
    return Standing(kind, 0, 0, sighting.leader_epoch)
