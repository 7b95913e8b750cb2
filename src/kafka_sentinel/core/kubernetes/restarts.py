"""Restarts of brokers: a pod replaced by another one, or a container started again in its place; each counted once.

A restart is told when it begins (`begun`), again whenever better evidence changes its cause (`revised`), when the
replacement is ready (`ready`), and when its cause is final and counted (`counted`).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from kafka_sentinel.core.commands import Count
from kafka_sentinel.core.incident import Cause
from kafka_sentinel.core.kubernetes.disruption import CLOCKS, Disruption, Outcome, dated
from kafka_sentinel.core.kubernetes.disruptions import Disruptions
from kafka_sentinel.core.kubernetes.fleet import BrokerPod, FleetView, Role
from kafka_sentinel.core.kubernetes.inventory import Change, Inventory
from kafka_sentinel.core.kubernetes.restart_cause import Evidence, why
from kafka_sentinel.core.kubernetes.signal_types import Hint, Signal, SignalKind
from kafka_sentinel.core.kubernetes.signals import MANUAL_ROLL, pod_signals
from kafka_sentinel.core.kubernetes.views import ContainerView, Exit, Kind, PodView, StatefulSetView, View
from kafka_sentinel.core.types import Instant

BROKER_CONTAINER = "kafka"  # of Strimzi and Bitnami; where there is none of that name, the first container
SETTLE = 60.0  # seconds from the beginning until the cause is final, if its node is not in question
LONGEST = 600.0  # seconds until it is final in any case
AROUND = 60.0  # seconds by which a drain may be told after the pod went, or the loss of the node be settled before
MAX_OPEN = 200  # restarts followed at a time; of more, the oldest is counted early
MAX_DONE = 500  # restarts remembered, so that none is counted twice
EXPECTED_FOR = 60.0  # seconds after the end of an experiment in which what it did to a pod may yet show
STILL = 5.0  # seconds without a word of an experiment after which it is over
NEVER = float("-inf")
NO_DRAIN = frozenset({Cause.EXPERIMENT, Cause.OOM})  # a pod that goes for such a reason was drained by nobody
CLEARED_AWAY = "DisruptionTarget DeletionByPodGC"
REVISIONS = ("controller-revision-hash",)  # labels; Strimzi's is an annotation
STRIMZI_REVISION = "strimzi.io/revision"
OWNERS = {"StatefulSet": Kind.STATEFUL_SET, "StrimziPodSet": Kind.POD_SET}  # who rolls their own pods


class Life(NamedTuple):
    """One life of a broker's process. `restarts` None: the pod as a whole."""

    pod_uid: str
    restarts: int | None


@dataclass(slots=True)
class Restart:
    life: Life
    member: BrokerPod
    pod: PodView  # the last that was seen of it, or of it before its container was started again
    at: Instant
    ended: Exit | None = None  # of a container that was started again in its place
    unseen: bool = False  # the pod went while nobody looked
    cause: Cause = Cause.UNKNOWN
    text: str = ""
    blamed: str = ""  # uid of the node whose loss is the cause; "" if none is
    replacement: PodView | None = None
    ready: Instant | None = None  # since when the broker's pod is ready again

    @property
    def broker(self) -> int:
        return self.member.broker

    @property
    def is_broker(self) -> bool:
        """Tell whether it is more than a KRaft controller."""
        return Role.BROKER in self.member.roles


@dataclass(frozen=True, slots=True)
class RestartChange:
    """`kind`: begun, revised, ready or counted."""

    kind: str
    at: Instant
    restart: Restart


@dataclass(frozen=True, slots=True)
class Step:
    changes: tuple[RestartChange, ...]
    commands: tuple[Count, ...]


class Restarts:
    def __init__(self, inventory: Inventory, disruptions: Disruptions, *, settle: float = SETTLE) -> None:
        self._settle = settle
        self._inventory = inventory
        self._disruptions = disruptions
        self._members: dict[str, BrokerPod] = {}  # by pod uid
        self._names: set[tuple[str, str]] = set()  # namespace and name of the same pods
        self._first_nodes: dict[str, str] = {}  # of the same pods: the uid of the node each was on at first
        self._open: dict[Life, Restart] = {}
        self._done: deque[Life] = deque(maxlen=MAX_DONE)
        self._expected: dict[str, float] = {}  # pods that experiments of ours end → until when, monotonic
        self._changes: list[RestartChange] = []
        self._commands: list[Count] = []

    def is_successor(self, view: View) -> bool:
        """Tell whether an object bears the name of a pod of the fleet and is another one, not discovered so far."""
        return view.meta.uid not in self._members and (view.meta.namespace, view.meta.name) in self._names

    @property
    def open(self) -> tuple[Restart, ...]:
        return tuple(self._open.values())

    def follow(self, fleet: FleetView) -> None:
        """Take the pods of the fleet as discovered now; call it after `take` of the changes it follows from."""
        present = {pod.uid: self._with_node(pod) for pod in fleet}
        kept = {uid: pod for uid, pod in self._members.items() if uid in self._inventory.pods}
        self._members = {**kept, **present}
        self._names = {(member.namespace, member.name) for member in self._members.values()} | self._open_names()
        nodes = {uid: member.node_uid for uid, member in self._members.items() if member.node_uid is not None}
        held = self._members.keys() | {life.pod_uid for life in self._open}  # why its node went may be told later
        self._first_nodes = nodes | {uid: node for uid, node in self._first_nodes.items() if uid in held}
        for restart in self._open.values():
            for pod in present.values():
                is_new = pod.broker == restart.broker and pod.uid != restart.life.pod_uid
                view = self._inventory.pods.get(pod.uid)
                if is_new and view is not None and _is_after(view, restart.pod):
                    restart.replacement = view

    def _open_names(self) -> set[tuple[str, str]]:
        return {(restart.member.namespace, restart.member.name) for restart in self._open.values()}

    def _with_node(self, pod: BrokerPod) -> BrokerPod:
        """Return a pod with its node's uid, also when the node was deleted before the pod."""
        before = self._members.get(pod.uid)
        if pod.node_uid is not None or before is None or before.node != pod.node:
            return pod
        return replace(pod, node_uid=before.node_uid)

    def expect(self, pod_uids: Iterable[str], now: Instant) -> None:
        """Note that an experiment of ours is ending those pods or processes in them, as of now."""
        self._expected = {uid: until for uid, until in self._expected.items() if until >= now.mono}
        self._expected |= dict.fromkeys(pod_uids, now.mono + EXPECTED_FOR)

    def is_expected(self, restart: Restart, now: Instant) -> bool:
        """Tell whether an experiment of ours is still at it."""
        return self._expected.get(restart.life.pod_uid, NEVER) >= now.mono + EXPECTED_FOR - STILL

    def take(self, changes: Iterable[Change]) -> None:
        """Take changes of pods; other kinds are looked at when the cause is judged."""
        for change in changes:
            view = change.view
            if isinstance(view, PodView) and view.meta.uid in self._members:
                self._pod_changed(change, view)

    def _pod_changed(self, change: Change, view: PodView) -> None:
        before = change.before if isinstance(change.before, PodView) else None
        life = Life(view.meta.uid, None)
        told = view.meta.deleted is not None or view.has_ended
        if told or change.after is None:
            unseen = change.unseen and not told
            when = self._replaced(view) if unseen else view.meta.deleted
            self._begin(life, view, dated(change.at, when), None, unseen=unseen)
        elif before is not None:
            self._look_for_restart(change.at, before, view)
        if life in self._open:
            self._open[life].pod = view

    def _replaced(self, pod: PodView) -> float | None:
        """Return when another pod of its name was made (wall clock): by then a pod was gone whose end nobody saw."""
        other = self._inventory.pod(pod.meta.name, pod.meta.namespace)
        return other.meta.created if other is not None and _is_after(other, pod) else None

    def _look_for_restart(self, at: Instant, before: PodView, after: PodView) -> None:
        """Find out whether the broker's container ended. How it did may be told before or after it is started again."""
        was, now = _broker_container(before), _broker_container(after)
        if was is None or now is None:
            return
        if now.ended is not None and was.ended is None:
            self._begin(Life(after.meta.uid, now.restarts), before, dated(at, now.ended.finished), now.ended)
        elif now.restarts > was.restarts:
            last = now.ended_before or was.ended or Exit(0, "", None)
            life = Life(after.meta.uid, now.restarts - 1)
            self._begin(life, before, dated(at, last.finished), last)
            if life in self._open:
                self._open[life].ended = last

    def _begin(self, life: Life, pod: PodView, at: Instant, ended: Exit | None, *, unseen: bool = False) -> None:
        if life in self._open or life in self._done:
            return
        if len(self._open) >= MAX_OPEN:
            self._finish(at, next(iter(self._open.values())))
        restart = self._open[life] = Restart(life, self._members[life.pod_uid], pod, at, ended, unseen)
        self._judge(restart, *self._why(restart))
        self._changes.append(RestartChange("begun", at, restart))
        cleared_away = any(one.kind is SignalKind.GONE for one in pod_signals(pod, self._inventory))
        may_be_drained = life.restarts is None and not cleared_away and restart.cause not in NO_DRAIN
        if may_be_drained and restart.member.node_uid is not None:
            rolled = restart.cause is Cause.ROLLOUT
            self._disruptions.broker_left(restart.member.node_uid, at, _broker(restart), rolled=rolled)

    # --- why

    def _why(self, restart: Restart) -> tuple[Cause, str]:
        rolled = self._roll(restart)
        signals = [one for one in pod_signals(restart.pod, self._inventory) if not _follows(one, restart)]
        by_roll = bool(rolled) or any(one.hint is Hint.ROLLOUT for one in signals)
        disruption = self.disruption_of(restart, told_within=CLOCKS if by_roll else AROUND)
        node_cause, node_text = self._of_node(restart, disruption)
        return why(
            Evidence(
                pod=restart.pod,
                ended=restart.ended,
                signals=signals,
                node_cause=node_cause,
                node_text=node_text,
                rolled=rolled,
                unseen=restart.unseen,
                injected=self._is_ours(restart),
            )
        )

    def _of_node(self, restart: Restart, disruption: Disruption | None) -> tuple[Cause, str]:
        """Return what the node's disruption makes of it: nothing, if it is a failure that was over long before."""
        if disruption is None:
            return Cause.UNKNOWN, ""
        if disruption.cause is Cause.NODE_FAILURE and self._was_back(disruption.node_uid, restart):
            return disruption.cause_since, "; ".join(one.signal.text for one in disruption.said_since)
        return disruption.cause, "; ".join(disruption.reasons)

    def _is_ours(self, restart: Restart) -> bool:
        """Tell whether an experiment ended it. It takes pods away; it starts no container anew in its place."""
        return restart.life.restarts is None and self._expected.get(restart.life.pod_uid, NEVER) >= restart.at.mono

    def _judge(self, restart: Restart, cause: Cause, text: str) -> None:
        disruption = self.disruption_of(restart)
        restart.cause, restart.text, restart.blamed = cause, text, ""
        if disruption is not None and disruption.lost is not None and cause is disruption.cause:
            restart.blamed = disruption.node_uid

    def disruption_of(self, restart: Restart, *, told_within: float = AROUND) -> Disruption | None:
        """Return the disruption of the pod's node, if it was under way when the pod went.

        Another node may bear the name of the lost one by then, or the same machine have been registered anew.
        `told_within`: seconds by which a drain may be told after the pod went, for watches lag. Where a roll explains
        that as well, one that was told later than clocks differ came later.
        """
        nodes = (restart.member.node_uid, self._first_nodes.get(restart.life.pod_uid))
        uids = [uid for uid in dict.fromkeys(nodes) if uid is not None]
        disruptions = (self._disruption_of(uid, restart, told_within) for uid in uids)
        return next((found for found in disruptions if found is not None), None)

    def _disruption_of(self, uid: str, restart: Restart, told_within: float) -> Disruption | None:
        found = self._disruptions.on(uid)
        if found is None:
            return None
        went = restart.at.mono
        is_lost = found.outcome is Outcome.LOST
        most = AROUND if is_lost else CLOCKS  # a node that is open again drains nobody
        is_gone = is_lost and uid not in self._inventory.nodes  # for good, and its pods are cleared away some time
        over = not is_gone and found.closed is not None and found.closed.mono < went - most
        said = [found.first_said, *(one.said for one in found.said_since if self._was_back(uid, restart))]
        drained = any(at is not None and at.mono <= went + told_within for at in said)
        in_time = found.lost is not None and found.lost.mono <= went + CLOCKS
        in_time |= found.deleted and self._is_cleared_away(restart)
        lost = in_time and not self._was_back(uid, restart)
        return found if (drained or lost) and not over else None

    def _is_cleared_away(self, restart: Restart) -> bool:
        """Tell whether a pod went because its node was gone by then, though of the node it may be told later."""
        return any(one.rule == CLEARED_AWAY for one in pod_signals(restart.pod, self._inventory))

    def _is_refuted(self, restart: Restart) -> bool:
        """Tell whether the node's loss was given as the cause, and was over long before, as is known by now."""
        return self._was_back(restart.blamed, restart) and self.disruption_of(restart) is None

    def _was_back(self, uid: str, restart: Restart) -> bool:
        """Tell whether the node has been ready since long before the pod went, though a watch may tell only later."""
        node = self._inventory.nodes.get(uid)
        condition = node.condition("Ready") if node is not None else None
        if condition is None or condition.status != "True" or condition.since is None:
            return False
        return condition.since < restart.at.wall - AROUND

    def _roll(self, restart: Restart) -> str:
        """Say by what it can be told that whoever owns the pod rolled it; "" if it did not, or that is not known."""
        owners = self._owners(restart.pod)
        for kind, owner in owners:
            if owner.meta.annotations.get(MANUAL_ROLL) == "true":  # on both, Strimzi takes it for all their pods
                return f"{kind} {owner.meta.name} was to be rolled ({MANUAL_ROLL})"
        revision = _revision(restart.pod)
        if revision is None:
            return ""
        if restart.replacement is not None:
            rolled = _revision(restart.replacement) not in {None, revision}
            return "its replacement has another revision" if rolled else ""
        sets = [owner for _, owner in owners if isinstance(owner, StatefulSetView)]
        rolled = any(owner.update_revision not in {"", revision} for owner in sets)
        return "its StatefulSet has another revision" if rolled else ""

    def _owners(self, pod: PodView) -> list[tuple[str, View]]:
        """Return the StatefulSet or StrimziPodSet that owns a pod, with its kind, if one does and it is seen."""
        named = [(one.kind, one.name) for one in pod.meta.owners if one.kind in OWNERS]
        found = [(kind, self._inventory.named(OWNERS[kind], name, pod.meta.namespace)) for kind, name in named]
        return [(kind, owner) for kind, owner in found if owner is not None]

    # --- time

    def tick(self, now: Instant) -> Step:
        """Judge anew what is open, and return everything that happened since the tick before."""
        for restart in list(self._open.values()):
            cause, text = self._why(restart)
            # Evidence that is gone by now was true all the same, but a watch that comes back tells one thing at a time.
            if cause.specificity > restart.cause.specificity or self._is_refuted(restart):
                self._judge(restart, cause, text)
                self._changes.append(RestartChange("revised", now, restart))
                if cause is Cause.ROLLOUT and restart.member.node_uid is not None:
                    self._disruptions.broker_was_rolled(restart.member.node_uid, restart.at, _broker(restart))
            self._look_for_ready(now, restart)
            if self._is_final(now, restart):
                self._finish(now, restart)
        step = Step(tuple(self._changes), tuple(self._commands))
        self._changes, self._commands = [], []
        return step

    def _look_for_ready(self, now: Instant, restart: Restart) -> None:
        replacement = restart.replacement
        uid = replacement.meta.uid if replacement is not None else restart.life.pod_uid
        view = self._inventory.pods.get(uid)
        if restart.ready is not None or view is None or not view.ready or view.meta.deleted is not None:
            return
        container = _broker_container(view)
        again = (
            restart.life.restarts is not None and container is not None and container.restarts > restart.life.restarts
        )
        if replacement is None and not again:
            return
        condition = view.condition("Ready")
        since = condition.since if condition is not None else None
        restart.ready = dated(now, since)
        self._changes.append(RestartChange("ready", restart.ready, restart))

    def _is_final(self, now: Instant, restart: Restart) -> bool:
        age = now.mono - restart.at.mono
        disruption = self.disruption_of(restart)
        open_question = disruption is not None and disruption.closed is None and not disruption.counted
        settled = age >= self._settle and not open_question and restart.ready is not None
        return settled or age >= LONGEST

    def _finish(self, at: Instant, restart: Restart) -> None:
        """Count it, once."""
        del self._open[restart.life]
        self._done.append(restart.life)
        if restart.is_broker:
            self._commands.append(Count("broker_restarts_total", (("cause", restart.cause.value),)))
        self._changes.append(RestartChange("counted", at, restart))

    # --- state

    def to_state(self) -> list[list[Any]]:
        """Return what was counted of pods that are, or may be, still there: the next life may be told of their end."""
        there, known = self._inventory.pods, self._inventory.as_of(Kind.POD) is not None
        return [list(life) for life in self._done if not known or life.pod_uid in there]

    def restore(self, state: Iterable[Iterable[Any]]) -> None:
        """Take over what `to_state` gave. Raises TypeError or ValueError for anything else."""
        self._done.extend([Life(str(uid), None if count is None else int(count)) for uid, count in state])


def _broker(restart: Restart) -> int | None:
    """Return the broker whose pod it is; None if it is a mere controller's."""
    return restart.broker if restart.is_broker else None


def _follows(signal: Signal, restart: Restart) -> bool:
    """Tell whether the node was given up only after the pod was told to go: of such pods it is said, too."""
    return signal.kind is SignalKind.GONE and signal.since is not None and signal.since > restart.at.wall + CLOCKS


def _broker_container(pod: PodView) -> ContainerView | None:
    named = (one for one in pod.containers if one.name == BROKER_CONTAINER)
    return next(named, pod.containers[0] if pod.containers else None)


def _revision(pod: PodView) -> str | None:
    labels = (pod.meta.labels[key] for key in REVISIONS if key in pod.meta.labels)
    return pod.meta.annotations.get(STRIMZI_REVISION) or next(labels, None)


def _is_after(view: PodView, before: PodView) -> bool:
    """Tell whether a pod was made after another one. Unknown times count as after."""
    made, earlier = view.meta.created, before.meta.created
    return made is None or earlier is None or made >= earlier
