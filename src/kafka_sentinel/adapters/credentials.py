"""Certificates and passwords that change on disk are taken up while Sentinel runs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from confluent_kafka import KafkaException

from kafka_sentinel.adapters import logs
from kafka_sentinel.adapters.connection import Connection, Fingerprints, Login
from kafka_sentinel.adapters.kafka_client import Now, OnDeath, Post, Worker, adapter_error
from kafka_sentinel.core.events import AdapterError

INTERVAL = 1.0  # seconds between two looks at the files
AGAIN = 5.0  # seconds until certificates that no broker took are tried again


class Client(Protocol):
    """What signs in."""

    def sign_in(self, login: Login) -> None:
        """Go on with it, in a thread of its own."""


class CredentialsWatcher:
    """Looks at the files once every interval, and takes up what was the same at two looks: it is written to its end."""

    def __init__(
        self, connection: Connection, clients: Sequence[Client], *, post: Post, now: Now, on_death: OnDeath
    ) -> None:
        self._connection = connection
        self._clients = clients
        self._post = post
        self._now = now
        self._worker = Worker("credentials", self._run, on_death)
        self._before: Fingerprints = connection.seen
        self._next_try = 0.0

    def start(self) -> None:
        self._worker.start()

    def stop(self, timeout: float) -> bool:
        """Return whether the thread has ended within `timeout` seconds. May be called again."""
        return self._worker.stop(timeout)

    def _run(self) -> None:
        while not self._worker.stopping.wait(INTERVAL):
            self.look()

    def look(self) -> None:
        """Look once."""
        found, before = self._connection.look(), self._before
        self._before = found
        if found == self._connection.seen or found != before or self._now().mono < self._next_try:
            return
        try:
            login = self._connection.take_up(found)
            logs.hide(self._connection.secrets())
        except KafkaException as error:
            self._later(adapter_error(self._now(), "credentials", error))
        except (OSError, UnicodeDecodeError) as error:
            why = getattr(error, "strerror", None) or "it is not text"
            said = f"{getattr(error, 'filename', None) or 'a file'} cannot be read: {why}"
            self._later(AdapterError(self._now(), "credentials", "UNREADABLE", said))
        else:
            self._next_try = 0.0
            logs.write("info", "credentials changed on disk", {"certificates": login.certificates})
            for client in self._clients:
                client.sign_in(login)

    def _later(self, why: AdapterError) -> None:
        self._next_try = self._now().mono + AGAIN
        self._post([why])
