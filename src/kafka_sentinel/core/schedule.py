"""When an experiment is due, and when it must not run: pure functions of wall-clock seconds.

Cron lines are worked out by APScheduler's trigger used as a function: it is given the time and never asks for it.
Its dialect is narrowed here to what cron and it agree on. Where they differ (weekday numbers, a day of the month
together with a weekday) a line is refused, because a tool that breaks brokers must not guess.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from hashlib import blake2b
from math import floor
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from apscheduler.triggers.cron import CronTrigger

WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
FIELDS = ("minute", "hour", "day", "month", "weekday")
RANGES = {"minute": (0, 59), "hour": (0, 23), "day": (1, 31), "month": (1, 12)}
UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
MIN_INTERVAL, MAX_INTERVAL = 1, 366 * 86_400
HORIZON = timedelta(days=9 * 366)  # 29 February can be eight years away (1896 to 1904, 2096 to 2104)
MAX_SKIPS = 1_500  # minutes of the longest stretch a zone has ever repeated (a day), so that the search ends
DAY_MINUTES = 24 * 60

_NUMBERS = re.compile(r"(\*|\d{1,9}|\d{1,9}-\d{1,9})(/\d{1,9})?", re.ASCII)  # Python reads none of thousands of digits
_CLOCK = re.compile(r"(\d\d):(\d\d)")


class ScheduleError(ValueError):
    """A schedule or blackout that cannot be taken as written; the message says what was found and what is allowed."""


@dataclass(frozen=True, slots=True)
class CronSchedule:
    """Five fields, already checked, in a zone."""

    line: str
    zone: ZoneInfo

    def __str__(self) -> str:
        return f"{self.line} {self.zone.key}"


@dataclass(frozen=True, slots=True)
class Interval:
    """Every so many seconds, counted from the epoch, so that a restart does not move the runs."""

    seconds: int

    def __str__(self) -> str:
        return f"every {self.seconds}s"


Schedule = CronSchedule | Interval


def parse_schedule(*, cron: str | None = None, every: str | None = None, zone: str = "UTC") -> Schedule:
    """Return the schedule of exactly one of `cron` (five fields) and `every` (such as `25s`, `10m`, `2h`, `1d`)."""
    if (cron is None) == (every is None):
        raise ScheduleError("a schedule needs exactly one of `cron` (five fields) and `every` (such as 25s, 10m, 2h)")
    if every is not None:
        return _parse_interval(every)
    assert cron is not None
    return _parse_cron(cron, parse_zone(zone))


def parse_zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise ScheduleError(f'zone "{name}" is not known; allowed are IANA names such as UTC, Europe/Berlin') from error


def next_run(schedule: Schedule, after: float, name: str = "") -> float:
    """Return the first time of `schedule` strictly later than `after`, both in wall-clock seconds.

    `name` shifts an interval, so that experiments of the same interval do not all come due together.
    A time of day that autumn repeats comes once (the first time). One that spring leaves out comes an hour later, or,
    where the day itself begins in the gap, the next day.
    """
    if isinstance(schedule, Interval):
        phase = _fraction(name) * schedule.seconds
        number = floor((after - phase) / schedule.seconds) + 1
        due = phase + number * schedule.seconds
        return due if due > after else phase + (number + 1) * schedule.seconds  # the division rounds
    return _next_cron(schedule, after)


def jittered(name: str, planned: float, spread: float) -> float:
    """Return `planned` moved later by less than `spread` seconds: the same for the same name and time."""
    return planned + _fraction(f"{name}@{planned:.3f}") * spread


def _fraction(text: str) -> float:
    """Return a number in [0, 1) that depends on `text` alone."""
    return (int.from_bytes(blake2b(text.encode(), digest_size=8).digest()) >> 11) / (1 << 53)


def _parse_interval(text: str) -> Interval:
    found = re.fullmatch(r"(\d{1,9})([smhd])", text.strip())
    seconds = int(found[1]) * UNITS[found[2]] if found else 0
    if not MIN_INTERVAL <= seconds <= MAX_INTERVAL:
        raise ScheduleError(f'every "{text}" is not an interval; allowed are 1s to 366d, such as 25s, 10m, 2h, 1d')
    return Interval(seconds)


def _parse_cron(line: str, zone: ZoneInfo) -> CronSchedule:
    fields = line.lower().split()
    if len(fields) != len(FIELDS):
        raise ScheduleError(
            f'cron line "{line}" has {len(fields)} fields; it needs five: minute, hour, day of month, month, weekday'
        )
    for name, text in zip(FIELDS, fields, strict=True):
        for part in text.split(","):
            fault = _weekday_fault(part) if name == "weekday" else _number_fault(name, part)
            if fault:
                raise ScheduleError(f'cron line "{line}": {name} "{text}" {fault}')
    if fields[2] != "*" and fields[4] != "*":
        raise ScheduleError(
            f'cron line "{line}" restricts both the day of the month and the weekday, which schedulers combine'
            " differently (cron: either, others: both); leave one of them *"
        )
    schedule = CronSchedule(" ".join(fields), zone)
    try:
        _next_cron(schedule, 0.0)
    except ValueError as error:
        raise ScheduleError(f'cron line "{line}" cannot be used: {error}') from error
    return schedule


def _weekday_fault(part: str) -> str | None:
    if part == "*":
        return None
    if any(letter.isdigit() for letter in part):
        return (
            "uses numbers, and schedulers do not agree on which day 1 is; write names: mon tue wed thu fri sat sun,"
            " for example mon-fri"
        )
    first, dash, last = part.partition("-")
    if first not in WEEKDAYS or (dash and last not in WEEKDAYS):
        return "is not a weekday; allowed are *, mon tue wed thu fri sat sun, ranges (mon-fri) and lists (sat,sun)"
    if dash and WEEKDAYS.index(first) > WEEKDAYS.index(last):
        return "runs backwards; the week goes from mon to sun, so write it as a list (sat,sun,mon)"
    return None


def _number_fault(name: str, part: str) -> str | None:
    low, high = RANGES[name]
    if name == "month":
        ends = part.split("-")
        if all(end in MONTHS for end in ends):
            part = "-".join(str(MONTHS.index(end) + 1) for end in ends)
    found = _NUMBERS.fullmatch(part)
    if not found or (found[2] and found[1].isdigit()):
        return f"is not understood; allowed are *, */n, numbers {low} to {high}, ranges (a-b, a-b/n) and lists"
    numbers = [int(number) for number in re.findall(r"\d+", found[1])]
    if any(not low <= number <= high for number in numbers):
        return f"is out of range; allowed are {low} to {high}"
    if numbers != sorted(numbers):
        return "runs backwards; write the smaller number first"
    if found[2] and not 1 <= int(found[2][1:]) <= high - low:
        return f"has a step out of range; allowed are 1 to {high - low}"
    return None


def _next_cron(schedule: CronSchedule, after: float) -> float:
    minute, hour, day, month, weekday = schedule.line.split()
    moment = floor(after) + 1  # cron times are whole seconds, so this is the first one that is strictly later
    trigger = CronTrigger(
        minute=minute,
        hour=hour,
        day=day,
        month=month,
        day_of_week=weekday,
        timezone=schedule.zone,
        end_date=datetime.fromtimestamp(moment, schedule.zone) + HORIZON,  # an impossible date ends the search
    )
    for _ in range(MAX_SKIPS):
        fire = trigger.get_next_fire_time(None, datetime.fromtimestamp(moment, schedule.zone))
        if fire is None:
            raise ScheduleError("no such date exists")
        found: float = fire.timestamp()
        # `fold` marks the second pass of a repeated hour. A time that spring leaves out reads differently once it
        # is converted to an instant and back, and may even lie behind us: never step back.
        if found >= moment and not datetime.fromtimestamp(found, schedule.zone).fold:
            return found
        moment = max(moment, floor(found)) + 1
    return float(moment)  # better the second pass of an hour than no next run at all


@dataclass(frozen=True, slots=True)
class Blackout:
    """A stretch of each matching day in which nothing is injected. Make it with `parse_blackout`.

    It matches the `weekdays` (0 is Monday), or the `dates` (first and last, both included); `start` and `end` are
    minutes of the day, and an end at or before the start lies on the next day.
    """

    zone: ZoneInfo
    start: int
    end: int
    weekdays: frozenset[int] = frozenset(range(7))
    dates: tuple[tuple[date, date], ...] = ()
    text: str = ""

    def covers(self, wall: float) -> bool:
        """Whether `wall` (seconds) lies in the window, by the clock on the wall of its zone."""
        local = datetime.fromtimestamp(wall, self.zone)
        minute = local.hour * 60 + local.minute
        today = self._matches(local.date())
        if self.start < self.end:
            return today and self.start <= minute < self.end
        yesterday = self._matches(local.date() - timedelta(days=1))
        return (today and minute >= self.start) or (yesterday and minute < self.end)

    def _matches(self, day: date) -> bool:
        if self.dates:
            return any(first <= day <= last for first, last in self.dates)
        return day.weekday() in self.weekdays


def parse_blackout(
    *,
    days: tuple[str, ...] = (),
    dates: tuple[str, ...] = (),
    start: str = "00:00",
    end: str = "24:00",
    zone: str = "UTC",
) -> Blackout:
    """Return the window from `start` to `end` (HH:MM) on `days` (mon…sun, or ranges), or on `dates`, or on every day.

    A date is `YYYY-MM-DD`, a range of dates `YYYY-MM-DD..YYYY-MM-DD`.
    """
    if days and dates:
        raise ScheduleError("a blackout takes either `days` or `dates`, not both; write two blackouts")
    first, last = _parse_clock(start), _parse_clock(end)
    if first in {last, DAY_MINUTES}:
        raise ScheduleError(f'blackout from "{start}" to "{end}" is empty; a whole day is from 00:00 to 24:00')
    text = " ".join([",".join(days or dates) or "daily", f"{start}-{end}", zone])
    weekdays = _parse_weekdays(days) if days else frozenset(range(7))
    spans = tuple(_parse_dates(text) for text in dates)
    return Blackout(parse_zone(zone), first, last, weekdays, spans, text)


def _parse_clock(text: str) -> int:
    found = _CLOCK.fullmatch(text)
    minutes = int(found[1]) * 60 + int(found[2]) if found and int(found[2]) < 60 else DAY_MINUTES + 1  # noqa: PLR2004 - minutes of an hour
    if minutes > DAY_MINUTES:
        raise ScheduleError(f'blackout time "{text}" is not a time of day; allowed are 00:00 to 24:00')
    return minutes


def _parse_weekdays(days: tuple[str, ...]) -> frozenset[int]:
    found: set[int] = set()
    for text in days:
        fault = _weekday_fault(text.lower())
        if fault:
            raise ScheduleError(f'blackout day "{text}" {fault}')
        first, _, last = text.lower().partition("-")
        low = 0 if first == "*" else WEEKDAYS.index(first)
        high = 6 if first == "*" else WEEKDAYS.index(last or first)
        found.update(range(low, high + 1))
    return frozenset(found)


def _parse_dates(text: str) -> tuple[date, date]:
    first, _, last = text.partition("..")
    try:
        span = date.fromisoformat(first), date.fromisoformat(last or first)
    except ValueError as error:
        raise ScheduleError(
            f'blackout date "{text}" is not a date; allowed are YYYY-MM-DD and YYYY-MM-DD..YYYY-MM-DD'
        ) from error
    if span[0] > span[1]:
        raise ScheduleError(f'blackout dates "{text}" run backwards; write the earlier one first')
    return span
