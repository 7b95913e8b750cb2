"""A fence is a record sent after the question arose and acknowledged with an offset. Nothing else will do."""

from __future__ import annotations

import pytest

from kafka_sentinel.core.fences import Fences
from kafka_sentinel.core.types import Fence, Instant, Span

RUN = 5


def at(mono: float) -> Instant:
    return Instant(mono, mono)


def waiting(since: float = 10.0) -> Fences:
    fences = Fences()
    fences.wait(1, at(since))
    return fences


def test_the_first_record_sent_afterwards_becomes_the_fence():
    fences = waiting()
    fences.sent(RUN, 100, at(10.0))
    fences.sent(RUN, 105, at(11.0))
    assert fences.ready(1) is None
    fences.acked(RUN, (Span(90, 30, 1090),))
    assert fences.ready(1) == Fence(RUN, 100, 1100)


def test_a_record_sent_before_is_no_fence_though_it_is_acknowledged_after():
    fences = waiting()
    fences.sent(RUN, 100, at(9.9))
    fences.acked(RUN, (Span(100, 1, 50),))
    assert fences.ready(1) is None
    assert not fences.under_way(1)


@pytest.mark.parametrize("offset", [None, -1])
def test_an_acknowledgement_that_names_no_offset_makes_no_fence(offset):
    fences = waiting()
    fences.sent(RUN, 100, at(11.0))
    fences.acked(RUN, (Span(100, 1, offset),))
    assert not fences.under_way(1)
    fences.sent(RUN, 101, at(12.0))
    fences.acked(RUN, (Span(101, 1, 60),))
    assert fences.ready(1) == Fence(RUN, 101, 60)


def test_a_candidate_that_fails_is_replaced_by_the_next_send():
    fences = waiting()
    fences.sent(RUN, 100, at(11.0))
    fences.gave_up(RUN, 98, 5)
    fences.sent(RUN, 105, at(12.0))
    fences.acked(RUN, (Span(100, 1, 60),))
    assert fences.ready(1) is None
    fences.acked(RUN, (Span(105, 1, 61),))
    assert fences.ready(1) == Fence(RUN, 105, 61)


def test_the_failure_of_others_or_of_another_run_does_not_matter():
    fences = waiting()
    fences.sent(RUN, 100, at(11.0))
    fences.gave_up(RUN, 101, 5)
    fences.gave_up(RUN + 1, 100, 1)
    fences.acked(RUN + 1, (Span(100, 1, 7),))
    fences.acked(RUN, (Span(100, 1, 60),))
    assert fences.ready(1) == Fence(RUN, 100, 60)


def test_the_failure_of_the_one_before_and_the_end_of_another_run_leave_the_candidate():
    fences = waiting()
    fences.sent(RUN, 100, at(11.0))
    fences.gave_up(RUN, 98, 2)
    fences.run_ended(RUN - 1)
    fences.sent(RUN, 101, at(12.0))
    fences.acked(RUN, (Span(100, 2, 60),))
    assert fences.ready(1) == Fence(RUN, 100, 60)


def test_a_run_that_ends_takes_its_candidate_along():
    fences = waiting()
    fences.sent(RUN, 100, at(11.0))
    fences.run_ended(RUN)
    fences.sent(RUN + 1, 0, at(12.0))
    fences.acked(RUN + 1, (Span(0, 1, 60),))
    assert fences.ready(1) == Fence(RUN + 1, 0, 60)


def test_a_fence_above_the_divergence_is_void_and_one_below_stands():
    for divergence, stands in ((60, False), (61, True)):
        fences = waiting()
        fences.sent(RUN, 100, at(11.0))
        fences.acked(RUN, (Span(100, 1, 60),))
        fences.void_from(divergence)
        assert (fences.ready(1) is not None) is stands


def test_waits_are_apart_and_end():
    fences = waiting()
    fences.sent(RUN, 100, at(11.0))
    fences.wait(2, at(11.5))
    fences.sent(RUN, 101, at(12.0))
    fences.acked(RUN, (Span(100, 2, 60),))
    assert (fences.ready(1), fences.ready(2)) == (Fence(RUN, 100, 60), Fence(RUN, 101, 61))
    fences.restart()
    assert (fences.ready(1), fences.ready(2)) == (None, None)
    fences.forget(1)
    fences.forget(1)
    assert not fences.under_way(1)


def test_the_acknowledgement_of_the_record_before_it_places_no_fence():
    fences = waiting()
    fences.sent(RUN, 100, at(11.0))
    fences.acked(RUN, (Span(99, 1, 59), Span(101, 5, 71)))
    assert fences.ready(1) is None
    fences.acked(RUN, (Span(100, 1, 70),))
    assert fences.ready(1) == Fence(RUN, 100, 70)


def test_a_fence_that_is_placed_stays_whatever_is_said_of_its_record_again():
    fences = waiting()
    fences.sent(RUN, 100, at(11.0))
    for offset in (60, None, 90):
        fences.acked(RUN, (Span(100, 1, offset),))
    fences.gave_up(RUN, 100, 1)
    fences.run_ended(RUN)
    assert (fences.ready(1), fences.under_way(1)) == (Fence(RUN, 100, 60), True)
