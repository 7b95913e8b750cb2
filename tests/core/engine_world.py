"""The production engine with hands: what adapters would post goes in, what it asks for and counts is kept."""

from __future__ import annotations

from collections import Counter, defaultdict

from kafka_sentinel.core.cluster import ClusterView, PartitionView, TopicView
from kafka_sentinel.core.commands import Command, Count, Log, Observe
from kafka_sentinel.core.engine import Engine
from kafka_sentinel.core.events import (
    ClusterObserved,
    ClusterUnreachable,
    Event,
    RecordsAcked,
    RecordsRead,
    RecordsSent,
    RecordsUncertain,
    Tick,
)
from kafka_sentinel.core.types import Acks, Instant, ProbePartition, Sighting, SightingKind, Span
from kafka_sentinel.engine_config import engine_config
from kafka_sentinel.settings import Settings

RUN = 7
INTERVAL = 0.5  # seconds between two probes, and between two ticks
ZERO, ONE = ProbePartition(Acks.ALL, 0), ProbePartition(Acks.ALL, 1)
TOPIC = "kafka-sentinel-probe"
BROKERS = (1, 2, 3)


def view(*, partitions: int = 1, brokers=BROKERS, leader: int | None = None, topic: bool = True) -> ClusterView:
    """Partition n is placed on brokers n + 1 and those after it; `leader` leads all, if given (-1: nobody)."""
    placed = []
    for number in range(partitions):
        replicas = tuple((number + step) % 3 + 1 for step in range(3))
        isr = tuple(broker for broker in replicas if broker in brokers)
        placed.append(PartitionView(number, replicas[0] if leader is None else leader, replicas, isr))
    topics = {TOPIC: TopicView(TOPIC, "topic id", 2, tuple(placed))} if topic else {}
    return ClusterView("cluster", {one: f"kafka-{one}:9092" for one in brokers}, topics, {Acks.ALL: TOPIC})


class Sentinel:
    """`sees`, `sent`, `acked`, … post one event each; `live` lets time pass with every probe acknowledged and read."""

    def __init__(self, *, partitions: int = 1, **sections) -> None:
        self.mono, self.wall = 1_000.0, 1.79e9
        self.counts: Counter[str] = Counter()  # name{label values} → sum
        self.samples: defaultdict[str, list[float]] = defaultdict(list)
        self.commands: list[Command] = []
        self.logs: list[Log] = []
        self.following: Counter[ProbePartition] = Counter()
        self.end: Counter[ProbePartition] = Counter()  # of the log
        settings = Settings.model_validate({"probe": {"interval": INTERVAL}, **sections})
        self.engine = Engine(engine_config(settings), run=RUN, started=self.now(), state=None)
        self.partitions = [ProbePartition(Acks.ALL, number) for number in range(partitions)]
        if partitions:
            self.sees(view(partitions=partitions))

    def now(self) -> Instant:
        return Instant(self.mono, self.wall)

    def step(self, event: Event) -> list[Command]:
        commands = self.engine.step(event)
        for command in commands:
            match command:
                case Count(metric=metric, labels=labels, amount=amount):
                    self.counts[series(metric, labels)] += amount
                case Observe(metric=metric, labels=labels, values=values):
                    self.samples[series(metric, labels)] += values
                case Log():
                    self.logs.append(command)
                case _:
                    self.commands.append(command)
        return commands

    def wait(self, seconds: float) -> None:
        for _ in range(round(seconds / INTERVAL)):
            self.mono += INTERVAL
            self.wall += INTERVAL
            self.step(Tick(self.now()))

    # --- what adapters tell

    def sees(self, cluster: ClusterView) -> list[Command]:
        return self.step(ClusterObserved(self.now(), self.now(), cluster))

    def sees_nothing(self) -> None:
        self.step(ClusterUnreachable(self.now(), self.now(), "3/3 brokers are down"))

    def sent(self, count: int = 1, partition: ProbePartition = ZERO) -> int:
        first = self.following[partition]
        self.following[partition] += count
        self.step(RecordsSent(self.now(), partition, self.engine.truth.run, first, count))
        return first

    def acked(self, first: int, count: int = 1, partition: ProbePartition = ZERO, latency: float = 0.004) -> None:
        """The leader wrote them at the end of its log, and said so."""
        spans = (Span(first, count, self.end[partition]),)
        self.end[partition] += count
        self.step(RecordsAcked(self.now(), partition, self.engine.truth.run, spans, (latency,)))

    def uncertain(self, first: int, count: int = 1, partition: ProbePartition = ZERO) -> None:
        self.step(
            RecordsUncertain(self.now(), partition, self.engine.truth.run, first, count, "_MSG_TIMED_OUT"),
        )

    def read(self, first: int, offset: int, count: int = 1, latency: float = 0.006) -> None:
        instance, run = self.engine.config.instance, self.engine.truth.run
        sighting = Sighting(SightingKind.RECORD, offset, count, 0, instance, run, first, self.wall)
        self.step(RecordsRead(self.now(), ZERO, offset, offset + count, (sighting,), (latency,)))

    def live(self, seconds: float) -> None:
        for _ in range(round(seconds / INTERVAL)):
            first, offset = self.sent(), self.end[ZERO]
            self.acked(first)
            self.read(first, offset)
            self.wait(INTERVAL)

    def suffer(self, seconds: float) -> int:
        """Probe a partition that takes and gives nothing. Returns the first sequence of this time."""
        first = self.following[ZERO]
        for _ in range(round(seconds / INTERVAL)):
            self.sent()
            self.wait(INTERVAL)
        return first

    # --- figures

    @property
    def status(self) -> dict:
        return self.engine.status()

    @property
    def records(self) -> dict[str, int]:
        return self.status["records"]["all"]


def series(metric: str, labels=()) -> str:
    return metric + "".join(f" {value}" for name, value in labels if name != "acks")
