"""The shadow's own log and hands: what a drill does to it is what it says it does."""

from __future__ import annotations

import pytest

from kafka_sentinel.core.record import ProbeRecord, decode, decode_claims
from kafka_sentinel.core.shadow import PARTITION, PAUSE, ROUNDS, RUN, Shadow
from kafka_sentinel.core.truth import Truth
from kafka_sentinel.core.types import Instant, SightingKind, Span

START = Instant(1_000.5, 1.79e9)


def desk(run, background):
    return Truth(instance=77, run=run, background_interval=background, margin=500, settle_margin=11.5, chunk=20_000)


@pytest.fixture
def shadow():
    return Shadow(desk, START, background=False)


def test_its_records_are_those_of_a_producer(shadow):
    shadow.produce(2)
    first = shadow.send(1)
    shadow.write(first)
    assert shadow.at == START
    assert decode(shadow.log[1].value) == ProbeRecord(
        77, RUN, 0, PARTITION.partition, 1, int(1.79e18), 1_000_500_000_000
    )
    claims = [decode_claims(entry.value) for entry in shadow.log]
    assert [(one.claims_from, one.acked_through) for one in claims] == [(0, 0), (0, 0), (0, 2)]


def test_a_damaged_record_differs_by_one_bit(shadow):
    first = shadow.send(1)
    shadow.write(first)
    shadow.write_damaged(first)
    sound, damaged = (int.from_bytes(entry.value) for entry in shadow.log)
    assert (sound ^ damaged).bit_count() == 1
    assert decode(shadow.log[1].value) is SightingKind.CORRUPTED


def test_each_election_that_cuts_begins_an_epoch_and_what_was_lost_adds_up(shadow):
    shadow.produce(4)
    for end in (3, 1):
        shadow.cut(end)
        shadow.produce(1)
    epochs = [entry.epoch for entry in shadow.log]
    assert epochs == [epochs[0], epochs[0] + 2]
    assert epochs[0] > 1  # the log has had other leaders
    assert shadow.gone == {1, 2, 3, 4}


def test_what_is_found_at_several_times_adds_up(shadow):
    for _ in range(2):
        shadow.produce(3)
        shadow.read()
        shadow.cut(len(shadow.log) - 2)
        first = shadow.send(1)
        offset = shadow.write(first, first)
        shadow.acked(Span(first, 1, offset))
        shadow.settle()
    assert shadow.lost == shadow.gone
    assert (shadow.told["lost"], shadow.told["duplicated"], len(shadow.lost)) == (4, 2, 4)


def test_settling_probes_on_once_a_round(shadow):
    shadow.settle()
    assert len(shadow.log) == ROUNDS
    passed = ROUNDS * (11.5 + PAUSE)
    assert (shadow.at.mono - START.mono, shadow.at.wall - START.wall) == pytest.approx((passed, passed))


def test_a_reader_that_is_at_the_end_tells_nothing(shadow, monkeypatch):
    taken = []
    take = Truth.take
    monkeypatch.setattr(Truth, "take", lambda self, event: taken.append(event) or take(self, event))
    shadow.read()
    assert taken == []
    shadow.produce(1)
    taken.clear()
    shadow.read()
    shadow.read()
    assert len(taken) == 1
