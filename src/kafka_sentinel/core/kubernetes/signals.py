"""Signals of disruption read off nodes, events, NodeClaims and pods, by the tables of `signal_table`.

Nodes are the first source: many handlers neither taint nor tell events unless they are told to, and events expire.
Signals are read anew from everything that is known whenever something changes, so the order in which the watches
deliver makes no difference.
"""

from __future__ import annotations

from collections.abc import Iterable

from kafka_sentinel.core.kubernetes.inventory import Inventory
from kafka_sentinel.core.kubernetes.signal_table import (
    CLAIM_CONDITIONS,
    CLAIM_DEADLINE,
    CLAIM_DEADLINE_SET,
    CLAIM_DELETED,
    CONDITIONS,
    DISRUPTION_TARGETS,
    EVENTS,
    LABELS,
    NODE_DELETED,
    NOT_READY,
    POD_EVENTS,
    STRIMZI_RESTART,
    TAINTS,
    WITHDRAWALS,
    Rule,
)
from kafka_sentinel.core.kubernetes.signal_types import Signal
from kafka_sentinel.core.kubernetes.views import EventView, Meta, NodeClaimView, NodeView, PodView

EVENT_LIFE = 900.0  # seconds for which what an event said still counts
CLOCKS = 5.0  # seconds by which the clocks of a cluster may differ
CORDON_RULE, CORDON_TAINT = "cordon", "node.kubernetes.io/unschedulable"
MANUAL_ROLL = "strimzi.io/manual-rolling-update"
MAX_DEADLINE = 40  # characters shown of an instant that another program wrote
STRIMZI_ACTION = "StrimziInitiatedPodRestart"


def node_signals(node: NodeView) -> tuple[Signal, ...]:
    """Return what stands on the node itself. The mark of a reclaim that we rehearse is none."""
    found = [
        _signal(rule, f"taint {taint.key}", since=_scale_down_time(taint.value) or taint.added)
        for taint in node.taints
        if (rule := TAINTS.get(taint.key)) is not None
        and rule.value in {None, taint.value}
        and taint.key != CORDON_TAINT
    ]
    found += [
        _signal(rule, f"label {key}")
        for key, rule in LABELS.items()
        if key in node.meta.labels and rule.value in {None, node.meta.labels[key]}
    ]
    cordoned = node.unschedulable or any(taint.key == CORDON_TAINT for taint in node.taints)
    if cordoned:
        found.append(_signal(TAINTS[CORDON_TAINT], CORDON_RULE))
    if node.meta.deleted is not None:
        found.append(_signal(NODE_DELETED, "node deletion", since=node.meta.deleted))
    for condition in node.conditions:
        rules = CONDITIONS.get(condition.type, ()) if condition.status == "True" else ()
        if condition.type == "Ready" and condition.status != "True":
            rules = NOT_READY
        fitting = _fitting(rules, condition.message)
        if fitting is not None:
            name = f"condition {condition.type} {fitting.needs}".strip()
            found.append(_signal(fitting, name, since=condition.since, detail=condition.message))
    return tuple(found)


def event_signal(event: EventView) -> Signal | None:
    """Return what an event about a node or a NodeClaim says, if anything."""
    rule = EVENTS.get(event.reason)
    if rule is None or _fitting((rule,), event.message) is None:
        return None
    return _signal(rule, f"event {event.reason}", since=event.first, detail=event.message, standing=False)


def claim_signals(claim: NodeClaimView) -> tuple[Signal, ...]:
    """Return what a Karpenter NodeClaim says. That it is being deleted counts if nothing says more."""
    found = []
    deadline = claim.meta.annotations.get(CLAIM_DEADLINE)
    if deadline is not None:
        rule = CLAIM_DEADLINE_SET._replace(says=f"{CLAIM_DEADLINE_SET.says} {deadline[:MAX_DEADLINE]}")
        found.append(_signal(rule, "NodeClaim deadline", since=claim.meta.deleted))
    for condition in claim.conditions:
        told = CLAIM_CONDITIONS.get(condition.type) if condition.status == "True" else None
        if told is not None:
            name = f"condition {condition.type}"
            found.append(_signal(told, name, since=condition.since, detail=condition.reason))
    if claim.meta.deleted is not None and not found:
        found.append(_signal(CLAIM_DELETED, "NodeClaim deletion", since=claim.meta.deleted))
    return tuple(found)


def evidence_on(
    node: NodeView, inventory: Inventory, now: float, gone: Iterable[NodeClaimView] = ()
) -> tuple[Signal, ...]:
    """Return everything that is said about a node, there or gone, one signal for each rule.

    `now`: wall-clock seconds. `gone`: NodeClaims that were deleted; of that may be told before it is of their node.
    Events older than the node, or its NodeClaim, tell of an earlier one of that name.
    """
    known = (*inventory.node_claims.values(), *gone)
    claims = [claim for claim in known if claim.node == node.meta.name and _same(claim, node)]
    events = [event for event in inventory.events_about(node.meta.name) if _concerns(event, "Node", node.meta)]
    for claim in claims:
        about = inventory.events_about(claim.meta.name)
        events += [event for event in about if _concerns(event, "NodeClaim", claim.meta)]
    found = [*node_signals(node), *(signal for claim in claims for signal in claim_signals(claim))]
    for event in _standing(events):
        signal = event_signal(event)
        if signal is not None and (event.last is None or now - event.last <= EVENT_LIFE):
            found.append(signal)
    return tuple({signal.rule: signal for signal in reversed(found)}.values())[::-1]


def pod_signals(pod: PodView, inventory: Inventory) -> tuple[Signal, ...]:
    """Return what is said about a pod: why it goes, if somebody says so."""
    found = []
    target = pod.condition("DisruptionTarget")
    if target is not None and target.status == "True" and target.reason in DISRUPTION_TARGETS:
        rule = DISRUPTION_TARGETS[target.reason]
        found.append(_signal(rule, f"DisruptionTarget {target.reason}", since=target.since, detail=target.message))
    if pod.reason in {"Terminated", "NodeShutdown"}:
        found.append(_signal(NOT_READY[0], f"pod {pod.reason}", detail=pod.message))
    if pod.meta.annotations.get(MANUAL_ROLL) == "true":
        found.append(_signal(STRIMZI_RESTART._replace(says="a rolling update was asked for"), MANUAL_ROLL))
    for event in inventory.events_about(pod.meta.name):
        about_it = event.about_kind == "Pod" and event.about_uid in {"", pod.meta.uid}
        if about_it and event.about_namespace in {"", pod.meta.namespace}:
            told = STRIMZI_RESTART if event.action == STRIMZI_ACTION else POD_EVENTS.get(event.reason)
            if told is not None and _fitting((told,), event.message) is not None:
                name = f"event {event.reason}"
                found.append(_signal(told, name, since=event.first, detail=event.message, standing=False))
    return tuple({signal.rule: signal for signal in reversed(found)}.values())[::-1]


def _standing(events: Iterable[EventView]) -> list[EventView]:
    """Return the events about one node without those that later ones took back."""
    told = list(events)
    taken_back: dict[str, float] = {}  # reason → the last instant at which that was done
    for withdrawal in WITHDRAWALS:
        for event in told:
            if event.reason == withdrawal.reason and withdrawal.needs in event.message.lower():
                for reason in withdrawal.voids:
                    taken_back[reason] = max(event.last or 0.0, taken_back.get(reason, 0.0))
    return [one for one in told if one.reason not in taken_back or (one.last or 0.0) > taken_back[one.reason]]


def _concerns(event: EventView, kind: str, meta: Meta) -> bool:
    """Tell whether an event about something of an object's name is about it. Some give the name as the uid."""
    if event.about_kind != kind or event.about_uid not in {"", meta.name, meta.uid}:
        return False
    born, said = meta.created, event.last
    return born is None or said is None or said >= born - CLOCKS


def _same(claim: NodeClaimView, node: NodeView) -> bool:
    """Tell whether a NodeClaim of a node's name is its own, by their machine, or else by what came first."""
    if claim.provider_id and node.provider_id:
        return claim.provider_id == node.provider_id
    ended, born = claim.meta.deleted, node.meta.created
    return ended is None or born is None or born <= ended


def _fitting(rules: tuple[Rule, ...], message: str) -> Rule | None:
    lower = message.lower()
    fitting = (
        rule for rule in rules if rule.needs.lower() in lower and not (rule.never and rule.never.lower() in lower)
    )
    return next(fitting, None)


def _signal(rule: Rule, name: str, *, since: float | None = None, detail: str = "", standing: bool = True) -> Signal:
    text = f"{rule.says} ({name}{': ' + detail if detail else ''})"
    return Signal(rule.source, rule.kind, rule.hint, name, text, since, standing)


def _scale_down_time(value: str) -> float | None:
    """Return the instant that the cluster autoscaler writes as the value of its taints."""
    return float(value) if value.isascii() and value.isdigit() and len(value) == 10 else None  # noqa: PLR2004
