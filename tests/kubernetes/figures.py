"""What Sentinel shows, taken at one instant: its status, its metrics and what it wrote to its log."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from prometheus_client.parser import text_string_to_metric_families
from tests.kafka.sentinel import assert_identities
from tests.kubernetes.deploy.sentinel import Sentinel
from tests.kubernetes.deploy.waiting import say

from kafka_sentinel.adapters.kubernetes.permissions import Need, Permission

PREFIX = "kafka_sentinel_"
NEVER = ("duplicated", "corrupted", "conflicting", "foreign", "unaccounted", "expired")


@dataclass(frozen=True, slots=True)
class Figures:
    """`series`: the values of metrics that are not zero, as "incidents_total spot passed" (label values by label name).

    `log`: its lines as JSON.
    """

    status: dict[str, Any]
    series: dict[str, float]
    log: list[dict[str, Any]]

    @property
    def incidents(self) -> list[dict[str, Any]]:
        """The incidents, oldest first."""
        return self.status["incidents"][::-1]

    def incidents_since(self, instant: float) -> list[dict[str, Any]]:
        """Return the incidents that were opened after that instant (wall clock), oldest first."""
        return [one for one in self.incidents if one["opened_at"] > instant]

    def of(self, metric: str) -> dict[str, float]:
        """Return the series of one metric by their label values."""
        return {name.partition(" ")[2]: value for name, value in self.series.items() if name.split()[0] == metric}

    def more_of(self, metric: str, before: Figures) -> dict[str, float]:
        """Return by how much the series of a counter have grown since `before`, those that have."""
        known = before.of(metric)
        grown = {labels: value - known.get(labels, 0) for labels, value in self.of(metric).items()}
        return {labels: value for labels, value in grown.items() if value}

    def value(self, metric: str) -> float | None:
        """Return the value of a metric without labels; None if it is zero or not there."""
        return self.series.get(metric)

    def said(self, event: str) -> list[dict[str, Any]]:
        return [line for line in self.log if line.get("event") == event]

    def records(self, acks: str = "all") -> dict[str, int]:
        return self.status["records"][acks]


def take(sentinel: Sentinel) -> Figures:
    status = sentinel.status()
    assert status, "Sentinel does not answer"
    lines = [json.loads(line) for line in sentinel.logs() if line.startswith("{")]
    return Figures(status, series(sentinel.metrics()), lines)


def series(text: str) -> dict[str, float]:
    """Return the samples of a scrape that are not zero."""
    samples = (sample for family in text_string_to_metric_families(text) for sample in family.samples)
    return {
        " ".join([sample.name.removeprefix(PREFIX), *(value for _, value in _labels(sample.labels))]): sample.value
        for sample in samples
        if sample.value
    }


def _labels(labels: dict[str, str]) -> list[tuple[str, str]]:
    return sorted((name, value) for name, value in labels.items() if name != "kafka_cluster")


def assert_accounts_whole(found: Figures) -> None:
    """The identities hold, and nothing is claimed that did not happen here. Losses are the caller's matter."""
    figures = found.records()
    assert_identities(figures)
    claimed = {name: figures[name] for name in NEVER if figures[name]}
    assert claimed == {}, claimed
    assert figures["verified"] > 0
    assert found.of("invariant_violations_total") == found.of("blind_seconds_total") == {}
    assert found.of("records_duplicated_total") == found.of("records_corrupted_total") == {}


@contextmanager
def explained(*sentinels: Sentinel) -> Iterator[None]:
    """Show the last lines of their logs if the body fails, while they are still there."""
    try:
        yield
    except BaseException:
        for each in sentinels:
            say(f"{each.topic}: {each.last_lines()}")
        raise


def watching(row: Permission) -> bool:
    """Tell whether a right is one of a Sentinel that watches and breaks nothing."""
    return row.need is not Need.EXPERIMENTS
