"""The verifier: reads the tail of every probe partition of one acknowledgement level, from leaders, without a group.

It reports what it read and where it could not go on. Where to go on from is the engine's decision, always.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from queue import Empty, SimpleQueue

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

from kafka_sentinel.adapters.connection import Login
from kafka_sentinel.adapters.kafka_client import ClientProperties, Now, OnDeath, Post, Worker, adapter_error
from kafka_sentinel.adapters.log_starts import LogStarts
from kafka_sentinel.adapters.pulse import REPORTING, Pulse, hung, leave_behind
from kafka_sentinel.adapters.reader import BEGINNING, END_OF_PARTITION, LOST, reader_config, spans_of, watermarks
from kafka_sentinel.core.events import AdapterError, Event, ReaderLost, RecordsRead
from kafka_sentinel.core.record import ProbeRecord
from kafka_sentinel.core.types import Acks, Instant, ProbePartition

GATHER = 0.01  # seconds a record may wait for those that follow it; each keeps the instant at which it was read
GATHERED = 100  # records that are not kept waiting for more
LEAST_WAIT = 0.001  # seconds; the client cuts to milliseconds
MAX_LATENCIES = 20
RENEWED_AFTER = 3  # silences of a partition in a row after which the client is replaced
ENDING = 5.0  # seconds a client gets to end; milliseconds are usual
MAX_ERRORS = 100  # client errors kept between two reads; a reconnect loop repeats itself


@dataclass(frozen=True, slots=True)
class VerifierOptions:
    """`common`: bootstrap servers and security. `group_id` is never joined, but the client and its ACLs want a name."""

    common: ClientProperties
    topic: str
    acks: Acks
    instance: int
    group_id: str = "kafka-sentinel-verifier"
    batch: int = 5_000  # records taken from the client at once
    wait: float = 0.1  # longest wait for a record, in seconds: commands are looked at this often
    watermark_timeout: float = 2.0
    rebuild_pause: float = 1.0
    silence: float = 10.0  # seconds without a word from a partition until it is assigned again; above probe.interval
    extra: ClientProperties = field(default_factory=dict)


class Verifier:
    """All methods may be called from any thread and return at once."""

    def __init__(self, options: VerifierOptions, *, post: Post, now: Now, on_death: OnDeath) -> None:
        self._options = options
        self._post = post
        self._now = now
        self._subject = f"verifier-{options.acks}"
        self._worker = Worker(self._subject, self._run, on_death)
        self._commands: SimpleQueue[Callable[[], None]] = SimpleQueue()
        self._run_id = -1
        self._consumer: Consumer | None = None
        self._pulse = Pulse(now)
        self._log_starts = LogStarts(options.topic)
        self._positions: dict[int, int] = {}  # of the partitions being read; BEGINNING until the log start is known
        self._heard: dict[int, float] = {}  # when a partition was last heard of, or assigned, monotonic
        self._silences: Counter[int] = Counter()  # in a row
        self._errors: list[KafkaError] = []

    # --- the outside

    def start(self) -> None:
        self._worker.start()

    def stop(self, timeout: float) -> bool:
        """Stop reading. Returns whether the thread has ended within `timeout` seconds. May be called again."""
        return self._worker.stop(timeout)

    def begin_run(self, run: int) -> None:
        """Name the run whose records give latencies: only this process's monotonic clock can date them."""
        self._commands.put(lambda: self._set_run(run))

    def probe(self, partitions: Iterable[ProbePartition]) -> None:
        """Stop reading all partitions but these. A new one is read once it is assigned."""
        kept = {one.partition for one in partitions if one.acks is self._options.acks}
        self._commands.put(lambda: self._keep(kept))

    def assign(self, partition: ProbePartition, offset: int) -> None:
        """Go on reading `partition` at `offset` (BEGINNING: where the log starts), whether it is being read or not."""
        self._commands.put(lambda: self._go_on(partition.partition, offset))

    def renew(self) -> None:
        """Forget all positions and take a new client: the topic is another one of the same name.

        A client keeps to the leaders of the old topic for as long as their epochs are higher than those of the new.
        """
        self._commands.put(self._renew)

    def sign_in(self, login: Login) -> None:
        """Use another password from the next connection on; with other certificates, go on with a new client."""
        self._commands.put(lambda: self._sign_in(login))

    # --- the thread

    def _run(self) -> None:
        try:
            while not self._worker.stopping.is_set():
                try:
                    self._read()
                except KafkaException as error:
                    self._rebuild(error)
        finally:
            self._close()

    def _read(self) -> None:
        self._obey()
        consumer = self._consumer or self._build()
        # `consume` alone would wait for a full batch: one record is awaited, and whatever else is there taken with it.
        messages = consumer.consume(1, self._options.wait)
        if messages:
            messages += consumer.consume(self._options.batch, 0)
        at = self._now()
        heard = [(messages, at)]
        until = at.mono + GATHER if 0 < len(messages) < GATHERED else 0.0
        while len(heard) < GATHERED and (left := until - self._now().mono) >= LEAST_WAIT:
            heard.append((consumer.consume(1, left), self._now()))
        errors, self._errors = self._errors, []
        events: list[Event] = [adapter_error(at, self._subject, error) for error in errors]
        for messages, read_at in heard:
            events += self._sorted_out(messages, read_at)
        events += self._abandon(at) if self._pulse.hangs(at) else self._wake(at)
        if events:
            self._post(events)

    def _abandon(self, at: Instant) -> list[Event]:
        """Go on with a new client where this one stood, and ask nothing of this one any more."""
        assert self._consumer is not None
        leave_behind(self._consumer)
        self._consumer = None
        return [hung(at, self._subject)]

    def _wake(self, at: Instant) -> list[Event]:
        """Assign anew, where it stands, what has been silent for long; replace the client where that did not help.

        A client can wait for ever for an answer about the epoch of a leader that died (librdkafka #4492). While Kafka
        itself is away this does no harm.
        """
        silent = [one for one in self._positions if at.mono - self._heard[one] >= self._options.silence]
        for partition in silent:
            self._silences[partition] += 1
            self._go_on(partition, self._positions[partition])
        if not any(self._silences[partition] >= RENEWED_AFTER for partition in silent):
            return []
        self._silences.clear()
        self._close()
        names = ", ".join(map(str, silent))
        words = f"nothing heard of partition {names}, though assigned again: a new client is taken"
        return [AdapterError(at, self._subject, "READER_SILENT", words)]

    def _build(self) -> Consumer:
        options = self._options
        config = reader_config(options.common, f"kafka-sentinel-{self._subject}", options.group_id, options.extra)
        self._pulse, self._log_starts = pulse, starts = Pulse(self._now), LogStarts(options.topic)

        def reported(report: str) -> None:
            pulse.take(report)
            starts.take(report)

        self._consumer = Consumer({**config, **REPORTING, "error_cb": self._failed, "stats_cb": reported})
        self._consumer.incremental_assign([self._place(*item) for item in self._positions.items()])
        return self._consumer

    def _rebuild(self, error: KafkaException) -> None:
        """Replace a client that raised; every partition goes on where it was."""
        self._post([adapter_error(self._now(), self._subject, error)])
        self._close()
        self._worker.stopping.wait(self._options.rebuild_pause)

    def _failed(self, error: KafkaError) -> None:
        if len(self._errors) < MAX_ERRORS:
            self._errors.append(error)

    def _obey(self) -> None:
        while True:
            try:
                command = self._commands.get_nowait()
            except Empty:
                return
            command()

    def _set_run(self, run: int) -> None:
        self._run_id = run

    def _keep(self, kept: set[int]) -> None:
        for partition in [one for one in self._positions if one not in kept]:
            self._release(partition)

    def _go_on(self, partition: int, offset: int) -> None:
        self._release(partition)
        if self._consumer is not None:
            self._consumer.incremental_assign([self._place(partition, offset)])
        self._log_starts.assigned(partition)
        self._positions[partition], self._heard[partition] = offset, self._now().mono

    def _sign_in(self, login: Login) -> None:
        if login.certificates:
            self._close()
        elif self._consumer is not None and login.username is not None and login.password is not None:
            self._consumer.set_sasl_credentials(login.username, login.password)

    def _renew(self) -> None:
        self._positions.clear()
        self._close()

    def _close(self) -> None:
        if self._consumer is not None:
            leave_behind(self._consumer, ENDING)
        self._consumer = None

    def _release(self, partition: int) -> None:
        if self._positions.pop(partition, None) is not None and self._consumer is not None:
            self._consumer.incremental_unassign([TopicPartition(self._options.topic, partition)])

    def _place(self, partition: int, offset: int) -> TopicPartition:
        return TopicPartition(self._options.topic, partition, offset)

    # --- what was read

    def _sorted_out(self, messages: list[Message], at: Instant) -> list[Event]:
        """Return events for what was read, and for every partition on which reading cannot go on."""
        records: dict[int, list[Message]] = {}
        ends: dict[int, int] = {}
        events: list[Event] = []
        stuck: dict[int, KafkaError] = {}
        for message in messages:
            partition, error = message.partition(), message.error()
            if partition is None or (partition not in self._positions and error is None) or partition in stuck:
                continue
            if error is None:
                records.setdefault(partition, []).append(message)
            elif error.code() == END_OF_PARTITION:
                ends[partition] = message.offset() or 0
            elif error.code() in LOST:
                stuck[partition] = error
            else:
                events.append(adapter_error(at, self._subject, error))
        for partition in sorted(records.keys() | ends.keys()):
            events += self._advanced(partition, records.get(partition, []), ends.get(partition, 0), at)
        events += [self._lost(partition, error) for partition, error in stuck.items() if partition in self._positions]
        return events

    def _advanced(self, partition: int, messages: list[Message], end: int, at: Instant) -> list[Event]:
        """Move the position past what was read, and to the end of the partition, which steps over control records."""
        if partition not in self._positions:
            return []
        self._heard[partition], self._silences[partition] = at.mono, 0
        spans = spans_of(partition, messages)
        before = self._positions[partition]
        start = spans.sightings[0].offset if before == BEGINNING and spans.sightings else before
        if start == BEGINNING:
            start = end
        last = spans.sightings[-1].offset + spans.sightings[-1].count if spans.sightings else start
        position = max(last, end, start)
        if position == before:
            return []
        self._positions[partition] = position
        return [
            RecordsRead(
                at=at,
                partition=self._named(partition),
                start=start,
                position=position,
                sightings=spans.sightings,
                latencies=self._latencies(spans.samples, at),
                log_start=self._log_starts.read(partition),
            )
        ]

    def _latencies(self, samples: tuple[ProbeRecord, ...], at: Instant) -> tuple[float, ...]:
        own = [one for one in samples if one.run == self._run_id and one.instance == self._options.instance]
        return tuple(max(at.mono - one.mono_ns / 1e9, 0.0) for one in own[-MAX_LATENCIES:])

    def _lost(self, partition: int, error: KafkaError) -> ReaderLost:
        position = self._positions[partition]
        self._release(partition)
        assert self._consumer is not None
        found = watermarks(self._consumer, self._options.topic, partition, self._options.watermark_timeout)
        low, high = found or (None, None)
        return ReaderLost(self._now(), self._named(partition), position, low, high, error.str())

    def _named(self, partition: int) -> ProbePartition:
        return ProbePartition(self._options.acks, partition)
