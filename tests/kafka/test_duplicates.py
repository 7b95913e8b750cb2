"""Records that are really twice in the log, and records that are only handed out twice (docs/verification.md: e).

A producer without idempotence writes a record again whenever an acknowledgement is late, and a later record may get
in between. How many copies and inversions there are is counted in the log by another client.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import NamedTuple

import pytest
from confluent_kafka.admin import AdminClient, AlterConfigOpType, ConfigEntry, ConfigResource, ResourceType
from tests.kafka import truth
from tests.kafka.sentinel import Sentinel, assert_identities, configuration, wait_for

from kafka_sentinel.adapters.group_consumer import GroupConsumer
from kafka_sentinel.core.events import GroupRead
from kafka_sentinel.core.types import Acks, ProbePartition
from kafka_sentinel.lab.cluster import LabCluster
from kafka_sentinel.runtime import now

# Brokers answer late writes with a time-out after half a second, and the client sends them again at once.
HASTY = {"max.in.flight.requests.per.connection": 1, "request.timeout.ms": 500, "retry.backoff.ms": 50}
# Each record is a request of its own, and many are on their way at once: where some are refused and the next ones
# taken, the refused ones come later. What is refused is sent again all but at once, so that some always are.
PIPELINED = {
    "max.in.flight.requests.per.connection": 1_000,
    "batch.num.messages": 1,
    "request.timeout.ms": 500,
    "retry.backoff.ms": 2,
    "retry.backoff.max.ms": 4,
}
RATE = 100  # records per second; pipelined, so many more that some are always on their way
MANY = 500

Spoil = Callable[[LabCluster, Sentinel], None]


class Spoilt(NamedTuple):
    figures: dict[str, int]
    log: list[truth.LogRecord]


def run(lab: LabCluster, topic: str, spoil: Spoil, producer: dict[str, object], *, rate: int, times: int = 1) -> Spoilt:
    """Do `spoil` so many times, each time from a whole ISR. Returns Sentinel's figures and the log."""
    config = configuration(
        lab.bootstrap_servers,
        topic,
        probe={"manage_topic": False, "records_per_interval": rate // 10, "delivery_timeout": 120},
        cluster={"session_timeout": 3},
    )
    with Sentinel(config, producer_extra=producer) as sentinel:
        for _ in range(times):
            sentinel.wait_verified(sentinel.records().get("verified", 0) + 2 * rate, 90)
            wait_for(lambda: sentinel.isr() == [1, 2, 3], 60, "ISR whole")
            spoil(lab, sentinel)
            await_answers(sentinel, "acknowledgements are back")
        sentinel.quiesce(120)
        log = truth.read_log(lab.bootstrap_servers, topic).records
        figures = all_copies_found(sentinel, truth.extra_copies(log))
        charged = sum(incident["duplicated"] for incident in sentinel.incidents())
        assert charged == figures["duplicated"], "every copy belongs to an incident"
        assert set(sentinel.acked(0)) <= truth.present(log)
        assert_identities(figures)
    return Spoilt(figures, log)


def unanswered(sentinel: Sentinel) -> int:
    """Return how many records wait for their acknowledgement."""
    return sent_so_far(sentinel) - len(sentinel.acked(0))


def await_answers(sentinel: Sentinel, what: str) -> None:
    """Wait until whatever has been sent by now is acknowledged, however much is sent meanwhile."""
    sent = sent_so_far(sentinel)
    wait_for(lambda: len(sentinel.acked(0)) >= sent, 120, what)


def sent_so_far(sentinel: Sentinel) -> int:
    return sentinel.runtime.sent.get((Acks.ALL, 0), 0)


def pause_a_follower(lab: LabCluster, sentinel: Sentinel) -> None:
    """What is written is written, but not acknowledged before the brokers' time-out: four times over."""
    lab.pause(2)
    wait_for(lambda: unanswered(sentinel) > 2 * RATE, 60, "acknowledgements are late")
    lab.resume(2)


def refuse_writes_again_and_again(lab: LabCluster, sentinel: Sentinel, *, least: int) -> None:
    """With one follower gone, ask for three in-sync replicas and then for two, until `least` records are out of order.

    Whether writes are taken again in the middle of a row of them is chance, so it is done as often as it takes.
    """
    topic = sentinel.runtime.settings.probe.topic
    lab.kill(2)
    wait_for(lambda: sentinel.isr() == [1, 3], 60, "ISR shrinks")
    await_answers(sentinel, "writes are taken")
    before = out_of_order(sentinel)  # those are late copies of what stands in the log in order
    for _ in range(60):
        demand(lab, topic, 3)
        wait_for(lambda: unanswered(sentinel) > MANY, 60, "writes are refused")
        demand(lab, topic, 2)
        await_answers(sentinel, "writes are taken")
        if out_of_order(sentinel) - before >= least:
            break
    lab.start(2)
    lab.wait_ready([2])


def out_of_order(sentinel: Sentinel) -> int:
    """Return how many records were acknowledged at an offset above that of a later one."""
    lowest, found = float("inf"), 0
    for _, (offset, _) in sorted(sentinel.acked(0).items(), reverse=True):
        if offset is not None:
            found += offset > lowest
            lowest = min(lowest, offset)
    return found


def demand(lab: LabCluster, topic: str, in_sync: int) -> None:
    """Have writes to `topic` refused unless so many replicas are in sync."""
    entry = ConfigEntry("min.insync.replicas", str(in_sync), incremental_operation=AlterConfigOpType.SET)
    resource = ConfigResource(ResourceType.TOPIC, topic, incremental_configs=[entry])
    admin = AdminClient({"bootstrap.servers": lab.bootstrap_servers, "log_level": 0})
    admin.incremental_alter_configs([resource])[resource].result(30)


def all_copies_found(sentinel: Sentinel, copies: int) -> dict[str, int]:
    """Wait until Sentinel counts that many, and then until it has read everything once more. Returns its figures."""
    wait_for(lambda: sentinel.records()["duplicated"] >= copies, 60, lambda: f"{copies} copies: {sentinel.records()}")
    asked, awaited = sentinel.runtime.ask(lambda engine: (engine.now, engine.truth.reread_all(engine.now)))

    def reread(engine) -> bool:
        done = (engine.truth.reread.get(partition) for partition in awaited)
        return all(one is not None and one.mono >= asked.mono for one in done)

    wait_for(lambda: sentinel.runtime.ask(reread), 60, "the log is read again")
    sentinel.settle()
    return sentinel.records()


@pytest.mark.parametrize("times", [1, pytest.param(8, marks=pytest.mark.full)])
def test_e_duplicates_are_counted_to_the_copy(lab_separate, make_topic, times):
    topic = make_topic(lab_separate, config={"min.insync.replicas": "2"})
    producer = {**HASTY, "enable.idempotence": False}
    figures, log = run(lab_separate, topic, pause_a_follower, producer, rate=RATE, times=times)
    assert truth.extra_copies(log) >= 10 * times, "the recipe duplicated nothing worth looking for"
    assert figures["duplicated"] == truth.extra_copies(log)
    assert figures["reordered"] == truth.inversions(log)
    assert (figures["lost"], figures["corrupted"], figures["conflicting"], figures["redelivered"]) == (0, 0, 0, 0)


@pytest.mark.parametrize("least", [20, pytest.param(5_000, marks=pytest.mark.full)])
def test_e_reordered_is_counted_to_the_record(lab_separate, make_topic, least):
    topic = make_topic(lab_separate, config={"min.insync.replicas": "2"})
    producer = {**PIPELINED, "enable.idempotence": False}
    spoil = partial(refuse_writes_again_and_again, least=least)
    figures, log = run(lab_separate, topic, spoil, producer, rate=MANY)
    assert truth.inversions(log) > least / 2, "the recipe brought too little out of order"
    assert figures["reordered"] == truth.inversions(log)
    assert figures["duplicated"] == truth.extra_copies(log)
    assert (figures["lost"], figures["corrupted"], figures["conflicting"], figures["redelivered"]) == (0, 0, 0, 0)


@pytest.mark.parametrize("times", [1, pytest.param(8, marks=pytest.mark.full)])
def test_e_an_idempotent_producer_duplicates_and_reorders_nothing(lab_separate, make_topic, times):
    topic = make_topic(lab_separate, config={"min.insync.replicas": "2"})
    producer = {**HASTY, "enable.idempotence": True}
    figures, log = run(lab_separate, topic, pause_a_follower, producer, rate=RATE, times=times)
    assert (truth.extra_copies(log), truth.inversions(log)) == (0, 0)
    assert (figures["duplicated"], figures["reordered"], figures["lost"]) == (0, 0, 0)


def handed_over(sentinel: Sentinel) -> tuple[set[tuple[ProbePartition, int]], int]:
    """Return what the group consumer was handed, and how much of it again, as it reported it itself."""
    known: set[tuple[ProbePartition, int]] = set()
    again = 0
    for event in sentinel.heard(GroupRead):
        for offset in range(event.offset, event.offset + event.count):
            again += (event.partition, offset) in known
            known.add((event.partition, offset))
    return known, again


@pytest.mark.parametrize("protocol", ["classic", pytest.param("consumer", marks=pytest.mark.full)])
def test_e_redelivered_stays_apart_from_duplicated(lab_separate, make_topic, protocol):
    """A group consumer that never commits is handed everything again after its restart; the log holds each once."""
    lab = lab_separate
    topic = make_topic(lab, [[1, 2, 3], [2, 3, 1]], config={"min.insync.replicas": "2"})
    config = configuration(
        lab.bootstrap_servers,
        topic,
        probe={"manage_topic": False, "delivery_timeout": 120},
        group_consumer={"protocol": protocol, "group_id": f"{topic}-group"},
    )
    sentinel = Sentinel(config)
    groups = sentinel.runtime._adapters._groups
    options = replace(groups[0]._options, commit=False)

    def member() -> GroupConsumer:
        return GroupConsumer(options, post=sentinel.runtime.post, now=now, on_death=sentinel.runtime._on_death)

    groups[:] = [member()]
    with sentinel:
        wait_for(lambda: len(handed_over(sentinel)[0]) >= 100, 90, "the first member is handed records")
        assert handed_over(sentinel)[1] == sentinel.records()["redelivered"] == 0
        assert groups[0].stop(30)
        first_life = handed_over(sentinel)[0]
        groups[:] = [member()]
        groups[0].start()
        wait_for(lambda: handed_over(sentinel)[1] >= len(first_life), 90, "the second member is handed them again")
        figures = sentinel.quiesce()
        wait_for(
            lambda: sentinel.records()["redelivered"] == handed_over(sentinel)[1],
            20,
            lambda: f"{handed_over(sentinel)[1]} redelivered: {sentinel.records()}",
        )
        assert handed_over(sentinel)[1] == len(first_life), "each once more, and no more"
        figures = all_copies_found(sentinel, 0)
        logs = [truth.read_log(lab.bootstrap_servers, topic, number).records for number in (0, 1)]
        assert [truth.extra_copies(log) for log in logs] == [0, 0]
        assert (figures["duplicated"], figures["reordered"], figures["conflicting"], figures["lost"]) == (0, 0, 0, 0)
        assert figures["redelivered"] == len(first_life)
        assert_identities(figures)
