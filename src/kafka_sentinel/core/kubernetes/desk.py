"""The Kubernetes desk: watch events in, the fleet and what happened to it out. It ties the rooms together in order.

What changed is first told to those who follow nodes and pods, who still know them as they were; only then the fleet is
discovered anew, at most once a tick.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from kafka_sentinel.core.cluster import ClusterView, QuorumView, probe_partitions
from kafka_sentinel.core.commands import Count, Observe
from kafka_sentinel.core.events import ObjectChanged, ObjectDeleted, ObjectsListed
from kafka_sentinel.core.kubernetes.discovery import discover
from kafka_sentinel.core.kubernetes.disruptions import DisruptionChange, Disruptions
from kafka_sentinel.core.kubernetes.exposure import Exposure, exposure
from kafka_sentinel.core.kubernetes.fleet import FleetSpec, FleetView, KafkaSays, Role
from kafka_sentinel.core.kubernetes.inventory import Inventory, WatchEvent
from kafka_sentinel.core.kubernetes.node_watch import NodeWatch
from kafka_sentinel.core.kubernetes.restarts import RestartChange, Restarts
from kafka_sentinel.core.kubernetes.stuck import StuckPod, stuck
from kafka_sentinel.core.kubernetes.views import Kind
from kafka_sentinel.core.types import Instant

LOOK_EVERY = 5.0  # seconds between two looks at what costs a pass over all partitions, or changes with time alone


@dataclass(frozen=True, slots=True)
class DeskStep:
    disruptions: tuple[DisruptionChange, ...]
    restarts: tuple[RestartChange, ...]
    commands: tuple[Count | Observe, ...]


class KubernetesDesk:
    def __init__(self, spec: FleetSpec) -> None:
        self.inventory = Inventory()
        self.disruptions = Disruptions(settle=spec.late_signals)
        self.restarts = Restarts(self.inventory, self.disruptions, settle=spec.late_signals)
        self.exposure: Exposure | None = None  # None: brokers or pods were not seen yet
        self.stuck: tuple[StuckPod, ...] = ()
        self._spec = spec
        self._nodes = NodeWatch(self.inventory, self.disruptions, spec.spot_labels)
        self.says = KafkaSays()  # brokers that were named once stay named
        self.fleet: FleetView = discover(spec, self.inventory, self.says)
        self._changed = False  # since the fleet was discovered
        self._is_new = False  # the fleet, since the last look
        self._next_look = 0.0

    def take(self, event: WatchEvent) -> None:
        """Take what a watch has to tell. After a gap it tells much at once: a pod may come and go between two ticks."""
        if isinstance(event, ObjectChanged | ObjectDeleted) and self.restarts.is_successor(event.view):
            self.refresh()
        changes = self.inventory.take(event)
        self._nodes.take(changes)
        self.restarts.take(changes)
        if isinstance(event, ObjectsListed) and event.kind is Kind.NODE:
            self._nodes.listed(event.at)
        self._changed |= any(change.kind is not Kind.EVENT for change in changes)

    def hear_kafka(self, cluster: ClusterView | None, quorum: QuorumView | None) -> None:
        """Take what Kafka says of its nodes. Brokers that were named once stay named."""
        said = self.says
        says = KafkaSays(
            cluster_id=cluster.cluster_id if cluster is not None else said.cluster_id,
            brokers=said.brokers | (_named_in(cluster) if cluster is not None else frozenset()),
            voters=frozenset(quorum.voters) if quorum is not None else said.voters,
        )
        self._changed |= says != said
        self.says = says

    def as_of(self, kinds: Iterable[Kind]) -> Instant | None:
        """Return the instant as of which all these kinds are known; None: one of them is not."""
        instants = [self.inventory.as_of(kind) for kind in kinds]
        known = [at for at in instants if at is not None]
        return min(known, key=lambda at: at.mono) if known and len(known) == len(instants) else None

    def pods_as_of(self) -> Instant | None:
        """Return the instant as of which the pods in Kafka's namespace are known; None: they are not."""
        return self.inventory.as_of(Kind.POD, self._spec.namespace)

    def refresh(self) -> None:
        """Discover the fleet anew if something has changed since."""
        if self._changed:
            self._changed, self._is_new = False, True
            self.fleet = discover(self._spec, self.inventory, self.says)
            self.restarts.follow(self.fleet)

    def tick(self, now: Instant, cluster: ClusterView | None) -> DeskStep:
        """Bring everything up to `now`, and return what happened since the tick before."""
        self.refresh()
        self._nodes.hosts(now, _hosts(self.fleet))
        self._nodes.tick(now)
        if self._is_new or now.mono >= self._next_look:
            self._is_new, self._next_look = False, now.mono + LOOK_EVERY
            self._look(now, cluster)
        nodes, pods = self.disruptions.tick(now, self.as_of([Kind.NODE])), self.restarts.tick(now)
        return DeskStep(nodes.changes, pods.changes, (*nodes.commands, *pods.commands))

    def _look(self, now: Instant, cluster: ClusterView | None) -> None:
        if cluster is not None and self.fleet.members:
            self.exposure = exposure(cluster, self.fleet, self.says.voters)
        pods = (self.inventory.pods.get(member.uid) for member in self.fleet)
        found = (stuck(pod, self.inventory, now.wall) for pod in pods if pod is not None)
        self.stuck = tuple(one for one in found if one is not None)


def _named_in(cluster: ClusterView) -> frozenset[int]:
    """Return the brokers that metadata names: those that are up, and those that hold a replica of a probe partition.

    One that was down when Sentinel began would else pass for a mere controller, if it is one of the voters.
    """
    replicas = (part.replicas for part in probe_partitions(cluster).values())
    return frozenset(cluster.brokers).union(*replicas)


def _hosts(fleet: FleetView) -> dict[str, frozenset[int]]:
    """Return the nodes of the fleet by uid, with the brokers on each; a node of controllers has none."""
    hosts: dict[str, set[int]] = {}
    for member in fleet:
        if member.node_uid is not None:
            brokers = hosts.setdefault(member.node_uid, set())
            if Role.BROKER in member.roles:
                brokers.add(member.broker)
    return {uid: frozenset(brokers) for uid, brokers in hosts.items()}
