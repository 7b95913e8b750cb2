"""Experiments on the real cluster: how they are configured here, and what the API server says was really done."""

from __future__ import annotations

import re
import time
from datetime import datetime

from tests.kubernetes.deploy.kafka import Kafka
from tests.kubernetes.deploy.sentinel import Sentinel
from tests.kubernetes.deploy.waiting import wait_for
from tests.kubernetes.lab.cluster import Cluster

# Guards of settings that suit a test of minutes. What they ask for still has to hold.
QUICK = {"warm_up": "2s", "min_gap": "1s", "steady": "3s", "min_pod_age": "1s", "dry_run": False}
GUARD_SECONDS = 60.0


def armed(kafka: Kafka, *items: dict, **more: object) -> dict:
    """Return the `experiments` section that breaks this Kafka, and no other."""
    return {"armed_for": kafka.cluster_id, **QUICK, "items": list(items), **more}


def experiment(name: str, fault: str, target: str = "leader:0", every: str | None = None, **more: object) -> dict:
    """Return one experiment. Without `every` it comes on a leap day: it is run by an order."""
    when = {"schedule": "0 0 29 2 *"} if every is None else {"every": every}
    return {"name": name, "fault": fault, "target": target, **when, "grace": "20s", **more}


def writes(cluster: Cluster, sentinel: Sentinel, *verbs: str, resource: str = "pods") -> list[dict]:
    """Return what Sentinel wrote to pods (or nodes) and the API server took, oldest first."""
    return [
        entry
        for entry in cluster.audit(sentinel.namespace)
        if wall(entry["requestReceivedTimestamp"]) >= sentinel.made
        and entry["verb"] in verbs
        and entry["objectRef"]["resource"] == resource
        and entry["responseStatus"]["code"] < 300
    ]


def wall(stamp: str) -> float:
    """Return a time as Kubernetes writes it, in seconds."""
    return datetime.fromisoformat(stamp).timestamp()


def deletions(cluster: Cluster, sentinel: Sentinel) -> list[dict]:
    """Return the deletions and evictions of pods that Sentinel was granted."""
    evictions = [each for each in writes(cluster, sentinel, "create") if each["objectRef"].get("subresource")]
    return [*writes(cluster, sentinel, "delete"), *evictions]


def bound_uid(entry: dict) -> str:
    """Return the uid that a deletion or an eviction was bound to."""
    body = entry["requestObject"]
    options = body.get("deleteOptions", body)
    return options["preconditions"]["uid"]


def item(sentinel: Sentinel, name: str) -> dict:
    found = [each for each in sentinel.experiments().get("items", []) if each["name"] == name]
    assert found, f"the daemon does not know {name}"
    return found[0]


def allowed(sentinel: Sentinel, name: str, *but: str, seconds: float = GUARD_SECONDS) -> None:
    """Wait until every guard allows the experiment; `but` those of the schedule, until it is due."""
    expected = {"schedule", *but}

    def others() -> dict[str, str]:
        return {guard: reason for guard, reason in denials(sentinel, name).items() if guard not in expected}

    wait_for(lambda: not others(), f"the guards to allow {name}", seconds, others)


def denials(sentinel: Sentinel, name: str) -> dict[str, str]:
    """Return the guards that deny the experiment now, each with its reason."""
    for each in sentinel.experiments().get("items", []):
        if each["name"] == name and "guards" in each:
            return {guard["guard"]: guard["reason"] for guard in each["guards"] if not guard["allowed"]}
    return {"not judged yet": ""}


def denying(status: dict, name: str) -> set[str]:
    """Return the guards that deny the experiment now, as the daemon explains."""
    for each in status["experiments"]["items"]:
        if each["name"] == name and "guards" in each:
            return {guard["guard"] for guard in each["guards"] if not guard["allowed"]}
    return {"not judged yet"}


def closed(sentinel: Sentinel, cause: str, seconds: float) -> dict:
    """Wait for all incidents to be closed, the newest of that cause, and return it."""
    incident = settled(sentinel, seconds)
    assert incident["cause"] == cause, incident
    return incident


def settled(sentinel: Sentinel, seconds: float) -> dict:
    """Wait until all incidents are closed, and return the newest."""

    def over(status: dict) -> bool:
        return bool(status["incidents"]) and all(each["verdict"] for each in status["incidents"])

    return sentinel.wait_for(over, "the incidents to close", seconds)["incidents"][0]


def passed(sentinel: Sentinel, name: str, seconds: float) -> dict:
    """Wait until a run of that experiment is over and has passed, lost nothing, and return its incident."""

    def its(status: dict) -> list[dict]:
        runs = [each for each in status["incidents"] if (each["experiment_run"] or "").startswith(f"{name}-")]
        return [each for each in runs if each["verdict"]]

    (incident,) = its(sentinel.wait_for(its, f"the incident of {name} to close", seconds))
    found = (incident["cause"], incident["verdict"], incident["lost"])
    assert found == ("experiment", "passed", 0), incident
    sentinel.wait_for(lambda _: item(sentinel, name)["last_result"] == "passed", f"{name} to be done", 30)
    return incident


def order(sentinel: Sentinel, kind: str, subject: str = "") -> float:
    """Annotate the state as a person may, and do not wait. Returns when (wall clock)."""
    given = time.time()
    stamp = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(given))
    parts = [stamp, "by-hand", subject] if subject else [stamp, "by-hand"]
    annotate(sentinel, f"kafka-sentinel.io/{kind}={'/'.join(parts)}")
    return given


def annotate(sentinel: Sentinel, annotation: str) -> None:
    """Do as `kubectl annotate`: `KEY=VALUE` puts it there, `KEY-` takes it off."""
    name = f"{sentinel.config['name']}-state"
    sentinel.cluster.kubectl("annotate", "--overwrite", "configmap", name, annotation, "-n", sentinel.namespace)


def answered(sentinel: Sentinel, kind: str, since: float, seconds: float) -> str:
    """Wait until the last word is said on an order of that kind that was given after `since`, and return it."""

    def found(status: dict) -> list[dict]:
        orders = status["experiments"]["orders"]
        return [each for each in orders if each["kind"] == kind and each["given"] >= since and each["done"]]

    return found(sentinel.wait_for(found, f"the order {kind} to be answered", seconds))[0]["answer"]


def marks(cluster: Cluster, node: str) -> list[str]:
    """Return everything of ours that a node bears."""
    found = cluster.api.get(f"/api/v1/nodes/{node}")
    keys = [taint["key"] for taint in found["spec"].get("taints", [])]
    keys += [*found["metadata"]["labels"], *found["metadata"].get("annotations", {})]
    return [key for key in keys if key.startswith("kafka-sentinel.io/")]


def of_node(raw: dict) -> dict:
    """Return what a person can put on a node."""
    metadata, spec = raw["metadata"], raw["spec"]
    parts = {"labels": metadata["labels"], "annotations": metadata["annotations"]}
    return {**parts, "taints": spec.get("taints", []), "closed": spec.get("unschedulable", False)}


def refused(sentinel: Sentinel, name: str, guard: str, seconds: float) -> None:
    """Wait until that guard denies, order a run, and see it skipped and a denying guard named."""
    status = sentinel.wait_for(lambda status: guard in denying(status, name), f"guard {guard} to deny", seconds)
    done = sentinel.exec("kafka-sentinel", "run-now", name)
    assert done.returncode == 1, done.stdout + done.stderr
    said = re.search(r"it did not run: (\w+): ", done.stdout)
    assert said is not None, done.stdout
    assert said[1] in denying(status, name) - {"schedule"}, done.stdout
