"""What can be lost at once: who is named, who is not, and in which words."""

from __future__ import annotations

import pytest
from tests.core.kubernetes.fleets import broker_pod, fleet, side_pod

from kafka_sentinel.core.kubernetes.capacity import Capacity
from kafka_sentinel.core.kubernetes.fleet import DataVolume, Role, Side
from kafka_sentinel.core.kubernetes.sharing import MAX_NAMED, shared, sharing_node

CONTROLLER = frozenset({Role.CONTROLLER})
ZOOKEEPER = side_pod(Side.ZOOKEEPER, "zookeeper-0")
OPERATOR = side_pod(Side.CLUSTER_OPERATOR, "operator")


def apart(number, **changes):
    """A broker that shares nothing with any other."""
    volumes = (DataVolume(f"data-{number}", f"pv-{number}", local=False),)
    plain = {"zone": f"zone {number}", "capacity": Capacity.ON_DEMAND, "volumes": volumes}
    return broker_pod(number, **{**plain, **changes})


def said(*pods, sides=()):
    return shared(fleet(*(pods or (apart(1), apart(2), apart(3))), sides=sides))


def test_what_is_apart_shares_nothing():
    assert said() == ()
    assert said(apart(1)) == ()
    assert sharing_node(fleet(apart(1), apart(2))) == frozenset()


# --- nodes


def on(node):
    return f" share node {node}: what takes the node takes all of them"


def test_brokers_and_controllers_of_one_node_are_named_by_node():
    pods = (apart(2, node="n2"), apart(1, node="n2"), apart(4, node="n1"), apart(3, node="n1", roles=CONTROLLER))
    assert said(*pods, apart(5)) == ("brokers 3 (controller) and 4" + on("n1"), "brokers 1 and 2" + on("n2"))
    assert sharing_node(fleet(*pods, apart(5))) == {1, 2}


@pytest.mark.parametrize(
    ("sides", "who"),
    [
        ((ZOOKEEPER,), "broker 1 and ZooKeeper (zookeeper-0)"),
        ((OPERATOR,), "broker 1 and operator (operator)"),
        ((OPERATOR, ZOOKEEPER), "broker 1 and ZooKeeper (zookeeper-0) and operator (operator)"),
    ],
)
def test_who_is_beside_a_broker_is_said(sides, who):
    assert said(sides=sides) == (who + on("n1"),)


def test_who_is_on_a_node_without_brokers_or_nowhere_shares_none_of_theirs():
    assert said(sides=(side_pod(Side.ZOOKEEPER, "zookeeper-0", node="n9"),)) == ()
    nowhere = {"node": None, "node_uid": None}
    assert said(apart(1, **nowhere), apart(2, **nowhere), sides=(side_pod(Side.ZOOKEEPER, "z", **nowhere),)) == ()


# --- zones and spot nodes


def test_brokers_of_one_zone():
    assert said(apart(3, zone="b"), apart(2, zone="b"), apart(1, zone="a"), apart(4, zone="a"), apart(5, zone="c")) == (
        "brokers 1 and 4 share zone a",
        "brokers 2 and 3 share zone b",
    )


def test_all_brokers_in_one_zone_and_controllers_do_not_count():
    elsewhere = apart(9, roles=CONTROLLER, zone="a")
    every = ("brokers 1 and 2 share zone a: there is no broker in another one",)
    assert said(apart(1, zone="a"), apart(2, zone="a"), elsewhere) == every
    assert said(apart(1, zone="a"), elsewhere) == ()
    assert said(apart(1, zone="a"), apart(2), elsewhere) == ()


def test_brokers_on_spot_nodes():
    spot = {"capacity": Capacity.SPOT}
    words = "are on spot nodes, which can be reclaimed at the same time"
    assert said(apart(1, **spot), apart(2), apart(3)) == ()
    assert said(apart(1, **spot)) == ()
    assert said(apart(3, **spot), apart(1, **spot), apart(2)) == (f"brokers 1 and 3 {words}",)
    assert said(apart(1, **spot), apart(2, **spot)) == (f"brokers 1 and 2 (every broker there is) {words}",)
    assert said(apart(1, **spot), apart(2), apart(9, roles=CONTROLLER, **spot)) == ()


# --- disks


def test_brokers_whose_log_goes_with_the_node():
    local = {"volumes": (DataVolume(None, None, local=True),)}
    words = "the log is on the node's own disk and is lost with the node"
    assert said(apart(1, **local), apart(2)) == (f"broker 1: {words}",)
    assert said(apart(2, **local), apart(1, **local)) == (f"brokers 1 and 2: {words}",)
    assert said(apart(1, volumes=(DataVolume(None, None, local=None),)), apart(2)) == ()


def test_nodes_of_kafka_with_the_same_claim():
    one = {"volumes": (DataVolume("data", "pv", local=False),)}
    assert said(apart(1, **one), apart(2, **one)) == ("brokers 1 and 2 use the same volume claim",)
    assert said(apart(1, **one), apart(9, roles=CONTROLLER, **one)) == (
        "brokers 1 and 9 (controller) use the same volume claim",
    )
    assert said(apart(1, **one), apart(2, **one, namespace="other")) == ()


# --- budgets


def test_pods_without_a_budget_and_with_several():
    assert said(apart(1, budgets=()), apart(2, budgets=()), apart(3)) == (
        "no disruption budget matches orders-kafka-1 and orders-kafka-2: a drain may take them all at once",
    )
    assert said(apart(1, budgets=("a", "orders-kafka")), apart(2)) == (
        "several disruption budgets match orders-kafka-1: Kubernetes refuses to evict such pods",
    )


def test_budgets_that_each_allow_a_disruption_are_named_in_order():
    words = "each allow a disruption of their own, at the same time"
    pods = [apart(number, budgets=(name,)) for number, name in enumerate("hgfedcba", 1)]
    assert said(*pods, apart(9, budgets=("h",))) == (f"the disruption budgets a, b, c, d, e, f, g and h {words}",)
    assert said(*pods[-2:]) == (f"the disruption budgets a and b {words}",)


# --- how many are named


@pytest.mark.parametrize(
    ("number", "ending"),
    [
        (MAX_NAMED, "8, 9 and 10 share zone a"),
        (MAX_NAMED + 1, "8, 9, 10 and 1 more share zone a"),
        (MAX_NAMED + 3, "8, 9, 10 and 3 more share zone a"),
    ],
)
def test_of_many_some_are_named_and_the_rest_is_counted(number, ending):
    (sentence,) = said(*(apart(one, zone="a") for one in range(1, number + 1)), apart(99))
    assert sentence == f"brokers 1, 2, 3, 4, 5, 6, 7, {ending}"
