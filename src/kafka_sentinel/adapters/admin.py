"""Snapshots of the cluster: brokers, leaders and in-sync replicas of all topics, ids of the probe topics."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import cast

from confluent_kafka import KafkaException
from confluent_kafka.admin import (  # type: ignore[attr-defined]  # all public, though not annotated as such
    AdminClient,
    ClusterMetadata,
    TopicMetadata,
)

from kafka_sentinel.adapters.connection import Login
from kafka_sentinel.adapters.kafka_client import ClientProperties, Now, OnDeath, Post, Worker, adapter_error, describe
from kafka_sentinel.adapters.topics import CONFIG_BATCH, admin_client, partition_views, topic_configs, topic_ids
from kafka_sentinel.core.cluster import ClusterView, TopicView
from kafka_sentinel.core.events import ClusterObserved, ClusterUnreachable
from kafka_sentinel.core.types import Acks, Instant

ASK_AGAIN = 3.0  # seconds until the settings of a topic are asked for again if no answer came
LEAST_PATIENCE = 0.3  # seconds that an answer may take, however quick the one before was
MAX_KNOWN = 100  # brokers that a new client may ask besides the configured servers
BATCHES_PER_ROUND = 4  # requests for topic settings between two snapshots, so that many topics do not delay them


@dataclass(frozen=True, slots=True)
class WatchOptions:
    """Times in seconds. `topics`: the probe topics. `timeout`: until nobody is said to answer."""

    common: ClientProperties
    topics: Mapping[Acks, str]
    interval: float = 1.0
    timeout: float = 3.0
    refresh: float = 60.0  # how old topic settings may be


class _Settings:
    """The settings of all topics, read in bounded batches: new topics first, then those not read for longest."""

    def __init__(self, refresh: float) -> None:
        self._refresh = refresh
        self._known: dict[str, tuple[float, dict[str, str]]] = {}  # topic → (when read, settings)

    def get(self, topic: str, name: str) -> str | None:
        return self._known[topic][1].get(name) if topic in self._known else None

    @property
    def oldest(self) -> float | None:
        """When the oldest of them were read, in monotonic seconds; None: there are none."""
        return min((read for read, _ in self._known.values()), default=None)

    def forget(self, topics: Iterable[str]) -> None:
        """Read the settings of `topics` again: there is another topic of the same name now."""
        for topic in topics:
            self._known.pop(topic, None)

    def update(self, client: AdminClient, topics: set[str], at: float, timeout: float) -> None:
        self._known = {topic: known for topic, known in self._known.items() if topic in topics}
        new = sorted(topics - self._known.keys())
        old = sorted((read, topic) for topic, (read, _) in self._known.items() if at - read >= self._refresh)
        due = [*new, *(topic for _, topic in old)][: BATCHES_PER_ROUND * CONFIG_BATCH]
        for index in range(0, len(due), CONFIG_BATCH):
            batch = due[index : index + CONFIG_BATCH]
            found = topic_configs(client, batch, timeout)
            soon = at - max(self._refresh - ASK_AGAIN, 0.0)  # for one just made: not every broker knows it yet
            self._known.update({topic: (at, found[topic]) if topic in found else (soon, {}) for topic in batch})


class ClusterWatcher:
    """Posts ClusterObserved or ClusterUnreachable once every interval. It never creates a topic."""

    def __init__(self, options: WatchOptions, *, post: Post, now: Now, on_death: OnDeath) -> None:
        self._options = options
        self._post = post
        self._now = now
        self._worker = Worker("admin", self._run, on_death)
        self._client: AdminClient | None = None
        self._login: Login | None = None  # that is to be used from now on
        self._settings = _Settings(options.refresh)
        self._ids: dict[str, str | None] = {}
        self._took = options.timeout  # seconds, the latest answer
        self._brokers: tuple[str, ...] = ()  # addresses, as of the latest answer in which there were any

    def start(self) -> None:
        self._worker.start()

    def stop(self, timeout: float) -> bool:
        """Return whether the thread has ended within `timeout` seconds. May be called again."""
        return self._worker.stop(timeout)

    def sign_in(self, login: Login) -> None:
        """Ask by a new client from the next time on."""
        self._login = login

    def _run(self) -> None:
        while not self._worker.stopping.is_set():
            begun = self._now()
            self._observe(begun)
            self._worker.stopping.wait(max(self._options.interval - (self._now().mono - begun.mono), 0.05))

    def _observe(self, begun: Instant) -> None:
        """Ask until somebody answers or the time is up: a broker that hangs must not hide what the others know.

        A client may go on asking the one that hangs, or fail for long after an error, where a new one is answered at
        once. So one that is not answered soon, by the measure of the answer before, is replaced.
        """
        patience = self._patience()
        if self._login is not None:
            self._client = self._login = None
        while True:
            asked = self._now()
            left = begun.mono + self._options.timeout - asked.mono
            try:
                client, self._client = self._client or self._new_client(), None
                metadata = client.list_topics(timeout=max(min(patience, left), 0.01))
            except KafkaException as error:
                if patience >= left or self._worker.stopping.is_set():
                    self._post([ClusterUnreachable(self._now(), begun, describe(error)[1])])
                    return
                patience *= 2
            else:
                self._answered(client, asked, metadata)
                return

    def _new_client(self) -> AdminClient:
        """Return a client that can begin with any broker that was there: the address of a service in front of them may
        lead to dead ones for as long as Kubernetes takes to clear their pods away, 40 s and more.
        """
        configured = str(self._options.common["bootstrap.servers"]).split(",")
        servers = dict.fromkeys((*configured, *self._brokers))
        return admin_client({**self._options.common, "bootstrap.servers": ",".join(servers)})

    def _patience(self) -> float:
        return min(max(self._options.interval, 2 * self._took, LEAST_PATIENCE), self._options.timeout)

    def _answered(self, client: AdminClient, asked: Instant, metadata: ClusterMetadata) -> None:
        at = self._now()
        self._took = at.mono - asked.mono
        ids: Mapping[str, str | None] = {}
        try:
            # No longer for these than for the answer itself: who waits for them misses what happens meanwhile.
            patience = self._patience()
            ids = topic_ids(client, sorted(set(self._options.topics.values())), patience)
            self._settings.forget(name for name, one in ids.items() if one != self._ids.get(name))
            self._ids = dict(ids)
            self._settings.update(client, set(metadata.topics), at.mono, patience)
            self._client = client
        except KafkaException as error:
            self._post([adapter_error(self._now(), "admin", error)])
        view = self._view(metadata, ids)
        self._brokers = tuple(view.brokers.values())[:MAX_KNOWN] or self._brokers
        self._post([ClusterObserved(at, asked, view)])

    def _view(self, metadata: ClusterMetadata, ids: Mapping[str, str | None]) -> ClusterView:
        return ClusterView(
            cluster_id=cast("str | None", metadata.cluster_id) or "",
            brokers={broker.id: f"{broker.host}:{broker.port}" for broker in metadata.brokers.values()},
            topics={name: self._topic(name, topic, ids.get(name)) for name, topic in metadata.topics.items()},
            probe_topics=dict(self._options.topics),
            settings_read=self._settings.oldest,
        )

    def _topic(self, name: str, metadata: TopicMetadata, topic_id: str | None) -> TopicView:
        isr = self._settings.get(name, "min.insync.replicas")
        retention = self._settings.get(name, "retention.ms") if name in self._options.topics.values() else None
        return TopicView(
            name=name,
            topic_id=topic_id,
            min_isr=int(isr) if isr is not None else None,
            partitions=partition_views(metadata),
            retention_seconds=None if retention is None or int(retention) < 0 else int(retention) / 1000,
        )
