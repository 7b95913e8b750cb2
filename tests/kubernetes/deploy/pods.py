"""What the pods of a Kafka node look like, whoever makes them, and the objects each of them needs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.kubernetes.deploy import secured
from tests.kubernetes.deploy.images import kafka_image
from tests.kubernetes.deploy.layout import (
    CONFIGURATION,
    CONTROL_PORT,
    DATA,
    HOST_PORT,
    PLAIN_PORT,
    SCRAM_PORT,
    TLS_PORT,
    Member,
    properties,
    start_script,
)
from tests.kubernetes.deploy.secured import Security

LOG_CONFIGURATION = """\
status = error
name = pod
appender.console.type = Console
appender.console.name = console
appender.console.layout.type = PatternLayout
appender.console.layout.pattern = %d{HH:mm:ss.SSS} %-5p %c{1} %m%n
rootLogger.level = info
rootLogger.appenderRef.console.ref = console
"""
STORAGE = "1Gi"
CLASS = "local"
VOLUME = "data-0"


@dataclass(frozen=True, slots=True)
class Limits:
    """`memory`: of each broker's container, as "450Mi"; a broker that needs more is killed for it.

    `tolerated`: seconds a pod stays on a node that seems lost; None: as the lab has it for all pods.
    """

    memory: str | None = None
    tolerated: int | None = None


AS_USUAL = Limits()


@dataclass(frozen=True, slots=True)
class Place:
    """Where a Kafka cluster is in Kubernetes, and who it is."""

    namespace: str
    name: str
    headless: str  # name of the headless service
    configuration: str  # name of the ConfigMap
    cluster_id: str
    limits: Limits
    security: Security | None = None

    @property
    def domain(self) -> str:
        return f"{self.headless}.{self.namespace}.svc.cluster.local"


def pod_spec(place: Place, *, is_broker: bool, claim: str | None) -> dict:
    """Return the specification of a Kafka pod. `claim` None: a StatefulSet's template gives the volume."""
    port = PLAIN_PORT if is_broker else CONTROL_PORT
    ports = {"tcp-ctrlplane": CONTROL_PORT, "tcp-clients": PLAIN_PORT, "tcp-host": HOST_PORT}
    resources: dict = {"requests": {"cpu": "10m", "memory": "300Mi"}}
    limits = place.limits
    if limits.memory is not None and is_broker:
        resources = {"requests": {"cpu": "10m", "memory": limits.memory}, "limits": {"memory": limits.memory}}
    volumes: list[dict] = [
        {"name": "kafka-metrics-and-logging", "configMap": {"name": place.configuration, "defaultMode": 0o755}},
        {"name": "strimzi-tmp", "emptyDir": {"medium": "Memory"}},
    ]
    if claim is not None:
        volumes.append({"name": VOLUME, "persistentVolumeClaim": {"claimName": claim}})
    return {
        "terminationGracePeriodSeconds": 30,
        "restartPolicy": "Always",
        "enableServiceLinks": False,
        "automountServiceAccountToken": False,
        "tolerations": [] if limits.tolerated is None else tolerations(limits.tolerated),
        "containers": [
            {
                "name": "kafka",
                "image": kafka_image().name,
                "imagePullPolicy": "IfNotPresent",
                "command": [f"{CONFIGURATION}/kafka_run.sh"],
                "env": [{"name": "POD_IP", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}}],
                "ports": [{"name": name, "containerPort": number} for name, number in ports.items()],
                "resources": resources,
                "readinessProbe": {"tcpSocket": {"port": port}, "periodSeconds": 1, "failureThreshold": 3},
                "volumeMounts": [
                    {"name": VOLUME, "mountPath": DATA},
                    {"name": "kafka-metrics-and-logging", "mountPath": CONFIGURATION},
                    {"name": "strimzi-tmp", "mountPath": "/tmp"},
                ],
            }
        ],
        "volumes": volumes,
    }


def tolerations(seconds: int) -> list[dict]:
    """Return what has a pod stay for so long on a node that seems lost."""
    common = {"operator": "Exists", "effect": "NoExecute", "tolerationSeconds": seconds}
    return [{"key": f"node.kubernetes.io/{key}", **common} for key in ("not-ready", "unreachable")]


def configuration(place: Place, members: tuple[Member, ...], zones: Mapping[str, str]) -> dict:
    """Return the ConfigMap that all of them start from. `zones` by Kubernetes node."""
    security = None if place.security is None else secured.properties()
    data = {
        f"{member.pod}.properties": properties(member, members, place.domain, zones[member.node], security)
        for member in members
    }
    data |= {"kafka_run.sh": start_script(place.cluster_id), "log4j2.properties": LOG_CONFIGURATION}
    return {**_head("v1", "ConfigMap", place.configuration, place), "data": data}


def headless_service(place: Place, selector: dict[str, str]) -> dict:
    """Return the service that gives each pod its name. It names pods that are not ready too, as Strimzi's does."""
    return {
        **_head("v1", "Service", place.headless, place),
        "spec": {
            "clusterIP": "None",
            "publishNotReadyAddresses": True,
            "selector": selector,
            "ports": [
                {"name": "tcp-ctrlplane", "port": CONTROL_PORT},
                {"name": "tcp-clients", "port": PLAIN_PORT},
                {"name": "tcp-host", "port": HOST_PORT},
            ],
        },
    }


def bootstrap_service(place: Place, name: str, selector: dict[str, str]) -> dict:
    ports = {"tcp-clients": PLAIN_PORT}
    if place.security is not None:
        ports |= {"tcp-clientstls": TLS_PORT, "tcp-scram": SCRAM_PORT}
    return {
        **_head("v1", "Service", name, place),
        "spec": {"selector": selector, "ports": [{"name": each, "port": port} for each, port in ports.items()]},
    }


def budget(place: Place, name: str, selector: dict[str, str], rule: dict) -> dict:
    return {
        **_head("policy/v1", "PodDisruptionBudget", name, place),
        "spec": {**rule, "selector": {"matchLabels": selector}},
    }


def volume(place: Place, member: Member) -> dict:
    """Return the volume on its node's own disk that only this member's claim may use: it decides where the pod runs."""
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolume",
        "metadata": {"name": volume_name(place, member), "labels": {"sentinel.test/kafka": place.namespace}},
        "spec": {
            "capacity": {"storage": STORAGE},
            "accessModes": ["ReadWriteOnce"],
            "persistentVolumeReclaimPolicy": "Retain",
            "storageClassName": CLASS,
            "claimRef": {"namespace": place.namespace, "name": member.claim},
            "local": {"path": str(Path("/mnt/disks") / member.disk)},
            "nodeAffinity": {"required": {"nodeSelectorTerms": [_on(member.node)]}},
        },
    }


def volume_name(place: Place, member: Member) -> str:
    return f"{place.namespace}-{member.pod}"


def claim_spec(name: str | None) -> dict:
    found = {
        "storageClassName": CLASS,
        "accessModes": ["ReadWriteOnce"],
        "resources": {"requests": {"storage": STORAGE}},
    }
    return found if name is None else {**found, "volumeName": name}


def claim(place: Place, member: Member) -> dict:
    return {
        **_head("v1", "PersistentVolumeClaim", member.claim, place),
        "spec": claim_spec(volume_name(place, member)),
    }


def _head(version: str, kind: str, name: str, place: Place) -> dict:
    return {"apiVersion": version, "kind": kind, "metadata": {"name": name, "namespace": place.namespace}}


def _on(node: str) -> dict:
    return {"matchExpressions": [{"key": "kubernetes.io/hostname", "operator": "In", "values": [node]}]}
