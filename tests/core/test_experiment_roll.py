"""A rolling restart: whom it is done to, and when it is over before its time."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tests.core.experiment_life import DUE, Life
from tests.core.experiment_worlds import QUORUM, around, cluster, instant, kafka_resource, partition, spec, topic
from tests.core.kubernetes.fleets import broker_pod, fleet

from kafka_sentinel.core.commands import Heal, Inject, Log
from kafka_sentinel.core.events import FaultHealed, FaultInjected
from kafka_sentinel.core.experiment_run import RunState
from kafka_sentinel.core.targets import parse_target

BROKERS = (1, 2, 8)  # a set of these is not in order


class Roll(Life):
    def __init__(self):
        super().__init__(specs=[spec(fault="rolling-restart", target=parse_target("all"), duration=600)])

    def world(self):
        probe = topic("probe", *(partition(number, leader=led, replicas=BROKERS) for number, led in enumerate(BROKERS)))
        seen = cluster(brokers=dict.fromkeys(BROKERS, "h:1"), topics={"probe": probe})
        members = fleet(*map(broker_pod, BROKERS), kafka=kafka_resource())
        nodes = {pod.node_uid: replace(around().nodes["uid-n1"], name=pod.node, uid=pod.node_uid) for pod in members}
        quorum = replace(QUORUM, voters=BROKERS, caught_up_voters=BROKERS)
        return replace(
            super().world(), cluster=seen, quorum=quorum, kubernetes=around(self.now, fleet=members, nodes=nodes)
        )

    def rolled(self, after):
        self.commands += self.core.on_rolled(instant(DUE + after))
        return self

    def ends(self):
        return [log.fields["run"] for log in self.of(Log) if log.event == "experiment_rolled"]


@pytest.fixture
def roll():
    return Roll().tick(DUE).save()


def test_all_brokers_are_named_in_order(roll):
    assert [inject.targets for inject in roll.of(Inject)] == [BROKERS]


def test_it_is_undone_once_when_every_pod_was_replaced(roll):
    roll.fault(FaultInjected, BROKERS).rolled(60).rolled(61)
    assert roll.ends() == [roll.run_id()]
    assert [heal.experiment_run for heal in roll.of(Heal)] == [roll.run_id()]
    assert roll.state() is RunState.INJECTED
    assert roll.fault(FaultHealed).state() is RunState.RECOVERING


def test_what_is_not_in_effect_is_not_over(roll):
    assert roll.rolled(1).ends() == []
    roll.fault(FaultInjected, BROKERS).fault(FaultHealed).rolled(60)
    assert (roll.ends(), roll.of(Heal)) == ([], [])


def test_without_a_run_nothing_is_over():
    assert Roll().rolled(0).commands == []


def test_the_next_roll_is_over_by_its_own_pods(roll):
    roll.fault(FaultInjected, BROKERS).rolled(60).fault(FaultHealed).close().save()
    roll.tick(roll.item()["next_run"] - instant(0).wall).save().fault(FaultInjected, BROKERS).rolled(300)
    assert len(set(roll.ends())) == 2
