"""The inventory: every object of the Kafka cluster, what it is for and where it runs, and every setting in effect.

Made of what the audit looked at, and of a few more kinds of objects that only this view asks for.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from kafka_sentinel.core.audit.facts import BrokerFacts, Facts, Gap, Part, Setting, Source
from kafka_sentinel.core.audit.placed import CLEANER, NOT_THERE, PARTS, Listed, refusal
from kafka_sentinel.core.audit.workload import Extra
from kafka_sentinel.core.kubernetes.capacity import Capacity, capacity
from kafka_sentinel.core.kubernetes.flavours import STRIMZI_CLUSTER, STRIMZI_KIND, STRIMZI_NAME
from kafka_sentinel.core.kubernetes.fleet import FleetSpec, FleetView
from kafka_sentinel.core.kubernetes.views import Kind, Meta, PodView, View

FORMAT = 1
MAX_OBJECTS = 5_000  # of all kinds
MAX_PLACES = 1_000  # topics named for one value of a setting
# What people call the kinds of objects, in the order in which they are shown.
KINDS = {
    Kind.KAFKA: "Kafka",
    Kind.POD_SET: "StrimziPodSet",
    Kind.STATEFUL_SET: "StatefulSet",
    Kind.POD: "Pod",
    Kind.CLAIM: "PersistentVolumeClaim",
    Kind.VOLUME: "PersistentVolume",
    Kind.BUDGET: "PodDisruptionBudget",
}
OF_KIND = {
    "Kafka": "what the operator is told about the whole cluster",
    "StrimziPodSet": "makes the pods of a pool and makes them again",
    "StatefulSet": "makes the pods and makes them again",
    "PersistentVolume": "a disk",
    "PodDisruptionBudget": "how many of its pods may be evicted at once",
    "Deployment": "makes its pods and makes them again",
    "Service": "an address in front of pods",
    "ServiceAccount": "who its pods are to the API server",
    "NetworkPolicy": "who may connect to its pods",
    "KafkaNodePool": "what the operator is told about a pool of nodes",
    "KafkaTopic": "what the topic operator is told about a topic",
    "KafkaUser": "what the user operator is told about a user",
}
# Parts of a Strimzi cluster: the end of `strimzi.io/name`.
OF_PART = {
    "zookeeper": "keeps the metadata (ZooKeeper)",
    "entity-operator": "makes topics and users of KafkaTopics and KafkaUsers",
    "cruise-control": "moves partitions between brokers (Cruise Control)",
    "kafka-exporter": "tells Prometheus of groups and topics",
}


@dataclass(frozen=True, slots=True)
class Thing:
    """One object. `where`: node, zone and capacity of a pod, "" for what runs nowhere. `details`: (what, text)."""

    kind: str
    namespace: str
    name: str
    purpose: str
    owner: str
    where: str
    details: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Value:
    """One value of a setting, its source and default, and the brokers or topics that have it.

    `places`: at most MAX_PLACES of the `count` there are; `of`: how many there are in all.
    """

    name: str
    setting: Setting
    places: tuple[str, ...]
    count: int
    of: int

    @property
    def is_default(self) -> bool:
        if self.setting.secret:
            return self.setting.source is Source.DEFAULT  # neither its value nor its default is told to anybody
        return self.setting.value == self.setting.default


@dataclass(frozen=True, slots=True)
class Stock:
    """`left_out`: objects beyond MAX_OBJECTS."""

    cluster_id: str | None
    things: tuple[Thing, ...]
    left_out: int
    of_brokers: tuple[Value, ...]
    of_topics: tuple[Value, ...]
    gaps: tuple[Gap, ...]


def stock(facts: Facts, listed: Listed | None, spec: FleetSpec | None) -> Stock:
    """Return everything there is. `listed` and `spec` None: Kubernetes was not asked."""
    things: list[Thing] = []
    gaps = facts.gaps
    if listed is not None and facts.kubernetes is not None and spec is not None:
        things = [*_things(listed, facts.kubernetes.fleet, spec), *map(_extra, listed.extras)]
        gaps = (*gaps, *_not_listed(listed, {gap.why for gap in gaps}))
    kafka = facts.kafka
    brokers: Iterable[BrokerFacts] = kafka.brokers.values() if kafka is not None else ()
    return Stock(
        cluster_id=kafka.view.cluster_id if kafka is not None else None,
        things=tuple(things[:MAX_OBJECTS]),
        left_out=max(len(things) - MAX_OBJECTS, 0),
        of_brokers=_values({str(one.broker): one.settings or {} for one in brokers}),
        of_topics=_values(kafka.settings if kafka is not None else {}),
        gaps=gaps,
    )


def _not_listed(listed: Listed, said: Collection[str]) -> Iterator[Gap]:
    """Say which objects could not be listed that no rule of the audit needs. What the server does not know is none."""
    for (kind, scope), (code, why) in listed.refused.items():
        sentence = refusal(kind, scope, why)
        if kind not in PARTS and code != NOT_THERE and sentence not in said:
            yield Gap(Part.OBJECTS, sentence)


def _values(settings: Mapping[str, Mapping[str, Setting]]) -> tuple[Value, ...]:
    """Put together who has the same value of a setting from the same source."""
    found: dict[tuple[str, Setting], list[str]] = defaultdict(list)
    for place in sorted(settings, key=lambda one: (len(one), one) if one.isdigit() else (0, one)):
        for name, setting in settings[place].items():
            found[name, setting].append(place)
    ordered = sorted(found.items(), key=lambda one: (one[0][0], -len(one[1])))
    return tuple(
        Value(name, setting, tuple(places[:MAX_PLACES]), len(places), len(settings))
        for (name, setting), places in ordered
    )


# --- objects


def _things(listed: Listed, fleet: FleetView, spec: FleetSpec) -> Iterator[Thing]:
    volumes = {pod.name: pod.volumes for pod in fleet}
    ours = {volume.volume for each in volumes.values() for volume in each}
    for kind, word in KINDS.items():
        for view in sorted(listed.inventory.all(kind), key=lambda one: one.meta.full_name):
            if kind is Kind.VOLUME and view.meta.name not in ours:
                continue  # of somebody else
            details: tuple[tuple[str, str], ...] = ()
            where = ""
            if isinstance(view, PodView):
                given = listed.pods.get(view.meta.uid)
                details = (*_claims(view), *(given.details if given is not None else ()))
                where = _where(view, listed, spec)
            elif kind is Kind.BUDGET:
                budget = listed.budgets.get(view.meta.name)
                details = (("allows", budget.text),) if budget is not None else ()
            yield Thing(
                word,
                view.meta.namespace,
                view.meta.name,
                _purpose(word, view, fleet),
                _owner(view.meta),
                where,
                details,
            )


def _where(pod: PodView, listed: Listed, spec: FleetSpec) -> str:
    if pod.node is None:
        return "not scheduled"
    node = listed.inventory.node(pod.node)
    kind = capacity(node, spec.spot_labels)
    known = [
        f"node {pod.node}",
        *([f"zone {node.zone}"] if node is not None and node.zone else []),
        *([kind.replace("_", "-")] if kind is not Capacity.UNKNOWN else []),
    ]
    return ", ".join(known)


def _claims(pod: PodView) -> Iterator[tuple[str, str]]:
    for use in pod.volumes:
        if use.claim is not None:
            yield f"volume {use.name}", f"claim {use.claim}"


def _owner(meta: Meta) -> str:
    return ", ".join(f"{owner.kind} {owner.name}" for owner in meta.owners)


def _purpose(word: str, view: View, fleet: FleetView) -> str:
    if word == "PersistentVolumeClaim":
        brokers = [str(pod.broker) for pod in fleet if any(one.claim == view.meta.name for one in pod.volumes)]
        return f"the disk of node {', '.join(brokers)} of Kafka" if brokers else "a disk that no pod of Kafka uses now"
    if word == "Pod":
        member = fleet.of_pod(view.meta.uid)
        if member is not None:
            return f"Kafka: {' and '.join(sorted(member.roles))} {member.broker}"
        return _side(view.meta.labels)
    return OF_KIND[word]


def _side(labels: Mapping[str, str]) -> str:
    if labels.get(STRIMZI_KIND) == "cluster-operator":
        return "Strimzi's operator: makes all of this of the Kafka resource"
    if labels.get("app") == CLEANER:
        return "Strimzi's Drain Cleaner: has the operator roll a pod that is to be evicted"
    part = labels.get(STRIMZI_NAME, "").removeprefix(f"{labels.get(STRIMZI_CLUSTER, '')}-")
    if part in OF_PART:
        return OF_PART[part]
    if labels.get("app.kubernetes.io/name") == "zookeeper":
        return OF_PART["zookeeper"]
    name = labels.get("app.kubernetes.io/name") or labels.get("app")
    return f"not of this Kafka cluster{f' ({name})' if name else ''}"


def _extra(one: Extra) -> Thing:
    return Thing(one.kind, one.namespace, one.name, OF_KIND[one.kind], one.owner, "", one.details)


# --- as a document


def stock_document(found: Stock, version: str) -> dict[str, Any]:
    """Return the inventory as plain data (schema: adapters/schema/inventory.json)."""
    return {
        "format": FORMAT,
        "version": version,
        "cluster_id": found.cluster_id,
        "objects": [
            {
                "kind": one.kind,
                "namespace": one.namespace,
                "name": one.name,
                "purpose": one.purpose,
                "owner": one.owner,
                "where": one.where,
                "details": dict(one.details),
            }
            for one in found.things
        ],
        "left_out": found.left_out,
        "broker_settings": [_value_document(one, "brokers") for one in found.of_brokers],
        "topic_settings": [_value_document(one, "topics") for one in found.of_topics],
        "not_looked_at": [{"part": gap.part.value, "why": gap.why, "whole": gap.whole} for gap in found.gaps],
    }


def _value_document(one: Value, places: str) -> dict[str, Any]:
    return {
        "name": one.name,
        "value": one.setting.value,
        "secret": one.setting.secret,
        "source": one.setting.source.value,
        "default": one.setting.default,
        places: list(one.places),
        "count": one.count,
    }
