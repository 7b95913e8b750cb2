"""What the panels show: every query of every dashboard, asked of a Prometheus as Grafana would."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

from tests.alerts.boards import Asked, asked
from tests.alerts.client import Client

Shown = dict[Asked, list[dict[str, Any]]]


def answers(prometheus: Client, lately: float, at: float, **variables: str) -> Shown:
    """Return what each query finds.

    `lately`: seconds that a graph shows. `at`: the instant (wall clock) that all are asked about, since asking takes
    seconds. `variables`: those of Grafana that differ.
    """
    found = {}
    for query in asked():
        expr = query.filled(**variables)
        found[query] = prometheus.now(expr, at) if query.instant else prometheus.lately(expr, lately, at)
    return found


def empty(found: Shown) -> list[str]:
    return [_name(query) for query, result in found.items() if not result]


def strange(found: Shown) -> list[str]:
    """Return the queries that found something that is no number."""
    return [_name(query) for query, result in found.items() if not all(map(math.isfinite, values(result)))]


def values(result: list[dict[str, Any]]) -> Iterator[float]:
    for series in result:
        for _, value in series.get("values") or [series["value"]]:
            yield float(value)


def _name(query: Asked) -> str:
    return f"{query.board}: {query.panel}: {query.expr}"
