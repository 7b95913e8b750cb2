"""Runs whose fault Kafka has to show: when they count as injected, when they are given up, and never twice."""

from __future__ import annotations

import json
import math
from dataclasses import replace

import pytest
from tests.core.experiment_life import DUE, Life
from tests.core.experiment_worlds import cluster, instant, spec, world

from kafka_sentinel.core.cluster import EnsembleView
from kafka_sentinel.core.commands import Heal, Inject, Log
from kafka_sentinel.core.events import FaultCommanded, FaultFailed, FaultHealed, FaultInjected
from kafka_sentinel.core.experiment_run import RunState
from kafka_sentinel.core.faults import HEAL_LIMIT, INJECT_LIMIT
from kafka_sentinel.core.targets import parse_target

COMMAND = spec(fault="command", timeout=30.0, confirm=20.0)
SERVERS = ("zk-1:2181", "zk-2:2181", "zk-3:2181")
GONE = cluster(brokers={2: "h:2", 3: "h:3"})


class Commanded(Life):
    """Life with an engine's hands: what Kafka shows of the fault goes in as the fleet's own news."""

    def __init__(self, saved=None, *, item=COMMAND, **options):
        super().__init__(saved, specs=[item], **options)

    def see(self, now, view=None, **changes):
        self.now = now
        if view is not None:
            changes |= {"cluster": view}
        event = self.core.confirmed(world(now, cluster_asked=instant(now - 0.1), **changes))
        if event is not None:
            self.commands += self.core.on_fault(event)
        return event

    def ended(self, now, problem=""):
        self.now = now
        self.commands += self.core.on_fault(FaultCommanded(instant(now), self.run_id(), problem))
        return self


def injecting(**options):
    life = Commanded(**options).tick(DUE)
    life.save()
    assert life.state() is RunState.INJECTING
    return life


def test_the_command_gets_the_address_that_metadata_gave_when_the_guards_allowed_and_so_does_its_heal():
    life = injecting()
    inject = life.of(Inject)[0]
    assert (inject.experiment, inject.targets, inject.addresses, inject.confirm) == ("kill", (1,), ("h:1",), 20.0)
    life.commands += life.core.heal(instant(DUE + 1))[0]
    heal = life.of(Heal)[-1]
    assert (heal.experiment, heal.targets, heal.addresses) == ("kill", (1,), ("h:1",))


def test_it_counts_as_injected_only_when_it_is_over_and_kafka_shows_it():
    life = injecting()
    assert life.core.unconfirmed
    assert life.see(DUE + 1, GONE) is None
    assert life.state() is RunState.INJECTING
    life.ended(DUE + 2)
    event = life.see(DUE + 3, cluster())
    assert event == FaultInjected(instant(DUE), life.run_id(), (1,), confirmed=instant(DUE + 3))
    assert (life.state(), life.core.under_way.injected) == (RunState.INJECTED, instant(DUE).wall)
    assert not life.core.unconfirmed
    assert life.see(DUE + 4, GONE) is None  # never twice


def test_it_is_held_from_its_end_and_then_healed_once():
    life = injecting()
    life.ended(DUE + 2)
    life.see(DUE + 3, GONE)
    life.tick(DUE + 6.9)
    assert life.of(Heal) == []
    life.tick(DUE + 7.1).tick(DUE + 8)
    assert [heal.experiment_run for heal in life.of(Heal)] == [life.run_id()]
    life.fault(FaultHealed)
    assert life.state() is RunState.RECOVERING
    life.close()
    life.save()
    assert (life.item()["last_result"], life.item()["last_reason"]) == ("passed", "")


def test_at_the_end_of_its_time_it_is_healed():
    life = injecting()
    ended = math.ceil(DUE) + 1.0
    life.ended(ended)
    life.see(ended, GONE)
    assert len(life.tick(ended + COMMAND.duration).of(Heal)) == 1


def test_how_long_it_may_take_to_be_undone_counts_from_when_kafka_showed_it():
    life = injecting()
    life.ended(DUE + 2)
    life.see(DUE + 20, GONE)
    limit = DUE + 20 + COMMAND.duration + HEAL_LIMIT
    assert life.tick(limit - 0.01).state() is RunState.INJECTED
    assert life.tick(limit + 0.01).state() is RunState.RECOVERING


@pytest.mark.parametrize(("problem", "level"), [("", "info"), ("it ended with exit status 3", "warning")])
def test_the_end_of_the_command_is_logged_with_its_problem_if_it_had_one(problem, level):
    said = injecting().ended(DUE + 2, problem).of(Log)[-1]
    assert (said.event, said.level, said.fields.get("problem", "")) == ("experiment_commanded", level, problem)
    assert ("problem" in said.fields) == bool(problem)


def test_one_that_shows_nothing_is_aborted_as_not_confirmed_healed_and_debited():
    life = injecting()
    life.ended(DUE + 2, "it ended with exit status 3")
    assert life.see(DUE + 21.9) is None
    assert isinstance(life.see(DUE + 22.1), FaultFailed)
    assert life.state() is None
    assert len(life.of(Heal)) == 1
    reason = "not confirmed: broker 1 was not seen to go within 20 s; it ended with exit status 3"
    assert (life.item()["last_result"], life.item()["last_reason"]) == ("aborted", reason)
    assert len(life.core.to_state()["injections"]) == 1
    assert life.core.fate("kill", 0.0) == (f"its run ended: aborted: {reason}", True)
    again = Commanded(life.start_save().written, now=DUE + 60)
    assert again.item()["last_reason"] == reason


def test_a_command_never_heard_of_again_is_given_up_after_its_own_time():
    life = injecting()
    life.tick(DUE + INJECT_LIMIT + 49)
    assert life.state() is RunState.INJECTING
    life.tick(DUE + INJECT_LIMIT + 51)
    assert life.item()["last_reason"] == "still injecting after 110 s"
    assert len(life.of(Heal)) == 1


def test_one_that_was_given_up_meanwhile_is_healed_when_it_ends():
    life = injecting()
    run = life.run_id()
    life.commands += life.core.pause(instant(DUE + 1), "by anna")
    assert life.state() is None
    life.commands += life.core.on_fault(FaultCommanded(instant(DUE + 5), run))
    assert [heal.experiment_run for heal in life.of(Heal)] == [run, run]
    assert not life.core.unconfirmed


@pytest.mark.parametrize("step", ["intent on disk", "commanded", "ended", "shown"])
def test_after_a_crash_a_command_is_healed_and_never_run_again(step):
    life = Commanded().tick(DUE)
    life.start_save()
    if step != "intent on disk":
        life.end_save()
    if step in {"ended", "shown"}:
        life.ended(DUE + 1)
    if step == "shown":
        life.see(DUE + 3, GONE)
    again = Commanded(json.dumps(life.core.to_state()), now=DUE + 5)
    assert again.of(Inject) == []
    [heal] = again.of(Heal)
    assert (heal.experiment, heal.fault, heal.addresses) == ("kill", "command", ("h:1",))
    state = RunState.RECOVERING if step == "shown" else None
    assert again.state() is state
    again.tick(DUE + 30)
    assert again.of(Inject) == []


def test_a_zookeeper_server_is_hit_by_its_address():
    ensemble = EnsembleView(SERVERS, frozenset(SERVERS), instant(DUE - 1))
    life = Commanded(item=replace(COMMAND, target=parse_target("zookeeper")))
    life.world_changes = {"ensemble": ensemble}
    life.tick(DUE)
    life.save()
    inject = life.of(Inject)[0]
    assert inject.targets == ()
    assert set(inject.addresses) < set(SERVERS)
    assert len(inject.addresses) == 1
    life.ended(DUE + 1)
    left = frozenset(SERVERS) - set(inject.addresses)
    assert life.see(DUE + 2, ensemble=replace(ensemble, asked=instant(DUE + 1.5))) is None
    event = life.see(DUE + 3, ensemble=EnsembleView(SERVERS, left, instant(DUE + 2)))
    assert isinstance(event, FaultInjected)
    assert life.core.under_way.target_text(event.targets) == f"ZooKeeper {inject.addresses[0]}"


def test_faults_that_their_fleet_is_sure_of_wait_for_nobody():
    life = Life().tick(DUE)
    life.save()
    assert not life.core.unconfirmed
    assert life.core.confirmed(world(DUE + 1, cluster=GONE)) is None


@pytest.mark.parametrize(("fault", "confirm"), [("process-kill", 5.0), ("command", 0.0), ("msk-reboot", 0.0)])
def test_only_what_kafka_has_to_show_has_a_time_for_it(fault, confirm):
    with pytest.raises(ValueError, match="does not go with"):
        spec(fault=fault, confirm=confirm)
