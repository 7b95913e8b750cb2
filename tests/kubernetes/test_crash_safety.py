"""Sentinel's own death, a second Sentinel, people's annotations, an API server that is away (letter h)."""

from __future__ import annotations

import time

import pytest
from tests.conftest import FULL
from tests.kafka.sentinel import assert_identities
from tests.kubernetes.deploy.kafka import Kafka
from tests.kubernetes.deploy.sentinel import Deployer, Sentinel
from tests.kubernetes.deploy.waiting import wait_for
from tests.kubernetes.gate import Gate
from tests.kubernetes.injections import allowed, annotate, armed, deletions, experiment, item, marks, order
from tests.kubernetes.lab.cluster import Cluster
from tests.kubernetes.phases import PLACED, SECTIONS

AGAIN = 15.0  # seconds after its restart in which a second deletion would come: it looks every 0.1 s
AWAY = 60.0 if FULL else 20.0  # seconds without the API server


def probing(kafka: Kafka, deploy: Deployer, *items: dict, topic: str, **options: object) -> Sentinel:
    kafka.create_topic(topic, PLACED, min_insync_replicas="2")
    return deploy(kafka, topic=topic, experiments=armed(kafka, *items), **SECTIONS, **options)


def restarts(sentinel: Sentinel) -> int:
    return sentinel.pod()["status"]["containerStatuses"][0]["restartCount"]


def kill_and_wait(sentinel: Sentinel) -> None:
    """SIGKILL, and return once another life of it has read its state."""
    lives = restarts(sentinel)
    run = sentinel.status()["run"]
    sentinel.kill()
    wait_for(lambda: restarts(sentinel) > lives, "Sentinel's container to be started again", 60)
    sentinel.wait_for(lambda status: status.get("run") not in {None, run}, "Sentinel to be back", 90)


def watch_for_a_second(lab: Cluster, sentinel: Sentinel, expected: int) -> None:
    end = time.monotonic() + AGAIN
    while time.monotonic() < end:
        assert len(deletions(lab, sentinel)) == expected
        time.sleep(1)


@pytest.mark.full
def test_h_killed_between_intent_and_deletion_it_never_deletes(lab: Cluster, kafka: Kafka, deploy: Deployer):
    sentinel = probing(kafka, deploy, experiment("crash", "pod-crash", "leader:0"), topic="before")
    allowed(sentinel, "crash")
    with Gate(lab, "DELETE", "pods", kafka.namespace) as gate:
        order(sentinel, "run-now", "crash")
        deletion = gate.wait(30)
        kill_and_wait(sentinel)
        deletion.decide(through=False)
        sentinel.wait_for(lambda _: item(sentinel, "crash")["last_result"] == "aborted", "the run to be aborted", 60)
        watch_for_a_second(lab, sentinel, 0)
    assert sentinel.records()["lost"] == 0


def test_h_killed_between_deletion_and_record_it_never_deletes_again(lab: Cluster, kafka: Kafka, deploy: Deployer):
    sentinel = probing(kafka, deploy, experiment("crash", "pod-crash", "leader:0"), topic="after")
    allowed(sentinel, "crash")
    with Gate(lab, "DELETE", "pods", kafka.namespace) as gate:
        order(sentinel, "run-now", "crash")
        deletion = gate.wait(30)
        with Gate(lab, "UPDATE", "configmaps", sentinel.namespace) as records:
            annotate(sentinel, "example.com/note=looked-at-in-between")
            deletion.decide(through=True)
            wait_for(lambda: len(deletions(lab, sentinel)) == 1, "the deletion", 30)
            records.wait(30)  # nothing more is written down
            sentinel.kill()
    wait_for(lambda: restarts(sentinel) > 0, "Sentinel's container to be started again", 60)
    sentinel.wait_for(lambda status: bool(status.get("records")), "Sentinel to be back", 90)
    watch_for_a_second(lab, sentinel, 1)
    kafka.wait_ready()  # what happened while it was dead may have been over before it could see it
    sentinel.wait_for(lambda status: all(each["verdict"] for each in status["incidents"]), "no open incident", 150)
    sentinel.wait_for(lambda _: item(sentinel, "crash")["last_result"] == "aborted", "the run to be aborted", 60)
    assert sentinel.records()["lost"] == 0
    assert len(deletions(lab, sentinel)) == 1


@pytest.mark.full
def test_h_a_reclaim_is_undone_by_the_next_life(lab: Cluster, kafka: Kafka, deploy: Deployer):
    reclaim = experiment("reclaim", "node-reclaim", "broker:1", notice="2s", duration="10m", grace="30s")
    sentinel = probing(kafka, deploy, reclaim, topic="reclaimed")
    allowed(sentinel, "reclaim")
    order(sentinel, "run-now", "reclaim")
    wait_for(lambda: marks(lab, "n2"), "the node to be closed", 60)
    wait_for(lambda: len(deletions(lab, sentinel)) == 1, "the node's broker to go", 60)
    kill_and_wait(sentinel)
    wait_for(lambda: not marks(lab, "n2"), "the node to be opened", 60)
    kafka.wait_ready()  # the broker may have been back before the next life could see it: there need be no incident
    sentinel.wait_for(lambda status: all(each["verdict"] for each in status["incidents"]), "no open incident", 150)
    assert {each["cause"] for each in sentinel.incidents()} <= {"experiment"}
    sentinel.wait_for(lambda _: item(sentinel, "reclaim")["last_result"] is not None, "the run to end", 60)
    # Killed before it had written down that the fault was injected, or after: then the run has its incident's verdict.
    verdicts = {each["verdict"] for each in sentinel.incidents()}
    assert item(sentinel, "reclaim")["last_result"] in {"aborted", *verdicts} - {"failed"}, sentinel.incidents()
    assert sentinel.records()["lost"] == 0
    assert len(deletions(lab, sentinel)) == 1


@pytest.mark.full
def test_h_of_two_one_holds_the_lease_and_the_other_takes_over_when_its_node_dies(
    lab: Cluster, kafka: Kafka, deploy: Deployer
):
    sentinel = probing(kafka, deploy, experiment("crash", "pod-crash", "any"), topic="two", node=None, replicas=2)
    holder, other = sorted(sentinel.pods(), key=lambda pod: not probes(sentinel, pod))
    sentinel.wait_for(lambda status: status["records"]["all"]["verified"] > 50, "records", 60, holder)
    waiting = sentinel.status(other)
    assert waiting["health"] == "standby"
    assert holder in str(waiting["experiments"]["lease"]["holder"])
    told = sentinel.exec("kafka-sentinel", "experiments", "explain", pod=other)
    assert holder in told.stdout, told.stdout + told.stderr
    node = lab.api.get(f"/api/v1/namespaces/{sentinel.namespace}/pods/{holder}")["spec"]["nodeName"]
    before = sentinel.records(pod=holder)["verified"]
    lab.kill_node(node)
    sentinel.wait_for(lambda status: status["health"] != "standby", "the other to take over", 90, other)
    sentinel.wait_for(
        lambda status: status["records"]["all"]["verified"] > before + 50, "records by the other", 90, other
    )
    lab.start_node(node)
    sentinel.wait_for(
        lambda status: all(each["verdict"] for each in status["incidents"]), "the incidents to close", 180, other
    )
    figures = sentinel.records(pod=other)
    assert (figures["lost"], figures["unaccounted"]) == (0, 0)
    assert_identities(figures)
    assert deletions(lab, sentinel) == []


def probes(sentinel: Sentinel, pod: str) -> bool:
    return sentinel.status(pod).get("health") != "standby"


@pytest.mark.full
def test_h_without_the_api_server_it_probes_and_counts_on(lab: Cluster, patient_kafka: Kafka, deploy: Deployer):
    kafka = patient_kafka
    # Its node cannot say that it lives either, and an API server that is back has pods evicted for that.
    sentinel = probing(kafka, deploy, experiment("crash", "pod-crash", "any"), topic="without", tolerated=300)
    sentinel.wait_verified(50)
    sent, run = sentinel.records()["sent"], sentinel.status()["run"]
    with lab.without_api():
        began = time.monotonic()
        while time.monotonic() - began < AWAY:
            assert sentinel.metric("records_verified_total", acks="all") > 0
            time.sleep(1)
        figures = sentinel.records()
    assert figures["verified"] >= sent + AWAY / SECTIONS["probe"]["interval"] * len(PLACED) / 2
    assert figures["lost"] == figures["overdue"] == 0
    kafka.wait_ready()
    allowed(sentinel, "crash", seconds=90)
    assert (restarts(sentinel), sentinel.status()["run"]) == (0, run)
    assert sentinel.metric("blind_seconds_total") == 0
    assert sentinel.incidents() == []
