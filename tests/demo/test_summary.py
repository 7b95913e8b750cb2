import json

import pytest
from rich.console import Console
from tests.web.sample import status

from kafka_sentinel.demo.summary import Outcome, contradictions, faults, render, summary

CLEAN = {
    "sent": 110, "acked": 100, "rejected": 4, "uncertain": 6, "in_flight": 0,
    "verified": 100, "lost": 0, "lost_before": 0, "duplicated": 0,
    "redelivered": 3, "reordered": 0, "corrupted": 0, "corrupted_acked": 0,
    "conflicting": 0, "foreign": 0, "expired": 0,
    "unaccounted": 0, "awaiting": 0, "overdue": 0, "suspected": 0, "unresolved": 1,
    "present": 2, "absent": 3, "late": 0,
}  # fmt: skip


def outcome(scene="calm", **figures):
    end = status(scene)
    return Outcome("apache-kafka 4.3.1", 61.25, status("calm"), end | {"records": {"all": CLEAN | figures}})


def shown(result):
    console = Console(width=80, record=True, file=open("/dev/null", "w"))  # noqa: PTH123, SIM115 - nobody reads it
    console.print(render(result))
    return console.export_text()


def test_the_object_has_exactly_the_keys_it_promises():
    found = json.loads(json.dumps(summary(outcome()), allow_nan=False))
    assert list(found) == [
        "kafka", "duration_seconds", "records", "blind_seconds", "availability", "latency_seconds", "incidents",
    ]  # fmt: skip
    assert list(found["records"]) == [
        "sent", "acked", "rejected", "uncertain", "in_flight", "verified", "lost", "duplicated", "redelivered",
        "reordered", "corrupted", "conflicting", "foreign", "expired", "unaccounted", "awaiting", "unresolved",
    ]  # fmt: skip
    assert list(found["availability"]) == ["produce", "consume"]
    assert list(found["latency_seconds"]) == ["produce_p50", "produce_p99", "end_to_end_p50", "end_to_end_p99"]
    for incident in found["incidents"]:
        assert list(incident) == [
            "id", "cause", "fault", "target", "started_at", "phases", "lost", "duplicated", "verdict",
        ]  # fmt: skip
        assert list(incident["phases"]) == ["detected", "leader", "produce", "consume", "isr", "lag", "full"]
    assert (found["kafka"], found["duration_seconds"]) == ("apache-kafka 4.3.1", 61.25)


def test_incidents_are_told_in_the_order_in_which_they_happened():
    times = [incident["started_at"] for incident in summary(outcome())["incidents"]]
    assert times == sorted(times)


def test_what_is_measured_over_time_ends_with_the_last_record_sent():
    result = outcome("blind")
    assert summary(result)["blind_seconds"] == result.measured["blind_seconds"] != result.end["blind_seconds"]


def test_a_clean_run_has_no_fault():
    assert faults(outcome()) == []


@pytest.mark.parametrize(
    ("figures", "words"),
    [
        ({"lost": 2, "verified": 98}, "2 acknowledged records were lost"),
        ({"lost": 2, "lost_before": 2}, "2 acknowledged records were lost"),
        ({"suspected": 1}, "1 acknowledged records are missing from the log"),
        ({"awaiting": 5, "verified": 95}, "5 acknowledged records were not read again in time"),
        ({"in_flight": 1, "sent": 111}, "1 records were still in flight"),
        ({"unaccounted": 1_500, "acked": 1_600, "sent": 1_610}, "1,500 records could not be accounted for"),
        ({"verified": 99}, "the accounts do not add up: acked 100 is not verified 99"),
        ({"sent": 111}, "the accounts do not add up: sent 111 is not acked 100"),
        ({"absent": 4}, "the accounts do not add up: uncertain 6 is not present 2"),
    ],
)
def test_each_fault_is_named_alone(figures, words):
    found = faults(outcome(**figures))
    assert len(found) == 1
    assert found[0].startswith(words)


@pytest.mark.parametrize("name", ["duplicated", "reordered", "redelivered", "foreign", "late"])
def test_what_loses_nothing_acknowledged_is_no_fault(name):
    assert faults(outcome(**{name: 9})) == []


def test_a_record_lost_after_it_was_verified_takes_nothing_back():
    assert contradictions(CLEAN | {"lost": 7, "lost_before": 7}) == []
    assert contradictions(CLEAN | {"lost": 7, "lost_before": 6}) != []


def test_people_are_told_first_whether_anything_was_lost():
    assert "All 100 acknowledged records are in the log; none was lost." in shown(outcome())
    text = shown(outcome(lost=2, verified=98))
    assert "2 acknowledged records were lost" in text
    assert "none was lost" not in text


def test_the_summary_fits_a_narrow_terminal():
    text = shown(outcome("incident"))
    assert "…" not in text
    assert "seconds to:" in text
    assert "sent 110 = acked 100 + rejected 4 + uncertain 6\n" in text
    assert "open" in text
