"""What becomes of records: each anomaly fires where it should, and nowhere else."""

from __future__ import annotations

import json

import pytest
from tests.core.ledger_world import CORRUPTED, FOREIGN, PARTITION, RECORD, THEM, Entry, World, mine

from kafka_sentinel.core.account import InvariantError, State
from kafka_sentinel.core.ledger import MAX_MET
from kafka_sentinel.core.logview import Answer
from kafka_sentinel.core.types import Acks, Claims, Span


def assert_quiet(world: World) -> None:
    """Nothing is wrong, and nothing is suspected."""
    sums = world.ledger.records()
    assert world.losses == []
    assert world.regressions == []
    assert not world.rechecks.open_questions
    for name in ("lost", "lost_before", "expired", "corrupted", "unaccounted", "suspected"):
        assert sums[name] == 0, name
    for name in ("duplicated", "reordered", "conflicting", "corrupted", "foreign", "namesake", "late"):
        assert world.ledger.counted[name] == 0, name


# --- nothing is wrong


def test_a_record_is_verified_when_it_is_acknowledged_before_it_is_read():
    world = World()
    world.produce(10)
    assert world.count("awaiting") == 10
    world.read()
    assert world.count("verified") == 10
    assert_quiet(world)


def test_a_record_is_verified_when_it_is_read_before_it_is_acknowledged():
    world = World()
    sent = world.send(10)
    offset = world.append(*sent)
    world.read()
    assert world.count("in_flight") == 10
    world.ack((0, 10, offset))
    assert world.count("verified") == 10
    assert_quiet(world)


def test_verified_records_are_counted_once_however_often_they_are_read_again():
    world = World()
    world.produce(10)
    world.read()
    for _ in range(3):
        world.recheck_everything()
    assert world.ledger.counted["verified"] == world.count("verified") == world.ledger.own.next_sequence
    assert_quiet(world)


def test_a_reader_that_is_behind_leaves_records_awaiting_and_overdue_never_lost():
    world = World()
    world.produce(5)
    world.wait(60)
    half = world.mono
    world.produce(5)
    world.wait(600)
    assert world.count("awaiting") == 10
    assert world.ledger.overdue(half) == 5
    assert world.ledger.overdue(world.mono) == 10
    assert world.ledger.oldest_awaiting().mono < half - 50
    assert world.rechecks.open_questions == []
    world.read()
    assert world.ledger.overdue(world.mono) == 0
    assert world.ledger.oldest_awaiting() is None
    assert_quiet(world)


def test_an_unacknowledged_record_that_is_not_in_the_log_is_never_lost():
    world = World()
    sent = world.send(3)
    world.give_up(sent.start, 3)
    world.settle()
    assert world.count("absent") == 3
    assert_quiet(world)


def test_a_rejected_record_is_never_lost():
    world = World()
    world.send(3)
    world.ledger.rejected(1, 0, 3)
    world.settle()
    assert world.count("rejected") == 3
    assert_quiet(world)


def test_a_leader_change_without_truncation_says_nothing():
    world = World()
    world.produce(50)
    world.read(30)
    world.elect()
    world.produce(20)
    world.read()
    world.recheck_everything()
    assert_quiet(world)


def test_holes_in_the_offsets_say_nothing():
    world = World()
    world.produce(5)
    world.put(None)  # the marker of a foreign transaction
    world.produce(5)
    world.read()
    world.recheck_everything()
    assert_quiet(world)


def test_re_reading_an_unchanged_log_changes_nothing():
    world = World()
    world.produce(30)
    sent = world.send(2)
    world.give_up(0 + sent.start, 2)
    world.append(sent[1])
    world.put(Entry(FOREIGN), Entry(CORRUPTED))
    world.read()
    world.settle()
    before, counted = world.ledger.records(), dict(world.ledger.counted)
    for _ in range(3):
        low, high = world.log_start, len(world.log)
        world.rechecks.background(world.ledger.partition, low, high, world.now())
        for command in world.ask():
            world.hand_in(world.look(command))
    assert world.ledger.records() == before
    assert {k: v for k, v in world.ledger.counted.items() if v} == {k: v for k, v in counted.items() if v}


# --- the log went backwards


def test_l1_records_read_and_verified_before_they_vanish_are_lost_with_their_evidence():
    world = World()
    world.produce(60)
    world.elect()
    world.produce(40)
    world.read()
    in_flight = world.send(5)
    world.truncate(60)
    world.give_up(in_flight.start, 5)
    world.append(in_flight[3])  # one of the uncertain ones lands in the new log
    world.judge()
    assert world.lost == mine(world, range(60, 100))
    (loss,) = [loss for loss in world.losses if loss.first == 60]
    assert (loss.seen, loss.offset, loss.leader_epoch_before, loss.topic_id) == ("before", 60, 1, "first topic")
    assert "sequence 103" in loss.stands_there
    assert world.count("lost_before") == 40
    assert world.count("lost") == 0
    assert {r.divergence for r in world.regressions} == {61}
    world.settle()
    assert world.count("present") == 1
    assert world.count("absent") == 4
    assert world.lost == mine(world, range(60, 100))


def test_l2_an_unread_tail_that_vanishes_without_any_error_is_lost_and_was_never_seen():
    world = World()
    world.produce(30)
    world.read()
    world.produce(70)  # above the high watermark: no reader gets it
    world.truncate(30)
    world.judge()
    assert world.lost == mine(world, range(30, 100))
    assert {loss.seen for loss in world.losses} == {"never"}
    assert world.losses[0].offset == 30
    assert world.losses[0].leader_epoch_before == -1
    assert world.count("lost") == 70


def test_l3_an_emptied_log_loses_everything_that_had_been_read():
    world = World()
    world.produce(87)
    world.read()
    world.truncate(0)
    world.judge()
    assert world.lost == mine(world, range(87))
    assert {loss.seen for loss in world.losses} == {"before"}
    assert world.count("verified") == 87 + (world.ledger.own.next_sequence - 87)


def test_l3_found_by_the_reader_before_any_acknowledgement():
    world = World()
    world.produce(87)
    world.read()
    world.truncate(0)
    world.read()
    assert world.count("suspected") == 87
    assert world.losses == []
    world.judge()
    assert world.lost == mine(world, range(87))


def test_a_loss_of_seen_and_unseen_records_says_which_is_which():
    world = World()
    world.produce(10)
    world.read()
    world.produce(10)
    world.truncate(5)
    world.judge()
    seen = {loss.seen: range(loss.first, loss.first + loss.count) for loss in world.losses}
    assert seen == {"before": range(5, 10), "never": range(10, 20)}


def test_a_silent_tail_stays_suspected_and_is_not_called_lost():
    world = World()
    world.produce(10)
    world.read()
    world.truncate(5)
    world.read()  # the reader's error; nothing is written any more
    for _ in range(20):
        world.wait(60)
        assert world.ask() == []
    assert world.count("suspected") == 5
    assert world.losses == []


def test_a_truncation_deeper_than_the_first_backward_acknowledgement_is_followed_down():
    """Late records of ours refill what was truncated, so that the first backward acknowledgement comes high up."""
    world = World()
    early = world.send(45)  # sent first, written last
    world.produce(100)
    world.read()
    world.truncate(50)
    world.give_up(early.start, 45)
    world.append(*early)
    world.judge()
    assert world.regressions[0].divergence == 95
    assert world.lost == mine(world, range(45 + 50, 45 + 100))
    assert world.count("present") == 45
    assert {answer.question.regressed for answer in world.answers if answer.losses} != {None}


def test_in_flight_records_written_again_after_a_truncation_are_not_lost():
    world = World()
    world.produce(10)
    in_flight = world.send(6)
    world.append(*in_flight)
    world.read()  # seen, but not acknowledged yet
    world.truncate(8)
    offset = world.append(*in_flight)
    world.ack((in_flight.start, 6, offset))
    world.judge()
    assert world.lost == mine(world, [8, 9])
    assert all(world.state_of(s) is State.VERIFIED for s in in_flight)


def test_the_same_offset_acknowledged_twice_without_a_barrier_is_judged():
    """A record in flight since before takes the place of a lost one: no acknowledgement went backwards for it."""
    world = World()
    early = world.send(1)
    world.produce(10)
    world.read()
    world.truncate(5)
    offset = world.append(*early)
    world.ack((early.start, 1, offset))
    world.judge()
    assert world.lost == mine(world, range(6, 11))
    assert world.state_of(early.start) is State.VERIFIED


def test_two_truncations_one_after_the_other_lose_the_union():
    world = World()
    world.produce(50)
    world.read()
    world.truncate(40)
    second = world.produce(20)
    world.read()
    world.truncate(30)
    world.judge()
    assert world.lost == mine(world, [*range(30, 50), *second])


def test_truncated_again_while_the_recheck_is_under_way_is_asked_again():
    world = World()
    world.produce(50)
    world.read()
    world.truncate(40)
    world.produce(1)
    fence = [50, *world.produce(5)]
    (command,) = world.ask()
    world.truncate(30)
    assert world.hand_in(world.look(command)) is None  # the fence is gone: the answer proves nothing
    assert world.losses == []
    world.judge()
    assert world.lost == mine(world, [*range(30, 50), *fence])


def test_an_answer_read_before_a_second_truncation_clears_nobody():
    world = World()
    world.produce(50)
    world.read()
    world.ledger.regressed(40, world.now())  # a false alarm: all of them still stand
    world.drain()
    world.produce(1)
    (command,) = world.ask()
    answer = world.look(command)
    world.truncate(30)
    world.produce(1)  # the log is known to have gone backwards, and only then the old answer is handed in
    world.hand_in(answer)
    world.judge()
    assert world.lost == mine(world, range(30, 51))


def test_a_false_alarm_clears_everybody():
    world = World()
    world.produce(50)
    world.read(30)
    world.ledger.regressed(10, world.now())
    world.drain()
    assert world.count("suspected") == 40
    world.judge()
    assert world.losses == []
    assert world.count("suspected") == 0
    assert world.count("verified") == world.ledger.own.next_sequence
    assert world.ledger.counted["verified"] == world.count("verified")


def test_vanished_after_verification_without_a_backward_acknowledgement_is_found_by_the_background_recheck():
    world = World()
    world.produce(50)
    world.read()
    world.truncate(40)
    world.put(*[Entry(FOREIGN, epoch=world.epoch)] * 30)  # somebody else refills it
    world.judge()
    assert world.losses == []
    world.recheck_everything()
    assert world.lost == mine(world, range(40, 50))
    assert {loss.seen for loss in world.losses} == {"before"}
    assert {loss.leader_epoch_before for loss in world.losses} == {0}
    assert all("foreign" in loss.stands_there for loss in world.losses)


def test_vanished_after_verification_is_found_by_the_recheck_of_an_incident_and_belongs_to_it():
    world = World()
    world.produce(50)
    world.read()
    world.truncate(40)
    world.put(*[Entry(FOREIGN, epoch=world.epoch)] * 30)
    world.rechecks.incident("an incident", world.ledger.partition, 45, world.now())
    world.judge()
    assert world.lost == mine(world, range(40, 50))
    assert {answer.question.incident for answer in world.answers if answer.losses} == {"an incident"}


def test_an_unread_record_whose_offset_was_refilled_by_others_is_lost():
    world = World()
    world.produce(10)
    world.truncate(5)
    world.put(*[Entry(FOREIGN, epoch=world.epoch)] * 30)
    world.judge()
    assert world.lost == mine(world, range(5, 10))


def test_a_stale_batch_after_a_reposition_is_not_taken():
    world = World()
    world.produce(20)
    world.read(10)
    stale = (10, 20, world.sightings(10, 20))
    world.truncate(5)
    world.produce(1)
    assert world.reader == 5
    assert not world.deliver(*stale)
    world.judge()
    assert world.lost == mine(world, range(5, 20))


def test_a_batch_of_the_old_log_that_is_taken_does_not_hide_the_loss():
    """The reader had fetched it before the truncation, and its position was below the divergence."""
    world = World()
    world.produce(20)
    world.read(10)
    old = (10, 20, world.sightings(10, 20))
    world.truncate(15)
    world.produce(1)
    world.reader = 20
    assert world.deliver(*old)
    world.judge()
    world.recheck_everything()
    assert world.lost == mine(world, range(15, 20))


def test_records_written_after_a_truncation_are_verified_where_lost_ones_stood():
    world = World()
    world.produce(20)
    world.read()
    world.truncate(10)
    new = world.produce(20)
    world.judge()
    assert all(world.state_of(s) is State.VERIFIED for s in new)
    assert world.count("lost_before") == 10


def test_a_record_acknowledged_without_an_offset_and_verified_is_lost_when_it_vanishes():
    world = World()
    world.produce(5)
    sent = world.send(1)
    world.append(*sent)
    world.read()
    world.ack((sent.start, 1, None))
    world.produce(5)
    world.read()
    world.truncate(5)
    world.judge()
    assert world.lost == mine(world, range(5, 11))


# --- acknowledgements that do not say where


@pytest.mark.parametrize("offset", [None, -1])
def test_an_acknowledgement_without_an_offset_is_resolved_by_sighting(offset):
    world = World()
    sent = world.send(3)
    world.append(*sent)
    world.ack((0, 3, offset))
    assert world.count("awaiting") == 3
    world.settle()
    assert world.count("verified") == world.ledger.own.next_sequence
    assert_quiet(world)


@pytest.mark.parametrize("offset", [None, -1])
def test_acknowledged_without_an_offset_and_not_there_is_lost(offset):
    world = World()
    world.produce(5)
    world.send(3)
    world.ack((5, 3, offset))
    world.settle()
    assert world.lost == mine(world, [5, 6, 7])
    assert world.losses[0].offset == -1


def test_numbers_from_minus_one_upwards_are_no_offsets():
    world = World()
    world.produce(50)
    world.read()
    sent = world.send(4)
    world.append(*sent)
    world.ack((sent.start, 4, -1))
    world.judge()
    assert_quiet(world)


def test_an_acknowledgement_that_names_a_second_copy_is_no_loss_when_only_that_copy_vanishes():
    world = World()
    sent = world.send(1)
    world.append(*sent)
    world.produce(3)
    world.append(*sent)  # a retry
    world.ack((sent.start, 1, 4))
    world.produce(2)
    world.read()
    world.judge()
    assert world.ledger.counted["duplicated"] == 1
    world.truncate(3)
    world.judge()
    assert mine(world, sent).isdisjoint(world.lost)


# --- uncertain


def test_uncertain_is_present_when_it_is_read_before_or_after_the_client_gave_up():
    world = World()
    sent = world.send(2)
    world.append(sent[0])
    world.read()
    world.give_up(0, 2)
    assert world.count("present") == 1
    world.append(sent[1])
    world.settle()
    assert world.count("present") == 2
    assert world.ledger.counted["present"] == 2
    assert world.ledger.counted["late"] == 0


def test_uncertain_that_arrives_after_all_is_late_and_never_lost():
    world = World()
    sent = world.send(2)
    world.give_up(0, 2)
    world.settle()
    assert world.count("absent") == 2
    world.append(*sent)
    world.settle()
    assert world.ledger.counted["late"] == 2
    assert world.count("present") == 2
    assert world.losses == []


def test_give_ups_are_bounded_and_never_settled_too_early():
    world = World()
    for _ in range(10_000):
        first = world.send(2).start
        world.give_up(first)
        world.wait(2)
    assert len(world.ledger.give_ups) < 5_000
    for entry in world.ledger.give_ups[:1]:
        assert entry.at.mono >= world.mono - 2 * 2 * 5_000


# --- duplicates, order


def duplicated(world: World) -> int:
    return world.ledger.counted["duplicated"]


def extra_copies(world: World) -> int:
    standing = world.in_log()
    return len(standing) - len(set(standing))


def test_of_the_extra_copies_one_is_named_by_both_of_its_offsets():
    world = World()
    sent = world.send(3)
    world.append(*sent)
    world.append(sent[1])
    world.ack((0, 3, 0))
    world.read()
    world.judge()
    assert world.ledger.newest_copy == (world.ledger.run, sent[1], 3, 1)
    assert world.ledger.newest_copy.describe() == f"run {world.ledger.run:016x} sequence {sent[1]} at offsets 1 and 3"


def test_extra_copies_are_counted_once_over_several_re_reads():
    world = World()
    sent = world.send(4)
    world.append(*sent)
    world.append(*sent)
    world.append(sent[1], sent[2])
    world.ack((0, 4, 4))
    world.read()
    world.judge()
    assert duplicated(world) == extra_copies(world) == 6
    for _ in range(3):
        world.recheck_everything()
    world.ledger.regressed(2, world.now())  # a false alarm: everything is read again
    world.drain()
    world.judge()
    assert duplicated(world) == 6
    assert world.losses == []


def test_copies_read_piece_by_piece_are_each_counted_once():
    world = World()
    sent = world.send(3)
    for _ in range(4):
        world.append(*sent)
    world.ack((0, 3, 0))
    while world.reader < len(world.log):
        world.read(2)
        for command in world.ask():
            world.hand_in(world.look(command))
    world.judge()
    assert duplicated(world) == 9


def test_a_copy_of_a_record_read_before_a_restart_is_counted_once():
    world = World()
    sent = world.send(3)
    world.append(*sent)
    world.ack((0, 3, 0))
    world.read()
    state = world.saved()
    world.append(*sent)
    after = world.restart(state=state)
    after.settle()
    after.recheck_everything()
    assert duplicated(after) == 3
    again = after.restart(state=after.saved())
    again.settle()
    again.recheck_everything()
    assert duplicated(again) == 0


def test_reading_again_is_redelivery_and_counts_nothing():
    world = World()
    world.produce(20)
    world.read()
    world.ledger.reposition(5)
    world.drain()
    world.read()
    world.judge()
    assert_quiet(world)


def test_a_record_written_again_at_another_place_after_a_truncation_is_no_copy():
    world = World()
    world.produce(5)
    sent = world.send(3)
    world.append(*sent)
    world.read()
    world.truncate(4)
    offset = world.append(*sent)
    world.ack((sent.start, 3, offset))
    world.judge()
    world.recheck_everything()
    assert duplicated(world) == 0
    assert world.lost == mine(world, [4])


def test_a_copy_that_vanished_and_came_again_in_a_later_epoch_is_another_copy():
    world = World()
    sent = world.send(2)
    world.append(*sent, *sent)
    world.ack((0, 2, 0))
    world.read()
    world.judge()
    assert duplicated(world) == 2
    world.truncate(2)
    world.append(*sent)
    world.judge()
    world.recheck_everything()
    assert duplicated(world) == 4
    assert world.lost == mine(world, range(2, world.ledger.own.next_sequence)) & world.lost


def test_records_behind_a_higher_sequence_are_reordered_each_once():
    world = World()
    sent = world.send(6)
    world.append(sent[3], sent[4], sent[0], sent[1], sent[5], sent[2], sent[0])
    world.ack((0, 2, 2), (2, 1, 5), (3, 2, 0), (5, 1, 4))
    world.read()
    world.judge()
    world.recheck_everything()
    world.ledger.regressed(1, world.now())
    world.drain()
    world.judge()
    assert world.ledger.counted["reordered"] == 3
    assert duplicated(world) == 1
    assert world.losses == []


def test_a_copy_behind_a_higher_sequence_is_not_reordered():
    world = World()
    sent = world.send(3)
    world.append(*sent, sent[0])
    world.ack((0, 3, 0))
    world.read()
    world.judge()
    assert world.ledger.counted["reordered"] == 0
    assert duplicated(world) == 1


def test_order_is_followed_across_a_restart():
    world = World()
    world.produce(3)
    sent = world.send(2)
    world.append(sent[1])
    world.read()
    state = world.saved()
    world.append(sent[0])
    after = world.restart(state=state)
    after.settle()
    assert after.ledger.counted["reordered"] == 1


# --- other things in the log


def test_the_same_offset_and_epoch_with_other_content_is_conflicting():
    world = World()
    world.produce(5)
    world.read()
    world.log[2] = world.log[2]._replace(sequence=99, instance=THEM)
    world.recheck_everything()
    assert world.ledger.counted["conflicting"] == 1


def test_other_content_in_a_higher_epoch_is_not_conflicting():
    world = World()
    world.produce(5)
    world.read()
    world.truncate(2)
    world.judge()
    world.recheck_everything()
    assert world.ledger.counted["conflicting"] == 0


def test_foreign_damaged_and_other_sentinels_records_are_counted_apart_and_once():
    world = World()
    world.produce(5)
    world.put(Entry(FOREIGN), Entry(FOREIGN), Entry(CORRUPTED), Entry(RECORD, 9, 3, instance=THEM))
    world.produce(5)
    world.read()
    for _ in range(2):
        world.recheck_everything()
    world.ledger.regressed(3, world.now())
    world.drain()
    world.judge()
    assert world.ledger.counted["foreign"] == 3
    assert world.ledger.counted["corrupted"] == 1
    assert world.ledger.counted["namesake"] == 0
    assert world.count("verified") == world.ledger.own.next_sequence
    assert world.losses == []


def test_foreign_records_are_counted_again_when_the_log_was_refilled():
    world = World()
    world.produce(5)
    world.put(Entry(FOREIGN))
    world.read()
    world.truncate(5)
    world.put(Entry(FOREIGN, epoch=world.epoch))
    world.judge()
    world.recheck_everything()
    assert world.ledger.counted["foreign"] == 2


@pytest.mark.parametrize("kind", [FOREIGN, CORRUPTED])
def test_what_a_refilled_log_has_is_counted_by_a_life_whose_state_is_of_the_former_log(kind):
    world = World()
    world.produce(10)
    world.put(Entry(kind))
    world.produce(10)
    world.read()
    state = world.saved()
    assert world.ledger.counted[kind.value] == 1
    world.truncate(0)
    world.produce(5)
    world.put(Entry(kind, epoch=world.epoch), Entry(kind, epoch=world.epoch))
    world.produce(20)
    after = world.restart(state=state)
    after.settle()
    after.recheck_everything()
    assert after.ledger.counted[kind.value] == 2  # since the restart
    after.recheck_everything()
    assert after.ledger.counted[kind.value] == 2


@pytest.mark.parametrize("kind", [CORRUPTED, FOREIGN])
@pytest.mark.parametrize("replaced", [False, True])
def test_what_was_counted_above_where_the_log_went_back_to_is_not_counted_again_by_the_next_life(kind, replaced):
    world = World()
    world.produce(5)
    world.read()
    world.produce(4)
    world.truncate(5)
    world.append(*world.send(1))
    world.put(Entry(kind, epoch=world.epoch))
    world.read()
    assert world.ledger.counted[kind.value] == 1
    world.ack((9, 1, 5))  # where the log went back to, by that
    state = world.saved()
    if replaced:
        world.truncate(6)
        world.put(Entry(kind, epoch=world.epoch))
    after = world.restart(state=state)
    after.settle()
    after.recheck_everything()
    assert after.ledger.counted[kind.value] == replaced


def test_of_what_was_counted_above_it_a_bounded_number_of_stretches_is_saved():
    world = World()
    world.put(*[entry for _ in range(300) for entry in (Entry(FOREIGN), None)])
    world.read()
    world.produce(3)
    world.read()
    world.ledger._counted_to = 10
    assert [first for first, *_ in world.saved()["met"]] == [*range(10, 10 + 2 * MAX_MET, 2)]
    world.ledger._counted_to = 598
    assert [[first, count, kind] for first, count, kind, *_ in world.saved()["met"]] == [[598, 1, "foreign"]]


def refilled_from(offset, *entries, background=False):
    """A life whose state is of the former log, of which there is another one from `offset` on. It has foreign at 10.

    `background`: whether a look without a fence is the first to show it.
    """
    world = World()
    world.produce(10)
    world.put(Entry(FOREIGN))
    world.produce(10)
    world.read()
    state = world.saved()
    world.truncate(offset)
    for kind in entries:
        if kind is RECORD:
            world.produce()
        else:
            world.put(Entry(kind, epoch=world.epoch))
    world.produce(20)
    after = world.restart(state=state)
    if background:
        after.hand_in(background_look(after))
        assert (after.ledger.counted["foreign"], after.ledger.counted["corrupted"]) == (
            0,
            0,
        )  # may be a former leader's
    after.settle()
    return after


@pytest.mark.parametrize("background", [False, True])
def test_a_log_that_was_refilled_from_somewhere_on_is_counted_from_there(background):
    after = refilled_from(15, RECORD, FOREIGN, CORRUPTED, background=background)
    after.recheck_everything()
    assert (after.ledger.counted["foreign"], after.ledger.counted["corrupted"]) == (1, 1)


@pytest.mark.parametrize("background", [False, True])
def test_what_stands_below_the_first_record_of_another_log_may_have_gone_bad_in_its_place(background):
    after = refilled_from(15, CORRUPTED, RECORD, FOREIGN, background=background)
    after.recheck_everything()
    assert (after.ledger.counted["foreign"], after.ledger.counted["corrupted"]) == (1, 0)


def background_look(world):
    world.rechecks.background(PARTITION, 0, len(world.log), world.now())
    (look,) = world.ask()
    return world.look(look)


def test_a_former_leader_that_shows_another_log_has_nothing_counted_again():
    world = World()
    world.produce(10)
    world.put(Entry(FOREIGN))
    world.produce(5)
    world.read()
    after = world.restart(state=world.saved())
    true, after.log = after.log, [Entry(RECORD, 99), Entry(FOREIGN), *after.log[2:]]
    misled = background_look(after)
    after.log = true
    after.hand_in(misled)
    after.settle()
    after.recheck_everything()
    assert after.ledger.counted["foreign"] == 0


@pytest.mark.parametrize(("kind", "looks"), [(FOREIGN, 2), (RECORD, 1)])
def test_a_background_look_is_taken_in_if_it_shows_the_same_once_more_or_nothing_strange(kind, looks):
    """What has made way stands elsewhere, so nothing is suspected, and no look with a fence comes."""
    world = World()
    world.produce(10)
    world.read()
    state = world.saved()
    world.truncate(5)
    world.put(Entry(RECORD, 99, epoch=world.epoch), Entry(kind, 99, 1, epoch=world.epoch))
    world.append(*range(5, 10))
    after = world.restart(state=state)
    for _ in range(looks):
        assert after.ledger.log.get(6) is None
        after.hand_in(background_look(after))
    assert after.ledger.log.get(6).kind is kind


@pytest.mark.parametrize("kind", [FOREIGN, CORRUPTED])
def test_what_an_earlier_life_has_counted_is_not_counted_again_by_a_re_read(kind):
    world = World()
    world.produce(10)
    world.put(Entry(kind))
    world.produce(10)
    world.read()
    after = world.restart(state=world.saved())
    after.settle()
    after.recheck_everything()
    assert after.ledger.counted[kind.value] == 0


def test_what_an_earlier_life_counted_in_the_refilled_log_is_not_counted_again():
    """It had seen the log go back, and suspected what had stood there."""
    world = World()
    world.produce(10)
    world.read()
    world.truncate(0)
    world.produce(5)
    world.put(Entry(FOREIGN, epoch=world.epoch))
    world.produce(20)
    world.read()
    assert world.ledger.own.suspected
    assert world.ledger.counted["foreign"] == 1
    after = world.restart(state=world.saved())
    after.settle()
    after.recheck_everything()
    assert after.ledger.counted["foreign"] == 0


def test_a_record_that_went_bad_in_its_place_makes_no_other_log():
    world = World()
    world.produce(5)
    world.put(Entry(FOREIGN))
    world.produce(5)
    world.read()
    after = world.restart(state=world.saved())
    after.log[2] = Entry(CORRUPTED, epoch=after.log[2].epoch)
    after.settle()
    after.recheck_everything()
    assert after.ledger.counted["foreign"] == 0


@pytest.mark.parametrize("order", ["read first", "acknowledged first"])
def test_a_damaged_record_at_the_offset_of_an_acknowledged_one_is_corrupted_once(order):
    world = World()
    world.produce(5)
    sent = world.send(3)
    world.append(*sent)
    world.log[6] = Entry(CORRUPTED)
    if order == "read first":
        world.read()
    world.ack((sent.start, 3, 5))
    world.read()
    world.settle()
    world.recheck_everything()
    assert world.state_of(6) is State.CORRUPTED
    assert world.count("corrupted") == world.ledger.counted["corrupted"] == 1
    assert world.ledger.counted["acked_corrupted"] == 1
    assert world.losses == []


def test_a_damaged_record_is_corrupted_even_after_a_false_alarm():
    world = World()
    world.produce(5)
    world.log[2] = Entry(CORRUPTED)
    world.ledger._suspect(world.ledger.own, next(iter(world.ledger.own.positions)), "for the test")
    world.drain()
    world.judge()
    assert world.count("corrupted") == 1
    assert world.losses == []


def test_a_verified_record_that_is_damaged_later_is_lost():
    world = World()
    world.produce(5)
    world.read()
    world.log[2] = Entry(CORRUPTED)
    world.recheck_everything()
    assert world.lost == mine(world, [2])
    assert "corrupted" in world.losses[0].stands_there


def test_another_live_sentinel_of_our_name_is_counted_apart_and_not_accounted_for():
    world = World()
    world.produce(5)
    claims = Claims(0, 100, ())
    world.put(*[Entry(RECORD, 50, 200 + i, claims=claims) for i in range(4)])
    world.produce(5)
    world.read()
    world.settle()
    world.recheck_everything()
    assert 50 not in world.ledger.accounts
    assert world.ledger.counted["namesake"] == 4
    assert world.ledger.counted["foreign"] == 4
    assert world.count("sent") == world.ledger.own.next_sequence
    assert world.losses == []


def test_another_live_sentinel_that_was_there_before_us_is_not_followed():
    log = [Entry(RECORD, 50, i) for i in range(4)]
    world = World(log=log)
    world.produce(5)
    world.put(*[Entry(RECORD, 50, 4 + i) for i in range(3)])
    world.read()
    world.settle()
    assert world.ledger.counted["namesake"] == 3
    assert world.ledger.accounts[50].next_sequence == 4


# --- the log start


def test_what_retention_passes_unread_has_expired():
    world = World()
    world.produce(50)
    world.read(10)
    world.retain_from(30)
    world.settle()
    assert world.count("expired") == 20
    assert world.losses == []
    assert world.count("suspected") == 0


def test_retention_of_verified_records_says_nothing():
    world = World()
    world.produce(50)
    world.read()
    world.retain_from(30)
    world.produce(1)
    world.read()
    world.recheck_everything()
    assert_quiet(world)


def test_a_suspicion_stands_when_the_log_start_passes_it_and_the_log_had_gone_backwards():
    world = World()
    world.produce(50)
    world.read(30)
    world.truncate(20)
    world.produce(40)
    world.read()
    world.retain_from(45)
    world.judge()
    assert world.lost == mine(world, range(20, 50))
    assert world.count("expired") == 0


def test_a_suspicion_without_a_regression_is_explained_by_the_log_start():
    world = World()
    world.produce(20)
    world.truncate(10)
    world.put(*[Entry(FOREIGN, epoch=world.epoch)] * 30)
    world.read()
    assert world.count("suspected") == 10
    world.retain_from(30)
    world.judge()
    assert world.losses == []
    assert world.count("expired") == 10


def test_the_log_start_may_go_down_after_a_wipe():
    world = World()
    world.produce(50)
    world.read()
    world.retain_from(40)
    world.produce(1)
    world.read()
    world.truncate(0)
    new = world.produce(5)
    world.judge()
    assert world.ledger.log_start == 0
    assert world.lost == mine(world, range(40, 51))
    assert world.state_of(new.start) is State.VERIFIED
    world.retain_from(3)
    world.produce(1)
    world.read()
    assert world.count("expired") == 0


# --- earlier runs


def test_a_restart_with_state_is_no_loss_and_counts_nothing_twice():
    world = World()
    world.produce(50)
    world.read(30)
    world.send(5)
    after = world.restart(state=world.saved())
    assert after.count("sent") == 55
    assert after.count("verified") == 30
    after.settle()
    sums = after.ledger.records()
    assert after.losses == []
    assert sums["sent"] == 55 + after.ledger.own.next_sequence
    assert sums["verified"] == 50 + after.ledger.own.next_sequence
    assert sums["unaccounted"] == 5
    assert after.ledger.counted["verified"] == sums["verified"] - 30
    assert after.ledger.counted["present"] == 0


def test_the_tail_after_the_checkpoint_is_learned_by_sighting_and_claims():
    world = World()
    world.produce(20)
    world.read()
    state = world.saved()
    for _ in range(10):
        world.produce(3)
    after = world.restart(state=state)
    after.settle()
    assert after.losses == []
    run = after.ledger.accounts[1]
    assert run.next_sequence == 50
    assert run.count(State.VERIFIED) == 47  # nobody claims the last batch: its acknowledgement was heard by nobody
    assert run.count(State.PRESENT) == 3


def test_without_state_a_loss_is_proved_for_every_record_that_a_surviving_one_claims():
    world = World()
    for _ in range(10):
        world.produce(10)
    sent = world.send(10)
    world.truncate(40)
    world.ack((sent.start, 10, world.append(*sent)))  # claims 0..99
    world.produce(5)  # claims 100..109 too
    after = world.restart()
    after.settle()
    run = after.ledger.accounts[1]
    assert after.lost == {(1, s) for s in range(40, 100)}
    assert {loss.seen for loss in after.losses} == {"never"}
    assert run.count(State.VERIFIED) == 50
    assert run.count(State.PRESENT) == 5
    assert run.count(State.UNACCOUNTED) == 0
    sums = after.ledger.records()
    assert sums["sent"] == 115 + after.ledger.own.next_sequence
    assert sums["acked"] == 110 + after.ledger.own.next_sequence


def test_without_state_what_nobody_claims_is_unaccounted_to_the_record():
    world = World()
    world.produce(10)
    sent = world.send(10)
    world.give_up(sent.start, 10)  # uncertain, and never written
    world.produce(10)
    last = world.send(6)
    world.append(*last[3:])  # three of the last were never written either
    after = world.restart()
    after.settle()
    run = after.ledger.accounts[1]
    assert after.losses == []
    assert run.count(State.UNACCOUNTED) == 10 + 3
    assert run.count(State.VERIFIED) == 20
    assert run.count(State.PRESENT) == 3
    assert run.next_sequence == 36


def test_without_state_what_retention_took_is_no_loss():
    world = World()
    for _ in range(5):
        world.produce(10)
    world.retain_from(22)
    after = world.restart()
    after.settle()
    assert after.losses == []
    assert after.ledger.accounts[1].count(State.EXPIRED) == 22


def test_with_state_an_old_log_start_does_not_explain_a_loss():
    world = World()
    for _ in range(5):
        world.produce(10)
    world.read()
    world.retain_from(22)
    world.produce(1)
    world.read()
    state = world.saved()
    world.produce(10)  # after the checkpoint, and lost
    sent = world.send(5)
    world.truncate(51)
    world.ack((sent.start, 5, world.append(*sent)))
    world.produce(1)
    after = world.restart(state=state)
    after.settle()
    assert after.lost == {(1, s) for s in range(51, 61)}


def test_with_state_a_loss_during_the_absence_is_found_by_the_first_acknowledgement():
    world = World()
    world.produce(50)
    world.read()
    state = world.saved()
    world.truncate(30)
    after = world.restart(state=state)
    after.judge()
    assert after.lost == {(1, s) for s in range(30, 50)}
    assert {loss.seen for loss in after.losses} == {"before"}


def test_suspicions_survive_a_restart():
    world = World()
    world.produce(50)
    world.read(40)
    world.truncate(30)
    world.produce(1)
    assert world.count("suspected") == 20
    after = world.restart(state=world.saved())
    assert after.count("suspected") == 20
    after.settle()
    assert after.lost == {(1, s) for s in range(30, 50)}
    assert len(after.regressions) == 0, "the log went backwards once, and that was told by the process that saw it"


def test_proved_losses_survive_a_restart_and_are_not_proved_again():
    world = World()
    world.produce(50)
    world.read(40)
    world.truncate(30)
    world.judge()
    after = world.restart(state=world.saved())
    after.settle()
    after.recheck_everything()
    assert after.losses == []
    assert (after.count("lost"), after.count("lost_before")) == (10, 10)


def test_three_restarts_settle_every_run():
    world = World()
    for _ in range(4):
        world.produce(10)
        world.send(2)
        world.read(7)
        world = world.restart(state=world.saved())
    world.settle()
    sums = world.ledger.records()
    assert world.losses == []
    assert sums["verified"] == 40 + world.ledger.own.next_sequence
    assert sums["unaccounted"] == 8
    assert sums["awaiting"] == sums["unresolved"] == 0


def test_a_new_run_in_the_same_process_hears_the_answers_of_the_old_one():
    world = World()
    world.produce(5)
    world.read()
    sent = world.send(4)
    offset = world.append(*sent[:2])
    world.ledger.start_run(2)
    world.run = 2
    world.claims = type(world.claims)()
    world.ledger.acked(1, (Span(5, 2, offset),), world.now())
    world.ledger.uncertain(1, 7, 1, world.now())
    world.settle()
    world.ledger.acked(1, (Span(8, 1, 99),), world.now())  # too late to matter
    assert world.losses == []
    old = world.ledger.accounts[1]
    assert old.count(State.VERIFIED) == 7
    assert old.count(State.ABSENT) == 1
    assert old.count(State.UNACCOUNTED) == 1


def test_a_successor_does_not_account_for_old_records_again():
    world = World()
    world.produce(20)
    world.read(10)
    fresh = world.ledger.successor()
    (reposition,) = fresh.take_effects()
    assert reposition.offset == 10
    fresh.start_run(2)
    fresh.read(10, 20, world.sightings(10, 20))
    fresh.reread(0, 20, world.sightings(0, 20))
    fresh.check()
    assert fresh.records()["sent"] == 0
    assert fresh.counted["foreign"] == 0
    assert fresh.take_effects() == []


def test_a_background_recheck_does_not_account_for_runs_below_what_was_read():
    """Their claims would speak of records that this process has not looked for."""
    log: list[Entry | None] = [Entry(RECORD, 50, i, claims=Claims(0, i, ())) for i in range(10, 40)]
    world = World(log=log)
    world.ledger.position = 40
    world.reader = 40
    world.produce(5)
    world.read()
    world.recheck_everything()
    world.settle()
    assert 50 not in world.ledger.accounts
    assert world.losses == []
    assert world.ledger.counted["foreign"] == world.ledger.counted["namesake"] == 0


# --- the topic is made anew


def test_a_topic_made_anew_leaves_awaited_records_unaccounted_and_verified_ones_alone():
    world = World()
    world.produce(20)
    world.read(12)
    world.recreate_topic()
    world.notice_new_topic()
    world.settle()
    sums = world.ledger.records()
    assert world.losses == []
    assert sums["unaccounted"] == 8
    assert sums["lost_before"] == 0
    assert sums["verified"] == 12 + world.ledger.own.next_sequence - 20


def test_a_topic_made_anew_is_recognised_by_the_recheck_of_what_looks_like_a_loss():
    world = World()
    world.produce(20)
    world.read(12)
    world.recreate_topic()
    new = world.produce(3)
    world.settle()
    assert world.regressions
    assert world.losses == []
    assert world.count("unaccounted") == 8
    assert all(world.state_of(s) is State.VERIFIED for s in new)


def test_in_flight_while_the_topic_is_made_anew_is_verified_if_found_and_unaccounted_if_not():
    world = World()
    world.produce(5)
    world.read()
    sent = world.send(4)
    world.recreate_topic()
    world.notice_new_topic()
    world.ack((sent.start, 2, 5))  # the old topic's answer, heard late
    offset = world.append(*sent[2:])
    world.ack((sent.start + 2, 2, offset))
    world.settle()
    assert world.losses == []
    assert [world.state_of(s) for s in sent] == [State.UNACCOUNTED] * 2 + [State.VERIFIED] * 2


def test_a_loss_in_the_new_topic_is_a_loss():
    world = World()
    world.produce(20)
    world.read()
    world.recreate_topic()
    world.notice_new_topic()
    world.produce(10)
    world.read()
    world.truncate(4)
    world.judge()
    assert world.lost == mine(world, range(24, 30))


def test_a_topic_made_anew_and_a_restart_before_it_is_judged_is_no_loss():
    world = World()
    world.produce(20)
    world.read(12)
    world.recreate_topic()
    world.notice_new_topic()
    after = world.restart(state=world.saved())
    after.settle()
    assert after.losses == []
    assert after.count("unaccounted") == 8


def test_foreign_records_of_the_new_topic_are_counted():
    world = World()
    world.produce(20)
    world.read()
    after = world.restart(state=world.saved())
    after.recreate_topic()
    after.notice_new_topic()
    after.put(Entry(FOREIGN))
    after.settle()
    assert after.ledger.counted["foreign"] == 1


# --- bounds and state


def test_the_cost_in_memory_does_not_follow_the_traffic():
    world = World()
    for _ in range(500):
        world.produce(100)
        world.read()
    account = world.ledger.own
    assert account.count(State.VERIFIED) == 50_000
    assert world.ledger.log.intervals == 1
    assert account.positions.intervals == 1
    assert account.seen.intervals == 1
    assert len(json_of(world)) < 1_000


def json_of(world: World) -> str:
    return json.dumps(world.ledger.to_state())


def test_what_has_left_the_log_is_folded_into_sums():
    world = World()
    for turn in range(300):
        world.produce(2)
        gone = world.send(1)
        world.give_up(gone.start)
        world.read()
        world.retain_from(max(len(world.log) - 20, 0))
        if turn % 10 == 9:
            world.wait(10)
            for entry in world.ledger.give_ups:
                world.ledger.settle_uncertain(entry.run, entry.first, entry.count)
            world.ledger.give_ups = []
    sums = world.ledger.records()
    assert sums["sent"] == 900
    assert (sums["verified"], sums["absent"]) == (600, 300)
    assert world.ledger.own.intervals < 100
    after = world.restart(state=world.saved())
    assert {k: v for k, v in after.ledger.records().items() if v} == {k: v for k, v in sums.items() if v}


def test_a_log_in_which_everything_alternates_is_bounded(monkeypatch):
    monkeypatch.setattr("kafka_sentinel.core.book.MAX_INTERVALS", 100, raising=False)
    monkeypatch.setattr("kafka_sentinel.core.ledger.MAX_INTERVALS", 100, raising=False)
    world = World()
    for _ in range(1_000):
        world.produce(1)
        world.put(Entry(FOREIGN))
        world.read()
        assert world.ledger.log.intervals <= 110
        assert world.ledger.own.intervals <= 220
    world.settle()
    assert world.losses == []
    assert world.count("sent") == world.count("acked")
    assert world.count("verified") + world.count("unaccounted") == world.count("acked")
    world.truncate(len(world.log) - 20)
    world.judge()
    assert 9 <= len(world.lost) <= 11


def test_the_view_of_the_log_is_bounded_and_keeps_its_newest_part(monkeypatch):
    monkeypatch.setattr("kafka_sentinel.core.book.MAX_INTERVALS", 100, raising=False)
    monkeypatch.setattr("kafka_sentinel.core.ledger.MAX_INTERVALS", 100, raising=False)
    world = World()
    world.ledger.log_start = 0
    for _ in range(150):
        world.put(Entry(FOREIGN), Entry(CORRUPTED))
    world.produce(3)
    world.read()
    assert 50 <= world.ledger.log.intervals <= 110
    assert world.ledger.log.get(len(world.log) - 1) is not None


def test_runs_beyond_the_bound_are_set_aside_once():
    log: list[Entry | None] = [Entry(RECORD, 100 + r, s, claims=Claims(0, s, ())) for r in range(30) for s in range(3)]
    world = World(log=log)
    for _ in range(3):
        world.produce(1)
        world.read()
        world.recheck_everything()
    world.settle()
    assert len(world.ledger.accounts) <= 16
    assert world.count("sent") == 90 + world.ledger.own.next_sequence
    assert world.losses == []


def test_state_survives_json_in_every_state_a_sequence_can_be_in():
    world = World()
    world.produce(10)
    sent = world.send(4)
    world.give_up(sent.start, 4)
    world.append(sent[0])
    world.read()
    world.ledger.settle_uncertain(1, sent[1], 1)
    world.produce(6)
    world.truncate(16)
    world.judge()
    rejected = world.send(1)
    world.ledger.rejected(1, rejected.start, 1)
    world.send(2)
    world.produce(2)
    state = world.saved()
    after = world.restart(state=state)
    before_sums, after_sums = world.ledger.records(), after.ledger.records()
    for name, total in before_sums.items():
        if name == "in_flight":
            assert after_sums[name] == 0
        elif name in ("unresolved", "uncertain"):
            assert after_sums[name] == total + before_sums["in_flight"]
        else:
            assert after_sums[name] == total, name


@pytest.mark.parametrize("broken", [{}, {"position": "x"}, {"accounts": [{"run": "zz"}]}])
def test_a_broken_state_is_refused_with_an_ordinary_error(broken):
    world = World()
    world.produce(3)
    state = {**world.saved(), **broken}
    if not broken:
        del state["accounts"]
    with pytest.raises((ValueError, TypeError, KeyError, AssertionError, InvariantError)):
        World(run=2, state=state)


def test_sequences_out_of_order_are_a_contradiction():
    world = World()
    world.send(3)
    with pytest.raises(InvariantError, match="sequence 5 was sent, 3 is next"):
        world.ledger.sent(1, 5, 1, world.now())


def test_an_outcome_of_something_not_in_flight_is_a_contradiction():
    world = World()
    world.produce(3)
    with pytest.raises(InvariantError):
        world.ledger.acked(1, (Span(0, 1, 0),), world.now())


def test_the_view_tells_what_stands_where():
    world = World()
    world.produce(3)
    world.put(Entry(FOREIGN))
    view = Answer(world.sightings(0, 4), 7)
    assert view.get(2).describe() == "run 0000000000000001 sequence 2 (leader epoch 0)"
    assert view.get(3).describe() == "foreign record (leader epoch 0)"
    assert view.get(4) is None
    assert world.ledger.partition.acks is Acks.ALL


# --- what a simulated world taught


def test_unplaced_records_that_vanish_with_others_are_lost():
    world = World()
    world.produce(30)
    sent = world.send(4)
    world.append(*sent)
    world.ack((sent.start, 4, None))
    world.truncate(20)
    world.produce(10)
    world.settle()
    assert world.lost == mine(world, [*range(20, 30), *sent])


@pytest.mark.parametrize("restarted", [False, True])
def test_an_unplaced_record_written_below_the_first_sign_of_a_truncation_is_found(restarted):
    """It was under way when the log was emptied, and was written to the new one before anything told of that."""
    world = World()
    world.produce(100)
    world.read()
    state = world.saved()
    sent = world.send(3)
    world.truncate(0)
    world.append(*sent)
    world.ack((sent.start, 3, None))
    world.produce(40)
    world.produce(1)
    if restarted:
        world = world.restart(state=state)
    world.settle()
    assert world.lost == {(1, s) for s in range(100)}


def test_a_log_that_went_back_before_anything_was_read_is_read_from_its_beginning():
    world = World(margin=1)
    sent = world.send(5)
    world.append(*sent)
    copies = world.append(*sent)
    world.ack((sent.start, 5, copies))
    world.truncate(copies)
    world.produce(1)
    world.settle()
    assert world.losses == []
    assert {world.state_of(sequence) for sequence in sent} == {State.VERIFIED}


def test_what_was_read_before_the_log_went_back_and_is_handled_after_it_clears_no_suspicion():
    """The verifier had begun where it is now sent back to, so what it had read is not told from what it reads next."""
    world = World()
    world.produce(20)
    end = len(world.log)
    late = world.sightings(0, end)
    world.truncate(0)
    world.produce(3)
    world.deliver(0, end, late)
    world.reader = 0
    assert (world.count("verified"), world.count("suspected")) == (20, 23)  # the new ones were not met at their places
    world.judge()
    assert world.lost == mine(world, range(20))


def test_an_unplaced_record_is_found_where_the_log_had_gone_back_to_before_it_was_sent():
    """Nobody was told, so it stands below what was known to be acknowledged when it was sent."""
    world = World(margin=1)
    world.produce(5)
    world.read()
    world.truncate(0)
    sent = world.send(5)
    world.append(*sent)
    world.ack((sent.start, 5, None))
    world.settle()
    world.recheck_everything()
    assert world.lost == mine(world, range(5))
    assert {world.state_of(sequence) for sequence in sent} == {State.VERIFIED}


@pytest.mark.parametrize("log_start", [1, 2])
def test_an_unplaced_record_that_retention_took_from_a_log_that_had_gone_back_unnoticed_is_not_lost(log_start):
    world = World()
    world.produce(5)
    world.read()
    world.truncate(0)
    (sent,) = world.send(1)
    world.append(sent)
    world.ack((sent, 1, None))
    world.put(*[Entry(FOREIGN, epoch=world.epoch)] * 6)
    world.retain_from(log_start)
    world.settle()
    world.recheck_everything()
    assert world.state_of(sent) is State.EXPIRED
    assert (world.run, sent) not in world.lost


@pytest.mark.parametrize("answer", ["acknowledged without an offset", "given up"])
def test_what_stands_below_where_the_log_had_started_before_it_went_back_is_found(answer):
    world = World(margin=1)
    world.produce(3)
    world.read(1)
    world.retain_from(2)
    world.read()
    (sent,) = world.send(1)
    world.truncate(0)
    world.append(sent)
    world.put(Entry(FOREIGN, epoch=world.epoch), Entry(FOREIGN, epoch=world.epoch))
    if answer == "given up":
        world.give_up(sent)
    else:
        world.ack((sent, 1, None))
    world.settle()
    world.recheck_everything()
    assert world.state_of(sent) is (State.PRESENT if answer == "given up" else State.VERIFIED)
    assert not world.rechecks.open_questions
    assert world.count("suspected") == 0


def test_unplaced_records_whose_place_the_log_start_has_passed_have_expired():
    world = World()
    world.produce(5)
    world.read()
    sent = world.send(4)
    world.append(*sent)
    world.ack((sent.start, 4, None))
    world.produce(20)
    world.retain_from(20)
    world.settle()
    assert world.losses == []
    assert [world.state_of(s) for s in sent] == [State.EXPIRED] * 4


def test_a_damaged_record_in_a_log_that_was_written_anew_does_not_hide_a_loss():
    world = World()
    early = world.send(12)
    world.produce(10)
    world.read(5)
    world.truncate(5)
    world.append(*early)
    world.log[7] = Entry(CORRUPTED, epoch=world.epoch)  # stands where the eighth was, and is another record
    world.give_up(early.start, 12)
    world.read()
    world.settle()
    assert world.lost == mine(world, range(12 + 5, 12 + 10))


def test_a_topic_made_anew_and_a_restart_without_state_is_no_loss():
    world = World()
    world.produce(20)
    world.recreate_topic()
    world.produce(5)  # nobody has noticed: they claim what the deleted topic had acknowledged
    world.produce(5)
    after = world.restart()
    after.settle()
    assert after.losses == []
    assert after.ledger.accounts[1].count(State.UNACCOUNTED) == 20


def test_an_emptied_log_and_a_restart_without_state_is_a_loss_for_all_that_is_claimed():
    world = World()
    world.produce(20)
    world.truncate(0)
    world.produce(5)
    world.produce(5)
    after = world.restart()
    after.settle()
    assert after.lost == {(1, s) for s in range(20)}


def test_where_retries_broke_the_order_the_log_start_may_explain_any_missing_record():
    world = World()
    world.elect()
    first = world.produce(4)
    sent = world.send(4)
    offset = world.append(sent[2], sent[3], sent[0], sent[0])
    world.append(sent[1])
    world.ack((sent[2], 2, offset), (sent[0], 1, offset + 2), (sent[1], 1, offset + 4))
    world.produce(3)
    world.retain_from(offset + 2)  # 6 and 7 have left by the log start, while lower ones still stand
    after = world.restart()
    after.settle()
    assert after.losses == []
    assert after.ledger.accounts[1].count(State.EXPIRED) == len(first) + 2


def test_what_one_process_met_and_a_second_has_to_settle_keeps_where_it_was_searched_from():
    world = World()
    for _ in range(3):
        world.produce(10)
    world.retain_from(22)
    second = world.restart()
    second.read()  # learns of the claims, and dies before it can settle them
    third = second.restart(state=second.saved())
    third.settle()
    assert third.losses == []
    assert (third.count("expired"), third.count("unaccounted")) == (20, 2)


def test_foreign_records_of_a_new_topic_that_was_not_recognised_yet_are_counted_once():
    world = World()
    world.produce(10)
    world.read()
    world.recreate_topic()
    world.produce(2)
    world.put(Entry(FOREIGN), Entry(CORRUPTED))
    world.read()
    world.settle()
    assert world.ledger.counted["foreign"] == world.ledger.counted["corrupted"] == 1
    assert world.ledger.counted["conflicting"] == 0
    assert world.losses == []


@pytest.mark.parametrize("what", ["topic made anew", "truncation and a restart"])
def test_what_was_met_before_another_send_proves_the_same_once_more_is_counted_once(what):
    """Two sends were under way when the log went back: the second one to be acknowledged stands below the first."""
    world = World()
    world.produce(10)
    world.read()
    low, high = world.send(2), world.send(2)
    if what == "topic made anew":
        world.recreate_topic()
    else:
        world.truncate(0)
    world.append(*low)
    world.append(*high)
    world.put(Entry(FOREIGN, epoch=world.epoch), Entry(CORRUPTED, epoch=world.epoch))
    world.ack((high.start, 2, 2))
    world.read()
    world.ack((low.start, 2, 0))
    met = dict(world.ledger.counted)
    if what == "topic made anew":
        world.notice_new_topic()
        world.settle()
        met = world.ledger.counted
    else:
        after = world.restart(state=world.saved())
        after.settle()
        assert after.ledger.counted["foreign"] == after.ledger.counted["corrupted"] == 0
    assert met["foreign"] == met["corrupted"] == 1


def test_an_alleged_truncation_does_not_turn_retention_into_loss():
    """A leader that was replaced says that the log ends low; then retention takes what is under suspicion."""
    world = World()
    world.produce(50)
    world.read(30)
    world.ledger.regressed(10, world.now())
    world.drain()
    world.retain_from(20)
    world.judge()
    assert world.losses == []
    assert world.count("suspected") == 0
    assert [r.proved for r in world.regressions] == [False]


def test_a_truncation_that_a_reader_is_told_of_is_proved_by_the_next_acknowledgement_and_told_once():
    world = World()
    world.produce(50)
    world.read()
    world.truncate(20)
    world.read()
    world.produce(30)
    world.retain_from(25)
    world.judge()
    assert world.lost == mine(world, range(20, 50))
    assert [(r.proved, r.confirms) for r in world.regressions] == [(False, False), (True, True)]


def test_a_look_at_the_log_of_a_replaced_leader_displaces_nothing():
    world = World()
    world.elect()
    world.produce(5)
    world.put(Entry(FOREIGN, epoch=1), Entry(CORRUPTED, epoch=1))
    world.produce(5)
    world.read()
    true = world.log
    world.log = [*true[:3], *[Entry(FOREIGN, epoch=0)] * 9]  # what a leader has that missed the last election
    world.rechecks.background(world.ledger.partition, 0, 12, world.now())
    (command,) = world.ask()
    answer = world.look(command)
    world.log = true
    world.hand_in(answer)
    assert world.count("suspected") == 7
    world.judge()
    assert world.losses == []
    assert (world.ledger.counted["foreign"], world.ledger.counted["corrupted"]) == (1, 1)
    assert world.ledger.counted["conflicting"] == 0


def test_a_truncation_by_a_single_record_is_seen_by_the_acknowledgement_that_takes_its_place():
    world = World()
    world.produce(10)
    world.read()
    world.truncate(9)
    world.produce(1)
    assert [r.divergence for r in world.regressions] == [9]
    world.judge()
    assert world.lost == mine(world, [9])


def test_one_truncation_is_told_once_however_many_records_were_under_way():
    world = World()
    world.produce(10)
    under_way = [world.send(2) for _ in range(4)]
    world.truncate(5)
    for sent in under_way:
        world.ack((sent.start, 2, world.append(*sent)))
    assert [r.divergence for r in world.regressions] == [5]
    world.judge()
    assert world.lost == mine(world, range(5, 10))


def test_what_was_written_after_the_truncation_and_acknowledged_before_its_proof_may_have_expired():
    world = World()
    old = world.produce(5)
    world.read(3)
    first, second = world.send(2), world.send(2)
    world.truncate(3)
    at, above = world.append(*first), world.append(*second)
    world.ack((second.start, 2, above))  # above all that was known when it was sent: it proves nothing
    world.ack((first.start, 2, at))
    assert [regression.divergence for regression in world.regressions] == [3]
    world.put(*[Entry(FOREIGN)] * 3)
    world.retain_from(len(world.log) - 1)
    world.read()
    world.judge()
    assert world.lost == mine(world, old[3:])
    assert (world.count("expired"), world.count("awaiting")) == (4, 0)


def test_an_acknowledgement_that_comes_after_the_log_start_has_passed_it_has_expired():
    world = World()
    world.produce(5)
    sent = world.send(2)
    offset = world.append(*sent)
    world.read(5)
    world.put(*[Entry(FOREIGN)] * 3)
    world.retain_from(len(world.log) - 1)
    world.ledger.log_starts_at(world.log_start)  # a recheck tells, before the verifier gets there
    world.ack((sent.start, 2, offset))
    world.judge()
    assert world.lost == set()
    assert (world.count("awaiting"), world.count("expired")) == (0, 2)


def test_the_word_of_a_broker_that_leads_no_more_takes_nothing_for_expired():
    world = World()
    world.produce(5)
    world.read(3)
    world.ledger.said_to_start_at(50)  # its log went on where this one ended
    assert (world.count("expired"), world.count("awaiting")) == (0, 2)
    world.judge()
    assert (world.lost, world.count("expired"), world.count("suspected")) == (set(), 0, 0)


def test_what_the_log_start_has_passed_unread_has_expired_once_a_recheck_says_so_too():
    world = World()
    world.produce(5)
    world.read(3)
    world.put(*[Entry(FOREIGN)] * 3)
    world.retain_from(len(world.log) - 1)
    world.ledger.said_to_start_at(world.log_start)
    assert (world.count("expired"), world.count("awaiting")) == (0, 2)
    world.judge()
    assert (world.lost, world.count("expired"), world.count("awaiting")) == (set(), 2, 0)


def test_an_acknowledgement_that_comes_after_its_offset_was_passed_unseen_is_a_suspicion():
    world = World()
    sent = world.send(2)
    world.append(*sent)
    world.truncate(0)
    world.put(*[Entry(FOREIGN, epoch=world.epoch)] * 5)
    world.read()
    world.ack((sent.start, 2, 0))  # the answer of the former leader, heard late
    assert world.count("suspected") == 2
    world.judge()
    assert world.lost == mine(world, sent)


@pytest.mark.parametrize("restarted", [False, True])
def test_a_damaged_record_of_unknown_place_is_known_by_its_neighbours(restarted):
    world = World()
    world.elect()
    world.produce(5)
    sent = world.send(5)
    offset = world.append(*sent)
    world.log[offset + 2] = Entry(CORRUPTED, epoch=1)
    world.ack((sent.start, 5, None))
    world.produce(5)
    world.produce(1)
    if restarted:
        world = world.restart()
    world.settle()
    assert world.losses == []
    assert world.state_of(sent[2], run=1) is State.CORRUPTED


def test_a_damaged_record_where_a_later_leaders_log_begins_is_not_taken_for_the_one_that_was_there_before():
    """Without a state nobody knows at which offset the missing ones were acknowledged."""
    world = World()
    world.produce(10)
    gone = world.produce(1)
    world.truncate(10)
    late, early = world.send(1), world.send(1)
    world.put(Entry(CORRUPTED, epoch=world.epoch))
    world.ack((early.start, 1, 10))
    world.ack((late.start, 1, world.append(*late)))
    world.produce(1)
    world.produce(1)
    after = world.restart()
    after.settle()
    assert after.lost == {(1, gone[0]), (1, early[0])}
    assert after.state_of(gone[0], run=1) is State.LOST


def test_a_damaged_record_without_a_neighbour_of_ours_is_lost_as_far_as_anybody_can_tell():
    world = World()
    world.produce(1)
    world.log[0] = Entry(CORRUPTED)
    world.put(Entry(FOREIGN))
    world.settle()
    assert world.lost == mine(world, [0])
    assert "corrupted" in world.losses[0].stands_there


def test_a_damaged_record_in_a_batch_of_the_former_leader_is_not_taken_for_ours():
    world = World()
    world.produce(20)
    world.log[12] = Entry(CORRUPTED)
    world.read(12)
    old = (12, 18, world.sightings(12, 18))
    world.truncate(10)
    sent = world.produce(8)
    world.read()  # up to 18, in the new log
    world.ledger.reposition(12)
    world.drain()
    new = world.produce(2)
    assert world.deliver(*old)
    world.judge()
    world.recheck_everything()
    assert world.lost == mine(world, range(10, 20))
    assert all(world.state_of(s) is State.VERIFIED for s in [*sent, *new])


@pytest.mark.parametrize("regrown", [20, 40, 80, 200])
@pytest.mark.parametrize("looked", [False, True], ids=["verifier first", "recheck first"])
def test_what_an_earlier_life_wrote_in_a_log_begun_anew_is_found_though_the_state_speaks_of_the_old_one(
    regrown, looked
):
    """The state was saved at offset 50; then the log was emptied, and Sentinel wrote on until it was killed."""
    world = World()
    for _ in range(10):
        world.produce(5)
    world.read()
    state = world.saved()
    world.truncate(0)
    for _ in range(regrown // 5):
        world.produce(5)
    after = world.restart(state=state)
    if looked:
        after.recheck_everything()
    for _ in range(2):
        after.settle()
        after.recheck_everything()
    run = after.ledger.accounts[1]
    assert after.lost == {(1, sequence) for sequence in range(50)}
    assert run.count(State.VERIFIED) + run.count(State.PRESENT) == 50 + regrown
    assert (after.count("unaccounted"), after.count("expired"), after.ledger.counted["foreign"]) == (0, 0, 0)


def test_what_an_earlier_life_had_in_flight_is_found_below_where_the_log_ends_now():
    """What was on its way when the state was saved came to stand in the emptied log, below all that had been read."""
    world = World()
    for _ in range(10):
        world.produce(5)
    world.read()
    sent = world.send(30)
    state = world.saved()
    world.truncate(0)
    world.append(*sent)
    after = world.restart(state=state)
    after.read()  # which is told where the log ends
    after.produce()
    after.read()
    assert after.reader == len(after.log)
    after.ledger.settle_orphans()  # the fence was read past, before anything was re-read
    after.settle()
    run = after.ledger.accounts[1]
    assert after.lost == {(1, sequence) for sequence in range(50)}
    assert run.count(State.PRESENT) == 30
    assert after.count("unaccounted") == 0


def test_what_an_earlier_life_had_read_before_it_was_acknowledged_was_written():
    """The state was saved between the two, so what reads on from there does not meet it."""
    world = World()
    world.produce(5)
    read, unread = world.send(4), world.send(3)
    world.append(*read)
    world.read()
    after = world.restart(state=world.saved())
    after.settle()
    assert all(after.state_of(sequence, 1) is State.PRESENT for sequence in read)
    assert all(after.state_of(sequence, 1) is State.UNACCOUNTED for sequence in unread)
    assert (after.count("verified"), after.lost) == (5 + after.ledger.own.next_sequence, set())


def saved_before_acknowledged():
    """Return a world, its state from between the reading and the acknowledgement of records, these, their offset."""
    world = World()
    world.produce(5)
    read = world.send(4)
    offset = world.append(*read)
    world.read()
    state = world.saved()
    world.ack((read.start, 4, offset))
    return world, state, read, offset


def test_what_an_earlier_life_had_read_before_it_was_acknowledged_is_verified_once_a_record_claims_it():
    world, state, read, _ = saved_before_acknowledged()
    world.produce()  # claims them
    after = world.restart(state=state)
    after.settle()
    assert all(after.state_of(sequence, 1) is State.VERIFIED for sequence in read)
    assert (after.count("unaccounted"), after.lost) == (0, set())


def test_what_an_earlier_life_had_read_and_was_claimed_and_then_vanished_is_lost():
    world, state, read, offset = saved_before_acknowledged()
    world.produce()  # claims them
    entries = world.truncate(offset)
    world.put(*entries[len(read) :])  # only what claims them came to stand there
    after = world.restart(state=state)
    after.settle()
    after.recheck_everything()
    after.settle()
    assert after.lost == {(1, sequence) for sequence in read}


def test_an_earlier_life_of_which_the_state_left_nothing_open_is_accounted_for_up_to_its_last_record():
    """All that the state knew has left the log, and so has some of what was sent after it was saved."""
    world = World()
    world.elect()
    world.produce(10)
    world.read()
    state = world.saved()
    world.produce(7)
    world.produce()  # claims them
    world.retain_from(15)
    after = world.restart(state=state)
    after.settle()
    run = after.ledger.accounts[1]
    assert (run.count(State.EXPIRED), after.lost) == (5, set())
    assert run.count(State.VERIFIED, State.PRESENT) == 10 + 3


def test_what_a_recheck_met_of_a_run_before_it_was_known_is_verified_once_it_is():
    world = World()
    world.produce(2)
    world.read()
    state = world.saved()
    second = world.restart(state=state)
    second.truncate(0)
    for _ in range(4):
        second.produce()
    third = second.restart(state=state)  # which knows nothing of the second
    third.rechecks.background(third.ledger.partition, 0, 2, third.now())
    for command in third.ask():
        third.hand_in(third.look(command))
    third.settle()
    assert {third.state_of(sequence, run=2) for sequence in range(3)} == {State.VERIFIED}
    assert third.count("awaiting") == third.count("suspected") == 0


@pytest.mark.parametrize("gone", [3, 17])
def test_what_an_earlier_life_lost_above_the_state_is_proved_though_the_log_start_has_moved(gone):
    world = World()
    for _ in range(10):
        world.produce(5)
    world.read()
    world.retain_from(10)
    state = world.saved()
    for _ in range(6):
        world.produce(5)
    world.truncate(80 - gone)
    world.produce(5)
    after = world.restart(state=state)
    after.settle()
    assert after.lost == {(1, sequence) for sequence in range(80 - gone, 80)}
    assert (after.count("unaccounted"), after.count("expired")) == (0, 0)


def test_a_late_copy_of_what_the_state_knew_does_not_hide_that_the_log_start_explains_what_came_after():
    world = World()
    world.elect()
    world.produce(10)
    sent = world.send(2)
    world.append(*sent)
    world.read()
    state = world.saved()
    world.produce(10)
    world.produce(1)
    world.append(*sent)  # a request that was held up
    world.produce(1)
    world.retain_from(23)
    after = world.restart(state=state)
    after.settle()
    assert after.losses == []
    assert after.count("expired") == 11


def test_a_late_copy_in_a_log_that_went_back_does_not_hide_that_the_log_start_explains_what_came_before():
    """The copy stands below where the log had been read to when the state was saved, and was not what was read."""
    world = World()
    world.elect()
    world.produce(10)
    sent = world.send(2)
    world.read()
    state = world.saved()
    world.truncate(5)
    (passed,) = world.produce()
    world.produce()  # claims it
    world.append(*sent)  # a request that was held up
    for _ in range(10):
        world.produce()
    world.retain_from(6)
    after = world.restart(state=state)
    after.settle()
    assert after.state_of(passed, run=1) is State.EXPIRED
    assert (1, passed) not in after.lost


def test_damaged_records_in_a_row_are_known_by_what_stands_around_them():
    world = World()
    sent = world.send(6)
    world.append(*sent)
    world.log[2:4] = [Entry(CORRUPTED)] * 2
    world.ack((2, 2, 2))  # acknowledged apart from the others
    world.ack((0, 2, 0), (4, 2, 4))
    world.settle()
    assert world.losses == []
    assert world.count("corrupted") == 2
