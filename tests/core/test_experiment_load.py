"""More records while an experiment runs: from its intent until it ends, whatever way it ends."""

from __future__ import annotations

import pytest
from tests.core.experiment_life import DUE, STEPS, Life
from tests.core.experiment_worlds import instant, spec

from kafka_sentinel.core.commands import Inject, SetLoad
from kafka_sentinel.core.events import FaultFailed, FaultHealed, FaultInjected
from kafka_sentinel.core.experiment_run import RunState
from kafka_sentinel.core.faults import MAX_LOAD

ON, OFF = SetLoad(5_000.0), SetLoad(None)


class Loaded(Life):
    def __init__(self, saved=None, **options):
        super().__init__(saved, specs=[spec(load=5_000.0)], **options)

    @property
    def loads(self):
        return self.of(SetLoad)


def life_in(state):
    life = Loaded()
    for name, step in STEPS.items():
        step(life)
        if name is state:
            break
    assert life.state() is state
    return life


def test_the_load_is_there_before_the_fault_is():
    life = Loaded().tick(DUE)
    assert life.loads == [ON]
    life.save()
    assert life.commands.index(ON) < life.commands.index(life.of(Inject)[0])


@pytest.mark.parametrize("verdict", ["passed", "failed", "inconclusive"])
def test_the_load_lasts_until_the_verdict_is_written(verdict):
    life = life_in(RunState.RECOVERING).close(verdict)
    assert life.loads == [ON]
    life.save()
    assert (life.state(), life.loads) == (None, [ON, OFF])


@pytest.mark.parametrize("state", [RunState.INTENDED, RunState.INJECTING, RunState.INJECTED, RunState.RECOVERING])
def test_a_pause_ends_the_load(state):
    life = life_in(state)
    life.commands += life.core.pause(instant(DUE), "by anna")
    assert life.loads == [ON, OFF]


@pytest.mark.parametrize("state", [RunState.INTENDED, RunState.INJECTING, RunState.RECOVERING, RunState.RECHECKED])
def test_a_time_limit_ends_the_load(state):
    life = life_in(state)
    life.world_changes = {"open_incidents": ("i-1",)}
    life.tick(DUE + 700)
    assert (life.state(), life.loads) == (None, [ON, OFF])


@pytest.mark.parametrize("state", [RunState.INJECTING, RunState.INJECTED, RunState.RECOVERING])
def test_a_fault_that_failed_ends_the_load(state):
    assert life_in(state).fault(FaultFailed, "no such process").loads == [ON, OFF]


def test_a_guard_that_denies_in_the_end_ends_the_load():
    life = Loaded().tick(DUE)
    life.world_changes = {"overdue": 1}
    assert life.save().loads == [ON, OFF]


def test_an_intent_that_cannot_be_saved_ends_the_load():
    life = Loaded().tick(DUE).start_save()
    life.commands += life.core.on_state_save_failed(life.generation, "disk full", instant(DUE))
    assert life.loads == [ON, OFF]


@pytest.mark.parametrize("state", list(STEPS))
def test_a_new_life_begins_without_the_load_of_the_one_before(state):
    life = life_in(state)
    if life.core.needs_save:
        life.start_save()
    again = Loaded(life.written, now=DUE + 2)
    for second in range(1, 95):
        again.tick(DUE + 2 + second)
    assert again.loads == []


def test_each_run_has_its_load_and_ends_it_once():
    life = life_in(RunState.RECHECKED).save().tick(DUE + 100).save()
    life.fault(FaultInjected, (1,)).fault(FaultHealed).close().save()
    assert life.loads == [ON, OFF, ON, OFF]


def test_a_run_without_load_after_one_with_it_ends_none():
    life = Life(specs=[spec("loud", load=5_000.0), spec("quiet")], min_gap=0)
    for name in ("loud", "quiet"):
        life.core.run_now(name, instant(900))
        life.tick(900).save().fault(FaultInjected, (1,)).fault(FaultHealed).close().save()
    assert [inject.experiment for inject in life.of(Inject)] == ["loud", "quiet"]
    assert life.of(SetLoad) == [ON, OFF]


def test_the_load_of_a_run_is_that_of_its_experiment_if_it_has_any_and_is_still_configured():
    life = life_in(RunState.INJECTED)
    assert life.core.load_of(life.core.under_way) == 5_000.0
    assert Life().core.load_of(life.core.under_way) is None
    assert Life(specs=[spec("other")]).core.load_of(life.core.under_way) is None


def test_without_load_nothing_is_asked_for():
    life = Life().tick(DUE).save().fault(FaultInjected, (1,)).fault(FaultHealed).close().save()
    assert life.of(SetLoad) == []


def test_a_rehearsal_loads_nothing():
    assert Loaded(dry_run=True).tick(DUE).loads == []


def test_a_run_that_waits_for_its_guards_loads_nothing():
    life = Loaded()
    life.world_changes = {"overdue": 1}
    assert life.tick(DUE).tick(DUE + 21).loads == []


@pytest.mark.parametrize("load", [0.0, -1.0, MAX_LOAD + 1.0])
def test_a_load_beyond_the_cap_is_refused(load):
    with pytest.raises(ValueError, match="load is"):
        spec(load=load)


@pytest.mark.parametrize("load", [0.5, MAX_LOAD])
def test_a_load_up_to_the_cap_is_taken(load):
    assert spec(load=load).load == load
