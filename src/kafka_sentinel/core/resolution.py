"""Whom an experiment would hit now: its target judged against the newest views of Kafka and of its pods.

Where a target leaves a choice, the same experiment and time of the run choose the same. On Kubernetes a target is
found together with its pods, by exact id; what cannot be found is no target, with the reason.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from hashlib import blake2b
from typing import TypeVar

from kafka_sentinel.core.cluster import ClusterView, PartitionView, TopicView
from kafka_sentinel.core.coordinators import GROUPS_TOPIC, TRANSACTIONS_TOPIC, partition_for
from kafka_sentinel.core.faults import Reach, fault_named
from kafka_sentinel.core.guard_input import ExperimentSpec, World
from kafka_sentinel.core.kubernetes.fleet import BrokerPod, FleetView, Side, SidePod
from kafka_sentinel.core.targets import SIDES, Target, TargetKind, TargetSpec
from kafka_sentinel.core.types import Acks, NodeRef, PodRef

Choice = TypeVar("Choice")

_SIDES = {TargetKind.ZOOKEEPER: Side.ZOOKEEPER, TargetKind.ENTITY_OPERATOR: Side.ENTITY_OPERATOR}
NO_KUBERNETES = "the pods of this Kafka cluster are not known: kubernetes.enabled is off"


def resolve(experiment: ExperimentSpec, salt: str, world: World) -> Target:
    """Return what `experiment` would hit now. The same `salt` and views give the same."""
    spec, fleet, reach = experiment.target, world.fleet, fault_named(experiment.fault).reach
    if spec.kind in SIDES:
        return _server(salt, world) if reach is Reach.COMMAND else _side(_SIDES[spec.kind], salt, fleet)
    found = _FINDERS[spec.kind](spec, salt, world)
    if not found.brokers:
        return found
    match reach:
        case Reach.PROCESS | Reach.COMMAND | Reach.PROVIDER:
            return found
        case Reach.NODE:
            return _with_node(found, fleet)
        case Reach.ROLL:
            return replace(_with_pods(found, fleet), one_by_one=True)
        case Reach.PODS:
            return _with_pods(found, fleet)


def _nobody(reason: str) -> Target:
    return Target(frozenset(), reason)


# --- one Kafka node


def _any(_spec: TargetSpec, salt: str, world: World) -> Target:
    if world.cluster is None or not world.cluster.brokers:
        return _nobody("no live broker has been seen yet")
    return Target(frozenset({_choose(sorted(world.cluster.brokers), salt)}))


def _broker(spec: TargetSpec, _salt: str, _world: World) -> Target:
    assert spec.number is not None
    return Target(frozenset({spec.number}))


def _all(_spec: TargetSpec, _salt: str, world: World) -> Target:
    if world.fleet is None:
        return _nobody(NO_KUBERNETES)
    if world.cluster is None or not world.cluster.brokers:
        return _nobody("no live broker has been seen yet")
    return Target(frozenset(world.cluster.brokers) | frozenset(world.fleet.pods))


def _pool(spec: TargetSpec, salt: str, world: World) -> Target:
    return _of_pods(salt, world, lambda pod: pod.pool == spec.name, f"node pool {spec.name}")


def _zone(spec: TargetSpec, salt: str, world: World) -> Target:
    return _of_pods(salt, world, lambda pod: pod.zone == spec.name, f"zone {spec.name}")


def _of_pods(salt: str, world: World, is_meant: Callable[[BrokerPod], bool], what: str) -> Target:
    if world.fleet is None:
        return _nobody(NO_KUBERNETES)
    meant = [pod.broker for pod in world.fleet if is_meant(pod)]
    if not meant:
        return _nobody(f"no pod of {what} is known")
    live = [number for number in meant if number in world.alive]
    return Target(frozenset({_choose(live, salt)})) if live else _nobody(f"no node of {what} is alive")


def _controller(_spec: TargetSpec, _salt: str, world: World) -> Target:
    if world.quorum is None:
        return _nobody("the quorum has not been seen yet")
    if world.quorum.leader < 0:
        return _nobody("the quorum has no leader")
    return Target(frozenset({world.quorum.leader}))


def _leader(spec: TargetSpec, salt: str, world: World) -> Target:
    topic = world.cluster.probe_topic(Acks.ALL) if world.cluster is not None else None
    if topic is None:
        return _nobody("the probe topic has not been seen yet")
    return _leader_of(topic, spec.number, salt)


def _group_coordinator(spec: TargetSpec, salt: str, world: World) -> Target:
    topic = _internal(world.cluster, GROUPS_TOPIC)
    if topic is None:
        return _nobody(f"topic {GROUPS_TOPIC} has not been seen: no group has committed yet")
    return _leader_of(topic, partition_for(spec.name or world.group_id, len(topic.partitions)), salt)


def _transaction_coordinator(spec: TargetSpec, salt: str, world: World) -> Target:
    topic = _internal(world.cluster, TRANSACTIONS_TOPIC)
    if topic is None:
        return _nobody(f"topic {TRANSACTIONS_TOPIC} has not been seen: nobody has used transactions yet")
    return _leader_of(topic, partition_for(spec.name, len(topic.partitions)) if spec.name else None, salt)


def _internal(cluster: ClusterView | None, name: str) -> TopicView | None:
    topic = cluster.topics.get(name) if cluster is not None else None
    return topic if topic is not None and topic.partitions else None


def _leader_of(topic: TopicView, number: int | None, salt: str) -> Target:
    found: list[PartitionView] = sorted(
        (view for view in topic.partitions if number is None or view.partition == number),
        key=lambda view: view.partition,
    )
    if not found:
        which = "partitions" if number is None else f"partition {number}"
        return _nobody(f"topic {topic.name} has no {which}")
    # Chosen among all partitions, led or not, so that an election in between does not move the choice elsewhere.
    chosen = _choose(found, salt)
    if chosen.leader < 0:
        return _nobody(f"partition {chosen.partition} of {topic.name} has no leader")
    return Target(frozenset({chosen.leader}))


def _choose(candidates: Sequence[Choice], salt: str) -> Choice:
    return candidates[int.from_bytes(blake2b(salt.encode(), digest_size=8).digest()) % len(candidates)]


_FINDERS: dict[TargetKind, Callable[[TargetSpec, str, World], Target]] = {
    TargetKind.ANY: _any,
    TargetKind.BROKER: _broker,
    TargetKind.POOL: _pool,
    TargetKind.ZONE: _zone,
    TargetKind.LEADER: _leader,
    TargetKind.CONTROLLER: _controller,
    TargetKind.GROUP_COORDINATOR: _group_coordinator,
    TargetKind.TRANSACTION_COORDINATOR: _transaction_coordinator,
    TargetKind.ALL: _all,
}


# --- its pods and its node


def _side(side: Side, salt: str, fleet: FleetView | None) -> Target:
    if fleet is None:
        return _nobody(NO_KUBERNETES)
    pods = sorted(fleet.side_pods(side), key=lambda pod: pod.name)
    if not pods:
        return _nobody(f"no {side.replace('_', ' ')} pod is known")
    return Target(frozenset(), pods=_refs([_choose(pods, salt)]))


def _server(salt: str, world: World) -> Target:
    if world.ensemble is None:
        return _nobody("no ZooKeeper server is configured (cluster.zookeeper)")
    return Target(frozenset(), servers=(_choose(world.ensemble.servers, salt),))


def _with_pods(found: Target, fleet: FleetView | None) -> Target:
    if fleet is None:
        return _nobody(NO_KUBERNETES)
    members = fleet.members
    missing = sorted(found.brokers - set(members))
    if missing:
        return _nobody(f"no pod is known that runs broker {', '.join(map(str, missing))}")
    return replace(found, pods=_refs(members[number] for number in found.brokers))


def _with_node(found: Target, fleet: FleetView | None) -> Target:
    """Return the node of a broker, and all pods of this Kafka cluster on it."""
    chosen = _with_pods(found, fleet)
    if fleet is None or not chosen.pods:
        return chosen
    pod = fleet.members[next(iter(chosen.brokers))]
    if pod.node is None or pod.node_uid is None:
        return _nobody(f"the node of pod {pod.name} is not known")
    pods = _refs(fleet.taken_with(pod.node_uid))
    return Target(fleet.on_node(pod.node_uid), pods=pods, node=NodeRef(pod.node, pod.node_uid))


def _refs(pods: Iterable[BrokerPod | SidePod]) -> tuple[PodRef, ...]:
    return tuple(
        sorted(
            PodRef(pod.namespace, pod.name, pod.uid, pod.broker if isinstance(pod, BrokerPod) else None) for pod in pods
        )
    )
