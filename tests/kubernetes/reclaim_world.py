"""Nodes that are taken away and come back, brokers on them, Sentinel beside them, and a clock to hold it to."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from prometheus_client.parser import text_string_to_metric_families
from tests.conftest import FULL
from tests.kafka.sentinel import assert_identities
from tests.kubernetes.agents import LABELS, Machine
from tests.kubernetes.deploy.kafka import Kafka
from tests.kubernetes.deploy.sentinel import Sentinel
from tests.kubernetes.deploy.waiting import wait_for
from tests.kubernetes.lab.cluster import Cluster

CLEARED_AWAY = 120.0  # seconds until Kubernetes has cleared away the pods of a node that is gone; 40 to 60 are usual
RETURNED = 120.0
CLOSED = 240.0  # seconds until the incident is closed
COUNTED = (
    "node_disruptions_total",
    "disruption_notices_total",
    "disruption_lead_seconds_count",
    "disruption_lead_seconds_sum",
    "broker_restarts_total",
    "incidents_total",
)
MUST_BE_ZERO = ("lost", "lost_before", "duplicated", "corrupted", "conflicting", "foreign", "unaccounted", "expired")

Series = tuple[str, tuple[tuple[str, str], ...]]


@dataclass(slots=True)
class Reclaim:
    """One node's end and return, with the instants of it by the test's own clock (wall-clock seconds)."""

    node: str
    uid: str
    brokers: set[int]
    began: float
    said: float | None = None  # when its notice was given
    lost: float | None = None  # when its power went
    deleted: float | None = None
    incident: dict[str, Any] = field(default_factory=dict)
    disruption: dict[str, Any] = field(default_factory=dict)
    counts: dict[str, float] = field(default_factory=dict)  # name and label values → what was counted, without zeros


class World:
    def __init__(self, lab: Cluster, kafka: Kafka, sentinel: Sentinel) -> None:
        self.lab, self.kafka, self.sentinel = lab, kafka, sentinel

    def machine(self, node: str) -> Machine:
        return Machine(self.lab, node)

    @contextmanager
    def reclaim(self, node: str, provider: str) -> Iterator[Reclaim]:
        """Let the body take a node away, then bring it back and see everything settle; and look at what was counted."""
        self.machine(node).label(provider)
        self._settled()
        self._lead_preferred()
        uid = self.machine(node).uid
        assert uid is not None
        brokers = {number for number, member in self.kafka.brokers.items() if member.node == node}
        told = Reclaim(node, uid, brokers, time.time())
        try:
            yield told
            self.say(told, "waiting for Kubernetes to clear the pods away")
            if not FULL:
                self.kafka.clear_away(brokers)
            self._cleared_away(brokers)
        finally:
            if not self.lab.is_on(node):
                self.lab.start_node(node, LABELS[provider])
        self.say(told, "the node is back")
        wait_for(lambda: self.lab.is_ready(node), f"{node} to be ready", RETURNED)
        assert self.machine(node).uid != uid, "the node came back as the same object"
        self.kafka.wait_ready(RETURNED)
        self.say(told, "the brokers are back")
        self._closed(told)

    def power_off(self, told: Reclaim) -> None:
        told.lost = time.time()
        self.lab.kill_node(told.node)
        self.say(told, f"the power of {told.node} went")

    def delete_node(self, told: Reclaim) -> None:
        self.machine(told.node).delete()
        told.deleted = time.time()

    def say(self, told: Reclaim, words: str) -> None:
        print(f"  {time.time() - told.began:4.0f} s: {words}", flush=True)  # noqa: T201 - a test of minutes

    # --- what was seen of it

    def _closed(self, told: Reclaim) -> None:
        def found() -> dict[str, Any] | None:
            known = self.sentinel.incidents()
            return known[0] if known and all(one["closed_at"] is not None for one in known) else None

        told.incident = wait_for(found, "the incident to close", CLOSED, self._standing) or {}
        assert len(self.sentinel.incidents()) == 1, self.sentinel.incidents()
        wait_for(lambda: not self._open_disruptions(), "the disruption to end", CLOSED)
        all_disruptions = self.sentinel.status()["kubernetes"]["disruptions"]
        [told.disruption] = [one for one in all_disruptions if one["node_uid"] == told.uid]
        self._settled()
        wait_for(lambda: self._restarts() >= len(told.brokers), "every broker's restart to be counted", CLOSED)
        told.counts = {_shown(one): value for one, value in self._series().items() if one[0] in COUNTED and value}
        self.say(
            told,
            f"incident: {told.incident['cause']} {told.incident['verdict']}; lead {told.disruption['lead_seconds']}",
        )
        self.say(told, f"counted: {told.counts}")

    def assert_nothing_false(self) -> None:
        """Nothing was lost, nothing is claimed that is not so, and the accounts are whole."""
        figures = self.sentinel.records()
        assert_identities(figures)
        assert {name: figures[name] for name in MUST_BE_ZERO if figures.get(name)} == {}
        assert figures["verified"] > 0
        counts = self._series()
        zero = (
            "records_lost_total",
            "records_duplicated_total",
            "records_corrupted_total",
            "invariant_violations_total",
        )
        assert {_shown(one): value for one, value in counts.items() if one[0] in zero and value} == {}
        assert not [one for one in counts if one[0] == "last_loss_timestamp_seconds"]

    def _settled(self) -> None:
        """Wait until nothing is open: no incident, no disruption, no record whose fate is not known."""

        def calm(status: dict[str, Any]) -> bool:
            still = [one for one in status["incidents"] if one["closed_at"] is None]
            figures = status["records"]["all"]
            return not still and not self._open_disruptions() and figures["unresolved"] == figures["suspected"] == 0

        self.sentinel.wait_for(calm, "nothing to be open", CLOSED)
        wait_for(lambda: all(len(each["isr"]) == 3 for each in self._partitions()), "all replicas in sync", RETURNED)

    def _partitions(self) -> list[dict[str, Any]]:
        return self.sentinel.status()["partitions"]

    def _open_disruptions(self) -> list[str]:
        found = self.sentinel.status()["kubernetes"]["disruptions"]
        return [one["node"] for one in found if one["outcome"] is None]

    def _standing(self) -> str:
        return "; ".join(reason for one in self.sentinel.incidents()[:1] for reason in one["reasons"][-3:])

    def _lead_preferred(self) -> None:
        """Have each broker lead its own partitions again, as Kafka would within five minutes."""
        self.kafka.lead_preferred(self.sentinel.topic)

        def leading() -> bool:
            return {each["leader"] for each in self._partitions()} == set(self.kafka.brokers)

        wait_for(leading, "each broker to lead", RETURNED)

    def _cleared_away(self, brokers: set[int]) -> None:
        def waiting() -> bool:
            pods = [self.kafka.pod(number) for number in brokers]
            return all(pod is None or not pod["spec"].get("nodeName") for pod in pods)

        wait_for(waiting, "the pods to be cleared away", CLEARED_AWAY)

    # --- metrics

    def _restarts(self) -> float:
        return sum(value for (name, _), value in self._series().items() if name == "broker_restarts_total")

    def _series(self) -> dict[Series, float]:
        families = text_string_to_metric_families(self.sentinel.metrics())
        samples = (sample for family in families for sample in family.samples)
        return {
            (
                sample.name.removeprefix("kafka_sentinel_"),
                tuple(sorted((key, value) for key, value in sample.labels.items() if key != "kafka_cluster")),
            ): sample.value
            for sample in samples
        }


def _shown(series: Series) -> str:
    name, labels = series
    return " ".join([name, *(value for _, value in labels)])
