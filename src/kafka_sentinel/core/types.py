"""The few nouns that every part of Sentinel shares."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple


class Acks(StrEnum):
    """Level of acknowledgement of a probe topic: `all` is the alarm, `one` shows what acks=1 would have lost."""

    ALL = "all"
    ONE = "1"


@dataclass(frozen=True, slots=True)
class Instant:
    """One moment, in seconds of both clocks: `mono` for durations, `wall` to show and to compare across processes."""

    mono: float
    wall: float


class ProbePartition(NamedTuple):
    """A partition of a probe topic. Each `Acks` level has its own topic."""

    acks: Acks
    partition: int


class Span(NamedTuple):
    """`count` consecutive sequences from `first`, standing at consecutive offsets from `offset` (None: not known)."""

    first: int
    count: int  # type: ignore[assignment]  # shadows tuple.count, which nobody calls
    offset: int | None


class SightingKind(StrEnum):
    RECORD = "record"  # a sound probe record, of any run and any Sentinel
    CORRUPTED = "corrupted"  # bears our magic, but is truncated or fails its checksum
    FOREIGN = "foreign"  # not a probe record


class Claims(NamedTuple):
    """What a record says was acknowledged, of its own run and partition, when it was sent.

    Every sequence in [claims_from, acked_through) was acknowledged, except those inside `gaps`, given as
    (first, count) in ascending order without overlap.
    """

    claims_from: int
    acked_through: int
    gaps: tuple[tuple[int, int], ...]


class Sighting(NamedTuple):
    """`count` consecutive offsets from `offset` in one leader epoch, holding things of one kind.

    For RECORD: sequences `first`… of run `run` of Sentinel `instance`, in step with the offsets; `claims` are those
    of the last record of the span (claims only grow within a run). For CORRUPTED and FOREIGN the other fields are 0.
    """

    kind: SightingKind
    offset: int
    count: int  # type: ignore[assignment]  # shadows tuple.count, which nobody calls
    leader_epoch: int  # -1: the broker did not say
    instance: int = 0
    run: int = 0
    first: int = 0
    sent_wall: float = 0.0  # send instant (wall clock, seconds) of the last record of the span
    claims: Claims | None = None


class Fence(NamedTuple):
    """A record of ours that was sent after something happened: reading past it proves how the log stood afterwards."""

    run: int
    sequence: int
    offset: int


class OrderKind(StrEnum):
    """What a person can tell a running Sentinel to do, once."""

    RUN_NOW = "run-now"  # its subject: the experiment
    RESUME = "resume"
    HEAL = "heal"


class PodRef(NamedTuple):
    """One life of a pod. Its replacement has the same name and another uid, and is not meant.

    `broker`: the Kafka node it is; None for pods of other sorts.
    """

    namespace: str
    name: str
    uid: str
    broker: int | None = None


class ObjectRef(NamedTuple):
    """One life of an object of Kubernetes, of whatever kind."""

    api_version: str
    kind: str
    namespace: str
    name: str
    uid: str


class NodeRef(NamedTuple):
    """One life of a node of Kubernetes: a machine that takes its name later has another uid."""

    name: str
    uid: str
