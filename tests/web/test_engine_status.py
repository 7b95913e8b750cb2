"""What the engine really publishes: it fits the schema, the gauges and the page."""

from __future__ import annotations

import json
from dataclasses import replace
from importlib.resources import files
from typing import Any

import pytest
from tests.core.kubernetes.raw import ended
from tests.core.kubernetes_world import NOTICE, KubernetesWorld
from tests.web.test_http import validator

from kafka_sentinel.adapters.metrics import Metrics
from kafka_sentinel.adapters.snapshot import VIEWS, Snapshot
from kafka_sentinel.adapters.status_gauges import features
from kafka_sentinel.core.audit.facts import Facts
from kafka_sentinel.core.audit.finding import Finding, Severity
from kafka_sentinel.core.audit.report import audit
from kafka_sentinel.core.cluster import ClusterView, PartitionView, TopicView
from kafka_sentinel.core.commands import Command, Count, Observe
from kafka_sentinel.core.drills import Anomaly
from kafka_sentinel.core.engine import Engine
from kafka_sentinel.core.events import (
    AuditDone,
    ClusterObserved,
    Event,
    LeaseObserved,
    OrderGiven,
    PauseSeen,
    RecordsAcked,
    RecordsRead,
    RecordsSent,
    Tick,
    WatchBroken,
)
from kafka_sentinel.core.kubernetes.objects import Kind
from kafka_sentinel.core.ledger import PartitionLedger
from kafka_sentinel.core.standby import Standby
from kafka_sentinel.core.types import Acks, Instant, OrderKind, ProbePartition, Sighting, SightingKind, Span
from kafka_sentinel.engine_config import engine_config
from kafka_sentinel.settings import Settings

RUN = 7
ONE = ProbePartition(Acks.ALL, 0)


def at(seconds: float) -> Instant:
    return Instant(mono=100.0 + seconds, wall=1.79e9 + seconds)


def engine() -> Engine:
    return Engine(engine_config(Settings()), run=RUN, started=at(0), state=None)


def cluster_view() -> ClusterView:
    partition = PartitionView(partition=0, leader=1, replicas=(1, 2, 3), isr=(1, 2))
    topic = TopicView("probe", "id", 2, (partition,))
    brokers = {number: f"kafka-{number}:9092" for number in (1, 2, 3)}
    return ClusterView("cluster", brokers, {"probe": topic}, {Acks.ALL: "probe"})


def some_life(subject: Engine) -> list[Event]:
    sighting = Sighting(SightingKind.RECORD, 0, 5, 0, subject.config.instance, RUN, 0, at(1).wall)
    return [
        ClusterObserved(at(0.2), at(0.1), cluster_view()),
        RecordsSent(at(1.0), ONE, RUN, 0, 5),
        RecordsAcked(at(1.1), ONE, RUN, (Span(0, 5, 0),), (0.1,)),
        RecordsRead(at(1.2), ONE, 0, 5, (sighting,), (0.2,)),
        *(Tick(at(2.0 + second)) for second in range(130)),  # nothing is sent any more: an incident, and some history
    ]


@pytest.fixture
def lived() -> tuple[Engine, Metrics]:
    """Return an engine after some life, and metrics to which its commands were applied."""
    subject, metrics = engine(), Metrics("stage")
    for event in some_life(subject):
        for command in subject.step(event):
            if isinstance(command, Count | Observe):
                metrics.apply(command)
    return subject, metrics


@pytest.mark.parametrize("view", VIEWS)
def test_the_status_of_a_new_engine_fits_the_schema(view: str) -> None:
    check(engine().status(), view)


@pytest.mark.parametrize("view", VIEWS)
def test_the_status_after_some_life_fits_the_schema(lived: tuple[Engine, Metrics], view: str) -> None:
    facts: dict[str, Any] = lived[0].status()
    assert facts["records"]["all"]["verified"] == 5
    assert len(facts["history"]) >= 2
    check(facts, view)


@pytest.mark.parametrize("view", VIEWS)
def test_the_status_of_a_standby_fits_the_schema(view: str) -> None:
    shared = Settings.model_validate({"kubernetes": {"enabled": True, "namespace": "kafka"}})
    standby = Standby(engine_config(shared), at(0))
    standby.take(LeaseObserved(at(1), None, "sentinel-2"))
    facts = standby.status(at(2))
    check(facts, view)
    metrics = Metrics("stage")
    metrics.update_from_status(facts)
    assert features(facts)["lease"] is False


@pytest.mark.parametrize("view", VIEWS)
def test_the_status_after_an_order_fits_the_schema(view: str) -> None:
    shared = Settings.model_validate({"kubernetes": {"enabled": True, "namespace": "kafka"}})
    subject = Engine(engine_config(shared), run=RUN, started=at(0), state=None)
    for event in (LeaseObserved(at(1), 500.0, "us"), PauseSeen(at(1), "by anna"), OrderGiven(at(2), OrderKind.HEAL)):
        subject.step(event)
    facts: dict[str, Any] = subject.status()
    assert facts["experiments"]["orders"]
    check(facts, view)


@pytest.mark.parametrize("view", VIEWS)
def test_the_status_beside_kubernetes_fits_the_schema(view: str) -> None:
    world = KubernetesWorld(places=("n1", "n1", "n3"))
    check(world.status, view)
    world.run(5)
    world.taint("n1", NOTICE)
    world.run(5)
    world.delete_pod(1)
    world.pending_pod(1, "0/2 nodes are available: 2 Insufficient cpu.")
    world.run(20)
    assert world.kubernetes["disruptions"]
    assert world.kubernetes["stuck"]
    check(world.status, view)


@pytest.mark.parametrize("view", VIEWS)
def test_the_status_after_an_audit_fits_the_schema_and_the_gauges_take_it(view: str) -> None:
    subject, metrics = engine(), Metrics("stage")
    assert findings_of(metrics, subject) == {}, "unknown is not zero"
    report = audit(Facts(None, None))
    found = Finding("topic-single-replica", Severity.CRITICAL, "title", "what", "why", "mend", ("t",), 1)
    subject.step(AuditDone(at(1), replace(report, findings=(found,), counts={**report.counts, Severity.CRITICAL: 1})))
    facts: dict[str, Any] = subject.status()
    check(facts, view)
    schema: dict[str, Any] = json.loads(files("kafka_sentinel.adapters").joinpath("schema/status.json").read_text())
    assert undescribed(VIEWS["status"](facts), schema, schema, "") == []
    assert findings_of(metrics, subject) == {"critical": 1, "warning": 0, "info": 0}


def findings_of(metrics: Metrics, subject: Engine) -> dict[str, float]:
    metrics.update_from_status(subject.status())
    [family] = [one for one in metrics.registry.collect() if one.name == "kafka_sentinel_audit_findings"]
    return {sample.labels["severity"]: sample.value for sample in family.samples}


def undescribed(facts: Any, schema: dict[str, Any], known: dict[str, Any], path: str) -> list[str]:
    """Return the paths of what `facts` has and `schema` does not speak of."""
    if "$ref" in schema:
        schema = known["$defs"][schema["$ref"].rpartition("/")[2]]
    schema = next((one for one in schema.get("oneOf", ()) if one.get("type") == "object"), schema)
    if isinstance(facts, list):
        return [each for one in facts for each in undescribed(one, schema.get("items", {}), known, f"{path}[]")]
    if not isinstance(facts, dict):
        return []
    found = []
    for name, value in facts.items():
        inner = schema.get("properties", {}).get(name, schema.get("additionalProperties"))
        here = f"{path}.{name}"
        found += [here] if inner is None else undescribed(value, inner, known, here)
    return found


def test_all_that_is_published_is_described_in_the_schema(lived: tuple[Engine, Metrics]) -> None:
    experiment = {"name": "kill", "fault": "pod-delete", "target": "leader", "every": "1h"}
    world = KubernetesWorld(places=("n1", "n1", "n3"), experiments={"items": [experiment]})
    world.run(5)
    world.taint("n1", NOTICE)
    world.delete_pod(1)
    world.run(20)
    schema: dict[str, Any] = json.loads(files("kafka_sentinel.adapters").joinpath("schema/status.json").read_text())
    for facts in (lived[0].status(), world.status):
        assert undescribed(VIEWS["status"](facts), schema, schema, "") == []


def test_the_gauges_take_what_is_known_of_kubernetes() -> None:
    world, metrics = KubernetesWorld(places=("n1", "n1", "n3")), Metrics("stage")
    world.run(5)
    metrics.update_from_status(world.status)
    value = metrics.registry.get_sample_value
    constant = {"kafka_cluster": "stage"}
    assert value("kafka_sentinel_brokers_on_spot", constant) == 3
    assert value("kafka_sentinel_brokers_sharing_node", constant) == 2
    assert value("kafka_sentinel_brokers_on_local_volume", constant) == 3
    assert value("kafka_sentinel_partitions_exposed", constant | {"domain": "node"}) == 1
    assert value("kafka_sentinel_partitions_exposed", constant | {"domain": "spot_pool"}) == 1
    assert value("kafka_sentinel_broker_pods_stuck", constant | {"reason": "no_room"}) == 0
    assert value("kafka_sentinel_watch_last_sync_timestamp_seconds", constant | {"resource": "nodes"}) > 0


def test_every_count_of_kubernetes_is_in_the_catalogue() -> None:
    """A reclaim of two brokers, a container out of memory and a broken watch: the metrics take all of it."""
    world, metrics = KubernetesWorld(), Metrics("stage")
    step = world.engine.step

    def both(event: Event) -> list[Command]:
        commands = step(event)
        for command in commands:
            if isinstance(command, Count | Observe):
                metrics.apply(command)
        return commands

    world.engine.step = both  # type: ignore[method-assign]
    world.run(5)
    world.taint("n1", NOTICE)
    world.run(10)
    world.drop(Kind.NODE, "n1")
    world.delete_pod(1)
    world.make_pod(1, "n2")
    world.restart_container(2, ended(137, "OOMKilled"))
    world.container_ready(2, ended(137, "OOMKilled"))
    world.step(WatchBroken(world.now(), Kind.EVENT, "410", "gone"))
    world.run(130)
    value = metrics.registry.get_sample_value
    constant = {"kafka_cluster": "stage"}
    assert value("kafka_sentinel_broker_restarts_total", constant | {"cause": "oom"}) == 1
    assert value("kafka_sentinel_broker_restarts_total", constant | {"cause": "spot"}) == 1
    assert value("kafka_sentinel_watch_restarts_total", constant | {"resource": "events"}) == 1


def check(facts: dict[str, Any], view: str) -> None:
    validator(view).validate(VIEWS[view](facts))
    snapshot = Snapshot()
    snapshot.publish(facts)
    assert snapshot.body(view) is not None


def test_the_gauges_take_the_status_of_the_engine(lived: tuple[Engine, Metrics]) -> None:
    subject, metrics = lived
    metrics.update_from_status(engine().status())
    metrics.update_from_status(subject.status())
    constant = {"kafka_cluster": "stage"}
    value = metrics.registry.get_sample_value
    assert value("kafka_sentinel_brokers_unprobed", constant) == 2
    assert value("kafka_sentinel_records_verified_total", constant | {"acks": "all"}) == 5
    assert value("kafka_sentinel_partitions_under_replicated", constant) == 1


def drilled(metrics: Metrics, result: str) -> dict[str, float]:
    """Return how many drills had that result, by anomaly."""
    return {
        sample.labels["anomaly"]: sample.value
        for family in metrics.registry.collect()
        for sample in family.samples
        if sample.name == "kafka_sentinel_selftest_total" and sample.labels["result"] == result
    }


def next_drill(metrics: Metrics) -> list[float]:
    name = "kafka_sentinel_selftest_next_run_timestamp_seconds"
    return [sample.value for family in metrics.registry.collect() for sample in family.samples if sample.name == name]


def live(subject: Engine, metrics: Metrics, seconds: int) -> None:
    for tick in range(seconds * 4):
        for command in subject.step(Tick(at(tick / 4))):
            if isinstance(command, Count | Observe):
                metrics.apply(command)
    metrics.update_from_status(subject.status())


def test_drills_are_counted_by_anomaly_and_the_next_one_is_told() -> None:
    subject, metrics = engine(), Metrics("stage")
    assert drilled(metrics, "detected") == drilled(metrics, "missed") == dict.fromkeys(Anomaly, 0.0)
    assert next_drill(metrics) == []
    live(subject, metrics, 10)
    assert drilled(metrics, "detected") == dict.fromkeys(Anomaly, 1.0)
    assert drilled(metrics, "missed") == dict.fromkeys(Anomaly, 0.0)
    assert next_drill(metrics) == [at(3605).wall]
    check(subject.status(), "status")


def test_what_a_drill_missed_is_counted_as_missed_and_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(PartitionLedger, "_count_copies", lambda self, found: None)
    subject, metrics = engine(), Metrics("stage")
    live(subject, metrics, 10)
    assert drilled(metrics, "missed") == dict.fromkeys(Anomaly, 0.0) | {"duplicated": 1.0}
    assert drilled(metrics, "detected") == dict.fromkeys(Anomaly, 1.0) | {"duplicated": 0.0}
    facts: dict[str, Any] = subject.status()
    assert facts["selftest"]["missed"] == ["duplicated"]
    check(facts, "status")


def test_who_stands_by_or_is_told_not_to_is_not_drilled_and_not_overdue() -> None:
    metrics, off = Metrics("stage"), Settings.model_validate({"selftest": {"interval": None}})
    standby = Standby(engine_config(Settings()), at(0)).status(at(50_000))
    idle = Engine(engine_config(off), run=RUN, started=at(0), state=None).status()
    for facts in (standby, idle):
        assert facts["selftest"] is None
        check(facts, "status")
        metrics.update_from_status(facts)
        assert next_drill(metrics) == []
