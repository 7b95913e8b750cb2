"""What all fleets share: a queue of commands, one thread that obeys them, and faults that are undone when it is time.

A fault is entered before the first target is hit: from then on it will be undone, whatever happens.
"""

from __future__ import annotations

import contextlib
import queue
from abc import ABC, abstractmethod
from collections import deque
from dataclasses import dataclass, replace
from typing import ClassVar

from kafka_sentinel.adapters.kafka_client import Now, OnDeath, Post, Worker
from kafka_sentinel.core.commands import Announce, Heal, Inject, Sweep
from kafka_sentinel.core.events import AdapterError, Event, FaultAnnounced, FaultFailed, FaultHealed, FaultInjected
from kafka_sentinel.core.faults import INJECT_LIMIT

COMMANDS = 64  # waiting commands; the engine has at most one fault under way, so more mean that the thread hangs
REMEMBERED = 64  # runs known to be over

FleetCommand = Announce | Inject | Heal | Sweep
NEVER = float("inf")


@dataclass(slots=True)
class FaultInEffect:
    """`heal`: what undoes it. `undo_at`: when to try (again), monotonic seconds. `struck`: the targets were hit."""

    heal: Heal
    undo_at: float = NEVER
    attempts: int = 0  # to undo it, in vain
    struck: bool = False

    @property
    def run(self) -> str:
        return self.heal.experiment_run


class FleetWorker(ABC):
    """The thread of a fleet. Its methods may be called from any thread; what a subclass provides runs in its own."""

    ERRORS: ClassVar[tuple[type[Exception], ...]]  # what `announce`, `strike` and `undo` raise when they cannot

    def __init__(self, *, post: Post, now: Now, on_death: OnDeath) -> None:
        self._post = post
        self._now = now
        self._on_death = on_death
        self._commands: queue.Queue[FleetCommand | None] = queue.Queue(COMMANDS)
        self._faults: dict[str, FaultInEffect] = {}
        self._over: deque[str] = deque(maxlen=REMEMBERED)
        self._worker = Worker("fleet", self._run, on_death)

    def start(self) -> None:
        self._worker.start()

    def stop(self, timeout: float) -> bool:
        """Inject nothing more, undo what is in effect, then end. May be repeated.

        Returns whether the thread has ended within `timeout` seconds.
        """
        self._worker.stopping.set()
        with contextlib.suppress(queue.Full):  # then the thread is not waiting
            self._commands.put_nowait(None)
        return self._worker.stop(timeout)

    def submit(self, command: FleetCommand) -> None:
        """Queue a command. Returns at once."""
        try:
            self._commands.put_nowait(command)
        except queue.Full:
            self._on_death("fleet", RuntimeError(f"{COMMANDS} commands wait: the thread hangs"))

    # --- what a fleet does in its own way

    @abstractmethod
    def _announce(self, command: Announce) -> None:
        """Give notice of a fault. Raises one of ERRORS."""

    @abstractmethod
    def _refusal(self, command: Announce | Inject) -> str:
        """Say why a fault must not be begun, "" if it may."""

    @abstractmethod
    def _strike(self, command: Inject) -> tuple[int, ...]:
        """Hit the targets. Return the Kafka nodes that were hit as far as it can tell; if none was, raise of ERRORS."""

    @abstractmethod
    def _undo(self, heal: Heal) -> None:
        """Undo what may have been done, in this life or an earlier one. May be repeated. Raises one of ERRORS."""

    @abstractmethod
    def _pause(self, fault: FaultInEffect, error: Exception) -> float | None:
        """Return the seconds until it is tried again to undo a fault; None: it is given up."""

    @abstractmethod
    def _sweep(self) -> None:
        """Look soon for what an earlier life left behind."""

    def _may_be_done(self, error: Exception) -> bool:
        """Tell whether a notice that failed may have been given all the same."""
        del error
        return True

    def _struck(self, command: Inject, hit: tuple[int, ...]) -> Event:
        """Return what is to be told of a fault once `_strike` has returned."""
        return FaultInjected(self._now(), command.experiment_run, hit)

    def _held_for(self, command: Inject) -> float:
        """Return the seconds until a fault is undone."""
        return command.duration

    @abstractmethod
    def _patience(self) -> float | None:
        """Return the seconds the thread may wait for a command; None: for ever."""

    @abstractmethod
    def _look_after(self) -> None:
        """Do what is to be done between commands."""

    def _code(self, error: Exception) -> str:
        """Return a word of a bounded set for an error."""
        return type(error).__name__

    # --- the thread

    def _run(self) -> None:
        while not self._worker.stopping.is_set():
            self._look_after()
            self._undo_due()
            with contextlib.suppress(queue.Empty):
                self._obey(self._commands.get(timeout=self._wait()))
        for fault in list(self._faults.values()):
            self._try_undo(fault)

    def _wait(self) -> float | None:
        due = min((fault.undo_at for fault in self._faults.values()), default=NEVER)
        patience = self._patience()
        wait = min(due - self._now().mono, NEVER if patience is None else patience)
        return None if wait == NEVER else max(wait, 0.0)

    def _obey(self, command: FleetCommand | None) -> None:
        if self._worker.stopping.is_set():
            return
        match command:
            case Announce():
                self._give_notice(command)
            case Inject():
                self._inject(command)
            case Heal():
                self._heal(command)
            case Sweep():
                self._sweep()

    def _give_notice(self, command: Announce) -> None:
        run = command.experiment_run
        again = run in self._faults or run in self._over
        reason = f"{run} was announced before" if again else self._refusal(command)
        if reason:
            self._refuse(run, reason)
            return
        fault = self._faults[run] = _in_effect(command)
        try:
            self._announce(command)
        except self.ERRORS as error:
            if self._may_be_done(error):
                self._fail(run, str(error))
                self._try_undo(fault)
            else:
                del self._faults[run]
                self._refuse(run, str(error))
            return
        at = self._now()
        fault.undo_at = at.mono + command.notice + INJECT_LIMIT  # taken back if nothing follows
        self._post([FaultAnnounced(at, run)])

    def _inject(self, command: Inject) -> None:
        run = command.experiment_run
        fault = self._faults.get(run)
        again = run in self._over or (fault is not None and fault.struck)
        reason = f"{run} was injected before" if again else self._refusal(command)
        if reason:
            self._refuse(run, reason)
            return
        fault = self._faults[run] = fault or _in_effect(command)
        fault.struck = True
        try:
            hit = self._strike(command)
        except self.ERRORS as error:
            self._fail(run, str(error))
            self._try_undo(fault)
            return
        fault.undo_at = self._now().mono + self._held_for(command)
        self._post([self._struck(command, hit)])

    def _refuse(self, run: str, reason: str) -> None:
        """Have nothing done, for good; what was announced is taken back."""
        fault = self._faults.get(run)
        if fault is None and run not in self._over:
            self._over.append(run)
        self._fail(run, reason)
        if fault is not None and not fault.struck:
            self._try_undo(fault)

    def _fail(self, run: str, reason: str) -> None:
        self._post([FaultFailed(self._now(), run, reason)])

    # --- undoing

    def _heal(self, command: Heal) -> None:
        run = command.experiment_run
        fault = self._faults.get(run)
        if fault is None:
            if run in self._over:
                return
            fault = self._faults[run] = FaultInEffect(command)  # of an earlier life
        self._try_undo(fault)

    def _undo_due(self) -> None:
        now = self._now().mono
        for fault in list(self._faults.values()):
            if now >= fault.undo_at:
                self._try_undo(fault)

    def _try_undo(self, fault: FaultInEffect) -> None:
        try:
            self._undo(fault.heal)
        except self.ERRORS as error:
            self._undo_failed(fault, error)
            return
        del self._faults[fault.run]
        self._over.append(fault.run)
        self._post([FaultHealed(self._now(), fault.run)])

    def _undo_failed(self, fault: FaultInEffect, error: Exception) -> None:
        at, out = self._now(), list[Event]()
        fault.attempts += 1
        pause = self._pause(fault, error)
        if fault.attempts == 1:
            out.append(AdapterError(at, "fleet", self._code(error), f"{fault.run} is not undone yet: {error}"))
        if pause is None:
            del self._faults[fault.run]  # not over: a Heal tries again
            out.append(FaultFailed(at, fault.run, f"could not be undone: {error}"))
        else:
            fault.undo_at = at.mono + pause
        if out:
            self._post(out)


def _in_effect(command: Announce | Inject) -> FaultInEffect:
    heal = Heal(command.experiment_run, command.targets, command.fault, command.node, command.pods)
    if isinstance(command, Inject):
        heal = replace(heal, experiment=command.experiment, addresses=command.addresses)
    return FaultInEffect(heal)
