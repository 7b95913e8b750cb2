"""What experiments of one Sentinel have left in the cluster, looked for from outside, as before it is removed.

That is its mark on a node, and its question to Strimzi to restart a pod. Whatever else a fault does has nothing to
undo, or is undone by the daemon itself, without a right that could be taken away before.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial

from kafka_sentinel.adapters.kubernetes.api import Api, Json
from kafka_sentinel.adapters.kubernetes.errors import FORBIDDEN, ApiError
from kafka_sentinel.adapters.kubernetes.node_mark import NodeMarks
from kafka_sentinel.adapters.kubernetes.resources import PODS
from kafka_sentinel.adapters.kubernetes.rolling import OURS, STRIMZI, Rolls
from kafka_sentinel.core.types import PodRef

PAGE = {"labelSelector": STRIMZI, "limit": "500"}  # pods; no other is ever asked to restart


@dataclass(frozen=True, slots=True)
class Effect:
    """`words`: what is in effect, for people. `undo` may be repeated, and raises ApiError."""

    words: str
    undo: Callable[[], None]


class Effects:
    """`owner`: names this Sentinel, as for NodeMarks. `namespace`: of the Kafka cluster. `experiments`: their names."""

    def __init__(self, api: Api, *, owner: str, namespace: str, experiments: Iterable[str]) -> None:
        self._api = api
        self._marks = NodeMarks(api, owner)
        self._rolls = Rolls(api)
        self._namespace = namespace
        self._experiments = frozenset(experiments)

    def found(self) -> list[Effect]:
        """Return what is in effect. Raises ApiError.

        Where nodes may not be listed no run may begin that would mark one, so none is looked for.
        """
        return [*self._on_nodes(), *self._on_pods()]

    def _on_nodes(self) -> list[Effect]:
        try:
            marked = self._marks.found()
        except ApiError as error:
            if error.code in FORBIDDEN:
                return []
            raise
        return [
            Effect(f"node {node.name} is closed to new pods (mark {value})", partial(self._marks.remove, node, value))
            for node, value in marked
        ]

    def _on_pods(self) -> list[Effect]:
        items = self._api.list_page(PODS.within(self._namespace), PAGE).get("items") or ()
        return [self._asked(raw["metadata"], run) for raw in items if (run := self._run(raw))]

    def _run(self, raw: Json) -> str:
        """Return the run of ours that asked for a restart of this pod, "" if none did."""
        run = str((raw["metadata"].get("annotations") or {}).get(OURS, ""))
        return run if run.rpartition("-")[0] in self._experiments else ""

    def _asked(self, metadata: Json, run: str) -> Effect:
        pod = PodRef(self._namespace, str(metadata["name"]), str(metadata["uid"]))
        words = f"pod {pod.namespace}/{pod.name} is to be restarted (run {run})"
        return Effect(words, partial(self._rolls.take_back, [pod], run))
