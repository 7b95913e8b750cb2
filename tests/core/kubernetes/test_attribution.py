"""What happened to nodes and pods, told to the incidents and in the log: whose it is, since when, until when."""

from __future__ import annotations

import json

import pytest
from tests.core.kubernetes.raw import container, ended, event, node, pod, stamp
from tests.core.kubernetes_world import (
    GONE,
    NOTICE,
    ON_DEMAND,
    SPOT,
    KubernetesWorld,
    broker,
    broker_name,
    kafka_labels,
)

from kafka_sentinel.core import checkpoint
from kafka_sentinel.core.engine import Engine
from kafka_sentinel.core.kubernetes.attribution import NOT_MADE_AGAIN
from kafka_sentinel.core.kubernetes.objects import Kind

REBALANCE = {"key": "aws-node-termination-handler/rebalance-recommendation", "effect": "NoSchedule"}
LEAD = "disruption_lead_seconds aws-node-termination-handler"


@pytest.fixture
def world():
    world = KubernetesWorld()
    world.run(5)
    return world


# --- the log


def test_what_happens_to_a_node_is_logged_as_a_warning_and_its_end_as_news(world):
    world.taint("n1", NOTICE)
    world.wait(1)
    [opened] = world.said("node disruption opened")
    assert (opened.level, opened.fields["node"], opened.fields["cause"]) == ("warning", "n1", "spot")
    world.taint("n1")
    world.wait(1)
    assert [log.level for log in world.said("node disruption withdrawn")] == ["info"]


def test_each_pod_that_goes_and_returns_is_logged(world):
    world.delete_pod(2)
    world.delete_pod(3)
    world.wait(1)
    told = [(log.level, log.fields["broker"], log.fields["cause"]) for log in world.said("broker going")]
    assert told == [("warning", 2, "pod_deleted"), ("warning", 3, "pod_deleted")]
    world.make_pod(2, "n2")
    world.wait(1)
    assert [(log.level, log.fields["pod"]) for log in world.said("broker's pod ready again")] == [
        ("info", "orders-broker-2")
    ]


# --- nodes


def test_a_node_that_runs_a_controller_only_is_logged_and_opens_nothing(world):
    labels = {**kafka_labels(4), "strimzi.io/broker-role": "false", "strimzi.io/pool-name": "controller"}
    world.put(Kind.NODE, node("n4", labels=SPOT))
    world.put(Kind.POD, pod("orders-controller-4", on="n4", labels=labels))
    world.wait(1)
    world.put(Kind.NODE, node("n4", labels=SPOT, taints=[NOTICE]))
    world.wait(1)
    assert [log.fields["brokers"] for log in world.said("node disruption opened")] == [[]]
    world.drop(Kind.NODE, "n4")
    world.run(70)
    assert world.incidents == []


def test_an_announced_loss_strikes_when_the_node_is_gone_though_its_pods_are_still_listed(world):
    world.taint("n1", NOTICE)
    world.run(30)
    world.drop(Kind.NODE, "n1")
    gone = world.wall
    world.wait(1)
    [incident] = world.incidents
    assert (incident["brokers"], incident["started_at"]) == ([1], pytest.approx(gone, abs=0.5))


def test_a_node_that_goes_after_its_pods_went_elsewhere_strikes_nobody(world):
    world.taint("n1", NOTICE)
    world.run(5)
    world.drop(Kind.POD, "orders-broker-1")
    world.make_pod(1, "n2")
    world.run(30)
    before = world.incidents
    world.drop(Kind.NODE, "n1")
    world.wait(1)
    assert [(one["id"], one["brokers"], one["started_at"]) for one in world.incidents] == [
        (one["id"], one["brokers"], one["started_at"]) for one in before
    ]


def test_what_comes_to_be_known_of_a_node_after_its_incident_was_closed_opens_none(world):
    world.taint("n1", NOTICE)
    world.run(5)
    world.drop(Kind.NODE, "n1")
    world.wait(1)
    world.delete_pod(1)
    world.make_pod(1, "n2")
    world.run(150)
    assert [one["state"] for one in world.incidents] == ["closed"]
    assert len(world.said("node disruption counted")) == 1


@pytest.mark.parametrize("seconds", [10, 40])
def test_brokers_that_nobody_can_ask_date_the_loss_of_their_node(world, seconds):
    world.taint("n1", NOTICE)
    world.run(20)
    world.sees_nothing()
    world.wait(seconds)
    world.drop(Kind.NODE, "n1")
    world.wait(90)
    assert world.samples[LEAD] == [pytest.approx(20, abs=1)]


def test_a_broker_whose_pod_is_going_does_not_date_the_loss_of_its_node(world):
    """It falls silent because of that, and the node goes later."""
    world.taint("n1", NOTICE)
    world.run(20)
    raw = world.get(Kind.POD, "orders-broker-1")
    raw["metadata"] |= {"deletionTimestamp": "2027-01-01T00:00:00Z", "deletionGracePeriodSeconds": 30}
    world.put(Kind.POD, raw)
    world.wait(2)
    world.dead = {1}
    world.lose(1, leader=2)
    world.run(20)
    world.drop(Kind.NODE, "n1")
    world.run(70)
    assert world.samples[LEAD] == [pytest.approx(42, abs=1.5)]


@pytest.mark.parametrize(("again", "lead"), [(True, 40), (False, 20)])
def test_a_silence_that_was_over_does_not_date_a_later_loss(world, again, lead):
    world.taint("n1", NOTICE)
    world.run(20)
    world.lose(1, leader=2)
    world.run(5)
    if again:
        world.listed = (1, 2, 3)
    world.run(15)
    world.drop(Kind.NODE, "n1")
    world.run(70)
    assert world.samples[LEAD] == [pytest.approx(lead, abs=1)]


@pytest.mark.parametrize(("seconds", "lead"), [(20, 20), (30, 20), (32, 52), (60, 80)])
def test_of_two_brokers_on_a_node_one_that_is_named_for_longer_than_a_dead_one_shows_that_the_node_was_there(
    seconds, lead
):
    world = KubernetesWorld(places=("n1", "n1", "n3"))
    world.leader = 3
    world.run(5)
    world.taint("n1", NOTICE)
    world.run(20)
    world.lose(1, leader=3)
    world.run(seconds)
    world.drop(Kind.NODE, "n1")
    world.run(70)
    assert world.samples[LEAD] == [pytest.approx(lead, abs=1)]


def test_a_broker_on_the_same_node_that_never_answered_does_not_show_that_the_node_was_there():
    world = KubernetesWorld(places=("n1", "n1", "n3"), listed=(2, 3))
    world.leader = 3
    world.run(5)
    world.taint("n1", NOTICE)
    world.run(20)
    world.lose(2, leader=3)
    world.run(40)
    world.drop(Kind.NODE, "n1")
    world.run(70)
    assert world.samples[LEAD] == [pytest.approx(20, abs=1)]


@pytest.mark.parametrize(("seconds", "lead"), [(10, 10), (50, 60)])
def test_of_two_brokers_on_a_node_the_first_to_fall_silent_dates_its_loss_but_not_long_before_the_other(seconds, lead):
    world = KubernetesWorld(places=("n1", "n1", "n3"))
    world.leader = 3
    world.run(5)
    world.taint("n1", NOTICE)
    world.run(10)
    world.lose(1, leader=3)
    world.run(seconds)
    world.lose(1, 2, leader=3)
    world.run(20)
    world.drop(Kind.NODE, "n1")
    world.run(70)
    assert world.samples[LEAD] == [pytest.approx(lead, abs=1)]


def test_a_broker_that_came_back_dates_a_later_loss_of_its_node_again(world):
    world.delete_pod(1)
    world.run(2)
    world.make_pod(1, "n1")
    world.run(80)
    world.taint("n1", NOTICE)
    world.run(20)
    world.lose(1, leader=2)
    world.run(20)
    world.drop(Kind.NODE, "n1")
    world.run(70)
    assert world.samples[LEAD] == [pytest.approx(20, abs=1)]


def test_a_silence_that_was_over_dates_nothing_while_another_nodes_broker_is_still_silent(world):
    world.taint("n1", NOTICE)
    world.run(20)
    world.lose(1, 2, leader=3)
    world.run(5)
    world.listed = (1, 3)
    world.run(15)
    world.drop(Kind.NODE, "n1")
    world.run(70)
    assert world.samples[LEAD] == [pytest.approx(40, abs=1)]


def test_a_node_that_is_just_gone_strikes_the_brokers_on_it_and_names_itself(world):
    world.drop(Kind.NODE, "n1")
    world.wait(1)
    [incident] = world.incidents
    assert (incident["cause"], incident["brokers"], incident["nodes"]) == ("spot", [1], ["n1"])
    assert "node n1 is gone, without notice" in incident["reasons"]


@pytest.mark.parametrize("taints", [[], [NOTICE]])
def test_a_node_that_goes_long_after_its_broker_left_it_opens_nothing(world, taints):
    world.delete_pod(1)
    world.make_pod(1, "n2")
    world.run(90)
    assert [one["state"] for one in world.incidents] == ["closed"]
    world.objects[Kind.NODE, "n1"]["spec"]["taints"] = taints  # seen with the deletion only
    world.drop(Kind.NODE, "n1")
    world.run(5)
    assert len(world.incidents) == 1


def test_the_last_verdict_on_a_node_counts_also_a_less_specific_one(world):
    world.taint("n1", NOTICE, cordoned=True)
    world.run(2)
    assert world.incidents[0]["cause"] == "spot"
    world.taint("n1", cordoned=True)
    world.run(2)
    assert world.incidents[0]["cause"] == "drain"


def test_so_it_does_if_none_was_known_in_between(world):
    world.taint("n1", NOTICE)
    world.run(2)
    world.taint("n1", REBALANCE)
    world.run(2)
    world.taint("n1", REBALANCE, cordoned=True)
    world.run(2)
    assert [(one["state"], one["cause"]) for one in world.incidents] == [("open", "drain")]


def test_a_later_verdict_on_a_node_that_took_its_pods_along_counts_as_well(world):
    world.drop(Kind.NODE, "n1")
    world.delete_pod(1)
    world.run(2)
    assert [(one["cause"], one["nodes"]) for one in world.incidents] == [("spot", ["n1"])]
    raw = event("DisruptionTerminating", message="Disrupting Node: Underutilized", first=world.second - 10)
    world.put(Kind.EVENT, raw)
    world.run(2)
    assert world.incidents[0]["cause"] == "drain"


def test_what_is_said_of_a_lost_node_after_the_close_opens_none_though_a_new_one_bears_its_name():
    world = KubernetesWorld(labels=ON_DEMAND)
    world.run(5)
    lost = world.second
    world.drop(Kind.NODE, "n1")
    world.delete_pod(1)
    world.run(20)
    world.put(Kind.NODE, node("n1", uid="uid-again", labels=ON_DEMAND, created=world.second))
    world.make_pod(1, "n1")
    world.run(80)
    assert [(one["state"], one["cause"]) for one in world.incidents] == [("closed", "node_failure")]
    world.put(Kind.EVENT, event("SpotInterrupted", first=lost - 10))
    world.run(2)
    [incident] = world.incidents
    assert (incident["state"], incident["cause_revised"]) == ("closed", "spot")


def test_a_drain_does_not_explain_a_broker_that_had_failed_before(world):
    world.restart_container(2, ended(1, "Error", finished=round(world.second)))
    world.run(2)
    world.taint("n2", cordoned=True)
    world.run(2)
    [incident] = world.incidents
    assert (incident["cause"], incident["nodes"]) == ("crash", [])


def test_a_silent_node_is_named_where_its_broker_is_away(world):
    world.lose(1, leader=2)
    world.run(2)
    world.silent("n1")
    world.run(2)
    [incident] = world.incidents
    assert (incident["cause"], incident["nodes"]) == ("unknown", ["n1"])
    assert [why for why in incident["reasons"] if why.startswith("node n1 is silent")]


@pytest.mark.parametrize(("left", "cause"), [(False, "node_failure"), (True, "drain")])
def test_a_node_that_is_closed_long_after_it_failed_explains_nothing_until_a_broker_leaves_it(left, cause):
    world = KubernetesWorld(labels=ON_DEMAND)
    world.run(5)
    world.lose(1, leader=2)
    world.run(2)
    world.silent("n1")
    world.run(10)
    back = world.get(Kind.NODE, "n1")
    back["spec"]["taints"] = []
    back["status"]["conditions"][-1] |= {"status": "True", "lastTransitionTime": stamp(world.second)}
    back["status"]["nodeInfo"] = {"bootID": "another"}
    world.put(Kind.NODE, back)
    world.run(150)
    assert [one["cause"] for one in world.incidents] == ["node_failure"]
    world.taint("n1", cordoned=True)
    world.run(2)
    if left:
        world.delete_pod(1, why="EvictionByEvictionAPI")
        world.run(2)
    [incident] = world.incidents
    assert (incident["state"], incident["cause"]) == ("open", cause)
    assert "node n1: cordoned (cordon)" in incident["reasons"]


@pytest.mark.parametrize("seconds", [2, 52])
def test_a_notice_that_is_told_soon_after_an_incident_began_is_why_it_did(world, seconds):
    world.lose(1, leader=2)
    world.run(seconds)
    world.silent("n1")
    world.run(2)
    world.taint("n1", GONE, NOTICE)
    world.run(2)
    assert [(one["state"], one["cause"]) for one in world.incidents] == [("open", "spot")]


def test_that_a_node_is_gone_is_why_whenever_it_is_told(world):
    world.lose(1, leader=2)
    world.run(100)
    world.drop(Kind.NODE, "n1")
    world.run(2)
    assert [(one["state"], one["cause"]) for one in world.incidents] == [("open", "spot")]


def test_that_a_node_is_gone_is_why_though_it_fell_silent_long_after_the_incident_began(world):
    world.lose(1, leader=2)
    world.run(70)
    world.silent("n1")
    world.run(2)
    world.drop(Kind.NODE, "n1")
    world.run(3)
    assert [(one["state"], one["cause"]) for one in world.incidents] == [("open", "spot")]


def test_what_is_said_of_a_node_is_a_reason_of_the_incident_that_it_opens():
    world = KubernetesWorld(labels=ON_DEMAND)
    world.run(5)
    world.taint("n1", cordoned=True)
    world.run(2)
    world.drop(Kind.NODE, "n1")
    world.wait(1)
    assert "node n1 is gone" in world.incidents[0]["reasons"]


def test_what_is_said_of_a_silent_node_is_a_reason_of_the_incident_that_it_explains():
    world = KubernetesWorld(labels=ON_DEMAND)
    world.run(5)
    world.taint("n1", cordoned=True)
    world.run(2)
    world.lose(1, leader=2)
    world.run(2)
    assert world.incidents[0]["nodes"] == []
    world.silent("n1")
    world.wait(1)
    assert "node n1 is silent" in world.incidents[0]["reasons"]


def test_a_broker_that_fell_silent_a_second_before_its_pod_was_seen_to_be_removed_dates_nothing(world):
    world.taint("n1", NOTICE)
    world.run(20)
    world.lose(1, leader=2)
    world.look()
    world.wait(0.5)
    world.delete_pod(1)
    world.wait(0.5)
    world.pending_pod(1, FULL)
    world.run(10)
    world.drop(Kind.NODE, "n1")
    world.run(70)
    assert world.samples[LEAD] == [pytest.approx(31, abs=1)]


def test_a_node_that_stays_silent_is_decided_once_it_is_counted():
    world = KubernetesWorld(labels=ON_DEMAND)
    world.run(5)
    world.lose(1, leader=2)
    world.run(2)
    world.silent("n1")
    world.run(130)
    assert "why node n1 goes is not clear yet" in world.incidents[0]["reasons"]
    world.run(100)
    world.delete_pod(1, why="DeletionByPodGC")
    world.make_pod(1, "n2")
    world.listed = (1, 2, 3)
    world.run(80)
    assert [(one["state"], one["cause"]) for one in world.incidents] == [("closed", "node_failure")]


# --- pods


def test_a_pod_is_ready_again_since_it_says_so(world):
    world.delete_pod(2)
    world.wait(10)
    gone = world.incidents[0]["started_at"]
    world.make_pod(2, "n2")
    world.wait(1)
    assert world.incidents[0]["phases"]["pod"] == pytest.approx(world.wall - 1 - gone, abs=1.1)


def test_two_pods_are_back_when_the_later_one_is(world):
    world.delete_pod(2)
    world.delete_pod(3)
    world.run(5)
    world.make_pod(2, "n2")
    world.run(5)
    assert world.incidents[0]["phases"]["pod"] is None
    world.make_pod(3, "n3")
    world.run(1)
    assert world.incidents[0]["phases"]["pod"] == pytest.approx(10, abs=1.1)


def test_a_container_that_ended_is_not_back_though_its_pod_still_says_ready(world):
    raw = world.get(Kind.POD, "orders-broker-2")
    raw["status"] |= {"containerStatuses": [container(ended=ended(137, "OOMKilled", finished=round(world.second)))]}
    world.put(Kind.POD, raw)
    world.run(2)
    assert (world.incidents[0]["cause"], world.incidents[0]["phases"]["pod"]) == ("oom", None)


def test_the_pod_of_another_incident_does_not_keep_this_one_waiting(world):
    world.taint("n1", NOTICE)
    world.taint("n2", NOTICE)
    world.run(5)
    world.delete_pod(1, why="EvictionByEvictionAPI")
    world.delete_pod(2, why="EvictionByEvictionAPI")
    world.run(5)
    world.make_pod(1, "n3")
    world.run(2)
    found = {one["nodes"][0]: one["phases"]["pod"] for one in world.incidents}
    assert (found["n1"] is not None, found["n2"]) == (True, None)


def test_a_pod_that_went_twice_is_back_after_the_second_time(world):
    world.delete_pod(2)
    world.run(3)
    world.make_pod(2, "n2", uid="new")
    world.run(3)
    world.delete_pod(2)
    world.run(3)
    world.make_pod(2, "n2", uid="newer")
    world.run(2)
    assert world.incidents[0]["phases"]["pod"] == pytest.approx(9, abs=1.1)


def test_a_pod_that_was_ready_again_while_we_were_away_is_dated_by_what_it_says(world):
    world.delete_pod(2)
    world.run(5)
    raw = broker(2, "n2", uid="new-2", created=world.second + 3)
    raw["status"]["conditions"][-1]["lastTransitionTime"] = stamp(world.second + 5)
    world.objects[Kind.POD, "orders-broker-2"] = raw
    world.restart(away=20)
    assert world.incidents[0]["phases"]["pod"] == pytest.approx(10, abs=1.1)


def test_a_broker_is_given_up_after_ten_minutes_without_a_pod_and_not_before(world):
    world.delete_pod(3)
    world.run(0.5)
    world.run(NOT_MADE_AGAIN - 0.5)
    assert given_up(world) == []
    world.run(0.5)
    assert given_up(world) == [f"broker 3 got no pod again within {NOT_MADE_AGAIN:g} s: not waited for"]


def given_up(world):
    return [reason for reason in world.incidents[0]["reasons"] if "got no pod again" in reason]


def test_while_nobody_tells_of_pods_no_broker_is_given_up(world):
    """It may have one by then; if it has none once the watch is back, it is."""
    world.delete_pod(3)
    world.run(5)
    world.alive = (Kind.NODE,)  # the watch of pods is silent
    world.run(NOT_MADE_AGAIN)
    assert given_up(world) == []
    world.list_all(Kind.POD)
    world.run(1)
    assert len(given_up(world)) == 1


def test_after_a_restart_no_broker_is_given_up_before_pods_are_known(world):
    world.delete_pod(3)
    world.run(5)
    state = json.loads(json.dumps(checkpoint.to_state(world.engine)))
    world.engine = Engine(world.engine.config, run=8, started=world.now(), state=state)
    world.wait(NOT_MADE_AGAIN + 10)
    assert given_up(world) == []


def strimzi_says(world, number, reason="ClientCaCertKeyReplaced"):
    name = broker_name(number)
    raw = event(reason, name, kind="Pod", namespace="kafka", about_namespace="kafka", first=world.second)
    raw |= {"action": "StrimziInitiatedPodRestart"}
    raw["involvedObject"]["uid"] = f"uid-{name}"
    world.put(Kind.EVENT, raw)


def test_a_cause_that_comes_to_be_known_later_is_told_of_its_incident(world):
    world.delete_pod(2)
    world.run(2)
    world.make_pod(2, "n2")
    world.run(2)
    assert world.incidents[0]["cause"] == "pod_deleted"
    strimzi_says(world, 2)
    world.run(2)
    assert world.incidents[0]["cause"] == "rollout"
    assert [one for one in world.incidents[0]["reasons"] if "ClientCaCertKeyReplaced" in one]
    assert [(log.level, log.fields["cause"]) for log in world.said("broker restart explained")] == [("info", "rollout")]


def test_a_pod_that_ends_for_minutes_is_not_back_after_a_restart_though_it_still_says_ready(world):
    raw = world.get(Kind.POD, "orders-broker-2")
    raw["metadata"] |= {"deletionTimestamp": stamp(world.second + 600), "deletionGracePeriodSeconds": 600}
    world.put(Kind.POD, raw)
    world.run(2)
    world.restart()
    world.run(2)
    assert (world.incidents[0]["brokers"], world.incidents[0]["phases"]["pod"]) == ([2], None)


def test_once_restarts_are_counted_nothing_is_kept_of_them(world):
    world.delete_pod(2)
    world.run(2)
    world.make_pod(2, "n2")
    world.run(80)
    assert world.counts["broker_restarts_total pod_deleted"] == 1
    assert world.engine.kubernetes._attribution._of == {}


def test_it_is_told_of_no_other_incident(world):
    world.taint("n1", NOTICE)
    world.run(2)
    world.delete_pod(3)
    world.run(2)
    strimzi_says(world, 3)
    world.run(2)
    told = {
        tuple(one["nodes"]): [why for why in one["reasons"] if "pod orders-broker-3" in why] for one in world.incidents
    }
    assert [len(why) for why in told.values()] == [2, 0]
    assert {one["cause"] for one in world.incidents} == {"rollout", "spot"}


def test_a_drain_of_its_node_that_is_told_later_is_the_nodes_verdict_from_then_on(world):
    """A spot node that is drained, and goes: the incident is about it, and takes its last verdict."""
    world.delete_pod(1)
    world.run(2)
    assert world.incidents[0]["nodes"] == []
    world.taint("n1", cordoned=True)
    world.run(2)
    [incident] = world.incidents
    assert (incident["cause"], incident["nodes"]) == ("drain", ["n1"])
    assert "why node n1 goes is not clear yet" in incident["reasons"]
    world.make_pod(1, "n2")
    world.drop(Kind.NODE, "n1")
    world.run(2)
    assert world.incidents[0]["cause"] == "spot"


def test_a_pod_that_went_for_a_reason_of_its_own_is_not_of_its_node(world):
    world.taint("n2", cordoned=True)
    world.run(2)
    last = ended(137, "OOMKilled", finished=round(world.second))
    world.restart_container(2, last)
    world.run(2)
    assert [(one["cause"], one["nodes"]) for one in world.incidents] == [("oom", [])]


@pytest.mark.parametrize("labels", [SPOT, ON_DEMAND])
def test_the_close_waits_until_a_loss_is_counted_and_no_longer(labels):
    world = KubernetesWorld(labels=labels)
    world.run(5)
    world.drop(Kind.NODE, "n1")
    world.delete_pod(1)
    world.make_pod(1, "n2")
    world.run(50)
    assert [one["state"] for one in world.incidents] == ["rechecking"]
    world.run(30)
    assert [one["state"] for one in world.incidents] == ["closed"]


# --- what cannot come back

FULL = "0/3 nodes are available: 3 Insufficient cpu."


def test_what_keeps_a_pod_from_coming_back_is_said_while_it_does_and_for_how_long_it_did(world):
    world.delete_pod(2)
    world.run(1)
    world.pending_pod(2, FULL)
    world.run(120)
    assert [why for why in world.incidents[0]["reasons"] if "could not come back" in why] == []
    assert [why for why in world.incidents[0]["reasons"] if why.startswith("pod orders-broker-2 cannot come back: ")]
    world.drop(Kind.POD, "orders-broker-2")
    world.make_pod(2, "n2")
    world.run(20)
    [over] = [why for why in world.incidents[0]["reasons"] if "could not come back" in why]
    assert over.startswith("pod orders-broker-2 could not come back for 12")
    assert [why for why in world.incidents[0]["reasons"] if "cannot come back" in why] == []


def test_a_clock_that_was_set_back_makes_no_time_negative(world):
    world.delete_pod(2)
    world.pending_pod(2, FULL)
    world.run(60)
    world.wall -= 3_600
    world.drop(Kind.POD, "orders-broker-2")
    world.make_pod(2, "n2")
    world.run(1)
    assert [why for why in world.incidents[0]["reasons"] if "could not come back for 0 s" in why]


def test_pods_that_cannot_come_back_are_named_in_the_order_of_their_brokers(world):
    world.put(Kind.POD, broker(8, "n3"))
    world.listed = (1, 2, 3, 8)
    world.run(2)
    for number in (8, 1):
        world.delete_pod(number)
    world.run(1)
    for number in (8, 1):
        world.pending_pod(number, FULL)
    world.run(60)
    named = [why.split()[1] for why in world.incidents[0]["reasons"] if "cannot come back" in why]
    assert named == [broker_name(1), broker_name(8)]


def test_of_two_incidents_each_remembers_its_own(world):
    for number in (1, 2):
        world.taint(f"n{number}", NOTICE)
    world.run(5)
    for number in (1, 2):
        world.delete_pod(number, why="EvictionByEvictionAPI")
    world.run(1)
    for number in (1, 2):
        world.pending_pod(number, FULL)
    world.run(90)
    for number in (1, 2):
        world.drop(Kind.POD, broker_name(number))
        world.make_pod(number, "n3")
    world.run(2)
    told = {tuple(one["nodes"]): [why for why in one["reasons"] if "could not" in why] for one in world.incidents}
    assert [
        [name for name in (broker_name(1), broker_name(2)) if name in str(why)] for _, why in sorted(told.items())
    ] == [
        [broker_name(1)],
        [broker_name(2)],
    ]
