"""When the daemon has a look at why Kafka cannot be used, and what it says of it until that is over.

A look is asked for by a command and answered by an event: it takes seconds, and goes on beside everything else. Nothing
depends on it. Whatever it finds, clients go on trying, and what they then achieve is what ends the trouble.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from kafka_sentinel.core.commands import Command, Diagnose, Log
from kafka_sentinel.core.connection import CLOCK_WRONG, NOBODY_ANSWERS, Trouble, ahead_of, clock
from kafka_sentinel.core.events import (
    CertificatesRead,
    ClusterObserved,
    ClusterUnreachable,
    ConnectionExamined,
    Event,
    QuorumObserved,
    QuorumUnreachable,
    RecordsAcked,
    RecordsRead,
)
from kafka_sentinel.core.types import Instant

UNREACHABLE = 2.0  # seconds without any broker until somebody looks why
QUIET = 10.0  # seconds, besides three probe intervals, without a record written or read
REFUSED = 30.0  # seconds for which a refused right is taken to be missing yet
FIRST_AGAIN, LAST_AGAIN = 5.0, 60.0  # seconds between two looks; each time it doubles
GIVE_UP = 60.0  # seconds after which a look that was asked for is not waited for


class ConnectionDesk:
    """`interval`: seconds between two probes."""

    def __init__(self, started: Instant, interval: float) -> None:
        self._quiet = QUIET + 3 * interval
        self._acked = self._read = started.mono
        self._refused = float("-inf")
        self._unreachable: float | None = None  # since when
        self._down: float | None = None  # since when some partition cannot be used
        self._asked: float | None = None  # when the look was asked for that is not answered yet
        self._next = started.mono
        self._again = FIRST_AGAIN
        self._trouble: Trouble | None = None  # as the last look found it
        self._clock: Trouble | None = None  # as the quorum's answers show it
        self._since = 0.0
        self._said = ""
        self._certificates: Mapping[str, float] = {}

    def take(self, event: Event) -> list[Command]:
        """Note what an event tells of the connection. Returns what there is to log."""
        match event:
            case RecordsAcked():
                self._acked = event.at.mono
            case RecordsRead() if event.sightings:
                self._read = event.at.mono
            case ClusterUnreachable():
                self._unreachable = event.asked.mono if self._unreachable is None else self._unreachable
            case ClusterObserved():
                self._unreachable = None
                if self._trouble is not None and self._trouble.reason in NOBODY_ANSWERS:
                    self._trouble = None
            case QuorumObserved():
                ahead = ahead_of(event.view.leader_time, event.asked.wall, event.at.wall)
                self._clock = clock(ahead) if ahead is not None and abs(ahead) >= CLOCK_WRONG else None
            case QuorumUnreachable():
                self.refused(event.reason, event.at)
            case CertificatesRead():
                self._certificates = event.expiries
            case ConnectionExamined():
                self._asked, self._trouble = None, event.trouble
                self._next, self._again = event.at.mono + self._again, min(2 * self._again, LAST_AGAIN)
        return self._say(event.at)

    def refused(self, error: str, at: Instant) -> None:
        """Note an error of Kafka's, by its name, if it is one of a right that we do not have."""
        if "authorization_failed" in error.lower() or "AuthorizationFailed" in error:
            self._refused = at.mono

    def tick(self, now: Instant, *, down: bool) -> list[Command]:
        """Ask for a look if there is reason to. `down`: some probe partition cannot be used."""
        if not self._is_suspect(now, down=down):
            self._trouble, self._next, self._again = None, now.mono, FIRST_AGAIN
            return self._say(now)
        if self._asked is not None and now.mono - self._asked > GIVE_UP:
            self._asked = None
        if self._asked is not None or now.mono < self._next:
            return []
        self._asked = now.mono
        return [Diagnose()]

    def status(self) -> dict[str, object]:
        """Return what is wrong, and when certificates expire (settings key → Unix time), as plain data."""
        shown = self._shown
        trouble = {"reason": shown.reason.value, "sentence": shown.sentence, "since": self._since} if shown else None
        return {"trouble": trouble, "certificates": dict(self._certificates)}

    @property
    def _shown(self) -> Trouble | None:
        return self._trouble or self._clock

    def _is_suspect(self, now: Instant, *, down: bool) -> bool:
        gone = self._unreachable is not None and now.mono - self._unreachable >= UNREACHABLE
        quiet = now.mono - min(self._acked, self._read) >= self._quiet
        self._down = (self._down if self._down is not None else now.mono) if down else None
        partly = self._down is not None and now.mono - self._down >= self._quiet
        return gone or quiet or partly or now.mono - self._refused < REFUSED

    def _say(self, at: Instant) -> list[Command]:
        """Log what is wrong once, and that it is over. Numbers that go on in the same sentence make it no other."""
        shown = self._shown
        said = f"{shown.reason} {re.sub(r'[0-9]+', '', shown.sentence)}" if shown is not None else ""
        if said == self._said:
            return []
        self._said, self._since = said, at.wall
        if shown is None:
            return [Log("info", "nothing is wrong with the connection to Kafka any more", {})]
        return [Log("warning", "Kafka cannot be used as it should", {"reason": shown.reason, "why": shown.sentence})]
