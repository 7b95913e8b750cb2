"""Nodes that are cut off or stand still and live on: an outage of a broker is one, an outage of Sentinel is none.

Two brokers are on n1, the third on n2, the controller on n4; Sentinel has n3 to itself. What is done ends before
Kubernetes moves any pod.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest
from tests.kafka import truth
from tests.kafka.sentinel import assert_identities
from tests.kubernetes.deploy.kafka import Kafka
from tests.kubernetes.deploy.sentinel import Deployer, Sentinel, sample
from tests.kubernetes.deploy.waiting import wait_for
from tests.kubernetes.lab.cluster import Cluster
from tests.kubernetes.phases import PLACED, PROBE, SECTIONS, TWO_PROBES, Others, check_phases, restored, watched

TOPIC = "cut-off"
BROKER, BROKERS_NODE = 2, "n2"
OWN_NODE = "n3"
CAUSES = {"unknown", "node_failure"}  # a silent node that returns is not lost, and was not reclaimed
PATIENT = 120  # seconds on a node that is lost, before Sentinel's pod is replaced
QUIET = 3.0  # seconds without an incident before anything is done
WITNESS = 6.0  # seconds until the API server is asked again for the Lease: every two, and an attempt takes up to four


@pytest.fixture
def sentinel(shared_kafka: Kafka, deploy: Deployer) -> Sentinel:
    shared_kafka.create_topic(TOPIC, PLACED, min_insync_replicas="2")
    acks_one = {"acks_one": {"enabled": False}}
    sections = {**SECTIONS, "probe": {**SECTIONS["probe"], **acks_one}}
    found = deploy(shared_kafka, node=OWN_NODE, topic=TOPIC, tolerated=PATIENT, **sections)
    found.wait_verified(30)
    _wait_quiet(found)
    return found


def _wait_quiet(sentinel: Sentinel) -> None:
    since = time.monotonic()

    def quiet() -> bool:
        nonlocal since
        if sentinel.status().get("health") != "ok":
            since = time.monotonic()
        return time.monotonic() - since > QUIET

    wait_for(quiet, "a quiet Sentinel", 90, sentinel.incidents)


def _closed_incident(sentinel: Sentinel, since: float) -> dict:
    """Wait until what began after `since` is over. Returns the incident; fails if there was more than one."""

    def found() -> list[dict]:
        return [one for one in sentinel.incidents() if one["opened_at"] >= since]

    wait_for(lambda: found() and all(one["closed_at"] for one in found()), "an incident that is over", 90, found)
    assert len(found()) == 1, found()
    return found()[0]


def _check_records(kafka: Kafka, sentinel: Sentinel) -> None:
    """Nothing lost, copies counted as another client counts them, every record in one state."""

    def settled() -> bool:
        figures = sentinel.records()
        return figures["overdue"] == figures["suspected"] == figures["unresolved"] == 0

    wait_for(settled, "all records to be settled", 30, sentinel.records)
    copies = sum(
        truth.extra_copies(truth.read_log(kafka.bootstrap, TOPIC, number).records) for number in range(len(PLACED))
    )
    figures = sentinel.records()
    assert_identities(figures)
    wrong = ("lost", "unaccounted", "reordered", "corrupted", "conflicting", "foreign", "rejected")
    assert {name: figures[name] for name in wrong} == dict.fromkeys(wrong, 0)
    assert figures["duplicated"] == copies
    assert sentinel.metric("invariant_violations_total") == 0


def _hurt(others: Others, sentinel: Sentinel, hurt: Callable[[], None], end: Callable[[], None], seconds: float):
    """Do it for so long. Returns the closed incident, and the instants before and after it was done."""
    before = time.time()
    hurt()
    after = time.time()
    try:
        time.sleep(seconds)
    finally:
        end()
    incident = _closed_incident(sentinel, before)
    assert incident["cause"] in CAUSES, incident
    assert incident["cause_revised"] is None, incident
    assert incident["lost"] == incident["duplicated"] == 0
    return incident, before, after


@pytest.mark.parametrize("seconds", [13, pytest.param(30, marks=pytest.mark.full)])
def test_i_a_partitioned_broker_that_lives_on_is_measured_and_neither_lost_nor_reclaimed(
    lab: Cluster, shared_kafka: Kafka, sentinel: Sentinel, seconds: float
):
    pod = shared_kafka.pod(BROKER)
    with watched(shared_kafka, TOPIC) as others:
        incident, before, after = _hurt(
            others, sentinel, lambda: lab.partition(BROKERS_NODE), lambda: lab.heal(BROKERS_NODE), seconds
        )
    print(incident)
    check_phases(incident, others, before, after, {BROKER})
    assert incident["brokers"] == [BROKER]
    _check_records(shared_kafka, sentinel)
    assert sentinel.metric("node_disruptions_total", cause="spot", announced="false") == 0


def test_i_a_broker_frozen_for_longer_than_its_session_is_measured(
    lab: Cluster, shared_kafka: Kafka, sentinel: Sentinel
):
    with watched(shared_kafka, TOPIC) as others:
        incident, before, after = _hurt(
            others, sentinel, lambda: lab.freeze(BROKERS_NODE), lambda: lab.thaw(BROKERS_NODE), 6.0
        )
    print(incident)
    check_phases(incident, others, before, after, {BROKER})
    _check_records(shared_kafka, sentinel)


def _claims(metrics: str) -> dict[str, float]:
    """Return all that Sentinel ever held against the cluster."""
    return {
        "bad slots": sample(metrics, "probe_slots_total", result="bad"),
        "unavailable": sample(metrics, "unavailable_seconds_total"),
        "of partitions": sample(metrics, "partition_unavailable_seconds_total"),
        "incidents": sample(metrics, "incidents_open") + sample(metrics, "incidents_total"),
        "lost": sample(metrics, "records_lost_total"),
    }


def test_i_sentinel_cut_off_itself_is_blind_and_claims_nothing(lab: Cluster, shared_kafka: Kafka, sentinel: Sentinel):
    before = sentinel.metrics()
    began = time.time()
    lab.partition(OWN_NODE)
    try:
        blind = sentinel.wait_for(lambda status: status["health"] == "blind", "Sentinel to be blind", 30)
        time.sleep(4)
        later = sentinel.status()
        assert later["health"] == "blind"
        assert later["blind_seconds"] - blind["blind_seconds"] >= later["now"] - blind["now"] - TWO_PROBES
        assert _claims(sentinel.metrics()) == _claims(before)
    finally:
        healed = time.time()
        lab.heal(OWN_NODE)
    sent = sentinel.records()["sent"]
    sentinel.wait_verified(sent)  # what was sent into the dark as well
    _wait_quiet(sentinel)
    after = sentinel.metrics()
    assert _claims(after) == _claims(before), sentinel.incidents()
    seconds = sample(after, "blind_seconds_total") - sample(before, "blind_seconds_total")
    print(f"cut off for {healed - began:.1f} s, blind for {seconds:.1f} s")
    assert healed - began - TWO_PROBES <= seconds <= healed - began + TWO_PROBES + WITNESS
    for operation in ("produce", "consume"):
        slots = [sample(text, "probe_slots_total", operation=operation, result="blind") for text in (before, after)]
        assert slots[1] - slots[0] >= len(PLACED) * (seconds / PROBE - 4)
    _check_records(shared_kafka, sentinel)
