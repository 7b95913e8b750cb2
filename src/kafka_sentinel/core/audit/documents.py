"""A report as JSON (schema: adapters/schema/audit.json) and as SARIF 2.1.0, which continuous integration reads."""

from __future__ import annotations

from typing import Any

from kafka_sentinel.core.audit.finding import Finding, Report, Rule, Severity
from kafka_sentinel.core.audit.rules import RULES
from kafka_sentinel.core.kubernetes.fleet import Flavour

FORMAT = 1  # of the JSON document; a change that old readers cannot take raises it
SARIF = "https://json.schemastore.org/sarif-2.1.0.json"
LEVELS = {Severity.CRITICAL: "error", Severity.WARNING: "warning", Severity.INFO: "note"}
MAX_LOCATIONS = 100  # subjects named as places of one result


def document(report: Report, version: str, cluster: str | None) -> dict[str, Any]:
    """Return the report as plain data. `cluster`: the id of the Kafka cluster; None: not known."""
    return {
        "format": FORMAT,
        "version": version,
        "cluster_id": cluster,
        "counts": {severity.value: report.counts[severity] for severity in Severity},
        "findings": [finding_document(one) for one in report.findings],
        "more": dict(report.more),
        "judged": list(report.judged),
        "not_judged": [{"rule": rule, "needs": list(needs)} for rule, needs in report.not_judged.items()],
        "not_looked_at": [{"part": gap.part.value, "why": gap.why, "whole": gap.whole} for gap in report.gaps],
    }


def finding_document(one: Finding) -> dict[str, Any]:
    return {
        "rule": one.rule,
        "severity": one.severity.value,
        "title": one.title,
        "what": one.what,
        "why": one.why,
        "mend": one.mend,
        "subjects": list(one.subjects),
        "subject_count": one.subject_count,
    }


def sarif(report: Report, version: str, cluster: str | None) -> dict[str, Any]:
    """Return the report as a SARIF log with one run. What was not looked at is told as notifications of the run."""
    index = {rule.id: number for number, rule in enumerate(RULES)}
    place = f"kafka/{cluster or 'unknown-cluster'}"
    return {
        "$schema": SARIF,
        "version": "2.1.0",
        "runs": [
            {
                "tool": {
                    "driver": {
                        "name": "kafka-sentinel audit",
                        "version": version,
                        "rules": [_rule(one) for one in RULES],
                    }
                },
                "invocations": [
                    {
                        "executionSuccessful": not report.not_judged,
                        "toolExecutionNotifications": [
                            {
                                "level": "warning" if gap.whole else "note",
                                "message": {"text": f"not looked at: {gap.why}"},
                                "descriptor": {"id": gap.part.value.replace(" ", "-")},
                            }
                            for gap in report.gaps
                        ],
                    }
                ],
                "results": [_result(one, index[one.rule], place) for one in report.findings],
                "columnKind": "unicodeCodePoints",
            }
        ],
    }


def _rule(rule: Rule) -> dict[str, Any]:
    mend = rule.mend[Flavour.AUTO]
    return {
        "id": rule.id,
        "shortDescription": {"text": rule.title},
        "fullDescription": {"text": rule.why},
        "help": {"text": f"{rule.why} To mend it: {mend}"},
        "defaultConfiguration": {"level": LEVELS[rule.severities[0]]},
    }


def _result(one: Finding, index: int, place: str) -> dict[str, Any]:
    subjects = one.subjects[:MAX_LOCATIONS]
    return {
        "ruleId": one.rule,
        "ruleIndex": index,
        "level": LEVELS[one.severity],
        "message": {"text": f"{one.title}: {one.what}. {one.why} To mend it: {one.mend}"},
        "locations": [
            {
                "physicalLocation": {"artifactLocation": {"uri": place}},
                "logicalLocations": [{"name": name, "fullyQualifiedName": f"{place}/{name}"} for name in subjects],
            }
        ],
        "properties": {"severity": one.severity.value, "subjectCount": one.subject_count},
    }
