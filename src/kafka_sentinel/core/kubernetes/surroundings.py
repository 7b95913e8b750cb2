"""What the guards may know of Kubernetes: an immutable picture of the fleet and of what goes on around it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from kafka_sentinel.core.kubernetes.desk import KubernetesDesk
from kafka_sentinel.core.kubernetes.flavours import strimzi_sets
from kafka_sentinel.core.kubernetes.fleet import BrokerPod, FleetView, Side, SidePod
from kafka_sentinel.core.kubernetes.inventory import Inventory, WatchStanding
from kafka_sentinel.core.kubernetes.kept import OUR_ANNOTATIONS
from kafka_sentinel.core.kubernetes.signals import CORDON_TAINT, MANUAL_ROLL
from kafka_sentinel.core.kubernetes.views import BudgetView, Kind, NodeView, PodView, StatefulSetView

REVISION = "controller-revision-hash"  # label


@dataclass(frozen=True, slots=True)
class NodeState:
    """A node that runs pods of the fleet. `ours`: it bears the taint of a reclaim that is rehearsed."""

    name: str
    uid: str
    ready: bool
    cordoned: bool
    ours: bool


@dataclass(frozen=True, slots=True)
class Surroundings:
    """`budgets`: by name, those of Kafka's namespace that match a pod of the fleet. `nodes`: by uid.

    In sentences: `disruptions` of nodes that are open, `restarts` of brokers that are open, `stuck` pods, and `rolls`
    that are under way, asked for, or cannot be seen. `ensemble`: how many ZooKeeper servers there should be; None: not
    known. `stateful`: a StatefulSet owns some of the pods. `rehearsed`: nodes by name, whatever runs there, that
    bear the mark of a reclaim that is rehearsed, or was and is not undone yet.
    """

    fleet: FleetView
    watches: tuple[WatchStanding, ...] = ()
    budgets: Mapping[str, BudgetView] = field(default_factory=dict)
    nodes: Mapping[str, NodeState] = field(default_factory=dict)
    disruptions: tuple[str, ...] = ()
    restarts: tuple[str, ...] = ()
    stuck: tuple[str, ...] = ()
    rolls: tuple[str, ...] = ()
    ensemble: int | None = None
    stateful: bool = False
    rehearsed: tuple[str, ...] = ()


def surroundings(desk: KubernetesDesk) -> Surroundings:
    """Return the picture as of the newest event."""
    desk.refresh()
    fleet, inventory = desk.fleet, desk.inventory
    pods = (*fleet, *fleet.sides)
    matching = {name for pod in pods for name in pod.budgets}
    uids = dict.fromkeys(pod.node_uid for pod in pods)
    owners = _owners(pods, inventory)
    return Surroundings(
        fleet=fleet,
        watches=inventory.standings(),
        budgets={
            budget.meta.name: budget
            for budget in inventory.budgets.values()
            if budget.meta.name in matching and budget.meta.namespace == fleet.namespace
        },
        nodes={uid: node_state(inventory.nodes[uid]) for uid in uids if uid in inventory.nodes},
        disruptions=tuple(f"{one.kind}: {next(iter(one.reasons), one.node)}" for one in desk.disruptions.open),
        restarts=tuple(f"broker {one.broker}, pod {one.member.name} ({one.cause})" for one in desk.restarts.open),
        stuck=tuple(f"pod {one.pod}: {one.text}" for one in desk.stuck),
        rolls=(
            *_marked(pods, inventory),
            *_marked_sets(fleet, inventory),
            *(roll for name, owned in owners.items() if (roll := _roll_of(name, owned, _set(name, fleet, inventory)))),
        ),
        ensemble=_ensemble(fleet, inventory),
        stateful=bool(owners),
        rehearsed=tuple(sorted(node.meta.name for node in inventory.nodes.values() if node_state(node).ours)),
    )


def node_state(node: NodeView) -> NodeState:
    """Return how a node stands, without what is announced of it."""
    return NodeState(
        name=node.meta.name,
        uid=node.meta.uid,
        ready=node.ready,
        cordoned=node.unschedulable or any(taint.key == CORDON_TAINT for taint in node.taints),
        ours=any(taint.key.startswith(OUR_ANNOTATIONS) for taint in node.taints),
    )


def _owners(pods: Iterable[BrokerPod | SidePod], inventory: Inventory) -> dict[str, list[PodView]]:
    """Return the names of the StatefulSets that own some of the pods, with these."""
    owners: dict[str, list[PodView]] = {}
    for pod in pods:
        view = inventory.pods.get(pod.uid)
        for owner in view.meta.owners if view is not None else ():
            if view is not None and owner.kind == "StatefulSet":
                owners.setdefault(owner.name, []).append(view)
    return owners


def _marked(pods: Iterable[BrokerPod | SidePod], inventory: Inventory) -> Iterator[str]:
    for pod in pods:
        view = inventory.pods.get(pod.uid)
        if view is not None and view.meta.annotations.get(MANUAL_ROLL) == "true":
            yield f"pod {pod.name} is to be rolled ({MANUAL_ROLL})"


def _marked_sets(fleet: FleetView, inventory: Inventory) -> Iterator[str]:
    for one in strimzi_sets(fleet, inventory):
        if one.meta.annotations.get(MANUAL_ROLL) == "true":
            yield f"StrimziPodSet {one.meta.name} is to be rolled ({MANUAL_ROLL})"


def _set(name: str, fleet: FleetView, inventory: Inventory) -> StatefulSetView | None:
    found = inventory.named(Kind.STATEFUL_SET, name, fleet.namespace)
    return found if isinstance(found, StatefulSetView) else None


def _roll_of(name: str, pods: Iterable[PodView], owner: StatefulSetView | None) -> str:
    """Say why a StatefulSet may be rolling its pods; "" if it certainly is not.

    Its pods tell, not its current revision: with the strategy OnDelete that stays behind for ever.
    """
    if owner is None or not owner.update_revision:
        return f"StatefulSet {name} is not known"
    if owner.observed_generation is None or owner.observed_generation < owner.meta.generation:
        return f"StatefulSet {name} was changed a moment ago"
    if owner.meta.annotations.get(MANUAL_ROLL) == "true":
        return f"StatefulSet {name} is to be rolled ({MANUAL_ROLL})"
    old = [
        pod.meta.name for pod in pods if pod.meta.labels.get(REVISION, owner.current_revision) != owner.update_revision
    ]
    return f"StatefulSet {name} has a new revision, {', '.join(old)} not yet" if old else ""


def _ensemble(fleet: FleetView, inventory: Inventory) -> int | None:
    """Return how many ZooKeeper servers are wanted: as the Kafka resource says, or the StatefulSets that own them."""
    if fleet.kafka is not None and fleet.kafka.zookeepers is not None:
        return fleet.kafka.zookeepers
    sets = [_set(name, fleet, inventory) for name in _owners(fleet.side_pods(Side.ZOOKEEPER), inventory)]
    known = [one.replicas for one in sets if one is not None]
    return sum(known) if known and len(known) == len(sets) else None
