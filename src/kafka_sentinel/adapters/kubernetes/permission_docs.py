"""Makes docs/permissions.md from the table of permissions."""

from __future__ import annotations

from kafka_sentinel.adapters.kubernetes.permissions import INVENTORY, PERMISSIONS, Need, Permission, Scope

HEAD = """# Permissions in Kubernetes

Generated from `src/kafka_sentinel/adapters/kubernetes/permissions.py`; do not edit.

This is everything Sentinel asks of the Kubernetes API; a test compares the table with the calls that are made. Besides,
it reads which versions of an API group are served and asks the server what it may do, which every account may in an
ordinary cluster (the roles `system:discovery` and `system:basic-user`).

The Helm chart makes roles of these rows and no others: the optional ones each with a switch (`rbac.optional`), those
for experiments once they are armed, and only for the faults that are configured. A test compares the two.

Where a permission that is not always needed is missing, what it is for is off, and `kafka-sentinel check` says so.
Sentinel tries again every few minutes, so that it need not be restarted when the permission is granted.

The state ConfigMap and its Lease have the same name: that of `state.config_map`, by default `kafka-sentinel-state`.
Neither is needed where `state.file` is set.
"""

NEEDS = {
    Need.ALWAYS: "Always needed",
    Need.OPTIONAL: "Optional: Sentinel runs without, and something is off",
    Need.EXPERIMENTS: "Only for experiments, once they are armed",
}

SCOPES = {
    Scope.KAFKA: "Kafka's namespace",
    Scope.OWN: "Sentinel's own namespace",
    Scope.OPERATOR: "namespace of Strimzi's operator, if another",
    Scope.DEFAULT: "namespace `default`",
    Scope.CLUSTER: "cluster",
}


def render_docs() -> str:
    return "\n".join([HEAD, *(_table(need) for need in Need), _inventory()])


def _table(need: Need) -> str:
    head = ["| resource | verbs | scope | why | without it |", "|---|---|---|---|---|"]
    rows = [_row(one) for one in PERMISSIONS if one.need is need]
    return "\n".join([f"## {NEEDS[need]}\n", *head, *rows, ""])


def _row(one: Permission) -> str:
    name = f" (`{one.only}` only)" if one.only else " (by name)" if one.named else ""
    verbs = ", ".join(one.verbs) + name
    return f"| `{one.title}` | {verbs} | {SCOPES[one.scope]} | {one.why} | {one.without} |"


def _inventory() -> str:
    titles = ", ".join(f"`{resource.title}`" for resource in INVENTORY.values())
    return "\n".join(
        [
            "## Only for `kafka-sentinel audit --inventory`\n",
            f"It lists, in Kafka's namespace, {titles}, with the rights of whoever calls it (`kubernetes.kubeconfig`).",
            "The daemon asks for none of these and the chart gives none; what may not be listed is said.",
            "",
        ]
    )
