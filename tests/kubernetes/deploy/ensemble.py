"""Pods under the labels that Strimzi gave ZooKeeper's, up to 0.45. No ZooKeeper runs in them: Kafka 4 has none.

What runs is a shell that ends when it is told to, from the image of the brokers. That is enough for whoever finds such
pods by their labels and breaks one of them; what ZooKeeper makes of it is not shown by this.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from tests.kubernetes.deploy import objects
from tests.kubernetes.deploy.crds import Strimzi
from tests.kubernetes.deploy.images import kafka_image
from tests.kubernetes.deploy.kafka import Kafka
from tests.kubernetes.deploy.layout import CONTROLLER_NODE
from tests.kubernetes.deploy.waiting import wait_for

SERVERS = 3
SECONDS = 120.0
VERSION = Strimzi.V1BETA2.api  # v1 has no `zookeeper` any more
IDLE = "trap 'exit 0' TERM; while :; do sleep 1 & wait $!; done"


def names(kafka: Kafka) -> list[str]:
    return [f"{kafka.name}-zookeeper-{number}" for number in range(SERVERS)]


@contextmanager
def ensemble(kafka: Kafka) -> Iterator[list[str]]:
    """Have three such pods, which the operator keeps, beside a Kafka whose resource asks for them. Yields their names.

    `kafka`: of the older Strimzi.
    """
    cluster = kafka.cluster
    resource = f"/apis/kafka.strimzi.io/{VERSION}/namespaces/{kafka.namespace}/kafkas/{kafka.name}"
    sets = f"/apis/core.strimzi.io/{VERSION}/namespaces/{kafka.namespace}/strimzipodsets"
    cluster.api.patch(resource, {"spec": {"zookeeper": {"replicas": SERVERS, "storage": {"type": "ephemeral"}}}})
    objects.apply(cluster, [_pod_set(kafka)])
    try:
        wait_for(lambda: all(objects.is_ready(pod(kafka, name)) for name in names(kafka)), "the ensemble", SECONDS)
        yield names(kafka)
    finally:
        cluster.api.delete(f"{sets}/{kafka.name}-zookeeper")
        forced = ("--grace-period=0", "--force", "--ignore-not-found")
        cluster.kubectl("delete", "pod", *names(kafka), "-n", kafka.namespace, *forced)
        cluster.api.patch(resource, {"spec": {"zookeeper": None}})


def pod(kafka: Kafka, name: str) -> dict | None:
    return objects.get(kafka.cluster, f"{objects.pods_path(kafka.namespace)}/{name}")


def _pod_set(kafka: Kafka) -> dict:
    return {
        "apiVersion": f"core.strimzi.io/{VERSION}",
        "kind": "StrimziPodSet",
        "metadata": {"name": f"{kafka.name}-zookeeper", "namespace": kafka.namespace, "labels": _labels(kafka)},
        "spec": {
            "selector": {"matchLabels": {"strimzi.io/name": f"{kafka.name}-zookeeper"}},
            "pods": [_pod(kafka, name) for name in names(kafka)],
        },
    }


def _pod(kafka: Kafka, name: str) -> dict:
    container = {
        "name": "zookeeper",
        "image": kafka_image().name,
        "imagePullPolicy": "IfNotPresent",
        "command": ["/bin/sh", "-c", IDLE],
        "resources": {"requests": {"cpu": "10m", "memory": "16Mi"}},
    }
    labels = {
        **_labels(kafka),
        "strimzi.io/component-type": "zookeeper",
        "strimzi.io/pod-name": name,
        "strimzi.io/controller": "strimzipodset",
        "strimzi.io/controller-name": f"{kafka.name}-zookeeper",
    }
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": kafka.namespace, "labels": labels},
        "spec": {
            "nodeSelector": {"kubernetes.io/hostname": CONTROLLER_NODE},
            "terminationGracePeriodSeconds": 10,
            "automountServiceAccountToken": False,
            "containers": [container],
        },
    }


def _labels(kafka: Kafka) -> dict[str, str]:
    cluster = {"strimzi.io/cluster": kafka.name, "strimzi.io/kind": "Kafka"}
    return {**cluster, "strimzi.io/name": f"{kafka.name}-zookeeper"}
