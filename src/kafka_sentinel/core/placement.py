"""Where the replicas of a probe topic go: every broker leads a partition, and replicas avoid sharing a rack."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from kafka_sentinel.core.cluster import TopicView

MAX_REPLICATION = 3
DEFAULT_MIN_ISR = 2

Assignment = list[list[int]]  # for each partition its replicas; the first is the preferred leader


class TopicProblem(Exception):  # noqa: N818 - it tells of a state of the cluster, not of a mistake in the program
    """The probe topic cannot be made, or does not protect what is written to it. The text is a sentence for people."""


def replication(brokers: int, wanted: int | None) -> int:
    """Return the replication factor on a cluster of `brokers`: what is wanted, else the usual three or fewer."""
    if brokers == 0:
        raise TopicProblem("no broker is up, so the probe topic cannot be placed")
    if wanted is None:
        return min(MAX_REPLICATION, brokers)
    if wanted > brokers:
        raise TopicProblem(f"replication factor {wanted} is wanted for the probe topic, but {brokers} broker(s) are up")
    return wanted


def min_isr(factor: int, wanted: int | None) -> int:
    """Return min.insync.replicas for replication factor `factor`."""
    if wanted is None:
        return min(DEFAULT_MIN_ISR, factor)
    if wanted > factor:
        raise TopicProblem(
            f"min.insync.replicas {wanted} is above the replication factor {factor} of the probe topic: "
            "nothing could ever be written with acks=all"
        )
    return wanted


def partition_count(brokers: int, wanted: int | None) -> int:
    """Return how many partitions a probe topic is made with. `wanted` None: two for every broker."""
    return 2 * brokers if wanted is None else wanted


def plan_topic(brokers: Mapping[int, str | None], factor: int, partitions: int | None = None) -> Assignment:
    """Place a new topic on `brokers` (id → rack). By default every broker leads two partitions."""
    count = partition_count(len(brokers), partitions)
    if count < len(brokers):
        raise TopicProblem(
            f"{count} partition(s) are wanted for the probe topic, but {len(brokers)} brokers should lead one each"
        )
    order = _by_rack(brokers)
    return [_replicas(order, brokers, factor, index % len(order), index // len(order)) for index in range(count)]


def plan_growth(topic: TopicView, brokers: Mapping[int, str | None]) -> Assignment:
    """Return partitions to add, so that each of `brokers` leads one. What exists stays where it is.

    A broker counts as leading where it is the preferred leader, whoever leads at the moment.
    """
    leaders = {partition.replicas[0] for partition in topic.partitions if partition.replicas}
    factor = min(max((len(partition.replicas) for partition in topic.partitions), default=1), len(brokers))
    order = _by_rack(brokers)
    return [
        _replicas(order, brokers, factor, index, len(topic.partitions))
        for index, broker in enumerate(order)
        if broker not in leaders
    ]


def weaknesses(topic: TopicView, factor: int, isr: int) -> list[str]:
    """Say in sentences how an existing probe topic protects less than it should."""
    found = []
    thin = sorted(partition.partition for partition in topic.partitions if len(partition.replicas) < factor)
    if thin:
        found.append(f"topic {topic.name}: partition(s) {thin} have fewer than the {factor} replicas they should have")
    if topic.min_isr is not None and topic.min_isr < isr:
        found.append(f"topic {topic.name}: min.insync.replicas is {topic.min_isr} and should be {isr}")
    return found


def _by_rack(brokers: Mapping[int, str | None]) -> list[int]:
    """Order brokers so that neighbours are in different racks if possible: the first of each rack, the second, …"""
    racks: dict[str, list[int]] = {}
    for broker in sorted(brokers):
        racks.setdefault(brokers[broker] or "", []).append(broker)
    ranks = {broker: (rank, rack) for rack, members in racks.items() for rank, broker in enumerate(members)}
    return sorted(brokers, key=lambda broker: (*ranks[broker], broker))


def _replicas(order: Sequence[int], racks: Mapping[int, str | None], factor: int, leader: int, shift: int) -> list[int]:
    """Return the leader and its followers: those that come next, starting `shift` further on, new racks first."""
    others = [*order[leader + 1 :], *order[:leader]]
    if others:
        turn = shift % len(others)
        others = others[turn:] + others[:turn]
    chosen = [order[leader]]
    while len(chosen) < factor:
        used = {racks[broker] for broker in chosen}
        fresh = [broker for broker in others if racks[broker] not in used]
        following = (fresh or others)[0]
        others.remove(following)
        chosen.append(following)
    return chosen
