"""One run on one partition: every sequence is in exactly one state, and memory follows anomalies."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kafka_sentinel.core.account import MAX_ABSENT, Account, InvariantError, State
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


def test_the_newest_absent_are_known_one_by_one_because_they_may_arrive_yet():
    subject = account(4 * MAX_ABSENT)
    for first in range(0, 4 * MAX_ABSENT, 2):
        subject.move(first, 2, State.IN_FLIGHT, State.UNCERTAIN)
        subject.move(first, 1, State.UNCERTAIN, State.ABSENT)
        subject.move(first + 1, 1, State.UNCERTAIN, State.PRESENT)
    subject.fold()
    assert subject.sets[State.ABSENT].intervals == MAX_ABSENT
    assert 4 * MAX_ABSENT - 2 in subject.sets[State.ABSENT]
    assert not subject.sets[State.PRESENT]
    assert subject.count(State.ABSENT) == 2 * MAX_ABSENT
    subject.check()


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


def test_what_exists_is_never_taken_back():
    subject = account(5)
    for end in (3, 5, 0):
        subject.open_up_to(end, State.UNCERTAIN)
        subject.check()
    assert (subject.next_sequence, subject.count(State.UNCERTAIN)) == (5, 0)


def test_moving_to_where_it_is_already_is_a_contradiction():
    subject = account(5)
    subject.sets[State.AWAITING].add(3, 1)
    with pytest.raises(InvariantError, match="5 were in in_flight and 1 in awaiting already"):
        subject.move(0, 5, State.IN_FLIGHT, State.AWAITING)


def test_a_tally_that_is_not_what_is_held_is_a_contradiction():
    subject = account(5)
    subject.tally[State.VERIFIED] += 1
    with pytest.raises(InvariantError, match=r"tally .* is not what is held"):
        subject.check()


def test_what_was_lost_after_its_sighting_is_summed_over_every_folding():
    subject = account(20)
    subject.move(0, 20, State.IN_FLIGHT, State.AWAITING)
    for first in (0, 10):
        subject.move(first, 10, State.AWAITING, State.VERIFIED)
        subject.lost_before.add(first, 2)
        subject.fold()
    assert subject.lost_after_sighting == 4
    assert subject.to_state()["folded"] == {"verified": 20, "lost_before": 4}
    assert not subject.lost_before


def test_folding_forgets_what_was_noted_of_the_sequences_and_keeps_what_is_above():
    subject = account(20)
    subject.move(0, 10, State.IN_FLIGHT, State.REJECTED)
    for noted in (subject.reordered, subject.twice, subject.doubtful, subject.inferred):
        noted.add(5, 10)
    subject.fold()
    for noted in (subject.reordered, subject.twice, subject.doubtful, subject.inferred):
        assert noted.spans() == [(10, 5)]


def test_the_memory_of_an_account_is_all_that_it_holds():
    subject = account(9)
    assert subject.intervals == 1
    subject.move(4, 1, State.IN_FLIGHT, State.AWAITING)  # in flight below and above
    assert subject.intervals == 3
    subject.positions.set(4, 1, 100)
    subject.seen.add(4, 1)
    subject.seen.add(6, 1)
    subject.inferred.add(4, 1)
    assert subject.intervals == 7


def test_sends_are_forgotten_once_nothing_of_them_is_awaited():
    subject = account()
    for first in (0, 5):
        subject.open_up_to(first + 5, State.IN_FLIGHT)
        subject.remember_send(Batch(first, first + 5, at(first), -1))
    subject.move(0, 5, State.IN_FLIGHT, State.REJECTED)
    subject.forget_settled_sends()
    assert subject.sent_at(0) is None
    assert subject.sent_at(7) == at(5)


def test_what_is_vouched_for_no_longer_is_forgotten_below_that_sequence_only():
    subject = account(10)
    subject.move(0, 10, State.IN_FLIGHT, State.AWAITING)
    subject.positions.set(0, 10, 100)
    for members in (subject.seen, subject.suspected, subject.rewound):
        members.add(0, 10)
    subject.forget_places_below(6)
    assert [piece.first for piece in subject.positions] == [6]
    for members in (subject.seen, subject.suspected, subject.rewound):
        assert members.spans() == [(6, 4)]


def test_a_state_that_is_taken_over_is_what_was_saved():
    subject = account(12)
    subject.orphan = True
    subject.move(0, 12, State.IN_FLIGHT, State.AWAITING)
    subject.move(0, 6, State.AWAITING, State.VERIFIED)
    subject.positions.set(0, 12, 50)
    for noted, first in (
        (subject.suspected, 7),
        (subject.rewound, 7),
        (subject.lost_before, 2),
        (subject.reordered, 3),
        (subject.doubtful, 9),
        (subject.inferred, 1),
    ):
        noted.add(first, 2)
    subject.earlier = (60, 5)
    state = json.loads(json.dumps(subject.to_state()))
    assert set(state["sets"]) == {"awaiting", "verified"}
    assert state["folded"] == {}
    again = Account.from_state(PARTITION, state)
    assert json.loads(json.dumps(again.to_state())) == state
    assert (again.run, again.earlier) == (0xABC, (0, 5))


@pytest.mark.parametrize(("name", "expected"), [("suspected", "a list of pairs"), ("positions", "a list of triples")])
def test_what_is_no_list_in_a_state_is_named(name, expected):
    state = account(3).to_state()
    with pytest.raises(TypeError, match=f"expected {expected}, found 'abc'"):
        Account.from_state(PARTITION, {**state, name: "abc"})


@pytest.mark.parametrize(
    ("sets", "refused"),
    [
        ({"verified": [[0, 4]], "lost": [[4, 1]]}, None),
        ({"verified": [[0, 3]], "lost": [[2, 2]]}, "some of 2 sequences from 2 are lost and more"),
        ({"verified": [[-1, 5]]}, "some of 5 sequences from -1 are verified and more"),
        ({"verified": [[0, 4]], "lost": [[5, 1]]}, "5 sent, but 5 is accounted for"),
    ],
)
def test_a_state_in_which_a_sequence_is_in_two_states_or_was_never_sent_is_refused(sets, refused):
    names = ("positions", "suspected", "rewound", "lost_before", "reordered", "blind", "doubtful")
    state = {"run": "1", "next": 5, "sets": sets, "folded": {}, "highest": 4, **{name: [] for name in names}}
    if refused is None:
        assert Account.from_state(PARTITION, state).count(State.VERIFIED) == 4
        return
    with pytest.raises(InvariantError, match=refused):
        Account.from_state(PARTITION, state)


@pytest.mark.parametrize("outlived", [False, True])
def test_what_is_so_of_few_runs_is_taken_over_as_well(outlived):
    subject = account(2)
    assert not subject.outlived  # it is ours, and has just begun
    assert subject.to_state().keys().isdisjoint({"ended", "outlived", "inferred"})  # most are none of these
    subject.outlived = outlived
    subject.inferred.add(1)
    after = Account.from_state(PARTITION, json.loads(json.dumps(subject.to_state())))
    assert (after.outlived, after.inferred.spans()) == (outlived, [(1, 1)])
