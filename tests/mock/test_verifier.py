"""The verifier: it reports what stands in the log, never jumps, and stops where it cannot go on."""

from __future__ import annotations

import threading
import zlib
from collections.abc import Callable, Iterator

import pytest
from confluent_kafka import Producer, TopicPartition
from tests.mock.mailbox import Mailbox, now
from tests.mock.mock_cluster import FETCH, NOT_LEADER_FOR_PARTITION, UNKNOWN_TOPIC_OR_PARTITION, MockCluster

from kafka_sentinel.adapters import pulse
from kafka_sentinel.adapters.reader import BEGINNING
from kafka_sentinel.adapters.verifier import RENEWED_AFTER, Verifier, VerifierOptions
from kafka_sentinel.core.events import AdapterError, ReaderLost, RecordsRead
from kafka_sentinel.core.record import Encoder
from kafka_sentinel.core.types import Acks, ProbePartition, SightingKind

INSTANCE, RUN = 5, 77
ZERO, ONE = ProbePartition(Acks.ALL, 0), ProbePartition(Acks.ALL, 1)
Start = Callable[..., Verifier]
Write = Callable[..., None]


def records(*sequences: int, run: int = RUN, partition: int = 0, instance: int = INSTANCE) -> list[bytes]:
    it = Encoder(instance=instance, run=run, incarnation=0, partition=partition, size=200)
    return [it.encode(one, int(now().wall * 1e9), int(now().mono * 1e9)) for one in sequences]


@pytest.fixture
def write(cluster: MockCluster) -> Write:
    producer = Producer({**cluster.common, "log_level": 0})

    def produce(*values: bytes | None, partition: int = 0) -> None:
        for value in values:
            producer.produce(cluster.topic, value, b"key", partition)
        assert producer.flush(10) == 0

    return produce


@pytest.fixture
def start(cluster: MockCluster, mailbox: Mailbox) -> Iterator[Start]:
    made: list[Verifier] = []

    def begin(**options: object) -> Verifier:
        verifier = Verifier(
            VerifierOptions(common=cluster.common, topic=cluster.topic, acks=Acks.ALL, instance=INSTANCE, **options),
            post=mailbox.post,
            now=now,
            on_death=mailbox.on_death,
        )
        made.append(verifier)
        verifier.start()
        verifier.begin_run(RUN)
        return verifier

    yield begin
    for verifier in made:
        assert verifier.stop(10)
        assert verifier.stop(0)
    for partition in (ZERO, ONE):
        contiguous(mailbox, partition)


def contiguous(mailbox: Mailbox, partition: ProbePartition) -> None:
    """Sightings lie within what was read, in order."""
    for event in mailbox.of(RecordsRead):
        if event.partition == partition:
            edge = event.start
            for one in event.sightings:
                assert one.offset >= edge
                edge = one.offset + one.count
            assert edge <= event.position


def kinds(mailbox: Mailbox, partition: ProbePartition = ZERO) -> list[tuple[SightingKind, int]]:
    events = [event for event in mailbox.of(RecordsRead) if event.partition == partition]
    sightings = [one for event in events for one in event.sightings]
    return [(one.kind, one.offset + index) for one in sightings for index in range(one.count)]


def position(mailbox: Mailbox, partition: ProbePartition = ZERO) -> int:
    return max((event.position for event in mailbox.of(RecordsRead) if event.partition == partition), default=-1)


def test_nothing_is_read_before_it_is_assigned(start, write, mailbox):
    write(*records(0, 1))
    write(*records(0, partition=1), partition=1)
    verifier = start()
    verifier.probe([ZERO, ONE])
    verifier.assign(ONE, 0)
    mailbox.until(lambda: position(mailbox, ONE) == 1)
    assert position(mailbox, ZERO) == -1


def test_records_are_sighted_from_the_offset_assigned(start, write, mailbox):
    write(*records(*range(20)))
    start().assign(ZERO, 5)
    mailbox.until(lambda: position(mailbox) == 20)
    event = mailbox.of(RecordsRead)[0]
    assert event.start == 5
    assert event.sightings[0].offset == event.sightings[0].first == 5
    sightings = [one for event in mailbox.of(RecordsRead) for one in event.sightings]
    assert {(one.run, one.instance) for one in sightings} == {(RUN, INSTANCE)}
    assert mailbox.read().spans() == [(5, 15)]


def test_the_beginning_is_where_the_log_starts(start, write, mailbox, cluster):
    write(*records(*range(10)))
    cluster.delete_records(0, 4)
    start().assign(ZERO, BEGINNING)
    mailbox.until(lambda: position(mailbox) == 10)
    assert mailbox.of(RecordsRead)[0].start == 4
    assert mailbox.read().spans() == [(4, 6)]


def test_an_empty_log_has_its_position_said(start, mailbox):
    start().assign(ZERO, BEGINNING)
    event = mailbox.first(RecordsRead)
    assert (event.start, event.position, event.sightings) == (0, 0, ())


def test_damage_and_strangers_are_told_apart_and_nothing_crashes(start, write, mailbox):
    sound = records(*range(6))
    flipped = bytearray(records(0)[0])
    flipped[40] ^= 4
    other = records(0, instance=6)[0]
    elsewhere = records(0, partition=1)[0]
    contradictory = bytearray(records(9)[0])
    contradictory[56:64] = (50).to_bytes(8)  # claims_from above acked_through
    contradictory[-4:] = zlib.crc32(contradictory[:-4]).to_bytes(4)
    write(
        sound[0], bytes(flipped), records(1)[0][:-1], b"KSEN", b"", None, b"hello", other, elsewhere,
        bytes(contradictory), sound[5],
    )  # fmt: skip
    start().assign(ZERO, 0)
    mailbox.until(lambda: position(mailbox) == 11)
    record, corrupted, foreign = SightingKind.RECORD, SightingKind.CORRUPTED, SightingKind.FOREIGN
    assert [kind for kind, _ in kinds(mailbox)] == [
        record, corrupted, corrupted, corrupted, foreign, foreign, foreign, record, foreign, corrupted, record,
    ]  # fmt: skip
    instances = [one.instance for event in mailbox.of(RecordsRead) for one in event.sightings if one.kind is record]
    assert instances == [INSTANCE, 6, INSTANCE]


def test_only_records_of_our_own_run_give_latencies(start, write, mailbox):
    write(*records(0, run=RUN - 1), *records(0, instance=6))
    start().assign(ZERO, 0)
    mailbox.until(lambda: position(mailbox) == 2)
    assert [latency for event in mailbox.of(RecordsRead) for latency in event.latencies] == []
    write(*records(0))
    mailbox.until(lambda: position(mailbox) == 3)
    latencies = [latency for event in mailbox.of(RecordsRead) for latency in event.latencies]
    assert len(latencies) == 1
    assert 0 <= latencies[0] < 30


def test_a_log_that_starts_above_the_position_stops_the_reader_until_it_is_assigned_again(
    start, write, mailbox, cluster
):
    write(*records(*range(10)))
    verifier = start()
    cluster.delete_records(0, 6)
    verifier.assign(ZERO, 2)
    lost = mailbox.first(ReaderLost)
    assert (lost.partition, lost.position, lost.log_start, lost.log_end) == (ZERO, 2, 6, 10)
    assert lost.reason
    write(*records(0, partition=1), partition=1)
    verifier.assign(ONE, 0)
    mailbox.until(lambda: position(mailbox, ONE) == 1)
    assert position(mailbox) == -1, "it does not go on by itself"
    verifier.assign(ZERO, 6)
    mailbox.until(lambda: position(mailbox) == 10)
    assert len(mailbox.of(ReaderLost)) == 1
    assert mailbox.read().spans() == [(6, 4)]


def test_a_log_that_ends_below_the_position_stops_the_reader(start, write, mailbox):
    write(*records(*range(3)))
    start().assign(ZERO, 50)
    lost = mailbox.first(ReaderLost)
    assert (lost.position, lost.log_start, lost.log_end) == (50, 0, 3)


def test_waiting_at_the_end_is_not_being_lost(start, write, mailbox):
    write(*records(0, 1))
    verifier = start()
    verifier.assign(ZERO, 2)
    verifier.assign(ONE, 0)
    write(*records(0, partition=1), partition=1)
    mailbox.until(lambda: position(mailbox, ONE) == 1)
    write(*records(2))
    mailbox.until(lambda: position(mailbox) == 3)
    assert mailbox.of(ReaderLost) == []
    assert mailbox.read().spans() == [(2, 1)]


def test_a_partition_that_is_no_longer_probed_is_no_longer_read(start, write, mailbox):
    verifier = start()
    verifier.assign(ZERO, 0)
    verifier.assign(ONE, 0)
    write(*records(0))
    mailbox.until(lambda: position(mailbox) == 1)
    verifier.probe([ONE])
    write(*records(0, 1, partition=1), partition=1)
    mailbox.until(lambda: position(mailbox, ONE) == 2)
    write(*records(1, 2))
    write(*records(2, partition=1), partition=1)
    mailbox.until(lambda: position(mailbox, ONE) == 3)
    assert position(mailbox) == 1
    verifier.assign(ZERO, 1)
    mailbox.until(lambda: position(mailbox) == 3)


def test_assigning_again_reads_again(start, write, mailbox):
    write(*records(*range(5)))
    verifier = start()
    verifier.assign(ZERO, 0)
    mailbox.until(lambda: position(mailbox) == 5)
    verifier.assign(ZERO, 3)
    mailbox.until(lambda: len(kinds(mailbox)) >= 7)
    assert [offset for _, offset in kinds(mailbox)] == [0, 1, 2, 3, 4, 3, 4]


def test_a_new_leader_and_passing_errors_change_nothing(start, write, mailbox, cluster):
    write(*records(*range(5)))
    start().assign(ZERO, 0)
    mailbox.until(lambda: position(mailbox) == 5)
    cluster.fail(FETCH, *[NOT_LEADER_FOR_PARTITION, UNKNOWN_TOPIC_OR_PARTITION] * 2)
    cluster.lead(0, 3)
    write(*records(*range(5, 9)))
    mailbox.until(lambda: position(mailbox) == 9)
    assert [offset for _, offset in kinds(mailbox)] == list(range(9))
    assert mailbox.of(ReaderLost) == []


def test_a_cluster_that_is_silent_for_a_while_is_read_on_where_it_was(start, write, mailbox, cluster):
    write(*records(*range(5)))
    start().assign(ZERO, 0)
    mailbox.until(lambda: position(mailbox) == 5)
    cluster.silence()
    mailbox.until(lambda: any(type(event).__name__ == "AdapterError" for event in mailbox.events))
    cluster.revive()
    write(*records(5))
    mailbox.until(lambda: position(mailbox) == 6)
    assert [offset for _, offset in kinds(mailbox)] == list(range(6))
    assert mailbox.of(ReaderLost) == []


def test_renewing_forgets_the_positions(start, write, mailbox):
    write(*records(*range(5)))
    verifier = start()
    verifier.assign(ZERO, 0)
    mailbox.until(lambda: position(mailbox) == 5)
    verifier.renew()
    verifier.assign(ONE, 0)
    write(*records(0, partition=1), partition=1)
    mailbox.until(lambda: position(mailbox, ONE) == 1)
    write(*records(5))
    write(*records(1, partition=1), partition=1)
    mailbox.until(lambda: position(mailbox, ONE) == 2)
    assert position(mailbox) == 5
    verifier.assign(ZERO, BEGINNING)
    mailbox.until(lambda: position(mailbox) == 6)


def test_a_partition_that_the_client_forgot_is_assigned_again_where_it_stood(start, write, mailbox, cluster):
    verifier = start(silence=0.5)
    verifier.assign(ZERO, 0)
    write(*records(0, 1, 2))
    mailbox.until(lambda: mailbox.read().end == 3)
    stuck = threading.Event()

    def forget():
        verifier._consumer.pause([TopicPartition(cluster.topic, 0)])  # as stuck as it can be made
        stuck.set()

    verifier._commands.put(forget)
    assert stuck.wait(30)
    write(*records(3, 4, 5))
    mailbox.until(lambda: mailbox.read().end == 6)
    read = [(event.start, event.position) for event in mailbox.of(RecordsRead)]
    assert [start for start, _ in read[1:]] == [position for _, position in read[:-1]]


def test_a_client_that_stays_silent_is_replaced(start, write, mailbox, cluster):
    verifier = start(silence=0.3)
    verifier.assign(ZERO, 0)
    write(*records(0))
    mailbox.until(lambda: mailbox.read().end == 1)
    before = verifier._consumer
    cluster.silence()
    mailbox.until(lambda: "READER_SILENT" in {event.code for event in mailbox.of(AdapterError)})
    cluster.revive()
    write(*records(1))
    mailbox.until(lambda: mailbox.read().end == 2)
    assert verifier._consumer is not before


def test_a_client_whose_own_thread_reports_no_more_is_left_behind(start, write, mailbox, monkeypatch):
    monkeypatch.setattr(pulse, "HANGS_AFTER", 2.5)
    verifier = start()
    verifier.assign(ZERO, 0)
    write(*records(0))
    mailbox.until(lambda: mailbox.read().end == 1)
    before = verifier._consumer
    verifier._commands.put(lambda: setattr(verifier, "_pulse", pulse.Pulse(now)))  # one that hears nothing of it
    mailbox.until(lambda: "CLIENT_HANGS" in {event.code for event in mailbox.of(AdapterError)})
    write(*records(1))
    mailbox.until(lambda: mailbox.read().end == 2)
    assert verifier._consumer is not before
    write(*records(2))
    mailbox.until(lambda: mailbox.read().end == 3)
    assert len([event for event in mailbox.of(AdapterError) if event.code == "CLIENT_HANGS"]) == 1


def test_a_log_to_which_nothing_is_written_keeps_its_client(start, mailbox):
    verifier = start(silence=1.5)
    verifier.assign(ZERO, BEGINNING)
    mailbox.first(RecordsRead)
    client = verifier._consumer
    again = []
    verifier._go_on = lambda *given, go_on=verifier._go_on: (again.append(given), go_on(*given))
    mailbox.until(lambda: len(again) > RENEWED_AFTER)
    assert verifier._consumer is client
    assert not mailbox.of(AdapterError)


def test_large_backlogs_come_in_few_events(start, write, mailbox):
    write(*records(*range(20_000)))
    start().assign(ZERO, 0)
    mailbox.until(lambda: position(mailbox) == 20_000)
    assert mailbox.read().spans() == [(0, 20_000)]
    assert sum(len(event.sightings) for event in mailbox.of(RecordsRead)) < 1_000
    assert all(len(event.latencies) <= 20 for event in mailbox.of(RecordsRead))
