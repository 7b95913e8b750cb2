"""A small Kubernetes: objects that are listed and watched, come and go; some of them nobody may see."""

from __future__ import annotations

import copy
import json
import queue
import threading
from typing import Any

from tests.core.kubernetes.raw import node
from tests.core.kubernetes_world import SPOT, broker
from tests.kube_api.server import Answer, Asked, Handler, bookmark, event, page, refuse, say
from tests.kube_api.store import Store

from kafka_sentinel.core.kubernetes.objects import Kind

PATHS = {
    Kind.NODE: "/api/v1/nodes",
    Kind.VOLUME: "/api/v1/persistentvolumes",
    Kind.POD: "/api/v1/namespaces/kafka/pods",
    Kind.CLAIM: "/api/v1/namespaces/kafka/persistentvolumeclaims",
    Kind.EVENT: "/api/v1/namespaces/kafka/events",
    Kind.BUDGET: "/apis/policy/v1/namespaces/kafka/poddisruptionbudgets",
    Kind.STATEFUL_SET: "/apis/apps/v1/namespaces/kafka/statefulsets",
    Kind.KAFKA: "/apis/kafka.strimzi.io/v1/namespaces/kafka/kafkas",
    Kind.POD_SET: "/apis/core.strimzi.io/v1/namespaces/kafka/strimzipodsets",
    Kind.NODE_CLAIM: "/apis/karpenter.sh/v1/nodeclaims",
}
REVIEWS = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
GROUPS = ("kafka.strimzi.io", "core.strimzi.io", "karpenter.sh")
BEAT = 0.2  # seconds between two bookmarks


class Cluster(Store):
    """`script.world = cluster`. `forbidden`: kinds that may not be seen; `silent`: those whose watches say nothing.

    Other objects are those of a `Store`.
    """

    def __init__(
        self, *objects: tuple[Kind, dict[str, Any]], forbidden: tuple[Kind, ...] = (), beat: float = BEAT
    ) -> None:
        super().__init__()
        self.forbidden = forbidden
        self._beat = beat
        self.silent: tuple[Kind, ...] = ()
        self.denied: set[tuple[str, str]] = set()  # resource and verb that a review denies besides
        self._lock = threading.Lock()
        self._watchers: dict[str, list[queue.SimpleQueue[dict[str, Any]]]] = {}
        self._there: dict[tuple[Kind, str], dict[str, Any]] = {}
        for kind, raw in objects:
            self.change(kind, raw)

    # --- what happens

    def change(self, kind: Kind, raw: dict[str, Any]) -> None:
        key = (kind, raw["metadata"]["name"])
        with self._lock:
            self._tell(kind, "MODIFIED" if key in self._there else "ADDED", raw)
            self._there[key] = raw

    def drop(self, kind: Kind, name: str) -> None:
        with self._lock:
            self._tell(kind, "DELETED", self._there.pop((kind, name)))

    def get(self, kind: Kind, name: str) -> dict[str, Any]:
        return copy.deepcopy(self._there[kind, name])

    def _tell(self, kind: Kind, what: str, raw: dict[str, Any]) -> None:
        self.version += 1
        raw["metadata"]["resourceVersion"] = str(self.version)
        for watcher in self._watchers.get(PATHS[kind], ()):
            watcher.put(event(what, copy.deepcopy(raw)))

    # --- what is asked

    def __call__(self, asked: Asked) -> Answer | None:
        if asked.path == REVIEWS:
            return self._review(asked)
        if asked.path.removeprefix("/apis/") in GROUPS:
            return say({"versions": [{"version": "v1"}]})
        kind = next((kind for kind, path in PATHS.items() if path == asked.path), None)
        if kind in self.forbidden:
            return refuse(403, "Forbidden", "no")
        listed = kind is not None or asked.path.endswith("/events")
        if not listed or asked.method != "GET":
            return super().__call__(asked)
        return self._watch(asked.path) if asked.watch else self._list(kind, asked)

    def _list(self, kind: Kind | None, asked: Asked) -> Answer:
        """Answer with a page. (Between two pages of a list nothing is changed by the tests.)"""
        start, limit = int(asked.query.get("continue", 0)), int(asked.query.get("limit", 0))
        with self._lock:
            found = [raw for (one, _), raw in self._there.items() if one is kind]
            end = start + limit if limit and start + limit < len(found) else len(found)
            listed = page(*found[start:end], version=self.version, more=str(end) if end < len(found) else "")
            return say(json.dumps(listed).encode())

    def _review(self, asked: Asked) -> Answer:
        wanted = asked.body["spec"]["resourceAttributes"]
        denied = any(PATHS[kind].endswith(f"/{wanted['resource']}") for kind in self.forbidden)
        denied |= (wanted["resource"], wanted["verb"]) in self.denied
        return say({"status": {"allowed": not denied}}, 201)

    def _watch(self, path: str) -> Answer:
        """Tell what changes from now on. (Between a list and its watch nothing is changed by the tests.)"""
        told: queue.SimpleQueue[dict[str, Any]] = queue.SimpleQueue()
        with self._lock:
            self._watchers.setdefault(path, []).append(told)

        def answer(handler: Handler, _asked: Asked) -> None:
            handler.begin_chunks()
            while not handler.server.script.ended.is_set():
                try:
                    step = told.get(timeout=self._beat)
                except queue.Empty:
                    if any(PATHS[kind] == path for kind in self.silent):
                        continue
                    step = bookmark(self.version)
                handler.chunk(json.dumps(step).encode() + b"\n")

        return answer


def strimzi() -> list[tuple[Kind, dict[str, Any]]]:
    """Three brokers that are controllers too, on three spot nodes."""
    nodes = [(Kind.NODE, node(f"n{number}", labels=SPOT)) for number in (1, 2, 3)]
    return [*nodes, *((Kind.POD, broker(number, f"n{number}")) for number in (1, 2, 3))]
