"""Grouping what was read: the quick path must see exactly what decoding every record by itself would."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from kafka_sentinel.core.record import Encoder, ProbeRecord, decode
from kafka_sentinel.core.sightings import join, read_spans
from kafka_sentinel.core.types import Claims, Sighting, SightingKind

PARTITION = 3


def encoder(*, run: int = 7, partition: int = PARTITION, size: int = 200, incarnation: int = 0) -> Encoder:
    return Encoder(instance=1, run=run, incarnation=incarnation, partition=partition, size=size)


def flipped(value: bytes) -> bytes:
    return value[:50] + bytes([value[50] ^ 1]) + value[51:]


@st.composite
def logs(draw: st.DrawFn) -> list[tuple[int, int, bytes | None]]:
    """(offset, leader epoch, value) of a log with holes, new epochs, runs, repeats, damage and strangers."""
    encoders = {
        (run, size, incarnation): encoder(run=run, size=size, incarnation=incarnation)
        for run in (7, 8)
        for size in (200, 240)
        for incarnation in (0, 1)
    }
    found: list[tuple[int, int, bytes | None]] = []
    offset, epoch, key, sequence = 100, 0, (7, 200, 0), 5
    for _ in range(draw(st.integers(0, 40))):
        change = draw(st.integers(0, 30))
        offset += 2 if change == 1 else 1
        epoch += change == 2
        key = draw(st.sampled_from(sorted(encoders))) if change == 3 else key
        sequence = draw(st.integers(0, 50)) if change == 4 else sequence + 1
        value: bytes | None = encoders[key].encode(sequence, 10**18 + sequence, sequence)
        if change == 5:
            value = flipped(value or b"")
        elif change == 6:
            value = draw(st.sampled_from([None, b"", b"hello", b"KSEN", b"KSEN" + bytes(196)]))
        elif change == 7:
            value = encoder(partition=PARTITION + 1).encode(sequence, 0, 0)
        found.append((offset, epoch, value))
    return found


def naive(log: list[tuple[int, int, bytes | None]]) -> list[tuple[int, int, SightingKind, int, int]]:
    result = []
    for offset, epoch, value in log:
        record = decode(value)
        if isinstance(record, ProbeRecord) and record.partition == PARTITION:
            result.append((offset, epoch, SightingKind.RECORD, record.run, record.sequence))
        else:
            kind = record if isinstance(record, SightingKind) else SightingKind.FOREIGN
            result.append((offset, epoch, kind, 0, 0))
    return result


def expanded(sightings: list[Sighting]) -> list[tuple[int, int, SightingKind, int, int]]:
    return [
        (one.offset + index, one.leader_epoch, one.kind, one.run, one.first + (index if one.run else 0))
        for one in sightings
        for index in range(one.count)
    ]


def grouped(log: list[tuple[int, int, bytes | None]]) -> list[Sighting]:
    columns = list(zip(*log, strict=True)) or [(), (), ()]
    return list(read_spans(PARTITION, columns[0], columns[1], columns[2]).sightings)


@given(logs())
def test_spans_say_what_decoding_each_record_says(log):
    assert expanded(grouped(log)) == naive(log)


@given(logs(), st.integers(0, 40))
def test_reading_in_two_batches_and_joining_changes_nothing(log, cut):
    joined = join(grouped(log[:cut]), grouped(log[cut:]))
    assert expanded(joined) == naive(log)
    assert len(joined) <= len(grouped(log))


def test_a_run_of_records_is_one_span_with_the_claims_and_the_time_of_its_last():
    it = encoder()
    log = []
    for index in range(1_000):
        it.set_claims(Claims(0, index, ()))
        log.append((index + 50, 2, it.encode(index, 10**18 + index * 10**9, index)))
    assert grouped(log) == [
        Sighting(SightingKind.RECORD, 50, 1_000, 2, 1, 7, 0, 10**9 + 999, Claims(0, 999, ())),
    ]


def test_samples_are_the_first_and_the_last_record_of_a_span():
    log = [(index, 0, encoder().encode(index, 0, 1_000 + index)) for index in range(9)]
    columns = list(zip(*log, strict=True))
    samples = read_spans(PARTITION, *columns).samples
    assert [one.mono_ns for one in samples] == [1_000, 1_008]
    alone = read_spans(PARTITION, *list(zip(*log[4:5], strict=True))).samples
    assert [one.mono_ns for one in alone] == [1_004]


def test_a_record_whose_claims_contradict_themselves_is_corrupted_alone():
    it = encoder()
    it.set_claims(Claims(9, 9, ()))
    log = [(0, 0, it.encode(0, 0, 0)), (1, 0, it.encode(1, 0, 0))]
    it.set_claims(Claims(9, 4, ()))
    log.append((2, 0, it.encode(2, 0, 0)))
    kinds = [(one.kind, one.offset, one.count, one.claims) for one in grouped(log)]
    assert kinds == [(SightingKind.RECORD, 0, 2, None), (SightingKind.CORRUPTED, 2, 1, None)]
    assert [one.kind for one in grouped(log[2:])] == [SightingKind.CORRUPTED]
    assert [(one.kind, one.count) for one in grouped(log[1:])] == [
        (SightingKind.RECORD, 1),
        (SightingKind.CORRUPTED, 1),
    ]
    assert [one.kind for one in grouped(log[:2])] == [SightingKind.RECORD]


def test_what_is_no_record_of_ours_is_grouped_by_what_it_is_and_where_it_stands():
    offsets, epochs = (5, 6, 7, 9, 10, 11), (0, 0, 0, 0, 1, 1)
    values = (b"a", None, b"c", b"d", b"e", b"KSEN")
    found = read_spans(PARTITION, offsets, epochs, values).sightings
    assert [(one.kind, one.offset, one.count, one.leader_epoch) for one in found] == [
        (SightingKind.FOREIGN, 5, 3, 0),
        (SightingKind.FOREIGN, 9, 1, 0),
        (SightingKind.FOREIGN, 10, 1, 1),
        (SightingKind.CORRUPTED, 11, 1, 1),
    ]


def test_joining_goes_by_the_same():
    stranger = Sighting(SightingKind.FOREIGN, 10, 2, 0)
    assert join([stranger], [stranger._replace(offset=12)]) == [stranger._replace(count=4)]
    damaged = Sighting(SightingKind.CORRUPTED, 12, 1, 0)
    assert join([stranger], [damaged]) == [stranger, damaged]


def test_a_record_without_claims_joins_one_that_has_some():
    one = Sighting(SightingKind.RECORD, 10, 5, 0, 1, 7, 100)
    other = Sighting(SightingKind.RECORD, 15, 2, 0, 1, 7, 105)
    claims = Claims(0, 9, ())
    assert join([one], [other._replace(claims=claims)]) == [one._replace(count=7, claims=claims)]
    assert join([one._replace(claims=claims)], [other]) == [one._replace(count=7)]


def test_joining_keeps_apart_what_differs():
    one = Sighting(SightingKind.RECORD, 10, 5, 0, 1, 7, 100)
    follows = Sighting(SightingKind.RECORD, 15, 2, 0, 1, 7, 105)
    assert join([one], [follows]) == [one._replace(count=7)]
    for other in (
        follows._replace(offset=16),
        follows._replace(first=106),
        follows._replace(leader_epoch=1),
        follows._replace(run=8),
        Sighting(SightingKind.FOREIGN, 15, 2, 0),
    ):
        assert join([one], [other]) == [one, other]
    assert join([], [one]) == [one]
    assert join([one], []) == [one]


def test_a_record_that_claims_from_elsewhere_begins_a_new_span_so_that_no_claim_is_forgotten():
    """Of a span only the last record's claims are kept: they must say all that the others' said."""
    one = encoder()
    log = []
    for index, claims in enumerate([Claims(0, 10, ()), Claims(0, 11, ()), Claims(9, 12, ()), Claims(9, 13, ())]):
        one.set_claims(claims)
        log.append((100 + index, 0, one.encode(20 + index, 0, 0)))
    found = grouped(log)
    assert [(each.first, each.count, each.claims) for each in found] == [
        (20, 2, Claims(0, 11, ())),
        (22, 2, Claims(9, 13, ())),
    ]
    assert join(found[:1], found[1:]) == found
