"""Since when brokers do not answer: Kubernetes notices a dead node only after a grace period, Kafka's clients at once.

A broker is silent once metadata names it no more (or nobody answers metadata), from the first bad slot of a partition
it led; bad slots alone are no silence, for a slow disk makes them too. Nor does a slot date it that was bad for want of
other replicas, while the broker was there, or long before metadata named the broker no more.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable

from kafka_sentinel.core.cluster import ClusterView, PartitionView, probe_partitions
from kafka_sentinel.core.slots import Edge, Operation
from kafka_sentinel.core.types import Instant, ProbePartition

NAMED = 30.0  # seconds for which metadata may name a silent broker: its session time-out, and what asking takes
MAX_LEADERS = 8  # changes of leader remembered per partition: a slot is judged a while after it was sent


class Silence:
    def __init__(self) -> None:
        self.since: dict[int, Instant] = {}  # broker → since when it does not answer
        self._leaders: dict[ProbePartition, deque[tuple[Instant, int]]] = {}
        self._down: dict[ProbePartition, tuple[int, Instant]] = {}  # not writable: its leader then, and since when
        self._brokers: frozenset[int] = frozenset()  # in the newest answer

    @property
    def named(self) -> frozenset[int]:
        """Return the brokers that metadata names; none while nobody answers."""
        return self._brokers - self.since.keys()

    def answered(self, asked: Instant, view: ClusterView) -> None:
        """Take a metadata answer."""
        for partition, part in probe_partitions(view).items():
            known = self._leaders.setdefault(partition, deque(maxlen=MAX_LEADERS))
            if not known or known[-1][1] != part.leader:
                known.append((asked, part.leader))
            led_then, _ = self._down.get(partition, (None, asked))
            if part.leader in view.brokers and part.leader == led_then and _lacks_replicas(view, partition, part):
                del self._down[partition]
        present = frozenset(view.brokers)
        for broker in self._brokers - present:
            self._silent(broker, asked)
        self.since = {broker: at for broker, at in self.since.items() if broker not in present}
        self._brokers = present

    def unanswered(self, asked: Instant) -> None:
        """Note that no broker answered: those that were there are silent."""
        for broker in self._brokers:
            self._silent(broker, asked)

    def slots(self, edges: Iterable[Edge]) -> None:
        """Take what became writable and what did not."""
        for edge in edges:
            if edge.operation is not Operation.PRODUCE:
                continue
            if edge.available:
                self._down.pop(edge.partition, None)
                continue
            leader = self._leader(edge.partition, edge.at)
            if leader is not None:
                self._down[edge.partition] = (leader, edge.at)
                if leader in self.since:
                    self.since[leader] = min(self.since[leader], edge.at, key=_mono)

    def _silent(self, broker: int, at: Instant) -> None:
        down = [since for leader, since in self._down.values() if leader == broker]
        signs = [at, *(since for since in down if at.mono - since.mono <= NAMED)]
        self.since.setdefault(broker, min(signs, key=_mono))

    def _leader(self, partition: ProbePartition, at: Instant) -> int | None:
        """Return who led a partition at an instant, as far as is known."""
        led = [leader for since, leader in self._leaders.get(partition, ()) if since.mono <= at.mono]
        return next((leader for leader in reversed(led) if leader >= 0), None)


def _mono(at: Instant) -> float:
    return at.mono


def _lacks_replicas(view: ClusterView, partition: ProbePartition, part: PartitionView) -> bool:
    """Tell whether too few replicas are in sync for it to take writes."""
    topic = view.probe_topic(partition.acks)
    return topic is not None and topic.min_isr is not None and len(part.isr) < topic.min_isr
