from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from tests.core.experiment_life import DUE, STEPS, Life, life_in
from tests.core.experiment_worlds import START, cluster, instant, settings, spec, world

from kafka_sentinel.core.agenda import CLOCK_SLACK, Planner
from kafka_sentinel.core.commands import Heal, Inject, Log
from kafka_sentinel.core.events import FaultCommanded, FaultFailed, FaultHealed, FaultInjected
from kafka_sentinel.core.experiment_run import FINAL, TRANSITIONS, Happening, RunState, transition_diagram
from kafka_sentinel.core.experiments import MAX_EXPERIMENTS, RESULTS, Experiments
from kafka_sentinel.core.guards import GUARD_NAMES
from kafka_sentinel.core.schedule import parse_schedule
from kafka_sentinel.core.targets import parse_target

DOCS = Path(__file__).parents[2] / "docs" / "experiments.md"


# --- the way through


def test_nothing_happens_before_the_run_is_due():
    life = Life().tick(DUE - 0.01)
    assert life.commands == []
    assert not life.core.needs_save


def test_a_due_run_saves_its_intent_and_injects_only_once_it_is_saved():
    life = Life().tick(DUE)
    assert life.core.needs_save
    assert life.of(Inject) == []
    life.start_save()
    life.tick(DUE + 1)
    assert life.of(Inject) == []
    life.end_save()
    assert [(inject.fault, inject.targets, inject.duration) for inject in life.of(Inject)] == [
        ("process-kill", (1,), 5)
    ]
    assert json.loads(life.saved)["run"]["id"] == life.run_id()


def test_a_write_that_began_before_the_intent_does_not_vouch_for_it():
    life = Life()
    life.core.latch("x", instant(900))
    life.core.resume(instant(900))
    life.start_save()
    life.tick(DUE)
    life.end_save()
    assert life.of(Inject) == []
    life.save()
    assert len(life.of(Inject)) == 1


def test_the_first_write_that_holds_the_intent_vouches_for_it_while_a_later_one_is_under_way():
    life = Life().tick(DUE).start_save()
    life.core.on_save_started(life.generation + 1)
    life.end_save()
    assert len(life.of(Inject)) == 1


def test_a_write_from_before_the_intent_that_ends_after_the_next_one_began_does_not_vouch_for_it():
    life = Life()
    life.core.on_save_started(1)
    life.tick(DUE)
    life.core.on_save_started(2)
    life.commands += life.core.on_state_saved(1, life.world())
    life.commands += life.core.on_state_save_failed(1, "disk full", instant(DUE))
    assert (life.state(), life.of(Inject)) == (RunState.INTENDED, [])
    life.commands += life.core.on_state_saved(2, life.world())
    assert len(life.of(Inject)) == 1


def test_saves_while_nothing_is_under_way_ask_for_nothing():
    life = Life()
    life.core.on_save_started(1)
    assert life.core.on_state_saved(1, life.world()) == []
    assert life.core.on_state_save_failed(1, "disk full", instant(900)) == []


def test_a_later_write_vouches_for_the_intent_too():
    life = Life().tick(DUE).start_save()
    life.generation += 1
    life.end_save()
    assert len(life.of(Inject)) == 1


def test_a_write_of_a_run_that_was_given_up_does_not_vouch_for_the_next_run():
    life = Life().tick(DUE).start_save().tick(DUE + 30)  # too slow: given up
    life.start_save()
    life.tick(DUE + 100)
    assert life.state() is RunState.INTENDED
    life.end_save()
    assert life.of(Inject) == []
    life.save()
    assert len(life.of(Inject)) == 1


def test_a_verdict_is_done_only_once_a_write_that_holds_it_ended():
    life = life_in(RunState.RECOVERING)
    life.core.on_save_started(life.generation + 1)
    life.close()
    life.commands += life.core.on_state_saved(life.generation + 1, life.world())
    assert life.state() is RunState.RECHECKED
    life.generation += 1
    assert life.save().state() is None


def test_a_passed_run_is_counted_remembered_and_not_latched():
    life = life_in(RunState.RECHECKED).save()
    assert life.state() is None
    assert life.counts() == [("experiments_total", {"experiment": "kill", "result": "passed"})]
    item = life.item()
    assert (item["last_run"], item["last_result"], item["last_skip"]) == (START + DUE, "passed", None)
    assert item["next_run"] == START + DUE + 100
    assert life.core.status(life.world())["latched"] is None
    assert life.of(Heal) == []


def test_a_run_is_named_by_its_experiment_and_by_when_it_began_to_the_millisecond():
    life = Life()
    life.core.run_now("kill", instant(900))
    assert life.tick(900.25).core.under_way.id == "kill-20270115T081500.250"


def test_the_last_run_is_dated_by_when_its_fault_took_effect():
    life = life_in(RunState.INJECTING)
    life.now = DUE + 2
    life.fault(FaultInjected, (1,)).fault(FaultHealed).close().save()
    assert life.item()["last_run"] == START + DUE + 2


def test_the_lines_in_the_log_say_which_run_and_how_it_ended_once_it_has():
    life = life_in(RunState.RECHECKED).save()
    said = {log.event: log for log in life.of(Log)}
    assert list(said) == ["experiment_intended", "experiment_injecting", "experiment_ended"]
    run = {"run": life.run_id(), "experiment": "kill", "fault": "process-kill", "targets": [1]}
    assert said["experiment_intended"].fields == run
    assert said["experiment_ended"].fields == {**run, "result": "passed", "reason": ""}


@pytest.mark.parametrize(("verdict", "level"), [("passed", "info"), ("failed", "warning"), ("inconclusive", "warning")])
def test_an_end_that_is_not_as_hoped_for_is_a_warning(verdict, level):
    assert life_in(RunState.RECOVERING).close(verdict).save().of(Log)[-1].level == level


def test_the_end_of_a_rehearsal_is_no_warning():
    assert Life(dry_run=True).tick(DUE).of(Log)[-1].level == "info"


def test_an_incident_that_closes_before_the_heal_is_reported_counts_too():
    life = life_in(RunState.INJECTED).close().save()
    assert life.counts()[-1][1]["result"] == "passed"


def test_the_guards_are_asked_again_once_the_intent_is_saved():
    life = Life().tick(DUE).start_save()
    life.world_changes = {"open_incidents": ("i-9",)}
    life.end_save()
    assert life.of(Inject) == []
    assert life.state() is None
    assert life.counts() == [("experiments_skipped_total", {"experiment": "kill", "guard": "incident_open"})]
    assert life.core.needs_save  # the intent must not stay on disk


def test_the_target_is_fixed_with_the_intent():
    life = Life(specs=[spec(target=parse_target("controller"))]).tick(DUE)
    life.world_changes = {"quorum": replace(world().quorum, leader=3)}
    life.save()
    assert life.of(Inject)[0].targets == (2,)


def test_a_rehearsal_asks_every_guard_and_touches_nothing():
    life = Life(dry_run=True).tick(DUE)
    assert (life.of(Inject), life.of(Heal), life.core.needs_save) == ([], [], False)
    assert life.counts() == [("experiments_total", {"experiment": "kill", "result": "dry_run"})]
    assert life.item()["last_result"] == "dry_run"
    denied = Life(dry_run=True, armed_for="other").tick(DUE).tick(DUE + 21)
    assert denied.counts() == [("experiments_skipped_total", {"experiment": "kill", "guard": "cluster_id"})]


def test_a_rehearsal_leaves_a_save_that_is_wanted_wanted():
    life = Life(dry_run=True)
    life.core.pause(instant(900), "by anna")
    life.core.unpause(instant(900))
    life.tick(DUE)
    assert life.item()["last_result"] == "dry_run"
    assert life.core.needs_save


def test_each_run_of_an_experiment_on_any_broker_chooses_anew_and_says_beforehand_whom():
    life = Life(specs=[spec(target=parse_target("any"))], daily_budget=1_000, min_gap=0)
    hit = []
    for _ in range(12):
        [foretold] = life.core.explain(life.world())
        life.tick(life.item()["next_run"] - START).save()
        hit.append(list(life.of(Inject)[-1].targets))
        assert hit[-1] == foretold["targets"]
        life.fault(FaultInjected, tuple(hit[-1])).fault(FaultHealed).close().save()
    assert [1] in hit
    assert [2] in hit
    assert [3] in hit


# --- waiting and skipping


def test_a_denied_run_waits_for_the_guards_within_its_grace():
    life = Life()
    life.world_changes = {"overdue": 3}
    life.tick(DUE).tick(DUE + 20)
    assert life.commands == []
    life.world_changes = {}
    assert life.tick(DUE + 20).state() is RunState.INTENDED


def test_a_denied_run_is_skipped_after_its_grace_with_the_guard_that_denied():
    life = Life()
    life.world_changes = {"overdue": 3}
    life.tick(DUE).tick(DUE + 20.5)
    assert life.counts() == [("experiments_skipped_total", {"experiment": "kill", "guard": "steady"})]
    assert life.item()["last_skip"]["guard"] == "steady"
    assert life.item()["last_skip"]["reason"]
    assert life.item()["last_result"] is None
    assert life.item()["next_run"] == START + DUE + 100


def test_what_an_earlier_run_waited_for_is_not_what_a_later_one_is_skipped_for():
    life = Life()
    life.world_changes = {"overdue": 3}
    life.tick(DUE)
    life.world_changes = {}
    life.tick(DUE + 1).save().fault(FaultInjected, (1,)).fault(FaultHealed).close().save()
    life.tick(DUE + 150)
    assert life.counts()[-1] == ("experiments_skipped_total", {"experiment": "kill", "guard": "schedule"})


def test_many_missed_runs_are_one_skip_and_the_next_one_is_in_the_future():
    life = Life().tick(DUE + 12_345)
    assert life.counts() == [("experiments_skipped_total", {"experiment": "kill", "guard": "schedule"})]
    assert START + DUE + 12_345 < life.item()["next_run"] <= START + DUE + 12_445


def test_the_state_does_not_grow_with_the_runs_that_were():
    life, sizes = Life(specs=[spec(schedule=parse_schedule(every="9h"))], daily_budget=3, min_gap=0), []
    for _ in range(200):
        life.tick(life.item()["next_run"] - START)
        life.save().fault(FaultInjected, (1,)).save().fault(FaultHealed).save().close().save()
        sizes.append(len(json.dumps(life.core.to_state())))
    assert [labels["result"] for name, labels in life.counts() if name == "experiments_total"] == ["passed"] * 200
    assert sizes[3] > sizes[0], "what is remembered is in it"
    assert max(sizes[3:]) == min(sizes[3:])


def test_what_was_missed_while_down_is_not_made_up_for():
    life = life_in(RunState.RECHECKED).save().save()
    again = Life(life.saved, now=DUE + 12_345)
    assert again.commands == []
    assert again.item()["last_result"] == "passed"


def test_the_experiment_that_waited_longest_goes_first_and_the_others_wait_for_it():
    specs = [spec(name, grace=400) for name in "abc"]
    life = Life(specs=specs)
    life.world_changes = {"overdue": 1}
    due = {name: life.item(name)["next_run"] for name in "abc"}
    life.tick(1_000.0)
    life.world_changes = {}
    life.tick(1_001.0)
    assert life.core.under_way.experiment == min(due, key=due.get)
    assert len([log for log in life.of(Log) if log.event == "experiment_intended"]) == 1


@pytest.mark.parametrize("step", [-10.0, -86_400.0 * 400, 86_400.0 * 400])
def test_a_clock_step_never_wedges_the_schedule(step):
    core = Experiments([spec()], settings(dry_run=True))
    core.on_tick(world(900))
    for begin, jump in ((1_000, step), (1_400, 0.0)):
        for second in range(begin, begin + 400, 10):
            here = world(second)
            core.on_tick(replace(here, now=replace(here.now, wall=here.now.wall + jump)))
        last_run = core.status(world(second))["items"][0]["last_run"]
        assert begin + 200 < last_run - START - jump < begin + 400


# --- what is debited


def test_no_more_injections_are_remembered_than_the_budget_can_ask_for():
    life = Life(specs=[spec(schedule=parse_schedule(every="30h"))], daily_budget=1)
    for _ in range(2):
        due = life.item()["next_run"]
        life.tick(due - START).save().fault(FaultInjected, (1,)).fault(FaultHealed).close().save()
    assert json.loads(life.saved)["injections"] == [due]


@pytest.mark.parametrize("restarted", [False, True])
def test_injections_of_a_clock_that_was_far_ahead_do_not_hide_those_that_follow(restarted):
    """They are beyond the day that the guards look at: the budget would never be used up again until that day comes."""
    life = Life(daily_budget=2, min_gap=0)
    for days in (9, 9, 0, 0):
        life.core._remember_injection(instant(899).wall + days * 86_400, 1)
    if restarted:
        life.core.needs_save = True
        life = Life(life.save().saved, daily_budget=2, min_gap=0)
    life.tick(DUE).tick(DUE + 21)
    assert life.counts() == [("experiments_skipped_total", {"experiment": "kill", "guard": "daily_budget"})]


# --- what can go wrong


def test_a_fault_that_failed_is_aborted_and_healed():
    life = life_in(RunState.INJECTING).fault(FaultFailed, "no such process")
    assert [heal.targets for heal in life.of(Heal)] == [(1,)]
    assert life.counts() == [("experiments_total", {"experiment": "kill", "result": "aborted"})]
    assert life.state() is None


def test_an_intent_that_cannot_be_saved_is_given_up():
    life = Life().tick(DUE).start_save()
    life.commands += life.core.on_state_save_failed(life.generation, "disk full", instant(DUE))
    life.end_save()
    assert (life.of(Inject), life.of(Heal)) == ([], [])
    assert life.counts()[-1][1]["result"] == "aborted"


def test_a_failed_write_from_before_the_intent_does_not_concern_it():
    life = Life().tick(DUE)
    life.commands += life.core.on_state_save_failed(0, "disk full", instant(DUE))
    assert life.state() is RunState.INTENDED


@pytest.mark.parametrize(
    ("state", "limit", "then", "heals"),
    [
        (RunState.INTENDED, 30, None, 0),
        (RunState.INJECTING, 60, None, 1),
        (RunState.INJECTED, 65, RunState.RECOVERING, 1),
        (RunState.RECOVERING, 600, None, 1),
        (RunState.RECHECKED, 30, None, 0),
    ],
)
def test_no_state_lasts_for_ever(state, limit, then, heals):
    life = life_in(state)
    life.world_changes = {"open_incidents": ("i-1",)}
    life.tick(DUE + limit - 0.01)
    assert life.state() is state
    life.tick(DUE + limit)
    assert life.state() is then
    assert len(life.of(Heal)) == heals
    assert len(life.of(Inject)) <= 1


def test_a_fault_that_takes_effect_after_its_run_was_given_up_is_healed():
    life = life_in(RunState.INJECTING).tick(DUE + 60)
    assert life.state() is None
    life.fault(FaultInjected, (1,))
    assert [heal.targets for heal in life.of(Heal)] == [(1,), (1,)]


def test_news_of_another_run_heal_that_one_and_leave_the_one_under_way_alone():
    life = life_in(RunState.INJECTING)
    life.commands += life.core.on_fault(FaultInjected(instant(DUE), "kill-before", (2,)))
    assert life.state() is RunState.INJECTING
    assert [(heal.experiment_run, heal.targets) for heal in life.of(Heal)] == [("kill-before", (2,))]


def test_an_end_of_a_command_that_nobody_waits_for_is_only_logged():
    life = life_in(RunState.INJECTING).fault(FaultCommanded)
    assert (life.state(), life.of(Log)[-1].event) == (RunState.INJECTING, "experiment_commanded")


@pytest.mark.parametrize("kind", [FaultHealed, FaultFailed])
def test_late_news_of_a_run_that_is_over_changes_nothing(kind):
    life = life_in(RunState.RECHECKED).save()
    before = len(life.commands)
    life.fault(kind, *(["why"] if kind is FaultFailed else []))
    assert len(life.commands) == before


# --- latch and pause


def test_a_failed_verdict_latches_until_resumed():
    life = life_in(RunState.RECOVERING).close("failed").save()
    assert "failed" in life.core.status(life.world())["latched"]
    life.tick(DUE + 100).tick(DUE + 121)
    assert life.counts()[-1] == ("experiments_skipped_total", {"experiment": "kill", "guard": "latched"})
    life.core.resume(instant(DUE + 130))
    assert life.tick(DUE + 200).state() is RunState.INTENDED


@pytest.mark.parametrize("verdict", ["passed", "inconclusive"])
def test_other_verdicts_do_not_latch(verdict):
    life = life_in(RunState.RECOVERING).close(verdict).save()
    assert life.core.status(life.world())["latched"] is None
    assert life.counts()[-1][1]["result"] == verdict


def test_an_incident_that_is_not_of_the_run_leaves_it_where_it_is():
    life = life_in(RunState.RECOVERING)
    life.commands += life.core.on_incident_closed(None, "passed", 0, instant(DUE + 1))
    life.commands += life.core.on_incident_closed("kill-before", "passed", 0, instant(DUE + 1))
    assert life.state() is RunState.RECOVERING


def test_a_verdict_that_latches_is_said_and_undoes_what_is_still_in_effect():
    life = life_in(RunState.INJECTED).close("failed", lost=1)
    assert [log.fields["reason"] for log in life.of(Log) if log.event == "experiments_latched"] == [
        "1 acknowledged records lost"
    ]
    assert [heal.targets for heal in life.of(Heal)] == [(1,)]
    assert life.state() is RunState.RECHECKED


def test_any_loss_latches_also_one_that_no_experiment_caused():
    life = Life()
    life.commands += life.core.on_incident_closed(None, "failed", 0, instant(900))
    assert life.core.status(life.world())["latched"] is None
    life.commands += life.core.on_incident_closed(None, "passed", 2, instant(900))
    assert life.core.status(life.world())["latched"] == "2 acknowledged records lost"
    assert life.core.needs_save


def test_a_loss_in_mid_experiment_ends_the_fault_at_once_and_the_run_goes_on_to_its_verdict():
    life = life_in(RunState.INJECTED)
    life.commands += life.core.latch("record lost", instant(DUE + 1))
    assert len(life.of(Heal)) == 1
    assert life.state() is RunState.INJECTED
    life.fault(FaultHealed).close("failed", lost=1).save()
    assert life.counts()[-1][1]["result"] == "failed"
    assert life.core.status(life.world())["latched"] == "record lost"


def test_a_latch_between_intent_and_injection_prevents_it():
    life = Life().tick(DUE)
    life.core.latch("record lost", instant(DUE))
    life.save()
    assert life.of(Inject) == []
    assert life.counts()[-1][1]["guard"] == "latched"


@pytest.mark.parametrize(
    ("state", "heals", "then"),
    [
        (RunState.INTENDED, 0, None),
        (RunState.INJECTING, 1, None),
        (RunState.INJECTED, 1, None),
        (RunState.RECOVERING, 1, None),
        (RunState.RECHECKED, 0, RunState.RECHECKED),
    ],
)
def test_pause_aborts_and_heals_what_is_under_way(state, heals, then):
    life = life_in(state)
    life.commands += life.core.pause(instant(DUE + 1), "by anna")
    assert len(life.of(Heal)) == heals
    assert life.state() is then
    assert life.core.needs_save
    life.save()
    assert len(life.of(Inject)) == (state is not RunState.INTENDED)
    assert life.counts()[-1][1]["result"] == ("passed" if then else "aborted")


@pytest.mark.parametrize("by", ["by anna", ""])
def test_pause_holds_across_a_restart_until_it_is_taken_back(by):
    life = Life()
    life.core.pause(instant(900), by)
    life.save()
    again = Life(life.saved, now=901).tick(DUE).tick(DUE + 21)
    assert again.counts() == [("experiments_skipped_total", {"experiment": "kill", "guard": "paused"})]
    assert again.core.status(again.world())["paused_by"] == by
    again.core.needs_save = False
    again.core.unpause(instant(DUE + 22))
    assert again.core.needs_save
    assert again.tick(DUE + 100).state() is RunState.INTENDED


def test_a_state_from_before_a_pause_had_words_is_taken():
    life = Life()
    saved = {**life.core.to_state(), "paused": False}
    assert Life(json.dumps(saved), now=901).core.status(life.world())["paused"] is False


def test_resume_lifts_the_latch_and_leaves_the_pause():
    core = Experiments([spec()], settings())
    core.latch("a loss", instant(1))
    core.pause(instant(1), "by anna")
    assert core.resume(instant(2))[1] == "lifted: a loss; still paused: by anna"
    assert (core.to_state()["latched"], core.to_state()["paused"]) == (None, "by anna")


def test_pause_latch_and_their_ends_twice_are_the_same_as_once():
    core = Experiments([spec()], settings())
    acts = (
        lambda now: core.pause(now, "x"),
        core.unpause,
        lambda now: core.latch("x", now),
        lambda now: core.resume(now)[0],
    )
    for act in acts:
        assert act(instant(1))
        assert act(instant(2)) == []


@pytest.mark.parametrize(
    ("state", "heals", "then"),
    [
        (RunState.INTENDED, 0, None),
        (RunState.INJECTED, 1, None),
        (RunState.RECOVERING, 1, None),
        (RunState.RECHECKED, 0, RunState.RECHECKED),
    ],
)
def test_heal_undoes_what_is_under_way_and_nothing_else(state, heals, then):
    life = life_in(state)
    run = life.core.under_way.id
    commands, said = life.core.heal(instant(DUE + 1))
    life.commands += commands
    assert (said == f"run {run} was ended, what it did is undone") == (state is not RunState.RECHECKED)
    assert (len(life.of(Heal)), life.state()) == (heals, then)
    assert life.core.status(life.world())["paused"] is False


def test_heal_without_anything_under_way_says_so():
    assert Life().core.heal(instant(900)) == (
        [],
        "no fault was under way; what an earlier life left behind is looked for",
    )


# --- run now


def test_a_run_that_is_demanded_is_judged_at_once_and_as_any_other():
    life = Life()
    assert life.core.run_now("kill", instant(900)) == ("due", False)
    life.tick(900.1)
    assert life.state() is RunState.INTENDED
    assert life.core.fate("kill", instant(900).wall) == (f"run {life.core.under_way.id} is intended", False)
    life.save()
    assert life.core.fate("kill", instant(900).wall) == (f"run {life.run_id()} is injecting", False)
    life.fault(FaultInjected, (1,))
    assert life.core.fate("kill", instant(900).wall) == (f"run {life.run_id()} is injected", True)


def test_a_demanded_run_whose_fault_failed_says_why():
    life = Life()
    life.core.run_now("kill", instant(900))
    life.tick(900.1).save().fault(FaultFailed, "the pod is gone")
    assert life.core.fate("kill", instant(900).wall) == ("its run ended: aborted: the pod is gone", True)


def test_a_run_that_is_demanded_waits_for_the_guards_and_is_skipped_as_any_other():
    life = Life()
    life.world_changes = {"overdue": 1}
    life.core.run_now("kill", instant(900))
    life.tick(900.1).tick(901)
    waits, done = life.core.fate("kill", instant(900).wall)
    assert (waits.startswith("it waits for steady: "), done) == (True, False)
    life.tick(921)
    skipped, done = life.core.fate("kill", instant(900).wall)
    assert (skipped.startswith("it did not run: steady: "), done) == (True, True)
    assert life.counts() == [("experiments_skipped_total", {"experiment": "kill", "guard": "steady"})]
    assert life.of(Inject) == []


def test_a_demanded_run_of_a_dry_run_is_a_rehearsal():
    life = Life(dry_run=True)
    life.core.run_now("kill", instant(900))
    life.tick(900.1)
    assert life.core.fate("kill", instant(900).wall) == ("its run ended: dry_run", True)


def test_before_the_next_tick_a_demanded_run_is_due():
    life = Life()
    life.core.run_now("kill", instant(900))
    assert life.core.fate("kill", instant(900).wall) == ("due", False)


def test_what_became_of_a_run_may_bear_the_very_time_of_its_demand():
    now = instant(900).wall
    life = Life()
    life.core.run_now("kill", instant(900))
    life.tick(900)
    assert life.core.fate("kill", now)[0].endswith("is intended")
    assert life.core.fate("kill", now + 0.001) == ("due", False)  # of an earlier demand
    life.save().fault(FaultFailed, "x")
    assert life.core.fate("kill", now) == ("its run ended: aborted: x", True)
    assert life.core.fate("kill", now + 0.001) == ("due", False)
    skipped = Life(specs=[spec(grace=1)])
    skipped.world_changes = {"overdue": 1}
    skipped.core.run_now("kill", instant(898))
    skipped.tick(900)
    assert skipped.core.fate("kill", now)[1]
    assert skipped.core.fate("kill", now + 0.001) == ("due", False)


def test_the_run_of_another_experiment_is_not_the_one_that_was_demanded():
    life = Life(specs=[spec("a"), spec("b")])
    life.core.run_now("a", instant(900))
    life.tick(900)
    life.core.run_now("b", instant(900))
    assert life.core.fate("b", instant(900).wall) == ("due", False)


def test_where_nothing_is_configured_a_demand_says_so():
    said, _ = Experiments([], settings()).run_now("kill", instant(900))
    assert said == "refused: there is no experiment kill; configured: none"


def test_an_unknown_experiment_is_refused_by_name():
    said, done = Life().core.run_now("kil", instant(900))
    assert (said, done) == ("refused: there is no experiment kil; configured: kill", True)


# --- Sentinel dies at any point


@pytest.mark.parametrize("state", list(STEPS))
def test_after_a_crash_at_any_point_nothing_is_injected_twice_and_the_fault_is_healed(state):
    life = Life()
    for name, step in STEPS.items():
        step(life)
        if name is state:
            break
    # Two disks: what the last finished write left, and a write that was finished but never confirmed.
    for saved in {life.saved, json.dumps(life.core.to_state())} - {None}:
        again = Life(saved, now=DUE + 2)
        left = json.loads(saved)["run"]
        assert again.of(Inject) == []
        healed = [(heal.experiment_run, heal.targets) for heal in again.of(Heal)]
        assert healed == ([] if left["state"] == RunState.RECHECKED else [(left["id"], (1,))])
        unknown = left["state"] in {RunState.INTENDED, RunState.INJECTING}
        assert again.state() is (None if unknown or left["state"] == RunState.RECHECKED else RunState.RECOVERING)
        if unknown:
            assert again.counts() == [("experiments_total", {"experiment": "kill", "result": "aborted"})]
        for second in range(1, 100):
            again.tick(DUE + 2 + second)
            if again.core.needs_save:
                again.save()
        assert left["id"] not in {inject.experiment_run for inject in again.of(Inject)}


def test_an_injection_of_unknown_outcome_debits_the_gap_and_the_budget():
    life = Life().tick(DUE).start_save()
    again = Life(life.written, now=DUE + 2, daily_budget=1).tick(DUE + 100).tick(DUE + 121)
    assert again.counts()[-1] == ("experiments_skipped_total", {"experiment": "kill", "guard": "daily_budget"})


def test_a_crash_loop_injects_once_at_most():
    saved, injected, now = None, [], 900.0
    for _ in range(50):
        life = Life(saved, now=now, daily_budget=3, min_gap=0)
        for _ in range(110):
            now += 1
            life.tick(now)
            if life.core.needs_save:
                life.save()
        injected += life.of(Inject)
        saved = life.saved
    assert len({inject.experiment_run for inject in injected}) == len(injected) == 3


def test_a_run_survives_a_restart_and_gets_its_verdict():
    life = life_in(RunState.INJECTED)
    again = Life(life.saved, now=DUE + 2)
    assert again.state() is RunState.RECOVERING
    again.commands += again.core.on_incident_closed(life.run_id(), "passed", 0, instant(DUE + 30))
    again.save()
    assert again.counts() == [("experiments_total", {"experiment": "kill", "result": "passed"})]
    assert again.item()["last_run"] == START + DUE


@pytest.mark.parametrize(
    ("state", "reason"), [(RunState.INJECTING, "Sentinel restarted while intended"), (RunState.RECHECKED, "")]
)
def test_a_restart_is_the_reason_only_where_it_cost_the_verdict(state, reason):
    life = life_in(state)
    if state is RunState.RECHECKED:
        life.save()
    again = Life(life.saved, now=DUE + 2).item()
    assert (again["last_result"], again["last_reason"]) == ("aborted" if reason else "passed", reason)


def test_a_run_of_an_experiment_no_longer_configured_is_still_healed_and_closed():
    life = life_in(RunState.INJECTED)
    again = Life(life.saved, now=DUE + 2, specs=[spec("other")])
    assert len(again.of(Heal)) == 1
    again.tick(DUE + 602)
    assert again.state() is None


@pytest.mark.parametrize(
    "spoil",
    [
        {"paused": None, "run": {}},
        {"run": {"id": "x"}},
        {"injections": ["soon"]},
        {"injections": None},
        {"past": {"kill": {"unknown": 1}}},
        {"past": None},
    ],
)
def test_a_state_that_is_not_ours_is_refused_and_changes_nothing(spoil):
    core = Experiments([spec()], settings())
    before = core.to_state()
    with pytest.raises((KeyError, TypeError, ValueError)):
        core.restore({**before, **spoil}, instant(1))
    assert core.to_state() == before


def test_a_saved_state_that_is_never_saved_is_refused():
    life = Life().tick(DUE).start_save()
    saved = json.loads(life.written)
    saved["run"]["state"] = "due"
    with pytest.raises(ValueError, match="never saved"):
        Experiments([spec()], settings()).restore(saved, instant(1))


@pytest.mark.parametrize("verdict", [None, "splendid"])
def test_a_rechecked_run_without_a_known_verdict_is_refused(verdict):
    saved = json.loads(life_in(RunState.RECHECKED).start_save().written)
    saved["run"]["verdict"] = verdict
    with pytest.raises(ValueError, match="verdict"):
        Experiments([spec()], settings()).restore(saved, instant(1))


# --- what others see


def test_status_has_the_shape_of_the_snapshot_and_is_json():
    life = life_in(RunState.INJECTED)
    status = json.loads(json.dumps(life.core.status(life.world())))
    assert set(status) == {"armed", "dry_run", "paused", "paused_by", "latched", "items"}
    assert (status["armed"], status["dry_run"], status["paused"], status["latched"]) == (True, False, False, None)
    keys = {"name", "fault", "target", "schedule", "next_run", "last_run", "last_result", "last_skip", "last_reason"}
    assert set(status["items"][0]) == keys
    assert (status["items"][0]["target"], status["items"][0]["schedule"]) == ("broker:1", "every 100s")
    assert not life.core.status(replace(life.world(), cluster=None))["armed"]
    assert not life.core.status(replace(life.world(), cluster=cluster(cluster_id="other")))["armed"]


def test_armed_for_no_cluster_is_armed_for_none_also_where_it_has_no_id():
    life = Life(armed_for=None)
    assert not life.core.status(replace(life.world(), cluster=cluster(cluster_id=None)))["armed"]


def test_explain_tells_every_guards_answer_for_each_experiment():
    life = Life(specs=[spec("a"), spec("b", schedule=parse_schedule(cron="0 10 * * mon"))])
    life.world_changes = {"overdue": 1}
    explained = json.loads(json.dumps(life.core.explain(life.world())))
    assert [each["name"] for each in explained] == ["a", "b"]
    for each in explained:
        assert tuple(answer["guard"] for answer in each["guards"]) == GUARD_NAMES
        assert each["allowed"] is False
        assert each["first_denial"] == "schedule"
        assert [answer["guard"] for answer in each["guards"] if not answer["allowed"]] == ["schedule", "steady"]
        assert each["targets"] == [1]


def test_explain_changes_nothing():
    life = Life()
    before = json.dumps(life.core.to_state())
    life.core.explain(world(DUE))
    assert life.state() is None
    assert json.dumps(life.core.to_state()) == before


def test_explain_shows_the_run_under_way():
    life = life_in(RunState.INJECTED)
    explained = life.core.explain(life.world())[0]
    assert (explained["run"], explained["state"]) == (life.run_id(), "injected")
    assert "one_at_a_time" in [answer["guard"] for answer in explained["guards"] if not answer["allowed"]]


def test_explain_shows_the_run_with_its_own_experiment_only():
    life = Life(specs=[spec("a"), spec("b")])
    life.core.run_now("a", instant(900))
    life.tick(900)
    runs = {each["name"]: each["run"] for each in life.core.explain(life.world())}
    assert runs == {"a": life.core.under_way.id, "b": None}


def test_the_next_deadline_is_the_next_run_then_the_end_of_its_grace_then_the_limit_of_its_state():
    life = Life()
    assert life.core.next_deadline(instant(900)) == pytest.approx(DUE)
    assert life.core.next_deadline(instant(DUE - 0.5)) == pytest.approx(DUE)
    life.world_changes = {"overdue": 1}
    life.tick(DUE + 1)
    assert life.core.next_deadline(instant(DUE + 1)) == pytest.approx(DUE + 20)
    life.world_changes = {}
    life.tick(DUE + 2)
    assert life.core.next_deadline(instant(DUE + 2)) == pytest.approx(DUE + 32)
    assert Experiments([], settings()).next_deadline(instant(0)) is None


def test_the_next_deadline_is_the_earliest_and_a_run_that_is_due_now_has_its_grace():
    planner = Planner([spec("a"), spec("b")])
    planner.demand("a", instant(900))
    planner.demand("b", instant(950))
    assert planner.next_deadline(instant(899)) == START + 900
    assert planner.next_deadline(instant(900)) == START + 920


def test_a_clock_that_was_set_back_by_no_more_than_the_slack_keeps_the_plan():
    planner = Planner([spec()])
    plan = planner.plan("kill", instant(900))
    planner.due(instant(900 - CLOCK_SLACK))
    assert planner.get("kill") is plan
    planner.due(instant(899 - CLOCK_SLACK))
    assert planner.get("kill") is not plan


def test_two_experiments_of_one_name_are_refused():
    with pytest.raises(ValueError, match="its own name"):
        Experiments([spec(), spec()], settings())


def test_there_may_be_as_many_experiments_as_the_bound_says_and_no_more():
    specs = [spec(f"e-{number}") for number in range(MAX_EXPERIMENTS + 1)]
    assert len(Experiments(specs[1:], settings()).status(world())["items"]) == MAX_EXPERIMENTS
    with pytest.raises(ValueError, match="at most 64"):
        Experiments(specs, settings())


# --- the table


def test_from_every_state_a_final_one_can_be_reached_and_none_leaves_a_final_one():
    ways = {state: {to for begin, _, to in TRANSITIONS if begin is state} for state in RunState}
    assert all(not ways[state] for state in FINAL)
    reach = set(FINAL)
    while True:
        more = {state for state in RunState if ways[state] & reach} - reach
        if not more:
            break
        reach |= more
    assert reach == set(RunState)
    assert len({(begin, happening) for begin, happening, _ in TRANSITIONS}) == len(TRANSITIONS)


def test_only_a_saved_intent_leads_to_an_injection():
    into = {
        state: [(begin, happening) for begin, happening, to in TRANSITIONS if to is state]
        for state in (RunState.INJECTING, RunState.ANNOUNCED, RunState.ANNOUNCING)
    }
    assert into[RunState.INJECTING] == [
        (RunState.INTENDED, Happening.SAVED_ALLOWED),
        (RunState.ANNOUNCED, Happening.NOTICE_OVER),
    ]
    assert into[RunState.ANNOUNCED] == [(RunState.ANNOUNCING, Happening.ANNOUNCED)]
    assert into[RunState.ANNOUNCING] == [(RunState.INTENDED, Happening.SAVED_FIRST_NOTICE)]
    assert [begin for begin, _, to in TRANSITIONS if to is RunState.INTENDED] == [RunState.GUARDED]


def test_the_document_shows_exactly_this_table():
    assert f"```mermaid\n{transition_diagram()}\n```\n" in DOCS.read_text()


def test_results_are_a_closed_set_without_skips_which_have_their_own_metric():
    assert RESULTS == ("passed", "failed", "inconclusive", "aborted", "dry_run")
