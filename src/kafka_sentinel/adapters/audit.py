"""Gathers the facts of one audit: from Kafka, and from Kubernetes if that is where the brokers are."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from kafka_sentinel.adapters.audit_kafka import KafkaAudit, NoAnswer
from kafka_sentinel.core.audit.facts import Facts, Gap, KafkaFacts, KubernetesFacts, Part
from kafka_sentinel.core.audit.placed import Listed, kubernetes_facts, nothing
from kafka_sentinel.core.kubernetes.fleet import FleetSpec

OF_KAFKA = (Part.TOPICS, Part.TOPIC_SETTINGS, Part.BROKERS, Part.BROKER_SETTINGS, Part.ACLS, Part.QUORUM)
OF_KUBERNETES = (
    Part.PODS,
    Part.NODES,
    Part.VOLUMES,
    Part.BUDGETS,
    Part.KAFKA_RESOURCE,
    Part.OPERATOR,
    Part.DRAIN_CLEANER,
)
SWITCHED_OFF = "pods, nodes, volumes and disruption budgets: kubernetes.enabled is off"


@dataclass(frozen=True, slots=True)
class Gathered:
    """`listed` None: Kubernetes was not asked, or cannot be. `silence`: why Kafka did not answer, "" if it did."""

    facts: Facts
    listed: Listed | None
    silence: str = ""


def gather(kafka: KafkaAudit, list_objects: Callable[[], Listed | str], spec: FleetSpec | None) -> Gathered:
    """Look at both. `spec` None: not on Kubernetes. `list_objects` returns a sentence where it cannot list anything."""
    found, silence, gaps = _ask_kafka(kafka)
    if spec is None:
        return Gathered(Facts(found, None, (*gaps, *nothing(OF_KUBERNETES, SWITCHED_OFF))), None, silence)
    listed = list_objects()
    if isinstance(listed, str):
        return Gathered(Facts(found, None, (*gaps, *nothing(OF_KUBERNETES, listed))), None, silence)
    placed: KubernetesFacts
    placed, of_pods = kubernetes_facts(listed, spec, found)
    return Gathered(Facts(found, placed, (*gaps, *of_pods)), listed, silence)


def _ask_kafka(kafka: KafkaAudit) -> tuple[KafkaFacts | None, str, tuple[Gap, ...]]:
    try:
        found, gaps = kafka.look()
    except NoAnswer as error:
        return None, str(error), nothing(OF_KAFKA, f"Kafka: {error}")
    return found, "", gaps
