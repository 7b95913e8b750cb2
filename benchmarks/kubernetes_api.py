"""A scripted API server with a small Strimzi cluster in it, for the benchmarks."""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Self

from tests.core.kubernetes.raw import node, pod
from tests.core.kubernetes_world import NOTICE, SPOT, broker
from tests.kube_api.cluster import Cluster
from tests.kube_api.server import Server

from kafka_sentinel.core.kubernetes.objects import Kind

BOOKMARKS_EVERY = 60.0  # seconds, as those of a real API server
CHANGES_EVERY = 10.0  # seconds
IMAGES = 50  # on each node: as many as a kubelet reports
SYSTEM = (  # what a node says of itself, all of which the official client demands
    "architecture",
    "containerRuntimeVersion",
    "kernelVersion",
    "kubeProxyVersion",
    "kubeletVersion",
    "machineID",
    "operatingSystem",
    "osImage",
    "systemUUID",
)
NODES, PODS = 6, 40  # besides those of Kafka


class ApiServer:
    """Nodes and pods, besides one of each for every broker. One after the other of those others changes."""

    def __init__(
        self, folder: Path, *, brokers: int = 3, nodes: int = NODES, pods: int = PODS, every: float = CHANGES_EVERY
    ) -> None:
        """`every`: seconds between two changes of a node, and of a pod. Kubelets report each five minutes at least."""
        self._nodes, self._pods, self._every = nodes, pods, every
        self._cluster = Cluster(beat=BOOKMARKS_EVERY)
        for number in range(1, brokers + 1):
            self._cluster.change(Kind.NODE, _node(f"n{number}"))
            self._cluster.change(Kind.POD, _running(broker(number, f"n{number}")))
        for number in range(nodes):
            self._cluster.change(Kind.NODE, _node(f"other-{number}"))
        for number in range(pods):
            self._cluster.change(Kind.POD, self._pod(number))
        self._server, self._ended = Server(), threading.Event()
        self._server.script.world = self._cluster
        self._changes = threading.Thread(target=self._change, daemon=True)
        self.kubeconfig = _kubeconfig(folder / "kubeconfig", self._server.url)

    def __enter__(self) -> Self:
        self._server.start()
        self._changes.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._changes.join()
        self._server.end()

    def warn(self, number: int) -> str:
        """Give a broker's node the notice that its spot instance is taken back. Returns its name."""
        name = f"n{number}"
        self._cluster.change(Kind.NODE, _node(name, taints=[NOTICE]))
        return name

    def _pod(self, number: int, turn: int = 0) -> dict[str, Any]:
        return _running(pod(f"app-{number}", on=f"other-{number % self._nodes}", labels={"turn": str(turn)}))

    def _change(self) -> None:
        turn = 0
        while not self._ended.wait(self._every):
            turn += 1
            self._cluster.change(Kind.NODE, _node(f"other-{turn % self._nodes}", turn))
            self._cluster.change(Kind.POD, self._pod(turn % self._pods, turn))


def _running(raw: dict[str, Any]) -> dict[str, Any]:
    """Add what the official client demands of a pod."""
    for status in raw["status"]["containerStatuses"]:
        status |= {"image": "registry/app:1", "imageID": "registry/app@sha256:0"}
    return raw


def _node(name: str, turn: int = 0, taints: Sequence[Mapping[str, str]] = ()) -> dict[str, Any]:
    """Return one as large as kubelets make them: what they run on, and the images they hold."""
    raw = node(name, labels={**SPOT, "turn": str(turn)}, taints=taints)
    raw["status"]["nodeInfo"] |= dict.fromkeys(SYSTEM, "v1.33.4")
    raw["status"]["images"] = [{"names": [f"registry/{each}:1"] * 2, "sizeBytes": each} for each in range(IMAGES)]
    return raw


def _kubeconfig(path: Path, url: str) -> Path:
    path.write_text(
        json.dumps(
            {
                "apiVersion": "v1",
                "kind": "Config",
                "current-context": "here",
                "contexts": [{"name": "here", "context": {"cluster": "c", "user": "u", "namespace": "kafka"}}],
                "clusters": [{"name": "c", "cluster": {"server": url}}],
                "users": [{"name": "u", "user": {"token": "t"}}],
            }
        )
    )
    return path
