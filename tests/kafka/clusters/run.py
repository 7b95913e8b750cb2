"""Sentinels that come into one cluster in different ways, while a broker dies and comes back; judged by its log."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager

from tests.kafka import truth
from tests.kafka.clusters.acls import GROUP, Grant, least
from tests.kafka.clusters.cluster import SecuredCluster
from tests.kafka.clusters.listeners import Security
from tests.kafka.sentinel import Sentinel, assert_identities, configuration, wait_for

from kafka_sentinel.core.events import AdapterError, GroupCommitted, GroupRebalanced, QuorumObserved
from kafka_sentinel.core.types import Acks

MANY = 60  # records
SECONDS = 120.0  # on a busy machine


def config_of(cluster: SecuredCluster, security: Security, **sections: dict) -> dict:
    """Return Sentinel's configuration. Each way in has a probe topic and a group of its own."""
    base = {
        "kafka": cluster.settings(security),
        "group_consumer": {"group_id": group_of(security)},
        "kubernetes": {"enabled": False},
        # Seldom, and with patience: several run side by side, and what is looked for is not speed.
        "probe": {"interval": 0.5, "records_per_interval": 2, "delivery_timeout": 60},
    }
    return configuration(cluster.bootstrap(security), topic_of(security), **{**base, **sections})


def topic_of(security: Security) -> str:
    return f"probe-{security.listener.lower()}"


def group_of(security: Security) -> str:
    """Return its consumer group.

    Never one for two: whoever leads a group hands out the topics that its broker knows at that moment. A topic of
    another member that was made just before is left out, and this library's leader looks again for its own topics only.
    """
    return f"{GROUP}-{security.listener.lower()}"


def grants_of(security: Security) -> tuple[Grant, ...]:
    """Return the least that is enough for `config_of`."""
    topic = topic_of(security)
    return least((topic, f"{topic}-acks1"), group_of(security))


@contextmanager
def running(cluster: SecuredCluster, ways: Sequence[Security]) -> Iterator[dict[Security, Sentinel]]:
    """Run a Sentinel for each way in, which may do the least, and has proved records before it is yielded."""
    granted: dict[str, set[Grant]] = {}
    for security in ways:
        granted.setdefault(cluster.keys.who(security), set()).update(grants_of(security))
    with ExitStack() as stack:
        stack.enter_context(cluster.aws())
        for principal, grants in granted.items():
            stack.enter_context(cluster.allowed(principal, grants))
        sentinels = {one: stack.enter_context(Sentinel(config_of(cluster, one))) for one in ways}
        for sentinel in sentinels.values():
            sentinel.wait_verified(MANY, SECONDS)
        yield sentinels


def prove(cluster: SecuredCluster, ways: Sequence[Security], victim: int) -> None:
    """Probe, kill the broker `victim` and bring it back. What each Sentinel says of its records, the log confirms."""
    with running(cluster, ways) as sentinels:
        cluster.kill(victim)
        go_on(sentinels)
        cluster.start(victim)
        cluster.wait_ready([victim])
        for sentinel in sentinels.values():
            wait_for(lambda one=sentinel: one.isr(0) == [1, 2, 3], SECONDS, lambda one=sentinel: f"sync: {one.isr(0)}")
        go_on(sentinels)
        for security, sentinel in sentinels.items():
            wait_for(lambda one=sentinel: _commits(one), SECONDS, lambda one=sentinel: _group(one))
            assert sentinel.heard(QuorumObserved), f"{security}: nobody answers the other library"
            judge(cluster, topic_of(security), sentinel)


def _commits(sentinel: Sentinel) -> bool:
    return any(one.error is None and one.offsets for one in sentinel.heard(GroupCommitted))


def _group(sentinel: Sentinel) -> str:
    errors = [one for one in sentinel.heard(AdapterError) if one.subject == "group"]
    assigned = [one.assigned for one in sentinel.heard(GroupRebalanced)]
    return f"the group to commit: {sentinel.heard(GroupCommitted)[-3:]} {errors[-5:]}; assigned: {assigned[-3:]}"


def go_on(sentinels: dict[Security, Sentinel]) -> None:
    marks = {security: sentinel.records()["verified"] + MANY for security, sentinel in sentinels.items()}
    for security, sentinel in sentinels.items():
        sentinel.wait_verified(marks[security], SECONDS)


def judge(cluster: SecuredCluster, topic: str, sentinel: Sentinel) -> None:
    """Compare its figures with an independent reading of the log. Nothing that was acknowledged may be missing."""
    figures = sentinel.quiesce(SECONDS)
    assert_identities(figures)
    numbers = sorted(one["partition"] for one in sentinel.status["partitions"] if one["acks"] == "all")
    acked = [set(sentinel.acked(number)) for number in numbers]
    logs = [
        truth.read_log(cluster.bootstrap_servers, topic, number, **cluster.super_truth).records for number in numbers
    ]
    there = [truth.present(log) for log in logs]
    missing = [keys - found for keys, found in zip(acked, there, strict=True)]
    assert not any(missing), f"{topic}: acknowledged and not in the log: {missing}"
    assert (figures["lost"], figures["unaccounted"], figures["corrupted_acked"]) == (0, 0, 0), figures
    assert figures["sent"] == sum(sentinel.runtime.sent[Acks.ALL, number] for number in numbers)
    assert figures["acked"] == figures["verified"] == sum(map(len, acked)), figures
    unasked = sum(len(found - keys) for keys, found in zip(acked, there, strict=True))
    assert figures["present"] <= unasked <= figures["present"] + figures["unresolved"], figures
    assert figures["duplicated"] == sum(map(truth.extra_copies, logs)), figures
