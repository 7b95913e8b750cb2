"""The verdict: each rule both ways, and what outweighs what."""

from __future__ import annotations

import pytest
from tests.core.report.worlds import QUICK, day, evidence, incident, natural, report

from kafka_sentinel.core.days import DAY
from kafka_sentinel.core.faults import FaultKind
from kafka_sentinel.core.incident import Cause
from kafka_sentinel.core.report import verdict
from kafka_sentinel.core.report.report import Cost
from kafka_sentinel.core.report.verdict import FAMILIES, Rules, Word

KILLS = [incident(number, days_ago=number) for number in range(1, 13)]


def judged(wish=None, **more):
    return report(wish, **more).judgement


def month(**counts):
    return [day(ago, **(counts if ago == 3 else {})) for ago in reversed(range(30))]


def test_a_month_that_went_well_is_good_enough():
    found = judged()
    assert found.word is Word.GOOD_ENOUGH
    assert found.reasons == (
        "0 of 3,000,000 acknowledged records lost (at 95 %, fewer than 1 in 1,000,000 are)",
        "100.00 % of writes were in time, the objective is 99.9 %",
        "100.00 % of reads were in time, the objective is 99.9 %",
        "all 12 judged disruptions met their objectives",
    )
    assert found.run == {}


# --- not yet


@pytest.mark.parametrize(
    ("counts", "reason"),
    [
        ({"lost_all": 1, "lost_before_all": 1}, "1 acknowledged record lost at acks=all"),
        ({"lost_all": 1_200}, "1,200 acknowledged records lost at acks=all"),
        ({"produce_bad": 3_100}, "99.89 % of writes were in time, the objective is 99.9 %"),
        ({"consume_bad": 3_100}, "99.89 % of reads were in time, the objective is 99.9 %"),
        ({"violations": 2}, "the accounts contradicted themselves 2 times: no figure here is certain"),
    ],
)
def test_what_an_objective_forbids_is_not_yet(counts, reason):
    found = judged(days=month(**counts))
    assert (found.word, found.reasons, found.run) == (Word.NOT_YET, (reason,), {})


def test_what_is_just_within_the_objective_is_not_held_against_it():
    assert judged(days=month(produce_bad=2_900, consume_bad=2_900)).word is Word.GOOD_ENOUGH


def test_the_objective_may_be_another_one():
    assert judged({"availability": 99.0}, days=month(produce_bad=3_100)).word is Word.GOOD_ENOUGH
    assert judged({"availability": 100.0}, days=month(produce_bad=1)).word is Word.NOT_YET


def test_a_loss_that_only_its_incident_knows_of_counts():
    bad = incident(1, days_ago=1, lost_by_acks={"all": 5, "1": 0}, verdict="failed")
    found = judged(incidents=[bad, *KILLS[1:]])
    assert found.reasons[0] == "5 acknowledged records lost at acks=all"


def test_what_acks_1_lost_is_not_held_against_it():
    one = incident(1, days_ago=1, lost_by_acks={"all": 0, "1": 400})
    found = judged(days=month(lost_1=400), incidents=[one, *KILLS[1:]], acks=["all", "1"])
    assert found.word is Word.GOOD_ENOUGH


def test_failed_disruptions_are_named_by_kind():
    bad = [natural(number, days_ago=number, verdict="failed") for number in (1, 2, 3)]
    found = judged(incidents=[*bad, incident(4, days_ago=4, verdict="failed"), *KILLS[4:]])
    assert found.reasons == ("4 of 12 judged disruptions failed: spot (3), process-kill (1)",)


def test_a_loss_needs_no_second_experiment():
    assert judged(days=[day(0, lost_all=1)], incidents=[]).word is Word.NOT_YET


# --- not enough evidence


def test_too_few_disruptions_ask_for_more():
    found = judged(incidents=KILLS[:4])
    assert found.word is Word.NOT_ENOUGH_EVIDENCE
    assert (found.run, found.experiments) == ({"any kind": 6}, 6)
    (reason,) = found.reasons
    assert reason == (
        "4 disruptions were judged, 6 more are wanted (6 of any kind): at least 10 in all, and 3 of each kind that "
        "occurs"
    )


def test_a_kind_that_occurred_is_rehearsed_often_enough():
    reclaimed = natural(50, days_ago=2)
    found = judged(incidents=[reclaimed, *KILLS])
    assert (found.word, found.run) == (Word.NOT_ENOUGH_EVIDENCE, {"`pod-evict` or `node-reclaim`": 2})
    rehearsed = [incident(number, days_ago=3, fault="node-reclaim") for number in (51, 52)]
    assert judged(incidents=[reclaimed, *rehearsed, *KILLS]).word is Word.GOOD_ENOUGH


def test_more_of_a_kind_are_among_the_more_of_any_kind():
    found = judged(incidents=[natural(1, days_ago=2), *KILLS[:6]])
    assert found.run == {"`pod-evict` or `node-reclaim`": 2, "any kind": 1}


@pytest.mark.parametrize("verdict", ["inconclusive", None])
def test_what_nobody_could_judge_is_no_evidence(verdict):
    doubtful = [incident(number, days_ago=number, verdict=verdict) for number in range(1, 13)]
    assert judged(incidents=doubtful).run == {"any kind": 10}


def test_one_disruption_is_said_in_the_singular():
    (reason,) = judged(incidents=KILLS[:1]).reasons
    assert reason.startswith("1 disruption was judged, 9 more are wanted (2 of `process-kill` or `pod-crash`, 7 of any")
    (reason,) = judged(incidents=KILLS[:2]).reasons
    assert reason.startswith("2 disruptions were judged, ")


def test_what_is_just_enough_is_enough():
    bounds = {"lived": DAY, "blind": DAY / 4, "verified_all": 50_000, "acked_all": 100_000}
    bounds |= {"produce_good": 50, "produce_bad": 50, "consume_good": 50, "consume_bad": 50}
    rules = Rules(seen=0.75 * DAY, blind_share=0.25, vouched=0.5)
    assert judged({"availability": 50.0, "rules": rules}, days=[day(0, **bounds)]).word is Word.GOOD_ENOUGH


def test_only_what_struck_and_was_judged_is_evidence():
    quiet, doubtful = natural(1, phases={}), natural(2, verdict="inconclusive")
    good, failed = natural(3), natural(4, verdict="failed")
    of = evidence(incidents=[quiet, doubtful, good, failed]).disruptions
    assert [one.id for one in verdict.judged(of)] == [good["id"], failed["id"]]


def test_what_was_only_announced_is_no_evidence():
    quiet = [natural(number, days_ago=number, phases={}) for number in range(1, 13)]
    assert judged(incidents=quiet).run == {"any kind": 10}


@pytest.mark.parametrize(
    ("days", "reason"),
    [
        ([day(ago) for ago in range(6)], "watch for 1 more day: 6 d seen, 7 d are wanted"),
        ([day(0, lived=3_600.0)], "watch for 7 more days: 1 h seen, 7 d are wanted"),
        (month(blind=2 * DAY), "nothing was seen for 6.67 % of the time, at most 5 % may be"),
        (
            month(verified_all=60_000, unaccounted_all=40_000),
            "the fate of only 98.66 % of the acknowledged records is known",
        ),
    ],
)
def test_what_nobody_saw_is_not_vouched_for(days, reason):
    found = judged(days=days)
    assert (found.word, found.reasons) == (Word.NOT_ENOUGH_EVIDENCE, (reason,))


def test_what_was_seen_well_enough_is():
    assert judged(days=month(blind=DAY, verified_all=80_000, unaccounted_all=20_000)).word is Word.GOOD_ENOUGH


def test_nothing_at_all_is_not_enough():
    found = judged(days=[], incidents=[])
    assert found.word is Word.NOT_ENOUGH_EVIDENCE
    assert "of no acknowledged record the fate is known" in found.reasons
    assert {"no writes were judged", "no reads were judged"} < set(found.reasons)


def test_the_rules_can_be_others():
    assert judged({"rules": Rules(disruptions=4)}, incidents=KILLS[:4]).word is Word.GOOD_ENOUGH


# --- the kinds


def test_each_fault_and_each_cause_that_can_be_rehearsed_belongs_to_one_family():
    faults = [fault for family in FAMILIES for fault in family.faults]
    causes = [cause for family in FAMILIES for cause in family.causes]
    assert sorted(faults) == sorted(FaultKind)
    assert sorted(causes) == sorted(set(Cause) - {Cause.UNKNOWN, Cause.EXPERIMENT})


def test_what_can_be_lost_in_a_disruption_is_bounded_by_the_number_of_disruptions():
    found = report().failovers
    assert (found.judged, found.lossy) == (12, 0)
    assert found.bound == pytest.approx(1 - 0.05 ** (1 / 12))
    lossy = incident(1, days_ago=1, phases=QUICK, verdict="failed", lost_by_acks={"all": 1, "1": 0})
    assert report(incidents=[lossy, *KILLS[1:]]).failovers.lossy == 1


def test_cost_is_what_the_user_says():
    assert report().cost is None
    made = report({"cost": Cost(300.0, 1_100.0, "EUR")})
    assert made.cost.saved == 800.0
