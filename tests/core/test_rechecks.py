"""When a fresh reader is asked, how often, and what becomes of its answer."""

from __future__ import annotations

from dataclasses import replace

from tests.core.ledger_world import FOREIGN, MARGIN, PARTITION, Entry, World, mine

from kafka_sentinel.core.ledger import CopySighted
from kafka_sentinel.core.questions import ORDER
from kafka_sentinel.core.rechecks import ANSWER_TIMEOUT, MAX_ASKED, MAX_LOOKS, MAX_WAITING, Purpose, Rechecks
from kafka_sentinel.core.types import ProbePartition


def suspicious(*, count: int = 50, divergence: int = 30) -> World:
    """A false alarm: the records from `divergence` on are suspected, and all stand."""
    world = World()
    world.produce(count)
    world.read()
    world.ledger.regressed(divergence, world.now())
    world.drain()
    return world


def test_nothing_is_asked_before_a_record_sent_afterwards_is_acknowledged():
    world = suspicious()
    assert world.ask() == []
    sent = world.send(1)
    assert world.ask() == []
    world.ack((sent.start, 1, world.append(*sent)))
    (command,) = world.ask()
    assert (command.start, command.end) == (30 - MARGIN, 51)
    assert command.fence.sequence == sent.start
    assert world.ask() == []


def test_an_invalid_answer_is_asked_again_with_a_later_fence_and_a_growing_pause():
    world = suspicious()
    fences, pauses = [], []
    for _ in range(7):
        world.produce(1)
        waited = 0
        while not (commands := world.ask()):
            waited += 1
            world.wait(0.05)
            assert waited < 200
        (command,) = commands
        fences.append(command.fence.offset)
        pauses.append(waited)
        world.hand_in(replace(world.look(command), topic_id=None))
    assert fences == sorted(set(fences))
    assert pauses[1] < pauses[4] <= pauses[6] + 1
    world.judge()
    assert world.losses == []


def test_a_failure_is_asked_again_and_a_suspicion_never_dropped():
    world = suspicious()
    for _ in range(20):
        world.produce(1)
        world.wait(10)
        for command in world.ask():
            world.fail(command)
    assert world.count("suspected") == 20
    world.judge()
    assert world.count("suspected") == 0


def test_an_answer_that_never_comes_is_asked_again_and_then_not_taken_for_the_new_one():
    world = suspicious()
    world.produce(1)
    (first,) = world.ask()
    late = world.look(first)
    world.wait(ANSWER_TIMEOUT + 1)
    assert world.ask() == []
    world.produce(1)
    world.wait(10)
    (second,) = world.ask()
    assert second.recheck != first.recheck
    assert world.hand_in(late) is None
    assert world.hand_in(world.look(second)) is not None


def test_an_unknown_answer_is_ignored():
    world = suspicious()
    world.produce(1)
    (command,) = world.ask()
    answer = world.look(command)
    world.hand_in(answer)
    assert world.hand_in(answer) is None
    world.fail(command)
    assert world.rechecks.open_questions == []


def test_a_stream_of_suspicions_does_not_postpone_the_question_for_ever():
    """Each event brings another one, faster than the fences are acknowledged."""
    world = World()
    world.produce(60)
    world.read()
    asked, acknowledged = [], []
    for index in range(60, 0, -1):
        world.ledger.regressed(index - 1, world.now())
        world.drain()
        acknowledged.append(world.send(1))
        if len(acknowledged) > 5:
            sent = acknowledged.pop(0)
            world.ack((sent.start, 1, world.append(*sent)))
        asked += world.ask()
        waiting = [q for q in world.rechecks.open_questions if q.asked_at is None]
        assert len(waiting) <= MAX_WAITING
    assert asked


def test_questions_under_way_are_bounded_and_the_background_comes_last():
    partitions = [ProbePartition(PARTITION.acks, index) for index in range(MAX_ASKED + 5)]
    worlds = [suspicious() for _ in partitions]
    for world in worlds:
        world.produce(1)
    rechecks = Rechecks({name: world.ledger for name, world in zip(partitions, worlds, strict=True)}, margin=0)
    now = worlds[0].now()
    for name in partitions:
        rechecks.background(name, 0, 10, now)
    for name, world in zip(partitions[:3], worlds, strict=False):
        rechecks.copies(CopySighted(name, 3, 9), world.now())
    commands = rechecks.tick(now)
    assert len(commands) == MAX_ASKED
    purposes = [q.purpose for q in rechecks.open_questions if q.asked_at is not None]
    assert purposes.count(Purpose.COPIES) == 3
    assert rechecks.tick(now) == []


def test_copies_sighted_close_to_each_other_are_one_question():
    world = World()
    world.produce(30)
    world.read()
    world.rechecks.copies(CopySighted(PARTITION, 10, 15), world.now())
    world.rechecks.copies(CopySighted(PARTITION, 5, 12), world.now())
    (command,) = world.ask()
    assert (command.start, command.end, command.fence) == (0, 15, None)


def test_a_background_recheck_is_dropped_after_some_failures():
    world = World()
    world.produce(30)
    world.read()
    world.rechecks.background(PARTITION, 0, 30, world.now())
    failures = 0
    while world.rechecks.open_questions:
        world.wait(10)
        for command in world.ask():
            world.fail(command)
            failures += 1
    assert failures == MAX_LOOKS


def test_a_copy_that_was_met_is_counted_however_often_the_look_for_it_fails():
    """No other re-read need ever see both places: stretches of the background recheck may be shorter."""
    world = World()
    world.produce(30)
    world.append(*range(5))
    world.read()
    for _ in range(5 * MAX_LOOKS):
        world.wait(10)
        for command in world.ask():
            world.fail(command)
    world.judge()
    assert world.ledger.counted["duplicated"] == 5


def test_looks_for_copies_that_fail_are_one_question_afterwards():
    world = World()
    world.produce(30)
    world.read()
    for low in range(20, 0, -1):
        world.rechecks.copies(CopySighted(PARTITION, low, low + 8), world.now())
        world.wait(10)
        for command in world.ask():
            world.rechecks.copies(CopySighted(PARTITION, 0, 9), world.now())
            world.fail(command)
    assert [(each.purpose, each.low, each.high) for each in world.rechecks.open_questions] == [(Purpose.COPIES, 0, 28)]


def test_a_look_for_copies_ends_where_the_log_went_back_to():
    world = World()
    world.produce(20)
    world.append(*range(5))
    world.produce(5)
    world.read()
    (command,) = world.ask()
    world.rechecks.copies(CopySighted(PARTITION, 23, 25), world.now())
    world.truncate(22)
    world.produce(1)
    looks = [each for each in world.rechecks.open_questions if each.purpose is Purpose.COPIES]
    assert [(each.low, each.high) for each in looks] == [(0, 22)]
    world.fail(command)
    world.judge()
    assert world.ledger.counted["duplicated"] == 2


def test_a_look_for_copies_waits_until_the_verifier_has_come_there_again():
    world = World()
    world.produce(30)
    world.read()
    world.rechecks.copies(CopySighted(PARTITION, 10, 25), world.now())
    world.ledger.regressed(20, world.now())  # a leader that has been replaced says that the log ends there
    world.drain()
    assert world.ask() == []
    world.read()
    (command,) = world.ask()
    assert (command.end, command.fence) == (25, None)


def test_a_topic_made_anew_closes_looks_and_keeps_suspicions_and_incidents():
    world = suspicious()
    world.rechecks.background(PARTITION, 0, 10, world.now())
    world.rechecks.copies(CopySighted(PARTITION, 0, 10), world.now())
    world.rechecks.incident("an incident", PARTITION, 0, world.now())
    world.recreate_topic()
    world.notice_new_topic()
    kept = {question.purpose for question in world.rechecks.open_questions}
    assert kept == {Purpose.SUSPICION, Purpose.INCIDENT}
    world.judge()
    assert world.losses == []


def test_an_incidents_recheck_reaches_from_below_its_range_to_a_fence():
    world = World()
    world.produce(50)
    world.read()
    world.rechecks.incident("an incident", PARTITION, 40, world.now())
    world.produce(3)
    (command,) = world.ask()
    assert command.start == 40 - MARGIN
    assert command.end == 51
    answered = world.hand_in(world.look(command))
    assert answered.question.incident == "an incident"
    assert answered.losses == ()


def test_what_a_recheck_finds_missing_besides_is_judged_by_another_that_reaches_lower():
    world = World()
    world.produce(200)
    world.read()
    world.truncate(100)
    world.put(*[Entry(FOREIGN, epoch=world.epoch)] * 90)
    world.produce(5)  # the first backward acknowledgement: 90 offsets above the divergence
    world.judge()
    assert world.lost == mine(world, range(100, 200))
    starts = [command.start for command in world.asked]
    assert starts == sorted(starts, reverse=True)
    assert starts[-1] <= 100
    assert {answer.question.regressed.divergence for answer in world.answers if answer.losses} == {190}


def test_questions_of_a_partition_that_is_started_over_are_forgotten_with_the_incidents_they_belong_to():
    world = suspicious()
    world.rechecks.incident("an incident", PARTITION, 40, world.now())
    assert world.rechecks.forget_partition(PARTITION) == ["an incident"]
    assert world.rechecks.open_questions == []
    assert ORDER[Purpose.SUSPICION] < ORDER[Purpose.BACKGROUND]
