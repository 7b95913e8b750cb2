"""Words that several sections share."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, tzinfo

from kafka_sentinel.core.report.evidence import Disruption
from kafka_sentinel.core.report.figures import percent

NONE = "-"


def share(value: float | None) -> str:
    return NONE if value is None else percent(value)


def what(one: Disruption) -> str:
    """Say what happened, as "process-kill of broker 2"."""
    if one.fault is not None:
        return f"`{one.fault}` of {one.target or 'a target not named'}"
    return f"`{one.cause}`{of(one.brokers)}"


def of(brokers: Sequence[int]) -> str:
    return f" of broker {', '.join(map(str, brokers))}" if brokers else ""


def at(wall: float, zone: tzinfo) -> str:
    return datetime.fromtimestamp(wall, zone).strftime("%Y-%m-%d %H:%M")


def zone_name(zone: tzinfo) -> str:
    return "UTC" if zone is UTC else str(zone)
