"""The state of a Sentinel, as the document that /api/v1/evidence would answer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kafka_sentinel.core.days import Days
from kafka_sentinel.core.incident import in_short
from kafka_sentinel.core.recovery import PHASES
from kafka_sentinel.core.report.evidence import SCHEMA, EvidenceError
from kafka_sentinel.core.types import Acks


def document(state: Mapping[str, Any], *, slo: Mapping[str, Any], version: str) -> dict[str, Any]:
    """Return the evidence in a state. `slo` as in the status; the state does not hold it. Raises EvidenceError."""
    if state.get("days") is None:
        raise EvidenceError(
            "the state is of a version that kept no totals by day; run this version once, and it begins to"
        )
    try:
        days = Days(0.0)
        days.restore(state["days"])
        book = state["incidents"]
        return {
            "schema": SCHEMA,
            "version": version,
            "now": state["alive_at"],
            "instance": state["name"],
            "cluster_id": state["cluster_id"],
            "acks": _levels(state),
            "slo": dict(slo),
            "days": {"since": days.since, "items": days.status()},
            "incidents": [*map(_incident, (*book["closed"], *book["open"])), *book.get("older", ())],
            "audit": None,  # no state holds one: what was found last may be mended by now
        }
    except (LookupError, TypeError, ValueError, ArithmeticError, AttributeError) as error:
        raise EvidenceError(f"the state is not as this version writes it: {type(error).__name__}: {error}") from None


def _levels(state: Mapping[str, Any]) -> list[str]:
    """Return the levels of acknowledgement that are probed, or were."""
    there = {str(each["acks"]) for each in state["truth"]["partitions"]}
    return [acks.value for acks in Acks if acks is Acks.ALL or acks.value in there]


def _incident(saved: Mapping[str, Any]) -> dict[str, Any]:
    """Return a saved incident as the API has it. How far an open one has come is not saved."""
    return in_short(
        {
            **{key: saved[key] for key in ("id", "cause", "fault", "target", "brokers", "verdict", "reasons")},
            "load": saved.get("load"),
            "started_at": saved["recovery"]["started"],
            "closed_at": saved["closed"],
            "phases": saved["final_phases"] or dict.fromkeys(PHASES),
            "lost_by_acks": saved["lost"],
            "duplicated": saved["duplicated"].get(Acks.ALL.value, 0),
        }
    )
