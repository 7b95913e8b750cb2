"""The demo without a terminal: one plain line for each event, and one of figures every few seconds."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from kafka_sentinel.demo.frame import PHASES, Frame, clock, reached, seconds, upcoming, what

FIGURES_EVERY = 5.0  # seconds


class Lines:
    """Says what is new in each frame."""

    def __init__(self, say: Callable[[str], None]) -> None:
        self._say = say
        self._figures_at = 0.0
        self._open: dict[str, set[str]] = {}  # open incidents → phases that were said
        self._closed: set[str] = set()
        self._stage: str | None = None
        self._page: str | None = None

    def show(self, frame: Frame) -> None:
        news = self._news(frame)
        if frame.elapsed >= self._figures_at:
            self._figures_at = frame.elapsed + FIGURES_EVERY
            news.append(figures(frame))
        for line in news:
            self._say(f"{clock(frame.elapsed)}  {line}")

    def _news(self, frame: Frame) -> list[str]:
        news = []
        if frame.page != self._page and frame.page is not None:
            news.append(f"page: {frame.page}")
            self._page = frame.page
        for incident in reversed(frame.status["incidents"]):
            news += self._incident(incident)
        if frame.stage != self._stage:
            news.append(f"ending: {frame.stage}")
            self._stage = frame.stage
        return news

    def _incident(self, incident: Mapping[str, Any]) -> list[str]:
        name, news = incident["id"], []
        if name in self._closed:
            return []
        if name not in self._open:
            self._open[name] = set()
            news.append(f"incident {name}: {what(incident)}")
        for phase in PHASES:
            took = reached(incident, phase)
            if took is not None and phase not in self._open[name]:
                self._open[name].add(phase)
                news.append(f"incident {name}: {phase} after {seconds(took)}")
        if incident["closed_at"] is not None:
            del self._open[name]
            self._closed.add(name)
            reasons = f" ({'; '.join(incident['reasons'])})" if incident["reasons"] else ""
            news.append(f"incident {name}: {incident['verdict']}, lost {incident['lost']}{reasons}")
        return news


def figures(frame: Frame) -> str:
    records = frame.status["records"]["all"]
    words = ", ".join(f"{name} {records[name]}" for name in ("acked", "verified", "lost", "duplicated", "awaiting"))
    return words if frame.stage is not None else f"{words}; next: {upcoming(frame)}"
