"""One run of an experiment: the states it can be in, and the only ways from one to another."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any, NamedTuple

from kafka_sentinel.core.types import NodeRef, PodRef


class RunState(StrEnum):
    DUE = "due"  # its time has come; the guards are being asked
    GUARDED = "guarded"  # every guard allowed
    INTENDED = "intended"  # the intent is being written; nothing was done to the cluster
    ANNOUNCING = "announcing"  # the intent is on disk and a notice was commanded
    ANNOUNCED = "announced"  # notice was given; nothing is hit yet, and the guards go on being asked
    INJECTING = "injecting"  # the intent is on disk and the fault was commanded
    INJECTED = "injected"  # the fault is in effect
    RECOVERING = "recovering"  # the fault was undone; the incident is not closed yet
    RECHECKED = "rechecked"  # the incident was closed with a verdict, which is being written
    DONE = "done"
    ABORTED = "aborted"
    SKIPPED = "skipped"
    DRY_RUN = "dry_run"


class Happening(StrEnum):
    """What moves a run on."""

    ALLOWED = "all guards allow"
    DENIED = "a guard denies"
    REHEARSED = "dry run"
    INTENT = "intent to be saved"
    SAVED = "state saved"
    SAVED_ALLOWED = "state saved, all guards still allow"
    SAVED_FIRST_NOTICE = "state saved, all guards still allow, a notice comes first"
    SAVE_FAILED = "state not saved"
    ANNOUNCED = "notice given"
    NOTICE_OVER = "notice over, all guards still allow"
    INJECTED = "fault injected"
    FAILED = "fault failed"
    HEALED = "fault healed"
    CLOSED = "incident closed"
    TIMED_OUT = "time limit"
    STOPPED = "stopped by a person"
    RESTARTED = "Sentinel restarted"


class Transition(NamedTuple):
    state: RunState
    happening: Happening
    next_state: RunState


TRANSITIONS = (
    Transition(RunState.DUE, Happening.ALLOWED, RunState.GUARDED),
    Transition(RunState.DUE, Happening.DENIED, RunState.SKIPPED),
    Transition(RunState.GUARDED, Happening.REHEARSED, RunState.DRY_RUN),
    Transition(RunState.GUARDED, Happening.INTENT, RunState.INTENDED),
    Transition(RunState.INTENDED, Happening.SAVED_ALLOWED, RunState.INJECTING),
    Transition(RunState.INTENDED, Happening.SAVED_FIRST_NOTICE, RunState.ANNOUNCING),
    Transition(RunState.INTENDED, Happening.DENIED, RunState.SKIPPED),
    Transition(RunState.INTENDED, Happening.SAVE_FAILED, RunState.ABORTED),
    Transition(RunState.INTENDED, Happening.TIMED_OUT, RunState.ABORTED),
    Transition(RunState.INTENDED, Happening.STOPPED, RunState.ABORTED),
    Transition(RunState.INTENDED, Happening.RESTARTED, RunState.ABORTED),
    Transition(RunState.ANNOUNCING, Happening.ANNOUNCED, RunState.ANNOUNCED),
    Transition(RunState.ANNOUNCING, Happening.DENIED, RunState.ABORTED),
    Transition(RunState.ANNOUNCING, Happening.FAILED, RunState.ABORTED),
    Transition(RunState.ANNOUNCING, Happening.TIMED_OUT, RunState.ABORTED),
    Transition(RunState.ANNOUNCING, Happening.STOPPED, RunState.ABORTED),
    Transition(RunState.ANNOUNCING, Happening.RESTARTED, RunState.ABORTED),
    Transition(RunState.ANNOUNCED, Happening.NOTICE_OVER, RunState.INJECTING),
    Transition(RunState.ANNOUNCED, Happening.DENIED, RunState.ABORTED),
    Transition(RunState.ANNOUNCED, Happening.FAILED, RunState.ABORTED),
    Transition(RunState.ANNOUNCED, Happening.HEALED, RunState.ABORTED),
    Transition(RunState.ANNOUNCED, Happening.STOPPED, RunState.ABORTED),
    Transition(RunState.ANNOUNCED, Happening.RESTARTED, RunState.ABORTED),
    Transition(RunState.INJECTING, Happening.INJECTED, RunState.INJECTED),
    Transition(RunState.INJECTING, Happening.FAILED, RunState.ABORTED),
    Transition(RunState.INJECTING, Happening.TIMED_OUT, RunState.ABORTED),
    Transition(RunState.INJECTING, Happening.STOPPED, RunState.ABORTED),
    Transition(RunState.INJECTING, Happening.RESTARTED, RunState.ABORTED),
    Transition(RunState.INJECTED, Happening.HEALED, RunState.RECOVERING),
    Transition(RunState.INJECTED, Happening.FAILED, RunState.ABORTED),
    Transition(RunState.INJECTED, Happening.CLOSED, RunState.RECHECKED),
    Transition(RunState.INJECTED, Happening.TIMED_OUT, RunState.RECOVERING),
    Transition(RunState.INJECTED, Happening.STOPPED, RunState.ABORTED),
    Transition(RunState.INJECTED, Happening.RESTARTED, RunState.RECOVERING),
    Transition(RunState.RECOVERING, Happening.CLOSED, RunState.RECHECKED),
    Transition(RunState.RECOVERING, Happening.FAILED, RunState.ABORTED),
    Transition(RunState.RECOVERING, Happening.TIMED_OUT, RunState.ABORTED),
    Transition(RunState.RECOVERING, Happening.STOPPED, RunState.ABORTED),
    Transition(RunState.RECOVERING, Happening.RESTARTED, RunState.RECOVERING),
    Transition(RunState.RECHECKED, Happening.SAVED, RunState.DONE),
    Transition(RunState.RECHECKED, Happening.TIMED_OUT, RunState.DONE),
    Transition(RunState.RECHECKED, Happening.RESTARTED, RunState.DONE),
)
_NEXT = {(state, happening): next_state for state, happening, next_state in TRANSITIONS}

FINAL = frozenset({RunState.DONE, RunState.ABORTED, RunState.SKIPPED, RunState.DRY_RUN})
HITS_NOTHING_YET = frozenset({RunState.ANNOUNCING, RunState.ANNOUNCED})
UNKNOWN_TO_DISK = HITS_NOTHING_YET | {RunState.INTENDED}  # what is on disk may be older than a hit
MAY_SHOW = frozenset({RunState.INJECTING, RunState.INJECTED, RunState.RECOVERING})  # what was done to the targets
MAY_BE_IN_EFFECT = frozenset({RunState.INJECTING, RunState.INJECTED})  # the fault; a heal is owed when it ends badly


@dataclass(frozen=True, slots=True)
class Run:
    """One run; times in wall-clock seconds. `verdict` is known from `rechecked` on, `reason` says what cut it short.

    `addresses`: of machines, of each target, or of the ZooKeeper servers that are meant instead, as "host:port".
    """

    id: str
    experiment: str
    fault: str
    targets: tuple[int, ...]
    duration: float
    due: float
    started: float
    pods: tuple[PodRef, ...] = ()
    node: NodeRef | None = None
    state: RunState = RunState.DUE
    injected: float | None = None
    verdict: str | None = None
    reason: str = ""
    addresses: tuple[str, ...] = ()

    @property
    def servers(self) -> tuple[str, ...]:
        """The ZooKeeper servers that are meant."""
        return () if self.targets else self.addresses

    @property
    def result(self) -> str:
        """The verdict of a run that is done, else the name of the state it is in."""
        return self.verdict if self.state is RunState.DONE and self.verdict else self.state.value

    def target_text(self, hit: Iterable[int]) -> str:
        """Say what was hit; `hit`: the Kafka nodes that were."""
        words = ",".join(f"broker {broker}" for broker in hit) or ",".join(pod.name for pod in self.pods)
        words = words or ",".join(f"ZooKeeper {server}" for server in self.servers)
        return words if self.node is None else f"node {self.node.name} ({words})"

    def to_state(self) -> dict[str, object]:
        pods, node = [list(pod) for pod in self.pods], self.node and list(self.node)
        return {**asdict(self), "pods": pods, "node": node, "addresses": list(self.addresses)}


@dataclass(frozen=True, slots=True)
class Past:
    """What is remembered of the runs of one experiment; wall-clock seconds."""

    last_run: float | None = None
    last_result: str | None = None
    last_skip: Mapping[str, object] | None = None  # guard, reason, at
    last_reason: str = ""  # what cut the last run short, if something did


def next_state(state: RunState, happening: Happening) -> RunState | None:
    """Return the state that follows, or None: in this state it means nothing."""
    return _NEXT.get((state, happening))


def run_from_state(saved: Mapping[str, Any]) -> Run:
    """Return the run that `Run.to_state` wrote. Raises KeyError, TypeError or ValueError if it is not one."""
    return Run(
        id=str(saved["id"]),
        experiment=str(saved["experiment"]),
        fault=str(saved["fault"]),
        targets=tuple(int(target) for target in saved["targets"]),
        duration=float(saved["duration"]),
        due=float(saved["due"]),
        started=float(saved["started"]),
        pods=tuple(_pod(*pod) for pod in saved["pods"]),
        node=None if saved["node"] is None else NodeRef(*map(str, saved["node"])),
        state=RunState(saved["state"]),
        injected=None if saved["injected"] is None else float(saved["injected"]),
        verdict=None if saved["verdict"] is None else str(saved["verdict"]),
        reason=str(saved["reason"]),
        addresses=tuple(str(one) for one in saved.get("addresses", ())),
    )


def _pod(namespace: str, name: str, uid: str, broker: int | None = None) -> PodRef:
    return PodRef(str(namespace), str(name), str(uid), None if broker is None else int(broker))


def transition_diagram() -> str:
    """Return the table as a Mermaid state diagram, for docs/experiments.md."""
    lines = ["stateDiagram-v2", f"    [*] --> {RunState.DUE}"]
    lines += [f"    {state} --> {next_state}: {happening}" for state, happening, next_state in TRANSITIONS]
    lines += [f"    {state} --> [*]" for state in RunState if state in FINAL]
    return "\n".join(lines)
