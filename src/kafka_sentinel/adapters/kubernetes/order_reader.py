"""Looks for orders every few seconds, and tells of each once."""

from __future__ import annotations

from collections.abc import Callable

from kafka_sentinel.adapters.kafka_client import Now, OnDeath, Post, Worker
from kafka_sentinel.adapters.kubernetes.orders import Order
from kafka_sentinel.adapters.kubernetes.state_configmap import StateConfigMap
from kafka_sentinel.adapters.state_file import StateFileError
from kafka_sentinel.core.events import AdapterError

LOOK_EVERY = 2.0  # seconds

Tell = Callable[[str | None, tuple[Order, ...]], None]


class OrderReader:
    """`tell` is called in this thread when a pause begins or ends, and with orders, which have been taken off before.

    Orders with a `problem` are told too, to be refused aloud. While the Lease is another's, nothing is taken off.
    """

    def __init__(
        self,
        state: StateConfigMap,
        tell: Tell,
        *,
        holds: Callable[[], bool],
        post: Post,
        now: Now,
        on_death: OnDeath,
        every: float = LOOK_EVERY,
    ) -> None:
        self._state = state
        self._tell = tell
        self._holds = holds
        self._post = post
        self._now = now
        self._every = every
        self._paused: str | None = None
        self._problem = ""
        self._worker = Worker("orders", self._run, on_death)

    def start(self) -> None:
        self._worker.start()

    def stop(self, timeout: float) -> bool:
        """Return whether the thread has ended within `timeout` seconds. May be called again."""
        return self._worker.stop(timeout)

    def _run(self) -> None:
        while not self._worker.stopping.is_set():
            try:
                self._look()
            except StateFileError as error:
                if str(error) != self._problem:
                    self._problem = str(error)
                    self._post([AdapterError(self._now(), "orders", "state", self._problem)])
            else:
                self._problem = ""
            self._worker.stopping.wait(self._every)

    def _look(self) -> None:
        found = self._state.orders()
        if found.paused != self._paused:  # before any order: a pause overrules them
            self._paused = found.paused
            self._tell(found.paused, ())
        for order in found.orders if self._holds() else ():
            if self._state.consume(order):
                self._tell(found.paused, (order,))
