"""What Sentinel asks of the Kubernetes API, why, and what is off without it. docs and the chart follow this table.

Two more calls are made that every account may make in an ordinary cluster (`system:discovery`, `system:basic-user`):
reading which versions of an API group are served, and asking the server what we may do.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from kafka_sentinel.adapters.kubernetes.api import Api, Resource
from kafka_sentinel.adapters.kubernetes.resources import (
    ACCESS_REVIEWS,
    BUDGETS,
    CLAIMS,
    CONFIG_MAPS,
    EVENTS,
    KAFKAS,
    LEASES,
    NODE_CLAIMS,
    NODES,
    PODS,
    STATEFUL_SETS,
    VOLUMES,
)


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
    """`verbs` on a resource, or a part of it, in a scope. `named`: RBAC can limit it to one object."""

    resource: Resource
    verbs: tuple[str, ...]
    scope: Scope
    need: Need
    why: str
    without: str
    subresource: str | None = None
    named: bool = False

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
        "Sentinel does not start unless the ConfigMap is there already",
    ),
    Permission(
        LEASES,
        ("get", "update"),
        Scope.OWN,
        Need.ALWAYS,
        "only one Sentinel may break brokers or write the state",
        "no experiments, no state",
        named=True,
    ),
    Permission(
        LEASES,
        ("create",),
        Scope.OWN,
        Need.ALWAYS,
        "to make that Lease where nobody did",
        "no experiments and no state unless the Lease is there already",
    ),
    Permission(
        STATEFUL_SETS,
        WATCH,
        Scope.KAFKA,
        Need.OPTIONAL,
        "rolling updates of brokers that no operator runs",
        "such a rolling update is not told from deleted pods",
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
        "spot reclaims, drains and failures of nodes; zones",
        "no node is watched: their losses have no cause, and no exposure is shown",
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
        "what became of a pod when the answer to its deletion was lost",
        "a fault whose answer was lost counts as failed",
    ),
    Permission(
        PODS,
        ("delete",),
        Scope.KAFKA,
        Need.EXPERIMENTS,
        "the faults pod-delete and pod-crash",
        "these faults are refused by the API server",
    ),
    Permission(
        PODS,
        ("create",),
        Scope.KAFKA,
        Need.EXPERIMENTS,
        "the fault pod-evict",
        "this fault is refused by the API server",
        subresource="eviction",
    ),
)


@dataclass(frozen=True, slots=True)
class Places:
    """The namespaces behind the scopes, and the names of our own objects."""

    kafka: str
    own: str
    operator: str | None = None
    state: str = "kafka-sentinel-state"
    lease: str = "kafka-sentinel"

    def namespaces(self, scope: Scope) -> tuple[str, ...]:
        """Return the namespace of a scope, "" for none at all; nothing if the scope is not needed here."""
        match scope:
            case Scope.KAFKA:
                return (self.kafka,)
            case Scope.OWN:
                return (self.own,)
            case Scope.OPERATOR:
                return (self.operator,) if self.operator is not None and self.operator != self.kafka else ()
            case Scope.DEFAULT:
                return ("default",) if self.kafka != "default" else ()
            case Scope.CLUSTER:
                return ("",)

    def name(self, permission: Permission) -> str:
        """Return the only object a permission is needed for, or ""."""
        if not permission.named:
            return ""
        return self.state if permission.resource == CONFIG_MAPS else self.lease


@dataclass(frozen=True, slots=True)
class Answer:
    """What the API server says about one verb. `reason` is its own, often empty."""

    permission: Permission
    verb: str
    namespace: str
    allowed: bool
    reason: str


def ask(api: Api, places: Places) -> Iterator[Answer]:
    """Ask the server about each verb of each row that is needed here. Raises ApiError."""
    for permission in PERMISSIONS:
        for namespace in places.namespaces(permission.scope):
            for verb in permission.verbs:
                yield _ask_one(api, permission, verb, namespace, places.name(permission))


def _ask_one(api: Api, permission: Permission, verb: str, namespace: str, name: str) -> Answer:
    asked = {
        "namespace": namespace,
        "verb": verb,
        "group": permission.resource.group,
        "resource": permission.resource.plural,
        "subresource": permission.subresource or "",
        "name": name,
    }
    body = {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SelfSubjectAccessReview",
        "spec": {"resourceAttributes": {key: value for key, value in asked.items() if value}},
    }
    status = api.create(ACCESS_REVIEWS, body).get("status") or {}
    return Answer(permission, verb, namespace, status.get("allowed") is True, str(status.get("reason") or ""))
