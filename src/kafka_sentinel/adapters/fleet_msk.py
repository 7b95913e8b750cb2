"""Has Amazon MSK reboot brokers, one at a time, and says how the cluster stands: the fault `msk-reboot`.

The cluster is asked how it stands again and again, for the guards, and once more just before a reboot is asked for. A
reboot is asked for once. If its answer is lost nobody knows whether it was taken, so Kafka has to show it, as with any
reboot that was taken. It is over when MSK says so; nothing can end it before.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from kafka_sentinel.adapters.fleet import FaultInEffect, FleetWorker
from kafka_sentinel.adapters.kafka_client import Now, OnDeath, Post
from kafka_sentinel.adapters.msk_api import MskApi, MskError, OperationFailedError
from kafka_sentinel.core.cluster import ProviderView
from kafka_sentinel.core.commands import Announce, Heal, Inject
from kafka_sentinel.core.events import AdapterError, Event, FaultCommanded, ProviderObserved
from kafka_sentinel.core.faults import INJECT_LIMIT, FaultKind
from kafka_sentinel.core.guards_provider import ACTIVE

LOOK_EVERY = 20.0  # seconds between two questions how the cluster stands, and whether a reboot is over


@dataclass(slots=True)
class Reboot:
    """`operation`: its ARN; "": not known, or it may not be asked for. `is_seen`: the cluster was not ACTIVE since."""

    operation: str
    is_seen: bool = False


class MskFleet(FleetWorker):
    ERRORS: ClassVar = (MskError,)

    def __init__(self, api: MskApi, *, post: Post, now: Now, on_death: OnDeath, look_every: float = LOOK_EVERY) -> None:
        super().__init__(post=post, now=now, on_death=on_death)
        self._api = api
        self._look_every = look_every
        self._look_at = float("-inf")
        self._view = ProviderView()
        self._reboots: dict[str, Reboot] = {}  # by run, those in effect
        self._problem = ""  # of the reboot that was asked for last

    # --- how the cluster stands

    def _patience(self) -> float:
        return max(self._look_at - self._now().mono, 0.0)

    def _look_after(self) -> None:
        if self._now().mono < self._look_at:
            return
        self._look()
        self._look_at = self._now().mono + self._look_every
        for run, reboot in list(self._reboots.items()):
            self._follow(self._faults[run], reboot)

    def _look(self) -> None:
        """Ask how the cluster stands, and tell. What it said last stays, with the reason why it is not renewed."""
        asked = self._now()
        try:
            found = self._api.cluster()
        except MskError as error:
            self._view = ProviderView(self._view.state, self._view.hosts, self._view.asked, str(error))
            self._post([AdapterError(self._now(), "fleet", "msk", str(error))])
        else:
            self._view = ProviderView(found.state, found.hosts, asked)
        self._post([ProviderObserved(self._now(), self._view)])

    # --- the fault

    def _announce(self, command: Announce) -> None:
        raise MskError(f'no notice can be given of the fault "{command.fault}"')

    def _refusal(self, command: Announce | Inject) -> str:
        if command.fault != FaultKind.MSK_REBOOT:
            return f'the fault "{command.fault}" is unknown to a fleet of MSK; it can do {FaultKind.MSK_REBOOT}'
        if len(command.targets) != 1:
            return "exactly one broker is rebooted at a time"
        self._look()
        if self._view.problem:
            return self._view.problem
        broker, state = command.targets[0], self._view.state
        if state != ACTIVE:
            return f"MSK says that the cluster is {state or 'in no known state'}, and only {ACTIVE} will do"
        return "" if broker in self._view.hosts else f"MSK knows of no broker {broker}"

    def _strike(self, command: Inject) -> tuple[int, ...]:
        operation, self._problem = "", ""
        try:
            operation = self._api.reboot(command.targets[0])
        except MskError as error:
            if not error.may_be_done:
                raise
            self._problem = str(error)
        self._reboots[command.experiment_run] = Reboot(operation)
        self._look_at = self._now().mono + self._look_every
        return command.targets

    def _struck(self, command: Inject, hit: tuple[int, ...]) -> Event:
        del hit
        return FaultCommanded(self._now(), command.experiment_run, self._problem)

    def _held_for(self, command: Inject) -> float:
        """The core gives it up before that, and MSK has long been done."""
        return command.duration + command.confirm + INJECT_LIMIT

    def _follow(self, fault: FaultInEffect, reboot: Reboot) -> None:
        """Tell that a reboot is over, or failed, once MSK says so; where it does not say, by the cluster's state."""
        reboot.is_seen |= self._view.state != ACTIVE
        is_active = reboot.is_seen and self._view.state == ACTIVE and not self._view.problem
        try:
            is_over = self._api.is_over(reboot.operation) if reboot.operation else is_active
        except OperationFailedError as error:
            self._fail(fault.run, str(error))
            self._try_undo(fault)
        except MskError as error:
            self._post([AdapterError(self._now(), "fleet", "msk", str(error))])
            reboot.operation = "" if error.denied else reboot.operation
        else:
            if is_over:
                self._try_undo(fault)

    # --- undoing

    def _undo(self, heal: Heal) -> None:
        """A reboot cannot be taken back. That it is over is all there is to note."""
        self._reboots.pop(heal.experiment_run, None)

    def _pause(self, fault: FaultInEffect, error: Exception) -> float | None:
        """Never asked: there is nothing to be done that could fail."""
        del fault, error
        return None

    def _sweep(self) -> None:
        """Nothing of ours is left behind: a reboot ends by itself."""
