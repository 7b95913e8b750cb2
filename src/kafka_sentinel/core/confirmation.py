"""Whether Kafka itself shows that a fault struck, where who was asked to do it cannot tell.

A command that ended well may have done nothing, and one that failed may have hit: the machine that `ssh` was connected
to went. So the views of the cluster decide. A broker was hit if it is no longer among the live ones, or no longer in
sync with any partition in which it was; a controller, if the quorum lost it, or its leadership; a ZooKeeper server, if
it no longer serves. Only views that were asked for after the fault was commanded count, and what one of them showed
stays shown: a restart may be over before the command is.
"""

from __future__ import annotations

from dataclasses import dataclass

from kafka_sentinel.core.answers import numbers
from kafka_sentinel.core.cluster import ClusterView, TopicPartition
from kafka_sentinel.core.events import FaultCommanded, FaultFailed, FaultInjected
from kafka_sentinel.core.guard_input import World
from kafka_sentinel.core.types import Instant


@dataclass(frozen=True, slots=True)
class Confirmed:
    """`at`: when it was seen, or given up; `event`: what became of the fault."""

    at: Instant
    event: FaultInjected | FaultFailed


class Confirmation:
    """Of the fault of one run. `targets`: Kafka nodes; `servers`: of ZooKeeper. `world`: when it was commanded.

    `limit`: seconds from the end of what was commanded within which it must show.
    """

    def __init__(
        self, run: str, targets: tuple[int, ...], servers: tuple[str, ...], limit: float, world: World
    ) -> None:
        self._run = run
        self._limit = limit
        self._begun = world.now
        self._waiting: set[int | str] = {*targets, *servers}
        self._targets = targets
        self._brokers = frozenset(world.cluster.brokers) if world.cluster is not None else frozenset()
        self._held = {node: _in_sync(world.cluster, node) for node in targets}
        self._led_quorum = world.quorum.leader if world.quorum is not None else -1
        self._commanded: FaultCommanded | None = None

    def commanded(self, event: FaultCommanded) -> None:
        """Note that what was asked for is over, or was accepted."""
        self._commanded = event

    def look(self, world: World) -> Confirmed | None:
        """Take the newest views. Returns the outcome as soon as there is one."""
        self._waiting = {one for one in self._waiting if not self._is_hit(one, world)}
        commanded, now = self._commanded, world.now
        if commanded is None:
            return None
        if not self._waiting:
            return Confirmed(now, FaultInjected(self._begun, self._run, self._targets, confirmed=now))
        if now.mono - commanded.at.mono < self._limit:
            return None
        return Confirmed(now, FaultFailed(now, self._run, self._not_confirmed(commanded.problem)))

    @property
    def ended(self) -> Instant:
        """When what was commanded was over, as far as is known."""
        return self._commanded.at if self._commanded is not None else self._begun

    def _not_confirmed(self, problem: str) -> str:
        names = sorted(one for one in self._waiting if isinstance(one, str))
        nodes = [one for one in self._waiting if isinstance(one, int)]
        who = f"broker {numbers(sorted(nodes))}" if nodes else f"ZooKeeper server {', '.join(names)}"
        said = f"not confirmed: {who} was not seen to go within {self._limit:g} s"
        return f"{said}; {problem}" if problem else said

    def _is_hit(self, one: int | str, world: World) -> bool:
        if isinstance(one, str):
            view = world.ensemble
            return view is not None and self._is_newer(view.asked) and one not in view.serving
        if one in self._brokers:
            return self._is_newer(world.cluster_asked) and self._broker_is_hit(one, world.cluster)
        quorum = world.quorum
        if quorum is None or not self._is_newer(world.quorum_asked):
            return False
        return one not in quorum.caught_up_voters or (one == self._led_quorum != quorum.leader)

    def _broker_is_hit(self, broker: int, view: ClusterView | None) -> bool:
        if view is None:
            return False
        held = self._held[broker]
        return broker not in view.brokers or (bool(held) and not held & _in_sync(view, broker))

    def _is_newer(self, asked: Instant | None) -> bool:
        return asked is not None and asked.mono > self._begun.mono


def _in_sync(view: ClusterView | None, broker: int) -> frozenset[TopicPartition]:
    """Return the partitions in which a broker is in sync with others; the last one in sync is never taken off."""
    if view is None:
        return frozenset()
    return frozenset(
        (topic.name, part.partition)
        for topic in view.topics.values()
        for part in topic.partitions
        if broker in part.isr and len(part.replicas) > 1
    )
