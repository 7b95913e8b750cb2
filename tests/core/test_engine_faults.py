"""What our experiments do to pods and nodes is known as ours, and for as long as it is ours."""

from __future__ import annotations

from tests.core.kubernetes_world import KubernetesWorld, broker, broker_name

from kafka_sentinel.core.commands import Heal
from kafka_sentinel.core.events import FaultHealed, FaultInjected, PauseSeen
from kafka_sentinel.core.experiment_run import Run, RunState
from kafka_sentinel.core.kubernetes.objects import Kind
from kafka_sentinel.core.types import NodeRef, PodRef

MARK = {"key": "kafka-sentinel.io/reclaim", "value": "a.b", "effect": "NoSchedule"}
DRILL = {"name": "drill", "fault": "node-reclaim", "target": "broker:1", "every": "1d"}
PENDS = "0/3 nodes are available: 1 node(s) had untolerated taint(s)."  # as from Kubernetes 1.34 on


class Experiment(KubernetesWorld):
    """A run under way, as if the guards had allowed it. Heals asked for are kept."""

    def __init__(self, fault, *brokers, node=None, state=RunState.INJECTING):
        super().__init__(experiments={"items": [DRILL]})
        self.heals = []
        self.run(20)
        pods = tuple(PodRef("kafka", broker_name(one), f"uid-{broker_name(one)}", one) for one in brokers)
        run = Run("r-1", "drill", fault, brokers, 600, self.wall, self.wall, pods, node, state)
        self.engine.experiments._run = run
        self.engine.experiments._entered = self.mono
        self.engine.experiments._ask_at = float("inf")  # the guards are not asked during a notice
        self.wait(1)

    def step(self, event):
        commands = super().step(event)
        if hasattr(self, "heals"):
            self.heals += [command for command in commands if isinstance(command, Heal)]
        return commands

    def hit(self, *brokers):
        for one in brokers:
            self.delete_pod(one)
        self.step(FaultInjected(self.now(), "r-1", brokers))

    def healed(self):
        self.step(FaultHealed(self.now(), "r-1"))

    @property
    def causes(self):
        return sorted(name.split()[1] for name in self.counts if name.startswith("broker_restarts_total"))


def test_a_reclaim_that_is_rehearsed_is_one_incident_of_ours_and_no_disruption():
    world = Experiment("node-reclaim", 1, node=NodeRef("n1", "uid-n1"))
    world.taint("n1", MARK)
    world.hit(1)
    world.lose(1, leader=2)
    world.pending_pod(1, PENDS)
    world.run(60)
    [incident] = world.incidents
    assert (incident["cause"], incident["fault"], incident["state"]) == ("experiment", "node-reclaim", "open")
    assert (incident["target"], incident["nodes"]) == ("node n1 (broker 1)", ["n1"])
    assert any("untolerated taint" in reason for reason in incident["reasons"])
    world.taint("n1")
    world.healed()
    world.make_pod(1, "n1", uid="pending")
    world.listed = (1, 2, 3)
    world.run(150)
    [incident] = world.incidents
    assert (incident["cause"], incident["state"], incident["verdict"]) == ("experiment", "closed", "passed")
    assert world.causes == ["experiment"]
    assert world.engine.casebook.natural_losses == ()
    assert [name for name in world.counts if "disruption" in name] == []
    assert [name for name in world.samples if "disruption" in name] == []


def test_a_notice_of_ours_opens_no_incident():
    world = Experiment("node-reclaim", 1, node=NodeRef("n1", "uid-n1"), state=RunState.ANNOUNCED)
    world.taint("n1", MARK)
    world.wait(5)
    assert world.incidents == []
    assert world.kubernetes["disruptions"] == []


def test_a_pod_that_goes_before_we_strike_is_not_ours():
    world = Experiment("node-reclaim", 1, node=NodeRef("n1", "uid-n1"), state=RunState.ANNOUNCED)
    world.delete_pod(1)
    world.wait(1)
    assert [one["cause"] for one in world.incidents] == ["pod_deleted"]


def test_a_pod_that_we_did_not_mean_is_not_ours():
    world = Experiment("pod-crash", 1)
    world.hit(1)
    world.wait(1)
    world.delete_pod(2)
    world.wait(1)
    assert sorted((one["cause"], one["brokers"]) for one in world.incidents) == [
        ("experiment", [1]),
        ("pod_deleted", [2]),
    ]


def test_what_we_meant_and_do_not_know_to_have_hit_is_ours_once_it_shows():
    """A pod's deletion was not answered, nor whether it goes: it did go, and Kafka told first."""
    world = Experiment("node-reclaim", 1, 2, node=NodeRef("n1", "uid-n1"))
    at = world.now()
    world.delete_pod(1)
    world.delete_pod(2)
    world.lose(1, 2, leader=3)
    world.run(20)
    [incident] = world.incidents
    assert (incident["cause"], incident["brokers"]) == ("unknown", [1, 2])
    world.step(FaultInjected(at, "r-1", (1,), confirmed=world.now()))
    [incident] = world.incidents
    assert (incident["cause"], incident["brokers"]) == ("experiment", [1, 2])
    assert world.engine.casebook.natural_losses == ()


def test_what_we_did_may_show_before_we_know_that_we_did_it():
    world = Experiment("pod-crash", 1)
    world.delete_pod(1)
    world.wait(1)
    assert world.incidents == []
    world.step(FaultInjected(world.now(), "r-1", (1,)))
    assert [one["cause"] for one in world.incidents] == ["experiment"]


def test_what_we_did_is_ours_although_the_run_was_ended_before_its_news_came():
    world = Experiment("pod-delete", 2)
    world.delete_pod(2)
    world.step(PauseSeen(world.now(), "by anna"))
    world.lose(2, leader=1)
    world.run(12)
    world.step(FaultInjected(world.now(), "r-1", (2,)))
    world.make_pod(2, "n2")
    world.listed = (1, 2, 3)
    world.run(150)
    [incident] = world.incidents
    assert (incident["cause"], incident["brokers"], incident["state"]) == ("experiment", [2], "closed")
    assert "an experiment did it" in incident["reasons"][0]
    assert world.causes == ["experiment"]


def test_what_kafka_missed_of_it_is_ours_with_the_news_and_not_before():
    world = Experiment("pod-crash", 1)
    world.dead, world.leader = {1}, 2
    world.lose(1, leader=2)
    world.run(1)
    world.delete_pod(1)
    world.wait(2)
    assert [(one["cause"], one["brokers"]) for one in world.incidents] == [("unknown", [1])]
    world.step(FaultInjected(world.now(), "r-1", (1,)))
    world.wait(1)
    assert [one["cause"] for one in world.incidents] == ["experiment"]


def test_what_has_recovered_before_the_news_of_it_is_ours_all_the_same():
    """It takes long to find out whether the other pods of the fault go."""
    world = Experiment("pod-crash", 1)
    at = world.now()
    world.delete_pod(1)
    world.lose(1, leader=2)
    world.run(12)
    assert [(one["cause"], one["brokers"]) for one in world.incidents] == [("unknown", [1])]
    world.make_pod(1, "n1", uid="new")
    world.listed = (1, 2, 3)
    while world.incidents[0]["state"] == "open":
        world.run(1)
    world.run(1)
    assert [one["cause"] for one in world.incidents] == ["experiment"]
    world.step(FaultInjected(at, "r-1", (1,), confirmed=world.now()))
    world.run(5)
    assert {one["cause"] for one in world.incidents} == {"experiment"}


def test_a_pod_that_we_ended_without_any_effect_opens_nothing_when_the_run_was_stopped():
    world = Experiment("pod-delete", 2)
    world.delete_pod(2)
    world.step(PauseSeen(world.now(), "by anna"))
    world.make_pod(2, "n2")
    world.run(70)
    assert world.incidents == []
    assert world.causes == ["experiment"]


def test_a_pod_that_we_ended_does_not_explain_the_incident_of_another_broker():
    world = Experiment("pod-delete", 2)
    world.delete_pod(3)
    world.wait(1)
    world.delete_pod(2)
    world.step(PauseSeen(world.now(), "by anna"))
    world.run(12)
    [incident] = world.incidents
    assert (incident["cause"], incident["brokers"]) == ("pod_deleted", [3])


def test_the_pod_that_we_ended_is_waited_for_and_given_up_like_any_other():
    world = Experiment("pod-delete", 2)
    world.hit(2)
    world.run(5)
    [incident] = world.incidents
    assert [why for why in incident["reasons"] if "waiting for pod" in why]
    world.healed()
    for _ in range(7):
        world.list_all(Kind.POD)
        world.run(100)
    [incident] = world.incidents
    assert len([why for why in incident["reasons"] if "got no pod again" in why]) == 1
    assert incident["phases"]["pod"] is None
    assert world.engine.incidents.open == ()


def test_what_is_said_of_the_node_of_a_rehearsal_is_a_reason_of_its_incident():
    world = Experiment("node-reclaim", 1, node=NodeRef("n1", "uid-n1"))
    world.taint("n1", MARK)
    world.hit(1)
    world.wait(1)
    world.silent("n1")
    world.wait(2)
    [incident] = world.incidents
    assert [why for why in incident["reasons"] if why.startswith("node n1 is silent")]


def test_a_node_that_falls_silent_under_an_experiment_is_not_its_incident():
    world = Experiment("pod-crash", 1)
    world.hit(1)
    world.wait(1)
    world.silent("n1")
    world.wait(2)
    assert [(one["cause"], one["nodes"]) for one in world.incidents] == [("experiment", [])]


def test_a_pod_that_we_left_alone_is_not_ours_for_ever():
    world = Experiment("pod-crash", 1)
    world.engine.experiments._run = None
    world.run(70)
    world.delete_pod(1)
    world.wait(1)
    assert [one["cause"] for one in world.incidents] == ["pod_deleted"]


def test_a_rolling_restart_is_over_when_every_pod_was_replaced_and_is_ready():
    world = Experiment("rolling-restart", 1, 2, 3)
    world.step(FaultInjected(world.now(), "r-1", (1, 2, 3)))
    for number in (1, 2, 3):
        world.delete_pod(number)
        world.make_pod(number, f"n{number}", ready=False)
        world.run(10)
        assert world.heals == []
        world.make_pod(number, f"n{number}")
        world.run(10)
    assert [heal.experiment_run for heal in world.heals] == ["r-1"]
    world.run(5)
    assert len(world.heals) == 1
    world.healed()
    world.run(120)
    assert world.causes == ["experiment"]
    assert world.counts["broker_restarts_total experiment"] == 3
    assert [(one["cause"], one["state"]) for one in world.incidents] == [("experiment", "closed")]


def test_a_rolling_restart_is_not_over_while_a_replacement_is_on_its_way_out():
    world = Experiment("rolling-restart", 1)
    world.step(FaultInjected(world.now(), "r-1", (1,)))
    world.delete_pod(1)
    world.put(Kind.POD, broker(1, "n1", uid="new-1", created=world.second, deleted=world.second))
    world.run(10)
    assert world.heals == []
    world.drop(Kind.POD, broker_name(1))
    world.make_pod(1, "n1", uid="newer")
    world.run(10)
    assert [heal.experiment_run for heal in world.heals] == ["r-1"]
