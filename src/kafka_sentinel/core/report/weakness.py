"""The weakest point: what the incidents themselves say it is, and which findings of an audit would explain it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from kafka_sentinel.core.incident import Verdict
from kafka_sentinel.core.recovery import PHASES
from kafka_sentinel.core.report.evidence import Disruption, Finding
from kafka_sentinel.core.report.recoveries import Objectives
from kafka_sentinel.core.types import Acks

# `detected` tells of Sentinel's sight and not of the cluster, `full` is only the last of the others.
RANKED = tuple(phase for phase in PHASES if phase not in {"detected", "full"})
SEVERAL = 2  # brokers


@dataclass(frozen=True, slots=True)
class Slowest:
    """A phase at its worst. `seconds` against `objective` (None: there is none); `slowest_in`: of `of` disruptions."""

    phase: str
    seconds: float
    objective: float | None
    slowest_in: int
    of: int


@dataclass(frozen=True, slots=True)
class Weakest:
    """The worst disruption: by records lost (acks=all), else by its slowest phase. `findings`: what may explain it."""

    incident: str
    kind: str
    natural: bool
    brokers: tuple[int, ...]
    started: float
    lost: int
    slowest: Slowest | None
    findings: tuple[Finding, ...]


def weakest(
    disruptions: Sequence[Disruption], objectives: Objectives, findings: Iterable[Finding] = ()
) -> Weakest | None:
    """Return the weakest point; None if nothing was struck, or lost."""
    candidates = [one for one in disruptions if one.lost[Acks.ALL] or _slowest(one, objectives)]
    if not candidates:
        return None
    worst = max(candidates, key=lambda one: (one.lost[Acks.ALL], _badness(one, objectives), one.started))
    return Weakest(
        worst.id,
        worst.kind,
        worst.natural,
        worst.brokers,
        worst.started,
        worst.lost[Acks.ALL],
        _at_its_worst(worst, candidates, objectives),
        tuple(one for one in findings if _explains(one, worst, objectives)),
    )


def bad(disruptions: Iterable[Disruption]) -> tuple[Disruption, ...]:
    return tuple(one for one in disruptions if one.verdict is Verdict.FAILED or one.lost[Acks.ALL])


def explained(
    disruptions: Iterable[Disruption], objectives: Objectives, findings: Sequence[Finding]
) -> dict[str, tuple[Finding, ...]]:
    """Return, for each bad disruption by its id, the findings that may explain it."""
    return {one.id: tuple(each for each in findings if _explains(each, one, objectives)) for one in bad(disruptions)}


def _explains(finding: Finding, disruption: Disruption, objectives: Objectives) -> bool:
    """Tell whether a finding is about what was struck, and about what went badly: a phase that was late, or a loss."""
    struck = set(disruption.brokers)
    if finding.brokers and not finding.brokers & struck:
        return False
    if finding.kinds and disruption.kind not in finding.kinds:
        return False
    if finding.several and len(struck) < SEVERAL:
        return False
    late = {phase for phase in PHASES if _ratio(disruption, phase, objectives) > 1}
    lost = finding.loss and disruption.lost[Acks.ALL] > 0
    return lost or bool(finding.phases & late) or not (finding.phases or finding.loss)


def _ratio(disruption: Disruption, phase: str, objectives: Objectives) -> float:
    """Return how many times its objective a phase took; 0 if it was not reached, or has none."""
    seconds, objective = disruption.phases[phase], objectives.get(phase)
    return seconds / objective if seconds is not None and objective else 0.0


def _slowest(disruption: Disruption, objectives: Objectives) -> str | None:
    """Return the phase that took longest for what it may take."""
    ranked = [phase for phase in RANKED if disruption.phases[phase] is not None]
    return max(ranked, key=lambda phase: _ratio(disruption, phase, objectives), default=None)


def _badness(disruption: Disruption, objectives: Objectives) -> float:
    phase = _slowest(disruption, objectives)
    return _ratio(disruption, phase, objectives) if phase is not None else 0.0


def _at_its_worst(worst: Disruption, candidates: Sequence[Disruption], objectives: Objectives) -> Slowest | None:
    phase = _slowest(worst, objectives)
    if phase is None:
        return None
    seconds = worst.phases[phase]
    assert seconds is not None
    same = sum(_slowest(one, objectives) == phase for one in candidates)
    return Slowest(phase, seconds, objectives.get(phase), same, len(candidates))
