"""Which pods are the brokers of our Kafka cluster, and where they live: node, zone, capacity, volumes, budgets."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from kafka_sentinel.core.kubernetes import flavours
from kafka_sentinel.core.kubernetes.capacity import Capacity, capacity
from kafka_sentinel.core.kubernetes.flavours import Found, Member
from kafka_sentinel.core.kubernetes.fleet import (
    BrokerPod,
    DataVolume,
    Flavour,
    FleetSpec,
    FleetView,
    KafkaSays,
    Role,
    Side,
    SidePod,
)
from kafka_sentinel.core.kubernetes.inventory import Inventory
from kafka_sentinel.core.kubernetes.views import KafkaResourceView, PodView

HEADINGS = ("pod", "broker id", "roles", "node", "zone", "capacity", "volume", "node-local")
NOT_KNOWN = KafkaSays()

_FINDERS: Mapping[Flavour, Callable[[FleetSpec, Inventory, KafkaSays], Found]] = {
    Flavour.STRIMZI: flavours.strimzi,
    Flavour.BITNAMI: flavours.bitnami,
    Flavour.STATEFUL_SET: flavours.stateful_set,
}


def discover(spec: FleetSpec, inventory: Inventory, says: KafkaSays = NOT_KNOWN) -> FleetView:
    """Return the fleet as the inventory shows it now. What is missing or in doubt is said in `problems`."""
    flavour, found = _find(spec, inventory, says)
    members, problems = _by_id(found, spec)
    pods = {number: _broker_pod(number, member, inventory, spec) for number, member in members.items()}
    return FleetView(
        flavour=flavour,
        namespace=spec.namespace,
        cluster=found.cluster,
        pods={number: pod for number, pod in pods.items() if Role.BROKER in pod.roles},
        controllers={number: pod for number, pod in pods.items() if Role.CONTROLLER in pod.roles},
        sides=tuple(_side_pod(side, pod, inventory, spec) for side, pod in found.sides),
        kafka=_resource(found, inventory, spec) if flavour is Flavour.STRIMZI else None,
        problems=tuple(problems),
    )


def _find(spec: FleetSpec, inventory: Inventory, says: KafkaSays) -> tuple[Flavour, Found]:
    if spec.flavour is not Flavour.AUTO:
        return spec.flavour, _FINDERS[spec.flavour](spec, inventory, says)
    tried = {flavour: find(spec, inventory, says) for flavour, find in _FINDERS.items()}
    fitting = {flavour: found for flavour, found in tried.items() if found.members}
    if spec.selector is not None:
        fitting = {flavour: found for flavour, found in fitting.items() if flavour is Flavour.STATEFUL_SET}
    elif len(fitting) > 1:
        fitting.pop(Flavour.STATEFUL_SET, None)  # the StatefulSets of the other two match as well
    if len(fitting) == 1:
        return next(iter(fitting.items()))
    if fitting:
        problem = f"pods of {' and of '.join(fitting)} were found in namespace {spec.namespace}; choose a flavour"
    else:
        problem = "; ".join(found.problem or f"{flavour}: no pods" for flavour, found in tried.items())
    return Flavour.AUTO, Found(None, (), problem=problem)


def _by_id(found: Found, spec: FleetSpec) -> tuple[dict[int, Member], list[str]]:
    """Return the members by node id, and the sentences on those that cannot be matched exactly."""
    problems = [found.problem] if found.problem else []
    numbered: dict[int, list[Member]] = {}
    for member in sorted(found.members, key=lambda one: one.pod.meta.name):
        if member.broker is None:
            problems.append(f"pod {member.pod.meta.name} has no broker id: its name does not end in a number")
        elif not member.roles:
            problems.append(f"pod {member.pod.meta.name} is labelled neither broker nor controller")
        else:
            numbered.setdefault(member.broker, []).append(member)
    for number, members in numbered.items():
        if len(members) > 1:
            names = ", ".join(member.pod.meta.name for member in members)
            problems.append(f"pods {names} all have broker id {number}: none of them is used")
    if not found.members and not problems:
        problems.append(f"no broker pods in namespace {spec.namespace}")
    return {number: members[0] for number, members in numbered.items() if len(members) == 1}, problems


def _broker_pod(number: int, member: Member, inventory: Inventory, spec: FleetSpec) -> BrokerPod:
    pod = member.pod
    node = inventory.node(pod.node)
    return BrokerPod(
        broker=number,
        uid=pod.meta.uid,
        name=pod.meta.name,
        namespace=pod.meta.namespace,
        roles=member.roles,
        pool=member.pool,
        node=pod.node,
        node_uid=node.meta.uid if node is not None else None,
        zone=node.zone if node is not None else None,
        capacity=capacity(node, spec.spot_labels),
        volumes=_volumes(pod, inventory),
        budgets=budgets_of(pod, inventory),
        ready=pod.ready,
        deleting=pod.meta.deleted is not None,
        created=pod.meta.created,
    )


def _volumes(pod: PodView, inventory: Inventory) -> tuple[DataVolume, ...]:
    """Return the claimed volumes of a broker. Without any, its log lies in the pod or on the node's own disk."""
    found = []
    for use in pod.volumes:
        if use.claim is not None:
            volume = inventory.volume_of(use.claim, pod.meta.namespace)
            name, local = (None, None) if volume is None else (volume.meta.name, volume.local)
            found.append(DataVolume(use.claim, name, local, () if volume is None else volume.hostnames))
    return tuple(found) or (DataVolume(None, None, local=True),)


def budgets_of(pod: PodView, inventory: Inventory) -> tuple[str, ...]:
    """Return the names of the disruption budgets that match a pod. With more than one, evictions are refused."""
    return tuple(
        sorted(
            budget.meta.name
            for budget in inventory.budgets.values()
            if budget.meta.namespace == pod.meta.namespace
            and budget.selector is not None
            and budget.selector.matches(pod.meta.labels)
        )
    )


def _side_pod(side: Side, pod: PodView, inventory: Inventory, spec: FleetSpec) -> SidePod:
    node = inventory.node(pod.node)
    return SidePod(
        side=side,
        uid=pod.meta.uid,
        name=pod.meta.name,
        namespace=pod.meta.namespace,
        node=pod.node,
        node_uid=node.meta.uid if node is not None else None,
        zone=node.zone if node is not None else None,
        capacity=capacity(node, spec.spot_labels),
        budgets=budgets_of(pod, inventory),
        ready=pod.ready,
        deleting=pod.meta.deleted is not None,
        created=pod.meta.created,
    )


def _resource(found: Found, inventory: Inventory, spec: FleetSpec) -> KafkaResourceView | None:
    kafkas = inventory.kafkas.values()
    ours = (one for one in kafkas if one.meta.namespace == spec.namespace and one.meta.name == found.cluster)
    return next(ours, None)


def mismatches(fleet: FleetView, says: KafkaSays) -> tuple[str, ...]:
    """Say in sentences where the pods and Kafka's own list of brokers differ."""
    if not says.brokers:
        return ()
    without_pod, without_broker = sorted(says.brokers - set(fleet.pods)), sorted(set(fleet.pods) - says.brokers)
    sentences = []
    if without_pod:
        sentences.append(f"broker {', '.join(map(str, without_pod))}: no pod was found that runs it")
    if without_broker:
        names = ", ".join(f"{number} (pod {fleet.pods[number].name})" for number in without_broker)
        sentences.append(f"broker {names}: Kafka has not named it")
    return tuple(sentences)


def rows(fleet: FleetView) -> list[tuple[str, ...]]:
    """Return the fleet as a table for people, in the order of `HEADINGS`; "?" is what could not be seen."""
    found: list[tuple[str, ...]] = [
        (
            pod.name,
            str(pod.broker),
            "+".join(sorted(pod.roles)),
            pod.node or "not scheduled",
            pod.zone or "?",
            _spoken(pod.capacity),
            ", ".join(volume.claim or "in the pod" for volume in pod.volumes),
            {True: "yes", False: "no", None: "?"}[pod.local],
        )
        for pod in fleet
    ]
    found += [
        (
            side.name,
            "",
            side.side.replace("_", " "),
            side.node or "not scheduled",
            side.zone or "?",
            _spoken(side.capacity),
            "",
            "",
        )
        for side in fleet.sides
    ]
    return found


def _spoken(kind: Capacity) -> str:
    return "?" if kind is Capacity.UNKNOWN else kind.replace("_", "-")
