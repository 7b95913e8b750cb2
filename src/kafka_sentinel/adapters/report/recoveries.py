"""What happened, how long it took to be over, at the usual rate and under load, now and before."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from kafka_sentinel.adapters.report.blocks import Block, Heading, Paragraph, Table
from kafka_sentinel.adapters.report.charts import Bar, Bars, Dot, Dots, over_time
from kafka_sentinel.adapters.report.words import NONE, at, share, what
from kafka_sentinel.core.incident import Verdict
from kafka_sentinel.core.report.evidence import Disruption, Finding
from kafka_sentinel.core.report.figures import duration, seconds
from kafka_sentinel.core.report.recoveries import Phase
from kafka_sentinel.core.report.report import Report
from kafka_sentinel.core.report.statistics import Spread
from kafka_sentinel.core.types import Acks

TONES = {Verdict.PASSED: "good", Verdict.FAILED: "bad"}


def kinds(report: Report) -> Iterator[Block]:
    yield Heading("Experiments and natural disruptions")
    if report.kinds:
        counts = ["count", "passed", "failed", "inconclusive", "open"]
        lost = [f"lost acks={acks.value}" for acks in report.acks]
        times = ["writes again: median", "worst", "all well: median", "worst"]
        yield Table(
            "What happened, by kind",
            ["", "of", *counts, *lost, *times],
            [
                [
                    f"`{one.kind}`",
                    "nature" if one.natural else "experiment",
                    *map(str, (one.count, one.passed, one.failed, one.doubtful, one.open)),
                    *(f"{one.lost[acks]:,}" for acks in report.acks),
                    *_two(one.produce),
                    *_two(one.full),
                ]
                for one in report.kinds
            ],
        )
    else:
        yield Paragraph("There were none.")
    if report.announced:
        yield Paragraph(f"Announced, come to nothing, and counted nowhere: {len(report.announced)}.")
    for name, phases in (("Experiments", report.experiments), ("Natural disruptions", report.natural)):
        if phases:
            yield _by_phase(name, phases)
            yield _phase_chart(name, phases)
    if len(report.disruptions) > 1:
        yield _over_time(report)


def _two(spread: Spread) -> tuple[str, str]:
    return seconds(spread.median), seconds(spread.worst)


def _by_phase(name: str, phases: Sequence[Phase]) -> Table:
    return Table(
        f"{name}: time to each phase of recovery (phases overlap)",
        ["phase", "n", "median", "worst", "objective", "missed"],
        [
            [
                one.phase,
                str(one.seconds.count),
                *_two(one.seconds),
                *((NONE, NONE) if one.objective is None else (f"{one.objective:g} s", str(one.missed))),
            ]
            for one in phases
        ],
    )


def _phase_chart(name: str, phases: Sequence[Phase]) -> Bars:
    bars = [
        Bar(one.phase, one.seconds.median or 0.0, one.seconds.worst or 0.0, one.objective, seconds(one.seconds.worst))
        for one in phases
    ]
    return Bars(f"{name}, by phase", "Bar: median. Thin line: worst. Dashed: the objective, where it is near.", bars)


def _over_time(report: Report) -> Dots:
    there = [one for one in report.disruptions if one.phases["produce"] is not None]
    dots = [
        Dot(place, took, _tone(one), f"{what(one).replace('`', '')}, {at(one.started, report.zone)}: {seconds(took)}")
        for one, place in zip(there, over_time([each.started for each in there]), strict=True)
        if (took := one.phases["produce"]) is not None
    ]
    return Dots(
        title="Seconds until every partition could be written again",
        note="A dot for each disruption: green passed, red failed. The dashed line is the objective.",
        unit="s",
        dots=dots,
        line=report.slo.recovery.get("produce"),
        first=at(there[0].started, report.zone) if there else "",
        last=at(there[-1].started, report.zone) if there else "",
    )


def _tone(one: Disruption) -> str:
    return "unsure" if one.verdict is None else TONES.get(one.verdict, "unsure")


def load(report: Report) -> Iterator[Block]:
    yield Heading("Failover under load")
    if not report.under_load:
        yield Paragraph(
            "Not measured: no experiment ran under load. An experiment with `load` raises the rate of the probes while "
            "it runs."
        )
    for one in report.under_load:
        usual = {phase.phase: phase for phase in one.usual}
        yield Table(
            f"{one.kind}: at the probes' usual rate, and with up to {one.load:,.0f} records per second",
            ["phase", "usual rate: n", "median", "worst", "under load: n", "median", "worst"],
            [[phase.phase, *_three(usual.get(phase.phase)), *_three(phase)] for phase in one.loaded],
        )
        if not one.usual:
            yield Paragraph(f"`{one.kind}` never ran at the usual rate: there is nothing to compare with.")


def _three(phase: Phase | None) -> tuple[str, str, str]:
    return ("0", NONE, NONE) if phase is None else (str(phase.seconds.count), *_two(phase.seconds))


def trend(report: Report) -> Iterator[Block]:
    yield Heading("Trend")
    told = [one for one in report.trends if one.told]
    if told:
        yield Table(
            "The later half of the disruptions beside the earlier half",
            ["phase", "n each", "earlier: median", "worst", "later: median", "worst"],
            [[one.phase, str(one.later.count), *_two(one.earlier), *_two(one.later)] for one in told],
        )
    else:
        yield Paragraph(f"Too few disruptions to tell a trend of recoveries from: {len(report.disruptions)}.")
    if len(report.weeks) > 1:
        yield Table(
            "Seven days at a time",
            ["from", "evidence", "writes in time", "reads in time", "lost acks=all"],
            [
                [
                    f"{one.first}",
                    duration(one.sight.lived),
                    *(share(each.share) for each in one.services),
                    f"{one.records[0].lost:,}",
                ]
                for one in report.weeks
            ],
        )


def one_by_one(report: Report) -> Iterator[Block]:
    if not report.disruptions:
        return
    yield Heading("Every disruption")
    times = ["writes again", "reads again", "all well"]
    yield Table(
        "Newest first",
        ["when", "what", "verdict", *times, "lost acks=all", "load", "reasons", *(["audit"] if report.audited else [])],
        [
            [
                at(one.started, report.zone),
                what(one),
                one.verdict.value if one.verdict is not None else "open",
                *(seconds(one.phases[phase]) for phase in ("produce", "consume", "full")),
                f"{one.lost[Acks.ALL]:,}",
                NONE if one.load is None else f"{one.load:,.0f}/s",
                "; ".join(one.reasons) or NONE,
                *([_rules(report.explained.get(one.id, ()))] if report.audited else []),
            ]
            for one in reversed(report.disruptions)
        ],
        figures=False,
    )


def _rules(findings: Sequence[Finding]) -> str:
    """Name the rules of the audit that would explain a disruption."""
    return ", ".join(dict.fromkeys(f"`{one.id}`" for one in findings)) or NONE
