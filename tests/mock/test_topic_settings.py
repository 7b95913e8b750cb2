"""How old the settings of topics in a view of the cluster are, when they cannot be read any more."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from confluent_kafka import KafkaError, KafkaException
from tests.mock.mailbox import Mailbox

from kafka_sentinel.adapters import admin
from kafka_sentinel.adapters.admin import ClusterWatcher, WatchOptions
from kafka_sentinel.core.events import AdapterError, ClusterObserved
from kafka_sentinel.core.types import Acks, Instant

TOPIC = "orders"


@pytest.fixture
def clock():
    return SimpleNamespace(mono=100.0)


@pytest.fixture
def observe(monkeypatch, clock):
    """Have one metadata answer taken at the clock's second; `settings` None: no right to read them."""
    mailbox = Mailbox()
    watcher = ClusterWatcher(
        WatchOptions({"bootstrap.servers": "none:1"}, {Acks.ALL: TOPIC}),
        post=mailbox.post,
        now=lambda: Instant(clock.mono, 1_000.0 + clock.mono),
        on_death=lambda *_: None,
    )
    metadata = SimpleNamespace(cluster_id="c", brokers={}, topics={TOPIC: SimpleNamespace(partitions={})})

    def configs(*_):
        if given is None:
            raise KafkaException(KafkaError(KafkaError.TOPIC_AUTHORIZATION_FAILED))
        return {TOPIC: given}

    def take(settings):
        nonlocal given
        given = settings
        watcher._answered(SimpleNamespace(), Instant(clock.mono, 1_000.0 + clock.mono), metadata)
        return mailbox.of(ClusterObserved)[-1].view, mailbox.of(AdapterError)

    given = None
    monkeypatch.setattr(admin, "topic_ids", lambda *_: {})
    monkeypatch.setattr(admin, "topic_configs", configs)
    return take


def test_settings_that_cannot_be_read_any_more_grow_old(observe, clock):
    view, errors = observe({"min.insync.replicas": "2"})
    assert (view.topics[TOPIC].min_isr, view.settings_read, errors) == (2, 100.0, [])
    clock.mono = 500.0
    view, errors = observe(None)
    assert (view.topics[TOPIC].min_isr, view.settings_read) == (2, 100.0)
    assert len(errors) == 1


def test_settings_that_are_read_again_are_new(observe, clock):
    observe({"min.insync.replicas": "2"})
    clock.mono = 500.0
    view, _ = observe({"min.insync.replicas": "1"})
    assert (view.topics[TOPIC].min_isr, view.settings_read) == (1, 500.0)


def test_where_they_never_could_be_read_they_are_not_known(observe):
    view, _ = observe(None)
    assert (view.topics[TOPIC].min_isr, view.settings_read) == (None, None)
