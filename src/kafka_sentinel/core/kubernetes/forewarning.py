"""What is exposed is said in the log before it happens: once for a node, a zone, the spot pool; again if it grew."""

from __future__ import annotations

from typing import NamedTuple

from kafka_sentinel.core.commands import Log
from kafka_sentinel.core.kubernetes.exposure import Domain, Exposed, Exposure
from kafka_sentinel.core.types import Instant

MAX_LINES = 5  # said at one change, the worst; of the others only how many there are
SAY_AGAIN = 600.0  # seconds before a risk that grew is said again: topics are made one by one
MAX_SAID = 1_000  # risks remembered; the oldest is forgotten, and may be said again


class _Extent(NamedTuple):
    partitions: int
    bare: int
    quorum: bool


class Forewarning:
    def __init__(self) -> None:
        self._said: dict[tuple[Domain, str], tuple[_Extent, Instant]] = {}
        self._judged: Exposure | None = None

    def take(self, found: Exposure | None, now: Instant) -> list[Log]:
        """Return what is news in what is exposed now."""
        if found is None or found is self._judged:
            return []
        self._judged = found
        bad = {(one.domain, one.name): one for one in found.each if one.is_risk}
        if not found.unplaced:  # while a pod moves, its node exposes less: that is not the end of a risk
            self._said = {key: said for key, said in self._said.items() if key in bad}
        news = [one for one in bad.values() if self._is_news(one, now)]
        for one in news:
            self._said[one.domain, one.name] = _extent(one), now
        while len(self._said) > MAX_SAID:
            self._said.pop(next(iter(self._said)))
        logs = [_log(one) for one in news[:MAX_LINES]]
        if len(news) > MAX_LINES:
            logs.append(Log("warning", "placement risks not named", {"count": len(news) - MAX_LINES}))
        return logs

    def _is_news(self, one: Exposed, now: Instant) -> bool:
        known = self._said.get((one.domain, one.name))
        if known is None:
            return True
        grew = any(new > old for new, old in zip(_extent(one), known[0], strict=True))
        return grew and now.mono - known[1].mono >= SAY_AGAIN


def _extent(one: Exposed) -> _Extent:
    return _Extent(one.partitions, one.bare, one.quorum)


def _log(one: Exposed) -> Log:
    return Log("warning", "placement risk", {"risk": one.sentence(), "members": list(one.members)})
