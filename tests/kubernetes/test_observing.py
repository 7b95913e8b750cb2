"""Sentinel in a pod, under its own account with no more rights than it says it needs, finds the brokers and probes."""

from __future__ import annotations

import time

import pytest
from tests.kafka import truth
from tests.kafka.sentinel import assert_identities
from tests.kubernetes.deploy.installation import Flavour
from tests.kubernetes.deploy.kafka import Kafka
from tests.kubernetes.deploy.sentinel import Deployer, Sentinel
from tests.kubernetes.deploy.waiting import wait_for
from tests.kubernetes.phases import PLACED, SECTIONS, check_phases, watched

ROWS = (
    ("orders-broker-0", "0", "broker", "n1", "z1", "spot", "data-0-orders-broker-0", "yes"),
    ("orders-broker-1", "1", "broker", "n2", "z2", "spot", "data-0-orders-broker-1", "yes"),
    ("orders-broker-2", "2", "broker", "n3", "z3", "spot", "data-0-orders-broker-2", "yes"),
    ("orders-controller-100", "100", "controller", "n4", "z1", "on-demand", "data-0-orders-controller-100", "yes"),
)


def table(printed: str) -> list[tuple[str, ...]]:
    return [tuple(line.split()) for line in printed.splitlines()]


def test_check_in_the_pod_prints_the_brokers_pods_and_misses_no_permission(sentinel: Sentinel):
    done = sentinel.exec("kafka-sentinel", "check")
    assert done.returncode == 0, done.stdout + done.stderr
    for row in ROWS:
        assert row in table(done.stdout), done.stdout
    assert "OK    permissions: we may do all that is needed" in done.stdout
    assert "we may not" not in done.stdout
    assert "3 brokers of strimzi orders in namespace kafka" in done.stdout


def test_every_record_is_verified_and_none_is_lost(kafka: Kafka, sentinel: Sentinel):
    sentinel.wait_verified(300)
    figures = sentinel.records()
    assert_identities(figures)
    assert figures["lost"] == figures["duplicated"] == 0
    for partition in range(6):
        # One may be written to later than the others: that many records need not be of all partitions.
        records = wait_for(
            lambda number=partition: truth.read_log(kafka.bootstrap, sentinel.topic, number).records, "records", 60
        )
        assert truth.present(records)
        assert truth.extra_copies(records) == 0


@pytest.mark.full
def test_the_older_version_of_the_api_is_found_as_well(older_kafka: Kafka, deploy: Deployer):
    assert older_kafka.flavour is Flavour.OLDER_STRIMZI
    sentinel = deploy(older_kafka)
    done = sentinel.exec("kafka-sentinel", "check")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "3 brokers of strimzi orders in namespace kafka" in done.stdout
    sentinel.wait_verified(50)


@pytest.mark.full
@pytest.mark.parametrize("flavour", ["plain_kafka", "bitnami_kafka"])
def test_brokers_in_stateful_sets_are_found(request: pytest.FixtureRequest, deploy: Deployer, flavour: str):
    kafka: Kafka = request.getfixturevalue(flavour)
    sentinel = deploy(kafka)
    done = sentinel.exec("kafka-sentinel", "check")
    assert done.returncode == 0, done.stdout + done.stderr
    for member in kafka.brokers.values():
        assert (member.pod, str(member.id)) in [row[:2] for row in table(done.stdout)], done.stdout
    sentinel.wait_verified(50)


@pytest.mark.full
def test_the_phases_of_an_outage_are_what_others_saw(kafka: Kafka, deploy: Deployer):
    topic = "compared"
    kafka.create_topic(topic, PLACED, min_insync_replicas="2")
    sentinel = deploy(kafka, topic=topic, **SECTIONS)
    with watched(kafka, topic) as others:
        sentinel.wait_steady()
        before = time.time()
        kafka.kill(1)
        after = time.time()
        incident = sentinel.wait_closed(before)
    check_phases(incident, others, before, after, {1})
    assert incident["brokers"] == [1]
    assert incident["cause"] == "crash", incident["reasons"]
    assert incident["verdict"] == "passed", incident["reasons"]
    for partition in range(len(PLACED)):
        assert truth.extra_copies(truth.read_log(kafka.bootstrap, topic, partition).records) == 0
    assert_identities(sentinel.records())
