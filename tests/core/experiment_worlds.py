"""A healthy world in which every guard allows, for the tests to spoil in one point at a time."""

from __future__ import annotations

from dataclasses import replace

from tests.core.kubernetes.fleets import fleet

from kafka_sentinel.core.cluster import ClusterView, PartitionView, QuorumView, TopicView
from kafka_sentinel.core.guard_input import ExperimentSpec, GuardInput, GuardSettings, World
from kafka_sentinel.core.kubernetes.inventory import Problem, WatchStanding
from kafka_sentinel.core.kubernetes.surroundings import NodeState, Surroundings
from kafka_sentinel.core.kubernetes.views import BudgetView, KafkaResourceView, Kind, Meta
from kafka_sentinel.core.schedule import parse_schedule
from kafka_sentinel.core.targets import parse_target
from kafka_sentinel.core.types import Acks, Instant

CLUSTER = "lab-1"
START = 1_800_000_000.0  # wall clock of the monotonic instant 0


def instant(seconds: float) -> Instant:
    return Instant(mono=seconds, wall=START + seconds)


def topic(name: str, *partitions: PartitionView, min_isr: int | None = 2) -> TopicView:
    return TopicView(name=name, topic_id=None, min_isr=min_isr, partitions=partitions)


def partition(number: int, *, leader: int = 1, replicas=(1, 2, 3), isr=None) -> PartitionView:
    return PartitionView(partition=number, leader=leader, replicas=replicas, isr=replicas if isr is None else isr)


PROBE = topic("probe", partition(0, leader=1), partition(1, leader=2), partition(2, leader=3))


def cluster(*topics: TopicView, **changes) -> ClusterView:
    view = ClusterView(
        cluster_id=CLUSTER,
        brokers={1: "h:1", 2: "h:2", 3: "h:3"},
        topics={each.name: each for each in (PROBE, *topics)},
        probe_topics={Acks.ALL: "probe"},
    )
    return replace(view, **changes)


QUORUM = QuorumView(leader=2, epoch=7, voters=(1, 2, 3), caught_up_voters=(1, 2, 3))


def settings(**changes) -> GuardSettings:
    healthy = GuardSettings(
        armed_for=CLUSTER, dry_run=False, min_gap=60, daily_budget=100, warm_up=30, steady=10, max_view_age=15
    )
    return replace(healthy, **changes)


def spec(name: str = "kill", **changes) -> ExperimentSpec:
    plain = ExperimentSpec(
        name=name,
        fault="process-kill",
        target=parse_target("broker:1"),
        schedule=parse_schedule(every="100s"),
        duration=5,
        grace=20,
    )
    return replace(plain, **changes)


def world(seconds: float = 1_000.0, **changes) -> World:
    now = instant(seconds)
    healthy = World(
        now=now,
        started=instant(0),
        cluster=cluster(),
        cluster_asked=instant(seconds - 1),
        quorum=QUORUM,
        quorum_asked=instant(seconds - 1),
        steady_since=instant(10),
        overdue=0,
        state_saved=now,
    )
    return replace(healthy, **changes)


def given(**changes) -> GuardInput:
    healthy = GuardInput(world=world(), settings=settings(), spec=spec(), due=world().now.wall)
    return replace(healthy, **changes)


# --- on Kubernetes


def budget(name="orders-kafka", *, allowed: int | None = 1, generation=3, observed: int | None = 3) -> BudgetView:
    return BudgetView(
        meta=meta(name, generation), selector=None, allowed=allowed, healthy=3, desired=2, observed_generation=observed
    )


def kafka_resource(**changes) -> KafkaResourceView:
    plain = KafkaResourceView(
        meta=meta("orders", 7),
        api_version="kafka.strimzi.io/v1",
        cluster_id=CLUSTER,
        ready=True,
        paused=False,
        observed_generation=7,
        reason="",
    )
    return replace(plain, **changes)


def meta(name, generation) -> Meta:
    return Meta("kafka", name, f"uid-{name}", "1", generation, {}, {}, START, None)


def node_state(name, **changes) -> NodeState:
    plain = NodeState(name, f"uid-{name}", ready=True, cordoned=False, ours=False)
    return replace(plain, **changes)


def watch(kind, *, scope="kafka", seconds: float | None = 999.0, code=None) -> WatchStanding:
    problem = Problem(instant(900), code, f"{code} it said") if code is not None else None
    return WatchStanding(kind, scope, instant(seconds) if seconds is not None else None, problem)


CLUSTER_WIDE = frozenset({Kind.NODE, Kind.VOLUME, Kind.NODE_CLAIM})
WATCHED = (*((kind, "" if kind in CLUSTER_WIDE else "kafka") for kind in Kind), (Kind.EVENT, "default"))


def watches(*changed, seconds=999.0) -> tuple[WatchStanding, ...]:
    """All are well but those that are given instead."""
    others = {(each.kind, each.scope) for each in changed}
    well = (watch(kind, scope=scope, seconds=seconds) for kind, scope in WATCHED if (kind, scope) not in others)
    return (*well, *changed)


def around(seconds: float = 1_000.0, **changes) -> Surroundings:
    """A Strimzi cluster of three brokers on three nodes, all well."""
    healthy = Surroundings(
        fleet=fleet(kafka=kafka_resource()),
        watches=watches(seconds=seconds - 1),
        budgets={"orders-kafka": budget()},
        nodes={f"uid-{name}": node_state(name) for name in ("n1", "n2", "n3")},
    )
    return replace(healthy, **changes)


def on_kubernetes(fault: str = "pod-crash", target: str = "broker:1", *, world_changes=(), **changes) -> GuardInput:
    """Return what the guards are given for an experiment on pods; `changes` are of the surroundings."""
    seen = world(kubernetes=around(**changes), **dict(world_changes))
    return given(world=seen, spec=spec(fault=fault, target=parse_target(target)))
