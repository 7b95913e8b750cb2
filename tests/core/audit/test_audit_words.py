"""A report for people, line by line: what is said in full, what is counted, and where lines are broken."""

from __future__ import annotations

import pytest

from kafka_sentinel.core.audit.facts import Gap, Part
from kafka_sentinel.core.audit.finding import Finding, Report, Severity
from kafka_sentinel.core.audit.words import INDENT, MAX_SHOWN, WIDTH, lines, summary

CRITICAL, WARNING, INFO = Severity
PARTLY, WHOLE = Gap(Part.TOPICS, "some topics", whole=False), Gap(Part.ACLS, "we may not")


def finding(rule="thin", severity=WARNING, what="t is thin", **more):
    given = {"title": f"Rule {rule}", "why": f"why {rule}", "mend": f"mend {rule}", **more}
    return Finding(rule, severity, what=what, subjects=(), subject_count=0, **given)


def report(*findings, gaps=(), **more):
    counts = {severity: sum(one.severity is severity for one in findings) for severity in Severity}
    return Report(findings, counts, tuple(gaps), **{"judged": ("thin", "bad"), **more})


def said(*findings, **more):
    return list(lines(report(*findings, **more)))


def test_a_report_line_by_line():
    """One rule may give two severities. A reason may be that of several parts, and is said once."""
    assert said(
        finding("bad", CRITICAL, "a is bad"),
        finding("bad", WARNING, "b is bad"),
        finding("bad", WARNING, "c is bad"),
        finding("thin", WARNING, "d is thin"),
        gaps=(WHOLE, PARTLY, Gap(Part.QUORUM, WHOLE.why)),
        not_judged={f"r{number:02}": (Part.ACLS,) for number in range(13)},
    ) == [
        "CRITICAL  Rule bad (bad)",
        "          a is bad",
        "          Why: why bad",
        "          To mend it: mend bad",
        "",
        "WARNING   Rule bad (bad)",
        "          b is bad",
        "          c is bad",
        "          Why: why bad",
        "          To mend it: mend bad",
        "",
        "WARNING   Rule thin (thin)",
        "          d is thin",
        "          Why: why thin",
        "          To mend it: mend thin",
        "",
        "NOT LOOKED AT: whatever is wrong there is not among the findings",
        "          we may not",
        "          some topics",
        "          13 rules not judged for that: r00, r01, r02, r03, r04, r05, r06, r07, r08, r09, r10, r11 and 1 more",
        "",
        "1 critical, 3 warnings, 0 info; 2 of 15 rules were judged, some of them on a part of what there is",
    ]


@pytest.mark.parametrize(
    ("shown", "more", "hidden"),
    [
        (MAX_SHOWN - 1, {}, []),
        (MAX_SHOWN, {"other": 4}, []),
        (MAX_SHOWN + 1, {}, ["          and 1 more like that"]),
        (MAX_SHOWN + 3, {"thin": 100}, ["          and 103 more like that"]),
    ],
)
def test_of_one_rule_a_few_are_shown_and_the_others_counted(shown, more, hidden):
    found = said(*(finding(what=f"t{number}") for number in range(shown)), more=more)
    names = [f"          t{number}" for number in range(min(shown, MAX_SHOWN))]
    assert found[1:-4] == [*names, *hidden]


def test_what_was_left_out_of_a_rule_of_two_severities_is_counted_once_with_the_mildest():
    """The worst are kept, so of the others most are mild."""
    found = [finding(severity=severity, what=severity) for severity in (CRITICAL,) * 6 + (WARNING,) * 2]
    text = [line.strip() for line in said(*found, finding("bad"), more={"thin": 4})]
    assert [line for line in text if "more like that" in line] == ["and 1 more like that", "and 4 more like that"]


@pytest.mark.parametrize(
    ("gaps", "partly"),
    [((), False), ((WHOLE,), False), ((PARTLY,), True), ((WHOLE, PARTLY), True)],
)
def test_it_says_whether_something_was_judged_on_a_part(gaps, partly):
    end = ", some of them on a part of what there is" if partly else ""
    assert summary(report(finding(severity=INFO), gaps=gaps)) == (
        f"0 critical, 0 warnings, 1 info; 2 of 2 rules were judged{end}"
    )


def test_a_gap_that_keeps_no_rule_from_being_judged_is_said_alone():
    assert said(gaps=(PARTLY,))[1:3] == ["          some topics", ""]


def test_names_are_never_broken():
    """Whoever copies the name of a topic or a setting has all of it."""
    long, dashed = "x" * WIDTH, "-".join(["kafka"] * 15)
    found = said(finding(what=f"the topic {long}", why=f"of {dashed}", mend=f"see {dashed} at once"))
    assert found[1:-2] == [
        f"{INDENT}the topic",
        f"{INDENT}  {long}",
        f"{INDENT}Why: of {dashed}",
        f"{INDENT}To mend it: see",
        f"{INDENT}  {dashed} at once",
    ]
