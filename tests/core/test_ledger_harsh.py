"""Retention, truncation, damage and restarts where they meet: what one explains must not hide what the other did."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tests.core.ledger_world import CORRUPTED, FOREIGN, PARTITION, Entry, World, mine

from kafka_sentinel.core.account import State


def look_around(world: World) -> None:
    """The background recheck, once over the whole log, and nothing else."""
    world.rechecks.background(world.ledger.partition, world.log_start, len(world.log), world.now())
    for command in world.ask():
        world.hand_in(world.look(command))


# --- the log start passes what is under suspicion


@pytest.mark.parametrize("late", [True, False])
def test_what_was_heard_of_the_start_of_a_former_log_takes_nothing_of_the_one_that_came_after(late):
    """A leader came back empty, and the client still reports what it had heard of the log before."""
    world = World()
    world.produce(50)
    world.read()
    world.retain_from(30)
    world.produce(5)
    world.read()
    world.truncate(0)
    newest = world.produce(10)
    world.read()
    world.settle()
    if late:
        world.ledger.verifier_told_start(30)
    world.truncate(0)
    world.produce(1)
    world.settle()
    assert mine(world, newest) <= world.lost


@pytest.mark.parametrize("proved", [True, False])
def test_that_the_log_went_back_is_known_after_a_restart(proved):
    """The log start passes the suspects before anybody can judge them. Only a proof makes that a loss."""
    world = World()
    world.produce(50)
    world.read()
    world.truncate(30)
    if proved:
        world.produce(1)
    else:
        world.read()  # a reader is told so, and a leader that was replaced would say the same
    assert world.count("suspected") == 20
    world.put(*[Entry(FOREIGN, epoch=world.epoch)] * 40)
    world.retain_from(60)
    after = world.restart(state=world.saved())
    after.settle()
    assert after.lost == ({(1, sequence) for sequence in range(30, 50)} if proved else set())
    assert after.count("suspected") == 0


def test_what_a_later_leader_wrote_in_their_place_proves_that_the_log_went_back():
    world = World()
    world.produce(20)
    world.read()
    world.truncate(10)
    world.put(*[Entry(FOREIGN, epoch=world.epoch)] * 20)
    look_around(world)
    assert world.count("suspected") == 10
    world.retain_from(25)
    world.judge()
    assert world.lost == mine(world, range(10, 20))


def test_what_a_reader_was_told_is_proved_by_what_it_reads_there_next():
    world = World()
    world.produce(20)
    world.read()
    world.truncate(10)
    world.read()  # told that the log ends at 10
    world.put(*[Entry(FOREIGN, epoch=world.epoch)] * 20)
    world.read()
    world.retain_from(25)
    world.judge()
    assert world.lost == mine(world, range(10, 20))


@pytest.mark.parametrize("written_on", [True, False])
def test_an_older_entry_in_their_place_proves_it_together_with_a_later_one_above(written_on):
    """The new leader holds there what one had written before them that nobody else took over, and then writes on."""
    world = World()
    world.produce(10)
    world.elect()
    world.produce(10)
    world.read()
    world.log = [*world.log[:10], *[Entry(FOREIGN, epoch=0)] * 10]
    world.elect()
    if written_on:
        world.put(Entry(FOREIGN, epoch=world.epoch))
    look_around(world)
    assert world.count("suspected") == 10
    world.put(*[Entry(FOREIGN, epoch=world.epoch)] * 20)
    world.retain_from(25)
    world.judge()
    assert world.lost == (mine(world, range(10, 20)) if written_on else set())
    assert world.count("suspected") == 0


def test_what_a_stale_reader_saw_there_does_not_hide_what_was_cut():
    """First a leader of long ago shows older records of ours in their place, then the true one shows a later entry."""
    world = World()
    world.produce(10)
    old = world.send(10)
    world.append(*old)
    left_behind = world.log
    world.give_up(old.start, 10)
    world.log = world.log[:10]
    world.elect()
    lost = world.produce(10)
    world.read()
    world.log = left_behind
    look_around(world)
    look_around(world)  # in the view they have the place of what was there
    assert world.count("suspected") == 10
    world.elect()
    world.log = [*world.log[:10], *[Entry(FOREIGN, epoch=world.epoch)] * 20]
    look_around(world)
    world.retain_from(25)
    world.judge()
    assert world.lost == mine(world, lost)


def test_what_is_found_below_where_the_reader_was_sent_on_to_is_verified():
    """The log starts above what it was yet to read, and lower again under the next leader, who is asked for it."""
    world = World()
    world.produce(20)
    world.read(10)
    world.retain_from(15)
    world.read()
    assert world.count("suspected") == 5
    world.produce()
    (command,) = world.ask()
    world.elect()
    world.log_start = 0
    world.hand_in(world.look(command))
    world.retain_from(15)
    world.judge()
    assert {world.state_of(sequence) for sequence in range(10, 15)} == {State.VERIFIED}
    assert world.losses == []


def test_what_an_earlier_leader_wrote_there_proves_nothing():
    """A reader was sent to a leader that had been replaced before they were written."""
    world = World()
    world.produce(10)
    world.elect()
    world.produce(10)
    world.read()
    true_log = world.log
    world.log = true_log[:10] + [Entry(FOREIGN, epoch=0)] * 10
    world.ledger.reposition(10)
    world.drain()
    world.read()
    assert world.count("suspected") == 10
    world.log = true_log
    world.produce(10)
    world.retain_from(25)
    world.judge()
    assert world.losses == []
    assert world.count("suspected") == 0


def test_a_record_that_was_cleared_is_expired_by_a_later_log_start():
    """What proved the first suspicion of it has been refuted, and says nothing of the second."""
    world = World()
    world.produce(20)
    world.ledger.regressed(10, world.now(), known_to=world.ledger.highest_acked)
    world.drain()
    world.judge()
    assert world.count("suspected") == 0
    world.ledger.regressed(10, world.now())
    world.drain()
    world.retain_from(20)
    world.judge()
    assert world.losses == []


def test_what_arrives_when_all_that_was_sent_before_it_has_left_the_log_is_late_all_the_same():
    world = World()
    world.produce(10)
    (held,) = world.send(1)
    world.give_up(held)
    world.produce(10)
    world.settle()
    assert world.state_of(held) is State.ABSENT
    world.retain_from(len(world.log))
    world.produce(1)
    world.read()
    world.append(held)
    world.read()
    assert world.state_of(held) is State.PRESENT
    assert world.ledger.counted["late"] == 1


# --- a topic made anew


def test_a_restart_and_a_moved_log_start_do_not_turn_a_deleted_topic_into_retention():
    world = World()
    world.produce(20)
    world.read(12)
    world.recreate_topic()
    world.notice_new_topic()
    state = world.saved()
    world.put(*[Entry(FOREIGN)] * 5)
    world.retain_from(5)
    after = world.restart(state=state)
    after.settle()
    assert after.losses == []
    assert (after.count("unaccounted"), after.count("expired")) == (8, 0)


# --- damage


def test_a_damaged_record_at_the_edge_of_a_new_leader_does_not_hide_a_loss():
    """Where the log was cut and written on by a new leader, the record below the cut says nothing of what is above."""
    world = World()
    world.produce(10)
    world.truncate(6)
    world.put(Entry(CORRUPTED, epoch=world.epoch))
    world.produce(5)
    after = world.restart()
    after.settle()
    assert after.lost == {(1, sequence) for sequence in range(6, 10)}


def test_a_damaged_record_within_the_writing_of_one_leader_is_recognised():
    world = World()
    world.produce(10)
    world.elect()
    sent = world.produce(10)
    world.log[16] = Entry(CORRUPTED, epoch=world.epoch)
    world.produce(1)
    after = world.restart()
    after.settle()
    assert after.losses == []
    assert after.state_of(sent[6], run=1) is State.CORRUPTED


def test_a_damaged_record_among_such_as_were_written_out_of_order_is_not_taken_for_the_next_one():
    """Without a state nobody knows where the lost one stood, nor which of those that were retried is damaged."""
    world = World()
    early, late, lost = world.send(1), world.send(1), world.send(1)
    world.append(*late)
    world.put(Entry(CORRUPTED))  # one that is known to nobody, retried
    world.append(*early)
    world.append(*lost)
    world.ack((early.start, 1, 2), (late.start, 1, 0), (lost.start, 1, 3))
    world.truncate(3)
    world.produce(5)
    after = world.restart()
    after.settle()
    assert after.lost == {(1, lost.start)}


# --- counted once, by whichever process


@pytest.mark.parametrize("refilled", [False, True])
def test_what_was_counted_before_the_reader_went_back_is_not_counted_by_the_next_process(refilled):
    world = World()
    world.produce(5)
    world.put(Entry(FOREIGN), Entry(CORRUPTED))
    world.read()
    world.ledger.reposition(2)
    world.drain()
    if refilled:
        world.truncate(4)
        world.produce(1)  # which proves that the log went back
        world.put(Entry(FOREIGN, epoch=world.epoch))
    after = world.restart(state=world.saved())
    after.settle()
    assert after.ledger.counted["foreign"] == (1 if refilled else 0)
    assert after.ledger.counted["corrupted"] == 0


def test_an_answer_that_is_older_than_the_log_start_counts_nothing_again():
    world = World()
    world.produce(5)
    world.put(Entry(FOREIGN), Entry(CORRUPTED))
    world.append(3, 4)  # extra copies
    world.produce(20)
    world.read()
    world.recheck_everything()
    counted = dict(world.ledger.counted)
    assert counted["duplicated"] == 2
    world.rechecks.background(world.ledger.partition, 0, len(world.log), world.now())
    answers = [world.look(command) for command in world.ask()]
    world.retain_from(15)
    world.produce(1)
    world.read()
    for answer in answers:
        world.hand_in(answer)
    for kind in ("foreign", "corrupted", "duplicated"):
        assert world.ledger.counted[kind] == counted[kind], kind
    assert world.losses == []


# --- the same truncation, told by several sends


@pytest.mark.parametrize("again", [True, False])
def test_what_was_acknowledged_after_a_truncation_is_not_condemned_by_another_sign_of_the_same(again):
    """Two sends were under way when the log was cut, and the one that came to stand lower is heard of last."""
    world = World()
    world.produce(20)
    world.read()
    late, early = world.send(1), world.send(1)
    world.truncate(10)
    world.append(*late, *early)
    world.ack((early.start, 1, 11))  # proves that the log went back to 11: this one stands in it since
    if not again:
        world.truncate(10)
        late = world.send(1)
        world.append(*late)
    world.ack((late.start, 1, 10))
    world.put(*[Entry(FOREIGN, epoch=world.epoch)] * 20)
    world.retain_from(15)
    world.judge()
    condemned = mine(world, range(10, 20))
    assert world.lost == (condemned if again else condemned | mine(world, early))


@pytest.mark.parametrize("cut_again", [False, True])
def test_what_is_read_above_the_record_that_proved_a_truncation_was_written_since(cut_again):
    """It is acknowledged before what proves the truncation, and written after it; then retention takes it."""
    world = World()
    world.produce(10)
    early = world.send(1)
    world.produce(10)
    world.truncate(10)
    late = world.send(1)
    world.append(*late, *early)
    world.ack((early.start, 1, 11))
    world.ack((late.start, 1, 10))  # sent when the log was known up to 19
    world.read()
    if cut_again:
        world.truncate(11)
        world.produce(1)
        world.ledger.reposition(11)
        world.drain()
        world.read()
    world.put(*[Entry(FOREIGN, epoch=world.epoch)] * 20)
    world.retain_from(15)
    world.judge()
    condemned = mine(world, range(11, 21))
    assert world.lost == (condemned | mine(world, early) if cut_again else condemned)


def test_what_stands_below_where_the_log_is_seen_to_have_gone_back_is_found_by_a_fresh_reader():
    """The log began at 40, was emptied, and begins at 30: the first acknowledgement says 31."""
    world = World()
    world.produce(50)
    world.read()
    world.retain_from(40)
    world.produce(1)
    world.read()
    (unheard,) = world.send(1)
    world.truncate(30)
    world.append(unheard)
    world.give_up(unheard)
    world.produce(5)
    world.settle()
    world.recheck_everything()
    assert world.state_of(unheard) is State.PRESENT


def test_an_acknowledgement_below_the_log_start_says_that_the_log_starts_lower():
    """The log was emptied before anything of ours stood in it, and had grown again when the reader came back."""
    world = World()
    world.put(Entry(FOREIGN), Entry(FOREIGN))
    world.read(1)
    world.retain_from(1)
    world.ledger.log_starts_at(1)
    world.log, world.log_start = [], 0
    (sent,) = world.produce(1)
    world.settle()
    world.recheck_everything()
    assert world.state_of(sent) is State.VERIFIED
    assert world.losses == []


def written_twice_and_cut(to: int) -> World:
    """Its first answer was lost, and it was sent again without idempotence. The verifier has met neither when the log
    is cut, and a fresh reader is quicker."""
    world = World()
    world.produce(10)
    world.read()
    [sequence] = again = world.send(1)
    world.append(sequence)
    world.produce(20)
    world.ack((sequence, 1, world.append(*again)))
    world.truncate(to)
    world.produce(1)
    assert [each.divergence for each in world.regressions] == [to]
    world.produce(1)
    for command in world.ask():
        world.hand_in(world.look(command))
    return world


def test_a_record_that_was_written_twice_is_not_lost_when_only_the_copy_that_was_acknowledged_is_cut():
    world = written_twice_and_cut(31)
    assert world.losses == []
    world.judge()
    assert (world.losses, world.count("lost")) == ([], 0)
    assert world.count("verified") == world.count("sent")


def test_it_is_lost_when_both_copies_are_cut():
    world = written_twice_and_cut(10)
    world.judge()
    assert world.count("lost") == 21


def test_a_background_look_at_a_former_leader_that_has_let_go_of_more_lets_nothing_expire():
    """It has no fence, so nothing tells that the broker leads. Another leader's log starts elsewhere."""
    world = World()
    world.produce(10)
    world.read()
    world.rechecks.background(PARTITION, 0, 10, world.now())
    [command] = world.ask()
    world.produce(5)
    world.hand_in(replace(world.look(command), start=20, position=20, log_start=20, sightings=()))
    assert world.count("expired") == 0
    world.read()
    world.judge()
    assert world.count("verified") == world.count("sent")


def test_what_became_of_a_copy_that_was_cut_says_nothing_of_the_one_that_was_acknowledged_elsewhere_since():
    """A client tries again after a truncation; retention takes the copy that was acknowledged before it is read."""
    world = World()
    world.produce(4)
    (again,) = world.send(1)
    world.append(again)
    world.read()  # at 4, and nobody has acknowledged it
    world.truncate(1)
    world.append(again)
    world.ack((again, 1, 1))
    world.retain_from(2)
    world.produce(5)
    world.read()  # another stands at 4 now, which proves that the first copy was cut
    world.settle()
    assert world.state_of(again) is State.EXPIRED
    assert world.lost == mine(world, [1, 2, 3])


def test_what_is_written_below_where_a_former_log_started_is_found():
    """A leader that nobody followed had lost the beginning of its log, and sent the reader to where that began."""
    world = World()
    world.produce(20)
    world.read(10)
    world.ledger.said_to_start_at(18)
    world.ledger.reposition(18)
    world.drain()
    late, following = world.send(2), world.send(4)
    world.give_up(late.start, len(late))
    world.truncate(15)
    world.append(*late, *following)
    world.read()
    world.settle()
    assert (world.count("present"), world.count("absent")) == (len(late), 0)
