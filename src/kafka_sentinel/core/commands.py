"""Everything the engine can ask for. The runtime hands each to the adapter that can do it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from kafka_sentinel.core.types import Acks, Fence, Instant, NodeRef, ObjectRef, PodRef, ProbePartition


@dataclass(frozen=True, slots=True)
class StartRun:
    """Begin a new run: a fresh run id, all sequences from 0. Sent at start-up and after an invariant violation."""


@dataclass(frozen=True, slots=True)
class Probe:
    """Send to, and read, exactly these partitions from now on. New ones are read from their beginning."""

    partitions: tuple[ProbePartition, ...]


@dataclass(frozen=True, slots=True)
class AssignReader:
    """Go on reading `partition` at `offset`."""

    partition: ProbePartition
    offset: int


@dataclass(frozen=True, slots=True)
class RenewClients:
    """Take new clients for this level and forget all positions: its topic is another one of the same name."""

    acks: Acks


@dataclass(frozen=True, slots=True)
class Recheck:
    """Read [start, end) with a fresh reader and answer with RecheckDone or RecheckFailed bearing the same number."""

    recheck: int
    partition: ProbePartition
    start: int
    end: int
    fence: Fence | None  # for the log only: the engine looks for it in the answer


@dataclass(frozen=True, slots=True)
class Announce:
    """Give notice of `fault`, and hit nothing yet: Inject or Heal follows, `notice` seconds later at most.

    Answered with FaultAnnounced or FaultFailed.
    """

    experiment_run: str
    fault: str
    targets: tuple[int, ...]
    notice: float
    pods: tuple[PodRef, ...] = ()
    node: NodeRef | None = None


@dataclass(frozen=True, slots=True)
class Inject:
    """Do `fault` to exactly these, undo it after `duration` seconds.

    `targets`: Kafka node ids. `pods`: on Kubernetes all pods to be hit, as the guards judged them, and no others.
    `node`: for faults of nodes, the one that these pods are on. `drain`: for faults of nodes, seconds the pods get to
    end; 0: as few as is safe. `experiment`: whose run it is. `addresses`: of machines, "host:port", of each target, or
    of the ZooKeeper servers that are meant instead. `confirm`: seconds Kafka has to show that it struck, where that is
    asked of it; then the core says when it is to be undone.
    """

    experiment_run: str
    fault: str
    targets: tuple[int, ...]
    duration: float
    pods: tuple[PodRef, ...] = ()
    node: NodeRef | None = None
    drain: float = 0.0
    experiment: str = ""
    addresses: tuple[str, ...] = ()
    confirm: float = 0.0


@dataclass(frozen=True, slots=True)
class Heal:
    """Undo the fault of `experiment_run` at once (a no-op if it was undone already)."""

    experiment_run: str
    targets: tuple[int, ...] = ()  # whom it was done to: after a crash nobody else remembers
    fault: str = ""
    node: NodeRef | None = None
    pods: tuple[PodRef, ...] = ()
    experiment: str = ""
    addresses: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Sweep:
    """Undo whatever of ours is found and belongs to no fault under way: what an earlier life left behind."""


@dataclass(frozen=True, slots=True)
class SetLoad:
    """Probe with so many records per second, over all partitions together, but no fewer than usual. None: as usual."""

    records_per_second: float | None


@dataclass(frozen=True, slots=True)
class SaveState:
    generation: int
    state: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class StandDown:
    """End this process: another Sentinel has taken over. Nothing more is written."""

    reason: str


@dataclass(frozen=True, slots=True)
class LeaveEvent:
    """Leave a Kubernetes Event on an object. `reason`: a word like `KafkaSentinelInjected`."""

    at: Instant
    about: ObjectRef
    reason: str
    message: str
    warning: bool = False


@dataclass(frozen=True, slots=True)
class Diagnose:
    """Find out why Kafka cannot be used. Answered with ConnectionExamined."""


@dataclass(frozen=True, slots=True)
class EnsureTopic:
    """Create the probe topic or add partitions, so that every live broker leads at least one."""

    acks: Acks


@dataclass(frozen=True, slots=True)
class Count:
    """Add to a counter of the metric catalogue."""

    metric: str
    labels: tuple[tuple[str, str], ...]
    amount: float = 1


@dataclass(frozen=True, slots=True)
class Observe:
    """Add samples to a histogram of the metric catalogue."""

    metric: str
    labels: tuple[tuple[str, str], ...]
    values: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Log:
    """One log line. `level` is info, warning or error."""

    level: str
    event: str
    fields: Mapping[str, object]


Command = (
    StartRun
    | Probe
    | AssignReader
    | RenewClients
    | Recheck
    | Announce
    | Inject
    | Heal
    | Sweep
    | SetLoad
    | SaveState
    | StandDown
    | LeaveEvent
    | EnsureTopic
    | Diagnose
    | Count
    | Observe
    | Log
)
