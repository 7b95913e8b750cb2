"""The report of a recorded run (tools/record_report.py: real brokers, killed and paused) is made again, byte for byte.

Its numbers are held against the metrics of the same moment, read by a parser of this file's own.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median
from typing import Any

import pytest
from tools.record_report import DOC, EVIDENCE, FIXTURE, METRICS, REPORTS, SHOWN, with_example

SAMPLE = re.compile(r"(?P<name>\w+)\{(?P<labels>.*)\} (?P<value>\S+)")
LABEL = re.compile(r'(\w+)="([^"]*)"')
ROUNDED = 0.0005  # seconds: what evidence says to the millisecond
LEVELS, OPERATIONS = ("all", "1"), ("produce", "consume")


class Scrape:
    """What /metrics said."""

    def __init__(self, text: str) -> None:
        self._samples = [
            (found["name"], dict(LABEL.findall(found["labels"])), float(found["value"]))
            for line in text.splitlines()
            if not line.startswith("#") and (found := SAMPLE.fullmatch(line))
        ]

    def of(self, name: str, **labels: str) -> Iterator[tuple[dict[str, str], float]]:
        for one, its, value in self._samples:
            if one == f"kafka_sentinel_{name}" and labels.items() <= its.items():
                yield its, value

    def sum(self, name: str, **labels: str) -> float:
        found = [value for _, value in self.of(name, **labels)]
        assert found, f"the recording has no {name} {labels}"
        return sum(found)


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
    told = next(one for one in made["records"] if one["acks"] == acks)
    assert told["sent"] == scrape.sum("records_sent_total", acks=acks)
    for outcome in ("acked", "rejected", "uncertain"):
        assert told[outcome] == scrape.sum("records_outcome_total", acks=acks, outcome=outcome), outcome
    for name in ("verified", "lost", "duplicated", "expired", "unaccounted"):
        assert told[name] == scrape.sum(f"records_{name}_total", acks=acks), name
    never = scrape.sum("records_lost_total", acks=acks, seen="never")
    assert told["judged"] == told["verified"] + never
    assert told["bound"] > 0


@pytest.mark.parametrize("operation", OPERATIONS)
def test_availability_is_that_of_the_metrics(made: dict[str, Any], scrape: Scrape, operation: str) -> None:
    told = next(one for one in made["services"] if one["operation"] == operation)
    good, bad, blind = (
        scrape.sum("probe_slots_total", operation=operation, result=result) for result in ("good", "bad", "blind")
    )
    assert (told["good"], told["bad"], told["blind"]) == (good, bad, blind)
    assert told["share"] == pytest.approx(good / (good + bad), abs=1e-9)
    down = scrape.sum("unavailable_seconds_total", operation=operation)
    provoked = scrape.sum("unavailable_seconds_total", operation=operation, cause="experiment")
    assert told["down"] == pytest.approx(down, abs=2 * ROUNDED)
    assert told["provoked"] == pytest.approx(provoked, abs=ROUNDED)
    assert bad > 0
    assert provoked > 0


def test_blind_time_is_that_of_the_metrics(made: dict[str, Any], scrape: Scrape) -> None:
    sight = made["span"]["sight"]
    assert sight["blind"] == pytest.approx(scrape.sum("blind_seconds_total"), abs=ROUNDED)
    assert sight["lived"] > 60


@pytest.mark.parametrize("natural", [False, True])
def test_verdicts_are_those_of_the_metrics(made: dict[str, Any], scrape: Scrape, natural: bool) -> None:
    kinds = [one for one in made["kinds"] if one["natural"] is natural]
    for name, verdict in (("passed", "passed"), ("failed", "failed"), ("doubtful", "inconclusive")):
        there = sum(
            value
            for labels, value in scrape.of("incidents_total", verdict=verdict)
            if (labels["cause"] != "experiment") is natural
        )
        assert sum(one[name] for one in kinds) == there, name
    assert [one["open"] for one in kinds] == [0] * len(kinds)
    lost = {acks: sum(one["lost"][acks] for one in kinds) for acks in LEVELS}
    for acks in LEVELS:
        there = [
            v for its, v in scrape.of("records_lost_total", acks=acks) if (its["cause"] != "experiment") is natural
        ]
        assert lost[acks] == sum(there)


@pytest.mark.parametrize("natural", [False, True])
def test_recoveries_are_those_of_the_metrics_phase_by_phase(
    made: dict[str, Any], scrape: Scrape, natural: bool
) -> None:
    """The histogram counts each of them in the bucket it belongs to, and their sum is the sum."""

    def there(name: str, phase: str) -> Iterator[tuple[dict[str, str], float]]:
        found = scrape.of(f"recovery_seconds_{name}", phase=phase)
        return ((its, value) for its, value in found if (its["cause"] != "experiment") is natural)

    told = {one["phase"]: one for one in made["natural" if natural else "experiments"]}
    for phase in made["disruptions"][0]["phases"]:
        group = [one for one in made["disruptions"] if (one["cause"] != "experiment") is natural]
        values = sorted(one["phases"][phase] for one in group if one["phases"][phase] is not None)
        assert sum(value for _, value in there("count", phase)) == len(values), phase
        total = sum(value for _, value in there("sum", phase))
        assert sum(values) == pytest.approx(total, abs=ROUNDED * (len(values) + 1))
        for bound in {its["le"] for its, _ in there("bucket", phase)}:
            within = sum(value for its, value in there("bucket", phase) if its["le"] == bound)
            assert within == sum(value <= float(bound) for value in values), (phase, bound)
        if values:
            seconds = told[phase]["seconds"]
            assert seconds["count"] == len(values)
            assert seconds["worst"] == values[-1]
            assert seconds["median"] == pytest.approx(median(values), abs=ROUNDED)
            objective = scrape.sum("slo_seconds", phase=phase)
            assert told[phase]["objective"] == objective
            assert told[phase]["missed"] == sum(value > objective for value in values)
    assert told


def test_the_example_in_the_docs_is_of_the_recording() -> None:
    text = DOC.read_text()
    report = (FIXTURE / REPORTS["markdown"]).read_text()
    assert with_example(text, report) == text
    shown = [line.removeprefix("> ## ") for line in text.splitlines() if line.startswith("> ## ")]
    assert shown == list(SHOWN)
    quoted = {line.removeprefix(">").removeprefix(" ") for line in text.splitlines() if line.startswith(">")}
    assert quoted <= set(report.splitlines())
