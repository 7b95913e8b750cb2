"""How long disruptions took, by phase, kind, load and time."""

from __future__ import annotations

import pytest
from tests.core.report.worlds import OBJECTIVES, QUICK, incident, natural, report

from kafka_sentinel.core.report.recoveries import ENOUGH
from kafka_sentinel.core.types import Acks


def took(produce, number=1, **more):
    return incident(number, phases={**QUICK, "produce": produce}, **more)


def of(phases, name):
    return next(one for one in phases if one.phase == name)


def test_experiments_and_natural_disruptions_are_told_apart():
    made = report(incidents=[took(4.0), took(8.0, 2), natural(3, phases={**QUICK, "produce": 11.0})])
    found = of(made.experiments, "produce").seconds
    assert (found.count, found.median, found.worst) == (2, 6.0, 8.0)
    assert of(made.natural, "produce").seconds.worst == 11.0


def test_a_phase_that_was_never_reached_is_left_out():
    made = report(incidents=[incident()])
    assert [one.phase for one in made.experiments] == ["detected", "leader", "produce", "consume", "isr", "lag", "full"]
    assert made.natural == ()


def test_what_took_longer_than_its_objective_is_missed():
    made = report(incidents=[took(15.0), took(15.1, 2), took(40.0, 3)])
    found = of(made.experiments, "produce")
    assert (found.objective, found.missed) == (15.0, 2)


def test_without_an_objective_nothing_is_missed():
    slo = {"availability": 99.9, "produce": 1.0, "consume": 2.0, "recovery": {"full": 600.0}}
    found = of(report(incidents=[took(40.0)], slo=slo).experiments, "produce")
    assert (found.objective, found.missed) == (None, 0)


def test_kinds_are_faults_and_causes_with_what_became_of_them():
    made = report(
        incidents=[
            took(4.0, 1),
            took(9.0, 2, verdict="failed", lost_by_acks={"all": 7, "1": 9}),
            took(5.0, 3, fault="process-pause", verdict="inconclusive"),
            natural(4, verdict=None, closed_at=None),
        ]
    )
    found = {one.kind: one for one in made.kinds}
    assert [one.natural for one in made.kinds] == [False, False, True]
    kill = found["process-kill"]
    assert (kill.count, kill.passed, kill.failed, kill.doubtful, kill.open) == (2, 1, 1, 0, 0)
    assert (kill.lost, kill.produce.median) == ({Acks.ALL: 7, Acks.ONE: 9}, 6.5)
    assert (found["process-pause"].doubtful, found["spot"].open) == (1, 1)


def test_kinds_are_in_order_experiments_first():
    faults = [took(4.0, 10 + number, fault=fault) for number, fault in enumerate(("process-pause", "process-kill"))]
    made = report(incidents=[natural(1), natural(2, "drain"), *faults])
    assert [one.kind for one in made.kinds] == ["process-kill", "process-pause", "drain", "spot"]


def test_what_was_only_announced_is_no_disruption():
    made = report(incidents=[natural(phases={}), took(4.0, 2)])
    assert (len(made.disruptions), len(made.announced)) == (1, 1)
    assert [one.kind for one in made.kinds] == ["process-kill"]


def test_what_is_announced_and_still_to_come_is_one():
    made = report(incidents=[natural(phases={}, closed_at=None, verdict=None)])
    assert (len(made.disruptions), len(made.announced)) == (1, 0)


def test_load_is_compared_with_the_same_fault_at_the_usual_rate():
    pause = {"fault": "process-pause"}
    made = report(
        incidents=[
            took(4.0),
            took(6.0, 2),
            took(9.0, 3, load=2_000.0),
            took(11.0, 4, load=5_000.0),
            took(1.0, 5, **pause),
        ]
    )
    (found,) = made.under_load
    assert (found.kind, found.load) == ("process-kill", 5_000.0)
    assert (of(found.usual, "produce").seconds.median, of(found.loaded, "produce").seconds.median) == (5.0, 10.0)


def test_kinds_under_load_are_in_order():
    faults = ("process-pause", "process-kill", "pod-delete")
    made = report(incidents=[took(4.0, number, fault=fault, load=1.0) for number, fault in enumerate(faults)])
    assert [one.kind for one in made.under_load] == ["pod-delete", "process-kill", "process-pause"]


def test_a_phase_that_was_never_reached_has_no_trend():
    made = report(incidents=[incident(phases={"produce": 3.0})])
    assert [one.phase for one in made.trends] == ["produce"]


def test_what_never_ran_under_load_is_not_compared():
    assert report(incidents=[took(4.0)]).under_load == ()


@pytest.mark.parametrize(("each", "told"), [(ENOUGH - 1, False), (ENOUGH, True)])
def test_a_trend_is_told_of_enough_disruptions_only(each, told):
    slow = [took(10.0, number, days_ago=20 - number) for number in range(each)]
    quick = [took(3.0, 100 + number, days_ago=5 - number / 9) for number in range(each)]
    trend = report(incidents=[*quick, *slow]).trends[0]
    assert (trend.phase, trend.told) == ("produce", told)
    assert (trend.earlier.median, trend.later.median) == (10.0, 3.0)


def test_the_one_in_the_middle_belongs_to_neither_half():
    made = report(incidents=[took(float(number), number, days_ago=20 - number) for number in range(1, 12)])
    trend = made.trends[0]
    assert (trend.earlier.worst, trend.later.count, trend.later.worst) == (5.0, 5, 11.0)


def test_objectives_are_those_of_the_sentinel():
    assert report().slo.recovery == OBJECTIVES
