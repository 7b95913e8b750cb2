"""The notice of a reclaim that is rehearsed: our own taint and label on a node, and the autoscalers kept off it.

Only what bears our key and names this Sentinel is ever taken off again, and only from the same life of the node. A
cordon, or a taint of anybody else, is never touched. Which of the autoscalers' annotations we added is remembered in
one of our own, so that those that were there before stay.
"""

from __future__ import annotations

import json
from hashlib import blake2b
from typing import Any

from kafka_sentinel.adapters.kubernetes.api import Api, Json
from kafka_sentinel.adapters.kubernetes.edit import edit
from kafka_sentinel.adapters.kubernetes.errors import ChangedError
from kafka_sentinel.adapters.kubernetes.resources import NODES
from kafka_sentinel.core.kubernetes.kept import RECLAIM
from kafka_sentinel.core.types import NodeRef

EFFECT = "NoSchedule"  # keeps new pods off, and ends none
KEEP_OFF = {
    "cluster-autoscaler.kubernetes.io/scale-down-disabled": "true",
    "karpenter.sh/do-not-disrupt": "true",
}
MAX_VALUE = 63  # characters of a taint's or label's value
PAGE = {"labelSelector": RECLAIM, "limit": "500"}  # nodes; at most one of them bears our mark


class NodeMarks:
    """`owner`: names this Sentinel among all that use this Kubernetes cluster, the same in every life of it."""

    def __init__(self, api: Api, owner: str) -> None:
        self._api = api
        self._prefix = f"{blake2b(owner.encode(), digest_size=6).hexdigest()}."

    def value(self, run: str) -> str:
        """Return the value of taint and label that names this Sentinel and a run. That of a value is itself."""
        if run.startswith(self._prefix):
            return run
        return self._prefix + run[-(MAX_VALUE - len(self._prefix)) :]

    def put(self, node: NodeRef, run: str) -> None:
        """Mark a node. May be repeated. Raises ChangedError if it cannot be had, and ApiError."""
        value = self.value(run)
        if not edit(self._api, NODES, node.name, node.uid, lambda raw: _marked(raw, value, run)):
            raise ChangedError(f"node {node.name} is gone, or is another machine of that name by now")

    def check(self, node: NodeRef, run: str) -> None:
        """Raise ChangedError unless the mark is still on the node, and ApiError."""
        raw = self._api.get(NODES, node.name)
        if (raw.get("metadata") or {}).get("uid") != node.uid:
            raise ChangedError(f"node {node.name} is another machine of that name by now")
        if _foreign(raw, self.value(run)) or not _taints(raw, self.value(run)):
            raise ChangedError(f"somebody took the notice off node {node.name}")

    def remove(self, node: NodeRef, run: str) -> None:
        """Take the mark off, if it is there. May be repeated. Raises ApiError."""
        value = self.value(run)
        edit(self._api, NODES, node.name, node.uid, lambda raw: _unmarked(raw, value))

    def found(self) -> list[tuple[NodeRef, str]]:
        """Return the nodes that bear a mark of this Sentinel, each with its value. Raises ApiError."""
        answer = self._api.list_page(NODES, PAGE)
        metas = [item.get("metadata") or {} for item in answer.get("items") or ()]
        marked = [(meta, str((meta.get("labels") or {}).get(RECLAIM, ""))) for meta in metas]
        return [
            (NodeRef(str(meta["name"]), str(meta["uid"])), value)
            for meta, value in marked
            if value.startswith(self._prefix)
        ]


def _marked(raw: Json, value: str, run: str) -> Json:
    other = _foreign(raw, value)
    if other:
        raise ChangedError(f"node {raw['metadata']['name']} is under another rehearsed reclaim, {other}")
    meta, spec = raw["metadata"], raw.get("spec") or {}
    annotations = meta.get("annotations") or {}
    added = _added(annotations, value) or [key for key in KEEP_OFF if key not in annotations]
    ours = {RECLAIM: json.dumps({"mark": value, "run": run, "added": added}, separators=(",", ":"))}
    taint = {"key": RECLAIM, "value": value, "effect": EFFECT}
    taints = spec.get("taints") or []
    return {
        **raw,
        "metadata": {
            **meta,
            "labels": {**(meta.get("labels") or {}), RECLAIM: value},
            "annotations": {**annotations, **{key: KEEP_OFF[key] for key in added}, **ours},
        },
        "spec": {**spec, "taints": taints if _taints(raw, value) else [*taints, taint]},
    }


def _unmarked(raw: Json, value: str) -> Json:
    meta, spec = raw["metadata"], raw.get("spec") or {}
    annotations, labels = meta.get("annotations") or {}, meta.get("labels") or {}
    added = _added(annotations, value)
    gone = {key for key in added if annotations.get(key) == KEEP_OFF.get(key)}
    if _memo(annotations).get("mark") == value:
        gone.add(RECLAIM)
    rest = {key: text for key, text in annotations.items() if key not in gone}
    taints = [one for one in spec.get("taints") or () if one not in _taints(raw, value)]
    return {
        **raw,
        "metadata": {
            **meta,
            **_part(meta, "annotations", rest),
            **_part(meta, "labels", {k: v for k, v in labels.items() if (k, v) != (RECLAIM, value)}),
        },
        "spec": {**spec, **_part(spec, "taints", taints)},
    }


def _part(before: Json, key: str, after: object) -> Json:
    """Return what to write of a part: nothing where there was none."""
    return {key: after} if key in before else {}


def _taints(raw: Json, value: str) -> list[Json]:
    taints = (raw.get("spec") or {}).get("taints") or ()
    return [one for one in taints if (one.get("key"), one.get("value")) == (RECLAIM, value)]


def _foreign(raw: Json, value: str) -> str:
    """Return the value of another mark than that on a node, "" if there is none."""
    taints = (raw.get("spec") or {}).get("taints") or ()
    values = [one.get("value") for one in taints if one.get("key") == RECLAIM]
    values.append(((raw.get("metadata") or {}).get("labels") or {}).get(RECLAIM, value))
    return next((str(one) for one in values if one != value), "")


def _added(annotations: Json, value: str) -> list[str]:
    """Return which annotations we added with the mark of that value."""
    memo = _memo(annotations)
    added = memo.get("added") if memo.get("mark") == value else None
    return [str(key) for key in added if key in KEEP_OFF] if isinstance(added, list) else []


def _memo(annotations: Json) -> dict[str, Any]:
    try:
        memo = json.loads(annotations.get(RECLAIM, ""))
    except ValueError:
        return {}
    return memo if isinstance(memo, dict) else {}
