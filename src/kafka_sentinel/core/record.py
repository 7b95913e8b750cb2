"""The wire format of a probe record. docs/record-format.md is its specification; the layout is a contract.

Big-endian:

    offset size field
     0      4   magic "KSEN"
     4      1   version, 1
     5      1   flags, 0
     6      2   length of the whole value in bytes
     8      8   instance: which Sentinel (a hash of its name)
    16      8   run: which life of it
    24      4   incarnation: which producer client within the run
    28      4   partition
    32      8   sequence, below 2**62
    40      8   send instant, wall clock, ns since the epoch
    48      8   send instant, monotonic clock, ns
    56      8   claims_from
    64      8   acked_through, at most 2**62
    72      2   number of gaps, 0..8
    74      2   zero
    76     12 n gaps: first (8), count (4)
     …          zero padding
    -4      4   CRC-32 (IEEE) of everything before it
"""

from __future__ import annotations

import struct
import zlib
from hashlib import blake2b
from typing import NamedTuple

from kafka_sentinel.core.types import Claims, SightingKind

MAGIC = b"KSEN"
VERSION = 1
MAX_GAPS = 8
HEADER = struct.Struct(">4sBBHQQIIQqq")
CLAIMS = struct.Struct(">QQHH")
GAP = struct.Struct(">QI")
CRC = struct.Struct(">I")
KEY = struct.Struct(">Q")  # the record's key: its sequence, for correlating acknowledgements
MIN_SIZE = HEADER.size + CLAIMS.size + CRC.size
MIN_CONFIGURED_SIZE = MIN_SIZE + MAX_GAPS * GAP.size  # so that padding never has to shrink
MAX_SIZE = 65_535
MAX_SEQUENCE = 2**62  # no record has it: a million a second take 146,000 years, and so sums stay below 2**63

NO_CLAIMS = Claims(0, 0, ())


def instance_id(name: str) -> int:
    """Return the 64-bit id under which the Sentinel called `name` signs its records."""
    return int.from_bytes(blake2b(name.encode(), digest_size=8).digest())


PREFIX_SIZE = 32  # the fields before the sequence are the same in all records of one client and partition
STAMPS = struct.Struct(">qq")


class ProbeRecord(NamedTuple):
    instance: int
    run: int
    incarnation: int
    partition: int
    sequence: int
    wall_ns: int
    mono_ns: int


class Encoder:
    """Makes the records of one partition. Claims are set once per batch, so a record costs two packs and two CRCs."""

    def __init__(self, *, instance: int, run: int, incarnation: int, partition: int, size: int) -> None:
        if not MIN_CONFIGURED_SIZE <= size <= MAX_SIZE:
            raise ValueError(f"record size {size} is outside {MIN_CONFIGURED_SIZE}..{MAX_SIZE} bytes")
        self._fixed = (MAGIC, VERSION, 0, size, instance, run, incarnation, partition)
        self._size = size
        self.set_claims(NO_CLAIMS)

    def set_claims(self, claims: Claims) -> None:
        gaps = b"".join(GAP.pack(first, count) for first, count in claims.gaps)
        body = CLAIMS.pack(claims.claims_from, claims.acked_through, len(claims.gaps), 0) + gaps
        self._tail = body.ljust(self._size - HEADER.size - CRC.size, b"\0")

    def encode(self, sequence: int, wall_ns: int, mono_ns: int) -> bytes:
        head = HEADER.pack(*self._fixed, sequence, wall_ns, mono_ns)
        tail = self._tail
        return head + tail + CRC.pack(zlib.crc32(tail, zlib.crc32(head)))

    def encode_run(self, first: int, count: int, wall_ns: int, mono_ns: int) -> list[tuple[bytes, bytes]]:
        """Return (key, value) of `count` records from sequence `first` that are sent at one instant."""
        prefix = HEADER.pack(*self._fixed, 0, 0, 0)[:PREFIX_SIZE]
        rest = STAMPS.pack(wall_ns, mono_ns) + self._tail
        begun, key_of, sum_of, checksum = zlib.crc32(prefix), KEY.pack, CRC.pack, zlib.crc32
        run = []
        for sequence in range(first, first + count):
            key = key_of(sequence)
            body = key + rest
            run.append((key, prefix + body + sum_of(checksum(body, begun))))
        return run


def decode(value: bytes | None) -> ProbeRecord | SightingKind:
    """Return the record, or CORRUPTED (bears our magic, is not sound), or FOREIGN (anything else, also nothing)."""
    if value is None or value[:4] != MAGIC:
        return SightingKind.FOREIGN
    size = len(value)
    if size < MIN_SIZE:
        return SightingKind.CORRUPTED
    _, version, _, length, *fields = HEADER.unpack_from(value)
    if length != size or zlib.crc32(memoryview(value)[:-4]) != int.from_bytes(value[-4:]) or version != VERSION:
        return SightingKind.CORRUPTED
    record = ProbeRecord._make(fields)
    return record if record.sequence < MAX_SEQUENCE else SightingKind.CORRUPTED


def decode_claims(value: bytes) -> Claims:
    """Return the claims of a value that `decode` found sound. Raises ValueError if they contradict themselves."""
    claims_from, acked_through, gap_count, _ = CLAIMS.unpack_from(value, HEADER.size)
    start = HEADER.size + CLAIMS.size
    if gap_count > MAX_GAPS or start + gap_count * GAP.size > len(value) - CRC.size:
        raise ValueError(f"{gap_count} gaps do not fit")
    gaps = tuple(GAP.unpack_from(value, start + index * GAP.size) for index in range(gap_count))
    edge = claims_from
    for first, count in gaps:
        if first < edge or first + count > acked_through or count == 0:
            raise ValueError(f"gap {first}+{count} is out of order or outside [{claims_from}, {acked_through})")
        edge = first + count
    if acked_through > MAX_SEQUENCE:
        raise ValueError(f"acked_through {acked_through} is above every sequence")
    if acked_through < claims_from:
        raise ValueError(f"acked_through {acked_through} is below claims_from {claims_from}")
    return Claims(claims_from, acked_through, gaps)
