"""How clients of both libraries reach Kafka and sign in, with the callbacks that the settings alone cannot give."""

from __future__ import annotations

from collections.abc import Callable

from kafka_sentinel.adapters.kafka_client import ClientProperties, ClientValue
from kafka_sentinel.adapters.tokens import TokenKeeper, token_keeper
from kafka_sentinel.settings.kafka import KafkaSettings

OAuthCallback = Callable[[str], tuple[str, float]]


class Connection:
    """Made once for a command or a daemon, so that all of its clients share their tokens."""

    def __init__(self, kafka: KafkaSettings) -> None:
        """Raise MissingSignerError if an extra is needed that is not installed."""
        self._kafka = kafka
        self._tokens = token_keeper(kafka.security)

    def librdkafka(self) -> ClientProperties:
        """Return the properties of a client. Holds secrets. Raises OSError if a secret's file has gone."""
        found: dict[str, ClientValue] = dict(self._kafka.client_config())
        if self._tokens is not None:
            found["oauth_cb"] = _callback(self._tokens)
        return found

    def kafka_python(self) -> dict[str, object]:
        """Return the same in the words of the other library."""
        found = self._kafka.quorum_config()
        if self._tokens is not None:
            found["sasl_oauth_token_provider"] = _provider(self._tokens)
        return found


def _callback(tokens: TokenKeeper) -> OAuthCallback:
    def give(_: str) -> tuple[str, float]:
        """Return a token, and until when it is good in seconds since 1970. What is raised, the client reports."""
        token = tokens()
        return token.value, token.until

    return give


def _provider(tokens: TokenKeeper) -> object:
    from kafka.net.sasl.oauth import AbstractTokenProvider  # noqa: PLC0415 - half a second that few need to pay

    class Provider(AbstractTokenProvider):  # type: ignore[misc]  # the library is not annotated
        def token(self) -> str:
            return tokens().value

    return Provider()
