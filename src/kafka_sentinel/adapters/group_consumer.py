"""The group consumer: what applications feel. It joins a group, commits every second, and never testifies to loss."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any, Literal

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

from kafka_sentinel.adapters.connection import Login
from kafka_sentinel.adapters.kafka_client import (
    ClientProperties,
    Now,
    OnDeath,
    Post,
    Worker,
    adapter_error,
    client_config,
    error_name,
)
from kafka_sentinel.adapters.pulse import REPORTING, Pulse, hung, leave_behind
from kafka_sentinel.core.events import Event, GroupCommitted, GroupRead, GroupRebalanced
from kafka_sentinel.core.types import Acks, Instant, ProbePartition

COMMIT_TIMEOUT = 30.0  # seconds after which a commit that nobody answered is called failed, and the next one made
MAX_ERRORS = 100  # client errors kept between two reads; a reconnect loop repeats itself


@dataclass(frozen=True, slots=True)
class GroupOptions:
    """Times in seconds. `protocol` is the client's `group.protocol`; the new one needs Kafka 4.0."""

    common: ClientProperties
    topics: Mapping[Acks, str]
    group_id: str
    protocol: Literal["classic", "consumer"] = "classic"
    commit: bool = True
    commit_interval: float = 1.0
    batch: int = 5_000
    wait: float = 0.1
    rebuild_pause: float = 1.0
    extra: ClientProperties = field(default_factory=dict)

    def client_properties(self) -> dict[str, Any]:
        return client_config(
            self.common,
            {
                "client.id": "kafka-sentinel-group",
                "group.id": self.group_id,
                "group.protocol": self.protocol,
                "enable.auto.commit": False,
                "enable.auto.offset.store": False,
                "auto.offset.reset": "earliest",
                "isolation.level": "read_uncommitted",
                "fetch.wait.max.ms": 500,
                "fetch.min.bytes": 100_000,  # nothing here is timed by the record: two answers a second will do
                "topic.metadata.refresh.interval.ms": 10_000,  # a topic made after we subscribed is found that soon
                "queued.max.messages.kbytes": 16_384,
            },
            self.extra,
        )


class GroupConsumer:
    """One member of the group, on one thread."""

    def __init__(self, options: GroupOptions, *, post: Post, now: Now, on_death: OnDeath) -> None:
        self._options = options
        self._post = post
        self._now = now
        self._levels = {topic: acks for acks, topic in options.topics.items()}
        self._worker = Worker("group", self._run, on_death)
        self._consumer: Consumer | None = None
        self._pulse = Pulse(now)
        self._assigned: set[ProbePartition] = set()
        self._read: dict[ProbePartition, int] = {}  # what to commit next: the offset after the last one handed over
        self._committing: Instant | None = None  # when the commit that is under way began
        self._next_commit = 0.0
        self._called_back: list[Event] = []
        self._errors: list[KafkaError] = []
        self._login: Login | None = None  # that is to be used from now on

    def start(self) -> None:
        self._worker.start()

    def stop(self, timeout: float) -> bool:
        """Leave the group. Returns whether the thread has ended within `timeout` seconds. May be called again."""
        return self._worker.stop(timeout)

    def sign_in(self, login: Login) -> None:
        """Use another password from the next connection on; with other certificates, join as another member."""
        self._login = login

    def _sign_in(self) -> None:
        login, self._login = self._login, None
        if login is None or self._consumer is None:
            return
        if login.certificates:
            self._close()
        elif login.username is not None and login.password is not None:
            self._consumer.set_sasl_credentials(login.username, login.password)

    def _run(self) -> None:
        try:
            while not self._worker.stopping.is_set():
                try:
                    self._sign_in()
                    self._step(self._consumer or self._build())
                except KafkaException as error:
                    self._post([adapter_error(self._now(), "group", error)])
                    self._close()
                    self._worker.stopping.wait(self._options.rebuild_pause)
        finally:
            self._close()

    def _build(self) -> Consumer:
        self._pulse = Pulse(self._now)
        called = {"error_cb": self._failed, "on_commit": self._committed, "stats_cb": self._pulse.take}
        self._consumer = Consumer({**self._options.client_properties(), **REPORTING, **called})
        self._consumer.subscribe(
            list(self._levels), on_assign=self._assign, on_revoke=self._revoke, on_lost=self._revoke
        )
        return self._consumer

    def _abandon(self, consumer: Consumer, at: Instant) -> None:
        """Ask nothing of a client that hangs any more. The next one joins as another member."""
        leave_behind(consumer)
        self._consumer = None
        self._called_back.append(hung(at, "group"))
        self._close()

    def _close(self) -> None:
        consumer, self._consumer = self._consumer, None
        if consumer is not None:
            consumer.close()  # it ends commits that are under way, and tells of both them and of leaving
        events, self._called_back = self._called_back, []
        self._assigned.clear()
        self._read.clear()
        self._committing = None
        if events:
            self._post(events)

    def _step(self, consumer: Consumer) -> None:
        messages = consumer.consume(self._options.batch, self._options.wait)
        at = self._now()
        if self._pulse.hangs(at):
            self._abandon(consumer, at)
            return
        events, self._called_back = self._called_back, []
        events += self._handed_over(messages, at)
        events += [adapter_error(at, "group", error) for error in self._errors]
        self._errors.clear()
        if events:
            self._post(events)
        if self._committing is not None and at.mono - self._committing.mono >= COMMIT_TIMEOUT:
            self._committed(KafkaError(KafkaError._TIMED_OUT), [])  # noqa: SLF001 - the client's public name for it
        if self._options.commit and self._committing is None and self._read and at.mono >= self._next_commit:
            self._commit(consumer, at)

    def _handed_over(self, messages: list[Message], at: Instant) -> list[Event]:
        """Return the runs of consecutive offsets, and note what is to be committed."""
        events: list[Event] = []
        records = [one for one in messages if one.error() is None]
        events += [adapter_error(at, "group", error) for one in messages if (error := one.error()) is not None]
        places = [(self._named(one.topic(), one.partition()), one.offset() or 0) for one in records]
        for (partition, _), run in groupby(enumerate(places), lambda pair: (pair[1][0], pair[1][1] - pair[0])):
            offsets = [offset for _, (_, offset) in run]
            events.append(GroupRead(at, partition, offsets[0], len(offsets)))
            self._read[partition] = offsets[-1] + 1
        return events

    def _commit(self, consumer: Consumer, at: Instant) -> None:
        self._committing, self._next_commit = at, at.mono + self._options.commit_interval
        offsets = [self._place(partition, offset) for partition, offset in self._read.items()]
        self._read.clear()
        consumer.commit(offsets=offsets, asynchronous=True)

    # --- called back from within consume(): they only note what happened

    def _committed(self, error: KafkaError | None, offsets: list[TopicPartition]) -> None:
        at, begun = self._now(), self._committing
        self._committing = None
        if begun is None:
            return
        # One partition can be refused while the commit as a whole is not.
        code = error or next((one.error for one in offsets if one.error is not None), None)
        places = tuple((self._named(one.topic, one.partition), one.offset) for one in offsets if one.error is None)
        name = error_name(code.code()) if code is not None else None
        self._called_back.append(GroupCommitted(at, at.mono - begun.mono, name, places if name is None else ()))

    def _assign(self, _: Consumer, partitions: list[TopicPartition]) -> None:
        self._rebalanced(self._assigned | self._names(partitions))

    def _revoke(self, _: Consumer, partitions: list[TopicPartition]) -> None:
        self._rebalanced(self._assigned - self._names(partitions))

    def _rebalanced(self, assigned: set[ProbePartition]) -> None:
        self._assigned = assigned
        self._read = {partition: offset for partition, offset in self._read.items() if partition in assigned}
        self._called_back.append(GroupRebalanced(self._now(), tuple(sorted(assigned))))

    def _failed(self, error: KafkaError) -> None:
        if len(self._errors) < MAX_ERRORS:
            self._errors.append(error)

    def _names(self, partitions: list[TopicPartition]) -> set[ProbePartition]:
        return {self._named(one.topic, one.partition) for one in partitions}

    def _named(self, topic: str | None, partition: int | None) -> ProbePartition:
        return ProbePartition(self._levels[topic or ""], partition or 0)

    def _place(self, partition: ProbePartition, offset: int) -> TopicPartition:
        return TopicPartition(self._options.topics[partition.acks], partition.partition, offset)
