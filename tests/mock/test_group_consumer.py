"""The group consumer: runs of offsets, its assignment, and commits."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from confluent_kafka import Producer
from tests.mock.mailbox import Mailbox, now
from tests.mock.mock_cluster import MockCluster

from kafka_sentinel.adapters.group_consumer import GroupConsumer, GroupOptions
from kafka_sentinel.core.events import GroupCommitted, GroupRead, GroupRebalanced
from kafka_sentinel.core.types import Acks, ProbePartition

ZERO, ONE = ProbePartition(Acks.ALL, 0), ProbePartition(Acks.ALL, 1)
Start = Callable[..., GroupConsumer]


@pytest.fixture
def start(cluster: MockCluster, mailbox: Mailbox) -> Iterator[Start]:
    made: list[GroupConsumer] = []

    def begin(**options: object) -> GroupConsumer:
        consumer = GroupConsumer(
            GroupOptions(cluster.common, {Acks.ALL: cluster.topic}, "group", commit_interval=0.1, **options),
            post=mailbox.post,
            now=now,
            on_death=mailbox.on_death,
        )
        made.append(consumer)
        consumer.start()
        return consumer

    yield begin
    for consumer in made:
        assert consumer.stop(20)
        assert consumer.stop(0)


@pytest.fixture
def write(cluster: MockCluster) -> Callable[..., None]:
    producer = Producer({**cluster.common, "log_level": 0})

    def produce(count: int, partition: int = 0) -> None:
        for _ in range(count):
            producer.produce(cluster.topic, b"value", b"", partition)
        assert producer.flush(10) == 0

    return produce


def handed_over(mailbox: Mailbox, partition: ProbePartition = ZERO) -> list[int]:
    events = [event for event in mailbox.of(GroupRead) if event.partition == partition]
    return [offset for event in events for offset in range(event.offset, event.offset + event.count)]


def test_it_joins_reads_from_the_beginning_and_commits(start, write, mailbox):
    write(5)
    write(3, partition=1)
    start()
    mailbox.until(lambda: handed_over(mailbox) == [0, 1, 2, 3, 4] and handed_over(mailbox, ONE) == [0, 1, 2])
    assert mailbox.of(GroupRebalanced)[-1].assigned == (ZERO, ONE)
    wanted = {(ZERO, 5), (ONE, 3)}
    mailbox.until(lambda: wanted <= {place for event in mailbox.of(GroupCommitted) for place in event.offsets})
    assert {event.error for event in mailbox.of(GroupCommitted)} == {None}
    assert all(0 <= event.seconds < 30 for event in mailbox.of(GroupCommitted))


def test_without_commits_none_is_made(start, write, mailbox):
    write(5)
    start(commit=False)
    mailbox.until(lambda: len(handed_over(mailbox)) == 5)
    write(1)
    mailbox.until(lambda: len(handed_over(mailbox)) == 6)
    assert mailbox.of(GroupCommitted) == []
