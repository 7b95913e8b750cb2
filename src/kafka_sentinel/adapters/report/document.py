"""The report in words: its sections in their order, with the first and the last ones."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from kafka_sentinel.adapters.report import loss, recoveries, service
from kafka_sentinel.adapters.report.blocks import Answer, Block, Document, Heading, Paragraph, Points
from kafka_sentinel.adapters.report.words import at, of, zone_name
from kafka_sentinel.core.report.figures import duration, seconds
from kafka_sentinel.core.report.report import Report
from kafka_sentinel.core.report.statistics import RULE_OF_THREE
from kafka_sentinel.core.report.verdict import Word
from kafka_sentinel.core.report.weakness import Slowest

WORDS = {
    Word.GOOD_ENOUGH: ("Good enough", "good"),
    Word.NOT_YET: ("Not yet, because", "bad"),
    Word.NOT_ENOUGH_EVIDENCE: ("Not enough evidence", "unsure"),
}
STALE = 3_600.0  # seconds since the evidence ends, from which that is said


def document(report: Report) -> Document:
    sections = (
        answer,
        about,
        loss.loss,
        loss.acks_one,
        service.service,
        service.sight,
        recoveries.kinds,
        recoveries.load,
        recoveries.trend,
        weakest,
        cost,
        recoveries.one_by_one,
        rules,
    )
    return Document(
        f"Kafka Sentinel: report on {report.instance}", [block for section in sections for block in section(report)]
    )


def answer(report: Report) -> Iterator[Block]:
    word, tone = WORDS[report.judgement.word]
    more = report.judgement.experiments
    word += f": run {more} more experiment{'s' if more > 1 else ''}" if more else ""
    yield Answer(word, tone, report.judgement.reasons)


def about(report: Report) -> Iterator[Block]:
    span, zone = report.span, report.zone
    cluster = f"Cluster `{report.cluster_id}`" if report.cluster_id else "A cluster that has not answered yet"
    yield Paragraph(
        f"{cluster}, from {span.first} to {at(span.now, zone)}. Days are of UTC, the first is counted whole; "
        f"times are of {zone_name(zone)}. Kafka Sentinel {report.version}."
    )
    if span.begins_late:
        yield Paragraph(
            f"There is evidence only since {at(span.evidence_from, zone)}: {duration(span.sight.lived)} of the "
            f"{duration(span.seconds)} asked for."
        )
    if span.now - span.evidence_until > STALE:
        yield Paragraph(f"The evidence ends at {at(span.evidence_until, zone)}: nothing is known of the time since.")
    if span.forgotten:
        yield Paragraph(
            f"{span.forgotten} more incidents of this time were closed than are remembered one by one: they are in no "
            "table of recoveries."
        )


def weakest(report: Report) -> Iterator[Block]:
    yield Heading("Weakest point")
    one = report.weakest
    if one is None:
        yield Paragraph("None is known: nothing was disrupted.")
        return
    did = f"lost {one.lost:,} acknowledged records" if one.lost else _missed(one.slowest)
    where = f"{of(one.brokers)} on {at(one.started, report.zone)}"
    yield Paragraph(f"`{one.kind}`{where} {did} (incident `{one.incident}`).")
    if one.slowest is not None:
        yield Paragraph(_slowest(one.slowest))
    if one.findings:
        yield Points([f"{finding.id}: {finding.sentence}" for finding in one.findings])
    yield from _explained(report)


def _explained(report: Report) -> Iterator[Block]:
    """Say of the disruptions that failed or lost something what the audit found that would explain them."""
    bad = report.explained
    if not bad:
        return
    if not report.audited:
        yield Paragraph(
            "Whether an audit found what would explain what went badly is not known here. A running daemon knows: "
            "`--url`."
        )
        return
    counts = Counter(finding for findings in bad.values() for finding in findings)
    tied = sum(bool(findings) for findings in bad.values())
    failed = f"{len(bad)} disruption{'' if len(bad) == 1 else 's'} failed, or lost records at acks=all."
    if not tied:
        yield Paragraph(
            f"{failed} Nothing that the last audit found would explain {'it' if len(bad) == 1 else 'them'}."
        )
        return
    yield Paragraph(f"{failed} What the last audit found would explain {tied} of {len(bad)}:")
    yield Points([f"`{one.id}`, {number} of {len(bad)}: {one.sentence}" for one, number in counts.most_common()])
    yield Paragraph("`kafka-sentinel audit` says how to mend each. Which explains which is in the table of all.")


def _missed(slow: Slowest | None) -> str:
    late = slow is not None and slow.objective is not None and slow.seconds > slow.objective
    return "missed its objectives most" if late else "came closest to missing its objectives"


def _slowest(slow: Slowest) -> str:
    beside = f", {slow.seconds / slow.objective:.0%} of its objective of {slow.objective:g} s" if slow.objective else ""
    return (
        f"Its slowest phase, for what each may take, was `{slow.phase}`: {seconds(slow.seconds)}{beside}. That was the "
        f"slowest one in {slow.slowest_in} of {slow.of} disruptions."
    )


def cost(report: Report) -> Iterator[Block]:
    yield Heading("Cost")
    given = report.cost
    if given is None:
        yield Paragraph(
            "Not known, and never guessed: `--cost-self` and `--cost-managed` take what your nodes and MSK cost a "
            "month."
        )
        return
    share = f", {abs(given.saved) / given.managed:.0%} of that" if given.managed else ""
    word = "cheaper" if given.saved >= 0 else "dearer"
    yield Paragraph(
        f"As told, the own nodes cost {given.own:,.2f} {given.currency} a month and MSK {given.managed:,.2f}: the own "
        f"are {abs(given.saved):,.2f} {given.currency} {word}{share}. The work of people is in neither."
    )


def rules(report: Report) -> Iterator[Block]:
    given = report.rules
    yield Heading("How this was judged")
    yield Points(
        [
            (
                "Not yet: an acknowledged record lost at acks=all; writes or reads below their objective; a disruption "
                "that failed its objectives; accounts that contradict themselves."
            ),
            (
                f"Not enough evidence: fewer than {given.disruptions} judged disruptions, or than {given.of_a_kind} of "
                f"a kind that occurred; less than {duration(given.seen)} seen; blind for more than "
                f"{given.blind_share * 100:g} % of the time; the fate of less than {given.vouched * 100:g} % of the "
                "acknowledged records known."
            ),
            "Good enough: none of these.",
            (
                "Medians are of what was measured. Bounds are one-sided, at 95 %: 3/n where none of n was seen, exact "
                f"for n below {RULE_OF_THREE}. Figures are rounded towards the worse."
            ),
        ]
    )
