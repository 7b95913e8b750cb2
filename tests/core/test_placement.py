"""Placing the partitions of a probe topic."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kafka_sentinel.core.cluster import PartitionView, TopicView
from kafka_sentinel.core.placement import TopicProblem, min_isr, plan_growth, plan_topic, replication, weaknesses

BROKERS = st.dictionaries(st.integers(0, 50), st.sampled_from([None, "a", "b", "c"]), min_size=1, max_size=9)


def topic(*replicas: tuple[int, ...], isr: int | None = 2) -> TopicView:
    return TopicView("probe", None, isr, tuple(PartitionView(i, r[0], r, r) for i, r in enumerate(replicas)))


@given(BROKERS, st.integers(1, 3))
def test_every_broker_leads_two_partitions_and_replicas_are_distinct(brokers, factor):
    factor = min(factor, len(brokers))
    plan = plan_topic(brokers, factor)
    assert Counter(replicas[0] for replicas in plan) == dict.fromkeys(brokers, 2)
    assert all(len(replicas) == len(set(replicas)) == factor for replicas in plan)


@given(BROKERS, st.integers(1, 3))
def test_replicas_are_in_as_many_racks_as_can_be(brokers, factor):
    factor = min(factor, len(brokers))
    racks = len(set(brokers.values()))
    for replicas in plan_topic(brokers, factor):
        assert len({brokers[one] for one in replicas}) == min(factor, racks)


def test_three_brokers_get_six_partitions_with_the_followers_changing_places():
    assert plan_topic({1: None, 2: None, 3: None}, 3) == [
        [1, 2, 3],
        [2, 3, 1],
        [3, 1, 2],
        [1, 3, 2],
        [2, 1, 3],
        [3, 2, 1],
    ]


def test_fewer_partitions_than_brokers_are_refused():
    with pytest.raises(TopicProblem, match="2 partition"):
        plan_topic({1: None, 2: None, 3: None}, 3, 2)
    assert len(plan_topic({1: None, 2: None, 3: None}, 3, 4)) == 4


@given(BROKERS, BROKERS)
def test_growth_gives_each_broker_that_leads_nothing_one_partition(before, added):
    factor = min(3, len(before))
    existing = topic(*(tuple(replicas) for replicas in plan_topic(before, factor)))
    everyone = {**before, **added}
    grown = plan_growth(existing, everyone)
    assert sorted(replicas[0] for replicas in grown) == sorted(added.keys() - before.keys())
    assert all(len(replicas) == len(set(replicas)) == factor for replicas in grown)


def test_a_broker_whose_partition_is_led_by_another_for_now_gets_none():
    led_by_two = TopicView("probe", None, 2, (PartitionView(0, 2, (1, 2), (2,)), PartitionView(1, 2, (2, 1), (2,))))
    assert plan_growth(led_by_two, {1: None, 2: None}) == []


def test_replication_follows_the_brokers_unless_it_is_set():
    assert [replication(brokers, None) for brokers in (1, 2, 3, 9)] == [1, 2, 3, 3]
    assert replication(5, 4) == 4
    with pytest.raises(TopicProblem, match="replication factor 3 is wanted"):
        replication(2, 3)
    with pytest.raises(TopicProblem, match="no broker is up"):
        replication(0, None)


def test_min_isr_is_two_where_there_are_replicas_for_it():
    assert [min_isr(factor, None) for factor in (1, 2, 3)] == [1, 2, 2]
    assert min_isr(3, 1) == 1
    with pytest.raises(TopicProblem, match=r"min\.insync\.replicas 2 is above the replication factor 1"):
        min_isr(1, 2)


def test_a_topic_that_protects_less_than_it_should_is_told_of():
    assert weaknesses(topic((1, 2, 3), (2, 3, 1)), 3, 2) == []
    assert weaknesses(topic((1, 2, 3), (2,), isr=1), 3, 2) == [
        "topic probe: partition(s) [1] have fewer than the 3 replicas they should have",
        "topic probe: min.insync.replicas is 1 and should be 2",
    ]
    assert weaknesses(topic((1, 2, 3), isr=None), 3, 2) == []


def test_what_just_suffices_is_taken():
    assert (replication(3, 3), min_isr(2, 2)) == (3, 2)
    assert [replicas[0] for replicas in plan_topic({1: None, 2: None}, 2, 2)] == [1, 2]


def test_neighbours_are_in_different_racks_however_the_brokers_are_listed():
    racks = {9: "b", 8: "a", 4: "b", 1: None, 3: "a", 2: None}
    assert [replicas[0] for replicas in plan_topic(racks, 1, 6)] == [1, 3, 4, 2, 8, 9]


def test_growth_takes_the_factor_that_most_partitions_have_room_for():
    uneven = topic((1, 2), (2,))
    assert plan_growth(uneven, {1: None, 2: None, 3: None}) == [[3, 1]]
    bare = TopicView("probe", None, 2, (PartitionView(0, -1, (), ()),))
    assert plan_growth(bare, {1: None}) == [[1]]
    assert plan_growth(TopicView("probe", None, 2, ()), {1: None, 2: None}) == [[1], [2]]


def test_thin_partitions_are_told_in_order():
    parts = tuple(PartitionView(number, 1, (1,), (1,)) for number in (2, 0, 1))
    told = "topic probe: partition(s) [0, 1, 2] have fewer than the 2 replicas they should have"
    assert weaknesses(TopicView("probe", None, None, parts), 2, 2) == [told]
