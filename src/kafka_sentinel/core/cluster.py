"""What the cluster looked like at one moment: immutable views and what changed between two of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from kafka_sentinel.core.types import Acks


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
    """One metadata answer: every broker and every topic (internal ones included)."""

    cluster_id: str
    brokers: Mapping[int, str]  # id → "host:port", the live ones
    topics: Mapping[str, TopicView]
    probe_topics: Mapping[Acks, str]
    reassigning: frozenset[tuple[str, int]] = field(default_factory=frozenset)

    def probe_topic(self, acks: Acks) -> TopicView | None:
        name = self.probe_topics.get(acks)
        return self.topics.get(name) if name is not None else None


@dataclass(frozen=True, slots=True)
class QuorumView:
    """The KRaft quorum as its leader describes it."""

    leader: int  # -1: none
    epoch: int
    voters: tuple[int, ...]
    caught_up_voters: tuple[int, ...]  # voters at most one second of log behind the leader
    reassigning: frozenset[tuple[str, int]] = field(default_factory=frozenset)
