"""KafkaSentinelGone as the chart renders it: the Sentinel of the release is missed for ever, and said once."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.alerts import promtool
from tests.chart.rendering import THREE, Helm

RULE = {"prometheusRule": {"enabled": True}}
STEP = 5  # minutes, of samples and of evaluations
DAY = 24 * 60 // STEP  # steps
DIES = "1x4 stale"  # at the fifth; what lasts fires one later


def rules(helm: Helm, folder: Path, *layers: dict) -> Path:
    """Return the rule as a file, as the operator makes one of the release's PrometheusRule."""
    groups = helm.template(THREE, RULE, *layers).one("PrometheusRule")["spec"]["groups"]
    found = [one for group in groups for one in group["rules"] if one.get("alert") == "KafkaSentinelGone"]
    file = folder / "rules.yaml"
    file.write_text(yaml.safe_dump({"groups": [{"name": "x", "rules": found}]}))
    return file


def sentinel(cluster: str, values: str) -> dict[str, str]:
    name = cluster.replace("\\", "\\\\").replace('"', '\\"')
    return {"series": f'kafka_sentinel_build_info{{kafka_cluster="{name}", instance="a"}}', "values": values}


def gone(cluster: str) -> dict[str, Any]:
    text = f"Nothing has been heard of Kafka Sentinel of Kafka cluster {cluster} for 5 minutes."
    labels = {"severity": "critical", "kafka_cluster": cluster}
    return {"exp_labels": labels, "exp_annotations": {"description": f"{text} Nobody would notice a loss."}}


def case(series: list[dict[str, str]], expected: dict[int, list[str]]) -> dict[str, Any]:
    """Return a case: the clusters whose Sentinel is said to be gone, by step."""
    asked = [
        {
            "alertname": "KafkaSentinelGone",
            "eval_time": f"{STEP * at}m",
            "exp_alerts": [gone(each) for each in clusters],
        }
        for at, clusters in expected.items()
    ]
    often = {"interval": f"{STEP}m", "evaluation_interval": f"{STEP}m"}
    return {"name": "x", **often, "input_series": series, "alert_rule_test": asked}


def test_its_own_sentinel_is_missed_for_ever_whoever_else_runs_and_said_once(helm, tmp_path):
    series = [sentinel("stage", DIES), sentinel("prod", f"1x{4 * DAY}")]
    expected = {4: [], 5: [], 6: ["stage"], DAY: ["stage"], DAY + 12: ["stage"], 4 * DAY: ["stage"]}
    assert promtool.run(case(series, expected), tmp_path, rules=rules(helm, tmp_path)) == ""


def test_the_sentinel_of_another_cluster_is_missed_for_a_day(helm, tmp_path):
    series = [sentinel("prod", DIES), sentinel("stage", f"1x{2 * DAY}")]
    expected = {5: [], 6: ["prod"], DAY: ["prod"], DAY + 12: []}
    assert promtool.run(case(series, expected), tmp_path, rules=rules(helm, tmp_path)) == ""


def test_one_that_never_came_is_missed_by_its_name_and_one_that_runs_is_not(helm, tmp_path):
    nothing = [{"series": 'up{job="prometheus"}', "values": "1x12"}]
    assert promtool.run(case(nothing, {0: [], 1: ["stage"]}), tmp_path, rules=rules(helm, tmp_path)) == ""
    there = [sentinel("stage", f"1x{2 * DAY}")]
    assert promtool.run(case(there, {1: [], DAY + 12: []}), tmp_path, rules=rules(helm, tmp_path)) == ""


@pytest.mark.parametrize("name", ['the "big" one', "a\\b", "{{ x }}", "Zürich, $1", "it's"])
def test_a_name_with_odd_characters_is_that_name(helm, tmp_path, name):
    file = rules(helm, tmp_path, {"settings": {"kafka": {"cluster_name": name}}})
    assert promtool.run(case([sentinel(name, f"1x{2 * DAY}")], {1: [], DAY + 12: []}), tmp_path, rules=file) == ""
    others = [sentinel(name, DIES), sentinel("stage", f"1x{2 * DAY}")]
    assert promtool.run(case(others, {4: [], DAY + 12: [name]}), tmp_path, rules=file) == ""


def test_a_name_that_the_environment_gives_is_the_one_that_is_missed(helm, tmp_path):
    env = {"extraEnv": [{"name": "KAFKA_SENTINEL__KAFKA__CLUSTER_NAME", "value": "theirs"}]}
    file = rules(helm, tmp_path, env)
    others = [sentinel("theirs", DIES), sentinel("prod", f"1x{2 * DAY}")]
    assert promtool.run(case(others, {4: [], DAY + 12: ["theirs"]}), tmp_path, rules=file) == ""
