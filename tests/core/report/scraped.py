"""The numbers of a report, held against what /metrics said at the same moment."""

from __future__ import annotations

from collections import defaultdict

import pytest
from prometheus_client.parser import text_string_to_metric_families

from kafka_sentinel.core.report.report import Report

PREFIX = "kafka_sentinel_"


class Scraped:
    """Sums of series by their labels, whatever other labels they have."""

    def __init__(self, text: str) -> None:
        self._series: defaultdict[str, list[tuple[dict[str, str], float]]] = defaultdict(list)
        for family in text_string_to_metric_families(text):
            for sample in family.samples:
                self._series[sample.name].append((sample.labels, sample.value))

    def sum(self, metric: str, **labels: str) -> float:
        there = self._series[PREFIX + metric]
        assert there, f"{metric} was not scraped"
        return sum(value for found, value in there if labels.items() <= found.items())


def differences(report: Report, scraped: Scraped) -> dict[str, tuple[float, float]]:
    """Return what the report and the metrics do not agree on: name → (report, metrics)."""
    pairs = [*_records(report, scraped), *_service(report, scraped), *_incidents(report, scraped)]
    return {name: (said, there) for name, said, there in pairs if said != pytest.approx(there, abs=0.01)}


def _records(report, scraped):
    for one in report.records:
        acks = {"acks": one.acks.value}
        for name in ("acked", "rejected", "uncertain"):
            yield f"{name} {acks}", getattr(one, name), scraped.sum("records_outcome_total", outcome=name, **acks)
        for name in ("sent", "verified", "lost", "duplicated", "expired", "unaccounted"):
            yield f"{name} {acks}", getattr(one, name), scraped.sum(f"records_{name}_total", **acks)


def _service(report, scraped):
    for one in report.services:
        operation = {"operation": one.operation.value}
        for result in ("good", "bad", "blind"):
            there = scraped.sum("probe_slots_total", result=result, **operation)
            yield f"{result} slots {operation}", getattr(one, result), there
        yield f"down {operation}", one.down, scraped.sum("unavailable_seconds_total", **operation)
        provoked = scraped.sum("unavailable_seconds_total", cause="experiment", **operation)
        yield f"down in experiments {operation}", one.provoked, provoked
    yield "blind", report.span.sight.blind, scraped.sum("blind_seconds_total")


def _incidents(report, scraped):
    closed = [one for one in report.disruptions if one.closed is not None]
    for one in {each.cause for each in closed}:
        of_cause = [each for each in closed if each.cause is one]
        cause = {"cause": one.value}
        for verdict in {each.verdict for each in of_cause}:
            number = sum(each.verdict is verdict for each in of_cause)
            yield f"{verdict} {cause}", number, scraped.sum("incidents_total", verdict=verdict.value, **cause)
        for phase in of_cause[0].phases:
            seconds = [each.phases[phase] for each in of_cause if each.phases[phase] is not None]
            there = scraped.sum("recovery_seconds_count", phase=phase, **cause)
            yield f"disruptions that reached {phase} {cause}", len(seconds), there
            yield f"seconds of {phase} {cause}", sum(seconds), scraped.sum("recovery_seconds_sum", phase=phase, **cause)
    verdicts = scraped.sum("incidents_total")
    yield "incidents closed", len(closed) + len(report.announced), verdicts
