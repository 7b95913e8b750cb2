from __future__ import annotations

import pytest
from tests.core.kubernetes.raw import EPOCH, Watches, condition, container, event, meta, node, pod, stamp

from kafka_sentinel.core.kubernetes.objects import Kind, parse
from kafka_sentinel.core.kubernetes.stuck import ENDING_AFTER, NOT_READY_AFTER, PATIENCE, Reason, stuck

LOOP = "CrashLoopBackOff"
CONFLICT = "0/3 nodes are available: 1 node(s) were unschedulable, 2 node(s) had volume node affinity conflict."


def pending(message=CONFLICT, since=0, **more):
    scheduled = condition("PodScheduled", "False", "Unschedulable", message, since=since)
    volumes = [{"name": "data", "persistentVolumeClaim": {"claimName": "data-kafka-0"}}]
    return pod(on=None, ready=False, phase="Pending", conditions=[scheduled], containers=[], volumes=volumes, **more)


def volume(on="n1"):
    term = {"key": "kubernetes.io/hostname", "operator": "In", "values": [on]}
    affinity = {"required": {"nodeSelectorTerms": [{"matchExpressions": [term]}]}}
    ref = {"namespace": "kafka", "name": "data-kafka-0"}
    return Kind.VOLUME, {"metadata": meta("pv-0"), "spec": {"local": {}, "claimRef": ref, "nodeAffinity": affinity}}


def judged(raw, *objects, now=100.0):
    claim = Kind.CLAIM, {"metadata": meta("data-kafka-0", "kafka"), "spec": {"volumeName": "pv-0"}}
    return stuck(parse(Kind.POD, raw), Watches(claim, *objects).inventory, EPOCH + now)


@pytest.mark.parametrize(
    ("nodes", "how"),
    [
        ([], "does not exist"),
        ([node("n1", ready="Unknown")], "is not ready"),
        ([node("n1", cordoned=True)], "is closed to new pods"),
        ([node("n1", taints=[{"key": "kafka-sentinel.io/reclaim"}])], "is closed while its reclaim is rehearsed"),
    ],
)
def test_a_volume_on_a_lost_node_is_named(nodes, how):
    found = judged(pending(), volume(), *((Kind.NODE, raw) for raw in nodes))
    assert found.reason is Reason.VOLUME_NODE_LOST
    assert found.text == f"its volume pv-0 is on node n1, which {how}"
    assert found.since == EPOCH


def test_a_volume_on_a_living_node_is_not_the_reason():
    raw = pending("0/3 nodes are available: 3 Insufficient memory.")
    assert judged(raw, volume(), (Kind.NODE, node("n1"))).reason is Reason.NO_ROOM


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        (CONFLICT, Reason.VOLUME),
        ("0/3 nodes are available: pod has unbound immediate PersistentVolumeClaims.", Reason.VOLUME),
        ('persistentvolumeclaim "data-kafka-0" not found', Reason.VOLUME),
        ("0/3 nodes are available: 3 node(s) didn't find available persistent volumes to bind.", Reason.VOLUME),
        ("0/3 nodes are available: 3 Insufficient cpu, 3 Insufficient memory.", Reason.NO_ROOM),
        ("0/3 nodes are available: 3 Too many pods.", Reason.NO_ROOM),
        ("0/1 nodes are available: 1 node(s) had untolerated taint {dedicated: gpu}.", Reason.TAINT),
        ("0/3 nodes are available: 3 node(s) were unschedulable.", Reason.TAINT),
        ("0/3 nodes are available: 3 node(s) didn't match pod anti-affinity rules.", Reason.PLACEMENT),
        ("0/3 nodes are available: 3 node(s) didn't match Pod's node affinity/selector.", Reason.PLACEMENT),
        ("something new", Reason.OTHER),
    ],
)
def test_the_schedulers_words(message, reason):
    assert judged(pending(message)).reason is reason
    assert judged(pending(message)).text == message


def test_a_pod_that_was_just_made_is_not_stuck():
    assert judged(pending(since=0), now=PATIENCE - 1) is None
    assert judged(pending(since=0), now=PATIENCE) is not None


def test_a_pod_that_runs_is_not_stuck():
    assert judged(pod()) is None


@pytest.mark.parametrize(
    ("waiting", "reason"),
    [
        ("ImagePullBackOff", Reason.IMAGE),
        ("ErrImagePull", Reason.IMAGE),
        ("CreateContainerConfigError", Reason.CONFIGURATION),
        ("CrashLoopBackOff", Reason.CRASH_LOOP),
        ("ContainerCreating", None),
        ("PodInitializing", None),
    ],
)
def test_a_container_that_does_not_start(waiting, reason):
    raw = pod(ready=False, containers=[container(waiting=waiting)])
    raw["status"]["conditions"][-1] = condition("Ready", "False", since=0)
    found = judged(raw)
    assert (found and found.reason) == reason
    assert judged(raw, now=1) is None


def test_a_volume_that_cannot_be_attached():
    raw = pod(ready=False, containers=[container(waiting="ContainerCreating")])
    about = {"about": "kafka-0", "kind": "Pod", "about_uid": "uid-kafka-0", "namespace": "kafka"}
    told = event("FailedAttachVolume", message='Multi-Attach error for volume "pvc-1"', **about)
    assert judged(raw, (Kind.EVENT, told)).reason is Reason.VOLUME
    running = pod(ready=False, containers=[container()])
    running["status"]["conditions"][-1] = condition("Ready", "False", since=0)
    assert judged(running, (Kind.EVENT, told)) is None


@pytest.mark.parametrize(
    ("ready", "text"), [("Unknown", "node n1 is not ready"), ("True", "it has not been ready for")]
)
def test_a_broker_that_runs_and_does_not_get_ready(ready, text):
    raw = pod(ready=False)
    raw["status"]["conditions"][-1] = condition("Ready", "False", since=0)
    where = (Kind.NODE, node("n1", ready=ready))
    assert judged(raw, where, now=NOT_READY_AFTER - 1) is None
    found = judged(raw, where, now=NOT_READY_AFTER)
    assert found.reason is Reason.NOT_READY
    assert text in found.text


def test_a_deleted_pod_whose_node_does_not_answer():
    raw = pod(deleted=0)
    assert judged(raw, (Kind.NODE, node("n1", ready="Unknown")), now=ENDING_AFTER - 1) is None
    found = judged(raw, (Kind.NODE, node("n1", ready="Unknown")), now=ENDING_AFTER)
    assert (found.reason, found.text) == (Reason.TERMINATING, "it was deleted, and node n1 is silent")


def test_a_pod_waits_for_a_node_only_if_it_has_none_and_the_scheduler_found_none():
    placed = pending()
    placed["spec"]["nodeName"] = "n1"
    assert judged(placed, volume()).reason is Reason.NOT_READY
    for status in ("True", "Unknown"):
        raw = pending()
        raw["status"]["conditions"][0]["status"] = status
        assert judged(raw, volume()).reason is Reason.NOT_READY
    fresh = pod(on=None, ready=False, containers=[])
    fresh["status"]["conditions"] = []
    assert judged(fresh).reason is Reason.NOT_READY


@pytest.mark.parametrize("condition_of", ["PodScheduled", "Ready"])
def test_since_when_it_is_stuck(condition_of):
    """Since its condition changed, else since it was made; where neither is known, it was just made."""
    raw = pending() if condition_of == "PodScheduled" else pod(ready=False, containers=[container(waiting=LOOP)])
    [told] = [one for one in raw["status"]["conditions"] if one["type"] == condition_of]
    told["lastTransitionTime"] = stamp(50)
    assert judged(raw).since == EPOCH + 50
    assert judged(raw, now=50 + PATIENCE - 1) is None
    assert judged(raw, now=50 + PATIENCE).since == EPOCH + 50
    del told["lastTransitionTime"]
    assert judged(raw).since == EPOCH - 86_400
    del raw["metadata"]["creationTimestamp"]
    assert judged(raw) is None


def test_a_container_that_waits_is_told_although_nothing_is_said_of_being_ready():
    raw = pod(ready=False, containers=[container("log", waiting=LOOP)])
    raw["status"]["conditions"] = []
    found = judged(raw)
    assert (found.pod, found.since) == ("kafka-0", EPOCH - 86_400)
    assert (found.reason, found.text) == (Reason.CRASH_LOOP, "container log waits: CrashLoopBackOff")


def test_what_has_ended_is_not_stuck():
    assert judged(pod(ready=False, phase="Failed", containers=[container(waiting=LOOP)])) is None


@pytest.mark.parametrize(
    ("nodes", "where"),
    [
        ([node("n1", ready="False")], "is silent"),
        ([node("n1")], "has not confirmed its end"),
        ([], "has not confirmed its end"),
    ],
)
def test_why_a_deleted_pod_does_not_end(nodes, where):
    found = judged(pod(deleted=-200), *((Kind.NODE, raw) for raw in nodes))
    assert (found.text, found.since) == (f"it was deleted, and node n1 {where}", EPOCH - 200)


def about_the_pod(reason="FailedMount", uid="uid-kafka-0"):
    about = {"about": "kafka-0", "kind": "Pod", "about_uid": uid, "namespace": "kafka"}
    return Kind.EVENT, event(reason, message="it cannot be mounted", **about)


@pytest.mark.parametrize(
    ("told", "started", "reason"),
    [
        (about_the_pod(), False, Reason.VOLUME),
        (about_the_pod(), True, None),
        (about_the_pod(uid="uid-of-an-older-one"), False, None),
        (about_the_pod("Pulled"), False, None),
    ],
)
def test_a_volume_is_the_reason_only_if_its_own_events_say_so_and_nothing_has_started(told, started, reason):
    raw = pod(ready=False, containers=[container(waiting="ContainerCreating"), *([container("log")] * started)])
    raw["status"]["conditions"][-1] = condition("Ready", "False", since=0)
    found = judged(raw, told)
    assert (found and found.reason) == reason


def test_of_a_node_that_is_not_seen_nothing_is_said():
    raw = pod(ready=False)
    raw["status"]["conditions"][-1] = condition("Ready", "False", since=0)
    assert judged(raw, now=NOT_READY_AFTER).text == "it has not been ready for 300 s"


@pytest.mark.parametrize(("hostnames", "lost"), [([], False), (["n1", "n2"], False), (["n2", "n3"], True)])
def test_a_volume_is_lost_if_none_of_its_nodes_can_be_used(hostnames, lost):
    kind, raw = volume()
    [term] = raw["spec"]["nodeAffinity"]["required"]["nodeSelectorTerms"]
    term["matchExpressions"][0]["values"] = hostnames
    found = judged(pending(), (kind, raw), (Kind.NODE, node("n1")))
    assert (found.reason is Reason.VOLUME_NODE_LOST) == lost
