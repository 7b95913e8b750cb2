"""RangeMap and its kin against plain dictionaries and sets."""

from itertools import pairwise

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


def test_a_million_consecutive_records_take_one_interval():
    positions = OffsetMap()
    for first in range(0, 1_000_000, 1000):
        positions.set(first, 1000, first + 7)
    assert positions.intervals == 1
    assert len(positions) == 1_000_000
