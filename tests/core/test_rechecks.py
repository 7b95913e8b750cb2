"""When a fresh reader is asked, how often, and what becomes of its answer."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tests.core.ledger_world import FOREIGN, MARGIN, PARTITION, Entry, World, mine

from kafka_sentinel.core.events import RecheckFailed
from kafka_sentinel.core.ledger import CopySighted, Regressed, Suspected
from kafka_sentinel.core.questions import ORDER, Question
from kafka_sentinel.core.rechecks import ANSWER_TIMEOUT, MAX_ASKED, MAX_LOOKS, MAX_WAITING, Purpose, Rechecks
from kafka_sentinel.core.types import Instant, ProbePartition


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


# --- which question a suspicion joins


OTHER = ProbePartition(PARTITION.acks, 1)


def desk() -> tuple[World, World, Rechecks]:
    """Two partitions, the second without anything to it."""
    world, other = World(), World()
    return world, other, Rechecks({PARTITION: world.ledger, OTHER: other.ledger}, margin=0)


def at(mono: float) -> Instant:
    return Instant(mono, 0.0)


def of(partition: ProbePartition, first: int = 0, low: int = 0) -> Suspected:
    return Suspected(partition, 1, first, 1, low, True, 0, "for the test")


def went_back(partition: ProbePartition, divergence: int, *, proved: bool = True) -> Regressed:
    return Regressed(partition, divergence, None, at(0), proved)


def test_questions_have_numbers_of_their_own_that_are_no_keys_of_other_fences():
    _, _, rechecks = desk()
    for _ in range(3):
        rechecks.background(PARTITION, 0, 9, at(1))
    numbers = [each.number for each in rechecks.open_questions]
    for each in rechecks.tick(at(2)):
        rechecks.failed(RecheckFailed(at(3), each.recheck, PARTITION, "no leader"))
    rechecks.background(PARTITION, 0, 9, at(4))
    numbers += [each.number for each in rechecks.open_questions]
    assert len(numbers) == 7
    assert numbers == sorted(set(numbers))
    assert numbers[0] > 0


def test_suspicions_of_one_partition_and_one_topic_are_one_question_while_it_waits():
    world, other, rechecks = desk()
    world.ledger.position = other.ledger.position = 10
    rechecks.incident("an incident", PARTITION, 9, at(1))
    for index in range(2):
        for partition in (PARTITION, OTHER):
            for gone in (False, True):
                rechecks.suspect(of(partition, index, low=7 - index), at(1 + index), topic_gone=gone)
    asked = [each for each in rechecks.open_questions if each.purpose is Purpose.SUSPICION]
    assert len(asked) == 4
    assert {(each.partition, each.topic_gone) for each in asked} == {
        (partition, gone) for partition in (PARTITION, OTHER) for gone in (False, True)
    }
    for each in asked:
        assert [suspicion.suspected.first for suspicion in each.suspicions] == [0, 1]
        assert (each.low, each.opened) == (6, at(2))


@pytest.mark.parametrize(("position", "low"), [(None, 0), (4, 4), (7, 7), (9, 7)])
def test_a_suspicion_is_looked_into_from_where_the_verifier_stands_if_that_is_lower(position, low):
    world, _, rechecks = desk()
    world.ledger.position = position
    rechecks.suspect(of(PARTITION, low=7), at(1))
    [question] = rechecks.open_questions
    assert question.low == low


def test_where_it_was_acknowledged_at_all_is_looked_for_in_the_whole_log():
    world, _, rechecks = desk()
    world.ledger.position = 4
    world.ledger.own.inferred.add(0, 1)
    rechecks.suspect(of(PARTITION, low=7), at(1))
    assert [question.low for question in rechecks.open_questions] == [0]


def test_a_suspicion_of_a_run_that_was_let_go_meanwhile_is_looked_into():
    world, _, rechecks = desk()
    world.ledger.position = 4
    rechecks.suspect(replace(of(PARTITION, low=7), run=99), at(1))
    assert [question.low for question in rechecks.open_questions] == [4]


def test_a_question_that_was_asked_is_joined_no_more():
    world, _, rechecks = desk()
    rechecks.suspect(of(PARTITION), at(1))
    world.mono = 2
    world.produce(1)
    (command,) = rechecks.tick(at(3))
    rechecks.suspect(of(PARTITION, 1), at(1))
    assert [len(each.suspicions) for each in rechecks.open_questions] == [1, 1]
    assert command.recheck == rechecks.open_questions[0].number


@pytest.mark.parametrize(("joins_at", "joins"), [(1.0, True), (0.5, True), (2.5, False)])
def test_a_question_whose_fence_is_on_its_way_is_joined_only_by_what_is_no_younger(joins_at, joins):
    world, _, rechecks = desk()
    rechecks.suspect(of(PARTITION), at(1))
    world.mono = 2
    sent = world.send(1)
    rechecks.suspect(of(PARTITION, 1), at(joins_at))
    assert [len(each.suspicions) for each in rechecks.open_questions] == ([2] if joins else [1, 1])
    world.ack((sent[0], 1, world.append(*sent)))
    assert [each.recheck for each in rechecks.tick(at(3))] == [1]  # its fence is the one that was on its way


def test_beyond_the_bound_the_youngest_question_is_joined_and_waits_for_a_younger_fence():
    world, _, rechecks = desk()
    sent = []
    for index in range(MAX_WAITING):
        rechecks.suspect(of(PARTITION, index), at(1 + 2 * index))
        world.mono = 2 + 2 * index
        sent.append(world.send(1)[0])
    rechecks.suspect(of(PARTITION, 99), at(50))
    assert [len(each.suspicions) for each in rechecks.open_questions] == [1] * (MAX_WAITING - 1) + [2]
    assert rechecks.open_questions[-1].opened == at(50)
    for sequence in sent:
        world.ack((sequence, 1, world.append(sequence)))
    assert [each.recheck for each in rechecks.tick(at(60))] == [1, 2, 3]
    world.mono = 70
    world.produce(1)
    assert [each.recheck for each in rechecks.tick(at(80))] == [4]


# --- the log goes backwards while questions are open


def test_a_regression_concerns_its_own_partition_and_the_deepest_is_what_raised_a_question():
    _, _, rechecks = desk()
    rechecks.suspect(of(PARTITION), at(1))
    rechecks.suspect(of(OTHER), at(1))
    rechecks.incident("an incident", PARTITION, 0, at(1))
    ours, others, incident = rechecks.open_questions
    five, three, same, seven = (went_back(PARTITION, divergence) for divergence in (5, 3, 3, 7))
    for regression, deepest in ((five, five), (three, three), (same, three), (seven, three)):
        rechecks.regressed(regression)
        assert ours.regressed is deepest
        assert ours.suspicions[0].went_back_to == deepest.divergence
    assert (others.regressed, others.suspicions[0].went_back_to, others.stale) == (None, None, False)
    assert incident.regressed is None


def test_what_only_a_reader_was_told_does_not_overrule_a_log_start():
    _, _, rechecks = desk()
    rechecks.suspect(of(PARTITION), at(1))
    told = went_back(PARTITION, 5, proved=False)
    rechecks.regressed(told)
    (question,) = rechecks.open_questions
    assert question.regressed is told
    assert question.suspicions[0].went_back_to is None


# --- copies


def test_a_look_for_copies_that_was_asked_is_not_widened_and_two_that_fail_become_one():
    world, _, rechecks = desk()
    world.ledger.position = 10
    rechecks.copies(CopySighted(PARTITION, 5, 10), at(1))
    (command,) = rechecks.tick(at(2))
    assert (command.start, command.end, command.fence) == (5, 10, None)
    rechecks.copies(CopySighted(PARTITION, 3, 20), at(3))
    assert rechecks.tick(at(4)) == []  # where it ends the verifier has not come yet
    assert [(each.low, each.high) for each in rechecks.open_questions] == [(5, 10), (3, 20)]
    rechecks.failed(RecheckFailed(at(5), command.recheck, PARTITION, "no leader"))
    assert [(each.low, each.high) for each in rechecks.open_questions] == [(3, 20)]


@pytest.mark.parametrize(("divergence", "left"), [(12, [(5, 10)]), (8, [(5, 8)]), (6, [(5, 6)]), (5, []), (2, [])])
def test_a_look_for_copies_is_cut_to_where_the_log_went_back_to(divergence, left):
    _, _, rechecks = desk()
    rechecks.copies(CopySighted(PARTITION, 5, 10), at(1))
    rechecks.regressed(went_back(OTHER, 0))
    rechecks.regressed(went_back(PARTITION, 0, proved=False))
    rechecks.regressed(went_back(PARTITION, divergence))
    assert [(each.low, each.high) for each in rechecks.open_questions] == left


def test_before_the_verifier_has_read_anything_no_copies_are_looked_for():
    world, _, rechecks = desk()
    rechecks.copies(CopySighted(PARTITION, 0, 1), at(1))
    assert world.ledger.position is None
    assert rechecks.tick(at(2)) == []
    world.ledger.position = 1
    assert len(rechecks.tick(at(3))) == 1


# --- time, and topics


def test_a_question_is_asked_again_after_pauses_that_grow_to_a_bound():
    world, _, rechecks = desk()
    rechecks.suspect(of(PARTITION), at(0))
    now, pauses = 0.0, []
    for _ in range(7):
        world.mono = now
        world.produce(1)
        (command,) = rechecks.tick(at(now))
        rechecks.failed(RecheckFailed(at(now), command.recheck, PARTITION, "no leader"))
        (question,) = rechecks.open_questions
        pauses.append(question.retry_at - now)
        world.mono = now
        world.produce(1)
        assert rechecks.tick(at(question.retry_at - 0.125)) == []
        now = question.retry_at  # at that very instant it is asked
    assert pauses == [0.25, 0.5, 1.0, 2.0, 4.0, 5.0, 5.0]


def test_an_answer_may_take_its_time_to_the_last_second():
    _, _, rechecks = desk()
    rechecks.background(PARTITION, 0, 9, at(1))
    (command,) = rechecks.tick(at(2))
    rechecks.tick(at(2 + ANSWER_TIMEOUT))
    assert [each.number for each in rechecks.open_questions] == [command.recheck]
    rechecks.tick(at(2 + ANSWER_TIMEOUT + 0.5))
    assert [each.number for each in rechecks.open_questions] != [command.recheck]


def test_only_what_ends_at_a_fence_waits_for_one_and_nobody_waits_for_what_was_asked_again():
    world, _, rechecks = desk()
    rechecks.background(PARTITION, 0, 9, at(1))
    rechecks.suspect(of(PARTITION), at(1))
    world.mono = 2
    world.produce(1)
    background, suspicion = (each.number for each in rechecks.open_questions)
    assert world.ledger.fences.ready(background) is None
    assert world.ledger.fences.ready(suspicion) is not None
    for command in rechecks.tick(at(3)):
        rechecks.failed(RecheckFailed(at(3), command.recheck, PARTITION, "no leader"))
    assert world.ledger.fences.ready(suspicion) is None
    assert {each.purpose: each.opened for each in rechecks.open_questions} == {
        Purpose.BACKGROUND: at(1),
        Purpose.SUSPICION: at(3),
    }
    world.mono = 4
    world.produce(1)
    for each in rechecks.open_questions:
        assert (world.ledger.fences.ready(each.number) is None) is (each.purpose is Purpose.BACKGROUND)


def test_of_a_partition_that_went_only_its_own_questions_go():
    _, _, rechecks = desk()
    for partition in (PARTITION, OTHER):
        rechecks.incident(f"of {partition.partition}", partition, 0, at(1))
        rechecks.background(partition, 0, 9, at(1))
    assert rechecks.forget_partition(PARTITION) == ["of 0"]
    assert [each.partition for each in rechecks.open_questions] == [OTHER, OTHER]


def test_what_was_asked_of_a_deleted_topic_is_asked_of_all_of_the_new_one():
    world, other, rechecks = desk()
    other.ledger.position = 10
    for partition in (PARTITION, OTHER):
        rechecks.suspect(of(partition, low=5), at(1))
        rechecks.incident("an incident", partition, 5, at(1))
        rechecks.copies(CopySighted(partition, 0, 5), at(1))
        rechecks.background(partition, 0, 9, at(1))
    others = [each for each in rechecks.open_questions if each.partition == OTHER]
    rechecks.topic_replaced(PARTITION, at(2))
    world.mono = 1.5
    world.produce(1)  # too early to be a fence
    left = [each for each in rechecks.open_questions if each.partition == PARTITION]
    assert [(each.purpose, each.low, each.topic_gone) for each in left] == [
        (Purpose.SUSPICION, 0, True),
        (Purpose.INCIDENT, 0, False),
    ]
    assert all(each.number > max(other.number for other in others) for each in left)
    assert [each for each in rechecks.open_questions if each.partition == OTHER] == others
    assert [(each.low, each.topic_gone, each.opened) for each in others[:2]] == [(5, False, at(1))] * 2


# --- what an answer leads to


def test_what_is_found_missing_besides_is_a_question_and_everything_else_is_left_to_the_ledger():
    world = suspicious()
    world.produce(1)
    (command,) = world.ask()
    number = command.recheck
    world.log[20] = None
    world.log[25] = world.log[24]
    world.retain_from(12)
    world.rechecks.done(world.look(command), topic_id=world.known_topic_id, ids_known=True)
    assert [type(each) for each in world.ledger.take_effects()] == [CopySighted]
    (question,) = world.rechecks.open_questions
    assert sorted(each.suspected.first for each in question.suspicions) == [20, 25]
    assert world.ledger.log_start == 12
    assert world.ledger.fences.ready(number) is None


def test_what_a_question_passes_on_does_not_displace_what_its_heir_had_and_what_is_cleared_is_not_asked():
    world, _, rechecks = desk()
    world.send(3)
    world.ack((0, 3, 0))
    world.ledger.take_effects()
    world.ledger.own.suspected.add(0)
    rechecks.suspect(of(PARTITION), at(1))
    (heir,) = rechecks.open_questions
    one, other = went_back(PARTITION, 5), went_back(PARTITION, 3)
    told = Question(99, Purpose.INCIDENT, PARTITION, 0, None, at(1), regressed=other, incident="other")
    for regressed, incident in ((None, None), (one, "an incident")):
        heir.regressed, heir.incident = regressed, incident
        world.ledger.effects = [of(PARTITION), of(PARTITION, 2), replace(of(PARTITION), run=99)]
        rechecks._follow_down(world.ledger, told, at(1))
        assert (heir.regressed, heir.incident) == ((other, "other") if regressed is None else (one, "an incident"))
    assert rechecks.open_questions == [heir]
    assert [each.suspected.first for each in heir.suspicions] == [0, 0, 0]
    assert world.ledger.effects == []
