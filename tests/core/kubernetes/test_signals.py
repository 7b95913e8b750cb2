"""Every string that vendors' sources or documentation give, and those that look alike and say something else."""

from __future__ import annotations

import pytest
from tests.core.kubernetes.raw import EPOCH, Watches, condition, event, meta, node, node_claim, pod, stamp

from kafka_sentinel.adapters.kubernetes.signal_docs import IGNORED
from kafka_sentinel.adapters.metric_labels import CLASS, SOURCES
from kafka_sentinel.core.kubernetes.objects import Kind, parse
from kafka_sentinel.core.kubernetes.signal_table import DISRUPTION_TARGETS, EVENTS, POD_EVENTS, TAINTS, WITHDRAWALS
from kafka_sentinel.core.kubernetes.signal_types import Hint, Signal, SignalKind, Source
from kafka_sentinel.core.kubernetes.signals import (
    CLOCKS,
    EVENT_LIFE,
    event_signal,
    evidence_on,
    node_signals,
    pod_signals,
)

RISK, DRAIN, NOTICE, GONE = SignalKind
NTH, AKS_HANDLER = "aws-node-termination-handler/", "aks-node-termination-handler/"


def on(raw, *objects, now=60.0):
    """Return what is said about a node as (source, kind, hint)."""
    inventory = Watches((Kind.NODE, raw), *objects).inventory
    found = evidence_on(parse(Kind.NODE, raw), inventory, EPOCH + now)
    return [(signal.source, signal.kind, signal.hint) for signal in found]


def about(raw, *objects):
    inventory = Watches((Kind.POD, raw), *objects).inventory
    return [(signal.source, signal.kind, signal.hint) for signal in pod_signals(parse(Kind.POD, raw), inventory)]


@pytest.mark.parametrize(
    ("key", "value", "effect", "expected"),
    [
        (NTH + "spot-itn", "spot-itn-4f2e", "NoSchedule", (Source.NTH, NOTICE, Hint.SPOT)),
        (NTH + "spot-itn", "spot-itn-event-0a", "NoExecute", (Source.NTH, NOTICE, Hint.SPOT)),
        (NTH + "rebalance-recommendation", "r", "NoSchedule", (Source.NTH, RISK, Hint.NONE)),
        (NTH + "scheduled-maintenance", "e", "NoSchedule", (Source.NTH, NOTICE, Hint.VOLUNTARY)),
        (NTH + "asg-lifecycle-termination", "asg-lifecycle-term-1", "", (Source.NTH, NOTICE, Hint.IF_SPOT)),
        ("karpenter.sh/disrupted", "", "NoSchedule", (Source.KARPENTER, DRAIN, Hint.REMOVAL)),
        ("karpenter.sh/disruption", "disrupting", "NoSchedule", (Source.KARPENTER, DRAIN, Hint.REMOVAL)),
        ("karpenter.sh/disruption", "other", "NoSchedule", None),
        ("karpenter.sh/unregistered", "", "NoExecute", None),
        ("ToBeDeletedByClusterAutoscaler", "1790000005", "", (Source.CLUSTER_AUTOSCALER, DRAIN, Hint.VOLUNTARY)),
        ("DeletionCandidateOfClusterAutoscaler", "1790000005", "", (Source.CLUSTER_AUTOSCALER, RISK, Hint.NONE)),
        (
            "ignore-taint.cluster-autoscaler.kubernetes.io/oke-impending-node-termination",
            "",
            "NoSchedule",
            (Source.OKE, DRAIN, Hint.IF_SPOT),
        ),
        ("NodeWithImpairedVolumes", "true", "NoSchedule", (Source.CLOUD, RISK, Hint.NONE)),
        ("cloud.google.com/impending-node-termination", "", "NoSchedule", (Source.GKE, NOTICE, Hint.IF_SPOT)),
        ("remediator.kubernetes.azure.com/unschedulable", "", "NoSchedule", (Source.AKS, DRAIN, Hint.CORDON)),
        (AKS_HANDLER + "preempt", "id", "NoSchedule", (Source.AKS, NOTICE, Hint.SPOT)),
        (AKS_HANDLER + "terminate", "id", "NoSchedule", (Source.AKS, NOTICE, Hint.VOLUNTARY)),
        (AKS_HANDLER + "reboot", "id", "NoSchedule", (Source.AKS, NOTICE, Hint.VOLUNTARY)),
        (AKS_HANDLER + "redeploy", "id", "NoSchedule", (Source.AKS, NOTICE, Hint.VOLUNTARY)),
        (AKS_HANDLER + "freeze", "id", "NoSchedule", (Source.AKS, RISK, Hint.NONE)),
        ("kubernetes.azure.com/scalesetpriority", "spot", "NoSchedule", None),  # permanent on Azure's spot pools
        ("node.cloudprovider.kubernetes.io/shutdown", "", "NoSchedule", (Source.CLOUD, GONE, Hint.REMOVED)),
        ("node.kubernetes.io/out-of-service", "nodeshutdown", "", (Source.KUBERNETES, GONE, Hint.REMOVED)),
        ("node.kubernetes.io/not-ready", "", "NoExecute", (Source.KUBERNETES, GONE, Hint.UNREACHABLE)),
        ("node.kubernetes.io/unreachable", "", "NoExecute", (Source.KUBERNETES, GONE, Hint.UNREACHABLE)),
        ("node.kubernetes.io/unschedulable", "", "NoSchedule", (Source.KUBERNETES, DRAIN, Hint.CORDON)),
        ("node.kubernetes.io/memory-pressure", "", "NoSchedule", (Source.KUBERNETES, RISK, Hint.NONE)),
        ("node.kubernetes.io/disk-pressure", "", "NoSchedule", (Source.KUBERNETES, RISK, Hint.NONE)),
        ("node.kubernetes.io/pid-pressure", "", "NoSchedule", (Source.KUBERNETES, RISK, Hint.NONE)),
        ("node.kubernetes.io/network-unavailable", "", "NoSchedule", (Source.KUBERNETES, RISK, Hint.NONE)),
        ("dedicated", "kafka", "NoSchedule", None),
    ],
)
def test_taints(key, value, effect, expected):
    taint = {"key": key, "value": value, "effect": effect}
    assert on(node(taints=[taint])) == ([expected] if expected else [])
    assert on(node(taints=[taint | {"key": f"{key}-x"}])) == []


def test_an_untroubled_node_says_nothing():
    pressures = [condition("MemoryPressure", "False"), condition("VMEventScheduled", "False", "NoVMEventScheduled")]
    assert on(node(conditions=pressures)) == []


def test_a_cordon_is_one_signal_however_it_shows():
    assert on(node(cordoned=True)) == [(Source.KUBERNETES, DRAIN, Hint.CORDON)]


def test_the_mark_of_a_reclaim_we_rehearse_is_no_signal_but_what_others_say_of_the_node_is():
    ours = {"key": "kafka-sentinel.io/reclaim", "value": "a.b", "effect": "NoSchedule"}
    notice = {"key": NTH + "spot-itn", "effect": "NoSchedule"}
    marked = {"labels": {"kafka-sentinel.io/reclaim": "a.b"}, "annotations": {"karpenter.sh/do-not-disrupt": "true"}}
    assert on(node(taints=[ours], **marked)) == []
    assert on(node(taints=[ours, notice], **marked)) == [(Source.NTH, NOTICE, Hint.SPOT)]
    assert on(node(cordoned=True, taints=[ours], **marked)) == [(Source.KUBERNETES, DRAIN, Hint.CORDON)]


def test_the_autoscalers_taint_tells_since_when():
    raw = node(
        taints=[{"key": "ToBeDeletedByClusterAutoscaler", "value": str(int(EPOCH) - 30), "effect": "NoSchedule"}]
    )
    assert node_signals(parse(Kind.NODE, raw))[0].since == EPOCH - 30
    raw["spec"]["taints"][0]["value"] = "soon"
    assert node_signals(parse(Kind.NODE, raw))[0].since is None


@pytest.mark.parametrize("value", ["1", "", "\u0663" * 10, "\u00b2" * 10])
def test_a_taint_that_tells_no_instant_is_dated_by_when_it_was_set(value):
    raw = node(taints=[{"key": "ToBeDeletedByClusterAutoscaler", "value": value, "timeAdded": stamp(5)}])
    assert node_signals(parse(Kind.NODE, raw))[0].since == EPOCH + 5


def test_a_node_is_cordoned_before_it_bears_the_taint():
    raw = node()
    raw["spec"]["unschedulable"] = True
    assert on(raw) == [(Source.KUBERNETES, DRAIN, Hint.CORDON)]


def test_labels_of_the_termination_handler():
    for name in ("action", "action-time", "event-id"):
        assert on(node(labels={NTH + name: "x"})) == [(Source.NTH, DRAIN, Hint.CORDON)]
    assert on(node(labels={NTH + "other": "x"})) == []
    key = "node.kubernetes.io/exclude-from-external-load-balancers"
    assert on(node(labels={key: "aws-node-termination-handler"})) == [(Source.NTH, DRAIN, Hint.CORDON)]
    assert on(node(labels={key: "true"})) == []


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        ("Preempt Scheduled: VMSS 3", (NOTICE, Hint.SPOT)),
        ("Freeze Scheduled: Mon, 21 Sep", (RISK, Hint.NONE)),
        ("Reboot Scheduled: soon", (DRAIN, Hint.VOLUNTARY)),
        ("Redeploy Scheduled: soon", (DRAIN, Hint.VOLUNTARY)),
        ("Terminate Scheduled: soon", (DRAIN, Hint.VOLUNTARY)),
        ("", (RISK, Hint.NONE)),
    ],
)
def test_azures_condition_is_told_by_its_message(message, expected):
    raw = node(conditions=[condition("VMEventScheduled", reason="VMEventScheduled", message=message)])
    assert on(raw) == [(Source.AKS, *expected)]
    raw["status"]["conditions"][0]["status"] = "False"
    assert on(raw) == []


def test_azures_newer_condition():
    raw = node(conditions=[condition("PreemptionScheduled", reason="SpotEvictionIncoming")])
    assert on(raw) == [(Source.AKS, NOTICE, Hint.SPOT)]


def test_not_ready_is_unreachable_unless_the_node_says_it_shuts_down():
    assert on(node(ready="Unknown")) == [(Source.KUBERNETES, GONE, Hint.UNREACHABLE)]
    raw = node(ready="False")
    raw["status"]["conditions"][-1]["message"] = "node is shutting down"
    assert on(raw) == [(Source.KUBELET, NOTICE, Hint.IF_SPOT)]


@pytest.mark.parametrize(
    ("reason", "expected"),
    [
        ("SpotInterruption", (Source.NTH, NOTICE, Hint.SPOT)),
        ("RebalanceRecommendation", (Source.NTH, RISK, Hint.NONE)),
        ("ScheduledEvent", (Source.NTH, NOTICE, Hint.VOLUNTARY)),
        ("StateChange", (Source.NTH, NOTICE, Hint.IF_SPOT)),
        ("ASGLifecycle", (Source.NTH, NOTICE, Hint.IF_SPOT)),
        ("UnknownInterruption", (Source.NTH, NOTICE, Hint.IF_SPOT)),
        ("SQSTermination", (Source.NTH, NOTICE, Hint.IF_SPOT)),
        ("Cordon", (Source.NTH, DRAIN, Hint.CORDON)),
        ("CordonError", (Source.NTH, DRAIN, Hint.CORDON)),
        ("CordonAndDrain", (Source.NTH, DRAIN, Hint.CORDON)),
        ("CordonAndDrainError", (Source.NTH, DRAIN, Hint.CORDON)),
        ("PreDrain", (Source.NTH, DRAIN, Hint.CORDON)),
        ("PreDrainError", (Source.NTH, DRAIN, Hint.CORDON)),
        ("PostDrain", (Source.NTH, DRAIN, Hint.CORDON)),
        ("PostDrainError", (Source.NTH, DRAIN, Hint.CORDON)),
        ("CancelDrain", None),
        ("CancelDrainError", None),
        ("Uncordon", None),
        ("UncordonError", None),
        ("MonitorError", None),
        ("SpotInterrupted", (Source.KARPENTER, NOTICE, Hint.SPOT)),
        ("SpotRebalanceRecommendation", (Source.KARPENTER, RISK, Hint.NONE)),
        ("CapacityReservationInstanceInterrupted", (Source.KARPENTER, NOTICE, Hint.VOLUNTARY)),
        ("InstanceStopping", (Source.KARPENTER, NOTICE, Hint.NONE)),
        ("InstanceTerminating", (Source.KARPENTER, NOTICE, Hint.NONE)),
        ("InstanceUnhealthy", (Source.KARPENTER, NOTICE, Hint.FAILURE)),
        ("TerminatingOnInterruption", (Source.KARPENTER, NOTICE, Hint.IF_SPOT)),
        ("DisruptionTerminating", (Source.KARPENTER, DRAIN, Hint.VOLUNTARY)),
        ("DisruptionLaunching", (Source.KARPENTER, RISK, Hint.NONE)),
        ("DisruptionWaitingReadiness", (Source.KARPENTER, RISK, Hint.NONE)),
        ("DisruptionBlocked", None),
        ("NodeRepairBlocked", None),
        ("TerminationGracePeriodExpiring", (Source.KARPENTER, DRAIN, Hint.REMOVAL)),
        ("FailedDraining", (Source.KARPENTER, DRAIN, Hint.REMOVAL)),
        ("AwaitingVolumeDetachment", (Source.KARPENTER, DRAIN, Hint.REMOVAL)),
        ("ScaleDown", (Source.CLUSTER_AUTOSCALER, DRAIN, Hint.VOLUNTARY)),
        ("ScaleDownEmpty", (Source.CLUSTER_AUTOSCALER, DRAIN, Hint.VOLUNTARY)),
        ("ScaleDownFailed", None),
        ("ImpendingNodeTermination", (Source.GKE, NOTICE, Hint.IF_SPOT)),
        ("NoImpendingNodeTermination", None),
        ("PreemptScheduled", (Source.AKS, NOTICE, Hint.SPOT)),
        ("TerminateScheduled", (Source.AKS, DRAIN, Hint.VOLUNTARY)),
        ("RedeployScheduled", (Source.AKS, DRAIN, Hint.VOLUNTARY)),
        ("RebootScheduled", (Source.AKS, DRAIN, Hint.VOLUNTARY)),
        ("FreezeScheduled", (Source.AKS, RISK, Hint.NONE)),
        ("NodeCordonStart", (Source.AKS, DRAIN, Hint.CORDON)),
        ("NodeCordonEnd", (Source.AKS, DRAIN, Hint.CORDON)),
        ("NodeDrainStart", (Source.AKS, DRAIN, Hint.CORDON)),
        ("NodeDrainEnd", (Source.AKS, DRAIN, Hint.CORDON)),
        ("NodeDrainError", (Source.AKS, DRAIN, Hint.CORDON)),
        ("NodeUncordonStart", None),
        ("NodeUncordonEnd", None),
        ("DeletingNode", (Source.CLOUD, GONE, Hint.REMOVED)),
        ("DeletingNodeFailed", None),
        ("RemovingNode", (Source.KUBERNETES, GONE, Hint.REMOVED)),
        ("Rebooted", (Source.KUBELET, GONE, Hint.REBOOTED)),
        ("NodeReady", None),
        ("NodeNotReady", None),  # the node's own condition says it, and for how long
        ("NodeHasSufficientMemory", None),
    ],
)
def test_events_about_a_node(reason, expected):
    assert on(node(), (Kind.EVENT, event(reason))) == ([expected] if expected else [])
    pods_event = event(reason, kind="Pod")
    assert on(node(), (Kind.EVENT, pods_event)) == []


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        ("Shutdown manager detected shutdown event", [(Source.KUBELET, NOTICE, Hint.IF_SPOT)]),
        ("Shutdown manager detected shutdown cancellation", []),
    ],
)
def test_a_shutdown_and_its_cancellation_have_one_reason(message, expected):
    raw = event("Shutdown", message=message)
    assert on(node(), (Kind.EVENT, raw)) == expected
    assert (event_signal(parse(Kind.EVENT, raw)) is not None) == bool(expected)


def test_the_whole_of_what_an_event_says():
    raw = event("Rebooted", message="Node n1 has been rebooted", first=7, last=9)
    assert event_signal(parse(Kind.EVENT, raw)) == Signal(
        source=Source.KUBELET,
        kind=GONE,
        hint=Hint.REBOOTED,
        rule="event Rebooted",
        text="rebooted (event Rebooted: Node n1 has been rebooted)",
        since=EPOCH + 7,
        standing=False,
    )


def undated(reason, name):
    about = {"kind": "Node", "name": "n1"}
    return Kind.EVENT, {"metadata": {"name": name, "uid": name}, "involvedObject": about, "reason": reason}


def test_an_event_that_bears_no_instant_counts_until_it_is_taken_back():
    assert len(on(node(), undated("Cordon", "a"), now=10 * EVENT_LIFE)) == 1
    assert on(node(), undated("Cordon", "a"), undated("Uncordon", "b")) == []
    assert on(node(), undated("Cordon", "a"), (Kind.EVENT, event("Uncordon"))) == []
    assert len(on(node(), (Kind.EVENT, event("Cordon")), undated("Uncordon", "b"))) == 1


def test_what_is_said_and_taken_back_at_one_instant_is_taken_back():
    assert on(node(), *((Kind.EVENT, event(reason, first=3)) for reason in ("Cordon", "Uncordon"))) == []


@pytest.mark.parametrize(("before", "counts"), [(CLOCKS, True), (CLOCKS - 1, True), (CLOCKS + 1, False)])
def test_clocks_may_differ_by_so_much_when_a_node_is_made(before, counts):
    found = on(node(created=100), (Kind.EVENT, event("Cordon", first=100 - int(before))), now=120)
    assert bool(found) == counts


def test_an_event_about_a_node_whose_age_is_not_known_is_about_it():
    raw = node()
    del raw["metadata"]["creationTimestamp"]
    assert len(on(raw, (Kind.EVENT, event("Cordon")))) == 1


def test_what_is_said_of_a_node_and_of_its_claim_is_told_together():
    said = event("SpotInterrupted", about="default-x7k2p", kind="NodeClaim", about_uid="uid-default-x7k2p")
    found = on(node(), (Kind.NODE_CLAIM, node_claim()), (Kind.EVENT, said), (Kind.EVENT, event("Rebooted")))
    assert found == [(Source.KUBELET, GONE, Hint.REBOOTED), (Source.KARPENTER, NOTICE, Hint.SPOT)]


@pytest.mark.parametrize(
    ("of_claim", "of_node", "named", "ours"),
    [
        ("i-1", "i-1", "n1", True),
        ("", "i-1", "n1", True),
        ("i-1", "", "n1", True),
        ("i-1", "i-2", "n1", False),
        ("", "", "n2", False),
    ],
)
def test_a_node_claim_is_of_its_node_by_name_and_machine_as_far_as_they_are_known(of_claim, of_node, named, ours):
    claim, raw = node_claim(on=named, deleted=5), node()
    claim["status"]["providerID"], raw["spec"]["providerID"] = of_claim, of_node
    assert bool(on(raw, (Kind.NODE_CLAIM, claim))) == ours


WITHDRAWN = [
    ("Cordon", "", "Uncordon", ""),
    ("CordonAndDrain", "", "Uncordon", ""),
    ("ScheduledEvent", "", "CancelDrain", ""),
    ("RebalanceRecommendation", "", "CancelDrain", ""),
    ("ImpendingNodeTermination", "", "NoImpendingNodeTermination", ""),
    ("NodeCordonEnd", "", "NodeUncordonEnd", ""),
    ("NodeDrainEnd", "", "NodeUncordonEnd", ""),
    (
        *("Shutdown", "Shutdown manager detected shutdown event"),
        *("Shutdown", "Shutdown manager detected shutdown cancellation"),
    ),
]


@pytest.mark.parametrize(("said", "words", "back", "back_words"), WITHDRAWN)
def test_what_an_event_said_can_be_taken_back_and_said_again(said, words, back, back_words):
    def told(*firsts):
        return [
            (Kind.EVENT, event(reason, message=text, first=first, name=f"e-{first}")) for reason, text, first in firsts
        ]

    first, withdrawal, again = (said, words, 10), (back, back_words, 20), (said, words, 30)
    assert len(on(node(), *told(first))) == 1
    assert on(node(), *told(first, withdrawal)) == []
    assert len(on(node(), *told(first, withdrawal, again))) == 1
    assert len(on(node("n2"), *told(first, withdrawal))) == 0


@pytest.mark.parametrize("back", ["Uncordon", "CancelDrain", "NoImpendingNodeTermination", "NodeUncordonEnd"])
def test_a_spot_notice_is_never_taken_back_by_an_event(back):
    events = [
        (Kind.EVENT, event(said, first=10)) for said in ("SpotInterruption", "SpotInterrupted", "PreemptScheduled")
    ]
    assert len(on(node(), *events, (Kind.EVENT, event(back, first=20)))) == len(events)


@pytest.mark.parametrize("uid", ["uid-n1", "n1", ""])
def test_reporters_give_a_nodes_uid_its_name_or_nothing(uid):
    assert len(on(node(), (Kind.EVENT, event("SpotInterruption", about_uid=uid)))) == 1


def test_events_about_another_node_of_that_name_are_not_about_this_one():
    assert on(node(), (Kind.EVENT, event("SpotInterruption", about_uid="uid-of-another"))) == []
    reborn = node(created=100)
    assert on(reborn, (Kind.EVENT, event("SpotInterruption", first=40)), now=120) == []
    assert len(on(reborn, (Kind.EVENT, event("SpotInterruption", first=110)), now=120)) == 1


def test_what_an_event_said_long_ago_no_longer_counts():
    said = (Kind.EVENT, event("SpotInterruption", first=0))
    assert len(on(node(), said, now=EVENT_LIFE)) == 1
    assert on(node(), said, now=EVENT_LIFE + 1) == []


def test_an_event_told_twice_is_one_signal_since_the_first():
    raw = node()
    events = [(Kind.EVENT, event("SpotInterrupted", first=first)) for first in (7, 3)]
    inventory = Watches((Kind.NODE, raw), *events).inventory
    [signal] = evidence_on(parse(Kind.NODE, raw), inventory, EPOCH + 60)
    assert signal.since == EPOCH + 3


def test_what_karpenter_says_of_the_node_claim_is_about_its_node():
    claim = (Kind.NODE_CLAIM, node_claim("default-x7k2p"))
    said = (
        Kind.EVENT,
        event("SpotInterrupted", about="default-x7k2p", kind="NodeClaim", about_uid="uid-default-x7k2p"),
    )
    assert on(node(), claim, said) == [(Source.KARPENTER, NOTICE, Hint.SPOT)]
    assert on(node("n2"), claim, said) == []


def test_events_about_another_node_claim_of_that_name_are_not_about_this_one():
    claim = (Kind.NODE_CLAIM, node_claim("default-x7k2p", created=100))

    def said(uid, first):
        about = {"about": "default-x7k2p", "kind": "NodeClaim", "about_uid": uid}
        return (Kind.EVENT, event("SpotInterrupted", **about, first=first))

    assert on(node(), claim, said("uid-of-another", 110), now=120) == []
    assert on(node(), claim, said("uid-default-x7k2p", 40), now=120) == []
    assert len(on(node(), claim, said("uid-default-x7k2p", 110), now=120)) == 1


@pytest.mark.parametrize("reason", ["Underutilized", "Empty", "Drifted"])
def test_a_disruption_reason_is_karpenters_choice(reason):
    chosen = node_claim(conditions=[condition("DisruptionReason", reason=reason)], deleted=5)
    assert on(node(), (Kind.NODE_CLAIM, chosen)) == [(Source.KARPENTER, DRAIN, Hint.VOLUNTARY)]
    undone = node_claim(conditions=[condition("DisruptionReason", "False", reason)])
    assert on(node(), (Kind.NODE_CLAIM, undone)) == []


def test_a_deleted_node_claim_or_node_is_a_drain():
    assert on(node(), (Kind.NODE_CLAIM, node_claim(deleted=5))) == [(Source.KARPENTER, DRAIN, Hint.REMOVAL)]
    assert on(node(deleted=5)) == [(Source.KARPENTER, DRAIN, Hint.REMOVAL)]
    assert on(node(), (Kind.NODE_CLAIM, node_claim())) == []


@pytest.mark.parametrize("kind", ["InstanceTerminating", "Drained", "VolumesDetached"])
def test_a_node_claim_tells_how_far_its_end_has_come(kind):
    assert on(node(), (Kind.NODE_CLAIM, node_claim(conditions=[condition(kind)]))) == [
        (Source.KARPENTER, DRAIN, Hint.REMOVAL)
    ]
    for status in ("False", "Unknown"):
        assert on(node(), (Kind.NODE_CLAIM, node_claim(conditions=[condition(kind, status)]))) == []
    assert on(node(), (Kind.NODE_CLAIM, node_claim(conditions=[condition("Initialized")]))) == []


def test_a_node_claim_tells_until_when_it_is_waited_for():
    annotations = {"karpenter.sh/nodeclaim-termination-timestamp": "2026-09-21T14:15:00Z"}
    raw = node()
    inventory = Watches((Kind.NODE, raw), (Kind.NODE_CLAIM, node_claim(annotations=annotations, deleted=5))).inventory
    [signal, *_] = evidence_on(parse(Kind.NODE, raw), inventory, EPOCH + 60)
    assert (signal.source, signal.kind, signal.hint) == (Source.KARPENTER, DRAIN, Hint.REMOVAL)
    assert "2026-09-21T14:15:00Z" in signal.text
    assert signal.since == EPOCH + 5


def test_a_node_claim_of_another_machine_of_that_name_is_not_this_nodes():
    raw = node_claim(deleted=5)
    raw["status"]["providerID"] = "aws:///eu-west-1a/i-other"
    assert on(node(), (Kind.NODE_CLAIM, raw)) == []


@pytest.mark.parametrize(
    ("reason", "expected"),
    [
        ("EvictionByEvictionAPI", (Source.KUBERNETES, DRAIN, Hint.NONE)),
        ("PreemptionByScheduler", (Source.KUBERNETES, DRAIN, Hint.NONE)),
        ("TerminationByKubelet", (Source.KUBERNETES, NOTICE, Hint.NONE)),
        ("DeletionByTaintManager", (Source.KUBERNETES, GONE, Hint.UNREACHABLE)),
        ("DeletionByPodGC", (Source.KUBERNETES, GONE, Hint.REMOVED)),
        ("SomethingNew", None),
    ],
)
def test_disruption_targets(reason, expected):
    assert about(pod(conditions=[condition("DisruptionTarget", reason=reason)])) == ([expected] if expected else [])
    assert about(pod(conditions=[condition("DisruptionTarget", "False", reason)])) == []


@pytest.mark.parametrize("reason", ["Terminated", "NodeShutdown"])
def test_a_pod_ended_by_its_nodes_shutdown(reason):
    raw = pod(status={"reason": reason, "message": "Pod was terminated in response to imminent node shutdown."})
    assert about(raw) == [(Source.KUBELET, NOTICE, Hint.IF_SPOT)]


def strimzi_event(reason="ConfigChangeRequiresRestart", **more):
    raw = event(reason, about="kafka-0", kind="Pod", about_uid="uid-kafka-0", namespace="kafka", **more)
    return Kind.EVENT, raw | {
        "action": "StrimziInitiatedPodRestart",
        "reportingComponent": "strimzi.io/cluster-operator",
    }


def test_strimzi_says_that_it_restarts_a_pod():
    expected = [(Source.STRIMZI, DRAIN, Hint.ROLLOUT)]
    assert about(pod(), strimzi_event()) == expected
    assert about(pod(), strimzi_event("ManualRollingUpdate")) == expected
    assert about(pod(annotations={"strimzi.io/manual-rolling-update": "true"})) == expected
    assert about(pod(annotations={"strimzi.io/manual-rolling-update": "false"})) == []
    assert about(pod(uid="uid-replacement"), strimzi_event()) == []


@pytest.mark.parametrize(
    ("reason", "message", "expected"),
    [
        ("Evicted", "", (Source.KUBERNETES, DRAIN, Hint.NONE)),
        ("Disrupted", "", (Source.KARPENTER, DRAIN, Hint.REMOVAL)),
        ("PodEviction", "", (Source.NTH, DRAIN, Hint.CORDON)),
        ("FailedToEvict", "", (Source.AKS, DRAIN, Hint.CORDON)),
        ("ScaleDown", "deleting pod for node scale down", (Source.CLUSTER_AUTOSCALER, DRAIN, Hint.VOLUNTARY)),
        (
            "TaintManagerEviction",
            "Marking for deletion Pod kafka/kafka-0",
            (Source.KUBERNETES, GONE, Hint.UNREACHABLE),
        ),
        ("TaintManagerEviction", "Cancelling deletion of Pod kafka/kafka-0", None),
        ("Killing", "Stopping container kafka", None),
    ],
)
def test_events_about_a_pod(reason, message, expected):
    raw = event(reason, about="kafka-0", kind="Pod", about_uid="uid-kafka-0", namespace="kafka", message=message)
    assert about(pod(), (Kind.EVENT, raw)) == ([expected] if expected else [])


@pytest.mark.parametrize("elsewhere", [{"kind": "Node"}, {"about_namespace": "other"}, {"about_uid": "uid-of-another"}])
def test_events_about_something_else_of_that_name_are_not_about_the_pod(elsewhere):
    about_it = {"about": "kafka-0", "kind": "Pod", "about_uid": "", "about_namespace": "kafka"}
    assert len(about(pod(), (Kind.EVENT, event("Evicted", **about_it)))) == 1
    assert about(pod(), (Kind.EVENT, event("Evicted", **{**about_it, **elsewhere}))) == []


def test_all_that_is_said_of_a_pod_is_told_once_and_in_order():
    raw = pod(
        conditions=[condition("DisruptionTarget", reason="EvictionByEvictionAPI", message="Eviction API", since=1)],
        annotations={"strimzi.io/manual-rolling-update": "true"},
        status={"reason": "Terminated", "message": "shutdown"},
    )
    of_it = {"about": "kafka-0", "kind": "Pod", "about_uid": "uid-kafka-0"}
    events = [(Kind.EVENT, event("Evicted", **of_it, first=first, message="why")) for first in (7, 3)]
    inventory = Watches((Kind.POD, raw), *events).inventory
    assert [(one.rule, one.text, one.since, one.standing) for one in pod_signals(parse(Kind.POD, raw), inventory)] == [
        (
            "DisruptionTarget EvictionByEvictionAPI",
            "evicted (DisruptionTarget EvictionByEvictionAPI: Eviction API)",
            EPOCH + 1,
            True,
        ),
        ("pod Terminated", "its operating system shuts down (pod Terminated: shutdown)", None, True),
        (
            "strimzi.io/manual-rolling-update",
            "a rolling update was asked for (strimzi.io/manual-rolling-update)",
            None,
            True,
        ),
        ("event Evicted", "evicted (event Evicted: why)", EPOCH + 3, False),
    ]


def test_what_is_said_can_be_read():
    raw = node(taints=[{"key": NTH + "spot-itn", "effect": "NoSchedule"}])
    [signal] = node_signals(parse(Kind.NODE, raw))
    assert signal.text == "spot interruption notice (taint aws-node-termination-handler/spot-itn)"


@pytest.mark.parametrize("name", IGNORED)
def test_what_the_documents_call_no_sign_is_none(name):
    assert on(node(taints=[{"key": name, "value": "spot", "effect": "NoSchedule"}]), (Kind.EVENT, event(name))) == []
    raw = event(name, about="kafka-0", kind="Pod", about_uid="uid-kafka-0", namespace="kafka")
    assert about(pod(), (Kind.EVENT, raw)) == []


def test_every_row_of_the_tables_has_a_test_of_its_own():
    def tried(test):
        [mark] = [mark for mark in test.pytestmark if mark.name == "parametrize"]
        return {row[0] for row in mark.args[1]}

    assert set(TAINTS) <= tried(test_taints)
    assert set(EVENTS) - {"Shutdown"} <= tried(test_events_about_a_node)
    assert set(POD_EVENTS) <= tried(test_events_about_a_pod)
    assert set(DISRUPTION_TARGETS) <= tried(test_disruption_targets)
    assert {(row[2], row[0]) for row in WITHDRAWN} <= {
        (reason, said) for reason, _, those in WITHDRAWALS for said in those
    }


def test_a_rule_that_names_nothing_would_match_everything():
    assert "" not in TAINTS
    assert "" not in EVENTS
    assert "" not in POD_EVENTS
    assert node_signals(parse(Kind.NODE, {"metadata": meta("n1")})) == ()


def test_sources_and_classes_are_those_that_the_metrics_know():
    assert {source.value for source in Source} <= set(SOURCES)
    assert {kind.value for kind in SignalKind} == set(CLASS.values)
