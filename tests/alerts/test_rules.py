"""Each alert fires when it should, with the labels and the words it should, and does not when it should not."""

from __future__ import annotations

import pytest
from tests.alerts import promtool
from tests.alerts.promtool import CASES, NAMES, RULE_FILE

CASE_FILES = sorted(CASES.glob("*.yaml"))
ALL = [(path.stem, case) for path in CASE_FILES for case in promtool.cases(path)]


def expectations():
    for _, case in ALL:
        for one in case["alert_rule_test"]:
            yield one["alertname"], one.get("exp_alerts", [])


def test_promtool_finds_nothing_wrong_with_the_rules():
    done = promtool.promtool("check", "rules", "--lint=all", "--lint-fatal", RULE_FILE)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("case", [case for _, case in ALL], ids=[f"{name}: {case['name']}" for name, case in ALL])
def test_case(case, tmp_path):
    assert promtool.run(case, tmp_path) == ""


def test_every_rule_is_tried_both_ways():
    fires = {(name, one["exp_labels"]["severity"]) for name, expected in expectations() for one in expected}
    quiet = {name for name, expected in expectations() if not expected}
    assert {(rule["alert"], rule["labels"]["severity"]) for rule in promtool.ALERTS} == fires
    assert set(NAMES) == quiet


def test_a_case_that_expects_something_else_fails(tmp_path):
    """What runs promtool does not pass whatever comes."""
    series = {
        "series": 'kafka_sentinel_partitions_unavailable{kafka_cluster="stage", operation="produce"}',
        "values": "2x20",
    }
    quiet = {"name": "x", "input_series": [series], "alert_rule_test": [{"alertname": "KafkaSentinelWritesDown"}]}
    quiet["alert_rule_test"][0]["eval_time"] = "10m"
    assert "got:" in promtool.run(quiet, tmp_path)
