"""What a watch covers, how it goes about it, and how it is doing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from kafka_sentinel.adapters.kubernetes.resources import Resource
from kafka_sentinel.core.kubernetes.objects import Kind


@dataclass(frozen=True, slots=True)
class Watched:
    """What one watch covers: a resource in a namespace (or all), perhaps only some of it.

    `versions`: of the group, in order of preference, if the one served must be found out first.
    `optional`: Sentinel does without; `permissions.py` says what is off then.
    """

    kind: Kind
    resource: Resource
    selectors: Mapping[str, str] = field(default_factory=dict)  # labelSelector, fieldSelector
    versions: tuple[str, ...] = ()
    optional: bool = False

    @property
    def scope(self) -> str:
        return self.resource.namespace or ""


@dataclass(frozen=True, slots=True)
class WatchOptions:
    """Times in seconds. `window`: how long one watch is kept open; `silence`: how much longer it may say nothing."""

    window: float = 20.0
    silence: float = 5.0
    shortest: float = 1.0  # a window that ends before counts as a failure, or a server could make us spin
    first_wait: float = 0.5
    longest_wait: float = 30.0
    settled: float = 10.0  # a watch open for so long has recovered: the next wait is the first again
    off_wait: float = 300.0  # the longest until a resource that is not there, or not for us, is tried again
    page: int = 250  # objects asked for at once


class WatchState(StrEnum):
    STARTING = "starting"
    LIVE = "live"
    BROKEN = "broken"
    OFF = "off"  # refused or unknown to the server; tried again rarely


@dataclass(frozen=True, slots=True)
class WatchStatus:
    """For gauges and `check`. `synced`: wall-clock seconds of the last sign that nothing was missed."""

    watched: Watched
    state: WatchState = WatchState.STARTING
    restarts: int = 0
    synced: float | None = None
    problem: str = ""
