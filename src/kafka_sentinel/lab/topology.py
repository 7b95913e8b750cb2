"""Which nodes a lab has, and how each is configured."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from kafka_sentinel.lab.ports import HOST, Ports

CONTROLLER_ID = 9


class Topology(StrEnum):
    COMBINED = "combined"  # nodes 1, 2, 3: broker and controller each; losing two loses the quorum
    SEPARATE = "separate"  # controller 9, brokers 1, 2, 3: any number of brokers may die


@dataclass(frozen=True, slots=True)
class NodeSpec:
    """One node. A port is None where the node has not that role."""

    id: int
    broker_port: int | None
    controller_port: int | None


# Small and quick, otherwise as a cluster in production is: nothing here makes records less durable.
_COMMON = {
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


def plan(topology: Topology, ports: Ports) -> tuple[NodeSpec, ...]:
    """Return the nodes of a topology, each with free ports."""
    if topology is Topology.COMBINED:
        return tuple(NodeSpec(node, ports.take(), ports.take()) for node in (1, 2, 3))
    brokers = tuple(NodeSpec(node, ports.take(), None) for node in (1, 2, 3))
    return (NodeSpec(CONTROLLER_ID, None, ports.take()), *brokers)


def configuration(
    spec: NodeSpec, nodes: tuple[NodeSpec, ...], folder: Path, overrides: Mapping[str, str]
) -> dict[str, str]:
    """Return the server properties of one node whose data lie under `folder`; `overrides` win."""
    roles: list[str] = []
    listeners: list[str] = []
    if spec.broker_port is not None:
        roles.append("broker")
        listeners.append(f"PLAINTEXT://{HOST}:{spec.broker_port}")
    if spec.controller_port is not None:
        roles.append("controller")
        listeners.append(f"CONTROLLER://{HOST}:{spec.controller_port}")
    voters = [f"{node.id}@{HOST}:{node.controller_port}" for node in nodes if node.controller_port is not None]
    return {
        **_COMMON,
        "process.roles": ",".join(roles),
        "node.id": str(spec.id),
        "listeners": ",".join(listeners),
        "controller.listener.names": "CONTROLLER",
        "controller.quorum.voters": ",".join(voters),
        "log.dirs": str(folder / "data"),
        "metadata.log.dir": str(folder / "metadata"),  # of its own, so that a wiped broker still knows the cluster
        **overrides,
    }


def properties(configuration: Mapping[str, str]) -> str:
    """Return the text of a Java properties file."""
    escaped = ((key, value.replace("\\", "\\\\")) for key, value in configuration.items())
    return "".join(f"{key}={value}\n" for key, value in escaped)
