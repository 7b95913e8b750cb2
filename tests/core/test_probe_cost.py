"""What the probe costs the cluster, as an estimate."""

from __future__ import annotations

from dataclasses import replace

import pytest

from kafka_sentinel.core.probe_cost import ProbeCost, ProbeLoad, probe_cost, told

DEFAULT = ProbeLoad(rate=10.0, copies=(3,) * 6, size=200, together=1, readers=2, reread=20_000 / 30, retention=86_400.0)


def test_the_defaults_are_what_the_documents_say():
    cost = probe_cost(DEFAULT)
    assert cost.records == 60
    assert cost.stored / cost.records / 86_400 / 3 == 280  # bytes of a record in one log
    assert cost.stored / 3 == pytest.approx(1.45e9, rel=0.01)


@pytest.mark.parametrize(
    ("change", "traffic", "stored"),
    [
        ({"rate": 1.0}, 0.1, 0.1),
        ({"copies": (3,) * 3}, 0.5, 0.5),
        ({"copies": (1,) * 6}, 3 / 5, 1 / 3),  # to the leader and to two readers
        ({"readers": 1}, 4 / 5, 1.0),
        ({"retention": 3_600.0}, 1.0, 1 / 24),
        ({"reread": 0.0}, 1.0, 1.0),
    ],
)
def test_each_part_of_the_load_counts(change, traffic, stored):
    before, after = probe_cost(DEFAULT), probe_cost(replace(DEFAULT, **change))
    assert after.traffic / before.traffic == pytest.approx(traffic)
    assert after.stored / before.stored == pytest.approx(stored)


def test_records_that_go_together_cost_less_each():
    many = probe_cost(replace(DEFAULT, rate=1_000.0, together=100))
    assert 200 * 5 * many.records < many.traffic < 230 * 5 * many.records


def test_rechecks_are_told_apart():
    assert probe_cost(DEFAULT).rechecks == pytest.approx(280 * 20_000 / 30)
    assert "rechecks read up to 187 kB/s more" in told(probe_cost(DEFAULT))


@pytest.mark.parametrize(
    ("copies", "words"), [((3,) * 6, "60 records/s: "), ((1,), "10 records/s: "), ((3,) * 3_000, "30,000 records/s: ")]
)
def test_it_is_told_with_units_that_fit(copies, words):
    assert told(probe_cost(replace(DEFAULT, copies=copies))).startswith(words)


def test_what_goes_to_between_and_from_the_brokers():
    assert probe_cost(DEFAULT).traffic == 10 * 6 * (3 + 2) * (200 + 19 + 61 + 480)


@pytest.mark.parametrize(
    ("bytes_", "text"),
    [
        *((0.0, "0 B"), (999.4, "999 B"), (999.5, "1 kB"), (1_500.0, "1.5 kB"), (2e6, "2 MB"), (3e9, "3 GB")),
        *((4e12, "4 TB"), (1.5e15, "1.5e+03 TB")),
    ],
)
def test_bytes_have_three_digits(bytes_, text):
    said = told(ProbeCost(records=2.5, traffic=bytes_, rechecks=1.0, stored=1.0))
    assert said.startswith(f"2.5 records/s: about {text}/s to, between and from the brokers")
