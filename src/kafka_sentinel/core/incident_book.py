"""The list of incidents, open and closed, and the questions it can be asked."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping
from typing import Any

from kafka_sentinel.core.incident import Cause, Incident, in_short
from kafka_sentinel.core.types import Instant, ProbePartition

MAX_OPEN = 8  # further signs and faults join the newest
MAX_CLOSED = 100  # closed incidents remembered
MAX_OLDER = 400  # closed before those, remembered in short, for reports
ABSORB = 5.0  # seconds by which the first sign of a fault may come before the news of the injection


class IncidentBook:
    def __init__(self) -> None:
        self._open: list[Incident] = []  # by t0, oldest first
        self._closed: deque[Incident] = deque(maxlen=MAX_CLOSED)
        self._older: deque[dict[str, Any]] = deque(maxlen=MAX_OLDER)  # JSON-ready, nobody changes them
        self._number = 0

    @property
    def open(self) -> tuple[Incident, ...]:
        """The open incidents, oldest t0 first."""
        return tuple(self._open)

    @property
    def is_full(self) -> bool:
        return len(self._open) >= MAX_OPEN

    @property
    def is_full_of_news(self) -> bool:
        """What is only announced leaves room for one that happens: its signs join none that was foretold."""
        return len(self._open) >= MAX_OPEN - 1

    @property
    def older(self) -> tuple[dict[str, Any], ...]:
        """Those that are remembered in short, in the order of their closing."""
        return tuple(self._older)

    def __iter__(self) -> Iterator[Incident]:
        """Newest first: the open ones, then the closed ones in the order of their closing."""
        yield from reversed(self._open)
        yield from reversed(self._closed)

    def find(self, incident_id: str) -> Incident | None:
        return next((one for one in self if one.id == incident_id), None)

    # --- which one

    def about(self, brokers: set[int]) -> Incident | None:
        """Return the newest open incident in which one of the brokers failed or was announced to go."""
        found = [one for one in self._open if (one.brokers | one.announced) & brokers]
        return found[-1] if found else None

    def of_node(self, uid: str, since: Instant) -> Incident | None:
        """Return the newest incident about a node that was open at `since` or later."""
        fitting = (one for one in self if uid in one.nodes and (one.closed is None or one.closed.mono >= since.mono))
        return next(fitting, None)

    def apart(self, brokers: set[int]) -> list[set[int]]:
        """Split brokers that failed at once by the incidents that announced it; nothing for none."""
        announced = [one.announced & brokers for one in self._open if one.foretold]
        rest = brokers.difference(*announced)
        return [group for group in (*announced, rest) if group]

    def newest_since(self, since: Instant, *, natural: bool = False) -> Incident | None:
        """Return the open incident that a sign dating from `since` joins: the newest begun by then, else the newest.

        None of those that are only announced; with `natural`, no experiment.
        """
        there = [one for one in self._open if not (one.foretold or (natural and one.cause is Cause.EXPERIMENT))]
        begun = [one for one in there if one.started.mono <= since.mono] or there
        return begun[-1] if begun else None

    def that_struck(self, partition: ProbePartition, since: Instant) -> Incident | None:
        """Return the newest open incident that struck the leader of `partition`, at most a moment after `since`."""
        struck = [
            one
            for one in self._open
            if one.recovery.baseline.leaders.get(partition) in one.brokers | one.announced
            and one.started.mono <= since.mono + ABSORB
        ]
        return struck[-1] if struck else None

    def first_signs_of(self, at: Instant, brokers: set[int]) -> Incident | None:
        """Return the natural incident that an injection at `at` into `brokers` explains."""
        for incident in reversed(self._open):
            natural = incident.cause is not Cause.EXPERIMENT and not incident.final and not incident.foretold
            if natural and incident.brokers <= brokers and incident.started.mono >= at.mono - ABSORB:
                return incident
        return None

    def under_way(self, after: Instant | None, until: Instant, replicas: set[int]) -> Incident | None:
        """Return the incident, open or closed, that was under way within [after, until].

        Of several, the newest whose brokers hold one of `replicas`, then the most specific. `after`: None is ever.
        """
        earliest = after.mono if after is not None else float("-inf")
        candidates = [
            one
            for one in self
            if one.started.mono <= until.mono and (one.closed is None or one.closed.mono >= earliest)
        ]
        return max(
            candidates,
            key=lambda one: (bool(one.brokers & replicas), one.started.mono, one.cause.specificity),
            default=None,
        )

    # --- changes

    def next_id(self, started: Instant) -> str:
        """Return an id that is unique over restarts, also of a Sentinel that lost its state."""
        self._number += 1
        return f"{int(started.wall)}-{self._number}"

    def add(self, incident: Incident) -> None:
        self._open.append(incident)
        self.sort()

    def sort(self) -> None:
        """Restore the order after the t0 of an incident was moved."""
        self._open.sort(key=lambda one: one.started.mono)

    def file_closed(self) -> None:
        for closed in (one for one in self._open if not one.is_open):
            if len(self._closed) == MAX_CLOSED:
                self._older.append(in_short(self._closed.popleft().as_dict()))
            self._closed.append(closed)
        self._open = [one for one in self._open if one.is_open]

    # --- state

    def to_state(self) -> dict[str, Any]:
        return {
            "number": self._number,
            "open": [incident.to_state() for incident in self._open],
            "closed": [incident.to_state() for incident in self._closed],
            "older": list(self._older),
        }

    def restore(self, state: Mapping[str, Any], now: Instant, *, session_timeout: float, lag_tolerance: int) -> None:
        """Take over what `to_state` gave. Raises KeyError, TypeError or ValueError for anything else.

        Instants are dated by the wall clock there: a monotonic clock begins anew with each process.
        """

        def rebase(wall: float) -> Instant:
            # The wall clock may have been set back since: whatever was seen then was seen before now all the same.
            return Instant(now.mono - max(now.wall - float(wall), 0.0), float(wall))

        def incidents(key: str) -> list[Incident]:
            return [
                Incident.from_state(saved, rebase, session_timeout=session_timeout, lag_tolerance=lag_tolerance)
                for saved in state[key]
            ]

        number, under_way, closed = int(state["number"]), incidents("open"), incidents("closed")
        self._number, self._open, self._closed = number, under_way[-MAX_OPEN:], deque(closed, maxlen=MAX_CLOSED)
        self._older = deque((dict(one) for one in state.get("older", ())), maxlen=MAX_OLDER)
