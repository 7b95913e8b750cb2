"""What the audit finds on a real cluster: placed as in the story that Sentinel was made for, and placed well."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
from tests.kubernetes.deploy.kafka import Kafka
from tests.kubernetes.deploy.layout import CONTROLLER_NODE, Layout
from tests.kubernetes.deploy.sentinel import Deployer
from tests.kubernetes.deploy.shared import CAPACITY, SPOT, Kind, SharedKafka

pytestmark = pytest.mark.full
SECONDS = 120.0
THIN, TIGHT = "thin", "tight"
# What was wrong with the cluster of the story, and has to be found.
OF_THE_STORY = {
    "brokers-share-node": "critical",
    "controller-shares-node": "warning",
    "operator-shares-node": "warning",
    "operator-on-spot": "warning",
    "all-on-spot": "critical",
    "all-brokers-in-one-zone": "warning",
    "log-on-local-disk": "warning",
    "budget-missing": "critical",
    "no-anti-affinity": "warning",
    "no-drain-cleaner": "warning",
    "brokers-too-few": "warning",
    "quorum-too-small": "critical",
    "topic-min-isr-1-on-local-disks": "critical",
    "topic-unavailable-at-any-kill": "critical",
    "plaintext-listener": "warning",
    "anonymous-clients": "warning",
    "no-authorizer": "warning",
}


@pytest.fixture
def crowded(_shared_kafka: SharedKafka) -> Iterator[Kafka]:
    """Two brokers, a controller and the operator on one node, which is a spot node for as long as the test takes."""
    kafka = _shared_kafka.get(Kind(layout=Layout.CROWDED))
    kafka.cluster.node_labels(CONTROLLER_NODE, {SPOT: "spot"})
    yield kafka
    kafka.cluster.node_labels(CONTROLLER_NODE, {SPOT: CAPACITY[CONTROLLER_NODE]})


@pytest.fixture
def well_placed(bitnami_kafka: Kafka) -> Iterator[Kafka]:
    """Three nodes of Kafka, each broker and controller, on three Kubernetes nodes that are not spot ones."""
    for node in bitnami_kafka.cluster.nodes:
        bitnami_kafka.cluster.node_labels(node, {SPOT: "on-demand"})
    yield bitnami_kafka
    for node, kind in CAPACITY.items():
        bitnami_kafka.cluster.node_labels(node, {SPOT: kind})


def run(kafka: Kafka, *arguments: str) -> tuple[int, str, str]:
    """Return exit code, standard output and error of the command, asked from outside as the cluster's admin."""
    variables = {
        "KAFKA_SENTINEL__KAFKA__BOOTSTRAP_SERVERS": kafka.bootstrap,
        "KAFKA_SENTINEL__KUBERNETES__ENABLED": "true",
        "KAFKA_SENTINEL__KUBERNETES__NAMESPACE": kafka.namespace,
        "KAFKA_SENTINEL__KUBERNETES__KUBECONFIG": str(kafka.cluster.kubeconfig),
    }
    command = [sys.executable, "-m", "kafka_sentinel", "audit", *arguments]
    done = subprocess.run(
        command, env={**os.environ, **variables}, capture_output=True, text=True, timeout=SECONDS, check=False
    )
    return done.returncode, done.stdout, done.stderr


def report(kafka: Kafka) -> dict[str, Any]:
    _, text, progress = run(kafka, "--format", "json", "--fail-on", "never")
    assert text, progress
    return json.loads(text)


def found(made: dict[str, Any]) -> dict[str, str]:
    """Return rule → the worst severity it gave."""
    return {one["rule"]: one["severity"] for one in reversed(made["findings"])}


def test_all_that_was_wrong_in_the_story_is_found(crowded: Kafka):
    crowded.create_topic(THIN, [[0, 1]], min_insync_replicas="1")
    crowded.create_topic(TIGHT, [[0, 1]], min_insync_replicas="2")
    budgets = f"/apis/policy/v1/namespaces/{crowded.namespace}/poddisruptionbudgets"
    before = crowded.cluster.api.list(budgets)
    crowded.cluster.kubectl("delete", "poddisruptionbudget", "--all", "-n", crowded.namespace)
    assert before, "there was a budget, so that it is missing now"
    made = report(crowded)
    there = found(made)
    assert {rule: there.get(rule) for rule in OF_THE_STORY} == OF_THE_STORY, made["not_looked_at"]
    subjects = {one["rule"]: one["subjects"] for one in made["findings"]}
    assert subjects["topic-min-isr-1-on-local-disks"] == [THIN]
    assert subjects["topic-unavailable-at-any-kill"] == [TIGHT]
    assert subjects["brokers-share-node"] == ["orders-broker-0", "orders-broker-1"]
    assert made["not_judged"] == []
    code, text, _ = run(crowded)
    assert code == 1
    assert f"brokers 0 and 1 are on node {CONTROLLER_NODE}" in text


def test_nothing_of_the_story_is_found_on_a_cluster_that_is_well_placed(well_placed: Kafka):
    topic = "orders"
    numbers = sorted(well_placed.brokers)
    well_placed.create_topic(topic, [numbers, numbers[::-1]], min_insync_replicas="2")
    made = report(well_placed)
    assert made["counts"]["critical"] == 0, made["findings"]
    # The lab's disks are its nodes' own, it has one listener, and nothing but luck and disks keeps its pods apart.
    of_the_lab = {"log-on-local-disk", "no-anti-affinity", "plaintext-listener", "anonymous-clients", "no-authorizer"}
    assert set(found(made)) & set(OF_THE_STORY) <= of_the_lab
    assert found(made)["log-on-local-disk"] == "info"
    code, _, _ = run(well_placed)
    assert code == 0


def test_a_listener_that_asks_for_certificates_or_passwords_is_not_called_open(secured_kafka: Kafka):
    made = report(secured_kafka)
    let_in = {name for one in made["findings"] if one["rule"] == "anonymous-clients" for name in one["subjects"]}
    assert let_in == {"PLAIN", "HOST"}, "the brokers' own, and that of the tests; not TLS or SCRAM"
    assert "no-authorizer" not in found(made)


def test_the_inventory_lists_every_pod_where_it_runs_and_how_it_is_set(crowded: Kafka):
    _, text, _ = run(crowded, "--inventory", "--format", "json")
    made = json.loads(text)
    pods = {one["name"]: one for one in made["objects"] if one["kind"] == "Pod"}
    real = crowded.cluster.api.list(f"/api/v1/namespaces/{crowded.namespace}/pods")
    assert set(pods) == {one["metadata"]["name"] for one in real}
    broker = pods["orders-broker-0"]
    assert broker["purpose"] == "Kafka: broker 0"
    assert broker["where"].startswith(f"node {CONTROLLER_NODE}, zone ")
    assert broker["where"].endswith(", spot")
    assert "memory" in broker["details"]["resources of kafka"]
    kinds = {one["kind"] for one in made["objects"]}
    assert {"Deployment", "Service", "KafkaNodePool", "StrimziPodSet", "PersistentVolume"} <= kinds
    [lag] = [one for one in made["broker_settings"] if one["name"] == "replica.lag.time.max.ms"]
    assert (lag["value"], lag["source"], lag["default"], lag["brokers"]) == ("4000", "file", "30000", ["0", "1"])


def test_the_daemon_tells_the_same_in_its_pod_with_no_more_than_its_rights(crowded: Kafka, deploy: Deployer):
    sentinel = deploy(crowded, probe={"replication_factor": 2, "min_insync_replicas": 1})
    sentinel.wait_for(lambda status: status["audit"] is not None, "an audit", SECONDS)
    told = sentinel.status()["audit"]
    assert told["not_judged"] == []
    assert {"brokers-share-node", "all-on-spot"} <= {one["rule"] for one in told["findings"]}
    shown = {severity: sentinel.metric("audit_findings", severity=severity) for severity in told["counts"]}
    assert shown == told["counts"]
