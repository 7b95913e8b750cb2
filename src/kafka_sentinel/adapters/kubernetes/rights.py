"""Asks the API server, now and then, whether Sentinel may do what its faults need, before one is tried in vain."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from kafka_sentinel.adapters.kafka_client import Now, OnDeath, Post, Worker
from kafka_sentinel.adapters.kubernetes.access_review import Places, ask, by_row, sentence
from kafka_sentinel.adapters.kubernetes.api import Api
from kafka_sentinel.adapters.kubernetes.errors import ApiError
from kafka_sentinel.adapters.kubernetes.permissions import PERMISSIONS, Permission
from kafka_sentinel.core.events import RightsObserved
from kafka_sentinel.core.faults import FaultKind

ASK_EVERY = 300.0  # seconds: rights change rarely
ASK_AGAIN = 10.0  # seconds, after the server gave no answer
READING = frozenset({"get", "list", "watch"})


class Rights:
    """Posts RightsObserved. `faults`: those that are configured."""

    def __init__(
        self, api: Api, places: Places, faults: Collection[FaultKind], *, post: Post, now: Now, on_death: OnDeath
    ) -> None:
        self._api = api
        self._places = places
        self._faults = frozenset(faults)
        self._rows = tuple(row for row in PERMISSIONS if self._is_needed(row))
        self._post = post
        self._now = now
        self._worker = Worker("rights", self._run, on_death)

    def start(self) -> None:
        self._worker.start()

    def stop(self, timeout: float) -> bool:
        """Return whether the thread has ended within `timeout` seconds. May be called again."""
        return self._worker.stop(timeout)

    def _is_needed(self, row: Permission) -> bool:
        """Tell whether a fault that is configured cannot do without; a fault can do without looking afterwards."""
        return bool(row.faults & self._faults) and not READING.issuperset(row.verbs)

    def _run(self) -> None:
        while not self._worker.stopping.is_set():
            try:
                self._post([RightsObserved(self._now(), self._missing())])
            except ApiError:  # the watches complain of a server that does not answer
                self._worker.stopping.wait(ASK_AGAIN)
            else:
                self._worker.stopping.wait(ASK_EVERY)

    def _missing(self) -> Mapping[str, str]:
        refused = by_row(answer for answer in ask(self._api, self._places, self._rows) if not answer.allowed)
        return {
            fault.value: sentence(row, namespace, verbs)
            for (row, namespace), verbs in refused.items()
            for fault in sorted(row.faults & self._faults)
        }
