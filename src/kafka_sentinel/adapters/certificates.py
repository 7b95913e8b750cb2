"""From when to when certificates are valid: read from what a server shows, and from the files Sentinel is given.

The standard library tells the dates of a certificate only once it is trusted, so they are read from its encoding (DER).
"""

from __future__ import annotations

import contextlib
import re
import ssl
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

PEM = re.compile(r"-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----", re.DOTALL)
MAX_CERTIFICATES = 1_000  # of one file; the list of a system has some 150
MAX_BYTES = 4_000_000
VERSION, UTC_TIME = 0xA0, 0x17  # tags
LONG_FORM = 0x80
HALF_CENTURY = 50  # X.509: years of two digits from 50 on are of the century before


class Validity(NamedTuple):
    """Both in Unix time."""

    begins: float
    ends: float


def validity(der: bytes) -> Validity:
    """Read one certificate. Raises ValueError if it is none."""
    try:
        [(_, certificate), *_] = _parts(der)
        [(_, signed), *_] = _parts(certificate)
        fields = [field for field in _parts(signed) if field[0] != VERSION]
        (begins, ends) = _parts(fields[3][1])  # after serial number, algorithm and issuer
        return Validity(_time(*begins), _time(*ends))
    except (IndexError, ValueError) as error:
        raise ValueError(f"not a certificate: {error}") from None


def _parts(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield (tag, content) of each value in `data`. Raises IndexError where it ends too early."""
    at = 0
    while at < len(data):
        tag, length, at = data[at], data[at + 1], at + 2
        if length & LONG_FORM:
            more = length - LONG_FORM
            length, at = int.from_bytes(data[at : at + more], "big"), at + more
        if at + length > len(data):
            raise IndexError("it ends too early")
        yield tag, data[at : at + length]
        at += length


def _time(tag: int, text: bytes) -> float:
    digits = text.decode("ascii")
    if tag == UTC_TIME:
        digits = f"{'19' if int(digits[:2]) >= HALF_CENTURY else '20'}{digits}"
    return datetime.strptime(digits, "%Y%m%d%H%M%SZ").replace(tzinfo=UTC).timestamp()


def next_expiry(file: Path, now: float, *, chain: bool) -> float:
    """Return when the next certificate of a file expires (Unix time). Raises OSError, or ValueError if it has none.

    `chain`: all of them are needed, so the first to expire counts. Otherwise they are authorities side by side, as
    while one takes over from another: what has expired already is missed by nobody and counts no more, unless all have.
    """
    with file.open("rb") as opened:
        text = opened.read(MAX_BYTES).decode("ascii", "replace")
    blocks = PEM.findall(text)[:MAX_CERTIFICATES]
    ends = [validity(ssl.PEM_cert_to_DER_cert(block)).ends for block in blocks]
    if not ends:
        raise ValueError("there is no certificate (PEM) in it")
    if chain:
        return min(ends)
    return min((end for end in ends if end > now), default=max(ends))


def expiries(files: Mapping[str, Path], now: float) -> dict[str, float]:
    """Return settings key (as `ca_file`) → when the next certificate of its file expires, Unix time.

    A file that cannot be read is left out: nothing is known of it, and connecting says what is wrong with it.
    """
    found = {}
    for key, file in files.items():
        with contextlib.suppress(OSError, ValueError):
            found[key] = next_expiry(file, now, chain=key == "cert_file")
    return found
