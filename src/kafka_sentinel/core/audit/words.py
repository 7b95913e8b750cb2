"""A report for people to read: the worst first, what was not looked at said as plainly as what was found."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby
from textwrap import wrap

from kafka_sentinel.core.audit.finding import Finding, Report, Severity, counted, named

MAX_SHOWN = 5  # findings of one rule; the rest is counted
MAX_RULES = 12  # names of rules that were not judged; JSON has all
WIDTH = 110
INDENT = " " * 10


def lines(report: Report) -> Iterator[str]:
    """Yield the report line by line."""
    least = {one.rule: one.severity for one in report.findings}  # the last, so the mildest, of each rule
    for (rule, severity), group in groupby(report.findings, key=lambda one: (one.rule, one.severity)):
        left_out = report.more.get(rule, 0) if severity is least[rule] else 0
        yield from _of_rule(severity, list(group), left_out)
        yield ""
    yield from _not_looked_at(report)
    yield summary(report)


def summary(report: Report) -> str:
    """Return the counts, and whether they are of everything."""
    counts = ", ".join(
        [
            f"{report.counts[Severity.CRITICAL]} critical",
            counted(report.counts[Severity.WARNING], "warning"),
            f"{report.counts[Severity.INFO]} info",
        ]
    )
    total = len(report.judged) + len(report.not_judged)
    judged = f"{len(report.judged)} of {total} rules were judged"
    partly = any(not gap.whole for gap in report.gaps)
    return f"{counts}; {judged}{', some of them on a part of what there is' if partly else ''}"


def _of_rule(severity: Severity, findings: list[Finding], left_out: int) -> Iterator[str]:
    first = findings[0]
    yield f"{severity.upper():<9} {first.title} ({first.rule})"
    for finding in findings[:MAX_SHOWN]:
        yield from _wrapped(finding.what, INDENT, f"{INDENT}  ")
    hidden = max(len(findings) - MAX_SHOWN, 0) + left_out
    if hidden:
        yield f"{INDENT}and {hidden} more like that"
    yield from _wrapped(f"Why: {first.why}", INDENT, f"{INDENT}  ")
    yield from _wrapped(f"To mend it: {first.mend}", INDENT, f"{INDENT}  ")


def _not_looked_at(report: Report) -> Iterator[str]:
    if not report.gaps:
        return
    yield "NOT LOOKED AT: whatever is wrong there is not among the findings"
    for why in dict.fromkeys(gap.why for gap in report.gaps):  # one reason may be that of several parts
        yield from _wrapped(why, INDENT, f"{INDENT}  ")
    if report.not_judged:
        which = f"{counted(len(report.not_judged), 'rule')} not judged for that: {named(report.not_judged, MAX_RULES)}"
        yield from _wrapped(which, INDENT, f"{INDENT}  ")
    yield ""


def _wrapped(text: str, first: str, rest: str) -> list[str]:
    return wrap(
        text,
        WIDTH,
        initial_indent=first,
        subsequent_indent=rest,
        break_long_words=False,
        break_on_hyphens=False,
    )
