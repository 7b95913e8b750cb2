"""The engine with a fault that Kafka has to show: whose incident it is, from when on, and what it costs."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tests.core.engine_world import INTERVAL, Sentinel, view

from kafka_sentinel.core.cluster import EnsembleView, QuorumView
from kafka_sentinel.core.commands import Heal, Inject, SaveState
from kafka_sentinel.core.engine import TICK
from kafka_sentinel.core.events import (
    EnsembleObserved,
    FaultCommanded,
    FaultHealed,
    ProviderObserved,
    QuorumObserved,
    StateSaved,
)

ITEM = {
    "name": "stop",
    "fault": "command",
    "target": "broker:1",
    "command": ["stop", "{id}"],
    "every": "1h",
    "confirm": "20s",
    "duration": "4s",
}
SERVERS = ("zk-1:2181", "zk-2:2181", "zk-3:2181")


class Plain(Sentinel):
    """An armed Sentinel beside three brokers on plain machines; `pass_on` lets time pass with all well that is up."""

    def __init__(self, *, zookeeper=(), **item):
        experiments = {"armed_for": "cluster", "dry_run": False, "warm_up": 0, "steady": 1, "min_gap": 0}
        experiments |= {"fleet": "command", "items": [{**ITEM, **item}]}
        cluster = {"session_timeout": 3, "zookeeper": list(zookeeper)}
        self.up, self.injects, self.heals, self.serving = (1, 2, 3), [], [], set(zookeeper)
        super().__init__(experiments=experiments, cluster=cluster, state={"file": "s.json"}, incidents={"settle": 2})

    def step(self, event):
        commands = super().step(event)
        self.injects += [one for one in commands if isinstance(one, Inject)]
        self.heals += [one for one in commands if isinstance(one, Heal)]
        for one in commands:
            if isinstance(one, SaveState):
                self.step(StateSaved(self.now(), one.generation))
        return commands

    def pass_on(self, seconds, *, leader=None):
        for _ in range(round(seconds / INTERVAL)):
            led = leader or (1 if 1 in self.up else 2)
            self.sees(view(brokers=self.up, leader=led))
            quorum = QuorumView(1, 1, (1, 2, 3), (1, 2, 3))
            if self.serving:
                quorum = QuorumView(-1, -1, (), ())
                self.step(EnsembleObserved(self.now(), EnsembleView(SERVERS, frozenset(self.serving), self.now())))
            self.step(QuorumObserved(self.now(), self.now(), quorum))
            self.answer_rechecks()
            if led in self.up:
                self.live(INTERVAL)
            else:
                self.suffer(INTERVAL)

    def answer_rechecks(self):
        for incident in self.engine.incidents.open:
            self.engine.incidents.recheck_finished(incident.id)

    def demand(self):
        """Have the run begin. Returns when, in monotonic seconds."""
        self.pass_on(20)
        self.engine.experiments.run_now("stop", self.now())
        before = len(self.injects)
        for _ in range(10):
            if len(self.injects) > before:
                return self.engine.experiments.under_way
            self.pass_on(INTERVAL)
        raise AssertionError(self.engine.experiments.fate("stop", 0))

    def commanded(self, problem=""):
        self.step(FaultCommanded(self.now(), self.injects[-1].experiment_run, problem))

    @property
    def incidents(self):
        return self.status["incidents"]

    @property
    def item(self):
        return self.status["experiments"]["items"][0]

    @property
    def spent(self):
        engine = self.engine
        return len(engine.experiments.to_state()["injections"]), len(engine.casebook.natural_losses)


def test_a_broker_seen_to_go_is_one_incident_of_ours_from_the_beginning_of_the_command_and_debited_once():
    world = Plain()
    world.demand()
    begun = world.mono
    world.up = (2, 3)
    world.pass_on(3, leader=1)  # nobody leads yet; the command is not over
    world.commanded()
    world.pass_on(2)
    [incident] = world.incidents
    assert (incident["cause"], incident["fault"], incident["target"]) == ("experiment", "command", "broker 1")
    assert incident["started_at"] - world.now().wall == pytest.approx(begun - world.mono, abs=INTERVAL)
    assert world.spent == (1, 0)
    world.pass_on(4)
    assert [heal.experiment for heal in world.heals] == ["stop"]
    world.step(FaultHealed(world.now(), world.injects[0].experiment_run))
    world.up = (1, 2, 3)
    world.pass_on(30)
    assert (world.incidents[0]["state"], world.item["last_result"]) == ("closed", "passed")
    assert world.spent == (1, 0)


def test_a_broker_seen_to_go_before_the_command_is_over_is_not_charged_to_nature():
    world = Plain()
    world.demand()
    world.up = (2, 3)
    world.pass_on(6)  # an incident of unknown cause by now, and its loss is known
    assert world.incidents[0]["cause"] == "unknown"
    world.commanded()
    assert world.incidents[0]["cause"] == "experiment"
    assert len(world.incidents) == 1
    world.pass_on(2)
    assert world.spent == (1, 0)


def test_signs_that_come_before_the_broker_is_seen_to_go_do_not_make_it_two_losses():
    world = Plain()
    world.demand()
    world.suffer(4)  # its partition fails already, and metadata still names it
    assert [incident["brokers"] for incident in world.incidents] == [[]]
    world.commanded()
    world.up = (2, 3)
    world.pass_on(3)
    [incident] = world.incidents
    assert (incident["cause"], incident["brokers"], world.spent) == ("experiment", [1], (1, 0))


def test_a_command_that_does_nothing_is_aborted_and_opens_no_incident():
    world = Plain()
    world.demand()
    world.commanded("the command ended with exit status 1: no such unit")
    world.pass_on(25)
    assert world.incidents == []
    assert world.item["last_result"] == "aborted"
    assert world.item["last_reason"] == (
        "not confirmed: broker 1 was not seen to go within 20 s; the command ended with exit status 1: no such unit"
    )
    assert [heal.experiment for heal in world.heals] == ["stop"]


def test_a_command_is_given_up_although_nothing_more_is_heard_of_kafka():
    world = Plain()
    world.demand()
    world.commanded()
    world.wait(19)
    assert world.engine.experiments.under_way is not None
    world.wait(2)
    assert world.item["last_reason"] == "not confirmed: broker 1 was not seen to go within 20 s"


def test_it_is_ours_as_soon_as_kafka_shows_it_and_not_only_when_time_passes():
    world = Plain()
    world.demand()
    world.commanded()
    assert world.incidents == []
    world.mono += TICK / 2
    world.sees(view(brokers=(2, 3), leader=1))
    assert [incident["cause"] for incident in world.incidents] == ["experiment"]


def test_what_was_shown_before_the_command_was_over_is_ours_as_soon_as_it_is():
    world = Plain()
    world.demand()
    world.mono += TICK / 2
    world.sees(view(brokers=(2, 3), leader=1))
    world.commanded()
    assert [incident["cause"] for incident in world.incidents] == ["experiment"]


def test_a_zookeeper_server_is_ours_as_soon_as_it_is_seen_to_serve_no_more():
    world = Plain(zookeeper=SERVERS, target="zookeeper")
    world.demand()
    world.commanded()
    [inject] = world.injects
    world.mono += TICK / 2
    serving = frozenset(world.serving - set(inject.addresses))
    world.step(EnsembleObserved(world.now(), EnsembleView(SERVERS, serving, world.now())))
    assert [incident["cause"] for incident in world.incidents] == ["experiment"]


def test_a_broker_that_goes_after_it_was_given_up_is_an_incident_of_its_own():
    world = Plain()
    world.demand()
    world.commanded()
    world.pass_on(25)
    world.up = (2, 3)
    world.pass_on(6)
    [incident] = world.incidents
    assert (incident["cause"], incident["experiment_run"]) == ("unknown", None)


def test_a_zookeeper_server_is_judged_by_what_the_others_say():
    world = Plain(zookeeper=SERVERS, target="zookeeper")
    world.demand()
    [inject] = world.injects
    world.serving -= set(inject.addresses)
    world.pass_on(2)
    world.commanded()
    [incident] = world.incidents
    assert (incident["cause"], incident["target"], incident["brokers"]) == (
        "experiment", f"ZooKeeper {inject.addresses[0]}", [],
    )  # fmt: skip


def test_without_a_majority_of_servers_the_run_is_skipped():
    world = Plain(zookeeper=SERVERS, target="broker:1")
    world.serving = set(SERVERS[:1])
    with pytest.raises(AssertionError, match="quorum_without_targets: 1 of 3 ZooKeeper servers left, needs 2"):
        world.demand()


def test_what_a_provider_says_is_for_the_guard_of_that_name():
    arn = "arn:aws:kafka:eu-west-1:123456789012:cluster/orders/0a1b2c3d-1"
    item = {"name": "reboot", "fault": "msk-reboot", "target": "broker:1", "every": "1h"}
    experiments = {"fleet": "msk", "msk": {"cluster_arn": arn}, "items": [item]}
    world = Sentinel(experiments=experiments)
    assert world.engine.world().provider.state == ""
    view_of = replace(world.engine.world().provider, state="HEALING", asked=world.now())
    world.step(ProviderObserved(world.now(), view_of))
    guards = {answer["guard"]: answer for answer in world.engine.explained()["items"][0]["guards"]}
    assert "the cluster is HEALING" in guards["provider"]["reason"]
