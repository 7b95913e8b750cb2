"""What a panel says beside its figures: which page helps, and when a figure is good or bad."""

from __future__ import annotations

import itertools
import re
from typing import Any

import pytest
from tests.alerts.boards import FILES, load, panels
from tests.alerts.pages import DOCS, dead, places
from tests.alerts.promql import metric_of
from tests.alerts.promtool import ALERTS, NAMES

from kafka_sentinel.adapters.metric_catalogue import CATALOGUE
from kafka_sentinel.core.guard_input import GuardSettings
from kafka_sentinel.core.report.verdict import Rules
from kafka_sentinel.settings import Settings

PANELS = {panel["title"]: panel for path in FILES for panel in panels(load(path))}
EVERY = [pytest.param(panel, id=title) for title, panel in PANELS.items()]
SLO = Settings.model_validate({"kafka": {"bootstrap_servers": ["kafka:9092"]}}).slo

# Figures that are neither good nor bad: why, and where what can be bad about them is shown.
NEUTRAL = {
    "Records on their way (acks=all)": "as many as the rate of probing makes; Suspected, overdue has the bad ones",
    "Outcome of sends (acks=all)": "as many as the rate of probing makes; In time has the share that failed",
    "Group consumer": "how many records are too many depends on the rate of probing; Readers' lag has it in seconds",
    "Passed": "the more the better, and none is not bad",
    "Elections": "leaders move with every restart that goes well",
    "Incidents, by cause": "Failed and Inconclusive judge them",
    "Objectives": "they are what others are measured by",
    "Last success": "how long ago it may be depends on how often the experiment is planned",
    "Reclaimed": "it is what spot nodes do; what it cost is beside it",
    "Notices, by source": "a notice is better than none",
    "Restarts over time": "Restarts, by cause judges them",
    "Trouble with the API server": "a resource that is not there is asked for again and again; Age of what Kubernetes"
    " told shows what matters",
}
WORDS = {"Experiments", "Paused", "Latched", "Held back", "Alerts that fire"}  # words in colours, in place of figures


def steps(panel: dict[str, Any]) -> list[tuple[str, list[tuple[float | None, str]]]]:
    """Return the thresholds of a panel with more than one step, by the series that they are of; "" is all."""
    config = panel["fieldConfig"]
    found = [("", config["defaults"]["thresholds"])]
    for override in config.get("overrides", ()):
        name = override["matcher"]["options"]
        found += [(name, each["value"]) for each in override["properties"] if each["id"] == "thresholds"]
    return [
        (name, [(step["value"], step["color"]) for step in each["steps"]])
        for name, each in found
        if len(each["steps"]) > 1
    ]


def colours(panel: dict[str, Any]) -> set[str]:
    """Return the colours of a panel's words."""
    config = panel["fieldConfig"]
    mappings = list(config["defaults"].get("mappings", ()))
    for override in config.get("overrides", ()):
        mappings += [one for each in override["properties"] if each["id"] == "mappings" for one in each["value"]]
    return {shown["color"] for each in mappings for shown in each["options"].values()}


# --- links


@pytest.mark.parametrize("panel", EVERY)
def test_a_panel_leads_to_pages_that_help(panel):
    assert panel["links"], "it links to nothing"
    assert [dead(link["url"]) for link in panel["links"] if dead(link["url"])] == []
    for link in panel["links"]:
        page = link["url"].removeprefix(DOCS).partition("#")[0]
        name = page.removeprefix("runbooks/").removesuffix(".md").replace("-", " ")
        assert link["title"] == f"What to do: {name}" if page.startswith("runbooks/") else f"What it means: {name}"
        assert link["targetBlank"]
    assert len({link["url"] for link in panel["links"]}) == len(panel["links"])


def test_a_link_that_leads_nowhere_is_found():
    assert dead(f"{DOCS}verdicts.md#lost") == dead(f"{DOCS}runbooks/KafkaSentinelBlind.md") == ""
    assert dead(f"{DOCS}verdict.md") == "there is no docs/verdict.md"
    assert dead(f"{DOCS}runbooks/../verdicts.md") == "there is no docs/runbooks/../verdicts.md"
    assert dead(f"{DOCS}verdicts.md#won") == "docs/verdicts.md has no place won"
    assert dead("https://example.com/verdicts.md") == "https://example.com/verdicts.md is no page of docs"


def test_places_are_named_as_github_does():
    assert places("# A\n## `slo.recovery`\n```\n# no heading\n```\n### Is it over, or_not?\n") == {
        "a",
        "slorecovery",
        "is-it-over-or_not",
    }


def test_every_runbook_is_linked_to_by_a_panel():
    """But those of alerts on Sentinel's absence, which no dashboard can show, and on certificates, which few have.

    Where there is none, their panel would be dead; `/api/v1/status` tells them.
    """
    linked = {link["url"].removeprefix(f"{DOCS}runbooks/") for panel in PANELS.values() for link in panel["links"]}
    assert {name for name in NAMES if f"{name}.md" not in linked} == {
        "KafkaSentinelCertificateExpires",
        "KafkaSentinelGone",
    }


# --- good and bad


@pytest.mark.parametrize("panel", EVERY)
def test_a_figure_that_can_be_good_or_bad_says_which(panel):
    title = panel["title"]
    assert bool(steps(panel)) == (title not in NEUTRAL and title not in WORDS)
    assert (len(colours(panel)) > 1) == (title in WORDS)
    assert bool(set(colours(panel)) & {"red", "yellow"}) == (title in WORDS and title != "Experiments")


@pytest.mark.parametrize("panel", EVERY)
def test_thresholds_rise_and_tell_good_from_bad(panel):
    for name, found in steps(panel):
        values = [value for value, _ in found[1:]]
        assert found[0][0] is None
        assert values == sorted(set(values))
        assert {color for _, color in found} & {"yellow", "red"}, name
        assert "green" in {color for _, color in found}, name
    if steps(panel) and panel["type"] == "timeseries":
        assert panel["fieldConfig"]["defaults"]["custom"]["thresholdsStyle"]["mode"] == "dashed"


def test_what_is_neutral_is_there_and_has_a_reason():
    assert set(NEUTRAL) | WORDS <= set(PANELS)
    assert all(len(reason) > 20 for reason in NEUTRAL.values())


@pytest.mark.parametrize("panel", [each for each in EVERY if each.values[0]["type"] in {"stat", "bargauge"}])
def test_that_nothing_is_known_is_neither_told_as_well_nor_as_bad(panel):
    """Grafana gives what is said where there is no figure the colour of the lowest step."""
    defaults = panel["fieldConfig"]["defaults"]
    lowest = defaults["thresholds"]["steps"][0]["color"]
    if defaults["noValue"] == "not known":
        assert lowest == "blue" or panel["title"] in {"Seen", "Left of 30 days' budget", "Records per second"}
    elif defaults["noValue"] == "never":
        assert lowest == "yellow"
    else:
        assert lowest in {"green", "blue"}


def test_an_empty_cell_of_a_table_says_nothing_of_the_whole():
    """Grafana writes what stands for nothing into every cell without a figure, too."""
    matrices = [panel for panel in PANELS.values() if "matrix" in str(panel.get("transformations", "")).lower()]
    assert [panel["fieldConfig"]["defaults"]["noValue"] for panel in matrices] == ["none"]


@pytest.mark.parametrize("panel", [each for each in EVERY if each.values[0]["type"] in {"stat", "bargauge"}])
def test_a_count_is_shown_to_the_last_digit_and_without_fractions(panel):
    defaults = panel["fieldConfig"]["defaults"]
    assert defaults["unit"] != "short"  # 12 K, of 12,034 lost
    counts = [target for target in panel["targets"] if "increase(" in target["expr"]]
    if defaults["unit"] == "locale" and counts:
        assert defaults["decimals"] == 0


def alerted(name: str, metric: str) -> list[float]:
    """Return what an alert compares with in its expressions that name the metric."""
    rules = [rule["expr"] for rule in ALERTS if rule["alert"] == name and metric in rule["expr"]]
    return [float(value) for expr in rules for value in re.findall(r"[<>]=?\s*(-?[\d.]+)\s*$", expr, re.MULTILINE)]


def test_alerts_and_panels_turn_at_the_same_values():
    assert alerted("KafkaSentinelBlind", "blind_seconds_total") == [0.5]
    assert steps(PANELS["Blind"]) == [("", [(None, "green"), (0.5, "yellow")])]
    assert set(alerted("KafkaSentinelConsumerLag", "consumer_lag_seconds")) == {60}
    assert steps(PANELS["Readers' lag"]) == [("", [(None, "green"), (60, "yellow")])]
    assert alerted("KafkaSentinelExperimentsStalled", "next_run_timestamp") == [90_000]
    assert steps(PANELS["Next run"]) == [("due in", [(None, "red"), (-90_000, "yellow"), (0, "green")])]
    assert alerted("KafkaSentinelSelftestOverdue", "next_run_timestamp") == [7_200]
    assert "> bool 7200" in PANELS["Self-test"]["targets"][1]["expr"]
    assert steps(PANELS["Self-test"]) == [("", [(None, "blue"), (0, "green"), (1, "yellow")])]
    burns = [rule["expr"] for rule in ALERTS if rule["alert"] == "KafkaSentinelErrorBudgetBurn"]
    assert [set(re.findall(r"\(([\d.]+) \* ", expr)) for expr in burns] == [{"14.4", "6"}, {"3"}]
    assert steps(PANELS["Burn rate"]) == [("", [(None, "green"), (1, "yellow"), (14.4, "red")])]
    [writes] = [rule for rule in ALERTS if rule["alert"] == "KafkaSentinelWritesDown"]
    assert writes["for"] == "1m"
    allowed = pytest.approx(30 * 86_400 * (1 - SLO.availability / 100))
    for title in ("Outage, by cause", "Without writes, by cause", "Without reads, by cause"):
        turns = [(None, "blue"), (0, "green"), (60, "yellow"), (allowed, "red")]
        assert steps(PANELS[title]) == [("", turns)]


@pytest.mark.parametrize(
    "title",
    [
        "No writes on",
        "No reads on",
        "Lost (acks=all)",
        "Exposed to one node",
        "Lost by reclaims (acks=all)",
        "Unavailable partitions",
    ],
)
def test_what_an_alert_says_of_the_first_is_red_from_the_first(title):
    panel = PANELS[title]
    below = [(None, "green")] if panel["type"] == "timeseries" else [(None, "blue"), (0, "green")]
    assert steps(panel) == [("", [*below, (1, "red")])]


def test_objectives_are_the_defaults_of_the_settings():
    phases = [(phase, [(None, "green"), (limit, "red")]) for phase, limit in SLO.recovery.model_dump().items()]
    for title in ("Last incident of each cause", "50 % of recoveries, by phase", "99 % of recoveries, by phase"):
        assert steps(PANELS[title]) == phases
    assert steps(PANELS["Until writes were back, by cause"]) == [("", dict(phases)["produce"])]
    assert steps(PANELS["Until all was well again, by cause"]) == [("", dict(phases)["full"])]
    assert steps(PANELS["Latency"]) == [("", [(None, "green"), (SLO.produce, "yellow"), (SLO.consume, "red")])]
    good = pytest.approx(SLO.availability / 100)
    fast = pytest.approx(1 - 14.4 * (1 - SLO.availability / 100))
    assert steps(PANELS["In time"]) == [("", [(None, "red"), (fast, "yellow"), (good, "green")])]
    seen = 1 - Rules().blind_share
    assert steps(PANELS["Seen"]) == [("", [(None, "red"), (0.5, "yellow"), (seen, "green")])]
    guards = GuardSettings()
    assert steps(PANELS["State saved"]) == [("", [(None, "yellow"), (-60, "green"), (guards.max_state_age, "yellow")])]
    assert steps(PANELS["Age of what Kubernetes told"])[0][1][:2] == [(None, "green"), (guards.max_watch_age, "yellow")]


def test_words_name_the_values_they_stand_for():
    """The figures in words are those of the settings the colours stand for."""
    said = {title: panel["description"] for title, panel in PANELS.items()}
    assert f"slo.produce, {SLO.produce:g} s" in said["Latency"]
    assert f"slo.consume, {SLO.consume:g} s" in said["Latency"]
    assert f"slo.overdue, {SLO.overdue:g} s" in said["Suspected, overdue"]
    assert f"{SLO.availability:g} % (slo.availability)" in said["In time"]
    assert f"Below {100 * (1 - Rules().blind_share):g} %" in said["Seen"]
    assert f"After {GuardSettings().max_state_age / 60:g} minutes" in said["State saved"]
    assert f"from {GuardSettings().max_watch_age:g} s on" in said["Age of what Kubernetes told"]
    minutes = int(30 * 1_440 * (1 - SLO.availability / 100))
    assert f"{minutes} minutes: all that {SLO.availability:g} % leaves" in said["Outage, by cause"]


def names(panel: dict[str, Any]) -> set[str]:
    """Return what the series or columns of a panel can be called, as the catalogue has the values of labels."""
    found = set()
    for target in panel["targets"]:
        metric = metric_of(re.findall(r"kafka_sentinel_\w+", target["expr"])[0])
        values = {label.name: label.values or ("any",) for label in CATALOGUE[metric].labels}
        for change in panel.get("transformations", ()):
            found |= set(values.get(change["options"].get("columnField"), ()))
            found |= set(change["options"].get("renameByName", {}).values())
        asked = re.findall(r"{{(\w+)}}", target["legendFormat"])
        for chosen in itertools.product(*(values[name] for name in asked)):
            called = dict(zip(asked, chosen, strict=True))
            found.add(re.sub(r"{{(\w+)}}", lambda match: called[match[1]], target["legendFormat"]))  # noqa: B023
    return found


@pytest.mark.parametrize("panel", [each for each in EVERY if each.values[0]["fieldConfig"].get("overrides")])
def test_a_mark_is_of_a_series_or_column_that_there_can_be(panel):
    if panel["title"] == "Alerts that fire":  # a label of rules, not of metrics
        assert {rule["labels"]["severity"] for rule in ALERTS} == severities(panel)
        return
    for override in panel["fieldConfig"]["overrides"]:
        how, name = override["matcher"]["id"], override["matcher"]["options"]
        assert how == ("byRegexp" if name.startswith("/") else "byName")
        fits = [one for one in names(panel) if one == name or (how == "byRegexp" and re.search(name[1:-1], one))]
        assert fits, name
        assert len(fits) < len(names(panel)) or len(fits) == 1, f"{name} is everything"


def severities(panel: dict[str, Any]) -> set[str]:
    [override] = panel["fieldConfig"]["overrides"]
    assert override["matcher"] == {"id": "byName", "options": "severity"}
    [mappings] = [each["value"] for each in override["properties"] if each["id"] == "mappings"]
    return {value for each in mappings for value in each["options"]}
