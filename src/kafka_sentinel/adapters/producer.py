"""The probe producer of one acknowledgement level: one thread that both sends and polls.

What it learnt before a send it posts before that send (see core/events.py), so it posts after every poll and before
every batch. Sending is paced by slots on the monotonic clock; a slot that was missed is skipped, never made up for.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable
from itertools import groupby
from queue import Empty, SimpleQueue
from typing import Any

from confluent_kafka import KafkaException

from kafka_sentinel.adapters.connection import Login
from kafka_sentinel.adapters.kafka_client import Now, OnDeath, Post, Worker, adapter_error
from kafka_sentinel.adapters.producer_client import ProducerClient, ProducerOptions, Reports
from kafka_sentinel.adapters.spans import delivered, failed
from kafka_sentinel.core.claims import ClaimsTracker
from kafka_sentinel.core.events import (
    AdapterError,
    Event,
    ProducerRestarted,
    RecordsAcked,
    RecordsRejected,
    RecordsSent,
    RecordsUncertain,
)
from kafka_sentinel.core.ranges import RangeSet
from kafka_sentinel.core.record import Encoder
from kafka_sentinel.core.types import Instant, ProbePartition

CHUNK = 1_000  # records handed over between two polls, so that acknowledgements are never kept waiting for long
IDLE = 0.1  # longest poll, in seconds: commands are looked at this often
GATHER = 0.01  # seconds a report may wait for those that follow it
FAREWELL = 1.0  # seconds to wait for acknowledgements at the end, and again for the reports of what was given up
ABANDON = 5.0  # seconds to collect the reports of an abandoned client
# Seconds from making a client to using it, where the one before still serves: until the brokers gave it the id of an
# idempotent producer, for which it asks every half second, it sends nothing. 0.6 s as a rule, 2 s on a busy machine.
SETTLES_IN = 3.0
# A partition whose log took nothing of this client yet gets one record at a time. Of several on their way, a leader
# that is not ready refuses the first and takes a later one, whatever its sequence; the client then believes that the
# first was written too (KAFKA-15591). The next follows after this many seconds, or Sentinel would seem to stand still.
FIRST_CONTACT = 2.0
CREDENTIALS = "CREDENTIALS_CHANGED"  # why the client was replaced
MOST_DEATHS = 10  # that are counted
BACKOFF = (0.5, 5.0)  # seconds between two clients, doubled from the first to the last while they keep dying


class _Partition:
    """What the producer remembers of one partition in the current run."""

    def __init__(self) -> None:
        self.following = 0  # the next sequence
        self.owed = 0.0  # records due by the rate and not sent yet, less than one
        self.claims = ClaimsTracker()
        self.in_flight = RangeSet()
        self.encoder: Encoder | None = None  # of the current incarnation
        self.known = False  # whether the log took a record of the current incarnation
        self.sent_at = float("-inf")  # when it was last sent to, monotonic


class ProbeProducer:
    """Call `start`, then `begin_run`, then `probe`. All methods may be called from any thread and return at once."""

    def __init__(self, options: ProducerOptions, *, post: Post, now: Now, on_death: OnDeath) -> None:
        self._options = options
        self._post = post
        self._now = now
        self._subject = f"producer-{options.acks}"
        self._worker = Worker(self._subject, self._run, on_death)
        self._commands: SimpleQueue[Callable[[], None]] = SimpleQueue()
        self._rate = options.records_per_second
        self._run_id: int | None = None
        self._incarnation = 0
        self._deaths = 0  # in a row, without an acknowledgement between them
        self._client: ProducerClient | None = None
        self._successor: tuple[ProducerClient | None, float] | None = None  # who takes over (or is made), and when
        self._probed: tuple[int, ...] = ()
        self._partitions: dict[int, _Partition] = {}
        self._slot = 0.0  # when the next slot is due, on the monotonic clock

    # --- the outside

    def start(self) -> None:
        self._worker.start()

    def stop(self, timeout: float) -> bool:
        """Stop sending, wait a second for what is in flight and give up the rest, which is posted as uncertain.

        Returns whether the thread has ended within `timeout` seconds. May be called again.
        """
        return self._worker.stop(timeout)

    def begin_run(self, run: int) -> None:
        """Start all sequences from 0 under a new run id. What is in flight becomes uncertain, in the old run."""
        self._commands.put(lambda: self._begin_run(run))

    def probe(self, partitions: Iterable[ProbePartition]) -> None:
        """Send to exactly these partitions from now on (those of the other acknowledgement level are not ours)."""
        own = tuple(sorted({one.partition for one in partitions if one.acks is self._options.acks}))
        self._commands.put(lambda: self._set_probed(own))

    def set_rate(self, records_per_second: float) -> None:
        """Set the rate of each partition. A partition is always sent at least one record in each slot."""
        self._commands.put(lambda: self._set_rate(records_per_second))

    def renew(self, code: str = "TOPIC_REPLACED") -> None:
        """Go on with a new incarnation: the topic is another one of the same name.

        A client keeps to the leaders of the old topic for as long as their epochs are higher than those of the new.
        """
        self._commands.put(lambda: self._renew(code))

    def sign_in(self, login: Login) -> None:
        """Use another password from the next connection on; with other certificates, go on with a new incarnation."""
        self._commands.put(lambda: self._sign_in(login))

    # --- the thread

    def _run(self) -> None:
        self._slot = self._now().mono
        try:
            while not self._worker.stopping.is_set():
                self._obey()
                self._hand_over()
                if self._client is None:
                    self._worker.stopping.wait(IDLE)
                    continue
                wait = self._slot - self._now().mono
                if wait > 0 or not self._probed:
                    self._poll(min(wait, IDLE) if self._probed else IDLE)
                else:
                    self._send_slot()
        finally:
            self._drain()
            self._abandon("_PURGE_INFLIGHT", FAREWELL)

    def _obey(self) -> None:
        while True:
            try:
                command = self._commands.get_nowait()
            except Empty:
                return
            command()

    def _set_probed(self, partitions: tuple[int, ...]) -> None:
        self._probed = partitions

    def _set_rate(self, rate: float) -> None:
        self._rate = rate

    def _begin_run(self, run: int) -> None:
        self._abandon("_PURGE_INFLIGHT", ABANDON)
        self._run_id, self._incarnation, self._partitions = run, 0, {}
        self._client = ProducerClient(self._options)

    # --- sending

    def _send_slot(self) -> None:
        """Send what is due in this slot, in chunks with polls between; what does not fit into it is not made up for."""
        start, interval = self._slot, self._options.interval
        end = start + (int((self._now().mono - start) / interval) + 1) * interval
        due = {partition: count for partition in self._probed if (count := self._due(partition))}
        probing = True  # the first round is the probe itself; the rest is load, and yields when the client falls behind
        while due and not self._worker.stopping.is_set():
            room = self._options.queue_limit // 2 - len(self._client or ())
            if probing or room > 0:
                most = max(min(CHUNK, room // len(due)), 1)
                round_ = {partition: min(count, most) for partition, count in due.items()}
                self._send(round_)
                due = {partition: left for partition, count in due.items() if (left := count - round_[partition])}
            self._poll(0.0 if room > 0 else min(0.01, interval))
            if self._client is None or self._now().mono >= end:
                break
            probing = False
        self._slot = end

    def _due(self, partition: int) -> int:
        state = self._partitions.setdefault(partition, _Partition())
        if not state.known:
            return 0 if state.in_flight and self._now().mono - state.sent_at < FIRST_CONTACT else 1
        owed = state.owed + self._rate * self._options.interval
        state.owed = owed % 1.0
        return max(int(owed), 1)

    def _send(self, counts: dict[int, int]) -> None:
        assert self._client is not None
        assert self._run_id is not None
        at, run, events = self._now(), self._run_id, list[Event]()
        for partition, count in counts.items():
            state = self._partitions[partition]
            events.append(RecordsSent(at, self._named(partition), run, state.following, count))
        self._post(events)
        wall, mono = int(at.wall * 1e9), int(at.mono * 1e9)
        for partition, count in counts.items():
            state = self._partitions[partition]
            first = state.following
            refused = self._client.send(partition, self._encoded(partition, state, count, wall, mono))
            state.claims.sent(first, count)
            state.in_flight.add(first, count)
            state.following += count
            state.sent_at = at.mono
            if refused:
                self._post(self._rejections(partition, first, refused))

    def _encoded(self, partition: int, state: _Partition, count: int, wall: int, mono: int) -> list[dict[str, Any]]:
        if state.encoder is None:
            assert self._run_id is not None
            state.encoder = Encoder(
                instance=self._options.instance,
                run=self._run_id,
                incarnation=self._incarnation,
                partition=partition,
                size=self._options.record_size,
            )
        state.encoder.set_claims(state.claims.claims())
        run = state.encoder.encode_run(state.following, count, wall, mono)
        return [{"value": value, "key": key} for key, value in run]

    def _rejections(self, partition: int, first: int, refused: list[tuple[int, str]]) -> list[Event]:
        assert self._run_id is not None
        at, run, events = self._now(), self._run_id, list[Event]()
        for (code, _), members in groupby(enumerate(refused), lambda pair: (pair[1][1], pair[1][0] - pair[0])):
            indexes = [index for _, (index, _) in members]
            events.append(RecordsRejected(at, self._named(partition), run, first + indexes[0], len(indexes), code))
            self._partitions[partition].in_flight.remove(first + indexes[0], len(indexes))
        return events

    # --- what became of it

    def _poll(self, timeout: float) -> None:
        """Post what is reported within `timeout` seconds and what follows closely, together: a post wakes the engine.

        It asks again meanwhile, and does not sleep: how long a record took ends when its report is taken.
        """
        client = self._client
        assert client is not None
        heard = [(client.poll(timeout), self._now())]
        until = heard[0][1].mono + min(GATHER, timeout)
        while heard[-1][0] and client.fatal is None and len(client) and (left := until - self._now().mono) > 0:
            heard.append((client.poll(left), self._now()))
        events = [event for reports, at in heard for event in self._understood(reports, at)]
        if client.fatal is not None:
            code, text = client.fatal
            events.append(AdapterError(self._now(), self._subject, code, text))
        if events:
            self._post(events)
        if client.fatal is not None:
            self._replace(client.fatal[0])

    def _report(self, reports: Reports) -> None:
        if events := self._understood(reports, self._now()):
            self._post(events)

    def _understood(self, reports: Reports, at: Instant) -> list[Event]:
        """Return what the client reported, as known at that instant."""
        events = list[Event]()
        if reports.messages and self._run_id is not None:
            events += self._acknowledged([one for one in reports.messages if one.error() is None], at)
            for partition, first, count, code in failed([one for one in reports.messages if one.error() is not None]):
                self._partitions[partition].in_flight.remove(first, count)
                events.append(RecordsUncertain(at, self._named(partition), self._run_id, first, count, code))
        events += [adapter_error(at, self._subject, error) for error in reports.errors]
        return events

    def _acknowledged(self, messages: list[Any], at: Instant) -> list[Event]:
        assert self._run_id is not None
        events = list[Event]()
        for partition, (spans, latencies) in delivered(messages).items():
            state = self._partitions[partition]
            state.claims.acked(spans)
            state.known = True
            for first, count, _ in spans:
                state.in_flight.remove(first, count)
            events.append(RecordsAcked(at, self._named(partition), self._run_id, spans, latencies))
            self._deaths = 0
        return events

    # --- the end of a client

    def _abandon(self, code: str, timeout: float) -> None:
        """Give up the client, and who was to follow it. Whatever it never reported is uncertain too, with `code`."""
        client, self._client, self._successor = self._client, None, None
        if client is None or self._run_id is None:
            return
        self._report(client.abandon(timeout))
        at, events = self._now(), list[Event]()
        for partition, state in self._partitions.items():
            state.encoder, state.known = None, False
            for first, count in state.in_flight.spans():
                events.append(RecordsUncertain(at, self._named(partition), self._run_id, first, count, code))
            state.in_flight.clear()
        if events:
            self._post(events)

    def _drain(self) -> None:
        deadline = self._now().mono + FAREWELL
        while self._client is not None and len(self._client) and (left := deadline - self._now().mono) > 0:
            self._report(self._client.poll(min(left, IDLE)))

    def _replace(self, code: str) -> None:
        """Bury a client that died, wait a little, and go on with a new incarnation of the same run."""
        self._abandon(code, ABANDON)
        least, most = BACKOFF
        while self._client is None:
            pause = min(least * 2**self._deaths, most) * random.uniform(0.5, 1.0)  # noqa: S311 - jitter, nothing secret
            self._deaths = min(self._deaths + 1, MOST_DEATHS)
            if self._worker.stopping.wait(max(pause, least)):
                return
            try:
                self._reincarnate(code)
            except KafkaException as error:  # a certificate that is just being written does not fit its key
                self._post([adapter_error(self._now(), self._subject, error)])

    def _renew(self, code: str) -> None:
        if self._client is not None:
            self._abandon(code, ABANDON)
            for partition in self._partitions.values():
                partition.claims.start_over()
            self._reincarnate(code)

    def _sign_in(self, login: Login) -> None:
        """With other certificates, let a client settle in that has them: nothing is sent late because of the change."""
        if self._client is None:
            return
        if not login.certificates:
            if login.username is not None and login.password is not None:
                self._client.sign_in(login.username, login.password)
            return
        self._settle_in()

    def _settle_in(self) -> None:
        """Make the client that follows this one, or try again in a while."""
        client = None
        try:
            client = ProducerClient(self._options)
        except KafkaException as error:  # a certificate that is just being written does not fit its key
            self._post([adapter_error(self._now(), self._subject, error)])
        self._successor = client, self._now().mono + SETTLES_IN

    def _hand_over(self) -> None:
        """Nothing is in flight between the two clients, unless Kafka is away: what that is becomes uncertain."""
        if self._successor is None or self._now().mono < self._successor[1]:
            return
        client, _ = self._successor
        if client is None:
            self._settle_in()
            return
        self._drain()
        self._abandon(CREDENTIALS, ABANDON)
        self._succeed(client, CREDENTIALS)

    def _reincarnate(self, code: str) -> None:
        self._succeed(ProducerClient(self._options), code)

    def _succeed(self, client: ProducerClient, code: str) -> None:
        self._client = client
        self._incarnation += 1
        self._post([ProducerRestarted(self._now(), self._options.acks, self._incarnation, code)])

    def _named(self, partition: int) -> ProbePartition:
        return ProbePartition(self._options.acks, partition)
