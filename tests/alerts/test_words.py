"""Rules, runbooks and the page about them name what there is."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from click.testing import CliRunner
from tests.alerts import promtool
from tests.alerts.delivered import expected
from tests.alerts.promql import mistakes
from tests.alerts.promtool import ALERTS, BASE, NAMES, ROOT, RULES

from kafka_sentinel.cli.commands import cli

RUNBOOKS = ROOT / "docs/runbooks"
SECTIONS = ["Meaning", "See it", "Likely causes", "What to do", "When to silence"]
SEVERITIES = {"critical", "warning", "info"}
PAGE = (ROOT / "docs/alerts.md").read_text()
RECORDED = re.compile(r"kafka_cluster(?:_operation)?:\w+:\w+")


def pages() -> list[Path]:
    return sorted(RUNBOOKS.glob("*.md"))


def blocks(text: str, language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", text, re.DOTALL)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.get("alert") or rule["record"])
def test_every_metric_and_label_of_a_rule_is_in_the_catalogue(rule):
    assert mistakes(rule["expr"]) == []
    assert "kafka_cluster" in rule["expr"]


def test_what_the_rules_record_is_what_they_use():
    recorded = {rule["record"] for rule in RULES if "record" in rule}
    assert {name for rule in ALERTS for name in RECORDED.findall(rule["expr"])} == recorded


@pytest.mark.parametrize(
    ("expression", "found"),
    [
        ("kafka_sentinel_records_gone_total", ["no metric kafka_sentinel_records_gone_total"]),
        (
            'kafka_sentinel_records_lost_total{operation="x"}',
            ["kafka_sentinel_records_lost_total has no label operation"],
        ),
        (
            'kafka_sentinel_records_lost_total{cause=~"spot|gremlins"}',
            ['kafka_sentinel_records_lost_total: cause is never "gremlins"'],
        ),
        ("sum by (reader) (kafka_sentinel_records_lost_total)", ["label reader is none of these metrics'"]),
        ("sum by (le) (kafka_sentinel_records_lost_total)", ["label le is none of these metrics'"]),
        ("kafka_sentinel_records_lost_total_bucket", ["no metric kafka_sentinel_records_lost_total_bucket"]),
        ("sum by (le, phase) (kafka_sentinel_recovery_seconds_bucket)", []),
    ],
)
def test_what_the_catalogue_does_not_have_is_found(expression, found):
    assert mistakes(expression) == found


@pytest.mark.parametrize("rule", ALERTS, ids=lambda rule: f"{rule['alert']}-{rule['labels']['severity']}")
def test_every_alert_has_what_people_need(rule):
    notes = rule["annotations"]
    assert set(rule["labels"]) == {"severity"}
    assert rule["labels"]["severity"] in SEVERITIES
    assert set(notes) == {"summary", "description", "runbook_url"}
    assert "{{" not in notes["summary"]
    assert not notes["summary"].endswith(".")
    assert "$labels.kafka_cluster" in notes["description"]
    assert notes["description"].endswith(".")
    assert notes["runbook_url"] == f"{BASE}{rule['alert']}.md"


def test_a_loss_at_acks_1_is_info_and_every_other_alert_on_losses_leaves_it_out():
    of_losses = {rule["alert"]: rule for rule in ALERTS if "last_loss" in rule["expr"] or "_lost_" in rule["expr"]}
    assert of_losses["KafkaSentinelMessageLossAcksOne"]["labels"]["severity"] == "info"
    others = [rule for name, rule in of_losses.items() if name != "KafkaSentinelMessageLossAcksOne"]
    assert others
    assert all('acks="all"' in rule["expr"] for rule in others)


def test_every_alert_has_a_runbook_and_every_runbook_an_alert():
    assert [page.stem for page in pages()] == NAMES


@pytest.mark.parametrize("page", pages(), ids=lambda page: page.stem)
def test_a_runbook_has_the_usual_sections_and_its_severity(page):
    text = page.read_text()
    assert text.startswith(f"# {page.stem}\n")
    assert re.findall(r"^## (.*)$", text, re.MULTILINE) == SECTIONS
    levels = {rule["labels"]["severity"] for rule in ALERTS if rule["alert"] == page.stem}
    assert set(re.findall("critical|warning|info", text.splitlines()[2])) == levels


@pytest.mark.parametrize("page", pages(), ids=lambda page: page.stem)
def test_the_queries_of_a_runbook_name_what_there_is(page):
    found = "".join(blocks(page.read_text(), "promql"))
    assert found or "info" in page.read_text().splitlines()[2]
    assert mistakes(found) == []


def test_the_queries_of_runbooks_are_promql(tmp_path):
    lines = [line for page in pages() for block in blocks(page.read_text(), "promql") for line in block.splitlines()]
    rules = [{"record": f"query:{number}", "expr": line} for number, line in enumerate(lines)]
    assert len(rules) > 20
    assert promtool.parse(rules, tmp_path) == ""


def test_what_is_no_promql_is_found(tmp_path):
    assert "parse error" in promtool.parse([{"record": "query:0", "expr": "sum by (x"}], tmp_path)


def test_every_command_of_a_runbook_exists():
    named = {
        tuple(words.split())
        for page in pages()
        for words in re.findall(
            r"(?<![\w/=])kafka-sentinel ((?:[a-z][a-z-]* ?)+)", " ".join(commands(page.read_text()))
        )
    }
    assert {("resume",), ("pause",), ("heal",), ("check",), ("experiments", "explain")} <= named
    for words in named:
        assert CliRunner().invoke(cli, [*words, "--help"]).exit_code == 0, words


def commands(text: str) -> list[str]:
    """Return what stands as code: inline, and what follows a prompt, after the name of the pod."""
    typed = [line.rpartition("-- ")[2] for block in blocks(text, "console") for line in block.splitlines()]
    return [f"{each};" for each in (*typed, *re.findall(r"`(kafka-sentinel [^`]*)`", text))]


@pytest.mark.parametrize("page", [*pages(), ROOT / "docs/alerts.md"], ids=lambda page: page.stem)
def test_links_between_pages_lead_somewhere(page):
    links = re.findall(r"\]\(([^)#]+)\)", page.read_text())
    assert [link for link in links if not (page.parent / link).exists()] == []


def test_the_page_lists_every_alert_with_its_severity_and_labels():
    rows = {row[0]: row[1:] for row in re.findall(r"^\| \[(\w+)\]\(\S+\) \| ([^|]*) \| ([^|]*)\|", PAGE, re.MULTILINE)}
    assert sorted(rows) == NAMES
    for name, (severity, labels) in rows.items():
        mine = [rule for rule in ALERTS if rule["alert"] == name]
        assert set(severity.replace(",", "").split()) == {rule["labels"]["severity"] for rule in mine}
        used = set(re.findall(r"\$labels\.(\w+)", " ".join(rule["annotations"]["description"] for rule in mine)))
        assert used - {"kafka_cluster"} <= set(re.findall(r"`(\w+)`", labels)) | {"cause"}


@pytest.mark.parametrize(
    ("row", "told"),
    [
        ("three copies, of which two must be in sync", expected(lost=False, lost_weaker=False)),
        ("the same, where a probe with acks=1", expected(lost=False, lost_weaker=True)),
        ("two copies, both on that node", expected(lost=True, lost_weaker=False)),
    ],
)
def test_the_page_lists_what_is_delivered_on_the_real_cluster(row: str, told: set[str]):
    """The cluster's own test wants exactly these, by the same function."""
    [line] = [line for line in PAGE.splitlines() if line.startswith(f"| {row}")]
    levels = {rule["alert"]: rule["labels"]["severity"] for rule in ALERTS if rule["alert"] in told}
    assert set(re.findall(r"(KafkaSentinel\w+) \((\w+)\)", line)) == set(levels.items())
    assert levels.keys() == told
