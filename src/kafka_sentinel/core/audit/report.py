"""The audit itself: every rule over the facts, and what could not be judged said with it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from kafka_sentinel.core.audit.facts import Facts, Part
from kafka_sentinel.core.audit.finding import MAX_OF_RULE, MAX_SUBJECTS, Finding, Found, Report, Rule, Severity
from kafka_sentinel.core.audit.rules import RULES

ORDER = tuple(Severity)


def audit(facts: Facts, rules: Sequence[Rule] = RULES) -> Report:
    """Judge the facts. What no rule could judge, for want of a part, is in the report, too."""
    findings: list[Finding] = []
    counts = dict.fromkeys(Severity, 0)
    not_judged: dict[str, tuple[Part, ...]] = {}
    more: dict[str, int] = {}
    judged: list[str] = []
    missing = facts.missing()
    known = _brokers(facts)
    probes = facts.kafka.probes if facts.kafka is not None else frozenset()
    for rule in rules:
        if rule.where is not None and facts.flavour is not None and rule.where is not facts.flavour:
            continue
        lacking = tuple(part for part in Part if part in rule.needs & missing)
        if lacking:
            not_judged[rule.id] = lacking
            continue
        judged.append(rule.id)
        found = sorted((_finding(rule, one, facts, known, probes) for one in rule.judge(facts)), key=_rank)
        for finding in found:
            counts[finding.severity] += 1
        findings += found[:MAX_OF_RULE]
        if len(found) > MAX_OF_RULE:
            more[rule.id] = len(found) - MAX_OF_RULE
    findings.sort(key=_rank)  # stable: within a severity, in the order of the rules
    return Report(tuple(findings), counts, facts.gaps, not_judged, tuple(judged), more)


def _rank(finding: Finding) -> int:
    return ORDER.index(finding.severity)


def _brokers(facts: Facts) -> Mapping[str, int]:
    """Return the brokers by what rules name them by: their id, or their pod."""
    ids = {str(number): number for number in facts.kafka.known_brokers} if facts.kafka is not None else {}
    pods = facts.kubernetes.fleet.pods if facts.kubernetes is not None else {}
    return ids | {pod.name: number for number, pod in pods.items()}


def _finding(rule: Rule, found: Found, facts: Facts, known: Mapping[str, int], probes: frozenset[str]) -> Finding:
    severity = found.severity or rule.severities[0]
    assert severity in rule.severities, f"{rule.id} does not give {severity}"
    return Finding(
        rule=rule.id,
        severity=severity,
        title=rule.title,
        what=found.what,
        why=rule.why,
        mend=rule.mending(facts.flavour),
        subjects=found.subjects[:MAX_SUBJECTS],
        subject_count=len(found.subjects),
        brokers=tuple(sorted({known[name] for name in found.subjects if name in known})),
        probes=not probes.isdisjoint(found.subjects),
    )
