"""The accounting desk: one ledger per probe partition, the rechecks, and what they prove.

Events about records come in; commands for the readers, counts for the metrics and findings for the incidents go out.
A contradiction in a ledger is contained here: that partition starts over with its open records set aside.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from kafka_sentinel.core.account import ACKED, UNSURE, InvariantError, State
from kafka_sentinel.core.cluster import ClusterView
from kafka_sentinel.core.commands import AssignReader, Command, Count, Log, Probe, RenewClients, StartRun
from kafka_sentinel.core.events import (
    ReaderLost,
    RecheckDone,
    RecheckFailed,
    RecordsAcked,
    RecordsRead,
    RecordsRejected,
    RecordsSent,
    RecordsUncertain,
)
from kafka_sentinel.core.ledger import Copy, CopySighted, PartitionLedger, Regressed, Reposition, Suspected
from kafka_sentinel.core.rechecks import Answered, Purpose, Rechecks, TopicReplaced
from kafka_sentinel.core.settlement import Settlement
from kafka_sentinel.core.sweep import Sweep
from kafka_sentinel.core.types import Acks, Instant, ProbePartition
from kafka_sentinel.core.verdicts import Loss

LOG_BEGINNING = -2  # AssignReader: wherever the log starts (librdkafka's OFFSET_BEGINNING)
READER_RETRY = 1.0  # seconds before a reader whose leader gave no answer is assigned again

RecordEvent = (
    RecordsSent
    | RecordsRejected
    | RecordsAcked
    | RecordsUncertain
    | RecordsRead
    | ReaderLost
    | RecheckDone
    | RecheckFailed
)

# what a ledger counts → the metric (without prefix) and its further label
METRICS: Mapping[str, tuple[str, tuple[tuple[str, str], ...]]] = {
    "sent": ("records_sent_total", ()),
    "verified": ("records_verified_total", ()),
    "expired": ("records_expired_total", ()),
    "unaccounted": ("records_unaccounted_total", ()),
    "acked": ("records_outcome_total", (("outcome", "acked"),)),
    "rejected": ("records_outcome_total", (("outcome", "rejected"),)),
    "uncertain": ("records_outcome_total", (("outcome", "uncertain"),)),
    "present": ("records_uncertain_resolved_total", (("result", "present"),)),
    "absent": ("records_uncertain_resolved_total", (("result", "absent"),)),
    "late": ("records_uncertain_resolved_total", (("result", "late"),)),
    "reordered": ("records_reordered_total", ()),
    "corrupted": ("records_corrupted_total", ()),
    "conflicting": ("records_conflicting_total", ()),
    "foreign": ("records_foreign_total", ()),
}
ANOMALIES = ("duplicated", "reordered", "corrupted", "conflicting", "foreign", "late", "namesake")


@dataclass(frozen=True, slots=True)
class CopiesFound:
    """Extra copies that the log itself holds; they came to be known at `at`."""

    partition: ProbePartition
    count: int
    at: Instant
    newest: Copy | None  # one of them


@dataclass(frozen=True, slots=True)
class LossesProved:
    losses: tuple[Loss, ...]
    regressed: Regressed | None
    asked: Instant


@dataclass(frozen=True, slots=True)
class IncidentRechecked:
    incident: str
    partition: ProbePartition


@dataclass(frozen=True, slots=True)
class TopicRemade:
    acks: Acks


@dataclass(frozen=True, slots=True)
class ContradictionContained:
    """A ledger contradicted itself, and its partition started over."""

    partition: ProbePartition


Finding = ContradictionContained | TopicRemade | Regressed | CopiesFound | LossesProved | IncidentRechecked


@dataclass(slots=True)
class Truth:
    instance: int
    run: int
    margin: int  # records re-read below the lowest offset in question
    settle_margin: float  # seconds; see Settlement
    chunk: int  # records of one background recheck
    background_interval: float  # seconds between two of them
    restored: dict[ProbePartition, Mapping[str, object]] = field(default_factory=dict)  # of unseen partitions
    topic_ids: dict[Acks, str | None] = field(default_factory=dict)
    ledgers: dict[ProbePartition, PartitionLedger] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)
    anomalies: Counter[tuple[Acks, str]] = field(default_factory=Counter)  # over all processes; kept in the state
    departed: Counter[tuple[Acks, str]] = field(default_factory=Counter)  # sums of ledgers that were started over
    violations: int = 0
    last_recheck: Instant | None = None
    reread: dict[ProbePartition, Instant] = field(default_factory=dict)  # when what was last answered was asked
    rechecks: Rechecks = field(init=False)
    _remembered: dict[ProbePartition, dict[str, int]] = field(default_factory=dict)  # sums of what is restored
    _settlements: dict[ProbePartition, Settlement] = field(default_factory=dict)
    _reported: dict[ProbePartition, Counter[str]] = field(default_factory=dict)
    _reassign_at: dict[ProbePartition, float] = field(default_factory=dict)
    _perhaps_gone: set[ProbePartition] = field(default_factory=set)  # of a topic made anew, until it is described
    _sweep: Sweep = field(init=False)
    _commands: list[Command] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.rechecks = Rechecks(self.ledgers, margin=self.margin)
        self._sweep = Sweep(chunk=self.chunk, interval=self.background_interval)

    # --- the topic

    def observe(self, view: ClusterView, at: Instant) -> list[Command]:
        """Follow the probe topics: new partitions are probed, a topic made anew is recognised by its id."""
        before = set(self.ledgers)
        for acks in view.probe_topics:
            topic = view.probe_topic(acks)
            if topic is None:
                continue
            known = self.topic_ids.get(acks)
            if topic.topic_id is not None:
                self.topic_ids[acks] = topic.topic_id
            for partition in topic.partitions:  # first, so that what a restored ledger awaits is set aside below
                same = known is not None and known == topic.topic_id
                self._follow(ProbePartition(acks, partition.partition), at, same_topic=same)
            if known is not None and topic.topic_id is not None and known != topic.topic_id:
                self._topic_replaced(acks, topic.topic_id, at)
            if topic.topic_id is not None:
                self._let_go_of_what_is_gone(acks, {partition.partition for partition in topic.partitions})
        if set(self.ledgers) != before:
            self._commands.insert(0, Probe(tuple(sorted(self.ledgers))))
        return self._take()

    def _follow(self, partition: ProbePartition, at: Instant, *, same_topic: bool) -> None:
        if partition in self.ledgers:
            return
        ledger = self._open_ledger(partition)
        ledger.same_topic = same_topic
        state = self.restored.pop(partition, None)  # once: a partition that goes and returns begins anew
        if state is not None:
            ledger.restore(state, at)
        self._assign(ledger)
        self._drain(ledger, at)

    def _assign(self, ledger: PartitionLedger) -> None:
        """Have the verifier go on where it stands, which is wherever the log starts as long as it has read nothing."""
        offset = LOG_BEGINNING if ledger.position is None else ledger.position
        self._commands.append(AssignReader(ledger.partition, offset))

    def _open_ledger(self, partition: ProbePartition) -> PartitionLedger:
        ledger = PartitionLedger(partition, instance=self.instance, run=self.run)
        self._adopt(ledger)
        return ledger

    def _adopt(self, ledger: PartitionLedger) -> None:
        self.ledgers[ledger.partition] = ledger
        self._settlements[ledger.partition] = Settlement(ledger, margin=self.settle_margin)
        self._reported[ledger.partition] = Counter()

    def _topic_replaced(self, acks: Acks, topic_id: str | None, at: Instant) -> None:
        self._commands.append(RenewClients(acks))
        self._perhaps_gone |= {partition for partition in self.restored if partition.acks is acks}
        for partition, ledger in self.ledgers.items():
            if partition.acks is not acks:
                continue
            self._perhaps_gone.add(partition)
            self._sweep.forget(partition)
            self.rechecks.topic_replaced(partition, at)
            for run, awaited in ledger.recreated():
                for first, count in awaited.spans():
                    suspected = Suspected(partition, run, first, count, 0, False, -1, "the topic was made anew")
                    self.rechecks.suspect(suspected, at, topic_gone=True)
            self._drain(ledger, at)
        self.findings.append(TopicRemade(acks))
        self._log("warning", "probe topic was deleted and made anew", acks=acks.value, topic_id=topic_id)

    def _let_go_of_what_is_gone(self, acks: Acks, there: Collection[int]) -> None:
        """Drop the partitions that a topic made anew does not have, also such as this life has only heard of.

        The sequences of what it probed begin at 0 should they return.
        """
        gone = [each for each in self._perhaps_gone if each.acks is acks and each.partition not in there]
        self._perhaps_gone -= {each for each in self._perhaps_gone if each.acks is acks}
        probed = [partition for partition in gone if partition in self.ledgers]
        for partition in probed:
            self._let_go(self.ledgers.pop(partition))
            for kept in (self._settlements, self._reported, self._reassign_at):
                kept.pop(partition, None)
        for partition in (partition for partition in gone if partition in self.restored):
            del self.restored[partition]
            self._depart(acks, self._remembered[partition])
        for partition in gone:
            self._log("warning", "partition is gone with the topic made anew", partition=str(partition))
        if probed:
            self._commands.append(StartRun())

    def _let_go(self, ledger: PartitionLedger) -> None:
        """Go on without a ledger, and without the answers to what was asked for its sake."""
        self._report(ledger)
        self._depart(ledger.partition.acks, ledger.records())
        for incident in self.rechecks.forget_partition(ledger.partition):
            self.findings.append(IncidentRechecked(incident, ledger.partition))

    def _depart(self, acks: Acks, figures: Mapping[str, int]) -> None:
        """Keep the sums of a ledger that is let go, with what was open in it as unaccounted."""
        sums, unaccounted = _with_open_set_aside(figures)
        for name, number in sums.items():
            self.departed[acks, name] += number
        self._count("records_unaccounted_total", acks, unaccounted)

    def started_run(self, run: int) -> None:
        """All ledgers go on under a new run."""
        self.run = run
        for ledger in self.ledgers.values():
            if ledger.run != run:
                ledger.start_run(run)

    # --- events

    def take(self, event: RecordEvent) -> list[Command]:
        """Register an event about records. A contradiction is contained, never raised."""
        ledger = self.ledgers.get(event.partition)
        if ledger is None:
            return []
        try:
            self._register(ledger, event)
        except InvariantError as error:
            self._contain(ledger, error, event.at)
        else:
            self._drain(ledger, event.at)
        return self._take()

    def _register(self, ledger: PartitionLedger, event: RecordEvent) -> None:
        match event:
            case RecheckDone():
                self._answered(ledger, event)
            case RecheckFailed():
                self.rechecks.failed(event)
            case RecordsRead(start=start, position=position, sightings=sightings, log_start=log_start):
                if ledger.read(start, position, sightings) and log_start is not None:
                    ledger.verifier_told_start(log_start)
            case ReaderLost():
                self._reader_lost(ledger, event)
            case _ if event.run not in ledger.accounts:
                pass  # of a run that this partition's ledger has let go of
            case RecordsSent():
                ledger.sent(event.run, event.first, event.count, event.at)
            case RecordsRejected():
                ledger.rejected(event.run, event.first, event.count)
            case RecordsAcked():
                ledger.acked(event.run, event.spans, event.at)
            case RecordsUncertain():
                ledger.uncertain(event.run, event.first, event.count, event.at)

    def _reader_lost(self, ledger: PartitionLedger, event: ReaderLost) -> None:
        """Decide where the verifier goes on. What brokers say proves nothing; where it may be true it is checked."""
        known = [one for one in (ledger.position, event.position) if one is not None and one != LOG_BEGINNING]
        position = min(known, default=None)
        if event.log_start is None or event.log_end is None:
            self._reassign_at[ledger.partition] = event.at.mono + READER_RETRY
            ledger.position = position
            return
        if position is None or position < event.log_start:
            ledger.said_to_start_at(event.log_start)
            ledger.reposition(event.log_start)
        elif event.log_end < position:
            ledger.regressed(event.log_end, event.at)
        else:
            ledger.reposition(max(event.log_start, position - self.margin))

    def _answered(self, ledger: PartitionLedger, event: RecheckDone) -> None:
        acks = event.partition.acks
        known = self.topic_ids.get(acks)
        outcome = self.rechecks.done(event, topic_id=known, ids_known=known is not None)
        match outcome:
            case TopicReplaced(topic_id=topic_id):
                self.topic_ids[acks] = topic_id
                self._topic_replaced(acks, topic_id, event.at)
            case Answered(question=question, losses=losses, position=position):
                if losses:
                    self.findings.append(LossesProved(losses, question.regressed, question.opened))
                if question.incident is not None and not self._asks_for(question.incident, event.partition):
                    self.findings.append(IncidentRechecked(question.incident, event.partition))
                if question.purpose is Purpose.BACKGROUND:
                    self._sweep.reached(event.partition, position)
                    self.last_recheck = event.at
                    self.reread[event.partition] = question.opened
            case None:
                pass
        copies = ledger.counted["duplicated"] - self._reported[event.partition]["duplicated"]
        if copies:
            self._reported[event.partition]["duplicated"] += copies
            self.anomalies[acks, "duplicated"] += copies
            self.findings.append(CopiesFound(event.partition, copies, event.at, ledger.newest_copy))

    def _asks_for(self, incident: str, partition: ProbePartition) -> bool:
        """Whether something is still to be re-read on that partition before the incident can end."""
        questions = self.rechecks.open_questions
        return any(each.incident == incident and each.partition == partition for each in questions)

    def _drain(self, ledger: PartitionLedger, at: Instant) -> None:
        for effect in ledger.take_effects():
            match effect:
                case Suspected():
                    self.rechecks.suspect(effect, at)
                case Regressed():
                    self.rechecks.regressed(effect)
                    self.findings.append(effect)
                case CopySighted():
                    self.rechecks.copies(effect, at)
                case Reposition(partition=partition, offset=offset):
                    self._reassign_at.pop(partition, None)
                    self._commands.append(AssignReader(partition, offset))

    def _contain(self, ledger: PartitionLedger, error: InvariantError, at: Instant) -> None:
        """Start this partition over: its open records become unaccounted, probing goes on under a new run."""
        partition = ledger.partition
        self.violations += 1
        self._let_go(ledger)
        self.findings.append(ContradictionContained(partition))
        self._commands.append(Count("invariant_violations_total", ()))
        self._log(
            "error", "ledger contradicts itself; partition starts over", partition=str(partition), error=str(error)
        )
        successor = ledger.successor()
        self._adopt(successor)
        self._drain(successor, at)
        self._commands.append(StartRun())

    # --- time

    def tick(self, now: Instant) -> list[Command]:
        for partition, ledger in list(self.ledgers.items()):
            try:
                self._settlements[partition].tick(now)
                ledger.own.forget_settled_sends()
                ledger.check()
            except InvariantError as error:
                self._contain(ledger, error, now)
                continue
            self._drain(ledger, now)
            self._report(ledger)
            if self._reassign_at.get(partition, now.mono + 1) <= now.mono:
                del self._reassign_at[partition]
                self._assign(ledger)
        self._background(now)
        self._commands += self.rechecks.tick(now)
        return self._take()

    def _background(self, now: Instant) -> None:
        if any(question.purpose is Purpose.BACKGROUND for question in self.rechecks.open_questions):
            return
        stretch = self._sweep.stretch(self.ledgers, now)
        if stretch is not None:
            self.rechecks.background(*stretch, now)

    def reread_all(self, at: Instant) -> tuple[ProbePartition, ...]:
        """Have all that was read and is retained read again. Returns what is awaited: `reread` tells what is done."""
        awaited = []
        for partition, ledger in self.ledgers.items():
            if (high := ledger.position or 0) > ledger.log_start:
                self.rechecks.background(partition, ledger.log_start, high, at)
                awaited.append(partition)
        return tuple(awaited)

    def _report(self, ledger: PartitionLedger) -> None:
        """Turn what the ledger has counted since the last report into metrics."""
        reported = self._reported[ledger.partition]
        acks = ledger.partition.acks
        for name, total in ledger.counted.items():
            new = total - reported[name]
            if new <= 0 or name == "duplicated":
                continue
            reported[name] = total
            if name in ANOMALIES:
                self.anomalies[acks, name] += new
            if name in METRICS:
                metric, labels = METRICS[name]
                self._commands.append(Count(metric, (("acks", acks.value), *labels), new))

    def _count(self, metric: str, acks: Acks, amount: int) -> None:
        if amount:
            self._commands.append(Count(metric, (("acks", acks.value),), amount))

    def _log(self, level: str, event: str, **fields: object) -> None:
        self._commands.append(Log(level, event, fields))

    def _take(self) -> list[Command]:
        commands, self._commands = self._commands, []
        return commands

    def take_findings(self) -> list[Finding]:
        findings, self.findings = self.findings, []
        return findings

    # --- figures

    def records(self, acks: Acks) -> dict[str, int]:
        """Return the sums of the ledgers of one acknowledgement level, in the terms of the identities.

        Those that were restored are among them before a broker has told which partitions there are.
        """
        sums: Counter[str] = Counter({name: total for (level, name), total in self.departed.items() if level is acks})
        figures = {partition: self._remembered[partition] for partition in self.restored}
        figures |= {partition: ledger.records() for partition, ledger in self.ledgers.items()}
        for partition, each in figures.items():
            if partition.acks is acks:
                sums.update(each)
        sums["corrupted_acked"] = sums[State.CORRUPTED.value]
        for name in ANOMALIES:
            sums[name] = self.anomalies[acks, name]
        sums["lost"] = sums[State.LOST.value] + sums["lost_before"]
        return dict(sums)

    def to_state(self) -> dict[str, object]:
        return {
            "run": f"{self.run:016x}",
            "topic_ids": {acks.value: topic_id for acks, topic_id in self.topic_ids.items()},
            "anomalies": [[acks.value, name, total] for (acks, name), total in self.anomalies.items()],
            "departed": [[acks.value, name, total] for (acks, name), total in self.departed.items()],
            "partitions": [ledger.to_state() for ledger in self.ledgers.values()]
            + [dict(state) for state in self.restored.values()],
        }

    def restore(self, state: Mapping[str, object], at: Instant) -> None:
        """Take over what an earlier process left. Ledgers come back when their partition is first seen.

        Each is tried now, at once: that one of them contradicts itself must not come to light in the middle of a day.
        """
        topic_ids, partitions = state["topic_ids"], state["partitions"]
        anomalies, departed = state["anomalies"], state["departed"]
        assert isinstance(topic_ids, Mapping)
        assert isinstance(partitions, list)
        assert isinstance(anomalies, list)
        assert isinstance(departed, list)
        self.topic_ids = {Acks(name): topic_id for name, topic_id in topic_ids.items()}
        self.anomalies = Counter({(Acks(acks), name): total for acks, name, total in anomalies})
        self.departed = Counter({(Acks(acks), name): total for acks, name, total in departed})
        restored: dict[ProbePartition, Mapping[str, object]] = {}
        remembered: dict[ProbePartition, dict[str, int]] = {}
        for each in partitions:
            partition = ProbePartition(Acks(each["acks"]), each["partition"])
            if partition in restored:
                raise ValueError(f"partition {partition.acks}/{partition.partition} is there twice")
            ledger = PartitionLedger(partition, instance=self.instance, run=self.run)
            ledger.restore(each, at)
            restored[partition], remembered[partition] = each, ledger.records()
        self.restored, self._remembered = restored, remembered


def _with_open_set_aside(figures: Mapping[str, int]) -> tuple[Counter[str], int]:
    """Return the sums of a ledger with everything open taken as unaccounted, and how many that are."""
    open_states = (State.IN_FLIGHT, State.UNCERTAIN, State.AWAITING)
    settled = {state: figures[state.value] for state in State if state not in open_states}
    unaccounted = max(figures["sent"] - sum(settled.values()), 0)
    settled[State.UNACCOUNTED] += unaccounted
    sums = Counter({state.value: number for state, number in settled.items()})
    sums["sent"] = sum(settled.values())
    sums["acked"] = sum(settled.get(state, 0) for state in ACKED)
    sums["uncertain"] = sum(settled.get(state, 0) for state in UNSURE)
    sums["lost_before"] = figures["lost_before"]
    return sums, unaccounted
