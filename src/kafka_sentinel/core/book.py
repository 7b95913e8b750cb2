"""What is known of one probe partition, and the suspicion that a record is no longer where it should be."""

from __future__ import annotations

from collections import Counter

from kafka_sentinel.core.account import ACKED, LOST_BEFORE, OPEN, UNSURE, Account, InvariantError, State
from kafka_sentinel.core.fences import Fences
from kafka_sentinel.core.logview import LogView, Standing
from kafka_sentinel.core.ranges import Piece, RangeMap, RangeSet
from kafka_sentinel.core.suspicions import UNKNOWN_EPOCH, Copy, Effect, GiveUp, Reposition, Suspected
from kafka_sentinel.core.types import Instant, ProbePartition, Sighting, SightingKind

MAX_INTERVALS = 20_000  # of the log view, the copies, and each account; beyond it the oldest quarter is let go
NOWHERE = 1 << 62  # above every offset
MAX_RETIRED = 256  # ended runs whose records are still recognised, and not accounted for a second time


class Book:
    def __init__(self, partition: ProbePartition, *, instance: int, run: int) -> None:
        self.partition = partition
        self.instance = instance
        self.run = run
        self.accounts: dict[int, Account] = {run: Account(partition, run)}
        self.log = LogView()
        self.voided = LogView()  # what stood and was not found, or had to make way, until its log is proved to be cut
        self.copies = LogView()  # what was counted as an extra copy, by offset
        self.newest_copy: Copy | None = None
        self.inferred_at = float("-inf")  # monotonic seconds: when `Account.inferred` of the present run last grew
        self.fences = Fences()
        self.position: int | None = None  # the verifier's next offset; None until its first read
        self.first_read: int | None = None  # where this process began to read
        self.same_topic = False  # whether the topic is known to be the one that the state speaks of
        self.log_start = 0
        self._start_told = 0  # what the verifier was told of it last
        self.highest_acked = -1
        self.last_ack_at: Instant | None = None
        self.give_ups: list[GiveUp] = []
        self.counted: Counter[str] = Counter()  # events of this process, by metric-like name
        self.effects: list[Effect] = []
        self.archived: Counter[str] = Counter()  # sums of accounts that ended and left
        self.retired: dict[int, None] = {}  # their runs, oldest first
        self._own_floor: int | None = (
            None  # lowest offset at which a record of the current run was seen or acknowledged
        )
        self._reposition_sent = False
        self._alleged: int | None = None  # how far back the log went by what a reader was told, not proved so far
        self._went_back_to = NOWHERE  # the divergence of the last regression
        self._read_since = 0  # up to where the log was read since then
        self._cut_at = NOWHERE  # the same of the last one that was proved
        self._cut_by = (0, -1)  # run and sequence of the record that proved it, by standing there
        self._count_from = 0  # damaged and foreign records below this offset were counted by an earlier process,
        self._counted_to = 0  # below this one by that process or by this one
        self._refill_sign: Piece[Standing] | None = None  # of another log, to a look without a fence

    @property
    def own(self) -> Account:
        return self.accounts[self.run]

    def take_effects(self) -> list[Effect]:
        effects, self.effects = self.effects, []
        return effects

    def reposition(self, offset: int) -> None:
        self.position = offset
        self._reposition_sent = True
        self.effects.append(Reposition(self.partition, offset))

    # --- suspicion

    def _suspect(
        self,
        account: Account,
        piece: Piece[int],
        reason: str,
        *,
        placed: bool = True,
        bound: int = 0,
        epochs: RangeMap[int] | None = None,
    ) -> None:
        """Suspect the acknowledged sequences of `piece` = (sequence, count, offset), unless they are suspected already.

        `epochs`: the leader epochs of those that stood there a moment ago, which makes it a new suspicion in any case.
        """
        if epochs is None:
            epochs = self._void(account, piece) if placed else RangeMap()
        for again in epochs.overlapping(piece.first, piece.count):
            account.suspected.remove(again.first, again.count)
        for state in (State.AWAITING, State.VERIFIED):
            for window in account.sets[state].covered(piece.first, piece.count):
                for trusted in account.suspected.missing(*window):
                    for part in account.lost_before.missing(*trusted):
                        account.suspected.add(*part)
                        for first, count, epoch in _with_epochs(part, epochs):
                            low = piece.value + (first - piece.first if placed else 0)
                            self.effects.append(
                                Suspected(self.partition, account.run, first, count, low, placed, epoch, reason, bound)
                            )

    def _void(self, account: Account, piece: Piece[int]) -> RangeMap[int]:
        """Forget that these sequences stand at these offsets. Returns the leader epochs of those that did."""
        epochs: RangeMap[int] = RangeMap()
        for found in self.log.standing_at(account.run, piece):
            epochs.set(found.value.sequence, found.count, found.value.leader_epoch)
            self.log.remove(found.first, found.count)
            self.voided.set(*found)
        for first, count, _ in epochs:
            self._unsee(account, first, count)
        return epochs

    def _void_from(self, offset: int) -> dict[int, RangeMap[int]]:
        """Forget the records that stand at or above `offset`. Returns their leader epochs, by run and sequence."""
        gone: dict[int, RangeMap[int]] = {}
        for found in reversed(self.log.overlapping(offset, max(self.log.end - offset, 0))):
            if found.value.kind is SightingKind.RECORD:
                epochs = gone.setdefault(found.value.run, RangeMap())
                epochs.set(found.value.sequence, found.count, found.value.leader_epoch)
                self.log.remove(found.first, found.count)
                self.voided.set(*found)
        for run, epochs in gone.items():
            if run in self.accounts:
                for first, count, _ in epochs:
                    self._unsee(self.accounts[run], first, count)
        return gone

    def _unsee(self, account: Account, first: int, count: int) -> None:
        """Sequences left a place in the view: they are seen only where else they stand."""
        account.seen.remove(first, count)
        self._stand_lowest(account, first, count)
        if first + count > account.highest_seen:
            account.highest_seen = self.log.highest_sequence_below(account.run, self.log.end)

    def _stand_lowest(self, account: Account, first: int, count: int) -> None:
        """Take the lowest place at which each sequence stands, if it was ever seen at two, as its position."""
        for twice in account.twice.covered(first, count):
            for place in reversed(self.log.places(account.run, *twice)):
                account.seen.add(place.first, place.count)
                account.positions.set(*place)

    def _displaced(self, found: Piece[Standing]) -> None:
        """What stood there stands there no more. If it was acknowledged and stands nowhere else, it is suspected."""
        self.log.remove(found.first, found.count)
        account = self.accounts.get(found.value.run) if found.value.kind is SightingKind.RECORD else None
        if account is None:
            return
        self.voided.set(*found)
        self._unsee(account, found.value.sequence, found.count)
        for first, count in account.seen.missing(found.value.sequence, found.count):
            piece = Piece(first, count, found.first + first - found.value.sequence)
            epochs = RangeMap([(first, count, found.value.leader_epoch)])
            self._suspect(account, piece, "another record stands at its offset", epochs=epochs)

    def _compare(self, shown: tuple[Sighting, ...]) -> None:
        """Compare what one read of the log showed with what is known to have stood there.

        Where another leader's entry stands now, and a later leader than theirs wrote that or anything above it, the log
        had gone back when that one wrote: its own lacked them. A leader of long ago, which a reader may have been sent
        to, holds nothing of a later epoch.
        """
        newest = max((sighting.leader_epoch for sighting in shown), default=UNKNOWN_EPOCH)
        for sighting in shown if self.voided else ():
            for gone in self.voided.overlapping(sighting.offset, sighting.count):
                if 0 <= gone.value.leader_epoch < newest and 0 <= sighting.leader_epoch != gone.value.leader_epoch:
                    self._cut_off(gone)

    def _cut_off(self, gone: Piece[Standing]) -> None:
        """The log was cut where these stood: so were they, unless they stand or were acknowledged elsewhere."""
        self.voided.remove(gone.first, gone.count)
        account = self.accounts.get(gone.value.run)
        if account is not None:
            sequence = gone.value.sequence
            places = account.positions.overlapping(sequence, gone.count)
            elsewhere = [place[:2] for place in places if place.value - place.first != gone.first - sequence]
            for first, count in account.seen.missing(sequence, gone.count):
                for span in RangeSet.of(elsewhere).missing(first, count):
                    self._rewound(account, *span)

    @staticmethod
    def _rewound(account: Account, first: int, count: int) -> None:
        """The log is proved to have gone back to where these stood: that it starts above, later, explains nothing."""
        for window in account.suspected.covered(first, count):
            account.rewound.add(*window)

    def _written_since(self, piece: Piece[Standing]) -> bool:
        """Whether it was written after the log was last proved to have gone back.

        What proved that stands below it, and no later leader wrote that: in their log the one came after the other.
        """
        proof = self.log.get(self._cut_at)
        if proof is None or (proof.run, proof.sequence) != self._cut_by or piece.first <= self._cut_at:
            return False
        return 0 <= proof.leader_epoch <= piece.value.leader_epoch

    def _verified(self, account: Account, first: int, count: int) -> None:
        """A reader was given them. If they are suspected they stay so: perhaps it was given them before that."""
        account.move(first, count, State.AWAITING, State.VERIFIED)
        for trusted in account.suspected.missing(first, count):
            account.doubtful.remove(*trusted)
        self.counted["verified"] += count

    # --- growth

    def _forget_view_below(self, offset: int) -> None:
        lowest = self.log.lowest
        if lowest is None:
            return
        gone = self.log.overlapping(lowest, offset - lowest)
        self.log.remove_below(offset)
        for found in gone:
            account = self.accounts.get(found.value.run) if found.value.kind is SightingKind.RECORD else None
            if account is not None:
                self._unsee(account, found.value.sequence, found.count)

    def bound(self) -> None:
        """Let go of the oldest quarter of whatever has become too fragmented. Costs nothing as long as nothing is."""
        while self.log.intervals > MAX_INTERVALS:
            self._forget_view_below(_quarter(self.log))
        while self.voided.intervals > MAX_INTERVALS:
            self.voided.remove_below(_quarter(self.voided))
        while self.copies.intervals > MAX_INTERVALS:
            self.copies.remove_below(_quarter(self.copies))
        for account in self.accounts.values():
            if account.intervals > MAX_INTERVALS:
                members: list[RangeMap[int] | RangeMap[None]] = [
                    account.positions,
                    account.seen,
                    account.inferred,
                    *account.sets.values(),
                ]
                edge = _quarter(max(members, key=lambda each: each.intervals))
                self.set_aside(account.run, 0, edge)
                account.forget_places_below(edge)
                account.fold()

    def set_aside(self, run: int, first: int, count: int) -> None:
        """Take acknowledged sequences as unaccounted: nothing can be proved of them."""
        self._conclude(run, first, count, State.UNACCOUNTED)

    def expire(self, run: int, first: int, count: int) -> None:
        """Take acknowledged sequences as expired: the log start passed them unread."""
        self._conclude(run, first, count, State.EXPIRED)

    def _conclude(self, run: int, first: int, count: int, state: State) -> None:
        account = self.accounts[run]
        moved = account.move_all(first, count, State.AWAITING, state)
        account.trust(first, count)
        account.positions.remove(first, count)
        self.counted[state.value] += moved

    def _forget_ended_accounts(self) -> None:
        for account in list(self.accounts.values()):
            account.fold()
            settled = not any(account.sets[state] for state in OPEN)
            if account.orphan and account.met and settled and not account.positions and not account.seen:
                self._archive(account.run)

    def _archive(self, run: int) -> None:
        """Let go of an ended run; its sums stay, and its id, lest a record of it be accounted for again."""
        self.archived.update(_sums(self.accounts.pop(run)))
        self.give_ups = [each for each in self.give_ups if each.run != run]
        self.retired[run] = None
        while len(self.retired) > MAX_RETIRED:
            del self.retired[next(iter(self.retired))]

    # --- figures

    def records(self) -> dict[str, int]:
        """Return the sums over all accounts, in the terms of the identities (docs/verdicts.md)."""
        sums = Counter(self.archived)
        for account in self.accounts.values():
            sums.update(_sums(account))
        return dict(sums)

    def check(self) -> None:
        """Check the identities of every account. Raises InvariantError."""
        for account in self.accounts.values():
            account.check()
        counted = self.counted
        if counted["sent"] < sum(counted[name] for name in ("acked", "rejected", "uncertain")):
            raise InvariantError(f"{self.partition}: more outcomes than records sent: {dict(counted)}")

    def oldest_awaiting(self) -> Instant | None:
        """Return when the oldest acknowledged and unread record of this run was sent; None if all are read."""
        lowest = self.own.sets[State.AWAITING].lowest
        return None if lowest is None else self.own.sent_at(lowest)

    def overdue(self, sent_before: float) -> int:
        """Return how many acknowledged records sent before that monotonic instant are still unread."""
        edge = self.own.sends.sent_before(sent_before)
        return sum(count for _, count in self.own.sets[State.AWAITING].covered(0, edge))


def _with_epochs(part: tuple[int, int], epochs: RangeMap[int]) -> list[Piece[int]]:
    """Cut a window of sequences where the leader epoch changes."""
    result: RangeMap[int] = RangeMap([(*part, UNKNOWN_EPOCH)])
    for first, count, epoch in epochs.overlapping(*part):
        result.set(first, count, epoch)
    return list(result)


def _quarter(members: RangeMap[Standing] | RangeMap[int] | RangeMap[None]) -> int:
    """Return the key below which a quarter of the intervals lie."""
    starts = [piece.first for piece in members]
    return starts[len(starts) // 4] if starts else 0


def _sums(account: Account) -> dict[str, int]:
    sums = {state.value: account.count(state) for state in State}
    sums["sent"] = account.next_sequence
    sums["acked"] = account.count(*ACKED)
    sums["uncertain"] = account.count(*UNSURE)
    sums[LOST_BEFORE] = account.lost_after_sighting
    sums["suspected"] = len(account.suspected)
    return sums
