"""Whether a Prometheus knows the metrics of a Sentinel as the catalogue promises them."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import product

from tests.alerts.client import Client

from kafka_sentinel.adapters.metric_catalogue import CATALOGUE
from kafka_sentinel.adapters.metric_labels import CLUSTER_LABEL, PREFIX, Kind, Label, Metric

# What there is nothing to say about where no file of certificates is given.
WITHOUT_CERTIFICATES = {"certificate_expiry_timestamp_seconds"}
# What there is nothing to say about before the first loss, the first incident and the first experiment.
NOTHING_YET = {
    "last_loss_timestamp_seconds",
    "recovery_last_seconds",
    "experiments_total",
    "experiments_skipped_total",
    "experiment_next_run_timestamp_seconds",
    "experiment_last_success_timestamp_seconds",
}


def unheard(prometheus: Client, **target: str) -> set[str]:
    """Return the metrics of the catalogue that have no series now. `target`: labels that narrow this to one target."""
    found = {each["__name__"] for each in _now(prometheus, target)}
    return {metric.name for metric in CATALOGUE.values() if f"{PREFIX}{_sample(metric)}" not in found}


def check_metadata(prometheus: Client) -> None:
    """Type and help are those of the catalogue, also of what has no series yet; and ours has no other metric."""
    found = {
        name: (one["type"], one["help"]) for name, [one] in prometheus.metadata().items() if name.startswith(PREFIX)
    }
    # OpenMetrics, which Prometheus asks for, names the family of a counter without its suffix.
    wanted = {
        f"{PREFIX}{metric.name.removesuffix('_total')}": (str(metric.kind), metric.help)
        for metric in CATALOGUE.values()
    }
    wrong = {name: found.get(name) for name in found.keys() | wanted.keys() if found.get(name) != wanted.get(name)}
    assert not wrong, f"Prometheus knows {wrong}"


def check_labels(prometheus: Client, cluster: str, of_target: set[str], **target: str) -> None:
    """Every series has the labels of the contract, with values of the contract, and those of its target."""
    own = of_target | {"__name__", CLUSTER_LABEL}
    for each in _now(prometheus, target):
        metric = _metric(each["__name__"])
        bucket = {"le"} if each["__name__"].endswith("_bucket") else set()
        assert set(each) == own | bucket | {label.name for label in metric.labels}, each
        assert each[CLUSTER_LABEL] == cluster, each
        for label in metric.labels:
            assert label.limit or each[label.name] in label.values, each


def check_known_in_advance(prometheus: Client, **target: str) -> None:
    """What tells of no event or fact has a series for each of its values, where acks=1 is not probed."""
    there = {tuple(each.get(name) for name in _order(each["__name__"])) for each in _now(prometheus, target)}
    for metric in CATALOGUE.values():
        if metric.absent or any(label.limit for label in metric.labels):
            continue
        name = f"{PREFIX}{_sample(metric)}"
        wanted = {(name, *chosen) for chosen in product(*map(_expected, metric.labels))}
        assert wanted <= there, f"{metric.name} lacks {sorted(wanted - there)}"


def _expected(label: Label) -> tuple[str, ...]:
    return ("all",) if label.name == "acks" else label.values


def _order(name: str) -> tuple[str, ...]:
    """Return the labels of a series in the order of the catalogue, its name first."""
    return ("__name__", *(label.name for label in _metric(name).labels))


def _metric(name: str) -> Metric:
    return next(one for one in CATALOGUE.values() if name.removeprefix(PREFIX) in _samples(one))


def _now(prometheus: Client, target: Mapping[str, str]) -> list[dict[str, str]]:
    matchers = [f'__name__=~"{PREFIX}.+"', *(f'{name}="{value}"' for name, value in target.items())]
    return [each["metric"] for each in prometheus.now(f"{{{','.join(matchers)}}}")]


def _sample(metric: Metric) -> str:
    return f"{metric.name}_count" if metric.kind is Kind.HISTOGRAM else metric.name


def _samples(metric: Metric) -> set[str]:
    if metric.kind is not Kind.HISTOGRAM:
        return {metric.name}
    return {f"{metric.name}_{part}" for part in ("bucket", "count", "sum")}
