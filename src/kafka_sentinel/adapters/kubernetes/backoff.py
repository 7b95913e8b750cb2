"""How long to wait before trying again: longer after each failure, bounded, never all watches at the same moment."""

from __future__ import annotations

from random import Random

LEAST_SHARE = 0.5  # of a wait; the rest is chance


class Backoff:
    """Waits of `first`, twice that, and so on up to `most` seconds, each shortened by chance to half at least."""

    def __init__(self, first: float, most: float, random: Random) -> None:
        self._first = first
        self._most = most
        self._random = random
        self._next = first

    def next(self, at_least: float = 0.0) -> float:
        """Return the seconds to wait now. `at_least`: what the server asked for."""
        wait, self._next = self._next, min(2 * self._next, self._most)
        return max(self._random.uniform(LEAST_SHARE * wait, wait), at_least)

    def reset(self) -> None:
        self._next = self._first
