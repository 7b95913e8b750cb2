from __future__ import annotations

from dataclasses import replace

import pytest
from tests.core.experiment_worlds import PROBE, QUORUM, cluster, partition, spec, topic, world
from tests.core.kubernetes.fleets import OPERATOR, broker_pod, fleet, side_pod

from kafka_sentinel.core.coordinators import GROUPS_TOPIC, TRANSACTIONS_TOPIC
from kafka_sentinel.core.kubernetes.fleet import Role, Side
from kafka_sentinel.core.kubernetes.surroundings import Surroundings
from kafka_sentinel.core.resolution import resolve
from kafka_sentinel.core.targets import Target, parse_target
from kafka_sentinel.core.types import NodeRef, PodRef

SEVEN = tuple(partition(number, leader=number % 3 + 1) for number in range(7))


def hit(text: str, *, fault="process-kill", salt: str = "kill@1", view=None, quorum=QUORUM, pods=None, **changes):
    seen = world(
        cluster=cluster() if view is None else view,
        quorum=quorum,
        kubernetes=Surroundings(pods) if pods is not None else None,
        group_id="kafka-sentinel",
        **changes,
    )
    return resolve(spec(fault=fault, target=parse_target(text)), salt, seen)


def on_pods(text, pods=None, *, fault="pod-crash", **more):
    return hit(text, fault=fault, pods=fleet() if pods is None else pods, **more)


def names(target):
    return [pod.name for pod in target.pods]


# --- Kafka nodes


def test_a_broker_is_taken_by_its_id_alone():
    assert hit("broker:1").brokers == {1}
    assert hit("broker:10").brokers == {10}  # whether it lives is a guard's question


def test_any_is_one_live_broker_the_same_for_the_same_run():
    chosen = [hit("any", salt=f"kill@{run}") for run in range(60)]
    assert [hit("any", salt=f"kill@{run}") for run in range(60)] == chosen
    assert {next(iter(target.brokers)) for target in chosen} == {1, 2, 3}
    assert all(len(target.brokers) == 1 for target in chosen)


def test_the_order_in_which_brokers_partitions_and_pods_are_listed_chooses_nobody_else():
    backwards = cluster(replace(PROBE, partitions=PROBE.partitions[::-1]), brokers={n: f"h:{n}" for n in (3, 2, 1)})
    sides = [side_pod(Side.ZOOKEEPER, f"orders-zookeeper-{number}") for number in range(3)]
    for salt in map(str, range(20)):
        assert hit("any", salt=salt, view=backwards) == hit("any", salt=salt)
        assert hit("leader", salt=salt, view=backwards) == hit("leader", salt=salt)
        listed = [on_pods("zookeeper", fleet(sides=each), salt=salt) for each in (sides, sides[::-1])]
        assert listed[0] == listed[1]


def test_a_broker_of_the_lowest_id_is_found_like_any_other():
    assert hit("controller", quorum=replace(QUORUM, leader=0)).brokers == {0}
    assert hit("leader:1", view=cluster(topic("probe", partition(1, leader=0)))).brokers == {0}


def test_any_never_chooses_a_broker_that_is_down():
    view = cluster(brokers={2: "h:2"})
    assert {hit("any", salt=str(run), view=view).brokers for run in range(20)} == {frozenset({2})}


def test_a_named_partition_gives_its_leader_now():
    assert hit("leader:1").brokers == {2}
    moved = replace(PROBE, partitions=(partition(1, leader=3),))
    assert hit("leader:1", view=cluster(moved)).brokers == {3}


def test_leader_chooses_among_all_probe_partitions():
    assert {next(iter(hit("leader", salt=str(run)).brokers)) for run in range(60)} == {1, 2, 3}


def test_leader_keeps_to_its_partition_while_leaders_move():
    swapped = topic("probe", *(partition(n, leader=(n + 1) % 3 + 1) for n in range(3)))
    before = {hit("leader", salt="s").brokers, frozenset({1, 2, 3})}
    after = hit("leader", salt="s", view=cluster(swapped)).brokers
    assert after not in before


def test_the_controller_is_the_one_the_quorum_names():
    assert hit("controller").brokers == {2}
    assert hit("controller", quorum=replace(QUORUM, leader=100)).brokers == {100}


def test_the_coordinator_of_a_group_is_the_leader_of_the_partition_that_kafka_computes():
    view = cluster(topic(GROUPS_TOPIC, *reversed(SEVEN)))
    assert hit("group-coordinator:connect-cluster", view=view).brokers == {SEVEN[5].leader}
    assert hit("group-coordinator:payments-7", view=view).brokers == {SEVEN[4].leader}


def test_without_a_name_it_is_the_coordinator_of_sentinels_own_group():
    view = cluster(topic(GROUPS_TOPIC, *SEVEN))
    assert {hit("group-coordinator", salt=str(run), view=view).brokers for run in range(20)} == {
        frozenset({SEVEN[2].leader})
    }


def test_the_coordinator_of_a_transactional_id_is_found_likewise():
    view = cluster(topic(TRANSACTIONS_TOPIC, *SEVEN))
    named = {hit("transaction-coordinator:connect-cluster", salt=str(run), view=view).brokers for run in range(20)}
    assert named == {frozenset({SEVEN[5].leader})}
    assert {next(iter(hit("transaction-coordinator", salt=str(run), view=view).brokers)) for run in range(60)} == {
        1,
        2,
        3,
    }


@pytest.mark.parametrize(
    ("text", "view", "quorum", "reason"),
    [
        ("any", cluster(brokers={}), QUORUM, "no live broker"),
        ("leader", cluster(probe_topics={}), QUORUM, "probe topic has not been seen"),
        ("leader:9", cluster(), QUORUM, "topic probe has no partition 9"),
        ("leader", cluster(topic("probe")), QUORUM, "topic probe has no partitions"),
        ("leader:0", cluster(topic("probe", partition(0, leader=-1))), QUORUM, "partition 0 of probe has no leader"),
        ("controller", cluster(), None, "quorum has not been seen"),
        ("controller", cluster(), replace(QUORUM, leader=-1), "quorum has no leader"),
        ("group-coordinator", cluster(), QUORUM, "topic __consumer_offsets has not been seen"),
        ("group-coordinator:g", cluster(topic(GROUPS_TOPIC)), QUORUM, "topic __consumer_offsets has not been seen"),
        (
            "group-coordinator:orders",
            cluster(topic(GROUPS_TOPIC, partition(0, leader=-1))),
            QUORUM,
            "partition 0 of __consumer_offsets has no leader",
        ),
        ("transaction-coordinator", cluster(), QUORUM, "nobody has used transactions yet"),
    ],
)
def test_an_unknown_target_is_empty_and_says_why(text, view, quorum, reason):
    target = hit(text, view=view, quorum=quorum)
    assert target.is_empty
    assert reason in target.reason


@pytest.mark.parametrize("text", ["any", "leader", "controller", "group-coordinator", "transaction-coordinator"])
def test_nothing_seen_yet_gives_no_target(text):
    for fault in ("process-kill", "pod-crash", "node-reclaim"):
        target = resolve(
            spec(fault=fault, target=parse_target(text)),
            "s",
            world(cluster=None, quorum=None, kubernetes=Surroundings(fleet())),
        )
        assert target.is_empty
        assert target.reason


# --- their pods


def test_a_broker_comes_with_its_pod_by_name_and_uid():
    assert on_pods("broker:2") == Target(
        frozenset({2}), pods=(PodRef("kafka", "orders-kafka-2", "uid-orders-kafka-2", 2),)
    )


def test_the_pod_is_matched_by_id_and_not_by_the_number_in_its_name():
    pods = fleet(broker_pod(1, name="orders-kafka-2"), broker_pod(2, name="orders-kafka-1"), broker_pod(3))
    assert names(on_pods("broker:2", pods)) == ["orders-kafka-1"]


def test_a_controller_that_is_no_broker_has_a_pod_too():
    quorum = replace(QUORUM, leader=100, voters=(100,), caught_up_voters=(100,))
    pods = fleet(*(broker_pod(n) for n in (1, 2, 3)), broker_pod(100, roles=frozenset({Role.CONTROLLER})))
    assert on_pods("controller", pods, quorum=quorum).brokers == {100}
    assert names(on_pods("controller", pods, quorum=quorum)) == ["orders-kafka-100"]


@pytest.mark.parametrize("fault", ["pod-crash", "node-reclaim"])
def test_a_broker_without_a_pod_is_no_target(fault):
    target = on_pods("broker:7", fault=fault)
    assert target.is_empty
    assert target.reason == "no pod is known that runs broker 7"


def test_processes_have_no_pods_even_where_pods_are_watched():
    assert on_pods("broker:2", fault="process-kill") == Target(frozenset({2}))


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("broker:1", "pod-crash"),
        ("pool:kafka", "pod-crash"),
        ("zone:a", "pod-crash"),
        ("zookeeper", "pod-delete"),
        ("entity-operator", "pod-delete"),
        ("broker:1", "node-reclaim"),
        ("all", "rolling-restart"),
    ],
)
def test_without_kubernetes_pods_are_no_target(text, fault):
    target = hit(text, fault=fault)
    assert target.is_empty
    assert "kubernetes.enabled is off" in target.reason


def test_a_pool_gives_one_of_its_live_nodes():
    pods = fleet(broker_pod(1), broker_pod(2, pool="other"), broker_pod(3))
    assert {on_pods("pool:kafka", pods, salt=str(run)).brokers for run in range(40)} == {
        frozenset({1}),
        frozenset({3}),
    }
    only_three = cluster(brokers={2: "h:2", 3: "h:3"})
    quorum = replace(QUORUM, voters=(2, 3), caught_up_voters=(2, 3))
    found = {on_pods("pool:kafka", pods, salt=str(run), view=only_three, quorum=quorum).brokers for run in range(20)}
    assert found == {frozenset({3})}


def test_a_zone_gives_one_of_its_live_brokers():
    assert on_pods("zone:b").brokers == {2}
    assert on_pods("zone:z").reason == "no pod of zone z is known"
    gone = cluster(brokers={1: "h:1", 3: "h:3"})
    quorum = replace(QUORUM, caught_up_voters=(1, 3))
    assert on_pods("zone:b", view=gone, quorum=quorum).reason == "no node of zone b is alive"
    assert on_pods("pool:x").reason == "no pod of node pool x is known"


def test_side_pods_are_targets_without_a_kafka_node():
    pods = fleet(
        sides=[
            side_pod(Side.ZOOKEEPER, "orders-zookeeper-0"),
            side_pod(Side.ZOOKEEPER, "orders-zookeeper-1"),
            side_pod(Side.ENTITY_OPERATOR, "orders-entity-operator-x"),
            OPERATOR,
        ]
    )
    assert on_pods("entity-operator", pods) == Target(
        frozenset(), pods=(PodRef("kafka", "orders-entity-operator-x", "uid-orders-entity-operator-x"),)
    )
    chosen = {tuple(names(on_pods("zookeeper", pods, salt=str(run)))) for run in range(40)}
    assert chosen == {("orders-zookeeper-0",), ("orders-zookeeper-1",)}


def test_side_pods_that_are_not_there_are_no_target():
    assert on_pods("zookeeper").reason == "no zookeeper pod is known"
    assert on_pods("entity-operator").reason == "no entity operator pod is known"


# --- nodes


def test_a_node_is_taken_with_every_pod_of_this_kafka_cluster_on_it():
    pods = fleet(
        broker_pod(1),
        broker_pod(2, node="n1"),
        broker_pod(3),
        broker_pod(100, node="n1", roles=frozenset({Role.CONTROLLER})),
        sides=[
            side_pod(Side.ZOOKEEPER, "orders-zookeeper-0"),
            side_pod(Side.ENTITY_OPERATOR, "orders-entity-operator-x"),
            side_pod(Side.ZOOKEEPER, "orders-zookeeper-1", node="n2"),
            replace(OPERATOR, node="n1", node_uid="uid-n1"),
        ],
    )
    target = on_pods("broker:2", pods, fault="node-reclaim")
    assert target.brokers == {1, 2, 100}
    assert target.node == NodeRef("n1", "uid-n1")
    assert names(target) == [
        "orders-entity-operator-x",
        "orders-kafka-1",
        "orders-kafka-100",
        "orders-kafka-2",
        "orders-zookeeper-0",
    ]
    assert not target.one_by_one


def test_a_node_that_cannot_be_seen_is_no_target():
    for unseen in ({"node_uid": None}, {"node": None}, {"node": None, "node_uid": None}):
        pods = fleet(replace(broker_pod(1), **unseen), broker_pod(2), broker_pod(3))
        assert on_pods("broker:1", pods, fault="node-reclaim").reason == "the node of pod orders-kafka-1 is not known"


# --- rolls


def test_a_roll_takes_all_brokers_one_by_one_and_no_mere_controller():
    pods = fleet(*(broker_pod(n) for n in (1, 2, 3)), broker_pod(100, roles=frozenset({Role.CONTROLLER})))
    target = on_pods("all", pods, fault="rolling-restart")
    assert target.brokers == {1, 2, 3}
    assert names(target) == ["orders-kafka-1", "orders-kafka-2", "orders-kafka-3"]
    assert target.one_by_one


def test_a_roll_names_every_broker_that_is_known_alive_or_not():
    view = cluster(brokers={1: "h:1", 4: "h:4"})
    assert on_pods("all", view=view, fault="rolling-restart").reason == "no pod is known that runs broker 4"
    two = cluster(brokers={1: "h:1", 2: "h:2"})
    assert on_pods("all", view=two, fault="rolling-restart").brokers == {1, 2, 3}


def test_of_brokers_without_a_pod_all_are_named_in_order():
    view = cluster(brokers={1: "h:1", 8: "h:8", 7: "h:7"})
    assert on_pods("all", view=view, fault="rolling-restart").reason == "no pod is known that runs broker 7, 8"


@pytest.mark.parametrize("view", [None, cluster(brokers={})])
def test_before_a_live_broker_was_seen_there_is_nobody_to_roll(view):
    roll = spec(fault="rolling-restart", target=parse_target("all"))
    target = resolve(roll, "s", world(cluster=view, kubernetes=Surroundings(fleet())))
    assert target == Target(frozenset(), "no live broker has been seen yet")
