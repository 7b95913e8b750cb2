"""Why brokers restart: each cause by its own evidence, and by none of the others'."""

from __future__ import annotations

import json

import pytest
from tests.core.kubernetes.raw import Watches, at, condition, container, ended, event, node, pod, stamp

from kafka_sentinel.core.events import ObjectsListed
from kafka_sentinel.core.incident import Cause
from kafka_sentinel.core.kubernetes import disruptions
from kafka_sentinel.core.kubernetes import restarts as module
from kafka_sentinel.core.kubernetes.discovery import discover
from kafka_sentinel.core.kubernetes.disruption import CLOCKS
from kafka_sentinel.core.kubernetes.disruptions import Disruptions
from kafka_sentinel.core.kubernetes.fleet import Flavour, FleetSpec, KafkaSays
from kafka_sentinel.core.kubernetes.inventory import Inventory
from kafka_sentinel.core.kubernetes.node_watch import NodeWatch
from kafka_sentinel.core.kubernetes.objects import Kind, parse
from kafka_sentinel.core.kubernetes.restarts import LONGEST, SETTLE, Restarts
from kafka_sentinel.core.kubernetes.selector import Selector
from kafka_sentinel.core.kubernetes.views import Exit

LABELS = {"app": "kafka", "controller-revision-hash": "r1"}
SPOT = {"eks.amazonaws.com/capacityType": "SPOT"}
OWNED = [{"kind": "StatefulSet", "name": "kafka", "uid": "uid-sts"}]
SPEC = FleetSpec("kafka", Flavour.STATEFUL_SET, selector=Selector({"app": "kafka"}))


def eviction(reason="EvictionByEvictionAPI", message=""):
    return condition("DisruptionTarget", reason=reason, message=message)


def stateful_set(update="r1"):
    status = {"currentRevision": "r1", "updateRevision": update}
    return {"metadata": {"name": "kafka", "namespace": "kafka", "uid": "uid-sts"}, "status": status}


class World:
    """Broker 0 in pod kafka-0 on node n1; everything goes through watches."""

    def __init__(self, labels=SPOT, says=KafkaSays()):  # noqa: B008 - immutable
        self.labels, self.says = labels, says
        nodes = [] if labels is None else [(Kind.NODE, node(labels=labels))]  # None: nodes may not be seen
        self.watches = Watches(*nodes, (Kind.POD, self.pod()), (Kind.STATEFUL_SET, stateful_set()))
        self.inventory = self.watches.inventory
        self.disruptions = Disruptions()
        self.nodes = NodeWatch(self.inventory, self.disruptions)
        self.restarts = Restarts(self.inventory, self.disruptions)
        self.counted, self.told = [], []
        self.follow(-60)

    @staticmethod
    def pod(**more):
        return pod(**{"labels": LABELS, "ownerReferences": OWNED, **more})

    def follow(self, seconds):
        fleet = discover(SPEC, self.inventory, self.says)
        self.restarts.follow(fleet)
        self.nodes.hosts(
            at(seconds), {member.node_uid: frozenset({member.broker}) for member in fleet if member.node_uid}
        )

    def _take(self, seconds, changes):
        self.nodes.take(changes)
        self.restarts.take(changes)
        self.follow(seconds)
        self.tick(seconds)

    def put(self, seconds, kind, raw):
        self._take(seconds, self.watches.put(seconds, kind, raw))

    def drop(self, seconds, kind, raw):
        self._take(seconds, self.watches.drop(seconds, kind, raw))

    def node(self, seconds, **more):
        self.put(seconds, Kind.NODE, node(labels=self.labels, **more))

    def change(self, seconds, **more):
        self.put(seconds, Kind.POD, self.pod(**more))

    def event(self, seconds, reason, **more):
        about = {"about": "kafka-0", "kind": "Pod", "about_uid": "uid-kafka-0", "namespace": "kafka", **more}
        self.put(seconds, Kind.EVENT, event(reason, **about, first=seconds))

    def remove(self, seconds, *, by=None, **more):
        """Delete the pod: asked for, then gone, then replaced, then ready."""
        self.change(seconds, deleted=seconds, **more)
        self.drop(seconds + 2, Kind.POD, self.pod(deleted=seconds, **more))
        self.replace(seconds + 3, **(by or {}))

    def replace(self, seconds, **more):
        new = {"uid": "uid-new", "created": seconds, **more}
        self.change(seconds, ready=False, phase="Pending", **new)
        ready = self.pod(**new)
        ready["status"]["conditions"][-1]["lastTransitionTime"] = stamp(seconds + 10)
        self.put(seconds + 10, Kind.POD, ready)

    def tick(self, seconds):
        self.disruptions.tick(at(seconds), at(seconds))
        step = self.restarts.tick(at(seconds))
        self.told += [(change.kind, change.restart.cause.value) for change in step.changes]
        self.counted += [dict(one.labels)["cause"] for one in step.commands]

    def wait(self, seconds):
        for second in range(int(seconds), int(seconds + LONGEST + SETTLE), 20):
            self.tick(second)
        return self.counted

    @property
    def kinds(self):
        return [kind for kind, _ in self.told]


@pytest.fixture
def world():
    return World()


def test_nothing_happens_as_long_as_nothing_happens(world):
    world.change(10, resourceVersion="2")
    world.node(20)
    assert world.wait(30) == []
    assert world.told == []


# --- deleted


def test_a_pod_that_a_person_deletes(world):
    world.remove(10)
    assert world.wait(30) == ["pod_deleted"]
    assert world.kinds == ["begun", "ready", "counted"]


def test_when_it_began_and_when_its_replacement_was_ready(world):
    world.change(15, deleted=10)
    [restart] = world.restarts.open
    assert (restart.broker, restart.at) == (0, at(10))
    world.drop(16, Kind.POD, world.pod(deleted=10))
    world.replace(20)
    assert restart.ready == at(30)
    assert restart.replacement.meta.uid == "uid-new"


def test_a_replacement_is_ready_since_when_it_says_so(world):
    world.drop(10, Kind.POD, world.pod(deleted=9))
    ready = world.pod(uid="uid-new", created=12)
    ready["status"]["conditions"][-1]["lastTransitionTime"] = stamp(30)
    world.put(40, Kind.POD, ready)
    assert world.restarts.open[0].ready == at(30)


def test_the_old_pod_being_ready_is_not_its_replacement_being_ready(world):
    world.change(10, deleted=10)
    world.tick(12)
    assert world.restarts.open[0].ready is None


def test_a_replacement_that_is_on_its_way_out_is_not_ready(world):
    world.drop(11, Kind.POD, world.pod(deleted=10))
    world.change(13, uid="uid-new", created=12, deleted=13)
    [restart] = world.restarts.open
    assert (restart.replacement.meta.uid, restart.ready) == ("uid-new", None)
    world.drop(15, Kind.POD, world.pod(uid="uid-new", created=12, deleted=13))
    world.change(20, uid="uid-newer", created=16)
    assert restart.ready is not None


def test_what_was_made_before_a_pod_is_not_its_replacement_though_a_list_that_is_behind_tells_of_it_again(world):
    world.drop(5, Kind.POD, world.pod())
    world.change(10, uid="uid-new", created=7)
    old = parse(Kind.POD, world.pod())
    world._take(20, world.inventory.take(ObjectsListed(at(20), Kind.POD, (old,))))
    newest = world.restarts.open[-1]
    assert (newest.life.pod_uid, newest.replacement) == ("uid-new", None)


@pytest.mark.parametrize("made", [(None, 12), (5, None), (5, 5)])
def test_a_pod_is_the_replacement_of_another_one_unless_it_is_known_to_be_older(world, made):
    raw = [world.pod(uid=f"uid-{number}") for number in (1, 2)]
    for one, seconds in zip(raw, made, strict=True):
        one["metadata"]["creationTimestamp"] = None if seconds is None else stamp(seconds)
    world.drop(4, Kind.POD, world.pod())
    world.put(8, Kind.POD, raw[0])
    world.drop(20, Kind.POD, raw[0])
    world.put(21, Kind.POD, raw[1])
    assert world.restarts.open[-1].replacement.meta.uid == "uid-2"


def test_a_pod_that_bears_the_name_of_one_of_the_fleet_and_is_not_known_yet_is_its_successor(world):
    def is_successor(**more):
        return world.restarts.is_successor(parse(Kind.POD, world.pod(**more)))

    assert is_successor(uid="uid-new")
    assert not is_successor()
    assert not is_successor(uid="uid-new", name="kafka-1")
    world.drop(5, Kind.POD, world.pod())
    assert is_successor(uid="uid-new")  # until its end is counted
    world.wait(10)
    world.follow(1_000)
    assert not is_successor(uid="uid-new")


def test_a_pod_that_is_told_from_another_one_of_its_number_no_more_is_followed_to_its_end(world):
    world.put(5, Kind.POD, pod("copy-0", labels=LABELS))
    world.remove(10)
    assert world.wait(30) == ["pod_deleted"]


def test_a_forced_deletion_is_seen_by_the_absence_of_the_pod(world):
    world.drop(10, Kind.POD, world.pod(deleted=10, grace=0))
    world.replace(11)
    assert world.wait(30) == ["pod_deleted"]


def test_a_pod_that_was_replaced_while_nobody_watched(world):
    changes = world.inventory.take(
        ObjectsListed(at(10), Kind.POD, (parse(Kind.POD, world.pod(uid="uid-new", created=5)),))
    )
    world._take(10, changes)
    assert world.wait(11) == ["unknown"]  # deleted, evicted for its memory, or lost: nobody saw it


def test_a_pod_that_went_while_nobody_watched_and_has_no_successor_is_gone_since_that_is_known(world):
    world._take(10, world.inventory.take(ObjectsListed(at(10), Kind.POD, ())))
    [restart] = world.restarts.open
    assert (restart.at, restart.cause) == (at(10), Cause.UNKNOWN)


@pytest.mark.parametrize(("closed", "expected"), [(20, "rollout"), (300, "rollout"), (-100, "drain")])
def test_a_pod_that_went_while_nobody_watched_was_gone_when_its_successor_was_made(world, closed, expected):
    """By when the node was closed, not by when the watch told of it."""
    if closed < 0:
        world.node(closed, cordoned=True)
    world.put(5, Kind.STATEFUL_SET, stateful_set("r2"))
    if closed > 0:
        world.node(closed, cordoned=True)
    new = world.pod(uid="uid-new", created=10, labels={**LABELS, "controller-revision-hash": "r2"})
    world._take(320, world.inventory.take(ObjectsListed(at(320), Kind.POD, (parse(Kind.POD, new),))))
    assert world.wait(321) == [expected]
    assert world.disruptions.on("uid-n1").drained is (expected == "drain")


def test_a_deletion_that_is_told_was_seen_though_the_pod_says_nothing_of_it(world):
    world.drop(10, Kind.POD, world.pod())
    world.replace(11)
    assert world.wait(30) == ["pod_deleted"]


def test_a_pod_that_was_on_its_way_out_when_it_came_to_be_known_was_deleted_though_nobody_saw_it_go(world):
    world.drop(5, Kind.POD, world.pod())
    world.change(10, uid="uid-new", created=7, deleted=9)
    world._take(20, world.inventory.take(ObjectsListed(at(20), Kind.POD, ())))
    assert world.wait(30) == ["pod_deleted"] * 2


def test_a_pod_of_which_a_watch_that_is_behind_tells_again_was_not_restarted_in_its_place(world):
    gone = world.watches.drop(10, Kind.POD, world.pod())
    there = world.watches.put(11, Kind.POD, world.pod())
    world._take(11, (*gone, *there))
    assert world.kinds == ["begun"]


def test_the_same_end_told_again_is_counted_once(world):
    world.change(10, deleted=10)
    world.change(11, deleted=10, resourceVersion="9")
    world.drop(12, Kind.POD, world.pod(deleted=10))
    world.drop(13, Kind.POD, world.pod(deleted=10))
    world.replace(14)
    assert world.wait(30) == ["pod_deleted"]


def test_a_reboot_explains_nothing_that_goes_when_its_node_is_long_back(world):
    world.node(10, boot="boot-2")
    world.event(13, "Rebooted", about="n1", kind="Node", about_uid="n1", namespace="default")
    for second in range(14, 400, 10):
        world.tick(second)
    world.remove(400)
    assert world.wait(420) == ["pod_deleted"]


REBALANCE = {"key": "aws-node-termination-handler/rebalance-recommendation", "effect": "NoSchedule"}


@pytest.mark.parametrize("taints", [[], [REBALANCE]])
def test_a_reboot_that_was_over_long_before_explains_nothing_though_a_watch_tells_of_it_late(world, taints):
    world.event(43, "Rebooted", about="n1", kind="Node", about_uid="n1", namespace="default")
    world.remove(200)
    world.node(240, ready="Unknown", since=10, boot="boot-2")
    world.tick(240)
    assert ("revised", "node_failure") in world.told
    world.node(241, boot="boot-2", since=43, taints=taints)
    assert world.wait(300) == ["pod_deleted"]


@pytest.mark.parametrize(("went", "cause"), [(40 + module.AROUND, "node_failure"), (41 + module.AROUND, "pod_deleted")])
def test_a_reboot_explains_what_goes_until_a_minute_after_its_node_is_back(world, went, cause):
    world.node(40, boot="boot-2", since=40)
    world.remove(went)
    assert world.wait(went + 20) == [cause]


@pytest.mark.parametrize(("closed", "cause"), [(199, "drain"), (202, "drain"), (201 + module.AROUND, "pod_deleted")])
def test_a_node_that_is_back_since_long_may_be_drained_though_its_reboot_is_told_only_now(world, closed, cause):
    world.node(195, boot="boot-2", since=43)
    if closed < 200:
        world.node(closed, boot="boot-2", since=43, cordoned=True)
    world.change(200, deleted=200)
    if closed > 200:
        world.node(closed, boot="boot-2", since=43, cordoned=True)
    world.drop(closed + 3, Kind.POD, world.pod(deleted=200))
    world.replace(closed + 4)
    assert world.wait(closed + 100) == [cause]


@pytest.mark.parametrize(
    "before",
    [
        [(196, {"cordoned": True}), (198, {})],  # open again
        [(196, {"taints": [REBALANCE]})],  # a risk drains nobody
    ],
)
def test_nor_is_it_drained_by_what_is_over_or_is_a_mere_risk(world, before):
    world.node(195, boot="boot-2", since=43)
    for seconds, said in before:
        world.node(seconds, boot="boot-2", since=43, **said)
    world.remove(200)
    assert world.wait(300) == ["pod_deleted"]


def test_a_node_that_was_closed_long_before_its_reboot_is_not_drained_after_it(world):
    world.node(10, cordoned=True)
    world.node(5_000, boot="boot-2", since=4_800, cordoned=True)
    world.remove(5_001)
    assert world.wait(5_100) == ["pod_deleted"]


def test_a_reboot_that_came_after_a_pod_had_gone_does_not_explain_it_though_the_node_is_closed_then(world):
    world.change(200, deleted=200)
    world.node(230, boot="boot-2", since=230)
    world.node(240, boot="boot-2", since=230, cordoned=True)
    world.drop(243, Kind.POD, world.pod(deleted=200))
    world.replace(244)
    assert world.wait(340) == ["pod_deleted"]


def test_a_node_that_does_not_say_since_when_it_is_ready_was_not_back_before(world):
    raw = node(labels=SPOT, boot="boot-2")
    del raw["status"]["conditions"][-1]["lastTransitionTime"]
    world.put(10, Kind.NODE, raw)
    world.remove(20)
    assert world.wait(40) == ["node_failure"]


def test_that_a_node_was_back_long_before_changes_nothing_of_what_was_not_put_down_to_it(world):
    world.node(10, ready="Unknown", since=10)
    world.event(199, **strimzi("ConfigChangeRequiresRestart"))
    world.remove(200)
    world.node(241, since=43)
    assert world.wait(300) == ["rollout"]
    assert "revised" not in world.kinds


# --- over several lives of Sentinel


def test_what_was_counted_is_not_counted_again_by_the_next_life(world):
    world.change(10, deleted=10)  # its node is dead, so it stays
    assert world.wait(20) == ["pod_deleted"]
    heir = World()
    heir.restarts.restore(json.loads(json.dumps(world.restarts.to_state())))
    heir.change(800, deleted=10)
    heir.drop(810, Kind.POD, heir.pod(deleted=10))
    heir.replace(811)
    assert heir.wait(830) == []


def test_a_life_that_is_over_before_it_knows_any_pod_hands_on_what_it_was_given():
    inventory = Inventory()
    heir = Restarts(inventory, Disruptions())
    heir.restore([["uid-kafka-0", None], ["uid-kafka-1", 3]])
    assert heir.to_state() == [["uid-kafka-0", None], ["uid-kafka-1", 3]]
    inventory.take(ObjectsListed(at(10), Kind.POD, (parse(Kind.POD, World.pod()),)))
    assert heir.to_state() == [["uid-kafka-0", None]]


def test_the_state_holds_only_what_may_be_told_once_more(world):
    world.remove(10)
    assert world.wait(30) == ["pod_deleted"]
    assert world.restarts.to_state() == []
    world.follow(1_000)
    assert set(world.restarts._first_nodes) == {"uid-new"}


# --- drained


@pytest.mark.parametrize("ours", [True, False])
def test_a_pod_of_an_experiment_on_a_closed_node_was_drained_by_nobody(world, ours):
    world.node(5, cordoned=True)
    if ours:
        world.restarts.expect(["uid-kafka-0"], at(9))
    world.remove(10)
    assert world.disruptions.on("uid-n1").drained is not ours


@pytest.mark.parametrize(
    "ends",
    [
        lambda world: world.change(50, **in_place(last=ended(1, "Error", 50))),
        lambda world: world.remove(50, conditions=[eviction("DeletionByTaintManager")]),
    ],
)
def test_what_crashes_on_a_closed_node_or_is_cleared_away_from_a_silent_one_was_not_drained(world, ends):
    world.node(10, cordoned=True)
    world.node(40, ready="Unknown", since=40, cordoned=True)
    ends(world)
    assert not world.disruptions.on("uid-n1").drained


def test_it_is_said_by_what_a_drain_is_told(world):
    world.node(10, cordoned=True)
    world.change(12, deleted=12)
    assert world.restarts.open[0].text == "node n1: cordoned (cordon)"


@pytest.mark.parametrize("conditions", [[eviction()], []])
def test_a_drain_evicts_or_deletes_from_a_cordoned_node(world, conditions):
    world.node(10, cordoned=True)
    world.remove(12, conditions=conditions)
    world.node(200)
    assert world.wait(201) == ["drain"]
    assert world.kinds == ["begun", "ready", "counted"]


def test_a_cordon_that_is_told_after_the_eviction_still_explains_it(world):
    world.remove(12, conditions=[eviction()])
    assert world.told[0] == ("begun", "pod_deleted")
    world.node(30, cordoned=True)
    assert ("revised", "drain") in world.told
    assert world.disruptions.on("uid-n1").drained
    world.node(60)
    assert world.wait(61) == ["drain"]


@pytest.mark.parametrize(("told", "cause"), [(12 + module.AROUND, "drain"), (13 + module.AROUND, "pod_deleted")])
def test_a_cordon_that_is_told_long_after_the_eviction_explains_nothing(world, told, cause):
    world.change(12, deleted=12, conditions=[eviction()])
    world.node(told, cordoned=True)
    world.node(told + 1)
    assert world.wait(told + 2) == [cause]


def test_a_node_that_was_only_at_risk_when_a_pod_was_deleted_did_not_drain_it(world):
    rebalance = {"key": "aws-node-termination-handler/rebalance-recommendation"}
    world.node(5, taints=[rebalance])
    world.change(10, deleted=10)  # its replacement takes long
    world.node(200, taints=[rebalance, {"key": "aws-node-termination-handler/spot-itn"}], cordoned=True)
    assert world.told == [("begun", "pod_deleted")]


def test_what_was_drained_was_taken_back_with_its_node_though_that_is_announced_later(world):
    world.node(5, cordoned=True)
    world.change(10, deleted=10)
    world.node(200, taints=[{"key": "aws-node-termination-handler/spot-itn"}], cordoned=True)
    assert world.told == [("begun", "drain"), ("revised", "spot")]


def test_an_eviction_without_a_cordon_is_somebodys_deletion(world):
    world.remove(12, conditions=[eviction()])
    assert world.wait(40) == ["pod_deleted"]


def test_a_drain_that_is_over_explains_nothing_though_its_node_is_gone_and_that_is_not_followed(world, monkeypatch):
    world.node(10, cordoned=True)
    world.remove(12, conditions=[eviction()])
    world.node(30)
    monkeypatch.setattr(disruptions, "MAX_OPEN", 0)
    world.drop(40, Kind.NODE, node(labels=SPOT))
    world.drop(50, Kind.POD, world.pod(uid="uid-new", created=15, deleted=50))
    world.replace(53, uid="uid-third")
    assert world.wait(70) == ["drain", "pod_deleted"]


@pytest.mark.parametrize(
    ("went", "cause"), [(110, "drain"), (100 + module.AROUND, "drain"), (101 + module.AROUND, "pod_deleted")]
)
def test_a_planned_reboot_explains_what_goes_shortly_after_it_is_settled(world, went, cause):
    world.node(10, cordoned=True)
    world.node(40, ready="Unknown", since=40, cordoned=True, boot="boot-2")
    world.node(95, since=95, boot="boot-2")
    world.tick(100)
    assert world.disruptions.on("uid-n1").closed == at(100)
    world.remove(went)
    assert world.wait(went + 20) == [cause]


def test_what_was_drained_from_a_node_that_was_restarted_at_once_is_told_once(world):
    world.node(5, cordoned=True)
    world.node(40, cordoned=True, boot="boot-2")  # too quickly for anybody to miss it: it is ready since before
    world.remove(41)
    assert world.wait(60) == ["drain"]
    assert world.kinds == ["begun", "ready", "counted"]


def test_what_goes_as_a_node_is_open_again_is_counted_as_soon_as_that_is_settled(world):
    world.node(10, cordoned=True)
    world.node(20, ready="Unknown", since=20, cordoned=True)
    world.node(40, since=40)
    world.remove(42)
    world.tick(42 + SETTLE)
    assert world.counted == ["drain"]


def test_what_is_cleared_away_from_a_node_that_stays_silent_is_counted_when_its_node_was(world):
    world.node(10, ready="Unknown", since=10)
    for second in range(20, 900, 10):
        world.tick(second)
    world.remove(900, conditions=[eviction("DeletionByTaintManager")])
    world.tick(900 + SETTLE)
    assert (world.counted, world.disruptions.on("uid-n1").closed) == (["node_failure"], None)


def test_a_cordon_that_was_taken_back_long_before_explains_nothing(world):
    world.node(10, cordoned=True)
    world.node(60)
    world.remove(600)
    assert world.wait(630) == ["pod_deleted"]


@pytest.mark.parametrize(("went", "cause"), [(30 + CLOCKS, "drain"), (31 + CLOCKS, "pod_deleted"), (50, "pod_deleted")])
def test_what_goes_after_a_drain_is_over_was_not_drained(world, went, cause):
    world.node(10, cordoned=True)
    world.remove(12, conditions=[eviction()], by={"uid": "uid-second", "created": 15})
    world.node(30)
    world.change(went, uid="uid-second", created=15, deleted=went)
    world.drop(52, Kind.POD, world.pod(uid="uid-second", created=15, deleted=went))
    world.replace(53, uid="uid-third")
    assert world.wait(70) == ["drain", cause]


def test_a_cordon_that_is_taken_back_while_the_pod_still_ends_explains_it(world):
    world.node(10, cordoned=True)
    world.change(12, deleted=12, conditions=[eviction()])
    world.node(20)
    world.drop(40, Kind.POD, world.pod(deleted=12, conditions=[eviction()]))
    world.replace(41)
    assert world.wait(60) == ["drain"]


def test_a_node_that_is_cordoned_after_all_was_over_explains_nothing(world):
    world.remove(10)
    world.tick(50)
    world.node(90, cordoned=True)
    assert world.wait(91) == ["pod_deleted"]


@pytest.mark.parametrize(
    ("reason", "message"), [("Disrupted", ""), ("ScaleDown", "deleting pod for node scale down"), ("PodEviction", "")]
)
def test_what_is_said_about_the_pod_alone_is_enough_without_the_right_to_see_nodes(world, reason, message):
    world.event(9, reason, message=message)
    world.remove(10, conditions=[eviction()])
    assert world.wait(40) == ["drain"]


def test_a_pod_that_made_room_for_another_was_deleted(world):
    world.remove(10, conditions=[eviction("PreemptionByScheduler")])
    assert world.wait(40) == ["pod_deleted"]


# --- reclaimed, lost


def test_a_pod_evicted_after_the_notice_is_a_reclaim(world):
    world.node(5, taints=[{"key": "aws-node-termination-handler/spot-itn", "effect": "NoSchedule"}], cordoned=True)
    world.remove(12, conditions=[eviction()])
    assert world.told[0] == ("begun", "spot")
    world.drop(120, Kind.NODE, node(labels=SPOT))
    assert world.wait(121) == ["spot"]


def test_a_managed_groups_drain_becomes_a_reclaim_when_the_node_goes(world):
    world.node(5, cordoned=True)
    world.remove(12, conditions=[eviction()])
    assert world.told[0] == ("begun", "drain")
    world.tick(100)  # the node is still in question
    world.drop(120, Kind.NODE, node(labels=SPOT, cordoned=True))
    assert world.wait(121) == ["spot"]


@pytest.mark.parametrize(("labels", "cause"), [(SPOT, "spot"), ({}, "node_failure")])
@pytest.mark.parametrize("pod_first", [True, False])
def test_a_pod_cleared_away_with_its_lost_node(labels, cause, pod_first):
    world = World(labels)
    world.node(40, ready="Unknown", since=40)
    steps = [
        lambda: world.change(90, deleted=90, conditions=[eviction("DeletionByPodGC")]),
        lambda: world.drop(91, Kind.NODE, node(labels=labels)),
    ]
    for step in steps if pod_first else steps[::-1]:
        step()
    world.drop(92, Kind.POD, world.pod(deleted=90, conditions=[eviction("DeletionByPodGC")]))
    world.replace(95)
    assert world.wait(110) == [cause]


@pytest.mark.parametrize("later", [10, 45])
def test_why_a_node_is_gone_may_be_told_after_its_pod_was_cleared_away(later):
    """The watch of nodes was broken for minutes; that of pods was not."""
    world = World(SPOT)
    world.remove(90, conditions=[eviction("DeletionByPodGC")])
    assert world.told[0] == ("begun", "node_failure")
    world.drop(90 + later, Kind.NODE, node(labels=SPOT))
    assert ("revised", "spot") in world.told
    assert world.wait(140) == ["spot"]


@pytest.mark.parametrize("after", [50, 240])
def test_a_pod_is_cleared_away_with_its_lost_node_however_long_after(after):
    """Kubernetes looks for pods without a node every 20 s, waits for 40 s more, and has other things to do."""
    world = World(SPOT)
    world.node(40, ready="Unknown", since=40)
    world.drop(60, Kind.NODE, node(labels=SPOT))
    for second in range(60, 60 + after, 5):
        world.tick(second)
    world.change(60 + after, deleted=60 + after, conditions=[eviction("DeletionByPodGC")])
    world.drop(61 + after, Kind.POD, world.pod(deleted=60 + after, conditions=[eviction("DeletionByPodGC")]))
    world.replace(65 + after)
    assert world.wait(80 + after) == ["spot"]


@pytest.mark.parametrize(("lost", "cause"), [(10 + CLOCKS, "node_failure"), (11 + CLOCKS, "pod_deleted")])
def test_a_pod_that_goes_as_its_node_falls_silent_went_with_it(lost, cause):
    world = World({})
    world.change(10, deleted=10)
    world.node(20, ready="Unknown", since=lost)
    world.drop(30, Kind.NODE, node())
    world.drop(31, Kind.POD, world.pod(deleted=10))
    world.replace(35)
    assert world.wait(50) == [cause]


def test_a_pod_deleted_well_before_its_node_was_lost_did_not_go_with_it(world):
    world.change(10, deleted=10)
    world.drop(12, Kind.POD, world.pod(deleted=10))
    world.drop(300, Kind.NODE, node(labels=SPOT))
    assert world.wait(320) == ["pod_deleted"]


@pytest.mark.parametrize("seen_later", [False, True])
def test_a_pod_cleared_away_when_another_node_of_the_name_is_there_went_with_the_lost_one(seen_later):
    """Whoever replaces a spot machine may call it the same, and one watch may be behind the other."""
    world = World(None if seen_later else SPOT)  # the pod was there before its node could be seen
    if seen_later:
        world.put(1, Kind.NODE, node(labels=SPOT))
    world.put(40, Kind.NODE, node(labels=SPOT, ready="Unknown", since=40))
    world.drop(60, Kind.NODE, node(labels=SPOT))
    world.put(94, Kind.NODE, node(uid="uid-of-the-new-one", labels=SPOT))
    world.drop(95, Kind.POD, world.pod(deleted=93, conditions=[eviction("DeletionByPodGC")]))
    world.replace(96)
    assert world.wait(110) == ["spot"]


def test_a_pod_that_goes_with_the_node_that_its_machine_was_registered_as_anew_went_with_that():
    world = World({})  # lost for another reason
    world.drop(60, Kind.NODE, node())
    new = {"uid": "uid-of-the-new-one", "labels": SPOT}
    world.put(70, Kind.NODE, node(**new))
    for second in range(70, 900, 30):
        world.tick(second)
    world.put(900, Kind.NODE, node(**new, ready="Unknown", since=900))
    world.drop(930, Kind.NODE, node(**new, ready="Unknown", since=900))
    world.drop(960, Kind.POD, world.pod(deleted=958, conditions=[eviction("DeletionByPodGC")]))
    world.replace(965)
    assert world.wait(980) == ["spot"]


def test_why_its_first_node_went_may_be_told_when_pod_and_node_are_gone_and_another_node_bears_the_name():
    world = World({})
    world.node(40, ready="Unknown", since=40)
    world.drop(60, Kind.NODE, node())
    world.put(90, Kind.NODE, node(uid="uid-of-the-new-one", created=90))
    world.drop(95, Kind.POD, world.pod(deleted=93, conditions=[eviction("DeletionByPodGC")]))
    world.replace(96)
    assert world.restarts.open[0].cause is Cause.NODE_FAILURE
    told = event("SpotInterrupted", about="n1", about_uid="uid-n1", first=30)
    world.put(100, Kind.EVENT, told)
    assert world.wait(110) == ["spot"]


def test_a_pod_deleted_well_after_its_node_came_back_is_not_the_nodes_fault():
    world = World(SPOT)
    world.node(40, ready="Unknown", since=40)
    world.node(100)
    for second in range(100, 220, 5):
        world.tick(second)
    world.remove(220)
    assert world.wait(240) == ["pod_deleted"]


@pytest.mark.parametrize("reason", ["DeletionByPodGC", "DeletionByTaintManager"])
def test_without_the_right_to_see_nodes_the_pod_tells_of_its_nodes_loss(reason):
    world = World(labels=None)
    world.remove(10, conditions=[eviction(reason)])
    assert world.wait(40) == ["node_failure"]


@pytest.mark.parametrize(("given_up", "cause"), [(15, "node_failure"), (16, "pod_deleted"), (41, "pod_deleted")])
@pytest.mark.parametrize("by_event", [True, False])
def test_a_pod_whose_node_is_given_up_while_it_ends_was_deleted_all_the_same(world, by_event, given_up, cause):
    """The taint manager says so of each pod that is still on a node that is silent for a while, also of one going."""
    world.change(10, deleted=10)
    if by_event:
        world.event(given_up, "TaintManagerEviction", message="Marking for deletion Pod kafka/kafka-0")
        conditions = []
    else:
        conditions = [condition("DisruptionTarget", reason="DeletionByTaintManager", since=given_up)]
    world.change(max(given_up, 11), deleted=10, conditions=conditions)
    world.drop(55, Kind.POD, world.pod(deleted=10, conditions=conditions))
    world.replace(60)
    assert world.wait(80) == [cause]


def test_a_pod_that_does_not_say_when_its_node_was_given_up_went_with_it(world):
    undated = eviction("DeletionByTaintManager")
    del undated["lastTransitionTime"]
    world.remove(10, conditions=[undated])
    assert world.wait(40) == ["node_failure"]


def test_a_taint_eviction_event_tells_the_same(world):
    world.event(9, "TaintManagerEviction", message="Marking for deletion Pod kafka/kafka-0")
    world.remove(10)
    assert world.wait(40) == ["node_failure"]


@pytest.mark.parametrize(("labels", "cause"), [(SPOT, "spot"), ({}, "drain")])
def test_a_node_that_shuts_down_ends_its_pods(labels, cause):
    world = World(labels)
    message = "Pod was terminated in response to imminent node shutdown."
    down = node(labels=labels, ready="False")
    down["status"]["conditions"][-1]["message"] = "node is shutting down"
    world.put(9, Kind.NODE, down)
    world.change(
        10,
        phase="Failed",
        status={"reason": "Terminated", "message": message},
        conditions=[eviction("TerminationByKubelet")],
    )
    world.drop(60, Kind.NODE, down)
    world.drop(61, Kind.POD, world.pod())
    world.replace(62)
    assert world.wait(80) == [cause]


# --- rolled


def strimzi(reason):
    return {
        "action": "StrimziInitiatedPodRestart",
        "reason": reason,
        "reportingComponent": "strimzi.io/cluster-operator",
    }


@pytest.mark.parametrize("reason", ["ConfigChangeRequiresRestart", "ManualRollingUpdate", "PodHasOldRevision"])
def test_strimzi_says_it_rolled_the_pod(world, reason):
    world.event(9, **strimzi(reason))
    world.remove(10)
    assert world.wait(40) == ["rollout"]


def test_strimzis_word_may_come_after_the_deletion(world):
    world.change(10, deleted=10)
    assert world.told == [("begun", "pod_deleted")]
    world.event(40, **strimzi("ConfigChangeRequiresRestart"))
    assert ("revised", "rollout") in world.told


def test_an_earlier_pods_roll_is_not_this_ones(world):
    about = {"about": "kafka-0", "kind": "Pod", "about_uid": "uid-older", "namespace": "kafka"}
    world.put(5, Kind.EVENT, event(**about, **strimzi("ManualRollingUpdate")))
    world.remove(10)
    assert world.wait(40) == ["pod_deleted"]


def test_before_there_were_events_the_annotation_tells(world):
    world.change(9, annotations={"strimzi.io/manual-rolling-update": "true"})
    world.remove(10, annotations={"strimzi.io/manual-rolling-update": "true"})
    assert world.wait(40) == ["rollout"]


@pytest.mark.parametrize(("asked", "cause"), [("true", "rollout"), ("false", "pod_deleted")])
def test_before_there_were_pod_sets_the_annotation_of_the_stateful_set_tells(world, asked, cause):
    rolled = stateful_set()
    rolled["metadata"]["annotations"] = {"strimzi.io/manual-rolling-update": asked}
    world.put(9, Kind.STATEFUL_SET, rolled)
    world.remove(10)
    world.put(30, Kind.STATEFUL_SET, stateful_set())  # the operator takes it off once all are rolled
    assert world.wait(40) == [cause]


BY_POD_SET = {"ownerReferences": [{"kind": "StrimziPodSet", "name": "kafka", "uid": "uid-pod-set"}]}


def pod_set(asked=None):
    annotations = {} if asked is None else {"strimzi.io/manual-rolling-update": asked}
    return {"metadata": {"name": "kafka", "namespace": "kafka", "uid": "uid-pod-set", "annotations": annotations}}


@pytest.mark.parametrize(("asked", "cause"), [("true", "rollout"), ("false", "pod_deleted")])
def test_without_strimzis_events_the_annotation_of_the_pod_set_tells(world, asked, cause):
    world.change(8, **BY_POD_SET)
    world.put(9, Kind.POD_SET, pod_set(asked))
    world.remove(10, **BY_POD_SET)
    world.put(30, Kind.POD_SET, pod_set())
    assert world.wait(40) == [cause]


def test_what_is_asked_for_on_the_pod_set_of_others_is_not_this_pods_roll(world):
    world.put(9, Kind.POD_SET, pod_set("true"))
    world.remove(10)  # of a StatefulSet of the same name
    assert world.wait(40) == ["pod_deleted"]


def test_a_node_that_is_drained_explains_more_than_a_roll_of_the_pod_set(world):
    world.change(7, **BY_POD_SET)
    world.node(8, cordoned=True)
    world.put(9, Kind.POD_SET, pod_set("true"))
    world.remove(10, **BY_POD_SET)
    world.node(300)
    assert world.wait(301) == ["drain"]


@pytest.mark.parametrize(
    ("kind", "raw", "owned", "words"),
    [
        (Kind.POD_SET, pod_set("true"), BY_POD_SET, "StrimziPodSet kafka was to be rolled"),
        (Kind.STATEFUL_SET, stateful_set("r2"), {}, "its StatefulSet has another revision"),
    ],
)
def test_it_is_said_by_what_a_roll_is_told(world, kind, raw, owned, words):
    world.change(8, **owned)
    world.put(9, kind, raw)
    world.change(10, deleted=10, **owned)
    [restart] = world.restarts.open
    assert restart.text.startswith(words)


def test_what_the_drain_cleaner_asks_for_is_a_drain(world):
    asked = {"strimzi.io/manual-rolling-update": "true"}
    world.node(8, cordoned=True)
    world.change(9, annotations=asked)
    world.event(60, **strimzi("ManualRollingUpdate"))
    world.remove(61, annotations=asked)
    world.node(300)
    assert world.wait(301) == ["drain"]


@pytest.mark.parametrize(("told", "cause"), [(204, "drain"), (250, "rollout")])
def test_what_somebody_asked_to_be_rolled_was_not_drained_by_what_came_later(world, told, cause):
    world.event(199, **strimzi("ManualRollingUpdate"))
    world.change(200, deleted=200)
    world.node(told, cordoned=True)
    world.drop(told + 1, Kind.POD, world.pod(deleted=200))
    world.replace(told + 2)
    world.node(told + 100)
    assert world.wait(told + 200) == [cause]


def test_a_config_roll_on_a_cordoned_node_is_still_a_roll(world):
    world.node(8, cordoned=True)
    world.event(9, **strimzi("ConfigChangeRequiresRestart"))
    world.remove(10)
    world.node(300)
    assert world.wait(301) == ["rollout"]


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ({}, {"labels": {**LABELS, "controller-revision-hash": "r2"}}),
        ({"annotations": {"strimzi.io/revision": "a"}}, {"annotations": {"strimzi.io/revision": "b"}}),
    ],
)
def test_a_replacement_of_another_revision_was_a_roll(world, before, after):
    world.change(9, **before)
    world.remove(10, by=after, **before)
    assert world.wait(40) == ["rollout"]


def test_what_has_no_revision_or_no_owner_that_is_seen_was_rolled_by_nobody_that_is_known(world):
    world.put(5, Kind.STATEFUL_SET, stateful_set("r2"))
    world.remove(10, labels={"app": "kafka"})
    world.change(40, uid="uid-new", created=13, deleted=40, **BY_POD_SET)
    world.drop(41, Kind.POD, world.pod(uid="uid-new", created=13, deleted=40, **BY_POD_SET))
    world.replace(42, uid="uid-third")
    assert world.wait(60) == ["pod_deleted"] * 2


def test_owners_of_other_kinds_roll_no_pods(world):
    owners = [{"kind": "Kafka", "name": "kafka", "uid": "uid-kafka"}, *OWNED]
    world.put(5, Kind.STATEFUL_SET, stateful_set("r2"))
    world.remove(10, ownerReferences=owners)
    assert world.wait(40) == ["rollout"]


def test_a_stateful_set_on_its_way_to_another_revision_rolls_from_the_start(world):
    world.put(9, Kind.STATEFUL_SET, stateful_set("r2"))
    world.change(10, deleted=10)
    assert world.told == [("begun", "rollout")]


@pytest.mark.parametrize(("told", "cause"), [(9, "drain"), (14, "drain"), (30, "rollout")])
def test_a_pod_that_was_rolled_was_not_drained_by_what_came_later(world, told, cause):
    world.put(8, Kind.STATEFUL_SET, stateful_set("r2"))
    if told < 10:
        world.node(told, cordoned=True)
    world.remove(10, by={"labels": {**LABELS, "controller-revision-hash": "r2"}})
    if told > 10:
        world.node(told, cordoned=True)
    assert world.disruptions.on("uid-n1").drained is (cause == "drain")
    world.node(300)
    assert world.wait(301) == [cause]


@pytest.mark.parametrize(("told", "drained"), [(14, True), (30, False)])
def test_nor_was_one_of_which_only_later_something_told_that_it_was_rolled(world, told, drained):
    world.change(10, deleted=10)
    assert world.told == [("begun", "pod_deleted")]
    world.put(12, Kind.STATEFUL_SET, stateful_set("r2"))
    world.node(told, cordoned=True)
    assert world.told[:2] == [("begun", "pod_deleted"), ("revised", "rollout")]
    assert world.disruptions.on("uid-n1").drained is drained


# --- ended in place


def in_place(**more):
    return {"containers": [container(restarts=1, **more), container("sidecar")]}


@pytest.mark.parametrize(
    ("how", "cause"),
    [
        (ended(137, "OOMKilled", 10), "oom"),
        (ended(137, "Error", 10), "crash"),
        (ended(1, "Error", 10), "crash"),
        (ended(0, "Completed", 10), "crash"),
        (ended(255, "Error", 10), "crash"),  # a program that ends with -1
        (ended(255, "Unknown", 10), "node_failure"),
        ({"exitCode": 137, "reason": "ContainerStatusUnknown", "finishedAt": "1970-01-01T00:00:00Z"}, "node_failure"),
        ({"exitCode": 255, "reason": "Unknown", "finishedAt": "0001-01-01T00:00:00Z"}, "node_failure"),
    ],
)
def test_a_container_that_is_started_again_in_its_place(world, how, cause):
    world.change(12, **in_place(last=how))
    assert world.restarts.open[0].at.mono in {at(10).mono, at(12).mono}
    assert world.wait(13) == [cause]
    assert world.kinds == ["begun", "ready", "counted"]


def test_an_end_that_is_told_in_two_steps_is_one_restart(world):
    how = ended(137, "OOMKilled", 10)
    world.change(11, ready=False, containers=[container(ended=how)])
    world.change(12, ready=False, containers=[container(restarts=1, last=how, waiting="CrashLoopBackOff")])
    assert world.restarts.open[0].ready is None
    world.change(30, **in_place(last=how))
    assert world.wait(31) == ["oom"]
    assert world.kinds == ["begun", "ready", "counted"]


def test_a_pod_whose_containers_are_not_told_of_yet_is_not_restarted_by_that(world):
    for number, containers in enumerate(([], [container(restarts=3)], [])):
        world.change(10 + number, containers=containers)
    assert world.told == []


def test_what_had_ended_when_its_pod_came_to_be_known_is_told_of_when_it_is_started_again(world):
    world.drop(5, Kind.POD, world.pod())
    new = {"uid": "uid-new", "created": 6}
    for ready in (True, False):
        world.change(8, containers=[container(ended=ended(137, "OOMKilled", 7))], ready=ready, **new)
    assert [restart.life.pod_uid for restart in world.restarts.open] == ["uid-kafka-0"]
    world.change(9, containers=[container(restarts=1)], **new)  # how it ended is not told again
    assert world.restarts.open[-1].ended == Exit(137, "OOMKilled", at(7).wall)


def test_a_container_that_was_started_again_without_a_word_of_its_end_has_crashed(world):
    world.change(9, containers=[container(restarts=1)])
    assert world.restarts.open[0].ended == Exit(0, "", None)
    assert world.wait(10) == ["crash"]


def test_what_is_told_of_an_end_after_the_container_was_started_again_is_believed(world):
    world.change(11, ready=False, containers=[container(ended=ended(137, "Error", 10))])
    world.change(12, **in_place(last=ended(137, "OOMKilled", 10)))
    assert world.wait(13) == ["oom"]


def test_a_container_that_is_started_again_long_after_its_end_was_counted_is_not_counted_again(world):
    how = ended(1, "Error", 10)
    world.change(11, ready=False, containers=[container(ended=how)])
    assert world.wait(12) == ["crash"]
    world.change(900, **in_place(last=how))
    assert world.wait(901) == ["crash"]


def test_a_pod_is_not_ready_again_before_its_container_was_started_again(world):
    world.change(11, ready=True, containers=[container(ended=ended(1, "Error", 10))])
    world.change(12, ready=True, containers=[])
    assert world.restarts.open[0].ready is None


def test_what_is_left_of_an_ended_pod_is_not_its_replacement(world):
    world.change(11, ready=True, phase="Failed")
    world.tick(12)
    assert world.restarts.open[0].ready is None


def test_a_broker_that_crashed_may_be_ready_again_in_another_pod(world):
    world.change(11, ready=False, containers=[container(ended=ended(1, "Error", 10))])
    world.remove(20)
    assert world.wait(40) == ["crash", "pod_deleted"]
    assert world.kinds.count("ready") == 2


def test_each_crash_of_a_loop_counts(world):
    for number in range(1, 4):
        how = ended(1, "Error", number * 100)
        world.change(number * 100, containers=[container(restarts=number, last=how)])
    assert world.wait(400) == ["crash"] * 3


def test_a_sidecar_is_not_the_broker(world):
    world.change(11, containers=[container(), container("sidecar", restarts=1, last=ended(137, "OOMKilled"))])
    assert world.wait(12) == []


@pytest.mark.parametrize(("name", "counted"), [("kafka", []), ("broker", ["crash"])])
def test_the_broker_is_the_container_of_that_name_else_the_first(name, counted):
    world = World()
    for restarts in (0, 1):
        first = container("sidecar", restarts=restarts, last=ended(1) if restarts else None)
        world.change(10 + restarts, containers=[first, container(name)])
    assert world.wait(12) == counted


def test_a_container_that_ends_because_its_pod_is_deleted_is_one_restart(world):
    world.change(10, deleted=10)
    world.change(11, deleted=10, containers=[container(ended=ended(143, "Error", 11))])
    world.drop(12, Kind.POD, world.pod(deleted=10))
    world.replace(13)
    assert world.wait(40) == ["pod_deleted"]


@pytest.mark.parametrize(("labels", "cause"), [(SPOT, "spot"), ({}, "drain")])
def test_a_runtime_that_lost_the_container_after_a_notice(labels, cause):
    world = World(labels)
    world.node(5, taints=[{"key": "cloud.google.com/impending-node-termination", "effect": "NoSchedule"}])
    world.change(60, **in_place(last=ended(255, "Unknown", 55)))
    assert world.told[0] == ("begun", cause)


def test_a_container_that_the_runtime_lost_on_a_closed_node_went_for_that_though_the_node_is_open_when_it_is_counted(
    world,
):
    world.node(5, cordoned=True)
    world.change(60, **in_place(last=ended(255, "Unknown", 55)))
    world.node(100)
    assert world.wait(101) == ["drain"]


@pytest.mark.parametrize(
    ("message", "cause"),
    [
        ("The node was low on resource: memory. Container kafka was using 3Gi", "oom"),
        ("The node was low on resource: ephemeral-storage.", "drain"),
    ],
)
def test_a_pod_that_its_node_pushes_out(world, message, cause):
    status = {"reason": "Evicted", "message": message}
    world.change(10, phase="Failed", status=status, conditions=[eviction("TerminationByKubelet", message)])
    world.drop(11, Kind.POD, world.pod(status=status))
    world.replace(12)
    assert world.wait(40) == [cause]


# --- ours, bounds


def test_what_an_experiment_of_ours_does_is_ours_whatever_else_is_said(world):
    world.restarts.expect(["uid-kafka-0"], at(5))
    world.node(5, cordoned=True)
    world.remove(10, conditions=[eviction()])
    world.node(200)
    assert world.wait(201) == ["experiment"]


def test_what_we_did_to_a_pod_does_not_explain_the_end_of_its_replacement(world):
    world.restarts.expect(["uid-kafka-0"], at(5))
    world.remove(10)
    world.tick(100)
    world.drop(101, Kind.POD, world.pod(uid="uid-new", created=13, deleted=101))
    world.replace(102, uid="uid-third")
    assert world.wait(120) == ["experiment", "pod_deleted"]


def test_what_ends_in_its_place_is_not_what_an_experiment_did_to_its_pod(world):
    """It may have ended just before, and be told of just after the fault was asked for."""
    world.restarts.expect(["uid-kafka-0"], at(13))
    world.change(15, containers=[container(restarts=1, last=ended(137, "OOMKilled", 10))])
    assert world.wait(16) == ["oom"]


def test_what_is_expected_of_several_pods_one_after_the_other_is_ours_as_long_as_it_may_show(world):
    world.restarts.expect(["uid-kafka-0"], at(5))
    world.restarts.expect(["uid-kafka-1"], at(5 + module.EXPECTED_FOR))
    world.remove(5 + module.EXPECTED_FOR)
    assert world.wait(90) == ["experiment"]


@pytest.mark.parametrize(("seconds", "is_at_it"), [(10, True), (10 + module.STILL, True), (11 + module.STILL, False)])
def test_an_experiment_of_which_nothing_was_heard_for_seconds_is_over(world, seconds, is_at_it):
    world.change(9, deleted=9)
    [restart] = world.restarts.open
    assert not world.restarts.is_expected(restart, at(10))
    world.restarts.expect(["uid-kafka-0"], at(10))
    assert world.restarts.is_expected(restart, at(seconds)) == is_at_it


def test_what_was_expected_is_forgotten_when_its_time_is_over(world):
    for number in range(100):
        world.restarts.expect([f"uid-{number}"], at(10 * number))
    assert len(world.restarts._expected) <= 8


def test_a_controller_without_a_broker_is_told_and_not_counted():
    world = World(says=KafkaSays(brokers=frozenset({1}), voters=frozenset({0})))
    world.remove(10)
    assert world.wait(40) == []
    assert world.kinds == ["begun", "ready", "counted"]


def test_a_broker_that_never_returns_is_counted_at_last(world):
    world.change(10, deleted=10)
    world.drop(12, Kind.POD, world.pod(deleted=10))
    world.tick(9 + LONGEST)
    assert world.counted == []
    world.tick(10 + LONGEST)
    assert world.counted == ["pod_deleted"]


def test_a_pod_that_is_counted_before_it_is_gone_is_not_counted_again(world):
    world.change(10, deleted=10)
    assert world.wait(11) == ["pod_deleted"]
    world.change(900, deleted=10, resourceVersion="9")
    world.drop(901, Kind.POD, world.pod(deleted=10))
    assert world.wait(902) == ["pod_deleted"]


def test_pods_of_others_are_not_followed(world):
    world.put(5, Kind.POD, pod("web-0", labels={"app": "web"}))
    world.drop(6, Kind.POD, pod("web-0", labels={"app": "web"}, deleted=6))
    assert world.wait(7) == []


def test_only_so_many_are_followed_at_a_time(world, monkeypatch):
    monkeypatch.setattr(module, "MAX_OPEN", 1)
    for number in range(1, 4):
        how = ended(1, "Error", number)
        world.change(number, containers=[container(restarts=number, last=how)])
    assert len(world.restarts.open) == 1
    assert world.wait(10) == ["crash"] * 3
