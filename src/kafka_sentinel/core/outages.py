"""Which incident an outage belongs to, and the seconds of unavailability under its cause as it was at the time."""

from __future__ import annotations

from collections.abc import Collection

from kafka_sentinel.core.commands import Count
from kafka_sentinel.core.incident import Cause, Incident
from kafka_sentinel.core.slots import Operation, SlotChanges
from kafka_sentinel.core.types import ProbePartition


class Outages:
    """Remembers the newest outage of each probe partition and operation, also for the seconds told after its end."""

    def __init__(self) -> None:
        self._owners: dict[tuple[Operation, ProbePartition], Incident] = {}

    def began(self, operation: Operation, partition: ProbePartition, incident: Incident) -> None:
        self._owners[operation, partition] = incident

    def keep(self, partitions: Collection[ProbePartition]) -> None:
        self._owners = {key: owner for key, owner in self._owners.items() if key[1] in partitions}

    def counts(self, changes: SlotChanges) -> list[Count]:
        """Return the seconds by operation and cause. Those of any partition go to the newest incident."""
        counts = []
        for key, seconds in changes.partition_seconds.items():
            owner = self._owners.get(key)
            counts.append(_count("partition_unavailable_seconds_total", key[0], owner, seconds))
        for operation, seconds in changes.any_seconds.items():
            keys = [key for key in changes.partition_seconds if key[0] is operation and key in self._owners]
            newest = max((self._owners[key] for key in keys), key=lambda one: one.started.mono, default=None)
            if seconds > 0:
                counts.append(_count("unavailable_seconds_total", operation, newest, seconds))
        return counts


def _count(metric: str, operation: Operation, owner: Incident | None, seconds: float) -> Count:
    cause = owner.cause if owner is not None else Cause.UNKNOWN
    return Count(metric, (("operation", operation.value), ("cause", cause.value)), seconds)
