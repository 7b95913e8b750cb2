"""What the producer was told, and what an acknowledgement says of the log."""

from __future__ import annotations

import pytest
from tests.core.ledger_world import FOREIGN, RECORD, US, Entry, World

from kafka_sentinel.core import outcomes
from kafka_sentinel.core.account import State
from kafka_sentinel.core.ledger import Regressed, Reposition, Suspected
from kafka_sentinel.core.suspicions import GiveUp
from kafka_sentinel.core.types import Instant, Sighting, Span


def at(mono: float) -> Instant:
    return Instant(mono, 0.0)


def raised(world: World, kind: type) -> list:
    return [each for each in world.ledger.take_effects() if isinstance(each, kind)]


def test_every_outcome_is_counted():
    world = World()
    world.send(30)
    ledger = world.ledger
    for first in (0, 1):
        ledger.rejected(1, first, 1)
    ledger.sight(Sighting(RECORD, 100, 1, 0, US, 1, 3))
    ledger.sight(Sighting(RECORD, 101, 1, 0, US, 1, 5))
    for first in (2, 5):
        ledger.uncertain(1, first, 3, at(5))
    for first in (8, 10):
        ledger.acked(1, (Span(first, 1, None), Span(first + 1, 1, None)), at(6 + first))
    assert {name: ledger.counted[name] for name in ("rejected", "uncertain", "present", "acked")} == {
        "rejected": 2,
        "uncertain": 6,
        "present": 2,
        "acked": 4,
    }
    assert ledger.last_ack_at == at(16)


def test_a_record_that_was_rejected_marks_no_place_and_the_next_one_does():
    world = World()
    world.ledger.fences.wait(9, at(0))
    world.send(1)
    world.ledger.rejected(1, 0, 1)
    world.produce(1)
    assert world.ledger.fences.ready(9).sequence == 1


# --- giving up


@pytest.mark.parametrize(
    ("run", "first", "mono", "joined"),
    [(1, 12, 5.9, True), (1, 12, 6.0, False), (1, 13, 5.9, False), (1, 8, 5.9, False), (2, 12, 5.9, False)],
)
def test_what_is_given_up_in_one_stretch_and_second_is_one_entry_of_the_later_instant(run, first, mono, joined):
    ledger = World().ledger
    other, one, next_one = GiveUp(7, 0, 1, at(5.1)), GiveUp(1, 10, 2, at(5.2)), GiveUp(run, first, 3, at(mono))
    for entry in (other, one, next_one):
        ledger._give_up(entry)
    assert ledger.give_ups == ([other, GiveUp(1, 10, 5, at(mono))] if joined else [other, one, next_one])


def test_too_many_are_one_for_each_run_as_if_given_up_only_now(monkeypatch):
    monkeypatch.setattr(outcomes, "MAX_GIVE_UPS", 4)
    ledger = World().ledger
    entries = [GiveUp(1, 10, 2, at(1)), GiveUp(2, 30, 1, at(2)), GiveUp(1, 20, 5, at(3)), GiveUp(2, 8, 3, at(4))]
    for entry in entries:
        ledger._give_up(entry)
    assert ledger.give_ups == entries
    ledger._give_up(GiveUp(1, 5, 1, at(9)))
    assert ledger.give_ups == [GiveUp(1, 5, 20, at(9)), GiveUp(2, 8, 23, at(9))]


# --- what an acknowledgement says


@pytest.mark.parametrize(("offset", "log_start"), [(4, 0), (5, 5), (6, 5)])
def test_one_below_the_log_start_says_that_the_log_starts_lower(offset, log_start):
    world = World()
    world.send(1)
    world.ledger.log_start = 5
    world.ack((0, 1, offset))
    assert world.ledger.log_start == log_start


def test_our_first_offset_is_that_of_the_present_run():
    world = World()
    world.send(3)
    world.ledger.start_run(2)
    world.ledger.acked(1, (Span(0, 1, 3),), world.now())
    assert world.ledger._own_floor is None
    world.run = 2
    world.ledger.sent(2, 0, 3, world.now())
    for sequence, offset, floor in ((0, 9, 9), (1, 7, 7), (2, 20, 7)):
        world.ledger.acked(2, (Span(sequence, 1, offset),), world.now())
        assert world.ledger._own_floor == floor


def test_only_the_part_below_where_the_verifier_is_was_passed_unseen():
    world = World()
    world.send(20)
    world.ledger.position = 5
    world.ledger.acked(1, (Span(12, 8, 50),), world.now())
    world.ledger.acked(1, (Span(0, 10, 2),), world.now())
    assert [(each.first, each.count, each.low) for each in raised(world, Suspected)] == [(0, 3, 2)]
    world.ledger.acked(1, (Span(10, 2, 4),), world.now())
    assert [(each.first, each.count, each.low) for each in raised(world, Suspected)] == [(10, 1, 4)]


def test_what_was_on_its_way_when_the_topic_was_made_anew_is_looked_for_in_all_of_the_new_one():
    world = World()
    world.send(9)
    world.ledger.recreated()
    world.ledger.take_effects()
    for first in (0, 4):
        world.ledger.acked(1, (Span(first, 2, 100),), world.now())
        suspected = raised(world, Suspected)
        assert [(each.first, each.count, each.low, each.placed) for each in suspected] == [(first, 2, 0, False)]
    assert world.ledger.counted["acked"] == 4
    assert len(world.ledger.own.positions) == 0


# --- the log goes backwards


def known_to_stand_up_to(world: World, offset: int, *batches: int) -> None:
    """Send batches that were each begun when that was known."""
    world.ledger.highest_acked = offset
    for count in batches:
        world.send(count)


@pytest.mark.parametrize(
    ("span", "went_back_to", "by"),
    [
        ((0, 4, 8), [10], 2),  # the second of two sends came to stand where something had stood
        ((0, 4, 9), [], None),
        ((2, 2, 10), [10], 2),
        ((3, 1, 10), [10], 3),
        ((3, 1, 11), [], None),
    ],
)
def test_a_send_that_comes_to_stand_where_something_stood_when_it_began_proves_that_the_log_went_back(
    span, went_back_to, by
):
    world = World()
    world.send(2)
    known_to_stand_up_to(world, 10, 2)
    world.ledger.acked(1, (Span(*span),), world.now())
    assert [each.divergence for each in raised(world, Regressed)] == went_back_to
    if by is not None:
        assert world.ledger._cut_by == (1, by)


def test_one_acknowledgement_proves_it_once():
    world = World()
    known_to_stand_up_to(world, 10, 2)
    known_to_stand_up_to(world, 20, 2)
    world.ledger.acked(1, (Span(0, 4, 8),), world.now())
    assert [each.divergence for each in raised(world, Regressed)] == [8]


def test_whoever_is_told_of_it_first_is_confirmed_by_what_proves_it_no_lower():
    for divergence, confirms in ((5, True), (7, True), (4, False)):
        world = World()
        world.ledger.position = 100
        world.ledger.regressed(5, world.now())
        world.ledger.regressed(divergence, world.now(), known_to=50)
        world.ledger.regressed(divergence, world.now(), known_to=50)
        told = raised(world, Regressed)
        assert [(each.proved, each.confirms) for each in told] == [(False, False), (True, confirms), (True, False)]
    world = World()
    world.ledger.regressed(5, world.now())
    world.ledger.regressed(7, world.now())
    assert [each.confirms for each in raised(world, Regressed)] == [False, False]


def test_what_was_read_since_is_what_was_read_since_the_last_one_that_was_news():
    ledger = World().ledger
    now = World().now()
    for divergence, told, expected in (
        (50, {"known_to": 99}, (50, 50)),
        (40, {"known_to": 99, "again": True}, (40, 50)),
        (45, {"known_to": 99, "again": True}, (40, 50)),
        (60, {"known_to": 99}, (60, 60)),
        (30, {}, (30, 30)),
        (35, {"known_to": 99}, (30, 30)),  # that is what a reader was told
        (36, {"known_to": 99}, (36, 36)),
    ):
        ledger.regressed(divergence, now, **told)
        assert (ledger._went_back_to, ledger._read_since) == expected


def test_a_second_sign_of_the_same_truncation_proves_nothing_of_what_was_written_after_it():
    world = World()
    world.send(100)
    world.ack((0, 100, 0))
    world.ledger.regressed(50, world.now(), known_to=99)
    assert world.ledger.own.rewound.spans() == [(50, 50)]
    world.send(10)
    world.ledger.acked(1, (Span(100, 10, 50),), world.now())
    world.ledger.regressed(40, world.now(), known_to=99, again=True)
    assert world.ledger.own.rewound.spans() == [(40, 60)]
    assert world.ledger.own.suspected.spans() == [(40, 70)]
    world.ledger.regressed(40, world.now(), known_to=54)
    assert world.ledger.own.rewound.spans() == [(40, 65)]


@pytest.mark.parametrize(
    ("position", "sent_to"), [(None, [0]), (11, [10]), (10, []), (9, [])], ids=["unread", "above", "there", "below"]
)
def test_the_verifier_goes_back_to_where_the_log_went_back_to(position, sent_to):
    world = World()
    world.ledger.position = position
    world.ledger.regressed(10, world.now())
    assert [each.offset for each in raised(world, Reposition)] == sent_to


def test_another_sign_of_the_same_truncation_does_not_take_back_what_was_counted_since():
    world = World()
    world.ledger._count_from = world.ledger._counted_to = 80
    world.ledger.regressed(50, world.now(), known_to=60, again=True)
    assert (world.ledger._count_from, world.ledger._counted_to) == (50, 80)


def test_what_was_known_above_is_known_no_more():
    world = World()
    world.ledger.fences.wait(1, at(0))
    world.send(1)
    world.ack((0, 1, 40))
    world.ledger.fences.wait(2, at(0))
    world.send(1)
    world.ack((1, 1, 50))
    under_way = world.send(5)
    account = world.ledger.own
    account.read_to, account.earlier = 100, (100, 5)
    world.ledger._count_from = world.ledger._counted_to = 80
    world.ledger.regressed(100, world.now(), known_to=100)
    assert account.earlier == (100, 5)
    world.ledger.regressed(50, world.now(), known_to=60)
    assert (account.read_to, account.earlier) == (50, (0, -1))
    assert world.ledger.highest_acked == 49
    assert (world.ledger._count_from, world.ledger._counted_to) == (50, 50)
    assert world.ledger.fences.ready(1) is not None
    assert world.ledger.fences.ready(2) is None
    world.ledger.take_effects()
    world.ledger.acked(1, (Span(under_way[0], 5, 50),), world.now())
    assert raised(world, Regressed) == []
    account.read_to = 100
    world.ledger.regressed(70, world.now(), known_to=80)
    assert (account.read_to, world.ledger._count_from) == (70, 50)


def test_foreign_records_above_are_counted_again_and_those_below_are_not():
    world = World()
    world.put(*[Entry(FOREIGN)] * 6)
    world.read()
    after = world.restart(state=world.saved())
    after.ledger.regressed(4, after.now(), known_to=5)
    after.ledger.sight(Sighting(FOREIGN, 2, 4, 1))
    assert after.ledger.counted["foreign"] == 2
    assert after.ledger.own.count(State.AWAITING) == 0
