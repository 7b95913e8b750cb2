"""Sums over days: what vouches for how much, and what belongs to which week and month."""

from __future__ import annotations

from datetime import date

import pytest
from tests.core.report.worlds import NOW, day, document, evidence, report, today

from kafka_sentinel.core.days import DAY
from kafka_sentinel.core.report.evidence import Day, parse
from kafka_sentinel.core.report.report import Wish, build
from kafka_sentinel.core.report.totals import Sight, months, records, service, sight, total, weeks
from kafka_sentinel.core.slots import Operation
from kafka_sentinel.core.types import Acks


def sums(**counts):
    return total(evidence(days=[day(0, **counts)]).days)


def test_days_are_added_up():
    assert total(evidence().days)["sent_all"] == 30 * 100_000


def test_a_record_lost_unread_and_one_lost_after_it_was_read_are_both_judged_once():
    found = records(sums(acked_all=1_000, verified_all=990, lost_all=8, lost_before_all=3), Acks.ALL)
    assert (found.judged, found.lost) == (995, 8)
    assert found.vouched == 0.995


def test_without_loss_the_bound_is_three_in_all_that_were_read():
    found = records(sums(acked_all=1_000, verified_all=900, unaccounted_all=100), Acks.ALL)
    assert (found.bound, found.vouched) == (3 / 900, 0.9)


def test_nothing_acknowledged_bounds_nothing():
    found = records(sums(acked_all=0, verified_all=0), Acks.ALL)
    assert (found.bound, found.vouched) == (None, None)


def test_levels_are_kept_apart():
    found = sums(sent_1=7, lost_1=2, verified_1=5)
    assert (records(found, Acks.ONE).lost, records(found, Acks.ALL).lost) == (2, 0)


def test_blind_slots_count_neither_way():
    found = service(sums(produce_good=90, produce_bad=10, produce_blind=900), Operation.PRODUCE)
    assert (found.share, found.good, found.bad, found.blind) == (0.9, 90, 10, 900)
    assert service(sums(produce_good=0, consume_good=0), Operation.PRODUCE).share is None


def test_the_time_nobody_saw_is_not_up():
    found = service(sums(natural_produce_down=30.0, experiment_produce_down=20.0, blind=DAY / 2), Operation.PRODUCE)
    assert (found.down, found.provoked) == (50.0, 20.0)
    assert found.up == pytest.approx(1 - 50 / (DAY / 2))


def test_sight_is_what_was_lived_without_what_was_blind():
    found = sight(sums(blind=DAY / 4))
    assert (found.seen, found.blind_share) == (0.75 * DAY, 0.25)
    assert sight({}).blind_share is None


def test_what_was_blind_for_longer_than_it_lived_saw_nothing():
    found = Sight(lived=0.5, blind=2.0)
    assert (found.seen, found.blind_share) == (0.0, 1.0)
    assert Sight(lived=0.5, blind=0.25).blind_share == 0.5


def test_what_was_read_and_not_acknowledged_is_vouched_for():
    assert records(sums(acked_all=0, verified_all=5), Acks.ALL).vouched == 1.0


def test_what_no_slot_tells_of_was_neither_down_nor_up():
    found = service({"lived": 0.5}, Operation.PRODUCE)
    assert (found.down, found.provoked, found.share, found.up) == (0.0, 0.0, None, None)
    even = service({"lived": 0.5, "produce_good": 3, "produce_bad": 3}, Operation.PRODUCE)
    assert (even.share, even.up) == (0.5, 1.0)


def test_weeks_end_today_and_leave_out_those_without_evidence():
    found = weeks(evidence(days=[day(20), day(7), day(6), day(0)]).days, today(), [Acks.ALL])
    assert [(str(one.first), str(one.last)) for one in found] == [
        ("2026-11-09", "2026-11-09"),
        ("2026-11-22", "2026-11-22"),
        ("2026-11-23", "2026-11-29"),
    ]


def test_months_are_those_of_the_calendar():
    found = report().months
    assert [f"{one.first:%Y-%m}" for one in found] == ["2026-10", "2026-11"]
    assert sum(one.records[0].sent for one in found) == 30 * 100_000


def test_months_of_several_years_are_kept_apart_and_in_order():
    wanted = ["2025-12", "2026-11", "2026-12", "2027-01"]
    days = [Day(date.fromisoformat(f"{month}-01"), {}) for month in wanted]
    assert [f"{one.first:%Y-%m}" for one in months(days, [Acks.ALL])] == wanted


def test_only_days_of_the_time_asked_for_count():
    made = report({"since": 2 * DAY})
    assert [str(one.first) for one in made.days] == ["2026-11-27", "2026-11-28", "2026-11-29"]
    assert made.records[0].sent == 3 * 100_000
    assert {one.id for one in made.disruptions} == {f"{int(NOW - ago * DAY)}-{ago}" for ago in (1, 2)}


def test_evidence_may_begin_later_than_what_was_asked_for():
    given = document(days=[day(1), day(0)], incidents=[])
    given["days"]["since"] = NOW - 1.25 * DAY
    made = build(parse(given), Wish(now=NOW, since=29 * DAY))
    assert made.span.begins_late
    assert made.span.evidence_from == NOW - 1.25 * DAY
    assert not report().span.begins_late


def test_closed_incidents_that_are_not_remembered_are_counted_as_forgotten():
    assert report(days=[day(1, experiment_passed=14, natural_failed=2), day(0)]).span.forgotten == 4
    assert report(days=[day(1, experiment_passed=3), day(0)]).span.forgotten == 0
