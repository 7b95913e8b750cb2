from __future__ import annotations

import pytest
from tests.core.kubernetes.raw import EPOCH, condition, container, ended, event, meta, node, node_claim, pod, stamp

from kafka_sentinel.core.kubernetes.objects import Exit, Kind, ObjectError, VolumeUse, parse


def test_a_node_as_far_as_it_is_used():
    view = parse(
        Kind.NODE,
        node(
            labels={"topology.kubernetes.io/zone": "eu-west-1a", "kubernetes.io/hostname": "ip-10-0-1-7"},
            taints=[{"key": "k", "value": "v", "effect": "NoExecute", "timeAdded": stamp(5)}],
            cordoned=True,
        ),
    )
    assert (view.meta.name, view.zone, view.hostname, view.ready) == ("n1", "eu-west-1a", "ip-10-0-1-7", True)
    assert view.unschedulable
    assert (view.taints[0].key, view.taints[0].added) == ("k", EPOCH + 5)
    assert view.boot_id == "boot-1"


@pytest.mark.parametrize("status", ["False", "Unknown"])
def test_a_node_is_ready_only_if_it_says_so(status):
    assert not parse(Kind.NODE, node(ready=status)).ready
    assert not parse(Kind.NODE, {"metadata": meta("n1")}).ready


def test_a_heartbeat_is_no_change():
    before, after = node(), node()
    after["metadata"]["resourceVersion"] = "2"
    after["status"]["conditions"][0]["lastHeartbeatTime"] = stamp(10)
    assert parse(Kind.NODE, before) == parse(Kind.NODE, after)
    assert parse(Kind.NODE, before) != parse(Kind.NODE, node(cordoned=True))


def test_an_object_that_was_just_made_has_no_status():
    for kind in Kind:
        view = parse(kind, {"metadata": {"name": "x", "uid": "u"}})
        assert (view.meta.uid, view.meta.created, view.meta.deleted) == ("u", None, None)


def test_deletion_is_dated_by_when_it_was_asked_for():
    assert parse(Kind.POD, pod(deleted=100, grace=30)).meta.deleted == EPOCH + 100
    assert parse(Kind.POD, pod(deleted=100, grace=0)).meta.deleted == EPOCH + 100


def test_instants_with_fractions():
    raw = event("x")
    raw |= {"eventTime": "2026-09-21T14:13:20.123456Z", "firstTimestamp": None, "lastTimestamp": None}
    assert parse(Kind.EVENT, raw).first == pytest.approx(EPOCH + 0.123456, abs=1e-4)


def test_a_pod_with_its_volumes_and_how_its_containers_ended():
    view = parse(
        Kind.POD,
        pod(
            containers=[
                container(restarts=2, last=ended(137, "OOMKilled", 7)),
                container("log", waiting="CrashLoopBackOff"),
            ],
            conditions=[condition("DisruptionTarget", reason="EvictionByEvictionAPI")],
            volumes=[
                {"name": "data-0", "persistentVolumeClaim": {"claimName": "data-0-kafka-0"}},
                {"name": "scratch", "ephemeral": {"volumeClaimTemplate": {}}},
                {"name": "tmp", "emptyDir": {}},
                {"name": "disk", "hostPath": {"path": "/mnt"}},
                {"name": "config", "configMap": {"name": "c"}},
            ],
        ),
    )
    kafka, log = view.containers
    assert (kafka.restarts, kafka.ended_before, kafka.ended) == (2, Exit(137, "OOMKilled", EPOCH + 7), None)
    assert (log.waiting, log.ready) == ("CrashLoopBackOff", False)
    assert view.condition("DisruptionTarget").reason == "EvictionByEvictionAPI"
    assert view.volumes == (
        VolumeUse("data-0", "claim", "data-0-kafka-0"),
        VolumeUse("scratch", "claim", "kafka-0-scratch"),
        VolumeUse("tmp", "empty_dir"),
        VolumeUse("disk", "host_path"),
    )


def test_only_what_is_used_of_annotations_and_variables_is_kept():
    kept = {"strimzi.io/revision": "a1", "kafka-sentinel.io/target": "x"}
    view = parse(
        Kind.POD,
        pod(
            annotations={**kept, "kubectl.kubernetes.io/last-applied-configuration": "…"},
            spec_containers=[{"env": [{"name": "KAFKA_NODE_ID", "value": "3"}, {"name": "HOME", "value": "/"}]}],
        ),
    )
    assert view.meta.annotations == kept
    assert view.variables == {"KAFKA_NODE_ID": "3"}


@pytest.mark.parametrize(
    ("spec", "local", "hostnames"),
    [
        ({"local": {"path": "/mnt/disks/d1"}}, True, ()),
        ({"hostPath": {"path": "/mnt"}}, True, ()),
        ({"csi": {"driver": "ebs.csi.aws.com"}}, False, ()),
        ({"csi": {}, "nodeAffinity": "kubernetes.io/hostname"}, True, ("n1",)),
        ({"csi": {}, "nodeAffinity": "topology.topolvm.io/node"}, True, ("n1",)),
        ({"csi": {}, "nodeAffinity": "topology.ebs.csi.aws.com/zone"}, False, ()),
    ],
)
def test_which_volumes_go_with_their_node(spec, local, hostnames):
    if "nodeAffinity" in spec:
        term = {"key": spec["nodeAffinity"], "operator": "In", "values": ["n1"]}
        spec = {**spec, "nodeAffinity": {"required": {"nodeSelectorTerms": [{"matchExpressions": [term]}]}}}
    view = parse(Kind.VOLUME, {"metadata": meta("pv-1"), "spec": {**spec, "claimRef": {"namespace": "k", "name": "c"}}})
    assert (view.local, view.hostnames, view.claim) == (local, hostnames, "k/c")
    assert view.zones == (("n1",) if not local and "nodeAffinity" in spec else ())


@pytest.mark.parametrize(
    ("selector", "matches", "differs"),
    [
        ({"matchLabels": {"a": "1"}}, {"a": "1", "b": "2"}, {"a": "2"}),
        ({"matchExpressions": [{"key": "a", "operator": "In", "values": ["1", "2"]}]}, {"a": "2"}, {"b": "2"}),
        ({"matchExpressions": [{"key": "a", "operator": "NotIn", "values": ["1"]}]}, {}, {"a": "1"}),
        ({"matchExpressions": [{"key": "a", "operator": "Exists"}]}, {"a": ""}, {}),
        ({"matchExpressions": [{"key": "a", "operator": "DoesNotExist"}]}, {}, {"a": ""}),
    ],
)
def test_selectors_of_budgets(selector, matches, differs):
    view = parse(Kind.BUDGET, {"metadata": meta("b", "k"), "spec": {"selector": selector}})
    assert view.selector.matches(matches)
    assert not view.selector.matches(differs)


def test_no_selector_is_not_an_empty_one():
    assert parse(Kind.BUDGET, {"metadata": meta("b", "k"), "spec": {}}).selector is None
    assert parse(Kind.BUDGET, {"metadata": meta("b", "k"), "spec": {"selector": {}}}).selector.matches({"any": "pod"})


def test_both_forms_of_events_say_the_same():
    core = event("SpotInterrupted", component="karpenter", message="warning", first=1, last=9)
    new = {
        "metadata": core["metadata"],
        "regarding": core["involvedObject"],
        "reason": "SpotInterrupted",
        "note": "warning",
        "reportingController": "karpenter",
        "eventTime": stamp(1),
        "series": {"count": 1, "lastObservedTime": stamp(9)},
    }
    assert parse(Kind.EVENT, core) == parse(Kind.EVENT, new)
    assert parse(Kind.EVENT, core).last == EPOCH + 9


@pytest.mark.parametrize(
    ("conditions", "annotations", "ready", "paused"),
    [
        ([condition("Ready")], {}, True, False),
        ([condition("NotReady", reason="TimeoutException")], {}, False, False),
        ([], {}, None, False),
        ([condition("Ready")], {"strimzi.io/pause-reconciliation": "true"}, True, True),
        ([condition("ReconciliationPaused")], {}, None, True),
    ],
)
@pytest.mark.parametrize("version", ["kafka.strimzi.io/v1", "kafka.strimzi.io/v1beta2"])
def test_what_the_operator_says_of_its_kafka(version, conditions, annotations, ready, paused):
    status = {"conditions": conditions, "clusterId": "abc", "observedGeneration": 4}
    raw = {"apiVersion": version, "metadata": meta("k", "ns", annotations=annotations, generation=4), "status": status}
    view = parse(Kind.KAFKA, raw)
    assert (view.ready, view.paused, view.cluster_id, view.observed_generation) == (ready, paused, "abc", 4)
    assert view.api_version == version


def test_a_node_claim_names_its_node():
    view = parse(Kind.NODE_CLAIM, node_claim(on="n7", conditions=[condition("DisruptionReason", reason="Drifted")]))
    assert (view.node, view.condition("DisruptionReason").reason) == ("n7", "Drifted")


@pytest.mark.parametrize(
    ("kind", "raw", "told"),
    [
        (Kind.NODE, [], "node without a name: it should be an object, found list"),
        (Kind.NODE, {"metadata": {"uid": "u"}}, "node without a name: metadata.name is missing"),
        (Kind.POD, {"metadata": {"name": "p", "namespace": "k"}}, "pod k/p: metadata.uid is missing"),
        (Kind.POD, pod(status={"phase": 3}), "pod kafka/kafka-0: status.phase should be a string, found int 3"),
        (Kind.NODE, {**node(), "spec": {"taints": [{"value": "x"}]}}, r"node n1: spec.taints\[0\].key is missing"),
        (Kind.NODE, {**node(), "spec": {"taints": {}}}, "node n1: spec.taints should be a list, found dict"),
        (Kind.NODE, {**node(), "spec": {"unschedulable": "yes"}}, "spec.unschedulable should be true or false"),
        (Kind.BUDGET, {"metadata": meta("b"), "status": {"disruptionsAllowed": True}}, "should be a whole number"),
        (
            Kind.BUDGET,
            {"metadata": meta("b"), "status": {"disruptionsAllowed": "3"}},
            "should be a whole number, found",
        ),
        (Kind.NODE, {"metadata": {"name": "n", "uid": "u", "labels": {1: "a"}}}, r"metadata.labels\[1\] should be a"),
        (
            Kind.BUDGET,
            {"metadata": meta("b"), "status": {"disruptionsAllowed": 2**63}},
            "a whole number of 64 bits, found",
        ),
        (
            Kind.BUDGET,
            {
                "metadata": meta("b"),
                "spec": {"selector": {"matchExpressions": [{"key": "a", "operator": "In", "values": [1]}]}},
            },
            r"spec.selector.matchExpressions\[0\].values should be a list of strings, found int 1",
        ),
        (Kind.EVENT, {**event("x"), "firstTimestamp": "y" * 99}, f"found str '{'y' * 59}$"),
        (Kind.EVENT, {**event("x"), "firstTimestamp": "yesterday"}, "should be an RFC 3339 instant, found str 'yest"),
        (Kind.EVENT, {**event("x"), "firstTimestamp": "2026-09-20T10:00:00"}, "RFC 3339 instant"),
        (
            Kind.NODE,
            {"metadata": {"name": "n", "uid": "u", "labels": {"a": 1}}},
            r"metadata.labels\[a\] should be a str",
        ),
        (Kind.NODE, {"metadata": {"name": "n", "uid": "u", "labels": []}}, "metadata.labels should be an object"),
        (
            Kind.BUDGET,
            {"metadata": meta("b"), "spec": {"selector": {"matchExpressions": [{"key": "a", "operator": "Is"}]}}},
            "should be one of In, NotIn, Exists, DoesNotExist, found str 'Is'",
        ),
    ],
)
def test_a_malformed_object_is_refused_with_its_name_the_field_and_what_was_found(kind, raw, told):
    with pytest.raises(ObjectError, match=told):
        parse(kind, raw)


def test_what_an_error_shows_is_bounded():
    with pytest.raises(ObjectError) as refused:
        parse(Kind.POD, {"metadata": {"name": "p", "uid": ["x" * 10_000]}})
    assert len(str(refused.value)) < 200


@pytest.mark.parametrize("number", [-(2**63), 2**63 - 1])
def test_a_number_of_64_bits_is_read(number):
    assert parse(Kind.BUDGET, {"metadata": meta("b"), "status": {"disruptionsAllowed": number}}).allowed == number
