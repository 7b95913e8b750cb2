"""The daemon's own look at why Kafka cannot be used, and its eye on the files of certificates."""

import socket
import threading
import time
from pathlib import Path

import pytest
from tests.certificates import DAY, Authority

from kafka_sentinel.adapters.diagnosis import Diagnosis, examine
from kafka_sentinel.core.connection import Reason, Trouble
from kafka_sentinel.core.events import AdapterError, CertificatesRead, ConnectionExamined
from kafka_sentinel.runtime import now
from kafka_sentinel.settings import Settings

SECONDS = 20.0
FOUND = Trouble(Reason.SIGN_IN, "refused")


class Heard:
    def __init__(self):
        self.events = []
        self.died = []
        self.changed = threading.Event()

    def post(self, events):
        self.events += events
        self.changed.set()

    def wait(self, kind, count=1):
        deadline = time.monotonic() + SECONDS
        while len(found := [event for event in self.events if isinstance(event, kind)]) < count:
            assert time.monotonic() < deadline, self.events
            time.sleep(0.01)
        return found


@pytest.fixture
def diagnosis():
    started = []

    def make(settings=None, **given):
        heard = Heard()
        options = {"post": heard.post, "now": now, "on_death": lambda *died: heard.died.append(died), **given}
        one = Diagnosis(settings or Settings.model_validate({"kafka": {"bootstrap_servers": "a:1"}}), **options)
        one.start()
        started.append(one)
        return one, heard

    yield make
    for one in started:
        assert one.stop(SECONDS)


def test_it_looks_when_it_is_asked_and_not_before(diagnosis):
    one, heard = diagnosis(look=lambda _: FOUND, every=0.01)
    time.sleep(0.1)
    assert heard.events == []
    one.examine()
    assert [event.trouble for event in heard.wait(ConnectionExamined)] == [FOUND]
    one.examine()
    heard.wait(ConnectionExamined, 2)


def test_whatever_a_look_meets_it_is_answered_and_the_daemon_goes_on(diagnosis):
    one, heard = diagnosis(look=lambda _: 1 / 0)
    one.examine()
    assert [event.trouble for event in heard.wait(ConnectionExamined)] == [None]
    assert [event.code for event in heard.wait(AdapterError)] == ["ZeroDivisionError"]
    assert heard.died == []


def test_nobody_listening_is_the_reason():
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        server = f"127.0.0.1:{nobody.getsockname()[1]}"
        trouble = examine(Settings.model_validate({"kafka": {"bootstrap_servers": server}}), 3.0)
    assert trouble is not None
    assert trouble.reason is Reason.REFUSED
    assert server in trouble.sentence


def test_a_certificate_that_is_renewed_is_told(diagnosis, tmp_path):
    authority, begun = Authority(tmp_path / "ca"), int(time.time())
    authority.sign("old", begins=begun - DAY, ends=begun + DAY)
    authority.sign("new", begins=begun - DAY, ends=begun + 9 * DAY)
    file = Path(authority.path("mounted.crt"))
    file.write_text(Path(authority.path("old.crt")).read_text())
    security = {"protocol": "SSL", "ca_file": str(file)}
    settings = Settings.model_validate({"kafka": {"bootstrap_servers": "a:1", "security": security}})
    _, heard = diagnosis(settings, every=0.02)
    heard.wait(CertificatesRead)
    file.write_text(Path(authority.path("new.crt")).read_text())
    heard.wait(CertificatesRead, 2)
    file.unlink()
    told = heard.wait(CertificatesRead, 3)
    assert [dict(event.expiries) for event in told] == [{"ca_file": begun + DAY}, {"ca_file": begun + 9 * DAY}, {}]
