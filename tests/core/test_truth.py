"""The accounting desk over all partitions: what it does with events, what it asks for, finds, counts and hands on."""

from __future__ import annotations

import json
from collections import Counter

import pytest
from tests.core.ledger_world import US

from kafka_sentinel.core.account import InvariantError, State
from kafka_sentinel.core.cluster import ClusterView, PartitionView, TopicView
from kafka_sentinel.core.commands import AssignReader, Count, Log, Probe, Recheck, RenewClients, StartRun
from kafka_sentinel.core.events import (
    ReaderLost,
    RecheckDone,
    RecheckFailed,
    RecordsAcked,
    RecordsRead,
    RecordsRejected,
    RecordsSent,
    RecordsUncertain,
)
from kafka_sentinel.core.ledger import Regressed
from kafka_sentinel.core.questions import Purpose
from kafka_sentinel.core.truth import (
    LOG_BEGINNING,
    READER_RETRY,
    ContradictionContained,
    CopiesFound,
    IncidentRechecked,
    LossesProved,
    TopicRemade,
    Truth,
    _with_open_set_aside,
)
from kafka_sentinel.core.types import Acks, Instant, ProbePartition, Sighting, SightingKind, Span

RUN = 7
ZERO, ONE, LEADER = ProbePartition(Acks.ALL, 0), ProbePartition(Acks.ALL, 1), ProbePartition(Acks.ONE, 0)
NAMES = {Acks.ALL: "all", Acks.ONE: "leader"}


def at(mono: float) -> Instant:
    return Instant(float(mono), 1e9 + mono)


def seen(partitions: int = 2, topic_id: str | None = "first", levels=(Acks.ALL,), described=True) -> ClusterView:
    placed = tuple(PartitionView(number, 1, (1,), (1,)) for number in range(partitions))
    topics = {NAMES[acks]: TopicView(NAMES[acks], topic_id, 1, placed) for acks in levels} if described else {}
    return ClusterView("cluster", {1: "kafka:9092"}, topics, {acks: NAMES[acks] for acks in levels})


def desk(*, interval: float = 1e9, view: ClusterView | None = None, chunk: int = 100) -> Truth:
    truth = Truth(US, RUN, 3, settle_margin=10.0, chunk=chunk, background_interval=interval)
    truth.observe(seen() if view is None else view, at(1))
    return truth


def sends(truth: Truth, count: int = 1, mono: float = 2, partition: ProbePartition = ZERO) -> int:
    first = truth.ledgers[partition].own.next_sequence
    truth.take(RecordsSent(at(mono), partition, truth.run, first, count))
    return first


def writes(truth: Truth, count: int = 1, offset: int = 0, mono: float = 2, partition: ProbePartition = ZERO) -> int:
    first = sends(truth, count, mono, partition)
    truth.take(RecordsAcked(at(mono), partition, truth.run, (Span(first, count, offset),)))
    return first


def record(offset: int, first: int, count: int = 1, run: int = RUN, epoch: int = 0) -> Sighting:
    return Sighting(SightingKind.RECORD, offset, count, epoch, US, run, first)


def reads(truth: Truth, *sightings: Sighting, mono: float = 3, partition: ProbePartition = ZERO, **known) -> list:
    last = sightings[-1]
    position = last.offset + last.count
    return truth.take(RecordsRead(at(mono), partition, sightings[0].offset, position, sightings, **known))


def of_kind(things, kind: type) -> list:
    return [each for each in things if isinstance(each, kind)]


def counts(commands) -> dict:
    total: Counter = Counter()
    for each in of_kind(commands, Count):
        assert each.amount > 0
        total[each.metric, *(value for _, value in each.labels)] += each.amount
    return dict(total)


def answer(command: Recheck, *sightings: Sighting, mono: float, log_start: int = 0, topic_id="first") -> RecheckDone:
    return RecheckDone(
        at(mono), command.recheck, command.partition, command.start, command.end, log_start, topic_id, sightings
    )


def asks(truth: Truth, mono: float) -> list[Recheck]:
    """Let time pass. Returns what a fresh reader is asked for, but for the background."""
    asked = {each.recheck: each for each in of_kind(truth.tick(at(mono)), Recheck)}
    questions = {each.number: each.purpose for each in truth.rechecks.open_questions}
    return [each for number, each in asked.items() if questions[number] is not Purpose.BACKGROUND]


def lost_the_tail(truth: Truth) -> Recheck:
    """Sequences 6…9 were acknowledged, read, and are gone; the re-read that will prove it."""
    writes(truth, 10)
    reads(truth, record(0, 0, 10))
    writes(truth, 1, offset=6, mono=4)
    writes(truth, 1, offset=7, mono=5)
    (command,) = asks(truth, 6)
    return command


# --- the topic


def test_partitions_are_probed_and_read_from_where_the_log_begins_as_soon_as_they_are_known():
    truth = Truth(US, RUN, 3, settle_margin=10.0, chunk=100, background_interval=1e9)
    assert truth.observe(seen(described=False), at(1)) == []
    commands = truth.observe(seen(2, levels=(Acks.ALL, Acks.ONE)), at(1))
    assert commands[0] == Probe(tuple(sorted([ZERO, ONE, LEADER, ProbePartition(Acks.ONE, 1)])))
    assert commands[1:] == [AssignReader(each, LOG_BEGINNING) for each in truth.ledgers]
    assert truth.observe(seen(2, levels=(Acks.ALL, Acks.ONE)), at(2)) == []
    commands = truth.observe(seen(3, levels=(Acks.ALL,)), at(3))
    assert [type(each) for each in commands] == [Probe, AssignReader]
    assert len(commands[0].partitions) == 5
    assert truth.topic_ids == {Acks.ALL: "first", Acks.ONE: "first"}


@pytest.mark.parametrize(
    ("known", "told", "same"), [("first", "first", True), ("first", "other", False), (None, None, False)]
)
def test_a_restored_ledger_goes_on_where_it_was_and_knows_whether_the_topic_is_the_same(known, told, same):
    before = desk()
    writes(before, 5)
    reads(before, record(0, 0, 5))
    before.topic_ids = {Acks.ALL: known}
    truth = Truth(US, RUN + 1, 3, settle_margin=10.0, chunk=100, background_interval=1e9)
    truth.restore(json.loads(json.dumps(before.to_state())), at(5))
    commands = truth.observe(seen(1, told), at(6))
    assert truth.ledgers[ZERO].same_topic is same
    if told != "other":
        assert AssignReader(ZERO, 5) in commands
        assert truth.ledgers[ZERO].records()["verified"] == 5


def test_a_topic_made_anew_is_recognised_by_its_id_and_by_nothing_else():
    truth = desk(view=seen(2, levels=(Acks.ALL, Acks.ONE)))
    writes(truth, 5)
    writes(truth, 5, partition=LEADER)
    truth.rechecks.incident("an incident", ZERO, 3, at(2))
    assert truth.observe(seen(2, None, levels=(Acks.ALL, Acks.ONE)), at(3)) == []
    assert truth.topic_ids[Acks.ALL] == "first"
    commands = truth.observe(seen(2, "second"), at(4))
    assert of_kind(commands, RenewClients) == [RenewClients(Acks.ALL)]
    assert [(each.partition, each.offset) for each in of_kind(commands, AssignReader)] == [(ZERO, 0), (ONE, 0)]
    assert [each.level for each in of_kind(commands, Log)] == ["warning"]
    assert truth.take_findings() == [TopicRemade(Acks.ALL)]
    assert truth.take_findings() == []
    suspicion, incident = sorted(truth.rechecks.open_questions, key=lambda each: each.purpose is Purpose.INCIDENT)
    assert (suspicion.partition, suspicion.topic_gone, suspicion.low, incident.low) == (ZERO, True, 0, 0)
    (suspected,) = [each.suspected for each in suspicion.suspicions]
    assert (suspected.low, suspected.placed, suspected.leader_epoch) == (0, False, -1)
    assert truth.records(Acks.ALL)["suspected"] == 5
    assert truth.records(Acks.ONE)["suspected"] == 0
    assert truth.topic_ids == {Acks.ALL: "second", Acks.ONE: "first"}


def test_partitions_that_a_topic_made_anew_does_not_have_are_let_go_with_their_sums():
    truth = desk(view=seen(2, levels=(Acks.ALL, Acks.ONE)))
    writes(truth, 4, partition=ONE)
    reads(truth, record(0, 0, 2), partition=ONE)
    truth.take(ReaderLost(at(3), ONE, 2, None, None, "no leader"))
    truth.tick(at(3))
    truth.rechecks.incident("an incident", ONE, 0, at(3))
    commands = truth.observe(seen(1, "second"), at(4))
    assert set(truth.ledgers) == {ZERO, LEADER, ProbePartition(Acks.ONE, 1)}
    assert of_kind(commands, StartRun) == [StartRun()]
    assert of_kind(commands, Probe) == [Probe(tuple(sorted(truth.ledgers)))]
    assert counts(commands)["records_unaccounted_total", "all"] == 2
    assert IncidentRechecked("an incident", ONE) in truth.take_findings()
    sums = truth.records(Acks.ALL)
    assert (sums["sent"], sums["acked"], sums["verified"], sums["unaccounted"]) == (4, 4, 2, 2)
    assert truth.records(Acks.ONE)["sent"] == 0
    assert [each.level for each in of_kind(commands, Log)] == ["warning", "warning"]
    assert of_kind(truth.observe(seen(1, "second"), at(10)), StartRun) == []
    assert of_kind(truth.observe(seen(2, "second"), at(11)), AssignReader) == [AssignReader(ONE, LOG_BEGINNING)]
    assert of_kind(truth.tick(at(19)), AssignReader) == []


def test_each_topic_is_asked_for_its_own_partitions_that_may_be_gone():
    truth = desk(view=seen(2, levels=(Acks.ALL, Acks.ONE)))
    truth._perhaps_gone = set(truth.ledgers)
    truth.observe(seen(1), at(2))
    assert set(truth.ledgers) == {ZERO, LEADER, ProbePartition(Acks.ONE, 1)}
    truth.observe(seen(1, levels=(Acks.ONE,)), at(3))
    assert set(truth.ledgers) == {ZERO, LEADER}


def test_what_a_topic_made_anew_has_once_it_is_described_is_not_let_go_later():
    truth = desk()
    truth._perhaps_gone = set(truth.ledgers)
    truth.observe(seen(2), at(2))
    truth.observe(seen(1), at(3))
    assert set(truth.ledgers) == {ZERO, ONE}


def test_a_partition_is_not_let_go_because_a_topic_that_is_the_same_is_told_without_it():
    truth = desk()
    truth.observe(seen(1), at(2))
    assert set(truth.ledgers) == {ZERO, ONE}


def test_what_a_recheck_finds_in_another_topic_of_the_name_makes_it_known():
    truth = desk()
    command = lost_the_tail(truth)
    commands = truth.take(answer(command, mono=7, topic_id="second"))
    assert truth.topic_ids[Acks.ALL] == "second"
    assert of_kind(commands, RenewClients) == [RenewClients(Acks.ALL)]
    assert TopicRemade(Acks.ALL) in truth.take_findings()
    assert of_kind(truth.observe(seen(1, None), at(8)), RenewClients) == []
    assert set(truth.ledgers) == {ZERO, ONE}  # until the topic is described
    truth.observe(seen(1, "second"), at(9))
    assert set(truth.ledgers) == {ZERO}


def heir(truth: Truth) -> Truth:
    """Return the next life, which knows of no partition yet."""
    new = Truth(US, RUN + 1, 3, settle_margin=10.0, chunk=100, background_interval=1e9)
    new.restore(json.loads(json.dumps(truth.to_state())), at(20))
    return new


def test_what_an_earlier_life_proved_is_told_before_a_broker_has_told_which_partitions_there_are():
    truth = desk(view=seen(levels=(Acks.ALL, Acks.ONE)))
    writes(truth, 9)
    reads(truth, record(0, 0, 5))
    writes(truth, 4, partition=LEADER)
    known = {acks: truth.records(acks) for acks in NAMES}
    assert (known[Acks.ALL]["sent"], known[Acks.ALL]["verified"], known[Acks.ONE]["sent"]) == (9, 5, 4)
    new = heir(truth)
    assert {acks: new.records(acks) for acks in NAMES} == known
    assert {acks: heir(new).records(acks) for acks in NAMES} == known
    new.observe(seen(1), at(21))
    assert {acks: new.records(acks) for acks in NAMES} == known
    new.observe(seen(2, levels=(Acks.ALL, Acks.ONE)), at(22))
    assert {acks: new.records(acks) for acks in NAMES} == known


def test_a_partition_that_goes_and_returns_is_not_counted_twice():
    truth = desk()
    writes(truth, 9, partition=ONE)
    reads(truth, record(0, 0, 9), partition=ONE)
    truth.tick(at(9))
    new = heir(truth)
    new.observe(seen(2), at(21))
    new.observe(seen(1, "second"), at(22))
    assert new.records(Acks.ALL)["verified"] == 9
    assert heir(new).records(Acks.ALL)["verified"] == 9
    new.observe(seen(2, "third"), at(23))
    assert new.records(Acks.ALL)["verified"] == 9
    assert heir(new).records(Acks.ALL)["verified"] == 9


def heir_without_its_second_partition() -> Truth:
    truth = desk()
    writes(truth, 5, partition=ONE)
    reads(truth, record(0, 0, 3), partition=ONE)
    sends(truth, 2, partition=ONE)
    new = heir(truth)
    new.observe(seen(1), at(21))
    assert new.records(Acks.ALL)["awaiting"] == 2
    return new


def test_a_partition_that_only_an_earlier_life_knew_is_let_go_with_its_topic():
    new = heir_without_its_second_partition()
    commands = new.observe(seen(1, "second"), at(30))
    sums = new.records(Acks.ALL)
    assert (sums["verified"], sums["awaiting"], sums["unresolved"], sums["in_flight"]) == (3, 0, 0, 0)
    assert counts(commands)["records_unaccounted_total", "all"] == 4
    assert of_kind(commands, StartRun) == []
    assert heir(new).records(Acks.ALL) == sums
    new.observe(seen(2, "second"), at(31))
    assert new.records(Acks.ALL) == sums


def test_so_it_is_where_a_re_read_tells_of_the_new_topic_but_not_before_that_is_described():
    new = heir_without_its_second_partition()
    new.take(answer(lost_the_tail(new), mono=25, topic_id="second"))
    assert ONE in new.restored
    new.observe(seen(1, "second"), at(30))
    assert ONE not in new.restored
    assert new.records(Acks.ALL)["verified"] == 3


def test_of_two_topics_each_lets_go_of_its_own_partitions_once_it_was_made_anew_and_is_described():
    both, other = (Acks.ALL, Acks.ONE), ProbePartition(Acks.ONE, 1)
    truth = desk(view=seen(levels=both))
    writes(truth, partition=ONE)
    writes(truth, partition=other)
    new = heir(truth)
    new.observe(seen(1, levels=both), at(21))
    new.take(answer(lost_the_tail(new), mono=25, topic_id="second"))
    new.observe(seen(1, levels=(Acks.ONE,)), at(26))
    assert set(new.restored) == {ONE, other}
    new.observe(seen(1, "second", levels=(Acks.ONE,)), at(27))
    assert set(new.restored) == {ONE}
    new.observe(seen(1, "second"), at(28))
    assert not new.restored


def test_a_new_run_is_begun_in_each_ledger_once():
    truth = desk()
    truth.started_run(8)
    assert truth.run == 8
    assert [ledger.run for ledger in truth.ledgers.values()] == [8, 8]
    assert [len(ledger.accounts) for ledger in truth.ledgers.values()] == [2, 2]
    writes(truth, 3)
    truth.started_run(8)
    assert [len(ledger.accounts) for ledger in truth.ledgers.values()] == [2, 2]
    assert truth.records(Acks.ALL)["sent"] == 3


# --- events


def test_each_outcome_is_registered_and_counted_once():
    truth = desk()
    sends(truth, 6)
    truth.take(RecordsRejected(at(3), ZERO, RUN, 0, 1, "code"))
    truth.take(RecordsUncertain(at(3), ZERO, RUN, 1, 2, "code"))
    truth.take(RecordsAcked(at(3), ZERO, RUN, (Span(3, 3, 0),)))
    foreign = Sighting(SightingKind.FOREIGN, 3, 4, 0)
    reads(truth, record(0, 3, 3), foreign)
    got = counts(truth.tick(at(4)))
    assert got == {
        ("records_sent_total", "all"): 6,
        ("records_outcome_total", "all", "rejected"): 1,
        ("records_outcome_total", "all", "uncertain"): 2,
        ("records_outcome_total", "all", "acked"): 3,
        ("records_verified_total", "all"): 3,
        ("records_foreign_total", "all"): 4,
    }
    assert counts(truth.tick(at(5))) == {}
    assert len(truth.ledgers[ZERO].own.sends) == 0  # all of them are settled
    sends(truth, 2, mono=6)
    reads(truth, Sighting(SightingKind.FOREIGN, 7, 1, 0), mono=6)
    assert counts(truth.tick(at(7))) == {("records_sent_total", "all"): 2, ("records_foreign_total", "all"): 1}
    assert truth.anomalies[Acks.ALL, "foreign"] == truth.records(Acks.ALL)["foreign"] == 5
    assert truth.records(Acks.ONE)["foreign"] == 0


def test_events_of_what_is_not_followed_are_passed_over():
    truth = desk()
    assert truth.take(RecordsSent(at(2), LEADER, RUN, 0, 1)) == []
    assert truth.take(RecordsSent(at(2), ZERO, 99, 0, 1)) == []
    assert truth.violations == 0
    assert truth.records(Acks.ALL)["sent"] == 0


@pytest.mark.parametrize(("log_start", "known"), [(None, 0), (4, 4)])
def test_the_verifiers_word_on_where_the_log_starts_counts_if_it_has_one_and_its_batch_was_taken(log_start, known):
    truth = desk()
    writes(truth, 9)
    reads(truth, record(0, 0, 5), log_start=log_start)
    assert truth.ledgers[ZERO].log_start == known
    reads(truth, record(8, 8), log_start=7)  # it skips something
    assert truth.ledgers[ZERO].log_start == known


# --- readers that cannot go on


def test_a_reader_whose_leader_did_not_answer_is_assigned_again_after_a_while():
    for silent in ({"log_start": None, "log_end": 5}, {"log_start": 0, "log_end": None}):
        truth = desk()
        writes(truth, 9)
        reads(truth, record(0, 0, 5))
        assert of_kind(truth.take(ReaderLost(at(4), ZERO, 8, **silent, reason="no leader")), AssignReader) == []
        assert of_kind(truth.tick(at(4 + READER_RETRY / 2)), AssignReader) == []
        assert of_kind(truth.tick(at(4 + READER_RETRY)), AssignReader) == [AssignReader(ZERO, 5)]
        assert of_kind(truth.tick(at(4 + 3 * READER_RETRY)), AssignReader) == []


def test_one_that_has_read_nothing_yet_is_assigned_where_it_stopped():
    truth = desk()
    truth.take(ReaderLost(at(4), ZERO, 8, None, None, "no leader"))
    assert of_kind(truth.tick(at(9)), AssignReader) == [AssignReader(ZERO, 8)]
    truth.take(ReaderLost(at(10), ONE, 0, None, None, "no leader"))
    assert of_kind(truth.tick(at(19)), AssignReader) == [AssignReader(ONE, 0)]


@pytest.mark.parametrize("known", [None, 0])
def test_one_that_never_read_begins_where_the_log_starts_and_what_it_reads_is_taken(known):
    truth = desk()
    writes(truth, 9)
    commands = truth.take(ReaderLost(at(4), ZERO, LOG_BEGINNING, known, known, "no leader"))
    commands += truth.tick(at(9))
    assert of_kind(commands, AssignReader) == [AssignReader(ZERO, LOG_BEGINNING if known is None else 0)]
    reads(truth, record(0, 0, 9))
    assert truth.records(Acks.ALL)["verified"] == 9


def test_one_that_is_sent_elsewhere_meanwhile_is_not_sent_back():
    truth = desk()
    writes(truth, 9)
    reads(truth, record(0, 0, 5))
    truth.take(ReaderLost(at(4), ZERO, 5, None, None, "no leader"))
    sent_on = truth.take(ReaderLost(at(4), ZERO, 5, 0, 9, "truncated"))
    assert of_kind(sent_on, AssignReader) == [AssignReader(ZERO, 2)]
    assert of_kind(truth.tick(at(19)), AssignReader) == []


@pytest.mark.parametrize(
    ("told", "goes_on", "suspected", "regressions"),
    [
        ((5, 7, 9), 7, 2, 0),  # it was sent past the records between
        ((5, 0, 3), 3, 6, 1),  # the log ends below it
        ((5, 0, 9), 2, 0, 0),  # it may go on: from the margin below, lest something was written anew there
        ((5, 4, 9), 4, 0, 0),
        ((5, 5, 5), 5, 0, 0),
        ((3, 0, 9), 0, 0, 0),
        ((8, 0, 9), 2, 0, 0),  # what it had read above was not taken
    ],
)
def test_a_reader_that_lost_its_place_goes_on_where_it_can(told, goes_on, suspected, regressions):
    """`told`: where the reader stopped, and where the log starts and ends by the word of the leader."""
    truth = desk()
    writes(truth, 9)
    reads(truth, record(0, 0, 5))
    commands = truth.take(ReaderLost(at(4), ZERO, *told, "lost"))
    assert of_kind(commands, AssignReader) == [AssignReader(ZERO, goes_on)]
    assert truth.records(Acks.ALL)["suspected"] == suspected
    assert len(of_kind(truth.take_findings(), Regressed)) == regressions


# --- what rechecks find


def test_a_loss_is_a_finding_with_what_raised_it_and_when_it_was_asked():
    truth = desk()
    command = lost_the_tail(truth)
    truth.take_findings()
    truth.take(answer(command, record(command.start, command.start, 6 - command.start), record(6, 10, 2), mono=7))
    (finding,) = truth.take_findings()
    assert isinstance(finding, LossesProved)
    assert [(each.first, each.count) for each in finding.losses] == [(6, 4)]
    assert (finding.regressed.divergence, finding.asked) == (6, at(4))
    assert truth.records(Acks.ALL)["lost"] == 4
    assert truth.records(Acks.ALL)["lost_before"] == 4
    assert truth.last_recheck is None


def test_a_recheck_that_failed_is_asked_again():
    truth = desk()
    command = lost_the_tail(truth)
    truth.take(RecheckFailed(at(7), command.recheck, ZERO, "no leader"))
    writes(truth, 1, offset=8, mono=8)
    assert len(asks(truth, 9)) == 1


def test_an_incident_is_rechecked_once_nothing_is_asked_for_it_any_more():
    truth = desk()
    writes(truth, 4)
    reads(truth, record(0, 0, 4))
    truth.rechecks.incident("an incident", ZERO, 0, at(4))
    truth.rechecks.incident("another", ZERO, 0, at(4))
    truth.rechecks.incident("an incident", ONE, 0, at(4))
    writes(truth, 1, offset=4, mono=5)
    one, other = asks(truth, 6)
    truth.take(answer(one, record(0, 0, 3), record(4, 4), mono=7))  # one is missing: that is a question of its own
    assert of_kind(truth.take_findings(), IncidentRechecked) == []
    truth.take(answer(other, record(0, 0, 3), record(4, 4), mono=7))
    assert of_kind(truth.take_findings(), IncidentRechecked) == [IncidentRechecked("another", ZERO)]
    writes(truth, 1, offset=5, mono=8)
    (command,) = asks(truth, 9)
    truth.take(answer(command, record(0, 0, 3), record(4, 4, 2), mono=10))
    assert of_kind(truth.take_findings(), IncidentRechecked) == [IncidentRechecked("an incident", ZERO)]


def test_extra_copies_are_a_finding_each_time_there_are_new_ones():
    truth = desk()
    writes(truth, 3)
    for offset, told in ((3, 3), (6, 2)):
        sightings = [record(0, 0, 3), *([record(3, 0, 3)] if told == 2 else []), record(offset, 0, told)]
        reads(truth, *(sightings if told == 3 else sightings[2:]), mono=4)
        (command,) = asks(truth, 5)
        truth.take(answer(command, *sightings, mono=6))
        (found,) = of_kind(truth.take_findings(), CopiesFound)
        assert (found.partition, found.count, found.at) == (ZERO, told, at(6))
        assert found.newest.offset >= offset
    assert truth.records(Acks.ALL)["duplicated"] == truth.anomalies[Acks.ALL, "duplicated"] == 5
    assert ("records_duplicated_total", "all") not in counts(truth.tick(at(7)))
    for question in truth.rechecks.open_questions:
        truth.take(answer(question.asked, *sightings, mono=8))
    assert of_kind(truth.take_findings(), CopiesFound) == []


def test_copies_are_counted_with_the_answer_that_is_their_finding_and_not_by_the_clock():
    truth = desk()
    writes(truth, 3)
    truth.ledgers[ZERO].counted["duplicated"] += 1
    truth.tick(at(4))
    assert truth.anomalies[Acks.ALL, "duplicated"] == 0


def test_the_background_goes_on_where_it_ended_and_begins_anew_with_the_topic():
    truth = desk(interval=5, view=seen(1), chunk=2)
    writes(truth, 6)
    reads(truth, record(0, 0, 6))
    stretches = []
    for mono in (10, 20, 30):
        (command,) = of_kind(truth.tick(at(mono)), Recheck)
        stretches.append(command.end)
        truth.take(answer(command, record(command.start, command.start, command.end - command.start), mono=mono + 1))
        if mono == 20:
            truth.observe(seen(1, "second"), at(25))
            truth.take(RecordsRead(at(26), ZERO, 0, 9, (Sighting(SightingKind.FOREIGN, 0, 9, 0),)))
    assert stretches == [2, 4, 2]


def test_what_only_time_brings_to_light_is_asked_at_once():
    truth = desk()
    first = sends(truth, 1)
    truth.take(RecordsAcked(at(2), ZERO, RUN, (Span(first, 1, None),)))
    truth.tick(at(3))
    writes(truth, 1, mono=4)
    reads(truth, record(0, 1), mono=5)
    truth.tick(at(6))
    assert [each.purpose for each in truth.rechecks.open_questions if each.high is None] == [Purpose.SUSPICION]


def test_one_stretch_at_a_time_is_read_again_in_the_background():
    truth = desk(interval=5)
    writes(truth, 4)
    reads(truth, record(0, 0, 4))
    assert of_kind(truth.tick(at(10)), Recheck) or of_kind(truth.tick(at(15)), Recheck)
    assert [each.purpose for each in truth.rechecks.open_questions] == [Purpose.BACKGROUND]
    assert of_kind(truth.tick(at(30)), Recheck) == []
    (question,) = truth.rechecks.open_questions
    truth.take(answer(question.asked, record(0, 0, 4), mono=31))
    assert truth.take_findings() == []
    assert truth.last_recheck == at(31)
    assert truth.reread == {ZERO: question.opened}
    truth.tick(at(40))
    truth.tick(at(50))
    assert len(truth.rechecks.open_questions) == 1


def test_everything_that_is_retained_and_was_read_is_read_again_when_it_is_asked_for():
    truth = desk(view=seen(3))
    two = ProbePartition(Acks.ALL, 2)
    for partition in (ZERO, ONE):
        writes(truth, 4, partition=partition)
        reads(truth, record(0, 0, 4), partition=partition)
    truth.ledgers[ONE].log_starts_at(4)
    assert truth.ledgers[two].position is None
    assert truth.reread_all(at(5)) == (ZERO,)
    assert [each.purpose for each in truth.rechecks.open_questions] == [Purpose.BACKGROUND]
    (command,) = of_kind(truth.tick(at(6)), Recheck)
    assert (command.partition, command.start, command.end) == (ZERO, 0, 4)
    truth.ledgers[ONE].log_start = 3
    assert truth.reread_all(at(7)) == (ZERO, ONE)


# --- a ledger that contradicts itself


@pytest.mark.parametrize("shows", ["in an event", "with time"])
def test_a_contradiction_starts_its_partition_over_and_leaves_the_others_alone(shows):
    truth = desk()
    writes(truth, 4)
    writes(truth, 4, partition=ONE)
    reads(truth, record(0, 0, 2))
    truth.rechecks.incident("an incident", ZERO, 0, at(3))
    truth.take_findings()
    if shows == "in an event":
        commands = truth.take(RecordsSent(at(4), ZERO, RUN, 99, 1))
    else:
        truth.ledgers[ZERO].own.next_sequence += 1
        commands = truth.tick(at(4))
    got = counts(commands)
    assert got["records_sent_total", "all"] == (4 if shows == "in an event" else 8)
    assert (truth.violations, got["invariant_violations_total",]) == (1, 1)
    assert of_kind(commands, StartRun) == [StartRun()]
    assert [each.level for each in of_kind(commands, Log)] == ["error"]
    assert of_kind(commands, AssignReader) == [AssignReader(ZERO, 2)]
    assert truth.take_findings() == [IncidentRechecked("an incident", ZERO), ContradictionContained(ZERO)]
    assert list(truth.ledgers[ZERO].retired) == [RUN]
    assert truth.ledgers[ONE].records()["sent"] == 4
    sums = truth.records(Acks.ALL)
    assert (sums["verified"], sums["awaiting"], sums["acked"]) == (2, 4, 8 if shows == "in an event" else 9)
    truth.started_run(8)
    writes(truth, 1, offset=4, mono=5)
    assert truth.records(Acks.ALL)["sent"] - sums["sent"] == 1
    truth.take(RecordsSent(at(6), ZERO, 8, 99, 1))
    assert truth.violations == 2
    assert truth.records(Acks.ALL)["sent"] - sums["sent"] == 1


def test_where_nothing_was_open_nothing_is_unaccounted():
    truth = desk()
    assert counts(truth.take(RecordsSent(at(4), ZERO, RUN, 99, 1))) == {("invariant_violations_total",): 1}
    assert truth.records(Acks.ALL)["unaccounted"] == 0


def test_the_sums_of_a_ledger_that_is_let_go_keep_what_was_settled_and_set_the_rest_aside():
    settled = {"rejected": 1, "present": 2, "absent": 3, "verified": 4, "lost": 5, "expired": 6, "corrupted": 7}
    figures = settled | {"unaccounted": 8, "in_flight": 10, "unresolved": 20, "awaiting": 30, "sent": 96}
    sums, unaccounted = _with_open_set_aside(figures | {"lost_before": 9})
    assert unaccounted == 60
    assert sums == settled | {"unaccounted": 68, "sent": 96, "acked": 90, "uncertain": 5, "lost_before": 9}


def test_what_was_acknowledged_and_is_damaged_is_a_figure_of_its_own():
    truth = desk()
    writes(truth, 3)
    reads(truth, record(0, 0), Sighting(SightingKind.CORRUPTED, 1, 1, 0), record(2, 2))
    truth.tick(at(4))
    assert truth.records(Acks.ALL)["corrupted_acked"] == truth.records(Acks.ALL)["corrupted"] == 1
    truth.ledgers[ZERO].own.move(1, 1, State.CORRUPTED, State.VERIFIED)
    assert truth.records(Acks.ALL)["corrupted_acked"] == 0


# --- state


def test_what_is_handed_on_is_taken_over_and_handed_on_again():
    truth = desk()
    writes(truth, 4)
    reads(truth, record(0, 0, 4), Sighting(SightingKind.FOREIGN, 4, 2, 0))
    truth.tick(at(4))
    truth.departed[Acks.ALL, "sent"] = 3
    state = json.loads(json.dumps(truth.to_state()))
    after = Truth(US, RUN + 1, 3, settle_margin=10.0, chunk=100, background_interval=1e9)
    after.restore(state, at(5))
    assert after.topic_ids == {Acks.ALL: "first"}
    assert after.anomalies == {(Acks.ALL, "foreign"): 2}
    assert after.departed == {(Acks.ALL, "sent"): 3}
    assert set(after.restored) == {ZERO, ONE}
    again = json.loads(json.dumps(after.to_state()))
    assert again == state | {"run": f"{RUN + 1:016x}"}  # no ledger is open yet: each is handed on as it came
    after.observe(seen(1), at(6))
    parts = after.to_state()["partitions"]
    assert [each["partition"] for each in parts] == [0, 1]
    assert len(parts[0]["accounts"]) == 2
    assert after.records(Acks.ALL)["sent"] == 7
    broken = state["partitions"][0] | {"accounts": [state["partitions"][0]["accounts"][0] | {"next": 99}]}
    with pytest.raises(InvariantError):  # not in the middle of a day
        after.restore(state | {"partitions": [broken]}, at(7))
    with pytest.raises(ValueError, match="all/0 is there twice"):
        after.restore(state | {"partitions": [state["partitions"][0]] * 2}, at(7))


def test_what_was_suspected_when_the_state_was_saved_is_asked_as_soon_as_its_partition_is_seen():
    before = desk()
    lost_the_tail(before)
    after = Truth(US, RUN + 1, 3, settle_margin=10.0, chunk=100, background_interval=1e9)
    after.restore(json.loads(json.dumps(before.to_state())), at(9))
    after.observe(seen(), at(10))
    assert {each.partition for each in after.rechecks.open_questions} == {ZERO}
