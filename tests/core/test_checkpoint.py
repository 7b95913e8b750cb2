"""The whole state: what is in it, what an engine that takes it goes on from, and what is said of one that is wrong."""

from __future__ import annotations

import json

import pytest
from tests.core.engine_world import RUN, ZERO, Sentinel, view
from tests.core.kubernetes_world import NOTICE, KubernetesWorld

from kafka_sentinel.core import checkpoint
from kafka_sentinel.core.checkpoint import StateError
from kafka_sentinel.core.engine import Engine
from kafka_sentinel.core.events import ClusterObserved, GroupRead, Tick
from kafka_sentinel.core.types import Acks, Instant

NAME = "kafka-sentinel"
AWAY = 20.0  # seconds between two lives
LOSS = {"acks": "all", "count": 2, "incident": "1790000005-1"}


def saved(sentinel):
    return json.loads(json.dumps(checkpoint.to_state(sentinel.engine)))


def restored(sentinel, state, away=AWAY):
    now = Instant(sentinel.mono + away, sentinel.wall + away)
    return Engine(sentinel.engine.config, run=RUN + 1, started=now, state=state)


@pytest.fixture
def sentinel():
    """One that has lived a little, with an outage in it."""
    sentinel = Sentinel(group_consumer={"enabled": True})
    sentinel.live(4)
    first = sentinel.suffer(8)
    sentinel.uncertain(first, 16)
    sentinel.live(4)
    sentinel.step(GroupRead(sentinel.now(), ZERO, 0, 10))
    sentinel.engine.casebook.restore([LOSS], [sentinel.wall - 3])
    return sentinel


def test_a_state_says_whose_it_is(sentinel):
    state = saved(sentinel)
    assert [state[key] for key in ("name", "cluster_id", "alive_at")] == [NAME, "cluster", sentinel.wall]
    assert saved(Sentinel(partitions=0))["cluster_id"] is None


def test_all_that_was_counted_goes_on_where_it_ended(sentinel):
    state = saved(sentinel)
    again = restored(sentinel, state)
    again.step(ClusterObserved(again.started, again.started, view()))
    assert again.records(Acks.ALL) == sentinel.engine.records(Acks.ALL)
    assert again.since == sentinel.engine.since < again.started.wall
    goes_on = json.loads(json.dumps(checkpoint.to_state(again)))
    for part in ("since", "group", "losses", "natural_losses"):
        assert goes_on[part] == state[part], part
    there, here = state["availability"], goes_on["availability"]
    for part in ("any_seconds", "partition_seconds"):
        assert here[part] == there[part], part
    assert [one for one in here["slots"] if one[1] != "blind"] == there["slots"]


@pytest.mark.parametrize(("away", "blind"), [(AWAY, AWAY), (0.0, 0.0), (-5.0, 0.0)])
def test_the_time_between_two_lives_was_blind_unless_the_clock_was_set_back(sentinel, away, blind):
    again = restored(sentinel, saved(sentinel), away)
    again.step(Tick(again.started))
    before = sentinel.engine.availability.totals.blind_seconds
    assert again.availability.totals.blind_seconds - before == pytest.approx(blind)


# --- beside Kubernetes, or not


def test_what_was_seen_of_kubernetes_is_kept_where_it_is_watched():
    beside = KubernetesWorld()
    beside.taint("n1", NOTICE)
    beside.run(2)
    state = saved(beside)
    [disruption] = state["kubernetes"]["disruptions"]["open"]
    assert disruption["node"] == "n1"
    assert checkpoint.to_state(restored(beside, state, 0.0))["kubernetes"] == state["kubernetes"]
    assert saved(Sentinel())["kubernetes"] is None


def test_a_state_is_taken_where_the_watching_began_or_ended_since():
    beside, elsewhere = KubernetesWorld(), Sentinel()
    assert restored(elsewhere, saved(beside)).kubernetes is None
    assert restored(beside, {**saved(beside), "kubernetes": None}).kubernetes is not None


# --- what is wrong


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"since": "noon"}, "its dates cannot be: AssertionError: "),
        ({"alive_at": None}, "its dates cannot be: AssertionError: "),
        ({"truth": []}, "its truth cannot be: TypeError: state['truth'] should be a map, found list"),
        ({"truth": {}}, "its truth cannot be: KeyError: "),
        ({"availability": {}}, "its availability cannot be: KeyError: 'slots'"),
        ({"incidents": {}}, "its incidents cannot be: KeyError: "),
        ({"group": {}}, "its group cannot be: KeyError: "),
        ({"control": {}}, "its control cannot be: KeyError: 'orders'"),
        ({"losses": None}, "its losses cannot be: AssertionError: "),
        ({"natural_losses": {}}, "its losses cannot be: AssertionError: "),
        ({"days": {}}, "its days cannot be: KeyError: 'columns'"),
        ({"experiments": {}}, "its experiments cannot be: KeyError: "),
    ],
)
def test_the_part_that_is_wrong_is_named(sentinel, wrong, words):
    with pytest.raises(StateError) as error:
        restored(sentinel, {**saved(sentinel), **wrong})
    assert str(error.value).startswith(words)


def test_records_that_do_not_add_up_are_told_in_the_words_of_the_ledger(sentinel):
    state = saved(sentinel)
    account = state["truth"]["partitions"][0]["accounts"][0]
    account["next"] += 1
    with pytest.raises(StateError) as error:
        restored(sentinel, state)
    assert f"{account['next']} sent, but {account['next'] - 1} accounted for" in str(error.value)
    assert "InvariantError" not in str(error.value)
