"""Which of several incidents a sign, a loss or a node is about, at the bounds; and in which order all are told."""

import json

import pytest
from tests.core.recovery_world import P0, P1, P2, at, incident

from kafka_sentinel.core.incident import Cause, IncidentState
from kafka_sentinel.core.incident_book import ABSORB, MAX_CLOSED, MAX_OPEN, IncidentBook
from kafka_sentinel.core.types import Instant


def book_of(*incidents):
    """They are closed in the order given."""
    book = IncidentBook()
    for one in incidents:
        book.add(one)
        book.file_closed()
    return book


def name(found):
    return None if found is None else found.id


def test_all_are_named_newest_first_the_open_ones_before_the_closed_ones():
    book = book_of(incident("c1", 50, closed=90), incident("c2", 10, closed=95), incident("o2", 30), incident("o1", 20))
    assert [one.id for one in book] == ["o2", "o1", "c2", "c1"]
    assert [one.id for one in book.open] == ["o1", "o2"]


def test_one_is_found_by_its_id_open_or_closed():
    book = book_of(incident("closed", 10, closed=90), incident("open", 20), incident("newer", 30))
    assert [name(book.find(one)) for one in ("closed", "open", "nobody")] == ["closed", "open", None]


def test_an_open_incident_is_about_the_brokers_that_failed_or_were_announced_to_go():
    book = book_of(
        incident("closed", 5, 1, closed=90),
        incident("first", 10, 1, announced={4}),
        incident("second", 20, 1, 2),
        incident("third", 30, 3),
    )
    assert [name(book.about({one})) for one in (1, 2, 3, 4, 5)] == ["second", "second", "third", "first", None]
    assert name(book.about({1, 3})) == "third"


@pytest.mark.parametrize(("since", "found"), [(90, "closed"), (90.5, None), (50, "closed")])
def test_an_incident_is_about_a_node_if_it_was_open_then(since, found):
    book = book_of(
        incident("before", 5, closed=20, nodes={"uid": "n"}),
        incident("closed", 10, closed=90, nodes={"uid": "n"}),
        incident("other", 95, nodes={"elsewhere": "n"}),
    )
    assert name(book.of_node("uid", at(since))) == found


def test_of_two_open_incidents_about_a_node_the_newer_is_meant():
    book = book_of(incident("first", 10, nodes={"uid": "n"}), incident("second", 20, nodes={"uid": "n"}))
    assert name(book.of_node("uid", at(1000))) == "second"


def test_brokers_that_failed_at_once_are_told_apart_by_what_announced_them():
    book = book_of(
        incident("first", 10, announced={1, 9}, foretold=True),
        incident("second", 20, announced={2}, foretold=True),
        incident("struck", 30, announced={3}),
    )
    assert book.apart({1, 2, 3, 4}) == [{1}, {2}, {3, 4}]
    assert book.apart({2}) == [{2}]
    assert book.apart(set()) == []


@pytest.mark.parametrize(
    ("since", "natural", "joins"),
    [
        (35, False, "experiment"),
        (30, False, "experiment"),
        (29, False, "natural"),
        (35, True, "natural"),
        (5, False, "experiment"),  # none had begun
        (5, True, "natural"),
    ],
)
def test_a_sign_joins_the_newest_that_had_begun(since, natural, joins):
    book = book_of(
        incident("older", 10),
        incident("natural", 20),
        incident("experiment", 30, cause=Cause.EXPERIMENT),
        incident("announced", 33, foretold=True),
    )
    assert name(book.newest_since(at(since), natural=natural)) == joins


def test_a_sign_joins_none_that_is_only_announced():
    assert book_of(incident("announced", 10, foretold=True)).newest_since(at(20)) is None


@pytest.mark.parametrize(
    ("partition", "since", "found"),
    [
        (P0, 30 - ABSORB, "newer"),
        (P0, 29.5 - ABSORB, "older"),
        (P0, 19.5 - ABSORB, None),
        (P1, 30, "announced"),
        (P2, 30, None),  # nobody knows its leader
    ],
)
def test_an_outage_is_of_the_newest_that_struck_the_leader_at_most_a_moment_later(partition, since, found):
    book = book_of(
        incident("older", 20, 1),
        incident("announced", 25, announced={2}),
        incident("newer", 30, 1),
        incident("x", 31, 9),
    )
    assert name(book.that_struck(partition, at(since))) == found


@pytest.mark.parametrize(
    ("facts", "explained"),
    [
        ({}, True),
        ({"brokers": {1, 2}}, True),
        ({"brokers": {3}}, False),
        ({"brokers": {1, 3}}, False),
        ({"cause": Cause.EXPERIMENT}, False),
        ({"cause": Cause.CRASH}, True),
        ({"final": True}, False),
        ({"foretold": True}, False),
    ],
)
@pytest.mark.parametrize(("injected", "in_time"), [(99, True), (100 + ABSORB, True), (100.5 + ABSORB, False)])
def test_an_injection_explains_the_natural_signs_of_its_own_brokers_a_moment_before(
    facts, explained, injected, in_time
):
    book = book_of(incident("signs", 100, **facts))
    found = book.first_signs_of(at(injected), {1, 2})
    assert name(found) == ("signs" if explained and in_time else None)


def test_the_newest_of_the_signs_is_explained():
    book = book_of(incident("older", 100), incident("newer", 101))
    assert name(book.first_signs_of(at(102), {1})) == "newer"


@pytest.mark.parametrize(
    ("after", "until", "found"),
    [
        (21, 29, "over"),
        (25, 29, "over"),
        (25.5, 29, None),
        (25, 30, "open"),
        (None, 29, "over"),
        (None, 19, None),
        (21, 30, "open"),
    ],
)
def test_a_loss_is_of_what_was_under_way_in_between(after, until, found):
    book = book_of(incident("over", 20, 1, closed=25), incident("open", 30, 1))
    assert name(book.under_way(None if after is None else at(after), at(until), {1})) == found


def test_of_what_was_under_way_a_replica_counts_before_the_beginning_and_that_before_the_cause():
    older, newer = incident("older", 10, 1, cause=Cause.SPOT), incident("newer", 20, 9)
    assert name(book_of(older, newer).under_way(None, at(30), {1})) == "older"
    assert name(book_of(older, newer).under_way(None, at(30), {2})) == "newer"
    crash = incident("crash", 20, 9, cause=Cause.CRASH)
    assert name(book_of(crash, older, newer).under_way(None, at(30), set())) == "crash"


def test_ids_name_the_second_and_count():
    book = IncidentBook()
    assert [book.next_id(Instant(0.0, wall)) for wall in (7.9, 7.9, 8.0)] == ["7-1", "7-2", "8-3"]


def test_it_is_full_at_the_bound():
    book = book_of(*(incident(str(number), number) for number in range(MAX_OPEN - 1)))
    assert not book.is_full
    book.add(incident("last", 0))
    assert book.is_full
    assert [one.id for one in book.open[:2]] == ["0", "last"]


def test_what_is_closed_beyond_the_bound_is_remembered_in_short():
    closed = [incident(str(number), number, closed=number + 1) for number in range(MAX_CLOSED + 2)]
    book = book_of(*closed[:MAX_CLOSED])
    assert book.older == ()
    for one in closed[MAX_CLOSED:]:
        book.add(one)
        assert one in book.open
        book.file_closed()
    assert [one["id"] for one in book.older] == ["0", "1"]
    assert [one.id for one in book] == [str(number) for number in range(MAX_CLOSED + 1, 1, -1)]


# --- state


def again(book, now):
    other = IncidentBook()
    other.restore(json.loads(json.dumps(book.to_state())), now, session_timeout=3.0, lag_tolerance=5)
    return other


def test_everything_is_taken_over_and_dated_by_the_wall_clock():
    closed = [incident(f"c{number}", number, closed=number + 1) for number in range(MAX_CLOSED + 1)]
    book = book_of(*closed, incident("open", 300))
    book.next_id(at(0))
    other = again(book, at(310, offset=200))
    assert [one.id for one in other] == [one.id for one in book]
    assert other.older == book.older
    assert other.open[0].started == other.open[0].opened == at(300, offset=200)
    assert other.find("c5").closed == at(6, offset=200)
    assert other.next_id(Instant(0.0, 9.0)) == "9-2"
    assert IncidentBook().next_id(Instant(0.0, 9.0)) == "9-1"


def test_what_was_seen_by_a_clock_that_has_been_set_back_was_seen_by_now():
    [one] = again(book_of(incident("open", 300)), at(200)).open
    assert one.started == Instant(at(200).mono, at(300).wall)


def test_a_state_from_before_any_were_remembered_in_short_has_none():
    state = book_of(incident("open", 300)).to_state()
    del state["older"]
    book = IncidentBook()
    book.restore(state, at(310), session_timeout=3.0, lag_tolerance=5)
    assert (len(book.open), book.older, book.open[0].state) == (1, (), IncidentState.OPEN)
