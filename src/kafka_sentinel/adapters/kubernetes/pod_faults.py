"""Deletes and evicts pods: each is named by name and UID, and the API server acts only if both fit.

A pod that was replaced since the guards looked is left alone. Nothing is asked twice. If the answer to a deletion is
lost, we look at the pod itself.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from kafka_sentinel.adapters.kubernetes.api import Api, Json
from kafka_sentinel.adapters.kubernetes.errors import ApiError
from kafka_sentinel.adapters.kubernetes.resources import PODS
from kafka_sentinel.core.faults import FaultKind
from kafka_sentinel.core.types import PodRef

CRASH_GRACE = 1  # seconds; 0 would free the pod's name while its container may still write to the log
LOOKS = 5  # at a pod whose deletion was not answered
LOOK_PAUSE = 1.0  # seconds between two of them

BUDGET_CAUSE = "DisruptionBudget"
TWO_BUDGETS = "more than one PodDisruptionBudget"
WEBHOOK = "admission webhook"


class Outcome(NamedTuple):
    """`failure`: why a pod was not hit, "" if it was. `answered`: that it was, or not, was said at once."""

    failure: str
    answered: bool = True


class PodFaults:
    """`sleep`: waits for so many seconds, or until Sentinel ends."""

    def __init__(self, api: Api, sleep: Callable[[float], object], *, look_pause: float = LOOK_PAUSE) -> None:
        self._api = api
        self._sleep = sleep
        self._look_pause = look_pause

    def hit(self, fault: str, pod: PodRef, drain: float = 0.0) -> Outcome:
        """Do it. `drain`: seconds a pod of a reclaimed node gets to end."""
        try:
            self._ask(fault, pod, drain)
        except ApiError as error:
            if error.may_have_happened and not _is_refusal(error):
                return Outcome(self._look(pod, error), answered=False)
            return Outcome(explain(error, pod))
        return Outcome("")

    def _ask(self, fault: str, pod: PodRef, drain: float) -> None:
        pods = PODS.within(pod.namespace)
        options: Json = {"preconditions": {"uid": pod.uid}}
        if fault == FaultKind.POD_EVICT:
            metadata = {"name": pod.name, "namespace": pod.namespace}
            eviction = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": metadata, "deleteOptions": options}
            self._api.create(pods, eviction, name=pod.name, subresource="eviction")
            return
        if fault != FaultKind.POD_DELETE:
            options["gracePeriodSeconds"] = max(CRASH_GRACE, int(drain))
        self._api.delete(pods, pod.name, options)

    def _look(self, pod: PodRef, unanswered: ApiError) -> str:
        """Find out whether a pod is going whose deletion was not answered. Returns why not, "" if it is."""
        problem = ""
        for _ in range(LOOKS):
            try:
                metadata = self._api.get(PODS.within(pod.namespace), pod.name).get("metadata") or {}
            except ApiError as error:
                if error.code == "404":
                    return ""
                problem = f"; whether it is going is not known: {error}"
            else:
                if metadata.get("uid") != pod.uid or metadata.get("deletionTimestamp"):
                    return ""
                problem = "; it is still there"
            self._sleep(self._look_pause)
        return f"the deletion of {pod.name} was not answered: {unanswered}{problem}"


def _is_refusal(error: ApiError) -> bool:
    """Tell whether a 5xx is a decision of the server, not a mishap after which nobody knows."""
    return WEBHOOK in error.message or TWO_BUDGETS in error.message


def explain(error: ApiError, pod: PodRef) -> str:
    """Say in a sentence why a pod was not deleted or evicted."""
    name = f"pod {pod.namespace}/{pod.name}"
    if WEBHOOK in error.message:
        said = (
            f"a webhook refused to have {name} evicted, and may have it rolled by its operator instead, "
            "as Strimzi's Drain Cleaner does"
        )
    elif TWO_BUDGETS in error.message:
        said = f"{name} is under several disruption budgets, with which the API server evicts nothing"
    elif error.code == "404":
        said = f"{name} is gone already, not by us"
    elif error.code == "409":
        said = f"{name} is another pod of that name by now, and was left alone"
    elif error.code == "429" and BUDGET_CAUSE in error.causes:
        said = f"the disruption budget does not allow to evict {name} now"
    elif error.code == "429":
        said = f"the API server is too busy, {name} was left alone"
    else:
        return f"{name} was left alone: {error}"
    return f"{said}: {error.message}"
