"""What stands in a partition's log, as far as we have read it: offset → record, by run-length intervals."""

from __future__ import annotations

from typing import NamedTuple

from kafka_sentinel.core.ranges import Piece, RangeMap, RangeSet
from kafka_sentinel.core.types import Sighting, SightingKind


class Standing(NamedTuple):
    """The thing at one offset.

    `run` and `sequence` are those of a record of ours. A foreign thing has sequence 0, and a run only if it is a record
    that another live Sentinel of our name writes.
    """

    kind: SightingKind
    run: int
    sequence: int
    leader_epoch: int

    def describe(self) -> str:
        """Say in a few words what stands there."""
        if self.kind is SightingKind.RECORD:
            return f"run {self.run:016x} sequence {self.sequence} (leader epoch {self.leader_epoch})"
        return f"{self.kind.value} record (leader epoch {self.leader_epoch})"

    def shifted(self, by: int) -> Standing:
        """Return what stands `by` offsets above, within the same span."""
        return self._replace(sequence=self.sequence + by) if by and self.kind is SightingKind.RECORD else self


class LogView(RangeMap[Standing]):
    __slots__ = ()

    @staticmethod
    def _shift(value: Standing, by: int) -> Standing:
        return value.shifted(by)

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
        """Return where sequences of the window stand: (sequence, count, offset), in log order (scans the intervals)."""
        found = []
        for first, length, value in self:
            if value.run != run or value.kind is not SightingKind.RECORD:
                continue
            low, high = max(value.sequence, sequence), min(value.sequence + length, sequence + count)
            if low < high:
                found.append(Piece(low, high - low, first + low - value.sequence))
        return found

    def standing_at(self, run: int, piece: Piece[int]) -> list[Piece[Standing]]:
        """Return what of `piece` (sequences and their offsets) stands at those very offsets, by offset."""
        return [
            found
            for found in self.overlapping(piece.value, piece.count)
            if found.value.kind is SightingKind.RECORD
            and found.value.run == run
            and found.value.sequence - piece.first == found.first - piece.value
        ]


class Answer(LogView):
    """What one read of the log showed."""

    __slots__ = ("_sequences",)

    def __init__(self, sightings: tuple[Sighting, ...], instance: int) -> None:
        super().__init__()
        self._sequences: dict[int, RangeSet] = {}
        for sighting in sightings:
            thing = standing(sighting, instance)
            self.set(sighting.offset, sighting.count, thing)
            if thing.kind is SightingKind.RECORD:
                self._sequences.setdefault(thing.run, RangeSet()).add(thing.sequence, sighting.count)

    def sequences(self, run: int) -> RangeSet:
        """Return the sequences of `run` that stand anywhere in it."""
        return self._sequences.get(run, RangeSet())


def standing(sighting: Sighting, instance: int) -> Standing:
    """Return what the first offset of a sighting holds. A record of another Sentinel is foreign to us."""
    if sighting.kind is SightingKind.RECORD and sighting.instance == instance:
        return Standing(SightingKind.RECORD, sighting.run, sighting.first, sighting.leader_epoch)
    kind = SightingKind.FOREIGN if sighting.kind is SightingKind.RECORD else sighting.kind
    return Standing(kind, 0, 0, sighting.leader_epoch)
