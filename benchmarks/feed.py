"""The production engine, fed with what its adapters would tell of a Kafka that loses nothing: no brokers, no client.

Everything is a run of records, as in real life at high rates: one event for each partition and interval.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from kafka_sentinel.core.cluster import ClusterView, PartitionView, TopicView
from kafka_sentinel.core.commands import Command, Recheck, SaveState
from kafka_sentinel.core.engine import Engine
from kafka_sentinel.core.events import (
    ClusterObserved,
    Event,
    RecheckDone,
    RecordsAcked,
    RecordsRead,
    RecordsSent,
    StateSaved,
    Tick,
)
from kafka_sentinel.core.types import Acks, Claims, Instant, ProbePartition, Sighting, SightingKind, Span
from kafka_sentinel.engine_config import engine_config
from kafka_sentinel.settings import Settings

RUN = 7
COPIES = 3
TOPIC, TOPIC_ID = "kafka-sentinel-probe", "topic"
INTERVAL = 0.5  # simulated seconds between two batches of a partition, unless told otherwise
OBSERVE = 1.0  # simulated seconds between two looks at the cluster
KEPT = 600  # intervals that retention leaves in the log


class Feed:
    """`step` lets one interval pass. Sequences are offsets: every partition holds our records and no others."""

    def __init__(
        self,
        *,
        partitions: int,
        rate: float,
        interval: float = INTERVAL,
        brokers: Sequence[int] = (1, 2, 3),
        **sections: Mapping[str, object],
    ) -> None:
        """`rate`: records a second to each partition, told of once in each `interval` (simulated seconds)."""
        self._interval, self._count, self._brokers = interval, round(rate * interval), tuple(brokers)
        probe = {"interval": interval}
        self.settings = Settings.model_validate({"state": {"file": "state.json"}, **sections, "probe": probe})
        self._mono = 1_000.0
        self.engine = Engine(engine_config(self.settings), run=RUN, started=self.now(), state=None)
        self.partitions = [ProbePartition(Acks.ALL, number) for number in range(partitions)]
        self.accounted = 0  # records acknowledged and read
        self._end = 0  # of every log
        self._held: list[tuple[int, float]] = []  # first sequence and send instant of what awaits its acknowledgement
        self._passed = 0

    def live(self, seconds: float) -> None:
        """Let that much time pass, with nothing going wrong."""
        for _ in range(round(seconds / self._interval)):
            self.step()

    def step(self, *, down: bool = False) -> None:
        """Let an interval pass. `down`: broker 1 is away, and nothing is acknowledged."""
        self._mono += self._interval
        self._passed += 1
        if (self._passed - 1) % max(round(OBSERVE / self._interval), 1) == 0:
            self.post(ClusterObserved(self.now(), self.now(), self._view(down=down)))
        first = self._end + self._count * len(self._held)
        self._held.append((first, self.now().wall))
        for partition in self.partitions:
            self.post(RecordsSent(self.now(), partition, RUN, first, self._count))
        while self._held and not down:
            self._deliver(*self._held.pop(0))
        self.post(Tick(self.now()))

    def _deliver(self, first: int, sent: float) -> None:
        latency = (self.now().wall - sent + 0.004,)
        for partition in self.partitions:
            self.post(RecordsAcked(self.now(), partition, RUN, (Span(first, self._count, first),), latency))
        self._end = first + self._count
        for partition in self.partitions:
            sightings = (self._sighting(first, self._end, sent),)
            self.post(RecordsRead(self.now(), partition, first, self._end, sightings, latency, self._start))
        self.accounted += self._count * len(self.partitions)

    def _answer(self, asked: Recheck) -> RecheckDone:
        start, end = max(asked.start, self._start), min(asked.end, self._end)
        found = (self._sighting(start, end),) if start < end else ()
        position = max(start, end)
        return RecheckDone(self.now(), asked.recheck, asked.partition, start, position, self._start, TOPIC_ID, found)

    @property
    def _start(self) -> int:
        return max(self._end - KEPT * self._count, 0)

    def now(self) -> Instant:
        return Instant(self._mono, 1.79e9 + self._mono)

    def _sighting(self, start: int, end: int, sent: float = 0.0) -> Sighting:
        # A record knows what had been acknowledged when it was sent: at most an interval less than what is now.
        claims = Claims(0, max(end - 2 * self._count - 1, -1), ())
        return Sighting(
            SightingKind.RECORD, start, end - start, 0, self.engine.config.instance, RUN, start, sent, claims
        )

    def _view(self, *, down: bool) -> ClusterView:
        up = self._brokers[1:] if down else self._brokers
        placed = tuple(self._placed(each.partition, up, down=down) for each in self.partitions)
        return ClusterView(
            "cluster",
            {broker: f"kafka-{broker}:9092" for broker in up},
            {TOPIC: TopicView(TOPIC, TOPIC_ID, 2, placed)},
            {Acks.ALL: TOPIC},
        )

    def _placed(self, number: int, up: Sequence[int], *, down: bool) -> PartitionView:
        replicas = tuple(self._brokers[(number + step) % len(self._brokers)] for step in range(COPIES))
        in_sync = tuple(broker for broker in replicas if broker in up) if down else replicas
        return PartitionView(number, -1 if down else replicas[0], replicas, in_sync)

    def post(self, event: Event) -> None:
        self._do(self.engine.step(event))

    def _do(self, commands: Sequence[Command]) -> None:
        for command in commands:
            if isinstance(command, Recheck):
                self.post(self._answer(command))
            elif isinstance(command, SaveState):
                self.post(StateSaved(self.now(), command.generation))
