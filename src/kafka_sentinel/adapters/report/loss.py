"""What was lost, how sure that is, and what acks=1 would have lost."""

from __future__ import annotations

from collections.abc import Iterator

from kafka_sentinel.adapters.report.blocks import Block, Heading, Paragraph, Table
from kafka_sentinel.core.report.figures import at_most, percent, tiny
from kafka_sentinel.core.report.report import Report
from kafka_sentinel.core.report.statistics import RULE_OF_THREE
from kafka_sentinel.core.report.totals import Records
from kafka_sentinel.core.types import Acks

ACCOUNTS = (
    *("sent", "acked", "rejected", "uncertain", "verified"),
    *("lost", "duplicated", "expired", "unaccounted"),
)


def loss(report: Report) -> Iterator[Block]:
    records, failovers = report.records[0], report.failovers
    yield Heading("What was lost")
    if records.bound is None:
        yield Paragraph("Of no acknowledged record the fate is known, so nothing can be said of loss.")
    else:
        yield Paragraph(f"{_lost(records, records.bound)} {_vouched(report, records)}")
    if failovers.bound is not None:
        yield Paragraph(
            f"Records are lost together, in a disruption, so the number of disruptions says more: {failovers.lossy} of "
            f"{failovers.judged} judged ones lost any; at 95 %, fewer than {at_most(failovers.bound)} of such "
            "disruptions do."
        )
    yield Table(
        "Probe records by level of acknowledgement",
        ["", *(f"acks={one.acks.value}" for one in report.records)],
        [[name, *(f"{getattr(one, name):,}" for one in report.records)] for name in ACCOUNTS],
    )
    if records.duplicated:
        yield Paragraph(
            f"{records.duplicated:,} extra copies stand in the log of the acks=all topic, for {records.acked:,} "
            "records acknowledged. Consumers have to expect them."
        )


def _lost(records: Records, bound: float) -> str:
    if records.lost:
        return (
            f"{records.lost:,} of {records.judged:,} acknowledged records were lost at acks=all; at 95 %, the share "
            f"that is lost is below {tiny(bound)}."
        )
    rule = f"3/{records.judged:,} = " if records.judged >= RULE_OF_THREE else ""
    return (
        f"0 lost of {records.judged:,} acknowledged records at acks=all. At 95 %, the share that is lost is below "
        f"{rule}{tiny(bound)}."
    )


def _vouched(report: Report, records: Records) -> str:
    """Say of how much the sentence before speaks."""
    assert records.vouched is not None
    sight = report.span.sight
    blind = f" and {at_most(sight.blind_share)} of the time nobody saw" if sight.blind_share is not None else ""
    return (
        f"This vouches for {percent(records.vouched)} of the records acknowledged; {records.expired:,} expired unread, "
        f"{records.unaccounted:,} cannot be accounted for,{blind}."
    )


def acks_one(report: Report) -> Iterator[Block]:
    yield Heading("What weaker settings would have cost")
    strong, weak = report.records[0], next((one for one in report.records if one.acks is Acks.ONE), None)
    if weak is None:
        yield Paragraph("Not measured: `probe.acks_one.enabled` is off, so nothing is known of acks=1.")
    elif weak.bound is None:
        yield Paragraph("Of no record acknowledged at acks=1 the fate is known.")
    else:
        hit = sum(bool(one.lost[Acks.ONE]) for one in report.disruptions)
        yield Paragraph(
            f"At acks=1, beside it and through the same disruptions, {weak.lost:,} of {weak.judged:,} acknowledged "
            f"records were lost; at acks=all, {strong.lost:,} of {strong.judged:,}. At 95 %, the share lost at acks=1 "
            f"is below {tiny(weak.bound)}. It lost records in {hit} of {len(report.disruptions)} disruptions."
        )
