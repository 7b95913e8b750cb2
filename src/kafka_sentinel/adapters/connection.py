"""How clients of both libraries reach Kafka and sign in, with the callbacks that the settings alone cannot give."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Generic, NamedTuple, TypeVar

from confluent_kafka.admin import AdminClient

from kafka_sentinel.adapters.kafka_client import ClientProperties, ClientValue, client_config
from kafka_sentinel.adapters.tokens import TokenError, TokenKeeper, token_keeper
from kafka_sentinel.settings.kafka import KafkaSettings

OAuthCallback = Callable[[str], tuple[str, float]]
ANSWER = 5.0  # seconds in which a broker lets a client with new certificates in
MOST = 10_000_000  # bytes of a file that are looked at
PLACEHOLDER = "none"  # what brokers are shown, and refuse, while there is no token
HELD_FOR = 5.0  # seconds; a client asks for another when a fifth of them is left
Fingerprints = tuple[str | None, ...]  # None: it cannot be read
Value = TypeVar("Value")


class Login(NamedTuple):
    """What clients sign in with from now on. `certificates`: they changed, so that each client has to be made anew.

    A client takes another password at its next connection; those it has stay as they are.
    """

    certificates: bool
    username: str | None = None
    password: str | None = None


class Connection:
    """Made once for a command or a daemon, so that all of its clients share their tokens.

    What it gives is as the files were when they were last taken up; a client made later is given what they say then.
    """

    def __init__(self, kafka: KafkaSettings) -> None:
        """Raise MissingSignerError if an extra is needed that is not installed, OSError if a secret's file has gone."""
        self._kafka = kafka
        self._tokens = token_keeper(kafka.security)
        security = kafka.security
        self._certificates = (security.ca_file, security.cert_file, security.key_file, security.key_password_file)
        self._files = (*self._certificates, security.password_file)
        self._seen = self.look()
        self._given = self._read()

    def librdkafka(self, defaults: ClientProperties | None = None) -> ClientProperties:
        """Return the properties of a client. Holds secrets. `defaults` are ours, which the settings override."""
        below = dict(defaults or {})
        return _Live(lambda: below | self._given[0])

    def kafka_python(self) -> Mapping[str, object]:
        """Return the same in the words of the other library."""
        return _Live(lambda: self._given[1])

    @property
    def seen(self) -> Fingerprints:
        """What the files held that were last taken up."""
        return self._seen

    def look(self) -> Fingerprints:
        """Return what tells whether a file that clients sign in with is another one now."""
        return tuple(_fingerprint(path) for path in self._files if path is not None)

    def take_up(self, seen: Fingerprints) -> Login:
        """Give what the files hold now, and say what a client that is running has to do about it.

        Raises KafkaException if no broker lets a client in that has the new certificates, OSError if a file has gone:
        then everything stays as it was.
        """
        read = self._read()
        count = sum(path is not None for path in self._certificates)
        changed = seen[:count] != self._seen[:count]
        if changed:
            config: dict[str, Any] = client_config(read[0], {"client.id": "kafka-sentinel-credentials"})
            AdminClient(config).list_topics(timeout=ANSWER)
        self._given, self._seen = read, seen
        security = self._kafka.security
        return Login(changed, security.username, security.read_password())

    def why_no_token(self) -> str | None:
        """Return why there is no token to sign in with now; None: there is one, or none is needed. Takes seconds."""
        try:
            if self._tokens is not None:
                self._tokens()
        except TokenError as error:
            return str(error)
        return None

    def secrets(self) -> tuple[str, ...]:
        """Return the values that must never be shown. Raises OSError if a secret's file has gone."""
        return self._kafka.secrets()

    def _read(self) -> tuple[dict[str, ClientValue], dict[str, object]]:
        ours: dict[str, ClientValue] = dict(self._kafka.client_config())
        others = self._kafka.quorum_config()
        if self._tokens is not None:
            ours["oauth_cb"] = _callback(self._tokens)
            others["sasl_oauth_token_provider"] = _provider(self._tokens)
        return ours, others


class _Live(Mapping[str, Value], Generic[Value]):
    """What a mapping is at the moment of each use."""

    def __init__(self, read: Callable[[], Mapping[str, Value]]) -> None:
        self._read = read

    def __getitem__(self, key: str) -> Value:
        return self._read()[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._read())

    def __len__(self) -> int:
        return len(self._read())


def _fingerprint(path: Path) -> str | None:
    try:
        with path.open("rb") as file:
            return hashlib.sha256(file.read(MOST)).hexdigest()
    except OSError:
        return None


def _callback(tokens: TokenKeeper) -> OAuthCallback:
    def give(_: str) -> tuple[str, float]:
        """Return a token, and until when it is good in seconds since 1970.

        No client can be made without one. With one that every broker refuses it can, and goes on once there is another.
        """
        try:
            return tokens()
        except TokenError:
            return PLACEHOLDER, time.time() + HELD_FOR

    return give


def _provider(tokens: TokenKeeper) -> object:
    from kafka.net.sasl.oauth import AbstractTokenProvider  # noqa: PLC0415 - half a second that few need to pay

    class Provider(AbstractTokenProvider):  # type: ignore[misc]  # the library is not annotated
        def token(self) -> str:
            return tokens().value

    return Provider()
