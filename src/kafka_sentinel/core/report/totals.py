"""Sums over days: what became of records, how much of the time writes and reads were good, and what nobody saw."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import date, timedelta

from kafka_sentinel.core.report.evidence import Day
from kafka_sentinel.core.report.statistics import share_bound
from kafka_sentinel.core.slots import Operation
from kafka_sentinel.core.types import Acks

WEEK = timedelta(days=7)


@dataclass(frozen=True, slots=True)
class Records:
    """One level of acknowledgement. `judged`: acknowledged records whose fate is known: read, or proved lost.

    `vouched`: their share of those acknowledged; `bound`: what share of records may be lost, at 95 %. Shares from 0 to
    1, None without records.
    """

    acks: Acks
    sent: int
    acked: int
    rejected: int
    uncertain: int
    verified: int
    lost: int
    duplicated: int
    expired: int
    unaccounted: int
    judged: int
    vouched: float | None
    bound: float | None


@dataclass(frozen=True, slots=True)
class Service:
    """Writes or reads. `share`: of good slots among the good and bad ones.

    `down`: seconds in which any partition was down, `provoked`: those of them in experiments.
    `up`: the share of the time that was seen in which none was. Shares from 0 to 1, None where nothing was judged.
    """

    operation: Operation
    good: int
    bad: int
    blind: int
    share: float | None
    down: float
    provoked: float
    up: float | None


@dataclass(frozen=True, slots=True)
class Sight:
    """`lived`: seconds there is evidence of, absences included; `blind`: those of them in which nothing was seen."""

    lived: float
    blind: float

    @property
    def seen(self) -> float:
        return max(self.lived - self.blind, 0.0)

    @property
    def blind_share(self) -> float | None:
        return min(self.blind / self.lived, 1.0) if self.lived > 0 else None


@dataclass(frozen=True, slots=True)
class Period:
    """A stretch of days, from `first` to `last`, both included."""

    first: date
    last: date
    sight: Sight
    services: tuple[Service, ...]
    records: tuple[Records, ...]


def total(days: Iterable[Day]) -> Mapping[str, float]:
    sums: Counter[str] = Counter()
    for one in days:
        for name, amount in one.counts.items():
            sums[name] += amount  # type: ignore[assignment]  # a Counter adds any numbers
    return sums


def sight(sums: Mapping[str, float]) -> Sight:
    return Sight(sums.get("lived", 0.0), sums.get("blind", 0.0))


def records(sums: Mapping[str, float], acks: Acks) -> Records:
    def of(name: str) -> int:
        return round(sums.get(f"{name}_{acks.value}", 0))

    acked, lost = of("acked"), of("lost")
    judged = of("verified") + max(lost - of("lost_before"), 0)
    return Records(
        acks=acks,
        sent=of("sent"),
        acked=acked,
        rejected=of("rejected"),
        uncertain=of("uncertain"),
        verified=of("verified"),
        lost=lost,
        duplicated=of("duplicated"),
        expired=of("expired"),
        unaccounted=of("unaccounted"),
        judged=judged,
        vouched=judged / max(acked, judged) if max(acked, judged) else None,
        bound=share_bound(lost, judged),
    )


def service(sums: Mapping[str, float], operation: Operation) -> Service:
    good, bad, blind = (round(sums.get(f"{operation}_{result}", 0)) for result in ("good", "bad", "blind"))
    provoked, seen = sums.get(f"experiment_{operation}_down", 0.0), sight(sums).seen
    down = provoked + sums.get(f"natural_{operation}_down", 0.0)
    return Service(
        operation=operation,
        good=good,
        bad=bad,
        blind=blind,
        share=good / (good + bad) if good + bad else None,
        down=down,
        provoked=provoked,
        up=max(1 - down / seen, 0.0) if seen > 0 and good + bad else None,
    )


def period(days: Iterable[Day], levels: Iterable[Acks]) -> Period:
    """Return the sums of at least one day."""
    there = tuple(days)
    sums = total(there)
    return Period(
        there[0].day,
        there[-1].day,
        sight(sums),
        tuple(service(sums, operation) for operation in Operation),
        tuple(records(sums, acks) for acks in levels),
    )


def weeks(days: Iterable[Day], until: date, levels: Iterable[Acks]) -> tuple[Period, ...]:
    """Return the stretches of seven days that end with `until`, oldest first; those without evidence left out."""
    return _periods(days, levels, lambda one: -((until - one).days // WEEK.days))


def months(days: Iterable[Day], levels: Iterable[Acks]) -> tuple[Period, ...]:
    """Return the calendar months (UTC), oldest first; those without evidence left out."""
    return _periods(days, levels, lambda one: one.year * 12 + one.month)


def _periods(days: Iterable[Day], levels: Iterable[Acks], number: Callable[[date], int]) -> tuple[Period, ...]:
    """Return the days, which come in their order, by what `number` says of them."""
    found: dict[int, list[Day]] = {}
    for one in days:
        found.setdefault(number(one.day), []).append(one)
    wanted = tuple(levels)
    return tuple(period(group, wanted) for group in found.values())
