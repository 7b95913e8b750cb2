"""The account of one run on one probe partition: every sequence is in exactly one state at every instant.

    IN_FLIGHT ─┬─ REJECTED
               ├─ UNCERTAIN ─┬─ PRESENT
               │             └─ ABSENT ──(arrives after all: late)── PRESENT
               └─ AWAITING ──┬─ VERIFIED      first sighting; a later loss is flagged `lost_before`, nothing is taken back
                             ├─ LOST          proved, and never seen
                             ├─ EXPIRED       retention passed it unread
                             ├─ CORRUPTED     its offset holds a damaged record
                             └─ UNACCOUNTED   our own blind spot, or a deleted topic

An account whose producer is gone (`orphan`: an earlier run of ours) learns of sequences by sighting them and of
acknowledgements from the claims that surviving records make.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Mapping
from enum import StrEnum
from typing import NamedTuple

from kafka_sentinel.core.ranges import OffsetMap, RangeSet
from kafka_sentinel.core.types import Instant, ProbePartition

MAX_BATCHES = 65_536  # unsettled sends remembered one by one; beyond it neighbours are merged


class State(StrEnum):
    IN_FLIGHT = "in_flight"
    REJECTED = "rejected"
    UNCERTAIN = "unresolved"
    PRESENT = "present"
    ABSENT = "absent"
    AWAITING = "awaiting"
    VERIFIED = "verified"
    LOST = "lost"
    EXPIRED = "expired"
    CORRUPTED = "corrupted"
    UNACCOUNTED = "unaccounted"


ACKED = frozenset(
    {State.AWAITING, State.VERIFIED, State.LOST, State.EXPIRED, State.CORRUPTED, State.UNACCOUNTED},
)
UNSURE = frozenset({State.UNCERTAIN, State.PRESENT, State.ABSENT})


class InvariantError(Exception):
    """The ledger contradicts itself: a defect of Sentinel, never of Kafka."""


class Batch(NamedTuple):
    """Sequences [first, end) whose send started at `sent_at`, when the highest acknowledged offset was `barrier`."""

    first: int
    end: int
    sent_at: Instant
    barrier: int


class Account:
    def __init__(self, partition: ProbePartition, run: int, *, orphan: bool = False) -> None:
        self.partition = partition
        self.run = run
        self.orphan = orphan
        self.next_sequence = 0
        self.sets: dict[State, RangeSet] = {state: RangeSet() for state in State}
        self.tally: dict[State, int] = dict.fromkeys(State, 0)  # kept apart from `sets`: the two must agree
        self.positions = OffsetMap()  # acknowledged (or found) sequence → offset
        self.seen = RangeSet()  # sequences that stand in the log as we last read it
        self.suspected = RangeSet()  # acknowledged sequences under suspicion; a subset of AWAITING and VERIFIED
        self.lost_before = RangeSet()  # VERIFIED once, lost since
        self.blind = RangeSet()  # UNCERTAIN only because we were not there: settle as UNACCOUNTED, not ABSENT
        self.highest_seen = -1  # highest sequence that stands in the log as we last read it
        self._batches: list[Batch] = []
        self._firsts: list[int] = []

    # --- states

    def open_up_to(self, end: int, state: State) -> None:
        """Sequences [next_sequence, end) exist from now on and are in `state`."""
        count = end - self.next_sequence
        if count <= 0:
            return
        self.sets[state].add(self.next_sequence, count)
        self.tally[state] += count
        self.next_sequence = end

    def move(self, first: int, count: int, source: State, target: State) -> None:
        """Move sequences from one state to another. Raises InvariantError if any of them was not in `source`."""
        removed = self.sets[source].remove(first, count)
        added = self.sets[target].add(first, count)
        self.tally[source] -= count
        self.tally[target] += count
        if removed != count or added != count:
            raise InvariantError(
                f"run {self.run:016x} {self.partition}: {count} sequences from {first} should go from {source} to "
                f"{target}, but {removed} were in {source} and {count - added} in {target} already",
            )

    def move_all(self, first: int, count: int, source: State, target: State) -> int:
        """Move those of the window that are in `source`; the others stay. Returns how many moved."""
        return sum(self._moved(piece, source, target) for piece in self.sets[source].covered(first, count))

    def _moved(self, piece: tuple[int, int], source: State, target: State) -> int:
        self.move(*piece, source, target)
        return piece[1]

    def count(self, *states: State) -> int:
        return sum(len(self.sets[state]) for state in states)

    def check(self) -> None:
        """Check the identities. Raises InvariantError with what does not hold."""
        sizes = {state: len(members) for state, members in self.sets.items()}
        if sizes != self.tally:
            raise InvariantError(
                f"run {self.run:016x} {self.partition}: tally {self.tally} is not what is held {sizes}"
            )
        if sum(sizes.values()) != self.next_sequence:
            raise InvariantError(
                f"run {self.run:016x} {self.partition}: {self.next_sequence} sent, but {sum(sizes.values())} accounted for",
            )
        subset = self.count(State.AWAITING, State.VERIFIED)
        if len(self.suspected) > subset or len(self.lost_before) > sizes[State.VERIFIED]:
            raise InvariantError(f"run {self.run:016x} {self.partition}: more suspected or lost than acknowledged")

    # --- sends

    def remember_send(self, batch: Batch) -> None:
        self._batches.append(batch)
        self._firsts.append(batch.first)
        if len(self._batches) > MAX_BATCHES:
            self._merge_batches()

    def _merge_batches(self) -> None:
        """Halve the memory of sends: the earlier instant and the lower barrier stand for both, which errs to the safe side."""
        pairs = zip(self._batches[::2], self._batches[1::2], strict=False)
        merged = [Batch(a.first, b.end, a.sent_at, min(a.barrier, b.barrier)) for a, b in pairs]
        if len(self._batches) % 2:
            merged.append(self._batches[-1])
        self._batches = merged
        self._firsts = [batch.first for batch in merged]

    def forget_settled_sends(self) -> None:
        lowest = min(
            (low for state in (State.IN_FLIGHT, State.AWAITING) if (low := self.sets[state].lowest) is not None),
            default=self.next_sequence,
        )
        settled = 0
        while settled < len(self._batches) and self._batches[settled].end <= lowest:
            settled += 1
        if settled:
            del self._batches[:settled], self._firsts[:settled]

    def batches(self, first: int, count: int) -> list[Batch]:
        """Return the remembered sends that overlap the window."""
        index = max(bisect_right(self._firsts, first) - 1, 0)
        found = []
        while index < len(self._batches) and self._batches[index].first < first + count:
            if self._batches[index].end > first:
                found.append(self._batches[index])
            index += 1
        return found

    def sent_at(self, sequence: int) -> Instant | None:
        """Return when the send of `sequence` started, if that is still remembered."""
        found = self.batches(sequence, 1)
        return found[0].sent_at if found else None

    def lower_barriers(self, barrier: int) -> None:
        """The log went backwards: what is in flight can be acknowledged lower than what was known when it was sent."""
        self._batches = [b if b.barrier <= barrier else b._replace(barrier=barrier) for b in self._batches]

    # --- what the log shows

    def pieces_awaiting(self, first: int, count: int) -> list[tuple[int, int]]:
        return self.sets[State.AWAITING].covered(first, count)

    def lost_candidates(self, first: int, count: int) -> list[tuple[int, int]]:
        """Return the awaiting pieces of the window as [start, end): where a loss changes from "seen before" to "never"."""
        return [(start, start + length) for start, length in self.sets[State.AWAITING].covered(first, count)]

    def unplaced(self) -> list[tuple[int, int]]:
        """Return the awaiting sequences whose acknowledgement named no offset."""
        return [
            gap
            for first, count in self.sets[State.AWAITING].spans()
            for gap in _uncovered(self.positions, first, count)
        ]

    def forget_below(self, log_start: int) -> None:
        """The log starts at `log_start` now: positions below it can be proved no more."""
        for piece in self.positions.below(log_start):
            self.positions.remove(piece.first, piece.count)

    # --- state on disk

    def to_state(self) -> dict[str, object]:
        return {
            "run": f"{self.run:016x}",
            "orphan": self.orphan,
            "next": self.next_sequence,
            "sets": {state.value: members.spans() for state, members in self.sets.items() if members},
            "positions": [list(piece) for piece in self.positions],
            "lost_before": self.lost_before.spans(),
            "blind": self.blind.spans(),
            "suspected": self.suspected.spans(),
        }

    @classmethod
    def from_state(cls, partition: ProbePartition, state: Mapping[str, object]) -> Account:
        """Bring back an account of an earlier process. What was in flight then is uncertain now, by our own blindness."""
        account = cls(partition, int(str(state["run"]), 16), orphan=True)
        account.next_sequence = whole(state["next"])
        sets = state["sets"]
        assert isinstance(sets, Mapping)
        for name, spans in sets.items():
            account.sets[State(name)] = RangeSet.of(spans)
        account.tally = {name: len(members) for name, members in account.sets.items()}
        account.positions = OffsetMap(triples(state["positions"]))
        account.lost_before = RangeSet.of(pairs(state["lost_before"]))
        account.blind = RangeSet.of(pairs(state["blind"]))
        account.suspected = RangeSet.of(pairs(state["suspected"]))
        for first, count in account.sets[State.IN_FLIGHT].spans():
            account.move(first, count, State.IN_FLIGHT, State.UNCERTAIN)
            account.blind.add(first, count)
        account.check()
        return account


def _uncovered(positions: OffsetMap, first: int, count: int) -> list[tuple[int, int]]:
    covered = RangeSet.of((piece.first, piece.count) for piece in positions.overlapping(first, count))
    return covered.missing(first, count)


def whole(value: object) -> int:
    if not isinstance(value, int):
        raise TypeError(f"expected a whole number, found {value!r}")
    return value


def pairs(value: object) -> Iterable[tuple[int, int]]:
    assert isinstance(value, list | tuple)
    return [(first, count) for first, count in value]


def triples(value: object) -> Iterable[tuple[int, int, int]]:
    assert isinstance(value, list | tuple)
    return [(first, count, offset) for first, count, offset in value]
