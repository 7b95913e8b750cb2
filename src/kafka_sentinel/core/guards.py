"""May we break something now? Each guard is one question; all must allow, and what is not known denies.

`GUARDS`, in this order, with the first line of each guard's docstring, is the documentation (docs/experiments.md is
checked against it). A guard judges the whole target set, and never does more than look.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase

from kafka_sentinel.core.cluster import PartitionView, TopicView
from kafka_sentinel.core.guard_input import GuardInput
from kafka_sentinel.core.targets import Target
from kafka_sentinel.core.types import Instant

MAX_TARGETS = 1  # nodes one experiment may hit, whatever is configured
MAX_NAMED = 5  # topics named in one reason; the rest is counted
DAY = 86_400.0


@dataclass(frozen=True, slots=True)
class Answer:
    """What one guard said: what it saw, what it wanted to see, and, if it denies, why."""

    guard: str
    allowed: bool
    seen: str
    threshold: str
    reason: str = ""


Guard = Callable[[GuardInput, Target], Answer]


def evaluate(given: GuardInput, target: Target) -> tuple[Answer, ...]:
    """Return the answer of every guard, in order."""
    return tuple(guard(given, target) for guard in GUARDS)


def first_denial(given: GuardInput, target: Target) -> Answer | None:
    """Return the first guard's answer that denies, or None: all allow. Guards after it are not asked."""
    return next((answer for answer in (guard(given, target) for guard in GUARDS) if not answer.allowed), None)


def guard_table() -> str:
    """Return the guards as a Markdown table, for docs/experiments.md."""
    lines = ["| guard | allows only if |", "|---|---|"]
    lines += [f"| `{guard.__name__}` | {(guard.__doc__ or '').splitlines()[0]} |" for guard in GUARDS]
    return "\n".join(lines)


def _answer(guard: str, allowed: bool, seen: str, threshold: str, reason: str) -> Answer:
    return Answer(guard, allowed, seen, threshold, "" if allowed else reason)


def armed(given: GuardInput, _target: Target) -> Answer:
    """Experiments are armed for a named Kafka cluster."""
    named = given.settings.armed_for
    return _answer("armed", bool(named), named or "not armed", "a cluster id", "experiments are not armed")


def cluster_id(given: GuardInput, _target: Target) -> Answer:
    """The cluster we are connected to is the one experiments are armed for."""
    view, named = given.world.cluster, given.settings.armed_for
    seen = view.cluster_id if view is not None else "not known"
    allowed = view is not None and bool(named) and seen == named
    return _answer("cluster_id", allowed, seen, named or "not armed", f"armed for {named or 'none'}, this is {seen}")


def paused(given: GuardInput, _target: Target) -> Answer:
    """Nobody has paused the experiments."""
    allowed = given.paused is None
    seen = "not paused" if allowed else f"paused: {given.paused}"
    return _answer("paused", allowed, seen, "not paused", f"experiments are {seen}")


def latched(given: GuardInput, _target: Target) -> Answer:
    """No experiment failed and no acks=all record was lost since the last resume."""
    reason = f"held until resumed: {given.latched}"
    return _answer("latched", given.latched is None, given.latched or "not latched", "not latched", reason)


def lease(given: GuardInput, _target: Target) -> Answer:
    """This Sentinel holds the Lease, where one decides which of several may inject."""
    found = given.world.lease
    if found is None:
        return Answer("lease", allowed=True, seen="none in use", threshold="held")
    held = found.held(given.world.now)
    seen = "held" if held else found.problem or f"held by {found.holder or 'nobody'}"
    return _answer("lease", held, seen, "held", f"the Lease is not held by this Sentinel: {seen}")


def schedule(given: GuardInput, _target: Target) -> Answer:
    """The run is due, and not later than its grace."""
    limit = f"0 to {given.spec.grace:g} s late"
    if given.due is None:
        return Answer("schedule", allowed=False, seen="not planned", threshold=limit, reason="no run is planned yet")
    late = given.world.now.wall - given.due
    reason = f"not due for another {-late:.0f} s" if late < 0 else f"missed by {late:.0f} s"
    return _answer("schedule", 0 <= late <= given.spec.grace, f"{late:.1f} s late", limit, reason)


def blackout(given: GuardInput, _target: Target) -> Answer:
    """No blackout window covers this moment."""
    covering = [window.text for window in given.settings.blackouts if window.covers(given.world.now.wall)]
    seen = "; ".join(covering[:MAX_NAMED]) or "none"
    return _answer("blackout", not covering, seen, "none", f"inside the blackout {seen}")


def warm_up(given: GuardInput, _target: Target) -> Answer:
    """Sentinel itself has been running long enough, so a crash loop cannot inject at each start."""
    age, limit = _age(given, given.world.started), given.settings.warm_up
    allowed = age is not None and age >= limit
    return _answer("warm_up", allowed, _seconds(age), f">= {limit:g} s", "Sentinel has only just started")


def one_at_a_time(given: GuardInput, _target: Target) -> Answer:
    """No other experiment is under way."""
    seen = given.under_way or "none"
    return _answer("one_at_a_time", given.under_way is None, seen, "none", f"{seen} is under way")


def incident_open(given: GuardInput, _target: Target) -> Answer:
    """No incident is open."""
    still_open = given.world.open_incidents
    seen = ", ".join(still_open[:MAX_NAMED]) or "none"
    return _answer("incident_open", not still_open, seen, "none", f"{len(still_open)} open: {seen}")


def min_gap(given: GuardInput, _target: Target) -> Answer:
    """The last loss of a broker, ours or natural, is long enough ago."""
    limit = given.settings.min_gap
    times = _losses(given, within=max(limit, DAY))
    gap = given.world.now.wall - max(times) if times else None
    seen = "none before" if gap is None else f"{gap:.0f} s"
    return _answer("min_gap", gap is None or gap >= limit, seen, f">= {limit:g} s", f"a broker was lost {seen} ago")


def daily_budget(given: GuardInput, _target: Target) -> Answer:
    """Fewer brokers than the budget were lost in the last 24 hours, natural losses included."""
    count, limit = len(_losses(given, within=DAY)), given.settings.daily_budget
    reason = f"{count} losses in 24 h use up the budget of {limit}"
    return _answer("daily_budget", count < limit, str(count), f"< {limit}", reason)


def state_saved(given: GuardInput, _target: Target) -> Answer:
    """The last write of the state succeeded, and recently."""
    age, limit, error = _age(given, given.world.state_saved), given.settings.max_state_age, given.world.state_error
    allowed = error is None and age is not None and age <= limit
    reason = f"the state could not be written: {error}" if error else "the state was not written recently"
    return _answer("state_saved", allowed, error or _seconds(age), f"<= {limit:g} s ago", reason)


def target_known(given: GuardInput, target: Target) -> Answer:
    """The target is resolved, and every node of it is alive."""
    alive = given.world.alive
    missing = sorted(target.brokers - alive)
    reason = target.reason or (f"not alive: {_names(missing)}" if missing else "no target")
    return _answer("target_known", bool(target.brokers) and not missing, _names(target.brokers), "alive", reason)


def single_target(_given: GuardInput, target: Target) -> Answer:
    """The target is one node: a hard cap that no setting raises."""
    count = len(target.brokers)
    reason = f"{count} nodes targeted" if count else "no node targeted"
    return _answer("single_target", 0 < count <= MAX_TARGETS, str(count), f"1 to {MAX_TARGETS}", reason)


def fresh_views(given: GuardInput, _target: Target) -> Answer:
    """The views of the cluster and of its quorum are both recent."""
    limit, world = given.settings.max_view_age, given.world
    cluster = _age(given, world.cluster_asked) if world.cluster is not None else None
    quorum = _age(given, world.quorum_asked) if world.quorum is not None else None
    allowed = all(age is not None and 0 <= age <= limit for age in (cluster, quorum))
    seen = f"cluster {_seconds(cluster)}, quorum {_seconds(quorum)}"
    return _answer("fresh_views", allowed, seen, f"<= {limit:g} s old", f"too old or missing: {seen}")


def steady(given: GuardInput, _target: Target) -> Answer:
    """All probe partitions have been producible and consumable for long enough, and nothing is overdue."""
    age, limit, overdue = _age(given, given.world.steady_since), given.settings.steady, given.world.overdue
    seen = f"steady {_seconds(age)}, overdue {'not known' if overdue is None else overdue}"
    allowed = age is not None and age >= limit and overdue == 0
    return _answer("steady", allowed, seen, f">= {limit:g} s, overdue 0", f"not steady: {seen}")


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
    of `accept_unavailable` names them. `allow_unavailability` asks for one remaining in-sync replica instead.
    """
    left = _live(given) - target.brokers
    topics = () if given.world.cluster is None else given.world.cluster.topics.values()
    faults = [fault for topic in topics for fault in [_isr_fault(topic, left, given)] if fault is not None]
    if not topics or not target.brokers:
        faults = ["no topic in view" if not topics else "no target"]
    floor = "1 in sync" if given.spec.allow_unavailability else "min.insync.replicas in sync"
    return _answer("min_isr_without_targets", not faults, _short(faults) or "kept", floor, _short(faults))


def quorum_without_targets(given: GuardInput, target: Target) -> Answer:
    """A majority of the quorum's voters is caught up and not targeted; nothing relaxes this."""
    quorum = given.world.quorum
    if quorum is None or quorum.leader < 0 or not quorum.voters or not target.brokers:
        seen = "no target" if not target.brokers else "no quorum seen"
        return Answer("quorum_without_targets", allowed=False, seen=seen, threshold="a majority", reason=seen)
    left = set(quorum.caught_up_voters).intersection(quorum.voters) - target.brokers
    need = len(set(quorum.voters)) // 2 + 1
    seen = f"{len(left)} of {len(set(quorum.voters))} voters left"
    return _answer("quorum_without_targets", len(left) >= need, seen, f">= {need}", f"only {seen}")


def reassignment(given: GuardInput, _target: Target) -> Answer:
    """No partition is being moved."""
    world = given.world
    if world.cluster is None or world.quorum is None:
        return Answer("reassignment", allowed=False, seen="not known", threshold="none", reason="not known")
    moving = sorted(f"{topic}-{number}" for topic, number in world.cluster.reassigning | world.quorum.reassigning)
    return _answer("reassignment", not moving, _short(moving) or "none", "none", f"being moved: {_short(moving)}")


GUARDS: tuple[Guard, ...] = (
    armed,
    cluster_id,
    paused,
    latched,
    lease,
    schedule,
    blackout,
    warm_up,
    one_at_a_time,
    incident_open,
    min_gap,
    daily_budget,
    state_saved,
    fresh_views,
    target_known,
    single_target,
    steady,
    offline,
    under_replicated,
    min_isr_without_targets,
    quorum_without_targets,
    reassignment,
)
GUARD_NAMES = tuple(guard.__name__ for guard in GUARDS)


def _age(given: GuardInput, then: Instant | None) -> float | None:
    return None if then is None else given.world.now.mono - then.mono


def _seconds(age: float | None) -> str:
    return "not known" if age is None else f"{age:.1f} s"


def _losses(given: GuardInput, *, within: float) -> list[float]:
    """Return the losses of the last `within` seconds. A time slightly ahead (the clock was set back) counts as now."""
    now = given.world.now.wall
    times = (*given.injections, *given.world.natural_losses)
    return [min(time, now) for time in times if abs(now - time) < within]


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
    reason = f"{len(bad)} {what}: {_short(bad)}" if seen_any else "no topic in view"
    return _answer(guard, seen_any and not bad, str(len(bad)) if seen_any else "not known", "0", reason)


def _short(names: list[str]) -> str:
    rest = len(names) - MAX_NAMED
    return ", ".join(names[:MAX_NAMED]) + (f" and {rest} more" if rest > 0 else "")


def _names(nodes: list[int] | frozenset[int]) -> str:
    return ", ".join(str(node) for node in sorted(nodes)) or "none"
