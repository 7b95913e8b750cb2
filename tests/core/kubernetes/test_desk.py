"""The whole room, fed with what watches of a Strimzi cluster tell."""

from __future__ import annotations

import copy

import pytest
from tests.core.kubernetes.raw import at, load, node, pod, stamp

from kafka_sentinel.core.cluster import ClusterView, PartitionView, QuorumView, TopicView
from kafka_sentinel.core.commands import Count
from kafka_sentinel.core.events import ObjectChanged, ObjectDeleted, ObjectsListed, WatchAlive, WatchBroken
from kafka_sentinel.core.kubernetes.desk import KubernetesDesk
from kafka_sentinel.core.kubernetes.exposure import Domain
from kafka_sentinel.core.kubernetes.fleet import Flavour, FleetSpec
from kafka_sentinel.core.kubernetes.objects import Kind, parse
from kafka_sentinel.core.kubernetes.selector import Selector
from kafka_sentinel.core.kubernetes.stuck import Reason
from kafka_sentinel.core.types import Acks

NODE = "ip-10-0-1-11.eu-west-1.compute.internal"  # spot; brokers 0 and 2, controller 3, both operators
ORDERS = TopicView("orders", None, 2, (PartitionView(0, 0, (0, 1, 2), (0, 1, 2)),))
CLUSTER = ClusterView("XJbSSDGSQVqxrXZlkZzjRA", dict.fromkeys(range(3), "h:1"), {"orders": ORDERS}, {})
QUORUM = QuorumView(3, 1, (3, 4, 5), (3, 4, 5))
DISRUPTED = {"key": "node.kubernetes.io/unreachable", "effect": "NoExecute", "timeAdded": stamp(40)}


class Cluster:
    def __init__(self, **spec):
        self.objects = {(kind, raw["metadata"]["name"]): raw for kind, raw in load("strimzi-1.yaml")}
        self.desk = KubernetesDesk(FleetSpec("kafka", **spec))
        self.told, self.commands = [], []
        for kind in Kind:
            views = tuple(parse(kind, raw) for (one, _), raw in self.objects.items() if one is kind)
            self.desk.take(ObjectsListed(at(0), kind, views))
        self.desk.hear_kafka(CLUSTER, QUORUM)
        self.tick(1)

    def get(self, kind, name):
        return copy.deepcopy(self.objects[kind, name])

    def put(self, seconds, kind, raw):
        self.objects[kind, raw["metadata"]["name"]] = raw
        self.desk.take(ObjectChanged(at(seconds), kind, parse(kind, raw)))
        return self.tick(seconds)

    def drop(self, seconds, kind, name):
        raw = self.objects.pop((kind, name))
        self.desk.take(ObjectDeleted(at(seconds), kind, parse(kind, raw)))
        return self.tick(seconds)

    def tick(self, seconds):
        step = self.desk.tick(at(seconds), CLUSTER)
        self.told += [(one.kind, one.disruption.cause.value) for one in step.disruptions]
        self.told += [(one.kind, one.restart.broker, one.restart.cause.value) for one in step.restarts]
        self.commands += step.commands
        return step

    def counted(self, metric):
        return [dict(one.labels) for one in self.commands if isinstance(one, Count) and one.metric == metric]

    def power_loss(self):
        """The node goes silent, is deleted, its pods are cleared away and pend on their node-local volumes."""
        silent = self.get(Kind.NODE, NODE)
        ready = silent["status"]["conditions"][-1]
        ready |= {"status": "Unknown", "reason": "NodeStatusUnknown", "lastTransitionTime": stamp(40)}
        silent["spec"]["taints"] = [DISRUPTED]
        self.put(40, Kind.NODE, silent)
        self.drop(70, Kind.NODE, NODE)
        for number in (0, 2):
            name = f"orders-broker-{number}"
            raw = self.get(Kind.POD, name)
            raw["metadata"] |= {"deletionTimestamp": stamp(110), "deletionGracePeriodSeconds": 30}
            target = {"type": "DisruptionTarget", "status": "True", "reason": "DeletionByPodGC"}
            raw["status"]["conditions"].append({**target, "lastTransitionTime": stamp(80)})
            self.put(80, Kind.POD, raw)
            self.drop(81, Kind.POD, name)
            self.pending(82, raw, name)

    def pending(self, seconds, raw, name):
        new = copy.deepcopy(raw)
        new["metadata"] = {**new["metadata"], "uid": f"new-{name}", "creationTimestamp": stamp(seconds)}
        for key in ("deletionTimestamp", "deletionGracePeriodSeconds"):
            new["metadata"].pop(key)
        new["spec"].pop("nodeName")
        message = "0/2 nodes are available: 2 node(s) had volume node affinity conflict."
        scheduled = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": message}
        new["status"] = {"phase": "Pending", "conditions": [{**scheduled, "lastTransitionTime": stamp(seconds)}]}
        self.put(seconds, Kind.POD, new)


@pytest.fixture
def cluster():
    return Cluster()


def test_a_quiet_cluster_is_known_and_tells_nothing(cluster):
    for second in range(2, 100, 10):
        cluster.tick(second)
    assert cluster.told == cluster.commands == []
    assert sorted(cluster.desk.fleet.members) == list(range(6))
    assert cluster.desk.stuck == ()


def test_exposure_warns_before_anything_happens(cluster):
    found = cluster.desk.exposure
    assert found.counts == {Domain.NODE: 1, Domain.ZONE: 1, Domain.SPOT_POOL: 1}
    worst = next(one for one in found.each if one.domain is Domain.NODE)
    assert (worst.name, worst.members) == (NODE, (0, 2, 3))


def test_exposure_follows_the_assignment(cluster):
    orders = TopicView("orders", None, 1, ORDERS.partitions)  # one in sync is enough now
    cluster.desk.tick(at(20), ClusterView(CLUSTER.cluster_id, CLUSTER.brokers, {"orders": orders}, {}))
    assert cluster.desk.exposure.counts == {Domain.NODE: 0, Domain.ZONE: 0, Domain.SPOT_POOL: 1}
    cluster.desk.tick(at(40), CLUSTER)
    assert cluster.desk.exposure.counts == {Domain.NODE: 1, Domain.ZONE: 1, Domain.SPOT_POOL: 1}


def test_a_node_with_two_brokers_goes_without_a_word(cluster):
    cluster.power_loss()
    for second in range(90, 800, 10):
        cluster.tick(second)
    assert cluster.counted("node_disruptions_total") == [{"cause": "spot", "announced": "false"}]
    assert cluster.counted("broker_restarts_total") == [{"cause": "spot"}] * 2
    [disruption] = cluster.desk.disruptions.status()
    assert disruption["brokers"] == [0, 2]
    assert {(one.pod, one.reason) for one in cluster.desk.stuck} == {
        ("orders-broker-0", Reason.VOLUME_NODE_LOST),
        ("orders-broker-2", Reason.VOLUME_NODE_LOST),
    }
    assert cluster.desk.exposure.unplaced == (0, 2)


@pytest.mark.parametrize(("late_signals", "counted"), [(60.0, 130.0), (20.0, 90.0)])
def test_a_loss_is_counted_once_signals_can_be_late_no_more(late_signals, counted):
    cluster = Cluster(late_signals=late_signals)
    cluster.power_loss()  # the node is deleted after 70 seconds
    cluster.tick(counted - 1)
    assert cluster.counted("node_disruptions_total") == []
    cluster.tick(counted)
    assert cluster.counted("node_disruptions_total") == [{"cause": "spot", "announced": "false"}]


@pytest.mark.parametrize(("late_signals", "counted"), [(60.0, 170.0), (20.0, 130.0)])
def test_a_restart_is_counted_once_signals_can_be_late_no_more(late_signals, counted):
    cluster = Cluster(late_signals=late_signals)
    pod = cluster.get(Kind.POD, "orders-broker-1")
    gone = copy.deepcopy(pod)
    gone["metadata"] |= {"deletionTimestamp": stamp(110), "deletionGracePeriodSeconds": 0}
    cluster.put(110, Kind.POD, gone)
    cluster.drop(111, Kind.POD, "orders-broker-1")
    pod["metadata"] |= {"uid": "the-next", "creationTimestamp": stamp(112)}
    cluster.put(113, Kind.POD, pod)
    cluster.tick(counted - 1)
    assert cluster.counted("broker_restarts_total") == []
    cluster.tick(counted)
    assert cluster.counted("broker_restarts_total") == [{"cause": "pod_deleted"}]


def test_a_node_of_controllers_is_followed_and_not_counted(cluster):
    name = "ip-10-0-3-13.eu-west-1.compute.internal"
    cluster.drop(50, Kind.NODE, name)
    for second in range(60, 800, 10):
        cluster.tick(second)
    assert cluster.counted("node_disruptions_total") == []
    assert [one["cause"] for one in cluster.desk.disruptions.status()] == ["node_failure"]


def test_a_drained_node_of_controllers_is_not_counted(cluster):
    name, pod_name = "ip-10-0-3-13.eu-west-1.compute.internal", "orders-controller-5"
    open_node, going = cluster.get(Kind.NODE, name), cluster.get(Kind.POD, pod_name)
    closed = copy.deepcopy(open_node)
    closed["spec"]["unschedulable"] = True
    going["metadata"] |= {"deletionTimestamp": stamp(80), "deletionGracePeriodSeconds": 30}
    cluster.put(50, Kind.NODE, closed)
    cluster.put(51, Kind.POD, going)
    cluster.drop(55, Kind.POD, pod_name)
    cluster.put(100, Kind.NODE, open_node)
    for second in range(110, 800, 10):
        cluster.tick(second)
    assert [one["cause"] for one in cluster.desk.disruptions.status()] == ["drain"]
    assert cluster.counted("node_disruptions_total") == []


def test_a_broker_that_was_down_when_sentinel_began_is_no_mere_controller():
    """It is a voter, and metadata does not name it; but it holds replicas of the probe topic."""
    desk = KubernetesDesk(FleetSpec("kafka", flavour=Flavour.STATEFUL_SET, selector=Selector({"app": "kafka"})))
    pods = [pod(f"kafka-{number}", on=f"n{number}", labels={"app": "kafka"}) for number in range(3)]
    nodes = [node(f"n{number}") for number in range(3)]
    desk.take(ObjectsListed(at(0), Kind.NODE, tuple(parse(Kind.NODE, raw) for raw in nodes)))
    desk.take(ObjectsListed(at(0), Kind.POD, tuple(parse(Kind.POD, raw) for raw in pods)))
    probe = TopicView("probe", None, 2, (PartitionView(0, 1, (0, 1, 2), (1, 2)),))
    seen = ClusterView("cluster", {1: "h:1", 2: "h:1"}, {"probe": probe}, {Acks.ALL: "probe"})
    desk.hear_kafka(seen, QuorumView(1, 1, (0, 1, 2), (1, 2)))
    desk.tick(at(1), seen)
    desk.take(ObjectDeleted(at(10), Kind.NODE, parse(Kind.NODE, nodes[0])))
    commands = [one for second in range(20, 800, 10) for one in desk.tick(at(second), seen).commands]
    counted = [one.metric for one in commands if isinstance(one, Count)]
    assert counted.count("node_disruptions_total") == 1
    [disruption] = desk.disruptions.status()
    assert disruption["brokers"] == [0]


def test_how_fresh_the_views_are(cluster):
    kinds = (Kind.NODE, Kind.POD, Kind.BUDGET)
    assert cluster.desk.as_of(kinds) == at(0)
    for kind in kinds:
        cluster.desk.take(WatchAlive(at(9), kind))
    assert cluster.desk.as_of(kinds) == at(9)
    cluster.desk.take(WatchBroken(at(20), Kind.NODE, "timeout", "no answer"))
    assert cluster.desk.as_of(kinds) == at(9)
    fresh = KubernetesDesk(FleetSpec("kafka"))
    assert fresh.as_of(kinds) is None


def test_before_anything_is_listed_nothing_is_claimed():
    desk = KubernetesDesk(FleetSpec("kafka"))
    step = desk.tick(at(0), CLUSTER)
    assert (step.disruptions, step.restarts, step.commands) == ((), (), ())
    assert desk.exposure is None
    assert desk.fleet.pods == {}
    assert desk.fleet.problems


@pytest.mark.parametrize("told", [True, False])
def test_a_node_is_lost_by_silence_only_as_long_as_nodes_are_told_of(cluster, told):
    """It fell silent, and then nothing was told of any node: it may have come back since."""
    silent = cluster.get(Kind.NODE, NODE)
    well = cluster.get(Kind.NODE, NODE)
    ready = silent["status"]["conditions"][-1]
    ready |= {"status": "Unknown", "reason": "NodeStatusUnknown", "lastTransitionTime": stamp(40)}
    silent["spec"]["taints"] = [DISRUPTED]
    cluster.put(40, Kind.NODE, silent)
    for second in range(50, 1_000, 10):
        if told:
            cluster.desk.take(WatchAlive(at(second), Kind.NODE))
        cluster.tick(second)
    if not told:
        cluster.put(1_000, Kind.NODE, well)
    causes = [labels["cause"] for labels in cluster.counted("node_disruptions_total")]
    assert causes == (["node_failure"] if told else [])


@pytest.mark.parametrize("ends", ["its container", "the pod"])
def test_a_pod_that_comes_and_ends_between_two_ticks_is_counted(cluster, ends):
    """A watch that has caught up tells minutes at once."""
    name, second = "orders-broker-1", 300
    raw = cluster.get(Kind.POD, name)
    last = {**raw, "metadata": {**raw["metadata"], "deletionTimestamp": stamp(130), "deletionGracePeriodSeconds": 30}}
    cluster.desk.take(ObjectChanged(at(second), Kind.POD, parse(Kind.POD, last)))
    cluster.desk.take(ObjectDeleted(at(second), Kind.POD, parse(Kind.POD, last)))
    raw["metadata"] |= {"uid": "second", "creationTimestamp": stamp(110)}
    cluster.desk.take(ObjectChanged(at(second), Kind.POD, parse(Kind.POD, raw)))
    if ends == "the pod":
        raw["metadata"] |= {"deletionTimestamp": stamp(230), "deletionGracePeriodSeconds": 30}
        cluster.desk.take(ObjectChanged(at(second), Kind.POD, parse(Kind.POD, raw)))
        cluster.desk.take(ObjectDeleted(at(second), Kind.POD, parse(Kind.POD, raw)))
    else:
        status = next(one for one in raw["status"]["containerStatuses"] if one["name"] == "kafka")
        how = {"exitCode": 1, "reason": "Error", "finishedAt": stamp(200)}
        status |= {"restartCount": status["restartCount"] + 1, "lastState": {"terminated": how}}
        cluster.desk.take(ObjectChanged(at(second), Kind.POD, parse(Kind.POD, raw)))
    cluster.tick(second)
    cluster.tick(second + 700)
    causes = [labels["cause"] for labels in cluster.counted("broker_restarts_total")]
    assert causes == ["pod_deleted", "pod_deleted" if ends == "the pod" else "crash"]
