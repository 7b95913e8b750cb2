"""Builds the Kafka adapters from the settings, and hands each command to the one that can do it."""

from __future__ import annotations

from typing import Protocol

from kafka_sentinel.adapters.admin import ClusterWatcher, WatchOptions
from kafka_sentinel.adapters.connection import Connection
from kafka_sentinel.adapters.credentials import Client, CredentialsWatcher
from kafka_sentinel.adapters.diagnosis import Diagnosis
from kafka_sentinel.adapters.ensemble import EnsembleWatcher
from kafka_sentinel.adapters.group_consumer import GroupConsumer, GroupOptions
from kafka_sentinel.adapters.kafka_client import ClientProperties, Now, OnDeath, Post
from kafka_sentinel.adapters.producer import ProbeProducer
from kafka_sentinel.adapters.producer_client import ProducerOptions
from kafka_sentinel.adapters.quorum import QuorumOptions, QuorumWatcher
from kafka_sentinel.adapters.recheck import Rechecker, RecheckOptions
from kafka_sentinel.adapters.topics import TopicKeeper, TopicOptions
from kafka_sentinel.adapters.verifier import Verifier, VerifierOptions
from kafka_sentinel.core.commands import AssignReader, Diagnose, EnsureTopic, Probe, Recheck, RenewClients, SetLoad
from kafka_sentinel.core.types import Acks
from kafka_sentinel.settings import Settings

LEAST_SILENCE = 10.0  # seconds in which the verifier hears nothing of a partition until it does something about it


class Part(Protocol):
    """What has a thread of its own."""

    def start(self) -> None: ...
    def stop(self, timeout: float) -> bool: ...


class KafkaAdapters:
    def __init__(
        self,
        settings: Settings,
        *,
        instance: int,
        producer_extra: ClientProperties,
        post: Post,
        now: Now,
        on_death: OnDeath,
    ) -> None:
        timeout = {"socket.timeout.ms": int(settings.probe.socket_timeout * 1000)}
        connection = Connection(settings.kafka)
        common = connection.librdkafka(timeout)
        topics = probe_topics(settings)
        probe = settings.probe
        self._usual_rate = self._rate = probe.records_per_interval / probe.interval  # records per second and partition
        self._load: float | None = None
        self._probed = 0  # partitions, of all levels
        self._producers = {
            acks: ProbeProducer(
                ProducerOptions(
                    common=common,
                    topic=topic,
                    acks=acks,
                    instance=instance,
                    record_size=probe.record_size,
                    interval=probe.interval,
                    records_per_second=self._usual_rate,
                    delivery_timeout=probe.delivery_timeout,
                    extra=producer_extra,
                ),
                post=post,
                now=now,
                on_death=on_death,
            )
            for acks, topic in topics.items()
        }
        self._verifiers = {
            acks: Verifier(
                VerifierOptions(
                    common=common,
                    topic=topic,
                    acks=acks,
                    instance=instance,
                    silence=max(LEAST_SILENCE, 3 * probe.interval),
                ),
                post=post,
                now=now,
                on_death=on_death,
            )
            for acks, topic in topics.items()
        }
        self._rechecker = Rechecker(RecheckOptions(common=common, topics=topics), post=post, now=now, on_death=on_death)
        self._keeper = TopicKeeper(
            common,
            {acks: topic_options(settings, topic) for acks, topic in topics.items()},
            post=post,
            now=now,
            on_death=on_death,
        )
        self._cluster = ClusterWatcher(
            WatchOptions(common=common, topics=topics, interval=settings.cluster.snapshot_interval),
            post=post,
            now=now,
            on_death=on_death,
        )
        group = settings.group_consumer
        self._groups = [
            GroupConsumer(
                GroupOptions(common=common, topics=topics, group_id=group.group_id, protocol=group.protocol),
                post=post,
                now=now,
                on_death=on_death,
            )
            for _ in range(group.enabled)
        ]
        self._quorum = QuorumWatcher(
            QuorumOptions(client=connection.kafka_python(), interval=settings.cluster.quorum_interval),
            post=post,
            now=now,
            on_death=on_death,
        )
        self._diagnosis = Diagnosis(settings, post=post, now=now, on_death=on_death)

        clients: list[Client] = [*self._producers.values(), *self._verifiers.values(), *self._groups]
        clients += [self._cluster, self._quorum]
        self._credentials = CredentialsWatcher(connection, clients, post=post, now=now, on_death=on_death)
        servers, often = settings.cluster.zookeeper, settings.cluster.quorum_interval
        watcher = EnsembleWatcher(servers, often, post=post, now=now, on_death=on_death)
        self._ensemble = (watcher,) if servers else ()

    def start(self) -> None:
        for part in self._readers():
            part.start()
        self._diagnosis.start()
        for producer in self._producers.values():
            producer.start()

    def stop(self, timeout: float) -> None:
        """Stop what sends first, then what reads. Each part gets `timeout` seconds."""
        self._diagnosis.stop(0.0)  # what it still had to say is not waited for
        for producer in self._producers.values():
            producer.stop(timeout)
        for part in self._readers():
            part.stop(timeout)

    def stop_sending(self) -> None:
        """Have the producers send no more; they still wait for what is in flight. The readers read on."""
        for producer in self._producers.values():
            producer.probe(())

    def _readers(self) -> list[Part]:
        return [
            *self._verifiers.values(),
            *self._groups,
            self._rechecker,
            self._keeper,
            self._cluster,
            self._quorum,
            self._credentials,
            *self._ensemble,
        ]

    def begin_run(self, run: int) -> None:
        for producer in self._producers.values():
            producer.begin_run(run)
        for verifier in self._verifiers.values():
            verifier.begin_run(run)

    def do(self, command: Probe | SetLoad | AssignReader | RenewClients | Recheck | EnsureTopic | Diagnose) -> None:
        match command:
            case Probe(partitions=partitions):
                for acks in self._producers:
                    self._producers[acks].probe(partitions)
                    self._verifiers[acks].probe(partitions)
                self._probed = len(partitions)
                self._pace()
            case SetLoad(records_per_second=load):
                self._load = load
                self._pace()
            case AssignReader(partition=partition, offset=offset):
                self._verifiers[partition.acks].assign(partition, offset)
            case RenewClients(acks=acks):
                self._producers[acks].renew()
                self._verifiers[acks].renew()
            case Recheck():
                self._rechecker.submit(command)
            case EnsureTopic(acks=acks):
                self._keeper.ensure(acks)
            case Diagnose():
                self._diagnosis.examine()

    def _pace(self) -> None:
        """Spread the load over the partitions there are; it only ever raises their rate."""
        share = self._load / self._probed if self._load is not None and self._probed else 0.0
        rate = max(self._usual_rate, share)
        if rate != self._rate:
            self._rate = rate
            for producer in self._producers.values():
                producer.set_rate(rate)


def probe_topics(settings: Settings) -> dict[Acks, str]:
    topics = {Acks.ALL: settings.probe.topic}
    if settings.probe.acks_one.enabled:
        topics[Acks.ONE] = settings.probe.acks_one.topic
    return topics


def topic_options(settings: Settings, topic: str) -> TopicOptions:
    probe = settings.probe
    return TopicOptions(
        name=topic,
        partitions=probe.partitions,
        replication_factor=probe.replication_factor,
        min_isr=probe.min_insync_replicas,
        retention_seconds=probe.retention,
    )
