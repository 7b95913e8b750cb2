"""The stand-in of Strimzi's operator: brokers come back because it lives, and only then."""

from __future__ import annotations

import pytest
from tests.kubernetes.deploy import objects
from tests.kubernetes.deploy.kafka import Kafka
from tests.kubernetes.deploy.waiting import wait_for

SECONDS = 240.0


def uid(kafka: Kafka, broker: int) -> str | None:
    pod = kafka.pod(broker)
    return None if pod is None else pod["metadata"]["uid"]


def recreated(kafka: Kafka, broker: int, old: str | None) -> None:
    """Wait until another pod is there under the broker's name."""
    wait_for(lambda: uid(kafka, broker) not in {None, old}, f"another pod of broker {broker}", SECONDS)


@pytest.mark.full
def test_a_deleted_pod_comes_back_as_another_on_its_own_volume(kafka: Kafka):
    kafka.create_topic("kept", [[1]], min_insync_replicas="1")
    old = uid(kafka, 1)
    kafka.delete_pod(1)
    recreated(kafka, 1, old)
    kafka.wait_ready()
    assert kafka.pod(1)["spec"]["nodeName"] == kafka.member(1).node
    assert kafka.isr("kept") == {1}, "a broker with another disk would not lead it"


@pytest.mark.full
def test_nothing_comes_back_while_the_operator_is_dead(kafka: Kafka):
    kafka.set_operator(alive=False)
    old = uid(kafka, 0)
    kafka.delete_pod(0, grace=1)
    wait_for(lambda: uid(kafka, 0) is None, "the pod to go", SECONDS)
    # Kubernetes' own controllers have had time for the same: a pod of the entity operator comes back.
    side = kafka.entity_operators()[0]["metadata"]["name"]
    kafka.cluster.api.delete(f"{objects.pods_path(kafka.namespace)}/{side}")
    wait_for(lambda: _others(kafka, side), "another pod of the entity operator", SECONDS)
    assert uid(kafka, 0) is None
    kafka.set_operator(alive=True)
    recreated(kafka, 0, old)


def _others(kafka: Kafka, side: str) -> list[dict]:
    ready = [pod for pod in kafka.entity_operators() if objects.is_ready(pod)]
    return [pod for pod in ready if pod["metadata"]["name"] != side]


@pytest.mark.full
def test_an_annotated_pod_is_rolled_and_an_event_says_so(kafka: Kafka):
    old = uid(kafka, 2)
    kafka.roll(2)
    recreated(kafka, 2, old)
    events = kafka.cluster.api.list(f"/apis/events.k8s.io/v1/namespaces/{kafka.namespace}/events")
    about = [each for each in events if each.get("regarding", {}).get("uid") == old]
    (event,) = [each for each in about if each.get("reportingController") == "strimzi.io/cluster-operator"]
    assert (event["action"], event["reason"]) == ("StrimziInitiatedPodRestart", "ManualRollingUpdate")
    kafka.wait_ready()
    assert "strimzi.io/manual-rolling-update" not in kafka.pod(2)["metadata"]["annotations"]


@pytest.mark.full
def test_a_paused_cluster_is_not_rolled_until_it_goes_on(kafka: Kafka):
    kafka.pause(paused=True)
    wait_for(lambda: kafka.has_condition("ReconciliationPaused"), "the operator to see it", SECONDS)
    rolled, deleted = uid(kafka, 1), uid(kafka, 2)
    kafka.roll(1)
    kafka.delete_pod(2, grace=1)
    recreated(kafka, 2, deleted)  # pods are kept all the same, and the operator has looked again
    wait_for(lambda: not kafka.unready(), "all pods", SECONDS, kafka.unready)
    assert uid(kafka, 1) == rolled
    kafka.pause(paused=False)
    recreated(kafka, 1, rolled)


@pytest.mark.full
def test_a_broker_that_needs_more_memory_than_it_may_is_killed_and_starts_again(shared_kafka: Kafka):
    kafka = shared_kafka
    before = kafka.pod(0)["metadata"]["uid"]
    kafka.exhaust_memory(0)

    def ended() -> dict | None:
        status = kafka.pod(0)["status"]["containerStatuses"][0]
        return status["lastState"].get("terminated")

    assert wait_for(ended, "its container to end", SECONDS)["reason"] == "OOMKilled"
    kafka.wait_ready()
    assert kafka.pod(0)["metadata"]["uid"] == before
