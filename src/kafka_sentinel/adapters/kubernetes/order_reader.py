"""Looks every few seconds for a pause and for orders. A pause is told when it changes, an order once."""

from __future__ import annotations

from kafka_sentinel.adapters.kafka_client import Now, OnDeath, Post, Worker
from kafka_sentinel.adapters.kubernetes.state_configmap import StateConfigMap
from kafka_sentinel.adapters.state_file import StateFileError
from kafka_sentinel.core.events import AdapterError, OrderGiven, PauseSeen

LOOK_EVERY = 2.0  # seconds


class OrderReader:
    """Takes orders off before it tells of them, those with a problem too: they are refused aloud."""

    def __init__(
        self, state: StateConfigMap, *, post: Post, now: Now, on_death: OnDeath, every: float = LOOK_EVERY
    ) -> None:
        """`state` takes nothing off while the Lease is not held."""
        self._state = state
        self._post = post
        self._now = now
        self._every = every
        self._paused: PauseSeen | None = None  # as it was told; None: not yet
        self._problem = ""
        self._worker = Worker("orders", self._run, on_death)

    def start(self) -> None:
        self._worker.start()

    def stop(self, timeout: float) -> bool:
        """Return whether the thread has ended within `timeout` seconds. May be called again."""
        return self._worker.stop(timeout)

    def _run(self) -> None:
        while not self._worker.stopping.is_set():
            self.look()
            self._worker.stopping.wait(self._every)

    def look(self) -> None:
        """Look once, and tell what there is to tell."""
        try:
            self._look()
        except StateFileError as error:
            if str(error) != self._problem:
                self._problem = str(error)
                self._post([AdapterError(self._now(), "orders", "state", self._problem)])
        else:
            self._problem = ""

    def _look(self) -> None:
        found = self._state.orders()
        if self._paused is None or found.paused != self._paused.by:  # before any order: a pause overrules them
            self._paused = PauseSeen(self._now(), found.paused)
            self._post([self._paused])
        for order in found.orders if self._state.may_be_written() else ():
            if self._state.consume(order):
                given = OrderGiven(self._now(), order.kind, order.subject, order.nonce, order.problem)
                self._post([given])
