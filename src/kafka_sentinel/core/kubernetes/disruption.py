"""One disruption of one node: what was said about it, when it went, and the verdict."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any

from kafka_sentinel.core.incident import Cause
from kafka_sentinel.core.kubernetes.capacity import Capacity
from kafka_sentinel.core.kubernetes.node_cause import Loss, cause_of
from kafka_sentinel.core.kubernetes.signal_types import Hint, Signal, SignalKind, Source
from kafka_sentinel.core.types import Instant

LATE = 2.0  # seconds by which news may lag; beyond that, what it says of its time is believed
CLOCKS = 5.0  # seconds by which the clocks of a cluster may differ
FRESH = (
    3_600.0  # seconds for which a sign explains and announces a loss: a node cordoned yesterday is not being drained
)
MAX_SIGNALS = 100  # per node; more than there are rules that can hold at once


class Outcome(StrEnum):
    LOST = "lost"
    RECOVERED = "recovered"  # it was silent and came back, having been running all the time
    WITHDRAWN = "withdrawn"  # what was announced did not happen


@dataclass(frozen=True, slots=True)
class Heard:
    """A signal and when it was first known (`seen`) and said (`said`). `active`: it still stands."""

    signal: Signal
    seen: Instant
    said: Instant
    active: bool = True


def dated(at: Instant, since: float | None) -> Instant:
    """Return when something happened that was seen at `at` and says it happened at `since` (wall clock)."""
    if since is None or at.wall - since <= LATE:
        return at
    return Instant(at.mono - (at.wall - since), since)


@dataclass(slots=True)
class Disruption:
    node: str
    node_uid: str
    capacity: Capacity
    opened: Instant
    heard: dict[str, Heard] = field(default_factory=dict)  # by rule
    brokers: set[int] = field(default_factory=set)  # that ran on it
    drained: bool = False  # a broker left it while it was being drained
    lost: Instant | None = None
    lost_seen: Instant | None = None
    loss: Loss | None = None
    loss_unseen: bool = False  # it went while nobody looked, so nobody knows when
    was_silent: bool = False
    deleted: bool = False  # its object is gone
    certain: Instant | None = None  # since when it is certain that the node is lost
    counted: bool = False  # its samples are written; a later insight is only shown
    cause: Cause = Cause.UNKNOWN
    outcome: Outcome | None = None  # set at the close
    closed: Instant | None = None

    # --- what is said

    @property
    def kind(self) -> SignalKind:
        """How far it has come: the highest that is standing, or was said lately."""
        kinds = [one.signal.kind for one in self.heard.values() if one.active]
        if self.certain is not None:
            kinds.append(SignalKind.GONE)
        return max(kinds, key=lambda kind: kind.rank, default=SignalKind.RISK)

    def hear(self, at: Instant, signals: Iterable[Signal]) -> list[Signal]:
        """Take everything that is said now. Returns what was not known.

        What was taken back while nothing had happened is forgotten: it does not explain what may come later.
        """
        now = {signal.rule: signal for signal in signals}
        self.was_silent |= any(signal.hint is Hint.UNREACHABLE for signal in now.values())
        self.heard = {
            rule: replace(one, active=rule in now)
            for rule, one in self.heard.items()
            if rule in now or self.lost is not None or self.drained
        }
        new = [signal for rule, signal in now.items() if rule not in self.heard]
        for signal in new[: MAX_SIGNALS - len(self.heard)]:
            self.heard[signal.rule] = Heard(signal, at, dated(at, signal.since))
        return new

    @property
    def has_signs(self) -> bool:
        """Tell whether something is still said of it. That it was restarted is over when it is back."""
        over = Hint.REBOOTED if self.loss is Loss.REBOOTED else None
        return any(one.active and (one.signal.hint is not over or one.signal.standing) for one in self.heard.values())

    @property
    def is_silent(self) -> bool:
        """Tell whether it is silent still, by what was told last."""
        return any(one.active and one.signal.hint is Hint.UNREACHABLE for one in self.heard.values())

    def _explaining(self) -> list[Heard]:
        """Return the signals that can explain the loss: not risks, not what followed from it, not what is long over."""
        return [one for one in self.heard.values() if one.signal.kind is not SignalKind.RISK and not self._is_late(one)]

    def _is_late(self, one: Heard) -> bool:
        """Tell whether a signal followed from the loss, or came so long before that it did not mean it.

        That spot capacity was taken back is true however late it is told.
        """
        if self.lost is None or self.lost_seen is None or one.signal.hint is Hint.SPOT:
            return False
        if self.lost.mono - one.said.mono > FRESH and one.signal.hint not in {Hint.VOLUNTARY, Hint.REMOVAL}:
            return True
        said_later = one.said.mono > self.lost.mono + CLOCKS
        return said_later and (one.signal.since is not None or one.seen.mono > self.lost_seen.mono)

    # --- the loss

    def lose(self, at: Instant, since: Instant, loss: Loss) -> None:
        """Note that the node is silent or gone since `since`, as was seen at `at`."""
        if self.lost is None or since.mono < self.lost.mono:
            self.lost = since
        self.lost_seen = self.lost_seen or at
        if self.loss is not Loss.REMOVED and not (loss is Loss.UNREACHABLE and self._was_restarted_after(since)):
            self.loss = loss
        expected = any(one.signal.hint is Hint.SPOT and one.active for one in self.heard.values())
        if self.certain is None and (loss is not Loss.UNREACHABLE or expected):
            self.certain = at

    def _was_restarted_after(self, silent: Instant) -> bool:
        """Tell whether a silence is the one that the restart ended: that may be told before it is told to be over."""
        return self.loss is Loss.REBOOTED and self.certain is not None and silent.mono <= self.certain.mono

    def found_alive(self) -> None:
        """Note that a node that was only silent is back."""
        self.lost = self.lost_seen = self.loss = None

    def was_seen_silent_before(self, since: Instant) -> bool:
        """Tell whether it was seen to be silent before its silence of now began."""
        return self.lost_seen is not None and since.mono > self.lost_seen.mono + CLOCKS

    def silent_before(self, at: Instant, window: float) -> None:
        """Move the loss back to when brokers still on it fell silent: Kubernetes notices only after a grace period."""
        if self.lost is not None and 0 < self.lost.mono - at.mono <= window:
            self.lost = at

    # --- the verdict

    @property
    def notice(self) -> Heard | None:
        """The sign that announced the loss: the first notice, else the first sign of a drain; none if it came after.

        What is not dated and was first seen together with the loss is taken to have been there before.
        """
        said = self._announcing()
        notices = [one for one in said if one.signal.kind is SignalKind.NOTICE]
        return min(notices or said, key=lambda one: one.said.mono, default=None)

    @property
    def first_said(self) -> Instant | None:
        """Since when it is said that the node is to go or is drained: a notice may come later than the drain."""
        return min((one.said for one in self._announcing()), key=lambda at: at.mono, default=None)

    @property
    def said_since(self) -> list[Heard]:
        """Return what has been said since it was lost, and is said still: that it is to go or is drained."""
        if self.lost is None:
            return []
        kinds, lost = {SignalKind.NOTICE, SignalKind.DRAIN}, self.lost.mono
        return [one for one in self.heard.values() if one.active and one.signal.kind in kinds and one.said.mono > lost]

    @property
    def cause_since(self) -> Cause:
        """Return the cause by what has been said since it was lost: it may be back, and drained."""
        return cause_of({one.signal.hint for one in self.said_since}, self.capacity, None, certain=False)

    def _announcing(self) -> list[Heard]:
        kinds = {SignalKind.NOTICE, SignalKind.DRAIN}
        return [one for one in self._explaining() if one.signal.kind in kinds and self._is_before(one)]

    def _is_before(self, one: Heard) -> bool:
        if self.lost is None or self.lost_seen is None or one.said.mono <= self.lost.mono:
            return True
        return one.signal.since is None and one.seen.mono <= self.lost_seen.mono

    @property
    def announced(self) -> bool:
        return self.notice is not None

    @property
    def lead(self) -> float | None:
        """Seconds from the notice to the loss of the node; None if there was no notice, or one of them is not dated."""
        notice = self.notice
        if notice is None or self.lost is None or self.loss_unseen or notice.said.mono > self.lost.mono:
            return None
        return self.lost.mono - notice.said.mono

    def judge(self) -> bool:
        """Form the verdict anew. Returns whether the cause changed."""
        hints = {one.signal.hint for one in self._explaining()}
        before = self.cause
        self.cause = cause_of(hints, self.capacity, self.loss, certain=self.certain is not None)
        return self.cause is not before

    @property
    def reasons(self) -> tuple[str, ...]:
        """What was said, in the order in which it was said, in sentences for people."""
        heard = sorted(self.heard.values(), key=lambda one: one.said.mono)
        said = [f"node {self.node}: {one.signal.text}" for one in heard]
        if self.loss is not None:
            how = {Loss.UNREACHABLE: "is silent", Loss.REBOOTED: "was restarted", Loss.REMOVED: "is gone"}[self.loss]
            said.append(f"node {self.node} {how}" + ("" if self.announced else ", without notice"))
        return tuple(said)

    # --- as others see it, and state

    def as_dict(self) -> dict[str, Any]:
        """Return what the API and the log show."""
        notice = self.notice
        return {
            "node": self.node,
            "node_uid": self.node_uid,
            "capacity": self.capacity.value,
            "class": self.kind.value,
            "cause": self.cause.value,
            "announced": self.announced,
            "source": notice.signal.source.value if notice is not None else None,
            "brokers": sorted(self.brokers),
            "opened_at": self.opened.wall,
            "lost_at": self.lost.wall if self.lost is not None else None,
            "lead_seconds": self.lead,
            "outcome": self.outcome.value if self.outcome is not None else None,
            "reasons": list(self.reasons),
        }

    def to_state(self) -> dict[str, Any]:
        return {
            "node": self.node,
            "node_uid": self.node_uid,
            "capacity": self.capacity.value,
            "opened": self.opened.wall,
            "heard": [_pack(one) for one in self.heard.values()],
            "brokers": sorted(self.brokers),
            "drained": self.drained,
            "loss_unseen": self.loss_unseen,
            "was_silent": self.was_silent,
            "deleted": self.deleted,
            "loss": self.loss.value if self.loss is not None else None,
            "counted": self.counted,
            "cause": self.cause.value,
            "outcome": self.outcome.value if self.outcome is not None else None,
            **{name: _wall(getattr(self, name)) for name in ("lost", "lost_seen", "certain", "closed")},
        }

    @classmethod
    def from_state(cls, state: Mapping[str, Any], rebase: Callable[[float], Instant]) -> Disruption:
        """Restore what `to_state` gave. Raises KeyError, TypeError or ValueError for anything else."""
        heard = [_unpack(one, rebase) for one in state["heard"]]
        found = cls(
            node=str(state["node"]),
            node_uid=str(state["node_uid"]),
            capacity=Capacity(state["capacity"]),
            opened=rebase(state["opened"]),
            heard={one.signal.rule: one for one in heard},
            brokers={int(broker) for broker in state["brokers"]},
            drained=bool(state["drained"]),
            loss_unseen=bool(state["loss_unseen"]),
            was_silent=bool(state["was_silent"]),
            deleted=bool(state["deleted"]),
            loss=None if state["loss"] is None else Loss(state["loss"]),
            counted=bool(state["counted"]),
            cause=Cause(state["cause"]),
            outcome=None if state["outcome"] is None else Outcome(state["outcome"]),
        )
        for name in ("lost", "lost_seen", "certain", "closed"):
            setattr(found, name, None if state[name] is None else rebase(state[name]))
        return found


def _wall(at: Instant | None) -> float | None:
    return None if at is None else at.wall


def _pack(one: Heard) -> list[Any]:
    signal = one.signal
    said = [signal.source.value, signal.kind.value, signal.hint.value, signal.rule, signal.text, signal.since]
    return [*said, signal.standing, one.seen.wall, one.said.wall, one.active]


def _unpack(row: list[Any], rebase: Callable[[float], Instant]) -> Heard:
    source, kind, hint, rule, text, since, standing, seen, said, active = row
    signal = Signal(Source(source), SignalKind(kind), Hint(hint), str(rule), str(text), since, bool(standing))
    return Heard(signal, rebase(seen), rebase(said), bool(active))
