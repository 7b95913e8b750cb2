"""The lab as tests and people use it: a cluster to put up, hurt and take down."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from kafka_sentinel.lab.errors import LabError

from . import audit, build, images, network, processes, store, teardown
from .access import Access, Tree
from .control_plane import ControlPlane
from .guardian import Guardian
from .node import Node
from .plan import Plan, check, load

GRACE_SECONDS = 10
TOLERATION_SECONDS = 10
_UP_SECONDS = 120.0
_ROUND_SECONDS = 0.1
# Runs its arguments where the cluster's names can be resolved: "$0" is the cluster's resolv.conf.
_RESOLVING = 'mount --bind "$0" /etc/resolv.conf && exec "$@"'


class Cluster(Access):
    """A Kubernetes of `nodes` nodes, n1 and so on. While it is up its owner may die: a guardian takes it down."""

    def __init__(
        self,
        nodes: int = 4,
        *,
        name: str | None = None,
        grace: int = GRACE_SECONDS,
        tolerations: int = TOLERATION_SECONDS,
        labels: Mapping[str, Mapping[str, str]] | None = None,
        archives: Sequence[Path] = (),
    ) -> None:
        """`grace`: seconds without heartbeats until a node is NotReady; `tolerations`: more until its pods are evicted.

        `labels` are given to nodes by name, beside their zones z1, z2, z3, z1 … All nodes have the images in `archives`
        from the start, which takes much less than loading them later.
        """
        folder = teardown.RUNS / (name or f"test-{os.getpid()}")
        check(folder, nodes)
        names = tuple(f"n{index}" for index in range(1, nodes + 1))
        super().__init__(folder / "admin.kubeconfig")
        self._guardian: Guardian | None = None
        self._plan = Plan(folder, 0, names, grace, tolerations, labels or {})
        self._archives = tuple(archives)
        self._use(self._plan)

    @classmethod
    def attach(cls, name: str) -> Self:
        """Return the lab `name` that somebody else has put up. Raises LabError if none is up."""
        found = load(teardown.RUNS / name)
        cluster = cls(len(found.nodes), name=name)
        cluster._use(found)
        return cluster

    def __enter__(self) -> Self:
        self.up()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.down()

    @property
    def plan(self) -> Plan:
        return self._plan

    @property
    def nodes(self) -> tuple[str, ...]:
        return self._plan.nodes

    @property
    def resolv_conf(self) -> Path:
        """A resolver configuration that knows the cluster's names, and no others."""
        return self._plan.resolv_conf

    def up(self) -> None:
        """Build what is missing, put the cluster up and return when all nodes are ready. Raises LabError."""
        build.ensure()
        folder = self._plan.folder
        teardown.sweep_left_overs()
        teardown.create(folder)
        self._guardian = Guardian(folder)
        try:
            self._start()
        except BaseException:
            self.down()
            raise

    def down(self) -> None:
        """Take the cluster down; nothing of it is left. May be called twice."""
        teardown.sweep(self._plan.folder)
        if self._guardian is not None:
            self._guardian.release()
            self._guardian = None

    def keep(self) -> None:
        """Leave the cluster up when this process ends."""
        teardown.keep(self._plan.folder)
        if self._guardian is not None:
            self._guardian.release()
            self._guardian = None

    def is_on(self, node: str) -> bool:
        """Tell whether the node has power."""
        return self._node(node).init_pid is not None

    def kill_node(self, node: str) -> None:
        """Take the node's power away."""
        self._node(node).kill()

    def start_node(self, node: str, labels: Mapping[str, str] | None = None) -> None:
        """Boot the node with the disks it had; `labels` are those it registers with, beside what the lab gave it."""
        self._node(node).start(labels)

    def stop_kubelet(self, node: str) -> None:
        """Kill the node's kubelet and keep it down; its containers live on."""
        self._node(node).stop_kubelet()

    def start_kubelet(self, node: str) -> None:
        self._node(node).start_kubelet()

    def partition(self, node: str) -> None:
        """Cut the node off the network. Nobody is told: connections just go silent."""
        self._node(node).partition()

    def heal(self, node: str) -> None:
        self._node(node).heal()

    def freeze(self, node: str) -> None:
        """Stop all processes of the node, containers too."""
        self._node(node).freeze()

    def thaw(self, node: str) -> None:
        self._node(node).thaw()

    def wipe_disk(self, node: str, disk: str) -> None:
        """Empty disk `d1` or `d2` of the node."""
        self._node(node).wipe(disk)

    def disk(self, node: str, disk: str) -> Path:
        """Return where a node's disk lies on the host. In the node it is /mnt/disks/d1 or d2."""
        return self._plan.disk(node, disk)

    def load_image(self, archive: Path, nodes: Sequence[str] | None = None) -> None:
        """Import a container image, a docker-archive, into nodes that are on (all by default) unless they have it."""
        if archive in self._archives:
            return
        wanted = nodes or self.nodes
        with ThreadPoolExecutor(len(wanted)) as pool:
            list(pool.map(lambda node: self._node(node).load_image(archive), wanted))

    def exec_node(self, node: str, *command: str) -> str:
        """Run a command in the node and return what it prints."""
        return self._node(node).execute(*command)

    def stop_api(self) -> None:
        """SIGKILL the API server; it stays away until `start_api`."""
        self._control.stop_api()

    def start_api(self) -> None:
        """Start the API server, and return when it is ready."""
        self._control.start_api()

    @contextmanager
    def without_api(self) -> Iterator[None]:
        """Have no API server for as long as the body takes. Returns when all nodes have found it again."""
        self.stop_api()
        try:
            yield
        finally:
            self.start_api()
            self._wait_nodes_ready()

    def audit(self, namespace: str) -> list[Tree]:
        """Return what the service accounts of a namespace wrote to pods and nodes, oldest first, with the bodies."""
        return audit.entries(self._plan, namespace)

    def popen(self, command: Sequence[str], **options: Any) -> subprocess.Popen[Any]:
        """Start a process of the host that can resolve the cluster's names; it ends with the lab at the latest.

        Pods are reached by their addresses. Services have none on the host, but headless ones do.
        """
        environment = {**(options.pop("env", None) or os.environ), processes.MARK: str(self._plan.folder)}
        return subprocess.Popen(self.resolving(command), env=environment, **options)

    def resolving(self, command: Sequence[str]) -> list[str]:
        """Return `command` wrapped so that it can resolve the cluster's names."""
        return ["unshare", "--mount", "sh", "-c", _RESOLVING, str(self.resolv_conf), *command]

    def wait(self, done: Callable[[], bool], seconds: float, what: str | Callable[[], object]) -> None:
        """Wait until `done`. Raises LabError after `seconds`, which says `what` was waited for."""
        deadline = time.monotonic() + seconds
        while not done():
            if time.monotonic() > deadline:
                raise LabError(f"not within {seconds:.0f} s: {what() if callable(what) else what}")
            time.sleep(_ROUND_SECONDS)

    def is_ready(self, node: str) -> bool:
        """Tell whether the API server takes the node for ready, for pods too."""
        found = {each["metadata"]["name"]: each for each in self.api.list("/api/v1/nodes")}.get(node, {})
        conditions = {each["type"]: each["status"] for each in found.get("status", {}).get("conditions", [])}
        taints = {each["key"] for each in found.get("spec", {}).get("taints", [])}
        kept_off = {"node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable"}
        return conditions.get("Ready") == "True" and not taints & kept_off

    def _use(self, found: Plan) -> None:
        self._plan = found
        self._control = ControlPlane(found)

    def _start(self) -> None:
        number = network.claim(self._plan.folder)
        self._use(
            Plan(self._plan.folder, number, self.nodes, self._plan.grace, self._plan.tolerations, self._plan.labels)
        )
        processes.allow_watches()
        self._plan.logs.mkdir()
        self._plan.save()
        network.up(self._plan)
        self._control.configure()
        self._control.start()
        shared = store.prepared([*images.base_images(), *self._archives])
        for node in self.nodes:
            store.give(shared, self._plan.node_folder(node) / "lib" / "containerd")
            self.start_node(node)
        self._control.wait_names()
        self._wait_nodes_ready()
        accounts = "/api/v1/namespaces/default/serviceaccounts"
        self.wait(lambda: bool(self.api.list(accounts)), _UP_SECONDS, "the default service account")

    def _wait_nodes_ready(self) -> None:
        self.wait(lambda: not self._not_ready(), _UP_SECONDS, lambda: f"all nodes ready; {self._not_ready()}")

    def _not_ready(self) -> str:
        """Name the nodes that are not ready, each with the last lines of its kubelet; empty if all are."""
        late = [node for node in self.nodes if not self.is_ready(node)]
        return "\n".join(f"{node} is not:\n{self._node(node).closing('kubelet')}" for node in late)

    def _node(self, name: str) -> Node:
        return Node(self._plan, name)
