import json

from hypothesis import given
from hypothesis import strategies as st

from kafka_sentinel.core.group import MAX_RANGES, GroupAccount
from kafka_sentinel.core.types import Acks, ProbePartition

P0, P1 = ProbePartition(Acks.ALL, 0), ProbePartition(Acks.ALL, 1)
ONE = ProbePartition(Acks.ONE, 0)


def test_offsets_handed_over_once_are_not_redelivered():
    group = GroupAccount()
    assert group.read(P0, 0, 10) == 0
    assert group.read(P0, 10, 5) == 0
    assert group.read(P1, 0, 10) == 0
    assert group.redelivered == {Acks.ALL: 0, Acks.ONE: 0}


def test_offsets_handed_over_again_are_redelivered_each_time():
    group = GroupAccount()
    group.read(P0, 0, 10)
    assert group.read(P0, 5, 10) == 5
    assert group.read(P0, 5, 10) == 10
    group.read(ONE, 0, 1)
    group.read(ONE, 0, 1)
    assert group.redelivered == {Acks.ALL: 15, Acks.ONE: 1}


def test_other_records_at_the_offsets_of_a_cut_log_are_not_redelivered():
    group = GroupAccount()
    group.read(P0, 0, 10)
    group.void_from(P0, 6)
    assert group.lag(P0, 6) == 0
    assert group.read(P0, 5, 3) == 1
    group.void_from(P1, 0)
    assert group.lag(P1, 5) is None


def test_a_recreated_topic_begins_anew():
    group = GroupAccount()
    group.read(P0, 0, 10)
    group.committed(0.1, None, [(P0, 10)])
    group.forget(P0)
    assert group.read(P0, 0, 10) == 0
    assert group.committed(0.1, None, [(P0, 5)]) == []


def test_lag_is_the_distance_to_the_end_and_never_negative():
    group = GroupAccount()
    assert group.lag(P0, 100) is None
    group.read(P0, 0, 10)
    assert group.lag(P0, 25) == 15
    assert group.lag(P0, 4) == 0
    group.read(P0, 5, 1)
    assert group.lag(P0, 10) == 4


def test_a_committed_offset_that_goes_backwards_is_a_regression():
    group = GroupAccount()
    assert group.committed(0.1, None, [(P0, 10), (P1, 3)]) == []
    assert group.committed(0.1, None, [(P0, 10), (P1, 4)]) == []
    assert group.committed(0.1, None, [(P0, 9), (P1, 4)]) == [P0]
    assert group.commit_regressions == 1


def test_a_failed_commit_moves_nothing_and_is_no_latency():
    group = GroupAccount()
    group.committed(0.1, None, [(P0, 10)])
    assert group.committed(9.0, "TIMED_OUT", [(P0, 3)]) == []
    assert group.committed(0.1, None, [(P0, 11)]) == []
    assert (group.commits, group.commit_errors) == (2, 1)
    assert group.commit_latency.count == 2


def test_a_commit_after_truncation_is_no_regression():
    group = GroupAccount()
    group.read(P0, 0, 10)
    group.committed(0.1, None, [(P0, 10)])
    group.void_from(P0, 4)
    assert group.committed(0.1, None, [(P0, 5)]) == []


def test_memory_is_bounded_when_every_other_offset_is_missing():
    group = GroupAccount()
    for offset in range(0, 4 * MAX_RANGES, 2):
        group.read(P0, offset, 1)
    assert len(group.to_state()["partitions"][0][2]) == MAX_RANGES
    assert group.read(P0, 4 * MAX_RANGES - 2, 1) == 1


@given(st.lists(st.tuples(st.integers(0, 60), st.integers(1, 20)), max_size=30))
def test_redelivered_agrees_with_a_plain_count(spans):
    group, seen, again = GroupAccount(), set(), 0
    for index, (offset, count) in enumerate(spans):
        group.read(P0, offset, count)
        again += len(seen & set(range(offset, offset + count)))
        seen |= set(range(offset, offset + count))
        if index % 7 == 3:
            group = GroupAccount.from_state(json.loads(json.dumps(group.to_state())))
    assert group.redelivered[Acks.ALL] == again
