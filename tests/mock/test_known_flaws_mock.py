"""Flaws seen in other monitors that need real clients to be shown not to be ours (docs/verification.md)."""

from __future__ import annotations

import json
import threading
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from confluent_kafka import Producer
from tests.mock.entrance import Entrance
from tests.mock.mailbox import Mailbox, now
from tests.mock.mock_cluster import NOT_LEADER_FOR_PARTITION, PRODUCE, MockCluster

from kafka_sentinel.adapters.admin import ClusterWatcher, WatchOptions
from kafka_sentinel.adapters.producer import ProbeProducer
from kafka_sentinel.adapters.producer_client import ProducerOptions
from kafka_sentinel.adapters.reader import reader_config
from kafka_sentinel.adapters.verifier import Verifier, VerifierOptions
from kafka_sentinel.core.events import (
    ClusterObserved,
    ClusterUnreachable,
    RecordsAcked,
    RecordsRead,
    RecordsRejected,
    RecordsUncertain,
)
from kafka_sentinel.core.record import Encoder
from kafka_sentinel.core.types import Acks, ProbePartition, SightingKind
from kafka_sentinel.runtime import Runtime
from kafka_sentinel.settings import Settings
from kafka_sentinel.settings.kafka import REFUSED_KEYS

INSTANCE, RUN = 5, 77
TOPIC_AUTHORIZATION_FAILED = 29
ZERO = ProbePartition(Acks.ALL, 0)


# --- a whole Sentinel


def sentinel(servers: str, **options: object) -> Runtime:
    settings = {
        "name": "flaws",
        "kafka": {"bootstrap_servers": servers},
        "probe": {"topic": "probe", "manage_topic": False, "delivery_timeout": 5, "acks_one": {"enabled": False}},
        "cluster": {"snapshot_interval": 0.3, "quorum_interval": 60},
        "http": {"host": "127.0.0.1", "port": 0},
    }
    return Runtime(Settings.model_validate(settings), **options)


class Life:
    def __init__(self, runtime: Runtime) -> None:
        self.runtime = runtime
        self.exit_code: int | None = None
        self._thread = threading.Thread(target=self._run, daemon=True)

    def _run(self) -> None:
        self.exit_code = self.runtime.run()

    @contextmanager
    def running(self) -> Iterator[Life]:
        self._thread.start()
        try:
            yield self
        finally:
            self.runtime.stop()
            self.ended()

    def ended(self) -> int | None:
        self._thread.join(60)
        assert not self._thread.is_alive(), "it does not end"
        return self.exit_code

    def ask(self, path: str) -> str:
        assert self.runtime.web is not None
        with urllib.request.urlopen(f"http://127.0.0.1:{self.runtime.web.port}{path}", timeout=20) as answer:
            return answer.read().decode()

    @property
    def status(self) -> dict:
        return self.runtime.snapshot.get() or {}

    def verified(self) -> int:
        return self.status["records"]["all"]["verified"] if self.status else 0


def total(text: str, metric: str) -> float:
    """Add up all series of a metric; there has to be one at least."""
    found = [line for line in text.splitlines() if line.startswith(f"kafka_sentinel_{metric}{{")]
    assert found, metric
    return sum(float(line.rpartition(" ")[2]) for line in found)


def test_sentinel_outlives_a_kafka_that_is_not_there_at_its_start_in_its_middle_and_at_its_end(cluster, mailbox):
    cluster.silence()
    life = Life(sentinel(cluster.bootstrap_servers))
    with life.running():
        mailbox.until(lambda: life.status)
        assert life.status["health"] == "starting"
        assert life.status["incidents"] == []
        cluster.revive()
        mailbox.until(lambda: life.verified() > 20, 60)
        cluster.silence()
        mailbox.until(lambda: not life.status["kafka"]["reachable"], 60)
        mailbox.until(lambda: life.status["health"] != "ok", 60)
        metrics = life.ask("/metrics")
        assert total(metrics, "records_verified_total") > 20
        assert total(metrics, "records_lost_total") == 0
        assert total(metrics, "consumer_lag_records") >= 0
        assert life.ask("/healthz")
        assert json.loads(life.ask("/api/v1/status"))["kafka"]["reachable"] is False
        assert "<html" in life.ask("/")
        reached = life.verified()
        cluster.revive()
        mailbox.until(lambda: life.verified() > reached + 20, 60)
        cluster.silence()
    assert life.exit_code == 0
    assert life.status["records"]["all"]["lost"] == 0
    assert life.status["records"]["all"]["duplicated"] == 0


class DyingFleet:
    """A part that dies once it was started."""

    def __init__(self, _post: object, _now: object, on_death) -> None:
        self._on_death = on_death

    def start(self) -> None:
        threading.Thread(target=self._on_death, args=("fleet", RuntimeError("it broke")), daemon=True).start()

    def stop(self, timeout: float) -> bool:
        return True

    def submit(self, command: object) -> None:
        raise AssertionError(f"nobody asked for this: {command}")


def test_a_part_that_died_ends_the_process_with_an_error_instead_of_staying_dead_unseen(cluster):
    life = Life(sentinel(cluster.bootstrap_servers, fleet=DyingFleet))
    with life.running():
        assert life.ended() == 3


# --- the producer


@pytest.mark.parametrize(
    ("error", "times", "timeout", "code"),
    [
        (NOT_LEADER_FOR_PARTITION, 1_000, 1.0, "_MSG_TIMED_OUT"),  # the client retries it until it gives up
        (TOPIC_AUTHORIZATION_FAILED, 1, 120.0, "TOPIC_AUTHORIZATION_FAILED"),
    ],
)
def test_no_refusal_by_a_broker_proves_that_nothing_was_written(cluster, mailbox, *, error, times, timeout, code):
    """An attempt before may have been written, its response lost; only the client's own refusal proves anything."""
    options = ProducerOptions(
        common=cluster.common,
        topic=cluster.topic,
        acks=Acks.ALL,
        instance=INSTANCE,
        interval=0.05,
        records_per_second=20.0,
        delivery_timeout=timeout,
    )
    producer = ProbeProducer(options, post=mailbox.post, now=now, on_death=mailbox.on_death)
    producer.start()
    producer.begin_run(RUN)
    producer.probe([ZERO])
    mailbox.until(lambda: mailbox.of(RecordsAcked))
    cluster.fail(PRODUCE, *[error] * times)
    event = mailbox.first(RecordsUncertain)
    assert producer.stop(10)
    assert event.code == code
    assert mailbox.of(RecordsRejected) == []


# --- the verifier


@pytest.fixture
def verifier(cluster: MockCluster, mailbox: Mailbox) -> Iterator[Verifier]:
    options = VerifierOptions(common=cluster.common, topic=cluster.topic, acks=Acks.ALL, instance=INSTANCE)
    made = Verifier(options, post=mailbox.post, now=now, on_death=mailbox.on_death)
    made.start()
    made.begin_run(RUN)
    yield made
    assert made.stop(10)


def record(sequence: int, *, wall: float, mono: float) -> bytes:
    it = Encoder(instance=INSTANCE, run=RUN, incarnation=0, partition=0, size=200)
    return it.encode(sequence, int(wall * 1e9), int(mono * 1e9))


def write(cluster: MockCluster, *values: bytes) -> None:
    producer = Producer({**cluster.common, "log_level": 0})
    for value in values:
        producer.produce(cluster.topic, value, b"key", 0)
    assert producer.flush(10) == 0


def latencies(mailbox: Mailbox) -> list[float]:
    return [latency for event in mailbox.of(RecordsRead) for latency in event.latencies]


def read_up_to(mailbox: Mailbox, offset: int) -> None:
    mailbox.until(lambda: any(event.position == offset for event in mailbox.of(RecordsRead)))


def test_what_cannot_be_parsed_has_no_latency(cluster, mailbox, verifier):
    flipped = bytearray(record(0, wall=0, mono=0))
    flipped[60] ^= 1
    write(cluster, b"", b"{}", b'{"timestamp": 0}', bytes(flipped), record(1, wall=0, mono=0)[:-3])
    verifier.assign(ZERO, 0)
    read_up_to(mailbox, 5)
    kinds = {one.kind for event in mailbox.of(RecordsRead) for one in event.sightings}
    assert kinds == {SightingKind.FOREIGN, SightingKind.CORRUPTED}
    assert latencies(mailbox) == []


@pytest.mark.parametrize("off", [-1.79e9, -3600.0, 3600.0, 1e9], ids=["1970", "an hour ago", "in an hour", "2058"])
def test_a_wrong_wall_clock_gives_no_wrong_latency(cluster, mailbox, verifier, off):
    write(cluster, record(0, wall=now().wall + off, mono=now().mono))
    verifier.assign(ZERO, 0)
    read_up_to(mailbox, 1)
    (latency,) = latencies(mailbox)
    assert 0 <= latency < 60


def test_witnesses_read_from_leaders_never_jump_and_nobody_can_configure_them_to():
    config = reader_config({"bootstrap.servers": "a:1"}, "client", "group", {})
    assert "client.rack" not in config
    assert config["auto.offset.reset"] == "error"
    assert config["isolation.level"] == "read_uncommitted"
    assert config["enable.auto.commit"] is False
    assert {"client.rack", "auto.offset.reset", "isolation.level", "enable.auto.commit"} <= REFUSED_KEYS


# --- where the brokers are


def test_the_cluster_is_seen_by_the_brokers_that_are_known_once_the_address_we_were_given_is_dead(cluster, mailbox):
    with Entrance(cluster.bootstrap_servers.split(",")[0]) as entrance:
        common = {"bootstrap.servers": entrance.address}
        options = WatchOptions(common=common, topics={Acks.ALL: cluster.topic}, interval=0.1, timeout=0.5)
        watcher = ClusterWatcher(options, post=mailbox.post, now=now, on_death=mailbox.on_death)
        watcher.start()
        mailbox.first(ClusterObserved)
        entrance.close()
        cluster.silence()
        mailbox.first(ClusterUnreachable)
        cluster.revive()
        seen = len(mailbox.of(ClusterObserved))
        mailbox.until(lambda: len(mailbox.of(ClusterObserved)) > seen)
        assert watcher.stop(20)


# --- what is left behind


def test_a_cluster_that_is_silent_for_long_costs_no_more_connections(cluster, mailbox):
    cluster.silence()
    others = set(threading.enumerate())  # of earlier tests some may yet end
    options = WatchOptions(common=cluster.common, topics={Acks.ALL: cluster.topic}, interval=0.05, timeout=0.1)
    watcher = ClusterWatcher(options, post=mailbox.post, now=now, on_death=mailbox.on_death)
    watcher.start()
    counts = []
    for attempts in (5, 10, 15, 20, 25):
        mailbox.until(lambda attempts=attempts: len(mailbox.of(ClusterUnreachable)) >= attempts)
        own = set(threading.enumerate()) - others
        counts.append((len(list(Path("/proc/self/fd").iterdir())), len(own)))
    assert watcher.stop(20)
    files, threads = zip(*counts, strict=True)
    assert max(files) - min(files) < 25, counts  # one client more would need a dozen each
    assert max(threads) == min(threads)
