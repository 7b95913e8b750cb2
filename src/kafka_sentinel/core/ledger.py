"""The ledger of one probe partition: what was sent, what was acknowledged where, what stands in the log.

It registers facts and raises suspicions; it never calls a record lost by itself. That is for `verdicts.py`, once a
fresh reader has re-read the log up to a fence (`rechecks.py` sees to that). docs/verdicts.md explains the proof.

    suspicions  what it has to say
    account     the states of one run's sequences            book       all that is known, and how suspicion is raised
    sends       what is not settled yet                      orphans    earlier runs, claims, settling
    logview     what stands in the log                       witness    what readers saw
                                                             outcomes   what the producer was told

Cost: sends, acknowledgements and sightings arrive as spans, and each span costs a few bisections in interval lists
whose length is the number of anomalies in the retained log.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from kafka_sentinel.core.account import Account, State, mapping, whole
from kafka_sentinel.core.book import NOWHERE
from kafka_sentinel.core.logview import Answer, Standing
from kafka_sentinel.core.outcomes import Outcomes
from kafka_sentinel.core.ranges import Piece, RangeSet
from kafka_sentinel.core.suspicions import (
    UNKNOWN_EPOCH,
    Copy,
    CopySighted,
    Effect,
    GiveUp,
    Regressed,
    Reposition,
    Suspected,
)
from kafka_sentinel.core.types import Instant, SightingKind

__all__ = [
    "Copy",
    "CopySighted",
    "Effect",
    "GiveUp",
    "PartitionLedger",
    "Regressed",
    "Reposition",
    "Suspected",
]


MAX_MET = 256  # stretches of damaged or foreign entries; of more the next process counts again what stands there still


class PartitionLedger(Outcomes):
    # --- judgement, applied

    def prove_lost(self, run: int, first: int, count: int) -> tuple[int, int]:
        """Take acknowledged sequences as lost. Returns how many had never been seen, and how many had been before."""
        account = self.accounts[run]
        never = account.move_all(first, count, State.AWAITING, State.LOST)
        before = sum(account.lost_before.add(*piece) for piece in account.sets[State.VERIFIED].covered(first, count))
        account.trust(first, count)
        for seen in account.seen.covered(first, count):
            for place in self.log.places(run, *seen):
                self.log.remove(place.value, place.count)
            self._unsee(account, *seen)
        account.positions.remove(first, count)
        return never, before

    def clear(self, run: int, first: int, count: int, answer: Answer) -> None:
        """The recheck found them: no longer suspected.

        Below where the log is said to start the verifier does not come any more: there this reader was given them.
        """
        account = self.accounts[run]
        account.trust(first, count)
        for place in answer.places(run, first, count):
            account.doubtful.remove(place.first, place.count)
            for window in account.pieces_awaiting(place.first, min(place.count, self.log_start - place.value)):
                self._verified(account, *window)

    # --- the log as a whole

    def verifier_told_start(self, log_start: int) -> None:
        """The verifier was told, in the order of what it read, where the log starts.

        If that is lower than before, the log went back to below where it had started: what has been written there since
        is to be found by re-reads. (Or a leader says so that has been replaced: then the next word raises it again.)
        One above what was just read is older than that, or else the verifier is about to be sent there.
        """
        if log_start > (self.position or 0):
            return
        if log_start < self._start_told:
            self.log_start = min(self.log_start, log_start)
        self._start_told = log_start
        self.log_starts_at(log_start)

    def said_to_start_at(self, log_start: int) -> None:
        """A reader was sent away with the word that the log starts there. What it was yet to read below is suspected.

        It may be the word of a broker that no longer leads: whether it has expired is for a recheck to say, and a lower
        word to the verifier afterwards is the newer one.
        """
        for account in self.accounts.values():
            for piece in account.positions.below(log_start):
                for first, count in account.sets[State.AWAITING].covered(piece.first, piece.count):
                    unread = Piece(first, count, piece.value + first - piece.first)
                    self._suspect(account, unread, "the log is said to start above its offset")
        self._start_told = max(self._start_told, log_start)
        self.log_starts_at(log_start)

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
        self.voided.remove_below(log_start)
        self.copies.remove_below(log_start)
        self._forget_ended_accounts()

    def recreated(self) -> list[tuple[int, RangeSet]]:
        """The topic was deleted and made anew: a new log from 0. Returns what was still awaited, by run."""
        awaited = []
        for account in self.accounts.values():
            account.suspected.clear()
            account.rewound.clear()
            account.positions.clear()
            account.seen.clear()
            account.inferred.clear()
            account.highest_seen = -1
            account.earlier = (0, -1)
            account.outlived = True
            awaited.append((account.run, RangeSet.of(account.sets[State.AWAITING].spans())))
            account.doubtful.add(0, account.next_sequence)  # the verified too: it may be told of the old log once more
            for first, count in account.sets[State.AWAITING].spans():
                account.suspected.add(first, count)
        self._keep_strangers()
        self._counted_to = self.log.end
        self.copies.clear()
        self.voided.clear()
        self.fences.restart()
        self.same_topic = False
        self.highest_acked = -1
        self.log_start = self._start_told = self.first_read = self._count_from = self._read_since = 0
        self._own_floor = self._alleged = None
        self.reposition(0)
        return awaited

    def _keep_strangers(self) -> None:
        """Forget the view, except what is foreign or damaged and was read since the log last went back.

        That was the new topic already, perhaps, before it was recognised: it must not be counted a second time.
        """
        window = self.log.overlapping(self._went_back_to, max(self._read_since - self._went_back_to, 0))
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
            "read_epoch": max((value.leader_epoch for _, _, value in self.log), default=UNKNOWN_EPOCH),
            "counted_to": self._counted_to,
            "log_start": self.log_start,
            "highest_acked": self.highest_acked,
            "copies": [[first, count, *value] for first, count, value in self.copies],
            **({"met": [[*piece[:2], *piece.value] for piece in met]} if (met := self._met()) else {}),
            "archived": dict(self.archived),
            "retired": [f"{run:016x}" for run in self.retired],
            "accounts": [account.to_state() for account in self.accounts.values()],
        }

    def _met(self) -> list[Piece[Standing]]:
        """Return what is counted though it stands where the next process begins to count: the log went back to there.

        What the log lost of it is displaced as soon as that process reads what stands there instead.
        """
        above = self.log.overlapping(self._counted_to, NOWHERE)
        return [piece for piece in above if piece.value.kind is not SightingKind.RECORD][:MAX_MET]

    def restore(self, state: Mapping[str, object], at: Instant) -> None:
        """Take over the accounts of an earlier process. What it left uncertain is given up as of now."""
        position, accounts, copies, retired = state["position"], state["accounts"], state["copies"], state["retired"]
        assert isinstance(accounts, list | tuple)
        assert isinstance(copies, list | tuple)
        assert isinstance(retired, list | tuple)
        self.position = None if position is None else whole(position)
        self.log_start = self._start_told = whole(state["log_start"])
        self.highest_acked = whole(state["highest_acked"])
        for first, count, kind, run, sequence, epoch in copies:
            self.copies.set(first, count, Standing(SightingKind(kind), run, sequence, epoch))
        met = state.get("met", ())
        assert isinstance(met, list | tuple)
        for first, count, kind, run, sequence, epoch in met:
            self.log.set(first, count, Standing(SightingKind(kind), run, sequence, epoch))
        self._count_from = self._counted_to = whole(state["counted_to"])
        self.archived = Counter({name: whole(total) for name, total in mapping(state["archived"]).items()})
        self.retired = {int(str(run), 16): None for run in retired}
        for entry in accounts:
            account = Account.from_state(self.partition, mapping(entry))
            account.read_to = self.position or 0
            account.read_epoch = whole(state.get("read_epoch", UNKNOWN_EPOCH))
            account.earlier = (account.read_to, account.earlier[1])
            self.accounts[account.run] = account
            self.give_ups += [GiveUp(account.run, *span, at) for span in account.sets[State.UNCERTAIN].spans()]
            self._suspect_again(account)
        self.accounts[self.run] = self.accounts.pop(self.run)  # the newest comes last
        self._bound_accounts()

    def _suspect_again(self, account: Account) -> None:
        """What was under suspicion when the earlier process ended has to be judged by this one."""
        reason = "under suspicion since before a restart"
        suspects, account.suspected = account.suspected, RangeSet()
        for first, count in suspects.spans():
            for piece in account.positions.overlapping(first, count):
                self._suspect(account, piece, reason)
            for window in account.suspected.missing(first, count):
                self._suspect(account, Piece(*window, 0), reason, placed=False)
