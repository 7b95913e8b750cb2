"""What termination handlers, autoscalers and clouds do to a Node as they take it away, call by call as they do it.

Sources: docs/disruptions.md and the modules it names. Each call says what it does to the API alone; the power is the
lab's matter.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from tests.kubernetes.deploy import objects
from tests.kubernetes.lab.access import RefusedError
from tests.kubernetes.lab.cluster import Cluster

from kafka_sentinel.lab.errors import LabError

CONFLICT = 409
ATTEMPTS = 10  # at a change of a Node that others change too
FINALIZER = "karpenter.sh/termination"
CLAIMS = "/apis/karpenter.sh/v1/nodeclaims"
# As much of Karpenter's definition as its NodeClaims here need; the real one checks more.
CLAIM_DEFINITION: dict[str, Any] = {
    "apiVersion": "apiextensions.k8s.io/v1",
    "kind": "CustomResourceDefinition",
    "metadata": {"name": "nodeclaims.karpenter.sh"},
    "spec": {
        "group": "karpenter.sh",
        "names": {"kind": "NodeClaim", "listKind": "NodeClaimList", "plural": "nodeclaims", "singular": "nodeclaim"},
        "scope": "Cluster",
        "versions": [
            {
                "name": "v1",
                "served": True,
                "storage": True,
                "subresources": {"status": {}},
                "schema": {
                    "openAPIV3Schema": {
                        "type": "object",
                        "properties": {
                            part: {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
                            for part in ("spec", "status")
                        },
                    }
                },
            }
        ],
    },
}
# What each provider labels its nodes; "" is nothing but the zone.
LABELS: dict[str, dict[str, str]] = {
    "eks": {"eks.amazonaws.com/capacityType": "SPOT"},
    "eks-on-demand": {"eks.amazonaws.com/capacityType": "ON_DEMAND"},
    "karpenter": {"karpenter.sh/capacity-type": "spot"},
    "gke": {"cloud.google.com/gke-spot": "true", "cloud.google.com/gke-provisioning": "spot"},
    "aks": {"kubernetes.azure.com/scalesetpriority": "spot", "kubernetes.azure.com/priority": "spot"},
}


class Machine:
    """A node as those programs see it: its Node object, found by name."""

    def __init__(self, cluster: Cluster, name: str) -> None:
        self.name = name
        self._cluster = cluster
        self._path = f"/api/v1/nodes/{name}"

    # --- the Node object

    def object(self) -> dict[str, Any] | None:
        return objects.get(self._cluster, self._path)

    @property
    def uid(self) -> str | None:
        found = self.object()
        return None if found is None else found["metadata"]["uid"]

    def label(self, provider: str) -> None:
        """Give it the labels of one provider and take away those of the others."""
        others = {key: None for labels in LABELS.values() for key in labels}
        self._cluster.node_labels(self.name, {**others, **LABELS[provider]})

    def taint(self, key: str, value: str = "", effect: str = "NoSchedule") -> None:
        self._change_taints(
            lambda taints: [*taints, {"key": key, "effect": effect, **({"value": value} if value else {})}], key
        )

    def untaint(self, key: str) -> None:
        self._change_taints(lambda taints: taints, key)

    def cordon(self) -> None:
        self._cluster.kubectl("cordon", self.name)

    def drain(self, seconds: int) -> None:
        """Cordon, and evict what the disruption budgets let go, as `kubectl drain` and managed groups do."""
        try:
            self._cluster.kubectl(
                "drain", self.name, "--ignore-daemonsets", "--delete-emptydir-data", "--force", f"--timeout={seconds}s"
            )
        except LabError as error:
            if "timeout" not in str(error):
                raise  # that the budget holds some back is what budgets are for

    def condition(self, kind: str, reason: str, message: str, since: float | None = None) -> None:
        """Set a condition to True, as the node-problem-detector does. `since` as of `event`."""
        now = _stamp(time.time() if since is None else since)
        told = {"type": kind, "status": "True", "reason": reason, "message": message}
        told |= {"lastTransitionTime": now, "lastHeartbeatTime": now}
        self._cluster.api.patch(f"{self._path}/status", {"status": {"conditions": [told]}}, "strategic")

    def finalize(self, *, on: bool) -> None:
        """Have the Node wait for Karpenter when it is deleted, or not any more."""
        finalizers = [FINALIZER] if on else None
        self._cluster.api.patch(self._path, {"metadata": {"finalizers": finalizers}})

    def delete(self) -> None:
        """Delete the Node object, as the cloud's controller does once the machine is gone; one that is gone is fine."""
        if self.object() is not None:
            self._cluster.delete_node(self.name)

    def _change_taints(self, change: Any, key: str) -> None:
        for _ in range(ATTEMPTS):
            found = self.object()
            assert found is not None, f"node {self.name} is gone"
            rest = [taint for taint in found["spec"].get("taints", []) if taint["key"] != key]
            metadata = {"resourceVersion": found["metadata"]["resourceVersion"]}
            try:
                self._cluster.api.patch(self._path, {"metadata": metadata, "spec": {"taints": change(rest)}})
            except RefusedError as refusal:
                if refusal.status != CONFLICT:
                    raise
            else:
                return
        raise AssertionError(f"node {self.name} changes all the time")

    # --- events

    def event(
        self,
        reason: str,
        component: str,
        message: str = "",
        *,
        kind: str = "Node",
        said: float | None = None,
        normal: bool = False,
    ) -> str:
        """Tell an event about the node or its NodeClaim and return its name. `said`: when, by the wall clock."""
        about = self.object() if kind == "Node" else self.claim()
        moment = _stamp(time.time() if said is None else said)
        name = f"{self.name}.{time.time_ns():x}"
        body = {
            "metadata": {"name": name, "namespace": "default"},
            "involvedObject": {
                "kind": kind,
                "name": about["metadata"]["name"] if about is not None else self.name,
                "uid": about["metadata"]["uid"] if about is not None else self.name,
            },
            "reason": reason,
            "message": message or reason,
            "type": "Normal" if normal else "Warning",
            "source": {"component": component},
            "firstTimestamp": moment,
            "lastTimestamp": moment,
            "count": 1,
        }
        self._cluster.api.create("/api/v1/namespaces/default/events", body)
        return name

    def repeat(self, event: str, count: int) -> None:
        """Tell an event again, as client-go does: the same object, counted on."""
        told = {"count": count, "lastTimestamp": _stamp(time.time())}
        self._cluster.api.patch(f"/api/v1/namespaces/default/events/{event}", told)

    # --- Karpenter's NodeClaim

    @property
    def claim_name(self) -> str:
        return f"default-{self.name}"

    def claim(self) -> dict[str, Any] | None:
        return objects.get(self._cluster, f"{CLAIMS}/{self.claim_name}")

    def make_claim(self) -> None:
        """Have a NodeClaim behind the node, as if Karpenter had launched it."""
        found = self.object()
        assert found is not None
        body = {
            "apiVersion": "karpenter.sh/v1",
            "kind": "NodeClaim",
            "metadata": {"name": self.claim_name, "finalizers": [FINALIZER]},
            "spec": {},
        }
        self._cluster.api.create(CLAIMS, body)
        status = {"nodeName": self.name, "providerID": found["spec"].get("providerID", ""), "conditions": []}
        self._cluster.api.patch(f"{CLAIMS}/{self.claim_name}/status", {"status": status})
        self.finalize(on=True)

    def claim_condition(self, kind: str, reason: str) -> None:
        told = {"type": kind, "status": "True", "reason": reason, "message": reason}
        told["lastTransitionTime"] = _stamp(time.time())
        self._cluster.api.patch(f"{CLAIMS}/{self.claim_name}/status", {"status": {"conditions": [told]}})

    def delete_claim(self) -> None:
        """Have Karpenter end the node: NodeClaim and Node are being deleted, and stay until `release`."""
        self._cluster.api.delete(f"{CLAIMS}/{self.claim_name}")
        self.delete()

    def release(self) -> None:
        """Let go of NodeClaim and Node, as Karpenter does when the machine is gone."""
        nothing: Mapping[str, object] = {"metadata": {"finalizers": None}}
        self._cluster.api.patch(f"{CLAIMS}/{self.claim_name}", nothing)
        self._cluster.api.patch(self._path, nothing)


def _stamp(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def install_claims(cluster: Cluster) -> None:
    """Have the API server know NodeClaims; before Sentinel starts, which asks for what is missing rarely."""
    cluster.kubectl("apply", "-f", "-", stdin=json.dumps(CLAIM_DEFINITION))
    cluster.kubectl("wait", "--for=condition=Established", "--timeout=30s", "crd/nodeclaims.karpenter.sh")
