"""The numbers of a report, held against the metrics of the same moment, which are read by a parser of its own."""

from __future__ import annotations

import re
from collections.abc import Iterator
from statistics import median
from typing import Any

import pytest

SAMPLE = re.compile(r"(?P<name>\w+)\{(?P<labels>.*)\} (?P<value>\S+)")
LABEL = re.compile(r'(\w+)="([^"]*)"')
ROUNDED = 0.0005  # seconds: what evidence says to the millisecond


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


def same_records(made: dict[str, Any], scrape: Scrape, acks: str) -> None:
    told = next(one for one in made["records"] if one["acks"] == acks)
    assert told["sent"] == scrape.sum("records_sent_total", acks=acks)
    for outcome in ("acked", "rejected", "uncertain"):
        assert told[outcome] == scrape.sum("records_outcome_total", acks=acks, outcome=outcome), outcome
    for name in ("verified", "lost", "duplicated", "expired", "unaccounted"):
        assert told[name] == scrape.sum(f"records_{name}_total", acks=acks), name
    never = scrape.sum("records_lost_total", acks=acks, seen="never")
    assert told["judged"] == told["verified"] + never
    assert told["bound"] > 0


def same_service(made: dict[str, Any], scrape: Scrape, operation: str) -> None:
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


def same_sight(made: dict[str, Any], scrape: Scrape) -> None:
    blind = scrape.sum("blind_seconds_total")
    assert made["span"]["sight"]["blind"] == pytest.approx(blind, abs=ROUNDED)


def same_verdicts(made: dict[str, Any], scrape: Scrape, *, natural: bool) -> None:
    kinds = [one for one in made["kinds"] if one["natural"] is natural]
    for name, verdict in (("passed", "passed"), ("failed", "failed"), ("doubtful", "inconclusive")):
        found = scrape.of("incidents_total", verdict=verdict)
        there = sum(value for its, value in found if (its["cause"] != "experiment") is natural)
        assert sum(one[name] for one in kinds) == there, name
    for acks in made["acks"]:
        found = scrape.of("records_lost_total", acks=acks)
        lost = sum(value for its, value in found if (its["cause"] != "experiment") is natural)
        assert sum(one["lost"][acks] for one in kinds) == lost, acks


def same_recoveries(made: dict[str, Any], scrape: Scrape, *, natural: bool) -> None:
    """The histogram counts each of them in the bucket it belongs to, and their sum is the sum. None may be open."""

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
