"""Why a broker's pod went or its process ended: one of the closed set of causes, and a sentence. Pure judgement.

What is known best decides first: our own hand, the container's own end, the loss of the node, a drain of the node, an
operator's or a StatefulSet's roll; and what nobody explains was deleted by somebody, if it was seen to go.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from kafka_sentinel.core.incident import Cause
from kafka_sentinel.core.kubernetes.signal_types import Hint, Signal, SignalKind
from kafka_sentinel.core.kubernetes.signals import MANUAL_ROLL
from kafka_sentinel.core.kubernetes.views import Exit, PodView

# Container ends that say the runtime lost it, rather than how it ended: the node was restarted or cut off.
RUNTIME_LOST = frozenset({"Unknown", "ContainerStatusUnknown"})
RUNTIME_LOST_CODE = 255
LOW_ON_MEMORY = "low on resource: memory"


@dataclass(frozen=True, slots=True)
class Evidence:
    """What is known about the end of a pod, or of a container in it.

    `ended`: how the container ended that was started again in its place; None: the whole pod went. `node_cause`: of
    the disruption of its node, UNKNOWN if there is none. `rolled`: by what it can be told that its owner rolled it, ""
    if by nothing; `injected`: an experiment of ours did it.
    """

    pod: PodView
    ended: Exit | None
    signals: Sequence[Signal]
    node_cause: Cause = Cause.UNKNOWN
    node_text: str = ""
    rolled: str = ""
    unseen: bool = False
    injected: bool = False


def why(given: Evidence) -> tuple[Cause, str]:
    """Return the cause and a sentence that says what it rests on."""
    if given.injected:
        return Cause.EXPERIMENT, "an experiment did it"
    if given.ended is not None:
        return _container(given, given.ended)
    return _node_lost(given) or _ended_by_kubelet(given) or _removed(given)


def _container(given: Evidence, ended: Exit) -> tuple[Cause, str]:
    how = f"its container ended with code {ended.code}" + (f" ({ended.reason})" if ended.reason else "")
    if ended.reason == "OOMKilled":
        return Cause.OOM, f"{how}: it used more memory than it may"
    if ended.reason in RUNTIME_LOST or (ended.code == RUNTIME_LOST_CODE and not ended.reason):
        return _of_node(given, how, Cause.NODE_FAILURE)
    return Cause.CRASH, how


def _node_lost(given: Evidence) -> tuple[Cause, str] | None:
    """Tell whether Kubernetes cleared the pod away because its node was lost."""
    lost = [one for one in given.signals if one.kind is SignalKind.GONE]
    return _of_node(given, lost[0].text, Cause.NODE_FAILURE) if lost else None


def _ended_by_kubelet(given: Evidence) -> tuple[Cause, str] | None:
    pod = given.pod
    shutdown = [one for one in given.signals if one.hint is Hint.IF_SPOT]
    ended = [one for one in given.signals if one.kind is SignalKind.NOTICE]
    if pod.reason == "Evicted":
        memory = LOW_ON_MEMORY in pod.message
        return (Cause.OOM if memory else Cause.DRAIN), f"its node evicted it: {pod.message}"
    if shutdown or ended:
        return _of_node(given, (shutdown or ended)[0].text, Cause.DRAIN)
    return None


def _removed(given: Evidence) -> tuple[Cause, str]:
    """Return why somebody evicted or deleted the pod."""
    rolls = [one for one in given.signals if one.hint is Hint.ROLLOUT]
    # The drain cleaner turns an eviction into a request for a roll, so a requested roll may be a drain.
    chosen = [one for one in rolls if one.rule not in {MANUAL_ROLL, "event ManualRollingUpdate"}]
    if chosen:
        return Cause.ROLLOUT, chosen[0].text
    if given.node_cause is not Cause.UNKNOWN:
        return given.node_cause, given.node_text
    if rolls:
        return Cause.ROLLOUT, rolls[0].text
    drains = [one for one in given.signals if one.hint in {Hint.VOLUNTARY, Hint.REMOVAL, Hint.CORDON}]
    if drains:
        return Cause.DRAIN, drains[0].text
    if given.rolled:
        return Cause.ROLLOUT, given.rolled
    return _unexplained(given)


def _unexplained(given: Evidence) -> tuple[Cause, str]:
    evicted = [one for one in given.signals if one.kind is SignalKind.DRAIN]
    if evicted:
        return Cause.POD_DELETED, evicted[0].text
    if given.unseen:
        return Cause.UNKNOWN, "it went while nobody looked"
    return Cause.POD_DELETED, "it was deleted"


def _of_node(given: Evidence, text: str, otherwise: Cause) -> tuple[Cause, str]:
    """Return the cause of the node's own disruption, if there is one."""
    if given.node_cause is Cause.UNKNOWN:
        return otherwise, text
    return given.node_cause, f"{text}; {given.node_text}" if given.node_text else text
