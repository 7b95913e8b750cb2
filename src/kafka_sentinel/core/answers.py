"""What a guard answers, and the few words that all guards share."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from kafka_sentinel.core.guard_input import GuardInput
from kafka_sentinel.core.targets import Target
from kafka_sentinel.core.types import Instant

MAX_NAMED = 5  # things named in one reason; the rest is counted


@dataclass(frozen=True, slots=True)
class Answer:
    """What one guard said: what it saw, what it wanted to see, and, if it denies, why."""

    guard: str
    allowed: bool
    seen: str
    threshold: str
    reason: str = ""


Guard = Callable[[GuardInput, Target], Answer]


def answer(guard: str, allowed: bool, seen: str, threshold: str, reason: str) -> Answer:
    return Answer(guard, allowed, seen, threshold, "" if allowed else reason)


def judged(guard: str, faults: Sequence[str], seen: str, threshold: str) -> Answer:
    """Return the answer of a guard that allows if it finds no fault. `seen`: what it saw if there is none."""
    return answer(guard, not faults, short(faults) or seen, threshold, short(faults))


def age(given: GuardInput, then: Instant | None) -> float | None:
    return None if then is None else given.world.now.mono - then.mono


def seconds(passed: float | None) -> str:
    return "not known" if passed is None else f"{passed:.1f} s"


def short(names: Sequence[str]) -> str:
    rest = len(names) - MAX_NAMED
    return ", ".join(names[:MAX_NAMED]) + (f" and {rest} more" if rest > 0 else "")


def numbers(nodes: Iterable[int]) -> str:
    return ", ".join(str(node) for node in sorted(nodes)) or "none"
