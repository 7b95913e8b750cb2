"""Cut off is not down: silence of everything is our own blindness, silence of Kafka alone is Kafka's."""

from __future__ import annotations

import pytest
from tests.core.engine_world import INTERVAL, Sentinel
from tests.core.kubernetes_world import KubernetesWorld

from kafka_sentinel.core.cluster import QuorumView
from kafka_sentinel.core.events import (
    LeaseObserved,
    QuorumObserved,
    QuorumUnreachable,
    RecordsAcked,
    RecordsRead,
    WatchAlive,
    WatchBroken,
)
from kafka_sentinel.core.hearing import Hearing
from kafka_sentinel.core.kubernetes.objects import Kind
from kafka_sentinel.core.types import Acks, Instant, ProbePartition, Sighting, SightingKind, Span
from kafka_sentinel.engine_config import CUT_OFF_WITH_LEASE

SHARED = {"state": {"namespace": "own"}}
QUORUM = QuorumView(2, 1, (1, 2, 3), (1, 2, 3))


class Node(KubernetesWorld):
    """A Sentinel with a Lease on a node of its own. `reaches`: what it can reach of Kafka and of Kubernetes."""

    def __init__(self, **sections):
        super().__init__(**{**SHARED, **sections})
        self.turns = 0

    def spend(self, seconds, *, kafka=True, kubernetes=True, local=False):
        """Let time pass. `local`: one broker, cut off together with us, answers metadata from what it remembers."""
        for _ in range(round(seconds / INTERVAL)):
            self.turns += 1
            first = self.sent()
            if kafka:
                offset = self.end[self.partition]
                self.acked(offset, first - offset + 1)
                self.read(offset, offset, first - offset + 1)
            if kafka or local:
                self.look()
            elif self.turns % 6 == 0:
                self.sees_nothing()
            if self.turns % 4 == 0:
                quorum = QuorumObserved(self.now(), self.now(), QUORUM)
                self.step(quorum if kafka else QuorumUnreachable(self.now(), self.now(), "no answer"))
                until, problem = (self.mono + 10.0, "") if kubernetes else (None, "timeout")
                self.step(LeaseObserved(self.now(), until, "us", problem, answered=kubernetes))
            self.wait(INTERVAL)
            self._answer_rechecks()

    @property
    def bad(self):
        return self.counts["probe_slots_total produce bad"] + self.counts["probe_slots_total consume bad"]


@pytest.mark.parametrize("local", [False, True])
def test_our_own_node_cut_off_is_blindness_and_no_outage_is_claimed(local):
    node = Node()
    node.spend(30)
    node.spend(60, kafka=False, kubernetes=False, local=local)
    assert node.status["health"] == "blind"
    assert node.bad == 0
    assert node.incidents == []
    node.spend(2, kafka=False, kubernetes=True)  # the clients need a moment longer than the API server
    node.spend(60)
    assert (node.bad, node.incidents, node.status["health"]) == (0, [], "ok")
    assert node.status["blind_seconds"] == pytest.approx(60, abs=3)
    assert node.counts["probe_slots_total produce blind"] >= 60 / INTERVAL - 5
    assert len(node.said("cut off: neither Kafka nor Kubernetes answers")) == 1
    assert len(node.said("no longer cut off")) == 1
    assert node.records["lost"] == 0


def test_kafka_down_while_the_api_server_answers_is_an_outage():
    node = Node()
    node.spend(30)
    began = node.wall
    node.spend(60, kafka=False)
    assert node.status["health"] == "incident"
    [incident] = node.incidents
    assert incident["started_at"] == pytest.approx(began, abs=1)
    assert node.bad >= 2 * 60 / INTERVAL - 10
    assert node.status["blind_seconds"] == 0
    node.spend(120)
    assert node.incidents[0]["phases"]["produce"] == pytest.approx(60, abs=2)


def test_the_api_server_down_while_kafka_answers_is_neither():
    node = Node()
    node.spend(30)
    node.spend(60, kubernetes=False)
    assert (node.status["health"], node.bad, node.incidents) == ("ok", 0, [])
    assert node.status["blind_seconds"] == 0


def test_a_cut_off_during_an_outage_of_kafka_does_not_end_it():
    node = Node()
    node.spend(30)
    node.spend(30, kafka=False)
    node.spend(30, kafka=False, kubernetes=False)
    assert node.status["health"] == "blind"
    node.spend(30, kafka=False)
    assert node.status["health"] == "incident"
    node.spend(120)
    [incident] = node.incidents
    assert incident["phases"]["produce"] == pytest.approx(90, abs=3)
    assert "Sentinel could not see for a part of it" in incident["reasons"]
    counted = node.status["availability"]["produce"]
    assert 0 < counted < 1


def test_kafka_that_stays_down_after_a_cut_off_is_an_outage():
    node = Node()
    node.spend(30)
    node.spend(30, kafka=False, kubernetes=False)
    node.spend(30, kafka=False)
    assert node.status["health"] == "incident"
    assert node.bad > 0


def test_without_kubernetes_nothing_is_blindness():
    sentinel = Sentinel()
    sentinel.live(10)
    sentinel.suffer(60)
    assert sentinel.status["health"] == "incident"
    assert sentinel.status["blind_seconds"] == 0


# --- what counts as a word from outside


def at(seconds):
    return Instant(1_000.0 + seconds, 1.79e9 + seconds)


ALL, ONE = ProbePartition(Acks.ALL, 0), ProbePartition(Acks.ONE, 0)
SEEN = Sighting(SightingKind.RECORD, 0, 1, 0)


@pytest.mark.parametrize(
    ("event", "heard"),
    [
        (RecordsAcked(at(5), ALL, 1, (Span(0, 1, 0),)), True),
        (RecordsAcked(at(5), ONE, 1, (Span(0, 1, 0),)), False),  # the leader alone says so, and may be cut off with us
        (RecordsRead(at(5), ALL, 0, 1, (SEEN,)), True),
        (RecordsRead(at(5), ALL, 0, 1, ()), False),
        (RecordsRead(at(5), ONE, 0, 1, (SEEN,)), False),
        (QuorumObserved(at(5), at(4), QUORUM), True),
        (QuorumUnreachable(at(5), at(4), "no"), False),
        (LeaseObserved(at(5), None, "x"), True),
        (LeaseObserved(at(5), None, "x", "403 Forbidden", answered=True), True),
        (LeaseObserved(at(5), 9e9, "x", "timeout", answered=False), False),
        (WatchAlive(at(5), Kind.POD), True),
        (WatchBroken(at(5), Kind.POD, "410", "gone"), True),
        (WatchBroken(at(5), Kind.POD, "timeout", "no answer"), False),
    ],
)
def test_what_counts_as_a_word_from_outside(event, heard):
    hearing = Hearing(CUT_OFF_WITH_LEASE, at(0))
    hearing.take(event)
    assert hearing.last == (at(5) if heard else at(0)).mono
    assert hearing.is_blind(at(CUT_OFF_WITH_LEASE + 1)) is (not heard)


def test_without_a_witness_silence_says_nothing():
    hearing = Hearing(None, at(0))
    assert not hearing.is_blind(at(9e9))
    assert hearing.last == float("inf")


def test_it_is_blind_once_the_silence_is_longer_than_that():
    hearing = Hearing(6.0, at(0))
    assert [hearing.is_blind(at(seconds)) for seconds in (0, 6.0, 6.001)] == [False, False, True]
