"""Keeps one kind of Kubernetes object known: a list, then a watch from there on, and again from where that ended.

A watch is opened for a short window, so that a connection gone dead is noticed soon; the server says with bookmarks,
at the latest just before a window ends, that nothing was missed. Only a version that is gone (410, as a status or as an
event) or an answer that makes no sense needs a new list, of which the inventory makes differences.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Mapping
from dataclasses import replace
from random import Random
from typing import Any

from kafka_sentinel.adapters.kafka_client import Now, OnDeath, Post, Worker
from kafka_sentinel.adapters.kubernetes.api import Api, Json
from kafka_sentinel.adapters.kubernetes.backoff import Backoff
from kafka_sentinel.adapters.kubernetes.errors import ANSWER, BROKEN, CREDENTIALS, TIMEOUT, TLS, UNREACHABLE, ApiError
from kafka_sentinel.adapters.kubernetes.listing import pages, served
from kafka_sentinel.adapters.kubernetes.stream import Stream
from kafka_sentinel.adapters.kubernetes.watched import Watched, WatchOptions, WatchState, WatchStatus
from kafka_sentinel.core.events import (
    AdapterError,
    Event,
    ObjectChanged,
    ObjectDeleted,
    ObjectsListed,
    WatchAlive,
    WatchBroken,
)
from kafka_sentinel.core.kubernetes.inventory import WITHHELD
from kafka_sentinel.core.kubernetes.objects import Kind, View, parse
from kafka_sentinel.core.text import one_line

MAX_OBJECTS = 20_000  # of one list; a larger one is refused whole rather than known in part
MAX_PAGES = 1_000
MAX_TEXT = 600  # characters of a field that is looked at before the object is read; names have at most 253
MAX_COMPLAINT = 700  # characters of one: the name may be as long as Kubernetes lets names be
MAX_COMPLAINTS = 1_000  # objects that cannot be read and were complained of; beyond that all are forgotten
OFF_AFTER = 3  # such answers in a row: an API server that has just started gives some to everybody
OFF_WAIT = 4.0  # seconds until the first new try; twice that the next: it may be that server all the same
RESUMABLE = frozenset({BROKEN, TIMEOUT, UNREACHABLE, TLS, CREDENTIALS, "401", "429"})  # the version is still good


class Watch:
    def __init__(
        self,
        api: Api,
        watched: Watched,
        options: WatchOptions,
        *,
        post: Post,
        now: Now,
        on_death: OnDeath,
        random: Random | None = None,
        read: Callable[[Kind, Mapping[str, Any]], View] = parse,
    ) -> None:
        self.status = WatchStatus(watched)  # replaced, never changed: any thread may read it
        self._api = api
        self._watched = watched
        self._options = options
        self._post = post
        self._now = now
        self._read = read
        self._random = random or Random()  # noqa: S311 - spreads load, guards nothing
        self._backoff = Backoff(options.first_wait, options.longest_wait, self._random)
        self._off = Backoff(min(OFF_WAIT, options.off_wait), options.off_wait, self._random)
        self._worker = Worker(f"watch-{watched.resource.plural}-{watched.scope or 'all'}", self._run, on_death)
        self._known: dict[str, View] = {}  # by uid
        self._complaints: set[str] = set()
        self._resource = watched.resource
        self._version: str | None = None  # None: list first
        self._refusals = 0  # in a row
        self._stream: Stream | None = None
        self._lock = threading.Lock()

    def start(self) -> None:
        self._worker.start()

    def stop(self, timeout: float) -> bool:
        """End now, even in the middle of a silent watch. Returns whether that was done. May be repeated."""
        with self._lock:
            self._worker.stopping.set()
            if self._stream is not None:
                self._stream.wake()
        return self._worker.stop(timeout)

    # --- the loop

    def _run(self) -> None:
        while not self._worker.stopping.is_set():
            try:
                if self._version is None:
                    self._list()
                self._follow()
            except ApiError as error:
                if not self._worker.stopping.is_set():
                    self._worker.stopping.wait(self._failed(error))

    def _failed(self, error: ApiError) -> float:
        """Say what went wrong, unless it is just still so. Returns the seconds to wait."""
        if error.code not in RESUMABLE and not error.code.startswith("5"):
            self._version = None
        self._refusals = self._refusals + 1 if error.code in WITHHELD else 0
        was_off, off = self.status.state is WatchState.OFF, self._refusals >= OFF_AFTER
        problem = str(error)
        self.status = replace(
            self.status,
            state=WatchState.OFF if off else WatchState.BROKEN,
            restarts=self.status.restarts + 1,
            problem=problem,
        )
        if not (was_off and off):
            self._post([WatchBroken(self._now(), self._watched.kind, error.code, problem, self._watched.scope)])
        return (self._off if off else self._backoff).next(error.retry_after or 0.0)

    def _alive(self, at: float) -> None:
        self._refusals = 0
        self._off.reset()
        self.status = replace(self.status, state=WatchState.LIVE, synced=at, problem="")

    # --- list

    def _list(self) -> None:
        """Learn the whole truth."""
        self._resource = served(self._api, self._watched)
        found: dict[str, View] = {}
        complaints: list[Event] = []
        version = ""
        for page in pages(self._api, self._resource, self._watched, size=self._options.page, most=MAX_PAGES):
            if self._worker.stopping.is_set():
                raise ApiError(BROKEN, "Closed", "we are ending")
            version = _text(_map(page.get("metadata")).get("resourceVersion"))
            items = page.get("items")
            if not isinstance(items, list) or not version:
                raise ApiError(ANSWER, "NoList", f"{self._resource.title} were listed without items or version")
            for item in items:
                view = self._view(item, complaints)
                if view is not None:
                    found[view.meta.uid] = view
            if len(found) > MAX_OBJECTS:
                raise ApiError(ANSWER, "TooMany", f"there are more than {MAX_OBJECTS} {self._resource.title}")
        self._known, self._version = found, version
        at = self._now()
        self._alive(at.wall)
        listed = ObjectsListed(at, self._watched.kind, tuple(found.values()), self._watched.scope)
        self._post([listed, *complaints])

    # --- watch

    def _follow(self) -> None:
        """Watch for one window. Returns at its orderly end; everything up to then is known."""
        options = self._options
        window = self._random.uniform(0.8, 1.0) * options.window
        query = {
            **self._watched.selectors,
            "resourceVersion": self._version or "",
            "allowWatchBookmarks": "true",
            "timeoutSeconds": str(max(round(window), 1)),
        }
        opened = self._now().mono
        stream = self._api.watch(self._resource, query, silence=options.window + options.silence)
        with self._lock:
            self._stream = stream
            if self._worker.stopping.is_set():
                stream.wake()
        try:
            for batch in stream.batches():
                self._take(batch)
                if self._now().mono - opened >= options.settled:
                    self._backoff.reset()
        finally:
            with self._lock:
                self._stream = None
            stream.close()
        at = self._now()
        if at.mono - opened < options.shortest:
            raise ApiError(BROKEN, "TooShort", "the server ended the watch at once")
        self._backoff.reset()
        self._alive(at.wall)
        self._post([WatchAlive(at, self._watched.kind, self._watched.scope)])

    def _take(self, batch: list[bytes]) -> None:
        """Hand on what a batch of lines tells, also what came before a line that makes no sense."""
        out: list[Event] = []
        try:
            for line in batch:
                self._take_line(line, out)
        finally:
            if out:
                self._alive(self._now().wall)
                self._post(out)

    def _take_line(self, line: bytes, out: list[Event]) -> None:
        try:
            told = _map(json.loads(line))
        except (ValueError, RecursionError) as error:
            raise ApiError(
                ANSWER, "NoJson", f"the watch of {self._resource.title} sent a line that is no JSON"
            ) from error
        raw = _map(told.get("object"))
        version = _text(_map(raw.get("metadata")).get("resourceVersion"))
        match told.get("type"):
            case "ERROR":
                self._version = None  # whatever the code: what came before is all we know
                code, reason = _text(raw.get("code")) or ANSWER, _text(raw.get("reason")) or "Error"
                raise ApiError(code, reason, _text(raw.get("message")))
            case "BOOKMARK" if version:
                out.append(WatchAlive(self._now(), self._watched.kind, self._watched.scope))
            case "ADDED" | "MODIFIED" if version:
                self._changed(raw, out)
            case "DELETED" if version:
                self._deleted(raw, out)
            case kind:
                raise ApiError(
                    ANSWER, "NoEvent", f"the watch of {self._resource.title} sent {_text(kind)!r} without a version"
                )
        self._version = version

    def _changed(self, raw: Json, out: list[Event]) -> None:
        known = self._known.get(_uid(raw))
        view = self._view(raw, out)
        if view is None or view is known or (known and known.meta.resource_version == view.meta.resource_version):
            return  # not readable, or told before
        if known is None and len(self._known) >= MAX_OBJECTS:
            raise ApiError(ANSWER, "TooMany", f"there are more than {MAX_OBJECTS} {self._resource.title}")
        self._known[view.meta.uid] = view
        out.append(ObjectChanged(self._now(), self._watched.kind, view, self._watched.scope))

    def _deleted(self, raw: Json, out: list[Event]) -> None:
        uid = _uid(raw)
        if uid not in self._known:
            return  # told before
        view = self._view(raw, out) or self._known[uid]
        del self._known[uid]
        out.append(ObjectDeleted(self._now(), self._watched.kind, view, self._watched.scope))

    def _view(self, raw: object, out: list[Event]) -> View | None:
        """Read an object. One that cannot be read stays what it was: that it changed is no sign that it is gone."""
        uid = _uid(raw)
        try:
            return self._read(self._watched.kind, _map(raw))
        except Exception as error:  # noqa: BLE001 - one object must not end the watch, whatever the reader thinks of it
            if uid not in self._complaints:
                if len(self._complaints) >= MAX_COMPLAINTS:
                    self._complaints.clear()
                self._complaints.add(uid)
                message = one_line(f"{self._resource.title} {_name(raw)} cannot be read: {error}", MAX_COMPLAINT)
                out.append(AdapterError(self._now(), "kubernetes", "object", message))
            return self._known.get(uid)


def _map(value: object) -> Json:
    return value if isinstance(value, dict) else {}


def _text(value: object) -> str:
    """Return a text or a number as text; "" for anything else, however large or deep it is."""
    return str(value)[:MAX_TEXT] if isinstance(value, str | int) and value else ""


def _uid(raw: object) -> str:
    return _text(_map(_map(raw).get("metadata")).get("uid"))


def _name(raw: object) -> str:
    return _text(_map(_map(raw).get("metadata")).get("name")) or "without a name"
