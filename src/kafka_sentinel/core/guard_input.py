"""What the guards may look at: the experiment and the settings as configured, and the world as the engine knows it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from kafka_sentinel.core.cluster import ClusterView, EnsembleView, ProviderView, QuorumView
from kafka_sentinel.core.events import LeaseObserved
from kafka_sentinel.core.faults import MAX_LOAD, MAX_NOTICE, fault_named
from kafka_sentinel.core.kubernetes.fleet import FleetView
from kafka_sentinel.core.kubernetes.surroundings import Surroundings
from kafka_sentinel.core.schedule import Blackout, Schedule
from kafka_sentinel.core.targets import TargetSpec, misfit
from kafka_sentinel.core.types import Instant

MAX_DAILY_BUDGET = 10_000


@dataclass(frozen=True, slots=True)
class ExperimentSpec:
    """One experiment as configured; times in seconds.

    `grace`: how long a run that is due waits for the guards before it is skipped; at least 1.
    `jitter`: each run starts up to that much later, always the same for the same name and time.
    `allow_unavailability`: may take partitions below min.insync.replicas, never their last in-sync replica.
    `notice`: of a fault that is announced, from the notice until its targets must be gone; `drain`: the last part of
    it, which the targets get to end. `load`: records per second over all probe partitions, while a run is under way.
    `timeout`: how long what the fault asks for may take, and `confirm`: how long Kafka then has to show that it struck;
    0, where the fleet knows by itself.
    """

    name: str
    fault: str
    target: TargetSpec
    schedule: Schedule
    duration: float
    grace: float = 60.0
    jitter: float = 0.0
    allow_unavailability: bool = False
    notice: float = 0.0
    drain: float = 0.0
    load: float | None = None
    timeout: float = 0.0
    confirm: float = 0.0

    def __post_init__(self) -> None:
        if self.grace < 1 or self.jitter < 0 or self.duration < 0:
            raise ValueError(f"experiment {self.name}: needs grace >= 1, jitter >= 0 and duration >= 0 seconds")
        if not 0 <= self.drain <= self.notice <= MAX_NOTICE:
            raise ValueError(f"experiment {self.name}: needs 0 <= drain <= notice <= {MAX_NOTICE:g} seconds")
        if self.load is not None and not 0 < self.load <= MAX_LOAD:
            raise ValueError(f"experiment {self.name}: load is {self.load}; allowed is more than 0, up to {MAX_LOAD:g}")
        if wrong := misfit(self.fault, self.target):
            raise ValueError(f"experiment {self.name}: {wrong}")
        if (self.confirm > 0) != (fault_named(self.fault).confirm > 0):
            raise ValueError(f"experiment {self.name}: confirm of {self.confirm:g} s does not go with {self.fault}")


@dataclass(frozen=True, slots=True)
class GuardSettings:
    """What is configured for all experiments; times in seconds. The defaults inject nothing."""

    armed_for: str | None = None  # the only Kafka cluster id in which anything may be injected
    dry_run: bool = True
    min_gap: float = 3_600.0
    daily_budget: int = 4  # broker losses in any 24 hours, natural ones included
    warm_up: float = 300.0
    steady: float = 120.0
    max_view_age: float = 15.0
    max_watch_age: float = 30.0  # a watch says at the latest after 25 s that it has missed nothing
    max_state_age: float = 180.0
    min_pod_age: float = 300.0
    accept_unavailable: tuple[str, ...] = ()  # name patterns of topics that may become unavailable
    blackouts: tuple[Blackout, ...] = ()

    def __post_init__(self) -> None:
        if not 0 <= self.daily_budget <= MAX_DAILY_BUDGET:
            raise ValueError(f"daily_budget is {self.daily_budget}; allowed are 0 to {MAX_DAILY_BUDGET}")


@dataclass(frozen=True, slots=True)
class World:
    """What the engine knows, for the guards. None means: not known, and denies.

    `cluster_asked`, `quorum_asked`: when the request was started that brought the view.
    `steady_since`: since when every probe partition has been producible and consumable without a break.
    `overdue`: records past their SLO, over all probe partitions. `natural_losses`: wall-clock seconds at which brokers
    were lost without our doing, at least those of the last 24 hours. `state_saved`: the last successful write.
    `lease`: how the Lease stands; None, and only that, means that none is in use, and allows.
    `rights_missing`: fault → why it would be refused; None: not told, and the API server has the last word anyhow.
    `kubernetes`: None means that the brokers are not watched there, so there is nothing to know. `ensemble`: None means
    that there is no ZooKeeper to be asked, `provider`: that nobody else runs the cluster. `group_id`: of Sentinel's own
    consumer group.
    """

    now: Instant
    started: Instant
    cluster: ClusterView | None = None
    cluster_asked: Instant | None = None
    quorum: QuorumView | None = None
    quorum_asked: Instant | None = None
    steady_since: Instant | None = None
    overdue: int | None = None
    open_incidents: tuple[str, ...] = ()
    natural_losses: tuple[float, ...] = ()
    state_saved: Instant | None = None
    state_error: str | None = None  # why the newest write failed, if it did
    lease: LeaseObserved | None = None
    kubernetes: Surroundings | None = None
    ensemble: EnsembleView | None = None
    provider: ProviderView | None = None
    rights_missing: Mapping[str, str] | None = None
    group_id: str = ""

    @property
    def fleet(self) -> FleetView | None:
        return self.kubernetes.fleet if self.kubernetes is not None else None

    @property
    def alive(self) -> frozenset[int]:
        """Live brokers, and controllers, which metadata does not list."""
        brokers = frozenset(self.cluster.brokers) if self.cluster is not None else frozenset()
        return brokers.union(self.quorum.caught_up_voters if self.quorum is not None else ())


@dataclass(frozen=True, slots=True)
class GuardInput:
    """Everything a guard may look at. `due` (wall-clock seconds) is when this run was to start.

    `announced`: the notice of this run was given, so the mark on its own node is ours.
    """

    world: World
    settings: GuardSettings
    spec: ExperimentSpec
    due: float | None
    paused: str | None = None  # who paused the experiments, in their words
    latched: str | None = None
    under_way: str | None = None  # the run of another experiment
    announced: bool = False
    injections: tuple[float, ...] = ()  # wall-clock seconds of ours, this run's own not included
