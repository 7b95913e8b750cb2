from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import apscheduler.triggers.base
import apscheduler.triggers.cron
import apscheduler.util
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from kafka_sentinel.core import schedule as ours
from kafka_sentinel.core.schedule import (
    ScheduleError,
    jittered,
    next_run,
    parse_blackout,
    parse_schedule,
)

ZONES = ("UTC", "Europe/Berlin", "America/New_York", "America/Sao_Paulo", "Australia/Lord_Howe", "Antarctica/Troll")
WALL = st.floats(min_value=946_684_800, max_value=4_000_000_000)  # years 2000 to 2096


def at(text: str) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()


def runs(line: str, zone: str, start: str, count: int) -> list[str]:
    schedule, moment, found = parse_schedule(cron=line, zone=zone), at(start), []
    for _ in range(count):
        moment = next_run(schedule, moment)
        found.append(datetime.fromtimestamp(moment, schedule.zone).strftime("%m-%d %H:%M%z"))
    return found


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("0 10 * * mon-fri", ["01-02 10:00+0000", "01-05 10:00+0000", "01-06 10:00+0000"]),  # 2 January 2026: a Friday
        ("0 10 * * sun", ["01-04 10:00+0000", "01-11 10:00+0000", "01-18 10:00+0000"]),
        ("*/20 9 * * *", ["01-02 09:00+0000", "01-02 09:20+0000", "01-02 09:40+0000"]),
        ("15 6 1,15 feb-mar *", ["02-01 06:15+0000", "02-15 06:15+0000", "03-01 06:15+0000"]),
        ("5-10/5 0 * 12 *", ["12-01 00:05+0000", "12-01 00:10+0000", "12-02 00:05+0000"]),
        ("0 0 * * SAT,sun", ["01-03 00:00+0000", "01-04 00:00+0000", "01-10 00:00+0000"]),
        ("0 0 * * mon-mon", ["01-05 00:00+0000", "01-12 00:00+0000", "01-19 00:00+0000"]),
        ("*/1 0 * * *", ["01-02 00:01+0000", "01-02 00:02+0000", "01-02 00:03+0000"]),
        ("*/59 0 2 * *", ["01-02 00:59+0000", "02-02 00:00+0000", "02-02 00:59+0000"]),
        ("0 0 1 dec *", ["12-01 00:00+0000", "12-01 00:00+0000", "12-01 00:00+0000"]),
    ],
)
def test_a_cron_line_means_what_cron_means(line, expected):
    assert runs(line, "UTC", "2026-01-02T00:00", 3) == expected


def test_the_next_run_is_later_than_a_run_that_has_just_begun():
    schedule = parse_schedule(cron="0 10 * * *")
    assert next_run(schedule, at("2026-01-02T09:59:59")) == at("2026-01-02T10:00")
    assert next_run(schedule, at("2026-01-02T10:00")) == at("2026-01-03T10:00")


@pytest.mark.parametrize("weekday", ["1-5", "0", "7", "mon,2", "*/2"])
def test_numeric_weekdays_are_refused_and_names_are_asked_for(weekday):
    with pytest.raises(ScheduleError, match=r"numbers.*write names: mon tue wed thu fri sat sun"):
        parse_schedule(cron=f"0 10 * * {weekday}")


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("0 10 * *", "has 4 fields; it needs five"),
        ("0 0 10 * * mon", "has 6 fields"),
        ("@daily", "has 1 fields"),
        ("60 10 * * *", 'minute "60" is out of range; allowed are 0 to 59'),
        ("0 24 * * *", "hour.*0 to 23"),
        ("0 0 0 * *", "day.*1 to 31"),
        ("0 0 * 13 *", "month.*1 to 12"),
        ("0 0 * janx *", "month.*not understood"),
        ("0 0 * jan-13 *", "month.*not understood"),
        ("0 0 * jan-feb-mar *", "month.*not understood"),
        ("jan 0 * * *", "minute.*not understood"),
        ("0 0 * * monday", "not a weekday"),
        ("0 0 * * mon#2", "numbers"),
        ("0 0 * * fri-day", "not a weekday"),
        ("0 0 * * fri-mon", "runs backwards"),
        ("30-10 0 * * *", "runs backwards"),
        ("*/0 * * * *", "step out of range"),
        (f"{'5' * 5_000} * * * *", "is not understood; allowed are"),
        (f"*/{'5' * 5_000} * * * *", "is not understood; allowed are"),
        ("²,³ * * * *", "is not understood; allowed are"),
        ("*/99 * * * *", "step out of range"),
        ("0 0 */31 * *", "step out of range; allowed are 1 to 30"),
        ("5/10 * * * *", "not understood"),
        ("1,,2 * * * *", "not understood"),
        ("-5 * * * *", "not understood"),
        ("0 0 13 * fri", "both the day of the month and the weekday"),
        ("0 0 30 feb *", "no such date exists"),
        ("0 0 31 4,6,9,11 *", "no such date exists"),
    ],
)
def test_a_wrong_cron_line_is_refused_with_what_is_allowed(line, message):
    with pytest.raises(ScheduleError, match=message):
        parse_schedule(cron=line)


@pytest.mark.parametrize("zone", ["Mars/Olympus", "", "../etc/passwd", "Europe", "+02:00"])
def test_an_unknown_zone_is_refused(zone):
    with pytest.raises(ScheduleError, match="IANA names"):
        parse_schedule(cron="0 10 * * *", zone=zone)


def test_a_schedule_is_either_a_line_or_an_interval():
    for both in ({}, {"cron": "0 10 * * *", "every": "1h"}):
        with pytest.raises(ScheduleError, match="exactly one"):
            parse_schedule(**both)


@pytest.mark.parametrize("every", ["0s", "25", "1.5h", "-5m", "400d", "1h30m", "", "999999999999s", "5 m"])
def test_a_wrong_interval_is_refused(every):
    with pytest.raises(ScheduleError, match="1s to 366d"):
        parse_schedule(every=every)


def test_the_shortest_and_the_longest_interval():
    assert [parse_schedule(every=text).seconds for text in ("1s", "366d")] == [1, 366 * 86_400]


def test_a_schedule_is_told_as_it_is_kept():
    assert str(parse_schedule(cron="0 10 * * MON", zone="Europe/Berlin")) == "0 10 * * mon Europe/Berlin"
    assert str(parse_schedule(every="2m")) == "every 120s"


def test_a_beat_whose_quotient_is_rounded_down_is_not_told_twice():
    schedule = parse_schedule(every="30d")
    first = next_run(schedule, 2_144_922_221.0, "0")
    assert next_run(schedule, first, "0") == pytest.approx(first + schedule.seconds)


def test_an_interval_keeps_its_beat_whenever_it_is_asked():
    schedule = parse_schedule(every="25s")
    first = next_run(schedule, 1_000_000.0, "kill")
    assert 0 < first - 1_000_000.0 <= 25
    assert next_run(schedule, first - 0.001, "kill") == first
    assert next_run(schedule, first, "kill") == first + 25
    assert next_run(schedule, first + 3 * 25 + 1, "kill") == first + 4 * 25


def test_experiments_of_the_same_interval_do_not_come_due_together():
    schedule = parse_schedule(every="1h")
    due = sorted(next_run(schedule, 0.0, f"experiment-{number}") for number in range(20))
    assert len(set(due)) == 20
    assert (due[0] < 600, due[-1] > 3_000) == (True, True)  # all over the hour


def test_the_autumn_hour_fires_once():
    assert runs("30 2 * * *", "Europe/Berlin", "2026-10-24T12:00", 3) == [
        "10-25 02:30+0200",
        "10-26 02:30+0100",
        "10-27 02:30+0100",
    ]
    assert runs("*/30 2 * * *", "Europe/Berlin", "2026-10-24T12:00", 3) == [
        "10-25 02:00+0200",
        "10-25 02:30+0200",
        "10-26 02:00+0100",
    ]


def test_a_time_that_spring_leaves_out_comes_an_hour_later_and_the_next_one_as_usual():
    assert runs("30 2 * * *", "Europe/Berlin", "2026-03-28T12:00", 2) == ["03-29 03:30+0200", "03-30 02:30+0200"]


def test_a_midnight_that_spring_leaves_out_does_not_wedge():
    assert runs("0 0 * * *", "America/Sao_Paulo", "2018-11-03T12:00", 2) == ["11-05 00:00-0200", "11-06 00:00-0200"]


def answered(monkeypatch, *answers):
    """Have the trigger answer that. Returns when it was asked."""
    asked, left = [], list(answers)

    class Trigger:
        def __init__(self, **_fields):
            pass

        def get_next_fire_time(self, _previous, now):
            asked.append(now.timestamp())
            return left.pop(0)

    monkeypatch.setattr(ours, "CronTrigger", Trigger)
    return asked


def test_a_run_that_lies_behind_is_not_gone_back_to(monkeypatch):
    schedule = parse_schedule(cron="* * * * *")
    asked = answered(monkeypatch, *(datetime.fromtimestamp(seconds, UTC) for seconds in (960, 1_002)))
    assert next_run(schedule, 1_000.0) == 1_002
    assert asked == [1_001, 1_002]


def test_a_search_for_the_first_pass_of_an_hour_ends(monkeypatch):
    schedule = parse_schedule(cron="30 2 * * *", zone="Europe/Berlin")
    answered(monkeypatch, datetime(2026, 10, 25, 2, 30, fold=1, tzinfo=schedule.zone))
    monkeypatch.setattr(ours, "MAX_SKIPS", 1)
    assert next_run(schedule, at("2026-10-25T01:00")) == at("2026-10-25T01:30:01")


def test_a_leap_day_is_found_even_eight_years_ahead():
    assert next_run(parse_schedule(cron="0 0 29 2 *"), at("2096-03-01")) == at("2104-02-29")


@settings(deadline=None)
@given(
    line=st.sampled_from(["30 2 * * *", "*/7 * * * *", "0 0 * * *", "59 23 * * sun", "15 1-3 * * *", "0 3 31 * *"]),
    zone=st.sampled_from(ZONES),
    after=WALL,
)
def test_next_run_strictly_increases_and_never_wedges(line, zone, after):
    schedule = parse_schedule(cron=line, zone=zone)
    times = [after]
    for _ in range(8):
        times.append(next_run(schedule, times[-1]))
    gaps = [later - earlier for earlier, later in pairwise(times)]
    assert all(0 < gap <= timedelta(days=63).total_seconds() for gap in gaps)
    assert all(not datetime.fromtimestamp(time, schedule.zone).fold for time in times[1:])


@settings(deadline=None)
@given(
    zone=st.sampled_from(ZONES),
    day=st.integers(min_value=0, max_value=20_000),
    minute=st.integers(min_value=0, max_value=1439),
)
def test_a_daily_line_fires_at_most_once_on_each_day(zone, day, minute):
    schedule = parse_schedule(cron=f"{minute % 60} {minute // 60} * * *", zone=zone)
    moment, days = 946_684_800.0 + day * 86_400, []
    for _ in range(10):
        moment = next_run(schedule, moment)
        days.append(datetime.fromtimestamp(moment, schedule.zone).date())
    assert len(set(days)) == len(days)


@settings(deadline=None)
@given(every=st.sampled_from(["1s", "25s", "7m", "5h", "30d"]), after=WALL, name=st.text(max_size=8))
@example(every="30d", after=2144922221.0, name="0")  # the run after that is a quotient that is rounded down
def test_an_interval_strictly_increases(every, after, name):
    schedule = parse_schedule(every=every)
    later = next_run(schedule, after, name)
    assert after < later <= after + schedule.seconds
    assert later < next_run(schedule, later, name)


def test_the_trigger_never_asks_for_the_time_the_local_zone_or_chance(monkeypatch):
    class NoClock(datetime):
        @classmethod
        def now(cls, tz=None):
            raise AssertionError("asked for the time")

        utcnow = today = now

    def forbidden(*_args):
        raise AssertionError("asked for the local zone or for chance")

    for module in (apscheduler.triggers.cron, apscheduler.util, apscheduler.triggers.base):
        if hasattr(module, "datetime"):
            monkeypatch.setattr(module, "datetime", NoClock)
    monkeypatch.setattr(apscheduler.triggers.cron, "get_localzone", forbidden)
    monkeypatch.setattr(apscheduler.triggers.base.random, "uniform", forbidden)
    schedule = parse_schedule(cron="30 2 * * mon", zone="Europe/Berlin")
    assert next_run(schedule, at("2026-01-01")) == at("2026-01-05T01:30")


@settings(deadline=None)
@given(planned=WALL, spread=st.floats(min_value=0, max_value=3_600))
def test_jitter_is_bounded_and_the_same_for_the_same_run(planned, spread):
    moved = jittered("kill", planned, spread)
    assert planned <= moved <= planned + spread
    assert moved == jittered("kill", planned, spread)


def test_jitter_differs_between_experiments_and_runs():
    assert len({jittered("kill", planned, 60) - planned for planned in range(0, 1_000, 100)}) == 10
    assert jittered("kill", 0.0, 60) != jittered("pause", 0.0, 60)


@pytest.mark.parametrize(
    ("window", "inside", "outside"),
    [
        ({"days": ("sat-sun",)}, ["2026-01-03T00:00", "2026-01-04T23:59"], ["2026-01-02T23:59", "2026-01-05T00:00"]),
        ({"start": "18:00", "end": "08:00"}, ["2026-01-02T18:00", "2026-01-02T07:59"], ["2026-01-02T08:00"]),
        (
            {"days": ("fri",), "start": "22:00", "end": "06:00"},
            ["2026-01-02T22:00", "2026-01-03T05:59"],
            ["2026-01-02T05:59", "2026-01-03T06:00", "2026-01-03T22:00"],
        ),
        (
            {"dates": ("2026-12-24..2027-01-01",)},
            ["2026-12-24T00:00", "2027-01-01T23:59"],
            ["2026-12-23T23:59", "2027-01-02T00:00"],
        ),
        ({"dates": ("2026-12-24",), "start": "12:00"}, ["2026-12-24T12:00"], ["2026-12-24T11:59", "2026-12-25T12:00"]),
        ({"start": "09:00", "end": "10:00", "zone": "Europe/Berlin"}, ["2026-01-02T08:30"], ["2026-01-02T09:30"]),
        ({"days": ("*",)}, ["2026-01-02T00:00", "2026-01-04T00:00", "2026-01-05T00:00"], []),
        ({"dates": ("2026-12-24", "2026-12-31")}, ["2026-12-24T00:00", "2026-12-31T23:59"], ["2026-12-25T00:00"]),
        ({"start": "18:30", "end": "18:45"}, ["2026-01-02T18:30", "2026-01-02T18:44"], ["2026-01-02T18:29"]),
    ],
)
def test_a_blackout_covers_exactly_its_window(window, inside, outside):
    blackout = parse_blackout(**window)
    assert [moment for moment in inside if not blackout.covers(at(moment))] == []
    assert [moment for moment in outside if blackout.covers(at(moment))] == []


@pytest.mark.parametrize(
    ("window", "text"),
    [
        ({}, "daily 00:00-24:00 UTC"),
        ({"days": ("sat", "sun"), "zone": "Europe/Berlin"}, "sat,sun 00:00-24:00 Europe/Berlin"),
        ({"dates": ("2026-12-24",), "start": "12:00", "end": "13:00"}, "2026-12-24 12:00-13:00 UTC"),
    ],
)
def test_a_blackout_is_told_as_it_was_written(window, text):
    assert parse_blackout(**window).text == text


def test_both_passes_of_the_autumn_hour_are_blacked_out():
    blackout = parse_blackout(start="02:00", end="03:00", zone="Europe/Berlin")
    assert blackout.covers(at("2026-10-25T00:30"))
    assert blackout.covers(at("2026-10-25T01:30"))
    assert not blackout.covers(at("2026-10-25T02:00"))


@pytest.mark.parametrize(
    ("window", "message"),
    [
        ({"days": ("1-5",)}, "names"),
        ({"days": ("someday",)}, "not a weekday"),
        ({"dates": ("24.12.2026",)}, "YYYY-MM-DD"),
        ({"dates": ("2026-12-25..2026-12-24",)}, "backwards"),
        ({"start": "25:00"}, "00:00 to 24:00"),
        ({"start": "8:00"}, "00:00 to 24:00"),
        ({"end": "08:60"}, "00:00 to 24:00"),
        ({"start": "08:00", "end": "08:00"}, "empty"),
        ({"start": "24:00"}, "empty"),
        ({"days": ("mon",), "dates": ("2026-12-24",)}, "not both"),
        ({"zone": "Nowhere"}, "IANA"),
    ],
)
def test_a_wrong_blackout_is_refused(window, message):
    with pytest.raises(ScheduleError, match=message):
        parse_blackout(**window)
