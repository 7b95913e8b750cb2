"""Evidence made to order: days that went well, disruptions that did not."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

from kafka_sentinel.core.days import DAY
from kafka_sentinel.core.recovery import PHASES
from kafka_sentinel.core.report.evidence import Evidence, parse
from kafka_sentinel.core.report.report import Report, Wish, build

NOW = datetime(2026, 11, 29, 12, tzinfo=UTC).timestamp()
OBJECTIVES = {
    "detected": 10.0,
    "leader": 15.0,
    "produce": 15.0,
    "consume": 15.0,
    "pod": 300.0,
    "isr": 300.0,
    "lag": 120.0,
    "full": 600.0,
}
QUICK = {"detected": 1.0, "leader": 3.0, "produce": 4.0, "consume": 4.5, "isr": 20.0, "lag": 6.0, "full": 20.0}
GOOD_DAY = {
    "sent_all": 100_000,
    "acked_all": 100_000,
    "verified_all": 100_000,
    "produce_good": 100_000,
    "consume_good": 100_000,
    "lived": DAY,
}


def incident(number: int = 1, *, days_ago: float = 1.0, phases: dict[str, float] | None = None, **more: Any) -> dict:
    started = NOW - days_ago * DAY
    taken = QUICK if phases is None else phases
    return {
        "id": f"{int(started)}-{number}",
        "cause": "experiment",
        "fault": "process-kill",
        "target": "broker 2",
        "brokers": [2],
        "load": None,
        "started_at": started,
        "closed_at": started + 60.0,
        "phases": {phase: taken.get(phase) for phase in PHASES},
        "lost_by_acks": {"all": 0, "1": 0},
        "duplicated": 0,
        "verdict": "passed",
        "reasons": [],
        **more,
    }


def natural(number: int = 1, cause: str = "spot", **more: Any) -> dict:
    return incident(number, **{"cause": cause, "fault": None, "target": None, **more})


def day(days_ago: int = 0, **counts: float) -> dict:
    of = datetime.fromtimestamp(NOW, UTC).date() - timedelta(days=days_ago)
    return {"day": str(of), "counts": {**GOOD_DAY, **counts}}


def document(days: list[dict] | None = None, incidents: list[dict] | None = None, **more: Any) -> dict:
    """A month that went well: thirty days, twelve experiments that passed. Or what is given."""
    month = [day(ago) for ago in reversed(range(30))]
    kills = [incident(number, days_ago=number) for number in range(1, 13)]
    return {
        "schema": 1,
        "version": "0.1.0",
        "now": NOW,
        "instance": "stage",
        "cluster_id": "MkU3OEVBNTcwNTJENDM2Qg",
        "acks": ["all"],
        "slo": {"availability": 99.9, "produce": 1.0, "consume": 2.0, "recovery": OBJECTIVES},
        "days": {"since": NOW - 60 * DAY, "items": month if days is None else days},
        "incidents": kills if incidents is None else incidents,
        **more,
    }


def evidence(**more: Any) -> Evidence:
    return parse(document(**more))


def report(wish: dict | None = None, **more: Any) -> Report:
    return build(evidence(**more), Wish(**{"now": NOW, "since": 29 * DAY, **(wish or {})}))


def today() -> date:
    return datetime.fromtimestamp(NOW, UTC).date()
