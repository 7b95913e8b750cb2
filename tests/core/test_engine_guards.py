"""The engine beside a small Strimzi cluster, armed: what is hit, what holds it back, and what natural losses cost."""

from __future__ import annotations

import pytest
from tests.core.kubernetes.raw import meta, stamp
from tests.core.kubernetes_world import NOTICE, OPERATOR, KubernetesWorld, broker_name, budget, kafka
from tests.core.test_engine_kubernetes import bring_back, power_loss

from kafka_sentinel.core.cluster import QuorumView
from kafka_sentinel.core.commands import Announce, Heal, Inject
from kafka_sentinel.core.events import (
    FaultAnnounced,
    FaultHealed,
    FaultInjected,
    QuorumObserved,
    StateSaved,
    WatchAlive,
    WatchBroken,
)
from kafka_sentinel.core.kubernetes.objects import Kind
from kafka_sentinel.core.types import NodeRef, PodRef


class ArmedWorld(KubernetesWorld):
    """An experiment is due every minute from 20 s on; everything that the guards look at is well."""

    alive = ()  # `look` says it, of the kinds there are

    def __init__(self, fault="pod-crash", target="leader", *, places=("n1", "n2", "n3"), **experiments):
        item = {"name": "break", "fault": fault, "target": target, "every": "1m", "grace": "5s"}
        item |= experiments.pop("item", {})
        self.told, self.kinds, self.voters, self.saving = [], set(Kind), (1, 2, 3), True
        super().__init__(
            places=places,
            experiments={
                "armed_for": "cluster",
                "dry_run": False,
                "warm_up": 0,
                "steady": 1,
                "min_gap": 0,
                "items": [item],
                **experiments,
            },
        )
        self.be_well_run()

    def look(self):
        super().look()
        self.step(QuorumObserved(self.now(), self.now(), QuorumView(1, 1, (1, 2, 3), self.voters)))
        for kind in self.kinds:
            self.step(WatchAlive(self.now(), kind))
        self.step(StateSaved(self.now(), 0))

    def _answer_rechecks(self):
        if self.saving:
            super()._answer_rechecks()

    def edit(self, kind, name, *way, value):
        raw = self.get(kind, name)
        place = raw
        for step in way[:-1]:
            place = place.setdefault(step, {})
        place[way[-1]] = value
        self.put(kind, raw)

    def step(self, event):
        commands = super().step(event)
        self.told += commands
        return commands

    def of(self, kind):
        return [one for one in self.told if isinstance(one, kind)]

    @property
    def injected(self):
        return self.of(Inject)

    def skips(self):
        return {name.split()[-1] for name in self.counts if name.startswith("experiments_skipped_total")}


def test_a_pod_of_the_probe_leader_is_hit_by_name_and_uid_and_no_other():
    world = ArmedWorld()
    world.run(70)
    [inject] = world.injected
    assert (inject.fault, inject.targets) == ("pod-crash", (1,))
    assert inject.pods == (PodRef("kafka", broker_name(1), f"uid-{broker_name(1)}", 1),)
    assert world.skips() == set()


MARK = {"key": "kafka-sentinel.io/reclaim", "value": "run", "effect": "NoSchedule"}


def announced(*marked):
    """A reclaim of n2 is announced, and these nodes bear our mark."""
    world = ArmedWorld("node-reclaim", "broker:2", item={"notice": "10s"})
    while not world.of(Announce):
        world.run(0.5)
    [announce] = world.of(Announce)
    assert (announce.node, announce.targets) == (NodeRef("n2", "uid-n2"), (2,))
    for name in marked:
        world.taint(name, MARK)
    world.step(FaultAnnounced(world.now(), announce.experiment_run))
    world.run(12)
    return world


def test_a_node_is_hit_with_all_its_pods_though_it_bears_our_own_mark():
    world = announced("n2")
    [inject] = world.injected
    assert (inject.node, inject.targets) == (NodeRef("n2", "uid-n2"), (2,))
    assert [pod.name for pod in inject.pods] == [broker_name(2)]
    assert world.incidents == []


def test_a_mark_of_ours_on_another_node_takes_the_notice_back():
    world = announced("n2", "n3")
    assert world.injected == []
    assert len(world.of(Heal)) == 1
    [item] = world.status["experiments"]["items"]
    assert (item["last_result"], world.engine.experiments.under_way) == ("aborted", None)


SPOILERS = {
    "cluster_id": lambda world: world.put(Kind.KAFKA, kafka(clusterId="another")),
    "fresh_watches": lambda world: world.kinds.discard(Kind.BUDGET),
    "target_pods": lambda world: world.edit(
        Kind.POD, broker_name(1), "metadata", "creationTimestamp", value=stamp(world.second)
    ),
    "disruption_budget": lambda world: world.put(Kind.BUDGET, budget(allowed=0)),
    "nodes": lambda world: world.taint("n3", cordoned=True),
    "members": lambda world: world.edit(Kind.POD, broker_name(2), "status", "conditions", value=[]),
    "rollout": lambda world: world.edit(
        Kind.KAFKA, "orders", "metadata", "annotations", value={"strimzi.io/pause-reconciliation": "true"}
    ),
    "operator": lambda world: world.edit(Kind.POD, OPERATOR, "status", "conditions", value=[]),
    "incident_open": lambda world: world.taint("n3", NOTICE),
    "quorum_without_targets": lambda world: setattr(world, "voters", (1, 2)),
}


@pytest.mark.parametrize("guard", SPOILERS)
def test_whatever_is_not_well_holds_the_experiment_back_and_is_named(guard):
    world = ArmedWorld()
    SPOILERS[guard](world)
    world.run(70)
    assert world.injected == []
    assert world.skips() == {guard}


def test_a_roll_that_is_asked_for_on_a_pod_set_holds_it_back_until_that_is_taken_off():
    world = ArmedWorld()
    labels = {"strimzi.io/cluster": "orders", "strimzi.io/kind": "Kafka"}
    asked = {"strimzi.io/manual-rolling-update": "true"}
    world.put(Kind.POD_SET, {"metadata": meta("orders-broker", "kafka", labels=labels, annotations=asked)})
    world.run(70)
    assert (world.injected, world.skips()) == ([], {"rollout"})
    world.put(Kind.POD_SET, {"metadata": meta("orders-broker", "kafka", labels=labels)})
    world.run(60)
    assert len(world.injected) == 1


def test_two_budgets_hold_it_back():
    world = ArmedWorld()
    world.put(Kind.BUDGET, budget("mine", allowed=5))
    world.run(70)
    assert (world.injected, world.skips()) == ([], {"disruption_budget"})


def test_an_api_server_that_does_not_answer_holds_it_back_until_it_is_watched_again():
    world = ArmedWorld()
    world.run(50)
    world.kinds.clear()
    for kind in (Kind.POD, Kind.NODE):
        world.step(WatchBroken(world.now(), kind, "unreachable", "connection refused"))
    world.run(20)
    assert (world.injected, world.skips()) == ([], {"fresh_watches"})
    world.kinds |= set(Kind)
    world.run(60)
    assert len(world.injected) == 1


def test_a_pod_that_is_replaced_while_the_intent_is_written_is_not_hit():
    world = ArmedWorld()
    world.saving = False
    while world.engine.experiments.under_way is None:
        world.run(0.5)
    world.drop(Kind.POD, broker_name(1))
    world.make_pod(1, "n1")
    world.saving = True
    world._answer_rechecks()
    assert (world.injected, world.skips()) == ([], {"target_pods"})


def test_the_next_run_waits_until_the_broker_of_the_one_before_is_back():
    world = ArmedWorld(target="broker:2", daily_budget=5, min_pod_age=0)
    while not world.injected:
        world.run(0.5)
    run = world.injected[0].experiment_run
    world.delete_pod(2)
    world.step(FaultInjected(world.now(), run, (2,)))
    world.step(FaultHealed(world.now(), run))
    world.lose(2, leader=1)
    world.pending_pod(2, "0/3 nodes are available: 3 Insufficient memory.")
    world.run(130)
    assert [one["state"] for one in world.incidents] == ["open"]
    assert len(world.injected) == 1
    assert world.skips() == {"one_at_a_time"}
    world.make_pod(2, "n2", uid="pending")
    world.listed = (1, 2, 3)
    world.run(60)
    assert len(world.injected) == 2


def test_a_node_with_two_brokers_is_taken_only_where_that_was_allowed_and_never_below_one_in_sync_replica():
    places = ("n1", "n1", "n3")
    timid = ArmedWorld("node-reclaim", "broker:1", places=places)
    timid.run(70)
    assert (timid.injected, timid.skips()) == ([], {"target_size"})
    bold = ArmedWorld("node-reclaim", "broker:1", places=places, item={"allow_unavailability": True})
    bold.run(70)
    assert (bold.injected, bold.skips()) == ([], {"quorum_without_targets"})


# --- natural losses use up the day's budget


def test_a_reclaim_of_a_node_with_two_brokers_debits_two():
    world = KubernetesWorld(places=("n1", "n1", "n3"))
    world.run(20)
    power_loss(world, "n1", [1, 2], leader=3)
    bring_back(world, 1, 2)
    world.run(120)
    assert len(world.incidents) == 1
    assert len(world.engine.casebook.natural_losses) == 2


def test_a_broker_that_goes_later_in_the_same_incident_is_debited_too_and_none_twice():
    world = KubernetesWorld(places=("n1", "n1", "n3"))
    world.run(20)
    world.taint("n1", NOTICE)
    world.run(5)
    assert world.engine.casebook.natural_losses == ()
    world.delete_pod(1, why="EvictionByEvictionAPI")
    world.run(10)
    assert len(world.engine.casebook.natural_losses) == 1
    world.delete_pod(2, why="EvictionByEvictionAPI")
    world.run(10)
    assert len(world.incidents) == 1
    assert len(world.engine.casebook.natural_losses) == 2


def test_a_restart_of_sentinel_debits_nothing_again():
    world = KubernetesWorld()
    world.run(20)
    world.delete_pod(2)
    world.run(5)
    assert len(world.engine.casebook.natural_losses) == 1
    world.restart()
    world.run(5)
    assert [one["state"] for one in world.incidents] == ["open"]
    assert len(world.engine.casebook.natural_losses) == 1


def test_the_losses_of_a_reclaim_leave_nothing_of_the_budget_for_an_experiment():
    world = ArmedWorld(daily_budget=2, places=("n1", "n1", "n3"), target="broker:3")
    world.run(10)
    power_loss(world, "n1", [1, 2], leader=3)
    bring_back(world, 1, 2)
    world.run(400)
    assert [one["state"] for one in world.incidents] == ["closed"]
    assert world.injected == []
    assert "daily_budget" in world.skips()
