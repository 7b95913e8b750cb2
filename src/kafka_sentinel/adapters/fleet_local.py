"""Breaks broker processes of this machine and puts them right again: the faults `process-kill` and `process-pause`.

One thread does it all. It also watches the processes, so that a broker that ends without our doing is reported.
"""

from __future__ import annotations

import queue
from collections import deque
from dataclasses import dataclass
from typing import Protocol

from kafka_sentinel.adapters.kafka_client import Now, OnDeath, Post, Worker
from kafka_sentinel.core.commands import Heal, Inject
from kafka_sentinel.core.events import AdapterError, BrokerExited, FaultFailed, FaultHealed, FaultInjected
from kafka_sentinel.core.faults import FaultKind, Reach, of_reach

FAULTS = of_reach(Reach.PROCESS)

WATCH_EVERY = 0.1  # seconds between two looks at the processes
COMMANDS = 64  # waiting commands; the engine has at most one fault under way, so more mean that the thread hangs
REMEMBERED = 64  # runs known to be over
UNDO_ATTEMPTS = 10
UNDO_PAUSE = 1.0  # seconds between two of them


class ProcessControl(Protocol):
    """Broker processes by broker id. A method that cannot do what it says raises RuntimeError or OSError."""

    @property
    def brokers(self) -> tuple[int, ...]: ...

    def start(self, node: int, /) -> None:
        """Start a stopped broker."""

    def kill(self, node: int, /) -> None:
        """End a running or paused broker; it is dead for certain when this returns."""

    def pause(self, node: int, /) -> None:
        """Stop a running broker from being scheduled; it stands still for certain when this returns."""

    def resume(self, node: int, /) -> None:
        """Let a paused broker go on."""

    def state(self, node: int, /) -> str:
        """Return running, paused or stopped."""
        ...

    def pid(self, node: int, /) -> int | None:
        """Return the process id of a running or paused broker, else None."""
        ...

    def exit_status(self, node: int, /) -> int | None:
        """Return how the broker's last ended process ended."""
        ...


@dataclass(slots=True)
class _Fault:
    """A fault in effect. `undo_at`: when to try (again) to undo it, monotonic seconds."""

    run: str
    targets: tuple[int, ...]
    undo_at: float
    attempts: int = 0


class LocalFleet:
    def __init__(self, control: ProcessControl, *, post: Post, now: Now, on_death: OnDeath) -> None:
        self._control = control
        self._post = post
        self._now = now
        self._on_death = on_death
        self._commands: queue.Queue[Inject | Heal] = queue.Queue(COMMANDS)
        self._faults: dict[str, _Fault] = {}
        self._over: deque[str] = deque(maxlen=REMEMBERED)
        self._pids: dict[int, int] = {}  # of the processes that should be alive
        self._worker = Worker("fleet", self._run, on_death)

    def start(self) -> None:
        self._worker.start()

    def stop(self, timeout: float) -> bool:
        """Undo what is in effect, then end. Returns whether that was done within `timeout` seconds."""
        return self._worker.stop(timeout)

    def submit(self, command: Inject | Heal) -> None:
        """Queue a command. Returns at once."""
        try:
            self._commands.put_nowait(command)
        except queue.Full:
            self._on_death("fleet", RuntimeError(f"{COMMANDS} commands wait: the thread hangs"))

    # --- the thread

    def _run(self) -> None:
        while not self._worker.stopping.is_set():
            self._watch()
            self._undo_due()
            try:
                command = self._commands.get(timeout=self._patience())
            except queue.Empty:
                continue
            if isinstance(command, Inject):
                self._inject(command)
            else:
                self._heal(command)
        for fault in list(self._faults.values()):
            self._undo(fault)

    def _patience(self) -> float:
        due = min((fault.undo_at for fault in self._faults.values()), default=float("inf"))
        return max(0.0, min(WATCH_EVERY, due - self._now().mono))

    def _watch(self) -> None:
        """Report every process that is gone though we did not end it."""
        for broker in self._control.brokers:
            pid, known = self._control.pid(broker), self._pids.get(broker)
            if known is not None and pid != known:
                status = self._control.exit_status(broker)
                self._post([BrokerExited(self._now(), broker, -1 if status is None else status)])
            if pid is None:
                self._pids.pop(broker, None)
            else:
                self._pids[broker] = pid

    def _inject(self, command: Inject) -> None:
        run, targets = command.experiment_run, command.targets
        if (reason := self._objection(command)) is not None:
            self._over.append(run)
            self._post([FaultFailed(self._now(), run, reason)])
            return
        # Entered before the first target is hit: from here on it will be undone, whatever happens.
        fault = self._faults[run] = _Fault(run, targets, float("inf"))
        try:
            for broker in targets:
                self._hit(command.fault, broker)
        except (RuntimeError, OSError) as error:
            self._post([FaultFailed(self._now(), run, str(error))])
            self._undo(fault)
            return
        at = self._now()
        fault.undo_at = at.mono + command.duration
        self._post([FaultInjected(at, run, targets)])

    def _objection(self, command: Inject) -> str | None:
        if command.fault not in FAULTS:
            return (
                f'the fault "{command.fault}" is unknown to a fleet of local processes; it can do {", ".join(FAULTS)}'
            )
        if command.experiment_run in self._faults or command.experiment_run in self._over:
            return f"{command.experiment_run} was injected before"
        wrong = [
            f"broker {broker} is not of this fleet" for broker in command.targets if broker not in self._control.brokers
        ]
        wrong = wrong or [
            f"broker {broker} is {state}"
            for broker in command.targets
            if (state := self._control.state(broker)) != "running"
        ]
        return "; ".join(wrong) or (None if command.targets else "no target was named")

    def _hit(self, fault: str, broker: int) -> None:
        if fault == FaultKind.PROCESS_PAUSE:
            self._control.pause(broker)
            return
        known = self._pids.pop(broker, None)
        try:
            self._control.kill(broker)
        except (RuntimeError, OSError):
            if known is not None:
                self._pids[broker] = known  # still watched
            raise

    # --- undoing

    def _heal(self, command: Heal) -> None:
        fault = self._faults.get(command.experiment_run)
        if fault is not None:
            self._undo(fault)
        elif command.experiment_run not in self._over:  # injected in an earlier life
            known = tuple(broker for broker in command.targets if broker in self._control.brokers)
            left = self._faults[command.experiment_run] = _Fault(command.experiment_run, known, float("inf"))
            self._undo(left)

    def _undo_due(self) -> None:
        now = self._now().mono
        for fault in list(self._faults.values()):
            if now >= fault.undo_at:
                self._undo(fault)

    def _undo(self, fault: _Fault) -> None:
        """Undo a fault and say so; where that fails, try again soon, at most UNDO_ATTEMPTS times."""
        try:
            for broker in fault.targets:
                self._restore(broker)
        except (RuntimeError, OSError) as error:
            self._undo_failed(fault, error)
            return
        del self._faults[fault.run]
        self._over.append(fault.run)
        self._post([FaultHealed(self._now(), fault.run)])

    def _undo_failed(self, fault: _Fault, error: Exception) -> None:
        at = self._now()
        fault.attempts += 1
        fault.undo_at = at.mono + UNDO_PAUSE
        if fault.attempts == 1:
            self._post([AdapterError(at, "fleet", type(error).__name__, f"{fault.run} is not undone yet: {error}")])
        elif fault.attempts >= UNDO_ATTEMPTS:
            del self._faults[fault.run]  # not over: a Heal tries again
            self._post([FaultFailed(at, fault.run, f"could not be undone: {error}")])

    def _restore(self, broker: int) -> None:
        """Have the broker run, whichever fault was done to it: after a crash of ours nobody knows."""
        state = self._control.state(broker)
        if state == "paused":
            self._control.resume(broker)
        elif state == "stopped":
            self._control.start(broker)
