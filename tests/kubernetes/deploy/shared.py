"""One Kafka for test after test: put right again between two of them, replaced where a test asks for another kind."""

from __future__ import annotations

from dataclasses import dataclass

from tests.kubernetes.deploy.installation import Flavour
from tests.kubernetes.deploy.kafka import Kafka
from tests.kubernetes.deploy.layout import Layout
from tests.kubernetes.deploy.pods import AS_USUAL, Limits
from tests.kubernetes.lab.cluster import Cluster

SPOT = "karpenter.sh/capacity-type"
CAPACITY = {"n1": "spot", "n2": "spot", "n3": "spot", "n4": "on-demand"}
RESTORE_SECONDS = 180.0


@dataclass(frozen=True, slots=True)
class Kind:
    """What a test asks for."""

    layout: Layout = Layout.SPREAD
    flavour: Flavour = Flavour.STRIMZI
    limits: Limits = AS_USUAL
    secured: bool = False


# Two brokers on one node, each with as much memory as it needs and no more.
SMALL_TEAM = Kind(layout=Layout.SHARED, limits=Limits(memory="450Mi"))


class SharedKafka:
    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._kafka: Kafka | None = None
        self._kind: Kind | None = None

    def get(self, kind: Kind) -> Kafka:
        """Return a cluster of that kind with all nodes on, all pods ready and no topics but Kafka's own."""
        self._restore_nodes()
        if self._kafka is not None and (kind != self._kind or not self._restored(self._kafka)):
            self.close()
        if self._kafka is None:
            self._kafka = Kafka(self._cluster, kind.layout, kind.flavour, limits=kind.limits, secured=kind.secured)
            self._kind = kind
            self._kafka.up()
        return self._kafka

    def close(self) -> None:
        if self._kafka is not None:
            self._kafka.down()
        self._kafka = None

    def _restore_nodes(self) -> None:
        """Have every node on and reachable, labelled as at first, and free of what a test has put on it."""
        for node in self._cluster.nodes:
            self._cluster.start_kubelet(node)
            if self._cluster.is_on(node):
                self._cluster.heal(node)
                self._cluster.thaw(node)
            else:
                self._cluster.start_node(node)
        self._cluster.wait(
            lambda: all(self._cluster.is_ready(node) for node in self._cluster.nodes),
            RESTORE_SECONDS,
            "all nodes ready",
        )
        for node in self._cluster.nodes:
            self._cluster.kubectl("uncordon", node)
            self._cluster.node_labels(node, {SPOT: CAPACITY[node]})
            self._cluster.api.patch(f"/api/v1/nodes/{node}", {"spec": {"taints": None}})

    def _restored(self, kafka: Kafka) -> bool:
        try:
            if kafka.flavour in {Flavour.STRIMZI, Flavour.OLDER_STRIMZI}:
                kafka.pause(paused=False)
                kafka.set_operator(alive=True)
            kafka.wait_ready(RESTORE_SECONDS)
        except AssertionError:
            return False
        for topic in kafka.topics():
            kafka.delete_topic(topic)
        return True
