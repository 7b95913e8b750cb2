"""Kafka as Strimzi makes it: its resources, and pods with the names, labels and annotations it gives them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from tests.kubernetes.deploy import pods
from tests.kubernetes.deploy.crds import Strimzi
from tests.kubernetes.deploy.images import sentinel_image
from tests.kubernetes.deploy.layout import (
    CONTROLLER_ID,
    CONTROLLER_NODE,
    PLACES,
    PLAIN_PORT,
    SCRAM_PORT,
    TLS_PORT,
    Layout,
    Member,
)
from tests.kubernetes.deploy.pods import Limits, Place
from tests.kubernetes.deploy.secured import Security

from kafka_sentinel.lab.jars import KAFKA_VERSION

OPERATOR = "strimzi-cluster-operator"
OPERATOR_SCRIPT = Path(__file__).with_name("strimzi_operator.py")
REVISION = "9c4e1f00"
IDLE = "import signal; signal.pause()"


def place(namespace: str, name: str, cluster_id: str, limits: Limits, security: Security | None = None) -> Place:
    return Place(namespace, name, f"{name}-kafka-brokers", f"{name}-kafka-config", cluster_id, limits, security)


def members(name: str, layout: Layout) -> tuple[Member, ...]:
    """Return three brokers in one pool, and a controller of its own in another."""
    brokers = tuple(
        Member(number, f"{name}-broker-{number}", "broker", ("broker",), node, disk)
        for number, (node, disk) in enumerate(PLACES[layout])
    )
    controller = Member(
        CONTROLLER_ID, f"{name}-controller-{CONTROLLER_ID}", "controller", ("controller",), CONTROLLER_NODE, "d1"
    )
    return (*brokers, controller)


def resources(where: Place, all_members: tuple[Member, ...], zones: Mapping[str, str], version: Strimzi) -> list[dict]:
    """Return all objects but the definitions and the namespace."""
    selector = _selector(where)
    return [
        *(pods.volume(where, member) for member in all_members),
        *(pods.claim(where, member) for member in all_members),
        *_configuration(where, all_members, zones),
        pods.headless_service(where, selector),
        pods.bootstrap_service(where, _bootstrap(where), {**selector, "strimzi.io/broker-role": "true"}),
        pods.budget(where, f"{where.name}-kafka", selector, {"minAvailable": len(all_members) - 1}),
        _kafka(where, version),
        *(_pool(where, pool, all_members, version) for pool in _pools(all_members)),
        *(_pod_set(where, pool, all_members, version) for pool in _pools(all_members)),
        _entity_operator(where),
        *_operator(where, version),
    ]


def _bootstrap(where: Place) -> str:
    return f"{where.name}-kafka-bootstrap"


def _configuration(where: Place, all_members: tuple[Member, ...], zones: Mapping[str, str]) -> list[dict]:
    """Return what the pods start from, and if it is secured the Secret by which clients know them."""
    found, security = pods.configuration(where, all_members, zones), where.security
    if security is None:
        return [found]
    found["data"] |= security.files(all_members, where.domain, f"{_bootstrap(where)}.{where.namespace}.svc")
    return [found, security.authority_secret(where.namespace, where.name)]


def _selector(where: Place) -> dict[str, str]:
    return {"strimzi.io/cluster": where.name, "strimzi.io/kind": "Kafka", "strimzi.io/name": f"{where.name}-kafka"}


def _pools(all_members: tuple[Member, ...]) -> list[str]:
    return sorted({member.pool for member in all_members})


def _roles(pool: str, all_members: tuple[Member, ...]) -> tuple[str, ...]:
    return next(member.roles for member in all_members if member.pool == pool)


def _kafka(where: Place, version: Strimzi) -> dict:
    listeners = [{"name": "plain", "port": PLAIN_PORT, "type": "internal", "tls": False}]
    if where.security is not None:
        listeners += [
            {"name": name, "port": port, "type": "internal", "tls": True, "authentication": {"type": kind}}
            for name, port, kind in (("tls", TLS_PORT, "tls"), ("scram", SCRAM_PORT, "scram-sha-512"))
        ]
    return {
        "apiVersion": f"kafka.strimzi.io/{version.api}",
        "kind": "Kafka",
        "metadata": {
            "name": where.name,
            "namespace": where.namespace,
            "annotations": {"strimzi.io/node-pools": "enabled", "strimzi.io/kraft": "enabled"},
        },
        "spec": {
            "kafka": {
                "version": KAFKA_VERSION,
                "listeners": listeners,
                **({} if where.security is None else {"authorization": {"type": "simple"}}),
                "config": {"default.replication.factor": 3, "min.insync.replicas": 2},
            },
            "entityOperator": {"topicOperator": {}},
        },
    }


def _pool(where: Place, pool: str, all_members: tuple[Member, ...], version: Strimzi) -> dict:
    volume = {"id": 0, "type": "persistent-claim", "size": pods.STORAGE, "class": pods.CLASS, "deleteClaim": False}
    return {
        "apiVersion": f"kafka.strimzi.io/{version.api}",
        "kind": "KafkaNodePool",
        "metadata": {
            "name": pool,
            "namespace": where.namespace,
            "labels": {"strimzi.io/cluster": where.name},
        },
        "spec": {
            "replicas": sum(member.pool == pool for member in all_members),
            "roles": list(_roles(pool, all_members)),
            "storage": {"type": "jbod", "volumes": [volume]},
        },
    }


def _pod_set(where: Place, pool: str, all_members: tuple[Member, ...], version: Strimzi) -> dict:
    name = f"{where.name}-{pool}"
    return {
        "apiVersion": f"core.strimzi.io/{version.api}",
        "kind": "StrimziPodSet",
        "metadata": {"name": name, "namespace": where.namespace, "labels": _labels(where, pool, all_members)},
        "spec": {
            "selector": {"matchLabels": {**_selector(where), "strimzi.io/pool-name": pool}},
            "pods": [_pod(where, member, all_members) for member in all_members if member.pool == pool],
        },
    }


def _pod(where: Place, member: Member, all_members: tuple[Member, ...]) -> dict:
    spec = pods.pod_spec(where, is_broker=member.is_broker, claim=member.claim)
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": member.pod,
            "namespace": where.namespace,
            "labels": {
                **_labels(where, member.pool, all_members),
                "strimzi.io/pod-name": member.pod,
                "strimzi.io/controller": "strimzipodset",
                "strimzi.io/controller-name": f"{where.name}-{member.pool}",
            },
            "annotations": {"strimzi.io/revision": REVISION, "prometheus.io/scrape": "false"},
        },
        "spec": {**spec, "hostname": member.pod, "subdomain": where.headless},
    }


def _labels(where: Place, pool: str, all_members: tuple[Member, ...]) -> dict[str, str]:
    roles = _roles(pool, all_members)
    return {
        **_selector(where),
        "app.kubernetes.io/instance": where.name,
        "app.kubernetes.io/managed-by": OPERATOR,
        "app.kubernetes.io/name": "kafka",
        "app.kubernetes.io/part-of": f"strimzi-{where.name}",
        "strimzi.io/component-type": "kafka",
        "strimzi.io/pool-name": pool,
        "strimzi.io/broker-role": str("broker" in roles).lower(),
        "strimzi.io/controller-role": str("controller" in roles).lower(),
    }


def _entity_operator(where: Place) -> dict:
    """Return a process that does nothing under the labels of the entity operator."""
    name = f"{where.name}-entity-operator"
    labels = {
        "strimzi.io/cluster": where.name,
        "strimzi.io/kind": "Kafka",
        "strimzi.io/name": name,
        "strimzi.io/component-type": "entity-operator",
    }
    container = {"name": "topic-operator", "command": ["/usr/bin/python3", "-c", IDLE]}
    return _deployment(where, name, labels, container, {"automountServiceAccountToken": False})


def _operator(where: Place, version: Strimzi) -> list[dict]:
    """Return the operator's deployment and what it may do: no more than it needs, in its own namespace."""
    head = {"name": OPERATOR, "namespace": where.namespace}
    rbac = "rbac.authorization.k8s.io"
    rules = [
        {"apiGroups": [""], "resources": ["pods"], "verbs": ["list", "create", "delete"]},
        {"apiGroups": ["events.k8s.io"], "resources": ["events"], "verbs": ["create"]},
        {"apiGroups": ["core.strimzi.io"], "resources": ["strimzipodsets"], "verbs": ["list"]},
        {"apiGroups": ["core.strimzi.io"], "resources": ["strimzipodsets/status"], "verbs": ["patch"]},
        {"apiGroups": ["kafka.strimzi.io"], "resources": ["kafkas"], "verbs": ["list"]},
        {"apiGroups": ["kafka.strimzi.io"], "resources": ["kafkas/status"], "verbs": ["patch"]},
    ]
    variables = {
        "STRIMZI_NAMESPACE": where.namespace,
        "STRIMZI_API": version.api,
        "KAFKA_CLUSTER_ID": where.cluster_id,
        "KAFKA_VERSION": KAFKA_VERSION,
    }
    container = {
        "name": OPERATOR,
        "command": ["/usr/bin/python3", f"/opt/strimzi/{OPERATOR_SCRIPT.name}"],
        "env": [{"name": name, "value": value} for name, value in variables.items()],
        "volumeMounts": [{"name": "script", "mountPath": "/opt/strimzi"}],
    }
    more = {"serviceAccountName": OPERATOR, "volumes": [{"name": "script", "configMap": {"name": OPERATOR}}]}
    return [
        {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": head},
        {"apiVersion": f"{rbac}/v1", "kind": "Role", "metadata": head, "rules": rules},
        {
            "apiVersion": f"{rbac}/v1",
            "kind": "RoleBinding",
            "metadata": head,
            "roleRef": {"apiGroup": rbac, "kind": "Role", "name": OPERATOR},
            "subjects": [{"kind": "ServiceAccount", **head}],
        },
        {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": head,
            "data": {OPERATOR_SCRIPT.name: OPERATOR_SCRIPT.read_text()},
        },
        _deployment(where, OPERATOR, {"name": OPERATOR, "strimzi.io/kind": "cluster-operator"}, container, more),
    ]


def _deployment(where: Place, name: str, labels: dict[str, str], container: dict, more: dict) -> dict:
    """Return one replica on the on-demand node, where no reclaim takes it."""
    full = {
        "image": sentinel_image().name,
        "imagePullPolicy": "IfNotPresent",
        "resources": {"requests": {"cpu": "10m", "memory": "32Mi"}},
        **container,
    }
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "namespace": where.namespace, "labels": labels},
        "spec": {
            "replicas": 1,
            "strategy": {"type": "Recreate"},
            "selector": {"matchLabels": labels},
            "template": {
                "metadata": {"labels": labels},
                "spec": {
                    "nodeSelector": {"kubernetes.io/hostname": CONTROLLER_NODE},
                    "terminationGracePeriodSeconds": 1,
                    "enableServiceLinks": True,
                    "containers": [full],
                    **more,
                },
            },
        },
    }
