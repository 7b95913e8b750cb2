"""What is read of the specification of pods, budgets, Kafka resources and other objects, and what is shown of it."""

from __future__ import annotations

import pytest

from kafka_sentinel.core.audit.workload import (
    DEFAULT_GRACE,
    MAX_DETAIL,
    MAX_DETAILS,
    BudgetSpec,
    Extra,
    ListenerSpec,
    PodSpec,
    Separation,
    budget_spec,
    extra,
    listeners,
    pod_spec,
)
from kafka_sentinel.core.kubernetes.fields import ObjectError
from kafka_sentinel.core.kubernetes.selector import Selector

HOST, ZONE = "kubernetes.io/hostname", "topology.kubernetes.io/zone"
KAFKA = {"app": "kafka"}
NOT_SET = tuple(
    (what, "not set")
    for what in (
        "node selector",
        "tolerations",
        "affinity",
        "topology spread",
        "grace period",
        "priority class",
        "service account",
        "pod security context",
        "host network",
    )
)
NOTHING = (*NOT_SET, ("config maps", "none mounted"), ("secrets", "none mounted"))


def pod(spec, **meta):
    return pod_spec({"metadata": {"name": "kafka-0", **meta}, "spec": spec})


def details(**spec):
    """What is shown of a pod, but for what is not set."""
    return [one for one in pod(spec).details if one not in NOTHING]


# --- pods


def test_a_pod_that_says_nothing():
    assert pod({}) == PodSpec("kafka-0", "", {}, DEFAULT_GRACE, (), memory=False, details=NOTHING)
    assert pod_spec({"metadata": {"name": "kafka-0"}}).details == ()


def test_whose_pod_it_is_and_how_long_it_may_take_to_end():
    found = pod({"terminationGracePeriodSeconds": 0}, namespace="stage", labels=KAFKA)
    assert (found.name, found.namespace, found.labels, found.grace) == ("kafka-0", "stage", KAFKA, 0)


@pytest.mark.parametrize("raw", [None, {}, {"metadata": {}}, {"metadata": {"name": "p"}, "spec": []}])
def test_what_is_no_pod_is_refused(raw):
    with pytest.raises(ObjectError):
        pod_spec(raw)


@pytest.mark.parametrize(
    ("requests", "memory"),
    [
        ([{"memory": "1Gi", "cpu": 1}, {"memory": "1Gi"}], True),
        ([{"memory": "1Gi"}, {"cpu": 1}], False),
        ([{"memory": "1Gi"}, None], False),
        ([], False),
    ],
)
def test_every_container_asks_for_memory(requests, memory):
    assert pod({"containers": [{"resources": {"requests": one}} for one in requests]}).memory is memory


def test_what_keeps_pods_apart():
    selector = {"labelSelector": {"matchLabels": KAFKA}}
    found = pod(
        {
            "affinity": {
                "podAntiAffinity": {
                    "requiredDuringSchedulingIgnoredDuringExecution": [{"topologyKey": HOST, **selector}],
                    "preferredDuringSchedulingIgnoredDuringExecution": [
                        {"weight": 1, "podAffinityTerm": {"topologyKey": ZONE, **selector}}
                    ],
                }
            },
            "topologySpreadConstraints": [
                {"topologyKey": HOST, "whenUnsatisfiable": "DoNotSchedule", "maxSkew": 1, **selector},
                {"topologyKey": HOST, "whenUnsatisfiable": "DoNotSchedule", "maxSkew": 2, **selector},
                {"topologyKey": HOST, "whenUnsatisfiable": "ScheduleAnyway", "maxSkew": 1, **selector},
                {},
            ],
        }
    )
    kafka = Selector(KAFKA)
    assert found.separations == (
        Separation(HOST, True, kafka),
        Separation(ZONE, False, kafka),
        Separation(HOST, True, kafka),
        Separation(HOST, False, kafka),
        Separation(HOST, False, kafka),
        Separation("", False, None),
    )
    assert found.separations[0].concerns({**KAFKA, "more": "yes"})
    assert not found.separations[0].concerns({})
    assert not found.separations[-1].concerns({})


# --- what the inventory shows of a pod


def test_what_is_shown_of_a_pod_in_its_order():
    assert details(
        hostNetwork=True,
        securityContext={"runAsUser": 1000},
        serviceAccountName="orders",
        priorityClassName="high",
        terminationGracePeriodSeconds=60,
        topologySpreadConstraints=[{"maxSkew": 1}],
        affinity={"nodeAffinity": {}},
        tolerations=[{"key": "b", "effect": "a"}],
        nodeSelector={"pool": "kafka"},
    ) == [
        ("node selector", '{"pool": "kafka"}'),
        ("tolerations", '[{"effect": "a", "key": "b"}]'),
        ("affinity", '{"nodeAffinity": {}}'),
        ("topology spread", '[{"maxSkew": 1}]'),
        ("grace period", "60"),
        ("priority class", "high"),
        ("service account", "orders"),
        ("pod security context", '{"runAsUser": 1000}'),
        ("host network", "true"),
    ]
    assert details(nodeSelector={}, tolerations=[]) == []


def test_what_is_shown_of_containers():
    assert details(
        initContainers=[{"name": "init", "image": "a"}],
        containers=[{"resources": {"limits": {"cpu": 1}}, "securityContext": {"privileged": False}}],
    ) == [
        ("resources of init", "not set"),
        ("security context of init", "not set"),
        ("image of init", "a"),
        ("resources of not set", '{"limits": {"cpu": 1}}'),
        ("security context of not set", '{"privileged": false}'),
        ("image of not set", "not set"),
    ]
    assert details(initContainers="?") == []
    assert details(initContainers=["?", {"name": "b"}])[0] == ("resources of b", "not set")


def test_what_is_mounted_is_named_and_not_shown():
    volumes = [
        {"name": "a", "configMap": {"name": "settings", "items": ["hidden"]}},
        {"name": "b", "secret": {"secretName": "certificate"}},
        {"name": "c", "configMap": {"name": "more"}},
        {"name": "d", "secret": "?"},
    ]
    assert details(volumes=volumes) == [("config maps", "settings, more"), ("secrets", "certificate")]


def test_of_a_pod_of_many_containers_the_first_details_are_kept():
    found = pod({"containers": [{"name": str(number)} for number in range(20)]}).details
    assert len(found) == MAX_DETAILS
    assert found[: len(NOTHING)] == NOTHING


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("x" * MAX_DETAIL, "x" * MAX_DETAIL),
        ("x" * (MAX_DETAIL + 1), "x" * MAX_DETAIL + "…"),
        ("two\nlines", "two\\nlines"),
        ("", ""),
    ],
)
def test_what_is_long_or_would_steer_a_terminal_is_cut_and_made_plain(text, shown):
    assert dict(pod({"priorityClassName": text}).details)["priority class"] == shown


def test_what_is_nested_too_deeply_is_no_error():
    nested: list[object] = []
    for _ in range(100_000):
        nested = [nested]
    assert details(tolerations=nested) == [("tolerations", "nested too deeply to be shown")]


# --- disruption budgets


def budget(spec, generation=3, observed=3, **status):
    return budget_spec(
        {
            "metadata": {"name": "orders", "generation": generation},
            "spec": spec,
            "status": {"observedGeneration": observed, "expectedPods": 3, "desiredHealthy": 2, **status},
        }
    )


@pytest.mark.parametrize(
    ("spec", "text"),
    [
        ({"minAvailable": 2}, "minAvailable 2"),
        ({"maxUnavailable": "50%"}, "maxUnavailable 50%"),
        ({"maxUnavailable": 1, "minAvailable": "2"}, "minAvailable 2, maxUnavailable 1"),
        ({}, ""),
    ],
)
def test_what_a_budget_allows_in_words_and_in_numbers(spec, text):
    assert budget(spec) == BudgetSpec("orders", text, 3, 2)
    assert budget(spec).allows == 1


def test_what_its_controller_did_not_say_yet_is_not_known():
    assert budget({}, observed=2) == BudgetSpec("orders", "", None, None)
    assert budget({}, observed=2).allows is None
    assert budget({}, expectedPods=None).allows is None
    assert budget({}, desiredHealthy=None).allows is None
    assert budget({}, desiredHealthy=4).allows == 0


def test_a_budget_has_a_name():
    with pytest.raises(ObjectError):
        budget_spec({"metadata": {}})


# --- listeners


def kafka(found):
    return {"metadata": {"name": "orders"}, "spec": {"kafka": {"listeners": found}}}


def test_the_listeners_of_a_kafka_resource():
    given = [
        {"name": "tls", "type": "internal", "tls": True, "authentication": {"type": "tls"}},
        {"name": "external", "type": "loadbalancer"},
        {},
    ]
    found = listeners(kafka(given))
    assert found == (
        ListenerSpec("tls", "internal", True, "tls"),
        ListenerSpec("external", "loadbalancer", False, ""),
        ListenerSpec("", "", False, ""),
    )
    assert [one.is_outside for one in found] == [False, True, True]
    assert not ListenerSpec("", "cluster-ip", False, "").is_outside


def test_listeners_of_long_ago_are_an_object_and_are_left_to_the_brokers():
    assert listeners(kafka({"plain": {}})) == ()
    assert listeners({}) == ()


# --- other objects


def test_what_the_inventory_shows_of_another_object():
    owners = [{"kind": "Kafka", "name": "orders", "uid": "u"}, {"kind": "Node", "name": "n1"}]
    raw = {
        "metadata": {"name": "orders-bootstrap", "namespace": "stage", "ownerReferences": owners},
        "spec": {"selector": None, "type": "ClusterIP", "ports": [], "clusterIP": "10.0.0.1"},
    }
    shown = (("type", "ClusterIP"), ("ports", "not set"), ("selector", "not set"))
    assert extra("Service", raw) == Extra("Service", "stage", "orders-bootstrap", "Kafka orders, Node n1", shown)


@pytest.mark.parametrize("spec", [None, "type", {}])
def test_what_another_object_does_not_say_is_not_shown(spec):
    raw = {"metadata": {"name": "orders"}, "spec": spec}
    assert extra("Service", raw) == Extra("Service", "", "orders", "", ())
    assert extra("ServiceAccount", {**raw, "spec": {"type": "?"}}).details == ()


def test_another_object_has_a_name():
    with pytest.raises(ObjectError):
        extra("Service", {"metadata": {"namespace": "stage"}})
