"""Whether anything outside still answers: if nothing does, it is Sentinel that is cut off, and not Kafka that is down.

That needs a witness besides Kafka, the Kubernetes API server. Without one, who can reach no broker wants to be told so.

What counts is what only the greater part of the world can say. A broker that is cut off together with Sentinel goes on
to answer metadata and takes records at acks=1; but nothing is acknowledged by all, and the quorum does not answer.
"""

from __future__ import annotations

from kafka_sentinel.core.events import (
    Event,
    LeaseObserved,
    ObjectChanged,
    ObjectDeleted,
    ObjectsListed,
    QuorumObserved,
    RecordsAcked,
    RecordsRead,
    WatchAlive,
    WatchBroken,
)
from kafka_sentinel.core.types import Acks, Instant


class Hearing:
    """`cut_off`: seconds of silence from everything that are no chance; None: there is no witness."""

    def __init__(self, cut_off: float | None, started: Instant) -> None:
        self._cut_off = cut_off
        self._last = started.mono

    def take(self, event: Event) -> None:
        if _is_word_from_outside(event):
            self._last = max(self._last, event.at.mono)

    @property
    def last(self) -> float:
        """When something was heard last, monotonic seconds; infinity where there is no witness."""
        return self._last if self._cut_off is not None else float("inf")

    def is_blind(self, now: Instant) -> bool:
        return self._cut_off is not None and now.mono - self._last > self._cut_off


def _is_word_from_outside(event: Event) -> bool:
    match event:
        case RecordsAcked(partition=partition):
            return partition.acks is Acks.ALL
        case RecordsRead(partition=partition, sightings=sightings):
            return partition.acks is Acks.ALL and bool(sightings)
        case QuorumObserved() | ObjectsListed() | ObjectChanged() | ObjectDeleted() | WatchAlive():
            return True
        case LeaseObserved(answered=answered):
            return answered
        case WatchBroken(code=code):
            return code.isdigit()  # an HTTP status: the API server refuses, but it is there
        case _:
            return False
