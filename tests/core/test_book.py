"""What a ledger knows, how it comes to suspect, and what it lets go of."""

from __future__ import annotations

import pytest
from tests.core.ledger_world import CORRUPTED, FOREIGN, RECORD, US, Entry, World

from kafka_sentinel.core import book
from kafka_sentinel.core.account import InvariantError, State
from kafka_sentinel.core.ledger import PartitionLedger, Reposition, Suspected
from kafka_sentinel.core.logview import Standing
from kafka_sentinel.core.ranges import Piece, RangeMap
from kafka_sentinel.core.suspicions import GiveUp
from kafka_sentinel.core.types import Instant, Sighting, Span


def suspicions(ledger: PartitionLedger) -> list[tuple[int, int, int]]:
    """Return (sequence, count, lowest offset) of each that was raised."""
    return [(each.first, each.count, each.low) for each in ledger.take_effects() if isinstance(each, Suspected)]


def ours(offset: int, first: int, count: int = 1, epoch: int = 0) -> Sighting:
    return Sighting(RECORD, offset, count, epoch, US, 1, first)


# --- a new book


def test_what_stands_at_the_very_beginning_is_counted_by_the_first_that_reads_it_and_by_no_other():
    world = World()
    world.put(Entry(FOREIGN))
    after = world.restart(state=world.saved())  # of a process that had read nothing
    world.read()
    assert world.ledger.counted["foreign"] == 1
    after.read()
    assert after.ledger.counted["foreign"] == 1
    again = after.restart(state=after.saved())
    again.ledger.reposition(0)
    again.drain()
    again.read()
    assert again.ledger.counted["foreign"] == 0


def test_a_reader_that_skips_something_at_once_is_sent_back_to_where_the_state_was():
    world = World()
    world.produce(9)
    world.read(4)
    after = world.restart(state=world.saved())
    assert after.ledger.read(6, 9, after.sightings(6, 9)) is False
    assert [each.offset for each in after.ledger.take_effects() if isinstance(each, Reposition)] == [4]


def test_a_log_that_starts_at_its_beginning_does_not_take_back_what_a_recheck_found():
    ledger = World().ledger
    ledger.log_starts_at(8)
    ledger.verifier_told_start(0)
    assert ledger.log_start == 8


# --- suspicion


@pytest.mark.parametrize(("placed", "low"), [(True, 102), (False, 100)])
def test_a_suspicion_says_from_where_on_to_look(placed, low):
    world = World()
    world.send(8)
    world.ack((4, 3, None))
    world.ledger._suspect(world.ledger.own, Piece(2, 6, 100), "for the test", placed=placed)
    assert suspicions(world.ledger) == [(4, 3, low)]


def test_what_is_suspected_is_not_suspected_again_unless_it_had_stood_there_a_moment_ago():
    world = World()
    world.send(8)
    world.ack((0, 8, 50))
    world.ledger.take_effects()
    piece = Piece(0, 8, 50)
    world.ledger._suspect(world.ledger.own, piece, "for the test")
    assert suspicions(world.ledger) == [(0, 8, 50)]
    world.ledger._suspect(world.ledger.own, piece, "for the test")
    assert suspicions(world.ledger) == []
    world.ledger._suspect(world.ledger.own, piece, "for the test", epochs=RangeMap([(2, 3, 1)]))
    assert suspicions(world.ledger) == [(2, 3, 52)]


def test_records_of_a_run_that_is_not_accounted_for_leave_the_view_when_the_log_goes_back():
    world = World()
    world.put(Entry(FOREIGN), Entry(FOREIGN))
    world.read()
    world.ledger.log.set(2, 5, Standing(RECORD, 99, 0, 0))
    world.ledger.regressed(1, world.now())
    assert [(first, count) for first, count, _ in world.ledger.log] == [(0, 2)]


def test_of_a_record_that_stands_at_two_places_the_other_stays():
    world = World()
    world.send(3)
    for offset in (4, 9):
        world.ledger.sight(ours(offset, 0, 3))
    world.ack((0, 3, 4))
    world.ledger.take_effects()
    world.ledger.sight(Sighting(FOREIGN, 4, 3, 1))
    assert suspicions(world.ledger) == []
    assert world.ledger.own.seen.spans() == [(0, 3)]
    assert [tuple(piece) for piece in world.ledger.own.positions] == [(0, 3, 9)]


def test_the_highest_that_stands_is_known_after_it_has_gone():
    world = World()
    world.send(9)
    world.ledger.sight(ours(0, 0, 2))
    world.ledger.sight(ours(2, 5, 3))
    assert world.ledger.own.highest_seen == 7
    world.ledger.sight(Sighting(FOREIGN, 2, 3, 1))
    assert world.ledger.own.highest_seen == 1
    world.ledger.sight(Sighting(FOREIGN, 0, 2, 1))
    assert world.ledger.own.highest_seen == -1


def test_that_a_namesakes_record_is_displaced_or_forgotten_says_nothing_of_ours():
    for go in ("displaced", "forgotten"):
        world = World()
        world.send(1)
        world.ledger.sight(ours(20, 0))
        world.ack((0, 1, 20))
        world.ledger.log.set(2, 1, Standing(FOREIGN, 1, 0, 0))
        world.ledger.take_effects()
        if go == "displaced":
            world.ledger.sight(Sighting(CORRUPTED, 2, 1, 1))
        else:
            world.ledger._forget_view_below(5)
        assert world.ledger.own.seen.spans() == [(0, 1)]
        assert world.ledger.take_effects() == []
        assert not world.ledger.voided


def test_what_stands_above_is_not_forgotten_with_what_stands_below():
    world = World()
    world.put(*[Entry(FOREIGN)] * 3)
    world.produce(9)
    world.ledger.sight(world.sightings(3, 12)[0])
    world.ledger._forget_view_below(7)
    assert world.ledger.own.seen.spans() == [(4, 5)]
    assert [(first, count) for first, count, _ in world.ledger.log] == [(7, 5)]


def foreign(offset: int, epoch: int) -> Sighting:
    return Sighting(FOREIGN, offset, 1, epoch)


@pytest.mark.parametrize(
    ("stood_in", "shown", "cut"),
    [
        (1, [foreign(5, 2)], True),
        (1, [foreign(5, 1)], False),
        (1, [foreign(5, 1), foreign(9, 3)], False),  # its own leader wrote there
        (1, [foreign(5, -1), foreign(9, 3)], False),  # nobody knows who did
        (1, [foreign(5, 0), foreign(9, 2)], True),  # an older one, in the log of a later leader
        (1, [foreign(5, 0)], False),  # the log of a leader of long ago
        (1, [foreign(5, 0), foreign(9, 1)], False),
        (1, [foreign(9, 2)], False),  # elsewhere
        (0, [foreign(5, 1)], True),
        (-1, [foreign(5, 2)], False),
    ],
)
def test_what_stands_where_a_record_stood_proves_that_the_log_was_cut_if_a_later_leader_has_it(stood_in, shown, cut):
    ledger = World().ledger
    ledger.own.suspected.add(0, 3)
    ledger.voided.set(4, 3, Standing(RECORD, 1, 0, stood_in))
    ledger.voided.set(20, 1, Standing(RECORD, 99, 0, stood_in))  # of a run that was let go
    ledger._compare((*shown, foreign(20, max(each.leader_epoch for each in shown))))
    assert ledger.own.rewound.spans() == ([(1, 1)] if cut else [])
    assert [(f, c) for f, c, _ in ledger.voided.overlapping(4, 3)] == ([(4, 1), (6, 1)] if cut else [(4, 3)])


@pytest.mark.parametrize(
    ("proof", "offset", "epoch", "since"),
    [
        ((3, 2), 6, 2, True),
        ((3, 2), 6, 3, True),
        ((3, 2), 6, 1, False),  # an earlier leader's
        ((3, 2), 5, 2, False),  # in its place
        ((3, 2), 4, 2, False),
        ((3, 0), 6, 0, True),
        ((3, -1), 6, 2, False),
        ((4, 2), 6, 2, False),  # it stands there no more
        (None, 6, 2, False),
    ],
)
def test_what_stands_above_the_record_that_proved_a_cut_and_is_no_older_was_written_since(proof, offset, epoch, since):
    ledger = World().ledger
    ledger._cut_at, ledger._cut_by = 5, (1, 3)
    if proof is not None:
        ledger.log.set(5, 1, Standing(RECORD, 1, *proof))
    assert ledger._written_since(Piece(offset, 1, Standing(RECORD, 1, 9, epoch))) is since


# --- growth


@pytest.mark.parametrize("intervals", [4, 5, 9])
def test_what_is_too_fragmented_loses_its_oldest_quarter_until_it_is_not(monkeypatch, intervals):
    monkeypatch.setattr(book, "MAX_INTERVALS", 4)
    ledger = World().ledger
    for view in (ledger.log, ledger.voided, ledger.copies):
        for offset in range(0, 2 * intervals, 2):
            view.set(offset, 1, Standing(FOREIGN, 0, 0, 0))
    ledger.bound()
    for view in (ledger.log, ledger.voided, ledger.copies):
        assert (view.intervals, view.end) == (4, 2 * intervals - 1)


def every_other(world: World) -> None:
    world.send(40)
    for sequence in range(0, 40, 2):
        world.ledger.acked(1, (Span(sequence, 1, 100 + sequence),), world.now())


def test_an_account_that_is_too_fragmented_vouches_no_more_for_its_oldest_quarter(monkeypatch):
    world = World()
    every_other(world)
    world.ledger.own.seen.add(1)
    assert world.ledger.own.intervals == 61
    monkeypatch.setattr(book, "MAX_INTERVALS", 61)
    world.ledger.bound()
    assert world.ledger.own.intervals == 61
    monkeypatch.setattr(book, "MAX_INTERVALS", 60)
    world.ledger.bound()
    account = world.ledger.own
    assert account.sets[State.AWAITING].lowest == account.positions.lowest == 10
    assert len(account.seen) == 0
    assert (account.count(State.UNACCOUNTED), account.folded["unaccounted"]) == (5, 1)
    assert world.ledger.counted["unaccounted"] == 5
    world.ledger.set_aside(1, 10, 5)
    assert world.ledger.counted["unaccounted"] == 8
    world.ledger.expire(1, 16, 1)
    world.ledger.expire(1, 18, 1)
    assert world.ledger.counted["expired"] == 2


def test_an_account_of_which_too_many_places_are_inferred_vouches_no_more_for_the_oldest(monkeypatch):
    """As with brokers that never tell an offset."""
    world = World()
    world.append(*world.send(40))
    world.read()
    world.ack((0, 40, 0))
    for sequence in range(0, 40, 2):
        world.ledger.own.inferred.add(sequence)
    monkeypatch.setattr(book, "MAX_INTERVALS", 20)
    world.ledger.bound()
    account = world.ledger.own
    assert account.intervals <= 20
    assert (account.inferred.lowest, account.positions.lowest, account.folded["verified"]) == (10, 10, 10)


def test_what_was_verified_and_has_left_the_log_is_a_sum():
    world = World()
    world.produce(9)
    world.read()
    world.ledger.log_starts_at(9)
    assert world.ledger.own.sets[State.VERIFIED].spans() == []
    assert world.count("verified") == 9


@pytest.mark.parametrize(
    "keeps", ["nothing", "is ours", "not met", "seen", "a place", "awaited", "uncertain", "in flight"]
)
def test_an_ended_run_is_let_go_once_nothing_of_it_is_open_or_in_the_log(keeps):
    world = World()
    world.send(3)
    world.ledger.start_run(2)
    account = world.ledger.accounts[1]
    account.move(0, 3, State.IN_FLIGHT, State.REJECTED)
    account.met = keeps != "not met"
    account.orphan = keeps != "is ours"
    if keeps == "seen":
        account.seen.add(0)
    elif keeps == "a place":
        account.positions.set(0, 1, 5)
    elif keeps in {"awaited", "uncertain", "in flight"}:
        state = {"awaited": State.AWAITING, "uncertain": State.UNCERTAIN, "in flight": State.IN_FLIGHT}[keeps]
        account.move(2, 1, State.REJECTED, state)
    world.ledger._forget_ended_accounts()
    assert (1 in world.ledger.accounts) is (keeps != "nothing")


def test_what_was_given_up_of_a_run_that_is_let_go_is_settled_no_more_and_its_number_is_kept(monkeypatch):
    monkeypatch.setattr(book, "MAX_RETIRED", 2)
    world = World()
    at = Instant(1.0, 1.0)
    for run in (2, 3, 4):
        world.ledger.start_run(run)
    world.ledger.give_ups = [GiveUp(1, 0, 1, at), GiveUp(2, 0, 1, at), GiveUp(1, 5, 1, at)]
    world.ledger._archive(1)
    assert [each.run for each in world.ledger.give_ups] == [2]
    world.ledger._archive(2)
    assert list(world.ledger.retired) == [1, 2]
    world.ledger._archive(3)
    assert list(world.ledger.retired) == [2, 3]


# --- figures


def test_the_identities_are_checked_of_each_account_and_of_what_was_counted():
    ledger = World().ledger
    ledger.check()
    ledger.counted["rejected"] += 1
    with pytest.raises(InvariantError, match="more outcomes than records sent"):
        ledger.check()
    ledger.counted["sent"] += 1
    ledger.check()
    ledger.own.next_sequence += 1
    with pytest.raises(InvariantError, match="1 sent, but 0 accounted for"):
        ledger.check()


def test_all_that_had_no_answer_is_in_one_sum():
    world = World()
    world.send(6)
    world.give_up(0, 4)
    world.ledger.sight(ours(0, 1))
    world.ledger.settle_uncertain(1, 2, 2)
    sums = world.ledger.records()
    assert (sums["unresolved"], sums["present"], sums["absent"], sums["uncertain"]) == (1, 1, 2, 4)
