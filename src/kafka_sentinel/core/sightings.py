"""From messages read off the log to sightings: runs of consecutive records become one `Sighting` each."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache
from struct import Struct
from typing import Any, NamedTuple

from kafka_sentinel.core.record import (
    CRC,
    HEADER,
    KEY,
    MAX_SEQUENCE,
    MIN_SIZE,
    PREFIX_SIZE,
    ProbeRecord,
    decode,
    decode_claims,
)
from kafka_sentinel.core.types import Sighting, SightingKind


@lru_cache(maxsize=16)
def _splitter(size: int) -> Callable[[bytes], tuple[Any, ...]]:
    """Return what takes a value of `size` bytes apart: prefix, sequence, claims_from, checksum."""
    instants = HEADER.size - PREFIX_SIZE - KEY.size
    padding = size - HEADER.size - KEY.size - CRC.size
    return Struct(f">{PREFIX_SIZE}sQ{instants}x{KEY.size}s{padding}xI").unpack


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
    prefix, sequence, claims_from, size, following, epoch = b"", -1, b"", -1, -1, -1
    split = _splitter(MIN_SIZE)
    for offset, leader_epoch, value in zip(offsets, leader_epochs, values, strict=True):
        if (  # the next record of the open span: one comparison proves it sound, and nothing else may differ
            offset == following
            and leader_epoch == epoch
            and value is not None
            and len(value) == size
            and split(value) == (prefix, sequence, claims_from, zlib.crc32(value[:-4]))
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
            size, split = len(value), _splitter(len(value))
            prefix, _, claims_from, _ = split(value)  # claims_from: else the last would not claim all that this one did
            sequence = record.sequence + 1
            if sequence + len(offsets) > MAX_SEQUENCE:
                size = -1  # each is looked at by itself: the next may be one that no record has
            spans.append(span)
        else:  # a sound record of another partition was copied here by somebody: it is not ours
            kind = record if isinstance(record, SightingKind) else SightingKind.FOREIGN
            if not (span.kind is kind and offset == following and leader_epoch == epoch):
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

    end: int  # one past its last offset, once that is known

    def __init__(
        self, kind: SightingKind, offset: int, leader_epoch: int, first: ProbeRecord | None, last: bytes | None
    ) -> None:
        self.kind = kind
        self.offset = offset
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
