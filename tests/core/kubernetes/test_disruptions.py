"""Nodes that go, and nodes that do not: announced, unannounced, late, twice, out of order, unseen."""

from __future__ import annotations

import json
from itertools import permutations

import pytest
from tests.core.kubernetes.raw import EPOCH, Watches, at, condition, event, meta, node, node_claim, stamp

from kafka_sentinel.core.commands import Count, Observe
from kafka_sentinel.core.events import ObjectsListed
from kafka_sentinel.core.incident import Cause
from kafka_sentinel.core.kubernetes import disruptions as module
from kafka_sentinel.core.kubernetes import node_watch
from kafka_sentinel.core.kubernetes.capacity import Capacity
from kafka_sentinel.core.kubernetes.disruption import Outcome
from kafka_sentinel.core.kubernetes.disruptions import (
    CATCH_UP,
    LOST_AFTER,
    OLD,
    SETTLE,
    SETTLE_SILENT,
    STARTING,
    Disruptions,
)
from kafka_sentinel.core.kubernetes.node_watch import NodeWatch
from kafka_sentinel.core.kubernetes.objects import Kind, parse
from kafka_sentinel.core.kubernetes.signal_types import SignalKind, Source
from kafka_sentinel.core.types import Instant

EKS_SPOT = {"eks.amazonaws.com/capacityType": "SPOT"}
EKS_ON_DEMAND = {"eks.amazonaws.com/capacityType": "ON_DEMAND"}
KARPENTER_SPOT = {"karpenter.sh/capacity-type": "spot"}
GKE_SPOT = {"cloud.google.com/gke-spot": "true"}
AKS_SPOT = {"kubernetes.azure.com/scalesetpriority": "spot"}
NTH_NOTICE = {"key": "aws-node-termination-handler/spot-itn", "value": "spot-itn-1", "effect": "NoSchedule"}
DISRUPTED = {"key": "karpenter.sh/disrupted", "effect": "NoSchedule"}
UNREACHABLE = {"key": "node.kubernetes.io/unreachable", "effect": "NoExecute"}


class World:
    """Watches, an inventory and the disruptions that follow; node n1 runs brokers 0 and 2."""

    def __init__(self, labels=EKS_SPOT, *objects, state=None, **listed):
        self.labels = labels
        self.watches = Watches((Kind.NODE, node(labels=labels, **listed)), *objects)
        self.disruptions = Disruptions()
        if state is not None:
            self.disruptions.restore(state, at(0))
        self.watch = NodeWatch(self.watches.inventory, self.disruptions)
        self.watch.hosts(at(-60), {"uid-n1": frozenset({0, 2})})
        self.changes, self.commands = [], []

    def node(self, seconds, **more):
        self.watch.take(self.watches.put(seconds, Kind.NODE, node(**{"labels": self.labels, **more})))

    def event(self, seconds, reason, **more):
        self.watch.take(self.watches.put(seconds, Kind.EVENT, event(reason, **{"first": seconds, **more})))

    def claim(self, seconds, **more):
        self.watch.take(self.watches.put(seconds, Kind.NODE_CLAIM, node_claim(**more)))

    def deleted(self, seconds, **more):
        self.watch.take(self.watches.drop(seconds, Kind.NODE, node(labels=self.labels, **more)))

    def tick(self, seconds):
        self.watch.tick(at(seconds))
        step = self.disruptions.tick(at(seconds), at(seconds))
        self.changes += [change.kind for change in step.changes]
        self.commands += step.commands
        return self

    def wait(self, seconds, until=None):
        for second in range(int(seconds), int(until or seconds + LOST_AFTER + SETTLE_SILENT + SETTLE), 10):
            self.tick(second)
        return self

    @property
    def only(self):
        return self.disruptions.on("uid-n1")

    @property
    def counted(self):
        """The samples of node_disruptions_total as (cause, announced)."""
        found = [one for one in self.commands if isinstance(one, Count) and one.metric == "node_disruptions_total"]
        return [(dict(one.labels)["cause"], dict(one.labels)["announced"]) for one in found]

    @property
    def notices(self):
        found = [one for one in self.commands if isinstance(one, Count) and one.metric == "disruption_notices_total"]
        return [(dict(one.labels)["source"], dict(one.labels)["class"]) for one in found]

    @property
    def leads(self):
        found = [one for one in self.commands if isinstance(one, Observe)]
        return [(dict(one.labels)["source"], one.values[0]) for one in found]


def unreachable(since, **more):
    return {"ready": "Unknown", "since": since, "taints": [UNREACHABLE], **more}


# --- announced


def test_the_termination_handlers_notice_then_the_power_goes():
    world = World(EKS_SPOT)
    world.node(10, taints=[NTH_NOTICE], cordoned=True)
    assert world.only.cause is Cause.SPOT
    assert world.only.kind is SignalKind.NOTICE
    world.disruptions.brokers_silent("uid-n1", at(100.4))
    world.node(140, ready="Unknown", since=140, taints=[NTH_NOTICE, UNREACHABLE], cordoned=True)
    assert world.only.kind is SignalKind.GONE
    world.wait(150)
    assert world.counted == [("spot", "true")]
    assert world.leads == [(Source.NTH, pytest.approx(90.4))]
    assert world.only.brokers == {0, 2}
    world.deleted(900, taints=[NTH_NOTICE])
    world.wait(910)
    assert world.counted == [("spot", "true")]
    assert world.disruptions.open == ()


@pytest.mark.parametrize(
    ("labels", "notice"),
    [
        (KARPENTER_SPOT, {"reason": "SpotInterrupted", "component": "karpenter"}),
        (EKS_SPOT, {"reason": "SpotInterruption"}),
        (GKE_SPOT, {"reason": "Shutdown", "message": "Shutdown manager detected shutdown event"}),
        (GKE_SPOT, {"reason": "ImpendingNodeTermination"}),
        (AKS_SPOT, {"reason": "PreemptScheduled"}),
    ],
)
def test_a_reclaim_announced_by_an_event(labels, notice):
    world = World(labels)
    world.event(10, **notice)
    world.deleted(70)
    world.wait(71)
    assert world.counted == [("spot", "true")]
    assert world.leads[0][1] == pytest.approx(60)


@pytest.mark.parametrize(
    "standing",
    [
        {"conditions": [condition("VMEventScheduled", message="Preempt Scheduled: now", since=10)]},
        {"conditions": [condition("PreemptionScheduled", reason="SpotEvictionIncoming", since=10)]},
        {"taints": [{"key": "aks-node-termination-handler/preempt", "effect": "NoSchedule"}]},
    ],
)
def test_a_reclaim_announced_on_the_node(standing):
    world = World(AKS_SPOT)
    world.node(10, **standing)
    world.deleted(40, **standing)
    world.wait(41)
    assert world.counted == [("spot", "true")]
    assert world.leads == [(world.only.notice.signal.source, pytest.approx(30))]


def test_a_managed_group_without_a_handler_cordons_drains_and_the_node_goes():
    world = World(EKS_SPOT)
    world.node(10, cordoned=True)
    assert world.only.cause is Cause.DRAIN
    world.disruptions.broker_left("uid-n1", at(10))
    world.deleted(125, cordoned=True)
    assert world.only.cause is Cause.SPOT
    world.wait(130)
    assert world.counted == [("spot", "true")]
    assert world.leads == [(Source.KUBERNETES, pytest.approx(115))]


def test_the_same_on_demand_is_a_drain():
    world = World(EKS_ON_DEMAND)
    world.node(10, cordoned=True)
    world.deleted(125, cordoned=True)
    world.wait(130)
    assert world.counted == [("drain", "true")]


# --- unannounced


@pytest.mark.parametrize(
    ("labels", "cause"), [(EKS_SPOT, "spot"), (EKS_ON_DEMAND, "node_failure"), ({}, "node_failure")]
)
def test_power_loss_and_deletion_without_a_word(labels, cause):
    world = World(labels)
    world.node(40, **unreachable(40))
    assert world.only.cause is Cause.UNKNOWN
    world.tick(50)
    world.deleted(75, **unreachable(40))
    world.wait(80)
    assert world.counted == [(cause, "false")]
    assert world.leads == []
    assert world.only.lost == at(40)


@pytest.mark.parametrize(("labels", "cause"), [(EKS_SPOT, "spot"), (EKS_ON_DEMAND, "node_failure")])
def test_a_node_that_is_just_gone(labels, cause):
    world = World(labels)
    world.deleted(75)
    world.wait(80)
    assert world.counted == [(cause, "false")]


@pytest.mark.parametrize("key", ["node.cloudprovider.kubernetes.io/shutdown", "node.kubernetes.io/out-of-service"])
def test_a_machine_that_is_known_to_be_off_is_as_good_as_deleted(key):
    world = World(AKS_SPOT)
    world.node(40, **unreachable(40, taints=[UNREACHABLE, {"key": key, "effect": "NoSchedule"}]))
    assert world.only.cause is Cause.SPOT
    assert not world.only.announced


def test_a_machine_that_is_off_for_hours_is_one_disruption():
    world = World(AKS_SPOT)
    off = [UNREACHABLE, {"key": "node.cloudprovider.kubernetes.io/shutdown", "effect": "NoSchedule"}]
    world.node(40, **unreachable(40, taints=off))
    world.wait(41)
    world.node(5_000, **unreachable(40, taints=[*off, {"key": "other"}]))
    world.deleted(9_000, **unreachable(40, taints=off))
    world.wait(9_001)
    assert world.counted == [("spot", "false")]
    assert len(world.disruptions.status()) == 1


def test_a_node_that_came_back_may_be_lost_again():
    world = World(EKS_SPOT)
    world.node(30, boot="boot-2")
    world.wait(31)
    world.deleted(5_000, boot="boot-2")
    world.wait(5_001)
    assert world.counted == [("node_failure", "false"), ("spot", "false")]


@pytest.mark.parametrize(
    "aftermath",
    [
        lambda world: world.node(60, **unreachable(40, cordoned=True)),
        lambda world: world.node(60, **unreachable(40, taints=[UNREACHABLE, DISRUPTED])),
        lambda world: world.claim(60, deleted=60),
        lambda world: world.event(60, "ScaleDown"),
        lambda world: world.event(60, "StateChange"),
        lambda world: world.event(60, "RemovingNode"),
    ],
)
@pytest.mark.parametrize(("labels", "cause"), [(KARPENTER_SPOT, "spot"), (EKS_ON_DEMAND, "node_failure")])
def test_what_follows_from_a_loss_neither_explains_nor_announces_it(aftermath, labels, cause):
    world = World(labels)
    world.node(40, **unreachable(40))
    aftermath(world)
    world.deleted(90, **unreachable(40))
    world.wait(91)
    assert world.counted == [(cause, "false")]


def test_an_old_cordon_neither_explains_nor_announces_a_loss():
    world = World(EKS_ON_DEMAND)
    world.node(10, cordoned=True)
    world.node(90_000, **unreachable(90_000, cordoned=True))
    world.deleted(90_030, cordoned=True)
    world.wait(90_031)
    assert world.counted == [("node_failure", "false")]


# --- chosen by somebody


@pytest.mark.parametrize("reason", ["Underutilized", "Empty", "Drifted"])
def test_consolidation_is_a_drain_also_of_a_spot_node(reason):
    world = World(KARPENTER_SPOT, (Kind.NODE_CLAIM, node_claim()))
    world.claim(10, conditions=[condition("DisruptionReason", reason=reason, since=10)])
    world.node(11, taints=[DISRUPTED])
    world.event(12, "DisruptionTerminating", message=f"Disrupting Node: {reason}")
    world.disruptions.broker_left("uid-n1", at(12))
    world.event(60, "InstanceTerminating")
    world.deleted(70, taints=[DISRUPTED])
    world.wait(71)
    assert world.counted == [("drain", "true")]


@pytest.mark.parametrize("labels", [KARPENTER_SPOT, EKS_SPOT])
def test_scale_down_by_the_autoscaler_is_a_drain(labels):
    world = World(labels)
    taint = {"key": "ToBeDeletedByClusterAutoscaler", "value": str(int(EPOCH) + 10), "effect": "NoSchedule"}
    world.node(11, taints=[taint], cordoned=True)
    world.event(50, "ASGLifecycle")
    world.deleted(70, taints=[taint], cordoned=True)
    world.wait(71)
    assert world.counted == [("drain", "true")]


def test_karpenters_taint_alone_is_never_a_reclaim():
    world = World(KARPENTER_SPOT)
    world.node(10, taints=[DISRUPTED])
    world.deleted(70, taints=[DISRUPTED])
    world.wait(71)
    assert world.counted == [("drain", "true")]


@pytest.mark.parametrize(
    ("labels", "chosen", "cause"),
    [
        (KARPENTER_SPOT, False, "spot"),
        (KARPENTER_SPOT, True, "drain"),
        ({**KARPENTER_SPOT, "karpenter.sh/capacity-type": "on-demand"}, False, "drain"),
    ],
)
def test_an_interruption_whose_reason_was_not_heard_is_what_the_label_says_unless_somebody_chose_it(
    labels, chosen, cause
):
    world = World(labels, (Kind.NODE_CLAIM, node_claim()))
    world.event(10, "TerminatingOnInterruption")  # of the event SpotInterrupted beside it, Karpenter makes few
    world.node(11, taints=[DISRUPTED])
    reason = [condition("DisruptionReason", reason="Drifted", since=12)] if chosen else []
    world.claim(12, conditions=[*reason, condition("Drained", since=12), condition("InstanceTerminating", since=12)])
    world.deleted(70, taints=[DISRUPTED])
    world.wait(71)
    assert world.counted == [(cause, "true")]


def test_a_reclaim_in_the_middle_of_a_consolidation_is_a_reclaim():
    world = World(KARPENTER_SPOT)
    world.node(10, taints=[DISRUPTED])
    world.event(40, "SpotInterrupted")
    world.deleted(70, taints=[DISRUPTED])
    world.wait(71)
    assert world.counted == [("spot", "true")]
    assert world.leads == [(Source.KARPENTER, pytest.approx(30))]


def test_a_drain_that_a_person_takes_back_is_counted_only_if_a_broker_left():
    world = World(EKS_SPOT)
    world.node(10, cordoned=True)
    world.node(300)
    world.wait(301)
    assert (world.only.outcome, world.counted) == (Outcome.WITHDRAWN, [])
    world.node(1_000, cordoned=True)
    world.disruptions.broker_left("uid-n1", at(1_000))
    world.wait(1_001, 1_200)
    world.node(1_300)
    world.wait(1_301)
    assert world.counted == [("drain", "true")]
    assert "withdrawn" in world.changes


@pytest.mark.parametrize(("told", "counted"), [(15, [("drain", "true")]), (70, [("drain", "true")]), (71, [])])
def test_a_drain_that_is_told_after_the_broker_left_struck_all_the_same_unless_that_is_long_ago(told, counted):
    world = World(EKS_ON_DEMAND)
    world.disruptions.broker_left("uid-n1", at(10))
    world.node(told, cordoned=True)
    world.node(told + 45)
    world.wait(told + 46)
    assert world.counted == counted


@pytest.mark.parametrize(("told", "drained"), [(190, True), (191, False)])
def test_a_drain_that_says_when_it_began_may_be_told_until_three_minutes_after_the_broker_left(told, drained):
    world = World(EKS_ON_DEMAND)
    world.disruptions.broker_left("uid-n1", at(10))
    world.tick(told)
    world.event(told, "ScaleDown", first=60)
    assert world.only.drained == drained


def test_a_drain_that_began_before_a_notice_and_is_told_with_it_struck_what_left_in_between():
    world = World(AKS_SPOT)
    world.disruptions.broker_left("uid-n1", at(10))
    scheduled = condition("VMEventScheduled", message="Reboot Scheduled", since=60)
    notice = {"key": "aks-node-termination-handler/reboot", "effect": "NoSchedule", "timeAdded": stamp(75)}
    world.node(80, conditions=[scheduled], taints=[notice])  # the watch was broken
    assert (world.only.notice.said, world.only.drained) == (at(75), True)


@pytest.mark.parametrize(("closed", "counted"), [(5, [("drain", "true")]), (15, [("drain", "true")]), (16, [])])
def test_what_was_rolled_was_drained_only_if_its_node_was_not_closed_later(closed, counted):
    world = World(EKS_ON_DEMAND)
    for second in sorted((closed, 10)):
        if second == 10:
            world.disruptions.broker_left("uid-n1", at(10), rolled=True)
        else:
            world.node(closed, cordoned=True)
    world.node(60)
    world.wait(61)
    assert world.counted == counted


def test_of_two_brokers_that_left_a_node_each_was_drained_or_not_by_what_explains_it():
    world = World(EKS_ON_DEMAND)
    world.disruptions.broker_left("uid-n1", at(10), 3)
    world.disruptions.broker_left("uid-n1", at(12), 4, rolled=True)
    world.node(30, cordoned=True)
    world.node(60)
    world.wait(61)
    assert world.counted == [("drain", "true")]
    assert world.only.brokers == {0, 2, 3}


# --- silent for a while


@pytest.mark.parametrize("labels", [EKS_SPOT, EKS_ON_DEMAND])
@pytest.mark.parametrize("seconds", [5, 60, LOST_AFTER - 20])
def test_a_node_that_is_silent_and_comes_back_was_not_lost(labels, seconds):
    world = World(labels)
    world.node(40, **unreachable(40))
    world.wait(41, 40 + seconds)
    world.node(40 + seconds, since=40 + seconds)
    world.wait(41 + seconds)
    assert (world.counted, world.leads) == ([], [])
    assert (world.only.outcome, world.only.cause) == (Outcome.RECOVERED, Cause.UNKNOWN)
    assert "recovered" in world.changes


def test_a_node_that_falls_silent_again_while_nobody_looked_is_not_lost_by_the_time_of_both():
    world = World(EKS_ON_DEMAND)
    world.node(40, **unreachable(40))
    world.wait(41, 60)
    again = 40 + LOST_AFTER
    world.node(again + 30, **unreachable(again))
    world.wait(again + 31, again + LOST_AFTER - 10)
    assert (world.only.certain, world.only.cause) == (None, Cause.UNKNOWN)
    world.wait(again + LOST_AFTER)
    assert world.counted == [("node_failure", "false")]


def test_a_cordoned_node_that_was_silent_for_a_moment_was_not_lost_either():
    world = World(EKS_ON_DEMAND)
    world.node(10, cordoned=True)
    world.node(40, **unreachable(40, cordoned=True))
    world.node(70, cordoned=True, since=70)
    world.wait(71)
    assert world.counted == []
    assert world.only.kind is SignalKind.DRAIN
    world.node(2_000)
    world.tick(2_001)
    assert (world.only.outcome, world.counted) == (Outcome.RECOVERED, [])


def ending(world, seconds, **more):
    """The kubelet says that its machine shuts down: not ready, and not silent."""
    raw = node(**{"labels": world.labels, "ready": "False", "since": seconds, **more})
    raw["status"]["conditions"][-1]["message"] = "node is shutting down"
    world.watch.take(world.watches.put(seconds, Kind.NODE, raw))


def test_a_node_that_ends_in_good_order_is_not_silent_though_it_once_was():
    world = World(EKS_ON_DEMAND)
    world.node(10, cordoned=True)
    world.disruptions.broker_left("uid-n1", at(10))
    world.node(40, **unreachable(40, cordoned=True))
    world.node(70, cordoned=True, since=70)
    ending(world, 100, cordoned=True)
    assert (world.only.drained, world.only.lost) == (True, None)


def test_a_silent_node_is_not_back_before_it_is_ready():
    world = World(EKS_ON_DEMAND)
    world.node(40, **unreachable(40))
    ending(world, 50)
    assert world.only.lost == at(40)


def test_a_node_that_stays_silent_is_lost_also_if_it_returns_at_last():
    world = World(EKS_ON_DEMAND)
    world.node(40, **unreachable(40))
    world.wait(41, 40 + LOST_AFTER + 20)
    assert world.only.cause is Cause.NODE_FAILURE
    world.node(400, since=400)
    world.wait(401)
    assert world.counted == [("node_failure", "false")]
    assert world.disruptions.open == ()


def test_a_silent_spot_node_may_be_deleted_minutes_later():
    world = World(EKS_SPOT)
    world.node(40, **unreachable(40))
    world.wait(41, 460)
    world.deleted(460, **unreachable(40))
    world.wait(461)
    assert world.counted == [("spot", "false")]


def test_a_deletion_after_the_counting_is_shown_and_not_counted():
    world = World(EKS_SPOT)
    world.node(40, **unreachable(40))
    world.wait(41, 900)
    assert world.counted == [("node_failure", "false")]
    world.deleted(1_000, **unreachable(40))
    world.wait(1_001)
    assert world.counted == [("node_failure", "false")]
    assert world.only.cause is Cause.SPOT
    assert "revised" in world.changes


def test_a_reboot_is_a_failure_even_if_it_was_too_short_to_be_missed():
    world = World(EKS_ON_DEMAND)
    world.node(30, boot="boot-2")
    world.wait(31)
    assert world.counted == [("node_failure", "false")]
    assert world.only.outcome is Outcome.LOST


def test_a_spot_node_that_was_restarted_was_not_only_silent_and_a_notice_minutes_later_is_of_another_loss():
    world = World(EKS_SPOT)
    world.node(40, **unreachable(30))
    world.node(70, **unreachable(30, boot="boot-2"))  # it is told of its restart, and then that it is back
    world.node(70, boot="boot-2", since=70)
    world.wait(71, 300)
    world.node(300, boot="boot-2", since=70, taints=[NTH_NOTICE])
    world.deleted(420, boot="boot-2", since=70, taints=[NTH_NOTICE])
    world.wait(421)
    assert world.counted == [("node_failure", "false"), ("spot", "true")]


def test_a_spot_node_that_falls_silent_once_more_after_its_restart_may_have_been_taken_back():
    world = World(EKS_SPOT)
    world.node(40, boot="boot-2")
    world.node(60, **unreachable(50, boot="boot-2"))
    world.wait(61, 300)
    world.deleted(300, **unreachable(50, boot="boot-2"))
    world.wait(301)
    assert world.counted == [("spot", "false")]


def test_a_spot_node_that_is_back_after_minutes_was_not_taken_back_and_a_later_notice_is_of_another_loss():
    world = World(EKS_SPOT)
    world.node(40, **unreachable(40))
    world.wait(41, 240)
    world.node(240, since=240)
    world.wait(241, 400)
    world.node(400, since=240, taints=[NTH_NOTICE])
    world.deleted(520, since=240, taints=[NTH_NOTICE])
    world.wait(521)
    assert world.counted == [("node_failure", "false"), ("spot", "true")]


def test_a_planned_reboot_is_a_drain():
    world = World(EKS_ON_DEMAND)
    world.node(10, cordoned=True)
    world.node(60, **unreachable(60, cordoned=True))
    world.node(90, cordoned=True, boot="boot-2", since=90)
    world.node(120, boot="boot-2", since=90)
    world.wait(121)
    assert world.counted == [("drain", "true")]


def test_a_reboot_is_over_when_the_node_is_back_whatever_its_event_still_says():
    world = World(EKS_ON_DEMAND)
    world.node(30, boot="boot-2")
    world.event(33, "Rebooted")
    world.wait(34, 300)
    assert (world.only.outcome, world.disruptions.open) == (Outcome.LOST, ())
    world.event(300, "NodeReady")  # looked at again, while the event of the reboot still stands
    assert world.disruptions.open == ()
    world.node(310, boot="boot-2", cordoned=True)
    world.disruptions.broker_left("uid-n1", at(320))
    world.node(400, boot="boot-2")
    world.wait(401)
    assert world.counted == [("node_failure", "false"), ("drain", "true")]


def test_a_reboot_of_which_the_event_is_told_first_and_its_boot_when_that_is_over_is_one():
    world = World(EKS_ON_DEMAND)
    world.event(33, "Rebooted", message="Node n1 has been rebooted, boot id: boot-2")
    world.wait(34, 300)
    assert world.counted == [("node_failure", "false")]
    world.node(310, boot="boot-2")
    world.wait(311, 600)
    assert world.counted == [("node_failure", "false")]
    world.node(700, boot="boot-3")
    world.wait(701)
    assert world.counted == [("node_failure", "false")] * 2


def test_a_node_that_does_not_say_its_boot_was_not_restarted_by_that():
    world = World(EKS_ON_DEMAND)
    world.node(10, boot="")
    world.node(20)
    world.wait(21)
    assert (world.only, world.counted) == (None, [])
    world.node(400, boot="boot-2")
    assert world.only.certain is not None


@pytest.mark.parametrize(
    "said", [{"first": 33}, {"firstTimestamp": None, "lastTimestamp": None}, {"first": 40}, {"first": 93}]
)
def test_an_event_of_a_reboot_is_one_also_when_it_is_looked_at_again_and_whatever_its_clock(said):
    """The one of 93 bears the very second in which the disruption is over."""
    world = World(EKS_ON_DEMAND)
    world.event(33, "Rebooted", **said)
    for second in (34, 93, 94, 95):
        world.tick(second)
    world.event(96, "NodeReady")  # looked at again, while the event of the reboot still stands
    world.wait(97, 900)
    assert world.counted == [("node_failure", "false")]


def test_a_reboot_in_an_event_without_any_time_is_of_now():
    world = World(EKS_ON_DEMAND)
    raw = event("Rebooted", firstTimestamp=None, lastTimestamp=None)
    del raw["metadata"]["creationTimestamp"]
    world.watch.take(world.watches.put(33, Kind.EVENT, raw))
    assert world.only.lost == at(33)


def test_a_second_reboot_is_another_loss():
    world = World(EKS_ON_DEMAND)
    world.event(33, "Rebooted")
    world.wait(34, 600)
    world.event(1_700, "Rebooted")
    world.wait(1_701)
    assert world.counted == [("node_failure", "false")] * 2


def test_a_reboot_is_news_for_a_minute():
    told = World(EKS_ON_DEMAND)
    told.event(OLD + 33, "Rebooted", first=33)
    assert told.only is not None
    late = World(EKS_ON_DEMAND)
    late.event(OLD + 34, "Rebooted", first=33)
    assert late.only is None


def test_a_reboot_that_is_told_of_late_is_news_where_the_node_was_in_trouble_by_then():
    world = World(EKS_ON_DEMAND)
    world.node(10, cordoned=True)
    world.event(140, "Rebooted", first=35)
    assert world.only.certain is not None


def test_the_end_of_another_nodes_disruption_does_not_make_a_reboot_old():
    world = World(EKS_ON_DEMAND)
    world.watch.hosts(at(0), {"uid-n2": frozenset({5})})
    world.watch.take(world.watches.put(10, Kind.NODE, node("n2", cordoned=True)))
    world.watch.take(world.watches.put(50, Kind.NODE, node("n2")))
    assert world.disruptions.open == ()
    world.event(60, "Rebooted", first=45)
    assert world.only.certain is not None


def with_new_node(labels):
    world = World(labels)
    world.watches.drop(0, Kind.NODE, node(labels=labels))
    world.watch.hosts(at(0), {"uid-new": frozenset({0})})
    return world


@pytest.mark.parametrize(("ready", "reason"), [("False", "KubeletNotReady"), ("Unknown", "NodeStatusNeverUpdated")])
def test_a_node_that_is_still_starting_is_not_lost(ready, reason):
    world = with_new_node(EKS_SPOT)
    taints = [{"key": "node.kubernetes.io/not-ready"}]
    raw = node(uid="uid-new", labels=EKS_SPOT, ready=ready, since=0, created=0, taints=taints)
    raw["status"]["conditions"][-1]["reason"] = reason
    world.watch.take(world.watches.put(0, Kind.NODE, raw))
    world.node(30, uid="uid-new", since=30, created=0)
    assert world.disruptions.on("uid-new") is None


NOT_READY = [{"key": "node.kubernetes.io/not-ready"}]


def starting(world, seconds, since, *, taints=NOT_READY, **more):
    """The new node, born at 0, is not ready, for its kubelet says so."""
    raw = node(uid="uid-new", labels=world.labels, **{"ready": "False", "since": since, "created": 0, **more})
    raw["spec"]["taints"] = list(taints)
    world.watch.take(world.watches.put(seconds, Kind.NODE, raw))
    return world.disruptions.on("uid-new")


@pytest.mark.parametrize(("since", "is_lost"), [(STARTING, False), (STARTING + 1, True), (500, True)])
def test_a_node_starts_for_a_minute_whenever_it_is_looked_at(since, is_lost):
    assert (starting(with_new_node(EKS_ON_DEMAND), 900, since) is not None) == is_lost


def test_a_node_of_unknown_age_that_is_not_ready_is_not_starting():
    world = with_new_node(EKS_ON_DEMAND)
    raw = node(uid="uid-new", labels=world.labels, ready="False", since=5, taints=NOT_READY)
    del raw["metadata"]["creationTimestamp"]
    world.watch.take(world.watches.put(10, Kind.NODE, raw))
    assert world.disruptions.on("uid-new").lost is not None


@pytest.mark.parametrize(("seconds", "is_lost"), [(30, False), (900, True)])
@pytest.mark.parametrize("conditions", [[], [{"type": "Ready", "status": "False", "reason": "KubeletNotReady"}]])
def test_a_node_that_does_not_say_since_when_it_is_not_ready_is_judged_by_now(seconds, is_lost, conditions):
    world = with_new_node(EKS_ON_DEMAND)
    raw = node(uid="uid-new", labels=world.labels, created=0, taints=[UNREACHABLE])
    raw["status"]["conditions"] = conditions
    world.watch.take(world.watches.put(seconds, Kind.NODE, raw))
    found = world.disruptions.on("uid-new")
    assert (found is not None) == is_lost
    if is_lost:
        assert found.lost == (at(seconds) if conditions else None)  # without a condition nothing dates it


def test_a_node_that_is_starting_when_it_is_announced_to_go_is_not_lost_by_that():
    found = starting(with_new_node(EKS_SPOT), 5, 0, taints=[*NOT_READY, NTH_NOTICE])
    assert (found.kind, found.lost) == (SignalKind.NOTICE, None)


def test_a_young_node_that_was_announced_to_go_and_is_not_ready_is_lost():
    world = with_new_node(EKS_SPOT)
    world.node(5, uid="uid-new", since=4, created=0, taints=[NTH_NOTICE])
    assert starting(world, 20, 20, taints=[*NOT_READY, NTH_NOTICE]).lost == at(20)


def test_a_young_node_that_falls_silent_is_lost_since_then_though_its_object_stands_for_long():
    world = with_new_node(EKS_SPOT)
    world.node(5, uid="uid-new", since=5, created=0)
    world.node(45, uid="uid-new", created=0, **unreachable(45))
    world.wait(46, 600)
    world.deleted(700, uid="uid-new", created=0, **unreachable(45))
    found = world.wait(701).disruptions.on("uid-new")
    assert (found.lost, found.cause) == (at(45), Cause.SPOT)


def test_a_young_node_that_was_silent_before_we_came_is_seen():
    world = with_new_node(EKS_ON_DEMAND)
    world.node(900, uid="uid-new", created=0, **unreachable(45))
    assert world.disruptions.on("uid-new").lost == at(45)


def test_a_node_that_is_ready_is_not_silent_whatever_taint_still_stands():
    world = World(EKS_ON_DEMAND)
    world.node(40, taints=[UNREACHABLE])
    assert world.only.lost is None


def test_a_machine_that_was_off_for_hours_before_we_came_is_seen():
    world = World(AKS_SPOT)
    off = {"key": "node.cloudprovider.kubernetes.io/shutdown", "effect": "NoSchedule", "timeAdded": stamp(-9_000)}
    world.node(40, taints=[off])
    assert world.only.certain == at(40)


def test_a_notice_in_an_event_of_before_we_came_counts():
    old = event("SpotInterruption", first=-400)
    world = World(EKS_SPOT, (Kind.EVENT, old))
    world.tick(1)
    assert world.only.kind is SignalKind.NOTICE


def test_a_node_that_was_down_before_we_came_is_seen():
    world = World(EKS_ON_DEMAND)
    world.node(40, **unreachable(-300))
    assert world.only.lost == at(-300)


# --- risks


@pytest.mark.parametrize(
    "risk",
    [
        {"conditions": [condition("VMEventScheduled", message="Freeze Scheduled: soon")]},
        {"taints": [{"key": "aks-node-termination-handler/freeze"}]},
        {"taints": [{"key": "DeletionCandidateOfClusterAutoscaler", "value": str(int(EPOCH))}]},
        {"taints": [{"key": "aws-node-termination-handler/rebalance-recommendation"}]},
    ],
)
def test_a_risk_is_no_disruption_and_no_notice(risk):
    world = World(AKS_SPOT)
    world.node(10, **risk)
    assert (world.only.kind, world.only.cause, world.only.announced) == (SignalKind.RISK, Cause.UNKNOWN, False)
    world.node(15, ready="Unknown", since=15, **{"taints": [UNREACHABLE], **risk})
    world.node(20, **risk)
    world.node(40)
    world.wait(41)
    assert world.counted == []


def test_a_broker_that_leaves_a_node_at_risk_was_not_drained():
    world = World(EKS_SPOT)
    world.node(10, taints=[{"key": "aws-node-termination-handler/rebalance-recommendation"}])
    world.disruptions.broker_left("uid-n1", at(20))
    world.node(30)
    world.wait(31)
    assert (world.only.outcome, world.counted) == (Outcome.WITHDRAWN, [])


def test_a_risk_before_an_unannounced_loss_does_not_announce_it():
    world = World(EKS_SPOT)
    world.event(10, "RebalanceRecommendation")
    world.deleted(70)
    world.wait(71)
    assert world.counted == [("spot", "false")]


# --- late, twice, out of order, missing


def test_the_same_notice_again_is_one_notice_and_one_disruption():
    world = World(EKS_SPOT)
    for second in (10, 12, 14):
        world.node(second, taints=[NTH_NOTICE], resourceVersion=str(second))
        world.event(second, "SpotInterruption", name=f"n1.{second}")
    world.deleted(70, taints=[NTH_NOTICE])
    world.deleted(71, taints=[NTH_NOTICE])
    world.wait(72)
    assert world.counted == [("spot", "true")]
    assert world.notices == [(Source.NTH, SignalKind.NOTICE)]
    assert world.leads == [(Source.NTH, pytest.approx(60))]


def test_a_deletion_that_is_told_again_long_after_is_the_same():
    world = World(EKS_SPOT)
    world.deleted(70)
    world.wait(71)
    world.disruptions.gone(at(5_000), parse(Kind.NODE, node()), (), world.only.capacity, {0, 2})
    world.wait(5_001)
    assert world.counted == [("spot", "false")]


def test_the_deletion_of_another_node_is_another_disruption():
    world = World(EKS_SPOT)
    world.deleted(70)
    world.wait(71)
    world.disruptions.gone(at(5_000), parse(Kind.NODE, node("n2")), (), world.only.capacity, {5})
    world.wait(5_001)
    assert world.counted == [("spot", "false")] * 2


def test_what_is_said_only_with_the_deletion_counts():
    world = World({})
    world.deleted(70, taints=[NTH_NOTICE])
    assert (world.only.cause, world.notices) == (Cause.SPOT, [])
    world.tick(71)
    assert world.notices == [(Source.NTH, SignalKind.NOTICE)]


def test_of_a_node_that_nobody_followed_nothing_late_is_taken():
    disruptions = Disruptions()
    disruptions.heard_late(at(1), "uid-n9", ())
    assert disruptions.status() == []


def test_one_source_that_says_the_same_in_two_ways_at_once_is_one_notice():
    world = World(EKS_SPOT)
    world.watches.put(9, Kind.EVENT, event("SpotInterruption", first=9))
    world.node(10, taints=[NTH_NOTICE])
    world.tick(11)
    assert world.notices == [(Source.NTH, SignalKind.NOTICE)]


def test_a_notice_that_is_told_after_the_loss_but_said_before_it_announces_it():
    world = World(KARPENTER_SPOT)
    world.node(70, **unreachable(70))
    world.event(90, "SpotInterrupted", first=10)
    assert world.only.cause is Cause.SPOT
    world.deleted(95)
    world.event(100, "SpotInterruption", first=12)
    world.wait(101)
    assert world.counted == [("spot", "true")]
    assert world.leads == [(Source.KARPENTER, pytest.approx(60))]


def test_a_notice_said_after_the_loss_tells_the_cause_and_announces_nothing():
    world = World({})
    world.node(70, **unreachable(70))
    world.deleted(95, **unreachable(70))
    world.event(110, "SpotInterrupted")
    world.wait(111)
    assert world.counted == [("spot", "false")]
    assert world.leads == []


def test_a_notice_that_comes_after_the_counting_is_shown_and_not_counted():
    world = World({})
    world.deleted(70)
    world.wait(71)
    world.event(800, "SpotInterrupted", first=20)
    world.wait(801)
    assert world.counted == [("node_failure", "false")]
    assert world.only.cause is Cause.SPOT
    assert "revised" in world.changes


@pytest.mark.parametrize("order", list(permutations(range(4))))
def test_the_order_in_which_watches_deliver_makes_no_difference(order):
    """The notice at 10, its NodeClaim at 12, the taint (undated) and the silence at 70, all told from 80 on."""
    world = World(KARPENTER_SPOT)
    tell = [
        lambda at_: world.event(at_, "SpotInterrupted", about="default-x7k2p", kind="NodeClaim", first=10),
        lambda at_: world.claim(at_, deleted=12),
        lambda at_: world.event(at_, "TerminatingOnInterruption", first=12),
        lambda at_: world.node(at_, **unreachable(70, taints=[UNREACHABLE, DISRUPTED])),
    ]
    for number, step in enumerate(order):
        tell[step](80 + number)
    world.deleted(90, taints=[DISRUPTED])
    world.wait(91)
    assert world.counted == [("spot", "true")]
    assert world.leads == [(Source.KARPENTER, pytest.approx(60))]


def test_a_watch_that_missed_everything_finds_the_node_gone():
    world = World(EKS_SPOT)
    world.watch.take(world.watches.inventory.take(ObjectsListed(at(300), Kind.NODE, ())))
    world.wait(301)
    assert world.counted == [("spot", "false")]


def test_a_watch_that_missed_a_consolidation_reads_it_off_the_node_claim():
    world = World(KARPENTER_SPOT)
    world.claim(290, conditions=[condition("DisruptionReason", reason="Empty", since=200)], deleted=200)
    world.watch.take(world.watches.inventory.take(ObjectsListed(at(300), Kind.NODE, ())))
    world.wait(301)
    assert world.counted == [("drain", "true")]


def test_a_drain_and_a_silence_first_seen_together_are_a_drain():
    world = World(KARPENTER_SPOT)
    world.node(100, **unreachable(95, taints=[UNREACHABLE, DISRUPTED]))
    world.deleted(101, taints=[DISRUPTED])
    world.wait(102)
    assert world.counted == [("drain", "true")]


def test_another_node_of_the_same_name_is_another_disruption():
    world = World(EKS_SPOT)
    world.node(10, taints=[NTH_NOTICE])
    world.node(200, uid="uid-2", created=190)  # the deletion of the first was never told
    world.watch.hosts(at(201), {"uid-2": frozenset({0})})
    world.wait(202)
    assert world.counted == [("spot", "true")]
    assert world.disruptions.on("uid-2") is None
    world.node(1_000, uid="uid-2", created=190, taints=[NTH_NOTICE])
    world.deleted(1_100, uid="uid-2", created=190, taints=[NTH_NOTICE])
    world.wait(1_101)
    assert world.counted == [("spot", "true")] * 2


def test_what_an_event_said_ends_with_time_alone():
    world = World(EKS_SPOT)
    world.event(10, "SpotInterruption")
    world.wait(11, 1_500)
    assert world.only.outcome is Outcome.WITHDRAWN
    world.deleted(5_000)
    world.wait(5_001)
    assert world.counted == [("spot", "false")]


def test_what_was_taken_back_explains_nothing_that_comes_later():
    world = World(EKS_ON_DEMAND)
    world.node(10, cordoned=True, taints=[{"key": "aws-node-termination-handler/rebalance-recommendation"}])
    world.node(60, taints=[{"key": "aws-node-termination-handler/rebalance-recommendation"}])
    world.deleted(120)
    world.wait(121)
    assert world.counted == [("node_failure", "false")]


def test_an_old_event_is_no_loss_when_something_else_is_said_of_the_node():
    world = World(EKS_ON_DEMAND, (Kind.EVENT, event("Rebooted", first=-400)))
    world.node(10, cordoned=True)
    world.node(20, cordoned=True, resourceVersion="2", labels={**EKS_ON_DEMAND, "changed": "yes"})
    assert (world.only.loss, world.only.certain) == (None, None)
    world.node(60)
    world.wait(61)
    assert world.counted == []


def test_a_silence_that_is_over_is_no_loss_although_a_watch_tells_of_it_late():
    world = World(EKS_ON_DEMAND)
    world.node(400, **unreachable(100))  # the watch was broken, and tells everything now
    world.tick(400)
    world.node(401, since=180)
    world.wait(402)
    assert (world.only.outcome, world.counted) == (Outcome.RECOVERED, [])


def test_old_events_that_are_listed_at_the_start_open_nothing():
    old = event("Rebooted", first=-400)
    world = World(EKS_ON_DEMAND, (Kind.EVENT, old))
    world.tick(1)
    assert world.only is None


def test_nodes_without_a_pod_of_ours_are_not_followed():
    world = World(EKS_SPOT)
    raw = node("n9", taints=[NTH_NOTICE])
    world.watch.take(world.watches.put(10, Kind.NODE, raw))
    world.watch.take(world.watches.drop(20, Kind.NODE, raw))
    assert world.disruptions.on("uid-n9") is None
    world.watch.take(world.watches.put(30, Kind.NODE, node("n9", uid="uid-9b", taints=[NTH_NOTICE])))
    world.watch.hosts(at(31), {"uid-9b": frozenset({7})})
    assert world.disruptions.on("uid-9b").brokers == {7}


def test_a_node_whose_pods_were_just_cleared_away_is_still_ours():
    world = World(EKS_SPOT)
    world.watch.hosts(at(100), {})
    world.deleted(101)
    world.wait(102)
    assert world.counted == [("spot", "false")]
    assert world.only.brokers == {0, 2}


# --- which nodes are looked at, and when


@pytest.mark.parametrize(("told", "counted"), [(540, [("spot", "false")]), (541, [])])
def test_a_node_is_ours_until_ten_minutes_after_its_last_pod_left(told, counted):
    world = World(EKS_SPOT)
    world.watch.hosts(at(told), {})
    world.deleted(542)
    world.wait(543)
    assert world.counted == counted


def test_a_node_of_which_something_was_said_stays_ours():
    world = World(EKS_ON_DEMAND)
    world.node(10, cordoned=True)
    world.watch.hosts(at(700), {})
    world.deleted(800, cordoned=True)
    world.wait(801)
    assert world.counted == [("drain", "true")]


def test_a_label_that_is_configured_means_spot():
    watches = Watches((Kind.NODE, node(labels={"pool": "cheap"})))
    disruptions = Disruptions()
    watch = NodeWatch(watches.inventory, disruptions, {"pool": "cheap"})
    watch.hosts(at(0), {"uid-n1": frozenset({0})})
    watch.take(watches.drop(10, Kind.NODE, node(labels={"pool": "cheap"})))
    assert disruptions.on("uid-n1").cause is Cause.SPOT


def test_what_a_node_claim_says_is_seen_at_once():
    world = World(KARPENTER_SPOT)
    world.claim(10, conditions=[condition("DisruptionReason", reason="Empty", since=10)])
    assert world.only.cause is Cause.DRAIN


@pytest.mark.parametrize("gone", [False, True])
def test_what_an_event_says_of_a_node_claim_is_seen_at_once_though_the_claim_may_be_gone(gone):
    world = World(KARPENTER_SPOT, (Kind.NODE_CLAIM, node_claim()))
    if gone:
        world.watch.take(world.watches.drop(5, Kind.NODE_CLAIM, node_claim()))
    world.event(10, "SpotInterrupted", about="default-x7k2p", kind="NodeClaim")
    assert world.only.cause is Cause.SPOT


def test_what_a_node_claim_said_counts_when_it_is_gone_before_its_node_whatever_becomes_of_others(monkeypatch):
    monkeypatch.setattr(node_watch, "MAX_GONE", 1)
    world = World(KARPENTER_SPOT)
    chosen = node_claim(conditions=[condition("DisruptionReason", reason="Empty", since=10)])
    world.claim(10, conditions=chosen["status"]["conditions"])
    world.watch.take(world.watches.drop(60, Kind.NODE_CLAIM, chosen))
    world.claim(62, name="default-other", on="n2")
    world.deleted(65)
    world.wait(66)
    assert world.counted == [("drain", "true")]


@pytest.mark.parametrize(("born", "its"), [(58, True), (59, True), (60, False)])
def test_a_node_claim_that_was_deleted_before_a_node_of_that_name_was_born_says_nothing_of_it(born, its):
    """Where machines have no provider id: the next one of that name began as one that Karpenter removes."""
    world = World(KARPENTER_SPOT)
    claim = node_claim(deleted=59)
    world.claim(59, deleted=59)
    world.deleted(60)
    world.watch.take(world.watches.drop(60, Kind.NODE_CLAIM, claim))
    world.watch.hosts(at(62), {"uid-n1": frozenset({0}), "another": frozenset({0})})
    raw = node(labels=KARPENTER_SPOT, uid="another", created=born)
    raw["spec"]["providerID"] = ""
    world.watch.take(world.watches.put(62, Kind.NODE, raw))
    assert (world.disruptions.on("another") is not None) is its


def test_of_what_is_gone_the_newest_are_remembered(monkeypatch):
    monkeypatch.setattr(node_watch, "MAX_GONE", 2)
    gone = {}
    for name in ("a", "b", "a", "c"):
        node_watch._keep(gone, name, name)
    assert list(gone) == ["a", "c"]


def test_nodes_in_trouble_are_looked_at_every_ten_seconds():
    """What the event said is over at 910 s."""
    world = World(EKS_SPOT)
    world.event(10, "SpotInterruption")
    world.watch.tick(at(905))
    for seconds in (911, 914):
        world.watch.hosts(at(seconds), {"uid-n1": frozenset({0, 2})})
        world.watch.tick(at(seconds))
        assert world.only.closed is None
    world.watch.tick(at(915))
    assert world.only.closed == at(915)


def test_nodes_in_trouble_are_looked_at_from_the_start():
    world = World(EKS_SPOT)
    world.event(10, "SpotInterruption")
    world.watch.tick(Instant(0.0, EPOCH + 1_000))
    assert world.only.closed is not None


# --- what is told, and when

CHANGES = {
    "a drain that is taken back": (
        EKS_ON_DEMAND,
        lambda world: [world.node(10, cordoned=True), world.tick(20), world.node(60)],
        ["opened", "upgraded", "upgraded", "upgraded", "withdrawn"],  # a drain; its cause; that it has none any more
    ),
    "a silence that is over": (
        EKS_ON_DEMAND,
        lambda world: [
            world.node(40, **unreachable(40)),
            world.tick(50),
            world.node(60, **unreachable(40)),
            world.node(70, since=70),
            world.node(80, since=70),
        ],
        ["opened", "upgraded", "recovered"],
    ),
    "a silence that lasts, and a deletion after the counting": (
        EKS_SPOT,
        lambda world: [
            world.node(40, **unreachable(40)),
            world.wait(41, 900),
            world.deleted(1_000, **unreachable(40)),
            world.tick(1_001),
        ],
        ["opened", "upgraded", "lost", "upgraded", "counted", "revised"],
    ),
    "a reboot": (
        EKS_ON_DEMAND,
        lambda world: [world.node(30, boot="boot-2"), world.wait(31, 200), world.node(210, boot="boot-2")],
        ["opened", "lost", "upgraded", "counted"],
    ),
    "a notice and a deletion": (
        EKS_SPOT,
        lambda world: [
            world.node(10, taints=[NTH_NOTICE]),
            world.node(12, taints=[NTH_NOTICE]),
            world.deleted(70, taints=[NTH_NOTICE]),
        ],
        ["opened", "upgraded", "upgraded", "lost", "counted"],
    ),
}


@pytest.mark.parametrize(("labels", "happens", "told"), CHANGES.values(), ids=CHANGES)
def test_each_change_is_told_once(labels, happens, told):
    world = World(labels)
    happens(world)
    world.wait(1_100)
    assert world.changes == told


def test_a_silent_node_is_lost_and_judged_once_it_was_silent_for_long_enough():
    world = World(EKS_ON_DEMAND)
    world.node(40, **unreachable(40))
    world.tick(41)
    before = world.disruptions.tick(at(39 + LOST_AFTER), at(39 + LOST_AFTER))
    assert (before.changes, world.only.cause) == ((), Cause.UNKNOWN)
    step = world.disruptions.tick(at(40 + LOST_AFTER), at(40 + LOST_AFTER))
    assert [change.kind for change in step.changes] == ["lost", "upgraded"]
    assert world.only.cause is Cause.NODE_FAILURE


def test_while_nodes_are_not_known_none_is_silent_for_good():
    world = World(EKS_ON_DEMAND)
    world.node(40, **unreachable(40))
    world.disruptions.tick(at(900), None)
    assert world.only.certain is None


def test_a_watch_that_came_back_has_five_seconds_to_tell_the_rest():
    world = World(EKS_ON_DEMAND)
    world.node(400, **unreachable(100))
    world.disruptions.tick(at(399 + CATCH_UP), at(399 + CATCH_UP))
    assert world.only.certain is None
    world.disruptions.tick(at(400 + CATCH_UP), at(400 + CATCH_UP))
    assert world.only.certain is not None


@pytest.mark.parametrize(
    ("labels", "taints", "waits"),
    [
        (EKS_SPOT, [], LOST_AFTER + SETTLE_SILENT),  # its deletion may yet make it a reclaim
        (EKS_ON_DEMAND, [], LOST_AFTER + SETTLE),
        (EKS_SPOT, [NTH_NOTICE], SETTLE),
    ],
)
def test_how_long_a_silent_node_waits_to_be_counted(labels, taints, waits):
    world = World(labels)
    world.node(10, taints=taints)
    world.node(40, **unreachable(40, taints=[UNREACHABLE, *taints]))
    for second in range(41, 40 + int(waits)):
        world.tick(second)
    assert world.counted == []
    world.tick(40 + waits)
    assert len(world.counted) == 1


def test_a_spot_node_that_is_gone_waits_no_longer_than_others_to_be_counted():
    world = World(EKS_SPOT)
    world.deleted(40)
    world.tick(39 + SETTLE)
    assert world.counted == []
    world.tick(40 + SETTLE)
    assert world.counted == [("spot", "false")]


def test_a_node_that_ran_controllers_only_is_not_among_the_samples():
    world = World(EKS_SPOT)
    world.watch.hosts(at(0), {"uid-n2": frozenset()})
    world.watch.take(world.watches.put(10, Kind.NODE, node("n2", labels=EKS_SPOT, taints=[NTH_NOTICE])))
    world.watch.take(world.watches.drop(70, Kind.NODE, node("n2", labels=EKS_SPOT, taints=[NTH_NOTICE])))
    world.wait(71)
    assert (world.counted, world.leads) == ([], [])
    assert "counted" in world.changes


@pytest.mark.parametrize("gone", [False, True])
def test_what_kind_of_node_it_is_may_be_told_later_and_is_not_forgotten(gone):
    world = World({})
    world.node(10, taints=[NTH_NOTICE])
    assert world.only.capacity is Capacity.UNKNOWN
    for capacity in (Capacity.SPOT, Capacity.UNKNOWN):
        if gone:
            world.disruptions.gone(at(20), parse(Kind.NODE, node()), (), capacity)
        else:
            signals = [one.signal for one in world.only.heard.values()]
            world.disruptions.observe(at(20), parse(Kind.NODE, node()), signals, capacity)
        assert world.only.capacity is Capacity.SPOT


# --- when exactly


def test_a_machine_that_was_off_before_kubernetes_missed_it_was_lost_then():
    world = World(EKS_ON_DEMAND)
    world.node(70, **unreachable(70))
    world.event(75, "DeletingNode", first=60)
    assert (world.only.lost, world.only.certain) == (at(60), at(75))


@pytest.mark.parametrize(("ticks", "lost"), [((30,), 20), ((140,), 20), ((141,), 130), ((), 20)])
def test_brokers_date_a_loss_for_two_minutes(ticks, lost):
    world = World(EKS_SPOT)
    world.disruptions.brokers_silent("uid-n1", at(20))
    for second in ticks:
        world.tick(second)
    world.node(142, **unreachable(130))
    assert world.only.lost == at(lost)


def test_a_broker_that_left_long_before_was_not_drained():
    world = World(EKS_ON_DEMAND)
    world.disruptions.broker_left("uid-n1", at(10))
    world.wait(11, 200)
    world.node(201, cordoned=True)
    world.node(260)
    world.wait(261)
    assert (world.only.outcome, world.counted) == (Outcome.WITHDRAWN, [])


def test_a_drained_node_was_not_lost_when_its_broker_left():
    world = World(EKS_SPOT)
    world.node(10, cordoned=True)
    world.disruptions.brokers_silent("uid-n1", at(15))
    world.disruptions.broker_left("uid-n1", at(16))
    world.deleted(100, cordoned=True)
    world.wait(101)
    assert world.leads == [(Source.KUBERNETES, pytest.approx(90))]


def test_a_drained_node_that_is_deleted_at_once_was_lost_when_the_broker_left_on_it_fell_silent():
    world = World(EKS_SPOT)
    world.node(10, cordoned=True, taints=[NTH_NOTICE])
    world.disruptions.brokers_silent("uid-n1", at(60))
    world.deleted(72, cordoned=True, taints=[NTH_NOTICE])
    world.wait(73)
    assert world.leads == [(Source.NTH, pytest.approx(50))]


def test_a_broker_whose_pod_was_removed_does_not_date_the_loss_of_the_node():
    world = World(EKS_SPOT)
    world.disruptions.brokers_silent("uid-n1", at(20))
    world.disruptions.broker_left("uid-n1", at(21))
    world.node(60, **unreachable(60))
    assert world.only.lost == at(60)


@pytest.mark.parametrize("known_first", [True, False])
def test_an_earlier_sign_of_the_silence_that_is_judged_later_dates_the_loss(known_first):
    world = World(EKS_SPOT)
    world.node(10, taints=[NTH_NOTICE])
    world.disruptions.brokers_silent("uid-n1", at(22.5))  # the brokers' session was over
    if known_first:
        world.node(60, taints=[NTH_NOTICE, UNREACHABLE], ready="Unknown", since=60)
    world.disruptions.brokers_silent("uid-n1", at(20.2))  # only now the first bad slot was judged
    world.disruptions.brokers_silent("uid-n1", at(21))
    world.node(60, taints=[NTH_NOTICE, UNREACHABLE], ready="Unknown", since=60)
    world.wait(61)
    assert world.leads == [(Source.NTH, pytest.approx(10.2))]


def test_brokers_that_answered_again_date_nothing():
    world = World(EKS_SPOT)
    world.disruptions.brokers_silent("uid-n1", at(20))
    world.disruptions.brokers_answer("uid-n1")
    world.node(60, **unreachable(60))
    assert world.only.lost == at(60)
    world.disruptions.brokers_silent("uid-n1", at(52))
    assert world.only.lost == at(52)


# --- bounds, state, words


def test_only_so_many_nodes_are_followed(monkeypatch):
    monkeypatch.setattr(module, "MAX_OPEN", 1)
    world = World(EKS_SPOT)
    world.node(10, cordoned=True)
    world.watch.hosts(at(10), {"uid-n2": frozenset({5})})
    world.watch.take(world.watches.put(11, Kind.NODE, node("n2", cordoned=True)))
    world.watch.take(world.watches.drop(12, Kind.NODE, node("n2", cordoned=True)))
    assert [one.node for one in world.disruptions.open] == ["n1"]


def restarted(world, **listed):
    state = json.loads(json.dumps(world.disruptions.to_state()))
    return World(world.labels, state=state, **listed)


def test_a_notice_survives_our_own_restart():
    world = World(EKS_SPOT)
    world.node(-30, taints=[NTH_NOTICE])
    again = restarted(world, taints=[NTH_NOTICE])
    assert again.only.as_dict() == world.only.as_dict()
    again.deleted(70, taints=[NTH_NOTICE])
    again.wait(71)
    assert again.counted == [("spot", "true")]
    assert again.leads == [(Source.NTH, pytest.approx(100))]
    assert again.notices == []


def test_a_node_that_went_while_we_were_away_has_no_known_lead():
    world = World(EKS_SPOT)
    world.node(-30, taints=[NTH_NOTICE])
    again = restarted(world, taints=[NTH_NOTICE])
    again.watches.drop(0, Kind.NODE, node())
    again.watch.listed(at(1))
    assert (again.only.lost, again.only.loss_unseen) == (at(1), True)
    again.tick(2)
    again.watch.listed(at(3))  # as after every break of the watch
    assert (again.only.lost, again.only.loss_unseen) == (at(1), True)
    again.wait(4)
    assert again.counted == [("spot", "true")]
    assert again.leads == []
    assert again.disruptions.open == ()


def test_a_drained_spot_node_that_went_while_we_were_away_was_a_reclaim():
    world = World(EKS_SPOT)
    world.node(-30, cordoned=True)
    again = restarted(world, cordoned=True)
    again.watches.drop(0, Kind.NODE, node())
    again.watch.listed(at(1))
    again.wait(2)
    assert again.counted == [("spot", "true")]


def test_a_node_that_is_still_there_after_a_restart_was_not_lost():
    world = World(EKS_SPOT)
    world.node(0, taints=[NTH_NOTICE])
    again = restarted(world, taints=[NTH_NOTICE])
    assert again.only.opened == at(0)
    again.watch.listed(at(1))
    assert again.wait(2).counted == []
    assert again.only.kind is SignalKind.NOTICE


def test_a_reboot_while_we_were_away_is_seen_and_of_nodes_that_are_gone_nothing_is_kept():
    world = World(EKS_ON_DEMAND)
    world.watch.hosts(at(0), {"uid-n2": frozenset({5})})
    world.watch.take(world.watches.put(1, Kind.NODE, node("n2")))
    again = restarted(world, boot="boot-2")
    assert again.only.certain is not None
    again.watch.listed(at(1))
    assert set(again.disruptions.to_state()["boots"]) == {"uid-n1"}
    again.deleted(300)
    assert again.disruptions.to_state()["boots"] == {}


def test_what_is_over_is_shown_after_a_restart_too():
    world = World(EKS_ON_DEMAND)
    world.node(10, cordoned=True)
    world.node(60)
    assert restarted(world).disruptions.status() == world.disruptions.status() != []


def test_what_was_counted_is_not_counted_again_after_a_restart():
    world = World(EKS_SPOT)
    world.node(10, **unreachable(10))
    world.wait(11)
    assert len(world.counted) == 1
    again = restarted(world, **unreachable(10))
    again.node(1_000, **unreachable(10))
    again.wait(1_001)
    assert again.counted == []


def test_a_state_that_is_none_is_refused():
    for state in ({}, {"open": [{}], "closed": [], "boots": {}}, {"open": 3, "closed": [], "boots": {}}):
        with pytest.raises((KeyError, TypeError, ValueError)):
            Disruptions().restore(state, at(0))


def test_it_can_be_read():
    world = World(EKS_SPOT)
    world.node(10, taints=[NTH_NOTICE])
    world.deleted(70, taints=[NTH_NOTICE])
    [shown] = world.disruptions.status()
    assert shown["reasons"] == [
        "node n1: spot interruption notice (taint aws-node-termination-handler/spot-itn)",
        "node n1 is gone",
    ]
    assert (shown["cause"], shown["announced"], shown["lead_seconds"]) == ("spot", True, pytest.approx(60))
    assert SETTLE < LOST_AFTER
    assert meta("n1")["creationTimestamp"] == stamp(-86_400)
    assert parse(Kind.NODE, node()).meta.created == EPOCH - 86_400
