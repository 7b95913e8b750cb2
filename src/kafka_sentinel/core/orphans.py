"""Runs that are not this process's own: what they left, and how it is settled.

An earlier run comes back from the state, or is met in the log. Nobody hears its acknowledgements any more, but each
of its records says what had been acknowledged when it was sent. So every loss that a surviving record witnesses is
proved; what nobody witnesses is our own blind spot.
"""

from __future__ import annotations

from kafka_sentinel.core.account import Account, State
from kafka_sentinel.core.book import NOWHERE, Book
from kafka_sentinel.core.ranges import Piece, RangeSet
from kafka_sentinel.core.types import Claims, Sighting

MAX_ACCOUNTS = 16  # runs accounted for per partition, the present one included; beyond it the oldest are set aside


class Orphans(Book):
    def _ours(self, sighting: Sighting) -> int:
        """Return how many records of a span, from its first, are of our runs. The others were written by somebody else.

        A run we do not know gets an account if it ended before ours began to write: its records stand below our own
        first one. Those of an unknown run above it come from another live Sentinel of the same name. Only in the part
        of the log that this process reads from end to end can an unknown run be accounted for.
        """
        account = self.accounts.get(sighting.run)
        above = self._own_floor is not None and sighting.offset > self._own_floor
        followed = self.first_read is not None and sighting.offset >= self.first_read
        if account is None:
            if sighting.run in self.retired or not (above or followed):
                return sighting.count
            if above:
                return 0
            account = self._adopt(sighting.run)
        end = sighting.first + sighting.count
        if account.orphan and end > account.next_sequence and not above:
            if not followed:
                self._read_all_again()
            known = account.next_sequence
            account.open_up_to(end, State.UNCERTAIN)
            account.blind.add(known, end - known)
        return min(max(account.next_sequence - sighting.first, 0), sighting.count)

    def _read_all_again(self) -> None:
        """Read from the beginning of the log, not from where an earlier process left off.

        If the log went backwards after the state was saved, what that process wrote then may stand below. A log that
        went back to where it had begun may begin anywhere below.
        """
        self.first_read = self.log_start if self.log_start < self._went_back_to else 0
        self.reposition(self.first_read)

    def _adopt(self, run: int) -> Account:
        """Account for a run from here on. What a recheck met of it before is forgotten: it is to be met as its own."""
        for place in self.log.places(run, 0, NOWHERE):
            self.log.remove(place.value, place.count)
        account = self.accounts[run] = Account(self.partition, run, orphan=True)
        account.outlived = True  # for all we know
        self._bound_accounts()
        return account

    def _bound_accounts(self) -> None:
        for run in [run for run in self.accounts if run != self.run][: max(len(self.accounts) - MAX_ACCOUNTS, 0)]:
            account = self.accounts[run]
            account.stop_sending()
            self.set_aside(run, 0, account.next_sequence)
            self.settle_uncertain(run, 0, account.next_sequence)
            self._archive(run)

    def _believe(self, account: Account, claims: Claims, leader_epoch: int) -> None:
        """Take a surviving record's word that others of its run were acknowledged.

        A record written in the first leader epoch of a topic stands in a log that had never gone backwards until then.
        What it claims and what does not stand below it was acknowledged by another topic of that name, deleted since,
        unless the state is of this topic and the run is known to have begun in it.
        """
        claimed = RangeSet.of([(claims.claims_from, claims.acked_through - claims.claims_from)])
        for gap in claims.gaps:
            claimed.remove(*gap)
        for first, count in claimed.spans():
            for piece in account.sets[State.UNCERTAIN].covered(first, count):
                account.move(*piece, State.UNCERTAIN, State.AWAITING)
                account.blind.remove(*piece)
                if leader_epoch == 0 and (account.outlived or not self.same_topic):
                    account.doubtful.add(*piece)
            for piece in account.sets[State.PRESENT].covered(first, count):
                account.move(*piece, State.PRESENT, State.AWAITING)
                self._verified(account, *piece)
                for unmet in account.seen.missing(*piece):  # since the state was saved it may have been written again
                    account.inferred.add(*unmet)

    def settle_uncertain(self, run: int, first: int, count: int) -> None:
        """A fence sent well after the give-up was read past: what has not been seen was not written.

        What is uncertain only because we were not there to hear the answer is unaccounted: it may have been
        acknowledged, and lost.
        """
        account = self.accounts.get(run)
        if account is None:
            return
        for piece in account.sets[State.UNCERTAIN].covered(first, count):
            for blind in account.blind.covered(*piece):
                account.move(*blind, State.UNCERTAIN, State.UNACCOUNTED)
                account.blind.remove(*blind)
                self.counted["unaccounted"] += blind[1]
            self.counted["absent"] += account.move_all(*piece, State.UNCERTAIN, State.ABSENT)

    def suspect_unplaced(self) -> None:
        """A fence was read past: what was acknowledged without an offset before it, and is still unseen, is suspected.

        Each stands above what was known to be acknowledged when its send started, unless the log had gone back by then
        and nobody was told. So it is looked for in the whole log.
        """
        for first, count in self.own.unplaced():
            bound = self.own.sends.lower_bound(first)
            reason = "acknowledged without an offset, not found"
            self._suspect(self.own, Piece(first, count, 0), reason, placed=False, bound=bound)

    def has_unsettled_orphans(self) -> bool:
        """Whether `settle_orphans` would settle something that an earlier run left, or may yet be met in the log."""
        return any(
            not account.met
            or account.blind
            or account.sets[State.IN_FLIGHT]
            or any(account.suspected.missing(*span) for span in account.unplaced())
            for account in self.accounts.values()
            if account.orphan
        )

    def settle_orphans(self) -> None:
        """A fence of the present run was read past, from where this process began: what earlier runs left is settled.

        What a surviving record claims and we did not find is suspected, and looked for in the whole log; what nobody
        claims and we did not find is unaccounted. If the log does not begin at 0, what is missing below the first
        record of a run has left by the log start, as far as anybody can tell.
        """
        for account in [account for account in self.accounts.values() if account.orphan]:
            account.stop_sending()
            account.met = True
            passed = account.lowest_sighted() if self.log_start > 0 else 0
            for first, count in account.unplaced():
                for trusted, length in account.suspected.missing(first, count):
                    expired = min(max(passed - trusted, 0), length)
                    self.expire(account.run, trusted, expired)
                    rest = Piece(trusted + expired, length - expired, 0)
                    self._suspect(account, rest, "claimed as acknowledged, not found", placed=False)
            for first, count in account.blind.spans():
                self.settle_uncertain(account.run, first, count)
        self._forget_ended_accounts()
