import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.core.recovery_world import ALL3, P0, P1, P2, PARTS, SESSION, WALL, at, cluster_view

from kafka_sentinel.core.backdrop import Backdrop
from kafka_sentinel.core.recovery import PHASES, Baseline, Recovery
from kafka_sentinel.core.slots import Operation
from kafka_sentinel.core.types import Acks, Instant, ProbePartition

T0 = 100.0
WHOLE = (ALL3, ALL3, ALL3)
SHRUNK = ((2, 3), (2, 3), (2, 3))
NO_1 = (2, 3)


def recovery(*, lag=0, isr=3, leaders=ALL3):
    baseline = Baseline(dict(zip(PARTS, leaders, strict=True)), dict.fromkeys(PARTS, isr), lag)
    return Recovery(at(T0), baseline, set(PARTS), SESSION, 5)


def see(what, seconds, leaders=ALL3, isr=WHOLE, *, brokers=ALL3, failed=frozenset({1}), asked=None):
    asked = seconds if asked is None else asked
    what.on_cluster(at(T0 + asked), at(T0 + seconds), cluster_view(leaders, isr, brokers), set(failed))


def ack(what, part, sent, seconds):
    what.on_acked(part, at(T0 + sent), at(T0 + seconds))


def phase(what, name):
    seconds = what.phases()[name]
    return None if seconds is None else pytest.approx(seconds)


OLD, NEW, NONE = (1, 2, 3), (2, 2, 3), (-1, 2, 3)


@pytest.mark.parametrize(
    ("answers", "expected"),
    [
        pytest.param([(1, OLD, ALL3), (2, OLD, ALL3), (3, OLD, ALL3)], None, id="never changed"),
        pytest.param([(1, OLD, ALL3), (2, NEW, NO_1), (3, NEW, NO_1)], 2, id="the first of two that agree"),
        pytest.param([(1, OLD, ALL3), (2, NEW, NO_1)], None, id="one answer is not two"),
        pytest.param([(1, OLD, NO_1), (2, OLD, NO_1)], None, id="the dead leader is no leader"),
        pytest.param([(1, NONE, NO_1), (2, NONE, NO_1)], None, id="none is no leader"),
        pytest.param([(1, NONE, NO_1), (2, NEW, NO_1), (3, (3, 2, 3), NO_1), (4, (3, 2, 3), NO_1)], 3, id="must agree"),
        pytest.param([(1, NEW, NO_1), (2, OLD, NO_1), (3, NEW, NO_1), (4, NEW, NO_1)], 3, id="must follow each other"),
        pytest.param([(1, NONE, NO_1), (2, OLD, ALL3), (3, OLD, ALL3)], 2, id="the old one came back"),
        pytest.param([(1, NEW, NO_1), (2, NEW, NO_1), (3, OLD, ALL3)], 1, id="moving back later changes nothing"),
        pytest.param(
            [(1, NEW, NO_1), (2, NEW, NO_1), (3, NONE, NO_1), (4, NEW, NO_1), (5, NEW, NO_1)], 4, id="lost again"
        ),
    ],
)
def test_leader(answers, expected):
    what = recovery()
    for seconds, leaders, brokers in answers:
        see(what, seconds, leaders, brokers=brokers)
    assert what.phases()["leader"] == (None if expected is None else pytest.approx(expected))


def test_an_answer_that_was_asked_for_before_t0_counts_for_nothing():
    what = recovery()
    see(what, 0.5, NEW, SHRUNK, brokers=NO_1, asked=-0.1)
    see(what, 1.0, NEW, SHRUNK, brokers=NO_1, asked=-0.1)
    assert what.phases() == dict.fromkeys(PHASES)


def test_an_answer_that_was_asked_for_at_t0_counts():
    what = recovery()
    see(what, 1, NONE, asked=0)
    assert phase(what, "detected") == 1
    silent = recovery()
    silent.on_unreachable(at(T0), at(T0 + 1), {1}, set())
    assert phase(silent, "detected") == 1


def test_every_partition_of_the_failed_broker_needs_a_new_leader():
    what = recovery(leaders=(1, 1, 3))
    see(what, 1, (2, 1, 3))
    see(what, 2, (2, 1, 3))
    assert phase(what, "leader") is None
    see(what, 3, (2, 2, 3))
    see(what, 4, (2, 2, 3))
    assert phase(what, "leader") == 3


def test_a_partition_whose_leader_took_a_write_since_has_one_whatever_was_missed():
    what = recovery(leaders=(1, 1, 3))
    ack(what, P1, 0.5, 0.8)
    see(what, 1, (2, 1, 3))
    see(what, 2, (2, 1, 3))
    assert phase(what, "leader") == 1


def test_a_partition_that_gets_another_leader_later_takes_the_phase_back():
    what = recovery(leaders=(1, 1, 3))
    ack(what, P1, 0.5, 0.8)  # its old leader took a write
    see(what, 1, (2, 1, 3))
    see(what, 2, (2, 1, 3))
    see(what, 3, (2, 2, 3))
    assert phase(what, "leader") is None
    see(what, 4, (2, 2, 3))
    assert phase(what, "leader") == 3


def test_a_leader_that_moved_is_a_sign():
    what = recovery()
    see(what, 1)
    assert what.detected is None
    see(what, 2, NEW)
    assert phase(what, "detected") == 2


def test_partitions_that_nobody_names_have_no_leader_and_no_isr():
    what = recovery()
    for seconds in (1, 2, 5):
        what.on_cluster(at(T0 + seconds), at(T0 + seconds), replace(cluster_view(), topics={}), set())
    assert (what.waiting_for()[0], phase(what, "detected"), what.isr) == ("leader", 1, None)


def test_a_leader_that_moves_away_from_a_healthy_broker_is_none_of_our_business():
    what = recovery()
    see(what, 1, (1, 3, 3))
    see(what, 2, (1, 3, 3))
    assert phase(what, "leader") is None
    assert what.detected is None


def test_without_knowing_who_failed_any_change_of_leader_counts():
    what = recovery()
    see(what, 1, (1, 3, 3), failed=())
    see(what, 2, (1, 3, 3), failed=())
    assert phase(what, "leader") == 1


def test_when_nobody_answers_the_failed_brokers_lead_nothing():
    what = recovery()
    what.on_unreachable(at(T0 + 1), at(T0 + 3), {1}, set())
    see(what, 5)
    see(what, 6)
    assert phase(what, "leader") == 5
    assert phase(what, "detected") == 3


def test_when_nobody_answers_partitions_that_are_down_have_no_leader():
    what = recovery()
    what.on_unreachable(at(T0 + 1), at(T0 + 3), set(), {P1})
    assert what.waiting_for()[0] == "leader"
    quiet = recovery()
    quiet.on_unreachable(at(T0 + 1), at(T0 + 3), set(), set())
    quiet.on_unreachable(at(T0 - 1), at(T0 + 3), {1}, {P1})
    assert "leader" not in quiet.waiting_for()


def test_silence_between_two_answers_breaks_their_agreement():
    what = recovery()
    see(what, 1, NEW, brokers=NO_1)
    what.on_unreachable(at(T0 + 2), at(T0 + 3), {1}, set())
    see(what, 4, NEW, brokers=NO_1)
    assert phase(what, "leader") is None
    see(what, 5, NEW, brokers=NO_1)
    assert phase(what, "leader") == 4


def test_produce_is_the_slowest_partitions_first_ack_of_a_record_sent_after_t0():
    what = recovery()
    for part in PARTS:
        ack(what, part, -0.1, 9)  # sent before
        ack(what, part, 0.0, 9)  # not after
    assert what.produce is None
    ack(what, P0, 0.5, 4)
    ack(what, P1, 0.5, 0.6)
    assert what.produce is None
    ack(what, P2, 0.5, 0.7)
    ack(what, P0, 5.0, 5.1)
    assert phase(what, "produce") == 4
    assert what.consume is None


def test_consume_likewise():
    what = recovery()
    for part, seconds in ((P0, 4), (P1, 2), (P2, 3)):
        what.on_read(part, at(T0 - 1), at(T0))
        what.on_read(part, at(T0), at(T0 + 0.5))
        what.on_read(part, at(T0 + 1), at(T0 + seconds))
    assert phase(what, "consume") == 4
    assert what.produce is None


def test_a_partition_that_left_is_not_waited_for():
    what = recovery()
    ack(what, P0, 1, 2)
    what.probe([P0])
    assert phase(what, "produce") == 2


def test_a_partition_that_is_new_is_not_waited_for():
    what = recovery()
    what.probe([P0])
    what.probe(PARTS)
    assert what.partitions == {P0}


@pytest.mark.parametrize(
    ("answers", "expected"),
    [
        pytest.param([(1, SHRUNK), (2, WHOLE), (3, WHOLE), (4, WHOLE), (5, WHOLE)], 2, id="agreeing over the time-out"),
        pytest.param([(1, SHRUNK), (2, WHOLE), (3, WHOLE), (4, WHOLE), (4.9, WHOLE)], None, id="not long enough"),
        pytest.param([(1, SHRUNK), (2, WHOLE), (6, WHOLE)], None, id="not often enough"),
        pytest.param(
            [(1, SHRUNK), (2, WHOLE), (3, SHRUNK), (4, WHOLE), (5, WHOLE), (7, WHOLE)],
            4,
            id="a phantom is not believed",
        ),
        pytest.param([(1, WHOLE), (2, WHOLE), (4, WHOLE)], 1, id="never shrank"),
        pytest.param([(1, WHOLE), (2, WHOLE), (4, WHOLE), (5, SHRUNK)], None, id="shrank after all"),
        pytest.param(
            [(1, (ALL3, ALL3, (2, 3))), (3, (ALL3, ALL3, (2, 3))), (5, (ALL3, ALL3, (2, 3)))], None, id="all of them"
        ),
    ],
)
def test_isr(answers, expected):
    what = recovery()
    for seconds, isr in answers:
        see(what, seconds, isr=isr)
    assert what.phases()["isr"] == (None if expected is None else pytest.approx(expected))


def test_an_isr_that_was_small_at_t0_need_not_grow_and_an_unknown_one_must_be_whole():
    small, unknown = recovery(isr=2), recovery()
    unknown.baseline = Baseline({}, {}, 0)
    for seconds in (1, 2, 4):
        see(small, seconds, isr=SHRUNK)
        see(unknown, seconds, isr=SHRUNK)
    assert phase(small, "isr") == 1
    assert phase(unknown, "isr") is None


def test_lag_counts_after_writes_came_back_and_while_it_stays_down():
    what = recovery(lag=10)
    what.on_lag(3, 0, at(T0 + 1))
    assert what.lag is None
    for part in PARTS:
        ack(what, part, 1, 2)
    what.on_lag(16, 0, at(T0 + 3))
    assert what.lag is None
    what.on_lag(15, 0, at(T0 + 4))
    what.on_lag(0, 0, at(T0 + 5))
    assert phase(what, "lag") == 4
    what.on_lag(100, 0, at(T0 + 6))
    assert what.lag is None


def test_what_was_just_sent_is_no_lag_where_a_load_was_added_since():
    what = recovery(lag=10)
    for part in PARTS:
        ack(what, part, 1, 2)
    what.on_lag(4_000, 2_000, at(T0 + 3))
    assert what.lag is None
    what.on_lag(2_010, 2_000, at(T0 + 4))
    assert phase(what, "lag") == 4
    what.on_lag(2_011, 2_000, at(T0 + 5))
    assert what.lag is None


def test_just_now_is_two_seconds():
    past = Backdrop(session_timeout=3.0, lag_tolerance=100)
    seen = []
    for seconds, records in ((1.0, 50), (2.0, 30), (2.5, 0), (3.0, 0), (4.0, 0)):
        past.sent(records)
        seen.append(past.lag(0, at(T0 + seconds)))
    assert seen == [50, 80, 80, 30, 0]


def recovered():
    what = recovery()
    for seconds in (1, 2, 5):
        see(what, seconds)
    for part in PARTS:
        ack(what, part, 1, 2)
        what.on_read(part, at(T0 + 1), at(T0 + 3))
    what.on_lag(0, 0, at(T0 + 3.5))
    return what


def test_full_is_the_latest_of_all():
    what = recovered()
    assert phase(what, "full") == 3.5
    what.outage_over(at(T0 + 7))
    what.outage_over(at(T0 + 6))
    assert phase(what, "full") == 7


@pytest.mark.parametrize("missing", ["isr", "lag", "read", "acked"])
def test_full_needs_every_phase(missing):
    what = recovered()
    setattr(what, missing, {} if missing in {"read", "acked"} else None)
    assert what.full is None
    assert what.waiting_for() == [{"read": "consume", "acked": "produce"}.get(missing, missing)]


@pytest.mark.parametrize(
    ("since", "held", "undone"),
    [
        (2.0, None, True),
        (1.0, None, False),  # the first record was sent when it began, and was taken
        (0.5, None, False),
        (2.0, 4.0, True),
        (4.0, 4.0, False),  # all held by then: another outage, not a recovery that never was
        (5.0, 4.0, False),
    ],
)
def test_the_first_outage_of_what_failed_undoes_what_came_before_it(since, held, undone):
    what = recovered()
    what.held = None if held is None else at(T0 + held)
    what.interrupted(Operation.PRODUCE, P0, at(T0 + since), {1})
    assert (what.produce is None) == undone
    assert phase(what, "consume") == 3


def test_a_second_outage_of_the_same_or_one_of_a_healthy_broker_undoes_nothing():
    what = recovered()
    what.interrupted(Operation.PRODUCE, P1, at(T0 + 2), {1})
    assert phase(what, "produce") == 2
    what.interrupted(Operation.PRODUCE, P0, at(T0 + 0.5), {1})
    what.interrupted(Operation.PRODUCE, P0, at(T0 + 2), {1})
    assert phase(what, "produce") == 2


@pytest.mark.parametrize(
    ("pods", "seconds"),
    [({}, None), ({1: None}, None), ({1: 4.0}, 4), ({1: 6.0, 2: 4.0}, 6), ({1: 4.0, 2: None}, None)],
)
def test_pods_are_back_when_the_last_one_is(pods, seconds):
    what = recovered()
    what.pods = {broker: None if ready is None else at(T0 + ready) for broker, ready in pods.items()}
    assert phase(what, "pod") == seconds
    assert what.waiting_for() == (["pod"] if pods and seconds is None else [])
    what.probe([])
    assert what.waiting_for() == (["pod"] if pods and seconds is None else [])


def test_after_the_close_nothing_is_kept_of_single_partitions():
    what = recovered()
    see(what, 6, NEW)
    what.forget_details()
    state = what.to_state()
    assert [state[name] for name in ("partitions", "leaderless", "acked", "read")] == [[]] * 4
    assert state["baseline"] == {"leaders": [], "isr": [], "lag": 0}
    assert what._leaders_seen is None


def test_detected_is_the_first_sign_after_t0():
    at_t0 = recovery()
    at_t0.sign(at(T0))
    assert phase(at_t0, "detected") == 0
    what = recovery()
    what.sign(at(T0 - 1))
    what.sign(at(T0 + 2))
    what.sign(at(T0 + 1))
    assert phase(what, "detected") == 2


def test_what_was_noted_is_carried_over_to_another_t0():
    what = recovered()
    what.sign(at(T0 + 0.5))
    later = Recovery(at(T0 + 1), what.baseline, set(PARTS), SESSION, 5)
    later.carry_over(what)
    assert (later.produce, later.consume) == (None, None)  # sent at the new t0, not after it
    assert later.detected is None
    earlier = Recovery(at(T0 - 1), what.baseline, set(PARTS), SESSION, 5)
    earlier.carry_over(what)
    assert phase(earlier, "produce") == 3
    assert phase(earlier, "consume") == 4
    assert phase(earlier, "detected") == 1.5


def restarted(what):
    state = json.loads(json.dumps(what.to_state()))
    return Recovery.from_state(state, lambda wall: Instant(wall - WALL, wall), session_timeout=SESSION, lag_tolerance=5)


def test_pods_and_an_isr_that_was_reached_survive_a_restart():
    what = recovered()
    what.pods = {1: at(T0 + 4), 2: None}
    again = restarted(what)
    for seconds in (6, 7, 10):
        see(again, seconds)
    assert phase(again, "isr") == 1
    assert {broker: ready and ready.wall for broker, ready in again.pods.items()} == {1: at(T0 + 4).wall, 2: None}


def test_the_state_lists_everything_in_order():
    parts = [ProbePartition(Acks.ALL, number) for number in reversed(range(20))]
    what = Recovery(at(T0), Baseline(dict.fromkeys(parts, 1), dict.fromkeys(parts, 3), 0), set(parts), SESSION, 5)
    what.on_unreachable(at(T0), at(T0), {1}, set())
    what.pods = {2: None, 1: None}
    for part in parts:
        ack(what, part, 1, 2)
        what.on_read(part, at(T0 + 1), at(T0 + 2))
    state = what.to_state()
    lists = [state["baseline"]["leaders"], state["baseline"]["isr"]]
    lists += [state[name] for name in ("partitions", "leaderless", "acked", "read", "pods")]
    assert lists == [sorted(each) for each in lists]
    assert [len(each) for each in lists] == [20] * 6 + [2]


steps = st.lists(
    st.tuples(
        st.sampled_from(["see", "ack", "read", "lag", "unreachable", "sign", "over"]),
        st.sampled_from([OLD, NEW, NONE, (3, 2, 3)]),
        st.sampled_from([WHOLE, SHRUNK]),
        st.sampled_from(PARTS),
        st.integers(0, 20),
    ),
    max_size=40,
)


def play(what, step, moment, clock):
    kind, leaders, isr, part, number = step
    brokers = ALL3 if leaders == OLD else NO_1
    if kind == "see":
        what.on_cluster(clock(moment), clock(moment), cluster_view(leaders, isr, brokers), {1})
    elif kind == "ack":
        what.on_acked(part, clock(moment - number), clock(moment))
    elif kind == "read":
        what.on_read(part, clock(moment - number), clock(moment))
    elif kind == "lag":
        what.on_lag(number, 0, clock(moment))
    elif kind == "unreachable":
        what.on_unreachable(clock(moment - number), clock(moment), {1}, {part})
    elif kind == "sign":
        what.sign(clock(moment))
    else:
        what.outage_over(clock(moment))


@given(steps, st.integers(0, 40))
def test_a_restart_changes_no_phase_that_was_reached(history, died):
    """The same clock offset for both: what differs is only the state in between, and what was half observed."""
    what = recovery()
    for number, step in enumerate(history):
        play(what, step, T0 + number / 2, at)
        if number == died:
            phases = what.phases()
            state = json.loads(json.dumps(what.to_state()))
            what = Recovery.from_state(
                state, lambda wall: Instant(wall - WALL, wall), session_timeout=SESSION, lag_tolerance=5
            )
            assert {name: value and pytest.approx(value, abs=1e-5) for name, value in phases.items()} == what.phases()


@given(steps)
def test_phases_are_never_negative_and_full_is_the_last(history):
    what = recovery()
    for number, step in enumerate(history):
        play(what, step, T0 - 2 + number / 2, at)
        phases = what.phases()
        assert all(value is None or value >= 0 for value in phases.values())
        if phases["full"] is not None:
            known = [value for name, value in phases.items() if name not in {"detected", "full"} and value is not None]
            assert phases["full"] >= max(known)
