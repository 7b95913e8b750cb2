"""Rechecks: exactly one answer to each, and what it says of a log that is shorter or starts later than asked."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from confluent_kafka import Producer
from tests.mock.mailbox import Mailbox, now
from tests.mock.mock_cluster import MockCluster

from kafka_sentinel.adapters import recheck
from kafka_sentinel.adapters.recheck import QUEUE, Rechecker, RecheckOptions
from kafka_sentinel.core.commands import Recheck
from kafka_sentinel.core.events import RecheckDone, RecheckFailed
from kafka_sentinel.core.record import Encoder
from kafka_sentinel.core.types import Acks, ProbePartition, SightingKind

ZERO = ProbePartition(Acks.ALL, 0)
Start = Callable[..., Rechecker]


@pytest.fixture
def ids(cluster: MockCluster, monkeypatch: pytest.MonkeyPatch) -> list[str | None]:
    """The topic ids that are answered in turn, the last one for ever: mock brokers do not know them."""
    answers: list[str | None] = ["an id"]

    def topic_ids(_source: object, names: list[str], _timeout: float) -> dict[str, str | None]:
        known = answers.pop(0) if len(answers) > 1 else answers[0]
        return {name: known for name in names if name == cluster.topic}

    monkeypatch.setattr(recheck, "topic_ids", topic_ids)
    return answers


@pytest.fixture
def start(cluster: MockCluster, mailbox: Mailbox, ids: list[str | None]) -> Iterator[Start]:
    made: list[Rechecker] = []

    def begin(*, running: bool = True, **options: object) -> Rechecker:
        settings = {"end_wait": 0.5, "patience": 3.0, "request_timeout": 2.0, **options}
        rechecker = Rechecker(
            RecheckOptions(common=cluster.common, topics={Acks.ALL: cluster.topic}, **settings),
            post=mailbox.post,
            now=now,
            on_death=mailbox.on_death,
        )
        made.append(rechecker)
        if running:
            rechecker.start()
        return rechecker

    yield begin
    for rechecker in made:
        assert rechecker.stop(10)
        assert rechecker.stop(0)


@pytest.fixture
def filled(cluster: MockCluster) -> MockCluster:
    """Partition 0 holds sequences 0…99 of one run, with a foreign record in the middle."""
    it = Encoder(instance=1, run=2, incarnation=0, partition=0, size=200)
    producer = Producer({**cluster.common, "log_level": 0})
    for sequence in range(100):
        producer.produce(cluster.topic, b"foreign" if sequence == 50 else it.encode(sequence, 0, 0), b"", 0)
    assert producer.flush(10) == 0
    return cluster


def test_a_range_is_read_exactly(start, filled, mailbox):
    start().submit(Recheck(1, ZERO, 10, 60, None))
    done = mailbox.first(RecheckDone)
    assert (done.recheck, done.partition, done.start, done.position, done.log_start) == (1, ZERO, 10, 60, 0)
    assert [(one.kind, one.offset, one.count) for one in done.sightings] == [
        (SightingKind.RECORD, 10, 40),
        (SightingKind.FOREIGN, 50, 1),
        (SightingKind.RECORD, 51, 9),
    ]


def test_the_topic_id_is_told_if_it_was_the_same_before_and_after(start, filled, mailbox, ids):
    rechecker = start()
    rechecker.submit(Recheck(1, ZERO, 0, 5, None))
    assert mailbox.first(RecheckDone).topic_id == "an id"
    ids.append("another id")
    rechecker.submit(Recheck(2, ZERO, 0, 5, None))
    mailbox.until(lambda: len(mailbox.of(RecheckDone)) == 2)
    assert mailbox.of(RecheckDone)[1].topic_id is None


def test_a_log_that_ends_before_the_range_is_answered_with_the_position_reached(start, filled, mailbox):
    start().submit(Recheck(2, ZERO, 90, 500, None))
    done = mailbox.first(RecheckDone)
    assert (done.start, done.position) == (90, 100)


def test_a_log_that_starts_within_or_above_the_range_is_read_from_its_start(start, filled, mailbox):
    filled.delete_records(0, 30)
    rechecker = start()
    rechecker.submit(Recheck(3, ZERO, 10, 40, None))
    done = mailbox.first(RecheckDone)
    assert (done.start, done.position, done.log_start) == (30, 40, 30)
    rechecker.submit(Recheck(4, ZERO, 10, 20, None))
    mailbox.until(lambda: len(mailbox.of(RecheckDone)) == 2)
    done = mailbox.of(RecheckDone)[1]
    assert (done.start, done.position, done.sightings) == (30, 30, ())


def test_an_empty_range_is_answered_without_reading(start, filled, mailbox):
    start().submit(Recheck(5, ZERO, 7, 7, None))
    done = mailbox.first(RecheckDone)
    assert (done.start, done.position, done.sightings) == (7, 7, ())


def test_a_range_above_the_end_of_the_log_fails_rather_than_proving_anything(start, filled, mailbox):
    start().submit(Recheck(6, ZERO, 200, 210, None))
    failed = mailbox.first(RecheckFailed)
    assert failed.recheck == 6
    assert failed.reason


def test_a_read_during_which_the_leader_changed_proves_nothing(start, filled, mailbox, monkeypatch):
    filled.lead(0, 1)
    known = recheck.watermarks

    def asked_in_between(*given: object) -> tuple[int, int] | None:
        found = known(*given)
        filled.lead(0, 2)
        return found

    rechecker = start()
    monkeypatch.setattr(recheck, "watermarks", asked_in_between)
    rechecker.submit(Recheck(6, ZERO, 10, 20, None))
    assert mailbox.first(RecheckFailed).reason == "the partition changed its leader during the read"
    rechecker.submit(Recheck(7, ZERO, 10, 20, None))  # it leads still
    assert mailbox.first(RecheckDone).recheck == 7


def test_a_topic_that_does_not_exist_is_said_so(cluster, mailbox, ids):
    rechecker = Rechecker(
        RecheckOptions(common=cluster.common, topics={Acks.ALL: "absent"}),
        post=mailbox.post,
        now=now,
        on_death=mailbox.on_death,
    )
    rechecker.start()
    rechecker.submit(Recheck(7, ZERO, 0, 10, None))
    assert mailbox.first(RecheckFailed).reason == "topic absent does not exist"
    rechecker.submit(Recheck(8, ProbePartition(Acks.ONE, 0), 0, 10, None))
    mailbox.until(lambda: len(mailbox.of(RecheckFailed)) == 2)
    assert mailbox.of(RecheckFailed)[1].reason == "there is no probe topic for acks=1"
    assert rechecker.stop(10)


def test_a_silent_cluster_fails_the_recheck(start, filled, mailbox):
    filled.silence()
    start(request_timeout=1.0).submit(Recheck(9, ZERO, 0, 10, None))
    assert mailbox.first(RecheckFailed, timeout=30).recheck == 9


def test_every_recheck_is_answered_once_also_when_too_many_wait(start, filled, mailbox):
    rechecker = start(running=False)
    for number in range(QUEUE + 3):
        rechecker.submit(Recheck(number, ZERO, 0, 5, None))
    assert sorted(event.recheck for event in mailbox.of(RecheckFailed)) == [QUEUE, QUEUE + 1, QUEUE + 2]
    rechecker.start()
    mailbox.until(lambda: len(mailbox.of(RecheckDone)) == QUEUE, timeout=60)
    assert sorted(event.recheck for event in mailbox.of(RecheckDone)) == list(range(QUEUE))
