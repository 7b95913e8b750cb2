"""Claims against a naive model: a set of everything that was ever acknowledged."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kafka_sentinel.core.claims import MAX_GAP, MAX_TRACKED_GAPS, ClaimsTracker
from kafka_sentinel.core.record import MAX_GAPS, Encoder, decode_claims
from kafka_sentinel.core.types import Claims, Span


def claimed(claims: Claims) -> set[int]:
    found = set(range(claims.claims_from, claims.acked_through))
    for first, count in claims.gaps:
        found -= set(range(first, first + count))
    return found


@st.composite
def histories(draw: st.DrawFn, *, gaps: int) -> list[tuple[str, int, int]]:
    """Sends and acknowledgements in an order that can happen; at most `gaps` groups are never acknowledged."""
    steps: list[tuple[str, int, int]] = []
    waiting: list[tuple[int, int]] = []
    sent = left = 0
    for _ in range(draw(st.integers(1, 60))):
        if not waiting or draw(st.booleans()):
            count = draw(st.integers(1, 5))
            steps.append(("sent", sent, count))
            waiting.append((sent, count))
            sent += count
        else:
            first, count = waiting.pop(draw(st.integers(0, min(len(waiting) - 1, 4))))
            if left < gaps and draw(st.integers(0, 3)) == 0:
                left += 1
            else:
                steps.append(("acked", first, count))
    return steps


def follow(tracker: ClaimsTracker, step: tuple[str, int, int], acknowledged: set[int]) -> None:
    kind, first, count = step
    if kind == "sent":
        tracker.sent(first, count)
    else:
        tracker.acked([Span(first, count, None)])
        acknowledged |= set(range(first, first + count))


@given(histories(gaps=1_000))
def test_every_claimed_sequence_was_acknowledged_and_the_claims_fit_into_a_record(history):
    tracker, acknowledged = ClaimsTracker(), set[int]()
    encoder = Encoder(instance=1, run=2, incarnation=0, partition=0, size=200)
    for step in history:
        follow(tracker, step, acknowledged)
        claims = tracker.claims()
        assert claimed(claims) <= acknowledged
        encoder.set_claims(claims)
        assert decode_claims(encoder.encode(7, 0, 0)) == claims


@given(histories(gaps=3))
def test_with_few_gaps_nothing_acknowledged_is_left_out(history):
    tracker, acknowledged = ClaimsTracker(), set[int]()
    for step in history:
        follow(tracker, step, acknowledged)
        claims = tracker.claims()
        if len(claims.gaps) < MAX_GAPS:
            assert claimed(claims) == acknowledged
        assert claims.acked_through == max(acknowledged, default=-1) + 1


def test_more_gaps_than_a_record_can_name_raise_claims_from_past_the_oldest():
    tracker = ClaimsTracker()
    for gap in range(MAX_GAPS + 2):
        tracker.sent(gap * 10, 10)
        tracker.acked([Span(gap * 10 + 1, 9, None)])  # the first of each ten is never acknowledged
    claims = tracker.claims()
    assert claims.claims_from == 11
    assert claims.gaps == tuple((gap * 10, 1) for gap in range(2, MAX_GAPS + 2))


def test_gaps_that_close_late_bring_the_older_claims_back():
    tracker = ClaimsTracker()
    tracker.sent(0, 100)
    tracker.acked(Span(odd, 1, None) for odd in range(1, 60, 2))
    assert tracker.claims().claims_from > 0
    tracker.acked(Span(even, 1, None) for even in range(0, 60, 2))
    assert tracker.claims() == Claims(0, 60, ())


def test_an_outage_of_hours_is_one_gap():
    tracker = ClaimsTracker()
    tracker.sent(0, 10)
    tracker.acked([Span(0, 10, 0)])
    for index in range(50_000):
        tracker.sent(10 + index, 1)
    assert tracker.claims() == Claims(0, 10, ())
    tracker.sent(50_010, 1)
    tracker.acked([Span(50_010, 1, None)])
    assert tracker.claims() == Claims(0, 50_011, ((10, 50_000),))


def test_memory_is_bounded_and_what_was_given_up_is_never_claimed():
    tracker = ClaimsTracker()
    for index in range(10 * MAX_TRACKED_GAPS):
        tracker.sent(2 * index, 2)
        tracker.acked([Span(2 * index + 1, 1, None)])
    assert tracker._unacked.intervals <= MAX_TRACKED_GAPS
    tracker.acked([Span(2 * index, 1, None) for index in range(10 * MAX_TRACKED_GAPS)])
    claims = tracker.claims()
    assert claims.gaps == ()
    assert claims.claims_from == 2 * (10 * MAX_TRACKED_GAPS - MAX_TRACKED_GAPS) - 1


@pytest.mark.parametrize(("gap", "is_named"), [(MAX_GAP, True), (MAX_GAP + 1, False)])
@pytest.mark.parametrize("newer", [(), (3,)])
def test_a_gap_too_long_for_a_record_is_not_named_and_nothing_below_its_end_is_claimed(gap, is_named, newer):
    tracker = ClaimsTracker()
    tracker.sent(0, gap + 10)
    tracker.acked([Span(gap, 10, None)] if not newer else [Span(gap, 3, None), Span(gap + 4, 6, None)])
    others = tuple((gap + one, 1) for one in newer)
    expected = Claims(0, gap + 10, ((0, gap), *others)) if is_named else Claims(gap, gap + 10, others)
    assert tracker.claims() == expected


def test_old_gaps_of_a_deleted_topic_do_not_bring_its_claims_back():
    tracker = ClaimsTracker()
    for index in range(2 * MAX_TRACKED_GAPS):
        if index == MAX_TRACKED_GAPS:
            tracker.start_over()
        tracker.sent(2 * index, 2)
        tracker.acked([Span(2 * index + 1, 1, None)])
    assert tracker.claims().claims_from >= 2 * MAX_TRACKED_GAPS
    tracker.acked([Span(2 * index, 1, None) for index in range(MAX_TRACKED_GAPS, 2 * MAX_TRACKED_GAPS)])
    assert tracker.claims() == Claims(2 * MAX_TRACKED_GAPS, 4 * MAX_TRACKED_GAPS, ())


def test_nothing_acknowledged_claims_nothing():
    tracker = ClaimsTracker()
    tracker.sent(0, 5)
    assert tracker.claims() == Claims(0, 0, ())


def test_what_went_to_a_deleted_topic_is_claimed_no_more():
    tracker = ClaimsTracker()
    tracker.sent(0, 10)
    tracker.acked([Span(0, 8, 0)])
    tracker.start_over()
    assert tracker.claims() == Claims(10, 10, ())
    tracker.sent(10, 5)
    tracker.acked([Span(11, 2, 1)])
    assert tracker.claims() == Claims(10, 13, ((10, 1),))
