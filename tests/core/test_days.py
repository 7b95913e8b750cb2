"""The totals by day: they add up to what is counted, over days, restarts and versions of the state."""

from __future__ import annotations

import json
from itertools import product

import pytest
from tests.core.engine_world import RUN, ZERO, Sentinel, series

from kafka_sentinel.adapters.metric_catalogue import CATALOGUE
from kafka_sentinel.core import checkpoint
from kafka_sentinel.core.commands import Count
from kafka_sentinel.core.days import COLUMNS, DAY, LAST_DAY, MAX_DAYS, Days, column
from kafka_sentinel.core.engine import Engine
from kafka_sentinel.core.incident import Cause
from kafka_sentinel.core.truth import CopiesFound, LossesProved
from kafka_sentinel.core.types import Acks, Instant, ProbePartition
from kafka_sentinel.core.verdicts import Loss

TAKEN = (
    *("records_sent_total", "records_verified_total", "records_expired_total", "records_unaccounted_total"),
    *("records_corrupted_total", "records_outcome_total", "probe_slots_total", "unavailable_seconds_total"),
    *("incidents_total", "blind_seconds_total", "invariant_violations_total"),
)
AT_ONCE = {f"{name}_{acks.value}" for name in ("lost", "lost_before", "duplicated") for acks in Acks}


def sums(days):
    found = {}
    for row in days.status():
        for name, amount in row["counts"].items():
            found[name] = found.get(name, 0) + amount
    return found


def counted(world):
    """What the metrics say, by column."""
    found = {}
    for metric in TAKEN:
        labels = CATALOGUE[metric].labels
        for values in product(*(label.values for label in labels)):
            pairs = tuple((label.name, value) for label, value in zip(labels, values, strict=True))
            if ("acks", Acks.ONE.value) in pairs:
                continue  # the world has one level, and does not tell them apart
            amount = world.counts[series(metric, pairs)]
            name = column(Count(metric, pairs))
            found[name] = found.get(name, 0) + amount
    return {name: amount for name, amount in found.items() if amount}


def test_every_count_of_the_catalogue_that_is_taken_has_a_column():
    found = set()
    for metric in CATALOGUE.values():
        for values in product(*(label.values or ("x",) for label in metric.labels)):
            found.add(column(Count(metric.name, tuple(zip((one.name for one in metric.labels), values, strict=True)))))
    assert found - {None} | AT_ONCE | {"lived"} == set(COLUMNS)


def test_the_days_are_the_metrics():
    world = Sentinel()
    world.live(30)
    first = world.suffer(8)
    world.uncertain(first, 4)
    world.live(30)
    found = sums(world.engine.days)
    metrics = counted(world)
    assert {name: found.get(name) for name in metrics} == pytest.approx(metrics)
    assert {"sent_all", "acked_all", "uncertain_all", "produce_bad", "consume_good", "natural_produce_down"} < set(
        metrics
    )
    assert found.keys() - metrics.keys() == {"lived"}
    assert found["lived"] == pytest.approx(world.mono - 1_000.0)


def test_midnight_begins_another_day():
    world = Sentinel()
    world.wall = 20_000 * DAY - 10.0
    world.engine.days.since = world.wall
    world.live(20)
    first, second = world.engine.days.status()
    assert (first["day"], second["day"]) == ("2024-10-03", "2024-10-04")
    assert first["counts"]["sent_all"] + second["counts"]["sent_all"] == world.records["sent"] == 40
    assert abs(first["counts"]["sent_all"] - 20) <= 1


def test_a_clock_that_was_set_back_counts_for_the_day_it_shows():
    days = Days(0.0)
    for at in (20_001 * DAY, 20_000 * DAY, 20_001 * DAY):
        days.add("sent_all", 1, at)
    assert [row["counts"]["sent_all"] for row in days.status()] == [1, 2]


def test_no_more_days_are_kept_than_that():
    days = Days(0.0)
    for day in range(MAX_DAYS + 30):
        days.add("sent_all", 1, day * DAY)
    kept = days.status()
    assert len(kept) == MAX_DAYS
    assert kept[0]["day"] == "1970-01-31"
    restored = Days(0.0)
    restored.restore(json.loads(json.dumps(days.to_state())))
    assert restored.status() == kept


def test_what_was_shown_does_not_change_afterwards():
    days = Days(0.0)
    days.add("sent_all", 1, 0.0)
    shown = days.status()
    days.add("sent_all", 1, 0.0)
    assert shown[0]["counts"] == {"sent_all": 1}
    assert days.status()[0]["counts"] == {"sent_all": 2}


# --- what is proved is not kept waiting


@pytest.mark.parametrize(("seen", "before"), [("never", None), ("before", 3)])
def test_losses_count_when_they_are_proved(seen, before):
    world = Sentinel()
    world.live(1)
    loss = Loss(ProbePartition(Acks.ONE, 0), RUN, 4, 3, 4, seen, 0, "", None, None, "", world.now())
    world.engine.truth.findings.append(LossesProved((loss,), None, world.now()))
    world.wait(0.5)
    assert (
        world.counts[series("records_lost_total", (("cause", "unknown"), ("seen", seen)))] == 0
    )  # waits for its cause
    counts = sums(world.engine.days)
    assert (counts["lost_1"], counts.get("lost_before_1"), counts.get("lost_all")) == (3, before, None)


def test_copies_count_when_they_are_found():
    world = Sentinel()
    world.live(1)
    world.engine.truth.findings.append(CopiesFound(ZERO, 2, world.now(), None))
    world.wait(0.5)
    assert sums(world.engine.days)["duplicated_all"] == 2


# --- from one life to the next


def state_of(world):
    return json.loads(json.dumps(checkpoint.to_state(world.engine)))


def another_life(world, state, *, after=0.0):
    return Engine(world.engine.config, run=RUN + 1, started=Instant(5.0, world.wall + after), state=state)


def test_a_restart_goes_on_with_the_days_and_counts_the_absence_as_blind():
    world = Sentinel()
    world.live(20)
    before = sums(world.engine.days)
    engine = another_life(world, state_of(world), after=600.0)
    world.engine, world.mono, world.wall = engine, 5.0, world.wall + 600.0
    world.wait(1)
    after = sums(engine.days)
    assert engine.days.since == world.wall - 600.0 - 21.0
    assert after["sent_all"] == before["sent_all"]
    assert after["lived"] - before["lived"] == pytest.approx(600.0, abs=1.0)
    assert after["blind"] == pytest.approx(600.0, abs=1.0)


def test_a_state_of_before_there_were_days_begins_them_where_it_ends():
    world = Sentinel()
    world.live(20)
    state = state_of(world)
    del state["days"]
    engine = another_life(world, state, after=60.0)
    assert engine.days.since == state["alive_at"]
    assert sums(engine.days) == {"lived": pytest.approx(60.0)}


def test_a_state_of_another_version_may_know_other_columns():
    days = Days(7.0)
    days.add("sent_all", 5, 0.0)
    days.add("blind", 1.2345678, 0.0)
    state = days.to_state()
    state["columns"] = ["what_will_be", *state["columns"][:-1]]  # one is new to us, and we have one it does not know
    state["rows"] = [[day, 99, *amounts[:-1]] for day, *amounts in state["rows"]]
    restored = Days(0.0)
    restored.restore(state)
    assert (restored.since, sums(restored)) == (7.0, {"sent_all": 5, "blind": 1.235})


@pytest.mark.parametrize(
    "state",
    [{}, {"since": 1.0, "columns": ["sent_all"], "rows": [[1, "many"]]}, {"since": "x", "columns": [], "rows": []}],
)
def test_what_is_no_state_of_days_is_refused(state):
    with pytest.raises((KeyError, TypeError, ValueError)):
        Days(0.0).restore(state)


# --- incidents by kind


@pytest.mark.parametrize(("cause", "name"), [(Cause.EXPERIMENT, "experiment_failed"), (Cause.SPOT, "natural_failed")])
def test_incidents_count_by_kind_and_verdict(cause, name):
    count = Count("incidents_total", (("cause", cause.value), ("verdict", "failed")))
    assert column(count) == name


# --- the days by themselves


def test_time_that_does_not_pass_is_not_lived():
    days = Days(0.0)
    for mono, wall in ((10.0, 0.0), (10.0, DAY), (9.0, 2 * DAY), (9.5, 3 * DAY)):
        days.lived(Instant(mono, wall))
    assert days.status() == [{"day": "1970-01-04", "counts": {"lived": 0.5}}]


def test_days_and_their_columns_are_told_and_kept_in_order():
    days = Days(0.0)
    for at in (2 * DAY, 0.0, DAY):
        for name in ("sent_all", "blind", "acked_all"):
            days.add(name, 1, at)
    days.add("lost_all", 0, 0.0)
    assert [row["day"] for row in days.status()] == ["1970-01-01", "1970-01-02", "1970-01-03"]
    assert repr(days.status()[0]["counts"]) == "{'acked_all': 1, 'blind': 1, 'sent_all': 1}"
    assert [day for day, *_ in days.to_state()["rows"]] == [0, 1, 2]
    restored = Days(0.0)
    state = days.to_state()
    restored.restore({**state, "rows": [[9, *state["rows"][0][1:]], *state["rows"]]})
    assert repr(restored.status()[0]["counts"]) == "{'acked_all': 1, 'blind': 1.0, 'sent_all': 1}"
    assert [row["day"] for row in restored.status()][-1] == "1970-01-10"


def test_of_too_many_days_in_any_order_the_newest_are_kept():
    def state(days):
        return {"since": 1.0, "columns": ["sent_all"], "rows": [[day, 1] for day in days]}

    days = Days(0.0)
    days.restore(state(reversed(range(MAX_DAYS + 5))))
    assert [row["day"] for row in days.status()][:: MAX_DAYS - 1] == ["1970-01-06", "1971-02-09"]
    days.add("sent_all", 1, (MAX_DAYS + 5) * DAY)
    assert len(days.status()) == len(days._shown) == MAX_DAYS


@pytest.mark.parametrize(("day", "is_one"), [(-1, False), (0, True), (LAST_DAY, True), (LAST_DAY + 1, False)])
def test_only_days_of_the_calendar_are_taken_over(day, is_one):
    days, state = Days(0.0), {"since": 1.0, "columns": ["sent_all"], "rows": [[day, 1]]}
    if is_one:
        days.restore(state)
        assert days.status()[0]["counts"] == {"sent_all": 1}
    else:
        with pytest.raises(ValueError, match=f"day {day} is not in the calendar"):
            days.restore(state)
