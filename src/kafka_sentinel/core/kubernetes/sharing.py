"""What two brokers share, so that one event takes both: nodes, zones, the spot pool, disks, budgets."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable
from typing import TypeVar

from kafka_sentinel.core.kubernetes.capacity import Capacity
from kafka_sentinel.core.kubernetes.fleet import BrokerPod, FleetView, Side

MAX_NAMED = 10  # brokers or pods named in one sentence; the rest is counted

Key = TypeVar("Key", bound=Hashable)


def shared(fleet: FleetView) -> tuple[str, ...]:
    """Say in sentences what brokers, controllers and operators share that can be lost at once."""
    return (*_nodes(fleet), *_zones(fleet), *_spot(fleet), *_disks(fleet), *_budgets(fleet))


def sharing_node(fleet: FleetView) -> frozenset[int]:
    """Return the brokers that share their node with another broker."""
    groups = _grouped(fleet.pods.values(), lambda pod: pod.node).values()
    return frozenset(number for group in groups if len(group) > 1 for number in group)


def _nodes(fleet: FleetView) -> list[str]:
    sentences = []
    members = _grouped(fleet, lambda pod: pod.node)
    for node, numbers in sorted(members.items()):
        beside = [side for side in fleet.sides if side.node == node]
        operators = [side.name for side in beside if side.side is not Side.ZOOKEEPER]
        keepers = [side.name for side in beside if side.side is Side.ZOOKEEPER]
        with_them = [f"ZooKeeper ({_named(keepers)})"] if keepers else []
        with_them += [f"operator ({_named(operators)})"] if operators else []
        if len(numbers) > 1 or with_them:
            who = " and ".join([_brokers(numbers, fleet), *with_them])
            sentences.append(f"{who} share node {node}: what takes the node takes all of them")
    return sentences


def _zones(fleet: FleetView) -> list[str]:
    zones = _grouped(fleet.pods.values(), lambda pod: pod.zone)
    return [
        f"{_brokers(numbers, fleet)} share zone {zone}"
        + (": there is no broker in another one" if len(numbers) == len(fleet.pods) else "")
        for zone, numbers in sorted(zones.items())
        if len(numbers) > 1
    ]


def _spot(fleet: FleetView) -> list[str]:
    on_spot = [pod.broker for pod in fleet.pods.values() if pod.capacity is Capacity.SPOT]
    if len(on_spot) < 2:  # noqa: PLR2004 - one broker shares nothing
        return []
    every = " (every broker there is)" if len(on_spot) == len(fleet.pods) else ""
    return [f"{_brokers(on_spot, fleet)}{every} are on spot nodes, which can be reclaimed at the same time"]


def _disks(fleet: FleetView) -> list[str]:
    local = [pod.broker for pod in fleet.pods.values() if pod.local]
    sentences = (
        [f"{_brokers(local, fleet)}: the log is on the node's own disk and is lost with the node"] if local else []
    )
    claims = _grouped(fleet, lambda pod: pod.volumes[0].claim and (pod.namespace, pod.volumes[0].claim))
    same = [numbers for numbers in claims.values() if len(numbers) > 1]
    return [*sentences, *(f"{_brokers(numbers, fleet)} use the same volume claim" for numbers in same)]


def _budgets(fleet: FleetView) -> list[str]:
    without = [pod.name for pod in fleet if not pod.budgets]
    several = [pod.name for pod in fleet if len(pod.budgets) > 1]
    sentences = []
    if without:
        sentences.append(f"no disruption budget matches {_named(without)}: a drain may take them all at once")
    if several:
        sentences.append(f"several disruption budgets match {_named(several)}: Kubernetes refuses to evict such pods")
    kinds = {pod.budgets for pod in fleet if len(pod.budgets) == 1}
    if len(kinds) > 1:
        names = _named(sorted(name for names in kinds for name in names))
        sentences.append(f"the disruption budgets {names} each allow a disruption of their own, at the same time")
    return sentences


def _grouped(pods: Iterable[BrokerPod], key: Callable[[BrokerPod], Key | None]) -> dict[Key, list[int]]:
    groups: dict[Key, list[int]] = {}
    for pod in pods:
        value = key(pod)
        if value is not None:
            groups.setdefault(value, []).append(pod.broker)
    return groups


def _brokers(numbers: list[int], fleet: FleetView) -> str:
    names = [str(number) if number in fleet.pods else f"{number} (controller)" for number in sorted(numbers)]
    return f"{'broker' if len(names) == 1 else 'brokers'} {_named(names)}"


def _named(names: list[str]) -> str:
    shown, rest = names[:MAX_NAMED], len(names) - MAX_NAMED
    if rest > 0:
        return f"{', '.join(shown)} and {rest} more"
    return " and ".join([", ".join(shown[:-1]), shown[-1]] if len(shown) > 1 else shown)
