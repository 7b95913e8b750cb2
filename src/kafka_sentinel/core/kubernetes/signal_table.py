"""The strings that tell of disruptions, as the programs that write them spell them.

Sources: aws-node-termination-handler pkg/node/node.go and pkg/observability/k8s-events.go; karpenter
pkg/apis/v1/taints.go, pkg/events/reason.go, pkg/controllers/disruption/queue.go; karpenter-provider-aws
pkg/controllers/interruption/events/events.go; autoscaler cluster-autoscaler/utils/taints/taints.go,
core/scaledown/actuation and cloudprovider/oci/nodepools/consts; GoogleCloudPlatform/k8s-node-termination-handler;
azure-aks-docs articles/aks/node-problem-detector.md and node-auto-drain*.md; karpenter-provider-azure
pkg/cloudprovider/cloudprovider.go; aks-node-termination-handler pkg/types/types.go; kubernetes api
core/v1/well_known_taints.go, cloud-provider api/well_known_taints.go, kubelet pkg/kubelet/nodeshutdown; Strimzi
KubernetesRestartEventPublisher.java.

`karpenter.sh/disrupted` and the like say only that Karpenter removes the node, for an interruption as for
consolidation; its InstanceStopping and InstanceTerminating also follow its own terminations.
"""

from __future__ import annotations

from typing import NamedTuple

from kafka_sentinel.core.kubernetes.signal_types import Hint, SignalKind, Source

RISK, DRAIN, NOTICE, GONE = SignalKind


class Rule(NamedTuple):
    """`value`: must be that, None for any. `needs` and `never`: parts of the message that must or must not be there."""

    source: Source
    kind: SignalKind
    hint: Hint
    says: str
    value: str | None = None
    needs: str = ""
    never: str = ""


_NTH = "aws-node-termination-handler/"
_AKS = "aks-node-termination-handler/"

TAINTS: dict[str, Rule] = {
    _NTH + "spot-itn": Rule(Source.NTH, NOTICE, Hint.SPOT, "spot interruption notice"),
    _NTH + "rebalance-recommendation": Rule(Source.NTH, RISK, Hint.NONE, "rebalance recommendation"),
    _NTH + "scheduled-maintenance": Rule(Source.NTH, NOTICE, Hint.VOLUNTARY, "scheduled maintenance"),
    _NTH + "asg-lifecycle-termination": Rule(Source.NTH, NOTICE, Hint.IF_SPOT, "its scaling group terminates it"),
    "karpenter.sh/disrupted": Rule(Source.KARPENTER, DRAIN, Hint.REMOVAL, "Karpenter removes it"),
    "karpenter.sh/disruption": Rule(Source.KARPENTER, DRAIN, Hint.REMOVAL, "Karpenter removes it", "disrupting"),
    "ToBeDeletedByClusterAutoscaler": Rule(
        Source.CLUSTER_AUTOSCALER, DRAIN, Hint.VOLUNTARY, "the cluster autoscaler removes it"
    ),
    "DeletionCandidateOfClusterAutoscaler": Rule(
        Source.CLUSTER_AUTOSCALER, RISK, Hint.NONE, "the cluster autoscaler may remove it"
    ),
    "ignore-taint.cluster-autoscaler.kubernetes.io/oke-impending-node-termination": Rule(
        Source.OKE, DRAIN, Hint.IF_SPOT, "impending termination"
    ),
    "NodeWithImpairedVolumes": Rule(Source.CLOUD, RISK, Hint.NONE, "volumes cannot be attached"),
    "cloud.google.com/impending-node-termination": Rule(Source.GKE, NOTICE, Hint.IF_SPOT, "impending termination"),
    "remediator.kubernetes.azure.com/unschedulable": Rule(Source.AKS, DRAIN, Hint.CORDON, "AKS drains it"),
    _AKS + "preempt": Rule(Source.AKS, NOTICE, Hint.SPOT, "spot eviction notice"),
    _AKS + "terminate": Rule(Source.AKS, NOTICE, Hint.VOLUNTARY, "termination is scheduled"),
    _AKS + "reboot": Rule(Source.AKS, NOTICE, Hint.VOLUNTARY, "a reboot is scheduled"),
    _AKS + "redeploy": Rule(Source.AKS, NOTICE, Hint.VOLUNTARY, "a move to another host is scheduled"),
    _AKS + "freeze": Rule(Source.AKS, RISK, Hint.NONE, "a pause of seconds is scheduled"),
    "node.cloudprovider.kubernetes.io/shutdown": Rule(Source.CLOUD, GONE, Hint.REMOVED, "its machine is shut down"),
    "node.kubernetes.io/out-of-service": Rule(Source.KUBERNETES, GONE, Hint.REMOVED, "declared out of service"),
    "node.kubernetes.io/not-ready": Rule(Source.KUBERNETES, GONE, Hint.UNREACHABLE, "not ready"),
    "node.kubernetes.io/unreachable": Rule(Source.KUBERNETES, GONE, Hint.UNREACHABLE, "unreachable"),
    "node.kubernetes.io/unschedulable": Rule(Source.KUBERNETES, DRAIN, Hint.CORDON, "cordoned"),
    "node.kubernetes.io/memory-pressure": Rule(Source.KUBERNETES, RISK, Hint.NONE, "short of memory"),
    "node.kubernetes.io/disk-pressure": Rule(Source.KUBERNETES, RISK, Hint.NONE, "short of disk"),
    "node.kubernetes.io/pid-pressure": Rule(Source.KUBERNETES, RISK, Hint.NONE, "short of process ids"),
    "node.kubernetes.io/network-unavailable": Rule(Source.KUBERNETES, RISK, Hint.NONE, "its network is not set up"),
}

_ACTS = Rule(Source.NTH, DRAIN, Hint.CORDON, "the termination handler acts on it")
LABELS: dict[str, Rule] = {
    _NTH + "action": _ACTS,
    _NTH + "action-time": _ACTS,
    _NTH + "event-id": _ACTS,
    "node.kubernetes.io/exclude-from-external-load-balancers": Rule(
        Source.NTH, DRAIN, Hint.CORDON, "taken out of load balancers", "aws-node-termination-handler"
    ),
}

# Conditions that are True; of rules for one type, the first whose message fits.
CONDITIONS: dict[str, tuple[Rule, ...]] = {
    "VMEventScheduled": (
        Rule(Source.AKS, NOTICE, Hint.SPOT, "spot eviction notice", needs="Preempt"),
        Rule(Source.AKS, DRAIN, Hint.VOLUNTARY, "a reboot is scheduled", needs="Reboot"),
        Rule(Source.AKS, DRAIN, Hint.VOLUNTARY, "a move to another host is scheduled", needs="Redeploy"),
        Rule(Source.AKS, DRAIN, Hint.VOLUNTARY, "termination is scheduled", needs="Terminate"),
        Rule(Source.AKS, RISK, Hint.NONE, "an event of its machine is scheduled"),  # Freeze: a pause of seconds
    ),
    "PreemptionScheduled": (Rule(Source.AKS, NOTICE, Hint.SPOT, "spot eviction notice"),),
}

# Ready=False or Unknown; the first rule whose message fits.
NOT_READY = (
    Rule(Source.KUBELET, NOTICE, Hint.IF_SPOT, "its operating system shuts down", needs="node is shutting down"),
    Rule(Source.KUBERNETES, GONE, Hint.UNREACHABLE, "not ready"),
)

# Conditions of NodeClaims that are True. DisruptionReason is set for what Karpenter chose to do only.
CLAIM_CONDITIONS: dict[str, Rule] = {
    "DisruptionReason": Rule(Source.KARPENTER, DRAIN, Hint.VOLUNTARY, "Karpenter chose to remove it"),
    "InstanceTerminating": Rule(Source.KARPENTER, DRAIN, Hint.REMOVAL, "Karpenter ends its machine"),
    "Drained": Rule(Source.KARPENTER, DRAIN, Hint.REMOVAL, "Karpenter drained it"),
    "VolumesDetached": Rule(Source.KARPENTER, DRAIN, Hint.REMOVAL, "Karpenter detached its volumes"),
}
CLAIM_DEADLINE = "karpenter.sh/nodeclaim-termination-timestamp"
CLAIM_DEADLINE_SET = Rule(Source.KARPENTER, DRAIN, Hint.REMOVAL, "Karpenter ends it by force at the latest at")
CLAIM_DELETED = Rule(Source.KARPENTER, DRAIN, Hint.REMOVAL, "its NodeClaim is being deleted")
NODE_DELETED = Rule(Source.KARPENTER, DRAIN, Hint.REMOVAL, "it is being deleted")  # a finalizer keeps it until then

# Events about nodes and NodeClaims, by reason. The reporter is not asked for: its name differs between versions.
EVENTS: dict[str, Rule] = {
    "SpotInterruption": Rule(Source.NTH, NOTICE, Hint.SPOT, "spot interruption notice"),
    "RebalanceRecommendation": Rule(Source.NTH, RISK, Hint.NONE, "rebalance recommendation"),
    "ScheduledEvent": Rule(Source.NTH, NOTICE, Hint.VOLUNTARY, "scheduled maintenance"),
    "StateChange": Rule(Source.NTH, NOTICE, Hint.IF_SPOT, "its machine is being stopped"),
    "ASGLifecycle": Rule(Source.NTH, NOTICE, Hint.IF_SPOT, "its scaling group terminates it"),
    "SQSTermination": Rule(Source.NTH, NOTICE, Hint.IF_SPOT, "its machine is being terminated"),
    "UnknownInterruption": Rule(Source.NTH, NOTICE, Hint.IF_SPOT, "an interruption of unknown kind"),
    "Cordon": Rule(Source.NTH, DRAIN, Hint.CORDON, "cordoned"),
    "CordonError": Rule(Source.NTH, DRAIN, Hint.CORDON, "could not be cordoned"),
    "CordonAndDrain": Rule(Source.NTH, DRAIN, Hint.CORDON, "cordoned and drained"),
    "CordonAndDrainError": Rule(Source.NTH, DRAIN, Hint.CORDON, "draining failed"),
    "PreDrain": Rule(Source.NTH, DRAIN, Hint.CORDON, "about to be drained"),
    "PreDrainError": Rule(Source.NTH, DRAIN, Hint.CORDON, "about to be drained"),
    "PostDrain": Rule(Source.NTH, DRAIN, Hint.CORDON, "drained"),
    "PostDrainError": Rule(Source.NTH, DRAIN, Hint.CORDON, "drained"),
    "SpotInterrupted": Rule(Source.KARPENTER, NOTICE, Hint.SPOT, "spot interruption notice"),
    "SpotRebalanceRecommendation": Rule(Source.KARPENTER, RISK, Hint.NONE, "rebalance recommendation"),
    "CapacityReservationInstanceInterrupted": Rule(
        Source.KARPENTER, NOTICE, Hint.VOLUNTARY, "its capacity reservation is taken back"
    ),
    "InstanceStopping": Rule(Source.KARPENTER, NOTICE, Hint.NONE, "its machine is being stopped"),
    "InstanceTerminating": Rule(Source.KARPENTER, NOTICE, Hint.NONE, "its machine is being terminated"),
    "InstanceUnhealthy": Rule(Source.KARPENTER, NOTICE, Hint.FAILURE, "its machine is unhealthy"),
    "TerminatingOnInterruption": Rule(Source.KARPENTER, NOTICE, Hint.IF_SPOT, "terminated for an interruption"),
    "DisruptionTerminating": Rule(Source.KARPENTER, DRAIN, Hint.VOLUNTARY, "Karpenter chose to remove it"),
    "DisruptionLaunching": Rule(Source.KARPENTER, RISK, Hint.NONE, "a replacement is being launched"),
    "DisruptionWaitingReadiness": Rule(Source.KARPENTER, RISK, Hint.NONE, "a replacement is being launched"),
    "TerminationGracePeriodExpiring": Rule(Source.KARPENTER, DRAIN, Hint.REMOVAL, "Karpenter removes it by force"),
    "FailedDraining": Rule(Source.KARPENTER, DRAIN, Hint.REMOVAL, "Karpenter cannot drain it yet"),
    "AwaitingVolumeDetachment": Rule(Source.KARPENTER, DRAIN, Hint.REMOVAL, "Karpenter waits for its volumes"),
    "ScaleDown": Rule(Source.CLUSTER_AUTOSCALER, DRAIN, Hint.VOLUNTARY, "the cluster autoscaler removes it"),
    "ScaleDownEmpty": Rule(Source.CLUSTER_AUTOSCALER, DRAIN, Hint.VOLUNTARY, "the cluster autoscaler removes it"),
    "ImpendingNodeTermination": Rule(Source.GKE, NOTICE, Hint.IF_SPOT, "impending termination"),
    "PreemptScheduled": Rule(Source.AKS, NOTICE, Hint.SPOT, "spot eviction notice"),
    "TerminateScheduled": Rule(Source.AKS, DRAIN, Hint.VOLUNTARY, "termination is scheduled"),
    "RedeployScheduled": Rule(Source.AKS, DRAIN, Hint.VOLUNTARY, "a move to another host is scheduled"),
    "RebootScheduled": Rule(Source.AKS, DRAIN, Hint.VOLUNTARY, "a reboot is scheduled"),
    "FreezeScheduled": Rule(Source.AKS, RISK, Hint.NONE, "a pause of seconds is scheduled"),
    "NodeCordonStart": Rule(Source.AKS, DRAIN, Hint.CORDON, "AKS cordons it"),
    "NodeCordonEnd": Rule(Source.AKS, DRAIN, Hint.CORDON, "AKS cordoned it"),
    "NodeDrainStart": Rule(Source.AKS, DRAIN, Hint.CORDON, "AKS drains it"),
    "NodeDrainEnd": Rule(Source.AKS, DRAIN, Hint.CORDON, "AKS drained it"),
    "NodeDrainError": Rule(Source.AKS, DRAIN, Hint.CORDON, "AKS could not drain it"),
    "DeletingNode": Rule(Source.CLOUD, GONE, Hint.REMOVED, "its machine does not exist any more"),
    "RemovingNode": Rule(Source.KUBERNETES, GONE, Hint.REMOVED, "its node object was removed"),
    "Shutdown": Rule(
        Source.KUBELET, NOTICE, Hint.IF_SPOT, "its operating system shuts down", needs="detected", never="cancel"
    ),
    "Rebooted": Rule(Source.KUBELET, GONE, Hint.REBOOTED, "rebooted"),
}


class Withdrawal(NamedTuple):
    """An event that takes back what earlier events with the reasons `voids` said."""

    reason: str
    needs: str  # part of the message that must be there
    voids: frozenset[str]


# That spot capacity is taken back is itself never taken back.
_OF_NTH = frozenset(
    reason for reason, rule in EVENTS.items() if rule.source is Source.NTH and rule.hint is not Hint.SPOT
)
WITHDRAWALS = (
    Withdrawal("CancelDrain", "", _OF_NTH),
    Withdrawal("Uncordon", "", _OF_NTH),
    Withdrawal("NoImpendingNodeTermination", "", frozenset({"ImpendingNodeTermination"})),
    Withdrawal(
        "NodeUncordonEnd",
        "",
        frozenset({"NodeCordonStart", "NodeCordonEnd", "NodeDrainStart", "NodeDrainEnd", "NodeDrainError"}),
    ),
    Withdrawal("Shutdown", "cancel", frozenset({"Shutdown"})),
)

# Events about pods, by reason.
POD_EVENTS: dict[str, Rule] = {
    "Evicted": Rule(Source.KUBERNETES, DRAIN, Hint.NONE, "evicted"),
    "Disrupted": Rule(Source.KARPENTER, DRAIN, Hint.REMOVAL, "Karpenter removes its node"),
    "PodEviction": Rule(Source.NTH, DRAIN, Hint.CORDON, "evicted by the termination handler"),
    "FailedToEvict": Rule(Source.AKS, DRAIN, Hint.CORDON, "AKS drains its node and could not evict it"),
    "ScaleDown": Rule(Source.CLUSTER_AUTOSCALER, DRAIN, Hint.VOLUNTARY, "the cluster autoscaler removes its node"),
    "TaintManagerEviction": Rule(
        Source.KUBERNETES, GONE, Hint.UNREACHABLE, "its node is given up", needs="Marking for deletion"
    ),
}
STRIMZI_RESTART = Rule(Source.STRIMZI, DRAIN, Hint.ROLLOUT, "restarted by the Strimzi operator")

# Reasons of the pod condition DisruptionTarget.
DISRUPTION_TARGETS: dict[str, Rule] = {
    "EvictionByEvictionAPI": Rule(Source.KUBERNETES, DRAIN, Hint.NONE, "evicted"),
    "PreemptionByScheduler": Rule(Source.KUBERNETES, DRAIN, Hint.NONE, "made room for a pod of higher priority"),
    "TerminationByKubelet": Rule(Source.KUBERNETES, NOTICE, Hint.NONE, "ended by its node"),
    "DeletionByTaintManager": Rule(Source.KUBERNETES, GONE, Hint.UNREACHABLE, "its node was given up"),
    "DeletionByPodGC": Rule(Source.KUBERNETES, GONE, Hint.REMOVED, "its node does not exist any more"),
}
