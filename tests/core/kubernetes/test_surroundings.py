"""What the guards are shown is what the watches told last, and it does not change any more."""

from __future__ import annotations

import copy
from dataclasses import FrozenInstanceError

import pytest
from tests.core.kubernetes.raw import at, load, meta, pod, stamp

from kafka_sentinel.core.cluster import ClusterView
from kafka_sentinel.core.events import ObjectChanged, ObjectDeleted, ObjectsListed, WatchAlive, WatchBroken
from kafka_sentinel.core.kubernetes.desk import KubernetesDesk
from kafka_sentinel.core.kubernetes.fleet import FleetSpec, Side
from kafka_sentinel.core.kubernetes.objects import Kind, parse
from kafka_sentinel.core.kubernetes.selector import Selector
from kafka_sentinel.core.kubernetes.surroundings import surroundings

NODE = "ip-10-0-1-11.eu-west-1.compute.internal"  # brokers 0 and 2, controller 3, both operators


STRIMZI = FleetSpec("kafka")


def scope(kind):
    return "" if kind is Kind.NODE else "kafka"


class World:
    def __init__(self, fixture="strimzi-1.yaml", spec=STRIMZI):
        self.objects = {(kind, raw["metadata"]["name"]): raw for kind, raw in load(fixture)}
        self.desk = KubernetesDesk(spec)
        for kind in Kind:
            views = tuple(parse(kind, raw) for (one, _), raw in self.objects.items() if one is kind)
            self.desk.take(ObjectsListed(at(0), kind, views, scope(kind)))
        self.desk.tick(at(1), None)

    def change(self, kind, name, **parts):
        """Change parts of an object by path, as metadata__annotations={...}; tell it, and tick no more."""
        raw = copy.deepcopy(self.objects[kind, name])
        for path, value in parts.items():
            *way, last = path.split("__")
            place = raw
            for step in way:
                place = place.setdefault(step, {})
            place[last] = value
        self.objects[kind, name] = raw
        self.desk.take(ObjectChanged(at(2), kind, parse(kind, raw), scope(kind)))

    def drop(self, kind, name):
        self.desk.take(ObjectDeleted(at(2), kind, parse(kind, self.objects[kind, name]), scope(kind)))

    def see(self):
        return surroundings(self.desk)


def test_a_strimzi_cluster_at_rest():
    seen = World().see()
    assert sorted(seen.fleet.pods) == [0, 1, 2]
    assert {name: budget.allowed for name, budget in seen.budgets.items()} == {"orders-kafka": 1}
    assert {pod.budgets for pod in seen.fleet} == {("orders-kafka",)}
    assert [node.name for node in seen.nodes.values() if not node.ready or node.cordoned or node.ours] == []
    assert NODE in {node.name for node in seen.nodes.values()}
    assert (seen.disruptions, seen.restarts, seen.stuck, seen.rolls) == ((), (), (), ())
    assert (seen.ensemble, seen.stateful) == (None, False)
    assert seen.fleet.kafka.ready


def test_what_changed_is_seen_before_the_next_tick():
    world = World()
    world.change(Kind.POD, "orders-broker-1", metadata__deletionTimestamp=stamp(32))
    assert world.see().fleet.pods[1].deleting
    world.drop(Kind.POD, "orders-broker-1")
    assert 1 not in world.see().fleet.pods


def test_a_picture_that_was_taken_stays_as_it_is():
    world = World()
    before = world.see()
    world.change(Kind.BUDGET, "orders-kafka", status__disruptionsAllowed=0)
    world.change(Kind.NODE, NODE, spec__unschedulable=True)
    world.drop(Kind.POD, "orders-broker-1")
    assert before.budgets["orders-kafka"].allowed == 1
    assert not any(node.cordoned for node in before.nodes.values())
    assert 1 in before.fleet.pods
    with pytest.raises(FrozenInstanceError):
        before.rolls = ()
    after = world.see()
    assert after.budgets["orders-kafka"].allowed == 0
    assert [node.name for node in after.nodes.values() if node.cordoned] == [NODE]


@pytest.mark.parametrize(
    ("taints", "cordoned", "ours"),
    [
        ([{"key": "node.kubernetes.io/unschedulable", "effect": "NoSchedule"}], True, False),
        ([{"key": "kafka-sentinel.io/reclaim", "effect": "NoSchedule"}], False, True),
        ([{"key": "dedicated", "value": "kafka", "effect": "NoSchedule"}], False, False),
    ],
)
def test_a_closed_node_is_told_from_one_that_a_rehearsal_closed(taints, cordoned, ours):
    world = World()
    world.change(Kind.NODE, NODE, spec__taints=taints)
    node = next(node for node in world.see().nodes.values() if node.name == NODE)
    assert (node.cordoned, node.ours) == (cordoned, ours)


def test_a_node_that_bears_our_mark_is_named():
    world = World()
    assert world.see().rehearsed == ()
    world.change(Kind.NODE, NODE, spec__taints=[{"key": "kafka-sentinel.io/reclaim", "effect": "NoSchedule"}])
    assert world.see().rehearsed == (NODE,)


def test_a_notice_is_among_the_disruptions_and_says_what_it_is():
    world = World()
    world.change(Kind.NODE, NODE, spec__taints=[{"key": "aws-node-termination-handler/spot-itn"}])
    [disruption] = world.see().disruptions
    assert disruption.startswith(f"notice: node {NODE}: spot interruption notice")


def test_a_broker_that_restarts_is_named_with_its_cause():
    world = World()
    world.change(Kind.POD, "orders-broker-1", metadata__deletionTimestamp=stamp(32))
    assert world.see().restarts == ("broker 1, pod orders-broker-1 (pod_deleted)",)


def test_a_roll_that_was_asked_for_is_named():
    world = World()
    world.change(Kind.POD, "orders-broker-1", metadata__annotations={"strimzi.io/manual-rolling-update": "true"})
    assert world.see().rolls == ("pod orders-broker-1 is to be rolled (strimzi.io/manual-rolling-update)",)


# --- StrimziPodSets


ROLL = {"strimzi.io/manual-rolling-update": "true"}


@pytest.mark.parametrize(
    ("fixture", "name"),
    [
        ("strimzi-1.yaml", "orders-broker"),
        ("strimzi-1.yaml", "orders-controller"),
        ("strimzi-0.32.yaml", "my-cluster-kafka"),
        ("strimzi-0.32.yaml", "my-cluster-zookeeper"),
    ],
)
def test_a_roll_that_was_asked_for_on_a_pod_set_of_kafka_is_named_until_it_is_taken_off(fixture, name):
    world = World(fixture)
    assert world.see().rolls == ()
    world.change(Kind.POD_SET, name, metadata__annotations=ROLL)
    assert world.see().rolls == (f"StrimziPodSet {name} is to be rolled (strimzi.io/manual-rolling-update)",)
    world.change(Kind.POD_SET, name, metadata__annotations={"strimzi.io/manual-rolling-update": "false"})
    assert world.see().rolls == ()


def test_two_pod_sets_that_are_to_be_rolled_are_both_named():
    world = World()
    for name in ("orders-controller", "orders-broker"):
        world.change(Kind.POD_SET, name, metadata__annotations=ROLL)
    assert [roll.split()[1] for roll in world.see().rolls] == ["orders-broker", "orders-controller"]


@pytest.mark.parametrize(
    "labels",
    [
        {"strimzi.io/cluster": "orders-2", "strimzi.io/kind": "Kafka"},
        {"strimzi.io/cluster": "order", "strimzi.io/kind": "Kafka"},
        {"strimzi.io/kind": "Kafka"},
        {"strimzi.io/cluster": "orders", "strimzi.io/kind": "KafkaConnect"},
    ],
)
def test_a_pod_set_of_another_cluster_or_of_connect_rolls_nothing_of_kafkas(labels):
    world = World()
    world.change(Kind.POD_SET, "orders-connect", metadata__labels=labels, metadata__annotations=ROLL)
    assert world.see().rolls == ()


def test_a_pod_set_of_that_name_in_another_namespace_rolls_nothing_of_kafkas():
    world = World()
    world.change(Kind.POD_SET, "orders-broker", metadata__namespace="elsewhere", metadata__annotations=ROLL)
    assert world.see().rolls == ()


def test_pod_sets_are_not_asked_for_where_strimzi_does_not_run_the_pods():
    world = stateful()
    raw = {"metadata": {"name": "kafka", "namespace": "kafka", "uid": "uid-set", "annotations": ROLL}}
    raw["metadata"]["labels"] = {"strimzi.io/cluster": "kafka", "strimzi.io/kind": "Kafka"}
    world.desk.take(ObjectChanged(at(2), Kind.POD_SET, parse(Kind.POD_SET, raw), "kafka"))
    assert world.see().rolls == ()


# --- StatefulSets


def stateful():
    spec = FleetSpec("kafka", cluster="kafka", selector=Selector({"app": "kafka"}))
    world = World("statefulset.yaml", spec)
    assert world.see().fleet.members
    return world


def test_a_stateful_set_at_rest_rolls_nothing():
    seen = stateful().see()
    assert (seen.rolls, seen.stateful) == ((), True)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        (
            {"status__updateRevision": "kafka-new"},
            "StatefulSet kafka has a new revision, kafka-0, kafka-1, kafka-2 not yet",
        ),
        ({"status__updateRevision": ""}, "StatefulSet kafka is not known"),
        (
            {"metadata__annotations": {"strimzi.io/manual-rolling-update": "true"}},
            "StatefulSet kafka is to be rolled (strimzi.io/manual-rolling-update)",
        ),
        ({"metadata__generation": 99}, "StatefulSet kafka was changed a moment ago"),
        ({"status__observedGeneration": None}, "StatefulSet kafka was changed a moment ago"),
    ],
)
def test_a_stateful_set_that_rolls_is_named(changes, words):
    world = stateful()
    world.change(Kind.STATEFUL_SET, "kafka", **changes)
    assert world.see().rolls == (words,)


def test_the_pods_tell_whether_a_stateful_set_still_rolls_whatever_its_current_revision_is():
    world = stateful()
    world.change(Kind.STATEFUL_SET, "kafka", status__updateRevision="kafka-new")
    for number in (0, 1):
        world.change(Kind.POD, f"kafka-{number}", **{"metadata__labels__controller-revision-hash": "kafka-new"})
    assert world.see().rolls == ("StatefulSet kafka has a new revision, kafka-2 not yet",)
    world.change(Kind.POD, "kafka-2", **{"metadata__labels__controller-revision-hash": "kafka-new"})
    assert world.see().rolls == ()


def test_a_stateful_set_that_may_not_be_seen_is_not_known_to_be_at_rest():
    world = stateful()
    world.drop(Kind.STATEFUL_SET, "kafka")
    assert world.see().rolls == ("StatefulSet kafka is not known",)


# --- ZooKeeper


def test_the_size_of_the_ensemble_is_what_the_kafka_resource_wants_not_how_many_pods_there_are():
    world = World("strimzi-0.29.yaml")
    assert world.see().ensemble == 3
    world.drop(Kind.POD, "my-cluster-zookeeper-2")
    assert len(world.see().fleet.side_pods(Side.ZOOKEEPER)) == 2
    assert world.see().ensemble == 3


def test_without_a_kafka_resource_the_stateful_set_of_zookeeper_tells_its_size():
    world = World("strimzi-0.29.yaml")
    world.drop(Kind.KAFKA, "my-cluster")
    assert world.see().ensemble == 3
    world.drop(Kind.STATEFUL_SET, "my-cluster-zookeeper")
    assert world.see().ensemble is None


def test_the_stateful_set_of_a_plain_zookeeper_tells_its_size_however_many_pods_are_left():
    world = World("statefulset.yaml", FleetSpec("kafka", cluster="kafka", zookeeper="zk"))
    assert world.see().fleet.problems == ("statefulset: no ZooKeeper pods of a StatefulSet zk in namespace kafka",)
    owner = {"apiVersion": "apps/v1", "kind": "StatefulSet", "name": "zk", "uid": "uid-zk", "controller": True}
    labels = {"app": "zk", "controller-revision-hash": "zk-1"}
    status = {"observedGeneration": 1, "currentRevision": "zk-1", "updateRevision": "zk-1"}
    spec = {"replicas": 3, "selector": {"matchLabels": {"app": "zk"}}}
    of_set = {"metadata": meta("zk", "kafka", uid="uid-zk", generation=1), "spec": spec, "status": status}
    for kind, raw in ((Kind.STATEFUL_SET, of_set), *((Kind.POD, zk_pod(one, labels, owner)) for one in ("0", "1"))):
        world.desk.take(ObjectChanged(at(2), kind, parse(kind, raw), scope(kind)))
    seen = world.see()
    assert [side.name for side in seen.fleet.side_pods(Side.ZOOKEEPER)] == ["zk-0", "zk-1"]
    assert (seen.ensemble, seen.stateful, seen.fleet.problems) == (3, True, ())


def zk_pod(number, labels, owner):
    return pod(f"zk-{number}", labels=labels, ownerReferences=[owner])


def test_a_kafka_resource_tells_the_size_whatever_its_sets_are():
    assert World("strimzi-0.32.yaml").see().ensemble == 3


def test_where_the_kafka_resource_does_not_tell_the_size_the_stateful_set_does():
    world = World("strimzi-0.29.yaml")
    world.change(Kind.KAFKA, "my-cluster", spec__zookeeper=None)
    assert world.see().ensemble == 3


def test_a_size_of_which_a_part_is_not_known_is_not_known():
    world = World("strimzi-0.29.yaml")
    world.drop(Kind.KAFKA, "my-cluster")
    owner = {"kind": "StatefulSet", "name": "more", "uid": "uid-more"}
    world.change(Kind.POD, "my-cluster-zookeeper-2", metadata__ownerReferences=[owner])
    assert world.see().ensemble is None


# --- what else there is


def test_only_budgets_of_our_pods_are_shown_and_only_nodes_that_are_known():
    world = World()
    selector = {"matchLabels": {"app": "other"}}
    for name, namespace in (("orders-kafka", "elsewhere"), ("other", "kafka")):
        raw = {"metadata": meta(name, namespace, uid=f"{namespace}-{name}"), "spec": {"selector": selector}}
        world.desk.take(ObjectChanged(at(2), Kind.BUDGET, parse(Kind.BUDGET, raw), "kafka"))
    world.drop(Kind.NODE, NODE)
    seen = world.see()
    assert {name: budget.meta.namespace for name, budget in seen.budgets.items()} == {"orders-kafka": "kafka"}
    assert None in {pod.node_uid for pod in seen.fleet}
    assert NODE not in {node.name for node in seen.nodes.values()}


# --- watches


def standing(seen, kind):
    return [
        (one.scope, one.as_of, one.problem.code if one.problem else None) for one in seen.watches if one.kind is kind
    ]


def test_each_watch_is_shown_by_itself_with_what_is_wrong_with_it():
    world = World()
    world.desk.take(WatchAlive(at(5), Kind.POD, "kafka"))
    world.desk.take(WatchBroken(at(6), Kind.POD, "403", "no", "strimzi"))
    world.desk.take(WatchBroken(at(7), Kind.NODE, "503", "not now"))
    seen = world.see()
    assert standing(seen, Kind.POD) == [("kafka", at(5), None), ("strimzi", None, "403")]
    assert standing(seen, Kind.NODE) == [("", at(0), "503")]
    world.desk.take(WatchAlive(at(8), Kind.NODE))
    assert standing(world.see(), Kind.NODE) == [("", at(8), None)]


def test_what_kafka_says_is_heard_at_once():
    world = World()
    assert world.desk.says.brokers == frozenset()
    world.desk.hear_kafka(ClusterView("XJbSSDGSQVqxrXZlkZzjRA", {0: "h:1"}, {}, {}), None)
    assert world.see().fleet.cluster == "orders"
