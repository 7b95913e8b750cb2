"""Experiments on pods: what was done as the API server wrote it down, what came of it as others saw it (letter a)."""

from __future__ import annotations

from tests.kafka.sentinel import assert_identities
from tests.kubernetes.deploy.kafka import Kafka
from tests.kubernetes.deploy.sentinel import Deployer, Sentinel
from tests.kubernetes.injections import armed, bound_uid, closed, deletions, experiment, item, wall
from tests.kubernetes.lab.cluster import Cluster
from tests.kubernetes.phases import PLACED, SECTIONS, check_phases, watched

from kafka_sentinel.adapters.kubernetes.pod_faults import CRASH_GRACE

RESTARTS = "broker_restarts_total"
UNFINISHED = "the re-reading of the log did not finish"  # as an incident says it


def notes(sentinel: Sentinel, kind: str, name: str) -> list[dict]:
    """Return the Events that this Sentinel made on an object, oldest first."""
    fields = f"involvedObject.kind={kind},involvedObject.name={name}"
    found = sentinel.cluster.api.list(f"/api/v1/namespaces/{sentinel.kafka.namespace}/events", fieldSelector=fields)
    own = [each for each in found if each["source"].get("component") == "kafka-sentinel"]
    return [each for each in own if wall(each["firstTimestamp"]) >= int(sentinel.made)]


def probing(kafka: Kafka, deploy: Deployer, topic: str, *items: dict, **more: object) -> Sentinel:
    return deploy(kafka, topic=topic, experiments=armed(kafka, *items, **more), **SECTIONS)


def test_a_scheduled_crash_of_the_leader_is_one_deletion_bound_to_its_uid_and_passes(
    lab: Cluster, kafka: Kafka, deploy: Deployer
):
    topic = "crashed"
    kafka.create_topic(topic, PLACED, min_insync_replicas="2")
    victim = kafka.leader(topic)
    pod = kafka.pod(victim)
    assert pod is not None
    with watched(kafka, topic) as others:
        sentinel = probing(
            kafka, deploy, topic, experiment("crash", "pod-crash", "leader:0", every="15s"), daily_budget=1
        )
        incident = closed(sentinel, "experiment", 150)
    (deletion,) = deletions(lab, sentinel)
    assert deletion["objectRef"]["name"] == pod["metadata"]["name"]
    assert bound_uid(deletion) == pod["metadata"]["uid"]
    assert deletion["requestObject"]["gracePeriodSeconds"] == CRASH_GRACE
    asked, answered = wall(deletion["requestReceivedTimestamp"]), wall(deletion["stageTimestamp"])
    check_phases(incident, others, asked, answered, {victim}, may_go_on=True)
    assert incident["phases"]["pod"] >= CRASH_GRACE
    assert (incident["brokers"], incident["verdict"], incident["lost"]) == ([victim], "passed", 0)
    assert UNFINISHED not in incident["reasons"]
    (note,) = notes(sentinel, "Pod", pod["metadata"]["name"])
    assert note["involvedObject"]["uid"] == pod["metadata"]["uid"]
    assert incident["experiment_run"] in note["message"]
    (ending,) = notes(sentinel, "Kafka", kafka.name)
    assert "passed" in ending["message"]
    sentinel.wait_for(lambda _: item(sentinel, "crash")["last_result"] == "passed", "the run to be done", 30)
    sentinel.wait_for(
        lambda _: (item(sentinel, "crash")["last_skip"] or {}).get("guard") == "daily_budget",
        "the next one skipped",
        90,
    )
    assert len(deletions(lab, sentinel)) == 1
    assert_identities(sentinel.records())
    assert sentinel.metric("experiments_total", experiment="crash", result="passed") == 1
    assert sentinel.metric("records_lost_total") == 0
    sentinel.wait_for(
        lambda _: sentinel.metric(RESTARTS) > 0,
        "the restart to be counted, once its cause is final",
        90,
    )
    assert sentinel.metric(RESTARTS, cause="experiment") == sentinel.metric(RESTARTS) == 1
