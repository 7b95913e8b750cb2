"""Why a node went, from what was said about it before it did. Pure judgement; `disruptions` keeps the records.

In this order: somebody says the provider takes it back; somebody chose to remove it; it was said to end, and spot or
not decides; it was taken out of service and nobody said why; it was closed to new pods and then removed, which on a
spot node is how managed groups reclaim; nothing was said and it is gone, which on a spot node is a reclaim without
notice and on any other a failure.
"""

from __future__ import annotations

from collections.abc import Collection
from enum import StrEnum

from kafka_sentinel.core.incident import Cause
from kafka_sentinel.core.kubernetes.capacity import Capacity
from kafka_sentinel.core.kubernetes.signal_types import Hint


class Loss(StrEnum):
    """How a node went."""

    UNREACHABLE = "unreachable"  # silent, its object stands
    REBOOTED = "rebooted"  # it went and came back
    REMOVED = "removed"  # its object is deleted, or its machine is certainly off


def cause_of(hints: Collection[Hint], capacity: Capacity, loss: Loss | None, *, certain: bool) -> Cause:
    """Return the cause of a disruption. `hints`: of the signals that can explain it, risks not among them.

    `certain`: the node is lost, and not only silent for a moment.
    """
    is_spot = capacity is Capacity.SPOT
    removed = certain and loss is Loss.REMOVED
    said = {
        Hint.SPOT: Cause.SPOT,
        Hint.VOLUNTARY: Cause.DRAIN,
        Hint.IF_SPOT: Cause.SPOT if is_spot else Cause.DRAIN,
        Hint.REMOVAL: Cause.DRAIN,
        Hint.CORDON: Cause.SPOT if removed and is_spot else Cause.DRAIN,
        Hint.FAILURE: Cause.NODE_FAILURE,
    }
    silent = (Cause.SPOT if removed and is_spot else Cause.NODE_FAILURE) if certain else Cause.UNKNOWN
    return next((cause for hint, cause in said.items() if hint in hints), silent)
