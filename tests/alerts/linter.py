"""The rules of Grafana's dashboard-linter (github.com/grafana/dashboard-linter, docs/rules), as far as they are said.

Where a rule there looks at some kinds of panels, ours look at all. A rule returns what it finds wrong: the title of the
panel ("" is the dashboard as a whole) and why.
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.alerts import promtool
from tests.alerts.boards import filled, panels

Board = dict[str, Any]
Wrong = set[tuple[str, str]]
Rule = Callable[[Board], Wrong]

# Of the units that Grafana has (packages/grafana-data/src/valueFormats/categories.ts), those that fit what we show.
UNITS = {
    *("none", "short", "locale", "percent", "percentunit", "bool", "bool_yes_no"),
    *("bytes", "decbytes", "Bps", "cps", "ops", "reqps", "rps", "wps"),
    *("ns", "µs", "ms", "s", "m", "h", "d", "dtdurations", "dateTimeAsIso", "dateTimeAsLocal", "dateTimeFromNow"),
}
SOURCES = {"$datasource", "${datasource}", "$prometheus_datasource", "${prometheus_datasource}"}
FUNCTIONS = {"label_names", "label_values", "metrics", "query_result"}  # of Grafana, for the queries of variables
_SELECTOR = re.compile(r"(?<![\w:])(kafka_sentinel_\w+|ALERTS)(?:\{([^}]*)\})?(?:\[([^\]]*)\])?")
_MATCHER = re.compile(r'(\w+)\s*(=~|!~|!=|=)\s*"([^"]*)"')


@dataclass(frozen=True)
class Selector:
    """`window`: what stands in brackets behind it. `function`: what is called with it, and nothing else before it."""

    metric: str
    matchers: frozenset[tuple[str, str, str]]
    window: str | None
    function: str | None


def selectors(expr: str) -> Iterator[Selector]:
    for match in _SELECTOR.finditer(expr):
        called = re.search(r"(\w+)\(\s*$", expr[: match.start()])
        matchers = frozenset(_MATCHER.findall(match[2] or ""))
        yield Selector(match[1], matchers, match[3], called[1] if called else None)


def _queries(board: Board) -> Iterator[tuple[str, str]]:
    """Yield the title of each panel or annotation with each of its queries."""
    for panel in panels(board):
        for target in panel.get("targets") or ():
            yield panel.get("title", ""), target.get("expr", "")
    for note in board["annotations"]["list"]:
        yield note["name"], note.get("expr", "")


def _variables(board: Board, kind: str) -> list[dict[str, Any]]:
    return [each for each in board["templating"]["list"] if each["type"] == kind]


# --- variables


def template_datasource(board: Board) -> Wrong:
    found = _variables(board, "datasource")
    wrong = set() if found else {("", "no data source can be chosen")}
    for each in found:
        names = {f"{each['query'].lower()}_datasource", *(["datasource"] if len(found) == 1 else [])}
        labels = {f"{each['query'].title()} data source", *(["Data source"] if len(found) == 1 else [])}
        wrong |= {("", f"variable of the data source: {each['name']}")} if each["name"] not in names else set()
        wrong |= {("", f"label of the data source: {each.get('label')}")} if each.get("label") not in labels else set()
    return wrong


def _template(name: str) -> Rule:
    def rule(board: Board) -> Wrong:
        found = next((each for each in board["templating"]["list"] if each["name"] == name), None)
        if found is None:
            return {("", f"there is no variable {name}")}
        right = {
            "its source": found.get("datasource", {}).get("uid") in SOURCES,
            "its type": found["type"] == "query",
            "its label": found.get("label") == name.title(),
            "that several can be chosen": found.get("multi") is True,
            "its value for all": found.get("allValue") == ".+",
        }
        return {("", f"{name}: {what}") for what, fits in right.items() if not fits}

    return rule


def template_label_promql(board: Board) -> Wrong:
    wrong = set()
    for each in _variables(board, "query"):
        match = re.fullmatch(r"([a-z_]+)\((.+?)(?:, *\w+)?\)", each["query"])
        if match is None or match[1] not in FUNCTIONS or _no_promql([match[2]]):
            wrong.add(("", f"{each['name']}: {each['query']}"))
    return wrong


def template_on_time_change_reload(board: Board) -> Wrong:
    return {("", each["name"]) for each in _variables(board, "query") if each.get("refresh") != 2}


# --- panels


def panel_datasource(board: Board) -> Wrong:
    names = {form.format(each["name"]) for each in _variables(board, "datasource") for form in ("${}", "${{{}}}")}
    wrong = set()
    for panel in panels(board):
        uids = {each.get("datasource", {}).get("uid") for each in (panel, *(panel.get("targets") or ()))}
        wrong |= {(panel.get("title", ""), f"data source {uid}") for uid in uids - names}
    return wrong


def panel_title_description(board: Board) -> Wrong:
    return {
        (panel.get("title", ""), f"no {what}")
        for panel in panels(board)
        for what in ("title", "description")
        if not panel.get(what)
    }


def panel_units(board: Board) -> Wrong:
    wrong = set()
    for panel in panels(board):
        config = panel["fieldConfig"]
        own = [each for override in config.get("overrides", ()) for each in override["properties"]]
        units = [each["value"] for each in own if each["id"] == "unit"] or [config["defaults"].get("unit")]
        if not config["defaults"].get("mappings"):  # words need no unit
            wrong |= {(panel["title"], f"unit {unit}") for unit in units if unit not in UNITS}
    return wrong


def panel_no_targets(board: Board) -> Wrong:
    return {(panel["title"], "asks for nothing") for panel in panels(board) if not panel.get("targets")}


# --- queries


def target_promql(board: Board) -> Wrong:
    asked = list(_queries(board))
    if not _no_promql([expr for _, expr in asked]):
        return set()
    return {(title, expr) for title, expr in asked if _no_promql([expr])}


def target_rate_interval(board: Board) -> Wrong:
    return {
        (title, f"{found.function} over {found.window}")
        for title, expr in _queries(board)
        for found in selectors(expr)
        if found.function in {"rate", "irate"} and found.window != "$__rate_interval"
    }


def _target_matcher(name: str) -> Rule:
    def rule(board: Board) -> Wrong:
        return {
            (title, f"{found.metric} of every {name}")
            for title, expr in _queries(board)
            for found in selectors(expr)
            if (name, "=~", f"${name}") not in found.matchers
        }

    return rule


def target_counter_agg(board: Board) -> Wrong:
    return {
        (title, f"{found.function} of {found.metric}")
        for title, expr in _queries(board)
        for found in selectors(expr)
        if found.metric.endswith("_total")
        and (found.window is None or found.function not in {"rate", "irate", "increase"})
    }


def target_logql(board: Board) -> Wrong:
    """Of logs there is nothing: what the linter says of LogQL is kept as long as nobody asks a Loki."""
    kinds = {("", each["query"]) for each in _variables(board, "datasource")}
    for panel in panels(board):
        kinds |= {(panel["title"], each["datasource"].get("type")) for each in (panel, *(panel.get("targets") or ()))}
    return {(title, f"data source of type {kind}") for title, kind in kinds if kind != "prometheus"}


def uneditable_dashboard(board: Board) -> Wrong:
    return set() if board.get("editable") is False else {("", "it can be edited")}


RULES: dict[str, Rule] = {
    "template-datasource-rule": template_datasource,
    "template-job-rule": _template("job"),
    "template-instance-rule": _template("instance"),
    "template-label-promql-rule": template_label_promql,
    "template-on-time-change-reload-rule": template_on_time_change_reload,
    "panel-datasource-rule": panel_datasource,
    "panel-title-description-rule": panel_title_description,
    "panel-units-rule": panel_units,
    "panel-no-targets-rule": panel_no_targets,
    "target-promql-rule": target_promql,
    "target-rate-interval-rule": target_rate_interval,
    "target-job-rule": _target_matcher("job"),
    "target-instance-rule": _target_matcher("instance"),
    "target-counter-agg-rule": target_counter_agg,
    "target-logql-rule": target_logql,
    "uneditable-dashboard-rule": uneditable_dashboard,
}


def _no_promql(exprs: list[str]) -> str:
    rules = [{"record": f"query:{number}", "expr": filled(expr) or "("} for number, expr in enumerate(exprs)]
    with tempfile.TemporaryDirectory() as folder:
        return promtool.parse(rules, Path(folder))
