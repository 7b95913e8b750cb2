"""Kafka in StatefulSets: plain ones as people write them themselves, and as Bitnami's chart makes it by default."""

from __future__ import annotations

from collections.abc import Mapping

from tests.kubernetes.deploy import pods
from tests.kubernetes.deploy.layout import CONTROLLER_ID, CONTROLLER_NODE, PLACES, Layout, Member
from tests.kubernetes.deploy.pods import Limits, Place

PLAIN, PLAIN_CONTROLLER = "kafka", "kafka-controller"
RELEASE = "orders"
BITNAMI = f"{RELEASE}-kafka"
BITNAMI_SET = f"{BITNAMI}-controller"


def place(namespace: str, cluster_id: str, limits: Limits, *, bitnami: bool) -> Place:
    name = BITNAMI if bitnami else PLAIN
    return Place(namespace, name, f"{name}-headless", f"{name}-config", cluster_id, limits)


def plain_members(layout: Layout) -> tuple[Member, ...]:
    brokers = tuple(
        Member(number, f"{PLAIN}-{number}", PLAIN, ("broker",), node, disk)
        for number, (node, disk) in enumerate(PLACES[layout])
    )
    controller = Member(
        CONTROLLER_ID, f"{PLAIN_CONTROLLER}-0", PLAIN_CONTROLLER, ("controller",), CONTROLLER_NODE, "d1"
    )
    return (*brokers, controller)


def bitnami_members(layout: Layout) -> tuple[Member, ...]:
    return tuple(
        Member(number, f"{BITNAMI_SET}-{number}", BITNAMI_SET, ("broker", "controller"), node, disk)
        for number, (node, disk) in enumerate(PLACES[layout])
    )


def plain_resources(where: Place, members: tuple[Member, ...], zones: Mapping[str, str]) -> list[dict]:
    brokers, controllers = {"app": PLAIN}, {"app": PLAIN_CONTROLLER}
    everybody = {"part-of": PLAIN}
    return [
        *_common(where, members, zones, everybody, {**everybody, **brokers}),
        pods.budget(where, PLAIN, brokers, {"maxUnavailable": 1}),
        _stateful_set(where, PLAIN, {**everybody, **brokers}, 3, is_broker=True),
        _stateful_set(where, PLAIN_CONTROLLER, {**everybody, **controllers}, 1, is_broker=False),
    ]


def bitnami_resources(where: Place, members: tuple[Member, ...], zones: Mapping[str, str]) -> list[dict]:
    release = {"app.kubernetes.io/name": "kafka", "app.kubernetes.io/instance": RELEASE}
    labels = {**release, "app.kubernetes.io/part-of": "kafka", "app.kubernetes.io/component": "controller-eligible"}
    return [
        *_common(where, members, zones, release, release),
        pods.budget(where, BITNAMI_SET, labels, {"maxUnavailable": 1}),
        _stateful_set(where, BITNAMI_SET, labels, len(members), is_broker=True),
    ]


def _common(
    where: Place,
    members: tuple[Member, ...],
    zones: Mapping[str, str],
    everybody: dict[str, str],
    brokers: dict[str, str],
) -> list[dict]:
    return [
        *(pods.volume(where, member) for member in members),
        pods.configuration(where, members, zones),
        pods.headless_service(where, everybody),
        pods.bootstrap_service(where, where.name, brokers),
    ]


def _stateful_set(where: Place, name: str, labels: dict[str, str], replicas: int, *, is_broker: bool) -> dict:
    claim = {"metadata": {"name": pods.VOLUME}, "spec": pods.claim_spec(None)}
    return {
        "apiVersion": "apps/v1",
        "kind": "StatefulSet",
        "metadata": {"name": name, "namespace": where.namespace, "labels": labels},
        "spec": {
            "serviceName": where.headless,
            "replicas": replicas,
            "podManagementPolicy": "Parallel",
            "selector": {"matchLabels": labels},
            "template": {
                "metadata": {"labels": labels},
                "spec": pods.pod_spec(where, is_broker=is_broker, claim=None),
            },
            "volumeClaimTemplates": [claim],
        },
    }
