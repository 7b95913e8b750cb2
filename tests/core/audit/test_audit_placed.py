"""What the audit makes of the objects that were listed, and what it says of those that were not."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tests.core.audit.worlds import kafka, topic
from tests.core.kubernetes.raw import Watches, meta, node, pod

from kafka_sentinel.core.audit.facts import Gap, Part
from kafka_sentinel.core.audit.placed import CLEANER, Listed, exposed, kubernetes_facts, nothing
from kafka_sentinel.core.audit.workload import BudgetSpec, ListenerSpec, PodSpec
from kafka_sentinel.core.kubernetes.fleet import Flavour, FleetSpec
from kafka_sentinel.core.kubernetes.selector import Selector
from kafka_sentinel.core.kubernetes.views import Kind

SPEC = FleetSpec("kafka")
PLAIN = FleetSpec("kafka", flavour=Flavour.STATEFUL_SET, selector=Selector({"app": "kafka"}))
ZONE, CAPACITY = "topology.kubernetes.io/zone", "karpenter.sh/capacity-type"
WELL = {"cleaner": True}  # its webhook is there


def machine(name, **labels):
    return Kind.NODE, node(name, labels=labels or {ZONE: "a", CAPACITY: "spot"})


def strimzi(number, *, role="broker controller", claim=None):
    """Node `number` of Strimzi's cluster `orders`, on n<number>. Without a claim its log is in the pod."""
    labels = {
        "strimzi.io/cluster": "orders",
        "strimzi.io/kind": "Kafka",
        "strimzi.io/name": "orders-kafka",
        "strimzi.io/broker-role": str("broker" in role).lower(),
        "strimzi.io/controller-role": str("controller" in role).lower(),
    }
    volumes = [{"name": "data", "persistentVolumeClaim": {"claimName": claim}}] if claim is not None else []
    return Kind.POD, pod(f"orders-kafka-{number}", on=f"n{number}", labels=labels, volumes=volumes)


def plain(number):
    return Kind.POD, pod(f"kafka-{number}", on=f"n{number}", labels={"app": "kafka"})


def other(name, **labels):
    return Kind.POD, pod(name, on="n1", labels=labels)


MACHINES = [machine(f"n{number}") for number in (1, 2, 3)]
OPERATOR = other("operator", **{"strimzi.io/kind": "cluster-operator"})
CLEANERS_POD = other("cleaner", app=CLEANER)
ORDERS = [*MACHINES, OPERATOR, *map(strimzi, (1, 2, 3))]
OF_SET = [*MACHINES, *map(plain, (1, 2, 3))]
BOTH = [ORDERS, OF_SET]


def look(objects, spec=SPEC, of_kafka=None, **listed):
    return kubernetes_facts(Listed(Watches(*objects).inventory, **{**WELL, **listed}), spec, of_kafka)


def gaps(objects, spec=SPEC, of_kafka=None, **listed):
    return look(objects, spec, of_kafka, **listed)[1]


# --- what is known


def test_of_what_was_listed_that_is_kept_which_belongs_to_this_kafka():
    specs = {uid: PodSpec(uid, "kafka", {}, 30, (), memory=True) for uid in ("uid-orders-kafka-1", "uid-operator", "x")}
    offered = {name: (ListenerSpec(name, "internal", True, ""),) for name in ("orders", "other", "")}
    budgets = {"b": BudgetSpec("b", "minAvailable 2", 3, 2)}
    found, unknown = look(ORDERS, of_kafka=kafka(), pods=specs, listeners=offered, budgets=budgets)
    assert unknown == ()
    assert (found.fleet.flavour, sorted(found.fleet.pods)) == (Flavour.STRIMZI, [1, 2, 3])
    assert sorted(found.pods) == ["uid-operator", "uid-orders-kafka-1"]
    assert (found.listeners, found.budgets) == (offered["orders"], budgets)
    assert found.exposure == exposed(kafka(), found.fleet)
    assert found.drain_cleaner is True


def test_without_an_answer_of_kafka_the_pods_are_found_and_what_would_be_lost_is_not_known():
    found, unknown = look(ORDERS)
    assert (sorted(found.fleet.pods), found.exposure, unknown) == ([1, 2, 3], None, ())


def test_only_topics_that_are_fit_to_lose_a_replica_are_looked_at_for_what_would_be_lost():
    """The others have rules of their own."""
    topics = [topic("fit"), topic("thin", (1, 2)), topic("one", (1,)), topic("unknown", min_isr=None)]
    answers = kafka(*topics)
    fit = replace(answers.view, topics={name: one for name, one in answers.view.topics.items() if len(name) == 3})
    fleet = look(OF_SET[:-1], PLAIN)[0].fleet
    found = exposed(replace(answers, view=replace(fit, topics={one.name: one for one in topics})), fleet)
    assert (found.unjudged, {one.topics for one in found.each}) == (0, {(), ("fit",)})


@pytest.mark.parametrize(("voters", "lost"), [((1, 2, 3), ["n1", "n2"]), ((1,), ["n1"]), ((), []), (None, [])])
def test_who_votes_is_what_kafka_says_where_it_does(voters, lost):
    """A quorum of two needs both."""
    answers = kafka(voters=voters if voters != (1, 2, 3) else (1, 2))
    found, _ = look(OF_SET, PLAIN, answers)
    assert sorted(found.fleet.controllers) == sorted(answers.voters or ())
    each = found.exposure.each if found.exposure is not None else ()
    assert sorted(one.name for one in each if one.quorum and one.domain == "node") == lost


def test_a_broker_that_is_down_is_no_mere_controller():
    """The quorum names it and metadata does not; but topics have replicas on it."""
    answers = kafka()
    up = {number: facts for number, facts in answers.brokers.items() if number != 3}
    found, _ = look(OF_SET, PLAIN, replace(answers, brokers=up))
    assert sorted(found.fleet.pods) == [1, 2, 3]


@pytest.mark.parametrize(
    ("objects", "spec", "cleaner", "there"),
    [
        (ORDERS, SPEC, True, True),
        (ORDERS, SPEC, False, False),
        (ORDERS, SPEC, None, None),
        ([*ORDERS, CLEANERS_POD], SPEC, False, True),
        ([*ORDERS, CLEANERS_POD], SPEC, None, True),
        (OF_SET, PLAIN, True, False),
        (OF_SET, PLAIN, None, False),
        ([*OF_SET, CLEANERS_POD], PLAIN, None, False),
    ],
)
def test_whether_there_is_a_drain_cleaner(objects, spec, cleaner, there):
    """It looks after pods of Strimzi only. Its pod or its webhook shows it, and neither is guessed."""
    found, unknown = look(objects, spec, cleaner=cleaner, cleaner_gap="we may not look for it")
    assert found.drain_cleaner is there
    assert unknown == ((Gap(Part.DRAIN_CLEANER, "we may not look for it"),) if there is None else ())


# --- what is not


@pytest.mark.parametrize(
    ("kind", "scope", "code", "gap", "where"),
    [
        (Kind.NODE, "", "403", Gap(Part.NODES, "nodes: no"), BOTH),
        (Kind.VOLUME, "", "404", Gap(Part.VOLUMES, "persistentvolumes: no"), BOTH),
        (Kind.POD, "kafka", "403", Gap(Part.PODS, "pods in namespace kafka: no"), BOTH),
        (Kind.POD, "strimzi", "403", Gap(Part.OPERATOR, "pods in namespace strimzi: no"), BOTH),
        (Kind.BUDGET, "kafka", "404", Gap(Part.BUDGETS, "poddisruptionbudgets in namespace kafka: no"), BOTH),
        (Kind.KAFKA, "kafka", "403", Gap(Part.KAFKA_RESOURCE, "kafkas in namespace kafka: no"), BOTH),
        (Kind.KAFKA, "kafka", "404", Gap(Part.KAFKA_RESOURCE, "kafkas in namespace kafka: no"), [ORDERS]),
        (Kind.STATEFUL_SET, "kafka", "403", Gap(Part.PODS, "statefulsets in namespace kafka: no", False), [OF_SET]),
        (Kind.POD_SET, "kafka", "403", None, []),
    ],
)
def test_what_could_not_be_listed_is_a_gap_where_a_rule_or_the_search_for_pods_needs_it(kind, scope, code, gap, where):
    """A server that does not know Kafka resources has none of Strimzi's."""
    for objects, spec in ((ORDERS, SPEC), (OF_SET, PLAIN)):
        found = gaps(objects, spec, refused={(kind, scope): (code, "no")})
        assert found == ((gap,) if objects in where else ())


def test_a_stateful_set_that_may_not_be_seen_matters_only_where_it_is_looked_for():
    helm = {"app.kubernetes.io/name": "kafka", "app.kubernetes.io/component": "controller-eligible"}
    pods = [(Kind.POD, pod(f"k-controller-{number}", on=f"n{number}", labels=helm)) for number in (1, 2, 3)]
    assert gaps([*MACHINES, *pods], refused={(Kind.STATEFUL_SET, "kafka"): ("403", "no")}) == ()


def test_where_no_broker_is_found_it_is_said_why():
    spec = replace(SPEC, flavour=Flavour.STRIMZI)
    assert gaps([], spec) == (Gap(Part.PODS, "pods of the brokers: no Strimzi clusters in namespace kafka"),)
    controllers = [*MACHINES, *(strimzi(number, role="controller") for number in (1, 2, 3))]
    assert gaps(controllers, spec) == (Gap(Part.PODS, "pods of the brokers: no broker was found in namespace kafka"),)
    assert gaps([], spec, refused={(Kind.POD, "kafka"): ("403", "no")}) == (
        Gap(Part.PODS, "pods in namespace kafka: no"),
    )


def test_pods_and_brokers_that_do_not_match_are_said_and_the_others_judged():
    twice = Kind.POD, strimzi(3)[1] | {"metadata": strimzi(3)[1]["metadata"] | {"name": "orders-new-3", "uid": "u"}}
    said = [gap.why for gap in gaps([*ORDERS, twice], of_kafka=kafka()) if gap.part is Part.PODS and not gap.whole]
    assert said == [
        "pods orders-kafka-3, orders-new-3 all have broker id 3: none of them is used",
        "broker 3: no pod was found that runs it",
    ]


def test_an_operator_that_was_not_found_is_said_where_there_must_be_one():
    assert gaps([one for one in ORDERS if one is not OPERATOR]) == (
        Gap(
            Part.OPERATOR,
            "the operator: no pod of it is in namespace kafka; "
            "if it is in another namespace, set kubernetes.operator_namespace",
        ),
    )
    assert gaps(OF_SET, PLAIN) == ()


UNTOLD = "no label of a node tells"
SPOT = f"whether there is spot capacity under orders-kafka-1 and orders-kafka-3: {UNTOLD} (kubernetes.spot_labels)"
NO_ZONE = f"the zone of orders-kafka-1 and orders-kafka-2: {UNTOLD}"
DISKS = "whether the disks of orders-kafka-2 and orders-kafka-3 go with their node"


@pytest.mark.parametrize(
    ("refused", "said"),
    [
        (None, [(Part.NODES, SPOT), (Part.NODES, NO_ZONE), (Part.VOLUMES, DISKS)]),
        (Kind.BUDGET, [(Part.NODES, SPOT), (Part.NODES, NO_ZONE), (Part.VOLUMES, DISKS)]),
        (Kind.NODE, [(Part.VOLUMES, DISKS)]),
        (Kind.CLAIM, [(Part.NODES, SPOT), (Part.NODES, NO_ZONE)]),
        (Kind.VOLUME, [(Part.NODES, SPOT), (Part.NODES, NO_ZONE)]),
    ],
)
def test_what_the_objects_do_not_tell_is_said_unless_they_were_not_seen_at_all(refused, said):
    """Claims that are not bound do not tell where a disk is."""
    nodes = [machine("n1", some="label"), machine("n2", **{CAPACITY: "spot"}), machine("n3", **{ZONE: "c"})]
    unbound = [(Kind.CLAIM, {"metadata": meta(f"data-{number}", "kafka"), "spec": {}}) for number in (2, 3)]
    pods = [strimzi(1), strimzi(2, claim="data-2"), strimzi(3, claim="data-3")]
    found = gaps([*nodes, *unbound, OPERATOR, *pods], refused={(refused, ""): ("403", "no")} if refused else {})
    assert [(gap.part, gap.why) for gap in found if not gap.whole] == said
    assert len(found) == len(said) + (refused is not None)


def test_what_the_inventory_lacks_and_what_cannot_be_read_comes_last():
    found = gaps(ORDERS, extra_gaps=["no services"], unreadable=["pod p: no name"], cleaner=None, cleaner_gap="no")
    assert found == (
        Gap(Part.DRAIN_CLEANER, "no"),
        Gap(Part.OBJECTS, "no services"),
        Gap(Part.PODS, "an object that cannot be read: pod p: no name", whole=False),
    )


def test_parts_that_were_not_looked_at_at_all_are_gaps_for_one_reason():
    assert nothing((Part.PODS, Part.NODES), "no") == (Gap(Part.PODS, "no"), Gap(Part.NODES, "no"))
