"""Streaming quantiles in bounded memory, and the per-minute history shown on the page."""

from __future__ import annotations

import math
from collections import Counter, deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

GROWTH = 1.1  # a bucket's upper edge over its lower: the geometric middle is off by √1.1, under 5 %
LOWEST = 1e-4  # seconds; anything quicker counts as this
HIGHEST = 4 * 3600.0  # seconds; anything slower counts as this
BUCKETS = math.ceil(math.log(HIGHEST / LOWEST) / math.log(GROWTH))  # about 200: the bound on memory
MINUTES = 720  # entries of history kept
MINUTE = 60.0


class Quantiles:
    """Counts durations in log-spaced buckets, so that any quantile is known to 5 % from at most `BUCKETS` numbers."""

    __slots__ = ("_buckets", "count")

    def __init__(self) -> None:
        self._buckets: Counter[int] = Counter()
        self.count = 0

    def observe(self, values: Iterable[float]) -> None:
        """Add durations in seconds."""
        for value in values:
            self._buckets[_bucket(value)] += 1
            self.count += 1

    def quantile(self, share: float) -> float | None:
        """Return the duration in seconds that `share` (0..1) of the samples do not exceed; None without samples."""
        rank = max(1, math.ceil(share * self.count))
        seen = 0
        for bucket in sorted(self._buckets):
            seen += self._buckets[bucket]
            if seen >= rank:
                return float(LOWEST * GROWTH ** (bucket + 0.5))
        return None

    def to_state(self) -> list[list[int]]:
        return [[bucket, count] for bucket, count in sorted(self._buckets.items())]

    @classmethod
    def from_state(cls, state: Iterable[tuple[int, int]]) -> Quantiles:
        """Restore what `to_state` gave. Raises TypeError or ValueError for anything else."""
        restored = cls()
        for bucket, count in state:
            if not (0 <= bucket < BUCKETS and count > 0):
                raise ValueError(f"latency bucket {bucket} with {count} samples; buckets are 0..{BUCKETS - 1}")
            restored._buckets[bucket] += count
            restored.count += count
        return restored


def _bucket(value: float) -> int:
    inside = min(max(value, LOWEST), HIGHEST)
    return min(int(math.log(inside / LOWEST) / math.log(GROWTH)), BUCKETS - 1)


@dataclass(frozen=True, slots=True)
class Minute:
    """One entry of the history; `at` is the wall clock at its end, the others are over that minute alone."""

    at: float
    produce_p99: float | None
    end_to_end_p99: float | None
    produce_good: float | None  # share of good produce slots, 0..1; None: no slot was judged
    consume_good: float | None
    lag_records: int

    def as_dict(self) -> dict[str, float | int | None]:
        return {
            "at": self.at,
            "produce_p99": self.produce_p99,
            "end_to_end_p99": self.end_to_end_p99,
            "produce_good": self.produce_good,
            "consume_good": self.consume_good,
            "lag_records": self.lag_records,
        }


class Latency:
    """Latency of one run of the daemon: since its start, and minute by minute for the last `MINUTES` minutes."""

    def __init__(self) -> None:
        self.produce = Quantiles()
        self.end_to_end = Quantiles()
        self._minutes: deque[Minute] = deque(maxlen=MINUTES)
        self._ends: float | None = None
        self._start_minute()

    def _start_minute(self) -> None:
        self._minute_produce = Quantiles()
        self._minute_end_to_end = Quantiles()
        self._slots: Counter[tuple[str, str]] = Counter()

    def acked(self, seconds: Iterable[float]) -> None:
        values = tuple(seconds)
        self.produce.observe(values)
        self._minute_produce.observe(values)

    def read(self, seconds: Iterable[float]) -> None:
        values = tuple(seconds)
        self.end_to_end.observe(values)
        self._minute_end_to_end.observe(values)

    def slots(self, counts: Mapping[tuple[Any, Any], int]) -> None:
        """Add judged slots by (operation, result), as `SlotChanges.slots` has them."""
        self._slots.update({(str(operation), str(result)): count for (operation, result), count in counts.items()})

    def tick(self, mono: float, wall: float, lag_records: int) -> None:
        """Close the current minute if it is over. A minute is 60 s of the monotonic clock, so none is ever negative."""
        if self._ends is None:
            self._ends = mono + MINUTE
        if mono < self._ends:
            return
        self._ends = mono + MINUTE
        self._minutes.append(
            Minute(
                at=wall,
                produce_p99=self._minute_produce.quantile(0.99),
                end_to_end_p99=self._minute_end_to_end.quantile(0.99),
                produce_good=self._good("produce"),
                consume_good=self._good("consume"),
                lag_records=lag_records,
            )
        )
        self._start_minute()

    def _good(self, operation: str) -> float | None:
        good, bad = self._slots[operation, "good"], self._slots[operation, "bad"]
        return good / (good + bad) if good + bad else None

    def summary(self) -> dict[str, float | None]:
        """Return the `latency_seconds` object of the status."""
        return {
            "produce_p50": self.produce.quantile(0.5),
            "produce_p99": self.produce.quantile(0.99),
            "end_to_end_p50": self.end_to_end.quantile(0.5),
            "end_to_end_p99": self.end_to_end.quantile(0.99),
        }

    def history(self) -> list[dict[str, float | int | None]]:
        """Return the minutes that ended, oldest first."""
        return [minute.as_dict() for minute in self._minutes]
