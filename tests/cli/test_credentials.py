"""What clients sign in with is looked at while they run: taken up when it stands still, refused with a sentence."""

from __future__ import annotations

import io

import pytest
from confluent_kafka import KafkaError, KafkaException

from kafka_sentinel.adapters import connection as connections
from kafka_sentinel.adapters import logs
from kafka_sentinel.adapters.connection import Connection, Login
from kafka_sentinel.adapters.credentials import AGAIN, CredentialsWatcher
from kafka_sentinel.core.types import Instant
from kafka_sentinel.settings import KafkaSettings, LogSettings


class World:
    """A configuration whose files lie in a folder, and a client that signs in."""

    def __init__(self, folder, monkeypatch) -> None:
        self.clock = 100.0
        self.logins: list[Login] = []
        self.posted: list = []
        self.answer: KafkaException | None = None
        self.asked: list[dict] = []
        self.password, self.ca = folder / "password", folder / "ca.crt"
        self.password.write_text("first")
        self.ca.write_text("ca")
        security = {"protocol": "SASL_SSL", "mechanism": "PLAIN", "username": "me"}
        files = {"password_file": str(self.password), "ca_file": str(self.ca)}
        monkeypatch.setattr(connections, "AdminClient", self._admin)
        self.connection = Connection(
            KafkaSettings.model_validate({"bootstrap_servers": "a:1", "security": {**security, **files}})
        )
        self.watcher = CredentialsWatcher(
            self.connection, [self], post=self.posted.extend, now=self.now, on_death=lambda *_: None
        )

    def now(self) -> Instant:
        return Instant(wall=self.clock, mono=self.clock)

    def sign_in(self, login: Login) -> None:
        self.logins.append(login)

    def _admin(self, config: dict) -> World:
        self.asked.append(config)
        return self

    def list_topics(self, timeout: float) -> None:
        if self.answer is not None:
            raise self.answer

    def look(self, times: int = 1) -> None:
        for _ in range(times):
            self.watcher.look()


@pytest.fixture
def world(tmp_path, monkeypatch):
    logs.configure(LogSettings(), stream=io.StringIO())
    yield World(tmp_path, monkeypatch)
    logs._hidden.clear()


def test_what_did_not_change_is_left_alone(world):
    world.look(3)
    assert (world.logins, world.posted, world.asked) == ([], [], [])


def test_a_password_is_taken_up_once_it_stands_still_and_by_no_new_client(world):
    common = world.connection.librdkafka({"socket.timeout.ms": 5})
    world.password.write_text("sec")
    world.look()
    world.password.write_text("second")
    world.look()
    assert world.logins == []
    assert common["sasl.password"] == "first"
    world.look(2)
    assert world.logins == [Login(certificates=False, username="me", password="second")]
    assert world.asked == []
    assert dict(common)["sasl.password"] == world.connection.kafka_python()["sasl_plain_password"] == "second"
    assert common["socket.timeout.ms"] == 5


def test_certificates_are_tried_by_a_client_of_their_own_before_all_others_get_them(world):
    world.answer = KafkaException(KafkaError(KafkaError._TRANSPORT, "no broker"))
    world.ca.write_text("another")
    world.look(4)
    assert len(world.asked) == 1  # not at each look
    assert [(one.subject, one.code) for one in world.posted] == [("credentials", "_TRANSPORT")]
    assert world.logins == []
    world.answer, world.clock = None, world.clock + AGAIN
    world.look()
    assert [login.certificates for login in world.logins] == [True]
    world.look(2)
    assert len(world.logins) == 1


def test_a_file_that_is_gone_changes_nothing_and_is_named(world):
    world.password.unlink()
    world.look(2)
    assert world.logins == []
    (said,) = world.posted
    assert (said.code, str(world.password) in said.message) == ("UNREADABLE", True)
    assert world.connection.librdkafka()["sasl.password"] == "first"


def test_the_log_hides_a_password_that_came_later(world):
    stream = io.StringIO()
    logs.configure(LogSettings(), secrets=("first",), stream=stream)
    world.password.write_text("canary-of-later")
    world.look(2)
    logs.write("warning", "said", {"text": "it is canary-of-later"})
    assert "canary" not in stream.getvalue()
    assert "said" in stream.getvalue()
