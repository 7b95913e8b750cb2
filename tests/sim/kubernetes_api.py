"""An API server that numbers its changes, and the watches by which one Sentinel follows it.

The watches are written again from the contracts in `core/events.py`: they lag, repeat themselves, break, and list anew
after 410.
"""

from __future__ import annotations

import copy
from typing import NamedTuple

from kafka_sentinel.core.events import ObjectChanged, ObjectDeleted, ObjectsListed, WatchAlive, WatchBroken
from kafka_sentinel.core.kubernetes.objects import parse
from kafka_sentinel.core.kubernetes.views import Kind

BOOKMARK = 5.0  # seconds between two signs of life of a watch


class Written(NamedTuple):
    """One change. `raw` None: that object is gone."""

    version: int
    at: float
    kind: Kind
    name: str
    raw: dict | None
    last: dict


class ApiServer:
    def __init__(self, clock):
        self._clock = clock
        self.objects = {kind: {} for kind in Kind}
        self.written = []
        self.compacted = 0  # watches from below that version are answered with 410

    @property
    def version(self):
        return len(self.written)

    def get(self, kind, name):
        return copy.deepcopy(self.objects[kind].get(name))

    def put(self, kind, raw):
        name = raw["metadata"]["name"]
        raw["metadata"]["resourceVersion"] = str(self.version + 1)
        self.objects[kind][name] = raw
        self.written.append(Written(self.version + 1, self._clock(), kind, name, raw, raw))
        return self.version

    def put_if_new(self, kind, raw):
        """Write it unless it stands there like that."""
        before = self.objects[kind].get(raw["metadata"]["name"])
        if before is not None:
            raw["metadata"]["resourceVersion"] = before["metadata"]["resourceVersion"]
        if raw != before:
            self.put(kind, raw)

    def edit(self, kind, name, change):
        """Change the object of that name, if it is there. Returns the version, None if it is not."""
        raw = self.get(kind, name)
        if raw is None:
            return None
        change(raw)
        return self.put(kind, raw)

    def delete(self, kind, name):
        raw = self.objects[kind].pop(name)
        self.written.append(Written(self.version + 1, self._clock(), kind, name, None, raw))
        return self.version

    def as_of(self, kind, version):
        """Return the objects of a kind as they were at that version."""
        there = {}
        for one in self.written[:version]:
            if one.kind is kind:
                there.pop(one.name, None)
                if one.raw is not None:
                    there[one.name] = one.raw
        return list(there.values())


class Watcher:
    """Delivers the changes of one kind to one life of Sentinel, in their order."""

    def __init__(self, world, life, kind):
        self.world, self.life, self.kind = world, life, kind
        self.position = None  # the version up to which everything was delivered; None: list first
        self.lag = world.rng.uniform(0.0, world.options.most_lag)
        self.broken_until = 0.0
        self.said_at = world.now
        self._there = {}  # what was delivered last, by name

    def poll(self):
        world, api = self.world, self.world.kubernetes.api
        if world.now < self.broken_until:
            return
        horizon = self.position or 0
        while horizon < api.version and api.written[horizon].at <= world.now - self.lag:
            horizon += 1
        if self.position is None:
            self._list(max(horizon, world.beginning))
        elif self.position < api.compacted:
            self._take(WatchBroken(self.life.instant(), self.kind, "410", "too old resource version"))
            self._list(max(horizon, api.compacted))
        else:
            self._follow(horizon)

    def _list(self, version):
        raws = self.world.kubernetes.api.as_of(self.kind, version)
        there = {raw["metadata"]["name"]: raw for raw in raws}
        for name, last in self._there.items():
            if name not in there or there[name]["metadata"]["uid"] != last["metadata"]["uid"]:
                self._tell(name, None, last, unseen=True)
        for name, raw in there.items():
            self._tell(name, raw, raw)
        self._there, self.position = there, version
        self._take(ObjectsListed(self.life.instant(), self.kind, tuple(parse(self.kind, raw) for raw in raws)))

    def _follow(self, horizon):
        for one in self.world.kubernetes.api.written[self.position : horizon]:
            if one.kind is self.kind and self.life.alive:
                self._deliver(one)
        self.position = horizon
        if self.world.now - self.said_at > BOOKMARK:
            self._take(WatchAlive(self.life.instant(), self.kind))

    def _deliver(self, one):
        self._tell(one.name, one.raw, one.last)
        if one.raw is None:
            self._there.pop(one.name, None)
            self._take(ObjectDeleted(self.life.instant(), self.kind, parse(self.kind, one.last)))
            return
        self._there[one.name] = one.raw
        for _ in range(2 if self.world.rng.random() < self.world.options.repeats else 1):
            self._take(ObjectChanged(self.life.instant(), self.kind, parse(self.kind, one.raw)))

    def _tell(self, name, raw, last, **named):
        if self.life.alive:
            self.world.truth.delivered(self.kind, name, raw, last, **named)

    def _take(self, event):
        self.said_at = self.world.now
        self.life.step(event)

    def hang(self, seconds):
        """Tell nothing for a while, not even that."""
        self.broken_until = self.world.now + seconds

    def break_off(self, seconds):
        self.hang(seconds)
        said = self.said_at
        self._take(WatchBroken(self.life.instant(), self.kind, "unreachable", "connection refused"))
        self.said_at = said  # it tells nothing of the cluster
