"""Why Kafka cannot be used: what was observed of a connection, turned into one reason and one sentence.

Nothing here is guessed: each reason rests on something that was seen from here. Where more than one thing is wrong, the
one that was met last on the way in is named, for what comes before it worked.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from enum import StrEnum
from typing import NamedTuple

CLOCK_NOTICED = 10.0  # seconds between our clock and the cluster's from which it is said
CLOCK_WRONG = 300.0  # from which it is wrong: tokens are refused, and dates say other things to either side
CLOCK_MAYBE = 86_400.0  # a certificate begins or ends so near to now that a clock may be what is wrong
SHOWN = 3  # addresses in one sentence


class Reason(StrEnum):
    """What is wrong, by the name that docs/security.md knows it by."""

    NO_NAME = "name-unknown"
    SILENT = "no-connection"
    REFUSED = "connection-refused"
    NOT_KAFKA = "not-kafka"
    SPEAKS_TLS = "listener-speaks-tls"
    SPEAKS_PLAIN = "listener-speaks-no-tls"
    WRONG_CA = "wrong-ca"
    OTHER_NAME = "certificate-for-another-name"
    EXPIRED = "certificate-expired"
    NOT_YET_VALID = "certificate-not-yet-valid"
    OUR_CERTIFICATE = "client-certificate-refused"
    NO_TOKEN = "no-token"  # noqa: S105 - a name, no secret
    MECHANISM = "mechanism-not-offered"
    SIGN_IN = "sign-in-refused"
    NO_ANSWER = "no-answer"
    ADVERTISED = "advertised-address"
    CLOCK = "clock"
    ACL = "acl-missing"
    UNUSABLE = "not-usable"


# In the order in which they are met on the way in: name, connection, encryption. The client tells what comes after.
WAY_IN = tuple(Reason)[: tuple(Reason).index(Reason.OUR_CERTIFICATE) + 1]
# While these last nobody answers at all: an answer proves that they are over.
NOBODY_ANSWERS = frozenset((*WAY_IN, Reason.NO_TOKEN, Reason.MECHANISM, Reason.SIGN_IN, Reason.NO_ANSWER))


class Trouble(NamedTuple):
    """`sentence` says what was seen and what to do, without secrets."""

    reason: Reason
    sentence: str


class Attempt(NamedTuple):
    """What came of one connection. `reason` None: a Kafka broker answered.

    `detail`: what the operating system or the other side said. `begins`, `ends`: of the certificate shown, Unix time.
    """

    server: str
    reason: Reason | None
    detail: str = ""
    begins: float | None = None
    ends: float | None = None


class Complaint(NamedTuple):
    """What the Kafka client says of its connections. `code`: librdkafka's name for it, as _AUTHENTICATION."""

    code: str
    text: str


class Way(NamedTuple):
    """How we connect, as far as sentences name it. `now`: by our clock, Unix time."""

    protocol: str
    now: float
    mechanism: str = ""
    user: str = ""
    ca_file: str = ""  # "": the system's
    cert_file: str = ""  # "": no client certificate


def unanswered(attempts: Sequence[Attempt], complaints: Sequence[Complaint], way: Way) -> Trouble:
    """Say why no broker answers, from our own attempts at the configured servers and from what the client says."""
    refused = _sign_in(complaints, way)
    if refused is not None:
        return refused
    if attempts and all(one.reason is not None for one in attempts):
        furthest = max(attempts, key=lambda one: WAY_IN.index(one.reason) if one.reason in WAY_IN else -1)
        return said_of(furthest, way)
    texts = "; ".join(dict.fromkeys(one.text for one in complaints))
    servers = _some([one.server for one in attempts])
    return Trouble(Reason.NO_ANSWER, f"no answer from {servers}{f': {texts}' if texts else ''}")


def _sign_in(complaints: Sequence[Complaint], way: Way) -> Trouble | None:
    texts = [one.text for one in complaints if one.code == "_AUTHENTICATION"]
    if not texts:
        return None
    said = texts[-1]
    if "mechanism" in said and ("nsupported" in said or "not enabled" in said):
        sentence = f"the brokers do not offer {way.mechanism}: set kafka.security.mechanism to one they do ({said})"
        return Trouble(Reason.MECHANISM, sentence)
    if way.user:
        sentence = (
            f"the brokers refuse user {way.user}: the password is wrong or they do not know the user; correct "
            f"kafka.security.username and password ({said})"
        )
        return Trouble(Reason.SIGN_IN, sentence)
    sentence = (
        f"signing in by {way.mechanism or way.protocol} is refused: check the credentials, and this machine's clock, "
        f"for tokens are good for minutes ({said})"
    )
    return Trouble(Reason.SIGN_IN, sentence)


def said_of(attempt: Attempt, way: Way) -> Trouble:
    """Say what is wrong with one address that has a reason."""
    assert attempt.reason is not None
    return Trouble(attempt.reason, _SENTENCES[attempt.reason](attempt, way))


def _wrong_ca(attempt: Attempt, way: Way) -> str:
    unset = "the system's list (kafka.security.ca_file is not set)"
    place = f"kafka.security.ca_file {way.ca_file}" if way.ca_file else unset
    return (
        f"the certificate of {attempt.server} is signed by no authority in {place}: put the brokers' authority there "
        f"({attempt.detail})"
    )


def _expired(attempt: Attempt, way: Way) -> str:
    if attempt.ends is None or attempt.ends > way.now:
        return f"the certificate of {attempt.server}, or its authority's, has expired by this machine's clock: renew it"
    near = way.now - attempt.ends < CLOCK_MAYBE
    hint = f", or set the clock if it is not {date(way.now)} now" if near else ""
    return f"the certificate of {attempt.server} expired on {date(attempt.ends)}: renew it{hint}"


def _not_yet_valid(attempt: Attempt, way: Way) -> str:
    begins = f"only on {date(attempt.begins)}" if attempt.begins is not None else "later"
    return (
        f"the certificate of {attempt.server} becomes valid {begins}, and this machine's clock says {date(way.now)}: "
        "one of the two clocks is wrong, the authority's or ours; set it"
    )


def _our_certificate(attempt: Attempt, way: Way) -> str:
    if not way.cert_file:
        return (
            f"{attempt.server} asks for a client certificate: set kafka.security.cert_file and key_file "
            f"({attempt.detail})"
        )
    return (
        f"{attempt.server} refuses our certificate, kafka.security.cert_file {way.cert_file}: have it signed anew by "
        f"the authority that brokers know clients by ({attempt.detail})"
    )


def _speaks_tls(attempt: Attempt, way: Way) -> str:
    wanted = "SASL_SSL" if way.protocol.startswith("SASL") else "SSL or SASL_SSL"
    return (
        f"the listener at {attempt.server} speaks TLS and kafka.security.protocol is {way.protocol}: set {wanted}, or "
        "take another port"
    )


def _speaks_plain(attempt: Attempt, way: Way) -> str:
    wanted = "SASL_PLAINTEXT" if way.protocol.startswith("SASL") else "PLAINTEXT"
    return (
        f"the listener at {attempt.server} speaks no TLS and kafka.security.protocol is {way.protocol}: set {wanted}, "
        "or take the port of a TLS listener"
    )


_SENTENCES: Mapping[Reason, Callable[[Attempt, Way], str]] = {
    Reason.NO_NAME: lambda one, _: (
        f"the name of {one.server} is not known: correct it or the name service ({one.detail})"
    ),
    Reason.SILENT: lambda one, _: (
        f"{one.server} cannot be reached: look at the address, routes, firewalls and network policies ({one.detail})"
    ),
    Reason.REFUSED: lambda one, _: (
        f"nothing listens at {one.server} (connection refused): start the broker, or correct the port"
    ),
    Reason.NOT_KAFKA: lambda one, _: (
        f"what answers at {one.server} is no Kafka broker: correct the port ({one.detail})"
    ),
    Reason.SPEAKS_TLS: _speaks_tls,
    Reason.SPEAKS_PLAIN: _speaks_plain,
    Reason.WRONG_CA: _wrong_ca,
    Reason.OTHER_NAME: lambda one, _: (
        f"the certificate of {one.server} is for other names: use a name that it has, or have one made with this name "
        f"({one.detail})"
    ),
    Reason.EXPIRED: _expired,
    Reason.NOT_YET_VALID: _not_yet_valid,
    Reason.OUR_CERTIFICATE: _our_certificate,
}


def advertised(attempts: Iterable[tuple[int, Attempt]], way: Way) -> Trouble | None:
    """Say which brokers cannot be reached where they say that they are; None if all can. Takes (broker, attempt)."""
    failed = [(broker, one) for broker, one in attempts if one.reason is not None]
    if not failed:
        return None
    named = _some([f"broker {broker} advertises {one.server}" for broker, one in failed])
    why = said_of(failed[0][1], way).sentence
    help_ = "correct advertised.listeners, or make the address reachable from here"
    return Trouble(Reason.ADVERTISED, f"{named}, and that cannot be used from here: {why}; {help_}")


def ahead_of(theirs: float | None, asked: float, answered: float) -> float | None:
    """Return how far our clock is ahead of another, read between two instants of ours; None: it was not read.

    All in Unix time. Within the time that the answer took nothing can be said: that much counts as none.
    """
    if theirs is None or asked <= theirs <= answered:
        return None if theirs is None else 0.0
    return asked - theirs if theirs < asked else answered - theirs


def clock(ahead: float) -> Trouble | None:
    """Say how far our clock is from the cluster's; None if they agree. `ahead`: seconds, negative: behind."""
    if abs(ahead) < CLOCK_NOTICED:
        return None
    side = "ahead of" if ahead > 0 else "behind"
    return Trouble(
        Reason.CLOCK,
        f"this machine's clock is {_span(abs(ahead))} {side} that of the cluster's controller: set whichever is wrong "
        "(NTP); certificates and tokens look expired or not yet valid, and brokers refuse records from the future",
    )


def date(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M UTC")


def _span(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    parts = ((hours, "h"), (minutes, "min"), (rest, "s"))
    return " ".join(f"{number} {unit}" for number, unit in parts if number)


def _some(names: Sequence[str]) -> str:
    more = len(names) - SHOWN
    return ", ".join(names[:SHOWN]) + (f" and {more} more" if more > 0 else "")
