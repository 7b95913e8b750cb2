"""Decides when a fault is injected, and follows each run to its end. The engine drives it and carries out the commands.

At most one run is under way. The intent is on disk before the fault is commanded, and the guards are asked again at
that moment; so a crash at any point leads to a heal, never to a second injection. A fault that is announced begins with
its notice, during which the guards go on being asked: the first that denies takes it back. How the engine calls this:

- at start-up `restore` with what was saved, then `on_tick` at every tick;
- whenever `needs_save` is true: save the state with `to_state()` in it and tell `on_save_started` the generation;
  `on_state_saved` or `on_state_save_failed` follow;
- `on_fault` for FaultAnnounced, FaultInjected, FaultCommanded, FaultFailed and FaultHealed; `on_rolled` when every
  target of a rolling restart is back; `on_incident_closed` for every incident, ours or not;
- while `unconfirmed`: `confirmed` after each view of the cluster, and at every tick; what it returns is the fault's own
  news, to be taken as if the fleet had sent it;
- `latch` as soon as an acks=all loss is proved or an invariant violated; `pause`, `unpause`, `resume`, `run_now` and
  `heal` when a person says so.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, replace
from datetime import UTC, datetime
from typing import Any

from kafka_sentinel.core.agenda import Plan, Planner
from kafka_sentinel.core.answers import Answer
from kafka_sentinel.core.commands import Announce, Command, Count, Heal, Inject, Log, SetLoad
from kafka_sentinel.core.confirmation import Confirmation
from kafka_sentinel.core.events import FaultAnnounced, FaultCommanded, FaultFailed, FaultHealed, FaultInjected
from kafka_sentinel.core.experiment_run import (
    FINAL,
    HITS_NOTHING_YET,
    MAY_BE_IN_EFFECT,
    UNKNOWN_TO_DISK,
    Happening,
    Past,
    Run,
    RunState,
    next_state,
    run_from_state,
)
from kafka_sentinel.core.experiment_view import explanation, item
from kafka_sentinel.core.faults import HEAL_LIMIT, INJECT_LIMIT, Reach, fault_named
from kafka_sentinel.core.guard_input import ExperimentSpec, GuardInput, GuardSettings, World
from kafka_sentinel.core.guards import first_denial
from kafka_sentinel.core.resolution import resolve
from kafka_sentinel.core.targets import Target
from kafka_sentinel.core.types import Instant

RESULTS = ("passed", "failed", "inconclusive", "aborted", "dry_run")  # closed set of experiments_total{result}
MAX_EXPERIMENTS = 64
SAVE_LIMIT = 30.0  # seconds a write of the state may take
NOT_BEGUN = frozenset({RunState.INTENDED, RunState.ANNOUNCING, RunState.INJECTING})
ASK_EVERY = 1.0  # seconds between two rounds of the guards during a notice; they look at every partition


class Experiments:
    """All experiments. `recovery_limit`: seconds a run may wait for its incident to close before it is given up."""

    def __init__(
        self, specs: Iterable[ExperimentSpec], settings: GuardSettings, *, recovery_limit: float = 7_200.0
    ) -> None:
        found = tuple(specs)
        self._specs = {spec.name: spec for spec in found}
        if len(self._specs) != len(found) or len(found) > MAX_EXPERIMENTS:
            raise ValueError(f"{len(found)} experiments: at most {MAX_EXPERIMENTS} are allowed, each with its own name")
        self._settings = settings
        self._recovery_limit = recovery_limit
        self._planner = Planner(found)
        self._waiting: dict[str, Answer] = {}  # why a run that is due has not begun, by experiment
        self._past = dict.fromkeys(self._specs, Past())
        self._run: Run | None = None
        self._entered = 0.0  # when it came into its state, monotonic
        self._write: int | None = None  # generation of the first write of the state that holds it
        self._injections: tuple[float, ...] = ()  # wall-clock seconds; as many as the daily budget can ask for
        self._paused: str | None = None  # who paused them, in their words
        self._latched: str | None = None
        self._loaded = False  # the probes were asked for more records than usual
        self._ask_at = 0.0  # when the guards are asked next during a notice, monotonic
        self._ended_early = ""  # run whose fault was asked to be undone before its time
        self._confirmation: Confirmation | None = None  # of the fault under way, where its fleet cannot tell
        self.needs_save = False

    @property
    def under_way(self) -> Run | None:
        return self._run

    def load_of(self, run: Run) -> float | None:
        """Return the records per second that the probes are raised to during a run; None: they are as usual."""
        spec = self._specs.get(run.experiment)
        return float(spec.load) if spec is not None and spec.load is not None else None

    # --- time

    def on_tick(self, world: World) -> list[Command]:
        out = [*self._watch_notice(world), *self._release(world.now), *self._check_limit(world.now)]
        for spec, plan in self._planner.due(world.now):
            out += self._consider(spec, plan, world)
        return out

    def next_deadline(self, now: Instant) -> float | None:
        """Return the monotonic second at which `on_tick` next has something to do, or None."""
        planned = self._planner.next_deadline(now)
        times = [] if planned is None else [now.mono + max(0.0, planned - now.wall)]
        if self._run is not None:
            times.append(self._entered + self._limit(self._run))
        return min(times, default=None)

    def _limit(self, run: Run) -> float:
        match run.state:
            case RunState.ANNOUNCING:
                return INJECT_LIMIT
            case RunState.INJECTING:
                spec = self._specs[run.experiment]
                return INJECT_LIMIT + spec.timeout + spec.confirm
            case RunState.ANNOUNCED:
                spec = self._specs[run.experiment]
                return spec.notice - spec.drain
            case RunState.INJECTED:
                return run.duration + HEAL_LIMIT
            case RunState.RECOVERING:
                return self._recovery_limit
            case _:
                return SAVE_LIMIT

    def _check_limit(self, now: Instant) -> list[Command]:
        run = self._run
        if run is None or now.mono - self._entered < (limit := self._limit(run)):
            return []
        healing: list[Command] = [] if run.state in {RunState.INTENDED, RunState.RECHECKED} else [_heal(run)]
        return healing + self._move(Happening.TIMED_OUT, now, reason=f"still {run.state} after {limit:g} s")

    # --- from due to injected

    def _consider(self, spec: ExperimentSpec, plan: Plan, world: World) -> list[Command]:
        given, target = self._question(spec, world)
        denial = first_denial(given, target)
        if denial is None:
            return self._begin(spec, plan, target, world)
        if world.now.wall - plan.due <= spec.grace:
            self._waiting[spec.name] = denial
            return []
        denial = self._waiting.pop(spec.name, denial)
        self._planner.plan(spec.name, world.now)
        return self._skipped(spec.name, denial, world.now)

    def _begin(self, spec: ExperimentSpec, plan: Plan, target: Target, world: World) -> list[Command]:
        now = world.now
        stamp = datetime.fromtimestamp(now.wall, UTC).strftime("%Y%m%dT%H%M%S.%f")[:-3]
        targets = tuple(sorted(target.brokers))
        run = Run(
            f"{spec.name}-{stamp}",
            spec.name,
            spec.fault,
            targets,
            spec.duration,
            plan.due,
            now.wall,
            target.pods,
            target.node,
            addresses=target.servers or self._addresses(targets, world),
        )
        self._run = run
        self._waiting.pop(spec.name, None)
        self._planner.plan(spec.name, now)
        out = self._move(Happening.ALLOWED, now)
        if self._settings.dry_run:
            return out + self._move(Happening.REHEARSED, now)
        if spec.load is not None:
            self._loaded = True
            out.append(SetLoad(spec.load))
        return [*out, *self._move(Happening.INTENT, now), _log("info", "experiment_intended", run)]

    @staticmethod
    def _addresses(targets: Iterable[int], world: World) -> tuple[str, ...]:
        """Return where metadata says that each target is; "" where it does not."""
        known = world.cluster.brokers if world.cluster is not None else {}
        return tuple(known.get(target, "") for target in targets)

    def on_save_started(self, generation: int) -> None:
        """Note that the state as it is now is being written as `generation`."""
        self.needs_save = False
        if self._write is None:
            self._write = generation

    def on_state_saved(self, generation: int, world: World) -> list[Command]:
        run = self._run
        if run is None or self._write is None or generation < self._write:
            return []
        if run.state is RunState.INTENDED:
            return self._judge_again(run, world)
        return self._move(Happening.SAVED, world.now)

    def on_state_save_failed(self, generation: int, reason: str, now: Instant) -> list[Command]:
        if self._write is None or generation < self._write:
            return []
        return self._move(Happening.SAVE_FAILED, now, reason=f"the intent could not be saved: {reason}")

    def _judge_again(self, run: Run, world: World) -> list[Command]:
        """Ask the guards once more, with the intent on disk and the targets fixed; go on only if all still allow."""
        denial = self._denial(run, world, run.due)
        if denial is not None:
            return self._move(Happening.DENIED, world.now, reason=denial.reason, denial=denial)
        if not fault_named(run.fault).announced:
            return self._strike(run, world, Happening.SAVED_ALLOWED)
        self._ask_at = world.now.mono + ASK_EVERY
        out = self._move(Happening.SAVED_FIRST_NOTICE, world.now)
        notice = self._specs[run.experiment].notice
        announce = Announce(run.id, run.fault, run.targets, notice, run.pods, run.node)
        return [*out, _log("warning", "experiment_announcing", run), announce]

    def _watch_notice(self, world: World) -> list[Command]:
        """Ask the guards while the notice lasts: one that denies ends the run; strike at the end of the notice."""
        run, now = self._run, world.now
        if run is None or run.state not in HITS_NOTHING_YET:
            return []
        is_over = run.state is RunState.ANNOUNCED and now.mono - self._entered >= self._limit(run)
        if now.mono < self._ask_at and not is_over:
            return []
        self._ask_at = now.mono + ASK_EVERY
        denial = self._denial(run, world, now.wall)
        if denial is not None:
            return [_heal(run), *self._move(Happening.DENIED, now, reason=f"{denial.guard}: {denial.reason}")]
        return self._strike(run, world, Happening.NOTICE_OVER) if is_over else []

    def _denial(self, run: Run, world: World, due: float) -> Answer | None:
        given, _ = self._question(self._specs[run.experiment], world)
        announced = run.state in HITS_NOTHING_YET
        return first_denial(replace(given, due=due, under_way=None, announced=announced), _target(run))

    def _strike(self, run: Run, world: World, happening: Happening) -> list[Command]:
        self._remember_injection(world.now.wall, len(run.targets))
        out = self._move(happening, world.now)
        spec = self._specs[run.experiment]
        if spec.confirm:
            self._confirmation = Confirmation(run.id, run.targets, run.servers, spec.confirm, world)
        inject = Inject(
            run.id,
            run.fault,
            run.targets,
            run.duration,
            run.pods,
            run.node,
            spec.drain,
            run.experiment,
            run.addresses,
            spec.confirm,
        )
        return [*out, _log("warning", "experiment_injecting", run), inject]

    def _remember_injection(self, wall: float, brokers: int) -> None:
        """Debit each broker; a pod that is none counts as one. Kept are the last, whatever the clock said before."""
        keep = max(1, self._settings.daily_budget)
        self._injections = (*self._injections, *[wall] * max(1, brokers))[-keep:]

    # --- what becomes of it

    @property
    def unconfirmed(self) -> bool:
        """Tell whether a fault was commanded that Kafka has yet to show."""
        return self._awaited() is not None

    def confirmed(self, world: World) -> FaultInjected | FaultFailed | None:
        """Look whether Kafka shows the fault under way by now, or will not any more; None: neither."""
        awaited = self._awaited()
        outcome = awaited.look(world) if awaited is not None else None
        return outcome.event if outcome is not None else None

    def _awaited(self) -> Confirmation | None:
        return self._confirmation if self._run is not None and self._run.state is RunState.INJECTING else None

    def _release(self, now: Instant) -> list[Command]:
        """Have a fault undone whose time is over, where its fleet could not know when that time began."""
        run = self._run
        if run is None or run.state is not RunState.INJECTED or self._confirmation is None:
            return []
        if now.mono - self._confirmation.ended.mono < run.duration:
            return []
        self._confirmation = None
        return [_heal(run)]

    def on_fault(
        self, event: FaultAnnounced | FaultInjected | FaultCommanded | FaultFailed | FaultHealed
    ) -> list[Command]:
        run = self._run
        if run is None or run.id != event.experiment_run:
            # What comes into effect after its run was given up must not stay.
            targets = event.targets if isinstance(event, FaultInjected) else ()
            late = isinstance(event, FaultAnnounced | FaultInjected | FaultCommanded)
            return [Heal(event.experiment_run, targets)] if late else []
        match event:
            case FaultAnnounced():
                return [*self._move(Happening.ANNOUNCED, event.at), _log("warning", "experiment_announced", run)]
            case FaultInjected():
                return self._move(Happening.INJECTED, event.confirmed or event.at, injected=event.at.wall)
            case FaultCommanded():
                if self._confirmation is not None:
                    self._confirmation.commanded(event)
                level = "warning" if event.problem else "info"
                return [_log(level, "experiment_commanded", run, problem=event.problem)]
            case FaultFailed():
                return [_heal(run), *self._move(Happening.FAILED, event.at, reason=event.reason)]
            case FaultHealed():
                reason = "the notice was taken back" if run.state is RunState.ANNOUNCED else None
                return self._move(Happening.HEALED, event.at, reason=reason)

    def on_rolled(self, now: Instant) -> list[Command]:
        """Note that every pod of a rolling restart was replaced: what is left of it is undone."""
        run = self._run
        if run is None or run.state is not RunState.INJECTED or self._ended_early == run.id:
            return []
        self._ended_early = run.id
        return [Log("info", "experiment_rolled", {"run": run.id, "at": now.wall}), _heal(run)]

    def on_incident_closed(self, run_id: str | None, verdict: str, lost: int, now: Instant) -> list[Command]:
        """Take note of a closed incident. `run_id`: of the run that caused it, if one did; `lost`: acks=all records."""
        failed = run_id is not None and verdict == "failed"
        reason = f"{lost} acknowledged records lost" if lost > 0 else f"experiment {run_id} failed" if failed else ""
        out = self.latch(reason, now) if reason else []
        if self._run is not None and self._run.id == run_id:
            out += self._move(Happening.CLOSED, now, verdict=verdict)
        return out

    def latch(self, reason: str, now: Instant) -> list[Command]:
        """Hold all experiments until `resume`; a fault in effect is undone at once, its run goes on to its verdict."""
        if self._latched is not None:
            return []
        self._latched, self.needs_save = reason, True
        out: list[Command] = [Log("warning", "experiments_latched", {"reason": reason, "at": now.wall})]
        return [*out, _heal(self._run)] if self._run is not None and self._run.state in MAY_BE_IN_EFFECT else out

    # --- what people say

    def pause(self, now: Instant, by: str) -> list[Command]:
        """Inject nothing until `unpause`; what is under way is aborted and healed. `by`: their words, to be shown."""
        if self._paused == by:
            return []
        self._paused, self.needs_save = by, True
        return [Log("info", "experiments_paused", {"by": by, "at": now.wall}), *self._stop(now, "paused")]

    def unpause(self, now: Instant) -> list[Command]:
        if self._paused is None:
            return []
        self._paused, self.needs_save = None, True
        return [Log("info", "experiments_unpaused", {"at": now.wall})]

    def resume(self, now: Instant) -> tuple[list[Command], str]:
        """Lift the latch. Returns what was done, in words, too."""
        if self._latched is None:
            return [], f"nothing was latched{self._still_paused()}"
        lifted, self._latched, self.needs_save = self._latched, None, True
        return [Log("info", "experiments_resumed", {"at": now.wall})], f"lifted: {lifted}{self._still_paused()}"

    def _still_paused(self) -> str:
        return f"; still paused: {self._paused or 'no reason given'}" if self._paused is not None else ""

    def heal(self, now: Instant) -> tuple[list[Command], str]:
        """Undo the fault that is under way, and end its run. Returns what was done, in words, too."""
        run = self._run
        if run is None or run.state is RunState.RECHECKED:
            return [], "no fault was under way; what an earlier life left behind is looked for"
        return self._stop(now, "healed by order"), f"run {run.id} was ended, what it did is undone"

    def _stop(self, now: Instant, reason: str) -> list[Command]:
        if self._run is None or self._run.state is RunState.RECHECKED:
            return []
        healing: list[Command] = [_heal(self._run)] if self._run.state is not RunState.INTENDED else []
        return healing + self._move(Happening.STOPPED, now, reason=reason)

    def run_now(self, name: str, now: Instant) -> tuple[str, bool]:
        """Have a run due now, to be judged as any other. Returns what is to be said, and whether that is all."""
        if name not in self._specs:
            known = ", ".join(self._specs) or "none"
            return f"refused: there is no experiment {name}; configured: {known}", True
        self._planner.demand(name, now)
        return "due", False

    def fate(self, name: str, since: float) -> tuple[str, bool]:
        """Say what became of the run that was demanded at the wall-clock second `since`, and whether that is all."""
        run, past = self._run, self._past[name]
        if run is not None and run.experiment == name and run.started >= since:
            return f"run {run.id} is {run.state}", run.state not in NOT_BEGUN
        if past.last_run is not None and past.last_run >= since:
            reason = f": {past.last_reason}" if past.last_reason else ""
            return f"its run ended: {past.last_result}{reason}", True
        if past.last_skip is not None and float(str(past.last_skip["at"])) >= since:
            return f"it did not run: {past.last_skip['guard']}: {past.last_skip['reason']}", True
        waiting = self._waiting.get(name)
        return (f"it waits for {waiting.guard}: {waiting.reason}" if waiting is not None else "due"), False

    def _move(
        self,
        happening: Happening,
        now: Instant,
        *,
        reason: str | None = None,
        verdict: str | None = None,
        injected: float | None = None,
        denial: Answer | None = None,
    ) -> list[Command]:
        """Follow the table; what means nothing in this state changes nothing. Return what the end of a run asks for."""
        old = self._run
        if old is None or (state := next_state(old.state, happening)) is None:
            return []
        run = self._run = replace(
            old,
            state=state,
            reason=old.reason if reason is None else reason,
            verdict=old.verdict if verdict is None else verdict,
            injected=old.injected if injected is None else injected,
        )
        self._entered, self._write = now.mono, None
        self.needs_save |= state not in {RunState.GUARDED, RunState.DRY_RUN}
        if state in FINAL:
            self._run = self._confirmation = None
            ending = self._ended(run) if denial is None else self._skipped(run.experiment, denial, now)
            return [*self._unload(), *ending]
        return []

    def _unload(self) -> list[Command]:
        loaded, self._loaded = self._loaded, False
        return [SetLoad(None)] if loaded else []

    def _ended(self, run: Run) -> list[Command]:
        assert run.result in RESULTS
        if run.experiment in self._past:  # it may have left the configuration since
            began = run.started if run.injected is None else run.injected
            self._past[run.experiment] = replace(
                self._past[run.experiment], last_run=began, last_result=run.result, last_reason=run.reason
            )
        level = "info" if run.result in {"passed", "dry_run"} else "warning"
        labels = (("experiment", run.experiment), ("result", run.result))
        return [Count("experiments_total", labels), _log(level, "experiment_ended", run)]

    def _skipped(self, name: str, denial: Answer, now: Instant) -> list[Command]:
        skip = {"guard": denial.guard, "reason": denial.reason, "at": now.wall}
        self._past[name] = replace(self._past[name], last_skip=skip)
        labels = (("experiment", name), ("guard", denial.guard))
        return [
            Count("experiments_skipped_total", labels),
            Log("info", "experiment_skipped", {"experiment": name, **skip}),
        ]

    # --- what others see

    def status(self, world: World) -> dict[str, object]:
        """Return the `experiments` part of the status snapshot."""
        named = self._settings.armed_for
        return {
            "armed": bool(named) and world.cluster is not None and world.cluster.cluster_id == named,
            "dry_run": self._settings.dry_run,
            "paused": self._paused is not None,
            "paused_by": self._paused,
            "latched": self._latched,
            "items": [self._item(spec) for spec in self._specs.values()],
        }

    def explain(self, world: World) -> list[dict[str, object]]:
        """Return, for each experiment, its item, whom it would hit now and every guard's answer.

        Looks at every partition of the cluster, several times: for each experiment about as long as one judgement.
        """
        out = []
        for spec in self._specs.values():
            given, target = self._question(spec, world)
            own = self._run if self._run is not None and self._run.experiment == spec.name else None
            out.append({**self._item(spec), **explanation(given, target, own)})
        return out

    def _item(self, spec: ExperimentSpec) -> dict[str, object]:
        return item(spec, self._planner.get(spec.name), self._past[spec.name])

    def _question(self, spec: ExperimentSpec, world: World) -> tuple[GuardInput, Target]:
        plan = self._planner.get(spec.name)
        given = GuardInput(
            world=world,
            settings=self._settings,
            spec=spec,
            due=plan.due if plan is not None else None,
            paused=self._paused,
            latched=self._latched,
            under_way=self._run.id if self._run is not None else None,
            injections=self._injections,
        )
        salt = f"{spec.name}@{plan.planned:.3f}" if plan is not None else spec.name
        return given, resolve(spec, salt, world)

    # --- state

    def to_state(self) -> dict[str, object]:
        return {
            "paused": self._paused,
            "latched": self._latched,
            "injections": list(self._injections),
            "run": self._run.to_state() if self._run is not None else None,
            "past": {name: asdict(past) for name, past in self._past.items()},
        }

    def restore(self, saved: Mapping[str, Any], now: Instant) -> list[Command]:
        """Take over what an earlier life saved, and close or heal the run it left behind; never inject it again.

        Raises KeyError, TypeError or ValueError, and changes nothing, if `saved` is not what `to_state` wrote.
        """
        run = run_from_state(saved["run"]) if saved["run"] is not None else None
        if run is not None and next_state(run.state, Happening.RESTARTED) is None:
            raise ValueError(f'experiment run "{run.id}" was saved in state {run.state}, which is never saved')
        if run is not None and run.state is RunState.RECHECKED and run.verdict not in RESULTS:
            raise ValueError(f'experiment run "{run.id}" was saved with verdict {run.verdict}')
        past = {name: Past(**saved["past"][name]) for name in self._specs if name in saved["past"]}
        injections = tuple(float(time) for time in saved["injections"])
        paused, latched = (None if saved[one] in {None, False} else str(saved[one]) for one in ("paused", "latched"))
        self._paused, self._latched, self._injections, self._run = paused, latched, injections, run
        self._past.update(past)
        if run is None:
            return []
        if run.state in UNKNOWN_TO_DISK:  # nobody knows whether it was done: it counts as done
            self._remember_injection(run.started, len(run.targets))
        healing: list[Command] = [] if run.state is RunState.RECHECKED else [_heal(run)]
        reason = f"Sentinel restarted while {run.state}" if run.state is not RunState.RECHECKED else run.reason
        return healing + self._move(Happening.RESTARTED, now, reason=reason)


def _heal(run: Run) -> Heal:
    return Heal(run.id, run.targets, run.fault, run.node, run.pods, run.experiment, run.addresses)


def _target(run: Run) -> Target:
    one_by_one = fault_named(run.fault).reach is Reach.ROLL
    return Target(frozenset(run.targets), pods=run.pods, node=run.node, one_by_one=one_by_one, servers=run.servers)


def _log(level: str, event: str, run: Run, **more: str) -> Log:
    fields = {"run": run.id, "experiment": run.experiment, "fault": run.fault, "targets": list(run.targets)}
    ending = {"result": run.result, "reason": run.reason} if event == "experiment_ended" else {}
    return Log(level, event, {**fields, **ending, **{name: text for name, text in more.items() if text}})
