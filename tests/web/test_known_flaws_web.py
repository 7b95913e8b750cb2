"""Flaws seen in the metrics of other monitors, shown not to be ours (docs/verification.md)."""

from __future__ import annotations

from itertools import product

import pytest

from kafka_sentinel.adapters.metric_catalogue import CATALOGUE
from kafka_sentinel.adapters.metrics import Metrics
from kafka_sentinel.core.commands import Observe

PREFIX = "kafka_sentinel_"
CLUSTER = {"kafka_cluster": "stage"}


@pytest.mark.parametrize("seconds", [20.0, 90.0, 240.0])
@pytest.mark.parametrize("metric", ["produce_ack_latency_seconds", "end_to_end_latency_seconds"])
def test_no_latency_of_a_failover_is_above_the_last_bucket(metric: str, seconds: float) -> None:
    metrics = Metrics("stage")
    metrics.apply(Observe(metric, (("acks", "all"),), (seconds,)))
    counted = {
        float(sample.labels["le"]): sample.value
        for family in metrics.registry.collect()
        for sample in family.samples
        if sample.name == f"{PREFIX}{metric}_bucket" and sample.labels["acks"] == "all"
    }
    low = max(edge for edge, count in counted.items() if not count)
    high = min(edge for edge, count in counted.items() if count)
    assert low < seconds <= high < float("inf")
    assert high <= 2.5 * low, "the bucket tells it from an outage half or twice as long"


def test_every_counter_whose_series_are_known_exists_at_zero_before_its_first_event() -> None:
    metrics = Metrics("stage")
    missing = []
    for name, metric in CATALOGUE.items():
        if str(metric.kind) != "counter" or any(label.limit for label in metric.labels):
            continue
        for values in product(*(label.values for label in metric.labels)):
            labels = dict(zip((label.name for label in metric.labels), values, strict=True))
            if metrics.registry.get_sample_value(PREFIX + name, CLUSTER | labels) != 0:
                missing.append((name, labels))
    assert missing == []
