"""Flaws seen in other monitors of Kafka, each shown not to be ours. docs/verification.md names them all."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.core.engine_world import BROKERS, INTERVAL, ONE, RUN, ZERO, Sentinel, series, view
from tests.core.ledger_world import RECORD, THEM, US, Entry, World, mine

from kafka_sentinel.core.account import State
from kafka_sentinel.core.commands import AssignReader, Diagnose, EnsureTopic, Probe, StartRun
from kafka_sentinel.core.events import (
    AdapterError,
    GroupCommitted,
    GroupRead,
    GroupRebalanced,
    ReaderLost,
    RecordsAcked,
    RecordsRejected,
)
from kafka_sentinel.core.truth import LOG_BEGINNING
from kafka_sentinel.core.types import Acks, Claims, Span

ACKED = series("records_outcome_total", (("outcome", "acked"),))
REJECTED = series("records_outcome_total", (("outcome", "rejected"),))
UNCERTAIN = series("records_outcome_total", (("outcome", "uncertain"),))

# --- what became of records


def test_a_record_in_flight_for_an_hour_is_neither_lost_nor_overdue():
    sentinel = Sentinel()
    sentinel.live(5)
    sentinel.sent(3)
    sentinel.wait(3600)
    assert sentinel.records["in_flight"] == 3
    assert [sentinel.records[name] for name in ("lost", "overdue", "suspected", "unaccounted")] == [0, 0, 0, 0]


@pytest.mark.parametrize("read_before", [True, False], ids=["read before the time-out", "read after it"])
def test_a_send_that_timed_out_and_was_written_is_present_once_and_no_duplicate(read_before):
    world = World()
    world.produce(5)
    sent = world.send(3)
    world.append(*sent)  # the response was lost, not the record
    if read_before:
        world.read()
    world.give_up(sent.start, 3)
    world.settle()
    world.recheck_everything()
    assert world.count("present") == world.ledger.counted["present"] == 3
    assert [world.ledger.counted[name] for name in ("duplicated", "reordered", "late")] == [0, 0, 0]
    assert world.losses == []


def test_copies_and_re_reads_do_not_make_more_verified_than_acknowledged():
    world = World()
    sent = world.send(10)
    for _ in range(3):
        world.append(*sent)
    world.ack((0, 10, 0))
    world.read()
    world.settle()
    for _ in range(2):
        world.recheck_everything()
    assert world.ledger.counted["verified"] == world.count("verified") == world.count("acked")
    assert world.ledger.counted["duplicated"] == 20


@pytest.mark.parametrize(
    "twin", [{"instance": THEM}, {"run": 1}, {"run": 99}], ids=["another Sentinel", "an earlier life", "a namesake"]
)
def test_a_record_of_another_producer_with_the_same_sequence_does_not_stand_in_for_a_lost_one(twin):
    earlier = World()
    earlier.produce(3)
    earlier.read()
    world = earlier.restart(state=earlier.saved())
    world.produce(10)
    world.truncate(3 + 5)
    for sequence in range(5, 10):
        world.put(Entry(RECORD, **{"run": world.run, "instance": US, **twin}, sequence=sequence, epoch=world.epoch))
    world.judge()
    assert world.lost == mine(world, range(5, 10))
    assert {loss.seen for loss in world.losses} == {"never"}


@given(st.permutations(range(8)), st.sampled_from([1, 3]))
@settings(max_examples=60, deadline=None)
def test_acknowledgements_in_any_order_are_taken_and_mean_nothing(order, size):
    world = World()
    for _ in order:
        world.append(*world.send(size))
    for index in order:
        world.ack((index * size, size, index * size))
    world.settle()
    assert world.losses == []
    assert world.regressions == []
    assert world.count("verified") == world.count("acked") == world.ledger.own.next_sequence


def test_the_very_first_record_is_judged_like_any_other():
    world = World()
    world.produce(1)
    world.truncate(0)
    world.judge()
    assert world.lost == mine(world, [0])


def test_an_application_that_skips_records_proves_no_loss():
    sentinel = Sentinel()
    sentinel.live(5)
    for event in (
        GroupRebalanced(sentinel.now(), (ZERO,)),
        GroupRead(sentinel.now(), ZERO, 7, 1),  # offsets 0 to 6 were never handed over
        GroupRebalanced(sentinel.now(), ()),
    ):
        sentinel.step(event)
    sentinel.live(5)
    assert [sentinel.records[name] for name in ("lost", "suspected", "overdue", "redelivered")] == [0, 0, 0, 0]
    assert sentinel.status["incidents"] == []


def test_a_restart_continues_from_the_state_and_its_own_sequences_from_zero_are_no_duplicates():
    world = World()
    world.produce(50)
    world.read()
    after = world.restart(state=world.saved())
    after.produce(50)  # sequences 0 to 49 once more, of another run
    after.settle()
    after.recheck_everything()
    assert after.losses == []
    assert [after.ledger.counted[name] for name in ("duplicated", "reordered", "conflicting", "foreign")] == [0] * 4
    assert after.count("verified") == after.count("acked") == 50 + after.ledger.own.next_sequence


def test_a_lost_record_whose_offset_was_used_again_by_the_next_of_the_same_sender_is_found():
    """The offsets show no hole at all."""
    world = World()
    world.produce(20)
    world.read()
    world.truncate(12)
    world.produce(30)
    world.read()
    assert len(world.log) == 42
    world.judge()
    assert world.lost == mine(world, range(12, 20))


# --- counters count what happened, not what was tried


def test_only_acknowledged_records_count_as_acknowledged():
    sentinel = Sentinel()
    sentinel.acked(sentinel.sent(10), 10)
    first = sentinel.sent(5)
    sentinel.step(RecordsRejected(sentinel.now(), ZERO, RUN, first, 5, "_QUEUE_FULL"))
    sentinel.uncertain(sentinel.sent(3), 3)
    sentinel.wait(1)
    assert sentinel.counts["records_sent_total"] == 18
    assert (sentinel.counts[ACKED], sentinel.counts[REJECTED], sentinel.counts[UNCERTAIN]) == (10, 5, 3)
    assert len(sentinel.samples["produce_ack_latency_seconds"]) == 1


def test_a_failed_commit_is_an_error_and_no_commit():
    sentinel = Sentinel()
    sentinel.step(GroupCommitted(sentinel.now(), 30.0, "_TIMED_OUT", ()))
    sentinel.step(GroupCommitted(sentinel.now(), 0.2, None, ((ZERO, 5),)))
    assert sentinel.samples["commit_latency_seconds"] == [0.2]
    assert sentinel.counts["kafka_errors_total _TIMED_OUT"] == 1
    assert (sentinel.engine.group.commits, sentinel.engine.group.commit_errors) == (1, 1)


def test_a_commit_that_fails_before_anything_was_read_or_assigned_is_only_an_error():
    sentinel = Sentinel(partitions=0)
    sentinel.step(GroupCommitted(sentinel.now(), 1.0, "COORDINATOR_NOT_AVAILABLE", ()))
    sentinel.step(GroupRead(sentinel.now(), ZERO, 3, 2))
    sentinel.step(GroupRead(sentinel.now(), ZERO, 4, 1))
    assert sentinel.counts["records_redelivered_total"] == 1
    assert sentinel.engine.group_lag() == {}


# --- clocks and latency


def story(jump: float) -> Sentinel:
    """Half a minute, an outage in its middle; the wall clock jumps to and fro by `jump` seconds under every probe."""
    sentinel = Sentinel()
    for turn in range(40):
        first, offset = sentinel.sent(), sentinel.end[ZERO]
        sentinel.wall += jump if turn % 2 else -jump
        sentinel.wait(INTERVAL)
        sentinel.acked(first)
        sentinel.read(first, offset)
    missed = sentinel.suffer(6)
    sentinel.wall += jump
    sentinel.uncertain(missed, sentinel.following[ZERO] - missed)
    sentinel.live(4)
    sentinel.acked(sentinel.sent())
    sentinel.wall -= 2 * jump
    sentinel.wait(4)
    return sentinel


@pytest.mark.parametrize("jump", [3600.0, -86_400.0])
def test_a_wall_clock_that_jumps_changes_no_duration(jump):
    steady, jumping = story(0.0), story(jump)
    for name in ("latency_seconds", "availability", "blind_seconds", "records", "partitions"):
        assert jumping.status[name] == steady.status[name], name
    assert jumping.samples == steady.samples
    phases = [[incident["phases"] for incident in each.status["incidents"]] for each in (steady, jumping)]
    assert len(phases[0]) == len(phases[1]) == 1
    assert phases[1][0] == pytest.approx(phases[0][0], abs=1e-3)


def test_a_failover_of_ninety_seconds_reads_as_ninety_seconds():
    sentinel = Sentinel()
    first, offset = sentinel.sent(), sentinel.end[ZERO]
    sentinel.wait(90)
    sentinel.acked(first, latency=90.0)
    sentinel.read(first, offset, latency=90.5)
    latency = sentinel.status["latency_seconds"]
    assert latency["produce_p99"] == pytest.approx(90, rel=0.05)
    assert latency["end_to_end_p99"] == pytest.approx(90.5, rel=0.05)


# --- availability and health


def test_availability_does_not_recover_while_a_partition_stays_dead_whatever_times_out_meanwhile():
    sentinel = Sentinel()
    sentinel.live(10)
    first = sentinel.suffer(120)
    sentinel.uncertain(first, sentinel.following[ZERO] - first)  # the client gives all of it up at once
    sentinel.suffer(300)
    for operation in ("produce", "consume"):
        assert sentinel.status["availability"][operation] < 0.05
    assert [minute["produce_good"] for minute in sentinel.status["history"]][2:] == [0.0] * 5
    assert [minute["consume_good"] for minute in sentinel.status["history"]][2:] == [0.0] * 5
    assert sentinel.status["partitions"][0]["writable"] is False


def test_one_dead_partition_among_good_ones_is_not_outvoted():
    sentinel = Sentinel(partitions=2)
    for _ in range(120):
        first, offset = sentinel.sent(), sentinel.end[ZERO]
        sentinel.acked(first)
        sentinel.read(first, offset)
        sentinel.sent(partition=ONE)
        sentinel.wait(INTERVAL)
    assert [each["writable"] for each in sentinel.status["partitions"]] == [True, False]
    assert sentinel.status["health"] == "incident"
    assert sentinel.status["availability"]["produce"] < 0.8


def test_health_says_what_is_wrong():
    sentinel = Sentinel()
    assert sentinel.status["health"] == "starting"
    sentinel.live(5)
    assert sentinel.status["health"] == "ok"
    first = sentinel.suffer(10)
    assert sentinel.status["health"] == "incident"
    sentinel.uncertain(first, sentinel.following[ZERO] - first)
    sentinel.live(5)
    assert sentinel.status["health"] == "incident", "it is over only once everything was re-read"


def test_figures_stay_while_no_broker_answers():
    sentinel = Sentinel()
    sentinel.live(10)
    before = sentinel.records
    sentinel.sees_nothing()
    sentinel.wait(60)
    facts = sentinel.status
    assert facts["records"]["all"] == before
    assert facts["kafka"]["reachable"] is False
    assert [broker["up"] for broker in facts["kafka"]["brokers"]] == [False, False, False]
    assert len(facts["partitions"]) == 1


# --- lag


def test_lag_in_seconds_is_the_age_of_the_oldest_unread_record_to_the_tick():
    sentinel = Sentinel()
    sentinel.live(5)
    (partition,) = sentinel.status["partitions"]
    assert (partition["lag_records"], partition["lag_seconds"]) == (0, 0.0)
    offset = sentinel.end[ZERO]
    first = sentinel.sent()
    sentinel.acked(first)
    oldest = sentinel.mono
    for _ in range(40):
        sentinel.wait(INTERVAL)
        sentinel.acked(sentinel.sent())
        (partition,) = sentinel.status["partitions"]
        assert partition["lag_seconds"] == pytest.approx(sentinel.mono - oldest, abs=1.0)
    assert partition["lag_records"] == 41
    sentinel.read(first, offset, 41)
    (partition,) = sentinel.status["partitions"]
    assert (partition["lag_records"], partition["lag_seconds"]) == (0, 0.0)


@given(st.lists(st.tuples(st.integers(0, 50), st.integers(1, 9)), max_size=12))
@settings(max_examples=40, deadline=None)
def test_lag_of_the_group_is_never_negative_and_always_a_number(handed):
    sentinel = Sentinel()
    for offset, count in handed:
        sentinel.step(GroupRead(sentinel.now(), ZERO, offset, count))  # also ahead of what we know to be acknowledged
        sentinel.acked(sentinel.sent())
        lags = sentinel.engine.group_lag().values()
        assert all(lag >= 0 and math.isfinite(lag) for lag in lags)


# --- nothing stops for ever, nothing dies of a trifle


def assigned(sentinel: Sentinel) -> list[int]:
    return [command.offset for command in sentinel.commands if isinstance(command, AssignReader)]


def test_a_reader_that_stopped_is_assigned_again_until_it_reads():
    sentinel = Sentinel()
    sentinel.live(5)
    position = sentinel.end[ZERO]
    for _ in range(5):
        before = len(assigned(sentinel))
        sentinel.step(ReaderLost(sentinel.now(), ZERO, position, None, None, "the leader is not known"))
        sentinel.wait(3)
        assert assigned(sentinel)[before:] == [position]


def test_a_reader_whose_log_was_cut_goes_on_where_the_log_ends_and_nothing_is_skipped():
    sentinel = Sentinel()
    sentinel.live(10)
    before = len(assigned(sentinel))
    sentinel.step(ReaderLost(sentinel.now(), ZERO, 20, 0, 15, "offset out of range"))
    assert assigned(sentinel)[before:][-1] == 15
    assert sentinel.records["suspected"] == 5


def test_a_ledger_that_contradicts_itself_starts_over_and_sentinel_goes_on():
    sentinel = Sentinel()
    sentinel.live(5)
    sentinel.sent()
    again = RecordsAcked(sentinel.now(), ZERO, RUN, (Span(0, 1, 0),))  # acknowledged and read long ago
    assert StartRun() in sentinel.step(again)
    sentinel.wait(1)
    assert sentinel.counts["invariant_violations_total"] == 1
    sentinel.engine.start_run(RUN + 1)
    sentinel.following.clear()
    sentinel.live(5)
    assert sentinel.records["verified"] >= 10
    assert sentinel.records["lost"] == 0
    assert sentinel.counts["invariant_violations_total"] == 1


def test_an_error_that_repeats_itself_is_counted_each_time_and_said_once_a_minute():
    sentinel = Sentinel()
    for _ in range(1_200):
        sentinel.step(AdapterError(sentinel.now(), "verifier-all", "_TRANSPORT", "connection refused"))
        sentinel.wait(INTERVAL)
    assert sentinel.counts["kafka_errors_total _TRANSPORT"] == 1_200
    assert 10 <= sum(log.event == "adapter error" for log in sentinel.logs) <= 11


# --- the topic


def test_a_topic_that_is_not_there_yet_is_asked_for_and_nothing_is_blamed():
    sentinel = Sentinel(partitions=0)
    sentinel.sees(view(topic=False))
    sentinel.wait(30)
    assert EnsureTopic(Acks.ALL) in sentinel.commands
    assert sentinel.status["incidents"] == []
    assert sentinel.status["health"] == "starting"
    commands = sentinel.sees(view())
    assert Probe((ZERO,)) in commands
    assert AssignReader(ZERO, LOG_BEGINNING) in commands, "what was sent before the reader came up is read, too"


def test_a_partition_added_while_running_is_probed_and_read_from_its_beginning():
    sentinel = Sentinel()
    sentinel.live(5)
    commands = sentinel.sees(view(partitions=2))
    assert Probe((ZERO, ONE)) in commands
    assert [each for each in commands if isinstance(each, AssignReader)] == [AssignReader(ONE, LOG_BEGINNING)]


def test_sentinel_moves_nothing_while_brokers_go_come_and_change_the_lead():
    sentinel = Sentinel(partitions=3)
    sentinel.commands.clear()
    for cluster in (
        view(partitions=3, brokers=(1, 2), leader=1),
        view(partitions=3, brokers=(1,), leader=1),
        view(partitions=3, brokers=(), leader=-1),
        view(partitions=3, brokers=BROKERS, leader=2),
        view(partitions=3),
    ):
        sentinel.sees(cluster)
        sentinel.wait(30)
    assert set(sentinel.commands) <= {Diagnose()}, "it may look why"


# --- a run that vanished with its memory


def test_without_any_memory_of_the_past_a_loss_is_proved_by_what_survives():
    """The run before claimed its records in each other; a new process without a state reads that."""
    log = [Entry(RECORD, 3, sequence, claims=Claims(0, sequence, ())) for sequence in range(10)]
    gap = [*log[:4], *(entry._replace(epoch=1) for entry in log[7:])]  # an unclean election in between
    world = World(run=9, log=gap)
    world.settle()
    assert world.lost == {(3, 4), (3, 5), (3, 6)}
    assert world.ledger.accounts[3].sets[State.VERIFIED].spans() == [(0, 4), (7, 2)]
