"""What the guards may know of Kubernetes: an immutable picture of the fleet and of what goes on around it."""

from __future__ import annotations

from dataclasses import dataclass

from kafka_sentinel.core.kubernetes.desk import KubernetesDesk
from kafka_sentinel.core.kubernetes.fleet import FleetView


@dataclass(frozen=True, slots=True)
class Surroundings:
    fleet: FleetView


def surroundings(desk: KubernetesDesk) -> Surroundings:
    """Return the picture as of the newest event."""
    desk.refresh()
    return Surroundings(desk.fleet)
