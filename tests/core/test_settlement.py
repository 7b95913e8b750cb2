"""What only time and a fence can settle: when it is settled, and when not yet."""

from __future__ import annotations

import pytest
from tests.core.ledger_world import World

from kafka_sentinel.core.account import State
from kafka_sentinel.core.settlement import Settlement

MARGIN = 16.0  # seconds after a give-up


class Settling:
    """One partition of which everything was read so far, and the settling of it."""

    def __init__(self, world: World | None = None) -> None:
        self.world = world if world is not None else World()
        self.settlement = Settlement(self.world.ledger, margin=MARGIN)
        if world is None:
            self.read_a_fence()

    def tick(self, after: float = 0.0) -> None:
        self.world.wait(after)
        self.settlement.tick(self.world.now())
        self.world.drain()

    def read_a_fence(self) -> None:
        self.world.produce()
        self.world.read()

    def lose_sight(self) -> int:
        """A record is acknowledged without an offset, and nobody wrote it."""
        [sequence] = self.world.send()
        self.world.ack((sequence, 1, None))
        return sequence

    @property
    def suspects(self) -> int:
        return len(self.world.rechecks.open_questions)


@pytest.fixture
def settling():
    return Settling()


def given_up(settling):
    [sequence] = settling.world.send()
    settling.world.give_up(sequence)
    return sequence


# --- uncertain sends


def test_a_send_that_was_given_up_is_absent_once_the_margin_is_over_and_a_later_record_was_read(settling):
    sequence = given_up(settling)
    settling.tick(MARGIN + 1)
    settling.read_a_fence()
    settling.tick()
    assert settling.world.state_of(sequence) is State.ABSENT
    assert settling.world.ledger.give_ups == []


def test_within_the_margin_no_later_record_settles_it(settling):
    sequence = given_up(settling)
    for _ in range(3):
        settling.tick(MARGIN / 4)
        settling.read_a_fence()
        settling.tick()
    assert settling.world.state_of(sequence) is State.UNCERTAIN


def test_at_the_margin_itself_the_fence_may_be_sent(settling):
    sequence = given_up(settling)
    [entry] = settling.world.ledger.give_ups
    settling.world.mono = entry.at.mono + MARGIN
    settling.tick()
    settling.read_a_fence()
    settling.tick()
    assert settling.world.state_of(sequence) is State.ABSENT


def test_the_margin_alone_settles_nothing(settling):
    sequence = given_up(settling)
    for _ in range(3):
        settling.tick(MARGIN + 1)
    assert settling.world.state_of(sequence) is State.UNCERTAIN


def test_one_that_arrives_before_the_fence_is_present(settling):
    sequence = given_up(settling)
    settling.tick(MARGIN + 1)
    settling.world.append(sequence)
    settling.read_a_fence()
    settling.tick()
    assert settling.world.state_of(sequence) is State.PRESENT


def test_each_give_up_waits_for_its_own_margin(settling):
    first = given_up(settling)
    settling.tick(MARGIN / 2)
    second = given_up(settling)
    settling.tick(MARGIN / 2)
    settling.read_a_fence()
    settling.tick()
    assert [settling.world.state_of(one) for one in (first, second)] == [State.ABSENT, State.UNCERTAIN]
    settling.tick(MARGIN)
    settling.read_a_fence()
    settling.tick()
    assert settling.world.state_of(second) is State.ABSENT


# --- earlier runs


def test_what_an_earlier_run_had_in_flight_is_unaccounted_once_a_record_of_ours_was_read():
    before = World()
    before.produce()
    before.read()
    before.send()
    after = Settling(before.restart(state=before.saved()))
    after.tick()
    assert after.world.count("unaccounted") == 0
    after.world.produce()
    after.tick()
    assert after.world.count("unaccounted") == 0  # acknowledged, not read
    after.world.read()
    after.tick()
    assert after.world.count("unaccounted") == 1


# --- acknowledged without an offset


def test_what_was_acknowledged_without_an_offset_is_looked_for_once_a_later_record_was_read(settling):
    settling.lose_sight()
    settling.tick()
    settling.tick()
    assert settling.suspects == 0
    settling.read_a_fence()
    settling.tick()
    assert settling.suspects == 1


def test_it_is_not_where_it_was_found_by_then(settling):
    [sequence] = settling.world.send()
    settling.world.append(sequence)
    settling.world.ack((sequence, 1, None))
    settling.tick()
    settling.read_a_fence()
    settling.tick()
    assert (settling.suspects, settling.world.state_of(sequence)) == (0, State.VERIFIED)


def test_a_record_that_was_sent_before_the_question_arose_is_no_fence(settling):
    settling.tick()  # nothing is asked yet
    settling.world.produce()
    [sequence] = settling.world.send()
    settling.world.ack((sequence, 1, None))
    settling.world.read()  # up to what was sent before
    settling.tick()
    settling.world.append(sequence)
    settling.read_a_fence()
    settling.tick()
    assert (settling.suspects, settling.world.state_of(sequence)) == (0, State.VERIFIED)


def test_the_next_one_is_looked_for_as_well(settling):
    for _ in range(2):
        settling.lose_sight()
        settling.tick()
        settling.read_a_fence()
        settling.tick()
        settling.world.judge()
    assert len(settling.world.lost) == 2


# --- the fence


def test_a_fence_that_was_not_read_yet_stays_the_one_that_is_waited_for(settling):
    settling.lose_sight()
    settling.tick()
    settling.world.produce()  # the fence
    settling.tick()
    settling.tick()
    assert settling.suspects == 0
    settling.world.read()
    settling.tick()
    assert settling.suspects == 1


def test_while_nothing_at_all_was_read_nothing_is_settled():
    settling = Settling(World())
    settling.lose_sight()
    settling.tick()
    settling.world.produce()
    settling.tick()
    assert settling.suspects == 0


def stands_another(world):
    """The log was cut, which nobody was told, and others wrote on."""
    world.log[-1] = world.log[0]


def is_passed_by(world):
    """Retention removed it before it was read."""
    world.produce()
    world.retain_from(len(world.log) - 1)


@pytest.mark.parametrize("gone", [stands_another, is_passed_by])
def test_a_fence_that_is_not_found_at_its_offset_settles_nothing_and_the_next_one_does(settling, gone):
    settling.lose_sight()
    settling.tick()
    settling.world.produce()
    gone(settling.world)
    settling.world.read()
    before = settling.suspects
    settling.tick()
    assert settling.suspects == before
    settling.read_a_fence()
    settling.tick()
    assert settling.suspects == before + 1
