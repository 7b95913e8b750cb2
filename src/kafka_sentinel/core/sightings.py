"""From messages read off the log to sightings: runs of consecutive records become one `Sighting` each."""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from kafka_sentinel.core.record import HEADER, KEY, PREFIX_SIZE, ProbeRecord, decode, decode_claims
from kafka_sentinel.core.types import Sighting, SightingKind

SEQUENCE_END = PREFIX_SIZE + KEY.size
CLAIMS_FROM = slice(HEADER.size, HEADER.size + KEY.size)


class Spans(NamedTuple):
    """`sightings` in log order; `samples`: the first and last record of each run of sound records, for latencies."""

    sightings: tuple[Sighting, ...]
    samples: tuple[ProbeRecord, ...]


def read_spans(
    partition: int, offsets: Sequence[int], leader_epochs: Sequence[int], values: Iterable[bytes | None]
) -> Spans:
    """Group what was read from `partition`, in log order. Offsets must ascend; they may have holes."""
    spans: list[_Span] = []
    span = _Span(SightingKind.FOREIGN, -1, -1, None, None)
    prefix, claims_from, size, following, sequence, epoch = b"", b"", -1, -1, -1, -1
    for offset, leader_epoch, value in zip(offsets, leader_epochs, values, strict=True):
        if (  # the next record of the open span: two comparisons and a checksum prove it sound, nothing else differs
            offset == following
            and leader_epoch == epoch
            and value is not None
            and len(value) == size
            and value[:PREFIX_SIZE] == prefix
            and int.from_bytes(value[PREFIX_SIZE:SEQUENCE_END]) == sequence
            and value[CLAIMS_FROM] == claims_from  # else the last record would not claim all that this one did
            and zlib.crc32(value[:-4]) == int.from_bytes(value[-4:])
        ):
            span.last = value
            following += 1
            sequence += 1
            continue
        span.end = following
        record = decode(value)
        if isinstance(record, ProbeRecord) and record.partition == partition:
            assert value is not None
            span = _Span(SightingKind.RECORD, offset, leader_epoch, record, value)
            prefix, size, sequence = value[:PREFIX_SIZE], len(value), record.sequence + 1
            claims_from = value[CLAIMS_FROM]
            spans.append(span)
        else:  # a sound record of another partition was copied here by somebody: it is not ours
            kind = record if isinstance(record, SightingKind) else SightingKind.FOREIGN
            if not spans or not (span.kind is kind and offset == following and leader_epoch == epoch):
                span = _Span(kind, offset, leader_epoch, None, None)
                spans.append(span)
            size = -1
        following, epoch = offset + 1, leader_epoch
    span.end = following
    sightings = tuple(sighting for span in spans for sighting in span.sightings())
    samples = tuple(sample for span in spans for sample in span.samples())
    return Spans(sightings, samples)


def join(first: Sequence[Sighting], second: Sequence[Sighting]) -> list[Sighting]:
    """Return both in one list; the last of `first` and the first of `second` become one if they continue each other."""
    if not first or not second or not _continues(first[-1], second[0]):
        return [*first, *second]
    start, rest = first[-1], second[0]
    both = rest._replace(offset=start.offset, first=start.first, count=start.count + rest.count)
    return [*first[:-1], both, *second[1:]]


def _continues(one: Sighting, other: Sighting) -> bool:
    sequence = one.first + one.count if one.kind is SightingKind.RECORD else 0
    return (
        other.kind is one.kind
        and other.offset == one.offset + one.count
        and other.first == sequence
        and (other.leader_epoch, other.instance, other.run) == (one.leader_epoch, one.instance, one.run)
        and (one.claims is None or other.claims is None or one.claims.claims_from == other.claims.claims_from)
    )


class _Span:
    __slots__ = ("end", "first", "kind", "last", "leader_epoch", "offset")

    def __init__(
        self, kind: SightingKind, offset: int, leader_epoch: int, first: ProbeRecord | None, last: bytes | None
    ) -> None:
        self.kind = kind
        self.offset = offset
        self.end = offset + 1
        self.leader_epoch = leader_epoch
        self.first = first
        self.last = last

    def sightings(self) -> list[Sighting]:
        count = self.end - self.offset
        if self.first is None or self.last is None:
            return [Sighting(self.kind, self.offset, count, self.leader_epoch)]
        found = Sighting(
            kind=self.kind,
            offset=self.offset,
            count=count,
            leader_epoch=self.leader_epoch,
            instance=self.first.instance,
            run=self.first.run,
            first=self.first.sequence,
            sent_wall=_header(self.last).wall_ns / 1e9,
        )
        try:
            return [found._replace(claims=decode_claims(self.last))]
        except ValueError:  # a sound checksum over claims that contradict themselves: not a record we can trust
            bad = Sighting(SightingKind.CORRUPTED, self.end - 1, 1, self.leader_epoch)
            return [found._replace(count=count - 1), bad] if count > 1 else [bad]

    def samples(self) -> list[ProbeRecord]:
        if self.first is None or self.last is None:
            return []
        return [self.first] if self.end - self.offset == 1 else [self.first, _header(self.last)]


def _header(value: bytes) -> ProbeRecord:
    return ProbeRecord._make(HEADER.unpack_from(value)[4:])
