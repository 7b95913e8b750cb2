"""A Kafka cluster in pods: brought up, asked from the host, and taken down with all its data."""

from __future__ import annotations

import base64
import contextlib
import shutil
import uuid
from typing import Self

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient, NewTopic
from tests.kafka.conftest import describe
from tests.kubernetes.deploy import images, objects, strimzi
from tests.kubernetes.deploy.crds import Strimzi, definitions
from tests.kubernetes.deploy.layout import HOST_PORT, Layout, Member
from tests.kubernetes.deploy.waiting import wait_for
from tests.kubernetes.lab.cluster import Cluster

from kafka_sentinel.lab.errors import LabError

READY_SECONDS = 120.0  # on a busy machine; fifteen are usual
GONE_SECONDS = 90.0
ZONE = "topology.kubernetes.io/zone"


class Kafka:
    """Strimzi's kind of cluster: three brokers (ids 0 to 2) and one controller (id 100), each in a pod of its own."""

    def __init__(
        self,
        cluster: Cluster,
        layout: Layout = Layout.SPREAD,
        *,
        strimzi_version: Strimzi = Strimzi.V1,
        namespace: str = "kafka",
        name: str = "orders",
        memory: str | None = None,
    ) -> None:
        self.cluster = cluster
        self.namespace = namespace
        self.name = name
        self.version = strimzi_version
        self.cluster_id = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=").replace("-", "A")
        self.members = strimzi.members(name, layout)
        self._addresses: dict[str, str] = {}  # of pods, as last known
        self._place = strimzi.place(namespace, name, self.cluster_id, memory)

    def __enter__(self) -> Self:
        self.up()
        return self

    def __exit__(self, *_: object) -> None:
        self.down()

    @property
    def brokers(self) -> dict[int, Member]:
        return {member.id: member for member in self.members if member.is_broker}

    @property
    def inside(self) -> str:
        """Bootstrap servers for clients in pods."""
        return f"{self.name}-kafka-bootstrap.{self.namespace}.svc:9092"

    @property
    def bootstrap(self) -> str:
        """Bootstrap servers for clients on the host: the addresses that the brokers' pods have now."""
        with contextlib.suppress(LabError):  # the API server is away: they are where they were
            self._addresses |= {
                pod["metadata"]["name"]: pod["status"]["podIP"] for pod in self._pods() if pod["status"].get("podIP")
            }
        names = [member.pod for member in self.brokers.values()]
        return ",".join(f"{self._addresses[name]}:{HOST_PORT}" for name in names if name in self._addresses)

    def up(self) -> None:
        self.cluster.load_image(images.kafka_image())
        self.cluster.load_image(images.sentinel_image(), (strimzi.CONTROLLER_NODE,))
        objects.apply(self.cluster, definitions(self.version))
        wait_for(self._served, "Strimzi's resources to be served", 30)
        objects.apply(self.cluster, [{"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": self.namespace}}])
        objects.apply(self.cluster, strimzi.resources(self._place, self.members, self._zones(), self.version))
        self.wait_ready()

    def down(self) -> None:
        """Remove everything, the data on the nodes' disks too."""
        for kind in ("deployment", "strimzipodset"):
            self.cluster.kubectl("delete", kind, "--all", "-n", self.namespace, "--ignore-not-found")
        pods = ("pods", "--all", "-n", self.namespace)
        self.cluster.kubectl("delete", *pods, "--grace-period=0", "--force", "--ignore-not-found")
        for kind, name in (("namespace", self.namespace), *(("crd", name) for name in self._definitions())):
            self.cluster.kubectl("delete", kind, name, "--ignore-not-found", f"--timeout={GONE_SECONDS:.0f}s")
        self.cluster.kubectl("delete", "pv", "-l", f"sentinel.test/kafka={self.namespace}", "--ignore-not-found")
        for member in self.members:
            shutil.rmtree(self.cluster.disk(member.node, member.disk) / f"kafka-log{member.id}", ignore_errors=True)

    def wait_ready(self, seconds: float = READY_SECONDS) -> None:
        """Wait until every pod is ready, every broker answers, and the operator says the Kafka resource is ready."""
        wait_for(lambda: not self.unready(), "the pods of Kafka", seconds, self.unready)
        wait_for(lambda: self._answering() == set(self.brokers), "three brokers", seconds, self._answering)
        wait_for(self._says_ready, "the Kafka resource to be ready", seconds)

    def pod(self, member_id: int) -> dict | None:
        name = next(member.pod for member in self.members if member.id == member_id)
        return objects.get(self.cluster, f"{objects.pods_path(self.namespace)}/{name}")

    def unready(self) -> list[str]:
        """Return the names of the pods that should be there and ready, and are not."""
        pods = {pod["metadata"]["name"]: pod for pod in self._pods()}
        return [member.pod for member in self.members if not objects.is_ready(pods.get(member.pod))]

    def admin(self) -> AdminClient:
        return AdminClient({"bootstrap.servers": self.bootstrap, "log_level": 0})

    def create_topic(self, name: str, replicas: list[list[int]], **config: str) -> None:
        """Create a topic with these replicas for each partition, and wait until it has its leaders."""
        dotted = {key.replace("_", "."): value for key, value in config.items()}
        new = NewTopic(name, len(replicas), replica_assignment=replicas, config=dotted)
        self.admin().create_topics([new])[name].result(30)
        wait_for(lambda: self._led(name, len(replicas)), f"leaders of {name}", 30)

    def topics(self) -> list[str]:
        """Return the topics that are not Kafka's own."""
        return sorted(name for name in self.admin().list_topics(timeout=10).topics if not name.startswith("__"))

    def delete_topic(self, name: str) -> None:
        self.admin().delete_topics([name])[name].result(30)

    def leader(self, topic: str, partition: int = 0) -> int:
        """Return the leader as the brokers that can be reached say; -1 if there is none."""
        found = describe(self.bootstrap).get(topic)
        return -1 if found is None or partition not in found.partitions else found.partitions[partition].leader

    def isr(self, topic: str, partition: int = 0) -> set[int]:
        found = describe(self.bootstrap).get(topic)
        return set() if found is None or partition not in found.partitions else set(found.partitions[partition].isrs)

    def pause(self, *, paused: bool) -> None:
        """Have the operator leave the cluster alone, or not."""
        value = "strimzi.io/pause-reconciliation=true" if paused else "strimzi.io/pause-reconciliation-"
        self.cluster.kubectl("annotate", "kafka", self.name, "-n", self.namespace, "--overwrite", value)

    def _served(self) -> bool:
        served = self.cluster.kubectl("api-resources", "--no-headers", "-o", "name").split()
        return set(self._definitions()) <= set(served)

    def _led(self, topic: str, partitions: int) -> bool:
        found = describe(self.bootstrap).get(topic)
        leaders = [] if found is None else [each.leader for each in found.partitions.values()]
        return len(leaders) == partitions and all(leader >= 0 for leader in leaders)

    def _answering(self) -> set[int]:
        try:
            return set(self.admin().list_topics(timeout=3).brokers)
        except KafkaException:
            return set()

    def _says_ready(self) -> bool:
        kafkas = f"/apis/kafka.strimzi.io/{self.version.api}/namespaces/{self.namespace}/kafkas"
        return objects.has_condition(self.cluster.api.get(f"{kafkas}/{self.name}"), "Ready")

    def _pods(self) -> list[dict]:
        return self.cluster.api.list(objects.pods_path(self.namespace))

    def _definitions(self) -> list[str]:
        return [each["metadata"]["name"] for each in definitions(self.version)]

    def _zones(self) -> dict[str, str]:
        nodes = self.cluster.api.list("/api/v1/nodes")
        return {node["metadata"]["name"]: node["metadata"]["labels"].get(ZONE, "") for node in nodes}
