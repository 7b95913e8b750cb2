"""Breaks broker processes of this machine and puts them right again: the faults `process-kill` and `process-pause`.

One thread does it all. It also watches the processes, so that a broker that ends without our doing is reported.
"""

from __future__ import annotations

from typing import ClassVar, Protocol

from kafka_sentinel.adapters.fleet import FaultInEffect, FleetWorker
from kafka_sentinel.adapters.kafka_client import Now, OnDeath, Post
from kafka_sentinel.core.commands import Announce, Heal, Inject
from kafka_sentinel.core.events import BrokerExited
from kafka_sentinel.core.faults import FaultKind, Reach, of_reach

FAULTS = of_reach(Reach.PROCESS)

WATCH_EVERY = 0.1  # seconds between two looks at the processes
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


class LocalFleet(FleetWorker):
    ERRORS: ClassVar = (RuntimeError, OSError)

    def __init__(self, control: ProcessControl, *, post: Post, now: Now, on_death: OnDeath) -> None:
        super().__init__(post=post, now=now, on_death=on_death)
        self._control = control
        self._pids: dict[int, int] = {}  # of the processes that should be alive

    def _patience(self) -> float:
        return WATCH_EVERY

    def _sweep(self) -> None:
        """Nothing is left behind: processes of this machine end with us."""

    def _look_after(self) -> None:
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

    def _announce(self, command: Announce) -> None:
        raise RuntimeError(f'no notice can be given of the fault "{command.fault}"')

    def _refusal(self, command: Announce | Inject) -> str:
        if command.fault not in FAULTS:
            return (
                f'the fault "{command.fault}" is unknown to a fleet of local processes; it can do {", ".join(FAULTS)}'
            )
        wrong = [
            f"broker {broker} is not of this fleet" for broker in command.targets if broker not in self._control.brokers
        ]
        wrong = wrong or [
            f"broker {broker} is {state}"
            for broker in command.targets
            if (state := self._control.state(broker)) != "running"
        ]
        return "; ".join(wrong) or ("" if command.targets else "no target was named")

    def _strike(self, command: Inject) -> tuple[int, ...]:
        for broker in command.targets:
            self._hit(command.fault, broker)
        return command.targets

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

    def _undo(self, heal: Heal) -> None:
        """Have the brokers run, whichever fault was done to them: after a crash of ours nobody knows."""
        for broker in heal.targets:
            state = self._control.state(broker) if broker in self._control.brokers else "unknown"
            if state == "paused":
                self._control.resume(broker)
            elif state == "stopped":
                self._control.start(broker)

    def _pause(self, fault: FaultInEffect, error: Exception) -> float | None:
        del error
        return UNDO_PAUSE if fault.attempts < UNDO_ATTEMPTS else None
