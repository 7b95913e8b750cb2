"""What the guides for plain machines and MSK show: configurations that are taken, a policy of what is asked."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
import yaml

from kafka_sentinel.adapters import msk_api
from kafka_sentinel.core.commandline import PLACEHOLDERS
from kafka_sentinel.settings import Settings

DOCS = Path(__file__).parents[2] / "docs"


def blocks(document: str, language: str) -> list[str]:
    text = (DOCS / document).read_text()
    return re.findall(rf"^```{language}\n(.*?)^```", text, re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize(
    ("document", "fleet", "faults"), [("plain-machines.md", "command", {"command"}), ("msk.md", "msk", {"msk-reboot"})]
)
def test_every_configuration_shown_is_taken_and_can_be_done(document, fleet, faults, tmp_path):
    (tmp_path / "password").write_text("x")
    found = []
    for block in blocks(document, "yaml"):
        given = yaml.safe_load(block.replace("/run/secrets/kafka-password", str(tmp_path / "password")))
        found.append(Settings.model_validate(given))
    first = found[0]
    assert (first.fleet, first.cannot_break) == (fleet, "")
    assert {item.fault for item in first.experiments.items} == faults
    assert first.experiments.may_be_done == frozenset(), "what is copied breaks nothing"
    assert any(one.cluster.zookeeper for one in found) == (document == "plain-machines.md")


def test_the_policy_shown_allows_what_is_asked_and_nothing_else():
    [policy] = map(json.loads, blocks("msk.md", "json"))
    allowed = [action for part in policy["Statement"] for action in _list(part["Action"])]
    asked = re.findall(r'_ask\(\s*f?"[^"]*",\s*"(\w+)"', Path(msk_api.__file__).read_text())
    assert len(asked) == 4
    assert sorted(allowed) == sorted(f"kafka:{_action(method)}" for method in asked)


def _list(value):
    return value if isinstance(value, list) else [value]


def _action(method: str) -> str:
    return "".join(word.capitalize() for word in method.split("_"))


def test_the_placeholders_shown_are_those_that_there_are():
    text = (DOCS / "plain-machines.md").read_text()
    rows = [line.split("|")[1] for line in text.splitlines() if line.startswith("| `{")]
    assert re.findall(r"\{(\w+)\}", " ".join(rows)) == list(PLACEHOLDERS)
