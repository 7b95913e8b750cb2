"""`kafka-sentinel run`, with what it hears written down before any ledger does: what a killed one knew.

Usage: python -m tests.kafka.tapped TAP_FILE CONFIG_FILE. One line of JSON for each span of records acknowledged or
read: ["acked" or "read", acks, partition, run, first sequence, count]. A line stays, whatever kills the process.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator, Sequence

from kafka_sentinel import runtime
from kafka_sentinel.cli import main
from kafka_sentinel.core.events import Event, RecordsAcked, RecordsRead
from kafka_sentinel.core.types import SightingKind

TAP = os.open(sys.argv[1], os.O_WRONLY | os.O_CREAT | os.O_APPEND)


def heard(event: Event) -> Iterator[tuple[str, str, int, str, int, int]]:
    if isinstance(event, RecordsAcked):
        for span in event.spans:
            yield "acked", event.partition.acks.value, event.partition.partition, f"{event.run:016x}", *span[:2]
    elif isinstance(event, RecordsRead):
        for seen in event.sightings:
            if seen.kind is SightingKind.RECORD:
                where = event.partition
                yield "read", where.acks.value, where.partition, f"{seen.run:016x}", seen.first, seen.count


class Tapped(runtime.Runtime):
    def post(self, events: Sequence[Event]) -> None:
        lines = [json.dumps(line) for event in events for line in heard(event)]
        if lines:
            os.write(TAP, ("\n".join(lines) + "\n").encode())
        super().post(events)


runtime.Runtime = Tapped
sys.argv = ["kafka-sentinel", "run", "--config", sys.argv[2]]
main()
