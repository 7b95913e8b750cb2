"""The pods of one Kafka cluster and where they live, as one immutable view."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from kafka_sentinel.core.kubernetes.capacity import Capacity
from kafka_sentinel.core.kubernetes.selector import Selector
from kafka_sentinel.core.kubernetes.views import KafkaResourceView


class Flavour(StrEnum):
    AUTO = "auto"
    STRIMZI = "strimzi"
    BITNAMI = "bitnami"
    STATEFUL_SET = "statefulset"


class Role(StrEnum):
    BROKER = "broker"
    CONTROLLER = "controller"


class Side(StrEnum):
    """Pods that belong to a Kafka cluster and are neither brokers nor KRaft controllers."""

    ZOOKEEPER = "zookeeper"
    ENTITY_OPERATOR = "entity_operator"
    CLUSTER_OPERATOR = "cluster_operator"


@dataclass(frozen=True, slots=True)
class FleetSpec:
    """Which pods to look for. `cluster`: name of the Strimzi cluster, the Helm release or the StatefulSet.

    `selector` and `first_id` (broker id of ordinal 0) are for `statefulset`, as are `zookeeper` (name of ZooKeeper's
    StatefulSet) and `zookeeper_selector`; `spot_labels` mean spot besides those that are known; `late_signals`:
    seconds a restart or the loss of a node waits to be counted, because what tells its cause may come late.
    """

    namespace: str
    flavour: Flavour = Flavour.AUTO
    cluster: str | None = None
    selector: Selector | None = None
    first_id: int = 0
    spot_labels: Mapping[str, str] = field(default_factory=dict)
    late_signals: float = 60.0
    zookeeper: str | None = None
    zookeeper_selector: Selector | None = None


@dataclass(frozen=True, slots=True)
class KafkaSays:
    """What Kafka itself tells of its nodes; empty where it is not known."""

    cluster_id: str | None = None
    brokers: frozenset[int] = frozenset()  # seen in metadata, alive or not
    voters: frozenset[int] = frozenset()


@dataclass(frozen=True, slots=True)
class DataVolume:
    """Where a broker keeps its log. `local`: the bytes are on one node and go with it; None: not known.

    `claim` None: not claimed, so it goes with the pod (and with its node).
    """

    claim: str | None
    volume: str | None
    local: bool | None
    hostnames: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class BrokerPod:
    """A pod that runs a broker, a KRaft controller or both. What is None or unknown could not be seen."""

    broker: int  # node id
    uid: str
    name: str
    namespace: str
    roles: frozenset[Role]
    pool: str | None
    node: str | None
    node_uid: str | None
    zone: str | None
    capacity: Capacity
    volumes: tuple[DataVolume, ...]
    budgets: tuple[str, ...]  # names of the disruption budgets that match it
    ready: bool
    deleting: bool
    created: float | None

    @property
    def local(self) -> bool | None:
        """Tell whether some of its data goes with the node; None: not known."""
        if any(volume.local for volume in self.volumes):
            return True
        return None if any(volume.local is None for volume in self.volumes) else False


@dataclass(frozen=True, slots=True)
class SidePod:
    side: Side
    uid: str
    name: str
    namespace: str
    node: str | None
    node_uid: str | None
    zone: str | None
    capacity: Capacity
    budgets: tuple[str, ...]
    ready: bool
    deleting: bool
    created: float | None


@dataclass(frozen=True, slots=True)
class FleetView:
    """`problems`: sentences on what could not be found or matched. A pod that is in doubt is in no map."""

    flavour: Flavour
    namespace: str
    cluster: str | None
    pods: Mapping[int, BrokerPod]  # brokers by id
    controllers: Mapping[int, BrokerPod]  # KRaft controllers by id; a node with both roles is in both
    sides: tuple[SidePod, ...] = ()
    kafka: KafkaResourceView | None = None
    problems: tuple[str, ...] = ()

    @property
    def members(self) -> Mapping[int, BrokerPod]:
        """Brokers and controllers by node id."""
        return {**self.controllers, **self.pods}

    def on_node(self, node_uid: str) -> frozenset[int]:
        """Return the ids of the brokers and controllers on a node."""
        return frozenset(member.broker for member in self if member.node_uid == node_uid)

    def of_pod(self, pod_uid: str) -> BrokerPod | None:
        return next((member for member in self if member.uid == pod_uid), None)

    def side_pods(self, side: Side) -> tuple[SidePod, ...]:
        return tuple(pod for pod in self.sides if pod.side is side)

    def taken_with(self, node_uid: str) -> tuple[BrokerPod | SidePod, ...]:
        """Return every pod of the Kafka cluster on a node. Strimzi's operator is none: it serves others as well."""
        sides = (pod for pod in self.sides if pod.side is not Side.CLUSTER_OPERATOR)
        return tuple(pod for pod in (*self, *sides) if pod.node_uid == node_uid)

    def __iter__(self) -> Iterator[BrokerPod]:
        """Brokers and controllers, by id."""
        members = self.members
        return iter(members[number] for number in sorted(members))
