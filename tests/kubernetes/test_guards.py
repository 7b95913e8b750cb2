"""What holds experiments back, put up for real: the guard that names it, and nothing done (letter g)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import pytest
from tests.kubernetes.deploy.kafka import Kafka
from tests.kubernetes.deploy.sentinel import Deployer, Sentinel
from tests.kubernetes.deploy.waiting import wait_for
from tests.kubernetes.injections import (
    allowed,
    armed,
    deletions,
    denying,
    experiment,
    item,
    refused,
    settled,
)
from tests.kubernetes.lab.cluster import Cluster
from tests.kubernetes.phases import PLACED, SECTIONS

SECONDS = 60.0  # until a guard sees what is there
TAINT = {"key": "aws-node-termination-handler/spot-itn", "value": "spot-itn-0123456789abcdef", "effect": "NoSchedule"}


@contextmanager
def a_replica_that_is_behind(kafka: Kafka) -> Iterator[None]:
    """Let broker 1 be away and then behind on a topic that Sentinel does not probe, while nothing else is amiss."""
    kafka.create_topic("slow", [[0, 1, 2]], leader_replication_throttled_replicas="*")
    kafka.throttle(0, bytes_per_second=1)
    lab, node = kafka.cluster, kafka.member(1).node
    try:
        lab.freeze(node)  # a replica that is in sync is not throttled
        wait_for(lambda: kafka.isr("slow") == {0, 2}, "broker 1 to be missed", SECONDS)
        kafka.fill("slow", mebibytes=30)  # it fetches one, and the next when it has been idle for ten seconds
        lab.thaw(node)
        kafka.wait_ready()
        yield
    finally:
        lab.thaw(node)
        kafka.throttle(0, bytes_per_second=None)
        wait_for(lambda: kafka.isr("slow") == {0, 1, 2}, "broker 1 to catch up", SECONDS)
        kafka.delete_topic("slow")


@dataclass(frozen=True, slots=True)
class Stage:
    lab: Cluster
    kafka: Kafka

    @property
    def budgets(self) -> str:
        return f"/apis/policy/v1/namespaces/{self.kafka.namespace}/poddisruptionbudgets"

    def patch_node(self, node: str, taints: list[dict] | None) -> None:
        self.lab.api.patch(f"/api/v1/nodes/{node}", {"spec": {"taints": taints}})

    def patch_budget(self, at_least: int) -> None:
        budget = self.lab.api.list(self.budgets)[0]["metadata"]["name"]
        self.lab.api.patch(f"{self.budgets}/{budget}", {"spec": {"minAvailable": at_least}})


@contextmanager
def a_topic_with_one_replica(stage: Stage) -> Iterator[None]:
    stage.kafka.create_topic("alone", [[2]])
    try:
        yield
    finally:
        stage.kafka.delete_topic("alone")


@contextmanager
def a_node_with_a_notice(stage: Stage) -> Iterator[None]:
    stage.patch_node("n2", [TAINT])
    try:
        yield
    finally:
        stage.patch_node("n2", None)


@contextmanager
def a_budget_that_is_used_up(stage: Stage) -> Iterator[None]:
    stage.patch_budget(len(stage.kafka.members))
    try:
        yield
    finally:
        stage.patch_budget(len(stage.kafka.members) - 1)


@contextmanager
def two_budgets(stage: Stage) -> Iterator[None]:
    first = stage.lab.api.list(stage.budgets)[0]
    spec = {**first["spec"], "minAvailable": 1}
    head = {"name": "second", "namespace": stage.kafka.namespace}
    stage.lab.api.create(
        stage.budgets, {"apiVersion": "policy/v1", "kind": "PodDisruptionBudget", "metadata": head, "spec": spec}
    )
    try:
        yield
    finally:
        stage.lab.api.delete(f"{stage.budgets}/second")


@contextmanager
def a_kafka_resource_that_is_paused(stage: Stage) -> Iterator[None]:
    stage.kafka.pause(paused=True)
    try:
        yield
    finally:
        stage.kafka.pause(paused=False)


@contextmanager
def a_pod_set_that_is_to_be_rolled(stage: Stage) -> Iterator[None]:
    """The lab's operator leaves it at that, so no pod goes meanwhile."""
    annotate = ("annotate", "strimzipodset", f"{stage.kafka.name}-broker", "-n", stage.kafka.namespace)
    stage.lab.kubectl(*annotate, "strimzi.io/manual-rolling-update=true")
    try:
        yield
    finally:
        stage.lab.kubectl(*annotate, "strimzi.io/manual-rolling-update-")


@contextmanager
def an_operator_that_is_down(stage: Stage) -> Iterator[None]:
    stage.kafka.set_operator(alive=False)
    try:
        yield
    finally:
        stage.kafka.set_operator(alive=True)


OBSTACLES = (
    ("min_isr_without_targets", a_topic_with_one_replica),
    ("nodes", a_node_with_a_notice),
    ("disruption_budget", a_budget_that_is_used_up),
    ("disruption_budget", two_budgets),
    ("rollout", a_kafka_resource_that_is_paused),
    ("rollout", a_pod_set_that_is_to_be_rolled),
    ("operator", an_operator_that_is_down),
)


@pytest.mark.full
def test_g_a_replica_that_is_behind_is_named_and_nothing_is_done(lab: Cluster, kafka: Kafka, deploy: Deployer):
    topic = "guarded"
    kafka.create_topic(topic, PLACED, min_insync_replicas="2")
    crash = experiment("crash", "pod-crash", "broker:0", grace="1s")
    with a_replica_that_is_behind(kafka):
        sentinel = deploy(kafka, topic=topic, experiments=armed(kafka, crash, daily_budget=1), **SECTIONS)
        wait_for(
            lambda: "slow-0" in reason(sentinel, "crash", "under_replicated"),
            "that topic to be named",
            SECONDS,
            lambda: f"in sync: {kafka.isr('slow')}; said: {reason(sentinel, 'crash', 'under_replicated')}",
        )
        refused(sentinel, "crash", "under_replicated", SECONDS)
    allowed(sentinel, "crash")
    assert deletions(lab, sentinel) == []


def test_g_whatever_is_in_the_way_is_named_and_nothing_is_done(lab: Cluster, kafka: Kafka, deploy: Deployer):
    topic = "guarded"
    kafka.create_topic(topic, PLACED, min_insync_replicas="2")
    crash = experiment("crash", "pod-crash", "broker:0", grace="1s")
    sentinel = deploy(kafka, topic=topic, experiments=armed(kafka, crash, daily_budget=1), **SECTIONS)
    stage = Stage(lab, kafka)
    allowed(sentinel, "crash")
    for guard, obstacle in OBSTACLES:
        with obstacle(stage):
            refused(sentinel, "crash", guard, SECONDS)
        allowed(sentinel, "crash", seconds=SECONDS)
    assert deletions(lab, sentinel) == []


@pytest.mark.full
def test_g_without_the_api_server_nothing_is_done(lab: Cluster, patient_kafka: Kafka, deploy: Deployer):
    kafka, topic = patient_kafka, "guarded"
    kafka.create_topic(topic, PLACED, min_insync_replicas="2")
    crash = experiment("crash", "pod-crash", "broker:0")
    # Nodes are not Ready for a moment when the API server is back: this pod, too, must outlast that.
    sentinel = deploy(kafka, topic=topic, tolerated=300, experiments=armed(kafka, crash), **SECTIONS)
    allowed(sentinel, "crash")
    with lab.without_api():
        sentinel.wait_for(
            lambda status: {"fresh_watches", "lease"} <= denying(status, "crash"), "stale watches", SECONDS
        )
    kafka.wait_ready()
    allowed(sentinel, "crash", seconds=90)
    assert deletions(lab, sentinel) == []


@pytest.mark.full
def test_g_a_lost_broker_holds_the_next_one_back_and_uses_up_the_day(lab: Cluster, kafka: Kafka, deploy: Deployer):
    topic = "guarded"
    kafka.create_topic(topic, PLACED, min_insync_replicas="2")
    crash = experiment("crash", "pod-crash", "broker:0", grace="1s")
    sentinel = deploy(kafka, topic=topic, experiments=armed(kafka, crash, daily_budget=1), **SECTIONS)
    allowed(sentinel, "crash")
    lab.kill_node("n3")
    sentinel.wait_for(
        lambda status: {"members", "under_replicated"} <= denying(status, "crash"), "a broker to be missed", SECONDS
    )
    refused(sentinel, "crash", "members", SECONDS)
    lab.start_node("n3")
    settled(sentinel, 180)
    sentinel.wait_for(lambda status: denying(status, "crash") == {"schedule", "daily_budget"}, "the budget alone", 90)
    refused(sentinel, "crash", "daily_budget", SECONDS)
    assert deletions(lab, sentinel) == []


def test_g_armed_for_another_kafka_it_does_nothing(lab: Cluster, kafka: Kafka, deploy: Deployer):
    crash = experiment("crash", "pod-crash", "any", grace="1s")
    section = {**armed(kafka, crash), "armed_for": "another-kafka-of-this-team"}
    sentinel = deploy(kafka, experiments=section, **SECTIONS | {"probe": {}})
    sentinel.wait_for(lambda status: denying(status, "crash") == {"schedule", "cluster_id"}, "the cluster id", SECONDS)
    refused(sentinel, "crash", "cluster_id", SECONDS)
    assert deletions(lab, sentinel) == []


@pytest.mark.full
def test_g_after_a_failed_experiment_nothing_is_done_until_a_person_resumes(
    lab: Cluster, kafka: Kafka, deploy: Deployer
):
    topic = "failing"
    kafka.create_topic(topic, PLACED, min_insync_replicas="2")
    crash = experiment("crash", "pod-crash", "leader:0", grace="30s")
    slo = {**SECTIONS["slo"], "recovery": {**SECTIONS["slo"]["recovery"], "full": 0.1}}
    sentinel = deploy(kafka, topic=topic, experiments=armed(kafka, crash), **{**SECTIONS, "slo": slo})
    allowed(sentinel, "crash")
    done = sentinel.exec("kafka-sentinel", "run-now", "crash")
    assert done.returncode == 0, done.stdout + done.stderr
    settled(sentinel, 150)
    sentinel.wait_for(lambda _: item(sentinel, "crash")["last_result"] == "failed", "the run to fail", 30)
    sentinel.wait_for(lambda status: denying(status, "crash") == {"schedule", "latched"}, "the latch alone", SECONDS)
    refused(sentinel, "crash", "latched", SECONDS)
    resumed = sentinel.exec("kafka-sentinel", "resume")
    assert resumed.returncode == 0, resumed.stdout + resumed.stderr
    allowed(sentinel, "crash", seconds=SECONDS)
    assert len(deletions(lab, sentinel)) == 1


@pytest.mark.full
def test_g_a_reclaim_of_two_brokers_needs_leave_and_never_takes_the_last_replica(
    lab: Cluster, shared_kafka: Kafka, deploy: Deployer
):
    kafka, topic = shared_kafka, "both"
    kafka.create_topic(topic, PLACED, min_insync_replicas="2")
    short = {"notice": "2s", "duration": "10s", "grace": "30s"}
    without = experiment("without", "node-reclaim", "broker:0", **short)
    reclaim = experiment("with-leave", "node-reclaim", "broker:0", allow_unavailability=True, **short)
    sentinel = deploy(kafka, topic=topic, experiments=armed(kafka, without, reclaim), **SECTIONS)
    allowed(sentinel, "with-leave")
    refused(sentinel, "without", "target_size", SECONDS)
    kafka.create_topic("on-both", [[0, 1]], min_insync_replicas="1")
    refused(sentinel, "with-leave", "min_isr_without_targets", SECONDS)
    assert "on-both-0" in reason(sentinel, "with-leave", "min_isr_without_targets")
    assert deletions(lab, sentinel) == []
    kafka.delete_topic("on-both")
    allowed(sentinel, "with-leave")
    done = sentinel.exec("kafka-sentinel", "run-now", "with-leave")
    assert done.returncode == 0, done.stdout + done.stderr
    incident = settled(sentinel, 240)
    assert (incident["cause"], incident["brokers"], incident["lost"]) == ("experiment", [0, 1], 0)
    assert len(deletions(lab, sentinel)) == 2
    node = lab.api.get("/api/v1/nodes/n1")
    assert not any("kafka-sentinel" in taint["key"] for taint in node["spec"].get("taints", []))


def reason(sentinel: Sentinel, name: str, guard: str) -> str:
    """Return why a guard denies an experiment, "" as long as it has not judged."""
    guards = item(sentinel, name).get("guards", [])
    return next((each["reason"] for each in guards if each["guard"] == guard), "")
