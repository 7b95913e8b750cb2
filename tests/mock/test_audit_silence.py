"""What the audit makes of brokers that answer metadata and nothing else, as librdkafka's mock brokers do."""

from __future__ import annotations

import pytest
from confluent_kafka.admin import ConfigEntry, ConfigSource
from tests.mock.mock_cluster import MockCluster

from kafka_sentinel.adapters.audit_kafka import AuditOptions, KafkaAudit, NoAnswer, setting
from kafka_sentinel.adapters.topics import CONFIG_BATCH
from kafka_sentinel.core.audit.facts import Facts, Part, Setting, Source
from kafka_sentinel.core.audit.report import audit

TOPICS = 5 * CONFIG_BATCH


def options(bootstrap: str) -> AuditOptions:
    return AuditOptions({"bootstrap.servers": bootstrap}, {"bootstrap_servers": bootstrap}, frozenset(), timeout=0.5)


def test_what_is_not_answered_is_a_gap_and_no_rule_that_needs_it_is_judged():
    with MockCluster(topic="orders") as cluster:
        told: list[str] = []
        facts, gaps = KafkaAudit(options(cluster.bootstrap_servers), told.append).look()
    assert set(facts.brokers) == {1, 2, 3}
    assert set(facts.view.topics) == {"orders"}
    assert (facts.settings, facts.acls, facts.has_authorizer, facts.voters) == ({}, None, None, None)
    assert {gap.part for gap in gaps if gap.whole} == {
        Part.RACKS, Part.BROKER_SETTINGS, Part.TOPIC_SETTINGS, Part.ACLS, Part.QUORUM, Part.PRODUCERS,
    }  # fmt: skip
    assert told == ["3 brokers, 1 topic"]
    report = audit(Facts(facts, None, gaps))
    assert "topic-single-replica" in report.judged
    assert {"topic-min-isr-1", "new-topics-weak", "no-authorizer", "quorum-too-small"} <= set(report.not_judged)


def test_brokers_that_say_nothing_of_settings_are_not_asked_for_all_of_them():
    with MockCluster(topic="t000") as cluster:
        for number in range(1, TOPICS):
            cluster.create_topic(f"t{number:03}")
        _, gaps = KafkaAudit(options(cluster.bootstrap_servers)).look()
    asked, left = [gap.why for gap in gaps if gap.part is Part.TOPIC_SETTINGS and gap.whole]
    assert asked.startswith(
        f"settings of {3 * CONFIG_BATCH} topics (t000, t001, t002 and {3 * CONFIG_BATCH - 3} more): "
    )
    assert left.startswith(f"settings of {2 * CONFIG_BATCH} topics (t150, t151, t152 and ")
    assert left.endswith(": nobody answered")


FILE, DEFAULT, TOPIC = (
    each.value
    for each in (ConfigSource.STATIC_BROKER_CONFIG, ConfigSource.DEFAULT_CONFIG, ConfigSource.DYNAMIC_TOPIC_CONFIG)
)  # the client gives bare numbers


@pytest.mark.parametrize(
    ("name", "value", "source", "default"),
    [
        ("log.retention.hours", "1", FILE, ("log.retention.hours", "168")),
        ("max.message.bytes", "1000", TOPIC, ("message.max.bytes", "1048588")),
        ("cleanup.policy", "compact", TOPIC, ("log.cleanup.policy", "delete")),
    ],
)
def test_kafkas_own_value_is_told_beside_what_was_set(name, value, source, default):
    own_name, own = default
    found = setting(ConfigEntry(name, value, source, synonyms={own_name: ConfigEntry(own_name, own, DEFAULT)}))
    assert (found.value, found.default) == (value, own)


def test_where_kafka_does_not_tell_its_own_value_there_is_none():
    found = setting(ConfigEntry("retention.ms", "1000", TOPIC, synonyms={"retention.ms": ConfigEntry("", "", TOPIC)}))
    assert (found.value, found.default) == ("1000", None)


def test_a_secret_is_not_kept_and_an_unknown_source_is_unknown():
    found = setting(ConfigEntry("ssl.key.password", None, FILE, is_sensitive=True))
    assert found == Setting(None, Source.FILE, None, secret=True)
    assert setting(ConfigEntry("a", "b", 99)).source is Source.UNKNOWN


def test_where_no_broker_answers_that_is_said_in_a_sentence():
    with pytest.raises(NoAnswer, match=r"no broker answered within 0\.5 s: "):
        KafkaAudit(options("127.0.0.1:1")).look()
