"""What a client's reports say of where logs start, and for how long they say nothing."""

from __future__ import annotations

import json

import pytest

from kafka_sentinel.adapters.log_starts import LogStarts


def report(**starts):
    partitions = {number[1:]: {"lo_offset": start} for number, start in starts.items()}
    return json.dumps({"topics": {"probe": {"partitions": partitions}}})


@pytest.fixture
def starts():
    return LogStarts("probe")


def test_nothing_is_said_until_the_client_has_asked_since_the_partition_was_first_read(starts):
    starts.assigned(0)
    starts.take(report(p0=7))
    assert starts.read(0) is None, "whatever was reported before"
    starts.take(report(p0=7))
    assert starts.read(0) is None, "it may have been made before the client asked"
    starts.take(report(p0=9))
    assert starts.read(0) == 9
    starts.take(report(p0=12))
    assert starts.read(0) == 12


def test_reports_count_from_the_first_read_not_from_the_assignment(starts):
    starts.assigned(0)
    for _ in range(5):
        starts.take(report(p0=7))
    assert starts.read(0) is None


def test_after_an_assignment_what_was_heard_of_the_former_log_is_not_said(starts):
    for _ in range(3):
        starts.read(0)
        starts.read(1)
        starts.take(report(p0=2409, p1=5))
    assert (starts.read(0), starts.read(1)) == (2409, 5)
    starts.assigned(0)
    assert (starts.read(0), starts.read(1)) == (None, 5)
    starts.take(report(p0=2409, p1=5))
    starts.take(report(p0=0, p1=5))
    assert starts.read(0) == 0


def test_what_is_not_known_is_not_said(starts):
    starts.read(0)
    starts.read(3)
    for _ in range(3):
        starts.take(report(p0=-1001))
    assert (starts.read(0), starts.read(3)) == (None, None)
