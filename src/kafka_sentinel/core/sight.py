"""Whether it is Sentinel that is cut off, rather than Kafka that is down.

From outside both look the same, so it takes a witness: something besides the brokers that was heard and is heard no
more, the API server of Kubernetes. Without one Sentinel is never blind: who gave it nothing but brokers wants to be
told that none can be reached.

Kafka is heard when a record is acknowledged or read, or metadata answered; the witness when it answers at all, be it
with a refusal. Neither is heard all the time, and it takes seconds to be sure that one is silent. What fails meanwhile
cannot be judged yet: it is Kafka's doing once anybody was heard after it, and ours once the witness is known to be gone.
"""

from __future__ import annotations

from kafka_sentinel.core.events import (
    ClusterObserved,
    ClusterUnreachable,
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
from kafka_sentinel.core.types import Instant

SILENT = 5.0  # seconds without a word after which somebody who failed to answer is taken to be out of reach
NO_ANSWER = frozenset({"unreachable", "timeout", "broken"})  # codes of a watch to which nobody said anything


class Sight:
    """`witness`: there is one."""

    def __init__(self, started: Instant, *, witness: bool) -> None:
        self.kafka_answers = False  # to metadata, the last time it was asked
        self._witness = witness
        self._kafka = self._witnessed = started.mono  # when they were heard last; at the start nothing failed yet
        self._failed: float | None = None  # since when the witness, once asked, gives no answer

    def take(self, event: Event) -> None:
        """Note who is heard by this event, and who is not."""
        at = event.at.mono
        match event:
            case RecordsAcked() | RecordsRead() | QuorumObserved():
                self._kafka = max(self._kafka, at)
            case ClusterObserved():
                self._kafka, self.kafka_answers = max(self._kafka, at), True
            case ClusterUnreachable():
                self.kafka_answers = False
            case ObjectsListed() | ObjectChanged() | ObjectDeleted() | WatchAlive():
                self._hear_witness(at)
            case LeaseObserved(answered=answered):
                self._hear_witness(at) if answered else self._miss_witness(at)
            case WatchBroken(code=code) if code.isdigit():  # an HTTP status: an answer, whatever it says
                self._hear_witness(at)
            case WatchBroken(code=code) if code in NO_ANSWER:
                self._miss_witness(at)

    @property
    def heard(self) -> float:
        """Monotonic second at which anybody was heard last; infinity where there is no witness to wait for."""
        return max(self._kafka, self._witnessed) if self._witness else float("inf")

    def is_blind(self, now: Instant) -> bool:
        if self._failed is None or self.kafka_answers:
            return False
        return now.mono - max(self._kafka, self._witnessed) >= SILENT

    def _hear_witness(self, at: float) -> None:
        self._witnessed, self._failed = max(self._witnessed, at), None

    def _miss_witness(self, at: float) -> None:
        if self._failed is None and self._witness:
            self._failed = at
