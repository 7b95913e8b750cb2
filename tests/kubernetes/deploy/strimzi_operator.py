"""Stands in for Strimzi's cluster operator, in a pod of its own: as long as it lives, and only then, pods come back.

Runs on the standard library alone, under its own service account. It does what Strimzi's does, as far as it shows
outside: it keeps the pods of each StrimziPodSet (a failed, finished or missing one is made anew; no other pod is
touched), rolls a pod that is annotated for it and says so in an Event, and reports on the Kafka resource.
"""

from __future__ import annotations

import datetime as dt
import http.client
import json
import os
import ssl
import time
from pathlib import Path

ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
NAMESPACE = os.environ["STRIMZI_NAMESPACE"]
API = os.environ["STRIMZI_API"]  # v1 or v1beta2
CLUSTER_ID = os.environ["KAFKA_CLUSTER_ID"]
KAFKA_VERSION = os.environ["KAFKA_VERSION"]
INTERVAL = 0.5  # seconds between two looks
TIMEOUT = 10.0

SETS = f"/apis/core.strimzi.io/{API}/namespaces/{NAMESPACE}/strimzipodsets"
KAFKAS = f"/apis/kafka.strimzi.io/{API}/namespaces/{NAMESPACE}/kafkas"
PODS = f"/api/v1/namespaces/{NAMESPACE}/pods"
EVENTS = f"/apis/events.k8s.io/v1/namespaces/{NAMESPACE}/events"
PAUSE = "strimzi.io/pause-reconciliation"
ROLL = "strimzi.io/manual-rolling-update"
ERRORS = 400
CONFLICTS = (404, 409)  # somebody was faster: the next look will show


class Server:
    """The API server, over one connection that is made again when it breaks."""

    def __init__(self) -> None:
        self._context = ssl.create_default_context(cafile=str(ACCOUNT / "ca.crt"))
        self._connection: http.client.HTTPSConnection | None = None

    def call(self, method: str, path: str, body: object = None, kind: str = "application/json") -> dict:
        """Return the answer. Raises RefusedError, or OSError if there is none."""
        headers = {"Authorization": f"Bearer {(ACCOUNT / 'token').read_text()}", "Content-Type": kind}
        if self._connection is None:
            host, port = os.environ["KUBERNETES_SERVICE_HOST"], int(os.environ["KUBERNETES_SERVICE_PORT"])
            self._connection = http.client.HTTPSConnection(host, port, timeout=TIMEOUT, context=self._context)
        try:
            self._connection.request(method, path, None if body is None else json.dumps(body), headers)
            answer = self._connection.getresponse()
            content = json.loads(answer.read())
        except (OSError, ValueError, http.client.HTTPException) as error:
            self._connection.close()
            self._connection = None
            raise OSError(f"{method} {path}: {error}") from error
        if answer.status >= ERRORS:
            raise RefusedError(answer.status, f"{method} {path}: {answer.status} {content.get('message', '')}")
        return content


class RefusedError(OSError):
    """The server answered with an error."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status


SERVER = Server()


def items(path: str) -> list[dict]:
    return SERVER.call("GET", path)["items"]


def attempt(method: str, path: str, body: object = None, kind: str = "application/json") -> None:
    """Write something unless somebody else got there first."""
    try:
        SERVER.call(method, path, body, kind)
    except RefusedError as error:
        if error.status not in CONFLICTS:
            raise


def reconcile() -> None:
    pods = {pod["metadata"]["name"]: pod for pod in items(PODS)}
    sets, kafkas = items(SETS), items(KAFKAS)
    for each in sets:
        if not paused(each):
            keep_pods(each, pods)
            report_set(each, pods)
    for kafka in kafkas:
        if not paused(kafka):
            roll(kafka, sets, pods)
        report_kafka(kafka, sets, pods)


def paused(thing: dict) -> bool:
    return thing["metadata"].get("annotations", {}).get(PAUSE) == "true"


def keep_pods(each: dict, pods: dict[str, dict]) -> None:
    for wanted in each["spec"]["pods"]:
        name = wanted["metadata"]["name"]
        pod = pods.get(name)
        if pod is None:
            say(f"creating pod {name}")
            attempt("POST", PODS, {**wanted, "metadata": {**wanted["metadata"], "ownerReferences": [owner(each)]}})
        elif pod["status"].get("phase") in {"Failed", "Succeeded"} and not leaving(pod):
            say(f"pod {name} has ended ({pod['status']['phase']}): deleting it")
            delete(pod)


def owner(each: dict) -> dict:
    meta = each["metadata"]
    return {
        "apiVersion": each["apiVersion"],
        "kind": each["kind"],
        "name": meta["name"],
        "uid": meta["uid"],
        "controller": True,
        "blockOwnerDeletion": False,
    }


def delete(pod: dict) -> None:
    body = {"kind": "DeleteOptions", "apiVersion": "v1", "preconditions": {"uid": pod["metadata"]["uid"]}}
    attempt("DELETE", f"{PODS}/{pod['metadata']['name']}", body)


def leaving(pod: dict) -> bool:
    return "deletionTimestamp" in pod["metadata"]


def ready(pod: dict | None) -> bool:
    conditions = [] if pod is None or leaving(pod) else pod["status"].get("conditions", [])
    return any(one["type"] == "Ready" and one["status"] == "True" for one in conditions)


def names(sets: list[dict], kafka: dict) -> list[str]:
    ours = (each for each in sets if each["metadata"]["labels"]["strimzi.io/cluster"] == kafka["metadata"]["name"])
    return [pod["metadata"]["name"] for each in ours for pod in each["spec"]["pods"]]


def roll(kafka: dict, sets: list[dict], pods: dict[str, dict]) -> None:
    """Roll one pod that was annotated, once all are ready: one after the other, as Strimzi does."""
    ours = names(sets, kafka)
    asked = [pods[name] for name in ours if name in pods and ROLL in pods[name]["metadata"].get("annotations", {})]
    if not asked or not all(ready(pods.get(name)) for name in ours):
        return
    pod = asked[0]
    say(f"rolling pod {pod['metadata']['name']}")
    publish(pod)
    delete(pod)  # the annotation goes with it: the new pod is made without


def publish(pod: dict) -> None:
    meta = pod["metadata"]
    now = dt.datetime.now(dt.UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    event = {
        "apiVersion": "events.k8s.io/v1",
        "kind": "Event",
        "metadata": {"generateName": "strimzi-event", "namespace": NAMESPACE},
        "type": "Normal",
        "action": "StrimziInitiatedPodRestart",
        "reason": "ManualRollingUpdate",
        "note": "Pod was manually annotated to be rolled",
        "eventTime": now,
        "reportingController": "strimzi.io/cluster-operator",
        "reportingInstance": os.environ["HOSTNAME"],
        "regarding": {
            "apiVersion": "v1",
            "kind": "Pod",
            "name": meta["name"],
            "namespace": NAMESPACE,
            "uid": meta["uid"],
        },
    }
    attempt("POST", EVENTS, event)


def report_set(each: dict, pods: dict[str, dict]) -> None:
    wanted = [pod["metadata"]["name"] for pod in each["spec"]["pods"]]
    there = [name for name in wanted if name in pods]
    status = {
        "observedGeneration": each["metadata"]["generation"],
        "pods": len(wanted),
        "currentPods": len(there),
        "readyPods": sum(ready(pods[name]) for name in there),
    }
    write_status(f"{SETS}/{each['metadata']['name']}", each, status)


def report_kafka(kafka: dict, sets: list[dict], pods: dict[str, dict]) -> None:
    """Say Ready once every pod has been: Strimzi looks only when it reconciles, so a lost pod does not unsay it."""
    meta, old = kafka["metadata"], kafka.get("status", {})
    if paused(kafka):
        condition = {"type": "ReconciliationPaused", "status": "True"}
    elif ready_before(old) or all(ready(pods.get(name)) for name in names(sets, kafka)):
        condition = {"type": "Ready", "status": "True"}
    else:
        condition = {"type": "NotReady", "status": "True", "reason": "Creating", "message": "Kafka is being created"}
    known = {one["type"]: one["lastTransitionTime"] for one in old.get("conditions", [])}
    moment = dt.datetime.now(dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    status = {
        "conditions": [{**condition, "lastTransitionTime": known.get(condition["type"], moment)}],
        "observedGeneration": meta["generation"],
        "clusterId": CLUSTER_ID,
        "kafkaVersion": KAFKA_VERSION,
    }
    write_status(f"{KAFKAS}/{meta['name']}", kafka, status)


def ready_before(status: dict) -> bool:
    return any(one["type"] in {"Ready", "ReconciliationPaused"} for one in status.get("conditions", []))


def write_status(path: str, thing: dict, status: dict) -> None:
    if thing.get("status") != status:
        body = [{"op": "add", "path": "/status", "value": status}]
        attempt("PATCH", f"{path}/status", body, "application/json-patch+json")


def say(text: str) -> None:
    print(f"{dt.datetime.now(dt.UTC):%H:%M:%S} {text}", flush=True)  # noqa: T201 - the log of its pod


def main() -> None:
    say(f"keeping the pods of namespace {NAMESPACE}")
    while True:
        try:
            reconcile()
        except OSError as error:  # the API server is away, or its answer is cut short
            say(f"cannot reconcile: {error}")
        time.sleep(INTERVAL)


if __name__ == "__main__":
    main()
