"""The rights of Sentinel's service account: exactly the table of permissions, so that the tests prove it is enough."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from tests.kubernetes.lab.cluster import Cluster

from kafka_sentinel.adapters.kubernetes.access_review import Places
from kafka_sentinel.adapters.kubernetes.permissions import PERMISSIONS, Permission

RBAC = "rbac.authorization.k8s.io"
LABEL = "sentinel.test/account-in"


def manifests(account: str, places: Places, wanted: Callable[[Permission], bool] = lambda _: True) -> list[dict]:
    """Return the account, and a role and its binding for each namespace and for the cluster. `wanted`: which rows."""
    rules: dict[str, list[dict]] = {}
    for permission in filter(wanted, PERMISSIONS):
        for namespace in places.namespaces(permission.scope):
            rules.setdefault(namespace, []).append(_rule(permission, places))
    subject = {"kind": "ServiceAccount", "name": account, "namespace": places.own}
    found: list[dict] = [
        {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": account, "namespace": places.own}}
    ]
    for namespace, allowed in rules.items():
        found += _role(f"{places.own}-{account}", namespace, allowed, subject)
    return found


def remove(cluster: Cluster, own: str) -> None:
    """Remove the rights of the account in namespace `own`, wherever they are."""
    kinds = "clusterrolebindings,clusterroles,rolebindings,roles"
    cluster.kubectl("delete", kinds, "--all-namespaces", "--selector", f"{LABEL}={own}", "--wait=false")


def _rule(permission: Permission, places: Places) -> dict:
    resource = permission.resource
    plural = f"{resource.plural}/{permission.subresource}" if permission.subresource else resource.plural
    rule = {"apiGroups": [resource.group], "resources": [plural], "verbs": list(permission.verbs)}
    name = places.name(permission)
    return {**rule, "resourceNames": [name]} if name else rule


def _role(name: str, namespace: str, rules: Iterable[dict], subject: dict) -> list[dict]:
    kind = "Role" if namespace else "ClusterRole"
    metadata: dict = {"name": name, "labels": {LABEL: subject["namespace"]}}
    if namespace:
        metadata["namespace"] = namespace
    return [
        {"apiVersion": f"{RBAC}/v1", "kind": kind, "metadata": metadata, "rules": list(rules)},
        {
            "apiVersion": f"{RBAC}/v1",
            "kind": f"{kind}Binding",
            "metadata": metadata,
            "roleRef": {"apiGroup": RBAC, "kind": kind, "name": name},
            "subjects": [subject],
        },
    ]
