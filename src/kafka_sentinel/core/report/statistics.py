"""What few numbers allow to say: medians of what was measured, and how bad it may be although nothing was seen.

All bounds are one-sided, at 95 %: were the truth worse than that, what was seen would have been seen in fewer than one
case in twenty.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

CONFIDENCE = 0.95
RULE_OF_THREE = 30  # cases from which 3/n is as good as the exact bound
STEPS = 80  # of bisection: far below any digit that is shown


@dataclass(frozen=True, slots=True)
class Spread:
    """`median` and `worst` of `count` values; None without any."""

    count: int
    median: float | None
    worst: float | None


def spread(values: Iterable[float]) -> Spread:
    ordered = sorted(values)
    if not ordered:
        return Spread(0, None, None)
    middle = len(ordered) // 2
    median = ordered[middle] if len(ordered) % 2 else (ordered[middle - 1] + ordered[middle]) / 2
    return Spread(len(ordered), median, ordered[-1])


def share_bound(seen: int, cases: int) -> float | None:
    """Return how large the share of such cases may be, of which `seen` of `cases` were; None without cases.

    None seen: 3/n (the rule of three), exactly 1 - 0.05^(1/n) for fewer than `RULE_OF_THREE`. Else the upper bound of
    Clopper and Pearson.
    """
    if cases <= 0:
        return None
    if seen <= 0:
        return 3 / cases if cases >= RULE_OF_THREE else 1 - (1 - CONFIDENCE) ** (1 / cases)
    if seen >= cases:
        return 1.0
    low, high = seen / cases, 1.0
    for _ in range(STEPS):
        middle = (low + high) / 2
        low, high = (low, middle) if _at_most(seen, cases, middle) < 1 - CONFIDENCE else (middle, high)
    return high


def _at_most(seen: int, cases: int, share: float) -> float:
    """Return the probability of at most `seen` of `cases`, each with that probability."""
    return sum(math.exp(_log_probability(each, cases, share)) for each in _terms(seen, cases, share))


def _terms(seen: int, cases: int, share: float) -> range:
    """Return the counts that matter: far below the mean the probabilities vanish."""
    mean = cases * share
    low = max(0, int(mean - 12 * math.sqrt(mean) - 12))
    return range(min(low, seen), seen + 1)


def _log_probability(seen: int, cases: int, share: float) -> float:
    choices = math.lgamma(cases + 1) - math.lgamma(seen + 1) - math.lgamma(cases - seen + 1)
    return choices + seen * math.log(share) + (cases - seen) * math.log1p(-min(share, 1 - 1e-15))
