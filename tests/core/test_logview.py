"""What stands in a log, as it was read: asked by offset, by run and by sequence."""

from __future__ import annotations

import pytest
from tests.core.ledger_world import CORRUPTED, FOREIGN, RECORD, THEM, US

from kafka_sentinel.core.logview import Answer, LogView, Standing, standing
from kafka_sentinel.core.ranges import Piece
from kafka_sentinel.core.types import Sighting

OURS, EARLIER = 1, 2  # runs


def record(sequence: int, *, run: int = OURS, epoch: int = 3) -> Standing:
    return Standing(RECORD, run, sequence, epoch)


@pytest.fixture
def view() -> LogView:
    """Offsets 10 to 14: ours from 50; 15 to 17: damaged; 18 to 19: another run from 90; 20 to 24: ours from 30."""
    log = LogView()
    log.set(10, 5, record(50))
    log.set(15, 3, Standing(CORRUPTED, OURS, 99, 3))
    log.set(18, 2, record(90, run=EARLIER))
    log.set(20, 5, record(30))
    return log


@pytest.mark.parametrize(
    ("offset", "highest"),
    [
        (5, -1),  # nothing stands below
        (10, -1),  # it begins there
        (11, 50),
        (13, 52),  # of what reaches beyond, the part below counts
        (15, 54),
        (17, 54),  # what is damaged has no sequence of ours
        (22, 54),  # what stands higher up may be lower in the order
        (100, 54),
    ],
)
def test_the_highest_sequence_below_an_offset_is_of_that_run_and_of_records_only(view, offset, highest):
    assert view.highest_sequence_below(OURS, offset) == highest


def test_the_highest_sequence_below_an_offset_does_not_count_what_stands_above(view):
    assert view.highest_sequence_below(EARLIER, 18) == -1
    assert view.highest_sequence_below(EARLIER, 19) == 90
    view.set(30, 2, record(200))
    assert view.highest_sequence_below(OURS, 30) == 54
    assert view.highest_sequence_below(OURS, 31) == 200


@pytest.mark.parametrize(
    ("run", "first", "count", "places"),
    [
        (OURS, 0, 100, [Piece(50, 5, 10), Piece(30, 5, 20)]),  # and not what is damaged
        (OURS, 52, 1, [Piece(52, 1, 12)]),
        (OURS, 48, 4, [Piece(50, 2, 10)]),
        (OURS, 53, 9, [Piece(53, 2, 13)]),
        (OURS, 90, 9, []),  # another run's
        (EARLIER, 91, 1, [Piece(91, 1, 19)]),
        (OURS, 55, 1, []),
        (OURS, 49, 1, []),
    ],
)
def test_where_sequences_of_a_run_stand(view, run, first, count, places):
    assert view.places(run, first, count) == places


def test_a_part_of_a_span_of_records_begins_at_its_own_sequence_and_one_of_anything_else_has_none(view):
    assert view.get(12) == record(52)
    assert view.get(16) == Standing(CORRUPTED, OURS, 99, 3)


@pytest.mark.parametrize(
    ("run", "piece", "found"),
    [
        (OURS, Piece(50, 5, 10), [(10, 5)]),
        (OURS, Piece(48, 5, 8), [(10, 3)]),
        (OURS, Piece(51, 5, 10), []),  # another sequence stands there
        (EARLIER, Piece(50, 5, 10), []),  # the same sequences, of another run
        (OURS, Piece(99, 3, 15), []),  # damaged
    ],
)
def test_what_stands_where_it_should(run, piece, found):
    answer = Answer(
        (
            Sighting(RECORD, 10, 5, 3, US, OURS, 50),
            Sighting(CORRUPTED, 15, 3, 3),
            Sighting(RECORD, 18, 2, 3, US, 2, 90),
        ),
        US,
    )
    assert [(each.first, each.count) for each in answer.standing_at(run, piece)] == found


def test_an_answer_knows_the_sequences_of_each_run_that_were_met():
    twice = Sighting(RECORD, 20, 2, 3, US, OURS, 50)
    answer = Answer((twice._replace(offset=10, count=5), twice, Sighting(FOREIGN, 30, 4, 3)), US)
    assert answer.sequences(OURS).spans() == [(50, 5)]
    assert answer.sequences(EARLIER).spans() == []
    assert answer.get(21) == record(51)
    assert answer.get(25) is None


@pytest.mark.parametrize(
    ("sighting", "expected"),
    [
        (Sighting(RECORD, 10, 5, 3, US, OURS, 50), Standing(RECORD, OURS, 50, 3)),
        (Sighting(RECORD, 10, 5, 3, THEM, OURS, 50), Standing(FOREIGN, 0, 0, 3)),  # another Sentinel's
        (Sighting(CORRUPTED, 10, 5, 3), Standing(CORRUPTED, 0, 0, 3)),
        (Sighting(CORRUPTED, 10, 5, 3, US), Standing(CORRUPTED, 0, 0, 3)),
        (Sighting(FOREIGN, 10, 5, 3), Standing(FOREIGN, 0, 0, 3)),
    ],
)
def test_only_a_record_signed_by_us_is_ours(sighting, expected):
    assert standing(sighting, US) == expected
