"""Which objects Sentinel keeps an eye on, and all those watches together."""

from __future__ import annotations

from dataclasses import dataclass

from kafka_sentinel.adapters.kafka_client import Now, OnDeath, Post
from kafka_sentinel.adapters.kubernetes import resources
from kafka_sentinel.adapters.kubernetes.api import Api
from kafka_sentinel.adapters.kubernetes.watch import Watch
from kafka_sentinel.adapters.kubernetes.watched import Watched, WatchOptions, WatchStatus
from kafka_sentinel.core.kubernetes.objects import Kind

NODE_EVENTS_NAMESPACE = "default"  # where events about what has no namespace are kept
NODE_EVENTS = {"fieldSelector": "involvedObject.kind!=Pod"}  # a selector cannot say "Node or NodeClaim"
KAFKAS_OWN = {"labelSelector": "strimzi.io/kind=Kafka"}  # each holds all its pods; those of Connect are not asked for
OPERATOR = {"labelSelector": "strimzi.io/kind=cluster-operator"}


@dataclass(frozen=True, slots=True)
class Surroundings:
    """Where things are. `operator`: the namespace of Strimzi's operator, if it is not that of Kafka."""

    kafka: str
    operator: str | None = None


def watched(where: Surroundings) -> tuple[Watched, ...]:
    """Return what to watch. No two of them have both kind and scope in common: a list is the truth of its scope."""
    kafka = where.kafka
    found = [
        # All pods of the namespace: brokers, controllers, ZooKeeper, operators, and what lives beside them.
        Watched(Kind.POD, resources.PODS.within(kafka)),
        Watched(Kind.BUDGET, resources.BUDGETS.within(kafka)),
        Watched(Kind.CLAIM, resources.CLAIMS.within(kafka)),
        Watched(Kind.STATEFUL_SET, resources.STATEFUL_SETS.within(kafka), optional=True),
        Watched(Kind.KAFKA, resources.KAFKAS.within(kafka), versions=resources.KAFKA_VERSIONS, optional=True),
        Watched(
            Kind.POD_SET,
            resources.POD_SETS.within(kafka),
            KAFKAS_OWN,
            versions=resources.POD_SET_VERSIONS,
            optional=True,
        ),
        Watched(Kind.EVENT, resources.EVENTS.within(kafka), optional=True),
        Watched(Kind.NODE, resources.NODES, optional=True),
        Watched(Kind.VOLUME, resources.VOLUMES, optional=True),
        Watched(Kind.NODE_CLAIM, resources.NODE_CLAIMS, versions=resources.NODE_CLAIM_VERSIONS, optional=True),
    ]
    if kafka != NODE_EVENTS_NAMESPACE:
        events = resources.EVENTS.within(NODE_EVENTS_NAMESPACE)
        found.append(Watched(Kind.EVENT, events, NODE_EVENTS, optional=True))
    if where.operator not in {None, kafka}:
        found.append(Watched(Kind.POD, resources.PODS.within(where.operator), OPERATOR, optional=True))
    return tuple(found)


class Watches:
    """One thread for each thing watched."""

    def __init__(
        self,
        api: Api,
        where: Surroundings,
        *,
        post: Post,
        now: Now,
        on_death: OnDeath,
        options: WatchOptions | None = None,
    ) -> None:
        self._now = now
        self._watches = [
            Watch(api, each, options or WatchOptions(), post=post, now=now, on_death=on_death)
            for each in watched(where)
        ]

    def start(self) -> None:
        for watch in self._watches:
            watch.start()

    def stop(self, timeout: float) -> bool:
        """End them all within `timeout` seconds. Returns whether that was done. May be repeated."""
        end = self._now().mono + timeout
        for watch in self._watches:
            watch.stop(0.0)  # all are told before any is waited for
        ended = [watch.stop(max(end - self._now().mono, 0.0)) for watch in self._watches]
        return all(ended)

    def statuses(self) -> tuple[WatchStatus, ...]:
        """How each of them is. May be called from any thread."""
        return tuple(watch.status for watch in self._watches)
