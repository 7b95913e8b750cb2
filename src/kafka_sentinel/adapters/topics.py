"""The probe topics: made, grown and described through the admin client. Partitions that exist are never moved."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeoutError
from dataclasses import dataclass, field
from queue import Empty, Full, Queue
from typing import Any, TypeVar

from confluent_kafka import KafkaError, KafkaException, TopicCollection
from confluent_kafka.admin import (  # type: ignore[attr-defined]  # all public, though not annotated as such
    AdminClient,
    ConfigResource,
    NewPartitions,
    NewTopic,
    ResourceType,
    TopicMetadata,
)

from kafka_sentinel.adapters.kafka_client import (
    ClientProperties,
    Now,
    OnDeath,
    Post,
    Worker,
    adapter_error,
    client_config,
)
from kafka_sentinel.core.cluster import PartitionView, TopicView
from kafka_sentinel.core.events import AdapterError
from kafka_sentinel.core.placement import TopicProblem, min_isr, plan_growth, plan_topic, replication, weaknesses
from kafka_sentinel.core.types import Acks

QUEUE = 16  # requests waiting; more of the same would do nothing new
CONFIG_BATCH = 50  # topics in one request for their configuration

NO_IDS = frozenset({"None", "A" * 22})  # absent, and all bits zero in base 64

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class TopicOptions:
    """How a probe topic should be. None: decided by the number of brokers. `extra` are further topic configs."""

    name: str
    partitions: int | None = None
    replication_factor: int | None = None
    min_isr: int | None = None
    retention_seconds: float = 86_400.0
    extra: Mapping[str, str] = field(default_factory=dict)

    def configs(self, isr: int) -> dict[str, str]:
        return {
            "cleanup.policy": "delete",
            "min.insync.replicas": str(isr),
            "retention.ms": str(int(self.retention_seconds * 1000)),
            **self.extra,
        }


def admin_client(common: ClientProperties) -> AdminClient:
    config: dict[str, Any] = client_config({"socket.timeout.ms": 2_000}, common, {"client.id": "kafka-sentinel-admin"})
    return AdminClient(config)


def settled(future: Future[T], timeout: float) -> T:
    """Return the result of an admin request. Raises KafkaException, also when it takes more than `timeout` seconds."""
    try:
        return future.result(timeout)
    except FutureTimeoutError:
        raise KafkaException(KafkaError(KafkaError._TIMED_OUT, f"no answer within {timeout:g} s")) from None  # noqa: SLF001 - the client's public name for it


def topic_ids(client: AdminClient, names: Sequence[str], timeout: float) -> dict[str, str | None]:
    """Return the id of each topic that exists (None: its broker is too old to say). Raises KafkaException."""
    futures = client.describe_topics(TopicCollection(list(names)), request_timeout=timeout)
    found: dict[str, str | None] = {}
    for name, future in futures.items():
        try:
            topic_id = str(settled(future, timeout).topic_id)
            found[name] = topic_id if topic_id not in NO_IDS else None
        except KafkaException as error:
            if error.args[0].code() != KafkaError.UNKNOWN_TOPIC_OR_PART:
                raise
    return found


def topic_configs(client: AdminClient, names: Iterable[str], timeout: float) -> dict[str, dict[str, str]]:
    """Return name → (config → value) of at most CONFIG_BATCH topics. One that vanished meanwhile is left out."""
    resources = [ConfigResource(ResourceType.TOPIC, name) for name in names]
    assert len(resources) <= CONFIG_BATCH
    found = {}
    for resource, future in client.describe_configs(resources, request_timeout=timeout).items():
        try:
            entries: Mapping[str, Any] = settled(future, timeout)
        except KafkaException as error:
            if error.args[0].code() != KafkaError.UNKNOWN_TOPIC_OR_PART:
                raise
        else:
            found[resource.name] = {name: entry.value for name, entry in entries.items() if entry.value is not None}
    return found


def ensure_topic(client: AdminClient, options: TopicOptions, timeout: float, *, most_brokers: int = 0) -> TopicView:
    """Create the topic if there is none, else add a partition for every broker that leads none.

    Returns it as it was found or asked for. Raises TopicProblem if it cannot be as it should: also if fewer brokers are
    up than `most_brokers`, the most ever seen, because a topic made then would keep too few replicas for ever. Raises
    KafkaException if the brokers refuse or do not answer within `timeout` seconds per request.
    """
    nodes = settled(client.describe_cluster(request_timeout=timeout), timeout).nodes
    racks = {node.id: node.rack for node in nodes}
    existing = _existing(client, options.name, timeout)
    if existing is None:
        if len(racks) < most_brokers:
            raise TopicProblem(
                f"topic {options.name} is not created yet: {len(racks)} of {most_brokers} brokers are up"
            )
        return _create(client, options, racks, timeout)
    _grow(client, existing, racks, timeout)
    factor = replication(max(len(racks), most_brokers), options.replication_factor)
    problems = weaknesses(existing, factor, min_isr(factor, options.min_isr))
    if problems:
        raise TopicProblem("; ".join(problems))
    return existing


def _existing(client: AdminClient, name: str, timeout: float) -> TopicView | None:
    metadata = client.list_topics(timeout=timeout).topics.get(name)
    if metadata is None:
        return None
    found = topic_configs(client, [name], timeout).get(name, {}).get("min.insync.replicas")
    return TopicView(name, None, int(found) if found else None, partition_views(metadata))


def partition_views(metadata: TopicMetadata) -> tuple[PartitionView, ...]:
    return tuple(
        PartitionView(one.id, one.leader, tuple(one.replicas), tuple(one.isrs))
        for one in sorted(metadata.partitions.values(), key=lambda one: one.id)
    )


def _create(client: AdminClient, options: TopicOptions, racks: Mapping[int, str | None], timeout: float) -> TopicView:
    factor = replication(len(racks), options.replication_factor)
    isr = min_isr(factor, options.min_isr)
    assignment = plan_topic(racks, factor, options.partitions)
    topic = NewTopic(options.name, len(assignment), replica_assignment=assignment, config=options.configs(isr))
    try:
        settled(client.create_topics([topic], request_timeout=timeout)[options.name], timeout)
    except KafkaException as error:
        if error.args[0].code() != KafkaError.TOPIC_ALREADY_EXISTS:
            raise
    placed = [PartitionView(index, -1, tuple(replicas), ()) for index, replicas in enumerate(assignment)]
    return TopicView(options.name, None, isr, tuple(placed), options.retention_seconds)


def _grow(client: AdminClient, topic: TopicView, racks: Mapping[int, str | None], timeout: float) -> None:
    added = plan_growth(topic, racks)
    if added:
        grown = NewPartitions(topic.name, len(topic.partitions) + len(added), replica_assignment=added)
        settled(client.create_partitions([grown], request_timeout=timeout)[topic.name], timeout)


class TopicKeeper:
    """Does `ensure_topic` on its own thread when asked to. What stands in the way is posted as AdapterError."""

    def __init__(
        self,
        common: ClientProperties,
        topics: Mapping[Acks, TopicOptions],
        *,
        post: Post,
        now: Now,
        on_death: OnDeath,
        timeout: float = 10.0,
    ) -> None:
        self._common = common
        self._topics = topics
        self._post = post
        self._now = now
        self._timeout = timeout
        self._queue: Queue[Acks] = Queue(QUEUE)
        self._most_brokers = 0
        self._worker = Worker("topics", self._run, on_death)

    def start(self) -> None:
        self._worker.start()

    def stop(self, timeout: float) -> bool:
        """Return whether the thread has ended within `timeout` seconds. May be called again."""
        return self._worker.stop(timeout)

    def ensure(self, acks: Acks) -> None:
        """Queue one look at the probe topic of `acks`. Returns at once."""
        try:
            self._queue.put_nowait(acks)
        except Full:
            self._post([AdapterError(self._now(), "topics", "BUSY", f"{QUEUE} requests are waiting already")])

    def _run(self) -> None:
        while not self._worker.stopping.is_set():
            try:
                acks = self._queue.get(timeout=0.2)
            except Empty:
                continue
            self._attempt(acks)

    def _ensure(self, acks: Acks) -> None:
        options = self._topics.get(acks)
        if options is None:
            raise TopicProblem(f"there is no probe topic for acks={acks}")
        client = admin_client(self._common)
        self._most_brokers = max(self._most_brokers, len(client.list_topics(timeout=self._timeout).brokers))
        ensure_topic(client, options, self._timeout, most_brokers=self._most_brokers)

    def _attempt(self, acks: Acks) -> None:
        try:
            self._ensure(acks)
        except TopicProblem as problem:
            self._post([AdapterError(self._now(), "topics", "TOPIC_PROBLEM", str(problem))])
        except KafkaException as error:
            self._post([adapter_error(self._now(), "topics", error)])
