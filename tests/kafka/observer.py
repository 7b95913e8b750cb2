"""Clocks of their own for an outage: what the cluster did and when, found without Kafka Sentinel.

- `Reader`: a consumer of its own, reading the probe topic itself from before the outage on. A record it is handed is
  committed, so this is also the latest moment at which an acknowledgement of it was due.
- `Writer`: a producer of its own that sends every 50 ms to a topic placed as the probe topic is.
- `read_controller_log`: Kafka's own record of who led what and who was in sync, with the controller's time stamps.
- `quorum_leader`: the controller, as the quorum says.
- `transaction_coordinators`: who coordinates which transactional id, as each broker says of itself.

All instants are wall clock, in seconds, of this machine. Nothing here may import `kafka_sentinel`.
"""

from __future__ import annotations

import contextlib
import itertools
import struct
import threading
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple, Self

from confluent_kafka import Consumer, Message, Producer, TopicPartition
from kafka.errors import KafkaError
from tests.kafka import truth

from kafka import KafkaAdminClient

RESOLUTION = 0.05  # seconds between two looks of an observer


class Passed(NamedTuple):
    """One record that got through, of one partition."""

    partition: int
    sent: float
    through: float  # acknowledged, or read


def first_through(records: list[Passed], after: float) -> dict[int, float]:
    """Return by partition when the first record that was sent after `after` got through."""
    found: dict[int, float] = {}
    for record in records:
        if record.sent > after:
            found[record.partition] = min(record.through, found.get(record.partition, record.through))
    return found


class _Observer:
    """A thread that notes what got through, until it is stopped."""

    def __init__(self) -> None:
        self.passed: list[Passed] = []
        self.lateness = 0.0  # seconds, the most it was kept from looking by a busy machine
        self._looked = time.monotonic()
        self._stopping = threading.Event()
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._watch, name=type(self).__name__, daemon=True)

    def __enter__(self) -> Self:
        self._looked = time.monotonic()
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping.set()
        self._thread.join(30)
        assert not self._thread.is_alive(), "an observer does not stop"
        assert self._error is None, f"an observer failed: {self._error!r}"

    def _watch(self) -> None:
        try:
            self._observe()
        except BaseException as error:  # noqa: BLE001 - told in the test's own thread, whatever it is
            self._error = error

    def _observe(self) -> None:
        raise NotImplementedError

    def _look(self) -> None:
        """Note how much later than it should this look comes after the one before."""
        now = time.monotonic()
        self.lateness = max(self.lateness, now - self._looked - RESOLUTION)
        self._looked = now


# A client that recovers as soon as it can: what it waits for is short beside a probe interval.
QUICK = {
    "socket.timeout.ms": 500,
    "socket.connection.setup.timeout.ms": 1_000,
    "reconnect.backoff.ms": 20,
    "reconnect.backoff.max.ms": 50,
    "retry.backoff.ms": 20,
    "retry.backoff.max.ms": 50,
    "topic.metadata.refresh.interval.ms": 100,
    "topic.metadata.refresh.fast.interval.ms": 20,
    "log_level": 0,
}


class Reader(_Observer):
    """Reads the probe topic as it grows."""

    def __init__(self, bootstrap: str, topic: str, partitions: int) -> None:
        super().__init__()
        self._consumer = Consumer(
            {
                **QUICK,
                "bootstrap.servers": bootstrap,
                "group.id": "observer",
                "enable.auto.commit": False,
                "isolation.level": "read_uncommitted",
                "fetch.wait.max.ms": 20,
                "fetch.error.backoff.ms": 20,
            }
        )
        self._consumer.assign([TopicPartition(topic, number, 0) for number in range(partitions)])

    def _observe(self) -> None:
        try:
            while not self._stopping.is_set():
                message = self._consumer.poll(RESOLUTION)
                self._look()
                if message is not None and message.error() is None:
                    self._note(message)
        finally:
            self._consumer.close()

    def _note(self, message: Message) -> None:
        now, record = time.time(), truth.parse(message.offset(), message.value())
        if record.valid:
            self.passed.append(Passed(message.partition(), record.wall_ns / 1e9, now))


class Writer(_Observer):
    """Sends to every partition every 50 ms. It gives up on a silent broker sooner than any Sentinel does.

    Two clients send each record, and the first acknowledgement counts: one of them may happen to ask the silent broker
    who leads now, and wait for it in vain, when the other knows already.
    """

    CLIENTS = 2

    def __init__(self, bootstrap: str, topic: str, partitions: int) -> None:
        super().__init__()
        self._topic, self._partitions = topic, range(partitions)
        settings = {
            "bootstrap.servers": bootstrap,
            "acks": "all",
            "linger.ms": 0,
            "message.timeout.ms": 60_000,
            **QUICK,
            "max.in.flight.requests.per.connection": 1_000,
        }
        self._producers = [Producer(settings) for _ in range(self.CLIENTS)]

    def _observe(self) -> None:
        while not self._stopping.is_set():
            for partition in self._partitions:
                self._send(partition)
            due = time.monotonic() + RESOLUTION
            while (left := due - time.monotonic()) > 0:
                for producer in self._producers:
                    producer.poll(min(left, RESOLUTION / 10))
            self._look()
        for producer in self._producers:
            producer.flush(10)

    def _send(self, partition: int) -> None:
        sent = time.time()
        acknowledged = False

        def delivered(error: object, _message: object) -> None:
            nonlocal acknowledged
            if error is None and not acknowledged:
                acknowledged = True
                self.passed.append(Passed(partition, sent, time.time()))

        for producer in self._producers:
            producer.produce(self._topic, b"observer", partition=partition, on_delivery=delivered)


def quorum_leader(bootstrap: str, seconds: float = 60.0) -> int:
    """Return the active controller as DescribeQuorum says (-1: none), asked by clients made for this one question."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            return _ask_quorum(bootstrap)
        except KafkaError:  # the broker that was asked is down, or the quorum has no leader to answer
            if time.monotonic() > deadline:
                raise


def _ask_quorum(bootstrap: str) -> int:
    client = KafkaAdminClient(bootstrap_servers=bootstrap.split(","), request_timeout_ms=2_000)
    try:
        partition = client.describe_metadata_quorum()["topics"][0]["partitions"][0]
    finally:
        client.close()
    return partition["leader_id"]


def transaction_coordinators(bootstrap: str) -> dict[str, int]:
    """Return by transactional id the broker that lists it among those it coordinates: every broker is asked."""
    client = KafkaAdminClient(bootstrap_servers=bootstrap.split(","), request_timeout_ms=5_000)
    try:
        listed = client.list_transactions()
    finally:
        client.close()
    return {one.transactional_id: broker for broker, ids in listed.items() for one in ids}


NO_SUCH_GROUP = "GroupIdNotFoundError"  # said by a coordinator, of a group nobody has joined yet


def group_coordinators(bootstrap: str, groups: Iterable[str]) -> dict[str, int]:
    """Return by consumer group the broker that answers for it, whether there is such a group or not.

    Every broker is asked about every group. One is missing whose coordinator has yet to load what it has come to lead.
    Asked by kafka-python: a librdkafka client that asks a coordinator may end the whole process (its issue 4605).
    """
    with contextlib.closing(
        KafkaAdminClient(bootstrap_servers=bootstrap.split(","), request_timeout_ms=5_000)
    ) as client:
        brokers = [broker["broker_id"] for broker in client.describe_cluster()["brokers"]]
        asked = list(itertools.product(groups, brokers))
        errors = {(group, broker): client.describe_groups([group], broker)[group]["error"] for group, broker in asked}
    return {group: broker for (group, broker), error in errors.items() if error is None or NO_SUCH_GROUP in error}


def groups_of(bootstrap: str) -> set[str]:
    """Return the consumer groups that any broker knows, dead or alive. Asked by kafka-python, as above."""
    with contextlib.closing(KafkaAdminClient(bootstrap_servers=bootstrap.split(","))) as client:
        return {group["group_id"] for group in client.list_groups()}


# --- the controller's own log: __cluster_metadata, on disk

TOPIC_RECORD, PARTITION_RECORD, PARTITION_CHANGE_RECORD = 2, 3, 5
CONTROL_BATCH = 0x20
UNCHANGED = -2


class Standing(NamedTuple):
    """Leaders (-1: none) and in-sync replicas of all partitions of a topic, from `at` on."""

    at: float
    leaders: dict[int, int]
    isr: dict[int, frozenset[int]]


def read_controller_log(folder: Path, topic: str) -> list[Standing]:
    """Return how `topic` stood after each change, oldest first. `folder`: metadata folder of a node that is alive."""
    ids: dict[str, bytes] = {}
    leaders: dict[int, int] = {}
    isr: dict[int, frozenset[int]] = {}
    history: list[Standing] = []
    for at, kind, version, body in _metadata_records(folder):
        if kind == TOPIC_RECORD:
            name = body.text()
            ids[name] = body.take(16)
        elif kind in (PARTITION_RECORD, PARTITION_CHANGE_RECORD):
            partition, topic_id = body.int32(), body.take(16)
            if topic_id != ids.get(topic):
                continue
            if kind == PARTITION_RECORD:
                body.int32s()
                isr[partition] = body.int32s()
                body.int32s(), body.int32s()
                leaders[partition] = body.int32()
            else:
                changed = body.tagged()
                isr[partition] = changed[0].int32s() if 0 in changed else isr[partition]
                leader = changed[1].int32() if 1 in changed else UNCHANGED
                leaders[partition] = leaders[partition] if leader == UNCHANGED else leader
            history.append(Standing(at, dict(leaders), dict(isr)))
        assert version >= 0
    return history


class _Body:
    """The flexible encoding of Kafka's records, as far as it is needed here."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def take(self, count: int) -> bytes:
        self._at += count
        return self._data[self._at - count : self._at]

    def varint(self) -> int:
        value = shift = 0
        while True:
            byte = self._data[self._at]
            self._at += 1
            value |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return value

    def zigzag(self) -> int:
        value = self.varint()
        return (value >> 1) ^ -(value & 1)

    def int32(self) -> int:
        return struct.unpack(">i", self.take(4))[0]

    def int32s(self) -> frozenset[int]:
        return frozenset(self.int32() for _ in range(self.varint() - 1))

    def text(self) -> str:
        return self.take(self.varint() - 1).decode()

    def tagged(self) -> dict[int, _Body]:
        return {self.varint(): _Body(self.take(self.varint())) for _ in range(self.varint())}


def _metadata_records(folder: Path) -> Iterator[tuple[float, int, int, _Body]]:
    """Yield instant, kind, version and body of each record of the controller's log."""
    for file in sorted(folder.glob("__cluster_metadata-0/*.log")):
        data, start = file.read_bytes(), 0
        while start + 61 <= len(data):
            (length,) = struct.unpack_from(">i", data, start + 8)
            end = start + 12 + length
            if length < 49 or end > len(data):
                break  # the tail is preallocated, or being written
            attributes, _, base_ms = struct.unpack_from(">hiq", data, start + 21)
            assert attributes & 0x7 == 0, "a compressed batch"
            (count,) = struct.unpack_from(">i", data, start + 57)
            if not attributes & CONTROL_BATCH:
                batch = _Body(data[start + 61 : end])
                for _ in range(count):
                    record = _Body(batch.take(batch.zigzag()))
                    record.take(1)
                    at = (base_ms + record.zigzag()) / 1000
                    record.zigzag()
                    record.take(max(record.zigzag(), 0))
                    value = _Body(record.take(max(record.zigzag(), 0)))
                    value.varint()
                    kind, version = value.varint(), value.varint()
                    yield at, kind, version, value
            start = end
