"""What the status tells of Kubernetes: of all that is known, and None for what is not."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tests.core.kubernetes.fleets import broker_pod, fleet
from tests.core.kubernetes.raw import at
from tests.core.kubernetes.test_desk import NODE, Cluster

from kafka_sentinel.core.events import ObjectsListed, WatchBroken
from kafka_sentinel.core.kubernetes.desk import KubernetesDesk
from kafka_sentinel.core.kubernetes.exposure import Domain
from kafka_sentinel.core.kubernetes.fleet import DataVolume, FleetSpec, Role
from kafka_sentinel.core.kubernetes.kept import RECLAIM
from kafka_sentinel.core.kubernetes.report import report, stuck_by_reason
from kafka_sentinel.core.kubernetes.stuck import Reason
from kafka_sentinel.core.kubernetes.views import PLURALS, Kind

OTHERS = ("ip-10-0-2-12.eu-west-1.compute.internal", "ip-10-0-3-13.eu-west-1.compute.internal")


def listed(*kinds):
    """A desk to which these kinds were listed, and nothing of them is there; others may not be seen."""
    desk = KubernetesDesk(FleetSpec("kafka"))
    for kind in Kind:
        desk.take(ObjectsListed(at(0), kind, ()) if kind in kinds else WatchBroken(at(0), kind, "403", "no"))
    return desk


def of(*pods, desk=None):
    """The report where these pods, or none, are brokers and controllers, and no pod is beside them."""
    desk = listed(*Kind) if desk is None else desk
    desk.fleet = fleet(*pods, sides=()) if pods else replace(fleet(), pods={}, controllers={}, sides=())
    return report(desk)


def nodes(cluster):
    return {one["name"]: one for one in report(cluster.desk)["nodes"]}


def test_a_cluster_at_rest_is_described_as_it_is():
    told = report(Cluster().desk)
    assert (told["flavour"], told["namespace"], told["cluster"], told["problems"]) == ("strimzi", "kafka", "orders", [])
    assert told["counts"] == {"on_spot": 3, "sharing_node": 2, "on_local_volume": 3, "stuck": 0}
    assert [(one["name"], one["capacity"], one["zone"], one["brokers"]) for one in told["nodes"]] == [
        (NODE, "spot", "eu-west-1a", [0, 2]),
        (OTHERS[0], "spot", "eu-west-1b", [1]),
        (OTHERS[1], "on_demand", "eu-west-1c", []),
    ]
    assert told["pods"][0] == {
        "name": "orders-broker-0",
        "broker": 0,
        "roles": ["broker"],
        "node": NODE,
        "zone": "eu-west-1a",
        "capacity": "spot",
        "claims": ["data-0-orders-broker-0"],
        "local": True,
        "ready": True,
        "deleting": False,
    }
    assert {
        "name": "strimzi-cluster-operator-7f8c9d6b5-qv4lm",
        "role": "cluster_operator",
        "node": NODE,
        "ready": True,
    } in (told["sides"])
    seen = {"synced_at": at(0).wall, "code": None, "problem": None}
    assert told["watches"] == [{"resource": plural, **seen} for plural in PLURALS.values()]


def test_what_a_lost_node_held_is_described_with_what_is_still_known_of_it():
    cluster = Cluster()
    cluster.power_loss()
    cluster.tick(120)
    told = report(cluster.desk)
    assert told["nodes"][0] == {
        "name": NODE,  # a controller's pod is on it still
        "zone": None,
        "capacity": "spot",
        "ready": None,
        "closed": None,
        "disruption": "gone",
        "brokers": [],
    }
    assert [(one["node"], one["capacity"], one["ready"]) for one in told["pods"][:2]] == [
        (None, "unknown", False),
        (OTHERS[0], "spot", True),
    ]
    assert stuck_by_reason(told) == {**dict.fromkeys(Reason, 0), Reason.VOLUME_NODE_LOST: 2}
    assert told["stuck"][0]["pod"] == "orders-broker-0"
    assert told["stuck"][0]["since"] == at(82).wall
    assert [one["node"] for one in told["disruptions"]] == [NODE]


def test_a_node_without_pods_has_the_capacity_that_its_disruption_knows():
    cluster = Cluster()
    raw = cluster.get(Kind.NODE, NODE)
    raw["spec"]["taints"] = [{"key": "aws-node-termination-handler/spot-itn", "effect": "NoSchedule"}]
    cluster.put(10, Kind.NODE, raw)
    for name in [name for kind, name in cluster.objects if kind is Kind.POD]:
        cluster.drop(20, Kind.POD, name)
    assert list(nodes(cluster)) == [NODE]
    assert (nodes(cluster)[NODE]["capacity"], nodes(cluster)[NODE]["brokers"]) == ("spot", [])


@pytest.mark.parametrize("spec", [{"unschedulable": True}, {"taints": [{"key": RECLAIM, "effect": "NoSchedule"}]}])
def test_a_node_that_takes_no_pods_is_closed_whoever_closed_it(spec):
    cluster = Cluster()
    raw = cluster.get(Kind.NODE, NODE)
    raw["spec"] |= spec
    cluster.put(10, Kind.NODE, raw)
    assert {name: one["closed"] for name, one in nodes(cluster).items()} == {NODE: True, **dict.fromkeys(OTHERS, False)}


def test_nodes_stand_in_order_of_their_names_and_roles_too():
    pods = [broker_pod(number, node=f"n{9 - number}", roles=(Role.CONTROLLER, Role.BROKER)) for number in range(1, 9)]
    told = of(*pods)
    assert [one["name"] for one in told["nodes"]] == [f"n{number}" for number in range(1, 9)]
    assert told["pods"][0]["roles"] == ["broker", "controller"]


def test_brokers_are_counted_by_what_is_known_of_their_volumes():
    volumes = (DataVolume("data-3", None, local=None),)  # its volume may not be seen
    told = of(
        broker_pod(1, volumes=(DataVolume(None, None, local=True),)), broker_pod(2), broker_pod(3, volumes=volumes)
    )
    assert told["counts"]["on_local_volume"] == 2
    assert [one["claims"] for one in told["pods"]] == [[], ["data-2"], ["data-3"]]


def test_where_no_broker_was_found_nothing_is_counted():
    assert set(of()["counts"].values()) == {None}


@pytest.mark.parametrize(
    ("unseen", "unknown"), [(Kind.NODE, "on_spot"), (Kind.CLAIM, "on_local_volume"), (Kind.VOLUME, "on_local_volume")]
)
def test_what_rests_on_what_may_not_be_seen_is_not_known(unseen, unknown):
    told = of(broker_pod(1), broker_pod(2), desk=listed(*(kind for kind in Kind if kind is not unseen)))
    assert [name for name, count in told["counts"].items() if count is None] == [unknown]
    [watch] = [one for one in told["watches"] if one["resource"] == PLURALS[unseen]]
    assert watch == {"resource": PLURALS[unseen], "synced_at": None, "code": "403", "problem": "no"}


def test_of_what_is_exposed_only_risks_are_sentences():
    cluster = Cluster()
    exposed = report(cluster.desk)["exposure"]
    assert exposed["partitions"] == dict.fromkeys((domain.value for domain in Domain), 1)
    assert len(cluster.desk.exposure.each) > len(exposed["sentences"]) == 3
    assert (exposed["unplaced"], exposed["unjudged_topics"]) == ([], 0)
