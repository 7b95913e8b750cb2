"""Breaks brokers that are pods: the faults `pod-delete`, `pod-crash` and `pod-evict`.

Each pod is named by name and UID, and the API server is asked to act only if both fit: a pod that was replaced since
the guards looked is left alone. Nothing is asked twice. If the answer to a deletion is lost, we look at the pod itself.
There is nothing to undo: whoever owns the pods makes new ones.
"""

from __future__ import annotations

import contextlib
import queue
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from kafka_sentinel.adapters.kafka_client import Now, OnDeath, Post, Worker
from kafka_sentinel.adapters.kubernetes.api import Api, Json
from kafka_sentinel.adapters.kubernetes.errors import ApiError
from kafka_sentinel.adapters.kubernetes.resources import PODS
from kafka_sentinel.core.commands import Heal, Inject
from kafka_sentinel.core.events import AdapterError, Event, FaultFailed, FaultHealed, FaultInjected
from kafka_sentinel.core.faults import FaultKind, Reach, of_reach

FAULTS = of_reach(Reach.PODS)

CRASH_GRACE = 1  # seconds; 0 would free the pod's name while its container may still write to the log
COMMANDS = 64  # waiting commands; the engine has at most one fault under way, so more mean that the thread hangs
REMEMBERED = 64  # runs known to be over
LOOKS = 5  # at a pod whose deletion was not answered
LOOK_PAUSE = 1.0  # seconds between two of them

BUDGET_CAUSE = "DisruptionBudget"
TWO_BUDGETS = "more than one PodDisruptionBudget"
WEBHOOK = "admission webhook"


@dataclass(frozen=True, slots=True)
class PodRef:
    namespace: str
    name: str
    uid: str


# Which pods the brokers of a target are, as the guards saw them; a broker it does not know is left out.
Resolve = Callable[[tuple[int, ...]], Mapping[int, PodRef]]


class PodFleet:
    """Same interface as `LocalFleet`. `objection`: why nothing may be injected at this moment, "" if it may."""

    def __init__(
        self,
        api: Api,
        resolve: Resolve,
        *,
        objection: Callable[[], str],
        post: Post,
        now: Now,
        on_death: OnDeath,
        look_pause: float = LOOK_PAUSE,
    ) -> None:
        self._api = api
        self._resolve = resolve
        self._objection = objection
        self._post = post
        self._now = now
        self._on_death = on_death
        self._look_pause = look_pause
        self._commands: queue.Queue[Inject | Heal | None] = queue.Queue(COMMANDS)
        self._over: deque[str] = deque(maxlen=REMEMBERED)
        self._worker = Worker("fleet", self._run, on_death)

    def start(self) -> None:
        self._worker.start()

    def stop(self, timeout: float) -> bool:
        """Inject nothing more, and end. Returns whether that was done within `timeout` seconds. May be repeated."""
        self._worker.stopping.set()
        with contextlib.suppress(queue.Full):  # then the thread is not waiting
            self._commands.put_nowait(None)
        return self._worker.stop(timeout)

    def submit(self, command: Inject | Heal) -> None:
        """Queue a command. Returns at once."""
        try:
            self._commands.put_nowait(command)
        except queue.Full:
            self._on_death("fleet", RuntimeError(f"{COMMANDS} commands wait: the thread hangs"))

    # --- the thread

    def _run(self) -> None:
        while not self._worker.stopping.is_set():
            match self._commands.get():
                case Inject() as command:
                    self._inject(command)
                case Heal(experiment_run=run):
                    self._post([FaultHealed(self._now(), run)])

    def _inject(self, command: Inject) -> None:
        run = command.experiment_run
        pods = self._resolve(command.targets)
        again = run in self._over
        self._over.append(run)
        reason = f"{run} was injected before" if again else self._wrong(command, pods)
        if reason:
            self._post([FaultFailed(self._now(), run, reason)])
            return
        hit: list[int] = []
        failures: list[str] = []
        for broker in command.targets:
            if failure := self._hit(command.fault, pods[broker]):
                failures.append(f"broker {broker}: {failure}")
                break  # the guards allowed all of them together: something is not as it was
            hit.append(broker)
        self._tell(run, tuple(hit), "; ".join(failures))

    def _wrong(self, command: Inject, pods: Mapping[int, PodRef]) -> str:
        if command.fault not in FAULTS:
            return f'the fault "{command.fault}" is unknown to a fleet of pods; it can do {", ".join(FAULTS)}'
        if not command.targets:
            return "no target was named"
        unknown = [f"broker {broker} has no pod that is known" for broker in command.targets if broker not in pods]
        return "; ".join(unknown) or self._objection()

    def _tell(self, run: str, hit: tuple[int, ...], failure: str) -> None:
        at = self._now()
        if not hit:
            self._post([FaultFailed(at, run, failure)])
            return
        out: list[Event] = [FaultInjected(at, run, hit), FaultHealed(at, run)]
        if failure:
            out.insert(1, AdapterError(at, "fleet", "partial", f"{run}: only brokers {list(hit)} were hit; {failure}"))
        self._post(out)

    # --- one pod

    def _hit(self, fault: str, pod: PodRef) -> str:
        """Do it. Returns why it was not done, "" if it was."""
        try:
            self._ask(fault, pod)
        except ApiError as error:
            if error.may_have_happened and not _is_refusal(error):
                return self._look(pod, error)
            return explain(error, pod)
        return ""

    def _ask(self, fault: str, pod: PodRef) -> None:
        pods = PODS.within(pod.namespace)
        options: Json = {"preconditions": {"uid": pod.uid}}
        if fault == FaultKind.POD_EVICT:
            metadata = {"name": pod.name, "namespace": pod.namespace}
            eviction = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": metadata, "deleteOptions": options}
            self._api.create(pods, eviction, name=pod.name, subresource="eviction")
            return
        if fault == FaultKind.POD_CRASH:
            options["gracePeriodSeconds"] = CRASH_GRACE
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
            self._worker.stopping.wait(self._look_pause)
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
