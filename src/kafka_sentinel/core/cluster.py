"""What the cluster looked like at one moment: immutable views and what changed between two of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from kafka_sentinel.core.types import Acks, Instant, ProbePartition


@dataclass(frozen=True, slots=True)
class PartitionView:
    partition: int
    leader: int  # -1: none
    replicas: tuple[int, ...]
    isr: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class TopicView:
    name: str
    topic_id: str | None  # None: the broker did not say (asked for probe topics only)
    min_isr: int | None  # min.insync.replicas; None: not known
    partitions: tuple[PartitionView, ...]
    retention_seconds: float | None = None  # None: unlimited or not known; read for probe topics only


@dataclass(frozen=True, slots=True)
class ClusterView:
    """One metadata answer: every broker and every topic (internal ones included).

    `settings_read`: monotonic second at which the oldest of the topics' settings in it was read; None: there are none.
    """

    cluster_id: str
    brokers: Mapping[int, str]  # id → "host:port", the live ones
    topics: Mapping[str, TopicView]
    probe_topics: Mapping[Acks, str]
    reassigning: frozenset[tuple[str, int]] = field(default_factory=frozenset)
    settings_read: float | None = None

    def probe_topic(self, acks: Acks) -> TopicView | None:
        name = self.probe_topics.get(acks)
        return self.topics.get(name) if name is not None else None


@dataclass(frozen=True, slots=True)
class QuorumView:
    """The KRaft quorum as its leader describes it. Without voters: the cluster has none, but ZooKeeper.

    `leader_time`: what the leader's clock showed as it answered, Unix time; None: it does not say (before Kafka 3.3).
    """

    leader: int  # -1: none
    epoch: int
    voters: tuple[int, ...]
    caught_up_voters: tuple[int, ...]  # voters at most one second of log behind the leader
    reassigning: frozenset[tuple[str, int]] = field(default_factory=frozenset)
    leader_time: float | None = None


@dataclass(frozen=True, slots=True)
class EnsembleView:
    """A ZooKeeper ensemble on machines of its own. `servers`: all of it, `serving`: those with a quorum, "host:port".

    `asked`: when the first of them was asked; None: never yet.
    """

    servers: tuple[str, ...]
    serving: frozenset[str] = frozenset()
    asked: Instant | None = None


@dataclass(frozen=True, slots=True)
class ProviderView:
    """A cluster that a provider runs, as the provider says. `state`: its word for it, as ACTIVE; "": not known.

    `hosts`: per broker id the names under which the provider lets it be reached. `asked`: when; None: never yet.
    `problem`: why the newest answer is none.
    """

    state: str = ""
    hosts: Mapping[int, tuple[str, ...]] = field(default_factory=dict)
    asked: Instant | None = None
    problem: str = ""


TopicPartition = tuple[str, int]


def under_replicated(view: ClusterView) -> list[TopicPartition]:
    """Return the partitions of any topic with fewer in-sync replicas than replicas."""
    return [(name, part.partition) for name, part in _partitions(view) if len(part.isr) < len(part.replicas)]


def under_min_isr(view: ClusterView) -> list[TopicPartition]:
    """Return the partitions of any topic that refuse acks=all for want of in-sync replicas."""
    return [
        (topic.name, part.partition)
        for topic in view.topics.values()
        if topic.min_isr is not None
        for part in topic.partitions
        if len(part.isr) < topic.min_isr
    ]


def offline(view: ClusterView) -> list[TopicPartition]:
    """Return the partitions of any topic without a leader, or whose leader is not among the live brokers."""
    return [(name, part.partition) for name, part in _partitions(view) if not has_leader(view, part)]


def has_leader(view: ClusterView, part: PartitionView) -> bool:
    return part.leader in view.brokers  # which are no negative numbers


def _partitions(view: ClusterView) -> list[tuple[str, PartitionView]]:
    return [(topic.name, part) for topic in view.topics.values() for part in topic.partitions]


def probe_partitions(view: ClusterView) -> dict[ProbePartition, PartitionView]:
    """Return the partitions of all probe topics that exist."""
    return {
        ProbePartition(acks, part.partition): part
        for acks in view.probe_topics
        if (topic := view.probe_topic(acks)) is not None
        for part in topic.partitions
    }


def brokers_unprobed(view: ClusterView) -> list[int]:
    """Return the live brokers that lead no probe partition: nothing shows whether they take writes."""
    return sorted(set(view.brokers) - {part.leader for part in probe_partitions(view).values()})


def brokers_down(known: frozenset[int], view: ClusterView) -> list[int]:
    """Return the brokers that were seen once and are not live now."""
    return sorted(known - set(view.brokers))


class Change(NamedTuple):
    """One number of one probe partition: its leader (-1: none) or the size of its ISR."""

    partition: ProbePartition
    before: int
    after: int


@dataclass(frozen=True, slots=True)
class ClusterDiff:
    """What differs from an older view to a newer one. A recreated topic shows as that, not as changes of leaders."""

    joined: tuple[int, ...]
    gone: tuple[int, ...]
    leaders: tuple[Change, ...]
    isr: tuple[Change, ...]  # sizes; shrunk where after < before
    topics_recreated: tuple[Acks, ...]
    topics_missing: tuple[Acks, ...]
    partitions_added: tuple[ProbePartition, ...]

    @property
    def elections(self) -> int:
        """Number of probe partitions that got a leader they did not have."""
        return sum(change.after >= 0 for change in self.leaders)


def diff(before: ClusterView, after: ClusterView) -> ClusterDiff:
    old, new = probe_partitions(before), probe_partitions(after)
    recreated = tuple(
        acks for acks in after.probe_topics if _recreated(before.probe_topic(acks), after.probe_topic(acks))
    )
    common = [partition for partition in sorted(new) if partition in old and partition.acks not in recreated]
    leaders = [Change(partition, old[partition].leader, new[partition].leader) for partition in common]
    sizes = [Change(partition, len(old[partition].isr), len(new[partition].isr)) for partition in common]
    return ClusterDiff(
        joined=tuple(sorted(set(after.brokers) - set(before.brokers))),
        gone=tuple(sorted(set(before.brokers) - set(after.brokers))),
        leaders=tuple(change for change in leaders if change.before != change.after),
        isr=tuple(change for change in sizes if change.before != change.after),
        topics_recreated=recreated,
        topics_missing=tuple(
            acks
            for acks in before.probe_topics
            if before.probe_topic(acks) is not None and after.probe_topic(acks) is None
        ),
        partitions_added=tuple(partition for partition in sorted(new) if partition not in old),
    )


def _recreated(before: TopicView | None, after: TopicView | None) -> bool:
    """Tell whether both answers bear a topic id and the ids differ. A missing id proves nothing."""
    if before is None or after is None or before.topic_id is None or after.topic_id is None:
        return False
    return before.topic_id != after.topic_id
