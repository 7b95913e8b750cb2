"""The account of one run on one probe partition: every sequence is in exactly one state at every instant.

    IN_FLIGHT ─┬─ REJECTED
               ├─ UNCERTAIN ─┬─ PRESENT
               │             └─ ABSENT ──(arrives after all: late)── PRESENT
               └─ AWAITING ──┬─ VERIFIED      first sighting; one lost later stays, flagged `lost_before`
                             ├─ LOST          proved, and never seen
                             ├─ EXPIRED       retention passed it unread
                             ├─ CORRUPTED     its offset holds a damaged record
                             └─ UNACCOUNTED   our own blind spot, or a deleted topic

An account whose producer is gone (`orphan`: an earlier run of ours) learns of sequences by sighting them and of
acknowledgements from the claims that surviving records make. So there UNCERTAIN may become AWAITING or UNACCOUNTED,
and PRESENT may become AWAITING.

Sequences that are settled and have left the log are folded into sums, so that an account does not grow with its age;
so are absent ones but for the newest few stretches.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from enum import StrEnum

from kafka_sentinel.core.ranges import OffsetMap, RangeSet
from kafka_sentinel.core.sends import Batch, Sends
from kafka_sentinel.core.types import Instant, ProbePartition


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
EVERY = 1 << 63  # a sequence that no record has
OPEN = (State.IN_FLIGHT, State.UNCERTAIN, State.AWAITING)
LOST_BEFORE = "lost_before"
MAX_ABSENT = 32  # stretches of absent sequences that are not folded: they may arrive yet, and are then `late`


class InvariantError(Exception):
    """The ledger contradicts itself: a defect of Sentinel, never of Kafka."""


class Account:
    def __init__(self, partition: ProbePartition, run: int, *, orphan: bool = False) -> None:
        self.partition = partition
        self.run = run
        self.orphan = orphan
        self.next_sequence = 0
        self.sets: dict[State, RangeSet] = {state: RangeSet() for state in State}
        self.tally: dict[State, int] = dict.fromkeys(State, 0)  # kept apart from `sets`: the two must agree
        self.folded: Counter[str] = Counter()  # sums of what is no longer in `sets` and `lost_before`
        self.positions = OffsetMap()  # sequence → where it was acknowledged, or where it stands if that is known
        self.seen = RangeSet()  # sequences that stand in the log as we last read it
        self.twice = RangeSet()  # sequences that were seen at two places
        self.suspected = RangeSet()  # acknowledged sequences under suspicion; a subset of AWAITING and VERIFIED
        self.rewound = RangeSet()  # of the suspected: the log is proved to have gone back to where they stood, or below
        self.lost_before = RangeSet()  # VERIFIED once, lost since
        self.reordered = RangeSet()  # counted as standing behind a higher sequence
        self.blind = RangeSet()  # UNCERTAIN only because we were not there: settle as UNACCOUNTED, not ABSENT
        self.doubtful = RangeSet()  # perhaps written to a topic that was deleted since: UNACCOUNTED, and never LOST
        self.inferred = RangeSet()  # acknowledged, nobody said where, once a copy had been seen: perhaps it was another
        self.highest_seen = -1  # highest sequence that stands in the log as we last read it
        self.earlier = (0, -1)  # (offset, highest sequence below it), from an earlier process
        self.known = 0  # of an orphan: sequences below it, no others, had been sent when the state was saved,
        self.read_to = 0  # and the log had been read up to this offset,
        self.read_epoch = -1  # where the newest leader to have written anything was that of this epoch (-1: not known)
        self.outlived = False  # whether it may have begun before its topic was made anew
        self.met = False  # of an orphan: the log was read past a fence of the present run, so all of it was met
        self.sends = Sends()

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
                f"{self}: {count} sequences from {first} should go from {source} to {target}, "
                f"but {removed} were in {source} and {count - added} in {target} already",
            )

    def move_all(self, first: int, count: int, source: State, target: State) -> int:
        """Move those of the window that are in `source`; the others stay. Returns how many moved."""
        pieces = self.sets[source].covered(first, count)
        for piece in pieces:
            self.move(*piece, source, target)
        return sum(length for _, length in pieces)

    def count(self, *states: State) -> int:
        total = 0
        for state in states:
            total += len(self.sets[state]) + self.folded.get(state, 0)
        return total

    @property
    def lost_after_sighting(self) -> int:
        """How many were verified first and proved lost later."""
        return len(self.lost_before) + self.folded[LOST_BEFORE]

    def __str__(self) -> str:
        return f"run {self.run:016x} {self.partition.acks}/{self.partition.partition}"

    def check(self) -> None:
        """Check the identities. Raises InvariantError with what does not hold."""
        sizes = {state: len(members) + self.folded.get(state, 0) for state, members in self.sets.items()}
        if sizes != self.tally:
            raise InvariantError(f"{self}: tally {self.tally} is not what is held {sizes}")
        if sum(sizes.values()) != self.next_sequence:
            raise InvariantError(f"{self}: {self.next_sequence} sent, but {sum(sizes.values())} accounted for")
        self._check_within("suspected", self.suspected, State.AWAITING, State.VERIFIED)
        self._check_within("lost before", self.lost_before, State.VERIFIED)
        self._check_within("blind", self.blind, State.UNCERTAIN)

    def check_disjoint(self) -> None:
        """Check that no sequence is in two states, or above all that were sent. Raises InvariantError.

        What moves sequences takes care of both, so this is for what comes from outside.
        """
        everything = RangeSet()
        for state, members in self.sets.items():
            for first, count in members.spans():
                if first < 0 or everything.add(first, count) != count:
                    raise InvariantError(f"{self}: some of {count} sequences from {first} are {state} and more")
        if everything.end > self.next_sequence:
            raise InvariantError(f"{self}: {self.next_sequence} sent, but {everything.end - 1} is accounted for")

    def _check_within(self, name: str, members: RangeSet, *states: State) -> None:
        for first, count in members.spans():
            inside = sum(length for state in states for _, length in self.sets[state].covered(first, count))
            if inside != count:
                raise InvariantError(f"{self}: of {count} {name} from {first} only {inside} are in {states}")

    def lowest_sighted(self) -> int:
        """Return the lowest sequence that was ever seen in the log; the next sequence if none was."""
        return self._lowest(self.seen, self.sets[State.VERIFIED], self.sets[State.PRESENT])

    # --- sends

    def remember_send(self, batch: Batch) -> None:
        self.sends.remember(batch)

    def forget_settled_sends(self) -> None:
        """Forget the sends below the lowest sequence that still waits for an acknowledgement or a sighting."""
        self.sends.forget_below(self._lowest(self.sets[State.IN_FLIGHT], self.sets[State.AWAITING]))

    def sent_at(self, sequence: int) -> Instant | None:
        """Return when the send of `sequence` started, if that is still remembered."""
        return self.sends.sent_at(sequence)

    # --- what the log shows

    def pieces_awaiting(self, first: int, count: int) -> list[tuple[int, int]]:
        return self.sets[State.AWAITING].covered(first, count)

    def unplaced(self) -> list[tuple[int, int]]:
        """Return the awaiting sequences of which no offset is known."""
        gaps = []
        for first, count in self.sets[State.AWAITING].spans():
            placed = RangeSet.of((piece.first, piece.count) for piece in self.positions.overlapping(first, count))
            gaps += placed.missing(first, count)
        return gaps

    def trust(self, first: int, count: int) -> None:
        """They are suspected no more."""
        self.suspected.remove(first, count)
        self.rewound.remove(first, count)

    # --- growth

    @property
    def floor(self) -> int:
        """Sequences below it are settled, and their records have left the log."""
        return self._lowest(*(self.sets[state] for state in OPEN), self.suspected, self.positions, self.seen)

    @property
    def intervals(self) -> int:
        """The memory this account takes."""
        sets = (self.seen, self.inferred, *self.sets.values())
        return self.positions.intervals + sum(each.intervals for each in sets)

    def _lowest(self, *members: RangeSet | OffsetMap) -> int:
        return min((low for each in members if (low := each.lowest) is not None), default=self.next_sequence)

    def fold(self) -> None:
        """Keep only sums of what lies below the floor, except of what is absent and may arrive yet."""
        floor = self.floor
        awaited = self.sets[State.ABSENT].spans()[-MAX_ABSENT:]
        for state, members in self.sets.items():
            edge = min(floor, awaited[0][0]) if state is State.ABSENT and awaited else floor
            self.folded[state.value] += members.remove_below(edge)
        self.folded[LOST_BEFORE] += self.lost_before.remove_below(floor)
        self.reordered.remove_below(floor)
        self.twice.remove_below(floor)
        self.doubtful.remove_below(floor)
        self.inferred.remove_below(floor)

    def forget_places_below(self, sequence: int) -> None:
        """Vouch no longer for what stands of the sequences below, so that they can be folded once they are settled."""
        for members in (self.positions, self.seen, self.suspected, self.rewound):
            members.remove_below(sequence)

    # --- state on disk

    def to_state(self) -> dict[str, object]:
        return {
            "run": f"{self.run:016x}",
            "next": self.next_sequence,
            "sets": {state.value: members.spans() for state, members in self.sets.items() if members},
            "folded": {name: total for name, total in self.folded.items() if total},
            "positions": [list(piece) for piece in self.positions],
            "suspected": self.suspected.spans(),
            "rewound": self.rewound.spans(),
            "lost_before": self.lost_before.spans(),
            "reordered": self.reordered.spans(),
            "blind": self.blind.spans(),
            "doubtful": self.doubtful.spans(),
            "highest": max(self.highest_seen, self.earlier[1]),
            **({"ended": True} if self.orphan else {}),
            **({"outlived": True} if self.outlived else {}),
            **({"inferred": self.inferred.spans()} if self.inferred else {}),
        }

    @classmethod
    def from_state(cls, partition: ProbePartition, state: Mapping[str, object]) -> Account:
        """Bring back an account of an earlier process. What was in flight is uncertain now, by our own blindness."""
        account = cls(partition, int(str(state["run"]), 16), orphan=True)
        account.next_sequence = whole(state["next"])
        for name, spans in mapping(state["sets"]).items():
            account.sets[State(name)] = RangeSet.of(pairs(spans))
        account.folded = Counter({name: whole(total) for name, total in mapping(state["folded"]).items()})
        account.tally = {name: account.count(name) for name in State}
        account.positions = OffsetMap(triples(state["positions"]))
        account.suspected = RangeSet.of(pairs(state["suspected"]))
        account.rewound = RangeSet.of(pairs(state["rewound"]))
        account.lost_before = RangeSet.of(pairs(state["lost_before"]))
        account.reordered = RangeSet.of(pairs(state["reordered"]))
        account.blind = RangeSet.of(pairs(state["blind"]))
        account.doubtful = RangeSet.of(pairs(state["doubtful"]))
        account.inferred = RangeSet.of(pairs(state.get("inferred", ())))
        account.earlier = (0, whole(state["highest"]))
        account.outlived = state.get("outlived") is True
        account.known = EVERY if state.get("ended") is True else account.next_sequence
        account.stop_sending()
        account.check()
        account.check_disjoint()
        return account

    def stop_sending(self) -> None:
        """Its producer is gone, and with it the answers to what was in flight.

        Of what is in flight an offset is known only if it was read there: that was written, and is not read again.
        """
        for first, count in self.sets[State.IN_FLIGHT].spans():
            self.move(first, count, State.IN_FLIGHT, State.UNCERTAIN)
            self.blind.add(first, count)
            for piece in self.positions.overlapping(first, count):
                self.move(piece.first, piece.count, State.UNCERTAIN, State.PRESENT)
                self.blind.remove(piece.first, piece.count)


def mapping(value: object) -> Mapping[str, object]:
    if not isinstance(value, Mapping):
        raise TypeError(f"expected an object, found {value!r}")
    return value


def whole(value: object) -> int:
    if not isinstance(value, int):
        raise TypeError(f"expected a whole number, found {value!r}")
    return value


def pairs(value: object) -> Iterable[tuple[int, int]]:
    if not isinstance(value, list | tuple):
        raise TypeError(f"expected a list of pairs, found {value!r}")
    return [(whole(first), whole(count)) for first, count in value]


def triples(value: object) -> Iterable[tuple[int, int, int]]:
    if not isinstance(value, list | tuple):
        raise TypeError(f"expected a list of triples, found {value!r}")
    return [(whole(first), whole(count), whole(offset)) for first, count, offset in value]
