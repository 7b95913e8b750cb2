"""Keeps the last report of the audit while the daemon runs: what it says of it in the log and in the status."""

from __future__ import annotations

from kafka_sentinel.core.audit.bearing import bearing
from kafka_sentinel.core.audit.finding import Severity
from kafka_sentinel.core.audit.words import summary
from kafka_sentinel.core.commands import Log
from kafka_sentinel.core.events import AuditDone

MAX_SHOWN = 50  # findings, and gaps, in the status; the command `audit` shows all


class AuditDesk:
    def __init__(self) -> None:
        self._last: AuditDone | None = None

    def take(self, event: AuditDone) -> list[Log]:
        """Take a report. Returns what there is to say: nothing if it says what the one before said."""
        before, self._last = self._last, event
        if before is not None and before.report == event.report:
            return []
        critical = event.report.counts[Severity.CRITICAL]
        found: dict[str, object] = {severity.value: event.report.counts[severity] for severity in Severity}
        found["rules"] = list(dict.fromkeys(one.rule for one in event.report.findings))
        found["summary"] = summary(event.report)
        return [Log("warning" if critical else "info", "audit", found)]

    def status(self) -> dict[str, object] | None:
        """Return the last report as plain data; None before the first."""
        if self._last is None:
            return None
        report = self._last.report
        findings, gaps = report.findings, report.gaps
        return {
            "at": self._last.at.wall,
            "counts": {severity.value: report.counts[severity] for severity in Severity},
            "findings": [
                {"rule": one.rule, "severity": one.severity.value, "title": one.title, "what": one.what}
                for one in findings[:MAX_SHOWN]
            ],
            "left_out": sum(report.counts.values()) - len(findings[:MAX_SHOWN]),
            "not_looked_at": list(dict.fromkeys(gap.why for gap in gaps))[:MAX_SHOWN],
            "not_judged": list(report.not_judged),
        }

    def for_reports(self) -> dict[str, object] | None:
        """Return the findings that would explain a disruption that went badly; None before the first report."""
        if self._last is None:
            return None
        return {"at": self._last.at.wall, "findings": bearing(self._last.report)}
