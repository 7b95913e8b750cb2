"""The dashboards as they are in grafana/, panel by panel and query by query."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.alerts.promtool import ROOT

FOLDER = ROOT / "grafana"
FILES = sorted(FOLDER.glob("*.json"))


@dataclass(frozen=True)
class Asked:
    """One query of a panel (or an annotation), with Grafana's variables still in it."""

    board: str
    panel: str
    expr: str
    instant: bool
    waits: bool  # for an event: nothing is found before, and the panel says so

    def filled(self, **values: str) -> str:
        """Return it as Grafana would send it. `values`: those that differ."""
        return filled(self.expr, **values)


def filled(expr: str, **values: str) -> str:
    """Return a query as Grafana would send it. `values`: those of the variables that differ."""
    variables = {
        "__rate_interval": "1m",
        "__range": "1h",
        "kafka_cluster": "stage",
        "job": ".+",
        "instance": ".+",
    } | values
    for name in sorted(variables, key=len, reverse=True):
        expr = expr.replace(f"${name}", variables[name])
    return expr


def load(path: Path) -> dict[str, Any]:
    return json.loads(path.read_text())


def panels(board: dict[str, Any]) -> list[dict[str, Any]]:
    return [panel for panel in board["panels"] if panel["type"] != "row"]


def asked() -> Iterator[Asked]:
    for path in FILES:
        board = load(path)
        for panel in panels(board):
            for target in panel["targets"]:
                yield Asked(path.stem, panel["title"], target["expr"], bool(target.get("instant")), _waits(panel))
        for note in board["annotations"]["list"]:
            yield Asked(path.stem, f"annotation {note['name']}", note["expr"], instant=False, waits=True)


def _waits(panel: dict[str, Any]) -> bool:
    return panel["fieldConfig"]["defaults"].get("noValue", NOT_KNOWN) != NOT_KNOWN


NOT_KNOWN = "not known"  # what a panel says that should always have something to show
