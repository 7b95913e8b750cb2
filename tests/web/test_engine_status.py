"""What the engine really publishes: it fits the schema, the gauges and the page."""

from __future__ import annotations

from typing import Any

import pytest
from tests.web.test_http import validator

from kafka_sentinel.adapters.metrics import Metrics
from kafka_sentinel.adapters.snapshot import VIEWS, Snapshot
from kafka_sentinel.core.cluster import ClusterView, PartitionView, TopicView
from kafka_sentinel.core.commands import Count, Observe
from kafka_sentinel.core.engine import Engine
from kafka_sentinel.core.events import ClusterObserved, Event, RecordsAcked, RecordsRead, RecordsSent, Tick
from kafka_sentinel.core.types import Acks, Instant, ProbePartition, Sighting, SightingKind, Span
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
