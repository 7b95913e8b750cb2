"""What people say by `kubectl annotate` on the state of a running Sentinel, and what it does then (letter h)."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
from tests.chart.helm import MAJORS
from tests.kafka.sentinel import assert_identities
from tests.kubernetes.deploy import objects
from tests.kubernetes.deploy.kafka import Kafka
from tests.kubernetes.deploy.release import Release, installed
from tests.kubernetes.deploy.sentinel import Deployer, Sentinel
from tests.kubernetes.deploy.waiting import wait_for
from tests.kubernetes.injections import (
    allowed,
    annotate,
    answered,
    armed,
    bound_uid,
    deletions,
    denying,
    experiment,
    item,
    marks,
    order,
    settled,
)
from tests.kubernetes.lab.build import BIN
from tests.kubernetes.lab.cluster import Cluster
from tests.kubernetes.phases import PLACED, SECTIONS

SECONDS = 60.0
PAUSE = "kafka-sentinel.io/pause"


def annotations(sentinel: Sentinel) -> set[str]:
    """Return what people said that still stands on its state."""
    name = f"{sentinel.config['name']}-state"
    found = sentinel.cluster.api.get(f"/api/v1/namespaces/{sentinel.namespace}/configmaps/{name}")
    return {key for key in found["metadata"].get("annotations", {}) if key.startswith("kafka-sentinel.io/")}


@pytest.mark.full
def test_h_paused_by_annotation_nothing_is_injected_until_the_pause_is_taken_off(
    lab: Cluster, kafka: Kafka, deploy: Deployer
):
    topic = "paused"
    kafka.create_topic(topic, PLACED, min_insync_replicas="2")
    side = experiment("side", "pod-crash", "entity-operator", grace="2s")
    sentinel = deploy(kafka, topic=topic, experiments=armed(kafka, side), **SECTIONS)
    allowed(sentinel, "side")
    annotate(sentinel, f"{PAUSE}=release by anna")
    sentinel.wait_for(lambda status: denying(status, "side") == {"schedule", "paused"}, "the pause alone", SECONDS)
    assert sentinel.status()["experiments"]["paused_by"] == "release by anna"
    given = order(sentinel, "run-now", "side")
    told = answered(sentinel, "run-now", given, SECONDS)
    assert told.startswith("it did not run: paused: "), told
    assert "release by anna" in told
    given = order(sentinel, "resume")  # lifts a latch; the pause is for whoever put it there
    assert "still paused: release by anna" in answered(sentinel, "resume", given, SECONDS)
    assert annotations(sentinel) == {PAUSE}
    assert deletions(lab, sentinel) == []
    annotate(sentinel, f"{PAUSE}-")
    allowed(sentinel, "side", seconds=SECONDS)
    (pod,) = kafka.entity_operators()
    given = order(sentinel, "run-now", "side")
    told = answered(sentinel, "run-now", given, SECONDS)
    assert told.startswith("run side-"), told
    (deletion,) = deletions(lab, sentinel)
    assert deletion["objectRef"]["name"] == pod["metadata"]["name"]
    assert bound_uid(deletion) == pod["metadata"]["uid"]
    assert annotations(sentinel) == set()


def printed(release: Release) -> tuple[str, str]:
    """Return the lines that pause all experiments and let them go on, as Helm prints them for this release."""
    lines = [line.strip() for line in release.notes.splitlines()]
    pause, go_on = [line for line in lines if line.startswith("kubectl annotate")]
    return pause, go_on


def typed(release: Release, line: str, home: Path) -> None:
    """Run a line as it stands, in the shell of Anna, who may do everything."""
    environment = {"PATH": f"{BIN}:{os.defpath}", "HOME": str(home), "USER": "anna"}
    environment["KUBECONFIG"] = str(release.lab.kubeconfig)
    done = subprocess.run(["sh", "-c", line], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{line}: {done.stdout}{done.stderr}"


@pytest.mark.full
def test_h_the_lines_that_the_chart_prints_pause_its_experiments_and_let_them_go_on(kafka: Kafka, tmp_path: Path):
    side = experiment("side", "pod-crash", "entity-operator", grace="2s")
    wide = {"produce": "6s", "consume": "9s"}  # a slow machine is no incident, which would deny it as well
    settings = {"experiments": armed(kafka, side), "slo": wide}
    with installed(kafka, MAJORS[0], tmp_path, forgetting=True, settings=settings) as release:
        release.wait_for(lambda status: denying(status, "side") == {"schedule"}, "the guards to allow it", 2 * SECONDS)
        pause, go_on = printed(release)
        typed(release, pause, tmp_path)
        paused = release.wait_for(lambda status: denying(status, "side") == {"schedule", "paused"}, pause, SECONDS)
        assert paused["experiments"]["paused_by"] == "by anna"
        before = kafka.entity_operators()
        done = release.exec("kafka-sentinel", "run-now", "side")
        assert done.returncode == 1, done.stdout + done.stderr
        assert "it did not run: paused: " in done.stdout
        assert [pod["metadata"]["uid"] for pod in kafka.entity_operators()] == [before[0]["metadata"]["uid"]]
        typed(release, go_on, tmp_path)
        free = release.wait_for(lambda status: denying(status, "side") == {"schedule"}, go_on, SECONDS)
        assert free["experiments"]["paused_by"] is None
        done = release.exec("kafka-sentinel", "run-now", "side")
        assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.full
def test_h_healed_by_annotation_a_reclaimed_node_is_open_again_before_its_time(
    lab: Cluster, kafka: Kafka, deploy: Deployer
):
    topic, node = "healed", "n2"
    kafka.create_topic(topic, PLACED, min_insync_replicas="2")
    reclaim = experiment("reclaim", "node-reclaim", "broker:1", notice="2s", duration="30m", grace="30s")
    sentinel = deploy(kafka, topic=topic, experiments=armed(kafka, reclaim), **SECTIONS)
    allowed(sentinel, "reclaim")
    before = of_node(lab, node)
    old = kafka.pod(1)["metadata"]["uid"]
    order(sentinel, "run-now", "reclaim")
    wait_for(lambda: len(deletions(lab, sentinel)) == 1, "the node's broker to go", SECONDS)
    wait_for(lambda: waits_for_a_node(kafka.pod(1), old), "its successor to wait for the node", SECONDS)
    assert marks(lab, node)
    given = order(sentinel, "heal")
    told = answered(sentinel, "heal", given, SECONDS)
    assert told.endswith("was ended, what it did is undone"), told
    wait_for(lambda: of_node(lab, node) == before, "the node to be as it was", SECONDS, lambda: of_node(lab, node))
    kafka.wait_ready()
    assert kafka.pod(1)["spec"]["nodeName"] == node
    assert annotations(sentinel) == set()
    incident = settled(sentinel, 180)
    assert (incident["cause"], incident["brokers"], incident["lost"]) == ("experiment", [1], 0), incident
    assert item(sentinel, "reclaim")["last_result"] == "aborted"
    assert len(deletions(lab, sentinel)) == 1
    assert sentinel.metric("records_lost_total") == 0
    assert_identities(sentinel.records())


def of_node(lab: Cluster, node: str) -> tuple[list, dict, dict]:
    """Return taints, labels and annotations of a node, but for those that its kubelet writes as it goes."""
    found = lab.api.get(f"/api/v1/nodes/{node}")
    kept = {key: text for key, text in found["metadata"].get("annotations", {}).items() if "volumes" not in key}
    return found["spec"].get("taints", []), found["metadata"]["labels"], kept


def waits_for_a_node(pod: dict | None, old: str) -> bool:
    if pod is None or pod["metadata"]["uid"] == old or objects.is_ready(pod):
        return False
    return any(one["type"] == "PodScheduled" and one["status"] == "False" for one in pod["status"]["conditions"])
