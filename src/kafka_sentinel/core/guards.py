"""May we break something now? Each guard is one question; all must allow, and what is not known denies.

`GUARDS`, in this order, with the first line of each guard's docstring, is the documentation (docs/experiments.md is
checked against it). A guard judges the whole target set, and never does more than look.
"""

from __future__ import annotations

from kafka_sentinel.core.answers import MAX_NAMED, Answer, Guard, age, answer, seconds
from kafka_sentinel.core.guard_input import GuardInput
from kafka_sentinel.core.guards_kafka import (
    fresh_views,
    min_isr_without_targets,
    offline,
    quorum_without_targets,
    reassignment,
    steady,
    target_known,
    target_size,
    under_replicated,
)
from kafka_sentinel.core.guards_kubernetes import (
    disruption_budget,
    fresh_watches,
    members,
    nodes,
    operator,
    rollout,
    target_pods,
)
from kafka_sentinel.core.guards_provider import provider
from kafka_sentinel.core.targets import Target

DAY = 86_400.0


def evaluate(given: GuardInput, target: Target) -> tuple[Answer, ...]:
    """Return the answer of every guard, in order."""
    return tuple(guard(given, target) for guard in GUARDS)


def first_denial(given: GuardInput, target: Target) -> Answer | None:
    """Return the first guard's answer that denies, or None: all allow. Guards after it are not asked."""
    return next((said for said in (guard(given, target) for guard in GUARDS) if not said.allowed), None)


def guard_table() -> str:
    """Return the guards as a Markdown table, for docs/experiments.md."""
    lines = ["| guard | allows only if |", "|---|---|"]
    lines += [f"| `{guard.__name__}` | {(guard.__doc__ or '').splitlines()[0]} |" for guard in GUARDS]
    return "\n".join(lines)


def armed(given: GuardInput, _target: Target) -> Answer:
    """Experiments are armed for a named Kafka cluster."""
    named = given.settings.armed_for
    return answer("armed", bool(named), named or "not armed", "a cluster id", "experiments are not armed")


def cluster_id(given: GuardInput, _target: Target) -> Answer:
    """The cluster we are connected to is the one experiments are armed for, and its Kafka resource says the same."""
    view, named, fleet = given.world.cluster, given.settings.armed_for, given.world.fleet
    seen = view.cluster_id if view is not None else "not known"
    allowed = view is not None and bool(named) and seen == named
    reason = f"armed for {named or 'none'}, this is {seen}"
    if allowed and fleet is not None and fleet.kafka is not None and fleet.kafka.cluster_id not in {None, named}:
        seen = f"{fleet.kafka.cluster_id} in the Kafka resource {fleet.kafka.meta.name}"
        allowed, reason = False, f"armed for {named}, but the pods are those of {seen}"
    return answer("cluster_id", allowed, seen, named or "not armed", reason)


def paused(given: GuardInput, _target: Target) -> Answer:
    """Nobody has paused the experiments."""
    allowed = given.paused is None
    seen = "not paused" if allowed else f"paused: {given.paused}"
    return answer("paused", allowed, seen, "not paused", f"experiments are {seen}")


def latched(given: GuardInput, _target: Target) -> Answer:
    """No experiment failed and no acks=all record was lost since the last resume."""
    reason = f"held until resumed: {given.latched}"
    return answer("latched", given.latched is None, given.latched or "not latched", "not latched", reason)


def lease(given: GuardInput, _target: Target) -> Answer:
    """This Sentinel holds the Lease, where one decides which of several may inject."""
    found = given.world.lease
    if found is None:
        return Answer("lease", allowed=True, seen="none in use", threshold="held")
    held = found.held(given.world.now)
    seen = "held" if held else found.problem or f"held by {found.holder or 'nobody'}"
    return answer("lease", held, seen, "held", f"the Lease is not held by this Sentinel: {seen}")


def permitted(given: GuardInput, _target: Target) -> Answer:
    """The API server does not say that Sentinel lacks a right the fault needs."""
    missing = given.world.rights_missing
    lacking = (missing or {}).get(given.spec.fault, "")
    seen = "not told" if missing is None else lacking or "nothing missing"
    return answer("permitted", not lacking, seen, "nothing missing", lacking)


def schedule(given: GuardInput, _target: Target) -> Answer:
    """The run is due, and not later than its grace."""
    limit = f"0 to {given.spec.grace:g} s late"
    if given.due is None:
        return Answer("schedule", allowed=False, seen="not planned", threshold=limit, reason="no run is planned yet")
    late = given.world.now.wall - given.due
    reason = f"not due for another {-late:.0f} s" if late < 0 else f"missed by {late:.0f} s"
    return answer("schedule", 0 <= late <= given.spec.grace, f"{late:.1f} s late", limit, reason)


def blackout(given: GuardInput, _target: Target) -> Answer:
    """No blackout window covers this moment."""
    covering = [window.text for window in given.settings.blackouts if window.covers(given.world.now.wall)]
    seen = "; ".join(covering[:MAX_NAMED]) or "none"
    return answer("blackout", not covering, seen, "none", f"inside the blackout {seen}")


def warm_up(given: GuardInput, _target: Target) -> Answer:
    """Sentinel itself has been running long enough, so a crash loop cannot inject at each start."""
    lived, limit = age(given, given.world.started), given.settings.warm_up
    allowed = lived is not None and lived >= limit
    return answer("warm_up", allowed, seconds(lived), f">= {limit:g} s", "Sentinel has only just started")


def one_at_a_time(given: GuardInput, _target: Target) -> Answer:
    """No other experiment is under way."""
    seen = given.under_way or "none"
    return answer("one_at_a_time", given.under_way is None, seen, "none", f"{seen} is under way")


def incident_open(given: GuardInput, _target: Target) -> Answer:
    """No incident is open."""
    still_open = given.world.open_incidents
    seen = ", ".join(still_open[:MAX_NAMED]) or "none"
    return answer("incident_open", not still_open, seen, "none", f"{len(still_open)} open: {seen}")


def min_gap(given: GuardInput, _target: Target) -> Answer:
    """The last loss of a broker, ours or natural, is long enough ago."""
    limit = given.settings.min_gap
    times = _losses(given, within=max(limit, DAY))
    gap = given.world.now.wall - max(times) if times else None
    seen = "none before" if gap is None else f"{gap:.0f} s"
    return answer("min_gap", gap is None or gap >= limit, seen, f">= {limit:g} s", f"a broker was lost {seen} ago")


def daily_budget(given: GuardInput, _target: Target) -> Answer:
    """Fewer brokers than the budget were lost in the last 24 hours, natural losses included."""
    count, limit = len(_losses(given, within=DAY)), given.settings.daily_budget
    reason = f"{count} losses in 24 h use up the budget of {limit}"
    return answer("daily_budget", count < limit, str(count), f"< {limit}", reason)


def state_saved(given: GuardInput, _target: Target) -> Answer:
    """The last write of the state succeeded, and recently."""
    saved, limit, error = age(given, given.world.state_saved), given.settings.max_state_age, given.world.state_error
    allowed = error is None and saved is not None and saved <= limit
    reason = f"the state could not be written: {error}" if error else "the state was not written recently"
    return answer("state_saved", allowed, error or seconds(saved), f"<= {limit:g} s ago", reason)


GUARDS: tuple[Guard, ...] = (
    armed,
    cluster_id,
    paused,
    latched,
    lease,
    permitted,
    schedule,
    blackout,
    warm_up,
    one_at_a_time,
    incident_open,
    min_gap,
    daily_budget,
    state_saved,
    fresh_views,
    fresh_watches,
    target_known,
    target_size,
    target_pods,
    steady,
    offline,
    under_replicated,
    min_isr_without_targets,
    quorum_without_targets,
    reassignment,
    provider,
    disruption_budget,
    nodes,
    members,
    rollout,
    operator,
)
GUARD_NAMES = tuple(guard.__name__ for guard in GUARDS)


def _losses(given: GuardInput, *, within: float) -> list[float]:
    """Return the losses of the last `within` seconds. A time slightly ahead (the clock was set back) counts as now."""
    now = given.world.now.wall
    times = (*given.injections, *given.world.natural_losses)
    return [min(time, now) for time in times if abs(now - time) < within]
