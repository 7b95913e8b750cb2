"""It takes a witness that is gone, besides Kafka, to call Sentinel blind; and somebody heard, to call Kafka down."""

from __future__ import annotations

import pytest

from kafka_sentinel.core.cluster import ClusterView
from kafka_sentinel.core.events import (
    ClusterObserved,
    ClusterUnreachable,
    LeaseObserved,
    RecordsAcked,
    Tick,
    WatchAlive,
    WatchBroken,
)
from kafka_sentinel.core.kubernetes.views import Kind
from kafka_sentinel.core.sight import SILENT, Sight
from kafka_sentinel.core.types import Acks, Instant, ProbePartition, Span

START = 1_000.0


def at(seconds):
    return Instant(START + seconds, 1.79e9 + seconds)


def answered(seconds):
    return ClusterObserved(at(seconds), at(seconds), ClusterView("cluster", {}, {}, {}))


def unanswered(seconds):
    return ClusterUnreachable(at(seconds), at(seconds), "all brokers are down")


def acked(seconds):
    return RecordsAcked(at(seconds), ProbePartition(Acks.ALL, 0), 7, (Span(0, 1, 0),))


def lease(seconds, *, heard):
    return LeaseObserved(at(seconds), None, problem="" if heard else "timeout", answered=heard)


def broken(seconds, code):
    return WatchBroken(at(seconds), Kind.POD, code, "words")


def sight(*events, witness=True, interval=0.5):
    found = Sight(at(0), witness=witness, interval=interval)
    for event in (answered(1), WatchAlive(at(1), Kind.POD), *events):
        found.take(event)
    return found


def test_blind_once_neither_kafka_nor_the_witness_answers():
    cut_off = sight(lease(4, heard=False), unanswered(4))
    assert not cut_off.is_blind(at(SILENT))
    assert cut_off.is_blind(at(1 + SILENT))
    assert cut_off.heard == START + 1


@pytest.mark.parametrize("code", ["unreachable", "timeout", "broken"])
def test_a_watch_that_got_no_answer_shows_it_too(code):
    assert sight(broken(4, code), unanswered(4)).is_blind(at(60))


@pytest.mark.parametrize("code", ["403", "410", "500"])
def test_a_refusal_is_an_answer(code):
    refused = sight(broken(4, "timeout"), unanswered(4), broken(5, code))
    assert not refused.is_blind(at(60))
    assert refused.heard == START + 5


@pytest.mark.parametrize("code", ["answer", "tls", "credentials"])
def test_an_answer_that_makes_no_sense_shows_nothing(code):
    odd = sight(broken(4, code), unanswered(4))
    assert not odd.is_blind(at(60))
    assert odd.heard == START + 1


@pytest.mark.parametrize("sign", [answered(6), acked(6), WatchAlive(at(6), Kind.POD), lease(6, heard=True)])
def test_any_sign_of_anybody_ends_it(sign):
    cut_off = sight(lease(4, heard=False), unanswered(4), sign)
    assert not cut_off.is_blind(at(6 + SILENT - 1))
    assert cut_off.heard == START + 6


def test_where_probes_are_rare_silence_between_two_of_them_shows_nothing():
    rare = sight(lease(4, heard=False), acked(10), interval=30.0)
    assert not rare.is_blind(at(60))
    assert rare.is_blind(at(71))


def test_brokers_alone_are_down_and_nobody_is_blind():
    assert not sight(unanswered(4)).is_blind(at(600))


def test_an_api_server_that_is_away_alone_blinds_nobody():
    alone = sight(lease(4, heard=False), answered(5), answered(300))
    assert not alone.is_blind(at(300))


def test_metadata_that_answers_or_records_that_still_pass_are_heard():
    assert not sight(lease(4, heard=False), unanswered(4), answered(58)).is_blind(at(60))
    assert not sight(lease(4, heard=False), unanswered(4), acked(58)).is_blind(at(60))


def test_a_client_that_hangs_and_tells_nothing_of_kafka_hides_no_cut_off():
    assert sight(lease(4, heard=False)).is_blind(at(60))


def test_without_a_witness_nobody_is_ever_blind_and_nothing_waits():
    alone = sight(unanswered(4), lease(4, heard=False), witness=False)
    assert not alone.is_blind(at(600))
    assert alone.heard == float("inf")


def test_time_alone_is_no_sign_of_anybody():
    assert sight(Tick(at(30))).heard == START + 1
