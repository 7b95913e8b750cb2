"""Telling that a client hangs, and leaving it behind.

A consumer of librdkafka can lock itself up when a broker leaves the cluster while it is asked where an epoch ended
(librdkafka #5476, in 2.10 to 2.16 at least): two brokers that go one after the other are enough. It raises no error,
and whoever calls it waits for ever, in many calls with the interpreter's lock in hand. So nothing is asked of a client
whose own thread has stopped reporting: it is left to a thread that may wait, and a new one takes its place.
"""

from __future__ import annotations

import threading

from confluent_kafka import Consumer

from kafka_sentinel.adapters.kafka_client import ClientProperties, Now
from kafka_sentinel.core.events import AdapterError
from kafka_sentinel.core.types import Instant

REPORTS_EVERY = 1.0  # seconds between two reports of a client's own thread, whatever Kafka does
HANGS_AFTER = 5.0  # seconds without one; below the silence after which a partition is assigned anew
MAX_LEFT_BEHIND = 8  # clients that may be ending, or hang, at a time
REPORTING: ClientProperties = {"statistics.interval.ms": int(REPORTS_EVERY * 1_000)}
_NAME = "ending-client"


class ClientHangsError(Exception):
    """Clients hang again and again: only a new process helps."""


class Pulse:
    """Listens to one client, which needs the properties `REPORTING` and `take` as its `stats_cb`."""

    def __init__(self, now: Now) -> None:
        self._now = now
        self._last = now().mono

    def take(self, _report: str) -> None:
        """Take a report, as librdkafka's STATISTICS.md describes it: that there is one is what counts."""
        self._last = self._now().mono

    def hangs(self, at: Instant) -> bool:
        """Tell whether the client's own thread has stopped; to be asked while its events are being polled."""
        return at.mono - self._last >= HANGS_AFTER


def leave_behind(client: Consumer, wait: float = 0.0) -> None:
    """Close a client, waiting at most `wait` seconds. Raises ClientHangsError if too many have not ended yet."""
    if sum(thread.name == _NAME for thread in threading.enumerate()) >= MAX_LEFT_BEHIND:
        raise ClientHangsError(f"{MAX_LEFT_BEHIND} Kafka clients have not ended")
    ending = threading.Thread(target=client.close, name=_NAME, daemon=True)
    ending.start()
    ending.join(wait)


def hung(at: Instant, subject: str) -> AdapterError:
    """Say that a client was left behind because it hangs."""
    return AdapterError(at, subject, "CLIENT_HANGS", "the Kafka client hangs: a new one is taken")
