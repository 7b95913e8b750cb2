"""What a ledger takes in of what readers hand it, and what it does not."""

from __future__ import annotations

import pytest
from tests.core.ledger_world import CORRUPTED, FOREIGN, RECORD, THEM, US, Entry, World

from kafka_sentinel.core import book
from kafka_sentinel.core.account import State
from kafka_sentinel.core.ledger import CopySighted, Reposition, Suspected
from kafka_sentinel.core.logview import Answer, Standing
from kafka_sentinel.core.ranges import Piece
from kafka_sentinel.core.types import Claims, Sighting, SightingKind
from kafka_sentinel.core.witness import _cut


def sent_back_to(world: World) -> list[int]:
    return [effect.offset for effect in world.ledger.take_effects() if isinstance(effect, Reposition)]


def test_a_batch_that_skips_something_is_not_taken_and_the_reader_is_sent_back_once():
    world = World()
    world.produce(30)
    world.read(5)
    assert world.ledger.read(10, 20, world.sightings(10, 20)) is False
    assert sent_back_to(world) == [5]
    assert world.ledger.read(20, 25, world.sightings(20, 25)) is False  # on its way since before
    assert sent_back_to(world) == []
    assert world.count("verified") == 5
    assert world.ledger.read(5, 12, world.sightings(5, 12)) is True
    assert world.ledger.read(15, 20, world.sightings(15, 20)) is False
    assert sent_back_to(world) == [12]
    assert world.count("verified") == 12


def test_where_this_process_began_to_read_stays_where_it_was():
    world = World()
    world.produce(9)
    world.ledger.read(4, 6, world.sightings(4, 6))
    world.ledger.read(6, 9, world.sightings(6, 9))
    assert (world.ledger.first_read, world.ledger.position) == (4, 9)


def test_a_recheck_tells_of_everything_and_the_view_follows_only_as_far_as_the_verifier_has_come():
    world = World()
    world.produce(6)
    world.put(Entry(FOREIGN))
    world.produce(3)
    answer = world.ledger.reread(0, 10, world.sightings(0, 10))
    assert answer.end == 10
    assert world.ledger.log.end == 0  # nothing was read yet
    assert world.ledger.counted["foreign"] == 0
    world.read(3)
    world.ledger.reread(0, 10, world.sightings(0, 10))
    assert world.ledger.log.end == 3
    assert world.count("verified") == 3
    world.read()
    assert world.count("verified") == 9
    assert world.ledger.counted["foreign"] == 1


def test_a_recheck_of_a_part_says_nothing_of_what_is_above_it_or_below_the_log_start():
    world = World()
    world.produce(10)
    world.read()
    world.ledger.reread(0, 4, world.sightings(0, 4))
    assert world.ledger.take_effects() == []
    world.ledger.log_starts_at(3)
    world.ledger.reread(0, 6, world.sightings(0, 6))
    assert (world.ledger.log.lowest, world.ledger.log.end) == (3, 10)


@pytest.mark.parametrize("fenced", [True, False])
def test_what_a_fresh_reader_did_not_find_is_suspected_where_it_stood_with_a_fence_or_without(fenced):
    world = World()
    world.produce(3)
    world.put(Entry(FOREIGN))
    world.produce(7)
    world.read()
    world.ledger.reread(0, 11, world.sightings(0, 7), fenced=fenced)
    effects = [effect for effect in world.ledger.take_effects() if isinstance(effect, Suspected)]
    assert [(each.first, each.count, each.low) for each in effects] == [(6, 4, 7)]
    assert world.ledger.log.end == 7


def effects(world: World, kind: type) -> list:
    return [effect for effect in world.ledger.take_effects() if isinstance(effect, kind)]


# --- what a fresh reader tells is cut to what the verifier has come to


@pytest.mark.parametrize(
    ("log_start", "position", "view"), [(0, 4, (0, 4)), (2, 7, (2, 7)), (3, 3, None), (5, 2, None)]
)
@pytest.mark.parametrize("fenced", [True, False])
def test_the_view_is_cut_to_what_lies_between_the_log_start_and_the_verifier(log_start, position, view, fenced):
    world = World()
    world.produce(10)
    shown = (*world.sightings(0, 3), *world.sightings(3, 10))
    world.ledger.position, world.ledger.log_start = position, log_start
    world.ledger.reread(0, 10, shown, fenced=fenced)
    expected = [] if view is None else [(view[0], view[1] - view[0])]
    assert [(first, count) for first, count, _ in world.ledger.log] == expected
    assert [value.sequence for _, _, value in world.ledger.log] == ([] if view is None else [view[0]])


def test_what_a_fresh_reader_does_not_show_any_more_leaves_the_view_only_with_a_fence():
    for fenced in (True, False):
        world = World()
        world.put(Entry(FOREIGN), Entry(FOREIGN), Entry(FOREIGN))
        world.read()
        world.ledger.reread(0, 3, world.sightings(0, 1), fenced=fenced)
        assert world.ledger.log.end == (1 if fenced else 3)


@pytest.mark.parametrize("fenced", [True, False])
def test_a_re_read_keeps_the_view_within_its_bound(monkeypatch, fenced):
    monkeypatch.setattr(book, "MAX_INTERVALS", 4)
    world = World()
    world.put(*[entry for _ in range(6) for entry in (Entry(FOREIGN), None)])
    world.ledger.position = 12
    world.ledger.reread(0, 12, world.sightings(0, 12), fenced=fenced)
    assert world.ledger.log.intervals <= 4
    assert world.ledger.log.end == 11


def test_claims_are_those_of_the_last_record_and_go_with_it():
    whole = Sighting(RECORD, 10, 6, 2, US, 1, 40, 5.0, Claims(0, 40, ()))
    assert _cut(whole, 12, 99) == whole._replace(offset=12, count=4, first=42)
    assert _cut(whole, 0, 14) == whole._replace(count=4, claims=None)
    assert _cut(whole, 10, 16) == whole
    assert _cut(Sighting(FOREIGN, 10, 6, 2), 12, 14) == Sighting(FOREIGN, 12, 2, 2)


# --- what is missing may be damaged


def test_what_was_damaged_before_it_was_read_is_told_by_its_place_wherever_the_log_begins():
    """Sequences and offsets differ, and of the damaged stretch only a part is theirs."""
    world = World()
    world.put(Entry(FOREIGN), Entry(FOREIGN), Entry(FOREIGN))
    world.produce(8)
    world.log[5:8] = [Entry(CORRUPTED)] * 3
    world.read()
    assert world.ledger.own.sets[State.CORRUPTED].spans() == [(2, 3)]
    assert world.ledger.counted["acked_corrupted"] == 3
    assert len(world.ledger.own.suspected) == 0


def test_what_is_found_to_be_damaged_is_suspected_no_more():
    world = World()
    world.produce(8)
    world.read(2)
    world.ledger.own.suspected.add(3, 2)
    world.ledger.damaged(world.run, 3, 2)
    assert len(world.ledger.own.suspected) == 0
    assert world.ledger.own.sets[State.CORRUPTED].spans() == [(3, 2)]


def test_what_was_verified_is_not_called_damaged_and_stays_suspected():
    world = World()
    world.produce(8)
    world.read()
    world.ledger.own.suspected.add(3, 2)
    world.ledger.damaged(world.run, 3, 2)
    assert world.ledger.own.suspected.spans() == [(3, 2)]
    assert world.ledger.own.sets[State.VERIFIED].spans() == [(0, 8)]


def record(offset, sequence, epoch=2, run=1) -> Sighting:
    return Sighting(RECORD, offset, 1, epoch, US, run, sequence)


def damaged(offset, count=1, epoch=2) -> Sighting:
    return Sighting(CORRUPTED, offset, count, epoch)


FOREIGN_BELOW, FOREIGN_ABOVE = Sighting(FOREIGN, 9, 1, 2), Sighting(FOREIGN, 11, 1, 2)
BELOW, ABOVE = record(9, 4), record(11, 6)  # as they stand if sequence 5 is at offset 10


@pytest.mark.parametrize(
    ("shown", "known", "inferred"),
    [
        ((BELOW, damaged(10), ABOVE), True, True),
        ((BELOW, damaged(10)), True, True),
        ((damaged(10), ABOVE), True, True),
        ((damaged(10),), False, False),  # nobody says so
        ((BELOW, ABOVE), False, False),  # nothing is damaged
        ((FOREIGN_BELOW, damaged(10), FOREIGN_ABOVE), False, False),
        ((BELOW, damaged(10), FOREIGN_ABOVE), True, True),
        ((record(9, 3), damaged(10), ABOVE), True, True),  # the one above says so; nothing is known of offset 9
        ((record(9, 4, run=2), damaged(10)), False, False),
        ((record(9, 4, epoch=1), damaged(10), ABOVE), True, False),  # epochs rise along the log
        ((record(9, 4, epoch=1), damaged(10)), False, False),  # and may have been cut there
        ((BELOW, damaged(10), record(11, 6, epoch=3)), True, False),
        ((record(9, 4, epoch=3), damaged(10), ABOVE), False, False),  # they never fall: this was read at another time
        ((BELOW, damaged(10), record(11, 6, epoch=1)), False, False),
        ((BELOW, damaged(10), ABOVE, record(12, 3)), True, False),  # an earlier one above: the order was broken
        ((record(8, 3), BELOW, damaged(10), ABOVE), True, True),
        ((record(8, 3), damaged(9), damaged(10), damaged(11), record(12, 7)), True, True),
        ((record(8, 3), damaged(9), damaged(10), damaged(11)), True, True),
        ((damaged(9), damaged(10), damaged(11), record(12, 7)), True, True),
        ((record(7, 2), damaged(8), damaged(9), damaged(10), damaged(11), damaged(12), record(13, 8)), True, True),
        ((record(7, 1), damaged(8), damaged(9), damaged(10), damaged(11), damaged(12), record(13, 9)), False, False),
    ],
)
def test_what_stands_beside_a_damaged_record_says_whether_it_is_the_missing_one(shown, known, inferred):
    ledger = World().ledger
    view, piece = Answer(shown, US), Piece(5, 1, 10)
    assert ledger.corroborated(ledger.own, piece, view) is known
    assert ledger.corroborated(ledger.own, piece, view, inferred=True) is inferred


@pytest.mark.parametrize("beside", [FOREIGN_BELOW, record(9, 99), FOREIGN_ABOVE, record(11, 99)])
def test_where_a_neighbour_that_was_acknowledged_is_gone_the_damaged_record_is_not_the_missing_one(beside):
    ledger = World().ledger
    ledger.own.positions.set(3, 5, 8)
    shown = sorted([beside, damaged(10), *([ABOVE] if beside.offset == 9 else [BELOW])], key=lambda each: each.offset)
    assert ledger.corroborated(ledger.own, Piece(5, 1, 10), Answer(tuple(shown), US)) is False


# --- what stands at an offset already, and what is new there


@pytest.mark.parametrize(
    ("before", "after", "conflicting"),
    [
        (FOREIGN_BELOW, CORRUPTED, 1),
        (FOREIGN_BELOW._replace(leader_epoch=-1), CORRUPTED, 0),
        (FOREIGN_BELOW._replace(leader_epoch=1), CORRUPTED, 0),
    ],
)
def test_two_contents_of_one_epoch_conflict_if_the_epoch_is_known(before, after, conflicting):
    ledger = World().ledger
    for _ in range(2):  # each time that is told anew
        ledger.sight(before)
        ledger.sight(Sighting(after, 9, 1, 2 if before.leader_epoch != -1 else -1))
    assert ledger.counted["conflicting"] == 2 * conflicting + (1 if conflicting else 0)


def test_a_record_in_another_epoch_is_the_same_and_its_epoch_is_that_which_was_read_last():
    world = World()
    world.send(5)
    world.ledger.sight(Sighting(RECORD, 9, 5, 1, US, 1, 0))
    world.ack((0, 5, 9))
    for epoch in (3, 2):
        world.ledger.sight(Sighting(RECORD, 9, 5, epoch, US, 1, 0))
        assert [(first, count, value.leader_epoch) for first, count, value in world.ledger.log] == [(9, 5, epoch)]
    assert world.ledger.take_effects() == []


def test_of_another_live_sentinel_of_our_name_only_what_we_have_not_sent_is_its_own():
    world = World()
    world.produce(3)
    world.read()
    for _ in range(2):
        world.ledger.sight(Sighting(RECORD, 3, 4, 0, US, 99, 0))
        world.ledger.sight(Sighting(RECORD, 10, 2, 0, US, 99, 4))
    assert (world.ledger.counted["namesake"], world.ledger.counted["foreign"]) == (6, 6)
    namesake = (SightingKind.FOREIGN, 99, 0, 0)
    assert [(f, c, tuple(v)) for f, c, v in world.ledger.log][1:] == [(3, 4, namesake), (10, 2, namesake)]


def test_a_run_that_claims_more_than_it_is_known_to_have_sent_above_our_first_is_a_namesake_in_that_part():
    world = World()
    world.produce(3)
    after = world.restart(state=world.saved())
    after.read()
    after.produce(1)
    after.read()
    after.ledger.sight(Sighting(RECORD, 20, 5, 0, US, 1, 1))
    standing = [(f, c, v.kind, v.run, v.sequence) for f, c, v in after.ledger.log][-2:]
    assert standing == [(20, 2, RECORD, 1, 1), (22, 3, FOREIGN, 1, 0)]
    assert after.ledger.counted["namesake"] == 3
    assert after.ledger.accounts[1].twice.spans() == [(1, 2)]
    after.ledger.sight(Sighting(RECORD, 30, 1, 0, US, 1, 0))  # it may come without what it claims
    assert after.ledger.accounts[1].twice.spans() == [(0, 3)]


def test_only_of_an_ended_run_are_claims_believed():
    world = World()
    world.send(4)
    world.give_up(0, 3)
    world.ledger.sight(Sighting(RECORD, 0, 1, 0, US, 1, 3, 0.0, Claims(0, 3, ())))
    assert world.ledger.own.sets[State.UNCERTAIN].spans() == [(0, 3)]
    after = world.restart(state=world.saved())
    claiming = Sighting(RECORD, 0, 1, 0, US, 1, 3, 0.0, Claims(0, 3, ()))
    after.ledger.sight(claiming._replace(instance=THEM))
    assert after.ledger.accounts[1].sets[State.AWAITING].spans() == []
    after.ledger.sight(claiming)
    assert after.ledger.accounts[1].sets[State.AWAITING].spans() == [(0, 3)]


@pytest.mark.parametrize("log_start", [3, 4, 9])
def test_what_a_re_read_shows_below_the_log_start_is_not_heard(log_start):
    world = World()
    world.send(5)
    after = world.restart(state=world.saved())
    after.put(*[Entry(FOREIGN)] * 9)
    after.ledger.position, after.ledger.log_start = 9, log_start
    after.ledger.reread(0, 9, (Sighting(RECORD, 1, 2, 0, US, 1, 3, 0.0, Claims(0, 3, ())),))
    assert after.ledger.accounts[1].sets[State.UNCERTAIN].spans() == [(0, 5)]


def test_a_run_that_a_re_read_meets_above_where_the_verifier_has_come_is_the_verifiers_to_meet():
    world = World()
    world.put(*[Entry(FOREIGN)] * 4)
    world.read()
    world.ledger.reread(0, 9, (Sighting(RECORD, 6, 3, 0, US, 9, 0),))
    assert 9 not in world.ledger.accounts


def test_what_stood_there_before_is_compared_before_another_takes_its_place():
    world = World()
    world.send(2)
    world.ack((0, 1, 5))
    world.ledger.own.suspected.add(0)
    world.ledger.voided.set(5, 1, Standing(RECORD, 1, 0, 1))
    world.ledger.log.set(5, 1, Standing(RECORD, 1, 1, 2))
    world.ledger.own.seen.add(1)
    world.ledger.read(0, 6, (Sighting(FOREIGN, 5, 1, 3),))
    assert world.ledger.own.rewound.spans() == [(0, 1)]


def test_that_a_record_is_met_is_no_sign_that_it_was_written_after_the_log_went_back():
    world = World()
    world.produce(5)
    world.ledger.own.suspected.add(0, 5)
    world.ledger.own.rewound.add(0, 5)
    world.read()
    assert world.ledger.own.rewound.spans() == [(0, 5)]


def test_a_namesakes_record_beside_a_damaged_one_says_nothing():
    ledger = World().ledger
    ledger.log.set(9, 1, Standing(FOREIGN, 1, 0, 2))
    ledger.log.set(10, 1, Standing(CORRUPTED, 0, 0, 2))
    assert ledger.corroborated(ledger.own, Piece(1, 1, 10), ledger.log) is False


def test_our_first_offset_is_the_lowest_that_was_seen_or_acknowledged():
    world = World()
    world.send(9)
    for offset, floor in ((5, 5), (3, 3), (7, 3)):
        world.ledger.sight(Sighting(RECORD, offset, 1, 0, US, 1, offset))
        assert world.ledger._own_floor == floor
    world.ledger.sight(Sighting(RECORD, 1, 1, 0, US, 99, 0))  # of an unknown run, where nobody follows
    assert world.ledger._own_floor == 3


# --- copies and order


def test_a_record_that_is_met_again_elsewhere_is_looked_at_from_the_lower_to_the_higher_place():
    for where, again in ((4, 9), (9, 4)):
        world = World()
        sent = world.send(3)
        world.ledger.sight(Sighting(RECORD, where, 3, 0, US, 1, sent[0]))
        world.ack((0, 3, where))
        world.ledger.take_effects()
        world.ledger.sight(Sighting(RECORD, again, 3, 0, US, 1, sent[0]))
        assert [(each.low, each.high) for each in effects(world, CopySighted)] == [(4, 12)]
        assert [(p.first, p.count, p.value) for p in world.ledger.own.positions] == [(0, 3, 4)]  # the lowest
        assert world.ledger.own.twice.spans() == [(0, 3)]


def test_a_verified_record_that_is_not_in_the_view_and_is_met_elsewhere_may_stand_at_both_places():
    for where, again in ((4, 9), (9, 4)):
        world = World()
        world.send(3)
        world.ledger.sight(Sighting(RECORD, where, 3, 0, US, 1, 0))
        world.ack((0, 3, where))
        world.ledger.log.clear()
        world.ledger.own.seen.clear()
        world.ledger.sight(Sighting(RECORD, where, 3, 0, US, 1, 0))
        assert effects(world, CopySighted) == []
        world.ledger.log.clear()
        world.ledger.own.seen.clear()
        world.ledger.sight(Sighting(RECORD, again, 3, 0, US, 1, 0))
        assert [(each.low, each.high) for each in effects(world, CopySighted)] == [(4, 12)]


def test_copies_are_those_of_runs_that_are_accounted_for_and_each_is_counted_once():
    world = World()
    world.send(9)
    shown = (
        Sighting(FOREIGN, 0, 6, 1),
        Sighting(RECORD, 6, 3, 1, US, 99, 3),
        Sighting(RECORD, 9, 1, 1, US, 99, 3),
        Sighting(RECORD, 10, 2, 1, US, 1, 2),
        Sighting(RECORD, 13, 2, 1, US, 1, 4),
        Sighting(RECORD, 20, 3, 1, US, 1, 4),
        Sighting(CORRUPTED, 30, 4, 1),
    )
    for _ in range(2):
        world.ledger.reread(0, 40, shown)
        assert world.ledger.counted["duplicated"] == 2
    assert tuple(world.ledger.newest_copy) == (1, 4, 20, 13)
    (copies,) = world.ledger.copies
    assert (copies.first, copies.count, copies.value.sequence) == (20, 2, 4)


@pytest.mark.parametrize(
    ("order", "reordered"),
    [([0, 1, 2], 0), ([1, 0, 2], 1), ([2, 0, 1], 2), ([0, 2, 1], 1), ([2, 1, 0], 2), ([0, 1, 3, 4, 2], 1)],
)
def test_each_record_behind_a_higher_one_is_out_of_order(order, reordered):
    world = World()
    world.send(len(order))
    world.append(*order)
    world.read(1)
    world.read()
    assert world.ledger.counted["reordered"] == reordered


def test_order_says_nothing_of_what_stands_below_where_an_earlier_process_had_read():
    world = World()
    world.send(9)
    world.ledger.own.earlier = (20, 6)  # a sequence up to 6 was read below offset 20
    world.ledger.sight(Sighting(RECORD, 10, 1, 0, US, 1, 3))
    assert world.ledger.counted["reordered"] == 0
    world.ledger.sight(Sighting(RECORD, 20, 1, 0, US, 1, 4))
    assert world.ledger.counted["reordered"] == 1
    world.ledger.sight(Sighting(RECORD, 21, 1, 0, US, 1, 7))
    assert world.ledger.counted["reordered"] == 1


def test_of_two_that_stand_in_an_order_nothing_is_missed():
    """What is met is the highest from then on, and no higher."""
    world = World()
    world.send(9)
    world.ledger.sight(Sighting(RECORD, 10, 3, 0, US, 1, 0))
    assert world.ledger.own.highest_seen == 2
    world.ledger.sight(Sighting(RECORD, 13, 1, 0, US, 1, 3))
    assert (world.ledger.own.highest_seen, world.ledger.counted["reordered"]) == (3, 0)


def refilled(*, strange: int) -> tuple[Sighting, ...]:
    """What a look from 5 on shows where another record stands at 6, and something foreign as well."""
    stands, another = Sighting(RECORD, 5, 1, 0, US, 1, 5), Sighting(RECORD, 6, 1, 1, US, 1, 8)
    return stands, another, Sighting(FOREIGN, strange, 1, 1)


@pytest.mark.parametrize(("strange", "taken"), [(9, False), (10, True), (12, True)])
def test_a_look_without_a_fence_at_a_refilled_log_is_taken_in_if_nothing_has_to_be_counted_for_that(strange, taken):
    first = World()
    first.produce(10)
    first.read()
    world = first.restart(state=first.saved())
    world.ledger.reread(5, 13, refilled(strange=strange), fenced=False)
    assert (world.ledger.log.get(6) is not None) is taken


def test_a_look_at_the_log_that_is_known_is_taken_in_though_another_one_was_shown_before():
    first = World()
    first.produce(10)
    first.read()
    world = first.restart(state=first.saved())
    world.ledger.reread(5, 13, refilled(strange=9), fenced=False)
    world.ledger.reread(0, 10, world.sightings(0, 10), fenced=False)
    assert [(piece, count) for piece, count, _ in world.ledger.log] == [(0, 10)]
