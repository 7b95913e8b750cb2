"""The last status the engine published, serialized at most once however many ask for it."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable, Mapping
from threading import Lock
from typing import Any, NamedTuple

from kafka_sentinel.core.incident import in_short
from kafka_sentinel.core.report.evidence import SCHEMA as EVIDENCE_SCHEMA

Status = Mapping[str, Any]

FOR_REPORTS = frozenset(
    {"days", "older_incidents", "audit_for_reports"}
)  # in the evidence alone: too much for what is asked every second


class Body(NamedTuple):
    plain: bytes
    gzipped: bytes


def _incidents(status: Status) -> dict[str, Any]:
    return {key: status[key] for key in ("version", "now", "incidents", "losses")}


def _experiments(status: Status) -> dict[str, Any]:
    return {"version": status["version"], "now": status["now"], **status["experiments"]}


def _evidence(status: Status) -> dict[str, Any]:
    return {
        "schema": EVIDENCE_SCHEMA,
        **{key: status[key] for key in ("version", "now", "instance", "health")},
        "cluster_id": status["kafka"]["cluster_id"],
        "acks": list(status["records"]),
        "slo": status["slo"],
        "days": status["days"],
        "incidents": [*map(in_short, status["incidents"]), *status["older_incidents"]],
        "audit": status["audit_for_reports"],
    }


VIEWS: dict[str, Callable[[Status], Any]] = {
    "status": lambda status: {key: value for key, value in status.items() if key not in FOR_REPORTS},
    "incidents": _incidents,
    "experiments": _experiments,
    "evidence": _evidence,
}


class _Published:
    """One status and what was made of it so far."""

    def __init__(self, status: Status) -> None:
        self.status = status
        self._lock = Lock()
        self._bodies: dict[str, Body] = {}

    def body(self, view: str) -> Body:
        with self._lock:  # whoever asks for the same while it is made waits for it instead of making it again
            if view not in self._bodies:
                plain = json.dumps(VIEWS[view](self.status), allow_nan=False, separators=(",", ":")).encode()
                self._bodies[view] = Body(plain, gzip.compress(plain, compresslevel=1, mtime=0))
            return self._bodies[view]


class Snapshot:
    """Holds the last status. Publishing never waits; the publisher must not change a status it has published."""

    def __init__(self) -> None:
        self._current: _Published | None = None

    def publish(self, status: Status) -> None:
        self._current = _Published(status)

    def get(self) -> Status | None:
        """Return the last status, or None before the first."""
        current = self._current
        return current.status if current is not None else None

    def body(self, view: str) -> Body | None:
        """Return a view of the last status as JSON, made at the first request for it; None before the first status."""
        current = self._current
        return current.body(view) if current is not None else None
