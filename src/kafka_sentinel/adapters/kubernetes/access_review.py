"""Asks the API server which of the permissions in the table we have."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from kafka_sentinel.adapters.kubernetes.api import Api
from kafka_sentinel.adapters.kubernetes.permissions import PERMISSIONS, Permission, Scope
from kafka_sentinel.adapters.kubernetes.resources import ACCESS_REVIEWS


@dataclass(frozen=True, slots=True)
class Places:
    """The namespaces behind the scopes. `state`: the name of our own ConfigMap and of our own Lease."""

    kafka: str
    own: str
    operator: str | None = None
    state: str = "kafka-sentinel-state"

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
        return permission.only or (self.state if permission.named else "")


@dataclass(frozen=True, slots=True)
class Answer:
    """What the API server says about one verb. `reason` is its own, often empty."""

    permission: Permission
    verb: str
    namespace: str
    allowed: bool
    reason: str


def ask(api: Api, places: Places, rows: Iterable[Permission] = PERMISSIONS) -> Iterator[Answer]:
    """Ask the server about each verb of each row that is needed here. Raises ApiError."""
    for permission in rows:
        for namespace in places.namespaces(permission.scope):
            for verb in permission.verbs:
                yield _ask_one(api, permission, verb, namespace, places.name(permission))


def by_row(refusals: Iterable[Answer]) -> dict[tuple[Permission, str], list[str]]:
    """Return the verbs that are refused, by row of the table and namespace."""
    found: dict[tuple[Permission, str], list[str]] = {}
    for one in refusals:
        found.setdefault((one.permission, one.namespace), []).append(one.verb)
    return found


def sentence(permission: Permission, namespace: str, verbs: Sequence[str]) -> str:
    """Say what we may not do, and what is off for that."""
    where = f" in namespace {namespace}" if namespace else ""
    return f"we may not {', '.join(verbs)} {permission.title}{where}: {permission.without} (docs/permissions.md)"


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
