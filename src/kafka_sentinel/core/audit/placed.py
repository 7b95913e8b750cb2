"""Makes what the audit knows of Kubernetes, and what it does not, of the objects that were listed."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field, replace

from kafka_sentinel.core.audit.facts import Gap, KafkaFacts, KubernetesFacts, Part
from kafka_sentinel.core.audit.finding import named
from kafka_sentinel.core.audit.rules_topics import copies
from kafka_sentinel.core.audit.workload import BudgetSpec, Extra, ListenerSpec, PodSpec
from kafka_sentinel.core.kubernetes.capacity import Capacity
from kafka_sentinel.core.kubernetes.discovery import discover, mismatches
from kafka_sentinel.core.kubernetes.exposure import Exposure, exposure
from kafka_sentinel.core.kubernetes.fleet import Flavour, FleetSpec, FleetView, KafkaSays, Side
from kafka_sentinel.core.kubernetes.inventory import Inventory
from kafka_sentinel.core.kubernetes.views import PLURALS, Kind

CLEANER = "strimzi-drain-cleaner"  # name of its webhook configuration, and label `app` of its pod
NOT_THERE = "404"
# Which part of the audit a kind of object is for. What is not named is listed for discovery alone.
PARTS = {
    Kind.POD: Part.PODS,
    Kind.NODE: Part.NODES,
    Kind.CLAIM: Part.VOLUMES,
    Kind.VOLUME: Part.VOLUMES,
    Kind.BUDGET: Part.BUDGETS,
    Kind.KAFKA: Part.KAFKA_RESOURCE,
}


@dataclass(slots=True)
class Listed:
    """What was listed, and what could not be: (kind, scope) → code and sentence. `cleaner` None: see `cleaner_gap`."""

    inventory: Inventory
    pods: dict[str, PodSpec] = field(default_factory=dict)  # by uid
    budgets: dict[str, BudgetSpec] = field(default_factory=dict)  # by name
    listeners: dict[str, tuple[ListenerSpec, ...]] = field(default_factory=dict)  # by name of the Kafka resource
    refused: dict[tuple[Kind, str], tuple[str, str]] = field(default_factory=dict)
    unreadable: list[str] = field(default_factory=list)  # sentences of objects that are not what they claim to be
    cleaner: bool | None = None
    cleaner_gap: str = ""
    extras: list[Extra] = field(default_factory=list)  # for the inventory alone, as are the next
    extra_gaps: list[str] = field(default_factory=list)


def kubernetes_facts(
    listed: Listed, spec: FleetSpec, kafka: KafkaFacts | None
) -> tuple[KubernetesFacts, tuple[Gap, ...]]:
    """Return what is known of the pods of the Kafka cluster, and the gaps. `kafka` None: it did not answer."""
    says = KafkaSays()
    if kafka is not None:
        says = KafkaSays(kafka.view.cluster_id, kafka.known_brokers, frozenset(kafka.voters or ()))
    fleet = discover(spec, listed.inventory, says)
    cleaner = True if _has_cleaner(listed.inventory) else listed.cleaner
    if fleet.flavour is not Flavour.STRIMZI:
        cleaner = False  # it looks after pods of Strimzi only
    members = {pod.uid for pod in (*fleet, *fleet.sides)}
    facts = KubernetesFacts(
        fleet=fleet,
        pods={uid: pod for uid, pod in listed.pods.items() if uid in members},
        budgets=listed.budgets,
        listeners=listed.listeners.get(fleet.cluster or "", ()),
        exposure=exposed(kafka, fleet) if kafka is not None else None,
        drain_cleaner=cleaner,
    )
    gaps = (
        *_not_listed(listed, fleet, spec),
        *(_of_fleet(fleet, says) if (Kind.POD, spec.namespace) not in listed.refused else ()),
        *_unlabelled(fleet, {kind for kind, _ in listed.refused}),
        *((Gap(Part.DRAIN_CLEANER, listed.cleaner_gap),) if cleaner is None else ()),
        *(Gap(Part.OBJECTS, why) for why in listed.extra_gaps),
        *(Gap(Part.PODS, f"an object that cannot be read: {why}", whole=False) for why in listed.unreadable),
    )
    return facts, gaps


def exposed(kafka: KafkaFacts, fleet: FleetView) -> Exposure:
    """Return what would be lost together, of topics that are fit to lose one replica; the others have their rules."""
    fit = {
        name: topic
        for name, topic in kafka.view.topics.items()
        if topic.min_isr is not None and copies(topic) > topic.min_isr
    }
    return exposure(replace(kafka.view, topics=fit), fleet, kafka.voters or ())


def nothing(parts: Iterable[Part], why: str) -> tuple[Gap, ...]:
    """Return the gaps of parts that were not looked at at all."""
    return tuple(Gap(part, why) for part in parts)


def refusal(kind: Kind, scope: str, why: str) -> str:
    """Say what could not be listed, and where."""
    where = f" in namespace {scope}" if scope else ""
    return f"{PLURALS[kind]}{where}: {why}"


def _has_cleaner(inventory: Inventory) -> bool:
    """Tell whether a pod of the Drain Cleaner is in a namespace that is listed; it may be in another."""
    return any(pod.meta.labels.get("app") == CLEANER for pod in inventory.pods.values())


def _not_listed(listed: Listed, fleet: FleetView, spec: FleetSpec) -> Iterable[Gap]:
    for (kind, scope), (code, why) in listed.refused.items():
        sentence = refusal(kind, scope, why)
        if kind is Kind.POD and scope != spec.namespace:
            yield Gap(Part.OPERATOR, sentence)
        elif kind is Kind.STATEFUL_SET and fleet.flavour not in {Flavour.STRIMZI, Flavour.BITNAMI}:
            yield Gap(Part.PODS, sentence, whole=False)
        elif kind in PARTS and not (kind is Kind.KAFKA and code == NOT_THERE and fleet.flavour is not Flavour.STRIMZI):
            yield Gap(PARTS[kind], sentence)


def _of_fleet(fleet: FleetView, says: KafkaSays) -> Iterable[Gap]:
    if not fleet.pods:
        why = "; ".join(fleet.problems) or f"no broker was found in namespace {fleet.namespace}"
        yield Gap(Part.PODS, f"pods of the brokers: {why}")
        return
    for problem in (*fleet.problems, *mismatches(fleet, says)):
        yield Gap(Part.PODS, problem, whole=False)
    if fleet.flavour is Flavour.STRIMZI and not fleet.side_pods(Side.CLUSTER_OPERATOR):
        where = "if it is in another namespace, set kubernetes.operator_namespace"
        yield Gap(Part.OPERATOR, f"the operator: no pod of it is in namespace {fleet.namespace}; {where}")


def _unlabelled(fleet: FleetView, refused: Collection[Kind]) -> Iterable[Gap]:
    """Say what the objects that were seen do not tell. `refused`: kinds that were not, which is said already."""
    no_capacity = [pod.name for pod in fleet if pod.capacity is Capacity.UNKNOWN and Kind.NODE not in refused]
    no_zone = [pod.name for pod in fleet if pod.zone is None and Kind.NODE not in refused]
    no_volume = [pod.name for pod in fleet if pod.local is None and not {Kind.CLAIM, Kind.VOLUME} & set(refused)]
    if no_capacity:
        label = "no label of a node tells (kubernetes.spot_labels)"
        yield Gap(Part.NODES, f"whether there is spot capacity under {named(no_capacity)}: {label}", whole=False)
    if no_zone:
        yield Gap(Part.NODES, f"the zone of {named(no_zone)}: no label of a node tells", whole=False)
    if no_volume:
        yield Gap(Part.VOLUMES, f"whether the disks of {named(no_volume)} go with their node", whole=False)
