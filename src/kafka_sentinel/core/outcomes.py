"""The producer's side of a ledger: what was sent, what became of it, and what acknowledgements say of the log."""

from __future__ import annotations

from kafka_sentinel.core.account import Account, InvariantError, State
from kafka_sentinel.core.book import NOWHERE
from kafka_sentinel.core.ranges import Piece
from kafka_sentinel.core.sends import Batch
from kafka_sentinel.core.suspicions import GiveUp, Regressed
from kafka_sentinel.core.types import Instant, Span
from kafka_sentinel.core.witness import Witness

MAX_GIVE_UPS = 4_096


class Outcomes(Witness):
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
                doubts = account.doubtful.covered(first, count)  # asked first: what is verified may be in doubt no more
                for sure_first, sure_count in account.doubtful.missing(first, count):
                    place = None if offset is None else offset + sure_first - span.first
                    self._acked(account, Span(sure_first, sure_count, place), at)
                for doubt in doubts:
                    self._acked_in_doubt(account, *doubt)
        self.last_ack_at = at
        self.fences.acked(run, spans)

    def _acked(self, account: Account, span: Span, at: Instant) -> None:
        if span.offset is not None:
            if span.offset < self.log_start:
                self.log_start = 0  # it starts there or below: how low, nobody has said yet
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
            if span.offset is None:
                account.inferred.add(*window)
                self.inferred_at = at.mono
        if span.offset is not None and self.position is not None and span.offset < self.position:
            passed = Piece(span.first, min(span.count, self.position - span.offset), span.offset)
            self._missed(account, passed, self.log, "a reader passed it unseen")

    def _acked_in_doubt(self, account: Account, first: int, count: int) -> None:
        """Acknowledged by the topic that was deleted, or by the one made anew: it counts if it is found in this one."""
        account.move(first, count, State.IN_FLIGHT, State.AWAITING)
        self.counted["acked"] += count
        self._suspect_awaiting(account, first, count, "the topic was made anew")
        for window in account.seen.covered(first, count):
            self._verified(account, *window)

    def _suspect_awaiting(self, account: Account, first: int, count: int, reason: str) -> None:
        for window in account.pieces_awaiting(first, count):
            self._suspect(account, Piece(*window, 0), reason, placed=False)

    def _check_barriers(self, account: Account, span: Span, at: Instant) -> None:
        assert span.offset is not None
        for batch in account.sends.overlapping(span.first, span.count):
            offset = span.offset + max(batch.first - span.first, 0)
            if offset <= batch.barrier:
                again = account.sends.unbound(batch.first)
                self._cut_by = (account.run, max(batch.first, span.first))
                self.regressed(offset, at, known_to=batch.barrier, again=again)
                return  # the barriers are lower now, and the rest of the span stands above

    def regressed(self, divergence: int, at: Instant, *, known_to: int | None = None, again: bool = False) -> None:
        """The log went back to `divergence` or lower: what was acknowledged from there on is suspected, read or not.

        Unless an acknowledgement proves it, it may be a mistake, and what was known of the log is kept. The proof is
        of what was known of the log when that was sent, up to offset `known_to` (None: not proved): what has been
        acknowledged above since may have been written after the truncation. If it was proved by a send that was under
        way when that was proved last, it is perhaps the same truncation `again`, and proves nothing of what has been
        acknowledged or met since, above where it was first seen.
        """
        proved = known_to is not None
        proved_below = min(NOWHERE if known_to is None else known_to + 1, self._cut_at if again else NOWHERE)
        gone = self._void_from(divergence)
        for account in self.accounts.values():
            for piece in account.positions.at_or_above(divergence):
                self._suspect(account, piece, "the log went backwards", epochs=gone.get(account.run))
                if proved:
                    self._rewound(account, piece.first, min(piece.count, proved_below - piece.value))
        confirms = proved and self._alleged is not None and divergence >= self._alleged
        self.effects.append(Regressed(self.partition, divergence, self.last_ack_at, at, proved, confirms))
        if again:
            self._went_back_to = min(self._went_back_to, divergence)
        elif not confirms:
            self._went_back_to = self._read_since = divergence
        self._alleged = None if proved else divergence
        if proved:
            self._cut_at = divergence
            self._lower(divergence, again=again)
        if self.has_unsettled_orphans():  # what they had on its way may have been written where nobody looked since
            self._read_all_again()
        elif self.position is None:  # nothing has been read yet: what stands below is to be read as well
            self.reposition(0)
        elif self.position > divergence:
            self.reposition(divergence)

    def _lower(self, divergence: int, *, again: bool) -> None:
        for account in self.accounts.values():
            account.sends.lower_barriers(divergence - 1)
            account.read_to = min(account.read_to, divergence)
            if divergence < account.earlier[0]:
                account.earlier = (0, -1)
        self.fences.void_from(divergence)
        self.highest_acked = min(self.highest_acked, divergence - 1)
        self._count_from = min(self._count_from, divergence)
        if not again:  # else what has been met above it since may stand still: it must not be counted a second time
            self._counted_to = min(self._counted_to, divergence)


def _in_flight(account: Account, first: int, count: int) -> list[tuple[int, int]]:
    """Return what an outcome speaks of: all of its window; of an ended run, what has not been settled without it."""
    return account.sets[State.IN_FLIGHT].covered(first, count) if account.orphan else [(first, count)]
