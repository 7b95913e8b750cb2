import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kafka_sentinel.core.commands import Count, Log, Observe
from kafka_sentinel.core.events import GroupCommitted, GroupRead, GroupRebalanced
from kafka_sentinel.core.group import MAX_RANGES, GroupAccount
from kafka_sentinel.core.types import Acks, Instant, ProbePartition

P0, P1 = ProbePartition(Acks.ALL, 0), ProbePartition(Acks.ALL, 1)
ONE = ProbePartition(Acks.ONE, 0)
NOW = Instant(10.0, 1000.0)


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
    group.committed(None, [(P0, 10)])
    group.forget(P0)
    assert group.read(P0, 0, 10) == 0
    assert group.committed(None, [(P0, 5)]) == []


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
    assert group.committed(None, [(P0, 10), (P1, 3)]) == []
    assert group.committed(None, [(P0, 10), (P1, 4)]) == []
    assert group.committed(None, [(P0, 9), (P1, 4)]) == [P0]
    assert group.commit_regressions == 1


def test_a_failed_commit_moves_nothing():
    group = GroupAccount()
    group.committed(None, [(P0, 10)])
    assert group.committed("TIMED_OUT", [(P0, 3)]) == []
    assert group.committed(None, [(P0, 11)]) == []
    assert (group.commits, group.commit_errors) == (2, 1)


def test_a_commit_after_truncation_is_no_regression():
    group = GroupAccount()
    group.read(P0, 0, 10)
    group.committed(None, [(P0, 10)])
    group.void_from(P0, 4)
    assert group.committed(None, [(P0, 5)]) == []


def test_memory_is_bounded_when_every_other_offset_is_missing():
    group = GroupAccount()
    for offset in range(0, 4 * MAX_RANGES, 2):
        group.read(P0, offset, 1)
    assert len(group.to_state()["partitions"][0][2]) == MAX_RANGES
    assert group.read(P0, 4 * MAX_RANGES - 2, 1) == 1


def test_the_oldest_are_forgotten_first():
    group = GroupAccount()
    for offset in range(0, 2 * MAX_RANGES + 2, 2):
        group.read(P0, offset, 1)
    assert [group.read(P0, offset, 1) for offset in (2, 4)] == [1, 1]
    assert group.read(P0, 0, 1) == 0


def test_what_is_told_is_counted_and_observed():
    group = GroupAccount()
    assert group.take(GroupRead(NOW, P0, 0, 10)) == []
    assert group.take(GroupRead(NOW, P0, 8, 3)) == [Count("records_redelivered_total", (("acks", "all"),), 2)]
    assert group.take(GroupRebalanced(NOW, (P0,))) == [Count("group_rebalances_total", ())]
    assert group.take(GroupCommitted(NOW, 0.5, None, ((P0, 11),))) == [Observe("commit_latency_seconds", (), (0.5,))]
    failed = GroupCommitted(NOW, 0.5, "TIMED_OUT", ())
    assert group.take(failed) == [Count("kafka_errors_total", (("code", "TIMED_OUT"),))]
    assert (group.redelivered[Acks.ALL], group.rebalances, group.commits, group.commit_errors) == (2, 1, 1, 1)


def test_a_committed_offset_that_went_backwards_is_logged_with_its_partition():
    group = GroupAccount()
    group.take(GroupCommitted(NOW, 0.1, None, ((P0, 10), (P1, 5))))
    [_, said] = group.take(GroupCommitted(NOW, 0.1, None, ((P0, 9), (P1, 5))))
    assert said == Log("warning", "committed offset went backwards", {"partitions": ["acks=all partition 0"]})


@pytest.mark.parametrize("how", ["read", "committed"])
def test_a_cut_log_takes_back_only_what_was_known(how):
    group = GroupAccount()
    if how == "read":
        group.read(P0, 0, 10)
    else:
        group.committed(None, [(P0, 10)])
    group.void_from(P0, 20)
    group.void_from(P0, 6)
    assert group.lag(P0, 8) == (2 if how == "read" else None)
    assert group.committed(None, [(P0, 5)]) == ([P0] if how == "committed" else [])


def test_all_counts_add_up_and_are_in_the_state():
    group = GroupAccount()
    nothing = dict.fromkeys(("rebalances", "commits", "commit_errors", "commit_regressions"), 0)
    assert group.to_state() == {"redelivered": {"all": 0, "1": 0}, **nothing, "partitions": []}
    for offset in (10, 9, 8):
        group.committed(None, [(P1, offset), (ONE, offset)])
    for _ in range(2):
        group.read(P0, 3, 2)
        group.rebalanced()
        group.committed("TIMED_OUT", ())
    state = json.loads(json.dumps(group.to_state()))
    assert state == {
        "redelivered": {"all": 2, "1": 0},
        "rebalances": 2,
        "commits": 3,
        "commit_errors": 2,
        "commit_regressions": 4,
        "partitions": [["1", 0, [], None, 8], ["all", 0, [[3, 2]], 5, None], ["all", 1, [], None, 8]],
    }
    assert json.loads(json.dumps(GroupAccount.from_state(state).to_state())) == state


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
