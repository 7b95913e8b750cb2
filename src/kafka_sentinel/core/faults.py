"""The faults there are: what each is done to, what it leaves to be undone, and how long its steps may take.

Settings, fleets, guards and documentation go by this table.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

INJECT_LIMIT = 60.0  # seconds until a commanded fault, or its notice, must be in effect
HEAL_LIMIT = 60.0  # seconds after its duration until a fault must be undone
MAX_NOTICE = 900  # seconds from the notice of a reclaim until the pods must go
MAX_LOAD = 20_000  # records per second that an experiment may raise the probes to, all partitions together


class Reach(StrEnum):
    """What a fault is done to."""

    PROCESS = "process"  # broker processes of this machine
    PODS = "pods"  # the pods of the target, and no others
    NODE = "node"  # a node of Kubernetes with all pods of the Kafka cluster on it
    ROLL = "roll"  # all brokers, one after the other, by whoever owns their pods
    COMMAND = "command"  # one broker, or ZooKeeper server, by a program of the user's
    PROVIDER = "provider"  # one broker, by the provider that runs the cluster


class FaultKind(StrEnum):
    PROCESS_KILL = "process-kill"
    PROCESS_PAUSE = "process-pause"
    POD_DELETE = "pod-delete"
    POD_CRASH = "pod-crash"
    POD_EVICT = "pod-evict"
    NODE_RECLAIM = "node-reclaim"
    ROLLING_RESTART = "rolling-restart"
    COMMAND = "command"
    MSK_REBOOT = "msk-reboot"


@dataclass(frozen=True, slots=True)
class Fault:
    """`says`: what is done, for people. `undoes`: what is done to undo it; "" if there is nothing to undo.

    `duration`: seconds it is held, and `notice`: seconds from a notice until it must have struck, unless the experiment
    says otherwise. `announced`: there is such a notice, maybe of no length; the guards are asked until it strikes.
    `confirm`: seconds within which Kafka itself must show that it struck, for who was asked to do it cannot tell;
    0: the fleet knows by itself.
    """

    kind: FaultKind
    reach: Reach
    says: str
    undoes: str = ""
    duration: float = 10.0
    announced: bool = False
    notice: float = 0.0
    confirm: float = 0.0


FAULTS = {
    fault.kind: fault
    for fault in (
        Fault(FaultKind.PROCESS_KILL, Reach.PROCESS, "SIGKILL", "the process is started again"),
        Fault(FaultKind.PROCESS_PAUSE, Reach.PROCESS, "SIGSTOP", "SIGCONT"),
        Fault(FaultKind.POD_DELETE, Reach.PODS, "the pods are deleted, with the time to end that they ask for"),
        Fault(FaultKind.POD_CRASH, Reach.PODS, "the pods are deleted with one second to end"),
        Fault(FaultKind.POD_EVICT, Reach.PODS, "the pods are evicted, if their disruption budget allows"),
        Fault(
            FaultKind.NODE_RECLAIM,
            Reach.NODE,
            "the node is closed to new pods, and at the end of a notice its pods of the Kafka cluster go",
            "the node is opened again",
            duration=300.0,
            announced=True,
            notice=120.0,
        ),
        Fault(
            FaultKind.ROLLING_RESTART,
            Reach.ROLL,
            "Strimzi's operator, or the StatefulSet, is asked to restart the brokers one by one",
            "what the operator has not begun with is no longer asked for",
            duration=1_800.0,
        ),
        Fault(
            FaultKind.COMMAND,
            Reach.COMMAND,
            "your own `command` is run",
            "your own `heal` is run, if there is one",
            confirm=60.0,
        ),
        Fault(
            FaultKind.MSK_REBOOT,
            Reach.PROVIDER,
            "Amazon MSK is asked to reboot the broker",
            "nothing can be: it is over when MSK says so",
            duration=1_800.0,
            confirm=900.0,
        ),
    )
}


def of_reach(*reaches: Reach) -> tuple[FaultKind, ...]:
    return tuple(fault.kind for fault in FAULTS.values() if fault.reach in reaches)


def fault_named(name: str) -> Fault:
    """Return the fault of that name. Raises ValueError if there is none."""
    return FAULTS[FaultKind(name)]


def fault_table() -> str:
    """Return the faults as a Markdown table, for docs/experiments.md."""
    lines = ["| fault | what is done | how it is undone | held for, unless you say |", "|---|---|---|---|"]
    lines += [f"| `{one.kind}` | {one.says} | {one.undoes or '-'} | {_held(one)} |" for one in FAULTS.values()]
    return "\n".join(lines)


def _held(fault: Fault) -> str:
    return f"{fault.duration:g} s" if fault.undoes else "-"
