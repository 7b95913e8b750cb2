"""What the desk knows, JSON-ready: the `kubernetes` part of the status snapshot. None means: not known."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from kafka_sentinel.core.kubernetes.capacity import Capacity
from kafka_sentinel.core.kubernetes.desk import KubernetesDesk
from kafka_sentinel.core.kubernetes.discovery import mismatches
from kafka_sentinel.core.kubernetes.disruption import Disruption
from kafka_sentinel.core.kubernetes.exposure import Domain, Exposure
from kafka_sentinel.core.kubernetes.fleet import BrokerPod, Role, SidePod
from kafka_sentinel.core.kubernetes.inventory import Inventory, WatchStanding
from kafka_sentinel.core.kubernetes.sharing import shared, sharing_node
from kafka_sentinel.core.kubernetes.stuck import Reason
from kafka_sentinel.core.kubernetes.surroundings import node_state
from kafka_sentinel.core.kubernetes.views import PLURALS, RESOURCES, Kind, NodeView, resource_name

MAX_PODS = 200  # described one by one; the counts are of all
MAX_NODES = 200
MAX_DISRUPTIONS = 20  # described, the newest; the state remembers more
MAX_SENTENCES = 20  # of each sort


def report(desk: KubernetesDesk) -> dict[str, Any]:
    fleet, inventory = desk.fleet, desk.inventory
    problems = (*fleet.problems, *mismatches(fleet, desk.says))
    return {
        "flavour": fleet.flavour.value,
        "namespace": fleet.namespace,
        "cluster": fleet.cluster,
        "problems": list(problems[:MAX_SENTENCES]),
        "nodes": _nodes(desk),
        "pods": [_pod(pod) for pod in list(fleet)[:MAX_PODS]],
        "sides": [
            {"name": side.name, "role": side.side.value, "node": side.node, "ready": side.ready}
            for side in fleet.sides[:MAX_PODS]
        ],
        "shared": list(shared(fleet)[:MAX_SENTENCES]),
        "counts": _counts(desk),
        "exposure": _exposure(desk.exposure, sees_nodes=_sees_nodes(desk)),
        "stuck": [
            {"pod": one.pod, "reason": one.reason.value, "text": one.text, "since": one.since} for one in desk.stuck
        ],
        "disruptions": desk.disruptions.status()[:MAX_DISRUPTIONS],
        "watches": _watches(inventory, fleet.namespace),
    }


def _nodes(desk: KubernetesDesk) -> list[dict[str, Any]]:
    """Describe the nodes with a pod of the cluster, and those that are disrupted and still there, by name.

    A node that may not be seen is known by the pods on it alone: `ready` and `closed` are None.
    """
    on: dict[str, list[BrokerPod | SidePod]] = {}
    for pod in (*desk.fleet, *desk.fleet.sides):
        if pod.node is not None:
            on.setdefault(pod.node, []).append(pod)
    open_on = {one.node: one for one in desk.disruptions.open}
    still_there = (name for name in open_on if desk.inventory.node(name) is not None)
    names = sorted({*on, *still_there})[:MAX_NODES]
    return [_node(name, desk.inventory.node(name), on.get(name, ()), open_on.get(name)) for name in names]


def _node(
    name: str, view: NodeView | None, pods: Sequence[BrokerPod | SidePod], disruption: Disruption | None
) -> dict[str, Any]:
    state = node_state(view) if view is not None else None
    capacities = [pod.capacity for pod in pods] + ([disruption.capacity] if disruption is not None else [])
    return {
        "name": name,
        "zone": view.zone if view is not None else None,
        "capacity": next((one for one in capacities if one is not Capacity.UNKNOWN), Capacity.UNKNOWN).value,
        "ready": state.ready if state is not None else None,
        "closed": state.cordoned or state.ours if state is not None else None,
        "disruption": disruption.kind.value if disruption is not None else None,
        "brokers": [pod.broker for pod in pods if isinstance(pod, BrokerPod) and Role.BROKER in pod.roles],
    }


def _pod(pod: BrokerPod) -> dict[str, Any]:
    return {
        "name": pod.name,
        "broker": pod.broker,
        "roles": sorted(role.value for role in pod.roles),
        "node": pod.node,
        "zone": pod.zone,
        "capacity": pod.capacity.value,
        "claims": [volume.claim for volume in pod.volumes if volume.claim is not None],
        "local": pod.local,
        "ready": pod.ready,
        "deleting": pod.deleting,
    }


def _counts(desk: KubernetesDesk) -> dict[str, int | None]:
    """Count brokers. What rests on something that may not be seen is None: unknown is not zero."""
    brokers = desk.fleet.pods.values()
    found = bool(brokers)
    volumes = found and desk.as_of((Kind.CLAIM, Kind.VOLUME)) is not None
    return {
        "on_spot": sum(pod.capacity is Capacity.SPOT for pod in brokers) if found and _sees_nodes(desk) else None,
        "sharing_node": len(sharing_node(desk.fleet)) if found else None,
        "on_local_volume": sum(pod.local is True for pod in brokers) if volumes else None,
        "stuck": len(desk.stuck) if found else None,
    }


def _sees_nodes(desk: KubernetesDesk) -> bool:
    return desk.as_of((Kind.NODE,)) is not None


def stuck_by_reason(status: Mapping[str, Any]) -> dict[str, int] | None:
    """Return how many broker pods cannot come back, for each reason there is; None: not known. Of a `report`."""
    if status["counts"]["stuck"] is None:
        return None
    counts = Counter(one["reason"] for one in status["stuck"])
    return {reason.value: counts[reason.value] for reason in Reason}


def _exposure(found: Exposure | None, *, sees_nodes: bool) -> dict[str, Any] | None:
    if found is None:
        return None
    bad = [one.sentence() for one in found.each if one.is_risk]
    return {
        "partitions": {
            domain.value: count if sees_nodes or domain is Domain.NODE else None
            for domain, count in found.counts.items()
        },
        "sentences": bad[:MAX_SENTENCES],
        "unplaced": list(found.unplaced),
        "unjudged_topics": found.unjudged,
    }


def _watches(inventory: Inventory, namespace: str) -> list[dict[str, Any]]:
    """Return how each watch stands: what is watched in another namespace than Kafka's is none of Kafka's own."""
    told = {resource_name(one.kind, one.scope, namespace): one for one in inventory.standings()}
    return [_watch(name, told.get(name)) for name in RESOURCES if name in told or name in PLURALS.values()]


def _watch(resource: str, standing: WatchStanding | None) -> dict[str, Any]:
    at, problem = (standing.as_of, standing.problem) if standing is not None else (None, None)
    return {
        "resource": resource,
        "synced_at": at.wall if at is not None else None,
        "code": problem.code if problem is not None else None,
        "problem": problem.message if problem is not None else None,
    }
