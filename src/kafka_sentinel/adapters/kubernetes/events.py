"""Leaves Kubernetes Events on what Sentinel did something to or found something out about. Nobody waits for them."""

from __future__ import annotations

import contextlib
import queue
import secrets
from datetime import UTC, datetime

from kafka_sentinel.adapters.kafka_client import Now, OnDeath, Post, Worker
from kafka_sentinel.adapters.kubernetes.api import Api, Json
from kafka_sentinel.adapters.kubernetes.errors import ApiError
from kafka_sentinel.adapters.kubernetes.resources import EVENTS
from kafka_sentinel.core.commands import LeaveEvent
from kafka_sentinel.core.events import AdapterError

COMPONENT = "kafka-sentinel"
WAITING = 64  # events; one more and it is dropped
MAX_MESSAGE = 1_000  # characters; the API server's bound is 1,024 bytes in its newer form of events
MAX_REASON = 128
MAX_NAME = 200  # characters of the object's name that the event's name begins with


class EventEmitter:
    def __init__(self, api: Api, *, post: Post, now: Now, on_death: OnDeath, instance: str) -> None:
        """`instance`: which Sentinel speaks, as the name of its pod."""
        self._api = api
        self._post = post
        self._now = now
        self._instance = instance
        self._queue: queue.Queue[LeaveEvent | None] = queue.Queue(WAITING)
        self._problem = ""
        self._worker = Worker("kubernetes-events", self._run, on_death)

    def start(self) -> None:
        self._worker.start()

    def emit(self, left: LeaveEvent) -> bool:
        """Have an event made, soon. Returns at once; False means that too many wait and this one is dropped."""
        try:
            self._queue.put_nowait(left)
        except queue.Full:
            return False
        return True

    def stop(self, timeout: float) -> bool:
        """Make the events that wait, as far as `timeout` seconds allow, then end. May be repeated."""
        self._worker.stopping.set()
        with contextlib.suppress(queue.Full):  # then the thread is not waiting
            self._queue.put_nowait(None)
        return self._worker.stop(timeout)

    def _run(self) -> None:
        while not (self._worker.stopping.is_set() and self._queue.empty()):
            left = self._queue.get()
            if left is not None:
                self._make(left)

    def _make(self, left: LeaveEvent) -> None:
        try:
            self._api.create(EVENTS.within(left.about.namespace), self._body(left))
        except ApiError as error:
            if error.code != self._problem:  # said once, until something else is wrong
                self._problem = error.code
                message = f"no Event {left.reason} on {left.about.kind} {left.about.name}: {error}"
                self._post([AdapterError(self._now(), "kubernetes", error.code, message)])
        else:
            self._problem = ""

    def _body(self, left: LeaveEvent) -> Json:
        about, time = left.about, datetime.fromtimestamp(left.at.wall, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        return {
            "apiVersion": "v1",
            "kind": "Event",
            "metadata": {
                "name": f"{about.name[:MAX_NAME]}.{secrets.token_hex(8)}",
                "namespace": about.namespace,
            },
            "involvedObject": {
                "apiVersion": about.api_version,
                "kind": about.kind,
                "namespace": about.namespace,
                "name": about.name,
                "uid": about.uid,
            },
            "type": "Warning" if left.warning else "Normal",
            "reason": left.reason[:MAX_REASON],
            "message": left.message[:MAX_MESSAGE],
            "source": {"component": COMPONENT},
            "reportingComponent": COMPONENT,
            "reportingInstance": self._instance[:MAX_REASON],
            "firstTimestamp": time,
            "lastTimestamp": time,
            "count": 1,
        }
