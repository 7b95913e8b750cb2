"""What watches complain of is counted each time and said once; what may not be seen is not known, rather than zero."""

from __future__ import annotations

import copy
import json
from dataclasses import replace

import pytest
from tests.core.kubernetes.raw import at, load, pod
from tests.core.kubernetes.test_desk import CLUSTER, NODE, QUORUM
from tests.core.kubernetes_world import NOTICE, KubernetesWorld
from tests.core.recovery_world import new_incidents

from kafka_sentinel.core.commands import Count, Log
from kafka_sentinel.core.events import (
    ClusterObserved,
    ClusterUnreachable,
    ObjectDeleted,
    ObjectsListed,
    QuorumObserved,
    QuorumUnreachable,
    WatchAlive,
    WatchBroken,
)
from kafka_sentinel.core.kubernetes.fleet import FleetSpec
from kafka_sentinel.core.kubernetes.objects import parse
from kafka_sentinel.core.kubernetes.observer import REPORT_EVERY, Observer
from kafka_sentinel.core.kubernetes.report import stuck_by_reason
from kafka_sentinel.core.kubernetes.stuck import Reason
from kafka_sentinel.core.kubernetes.views import PLURALS, Kind
from kafka_sentinel.core.types import PodRef


@pytest.fixture
def observer():
    return Observer(FleetSpec("kafka"), new_incidents())


def broken(seconds, code="403", kind=Kind.NODE):
    return WatchBroken(at(seconds), kind, code, f"{code} no")


def logs(commands):
    return [(one.level, one.event, one.fields["resource"]) for one in commands if isinstance(one, Log)]


def test_every_failure_is_counted_and_the_first_is_said(observer):
    first, second = observer.take(broken(0)), observer.take(broken(1))
    counts = [
        Count("watch_restarts_total", (("resource", "nodes"),)),
        Count("kubernetes_errors_total", (("code", "403"),)),
    ]
    assert [one for one in first if isinstance(one, Count)] == second == counts
    assert logs(first) == [("warning", "Kubernetes resource not watched", "nodes")]


def test_another_reason_and_the_end_of_it_are_said(observer):
    observer.take(broken(0))
    assert len(logs(observer.take(broken(1, "timeout")))) == 1
    again = observer.take(ObjectsListed(at(2), Kind.NODE, ()))
    assert logs(again) == [("info", "Kubernetes resource watched again", "nodes")]
    assert observer.take(ObjectsListed(at(3), Kind.NODE, ())) == []


def test_a_watch_that_goes_on_without_a_new_list_is_said_and_so_is_its_next_failure(observer):
    """An API server that restarts breaks a watch; what the watch knew still holds, so nothing is listed."""
    observer.take(ObjectsListed(at(0), Kind.NODE, ()))
    for second in (1, 10):
        assert logs(observer.take(broken(second, "unreachable"))) == [
            ("warning", "Kubernetes resource not watched", "nodes")
        ]
        assert observer.take(broken(second + 1, "unreachable"))[2:] == []
        again = observer.take(WatchAlive(at(second + 5), Kind.NODE))
        assert logs(again) == [("info", "Kubernetes resource watched again", "nodes")]
        assert observer.take(WatchAlive(at(second + 6), Kind.NODE)) == []


def test_a_resource_that_the_cluster_does_not_have_is_no_warning(observer):
    assert logs(observer.take(broken(0, "404", Kind.KAFKA)))[0][0] == "info"


def standings(status):
    """Return resource, code and whether it is known, of all watches that ever told anything."""
    return {
        (one["resource"], one["code"], one["synced_at"] is not None)
        for one in status["watches"]
        if one["code"] or one["synced_at"]
    }


APART = pytest.mark.parametrize(
    ("kind", "scope", "apart"), [(Kind.POD, "strimzi", "operator_pods"), (Kind.EVENT, "default", "node_events")]
)


@APART
def test_what_may_not_be_seen_in_another_namespace_leaves_what_is_kafkas_own_as_it_is(observer, kind, scope, apart):
    own = PLURALS[kind]
    observer.take(ObjectsListed(at(0), kind, (), "kafka"))
    said = observer.take(WatchBroken(at(1), kind, "403", "403 no", scope))
    assert [(one.fields["resource"], one.fields["namespace"]) for one in said if isinstance(one, Log)] == [(own, scope)]
    assert Count("watch_restarts_total", (("resource", apart),)) in said
    assert standings(observer.status(at(9))) == {(own, None, True), (apart, "403", False)}


@APART
def test_what_is_seen_in_another_namespace_only_is_not_kafkas(observer, kind, scope, apart):
    own = PLURALS[kind]
    observer.take(WatchBroken(at(0), kind, "403", "403 no", "kafka"))
    observer.take(ObjectsListed(at(1), kind, (), scope))
    assert standings(observer.status(at(9))) == {(own, "403", False), (apart, None, True)}


def test_where_nothing_is_watched_elsewhere_nothing_is_said_of_it(observer):
    observer.take(ObjectsListed(at(0), Kind.POD, (), "kafka"))
    assert [one["resource"] for one in observer.status(at(1))["watches"]] == list(PLURALS.values())


def test_what_nobody_has_seen_is_not_known(observer):
    report = observer.status(at(0))
    assert set(report["counts"].values()) == {None}
    assert report["exposure"] is None
    assert stuck_by_reason(report) is None
    assert {watch["synced_at"] for watch in report["watches"]} == {None}


def without(*kinds):
    """A cluster in which some kinds may not be seen."""
    world = KubernetesWorld.__new__(KubernetesWorld)
    forbidden = set(kinds)

    def list_all(*_):
        for kind in Kind:
            if kind in forbidden:
                world.step(WatchBroken(world.now(), kind, "403", "no"))
            else:
                KubernetesWorld.list_all(world, kind)

    world.list_all = list_all
    world.__init__()
    return world


def test_without_the_right_to_see_nodes_it_runs_and_says_what_it_does_not_know():
    world = without(Kind.NODE)
    world.run(10)
    report = world.kubernetes
    assert report["counts"]["on_spot"] is None
    assert report["counts"]["sharing_node"] == 0
    assert report["exposure"]["partitions"] == {"node": 0, "zone": None, "spot_pool": None}
    [nodes] = [one for one in report["watches"] if one["resource"] == "nodes"]
    assert (nodes["code"], nodes["synced_at"]) == ("403", None)
    world.delete_pod(2)
    world.run(1)
    assert [one["cause"] for one in world.incidents] == ["pod_deleted"]


def test_nodes_are_described_with_what_is_on_them_and_what_is_said_of_them():
    world = KubernetesWorld(places=("n1", "n1", "n3"))
    world.run(5)
    quiet = {"zone": "a", "capacity": "spot", "ready": True, "closed": False, "disruption": None}
    assert world.kubernetes["nodes"] == [
        {"name": "n1", **quiet, "brokers": [1, 2]},
        {"name": "n3", **quiet, "brokers": [3]},
    ]
    world.taint("n1", NOTICE)
    world.taint("n3", cordoned=True)
    world.run(REPORT_EVERY + 1)
    told = {one["name"]: (one["disruption"], one["closed"]) for one in world.kubernetes["nodes"]}
    assert told == {"n1": ("notice", False), "n3": ("drain", True)}


def test_a_node_that_is_disrupted_is_described_until_it_is_gone_also_without_its_pods():
    world = KubernetesWorld()
    world.run(5)
    world.taint("n1", NOTICE)
    world.delete_pod(1)
    world.run(REPORT_EVERY + 1)
    assert [(one["name"], one["brokers"]) for one in world.kubernetes["nodes"]] == [
        ("n1", []),
        ("n2", [2]),
        ("n3", [3]),
    ]
    world.drop(Kind.NODE, "n1")
    world.run(REPORT_EVERY + 1)
    assert [one["name"] for one in world.kubernetes["nodes"]] == ["n2", "n3"]


def test_a_node_that_is_not_ready_is_described_as_such():
    world = KubernetesWorld()
    world.run(5)
    assert {one["ready"] for one in world.kubernetes["nodes"]} == {True}
    world.silent("n2")
    world.run(REPORT_EVERY + 1)
    assert {one["name"]: one["ready"] for one in world.kubernetes["nodes"]} == {"n1": True, "n2": False, "n3": True}


def test_nodes_that_may_not_be_seen_are_known_by_their_pods_alone():
    world = without(Kind.NODE)
    world.run(5)
    unknown = {"zone": None, "capacity": "unknown", "ready": None, "closed": None, "disruption": None}
    assert world.kubernetes["nodes"][0] == {"name": "n1", **unknown, "brokers": [1]}


def test_no_more_nodes_are_described_than_the_schema_says(monkeypatch):
    monkeypatch.setattr("kafka_sentinel.core.kubernetes.report.MAX_NODES", 2)
    world = KubernetesWorld()
    world.run(5)
    assert [one["name"] for one in world.kubernetes["nodes"]] == ["n1", "n2"]


def test_without_the_right_to_see_pods_it_says_so_and_incidents_go_on():
    world = without(Kind.POD)
    world.run(10)
    assert world.kubernetes["pods"] == []
    assert set(world.kubernetes["counts"].values()) == {None}
    world.dead = {1}
    world.run(3)
    assert [one["cause"] for one in world.incidents] == ["unknown"]


def test_stuck_pods_are_counted_by_every_reason_there_is():
    world = KubernetesWorld()
    world.run(5)
    assert stuck_by_reason(world.kubernetes) == {reason.value: 0 for reason in Reason}


def test_pods_in_doubt_are_said_once(observer):
    observer.take(ObjectsListed(at(0), Kind.POD, ()))
    said = [one for one in observer.tick(at(1), None, ()) if isinstance(one, Log)]
    assert [one.event for one in said] == ["Kafka's pods are in doubt"]
    assert [one for one in observer.tick(at(2), None, ()) if isinstance(one, Log)] == []


def test_the_report_is_json_and_shares_nothing():
    world = KubernetesWorld()
    world.run(5)
    assert json.loads(json.dumps(world.kubernetes)) == world.kubernetes


def test_without_kubernetes_there_is_no_such_part():
    from tests.core.engine_world import Sentinel  # noqa: PLC0415 - the only test without

    from kafka_sentinel.core.checkpoint import to_state  # noqa: PLC0415 - as above

    plain = Sentinel()
    plain.step(broken(1))
    assert plain.status["kubernetes"] is None
    assert to_state(plain.engine)["kubernetes"] is None


def replaced(observer, *pods):
    """Whether all of these are replaced, once these were listed."""
    observer.take(ObjectsListed(at(0), Kind.POD, tuple(parse(Kind.POD, raw) for raw in pods)))
    return observer.are_replaced([PodRef("kafka", name, "old") for name in ("kafka-0", "kafka-1")])


def test_pods_are_replaced_once_each_has_a_successor_that_is_ready_and_stays(observer):
    ready = pod("kafka-0", uid="new-0")
    assert replaced(observer, ready, pod("kafka-1", uid="new-1"))
    for other in (
        pod("kafka-2"),  # there is none of its name
        pod("kafka-1", uid="old"),
        pod("kafka-1", uid="new-1", ready=False),
        pod("kafka-1", uid="new-1", deleted=0),
    ):
        assert not replaced(observer, ready, other)


def shown(observer, *objects):
    """Tell all that there is, and let a second pass."""
    for kind in Kind:
        observer.take(ObjectsListed(at(0), kind, tuple(parse(kind, raw) for one, raw in objects if one is kind)))
    observer.hear_kafka(ClusterObserved(at(0), at(0), CLUSTER), CLUSTER, QUORUM)
    return [one for one in observer.tick(at(1), CLUSTER, ()) if isinstance(one, Log)]


def strimzi():
    return [(kind, copy.deepcopy(raw)) for kind, raw in load("strimzi-1.yaml")]


def test_everything_that_is_news_at_one_moment_is_said(observer):
    """A notice, what is exposed, and a pod that is in doubt."""
    objects = strimzi()
    for kind, raw in objects:
        if kind is Kind.NODE:
            raw["spec"]["taints"] = [NOTICE]
    nameless = next(copy.deepcopy(raw) for kind, raw in objects if raw["metadata"]["name"] == "orders-broker-0")
    nameless["metadata"] |= {"name": "orders-broker-x", "uid": "x"}
    said = {one.event for one in shown(observer, *objects, (Kind.POD, nameless))}
    assert {"node disruption opened", "placement risk", "Kafka's pods are in doubt"} <= said


@pytest.mark.parametrize("nobody", [False, True])
def test_a_node_is_lost_since_kafka_says_that_its_brokers_do_not_answer(observer, nobody):
    objects = strimzi()
    shown(observer, *objects)
    others = replace(CLUSTER, brokers={1: "h:1"})
    for event in (
        QuorumObserved(at(20), at(20), QUORUM),
        QuorumUnreachable(at(25), at(25), "no"),
        ClusterUnreachable(at(30), at(30), "no") if nobody else ClusterObserved(at(30), at(30), others),
    ):
        observer.hear_kafka(event, others, QUORUM)
    node = next(raw for kind, raw in objects if (kind, raw["metadata"]["name"]) == (Kind.NODE, NODE))
    observer.take(ObjectDeleted(at(70), Kind.NODE, parse(Kind.NODE, node)))
    lost = [one.fields["lost_at"] for one in observer.tick(at(71), others, ()) if one.event == "node disruption lost"]
    assert lost == [at(30).wall]


def test_what_kafka_says_of_its_brokers_is_compared_with_the_pods(observer):
    shown(observer, *strimzi())
    more = replace(CLUSTER, brokers={**CLUSTER.brokers, 7: "h:1"})
    observer.hear_kafka(ClusterObserved(at(2), at(2), more), more, QUORUM)
    assert observer.status(at(3))["problems"] == ["broker 7: no pod was found that runs it"]
    assert observer.surroundings().fleet is observer.desk.fleet


def test_restarts_that_were_counted_are_taken_over(observer):
    state = {**observer.to_state(), "restarts": [["uid", 2]]}
    observer.restore(json.loads(json.dumps(state)), at(1))
    assert observer.to_state() == state


def test_a_pod_that_an_experiment_ends_goes_by_that(observer):
    objects = strimzi()
    shown(observer, *objects)
    pod = next(parse(kind, raw) for kind, raw in objects if raw["metadata"]["name"] == "orders-broker-1")
    observer.expect([PodRef("kafka", pod.meta.name, pod.meta.uid, 1)], at(2))
    observer.take(ObjectDeleted(at(3), Kind.POD, pod))
    [said] = [one for one in observer.tick(at(4), CLUSTER, ()) if one.event == "broker going"]
    assert (said.fields["broker"], said.fields["cause"]) == (1, "experiment")


def test_what_was_never_listed_is_not_in_doubt(observer):
    assert observer.tick(at(1), None, ()) == []


def test_the_report_is_made_anew_every_few_seconds(observer):
    before = observer.status(at(0))
    observer.take(broken(0.5))
    assert observer.status(at(REPORT_EVERY - 0.1)) is before
    assert standings(observer.status(at(REPORT_EVERY))) == {("nodes", "403", False)}
