"""What Sentinel asks of the Kubernetes API, why, and what is off without it. docs and the chart follow this table.

Two more calls are made that every account may make in an ordinary cluster (`system:discovery`, `system:basic-user`):
reading which versions of an API group are served, and asking the server what we may do.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from kafka_sentinel.adapters.kubernetes.resources import (
    BUDGETS,
    CLAIMS,
    CONFIG_MAPS,
    DEPLOYMENTS,
    EVENTS,
    KAFKAS,
    LEASES,
    NETWORK_POLICIES,
    NODE_CLAIMS,
    NODE_POOLS,
    NODES,
    POD_SETS,
    PODS,
    SERVICE_ACCOUNTS,
    SERVICES,
    STATEFUL_SETS,
    TOPICS,
    USERS,
    VOLUMES,
    WEBHOOKS,
    Resource,
)
from kafka_sentinel.core.audit.placed import CLEANER
from kafka_sentinel.core.faults import FaultKind, Reach, of_reach


class Scope(StrEnum):
    """Where a permission is needed."""

    KAFKA = "kafka"  # the namespace of the Kafka cluster
    OWN = "own"  # the namespace Sentinel runs in
    OPERATOR = "operator"  # that of Strimzi's operator, if it is another than Kafka's
    DEFAULT = "default"  # the namespace `default`, if Kafka's is another
    CLUSTER = "cluster"  # objects without namespace


class Need(StrEnum):
    """When a permission is needed."""

    ALWAYS = "always"
    OPTIONAL = "optional"  # Sentinel runs without; something is off
    EXPERIMENTS = "experiments"  # only for the faults it names, and only once experiments are armed


@dataclass(frozen=True, slots=True)
class Permission:
    """`verbs` on a resource, or a part of it, in a scope.

    `named`: RBAC can limit it to one object: our own, or `only`. `faults`: those that need it, if only faults do.
    """

    resource: Resource
    verbs: tuple[str, ...]
    scope: Scope
    need: Need
    why: str
    without: str
    subresource: str | None = None
    named: bool = False
    only: str = ""
    faults: frozenset[FaultKind] = frozenset()

    @property
    def makes_our_own(self) -> bool:
        """Tell whether it is for making an object that somebody may have made for us."""
        return self.scope is Scope.OWN and self.verbs == ("create",)

    @property
    def title(self) -> str:
        plural = self.resource.plural + (f"/{self.subresource}" if self.subresource else "")
        return f"{plural}.{self.resource.group}" if self.resource.group else plural


WATCH = ("list", "watch")

PERMISSIONS = (
    Permission(
        PODS,
        WATCH,
        Scope.KAFKA,
        Need.ALWAYS,
        "brokers, controllers and what becomes of them",
        "brokers cannot be found: no experiments, no causes of restarts",
    ),
    Permission(
        BUDGETS,
        WATCH,
        Scope.KAFKA,
        Need.ALWAYS,
        "the disruption budget must allow a fault",
        "no experiments",
    ),
    Permission(
        CLAIMS,
        WATCH,
        Scope.KAFKA,
        Need.ALWAYS,
        "which volume a broker uses",
        "it is not said why a broker's pod cannot be scheduled",
    ),
    Permission(
        CONFIG_MAPS,
        ("get", "update"),
        Scope.OWN,
        Need.ALWAYS,
        "Sentinel's state, and the orders people give by annotation",
        "Sentinel does not start: use a state file instead",
        named=True,
    ),
    Permission(
        CONFIG_MAPS,
        ("create",),
        Scope.OWN,
        Need.ALWAYS,
        "to make that ConfigMap where nobody did",
        "the state cannot be saved, and nothing is injected, unless the ConfigMap is there already",
    ),
    Permission(
        LEASES,
        ("get", "update"),
        Scope.OWN,
        Need.ALWAYS,
        "only one Sentinel of several may probe, break brokers and write the state",
        "Sentinel stands by for ever: use a state file instead",
        named=True,
    ),
    Permission(
        LEASES,
        ("create",),
        Scope.OWN,
        Need.ALWAYS,
        "to make that Lease where nobody did",
        "Sentinel stands by for ever unless the Lease is there already",
    ),
    Permission(
        STATEFUL_SETS,
        WATCH,
        Scope.KAFKA,
        Need.OPTIONAL,
        "rolling updates of brokers that no operator runs",
        "such a rolling update is not told from deleted pods, and there are no experiments on pods of a StatefulSet",
    ),
    Permission(
        KAFKAS,
        WATCH,
        Scope.KAFKA,
        Need.OPTIONAL,
        "whether Strimzi's operator is at work on the cluster or paused",
        "no experiments on clusters run by Strimzi",
    ),
    Permission(
        POD_SETS,
        WATCH,
        Scope.KAFKA,
        Need.OPTIONAL,
        "whether Strimzi is asked to roll all pods of a StrimziPodSet",
        "such a roll holds no experiment back before it begins, and Strimzi's events alone tell why the pods went",
    ),
    Permission(
        EVENTS,
        WATCH,
        Scope.KAFKA,
        Need.OPTIONAL,
        "why pods went: the operator, the eviction, the scheduler",
        "some causes of restarts stay unknown",
    ),
    Permission(
        EVENTS,
        WATCH,
        Scope.DEFAULT,
        Need.OPTIONAL,
        "what termination handlers and Karpenter say about nodes",
        "notices that are given by event only are missed",
    ),
    Permission(
        NODES,
        WATCH,
        Scope.CLUSTER,
        Need.OPTIONAL,
        "spot reclaims, drains and failures of nodes; zones; at the start, marks that an earlier life left on nodes",
        "no node is watched: their losses have no cause, the exposure of zones and of the spot pool is not shown, and "
        "such marks stay",
    ),
    Permission(
        VOLUMES,
        WATCH,
        Scope.CLUSTER,
        Need.OPTIONAL,
        "whether a broker's bytes are on one node only",
        "volumes that go with their node are not told from others",
    ),
    Permission(
        NODE_CLAIMS,
        WATCH,
        Scope.CLUSTER,
        Need.OPTIONAL,
        "why Karpenter takes a node away",
        "its consolidation is not told from an interruption by its own word",
    ),
    Permission(
        PODS,
        WATCH,
        Scope.OPERATOR,
        Need.OPTIONAL,
        "whether Strimzi's operator is alive: a dead one recreates nothing",
        "no experiments on clusters run by Strimzi from another namespace",
    ),
    Permission(
        WEBHOOKS,
        ("get",),
        Scope.CLUSTER,
        Need.OPTIONAL,
        "audit: whether Strimzi's Drain Cleaner answers evictions",
        "the audit does not say whether there is one",
        named=True,
        only=CLEANER,
    ),
    Permission(
        EVENTS,
        ("create",),
        Scope.KAFKA,
        Need.OPTIONAL,
        "to say on a broker's pod and on the Kafka resource what was done and found",
        "experiments and incidents leave no Kubernetes Events",
    ),
    Permission(
        PODS,
        ("get",),
        Scope.KAFKA,
        Need.EXPERIMENTS,
        "what became of a pod when the answer to its deletion was lost; whose it is, before it is restarted",
        "a fault whose answer was lost counts as failed, and rolling-restart is refused",
        faults=frozenset(of_reach(Reach.PODS, Reach.NODE, Reach.ROLL)),
    ),
    Permission(
        PODS,
        ("delete",),
        Scope.KAFKA,
        Need.EXPERIMENTS,
        "the faults pod-delete, pod-crash and node-reclaim",
        "these faults are refused by the API server",
        faults=frozenset({FaultKind.POD_DELETE, FaultKind.POD_CRASH, FaultKind.NODE_RECLAIM}),
    ),
    Permission(
        PODS,
        ("create",),
        Scope.KAFKA,
        Need.EXPERIMENTS,
        "the fault pod-evict",
        "this fault is refused by the API server",
        subresource="eviction",
        faults=frozenset({FaultKind.POD_EVICT}),
    ),
    Permission(
        PODS,
        ("update",),
        Scope.KAFKA,
        Need.EXPERIMENTS,
        "the fault rolling-restart where Strimzi owns the pods: its annotation on each",
        "this fault is refused by the API server",
        faults=frozenset({FaultKind.ROLLING_RESTART}),
    ),
    Permission(
        STATEFUL_SETS,
        ("get", "update"),
        Scope.KAFKA,
        Need.EXPERIMENTS,
        "the fault rolling-restart where a StatefulSet owns the pods: an annotation of its pod template",
        "this fault is refused by the API server",
        faults=frozenset({FaultKind.ROLLING_RESTART}),
    ),
    Permission(
        NODES,
        ("get", "update"),
        Scope.CLUSTER,
        Need.EXPERIMENTS,
        "the fault node-reclaim: our own taint, label and annotations on the node, and off again",
        "this fault is refused by the API server",
        faults=frozenset({FaultKind.NODE_RECLAIM}),
    ),
)

# What `kafka-sentinel audit --inventory` lists besides, in Kafka's namespace, with the rights of whoever calls it. The
# daemon never asks for these, and the chart gives none of them. Kind → resource.
INVENTORY = {
    "Deployment": DEPLOYMENTS,
    "Service": SERVICES,
    "ServiceAccount": SERVICE_ACCOUNTS,
    "NetworkPolicy": NETWORK_POLICIES,
    "KafkaNodePool": NODE_POOLS,
    "KafkaTopic": TOPICS,
    "KafkaUser": USERS,
}
