"""The rule file, and promtool's unit tests of it.

A case is one of promtool's tests without what it would only repeat from the rule file: the annotations that are the
same whatever happens (summary, link to the runbook) are filled in; what depends on values has to be in the case. And
each may say how often its rules are evaluated, for days at every minute take long.
"""

from __future__ import annotations

import copy
import re
import subprocess
from pathlib import Path
from typing import Any

import yaml
from tests.alerts import binaries

ROOT = Path(__file__).resolve().parents[2]
RULE_FILE = ROOT / "helm/kafka-sentinel/alerts/kafka-sentinel.yaml"
BASE = "https://github.com/kafka-sentinel/kafka-sentinel/blob/main/docs/runbooks/"
CASES = Path(__file__).parent / "cases"
SECONDS = 120.0

GROUPS: list[dict[str, Any]] = yaml.safe_load(RULE_FILE.read_text())["groups"]
RULES: list[dict[str, Any]] = [rule for group in GROUPS for rule in group["rules"]]
ALERTS: list[dict[str, Any]] = [rule for rule in RULES if "alert" in rule]
LOOKED_AT = sorted({name for rule in RULES for name in re.findall(r"\b(?<!:)kafka_sentinel_\w+", rule["expr"])})
NAMES = sorted({rule["alert"] for rule in ALERTS})


def promtool(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [binaries.promtool(), *arguments], capture_output=True, text=True, timeout=SECONDS, check=False
    )


def cases(path: Path) -> list[dict[str, Any]]:
    """Read the cases as text alone: to YAML, the values `0x60` would be a hexadecimal number."""
    return yaml.load(path.read_text(), yaml.BaseLoader)


def completed(case: dict[str, Any]) -> dict[str, Any]:
    """Return the case as promtool wants it."""
    case = {"interval": "1m", **copy.deepcopy(case)}
    case.pop("evaluation_interval", None)
    for one in case.get("alert_rule_test", ()):
        for expected in one.get("exp_alerts", ()):
            rule = _rule(one["alertname"], expected["exp_labels"]["severity"])
            fixed = {name: text for name, text in rule["annotations"].items() if "{{" not in text}
            expected["exp_annotations"] = fixed | expected.get("exp_annotations", {})
    return case


def _rule(alert: str, severity: str) -> dict[str, Any]:
    return next(rule for rule in ALERTS if (rule["alert"], rule["labels"]["severity"]) == (alert, severity))


def run(case: dict[str, Any], folder: Path, *, rules: Path = RULE_FILE) -> str:
    """Have promtool run a case. Returns what it found wrong: nothing if it passes."""
    file = folder / "test.yaml"
    every = case.get("evaluation_interval", "1m")
    content = {"rule_files": [str(rules)], "evaluation_interval": every, "tests": [completed(case)]}
    file.write_text(yaml.safe_dump(content))
    done = promtool("test", "rules", file)
    return "" if done.returncode == 0 else done.stdout + done.stderr


def parse(rules: list[dict[str, str]], folder: Path) -> str:
    """Return what is no PromQL in the rules: nothing if all is."""
    file = folder / "rules.yaml"
    file.write_text(yaml.safe_dump({"groups": [{"name": "queries", "rules": rules}]}))
    done = promtool("check", "rules", file)
    return "" if done.returncode == 0 else done.stdout + done.stderr
