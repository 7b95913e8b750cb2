"""Guards that look at Kafka: the target, the partitions of every topic, the quorum."""

from __future__ import annotations

from collections.abc import Iterator
from fnmatch import fnmatchcase

from kafka_sentinel.core.answers import Answer, age, answer, judged, numbers, seconds, short
from kafka_sentinel.core.cluster import EnsembleView, PartitionView, QuorumView, TopicView
from kafka_sentinel.core.guard_input import GuardInput
from kafka_sentinel.core.kubernetes.fleet import Side
from kafka_sentinel.core.targets import Target

MAX_TARGETS = 1  # Kafka nodes one experiment may take at a time, whatever is configured, but for all of one machine

MAX_SETTINGS_AGE = 180.0  # seconds; three times as old as they are let become where they can be read


def fresh_views(given: GuardInput, _target: Target) -> Answer:
    """The views of the cluster, its quorum and its ZooKeeper are recent, and the settings of topics are not old.

    Settings are read in turns, once a minute; without the right to read them any more, the last would stand for ever.
    """
    limit, world = given.settings.max_view_age, given.world
    cluster = age(given, world.cluster_asked) if world.cluster is not None else None
    quorum = age(given, world.quorum_asked) if world.quorum is not None else None
    read = world.cluster.settings_read if world.cluster is not None else None
    topics = None if read is None else world.now.mono - read
    views = {"cluster": cluster, "quorum": quorum}
    if world.ensemble is not None:
        views["ZooKeeper"] = age(given, world.ensemble.asked)
    allowed = all(each is not None and 0 <= each <= limit for each in views.values())
    allowed &= topics is None or topics <= MAX_SETTINGS_AGE
    seen = ", ".join(f"{name} {seconds(each)}" for name, each in views.items())
    if topics is not None:
        seen += f", topic settings {seconds(topics)}"
    threshold = f"<= {limit:g} s old, topic settings {MAX_SETTINGS_AGE:g} s"
    return answer("fresh_views", allowed, seen, threshold, f"too old or missing: {seen}")


def target_known(given: GuardInput, target: Target) -> Answer:
    """The target is resolved, and every Kafka node of it is alive, and every ZooKeeper server serves."""
    missing = sorted(target.brokers - given.world.alive)
    ensemble = given.world.ensemble
    silent = [one for one in target.servers if ensemble is None or one not in ensemble.serving]
    reason = target.reason or (f"not alive: {numbers(missing)}" if missing else "no target")
    if silent:
        reason = f"not serving: {', '.join(silent)}"
    seen = numbers(target.brokers) if target.brokers or target.is_empty else "no Kafka node"
    return answer("target_known", not target.is_empty and not missing and not silent, seen, "alive", reason)


def target_size(given: GuardInput, target: Target) -> Answer:
    """The target is one Kafka node at a time; `allow_unavailability` lets a fault of a machine take all it runs.

    No other setting raises this cap.
    """
    count = max((len(loss) for loss in target.losses), default=0)  # a roll of nobody loses none
    if target.node is None and not target.one_by_one:
        count = max(count, len(target.pods), len(target.servers))
    whole = target.node is not None and given.spec.allow_unavailability
    limit = max(count, MAX_TARGETS) if whole else MAX_TARGETS
    reason = f"{count} nodes targeted at a time" if count else "no node targeted"
    if target.node is not None:
        reason += f", all on {target.node.name}: that needs allow_unavailability"
    return answer("target_size", 0 < count <= limit, f"{count} at a time", f"1 to {limit}", reason)


def steady(given: GuardInput, _target: Target) -> Answer:
    """All probe partitions have been producible and consumable for long enough, and nothing is overdue."""
    since, limit, overdue = age(given, given.world.steady_since), given.settings.steady, given.world.overdue
    seen = f"steady {seconds(since)}, overdue {'not known' if overdue is None else overdue}"
    allowed = since is not None and since >= limit and overdue == 0
    return answer("steady", allowed, seen, f">= {limit:g} s, overdue 0", f"not steady: {seen}")


def offline(given: GuardInput, _target: Target) -> Answer:
    """No partition of any topic is without a live leader."""
    live = _live(given)
    bad = [f"{topic}-{view.partition}" for topic, view in _partitions(given) if view.leader not in live]
    return _count("offline", given, bad, "without a live leader")


def under_replicated(given: GuardInput, _target: Target) -> Answer:
    """No partition of any topic lacks an in-sync replica."""
    live = _live(given)
    bad = [
        f"{topic}-{view.partition}"
        for topic, view in _partitions(given)
        if not view.replicas or not live.intersection(view.isr).issuperset(view.replicas)
    ]
    return _count("under_replicated", given, bad, "under-replicated")


def min_isr_without_targets(given: GuardInput, target: Target) -> Answer:
    """Every partition of any topic keeps min.insync.replicas in-sync replicas without the targets.

    Topics whose replication factor leaves no replica to spare deny by name, whichever node is meant, unless a pattern
    of `accept_unavailable` names them. `allow_unavailability` asks for one remaining in-sync replica instead. Pods that
    run no Kafka node take no replica with them.
    """
    floor = "1 in sync" if given.spec.allow_unavailability else "min.insync.replicas in sync"
    topics = () if given.world.cluster is None else tuple(given.world.cluster.topics.values())
    if not topics or target.is_empty:
        return judged("min_isr_without_targets", ["no topic in view" if not topics else "no target"], "", floor)
    if not target.brokers:
        return Answer("min_isr_without_targets", allowed=True, seen="no Kafka node is hit", threshold=floor)
    live = _live(given)
    faults = dict.fromkeys(
        fault
        for loss in target.losses
        for topic in topics
        for fault in [_isr_fault(topic, live - loss, given)]
        if fault is not None
    )
    return judged("min_isr_without_targets", tuple(faults), "kept", floor)


def quorum_without_targets(given: GuardInput, target: Target) -> Answer:
    """A majority of the quorum's voters is caught up and not targeted; nothing relaxes this.

    In a cluster with ZooKeeper a majority of its ensemble must be Ready and not targeted, as its pods show, or must
    serve, as its servers say. A provider's own quorum, of which Kafka says nothing, has none of the brokers in it.
    """
    quorum, ensemble, provider = given.world.quorum, given.world.ensemble, given.world.provider
    threshold = "a majority"
    if target.is_empty or quorum is None:
        return judged("quorum_without_targets", ["no target" if target.is_empty else "no quorum seen"], "", threshold)
    said = [_zookeeper_left(given, target)] if _has_zookeeper(given) else []
    said += [_servers_left(ensemble, target)] if ensemble is not None else []
    said += [("the provider's own", True)] if provider is not None and not quorum.voters else []
    if quorum.voters or not said or _has_controllers(given):
        said += [_voters_left(quorum, loss) for loss in target.losses]
    seen = "; ".join(dict.fromkeys(words for words, _ in said))
    return judged("quorum_without_targets", [words for words, kept in said if not kept], seen, threshold)


def reassignment(given: GuardInput, _target: Target) -> Answer:
    """No partition is being moved."""
    world = given.world
    if world.cluster is None or world.quorum is None:
        return Answer("reassignment", allowed=False, seen="not known", threshold="none", reason="not known")
    moving = sorted(f"{topic}-{number}" for topic, number in world.cluster.reassigning | world.quorum.reassigning)
    return answer("reassignment", not moving, short(moving) or "none", "none", f"being moved: {short(moving)}")


# --- partitions


def _live(given: GuardInput) -> frozenset[int]:
    return frozenset(given.world.cluster.brokers) if given.world.cluster is not None else frozenset()


def _partitions(given: GuardInput) -> Iterator[tuple[str, PartitionView]]:
    if given.world.cluster is not None:
        for topic in given.world.cluster.topics.values():
            yield from ((topic.name, view) for view in topic.partitions)


def _isr_fault(topic: TopicView, left: frozenset[int], given: GuardInput) -> str | None:
    """Return why `topic` forbids the injection that leaves only the nodes `left`, or None."""
    accepted = any(fnmatchcase(topic.name, pattern) for pattern in given.settings.accept_unavailable)
    for view in topic.partitions:
        copies, needed = len(view.replicas), topic.min_isr
        if given.spec.allow_unavailability:
            needed = 0 if accepted and copies == 1 else 1
        elif needed is None:
            return f"{topic.name} (min.insync.replicas not known)"
        elif copies <= needed:
            if not accepted:
                return f"{topic.name} (replication factor {copies}, min.insync.replicas {needed}: none to spare)"
            needed = min(1, copies - 1)  # the only copy may go where that was accepted, the last of several never
        in_sync = len(left.intersection(view.isr))
        if in_sync < needed:
            return f"{topic.name}-{view.partition} ({in_sync} in sync left, needs {needed})"
    return None


def _count(guard: str, given: GuardInput, bad: list[str], what: str) -> Answer:
    seen_any = given.world.cluster is not None and bool(given.world.cluster.topics)
    reason = f"{len(bad)} {what}: {short(bad)}" if seen_any else "no topic in view"
    return answer(guard, seen_any and not bad, str(len(bad)) if seen_any else "not known", "0", reason)


# --- the quorum


def _has_zookeeper(given: GuardInput) -> bool:
    fleet = given.world.fleet
    return fleet is not None and bool(fleet.side_pods(Side.ZOOKEEPER))


def _has_controllers(given: GuardInput) -> bool:
    fleet = given.world.fleet
    return fleet is not None and bool(fleet.controllers)


def _voters_left(quorum: QuorumView, loss: frozenset[int]) -> tuple[str, bool]:
    """Say how many voters are left without `loss`, and whether these are enough."""
    voters = set(quorum.voters)
    if not voters or quorum.leader < 0:
        return "no quorum seen", False
    left = voters.intersection(quorum.caught_up_voters) - loss
    need = len(voters) // 2 + 1
    return f"{len(left)} of {len(voters)} voters left, needs {need}", len(left) >= need


def _zookeeper_left(given: GuardInput, target: Target) -> tuple[str, bool]:
    """Say how many ZooKeeper pods are left without the targets, and whether these are enough."""
    assert given.world.kubernetes is not None
    size = given.world.kubernetes.ensemble
    if size is None:
        return "the size of the ZooKeeper ensemble is not known", False
    hit = {pod.uid for pod in target.pods}
    pods = given.world.kubernetes.fleet.side_pods(Side.ZOOKEEPER)
    left = [pod for pod in pods if pod.ready and not pod.deleting and pod.uid not in hit]
    need = size // 2 + 1
    return f"{len(left)} of {size} ZooKeeper pods left, needs {need}", len(left) >= need


def _servers_left(ensemble: EnsembleView, target: Target) -> tuple[str, bool]:
    """Say how many ZooKeeper servers go on to serve without the targets, and whether these are enough."""
    left, size = ensemble.serving - set(target.servers), len(ensemble.servers)
    need = size // 2 + 1
    return f"{len(left)} of {size} ZooKeeper servers left, needs {need}", len(left) >= need
