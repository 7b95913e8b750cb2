"""Gives orders to a running Sentinel: what the commands pause, resume, run-now and heal do in a cluster."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable

from kafka_sentinel.adapters.kubernetes.api import Api
from kafka_sentinel.adapters.kubernetes.errors import ApiError
from kafka_sentinel.adapters.kubernetes.orders import PAUSE, annotation, order_value, read_orders
from kafka_sentinel.adapters.kubernetes.resources import CONFIG_MAPS
from kafka_sentinel.core.types import OrderKind

ATTEMPTS = 10  # Sentinel writes its state to the same ConfigMap


class OrderWriter:
    """Annotates the state ConfigMap, and changes nothing else of it. All methods raise ApiError."""

    def __init__(self, api: Api, namespace: str, name: str, *, wall: Callable[[], float] = time.time) -> None:
        self._api = api
        self._resource = CONFIG_MAPS.within(namespace)
        self._name = name
        self._wall = wall

    def pause(self, why: str) -> None:
        """Have Sentinel break nothing until `unpause`. `why` is shown, as "by anna"."""
        self._annotate(PAUSE, why)

    def hold(self, why: str) -> str:
        """Do the same, but leave a pause that stands. Returns what the pause says."""
        annotations = (self._api.get(self._resource, self._name).get("metadata") or {}).get("annotations") or {}
        stands = read_orders(annotations, self._wall()).paused
        if stands is None:
            self.pause(why)
        return why if stands is None else stands

    def unpause(self) -> None:
        self._annotate(PAUSE, None)

    def give(self, kind: OrderKind, subject: str = "") -> str:
        """Give an order that is obeyed once, within a minute or not at all. Returns its nonce."""
        nonce = secrets.token_hex(4)
        self._annotate(annotation(kind), order_value(self._wall(), nonce, subject))
        return nonce

    def _annotate(self, key: str, value: str | None) -> None:
        for attempt in range(1, ATTEMPTS + 1):
            raw = self._api.get(self._resource, self._name)
            metadata = raw.get("metadata") or {}
            others = {name: text for name, text in (metadata.get("annotations") or {}).items() if name != key}
            annotations = others if value is None else {**others, key: value}
            body = {**raw, "metadata": {**metadata, "annotations": annotations}}
            try:
                self._api.replace(self._resource, self._name, body)
            except ApiError as error:
                if error.code != "409" or attempt == ATTEMPTS:
                    raise
            else:
                return
