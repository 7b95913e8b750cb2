"""A real Kafka on this machine: three KRaft brokers that may be killed, paused and wiped."""

from __future__ import annotations

import base64
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import Self

from kafka_sentinel.lab import guardian
from kafka_sentinel.lab.errors import LabError
from kafka_sentinel.lab.jars import fetch_kafka
from kafka_sentinel.lab.java import find_java
from kafka_sentinel.lab.node import Installation, Node
from kafka_sentinel.lab.ports import HOST, Ports
from kafka_sentinel.lab.topology import NodeSpec, Topology, configuration, plan, properties

READY_SECONDS = 90.0  # on a slow and busy machine; six seconds are usual
_GUARDIAN_SECONDS = 30.0
_POLL_SECONDS = 0.05


class LabCluster:
    """Started by `with`, gone afterwards, also if this process is killed. Its methods may be called from any thread.

    `overrides` are server properties of every node, `node_overrides` of single ones. `cache` is where the jars of Kafka
    are kept (None: `jars.default_cache()`). Every method raises LabError if the node is not in a state to do it.
    """

    def __init__(
        self,
        topology: Topology | str = Topology.COMBINED,
        *,
        overrides: Mapping[str, str] | None = None,
        node_overrides: Mapping[int, Mapping[str, str]] | None = None,
        cache: Path | None = None,
    ) -> None:
        self.topology = Topology(topology)
        self.cluster_id = _new_cluster_id()
        self._overrides = dict(overrides or {})
        self._node_overrides = dict(node_overrides or {})
        self._cache = cache
        self._ports = Ports()
        self._specs: tuple[NodeSpec, ...] = ()
        self._nodes: dict[int, Node] = {}
        self._guardian: subprocess.Popen[bytes] | None = None
        self._installation: Installation | None = None

    def __enter__(self) -> Self:
        java, jars = self._find()
        folder = Path(tempfile.mkdtemp(prefix="kafka-sentinel-lab-")).resolve()
        self._installation = Installation(java, jars, folder, self.cluster_id)
        try:
            self._guardian = _start_guardian(folder)
            self._specs = plan(self.topology, self._ports)
            self._bring_up()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Kill every node and remove the folder. May be called twice."""
        together(Node.close, self._nodes.values())
        self._ports.release()
        watcher, self._guardian = self._guardian, None
        if watcher is not None:
            watcher.communicate(timeout=_GUARDIAN_SECONDS)  # it closes the pipe, which is the guardian's signal

    @property
    def folder(self) -> Path:
        """Where everything of this lab lies."""
        if self._installation is None:
            raise LabError("the lab has not been started")
        return self._installation.lab

    @property
    def brokers(self) -> tuple[int, ...]:
        return tuple(spec.id for spec in self._specs if spec.broker_port is not None)

    @property
    def controllers(self) -> tuple[int, ...]:
        return tuple(spec.id for spec in self._specs if spec.controller_port is not None)

    @property
    def bootstrap_servers(self) -> str:
        return ",".join(self.address(broker) for broker in self.brokers)

    def address(self, broker: int) -> str:
        """Return host:port of one broker."""
        ports = {spec.id: spec.broker_port for spec in self._specs}
        port = ports.get(broker)
        if port is None:
            raise LabError(f"{broker} is not a broker of the lab; it has {', '.join(map(str, self.brokers))}")
        return f"{HOST}:{port}"

    def start(self, node: int) -> None:
        """Start a stopped node, without waiting until it is ready."""
        self._node(node).start()

    def kill(self, node: int) -> None:
        """SIGKILL; returns when the process is reaped."""
        self._node(node).kill()

    def stop(self, node: int) -> None:
        """Shut down in order (SIGTERM); returns when the process is reaped."""
        self._node(node).stop()

    def pause(self, node: int) -> None:
        """SIGSTOP; returns when every thread of the process stands."""
        self._node(node).pause()

    def resume(self, node: int) -> None:
        """SIGCONT; returns when the process goes on."""
        self._node(node).resume()

    def wipe(self, node: int, *, same_disk: bool = False) -> None:
        """Lose the data of a stopped node. It gets a new disk, formatted anew, or an empty `same_disk`.

        The difference shows when the node is the only candidate for leader: Kafka elects it the moment it is unfenced
        if its disk is known by then. A new disk may be made known too late, and the partition then has no leader until
        another broker is unfenced.
        """
        self._node(node).wipe(same_disk=same_disk)

    def state(self, node: int) -> str:
        """Return running, paused or stopped."""
        return str(self._node(node).state)

    def pid(self, node: int) -> int | None:
        """Return the process id, None if the node is stopped."""
        return self._node(node).pid

    def exit_status(self, node: int) -> int | None:
        """Return how the node's last ended process ended (minus a signal's number); None if none has."""
        return self._node(node).exit_status

    def log_tail(self, node: int, lines: int = 25) -> str:
        """Return the last lines that the node logged."""
        return self._node(node).tail(lines)

    def add_broker(self, broker: int) -> None:
        """Add a broker with an id not used before, start it and wait until it is ready."""
        if broker in self._nodes:
            raise LabError(f"node {broker} exists already")
        spec = NodeSpec(broker, self._ports.take(), None)
        node = self._new_node(spec)
        self._nodes[broker] = node
        self._specs = (*self._specs, spec)
        self._format_and_start(node)
        self.wait_ready([broker])

    def wait_ready(self, nodes: Iterable[int] | None = None, timeout: float = READY_SECONDS) -> None:
        """Wait until these nodes (None: all) have started up: a broker is then unfenced and answers.

        Raises LabError with the last log lines of a node that ended, or is not ready after `timeout` seconds.
        """
        deadline = time.monotonic() + timeout
        for node in list(self._nodes.values()) if nodes is None else [self._node(each) for each in nodes]:
            while not node.is_ready():
                if time.monotonic() > deadline:
                    raise LabError(f"node {node.id} is not ready after {timeout:.0f} s\n{node.tail()}")
                time.sleep(_POLL_SECONDS)

    def _find(self) -> tuple[Path, Path]:
        """Return a Java, and the folder of the jars."""
        return find_java(), fetch_kafka(self._cache)

    def _bring_up(self) -> None:
        """Make and start all nodes, and wait until they are ready."""
        for spec in self._specs:
            self._nodes[spec.id] = self._new_node(spec)
        together(self._format_and_start, self._nodes.values())
        self.wait_ready()

    def _node(self, node: int) -> Node:
        try:
            return self._nodes[node]
        except KeyError:
            raise LabError(f"there is no node {node}; the lab has {', '.join(map(str, self._nodes))}") from None

    def _new_node(self, spec: NodeSpec) -> Node:
        if self._installation is None:
            raise LabError("the lab has not been started")
        overrides = {**self._overrides, **self._node_overrides.get(spec.id, {})}
        folder = self.folder / f"node-{spec.id}"
        return Node(spec.id, self._installation, properties(configuration(spec, self._specs, folder, overrides)))

    @staticmethod
    def _format_and_start(node: Node) -> None:
        node.format()
        node.start()


def together(work: Callable[[Node], None], nodes: Iterable[Node]) -> None:
    """Do `work` for all nodes at once; raise the first error after all have ended."""
    with ThreadPoolExecutor(thread_name_prefix="lab") as pool:
        for future in [pool.submit(work, node) for node in list(nodes)]:
            future.result()


def _start_guardian(folder: Path) -> subprocess.Popen[bytes]:
    return subprocess.Popen(  # noqa: S603  our own module, no shell is involved
        [sys.executable, "-I", "-S", guardian.__file__, str(folder)],
        cwd="/",
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )


def _new_cluster_id() -> str:
    """Return a random UUID as Kafka writes it: URL-safe Base64 without padding, never starting with a dash."""
    while (text := base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")).startswith("-"):
        pass
    return text
