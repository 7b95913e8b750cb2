"""The report: evidence and what the user wants to know in, all numbers and the verdict out. Pure, so repeatable."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, tzinfo

from kafka_sentinel.core.days import DAY
from kafka_sentinel.core.incident import Verdict
from kafka_sentinel.core.report import recoveries, totals, weakness
from kafka_sentinel.core.report.evidence import Day, Disruption, Evidence, Finding, Slo
from kafka_sentinel.core.report.statistics import share_bound
from kafka_sentinel.core.report.verdict import Judgement, Rules, Seen, judge, judged
from kafka_sentinel.core.slots import Operation
from kafka_sentinel.core.types import Acks

SCHEMA = 1  # of the report as JSON
MSK_SLA = 99.9  # percent a month, of clusters over several availability zones: aws.amazon.com/msk/sla


@dataclass(frozen=True, slots=True)
class Cost:
    """What the user says it costs a month, in `currency`: the nodes of the own cluster, and MSK in its place."""

    own: float
    managed: float
    currency: str

    @property
    def saved(self) -> float:
        return self.managed - self.own


@dataclass(frozen=True, slots=True)
class Wish:
    """`now`: Unix time; `since`: seconds before it. `availability`: percent, in place of the Sentinel's own objective.

    `zone`: in which instants are shown; days are of UTC. `findings`: of an audit; None: none is known.
    """

    now: float
    since: float
    zone: tzinfo = UTC
    availability: float | None = None
    cost: Cost | None = None
    findings: tuple[Finding, ...] | None = None
    rules: Rules = field(default_factory=Rules)


@dataclass(frozen=True, slots=True)
class Span:
    """What the report is about. `first`: its first day, counted whole, until `now`.

    Totals are there from `evidence_from` to `evidence_until`. `forgotten`: closed incidents of that time that are
    counted, and no longer remembered.
    """

    first: date
    now: float
    evidence_from: float
    evidence_until: float
    sight: totals.Sight
    forgotten: int

    @property
    def seconds(self) -> float:
        """The length of the time that was asked for."""
        return max(self.now - _midnight(self.first), 1.0)

    @property
    def begins_late(self) -> bool:
        """Whether there are no totals of the beginning."""
        return self.evidence_from > _midnight(self.first)


@dataclass(frozen=True, slots=True)
class Failovers:
    """`lossy`: judged disruptions that lost a record (acks=all); `bound`: what share may lose some, at 95 %."""

    judged: int
    lossy: int
    bound: float | None


@dataclass(frozen=True, slots=True)
class Report:
    """Disruptions by their start. `judgement` is the point of it all. `explained`: bad ones by their id."""

    instance: str
    cluster_id: str | None
    version: str
    zone: tzinfo
    span: Span
    slo: Slo
    rules: Rules
    judgement: Judgement
    acks: tuple[Acks, ...]
    records: tuple[totals.Records, ...]
    services: tuple[totals.Service, ...]
    failovers: Failovers
    disruptions: tuple[Disruption, ...]
    announced: tuple[Disruption, ...]
    kinds: tuple[recoveries.Kind, ...]
    experiments: tuple[recoveries.Phase, ...]
    natural: tuple[recoveries.Phase, ...]
    under_load: tuple[recoveries.UnderLoad, ...]
    trends: tuple[recoveries.Trend, ...]
    days: tuple[totals.Period, ...]
    weeks: tuple[totals.Period, ...]
    months: tuple[totals.Period, ...]
    weakest: weakness.Weakest | None
    audited: bool
    explained: dict[str, tuple[Finding, ...]]
    cost: Cost | None


def build(evidence: Evidence, wish: Wish) -> Report:
    """Make the report of the time from the day of `wish.now - wish.since` (UTC) to `wish.now`."""
    first = _day(wish.now - wish.since)
    days = tuple(one for one in evidence.days if first <= one.day <= _day(wish.now))
    begin = _midnight(first)
    there = tuple(one for one in evidence.disruptions if begin <= one.started <= wish.now)
    struck, announced = _split(there)
    slo = evidence.slo if wish.availability is None else replace(evidence.slo, availability=wish.availability)
    sums = totals.total(days)
    sight = totals.sight(sums)
    records = tuple(totals.records(sums, acks) for acks in evidence.acks)
    services = tuple(totals.service(sums, operation) for operation in Operation)
    seen = Seen(struck, records[0], services, sight, round(sums.get("violations", 0)))
    return Report(
        instance=evidence.instance,
        cluster_id=evidence.cluster_id,
        version=evidence.version,
        zone=wish.zone,
        span=Span(
            first=first,
            now=wish.now,
            evidence_from=max(begin, evidence.since),
            evidence_until=min(evidence.until, wish.now),
            sight=sight,
            forgotten=_forgotten(days, evidence.disruptions, begin, _midnight(_day(wish.now)) + DAY),
        ),
        slo=slo,
        rules=wish.rules,
        judgement=judge(seen, slo, wish.rules),
        acks=evidence.acks,
        records=records,
        services=services,
        failovers=_failovers(struck),
        disruptions=struck,
        announced=announced,
        kinds=recoveries.kinds(struck),
        experiments=recoveries.phases((one for one in struck if not one.natural), slo.recovery),
        natural=recoveries.phases((one for one in struck if one.natural), slo.recovery),
        under_load=recoveries.under_load(struck, slo.recovery),
        trends=recoveries.trends(struck),
        days=tuple(totals.period((one,), evidence.acks) for one in days),
        weeks=totals.weeks(days, _day(wish.now), evidence.acks),
        months=totals.months(days, evidence.acks),
        weakest=weakness.weakest(struck, slo.recovery, wish.findings or ()),
        audited=wish.findings is not None,
        explained=weakness.explained(struck, slo.recovery, wish.findings or ()),
        cost=wish.cost,
    )


def _day(wall: float) -> date:
    return datetime.fromtimestamp(wall, UTC).date()


def _midnight(day: date) -> float:
    return datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp()


def _split(there: Sequence[Disruption]) -> tuple[tuple[Disruption, ...], tuple[Disruption, ...]]:
    """Return what happened, and what was only announced and came to nothing. Open ones may still come to something."""
    announced = tuple(one for one in there if one.closed is not None and not one.happened)
    return tuple(one for one in there if one not in announced), announced


def _forgotten(days: Sequence[Day], remembered: Sequence[Disruption], begin: float, end: float) -> int:
    """Return how many incidents more were closed on these days, from `begin` to `end`, than are remembered.

    They count on the day on which they were closed, whenever they began.
    """
    names = [f"{kind}_{verdict}" for kind in ("experiment", "natural") for verdict in Verdict]
    closed = round(sum(one.counts.get(name, 0) for one in days for name in names))
    return max(closed - sum(one.closed is not None and begin <= one.closed < end for one in remembered), 0)


def _failovers(struck: Sequence[Disruption]) -> Failovers:
    there = judged(struck)
    lossy = sum(bool(one.lost[Acks.ALL]) for one in there)
    return Failovers(len(there), lossy, share_bound(lossy, len(there)))
