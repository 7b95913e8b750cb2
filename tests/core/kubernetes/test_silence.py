"""Since when a broker does not answer: from the first bad slot, but only if metadata names it no more."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tests.core.kubernetes.raw import at

from kafka_sentinel.core.cluster import ClusterView, PartitionView, TopicView
from kafka_sentinel.core.kubernetes.silence import Silence
from kafka_sentinel.core.slots import Edge, Operation
from kafka_sentinel.core.types import Acks, ProbePartition

ZERO = ProbePartition(Acks.ALL, 0)


def view(leader=1, brokers=(1, 2, 3)):
    topic = TopicView("probe", "id", 2, (PartitionView(0, leader, (1, 2, 3), (1, 2, 3)),))
    return ClusterView("c", dict.fromkeys(brokers, "h:1"), {"probe": topic}, {Acks.ALL: "probe"})


def down(seconds, operation=Operation.PRODUCE):
    return [Edge(operation, ZERO, available=False, at=at(seconds))]


def up(seconds):
    return [Edge(Operation.PRODUCE, ZERO, available=True, at=at(seconds))]


def seen(*answers):
    silence = Silence()
    for seconds, leader, brokers in answers:
        silence.answered(at(seconds), view(leader, brokers))
    return silence


def test_bad_slots_of_a_broker_that_answers_are_no_silence():
    silence = seen((0, 1, (1, 2, 3)))
    silence.slots(down(5))
    silence.answered(at(10), view())
    assert silence.since == {}


def test_a_broker_that_is_gone_is_silent_since_the_first_bad_slot_of_what_it_led():
    silence = seen((0, 1, (1, 2, 3)))
    silence.slots(down(5))
    silence.answered(at(14), view(2, (2, 3)))
    assert silence.since == {1: at(5)}


def test_a_slot_that_is_judged_later_still_dates_it():
    silence = seen((0, 1, (1, 2, 3)), (14, 2, (2, 3)))
    assert silence.since == {1: at(14)}
    silence.slots(down(13))
    assert silence.since == {1: at(13)}


@pytest.mark.parametrize(("bad", "since"), [(13, 13), (15, 14)])
def test_a_broker_is_silent_since_the_first_sign(bad, since):
    silence = seen((0, 1, (1, 2, 3)), (14, 1, (2, 3)))
    silence.slots(down(bad))
    assert silence.since == {1: at(since)}


def test_who_took_over_leadership_fails_in_its_turn():
    silence = seen((0, 1, (1, 2, 3)), (10, 2, (1, 2, 3)))
    silence.slots(down(12))
    silence.answered(at(14), view(1, (1, 3)))
    assert silence.since == {2: at(12)}


def test_many_answers_of_a_later_leader_do_not_hide_who_led_before():
    silence = seen((0, 1, (1, 2, 3)), *((second, 2, (2, 3)) for second in range(14, 34)))
    silence.slots(down(13))
    assert silence.since == {1: at(13)}


@pytest.mark.parametrize("broker", [0, 1])
@pytest.mark.parametrize("bad", [0, 9, 11])
def test_who_led_last_failed_whatever_its_number_also_while_nobody_leads(broker, bad):
    silence = seen((0, broker, (broker, 2, 3)), (10, -1, (broker, 2, 3)))
    silence.slots(down(bad))
    silence.answered(at(14), view(2, (2, 3)))
    assert silence.since == {broker: at(bad)}


def test_a_slot_of_before_anybody_knew_who_led_says_nothing():
    silence = seen((0, 1, (1, 2, 3)))
    silence.slots(down(5))
    silence.slots(down(-1))
    silence.answered(at(14), view(2, (2, 3)))
    assert silence.since == {1: at(5)}


def test_slots_of_others_and_of_reads_say_nothing():
    silence = seen((0, 2, (1, 2, 3)))
    silence.slots(down(5))
    silence.answered(at(14), view(2, (2, 3)))
    assert silence.since == {1: at(14)}
    silence = seen((0, 1, (1, 2, 3)))
    silence.slots(down(5, Operation.CONSUME))
    silence.answered(at(14), view(2, (2, 3)))
    assert silence.since == {1: at(14)}


def test_an_outage_that_is_over_does_not_date_a_later_loss():
    silence = seen((0, 1, (1, 2, 3)))
    silence.slots(down(5))
    silence.slots(up(7))
    silence.answered(at(20), view(2, (2, 3)))
    assert silence.since == {1: at(20)}


@pytest.mark.parametrize(("min_isr", "since"), [(2, 25), (1, 5), (None, 5)])
def test_an_outage_for_want_of_other_replicas_does_not_date_the_silence_of_who_is_left(min_isr, since):
    silence = seen((0, 1, (1, 2, 3)))
    silence.slots(down(5))
    topic = TopicView("probe", "id", min_isr, (PartitionView(0, 1, (1, 2, 3), (1,)),))
    silence.answered(at(14), replace(view(1, (1, 3)), topics={"probe": topic}))
    silence.answered(at(25), view(-1, (3,)))
    assert silence.since[1] == at(since)


@pytest.mark.parametrize(("gone", "since"), [(35, 5), (36, 36)])
def test_bad_slots_long_before_a_broker_is_named_no_more_do_not_date_its_silence(gone, since):
    """Without a quorum metadata stays as it was: what took the others away is not to be seen in it."""
    silence = seen((0, 1, (1, 2, 3)))
    silence.slots(down(5))
    silence.answered(at(20), view())
    silence.unanswered(at(gone))
    assert silence.since[1] == at(since)


def test_a_leader_that_went_with_the_other_replicas_is_silent_since_then():
    silence = seen((0, 1, (1, 2, 3)))
    silence.slots(down(5))
    topic = TopicView("probe", "id", 2, (PartitionView(0, 1, (1, 2, 3), (1,)),))
    silence.answered(at(14), replace(view(1, (3,)), topics={"probe": topic}))
    assert silence.since[1] == at(5)


def test_a_leader_that_went_is_silent_since_then_though_who_leads_now_lacks_replicas():
    """Two of three went with one node."""
    silence = seen((0, 1, (1, 2, 3)))
    silence.slots(down(5))
    topic = TopicView("probe", "id", 2, (PartitionView(0, 3, (1, 2, 3), (3,)),))
    silence.answered(at(8), replace(view(3, (3,)), topics={"probe": topic}))
    assert silence.since[1] == at(5)


def test_a_broker_that_is_back_is_not_silent():
    silence = seen((0, 1, (1, 2, 3)), (14, 2, (2, 3)), (30, 2, (1, 2, 3)))
    assert silence.since == {}


def test_if_nobody_answers_all_are_silent_since_then():
    silence = seen((0, 1, (1, 2, 3)))
    silence.slots(down(5))
    silence.unanswered(at(8))
    silence.unanswered(at(9))
    assert silence.since == {1: at(5), 2: at(8), 3: at(8)}
