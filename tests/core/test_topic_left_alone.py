"""With `probe.manage_topic: false` nothing is ever done to a topic, however wrong it looks; with true, only what helps.

Making and widening are all that can be asked of an adapter, and both go by one command.
"""

from __future__ import annotations

import dataclasses

import pytest
from tests.core.engine_world import TOPIC, Sentinel, view

from kafka_sentinel.core.cluster import ClusterView
from kafka_sentinel.core.commands import EnsureTopic
from kafka_sentinel.core.engine import ENSURE_TOPIC_EVERY
from kafka_sentinel.core.types import Acks

MORE = (1, 2, 3, 4)


def changed(seen: ClusterView, **fields: object) -> ClusterView:
    """Return a view with other facts about the probe topic."""
    topic = dataclasses.replace(seen.topics[TOPIC], **fields)
    return dataclasses.replace(seen, topics={**seen.topics, TOPIC: topic})


def thin() -> ClusterView:
    """Return a view of partitions with one copy each."""
    seen = view(partitions=3)
    alone = (
        dataclasses.replace(one, replicas=one.replicas[:1], isr=one.isr[:1]) for one in seen.topics[TOPIC].partitions
    )
    return changed(seen, partitions=tuple(alone))


STATES = {  # what is seen, and whether Sentinel would do something about it if it may
    "as it should be": (view(partitions=3), False),
    "not there": (view(topic=False), True),
    "fewer partitions than brokers": (view(partitions=2), True),
    "a broker was added": (view(partitions=3, brokers=MORE), True),
    "a broker was added and another is down": (view(partitions=3, brokers=(1, 2, 4)), True),
    "min.insync.replicas of 1": (changed(view(partitions=3), min_isr=1), False),
    "min.insync.replicas of 1 and too few partitions": (changed(view(partitions=1), min_isr=1), True),
    "one copy of each": (thin(), False),
    "made anew by somebody": (changed(view(partitions=2), topic_id="another"), True),
    "without leaders": (view(partitions=3, leader=-1), False),
}


def asked(seen: ClusterView, **probe: object) -> list[EnsureTopic]:
    """Return what is asked for the topic over some minutes: seen at the start, and after all was well."""
    found = []
    for before in ((), (view(partitions=3),)):
        sentinel = Sentinel(partitions=0, probe={"interval": 0.5, **probe})
        for each in before:
            sentinel.sees(each)
            sentinel.wait(2 * ENSURE_TOPIC_EVERY)
        for _ in range(5):
            sentinel.sees(seen)
            sentinel.wait(2 * ENSURE_TOPIC_EVERY)
        found += [command for command in sentinel.commands if isinstance(command, EnsureTopic)]
    return found


@pytest.mark.parametrize("state", STATES)
def test_a_topic_that_is_not_ours_to_manage_is_left_as_it_is(state: str):
    assert asked(STATES[state][0], manage_topic=False) == []


@pytest.mark.parametrize("state", STATES)
def test_one_that_is_ours_is_made_and_widened_and_nothing_else(state: str):
    seen, helps = STATES[state]
    assert set(asked(seen, manage_topic=True)) == ({EnsureTopic(Acks.ALL)} if helps else set())


def test_the_topic_of_acks_1_is_left_alone_as_well():
    weaker = {"acks_one": {"enabled": True}}
    for seen, _ in STATES.values():
        assert asked(seen, manage_topic=False, **weaker) == []
    assert EnsureTopic(Acks.ONE) in asked(view(), manage_topic=True, **weaker)
