"""Runs that are not this process's own: which records are theirs, what they claim, and how they are settled."""

from __future__ import annotations

import pytest
from tests.core.ledger_world import FOREIGN, RECORD, US, Entry, World

from kafka_sentinel.core.account import State
from kafka_sentinel.core.claims import ClaimsTracker
from kafka_sentinel.core.ledger import Reposition, Suspected
from kafka_sentinel.core.orphans import MAX_ACCOUNTS
from kafka_sentinel.core.types import Claims, Sighting


def effects(world: World, kind: type) -> list:
    return [effect for effect in world.ledger.take_effects() if isinstance(effect, kind)]


def of_run(run: int, offset: int, *, first: int = 0, count: int = 1, epoch: int = 0, claims=None) -> Sighting:
    return Sighting(RECORD, offset, count, epoch, US, run, first, 0.0, claims)


def after_one_that_sent(count: int) -> World:
    """The second life; the first sent that many and heard of none."""
    world = World()
    world.send(count)
    return world.restart(state=world.saved())


# --- whose a record is


@pytest.mark.parametrize(("offset", "ours"), [(4, True), (5, True), (6, False)])
def test_an_unknown_run_is_an_earlier_life_of_ours_unless_it_stands_above_our_first_record(offset, ours):
    world = World()
    world.ledger.read(0, 4, ())
    world.send(1)
    world.ack((0, 1, 5))
    world.ledger.sight(of_run(9, offset, count=2))
    assert (9 in world.ledger.accounts) is ours
    assert world.ledger.counted["namesake"] == (0 if ours else 2)


@pytest.mark.parametrize(("offset", "namesake"), [(3, 0), (6, 2)])
def test_what_nobody_has_read_up_to_is_a_namesakes_above_our_first_record_and_nobodys_below(offset, namesake):
    world = World()
    world.send(1)
    world.ack((0, 1, 5))
    world.ledger.sight(of_run(9, offset, count=2))
    assert 9 not in world.ledger.accounts
    assert world.ledger.counted["namesake"] == namesake


def test_what_bears_our_run_and_was_not_sent_by_us_is_a_namesakes():
    world = World()
    world.ledger.read(0, 0, ())
    world.send(3)
    world.ledger.sight(of_run(1, 0, first=1, count=5))
    assert world.ledger.own.next_sequence == 3
    assert world.ledger.counted["namesake"] == 3


@pytest.mark.parametrize(
    ("first_read", "count", "known", "sent_back"),
    [
        (None, 7, 7, [0]),  # nothing was read yet: a re-read met it, below where this process would begin
        (10, 4, 5, []),
        (10, 5, 5, []),  # no more than the state knows of
        (10, 7, 7, [0]),  # more, and below where this process began to read
        (3, 7, 7, []),  # there it is followed
    ],
)
def test_what_an_earlier_run_wrote_after_its_state_was_saved_is_read_from_the_beginning(
    first_read, count, known, sent_back
):
    world = after_one_that_sent(5)
    world.ledger.take_effects()
    world.ledger.first_read = first_read
    world.ledger.sight(of_run(1, 3, count=count))
    account = world.ledger.accounts[1]
    assert account.next_sequence == known
    assert account.count(State.UNCERTAIN, State.PRESENT) == known
    assert [each.offset for each in effects(world, Reposition)] == sent_back


@pytest.mark.parametrize(
    ("log_start", "went_back_to", "begins"),
    [(2, None, 2), (2, 5, 2), (5, 5, 0), (5, 3, 0), (0, None, 0)],
)
def test_the_beginning_is_the_log_start_unless_the_log_went_back_to_there(log_start, went_back_to, begins):
    world = World()
    world.ledger.log_start = log_start
    if went_back_to is not None:
        world.ledger._went_back_to = went_back_to
    world.ledger._read_all_again()
    assert [each.offset for each in effects(world, Reposition)] == [begins]
    assert (world.ledger.first_read, world.ledger.position) == (begins, begins)


def test_runs_beyond_the_bound_are_settled_as_far_as_anybody_can_tell_and_let_go():
    world = World()
    world.send(2)
    world.ack((0, 1, 0))
    for run in range(2, MAX_ACCOUNTS + 3):
        world.ledger.start_run(run)
        world.run, world.claims = run, ClaimsTracker()
        if run == 2:
            world.send(1)
            world.give_up(0)
        assert len(world.ledger.accounts) == min(run, MAX_ACCOUNTS)
    assert set(world.ledger.accounts) == set(range(3, MAX_ACCOUNTS + 3))
    assert list(world.ledger.retired) == [1, 2]
    assert (world.count("unaccounted"), world.count("absent"), world.count("sent")) == (2, 1, 3)
    assert (world.count("in_flight"), world.count("awaiting"), world.count("unresolved")) == (0, 0, 0)


def test_of_many_lives_whose_records_still_stand_in_the_log_the_newest_are_kept():
    world = World()
    for life in range(MAX_ACCOUNTS + 6):
        world.produce(1)
        world.read()
        assert len(world.ledger.accounts) <= MAX_ACCOUNTS
        assert list(world.ledger.accounts) == list(range(1, life + 2))[-MAX_ACCOUNTS:]
        assert world.count("sent") == world.count("verified") == life + 1
        world = world.restart(state=world.saved())


# --- what they claim


@pytest.mark.parametrize(
    ("claims", "believed"),
    [
        (Claims(0, 0, ()), []),
        (Claims(2, 4, ()), [(2, 2)]),
        (Claims(0, 6, ((1, 2),)), [(0, 1), (3, 3)]),
        (Claims(1, 8, ((2, 1), (5, 2))), [(1, 1), (3, 2), (7, 1)]),
    ],
)
def test_a_record_is_believed_what_it_claims_and_no_more(claims, believed):
    world = after_one_that_sent(10)
    world.ledger.sight(of_run(1, 3, first=9, epoch=1, claims=claims))
    account = world.ledger.accounts[1]
    assert account.sets[State.AWAITING].spans() == believed
    assert all(not account.blind.covered(*span) for span in believed)
    assert len(account.doubtful) == 0


@pytest.mark.parametrize(
    ("epoch", "same_topic", "doubtful"), [(0, False, True), (0, True, False), (1, False, False), (1, True, False)]
)
def test_a_claim_in_the_first_epoch_may_be_of_a_topic_that_was_deleted_unless_it_is_known_to_be_the_same(
    epoch, same_topic, doubtful
):
    world = after_one_that_sent(10)
    if same_topic:
        world.ledger.same_topic = True  # else nobody knows
    world.ledger.sight(of_run(1, 3, first=9, epoch=epoch, claims=Claims(0, 6, ())))
    assert world.ledger.accounts[1].doubtful.spans() == ([(0, 6)] if doubtful else [])
    world.ledger.sight(of_run(1, 10, count=4))  # what stands here is of this topic
    assert world.ledger.accounts[1].doubtful.spans() == ([(4, 2)] if doubtful else [])


@pytest.mark.parametrize("epoch", [0, 1])
def test_so_may_one_of_a_run_that_the_state_of_the_same_topic_does_not_know(epoch):
    """It may have begun before the topic was made anew, and a life without a state have come between."""
    world = World()
    world.ledger.same_topic = True
    world.ledger.first_read = 0
    world.ledger.sight(of_run(9, 3, first=9, epoch=epoch, claims=Claims(0, 6, ())))
    assert world.ledger.accounts[9].doubtful.spans() == ([(0, 6)] if epoch == 0 else [])


@pytest.mark.parametrize("lives", [1, 2])
def test_so_may_one_of_a_run_that_an_earlier_life_saw_the_topic_made_anew_under(lives):
    """What that life did not know of was claimed by what it had not met either."""
    world = after_one_that_sent(4)
    world.recreate_topic()
    world.notice_new_topic()
    for _ in range(lives):
        world = world.restart(state=world.saved())
        world.ledger.same_topic = True
        world.ledger.first_read = 0
    world.ledger.sight(of_run(1, 3, first=9, claims=Claims(0, 6, ())))
    assert world.ledger.accounts[1].doubtful.spans() == [(0, 6)]


# --- how they are settled


def test_what_was_not_seen_is_absent_if_we_were_there_and_unaccounted_if_not():
    world = World()
    world.send(5)
    world.give_up(0, 5)
    world.ledger.sight(of_run(1, 7, first=2))
    world.ledger.settle_uncertain(1, 0, 5)
    assert world.ledger.own.sets[State.ABSENT].spans() == [(0, 2), (3, 2)]
    assert world.ledger.counted["absent"] == 4
    after = after_one_that_sent(5)
    after.ledger.first_read = 0
    after.ledger.sight(of_run(1, 7, first=2))
    after.ledger.settle_uncertain(1, 0, 5)
    assert after.ledger.accounts[1].sets[State.UNACCOUNTED].spans() == [(0, 2), (3, 2)]
    assert (after.ledger.counted["unaccounted"], after.ledger.counted["absent"]) == (4, 0)
    assert len(after.ledger.accounts[1].blind) == 0
    after.ledger.settle_uncertain(99, 0, 5)  # of a run that was let go: nothing is left to settle
    assert after.ledger.counted["unaccounted"] == 4


def test_what_is_acknowledged_without_an_offset_and_not_seen_is_looked_for_everywhere():
    world = World()
    world.put(*[Entry(FOREIGN)] * 3)
    world.send(4)
    world.ack((1, 2, None))
    world.ledger.suspect_unplaced()
    suspected = effects(world, Suspected)
    assert [(each.first, each.count, each.low, each.placed) for each in suspected] == [(1, 2, 0, False)]


@pytest.mark.parametrize(
    ("log_start", "expired", "suspected"), [(0, 0, [(0, 10)]), (1, 4, [(4, 6)]), (50, 4, [(4, 6)])]
)
def test_of_what_was_claimed_and_not_found_the_part_below_the_first_that_was_seen_left_by_the_log_start(
    log_start, expired, suspected
):
    world = World()
    world.send(14)
    world.ack((0, 10, None), (12, 2, 100))
    after = world.restart(state=world.saved())
    account = after.ledger.accounts[1]
    account.seen.add(4)
    after.ledger.log_start = log_start
    after.ledger.settle_orphans()
    assert account.count(State.EXPIRED) == after.ledger.counted["expired"] == expired
    found = effects(after, Suspected)
    assert [(each.first, each.count) for each in found] == suspected
    assert all((each.low, each.placed) == (0, False) for each in found)


def test_an_ended_run_of_which_nothing_is_left_is_let_go_when_it_is_settled():
    after = after_one_that_sent(3)
    assert set(after.ledger.accounts) == {1, 2}
    after.ledger.settle_orphans()
    assert set(after.ledger.accounts) == {2}
    assert after.count("unaccounted") == 3


def test_there_is_something_to_settle_of_an_earlier_run_until_all_of_it_was_met_and_judged():
    world = World()
    world.send(9)
    world.ack((0, 3, None), (5, 2, None))
    after = world.restart(state=world.saved())
    account, unsettled = after.ledger.accounts[1], after.ledger.has_unsettled_orphans
    assert unsettled()  # it was not met
    account.met = True
    account.suspected.add(0, 9)
    assert unsettled()  # what nobody heard of
    account.blind.clear()
    assert not unsettled()
    account.suspected.clear()
    assert unsettled()  # what was acknowledged and has no place
    account.suspected.add(0, 3)
    assert unsettled()  # of that a part is not asked for
    account.suspected.add(5, 2)
    assert not unsettled()
    account.suspected.clear()
    account.positions.set(0, 9, 100)
    assert not unsettled()
    account.move(3, 2, State.UNCERTAIN, State.IN_FLIGHT)
    assert unsettled()  # whose answer may still come
    account.orphan = False
    assert not unsettled()


def test_a_run_that_ends_in_this_process_is_to_be_met_in_the_log_as_any_other():
    world = World()
    world.produce(2)
    world.read()
    assert not world.ledger.has_unsettled_orphans()
    world.ledger.start_run(2)
    assert world.ledger.has_unsettled_orphans()
