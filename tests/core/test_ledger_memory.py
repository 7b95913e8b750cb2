"""What a ledger keeps of a log, what it hands on to the next process, and what it forgets."""

from __future__ import annotations

import json

import pytest
from tests.core.ledger_world import FOREIGN, PARTITION, RECORD, US, Entry, World, mine

from kafka_sentinel.core.account import State
from kafka_sentinel.core.claims import ClaimsTracker
from kafka_sentinel.core.ledger import PartitionLedger, Suspected
from kafka_sentinel.core.logview import Answer
from kafka_sentinel.core.orphans import MAX_ACCOUNTS
from kafka_sentinel.core.types import Claims


def with_everything_known() -> World:
    """Two lives, two leader epochs, copies, a truncation that is not judged yet, and records in every place."""
    world = World()
    world.produce(20)
    world.elect()
    world.append(3)  # a copy
    world.produce(5)
    world.read()
    world.recheck_everything()
    after = world.restart(state=world.saved())
    after.produce(6)
    after.read()
    after.truncate(18)
    after.produce(2)
    return after


def start_run(world: World, run: int) -> None:
    world.ledger.start_run(run)
    world.run, world.claims = run, ClaimsTracker()


def test_of_a_log_that_was_deleted_nothing_is_kept():
    world = with_everything_known()
    before = world.saved()
    assert before["copies"]
    assert all(account["positions"] and account["suspected"] for account in before["accounts"])
    assert any(account["rewound"] for account in before["accounts"])
    world.ledger.same_topic = True
    world.recreate_topic()
    awaited = {run: spans.spans() for run, spans in world.ledger.recreated()}
    world.drain()
    state = world.saved()
    assert (state["position"], state["log_start"], state["counted_to"]) == (0, 0, 0)
    assert (state["highest_acked"], state["read_epoch"], state["copies"]) == (-1, -1, [])
    for account in state["accounts"]:
        assert (account["positions"], account["rewound"], account["highest"]) == ([], [], -1)
        assert account["suspected"] == [list(span) for span in awaited[int(account["run"], 16)]]
        assert account["doubtful"] == [[0, account["next"]]]
        assert account["outlived"] is True
    assert world.reader == 0
    assert not world.ledger.same_topic
    assert not world.ledger.voided


def test_what_was_on_its_way_when_the_topic_was_made_anew_is_verified_in_the_new_one_and_no_truncation():
    world = World()
    world.produce(10)
    sent = world.send(3)
    world.append(*sent)
    world.read()  # read in the old topic, not acknowledged yet
    world.recreate_topic()
    world.notice_new_topic()
    offset = world.append(*sent)
    world.ack((sent.start, 3, offset))
    world.settle()
    assert [world.state_of(s) for s in sent] == [State.VERIFIED] * 3
    assert world.regressions == []
    assert world.losses == []


def test_no_record_of_a_deleted_topic_marks_a_place_in_the_new_one():
    world = World()
    world.ledger.fences.wait(99, world.now())
    world.produce(1)
    assert world.ledger.fences.ready(99) is not None
    world.recreate_topic()
    world.notice_new_topic()
    assert world.ledger.fences.ready(99) is None
    (sent,) = world.produce(1)
    assert world.ledger.fences.ready(99).sequence == sent


def test_a_run_that_ended_with_its_answer_outstanding_holds_nobody_up():
    world = World()
    world.ledger.fences.wait(99, world.now())
    world.send(1)
    start_run(world, 2)
    (sent,) = world.produce(1)
    fence = world.ledger.fences.ready(99)
    assert (fence.run, fence.sequence) == (2, sent)


def test_runs_begun_one_after_the_other_are_bounded():
    world = World()
    for run in range(2, 40):
        world.produce(1)
        start_run(world, run)
    assert len(world.ledger.accounts) <= MAX_ACCOUNTS
    assert world.count("sent") == 38


def test_an_older_word_of_the_verifier_does_not_take_back_how_far_the_log_start_has_come():
    world = World()
    world.produce(10)
    world.read()
    ledger = world.ledger
    ledger.verifier_told_start(5)
    ledger.log_starts_at(8)  # by a recheck
    ledger.verifier_told_start(5)
    assert ledger.log_start == 8
    ledger.verifier_told_start(3)  # lower than it was told before
    assert ledger.log_start == 3


def test_what_a_reader_was_sent_away_with_is_older_than_a_lower_word_that_follows():
    world = World()
    world.produce(10)
    world.read(6)
    ledger = world.ledger
    ledger.verifier_told_start(2)
    ledger.said_to_start_at(8)
    ledger.reposition(8)
    ledger.read(8, 10, world.sightings(8, 10))
    ledger.verifier_told_start(2)
    assert ledger.log_start == 2


@pytest.mark.parametrize(("read", "told", "log_start"), [(10, 11, 0), (10, 10, 10), (0, 1, 0)])
def test_a_log_start_above_what_was_just_read_is_no_word_of_that_moment(read, told, log_start):
    world = World()
    world.produce(10)
    world.ledger.read(0, read, world.sightings(0, read))
    world.ledger.verifier_told_start(told)
    assert world.ledger.log_start == log_start


def test_what_a_reader_is_sent_past_is_suspected_where_it_stands():
    world = World()
    world.put(Entry(FOREIGN), Entry(FOREIGN))
    world.produce(10)
    world.read(6)
    world.ledger.said_to_start_at(9)
    suspected = [effect for effect in world.ledger.take_effects() if isinstance(effect, Suspected)]
    assert [(each.first, each.count, each.low) for each in suspected] == [(4, 3, 6)]
    assert world.ledger.log_start == 9


def test_what_the_log_start_has_passed_is_forgotten():
    world = with_everything_known()
    world.judge()
    world.produce(30)
    world.read()
    world.retain_from(len(world.log) - 5)
    world.produce(1)
    world.read()
    edge = world.log_start
    state = world.saved()
    assert world.ledger.log.lowest >= edge
    assert state["copies"] == []
    assert not world.ledger.voided.overlapping(0, edge)
    assert {value + count > edge for account in state["accounts"] for _, count, value in account["positions"]} == {True}


def test_an_ended_run_whose_records_have_left_the_log_is_let_go():
    world = World()
    world.produce(5)
    after = world.restart(state=world.saved())
    after.settle()
    assert set(after.ledger.accounts) == {1, 2}
    after.retain_from(len(after.log) - 1)
    after.produce(1)
    after.read()
    assert set(after.ledger.accounts) == {2}
    assert after.saved()["retired"] == [f"{1:016x}"]
    assert after.count("verified") + after.count("present") == 5 + after.ledger.own.next_sequence


def test_lost_records_leave_no_place_behind():
    world = World()
    world.produce(10)
    world.read()
    world.truncate(4)
    world.judge()
    assert world.lost == mine(world, range(4, 10))
    (account,) = world.saved()["accounts"]
    assert [first for first, _, _ in account["positions"]] == [0, 10]
    assert account["positions"][0] == [0, 4, 0]


def test_a_successor_begins_where_the_log_begins_and_reads_on():
    world = World()
    assert [effect.offset for effect in world.ledger.successor().take_effects()] == [0]
    world.produce(8)
    world.retain_from(3)
    world.read()
    fresh = world.ledger.successor()
    assert fresh.log_start == 3
    assert [effect.offset for effect in fresh.take_effects()] == [8]


def test_a_state_that_is_taken_over_is_what_was_saved():
    world = with_everything_known()
    world.ledger.archived["verified"] += 7
    world.ledger.retired[0xABC] = None
    world.truncate(len(world.log) - 1)
    world.produce(2)
    world.retain_from(2)
    world.read()
    (gone,) = world.send(1)
    world.give_up(gone)
    saved = world.saved()
    assert (saved["read_epoch"], saved["log_start"]) == (world.epoch, 2)
    after = PartitionLedger(PARTITION, instance=US, run=0xDEF)
    after.restore(saved, world.now())
    again = json.loads(json.dumps(after.to_state()))
    for name in ("position", "log_start", "highest_acked", "copies", "counted_to", "archived", "retired"):
        assert again[name] == saved[name], name
    kept = ("run", "next", "sets", "folded", "positions", "suspected", "rewound", "lost_before", "reordered", "highest")
    pairs = zip(saved["accounts"], [each for each in again["accounts"] if each["run"] != f"{0xDEF:016x}"], strict=True)
    assert all(before[name] == now[name] for before, now in pairs for name in kept)
    assert [(each.run, each.first) for each in after.give_ups] == [(2, gone)]


def test_what_each_life_left_uncertain_is_given_up_by_the_next():
    first = World()
    (one,) = first.send(1)
    second = first.restart(state=first.saved())
    (other,) = second.send(1)
    third = second.restart(state=second.saved())
    assert {(each.run, each.first, each.count) for each in third.ledger.give_ups} == {(1, one, 1), (2, other, 1)}


def test_suspicions_of_before_a_restart_say_where_to_look():
    world = World()
    world.put(Entry(FOREIGN))
    world.produce(10)
    world.read()
    (unplaced,) = world.send(1)
    world.ack((unplaced, 1, None))
    world.ledger.regressed(7, world.now())
    world.ledger.suspect_unplaced()
    world.drain()
    after = world.restart(state=world.saved())
    suspected = [each.suspected for question in after.rechecks.open_questions for each in question.suspicions]
    assert {(each.first, each.count, each.low, each.placed) for each in suspected} == {
        (6, 4, 7, True),
        (unplaced, 1, 0, False),
    }


def test_a_new_topic_begins_with_nothing_of_what_a_life_knew_of_the_old_one():
    world = World()
    world.produce(5)
    after = world.restart(state=world.saved())
    after.read()
    after.produce(3)
    after.read()
    third = after.restart(state=after.saved())
    assert any(len(account.seen) and account.highest_seen >= 0 for account in after.ledger.accounts.values())
    assert any(account.earlier[0] for account in third.ledger.accounts.values())
    for life in (after, third):
        life.recreate_topic()
        life.notice_new_topic()
        for account in life.ledger.accounts.values():
            assert (len(account.seen), account.highest_seen, account.earlier) == (0, -1, (0, -1))


def test_records_of_an_unknown_run_below_our_first_in_the_new_topic_are_of_an_earlier_life():
    world = World()
    world.produce(3)
    world.recreate_topic()
    world.notice_new_topic()
    world.put(Entry(FOREIGN), Entry(RECORD, run=9, sequence=0), Entry(RECORD, run=9, sequence=1))
    world.produce(2)
    world.read()
    assert world.ledger.counted["namesake"] == 0
    assert world.ledger.accounts[9].next_sequence == 2


def test_what_stands_below_the_first_record_of_a_new_run_is_of_an_earlier_life():
    world = World()
    world.produce(3)
    start_run(world, 2)
    world.put(Entry(RECORD, run=9, sequence=0), Entry(RECORD, run=9, sequence=1))
    world.produce(2)
    world.read()
    assert world.ledger.counted["namesake"] == 0
    assert world.ledger.accounts[9].next_sequence == 2


def test_a_claim_in_the_first_epoch_of_a_topic_made_anew_proves_no_loss_though_the_state_was_of_the_same_topic():
    world = World()
    world.produce(5)
    world.read()
    world.send(2)
    after = world.restart(state=world.saved())
    after.ledger.same_topic = True
    after.recreate_topic()
    after.notice_new_topic()
    after.put(Entry(RECORD, run=1, sequence=9, claims=Claims(0, 9, ())))
    after.settle()
    assert after.lost == set()
    assert [after.state_of(s, run=1) for s in (5, 6, 7, 8)] == [State.UNACCOUNTED] * 4


@pytest.mark.parametrize(
    ("went_back_to", "read", "kept"), [(0, 2, [(0, 2)]), (3, 2, [(3, 2)]), (3, 0, []), (None, 0, [])]
)
def test_of_the_view_only_what_was_read_since_the_log_went_back_and_is_not_ours_is_kept(went_back_to, read, kept):
    """That was of the new topic already, before it was recognised."""
    world = World()
    world.put(*[Entry(FOREIGN)] * 8)
    world.produce(2)
    world.read()
    world.send(1)
    if went_back_to is not None:
        world.log[went_back_to:] = [Entry(FOREIGN)] * read
        sent = world.ledger.own.next_sequence - 1
        world.append(sent)
        world.ledger.regressed(went_back_to, world.now())
        world.drain()
        if read:
            world.read()
    world.ledger.recreated()
    assert [(first, count) for first, count, _ in world.ledger.log] == kept


def test_what_was_suspected_below_the_log_start_is_no_longer_compared_with_what_stands_there():
    world = World()
    world.produce(10)
    world.read()
    for piece in list(world.ledger.own.positions):
        world.ledger._suspect(world.ledger.own, piece, "for the test")
    world.ledger.log_starts_at(6)
    assert [(first, count) for first, count, _ in world.ledger.voided] == [(6, 4)]


def test_what_a_fresh_reader_was_given_below_the_log_start_is_verified_and_above_it_left_to_the_verifier():
    world = World()
    world.put(Entry(FOREIGN), Entry(FOREIGN))
    world.produce(10)
    world.ledger.log_start = 6
    world.ledger.clear(world.run, 0, 10, Answer(world.sightings(0, 12), US))
    assert world.ledger.own.sets[State.VERIFIED].spans() == [(0, 4)]


def test_lost_records_stand_nowhere_in_the_view_even_if_they_were_read_late():
    world = World()
    world.produce(20)
    late = world.sightings(0, 20)
    world.truncate(0)
    world.produce(3)
    world.deliver(0, 20, late)
    world.ledger.prove_lost(world.run, 5, 10)
    assert world.ledger.log.places(world.run, 5, 10) == []
    assert world.ledger.own.seen.covered(0, 20) == [(0, 5), (15, 5)]


def test_a_state_of_a_process_that_had_read_nothing_is_taken_over():
    world = World()
    world.produce(5)
    after = world.restart(state=world.saved())
    account = after.ledger.accounts[1]
    assert (account.read_to, account.earlier) == (0, (0, -1))
    after.produce(2)
    after.truncate(3)
    after.settle()
    assert after.lost == {(1, 3), (1, 4), (2, 0), (2, 1)}
