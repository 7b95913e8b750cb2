"""`kafka-sentinel run`, every acknowledgement written down before any ledger sees it: what a killed one knew.

Usage: python -m tests.kafka.tapped TAP_FILE CONFIG_FILE. One line of JSON for each span of acknowledged records:
[acks, partition, run, first sequence, count, offset or null]. What was written stays, whatever kills the process.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Sequence

from kafka_sentinel import runtime
from kafka_sentinel.cli import main
from kafka_sentinel.core.events import Event, RecordsAcked

TAP = os.open(sys.argv[1], os.O_WRONLY | os.O_CREAT | os.O_APPEND)


class Tapped(runtime.Runtime):
    def post(self, events: Sequence[Event]) -> None:
        lines = [
            json.dumps([event.partition.acks.value, event.partition.partition, f"{event.run:016x}", *span])
            for event in events
            if isinstance(event, RecordsAcked)
            for span in event.spans
        ]
        if lines:
            os.write(TAP, ("\n".join(lines) + "\n").encode())
        super().post(events)


runtime.Runtime = Tapped
sys.argv = ["kafka-sentinel", "run", "--config", sys.argv[2]]
main()
