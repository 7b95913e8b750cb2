"""Which re-reads prove anything, and what they prove of a record under suspicion."""

from __future__ import annotations

import pytest
from tests.core.ledger_world import CORRUPTED, PARTITION, US, Entry, World, mine

from kafka_sentinel.core.account import State
from kafka_sentinel.core.events import RecheckDone
from kafka_sentinel.core.logview import Answer
from kafka_sentinel.core.types import Fence, Instant, Sighting, SightingKind
from kafka_sentinel.core.verdicts import Validity, stands_at, validity

RECORD = SightingKind.RECORD
FENCE = Fence(1, 40, 140)


def done(*sightings: Sighting, start=100, position=141, log_start=0, topic_id="a") -> RecheckDone:
    return RecheckDone(Instant(1, 1), 1, PARTITION, start, position, log_start, topic_id, sightings)


def judged(answer: RecheckDone, **changes) -> Validity:
    asked = {"start": 100, "end": 141, "fence": FENCE, "topic_id": "a", "ids_known": True}
    return validity(answer, **(asked | changes))


GOOD = Sighting(RECORD, 100, 41, 3, US, 1, 0)


def test_a_re_read_of_the_same_topic_through_the_fence_is_valid():
    assert judged(done(GOOD)) is Validity.VALID


@pytest.mark.parametrize(
    ("answer", "changes", "expected"),
    [
        (done(GOOD, topic_id=None), {}, Validity.NO_TOPIC_ID),
        (done(GOOD), {"topic_id": None}, Validity.NO_TOPIC_ID),
        (done(GOOD, topic_id="b"), {}, Validity.OTHER_TOPIC),
        (done(GOOD, topic_id=None), {"topic_id": None, "ids_known": False}, Validity.VALID),
        (done(), {}, Validity.NO_FENCE),
        (done(GOOD._replace(count=40)), {}, Validity.NO_FENCE),  # the fence itself is missing
        (done(GOOD._replace(first=1)), {}, Validity.NO_FENCE),  # another record stands at its offset
        (done(GOOD._replace(run=2)), {}, Validity.NO_FENCE),
        (done(GOOD._replace(kind=SightingKind.FOREIGN)), {}, Validity.NO_FENCE),
        (done(GOOD, position=120), {"fence": None}, Validity.SHORT),
        (done(GOOD), {"fence": None}, Validity.VALID),
        (done(GOOD, start=110), {}, Validity.LATE),
        (done(GOOD, start=110, log_start=110), {}, Validity.VALID),  # there is nothing below
    ],
)
def test_a_re_read_that_may_not_have_seen_everything_proves_nothing(answer, changes, expected):
    assert judged(answer, **changes) is expected


def test_the_evidence_says_what_stands_there_now():
    answer = done(GOOD, Sighting(SightingKind.FOREIGN, 141, 1, 3), position=143, log_start=90)
    view = Answer(answer.sightings, US)
    assert stands_at(view, answer, 105) == "run 0000000000000001 sequence 5 (leader epoch 3)"
    assert stands_at(view, answer, 141) == "foreign record (leader epoch 3)"
    assert stands_at(view, answer, 142) == "nothing"
    assert stands_at(view, answer, 143).startswith("nothing: the log was read up to offset 143")
    assert stands_at(view, answer, 80) == "nothing: the log starts at 90"
    assert stands_at(view, answer, -1) == "its offset is not known"


def test_the_evidence_names_fence_reason_epoch_and_topic():
    world = World()
    world.elect()
    world.produce(10)
    world.read()
    world.truncate(6)
    world.judge()
    (loss,) = world.losses
    assert (loss.run, loss.first, loss.count, loss.offset) == (1, 6, 4, 6)
    assert (loss.leader_epoch_before, loss.topic_id, loss.seen) == (1, "first topic", "before")
    assert loss.fence.sequence > 10
    assert loss.reason == "the log went backwards"
    assert "leader epoch 2" in loss.stands_there


def test_a_loss_over_two_leader_epochs_names_both():
    world = World()
    world.produce(5)
    world.elect()
    world.produce(5)
    world.read()
    world.truncate(3)
    world.judge()
    assert {(loss.first, loss.count, loss.leader_epoch_before) for loss in world.losses} == {(3, 2, 0), (5, 5, 1)}


def test_a_damaged_record_in_the_answer_is_corrupted_unless_the_log_went_back():
    for went_back in (False, True):
        world = World()
        world.produce(8)
        piece = next(iter(world.ledger.own.positions))
        if went_back:
            world.ledger.regressed(0, world.now(), known_to=world.ledger.highest_acked)
        else:
            world.ledger._suspect(world.ledger.own, piece, "for the test")
        world.drain()
        world.log[4] = Entry(CORRUPTED)
        world.judge()
        assert (world.state_of(4) is State.CORRUPTED) is not went_back
        assert world.lost == (mine(world, [4]) if went_back else set())


def test_a_run_that_was_let_go_is_not_judged():
    world = World()
    world.produce(5)
    after = world.restart(state=world.saved())
    after.ledger.regressed(0, after.now())
    after.drain()
    after.ledger._archive(1)
    after.judge()
    assert after.losses == []
