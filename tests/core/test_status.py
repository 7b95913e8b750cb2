"""The snapshot that everybody reads: what stands in it before anything is known, and what the one word for now is."""

from __future__ import annotations

import pytest
from tests.core.engine_world import BROKERS, INTERVAL, RUN, TOPIC, ZERO, Sentinel, view
from tests.core.kubernetes_world import KubernetesWorld

from kafka_sentinel.core.cluster import ClusterView, PartitionView, QuorumView, TopicView
from kafka_sentinel.core.events import QuorumObserved, QuorumUnreachable
from kafka_sentinel.core.status import LOSS_SHOWN, RECORD_FIGURES
from kafka_sentinel.core.types import Acks, ProbePartition


def kafka(sentinel):
    return sentinel.status["kafka"]


def partitions(sentinel):
    return sentinel.status["partitions"]


def test_before_anything_is_known_nothing_is_claimed():
    status = Sentinel(partitions=0).status
    assert status["kafka"] == {
        "cluster_id": None,
        "reachable": False,
        "observed_at": None,
        "controller": None,
        "brokers": [],
        "under_replicated": 0,
        "under_min_isr": 0,
        "offline": 0,
        "trouble": None,
        "certificates": {},
    }
    assert status["partitions"] == []
    assert status["records"] == {"all": dict.fromkeys(RECORD_FIGURES, 0)}
    assert (status["health"], status["run"], status["kubernetes"]) == ("starting", f"{RUN:016x}", None)


def test_what_is_seen_of_kubernetes_stands_in_it():
    assert KubernetesWorld().status["kubernetes"] is not None


def placed(number, leader, *isr):
    return PartitionView(number, leader, BROKERS, isr)


def test_what_kafka_answered_last():
    sentinel = Sentinel()
    parts = (placed(0, 1, 1, 2, 3), placed(1, 2, 2, 1), placed(2, 2, 2), placed(3, -1))
    topics = {TOPIC: TopicView(TOPIC, "topic id", 2, parts)}
    sentinel.wait(1)
    sentinel.sees(ClusterView("cluster", {2: "kafka-2:9092", 1: "kafka-1:9092"}, topics, {Acks.ALL: TOPIC}))
    asked = sentinel.wall
    sentinel.step(QuorumObserved(sentinel.now(), sentinel.now(), QuorumView(2, 1, BROKERS, BROKERS)))
    sentinel.wait(1)
    known = kafka(sentinel)
    assert (known["cluster_id"], known["reachable"], known["observed_at"]) == ("cluster", True, asked)
    assert (known["under_replicated"], known["under_min_isr"], known["offline"]) == (3, 2, 1)
    assert known["controller"] == 2
    assert known["brokers"] == [
        {"id": number, "address": f"kafka-{number}:9092", "up": number != 3} for number in BROKERS
    ]
    sentinel.step(QuorumUnreachable(sentinel.now(), sentinel.now(), "timed out"))
    assert kafka(sentinel)["controller"] is None


def test_brokers_are_told_in_order_and_none_is_up_while_none_answers():
    sentinel = Sentinel(partitions=0)
    sentinel.sees(ClusterView("cluster", {8: "kafka-8:9092", 1: "kafka-1:9092"}, {}, {}))
    assert [(each["id"], each["up"]) for each in kafka(sentinel)["brokers"]] == [(1, True), (8, True)]
    sentinel.sees_nothing()
    assert [(each["id"], each["up"]) for each in kafka(sentinel)["brokers"]] == [(1, False), (8, False)]


def test_partitions_are_told_in_order_with_their_replicas_of_both_topics():
    weaker = f"{TOPIC}-acks-one"
    sentinel = Sentinel(partitions=0, probe={"interval": INTERVAL, "acks_one": {"enabled": True}})
    topics = {
        TOPIC: TopicView(TOPIC, "id", 2, (placed(1, 2, 2, 1), placed(0, 1, 1, 2, 3))),
        weaker: TopicView(weaker, "id 1", 1, (placed(0, 3, 3),)),
    }
    sentinel.sees(ClusterView("cluster", {}, topics, {Acks.ALL: TOPIC, Acks.ONE: weaker}))
    there = [(each["acks"], each["partition"], each["leader"], each["isr"]) for each in partitions(sentinel)]
    assert there == [("1", 0, 3, [3]), ("all", 0, 1, [1, 2, 3]), ("all", 1, 2, [2, 1])]
    assert all(each["replicas"] == [1, 2, 3] for each in partitions(sentinel))


def test_of_a_partition_that_metadata_do_not_name_no_replicas_are_known():
    sentinel = Sentinel()
    sentinel.sees(view(topic=False))
    [only] = partitions(sentinel)
    assert (only["leader"], only["replicas"], only["isr"]) == (-1, [], [])


def test_a_partition_that_takes_no_writes_may_still_be_read_and_the_other_way_round():
    sentinel = Sentinel()
    sentinel.live(5)
    assert [(each["writable"], each["readable"]) for each in partitions(sentinel)] == [(True, True)]
    offset, first = sentinel.end[ZERO], sentinel.following[ZERO]
    for _ in range(20):
        sentinel.acked(sentinel.sent())
        sentinel.wait(INTERVAL)
    assert [(each["writable"], each["readable"]) for each in partitions(sentinel)] == [(True, False)]
    sentinel.read(first, offset, 20)
    sentinel.live(5)
    sentinel.uncertain(sentinel.sent())
    sentinel.wait(2)
    assert [(each["writable"], each["readable"]) for each in partitions(sentinel)] == [(False, True)]


def test_the_lag_in_seconds_is_exact():
    sentinel = Sentinel()
    sentinel.acked(sentinel.sent())
    [only] = partitions(sentinel)
    assert only["lag_seconds"] == 0.0
    sentinel.wait(INTERVAL)
    [only] = partitions(sentinel)
    assert (only["lag_records"], only["lag_seconds"]) == (1, INTERVAL)


# --- the one word


def found(sentinel, ago, acks=Acks.ALL):
    return {"acks": acks.value, "proved_at": sentinel.wall - ago, "incident": "i"}


def alive(partitions=1):
    """One that has read a record, of its first partition."""
    sentinel = Sentinel(partitions=partitions)
    sentinel.acked(sentinel.sent())
    sentinel.read(0, 0)
    return sentinel


@pytest.mark.parametrize(
    ("losses", "word"),
    [
        ([], "ok"),
        ([(0, Acks.ALL)], "loss"),
        ([(LOSS_SHOWN - 1, Acks.ALL)], "loss"),
        ([(LOSS_SHOWN, Acks.ALL)], "ok"),
        ([(0, Acks.ONE)], "ok"),
        ([(0, Acks.ALL), (2 * LOSS_SHOWN, Acks.ALL)], "loss"),
    ],
)
def test_a_loss_of_acks_all_is_the_word_for_a_day(losses, word):
    sentinel = alive()
    sentinel.engine.casebook.losses = [found(sentinel, *each) for each in losses]
    assert sentinel.status["health"] == word


def test_it_has_started_once_a_record_of_any_partition_was_read():
    assert Sentinel().status["health"] == "starting"
    assert alive(partitions=2).status["health"] == "ok"


def test_blind_goes_before_loss_before_incident():
    sentinel = alive()
    sentinel.engine.incidents.log_regressed(ProbePartition(Acks.ALL, 0), sentinel.now(), sentinel.now())
    words = [sentinel.status["health"]]
    sentinel.engine.casebook.losses = [found(sentinel, 0)]
    words.append(sentinel.status["health"])
    sentinel.engine.blind = True
    assert [*words, sentinel.status["health"]] == ["incident", "loss", "blind"]
