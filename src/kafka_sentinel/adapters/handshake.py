"""One connection of our own to an address, up to a broker's first answer, to see where on the way in it fails.

The Kafka client says that a connection failed, and often not why; Python's sockets and TLS do. Nothing secret is ever
sent: the one request asks which versions of the protocol the broker knows, which it answers before anybody signs in.
"""

from __future__ import annotations

import socket
import ssl
import struct
import threading
import time
from collections.abc import Callable, Sequence
from typing import NamedTuple

from kafka_sentinel.adapters.certificates import Validity, validity
from kafka_sentinel.core.connection import Attempt, Reason
from kafka_sentinel.settings import KafkaSettings

MAX_ANSWER = 1_000_000  # bytes; a broker's list of versions has some hundred
CORRELATION = 0x5E27  # any number; the answer bears it
CLIENT = b"kafka-sentinel-check"
VERDICTS = {  # by OpenSSL's codes; all others say that nobody we trust has signed it
    9: Reason.NOT_YET_VALID,
    10: Reason.EXPIRED,
    62: Reason.OTHER_NAME,
    64: Reason.OTHER_NAME,  # an IP address
}
# What keeps keys in places that Python's TLS cannot read: then nothing is said of client certificates.
KEYS_ELSEWHERE = ("ssl.certificate.pem", "ssl.key.pem", "ssl.keystore.location", "ssl.engine.location")


class Encryption(NamedTuple):
    """`shows_ours`: whether our client certificate, if there is any, is shown."""

    context: ssl.SSLContext
    shows_ours: bool


def encryption(kafka: KafkaSettings) -> Encryption | None:
    """Return how to connect by TLS as the Kafka client does; None: without.

    Raises OSError or ValueError for files that cannot be read, or hold something else.
    """
    security, properties = kafka.security, kafka.properties
    if not security.protocol.endswith("SSL"):
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # not the default one, which is stricter than the Kafka client
    if security.ca_file is not None:
        context.load_verify_locations(cafile=str(security.ca_file))
    elif "ssl.ca.pem" in properties:
        context.load_verify_locations(cadata=properties["ssl.ca.pem"])
    else:
        context.load_default_certs()
    if security.cert_file is not None and security.key_file is not None:
        context.load_cert_chain(str(security.cert_file), str(security.key_file), security.read_key_password() or "")
    if properties.get("ssl.endpoint.identification.algorithm") == "none":
        context.check_hostname = False
    if properties.get("enable.ssl.certificate.verification") == "false":
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return Encryption(context, not any(key in properties for key in KEYS_ELSEWHERE))


def attempts(servers: Sequence[str], tls: Encryption | None, seconds: float) -> Callable[[], list[Attempt] | None]:
    """Begin to connect to all servers at once. Returns what gives the attempts in that order; None: not all have ended.

    Each ends within `seconds`, also where the name service does not answer.
    """
    results: list[Attempt | None] = [None] * len(servers)
    overdue = time.monotonic() + seconds + 0.5

    def one(index: int) -> None:
        results[index] = attempt(servers[index], tls, seconds)

    for index in range(len(servers)):
        threading.Thread(target=one, args=(index,), name="handshake", daemon=True).start()

    def look() -> list[Attempt] | None:
        late = time.monotonic() > overdue
        found = [
            each or Attempt(server, Reason.NO_NAME, "the name service does not answer")
            for each, server in zip(list(results), servers, strict=True)
            if each is not None or late
        ]
        return found if len(found) == len(servers) else None

    return look


def attempt(server: str, tls: Encryption | None, seconds: float) -> Attempt:
    """Connect, and say how far it went. Takes `seconds` at most, besides the name service."""
    try:
        return _attempt(server, tls, time.monotonic() + seconds)
    except TimeoutError:
        return Attempt(server, Reason.SILENT, f"no answer within {seconds:g} s")
    except OSError as error:
        return Attempt(server, Reason.SILENT, said(error))


def _attempt(server: str, tls: Encryption | None, deadline: float) -> Attempt:
    try:
        connection = _connect(server, deadline)
    except (socket.gaierror, UnicodeError) as error:  # the latter: no name can look like that
        return Attempt(server, Reason.NO_NAME, said(error))
    except ConnectionRefusedError:
        return Attempt(server, Reason.REFUSED)
    with connection:
        if tls is None:
            return _in_plain_text(server, connection, deadline)
        return _encrypted(server, connection, tls, deadline)


def _connect(server: str, deadline: float) -> socket.socket:
    host, _, port = server.rpartition(":")
    connection = socket.create_connection((host.strip("[]"), int(port)), timeout=_left(deadline))
    connection.settimeout(_left(deadline))
    return connection


def _in_plain_text(server: str, connection: socket.socket, deadline: float) -> Attempt:
    try:
        answered = _ask(connection, deadline)
    except (ConnectionError, ValueError) as error:
        if _speaks_tls(server, deadline):
            return Attempt(server, Reason.SPEAKS_TLS)
        return Attempt(server, Reason.NOT_KAFKA, said(error))
    if answered:
        return Attempt(server, None)
    return Attempt(server, Reason.SPEAKS_TLS if _speaks_tls(server, deadline) else Reason.NOT_KAFKA, "it hangs up")


def _encrypted(server: str, connection: socket.socket, tls: Encryption, deadline: float) -> Attempt:
    host = server.rpartition(":")[0].strip("[]")
    shaken = False
    try:
        with tls.context.wrap_socket(connection, server_hostname=host) as secure:
            shaken = True
            answered = _ask(secure, deadline)
    except ssl.SSLCertVerificationError as error:
        return _not_verified(server, error, deadline)
    except (ssl.SSLError, ConnectionError, ValueError) as error:
        if not shaken and "ALERT" not in (getattr(error, "reason", None) or ""):
            return _without_tls(server, deadline)
        return _refused_by_it(server, tls, said(error))
    return Attempt(server, None) if answered else _refused_by_it(server, tls, "it hangs up")


def _without_tls(server: str, deadline: float) -> Attempt:
    with _connect(server, deadline) as plain:
        if _answers(plain, deadline):
            return Attempt(server, Reason.SPEAKS_PLAIN)
    return Attempt(server, Reason.NOT_KAFKA, "it speaks neither TLS nor Kafka's protocol")


def _refused_by_it(server: str, tls: Encryption, said: str) -> Attempt:
    """After our certificate, or its absence, was seen: brokers say so only then. We may not be the one who shows it."""
    return Attempt(server, Reason.OUR_CERTIFICATE if tls.shows_ours else None, said)


def _not_verified(server: str, error: ssl.SSLCertVerificationError, deadline: float) -> Attempt:
    reason = VERDICTS.get(error.verify_code, Reason.WRONG_CA)
    shown = _shown(server, deadline) if reason in {Reason.EXPIRED, Reason.NOT_YET_VALID} else None
    if shown is None:
        return Attempt(server, reason, error.verify_message)
    return Attempt(server, reason, error.verify_message, shown.begins, shown.ends)


def _shown(server: str, deadline: float) -> Validity | None:
    """Return the dates of the server's certificate, whoever signed it; None if it cannot be seen."""
    try:
        with _connect(server, deadline) as connection, _trusting().wrap_socket(connection) as secure:
            return validity(secure.getpeercert(binary_form=True) or b"")
    except (OSError, ValueError):
        return None


def _trusting() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


def _speaks_tls(server: str, deadline: float) -> bool:
    """Tell whether a greeting by TLS is answered by TLS, be it with an alert."""
    try:
        with _connect(server, deadline) as connection, _trusting().wrap_socket(connection):
            return True
    except ssl.SSLError as error:
        return "ALERT" in (error.reason or "")
    except OSError:
        return False


def _answers(connection: socket.socket, deadline: float) -> bool:
    try:
        return _ask(connection, deadline)
    except (OSError, ValueError):
        return False


def _ask(connection: socket.socket, deadline: float) -> bool:
    """Ask for the versions a broker knows. Returns whether it answered, False if it hung up.

    Raises OSError, and ValueError if what came is not an answer of Kafka's.
    """
    body = struct.pack(">hhih", 18, 0, CORRELATION, len(CLIENT)) + CLIENT
    connection.sendall(struct.pack(">i", len(body)) + body)
    head = _read(connection, 8, deadline)
    if not head:
        return False
    size, correlation = struct.unpack(">ii", head.ljust(8, b"\0"))
    if correlation != CORRELATION or not 0 < size < MAX_ANSWER:
        raise ValueError(f"its answer begins with {head[:8]!r}")
    return True


def _read(connection: socket.socket, size: int, deadline: float) -> bytes:
    """Return `size` bytes, fewer if the other side hangs up before."""
    found = b""
    while len(found) < size:
        connection.settimeout(_left(deadline))
        more = connection.recv(size - len(found))
        if not more:
            break
        found += more
    return found


def _left(deadline: float) -> float:
    left = deadline - time.monotonic()
    if left <= 0:
        raise TimeoutError
    return left


def said(error: BaseException) -> str:
    """Return what there is to read in an error of a socket, of TLS or of a file."""
    if isinstance(error, ssl.SSLError):
        return (error.reason or str(error)).replace("_", " ").lower()
    return (error.strerror if isinstance(error, OSError) else None) or str(error) or type(error).__name__
