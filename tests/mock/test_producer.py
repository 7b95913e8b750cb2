"""The probe producer: each record it sent gets exactly one outcome; the order of events is the order of knowledge."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from itertools import dropwhile
from queue import Queue

import pytest
from confluent_kafka import KafkaError, KafkaException
from tests.mock.mailbox import Mailbox, now
from tests.mock.mock_cluster import (
    NOT_ENOUGH_REPLICAS,
    NOT_LEADER_FOR_PARTITION,
    OUT_OF_ORDER_SEQUENCE,
    PRODUCE,
    MockCluster,
)

from kafka_sentinel.adapters import producer as producer_module
from kafka_sentinel.adapters.connection import Login
from kafka_sentinel.adapters.producer import FIRST_CONTACT, ProbeProducer
from kafka_sentinel.adapters.producer_client import ProducerClient, ProducerOptions
from kafka_sentinel.core.events import (
    AdapterError,
    ProducerRestarted,
    RecordsAcked,
    RecordsRejected,
    RecordsSent,
    RecordsUncertain,
)
from kafka_sentinel.core.ranges import RangeSet
from kafka_sentinel.core.types import Acks, ProbePartition

RUN = 99
ZERO, ONE = ProbePartition(Acks.ALL, 0), ProbePartition(Acks.ALL, 1)
Start = Callable[..., ProbeProducer]


@pytest.fixture
def start(cluster: MockCluster, mailbox: Mailbox) -> Iterator[Start]:
    """Start a producer on some partitions; it is stopped, and its accounts are balanced, at the end."""
    made: list[ProbeProducer] = []

    def begin(*partitions: ProbePartition, acks: Acks = Acks.ALL, **options: object) -> ProbeProducer:
        settings = {"interval": 0.02, "records_per_second": 50.0, **options}
        producer = ProbeProducer(
            ProducerOptions(common=cluster.common, topic=cluster.topic, acks=acks, instance=1, **settings),
            post=mailbox.post,
            now=now,
            on_death=mailbox.on_death,
        )
        made.append(producer)
        producer.start()
        producer.begin_run(RUN)
        producer.probe(partitions)
        return producer

    yield begin
    for producer in made:
        assert producer.stop(10)
        assert producer.stop(0), "stopping twice is allowed"
    balance(mailbox)


def balance(mailbox: Mailbox) -> None:
    """Every record sent has exactly one outcome, and no other record has any."""
    outcomes: Counter[tuple[int, int, int]] = Counter()
    sent: Counter[tuple[int, int, int]] = Counter()
    for event in mailbox.events:
        match event:
            case RecordsSent(partition=partition, run=run, first=first, count=count):
                sent.update((run, partition.partition, one) for one in range(first, first + count))
            case RecordsRejected(partition=partition, run=run, first=first, count=count):
                outcomes.update((run, partition.partition, one) for one in range(first, first + count))
            case RecordsUncertain(partition=partition, run=run, first=first, count=count):
                outcomes.update((run, partition.partition, one) for one in range(first, first + count))
            case RecordsAcked(partition=partition, run=run, spans=spans):
                for first, count, _ in spans:
                    outcomes.update((run, partition.partition, one) for one in range(first, first + count))
    assert outcomes == sent
    assert set(sent.values()) <= {1}


def test_records_are_acknowledged_in_order_from_sequence_and_offset_zero(start, mailbox):
    start(ZERO, ONE)
    mailbox.until(lambda: len(mailbox.acked(0)) > 20 and len(mailbox.acked(1)) > 20)
    for partition in (ZERO, ONE):
        events = [event for event in mailbox.of(RecordsAcked) if event.partition == partition]
        assert all(event.run == RUN and event.partition.acks is Acks.ALL for event in events)
        assert all(span.offset == span.first for event in events for span in event.spans)
        assert mailbox.acked(partition.partition).intervals == 1
        assert all(0 <= latency < 30 for event in events for latency in event.latencies)
        assert all(len(event.latencies) <= 20 for event in events)


def test_what_is_acknowledged_was_posted_as_sent_before(start, mailbox):
    start(ZERO)
    mailbox.until(lambda: len(mailbox.acked()) > 20)
    sent = RangeSet()
    for event in list(mailbox.events):
        if isinstance(event, RecordsSent):
            assert event.first == sent.end
            sent.add(event.first, event.count)
        elif isinstance(event, RecordsAcked):
            assert all(not sent.missing(span.first, span.count) for span in event.spans)


def test_partitions_come_and_go_and_their_sequences_continue(start, mailbox):
    producer = start(ZERO)
    mailbox.until(lambda: mailbox.acked(0).end > 3)
    producer.probe([ONE])
    mailbox.until(lambda: mailbox.acked(1).end > 3)
    stood = mailbox.sent(0).end
    producer.probe([ZERO, ONE, ProbePartition(Acks.ONE, 0)])
    mailbox.until(lambda: mailbox.acked(0).end > stood + 3)
    assert mailbox.sent(0).intervals == 1
    assert {event.partition.acks for event in mailbox.of(RecordsSent)} == {Acks.ALL}


def test_the_rate_is_spread_over_the_slots_and_can_be_changed(start, mailbox):
    producer = start(ZERO, interval=0.05, records_per_second=50.0)
    sent = mailbox.until(lambda: len(mailbox.of(RecordsSent)) >= 10 and mailbox.of(RecordsSent))
    counts = list(dropwhile(lambda count: count == 1, (event.count for event in sent)))  # first contact is made by one
    assert counts[:4] == [2, 3, 2, 3]
    producer.set_rate(1.0)
    mailbox.until(lambda: mailbox.of(RecordsSent)[-1].count == 1)


def test_a_large_rate_fills_the_slot_in_chunks_and_nothing_is_rejected(start, mailbox):
    start(ZERO, ONE, interval=0.05, records_per_second=10_000_000.0, queue_limit=10_000)
    mailbox.until(lambda: len(mailbox.acked(0)) > 10_000 and len(mailbox.acked(1)) > 10_000)
    assert max(event.count for event in mailbox.of(RecordsSent)) <= 1_000
    assert mailbox.of(RecordsRejected) == []


def test_a_partition_that_took_nothing_yet_gets_one_record_at_a_time(start, mailbox, cluster):
    cluster.silence()
    start(ZERO)
    first, second = mailbox.until(lambda: len(mailbox.of(RecordsSent)) >= 2 and mailbox.of(RecordsSent)[:2])
    assert (first.count, second.count) == (1, 1)
    assert second.at.mono - first.at.mono >= FIRST_CONTACT


def test_a_new_incarnation_makes_first_contact_anew(start, mailbox, cluster):
    producer = start(ZERO)
    mailbox.until(lambda: len(mailbox.acked()) > 5)
    cluster.silence()
    producer.renew()
    mailbox.first(ProducerRestarted)
    before = len(mailbox.of(RecordsSent))
    later = mailbox.until(lambda: (found := mailbox.of(RecordsSent)[before:]) and len(found) > 1 and found, 30)
    assert later[1].at.mono - later[0].at.mono >= FIRST_CONTACT


def test_acks_one_does_without_idempotence(start, mailbox, cluster):
    start(ProbePartition(Acks.ONE, 1), acks=Acks.ONE)
    mailbox.until(lambda: len(mailbox.acked(1)) > 5)
    options = ProducerOptions(common=cluster.common, topic="t", acks=Acks.ONE, instance=1).client_properties()
    assert (options["acks"], options["enable.idempotence"]) == ("1", False)
    options = ProducerOptions(common=cluster.common, topic="t", acks=Acks.ALL, instance=1).client_properties()
    assert (options["acks"], options["enable.idempotence"]) == ("all", True)


def test_what_a_full_queue_refuses_is_rejected_and_the_rest_is_uncertain(start, mailbox, cluster):
    start(ZERO, queue_limit=5, delivery_timeout=1.0)
    mailbox.until(mailbox.acked)
    cluster.silence()
    rejected = mailbox.first(RecordsRejected)
    assert rejected.code == "_QUEUE_FULL"
    uncertain = mailbox.first(RecordsUncertain)
    assert uncertain.code == "_MSG_TIMED_OUT"
    assert {event.code for event in mailbox.of(AdapterError)} & {"_TRANSPORT", "_ALL_BROKERS_DOWN"}


def test_a_partition_that_does_not_exist_is_rejected_once_that_is_known(start, mailbox):
    start(ZERO, ProbePartition(Acks.ALL, 77))
    mailbox.until(lambda: mailbox.rejected(77))
    assert {event.code for event in mailbox.of(RecordsRejected)} == {"_UNKNOWN_PARTITION"}
    mailbox.until(lambda: mailbox.acked(0))


def test_refusals_that_pass_are_retried_and_acknowledged_once(start, mailbox, cluster):
    producer = start(ZERO)
    mailbox.until(mailbox.acked)
    cluster.fail(PRODUCE, *[NOT_ENOUGH_REPLICAS, NOT_LEADER_FOR_PARTITION] * 3)
    reached = mailbox.sent().end
    mailbox.until(lambda: mailbox.acked().end > reached + 3)
    assert producer.stop(10)
    assert not mailbox.uncertain()
    assert mailbox.of(ProducerRestarted) == []


def test_a_time_out_is_uncertain_and_sending_goes_on_afterwards(start, mailbox, cluster):
    start(ZERO, delivery_timeout=0.8)
    mailbox.until(mailbox.acked)
    cluster.silence()
    event = mailbox.first(RecordsUncertain)
    assert event.code == "_MSG_TIMED_OUT"
    cluster.revive()
    reached = mailbox.sent().end
    mailbox.until(lambda: mailbox.acked().end > reached)


def test_a_fatal_error_brings_a_new_incarnation_that_continues_the_sequences(start, mailbox, cluster, capfd):
    producer = start(ZERO, ONE)
    mailbox.until(lambda: len(mailbox.acked(0)) > 3 and len(mailbox.acked(1)) > 3)
    cluster.fail(PRODUCE, OUT_OF_ORDER_SEQUENCE)
    restarted = mailbox.first(ProducerRestarted)
    assert (restarted.acks, restarted.incarnation) == (Acks.ALL, 1)
    assert restarted.code == "OUT_OF_ORDER_SEQUENCE_NUMBER"
    assert "OUT_OF_ORDER_SEQUENCE_NUMBER" in {event.code for event in mailbox.of(AdapterError)}
    before = mailbox.events.index(restarted)
    settled = RangeSet.of((event.first, event.count) for event in mailbox.of(RecordsUncertain))
    assert settled, "what was in flight is uncertain, and said so before the new client"
    assert not any(isinstance(event, RecordsUncertain) for event in mailbox.events[before:])
    reached = mailbox.sent(0).end
    mailbox.until(lambda: mailbox.acked(0).end > reached and mailbox.acked(1).end > reached)
    assert mailbox.sent(0).intervals == 1
    assert producer.stop(10)
    assert "FATAL" not in capfd.readouterr().err


def test_a_new_run_leaves_what_is_in_flight_uncertain_in_the_old_one(start, mailbox, cluster):
    producer = start(ZERO)
    mailbox.until(mailbox.acked)
    cluster.silence()
    reached = mailbox.acked().end
    mailbox.until(lambda: mailbox.sent().end > reached + 3)
    producer.begin_run(RUN + 1)
    mailbox.until(lambda: any(event.run == RUN + 1 for event in mailbox.of(RecordsSent)))
    assert {event.run for event in mailbox.of(RecordsUncertain)} == {RUN}
    first = next(event for event in mailbox.of(RecordsSent) if event.run == RUN + 1)
    assert first.first == 0
    cluster.revive()
    mailbox.until(lambda: any(event.run == RUN + 1 for event in mailbox.of(RecordsAcked)))


def test_renewing_for_another_topic_goes_on_with_the_same_run(start, mailbox):
    producer = start(ZERO)
    mailbox.until(mailbox.acked)
    producer.renew()
    restarted = mailbox.first(ProducerRestarted)
    assert restarted.code == "TOPIC_REPLACED"
    reached = mailbox.sent().end
    mailbox.until(lambda: mailbox.acked().end > reached)
    assert mailbox.sent().intervals == 1


def test_with_other_certificates_the_client_before_serves_until_the_next_has_settled_in(start, mailbox, monkeypatch):
    monkeypatch.setattr(producer_module, "SETTLES_IN", 1.0)
    producer = start(ZERO)
    mailbox.until(mailbox.acked)
    signed_in = len(mailbox.events)
    producer.sign_in(Login(certificates=True))
    restarted = mailbox.first(ProducerRestarted)
    assert (restarted.code, restarted.incarnation) == ("CREDENTIALS_CHANGED", 1)
    meanwhile = mailbox.events[signed_in : mailbox.events.index(restarted)]
    assert sum(event.count for event in meanwhile if isinstance(event, RecordsSent)) > 10
    reached = mailbox.sent().end
    mailbox.until(lambda: mailbox.acked().end > reached)
    assert mailbox.sent().intervals == 1
    assert not mailbox.uncertain(), "nothing was in flight between the two"


def test_of_certificates_that_change_twice_the_last_are_used(start, mailbox, monkeypatch):
    monkeypatch.setattr(producer_module, "SETTLES_IN", 0.5)
    producer = start(ZERO)
    mailbox.until(mailbox.acked)
    for _ in range(2):
        producer.sign_in(Login(certificates=True))
    mailbox.first(ProducerRestarted)
    reached = mailbox.acked().end
    mailbox.until(lambda: mailbox.acked().end > reached + 100)
    assert len(mailbox.of(ProducerRestarted)) == 1


def test_a_client_made_for_another_reason_has_the_new_certificates_already(start, mailbox, monkeypatch):
    monkeypatch.setattr(producer_module, "SETTLES_IN", 0.5)
    producer = start(ZERO)
    mailbox.until(mailbox.acked)
    producer.sign_in(Login(certificates=True))
    producer.renew()
    reached = mailbox.acked().end
    mailbox.until(lambda: mailbox.acked().end > reached + 100)
    assert [event.code for event in mailbox.of(ProducerRestarted)] == ["TOPIC_REPLACED"]


def test_where_no_client_can_be_made_the_one_before_serves_and_it_is_tried_again(start, mailbox, monkeypatch):
    """A certificate is half written just then."""
    monkeypatch.setattr(producer_module, "SETTLES_IN", 0.5)
    producer = start(ZERO)
    mailbox.until(mailbox.acked)
    refusals = [KafkaException(KafkaError(KafkaError._INVALID_ARG, "the key does not fit"))]

    def made(options: ProducerOptions) -> ProducerClient:
        if refusals:
            raise refusals.pop()
        return ProducerClient(options)

    monkeypatch.setattr(producer_module, "ProducerClient", made)
    producer.sign_in(Login(certificates=True))
    refused = mailbox.first(AdapterError)
    assert refused.code == "_INVALID_ARG"
    restarted = mailbox.first(ProducerRestarted)
    meanwhile = mailbox.events[mailbox.events.index(refused) : mailbox.events.index(restarted)]
    assert any(isinstance(event, RecordsAcked) for event in meanwhile)
    reached = mailbox.sent().end
    mailbox.until(lambda: mailbox.acked().end > reached)


def test_stopping_while_nothing_answers_leaves_everything_uncertain(start, mailbox, cluster):
    cluster.silence()
    producer = start(ZERO)
    mailbox.until(lambda: len(mailbox.sent()) > 3)
    assert producer.stop(10)
    assert mailbox.uncertain().spans() == mailbox.sent().spans()


def test_a_dying_thread_is_reported(cluster):
    died = Queue[tuple[str, BaseException]]()

    def post(_events):
        raise RuntimeError("the mailbox is gone")

    producer = ProbeProducer(
        ProducerOptions(common=cluster.common, topic=cluster.topic, acks=Acks.ALL, instance=1),
        post=post,
        now=now,
        on_death=lambda name, error: died.put((name, error)),
    )
    producer.start()
    producer.begin_run(RUN)
    producer.probe([ZERO])
    name, error = died.get(timeout=20)
    assert (name, str(error)) == ("producer-all", "the mailbox is gone")
