"""Placement risk: if node X, zone Y or the spot pool went, which partitions would fall below min.insync.replicas?

Judged by the replicas that partitions are assigned, as if all were in sync: that is what placement promises. What is
out of sync at the moment is told by other figures, and would make this one jump with every restart.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from kafka_sentinel.core.cluster import ClusterView, PartitionView
from kafka_sentinel.core.kubernetes.capacity import Capacity
from kafka_sentinel.core.kubernetes.fleet import BrokerPod, FleetView

MAX_TOPICS = 20  # names kept for each node, zone and the spot pool; the rest is counted
MAX_SAID = 5  # names in one sentence


class Domain(StrEnum):
    """What may go at once."""

    NODE = "node"
    ZONE = "zone"
    SPOT_POOL = "spot_pool"


@dataclass(frozen=True, slots=True)
class Exposed:
    """What one node, one zone or the spot pool would take with it.

    `partitions` would fall below min ISR; `bare` of all topics would have no replica left. `topics` names at most
    `MAX_TOPICS` of the `topic_count` topics concerned. `quorum`: the KRaft quorum would lose its majority.
    """

    domain: Domain
    name: str
    members: tuple[int, ...]  # brokers and controllers
    partitions: int
    bare: int
    topics: tuple[str, ...]
    topic_count: int
    quorum: bool

    @property
    def is_risk(self) -> bool:
        """Tell whether anything would be lost."""
        return bool(self.partitions or self.bare or self.quorum)

    def sentence(self) -> str:
        """Say it, for people."""
        where = "the spot pool" if self.domain is Domain.SPOT_POOL else f"{self.domain} {self.name}"
        if not self.partitions:
            taken = "no partition would fall below min.insync.replicas"
        else:
            rest = self.topic_count - MAX_SAID
            names = ", ".join(self.topics[:MAX_SAID]) + (f" and {rest} more" if rest > 0 else "")
            which = f"{self.partitions} {'partition' if self.partitions == 1 else 'partitions'}"
            of = f"{'topic' if self.topic_count == 1 else 'topics'} {names}"
            taken = f"{which} would fall below min.insync.replicas ({of})"
        taken += f", {self.bare} would have no replica left" if self.bare else ""
        return f"if {where} went, {taken}" + (", and the KRaft quorum its majority" if self.quorum else "")


@dataclass(frozen=True, slots=True)
class Exposure:
    """`counts`: partitions that the worst node, the worst zone, and the spot pool would take below min ISR.

    `unplaced`: brokers whose node is not known; they are in no domain, so the counts may be too small. `unjudged`:
    topics whose min.insync.replicas is not known; they are in no count.
    """

    counts: Mapping[Domain, int]
    each: tuple[Exposed, ...]  # the worst first
    unplaced: tuple[int, ...]
    unjudged: int


class _Group:
    """One node, one zone or the spot pool while its losses are added up."""

    def __init__(self, domain: Domain, name: str) -> None:
        self.domain, self.name = domain, name
        self.members: set[int] = set()
        self.partitions = self.bare = 0
        self.topics: dict[str, None] = {}  # in order


def exposure(cluster: ClusterView, fleet: FleetView, voters: Collection[int] = ()) -> Exposure:
    """Return what would be lost together. `voters`: of the KRaft quorum; none where it is not known."""
    groups: dict[tuple[Domain, str], _Group] = {}
    places: dict[int, tuple[_Group, ...]] = {}
    for pod in fleet:
        places[pod.broker] = tuple(groups.setdefault(key, _Group(*key)) for key in _domains(pod))
        for group in places[pod.broker]:
            group.members.add(pod.broker)
    unjudged = 0
    for topic in cluster.topics.values():
        if topic.min_isr is None:
            unjudged += 1
            continue
        for part in topic.partitions:
            _lose(topic.name, part, topic.min_isr, places)
    replicas = {broker for topic in cluster.topics.values() for part in topic.partitions for broker in part.replicas}
    placed = {number for number, found in places.items() if any(group.domain is Domain.NODE for group in found)}
    return Exposure(
        counts={
            domain: max((group.partitions for group in groups.values() if group.domain is domain), default=0)
            for domain in Domain
        },
        each=tuple(sorted((_result(group, voters) for group in groups.values()), key=_badness)),
        unplaced=tuple(sorted((replicas | set(cluster.brokers)) - placed)),
        unjudged=unjudged,
    )


def _domains(pod: BrokerPod) -> list[tuple[Domain, str]]:
    found = []
    if pod.node is not None:
        found.append((Domain.NODE, pod.node))
    if pod.zone is not None:
        found.append((Domain.ZONE, pod.zone))
    if pod.capacity is Capacity.SPOT:
        found.append((Domain.SPOT_POOL, Domain.SPOT_POOL.value))
    return found


def _lose(topic: str, part: PartitionView, min_isr: int, places: Mapping[int, Iterable[_Group]]) -> None:
    """Add one partition to the groups whose loss it would feel."""
    lost: Counter[_Group] = Counter(group for broker in part.replicas for group in places.get(broker, ()))
    for group, copies in lost.items():
        left = len(part.replicas) - copies
        group.bare += left == 0
        if left < min_isr:
            group.partitions += 1
            group.topics[topic] = None


def _result(group: _Group, voters: Collection[int]) -> Exposed:
    left = set(voters) - group.members
    return Exposed(
        domain=group.domain,
        name=group.name,
        members=tuple(sorted(group.members)),
        partitions=group.partitions,
        bare=group.bare,
        topics=tuple(group.topics)[:MAX_TOPICS],
        topic_count=len(group.topics),
        quorum=bool(voters) and len(left) < len(set(voters)) // 2 + 1,
    )


def _badness(one: Exposed) -> tuple[int, int, int, str, str]:
    return -one.partitions, -one.bare, -one.quorum, one.domain.value, one.name
