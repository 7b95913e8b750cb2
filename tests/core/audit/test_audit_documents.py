"""A report as text, as JSON, as SARIF, and in the daemon's status; the inventory's settings."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tests.core.audit.worlds import good, kafka, kubernetes, member, topic
from tests.core.kubernetes.raw import at
from tests.web.test_http import validator

from kafka_sentinel.core.audit.desk import MAX_SHOWN, AuditDesk
from kafka_sentinel.core.audit.documents import document, sarif
from kafka_sentinel.core.audit.facts import AclFacts, BrokerFacts, Gap, Part, Setting, Source
from kafka_sentinel.core.audit.finding import Severity, named
from kafka_sentinel.core.audit.report import audit
from kafka_sentinel.core.audit.rules import RULES
from kafka_sentinel.core.audit.stock import MAX_PLACES, stock
from kafka_sentinel.core.audit.stock_words import stock_lines
from kafka_sentinel.core.audit.words import MAX_SHOWN as SHOWN
from kafka_sentinel.core.audit.words import lines, summary
from kafka_sentinel.core.events import AuditDone

PARTLY = Gap(Part.TOPICS, "topics that our user may not Describe", whole=False)
REFUSED = Gap(Part.ACLS, "access rules: we may not")
BAD = good(kafka(topic("t", (1,), min_isr=1), acls=None), gaps=(PARTLY, REFUSED))
MANY = good(
    kafka(acls=tuple(AclFacts("User:*", "*", "Write", True, "Topic", f"t{n:03}", "Literal") for n in range(130)))
)


def text_of(report):
    return "\n".join(lines(report))


def test_for_people_the_finding_its_reason_and_the_mending_are_said():
    text = text_of(audit(BAD))
    assert "CRITICAL  Topics with one replica (topic-single-replica)\n          1 topic with one replica: t\n" in text
    assert "          Why: Each partition stands on one broker." in text
    assert "          To mend it: set spec.replicas: 3 of its KafkaTopic" in text


def test_for_people_what_was_not_looked_at_is_said_with_the_rules_it_kept_from_being_judged():
    text = text_of(audit(BAD))
    assert "NOT LOOKED AT: whatever is wrong there is not among the findings\n" in text
    assert f"          {PARTLY.why}\n          {REFUSED.why}\n" in text
    assert "4 rules not judged for that: no-authorizer, allowed-without-acl" in text
    assert text.endswith(
        f"1 critical, 0 warnings, 0 info; {len(RULES) - 4} of {len(RULES)} rules were judged, "
        "some of them on a part of what there is"
    )


def test_nothing_found_is_said_with_what_it_was_found_in():
    assert text_of(audit(good())) == f"0 critical, 0 warnings, 0 info; {len(RULES)} of {len(RULES)} rules were judged"


def test_for_people_a_rule_shows_a_few_findings_and_counts_the_rest():
    text = text_of(audit(MANY))
    assert text.count("User:* may Write on topic") == SHOWN
    assert f"and {130 - SHOWN} more like that" in text
    assert summary(audit(MANY)).startswith("130 critical")


@pytest.mark.parametrize("facts", [good(), BAD, MANY], ids=["good", "bad", "many"])
def test_as_json_it_follows_its_schema(facts):
    made = document(audit(facts), "0.1.0", "lkc-1")
    validator("audit").validate(made)
    assert sum(made["counts"].values()) == len(made["findings"]) + sum(made["more"].values())


def test_as_json_it_says_what_was_not_looked_at():
    made = document(audit(BAD), "0.1.0", "lkc-1")
    assert made["not_looked_at"] == [
        {"part": "topics", "why": PARTLY.why, "whole": False},
        {"part": "ACLs", "why": REFUSED.why, "whole": True},
    ]
    assert {one["rule"] for one in made["not_judged"]} == {
        "no-authorizer", "allowed-without-acl", "acl-for-everybody", "acl-for-everything",
    }  # fmt: skip


def test_as_sarif_it_has_what_version_2_1_0_asks_for():
    made = sarif(audit(BAD), "0.1.0", "lkc-1")
    assert made["version"] == "2.1.0"
    [run] = made["runs"]
    rules = run["tool"]["driver"]["rules"]
    assert len({rule["id"] for rule in rules}) == len(rules) == len(RULES)
    for rule in rules:
        assert all(rule[text]["text"] for text in ("shortDescription", "fullDescription", "help"))
        assert rule["defaultConfiguration"]["level"] in {"error", "warning", "note"}
    [result] = run["results"]
    assert rules[result["ruleIndex"]]["id"] == result["ruleId"] == "topic-single-replica"
    assert result["level"] == "error"
    assert "1 topic with one replica: t." in result["message"]["text"]
    [place] = result["locations"]
    assert place["physicalLocation"]["artifactLocation"]["uri"] == "kafka/lkc-1"
    assert place["logicalLocations"] == [{"name": "t", "fullyQualifiedName": "kafka/lkc-1/t"}]


def test_as_sarif_what_was_not_looked_at_is_a_notification_and_no_success():
    [run] = sarif(audit(BAD), "0.1.0", "lkc-1")["runs"]
    [invocation] = run["invocations"]
    assert invocation["executionSuccessful"] is False
    assert [(one["level"], one["descriptor"]["id"]) for one in invocation["toolExecutionNotifications"]] == [
        ("note", "topics"),
        ("warning", "ACLs"),
    ]
    [well] = sarif(audit(good()), "0.1.0", None)["runs"][0]["invocations"]
    assert well == {"executionSuccessful": True, "toolExecutionNotifications": []}


@pytest.mark.parametrize(("severity", "level"), [("critical", "error"), ("warning", "warning"), ("info", "note")])
def test_each_severity_has_its_level_of_sarif(severity, level):
    found = audit(good(kafka(topic("t", (1,), min_isr=1), racks=(None,) * 3, has_authorizer=False)))
    results = sarif(found, "0.1.0", "lkc-1")["runs"][0]["results"]
    assert {one["level"] for one in results if one["properties"]["severity"] == severity} == {level}


def test_names_are_counted_beyond_a_few():
    assert [named("abcd"[:number]) for number in range(5)] == ["", "a", "a and b", "a, b and c", "a, b, c and 1 more"]


def test_the_daemon_says_a_report_once_and_shows_it():
    desk, report = AuditDesk(), audit(BAD)
    assert desk.status() is None
    [said] = desk.take(AuditDone(at(0), report))
    assert (said.level, said.event) == ("warning", "audit")
    assert said.fields["rules"] == ["topic-single-replica"]
    assert desk.take(AuditDone(at(3600), audit(BAD))) == [], "nothing new"
    shown = desk.status()
    assert shown is not None
    assert shown["at"] == at(3600).wall
    assert shown["counts"] == {"critical": 1, "warning": 0, "info": 0}
    assert [one["title"] for one in shown["findings"]] == ["Topics with one replica"]
    assert shown["not_looked_at"] == [PARTLY.why, REFUSED.why]
    [said] = desk.take(AuditDone(at(7200), audit(good())))
    assert said.level == "info"


def test_the_status_shows_the_worst_and_counts_the_rest():
    desk = AuditDesk()
    desk.take(AuditDone(at(0), audit(MANY)))
    shown = desk.status()
    assert shown is not None
    assert (len(shown["findings"]), shown["left_out"]) == (MAX_SHOWN, 130 - MAX_SHOWN)


def settled(facts):
    return stock(facts, None, None)


def test_the_inventory_puts_together_who_has_the_same_value():
    size = {n: {"log.segment.bytes": Setting(v, Source.FILE, "10")} for n, v in ((1, "5"), (2, "10"), (10, "5"))}
    brokers = {n: BrokerFacts(n, f"b{n}:9092", None, settings) for n, settings in size.items()}
    found = settled(good(replace(kafka(), brokers=brokers)))
    assert [(one.setting.value, one.places, one.is_default) for one in found.of_brokers] == [
        ("5", ("1", "10"), False),
        ("10", ("2",), True),
    ]
    text = "\n".join(stock_lines(found))
    assert "  log.segment.bytes = 5  [file; default 10; broker 1 and 10]" in text
    assert "  log.segment.bytes = 10  [file; the default; broker 2]" in text


def test_the_inventory_never_shows_a_secret():
    brokers = {1: BrokerFacts(1, "b:9092", None, {"ssl.key.password": Setting(None, Source.FILE, None, secret=True)})}
    text = "\n".join(stock_lines(settled(good(replace(kafka(), brokers=brokers)))))
    assert "ssl.key.password = (secret)" in text


def test_ten_thousand_topics_make_one_line_of_the_inventory():
    topics = [topic(f"t{number:05}", partitions=1) for number in range(10_000)]
    found = settled(good(kafka(*topics)))
    [isr] = [one for one in found.of_topics if one.name == "min.insync.replicas"]
    assert (len(isr.places), isr.count) == (MAX_PLACES, 10_003)
    assert "[file; default not told; all 10003 topics]" in "\n".join(stock_lines(found))


def test_placement_on_a_rack_unaware_cluster_is_info_only():
    report = audit(good(kafka(racks=(None,) * 3), kubernetes(member(1), member(2), member(3))))
    assert {one.severity for one in report.findings} == {Severity.INFO}
