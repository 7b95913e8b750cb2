"""The metrics of one process, on a registry of their own. What exists is decided by the catalogue alone."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from importlib.metadata import version
from itertools import product
from typing import Any

import confluent_kafka
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, disable_created_metrics

from kafka_sentinel import __version__
from kafka_sentinel.adapters.metric_catalogue import CATALOGUE
from kafka_sentinel.adapters.metric_labels import CLUSTER_LABEL, OTHER, PREFIX, Kind, Label, Metric
from kafka_sentinel.adapters.status_gauges import WITHIN, last_successes, status_gauges
from kafka_sentinel.core.commands import Count, Observe

Labels = Iterable[tuple[str, str]]
Values = tuple[str, ...]  # label values in the order of the catalogue


class CatalogueError(AssertionError):
    """A metric, label or value that the catalogue does not have: a programming error."""


class Metrics:
    """Counters, gauges and histograms of the catalogue. Written by one thread (the engine's), read by any.

    `cluster` is the value of the constant label. `known` names values of the labels that depend on configuration
    (as `experiment`), so that their series start at 0. `acks` are the levels in use: only their series start at 0.
    """

    def __init__(
        self,
        cluster: str,
        *,
        known: Mapping[str, Iterable[str]] | None = None,
        acks: Iterable[str] = ("all", "1"),
        registry: CollectorRegistry | None = None,
    ) -> None:
        disable_created_metrics()  # type: ignore[no-untyped-call]  # they would double the page, and tell no more than the start of the process
        self.registry = registry if registry is not None else CollectorRegistry()
        self._cluster = cluster
        self._initial = {name: tuple(values) for name, values in (known or {}).items()} | {"acks": tuple(acks)}
        self._families = {name: _family(metric, self.registry) for name, metric in CATALOGUE.items()}
        self._series: dict[str, dict[Values, Counter | Gauge | Histogram]] = {name: {} for name in CATALOGUE}
        self._used: dict[tuple[str, str], set[str]] = {}  # (metric, open label) → values exported, at most its limit
        self._resolved: dict[tuple[Kind, str, tuple[tuple[str, str], ...]], Counter | Gauge | Histogram] = {}
        for metric in CATALOGUE.values():
            if not metric.absent:
                self._create_known(metric)
        self.set_gauge("build_info", _build().items(), 1)

    def apply(self, command: Count | Observe) -> None:
        if isinstance(command, Count):
            counter = self._child(command.metric, command.labels, Kind.COUNTER)
            assert isinstance(counter, Counter)
            counter.inc(command.amount)
            return
        histogram = self._child(command.metric, command.labels, Kind.HISTOGRAM)
        assert isinstance(histogram, Histogram)
        for value in command.values:
            histogram.observe(value)

    def set_gauge(self, metric: str, labels: Mapping[str, str] | Labels, value: float) -> None:
        """Set one series. A new value of an open label beyond the label's limit is left out."""
        pairs = tuple(labels.items()) if isinstance(labels, Mapping) else tuple(labels)
        gauge = self._child(metric, pairs, Kind.GAUGE)
        if isinstance(gauge, Gauge):
            gauge.set(value)

    def replace(self, metric: str, series: Mapping[Values, float], within: Values = ()) -> None:
        """Make `series` (label values in the order of the catalogue → value) all there is of a gauge.

        `within` narrows this to the series whose first label values these are.
        """
        names = [label.name for label in _metric(metric).labels]
        if _metric(metric).kind is not Kind.GAUGE:
            raise CatalogueError(f"{metric} is a {_metric(metric).kind}: only gauges can be replaced")
        gone = [values for values in self._series[metric] if values not in series and values[: len(within)] == within]
        for values in gone:
            self._remove(metric, values)
        for values, value in series.items():
            self.set_gauge(metric, zip(names, values, strict=True), value)

    def clear(self, metric: str) -> None:
        """Take all series of a gauge away: what they told is not known any more."""
        self.replace(metric, {})

    def update_from_status(self, status: Mapping[str, Any]) -> None:
        """Set every gauge that a status snapshot tells of. Cheap enough for each tick."""
        for metric, series in status_gauges(status).items():
            self.replace(metric, series, WITHIN.get(metric, ()))
        for experiment, at in last_successes(status).items():
            self.set_gauge("experiment_last_success_timestamp_seconds", {"experiment": experiment}, at)

    def _create_known(self, metric: Metric) -> None:
        for values in product(*(self._initial.get(label.name, label.values) for label in metric.labels)):
            self._child(metric.name, zip((label.name for label in metric.labels), values, strict=True), metric.kind)

    def _child(self, name: str, labels: Labels, kind: Kind) -> Counter | Gauge | Histogram | None:
        """Return the series, made at first use; None for a gauge whose open label is at its limit."""
        pairs = tuple(labels)
        found = self._resolved.get((kind, name, pairs))
        if found is not None:
            return found
        metric = _metric(name)
        if metric.kind is not kind:
            raise CatalogueError(f"{name} is a {metric.kind}, used as a {kind}")
        given = dict(pairs)
        if len(given) != len(pairs) or given.keys() != {label.name for label in metric.labels}:
            expected = ", ".join(label.name for label in metric.labels) or "no labels"
            raise CatalogueError(f"{name} takes {expected}; given: {', '.join(n for n, _ in pairs) or 'none'}")
        wanted = tuple(given[label.name] for label in metric.labels)
        values = tuple(self._admit(metric, label, given[label.name]) for label in metric.labels)
        if values != wanted and kind is Kind.GAUGE:
            return None  # a gauge of "all others" would say nothing
        child = self._series[name].get(values)
        if child is None:
            child = self._families[name].labels(self._cluster, *values)
            self._series[name][values] = child
        if values == wanted:  # what goes to `other` is not remembered: it has no bound
            self._resolved[kind, name, pairs] = child
        return child

    def _admit(self, metric: Metric, label: Label, value: str) -> str:
        """Return the value to export: itself, or `other` when an open label is at its limit."""
        if value in label.values:
            return value
        if not label.limit:
            raise CatalogueError(f'{metric.name}: {label.name}="{value}" is none of {", ".join(label.values)}')
        used = self._used.setdefault((metric.name, label.name), set())
        if value not in used and len(used) >= label.limit:
            return OTHER
        used.add(value)
        return value

    def _remove(self, metric: str, values: Values) -> None:
        self._families[metric].remove(self._cluster, *values)
        del self._series[metric][values]
        self._resolved = {key: child for key, child in self._resolved.items() if key[1] != metric}
        for position, label in enumerate(CATALOGUE[metric].labels):
            if all(left[position] != values[position] for left in self._series[metric]):
                self._used.get((metric, label.name), set()).discard(values[position])


def _metric(name: str) -> Metric:
    if name not in CATALOGUE:
        raise CatalogueError(f"no metric {name} in the catalogue")
    return CATALOGUE[name]


def _family(metric: Metric, registry: CollectorRegistry) -> Counter | Gauge | Histogram:
    names = (CLUSTER_LABEL, *(label.name for label in metric.labels))
    name = PREFIX + metric.name
    match metric.kind:
        case Kind.COUNTER:
            return Counter(name, metric.help, names, registry=registry)
        case Kind.GAUGE:
            return Gauge(name, metric.help, names, registry=registry)
        case Kind.HISTOGRAM:
            return Histogram(name, metric.help, names, buckets=metric.buckets, registry=registry)


def _build() -> dict[str, str]:
    return {
        "version": __version__,
        "client": version("confluent-kafka"),
        "librdkafka": str(confluent_kafka.libversion()[0]),
    }
