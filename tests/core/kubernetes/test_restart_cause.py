"""Why a pod went or a container ended: what decides before what, and the sentence that says on what it rests."""

from __future__ import annotations

import pytest
from tests.core.kubernetes.raw import pod

from kafka_sentinel.core.incident import Cause
from kafka_sentinel.core.kubernetes.objects import Exit, Kind, parse
from kafka_sentinel.core.kubernetes.restart_cause import Evidence, why
from kafka_sentinel.core.kubernetes.signal_types import Hint, Signal, SignalKind, Source
from kafka_sentinel.core.kubernetes.signals import MANUAL_ROLL

RISK, DRAIN, NOTICE, GONE = SignalKind
OF_NODE = {"node_cause": Cause.SPOT, "node_text": "node n1: spot"}


def said(kind=DRAIN, hint=Hint.NONE, rule="a rule", text=""):
    return Signal(Source.KUBERNETES, kind, hint, rule, text or f"{kind} {hint}")


def evidence(*signals, ended=None, reason="", message="", **more):
    view = parse(Kind.POD, pod(status={"reason": reason, "message": message}))
    return Evidence(view, ended, signals, **more)


EVICTED = said()
ROLL = said(hint=Hint.ROLLOUT, text="the operator rolls it")
ASKED = [
    said(hint=Hint.ROLLOUT, rule=rule, text="a roll was asked for")
    for rule in (MANUAL_ROLL, "event ManualRollingUpdate")
]
SHUTDOWN = said(NOTICE, Hint.IF_SPOT, text="it shuts down")
ENDED_BY_NODE = said(NOTICE, Hint.NONE, text="ended by its node")
LOST = said(GONE, Hint.UNREACHABLE, text="its node is given up")
DRAINS = [said(hint=hint, text=f"drained: {hint}") for hint in (Hint.VOLUNTARY, Hint.REMOVAL, Hint.CORDON)]


@pytest.mark.parametrize(
    ("given", "cause", "sentence"),
    [
        # --- a container
        (evidence(ended=Exit(1, "Error", None)), Cause.CRASH, "its container ended with code 1 (Error)"),
        (evidence(LOST, ended=Exit(1, "", None), **OF_NODE), Cause.CRASH, "its container ended with code 1"),
        (
            evidence(ended=Exit(137, "OOMKilled", None)),
            Cause.OOM,
            "its container ended with code 137 (OOMKilled): it used more memory than it may",
        ),
        (evidence(ended=Exit(255, "", None)), Cause.NODE_FAILURE, "its container ended with code 255"),
        (evidence(ended=Exit(255, "Error", None)), Cause.CRASH, "its container ended with code 255 (Error)"),
        (evidence(ended=Exit(0, "Unknown", None)), Cause.NODE_FAILURE, "its container ended with code 0 (Unknown)"),
        (
            evidence(ended=Exit(137, "ContainerStatusUnknown", None), **OF_NODE),
            Cause.SPOT,
            "its container ended with code 137 (ContainerStatusUnknown); node n1: spot",
        ),
        (evidence(LOST, ended=Exit(1, "Error", None), injected=True), Cause.EXPERIMENT, "an experiment did it"),
        # --- its node was lost
        (evidence(ROLL, SHUTDOWN, LOST), Cause.NODE_FAILURE, "its node is given up"),
        (evidence(LOST, **OF_NODE), Cause.SPOT, "its node is given up; node n1: spot"),
        (evidence(LOST, node_cause=Cause.SPOT), Cause.SPOT, "its node is given up"),
        # --- its node ended it
        (
            evidence(SHUTDOWN, reason="Evicted", message="The node was low on resource: memory. …", **OF_NODE),
            Cause.OOM,
            "its node evicted it: The node was low on resource: memory. …",
        ),
        (evidence(reason="Evicted", message="low on disk"), Cause.DRAIN, "its node evicted it: low on disk"),
        (evidence(ROLL, ENDED_BY_NODE, SHUTDOWN), Cause.DRAIN, "it shuts down"),
        (evidence(ROLL, ENDED_BY_NODE), Cause.DRAIN, "ended by its node"),
        (evidence(SHUTDOWN, **OF_NODE), Cause.SPOT, "it shuts down; node n1: spot"),
        (evidence(said(DRAIN, Hint.IF_SPOT, text="it may go"), EVICTED), Cause.DRAIN, "it may go"),
        # --- somebody took it away
        (evidence(*ASKED, ROLL, **OF_NODE), Cause.ROLLOUT, "the operator rolls it"),
        *((evidence(asked, **OF_NODE), Cause.SPOT, "node n1: spot") for asked in ASKED),
        *((evidence(*DRAINS, asked, rolled="r"), Cause.ROLLOUT, "a roll was asked for") for asked in ASKED),
        *((evidence(EVICTED, one, rolled="a revision"), Cause.DRAIN, one.text) for one in DRAINS),
        (evidence(EVICTED, rolled="it has a new revision"), Cause.ROLLOUT, "it has a new revision"),
        (evidence(said(RISK), EVICTED, unseen=True), Cause.POD_DELETED, "drain none"),
        (evidence(said(RISK), unseen=True), Cause.UNKNOWN, "it went while nobody looked"),
        (evidence(said(RISK)), Cause.POD_DELETED, "it was deleted"),
    ],
)
def test_what_is_known_best_decides(given, cause, sentence):
    assert why(given) == (cause, sentence)
