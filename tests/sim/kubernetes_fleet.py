"""The fleet of one life of Sentinel that takes whole nodes: the rehearsed reclaim, written again from its contract.

It does one thing after the other, as one thread does. What it asks reaches the API server also if Sentinel dies
meanwhile; or it does not, or is refused; and the answer may be lost. Then it asks again, where that is allowed.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

from tests.sim.kubernetes_marks import mark, mark_on, unmark

from kafka_sentinel.core.commands import Announce, Heal, Inject, Sweep
from kafka_sentinel.core.events import FaultAnnounced, FaultFailed, FaultHealed, FaultInjected
from kafka_sentinel.core.faults import INJECT_LIMIT
from kafka_sentinel.core.kubernetes.views import Kind
from kafka_sentinel.core.types import NodeRef

PATIENCE = 0.5  # seconds between two looks for something to do
SWEEP_AFTER, SWEEP_EVERY = 10.0, 300.0  # seconds from the start to the first look for marks, and between two
PAUSES = (1.0, 30.0)  # seconds until a mark is tried to be taken off again: at first, and at most
LOOKS = 5  # at a pod whose deletion was not answered
ANSWERED = 1.0  # seconds that a request, or its answer, takes at most
NOT_ANSWERED = (3.0, 8.0)  # seconds until an answer is given up
LONGEST_SILENCE = 250.0  # seconds for which the API server answers nothing
NEVER = float("inf")


class RefusedError(Exception):
    """The API server did not do it, and says so; or something is not as it was."""


class UnansweredError(Exception):
    """It may have been done, or not."""


@dataclass
class InEffect:
    run: str
    node: NodeRef | None
    undo_at: float = NEVER
    struck: bool = False
    pause: float = PAUSES[0]


class NodeFleet:
    sweeps = True  # it looks for marks that an earlier life left
    dates_the_first = True  # a fault struck when the first of its pods went

    def __init__(self, life):
        self.life, self.world = life, life.world
        self._commands, self._faults, self._over = deque(), {}, set()
        self._sweep_at, self._has_marked = self.world.now + SWEEP_AFTER, False
        self._go_on(self._run())

    def submit(self, command):
        self._commands.append(command)

    # --- one thing after the other

    def _go_on(self, thread, answer=None, problem=None):
        """Let it go on until it wants to wait (a number) or asks the API server (what is done there)."""
        wanted = thread.throw(problem) if problem is not None else thread.send(answer)
        if isinstance(wanted, float):
            self.life.after(wanted, lambda: self._go_on(thread))
        else:
            self._ask(thread, wanted)

    def _ask(self, thread, act):
        api, rng = self.world.api_server, self.world.api_server.rng
        is_silent, is_refused = api.is_silent(), api.refuses()
        arrives = not is_refused and (not is_silent or rng.random() < 0.5)

        def arrive():
            answer = problem = None
            try:
                answer = act() if arrives else None
            except RefusedError as error:
                problem = error
            problem = RefusedError("the API server refuses") if is_refused else problem
            problem = UnansweredError("the API server did not answer") if is_silent else problem
            wait = rng.uniform(*NOT_ANSWERED) if is_silent else rng.uniform(0.0, ANSWERED)
            self.life.after(wait, lambda: self._go_on(thread, answer, problem))

        self.world.kubernetes.after(rng.uniform(0.0, ANSWERED), arrive)  # also if Sentinel dies meanwhile

    def _run(self):
        while True:
            yield from self._look_after()
            for fault in [one for one in self._faults.values() if self.world.now >= one.undo_at]:
                yield from self._try_undo(fault)
            if self._commands:
                yield from self._obey(self._commands.popleft())
            else:
                yield PATIENCE

    def _obey(self, command):
        match command:
            case Announce():
                yield from self._give_notice(command)
            case Inject():
                yield from self._inject(command)
            case Heal():
                yield from self._heal(command)
            case Sweep():
                self._sweep_at = self.world.now

    def _tell(self, kind, *what):
        self.life.step(kind(self.life.instant(), *what))

    # --- the notice, and the fault

    def _give_notice(self, command):
        run, node = command.experiment_run, command.node
        if run in self._faults or run in self._over:
            self._tell(FaultFailed, run, "it was announced before")
            return
        fault = self._faults[run] = InEffect(run, node)
        self._has_marked, self._sweep_at = True, self.world.now + SWEEP_EVERY
        try:
            yield lambda: self._put(node, run)
        except RefusedError as error:
            del self._faults[run]
            self._over.add(run)
            self._tell(FaultFailed, run, str(error))
        except UnansweredError as error:
            self._tell(FaultFailed, run, str(error))
            yield from self._try_undo(fault)
        else:
            fault.undo_at = self.world.now + command.notice + INJECT_LIMIT
            self._tell(FaultAnnounced, run)

    def _inject(self, command):
        run, hit, since = command.experiment_run, [], None
        fault = self._faults.get(run)
        if fault is None or fault.struck:
            self._tell(FaultFailed, run, "no notice was given of it, or it was injected before")
            return
        fault.struck = True
        try:
            yield lambda: self._check(command.node, run)
            for ref in command.pods:
                at = yield from self._hit(ref, command)
                since = since or at
                hit.append(ref.broker)
        except (RefusedError, UnansweredError) as error:
            if not hit:
                self._tell(FaultFailed, run, str(error))
                yield from self._try_undo(fault)
                return
            self.world.done["partly_hit"] += 1
        fault.undo_at = self.world.now + command.duration
        since = since if self.dates_the_first else self.life.instant()
        self.life.step(FaultInjected(since, run, tuple(sorted(hit)), confirmed=self.life.instant()))

    def _hit(self, ref, command):
        """Have a pod go. If nobody answers, look at it: nothing is asked twice. Returns since when it does."""
        asked = self.life.instant()

        def strike():
            problem = self.world.strike(ref, command.fault)
            if problem:
                raise RefusedError(problem)

        try:
            yield strike
        except UnansweredError:
            for _ in range(LOOKS):
                try:
                    is_gone = yield lambda: self._is_going(ref)
                except (RefusedError, UnansweredError):
                    is_gone = False
                if is_gone:
                    return asked
                yield 1.0
            raise
        return self.life.instant()

    def _is_going(self, ref):
        raw = self.world.kubernetes.brokers().get(ref.name)
        return raw is None or raw["metadata"]["uid"] != ref.uid or "deletionTimestamp" in raw["metadata"]

    # --- undoing

    def _heal(self, command):
        run = command.experiment_run
        if run in self._faults or run not in self._over:
            fault = self._faults.setdefault(run, InEffect(run, command.node))  # else it is of an earlier life
            yield from self._try_undo(fault)

    def _try_undo(self, fault):
        try:
            yield lambda: self._take_off(fault.node, fault.run)
        except (RefusedError, UnansweredError):
            fault.undo_at = self.world.now + fault.pause
            fault.pause = min(2 * fault.pause, PAUSES[1])
            self.world.done["mark_stays"] += 1
        else:
            del self._faults[fault.run]
            self._over.add(fault.run)
            self._tell(FaultHealed, fault.run)

    def _look_after(self):
        """Take off marks that no fault in effect needs: of an earlier life, or put on after all."""
        if not self.sweeps or self._sweep_at is None or self.world.now < self._sweep_at:
            return
        try:
            found = yield self._found
        except (RefusedError, UnansweredError):
            self._sweep_at = self.world.now + PAUSES[1]
            return
        self._sweep_at = self.world.now + SWEEP_EVERY if self._has_marked else None
        for node, run in found:
            if run not in self._faults:
                self.world.done["left_over_mark"] += 1
                self._faults[run] = InEffect(run, node, undo_at=self.world.now)

    # --- what is done at the API server

    def _there(self, node):
        """Return the node as it is, None if it is gone, or is another machine by now."""
        raw = None if node is None else self.world.kubernetes.api.get(Kind.NODE, node.name)
        return raw if raw is not None and raw["metadata"]["uid"] == node.uid else None

    def _put(self, node, run):
        raw = self._there(node)
        if raw is None or mark_on(raw) not in {None, run}:
            raise RefusedError("the node is gone, another one, or under another reclaim")
        self.world.kubernetes.change_node(node.name, lambda one: mark(one, run))
        self.world.done["notice"] += 1

    def _check(self, node, run):
        raw = self._there(node)
        if raw is None or not any(one.get("value") == run for one in raw["spec"]["taints"]):
            raise RefusedError("the node is another one, or somebody took the notice off it")

    def _take_off(self, node, run):
        raw = self._there(node)
        if raw is not None and mark_on(raw) == run:
            self.world.kubernetes.change_node(node.name, unmark)

    def _found(self):
        nodes = self.world.kubernetes.api.objects[Kind.NODE]
        marks = [(NodeRef(name, raw["metadata"]["uid"]), mark_on(raw)) for name, raw in nodes.items()]
        return [(node, run) for node, run in marks if run is not None]


class Moods:
    """Whether the API server answers what the fleet asks, by a chance of its own."""

    def __init__(self, world, rng):
        self.world, self.rng, self._until = world, rng, 0.0

    def is_silent(self):
        world = self.world
        if world.healed or not world.options.silences:
            return False
        if world.now >= self._until and self.rng.random() < world.options.silences / 4:
            self._until = world.now + self.rng.uniform(5.0, LONGEST_SILENCE)
        return world.now < self._until or self.rng.random() < world.options.silences

    def refuses(self):
        world = self.world
        return not world.healed and self.rng.random() < world.options.silences / 4
