"""The ledger of one probe partition: what was sent, what was acknowledged where, what stands in the log.

It registers facts and raises suspicions; it never calls a record lost by itself. That is for `verdicts.py`, once a
fresh reader has re-read the log up to a fence (`rechecks.py` sees to that). docs/verdicts.md explains the proof.

    suspicions  what it has to say
    account     the states of one run's sequences            book       all that is known, and how suspicion is raised
    sends       what is not settled yet                      orphans    earlier runs, claims, settling
    logview     what stands in the log                       witness    what readers saw

Cost: sends, acknowledgements and sightings arrive as spans, and each span costs a few bisections in interval lists
whose length is the number of anomalies in the retained log.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from kafka_sentinel.core.account import Account, InvariantError, State, mapping, whole
from kafka_sentinel.core.logview import Standing
from kafka_sentinel.core.orphans import MAX_ACCOUNTS
from kafka_sentinel.core.ranges import Piece, RangeSet
from kafka_sentinel.core.sends import Batch
from kafka_sentinel.core.suspicions import UNKNOWN_EPOCH, CopySighted, Effect, GiveUp, Regressed, Reposition, Suspected
from kafka_sentinel.core.types import Instant, SightingKind, Span
from kafka_sentinel.core.witness import Witness

__all__ = [
    "MAX_ACCOUNTS",
    "MAX_GIVE_UPS",
    "CopySighted",
    "Effect",
    "GiveUp",
    "PartitionLedger",
    "Regressed",
    "Reposition",
    "Suspected",
]

MAX_GIVE_UPS = 4_096


class PartitionLedger(Witness):
    # --- the producer's side

    def sent(self, run: int, first: int, count: int, at: Instant) -> None:
        account = self.accounts[run]
        if first != account.next_sequence:
            raise InvariantError(f"{account}: sequence {first} was sent, {account.next_sequence} is next")
        account.open_up_to(first + count, State.IN_FLIGHT)
        account.remember_send(Batch(first, first + count, at, self.highest_acked))
        self.fences.sent(run, first, at)
        self.counted["sent"] += count

    def rejected(self, run: int, first: int, count: int) -> None:
        account = self.accounts[run]
        for window in _in_flight(account, first, count):
            account.move(*window, State.IN_FLIGHT, State.REJECTED)
            self.counted["rejected"] += window[1]
        self.fences.gave_up(run, first, count)

    def uncertain(self, run: int, first: int, count: int, at: Instant) -> None:
        account = self.accounts[run]
        for window in _in_flight(account, first, count):
            account.move(*window, State.IN_FLIGHT, State.UNCERTAIN)
            self.counted["uncertain"] += window[1]
        for window in account.seen.covered(first, count):
            self.counted["present"] += account.move_all(*window, State.UNCERTAIN, State.PRESENT)
        self.fences.gave_up(run, first, count)
        self._give_up(GiveUp(run, first, count, at))

    def _give_up(self, entry: GiveUp) -> None:
        """Remember it, as one with the last if both are of one stretch and second: the later instant is safe."""
        last = self.give_ups[-1] if self.give_ups else None
        joins = last is not None and (last.run, last.first + last.count) == (entry.run, entry.first)
        if last is not None and joins and int(last.at.mono) == int(entry.at.mono):
            self.give_ups[-1] = last._replace(count=last.count + entry.count, at=entry.at)
            return
        self.give_ups.append(entry)
        if len(self.give_ups) > MAX_GIVE_UPS:
            self._merge_give_ups(entry.at)

    def _merge_give_ups(self, at: Instant) -> None:
        """Take all of each run as given up only now: settled later than need be, never too early."""
        windows: dict[int, list[GiveUp]] = {}
        for entry in self.give_ups:
            windows.setdefault(entry.run, []).append(entry)
        self.give_ups = []
        for run, entries in windows.items():
            first = min(entry.first for entry in entries)
            end = max(entry.first + entry.count for entry in entries)
            self.give_ups.append(GiveUp(run, first, end - first, at))

    def acked(self, run: int, spans: tuple[Span, ...], at: Instant) -> None:
        account = self.accounts[run]
        for span in spans:
            offset = span.offset if span.offset is not None and span.offset >= 0 else None
            for first, count in _in_flight(account, span.first, span.count):
                doubts = account.doubtful.covered(first, count)  # asked first: what is verified is in doubt no more
                for sure_first, sure_count in account.doubtful.missing(first, count):
                    place = None if offset is None else offset + sure_first - span.first
                    self._acked(account, Span(sure_first, sure_count, place), at)
                for doubt in doubts:
                    self._acked_in_doubt(account, *doubt)
        self.last_ack_at = at
        self.fences.acked(run, spans)

    def _acked(self, account: Account, span: Span, at: Instant) -> None:
        if span.offset is not None:
            self._check_barriers(account, span, at)
        account.move(span.first, span.count, State.IN_FLIGHT, State.AWAITING)
        self.counted["acked"] += span.count
        if span.offset is not None:
            self.highest_acked = max(self.highest_acked, span.offset + span.count - 1)
            if account.run == self.run:
                self._own_floor = span.offset if self._own_floor is None else min(self._own_floor, span.offset)
            for first, count in account.seen.missing(span.first, span.count):  # the others stand where they were seen
                account.positions.set(first, count, span.offset + first - span.first)
        for window in account.seen.covered(span.first, span.count):
            self._verified(account, *window)
        if span.offset is not None and self.position is not None and span.offset < self.position:
            passed = Piece(span.first, min(span.count, self.position - span.offset), span.offset)
            self._missed(account, passed, self.log, "a reader passed it unseen")

    def _acked_in_doubt(self, account: Account, first: int, count: int) -> None:
        """Acknowledged by the topic that was deleted, or by the one made anew: it counts if it is found in this one."""
        account.move(first, count, State.IN_FLIGHT, State.AWAITING)
        self.counted["acked"] += count
        for window in account.seen.covered(first, count):
            self._verified(account, *window)
        self._suspect_awaiting(account, first, count, "the topic was made anew")

    def _suspect_awaiting(self, account: Account, first: int, count: int, reason: str) -> None:
        for window in account.pieces_awaiting(first, count):
            self._suspect(account, Piece(*window, 0), reason, placed=False)

    def _check_barriers(self, account: Account, span: Span, at: Instant) -> None:
        assert span.offset is not None
        for batch in account.sends.overlapping(span.first, span.count):
            offset = span.offset + max(batch.first - span.first, 0)
            if offset <= batch.barrier:
                self.regressed(offset, at, proved=True)
                return  # the barriers are lower now, and the rest of the span stands above

    def regressed(self, divergence: int, at: Instant, *, proved: bool = False) -> None:
        """The log went back to `divergence` or lower: what was acknowledged from there on is suspected, read or not.

        Unless it is `proved` by an acknowledgement it may be a mistake, and what was known of the log is kept.
        """
        gone = self._void_from(divergence)
        for account in self.accounts.values():
            for piece in account.positions.at_or_above(divergence):
                self._suspect(account, piece, "the log went backwards", epochs=gone.get(account.run))
            if account.begin is not None:
                account.begin = 0  # what was written since may stand below the divergence
        confirms = proved and self._alleged is not None and divergence >= self._alleged
        self.effects.append(Regressed(self.partition, divergence, self.last_ack_at, at, proved, confirms))
        self._alleged = None if proved else divergence
        self._went_back_to = divergence
        if proved:
            self._lower(divergence)
        if self.position is not None and self.position > divergence:
            self.reposition(divergence)

    def _lower(self, divergence: int) -> None:
        for account in self.accounts.values():
            account.sends.lower_barriers(divergence - 1)
            if divergence < account.earlier[0]:
                account.earlier = (0, -1)
        self.fences.void_from(divergence)
        self.highest_acked = min(self.highest_acked, divergence - 1)
        self.log_start = min(self.log_start, divergence)
        self._count_from = min(self._count_from, divergence)

    # --- judgement, applied

    def prove_lost(self, run: int, first: int, count: int) -> tuple[int, int]:
        """Take acknowledged sequences as lost. Returns how many had never been seen, and how many had been before."""
        account = self.accounts[run]
        never = account.move_all(first, count, State.AWAITING, State.LOST)
        before = sum(account.lost_before.add(*piece) for piece in account.sets[State.VERIFIED].covered(first, count))
        account.suspected.remove(first, count)
        for seen in account.seen.covered(first, count):
            for place in self.log.places(run, *seen):
                self.log.remove(place.value, place.count)
            self._unsee(account, *seen)
        account.positions.remove(first, count)
        return never, before

    def clear(self, run: int, first: int, count: int) -> None:
        """The recheck found them: no longer suspected."""
        self.accounts[run].suspected.remove(first, count)

    # --- the log as a whole

    def log_starts_at(self, log_start: int) -> None:
        """The log start moved: what it passed unread has expired, unless it is suspected; that is for a recheck."""
        if log_start <= self.log_start:
            return
        self.log_start = log_start
        for account in self.accounts.values():
            for piece in account.positions.below(log_start):
                for window in account.suspected.missing(piece.first, piece.count):
                    self.expire(account.run, *window)
        self._forget_view_below(log_start)
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
            account.earlier = (0, -1)
            account.begin = 0
            account.sends.lower_barriers(-1)
            awaited.append((account.run, RangeSet.of(account.sets[State.AWAITING].spans())))
            for first, count in account.sets[State.IN_FLIGHT].spans():
                account.doubtful.add(first, count)
            for first, count in account.sets[State.AWAITING].spans():
                account.doubtful.add(first, count)
                account.suspected.add(first, count)
        self._keep_strangers()
        self.copies.clear()
        self.fences.restart()
        self.same_topic = False
        self.highest_acked = -1
        self.log_start = self.first_read = self._count_from = 0
        self._own_floor = self._alleged = None
        self.reposition(0)
        return awaited

    def _keep_strangers(self) -> None:
        """Forget the view, except what is foreign or damaged and was read since the log last went back.

        That was the new topic already, perhaps, before it was recognised: it must not be counted a second time.
        """
        window = self.log.overlapping(self._went_back_to, max((self.position or 0) - self._went_back_to, 0))
        self.log.clear()
        for first, count, value in window:
            if value.kind is not SightingKind.RECORD:
                self.log.set(first, count, value._replace(leader_epoch=UNKNOWN_EPOCH))

    def start_run(self, run: int) -> None:
        """Begin a new run. The old one becomes an orphan; answers that still come are heard until it is settled."""
        self.own.orphan = True
        self.fences.run_ended(self.run)
        self.run = run
        self.accounts[run] = Account(self.partition, run)
        self._own_floor = None
        self._bound_accounts()

    def successor(self) -> PartitionLedger:
        """Return a ledger to go on with when this one contradicts itself: it knows no run until one is started.

        Records of the runs known here are recognised in the log, and not accounted for a second time.
        """
        ledger = PartitionLedger(self.partition, instance=self.instance, run=0)
        ledger.retired = dict.fromkeys([*self.retired, *self.accounts])
        ledger.log_start = self.log_start
        ledger.reposition(self.position or 0)
        return ledger

    # --- state on disk

    def to_state(self) -> dict[str, object]:
        return {
            "acks": self.partition.acks.value,
            "partition": self.partition.partition,
            "position": self.position,
            "log_start": self.log_start,
            "highest_acked": self.highest_acked,
            "copies": [[first, count, *value] for first, count, value in self.copies],
            "archived": dict(self.archived),
            "retired": [f"{run:016x}" for run in self.retired],
            "accounts": [account.to_state() for account in self.accounts.values()],
        }

    def restore(self, state: Mapping[str, object], at: Instant) -> None:
        """Take over the accounts of an earlier process. What it left uncertain is given up as of now."""
        position, accounts, copies, retired = state["position"], state["accounts"], state["copies"], state["retired"]
        assert isinstance(accounts, list | tuple)
        assert isinstance(copies, list | tuple)
        assert isinstance(retired, list | tuple)
        self.position = None if position is None else whole(position)
        self.log_start = whole(state["log_start"])
        self.highest_acked = whole(state["highest_acked"])
        for first, count, kind, run, sequence, epoch in copies:
            self.copies.set(first, count, Standing(SightingKind(kind), run, sequence, epoch))
        self._count_from = self.position or 0
        self.archived = Counter({name: whole(total) for name, total in mapping(state["archived"]).items()})
        self.retired = {int(str(run), 16): None for run in retired}
        for entry in accounts:
            account = Account.from_state(self.partition, mapping(entry))
            account.earlier = (self.position or 0, account.earlier[1])
            if account.begin is None:
                account.begin = self.position
            self.accounts[account.run] = account
            self.give_ups += [GiveUp(account.run, *span, at) for span in account.sets[State.UNCERTAIN].spans()]
            self._suspect_again(account)

    def _suspect_again(self, account: Account) -> None:
        """What was under suspicion when the earlier process ended has to be judged by this one.

        Where no offset is known, `settle_orphans` will see to it.
        """
        suspects, account.suspected = account.suspected, RangeSet()
        for first, count in suspects.spans():
            for piece in account.positions.overlapping(first, count):
                self._suspect(account, piece, "under suspicion since before a restart")


def _in_flight(account: Account, first: int, count: int) -> list[tuple[int, int]]:
    """Return what an outcome speaks of: all of its window; of an ended run, what has not been settled without it."""
    return account.sets[State.IN_FLIGHT].covered(first, count) if account.orphan else [(first, count)]
