"""Faults of pods by the daemon itself, ordered by annotation: what went, how often and how, as the API server says."""

from __future__ import annotations

import pytest
from confluent_kafka import Producer
from tests.kafka.observer import group_coordinators, transaction_coordinators
from tests.kafka.sentinel import assert_identities
from tests.kubernetes.deploy.kafka import Kafka
from tests.kubernetes.deploy.sentinel import Deployer, Sentinel
from tests.kubernetes.injections import (
    allowed,
    armed,
    bound_uid,
    deletions,
    experiment,
    order,
    passed,
    wall,
    writes,
)
from tests.kubernetes.lab.cluster import Cluster
from tests.kubernetes.phases import PLACED, SECTIONS
from tests.kubernetes.pod_record import PodRecord, recorded

pytestmark = pytest.mark.full
RESTARTS = "broker_restarts_total"
OVER = 150.0  # seconds until the incident of one broker is closed
ROLLED = 300.0  # and of three, one after the other
COUNTED = 120.0  # until restarts are counted: only after a minute their cause is final
PAYMENTS, PAYING, BILLING = "payments", "payments-7", "billing"  # a topic, a transactional id, a group
ASKED = "strimzi.io/manual-rolling-update"


def armed_with(kafka: Kafka, deploy: Deployer, topic: str, fault: str, target: str) -> Sentinel:
    """Return a Sentinel whose experiment `it` every guard allows."""
    kafka.create_topic(topic, PLACED, min_insync_replicas="2")
    sentinel = deploy(kafka, topic=topic, experiments=armed(kafka, experiment("it", fault, target)), **SECTIONS)
    allowed(sentinel, "it")
    return sentinel


def run(sentinel: Sentinel, brokers: list[int], seconds: float) -> None:
    """Order the experiment, and wait until it has passed on these brokers."""
    order(sentinel, "run-now", "it")
    incident = passed(sentinel, "it", seconds)
    assert incident["brokers"] == brokers, incident
    sentinel.kafka.wait_ready()


def check_counted(sentinel: Sentinel, brokers: list[int]) -> None:
    """Wait until the restarts are counted: each once, as ours; and nothing was lost or went wrong with it."""
    many = len(brokers)
    sentinel.wait_for(lambda _: sentinel.metric(RESTARTS) >= many, f"{many} restarts to be counted", COUNTED)
    assert sentinel.metric(RESTARTS, cause="experiment") == sentinel.metric(RESTARTS) == many
    assert sentinel.metric("experiments_total") == sentinel.metric("experiments_total", result="passed") == 1
    assert sentinel.metric("records_lost_total") == 0
    assert_identities(sentinel.records())


def pay(kafka: Kafka) -> None:
    """Commit a transaction, as anybody may beside Sentinel."""
    kafka.create_topic(PAYMENTS, PLACED, min_insync_replicas="2")
    writer = Producer({"bootstrap.servers": kafka.bootstrap, "transactional.id": PAYING, "log_level": 0})
    writer.init_transactions(60)
    writer.begin_transaction()
    writer.produce(PAYMENTS, b"paid")
    writer.commit_transaction(60)
    kafka.lead_preferred("__transaction_state")  # so that Kafka itself moves no coordinator meanwhile


def everybody(kafka: Kafka) -> list[str]:
    return [member.pod for member in kafka.members]


def check_only(record: PodRecord, deletion: dict, pod: str) -> None:
    """Compare what was asked of the API server with what it told: that pod went, by its UID, once, and no other."""
    old, _ = record.lives(pod)
    assert deletion["objectRef"]["name"] == pod
    assert bound_uid(deletion) == old
    assert record.replaced() == {pod: 1}
    assert record.most_away() == 1


def test_a_pod_delete_takes_the_pod_of_the_coordinator_that_kafka_names_with_the_time_it_asks_for(
    lab: Cluster, kafka: Kafka, deploy: Deployer
):
    pay(kafka)
    sentinel = armed_with(kafka, deploy, "deleted", "pod-delete", f"transaction-coordinator:{PAYING}")
    victim = transaction_coordinators(kafka.bootstrap)[PAYING]
    pod = kafka.member(victim).pod
    with recorded(kafka, everybody(kafka)) as record:
        run(sentinel, [victim], OVER)
    (deletion,) = deletions(lab, sentinel)
    check_only(record, deletion, pod)
    assert deletion["verb"] == "delete"
    assert "gracePeriodSeconds" not in deletion["requestObject"]
    going = [seen.pod for seen in record.events(pod) if "deletionTimestamp" in seen.pod["metadata"]]
    assert going[0]["metadata"]["deletionGracePeriodSeconds"] == going[0]["spec"]["terminationGracePeriodSeconds"] > 1
    check_counted(sentinel, [victim])


def test_a_pod_evict_takes_the_pod_of_the_group_coordinator_by_an_eviction(
    lab: Cluster, kafka: Kafka, deploy: Deployer
):
    sentinel = armed_with(kafka, deploy, "evicted", "pod-evict", f"group-coordinator:{BILLING}")
    victim = group_coordinators(kafka.bootstrap, [BILLING])[BILLING]
    pod = kafka.member(victim).pod
    with recorded(kafka, everybody(kafka)) as record:
        run(sentinel, [victim], OVER)
    (eviction,) = deletions(lab, sentinel)
    check_only(record, eviction, pod)
    assert (eviction["verb"], eviction["objectRef"]["subresource"]) == ("create", "eviction")
    said = [each for seen in record.events(pod) for each in seen.pod["status"].get("conditions", [])]
    assert "EvictionByEvictionAPI" in {each.get("reason") for each in said if each["type"] == "DisruptionTarget"}
    check_counted(sentinel, [victim])


def test_a_rolling_restart_asks_the_operator_who_restarts_every_broker_once_and_never_two_at_a_time(
    lab: Cluster, kafka: Kafka, deploy: Deployer
):
    sentinel = armed_with(kafka, deploy, "rolled", "rolling-restart", "all")
    brokers = sorted(kafka.brokers)
    pods = {kafka.brokers[broker].pod for broker in brokers}
    with recorded(kafka, everybody(kafka)) as record:
        run(sentinel, brokers, ROLLED)
    check_rolled(record, pods)
    assert deletions(lab, sentinel) == []
    asked = writes(lab, sentinel, "update", "patch")
    assert sorted(each["objectRef"]["name"] for each in asked) == sorted(pods)
    assert {each["requestObject"]["metadata"]["annotations"].get(ASKED) for each in asked} == {"true"}
    done = [each for each in lab.audit(kafka.namespace) if each["verb"] == "delete"]
    done = [each for each in done if wall(each["requestReceivedTimestamp"]) >= sentinel.made]
    assert {each["objectRef"]["name"]: bound_uid(each) for each in done} == {pod: record.lives(pod)[0] for pod in pods}
    assert len(done) == len(pods)
    assert not [pod for broker in brokers if ASKED in (pod := kafka.pod(broker))["metadata"]["annotations"]]
    check_counted(sentinel, brokers)


def test_a_rolling_restart_of_a_stateful_set_restarts_every_broker_once_and_never_two_at_a_time(
    lab: Cluster, plain_kafka: Kafka, deploy: Deployer
):
    kafka = plain_kafka
    sentinel = armed_with(kafka, deploy, "rolled", "rolling-restart", "all")
    brokers = sorted(kafka.brokers)
    path = f"/apis/apps/v1/namespaces/{kafka.namespace}/statefulsets/{kafka.name}"
    before = lab.api.get(path)
    with recorded(kafka, everybody(kafka)) as record:
        run(sentinel, brokers, ROLLED)
    check_rolled(record, {kafka.brokers[broker].pod for broker in brokers})
    assert deletions(lab, sentinel) == writes(lab, sentinel, "update", "patch") == []
    after = lab.api.get(path)
    assert after["metadata"]["generation"] == before["metadata"]["generation"] + 1
    assert "kubectl.kubernetes.io/restartedAt" in after["spec"]["template"]["metadata"]["annotations"]
    check_counted(sentinel, brokers)


def check_rolled(record: PodRecord, pods: set[str]) -> None:
    assert record.replaced() == dict.fromkeys(pods, 1)
    assert record.most_away() == 1
