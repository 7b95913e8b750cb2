"""A healthy world in which every guard allows, for the tests to spoil in one point at a time."""

from __future__ import annotations

from dataclasses import replace

from kafka_sentinel.core.cluster import ClusterView, PartitionView, QuorumView, TopicView
from kafka_sentinel.core.guard_input import ExperimentSpec, GuardInput, GuardSettings, World
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
