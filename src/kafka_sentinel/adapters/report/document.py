"""The report in words: which sections it has, and what each of them says."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, tzinfo

from kafka_sentinel.adapters.report.blocks import Answer, Block, Document, Heading, Paragraph, Points, Table
from kafka_sentinel.adapters.report.charts import Bar, Bars, Dot, Dots, over_time
from kafka_sentinel.core.incident import Verdict
from kafka_sentinel.core.report.evidence import Disruption
from kafka_sentinel.core.report.figures import at_most, duration, percent, seconds, tiny
from kafka_sentinel.core.report.recoveries import Phase
from kafka_sentinel.core.report.report import MSK_SLA, Report
from kafka_sentinel.core.report.statistics import Spread
from kafka_sentinel.core.report.totals import Period, Records
from kafka_sentinel.core.report.verdict import WORDS, Word
from kafka_sentinel.core.report.weakness import Weakest
from kafka_sentinel.core.types import Acks

TONES = {Word.GOOD_ENOUGH: "good", Word.NOT_YET: "bad", Word.NOT_ENOUGH_EVIDENCE: "unsure"}
VERDICT_TONES = {Verdict.PASSED: "good", Verdict.FAILED: "bad"}
STALE = 3_600.0  # seconds since the evidence ends, from which that is said
NONE = "-"


def document(report: Report) -> Document:
    blocks = [
        block
        for part in (
            _answer,
            _about,
            _loss,
            _acks_one,
            _service,
            _sight,
            _kinds,
            _recoveries,
            _load,
            _trend,
            _weakest,
            _cost,
            _incidents,
            _rules,
        )
        for block in part(report)
    ]
    return Document(f"Kafka Sentinel: report on {report.instance}", blocks)


# --- the answer


def _answer(report: Report) -> Iterator[Block]:
    judgement = report.judgement
    word = {
        Word.GOOD_ENOUGH: "Good enough",
        Word.NOT_YET: "Not yet",
        Word.NOT_ENOUGH_EVIDENCE: "Not enough evidence",
    }[judgement.word]
    yield Answer(word, TONES[judgement.word], judgement.reasons)


def _about(report: Report) -> Iterator[Block]:
    span, zone = report.span, report.zone
    cluster = f"cluster `{report.cluster_id}`" if report.cluster_id else "a cluster that has not answered yet"
    yield Paragraph(
        f"{cluster[0].upper()}{cluster[1:]}, from {span.first} (UTC, the whole day) to {_at(span.now, zone)}; "
        f"Kafka Sentinel {report.version}. Times are of {_zone(zone)}, days of UTC."
    )
    if span.evidence_from - _midnight(span.first) > 1:
        yield Paragraph(
            f"There is evidence only since {_at(span.evidence_from, zone)}: {duration(span.sight.lived)} of the "
            f"{duration(span.seconds)} asked for."
        )
    if span.now - span.evidence_until > STALE:
        yield Paragraph(f"The evidence ends at {_at(span.evidence_until, zone)}: nothing is known of the time since.")
    if span.forgotten:
        yield Paragraph(
            f"{span.forgotten} further incidents of this time were closed and are counted in no table of recoveries: "
            "only the newest are remembered one by one."
        )


# --- what became of records


def _loss(report: Report) -> Iterator[Block]:
    records, failovers = report.records[0], report.failovers
    yield Heading("What was lost")
    if records.bound is None:
        yield Paragraph("Nothing was acknowledged, so nothing can be said of loss.")
    else:
        yield Paragraph(f"{_lost(records)} {_vouched(records)}")
    if failovers.bound is not None:
        yield Paragraph(
            f"Records are lost together, in a disruption, so the number of disruptions says more: {failovers.lossy} of "
            f"{failovers.judged} judged ones lost any. At 95 %, fewer than {at_most(failovers.bound)} of such "
            "disruptions do."
        )
    yield _accounts(report)
    if records.duplicated:
        yield Paragraph(
            f"{records.duplicated:,} extra copies stand in the log of the acks=all topic, one for every "
            f"{records.acked // records.duplicated:,} records acknowledged. Consumers have to expect them."
        )


def _lost(records: Records) -> str:
    assert records.bound is not None
    if records.lost:
        return (
            f"{records.lost:,} of {records.judged:,} acknowledged records were lost at acks=all; at 95 %, the share that "
            f"is lost is below {tiny(records.bound)}."
        )
    rule = f"3/{records.judged:,}, " if records.judged >= 30 else ""  # noqa: PLR2004 - as share_bound has it
    return (
        f"0 lost of {records.judged:,} acknowledged records at acks=all. At 95 %, the share that is lost is below "
        f"{rule}{tiny(records.bound)}."
    )


def _vouched(records: Records) -> str:
    assert records.vouched is not None
    rest = [
        f"{number:,} {word}" for number, word in ((records.expired, "expired"), (records.unaccounted, "unaccounted"))
    ]
    return f"This vouches for {percent(records.vouched)} of the records acknowledged ({', '.join(rest)})."


def _accounts(report: Report) -> Table:
    def row(name: str, of: Sequence[str]) -> list[str]:
        return [name, *of]

    return Table(
        "Probe records by level of acknowledgement",
        ["", *(f"acks={one.acks.value}" for one in report.records)],
        [
            row(name, [f"{getattr(one, name):,}" for one in report.records])
            for name in (
                *("sent", "acked", "rejected", "uncertain", "verified"),
                *("lost", "duplicated", "expired", "unaccounted"),
            )
        ],
    )


def _acks_one(report: Report) -> Iterator[Block]:
    yield Heading("What weaker settings would have cost")
    weak = next((one for one in report.records if one.acks is Acks.ONE), None)
    if weak is None:
        yield Paragraph("Not measured: `probe.acks_one.enabled` is off, so nothing is known of acks=1.")
        return
    if weak.bound is None:
        yield Paragraph("Nothing was acknowledged at acks=1.")
        return
    strong = report.records[0]
    yield Paragraph(
        f"At acks=1, beside it and through the same disruptions, {weak.lost:,} of {weak.judged:,} acknowledged records "
        f"were lost; at acks=all, {strong.lost:,} of {strong.judged:,}. At 95 %, fewer than {tiny(weak.bound)} are lost at "
        f"acks=1. In {sum(bool(one.lost[Acks.ONE]) for one in report.disruptions)} of {len(report.disruptions)} "
        "disruptions acks=1 lost records."
    )


# --- service


def _service(report: Report) -> Iterator[Block]:
    yield Heading("Availability of writes and reads")
    yield Paragraph(
        f"A slot is one partition and one probe interval. It is good if its record is acknowledged within "
        f"{report.slo.produce:g} s (read within {report.slo.consume:g} s). The objective is {report.slo.availability:g} % "
        "of good slots; what nobody saw counts neither way."
    )
    yield Table(
        "Availability, all of the time",
        ["", "good slots", "bad", "not seen", "in time", "objective", "any partition down", "none down"],
        [
            [
                WORDS[one.operation],
                f"{one.good:,}",
                f"{one.bad:,}",
                f"{one.blind:,}",
                _share(one.share),
                f"{report.slo.availability:g} %",
                duration(one.down),
                _share(one.up),
            ]
            for one in report.services
        ],
    )
    yield Paragraph(
        f"Amazon's published service level for MSK over several availability zones is {MSK_SLA:g} % a month, "
        f"{duration((1 - MSK_SLA / 100) * 30 * 86_400)} of 30 days (https://aws.amazon.com/msk/sla; compare it with the text "
        "in force). It promises a credit, counts whole outages of the service, and leaves out causes that count here: "
        "the figures beside it are stricter."
    )
    if report.months:
        yield Table(
            f"Months beside MSK's {MSK_SLA:g} %",
            [
                "month",
                "evidence",
                "writes in time",
                "reads in time",
                f"writes ≥ {MSK_SLA:g} %",
                f"reads ≥ {MSK_SLA:g} %",
            ],
            [_month(one) for one in report.months],
        )
    if len(report.days) > 1:
        yield _availability_chart(report)


def _month(period: Period) -> list[str]:
    shares = [one.share for one in period.services]
    kept = [NONE if share is None else "yes" if share * 100 >= MSK_SLA else "no" for share in shares]
    return [f"{period.first:%Y-%m}", duration(period.sight.lived), *map(_share, shares), *kept]


def _availability_chart(report: Report) -> Dots:
    first, last = report.days[0].first.toordinal(), report.days[-1].first.toordinal()
    dots = []
    for one in report.days:
        shares = [each.share for each in one.services if each.share is not None]
        if shares:
            bad = (1 - min(shares)) * 100
            tone = "good" if 100 - bad >= report.slo.availability else "bad"
            at = over_time([one.first.toordinal()], first, last)[0]
            dots.append(Dot(at, bad, tone, f"{one.first}: {bad:.3f} % of the worse of writes and reads not in time"))
    return Dots(
        "Not in time, by day.",
        f"The worse of writes and reads, in percent of slots; the line is the objective ({100 - report.slo.availability:g} %).",
        "%",
        dots,
        100 - report.slo.availability,
        f"{report.days[0].first}",
        f"{report.days[-1].first}",
    )


def _sight(report: Report) -> Iterator[Block]:
    sight, span = report.span.sight, report.span
    yield Heading("What nobody saw")
    share = sight.blind_share
    if share is None:
        yield Paragraph("Nothing was seen in this time.")
        return
    yield Paragraph(
        f"Sentinel was blind, cut off or not running, for {duration(sight.blind)} of {duration(sight.lived)} "
        f"({at_most(share)}); nothing here vouches for that time. What it did see is "
        f"{percent(min(sight.seen / span.seconds, 1.0))} of the time this report is about."
    )


# --- recoveries


def _kinds(report: Report) -> Iterator[Block]:
    yield Heading("Experiments and natural disruptions")
    if not report.kinds:
        yield Paragraph("There were none.")
    else:
        head = ["", "of", "count", "passed", "failed", "inconclusive", "lost acks=all", "lost acks=1"]
        yield Table(
            "What happened, by kind",
            [*head, "writes again: median", "worst", "all well: median", "worst"],
            [
                [
                    f"`{one.kind}`",
                    "nature" if one.natural else "experiment",
                    *map(str, (one.count, one.passed, one.failed, one.doubtful)),
                    *(f"{one.lost[acks]:,}" if acks in report.acks else NONE for acks in Acks),
                    *_two(one.produce),
                    *_two(one.full),
                ]
                for one in report.kinds
            ],
        )
    if report.announced:
        yield Paragraph(f"{len(report.announced)} more were announced and came to nothing; they are not counted.")


def _two(spread: Spread) -> tuple[str, str]:
    return seconds(spread.median), seconds(spread.worst)


def _recoveries(report: Report) -> Iterator[Block]:
    for name, phases in (("Experiments", report.experiments), ("Natural disruptions", report.natural)):
        if phases:
            yield Table(f"{name}: time to each phase of recovery; phases overlap", _PHASE_HEAD, _phase_rows(phases))
            yield _phase_chart(name, phases)
    if len(report.disruptions) > 1:
        yield _recovery_chart(report)


_PHASE_HEAD = ["phase", "n", "median", "worst", "objective", "missed"]


def _phase_rows(phases: Sequence[Phase]) -> list[list[str]]:
    return [
        [
            one.phase,
            str(one.seconds.count),
            *_two(one.seconds),
            NONE if one.objective is None else f"{one.objective:g} s",
            NONE if one.objective is None else str(one.missed),
        ]
        for one in phases
    ]


def _phase_chart(name: str, phases: Sequence[Phase]) -> Bars:
    bars = [
        Bar(one.phase, one.seconds.median or 0.0, one.seconds.worst or 0.0, one.objective, seconds(one.seconds.worst))
        for one in phases
    ]
    return Bars(f"{name}, by phase.", "Bar: median; thin line: worst; dashed: objective, where it is near.", bars)


def _recovery_chart(report: Report) -> Dots:
    there = [one for one in report.disruptions if one.phases["produce"] is not None]
    first, last = report.disruptions[0].started, report.disruptions[-1].started
    dots = [
        Dot(
            at,
            one.phases["produce"] or 0.0,
            _tone(one),
            f"{_what(one)}, {_at(one.started, report.zone)}: {seconds(one.phases['produce'])}",
        )
        for one, at in zip(there, over_time([each.started for each in there], first, last), strict=True)
    ]
    return Dots(
        "Seconds until all partitions could be written again.",
        "One dot for each disruption; the dashed line is the objective.",
        "s",
        dots,
        report.slo.recovery.get("produce"),
        _at(first, report.zone),
        _at(last, report.zone),
    )


def _tone(one: Disruption) -> str:
    return "unsure" if one.verdict is None else VERDICT_TONES.get(one.verdict, "unsure")


def _load(report: Report) -> Iterator[Block]:
    yield Heading("Failover under load")
    if not report.under_load:
        yield Paragraph(
            "Not measured: no experiment ran under load. With `load` an experiment raises the rate of the probes while it runs."
        )
    for one in report.under_load:
        usual = {phase.phase: phase for phase in one.usual}
        yield Table(
            f"{one.kind}: at the usual rate of the probes, and with up to {one.load:,.0f} records per second",
            ["phase", "usual: n", "median", "worst", "under load: n", "median", "worst"],
            [[phase.phase, *_three(usual.get(phase.phase)), *_three(phase)] for phase in one.loaded],
        )
        if not one.usual:
            yield Paragraph(f"`{one.kind}` never ran at the usual rate, so there is nothing to compare with.")


def _three(phase: Phase | None) -> tuple[str, str, str]:
    return ("0", NONE, NONE) if phase is None else (str(phase.seconds.count), *_two(phase.seconds))


# --- over time, the weakest point


def _trend(report: Report) -> Iterator[Block]:
    yield Heading("Trend")
    told = [one for one in report.trends if one.told]
    if told:
        yield Table(
            "The later half of the disruptions beside the earlier half",
            ["phase", "n each", "earlier: median", "worst", "later: median", "worst"],
            [[one.phase, str(one.later.count), *_two(one.earlier), *_two(one.later)] for one in told],
        )
    else:
        yield Paragraph(f"{len(report.disruptions)} disruptions are too few to tell a trend of recoveries from.")
    if len(report.weeks) > 1:
        yield Table(
            "Week by week",
            ["seven days from", "evidence", "writes in time", "reads in time", "lost acks=all"],
            [
                [
                    f"{one.first}",
                    duration(one.sight.lived),
                    *(_share(each.share) for each in one.services),
                    f"{one.records[0].lost:,}",
                ]
                for one in report.weeks
            ],
        )


def _weakest(report: Report) -> Iterator[Block]:
    yield Heading("Weakest point")
    one = report.weakest
    if one is None:
        yield Paragraph("None is known: nothing was disrupted.")
        return
    lost = f" lost {one.lost:,} acknowledged records" if one.lost else " was the worst"
    yield Paragraph(
        f"`{one.kind}`{_of(one.brokers)} on {_at(one.started, report.zone)} (incident {one.incident}){lost}."
    )
    if one.slowest is not None:
        yield Paragraph(_slowest(one))
    findings = dict.fromkeys(each for found in report.explained.values() for each in found)
    yield from [Points([f"{each.id}: {each.sentence}" for each in findings])] if findings else []


def _slowest(one: Weakest) -> str:
    assert one.slowest is not None
    slow = one.slowest
    beside = f", {slow.seconds / slow.objective:.0%} of its objective ({slow.objective:g} s)" if slow.objective else ""
    return (
        f"Its slowest phase was `{slow.phase}`: {seconds(slow.seconds)}{beside}. For what it may take, `{slow.phase}` was the "
        f"slowest phase in {slow.slowest_in} of {slow.of} disruptions."
    )


def _cost(report: Report) -> Iterator[Block]:
    yield Heading("Cost")
    cost = report.cost
    if cost is None:
        yield Paragraph(
            "Not known: prices are never guessed. `--cost-self` and `--cost-managed` take what your nodes and MSK cost a month."
        )
        return
    amount = f"{abs(cost.saved):,.2f} {cost.currency}"
    share = f" ({abs(cost.saved) / cost.managed:.0%} of its price)" if cost.managed else ""
    words = "less" if cost.saved >= 0 else "more"
    yield Paragraph(
        f"As you say, the own cluster costs {cost.own:,.2f} {cost.currency} a month, MSK {cost.managed:,.2f} {cost.currency}: "
        f"{amount} {words}{share}. The work of people is in neither."
    )


# --- one by one


def _incidents(report: Report) -> Iterator[Block]:
    if not report.disruptions:
        return
    yield Heading("Every disruption")
    yield Table(
        "Newest first",
        [
            "when",
            "what",
            "verdict",
            "writes again",
            "reads again",
            "all well",
            "lost acks=all",
            "load",
            "why not passed",
        ],
        [
            [
                _at(one.started, report.zone),
                _what(one),
                one.verdict.value if one.verdict is not None else "open",
                *(seconds(one.phases[phase]) for phase in ("produce", "consume", "full")),
                f"{one.lost[Acks.ALL]:,}",
                NONE if one.load is None else f"{one.load:,.0f}/s",
                NONE if one.verdict is Verdict.PASSED or not one.reasons else "; ".join(one.reasons),
            ]
            for one in reversed(report.disruptions)
        ],
        figures=False,
    )


def _rules(report: Report) -> Iterator[Block]:
    rules = report.rules
    yield Heading("How this was judged")
    yield Points(
        [
            "Not yet: any acknowledged record lost at acks=all, writes or reads below their objective, any disruption that "
            "failed its objectives, or accounts that contradict themselves.",
            f"Not enough evidence: fewer than {rules.disruptions} judged disruptions, or than {rules.of_a_kind} of a kind that "
            f"occurred; less than {duration(rules.seen)} seen; blind for more than {rules.blind_share * 100:g} % of the time; the "
            f"fate of less than {rules.vouched * 100:g} % of the acknowledged records known.",
            "Good enough: none of these.",
            "Medians are of the values measured, without any model. Bounds are one-sided, at 95 %: 3/n where none of n was "
            "seen, exact for fewer than 30.",
        ]
    )


# --- words


def _share(share: float | None) -> str:
    return NONE if share is None else percent(share)


def _what(one: Disruption) -> str:
    if one.fault is not None:
        return f"`{one.fault}` of {one.target or 'a target not named'}"
    return f"`{one.cause}`{_of(one.brokers)}"


def _of(brokers: Sequence[int]) -> str:
    return f" of broker {', '.join(map(str, brokers))}" if brokers else ""


def _at(wall: float, zone: tzinfo) -> str:
    return datetime.fromtimestamp(wall, zone).strftime("%Y-%m-%d %H:%M")


def _zone(zone: tzinfo) -> str:
    return "UTC" if zone is UTC else str(zone)


def _midnight(day: date) -> float:
    return datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp()
