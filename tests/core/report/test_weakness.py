"""The weakest point, and which findings explain what went wrong."""

from __future__ import annotations

from tests.core.report.worlds import OBJECTIVES, QUICK, evidence, incident, natural, report

from kafka_sentinel.core.report.weakness import Finding, bad, explained, weakest


def slow(number=1, **more):
    return incident(number, phases={**QUICK, **more.pop("took")}, **more)


def test_nothing_disrupted_is_no_weakest_point():
    assert report(incidents=[]).weakest is None
    assert report(incidents=[natural(phases={})]).weakest is None


def test_it_is_the_phase_that_took_longest_for_what_it_may_take():
    made = report(incidents=[slow(1, took={"isr": 290.0}), slow(2, took={"produce": 14.9}, brokers=[1, 3])])
    found = made.weakest
    assert (found.kind, found.brokers, found.slowest.phase) == ("process-kill", (1, 3), "produce")
    assert (found.slowest.seconds, found.slowest.objective) == (14.9, 15.0)
    assert (found.slowest.slowest_in, found.slowest.of) == (1, 2)


def test_a_loss_is_worse_than_any_wait():
    lossy = slow(1, took={}, lost_by_acks={"all": 3, "1": 0}, verdict="failed")
    found = report(incidents=[lossy, slow(2, took={"isr": 4_000.0}, verdict="failed")]).weakest
    assert (found.incident, found.lost) == (lossy["id"], 3)


def test_what_is_lost_at_acks_1_does_not_make_it_the_weakest():
    other = slow(2, took={"isr": 400.0})
    found = report(incidents=[slow(1, took={}, lost_by_acks={"all": 0, "1": 900}), other]).weakest
    assert found.incident == other["id"]


def test_neither_our_own_sight_nor_the_sum_of_the_others_is_a_weak_point():
    found = report(incidents=[slow(1, took={"detected": 99.0, "full": 5_000.0, "produce": 14.0})]).weakest
    assert found.slowest.phase == "produce"


def of(*incidents):
    """The disruptions that these incidents are."""
    return evidence(incidents=list(incidents)).disruptions


def test_a_loss_without_any_recovery_is_a_weak_point_without_a_slowest_phase():
    lossy = natural(1, phases={}, lost_by_acks={"all": 3, "1": 0}, verdict="inconclusive")
    found = weakest(of(lossy, slow(2, took={"isr": 4_000.0})), OBJECTIVES)
    assert (found.incident, found.lost, found.slowest) == (lossy["id"], 3, None)


def test_of_equal_losses_the_slower_recovery_is_worse_and_of_equal_ones_the_later():
    loss = {"lost_by_acks": {"all": 3, "1": 0}, "days_ago": 3}
    silent, quick = natural(1, phases={}, **loss), slow(2, took={"isr": 3.0}, **loss)
    assert weakest(of(quick, silent), OBJECTIVES).incident == quick["id"]
    later = slow(3, took={"isr": 3.0}, **{**loss, "days_ago": 2})
    assert weakest(of(later, quick), OBJECTIVES).incident == later["id"]


def test_what_was_only_announced_is_not_counted_among_them():
    quiet = natural(9, phases={})
    assert weakest(of(quiet), OBJECTIVES) is None
    found = weakest(of(slow(1, took={"isr": 290.0}), slow(2, took={"isr": 280.0}), slow(3, took={}), quiet), OBJECTIVES)
    assert (found.slowest.phase, found.slowest.slowest_in, found.slowest.of) == ("isr", 2, 3)


def test_a_phase_without_an_objective_is_never_the_slowest_unless_there_is_no_other():
    found = weakest(of(slow(took={"produce": 14.0, "isr": 9_000.0})), {"produce": 15.0})
    assert found.slowest.phase == "produce"
    found = weakest(of(slow(took={"isr": 9_000.0}), slow(2, took={"produce": 14.9})), {"produce": 15.0})
    assert (found.slowest.phase, found.slowest.seconds) == ("produce", 14.9)
    found = weakest(of(slow(took={"isr": 9_000.0})), {})
    assert (found.slowest.phase, found.slowest.objective) == ("leader", None)


def test_a_disruption_is_bad_if_it_failed_or_lost_something():
    failed = slow(1, took={}, verdict="failed")
    lossy = slow(2, took={}, lost_by_acks={"all": 1, "1": 0}, verdict="inconclusive")
    others = [slow(3, took={}), slow(4, took={}, lost_by_acks={"all": 0, "1": 5})]
    assert [one.id for one in bad(of(failed, lossy, *others))] == [failed["id"], lossy["id"]]


# --- findings


ABOUT_TWO = Finding("shared-node", "brokers 1 and 2 share a node", frozenset({1, 2}))
ABOUT_ISR = Finding("rf", "replication factor 2", phases=frozenset({"isr"}))
ABOUT_ALL = Finding("local", "volumes are local")
FINDINGS = {"findings": (ABOUT_TWO, ABOUT_ISR, ABOUT_ALL)}


def test_without_findings_nothing_is_explained():
    made = report(incidents=[slow(took={"isr": 400.0}, verdict="failed")])
    assert (made.weakest.findings, set(made.explained.values())) == ((), {()})


def test_a_finding_explains_what_struck_its_broker_in_a_phase_it_bears_on():
    bad = slow(1, took={"isr": 400.0}, verdict="failed")
    made = report(FINDINGS, incidents=[bad])
    assert made.explained == {bad["id"]: (ABOUT_TWO, ABOUT_ISR, ABOUT_ALL)}
    assert made.weakest.findings == (ABOUT_TWO, ABOUT_ISR, ABOUT_ALL)


def explaining(*findings, **more):
    """Those of the findings that explain one disruption: as its own, and as the weakest point's."""
    disruptions = of(slow(1, took=more.pop("took", {}), verdict="failed", **more))
    [found] = explained(disruptions, OBJECTIVES, findings).values()
    assert weakest(disruptions, OBJECTIVES, findings).findings == found
    return found


def test_a_phase_that_took_just_what_it_may_is_not_explained():
    assert explaining(ABOUT_ISR, took={"isr": OBJECTIVES["isr"]}) == ()
    assert explaining(ABOUT_ISR, took={"isr": OBJECTIVES["isr"] + 0.1}) == (ABOUT_ISR,)


def test_a_finding_about_a_phase_does_not_explain_a_loss_nor_the_other_way_round():
    thin = Finding("thin", "one copy", loss=True)
    assert explaining(ABOUT_ISR, thin, lost_by_acks={"all": 1, "1": 0}) == (thin,)
    assert explaining(ABOUT_ISR, thin, took={"isr": 400.0}) == (ABOUT_ISR,)
    assert explaining(thin, lost_by_acks={"all": 0, "1": 1}) == ()


def test_a_finding_does_not_explain_another_broker_or_a_phase_that_was_in_time():
    bad = slow(1, took={"produce": 40.0}, verdict="failed", brokers=[3])
    assert report(FINDINGS, incidents=[bad]).explained == {bad["id"]: (ABOUT_ALL,)}


def test_a_finding_may_be_about_one_kind_about_several_brokers_and_about_losses():
    reclaims = Finding("spot", "all on spot", kinds=frozenset({"spot"}))
    shared = Finding("shared", "one node", several=True)
    loses = Finding("thin", "one copy", loss=True)
    both = slow(1, took={"isr": 400.0}, cause="spot", fault=None, brokers=[1, 2], verdict="failed")
    lossy = slow(2, took={}, lost_by_acks={"all": 1, "1": 0}, verdict="failed")
    made = report({"findings": (reclaims, shared, loses)}, incidents=[both, lossy])
    assert made.explained == {both["id"]: (reclaims, shared), lossy["id"]: (loses,)}


def test_only_bad_disruptions_are_explained():
    assert report(FINDINGS, incidents=[slow(took={})]).explained == {}
