"""What happens to nodes and pods shows in the incidents: opened once, for the right reason, closed when it is over."""

from __future__ import annotations

import pytest
from tests.core.kubernetes.raw import ended
from tests.core.kubernetes_world import NOTICE, ON_DEMAND, KubernetesWorld

from kafka_sentinel.core.events import AdapterError, WatchBroken
from kafka_sentinel.core.kubernetes.objects import Kind


def power_loss(world, name, numbers, leader, *, delete=True):
    """The node's power goes: Kafka notices after nine seconds, Kubernetes after forty; then the cloud deletes it."""
    world.dead |= set(numbers)
    world.run(9)
    world.lose(*numbers, leader=leader)
    world.run(31)
    world.silent(name)
    world.run(30)
    if delete:
        world.drop(Kind.NODE, name)
        world.run(10)
        for number in numbers:
            world.delete_pod(number, why="DeletionByPodGC")


def bring_back(world, *numbers, on="n9"):
    for number in numbers:
        world.make_pod(number, on)
    world.dead -= set(numbers)
    world.listed = (1, 2, 3)


def test_a_quiet_cluster_opens_nothing():
    world = KubernetesWorld()
    world.run(60)
    assert world.incidents == []
    assert [one["broker"] for one in world.kubernetes["pods"]] == [1, 2, 3]
    assert world.kubernetes["counts"] == {"on_spot": 3, "sharing_node": 0, "on_local_volume": 3, "stuck": 0}


def test_an_announced_reclaim_is_one_incident_timed_from_the_loss():
    world = KubernetesWorld()
    world.run(20)
    world.taint("n1", NOTICE)
    world.run(1)
    [incident] = world.incidents
    assert (incident["cause"], incident["nodes"], incident["state"]) == ("spot", ["n1"], "open")
    assert set(incident["phases"].values()) == {None}
    assert any("is to go" in reason for reason in incident["reasons"])
    assert world.engine.casebook.natural_losses == ()
    world.run(59)
    lost_at = world.wall
    power_loss(world, "n1", [1], leader=2)
    world.run(10)
    bring_back(world, 1)
    ready_at = world.wall
    world.run(90)
    [incident] = world.incidents
    assert (incident["cause"], incident["state"], incident["brokers"]) == ("spot", "closed", [1])
    assert incident["started_at"] == pytest.approx(lost_at, abs=1)
    assert incident["phases"]["pod"] == pytest.approx(ready_at - lost_at, abs=1.5)
    assert incident["phases"]["produce"] == pytest.approx(9, abs=1.5)
    assert incident["phases"]["full"] >= incident["phases"]["pod"]
    assert len(world.engine.casebook.natural_losses) == 1
    assert world.counts["node_disruptions_total spot true"] == 1
    assert world.counts["broker_restarts_total spot"] == 1
    assert world.samples["disruption_lead_seconds aws-node-termination-handler"] == [pytest.approx(60, abs=1)]


def test_a_notice_that_comes_to_nothing_closes_without_phases_and_costs_no_budget():
    world = KubernetesWorld()
    world.run(20)
    world.taint("n1", NOTICE)
    world.run(30)
    assert world.incidents[0]["state"] == "open"
    world.taint("n1")
    world.run(20)
    [incident] = world.incidents
    assert (incident["state"], incident["verdict"], incident["lost"]) == ("closed", "passed", 0)
    assert set(incident["phases"].values()) == {None}
    assert world.engine.casebook.natural_losses == ()
    assert [name for name in world.samples if name.startswith("recovery_seconds")] == []


def test_two_brokers_on_a_node_that_goes_without_a_word_are_one_incident():
    world = KubernetesWorld(places=("n1", "n1", "n3"))
    world.run(20)
    power_loss(world, "n1", [1, 2], leader=3)
    for number in (1, 2):
        world.pending_pod(number, "0/2 nodes are available: 2 node(s) had volume node affinity conflict.")
    world.run(60)
    [incident] = world.incidents
    assert (incident["cause"], incident["brokers"], incident["state"]) == ("spot", [1, 2], "open")
    assert any("orders-broker-1 cannot come back" in one and "affinity" in one for one in incident["reasons"])
    assert world.kubernetes["counts"]["stuck"] == 2
    world.run(700)
    assert world.incidents[0]["state"] == "open"
    for number in (1, 2):
        world.drop(Kind.POD, f"orders-broker-{number}")
    bring_back(world, 1, 2)
    world.run(60)
    [incident] = world.incidents
    assert (incident["cause"], incident["state"]) == ("spot", "closed")
    assert incident["phases"]["pod"] > 700
    assert any("could not come back for" in one for one in incident["reasons"])
    assert world.counts["node_disruptions_total spot false"] == 1


@pytest.mark.parametrize(("labels", "cause"), [(ON_DEMAND, "node_failure"), (None, "spot")])
def test_a_loss_without_notice_is_what_the_label_says(labels, cause):
    world = KubernetesWorld(**({"labels": labels} if labels else {}))
    world.run(20)
    power_loss(world, "n1", [1], leader=2)
    bring_back(world, 1)
    world.run(80)
    assert [(one["cause"], one["state"]) for one in world.incidents] == [(cause, "closed")]


def test_a_cordon_alone_opens_nothing_and_a_drain_is_a_drain():
    world = KubernetesWorld(labels=ON_DEMAND)
    world.run(20)
    world.taint("n1", cordoned=True)
    world.run(30)
    assert world.incidents == []
    world.delete_pod(1, why="EvictionByEvictionAPI")
    world.dead, world.leader, world.listed = {1}, 2, (2, 3)
    world.run(10)
    bring_back(world, 1)
    world.run(60)
    assert [(one["cause"], one["state"], one["nodes"]) for one in world.incidents] == [("drain", "closed", ["n1"])]


def test_a_drained_spot_node_is_waited_for_and_its_deletion_makes_it_a_reclaim():
    world = KubernetesWorld()
    world.run(20)
    world.taint("n1", cordoned=True)
    world.run(5)
    world.delete_pod(1, why="EvictionByEvictionAPI")
    world.dead, world.leader, world.listed = {1}, 2, (2, 3)
    world.run(10)
    bring_back(world, 1)
    world.run(60)
    [incident] = world.incidents
    assert (incident["cause"], incident["state"]) == ("drain", "rechecking")
    full = incident["phases"]["full"]
    world.drop(Kind.NODE, "n1")
    world.run(90)
    [incident] = world.incidents
    assert (incident["cause"], incident["state"]) == ("spot", "closed")
    assert incident["phases"]["full"] == full


def test_a_broker_that_was_drained_away_and_finds_no_place_does_not_date_the_loss_of_its_node():
    world = KubernetesWorld()
    world.run(20)
    world.taint("n1", NOTICE, cordoned=True)
    world.run(5)
    world.delete_pod(1, why="EvictionByEvictionAPI")
    world.pending_pod(1, "0/3 nodes are available: 1 node(s) were unschedulable.")
    world.dead = {1}
    world.run(9)
    world.lose(1, leader=2)
    world.run(25)
    world.drop(Kind.NODE, "n1")
    world.run(70)
    assert world.samples["disruption_lead_seconds aws-node-termination-handler"] == [pytest.approx(39, abs=1)]


def test_brokers_that_were_silent_before_their_pods_were_removed_date_the_loss_of_their_node():
    world = KubernetesWorld()
    world.run(20)
    world.taint("n1", NOTICE)
    world.run(60)
    world.dead = {1}
    world.run(3)
    world.drop(Kind.NODE, "n1")
    world.delete_pod(1)  # by hand, before Kafka misses the broker
    world.pending_pod(1, "0/2 nodes are available: 2 node(s) didn't match PersistentVolume's node affinity.")
    world.run(6)
    world.lose(1, leader=2)
    world.run(70)
    assert world.samples["disruption_lead_seconds aws-node-termination-handler"] == [pytest.approx(60, abs=1)]


def test_a_drained_spot_node_that_stays_is_given_up_on_after_ten_minutes():
    world = KubernetesWorld()
    world.run(20)
    world.taint("n1", cordoned=True)
    world.delete_pod(1, why="EvictionByEvictionAPI")
    bring_back(world, 1)
    world.run(500)
    assert world.incidents[0]["state"] == "rechecking"
    world.run(110)
    assert [(one["cause"], one["state"]) for one in world.incidents] == [("drain", "closed")]


@pytest.mark.parametrize(
    ("code", "reason", "cause"), [(137, "OOMKilled", "oom"), (1, "Error", "crash"), (143, "Error", "crash")]
)
def test_a_container_that_ends_is_an_incident_of_its_own_cause(code, reason, cause):
    world = KubernetesWorld()
    world.run(20)
    last = ended(code, reason, finished=round(world.second))
    world.restart_container(1, last)
    world.run(8)
    world.container_ready(1, last)
    world.run(60)
    [incident] = world.incidents
    assert (incident["cause"], incident["state"], incident["brokers"]) == (cause, "closed", [1])
    assert incident["phases"]["pod"] == pytest.approx(8, abs=1)
    assert world.counts[f"broker_restarts_total {cause}"] == 1


def test_a_pod_that_somebody_deleted_is_pod_deleted():
    world = KubernetesWorld()
    world.run(20)
    world.delete_pod(2)
    world.run(5)
    bring_back(world, 2, on="n2")
    world.run(70)
    assert [(one["cause"], one["brokers"], one["state"]) for one in world.incidents] == [("pod_deleted", [2], "closed")]
    assert world.counts["broker_restarts_total pod_deleted"] == 1
    assert len(world.engine.casebook.natural_losses) == 1


def test_what_kafka_noticed_first_is_explained_by_the_pod():
    world = KubernetesWorld()
    world.run(20)
    world.dead = {1}
    world.run(3)
    assert [one["cause"] for one in world.incidents] == ["unknown"]
    world.delete_pod(1)
    world.lose(1, leader=2)
    world.run(5)
    bring_back(world, 1, on="n1")
    world.run(60)
    assert [(one["cause"], one["state"]) for one in world.incidents] == [("pod_deleted", "closed")]
    assert len(world.engine.casebook.natural_losses) == 1


def test_two_nodes_with_notices_are_two_incidents():
    world = KubernetesWorld()
    world.run(20)
    world.taint("n1", NOTICE)
    world.taint("n2", NOTICE)
    world.run(1)
    assert [one["nodes"] for one in world.incidents] == [["n2"], ["n1"]]
    world.dead = {1, 2}
    world.run(9)
    world.lose(1, 2, leader=3)
    world.run(2)
    assert sorted((one["nodes"], one["brokers"]) for one in world.incidents) == [(["n1"], [1]), (["n2"], [2])]


@pytest.mark.parametrize("may_see_operator", [True, False])
def test_a_broker_that_is_scaled_away_is_not_waited_for_for_ever(may_see_operator):
    world = KubernetesWorld()
    world.run(20)
    if not may_see_operator:  # its namespace is another, and the right to see pods there is optional
        world.step(WatchBroken(world.now(), Kind.POD, "403", "pods is forbidden", "operators"))
    world.delete_pod(3)
    world.run(300)
    assert world.incidents[0]["state"] == "open"
    for _ in range(4):
        world.list_all(Kind.POD)
        world.run(100)
    [incident] = world.incidents
    assert incident["state"] == "closed"
    assert any("got no pod again" in one for one in incident["reasons"])


# --- restart of Sentinel


def test_after_a_restart_the_same_incident_goes_on_and_nothing_is_counted_twice():
    world = KubernetesWorld()
    world.run(20)
    world.taint("n1", NOTICE)
    world.run(10)
    name = world.incidents[0]["id"]
    world.restart()
    [incident] = world.incidents
    assert (incident["id"], incident["nodes"], incident["cause"]) == (name, ["n1"], "spot")
    assert world.counts["disruption_notices_total aws-node-termination-handler notice"] == 1
    world.taint("n1")
    world.wait(1)
    assert not any("is to go" in reason for reason in world.incidents[0]["reasons"])


def test_a_pod_awaited_before_a_restart_is_awaited_after_it():
    world = KubernetesWorld()
    world.run(20)
    world.delete_pod(2)
    world.pending_pod(2, "0/3 nodes are available: 3 Insufficient cpu.")
    world.run(20)
    world.restart()
    [incident] = world.incidents
    assert any("waiting for pod" in reason for reason in incident["reasons"])
    assert any("Insufficient cpu" in reason for reason in incident["reasons"])
    world.drop(Kind.POD, "orders-broker-2")
    world.make_pod(2, "n2")
    world.wait(5)
    assert world.incidents[0]["phases"]["pod"] is not None


def test_a_node_that_went_while_sentinel_was_down_is_told():
    world = KubernetesWorld()
    world.run(20)
    world.taint("n1", NOTICE)
    world.run(10)
    world.objects.pop((Kind.NODE, "n1"))
    world.restart()
    world.wait(70)
    assert world.counts["node_disruptions_total spot true"] == 1
    assert world.incidents[0]["cause"] == "spot"


@pytest.mark.parametrize("subject", ["kubernetes", "orders", "fleet"])
def test_an_error_of_the_api_server_is_not_counted_as_one_of_kafka(subject):
    world = KubernetesWorld()
    world.step(AdapterError(world.now(), subject, "403", "no"))
    world.step(AdapterError(world.now(), "verifier-all", "_TRANSPORT", "down"))
    assert world.counts["kubernetes_errors_total 403"] == 1
    assert world.counts["kafka_errors_total 403"] == 0
    assert world.counts["kafka_errors_total _TRANSPORT"] == 1


def test_a_node_that_was_silent_and_returned_is_named_in_the_incident_of_its_broker_and_is_no_reclaim():
    world = KubernetesWorld()
    world.run(20)
    world.dead |= {1}
    world.run(9)
    world.lose(1, leader=2)
    world.run(6)
    world.silent("n1")
    world.run(5)
    [incident] = world.incidents
    assert (incident["cause"], incident["nodes"], incident["brokers"]) == ("unknown", ["n1"], [1])
    assert any("n1 is silent" in reason for reason in incident["reasons"])
    raw = world.get(Kind.NODE, "n1")
    raw["status"]["conditions"][-1] |= {"status": "True", "reason": "KubeletReady"}
    raw["spec"]["taints"] = []
    world.put(Kind.NODE, raw)
    world.dead.clear()
    world.listed = (1, 2, 3)
    world.run(60)
    [incident] = world.incidents
    assert (incident["state"], incident["cause"], incident["cause_revised"]) == ("closed", "unknown", None)
    assert any("n1 is silent" in reason for reason in incident["reasons"])
    assert not [name for name in world.counts if name.startswith("node_disruptions_total")]


def test_a_silent_node_is_not_named_in_the_incident_of_another_nodes_broker():
    world = KubernetesWorld()
    world.run(20)
    world.delete_pod(2)
    world.run(5)
    world.silent("n3")
    world.run(5)
    assert [one["nodes"] for one in world.incidents] == [[]]
