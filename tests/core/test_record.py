"""The wire format of a probe record, byte by byte and flipped bit by flipped bit."""

from __future__ import annotations

import struct
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kafka_sentinel.core.ledger import PartitionLedger
from kafka_sentinel.core.record import (
    GAP,
    HEADER,
    KEY,
    MAX_GAPS,
    MAX_SEQUENCE,
    MAX_SIZE,
    MIN_CONFIGURED_SIZE,
    MIN_SIZE,
    Encoder,
    ProbeRecord,
    decode,
    decode_claims,
    instance_id,
)
from kafka_sentinel.core.sightings import read_spans
from kafka_sentinel.core.types import Acks, Claims, ProbePartition, SightingKind

SEQUENCES = st.integers(0, MAX_SEQUENCE - 1)
U32, U64 = st.integers(0, 2**32 - 1), st.integers(0, 2**64 - 1)
NANOSECONDS = st.integers(-(2**63), 2**63 - 1)


def encoder(**changes: int) -> Encoder:
    return Encoder(**{"instance": 1, "run": 2, "incarnation": 3, "partition": 4, "size": 200, **changes})


def sealed(body: bytes) -> bytes:
    return body + struct.pack(">I", zlib.crc32(body))


@st.composite
def claims(draw: st.DrawFn) -> Claims:
    edges = sorted(draw(st.lists(st.integers(0, 2**31), min_size=2, max_size=2 * MAX_GAPS + 2, unique=True)))
    inner = edges[1:-1]
    gaps = tuple((low, high - low) for low, high in zip(inner[::2], inner[1::2], strict=False))
    return Claims(edges[0], edges[-1], gaps)


@given(
    st.builds(ProbeRecord, U64, U64, U32, U32, SEQUENCES, NANOSECONDS, NANOSECONDS),
    claims(),
    st.integers(MIN_CONFIGURED_SIZE, 2_000),
)
def test_what_was_encoded_is_decoded(record, made, size):
    it = Encoder(
        instance=record.instance,
        run=record.run,
        incarnation=record.incarnation,
        partition=record.partition,
        size=size,
    )
    it.set_claims(made)
    value = it.encode(record.sequence, record.wall_ns, record.mono_ns)
    assert len(value) == size
    assert decode(value) == record
    assert decode_claims(value) == made


@given(SEQUENCES, st.integers(0, 20), NANOSECONDS, NANOSECONDS, claims())
def test_a_run_is_encoded_as_its_records_would_be_one_by_one(first, count, wall, mono, made):
    it = encoder()
    it.set_claims(made)
    run = it.encode_run(first, count, wall, mono)
    assert run == [(KEY.pack(one), it.encode(one, wall, mono)) for one in range(first, first + count)]


def test_the_layout_is_the_documented_one():
    it = encoder()
    it.set_claims(Claims(5, 90, ((10, 2), (20, 30))))
    value = it.encode(6, 7, 8)
    assert value[:4] == b"KSEN"
    assert value[4:8] == bytes([1, 0]) + (200).to_bytes(2)
    fields = [
        (8, 8, 1),
        (16, 8, 2),
        (24, 4, 3),
        (28, 4, 4),
        (32, 8, 6),
        (40, 8, 7),
        (48, 8, 8),
        (56, 8, 5),
        (64, 8, 90),
    ]
    assert [int.from_bytes(value[at : at + size]) for at, size, _ in fields] == [wanted for _, _, wanted in fields]
    assert value[72:76] == bytes([0, 2, 0, 0])
    assert value[76:100] == struct.pack(">QIQI", 10, 2, 20, 30)
    assert value[100:196] == bytes(96)
    assert value[196:] == zlib.crc32(value[:196]).to_bytes(4)


@given(st.integers(0, 200 * 8 - 1))
def test_any_flipped_bit_is_seen(bit):
    value = bytearray(encoder().encode(1, 2, 3))
    value[bit // 8] ^= 1 << bit % 8
    expected = SightingKind.FOREIGN if bit < 32 else SightingKind.CORRUPTED
    assert decode(bytes(value)) is expected


@given(st.integers(0, 199))
def test_a_truncated_record_is_corrupted_and_an_empty_one_foreign(length):
    expected = SightingKind.FOREIGN if length < 4 else SightingKind.CORRUPTED
    assert decode(encoder().encode(1, 2, 3)[:length]) is expected


@given(st.binary(max_size=300))
def test_anything_else_is_foreign_and_nothing_crashes(value):
    if value[:4] != b"KSEN":
        assert decode(value) is SightingKind.FOREIGN
    else:
        assert decode(value) is SightingKind.CORRUPTED
    assert decode(None) is SightingKind.FOREIGN


def test_a_longer_value_and_an_unknown_version_are_corrupted():
    value = encoder().encode(1, 2, 3)
    assert decode(value + b"\0") is SightingKind.CORRUPTED
    assert decode(sealed(value[:4] + b"\x02" + value[5:-4])) is SightingKind.CORRUPTED
    assert isinstance(decode(sealed(value[:-4])), ProbeRecord)  # the control: sealing alone changes nothing


@pytest.mark.parametrize("sequence", [MAX_SEQUENCE, 2**63, 2**64 - 1])
def test_a_sequence_that_no_record_has_is_corrupted_and_the_highest_is_counted(sequence):
    values = [encoder().encode(one, 2, 3) for one in (MAX_SEQUENCE - 1, sequence)]
    assert [decode(value) is SightingKind.CORRUPTED for value in values] == [False, True]
    ledger = PartitionLedger(ProbePartition(Acks.ALL, 4), instance=1, run=1)
    ledger.read(0, 2, read_spans(4, range(2), [0, 0], [values[0], encoder().encode(sequence, 2, 4)]).sightings)
    ledger.check()
    assert (ledger.counted["corrupted"], ledger.counted["foreign"]) == (1, 0)


@pytest.mark.parametrize(
    ("claims_from", "through", "gaps"),
    [
        (0, 10, [(9, 2)]),  # beyond the end
        (5, 10, [(4, 1)]),  # before the beginning
        (0, 10, [(4, 2), (5, 1)]),  # overlapping
        (0, 10, [(6, 1), (2, 1)]),  # out of order
        (0, 10, [(3, 0)]),  # empty
        (11, 10, []),  # upside down
        (0, MAX_SEQUENCE + 1, []),  # of sequences that no record has
    ],
)
def test_claims_that_contradict_themselves_are_refused(claims_from, through, gaps):
    head = encoder().encode(1, 2, 3)[: HEADER.size]
    body = struct.pack(">QQHH", claims_from, through, len(gaps), 0) + b"".join(GAP.pack(*gap) for gap in gaps)
    with pytest.raises(ValueError):
        decode_claims((head + body).ljust(196, b"\0") + bytes(4))


def test_more_gaps_than_allowed_or_than_fit_are_refused():
    head = encoder().encode(1, 2, 3)[: HEADER.size]
    for count, room in ((MAX_GAPS + 1, 500), (2, MIN_SIZE + 12)):
        value = (head + struct.pack(">QQHH", 0, 100, count, 0)).ljust(room, b"\0")
        with pytest.raises(ValueError, match="do not fit"):
            decode_claims(value)


@pytest.mark.parametrize("size", [MIN_CONFIGURED_SIZE - 1, MAX_SIZE + 1])
def test_a_size_that_cannot_hold_the_claims_is_refused(size):
    with pytest.raises(ValueError, match=str(size)):
        encoder(size=size)


def test_instances_differ_by_name_and_stay_the_same():
    assert instance_id("a") == instance_id("a") != instance_id("b")
    assert 0 <= instance_id("a") < 2**64


def sound(claims: bytes, *, more: bytes = b"", size: int | None = None) -> bytes:
    """A value with these claims and a right checksum; `size`: as its header says, if not its own."""
    length = HEADER.size + len(claims) + len(more) + 4
    head = HEADER.pack(b"KSEN", 1, 0, length if size is None else size, 1, 2, 3, 4, 5, 6, 7)
    return sealed(head + claims + more)


NONE = struct.pack(">QQHH", 0, 0, 0, 0)


def test_the_shortest_record_is_one_and_one_of_another_length_than_it_says_is_not():
    assert len(sound(NONE)) == MIN_SIZE
    assert isinstance(decode(sound(NONE)), ProbeRecord)
    for size in (MIN_SIZE - 1, MIN_SIZE + 1):
        assert decode(sound(NONE, size=size)) is SightingKind.CORRUPTED


def test_the_longest_record_can_be_made():
    assert len(encoder(size=MAX_SIZE).encode(0, 0, 0)) == MAX_SIZE


def test_the_checksum_is_no_gap():
    one = struct.pack(">QQHH", 0, 2**62, 1, 0)
    with pytest.raises(ValueError, match="do not fit"):
        decode_claims(sound(one, more=bytes(8)))
    assert decode_claims(sound(one, more=GAP.pack(0, 7))) == Claims(0, 2**62, ((0, 7),))


def test_a_gap_may_end_where_the_claims_do():
    it = encoder()
    it.set_claims(Claims(0, 10, ((5, 5),)))
    assert decode_claims(it.encode(0, 0, 0)) == Claims(0, 10, ((5, 5),))
