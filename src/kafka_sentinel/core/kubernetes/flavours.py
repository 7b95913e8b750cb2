"""How each way of installing Kafka labels and names its pods. Exact labels and ids only; no part of a name is guessed.

Sources: Strimzi Labels.java, KafkaCluster.java and ZookeeperCluster.java (0.29 to 1.2): `strimzi.io/name` is
<cluster>-kafka for every Kafka node of all of them; roles are labelled since node pools (0.36). Bitnami's kafka chart
32.4.4, templates/*/statefulset.yaml and _init_containers.tpl: a default install has only `controller-eligible` pods,
which are brokers too, and the id is the ordinal plus KAFKA_MIN_ID.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from kafka_sentinel.core.kubernetes.fleet import Flavour, FleetSpec, FleetView, KafkaSays, Role, Side
from kafka_sentinel.core.kubernetes.inventory import Inventory
from kafka_sentinel.core.kubernetes.selector import Selector
from kafka_sentinel.core.kubernetes.views import PodSetView, PodView, StatefulSetView

STRIMZI_CLUSTER, STRIMZI_NAME, STRIMZI_KIND = "strimzi.io/cluster", "strimzi.io/name", "strimzi.io/kind"
STRIMZI_ROLES = {Role.BROKER: "strimzi.io/broker-role", Role.CONTROLLER: "strimzi.io/controller-role"}
STRIMZI_POOL = "strimzi.io/pool-name"
APP, RELEASE, COMPONENT = "app.kubernetes.io/name", "app.kubernetes.io/instance", "app.kubernetes.io/component"
ELIGIBLE = "controller-eligible"
FIRST_IDS = {ELIGIBLE: 0, "broker": 100, "kafka": 0}  # of Bitnami's components, where KAFKA_MIN_ID does not say
MAX_DIGITS = 10  # of the largest id, an int32; Python refuses to read a number of thousands
ID_VARIABLES = ("KAFKA_NODE_ID", "KAFKA_BROKER_ID", "KAFKA_CFG_NODE_ID", "KAFKA_CFG_BROKER_ID")


@dataclass(frozen=True, slots=True)
class Member:
    """A pod and the id and roles that its labels and name give it. `broker` None: they give none."""

    pod: PodView
    broker: int | None
    roles: frozenset[Role]
    pool: str | None = None


@dataclass(frozen=True, slots=True)
class Found:
    cluster: str | None
    members: tuple[Member, ...]
    sides: tuple[tuple[Side, PodView], ...] = ()
    problem: str = ""  # why nothing can be said, if so


def ordinal(name: str) -> int | None:
    """Return the number after the last dash of a pod's name."""
    digits = name.rpartition("-")[2]
    return int(digits) if digits.isascii() and digits.isdigit() and len(digits) <= 9 else None  # noqa: PLR2004 - int32


def strimzi(spec: FleetSpec, inventory: Inventory, says: KafkaSays) -> Found:
    pods = [pod for pod in _pods(spec, inventory) if STRIMZI_CLUSTER in pod.meta.labels]
    clusters = {pod.meta.labels[STRIMZI_CLUSTER] for pod in pods if _strimzi_part(pod) == "kafka"}
    if says.cluster_id is not None and spec.cluster is None:
        known = {kafka.meta.name for kafka in inventory.kafkas.values() if kafka.cluster_id == says.cluster_id}
        clusters = clusters & known or clusters
    name, problem = _one_of(clusters, spec, "Strimzi clusters")
    if name is None:
        return Found(None, (), problem=problem)
    ours = [pod for pod in pods if pod.meta.labels[STRIMZI_CLUSTER] == name]
    sides = [(Side.ZOOKEEPER, pod) for pod in ours if _strimzi_part(pod) == "zookeeper"]
    sides += [(Side.ENTITY_OPERATOR, pod) for pod in ours if _strimzi_part(pod) == "entity-operator"]
    sides += [
        (Side.CLUSTER_OPERATOR, pod)
        for pod in inventory.pods.values()
        if pod.meta.labels.get(STRIMZI_KIND) == "cluster-operator" and not pod.has_ended
    ]
    members = tuple(
        Member(pod, ordinal(pod.meta.name), _strimzi_roles(pod), pod.meta.labels.get(STRIMZI_POOL))
        for pod in ours
        if _strimzi_part(pod) == "kafka"
    )
    return Found(name, members, tuple(sides))


def strimzi_sets(fleet: FleetView, inventory: Inventory) -> list[PodSetView]:
    """Return the StrimziPodSets of a Strimzi cluster by name, those of ZooKeeper too; none of other flavours."""
    found = [
        one
        for one in inventory.pod_sets.values()
        if fleet.flavour is Flavour.STRIMZI
        and one.meta.namespace == fleet.namespace
        and one.meta.labels.get(STRIMZI_CLUSTER) == fleet.cluster
        and one.meta.labels.get(STRIMZI_KIND) == "Kafka"
    ]
    return sorted(found, key=lambda one: one.meta.name)


def _strimzi_part(pod: PodView) -> str | None:
    """Return which part of its Strimzi cluster a pod is: the rest of `strimzi.io/name` after the cluster's name."""
    labels = pod.meta.labels
    prefix = f"{labels[STRIMZI_CLUSTER]}-"
    name = labels.get(STRIMZI_NAME, "")
    is_kafka = labels.get(STRIMZI_KIND, "Kafka") == "Kafka"
    return name.removeprefix(prefix) if is_kafka and name.startswith(prefix) else None


def _strimzi_roles(pod: PodView) -> frozenset[Role]:
    labels = pod.meta.labels
    if not any(key in labels for key in STRIMZI_ROLES.values()):
        return frozenset({Role.BROKER})  # before node pools every Kafka pod was a broker, beside ZooKeeper
    return frozenset(role for role, key in STRIMZI_ROLES.items() if labels.get(key) == "true")


def bitnami(spec: FleetSpec, inventory: Inventory, says: KafkaSays) -> Found:
    pods = [
        pod
        for pod in _pods(spec, inventory)
        if pod.meta.labels.get(APP) == "kafka" and pod.meta.labels.get(COMPONENT) in FIRST_IDS
    ]
    name, problem = _one_of({pod.meta.labels.get(RELEASE, "") for pod in pods}, spec, "releases of Bitnami's chart")
    if name is None:
        return Found(None, (), problem=problem)
    ours = [pod for pod in pods if pod.meta.labels.get(RELEASE, "") == name]
    has_brokers = any(pod.meta.labels[COMPONENT] == "broker" for pod in ours)
    sides = tuple(
        (Side.ZOOKEEPER, pod)
        for pod in _pods(spec, inventory)
        if pod.meta.labels.get(APP) == "zookeeper" and pod.meta.labels.get(RELEASE) == name
    )
    return Found(name, tuple(_bitnami_member(pod, says, has_brokers=has_brokers) for pod in ours), sides)


def _bitnami_member(pod: PodView, says: KafkaSays, *, has_brokers: bool) -> Member:
    component = pod.meta.labels[COMPONENT]
    number = ordinal(pod.meta.name)
    if number is not None:
        said = _whole(pod.variables.get("KAFKA_MIN_ID", ""))
        number += FIRST_IDS[component] if said is None else said
    roles = {Role.CONTROLLER} if component == ELIGIBLE else {Role.BROKER}
    # `controllerOnly` shows in no label: where there are broker pods as well, Kafka has to say who else is a broker.
    if not has_brokers or number in says.brokers:
        roles.add(Role.BROKER)
    return Member(pod, number, frozenset(roles), component)


def stateful_set(spec: FleetSpec, inventory: Inventory, says: KafkaSays) -> Found:
    selector = spec.selector or _selector_of(spec.cluster, spec, inventory)
    if selector is None:
        wanted = f"a StatefulSet {spec.cluster} was not found" if spec.cluster else "neither selector nor name is given"
        return Found(spec.cluster, (), problem=f"statefulset: {wanted}")
    keepers, problem = _plain_keepers(spec, inventory)
    uids = {pod.meta.uid for pod in keepers}
    pods = [pod for pod in _pods(spec, inventory) if selector.matches(pod.meta.labels) and pod.meta.uid not in uids]
    members = tuple(_plain_member(pod, spec, says) for pod in pods)
    return Found(spec.cluster, members, tuple((Side.ZOOKEEPER, pod) for pod in keepers), problem=problem)


def _plain_keepers(spec: FleetSpec, inventory: Inventory) -> tuple[list[PodView], str]:
    """Return the pods of ZooKeeper, and why none is found although it was said which they are."""
    if spec.zookeeper is None and spec.zookeeper_selector is None:
        return [], ""
    selector = spec.zookeeper_selector or _selector_of(spec.zookeeper, spec, inventory)
    pods = [pod for pod in _pods(spec, inventory) if selector is not None and selector.matches(pod.meta.labels)]
    if pods:
        return pods, ""
    which = f"of a StatefulSet {spec.zookeeper}" if spec.zookeeper else "with the labels of zookeeper_selector"
    return [], f"statefulset: no ZooKeeper pods {which} in namespace {spec.namespace}"


def _selector_of(name: str | None, spec: FleetSpec, inventory: Inventory) -> Selector | None:
    named: Iterable[StatefulSetView] = (
        one
        for one in inventory.stateful_sets.values()
        if one.meta.namespace == spec.namespace and one.meta.name == name
    )
    return next((one.selector for one in named), None)


def _whole(text: str) -> int | None:
    """Return the number that a variable tells; None: it is none, or none that an id may be."""
    return int(text) if text.isascii() and text.isdigit() and len(text) <= MAX_DIGITS else None


def _plain_member(pod: PodView, spec: FleetSpec, says: KafkaSays) -> Member:
    number = ordinal(pod.meta.name)
    if number is not None:
        number += spec.first_id
    told = next((pod.variables[name] for name in ID_VARIABLES if name in pod.variables), "")
    said = _whole(told)
    number = number if said is None else said
    roles = {Role.BROKER} if number not in says.voters or number in says.brokers or not says.brokers else set()
    return Member(pod, number, frozenset(roles | ({Role.CONTROLLER} if number in says.voters else set())))


def _pods(spec: FleetSpec, inventory: Inventory) -> list[PodView]:
    """Return the pods of the namespace that live or may live; what has ended is only what is left of an older one."""
    pods = inventory.pods.values()
    return [pod for pod in pods if pod.meta.namespace == spec.namespace and not pod.has_ended]


def _one_of(names: set[str], spec: FleetSpec, what: str) -> tuple[str | None, str]:
    """Return the name that is meant, or why none can be told."""
    if spec.cluster is not None:
        found = spec.cluster in names
        return (spec.cluster, "") if found else (None, f"no pods of {spec.cluster} in namespace {spec.namespace}")
    if len(names) == 1:
        return next(iter(names)), ""
    if not names:
        return None, f"no {what} in namespace {spec.namespace}"
    return None, f"several {what} in namespace {spec.namespace}, name one of them: {', '.join(sorted(names))}"
