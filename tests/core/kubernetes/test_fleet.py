"""What a fleet tells of its own pods, and views of their objects."""

from __future__ import annotations

import pytest
from tests.core.kubernetes.fleets import OPERATOR, broker_pod, fleet, side_pod
from tests.core.kubernetes.raw import condition, node_claim, pod

from kafka_sentinel.core.kubernetes.fleet import DataVolume, Side
from kafka_sentinel.core.kubernetes.objects import Kind, Meta, parse
from kafka_sentinel.core.kubernetes.views import resource_name


@pytest.mark.parametrize(
    ("volumes", "local"),
    [
        ((False,), False),
        ((False, True), True),
        ((None, True), True),
        ((False, None), None),
        ((), False),
    ],
)
def test_a_brokers_data_goes_with_its_node_if_any_of_it_does(volumes, local):
    assert broker_pod(1, volumes=tuple(DataVolume("d", "pv", one) for one in volumes)).local is local


def test_a_node_takes_all_pods_of_the_cluster_on_it_and_not_the_operator():
    keeper, elsewhere = side_pod(Side.ZOOKEEPER, "zk-0"), side_pod(Side.ZOOKEEPER, "zk-1", node="n2")
    operator = side_pod(Side.CLUSTER_OPERATOR, "operator")
    placed = fleet(sides=(OPERATOR, keeper, elsewhere, operator))
    assert [one.name for one in placed.taken_with("uid-n1")] == ["orders-kafka-1", "zk-0"]
    assert placed.taken_with("uid-n9") == ()


@pytest.mark.parametrize(
    ("kind", "scope", "name"),
    [
        (Kind.POD, "kafka", "pods"),
        (Kind.POD, "", "pods"),
        (Kind.POD, "strimzi", "operator_pods"),
        (Kind.EVENT, "default", "node_events"),
        (Kind.BUDGET, "other", "poddisruptionbudgets"),
    ],
)
def test_what_is_watched_elsewhere_has_a_name_of_its_own(kind, scope, name):
    assert resource_name(kind, scope, "kafka") == name


def test_names_bear_their_namespace_if_they_have_one():
    names = [Meta(namespace, "x", "u", "", 0, {}, {}, None, None).full_name for namespace in ("kafka", "")]
    assert names == ["kafka/x", "x"]


def test_conditions_are_found_by_their_type():
    raw = pod(conditions=[condition("PodScheduled"), condition("DisruptionTarget", reason="why")])
    view = parse(Kind.POD, raw)
    assert (view.condition("DisruptionTarget").reason, view.condition("Other")) == ("why", None)
    claim = parse(Kind.NODE_CLAIM, node_claim(conditions=[condition("Launched"), condition("Drained", reason="why")]))
    assert (claim.condition("Drained").reason, claim.condition("Other")) == ("why", None)


@pytest.mark.parametrize(("conditions", "ready"), [([], False), ([condition("Ready")], True)])
def test_a_pod_is_ready_only_if_it_says_so(conditions, ready):
    raw = pod()
    raw["status"]["conditions"] = conditions
    assert parse(Kind.POD, raw).ready is ready
