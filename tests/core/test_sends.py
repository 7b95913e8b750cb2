"""What is known of sends under way: when each started, and below what it cannot have been written."""

from __future__ import annotations

import pytest

from kafka_sentinel.core.sends import MAX_BATCHES, Batch, Sends
from kafka_sentinel.core.types import Instant


def at(mono: float) -> Instant:
    return Instant(mono, mono)


def sends(*batches: tuple[int, int, float, int]) -> Sends:
    """Of (first, end, second, barrier)."""
    found = Sends()
    for first, end, second, barrier in batches:
        found.remember(Batch(first, end, at(second), barrier))
    return found


THREE = ((0, 10, 1.0, 4), (10, 20, 2.0, 14), (20, 30, 3.0, 24))


@pytest.mark.parametrize(
    ("first", "count", "found"),
    [(0, 10, [0]), (9, 1, [0]), (9, 2, [0, 10]), (10, 1, [10]), (5, 20, [0, 10, 20]), (30, 5, []), (20, 100, [20])],
)
def test_those_that_overlap_a_window_are_found(first, count, found):
    assert [batch.first for batch in sends(*THREE).overlapping(first, count)] == found


def test_each_knows_when_it_started_and_where_it_cannot_stand():
    known = sends(*THREE)
    assert [known.sent_at(sequence) for sequence in (0, 9, 10, 29, 30)] == [at(1), at(1), at(2), at(3), None]
    assert [known.lower_bound(sequence) for sequence in (0, 9, 10, 29, 30)] == [5, 5, 15, 25, 0]


def test_of_what_was_forgotten_nothing_is_known_though_the_next_is():
    known = sends(*THREE)
    known.forget_below(10)
    assert (known.sent_at(9), known.lower_bound(9)) == (None, 0)


@pytest.mark.parametrize(("mono", "below"), [(0.5, 0), (1.0, 0), (1.1, 10), (2.0, 10), (9.0, 30)])
def test_what_was_sent_before_an_instant_ends_with_the_last_batch_before_it(mono, below):
    assert sends(*THREE).sent_before(mono) == below


@pytest.mark.parametrize(("sequence", "left"), [(0, 3), (9, 3), (10, 2), (19, 2), (30, 0), (99, 0)])
def test_what_is_settled_is_forgotten(sequence, left):
    known = sends(*THREE)
    known.forget_below(sequence)
    assert len(known) == left


def test_once_the_log_went_back_nothing_bounds_what_was_under_way_and_later_sends_are_bounded_again():
    known = sends(*THREE)
    known.lower_barriers(14)
    assert [batch.barrier for batch in known.overlapping(0, 30)] == [4, 14, 14]
    assert [known.lower_bound(sequence) for sequence in (0, 29)] == [0, 0]
    assert [known.unbound(sequence) for sequence in (29, 30)] == [True, False]
    known.remember(Batch(30, 31, at(4), 15))
    assert known.lower_bound(30) == 16


def test_a_log_that_goes_back_while_nothing_is_under_way_unbinds_nothing():
    known = Sends()
    known.lower_barriers(5)
    assert not known.unbound(0)
    known.remember(Batch(0, 1, at(1), 5))
    assert known.lower_bound(0) == 6


@pytest.mark.parametrize("more", [0, 1])
def test_beyond_the_bound_two_neighbours_are_one_and_the_safe_side_of_both(more):
    number = MAX_BATCHES + 1 + more
    known = sends(*((one, one + 1, float(one), 100 - one % 2) for one in range(MAX_BATCHES)))
    assert len(known) == MAX_BATCHES
    for one in range(MAX_BATCHES, number):
        known.remember(Batch(one, one + 1, at(one), 100 - one % 2))
    assert len(known) == MAX_BATCHES // 2 + 1 + more
    [first] = known.overlapping(0, 1)
    assert first == Batch(0, 2, at(0), 99)
    assert known.sent_at(number - 1) == at(number - 1)
