"""One disruption: what is heard of it, when its node went, and what that is put down to, at the bounds of each rule."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from tests.core.kubernetes.raw import EPOCH, at

from kafka_sentinel.core.incident import Cause
from kafka_sentinel.core.kubernetes import disruption as module
from kafka_sentinel.core.kubernetes.capacity import Capacity
from kafka_sentinel.core.kubernetes.disruption import CLOCKS, FRESH, LATE, Disruption, Outcome, dated
from kafka_sentinel.core.kubernetes.node_cause import Loss
from kafka_sentinel.core.kubernetes.signal_types import Hint, Signal, SignalKind, Source


def cordon(rule="cordon", since=None, **more):
    found = Signal(Source.KUBERNETES, SignalKind.DRAIN, Hint.CORDON, rule, f"by {rule}", None, standing=True)
    return replace(found, since=None if since is None else EPOCH + since, **more)


def reclaim(rule="reclaim", since=None, **more):
    return cordon(rule, since, **{"source": Source.NTH, "kind": SignalKind.NOTICE, "hint": Hint.SPOT, **more})


def silence(rule="silence", since=None, **more):
    return cordon(rule, since, **{"kind": SignalKind.GONE, "hint": Hint.UNREACHABLE, **more})


def risk(rule="risk"):
    return cordon(rule, kind=SignalKind.RISK, hint=Hint.NONE)


def disruption(*heard, seconds=0, capacity=Capacity.ON_DEMAND):
    """A disruption that opened at 0 and heard these signals then, or so many seconds later."""
    found = Disruption("n1", "uid-n1", capacity, at(0))
    found.hear(at(seconds), heard)
    return found


# --- what is heard


@pytest.mark.parametrize(
    ("since", "happened"), [(None, 10), (11, 10), (10 - LATE, 10), (10 - LATE - 1, 10 - LATE - 1), (-400, -400)]
)
def test_what_says_when_it_happened_is_believed_beyond_what_news_may_lag(since, happened):
    assert dated(at(10), None if since is None else EPOCH + since) == at(happened)


def test_it_has_come_as_far_as_the_highest_sign_that_stands():
    found = disruption()
    assert found.kind is SignalKind.RISK
    found.hear(at(1), [risk(), reclaim(), cordon()])
    assert found.kind is SignalKind.NOTICE
    found.drained = True  # so that what was said is kept
    found.hear(at(2), [risk(), cordon()])
    assert found.kind is SignalKind.DRAIN
    found.lose(at(3), at(3), Loss.UNREACHABLE)
    assert found.kind is SignalKind.DRAIN
    found.lose(at(4), at(4), Loss.REMOVED)
    assert found.kind is SignalKind.GONE


def test_only_what_was_not_known_is_news_and_it_keeps_the_instant_at_which_it_was_first_heard():
    found = disruption()
    assert found.hear(at(1), [cordon()]) == [cordon()]
    assert found.hear(at(2), [cordon(), reclaim(since=-60)]) == [reclaim(since=-60)]
    heard = [(one.signal.rule, one.seen, one.said, one.active) for one in found.heard.values()]
    assert heard == [("cordon", at(1), at(1), True), ("reclaim", at(2), at(-60), True)]


@pytest.mark.parametrize("kept", ["lost", "drained", None])
def test_what_was_taken_back_is_forgotten_unless_something_has_happened(kept):
    found = disruption(cordon(), reclaim())
    if kept == "drained":
        found.drained = True
    elif kept == "lost":
        found.lose(at(1), at(1), Loss.UNREACHABLE)
    found.hear(at(2), [cordon()])
    heard = {one.signal.rule: one.active for one in found.heard.values()}
    assert heard == ({"cordon": True} if kept is None else {"cordon": True, "reclaim": False})


def test_no_more_is_kept_of_one_node_than_there_is_room_for(monkeypatch):
    monkeypatch.setattr(module, "MAX_SIGNALS", 3)
    found = disruption(cordon("a"), cordon("b"))
    found.hear(at(1), [cordon(rule) for rule in "abcd"])
    assert list(found.heard) == ["a", "b", "c"]


def test_that_it_was_silent_once_is_remembered():
    found = disruption(cordon())
    assert not found.was_silent
    found.hear(at(1), [cordon(), silence()])
    assert found.was_silent
    found.hear(at(2), [cordon()])
    assert found.was_silent


def test_it_is_silent_as_long_as_that_is_said_of_it():
    assert not disruption(cordon()).is_silent
    found = disruption(cordon(), silence())
    assert found.is_silent
    found.lose(at(1), at(1), Loss.UNREACHABLE)
    found.hear(at(2), [cordon()])
    assert not found.is_silent


def test_a_sign_is_one_while_it_stands():
    found = disruption(cordon(), reclaim())
    found.drained = True
    found.hear(at(1), [cordon()])
    assert found.has_signs
    found.hear(at(2), [])
    assert not found.has_signs


@pytest.mark.parametrize(
    ("loss", "standing", "is_sign"),
    [
        (Loss.REBOOTED, False, False),
        (Loss.REBOOTED, True, True),
        (Loss.UNREACHABLE, False, True),
        (Loss.REMOVED, False, True),
    ],
)
def test_an_event_of_the_reboot_by_which_a_node_went_is_no_sign_any_more(loss, standing, is_sign):
    found = disruption(silence("reboot", hint=Hint.REBOOTED, standing=standing))
    found.lose(at(1), at(1), loss)
    assert found.has_signs == is_sign


def test_beside_the_event_of_a_reboot_another_one_is_a_sign():
    found = disruption(cordon(standing=False), silence("reboot", hint=Hint.REBOOTED, standing=False))
    found.lose(at(1), at(1), Loss.REBOOTED)
    assert found.has_signs


# --- when it went


def test_a_node_went_at_the_earliest_instant_that_is_told_and_that_was_seen_once():
    found = disruption()
    for seen, since in ((100, 90), (110, 80), (120, 85)):
        found.lose(at(seen), at(since), Loss.UNREACHABLE)
    assert (found.lost, found.lost_seen, found.certain) == (at(80), at(100), None)


def test_what_is_removed_did_not_merely_fall_silent_and_is_lost_from_when_that_was_first_certain():
    found = disruption()
    told = [(50, Loss.UNREACHABLE, None), (60, Loss.REBOOTED, at(60)), (70, Loss.REMOVED, at(60))]
    for seconds, loss, certain in told:
        found.lose(at(seconds), at(50), loss)
        assert (found.loss, found.certain) == (loss, certain)
    found.lose(at(80), at(50), Loss.REBOOTED)
    found.lose(at(80), at(50), Loss.UNREACHABLE)
    assert (found.loss, found.certain) == (Loss.REMOVED, at(60))


def test_a_silent_node_is_lost_at_once_only_if_a_reclaim_stands():
    for heard, is_certain in (((cordon(),), False), ((cordon(), reclaim()), True), ((), False)):
        found = disruption(*heard)
        found.lose(at(50), at(50), Loss.UNREACHABLE)
        assert (found.certain is not None) == is_certain
    taken_back = disruption(cordon(), reclaim())
    taken_back.drained = True
    taken_back.hear(at(10), [cordon()])
    taken_back.lose(at(50), at(50), Loss.UNREACHABLE)
    assert taken_back.certain is None


@pytest.mark.parametrize(("since", "loss"), [(4, Loss.REBOOTED), (5, Loss.REBOOTED), (6, Loss.UNREACHABLE)])
def test_a_silence_that_a_restart_ended_is_none_of_its_own(since, loss):
    found = disruption()
    found.lose(at(5), at(3), Loss.REBOOTED)
    found.lose(at(7), at(since), Loss.UNREACHABLE)
    assert found.loss is loss


def test_a_node_that_was_back_may_be_lost_again_as_it_was_before():
    found = disruption(reclaim())
    found.lose(at(5), at(3), Loss.UNREACHABLE)
    found.found_alive()
    found.lose(at(7), at(4), Loss.UNREACHABLE)
    assert found.loss is Loss.UNREACHABLE


@pytest.mark.parametrize(("seconds", "said"), [(2, False), (3, False), (4, True)])
def test_what_has_been_said_since_a_node_was_lost_came_after_that(seconds, said):
    found = disruption(capacity=Capacity.SPOT)
    found.lose(at(3), at(3), Loss.REBOOTED)
    found.hear(at(seconds), [cordon(), risk()])
    assert [one.signal.rule for one in found.said_since] == (["cordon"] if said else [])
    assert found.cause_since is (Cause.DRAIN if said else Cause.UNKNOWN)


def test_of_a_node_that_is_back_nothing_is_left_of_its_silence():
    found = disruption()
    found.lose(at(50), at(50), Loss.UNREACHABLE)
    found.found_alive()
    assert (found.lost, found.lost_seen, found.loss) == (None, None, None)
    assert not found.was_seen_silent_before(at(60))


@pytest.mark.parametrize(("since", "was"), [(40, False), (50 + CLOCKS, False), (51 + CLOCKS, True)])
def test_a_silence_that_began_after_one_was_seen_is_another_one(since, was):
    found = disruption()
    found.lose(at(50), at(30), Loss.UNREACHABLE)
    assert found.was_seen_silent_before(at(since)) == was


@pytest.mark.parametrize(("silent", "lost"), [(39, 100), (40, 40), (99.5, 99.5), (100, 100), (101, 100)])
def test_brokers_that_fell_silent_before_date_the_loss_within_a_window(silent, lost):
    found = disruption()
    found.silent_before(at(silent), 60)
    assert found.lost is None
    found.lose(at(110), at(100), Loss.UNREACHABLE)
    found.silent_before(at(silent), 60)
    assert found.lost == at(lost)


# --- why


def lost(*heard, seconds=None, seen=110, heard_at=0, loss=Loss.REMOVED, capacity=Capacity.ON_DEMAND):
    """The node went at 100, or at `seconds`, which was seen at `seen`."""
    found = disruption(*heard, seconds=heard_at, capacity=capacity)
    found.lose(at(seen), at(100 if seconds is None else seconds), loss)
    found.judge()
    return found


@pytest.mark.parametrize(
    ("signal", "cause"),
    [
        (cordon(since=100 + CLOCKS), Cause.DRAIN),
        (cordon(since=101 + CLOCKS), Cause.NODE_FAILURE),
        (reclaim(since=101 + CLOCKS), Cause.SPOT),  # it is true however late it is told
        (cordon(since=100 - FRESH), Cause.DRAIN),
        (cordon(since=99 - FRESH), Cause.NODE_FAILURE),
        (cordon(since=99 - FRESH, hint=Hint.IF_SPOT), Cause.NODE_FAILURE),
        (cordon(since=99 - FRESH, hint=Hint.VOLUNTARY), Cause.DRAIN),
        (cordon(since=99 - FRESH, hint=Hint.REMOVAL), Cause.DRAIN),
        (cordon(since=101 + CLOCKS, hint=Hint.REMOVAL), Cause.NODE_FAILURE),
        (cordon(since=50, kind=SignalKind.RISK), Cause.NODE_FAILURE),
    ],
)
def test_what_was_said_shortly_before_a_node_went_explains_it(signal, cause):
    assert lost(signal, heard_at=110).cause is cause


@pytest.mark.parametrize(("heard", "cause"), [(110, Cause.DRAIN), (111, Cause.NODE_FAILURE)])
def test_what_does_not_say_since_when_it_is_so_explains_a_loss_that_was_seen_no_sooner(heard, cause):
    found = lost(seen=110)
    found.hear(at(heard), [cordon()])
    found.judge()
    assert found.cause is cause


def test_a_verdict_says_whether_it_changed_and_depends_on_whether_the_node_is_lost_for_certain():
    found = disruption(capacity=Capacity.SPOT)
    found.lose(at(10), at(10), Loss.UNREACHABLE)
    assert (found.judge(), found.cause) == (False, Cause.UNKNOWN)
    found.lose(at(20), at(10), Loss.REMOVED)
    assert (found.judge(), found.cause) == (True, Cause.SPOT)
    assert not found.judge()


# --- the notice


def test_the_first_notice_announces_a_loss_else_the_first_sign_of_a_drain():
    told = [cordon("second", 20), cordon("first", 10), reclaim("later", 60), reclaim("sooner", 50), risk()]
    assert lost(*told, heard_at=90).notice.signal.rule == "sooner"
    assert lost(*told[:2], risk(), heard_at=90).notice.signal.rule == "first"
    assert lost(risk(), silence(), heard_at=90).notice is None
    assert not lost().announced


def test_that_a_node_is_to_go_is_said_since_the_first_notice_or_sign_of_a_drain_and_not_by_a_risk():
    found = lost(risk(), reclaim("later", 60), cordon("sooner", 20), cordon("after", 101), heard_at=110)
    assert (found.first_said, found.notice.said) == (at(20), at(60))
    assert lost(risk(), silence(), heard_at=90).first_said is None


def test_what_is_said_announces_while_nothing_is_lost():
    found = disruption(reclaim())
    assert found.announced
    assert found.lead is None


@pytest.mark.parametrize(
    ("signal", "heard", "lead"),
    [
        (reclaim(since=40), 50, 60.0),
        (reclaim(since=100), 110, 0.0),
        (reclaim(), 100, 0.0),
        (reclaim(), 110, None),  # first seen with the loss, and nobody knows since when
    ],
)
def test_the_lead_runs_from_the_notice_to_the_loss(signal, heard, lead):
    found = lost(signal, heard_at=heard)
    assert (found.announced, found.lead) == (True, lead)
    found.loss_unseen = True
    assert found.lead is None


@pytest.mark.parametrize(("signal", "heard"), [(reclaim(since=101), 105), (reclaim(), 111)])
def test_what_was_said_after_the_loss_or_first_seen_after_it_was_seen_announces_nothing(signal, heard):
    found = lost()
    found.hear(at(heard), [signal])
    assert (found.announced, found.lead) == (False, None)


# --- what is shown and kept


def whole():
    """A disruption of which everything is known, and nothing twice the same."""
    found = disruption(reclaim(since=40), risk(), seconds=50, capacity=Capacity.SPOT)
    found.brokers.update({12, 3, 0, 7})
    found.was_silent = True
    found.lose(at(102), at(100), Loss.UNREACHABLE)
    found.lose(at(105), at(104), Loss.REMOVED)
    found.judge()
    found.hear(at(120), [reclaim(since=40), silence(since=45)])
    found.drained, found.deleted, found.loss_unseen, found.counted = True, True, False, True
    found.outcome, found.closed = Outcome.LOST, at(300)
    return found


def test_it_is_shown_in_full():
    assert whole().as_dict() == {
        "node": "n1",
        "node_uid": "uid-n1",
        "capacity": "spot",
        "class": "gone",
        "cause": "spot",
        "announced": True,
        "source": "aws-node-termination-handler",
        "brokers": [0, 3, 7, 12],
        "opened_at": EPOCH,
        "lost_at": EPOCH + 100,
        "lead_seconds": 60.0,
        "outcome": "lost",
        "reasons": ["node n1: by reclaim", "node n1: by silence", "node n1: by risk", "node n1 is gone"],
    }
    shown = disruption().as_dict()
    assert [shown[name] for name in ("source", "lost_at", "lead_seconds", "outcome")] == [None] * 4
    assert (shown["announced"], shown["class"], shown["reasons"]) == (False, "risk", [])


def test_a_loss_without_a_notice_says_so():
    told = {loss: lost(loss=loss).reasons for loss in Loss}
    assert told == {
        Loss.UNREACHABLE: ("node n1 is silent, without notice",),
        Loss.REBOOTED: ("node n1 was restarted, without notice",),
        Loss.REMOVED: ("node n1 is gone, without notice",),
    }


def test_its_state_is_the_same_whatever_the_order_in_which_brokers_were_told():
    assert whole().to_state()["brokers"] == [0, 3, 7, 12]


@pytest.mark.parametrize("given", [whole(), disruption(), lost(cordon(), seconds=60)])
def test_nothing_of_it_is_forgotten_by_the_next_life(given):
    state = json.loads(json.dumps(given.to_state()))
    assert Disruption.from_state(state, lambda wall: at(wall - EPOCH)) == given
