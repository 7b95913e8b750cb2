"""Whose turn it is: which tier a free worker runs next.

One thread prepares tiers in their order, for all of them use one apt. Workers take the first that is prepared; those
that put up machines of their own come before others, and one at a time: side by side, brokers and nodes starve each
other, and what is measured then is this machine. Whatever runs beside them takes less of the processor than they do.
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
    def __init__(self, tiers: Sequence[Tier]) -> None:
        self._tiers = tuple(tiers)
        self._ready: list[Prepared] = []
        self._prepared_all = False
        self._machines_are_up = False
        self._changed = threading.Condition()

    def prepare(self) -> None:
        """Prepare all tiers, one after the other."""
        try:
            for tier in self._tiers:
                began = time.monotonic()
                missing = tier.prepare()
                with self._changed:
                    if self._prepared_all:
                        return
                    self._ready.append(Prepared(tier, missing, time.monotonic() - began))
                    self._changed.notify_all()
        finally:
            self._end()

    def take(self) -> Prepared | None:
        """Return what to run now, as soon as there is something; None if nothing is left."""
        with self._changed:
            while True:
                fit = [one for one in self._ready if not (one.tier.machines and self._machines_are_up)]
                if fit:
                    chosen = max(fit, key=lambda one: one.tier.machines)  # of equals the first
                    self._ready.remove(chosen)
                    self._machines_are_up = self._machines_are_up or chosen.tier.machines
                    return chosen
                if self._prepared_all and not self._ready:
                    return None
                self._changed.wait()

    def ended(self, tier: Tier) -> None:
        """Note that a tier that was taken is through."""
        with self._changed:
            self._machines_are_up = self._machines_are_up and not tier.machines
            self._changed.notify_all()

    def stop(self) -> None:
        """Give out no more."""
        with self._changed:
            self._ready.clear()
        self._end()

    def _end(self) -> None:
        with self._changed:
            self._prepared_all = True
            self._changed.notify_all()
