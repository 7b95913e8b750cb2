"""The engine: one event in, the commands that follow from it out. It ties the desks together and decides little itself.

truth          what became of each record            (truth.py, ledger.py, rechecks.py, verdicts.py)
availability   when partitions could be used         (availability.py)
incidents      what happened, why, how long it took  (incidents.py, recovery.py)
experiments    what may be broken next               (experiments.py, guards.py)
control        the Lease, and what people say        (control.py)
group          what applications feel                (group.py)
audit          how it is set up and placed           (audit/desk.py)
connection     why Kafka cannot be used              (connection_desk.py)
kubernetes     pods and nodes, if there are any      (kubernetes/observer.py)
selftest       whether the detector detects          (selftest.py, drills.py, shadow.py)
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from kafka_sentinel.core import checkpoint
from kafka_sentinel.core.account import State
from kafka_sentinel.core.audit.desk import AuditDesk
from kafka_sentinel.core.availability import Availability
from kafka_sentinel.core.casebook import Casebook
from kafka_sentinel.core.cluster import ClusterView, EnsembleView, ProviderView, QuorumView, diff
from kafka_sentinel.core.commands import Command, Count, EnsureTopic, Inject, Log, Observe, SaveState, StandDown
from kafka_sentinel.core.connection_desk import ConnectionDesk
from kafka_sentinel.core.control import Control
from kafka_sentinel.core.days import Days
from kafka_sentinel.core.events import (
    AdapterError,
    AuditDone,
    BrokerExited,
    CertificatesRead,
    ClusterObserved,
    ClusterUnreachable,
    ConnectionExamined,
    EnsembleObserved,
    Event,
    FaultAnnounced,
    FaultCommanded,
    FaultFailed,
    FaultHealed,
    FaultInjected,
    GroupCommitted,
    GroupRead,
    GroupRebalanced,
    LeaseObserved,
    ObjectChanged,
    ObjectDeleted,
    ObjectsListed,
    OrderGiven,
    PauseSeen,
    ProducerRestarted,
    ProviderObserved,
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
    RightsObserved,
    StateSaved,
    StateSaveFailed,
    Tick,
    WatchAlive,
    WatchBroken,
)
from kafka_sentinel.core.experiment_run import MAY_BE_IN_EFFECT, MAY_SHOW, RunState
from kafka_sentinel.core.experiments import Experiments
from kafka_sentinel.core.faults import FaultKind
from kafka_sentinel.core.group import GroupAccount
from kafka_sentinel.core.guard_input import ExperimentSpec, GuardSettings, World
from kafka_sentinel.core.hearing import Hearing
from kafka_sentinel.core.incidents import IncidentChange, Incidents
from kafka_sentinel.core.kubernetes import notes
from kafka_sentinel.core.kubernetes.fleet import FleetSpec
from kafka_sentinel.core.kubernetes.observer import Observer
from kafka_sentinel.core.latency import Latency
from kafka_sentinel.core.ledger import Regressed
from kafka_sentinel.core.selftest import SelfTest
from kafka_sentinel.core.slots import Operation
from kafka_sentinel.core.status import status
from kafka_sentinel.core.truth import ContradictionContained, CopiesFound, LossesProved, TopicRemade, Truth
from kafka_sentinel.core.types import Acks, Instant, ProbePartition, SightingKind
from kafka_sentinel.core.verdicts import Loss

ENSURE_TOPIC_EVERY = 10.0  # seconds between two attempts
STARTUP = 30.0  # seconds a partition has to work for the first time: client, topic and reader come up
EXPLAIN_EVERY = 5.0  # seconds; every guard looks at every partition of the cluster
TICK = 0.2  # seconds; work that depends on time alone is done at most this often
SAY_AGAIN = 60.0  # seconds before an adapter error that goes on is logged again
KUBERNETES_PARTS = frozenset({"kubernetes", "orders", "fleet"})  # subjects of adapter errors that are not Kafka's


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
    slo_availability: float  # percent of slots that are to be good
    settle: float
    session_timeout: float
    recheck_margin: int
    recheck_interval: float
    recheck_chunk: int
    give_up_margin: float  # from a give-up until an absence may be concluded
    checkpoint_interval: float | None  # None: no state is kept
    manage_topic: bool
    experiments: tuple[ExperimentSpec, ...]
    guards: GuardSettings
    group_id: str  # of the group consumer
    fleet: FleetSpec | None = None  # None: not on Kubernetes
    cut_off: float | None = None  # silence of Kafka and Kubernetes that means we are; None: no witness but Kafka
    lease: bool = False  # a Lease decides which of several Sentinels may inject and save
    zookeeper: tuple[str, ...] = ()  # servers on machines of their own, "host:port"
    provider: bool = False  # somebody else runs the cluster, and is asked how it stands
    selftest_interval: float | None = None  # seconds between two drills of the detector; None: there are none


class Engine:
    """Restores `state`, if given; raises KeyError, TypeError, ValueError or AssertionError if it is not a state."""

    def __init__(self, config: EngineConfig, *, run: int, started: Instant, state: Mapping[str, object] | None) -> None:
        self.config = config
        self.started = started
        self.since = started.wall  # when the totals began, over all processes
        self.now = started
        self.truth = self._desk(run)
        self.availability = Availability(
            slo_produce=config.slo_produce,
            slo_consume=config.slo_consume,
            interval=config.probe_interval,
            startup=STARTUP,
        )
        self.incidents = Incidents(
            settle=config.settle, session_timeout=config.session_timeout, slo=config.slo_recovery
        )
        self.kubernetes = Observer(config.fleet, self.incidents) if config.fleet is not None else None
        self.experiments = Experiments(config.experiments, config.guards)
        self.control = Control(self.experiments, in_use=config.lease, started=started)
        self.group = GroupAccount()
        self.audit = AuditDesk()
        self.connection = ConnectionDesk(started, config.probe_interval)
        self.selftest = SelfTest(self._desk, config.selftest_interval, started)
        self.latency = Latency()
        self.days = Days(started.wall)
        self.view: ClusterView | None = None
        self.view_asked: Instant | None = None
        self.reachable = False
        self._reach_known = False
        self.quorum: QuorumView | None = None
        self.quorum_asked: Instant | None = None
        self.ensemble = EnsembleView(config.zookeeper) if config.zookeeper else None
        self.provider = ProviderView() if config.provider else None
        self.known_brokers: dict[int, str] = {}
        self.casebook = Casebook(self.incidents, self.truth)
        self.hearing = Hearing(config.cut_off, started)
        self.blind = False
        self.state_saved: Instant | None = None
        self._state_error: str | None = None
        self._steady_since: Instant | None = None
        self._said: dict[tuple[str, str], float] = {}  # adapter errors in the log: subjects and codes are closed sets
        self._explanation: list[dict[str, object]] = []
        self._next_explanation = started.mono
        self._generation = 0
        self._next_checkpoint = self._next_ensure = self._next_tick = started.mono
        self._commands: list[Command] = []
        if state is not None:
            checkpoint.restore(self, state)

    def _desk(self, run: int, background: float | None = None) -> Truth:
        """Return an accounting desk: the one of this Sentinel, and as it is set up those of its self-test.

        `background`: seconds between two background rechecks, where they are not as configured.
        """
        return Truth(
            instance=self.config.instance,
            run=run,
            margin=self.config.recheck_margin,
            settle_margin=self.config.give_up_margin,
            chunk=self.config.recheck_chunk,
            background_interval=self.config.recheck_interval if background is None else background,
        )

    # --- events

    def step(self, event: Event) -> list[Command]:
        """Take one event. Returns what is to be done, in order."""
        self.now = event.at
        self.hearing.take(event)
        self._commands += self.connection.take(event)
        self._take(event)
        self._route_findings()
        if self.now.mono >= self._next_tick:
            self._next_tick = self.now.mono + TICK
            self._tick()
        commands, self._commands = self._commands, []
        self.days.take(commands, self.now.wall)
        if self.kubernetes is not None and any(isinstance(command, Inject) for command in commands):
            self._tell_of_experiment(self.kubernetes)  # what it does to pods may be told before the next tick
        return commands

    def _take(self, event: Event) -> None:
        match event:
            case Tick():
                pass
            case RecordsSent() | RecordsRejected() | RecordsAcked() | RecordsUncertain() | RecordsRead():
                self._records(event)
            case ReaderLost() | RecheckDone() | RecheckFailed():
                self._commands += self.truth.take(event)
            case ClusterObserved() | ClusterUnreachable() | QuorumObserved() | QuorumUnreachable():
                self._cluster(event)
            case EnsembleObserved() | ProviderObserved():
                self._beside(event)
            case FaultAnnounced() | FaultInjected() | FaultCommanded() | FaultFailed() | FaultHealed() | BrokerExited():
                self._fault(event)
            case GroupRead() | GroupRebalanced() | GroupCommitted():
                self._commands += self.group.take(event)
            case ObjectsListed() | ObjectChanged() | ObjectDeleted() | WatchAlive() | WatchBroken():
                self._commands += self.kubernetes.take(event) if self.kubernetes is not None else []
            case StateSaved() | StateSaveFailed() | LeaseObserved() | RightsObserved() | PauseSeen() | OrderGiven():
                self._controlled(event)
            case ProducerRestarted() | AuditDone() | AdapterError():
                self._told(event)
            case ConnectionExamined() | CertificatesRead():
                pass  # the connection's desk has taken it

    def _told(self, event: ProducerRestarted | AuditDone | AdapterError) -> None:
        match event:
            case ProducerRestarted():
                self._log("warning", "producer replaced", acks=event.acks.value, code=event.code)
            case AuditDone():
                self._commands += self.audit.take(event)
            case AdapterError():
                self._adapter_error(event)

    def _adapter_error(self, event: AdapterError) -> None:
        """Count it, and say it in the log unless the same was said a moment ago: an outage repeats itself."""
        self._error(event.code, kubernetes=self.kubernetes is not None and event.subject in KUBERNETES_PARTS)
        key = (event.subject, event.code)
        if event.at.mono - self._said.get(key, float("-inf")) >= SAY_AGAIN:
            self._said[key] = event.at.mono
            self._log("warning", "adapter error", subject=event.subject, code=event.code, message=event.message)

    def _records(self, event: RecordsSent | RecordsRejected | RecordsAcked | RecordsUncertain | RecordsRead) -> None:
        self._commands += self.truth.take(event)
        partition = event.partition
        match event:
            case RecordsSent():
                self.availability.sent(partition, event.first, event.at)
                self.incidents.on_sent(event.count)
            case RecordsRejected() | RecordsUncertain():
                self.availability.failed(partition, event.first, event.count)
                self._error(event.code)
            case RecordsAcked():
                for span in event.spans:
                    for sent in self.availability.acked(partition, span.first, span.count, event.at):
                        self.incidents.on_acked(partition, sent, event.at)
                self.latency.acked(event.latencies)
                self._observe("produce_ack_latency_seconds", partition, event.latencies)
            case RecordsRead():
                for sighting in event.sightings:
                    if sighting.kind is SightingKind.RECORD and sighting.run == self.truth.run:
                        for sent in self.availability.read(partition, sighting.first, sighting.count, event.at):
                            self.incidents.on_read(partition, sent, event.at)
                self.latency.read(event.latencies)
                self._observe("end_to_end_latency_seconds", partition, event.latencies)

    def _cluster(self, event: ClusterObserved | ClusterUnreachable | QuorumObserved | QuorumUnreachable) -> None:
        match event:
            case ClusterObserved(view=view):
                before, self.view, self.view_asked = self.view, view, event.asked
                self._note_reachable(reachable=True, reason="")
                if before is not None:
                    self._count("leader_changes_total", diff(before, view).elections)
                self.known_brokers |= view.brokers
                self._commands += self.truth.observe(view, event.at)
                self.availability.probe(self.truth.ledgers)
                self.incidents.probe(self.truth.ledgers)
                self.incidents.on_cluster(event)
                self._ensure_topics(view)
            case ClusterUnreachable(reason=reason):
                self._note_reachable(reachable=False, reason=reason)
                self.incidents.on_unreachable(event)
            case QuorumObserved(view=view, asked=asked):
                self.quorum, self.quorum_asked = view, asked
            case QuorumUnreachable():
                self.quorum = None
        if self.kubernetes is not None:
            self.kubernetes.hear_kafka(event, self.view, self.quorum)
        self._confirm()

    def _beside(self, event: EnsembleObserved | ProviderObserved) -> None:
        if isinstance(event, ProviderObserved):
            self.provider = event.view
        else:
            self.ensemble = event.view
            self._confirm()

    def _note_reachable(self, *, reachable: bool, reason: str) -> None:
        """Say it when Kafka goes out of reach or comes back, once each."""
        if self.reachable is reachable and self._reach_known:
            return
        self.reachable, self._reach_known = reachable, True
        if reachable:
            self._log("info", "Kafka answers", brokers=len(self.view.brokers) if self.view is not None else 0)
        else:
            self._log("warning", "no broker answers", reason=reason)

    def _ensure_topics(self, view: ClusterView) -> None:
        """Have a probe topic made or widened where a live broker is first replica of none of its partitions."""
        if not self.config.manage_topic or self.now.mono < self._next_ensure:
            return
        for acks in self.config.acks:
            topic = view.probe_topic(acks)
            covered = {broker for each in topic.partitions for broker in each.replicas[:1]} if topic else set()
            if topic is None or not set(view.brokers) <= covered:
                self._commands.append(EnsureTopic(acks))
                self._next_ensure = self.now.mono + ENSURE_TOPIC_EVERY

    def _confirm(self) -> None:
        """Take what Kafka shows of a fault whose fleet cannot tell as that fleet's own news."""
        if self.experiments.unconfirmed and (event := self.experiments.confirmed(self.world())) is not None:
            self._fault(event)

    def _fault(
        self, event: FaultAnnounced | FaultInjected | FaultCommanded | FaultFailed | FaultHealed | BrokerExited
    ) -> None:
        if isinstance(event, BrokerExited):
            self.incidents.on_broker_exited(event.broker, event.at)
            self._log("warning", "broker process ended", broker=event.broker, status=event.status)
            return
        run = self.experiments.under_way
        mine = run is not None and run.id == event.experiment_run
        if run is not None and mine and isinstance(event, FaultAnnounced | FaultInjected):
            self._commands += notes.of_fault(event, run)
        if run is not None and mine and isinstance(event, FaultInjected):
            incident = self.incidents.on_fault(
                event.at,
                experiment_run=run.id,
                fault=run.fault,
                target=run.target_text(event.targets),
                brokers=event.targets,
                meant=run.targets,
                node=run.node,
                load=self.experiments.load_of(run),
            )
            self.casebook.ours(incident, incident.brokers.intersection(run.targets))
        self._commands += self.experiments.on_fault(event)
        if isinstance(event, FaultCommanded):
            self._confirm()

    # --- findings

    def _route_findings(self) -> None:
        for finding in self.truth.take_findings():
            self._commands += self.casebook.take(finding)
            match finding:
                case Regressed():
                    self._went_back(finding)
                case CopiesFound(partition=partition, count=count):
                    self.days.add(f"duplicated_{partition.acks.value}", count, self.now.wall)
                case LossesProved(losses=losses):
                    self._lost(losses)
                case TopicRemade(acks=acks):
                    for partition in self.truth.ledgers:
                        if partition.acks is acks:
                            self.group.forget(partition)
                case ContradictionContained():
                    self._commands += self.experiments.latch("the ledger contradicted itself", self.now)

    def _went_back(self, finding: Regressed) -> None:
        if not finding.confirms:
            self.group.void_from(finding.partition, finding.divergence)
        if finding.proved:  # a next life would believe what its state says of the records that are gone
            self._next_checkpoint = self.now.mono

    def _lost(self, losses: tuple[Loss, ...]) -> None:
        self._next_checkpoint = self.now.mono  # whoever proved them may be gone a moment later
        for loss in losses:
            self.days.add(f"lost_{loss.partition.acks.value}", loss.count, self.now.wall)
            if loss.seen == "before":
                self.days.add(f"lost_before_{loss.partition.acks.value}", loss.count, self.now.wall)
        lost = sum(loss.count for loss in losses if loss.partition.acks is Acks.ALL)
        if lost:
            self._commands += self.experiments.latch(f"{lost} acknowledged records lost", self.now)

    # --- time

    def _tick(self) -> None:
        now = self.now
        self.days.lived(now)
        self._commands += self.truth.tick(now)
        self._route_findings()
        self._note_blindness(now)
        changes = self.availability.tick(now, blind=self.blind, heard=self.hearing.last)
        for (operation, result), number in changes.slots.items():
            labels = (("operation", operation.value), ("result", result.value))
            self._commands.append(Count("probe_slots_total", labels, number))
        if changes.blind_seconds:
            self._commands.append(Count("blind_seconds_total", (), changes.blind_seconds))
        self.incidents.on_slots(changes, now)
        lag = self.lag()
        self.incidents.on_lag(lag, now)
        self.latency.slots(changes.slots)
        self.latency.tick(now.mono, now.wall, lag)
        if self.kubernetes is not None:
            self._tell_of_experiment(self.kubernetes)
            self._commands += self.kubernetes.tick(now, self.view, changes.edges)
        self._tick_incidents()
        self._note_steadiness()
        self._confirm()
        self._commands += self.experiments.on_tick(self.world())
        self._commands += self.control.tick(now)
        down = any(self.availability.unavailable(operation) for operation in Operation)
        self._commands += self.connection.tick(now, down=down)
        self._note_healed_faults()
        self._commands += self.selftest.tick(now)
        if self.experiments.needs_save or now.mono >= self._next_checkpoint:
            self.save()

    def _tell_of_experiment(self, kubernetes: Observer) -> None:
        """Have what our experiment does to pods known as ours; note when the pods of a rolling restart are all back."""
        run = self.experiments.under_way
        if run is None or run.state not in MAY_SHOW:
            return
        kubernetes.expect(run.pods, self.now)
        if run.state is RunState.INJECTED and run.fault == FaultKind.ROLLING_RESTART:
            self._commands += self.experiments.on_rolled(self.now) if kubernetes.are_replaced(run.pods) else []

    def _note_blindness(self, now: Instant) -> None:
        """Say it when we are cut off, and when we are not any more, once each."""
        blind = self.hearing.is_blind(now)
        if blind and not self.blind:
            self._log("warning", "cut off: neither Kafka nor Kubernetes answers", seconds=now.mono - self.hearing.last)
        elif self.blind and not blind:
            self._log("info", "no longer cut off")
        self.blind = blind

    def _tick_incidents(self) -> None:
        step = self.incidents.tick(self.now)
        self._commands += step.commands
        for change in step.changes:
            self._incident_changed(change)
        self.casebook.tick(self.now)

    def _incident_changed(self, change: IncidentChange) -> None:
        self._commands += self.casebook.changed(change)
        incident = change.incident
        if change.kind == "closed":
            verdict = incident.verdict.value if incident.verdict else "inconclusive"
            self._commands += self.experiments.on_incident_closed(
                incident.experiment_run, verdict, incident.lost[Acks.ALL], self.now
            )
            if self.kubernetes is not None:
                self._commands += self.kubernetes.incident_ended(incident, self.now)
        self.save()

    def _note_healed_faults(self) -> None:
        """Tell the incidents of faults that are no longer in effect, however their runs came to that."""
        run = self.experiments.under_way
        in_effect = run.id if run is not None and run.state in MAY_BE_IN_EFFECT else None
        for incident in self.incidents.open:
            if incident.fault_active and incident.experiment_run not in (None, in_effect):
                self.incidents.on_healed(str(incident.experiment_run))

    def _note_steadiness(self) -> None:
        """Note since when everything works, for the guards."""
        down = any(self.availability.unavailable(operation) for operation in Operation)
        if down or not self.truth.ledgers or self.blind:
            self._steady_since = None
        elif self._steady_since is None:
            self._steady_since = self.now

    def world(self) -> World:
        """Return what the guards may look at."""
        return World(
            now=self.now,
            started=self.started,
            cluster=self.view,
            cluster_asked=self.view_asked,
            quorum=self.quorum,
            quorum_asked=self.quorum_asked,
            steady_since=self._steady_since,
            overdue=sum(self.overdue(acks) for acks in self.config.acks),
            open_incidents=tuple(incident.id for incident in self.incidents.open),
            natural_losses=self.casebook.natural_losses,
            state_saved=self.state_saved,
            state_error=self._state_error,
            lease=self.control.lease,
            rights_missing=self.control.rights_missing,
            kubernetes=self.kubernetes.surroundings() if self.kubernetes is not None else None,
            ensemble=self.ensemble,
            provider=self.provider,
            group_id=self.config.group_id,
        )

    def start_run(self, run: int) -> None:
        """Go on under a new run, with sequences from 0."""
        self.truth.started_run(run)

    # --- state

    def resume_with(self, commands: list[Command]) -> None:
        """Commands that follow from a restored state: they go out with the first event."""
        self._commands += commands

    def save(self) -> None:
        """Ask for the state to be saved (nothing happens where none is kept)."""
        if self.config.checkpoint_interval is None:
            self._next_checkpoint = float("inf")
            self.experiments.needs_save = False
            return
        self._generation += 1
        self._next_checkpoint = self.now.mono + self.config.checkpoint_interval
        self._commands.append(SaveState(self._generation, checkpoint.to_state(self)))
        self.experiments.on_save_started(self._generation)

    def _controlled(
        self, event: StateSaved | StateSaveFailed | LeaseObserved | RightsObserved | PauseSeen | OrderGiven
    ) -> None:
        if isinstance(event, LeaseObserved | RightsObserved | PauseSeen | OrderGiven):
            self._commands += self.control.take(event)
        elif isinstance(event, StateSaved):
            self.state_saved, self._state_error = event.at, None
            self._commands += self.experiments.on_state_saved(event.generation, self.world())
        else:
            self._state_error = event.reason
            self._log("error", "state could not be saved", reason=event.reason)
            self._commands += self.experiments.on_state_save_failed(event.generation, event.reason, event.at)
            if event.taken_over:
                self._commands.append(StandDown(event.reason))

    # --- figures

    def status(self) -> dict[str, object]:
        return status(self)

    def explained(self) -> dict[str, object]:
        """Return the experiments with every guard's answer, as of at most `EXPLAIN_EVERY` seconds ago."""
        world = self.world()
        if self.now.mono >= self._next_explanation:
            self._next_explanation = self.now.mono + EXPLAIN_EVERY
            self._explanation = self.experiments.explain(world)
        return {
            **self.experiments.status(world),
            **self.control.status(self.now),
            "items": self._explanation,
        }

    def lag(self) -> int:
        """Return how many acknowledged records the verifier has yet to read."""
        return sum(len(ledger.own.sets[State.AWAITING]) for ledger in self.truth.ledgers.values())

    def group_lag(self) -> dict[ProbePartition, int]:
        """Return how many acknowledged records the group consumer has yet to be handed, per acks=all partition."""
        lags = {
            partition: self.group.lag(partition, ledger.highest_acked + 1)
            for partition, ledger in self.truth.ledgers.items()
            if partition.acks is Acks.ALL
        }
        return {partition: lag for partition, lag in lags.items() if lag is not None}

    def overdue(self, acks: Acks) -> int:
        before = self.now.mono - self.config.slo_overdue
        return sum(ledger.overdue(before) for partition, ledger in self.truth.ledgers.items() if partition.acks is acks)

    def records(self, acks: Acks) -> dict[str, int]:
        """Return the sums of one acknowledgement level, over all runs that the state remembers."""
        sums = self.truth.records(acks)
        return {**sums, "overdue": self.overdue(acks), "redelivered": self.group.redelivered[acks]}

    # --- words

    def _log(self, level: str, event: str, **fields: object) -> None:
        self._commands.append(Log(level, event, fields))

    def _error(self, code: str, *, kubernetes: bool = False) -> None:
        metric = "kubernetes_errors_total" if kubernetes else "kafka_errors_total"
        if not kubernetes:
            self.connection.refused(code, self.now)
        self._commands.append(Count(metric, (("code", code),)))

    def _count(self, metric: str, amount: int) -> None:
        if amount:
            self._commands.append(Count(metric, (), amount))

    def _observe(self, metric: str, partition: ProbePartition, values: tuple[float, ...]) -> None:
        if values:
            self._commands.append(Observe(metric, (("acks", partition.acks.value),), values))
