"""Any bytes as the value of a record: no error, nothing damaged taken for a record, nothing foreign for verified."""

from __future__ import annotations

from collections.abc import Iterable

from tests.core.ledger_world import PARTITION, US, World
from tests.fuzz.choices import Choices
from tests.fuzz.harness import Harness

from kafka_sentinel.core.account import State
from kafka_sentinel.core.record import (
    HEADER,
    MAX_SIZE,
    MIN_CONFIGURED_SIZE,
    MIN_SIZE,
    NO_CLAIMS,
    Encoder,
    ProbeRecord,
    decode,
    decode_claims,
)
from kafka_sentinel.core.sightings import read_spans
from kafka_sentinel.core.types import Claims, SightingKind

SIZE = 200
RECORDS = 6  # of ours, acknowledged at offsets 0 to 5


def crc32(data: bytes) -> int:
    """Compute the checksum bit by bit, by its definition, and not by the library that the product uses."""
    register = 0xFFFFFFFF
    for byte in data:
        register ^= byte
        for _ in range(8):
            register = register >> 1 ^ (0xEDB88320 if register & 1 else 0)
    return register ^ 0xFFFFFFFF


def is_sound(value: bytes) -> bool:
    """Tell by docs/record-format.md alone whether a value is a record."""
    return (
        len(value) >= MIN_SIZE
        and value[:4] == b"KSEN"
        and value[4] == 1
        and int.from_bytes(value[6:8]) == len(value)
        and int.from_bytes(value[-4:]) == crc32(value[:-4])
        and int.from_bytes(value[32:40]) < 2**62
    )


def sealed(value: bytes) -> bytes:
    """Return the value with magic, version, length and checksum as they should be: a fuzzer does not guess them."""
    body = value.ljust(MIN_SIZE, b"\0")[:MAX_SIZE]
    body = b"KSEN\x01" + body[5:6] + len(body).to_bytes(2) + body[8:-4]
    return body + crc32(body).to_bytes(4)


def of_ours(sequence: int, *, claims: Claims = NO_CLAIMS) -> bytes:
    it = Encoder(instance=US, run=1, incarnation=0, partition=PARTITION.partition, size=SIZE)
    it.set_claims(claims)
    return it.encode(sequence, 1_790_000_000_000_000_000, 5)


def check(data: bytes) -> None:
    choices = Choices(data)
    mode = choices.byte()
    value = choices.rest()
    if mode & 1:
        value = sealed(value)
    _check_value(value)
    _check_ledger(value, Choices(data))


def _check_value(value: bytes) -> None:
    found = decode(value)
    if not isinstance(found, ProbeRecord):
        assert not is_sound(value), "a sound record was not taken for one"
        assert (found is SightingKind.CORRUPTED) == (value[:4] == b"KSEN"), "damaged and foreign were mixed up"
        return
    assert is_sound(value), "something damaged was taken for a record"
    assert found == ProbeRecord._make(HEADER.unpack_from(value)[4:])
    try:
        claims = decode_claims(value)
    except ValueError:
        return
    if len(value) < MIN_CONFIGURED_SIZE:
        return
    it = Encoder(
        instance=found.instance,
        run=found.run,
        incarnation=found.incarnation,
        partition=found.partition,
        size=len(value),
    )
    it.set_claims(claims)
    again = it.encode(found.sequence, found.wall_ns, found.mono_ns)
    assert decode(again) == found
    assert decode_claims(again) == claims


def _check_ledger(value: bytes, choices: Choices) -> None:
    """Six records were acknowledged; a reader is given what a fuzzer puts in their place, and beside them."""
    values: list[bytes | None] = []
    genuine = [of_ours(sequence) for sequence in range(RECORDS)]
    for sequence in range(RECORDS):
        what = choices.below(6)
        flipped = bytearray(genuine[sequence])
        flipped[choices.below(SIZE)] ^= 1 << choices.below(8)
        cut = genuine[sequence][: choices.below(SIZE)]
        values.append((genuine[sequence], value, bytes(flipped), cut, None, genuine[choices.below(RECORDS)])[what])
    world = World()
    sent = world.send(RECORDS)
    world.ack((0, RECORDS, 0))
    spans = read_spans(PARTITION.partition, range(RECORDS), [0] * RECORDS, values)
    assert sum(each.count for each in spans.sightings) == RECORDS, "a sighting for each offset, neither more nor less"
    world.deliver(0, RECORDS, spans.sightings)
    world.ledger.check()
    shown = {_sequence(one) for one in values}
    for sequence in sent:
        verified = world.state_of(sequence) is State.VERIFIED
        assert not verified or sequence in shown, f"{sequence} is verified, and nobody read it"
    assert not world.losses


def _sequence(value: bytes | None) -> int | None:
    """Return which of our records a value is, by the format alone."""
    if value is None or not is_sound(value):
        return None
    instance, run = int.from_bytes(value[8:16]), int.from_bytes(value[16:24])
    partition, sequence = int.from_bytes(value[28:32]), int.from_bytes(value[32:40])
    return sequence if (instance, run, partition) == (US, 1, PARTITION.partition) else None


def seeds() -> Iterable[bytes]:
    whole = of_ours(3, claims=Claims(5, 90, ((10, 2), (20, 30))))
    for mode in (b"\x00", b"\x01"):
        yield mode + whole
        yield mode + whole[:MIN_SIZE]
        yield mode + whole.ljust(MAX_SIZE, b"\0")[:300]
        yield mode + b"KSEN"
        yield mode + b""
    yield from (bytes([what]) * (1 + 4 * RECORDS) for what in range(6))


HARNESS = Harness(check, seeds, longest=512)
