"""Which incident a finding is of, the evidence that is kept, what is debited, the rechecks that end incidents."""

from __future__ import annotations

import pytest
from tests.core.recovery_world import P0, P1, PARTS, cluster_view, new_incidents, observed
from tests.core.recovery_world import at as seconds

from kafka_sentinel.core.casebook import MAX_LOSSES, MAX_NATURAL_LOSSES, Casebook
from kafka_sentinel.core.commands import Count
from kafka_sentinel.core.incident import Cause
from kafka_sentinel.core.incidents import RECHECK_LIMIT
from kafka_sentinel.core.ledger import Regressed
from kafka_sentinel.core.suspicions import Copy
from kafka_sentinel.core.truth import CopiesFound, IncidentRechecked, LossesProved, Truth
from kafka_sentinel.core.types import Acks, Fence, Instant, ProbePartition, Span
from kafka_sentinel.core.verdicts import Loss

TRUTH = Truth(instance=1, run=1, margin=0, settle_margin=1.0, chunk=50, background_interval=10.0)


@pytest.fixture
def book():
    return Casebook(new_incidents(), TRUTH)


def lose(book, acks, second):
    at = Instant(float(second), 1_000.0 + second)
    loss = Loss(ProbePartition(acks, 0), 1, second, 1, second, "never", 0, "", None, None, "", at)
    book.take(LossesProved((loss,), None, at))


def stamps(book, acks):
    return [one["proved_at"] for one in book.losses if one["acks"] == acks]


def test_the_newest_evidence_is_kept(book):
    for second in range(MAX_LOSSES + 20):
        lose(book, Acks.ALL, second)
    assert stamps(book, "all") == [1_000.0 + second for second in reversed(range(20, MAX_LOSSES + 20))]


def test_losses_at_acks_1_do_not_push_out_the_last_at_acks_all(book):
    for second in range(3):
        lose(book, Acks.ALL, second)
    for second in range(3, 3 * MAX_LOSSES):
        lose(book, Acks.ONE, second)
    assert stamps(book, "all") == [1_002.0]
    assert len(book.losses) == MAX_LOSSES + 1
    lose(book, Acks.ALL, 3 * MAX_LOSSES)
    assert stamps(book, "all") == [1_000.0 + 3 * MAX_LOSSES]
    assert len(book.losses) == MAX_LOSSES


# --- findings


def told(commands):
    [log] = [one for one in commands if not isinstance(one, Count)]
    return log.level, log.event, log.fields


def test_a_log_that_went_backwards_is_counted_and_said_once(book):
    finding = Regressed(P0, 40, seconds(8), seconds(10))
    count, _ = commands = book.take(finding)
    assert count == Count("log_truncations_total", ())
    [incident] = book.incidents.open
    fields = {"partition": "acks=all partition 0", "offset": 40, "incident": incident.id}
    assert told(commands) == ("warning", "log went backwards", fields)
    assert book.take(Regressed(P0, 40, seconds(8), seconds(11), confirms=True)) == []


@pytest.mark.parametrize("newest", [None, Copy(7, 3, 9, 5)])
def test_copies_are_charged_to_their_incident(book, newest):
    commands = book.take(CopiesFound(P0, 4, seconds(10), newest))
    [incident] = book.incidents.open
    assert (incident.duplicated, incident.started) == ({Acks.ALL: 4}, seconds(10))
    such_as = {} if newest is None else {"such_as": newest.describe()}
    fields = {"partition": "acks=all partition 0", "extra_copies": 4, "incident": incident.id, **such_as}
    assert told(commands) == ("warning", "duplicates in the log", fields)


def test_copies_may_be_as_old_as_the_last_re_reading():
    truth = Truth(instance=1, run=1, margin=0, settle_margin=1.0, chunk=50, background_interval=10.0)
    truth.last_recheck = seconds(5)
    book = Casebook(new_incidents(), truth)
    book.take(CopiesFound(P0, 1, seconds(10), None))
    assert book.incidents.open[0].started == seconds(5)


@pytest.mark.parametrize(("seen", "counted"), [("before", "before"), ("never", "never")])
@pytest.mark.parametrize("fence", [None, Fence(1, 9, 77)])
def test_a_loss_is_of_the_incident_in_which_the_log_went_backwards(book, seen, counted, fence):
    regressed = Regressed(P0, 40, seconds(8), seconds(10))
    loss = Loss(P0, 7, 3, 2, 41, seen, 4, "a foreign record", "topic id", fence, "not found", seconds(20))
    level, event, fields = told(book.take(LossesProved((loss,), regressed, seconds(15))))
    [incident] = book.incidents.open
    assert (incident.started, incident.lost) == (seconds(8), {Acks.ALL: 2})
    [(metric, labels)] = incident.tallies
    assert (metric, dict(labels)["seen"]) == ("records_lost_total", counted)
    assert (level, event) == ("error", "acknowledged records lost")
    assert (fields["reason"], fields["fence_offset"]) == ("not found", fence and 77)
    assert (fields["partition"], fields["acked_at"], fields["incident"]) == (0, seconds(8).wall, incident.id)
    [evidence] = book.losses
    assert fields == {**evidence, "reason": "not found", "fence_offset": fence and 77}


def test_a_loss_of_which_nothing_is_known_before_is_of_when_it_was_asked_for(book):
    loss = Loss(P0, 7, 3, 2, 41, "never", 4, "", None, None, "not found", seconds(20))
    _, _, fields = told(book.take(LossesProved((loss,), None, seconds(15))))
    assert (book.incidents.open[0].started, fields["acked_at"]) == (seconds(15), None)


# --- the life of incidents


@pytest.fixture
def probing():
    """A casebook beside three partitions: all was read of the first, more than was acknowledged, nothing of others."""
    truth = Truth(instance=1, run=1, margin=0, settle_margin=1.0, chunk=50, background_interval=1e9)
    truth.observe(cluster_view(), seconds(1))
    ledger = truth.ledgers[P0]
    ledger.sent(1, 0, 9, seconds(2))
    ledger.acked(1, (Span(0, 9, 0),), seconds(2))
    ledger.reposition(30)
    unread = truth.ledgers[P1]
    unread.sent(1, 0, 5, seconds(2))
    unread.acked(1, (Span(0, 5, 0),), seconds(2))
    return Casebook(new_incidents(), truth)


def changes(book, now=0):
    return [command for change in book.incidents.tick(seconds(now)).changes for command in book.changed(change)]


def questions(book):
    asked = [one for one in book._truth.rechecks.open_questions if one.incident is not None]
    return {(one.partition.partition, one.low) for one in asked}


def finished(book):
    """Have an incident that is to be rechecked: nothing is probed by the incidents, so all holds from its start."""
    book.incidents.probe(())
    incident = book.incidents.on_fault(seconds(10), experiment_run="r", fault="f", target="b", brokers=(1,))
    book.incidents.on_healed("r")
    changes(book, 10)
    changes(book, 15)
    return incident


def test_a_recheck_reads_from_where_all_was_well_when_the_incident_began(probing):
    incident = finished(probing)
    assert questions(probing) == {(0, 9), (1, 0), (2, 0)}
    for part in PARTS:
        assert incident.recheck_complete is None
        assert probing.take(IncidentRechecked(incident.id, part)) == []
    assert incident.recheck_complete is True
    probing.take(IncidentRechecked(incident.id, P0))  # once more, and of one that nobody knows
    probing.take(IncidentRechecked("gone", P0))


def test_what_was_not_read_yet_is_read_again(probing):
    probing._truth.ledgers[P0].reposition(5)
    finished(probing)
    assert (0, 5) in questions(probing)


def test_a_recheck_of_an_incident_that_was_reopened_counts_no_more(probing):
    incident = finished(probing)
    incident.recovery.pods[1] = None
    changes(probing, 16)
    for part in PARTS:
        probing.take(IncidentRechecked(incident.id, part))
    incident.recovery.pods[1] = seconds(16)
    changes(probing, 16)
    changes(probing, 21)
    assert incident.recheck_complete is None
    for part in PARTS:
        probing.take(IncidentRechecked(incident.id, part))
    assert incident.recheck_complete is True


def test_before_partitions_are_known_the_recheck_waits_and_is_asked_for_once(book):
    truth = book._truth = Truth(1, 1, 0, settle_margin=1.0, chunk=50, background_interval=1e9)
    finished(book)
    book.tick(seconds(16))
    assert questions(book) == set()
    truth.observe(cluster_view(), seconds(17))
    for second in (18, 19):
        book.tick(seconds(second))
    asked = sorted((one.partition.partition, one.low) for one in truth.rechecks.open_questions if one.incident)
    assert asked == [(0, 0), (1, 0), (2, 0)]


def test_the_recheck_of_one_that_was_reopened_meanwhile_is_not_asked_for(book):
    truth = book._truth = Truth(1, 1, 0, settle_margin=1.0, chunk=50, background_interval=1e9)
    finished(book).recovery.pods[1] = None
    changes(book, 16)
    truth.observe(cluster_view(), seconds(17))
    book.tick(seconds(18))
    assert questions(book) == set()


def test_of_one_that_was_closed_without_an_answer_nothing_is_kept(probing):
    finished(probing)
    changes(probing, 15 + RECHECK_LIMIT)
    assert probing.incidents.open == ()
    assert (probing._rechecking, probing._lows) == ({}, {})


def test_copies_that_are_found_later_are_not_of_an_incident_that_was_over(probing):
    incident = finished(probing)
    probing.incidents.recheck_finished(incident.id)
    changes(probing, 16)
    probing.take(CopiesFound(P0, 1, seconds(40), None))
    assert [one.started for one in probing.incidents.open] == [seconds(40)]


def test_the_recheck_of_one_that_was_closed_meanwhile_is_not_asked_for(book):
    truth = book._truth = Truth(1, 1, 0, settle_margin=1.0, chunk=50, background_interval=1e9)
    incident = finished(book)
    book.incidents.recheck_finished(incident.id)
    changes(book, 17)
    truth.observe(cluster_view(), seconds(18))
    book.tick(seconds(19))
    assert questions(book) == set()


def test_an_incident_is_said_when_it_begins_and_when_it_changes(probing):
    incident = finished(probing)
    probing.incidents.recheck_finished(incident.id)
    [closed] = changes(probing, 17)
    assert (closed.level, closed.event, closed.fields["id"]) == ("info", "incident closed", incident.id)
    probing.incidents.on_broker_exited(2, seconds(20))
    [opened] = changes(probing, 20)
    assert (opened.level, opened.event) == ("warning", "incident opened")
    probing.incidents.on_announced(seconds(21), "uid-n1", "n1", {1}, Cause.SPOT)
    changes(probing, 21)
    probing.incidents.on_cluster(observed(1))
    probing.incidents.on_cluster(observed(22, brokers=(2, 3)))
    assert changes(probing, 22) == []  # brokers were lost in it, which is saved and not said


# --- what is debited


def test_each_broker_that_is_lost_by_nature_is_debited_once(book):
    book.incidents.on_brokers_gone({1, 2}, seconds(10), seconds(11), Cause.SPOT)
    changes(book, 11)
    assert book.natural_losses == (seconds(11).wall,) * 2
    book.tick(seconds(12))
    assert len(book.natural_losses) == 2
    book.incidents.on_broker_exited(3, seconds(13))
    book.tick(seconds(14))
    assert book.natural_losses == (seconds(11).wall, seconds(11).wall, seconds(14).wall)


def test_what_our_own_fault_hit_is_no_natural_loss_and_another_broker_is(book):
    book.incidents.on_fault(seconds(10), experiment_run="r", fault="f", target="b", brokers=(1,))
    changes(book, 10)
    book.tick(seconds(11))
    assert book.natural_losses == ()
    book.incidents.open[0].brokers.add(2)
    book.tick(seconds(12))
    assert book.natural_losses == (seconds(12).wall,)


def test_a_loss_that_turns_out_to_be_ours_is_given_back_and_no_other(book):
    first = book.incidents.on_broker_exited(1, seconds(10))
    changes(book, 10)
    first.brokers.add(2)
    book.tick(seconds(11))
    assert len(book.natural_losses) == 2
    book.ours(first, {2, 3})
    assert book.natural_losses == (seconds(10).wall,)
    book.ours(first, {2, 3})
    first.brokers.add(3)
    book.tick(seconds(12))
    assert book.natural_losses == (seconds(10).wall,)
    book.ours(first, {1})
    assert book.natural_losses == ()


def test_after_a_restart_brokers_that_were_debited_are_not_debited_again(book):
    incident = book.incidents.on_broker_exited(1, seconds(10))
    book.restore([], [5.0])
    book.tick(seconds(11))
    assert book.natural_losses == (5.0,)
    incident.brokers.add(2)
    book.tick(seconds(12))
    assert book.natural_losses == (5.0, seconds(12).wall)


def test_the_newest_natural_losses_are_kept_and_nothing_of_incidents_that_are_over(book):
    for number in range(MAX_NATURAL_LOSSES + 3):
        incident = book.incidents._begin(seconds(10 + number), seconds(10 + number), Cause.CRASH, {1})
        book.tick(seconds(10 + number))
        book.incidents._book._open.remove(incident)
    assert len(book.natural_losses) == MAX_NATURAL_LOSSES
    assert book.natural_losses[-1] == seconds(12 + MAX_NATURAL_LOSSES).wall
    book.tick(seconds(500))
    assert (book._debited, book._natural) == ({}, {})
