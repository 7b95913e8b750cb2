"""One incident: what it is, how far it has come, and its verdict."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import product
from typing import Any

from kafka_sentinel.core.commands import Count, Observe
from kafka_sentinel.core.recovery import PHASES, Rebase, Recovery
from kafka_sentinel.core.slots import Operation
from kafka_sentinel.core.types import Acks, Instant, ProbePartition

FREEZE_AFTER_LOSS = 60.0  # seconds from the proof of a loss until the cause is final
FREEZE_AFTER = 600.0  # seconds from opening until the cause is final
MAX_REASONS = 20  # sentences kept per incident
SHORT_REASONS = 3  # of them, of one that is kept in short
IN_SHORT = (
    *("id", "cause", "fault", "target", "brokers", "load", "started_at", "closed_at"),
    *("phases", "lost_by_acks", "duplicated", "verdict", "reasons"),
)  # what of an incident a report needs


class Cause(StrEnum):
    """Why: the same closed set everywhere, from the least specific to the most."""

    UNKNOWN = "unknown"
    CRASH = "crash"
    POD_DELETED = "pod_deleted"
    OOM = "oom"
    NODE_FAILURE = "node_failure"
    ROLLOUT = "rollout"
    DRAIN = "drain"
    SPOT = "spot"
    EXPERIMENT = "experiment"

    @property
    def specificity(self) -> int:
        return list(Cause).index(self)


class IncidentState(StrEnum):
    OPEN = "open"
    SETTLING = "settling"  # everything holds, and has to go on doing so
    RECHECKING = "rechecking"  # the log is being re-read
    CLOSED = "closed"


class Verdict(StrEnum):
    PASSED = "passed"
    FAILED = "failed"
    INCONCLUSIVE = "inconclusive"


Tally = tuple[str, tuple[tuple[str, str], ...]]  # a counter and its labels without the cause


def in_short(facts: Mapping[str, Any]) -> dict[str, Any]:
    """Return of an incident, as the API has it, what a report needs: to the millisecond, with its last reasons."""
    phases = {phase: None if seconds is None else round(seconds, 3) for phase, seconds in facts["phases"].items()}
    found = {name: facts[name] for name in IN_SHORT}
    return {**found, "phases": phases, "reasons": list(facts["reasons"])[-SHORT_REASONS:]}


@dataclass(slots=True)
class Incident:
    id: str
    cause: Cause
    opened: Instant
    recovery: Recovery
    fault: str | None = None
    target: str | None = None
    experiment_run: str | None = None
    load: float | None = None  # records per second that were asked for while it ran; None: the usual probes
    fault_active: bool = False  # injected and not undone yet: nothing can settle
    brokers: set[int] = field(default_factory=set)  # that failed, as far as is known
    announced: set[int] = field(default_factory=set)  # brokers on a node that is to go
    nodes: dict[str, str] = field(default_factory=dict)  # nodes it is about: uid → name
    foretold: bool = False  # announced and still to come: t0 is not known, and nothing can settle
    struck: bool = True  # something happened; if it never does, there are no phases to measure
    held_by: tuple[str, ...] = ()  # why pods of its brokers cannot come back just now
    undecided: tuple[str, ...] = ()  # nodes of which it is not clear yet why they went: the close waits for that
    state: IncidentState = IncidentState.OPEN
    unavailable: set[tuple[Operation, ProbePartition]] = field(default_factory=set)
    lost: Counter[Acks] = field(default_factory=Counter)
    duplicated: Counter[Acks] = field(default_factory=Counter)
    tallies: Counter[Tally] = field(default_factory=Counter)  # wait for the cause to be final
    final_at: float = 0.0  # monotonic instant at which the cause becomes final
    final: bool = False
    cause_revised: Cause | None = None
    blind: bool = False
    recheck_asked: Instant | None = None
    recheck_complete: bool | None = None  # None: not answered yet
    closed: Instant | None = None
    verdict: Verdict | None = None
    final_phases: dict[str, float | None] | None = None  # set at the close
    reasons: list[str] = field(default_factory=list)

    @property
    def started(self) -> Instant:
        return self.recovery.started

    @property
    def is_open(self) -> bool:
        return self.state is not IncidentState.CLOSED

    # --- cause

    def improve(self, cause: Cause) -> None:
        """Take a more specific cause. Once the cause is final, the insight is only noted."""
        if cause.specificity <= (self.cause_revised or self.cause).specificity:
            return
        self._take(cause)

    def correct(self, cause: Cause, before: Cause) -> None:
        """Take the newer verdict on its node, also a less specific one where it rests on the one `before`."""
        if cause is not Cause.UNKNOWN and (self.cause_revised or self.cause) is before:
            self._take(cause)
        else:
            self.improve(cause)

    def _take(self, cause: Cause) -> None:
        if not self.final:
            self.cause = cause
        else:
            self.cause_revised = cause if cause is not self.cause else None  # it was right after all

    def finalise_cause(self, now: Instant) -> list[Count]:
        """Make the cause final if it is time, and return the counts that waited for it."""
        outranked = self.cause is not Cause.EXPERIMENT
        if self.is_open and outranked and now.mono < self.final_at:
            return []
        self.final = True
        counts = [
            Count(name, (*labels, ("cause", self.cause)), amount) for (name, labels), amount in self.tallies.items()
        ]
        self.tallies.clear()
        return counts

    def note(self, *sentences: str) -> None:
        """Add to the reasons what is not among them yet."""
        self.reasons = [*dict.fromkeys((*self.reasons, *sentences))][-MAX_REASONS:]

    # --- life

    def disturb(self) -> None:
        """What seemed settled is not: begin to wait again, and forget the recheck."""
        if self.is_open:
            self.state, self.recheck_asked, self.recheck_complete = IncidentState.OPEN, None, None

    def full_since(self) -> Instant | None:
        return None if self.fault_active or self.foretold or self.unavailable else self.recovery.full

    def holding_back(self) -> list[str]:
        """Say in sentences what keeps an open incident from settling, or a settled one from its close."""
        sentences = []
        if self.fault_active:
            sentences.append("the fault is still in effect")
        if self.foretold:
            sentences.append(f"announced: node {', '.join(sorted(self.nodes.values()))} is to go")
        for operation, acks in product(Operation, Acks):
            down = sorted(part.partition for kind, part in self.unavailable if kind is operation and part.acks is acks)
            if down:
                topic = "" if acks is Acks.ALL else f" (acks={acks})"
                sentences.append(f"{operation} fails on partition {', '.join(map(str, down))}{topic}")
        waiting = self.recovery.waiting_for()
        if waiting:
            failed = f" (failed brokers: {', '.join(map(str, sorted(self.brokers)))})" if self.brokers else ""
            sentences.append(f"waiting for {', '.join(waiting)}{failed}")
        return [*sentences, *self.held_by, *(f"why node {node} goes is not clear yet" for node in self.undecided)]

    def close(self, now: Instant, slo: Mapping[str, float]) -> list[Count | Observe]:
        """End it with a verdict. Returns the samples that are written once, now."""
        self.state, self.closed = IncidentState.CLOSED, now
        failed = self._failures(slo)
        unsure = self._doubts()
        self.verdict = Verdict.FAILED if failed else Verdict.INCONCLUSIVE if unsure else Verdict.PASSED
        self.note(*failed, *unsure)
        cause = ("cause", self.cause.value)
        phases = self.final_phases = self.phases()
        self.recovery.forget_details()
        return [
            *self.finalise_cause(now),
            Count("incidents_total", (cause, ("verdict", self.verdict.value))),
            *(
                Observe("recovery_seconds", (cause, ("phase", phase)), (seconds,))
                for phase, seconds in phases.items()
                if seconds is not None
            ),
        ]

    def _failures(self, slo: Mapping[str, float]) -> list[str]:
        lost = self.lost[Acks.ALL]
        sentences = [f"{lost} acknowledged records lost (acks=all)"] if lost else []
        for phase, seconds in self.phases().items():
            if seconds is not None and phase in slo and seconds > slo[phase]:
                sentences.append(f"{phase} took {seconds:.1f} s, the objective is {slo[phase]:g} s")
        return sentences

    def _doubts(self) -> list[str]:
        sentences = []
        if self.blind:
            sentences.append("Sentinel could not see for a part of it")
        if not self.recheck_complete:
            sentences.append("the re-reading of the log did not finish")
        if not self.recovery.partitions:
            sentences.append("no partition was probed, so no phase could be measured")
        return sentences

    def phases(self) -> dict[str, float | None]:
        """Return the seconds from t0 to each phase. `full` is said only while it holds."""
        if self.final_phases is not None:
            return dict(self.final_phases)
        phases: dict[str, float | None] = self.recovery.phases() if self.struck else dict.fromkeys(PHASES)
        if self.state is IncidentState.OPEN:
            phases["full"] = None
        return phases

    # --- as others see it

    def as_dict(self) -> dict[str, Any]:
        """Return the incident of the status and the API. `lost` and `duplicated` are of acks=all."""
        reasons = [*self.reasons, *self.holding_back()] if self.is_open else self.reasons
        return {
            "id": self.id,
            "cause": self.cause.value,
            "cause_revised": self.cause_revised,
            "fault": self.fault,
            "target": self.target,
            "experiment_run": self.experiment_run,
            "load": self.load,
            "brokers": sorted(self.brokers),
            "nodes": sorted(self.nodes.values()),
            "started_at": self.started.wall,
            "opened_at": self.opened.wall,
            "closed_at": self.closed.wall if self.closed is not None else None,
            "phases": self.phases(),
            "lost": self.lost[Acks.ALL],
            "duplicated": self.duplicated[Acks.ALL],
            "lost_by_acks": {acks.value: self.lost[acks] for acks in Acks},
            "verdict": self.verdict,
            "state": self.state.value,
            "reasons": reasons,
        }

    def to_state(self) -> dict[str, Any]:
        return {
            "id": self.id,
            "cause": self.cause.value,
            "cause_revised": self.cause_revised,
            "fault": self.fault,
            "target": self.target,
            "experiment_run": self.experiment_run,
            "load": self.load,
            "brokers": sorted(self.brokers),
            "announced": sorted(self.announced),
            "nodes": dict(self.nodes),
            "foretold": self.foretold,
            "struck": self.struck,
            "opened": self.opened.wall,
            "closed": self.closed.wall if self.closed is not None else None,
            "final_in": self.final_at - self.opened.mono,
            "final": self.final,
            "state": self.state.value,
            "unavailable": [[operation, *part] for operation, part in sorted(self.unavailable)],
            "lost": dict(self.lost),
            "duplicated": dict(self.duplicated),
            "tallies": [[name, [list(pair) for pair in labels], n] for (name, labels), n in self.tallies.items()],
            "blind": self.blind,
            "verdict": self.verdict,
            "recheck_complete": self.recheck_complete,
            "final_phases": self.final_phases,
            "reasons": self.reasons,
            "recovery": self.recovery.to_state(),
        }

    @classmethod
    def from_state(
        cls, state: Mapping[str, Any], rebase: Rebase, *, session_timeout: float, lag_tolerance: int
    ) -> Incident:
        """Restore what `to_state` gave. Raises KeyError, TypeError or ValueError for anything else.

        An incident that was open was not seen from the death of the other process to now; its recheck begins anew. A
        fault is undone first thing after a restart, so it keeps nothing from settling.
        """
        recovery = Recovery.from_state(
            state["recovery"], rebase, session_timeout=session_timeout, lag_tolerance=lag_tolerance
        )
        opened = rebase(state["opened"])
        closed, phases = state["closed"], state["final_phases"]
        revised, verdict = state["cause_revised"], state["verdict"]
        incident = cls(
            id=str(state["id"]),
            cause=Cause(state["cause"]),
            cause_revised=None if revised is None else Cause(revised),
            opened=opened,
            recovery=recovery,
            fault=state["fault"],
            target=state["target"],
            experiment_run=state["experiment_run"],
            load=None if state.get("load") is None else float(state["load"]),
            brokers={int(broker) for broker in state["brokers"]},
            announced={int(broker) for broker in state.get("announced", ())},
            nodes={str(uid): str(name) for uid, name in state.get("nodes", {}).items()},
            foretold=bool(state.get("foretold", False)),
            struck=bool(state.get("struck", True)),
            state=IncidentState(state["state"]),
            unavailable={(Operation(o), ProbePartition(Acks(a), int(p))) for o, a, p in state["unavailable"]},
            lost=Counter({Acks(acks): int(n) for acks, n in state["lost"].items()}),
            duplicated=Counter({Acks(acks): int(n) for acks, n in state["duplicated"].items()}),
            tallies=Counter(
                {
                    (str(name), tuple((str(k), str(v)) for k, v in labels)): int(n)
                    for name, labels, n in state["tallies"]
                }
            ),
            final_at=opened.mono + float(state["final_in"]),
            final=bool(state["final"]),
            blind=bool(state["blind"]),
            closed=None if closed is None else rebase(closed),
            verdict=None if verdict is None else Verdict(verdict),
            recheck_complete=state["recheck_complete"],
            final_phases=None if phases is None else {phase: phases.get(phase) for phase in PHASES},
            reasons=[str(reason) for reason in state["reasons"]],
        )
        if incident.is_open:
            incident.blind = True
            incident.unavailable.clear()
            incident.disturb()
        return incident
