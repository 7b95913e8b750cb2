"""The last report of the audit in the daemon: what is logged of it, and what the status and a report get."""

from __future__ import annotations

from dataclasses import replace

from tests.core.audit.worlds import good, kubernetes, member
from tests.core.kubernetes.raw import at

from kafka_sentinel.core.audit.bearing import bearing
from kafka_sentinel.core.audit.desk import MAX_SHOWN, AuditDesk
from kafka_sentinel.core.audit.facts import Gap, Part
from kafka_sentinel.core.audit.finding import Finding, Report, Severity
from kafka_sentinel.core.audit.report import audit
from kafka_sentinel.core.commands import Log
from kafka_sentinel.core.events import AuditDone

CRITICAL, WARNING, INFO = Severity
NOTHING = {CRITICAL: 0, WARNING: 0, INFO: 0}


def finding(rule, what, severity=WARNING):
    return Finding(rule, severity, f"Rule {rule}", what, "why", "mend", (), 0)


REPORT = Report(
    (finding("bad", "a", CRITICAL), finding("thin", "b"), finding("thin", "c")),
    {CRITICAL: 1, WARNING: 9, INFO: 3},
    (Gap(Part.ACLS, "we may not"), Gap(Part.QUORUM, "we may not"), Gap(Part.TOPICS, "some", whole=False)),
    not_judged={"open": (Part.ACLS,), "small": (Part.QUORUM,)},
    judged=("bad", "thin"),
)


def test_a_report_is_logged_once_with_its_rules_and_counts():
    desk = AuditDesk()
    assert desk.take(AuditDone(at(0), REPORT)) == [
        Log(
            "warning",
            "audit",
            {
                "critical": 1,
                "warning": 9,
                "info": 3,
                "rules": ["bad", "thin"],
                "summary": "1 critical, 9 warnings, 3 info; 2 of 4 rules were judged, "
                "some of them on a part of what there is",
            },
        )
    ]
    assert desk.take(AuditDone(at(3600), replace(REPORT))) == [], "nothing new"
    [log] = desk.take(AuditDone(at(7200), replace(REPORT, findings=(), counts={**NOTHING, WARNING: 1})))
    assert (log.level, log.fields["rules"]) == ("info", [])


def test_the_very_first_report_is_logged_though_nothing_was_found():
    assert [log.level for log in AuditDesk().take(AuditDone(at(0), Report((), NOTHING, ())))] == ["info"]


def test_the_status_has_the_last_report_and_counts_what_it_does_not_show():
    desk = AuditDesk()
    assert desk.status() is None
    desk.take(AuditDone(at(0), Report((), NOTHING, ())))
    desk.take(AuditDone(at(3600), REPORT))
    assert desk.status() == {
        "at": at(3600).wall,
        "counts": {"critical": 1, "warning": 9, "info": 3},
        "findings": [
            {"rule": "bad", "severity": "critical", "title": "Rule bad", "what": "a"},
            {"rule": "thin", "severity": "warning", "title": "Rule thin", "what": "b"},
            {"rule": "thin", "severity": "warning", "title": "Rule thin", "what": "c"},
        ],
        "left_out": 10,
        "not_looked_at": ["we may not", "some"],
        "not_judged": ["open", "small"],
    }


def test_the_status_is_bounded():
    many = [f"{number}" for number in range(MAX_SHOWN + 5)]
    report = Report(
        tuple(finding("thin", name) for name in many),
        {**NOTHING, WARNING: len(many)},
        tuple(Gap(Part.TOPICS, name) for name in many),
    )
    desk = AuditDesk()
    desk.take(AuditDone(at(0), report))
    shown = desk.status()
    assert shown is not None
    assert ([one["what"] for one in shown["findings"]], shown["left_out"]) == (many[:MAX_SHOWN], 5)
    assert shown["not_looked_at"] == many[:MAX_SHOWN]


def test_reports_get_what_would_explain_a_disruption_and_when_that_was_found():
    desk = AuditDesk()
    assert desk.for_reports() is None
    shared = audit(good(kubernetes_facts=kubernetes(member(1, node="n1"), member(2, node="n1"), member(3))))
    desk.take(AuditDone(at(60), shared))
    assert bearing(shared)
    assert desk.for_reports() == {"at": at(60).wall, "findings": bearing(shared)}
