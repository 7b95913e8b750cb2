"""Why a node went: which hint decides before which, and what silence means."""

from __future__ import annotations

import pytest

from kafka_sentinel.core.incident import Cause
from kafka_sentinel.core.kubernetes.capacity import Capacity
from kafka_sentinel.core.kubernetes.node_cause import Loss, cause_of
from kafka_sentinel.core.kubernetes.signal_types import Hint

SPOT, OTHER = Capacity.SPOT, Capacity.ON_DEMAND
REMOVED, SILENT = Loss.REMOVED, Loss.UNREACHABLE


@pytest.mark.parametrize(
    ("hints", "capacity", "loss", "certain", "cause"),
    [
        (set(Hint), OTHER, None, False, Cause.SPOT),
        (set(Hint) - {Hint.SPOT}, SPOT, REMOVED, True, Cause.DRAIN),
        ({Hint.IF_SPOT, Hint.REMOVAL, Hint.FAILURE}, SPOT, None, False, Cause.SPOT),
        ({Hint.IF_SPOT, Hint.FAILURE}, OTHER, None, False, Cause.DRAIN),
        ({Hint.REMOVAL, Hint.CORDON}, SPOT, REMOVED, True, Cause.DRAIN),
        ({Hint.CORDON, Hint.FAILURE}, SPOT, REMOVED, True, Cause.SPOT),
        ({Hint.CORDON}, OTHER, REMOVED, True, Cause.DRAIN),
        ({Hint.CORDON}, SPOT, SILENT, True, Cause.DRAIN),
        ({Hint.CORDON}, SPOT, REMOVED, False, Cause.DRAIN),
        ({Hint.FAILURE}, SPOT, REMOVED, True, Cause.NODE_FAILURE),
        ((), SPOT, REMOVED, True, Cause.SPOT),
        ((), OTHER, REMOVED, True, Cause.NODE_FAILURE),
        ((), SPOT, SILENT, True, Cause.NODE_FAILURE),
        ({Hint.UNREACHABLE}, SPOT, REMOVED, False, Cause.UNKNOWN),
    ],
)
def test_what_is_known_best_of_a_node_decides(hints, capacity, loss, certain, cause):
    assert cause_of(hints, capacity, loss, certain=certain) is cause
