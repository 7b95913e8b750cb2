"""The ledger of one probe partition: what was sent, what was acknowledged where, what stands in the log.

It registers facts and raises suspicions; it never calls a record lost by itself. That is for `verdicts.py`, once a
fresh reader has re-read the log up to a fence (`rechecks.py` sees to that). docs/verdicts.md explains the proof.

Cost: sends, acknowledgements and sightings arrive as spans, and each span costs a few bisections in interval lists
whose length is the number of anomalies in the retained log.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from kafka_sentinel.core.account import ACKED, UNSURE, Account, Batch, InvariantError, State, pairs, whole
from kafka_sentinel.core.fences import Fences
from kafka_sentinel.core.logview import LogView, Standing, standing
from kafka_sentinel.core.ranges import Piece, RangeSet
from kafka_sentinel.core.types import Claims, Instant, ProbePartition, Sighting, SightingKind, Span

MAX_ACCOUNTS = 16  # earlier runs remembered per partition; beyond it the oldest are no longer vouched for
MAX_INTERVALS = 20_000  # intervals of the log view; beyond it the lowest offsets are no longer vouched for
MAX_GIVE_UPS = 10_000


@dataclass(frozen=True, slots=True)
class Regressed:
    """The log went backwards: a send that started after offset `divergence` was acknowledged came to stand there or below."""

    partition: ProbePartition
    divergence: int
    last_ack_at: Instant | None
    at: Instant


@dataclass(frozen=True, slots=True)
class Suspected:
    """Acknowledged sequences that should stand in the log at or above offset `low`, and may not."""

    partition: ProbePartition
    run: int
    first: int
    count: int
    low: int
    placed: bool  # whether `low` is the very offset of `first`, and the others follow it
    leader_epoch: int  # of the record when it was last seen there; -1: not seen, or not known
    reason: str


@dataclass(frozen=True, slots=True)
class CopySighted:
    """A sequence seems to stand twice, somewhere in [low, high)."""

    partition: ProbePartition
    low: int
    high: int


@dataclass(frozen=True, slots=True)
class Reposition:
    """The verifier has to go on reading at `offset`."""

    partition: ProbePartition
    offset: int


Effect = Regressed | Suspected | CopySighted | Reposition


class GiveUp(NamedTuple):
    run: int
    first: int
    count: int  # type: ignore[assignment]  # shadows tuple.count, which nobody calls
    at: Instant


class PartitionLedger:
    def __init__(self, partition: ProbePartition, *, instance: int, run: int) -> None:
        self.partition = partition
        self.instance = instance
        self.run = run
        self.accounts: dict[int, Account] = {run: Account(partition, run)}
        self.log = LogView()
        self.copies = RangeSet()  # offsets that were found to hold an extra copy
        self.fences = Fences()
        self.position: int | None = None  # the verifier's next offset; None until its first read
        self.log_start = 0
        self.highest_acked = -1
        self.last_ack_at: Instant | None = None
        self.give_ups: list[GiveUp] = []
        self.counted: Counter[str] = Counter()  # events of this process, by metric-like name
        self.effects: list[Effect] = []
        self._own_floor: int | None = (
            None  # lowest offset at which a record of the current run was seen or acknowledged
        )
        self._reposition_sent = False
        self._count_from = 0  # damaged and foreign records below this offset were counted by an earlier process
        self.first_read: int | None = None  # where this process began to read
        self.archived: Counter[str] = Counter()  # sums of accounts that ended and left

    @property
    def own(self) -> Account:
        return self.accounts[self.run]

    def take_effects(self) -> list[Effect]:
        effects, self.effects = self.effects, []
        return effects

    # --- the producer's side

    def sent(self, run: int, first: int, count: int, at: Instant) -> None:
        account = self.accounts[run]
        if first != account.next_sequence:
            raise InvariantError(f"{self.partition}: sequence {first} was sent, {account.next_sequence} is next")
        account.open_up_to(first + count, State.IN_FLIGHT)
        account.remember_send(Batch(first, first + count, at, self.highest_acked))
        self.fences.sent(run, first, at)
        self.counted["sent"] += count

    def rejected(self, run: int, first: int, count: int) -> None:
        self.accounts[run].move(first, count, State.IN_FLIGHT, State.REJECTED)
        self.fences.gave_up(run, first, count)
        self.counted["rejected"] += count

    def uncertain(self, run: int, first: int, count: int, at: Instant) -> None:
        account = self.accounts[run]
        account.move(first, count, State.IN_FLIGHT, State.UNCERTAIN)
        self.fences.gave_up(run, first, count)
        self.counted["uncertain"] += count
        for piece in account.seen.covered(first, count):
            account.move(*piece, State.UNCERTAIN, State.PRESENT)
            self.counted["present"] += piece[1]
        self.give_ups.append(GiveUp(run, first, count, at))
        if len(self.give_ups) > MAX_GIVE_UPS:  # settle the two oldest together, later: errs to the safe side
            self._merge_give_ups()

    def _merge_give_ups(self) -> None:
        older, newer, *rest = self.give_ups
        if older.run == newer.run:
            first = min(older.first, newer.first)
            end = max(older.first + older.count, newer.first + newer.count)
            self.give_ups = [GiveUp(newer.run, first, end - first, newer.at), *rest]
        else:
            self.give_ups = [newer, *rest]

    def acked(self, run: int, spans: tuple[Span, ...], at: Instant) -> None:
        account = self.accounts[run]
        for span in spans:
            account.move(span.first, span.count, State.IN_FLIGHT, State.AWAITING)
            self.counted["acked"] += span.count
            if span.offset is not None:
                self._check_barriers(account, span, at)
                self._place(account, span.first, span.count, span.offset)
            for first, count in account.seen.covered(span.first, span.count):
                self._verified(account, first, count)
            if span.offset is not None:
                self._check_passed(account, span)
        self.last_ack_at = at
        self.fences.acked(run, spans)

    def _check_barriers(self, account: Account, span: Span, at: Instant) -> None:
        assert span.offset is not None
        for batch in account.batches(span.first, span.count):
            offset = span.offset + max(batch.first - span.first, 0)
            if offset <= batch.barrier:
                self.regressed(offset, at)
                return  # the barriers are lower now, and the rest of the span stands above

    def _place(self, account: Account, first: int, count: int, offset: int) -> None:
        account.positions.set(first, count, offset)
        self.highest_acked = max(self.highest_acked, offset + count - 1)
        if account.run == self.run:
            self._own_floor = offset if self._own_floor is None else min(self._own_floor, offset)

    def _check_passed(self, account: Account, span: Span) -> None:
        """An acknowledgement may come after the verifier has passed its offset. Then the record was seen there, or is suspected."""
        assert span.offset is not None
        if self.position is not None and span.offset < self.position:
            for first, count in account.pieces_awaiting(span.first, min(span.count, self.position - span.offset)):
                self._corrupted_or_suspected(account, Piece(first, count, span.offset + first - span.first))

    def regressed(self, divergence: int, at: Instant) -> None:
        """The log went backwards to `divergence` or lower: everything acknowledged from there on is suspected, read or not."""
        for account in self.accounts.values():
            for piece in account.positions.at_or_above(divergence):
                self._suspect(account, piece, "the log went backwards")
            account.lower_barriers(divergence - 1)
        self.effects.append(Regressed(self.partition, divergence, self.last_ack_at, at))
        self.highest_acked = min(self.highest_acked, divergence - 1)
        self.log_start = min(self.log_start, divergence)
        self._count_from = min(self._count_from, divergence)
        self.copies.remove_from(divergence)
        if self.position is not None and self.position > divergence:
            self.reposition(divergence)

    def reposition(self, offset: int) -> None:
        self.position = offset
        self._reposition_sent = True
        self.effects.append(Reposition(self.partition, offset))

    # --- the readers' side

    def read(self, start: int, position: int, sightings: tuple[Sighting, ...]) -> bool:
        """Register what the verifier read. Returns False for a batch that is out of step (sent before it was repositioned)."""
        if self.position is not None and start > self.position:
            if not self._reposition_sent:
                self.reposition(self.position)
            return False
        self._reposition_sent = False
        if self.first_read is None:
            self.first_read = start
        for sighting in sightings:
            self.sight(sighting)
        self.position = position
        for account in self.accounts.values():
            for first, count in account.sets[State.AWAITING].spans():
                for piece in account.positions.overlapping(first, count):
                    self._suspect_within(account, piece, start, position)
        return True

    def _suspect_within(self, account: Account, piece: Piece[int], start: int, position: int) -> None:
        low, high = max(piece.value, start), min(piece.value + piece.count, position)
        if low < high:
            self._corrupted_or_suspected(account, Piece(piece.first + low - piece.value, high - low, low))

    def _corrupted_or_suspected(self, account: Account, piece: Piece[int]) -> None:
        for found in self.log.overlapping(piece.value, piece.count):
            if found.value.kind is SightingKind.CORRUPTED:
                first = piece.first + found.first - piece.value
                moved = account.move_all(first, found.count, State.AWAITING, State.CORRUPTED)
                self.counted["acked_corrupted"] += moved
        for first, count in account.pieces_awaiting(piece.first, piece.count):
            self._suspect(account, Piece(first, count, piece.value + first - piece.first), "a reader passed it unseen")

    def _suspect(self, account: Account, piece: Piece[int], reason: str, *, placed: bool = True) -> None:
        """Suspect those acknowledged sequences of the piece that are not suspected or lost already."""
        epoch = self._void(account, piece) if placed else -1
        for state in (State.AWAITING, State.VERIFIED):
            for first, count in account.sets[state].covered(piece.first, piece.count):
                for start, length in account.suspected.missing(first, count):
                    for open_first, open_count in account.lost_before.missing(start, length):
                        account.suspected.add(open_first, open_count)
                        low = piece.value + (open_first - piece.first if placed else 0)
                        self.effects.append(
                            Suspected(
                                self.partition,
                                account.run,
                                open_first,
                                open_count,
                                low,
                                placed,
                                epoch,
                                reason,
                            ),
                        )

    def _void(self, account: Account, piece: Piece[int]) -> int:
        """Forget that these sequences stand at these offsets. Returns their leader epoch, -1 if we never saw them there."""
        epoch = -1
        for found in self.log.overlapping(piece.value, piece.count):
            sequence = piece.first + found.first - piece.value
            if found.value.run == account.run and found.value.sequence == sequence:
                epoch = max(epoch, found.value.leader_epoch)
                self.log.remove(found.first, found.count)
                self._unsee(account, sequence, found.count)
        return epoch

    def _unsee(self, account: Account, first: int, count: int) -> None:
        account.seen.remove(first, count)
        for elsewhere in self.log.places(account.run, first, count):
            account.seen.add(elsewhere.first, elsewhere.count)
        account.highest_seen = self.log.highest_sequence_below(account.run, self.log.end)

    def sight(self, sighting: Sighting) -> None:
        """Register that things stand at offsets. Order of the calls is the order of the log, except after a reposition."""
        new = standing(sighting, self.instance)
        if new.kind is SightingKind.RECORD and not self._account_for(sighting):
            new = Standing(SightingKind.FOREIGN, 0, 0, sighting.leader_epoch)
        fresh = RangeSet.of([(sighting.offset, sighting.count)])
        for found in self.log.overlapping(sighting.offset, sighting.count):
            if self._stands_already(found, new, found.first - sighting.offset):
                fresh.remove(found.first, found.count)
        for offset, count in fresh.spans():
            self._newly_standing(Piece(offset, count, _shifted(new, offset - sighting.offset)))
        if new.kind is SightingKind.RECORD and sighting.claims is not None:
            account = self.accounts[sighting.run]
            if account.orphan:
                self._believe(account, sighting.claims)

    def _stands_already(self, found: Piece[Standing], new: Standing, by: int) -> bool:
        """Whether the view has this already. If other things stood there, they are displaced."""
        expected = _shifted(new, by)
        if found.value == expected:
            return True
        same_content = found.value._replace(leader_epoch=0) == expected._replace(leader_epoch=0)
        if same_content:
            self.log.set(found.first, found.count, expected)
            return True
        if found.value.leader_epoch == new.leader_epoch >= 0:
            self.counted["conflicting"] += found.count
        self._displaced(found)
        return False

    def _displaced(self, found: Piece[Standing]) -> None:
        """What stood there stands there no more. If it was acknowledged, it is suspected."""
        self.log.remove(found.first, found.count)
        self.copies.remove(found.first, found.count)
        account = self.accounts.get(found.value.run) if found.value.kind is SightingKind.RECORD else None
        if account is None:
            return
        self._unsee(account, found.value.sequence, found.count)
        for first, count in account.seen.missing(found.value.sequence, found.count):
            offset = found.first + first - found.value.sequence
            self._suspect(account, Piece(first, count, offset), "another record stands at its offset")

    def _newly_standing(self, piece: Piece[Standing]) -> None:
        self.log.set(piece.first, piece.count, piece.value)
        if self.log.intervals > MAX_INTERVALS:
            self.log.remove_below((self.log.lowest or 0) + 1 + self.log.end // 100)
        if piece.value.kind is not SightingKind.RECORD:
            self.counted[piece.value.kind.value] += max(
                piece.first + piece.count - max(piece.first, self._count_from), 0
            )
            return
        account = self.accounts[piece.value.run]
        if account.run == self.run:
            self._own_floor = piece.first if self._own_floor is None else min(self._own_floor, piece.first)
        first, count, offset = piece.value.sequence, piece.count, piece.first
        for again_first, again_count in account.seen.covered(first, count):
            self._copy_sighted(account, again_first, again_count, offset + again_first - first)
        for new_first, new_count in account.seen.missing(first, count):
            self._first_sighting(account, new_first, new_count, offset + new_first - first)

    def _copy_sighted(self, account: Account, first: int, count: int, offset: int) -> None:
        lowest = min(place.value for place in self.log.places(account.run, first, count))
        self.effects.append(CopySighted(self.partition, lowest, offset + count))

    def _first_sighting(self, account: Account, first: int, count: int, offset: int) -> None:
        account.seen.add(first, count)
        if first <= account.highest_seen:
            self._count_inversions(account, first, count, offset)
        account.highest_seen = max(account.highest_seen, first + count - 1)
        for state in (State.UNCERTAIN, State.ABSENT):
            for piece in account.sets[state].covered(first, count):
                account.move(*piece, state, State.PRESENT)
                account.blind.remove(*piece)
                self.counted["late" if state is State.ABSENT else "present"] += piece[1]
        for piece in account.pieces_awaiting(first, count):
            account.positions.set(piece[0], piece[1], offset + piece[0] - first)
            self._verified(account, *piece)
        for piece in account.sets[State.VERIFIED].covered(first, count):
            self._check_moved(account, *piece, offset + piece[0] - first)

    def _count_inversions(self, account: Account, first: int, count: int, offset: int) -> None:
        """Count the sequences that stand behind a higher one. One that was read before (and re-read now) counted then."""
        before = self.log.highest_sequence_below(account.run, offset)
        behind = min(first + count, before) - first
        if behind > 0:
            known = sum(
                length
                for state in (State.VERIFIED, State.PRESENT)
                for _, length in account.sets[state].covered(first, behind)
            )
            self.counted["reordered"] += behind - known

    def _check_moved(self, account: Account, first: int, count: int, offset: int) -> None:
        """A verified record that stands elsewhere than where it was acknowledged may stand there as well."""
        for place in account.positions.overlapping(first, count):
            if place.value != offset + place.first - first:
                low, high = sorted((place.value, offset + place.first - first))
                self.effects.append(CopySighted(self.partition, low, high + place.count))

    def _verified(self, account: Account, first: int, count: int) -> None:
        account.move(first, count, State.AWAITING, State.VERIFIED)
        account.suspected.remove(first, count)
        self.counted["verified"] += count

    # --- runs that are not this process's own

    def _account_for(self, sighting: Sighting) -> bool:
        """Whether the record belongs to an account of ours; an earlier run that we know nothing of gets one.

        A run we do not know whose records stand above our own first one is another live Sentinel of the same name.
        """
        account = self.accounts.get(sighting.run)
        if account is None:
            if self._own_floor is not None and sighting.offset > self._own_floor:
                self.counted["namesake"] += sighting.count
                return False
            account = self._adopt(sighting.run)
        if account.orphan and sighting.first + sighting.count > account.next_sequence:
            known = account.next_sequence
            account.open_up_to(sighting.first + sighting.count, State.UNCERTAIN)
            account.blind.add(known, account.next_sequence - known)
        return account.orphan or sighting.first + sighting.count <= account.next_sequence

    def _adopt(self, run: int) -> Account:
        account = Account(self.partition, run, orphan=True)
        self.accounts[run] = account
        self._bound_accounts()
        return account

    def _bound_accounts(self) -> None:
        for run in [run for run in self.accounts if run != self.run][: max(len(self.accounts) - MAX_ACCOUNTS, 0)]:
            for first, count in self.accounts[run].sets[State.AWAITING].spans():
                self.set_aside(run, first, count)
            self._archive(run)

    def _believe(self, account: Account, claims: Claims) -> None:
        """Take a surviving record's word that others of its run were acknowledged."""
        claimed = RangeSet.of([(claims.claims_from, claims.acked_through - claims.claims_from)])
        for gap in claims.gaps:
            claimed.remove(*gap)
        for first, count in claimed.spans():
            for piece in account.sets[State.UNCERTAIN].covered(first, count):
                account.move(*piece, State.UNCERTAIN, State.AWAITING)
                account.blind.remove(*piece)
            for piece in account.sets[State.PRESENT].covered(first, count):
                account.move(*piece, State.PRESENT, State.AWAITING)
                for place in self.log.places(account.run, *piece):
                    account.positions.set(place.first, place.count, place.value)
                self._verified(account, *piece)

    # --- judgement, applied

    def reread(self, start: int, position: int, sightings: tuple[Sighting, ...]) -> None:
        """Take a fresh reader's word for [start, position): what it did not find there stands there no more."""
        standing_now = RangeSet.of((s.offset, s.count) for s in sightings)
        for first, count in standing_now.missing(start, position - start):
            for found in self.log.overlapping(first, count):
                self._displaced(found)
        for sighting in sightings:
            self.sight(sighting)
        self._count_copies(sightings)
        for account in self.accounts.values():
            for piece in account.positions.at_or_above(start):
                inside = min(piece.count, position - piece.value)
                for first, count in account.seen.missing(piece.first, inside) if inside > 0 else ():
                    gone = Piece(first, count, piece.value + first - piece.first)
                    self._suspect(account, gone, "a recheck did not find it")

    def _count_copies(self, sightings: tuple[Sighting, ...]) -> None:
        """Count sequences that one re-read saw at two offsets: the extra copies, each offset once."""
        met: dict[int, RangeSet] = {}
        for sighting in sightings:
            if sighting.kind is not SightingKind.RECORD or sighting.run not in self.accounts:
                continue
            seen = met.setdefault(sighting.run, RangeSet())
            for first, count in seen.covered(sighting.first, sighting.count):
                self.counted["duplicated"] += self.copies.add(sighting.offset + first - sighting.first, count)
            seen.add(sighting.first, sighting.count)

    def prove_lost(self, run: int, first: int, count: int) -> tuple[int, int]:
        """Take acknowledged sequences as lost. Returns how many had never been seen, and how many had been before."""
        account = self.accounts[run]
        never = account.move_all(first, count, State.AWAITING, State.LOST)
        before = sum(account.lost_before.add(*piece) for piece in account.sets[State.VERIFIED].covered(first, count))
        account.suspected.remove(first, count)
        account.positions.remove(first, count)
        return never, before

    def clear(self, run: int, first: int, count: int) -> None:
        """The recheck found them: no longer suspected."""
        self.accounts[run].suspected.remove(first, count)

    def set_aside(self, run: int, first: int, count: int) -> int:
        """Take acknowledged sequences as unaccounted: nothing can be proved of them. Returns how many."""
        account = self.accounts[run]
        moved = account.move_all(first, count, State.AWAITING, State.UNACCOUNTED)
        account.suspected.remove(first, count)
        account.positions.remove(first, count)
        self.counted["unaccounted"] += moved
        return moved

    def expire(self, run: int, first: int, count: int) -> int:
        account = self.accounts[run]
        moved = account.move_all(first, count, State.AWAITING, State.EXPIRED)
        account.suspected.remove(first, count)
        account.positions.remove(first, count)
        self.counted["expired"] += moved
        return moved

    def settle_uncertain(self, run: int, first: int, count: int) -> None:
        """A fence sent well after the give-up was read past: what has not been seen was not written.

        What is uncertain only because we were not there to hear the answer is unaccounted: it may have been
        acknowledged, and lost.
        """
        account = self.accounts[run]
        for piece in account.sets[State.UNCERTAIN].covered(first, count):
            for blind in account.blind.covered(*piece):
                account.move(*blind, State.UNCERTAIN, State.UNACCOUNTED)
                account.blind.remove(*blind)
                self.counted["unaccounted"] += blind[1]
            self.counted["absent"] += account.move_all(*piece, State.UNCERTAIN, State.ABSENT)

    def log_starts_at(self, log_start: int) -> None:
        """The log start moved: what it passed unread has expired, unless it is under suspicion; that is for the recheck."""
        if log_start <= self.log_start:
            return
        self.log_start = log_start
        for account in self.accounts.values():
            for piece in account.positions.below(log_start):
                for first, count in account.suspected.missing(piece.first, piece.count):
                    self.expire(account.run, first, count)
        self.log.remove_below(log_start)
        self.copies.remove_below(log_start)
        self._forget_ended_accounts()

    def recreated(self) -> list[tuple[int, RangeSet]]:
        """The topic was deleted and made anew: a new log from 0. Returns what was still awaited, by run."""
        awaited = []
        for account in self.accounts.values():
            account.suspected.clear()
            account.positions.clear()
            account.seen.clear()
            account.highest_seen = -1
            account.lower_barriers(-1)
            awaited.append((account.run, RangeSet.of(account.sets[State.AWAITING].spans())))
            for first, count in account.sets[State.AWAITING].spans():
                account.suspected.add(first, count)
        self.log.clear()
        self.copies.clear()
        self.highest_acked = -1
        self.log_start = 0
        self._own_floor = None
        self.reposition(0)
        return awaited

    def start_run(self, run: int) -> None:
        """Begin a new run. The producer still tells what became of the old one's records in flight."""
        old = self.own
        old.orphan = True
        self.fences.run_ended(old.run)
        self.run = run
        self.accounts[run] = Account(self.partition, run)
        self._own_floor = None
        self._bound_accounts()

    def _forget_ended_accounts(self) -> None:
        open_states = (State.IN_FLIGHT, State.UNCERTAIN, State.AWAITING)
        for account in list(self.accounts.values()):
            if account.orphan and not account.positions and not account.count(*open_states):
                self._archive(account.run)

    def _archive(self, run: int) -> None:
        """Let go of an ended run whose records have left the log; its sums stay."""
        self.archived.update(_sums(self.accounts.pop(run)))

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
        total = 0
        for first, count in self.own.sets[State.AWAITING].spans():
            for batch in self.own.batches(first, count):
                if batch.sent_at.mono < sent_before:
                    total += min(batch.end, first + count) - max(batch.first, first)
        return total

    # --- state on disk

    def to_state(self) -> dict[str, object]:
        return {
            "acks": self.partition.acks.value,
            "partition": self.partition.partition,
            "position": self.position,
            "log_start": self.log_start,
            "copies": self.copies.spans(),
            "archived": dict(self.archived),
            "accounts": [account.to_state() for account in self.accounts.values()],
        }

    def restore(self, state: Mapping[str, object], at: Instant) -> None:
        """Take over the accounts of an earlier process. What it left uncertain is given up as of now."""
        position, accounts, copies = state["position"], state["accounts"], state["copies"]
        self.position = None if position is None else whole(position)
        self.log_start = whole(state["log_start"])
        self.copies = RangeSet.of(pairs(copies))
        self._count_from = self.position or 0
        archived = state["archived"]
        assert isinstance(archived, Mapping)
        assert isinstance(accounts, list | tuple)
        self.archived = Counter({str(name): whole(value) for name, value in archived.items()})
        for entry in accounts:
            account = Account.from_state(self.partition, entry)
            self.accounts[account.run] = account
            ends = [piece.value + piece.count - 1 for piece in account.positions]
            self.highest_acked = max([self.highest_acked, *ends])
            self.give_ups += [GiveUp(account.run, *span, at) for span in account.sets[State.UNCERTAIN].spans()]
            self._suspect_again(account)

    def _suspect_again(self, account: Account) -> None:
        """What was under suspicion when the earlier process ended has to be judged by this one."""
        suspects, account.suspected = account.suspected, RangeSet()
        for first, count in suspects.spans():
            for piece in account.positions.overlapping(first, count):
                self._suspect(account, piece, "under suspicion since before a restart")

    def suspect_unplaced(self) -> None:
        """A fence was read past: what was acknowledged without an offset before it, and is still unseen, is suspected."""
        for first, count in self.own.unplaced():
            below = self.own.positions.overlapping(0, first)
            low = below[-1].value + below[-1].count if below else 0
            self._suspect(self.own, Piece(first, count, low), "acknowledged without an offset, not found", placed=False)

    def has_unsettled_orphans(self) -> bool:
        """Whether an earlier run left something that `settle_orphans` would settle."""
        return any(
            account.blind or any(account.suspected.missing(*span) for span in account.unplaced())
            for account in self.accounts.values()
            if account.orphan
        )

    def settle_orphans(self) -> None:
        """A fence of the present run was read past, from where this process began: all that earlier runs left is known.

        What a surviving record claims and we did not find is suspected; what nobody claims and we did not find is
        unaccounted.
        """
        low = self.first_read or 0
        for account in [account for account in self.accounts.values() if account.orphan]:
            lowest_seen = account.seen.lowest
            for first, count in account.unplaced():
                expired = (
                    min(count, max(lowest_seen - first, 0)) if lowest_seen is not None and self.log_start > 0 else 0
                )
                self.expire(account.run, first, expired)
                self._suspect(account, Piece(first + expired, count - expired, low), "claimed, not found", placed=False)
            for first, count in account.blind.spans():
                self.settle_uncertain(account.run, first, count)
        self._forget_ended_accounts()


def _sums(account: Account) -> dict[str, int]:
    sums = {state.value: account.count(state) for state in State}
    sums["sent"] = account.next_sequence
    sums["acked"] = account.count(*ACKED)
    sums["uncertain"] = account.count(*UNSURE)
    sums["lost_before"] = len(account.lost_before)
    sums["suspected"] = len(account.suspected)
    return sums


def _shifted(value: Standing, by: int) -> Standing:
    shift: Callable[[Standing, int], Standing] = LogView._shift  # noqa: SLF001  the one rule of what is in step
    return shift(value, by)
