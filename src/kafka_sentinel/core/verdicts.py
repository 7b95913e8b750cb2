"""The judgement: what a fresh reader's answer says of records under suspicion.

A suspected record is judged only by a *valid* re-read. That is one in which

- the topic's id was the same before and after, and is the one the record was acknowledged under;
- the fence, a record of ours sent after the suspicion arose, was found at the very offset it was acknowledged at.

Then the log, as it stood after the suspicion, has been read from below the record's offset to above the last offset
it could have. A record found in it is cleared. One that is not found is lost: it was acknowledged, and it is not there.

Not being found can have another cause: the topic it was acknowledged in is gone (`unaccounted`), the log now starts
above its offset and never went backwards below it (`expired`), or a damaged record stands at its offset (`corrupted`).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from itertools import pairwise

from kafka_sentinel.core.account import Account, State
from kafka_sentinel.core.events import RecheckDone
from kafka_sentinel.core.ledger import PartitionLedger, Suspected
from kafka_sentinel.core.logview import Answer
from kafka_sentinel.core.ranges import Piece
from kafka_sentinel.core.suspicions import UNKNOWN_EPOCH
from kafka_sentinel.core.types import Fence, Instant, ProbePartition, SightingKind

ORDER_SLACK = 1_000  # offsets by which retries without idempotence may break the order in which a run is written


class Validity(StrEnum):
    VALID = "valid"
    NO_TOPIC_ID = "the topic's id changed during the read, or could not be read"
    OTHER_TOPIC = "the topic was deleted and made anew"
    NO_FENCE = "the fence was not found where it was acknowledged"
    SHORT = "the log ended before the end of the range"
    LATE = "the read began above the beginning of the range and of the log"


@dataclass(frozen=True, slots=True)
class Loss:
    """Proof that `count` acknowledged records from sequence `first` are gone. -1: offset or epoch not known."""

    partition: ProbePartition
    run: int
    first: int
    count: int
    offset: int
    seen: str  # "never" or "before"
    leader_epoch_before: int
    stands_there: str
    topic_id: str | None
    fence: Fence | None
    reason: str
    proved_at: Instant


@dataclass(frozen=True, slots=True)
class Judgement:
    """What a suspicion is judged by.

    `answer`: what was re-read. `regressed_to`: how far the log went back while it was open, if so; that of a record
    whose offset is known is in its account (`rewound`).
    """

    done: RecheckDone
    answer: Answer
    fence: Fence | None
    topic_gone: bool
    regressed_to: int | None


def validity(
    done: RecheckDone,
    *,
    start: int,
    end: int,
    fence: Fence | None,
    topic_id: str | None,
    ids_known: bool,
) -> Validity:
    """Judge the re-read of [start, end) itself.

    `ids_known`: whether this cluster tells topic ids at all (brokers before 2.8 do not). `topic_id`: the one the
    records in question were acknowledged under.
    """
    if ids_known and (done.topic_id is None or topic_id is None):
        return Validity.NO_TOPIC_ID
    if ids_known and done.topic_id != topic_id:
        return Validity.OTHER_TOPIC
    if fence is not None and not _found(done, fence):
        return Validity.NO_FENCE
    if done.position < end:
        return Validity.SHORT
    if done.start > max(start, done.log_start):
        return Validity.LATE
    return Validity.VALID


def _found(done: RecheckDone, fence: Fence) -> bool:
    return any(
        sighting.kind is SightingKind.RECORD
        and sighting.run == fence.run
        and sighting.offset <= fence.offset < sighting.offset + sighting.count
        and sighting.first + fence.offset - sighting.offset == fence.sequence
        for sighting in done.sightings
    )


def judge(ledger: PartitionLedger, suspected: Suspected, by: Judgement) -> list[Loss]:
    """Judge one suspicion by a valid re-read that the ledger has taken in. Returns the losses it proves."""
    account = ledger.accounts.get(suspected.run)
    if account is None:
        return []
    first, count = suspected.first, suspected.count
    standing = ledger.standing_elsewhere(account, first, count, by.answer, by.done.start)
    for piece in standing.covered(first, count):
        ledger.clear(suspected.run, *piece, by.answer)
    losses = []
    for gap in standing.missing(first, count):
        for missing in account.suspected.covered(*gap):
            losses += _condemn(ledger, account, suspected, missing, by)
    return losses


def _condemn(
    ledger: PartitionLedger, account: Account, suspected: Suspected, missing: tuple[int, int], by: Judgement
) -> list[Loss]:
    """Say why these suspected sequences are not in the log; what no other cause explains is lost."""
    first, count = missing
    if by.topic_gone:
        ledger.set_aside(account.run, first, count)
        return []
    for doubt in account.doubtful.covered(first, count):
        ledger.set_aside(account.run, *doubt)
    for guess in account.inferred.covered(first, count):
        if _may_have_expired_elsewhere(account, suspected, by):
            ledger.expire(account.run, *guess)
    for passed in account.rewound.missing(first, _passed_by_log_start(ledger, suspected, missing, by)):
        ledger.expire(account.run, *passed)
    losses = []
    for rest in account.suspected.covered(first, count):
        offset = suspected.low + rest[0] - suspected.first if suspected.placed else -1
        place = offset if offset >= 0 else _just_above(account, rest[0], by.answer)
        if offset >= 0 or not _went_back_to(by, place):
            _damaged(ledger, account, rest, place, by, inferred=offset < 0)
        for condemned in account.suspected.covered(*rest):
            at = offset + condemned[0] - rest[0] if offset >= 0 else -1
            losses += _prove(ledger, suspected, condemned, at, by)
    return losses


def _passed_by_log_start(ledger: PartitionLedger, suspected: Suspected, missing: tuple[int, int], by: Judgement) -> int:
    """Return how many of them, from the first, the log start has passed: that explains them if the log never went back.

    The offset of an unplaced record is not known, only a lower bound. If the log starts above that, any of them may
    have stood where nothing can be read any more.
    """
    first, count = missing
    if not suspected.placed:
        known = suspected.bound if _stands_below(ledger, suspected, by.answer) else 0
        bound = max(known, _lower_bound(ledger.accounts[suspected.run], first, by.answer))
        return count if by.done.log_start > bound and not _went_back_to(by, bound) else 0
    offset = suspected.low + first - suspected.first
    return max(min(by.done.log_start - offset, count), 0)


def _may_have_expired_elsewhere(account: Account, suspected: Suspected, by: Judgement) -> bool:
    """Whether another copy of a record than the one that was seen may have stood where the log start has passed.

    A client writes another one after the log has gone back, to a later leader. If anything stands still that a leader
    wrote who was no later than that of the copy that was seen, the log did not go back to there, nor to the log start.
    """
    if by.done.log_start <= _lower_bound(account, suspected.first, by.answer):
        return False
    return not any(0 <= standing.leader_epoch <= suspected.leader_epoch for _, _, standing in by.answer)


def _stands_below(ledger: PartitionLedger, suspected: Suspected, answer: Answer) -> bool:
    """Whether what was acknowledged just below its bound, before it was sent, stands there still.

    If not, the log has gone back, perhaps before the send that was bound by it, and nobody was told. A record of the
    same run that was sent later may have come to stand there since.
    """
    there = answer.get(suspected.bound - 1)
    if there is None or (there.run == suspected.run and there.sequence >= suspected.first):
        return False
    account = ledger.accounts.get(there.run) if there.kind is SightingKind.RECORD else None
    return account is not None and account.positions.get(there.sequence) == suspected.bound - 1


def _lower_bound(account: Account, sequence: int, answer: Answer) -> int:
    """Return the offset from which a sequence of an earlier run must stand, given what of that run stands now.

    What was sent after the state was saved stands above everything that had been read then, and stands still: a later
    leader may have written there since, once more, what was read elsewhere. Otherwise a run is written in the order of
    its sequences, but for retries without idempotence.
    """
    if not account.orphan:
        return 0
    since = [
        min(place.value + place.count, account.read_to)
        for place in answer.places(account.run, 0, account.known if sequence >= account.known else 0)
        if place.value < account.read_to and 0 <= _epoch_at(answer, place.value) <= account.read_epoch
    ]
    return max([*since, _just_above(account, sequence, answer) - ORDER_SLACK, 0])


def _epoch_at(answer: Answer, offset: int) -> int:
    """Return the epoch of the leader that wrote what stands there; UNKNOWN_EPOCH if nothing does."""
    there = answer.get(offset)
    return UNKNOWN_EPOCH if there is None else there.leader_epoch


def _just_above(account: Account, sequence: int, answer: Answer) -> int:
    """Return the offset just above where the highest sequence below this one stands; 0 if none does."""
    below = answer.sequences(account.run).covered(0, sequence)
    places = answer.places(account.run, sum(below[-1]) - 1, 1) if below else []
    return places[0].value + 1 if places else 0


def _went_back_to(by: Judgement, offset: int) -> bool:
    """Whether the log went backwards to `offset` or below."""
    return by.regressed_to is not None and by.regressed_to <= offset


def _damaged(
    ledger: PartitionLedger, account: Account, rest: tuple[int, int], offset: int, by: Judgement, *, inferred: bool
) -> None:
    """Where a damaged record stands at their offset, and the log never went backwards, it is they that are damaged."""
    for found in by.answer.overlapping(offset, rest[1]):
        if found.value.kind is not SightingKind.CORRUPTED:
            continue
        at = offset - rest[0]  # from sequences to offsets
        for first, count in account.rewound.missing(found.first - at, found.count):
            if ledger.corroborated(account, Piece(first, count, first + at), by.answer, inferred=inferred):
                ledger.damaged(account.run, first, count)


def _prove(
    ledger: PartitionLedger, suspected: Suspected, condemned: tuple[int, int], offset: int, by: Judgement
) -> list[Loss]:
    losses = []
    first, count = condemned
    unseen = ledger.accounts[suspected.run].sets[State.AWAITING].covered(first, count)
    edges = sorted({first, first + count, *(edge for start, length in unseen for edge in (start, start + length))})
    for start, end in pairwise(edges):
        never, before = ledger.prove_lost(suspected.run, start, end - start)
        at = offset + start - first if offset >= 0 else -1
        losses.append(
            Loss(
                partition=ledger.partition,
                run=suspected.run,
                first=start,
                count=never + before,
                offset=at,
                seen="never" if never else "before",
                leader_epoch_before=suspected.leader_epoch,
                stands_there=stands_at(by.answer, by.done, at),
                topic_id=by.done.topic_id,
                fence=by.fence,
                reason=suspected.reason,
                proved_at=by.done.at,
            ),
        )
    return losses


def stands_at(answer: Answer, done: RecheckDone, offset: int) -> str:
    """Say what the log holds now at the offset at which a record was acknowledged."""
    if offset < 0:
        return "its offset is not known"
    standing = answer.get(offset)
    if standing is not None:
        return standing.describe()
    if offset >= done.position:
        return f"nothing: the log was read up to offset {done.position}, where it had nothing of this record"
    if offset < done.log_start:
        return f"nothing: the log starts at {done.log_start}"
    return "nothing"
