"""How much of the time writes and reads were good, beside the objective and MSK's, and what nobody saw."""

from __future__ import annotations

from collections.abc import Iterator

from kafka_sentinel.adapters.report.blocks import Block, Heading, Paragraph, Table
from kafka_sentinel.adapters.report.charts import Dot, Dots, over_time
from kafka_sentinel.adapters.report.words import NONE, share
from kafka_sentinel.core.days import DAY
from kafka_sentinel.core.report.figures import at_most, duration, percent
from kafka_sentinel.core.report.report import MSK_SLA, Report
from kafka_sentinel.core.report.totals import Period
from kafka_sentinel.core.report.verdict import WORDS

MONTH = 30 * DAY


def service(report: Report) -> Iterator[Block]:
    slo = report.slo
    yield Heading("Availability of writes and reads")
    yield Paragraph(
        "A slot is one partition, of either level, and one probe interval. It is good if its record is acknowledged "
        f"within {slo.produce:g} s (read within {slo.consume:g} s); {slo.availability:g} % are to be. What nobody saw "
        "counts neither way. What experiments break counts like any other outage."
    )
    head = [
        "",
        "good slots",
        "bad",
        "not seen",
        "in time",
        "objective",
        "any partition down",
        "by experiments",
        "none down",
    ]
    yield Table(
        "All of the time",
        head,
        [
            [
                WORDS[one.operation],
                *(f"{count:,}" for count in (one.good, one.bad, one.blind)),
                share(one.share),
                f"{slo.availability:g} %",
                duration(one.down),
                duration(one.provoked),
                share(one.up),
            ]
            for one in report.services
        ],
    )
    if len(report.days) > 1:
        yield _by_day(report)
    yield Paragraph(
        f"The published SLA of Amazon MSK over several availability zones is {MSK_SLA:g} % a month, "
        f"{duration((1 - MSK_SLA / 100) * MONTH)} of 30 days (https://aws.amazon.com/msk/sla; compare it with the text "
        "in force). It promises a credit, by a definition of an outage and with exceptions of its own; here every slot "
        "counts, whatever the cause."
    )
    if report.months:
        least = f"{MSK_SLA:g} %"
        yield Table(
            f"Month by month, beside {least}",
            ["month", "evidence", "writes in time", "reads in time", f"writes reach {least}", f"reads reach {least}"],
            [_month(one) for one in report.months],
        )


def _month(period: Period) -> list[str]:
    shares = [one.share for one in period.services]
    reached = [NONE if one is None else "yes" if one * 100 >= MSK_SLA else "no" for one in shares]
    return [f"{period.first:%Y-%m}", duration(period.sight.lived), *map(share, shares), *reached]


def _by_day(report: Report) -> Dots:
    days = [one for one in report.days if any(each.share is not None for each in one.services)]
    allowed = 100 - report.slo.availability
    dots = []
    for one, at in zip(days, over_time([each.first.toordinal() for each in days]), strict=True):
        bad = max(100 - 100 * each.share for each in one.services if each.share is not None)
        said = f"{one.first}: {bad:.3f} %"
        dots.append(Dot(at, bad, "good" if bad <= allowed else "bad", said))
    return Dots(
        title="Not in time, by day",
        note=f"Percent of slots, the worse of writes and reads. The dashed line is what may be, {allowed:.6g} %.",
        unit="%",
        dots=dots,
        line=allowed,
        first=f"{report.days[0].first}",
        last=f"{report.days[-1].first}",
    )


def sight(report: Report) -> Iterator[Block]:
    yield Heading("What nobody saw")
    seen, span = report.span.sight, report.span
    if seen.blind_share is None:
        yield Paragraph("Nothing was seen in this time.")
    else:
        yield Paragraph(
            f"Sentinel was blind, cut off or not running, for {duration(seen.blind)} of {duration(seen.lived)} "
            f"({at_most(seen.blind_share)}); nothing here vouches for that time. What it saw is "
            f"{percent(min(seen.seen / span.seconds, 1.0))} of the time this report is about."
        )
