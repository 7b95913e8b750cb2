"""What belongs to the time a report is about, at its edges, and what is handed on to its parts."""

from __future__ import annotations

import pytest
from tests.core.report.worlds import NOW, QUICK, day, incident, natural, report

from kafka_sentinel.core.days import DAY
from kafka_sentinel.core.report.evidence import Finding

MIDNIGHT = NOW - 12 * 3_600  # with which the day of NOW begins


def ids(disruptions):
    return [one.id for one in disruptions]


@pytest.mark.parametrize(
    ("now", "since", "seconds"),
    [(NOW, 2 * DAY, 2.5 * DAY), (NOW, 0.0, DAY / 2), (MIDNIGHT + 0.5, 0.0, 1.0), (MIDNIGHT, 1.0, DAY)],
)
def test_the_first_day_is_counted_whole_and_no_time_is_too_short_for_a_share_of_it(now, since, seconds):
    assert report({"now": now, "since": since}).span.seconds == seconds


@pytest.mark.parametrize("later", [-3_600.0, 0.0, 3_600.0])
def test_there_is_evidence_until_it_was_taken_and_no_longer_than_the_report_is_about(later):
    assert report({"now": NOW + later}).span.evidence_until == NOW + min(later, 0.0)


def test_a_disruption_belongs_to_the_time_in_which_it_began():
    began = [MIDNIGHT - 1.0, MIDNIGHT, NOW, NOW + 1.0]
    made = report({"since": 0.0}, incidents=[incident(number, started_at=at) for number, at in enumerate(began)])
    assert [one.started for one in made.disruptions] == [MIDNIGHT, NOW]


def test_what_is_open_may_still_come_to_something_and_what_was_closed_without_a_phase_did_not():
    quiet, open_one = natural(1, phases={}), natural(2, days_ago=0.5, phases={}, closed_at=None, verdict=None)
    struck = natural(3, days_ago=0.25)
    made = report(incidents=[quiet, open_one, struck])
    assert ids(made.announced) == [quiet["id"]]
    assert ids(made.disruptions) == [open_one["id"], struck["id"]]


def test_an_incident_counts_on_the_day_on_which_it_was_closed_whenever_it_began():
    """What is remembered is not said to be forgotten, though it is no disruption of that time."""
    yesterday = {"started_at": MIDNIGHT - 60.0}
    remembered = [
        incident(1, **yesterday, closed_at=MIDNIGHT),
        incident(2, **yesterday, closed_at=NOW),
        incident(3, closed_at=MIDNIGHT + DAY - 1.0, started_at=NOW),
        incident(4, **yesterday, closed_at=None),
        incident(5, **yesterday, closed_at=MIDNIGHT - 1.0),
        incident(6, closed_at=MIDNIGHT + DAY, started_at=NOW),
    ]
    for closed, forgotten in ((2, 0), (3, 0), (4, 1)):
        today = day(0, experiment_passed=closed - 1, natural_inconclusive=1)
        assert report({"since": 0.0}, days=[today], incidents=remembered).span.forgotten == forgotten


def test_how_long_experiments_took_and_how_long_what_nobody_asked_for_is_kept_apart():
    made = report(incidents=[incident(1, phases={**QUICK, "isr": 30.0}), natural(2, phases={**QUICK, "isr": 50.0})])
    kept = [[one.seconds.worst for one in phases if one.phase == "isr"] for phases in (made.experiments, made.natural)]
    assert kept == [[30.0], [50.0]]


@pytest.mark.parametrize(("findings", "audited"), [(None, False), ((), True)])
def test_an_audit_that_found_nothing_is_not_the_lack_of_one(findings, audited):
    assert report({"findings": findings}).audited is audited


def test_what_an_audit_found_is_tied_to_the_disruptions_that_went_badly():
    found = (Finding("brokers-share-node", "brokers 1 and 2 are on node n1"),)
    bad = incident(1, verdict="failed")
    made = report({"findings": found}, incidents=[bad, incident(2, days_ago=2)])
    assert (made.explained, made.weakest.findings) == ({bad["id"]: found}, found)
