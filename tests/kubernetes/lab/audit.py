"""What service accounts did to pods and nodes, as the API server itself wrote it down."""

from __future__ import annotations

import json
from pathlib import Path

from .access import Tree
from .plan import Plan

_KEPT_MIB = 64
_POLICY = {
    "apiVersion": "audit.k8s.io/v1",
    "kind": "Policy",
    "omitStages": ["RequestReceived"],
    "rules": [
        {
            "level": "Request",
            "userGroups": ["system:serviceaccounts"],
            "verbs": ["create", "delete", "patch", "update"],
            "resources": [{"group": "", "resources": ["pods", "pods/eviction", "nodes"]}],
        },
        {"level": "None"},
    ],
}


def configure(plan: Plan) -> None:
    _policy(plan).write_text(json.dumps(_POLICY))


def arguments(plan: Plan) -> list[str]:
    """Return what the API server is to be told."""
    return [
        f"--audit-policy-file={_policy(plan)}",
        f"--audit-log-path={_log(plan)}",
        f"--audit-log-maxsize={_KEPT_MIB}",
        "--audit-log-maxbackup=1",
    ]


def entries(plan: Plan, namespace: str) -> list[Tree]:
    """Return the requests that service accounts of `namespace` made, oldest first, with their bodies."""
    path = _log(plan)
    lines = path.read_text().splitlines() if path.exists() else []
    found: list[Tree] = [json.loads(line) for line in lines if line.endswith("}")]
    return [each for each in found if each["user"]["username"].startswith(f"system:serviceaccount:{namespace}:")]


def _policy(plan: Plan) -> Path:
    return plan.folder / "audit-policy.json"


def _log(plan: Plan) -> Path:
    return plan.logs / "audit.log"
