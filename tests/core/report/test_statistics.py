"""Medians of few values, and bounds that are what the binomial distribution says."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kafka_sentinel.core.report.figures import at_most, duration, percent, seconds, tiny
from kafka_sentinel.core.report.statistics import RULE_OF_THREE, Spread, share_bound, spread


@pytest.mark.parametrize(
    ("values", "found"),
    [
        ([], Spread(0, None, None)),
        ([4.0], Spread(1, 4.0, 4.0)),
        ([9.0, 1.0, 2.0], Spread(3, 2.0, 9.0)),
        ([9.0, 1.0, 2.0, 4.0], Spread(4, 3.0, 9.0)),
    ],
)
def test_the_median_is_of_what_was_measured(values, found):
    assert spread(values) == found


@pytest.mark.parametrize("cases", [30, 1_000, 4_104_203])
def test_none_of_n_is_below_three_in_n(cases):
    assert share_bound(0, cases) == 3 / cases


@pytest.mark.parametrize("cases", [1, 2, 5, 29])
def test_none_of_few_is_bounded_exactly(cases):
    bound = share_bound(0, cases)
    assert bound == pytest.approx(1 - 0.05 ** (1 / cases))
    assert bound < 3 / cases


def test_nothing_seen_bounds_nothing():
    assert share_bound(0, 0) is None


@given(st.integers(2, 300), st.data())
def test_what_was_seen_would_be_seen_in_one_of_twenty_cases_at_the_bound(cases, data):
    seen = data.draw(st.integers(1, cases - 1))
    bound = share_bound(seen, cases)
    tail = sum(math.comb(cases, k) * bound**k * (1 - bound) ** (cases - k) for k in range(seen + 1))
    assert tail == pytest.approx(0.05, rel=1e-6)
    assert seen / cases < bound < 1


@pytest.mark.parametrize(
    ("seen", "cases", "bound"),
    [
        (1, 2, math.sqrt(0.95)),  # 1 - p² = 0.05
        (99, 100, 0.95 ** (1 / 100)),
        (10_000, 1_000_000, 0.010165),  # as the normal distribution has it, within a thousandth
    ],
)
def test_some_of_few_and_of_many_are_bounded(seen, cases, bound):
    assert share_bound(seen, cases) == pytest.approx(bound, rel=1e-3)


def test_all_lost_bounds_nothing_below_all():
    assert share_bound(7, 7) == 1.0
    assert share_bound(8, 7) == 1.0


@pytest.mark.parametrize(("seen", "expected"), [(1, 4.744e-6), (3, 7.754e-6), (10, 16.96e-6)])
def test_few_of_a_million_are_bounded_as_poisson_has_it(seen, expected):
    assert share_bound(seen, 1_000_000) == pytest.approx(expected, rel=1e-3)


def test_the_two_bounds_of_none_meet():
    assert share_bound(0, RULE_OF_THREE - 1) == pytest.approx(share_bound(0, RULE_OF_THREE), rel=0.05)


# --- figures


@pytest.mark.parametrize(
    ("share", "text"),
    [
        *((1.0, "100.00 %"), (0.999999, "99.99 %"), (0.9989999, "99.89 %"), (0.999, "99.90 %"), (0.29, "29.00 %")),
        *((0.0, "0.00 %"), (0.0001, "0.01 %"), (0.0000995, "0.009 %"), (0.00001, "0.001 %")),
        (1e-12, "0.000000000 %"),
    ],
)
def test_shares_are_rounded_down(share, text):
    assert percent(share) == text


@pytest.mark.parametrize(
    ("share", "text"),
    [(0.0, "0.00 %"), (0.00001, "0.01 %"), (0.26, "26.00 %"), (0.258_866, "25.89 %"), (1.0, "100.00 %")],
)
def test_what_may_be_at_most_is_rounded_up(share, text):
    assert at_most(share) == text


@pytest.mark.parametrize(
    ("share", "text"), [(3 / 4_104_203, "1 in 1,368,067"), (3 / 3_200, "0.10 %"), (0.0005, "0.05 %")]
)
def test_a_tiny_bound_is_one_in_so_many(share, text):
    assert tiny(share) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        *(
            (0.0, "0.00 s"),
            (4.25, "4.25 s"),
            (10.0, "10 s"),
            (45.2, "45 s"),
            (60.0, "1 min"),
            (114.4, "1 min 54 s"),
            (2_592.0, "43 min"),
        ),
        *((599.9, "9 min 59 s"), (600.0, "10 min"), (659.0, "10 min")),
        *((3_600.0, "1 h"), (19_200.0, "5 h 20 min"), (273_900.0, "3 d 4 h"), (2_592_000.0, "30 d")),
    ],
)
def test_durations_have_at_most_two_units(value, text):
    assert duration(value) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        *((None, "-"), (4.256, "4.26 s"), (10.0, "10.0 s"), (14.26, "14.3 s")),
        *((1_000.0, "1,000 s"), (1_234.5, "1,234 s")),
    ],
)
def test_seconds_have_digits_worth_reading(value, text):
    assert seconds(value) == text
