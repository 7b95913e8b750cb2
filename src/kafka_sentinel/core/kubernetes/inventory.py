"""All Kubernetes objects Sentinel knows, by kind and uid, and what changed with each event of the watches.

A list is the whole truth of its scope: what it does not name is gone, whether or not its deletion was seen. An object
of the same name with another uid means that the older one is gone, too.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TypeVar, cast

from kafka_sentinel.core.events import ObjectChanged, ObjectDeleted, ObjectsListed, WatchAlive, WatchBroken
from kafka_sentinel.core.kubernetes.views import (
    BudgetView,
    ClaimView,
    EventView,
    KafkaResourceView,
    Kind,
    NodeClaimView,
    NodeView,
    PodSetView,
    PodView,
    StatefulSetView,
    View,
    VolumeView,
)
from kafka_sentinel.core.types import Instant

MAX_OBJECTS = 20_000  # of one kind; beyond that new ones are not taken, and the kind no longer counts as known
MAX_EVENTS = 5_000  # beyond that the oldest is dropped
WITHHELD = frozenset({"403", "404"})  # codes of a watch's problem: no right to see it, no such resource
TOLD_ABOUT = frozenset({"Pod", "Node", "NodeClaim"})  # what events are read of; others would take their room

WatchEvent = ObjectsListed | ObjectChanged | ObjectDeleted | WatchAlive | WatchBroken
AnyView = TypeVar("AnyView", bound=View)


@dataclass(frozen=True, slots=True)
class Change:
    """One object before and after. `before` None: new. `after` None: gone, by the time `at`.

    `unseen`: it went while the watch told nothing, so nobody knows how, nor when.
    """

    at: Instant
    kind: Kind
    before: View | None
    after: View | None
    unseen: bool = False

    @property
    def view(self) -> View:
        """The newest that is known of the object, gone or not."""
        view = self.after or self.before
        assert view is not None
        return view


@dataclass(frozen=True, slots=True)
class Problem:
    """Why a kind is not being watched at the moment."""

    at: Instant
    code: str
    message: str


@dataclass(frozen=True, slots=True)
class WatchStanding:
    """How one watch stands. `as_of`: when everything in its scope was last known; None: never, or not all of it."""

    kind: Kind
    scope: str  # a namespace, "" for all
    as_of: Instant | None
    problem: Problem | None = None


class Inventory:
    def __init__(self) -> None:
        self._objects: dict[Kind, dict[str, View]] = {kind: {} for kind in Kind}
        self._names: dict[Kind, dict[tuple[str, str], str]] = {kind: {} for kind in Kind}  # → uid
        self._events_about: dict[str, set[str]] = {}  # name of the object → uids of events
        self._alive: dict[tuple[Kind, str], Instant] = {}  # per kind and scope: as of when
        self._problems: dict[tuple[Kind, str], Problem] = {}
        self._too_many: set[tuple[Kind, str]] = set()  # kinds and scopes of which something was not taken

    # --- what there is

    def all(self, kind: Kind) -> Iterable[View]:
        return self._objects[kind].values()

    def named(self, kind: Kind, name: str, namespace: str = "") -> View | None:
        uid = self._names[kind].get((namespace, name))
        return None if uid is None else self._objects[kind][uid]

    @property
    def nodes(self) -> Mapping[str, NodeView]:
        return self._of(Kind.NODE, NodeView)

    @property
    def pods(self) -> Mapping[str, PodView]:
        return self._of(Kind.POD, PodView)

    @property
    def budgets(self) -> Mapping[str, BudgetView]:
        return self._of(Kind.BUDGET, BudgetView)

    @property
    def kafkas(self) -> Mapping[str, KafkaResourceView]:
        return self._of(Kind.KAFKA, KafkaResourceView)

    @property
    def node_claims(self) -> Mapping[str, NodeClaimView]:
        return self._of(Kind.NODE_CLAIM, NodeClaimView)

    @property
    def stateful_sets(self) -> Mapping[str, StatefulSetView]:
        return self._of(Kind.STATEFUL_SET, StatefulSetView)

    @property
    def pod_sets(self) -> Mapping[str, PodSetView]:
        return self._of(Kind.POD_SET, PodSetView)

    def node(self, name: str | None) -> NodeView | None:
        return None if name is None else cast("NodeView | None", self.named(Kind.NODE, name))

    def pod(self, name: str, namespace: str) -> PodView | None:
        return cast("PodView | None", self.named(Kind.POD, name, namespace))

    def volume_of(self, claim: str, namespace: str) -> VolumeView | None:
        """Return the volume that a claim is bound to; None if it is not, or either may not be seen."""
        found = cast("ClaimView | None", self.named(Kind.CLAIM, claim, namespace))
        if found is None or found.volume is None:
            return None
        return cast("VolumeView | None", self.named(Kind.VOLUME, found.volume))

    def events_about(self, name: str) -> list[EventView]:
        """Return the events about objects of that name, of whatever kind and namespace, oldest first."""
        events = self._objects[Kind.EVENT]
        found = [cast("EventView", events[uid]) for uid in self._events_about.get(name, ())]
        return sorted(found, key=lambda event: (event.last or 0.0, event.meta.uid))

    def _of(self, kind: Kind, _view: type[AnyView]) -> Mapping[str, AnyView]:
        return cast("Mapping[str, AnyView]", self._objects[kind])

    # --- how good it is

    def as_of(self, kind: Kind, within: str | None = None) -> Instant | None:
        """Return the instant as of which everything of that kind is known; None: not all of it is.

        `within`: only what lies in that namespace counts, and what is watched without one.
        """
        scopes = {scope for one, scope in (*self._alive, *self._problems) if one is kind}
        wanted = scopes if within is None else scopes & {within, ""}
        seen = [at for scope in wanted if (at := self._alive.get((kind, scope))) is not None]
        missing = len(seen) < len(wanted)
        if not seen or missing or self._is_cut(kind):
            return None
        return min(seen, key=lambda at: at.mono)

    def standings(self) -> tuple[WatchStanding, ...]:
        """Return how each watch stands that ever told anything."""
        return tuple(
            WatchStanding(
                kind,
                scope,
                None if self._is_cut(kind) else self._alive.get((kind, scope)),
                self._problems.get((kind, scope)),
            )
            for kind, scope in dict.fromkeys((*self._alive, *self._problems))
        )

    def _is_cut(self, kind: Kind) -> bool:
        return any(one is kind for one, _ in self._too_many)

    # --- events

    def take(self, event: WatchEvent) -> tuple[Change, ...]:
        """Take what a watch has to tell. Returns what changed; nothing for what is as it was."""
        key = (event.kind, event.scope)
        match event:
            case WatchBroken(at=at, code=code, message=message):
                first = self._problems.get(key)
                self._problems[key] = Problem(at if first is None else first.at, code, message)
                return ()
            case ObjectsListed(views=views):
                self._alive[key] = event.at
                self._problems.pop(key, None)
                return self._listed(event, views)
        if key not in self._alive:
            return ()  # nothing is known before the first list, which will bring this too
        self._alive[key] = event.at
        self._problems.pop(key, None)
        match event:
            case ObjectChanged(at=at, kind=kind, view=view):
                return self._put(at, kind, view, event.scope)
            case ObjectDeleted(at=at, kind=kind, view=view):
                return self._remove(at, kind, view.meta.uid, view)
            case WatchAlive():
                return ()

    def _listed(self, event: ObjectsListed, views: tuple[View, ...]) -> tuple[Change, ...]:
        kind = event.kind
        there = {view.meta.uid for view in views}
        gone = [
            uid
            for uid, view in self._objects[kind].items()
            if uid not in there and event.scope in {"", view.meta.namespace}
        ]
        self._too_many.discard((kind, event.scope))
        changes = [change for uid in gone for change in self._remove(event.at, kind, uid, None)]
        for view in views:
            changes += self._put(event.at, kind, view, event.scope)
        return tuple(changes)

    def _put(self, at: Instant, kind: Kind, view: View, scope: str) -> tuple[Change, ...]:
        if isinstance(view, EventView) and view.about_kind not in TOLD_ABOUT:
            return ()
        objects, meta = self._objects[kind], view.meta
        before = objects.get(meta.uid)
        changes: tuple[Change, ...] = ()
        if before is None:
            namesake = self._names[kind].get((meta.namespace, meta.name))
            if namesake is not None:
                changes = self._remove(at, kind, namesake, None)
            if not self._make_room(kind, scope):
                return changes
            self._names[kind][meta.namespace, meta.name] = meta.uid
            if isinstance(view, EventView):
                self._events_about.setdefault(view.about_name, set()).add(meta.uid)
        objects[meta.uid] = view
        return changes if before == view else (*changes, Change(at, kind, before, view))

    def _make_room(self, kind: Kind, scope: str) -> bool:
        """Tell whether one more object of that kind may be taken. For an event, the oldest makes room."""
        objects = self._objects[kind]
        if kind is Kind.EVENT:
            if len(objects) >= MAX_EVENTS:
                self._forget(kind, next(iter(objects)))
            return True
        if len(objects) < MAX_OBJECTS:
            return True
        self._too_many.add((kind, scope))
        return False

    def _remove(self, at: Instant, kind: Kind, uid: str, last: View | None) -> tuple[Change, ...]:
        before = self._forget(kind, uid)
        return () if before is None else (Change(at, kind, last or before, None, unseen=last is None),)

    def _forget(self, kind: Kind, uid: str) -> View | None:
        view = self._objects[kind].pop(uid, None)
        if view is None:
            return None
        name = (view.meta.namespace, view.meta.name)
        if self._names[kind].get(name) == uid:
            del self._names[kind][name]
        if isinstance(view, EventView):
            about = self._events_about[view.about_name]
            about.discard(uid)
            if not about:
                del self._events_about[view.about_name]
        return view
