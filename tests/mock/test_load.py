"""More records for a while: spread over the partitions; slots, latencies and the size of the state stay right."""

from __future__ import annotations

import json
import time

import pytest
from tests.mock.mailbox import now

from kafka_sentinel.core import checkpoint
from kafka_sentinel.core.cluster import ClusterView, PartitionView, TopicView
from kafka_sentinel.core.commands import AssignReader, Observe, Probe, SetLoad
from kafka_sentinel.core.engine import Engine
from kafka_sentinel.core.events import ClusterObserved, RecordsSent, Tick
from kafka_sentinel.core.slots import Operation, SlotResult
from kafka_sentinel.core.types import Acks, ProbePartition
from kafka_sentinel.engine_config import engine_config
from kafka_sentinel.settings import Settings
from kafka_sentinel.wiring import KafkaAdapters

INTERVAL = 0.05
USUAL, LOAD = 1, 4_000  # records per slot and partition; records per second in all
EACH = LOAD * INTERVAL / 2  # records per slot and partition under load


class Sentinel:
    """The engine, the producer and the reader of one level, and the loop between them."""

    def __init__(self, cluster, mailbox):
        settings = Settings.model_validate(
            {
                "kafka": {"bootstrap_servers": cluster.bootstrap_servers},
                "probe": {"topic": cluster.topic, "interval": INTERVAL, "records_per_interval": USUAL},
                "group_consumer": {"enabled": False},
                "slo": {"produce": 30, "consume": 30, "overdue": 30},
                "incidents": {"settle": 30},
            }
        )
        self.mailbox, self.taken, self.samples = mailbox, 0, []
        self.engine = Engine(engine_config(settings), run=7, started=now(), state=None)
        instance = self.engine.config.instance
        self.adapters = KafkaAdapters(
            settings, instance=instance, producer_extra={}, post=mailbox.post, now=now, on_death=mailbox.on_death
        )
        self.adapters.begin_run(7)
        self.parts = [*self.adapters._verifiers.values(), *self.adapters._producers.values()]
        for part in self.parts:
            part.start()
        partitions = tuple(PartitionView(number, 1, (1, 2, 3), (1, 2, 3)) for number in (0, 1))
        view = ClusterView(
            "mock",
            {1: "a", 2: "b", 3: "c"},
            {cluster.topic: TopicView(cluster.topic, "id", 1, partitions)},
            {Acks.ALL: cluster.topic},
        )
        self.step(ClusterObserved(now(), now(), view))

    def step(self, event):
        for command in self.engine.step(event):
            if isinstance(command, Probe | AssignReader | SetLoad):
                self.adapters.do(command)
            elif isinstance(command, Observe):
                self.samples += command.values

    def until(self, condition):
        def turn():
            while self.taken < len(self.mailbox.events):
                self.step(self.mailbox.events[self.taken])
                self.taken += 1
            self.step(Tick(now()))
            return condition()

        self.mailbox.until(turn, 120.0)

    @property
    def sent(self):
        return self.mailbox.of(RecordsSent)

    def state_size(self):
        return len(json.dumps(checkpoint.to_state(self.engine)))

    def slots(self, result, operation=Operation.PRODUCE):
        return self.engine.availability.totals.slots[operation, result]

    def end(self):
        for part in self.parts:
            assert part.stop(10)


@pytest.fixture
def sentinel(cluster, mailbox):
    made = Sentinel(cluster, mailbox)
    yield made
    made.end()


def test_a_load_is_spread_over_the_partitions_and_ends_and_nothing_else_changes(sentinel):
    began = time.monotonic()
    sentinel.until(lambda: sentinel.slots(SlotResult.GOOD, Operation.CONSUME) >= 40)
    size, before = sentinel.state_size(), len(sentinel.sent)
    sentinel.adapters.do(SetLoad(float(LOAD)))
    sentinel.until(lambda: sum(event.count for event in sentinel.sent[before:]) >= 20_000)
    under_load = sentinel.sent[before:]
    assert {event.partition.partition for event in under_load if event.count >= EACH - 1} == {0, 1}
    assert max(event.count for event in under_load) <= EACH + 1
    sentinel.adapters.do(SetLoad(None))
    sentinel.until(lambda: all(event.count == USUAL for event in sentinel.sent[-6:]))
    sentinel.until(lambda: sentinel.engine.lag() < 10)
    intervals = (time.monotonic() - began) / INTERVAL
    good = sentinel.slots(SlotResult.GOOD)
    assert good <= 2 * (intervals + 1)  # one for each partition and interval, however many records
    assert sentinel.slots(SlotResult.BAD) == sentinel.slots(SlotResult.BAD, Operation.CONSUME) == 0
    assert sentinel.state_size() < size + 500
    records = sentinel.engine.records(Acks.ALL)
    assert records["acked"] > 20_000
    assert {name: records[name] for name in ("lost", "duplicated", "rejected", "suspected")} == dict.fromkeys(
        ("lost", "duplicated", "rejected", "suspected"), 0
    )
    assert max(sentinel.samples) < 30


def test_a_load_below_what_is_usual_slows_nothing_down(sentinel):
    sentinel.adapters.do(SetLoad(0.5))
    sentinel.until(lambda: sentinel.slots(SlotResult.GOOD) >= 20)
    assert sentinel.adapters._rate == USUAL / INTERVAL


def test_a_load_without_partitions_waits_for_them(sentinel):
    sentinel.adapters.do(Probe(()))
    sentinel.adapters.do(SetLoad(float(LOAD)))
    assert sentinel.adapters._rate == USUAL / INTERVAL
    sentinel.adapters.do(Probe((ProbePartition(Acks.ALL, 0),)))
    assert sentinel.adapters._rate == LOAD
