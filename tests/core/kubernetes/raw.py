"""Raw API objects for tests, as the API server writes them, and watches that deliver them."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import cache
from pathlib import Path

import yaml

from kafka_sentinel.core.events import ObjectChanged, ObjectDeleted, ObjectsListed
from kafka_sentinel.core.kubernetes.inventory import Inventory
from kafka_sentinel.core.kubernetes.objects import Kind, parse
from kafka_sentinel.core.types import Instant

EPOCH = 1_790_000_000.0  # wall-clock seconds at which the tests begin
FIXTURES = Path(__file__).parent / "fixtures"
KINDS = {
    "Node": Kind.NODE,
    "Pod": Kind.POD,
    "PersistentVolumeClaim": Kind.CLAIM,
    "PersistentVolume": Kind.VOLUME,
    "PodDisruptionBudget": Kind.BUDGET,
    "Event": Kind.EVENT,
    "Kafka": Kind.KAFKA,
    "NodeClaim": Kind.NODE_CLAIM,
    "StatefulSet": Kind.STATEFUL_SET,
    "StrimziPodSet": Kind.POD_SET,
}


def at(seconds):
    """Return the instant `seconds` after the tests begin."""
    return Instant(1_000.0 + seconds, EPOCH + seconds)


def stamp(seconds):
    """Return the same as RFC 3339, whole seconds."""
    return datetime.fromtimestamp(EPOCH + seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def meta(name, namespace=None, *, uid=None, labels=(), annotations=(), created=-86_400, deleted=None, grace=30, **more):
    found = {
        "name": name,
        "uid": uid or f"uid-{name}",
        "resourceVersion": "1",
        "creationTimestamp": stamp(created),
        "labels": dict(labels),
        "annotations": dict(annotations),
        **more,
    }
    if namespace is not None:
        found["namespace"] = namespace
    if deleted is not None:
        found |= {"deletionTimestamp": stamp(deleted + grace), "deletionGracePeriodSeconds": grace}
    return found


def condition(kind, status="True", reason="", message="", since=-3_600):
    since = stamp(since)
    return {"type": kind, "status": status, "reason": reason, "message": message, "lastTransitionTime": since}


def node(name="n1", *, ready="True", since=-3_600, taints=(), conditions=(), cordoned=False, boot="boot-1", **more):
    taints = list(taints)
    if cordoned:
        taints.append({"key": "node.kubernetes.io/unschedulable", "effect": "NoSchedule"})
    reason = {"True": "KubeletReady", "False": "KubeletNotReady", "Unknown": "NodeStatusUnknown"}[ready]
    return {
        "metadata": meta(name, **more),
        "spec": {"providerID": f"aws:///eu-west-1a/i-{name}", "unschedulable": cordoned, "taints": taints},
        "status": {
            "conditions": [*conditions, condition("Ready", ready, reason, since=since)],
            "nodeInfo": {"bootID": boot},
        },
    }


def pod(
    name="kafka-0", namespace="kafka", *, on="n1", ready=True, conditions=(), containers=None, phase="Running", **more
):
    status = {
        "phase": phase,
        "conditions": [*conditions, condition("Ready", "True" if ready else "False")],
        "containerStatuses": [container()] if containers is None else list(containers),
        **more.pop("status", {}),
    }
    spec = {"nodeName": on, "volumes": more.pop("volumes", []), "containers": more.pop("spec_containers", [])}
    return {"metadata": meta(name, namespace, **more), "spec": spec, "status": status}


def container(name="kafka", *, restarts=0, ended=None, last=None, waiting=None):
    state = {"running": {"startedAt": stamp(-3_600)}}
    if ended is not None:
        state = {"terminated": ended}
    elif waiting is not None:
        state = {"waiting": {"reason": waiting}}
    last_state = {} if last is None else {"terminated": last}
    ready = ended is None and waiting is None
    return {"name": name, "ready": ready, "restartCount": restarts, "state": state, "lastState": last_state}


def ended(code, reason="Error", finished=0):
    return {"exitCode": code, "reason": reason, "finishedAt": stamp(finished)}


def event(
    reason, about="n1", *, kind="Node", namespace="default", component="", message="", first=0, last=None, **more
):
    uid = more.pop("about_uid", about)
    return {
        "metadata": meta(more.pop("name", f"{about}.{reason}.{first}"), namespace, created=first),
        "involvedObject": {"kind": kind, "name": about, "uid": uid, "namespace": more.pop("about_namespace", "")},
        "reason": reason,
        "message": message,
        "source": {"component": component},
        "firstTimestamp": stamp(first),
        "lastTimestamp": stamp(first if last is None else last),
        "count": 1,
        **more,
    }


def node_claim(name="default-x7k2p", *, on="n1", conditions=(), **more):
    return {
        "metadata": meta(name, **more),
        "status": {"nodeName": on, "providerID": f"aws:///eu-west-1a/i-{on}", "conditions": list(conditions)},
    }


def load(fixture):
    """Return the objects of a fixture as (kind, raw)."""
    return [(KINDS[raw["kind"]], raw) for raw in _read(fixture)]


@cache
def _read(fixture):
    return tuple(yaml.safe_load_all((FIXTURES / fixture).read_text()))


class Watches:
    """Watches that feed an inventory: everything is listed first, then told as it changes."""

    def __init__(self, *objects):
        self.inventory = Inventory()
        for kind in Kind:
            views = tuple(parse(one, raw) for one, raw in objects if one is kind)
            self.inventory.take(ObjectsListed(at(-60), kind, views))

    def put(self, seconds, kind, raw):
        return self.inventory.take(ObjectChanged(at(seconds), kind, parse(kind, raw)))

    def drop(self, seconds, kind, raw):
        return self.inventory.take(ObjectDeleted(at(seconds), kind, parse(kind, raw)))
