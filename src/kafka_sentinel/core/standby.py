"""A Sentinel that waits for the Lease. It probes, injects and writes nothing, and says who keeps it waiting."""

from __future__ import annotations

from kafka_sentinel.core.commands import Log
from kafka_sentinel.core.engine import Engine, EngineConfig
from kafka_sentinel.core.events import LeaseObserved
from kafka_sentinel.core.types import Instant


class Standby:
    def __init__(self, config: EngineConfig, started: Instant) -> None:
        self._engine = Engine(config, run=0, started=started, state=None)  # takes no event: what it shows is empty
        self._said: tuple[str, bool] | None = None

    def take(self, event: LeaseObserved) -> list[Log]:
        """Note how the Lease stands. Returns what there is to say, once for each holder."""
        self._engine.control.lease = event
        said = (event.holder, bool(event.problem))
        if event.held(event.at) or said == self._said:
            return []
        self._said = said
        if event.problem:
            return [Log("warning", "standing by: the Lease cannot be asked for", {"reason": event.problem})]
        return [Log("info", "standing by: another Kafka Sentinel holds the Lease", {"holder": event.holder})]

    def may_begin(self, now: Instant) -> bool:
        lease = self._engine.control.lease
        return lease is not None and lease.held(now)

    def status(self, now: Instant) -> dict[str, object]:
        """Return a status snapshot: nothing is known but the Lease, and nothing is drilled."""
        self._engine.now = now
        return {**self._engine.status(), "health": "standby", "selftest": None}
