"""A fault that is announced: its notice, the guards during it, the strike at its end, and every way it is cut short."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from tests.core.experiment_life import DUE, Life
from tests.core.experiment_worlds import START, around, instant, kafka_resource, node_state, spec
from tests.core.kubernetes.fleets import broker_pod, fleet

from kafka_sentinel.core.commands import Announce, Heal, Inject
from kafka_sentinel.core.events import FaultAnnounced, FaultFailed, FaultHealed, FaultInjected
from kafka_sentinel.core.experiment_run import RunState
from kafka_sentinel.core.experiments import ASK_EVERY
from kafka_sentinel.core.faults import INJECT_LIMIT
from kafka_sentinel.core.types import NodeRef

NOTICE = 30.0


class Notice(Life):
    """The life of a reclaim of the node of broker 1."""

    def __init__(self, saved=None, *, notice=NOTICE, drain=0.0, **options):
        self.surroundings = {}
        reclaim = spec(fault="node-reclaim", notice=notice, drain=drain, duration=100)
        super().__init__(saved, specs=[reclaim], **options)

    def world(self):
        return replace(super().world(), kubernetes=around(self.now, **self.surroundings))

    def run_id(self):
        return self.of(Announce)[-1].experiment_run

    def announced(self):
        self.tick(DUE).save().fault(FaultAnnounced)
        assert self.state() is RunState.ANNOUNCED
        return self


STEPS = {
    RunState.INTENDED: lambda life: life.tick(DUE),
    RunState.ANNOUNCING: lambda life: life.save(),
    RunState.ANNOUNCED: lambda life: life.fault(FaultAnnounced).save(),
    RunState.INJECTING: lambda life: life.tick(DUE + NOTICE).save(),
    RunState.INJECTED: lambda life: life.fault(FaultInjected, (1,)).save(),
    RunState.RECOVERING: lambda life: life.fault(FaultHealed).save(),
    RunState.RECHECKED: lambda life: life.close(),
}


def life_in(state):
    life = Notice()
    for name, step in STEPS.items():
        step(life)
        if name is state:
            break
    assert life.state() is state
    return life


# --- the way through


def test_the_notice_comes_once_the_intent_is_saved_and_hits_nothing():
    life = Notice().tick(DUE)
    assert life.of(Announce) == []
    life.save()
    [announce] = life.of(Announce)
    assert (announce.fault, announce.targets, announce.notice) == ("node-reclaim", (1,), NOTICE)
    assert ([pod.broker for pod in announce.pods], announce.node.name) == ([1], "n1")
    life.fault(FaultAnnounced).tick(DUE + NOTICE - 0.01)
    assert life.of(Inject) == []
    assert json.loads(life.saved)["run"]["id"] == announce.experiment_run


def test_at_the_end_of_the_notice_the_same_pods_are_hit_and_no_others():
    life = Notice().announced().tick(DUE + NOTICE)
    [announce], [inject] = life.of(Announce), life.of(Inject)
    assert (inject.experiment_run, inject.pods, inject.node) == (announce.experiment_run, announce.pods, announce.node)
    assert (inject.duration, inject.drain) == (100, 0.0)
    life.tick(DUE + NOTICE + 1)
    assert len(life.of(Inject)) == len(life.of(Announce)) == 1


def test_the_notice_counts_from_when_it_was_given():
    life = Notice().tick(DUE).save().tick(DUE + 20).fault(FaultAnnounced).tick(DUE + NOTICE)
    assert life.of(Inject) == []
    assert len(life.tick(DUE + 20 + NOTICE).of(Inject)) == 1


def test_pods_that_moved_during_the_notice_are_not_hit_elsewhere():
    life = Notice().announced()
    life.surroundings["fleet"] = fleet(broker_pod(1, node="n2"), broker_pod(2), broker_pod(3), kafka=kafka_resource())
    life.tick(DUE + NOTICE)
    assert life.of(Inject) == []
    assert len(life.of(Heal)) == 1


def test_a_drain_is_the_last_part_of_the_notice():
    life = Notice(drain=10.0).announced().tick(DUE + NOTICE - 10.01)
    assert life.of(Inject) == []
    [inject] = life.tick(DUE + NOTICE - 10).of(Inject)
    assert inject.drain == 10.0


def test_a_notice_of_no_length_is_given_all_the_same():
    life = Notice(notice=0.0).announced()
    assert len(life.tick(DUE).of(Inject)) == 1


def test_it_passes_like_any_other():
    life = life_in(RunState.RECHECKED).save()
    assert life.counts() == [("experiments_total", {"experiment": "kill", "result": "passed"})]
    assert life.of(Heal) == []


def test_the_injection_is_debited_when_it_strikes_and_not_before():
    life = Notice().announced()
    assert life.core.to_state()["injections"] == []
    life.tick(DUE + NOTICE)
    assert life.core.to_state()["injections"] == [START + DUE + NOTICE]


def test_every_broker_of_the_node_is_debited():
    life = Notice()
    life.core._remember_injection(START, 2)
    assert life.core.to_state()["injections"] == [START, START]


# --- a guard that denies meanwhile


@pytest.mark.parametrize(
    ("spoil", "guard"),
    [
        ({"open_incidents": ("i-9",)}, "incident_open"),
        ({"natural_losses": (START + DUE,)}, "min_gap"),
        ({"quorum": None}, "fresh_views"),
        ({"state_error": "conflict"}, "state_saved"),
    ],
)
@pytest.mark.parametrize("state", [RunState.ANNOUNCING, RunState.ANNOUNCED])
def test_a_guard_that_denies_during_the_notice_takes_it_back_and_is_named(state, spoil, guard):
    life = life_in(state)
    life.world_changes = dict(spoil)
    life.tick(DUE + ASK_EVERY)
    assert life.state() is None
    assert [heal.node.name for heal in life.of(Heal)] == ["n1"]
    assert life.counts() == [("experiments_total", {"experiment": "kill", "result": "aborted"})]
    assert guard in life.commands[-1].fields["reason"]
    life.world_changes = {}
    life.tick(DUE + NOTICE)
    assert life.of(Inject) == []


def test_a_guard_that_denies_only_at_the_end_of_the_notice_prevents_the_strike():
    life = Notice().announced().tick(DUE + NOTICE - 0.1)
    life.world_changes = {"overdue": 1}
    life.tick(DUE + NOTICE)
    assert life.of(Inject) == []
    assert len(life.of(Heal)) == 1
    assert life.state() is None


def test_the_time_that_the_notice_takes_is_not_held_against_the_run():
    life = Notice(notice=600.0).announced()  # far beyond its grace
    for second in range(1, 601):
        life.tick(DUE + second)
    assert len(life.of(Inject)) == 1


@pytest.mark.parametrize("state", [RunState.ANNOUNCING, RunState.ANNOUNCED])
def test_during_the_notice_the_guards_are_asked_once_a_second(state):
    """They look at every partition of the cluster."""
    life = life_in(state).tick(DUE + ASK_EVERY)
    life.world_changes = {"overdue": 1}
    life.tick(DUE + 2 * ASK_EVERY - 0.01)
    assert life.state() is state
    assert life.tick(DUE + 2 * ASK_EVERY).state() is None


def test_when_the_notice_was_commanded_they_had_just_been_asked():
    life = life_in(RunState.ANNOUNCING)
    life.world_changes = {"overdue": 1}
    assert life.tick(DUE + ASK_EVERY - 0.01).state() is RunState.ANNOUNCING


def test_the_mark_on_its_node_is_ours_once_the_notice_was_given_and_not_before():
    marked = {f"uid-{name}": node_state(name, ours=name == "n1") for name in ("n1", "n2", "n3")}
    life = Notice().announced()
    life.surroundings["nodes"] = marked
    assert len(life.tick(DUE + NOTICE).of(Inject)) == 1
    early = Notice().tick(DUE).start_save()
    early.surroundings["nodes"] = marked
    early.end_save()
    assert (early.of(Announce), early.state()) == ([], None)


# --- what else can go wrong


@pytest.mark.parametrize("state", [RunState.ANNOUNCING, RunState.ANNOUNCED])
def test_pause_during_the_notice_takes_it_back_and_hits_nothing(state):
    life = life_in(state)
    life.commands += life.core.pause(instant(DUE + 1), "by anna")
    assert len(life.of(Heal)) == 1
    assert life.state() is None
    assert life.tick(DUE + NOTICE).of(Inject) == []


def test_a_loss_during_the_notice_takes_it_back():
    life = Notice().announced()
    life.commands += life.core.latch("record lost", instant(DUE + 1))
    life.tick(DUE + ASK_EVERY)
    assert (len(life.of(Heal)), life.of(Inject), life.state()) == (1, [], None)


@pytest.mark.parametrize("state", [RunState.ANNOUNCING, RunState.ANNOUNCED, RunState.INJECTING])
def test_a_fleet_that_cannot_do_it_ends_it_and_it_is_healed(state):
    life = life_in(state).fault(FaultFailed, "the node is another machine by now")
    assert [heal.node.name for heal in life.of(Heal)] == ["n1"]
    assert life.counts() == [("experiments_total", {"experiment": "kill", "result": "aborted"})]


def test_a_notice_that_is_not_given_in_time_is_given_up_and_healed():
    life = life_in(RunState.ANNOUNCING).tick(DUE + INJECT_LIMIT - 0.1)
    assert life.state() is RunState.ANNOUNCING
    life.tick(DUE + INJECT_LIMIT)
    assert (len(life.of(Heal)), life.of(Inject), life.state()) == (1, [], None)
    life.fault(FaultAnnounced)  # it comes after all
    assert len(life.of(Heal)) == 2


def test_a_notice_that_the_fleet_took_back_is_not_followed_by_a_strike():
    life = Notice().announced().fault(FaultHealed)
    assert life.state() is None
    assert "taken back" in life.commands[-1].fields["reason"]
    assert life.tick(DUE + NOTICE).of(Inject) == []


def test_news_that_come_twice_change_nothing():
    life = life_in(RunState.INJECTING).fault(FaultAnnounced)
    assert life.state() is RunState.INJECTING
    assert len(life.tick(DUE + NOTICE + NOTICE).of(Inject)) == 1
    again = Notice().announced().tick(DUE + 20).fault(FaultAnnounced)
    assert len(again.tick(DUE + NOTICE).of(Inject)) == 1


@pytest.mark.parametrize("state", list(STEPS))
def test_after_a_crash_at_any_point_nothing_is_announced_or_hit_and_the_node_is_healed(state):
    life = Notice()
    for name, step in STEPS.items():
        step(life)
        if name is state:
            break
    for saved in {life.saved, json.dumps(life.core.to_state())} - {None}:
        again = Notice(saved, now=DUE + NOTICE + 2)
        left = json.loads(saved)["run"]
        healed = [(heal.experiment_run, heal.fault, heal.node) for heal in again.of(Heal)]
        owed = [(left["id"], "node-reclaim", NodeRef("n1", "uid-n1"))]
        assert healed == ([] if left["state"] == RunState.RECHECKED else owed)
        unknown = left["state"] in {"intended", "announcing", "announced", "injecting"}
        assert again.state() is (None if unknown or left["state"] == RunState.RECHECKED else RunState.RECOVERING)
        assert len(again.core.to_state()["injections"]) == 1  # a hit nobody wrote down counts as one
        for second in range(1, 60):
            again.tick(DUE + NOTICE + 2 + second)
            if again.core.needs_save:
                again.save()
        done = {command.experiment_run for command in (*again.of(Announce), *again.of(Inject))}
        assert left["id"] not in done


def test_the_next_deadline_is_the_strike():
    life = Notice().announced()
    assert life.core.next_deadline(instant(DUE)) == pytest.approx(DUE + NOTICE)
