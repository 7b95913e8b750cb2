"""The engine: one event in, the commands that follow from it out. It ties the desks together and decides nothing itself.

truth          what became of each record            (truth.py, ledger.py, verdicts.py)
availability   when partitions could be used         (availability.py)
incidents      what happened, why, how long it took  (incidents.py, recovery.py)
experiments    what may be broken next               (experiments.py, guards.py)
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from kafka_sentinel.core.availability import Availability
from kafka_sentinel.core.cluster import ClusterView, QuorumView
from kafka_sentinel.core.commands import Command, Count, EnsureTopic, Log, Observe, SaveState
from kafka_sentinel.core.events import (
    AdapterError,
    ClusterObserved,
    ClusterUnreachable,
    Event,
    ProducerRestarted,
    QuorumObserved,
    QuorumUnreachable,
    ReaderLost,
    RecheckDone,
    RecheckFailed,
    RecordsAcked,
    RecordsRead,
    RecordsRejected,
    RecordsSent,
    RecordsUncertain,
    StateSaved,
    StateSaveFailed,
    Tick,
)
from kafka_sentinel.core.latency import Latency
from kafka_sentinel.core.truth import CopiesFound, LossesProved, Truth
from kafka_sentinel.core.types import Acks, Instant, ProbePartition, SightingKind
from kafka_sentinel.core.verdicts import Loss

MAX_LOSSES = 100  # pieces of evidence kept for people to read; the counts have no bound
ENSURE_TOPIC_EVERY = 10.0  # seconds between two attempts
TICK = 0.2  # seconds; work that depends on time alone is done at most this often


@dataclass(frozen=True, slots=True)
class EngineConfig:
    """All durations in seconds."""

    name: str
    version: str
    instance: int
    acks: tuple[Acks, ...]
    probe_interval: float
    slo_produce: float
    slo_consume: float
    slo_overdue: float
    slo_recovery: Mapping[str, float]
    settle: float
    cause_freeze: float
    cause_window: float
    recheck_margin: int
    recheck_interval: float
    recheck_chunk: int
    settle_margin: float
    checkpoint_interval: float | None  # None: no state is kept
    manage_topic: bool


class Engine:
    def __init__(self, config: EngineConfig, *, run: int, started: Instant, state: Mapping[str, object] | None) -> None:
        self.config = config
        self.started = started
        self.now = started
        self.truth = Truth(
            instance=config.instance,
            run=run,
            margin=config.recheck_margin,
            settle_margin=config.settle_margin,
            chunk=config.recheck_chunk,
            background_interval=config.recheck_interval,
        )
        self.availability = Availability(
            slo_produce=config.slo_produce,
            slo_consume=config.slo_consume,
            interval=config.probe_interval,
        )
        self.latency = Latency()
        self.view: ClusterView | None = None
        self.view_at: Instant | None = None
        self.reachable = False
        self.quorum: QuorumView | None = None
        self.quorum_at: Instant | None = None
        self.losses: list[dict[str, object]] = []
        self._generation = 0
        self._next_checkpoint = started.mono
        self._next_ensure = started.mono
        self._next_tick = started.mono
        self._commands: list[Command] = []
        if state is not None:
            self._restore(state)

    # --- events

    def step(self, event: Event) -> list[Command]:
        """Take one event. Returns what is to be done, in order."""
        self.now = event.at
        match event:
            case Tick():
                pass
            case RecordsSent(partition=partition, first=first, at=at):
                self._commands += self.truth.take(event)
                self.availability.sent(partition, first, at)
            case RecordsAcked():
                self._acked(event)
            case RecordsRejected(partition=partition, first=first, count=count):
                self._commands += self.truth.take(event)
                self.availability.failed(partition, first, count)
                self._error("producer", event.code)
            case RecordsUncertain(partition=partition, first=first, count=count):
                self._commands += self.truth.take(event)
                self.availability.failed(partition, first, count)
                self._error("producer", event.code)
            case RecordsRead():
                self._read(event)
            case ReaderLost() | RecheckDone() | RecheckFailed():
                self._commands += self.truth.take(event)
            case ProducerRestarted():
                self._log("warning", "producer replaced", acks=event.acks.value, code=event.code)
            case ClusterObserved():
                self._observed(event)
            case ClusterUnreachable():
                self.reachable = False
            case QuorumObserved(view=view, asked=asked):
                self.quorum, self.quorum_at = view, asked
            case QuorumUnreachable():
                self.quorum = None
            case AdapterError(code=code, subject=subject, message=message):
                self._error(subject, code)
                self._log("warning", "adapter error", subject=subject, code=code, message=message)
            case StateSaved() | StateSaveFailed():
                self._state_saved(event)
            case _:
                pass
        self._route_findings()
        if self.now.mono >= self._next_tick:
            self._next_tick = self.now.mono + TICK
            self._tick()
        commands, self._commands = self._commands, []
        return commands

    def _acked(self, event: RecordsAcked) -> None:
        self._commands += self.truth.take(event)
        for span in event.spans:
            self.availability.acked(event.partition, span.first, span.count, event.at)
        if event.latencies:
            self.latency.acked(event.latencies)
            self._observe("produce_ack_latency_seconds", event.partition, event.latencies)

    def _read(self, event: RecordsRead) -> None:
        self._commands += self.truth.take(event)
        for sighting in event.sightings:
            if sighting.kind is SightingKind.RECORD and sighting.run == self.truth.run:
                self.availability.read(event.partition, sighting.first, sighting.count, event.at)
        if event.latencies:
            self.latency.read(event.latencies)
            self._observe("end_to_end_latency_seconds", event.partition, event.latencies)

    def _observed(self, event: ClusterObserved) -> None:
        self.reachable = True
        self.view, self.view_at = event.view, event.asked
        self._commands += self.truth.observe(event.view, event.at)
        self.availability.probe(self.truth.ledgers)
        self._ensure_topics(event.view)

    def _ensure_topics(self, view: ClusterView) -> None:
        """Have a probe topic made or widened where a live broker leads none of its partitions."""
        if not self.config.manage_topic or self.now.mono < self._next_ensure:
            return
        for acks in self.config.acks:
            topic = view.probe_topic(acks)
            covered = {b for p in topic.partitions for b in p.replicas[:1]} if topic else set()
            if topic is None or not set(view.brokers) <= covered:
                self._commands.append(EnsureTopic(acks))
                self._next_ensure = self.now.mono + ENSURE_TOPIC_EVERY

    def _route_findings(self) -> None:
        for finding in self.truth.take_findings():
            match finding:
                case LossesProved(losses=losses):
                    for loss in losses:
                        self._lost(loss)
                case CopiesFound(partition=partition, count=count):
                    self._log("warning", "duplicates in the log", partition=str(partition), extra_copies=count)
                case _:
                    pass

    def _lost(self, loss: Loss) -> None:
        evidence: dict[str, object] = {
            "acks": loss.partition.acks.value,
            "partition": loss.partition.partition,
            "run": f"{loss.run:016x}",
            "first_sequence": loss.first,
            "count": loss.count,
            "offset": loss.offset,
            "seen": loss.seen,
            "proved_at": loss.proved_at.wall,
            "leader_epoch_before": loss.leader_epoch_before,
            "topic_id": loss.topic_id,
            "stands_there": loss.stands_there,
            "reason": loss.reason,
            "fence_offset": loss.fence.offset if loss.fence else None,
        }
        self.losses = [evidence, *self.losses][:MAX_LOSSES]
        self._log("error", "acknowledged records lost", **evidence)

    # --- time

    def _tick(self) -> None:
        now = self.now
        self._commands += self.truth.tick(now)
        self._route_findings()
        changes = self.availability.tick(now, blind=False)
        for (operation, result), number in changes.slots.items():
            labels = (("operation", str(operation)), ("result", str(result)))
            self._commands.append(Count("probe_slots_total", labels, number))
        self.latency.slots(changes.slots)
        self.latency.tick(now.mono, now.wall, 0)
        if self.config.checkpoint_interval is not None and now.mono >= self._next_checkpoint:
            self.checkpoint()

    # --- state

    def checkpoint(self) -> int:
        """Ask for the state to be saved. Returns the generation that StateSaved will name."""
        self._generation += 1
        if self.config.checkpoint_interval is not None:
            self._next_checkpoint = self.now.mono + self.config.checkpoint_interval
            self._commands.append(SaveState(self._generation, self.to_state()))
        return self._generation

    def _state_saved(self, event: StateSaved | StateSaveFailed) -> None:
        if isinstance(event, StateSaveFailed):
            self._log("error", "state could not be saved", reason=event.reason)

    def to_state(self) -> dict[str, object]:
        return {
            "name": self.config.name,
            "alive_at": self.now.wall,
            "truth": self.truth.to_state(),
            "availability": self.availability.totals.to_state(),
            "losses": self.losses,
        }

    def _restore(self, state: Mapping[str, object]) -> None:
        truth, losses, alive_at = state["truth"], state["losses"], state["alive_at"]
        assert isinstance(truth, Mapping)
        assert isinstance(losses, list)
        assert isinstance(alive_at, int | float)
        self.truth.restore(truth)
        self.losses = losses
        self.availability.lived_blind(max(self.started.wall - alive_at, 0.0))

    # --- words

    def _log(self, level: str, event: str, **fields: object) -> None:
        self._commands.append(Log(level, event, fields))

    def _error(self, subject: str, code: str) -> None:
        del subject
        self._commands.append(Count("kafka_errors_total", (("code", code),)))

    def _observe(self, metric: str, partition: ProbePartition, values: tuple[float, ...]) -> None:
        self._commands.append(Observe(metric, (("acks", partition.acks.value),), values))
