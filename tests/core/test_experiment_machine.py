"""Experiments under anything in any order: what must hold whatever happens, for faults with and without a notice."""

from __future__ import annotations

import json
from dataclasses import replace

from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from tests.core.experiment_worlds import around, cluster, given, settings, spec, world

from kafka_sentinel.core.commands import Announce, Heal, Inject, SetLoad
from kafka_sentinel.core.events import FaultAnnounced, FaultCommanded, FaultFailed, FaultHealed, FaultInjected
from kafka_sentinel.core.experiment_run import FINAL, RunState
from kafka_sentinel.core.experiments import Experiments
from kafka_sentinel.core.guards import first_denial
from kafka_sentinel.core.targets import Target, parse_target

NEWS = (FaultAnnounced, FaultInjected, FaultCommanded, FaultFailed, FaultHealed)
SETTINGS = {"min_gap": 5, "daily_budget": 20, "warm_up": 0}


class AnyOrder(RuleBasedStateMachine):
    """Ticks, writes, faults, verdicts, people and crashes in any order, against a record of what is on disk."""

    FAULTS = ("process-kill", "process-pause")
    ON_KUBERNETES = False

    @initialize(bold=st.booleans())
    def begin(self, bold):
        self.now = 500.0
        self.generation = 0
        self.disk = None
        self.writes = []  # (generation, content), oldest first
        self.announced, self.injected = [], []
        self.known = []  # ids of runs that were commanded, in any life
        self.healthy = {}
        self.over = set()  # runs whose command was said to be over
        self.bold = bold
        self.load = None
        self.core = self.new_core()

    def new_core(self):
        specs = [self.spec(fault) for fault in self.FAULTS]
        return Experiments(specs, settings(**SETTINGS), recovery_limit=300)

    def spec(self, fault):
        notice = 9.0 if fault == "node-reclaim" else 0.0
        more = {"notice": notice, "load": 100.0, "allow_unavailability": self.bold, "target": parse_target("any")}
        if fault == "command":
            more |= {"timeout": 5.0, "confirm": 10.0}
        return spec(fault.partition("-")[2] or fault, fault=fault, **more)

    def world(self):
        return world(self.now, kubernetes=around(self.now) if self.ON_KUBERNETES else None, **self.healthy)

    def before(self):
        state = self.core.to_state()
        return {**state, "due": state["run"]["due"] if state["run"] else None}

    def take(self, commands, before=None):
        for command in commands:
            match command:
                case Announce():
                    self.check_intent(command)
                    self.announced.append(command.experiment_run)
                case Inject():
                    self.check_injection(command, before)
                case SetLoad(records_per_second=load):
                    self.load = load

    def check_intent(self, command):
        assert self.disk is not None
        on_disk = json.loads(self.disk)["run"]
        assert on_disk["id"] == command.experiment_run
        assert on_disk["targets"] == list(command.targets)
        assert command.experiment_run not in self.injected
        if command.experiment_run not in self.known:
            self.known.append(command.experiment_run)

    def check_injection(self, inject, before):
        self.check_intent(inject)
        self.injected.append(inject.experiment_run)
        assert before is not None
        had_notice = inject.fault == "node-reclaim"
        assert had_notice == (inject.experiment_run in self.announced)
        assert before["run"]["state"] == ("announced" if had_notice else "intended")
        case = given(world=self.world(), settings=settings(**SETTINGS), spec=self.spec(inject.fault))
        case = replace(
            case,
            due=self.world().now.wall if had_notice else before["due"],
            announced=had_notice,
            paused=before["paused"],
            latched=before["latched"],
            injections=tuple(before["injections"]),
        )
        assert first_denial(case, Target(frozenset(inject.targets), pods=inject.pods, node=inject.node)) is None

    @rule(seconds=st.sampled_from([0.1, 0.1, 1.0, 1.0, 7.0, 7.0, 40.0, 700.0]))
    def tick(self, seconds):
        self.now += seconds
        before = self.before()
        self.take(self.core.on_tick(self.world()), before)

    @precondition(lambda self: self.core.under_way is None)
    @rule(clear=st.booleans())
    def reach_the_next_run(self, clear):
        if clear:
            self.healthy = {}
            self.take(self.core.unpause(self.world().now) + self.core.resume(self.world().now)[0])
        deadline = self.core.next_deadline(self.world().now)
        self.now = max(self.now, deadline or 0.0) + 0.001
        before = self.before()
        self.take(self.core.on_tick(self.world()), before)

    @precondition(lambda self: self.core.needs_save and not self.writes)
    @rule()
    def write(self):
        self.start_write()
        self.end_write(ok=True)

    @precondition(lambda self: self.core.under_way is not None and self.core.under_way.id in self.known)
    @rule(verdict=st.sampled_from(["passed", "passed", "failed"]))
    def go_through(self, verdict):
        run = self.core.under_way
        self.take(self.core.on_fault(FaultAnnounced(self.world().now, run.id)))
        if run.id not in self.injected:
            self.tick(9.0)
        self.take(self.core.on_fault(FaultInjected(self.world().now, run.id, run.targets)))
        self.take(self.core.on_fault(FaultHealed(self.world().now, run.id)))
        self.take(self.core.on_incident_closed(run.id, verdict, 0, self.world().now))

    @precondition(lambda self: self.core.needs_save)
    @rule()
    def start_write(self):
        self.generation += 1
        self.writes.append((self.generation, json.dumps(self.core.to_state())))
        self.core.on_save_started(self.generation)

    @precondition(lambda self: self.writes)
    @rule(ok=st.sampled_from([True, True, True, False]))
    def end_write(self, ok):
        generation, content = self.writes.pop(0)
        before = self.before()
        if ok:
            self.disk = content
            self.take(self.core.on_state_saved(generation, self.world()), before)
        else:
            self.take(self.core.on_state_save_failed(generation, "no", self.world().now))

    @precondition(lambda self: self.known)
    @rule(data=st.data(), kind=st.sampled_from(NEWS))
    def fault(self, data, kind):
        run_id = data.draw(st.sampled_from(self.known[-2:]))
        details = {FaultInjected: [(1,)], FaultFailed: ["why"]}.get(kind, [])
        over = self.core.under_way is None or self.core.under_way.id != run_id
        self.over |= {run_id} if kind is FaultCommanded else set()
        out = self.core.on_fault(kind(self.world().now, run_id, *details))
        self.take(out)
        must_not_stay = over and kind in {FaultAnnounced, FaultInjected, FaultCommanded}
        assert not must_not_stay or [type(command) for command in out] == [Heal]

    @rule(
        data=st.data(), verdict=st.sampled_from(["passed", "failed", "inconclusive"]), lost=st.sampled_from([0, 0, 1])
    )
    def close(self, data, verdict, lost):
        run_id = data.draw(st.sampled_from([None, *self.known[-2:]]))
        self.take(self.core.on_incident_closed(run_id, verdict, lost, self.world().now))
        if lost or (run_id is not None and verdict == "failed"):
            assert self.core.to_state()["latched"] is not None

    @rule(act=st.sampled_from(["pause", "latch", "heal", "run_now", "resume", "resume", "resume", "resume"]))
    def person(self, act):
        now = self.world().now
        match act:
            case "pause":
                self.take(self.core.pause(now, "by anna"))
            case "latch":
                self.take(self.core.latch("lost", now))
            case "heal":
                self.take(self.core.heal(now)[0])
            case "run_now":
                self.core.run_now(self.FAULTS[0].partition("-")[2] or self.FAULTS[0], now)
            case "resume":
                self.take(self.core.unpause(now) + self.core.resume(now)[0])

    @rule(
        spoil=st.sampled_from(
            [{}, {}, {}, {"overdue": 1}, {"quorum": None}, {"open_incidents": ("i",)}, {"state_error": "conflict"}]
        )
    )
    def weather(self, spoil):
        self.healthy = spoil

    @rule(wrote=st.booleans())
    def crash(self, wrote):
        if wrote and self.writes:
            self.disk = self.writes[-1][1]  # it reached the disk, and nobody was left to hear of it
        self.writes, self.load = [], None
        self.core = self.new_core()
        if self.disk is None:
            return
        left = json.loads(self.disk)["run"]
        out = self.core.restore(json.loads(self.disk), self.world().now)
        self.take(out)
        healed = [command.experiment_run for command in out if isinstance(command, Heal)]
        assert healed == ([left["id"]] if left and left["state"] != RunState.RECHECKED else [])
        if left:
            self.injected.append(left["id"])  # must never be commanded again

    @invariant()
    def one_at_a_time_and_never_in_a_state_that_has_no_name(self):
        run = self.core.under_way
        assert run is None or run.state not in {*FINAL, RunState.DUE, RunState.GUARDED}

    @invariant()
    def the_load_is_that_of_a_run_under_way(self):
        assert self.load is None or self.core.under_way is not None

    @rule()
    def look(self):
        before = self.core.to_state()
        json.dumps([self.core.status(self.world()), self.core.explain(self.world())])
        assert self.core.to_state() == before


class AnyOrderOnKubernetes(AnyOrder):
    """The same where a fault is announced before it strikes, and another is not."""

    FAULTS = ("pod-crash", "node-reclaim")
    ON_KUBERNETES = True


class AnyOrderOfReclaims(AnyOrder):
    FAULTS = ("node-reclaim",)
    ON_KUBERNETES = True


class AnyOrderOfCommands(AnyOrder):
    """The same where Kafka has to show the fault: its views come at any time, before the command is over and after."""

    FAULTS = ("command",)

    @precondition(lambda self: self.core.under_way is None and not self.writes)
    @rule(steps=st.lists(st.sampled_from(["gone", "there", "end"]), max_size=4))
    def have_one_run(self, steps):
        self.reach_the_next_run(clear=True)
        if self.core.needs_save:
            self.write()
        for step in steps:
            if self.core.unconfirmed and step == "end":
                self.end("")
            elif self.core.unconfirmed:
                self.see(gone=step == "gone", later=3.0)

    @precondition(lambda self: self.core.unconfirmed)
    @rule(gone=st.booleans(), later=st.sampled_from([0.0, 3.0, 20.0]))
    def see(self, gone, later):
        self.now += later
        run = self.core.under_way
        left = {number: f"h:{number}" for number in (1, 2, 3) if not (gone and number in run.targets)}
        event = self.core.confirmed(replace(self.world(), cluster=cluster(brokers=left)))
        if event is None:
            return
        assert run.id in self.over, "it was told that the command is over"
        self.take(self.core.on_fault(event))
        assert isinstance(event, FaultInjected) == (self.core.under_way is not None)
        assert not self.core.unconfirmed

    @precondition(lambda self: self.core.unconfirmed)
    @rule(problem=st.sampled_from(["", "exit status 1"]))
    def end(self, problem):
        self.over.add(self.core.under_way.id)
        self.take(self.core.on_fault(FaultCommanded(self.world().now, self.core.under_way.id, problem)))


for machine in (AnyOrder, AnyOrderOnKubernetes, AnyOrderOfReclaims, AnyOrderOfCommands):
    machine.TestCase.settings = hypothesis_settings(max_examples=100, stateful_step_count=50, deadline=None)
TestAnyOrder = AnyOrder.TestCase
TestAnyOrderOnKubernetes = AnyOrderOnKubernetes.TestCase
TestAnyOrderOfReclaims = AnyOrderOfReclaims.TestCase
TestAnyOrderOfCommands = AnyOrderOfCommands.TestCase
