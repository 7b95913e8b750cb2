"""What the audit may know: settings, access, pods and where they run, and what could not be looked at.

Adapters gather these; the rules judge them. What is None is not known, and has a `Gap` that says why.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from kafka_sentinel.core.audit.workload import BudgetSpec, ListenerSpec, PodSpec
from kafka_sentinel.core.cluster import ClusterView
from kafka_sentinel.core.kubernetes.exposure import Exposure
from kafka_sentinel.core.kubernetes.fleet import Flavour, FleetView

# Topics that Kafka makes for itself. (What stands in `__cluster_metadata` is no topic that is listed.)
OWN_TOPICS = ("__consumer_offsets", "__transaction_state", "__share_group_state")


def whole(text: str | None) -> int | None:
    """Return a value as a number; None if it is none."""
    try:
        return None if text is None else int(text)
    except ValueError:
        return None


class Part(StrEnum):
    """What is looked at. A rule is judged only if all parts it needs were."""

    TOPICS = "topics"
    TOPIC_SETTINGS = "topic settings"
    BROKERS = "brokers"
    BROKER_SETTINGS = "broker settings"
    RACKS = "racks"
    ACLS = "ACLs"
    QUORUM = "KRaft quorum"
    PRODUCERS = "producers"
    PODS = "pods"
    NODES = "nodes"
    VOLUMES = "volumes"
    BUDGETS = "disruption budgets"
    KAFKA_RESOURCE = "Kafka resource"
    OPERATOR = "operator"
    DRAIN_CLEANER = "drain cleaner"
    OBJECTS = "other objects"  # for the inventory alone


OF_KAFKA = (
    Part.TOPICS,
    Part.TOPIC_SETTINGS,
    Part.BROKERS,
    Part.BROKER_SETTINGS,
    Part.RACKS,
    Part.ACLS,
    Part.QUORUM,
)
OF_KUBERNETES = (
    Part.PODS,
    Part.NODES,
    Part.VOLUMES,
    Part.BUDGETS,
    Part.KAFKA_RESOURCE,
    Part.OPERATOR,
    Part.DRAIN_CLEANER,
)


@dataclass(frozen=True, slots=True)
class Gap:
    """What was not looked at and why, as a sentence. `whole` False: the rest of that part was."""

    part: Part
    why: str
    whole: bool = True


class Source(StrEnum):
    """Where the value of a setting comes from."""

    TOPIC = "topic"
    BROKER = "this broker"  # set while it runs
    ALL_BROKERS = "all brokers"  # set while they run
    FILE = "file"  # the broker's own configuration
    DEFAULT = "default"
    GROUP = "group"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Setting:
    """`value` None: not set, or secret. `default`: Kafka's own; None where it has none or did not say."""

    value: str | None
    source: Source
    default: str | None = None
    secret: bool = False


Settings = Mapping[str, Setting]


@dataclass(frozen=True, slots=True)
class BrokerFacts:
    """`settings` None: they could not be read."""

    broker: int
    address: str
    rack: str | None
    settings: Settings | None = None

    def value(self, name: str) -> str | None:
        setting = self.settings.get(name) if self.settings is not None else None
        return setting.value if setting is not None else None

    def number(self, name: str) -> int | None:
        return whole(self.value(name))


@dataclass(frozen=True, slots=True)
class AclFacts:
    """One access rule, in the words of kafka-acls: `resource` as "Topic", `operation` as "Write"."""

    principal: str
    host: str
    operation: str
    allows: bool
    resource: str
    name: str
    pattern: str


@dataclass(frozen=True, slots=True)
class KafkaFacts:
    """`settings`: topic → its settings, of the topics whose settings could be read. `acls` None: not known.

    `has_authorizer` None: not known. `probes`: Sentinel's own topics. `voters`: of the KRaft quorum; None: not known,
    empty: there is none, but ZooKeeper.
    """

    view: ClusterView
    brokers: Mapping[int, BrokerFacts]
    settings: Mapping[str, Settings]
    acls: tuple[AclFacts, ...] | None = None
    has_authorizer: bool | None = None
    voters: tuple[int, ...] | None = None
    probes: frozenset[str] = frozenset()

    @property
    def known_brokers(self) -> frozenset[int]:
        """The brokers that are up, and those that topics have replicas on."""
        topics = self.view.topics.values()
        assigned = {broker for topic in topics for part in topic.partitions for broker in part.replicas}
        return frozenset(assigned | set(self.brokers))

    def setting(self, topic: str, name: str) -> str | None:
        found = self.settings.get(topic, {}).get(name)
        return found.value if found is not None else None

    def number(self, topic: str, name: str) -> int | None:
        return whole(self.setting(topic, name))


@dataclass(frozen=True, slots=True)
class KubernetesFacts:
    """`pods`: by uid, those of the fleet. `exposure` None: Kafka's topics are not known.

    `budgets`: by name, those of Kafka's namespace. `listeners`: of the Kafka resource, if there is one.
    """

    fleet: FleetView
    pods: Mapping[str, PodSpec] = field(default_factory=dict)
    budgets: Mapping[str, BudgetSpec] = field(default_factory=dict)
    listeners: tuple[ListenerSpec, ...] = ()
    exposure: Exposure | None = None
    drain_cleaner: bool | None = None


@dataclass(frozen=True, slots=True)
class Facts:
    """`kafka` None: it was not asked, or did not answer; `kubernetes` likewise."""

    kafka: KafkaFacts | None
    kubernetes: KubernetesFacts | None
    gaps: tuple[Gap, ...] = ()

    @property
    def flavour(self) -> Flavour | None:
        """How Kafka was installed; None: not known."""
        return self.kubernetes.fleet.flavour if self.kubernetes is not None else None

    def local_brokers(self) -> frozenset[int]:
        """Return the brokers known to have their log on the node's own disk, or in the pod."""
        if self.kubernetes is None:
            return frozenset()
        return frozenset(number for number, pod in self.kubernetes.fleet.pods.items() if pod.local)

    def missing(self) -> frozenset[Part]:
        """Return the parts that were not looked at, as a whole."""
        of_kafka = OF_KAFKA if self.kafka is None else ()
        of_kubernetes = OF_KUBERNETES if self.kubernetes is None else ()
        return frozenset((*of_kafka, *of_kubernetes, *(gap.part for gap in self.gaps if gap.whole)))
