"""Has brokers restarted one by one by whoever owns their pods: Strimzi's operator, or a StatefulSet.

Strimzi is asked by its annotation on the very pods that the guards judged, and goes on only while the partitions allow
it. Beside it stands one of ours, so that only what we asked for is taken back. A StatefulSet is asked as `kubectl
rollout restart` does it; that cannot be taken back, for it would be one more rolling update.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from kafka_sentinel.adapters.kubernetes.api import Api, Json
from kafka_sentinel.adapters.kubernetes.edit import edit
from kafka_sentinel.adapters.kubernetes.errors import ChangedError
from kafka_sentinel.adapters.kubernetes.resources import PODS, STATEFUL_SETS
from kafka_sentinel.core.kubernetes.kept import OUR_ANNOTATIONS
from kafka_sentinel.core.kubernetes.signals import MANUAL_ROLL
from kafka_sentinel.core.types import PodRef

OURS = f"{OUR_ANNOTATIONS}rolling-restart"  # annotation of a pod: the run that asked
STRIMZI = "strimzi.io/cluster"  # label of every pod that the operator makes
RESTARTED = "kubectl.kubernetes.io/restartedAt"


class Rolls:
    def __init__(self, api: Api) -> None:
        self._api = api

    def ask(self, pods: Sequence[PodRef], run: str, wall: float) -> None:
        """Ask for the restart of all `pods`. `wall`: seconds, now.

        Raises ChangedError where that cannot be, and ApiError; some may have been asked for all the same.
        """
        found = [self._api.get(PODS.within(pod.namespace), pod.name) for pod in pods]
        for pod, raw in zip(pods, found, strict=True):
            if raw["metadata"].get("uid") != pod.uid:
                raise _replaced(pod)
        by_strimzi = {STRIMZI in (raw["metadata"].get("labels") or {}) for raw in found}
        if by_strimzi == {True}:
            for pod in pods:
                if not edit(self._api, PODS.within(pod.namespace), pod.name, pod.uid, lambda raw: _asked(raw, run)):
                    raise _replaced(pod)
            return
        name, uid = _stateful_set(found)
        time = datetime.fromtimestamp(wall, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        sets = STATEFUL_SETS.within(pods[0].namespace)
        if not edit(self._api, sets, name, uid, lambda raw: _restarted(raw, time)):
            raise ChangedError(f"StatefulSet {name} is gone, or another one has its name by now")

    def take_back(self, pods: Sequence[PodRef], run: str) -> None:
        """Ask no longer for what was not begun. May be repeated. Raises ApiError."""
        for pod in pods:
            edit(self._api, PODS.within(pod.namespace), pod.name, pod.uid, lambda raw: _unasked(raw, run))


def _replaced(pod: PodRef) -> ChangedError:
    return ChangedError(f"pod {pod.namespace}/{pod.name} is another pod of that name by now, and was left alone")


def _asked(raw: Json, run: str) -> Json:
    annotations = raw["metadata"].get("annotations") or {}
    if annotations.get(OURS) == run:
        return raw
    if MANUAL_ROLL in annotations:
        raise ChangedError(f"pod {raw['metadata']['name']} is to be restarted already, and not for this run")
    return _with_annotations(raw, {**annotations, MANUAL_ROLL: "true", OURS: run})


def _unasked(raw: Json, run: str) -> Json:
    annotations = raw["metadata"].get("annotations") or {}
    if annotations.get(OURS) != run:
        return raw
    return _with_annotations(raw, {key: text for key, text in annotations.items() if key not in {OURS, MANUAL_ROLL}})


def _with_annotations(raw: Json, annotations: Json) -> Json:
    return {**raw, "metadata": {**raw["metadata"], "annotations": annotations}}


def _stateful_set(pods: Sequence[Json]) -> tuple[str, str]:
    """Return name and uid of the one StatefulSet that owns all these pods."""
    owners = set()
    for raw in pods:
        refs = [ref for ref in raw["metadata"].get("ownerReferences") or () if ref.get("kind") == "StatefulSet"]
        if not refs:
            raise ChangedError(f"pod {raw['metadata']['name']} is owned neither by Strimzi nor by a StatefulSet")
        owners.add((str(refs[0]["name"]), str(refs[0]["uid"])))
    if len(owners) > 1:
        names = ", ".join(sorted(name for name, _ in owners))
        raise ChangedError(f"the brokers are in several StatefulSets, which would restart side by side: {names}")
    return owners.pop()


def _restarted(raw: Json, time: str) -> Json:
    name, spec = raw["metadata"]["name"], raw.get("spec") or {}
    strategy = spec.get("updateStrategy") or {}
    rolling = strategy.get("rollingUpdate") or {}
    if strategy.get("type", "RollingUpdate") != "RollingUpdate" or rolling.get("partition"):
        raise ChangedError(f"StatefulSet {name} restarts no pod, or not all, by itself: see its updateStrategy")
    if rolling.get("maxUnavailable", 1) not in {1, "1"}:
        raise ChangedError(f"StatefulSet {name} restarts more than one pod at a time: see its updateStrategy")
    template = spec.get("template") or {}
    meta = template.get("metadata") or {}
    annotations = {**(meta.get("annotations") or {}), RESTARTED: time}
    return {**raw, "spec": {**spec, "template": {**template, "metadata": {**meta, "annotations": annotations}}}}
