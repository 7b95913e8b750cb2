"""The evidence of losses that is kept."""

from __future__ import annotations

import pytest
from tests.core.recovery_world import new_incidents

from kafka_sentinel.core.casebook import MAX_LOSSES, Casebook
from kafka_sentinel.core.truth import LossesProved, Truth
from kafka_sentinel.core.types import Acks, Instant, ProbePartition
from kafka_sentinel.core.verdicts import Loss

TRUTH = Truth(instance=1, run=1, margin=0, settle_margin=1.0, chunk=50, background_interval=10.0)


@pytest.fixture
def book():
    return Casebook(new_incidents(), TRUTH)


def lose(book, acks, second):
    at = Instant(float(second), 1_000.0 + second)
    loss = Loss(ProbePartition(acks, 0), 1, second, 1, second, "never", 0, "", None, None, "", at)
    book.take(LossesProved((loss,), None, at))


def stamps(book, acks):
    return [one["proved_at"] for one in book.losses if one["acks"] == acks]


def test_the_newest_evidence_is_kept(book):
    for second in range(MAX_LOSSES + 20):
        lose(book, Acks.ALL, second)
    assert stamps(book, "all") == [1_000.0 + second for second in reversed(range(20, MAX_LOSSES + 20))]


def test_losses_at_acks_1_do_not_push_out_the_last_at_acks_all(book):
    for second in range(3):
        lose(book, Acks.ALL, second)
    for second in range(3, 3 * MAX_LOSSES):
        lose(book, Acks.ONE, second)
    assert stamps(book, "all") == [1_002.0]
    assert len(book.losses) == MAX_LOSSES + 1
    lose(book, Acks.ALL, 3 * MAX_LOSSES)
    assert stamps(book, "all") == [1_000.0 + 3 * MAX_LOSSES]
    assert len(book.losses) == MAX_LOSSES
