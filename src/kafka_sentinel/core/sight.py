"""Whether it is Sentinel that is cut off, rather than Kafka that is down.

From outside both look the same, so it takes a witness: something besides the brokers that was heard and is heard no
more, the API server of Kubernetes. Without one Sentinel is never blind: who gave it nothing but brokers wants to be
told that none can be reached.

Kafka is heard when a record is acknowledged or read, or metadata answered; the witness when it answers at all, be it
with a refusal. Neither is heard all the time, and it takes seconds to be sure that one is silent. What fails meanwhile
cannot be judged yet: it is Kafka's doing once anybody was heard after it, ours once the witness is known to be gone.
"""

from __future__ import annotations

from kafka_sentinel.core.events import (
    ClusterObserved,
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

SILENT = 5.0  # seconds without a word, at least, after which somebody who failed to answer is taken to be out of reach
NO_ANSWER = frozenset({"unreachable", "timeout", "broken"})  # codes of a watch to which nobody said anything


class Sight:
    """`witness`: there is one. `interval`: seconds between two probes; in one of them nobody need be heard."""

    def __init__(self, started: Instant, *, witness: bool, interval: float = 0.0) -> None:
        self._witness = witness
        self._patience = max(SILENT, 2 * interval)
        self._heard = started.mono  # when anybody was heard last
        self._missed = False  # the witness was asked since it was heard, and gave no answer

    def take(self, event: Event) -> None:
        """Note who is heard by this event, and who is not."""
        at = event.at.mono
        match event:
            case RecordsAcked() | RecordsRead() | ClusterObserved() | QuorumObserved():
                self._heard = max(self._heard, at)
            case ObjectsListed() | ObjectChanged() | ObjectDeleted() | WatchAlive():
                self._hear_witness(at)
            case LeaseObserved(answered=True):
                self._hear_witness(at)
            case WatchBroken(code=code) if code.isdigit():  # an HTTP status: an answer, whatever it says
                self._hear_witness(at)
            case LeaseObserved():
                self._missed = True
            case WatchBroken(code=code) if code in NO_ANSWER:
                self._missed = True

    @property
    def heard(self) -> float:
        """Monotonic second at which anybody was heard last; infinity where there is no witness to wait for."""
        return self._heard if self._witness else float("inf")

    def is_blind(self, now: Instant) -> bool:
        """Tell whether nobody is heard any more. That Kafka is not said to be away shows nothing: a client may hang."""
        return self._witness and self._missed and now.mono - self._heard >= self._patience

    def _hear_witness(self, at: float) -> None:
        self._heard, self._missed = max(self._heard, at), False
