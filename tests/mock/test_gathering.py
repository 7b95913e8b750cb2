"""Reports that follow closely are posted together, each as of the instant at which it was taken."""

from __future__ import annotations

import pytest

from kafka_sentinel.adapters import producer
from kafka_sentinel.adapters.producer import GATHER, ProbeProducer
from kafka_sentinel.adapters.producer_client import ProducerOptions, Reports
from kafka_sentinel.core.events import RecordsAcked
from kafka_sentinel.core.record import KEY
from kafka_sentinel.core.types import Acks, Instant

SENT = 100.0  # seconds


class Report:
    def __init__(self, partition):
        self._partition = partition

    def error(self):
        return None

    def partition(self):
        return self._partition

    def offset(self):
        return 0

    def key(self):
        return KEY.pack(0)

    def latency(self):
        return 0.0


class Client:
    """Of each partition's record there is a report so many seconds after `SENT`. Only its polls let time pass."""

    fatal = None

    def __init__(self, due):
        self._due = sorted((SENT + after, partition) for partition, after in due.items())
        self.now = SENT

    def __len__(self):
        return len(self._due)

    def send(self, partition, records):
        return []

    def poll(self, timeout):
        self.now += min(timeout, max(self._due[0][0] - self.now, 0.0)) if self._due else timeout
        taken = [partition for at, partition in self._due if at <= self.now]
        self._due = self._due[len(taken) :]
        return Reports([Report(partition) for partition in taken])


@pytest.mark.parametrize(
    ("due", "posts"),
    [
        ({0: 0.004, 1: 0.006, 2: 0.009}, [{0: 0.004, 1: 0.006, 2: 0.009}]),
        ({0: 0.004, 1: 0.004}, [{0: 0.004, 1: 0.004}]),
        ({0: 0.004, 1: 0.004 + 2 * GATHER}, [{0: 0.004}, {1: 0.004 + 2 * GATHER}]),
    ],
    ids=["one after the other", "at once", "too late to be waited for"],
)
def test_a_report_is_taken_when_it_comes_and_those_that_follow_closely_are_posted_with_it(monkeypatch, due, posts):
    client, posted = Client(due), []
    monkeypatch.setattr(producer, "ProducerClient", lambda _options: client)
    options = ProducerOptions(common={}, topic="probe", acks=Acks.ALL, instance=1)
    probe = ProbeProducer(
        options, post=posted.append, now=lambda: Instant(client.now, client.now), on_death=lambda *_: None
    )
    probe._begin_run(7)
    probe._set_probed(tuple(due))
    probe._slot = SENT
    probe._send({partition: probe._due(partition) for partition in due})
    posted.clear()
    while len(client):
        probe._poll(0.1)
    taken = [{one.partition.partition: one.at.mono - SENT for one in batch} for batch in posted if batch]
    assert all(isinstance(one, RecordsAcked) for batch in posted for one in batch)
    assert taken == [pytest.approx(batch) for batch in posts]
