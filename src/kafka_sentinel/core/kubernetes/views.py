"""Kubernetes objects as far as Sentinel uses them: immutable, small, comparable.

Two views are equal if nothing of interest differs; the resource version, which each heartbeat moves, is not compared.
Instants are seconds of the wall clock (the API server's, not ours).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from kafka_sentinel.core.kubernetes.selector import Selector

ZONE_LABELS = ("topology.kubernetes.io/zone", "failure-domain.beta.kubernetes.io/zone")
HOSTNAME_LABEL = "kubernetes.io/hostname"


class Kind(StrEnum):
    NODE = "node"
    POD = "pod"
    CLAIM = "claim"  # PersistentVolumeClaim
    VOLUME = "volume"  # PersistentVolume
    BUDGET = "budget"  # PodDisruptionBudget
    EVENT = "event"  # of v1 or events.k8s.io/v1
    KAFKA = "kafka"  # Kafka of kafka.strimzi.io, v1 or v1beta2
    NODE_CLAIM = "node_claim"  # NodeClaim of karpenter.sh
    STATEFUL_SET = "stateful_set"
    POD_SET = "pod_set"  # StrimziPodSet of core.strimzi.io, v1 or v1beta2


# What Kubernetes calls them: label `resource` of metrics.
PLURALS = {
    Kind.NODE: "nodes",
    Kind.POD: "pods",
    Kind.CLAIM: "persistentvolumeclaims",
    Kind.VOLUME: "persistentvolumes",
    Kind.BUDGET: "poddisruptionbudgets",
    Kind.EVENT: "events",
    Kind.KAFKA: "kafkas",
    Kind.NODE_CLAIM: "nodeclaims",
    Kind.STATEFUL_SET: "statefulsets",
    Kind.POD_SET: "strimzipodsets",
}
# The same where it is watched in yet another namespace than Kafka's: pods of Strimzi's operator, events about nodes.
ELSEWHERE = {Kind.POD: "operator_pods", Kind.EVENT: "node_events"}
RESOURCES = (*PLURALS.values(), *ELSEWHERE.values())


def resource_name(kind: Kind, scope: str, namespace: str) -> str:
    """Return how metrics and the status call what is watched of a kind in a scope. `namespace`: Kafka's."""
    return PLURALS[kind] if scope in {"", namespace} else ELSEWHERE.get(kind, PLURALS[kind])


@dataclass(frozen=True, slots=True)
class Owner:
    kind: str
    name: str
    uid: str


@dataclass(frozen=True, slots=True)
class Meta:
    """`annotations` are those Sentinel uses (`kept.ANNOTATIONS`), not all.

    `deleted`: when deletion was asked for. (The API's deletionTimestamp lies later by the grace period.)
    """

    namespace: str  # "" for what has none
    name: str
    uid: str
    resource_version: str = field(compare=False)
    generation: int
    labels: Mapping[str, str]
    annotations: Mapping[str, str]
    created: float | None
    deleted: float | None
    owners: tuple[Owner, ...] = ()

    @property
    def full_name(self) -> str:
        return f"{self.namespace}/{self.name}" if self.namespace else self.name


@dataclass(frozen=True, slots=True)
class Condition:
    type: str
    status: str  # "True", "False" or "Unknown"
    reason: str
    message: str
    since: float | None  # the last transition


@dataclass(frozen=True, slots=True)
class Taint:
    key: str
    value: str
    effect: str
    added: float | None  # set by Kubernetes for NoExecute only


@dataclass(frozen=True, slots=True)
class NodeView:
    meta: Meta
    provider_id: str
    unschedulable: bool
    taints: tuple[Taint, ...]
    conditions: tuple[Condition, ...]
    boot_id: str

    def condition(self, kind: str) -> Condition | None:
        return next((one for one in self.conditions if one.type == kind), None)

    @property
    def ready(self) -> bool:
        condition = self.condition("Ready")
        return condition is not None and condition.status == "True"

    @property
    def zone(self) -> str | None:
        return next((self.meta.labels[key] for key in ZONE_LABELS if self.meta.labels.get(key)), None)

    @property
    def hostname(self) -> str:
        """The name that volumes are pinned to; not always the name of the node."""
        return self.meta.labels.get(HOSTNAME_LABEL, self.meta.name)


@dataclass(frozen=True, slots=True)
class Exit:
    """How a container ended."""

    code: int
    reason: str  # OOMKilled, Error, Completed, Unknown, ContainerStatusUnknown, …
    finished: float | None


@dataclass(frozen=True, slots=True)
class ContainerView:
    name: str
    ready: bool
    restarts: int
    waiting: str  # reason; "" if it does not wait
    ended: Exit | None  # it has ended and was not started again
    ended_before: Exit | None  # how its last life ended


@dataclass(frozen=True, slots=True)
class VolumeUse:
    """A volume of a pod. `medium`: claim, empty_dir or host_path; others are not kept."""

    name: str
    medium: str
    claim: str | None = None


@dataclass(frozen=True, slots=True)
class PodView:
    meta: Meta
    node: str | None  # name; None: not scheduled
    phase: str
    reason: str
    message: str
    conditions: tuple[Condition, ...]
    containers: tuple[ContainerView, ...]
    volumes: tuple[VolumeUse, ...]
    variables: Mapping[str, str]  # of its containers, as far as they tell the broker id (`kept.VARIABLES`)

    def condition(self, kind: str) -> Condition | None:
        return next((one for one in self.conditions if one.type == kind), None)

    @property
    def ready(self) -> bool:
        condition = self.condition("Ready")
        return condition is not None and condition.status == "True"

    @property
    def has_ended(self) -> bool:
        return self.phase in {"Failed", "Succeeded"}


@dataclass(frozen=True, slots=True)
class ClaimView:
    meta: Meta
    volume: str | None  # name of the PersistentVolume; None: not bound
    storage_class: str
    phase: str


@dataclass(frozen=True, slots=True)
class VolumeView:
    """`hostnames`: the only nodes (by `NodeView.hostname`) it can be used on; empty: not tied to nodes by hostname.

    `local`: its bytes are on one node and go with it.
    """

    meta: Meta
    claim: str | None  # namespace/name
    local: bool
    hostnames: tuple[str, ...]
    zones: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class BudgetView:
    """`selector`: None matches no pod. `allowed`: evictions allowed now; None: its controller did not say yet."""

    meta: Meta
    selector: Selector | None
    allowed: int | None
    healthy: int | None
    desired: int | None
    observed_generation: int | None


@dataclass(frozen=True, slots=True)
class EventView:
    """An event about an object. Some reporters give a node's name as its uid, so both must be looked at."""

    meta: Meta
    about_kind: str
    about_namespace: str
    about_name: str
    about_uid: str
    reason: str
    action: str
    component: str
    message: str
    first: float | None
    last: float | None
    count: int


@dataclass(frozen=True, slots=True)
class KafkaResourceView:
    """A Strimzi Kafka resource. `ready` and `paused` are what its operator last said, as of `observed_generation`."""

    meta: Meta
    api_version: str
    cluster_id: str | None
    ready: bool | None  # None: not said
    paused: bool
    observed_generation: int | None
    reason: str  # why it is not ready
    zookeepers: int | None = None  # servers of the ensemble that are wanted; None: not run by ZooKeeper


@dataclass(frozen=True, slots=True)
class NodeClaimView:
    meta: Meta
    node: str | None
    provider_id: str
    conditions: tuple[Condition, ...]

    def condition(self, kind: str) -> Condition | None:
        return next((one for one in self.conditions if one.type == kind), None)


@dataclass(frozen=True, slots=True)
class StatefulSetView:
    meta: Meta
    replicas: int
    ready_replicas: int
    first_ordinal: int
    selector: Selector | None
    current_revision: str
    update_revision: str
    observed_generation: int | None


@dataclass(frozen=True, slots=True)
class PodSetView:
    """What makes Strimzi's pods in place of a StatefulSet. Only what stands on it is of interest."""

    meta: Meta


View = (
    NodeView
    | PodView
    | ClaimView
    | VolumeView
    | BudgetView
    | EventView
    | KafkaResourceView
    | NodeClaimView
    | StatefulSetView
    | PodSetView
)
