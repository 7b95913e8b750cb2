import json

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from kafka_sentinel.core.availability import MAX_COVERED, MAX_PENDING, RETURN, STALL, Availability, _Covered
from kafka_sentinel.core.slots import Edge, Operation, SlotResult, Totals
from kafka_sentinel.core.types import Acks, Instant, ProbePartition

P0, P1 = ProbePartition(Acks.ALL, 0), ProbePartition(Acks.ALL, 1)
PRODUCE, CONSUME = Operation.PRODUCE, Operation.CONSUME
GOOD, BAD, BLIND = SlotResult.GOOD, SlotResult.BAD, SlotResult.BLIND
WALL = 1_000_000.0


def at(seconds):
    return Instant(seconds, WALL + seconds)


def availability(*partitions, slo_produce=1.0, slo_consume=2.0, interval=0.5):
    judge = Availability(slo_produce=slo_produce, slo_consume=slo_consume, interval=interval)
    judge.probe(partitions or (P0,))
    judge.tick(at(0), blind=False)
    return judge


def ticks(judge, start, end, *, step=0.5, blind=False):
    """Tick from start to end and return the sums of what was reported."""
    slots, edges, seconds, union, unseen = {}, [], {}, {}, 0.0
    moment = start
    while moment <= end:
        changes = judge.tick(at(moment), blind=blind)
        for key, count in changes.slots.items():
            slots[key] = slots.get(key, 0) + count
        edges.extend(changes.edges)
        for key, value in changes.partition_seconds.items():
            seconds[key] = seconds.get(key, 0) + value
        for key, value in changes.any_seconds.items():
            union[key] = union.get(key, 0) + value
        unseen += changes.blind_seconds
        moment += step
    return slots, edges, seconds, union, unseen


def test_a_probe_acked_and_read_in_time_is_good_for_both():
    judge = availability()
    judge.sent(P0, 0, at(0))
    assert judge.acked(P0, 0, 1, at(1.0)) == [at(0)]
    assert judge.read(P0, 0, 1, at(2.0)) == [at(0)]
    changes = judge.tick(at(2.0), blind=False)
    assert changes.slots == {(PRODUCE, GOOD): 1, (CONSUME, GOOD): 1}
    assert changes.edges == ()
    assert judge.totals.ratio(PRODUCE) == 1.0


def test_a_probe_within_its_deadline_is_not_judged_yet():
    judge = availability()
    judge.sent(P0, 0, at(0))
    assert judge.tick(at(1.0), blind=False).slots == {}
    assert judge.totals.ratio(PRODUCE) is None


def test_a_slot_is_bad_as_soon_as_its_deadline_passed_and_its_late_ack_is_told_but_not_counted_again():
    judge = availability()
    judge.sent(P0, 0, at(0))
    changes = judge.tick(at(1.1), blind=False)
    assert changes.slots == {(PRODUCE, BAD): 1}
    assert changes.edges == (Edge(PRODUCE, P0, available=False, at=at(0)),)
    assert judge.unavailable(PRODUCE) == [P0]
    assert judge.unavailable(CONSUME) == []
    assert judge.acked(P0, 0, 1, at(1.2)) == [at(0)]
    assert judge.tick(at(1.3), blind=False).slots == {}
    assert judge.unavailable(PRODUCE) == [P0]


def test_an_ack_after_the_deadline_is_bad_even_before_a_tick_saw_it_pass():
    judge = availability()
    judge.sent(P0, 0, at(0))
    judge.acked(P0, 0, 1, at(1.5))
    assert judge.tick(at(1.5), blind=False).slots == {(PRODUCE, BAD): 1}


def test_a_failed_send_is_bad_for_produce_at_once_and_for_consume_at_its_deadline():
    judge = availability()
    judge.sent(P0, 0, at(0))
    judge.failed(P0, 0, 10)
    assert judge.tick(at(0.1), blind=False).slots == {(PRODUCE, BAD): 1}
    assert ticks(judge, 0.5, 2.5)[0] == {(CONSUME, BAD): 1}


def test_only_the_first_sequence_of_a_batch_is_its_probe():
    judge = availability()
    judge.sent(P0, 10, at(0))
    assert judge.acked(P0, 11, 5, at(0.1)) == []
    assert judge.acked(P0, 5, 5, at(0.1)) == []
    assert judge.acked(P0, 5, 6, at(0.2)) == [at(0)]


def test_batches_closer_than_half_an_interval_share_a_slot():
    judge = availability()
    for number in range(10):
        judge.sent(P0, number, at(number * 0.1))
    judge.acked(P0, 0, 10, at(1.0))
    assert judge.tick(at(1.0), blind=False).slots == {(PRODUCE, GOOD): 4}  # sent at 0, 0.3, 0.6, 0.9


def test_batches_half_an_interval_apart_have_a_slot_each():
    judge = availability()
    judge.sent(P0, 0, at(0))
    judge.sent(P0, 1, at(0.25))
    judge.acked(P0, 0, 2, at(0.5))
    assert judge.tick(at(0.5), blind=False).slots == {(PRODUCE, GOOD): 2}


def test_what_fails_before_the_first_tick_is_bad():
    judge = Availability(slo_produce=1.0, slo_consume=2.0, interval=0.5)
    judge.probe([P0])
    judge.sent(P0, 0, at(0))
    judge.failed(P0, 0, 1)
    judge.failed(P1, 0, 1)  # nobody asked for that one
    assert judge.tick(at(0.1), blind=False).slots == {(PRODUCE, BAD): 1}


def outage(judge, start, healed):
    """Slots every half second for 20 s; those from `start` until `healed` are never answered."""
    reports = []
    for sequence in range(41):
        now = sequence / 2
        judge.sent(P0, sequence, at(now))
        if now < start or now >= healed:
            judge.acked(P0, sequence, 1, at(now + 0.1))
        reports.append(judge.tick(at(now + 0.2), blind=False))
    return reports


def test_unavailable_from_the_send_of_the_first_bad_slot_to_the_ack_of_the_first_good_one():
    judge = availability()
    reports = outage(judge, 5.0, 12.0)
    produce = [edge for report in reports for edge in report.edges if edge.operation is PRODUCE]
    assert produce == [
        Edge(PRODUCE, P0, available=False, at=at(5.0)),
        Edge(PRODUCE, P0, available=True, at=at(12.1)),
    ]
    total = sum(report.partition_seconds.get((PRODUCE, P0), 0) for report in reports)
    assert total == pytest.approx(7.1)
    assert judge.totals.any_seconds[PRODUCE] == pytest.approx(7.1)
    assert judge.totals.slots[PRODUCE, BAD] == 14  # the slots of 5.0 … 11.5
    assert judge.totals.slots[PRODUCE, GOOD] == 27


def test_a_bad_slot_older_than_a_good_one_counts_but_opens_nothing():
    judge = availability()
    judge.sent(P0, 0, at(0))
    judge.sent(P0, 1, at(0.5))
    judge.acked(P0, 1, 1, at(0.6))
    changes = judge.tick(at(1.1), blind=False)
    assert changes.slots == {(PRODUCE, BAD): 1, (PRODUCE, GOOD): 1}
    assert changes.edges == ()


def test_a_good_slot_older_than_a_bad_one_heals_nothing():
    judge = availability()
    judge.sent(P0, 0, at(0))
    judge.sent(P0, 1, at(0.5))
    judge.failed(P0, 1, 1)
    judge.acked(P0, 0, 1, at(0.6))
    judge.tick(at(0.7), blind=False)
    assert judge.unavailable(PRODUCE) == [P0]


def test_overlapping_outages_count_once_for_any_and_each_for_partitions():
    judge = availability(P0, P1)
    judge.sent(P0, 0, at(0))
    judge.sent(P1, 0, at(0.5))
    _, _, seconds, union, _ = ticks(judge, 0.5, 3.0)
    assert seconds[PRODUCE, P0] == pytest.approx(3.0)
    assert seconds[PRODUCE, P1] == pytest.approx(2.5)
    assert union[PRODUCE] == pytest.approx(3.0)


def test_an_outage_judged_late_adds_only_what_was_not_covered():
    judge = availability(P0, P1)
    judge.sent(P0, 0, at(1.0))
    judge.sent(P1, 0, at(0.0))
    judge.failed(P0, 0, 1)
    assert judge.tick(at(1.0), blind=False).any_seconds == {}
    _, _, _, union, _ = ticks(judge, 1.5, 3.0)
    assert union[PRODUCE] == pytest.approx(3.0)


def test_no_moment_is_covered_twice():
    covered = _Covered()
    assert [covered.add(*span) for span in ((10, 12), (0, 3), (2, 11), (0, 12))] == [2, 3, 7, 0]
    apart = _Covered()
    assert [apart.add(*span) for span in ((0, 10), (5, 7), (20, 21), (0, 10))] == [10, 0, 1, 0]


def test_pieces_that_touch_are_one_and_of_those_apart_the_last_are_remembered():
    touching, apart = _Covered(), _Covered()
    for number in range(2 * MAX_COVERED):
        assert touching.add(number, number + 1) == 1
    assert touching.add(0, 2 * MAX_COVERED) == 0
    for number in range(MAX_COVERED):
        apart.add(10 + 2 * number, 11 + 2 * number)
    apart.add(0, 1)
    assert [apart.add(10, 11), apart.add(0, 1)] == [0, 1]


def test_backwards_too():
    covered = _Covered()
    for number in reversed(range(2 * MAX_COVERED)):
        assert covered.add(number, number + 1) == 1
    assert covered.add(0, 2 * MAX_COVERED) == 0


def test_partitions_that_are_down_are_named_in_order():
    parts = [ProbePartition(Acks.ALL, number) for number in reversed(range(12))]
    judge = availability(*parts)
    for part in parts:
        judge.sent(part, 0, at(0))
        judge.failed(part, 0, 1)
    assert judge.unavailable(PRODUCE) == sorted(parts)


def test_a_partition_no_longer_probed_is_dropped_uncounted():
    judge = availability(P0, P1)
    judge.sent(P0, 0, at(0))
    judge.sent(P1, 0, at(0))
    judge.probe((P1,))
    slots, edges, *_ = ticks(judge, 0.5, 2.5)
    assert slots == {(PRODUCE, BAD): 1, (CONSUME, BAD): 1}
    assert {edge.partition for edge in edges} == {P1}
    judge.sent(P0, 1, at(3))
    assert judge.acked(P0, 1, 1, at(3)) == []


def test_a_new_run_drops_what_can_no_longer_be_matched():
    judge = availability()
    judge.sent(P0, 7, at(0))
    judge.sent(P0, 0, at(0.5))
    assert judge.acked(P0, 0, 1, at(0.6)) == [at(0.5)]
    assert ticks(judge, 0.5, 2.0)[0] == {(PRODUCE, GOOD): 1}


def test_a_new_run_may_begin_with_the_very_sequence_that_was_last():
    judge = availability()
    for sequence, seconds in ((0, 0), (1, 0.5), (1, 1.0)):
        judge.sent(P0, sequence, at(seconds))
    assert judge.acked(P0, 0, 2, at(1.1)) == [at(1.0)]


def test_a_slot_since_which_nothing_was_heard_waits_and_is_bad_once_something_is():
    judge = availability()
    judge.sent(P0, 0, at(0))
    assert judge.tick(at(2.5), blind=False, heard=at(-0.5).mono).slots == {}
    changes = judge.tick(at(3.0), blind=False, heard=at(2.9).mono)
    assert changes.slots == {(PRODUCE, BAD): 1, (CONSUME, BAD): 1}
    assert [edge.at for edge in changes.edges] == [at(0), at(0)]
    assert changes.partition_seconds[PRODUCE, P0] == pytest.approx(2.9)


def test_a_word_before_its_deadline_says_nothing_of_a_slot():
    judge = availability()
    judge.sent(P0, 0, at(0))
    judge.tick(at(0.2), blind=False, heard=at(0.2).mono)  # of another partition; cut off since then
    assert judge.tick(at(2.5), blind=False, heard=at(0.2).mono).slots == {}
    changes = judge.tick(at(2.8), blind=False, heard=at(1.5).mono)
    assert changes.slots == {(PRODUCE, BAD): 1}
    assert judge.tick(at(6.0), blind=True, heard=at(1.5).mono).slots[CONSUME, BAD] == 0


def test_a_slot_since_which_nothing_was_heard_is_blind_if_that_goes_on():
    judge = availability()
    judge.sent(P0, 0, at(0))
    judge.tick(at(2.5), blind=False, heard=at(-0.5).mono)
    changes = judge.tick(at(5.0), blind=True, heard=at(-0.5).mono)
    assert changes.slots[PRODUCE, BLIND] == 10  # it, and nine that were never opened
    assert {(PRODUCE, BAD), (CONSUME, BAD)}.isdisjoint(changes.slots)
    assert changes.edges == ()
    assert changes.blind_seconds == pytest.approx(5.5)  # from when something was heard last


def test_what_fails_while_nothing_is_heard_waits_too():
    judge = availability()
    judge.tick(at(0.1), blind=False, heard=at(0).mono)
    judge.sent(P0, 0, at(0.2))
    judge.failed(P0, 0, 1)
    assert judge.tick(at(0.5), blind=False, heard=at(0).mono).slots == {}
    assert judge.tick(at(3.0), blind=False, heard=at(2.9).mono).slots[PRODUCE, BAD] == 1


def test_what_was_sent_when_something_was_heard_last_waits_as_well():
    judge = availability()
    judge.tick(at(0.2), blind=False, heard=at(0.2).mono)
    judge.sent(P0, 0, at(0.2))
    judge.failed(P0, 0, 1)
    assert judge.tick(at(0.5), blind=False, heard=at(0.2).mono).slots == {}


def cut_off_until(end):
    judge = availability()
    judge.sent(P0, 0, at(0))
    judge.acked(P0, 0, 1, at(0.1))
    judge.read(P0, 0, 1, at(0.1))
    for step in range(1, int(end) + 1):
        judge.tick(at(step), blind=step > 5, heard=at(0.1).mono if step > 1 else at(step).mono)
    return judge


def test_what_is_late_just_after_a_cut_off_may_be_our_own_clients():
    judge = cut_off_until(20)
    judge.sent(P0, 20, at(20.0))
    changes = judge.tick(at(23.0), blind=False, heard=at(22.9).mono)
    assert changes.slots[PRODUCE, BLIND] >= 1
    assert (PRODUCE, BAD) not in changes.slots
    assert changes.edges == ()


@pytest.mark.parametrize("sent", [19.4, 20.0])
def test_what_was_sent_while_cut_off_is_blind_also_if_the_partition_worked_before_it_was_due(sent):
    judge = cut_off_until(20)
    judge.sent(P0, 20, at(sent))
    judge.sent(P0, 21, at(20.5))
    judge.acked(P0, 21, 1, at(20.6))
    changes = judge.tick(at(21.2), blind=False, heard=at(21.2).mono)
    assert changes.slots[PRODUCE, BAD] == 0
    assert changes.slots[PRODUCE, GOOD] == 1


@pytest.mark.parametrize(("after", "result"), [(RETURN - 0.5, BLIND), (RETURN, BAD)])
def test_our_own_clients_have_ten_seconds_to_return(after, result):
    judge = cut_off_until(20)
    judge.sent(P0, 20, at(20 + after))
    judge.tick(at(20 + after), blind=False, heard=at(20 + after).mono)
    changes = judge.tick(at(21.5 + after), blind=False, heard=at(21.5 + after).mono)
    assert changes.slots == {(PRODUCE, result): 1}


def test_a_partition_that_took_what_was_sent_at_the_end_of_the_cut_off_works():
    judge = cut_off_until(20)
    judge.sent(P0, 20, at(20.0))
    judge.acked(P0, 20, 1, at(20.6))
    judge.sent(P0, 21, at(21.0))
    changes = judge.tick(at(22.5), blind=False, heard=at(22.4).mono)
    assert changes.slots[PRODUCE, BAD] == 1


def test_what_is_late_after_the_partition_worked_again_is_not():
    judge = cut_off_until(20)
    judge.sent(P0, 20, at(20.5))
    judge.acked(P0, 20, 1, at(20.6))
    judge.sent(P0, 21, at(21.0))
    changes = judge.tick(at(22.5), blind=False, heard=at(22.4).mono)
    assert changes.slots[PRODUCE, BAD] == 1


def test_a_partition_that_does_not_come_back_after_a_cut_off_is_down():
    judge = cut_off_until(20)
    bad = []
    for step in range(1, int(RETURN) + 5):
        judge.sent(P0, 19 + step, at(20 + step))
        changes = judge.tick(at(20.5 + step), blind=False, heard=at(20.4 + step).mono)
        bad.append(changes.slots[PRODUCE, BAD])
    assert sum(bad[: int(RETURN)]) == 0
    assert sum(bad) > 0


def test_a_slot_that_ends_while_blind_is_neither_good_nor_bad():
    judge = availability()
    judge.sent(P0, 0, at(0))
    slots, edges, _, _, unseen = ticks(judge, 0.5, 3.0, blind=True)
    assert slots[PRODUCE, BLIND] == slots[CONSUME, BLIND] == 1
    assert (PRODUCE, BAD) not in slots
    assert edges == []
    assert unseen == pytest.approx(3.0)


def test_blind_time_within_an_outage_is_not_unavailable_time():
    judge = availability()
    judge.sent(P0, 0, at(0))
    ticks(judge, 0.5, 2.0)
    judge.sent(P0, 1, at(2.0))
    ticks(judge, 2.5, 4.0, blind=True)
    ticks(judge, 4.5, 5.0)
    assert judge.totals.partition_seconds[PRODUCE] == pytest.approx(3.0)
    assert judge.totals.blind_seconds == pytest.approx(2.0)


def test_time_cut_off_within_an_outage_is_not_unavailable_time():
    judge = availability()
    judge.sent(P0, 0, at(0))
    for seconds, blind, heard in ((2, False, 2), (3, True, 2), (4, True, 2), (5, False, 5), (6, False, 6)):
        judge.tick(at(seconds), blind=blind, heard=at(heard).mono)
    assert judge.totals.partition_seconds[PRODUCE] == pytest.approx(4.0)  # until 2, and from 4 on


def test_three_seconds_are_no_standstill_and_after_one_all_is_judged_again():
    judge = availability()
    assert judge.tick(at(STALL), blind=False).blind_seconds == 0
    assert judge.tick(at(2 * STALL + 1), blind=False).blind_seconds == STALL + 1
    judge.sent(P0, 0, at(2 * STALL + 1))
    judge.failed(P0, 0, 1)
    assert judge.tick(at(2 * STALL + 2), blind=False).slots == {(PRODUCE, BAD): 1}


def test_a_standstill_is_blind_from_the_tick_before_and_not_from_what_was_heard_last():
    judge = availability()
    judge.tick(at(1), blind=False, heard=at(0.2).mono)
    assert judge.tick(at(5), blind=False, heard=at(0.2).mono).blind_seconds == 4


def test_a_sentinel_that_stood_still_blames_nobody():
    judge = availability()
    judge.sent(P0, 0, at(0))
    changes = judge.tick(at(STALL + 1), blind=False)
    assert changes.slots[PRODUCE, BLIND] == 8  # the one that was pending, and seven never opened
    assert (PRODUCE, BAD) not in changes.slots
    assert changes.edges == ()
    assert changes.blind_seconds == pytest.approx(STALL + 1)


def test_slots_our_own_producer_did_not_open_are_blind():
    judge = availability()
    judge.sent(P0, 0, at(0))
    judge.acked(P0, 0, 1, at(0.1))
    judge.read(P0, 0, 1, at(0.1))
    slots, edges, _, _, unseen = ticks(judge, 0.5, 9.5)
    assert slots[PRODUCE, BLIND] == 18
    judge.sent(P0, 1, at(10.1))
    later = judge.tick(at(10.1), blind=False)
    assert edges == []
    assert slots[PRODUCE, BLIND] + later.slots.get((PRODUCE, BLIND), 0) == pytest.approx(19, abs=1)
    assert unseen + later.blind_seconds == pytest.approx(10.0, abs=1.0)


def test_slots_that_were_not_opened_are_counted_also_without_a_tick_in_between():
    judge = availability()
    judge.sent(P0, 0, at(0))
    judge.acked(P0, 0, 1, at(0.1))
    judge.read(P0, 0, 1, at(0.1))
    judge.sent(P0, 1, at(2.9))
    judge.sent(P0, 2, at(7.9))
    assert judge.tick(at(2.9), blind=False).slots[PRODUCE, BLIND] == 9


def test_a_producer_that_goes_on_may_pause_as_any_other():
    judge = availability()
    judge.sent(P0, 0, at(0))
    ticks(judge, 0.5, 10.0)
    judge.sent(P0, 1, at(10.1))
    judge.tick(at(10.1), blind=False)
    assert judge.tick(at(11.9), blind=False).slots.get((PRODUCE, BLIND), 0) == 0


def test_two_stalled_partitions_are_counted_each_and_one_to_which_nothing_was_sent_is_not():
    judge = availability(P0, P1)
    for part in (P0, P1):
        judge.sent(part, 0, at(0))
    assert ticks(judge, 0.5, 10.0)[0][PRODUCE, BLIND] == 38
    other = availability(P0, P1)
    other.sent(P0, 0, at(0))
    slots, _, _, _, unseen = ticks(other, 0.5, 10.0)
    assert (slots[PRODUCE, BLIND], unseen) == (19, 9.5)


def test_one_stalled_partition_is_not_a_blind_sentinel():
    judge = availability(P0, P1)
    for step in range(20):
        judge.sent(P0, step, at(step / 2))
        judge.acked(P0, step, 1, at(step / 2))
        if step == 0:
            judge.sent(P1, 0, at(0))
            judge.acked(P1, 0, 1, at(0))
        judge.tick(at(step / 2), blind=False)
    assert judge.totals.blind_seconds == 0
    assert judge.totals.slots[PRODUCE, BLIND] >= 5


def test_a_partition_that_never_was_sent_to_is_not_missed():
    judge = availability()
    slots, *_ = ticks(judge, 0, 20)
    assert slots == {}


def test_time_lived_blind_counts_slots_of_every_partition():
    judge = availability(P0, P1)
    judge.lived_blind(6.0)
    judge.lived_blind(4.0)
    changes = judge.tick(at(0), blind=False)
    assert changes.slots == {(PRODUCE, BLIND): 40, (CONSUME, BLIND): 40}
    assert changes.blind_seconds == 10.0


def test_time_lived_blind_before_anything_was_probed_is_counted_then():
    judge = Availability(slo_produce=1.0, slo_consume=2.0, interval=0.5)
    judge.lived_blind(6.0)
    judge.lived_blind(4.0)
    assert judge.tick(at(0), blind=False).slots == {}
    judge.probe((P0,))
    judge.probe((P0,))
    assert judge.tick(at(0.2), blind=False).slots == {(PRODUCE, BLIND): 20, (CONSUME, BLIND): 20}
    assert judge.totals.blind_seconds == 10.0


def test_memory_is_bounded_and_no_slot_goes_uncounted():
    judge = availability(slo_produce=1e9, slo_consume=1e9)
    for sequence in range(MAX_PENDING + 100):
        judge.sent(P0, sequence, at(sequence))
        judge.tick(at(sequence), blind=False)
    assert all(len(track.pending) == MAX_PENDING for track in judge._tracks.values())
    assert judge.read(P0, 0, 1, at(MAX_PENDING + 100)) == [at(0)]  # the oldest is not given up for it
    judge.acked(P0, 0, MAX_PENDING + 100, at(MAX_PENDING + 100))
    judge.tick(at(MAX_PENDING + 100), blind=False)
    assert judge.totals.slots[PRODUCE, GOOD] == MAX_PENDING + 100


def test_of_those_that_were_judged_the_oldest_make_room():
    judge = availability()
    for sequence in range(MAX_PENDING + 10):
        judge.sent(P0, sequence, at(sequence))
        judge.tick(at(sequence), blind=False)
    assert all(len(track.pending) == MAX_PENDING for track in judge._tracks.values())
    assert judge.acked(P0, 0, 10, at(MAX_PENDING + 10)) == []
    newest = MAX_PENDING + 9
    assert judge.acked(P0, newest, 1, at(newest + 0.1)) == [at(newest)]


@pytest.mark.parametrize(("good", "bad", "ratio"), [(0, 0, None), (3, 1, 0.75), (1, 1, 0.5), (0, 2, 0.0)])
def test_the_share_is_of_good_and_bad_slots(good, bad, ratio):
    totals = Totals()
    totals.slots.update({(PRODUCE, GOOD): good, (PRODUCE, BAD): bad, (PRODUCE, BLIND): 9, (CONSUME, BAD): 5})
    assert totals.ratio(PRODUCE) == ratio
    rows = totals.to_state()["slots"]
    assert rows == sorted(rows)


def test_totals_survive_a_round_trip():
    judge = availability()
    outage(judge, 5, 12)
    state = json.loads(json.dumps(judge.totals.to_state()))
    assert Totals.from_state(state) == judge.totals


@example([("ack", 1.5), ("ack", 1.0), ("ack", 1.0), ("fail", 0.0), ("ack", 1.0), ("ack", 1.5), *[("ack", 1.0)] * 3])
@given(st.lists(st.tuples(st.sampled_from(["ack", "fail", "none"]), st.floats(0, 3)), max_size=60))
def test_every_slot_ends_in_exactly_one_result(outcomes):
    judge = availability()
    due = []
    for number, (outcome, delay) in enumerate(outcomes):
        sent = number * 0.5
        judge.sent(P0, number, at(sent))
        due.append((sent + delay, number, outcome))
        for when, sequence, what in sorted(due):
            if when <= sent and what == "ack":
                judge.acked(P0, sequence, 1, at(when))
            elif when <= sent and what == "fail":
                judge.failed(P0, sequence, 1)
        due = [entry for entry in due if entry[0] > sent]
        judge.tick(at(sent), blind=False)
    end = len(outcomes) * 0.5
    ticks(judge, end, end + 2.5)
    for operation in Operation:
        assert sum(judge.totals.slots[operation, result] for result in SlotResult) == len(outcomes)
    assert judge.totals.any_seconds[PRODUCE] <= judge.totals.partition_seconds[PRODUCE] + 1e-9
    assert judge.totals.partition_seconds[PRODUCE] <= end + 3.0


def starting_judge():
    judge = Availability(slo_produce=1.0, slo_consume=1.0, interval=0.5, startup=30.0)
    judge.probe([P0])
    return judge


def test_what_is_late_before_the_first_success_is_our_own_start_and_not_counted():
    judge = starting_judge()
    for number in range(10):
        judge.sent(P0, number, at(100 + number * 0.5))
        judge.tick(at(100 + number * 0.5), blind=False)
    ticks(judge, 105.0, 108.0)
    assert judge.unavailable(Operation.PRODUCE) == []
    assert not judge.totals.slots


def test_a_partition_that_never_works_is_down_once_the_start_is_over():
    judge = starting_judge()
    for number in range(80):
        judge.sent(P0, number, at(number * 0.5))
        judge.tick(at(number * 0.5), blind=False)
    assert judge.unavailable(Operation.PRODUCE) == [P0]


def test_after_the_first_success_everything_is_judged():
    judge = starting_judge()
    judge.sent(P0, 0, at(0.0))
    judge.acked(P0, 0, 1, at(0.1))
    judge.sent(P0, 1, at(0.5))
    judge.tick(at(0.6), blind=False)
    ticks(judge, 1.0, 3.0)
    assert judge.unavailable(Operation.PRODUCE) == [P0]
