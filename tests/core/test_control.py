"""The Lease, a pause and the orders people give: what the engine makes of them, and what a standby shows."""

from __future__ import annotations

import json

from tests.core.control_world import IN_CLUSTER, KILL, Armed, Shared, of
from tests.core.engine_world import Sentinel

from kafka_sentinel.core import checkpoint
from kafka_sentinel.core.commands import Inject, SaveState, StandDown, Sweep
from kafka_sentinel.core.control import MAX_ORDERS
from kafka_sentinel.core.engine import Engine
from kafka_sentinel.core.events import (
    FaultInjected,
    LeaseObserved,
    PauseSeen,
    RightsObserved,
    StateSaveFailed,
)
from kafka_sentinel.core.standby import Standby
from kafka_sentinel.core.types import OrderKind
from kafka_sentinel.engine_config import engine_config
from kafka_sentinel.settings import Settings

NOT_HELD = "the Lease is not held: nothing is injected or saved until it is"

# --- the Lease


def test_where_no_lease_is_in_use_none_is_asked_for():
    sentinel = Sentinel(experiments={"items": [{**KILL, "fault": "process-kill"}]})
    assert sentinel.engine.control.lease is None
    assert sentinel.engine.explained()["lease"] is None
    [item] = sentinel.engine.explained()["items"]
    assert next(one for one in item["guards"] if one["guard"] == "lease")["allowed"]


def test_before_the_first_answer_nobody_holds_it():
    assert not Shared().guard("lease")["allowed"]


def test_the_guard_follows_the_lease_by_the_clock():
    sentinel = Shared()
    sentinel.leased(20.0)
    assert sentinel.guard("lease")["allowed"]
    sentinel.leased(20.0, problem="timeout")
    assert sentinel.guard("lease")["allowed"]
    sentinel.wait(16)
    answer = sentinel.guard("lease")
    assert (answer["allowed"], answer["seen"]) == (False, "timeout")


def test_its_end_and_its_return_are_said_once_each():
    sentinel = Shared()
    for _ in range(3):
        sentinel.leased(2.0)
    sentinel.leased(2.0, problem="timeout")
    assert sentinel.said(NOT_HELD) == []
    sentinel.wait(10)  # it runs out by the clock
    assert len(sentinel.said(NOT_HELD)) == 1
    sentinel.leased(None, problem="timeout")
    [lost] = sentinel.said(NOT_HELD)
    assert lost == {"reason": "timeout"}
    sentinel.leased(2.0)
    assert len(sentinel.said("the Lease is held")) == 2
    assert of(sentinel.commands, StandDown) == []


def test_a_lease_that_nobody_renewed_and_nobody_took_is_told_and_ends_nobody():
    sentinel = Shared()
    sentinel.leased(2.0)
    sentinel.wait(3)
    assert sentinel.said(NOT_HELD) == [{"reason": "it was not renewed in time"}]
    assert of(sentinel.leased(None, holder=""), StandDown) == []


def test_the_status_says_who_holds_the_lease_and_why_it_could_not_be_asked_for():
    sentinel = Shared()
    sentinel.leased(20.0, problem="timeout")
    assert sentinel.experiments["lease"] == {"held": True, "holder": "us", "problem": "timeout"}
    sentinel.leased(20.0)
    assert sentinel.experiments["lease"]["problem"] is None


def test_while_the_api_server_is_away_probing_and_accounting_go_on():
    sentinel = Shared()
    sentinel.leased(2.0)
    sentinel.live(5)
    sentinel.leased(None, problem="unreachable")
    sentinel.live(60)
    assert sentinel.records["verified"] == 130
    assert of(sentinel.commands, StandDown) == []


def test_somebody_else_with_the_lease_ends_us():
    sentinel = Shared()
    sentinel.leased(2.0)
    [command] = of(sentinel.leased(None, holder="sentinel-2"), StandDown)
    assert command.reason == "another Kafka Sentinel, sentinel-2, holds the Lease now"


def test_a_state_that_another_wrote_ends_us():
    sentinel = Shared()
    sentinel.leased()
    commands = sentinel.step(StateSaveFailed(sentinel.now(), 1, "another wrote it", taken_over=True))
    assert [one.reason for one in of(commands, StandDown)] == ["another wrote it"]


def test_a_state_that_could_not_be_written_does_not():
    sentinel = Shared()
    sentinel.leased()
    assert of(sentinel.step(StateSaveFailed(sentinel.now(), 1, "timeout")), StandDown) == []


# --- pause


# --- rights

NO_DELETE = "we may not delete pods in namespace kafka: these faults are refused by the API server"


def test_a_right_that_is_missing_is_said_once_shown_and_denies_the_faults_that_need_it():
    sentinel = Shared()
    assert sentinel.guard("permitted")["seen"] == "not told"
    assert sentinel.guard("permitted")["allowed"]
    assert sentinel.experiments["not_permitted"] is None
    for _ in range(3):
        sentinel.step(RightsObserved(sentinel.now(), {"pod-delete": NO_DELETE, "pod-crash": NO_DELETE}))
    assert [log.fields["right"] for log in sentinel.logs if log.event == "a right is missing"] == [NO_DELETE]
    assert sentinel.experiments["not_permitted"] == [NO_DELETE]
    assert sentinel.guard("permitted") | {"reason": NO_DELETE, "allowed": False} == sentinel.guard("permitted")
    sentinel.step(RightsObserved(sentinel.now(), {}))
    assert [log.fields["right"] for log in sentinel.logs if log.event == "a right is missing no more"] == [NO_DELETE]
    assert sentinel.experiments["not_permitted"] == []
    assert sentinel.guard("permitted")["allowed"]


def test_several_rights_that_are_missing_are_told_and_shown_in_order():
    sentinel = Shared()
    missing = {fault: f"right {fault}" for fault in "hgfedcba"}
    sentinel.step(RightsObserved(sentinel.now(), missing))
    assert [each["right"] for each in sentinel.said("a right is missing")] == sorted(missing.values())
    assert sentinel.experiments["not_permitted"] == sorted(missing.values())
    sentinel.step(RightsObserved(sentinel.now(), {}))
    assert [each["right"] for each in sentinel.said("a right is missing no more")] == sorted(missing.values())


def test_a_right_that_only_other_faults_need_denies_nothing():
    sentinel = Shared()
    sentinel.step(RightsObserved(sentinel.now(), {"pod-evict": "we may not create pods/eviction"}))
    assert sentinel.guard("permitted")["allowed"]


def test_a_pause_begins_and_ends_with_what_stands_there():
    sentinel = Shared()
    assert sentinel.guard("paused")["allowed"]
    sentinel.commands.clear()
    sentinel.step(PauseSeen(sentinel.now(), "by anna"))
    sentinel.wait(1)
    assert [save.state["experiments"]["paused"] for save in of(sentinel.commands, SaveState)] == ["by anna"]
    assert (sentinel.experiments["paused"], sentinel.experiments["paused_by"]) == (True, "by anna")
    assert sentinel.guard("paused")["seen"] == "paused: by anna"
    sentinel.step(PauseSeen(sentinel.now(), None))
    assert len(sentinel.said("experiments_unpaused")) == 1
    assert sentinel.guard("paused")["allowed"]


def test_a_pause_taken_back_while_nobody_looked_ends_with_the_first_look():
    sentinel = Shared()
    sentinel.step(PauseSeen(sentinel.now(), "by anna"))
    again = restarted(sentinel)
    assert again.explained()["paused_by"] == "by anna"
    again.step(PauseSeen(sentinel.now(), None))
    assert not again.explained()["paused"]


def restarted(sentinel):
    state = json.loads(json.dumps(checkpoint.to_state(sentinel.engine)))
    return Engine(sentinel.engine.config, run=8, started=sentinel.now(), state=state)


# --- orders


def test_resume_lifts_the_latch_and_the_answer_is_saved():
    sentinel = Shared()
    sentinel.engine.experiments.latch("a loss", sentinel.now())
    sentinel.wait(1)
    sentinel.commands.clear()
    sentinel.order(OrderKind.RESUME)
    sentinel.wait(1)
    [saved] = of(sentinel.commands, SaveState)
    [order] = saved.state["control"]["orders"]
    assert (order["nonce"], order["answer"], order["done"]) == ("n1", "lifted: a loss", True)
    assert saved.state["experiments"]["latched"] is None


def test_an_answer_is_a_warning_if_the_order_was_refused_and_none_otherwise():
    sentinel = Shared()
    sentinel.order(OrderKind.RESUME)
    sentinel.order(OrderKind.RESUME, problem="it is 100 s old")
    assert [log.level for log in sentinel.logs if log.event == "order"] == ["info", "warning"]


def test_heal_without_a_fault_says_so():
    sentinel = Shared()
    commands = sentinel.order(OrderKind.HEAL)
    [(_, answer, done)] = sentinel.answers
    assert (answer.startswith("no fault was under way"), done) == (True, True)
    assert len(of(commands, Sweep)) == 1


def test_an_order_with_a_problem_is_refused_aloud_and_not_obeyed():
    sentinel = Shared()
    sentinel.engine.experiments.latch("a loss", sentinel.now())
    sentinel.order(OrderKind.RESUME, problem="it is 100 s old")
    assert sentinel.answers == [("resume", "refused: it is 100 s old", True)]
    assert sentinel.experiments["latched"] == "a loss"
    assert sentinel.said("order")[-1]["answer"] == "refused: it is 100 s old"


def test_an_unknown_experiment_is_refused_by_name():
    sentinel = Shared()
    sentinel.order(OrderKind.RUN_NOW, "kil")
    assert sentinel.answers == [("run-now", "refused: there is no experiment kil; configured: kill", True)]


def test_a_run_that_the_guards_do_not_allow_is_answered_with_the_guard():
    sentinel = Shared()
    sentinel.order(OrderKind.RUN_NOW, "kill")
    sentinel.wait(1)
    [(_, answer, done)] = sentinel.answers
    assert (answer.startswith("it waits for armed: "), done) == (True, False)
    sentinel.commands.clear()
    sentinel.order(OrderKind.RUN_NOW, "kill", nonce="n2")  # another person's: the same run answers both
    sentinel.wait(31)
    assert [said["answer"].split(":")[0] for said in sentinel.said("order")] == ["due", "due", *["it did not run"] * 2]
    [(kind, answer, done), _] = sentinel.answers
    assert (kind, answer.startswith("it did not run: armed: "), done) == ("run-now", True, True)
    assert [save.state["control"]["orders"][0]["done"] for save in of(sentinel.commands, SaveState)][-1]
    assert of(sentinel.commands, Inject) == []


def test_a_run_that_was_ordered_is_injected_after_its_intent_was_saved_and_told():
    sentinel = Armed()
    sentinel.pass_by(10)
    sentinel.order(OrderKind.RUN_NOW, "kill")
    sentinel.pass_by(5)
    [inject] = sentinel.injected
    assert [(pod.namespace, pod.name) for pod in inject.pods] == [("kafka", "orders-broker-1")]
    assert sentinel.answers == [("run-now", f"run {inject.experiment_run} is injecting", False)]
    sentinel.step(FaultInjected(sentinel.now(), inject.experiment_run, inject.targets))
    sentinel.pass_by(1)
    assert sentinel.answers == [("run-now", f"run {inject.experiment_run} is injected", True)]


def test_orders_are_bounded_and_the_newest_is_first():
    sentinel = Shared()
    for number in range(MAX_ORDERS + 5):
        sentinel.order(OrderKind.HEAL, nonce=str(number))
    orders = sentinel.experiments["orders"]
    assert len(orders) == MAX_ORDERS
    assert orders[0]["nonce"] == str(MAX_ORDERS + 4)


def test_after_a_restart_an_open_order_is_answered_and_not_obeyed_again():
    sentinel = Shared()
    sentinel.order(OrderKind.RUN_NOW, "kill")
    sentinel.wait(1)
    again = restarted(sentinel)
    [order] = again.explained()["orders"]
    assert order["done"]
    assert order["answer"].startswith("Sentinel was started again: ")


def test_after_a_restart_an_order_that_was_answered_reads_as_before():
    sentinel = Shared()
    sentinel.order(OrderKind.RESUME)
    [answered] = sentinel.experiments["orders"]
    assert restarted(sentinel).explained()["orders"] == [answered]


def test_a_state_from_before_there_were_orders_is_taken():
    sentinel = Shared()
    state = checkpoint.to_state(sentinel.engine)
    del state["control"]
    again = Engine(sentinel.engine.config, run=8, started=sentinel.now(), state=json.loads(json.dumps(state)))
    assert again.explained()["orders"] == []


# --- standing by


def standby():
    clock = Sentinel(partitions=0)
    config = engine_config(Settings.model_validate(IN_CLUSTER))
    return Standby(config, clock.now()), clock


def seen(clock, until=None, holder="sentinel-2", problem=""):
    return LeaseObserved(clock.now(), until, holder, problem, answered=not problem)


def test_a_standby_says_once_who_keeps_it_waiting():
    waiting, clock = standby()
    said = [waiting.take(seen(clock)) for _ in range(3)]
    assert [[log.fields for log in logs] for logs in said] == [[{"holder": "sentinel-2"}], [], []]
    assert waiting.take(seen(clock, holder="sentinel-3"))
    assert waiting.take(seen(clock, until=clock.mono + 1, holder="us")) == []


def test_a_standby_says_once_that_it_cannot_ask():
    waiting, clock = standby()
    said = [waiting.take(seen(clock, holder="", problem=f"timeout {number}")) for number in range(3)]
    assert [[(log.level, log.fields) for log in logs] for logs in said] == [
        [("warning", {"reason": "timeout 0"})],
        [],
        [],
    ]


def test_a_standby_begins_when_the_lease_is_held_and_not_before():
    waiting, clock = standby()
    assert not waiting.may_begin(clock.now())
    waiting.take(seen(clock))
    assert not waiting.may_begin(clock.now())
    waiting.take(seen(clock, until=clock.mono + 1, holder="us"))
    assert waiting.may_begin(clock.now())
    clock.mono += 1
    assert not waiting.may_begin(clock.now())


def test_without_a_lease_to_wait_for_a_standby_does_not_begin():
    clock = Sentinel(partitions=0)
    assert not Standby(engine_config(Settings()), clock.now()).may_begin(clock.now())


def test_a_standby_shows_who_holds_the_lease_and_that_it_would_inject_nothing():
    waiting, clock = standby()
    waiting.take(seen(clock))
    clock.mono, clock.wall = clock.mono + 5, clock.wall + 5
    status = waiting.status(clock.now())
    assert (status["health"], status["now"], status["run"]) == ("standby", clock.wall, "0" * 16)
    assert status["experiments"]["lease"] == {"held": False, "holder": "sentinel-2", "problem": None}
    [item] = status["experiments"]["items"]
    [answer] = [one for one in item["guards"] if one["guard"] == "lease"]
    assert (answer["allowed"], answer["seen"]) == (False, "held by sentinel-2")
    assert not item["allowed"]
