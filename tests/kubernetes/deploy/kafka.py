"""A Kafka cluster in pods: brought up, asked from the host, and taken down with all its data."""

from __future__ import annotations

import base64
import contextlib
import shutil
import tempfile
import time
import uuid
from collections.abc import Iterable
from pathlib import Path
from typing import Self

from confluent_kafka import KafkaException, Producer
from confluent_kafka.admin import AdminClient, AlterConfigOpType, ConfigEntry, ConfigResource, NewTopic
from kafka.errors import KafkaError
from tests.kafka.conftest import describe
from tests.kafka.observer import Standing, read_controller_log
from tests.kubernetes.deploy import images, objects
from tests.kubernetes.deploy.installation import Flavour, plan
from tests.kubernetes.deploy.layout import CONTROLLER_NODE, HOST_PORT, PLAIN_PORT, Layout, Member
from tests.kubernetes.deploy.pods import AS_USUAL, Limits
from tests.kubernetes.deploy.secured import Security
from tests.kubernetes.deploy.strimzi import OPERATOR
from tests.kubernetes.deploy.waiting import wait_for
from tests.kubernetes.lab.cluster import Cluster

from kafka import KafkaAdminClient
from kafka_sentinel.lab.errors import LabError

PREFERRED, UNCLEAN = 0, 1  # types of election
READY_SECONDS = 300.0  # on a busy machine; twenty are usual
GONE_SECONDS = 90.0
ELECTS_SECONDS = 30.0  # for Kafka to elect by itself who has returned
LOOK_SECONDS = 0.5
MEBIBYTE = 1 << 20  # bytes
STORAGE = ("PersistentVolume", "PersistentVolumeClaim")
ZONE = "topology.kubernetes.io/zone"


class Kafka:
    """Three brokers, ids 0 to 2, and in all flavours but Bitnami's a controller of its own, id 100: each in its pod."""

    def __init__(
        self,
        cluster: Cluster,
        layout: Layout = Layout.SPREAD,
        flavour: Flavour = Flavour.STRIMZI,
        *,
        namespace: str = "kafka",
        limits: Limits = AS_USUAL,
        secured: bool = False,
    ) -> None:
        self.cluster = cluster
        self.flavour = flavour
        self.namespace = namespace
        self.cluster_id = base64.urlsafe_b64encode(b"k" + uuid.uuid4().bytes[1:]).decode().rstrip("=")
        self._keys = tempfile.TemporaryDirectory() if secured else None  # goes with this object
        security = Security(Path(self._keys.name)) if self._keys is not None else None
        self._plan = plan(flavour, layout, namespace, self.cluster_id, limits, security=security)
        self._addresses: dict[str, str] = {}  # of pods, as last known

    def __enter__(self) -> Self:
        self.up()
        return self

    def __exit__(self, *_: object) -> None:
        self.down()

    @property
    def name(self) -> str:
        """Name of the Strimzi cluster; of others, of the broker's service."""
        return self._plan.place.name

    @property
    def members(self) -> tuple[Member, ...]:
        return self._plan.members

    @property
    def brokers(self) -> dict[int, Member]:
        return {member.id: member for member in self.members if member.is_broker}

    @property
    def security(self) -> Security:
        found = self._plan.place.security
        assert found is not None, "this Kafka is not secured"
        return found

    @property
    def inside(self) -> str:
        """Bootstrap servers for clients in pods."""
        return self.listening(PLAIN_PORT)

    def listening(self, port: int) -> str:
        """Return the same for another listener."""
        return f"{self._plan.service}.{self.namespace}.svc:{port}"

    @property
    def settings(self) -> dict[str, str]:
        """What Sentinel must be told to find its pods; Strimzi's and Bitnami's it finds by itself."""
        return {"flavour": "statefulset", "cluster": self.name} if self.flavour is Flavour.STATEFUL_SET else {}

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
        """Put it up, and wait until all is ready. What an interrupted session has left in its place goes first."""
        if objects.get(self.cluster, f"/api/v1/namespaces/{self.namespace}") is not None:
            self.down()
        images.kafka_image().load(self.cluster, self.cluster.nodes)
        images.sentinel_image().load(self.cluster, (CONTROLLER_NODE,))
        if self._plan.definitions:
            objects.apply(self.cluster, self._plan.definitions)
            wait_for(self._served, "Strimzi's resources to be served", 30)
        objects.apply(self.cluster, [{"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": self.namespace}}])
        wanted = self._plan.objects(self._zones())
        storage = [one for one in wanted if one["kind"] in STORAGE]
        objects.apply(self.cluster, storage)
        # The scheduler may leave a pod that came before its claim was bound for the five minutes until it looks again.
        wait_for(self._claims_bound, "the claims to be bound to their volumes", 60)
        objects.apply(self.cluster, [one for one in wanted if one not in storage])
        self.wait_ready()

    def _claims_bound(self) -> bool:
        claims = self.cluster.api.list(f"/api/v1/namespaces/{self.namespace}/persistentvolumeclaims")
        return all(claim["status"].get("phase") == "Bound" for claim in claims)

    def down(self) -> None:
        """Remove everything, the data on the nodes' disks too."""
        for kind in ("deployment", "statefulset", *(("strimzipodset",) if self._plan.definitions else ())):
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

    def member(self, member_id: int) -> Member:
        return next(member for member in self.members if member.id == member_id)

    def pod(self, member_id: int) -> dict | None:
        return objects.get(self.cluster, f"{objects.pods_path(self.namespace)}/{self.member(member_id).pod}")

    def unready(self) -> list[str]:
        """Return the names of the pods that should be there and ready, and are not."""
        pods = {pod["metadata"]["name"]: pod for pod in self._pods()}
        return [member.pod for member in self.members if not objects.is_ready(pods.get(member.pod))]

    def admin(self) -> AdminClient:
        """Return a new client. What it has promised is void once nobody holds it any more."""
        return AdminClient({"bootstrap.servers": self.bootstrap, "log_level": 0})

    def create_topic(self, name: str, replicas: list[list[int]], **config: str) -> None:
        """Create a topic with these replicas for each partition, and wait until it has its leaders."""
        dotted = {key.replace("_", "."): value for key, value in config.items()}
        new = NewTopic(name, len(replicas), replica_assignment=replicas, config=dotted)
        admin = self.admin()
        admin.create_topics([new])[name].result(30)
        wait_for(lambda: self._led(name, len(replicas)), f"leaders of {name}", 30)

    def topics(self) -> list[str]:
        """Return the topics that are not Kafka's own."""
        return sorted(name for name in self.admin().list_topics(timeout=10).topics if not name.startswith("__"))

    def history(self, topic: str) -> list[Standing]:
        """Return how a topic stood after each change, from the controller's own log on its disk."""
        controller = next(member for member in self.members if "controller" in member.roles)
        folder = self.cluster.disk(controller.node, controller.disk) / f"kafka-log{controller.id}"
        return read_controller_log(folder, topic)

    def delete_topic(self, name: str) -> None:
        admin = self.admin()
        admin.delete_topics([name])[name].result(30)

    def leader(self, topic: str, partition: int = 0) -> int:
        """Return the leader as the brokers that can be reached say; -1 if there is none."""
        found = describe(self.bootstrap).get(topic)
        return -1 if found is None or partition not in found.partitions else found.partitions[partition].leader

    def isr(self, topic: str, partition: int = 0) -> set[int]:
        found = describe(self.bootstrap).get(topic)
        return set() if found is None or partition not in found.partitions else set(found.partitions[partition].isrs)

    def lead_preferred(self, topic: str) -> None:
        """Have the first replica of each partition lead it again, as Kafka does by itself within five minutes."""
        partitions = sorted(describe(self.bootstrap)[topic].partitions)

        def done() -> bool:
            self._elect(PREFERRED, topic, partitions)
            found = describe(self.bootstrap)[topic].partitions
            return all(found[number].leader == found[number].replicas[0] for number in partitions)

        wait_for(done, f"the first replicas to lead {topic}", READY_SECONDS)

    def lead_again(self, topic: str) -> list[int]:
        """Have all partitions led again whose replicas have returned empty, and return those an operator had to see to.

        Kafka elects one of them as it returns. Once, on a slow machine, a partition was left without a leader for
        minutes, it is not known why: perhaps Kafka looked before that one had said on which disk its new log is. It
        looks at what nobody leads every five minutes only.
        """
        wait = time.monotonic() + ELECTS_SECONDS
        partitions = sorted(describe(self.bootstrap)[topic].partitions)

        def leaderless() -> list[int]:
            return [number for number in partitions if self.leader(topic, number) == -1]

        while (left := leaderless()) and time.monotonic() < wait:
            time.sleep(LOOK_SECONDS)

        def done() -> bool:
            if still := leaderless():
                self._elect(UNCLEAN, topic, still)
            return not still

        wait_for(done, f"{topic} to be led again", READY_SECONDS, leaderless)
        return left

    def _elect(self, kind: int, topic: str, partitions: list[int]) -> None:
        """Ask for an election, and leave it to the caller to see what became of it."""
        servers = self.bootstrap.split(",")
        with (
            contextlib.suppress(KafkaError),
            contextlib.closing(KafkaAdminClient(bootstrap_servers=servers, request_timeout_ms=5_000)) as client,
        ):
            client.elect_leaders(kind, {topic: partitions})

    # --- what is done to it

    def delete_pod(self, member_id: int, grace: int | None = None) -> None:
        """Delete a pod as a person does, and do not wait."""
        options = {} if grace is None else {"gracePeriodSeconds": grace}
        path = f"{objects.pods_path(self.namespace)}/{self.member(member_id).pod}"
        self.cluster.api.delete(path, {"apiVersion": "v1", "kind": "DeleteOptions", **options})

    def roll(self, member_id: int) -> None:
        """Ask Strimzi's operator to roll one pod."""
        annotations = {"strimzi.io/manual-rolling-update": "true"}
        path = f"{objects.pods_path(self.namespace)}/{self.member(member_id).pod}"
        self.cluster.api.patch(path, {"metadata": {"annotations": annotations}})

    def kill(self, member_id: int) -> None:
        """SIGKILL to the process in a pod's container. Kubernetes starts it again in the same pod."""
        pod = self.pod(member_id)
        assert pod is not None, f"{self.member(member_id).pod} is gone"
        objects.kill_container(self.cluster, pod)

    def clear_away(self, broker_ids: Iterable[int]) -> None:
        """Remove the pods of a node that is gone, as people do who do not wait until Kubernetes collects them."""
        pods = [pod for broker in broker_ids if (pod := self.pod(broker)) is not None and pod["spec"].get("nodeName")]
        names = [pod["metadata"]["name"] for pod in pods]
        if names:
            forced = ("--grace-period=0", "--force", "--ignore-not-found")
            self.cluster.kubectl("delete", "pod", *names, "-n", self.namespace, *forced)

    def exhaust_memory(self, member_id: int) -> None:
        """Fill the memory that a broker's container may use, until the kernel kills the broker. Needs a limit."""
        pod = self.member(member_id).pod
        objects.run_in_pod(
            self.cluster, self.namespace, pod, "dd", "if=/dev/zero", "of=/tmp/fill", "bs=1M", "count=4096"
        )

    def set_operator(self, *, alive: bool) -> None:
        """Take Strimzi's operator away, or have it again."""
        path = f"/apis/apps/v1/namespaces/{self.namespace}/deployments/{OPERATOR}"
        self.cluster.api.patch(path, {"spec": {"replicas": int(alive)}})
        wait_for(lambda: bool(self._operators()) == alive, f"an operator that is {'alive' if alive else 'gone'}", 60)

    def pause(self, *, paused: bool) -> None:
        """Have the operator leave the cluster alone, or not."""
        assert self._plan.resource is not None, "only Strimzi's clusters can be paused"
        annotations = {"strimzi.io/pause-reconciliation": "true" if paused else None}
        self.cluster.api.patch(self._plan.resource, {"metadata": {"annotations": annotations}})

    def throttle(self, member_id: int, *, bytes_per_second: int | None) -> None:
        """Slow down what others fetch from a broker of topics that are configured to be throttled; None: no more."""
        key = "leader.replication.throttled.rate"
        operation = AlterConfigOpType.DELETE if bytes_per_second is None else AlterConfigOpType.SET
        entry = ConfigEntry(key, str(bytes_per_second or 0), incremental_operation=operation)
        resource = ConfigResource(ConfigResource.Type.BROKER, str(member_id), incremental_configs=[entry])
        admin = self.admin()
        admin.incremental_alter_configs([resource])[resource].result(30)

    def fill(self, topic: str, *, mebibytes: int) -> None:
        """Write so much to a topic's partition 0, and return when all in-sync replicas have it."""
        producer = Producer({"bootstrap.servers": self.bootstrap, "acks": "all", "log_level": 0})
        for _ in range(mebibytes * 2):
            producer.produce(topic, bytes(MEBIBYTE // 2), partition=0)
        assert producer.flush(30) == 0, f"{topic} takes no records"

    # --- how it stands

    def has_condition(self, kind: str) -> bool:
        """Tell whether the operator says so of the Kafka resource."""
        path = self._plan.resource
        return path is not None and objects.has_condition(self.cluster.api.get(path), kind)

    def entity_operators(self) -> list[dict]:
        labels = f"strimzi.io/name={self.name}-entity-operator"
        return self.cluster.api.list(objects.pods_path(self.namespace), labelSelector=labels)

    def _operators(self) -> list[dict]:
        return self.cluster.api.list(objects.pods_path(self.namespace), labelSelector=f"name={OPERATOR}")

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
        return self._plan.resource is None or self.has_condition("Ready")

    def _pods(self) -> list[dict]:
        return self.cluster.api.list(objects.pods_path(self.namespace))

    def _definitions(self) -> list[str]:
        return [each["metadata"]["name"] for each in self._plan.definitions]

    def _zones(self) -> dict[str, str]:
        nodes = self.cluster.api.list("/api/v1/nodes")
        return {node["metadata"]["name"]: node["metadata"]["labels"].get(ZONE, "") for node in nodes}
