"""What adapters post, kept and asked about."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import TypeVar

from kafka_sentinel.core.events import Event, RecordsAcked, RecordsRead, RecordsRejected, RecordsSent, RecordsUncertain
from kafka_sentinel.core.ranges import RangeSet
from kafka_sentinel.core.types import Instant

T = TypeVar("T")
Found = TypeVar("Found")


def now() -> Instant:
    return Instant(time.monotonic(), time.time())


class Mailbox:
    """Keeps what adapters post, in order, and fails the test when one of their threads dies."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.deaths: list[tuple[str, BaseException]] = []

    def post(self, events: Sequence[Event]) -> None:
        self.events.extend(events)

    def on_death(self, name: str, error: BaseException) -> None:
        self.deaths.append((name, error))

    def of(self, kind: type[T]) -> list[T]:
        return [event for event in list(self.events) if isinstance(event, kind)]

    def until(self, condition: Callable[[], Found], timeout: float = 20.0) -> Found:
        deadline = time.monotonic() + timeout
        while not (found := condition()):
            assert not self.deaths, self.deaths
            assert time.monotonic() < deadline, f"it did not happen; last: {self.events[-5:]}"
            time.sleep(0.01)
        return found

    def first(self, kind: type[T], timeout: float = 20.0) -> T:
        return self.until(lambda: self.of(kind), timeout)[0]

    # --- what became of the records of one partition

    def sent(self, partition: int = 0) -> RangeSet:
        return _members(self.of(RecordsSent), partition)

    def rejected(self, partition: int = 0) -> RangeSet:
        return _members(self.of(RecordsRejected), partition)

    def uncertain(self, partition: int = 0) -> RangeSet:
        return _members(self.of(RecordsUncertain), partition)

    def acked(self, partition: int = 0) -> RangeSet:
        events = [event for event in self.of(RecordsAcked) if event.partition.partition == partition]
        return RangeSet.of((span.first, span.count) for event in events for span in event.spans)

    def read(self, partition: int = 0) -> RangeSet:
        events = [event for event in self.of(RecordsRead) if event.partition.partition == partition]
        return RangeSet.of((one.first, one.count) for event in events for one in event.sightings if one.run)


def _members(events: Sequence[RecordsSent | RecordsRejected | RecordsUncertain], partition: int) -> RangeSet:
    return RangeSet.of((event.first, event.count) for event in events if event.partition.partition == partition)
