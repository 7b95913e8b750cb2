"""Whose the seconds of unavailability are: of the incident that was the newest when they were told."""

from __future__ import annotations

from dataclasses import dataclass

from kafka_sentinel.core.commands import Count
from kafka_sentinel.core.incident import Cause
from kafka_sentinel.core.outages import Outages
from kafka_sentinel.core.slots import Operation, SlotChanges
from kafka_sentinel.core.types import Acks, Instant, ProbePartition

PRODUCE, CONSUME = Operation.PRODUCE, Operation.CONSUME
P0, P1, P2 = (ProbePartition(Acks.ALL, number) for number in range(3))


@dataclass
class Struck:
    """An incident, as far as it is asked."""

    cause: Cause
    mono: float

    @property
    def started(self):
        return Instant(self.mono, 0.0)


def changes(partitions, **of_any):
    return SlotChanges({}, (), partitions, {Operation(name): seconds for name, seconds in of_any.items()}, 0.0)


def told(outages, partitions, **of_any):
    """Return (operation, cause, seconds), of each partition and of any."""
    counts = outages.counts(changes(partitions, **of_any))
    assert all(isinstance(one, Count) for one in counts)

    def of(metric):
        return [(*(value for _, value in one.labels), one.amount) for one in counts if one.metric == metric]

    return of("partition_unavailable_seconds_total"), of("unavailable_seconds_total")


def test_seconds_of_any_partition_are_the_newest_incidents_of_those_that_are_down():
    outages = Outages()
    outages.began(PRODUCE, P0, Struck(Cause.SPOT, 5.0))
    outages.began(PRODUCE, P1, Struck(Cause.CRASH, 9.0))
    outages.began(PRODUCE, P2, Struck(Cause.DRAIN, 99.0))  # it is not down any more
    outages.began(CONSUME, P0, Struck(Cause.OOM, 50.0))
    down = {(PRODUCE, P0): 1.0, (PRODUCE, P1): 2.0, (CONSUME, P0): 0.5}
    each, of_any = told(outages, down, produce=2.5, consume=0.5)
    assert each == [("produce", "spot", 1.0), ("produce", "crash", 2.0), ("consume", "oom", 0.5)]
    assert of_any == [("produce", "crash", 2.5), ("consume", "oom", 0.5)]


def test_the_newest_outage_of_a_partition_counts_also_after_its_end():
    outages = Outages()
    for cause in (Cause.SPOT, Cause.CRASH):
        outages.began(PRODUCE, P0, Struck(cause, 5.0))
    assert told(outages, {(PRODUCE, P0): 1.0}, produce=1.0) == (
        [("produce", "crash", 1.0)],
        [("produce", "crash", 1.0)],
    )


def test_what_no_incident_owns_is_of_unknown_cause():
    outages = Outages()
    outages.began(PRODUCE, P0, Struck(Cause.SPOT, 5.0))
    outages.began(PRODUCE, P1, Struck(Cause.SPOT, 5.0))
    outages.keep({P1})
    assert told(outages, {(PRODUCE, P0): 1.0}, produce=1.0) == (
        [("produce", "unknown", 1.0)],
        [("produce", "unknown", 1.0)],
    )
    assert told(outages, {(PRODUCE, P1): 1.0})[0] == [("produce", "spot", 1.0)]


def test_no_seconds_of_any_partition_are_not_told():
    assert told(Outages(), {}, produce=0.0) == ([], [])
    assert told(Outages(), {(PRODUCE, P0): 0.0}, produce=0.25)[1] == [("produce", "unknown", 0.25)]
