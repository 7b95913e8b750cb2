"""How long disruptions took to be over: by phase, by kind, at the probes' usual rate and under load, and over time."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from kafka_sentinel.core.incident import Verdict
from kafka_sentinel.core.recovery import PHASES
from kafka_sentinel.core.report.evidence import Disruption
from kafka_sentinel.core.report.statistics import Spread, spread
from kafka_sentinel.core.types import Acks

Objectives = Mapping[str, float]  # seconds by phase
ENOUGH = 5  # values in each half, below which no trend is told


@dataclass(frozen=True, slots=True)
class Phase:
    """`missed`: how often it took longer than `objective` (seconds; None: there is none)."""

    phase: str
    seconds: Spread
    objective: float | None
    missed: int


@dataclass(frozen=True, slots=True)
class Kind:
    """Disruptions of one kind. `doubtful`: those with the verdict inconclusive; `open`: those without one yet."""

    kind: str
    natural: bool
    count: int
    passed: int
    failed: int
    doubtful: int
    open: int
    lost: Mapping[Acks, int]
    produce: Spread
    full: Spread


@dataclass(frozen=True, slots=True)
class UnderLoad:
    """The same kind of fault with and without load. `load`: the highest that was asked for, records per second."""

    kind: str
    load: float
    usual: tuple[Phase, ...]
    loaded: tuple[Phase, ...]


@dataclass(frozen=True, slots=True)
class Trend:
    """A phase in the earlier and in the later half of the disruptions. `told`: there are enough to compare."""

    phase: str
    earlier: Spread
    later: Spread
    told: bool


def phases(disruptions: Iterable[Disruption], objectives: Objectives) -> tuple[Phase, ...]:
    """Return the phases that were reached, in their order."""
    there = tuple(disruptions)
    found = []
    for phase in PHASES:
        values = [seconds for one in there if (seconds := one.phases[phase]) is not None]
        objective = objectives.get(phase)
        missed = sum(objective is not None and seconds > objective for seconds in values)
        if values:
            found.append(Phase(phase, spread(values), objective, missed))
    return tuple(found)


def kinds(disruptions: Iterable[Disruption]) -> tuple[Kind, ...]:
    """Return what happened by kind: experiments first, then natural ones, each by name."""
    groups: dict[tuple[bool, str], list[Disruption]] = {}
    for one in disruptions:
        groups.setdefault((one.natural, one.kind), []).append(one)
    return tuple(_kind(name, group, natural=natural) for (natural, name), group in sorted(groups.items()))


def _kind(name: str, group: Sequence[Disruption], *, natural: bool) -> Kind:
    verdicts = Counter(one.verdict for one in group)
    lost: Counter[Acks] = Counter()
    for one in group:
        lost.update(one.lost)
    return Kind(
        kind=name,
        natural=natural,
        count=len(group),
        passed=verdicts[Verdict.PASSED],
        failed=verdicts[Verdict.FAILED],
        doubtful=verdicts[Verdict.INCONCLUSIVE],
        open=verdicts[None],
        lost={acks: lost[acks] for acks in Acks},
        produce=_spread_of("produce", group),
        full=_spread_of("full", group),
    )


def _spread_of(phase: str, group: Iterable[Disruption]) -> Spread:
    return spread(seconds for one in group if (seconds := one.phases[phase]) is not None)


def under_load(disruptions: Iterable[Disruption], objectives: Objectives) -> tuple[UnderLoad, ...]:
    """Return each kind of fault that ran under load, beside the same kind at the probes' usual rate."""
    groups: dict[str, tuple[list[Disruption], list[Disruption]]] = {}
    for one in disruptions:
        groups.setdefault(one.kind, ([], []))[one.load is not None].append(one)
    return tuple(
        UnderLoad(
            kind,
            max(one.load or 0.0 for one in loaded),
            phases(usual, objectives),
            phases(loaded, objectives),
        )
        for kind, (usual, loaded) in sorted(groups.items())
        if loaded
    )


def trends(disruptions: Sequence[Disruption]) -> tuple[Trend, ...]:
    """Compare the later half of the disruptions (by their start) with the earlier one, by the phases people feel."""
    found = []
    for phase in ("produce", "consume", "full"):
        values = [seconds for one in disruptions if (seconds := one.phases[phase]) is not None]
        half = len(values) // 2
        earlier, later = spread(values[:half]), spread(values[len(values) - half :])
        if values:
            found.append(Trend(phase, earlier, later, told=half >= ENOUGH))
    return tuple(found)
