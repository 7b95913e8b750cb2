"""Fences: the first record of ours that was sent after something happened, and was acknowledged with an offset.

A reader that has read a fence at its offset has seen the log as it stood after that something.
"""

from __future__ import annotations

from dataclasses import dataclass

from kafka_sentinel.core.types import Fence, Instant, Span


@dataclass(slots=True)
class _Wait:
    since: Instant
    run: int = 0
    sequence: int | None = None  # the candidate: sent after `since`, its fate not known yet
    fence: Fence | None = None


class Fences:
    """The waits of one partition. Bounded by who asks: each question holds at most one."""

    def __init__(self) -> None:
        self._waits: dict[int, _Wait] = {}

    def wait(self, key: int, since: Instant) -> None:
        """Look for a record sent at or after `since`; an earlier wait of that key is replaced."""
        self._waits[key] = _Wait(since)

    def ready(self, key: int) -> Fence | None:
        wait = self._waits.get(key)
        return wait.fence if wait else None

    def under_way(self, key: int) -> bool:
        """Whether a record has been sent that may become the fence, or is it already."""
        wait = self._waits.get(key)
        return wait is not None and wait.sequence is not None

    def forget(self, key: int) -> None:
        self._waits.pop(key, None)

    def sent(self, run: int, first: int, at: Instant) -> None:
        for wait in self._waits.values():
            if wait.sequence is None and at.mono >= wait.since.mono:
                wait.run, wait.sequence = run, first

    def acked(self, run: int, spans: tuple[Span, ...]) -> None:
        for wait in self._waits.values():
            if wait.fence is None and wait.sequence is not None and wait.run == run:
                _take(wait, spans, wait.sequence)

    def gave_up(self, run: int, first: int, count: int) -> None:
        """Take the next send instead of a candidate that was rejected or is uncertain."""
        for wait in self._waits.values():
            candidate = wait.sequence if wait.fence is None and wait.run == run else None
            if candidate is not None and first <= candidate < first + count:
                wait.sequence = None

    def void_from(self, offset: int) -> None:
        """What stood at or above `offset` is gone: fences there mark nothing, and the next sends take their place."""
        for wait in self._waits.values():
            if wait.fence is not None and wait.fence.offset >= offset:
                wait.sequence = wait.fence = None

    def restart(self) -> None:
        """Begin all waits anew: whatever is in flight may go to a topic that is no more."""
        for wait in self._waits.values():
            wait.sequence = wait.fence = None

    def run_ended(self, run: int) -> None:
        for wait in self._waits.values():
            if wait.fence is None and wait.run == run:
                wait.sequence = None


def _take(wait: _Wait, spans: tuple[Span, ...], candidate: int) -> None:
    for span in spans:
        if span.first <= candidate < span.first + span.count:
            if span.offset is None or span.offset < 0:
                wait.sequence = None  # acknowledged, but nobody knows where: it marks no place in the log
            else:
                wait.fence = Fence(wait.run, candidate, span.offset + candidate - span.first)
            return
