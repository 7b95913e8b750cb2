"""Experiments on pods that run no Kafka node: exactly one of them goes, by its UID, and the brokers notice nothing.

The process under the entity operator's labels does nothing, and those under ZooKeeper's are no ZooKeeper: Kafka 4 has
none. What is shown is whom Sentinel takes for one, what it has the API server do, and that it stays with that.
"""

from __future__ import annotations

import pytest
from tests.kafka.sentinel import assert_identities
from tests.kubernetes.deploy import objects
from tests.kubernetes.deploy.ensemble import ensemble, pod
from tests.kubernetes.deploy.kafka import Kafka
from tests.kubernetes.deploy.sentinel import Deployer, Sentinel
from tests.kubernetes.deploy.waiting import wait_for
from tests.kubernetes.injections import allowed, armed, bound_uid, deletions, denying, experiment, order, passed
from tests.kubernetes.lab.cluster import Cluster
from tests.kubernetes.phases import PLACED, SECTIONS
from tests.kubernetes.pod_record import recorded

pytestmark = pytest.mark.full
SECONDS = 60.0
OVER = 120.0  # until the incident, which is about no broker, is closed


def probing(kafka: Kafka, deploy: Deployer, topic: str, fault: str, target: str) -> Sentinel:
    kafka.create_topic(topic, PLACED, min_insync_replicas="2")
    return deploy(kafka, topic=topic, experiments=armed(kafka, experiment("side", fault, target)), **SECTIONS)


def run(sentinel: Sentinel) -> dict:
    """Order the experiment, see it pass, and return its incident."""
    allowed(sentinel, "side")
    order(sentinel, "run-now", "side")
    return passed(sentinel, "side", OVER)


def containers(kafka: Kafka) -> list[str]:
    """Return the ids of the containers of all Kafka nodes: each life of one has another."""
    return [one["containerID"] for each in kafka.members for one in kafka.pod(each.id)["status"]["containerStatuses"]]


def check_unharmed(kafka: Kafka, sentinel: Sentinel, before: list[str]) -> None:
    """No container of Kafka was started again since `before`, and no restart and no loss was counted."""
    assert containers(kafka) == before
    assert sentinel.metric("broker_restarts_total") == sentinel.metric("records_lost_total") == 0
    assert_identities(sentinel.records())


def test_a_pod_delete_of_the_entity_operator_takes_its_pod_and_no_other(lab: Cluster, kafka: Kafka, deploy: Deployer):
    sentinel = probing(kafka, deploy, "beside-operator", "pod-delete", "entity-operator")
    (old,), before = kafka.entity_operators(), containers(kafka)
    with recorded(kafka, [member.pod for member in kafka.members]) as brokers:
        incident = run(sentinel)
        wait_for(lambda: objects.is_ready(_successor(kafka, old)), "another pod of the entity operator", SECONDS)
    (deletion,) = deletions(lab, sentinel)
    assert deletion["objectRef"]["name"] == incident["target"] == old["metadata"]["name"]
    assert bound_uid(deletion) == old["metadata"]["uid"]
    assert brokers.replaced() == {}
    check_unharmed(kafka, sentinel, before)


def _successor(kafka: Kafka, old: dict) -> dict | None:
    found = kafka.entity_operators()
    return next((one for one in found if one["metadata"]["uid"] != old["metadata"]["uid"]), None)


def test_a_pod_delete_of_zookeeper_takes_one_pod_under_its_labels_and_leaves_a_majority(
    lab: Cluster, older_kafka: Kafka, deploy: Deployer
):
    kafka = older_kafka
    with ensemble(kafka) as names:
        kafka.wait_ready()
        sentinel, before = probing(kafka, deploy, "beside-zookeeper", "pod-delete", "zookeeper"), containers(kafka)
        with recorded(kafka, [member.pod for member in kafka.members]) as brokers, recorded(kafka, names) as servers:
            incident = run(sentinel)
            wait_for(lambda: all(objects.is_ready(pod(kafka, name)) for name in names), "the ensemble", SECONDS)
        (deletion,) = deletions(lab, sentinel)
        name = deletion["objectRef"]["name"]
        assert name in names
        assert incident["target"] == name
        assert servers.replaced() == {name: 1}
        assert bound_uid(deletion) == servers.lives(name)[0]
        assert brokers.replaced() == {}
        check_unharmed(kafka, sentinel, before)
        check_majority_is_kept(kafka, sentinel, names)
        assert len(deletions(lab, sentinel)) == 1


def check_majority_is_kept(kafka: Kafka, sentinel: Sentinel, names: list[str]) -> None:
    """With one of three being away, the next one is not taken."""
    kafka.set_operator(alive=False)  # nobody makes it again
    kafka.cluster.api.delete(f"{objects.pods_path(kafka.namespace)}/{names[0]}")
    sentinel.wait_for(
        lambda status: "quorum_without_targets" in denying(status, "side"), "the majority to be counted", SECONDS
    )
    kafka.set_operator(alive=True)
    wait_for(lambda: objects.is_ready(pod(kafka, names[0])), "the ensemble", SECONDS)
    allowed(sentinel, "side")
