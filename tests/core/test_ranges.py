"""RangeMap and its kin against plain dictionaries and sets."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kafka_sentinel.core.ranges import OffsetMap, RangeMap, RangeSet

KEY = st.integers(0, 60)
COUNT = st.integers(0, 12)
OPERATIONS = st.lists(st.tuples(st.sampled_from(["set", "remove", "from", "below"]), KEY, COUNT, st.integers(0, 3)))


def expand(pieces, shift):
    return {first + i: shift(value, i) for first, count, value in pieces for i in range(count)}


def apply(subject, operations, shift):
    model: dict[int, object] = {}
    for name, first, count, value in operations:
        window = range(first, first + count)
        if name == "set":
            subject.set(first, count, value)
            model |= {first + i: shift(value, i) for i in range(count)}
            continue
        if name == "remove":
            gone, removed = [k for k in model if k in window], subject.remove(first, count)
        elif name == "from":
            gone, removed = [k for k in model if k >= first], subject.remove_from(first)
        else:
            gone, removed = [k for k in model if k < first], subject.remove_below(first)
        assert removed == len(gone)
        for key in gone:
            del model[key]
    return model


def check(subject, model, shift):
    assert expand(subject, shift) == model
    assert len(subject) == len(model)
    assert subject.end == (max(model) + 1 if model else 0)
    assert subject.lowest == (min(model) if model else None)
    pieces = list(subject)
    for before, after in pairwise(pieces):
        assert before.first + before.count <= after.first
        if before.first + before.count == after.first:
            assert shift(before.value, before.count) != after.value, "intervals are maximal"


@given(OPERATIONS, KEY, COUNT)
def test_constant_values_behave_like_a_dictionary(operations, first, count):
    subject = RangeMap()
    model = apply(subject, operations, lambda value, _: value)
    check(subject, model, lambda value, _: value)
    window = {k: v for k, v in model.items() if first <= k < first + count}
    assert expand(subject.overlapping(first, count), lambda value, _: value) == window
    assert [subject.get(k) for k in range(80)] == [model.get(k) for k in range(80)]


@given(OPERATIONS, KEY)
def test_offsets_behave_like_a_dictionary(operations, edge):
    subject = OffsetMap()
    model = apply(subject, operations, lambda value, by: value + by)
    check(subject, model, lambda value, by: value + by)
    assert expand(subject.at_or_above(edge), lambda v, i: v + i) == {k: v for k, v in model.items() if v >= edge}
    assert expand(subject.below(edge), lambda v, i: v + i) == {k: v for k, v in model.items() if v < edge}


@given(st.lists(st.tuples(KEY, COUNT)), KEY, COUNT)
def test_range_set_behaves_like_a_set(spans, first, count):
    subject = RangeSet()
    model: set[int] = set()
    for start, length in spans:
        new = set(range(start, start + length)) - model
        assert subject.add(start, length) == len(new)
        model |= new
    window = set(range(first, first + count))
    flat = lambda pieces: {s + i for s, n in pieces for i in range(n)}  # noqa: E731  (two uses, one line)
    assert flat(subject.covered(first, count)) == window & model
    assert flat(subject.missing(first, count)) == window - model
    assert [k in subject for k in range(80)] == [k in model for k in range(80)]
    assert RangeSet.of(subject.spans()).spans() == subject.spans()


@pytest.mark.parametrize("count", [0, -2])
def test_an_empty_window_takes_nothing_out_and_splits_nothing(count):
    subject = RangeMap([(0, 10, "a")])
    assert subject.remove(5, count) == 0
    subject.set(5, count, "b")
    assert list(subject) == [(0, 10, "a")]
    assert subject.remove_from(10) == subject.remove_from(12) == 0


def test_all_can_be_cleared():
    subject = OffsetMap([(3, 4, 7), (20, 1, 90)])
    subject.clear()
    assert (len(subject), subject.intervals, subject.get(3)) == (0, 0, None)


def test_where_no_offset_is_on_that_side_there_is_no_piece():
    subject = OffsetMap([(0, 10, 100)])
    assert [subject.at_or_above(offset) for offset in (109, 110, 200)] == [[(9, 1, 109)], [], []]
    assert [subject.below(offset) for offset in (50, 100, 101)] == [[], [], [(0, 1, 100)]]


def test_a_million_consecutive_records_take_one_interval():
    positions = OffsetMap()
    for first in range(0, 1_000_000, 1000):
        positions.set(first, 1000, first + 7)
    assert positions.intervals == 1
    assert len(positions) == 1_000_000


@pytest.mark.parametrize("count", [0, -2])
def test_there_is_nothing_in_an_empty_window(count):
    """As where retention has passed all of what is asked for."""
    subject = RangeSet([(0, 10, None)])
    assert subject.covered(5, count) == []
    assert subject.overlapping(5, count) == []
