from kafka_sentinel.core.cluster import (
    Change,
    ClusterView,
    PartitionView,
    TopicView,
    brokers_down,
    brokers_unprobed,
    diff,
    offline,
    probe_partitions,
    under_min_isr,
    under_replicated,
)
from kafka_sentinel.core.types import Acks, ProbePartition

ALL3 = (1, 2, 3)


def part(number, leader=1, isr=ALL3, replicas=ALL3):
    return PartitionView(number, leader, replicas, isr)


def view(*probe, brokers=ALL3, topic_id="id-1", others=(), missing=False):
    topics = {} if missing else {"probe": TopicView("probe", topic_id, 2, tuple(probe))}
    topics |= {topic.name: topic for topic in others}
    return ClusterView("c", {broker: f"h:{broker}" for broker in brokers}, topics, {Acks.ALL: "probe"})


def all_(number):
    return ProbePartition(Acks.ALL, number)


def test_a_healthy_cluster_has_nothing_to_tell():
    healthy = view(part(0, 1), part(1, 2), part(2, 3))
    assert under_replicated(healthy) == under_min_isr(healthy) == offline(healthy) == []
    assert brokers_unprobed(healthy) == brokers_down(frozenset(ALL3), healthy) == []
    nothing = diff(healthy, healthy)
    assert nothing.elections == 0
    assert not any(
        (
            nothing.joined,
            nothing.gone,
            nothing.leaders,
            nothing.isr,
            nothing.topics_recreated,
            nothing.topics_missing,
            nothing.partitions_added,
        )
    )


def test_partitions_of_every_topic_are_judged():
    other = TopicView("orders", None, 2, (part(0, -1, isr=()), part(1, 2, isr=(2,)), part(2, 2, isr=(2, 3))))
    unknown = TopicView("old", None, None, (part(0, 1, isr=(1,)),))
    seen = view(part(0), others=(other, unknown))
    assert under_replicated(seen) == [("orders", 0), ("orders", 1), ("orders", 2), ("old", 0)]
    assert under_min_isr(seen) == [("orders", 0), ("orders", 1)]
    assert offline(seen) == [("orders", 0)]


def test_a_leader_that_is_not_alive_is_no_leader():
    assert offline(view(part(0, 1), brokers=(2, 3))) == [("probe", 0)]


def test_brokers_that_went_and_came():
    before, after = view(part(0)), view(part(0), brokers=(1, 2, 4))
    change = diff(before, after)
    assert (change.joined, change.gone) == ((4,), (3,))
    assert brokers_down(frozenset({1, 2, 3}), after) == [3]
    assert brokers_unprobed(after) == [2, 4]


def test_leaders_and_isr_of_probe_partitions():
    before = view(part(0, 1), part(1, 2, isr=(1, 2)), part(2, 3))
    after = view(part(0, 2, isr=(2, 3)), part(1, -1), part(2, 3))
    change = diff(before, after)
    assert change.leaders == (Change(all_(0), 1, 2), Change(all_(1), 2, -1))
    assert change.elections == 1
    assert change.isr == (Change(all_(0), 3, 2), Change(all_(1), 2, 3))


def test_partitions_added():
    assert diff(view(part(0)), view(part(0), part(1))).partitions_added == (all_(1),)


def test_a_recreated_topic_is_no_change_of_leaders():
    change = diff(view(part(0, 1)), view(part(0, 2, isr=(2,)), topic_id="id-2"))
    assert change.topics_recreated == (Acks.ALL,)
    assert change.leaders == change.isr == ()


def test_an_unknown_topic_id_proves_nothing():
    assert diff(view(part(0)), view(part(0), topic_id=None)).topics_recreated == ()
    assert diff(view(part(0), topic_id=None), view(part(0))).topics_recreated == ()


def test_a_topic_that_went_missing():
    gone = view(missing=True)
    assert diff(view(part(0)), gone).topics_missing == (Acks.ALL,)
    assert diff(gone, gone).topics_missing == ()
    assert probe_partitions(gone) == {}
    assert brokers_unprobed(gone) == [1, 2, 3]


def test_broker_0_leads_like_any_other():
    seen = view(part(0, 0, isr=(0, 1), replicas=(0, 1)), brokers=(0, 1))
    assert offline(seen) == []
    assert diff(view(part(0, 1), brokers=(0, 1)), view(part(0, 0), brokers=(0, 1))).elections == 1


def test_what_is_told_of_several_is_in_order():
    before = view(part(0, 4), part(1, 4), brokers=(4, 40, 24, 11))
    after = view(part(8, 4), part(1, 7), part(0, 7), part(3, 4), brokers=(4, 16, 9, 8))
    change = diff(before, after)
    assert (change.joined, change.gone) == ((8, 9, 16), (11, 24, 40))
    assert [one.partition for one in change.leaders] == [all_(0), all_(1)]
    assert change.partitions_added == (all_(3), all_(8))
    assert brokers_unprobed(after) == [8, 9, 16]
    assert brokers_down(frozenset((40, 24, 11)), after) == [11, 24, 40]


def test_a_topic_that_appears_is_not_recreated():
    assert diff(view(missing=True), view(part(0))).topics_recreated == ()
    assert diff(view(part(0)), view(missing=True)).topics_recreated == ()
