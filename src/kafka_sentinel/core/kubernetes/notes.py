"""Kubernetes Events, left where people look: on pods that were hit, and on Kafka when an incident is over."""

from __future__ import annotations

from kafka_sentinel.core.commands import LeaveEvent
from kafka_sentinel.core.events import FaultAnnounced, FaultInjected
from kafka_sentinel.core.experiment_run import Run
from kafka_sentinel.core.incident import Incident, Verdict
from kafka_sentinel.core.kubernetes.fleet import FleetView
from kafka_sentinel.core.kubernetes.inventory import Inventory
from kafka_sentinel.core.types import Acks, Instant, ObjectRef, PodRef

ANNOUNCED = "KafkaSentinelAnnounced"
INJECTED = "KafkaSentinelInjected"
INCIDENT = "KafkaSentinelIncident"
STRIMZI = "kafka.strimzi.io/v1beta2"  # where the resource itself does not say
APPS = "apps/v1"


def of_fault(event: FaultAnnounced | FaultInjected, run: Run) -> list[LeaveEvent]:
    """Return one for each pod that was hit, or is to be."""
    words = f"{run.fault} by experiment {run.experiment} (run {run.id})"
    if isinstance(event, FaultAnnounced):
        return [_on_pod(pod, event.at, ANNOUNCED, f"notice of {words}") for pod in run.pods]
    hit = [pod for pod in run.pods if pod.broker is None or pod.broker in event.targets]
    return [_on_pod(pod, event.at, INJECTED, words) for pod in hit]


def _on_pod(pod: PodRef, at: Instant, reason: str, message: str) -> LeaveEvent:
    return LeaveEvent(at, ObjectRef("v1", "Pod", pod.namespace, pod.name, pod.uid), reason, message)


def of_incident(incident: Incident, fleet: FleetView, inventory: Inventory, at: Instant) -> list[LeaveEvent]:
    """Return the one that an incident ends with; none if there is nothing to leave it on."""
    about = _kafka(fleet, inventory)
    if about is None:
        return []
    return [LeaveEvent(at, about, INCIDENT, _summary(incident), warning=incident.verdict is not Verdict.PASSED)]


def _summary(incident: Incident) -> str:
    phases = incident.phases()
    full = phases.pop("full")
    recovery = "recovery was not measured" if full is None else f"recovered after {full:.1f} s"
    parts = [f"{phase} {seconds:.1f} s" for phase, seconds in phases.items() if seconds is not None]
    sentences = [
        f"{incident.id}, {incident.cause}: {incident.verdict}",
        f"{incident.lost[Acks.ALL]} acknowledged records lost",
        recovery + (f" ({', '.join(parts)})" if parts else ""),
        f"brokers {', '.join(map(str, sorted(incident.brokers))) or 'none'}",
        *([f"nodes {', '.join(sorted(incident.nodes.values()))}"] if incident.nodes else []),
        *incident.reasons,
    ]
    return "; ".join(sentences)


def _kafka(fleet: FleetView, inventory: Inventory) -> ObjectRef | None:
    """Return the Kafka resource, else the StatefulSet of the first broker that has one, else the first broker's pod."""
    if fleet.kafka is not None:
        meta = fleet.kafka.meta
        return ObjectRef(fleet.kafka.api_version or STRIMZI, "Kafka", meta.namespace, meta.name, meta.uid)
    members = list(fleet)
    for member in members:
        pod = inventory.pods.get(member.uid)
        for owner in pod.meta.owners if pod is not None else ():
            if owner.kind == "StatefulSet":
                return ObjectRef(APPS, owner.kind, member.namespace, owner.name, owner.uid)
    first = members[0] if members else None
    return None if first is None else ObjectRef("v1", "Pod", first.namespace, first.name, first.uid)
