"""Kafka on the simulated pods, as simple as can be: which brokers serve, who leads, which partitions can be written.

A broker serves while its container runs on a node that is there. One that ends in good order gives its partitions away
at once; any other is missed after a session time-out, and until then nothing is acknowledged by all. In some worlds
brokers are their own controllers: while most of them are away nobody is missed, nor leads another partition, and who is
left tells what was so before. No record is ever lost here: what becomes of records has worlds of its own.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from tests.sim.kubernetes_model import BROKERS, SET
from tests.sim.kubernetes_signs import node_of

from kafka_sentinel.core.cluster import ClusterView, PartitionView, QuorumView, TopicView
from kafka_sentinel.core.events import RecordsAcked, RecordsRead, RecordsSent, RecordsUncertain
from kafka_sentinel.core.types import Acks, ProbePartition, Sighting, SightingKind, Span

CLUSTER, TOPIC, TOPIC_ID = "sim", "probe", "topic"
SESSION = 9.0  # seconds of silence after which a broker is out of the cluster
REGISTERS = 3.0  # seconds from its start until a broker is in the cluster
CATCHES_UP = 6.0  # seconds from then until it is in sync
PREFERRED = 30.0  # seconds after which the partitions of a broker are led by it again
MIN_ISR = 2
APART = (100, 101, 102)  # controllers that are no brokers, where there are such
GIVEN_UP = 60.0  # seconds after which a client gives up a record


@dataclass
class Broker:
    serves: bool = True
    since: float = -1e6  # since when it does, or does not
    fenced: bool = False


@dataclass
class Partition:
    replicas: tuple
    leader: int
    isr: set
    spans: list = field(default_factory=list)  # (first offset, run, first sequence, count): what stands in the log
    end: int = 0

    def append(self, run, sequence, count):
        last = self.spans[-1] if self.spans else None
        if last is not None and last[1] == run and last[2] + last[3] == sequence:
            self.spans[-1] = (*last[:3], last[3] + count)
        else:
            self.spans.append((self.end, run, sequence, count))
        self.end += count

    def read(self, start, end, instance, wall):
        """Return what stands in [start, end)."""
        found = []
        for offset, run, first, count in self.spans:
            low, high = max(offset, start), min(offset + count, end)
            if low < high:
                of = (instance, run, first + low - offset, wall)
                found.append(Sighting(SightingKind.RECORD, low, high - low, 0, *of))
        return tuple(found)


class Kafka:
    def __init__(self, kubernetes):
        self.kubernetes = kubernetes
        self.brokers = {number: Broker() for number in range(BROKERS)}
        turned = [tuple((number + step) % BROKERS for step in range(BROKERS)) for number in range(BROKERS)]
        self.partitions = [Partition(replicas, replicas[0], set(replicas)) for replicas in turned]
        self.ruled = True  # whether there is a controller
        self.troubled_since = None  # since when some partition is not whole
        self._view = None

    def step(self):
        now = self.kubernetes.now
        serving = {number for number in self.brokers if self._serves(number)}
        self.ruled = not self.kubernetes.options.combined or len(serving) > BROKERS // 2
        for number, broker in self.brokers.items():
            self._look_at(number, broker, now, serves=number in serving)
        for partition in self.partitions if self.ruled else ():
            self._lead(partition, now)
        whole = self.ruled and all(len(one.isr) == BROKERS and one.leader >= 0 for one in self.partitions)
        self.troubled_since = None if whole else self.troubled_since or now
        self._view = None

    def _look_at(self, number, broker, now, *, serves):
        if serves is not broker.serves:
            raw = self._pod_of(number)
            in_order = not serves and (raw is None or "deletionTimestamp" in raw["metadata"])
            broker.serves, broker.since = serves, now
            broker.fenced |= in_order or serves  # who registers anew was gone, however short that was
        if self.ruled and not serves and now - broker.since >= SESSION:
            broker.fenced = True
        if self.ruled and serves and now - broker.since >= REGISTERS:
            broker.fenced = False

    def _pod_of(self, number):
        return self.kubernetes.brokers().get(f"{SET}-{number}")

    def _serves(self, number):
        raw = self._pod_of(number)
        if raw is None:
            return False
        states = raw["status"]["containerStatuses"]
        away = self.kubernetes.dead | self.kubernetes.cut
        return raw["status"]["phase"] == "Running" and "running" in states[0]["state"] and node_of(raw) not in away

    def _lead(self, partition, now):
        there = {number for number, broker in self.brokers.items() if not broker.fenced}
        partition.isr = (partition.isr & there) or partition.isr  # the last one in sync stays
        if partition.leader not in there:
            partition.leader = next((one for one in partition.replicas if one in partition.isr & there), -1)
        if partition.leader < 0:
            return
        for number in there - partition.isr:
            broker = self.brokers[number]
            if broker.serves and now - broker.since >= REGISTERS + CATCHES_UP:
                partition.isr.add(number)
        first = self.brokers[partition.replicas[0]]
        if partition.replicas[0] in partition.isr and first.serves and now - first.since >= PREFERRED:
            partition.leader = partition.replicas[0]

    # --- what clients see

    def writable(self, partition):
        """Whether a record can be acknowledged by all that are in sync now."""
        isr = partition.isr
        return partition.leader >= 0 and len(isr) >= MIN_ISR and all(self.brokers[one].serves for one in isr)

    def readable(self, partition):
        return partition.leader >= 0 and self.brokers[partition.leader].serves

    def reachable(self):
        return any(broker.serves for broker in self.brokers.values())

    def view(self):
        """Return what metadata says; None: nobody answers."""
        if not self.reachable():
            return None
        if self._view is None:
            live = {number: f"kafka-{number}:9092" for number, broker in self.brokers.items() if not broker.fenced}
            parts = tuple(
                PartitionView(number, one.leader, one.replicas, tuple(sorted(one.isr)))
                for number, one in enumerate(self.partitions)
            )
            topics = {TOPIC: TopicView(TOPIC, TOPIC_ID, MIN_ISR, parts)}
            self._view = ClusterView(CLUSTER, live, topics, {Acks.ALL: TOPIC})
        return self._view

    def quorum(self):
        if self.kubernetes.options.controllers_apart:
            return QuorumView(APART[0], 1, APART, APART)
        live = tuple(number for number, broker in self.brokers.items() if not broker.fenced)
        ruled = self.ruled and len(live) > BROKERS // 2
        return QuorumView(live[0], 1, tuple(self.brokers), live) if ruled else None


class Probes:
    """The producer and the verifier of one life of Sentinel: one record for each partition at a time."""

    def __init__(self, life, kafka, run):
        self.life, self.kafka, self.run = life, kafka, run
        self.probed = []  # partitions, as the engine asks for them
        self.next = [0] * BROKERS
        self.waiting = [[] for _ in range(BROKERS)]  # (sequence, sent) that were not acknowledged yet
        self.positions = [None] * BROKERS  # where the verifier is; None: not assigned

    def send(self):
        for number in self.probed:
            sequence, self.next[number] = self.next[number], self.next[number] + 1
            self.waiting[number].append((sequence, self.life.world.now))
            self.life.step(RecordsSent(self.life.instant(), name_of(number), self.run, sequence, 1))

    def look(self):
        """Take what was acknowledged and what can be read by now."""
        for number, partition in enumerate(self.kafka.partitions):
            if self.waiting[number]:
                self._settle(number, partition)
            position = self.positions[number]
            if position is not None and position < partition.end and self.kafka.readable(partition):
                self._read(number, partition, position)

    def _settle(self, number, partition):
        now, waiting = self.life.world.now, self.waiting[number]
        if self.kafka.writable(partition):
            first, count = waiting[0][0], len(waiting)
            offset, self.waiting[number] = partition.end, []
            partition.append(self.run, first, count)
            span = Span(first, count, offset)
            self.life.step(RecordsAcked(self.life.instant(), name_of(number), self.run, (span,), (0.01,)))
            return
        late = [sequence for sequence, sent in waiting if now - sent >= GIVEN_UP]
        if late:
            self.waiting[number] = waiting[len(late) :]
            given_up = (name_of(number), self.run, late[0], len(late), "_MSG_TIMED_OUT")
            self.life.step(RecordsUncertain(self.life.instant(), *given_up))

    def _read(self, number, partition, position):
        found = partition.read(position, partition.end, self.life.instance, self.life.instant().wall)
        self.positions[number] = partition.end
        self.life.step(
            RecordsRead(self.life.instant(), name_of(number), position, partition.end, found, (0.02,), 0),
        )

    def assign(self, partition, offset):
        self.positions[partition.partition] = max(offset, 0)


def name_of(number):
    return ProbePartition(Acks.ALL, number)
