"""The casebook: which incident each finding of the accounting belongs to, the evidence of losses, and the rechecks
with which incidents end.
"""

from __future__ import annotations

from collections.abc import Iterable

from kafka_sentinel.core.commands import Command, Count, Log
from kafka_sentinel.core.incident import Cause, Incident
from kafka_sentinel.core.incidents import IncidentChange, Incidents
from kafka_sentinel.core.ledger import Regressed
from kafka_sentinel.core.truth import CopiesFound, Finding, IncidentRechecked, LossesProved, Truth
from kafka_sentinel.core.types import Instant, ProbePartition
from kafka_sentinel.core.verdicts import Loss

MAX_LOSSES = 100  # pieces of evidence kept for people to read, and the last of each acks; the counts have no bound
MAX_NATURAL_LOSSES = 100  # instants at which brokers were lost without our doing


class Casebook:
    def __init__(self, incidents: Incidents, truth: Truth) -> None:
        self.incidents = incidents
        self.losses: list[dict[str, object]] = []  # newest first, JSON-ready
        self.natural_losses: tuple[float, ...] = ()  # wall-clock seconds, ascending
        self._truth = truth
        self._lows: dict[str, dict[ProbePartition, int]] = {}  # per open incident: from where its recheck reads
        self._rechecking: dict[str, set[ProbePartition]] = {}  # per incident: partitions whose recheck is awaited
        self._debited: dict[str, frozenset[int]] = {}  # open incident → its brokers that are among the losses, or ours
        self._natural: dict[str, frozenset[int]] = {}  # open incident → its brokers that count as natural losses
        self._unasked: dict[str, Incident] = {}  # wait for their recheck until partitions are known, after a restart

    def restore(self, losses: list[dict[str, object]], natural_losses: Iterable[float]) -> None:
        """Take over what an earlier life saved; the incidents are restored before."""
        self.losses, self.natural_losses = losses, tuple(natural_losses)
        self._debited = {incident.id: frozenset(incident.brokers) for incident in self.incidents.open}

    # --- findings

    def take(self, finding: Finding) -> list[Command]:
        """Charge a finding to its incident. Returns what there is to count and to log."""
        match finding:
            case Regressed(confirms=True):
                return []  # what was alleged has been told of
            case Regressed(partition=partition, divergence=offset, last_ack_at=last_ack_at, at=at):
                incident = self.incidents.log_regressed(partition, last_ack_at, at)
                return [
                    Count("log_truncations_total", ()),
                    _log(
                        "warning", "log went backwards", partition=_name(partition), offset=offset, incident=incident.id
                    ),
                ]
            case LossesProved(losses=losses):
                return [self._lost(loss, finding) for loss in losses]
            case CopiesFound(partition=partition, count=count, at=at, newest=newest):
                incident = self.incidents.attribute(partition, self._truth.last_recheck or at, at)
                self.incidents.on_duplicates(incident.id, partition.acks, count, at)
                said = {"partition": _name(partition), "extra_copies": count, "incident": incident.id}
                if newest is not None:
                    said["such_as"] = newest.describe()
                return [_log("warning", "duplicates in the log", **said)]
            case IncidentRechecked(incident=name, partition=partition):
                self._rechecked(name, partition)
        return []

    def _lost(self, loss: Loss, proof: LossesProved) -> Log:
        """Charge a proved loss to the incident in which the log went backwards, and keep the evidence."""
        regressed = proof.regressed
        if regressed is not None:
            before, after = regressed.last_ack_at, regressed.at
        else:
            before, after = self._truth.last_recheck, proof.asked
        incident = self.incidents.attribute(loss.partition, before, after)
        seen_before = loss.seen == "before"
        self.incidents.on_loss(incident.id, loss.partition.acks, loss.count, seen=seen_before, at=loss.proved_at)
        evidence = _evidence(loss, incident, before)
        self.losses = _kept([evidence, *self.losses])
        fence = loss.fence.offset if loss.fence else None
        return _log("error", "acknowledged records lost", **evidence, reason=loss.reason, fence_offset=fence)

    def _rechecked(self, name: str, partition: ProbePartition) -> None:
        awaited = self._rechecking.get(name)
        if awaited is not None:
            awaited.discard(partition)
            if not awaited:
                del self._rechecking[name]
                self.incidents.recheck_finished(name)

    # --- the life of incidents

    def changed(self, change: IncidentChange) -> list[Command]:
        """Follow a change of an incident. Returns the line that is logged of it."""
        incident = change.incident
        match change.kind:
            case "opened":
                self._lows[incident.id] = {
                    partition: min(ledger.position or 0, ledger.highest_acked + 1)
                    for partition, ledger in self._truth.ledgers.items()
                }
                self._debit(incident, change.at)
            case "needs_recheck":
                self._recheck(incident, change.at)
            case "reopened":
                self._forget_recheck(incident)
            case "closed":
                self._lows.pop(incident.id, None)
                self._forget_recheck(incident)
        if change.kind == "broker_lost":
            return []
        level = "warning" if change.kind == "opened" else "info"
        return [_log(level, f"incident {change.kind.replace('_', ' ')}", **incident.as_dict())]

    def ours(self, incident: Incident, brokers: Iterable[int]) -> None:
        """Note whom our own fault hit: it was debited when it was commanded, so no more where its signs came first."""
        hit = frozenset(brokers)
        self._debited[incident.id] = self._debited.get(incident.id, frozenset()) | hit
        natural = self._natural.get(incident.id, frozenset())
        self._natural[incident.id] = natural - hit
        self.natural_losses = self.natural_losses[: len(self.natural_losses) - len(natural & hit)]

    def _debit(self, incident: Incident, at: Instant) -> None:
        """Note each natural loss of a broker, once. What our own fault hit is debited when it is injected."""
        known = self._debited.get(incident.id, frozenset())
        if incident.id not in self._debited and incident.cause is Cause.EXPERIMENT:
            known = frozenset(incident.brokers)
        natural = incident.brokers - known
        lost = (at.wall,) * len(natural)
        self._debited[incident.id] = known | incident.brokers
        self._natural[incident.id] = self._natural.get(incident.id, frozenset()) | natural
        self.natural_losses = (*self.natural_losses, *lost)[-MAX_NATURAL_LOSSES:]

    def tick(self, now: Instant) -> None:
        """Note the brokers that were lost since, and ask for the rechecks that had to wait for partitions."""
        is_open = {incident.id: incident for incident in self.incidents.open}
        self._debited = {name: brokers for name, brokers in self._debited.items() if name in is_open}
        self._natural = {name: brokers for name, brokers in self._natural.items() if name in is_open}
        for incident in is_open.values():
            self._debit(incident, now)
        waiting, self._unasked = self._unasked, {}
        for incident in waiting.values():
            self._recheck(incident, now)

    def _forget_recheck(self, incident: Incident) -> None:
        self._rechecking.pop(incident.id, None)
        self._unasked.pop(incident.id, None)

    def _recheck(self, incident: Incident, at: Instant) -> None:
        if not self._truth.ledgers:
            self._unasked[incident.id] = incident
            return
        lows = self._lows.get(incident.id, {})
        self._rechecking[incident.id] = set(self._truth.ledgers)
        for partition in self._truth.ledgers:
            self._truth.rechecks.incident(incident.id, partition, lows.get(partition, 0), at)


def _kept(losses: list[dict[str, object]]) -> list[dict[str, object]]:
    """Drop the oldest; not the last of its acks, by which an alert knows when records were lost."""
    newest, older = losses[:MAX_LOSSES], losses[MAX_LOSSES:]
    last = {each["acks"]: each for each in reversed(older)}
    there = {each["acks"] for each in newest}
    return [*newest, *(each for acks, each in last.items() if acks not in there)]


def _evidence(loss: Loss, incident: Incident, last_ack: Instant | None) -> dict[str, object]:
    return {
        "acks": loss.partition.acks.value,
        "partition": loss.partition.partition,
        "run": f"{loss.run:016x}",
        "first_sequence": loss.first,
        "count": loss.count,
        "offset": loss.offset,
        "seen": loss.seen,
        "acked_at": last_ack.wall if last_ack is not None else None,
        "proved_at": loss.proved_at.wall,
        "leader_epoch_before": loss.leader_epoch_before,
        "topic_id": loss.topic_id,
        "stands_there": loss.stands_there,
        "incident": incident.id,
        "cause": incident.cause.value,
    }


def _name(partition: ProbePartition) -> str:
    return f"acks={partition.acks.value} partition {partition.partition}"


def _log(level: str, event: str, **fields: object) -> Log:
    return Log(level, event, fields)
