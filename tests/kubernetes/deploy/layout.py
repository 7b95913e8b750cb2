"""Which Kafka nodes there are, on which Kubernetes node and disk each of them lives, and how each is configured."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

CONTROL_PORT, PLAIN_PORT, HOST_PORT = 9090, 9092, 9094
TLS_PORT, SCRAM_PORT = 9093, 9095  # of a Kafka that is secured
DATA = "/var/lib/kafka/data-0"
CONFIGURATION = "/opt/kafka/custom-config"
CONTROLLER_NODE = "n4"  # on-demand: the others are spot
CONTROLLER_ID = 100


class Layout(StrEnum):
    SPREAD = "spread"  # every broker on a node of its own
    SHARED = "shared"  # two on one node, as small teams have it
    CROWDED = "crowded"  # two in all, on one disk of the node that has the controller and the operator


PLACES = {
    Layout.SPREAD: (("n1", "d1"), ("n2", "d1"), ("n3", "d1")),
    Layout.SHARED: (("n1", "d1"), ("n1", "d2"), ("n2", "d1")),
    Layout.CROWDED: ((CONTROLLER_NODE, "d2"), (CONTROLLER_NODE, "d2")),  # each has a folder of its own on it
}


@dataclass(frozen=True, slots=True)
class Member:
    """One Kafka node. `disk` is a folder of its Kubernetes node under /mnt/disks."""

    id: int
    pod: str
    pool: str
    roles: tuple[str, ...]
    node: str
    disk: str

    @property
    def is_broker(self) -> bool:
        return "broker" in self.roles

    @property
    def claim(self) -> str:
        return f"data-0-{self.pod}"


# Small and quick, otherwise as a cluster in production is: nothing here makes records less durable.
COMMON = {
    "broker.session.timeout.ms": "3000",
    "broker.heartbeat.interval.ms": "500",
    "replica.lag.time.max.ms": "4000",
    "auto.create.topics.enable": "false",
    "default.replication.factor": "3",
    "min.insync.replicas": "2",
    "offsets.topic.num.partitions": "3",
    "offsets.topic.replication.factor": "3",
    "transaction.state.log.num.partitions": "3",
    "transaction.state.log.replication.factor": "3",
    "transaction.state.log.min.isr": "2",
    "share.coordinator.state.topic.num.partitions": "3",
    "group.initial.rebalance.delay.ms": "0",
    "log.initial.task.delay.ms": "500",
    "log.retention.check.interval.ms": "1000",
    "log.cleaner.dedupe.buffer.size": "4194304",
    "num.network.threads": "2",
    "num.io.threads": "4",
}


def properties(
    member: Member, members: tuple[Member, ...], domain: str, zone: str, secured: Mapping[str, str] | None
) -> str:
    """Return the server properties of one Kafka node. `domain`: of the headless service.

    `secured`: properties of a Kafka that also has a listener for client certificates, and one for passwords.

    A broker has two listeners: one advertised by its name in the cluster's DNS, as Strimzi does, and one advertised by
    its address, for clients on the host. @POD_IP@ is filled in by the start script.
    """
    voters = [f"{one.id}@{one.pod}.{domain}:{CONTROL_PORT}" for one in members if "controller" in one.roles]
    listeners: list[str] = []
    advertised: list[str] = []
    if member.is_broker:
        listeners += [f"PLAIN://:{PLAIN_PORT}", f"HOST://:{HOST_PORT}"]
        advertised += [f"PLAIN://{member.pod}.{domain}:{PLAIN_PORT}", f"HOST://@POD_IP@:{HOST_PORT}"]
    if member.is_broker and secured:
        more = {"TLS": TLS_PORT, "SCRAM": SCRAM_PORT}
        listeners += [f"{name}://:{port}" for name, port in more.items()]
        advertised += [f"{name}://{member.pod}.{domain}:{port}" for name, port in more.items()]
    if "controller" in member.roles:
        listeners.append(f"CONTROL://:{CONTROL_PORT}")
        advertised.append(f"CONTROL://{member.pod}.{domain}:{CONTROL_PORT}")
    found = {
        **COMMON,
        "process.roles": ",".join(member.roles),
        "node.id": str(member.id),
        "listeners": ",".join(listeners),
        "advertised.listeners": ",".join(advertised),
        "listener.security.protocol.map": "PLAIN:PLAINTEXT,HOST:PLAINTEXT,CONTROL:PLAINTEXT,TLS:SSL,SCRAM:SASL_SSL",
        "controller.listener.names": "CONTROL",
        "controller.quorum.voters": ",".join(voters),
        "log.dirs": f"{DATA}/kafka-log{member.id}",
        "broker.rack": zone,
        **(secured or {}),
    }
    if member.is_broker:
        found["inter.broker.listener.name"] = "PLAIN"
    return "".join(f"{key}={value}\n" for key, value in found.items())


def start_script(cluster_id: str) -> str:
    """Return what a Kafka container runs. An empty disk is formatted, as Strimzi does."""
    return f"""#!/bin/sh
set -eu
rm -rf /tmp/*
sed "s/@POD_IP@/$POD_IP/" "{CONFIGURATION}/$HOSTNAME.properties" > /tmp/server.properties
folder=$(sed -n 's/^log.dirs=//p' /tmp/server.properties)
if [ ! -f "$folder/meta.properties" ]; then
  java -XX:TieredStopAtLevel=1 -cp '/opt/kafka/libs/*' kafka.tools.StorageTool \\
    format --cluster-id {cluster_id} --config /tmp/server.properties
fi
exec java -Xms64m -Xmx256m -XX:+UseSerialGC -XX:TieredStopAtLevel=1 -XX:-UsePerfData \\
  -Dlog4j2.configurationFile={CONFIGURATION}/log4j2.properties \\
  -cp '/opt/kafka/libs/*' kafka.Kafka /tmp/server.properties
"""
