"""Records that are really twice in the log, and records that are only handed out twice (docs/verification.md: e).

A producer without idempotence writes a record again whenever an acknowledgement is late, and a later record may get
in between. How many copies and inversions there are is counted in the log by another client.
"""

from __future__ import annotations

from dataclasses import replace

import pytest
from tests.kafka import truth
from tests.kafka.sentinel import Sentinel, assert_identities, configuration, wait_for

from kafka_sentinel.adapters.group_consumer import GroupConsumer
from kafka_sentinel.core.events import GroupRead
from kafka_sentinel.core.types import Acks, ProbePartition
from kafka_sentinel.runtime import now

# Brokers answer late writes with a time-out after half a second, and the client sends them again at once.
HASTY = {"max.in.flight.requests.per.connection": 1, "request.timeout.ms": 500, "retry.backoff.ms": 50}


def pause_a_follower(
    lab, topic: str, *, idempotence: bool, pauses: int
) -> tuple[dict[str, int], list[truth.LogRecord]]:
    """Have acknowledgements be late, `pauses` times. Returns Sentinel's figures and the log."""
    config = configuration(
        lab.bootstrap_servers,
        topic,
        probe={"manage_topic": False, "records_per_interval": 10, "delivery_timeout": 120},
        cluster={"session_timeout": 3},
    )
    with Sentinel(config, producer_extra={**HASTY, "enable.idempotence": idempotence}) as sentinel:
        for _ in range(pauses):
            sentinel.wait_verified(sentinel.records().get("verified", 0) + 200, 90)
            wait_for(lambda: sentinel.isr() == [1, 2, 3], 60, "ISR whole")
            hold_up_a_follower(lab, sentinel)
        figures = sentinel.quiesce(120)
        log = truth.read_log(lab.bootstrap_servers, topic).records
        figures = all_copies_found(sentinel, truth.extra_copies(log))
        charged = sum(incident["duplicated"] for incident in sentinel.incidents())
        assert charged == figures["duplicated"], "every copy belongs to an incident"
        assert set(sentinel.acked(0)) <= truth.present(log)
        assert_identities(figures)
    return figures, log


def hold_up_a_follower(lab, sentinel: Sentinel) -> None:
    """Pause a follower until what is sent has not been acknowledged for longer than the brokers' time-out, thrice."""

    def oldest_wait() -> float:
        behind = sentinel.runtime.sent.get((Acks.ALL, 0), 0) - len(sentinel.acked(0))
        return behind / 100  # seconds: 100 records are sent in each

    lab.pause(2)
    wait_for(lambda: oldest_wait() > 2, 30, "acknowledgements are late")
    lab.resume(2)
    wait_for(lambda: oldest_wait() < 0.5, 60, "acknowledgements are back")


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


@pytest.mark.parametrize("pauses", [1, pytest.param(8, marks=pytest.mark.full)])
def test_e_duplicates_are_counted_to_the_copy(lab_separate, make_topic, pauses):
    topic = make_topic(lab_separate, config={"min.insync.replicas": "2"})
    figures, log = pause_a_follower(lab_separate, topic, idempotence=False, pauses=pauses)
    assert truth.extra_copies(log) >= 10 * pauses, "the recipe duplicated nothing worth looking for"
    assert figures["duplicated"] == truth.extra_copies(log)
    assert figures["reordered"] == truth.inversions(log)
    assert (figures["lost"], figures["corrupted"], figures["conflicting"], figures["redelivered"]) == (0, 0, 0, 0)


@pytest.mark.parametrize("pauses", [1, pytest.param(8, marks=pytest.mark.full)])
def test_e_nothing_is_duplicated_where_the_producer_is_idempotent(lab_separate, make_topic, pauses):
    topic = make_topic(lab_separate, config={"min.insync.replicas": "2"})
    figures, log = pause_a_follower(lab_separate, topic, idempotence=True, pauses=pauses)
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


@pytest.mark.parametrize("protocol", ["classic", "consumer"])
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
