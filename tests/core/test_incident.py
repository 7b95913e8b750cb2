"""One incident by itself: how its cause may change, what is said of it, its verdict, and what a state keeps of it."""

import json

import pytest
from tests.core.recovery_world import P0, P1, P2, SESSION, at, incident

from kafka_sentinel.core.commands import Count
from kafka_sentinel.core.incident import MAX_REASONS, SHORT_REASONS, Cause, Incident, IncidentState, Verdict, in_short
from kafka_sentinel.core.recovery import PHASES, First
from kafka_sentinel.core.slots import Operation
from kafka_sentinel.core.types import Acks, ProbePartition

ONE0 = ProbePartition(Acks.ONE, 0)
BLIND = "Sentinel could not see for a part of it"
UNREAD = "the re-reading of the log did not finish"
UNPROBED = "no partition was probed, so no phase could be measured"


# --- cause


def causes(one):
    return one.cause, one.cause_revised


@pytest.mark.parametrize("final", [False, True])
def test_a_cause_is_improved_by_a_more_specific_one_only(final):
    one = incident("i", 10, cause=Cause.CRASH, final=final)
    for cause, best in (
        (Cause.UNKNOWN, Cause.CRASH),
        (Cause.DRAIN, Cause.DRAIN),
        (Cause.NODE_FAILURE, Cause.DRAIN),
        (Cause.SPOT, Cause.SPOT),
    ):
        one.improve(cause)
        assert causes(one) == ((Cause.CRASH, best if best is not Cause.CRASH else None) if final else (best, None))


@pytest.mark.parametrize(
    ("known", "newer", "before", "after"),
    [
        (Cause.DRAIN, Cause.CRASH, Cause.DRAIN, Cause.CRASH),  # it rested on that verdict
        (Cause.DRAIN, Cause.UNKNOWN, Cause.DRAIN, Cause.DRAIN),  # no verdict at all
        (Cause.DRAIN, Cause.CRASH, Cause.SPOT, Cause.DRAIN),  # it rested on another
        (Cause.DRAIN, Cause.SPOT, Cause.CRASH, Cause.SPOT),
        (Cause.DRAIN, Cause.DRAIN, Cause.DRAIN, Cause.DRAIN),
    ],
)
@pytest.mark.parametrize("final", [False, True])
def test_a_newer_verdict_takes_the_place_of_the_one_the_cause_rests_on(known, newer, before, after, final):
    one = incident("i", 10, cause=known, final=final)
    one.correct(newer, before)
    assert causes(one) == ((known, after if after is not known else None) if final else (after, None))


def test_of_a_final_cause_it_is_the_revision_that_is_corrected():
    one = incident("i", 10, cause=Cause.DRAIN, cause_revised=Cause.SPOT, final=True)
    one.correct(Cause.CRASH, before=Cause.DRAIN)
    one.improve(Cause.ROLLOUT)
    assert causes(one) == (Cause.DRAIN, Cause.SPOT)
    one.correct(Cause.CRASH, before=Cause.SPOT)
    assert causes(one) == (Cause.DRAIN, Cause.CRASH)


def test_a_final_cause_that_was_right_after_all_is_no_revision():
    one = incident("i", 10, cause=Cause.DRAIN, cause_revised=Cause.SPOT, final=True)
    one.correct(Cause.DRAIN, before=Cause.SPOT)
    assert causes(one) == (Cause.DRAIN, None)


@pytest.mark.parametrize(
    ("facts", "now", "final"),
    [
        ({}, 99.5, False),
        ({}, 100, True),
        ({"cause": Cause.EXPERIMENT}, 11, True),
        ({"state": IncidentState.CLOSED}, 11, True),
    ],
)
def test_what_waits_for_the_cause_is_counted_once_when_it_is_final(facts, now, final):
    one = incident("i", 10, final_at=at(100).mono, **facts)
    one.tallies["records_lost_total", (("acks", "all"),)] += 3
    counts = one.finalise_cause(at(now))
    assert counts == [Count("records_lost_total", (("acks", "all"), ("cause", one.cause)), 3)] * final
    assert one.final is final
    assert one.finalise_cause(at(now)) == []


# --- what is said of it


def test_a_reason_is_given_once_and_the_last_ones_are_kept():
    one = incident("i", 10)
    one.note("a", "b")
    one.note("b", "c")
    assert one.reasons == ["a", "b", "c"]
    one.note(*map(str, range(MAX_REASONS - 1)))
    assert one.reasons == ["c", *map(str, range(MAX_REASONS - 1))]


def holding_back(**facts):
    one = incident("i", 10, **facts)
    one.recovery.acked = one.recovery.read = {part: First(at(11), at(11)) for part in (P0, P1, P2)}
    one.recovery.isr = one.recovery.lag = at(12)
    return one


@pytest.mark.parametrize(
    ("facts", "said"),
    [
        ({}, []),
        ({"fault_active": True}, ["the fault is still in effect"]),
        ({"foretold": True, "nodes": {"uid-b": "nb", "uid-a": "na"}}, ["announced: node na, nb is to go"]),
        ({"held_by": ("pod kafka-1 cannot come back",)}, ["pod kafka-1 cannot come back"]),
        ({"undecided": ("na", "nb")}, [f"why node {one} goes is not clear yet" for one in ("na", "nb")]),
    ],
)
def test_what_keeps_it_open_is_said(facts, said):
    one = holding_back(**facts)
    assert one.holding_back() == said
    assert (one.full_since() is None) == bool({"fault_active", "foretold"} & facts.keys())


def test_partitions_that_fail_are_named_by_what_fails_and_by_topic_in_order():
    many = {(Operation.PRODUCE, ProbePartition(Acks.ALL, number)) for number in (10, 9, 2, 17)}
    one = holding_back(unavailable={*many, (Operation.PRODUCE, ONE0), (Operation.CONSUME, P0)})
    assert one.holding_back() == [
        "produce fails on partition 2, 9, 10, 17",
        "produce fails on partition 0 (acks=1)",
        "consume fails on partition 0",
    ]
    assert one.full_since() is None


@pytest.mark.parametrize(("brokers", "failed"), [((), ""), ((12, 3), " (failed brokers: 3, 12)")])
def test_the_phases_that_are_waited_for_are_said_and_who_failed(brokers, failed):
    one = incident("i", 10, *brokers)
    assert one.holding_back() == [f"waiting for produce, consume, isr, lag{failed}"]


@pytest.mark.parametrize("state", IncidentState)
def test_what_holds_it_back_is_said_until_it_is_closed(state):
    one = holding_back(state=state, undecided=("n1",), reasons=["a"])
    waits = [] if state is IncidentState.CLOSED else ["why node n1 goes is not clear yet"]
    assert one.as_dict()["reasons"] == ["a", *waits]


@pytest.mark.parametrize("state", IncidentState)
def test_it_is_full_while_it_holds_and_only_if_something_happened(state):
    one = holding_back(state=state)
    assert one.phases()["full"] == (None if state is IncidentState.OPEN else 2.0)
    assert one.phases()["produce"] == 1.0
    one.struck = False
    assert one.phases() == dict.fromkeys(PHASES)


def test_in_short_it_has_what_a_report_needs():
    one = incident("i", 10, 2, fault="f", load=5.0, reasons=[str(number) for number in range(SHORT_REASONS + 1)])
    one.recovery.detected = at(11.23456)
    short = in_short(one.as_dict() | {"reasons": one.reasons})
    assert (short["id"], short["fault"], short["brokers"], short["load"]) == ("i", "f", [2], 5.0)
    assert short["phases"] == dict.fromkeys(PHASES) | {"detected": 1.235}
    assert short["reasons"] == [str(number) for number in range(1, SHORT_REASONS + 1)]
    assert "state" not in short


def test_when_it_began_was_opened_and_was_closed_is_told_by_the_wall_clock():
    one = incident("i", 10, opened=at(11))
    dates = [[one.as_dict()[key] for key in ("started_at", "opened_at", "closed_at")]]
    one.close(at(20), {})
    dates += [[one.as_dict()[key] for key in ("started_at", "opened_at", "closed_at")]]
    assert dates == [[at(10).wall, at(11).wall, None], [at(10).wall, at(11).wall, at(20).wall]]


def test_brokers_and_nodes_are_told_in_order():
    one = incident("i", 10, 8, 1, nodes={"uid-b": "b", "uid-a": "a"})
    told = one.as_dict()
    assert (told["brokers"], told["nodes"]) == ([1, 8], ["a", "b"])


# --- verdict


def ready(**facts):
    return holding_back(**{"recheck_complete": True, "state": IncidentState.RECHECKING} | facts)


def closed(slo=None, **facts):
    one = ready(**facts)
    one.close(at(20), slo or {})
    return one


def test_what_recovered_within_its_objectives_has_passed():
    one = closed(slo={"produce": 1.0, "leader": 1.0})
    assert (one.verdict, one.reasons) == (Verdict.PASSED, [])
    assert (one.state, one.closed, one.final) == (IncidentState.CLOSED, at(20), True)


def test_each_phase_beyond_its_objective_is_a_reason():
    one = closed(slo={"isr": 1.5, "produce": 0.5, "consume": 1.0})
    assert one.verdict is Verdict.FAILED
    assert one.reasons == [
        "produce took 1.0 s, the objective is 0.5 s",
        "isr took 2.0 s, the objective is 1.5 s",
    ]


def test_a_loss_fails_it_whatever_else_is_in_doubt():
    one = ready(blind=True)
    one.lost.update({Acks.ALL: 3, Acks.ONE: 4})
    one.close(at(20), {})
    assert (one.verdict, one.reasons) == (Verdict.FAILED, ["3 acknowledged records lost (acks=all)", BLIND])


@pytest.mark.parametrize(
    ("facts", "doubts"),
    [
        ({"blind": True}, [BLIND]),
        ({"recheck_complete": False}, [UNREAD]),
        ({"recheck_complete": None}, [UNREAD]),
        ({"blind": True, "recheck_complete": False}, [BLIND, UNREAD]),
    ],
)
def test_each_doubt_is_a_reason_and_leaves_it_open_whether_it_passed(facts, doubts):
    one = closed(**facts)
    assert (one.verdict, one.reasons) == (Verdict.INCONCLUSIVE, doubts)


def test_where_nothing_was_probed_it_is_open_whether_it_passed():
    one = ready()
    one.recovery.probe(())
    one.close(at(20), {})
    assert (one.verdict, one.reasons) == (Verdict.INCONCLUSIVE, [UNPROBED])


def test_at_its_close_the_phases_that_came_are_observed_and_stay():
    one = ready(cause=Cause.CRASH)
    counted, *observed = one.close(at(20), {})
    assert counted == Count("incidents_total", (("cause", "crash"), ("verdict", "passed")))
    assert {dict(each.labels)["phase"]: each.values for each in observed} == {
        "produce": (1.0,),
        "consume": (1.0,),
        "isr": (2.0,),
        "lag": (2.0,),
        "full": (2.0,),
    }
    assert one.recovery.acked == {}
    assert one.phases()["produce"] == 1.0
    one.phases()["produce"] = None  # of a copy
    assert one.phases()["produce"] == 1.0


def test_what_is_closed_is_not_disturbed():
    one = closed()
    one.disturb()
    assert one.state is IncidentState.CLOSED
    assert one.recheck_complete


# --- state


def again(one, **changes):
    state = json.loads(json.dumps(one.to_state())) | changes
    state = {key: value for key, value in state.items() if value is not ...}
    return Incident.from_state(state, lambda wall: at(wall - at(0).wall), session_timeout=SESSION, lag_tolerance=5)


FACTS = {
    "cause": Cause.DRAIN,
    "cause_revised": Cause.SPOT,
    "fault": "f",
    "target": "t",
    "experiment_run": "r",
    "load": 7.0,
    "announced": {9, 1},
    "nodes": {"uid": "n"},
    "final_at": at(70).mono,
    "final": True,
    "reasons": ["a"],
}


@pytest.mark.parametrize("facts", [FACTS, {}], ids=["much", "little"])
def test_a_closed_incident_is_restored_as_it_was(facts):
    one = ready(**facts)
    one.lost[Acks.ALL], one.duplicated[Acks.ONE] = 3, 4
    one.close(at(20), {})
    one.tallies["records_lost_total", (("acks", "all"), ("seen", "never"))] = 3
    assert again(one) == one


def test_an_open_incident_begins_anew_to_be_watched():
    one = ready(**FACTS, foretold=True, struck=False, unavailable={(Operation.PRODUCE, P0)})
    found = again(one)
    assert (found.state, found.blind, found.unavailable, found.recheck_complete) == (
        IncidentState.OPEN,
        True,
        set(),
        None,
    )
    assert (found.foretold, found.struck, found.verdict, found.closed) == (True, False, None, None)
    assert (found.final_phases, found.final_at) == (None, at(70).mono)


def test_what_older_states_do_not_say_was_not_known_then():
    one = ready()
    one.close(at(20), {})
    assert again(one, load=..., announced=..., nodes=..., foretold=..., struck=...) == one


def test_a_state_is_in_order_and_does_not_change_with_the_incident():
    one = incident("i", 10, 8, 1, announced={8, 1}, nodes={"uid": "n"})
    one.unavailable = {(Operation.PRODUCE, ProbePartition(Acks.ALL, number)) for number in range(20)}
    state = one.to_state()
    assert (state["brokers"], state["announced"]) == ([1, 8], [1, 8])
    assert state["unavailable"] == sorted(state["unavailable"])
    before = json.dumps(state)
    one.nodes["uid-2"] = "n2"
    one.note("a")
    one.lost[Acks.ALL] += 1
    assert json.dumps(state) == before
