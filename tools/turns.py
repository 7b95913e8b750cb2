"""Whose turn it is: which tier a free worker runs next.

Tiers are prepared in their order, by several threads: what is built for one takes as long as all else, and what is
fetched meanwhile needs little of the processor. Workers take the first that is prepared; those that put up machines of
their own come before others, and one at a time: side by side, brokers and nodes starve each other, and what is measured
then is this machine. Whatever runs beside them takes less of the processor than they do. Those with machines, one after
the other, are what all of it takes: one worker waits for them as long as there are any.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

MODEST = ("nice", "-n", "5")  # begins the command of what may run beside brokers or nodes: it gets a third of a share
BUDGET = 25 * 60.0  # seconds that all tiers of `make test` may take together


@dataclass(frozen=True)
class Tier:
    """`prepare` returns why the tier cannot run, or None. `budget`: seconds that its tests may take, shortened.

    `slow`: of each test it is said when it ends. `machines`: it puts up brokers or nodes.
    """

    name: str
    paths: tuple[str, ...]
    prepare: Callable[[], str | None]
    slow: bool = False
    machines: bool = False
    budget: float = BUDGET


class Prepared(NamedTuple):
    """`missing`: why it cannot run. `seconds`: that the preparation took."""

    tier: Tier
    missing: str | None
    seconds: float


class Turns:
    """`workers`: that take turns. One of them waits as long as tiers with machines are to come and none is running."""

    def __init__(self, tiers: Sequence[Tier], workers: int) -> None:
        self._workers = workers
        self._left = list(tiers)  # to be prepared
        self._preparing: list[Tier] = []
        self._ready: list[Prepared] = []
        self._stopped = False
        self._machines_are_up = False
        self._beside = 0  # of those without machines, that run
        self._changed = threading.Condition()

    def prepare(self) -> None:
        """Prepare what is left, one after the other; other threads may do so at the same time."""
        while (tier := self._next()) is not None:
            began, prepared = time.monotonic(), None
            try:
                prepared = Prepared(tier, tier.prepare(), time.monotonic() - began)
            finally:
                self._note(tier, prepared)

    def take(self) -> Prepared | None:
        """Return what to run now, as soon as there is something; None if nothing is left."""
        with self._changed:
            while self._ready or self._left or self._preparing:
                if self._stopped:
                    return None
                fit = [one for one in self._ready if self._may_begin(one.tier)]
                if fit:
                    chosen = max(fit, key=lambda one: one.tier.machines)  # of equals the first
                    self._ready.remove(chosen)
                    self._begin(chosen.tier)
                    return chosen
                self._changed.wait()
            return None

    def _may_begin(self, tier: Tier) -> bool:
        if tier.machines:
            return not self._machines_are_up
        to_come = [*self._left, *self._preparing, *(one.tier for one in self._ready)]
        kept = not self._machines_are_up and any(one.machines for one in to_come)
        return self._beside < max(self._workers - kept, 1)

    def _begin(self, tier: Tier) -> None:
        if tier.machines:
            self._machines_are_up = True
        else:
            self._beside += 1

    def ended(self, tier: Tier) -> None:
        """Note that a tier that was taken is through."""
        with self._changed:
            if tier.machines:
                self._machines_are_up = False
            else:
                self._beside -= 1
            self._changed.notify_all()

    def stop(self) -> None:
        """Give out no more, and prepare no more."""
        with self._changed:
            self._stopped = True
            self._left.clear()
            self._changed.notify_all()

    def _next(self) -> Tier | None:
        with self._changed:
            if not self._left:
                return None
            self._preparing.append(self._left.pop(0))
            return self._preparing[-1]

    def _note(self, tier: Tier, prepared: Prepared | None) -> None:
        """Note that a preparation has ended; without a result it broke off, and nothing else is prepared."""
        with self._changed:
            self._preparing.remove(tier)
            if prepared is None:
                self._left.clear()
            else:
                self._ready.append(prepared)
            self._changed.notify_all()
