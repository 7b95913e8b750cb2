"""The audit of real brokers: a topic of each bad kind is found, and a good cluster has nothing critical."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest
from confluent_kafka.admin import (
    AclBinding,
    AclOperation,
    AclPermissionType,
    AdminClient,
    NewTopic,
    ResourcePatternType,
    ResourceType,
)
from tests.kafka.conftest import describe, wait_until
from tests.kafka.sentinel import Sentinel, configuration, wait_for

from kafka_sentinel.adapters.topics import CONFIG_BATCH
from kafka_sentinel.lab.cluster import LabCluster

EVERYBODY, UNNAMED = "User:*", "User:ANONYMOUS"
SECONDS = 60.0


def run(lab: LabCluster, *arguments: str) -> tuple[int, str, str]:
    """Return exit code, standard output and error of the command."""
    variables = {"KAFKA_SENTINEL__KAFKA__BOOTSTRAP_SERVERS": lab.bootstrap_servers}
    command = [sys.executable, "-m", "kafka_sentinel", "audit", *arguments]
    done = subprocess.run(
        command, env={**os.environ, **variables}, capture_output=True, text=True, timeout=SECONDS, check=False
    )
    return done.returncode, done.stdout, done.stderr


def report(lab: LabCluster) -> dict[str, Any]:
    _, text, progress = run(lab, "--format", "json", "--fail-on", "never")
    assert text, progress
    return json.loads(text)


def of(made: dict[str, Any], rule: str) -> list[dict[str, Any]]:
    return [one for one in made["findings"] if one["rule"] == rule]


def subjects(made: dict[str, Any], rule: str) -> set[str]:
    return {name for one in of(made, rule) for name in one["subjects"]}


@pytest.fixture
def bad(lab_combined: LabCluster, make_topic: Callable[..., str]) -> dict[str, str]:
    """Topics of each bad kind, and a good one, by what they are."""
    kinds: dict[str, tuple[list[list[int]], dict[str, str]]] = {
        "good": ([[1, 2, 3]], {}),
        "single": ([[1]], {"min.insync.replicas": "1"}),
        "tight": ([[1, 2]], {"min.insync.replicas": "2"}),
        "thin": ([[1, 2, 3]], {"min.insync.replicas": "1"}),
        "unclean": ([[1, 2, 3]], {"unclean.leader.election.enable": "true"}),
        "short": ([[1, 2, 3]], {"retention.ms": "3600000"}),
        "cut": ([[1, 2, 3]], {"retention.bytes": "1000000"}),
    }
    return {
        kind: make_topic(lab_combined, places, config=config, name=f"audit-{kind}")
        for kind, (places, config) in kinds.items()
    }


def test_a_bad_topic_of_each_kind_is_found_and_the_good_one_is_in_none(lab_combined: LabCluster, bad: dict[str, str]):
    made = report(lab_combined)
    assert subjects(made, "topic-single-replica") == {bad["single"]}
    assert subjects(made, "topic-unavailable-at-any-kill") == {bad["tight"]}
    assert subjects(made, "topic-min-isr-1") == {bad["thin"]}
    assert subjects(made, "topic-unclean-election") == {bad["unclean"]}
    assert subjects(made, "topic-retention-short") == {bad["short"]}
    assert subjects(made, "topic-retention-by-size") == {bad["cut"]}
    code, text, progress = run(lab_combined)
    assert code == 1
    assert f"1 topic with one replica: {bad['single']}" in text
    assert "audit: 3 brokers" in progress


def test_a_good_cluster_has_nothing_critical_and_what_was_not_looked_at_is_said(
    lab_combined: LabCluster, make_topic: Callable[..., str]
):
    make_topic(lab_combined, [[1, 2, 3], [2, 3, 1]])
    made = report(lab_combined)
    assert made["counts"]["critical"] == 0, made["findings"]
    # The lab listens on this machine alone, in plain text; its three brokers need no racks.
    there = {one["rule"] for one in made["findings"]}
    assert there <= {"plaintext-listener", "anonymous-clients", "no-authorizer", "no-rack-awareness"}
    assert "no-authorizer" in there
    lacking = {need for one in made["not_judged"] for need in one["needs"]}
    assert lacking <= {"pods", "nodes", "volumes", "disruption budgets", "Kafka resource", "operator", "drain cleaner"}
    code, text, _ = run(lab_combined)
    assert code == 0
    assert "NOT LOOKED AT" in text
    assert "kubernetes.enabled is off" in text
    code, _, _ = run(lab_combined, "--complete")
    assert code == 1


def test_the_settings_of_many_topics_are_read_in_several_requests(lab_combined: LabCluster):
    number = 4 * CONFIG_BATCH + 1
    names = [f"many-{index:03}" for index in range(number)]
    new = [NewTopic(name, 1, replica_assignment=[[1]], config={"min.insync.replicas": "1"}) for name in names]
    admin = AdminClient({"bootstrap.servers": lab_combined.bootstrap_servers, "log_level": 0})
    for future in admin.create_topics(new, request_timeout=30).values():
        future.result()
    wait_until(lambda: set(names) <= set(describe(lab_combined.bootstrap_servers)), SECONDS, "all topics")
    made = report(lab_combined)
    [single] = of(made, "topic-single-replica")
    assert (single["subject_count"], single["subjects"]) == (number, names)
    assert not [one for one in made["not_looked_at"] if one["part"] == "topic settings"]


def test_a_quorum_of_one_is_found(lab_separate: LabCluster):
    [finding] = of(report(lab_separate), "quorum-too-small")
    assert finding["subjects"] == ["9"]


def test_what_new_topics_would_get_and_how_brokers_differ_is_found(new_lab: Callable[..., LabCluster]):
    lab = new_lab(
        overrides={"offsets.topic.replication.factor": "1", "controlled.shutdown.enable": "false"},
        node_overrides={1: {"default.replication.factor": "1", "broker.rack": "a"}},
    )
    made = report(lab)
    assert [one["what"] for one in of(made, "new-topics-weak")] == [
        "a topic made without settings of its own gets default.replication.factor 1 (broker 1)"
    ]
    assert subjects(made, "internal-topics-to-come-weak") == {"__consumer_offsets"}
    assert subjects(made, "controlled-shutdown-off") == {"1", "2", "3"}
    assert subjects(made, "broker-settings-differ") == {"default.replication.factor"}
    [rack] = of(made, "no-rack-awareness")
    assert (rack["severity"], rack["subjects"]) == ("warning", ["2", "3"])


def test_access_for_everybody_is_found_and_what_we_may_not_see_is_said(
    new_lab: Callable[..., LabCluster], make_topic: Callable[..., str]
):
    authorizer = "org.apache.kafka.metadata.authorizer.StandardAuthorizer"
    lab = new_lab("separate", overrides={"authorizer.class.name": authorizer, "allow.everyone.if.no.acl.found": "true"})
    make_topic(lab, name="open")
    make_topic(lab, name="hidden-settings")
    allow(lab, "open", EVERYBODY, AclOperation.WRITE, AclOperation.DESCRIBE, AclOperation.DESCRIBE_CONFIGS)
    allow(lab, "hidden-settings", UNNAMED, AclOperation.DESCRIBE)

    def denied() -> list[str]:
        return [one["why"] for one in report(lab)["not_looked_at"] if "hidden-settings" in one["why"]]

    [why] = wait_until(denied, SECONDS, "the broker to refuse the settings of a topic")
    assert "allow DescribeConfigs on these topics" in why
    made = report(lab)
    assert of(made, "no-authorizer") == []
    assert subjects(made, "allowed-without-acl") == {"1", "2", "3"}
    writes = [one for one in of(made, "acl-for-everybody") if one["severity"] == "critical"]
    assert [one["what"] for one in writes] == ["User:* may DescribeConfigs and Write on topic open"]
    assert [one for one in made["not_looked_at"] if "may not Describe" in one["why"]]


def allow(lab: LabCluster, topic: str, principal: str, *operations: AclOperation) -> None:
    admin = AdminClient({"bootstrap.servers": lab.bootstrap_servers, "log_level": 0})
    bindings = [
        AclBinding(ResourceType.TOPIC, topic, ResourcePatternType.LITERAL, principal, "*", one, AclPermissionType.ALLOW)
        for one in operations
    ]
    for future in admin.create_acls(bindings, request_timeout=10).values():
        future.result()


def test_the_inventory_has_every_setting_with_its_source_and_default(lab_combined: LabCluster, bad: dict[str, str]):
    _, text, _ = run(lab_combined, "--inventory", "--format", "json")
    made = json.loads(text)
    brokers = {one["name"]: one for one in made["broker_settings"] if one["count"] == 3}
    assert len(brokers) > 150
    lag, segment = brokers["replica.lag.time.max.ms"], brokers["log.segment.bytes"]
    assert (lag["value"], lag["source"], lag["default"]) == ("4000", "file", "30000")
    assert (segment["value"], segment["source"], segment["default"]) == ("1073741824", "default", "1073741824")
    of_topics = [one for one in made["topic_settings"] if one["name"] == "min.insync.replicas"]
    # Kafka gives its topic of transactions a setting of its own, too, and tests before may have had that made.
    own = {(one["value"], topic) for one in of_topics if one["source"] == "topic" for topic in one["topics"]}
    assert own - {("2", "__transaction_state")} == {("1", bad["single"]), ("1", bad["thin"]), ("2", bad["tight"])}
    inherited = [one for one in of_topics if bad["good"] in one["topics"]]
    assert [(one["value"], one["default"]) for one in inherited] == [("2", "1")]
    assert inherited[0]["source"] in {"file", "all brokers"}  # where replicas are eligible leaders, Kafka copies it
    [short] = [one for one in made["topic_settings"] if one["name"] == "retention.ms" and one["source"] == "topic"]
    # What the brokers' log.retention.hours would give, Kafka does not tell where the topic has a setting of its own.
    assert (short["value"], short["default"], short["topics"]) == ("3600000", None, [bad["short"]])
    _, text, _ = run(lab_combined, "--inventory")
    assert "  replica.lag.time.max.ms = 4000  [file; default 30000; all 3 brokers]" in text


@pytest.mark.full
def test_the_daemon_audits_soon_after_its_start(lab_combined: LabCluster, bad: dict[str, str]):
    with Sentinel(configuration(lab_combined.bootstrap_servers, "audited")) as sentinel:

        def audited() -> Any:
            status = sentinel.runtime.snapshot.get()
            return status["audit"] if status is not None else None

        wait_for(lambda: audited() is not None, SECONDS, "an audit")
        told = audited()
        assert {one["rule"] for one in told["findings"]} >= {"topic-single-replica", "topic-unclean-election"}
        assert any(bad["single"] in one["what"] for one in told["findings"])
