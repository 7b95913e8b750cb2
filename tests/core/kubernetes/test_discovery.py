from __future__ import annotations

from dataclasses import replace

import pytest
from tests.core.kubernetes.raw import EPOCH, Watches, load, meta, node, pod

from kafka_sentinel.core.kubernetes.capacity import Capacity, capacity
from kafka_sentinel.core.kubernetes.discovery import HEADINGS, discover, mismatches, rows
from kafka_sentinel.core.kubernetes.fleet import (
    BrokerPod,
    DataVolume,
    Flavour,
    FleetSpec,
    KafkaSays,
    Role,
    Side,
    SidePod,
)
from kafka_sentinel.core.kubernetes.objects import Kind, parse
from kafka_sentinel.core.kubernetes.selector import Selector
from kafka_sentinel.core.kubernetes.sharing import shared, sharing_node

BOTH = frozenset(Role)
BROKER, CONTROLLER = frozenset({Role.BROKER}), frozenset({Role.CONTROLLER})


def found(fixture, *more, says=KafkaSays(), without=(), **spec):  # noqa: B008 - immutable
    objects = [(kind, raw) for kind, raw in load(fixture) if kind not in without]
    spec = {"namespace": "events" if "bitnami" in fixture else "kafka", **spec}
    return discover(FleetSpec(**spec), Watches(*objects, *more).inventory, says)


def strimzi_pod(name, cluster="orders", roles=("true", "false"), **labels):
    return Kind.POD, pod(
        name,
        labels={
            "strimzi.io/cluster": cluster,
            "strimzi.io/kind": "Kafka",
            "strimzi.io/name": f"{cluster}-kafka",
            "strimzi.io/broker-role": roles[0],
            "strimzi.io/controller-role": roles[1],
            **labels,
        },
    )


@pytest.mark.parametrize("flavour", [Flavour.AUTO, Flavour.STRIMZI])
def test_strimzi_with_node_pools(flavour):
    fleet = found("strimzi-1.yaml", flavour=flavour)
    assert (fleet.flavour, fleet.cluster, fleet.problems) == (Flavour.STRIMZI, "orders", ())
    assert sorted(fleet.pods) == [0, 1, 2]
    assert sorted(fleet.controllers) == [3, 4, 5]
    assert {side.side: side.name for side in fleet.sides} == {
        Side.ENTITY_OPERATOR: "orders-entity-operator-6d9c7b5f44-x2x9k",
        Side.CLUSTER_OPERATOR: "strimzi-cluster-operator-7f8c9d6b5-qv4lm",
    }
    broker = fleet.pods[2]
    assert (broker.name, broker.pool, broker.roles) == ("orders-broker-2", "broker", BROKER)
    assert (broker.zone, broker.capacity, broker.local) == ("eu-west-1a", Capacity.SPOT, True)
    assert broker.budgets == ("orders-kafka",)
    assert fleet.controllers[5].capacity is Capacity.ON_DEMAND
    assert fleet.controllers[5].local is False
    assert fleet.kafka.ready
    assert fleet.kafka.api_version == "kafka.strimzi.io/v1"


def test_strimzi_of_the_time_of_stateful_sets_and_zookeeper():
    fleet = found("strimzi-0.29.yaml")
    assert (fleet.flavour, fleet.cluster, fleet.problems) == (Flavour.STRIMZI, "my-cluster", ())
    assert {number: pod.name for number, pod in fleet.pods.items()} == {n: f"my-cluster-kafka-{n}" for n in range(3)}
    assert fleet.controllers == {}
    assert all(pod.roles == BROKER and pod.capacity is Capacity.SPOT for pod in fleet)
    assert [side.name for side in fleet.side_pods(Side.ZOOKEEPER)] == [f"my-cluster-zookeeper-{n}" for n in range(3)]
    assert len(fleet.side_pods(Side.ENTITY_OPERATOR)) == 1
    assert fleet.kafka.api_version == "kafka.strimzi.io/v1beta2"


def test_strimzi_of_the_time_of_pod_sets_before_node_pools():
    fleet = found("strimzi-0.32.yaml")
    assert (fleet.flavour, fleet.cluster, fleet.problems) == (Flavour.STRIMZI, "my-cluster", ())
    assert {number: pod.name for number, pod in fleet.pods.items()} == {n: f"my-cluster-kafka-{n}" for n in range(3)}
    assert fleet.controllers == {}
    assert all((pod.roles, pod.pool, pod.capacity) == (BROKER, None, Capacity.SPOT) for pod in fleet)
    assert {pod.budgets for pod in fleet} == {("my-cluster-kafka",)}
    assert [side.name for side in fleet.side_pods(Side.ZOOKEEPER)] == [f"my-cluster-zookeeper-{n}" for n in range(3)]
    assert len(fleet.side_pods(Side.ENTITY_OPERATOR)) == 1
    assert fleet.kafka.api_version == "kafka.strimzi.io/v1beta2"
    assert fleet.kafka.zookeepers == 3


def test_bitnamis_default_install_has_its_brokers_among_the_controller_eligible():
    fleet = found("bitnami-default.yaml")
    assert (fleet.flavour, fleet.cluster, fleet.problems) == (Flavour.BITNAMI, "events", ())
    assert {number: pod.roles for number, pod in fleet.pods.items()} == dict.fromkeys(range(3), BOTH)
    assert [pod.capacity for pod in fleet] == [Capacity.SPOT, Capacity.SPOT, Capacity.UNKNOWN]


def bitnami_broker(number, component="broker", min_id="100"):
    labels = {
        "app.kubernetes.io/name": "kafka",
        "app.kubernetes.io/instance": "events",
        "app.kubernetes.io/component": component,
    }
    variables = [{"env": [{"name": "KAFKA_MIN_ID", "value": min_id}]}]
    return Kind.POD, pod(f"events-kafka-broker-{number}", "events", labels=labels, spec_containers=variables)


def test_beside_bitnamis_brokers_kafka_tells_which_controllers_are_brokers():
    brokers = [bitnami_broker(number) for number in range(2)]
    silent = found("bitnami-default.yaml", *brokers)
    assert sorted(silent.pods) == [100, 101]
    assert sorted(silent.controllers) == [0, 1, 2]
    says = KafkaSays(brokers=frozenset({0, 1, 2, 100, 101}))
    assert sorted(found("bitnami-default.yaml", *brokers, says=says).pods) == [0, 1, 2, 100, 101]


def test_bitnamis_first_id_is_what_the_chart_was_told():
    assert sorted(found("bitnami-default.yaml", bitnami_broker(1, min_id="200")).pods) == [201]


def test_an_older_release_is_bitnamis_also_if_its_stateful_set_has_the_same_name():
    labels = {"app.kubernetes.io/name": "kafka", "app.kubernetes.io/instance": "kafka"}
    keeper = {"app.kubernetes.io/name": "zookeeper", "app.kubernetes.io/instance": "kafka"}
    of_kafka = {**labels, "app.kubernetes.io/component": "kafka"}
    owner = {"metadata": meta("kafka", "events"), "spec": {"selector": {"matchLabels": of_kafka}}}
    objects = [
        (Kind.POD, pod("kafka-0", "events", labels=of_kafka)),
        (Kind.POD, pod("kafka-zookeeper-0", "events", labels=keeper)),
        (Kind.STATEFUL_SET, owner),
    ]
    fleet = discover(FleetSpec("events", cluster="kafka"), Watches(*objects).inventory)
    assert (fleet.flavour, sorted(fleet.pods)) == (Flavour.BITNAMI, [0])
    assert [side.name for side in fleet.side_pods(Side.ZOOKEEPER)] == ["kafka-zookeeper-0"]


@pytest.mark.parametrize("spec", [{"selector": Selector({"app": "kafka"})}, {"cluster": "kafka"}])
@pytest.mark.parametrize("flavour", [Flavour.AUTO, Flavour.STATEFUL_SET])
def test_a_plain_stateful_set_by_selector_or_name(spec, flavour):
    fleet = found("statefulset.yaml", flavour=flavour, first_id=10, **spec)
    assert (fleet.flavour, fleet.problems) == (Flavour.STATEFUL_SET, ())
    assert {number: pod.name for number, pod in fleet.pods.items()} == {10 + n: f"kafka-{n}" for n in range(3)}
    assert all(pod.local for pod in fleet)


def test_labels_that_mean_spot_can_be_configured():
    fleet = found("statefulset.yaml", cluster="kafka", spot_labels={"node.kubernetes.io/lifecycle": "spot"})
    assert [pod.capacity for pod in fleet] == [Capacity.SPOT, Capacity.UNKNOWN, Capacity.UNKNOWN]


def test_roles_of_a_plain_stateful_set_are_what_kafka_says():
    says = KafkaSays(brokers=frozenset({0, 1}), voters=frozenset({1, 2}))
    fleet = found("statefulset.yaml", cluster="kafka", says=says)
    assert [pod.roles for pod in fleet] == [BROKER, BOTH, CONTROLLER]


def test_an_id_in_the_pods_variables_beats_its_ordinal():
    raw = pod("kafka-7", labels={"app": "kafka"}, spec_containers=[{"env": [{"name": "KAFKA_NODE_ID", "value": "42"}]}])
    fleet = found("statefulset.yaml", (Kind.POD, raw), selector=Selector({"app": "kafka"}))
    assert sorted(fleet.pods) == [0, 1, 2, 42]


KEEPERS = {"app": "zk"}


def keepers(*numbers, labels=KEEPERS, replicas=3):
    """Pods of ZooKeeper, and the StatefulSet that owns them."""
    owner = {"apiVersion": "apps/v1", "kind": "StatefulSet", "name": "zk", "uid": "uid-zk", "controller": True}
    pods = [(Kind.POD, pod(f"zk-{number}", labels=labels, ownerReferences=[owner])) for number in numbers]
    spec = {"replicas": replicas, "selector": {"matchLabels": labels}}
    return [*pods, (Kind.STATEFUL_SET, {"metadata": meta("zk", "kafka", uid="uid-zk"), "spec": spec})]


@pytest.mark.parametrize("spec", [{"zookeeper": "zk"}, {"zookeeper_selector": Selector(KEEPERS)}])
@pytest.mark.parametrize("flavour", [Flavour.AUTO, Flavour.STATEFUL_SET])
def test_the_zookeeper_of_a_plain_stateful_set_is_found_by_its_own_name_or_labels(spec, flavour):
    fleet = found("statefulset.yaml", *keepers(0, 1, 2), flavour=flavour, cluster="kafka", **spec)
    assert (sorted(fleet.pods), fleet.problems) == ([0, 1, 2], ())
    assert [side.name for side in fleet.side_pods(Side.ZOOKEEPER)] == ["zk-0", "zk-1", "zk-2"]


def test_the_zookeeper_of_a_plain_stateful_set_is_not_guessed():
    fleet = found("statefulset.yaml", *keepers(0, 1, 2), cluster="kafka")
    assert (fleet.sides, fleet.problems) == ((), ())
    other = found("statefulset.yaml", *keepers(0), cluster="kafka", zookeeper_selector=Selector({"app": "z"}))
    assert other.sides == ()


@pytest.mark.parametrize(
    ("spec", "which"),
    [
        ({"zookeeper": "zoo"}, "of a StatefulSet zoo"),
        ({"zookeeper_selector": Selector({"app": "zoo"})}, "with the labels of zookeeper_selector"),
    ],
)
def test_a_zookeeper_that_was_named_and_is_not_there_is_a_problem_that_denies(spec, which):
    fleet = found("statefulset.yaml", *keepers(0, 1, 2), cluster="kafka", **spec)
    assert sorted(fleet.pods) == [0, 1, 2]
    assert fleet.problems == (f"statefulset: no ZooKeeper pods {which} in namespace kafka",)


def test_a_pod_of_zookeeper_is_no_broker_whatever_else_its_labels_fit():
    labels = {"app": "kafka", "part": "zookeeper"}
    spec = {"selector": Selector({"app": "kafka"}), "zookeeper_selector": Selector({"part": "zookeeper"})}
    fleet = found("statefulset.yaml", *keepers(7, 8, 9, labels=labels), **spec)
    assert sorted(fleet.pods) == [0, 1, 2]
    assert len(fleet.side_pods(Side.ZOOKEEPER)) == 3


def test_auto_without_any_kafka_says_what_was_looked_for():
    fleet = found("statefulset.yaml", flavour=Flavour.AUTO, without={Kind.STATEFUL_SET})
    assert fleet.pods == {}
    [problem] = fleet.problems
    assert "no Strimzi clusters in namespace kafka" in problem
    assert "neither selector nor name" in problem


def test_auto_does_not_choose_between_two_ways_of_installing():
    other = bitnami_broker(0)
    other[1]["metadata"]["namespace"] = "kafka"
    fleet = found("strimzi-1.yaml", other)
    assert fleet.pods == {}
    assert "strimzi and of bitnami" in fleet.problems[0]
    assert len(found("strimzi-1.yaml", other, flavour=Flavour.STRIMZI).pods) == 3


def test_of_two_strimzi_clusters_the_named_one_or_the_one_of_our_cluster_id():
    second = [strimzi_pod("audit-kafka-0", "audit")]
    both = found("strimzi-1.yaml", *second, flavour=Flavour.STRIMZI)
    assert both.pods == {}
    assert "name one of them: audit, orders" in both.problems[0]
    assert sorted(found("strimzi-1.yaml", *second, cluster="orders").pods) == [0, 1, 2]
    says = KafkaSays(cluster_id="XJbSSDGSQVqxrXZlkZzjRA")
    assert sorted(found("strimzi-1.yaml", *second, says=says).pods) == [0, 1, 2]
    gone = found("strimzi-1.yaml", cluster="nope", flavour=Flavour.STRIMZI)
    assert gone.problems == ("no pods of nope in namespace kafka",)


def test_other_namespaces_are_not_ours():
    assert found("strimzi-1.yaml", namespace="other").pods == {}


def test_two_pods_with_one_id_are_both_left_out():
    fleet = found("strimzi-1.yaml", strimzi_pod("orders-extra-1"))
    assert sorted(fleet.pods) == [0, 2]
    assert fleet.problems == ("pods orders-broker-1, orders-extra-1 all have broker id 1: none of them is used",)


def test_what_is_left_of_an_ended_pod_is_no_broker():
    kind, raw = strimzi_pod("orders-extra-1")
    raw["status"]["phase"] = "Failed"
    assert sorted(found("strimzi-1.yaml", (kind, raw)).pods) == [0, 1, 2]


@pytest.mark.parametrize(
    ("name", "roles", "problem"),
    [
        ("orders-broker-x", ("true", "false"), "pod orders-broker-x has no broker id"),
        ("orders-broker-9", ("false", "false"), "pod orders-broker-9 is labelled neither"),
    ],
)
def test_a_pod_without_id_or_role_is_said(name, roles, problem):
    fleet = found("strimzi-1.yaml", strimzi_pod(name, roles=roles))
    assert sorted(fleet.members) == list(range(6))
    assert problem in fleet.problems[0]


def test_a_longer_name_with_the_same_beginning_is_another_cluster():
    fleet = found("strimzi-1.yaml", strimzi_pod("orders-eu-broker-7", "orders-eu"), cluster="orders")
    assert sorted(fleet.pods) == [0, 1, 2]


def test_without_the_right_to_see_nodes_and_volumes_it_is_unknown_not_false():
    fleet = found("strimzi-1.yaml", without={Kind.NODE, Kind.VOLUME})
    broker = fleet.pods[0]
    assert (broker.node, broker.node_uid, broker.zone) == ("ip-10-0-1-11.eu-west-1.compute.internal", None, None)
    assert (broker.capacity, broker.local) == (Capacity.UNKNOWN, None)
    assert rows(fleet)[0][4:6] == ("?", "?")


def test_a_log_without_a_claim_goes_with_the_node():
    kind, raw = strimzi_pod("orders-tmp-9")
    raw["spec"]["volumes"] = [{"name": "data", "emptyDir": {}}]
    fleet = found("strimzi-1.yaml", (kind, raw))
    assert fleet.pods[9].local
    assert fleet.pods[9].volumes[0].claim is None


def test_the_table_of_check():
    table = rows(found("strimzi-1.yaml"))
    assert all(len(row) == len(HEADINGS) for row in table)
    assert table[0] == (
        "orders-broker-0",
        "0",
        "broker",
        "ip-10-0-1-11.eu-west-1.compute.internal",
        "eu-west-1a",
        "spot",
        "data-0-orders-broker-0",
        "yes",
    )
    assert [row[2] for row in table] == [*["broker"] * 3, *["controller"] * 3, "entity operator", "cluster operator"]


@pytest.mark.parametrize(("local", "words"), [(True, "yes"), (False, "no"), (None, "?")])
def test_the_table_tells_whether_a_brokers_data_goes_with_its_node(local, words):
    fleet = found("strimzi-1.yaml")
    pods = {broker: replace(pod, volumes=(DataVolume("data", "pv", local),)) for broker, pod in fleet.pods.items()}
    assert {row[7] for row in rows(replace(fleet, pods=pods))[:3]} == {words}


def test_pods_and_kafkas_own_list_are_compared():
    fleet = found("strimzi-1.yaml")
    assert mismatches(fleet, KafkaSays()) == ()
    assert mismatches(fleet, KafkaSays(brokers=frozenset({0, 1, 2}))) == ()
    assert mismatches(fleet, KafkaSays(brokers=frozenset({0, 1, 7}))) == (
        "broker 7: no pod was found that runs it",
        "broker 2 (pod orders-broker-2): Kafka has not named it",
    )


def test_lookups_of_a_fleet():
    fleet = found("strimzi-1.yaml")
    first = fleet.pods[0]
    assert fleet.on_node(first.node_uid) == {0, 2, 3}
    assert fleet.of_pod(first.uid) is first
    assert fleet.of_pod("nobody") is None


def test_what_brokers_share_is_said():
    said = "\n".join(shared(found("strimzi-1.yaml")))
    assert "brokers 0, 2 and 3 (controller) and operator (" in said
    assert "share node ip-10-0-1-11" in said
    assert "brokers 0 and 2 share zone eu-west-1a" in said
    assert "brokers 0, 1 and 2 (every broker there is) are on spot nodes" in said
    assert "brokers 0, 1 and 2: the log is on the node's own disk" in said
    assert sharing_node(found("strimzi-1.yaml")) == {0, 2}


def test_zookeeper_beside_a_broker_is_said():
    assert "broker 0 and ZooKeeper (my-cluster-zookeeper-0) share node" in shared(found("strimzi-0.29.yaml"))[0]


def test_what_is_spread_shares_nothing():
    fleet = found("bitnami-default.yaml")
    assert not any("node" in line and "share" in line for line in shared(fleet)[:1])
    alone = replace(fleet, pods={2: fleet.pods[2]}, controllers={})
    assert shared(alone) == ()
    assert sharing_node(fleet) == frozenset()


@pytest.mark.parametrize(
    ("budgets", "said"),
    [
        ([], "no disruption budget matches"),
        (["a", "b"], "several disruption budgets match"),
    ],
)
def test_budgets_that_do_not_protect_are_said(budgets, said):
    more = [
        (Kind.BUDGET, {"metadata": meta(name, "kafka"), "spec": {"selector": {"matchLabels": {"app": "kafka"}}}})
        for name in budgets
    ]
    fleet = found("statefulset.yaml", *more, cluster="kafka", without={Kind.BUDGET})
    assert any(said in line for line in shared(fleet))
    assert not any("budget" in line for line in shared(found("statefulset.yaml", cluster="kafka")))


@pytest.mark.parametrize(
    ("labels", "expected"),
    [
        ({"eks.amazonaws.com/capacityType": "SPOT"}, Capacity.SPOT),
        ({"eks.amazonaws.com/capacityType": "ON_DEMAND"}, Capacity.ON_DEMAND),
        ({"eks.amazonaws.com/capacityType": "spot"}, Capacity.UNKNOWN),
        ({"karpenter.sh/capacity-type": "spot"}, Capacity.SPOT),
        ({"karpenter.sh/capacity-type": "on-demand"}, Capacity.ON_DEMAND),
        ({"karpenter.sh/capacity-type": "reserved"}, Capacity.ON_DEMAND),
        ({"cloud.google.com/gke-spot": "true"}, Capacity.SPOT),
        ({"cloud.google.com/gke-preemptible": "true"}, Capacity.SPOT),
        ({"cloud.google.com/gke-spot": "false"}, Capacity.UNKNOWN),
        ({"kubernetes.azure.com/scalesetpriority": "spot"}, Capacity.SPOT),
        ({"kubernetes.azure.com/priority": "spot"}, Capacity.SPOT),
        ({"kubernetes.azure.com/priority": "regular"}, Capacity.ON_DEMAND),
        ({}, Capacity.UNKNOWN),
    ],
)
def test_spot_is_what_the_label_says_exactly(labels, expected):
    assert capacity(parse(Kind.NODE, node(labels=labels))) is expected


def test_the_permanent_taint_of_azures_spot_pools_says_nothing():
    taint = {"key": "kubernetes.azure.com/scalesetpriority", "value": "spot", "effect": "NoSchedule"}
    assert capacity(parse(Kind.NODE, node(taints=[taint]))) is Capacity.UNKNOWN
    assert capacity(None) is Capacity.UNKNOWN


# --- the whole of what is found

HERE = "in namespace kafka"


def selected(*objects, **more):
    spec = FleetSpec("kafka", selector=Selector({"app": "kafka"}), **more)
    return discover(spec, Watches(*objects).inventory)


def plain_pod(name, *, on="n1", **more):
    return Kind.POD, pod(name, labels={"app": "kafka"}, on=on, **more)


def budget(name, namespace="kafka", labels=None):
    spec = {"selector": {"matchLabels": {"app": "kafka"} if labels is None else labels}}
    return Kind.BUDGET, {"metadata": meta(name, namespace), "spec": spec if labels != {} else {}}


def claimed(claim, volume, **spec):
    """A volume claim that is bound to a volume."""
    return [
        (Kind.CLAIM, {"metadata": meta(claim, "kafka"), "spec": {"volumeName": volume}}),
        (Kind.VOLUME, {"metadata": meta(volume), "spec": spec}),
    ]


def data(claim):
    return [{"name": "data", "persistentVolumeClaim": {"claimName": claim}}]


NODE = (
    Kind.NODE,
    node("n1", labels={"topology.kubernetes.io/zone": "a", "karpenter.sh/capacity-type": "spot"}),
)
PINNED = {
    "local": {"path": "/d"},
    "nodeAffinity": {
        "required": {
            "nodeSelectorTerms": [
                {"matchExpressions": [{"key": "kubernetes.io/hostname", "operator": "In", "values": ["n1"]}]}
            ]
        }
    },
}


def test_the_whole_of_a_broker():
    objects = [
        NODE,
        plain_pod("kafka-1", volumes=data("data-1"), deleted=5),
        plain_pod("kafka-2", on="gone", volumes=data("data-2"), ready=False),
        *claimed("data-1", "pv-1", **PINNED),
        *(budget(name) for name in "dbca"),
        budget("elsewhere", namespace="other"),
        budget("of-nobody", labels={}),
    ]
    first, second = selected(*objects)
    assert first == BrokerPod(
        broker=1,
        uid="uid-kafka-1",
        name="kafka-1",
        namespace="kafka",
        roles=BROKER,
        pool=None,
        node="n1",
        node_uid="uid-n1",
        zone="a",
        capacity=Capacity.SPOT,
        volumes=(DataVolume("data-1", "pv-1", local=True, hostnames=("n1",)),),
        budgets=("a", "b", "c", "d"),
        ready=True,
        deleting=True,
        created=EPOCH - 86_400,
    )
    assert second == replace(
        first,
        broker=2,
        uid="uid-kafka-2",
        name="kafka-2",
        node="gone",
        node_uid=None,
        zone=None,
        capacity=Capacity.UNKNOWN,
        volumes=(DataVolume("data-2", None, None),),
        ready=False,
        deleting=False,
    )


def test_the_whole_of_a_pod_beside():
    keeper = (Kind.POD, pod("zk-1", labels=KEEPERS, deleted=5))
    objects = [NODE, plain_pod("kafka-1"), keeper, budget("keepers", labels=KEEPERS)]
    [side] = selected(*objects, zookeeper_selector=Selector(KEEPERS)).sides
    assert side == SidePod(
        side=Side.ZOOKEEPER,
        uid="uid-zk-1",
        name="zk-1",
        namespace="kafka",
        node="n1",
        node_uid="uid-n1",
        zone="a",
        capacity=Capacity.SPOT,
        budgets=("keepers",),
        ready=True,
        deleting=True,
        created=EPOCH - 86_400,
    )


def test_what_is_not_seen_stands_in_the_table_too():
    def unplaced(name, labels):
        return Kind.POD, pod(name, labels=labels, on=None)

    objects = [
        unplaced("kafka-1", {"app": "kafka"}),
        unplaced("zk-1", KEEPERS),
        (Kind.POD, pod("zk-2", labels=KEEPERS)),
    ]
    fleet = selected(*objects, zookeeper_selector=Selector(KEEPERS))
    whole = replace(fleet, pods={1: replace(fleet.pods[1], roles=BOTH)})
    assert rows(whole) == [
        ("kafka-1", "1", "broker+controller", "not scheduled", "?", "?", "in the pod", "yes"),
        ("zk-1", "", "zookeeper", "not scheduled", "?", "?", "", ""),
        ("zk-2", "", "zookeeper", "n1", "?", "?", "", ""),
    ]
    [_, *keepers] = rows(selected(NODE, *objects, zookeeper_selector=Selector(KEEPERS)))
    assert keepers[1] == ("zk-2", "", "zookeeper", "n1", "a", "spot", "", "")


def test_the_kafka_resource_is_that_of_our_name_and_namespace_and_strimzis():
    others = [
        (Kind.KAFKA, {"metadata": meta(name, namespace, uid=f"{namespace}-{name}")})
        for name, namespace in (("audit", "kafka"), ("orders", "other"), ("orders", "kafka"))
    ]
    fleet = discover(FleetSpec("kafka"), Watches(strimzi_pod("orders-1"), *others).inventory)
    assert fleet.kafka.meta.uid == "kafka-orders"
    kind, raw = bitnami_broker(0)
    raw["metadata"]["labels"]["app.kubernetes.io/instance"] = "orders"
    raw["metadata"]["namespace"] = "kafka"
    assert discover(FleetSpec("kafka"), Watches((kind, raw), *others).inventory).kafka is None


def test_a_selector_means_the_pods_it_selects_whatever_else_they_are():
    fleet = found("strimzi-1.yaml", selector=Selector({"strimzi.io/pool-name": "broker"}))
    assert (fleet.flavour, sorted(fleet.pods), fleet.problems) == (Flavour.STATEFUL_SET, [0, 1, 2], ())


@pytest.mark.parametrize(
    ("flavour", "problem"),
    [
        (
            Flavour.AUTO,
            f"no Strimzi clusters {HERE}; no releases of Bitnami's chart {HERE}; statefulset: no pods",
        ),
        (Flavour.STATEFUL_SET, f"no broker pods {HERE}"),
    ],
)
def test_a_selector_that_fits_no_pod_is_said(flavour, problem):
    assert selected(flavour=flavour).problems == (problem,)


def test_pods_of_one_id_are_named_in_order():
    fleet = selected(*(plain_pod(f"{name}-1") for name in "cab"))
    assert fleet.problems == ("pods a-1, b-1, c-1 all have broker id 1: none of them is used",)


def test_brokers_and_pods_that_lack_each_other_are_told_in_order():
    fleet = selected(*(plain_pod(f"kafka-{number}") for number in (8, 1)))
    assert mismatches(fleet, KafkaSays(brokers=frozenset({16, 9}))) == (
        "broker 9, 16: no pod was found that runs it",
        "broker 1 (pod kafka-1), 8 (pod kafka-8): Kafka has not named it",
    )
