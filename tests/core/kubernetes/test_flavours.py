"""Which pods are whose, label by label, and what their names and variables tell of them."""

from __future__ import annotations

import pytest
from tests.core.kubernetes.fleets import fleet
from tests.core.kubernetes.raw import Watches, meta, pod

from kafka_sentinel.core.kubernetes.flavours import bitnami, ordinal, stateful_set, strimzi, strimzi_sets
from kafka_sentinel.core.kubernetes.fleet import Flavour, FleetSpec, KafkaSays, Role, Side
from kafka_sentinel.core.kubernetes.objects import Kind
from kafka_sentinel.core.kubernetes.selector import Selector

BROKER, CONTROLLER, BOTH = frozenset({Role.BROKER}), frozenset({Role.CONTROLLER}), frozenset(Role)
NOTHING = KafkaSays()
HUGE = "9" * 5_000  # Python refuses to read it as a number


def watched(*objects):
    return Watches(*objects).inventory


def spec(**more):
    return FleetSpec(**{"namespace": "kafka", **more})


def of_strimzi(pod_name, cluster="orders", part="kafka", **labels):
    """A pod of a Strimzi cluster. `labels`: those of strimzi.io that differ, with "_" for "-"."""
    plain = {"cluster": cluster, "kind": "Kafka", "name": f"{cluster}-{part}", **labels}
    return Kind.POD, pod(
        pod_name, labels={f"strimzi.io/{key.replace('_', '-')}": value for key, value in plain.items()}
    )


def resource(name, cluster_id=None):
    return Kind.KAFKA, {"metadata": meta(name, "kafka"), "status": {"clusterId": cluster_id}}


def with_variables(name, labels, variables, namespace="kafka"):
    env = [{"env": [{"name": key, "value": value} for key, value in variables.items()]}]
    return Kind.POD, pod(name, namespace, labels=labels, spec_containers=env)


def of_bitnami(name, component="broker", release="events", app="kafka", namespace="kafka", **variables):
    said = {"name": app, "instance": release, "component": component}
    return with_variables(name, {f"app.kubernetes.io/{key}": one for key, one in said.items()}, variables, namespace)


def plain(name, **variables):
    return with_variables(name, {"app": "kafka"}, variables)


def told(found):
    return {member.pod.meta.name: (member.broker, member.roles) for member in found.members}


def sides(found):
    return [(side, one.meta.name) for side, one in found.sides]


@pytest.mark.parametrize(
    ("name", "number"),
    [
        ("kafka-0", 0),
        ("orders-broker-12", 12),
        ("kafka-999999999", 999_999_999),
        ("kafka-1000000000", None),
        ("kafka-²", None),
        ("kafka-٣", None),
        ("kafka-x", None),
        ("kafka-", None),
    ],
)
def test_the_ordinal_of_a_pod(name, number):
    assert ordinal(name) == number


# --- Strimzi


@pytest.mark.parametrize(
    "other",
    [
        of_strimzi("connect-1", "connect", "connect", kind="KafkaConnect"),
        of_strimzi("other-1", "other", kind="KafkaConnect"),  # its name ends like that of Kafka
        of_strimzi("other-2", "other", name="kafka"),  # its name does not begin with that of its cluster
        of_strimzi("orders-3", name="kafka"),
        of_strimzi("orders-4", kind="KafkaConnect"),
    ],
)
def test_what_else_strimzi_runs_is_neither_a_kafka_cluster_nor_a_broker(other):
    found = strimzi(spec(), watched(of_strimzi("orders-0"), other), NOTHING)
    assert (found.cluster, told(found)) == ("orders", {"orders-0": (0, BROKER)})


TWO = (of_strimzi("audit-0", "audit"), of_strimzi("orders-1"))


@pytest.mark.parametrize(
    ("resources", "says", "wanted", "cluster"),
    [
        ([resource("audit", "a"), resource("orders", "o")], KafkaSays(cluster_id="o"), None, "orders"),
        ([resource("audit", "a"), resource("orders", "o")], KafkaSays(cluster_id="o"), "audit", "audit"),
        ([resource("audit"), resource("orders", "o")], NOTHING, None, None),  # one has no id yet, nor do we know ours
        ([resource("audit", "a"), resource("orders", "o")], KafkaSays(cluster_id="x"), None, None),
    ],
)
def test_of_several_clusters_the_one_that_was_named_else_that_of_our_id(resources, says, wanted, cluster):
    found = strimzi(spec(cluster=wanted), watched(*TWO, *resources), says)
    assert found.cluster == cluster
    assert bool(found.problem) == (cluster is None)


def test_the_only_cluster_is_ours_although_its_id_is_not_to_be_seen():
    assert strimzi(spec(), watched(of_strimzi("orders-0")), KafkaSays(cluster_id="o")).cluster == "orders"


def test_what_is_left_of_an_operators_pod_is_none():
    there = (Kind.POD, pod("operator-1", "elsewhere", labels={"strimzi.io/kind": "cluster-operator"}))
    ended = (Kind.POD, pod("operator-0", labels={"strimzi.io/kind": "cluster-operator"}, phase="Failed"))
    found = strimzi(spec(), watched(of_strimzi("orders-0"), there, ended), NOTHING)
    assert sides(found) == [(Side.CLUSTER_OPERATOR, "operator-1")]


@pytest.mark.parametrize(
    ("labels", "roles"),
    [
        ({}, BROKER),
        ({"controller_role": "true"}, CONTROLLER),
        ({"broker_role": "true", "controller_role": "true"}, BOTH),
        ({"broker_role": "false"}, frozenset()),
    ],
)
def test_roles_are_labelled_since_there_are_node_pools(labels, roles):
    assert told(strimzi(spec(), watched(of_strimzi("orders-0", **labels)), NOTHING)) == {"orders-0": (0, roles)}


def test_the_pod_sets_of_a_strimzi_cluster():
    def made(name, namespace="kafka", cluster="orders", kind="Kafka"):
        labels = {"strimzi.io/cluster": cluster, "strimzi.io/kind": kind}
        return Kind.POD_SET, {"metadata": meta(name, namespace, labels=labels)}

    inventory = watched(
        made("zookeeper"),
        made("broker"),
        made("a", namespace="elsewhere"),
        made("b", cluster="audit"),
        made("c", kind="KafkaConnect"),
    )
    assert [one.meta.name for one in strimzi_sets(fleet(), inventory)] == ["broker", "zookeeper"]
    assert strimzi_sets(fleet(flavour=Flavour.BITNAMI), inventory) == []


# --- Bitnami's chart


def test_what_else_has_such_components_is_no_kafka():
    found = bitnami(spec(), watched(of_bitnami("events-0"), of_bitnami("rabbit-1", app="rabbitmq")), NOTHING)
    assert told(found) == {"events-0": (100, BROKER)}


def test_without_any_release_that_is_said():
    assert bitnami(spec(), watched(), NOTHING).problem == "no releases of Bitnami's chart in namespace kafka"


def test_of_two_releases_the_one_that_was_named_with_its_own_zookeeper():
    pods = [of_bitnami(f"{release}-0", "kafka", release) for release in ("audit", "events")]
    keepers = [of_bitnami(f"{release}-zk-0", "zookeeper", release, "zookeeper") for release in ("audit", "events")]
    found = bitnami(spec(cluster="events"), watched(*pods, *keepers), NOTHING)
    assert (told(found), sides(found)) == ({"events-0": (0, BROKER)}, [(Side.ZOOKEEPER, "events-zk-0")])
    both = "several releases of Bitnami's chart in namespace kafka, name one of them: audit, events"
    assert bitnami(spec(), watched(*pods), NOTHING).problem == both


@pytest.mark.parametrize(
    ("name", "variables", "number"),
    [
        ("events-7", {}, 107),
        ("events-7", {"KAFKA_MIN_ID": "200"}, 207),
        ("events-7", {"KAFKA_MIN_ID": "2000000000"}, 2_000_000_007),
        ("events-7", {"KAFKA_MIN_ID": "²"}, 107),
        ("events-7", {"KAFKA_MIN_ID": "$(MIN)"}, 107),
        ("events-7", {"KAFKA_MIN_ID": HUGE}, 107),
        ("events-x", {"KAFKA_MIN_ID": "200"}, None),
    ],
)
def test_the_id_of_a_broker_of_the_chart(name, variables, number):
    assert told(bitnami(spec(), watched(of_bitnami(name, **variables)), NOTHING)) == {name: (number, BROKER)}


# --- a StatefulSet


def owner(name, namespace, app):
    return Kind.STATEFUL_SET, {
        "metadata": meta(name, namespace, uid=f"{namespace}-{name}"),
        "spec": {"selector": {"matchLabels": {"app": app}}},
    }


def test_a_stateful_set_is_meant_with_its_namespace():
    inventory = watched(owner("kafka", "elsewhere", "other"), owner("kafka", "kafka", "kafka"), plain("kafka-0"))
    assert told(stateful_set(spec(cluster="kafka"), inventory, NOTHING)) == {"kafka-0": (0, BROKER)}


@pytest.mark.parametrize(
    ("cluster", "problem"),
    [
        ("nope", "statefulset: a StatefulSet nope was not found"),
        (None, "statefulset: neither selector nor name is given"),
    ],
)
def test_without_a_stateful_set_that_is_said(cluster, problem):
    assert stateful_set(spec(cluster=cluster), watched(plain("kafka-0")), NOTHING).problem == problem


@pytest.mark.parametrize(
    ("name", "variables", "number"),
    [
        ("kafka-7", {}, 17),
        ("kafka-7", {"KAFKA_NODE_ID": "3"}, 3),
        ("kafka-7", {"KAFKA_NODE_ID": "2147483647"}, 2_147_483_647),
        ("kafka-7", {"KAFKA_BROKER_ID": "3", "KAFKA_NODE_ID": "4"}, 4),
        ("kafka-7", {"KAFKA_NODE_ID": "²"}, 17),
        ("kafka-7", {"KAFKA_NODE_ID": "$(ID)"}, 17),
        ("kafka-7", {"KAFKA_NODE_ID": HUGE}, 17),
        ("kafka-x", {}, None),
        ("kafka-x", {"KAFKA_NODE_ID": "3"}, 3),
    ],
)
def test_the_id_of_a_pod_of_a_stateful_set(name, variables, number):
    wanted = spec(selector=Selector({"app": "kafka"}), first_id=10)
    assert told(stateful_set(wanted, watched(plain(name, **variables)), NOTHING)) == {name: (number, BROKER)}


@pytest.mark.parametrize(
    ("brokers", "voters", "roles"),
    [
        ((), (), BROKER),
        ((), (0,), BOTH),  # before Kafka has named its brokers
        ((0,), (0,), BOTH),
        ((5,), (0,), CONTROLLER),
        ((5,), (6,), BROKER),  # it has not joined yet
    ],
)
def test_the_roles_of_a_pod_of_a_stateful_set(brokers, voters, roles):
    says = KafkaSays(brokers=frozenset(brokers), voters=frozenset(voters))
    found = stateful_set(spec(selector=Selector({"app": "kafka"})), watched(plain("kafka-0")), says)
    assert told(found) == {"kafka-0": (0, roles)}
