"""The dashboards are what their program makes, fit Grafana's schema, and name what there is."""

from __future__ import annotations

import json
import re

import pytest
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.cog.plugins import register_default_plugins
from grafana_foundation_sdk.models.dashboard import Dashboard
from tests.alerts.boards import FILES, FOLDER, asked, load, panels
from tests.alerts.promql import mistakes
from tests.alerts.promtool import ROOT, parse
from tools.dashboards.__main__ import BOARDS, main

register_default_plugins()
EVERY = [pytest.param(path, id=path.stem) for path in FILES]
PANELS = [pytest.param(panel, id=f"{path.stem}: {panel['title']}") for path in FILES for panel in panels(load(path))]
QUERIES = [pytest.param(query, id=f"{query.board}: {query.panel}") for query in asked()]
SELECTOR = re.compile(r"kafka_sentinel_\w+\{([^}]*)\}")
MATCHERS = ('kafka_cluster=~"$kafka_cluster"', 'job=~"$job"', 'instance=~"$instance"')


def test_they_are_what_the_program_makes():
    assert {path.name for path in FILES} == set(BOARDS)
    assert main(["--check", "--folder", str(FOLDER)]) == 0


def test_one_that_is_stale_or_missing_is_found_and_written_anew(tmp_path, capsys):
    assert main(["--check", "--folder", str(tmp_path)]) == 1
    assert main(["--folder", str(tmp_path)]) == 0
    assert main(["--check", "--folder", str(tmp_path)]) == 0
    (tmp_path / FILES[0].name).write_text("{}")
    assert main(["--check", "--folder", str(tmp_path)]) == 1
    assert capsys.readouterr().err.splitlines()[-1] == f"stale: {FILES[0].name}; run `make docs`"


@pytest.mark.parametrize("path", EVERY)
def test_they_fit_the_schema_and_nothing_in_them_is_unknown_to_it(path):
    again = json.dumps(Dashboard.from_json(load(path)), cls=JSONEncoder)
    assert json.loads(again) == load(path)


@pytest.mark.parametrize("path", EVERY)
def test_data_source_and_cluster_are_variables(path):
    variables = {each["name"]: each for each in load(path)["templating"]["list"]}
    assert list(variables) == ["datasource", "kafka_cluster", "job", "instance"]
    assert (variables["datasource"]["type"], variables["datasource"]["query"]) == ("datasource", "prometheus")
    for name in ("job", "instance"):
        assert (variables[name]["multi"], variables[name]["includeAll"], variables[name]["allValue"]) == (
            True,
            True,
            ".+",
        )
    for name in ("kafka_cluster", "job", "instance"):
        assert variables[name]["refresh"] == 2
        assert variables[name]["datasource"]["uid"] == "${datasource}"


@pytest.mark.parametrize("path", EVERY)
def test_ids_and_titles_are_unique_and_the_panels_fill_their_rows(path):
    board = load(path)
    assert board["uid"] == path.stem
    assert len({panel["id"] for panel in board["panels"]}) == len(board["panels"])
    assert len({panel["title"] for panel in board["panels"]}) == len(board["panels"])
    taken = set()
    for panel in board["panels"]:
        place = panel["gridPos"]
        cells = {(place["x"] + x, place["y"] + y) for x in range(place["w"]) for y in range(place["h"])}
        assert place["x"] + place["w"] <= 24
        assert not cells & taken
        taken |= cells
    assert len(taken) == 24 * max(y + 1 for _, y in taken), "there is a hole"


@pytest.mark.parametrize("panel", PANELS)
def test_a_panel_says_what_it_shows(panel):
    defaults = panel["fieldConfig"]["defaults"]
    assert panel["datasource"] == {"type": "prometheus", "uid": "${datasource}"}
    assert re.fullmatch(r"[A-Z0-9].*\.", panel["description"], re.DOTALL)
    assert not panel["title"].endswith(".")
    assert defaults["unit"]
    assert defaults["thresholds"]["steps"][0]["value"] is None
    assert panel["targets"]
    for target in panel["targets"]:
        assert target["datasource"]["uid"] == "${datasource}"


@pytest.mark.parametrize("query", QUERIES)
def test_a_query_names_what_there_is_of_the_chosen_cluster(query):
    assert mistakes(query.expr) == []
    found = SELECTOR.findall(query.expr)
    assert found or query.expr.startswith("ALERTS{")
    assert all(matcher in matchers for matchers in found for matcher in MATCHERS)
    assert len(found) == query.expr.count("kafka_sentinel_")


def test_every_query_is_promql(tmp_path):
    queries = list(asked())
    assert len(queries) > 80
    rules = [{"record": f"query:{number}", "expr": query.filled()} for number, query in enumerate(queries)]
    assert parse(rules, tmp_path) == ""
    assert "$" not in "".join(rule["expr"] for rule in rules)


def test_the_metrics_that_alerts_look_at_are_shown():
    """Who is woken finds what woke him."""
    rules = (ROOT / "helm/kafka-sentinel/alerts/kafka-sentinel.yaml").read_text()
    alerted = set(re.findall(r"kafka_sentinel_[a-z_]+", re.sub(r"#.*|kafka_cluster(_operation)?:\S+", "", rules)))
    shown = set(re.findall(r"kafka_sentinel_[a-z_]+", "".join(query.expr for query in asked())))
    unseen = {"build_info", "certificate_expiry_timestamp_seconds"}  # as test_panels.py has it of their runbooks
    assert alerted - shown == {f"kafka_sentinel_{name}" for name in unseen}
