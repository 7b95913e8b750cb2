"""Gathers the facts of an audit: from Kafka, and from Kubernetes if that is where the brokers are; now and then."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from kafka_sentinel.adapters.audit_kafka import KafkaAudit, NoAnswer
from kafka_sentinel.adapters.kafka_client import Now, OnDeath, Post, Worker, adapter_error
from kafka_sentinel.core.audit.facts import OF_KAFKA, OF_KUBERNETES, Facts, Gap, KafkaFacts
from kafka_sentinel.core.audit.placed import Listed, kubernetes_facts, nothing
from kafka_sentinel.core.audit.report import audit
from kafka_sentinel.core.events import AdapterError, AuditDone
from kafka_sentinel.core.kubernetes.fleet import FleetSpec

FIRST_AFTER = 20.0  # seconds from the start: first everybody finds their brokers
AGAIN = 300.0  # seconds, after an audit that could not be made
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
    placed, of_pods = kubernetes_facts(listed, spec, found)
    return Gathered(Facts(found, placed, (*gaps, *of_pods)), listed, silence)


def _ask_kafka(kafka: KafkaAudit) -> tuple[KafkaFacts | None, str, tuple[Gap, ...]]:
    try:
        found, gaps = kafka.look()
    except NoAnswer as error:
        return None, str(error), nothing(OF_KAFKA, f"Kafka: {error}")
    return found, "", gaps


class Auditor:
    """Posts AuditDone, soon after the start and then every `every` seconds. Judging needs a while: it is done here."""

    def __init__(
        self,
        look: Callable[[], Gathered],
        *,
        every: float,
        post: Post,
        now: Now,
        on_death: OnDeath,
        first_after: float = FIRST_AFTER,
    ) -> None:
        self._look = look
        self._every = every
        self._first_after = first_after
        self._post = post
        self._now = now
        self._worker = Worker("audit", self._run, on_death)

    def start(self) -> None:
        self._worker.start()

    def stop(self, timeout: float) -> bool:
        """Return whether the thread has ended within `timeout` seconds. May be called again."""
        return self._worker.stop(timeout)

    def _run(self) -> None:
        self._worker.stopping.wait(self._first_after)
        while not self._worker.stopping.is_set():
            done = self._audit()
            self._worker.stopping.wait(self._every if done else min(self._every, AGAIN))

    def _audit(self) -> bool:
        """Look once. Returns whether there is a report."""
        try:
            gathered = self._look()
        except Exception as error:  # noqa: BLE001 - a view beside the proof: whatever it meets, it has nothing to say
            self._post([adapter_error(self._now(), "audit", error)])
            return False
        if gathered.silence:
            self._post([AdapterError(self._now(), "audit", "NO_ANSWER", gathered.silence)])
            return False
        self._post([AuditDone(self._now(), audit(gathered.facts))])
        return True
