"""How figures are written: rounded towards the worse, so that none looks better than it is."""

from __future__ import annotations

import math

MOST_DIGITS = 9  # of a percentage
MINUTE = 60.0
FEW_MINUTES = 600.0  # seconds below which they are told beside the minutes
WHOLE, MANY = 10.0, 1_000.0  # seconds from which a second decimal, and then a first, says nothing
HARDLY = 0.0005  # a share below which "1 in so many" is easier to read than percent


def percent(share: float) -> str:
    """Return a share in percent, rounded down to two digits; one that is not 0 with as many as it takes to show."""
    digits = 2
    while share > 0 and digits < MOST_DIGITS and not _floor(share * 100, digits):
        digits += 1
    return f"{_floor(share * 100, digits):.{digits}f} %"


def at_most(share: float) -> str:
    """Return a share in percent, rounded up to two digits."""
    return f"{min(math.ceil(round(share * 10_000, 6)) / 100, 100.0):.2f} %"


def tiny(share: float) -> str:
    """Return a bound that may be very small, rounded up: in percent, or as one in so many."""
    return at_most(share) if share >= HARDLY else f"1 in {math.floor(1 / share):,}"


def _floor(value: float, digits: int) -> float:
    scale = 10.0**digits
    return math.floor(round(value * scale, 6)) / scale


def seconds(value: float | None) -> str:
    """Return seconds with as many digits as are worth reading; a dash for None."""
    if value is None:
        return "-"
    return f"{value:.2f} s" if value < WHOLE else f"{value:.1f} s" if value < MANY else f"{value:,.0f} s"


def duration(value: float) -> str:
    """Return a time in one unit, or two: 45 s, 1 min 54 s, 12 min, 5 h 20 min, 3 d 4 h."""
    if value < MINUTE:
        return seconds(value) if value < WHOLE else f"{value:.0f} s"
    minutes, rest = divmod(int(value), 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    parts = [(days, "d"), (hours, "h"), (minutes, "min"), (rest if value < FEW_MINUTES else 0, "s")]
    while not parts[0][0]:
        parts = parts[1:]
    return " ".join(f"{number} {unit}" for number, unit in parts[:2] if number)
