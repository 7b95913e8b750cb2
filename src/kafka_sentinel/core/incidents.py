"""All incidents: what opens them, which one a sign or a loss belongs to, and how they end.

Signs of trouble open an incident, or join the one that is open; only an injected fault always has one of its own. t0 is
the injection; for natural causes the earlier of the first bad slot's send and the loss of the broker.

A loss belongs to the incident that was open when the log went backwards, between the last acknowledgement before and
the first one after: of several, the newest whose brokers hold a replica of the partition, then the most specific.

Unavailable seconds are counted at once, with the cause as it was then; all else that bears a cause waits until the
cause is final (`Incident.finalise_cause`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from kafka_sentinel.core.backdrop import Backdrop
from kafka_sentinel.core.commands import Count, Observe
from kafka_sentinel.core.events import ClusterObserved, ClusterUnreachable
from kafka_sentinel.core.incident import FREEZE_AFTER, FREEZE_AFTER_LOSS, Cause, Incident, IncidentState, Verdict
from kafka_sentinel.core.incident_book import ABSORB, MAX_CLOSED, MAX_OPEN, IncidentBook
from kafka_sentinel.core.outages import Outages
from kafka_sentinel.core.slots import Edge, Operation, SlotChanges
from kafka_sentinel.core.types import Acks, Instant, NodeRef, ProbePartition

RETIME = 60.0  # seconds by which t0 of a natural incident may move back to an earlier sign
MAX_MOVED = 2  # partitions with another leader that a reason names
WHY_MOVED = "Kafka's return to preferred leaders, a reassignment, or a restart too short to see"
RECHECK_LIMIT = 600.0  # seconds after which a recheck that was asked for is given up


@dataclass(frozen=True, slots=True)
class IncidentChange:
    """`kind`: opened, reopened, needs_recheck, closed, revised (something came to be known of a closed one), or
    broker_lost (brokers turned out to be lost in one that began with other signs).
    """

    kind: str
    at: Instant
    incident: Incident


@dataclass(frozen=True, slots=True)
class Step:
    changes: tuple[IncidentChange, ...]
    commands: tuple[Count | Observe, ...]


class Incidents:
    """`slo`: seconds allowed per phase. `session_timeout` and `lag_tolerance` are those of `Recovery`.

    `settle`: seconds for which everything must hold before the recheck; at least the SLO of a slot, for trouble shows
    only when that has passed.
    """

    def __init__(
        self, *, settle: float, session_timeout: float, slo: Mapping[str, float], lag_tolerance: int = 100
    ) -> None:
        self._settle = settle
        self._slo = dict(slo)
        self._past = Backdrop(session_timeout=session_timeout, lag_tolerance=lag_tolerance)
        self._book = IncidentBook()
        self._outages = Outages()
        self._changes: list[IncidentChange] = []
        self._commands: list[Count | Observe] = []

    # --- what there is

    @property
    def open(self) -> tuple[Incident, ...]:
        """The open incidents, oldest first."""
        return self._book.open

    def status(self) -> list[dict[str, Any]]:
        """Return the incidents, newest first: the open ones, then the closed ones, `MAX_CLOSED` in all."""
        return [incident.as_dict() for incident in self._book][:MAX_CLOSED]

    def older(self) -> list[dict[str, Any]]:
        """Return those closed before the ones of `status`, in short, newest first."""
        return list(reversed(self._book.older))

    # --- signs

    def probe(self, partitions: Iterable[ProbePartition]) -> None:
        probed = self._past.probed = tuple(partitions)
        self._outages.keep(probed)
        for incident in self.open:
            incident.recovery.probe(probed)
            incident.unavailable = {key for key in incident.unavailable if key[1] in probed}

    def on_fault(
        self,
        at: Instant,
        *,
        experiment_run: str,
        fault: str,
        target: str,
        brokers: Iterable[int],
        meant: Iterable[int] = (),
        node: NodeRef | None = None,
        load: float | None = None,
    ) -> Incident:
        """Note an injected fault. What its first signs have opened just before becomes its incident.

        `meant`: whom it was to hit; who is not known to be hit may be all the same, where answers were lost.
        `load`: records per second that the probes are raised to meanwhile.
        """
        hit = set(brokers)
        known = next((one for one in self.open if one.experiment_run == experiment_run), None)
        if known is not None:
            return known
        incident = self._book.first_signs_of(at, hit.union(meant))
        if incident is not None:
            incident.brokers |= hit
            self._retime(incident, at)
            incident.improve(Cause.EXPERIMENT)
            incident.disturb()
        elif self._book.is_full:
            incident = self.open[-1]
            incident.note(f"{fault} of {target} joined it: {MAX_OPEN} incidents were open already")
            incident.brokers |= hit
            return incident
        else:
            incident = self._begin(at, at, Cause.EXPERIMENT, hit)
        incident.fault, incident.target, incident.experiment_run = fault, target, experiment_run
        incident.fault_active, incident.load = True, load
        if node is not None:
            incident.nodes[node.uid] = node.name
        return incident

    def on_healed(self, experiment_run: str) -> None:
        """Note that the fault of a run was undone, or failed to take effect."""
        for incident in self.open:
            if incident.experiment_run == experiment_run:
                incident.fault_active = False

    def on_broker_exited(self, broker: int, at: Instant) -> Incident:
        return self._broker_lost({broker}, at, at, Cause.CRASH)

    def on_cluster(self, event: ClusterObserved) -> None:
        gone = set(self._past.brokers) - set(event.view.brokers)
        self._past.observe(event)
        for brokers in self._book.apart(gone):
            self._broker_lost(brokers, event.asked, event.at, Cause.UNKNOWN)
        for incident in self.open:
            if incident.brokers - set(event.view.brokers) and event.asked.mono >= incident.started.mono:
                incident.recovery.sign(event.at)
            incident.recovery.on_cluster(event.asked, event.at, event.view, incident.brokers)

    def on_unreachable(self, event: ClusterUnreachable) -> None:
        for incident in self.open:
            down = {partition for operation, partition in incident.unavailable if operation is Operation.PRODUCE}
            incident.recovery.on_unreachable(event.asked, event.at, incident.brokers, down)

    def on_acked(self, partition: ProbePartition, sent: Instant, at: Instant) -> None:
        for incident in self.open:
            incident.recovery.on_acked(partition, sent, at)

    def on_read(self, partition: ProbePartition, sent: Instant, at: Instant) -> None:
        for incident in self.open:
            incident.recovery.on_read(partition, sent, at)

    def on_sent(self, records: int) -> None:
        self._past.sent(records)

    def on_lag(self, records: int, at: Instant) -> None:
        """Note how far the verifier is behind, over all partitions."""
        just_sent = self._past.lag(records, at)
        for incident in self.open:
            incident.recovery.on_lag(records, just_sent, at)

    def on_slots(self, changes: SlotChanges, now: Instant) -> None:
        """Take what the availability came to know: outages begun and ended, their seconds, blind time."""
        for edge in changes.edges:
            if edge.available:
                self._outage_ended(edge)
            else:
                self._outage_began(edge, now)
        self._commands.extend(self._outages.counts(changes))
        if changes.blind_seconds > 0:
            for incident in self.open:
                incident.blind = True

    def _outage_began(self, edge: Edge, now: Instant) -> None:
        incident = (
            self._book.that_struck(edge.partition, edge.at)
            or self._that_starved(edge.partition, edge.at)
            or self._book.newest_since(edge.at)
        )
        if incident is None:
            incident = self._begin(edge.at, now, Cause.UNKNOWN)
        self._strike(incident, edge.at)
        incident.unavailable.add((edge.operation, edge.partition))
        incident.recovery.interrupted(edge.operation, edge.partition, edge.at, incident.brokers)
        incident.recovery.sign(now)
        self._disturb(incident, now)
        self._outages.began(edge.operation, edge.partition, incident)

    def _that_starved(self, partition: ProbePartition, since: Instant) -> Incident | None:
        """Return the newest open incident whose brokers leave a partition with too few replicas to take writes."""
        begun = (one for one in reversed(self.open) if one.started.mono <= since.mono + ABSORB)
        return next(
            (one for one in begun if self._past.starves(partition, one.brokers | one.announced, since)),
            None,
        )

    def _outage_ended(self, edge: Edge) -> None:
        for incident in self.open:
            if (edge.operation, edge.partition) in incident.unavailable:
                incident.unavailable.discard((edge.operation, edge.partition))
                incident.recovery.outage_over(edge.at)

    def _broker_lost(self, brokers: set[int], since: Instant, at: Instant, cause: Cause) -> Incident:
        known = self._book.about(brokers) or self._book.newest_since(since)
        return self._hit(known or self._begin(since, at, cause, brokers), brokers, since, at, cause)

    def _hit(self, incident: Incident, brokers: set[int], since: Instant, at: Instant, cause: Cause) -> Incident:
        if not incident.struck:
            self._changes.append(IncidentChange("broker_lost", at, incident))
        if not brokers <= incident.brokers:
            self._disturb(incident, at)
        incident.brokers |= brokers
        incident.improve(cause)
        self._strike(incident, since)
        incident.recovery.sign(at)
        return incident

    # --- what Kubernetes tells

    def on_announced(self, at: Instant, node_uid: str, node: str, brokers: Iterable[int], cause: Cause) -> Incident:
        """Note that a node with these brokers is to go. t0 is not known until something happens to one of them.

        Such news may be late: then it explains the outage that has begun.
        """
        announced = set(brokers)
        natural = [one for one in self.open if one.cause is not Cause.EXPERIMENT]
        fitting = [one for one in natural if node_uid in one.nodes or one.brokers & announced]
        fitting = fitting or [one for one in natural if self._is_explained_by(announced, one)]
        incident = fitting[-1] if fitting else self.open[-1] if self._book.is_full_of_news else None
        if incident is None:
            incident = self._begin(at, at, cause)
            incident.foretold, incident.struck = True, False
        incident.announced |= announced
        incident.nodes[node_uid] = node
        incident.improve(cause)
        return incident

    def _is_explained_by(self, brokers: set[int], incident: Incident) -> bool:
        """Tell whether all partitions that an unexplained incident struck depend on these brokers."""
        if incident.cause is not Cause.UNKNOWN or incident.final or incident.brokers:
            return False
        leaders, since = incident.recovery.baseline.leaders, incident.started
        struck = {partition for _, partition in incident.unavailable}
        return bool(struck) and all(
            leaders.get(one) in brokers or self._past.starves(one, brokers, since) for one in struck
        )

    def on_brokers_gone(self, brokers: Iterable[int], since: Instant, at: Instant, cause: Cause) -> Incident:
        """Note brokers that went for a reason of their own, so not in an experiment on others that is under way."""
        gone = set(brokers)
        known = self._book.about(gone) or self._book.newest_since(since, natural=True)
        if known is None and self._book.is_full:
            known = self.open[-1]
        if known is not None and known.struck:
            self._changes.append(IncidentChange("broker_lost", at, known))
        return self._hit(known or self._begin(since, at, cause, gone), gone, since, at, cause)

    def about(self, brokers: Iterable[int]) -> Incident | None:
        """Return the newest open incident in which one of these brokers failed or was announced to go."""
        return self._book.about(set(brokers))

    def of_node(self, node_uid: str, since: Instant) -> Incident | None:
        """Return the newest incident about a node that was open at `since` or later."""
        return self._book.of_node(node_uid, since)

    def came_to_nothing(self, incident: Incident) -> None:
        """Note that what was announced did not happen, and is not to happen any more."""
        incident.foretold = False
        incident.note("what was announced did not happen to its brokers")

    # --- losses

    def log_regressed(self, partition: ProbePartition, last_ack: Instant | None, at: Instant) -> Incident:
        """Note that the log went backwards between `last_ack` and the first ack after, `at`. Returns whose it is."""
        incident = self.attribute(partition, last_ack, at)
        incident.recovery.sign(at)
        self._disturb(incident, at)
        return incident

    def attribute(self, partition: ProbePartition, last_ack: Instant | None, first_ack: Instant) -> Incident:
        """Return the incident, open or closed, that a loss belongs to; if there is none, open one."""
        incident = self._book.under_way(last_ack, first_ack, self._past.replicas(partition))
        if incident is None and self._book.is_full:
            incident = self.open[-1]
        return incident or self._begin(last_ack or first_ack, first_ack, Cause.UNKNOWN)

    def on_loss(self, incident_id: str, acks: Acks, count: int, *, seen: bool, at: Instant) -> None:
        """Charge proved losses to an incident. `seen`: they had been read before."""
        incident = self._book.find(incident_id)
        if incident is None:
            return
        incident.lost[acks] += count
        if not incident.final:
            incident.final_at = min(incident.final_at, at.mono + FREEZE_AFTER_LOSS)
        labels = (("acks", acks.value), ("seen", "before" if seen else "never"))
        self._tally(incident, "records_lost_total", labels, count, at)
        if acks is Acks.ALL and not incident.is_open:
            incident.verdict = Verdict.FAILED
            incident.note("acknowledged records were found lost after it was closed (acks=all)")

    def on_duplicates(self, incident_id: str, acks: Acks, count: int, at: Instant) -> None:
        incident = self._book.find(incident_id)
        if incident is not None:
            incident.duplicated[acks] += count
            self._tally(incident, "records_duplicated_total", (("acks", acks.value),), count, at)

    def improve_cause(self, incident_id: str, cause: Cause, at: Instant, before: Cause = Cause.UNKNOWN) -> None:
        """Take a better explanation; after the cause is final it only shows as `cause_revised`.

        `before`: the verdict on the same evidence that this one takes the place of.
        """
        incident = self._book.find(incident_id)
        if incident is None:
            return
        known = (incident.cause, incident.cause_revised)
        incident.correct(cause, before)
        if not incident.is_open and known != (incident.cause, incident.cause_revised):
            self._changes.append(IncidentChange("revised", at, incident))

    def _tally(
        self, incident: Incident, metric: str, labels: tuple[tuple[str, str], ...], count: int, at: Instant
    ) -> None:
        incident.tallies[metric, labels] += count
        if not incident.is_open:
            self._commands.extend(incident.finalise_cause(at))
            self._changes.append(IncidentChange("revised", at, incident))

    # --- time

    def recheck_finished(self, incident_id: str, *, complete: bool = True) -> None:
        """Answer `needs_recheck`. `complete`: the whole log of the incident was re-read."""
        incident = self._book.find(incident_id)
        if incident is not None and incident.state is IncidentState.RECHECKING:
            incident.recheck_complete = complete

    def tick(self, now: Instant) -> Step:
        """Move incidents on, and return everything that happened since the tick before."""
        for incident in self.open:
            self._advance(incident, now)
            self._commands.extend(incident.finalise_cause(now))
        self._book.file_closed()
        step = Step(tuple(self._changes), tuple(self._commands))
        self._changes, self._commands = [], []
        return step

    def _advance(self, incident: Incident, now: Instant) -> None:
        full = incident.full_since()
        if full is None:
            self._disturb(incident, now)
            return
        if incident.state is IncidentState.OPEN:
            incident.state = IncidentState.SETTLING
            incident.recovery.held = incident.recovery.held or now
        if incident.state is IncidentState.SETTLING and now.mono - full.mono >= self._settle:
            incident.state, incident.recheck_asked, incident.recheck_complete = IncidentState.RECHECKING, now, None
            self._changes.append(IncidentChange("needs_recheck", now, incident))
        asked = incident.recheck_asked
        if asked is None:
            return
        if incident.undecided and now.mono < incident.final_at:
            return
        if incident.recheck_complete is not None or now.mono - asked.mono >= RECHECK_LIMIT:
            self._note_moved_leaders(incident)
            self._commands.extend(incident.close(now, self._slo))
            self._changes.append(IncidentChange("closed", now, incident))

    def _note_moved_leaders(self, incident: Incident) -> None:
        """Say of what nothing else explains that leaders moved: even in good order acks=1 may lose by that."""
        if incident.cause is not Cause.UNKNOWN or incident.brokers:
            return
        moved = self._past.led_elsewhere(incident.recovery.baseline.leaders)
        which = [
            f"acks={acks} partition {number} from broker {before} to {after}"
            for (acks, number), before, after in moved[:MAX_MOVED]
        ]
        which += [f"{len(moved) - MAX_MOVED} more"] if len(moved) > MAX_MOVED else []
        if moved:
            incident.note(f"leaders moved while no broker was missed ({', '.join(which)}): {WHY_MOVED}")

    def _disturb(self, incident: Incident, now: Instant) -> None:
        if incident.state in {IncidentState.SETTLING, IncidentState.RECHECKING}:
            incident.disturb()
            self._changes.append(IncidentChange("reopened", now, incident))

    # --- beginning

    def _begin(self, started: Instant, now: Instant, cause: Cause, brokers: Iterable[int] = ()) -> Incident:
        failed = set(brokers)
        incident = Incident(
            id=self._book.next_id(started),
            cause=cause,
            opened=now,
            recovery=self._past.recovery(started, failed),
            brokers=failed,
            final_at=now.mono + FREEZE_AFTER,
        )
        self._book.add(incident)
        self._changes.append(IncidentChange("opened", now, incident))
        return incident

    def _strike(self, incident: Incident, since: Instant) -> None:
        """The first sign is t0 of an incident that was only announced; an earlier one, of any natural incident."""
        if not incident.struck:
            incident.foretold, incident.struck = False, True
            self._retime(incident, since)
        elif incident.cause is not Cause.EXPERIMENT and 0 < incident.started.mono - since.mono <= RETIME:
            self._retime(incident, since)

    def _retime(self, incident: Incident, started: Instant) -> None:
        before = incident.recovery
        incident.recovery = self._past.recovery(started, incident.brokers)
        incident.recovery.carry_over(before)
        self._book.sort()

    # --- state

    def to_state(self) -> dict[str, Any]:
        return self._book.to_state()

    def restore(self, state: Mapping[str, Any], now: Instant) -> None:
        """Take over what `to_state` gave. Raises KeyError, TypeError or ValueError for anything else."""
        self._book.restore(
            state, now, session_timeout=self._past.session_timeout, lag_tolerance=self._past.lag_tolerance
        )
