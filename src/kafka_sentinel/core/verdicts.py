"""The judgement: what a fresh reader's answer says of records under suspicion.

A suspected record is judged only by a *valid* re-read. That is one in which

- the topic's id was the same before and after, and is the one the record was acknowledged under;
- the fence, a record of ours sent after the suspicion arose, was found at the very offset it was acknowledged at.

Then the log, as it stood after the suspicion, has been read from below the record's offset to above the last offset
it could have. A record found in it is cleared. One that is not found is lost: it was acknowledged, and it is not there.

Two exceptions, where not being found has another cause: the topic it was acknowledged in is gone (`unaccounted`), or
the log now starts above its offset and the log never went backwards below it (`expired`).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from kafka_sentinel.core.events import RecheckDone
from kafka_sentinel.core.ledger import PartitionLedger, Suspected
from kafka_sentinel.core.types import Fence, Instant, ProbePartition, SightingKind


class Validity(StrEnum):
    VALID = "valid"
    NO_TOPIC_ID = "the topic's id changed during the read, or could not be read"
    OTHER_TOPIC = "the topic was deleted and made anew"
    NO_FENCE = "the fence was not found where it was acknowledged"
    SHORT = "the log ended before the end of the range"


@dataclass(frozen=True, slots=True)
class Loss:
    """Proof that `count` acknowledged records from sequence `first` are gone. Offsets and epochs of -1 are not known."""

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


def validity(done: RecheckDone, *, end: int, fence: Fence | None, topic_id: str | None, ids_known: bool) -> Validity:
    """Judge the re-read itself. `ids_known`: whether this cluster tells topic ids at all (brokers before 2.8 do not)."""
    if ids_known and done.topic_id is None:
        return Validity.NO_TOPIC_ID
    if ids_known and done.topic_id != topic_id:
        return Validity.OTHER_TOPIC
    if fence is not None and not _found(done, fence):
        return Validity.NO_FENCE
    if done.position < end:
        return Validity.SHORT
    return Validity.VALID


def _found(done: RecheckDone, fence: Fence) -> bool:
    return any(
        sighting.kind is SightingKind.RECORD
        and sighting.run == fence.run
        and sighting.offset <= fence.offset < sighting.offset + sighting.count
        and sighting.first + fence.offset - sighting.offset == fence.sequence
        for sighting in done.sightings
    )


def judge(
    ledger: PartitionLedger,
    suspected: Suspected,
    done: RecheckDone,
    *,
    fence: Fence | None,
    topic_gone: bool,
    regressed_to: int | None,
) -> list[Loss]:
    """Judge one suspicion by a valid re-read that the ledger has taken in. Returns the losses it proves."""
    account = ledger.accounts.get(suspected.run)
    if account is None:
        return []
    for first, count in account.seen.covered(suspected.first, suspected.count):
        ledger.clear(suspected.run, first, count)
    losses = []
    for gap_first, gap_count in account.seen.missing(suspected.first, suspected.count):
        for first, count in account.suspected.covered(gap_first, gap_count):
            if topic_gone:
                ledger.set_aside(suspected.run, first, count)
                continue
            offset = suspected.low + first - suspected.first if suspected.placed else -1
            gone_below = max(min(done.log_start - offset, count), 0) if suspected.placed else 0
            if gone_below and (regressed_to is None or regressed_to > offset):
                ledger.expire(suspected.run, first, gone_below)
                first, count, offset = first + gone_below, count - gone_below, offset + gone_below  # noqa: PLW2901  the rest
            losses += _prove(ledger, suspected, done, fence, first, count, offset)
    return losses


def _prove(
    ledger: PartitionLedger,
    suspected: Suspected,
    done: RecheckDone,
    fence: Fence | None,
    first: int,
    count: int,
    offset: int,
) -> list[Loss]:
    losses = []
    account = ledger.accounts[suspected.run]
    edges = sorted({first, first + count, *(edge for span in account.lost_candidates(first, count) for edge in span)})
    for start, end in zip(edges, edges[1:], strict=False):
        never, before = ledger.prove_lost(suspected.run, start, end - start)
        if never or before:
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
                    stands_there=stands_at(ledger, done, at),
                    topic_id=done.topic_id,
                    fence=fence,
                    reason=suspected.reason,
                    proved_at=done.at,
                ),
            )
    return losses


def stands_at(ledger: PartitionLedger, done: RecheckDone, offset: int) -> str:
    """Say what the log holds now at the offset at which a record was acknowledged."""
    if offset < 0:
        return "its offset is not known"
    standing = ledger.log.get(offset)
    if standing is not None:
        return standing.describe()
    if offset >= done.position:
        return f"nothing: the log had {done.position} as its next offset when it was re-read"
    if offset < done.log_start:
        return f"nothing: the log starts at {done.log_start}"
    return "nothing"
