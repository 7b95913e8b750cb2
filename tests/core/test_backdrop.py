"""How things stood a moment ago: which answer counts for which instant, and what a recovery begins from."""

from __future__ import annotations

import pytest

from kafka_sentinel.core import backdrop as module
from kafka_sentinel.core.backdrop import JUST_NOW, MAX_RECENT, Backdrop
from kafka_sentinel.core.cluster import Change, ClusterView, PartitionView, TopicView
from kafka_sentinel.core.events import ClusterObserved
from kafka_sentinel.core.recovery import Baseline
from kafka_sentinel.core.types import Acks, Instant, ProbePartition

ALL3 = (1, 2, 3)
P0, P1 = ProbePartition(Acks.ALL, 0), ProbePartition(Acks.ALL, 1)
ONE = ProbePartition(Acks.ONE, 0)


def at(mono):
    return Instant(mono, 1.79e9 + mono)


def part(number=0, leader=1, isr=ALL3, replicas=ALL3):
    return PartitionView(number, leader, replicas, isr)


def answer(mono, *parts, asked=None, brokers=ALL3, min_isr=2):
    topics = {
        "probe": TopicView("probe", "id", min_isr, parts),
        "one": TopicView("one", "id", 1, (part(isr=(1,)),)),
        "orders": TopicView("orders", None, 2, (part(),)),
    }
    view = ClusterView("c", {n: f"h:{n}" for n in brokers}, topics, {Acks.ALL: "probe", Acks.ONE: "one"})
    return ClusterObserved(at(mono), at(mono if asked is None else asked), view)


def seen(*answers):
    backdrop = Backdrop(session_timeout=9.0, lag_tolerance=5)
    for each in answers:
        backdrop.observe(each)
    return backdrop


def test_before_the_first_answer_nothing_is_known():
    fresh = seen()
    assert (fresh.brokers, fresh.replicas(P0), fresh.led_elsewhere({P0: 1})) == ({}, set(), [])
    assert fresh.starves(P0, {1}, at(9.0)) is False


def test_the_newest_answer_tells_brokers_and_replicas():
    backdrop = seen(answer(1.0, part(replicas=(1, 2))), answer(2.0, part(replicas=(2, 3)), brokers=(2, 3)))
    assert backdrop.brokers == {2: "h:2", 3: "h:3"}
    assert (backdrop.replicas(P0), backdrop.replicas(P1)) == ({2, 3}, set())


def test_only_probe_topics_are_remembered():
    backdrop = seen(answer(1.0, part()))
    [kept] = backdrop._answers
    assert set(kept.view.topics) == {"probe", "one"}


@pytest.mark.parametrize(
    ("brokers", "isr", "min_isr", "starves"),
    [
        ({1}, (1, 2, 3), 2, False),
        ({1}, (1, 2), 2, True),
        ({1, 2}, (1, 2, 3), 2, True),
        ({3}, (1, 2), 2, False),
        ({3}, (1,), 2, False),  # it is below without them, too
        ({1}, (1, 2), None, False),
    ],
)
def test_who_takes_a_partition_below_its_least_number_in_sync(brokers, isr, min_isr, starves):
    backdrop = seen(answer(1.0, part(1, isr=(1, 2, 3)), part(0, isr=isr), part(2, isr=(1,)), min_isr=min_isr))
    assert backdrop.starves(P0, brokers, at(1.0)) is starves


def test_at_acks_1_nothing_starves_and_what_is_not_there_neither():
    backdrop = seen(answer(1.0, part(isr=(1,))))
    assert backdrop.starves(ONE, {1}, at(1.0)) is False
    assert backdrop.starves(P1, {1}, at(1.0)) is False


def test_it_starved_as_it_stood_when_it_was_asked():
    backdrop = seen(
        answer(1.0, part(isr=(1, 2))),
        answer(6.0, part(isr=(1, 2, 3)), asked=5.0),
        answer(9.0, part(isr=(1, 2))),
    )
    assert [backdrop.starves(P0, {1}, at(mono)) for mono in (0.9, 1.0, 4.9, 5.0, 8.9, 9.0)] == [
        *(False, True, True),
        *(False, False, True),
    ]


def test_who_leads_no_longer_although_it_runs():
    parts = (part(0, 2), part(1, 0), part(2, -1), part(3, 3), part(4, 3))
    backdrop = seen(answer(1.0, part(0, 1)), answer(2.0, *parts, brokers=(0, 1, 3)))
    p = [ProbePartition(Acks.ALL, number) for number in range(6)]
    led = {p[5]: 1, p[4]: 2, p[3]: 3, p[2]: 1, p[1]: 1, p[0]: 1}
    assert backdrop.led_elsewhere(led) == [Change(p[0], 1, 2), Change(p[1], 1, 0)]


def test_what_was_sent_just_now_is_told_beside_how_far_reading_is_behind():
    backdrop = seen()
    backdrop.sent(3)
    backdrop.sent(4)
    assert backdrop.lag(10, at(1.0)) == 7
    assert backdrop.lag(10, at(1.5)) == 7
    backdrop.sent(1)
    assert backdrop.lag(10, at(2.0)) == 8
    assert backdrop.lag(10, at(1.0 + JUST_NOW)) == 1
    assert backdrop.lag(10, at(9.0)) == 0


class Followed:
    """In place of a recovery: what it was begun with, and what it was told."""

    def __init__(self, *given):
        self.given, self.heard = given, []

    def on_cluster(self, asked, when, view, brokers):
        self.heard.append((asked.mono, when.mono, view.topics["probe"].partitions[0].leader, brokers))


@pytest.fixture
def followed(monkeypatch):
    monkeypatch.setattr(module, "Recovery", Followed)


@pytest.mark.parametrize(
    ("started", "leader", "isr"), [(0.5, 1, 3), (1.0, 1, 3), (2.0, 1, 3), (2.1, 2, 2), (9.0, 3, 1)]
)
def test_a_recovery_begins_from_the_answer_before_it_and_hears_all_since(followed, started, leader, isr):
    backdrop = seen(
        answer(1.0, part(0, 1), asked=0.9), answer(2.0, part(0, 2, isr=(2, 3))), answer(3.0, part(0, 3, isr=(3,)))
    )
    backdrop.probed = (P0, P1)
    found = backdrop.recovery(at(started), {1})
    baseline = Baseline({P0: leader, ONE: 1}, {P0: isr, ONE: 1}, 0)
    assert found.given == (at(started), baseline, {P0, P1}, 9.0, 5)
    assert found.heard == [(0.9, 1.0, 1, {1}), (2.0, 2.0, 2, {1}), (3.0, 3.0, 3, {1})]


@pytest.mark.parametrize(("started", "lag"), [(0.9, 0), (1.0, 4), (2.9, 4), (3.0, 6), (9.0, 6)])
def test_a_recovery_begins_from_how_far_reading_was_behind(followed, started, lag):
    backdrop = seen()
    for mono, records in ((1.0, 4), (3.0, 6)):
        backdrop.lag(records, at(mono))
    assert backdrop.recovery(at(started), set()).given[1] == Baseline({}, {}, lag)


def test_what_is_remembered_is_bounded(followed):
    backdrop = seen(*(answer(float(mono), part()) for mono in range(MAX_RECENT + 5)))
    assert len(backdrop.recovery(at(999.0), set()).heard) == MAX_RECENT
