"""What comes from outside Kafka and holds Sentinel back or drives it on: the Lease, rights, a pause, people's orders.

In a cluster a pause is what stands on the state ConfigMap, and nothing else: it begins and ends there. What the state
remembers of it only bridges the time from a start to the first look. An order is given once, and what became of it goes
into the state, where whoever gave it can read it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from kafka_sentinel.core.commands import Command, Log, StandDown, Sweep
from kafka_sentinel.core.events import LeaseObserved, OrderGiven, PauseSeen, RightsObserved
from kafka_sentinel.core.experiments import Experiments
from kafka_sentinel.core.types import Instant, OrderKind

MAX_ORDERS = 20  # remembered, the newest


@dataclass(frozen=True, slots=True)
class Order:
    """One order and what became of it. `given`: wall-clock seconds. `done`: `answer` is the last word on it."""

    given: float
    kind: OrderKind
    subject: str
    nonce: str
    answer: str
    done: bool


class Control:
    """`in_use`: a Lease decides whether this Sentinel may inject and write its state."""

    def __init__(self, experiments: Experiments, *, in_use: bool, started: Instant) -> None:
        self.lease: LeaseObserved | None = None  # None: no Lease is in use
        if in_use:
            self.lease = LeaseObserved(started, None, problem="it was not asked for yet", answered=False)
        self._experiments = experiments
        self.rights_missing: Mapping[str, str] | None = None  # fault → which right it lacks; None: not told
        self._held = False  # as it was said last
        self._orders: deque[Order] = deque(maxlen=MAX_ORDERS)

    def take(self, event: LeaseObserved | RightsObserved | PauseSeen | OrderGiven) -> list[Command]:
        match event:
            case LeaseObserved():
                self.lease = event
                return self._look_at_lease(event, event.at)
            case RightsObserved(missing=missing):
                return self._note_rights(missing)
            case PauseSeen(at=at, by=by):
                return self._experiments.unpause(at) if by is None else self._experiments.pause(at, by)
            case OrderGiven():
                return self._obey(event)

    def tick(self, now: Instant) -> list[Command]:
        """Notice a Lease that ran out, and what became of the runs that were asked for."""
        out = self._look_at_lease(self.lease, now) if self.lease is not None else []
        for number, order in enumerate(self._orders):
            if not order.done:
                answer, done = self._experiments.fate(order.subject, order.given)
                self._orders[number] = replace(order, answer=answer, done=done)
                out += self._answered(self._orders[number]) if done else []
        return out

    # --- the Lease

    def _look_at_lease(self, lease: LeaseObserved, now: Instant) -> list[Command]:
        held = lease.held(now)
        if self._taken(lease):
            return [StandDown(f"another Kafka Sentinel, {lease.holder}, holds the Lease now")]
        if held is self._held:
            return []
        self._held = held
        if held:
            return [Log("info", "the Lease is held", {"holder": lease.holder})]
        why = lease.problem or "it was not renewed in time"
        return [Log("warning", "the Lease is not held: nothing is injected or saved until it is", {"reason": why})]

    def _taken(self, lease: LeaseObserved) -> bool:
        """Tell whether it is certain that somebody else has it. A problem leaves the holder as it was known before."""
        return lease.held_until is None and bool(lease.holder) and not lease.problem

    # --- rights

    def _note_rights(self, missing: Mapping[str, str]) -> list[Command]:
        """Say what is missing, and what no longer is, once each."""
        before, now = set((self.rights_missing or {}).values()), set(missing.values())
        self.rights_missing = missing
        out: list[Command] = [Log("warning", "a right is missing", {"right": each}) for each in sorted(now - before)]
        return out + [Log("info", "a right is missing no more", {"right": each}) for each in sorted(before - now)]

    # --- orders

    def _obey(self, event: OrderGiven) -> list[Command]:
        commands: list[Command] = []
        answer, done = f"refused: {event.problem}", True
        if not event.problem:
            match event.kind:
                case OrderKind.RESUME:
                    commands, answer = self._experiments.resume(event.at)
                case OrderKind.HEAL:
                    commands, answer = self._experiments.heal(event.at)
                    commands = [*commands, Sweep()]
                case OrderKind.RUN_NOW:
                    answer, done = self._experiments.run_now(event.subject, event.at)
        order = Order(event.at.wall, event.kind, event.subject, event.nonce, answer, done)
        self._orders.append(order)
        return [*commands, *self._answered(order)]

    def _answered(self, order: Order) -> list[Command]:
        """Say it in the log, and have it saved: that is where whoever gave the order looks."""
        self._experiments.needs_save = True
        fields = {"order": order.kind.value, "subject": order.subject, "answer": order.answer}
        return [Log("warning" if order.answer.startswith("refused") else "info", "order", fields)]

    # --- what others see

    def status(self, now: Instant) -> dict[str, object]:
        """Return what belongs into the `experiments` part of the status snapshot."""
        return {
            "lease": None if self.lease is None else lease_status(self.lease, now),
            "not_permitted": None if self.rights_missing is None else sorted(set(self.rights_missing.values())),
            "orders": [asdict(order) for order in reversed(self._orders)],
        }

    def to_state(self) -> dict[str, object]:
        return {"orders": [asdict(order) for order in self._orders]}

    def restore(self, saved: Mapping[str, Any]) -> None:
        """Take over what `to_state` gave. Raises KeyError, TypeError or ValueError for anything else."""
        for item in saved["orders"]:
            order = Order(**{**item, "kind": OrderKind(item["kind"])})
            if not order.done:
                order = replace(order, answer=f"Sentinel was started again: {order.answer}", done=True)
            self._orders.append(order)


def lease_status(lease: LeaseObserved, now: Instant) -> dict[str, object]:
    return {"held": lease.held(now), "holder": lease.holder, "problem": lease.problem or None}
