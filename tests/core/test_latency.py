import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kafka_sentinel.core.latency import BUCKETS, HIGHEST, LOWEST, MINUTES, Latency, Quantiles

seconds = st.floats(min_value=LOWEST, max_value=HIGHEST, allow_nan=False)


def exact(values, share):
    ordered = sorted(values)
    rank = max(1, -int(-share * len(ordered) // 1))
    return ordered[rank - 1]


@given(st.lists(seconds, min_size=1, max_size=200), st.sampled_from([0.01, 0.5, 0.9, 0.99, 1.0]))
def test_a_quantile_is_within_five_percent(values, share):
    quantiles = Quantiles()
    quantiles.observe(values)
    assert quantiles.quantile(share) == pytest.approx(exact(values, share), rel=0.05)


def test_no_samples_have_no_quantile():
    assert Quantiles().quantile(0.5) is None
    assert Latency().summary() == {
        "produce_p50": None,
        "produce_p99": None,
        "end_to_end_p50": None,
        "end_to_end_p99": None,
    }


@given(st.lists(st.floats(min_value=-1e9, max_value=1e9, allow_nan=False), max_size=200))
def test_memory_is_bounded_whatever_the_values(values):
    quantiles = Quantiles()
    quantiles.observe(values)
    assert len(quantiles.to_state()) <= BUCKETS
    assert quantiles.count == len(values)


@given(st.lists(seconds, max_size=50))
def test_state_survives_a_round_trip(values):
    quantiles = Quantiles()
    quantiles.observe(values)
    restored = Quantiles.from_state(json.loads(json.dumps(quantiles.to_state())))
    assert restored.to_state() == quantiles.to_state()
    assert restored.quantile(0.99) == quantiles.quantile(0.99)


@pytest.mark.parametrize("state", [[[-1, 1]], [[BUCKETS, 1]], [[3, 0]], [[3]]])
def test_a_state_that_is_not_ours_is_refused(state):
    with pytest.raises((ValueError, TypeError)):
        Quantiles.from_state(state)


def test_a_minute_tells_of_itself_alone():
    latency = Latency()
    latency.tick(0, 1000, 0)
    latency.acked((1.0,))
    latency.read((2.0,))
    latency.slots({("produce", "good"): 3, ("produce", "bad"): 1, ("consume", "blind"): 5})
    latency.tick(59.9, 1059.9, 7)
    assert latency.history() == []
    latency.tick(60, 1060, 7)
    latency.acked((0.01,))
    latency.tick(120, 1120, 0)
    first, second = latency.history()
    assert first["at"] == 1060
    assert first["produce_p99"] == pytest.approx(1.0, rel=0.05)
    assert first["end_to_end_p99"] == pytest.approx(2.0, rel=0.05)
    assert (first["produce_good"], first["consume_good"], first["lag_records"]) == (0.75, None, 7)
    assert second["produce_p99"] == pytest.approx(0.01, rel=0.05)
    assert second["produce_good"] is None
    assert latency.summary()["produce_p99"] == pytest.approx(1.0, rel=0.05)


def test_history_keeps_twelve_hours():
    latency = Latency()
    for minute in range(MINUTES + 10):
        latency.tick(minute * 60, minute * 60, 0)
    assert len(latency.history()) == MINUTES
    assert latency.history()[-1]["at"] == (MINUTES + 9) * 60


def test_a_state_is_in_order_and_counts_what_it_says_twice():
    quantiles = Quantiles()
    quantiles.observe((9.0, 1.0, 0.01))
    buckets = [bucket for bucket, _ in quantiles.to_state()]
    assert buckets == sorted(buckets)
    assert Quantiles.from_state([[3, 1], [3, 2]]).to_state() == [[3, 3]]


def test_the_summary_is_since_the_start():
    latency = Latency()
    latency.acked((0.1, 0.1, 0.1, 4.0))
    latency.read((0.2, 0.2, 0.2, 8.0))
    assert latency.summary() == {
        "produce_p50": pytest.approx(0.1, rel=0.05),
        "produce_p99": pytest.approx(4.0, rel=0.05),
        "end_to_end_p50": pytest.approx(0.2, rel=0.05),
        "end_to_end_p99": pytest.approx(8.0, rel=0.05),
    }
    many = Latency()
    many.acked((*[1.0] * 98, 2.0, 9.0))
    many.read((*[1.0] * 98, 2.0, 9.0))
    assert many.summary()["produce_p99"] == pytest.approx(2.0, rel=0.05)
    assert many.summary()["end_to_end_p99"] == pytest.approx(2.0, rel=0.05)


def test_a_minute_lasts_a_minute():
    latency = Latency()
    for second in range(0, 130, 10):
        latency.tick(second, second, 0)
    assert [one["at"] for one in latency.history()] == [60, 120]


def test_as_much_good_as_bad_is_half():
    latency = Latency()
    latency.tick(0, 0, 0)
    latency.slots({("produce", "good"): 2, ("produce", "bad"): 2})
    latency.tick(60, 60, 0)
    assert latency.history()[0]["produce_good"] == 0.5
