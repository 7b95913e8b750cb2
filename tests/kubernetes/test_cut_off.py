"""Nodes that are cut off or stand still and live on: an outage of a broker is one, an outage of Sentinel is none.

Two brokers are on n1, the third on n2, the controller on n4; Sentinel has n3 to itself. What is done ends before
Kubernetes moves any pod.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import NamedTuple

import pytest
from tests.kafka import truth
from tests.kafka.sentinel import assert_identities
from tests.kubernetes.deploy.kafka import Kafka
from tests.kubernetes.deploy.sentinel import Deployer, Sentinel, sample
from tests.kubernetes.deploy.waiting import wait_for
from tests.kubernetes.lab.cluster import Cluster
from tests.kubernetes.phases import PLACED, PROBE, SECTIONS, TWO_PROBES, check_phases, check_traffic, watched

TOPIC = "cut-off"
BROKER, NODE = 2, "n2"
SILENT = f"node {NODE} is silent"
OWN_NODE = "n3"
CAUSES = {"unknown", "node_failure"}  # a silent node that returns is not lost, and was not reclaimed
PATIENT = 120  # seconds on a node that is lost, before Sentinel's pod is replaced
UNREACHABLE = 30.0  # seconds until a node is said to be silent, at most; its pods go ten after that
SHORT = 1.8  # seconds: less than the session time-out of 3 even if the latest heartbeat was half a second ago
QUIET = 3.0  # seconds without an incident before anything is done
WITNESS = 6.0  # seconds until the API server is asked again for the Lease: every two, and an attempt takes up to four


class Hurt(NamedTuple):
    """What was done, and what became of it. It was not yet in effect at `before`, certainly at `after`."""

    incident: dict
    before: float
    after: float


def _deployed(kafka: Kafka, deploy: Deployer, **slo: float) -> Sentinel:
    kafka.create_topic(TOPIC, PLACED, min_insync_replicas="2")
    acks_one = {"acks_one": {"enabled": False}}
    sections = {**SECTIONS, "probe": {**SECTIONS["probe"], **acks_one}, "slo": {**SECTIONS["slo"], **slo}}
    found = deploy(kafka, node=OWN_NODE, topic=TOPIC, tolerated=PATIENT, **sections)
    found.wait_verified(30)
    _wait_quiet(found)
    return found


@pytest.fixture
def sentinel(shared_kafka: Kafka, deploy: Deployer) -> Sentinel:
    return _deployed(shared_kafka, deploy)


@pytest.fixture
def quick_sentinel(shared_kafka: Kafka, deploy: Deployer) -> Sentinel:
    """One whose objectives are missed by the time a short freeze is over."""
    return _deployed(shared_kafka, deploy, produce=1, consume=1.2)


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


def _hurt(sentinel: Sentinel, hurt: Callable[[], None], end: Callable[[], None], enough: Callable[[], object]) -> Hurt:
    """Do it until `enough` returns, and wait until it is over."""
    before = time.time()
    hurt()
    after = time.time()
    try:
        enough()
    finally:
        end()
    incident = _closed_incident(sentinel, before)
    assert incident["cause"] in CAUSES, incident
    assert incident["cause_revised"] is None, incident
    assert incident["lost"] == incident["duplicated"] == 0, incident
    return Hurt(incident, before, after)


def _wait_silent(sentinel: Sentinel) -> None:
    """Wait until it says that the node is silent. A kubelet may need half of what is left to be heard again."""

    def said() -> bool:
        return any(SILENT in reason for one in sentinel.incidents() for reason in one["reasons"])

    wait_for(said, "the node to be silent", UNREACHABLE, sentinel.incidents)


def _check_node_is_kept(sentinel: Sentinel, pod: dict) -> None:
    """Nobody says that the node was lost or taken back, or that the broker was restarted: it lived on."""
    metrics = sentinel.metrics()
    assert sample(metrics, "node_disruptions_total") == 0
    assert sample(metrics, "broker_restarts_total") == 0
    now = sentinel.kafka.pod(BROKER)
    assert now is not None
    assert [one["restartCount"] for one in now["status"]["containerStatuses"]] == [0]
    assert now["metadata"]["uid"] == pod["metadata"]["uid"]


@pytest.mark.full
def test_i_a_broker_whose_node_is_partitioned_is_measured_and_neither_lost_nor_reclaimed(
    lab: Cluster, shared_kafka: Kafka, sentinel: Sentinel
):
    pod = shared_kafka.pod(BROKER)
    assert pod is not None
    with watched(shared_kafka, TOPIC) as others:
        hurt = _hurt(sentinel, lambda: lab.partition(NODE), lambda: lab.heal(NODE), lambda: _wait_silent(sentinel))
    check_phases(hurt.incident, others, hurt.before, hurt.after, {BROKER})
    assert hurt.incident["brokers"] == [BROKER]
    assert hurt.incident["nodes"] == [NODE], hurt.incident
    assert any(SILENT in reason for reason in hurt.incident["reasons"]), hurt.incident
    _check_node_is_kept(sentinel, pod)
    _check_records(shared_kafka, sentinel)


@pytest.mark.full
@pytest.mark.parametrize("seconds", [6, 13])
def test_i_a_node_frozen_for_longer_than_its_brokers_session_is_measured(
    lab: Cluster, shared_kafka: Kafka, sentinel: Sentinel, seconds: float
):
    pod = shared_kafka.pod(BROKER)
    assert pod is not None
    with watched(shared_kafka, TOPIC) as others:
        hurt = _hurt(sentinel, lambda: lab.freeze(NODE), lambda: lab.thaw(NODE), lambda: time.sleep(seconds))
    check_phases(hurt.incident, others, hurt.before, hurt.after, {BROKER})
    assert hurt.incident["brokers"] == [BROKER]
    _check_node_is_kept(sentinel, pod)
    _check_records(shared_kafka, sentinel)


@pytest.mark.full
def test_i_a_node_frozen_for_less_than_its_brokers_session_is_an_outage_without_an_election(
    lab: Cluster, shared_kafka: Kafka, quick_sentinel: Sentinel
):
    sentinel = quick_sentinel
    pod = shared_kafka.pod(BROKER)
    assert pod is not None
    with watched(shared_kafka, TOPIC) as others:
        hurt = _hurt(sentinel, lambda: lab.freeze(NODE), lambda: lab.thaw(NODE), lambda: time.sleep(SHORT))
    check_traffic(hurt.incident, others, hurt.before, hurt.after)
    leaders = {tuple(one.leaders.values()) for one in shared_kafka.history(TOPIC) if one.at >= hurt.before}
    assert not leaders, f"its session ran out all the same: {leaders}"
    assert hurt.incident["phases"]["leader"] is None, hurt.incident
    assert (hurt.incident["brokers"], hurt.incident["nodes"]) == ([], [])
    _check_node_is_kept(sentinel, pod)
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


def _slots(kafka: Kafka, since: float, until: float) -> int:
    """Return how many slots were opened between two instants, as the log tells: by each send, unless it came so soon
    after the one before that it shares its slot. A busy machine makes a producer skip some.
    """
    opened = 0
    for number in range(len(PLACED)):
        records = truth.read_log(kafka.bootstrap, TOPIC, number).records
        last = 0.0
        for sent in sorted({record.wall_ns / 1e9 for record in records if record.valid}):
            if sent - last >= PROBE / 2:
                last = sent
                opened += since <= sent <= until
    return opened


def test_i_sentinel_cut_off_itself_is_blind_and_claims_nothing(lab: Cluster, shared_kafka: Kafka, sentinel: Sentinel):
    before = sentinel.metrics()
    began = time.time()
    lab.partition(OWN_NODE)
    gone = time.time()
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
    dark = healed - began
    assert dark - TWO_PROBES <= seconds <= dark + TWO_PROBES + WITNESS, f"blind for {seconds:.1f} of {dark:.1f} s"
    for operation in ("produce", "consume"):
        judged = [sample(text, "probe_slots_total", operation=operation) for text in (before, after)]
        assert judged[1] - judged[0] >= _slots(shared_kafka, began, healed), operation
        slots = [sample(text, "probe_slots_total", operation=operation, result="blind") for text in (before, after)]
        # What was sent in the dark, and not so shortly before its end that it could still come in time.
        hopeless = _slots(shared_kafka, gone, healed - SECTIONS["slo"][operation])
        assert slots[1] - slots[0] >= hopeless > 0, operation
    _check_records(shared_kafka, sentinel)
