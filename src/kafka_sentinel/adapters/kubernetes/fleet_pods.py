"""Breaks brokers that are pods, and opens again the nodes that were closed for it.

The pods are those the guards judged, by name and UID; no other is ever hit, whatever it is called. A pod is made anew
by whoever owns it, so there is nothing to undo but the mark on a node, and restarts that were asked for and not begun.
That is done when it is time, when somebody says so, at the end, and at the start of a life after one that died over it;
a mark is found even if the state was lost.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from random import Random
from typing import ClassVar

from kafka_sentinel.adapters.fleet import FaultInEffect, FleetWorker
from kafka_sentinel.adapters.kafka_client import Now, OnDeath, Post
from kafka_sentinel.adapters.kubernetes.api import Api
from kafka_sentinel.adapters.kubernetes.backoff import Backoff
from kafka_sentinel.adapters.kubernetes.errors import FORBIDDEN, ApiError, ChangedError
from kafka_sentinel.adapters.kubernetes.node_mark import NodeMarks
from kafka_sentinel.adapters.kubernetes.pod_faults import LOOK_PAUSE, PodFaults
from kafka_sentinel.adapters.kubernetes.rolling import Rolls
from kafka_sentinel.core.commands import Announce, Heal, Inject
from kafka_sentinel.core.events import AdapterError, Event, FaultInjected
from kafka_sentinel.core.faults import FaultKind, Reach, fault_named, of_reach
from kafka_sentinel.core.types import Instant, PodRef

FAULTS = of_reach(Reach.PODS, Reach.NODE, Reach.ROLL)
PAUSES = (1.0, 30.0)  # seconds until what failed is tried again: at first, and at most
SWEEP_EVERY = 300.0  # seconds between two looks for marks of ours that nobody knows of, in a life that marked a node
SWEEP_AFTER = 10.0  # seconds from the start to the first of them: what the state tells is healed by then
WITHOUT_LEASE = 1.0  # seconds until it is looked again whether we may


class PodFleet(FleetWorker):
    """Same interface as `LocalFleet`.

    `owner`: names this Sentinel among all that use this Kubernetes cluster, the same in every life of it. `objection`:
    why nothing may be injected at this moment, as without the lease; "" if it may.
    """

    ERRORS: ClassVar = (ApiError,)

    def __init__(
        self,
        api: Api,
        *,
        owner: str,
        objection: Callable[[], str],
        post: Post,
        now: Now,
        on_death: OnDeath,
        look_pause: float = LOOK_PAUSE,
        pauses: tuple[float, float] = PAUSES,
        sweep_after: float = SWEEP_AFTER,
    ) -> None:
        super().__init__(post=post, now=now, on_death=on_death)
        self._objection = objection
        self._pods = PodFaults(api, self._worker.stopping.wait, look_pause=look_pause)
        self._marks = NodeMarks(api, owner)
        self._rolls = Rolls(api)
        self._undoing = Backoff(*pauses, Random())  # noqa: S311 - spreads load, guards nothing
        self._sweeping = Backoff(*pauses, Random())  # noqa: S311 - spreads load, guards nothing
        self._sweep_after = sweep_after
        self._hit_at: Instant | None = None  # when the first pod of the present fault went
        self._sweep_at: float | None = None  # None: no mark of ours can be there
        self._marked = False  # a node, in this life
        self._is_blind = False  # nodes may not be listed, and that was said

    def start(self) -> None:
        """Begin. The first look for marks is counted from here: a standby may have waited for hours."""
        self._sweep_at = self._now().mono + self._sweep_after
        super().start()

    # --- the fault

    def _announce(self, command: Announce) -> None:
        assert command.node is not None
        self._marked, self._sweep_at = True, self._now().mono + SWEEP_EVERY
        self._marks.put(command.node, command.experiment_run)

    def _refusal(self, command: Announce | Inject) -> str:
        if command.fault not in FAULTS:
            return f'the fault "{command.fault}" is unknown to a fleet of pods; it can do {", ".join(FAULTS)}'
        if not command.pods:
            return "no pod was named"
        is_reclaim = command.fault == FaultKind.NODE_RECLAIM
        if is_reclaim and command.node is None:
            return "no node was named"
        if is_reclaim and isinstance(command, Inject) and command.experiment_run not in self._faults:
            return "no notice was given of it"
        return self._objection()

    def _may_be_done(self, error: Exception) -> bool:
        return isinstance(error, ApiError) and error.may_have_happened

    def _strike(self, command: Inject) -> tuple[int, ...]:
        run, node, self._hit_at = command.experiment_run, command.node, None
        if command.fault == FaultKind.ROLLING_RESTART:
            self._rolls.ask(command.pods, run, self._now().wall)
            return _brokers(command.pods)
        if command.fault == FaultKind.NODE_RECLAIM and node is not None:
            self._marks.check(node, run)
        return _brokers(self._hit_pods(command))

    def _hit_pods(self, command: Inject) -> list[PodRef]:
        """Have the pods go, one after the other. Returns those that do."""
        hit: list[PodRef] = []
        for pod in command.pods:
            asked = self._now()
            outcome = self._pods.hit(command.fault, pod, command.drain)
            if outcome.failure:
                if not hit:
                    raise ChangedError(outcome.failure)
                # The guards allowed all of them together: something is not as it was.
                names = ", ".join(pod.name for pod in hit)
                text = f"{command.experiment_run}: only {names} of {len(command.pods)} pods were hit; {outcome.failure}"
                self._post([AdapterError(self._now(), "fleet", "partial", text)])
                break
            if not hit:
                self._hit_at = self._now() if outcome.answered else asked
            hit.append(pod)
        return hit

    def _struck(self, command: Inject, hit: tuple[int, ...]) -> Event:
        """Tell when the first pod went: if answers are lost, it may take a minute until it is known who did."""
        if self._hit_at is None:
            return super()._struck(command, hit)
        return FaultInjected(self._hit_at, command.experiment_run, hit, confirmed=self._now())

    def _held_for(self, command: Inject) -> float:
        return command.duration if fault_named(command.fault).undoes else 0.0

    # --- undoing

    def _undo(self, heal: Heal) -> None:
        if heal.node is not None:
            self._marks.remove(heal.node, heal.experiment_run)
        if heal.fault == FaultKind.ROLLING_RESTART:
            self._rolls.take_back(heal.pods, heal.experiment_run)
        self._undoing.reset()

    def _pause(self, fault: FaultInEffect, error: Exception) -> float:
        del fault
        retry_after = error.retry_after if isinstance(error, ApiError) else None
        return self._undoing.next(retry_after or 0.0)

    def _code(self, error: Exception) -> str:
        return error.code if isinstance(error, ApiError) else super()._code(error)

    # --- what an earlier life left behind

    def _sweep(self) -> None:
        self._sweep_at, self._is_blind = self._now().mono, False  # who asks is answered

    def _patience(self) -> float | None:
        return None if self._sweep_at is None else max(self._sweep_at - self._now().mono, 0.0)

    def _look_after(self) -> None:
        """Take our marks off nodes that no fault in effect needs them on: of an earlier life, or done too late."""
        now = self._now()
        if self._sweep_at is None or now.mono < self._sweep_at:
            return
        if self._objection():
            self._sweep_at = now.mono + WITHOUT_LEASE  # another one may be at it
            return
        try:
            found = self._marks.found()
        except ApiError as error:
            self._not_found(error, now.mono)
            return
        self._is_blind = False
        self._sweeping.reset()
        self._sweep_at = now.mono + SWEEP_EVERY if self._marked else None
        wanted = {self._marks.value(run) for run in self._faults}
        for node, value in found:
            if value not in wanted:
                text = f"node {node.name} bears our mark {value}, of a reclaim that is over: it is taken off"
                self._post([AdapterError(now, "fleet", "leftover", text)])
                heal = Heal(value, (), FaultKind.NODE_RECLAIM, node)
                self._faults[value] = FaultInEffect(heal, undo_at=now.mono)

    def _not_found(self, error: ApiError, at: float) -> None:
        """Look again later, unless we may not, and say once that we may not."""
        may_not = error.code in FORBIDDEN
        if may_not and not self._is_blind:
            self._is_blind = True
            text = f"nodes may not be listed: marks that an earlier life left on them are not found, and stay: {error}"
            self._post([AdapterError(self._now(), "fleet", "marks", text)])
        given_up = may_not and not self._marked
        self._sweep_at = None if given_up else at + self._sweeping.next(error.retry_after or 0.0)


def _brokers(pods: Iterable[PodRef]) -> tuple[int, ...]:
    return tuple(sorted(pod.broker for pod in pods if pod.broker is not None))
