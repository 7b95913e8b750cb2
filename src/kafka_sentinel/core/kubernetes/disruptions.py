"""All disruptions of nodes: at most one open per node uid, upgraded as signals arrive, counted once.

What is said is read anew at each change (`signals.evidence_on`), so signals may come late, twice, in any order, or not
at all. A node that falls silent and returns was cut off or busy: nothing happened to it. It is lost once its object is
gone, its machine is known to be off, it returns from a reboot, it was announced to go, or it stays silent for
`lost_after`. What comes later than the counting is shown (`revised`) and not counted again.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from kafka_sentinel.core.commands import Count, Observe
from kafka_sentinel.core.kubernetes.capacity import Capacity
from kafka_sentinel.core.kubernetes.disruption import CLOCKS, Disruption, Outcome, dated
from kafka_sentinel.core.kubernetes.node_cause import Loss
from kafka_sentinel.core.kubernetes.signal_types import Hint, Signal
from kafka_sentinel.core.kubernetes.views import NodeView
from kafka_sentinel.core.types import Instant

LOST_AFTER = 120.0  # seconds of silence after which a node counts as lost; Kubernetes moves pods after 300
SETTLE = 60.0  # seconds from the certainty of a loss to its counting: signals that are late still count
SETTLE_SILENT = 480.0  # the same for a spot node that is only silent: the deletion that tells a reclaim takes minutes
OLD = 60.0  # seconds after which an event that tells of a past loss is no news to a Sentinel that just came to know it
TOLD_LATER = 60.0  # seconds by which a drain may be told after a pod left its node
CATCH_UP = 5.0  # seconds within which a watch that comes back has told all that happened meanwhile
SILENCE = 120.0  # seconds by which brokers may have fallen silent before Kubernetes noticed
MAX_OPEN = 1_000  # nodes followed at a time; more are not
MAX_CLOSED = 100  # remembered
STARTING = 60.0  # seconds from its birth within which a node is not ready because it never was
FELL_SILENT = "NodeStatusUnknown"  # reason of a condition: the kubelet was heard before; NodeStatusNeverUpdated: never


@dataclass(frozen=True, slots=True)
class DisruptionChange:
    """`kind`: opened, upgraded, lost, recovered, withdrawn, counted, or revised (known of one that was counted)."""

    kind: str
    at: Instant
    disruption: Disruption


@dataclass(frozen=True, slots=True)
class Step:
    changes: tuple[DisruptionChange, ...]
    commands: tuple[Count | Observe, ...]


class Disruptions:
    def __init__(self, *, lost_after: float = LOST_AFTER, settle: float = SETTLE) -> None:
        self._lost_after = lost_after
        self._settle = settle
        self._open: dict[str, Disruption] = {}  # by node uid
        self._closed: deque[Disruption] = deque(maxlen=MAX_CLOSED)
        self._boots: dict[str, str] = {}  # boot id of the nodes that were seen
        self._silent: dict[str, Instant] = {}  # node uid → since when its brokers do not answer
        # Node uid → broker whose pod left it (None: a controller) → until when (mono) what is said may be why.
        self._left: dict[str, dict[int | None, float]] = {}
        self._changes: list[DisruptionChange] = []
        self._commands: list[Count | Observe] = []

    # --- what there is

    @property
    def open(self) -> tuple[Disruption, ...]:
        """The open disruptions, oldest first."""
        return tuple(self._open.values())

    def on(self, node_uid: str) -> Disruption | None:
        """Return the disruption of a node: the open one, else the newest that is remembered."""
        closed = (one for one in reversed(self._closed) if one.node_uid == node_uid)
        return self._open.get(node_uid) or next(closed, None)

    def status(self) -> list[dict[str, Any]]:
        """Return the disruptions, newest first, `MAX_CLOSED` in all."""
        return [one.as_dict() for one in (*reversed(self._open.values()), *reversed(self._closed))][:MAX_CLOSED]

    # --- what happens to nodes

    def observe(
        self, at: Instant, node: NodeView, signals: Collection[Signal], capacity: Capacity, brokers: Iterable[int] = ()
    ) -> None:
        """Take a node as it is now, and everything that is said about it. `brokers`: that run on it."""
        uid = node.meta.uid
        changed = bool(node.boot_id) and self._boots.get(uid, node.boot_id) != node.boot_id
        rebooted = changed and not self._was_told_of(node.boot_id)
        if node.boot_id:
            self._boots[uid] = node.boot_id
        told = [signal for signal in signals if self._counts(at, signal, node)]
        record = self._open.get(uid)
        if record is None and (told or rebooted):
            record = self._begin(at, node, capacity)
        if record is None:
            return
        record.brokers.update(brokers)
        record.capacity = capacity if capacity is not Capacity.UNKNOWN else record.capacity
        self._hear(at, record, told)
        self._follow_loss(at, record, node, rebooted=rebooted)
        self._judge(at, record)
        if not record.has_signs and record.certain is None:
            self._end(at, record)

    def gone(
        self, at: Instant, node: NodeView, signals: Collection[Signal], capacity: Capacity, brokers: Iterable[int] = ()
    ) -> None:
        """Take the deletion of a node's object. `node`: the last that was seen of it."""
        uid = node.meta.uid
        self._boots.pop(uid, None)
        record = self._open.get(uid)
        if record is None:
            if any(one.node_uid == uid and one.deleted for one in self._closed):
                return
            record = self._begin(at, node, capacity)
            if record is None:
                return
        record.brokers.update(brokers)
        record.capacity = capacity if capacity is not Capacity.UNKNOWN else record.capacity
        record.deleted = True
        self._hear(at, record, signals)
        self._lose(at, record, at, Loss.REMOVED)
        self._judge(at, record)

    def heard_late(self, at: Instant, node_uid: str, signals: Collection[Signal]) -> None:
        """Take what is said about a node that is gone."""
        record = self.on(node_uid)
        if record is not None:
            self._hear(at, record, signals)
            self._judge(at, record)

    def missing(self, at: Instant, present: Collection[str]) -> None:
        """Note which nodes exist, by uid, when they are listed for the first time: what went while nobody looked."""
        for uid, record in list(self._open.items()):
            if uid not in present and not record.deleted:
                record.deleted = True
                record.loss_unseen = record.lost is None
                self._lose(at, record, at, Loss.REMOVED)
                self._judge(at, record)
        self._boots = {uid: boot for uid, boot in self._boots.items() if uid in present}

    def brokers_silent(self, node_uid: str, since: Instant) -> None:
        """Note that a broker on that node, whose pod nobody deletes, does not answer since `since`.

        An earlier sign may be told after a later one: a slot is judged only when its deadline has passed.
        """
        first = self._silent.get(node_uid)
        if first is None or since.mono < first.mono:
            self._silent[node_uid] = since
        record = self._open.get(node_uid)
        if record is not None:
            record.silent_before(self._silent[node_uid], SILENCE)

    def brokers_answer(self, node_uid: str) -> None:
        """Note that the brokers on that node answer."""
        self._silent.pop(node_uid, None)

    def broker_left(self, node_uid: str, at: Instant, broker: int | None = None, *, rolled: bool = False) -> None:
        """Note that a broker's pod was removed from a node; if the node is being drained, the drain struck.

        `rolled`: which explains it, so that no drain is to be told later, but for what clocks differ. `broker` None: it
        was a mere controller.
        """
        self._silent.pop(node_uid, None)
        self._left.setdefault(node_uid, {})[broker] = at.mono + (CLOCKS if rolled else TOLD_LATER)
        record = self._open.get(node_uid)
        if record is not None:
            self._note_drained(record)

    def broker_was_rolled(self, node_uid: str, at: Instant, broker: int | None = None) -> None:
        """Note that a roll at `at` turned out to be why a broker left: see `broker_left`."""
        left = self._left.get(node_uid, {})
        if broker in left:
            left[broker] = min(left[broker], at.mono + CLOCKS)

    # --- time

    def tick(self, now: Instant, nodes_as_of: Instant | None) -> Step:
        """Move on what depends on time alone, and return everything that happened since the tick before.

        `nodes_as_of`: as of when nodes are known, None if they are not. What was silent then may have come back since.
        """
        for record in list(self._open.values()):
            if record.certain is None and self._is_silent_for_good(record, nodes_as_of):
                record.certain = now
                self._tell("lost", now, record)
                self._judge(now, record)
            if record.certain is not None and not record.counted and self._is_settled(now, record):
                self._count(now, record)
            if record.counted and (record.deleted or not record.has_signs):
                self._end(now, record)
        self._silent = {uid: since for uid, since in self._silent.items() if now.mono - since.mono <= SILENCE}
        self._forget_who_left(now)
        step = Step(tuple(self._changes), tuple(self._commands))
        self._changes, self._commands = [], []
        return step

    # --- inside

    def _forget_who_left(self, now: Instant) -> None:
        kept = {
            uid: {broker: until for broker, until in left.items() if now.mono - until <= SILENCE}
            for uid, left in self._left.items()
        }
        self._left = {uid: left for uid, left in kept.items() if left}

    def _is_silent_for_good(self, record: Disruption, nodes_as_of: Instant | None) -> bool:
        """Tell whether a node has been silent for so long that it is lost.

        A watch that comes back tells one after the other what happened meanwhile, so what it tells first may be over.
        """
        if record.lost is None or record.lost_seen is None or nodes_as_of is None:
            return False
        caught_up = nodes_as_of.mono - record.lost_seen.mono >= CATCH_UP
        return caught_up and nodes_as_of.mono - record.lost.mono >= self._lost_after

    def _is_settled(self, now: Instant, record: Disruption) -> bool:
        assert record.certain is not None
        only_silent = record.loss is Loss.UNREACHABLE and record.is_silent and record.capacity is Capacity.SPOT
        settle = max(self._settle, SETTLE_SILENT) if only_silent and not record.announced else self._settle
        return now.mono - record.certain.mono >= settle

    def _counts(self, at: Instant, signal: Signal, node: NodeView) -> bool:
        """Tell whether a signal means this disruption, or opens one: a node that is just starting is not lost."""
        if not signal.standing and signal.hint in {Hint.REBOOTED, Hint.REMOVED}:
            return self._is_news(at, signal, node.meta.uid)
        return node.meta.uid in self._open or signal.hint is not Hint.UNREACHABLE or not self._is_starting(at, node)

    def _is_news(self, at: Instant, signal: Signal, uid: str) -> bool:
        """Tell whether the loss that an event tells of is of now, and not one that was before."""
        said, record = at.wall if signal.since is None else signal.since, self._open.get(uid)
        over = next((one.closed for one in reversed(self._closed) if one.node_uid == uid), None)
        return (over is None or said > over.wall) and said >= (at if record is None else record.opened).wall - OLD

    def _was_told_of(self, boot_id: str) -> bool:
        """Tell whether a disruption that is over was the reboot that began this boot: its event may come first."""
        return any(boot_id in heard.signal.text for one in self._closed for heard in one.heard.values())

    def _is_starting(self, at: Instant, node: NodeView) -> bool:
        """Tell whether a node is not ready because it never was. One that was heard and fell silent is lost."""
        born, condition = node.meta.created, node.condition("Ready")
        if condition is not None and condition.reason == FELL_SILENT:
            return False
        since = at.wall if condition is None or condition.since is None else condition.since
        return born is not None and since <= born + STARTING

    def _begin(self, at: Instant, node: NodeView, capacity: Capacity) -> Disruption | None:
        if len(self._open) >= MAX_OPEN:
            return None
        record = self._open[node.meta.uid] = Disruption(node.meta.name, node.meta.uid, capacity, at)
        self._tell("opened", at, record)
        return record

    def _hear(self, at: Instant, record: Disruption, signals: Collection[Signal]) -> None:
        before = record.kind
        known = {(one.signal.source, one.signal.kind) for one in record.heard.values()}
        for signal in record.hear(at, signals):
            if (signal.source, signal.kind) not in known:
                known.add((signal.source, signal.kind))
                labels = (("source", signal.source.value), ("class", signal.kind.value))
                self._commands.append(Count("disruption_notices_total", labels))
        self._note_drained(record)
        if record.kind.rank > before.rank:
            self._tell("upgraded", at, record)

    def _note_drained(self, record: Disruption) -> None:
        """A drain struck what left its node after it had begun; the watch of nodes may be behind that of pods."""
        begun = record.first_said
        if begun is None:
            return
        left = [one for one, until in self._left.get(record.node_uid, {}).items() if begun.mono <= until]
        record.drained |= bool(left)
        record.brokers.update(broker for broker in left if broker is not None)

    def _follow_loss(self, at: Instant, record: Disruption, node: NodeView, *, rebooted: bool) -> None:
        said = {one.signal.hint: one for one in record.heard.values() if one.active}
        if rebooted or Hint.REBOOTED in said:
            self._lose(at, record, at, Loss.REBOOTED)
        if Hint.REMOVED in said:
            self._lose(at, record, said[Hint.REMOVED].said, Loss.REMOVED)
        condition = node.condition("Ready")
        if condition is not None and not node.ready and Hint.UNREACHABLE in said:
            since = dated(at, condition.since)
            if record.was_seen_silent_before(since):  # it was back in between, and nobody told
                self._found_alive(at, record)
            self._lose(at, record, since, Loss.UNREACHABLE)
        elif node.ready and record.lost is not None:
            self._found_alive(at, record)

    def _found_alive(self, at: Instant, record: Disruption) -> None:
        if record.certain is None:
            record.found_alive()
            self._tell("recovered", at, record)

    def _lose(self, at: Instant, record: Disruption, since: Instant, loss: Loss) -> None:
        was_certain = record.certain is not None
        record.lose(at, since, loss)
        silent = self._silent.get(record.node_uid)
        if silent is not None:
            record.silent_before(silent, SILENCE)
        if record.certain is not None and not was_certain:
            self._tell("lost", at, record)

    def _judge(self, at: Instant, record: Disruption) -> None:
        if record.judge():
            self._tell("revised" if record.counted else "upgraded", at, record)

    def _count(self, now: Instant, record: Disruption) -> None:
        """Write the samples of a disruption, once; a node that ran controllers only is not among them."""
        record.counted = True
        cause, announced = ("cause", record.cause.value), ("announced", str(record.announced).lower())
        notice, lead = record.notice, record.lead
        if record.brokers:
            self._commands.append(Count("node_disruptions_total", (cause, announced)))
        if record.brokers and notice is not None and lead is not None:
            labels = (("source", notice.signal.source.value),)
            self._commands.append(Observe("disruption_lead_seconds", labels, (lead,)))
        self._tell("counted", now, record)

    def _end(self, at: Instant, record: Disruption) -> None:
        if record.certain is None and record.drained:
            self._count(at, record)
        withdrawn = Outcome.RECOVERED if record.was_silent else Outcome.WITHDRAWN
        record.outcome = Outcome.LOST if record.certain is not None else withdrawn
        record.closed = at
        del self._open[record.node_uid]
        self._closed.append(record)
        if record.outcome is Outcome.WITHDRAWN:
            self._tell("withdrawn", at, record)

    def _tell(self, kind: str, at: Instant, record: Disruption) -> None:
        self._changes.append(DisruptionChange(kind, at, record))

    # --- state

    def to_state(self) -> dict[str, Any]:
        return {
            "open": [one.to_state() for one in self._open.values()],
            "closed": [one.to_state() for one in self._closed],
            "boots": dict(self._boots),
        }

    def restore(self, state: Mapping[str, Any], now: Instant) -> None:
        """Take over what `to_state` gave. Raises KeyError, TypeError or ValueError for anything else."""

        def rebase(wall: float) -> Instant:
            return Instant(now.mono - max(now.wall - float(wall), 0.0), float(wall))

        under_way = [Disruption.from_state(one, rebase) for one in state["open"]]
        closed = [Disruption.from_state(one, rebase) for one in state["closed"]]
        boots = {str(uid): str(boot) for uid, boot in state["boots"].items()}
        self._open = {one.node_uid: one for one in under_way[:MAX_OPEN]}
        self._closed = deque(closed, maxlen=MAX_CLOSED)
        self._boots = boots
