"""What was counted on each day (UTC): the totals a report over some time is made of.

Fed by the very counts that become metrics, so that the two cannot differ; only lost and extra records are taken when
they are proved, while their metrics wait until the cause is final. What Sentinel was absent for counts on the day it
came back.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date, timedelta
from typing import Any

from kafka_sentinel.core.commands import Command, Count
from kafka_sentinel.core.incident import Cause, Verdict
from kafka_sentinel.core.slots import Operation, SlotResult
from kafka_sentinel.core.types import Acks, Instant

DAY = 86_400.0  # seconds
MAX_DAYS = 400  # days remembered, those of silence left out
EPOCH = date(1970, 1, 1)
LAST_DAY = (date.max - EPOCH).days

RECORDS = (
    "sent",
    "acked",
    "rejected",
    "uncertain",
    "verified",
    "expired",
    "unaccounted",
    "corrupted",
    "lost",
    "lost_before",  # those of the lost that had been read
    "duplicated",
)
KINDS = ("experiment", "natural")  # of incidents
SECONDS = (
    "lived",  # absences included
    "blind",
    *(f"{kind}_{operation}_down" for kind in KINDS for operation in Operation),  # any partition, by what caused it
)
COLUMNS = (
    *(f"{name}_{acks.value}" for acks in Acks for name in RECORDS),
    *(f"{operation}_{result}" for operation in Operation for result in SlotResult),
    *(f"{kind}_{verdict}" for kind in KINDS for verdict in Verdict),
    "violations",
    *SECONDS,
)

_COLUMN = {
    **{f"records_{name}_total": f"{name}_{{acks}}" for name in RECORDS if name not in {"lost", "duplicated"}},
    "records_outcome_total": "{outcome}_{acks}",
    "probe_slots_total": "{operation}_{result}",
    "unavailable_seconds_total": "{kind}_{operation}_down",
    "incidents_total": "{kind}_{verdict}",
    "blind_seconds_total": "blind",
    "invariant_violations_total": "violations",
}  # metric → column


def column(count: Count) -> str | None:
    """Return the column that a count adds to; None: it is no part of the days."""
    pattern = _COLUMN.get(count.metric)
    if pattern is None:
        return None
    labels = dict(count.labels)
    kind = "experiment" if labels.get("cause") == Cause.EXPERIMENT.value else "natural"
    return pattern.format(**labels, kind=kind)


class Days:
    """`since`: wall-clock second from which on everything is counted."""

    def __init__(self, since: float) -> None:
        self.since = since
        self._rows: dict[int, dict[str, float]] = {}  # day since the epoch → column → sum; at most MAX_DAYS
        self._shown: dict[int, dict[str, Any]] = {}  # days that have not changed since they were shown
        self._columns: dict[tuple[str, object], str | None] = {}  # by metric and labels, both closed sets
        self._seen: Instant | None = None

    def take(self, commands: Iterable[Command], at: float) -> None:
        """Add the counts among these commands to the day of the wall-clock second `at`."""
        for command in commands:
            if isinstance(command, Count):
                name = self._column(command)
                if name is not None:
                    self.add(name, command.amount, at)

    def _column(self, count: Count) -> str | None:
        if count.metric not in _COLUMN:
            return None
        key = (count.metric, count.labels)
        if key not in self._columns:
            self._columns[key] = column(count)
        return self._columns[key]

    def add(self, name: str, amount: float, at: float) -> None:
        day = int(at // DAY)
        row = self._rows.setdefault(day, {})
        row[name] = row.get(name, 0) + amount
        self._shown.pop(day, None)
        if len(self._rows) > MAX_DAYS:
            oldest = min(self._rows)
            del self._rows[oldest]
            self._shown.pop(oldest, None)

    def lived(self, now: Instant) -> None:
        """Count the time since this was called last."""
        if self._seen is not None and now.mono > self._seen.mono:
            self.add("lived", now.mono - self._seen.mono, now.wall)
        self._seen = now

    def status(self) -> list[dict[str, Any]]:
        """Return the days, oldest first: `day` as YYYY-MM-DD, and what was counted. Nobody may change them."""
        for day in self._rows.keys() - self._shown.keys():
            counts = {name: _plain(name, amount) for name, amount in sorted(self._rows[day].items()) if amount}
            self._shown[day] = {"day": str(EPOCH + timedelta(days=day)), "counts": counts}
        return [self._shown[day] for day in sorted(self._rows)]

    # --- state: the names of the columns once, then a row of numbers for each day

    def to_state(self) -> dict[str, Any]:
        rows = [[day, *(_plain(name, row.get(name, 0)) for name in COLUMNS)] for day, row in sorted(self._rows.items())]
        return {"since": self.since, "columns": list(COLUMNS), "rows": rows}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take over what `to_state` gave, also that of another version: it may know other columns.

        Raises LookupError, TypeError or ValueError for anything else.
        """
        known = {index: name for index, name in enumerate(state["columns"]) if name in COLUMNS}
        rows = {
            int(day): {name: float(amounts[index]) for index, name in known.items() if amounts[index]}
            for day, *amounts in state["rows"]
        }
        if wrong := [day for day in rows if not 0 <= day <= LAST_DAY]:
            raise ValueError(f"day {wrong[0]} is not in the calendar")
        self.since, self._shown = float(state["since"]), {}
        self._rows = dict(sorted(rows.items())[-MAX_DAYS:])


def _plain(name: str, amount: float) -> float:
    """Return seconds to the millisecond, and everything else as the whole number it is."""
    return round(amount, 3) if name in SECONDS else round(amount)
