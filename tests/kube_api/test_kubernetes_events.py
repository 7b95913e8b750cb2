"""Kubernetes Events are left where people look, and nobody waits for them."""

import threading

import pytest
from tests.kube_api.server import refuse, say

from kafka_sentinel.adapters.kubernetes.events import WAITING, EventEmitter
from kafka_sentinel.core.commands import LeaveEvent
from kafka_sentinel.core.events import AdapterError
from kafka_sentinel.core.kubernetes.objects import Kind, parse
from kafka_sentinel.core.types import Instant, ObjectRef
from kafka_sentinel.runtime import now

PATH = "/api/v1/namespaces/kafka/events"
POD = ObjectRef("v1", "Pod", "kafka", "k-0", "uid-0")
KAFKA = ObjectRef("kafka.strimzi.io/v1", "Kafka", "kafka", "my", "uid-my")
AT = Instant(0.0, 1_800_000_000.0)


@pytest.fixture
def emitter(api, mailbox):
    made = EventEmitter(
        api, post=mailbox.post, now=now, on_death=lambda name, error: mailbox.post([error]), instance="sentinel-0"
    )
    made.start()
    yield made
    assert made.stop(10.0)


@pytest.mark.parametrize("subject", [POD, KAFKA])
def test_an_event_says_who_what_when_and_about_whom(emitter, script, subject):
    script.on("POST", PATH, say({}, 201))
    assert emitter.emit(LeaveEvent(AT, subject, "BrokerKilled", "experiment x", warning=True))
    script.wait_asked(1)
    body = script.asked[0].body
    assert body["metadata"].pop("name").startswith(f"{subject.name}.")
    assert body == {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"namespace": "kafka"},
        "involvedObject": {
            "apiVersion": subject.api_version,
            "kind": subject.kind,
            "namespace": "kafka",
            "name": subject.name,
            "uid": subject.uid,
        },
        "type": "Warning",
        "reason": "BrokerKilled",
        "message": "experiment x",
        "source": {"component": "kafka-sentinel"},
        "reportingComponent": "kafka-sentinel",
        "reportingInstance": "sentinel-0",
        "firstTimestamp": "2027-01-15T08:00:00Z",
        "lastTimestamp": "2027-01-15T08:00:00Z",
        "count": 1,
    }


def test_what_we_write_we_can_read(emitter, script):
    script.on("POST", PATH, say({}, 201))
    emitter.emit(LeaveEvent(AT, POD, "BrokerKilled", "x"))
    script.wait_asked(1)
    body = script.asked[0].body
    body["metadata"].update(uid="u", resourceVersion="1")
    view = parse(Kind.EVENT, body)
    assert (view.about_name, view.reason, view.component, view.last) == (
        "k-0",
        "BrokerKilled",
        "kafka-sentinel",
        AT.wall,
    )


def test_every_event_has_a_name_of_its_own(emitter, script):
    script.on("POST", PATH, say({}, 201))
    for _ in range(20):
        emitter.emit(LeaveEvent(AT, POD, "A", "x"))
    script.wait_asked(20)
    assert len({one.body["metadata"]["name"] for one in script.asked}) == 20


def test_texts_are_cut_to_what_the_server_takes(emitter, script):
    script.on("POST", PATH, say({}, 201))
    emitter.emit(LeaveEvent(AT, ObjectRef("v1", "Pod", "kafka", "k" * 250, "u"), "R" * 300, "m" * 5000))
    script.wait_asked(1)
    body = script.asked[0].body
    assert [len(body["message"]), len(body["reason"])] == [1000, 128]
    assert len(body["metadata"]["name"]) <= 253


def test_nobody_waits_and_what_is_too_much_is_dropped(emitter, script):
    hold, begun = threading.Event(), threading.Event()

    def slow(handler, asked):
        begun.set()
        hold.wait(10.0)
        say({}, 201)(handler, asked)

    script.on("POST", PATH, slow)
    assert emitter.emit(LeaveEvent(AT, POD, "A", "x"))
    assert begun.wait(10.0)
    taken = [emitter.emit(LeaveEvent(AT, POD, "A", "x")) for _ in range(WAITING + 5)]
    hold.set()
    assert taken == [True] * WAITING + [False] * 5
    script.wait_asked(1 + WAITING)


def test_a_refusal_is_said_once_and_each_new_one_too(emitter, script, mailbox):
    script.on("POST", PATH, refuse(403), refuse(403), refuse(500), say({}, 201), refuse(500), say({}, 201))
    for _ in range(6):
        emitter.emit(LeaveEvent(AT, POD, "A", "x"))
    script.wait_asked(6)
    assert emitter.stop(10.0)
    assert [(one.subject, one.code) for one in mailbox.of(AdapterError)] == [
        ("kubernetes", "403"),
        ("kubernetes", "500"),
        ("kubernetes", "500"),
    ]
    assert len(mailbox.events) == 3


def test_what_waits_at_the_end_is_still_made(emitter, script):
    hold = threading.Event()

    def slow(handler, asked):
        hold.wait(10.0)
        say({}, 201)(handler, asked)

    script.on("POST", PATH, slow)
    for _ in range(10):
        emitter.emit(LeaveEvent(AT, POD, "A", "x"))
    emitter.stop(0.0)
    hold.set()
    assert emitter.stop(10.0)
    assert len(script.asked) == 10
