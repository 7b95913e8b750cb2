"""docs/metrics.md, made from the catalogue: `python -m kafka_sentinel.adapters.metric_docs > docs/metrics.md`."""

from __future__ import annotations

import sys

from kafka_sentinel.adapters.metric_catalogue import SECTIONS
from kafka_sentinel.adapters.metric_labels import (
    CLUSTER_LABEL,
    LATENCY_BUCKETS,
    PREFIX,
    RECOVERY_BUCKETS,
    Label,
    Metric,
)

_HEAD = f"""# Metrics

Generated from `src/kafka_sentinel/adapters/metric_catalogue.py`; do not edit.

Served at `/metrics` in the Prometheus text format, or as OpenMetrics to who asks for it. Names, types and labels are a
contract: they change only with a major version.

- Every name starts with `{PREFIX}`, and every series bears the constant label `{CLUSTER_LABEL}`.
- Units are seconds and records.
- Counters start at 0 in each process; totals over the life of an installation are in the state and in the API.
- All series known in advance exist from the start with the value 0, those with `acks` for the levels that are probed.
  Where the column *absent* says yes, a series exists only once the event has happened or the fact is known: absent
  means unknown, never zero.
- Series labelled with a cause are written once, when the cause of the incident is settled.
- No label is unbounded. Where values depend on the configuration or the cluster, the table below names the most
  there can be; beyond that, counters gather under `other` and gauges leave the series out.
"""


def render_docs() -> str:
    parts = [_HEAD]
    parts += [_section(title, metrics) for title, metrics in SECTIONS]
    parts += [_labels(), _buckets()]
    return "\n".join(parts)


def _section(title: str, metrics: tuple[Metric, ...]) -> str:
    rows = [_row(metric) for metric in metrics]
    return "\n".join(
        [f"## {title}\n", "| name | type | labels | absent | meaning |", "|---|---|---|---|---|", *rows, ""]
    )


def _row(metric: Metric) -> str:
    labels = "; ".join(f"`{label.name}`{_inline(label)}" for label in metric.labels)
    absent = "yes" if metric.absent else ""
    return f"| `{PREFIX}{metric.name}` | {metric.kind} | {labels} | {absent} | {metric.help} |"


def _inline(label: Label) -> str:
    """Return the closed values where they are few; the table of labels has them all."""
    few = 3
    return "=" + ", ".join(label.values) if not label.limit and len(label.values) <= few else ""


def _labels() -> str:
    users: dict[Label, list[str]] = {}
    for _, metrics in SECTIONS:
        for metric in metrics:
            for label in metric.labels:
                users.setdefault(label, []).append(f"`{metric.name}`")
    rows = [f"| `{label.name}` | {_values(label)} | {', '.join(names)} |" for label, names in users.items()]
    return "\n".join(["## Labels\n", "| label | values | metrics |", "|---|---|---|", *rows, ""])


def _values(label: Label) -> str:
    listed = ", ".join(f"`{value}`" for value in label.values)
    if not label.limit:
        return listed
    return f"{label.rule}; at most {label.limit}" + (f"; from the start: {listed}" if listed else "")


def _buckets() -> str:
    return "\n".join(
        [
            "## Buckets\n",
            f"Latency, seconds: {', '.join(f'{bound:g}' for bound in LATENCY_BUCKETS)}.",
            "",
            f"Recovery and lead time, seconds: {', '.join(f'{bound:g}' for bound in RECOVERY_BUCKETS)}.",
            "",
        ]
    )


if __name__ == "__main__":
    sys.stdout.write(render_docs())
