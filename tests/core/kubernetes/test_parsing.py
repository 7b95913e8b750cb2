"""Every field of every view: where it is taken from, and what it is where nothing is said."""

from __future__ import annotations

import pytest
from tests.core.kubernetes.raw import EPOCH, condition, container, ended, meta, pod, stamp

from kafka_sentinel.core.kubernetes.objects import (
    BudgetView,
    ClaimView,
    Condition,
    ContainerView,
    EventView,
    Exit,
    KafkaResourceView,
    Kind,
    Meta,
    NodeClaimView,
    NodeView,
    ObjectError,
    Owner,
    PodSetView,
    PodView,
    StatefulSetView,
    Taint,
    VolumeUse,
    VolumeView,
    parse,
)
from kafka_sentinel.core.kubernetes.selector import Requirement, Selector
from kafka_sentinel.core.kubernetes.views import HOSTNAME_LABEL, ZONE_LABELS

FULL = {
    **meta("x", "ns", uid="u", labels={"a": "1"}, annotations={"strimzi.io/kraft": "enabled"}, deleted=100, grace=30),
    "resourceVersion": "7",
    "generation": 4,
    "ownerReferences": [{"kind": "StatefulSet", "name": "s", "uid": "uid-s"}, {}],
}
META = Meta(
    namespace="ns",
    name="x",
    uid="u",
    resource_version="7",
    generation=4,
    labels={"a": "1"},
    annotations={"strimzi.io/kraft": "enabled"},
    created=EPOCH - 86_400,
    deleted=EPOCH + 100,
    owners=(Owner("StatefulSet", "s", "uid-s"), Owner("", "", "")),
)
FRESH = Meta("", "x", "u", "", 0, {}, {}, None, None)
READY = [condition("Ready", "False", "Starting", "soon", since=3), {"type": "Bare"}]
CONDITIONS = (Condition("Ready", "False", "Starting", "soon", EPOCH + 3), Condition("Bare", "Unknown", "", "", None))
ABOUT = {"kind": "Pod", "namespace": "ns", "name": "kafka-0", "uid": "uid-kafka-0"}
SELECTS = {"matchLabels": {"a": "1"}, "matchExpressions": [{"key": "b", "operator": "In", "values": ["2", "3"]}]}
SELECTOR = Selector({"a": "1"}, (Requirement("b", "In", ("2", "3")),))


@pytest.mark.parametrize(
    ("kind", "raw", "full", "fresh"),
    [
        (
            Kind.NODE,
            {
                "spec": {
                    "providerID": "aws:///i-1",
                    "unschedulable": True,
                    "taints": [{"key": "k", "value": "v", "effect": "NoExecute", "timeAdded": stamp(5)}, {"key": "l"}],
                },
                "status": {"conditions": READY, "nodeInfo": {"bootID": "boot-1"}},
            },
            NodeView(
                META,
                "aws:///i-1",
                unschedulable=True,
                taints=(Taint("k", "v", "NoExecute", EPOCH + 5), Taint("l", "", "", None)),
                conditions=CONDITIONS,
                boot_id="boot-1",
            ),
            NodeView(FRESH, "", unschedulable=False, taints=(), conditions=(), boot_id=""),
        ),
        (
            Kind.POD,
            {
                "spec": {
                    "nodeName": "n1",
                    "volumes": [{"name": "data", "persistentVolumeClaim": {"claimName": "data-0"}}, {"name": "c"}],
                    "initContainers": [{"env": [{"name": "KAFKA_MIN_ID", "value": "100"}]}],
                    "containers": [{"env": [{"name": "KAFKA_NODE_ID", "value": "3"}, {"name": "KAFKA_BROKER_ID"}]}],
                },
                "status": {
                    "phase": "Failed",
                    "reason": "Evicted",
                    "message": "no room",
                    "conditions": READY,
                    "containerStatuses": [container(restarts=2), {"name": "bare"}, container("w", waiting="Backoff")],
                },
            },
            PodView(
                META,
                "n1",
                "Failed",
                "Evicted",
                "no room",
                CONDITIONS,
                containers=(
                    ContainerView("kafka", ready=True, restarts=2, waiting="", ended=None, ended_before=None),
                    ContainerView("bare", ready=False, restarts=0, waiting="", ended=None, ended_before=None),
                    ContainerView("w", ready=False, restarts=0, waiting="Backoff", ended=None, ended_before=None),
                ),
                volumes=(VolumeUse("data", "claim", "data-0"),),
                variables={"KAFKA_MIN_ID": "100", "KAFKA_NODE_ID": "3"},
            ),
            PodView(FRESH, None, "", "", "", (), (), (), {}),
        ),
        (
            Kind.CLAIM,
            {"spec": {"volumeName": "pv", "storageClassName": "fast"}, "status": {"phase": "Bound"}},
            ClaimView(META, "pv", "fast", "Bound"),
            ClaimView(FRESH, None, "", ""),
        ),
        (
            Kind.VOLUME,
            {
                "spec": {
                    "claimRef": {"name": "c"},
                    "nodeAffinity": {
                        "required": {
                            "nodeSelectorTerms": [
                                {
                                    "matchExpressions": [
                                        {"key": HOSTNAME_LABEL, "operator": "In", "values": [*"fbdaec"]},
                                        {"key": HOSTNAME_LABEL, "operator": "NotIn", "values": ["n3"]},
                                        {"key": ZONE_LABELS[0], "operator": "In", "values": ["b"]},
                                    ]
                                },
                                {"matchExpressions": [{"key": ZONE_LABELS[1], "operator": "In", "values": ["a"]}]},
                            ]
                        }
                    },
                }
            },
            VolumeView(META, "/c", local=True, hostnames=(*"abcdef",), zones=("a", "b")),
            VolumeView(FRESH, None, local=False, hostnames=(), zones=()),
        ),
        (
            Kind.BUDGET,
            {
                "spec": {"selector": SELECTS},
                "status": {
                    "disruptionsAllowed": 0,
                    "currentHealthy": 2,
                    "desiredHealthy": 3,
                    "observedGeneration": 4,
                },
            },
            BudgetView(META, SELECTOR, 0, 2, 3, 4),
            BudgetView(FRESH, None, None, None, None, None),
        ),
        (
            Kind.EVENT,
            {
                "involvedObject": ABOUT,
                "reason": "Evicted",
                "action": "Evict",
                "source": {"component": "kubelet"},
                "message": "no room",
                "firstTimestamp": stamp(7),
                "lastTimestamp": stamp(9),
                "count": 3,
            },
            EventView(
                META,
                *("Pod", "ns", "kafka-0", "uid-kafka-0"),
                *("Evicted", "Evict", "kubelet", "no room"),
                *(EPOCH + 7, EPOCH + 9, 3),
            ),
            EventView(FRESH, *([""] * 8), None, None, 1),
        ),
        (
            Kind.KAFKA,
            {
                "apiVersion": "kafka.strimzi.io/v1",
                "spec": {"zookeeper": {"replicas": 3}},
                "status": {
                    "clusterId": "abc",
                    "observedGeneration": 4,
                    "conditions": [condition("NotReady", reason="Timeout", message="a pod waits")],
                },
            },
            KafkaResourceView(
                META,
                "kafka.strimzi.io/v1",
                "abc",
                ready=False,
                paused=False,
                observed_generation=4,
                reason="Timeout: a pod waits",
                zookeepers=3,
            ),
            KafkaResourceView(FRESH, "", None, ready=None, paused=False, observed_generation=None, reason=""),
        ),
        (
            Kind.NODE_CLAIM,
            {"status": {"nodeName": "n1", "providerID": "aws:///i-1", "conditions": READY}},
            NodeClaimView(META, "n1", "aws:///i-1", CONDITIONS),
            NodeClaimView(FRESH, None, "", ()),
        ),
        (
            Kind.STATEFUL_SET,
            {
                "spec": {"replicas": 3, "ordinals": {"start": 5}, "selector": SELECTS},
                "status": {
                    "readyReplicas": 2,
                    "currentRevision": "r1",
                    "updateRevision": "r2",
                    "observedGeneration": 4,
                },
            },
            StatefulSetView(META, 3, 2, 5, SELECTOR, "r1", "r2", 4),
            StatefulSetView(FRESH, 1, 0, 0, None, "", "", None),
        ),
        (Kind.POD_SET, {}, PodSetView(META), PodSetView(FRESH)),
    ],
)
def test_the_whole_of_an_object_and_of_one_that_was_just_made(kind, raw, full, fresh):
    assert parse(kind, {"metadata": FULL, **raw}) == full
    assert parse(kind, {"metadata": {"name": "x", "uid": "u"}}) == fresh
    versions = [parse(kind, {"metadata": one}).meta.resource_version for one in (FULL, {"name": "x", "uid": "u"})]
    assert versions == ["7", ""]  # it is not compared


@pytest.mark.parametrize(
    ("kind", "spec", "status"),
    [
        (Kind.NODE, {"providerID": ""}, {"nodeInfo": {"bootID": ""}}),
        (Kind.POD, {"nodeName": ""}, {"phase": "", "reason": ""}),
        (Kind.CLAIM, {"volumeName": "", "storageClassName": ""}, {"phase": ""}),
        (Kind.KAFKA, {}, {"clusterId": ""}),
        (Kind.NODE_CLAIM, {}, {"nodeName": "", "providerID": ""}),
        (Kind.STATEFUL_SET, {"replicas": None}, {"currentRevision": "", "updateRevision": ""}),
    ],
)
def test_what_is_empty_is_not_there(kind, spec, status):
    bare = {"metadata": {"name": "x", "uid": "u"}}
    assert parse(kind, {**bare, "spec": spec, "status": status}) == parse(kind, bare)


DATES = ("firstTimestamp", "deprecatedFirstTimestamp", "eventTime", "lastTimestamp", "deprecatedLastTimestamp")


@pytest.mark.parametrize("early", DATES)
@pytest.mark.parametrize("late", DATES)
def test_an_event_is_dated_by_the_first_and_the_last_instant_it_names(early, late):
    raw = {"metadata": meta("e", created=5), **dict.fromkeys(DATES, stamp(7)), early: stamp(3), late: stamp(9)}
    view = parse(Kind.EVENT, raw)
    assert (view.first, view.last) == (EPOCH + (7 if early == late else 3), EPOCH + 9)
    assert parse(Kind.EVENT, raw | {"series": {"lastObservedTime": stamp(11)}}).last == EPOCH + 11


def test_an_event_that_names_no_instant_is_as_old_as_its_object():
    view = parse(Kind.EVENT, {"metadata": meta("e", created=5)})
    assert (view.first, view.last) == (EPOCH + 5, EPOCH + 5)


def test_where_an_event_says_a_thing_twice_the_newer_form_counts():
    older = {
        "metadata": meta("e"),
        "involvedObject": {"name": "old"},
        "message": "old",
        "deprecatedSource": {"component": "1"},
        "deprecatedCount": 1,
    }
    said = []
    for newer in (
        {"source": {"component": "2"}, "count": 2},
        {"reportingComponent": "3", "series": {"count": 3}},
        {"reportingController": "4", "regarding": {"name": "new"}, "note": "new"},
    ):
        view = parse(Kind.EVENT, older)
        said.append((view.about_name, view.message, view.component, view.count))
        older |= newer
    view = parse(Kind.EVENT, older)
    said.append((view.about_name, view.message, view.component, view.count))
    assert said == [("old", "old", "1", 1), ("old", "old", "2", 2), ("old", "old", "3", 3), ("new", "new", "4", 3)]
    assert parse(Kind.EVENT, {"metadata": meta("e"), "deprecatedCount": 6}).count == 6


@pytest.mark.parametrize(
    ("finished", "told"),
    [
        ("0001-01-01T00:00:00Z", None),
        ("1970-01-01T00:00:00Z", None),
        ("1970-01-01T00:00:01Z", 1.0),
        (stamp(4), EPOCH + 4),
        (None, None),
    ],
)
def test_a_container_that_was_lost_ended_nobody_knows_when(finished, told):
    raw = pod(containers=[container(ended={"finishedAt": finished}), container(last=ended(3, "Error", 4))])
    first, second = parse(Kind.POD, raw).containers
    assert (first.ended, first.ended_before) == (Exit(0, "", told), None)
    assert (second.ended, second.ended_before) == (None, Exit(3, "Error", EPOCH + 4))


def test_a_stateful_set_may_be_scaled_to_none():
    assert parse(Kind.STATEFUL_SET, {"metadata": meta("s"), "spec": {"replicas": 0}}).replicas == 0


@pytest.mark.parametrize(
    ("statuses", "annotations", "ready", "paused"),
    [
        ({"Ready": "False"}, {}, False, False),
        ({"Ready": "True", "NotReady": "False"}, {}, True, False),
        ({"Ready": "True", "NotReady": "True"}, {}, False, False),
        ({"ReconciliationPaused": "False"}, {}, None, False),
        ({"ReconciliationPaused": "False"}, {"strimzi.io/pause-reconciliation": "true"}, None, True),
        ({}, {"strimzi.io/pause-reconciliation": "false"}, None, False),
    ],
)
def test_an_operators_conditions_count_by_their_status(statuses, annotations, ready, paused):
    said = [condition(kind, status) for kind, status in statuses.items()]
    raw = {"metadata": meta("k", "ns", annotations=annotations), "status": {"conditions": said}}
    view = parse(Kind.KAFKA, raw)
    assert (view.ready, view.paused) == (ready, paused)


@pytest.mark.parametrize(
    ("raw", "told"),
    [
        (None, "node without a name: it should be an object, found NoneType None"),
        ({}, "node without a name: metadata.name is missing"),
        ({"metadata": []}, "node without a name: metadata should be an object, found list []"),
        ({"metadata": {"name": "", "uid": "u"}}, "node without a name: metadata.name is missing"),
        ({"metadata": {"name": "n", "namespace": ""}}, "node n: metadata.uid is missing"),
    ],
)
def test_an_error_names_the_object_whatever_is_wrong_with_it(raw, told):
    with pytest.raises(ObjectError) as refused:
        parse(Kind.NODE, raw)
    assert str(refused.value) == told


@pytest.mark.parametrize("grace", [None, 0, 30])
def test_what_is_deleted_without_grace_is_dated_as_it_stands(grace):
    asked = {"deletionTimestamp": stamp(100), "deletionGracePeriodSeconds": grace}
    view = parse(Kind.POD, {"metadata": {"name": "x", "uid": "u", **asked}})
    assert view.meta.deleted == EPOCH + 100 - (grace or 0)
