"""Which nodes an experiment would hit: a target specification judged against the newest views."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from hashlib import blake2b
from typing import TypeVar

from kafka_sentinel.core.cluster import ClusterView, PartitionView, QuorumView
from kafka_sentinel.core.types import Acks, NodeRef, PodRef

ALLOWED = "any, broker:<id>, leader, leader:<partition>, controller"

Choice = TypeVar("Choice")


class TargetError(ValueError):
    """A target that cannot be taken as written; the message says what was found and what is allowed."""


class TargetKind(StrEnum):
    ANY = "any"  # one live broker
    BROKER = "broker"  # the broker of that id
    LEADER = "leader"  # the leader of a partition of the acks=all probe topic: the one of that number, or one of them
    CONTROLLER = "controller"  # the active KRaft controller, as the quorum names it


@dataclass(frozen=True, slots=True)
class TargetSpec:
    kind: TargetKind
    number: int | None = None  # broker id or partition

    def __str__(self) -> str:
        return self.kind.value if self.number is None else f"{self.kind}:{self.number}"


@dataclass(frozen=True, slots=True)
class Target:
    """The set that every guard judges. An empty set comes with the reason why there is none.

    `brokers`: ids of the Kafka nodes that are hit, brokers and KRaft controllers. `pods`: on Kubernetes all pods that
    are hit, those of other sorts too. `node`: the node of Kubernetes that is hit with them, if the fault is one of
    nodes.
    """

    brokers: frozenset[int]
    reason: str = ""
    pods: tuple[PodRef, ...] = ()
    node: NodeRef | None = None


def parse_target(text: str) -> TargetSpec:
    kind, colon, number = text.strip().lower().partition(":")
    if colon and not (number.isascii() and number.isdigit() and len(number) <= 9):  # noqa: PLR2004 - digits of an int32
        raise TargetError(f'target "{text}" needs a number after the colon; allowed are {ALLOWED}')
    spec = TargetSpec(TargetKind(kind), int(number) if colon else None) if kind in set(TargetKind) else None
    if (
        spec is None
        or (spec.kind is TargetKind.BROKER and not colon)
        or (spec.kind in {TargetKind.ANY, TargetKind.CONTROLLER} and colon)
    ):
        raise TargetError(f'target "{text}" is not known; allowed are {ALLOWED}')
    return spec


def resolve(spec: TargetSpec, salt: str, cluster: ClusterView | None, quorum: QuorumView | None) -> Target:
    """Return the nodes that `spec` means now. Where it leaves a choice, the same `salt` and views choose the same."""
    match spec.kind:
        case TargetKind.BROKER:
            assert spec.number is not None
            return Target(frozenset({spec.number}))
        case TargetKind.CONTROLLER:
            return _controller(quorum)
        case TargetKind.ANY:
            return _any(salt, cluster)
        case TargetKind.LEADER:
            return _leader(spec.number, salt, cluster)


def _controller(quorum: QuorumView | None) -> Target:
    if quorum is None:
        return Target(frozenset(), "the quorum has not been seen yet")
    if quorum.leader < 0:
        return Target(frozenset(), "the quorum has no leader")
    return Target(frozenset({quorum.leader}))


def _any(salt: str, cluster: ClusterView | None) -> Target:
    if cluster is None or not cluster.brokers:
        return Target(frozenset(), "no live broker has been seen yet")
    return Target(frozenset({_choose(sorted(cluster.brokers), salt)}))


def _leader(number: int | None, salt: str, cluster: ClusterView | None) -> Target:
    topic = cluster.probe_topic(Acks.ALL) if cluster is not None else None
    if topic is None:
        return Target(frozenset(), "the probe topic has not been seen yet")
    found: list[PartitionView] = sorted(
        (view for view in topic.partitions if number is None or view.partition == number),
        key=lambda view: view.partition,
    )
    if not found:
        which = "partitions" if number is None else f"partition {number}"
        return Target(frozenset(), f"topic {topic.name} has no {which}")
    # Chosen among all partitions, led or not, so that an election in between does not move the choice elsewhere.
    chosen = _choose(found, salt)
    if chosen.leader < 0:
        return Target(frozenset(), f"partition {chosen.partition} of {topic.name} has no leader")
    return Target(frozenset({chosen.leader}))


def _choose(candidates: Sequence[Choice], salt: str) -> Choice:
    return candidates[int.from_bytes(blake2b(salt.encode(), digest_size=8).digest()) % len(candidates)]
