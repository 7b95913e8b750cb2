"""The readers' side of a ledger: what the verifier reads of the log, and what a fresh reader finds in it."""

from __future__ import annotations

from kafka_sentinel.core.account import Account, State
from kafka_sentinel.core.logview import Answer, LogView, Standing, standing
from kafka_sentinel.core.orphans import Orphans
from kafka_sentinel.core.ranges import Piece, RangeSet
from kafka_sentinel.core.suspicions import UNKNOWN_EPOCH, Copy, CopySighted
from kafka_sentinel.core.types import Sighting, SightingKind

MAX_DAMAGED_STRETCH = 100  # damaged entries in a row among which one is still attributed to a record


class Witness(Orphans):
    def read(self, start: int, position: int, sightings: tuple[Sighting, ...]) -> bool:
        """Register what the verifier read. Returns False for a batch out of step (read before it was repositioned)."""
        if self.position is not None and start > self.position:
            if not self._reposition_sent:
                self.reposition(self.position)
            return False
        self._reposition_sent = False
        if self.first_read is None:
            self.first_read = start
        self._compare(sightings)  # before it makes what it displaces take the place of what was displaced before
        self._take_in(start, position, sightings)
        self._compare(sightings)
        self.position = position
        self._read_since = max(self._read_since, position)
        self._counted_to = max(self._counted_to, position)
        for account in self.accounts.values():
            for first, count in account.sets[State.AWAITING].spans():
                for piece in account.positions.overlapping(first, count):
                    self._missed(account, _within(piece, start, position), self.log, "a reader passed it unseen")
        return True

    def reread(self, start: int, position: int, sightings: tuple[Sighting, ...], *, fenced: bool = True) -> Answer:
        """Take a fresh reader's word for [start, position). Returns what it found there.

        The view follows only as far as the verifier has come: the rest is the verifier's to read, in order. Nor does it
        go back to what the log start has passed since that was read, which is forgotten and would be counted again.
        Without a fence it may be the log of a leader that has been replaced: what is known from a later epoch is not
        displaced. Nor, at first, is anything taken in of a log that seems to be another one than an earlier process has
        read: what is strange in it is counted with a fence, and would be known by then.
        """
        low, known = max(start, self.log_start), self.position or 0
        within = tuple(_cut(s, low, known) for s in sightings if max(s.offset, low) < min(s.offset + s.count, known))
        self._compare(sightings)
        answer = Answer(sightings, self.instance)
        refilled = self._refilled_from(answer, low)
        if fenced:
            for sign in (refilled, self._refill_sign):
                if sign is not None and answer.get(sign.first) == sign.value:
                    self._count_from = min(self._count_from, sign.first)
            self._take_in(low, min(position, known), within)
        elif refilled is not None and refilled != self._refill_sign:
            self._refill_sign = refilled
        else:
            for sighting in within:
                for first, count in self._not_known_better(sighting):
                    self.sight(_cut(sighting, first, first + count))
            self.bound()
        self._count_copies(sightings)
        for account in self.accounts.values():
            for piece in account.positions.at_or_above(start):
                self._check_places(account, _within(piece, start, position), answer, start)
        self._compare(sightings)
        return answer

    def confirm_inferred(self, answer: Answer) -> None:
        """What was acknowledged before a fresh reader began, and stands where it read, is what was acknowledged."""
        for account in self.accounts.values():
            for span in account.inferred.spans():
                for place in answer.places(account.run, *span):
                    account.inferred.remove(place.first, place.count)

    def _refilled_from(self, answer: Answer, start: int) -> Piece[Standing] | None:
        """Return what tells that the log is another one than an earlier process has read, from there on.

        It is the lowest record that stands in the place of another that was held as verified: of one under suspicion,
        or lost, that process may have known that, and read on. None, too, if nothing strange would have to be counted.
        """
        below = self._count_from - start
        if not any(piece.value.kind is not SightingKind.RECORD for piece in answer.overlapping(start, below)):
            return None
        signs = []
        for account in self.accounts.values():
            for piece in account.positions.at_or_above(start):
                missing = RangeSet.of(_not_in_place(account.run, piece, answer))
                for first, count in _undoubted(account, missing):
                    displaced_by = answer.overlapping(piece.value + first - piece.first, count)
                    signs += [each for each in displaced_by if each.value.kind is SightingKind.RECORD]
        return min(signs, default=None)

    def _not_known_better(self, sighting: Sighting) -> list[tuple[int, int]]:
        """Return the offsets of a sighting, without those at which the view has something of a later leader epoch."""
        viewed = self.log.overlapping(sighting.offset, sighting.count)
        later = [each for each in viewed if each.value.leader_epoch > sighting.leader_epoch >= 0]
        return RangeSet.of((each.first, each.count) for each in later).missing(sighting.offset, sighting.count)

    def _check_places(self, account: Account, piece: Piece[int], answer: Answer, start: int) -> None:
        """Suspect what a fresh reader did not find where it should be, nor anywhere else."""
        for first, count in _not_in_place(account.run, piece, answer):
            self._stand_lowest(account, first, count)
            elsewhere = self.standing_elsewhere(account, first, count, answer, start)
            for gone_first, gone_count in elsewhere.missing(first, count):
                gone = Piece(gone_first, gone_count, piece.value + gone_first - piece.first)
                self._missed(
                    account, gone, answer, "a recheck did not find it", states=(State.AWAITING, State.VERIFIED)
                )

    def standing_elsewhere(self, account: Account, first: int, count: int, answer: Answer, start: int) -> RangeSet:
        """Return which sequences of the window stand in a fresh reader's answer, or below where it began to read."""
        found = RangeSet.of(answer.sequences(account.run).covered(first, count))
        for seen in account.seen.covered(first, count):
            for place in self.log.places(account.run, *seen):
                found.add(place.first, min(place.count, start - place.value))
        return found

    def _missed(
        self,
        account: Account,
        piece: Piece[int],
        view: LogView,
        reason: str,
        states: tuple[State, ...] = (State.AWAITING,),
    ) -> None:
        """These do not stand at their offsets: if something damaged does, they are damaged, or else suspected."""
        for found in view.overlapping(piece.value, piece.count):
            if found.value.kind is SightingKind.CORRUPTED:
                for first, count in account.suspected.missing(piece.first + found.first - piece.value, found.count):
                    if self.corroborated(account, Piece(first, count, piece.value + first - piece.first), view):
                        self.damaged(account.run, first, count)
        for state in states:
            for first, count in account.sets[state].covered(piece.first, piece.count):
                self._suspect(account, Piece(first, count, piece.value + first - piece.first), reason)

    def corroborated(self, account: Account, piece: Piece[int], view: LogView, *, inferred: bool = False) -> bool:
        """Whether what stands beside these offsets agrees with the damaged records there being these sequences.

        If the log went back and was written anew, another record may have been damaged: then the neighbours are gone.
        Where the leader epoch changes the log may have gone back, so a neighbour of another epoch says nothing. Epochs
        never fall along a log, unless parts of it were read at different times. `inferred`: that they stood there is
        itself told by the neighbour below, which then must be of that epoch, and by the order in which a run is sent,
        which then must not be broken above.
        """
        if inferred and any(place.value > piece.value for place in view.places(account.run, 0, piece.first)):
            return False
        damaged = view.get(piece.value)
        agree = []
        for offset in _edges(view, piece.value, piece.value + piece.count):
            there, sequence = view.get(offset), piece.first + offset - piece.value
            if damaged is None or there is None:
                continue
            if there.kind is SightingKind.RECORD and (there.run, there.sequence) == (account.run, sequence):
                if there.leader_epoch == damaged.leader_epoch:
                    agree.append(True)
                elif inferred or (there.leader_epoch < damaged.leader_epoch) is not (offset < piece.value):
                    agree.append(False)
            elif account.positions.get(sequence) == offset:
                agree.append(False)
        return bool(agree) and all(agree)

    def damaged(self, run: int, first: int, count: int) -> None:
        """A damaged record stands where these were acknowledged."""
        account = self.accounts[run]
        moved = account.move_all(first, count, State.AWAITING, State.CORRUPTED)
        self.counted["acked_corrupted"] += moved
        if moved:
            account.trust(first, count)

    def _take_in(self, start: int, position: int, sightings: tuple[Sighting, ...]) -> None:
        """Bring the view up to date with a read of all of [start, position)."""
        if self.log.end > start:
            standing_now = RangeSet.of((s.offset, s.count) for s in sightings)
            for first, count in standing_now.missing(start, position - start):
                for found in self.log.overlapping(first, count):
                    self._displaced(found)
        for sighting in sightings:
            self.sight(sighting)
        self.bound()

    def sight(self, sighting: Sighting) -> None:
        """Register that things stand at offsets. Calls come in the order of the log, except after a reposition."""
        new = standing(sighting, self.instance)
        ours = self._ours(sighting) if new.kind is SightingKind.RECORD else sighting.count
        self._stand(sighting.offset, ours, new)
        if ours < sighting.count:
            namesake = Standing(SightingKind.FOREIGN, sighting.run, 0, sighting.leader_epoch)
            self._stand(sighting.offset + ours, sighting.count - ours, namesake)
        elif sighting.claims is not None:
            account = self.accounts.get(sighting.run) if new.kind is SightingKind.RECORD else None
            if account is not None and account.orphan:
                self._believe(account, sighting.claims, sighting.leader_epoch)

    def _stand(self, offset: int, count: int, new: Standing) -> None:
        fresh = RangeSet.of([(offset, count)])
        for found in self.log.overlapping(offset, count):
            if self._stands_already(found, new.shifted(found.first - offset)):
                fresh.remove(found.first, found.count)
        for first, length in fresh.spans():
            self._newly_standing(Piece(first, length, new.shifted(first - offset)))

    def _stands_already(self, found: Piece[Standing], expected: Standing) -> bool:
        """Whether the view has this already. If other things stood there, they are displaced."""
        if found.value == expected:
            return True
        same_epoch = found.value.leader_epoch == expected.leader_epoch
        record, unknown = expected.kind is SightingKind.RECORD, found.value.leader_epoch == UNKNOWN_EPOCH
        if (record or unknown) and found.value == expected._replace(leader_epoch=found.value.leader_epoch):
            self.log.set(found.first, found.count, expected)
            return True
        if same_epoch and expected.leader_epoch >= 0:
            self.counted["conflicting"] += found.count
        self._displaced(found)
        return False

    def _newly_standing(self, piece: Piece[Standing]) -> None:
        self.log.set(*piece)
        if piece.value.kind is not SightingKind.RECORD:
            new = max(piece.first + piece.count - max(piece.first, self._count_from), 0)
            self.counted[piece.value.kind.value] += new
            self.counted["namesake"] += new if piece.value.run else 0
            return
        account = self.accounts.get(piece.value.run)
        if account is None:
            return
        if account.run == self.run:
            self._own_floor = piece.first if self._own_floor is None else min(self._own_floor, piece.first)
        first, count, offset = piece.value.sequence, piece.count, piece.first
        if self._written_since(piece):
            account.rewound.remove(first, count)
        for again in account.seen.covered(first, count):
            self._copy_sighted(account, *again)
        for new_first, new_count in account.seen.missing(first, count):
            self._first_sighting(account, Piece(new_first, new_count, offset + new_first - first))

    def _copy_sighted(self, account: Account, first: int, count: int) -> None:
        places = self.log.places(account.run, first, count)
        low, high = min(each.value for each in places), max(each.value + each.count for each in places)
        self.effects.append(CopySighted(self.partition, low, high))
        account.twice.add(first, count)
        self._stand_lowest(account, first, count)

    def _first_sighting(self, account: Account, piece: Piece[int]) -> None:
        first, count, offset = piece
        account.seen.add(first, count)
        if first <= max(account.highest_seen, account.earlier[1]):
            self._count_inversions(account, first, count, offset)
        account.highest_seen = max(account.highest_seen, first + count - 1)
        for window in account.sets[State.UNCERTAIN].covered(first, count):
            heard = account.blind.missing(*window)  # what is blind was never counted as uncertain
            account.move(*window, State.UNCERTAIN, State.PRESENT)
            account.blind.remove(*window)
            self.counted["present"] += sum(length for _, length in heard)
        self.counted["late"] += account.move_all(first, count, State.ABSENT, State.PRESENT)
        for window in account.sets[State.VERIFIED].covered(first, count):
            self._check_moved(account, Piece(*window, offset + window[0] - first))
        account.positions.set(first, count, offset)
        account.inferred.remove(first, count)
        for window in account.pieces_awaiting(first, count):
            self._verified(account, *window)

    def _count_inversions(self, account: Account, first: int, count: int, offset: int) -> None:
        """Count the sequences whose first copy stands behind a higher one, each once."""
        before = self.log.highest_sequence_below(account.run, offset)
        if offset >= account.earlier[0]:
            before = max(before, account.earlier[1])
        begin = max(first, account.floor)
        self.counted["reordered"] += account.reordered.add(begin, min(first + count, before) - begin)

    def _check_moved(self, account: Account, piece: Piece[int]) -> None:
        """A verified record that stands elsewhere than where it was known to may stand there as well."""
        for place in account.positions.overlapping(piece.first, piece.count):
            here = piece.value + place.first - piece.first
            if place.value != here:
                low, high = min(place.value, here), max(place.value, here) + place.count
                self.effects.append(CopySighted(self.partition, low, high))

    def _count_copies(self, sightings: tuple[Sighting, ...]) -> None:
        """Count sequences that one re-read saw at two offsets: the extra copies, each offset and leader epoch once."""
        met: dict[int, RangeSet] = {}
        for index, sighting in enumerate(sightings):
            if sighting.kind is not SightingKind.RECORD or sighting.run not in self.accounts:
                continue
            seen = met.setdefault(sighting.run, RangeSet())
            here = standing(sighting, self.instance)
            for first, count in seen.covered(sighting.first, sighting.count):
                offset = sighting.offset + first - sighting.first
                if self._count_copy(offset, count, here.shifted(first - sighting.first)):
                    other = _offset_of(sighting.run, first, sightings[:index])
                    self.newest_copy = Copy(sighting.run, first, offset, other)
            seen.add(sighting.first, sighting.count)

    def _count_copy(self, offset: int, count: int, copy: Standing) -> bool:
        """Count what of these offsets was not counted before. Returns whether anything was."""
        uncounted = RangeSet.of([(offset, count)])
        uncounted.remove_below(self.log_start)  # what was counted of that is forgotten
        for known in self.copies.overlapping(offset, count):
            if known.value == copy.shifted(known.first - offset):
                uncounted.remove(known.first, known.count)
        spans = uncounted.spans()
        for first, length in spans:
            self.copies.set(first, length, copy.shifted(first - offset))
            self.counted["duplicated"] += length
        return bool(spans)


def _offset_of(run: int, sequence: int, sightings: tuple[Sighting, ...]) -> int:
    """Return where a record of these sightings stands; it must be among them."""
    places = (
        sighting.offset + sequence - sighting.first
        for sighting in sightings
        if (sighting.kind, sighting.run) == (SightingKind.RECORD, run)
        and sighting.first <= sequence < sighting.first + sighting.count
    )
    return next(places)


def _not_in_place(run: int, piece: Piece[int], answer: Answer) -> list[tuple[int, int]]:
    """Return the sequences of `piece` (sequences and their offsets) that do not stand at those offsets."""
    there = RangeSet.of((found.value.sequence, found.count) for found in answer.standing_at(run, piece))
    return there.missing(piece.first, piece.count)


def _undoubted(account: Account, sequences: RangeSet) -> list[tuple[int, int]]:
    """Return those that are held as verified, and under no suspicion."""
    held = [span for each in sequences.spans() for span in account.sets[State.VERIFIED].covered(*each)]
    return [span for each in held for span in account.suspected.missing(*each)]


def _within(piece: Piece[int], start: int, position: int) -> Piece[int]:
    """Cut (sequence, count, offset) to the offsets of [start, position); its count may become 0 or less."""
    low, high = max(piece.value, start), min(piece.value + piece.count, position)
    return Piece(piece.first + low - piece.value, high - low, low)


def _cut(sighting: Sighting, start: int, end: int) -> Sighting:
    """Cut a sighting to the offsets of [start, end), of which it has some. The claims are those of its last record."""
    low, high = max(sighting.offset, start), min(sighting.offset + sighting.count, end)
    first = sighting.first + low - sighting.offset if sighting.kind is SightingKind.RECORD else 0
    claims = sighting.claims if high == sighting.offset + sighting.count else None
    return sighting._replace(offset=low, count=high - low, first=first, claims=claims)


def _edges(view: LogView, low: int, high: int) -> tuple[int, int]:
    """Return the offsets just below and just above the damaged stretch around [low, high)."""
    for _ in range(MAX_DAMAGED_STRETCH):
        below, above = view.get(low - 1), view.get(high)
        if below is not None and below.kind is SightingKind.CORRUPTED:
            low -= 1
        elif above is not None and above.kind is SightingKind.CORRUPTED:
            high += 1
        else:
            break
    return low - 1, high
