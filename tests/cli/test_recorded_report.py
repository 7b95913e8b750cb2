"""The report of a recorded run (tools/record_report.py: real brokers, killed and paused) is made again, byte for byte.

Its numbers are held against the metrics of the same moment (same_numbers.py).
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.cli.same_numbers import Scrape, same_records, same_recoveries, same_service, same_sight, same_verdicts
from tools.record_report import DOC, EVIDENCE, FIXTURE, METRICS, REPORTS, SHOWN, with_example

LEVELS, OPERATIONS = ("all", "1"), ("produce", "consume")


@pytest.fixture(scope="module")
def scrape() -> Scrape:
    return Scrape((FIXTURE / METRICS).read_text())


@pytest.fixture(scope="module")
def made() -> dict[str, Any]:
    found: dict[str, Any] = json.loads((FIXTURE / REPORTS["json"]).read_text())
    return found


@pytest.mark.parametrize("form", REPORTS)
def test_the_same_evidence_gives_the_same_report_byte_for_byte(
    sentinel: Callable[..., Any], tmp_path: Path, form: str
) -> None:
    file = tmp_path / "again"
    code, out, err = sentinel("report", "--from", FIXTURE / EVIDENCE, "--format", form, "--output", file)
    assert (code, out, err) == (0, "", "")
    assert file.read_bytes() == (FIXTURE / REPORTS[form]).read_bytes()


def test_the_recording_has_what_there_is_to_report(made: dict[str, Any]) -> None:
    """An empty run would agree with anything."""
    faults = {one["fault"] for one in made["disruptions"]}
    assert {"process-kill", "process-pause", None} <= faults
    assert made["under_load"][0]["usual"]
    assert made["under_load"][0]["loaded"]
    of_all, of_one = made["records"]
    assert of_all["lost"] == 0
    assert of_one["lost"] > 0
    assert made["audited"]
    assert sum(path.stat().st_size for path in FIXTURE.iterdir()) < 1_000_000


@pytest.mark.parametrize("acks", LEVELS)
def test_records_are_those_of_the_metrics(made: dict[str, Any], scrape: Scrape, acks: str) -> None:
    same_records(made, scrape, acks)


@pytest.mark.parametrize("operation", OPERATIONS)
def test_availability_is_that_of_the_metrics(made: dict[str, Any], scrape: Scrape, operation: str) -> None:
    same_service(made, scrape, operation)
    [told] = [one for one in made["services"] if one["operation"] == operation]
    assert told["bad"] > 0
    assert told["down"] > told["provoked"] > 0


def test_blind_time_is_that_of_the_metrics(made: dict[str, Any], scrape: Scrape) -> None:
    same_sight(made, scrape)
    assert made["span"]["sight"]["lived"] > 60


@pytest.mark.parametrize("natural", [False, True])
def test_verdicts_and_recoveries_are_those_of_the_metrics(made: dict[str, Any], scrape: Scrape, natural: bool) -> None:
    same_verdicts(made, scrape, natural=natural)
    same_recoveries(made, scrape, natural=natural)
    assert made["natural" if natural else "experiments"]
    assert [one["open"] for one in made["kinds"]] == [0] * len(made["kinds"])


def test_the_example_in_the_docs_is_of_the_recording() -> None:
    text = DOC.read_text()
    report = (FIXTURE / REPORTS["markdown"]).read_text()
    assert with_example(text, report) == text
    shown = [line.removeprefix("> ## ") for line in text.splitlines() if line.startswith("> ## ")]
    assert shown == list(SHOWN)
    quoted = {line.removeprefix(">").removeprefix(" ") for line in text.splitlines() if line.startswith(">")}
    assert quoted <= set(report.splitlines())
