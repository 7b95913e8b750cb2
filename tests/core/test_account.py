"""One run on one partition: every sequence is in exactly one state, and memory follows anomalies."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kafka_sentinel.core.account import Account, InvariantError, State
from kafka_sentinel.core.sends import MAX_BATCHES, Batch, Sends
from kafka_sentinel.core.types import Acks, Instant, ProbePartition

PARTITION = ProbePartition(Acks.ALL, 3)
MOVES = [
    (State.IN_FLIGHT, State.REJECTED),
    (State.IN_FLIGHT, State.UNCERTAIN),
    (State.IN_FLIGHT, State.AWAITING),
    (State.UNCERTAIN, State.PRESENT),
    (State.UNCERTAIN, State.ABSENT),
    (State.ABSENT, State.PRESENT),
    (State.AWAITING, State.VERIFIED),
    (State.AWAITING, State.LOST),
    (State.AWAITING, State.EXPIRED),
]


def account(sent: int = 0) -> Account:
    result = Account(PARTITION, 0xABC)
    result.open_up_to(sent, State.IN_FLIGHT)
    return result


def at(mono: float) -> Instant:
    return Instant(mono, mono)


@given(st.lists(st.tuples(st.sampled_from(MOVES), st.integers(0, 40), st.integers(0, 12)), max_size=60))
def test_whatever_moves_every_sequence_stays_in_exactly_one_state(moves):
    subject = account(40)
    model = dict.fromkeys(range(40), State.IN_FLIGHT)
    for (source, target), first, count in moves:
        window = [s for s in range(first, first + count) if model.get(s) is source]
        assert subject.move_all(first, count, source, target) == len(window)
        model |= dict.fromkeys(window, target)
        subject.check()
    for state in State:
        assert subject.count(state) == sum(held is state for held in model.values())


def test_moving_what_is_not_there_is_a_contradiction_that_names_itself():
    subject = account(10)
    with pytest.raises(InvariantError, match="run 0000000000000abc all/3: 5 sequences from 8 should go from in_flight"):
        subject.move(8, 5, State.IN_FLIGHT, State.AWAITING)
    with pytest.raises(InvariantError):
        subject.check()


@pytest.mark.parametrize("name", ["suspected", "lost_before", "blind"])
def test_what_should_be_within_a_state_and_is_not_is_a_contradiction(name):
    subject = account(10)
    getattr(subject, name).add(3, 2)
    with pytest.raises(InvariantError, match="of 2 "):
        subject.check()


def test_a_sequence_in_two_states_is_a_contradiction():
    subject = account(10)
    subject.sets[State.LOST].add(3)
    subject.tally[State.LOST] += 1
    with pytest.raises(InvariantError, match="10 sent, but 11 accounted for"):
        subject.check()


def test_folding_keeps_the_sums_and_forgets_the_sequences():
    subject = account(100)
    subject.move(0, 60, State.IN_FLIGHT, State.AWAITING)
    subject.positions.set(0, 60, 1000)
    for first in range(0, 40, 2):
        subject.move(first, 1, State.AWAITING, State.LOST)
        subject.move(first + 1, 1, State.AWAITING, State.VERIFIED)
    subject.lost_before.add(1)
    subject.positions.remove_below(30)
    subject.fold()
    assert subject.floor == 30
    assert subject.sets[State.LOST].lowest == 30
    assert (subject.count(State.LOST), subject.count(State.VERIFIED), subject.lost_after_sighting) == (20, 20, 1)
    subject.check()


@pytest.mark.parametrize("keeps", ["in flight", "uncertain", "awaiting", "suspected", "placed", "seen"])
def test_nothing_open_or_standing_is_folded(keeps):
    subject = account(10)
    subject.move(1, 9, State.IN_FLIGHT, State.AWAITING)
    subject.move(1, 9, State.AWAITING, State.VERIFIED)
    if keeps != "in flight":
        subject.move(0, 1, State.IN_FLIGHT, State.UNCERTAIN if keeps == "uncertain" else State.AWAITING)
    if keeps in ("suspected", "placed", "seen"):
        subject.move(0, 1, State.AWAITING, State.VERIFIED)
        {"suspected": subject.suspected.add, "seen": subject.seen.add}.get(keeps, lambda *_: None)(0, 1)
        if keeps == "placed":
            subject.positions.set(0, 1, 7)
    subject.fold()
    assert subject.floor == 0
    assert len(subject.sets[State.VERIFIED]) >= 9


def test_state_survives_json_and_what_was_in_flight_is_our_blind_spot():
    subject = account(50)
    subject.move(0, 30, State.IN_FLIGHT, State.AWAITING)
    subject.positions.set(0, 30, 500)
    subject.move(0, 20, State.AWAITING, State.VERIFIED)
    subject.suspected.add(15, 10)
    subject.lost_before.add(2)
    subject.reordered.add(4)
    subject.doubtful.add(25)
    subject.positions.remove_below(10)
    subject.fold()
    restored = Account.from_state(PARTITION, json.loads(json.dumps(subject.to_state())))
    restored.check()
    assert restored.orphan
    assert restored.next_sequence == 50
    assert restored.count(State.UNCERTAIN) == len(restored.blind) == 20
    assert restored.count(State.IN_FLIGHT) == 0
    assert (restored.count(State.VERIFIED), restored.lost_after_sighting) == (20, 1)
    for name in ("positions", "suspected", "lost_before", "reordered", "doubtful"):
        assert list(getattr(restored, name)) == list(getattr(subject, name)), name


def test_of_a_run_that_had_ended_when_the_state_was_saved_nothing_was_sent_afterwards():
    """Its records that were not read then may stand anywhere below; those of the run of that time stand above."""
    living = account(50)
    after = Account.from_state(PARTITION, json.loads(json.dumps(living.to_state())))
    assert after.known == 50
    later = Account.from_state(PARTITION, json.loads(json.dumps(after.to_state())))
    assert later.known > 10**12
    assert later.next_sequence == 50


@pytest.mark.parametrize(
    "change",
    [
        {"run": "not hex"},
        {"next": 7},
        {"next": "50"},
        {"sets": []},
        {"sets": {"verified": [[0, 20], [10, 30]]}},
        {"sets": {"no such state": []}},
        {"positions": [[1, 2]]},
        {"suspected": [[900, 1]]},
    ],
)
def test_a_state_that_is_not_sound_is_refused(change):
    subject = account(50)
    with pytest.raises((ValueError, TypeError, InvariantError)):
        Account.from_state(PARTITION, {**subject.to_state(), **change})


# --- sends


@given(st.lists(st.tuples(st.integers(1, 5), st.floats(0, 3)), min_size=1, max_size=40), st.integers(0, 200))
def test_sends_are_found_by_sequence_and_by_time(batches, probe):
    sends, naive, first, mono = Sends(), {}, 0, 0.0
    for count, later in batches:
        mono += later
        sends.remember(Batch(first, first + count, at(mono), first))
        naive |= dict.fromkeys(range(first, first + count), mono)
        first += count
    found = sends.sent_at(probe)
    assert (found.mono if found else None) == naive.get(probe)
    edge = sends.sent_before(mono)
    assert all((sequence < edge) == (when < mono) for sequence, when in naive.items())
    sends.forget_below(probe)
    assert all(sends.sent_at(sequence) is not None for sequence in naive if sequence >= probe)


def test_the_memory_of_sends_is_bounded_and_errs_to_the_safe_side():
    sends = Sends()
    for index in range(5 * MAX_BATCHES):
        sends.remember(Batch(index, index + 1, at(index), 1000 + index))
    assert len(sends) <= MAX_BATCHES
    for index in (0, 7, MAX_BATCHES, 5 * MAX_BATCHES - 1):
        (batch,) = sends.overlapping(index, 1)
        assert batch.sent_at.mono <= index
        assert batch.barrier <= 1000 + index
    assert sum(batch.end - batch.first for batch in sends.overlapping(0, 5 * MAX_BATCHES)) == 5 * MAX_BATCHES


def test_barriers_are_lowered_never_raised():
    sends = Sends()
    sends.remember(Batch(0, 1, at(0), 5))
    sends.remember(Batch(1, 2, at(1), 50))
    sends.lower_barriers(20)
    assert [batch.barrier for batch in sends.overlapping(0, 2)] == [5, 20]
