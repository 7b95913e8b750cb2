"""Reading and writing objects of the lab's cluster."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterable

from tests.kubernetes.lab.access import RefusedError
from tests.kubernetes.lab.build import BIN
from tests.kubernetes.lab.cluster import Cluster

NOT_FOUND = 404
EXEC_SECONDS = 300.0


def apply(cluster: Cluster, objects: Iterable[dict]) -> None:
    """Create or change objects, by server-side apply: some of Strimzi's definitions are too large for the other way."""
    together = json.dumps({"apiVersion": "v1", "kind": "List", "items": list(objects)})
    cluster.kubectl("apply", "--server-side", "--force-conflicts", "--field-manager=tests", "-f", "-", stdin=together)


def get(cluster: Cluster, path: str) -> dict | None:
    """Return an object; None if it is not there."""
    try:
        return cluster.api.get(path)
    except RefusedError as refusal:
        if refusal.status == NOT_FOUND:
            return None
        raise


def pods_path(namespace: str) -> str:
    return f"/api/v1/namespaces/{namespace}/pods"


def is_ready(pod: dict | None) -> bool:
    """Tell whether a pod is there to stay and ready."""
    if pod is None or "deletionTimestamp" in pod["metadata"]:
        return False
    return has_condition(pod, "Ready")


def has_condition(thing: dict, kind: str) -> bool:
    conditions = thing.get("status", {}).get("conditions", [])
    return any(one["type"] == kind and one["status"] == "True" for one in conditions)


def kill_container(cluster: Cluster, pod: dict) -> None:
    """SIGKILL to the first process of a pod's only container, from outside: inside, nobody may kill it."""
    container = pod["status"]["containerStatuses"][0]["containerID"].rpartition("/")[2]
    node = pod["spec"]["nodeName"]
    cluster.exec_node(node, "ctr", "-n", "k8s.io", "task", "kill", "--signal", "SIGKILL", container)


def run_in_pod(cluster: Cluster, namespace: str, pod: str, *command: str) -> subprocess.CompletedProcess[str]:
    """Run a command in a pod's container, as a person would; whether it succeeded is the caller's to judge."""
    own = BIN / "kubectl"
    program = str(own) if own.exists() else shutil.which("kubectl") or "kubectl"
    arguments = [program, f"--kubeconfig={cluster.kubeconfig}", "exec", pod, "-n", namespace, "--", *command]
    return subprocess.run(arguments, capture_output=True, text=True, timeout=EXEC_SECONDS, check=False)
