"""The self-test: on a schedule the detector has to find what is done to a shadow of it, and says so if it does not.

A monitor that sees nothing shows what one shows that has nothing to see. So the stories of `drills.py` are played
before a desk of their own, in this very process: what is counted of real records, saved or charged knows nothing of it.

One story is played at each tick, which takes some milliseconds: the engine is not held up.
"""

from __future__ import annotations

from kafka_sentinel.core.commands import Command, Count, Log
from kafka_sentinel.core.drills import Anomaly, Played, play
from kafka_sentinel.core.shadow import MakeDesk
from kafka_sentinel.core.types import Instant

FIRST = 5.0  # seconds from the start to the first drill: what comes up first comes up undisturbed
MAX_WORDS = 300  # characters of why one anomaly was missed


class SelfTest:
    """A drill is all stories, played once. None is kept in the state: the first one comes soon after a start."""

    def __init__(self, make: MakeDesk, interval: float | None, started: Instant) -> None:
        """`interval`: seconds between the beginnings of two drills; None: there are none."""
        self._make = make
        self._interval = interval
        self._next = started.mono + FIRST
        self._to_play: list[Anomaly] = []
        self._control = Played()  # how the story without an anomaly ended, in this drill
        self._missed: dict[Anomaly, str] = {}  # in this drill, and why
        self._last: tuple[Instant, tuple[Anomaly, ...]] | None = None  # when the last drill ended, and what it missed

    def tick(self, now: Instant) -> list[Command]:
        if self._to_play:
            return self._drill(self._to_play.pop(0), now)
        if self._interval is not None and now.mono >= self._next:
            self._next = now.mono + self._interval
            self._to_play, self._missed = list(Anomaly), {}
            self._control = play(None, self._make, now)
        return []

    def _drill(self, anomaly: Anomaly, now: Instant) -> list[Command]:
        why = _why_missed(anomaly, play(anomaly, self._make, now), self._control)
        if why:
            self._missed[anomaly] = why[:MAX_WORDS]
        labels = (("anomaly", anomaly.value), ("result", "missed" if why else "detected"))
        commands: list[Command] = [Count("selftest_total", labels)]
        if not self._to_play:
            self._last = (now, tuple(self._missed))
            if self._missed:
                fields = {anomaly.value: why for anomaly, why in self._missed.items()}
                commands.append(Log("error", "self-test: the detector is not to be trusted", fields))
        return commands

    def status(self, now: Instant) -> dict[str, object] | None:
        """Return the last drill as plain data: `at` is None before the end of the first. None: there are none."""
        if self._interval is None:
            return None
        at, missed = self._last if self._last is not None else (None, ())
        return {
            "at": at.wall if at is not None else None,
            "next_run": round(now.wall + self._next - now.mono, 3),  # the same each time it is told
            "detected": [one.value for one in Anomaly if one not in missed] if at is not None else [],
            "missed": [one.value for one in missed],
        }


def _why_missed(anomaly: Anomaly, played: Played, control: Played) -> str:
    """Return why an anomaly does not count as detected, "" if it does.

    Who finds it where it is not has not detected it. If the control went wrong otherwise, nothing is known to be right.
    """
    if played.problem:
        return played.problem
    if control.wrong <= set(Anomaly) and anomaly not in control.wrong:
        return ""
    return f"where nothing was injected: {control.problem}"
