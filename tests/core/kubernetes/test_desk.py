"""The whole room, fed with what watches of a Strimzi cluster tell."""

from __future__ import annotations

import copy

import pytest
from tests.core.kubernetes.raw import at, event, load, node, pod, stamp

from kafka_sentinel.core.cluster import ClusterView, PartitionView, QuorumView, TopicView
from kafka_sentinel.core.commands import Count
from kafka_sentinel.core.events import ObjectChanged, ObjectDeleted, ObjectsListed, WatchAlive, WatchBroken
from kafka_sentinel.core.kubernetes import desk as module
from kafka_sentinel.core.kubernetes.desk import KubernetesDesk
from kafka_sentinel.core.kubernetes.exposure import Domain
from kafka_sentinel.core.kubernetes.fleet import Flavour, FleetSpec, KafkaSays
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


# --- when it looks at what


class Rooms:
    """A desk of one broker, and what it asks of its rooms."""

    def __init__(self, monkeypatch):
        self.asked = []
        self.desk = KubernetesDesk(FleetSpec("kafka", selector=Selector({"app": "kafka"})))
        for name in ("discover", "exposure"):
            monkeypatch.setattr(module, name, self.noted(name, getattr(module, name)))
        for name in ("listed", "hosts", "tick"):
            monkeypatch.setattr(self.desk._nodes, name, self.noted(name, getattr(self.desk._nodes, name)))
        self.pod = pod("kafka-0", labels={"app": "kafka"})
        self.take(ObjectsListed(at(0), Kind.POD, (parse(Kind.POD, self.pod),)))
        self.take(ObjectsListed(at(0), Kind.NODE, (parse(Kind.NODE, node()),)))

    def noted(self, name, real):
        return lambda *given, **more: (self.asked.append((name, given)), real(*given, **more))[1]

    def take(self, event):
        self.desk.take(event)
        return self.taken()

    def changes(self, seconds, **more):
        raw = pod("kafka-0", labels={"app": "kafka"}, **more)
        return self.take(ObjectChanged(at(seconds), Kind.POD, parse(Kind.POD, raw)))

    def tick(self, seconds, cluster=CLUSTER):
        self.desk.tick(at(seconds), cluster)
        return self.taken()

    def taken(self):
        taken, self.asked = [name for name, _ in self.asked], []
        return taken


@pytest.fixture
def rooms(monkeypatch):
    return Rooms(monkeypatch)


def test_the_fleet_is_discovered_once_a_tick_and_only_if_something_has_changed(rooms):
    assert rooms.tick(1) == ["discover", "hosts", "tick", "exposure"]
    assert rooms.take(WatchAlive(at(2), Kind.POD)) == []
    assert rooms.tick(2) == ["hosts", "tick"]
    assert rooms.changes(3, ready=False) == []
    assert rooms.changes(3, ready=True) == []
    assert rooms.tick(3) == ["discover", "hosts", "tick", "exposure"]
    told = event("Cordon")
    assert rooms.take(ObjectsListed(at(4), Kind.EVENT, (parse(Kind.EVENT, told),))) == []
    assert rooms.tick(4) == ["hosts", "tick"]


def test_what_costs_much_is_looked_at_every_five_seconds_and_when_the_fleet_is_new(rooms):
    assert [second for second in range(1, 20) if "exposure" in rooms.tick(second)] == [1, 6, 11, 16]
    rooms.changes(20, ready=False)
    assert [second for second in range(20, 31) if "exposure" in rooms.tick(second)] == [20, 25, 30]


def test_without_an_answer_of_kafkas_nothing_is_exposed(rooms):
    assert "exposure" not in rooms.tick(1, None)
    assert rooms.desk.exposure is None
    assert rooms.desk.stuck == ()


def test_only_a_list_of_nodes_tells_which_nodes_are_missing(rooms):
    assert rooms.take(ObjectsListed(at(1), Kind.POD, ())) == []
    assert rooms.take(ObjectChanged(at(1), Kind.NODE, parse(Kind.NODE, node(cordoned=True)))) == []
    assert rooms.take(ObjectsListed(at(2), Kind.NODE, ())) == ["listed"]


def test_what_is_told_of_a_pod_in_place_of_another_is_told_to_a_fleet_that_is_up_to_date(rooms):
    rooms.tick(1)
    last = parse(Kind.POD, pod("kafka-0", labels={"app": "kafka"}, deleted=1))
    assert rooms.take(ObjectDeleted(at(2), Kind.POD, last)) == []
    assert rooms.changes(2, uid="second") == ["discover"]  # without it
    assert rooms.take(WatchAlive(at(2), Kind.POD)) == []
    assert rooms.changes(3, uid="second", ready=False) == ["discover"]  # with it, before anything more is told
    assert rooms.changes(4, uid="second") == []


def test_the_nodes_of_the_fleet_are_those_that_are_known(rooms):
    rooms.changes(1, on="of-a-node-that-is-not-seen")
    rooms.desk.tick(at(1), None)
    [(_, (_, hosts))] = [one for one in rooms.asked if one[0] == "hosts"]
    assert hosts == {}
    rooms.asked = []
    rooms.changes(2)
    rooms.desk.hear_kafka(CLUSTER, None)
    rooms.desk.tick(at(2), None)
    assert [given[1] for name, given in rooms.asked if name == "hosts"] == [{"uid-n1": frozenset({0})}]


def test_what_kafka_said_once_stays_said(rooms):
    rooms.tick(1)
    assert rooms.desk.says == KafkaSays()
    rooms.desk.hear_kafka(None, None)
    assert (rooms.desk.says, rooms.tick(2)) == (KafkaSays(), ["hosts", "tick"])
    rooms.desk.hear_kafka(ClusterView("c", {1: "h:1"}, {}, {}), None)
    rooms.desk.hear_kafka(ClusterView("c", {2: "h:1"}, {}, {}), QUORUM)
    rooms.desk.hear_kafka(None, None)
    assert rooms.desk.says == KafkaSays("c", frozenset({1, 2}), frozenset({3, 4, 5}))
    assert rooms.tick(3)[0] == "discover"
    rooms.desk.hear_kafka(ClusterView("c", {}, {}, {}), QUORUM)
    assert rooms.tick(4)[0] != "discover"


def test_all_kinds_are_known_as_of_the_oldest_of_them(rooms):
    rooms.take(WatchAlive(at(5), Kind.POD))
    assert rooms.desk.pods_as_of() == at(5)
    assert rooms.desk.as_of((Kind.NODE, Kind.POD)) == at(0)
    assert rooms.desk.as_of((Kind.POD, Kind.BUDGET)) is None
    assert rooms.desk.as_of(()) is None
