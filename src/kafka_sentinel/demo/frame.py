"""What the demo shows at one moment, and the words for it that the live view and the plain lines share."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from kafka_sentinel.adapters.snapshot import Status

AFTER_INCIDENT = frozenset({"one_at_a_time", "incident_open"})  # guards that wait for nothing else
PHASES = ("detected", "leader", "produce", "consume", "isr", "lag", "full")


@dataclass(frozen=True, slots=True)
class Frame:
    """`elapsed` and `duration` in seconds. `processes`: state of each broker process of the lab, if there is one."""

    status: Status
    kafka: str
    elapsed: float
    duration: float | None
    page: str | None
    stage: str | None = None  # what the ending waits for, once it has begun
    processes: Mapping[int, str] = field(default_factory=dict)
    remark: str = ""  # a warning that was just logged


def clock(seconds: float) -> str:
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes:02}:{rest:02}"


def seconds(value: float | None) -> str:
    return "-" if value is None else f"{value:.1f} s"


def what(incident: Mapping[str, Any]) -> str:
    """Say what happened, as "process-kill of broker 2"."""
    if incident["fault"] is not None:
        return f"{incident['fault']} of {incident['target']}"
    named = ", ".join(map(str, incident.get("brokers", ())))
    cause = "cause unknown" if incident["cause"] == "unknown" else str(incident["cause"])
    return f"{cause} (broker {named})" if named else cause


def open_incident(status: Status) -> Mapping[str, Any] | None:
    """Return the newest open incident."""
    return next((incident for incident in status["incidents"] if incident["closed_at"] is None), None)


def closed_incidents(status: Status) -> list[Mapping[str, Any]]:
    """Return the closed incidents, newest first."""
    return [incident for incident in status["incidents"] if incident["closed_at"] is not None]


def reached(incident: Mapping[str, Any], phase: str) -> float | None:
    """Return the seconds to a phase. Just after the fault, ISR and lag still are what they were: no recovery."""
    phases, is_open = incident["phases"], incident["state"] == "open"
    too_early = {
        "isr": is_open,
        "lag": is_open and (phases["produce"] is None or phases["consume"] is None),
    }
    value: float | None = None if too_early.get(phase) else phases[phase]
    return value


def applies(incident: Mapping[str, Any], phase: str) -> bool:
    """Tell whether a phase that was not reached yet may still be: no partition may have lost its leader at all."""
    phases = incident["phases"]
    writable = phases["produce"] is not None and phases["consume"] is not None
    return not (phase == "leader" and writable) and incident["closed_at"] is None


def upcoming(frame: Frame) -> str:
    """Say what is broken next and when, or what holds it back."""
    held = frame.status["experiments"]
    planned = [item for item in held["items"] if item["next_run"] is not None]
    if not held["items"]:
        return "nothing is broken here on purpose"
    if held["latched"] is not None or held["paused"]:
        return f"nothing more: {held['latched'] or 'this is about to end'}"
    if not planned:
        return "being planned"
    item = min(planned, key=lambda each: each["next_run"])
    return f"{item['name']} {_when(item, frame.status['now'])}"


def _when(item: Mapping[str, Any], now: float) -> str:
    if (left := item["next_run"] - now) > 0:
        return f"in {left:.0f} s"
    answers = item.get("guards", ())  # absent until the guards were asked for the first time
    denial = next((answer for answer in answers if not answer["allowed"]), None)
    if denial is None or denial["guard"] == "schedule":  # they were asked a moment ago
        return "now"
    if denial["guard"] in AFTER_INCIDENT:
        return "once the one before is over"
    return f"waits: {denial['reason']} (wanted: {denial['threshold']})"


def broker_state(frame: Frame, broker: Mapping[str, Any]) -> str:
    """Return one word: what its process does, and once that runs, whether the cluster sees it."""
    process = frame.processes.get(broker["id"], "running")
    if process != "running":
        return {"stopped": "killed", "paused": "paused"}.get(process, process)
    if broker["up"]:
        return "up"
    return "starting" if frame.processes else "down"
