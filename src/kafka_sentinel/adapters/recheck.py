"""Rechecks: a fresh reader reads a range of the log again, so that no state of an older client can mislead us."""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from queue import Full, Queue

from confluent_kafka import Consumer, KafkaException, Message, TopicPartition
from confluent_kafka.admin import AdminClient

from kafka_sentinel.adapters.kafka_client import ClientProperties, Now, OnDeath, Post, Worker, describe
from kafka_sentinel.adapters.pulse import leave_behind
from kafka_sentinel.adapters.reader import END_OF_PARTITION, LOST, reader_config, spans_of, watermarks
from kafka_sentinel.adapters.topics import admin_client, topic_ids
from kafka_sentinel.core.commands import Recheck
from kafka_sentinel.core.events import RecheckDone, RecheckFailed
from kafka_sentinel.core.sightings import join
from kafka_sentinel.core.types import Acks, Sighting

THREADS = 2
QUEUE = 64  # rechecks waiting; one more is answered with RecheckFailed


@dataclass(frozen=True, slots=True)
class RecheckOptions:
    """Times in seconds. `patience`: without progress. `end_wait`: at the end of a log that ends below the range."""

    common: ClientProperties
    topics: Mapping[Acks, str]
    group_id: str = "kafka-sentinel-recheck"  # never joined, but the client and its ACLs want a name
    patience: float = 15.0
    end_wait: float = 5.0
    longest: float = 300.0
    request_timeout: float = 5.0
    batch: int = 5_000
    extra: ClientProperties = field(default_factory=dict)


class Rechecker:
    """A pool of THREADS threads. Every command is answered by exactly one event, unless the process ends first."""

    def __init__(self, options: RecheckOptions, *, post: Post, now: Now, on_death: OnDeath) -> None:
        self._options = options
        self._post = post
        self._now = now
        self._queue: Queue[Recheck | None] = Queue(QUEUE)  # None only wakes a thread that is to end
        self._workers: list[Worker] = []
        for index in range(THREADS):
            self._workers.append(Worker(f"recheck-{index}", self._run, on_death))

    def start(self) -> None:
        for worker in self._workers:
            worker.start()

    def stop(self, timeout: float) -> bool:
        """Drop what waits and end what runs. Returns whether all threads ended within `timeout` seconds."""
        for worker in self._workers:
            worker.stopping.set()
        for _ in self._workers:
            with suppress(Full):  # then nobody is waiting
                self._queue.put_nowait(None)
        deadline = self._now().mono + timeout
        ended = [worker.stop(max(deadline - self._now().mono, 0.0)) for worker in self._workers]
        return all(ended)

    def submit(self, command: Recheck) -> None:
        """Queue a recheck. Returns at once."""
        try:
            self._queue.put_nowait(command)
        except Full:
            self._post([self._failure(command, f"{QUEUE} rechecks are waiting already")])

    @property
    def _stopping(self) -> bool:
        return self._workers[0].stopping.is_set()

    def _run(self) -> None:
        while not self._stopping:
            command = self._queue.get()
            if command is None:
                continue
            answer = self._answer(command)
            if not self._stopping:
                self._post([answer])

    def _answer(self, command: Recheck) -> RecheckDone | RecheckFailed:
        options, topic = self._options, self._options.topics.get(command.partition.acks)
        if topic is None:
            return self._failure(command, f"there is no probe topic for acks={command.partition.acks}")
        group = f"{options.group_id}-{secrets.token_hex(4)}"
        try:
            admin = admin_client(options.common)
            before = self._topic_id(admin, topic)
            consumer = Consumer(reader_config(options.common, "kafka-sentinel-recheck", group, options.extra))
            try:
                done = self._read(consumer, topic, command)
            finally:
                leave_behind(consumer, options.request_timeout)
            after = self._topic_id(admin, topic)
        except (KafkaException, _UnreadableError) as error:
            return self._failure(command, describe(error)[1])
        start, position, log_start, sightings = done
        return RecheckDone(
            at=self._now(),
            recheck=command.recheck,
            partition=command.partition,
            start=start,
            position=position,
            log_start=log_start,
            topic_id=before if before == after else None,
            sightings=sightings,
        )

    def _topic_id(self, admin: AdminClient, topic: str) -> str | None:
        found = topic_ids(admin, [topic], self._options.request_timeout)
        if topic not in found:
            raise _UnreadableError(f"topic {topic} does not exist")
        return found[topic]

    def _read(self, consumer: Consumer, topic: str, command: Recheck) -> tuple[int, int, int, tuple[Sighting, ...]]:
        """Return (first offset read, position reached, log start, sightings).

        All of it from one leader: where a part came from one that has been replaced, and the fence from another, what
        the first does not have would look lost.
        """
        partition = command.partition.partition
        leader = self._leader(consumer, topic, partition)
        found = watermarks(consumer, topic, partition, self._options.request_timeout)
        if found is None:
            raise _UnreadableError("the leader did not say where the log starts")
        log_start = found[0]
        start = max(command.start, log_start)
        if start >= command.end:
            return start, start, log_start, ()
        consumer.assign([TopicPartition(topic, partition, start)])
        reading = _Reading(partition, start, command.end)
        begun = moved = self._now().mono
        while reading.position < command.end:
            before = reading.position
            reading.take(consumer.consume(1, 0.2))
            reading.take(consumer.consume(self._options.batch, 0))
            now = self._now().mono
            moved = now if reading.position > before else moved
            if self._stopping:
                raise _UnreadableError("Sentinel is stopping")
            if reading.at_end and now - moved >= self._options.end_wait:
                break
            if now - moved >= self._options.patience or now - begun >= self._options.longest:
                raise _UnreadableError(f"nothing came after offset {reading.position} {reading.trouble}".rstrip())
        if self._leader(consumer, topic, partition) != leader:
            raise _UnreadableError("the partition changed its leader during the read")
        return start, reading.position, log_start, tuple(reading.sightings)

    def _leader(self, consumer: Consumer, topic: str, partition: int) -> int:
        """Return who leads, -1 for nobody, by what this client knows from now on. Raises KafkaException."""
        found = consumer.list_topics(topic, timeout=self._options.request_timeout).topics[topic].partitions
        return found[partition].leader if partition in found else -1

    def _failure(self, command: Recheck, reason: str) -> RecheckFailed:
        return RecheckFailed(self._now(), command.recheck, command.partition, reason)


class _UnreadableError(Exception):
    """The range cannot be read now; the text says why."""


class _Reading:
    """How far one recheck has come."""

    def __init__(self, partition: int, start: int, end: int) -> None:
        self._partition = partition
        self._end = end
        self.position = start
        self.at_end = False  # the log ended at `position` when we last heard
        self.trouble = ""  # the last error that may pass
        self.sightings: list[Sighting] = []

    def take(self, messages: list[Message]) -> None:
        records: list[Message] = []
        for message in messages:
            error, offset = message.error(), message.offset()
            if error is None and offset is not None:
                self.position = max(self.position, min(offset + 1, self._end))
                self.at_end = False
                if offset < self._end:
                    records.append(message)
            elif error is not None and error.code() == END_OF_PARTITION:
                self.position = max(self.position, min(offset or 0, self._end))
                self.at_end = True
            elif error is not None:
                self._note(message)
        if records:
            self._merge(spans_of(self._partition, records).sightings)

    def _merge(self, sightings: Sequence[Sighting]) -> None:
        """Append; what was cut only because it came in two reads becomes one again."""
        self.sightings[-1:] = join(self.sightings[-1:], sightings)

    def _note(self, message: Message) -> None:
        error = message.error()
        assert error is not None
        if message.partition() == self._partition and error.code() in LOST:
            raise _UnreadableError(error.str())
        self.trouble = f"({error.str()})"
