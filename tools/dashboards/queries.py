"""What panels ask Prometheus: selectors with the variables of every dashboard, and the forms that count with them."""

from __future__ import annotations

from dataclasses import dataclass

SCRAPED = 'job=~"$job", instance=~"$instance", kafka_cluster=~"$kafka_cluster"'
RANGE, RATE = "$__range", "$__rate_interval"  # the range shown; what Grafana holds wide enough for rates


@dataclass(frozen=True)
class Query:
    """`events`: nothing is found until there was such an event; then the panel says so instead of a figure."""

    expr: str
    legend: str = ""
    events: bool = False


def series(metric: str, **labels: str) -> str:
    """Return a selector. A value that begins with `!` is one that the label must not have."""
    wanted = [f'{name}!="{value[1:]}"' if value[:1] == "!" else f'{name}="{value}"' for name, value in labels.items()]
    return f"kafka_sentinel_{metric}{{{', '.join((SCRAPED, *wanted))}}}"


def new(metric: str, **labels: str) -> str:
    """Return what was counted within the range, also by lives of Sentinel before they were scraped first.

    Lives that were seen within the day before it are not new: Prometheus may have been away when the range began.
    """
    one = series(metric, **labels)
    begun = f"last_over_time({one}[{RANGE}]) unless last_over_time({one}[1d] offset {RANGE})"
    return f"{begun} or increase({one}[{RANGE}])"


def added(metric: str, window: str = RATE, **labels: str) -> str:
    return f"increase({series(metric, **labels)}[{window}])"


def quantile(share: float, metric: str, by: str, window: str = RANGE, **labels: str) -> str:
    """Return a quantile of what was observed within the window; nothing where nothing was."""
    some = f"sum by ({by}) (increase({series(f'{metric}_count', **labels)}[{window}])) > 0"
    buckets = f"sum by ({', '.join(('le', *by.split()))}) (increase({series(f'{metric}_bucket', **labels)}[{window}]))"
    return f"histogram_quantile({share}, {buckets}) and on ({by}) {some}"


def share_failed(window: str) -> str:
    """Return the share of slots that failed, without those in which Sentinel could not see."""
    bad = added("probe_slots_total", window, result="bad")
    seen = added("probe_slots_total", window, result="!blind")
    return f"sum by (operation) ({bad}) / (sum by (operation) ({seen}) > 0)"
