"""The dashboards keep the rules of Grafana's dashboard-linter, but for what `.lint` excludes, with a reason."""

from __future__ import annotations

import copy
import re
from collections.abc import Callable
from typing import Any

import pytest
import yaml
from tests.alerts.boards import FILES, FOLDER, load, panels
from tests.alerts.linter import RULES, Board, selectors

BOARDS = {path.stem: load(path) for path in FILES}
EXCLUDED: dict[str, dict[str, Any]] = yaml.safe_load((FOLDER / ".lint").read_text())["exclusions"]
EVERY = [
    pytest.param(board, rule, id=f"{name.removeprefix('kafka-sentinel-')}: {rule}")
    for name, board in BOARDS.items()
    for rule in RULES
]


def excluded(rule: str, board: Board) -> set[str]:
    """Return the titles of the panels of which the rule is not demanded."""
    entries = EXCLUDED.get(rule, {"entries": []})["entries"]
    return {entry["panel"] for entry in entries if entry["dashboard"] == board["title"]}


@pytest.mark.parametrize(("board", "rule"), EVERY)
def test_a_dashboard_keeps_the_rules_but_for_what_is_excluded(board, rule):
    found = RULES[rule](board)
    assert {title for title, _ in found} == excluded(rule, board), found


def test_what_is_excluded_has_a_reason_and_names_what_there_is():
    titles = {(board["title"], panel["title"]) for board in BOARDS.values() for panel in panels(board)}
    assert set(EXCLUDED) <= set(RULES)
    for rule in EXCLUDED.values():
        assert set(rule) == {"reason", "entries"}
        assert len(rule["reason"]) > 40
        listed = [(entry["dashboard"], entry["panel"]) for entry in rule["entries"]]
        assert set(listed) <= titles
        assert len(set(listed)) == len(listed) > 0


def test_counters_are_taken_as_they_are_only_to_find_what_a_new_life_counted():
    """The one form that is excluded: what began within the range, beside `increase` of the rest."""
    form = re.compile(
        r"last_over_time\((?P<one>\w+\{[^}]*\})\[\$__range\]\) unless last_over_time\((?P=one)\[1d\] offset \$__range\)"
        r" or increase\((?P=one)\[\$__range\]\)"
    )
    forms = 0
    for board in BOARDS.values():
        for panel in panels(board):
            if panel["title"] in excluded("target-counter-agg-rule", board):
                for target in panel["targets"]:
                    forms += len(form.findall(target["expr"]))
                    rest = selectors(form.sub("", target["expr"]))
                    assert [one for one in rest if one.metric.endswith("_total")] == []
    assert forms > 20


# --- each rule is seen to fail

Change = Callable[[Board], None]


def _variable(board: Board, name: str) -> dict[str, Any]:
    return next(each for each in board["templating"]["list"] if each["name"] == name)


def _put(name: str, /, **values: Any) -> Change:
    return lambda board: _variable(board, name).update(values)


def _without(name: str) -> Change:
    return lambda board: board["templating"]["list"].remove(_variable(board, name))


def _panel(**values: Any) -> Change:
    return lambda board: panels(board)[0].update(values)


def _config(**values: Any) -> Change:
    return lambda board: panels(board)[0]["fieldConfig"]["defaults"].update(values)


def _overridden(unit: str) -> Change:
    override = {"matcher": {"id": "byName", "options": "a"}, "properties": [{"id": "unit", "value": unit}]}
    return lambda board: panels(board)[0]["fieldConfig"]["overrides"].append(override)


def _target(**values: Any) -> Change:
    return lambda board: panels(board)[0]["targets"][0].update(values)


def _asks(expr: str) -> Change:
    return _target(expr=expr)


def _everywhere(before: str, after: str) -> Change:
    """Change all queries of the first panel that has it in one; something else would be no change at all."""

    def change(board: Board) -> None:
        panel = next(each for each in panels(board) if any(before in target["expr"] for target in each["targets"]))
        for target in panel["targets"]:
            target["expr"] = target["expr"].replace(before, after)

    return change


def _note(**values: Any) -> Change:
    return lambda board: board["annotations"]["list"][0].update(values)


SCRAPED = 'job=~"$job", instance=~"$instance"'
CHANGES: dict[str, list[Change]] = {
    "template-datasource-rule": [
        _without("datasource"),
        _put("datasource", name="ds"),
        _put("datasource", label="Source"),
    ],
    "template-job-rule": [
        _without("job"),
        _put("job", multi=False),
        _put("job", allValue=".*"),
        _put("job", label="Task"),
        _put("job", type="custom"),
        _put("job", datasource={"uid": "prom"}),
    ],
    "template-instance-rule": [
        _without("instance"),
        _put("instance", multi=False),
        _put("instance", allValue=None),
        _put("instance", label="Pod"),
        _put("instance", type="custom"),
        _put("instance", datasource={}),
    ],
    "template-label-promql-rule": [
        _put("job", query="label_values(kafka_sentinel_build_info{, job)"),
        _put("job", query="values_of(kafka_sentinel_build_info, job)"),
        _put("job", query="kafka_sentinel_build_info"),
    ],
    "template-on-time-change-reload-rule": [_put("kafka_cluster", refresh=1), _put("instance", refresh=0)],
    "panel-datasource-rule": [
        _panel(datasource={"type": "prometheus", "uid": "prom"}),
        _panel(datasource={}),
        _target(datasource={"uid": "prom"}),
    ],
    "panel-title-description-rule": [_panel(title=""), _panel(description="")],
    "panel-units-rule": [_config(unit=""), _config(unit="seconds"), _config(unit=None), _overridden("secs")],
    "panel-no-targets-rule": [_panel(targets=[]), _panel(targets=None)],
    "target-promql-rule": [_asks("sum(("), _asks(""), _note(expr="sum by (cause) (1")],
    "target-rate-interval-rule": [
        _asks(f"rate(kafka_sentinel_records_sent_total{{{SCRAPED}}}[5m])"),
        _asks(f"sum(irate(kafka_sentinel_records_sent_total{{{SCRAPED}}}[$__interval]))"),
    ],
    "target-job-rule": [
        _everywhere('job=~"$job", ', ""),
        _everywhere('job=~"$job"', 'job="$job"'),
        _asks("kafka_sentinel_incidents_open"),
        _note(expr='kafka_sentinel_incidents_open{instance=~"$instance"}'),
    ],
    "target-instance-rule": [
        _everywhere('instance=~"$instance", ', ""),
        _everywhere('instance=~"$instance"', 'instance=~"$job"'),
        _asks("kafka_sentinel_incidents_open"),
    ],
    "target-counter-agg-rule": [
        _everywhere("increase(kafka_sentinel_probe", "delta(kafka_sentinel_probe"),
        _note(expr=f"sum(kafka_sentinel_records_lost_total{{{SCRAPED}}})"),
    ],
    "target-logql-rule": [
        _put("datasource", query="loki"),
        _panel(datasource={"type": "loki", "uid": "${datasource}"}),
        _target(datasource={"type": "loki", "uid": "${datasource}"}),
    ],
    "uneditable-dashboard-rule": [lambda board: board.update(editable=True), lambda board: board.pop("editable")],
}


def test_every_rule_is_tried():
    assert set(CHANGES) == set(RULES)


@pytest.mark.parametrize(
    ("rule", "change"),
    [
        pytest.param(rule, each, id=f"{rule} {number}")
        for rule, all_ in CHANGES.items()
        for number, each in enumerate(all_)
    ],
)
def test_a_dashboard_that_breaks_a_rule_is_found(rule, change):
    board = copy.deepcopy(BOARDS["kafka-sentinel-overview"])
    change(board)
    assert RULES[rule](board) - RULES[rule](BOARDS["kafka-sentinel-overview"])
