"""The words of availability: slots, their results, and what is known of them after each tick."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, NamedTuple

from kafka_sentinel.core.types import Instant, ProbePartition


class Operation(StrEnum):
    PRODUCE = "produce"
    CONSUME = "consume"


class SlotResult(StrEnum):
    GOOD = "good"
    BAD = "bad"
    BLIND = "blind"


class Edge(NamedTuple):
    """A partition became (un)available. `at`: send of its first bad slot, or ack (read) of its first good one."""

    operation: Operation
    partition: ProbePartition
    available: bool
    at: Instant


@dataclass(frozen=True, slots=True)
class SlotChanges:
    """What came to be known since the tick before; seconds are those that were added, `edges` are in their order."""

    slots: Mapping[tuple[Operation, SlotResult], int]
    edges: tuple[Edge, ...]
    partition_seconds: Mapping[tuple[Operation, ProbePartition], float]
    any_seconds: Mapping[Operation, float]
    blind_seconds: float


@dataclass(slots=True)
class Totals:
    """Since Sentinel's state began. Seconds of unavailability: of any partition, and summed over partitions."""

    slots: Counter[tuple[Operation, SlotResult]] = field(default_factory=Counter)
    any_seconds: dict[Operation, float] = field(default_factory=lambda: dict.fromkeys(Operation, 0.0))
    partition_seconds: dict[Operation, float] = field(default_factory=lambda: dict.fromkeys(Operation, 0.0))
    blind_seconds: float = 0.0

    def ratio(self, operation: Operation) -> float | None:
        """Return the share of good slots among the good and bad ones; None before the first."""
        good, bad = self.slots[operation, SlotResult.GOOD], self.slots[operation, SlotResult.BAD]
        return good / (good + bad) if good + bad else None

    def add(self, changes: SlotChanges) -> None:
        self.slots.update(changes.slots)
        self.blind_seconds += changes.blind_seconds
        for operation, seconds in changes.any_seconds.items():
            self.any_seconds[operation] += seconds
        for (operation, _), seconds in changes.partition_seconds.items():
            self.partition_seconds[operation] += seconds

    def to_state(self) -> dict[str, Any]:
        return {
            "slots": [[operation, result, count] for (operation, result), count in sorted(self.slots.items())],
            "any_seconds": dict(self.any_seconds),
            "partition_seconds": dict(self.partition_seconds),
            "blind_seconds": self.blind_seconds,
        }

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> Totals:
        """Restore what `to_state` gave. Raises KeyError, TypeError or ValueError for anything else."""
        slots = {(Operation(operation), SlotResult(result)): int(n) for operation, result, n in state["slots"]}
        return cls(
            Counter(slots),
            {operation: float(state["any_seconds"][operation]) for operation in Operation},
            {operation: float(state["partition_seconds"][operation]) for operation in Operation},
            float(state["blind_seconds"]),
        )
