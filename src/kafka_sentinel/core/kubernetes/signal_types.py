"""What a signal of disruption is: who says it, how sure it is, and what it hints at."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Source(StrEnum):
    """Who says it: a closed set, for it labels metrics."""

    NTH = "aws-node-termination-handler"
    KARPENTER = "karpenter"
    CLUSTER_AUTOSCALER = "cluster-autoscaler"
    GKE = "gke"
    AKS = "aks"
    OKE = "oke"
    CLOUD = "cloud-provider"
    KUBELET = "kubelet"
    KUBERNETES = "kubernetes"  # conditions, taints and cordons without an author
    STRIMZI = "strimzi"


class SignalKind(StrEnum):
    """How far it has come, in ascending order."""

    RISK = "risk"  # may never happen
    DRAIN = "drain"  # something is removing pods; why is not said
    NOTICE = "notice"  # whoever owns the machine says that it will go
    GONE = "gone"  # down already

    @property
    def rank(self) -> int:
        return list(SignalKind).index(self)


class Hint(StrEnum):
    """What a signal says of the cause."""

    SPOT = "spot"  # the provider takes spot capacity back
    IF_SPOT = "if_spot"  # a reclaim if the node is spot, else planned work
    VOLUNTARY = "voluntary"  # somebody chose to remove it: consolidation, scale-down, maintenance
    REMOVAL = "removal"  # it is taken out of service, for whatever reason: consolidation as well as a reclaim
    CORDON = "cordon"  # closed to new pods; if a spot node goes after that, it was reclaimed
    FAILURE = "failure"
    UNREACHABLE = "unreachable"  # silent; may come back
    REMOVED = "removed"  # certainly gone
    REBOOTED = "rebooted"  # was gone and is back
    ROLLOUT = "rollout"  # an operator replaces the pod
    NONE = "none"


@dataclass(frozen=True, slots=True)
class Signal:
    """One thing said about a node or a pod.

    `rule`: which row of the tables; the same rule says the same thing again. `since`: wall-clock seconds, if it is
    told. `standing`: true as long as it stands on the object; otherwise it was said once.
    """

    source: Source
    kind: SignalKind
    hint: Hint
    rule: str
    text: str
    since: float | None = None
    standing: bool = True
