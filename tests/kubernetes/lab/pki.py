"""The lab's certificate authority, what it signs, and the kubeconfigs made of that."""

from __future__ import annotations

import json
from pathlib import Path

from .authority import Authority
from .plan import DOMAIN, Plan
from .shell import run

# Who may do what is said by these subjects: Kubernetes' own RBAC rules know them.
_CLIENTS = {
    "admin": "/O=system:masters/CN=admin",
    "apiserver-kubelet": "/O=system:masters/CN=apiserver-kubelet",
    "controller-manager": "/CN=system:kube-controller-manager",
    "scheduler": "/CN=system:kube-scheduler",
    "proxy": "/CN=system:kube-proxy",
    "coredns": "/CN=system:coredns",
}


def make(plan: Plan) -> None:
    """Make all keys and certificates in `plan.pki`."""
    authority = Authority(plan.pki, "/CN=lab")
    run("openssl", "genrsa", "-out", _file(plan, "accounts.key"), "2048")
    run("openssl", "rsa", "-in", _file(plan, "accounts.key"), "-pubout", "-out", _file(plan, "accounts.pub"))
    names = ["localhost", "kubernetes", "kubernetes.default", "kubernetes.default.svc"]
    names.append(f"kubernetes.default.svc.{DOMAIN}")
    alternatives = [f"IP:{plan.host}", f"IP:{plan.services[1]}", *(f"DNS:{name}" for name in names)]
    authority.sign("apiserver", "/CN=kube-apiserver", alternatives)
    for name, subject in _CLIENTS.items():
        authority.sign(name, subject)
    for node in plan.nodes:
        subject = f"/O=system:nodes/CN=system:node:{node}"
        authority.sign(node, subject, [f"DNS:{node}", f"IP:{plan.address(node)}"])


def kubeconfig(plan: Plan, name: str, path: Path) -> Path:
    """Write a kubeconfig that signs in by the certificate `name`. It is JSON, which is YAML."""
    content = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "lab", "cluster": {"server": plan.api, "certificate-authority": _file(plan, "ca.crt")}}],
        "users": [
            {
                "name": name,
                "user": {"client-certificate": _file(plan, f"{name}.crt"), "client-key": _file(plan, f"{name}.key")},
            }
        ],
        "contexts": [{"name": "lab", "context": {"cluster": "lab", "user": name}}],
        "current-context": "lab",
    }
    path.write_text(json.dumps(content, indent=1))
    path.chmod(0o600)
    return path


def _file(plan: Plan, name: str) -> str:
    return str(plan.pki / name)
