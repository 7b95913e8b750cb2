"""Asks Kafka what the audit wants to know: brokers, topics, settings with their sources and defaults, ACLs, quorum.

Everything is asked in bounded requests, one after the other, and what is refused or not answered becomes a gap that
says why: the audit must not take silence for a good setting.
"""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any, cast

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import (  # type: ignore[attr-defined]  # all public, though not annotated as such
    AclBinding,
    AclBindingFilter,
    AclOperation,
    AclPermissionType,
    AdminClient,
    ClusterMetadata,
    ConfigEntry,
    ConfigResource,
    ConfigSource,
    ResourcePatternType,
    ResourceType,
)
from kafka.errors import UnsupportedVersionError

from kafka import KafkaAdminClient
from kafka_sentinel.adapters.kafka_client import ClientProperties, kafka_error
from kafka_sentinel.adapters.quorum import quorum_view
from kafka_sentinel.adapters.topics import CONFIG_BATCH, admin_client, partition_views, settled
from kafka_sentinel.core.audit.facts import (
    AclFacts,
    BrokerFacts,
    Gap,
    KafkaFacts,
    Part,
    Setting,
    Settings,
    Source,
    whole,
)
from kafka_sentinel.core.audit.finding import counted, named
from kafka_sentinel.core.cluster import ClusterView, TopicView

MAX_TOPICS = 20_000  # whose settings are read; of the rest it is said that they were not
MAX_ACLS = 20_000
MAX_SILENCES = 3  # requests in a row that nobody answers, until the rest is not asked for
TELL_EVERY = 20  # requests for topic settings between two words on how far it is
# Of the settings of a topic, those that are judged. An inventory keeps all.
JUDGED = frozenset(
    {
        "min.insync.replicas",
        "unclean.leader.election.enable",
        "retention.ms",
        "retention.bytes",
        "cleanup.policy",
    }
)
SOURCES = {  # by the number of the protocol, of which there may be more than the client knows
    ConfigSource.DYNAMIC_TOPIC_CONFIG.value: Source.TOPIC,
    ConfigSource.DYNAMIC_BROKER_CONFIG.value: Source.BROKER,
    ConfigSource.DYNAMIC_DEFAULT_BROKER_CONFIG.value: Source.ALL_BROKERS,
    ConfigSource.STATIC_BROKER_CONFIG.value: Source.FILE,
    ConfigSource.DEFAULT_CONFIG.value: Source.DEFAULT,
    ConfigSource.GROUP_CONFIG.value: Source.GROUP,
}
REFUSED = {
    KafkaError.TOPIC_AUTHORIZATION_FAILED: "we may not: allow DescribeConfigs on these topics by ACLs",
    KafkaError.CLUSTER_AUTHORIZATION_FAILED: "we may not: allow {right} on the cluster by an ACL",
}
ACKS = (
    "which acks the producers ask for: Kafka does not tell. librdkafka and, since 3.0, the Java client ask for all "
    "unless told otherwise; older Java clients ask for 1, which may lose what was acknowledged at any failover"
)
HIDDEN = "topics that our user may not Describe: Kafka does not say that they exist"
SUPER_USERS = "who the super users are, for whom no access rule holds: Kafka does not tell"

Progress = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class AuditOptions:
    """`quorum`: the same connection in the words of kafka-python. `timeout`: seconds for each request.

    `everything`: keep all settings, not only those that are judged.
    """

    common: ClientProperties
    quorum: Mapping[str, object]
    probes: frozenset[str]
    timeout: float = 10.0
    everything: bool = False


class NoAnswer(Exception):  # noqa: N818 - it is an answer, and often not an error of ours
    """Kafka as a whole did not answer. The message is a sentence without secrets."""


@dataclass(slots=True)
class _Interned:
    """Makes equal settings one object: ten thousand topics have few different ones."""

    known: dict[Setting, Setting] = field(default_factory=dict)

    def __call__(self, setting: Setting) -> Setting:
        return self.known.setdefault(setting, setting)


class KafkaAudit:
    """One look at a cluster. To be used once."""

    def __init__(self, options: AuditOptions, progress: Progress = lambda _: None) -> None:
        self._options = options
        self._tell = progress
        self._client: AdminClient = admin_client(options.common)  # held here: its futures die with it
        self._gaps: list[Gap] = []
        self._interned = _Interned()

    def look(self) -> tuple[KafkaFacts, tuple[Gap, ...]]:
        """Return what was found and what could not be. Raises NoAnswer if no broker answers."""
        try:
            metadata = self._client.list_topics(timeout=self._options.timeout)
        except KafkaException as raised:
            raise NoAnswer(f"no broker answered within {self._options.timeout:g} s: {_reason(raised)}") from None
        self._tell(f"{counted(len(metadata.brokers), 'broker')}, {counted(len(metadata.topics), 'topic')}")
        brokers = self._brokers(metadata)
        self._note_absent(metadata)
        settings = self._topic_settings(sorted(metadata.topics))
        acls, has_authorizer = self._acls()
        if has_authorizer and not acls:  # librdkafka tells of no rules where there is no authorizer as well
            has_authorizer = _names_authorizer(brokers.values())
        if has_authorizer is not False:
            self._gap(Part.TOPICS, HIDDEN, whole=False)
            self._gap(Part.ACLS, SUPER_USERS, whole=False)
        self._gap(Part.PRODUCERS, ACKS)
        facts = KafkaFacts(
            view=self._view(metadata, settings),
            brokers=brokers,
            settings=settings,
            acls=acls,
            has_authorizer=has_authorizer,
            voters=self._voters(),
            probes=self._options.probes,
        )
        return facts, tuple(self._gaps)

    def _gap(self, part: Part, why: str, *, whole: bool = True) -> None:
        self._gaps.append(Gap(part, why, whole))

    # --- brokers

    def _brokers(self, metadata: ClusterMetadata) -> dict[int, BrokerFacts]:
        racks = self._racks()
        found = {}
        reasons: dict[str, list[str]] = defaultdict(list)
        for number, broker in sorted(metadata.brokers.items()):
            resource = ConfigResource(ResourceType.BROKER, str(number))  # each must be asked for by itself
            settings: Settings | None = None
            try:
                settings = self._settings([resource])[str(number)]
            except KafkaException as raised:
                reasons[_reason(raised, "DescribeConfigs")].append(str(number))
            found[number] = BrokerFacts(number, f"{broker.host}:{broker.port}", racks.get(number), settings)
        none = all(one.settings is None for one in found.values())
        for reason, numbers in reasons.items():
            which = "of all brokers" if len(numbers) == len(found) else f"of broker {named(numbers)}"
            self._gap(Part.BROKER_SETTINGS, f"settings {which}: {reason}", whole=none)
        return found

    def _note_absent(self, metadata: ClusterMetadata) -> None:
        """Say which brokers have replicas and are not up: nothing is known of their settings."""
        parts = (part for topic in metadata.topics.values() for part in topic.partitions.values())
        absent = sorted({broker for part in parts for broker in part.replicas} - set(metadata.brokers))
        if absent:
            which = f"broker {named(map(str, absent))}"
            self._gap(Part.BROKERS, f"{which}: topics have replicas there, and it is not up", whole=False)

    def _racks(self) -> dict[int, str | None]:
        timeout = self._options.timeout
        try:
            nodes = settled(self._client.describe_cluster(request_timeout=timeout), timeout + 1).nodes
        except KafkaException as raised:
            self._gap(Part.RACKS, f"racks of the brokers: {_reason(raised, 'Describe')}")
            return {}
        return {node.id: node.rack or None for node in nodes}

    # --- topics

    def _topic_settings(self, names: list[str]) -> dict[str, Settings]:
        if len(names) > MAX_TOPICS:
            self._gap(
                Part.TOPIC_SETTINGS,
                f"settings of {len(names) - MAX_TOPICS} topics, beyond the first {MAX_TOPICS}",
                whole=False,
            )
            names = names[:MAX_TOPICS]
        found: dict[str, Settings] = {}
        refused: dict[str, list[str]] = defaultdict(list)
        silences = 0
        for index in range(0, len(names), CONFIG_BATCH):
            batch = names[index : index + CONFIG_BATCH]
            if silences >= MAX_SILENCES:
                refused["nobody answered"] += batch
                continue
            answered = self._of_batch(batch, found, refused)
            silences = 0 if answered else silences + 1
            if index // CONFIG_BATCH % TELL_EVERY == TELL_EVERY - 1:
                self._tell(f"settings of {index + len(batch)} of {len(names)} topics")
        for reason, topics in refused.items():
            self._gap(
                Part.TOPIC_SETTINGS,
                f"settings of {counted(len(topics), 'topic')} ({named(topics)}): {reason}",
                whole=not found,
            )
        return found

    def _of_batch(self, batch: list[str], found: dict[str, Settings], refused: dict[str, list[str]]) -> bool:
        """Read the settings of some topics. Returns whether anybody answered."""
        kept = None if self._options.everything else JUDGED
        resources = [ConfigResource(ResourceType.TOPIC, name) for name in batch]
        answered = False
        for name, future in self._asked(resources):
            try:
                found[name] = self._read(settled(future, self._options.timeout + 1), kept)
                answered = True
            except KafkaException as raised:
                code = kafka_error(raised).code()
                answered |= code >= 0  # those below are the client's own: nobody answered
                if code != KafkaError.UNKNOWN_TOPIC_OR_PART:  # else it is gone meanwhile
                    refused[_reason(raised, "DescribeConfigs")].append(name)
        return answered

    def _view(self, metadata: ClusterMetadata, settings: Mapping[str, Settings]) -> ClusterView:
        topics = {}
        for name, topic in metadata.topics.items():
            least = settings.get(name, {}).get("min.insync.replicas")
            topics[name] = TopicView(name, None, whole(least.value) if least else None, partition_views(topic))
        return ClusterView(
            cluster_id=cast("str | None", metadata.cluster_id) or "",
            brokers={broker.id: f"{broker.host}:{broker.port}" for broker in metadata.brokers.values()},
            topics=topics,
            probe_topics={},
        )

    # --- settings

    def _settings(self, resources: list[Any]) -> dict[str, Settings]:
        return {
            name: self._read(settled(future, self._options.timeout + 1), None)
            for name, future in self._asked(resources)
        }

    def _asked(self, resources: list[Any]) -> Iterable[tuple[str, Future[Mapping[str, ConfigEntry]]]]:
        answer = self._client.describe_configs(resources, request_timeout=self._options.timeout)
        return [(resource.name, future) for resource, future in answer.items()]

    def _read(self, entries: Mapping[str, ConfigEntry], kept: frozenset[str] | None) -> Settings:
        return {name: self._interned(setting(entry)) for name, entry in entries.items() if kept is None or name in kept}

    # --- access and quorum

    def _acls(self) -> tuple[tuple[AclFacts, ...] | None, bool | None]:
        """Return the access rules, and whether there is an authorizer; None for what could not be found out."""
        every: Any = None  # what its annotations leave out
        everything = AclBindingFilter(
            ResourceType.ANY, every, ResourcePatternType.ANY, every, every, AclOperation.ANY, AclPermissionType.ANY
        )
        timeout = self._options.timeout
        try:
            found = settled(self._client.describe_acls(everything, request_timeout=timeout), timeout + 1)
        except KafkaException as raised:
            if kafka_error(raised).code() == KafkaError.SECURITY_DISABLED:
                return (), False
            self._gap(Part.ACLS, f"access rules: {_reason(raised, 'Describe')}")
            return None, None
        if len(found) > MAX_ACLS:
            self._gap(Part.ACLS, f"{len(found) - MAX_ACLS} access rules, beyond the first {MAX_ACLS}", whole=False)
        return tuple(_acl(one) for one in found[:MAX_ACLS]), True

    def _voters(self) -> tuple[int, ...] | None:
        logging.getLogger("kafka").setLevel(logging.CRITICAL)  # what it meets is said in our own sentence
        milliseconds = round(self._options.timeout * 1000)
        limits = {"request_timeout_ms": milliseconds, "bootstrap_timeout_ms": milliseconds}
        try:
            client = KafkaAdminClient(client_id="kafka-sentinel-audit", **limits, **self._options.quorum)
            try:
                return quorum_view(client.describe_metadata_quorum()).voters
            finally:
                client.close()
        except UnsupportedVersionError:  # brokers with ZooKeeper do not offer the request
            return ()
        except Exception as error:  # noqa: BLE001 - whatever that library meets, the quorum is not known
            text = str(error).removeprefix(f"{type(error).__name__}: ")
            why = f"the KRaft quorum: {type(error).__name__}: {text}; to see it takes Describe on the cluster"
            self._gap(Part.QUORUM, why)
            return None


def _names_authorizer(brokers: Iterable[BrokerFacts]) -> bool | None:
    """Return whether the settings of any broker name an authorizer; None if none could be read."""
    named = [one.value("authorizer.class.name") for one in brokers if one.settings is not None]
    return any(named) if named else None


def setting(entry: ConfigEntry) -> Setting:
    """Return what a broker says of one setting."""
    return Setting(
        value=None if entry.is_sensitive else entry.value,
        source=_source(entry),
        default=None if entry.is_sensitive else _default(entry),
        secret=entry.is_sensitive,
    )


def _default(entry: ConfigEntry) -> str | None:
    """Return Kafka's own value; None where it does not tell, as of `retention.ms` where a topic has one of its own."""
    if _source(entry) is Source.DEFAULT:
        return entry.value
    return next((one.value for one in entry.synonyms.values() if _source(one) is Source.DEFAULT), None)


def _source(entry: ConfigEntry) -> Source:
    number: Any = getattr(entry.source, "value", entry.source)  # the client gives the bare number
    return SOURCES.get(number, Source.UNKNOWN)


def _acl(binding: AclBinding) -> AclFacts:
    return AclFacts(
        principal=binding.principal,
        host=binding.host,
        operation=_word(AclOperation(binding.operation)),
        allows=binding.permission_type is AclPermissionType.ALLOW,
        resource=_word(ResourceType(binding.restype)),
        name=binding.name,
        pattern=_word(ResourcePatternType(binding.resource_pattern_type)),
    )


def _word(one: AclOperation | ResourceType | ResourcePatternType) -> str:
    """Turn DESCRIBE_CONFIGS into "DescribeConfigs", as kafka-acls.sh says it. The client's BROKER is the cluster."""
    return "Cluster" if one is ResourceType.BROKER else "".join(part.capitalize() for part in one.name.split("_"))


def _reason(raised: KafkaException, right: str = "") -> str:
    error = kafka_error(raised)
    text = f"{error.str().strip(' :')} ({error.name()})"
    return REFUSED.get(error.code(), text).format(right=right) if error.code() in REFUSED else text
