"""The inventory: every object, what it is for and where it runs; every setting and who has it; as a document."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tests.core.audit.worlds import good, kafka, topic
from tests.core.kubernetes.fleets import broker_pod, fleet
from tests.core.kubernetes.raw import Watches, meta, node, pod

from kafka_sentinel.core.audit.facts import BrokerFacts, Facts, Gap, KubernetesFacts, Part, Setting, Source
from kafka_sentinel.core.audit.placed import CLEANER, Listed
from kafka_sentinel.core.audit.stock import (
    FORMAT,
    MAX_OBJECTS,
    MAX_PLACES,
    OF_KIND,
    OF_PART,
    Stock,
    Thing,
    stock,
    stock_document,
)
from kafka_sentinel.core.audit.workload import BudgetSpec, Extra, PodSpec
from kafka_sentinel.core.kubernetes.fleet import DataVolume, FleetSpec, Role
from kafka_sentinel.core.kubernetes.objects import Kind

SPEC = FleetSpec("kafka", spot_labels={"pool": "cheap"})
NODES = (
    (Kind.NODE, node("n1", labels={"topology.kubernetes.io/zone": "a", "pool": "cheap"})),
    (Kind.NODE, node("n2", labels={"karpenter.sh/capacity-type": "on-demand"})),
    (Kind.NODE, node("n3")),
)


def taken(*objects, members=(), pods=(), budgets=(), extras=()):
    """The inventory of these objects, some of whose pods are nodes of Kafka."""
    listed = Listed(Watches(*NODES, *objects).inventory, dict(pods), dict(budgets), extras=list(extras))
    placed = fleet(*members) if members else replace(fleet(), pods={}, controllers={})
    return stock(Facts(None, KubernetesFacts(placed)), listed, SPEC)


def things(*objects, **more):
    return taken(*objects, **more).things


def a_pod(name="orders-kafka-1", on="n1", claim=None, **more):
    volumes = [{"name": "data", "persistentVolumeClaim": {"claimName": claim}}] if claim else [{"name": "e"}]
    return Kind.POD, pod(name, on=on, volumes=[*volumes, {"name": "tmp", "emptyDir": {}}], **more)


def owner(kind, name):
    return {"kind": kind, "name": name, "uid": f"uid-{name}"}


# --- objects


def test_without_kubernetes_there_are_no_objects():
    listed = Listed(Watches(a_pod()).inventory)
    facts = good()
    assert stock(facts, listed, SPEC).things
    for asked in ((facts, None, SPEC), (facts, listed, None), (replace(facts, kubernetes=None), listed, SPEC)):
        assert stock(*asked).things == ()


def test_a_pod_of_kafka():
    given = PodSpec("orders-kafka-1", "kafka", {}, 30, (), memory=True, details=(("image", "kafka:4"),))
    raw = a_pod(claim="data-1", ownerReferences=[owner("StrimziPodSet", "orders-kafka"), owner("Kafka", "orders")])
    assert things(raw, members=[broker_pod(1)], pods={"uid-orders-kafka-1": given}) == (
        Thing(
            "Pod",
            "kafka",
            "orders-kafka-1",
            "Kafka: broker and controller 1",
            "StrimziPodSet orders-kafka, Kafka orders",
            "node n1, zone a, spot",
            (("volume data", "claim data-1"), ("image", "kafka:4")),
        ),
    )


@pytest.mark.parametrize(
    ("on", "where"),
    [("n1", "node n1, zone a, spot"), ("n2", "node n2, on-demand"), ("n3", "node n3"), ("n9", "node n9")],
)
def test_where_a_pod_runs(on, where):
    [thing] = things(a_pod(on=on))
    assert (thing.where, thing.details) == (where, ())


def test_a_pod_that_runs_nowhere():
    [thing] = things(a_pod(on=None))
    assert thing.where == "not scheduled"


STRIMZI = {"strimzi.io/cluster": "orders", "strimzi.io/kind": "Kafka"}


@pytest.mark.parametrize(
    ("labels", "purpose"),
    [
        ({"strimzi.io/kind": "cluster-operator"}, "Strimzi's operator: makes all of this of the Kafka resource"),
        ({"app": CLEANER}, "Strimzi's Drain Cleaner: has the operator roll a pod that is to be evicted"),
        ({**STRIMZI, "strimzi.io/name": "orders-entity-operator"}, OF_PART["entity-operator"]),
        ({**STRIMZI, "strimzi.io/name": "orders-zookeeper"}, OF_PART["zookeeper"]),
        ({"app.kubernetes.io/name": "zookeeper"}, OF_PART["zookeeper"]),
        ({"app.kubernetes.io/name": "grafana", "app": "g"}, "not of this Kafka cluster (grafana)"),
        ({"app": "shop"}, "not of this Kafka cluster (shop)"),
        ({}, "not of this Kafka cluster"),
    ],
)
def test_what_a_pod_is_for_that_is_no_node_of_kafka(labels, purpose):
    [thing] = things(a_pod("other", labels=labels), members=[broker_pod(1)])
    assert thing.purpose == purpose


def test_what_a_disk_is_for():
    claims = [(Kind.CLAIM, {"metadata": meta(f"data-{number}", "kafka"), "spec": {}}) for number in (1, 2, 3)]
    shared = broker_pod(1, volumes=(DataVolume("data-1", "pv-1", None), DataVolume("data-2", "pv-2", None)))
    second = broker_pod(2, roles=frozenset({Role.CONTROLLER}), volumes=(DataVolume("data-2", "pv-2", None),))
    assert [(one.kind, one.purpose) for one in things(*claims, members=[shared, second])] == [
        ("PersistentVolumeClaim", "the disk of node 1 of Kafka"),
        ("PersistentVolumeClaim", "the disk of node 1, 2 of Kafka"),
        ("PersistentVolumeClaim", "a disk that no pod of Kafka uses now"),
    ]


def test_volumes_of_others_are_left_out():
    volumes = [(Kind.VOLUME, {"metadata": meta(f"pv-{number}"), "spec": {}}) for number in (2, 1, 3)]
    members = [broker_pod(1, volumes=(DataVolume("a", "pv-1", None), DataVolume("b", "pv-2", None)))]
    assert things(*volumes, members=members) == (
        Thing("PersistentVolume", "", "pv-1", "a disk", "", ""),
        Thing("PersistentVolume", "", "pv-2", "a disk", "", ""),
    )


def test_what_a_budget_allows_is_said_of_no_other_object_of_its_name():
    raw = [(Kind.BUDGET, {"metadata": meta(name, "kafka"), "spec": {}}) for name in ("known", "new")]
    of_its_name = (Kind.POD_SET, {"metadata": meta("known", "kafka")})
    first, *found = things(*raw, of_its_name, budgets={"known": BudgetSpec("known", "maxUnavailable 1", 3, 2)})
    assert (first.kind, first.details) == ("StrimziPodSet", ())
    assert [(one.kind, one.name, one.purpose, one.where, one.details) for one in found] == [
        ("PodDisruptionBudget", "known", OF_KIND["PodDisruptionBudget"], "", (("allows", "maxUnavailable 1"),)),
        ("PodDisruptionBudget", "new", OF_KIND["PodDisruptionBudget"], "", ()),
    ]


def test_objects_stand_by_kind_and_name_and_the_others_after_them():
    objects = [
        (Kind.STATEFUL_SET, {"metadata": meta("orders", "kafka"), "spec": {"replicas": 3}}),
        a_pod("orders-2"),
        a_pod("orders-1"),
        a_pod("orders-3", namespace="a"),
        (Kind.POD_SET, {"metadata": meta("orders", "kafka")}),
    ]
    extra = Extra("Service", "kafka", "bootstrap", "Kafka orders", (("type", "ClusterIP"),))
    found = things(*objects, extras=[extra])
    assert [(one.kind, one.namespace, one.name) for one in found] == [
        ("StrimziPodSet", "kafka", "orders"),
        ("StatefulSet", "kafka", "orders"),
        ("Pod", "a", "orders-3"),
        ("Pod", "kafka", "orders-1"),
        ("Pod", "kafka", "orders-2"),
        ("Service", "kafka", "bootstrap"),
    ]
    assert [found[0].purpose, found[0].where, found[0].details] == [OF_KIND["StrimziPodSet"], "", ()]
    assert found[-1] == Thing(
        "Service", "kafka", "bootstrap", OF_KIND["Service"], "Kafka orders", "", (("type", "ClusterIP"),)
    )


@pytest.mark.parametrize(("number", "shown", "left_out"), [(MAX_OBJECTS, MAX_OBJECTS, 0), (5_003, MAX_OBJECTS, 3)])
def test_objects_beyond_the_bound_are_counted(number, shown, left_out):
    found = taken(extras=[Extra("Service", "kafka", str(one), "", ()) for one in range(number)])
    assert (len(found.things), found.left_out) == (shown, left_out)


# --- settings


def values(settings):
    """The settings of topics t0, t1, …: name, value, places, how many have it, and of how many."""
    facts = replace(kafka(), settings={f"t{number}": one for number, one in enumerate(settings)})
    found = stock(Facts(facts, None), None, None).of_topics
    return [(one.name, one.setting.value, one.places, one.count, one.of) for one in found]


def test_who_has_the_same_value_from_the_same_source():
    low, high = Setting("1", Source.TOPIC), Setting("2", Source.TOPIC)
    inherited = replace(high, source=Source.FILE)
    assert values([{"b": low, "a": high}, {"b": high}, {"b": inherited}, {"b": high}]) == [
        ("a", "2", ("t0",), 1, 4),
        ("b", "2", ("t1", "t3"), 2, 4),
        ("b", "1", ("t0",), 1, 4),
        ("b", "2", ("t2",), 1, 4),
    ]
    assert values([]) == []


def test_brokers_stand_in_the_order_of_their_numbers_and_topics_in_that_of_their_names():
    one = {"a": Setting("1", Source.FILE)}
    brokers = {number: BrokerFacts(number, "b:9092", None, one) for number in (10, 9, 100)}
    facts = replace(kafka(), brokers={**brokers, 1: BrokerFacts(1, "b:9092", None, None)})
    topics = dict.fromkeys(("orders", "b", "aa", "20", "3"), one)
    found = stock(Facts(replace(facts, settings=topics), None), None, None)
    assert [(each.places, each.count, each.of) for each in found.of_brokers] == [(("9", "10", "100"), 3, 4)]
    assert [each.places for each in found.of_topics] == [("aa", "b", "orders", "3", "20")]


def test_of_many_places_some_are_named():
    [(_, _, places, count, of)] = values([{"a": Setting("1", Source.TOPIC)}] * (MAX_PLACES + 1))
    assert (len(places), count, of) == (MAX_PLACES, MAX_PLACES + 1, MAX_PLACES + 1)


def test_a_value_is_a_default_wherever_it_was_set():
    facts = replace(
        kafka(topic()), settings={"t": {"a": Setting("1", Source.TOPIC, "1"), "b": Setting("1", Source.TOPIC)}}
    )
    found = stock(Facts(facts, None), None, None).of_topics
    assert [one.is_default for one in found] == [True, False]


def test_a_kafka_that_did_not_answer_has_neither_an_id_nor_settings():
    gap = Gap(Part.TOPICS, "no answer")
    assert stock(Facts(None, None, (gap,)), None, None) == Stock(None, (), 0, (), (), (gap,))


def test_what_no_rule_needs_and_could_not_be_listed_is_missing_from_the_inventory_and_said():
    """A server that does not know a kind has none. What is said already is not said twice."""
    refused = {
        (Kind.POD_SET, "kafka"): ("403", "no"),
        (Kind.STATEFUL_SET, "kafka"): ("403", "no"),
        (Kind.NODE, ""): ("403", "no"),
        (Kind.CLAIM, "kafka"): ("403", "no"),
    }
    sets = Gap(Part.OBJECTS, "strimzipodsets in namespace kafka: no")
    stateful = Gap(Part.OBJECTS, "statefulsets in namespace kafka: no")
    nodes, said = Gap(Part.NODES, "nodes: no"), replace(stateful, part=Part.PODS, whole=False)
    listed = Listed(Watches().inventory, refused=refused)
    assert stock(good(gaps=[nodes]), listed, SPEC).gaps == (nodes, sets, stateful)
    assert stock(good(gaps=[said]), listed, SPEC).gaps == (said, sets)
    unknown = Listed(Watches().inventory, refused={(Kind.POD_SET, "kafka"): ("404", "no")})
    assert stock(good(gaps=[nodes]), unknown, SPEC).gaps == (nodes,)


# --- as a document


def test_the_document_says_it_all():
    secret = {"password": Setting(None, Source.FILE, None, secret=True)}
    facts = good(
        replace(
            kafka(),
            brokers={1: BrokerFacts(1, "b:9092", None, secret)},
            settings={"t": {"a": Setting("1", Source.TOPIC, "2")}},
        ),
        gaps=[Gap(Part.ACLS, "we may not", whole=False)],
    )
    extras = [Extra("Service", "kafka", "bootstrap", "Kafka orders", (("type", "ClusterIP"),))]
    found = stock(facts, Listed(Watches().inventory, extras=extras), SPEC)
    assert stock_document(replace(found, left_out=2), "0.1.0") == {
        "format": FORMAT,
        "version": "0.1.0",
        "cluster_id": "lkc-1",
        "objects": [
            {
                "kind": "Service",
                "namespace": "kafka",
                "name": "bootstrap",
                "purpose": OF_KIND["Service"],
                "owner": "Kafka orders",
                "where": "",
                "details": {"type": "ClusterIP"},
            }
        ],
        "left_out": 2,
        "broker_settings": [
            {
                "name": "password",
                "value": None,
                "secret": True,
                "source": "file",
                "default": None,
                "brokers": ["1"],
                "count": 1,
            }
        ],
        "topic_settings": [
            {
                "name": "a",
                "value": "1",
                "secret": False,
                "source": "topic",
                "default": "2",
                "topics": ["t"],
                "count": 1,
            }
        ],
        "not_looked_at": [{"part": "ACLs", "why": "we may not", "whole": False}],
    }
