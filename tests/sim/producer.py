"""The simulated producer. It obeys the contract of core/events.py, with the worst timing that allows."""

from __future__ import annotations

from dataclasses import dataclass, field

from tests.sim.kafka_model import NO_ANSWER, PENDING, Answered, Payload, Refused

from kafka_sentinel.core.claims import ClaimsTracker
from kafka_sentinel.core.events import (
    ProducerRestarted,
    RecordsAcked,
    RecordsRejected,
    RecordsSent,
    RecordsUncertain,
)
from kafka_sentinel.core.types import Span

MAX_IN_FLIGHT = 5
LOADED = 5  # times as many records while an experiment asks for load


@dataclass(eq=False, slots=True)
class Request:
    """One batch on its way. A client may send several copies of it."""

    partition: object
    run: int
    first: int
    payloads: list
    deadline: float
    settled: bool = False
    attempts: int = 0
    waiting: bool = False  # for its turn


@dataclass(slots=True)
class _Stream:
    """What the producer remembers of one partition in the current run."""

    following: int = 0
    claims: ClaimsTracker = field(default_factory=ClaimsTracker)
    queue: list = field(default_factory=list)  # requests the client has not settled, oldest first


class Producer:
    def __init__(self, life, acks):
        self.life, self.world, self.acks = life, life.world, acks
        self.channel = f"producer-{acks}"
        self.probed = ()
        self.run = life.run
        self.streams: dict[object, _Stream] = {}
        self.reports = []  # what the client knows and nobody has polled: (kind, request, detail)
        self.dead_until = 0.0
        self.incarnation = 0
        self.client, self.epoch = 0, 0  # as brokers know them
        life.every(self.world.options.interval, self._slot)
        life.every(self.world.options.poll, self._poll)

    def probe(self, partitions):
        self.probed = tuple(one for one in partitions if one.acks is self.acks)

    # --- sending

    def _slot(self):
        world, options, rng = self.world, self.world.options, self.world.rng
        if world.now < self.dead_until:
            return
        if self.dead_until:
            self.dead_until = 0.0
            self.incarnation += 1
            self._post([ProducerRestarted(self.life.instant(), self.acks, self.incarnation, "_FATAL")])
        if rng.random() < 0.5:
            self._poll()
        if world.faulty("fatal"):
            self._abandon()
            return
        at, events, batches = self.life.instant(), [], []
        for partition in self.probed:
            stream = self.streams.setdefault(partition, _Stream())
            count = rng.randint(1, options.batch if self.life.load is None else LOADED * options.batch)
            events.append(RecordsSent(at, partition, self.run, stream.following, count))
            batches.append((partition, stream, count))
        self._post(events)
        for partition, stream, count in batches:
            self._send(partition, stream, count, at)

    def _send(self, partition, stream, count, at):
        world, rng = self.world, self.world.rng
        first, claims = stream.following, stream.claims.claims()
        cards = self.life.oracle.sent(partition, self.run, first, count)
        instance = self.life.instance
        payloads = [Payload("record", instance, self.run, card.sequence, at.wall, claims, card) for card in cards]
        for payload in payloads:
            if world.faulty("corrupt"):
                payload.kind, payload.truth.was_damaged = "corrupted", True
        stream.claims.sent(first, count)
        stream.following += count
        kept = count
        if world.faulty("reject"):
            kept = rng.randint(0, count - 1)
            for card in cards[kept:]:
                card.rejected = True
            rejected = RecordsRejected(
                self.life.instant(), partition, self.run, first + kept, count - kept, "_QUEUE_FULL"
            )
            self._post([rejected])
        if kept:
            request = Request(partition, self.run, first, payloads[:kept], world.now + world.options.delivery_timeout)
            stream.queue.append(request)
            self.life.at(request.deadline, lambda: self._give_up(request, "_MSG_TIMED_OUT"))
            self._attempt(request)

    def _attempt(self, request):
        """Send a copy of the request to whom the client takes for the leader."""
        world, options, rng = self.world, self.world.options, self.world.rng
        if request.settled or request.run != self.run:
            return
        queue = self.streams[request.partition].queue
        window = 1 if options.idempotent else MAX_IN_FLIGHT
        request.waiting = request not in queue[:window]
        if request.waiting:
            return
        request.attempts += 1
        attempt = request.attempts
        producer = (self.client, self.epoch)
        broker = world.leader_for(self, request.partition)
        delay = rng.uniform(0.001, world.latency())
        if world.faulty("held_request"):
            delay = rng.uniform(1.0, 15.0)
        if broker >= 0:
            world.after(delay, lambda: self._arrive(request, attempt, broker, producer))
        self.life.after(options.socket_timeout, lambda: self._timed_out(request, attempt))

    def _arrive(self, request, attempt, broker, producer):
        """The network delivers a copy. The client that sent it may be long gone."""
        world, options = self.world, self.world.options

        def answer(offset):
            self._respond(request, attempt, Refused("NOT_LEADER") if offset is None else Answered(offset))

        outcome = world.partitions[request.partition].produce(
            broker,
            request.payloads,
            acks_all=self.acks.value == "all",
            producer=producer if options.idempotent else None,
            answer=answer,
        )
        if outcome not in (PENDING, NO_ANSWER):
            self._respond(request, attempt, outcome)

    def _respond(self, request, attempt, outcome):
        world = self.world
        if world.faulty("lost_response"):
            return
        delay = world.rng.uniform(0.001, world.latency())
        self.life.after(delay, lambda: self._answered(request, attempt, outcome))

    def _answered(self, request, attempt, outcome):
        if request.settled or attempt != request.attempts:
            return  # the client has given up this copy
        if isinstance(outcome, Answered):
            self._settle(request)
            offset = None if self.world.faulty("no_offset") else outcome.offset
            self.reports.append(("acked", request, offset))
        else:
            self.world.forget_leader(self, request.partition)
            self.life.after(0.1, lambda: self._attempt(request))

    def _timed_out(self, request, attempt):
        if not request.settled and attempt == request.attempts:
            self.world.forget_leader(self, request.partition)
            self._attempt(request)

    def _give_up(self, request, code):
        """As librdkafka does: brokers tell what comes after a gap from what is lost by a new epoch of the producer.

        So what was on its way and is sent again may be written twice.
        """
        if not request.settled:
            self.epoch += 1
            self._settle(request)
            self.reports.append(("uncertain", request, code))

    def _settle(self, request):
        request.settled = True
        queue = self.streams[request.partition].queue
        queue.remove(request)
        for next_one in queue[:MAX_IN_FLIGHT]:
            if next_one.waiting:
                self._attempt(next_one)

    def begin_run(self, run):
        """Start all sequences from 0 under a new run. What is in flight becomes uncertain, in the old run."""
        self._give_up_all("_PURGE_INFLIGHT")
        self.run, self.streams = run, {}

    def renew(self):
        """Take a new client: the topic is another one of the same name."""
        for partition in self.streams:
            self.world.forget_leader(self, partition)
        self._abandon()
        for stream in self.streams.values():
            stream.claims.start_over()

    def _abandon(self):
        """The client died of a fatal error, and is replaced a little later."""
        self._give_up_all("_FATAL")
        self.dead_until = self.world.now + self.world.rng.uniform(0.5, 3.0)

    def _give_up_all(self, code):
        for request in [request for stream in self.streams.values() for request in stream.queue]:
            self._give_up(request, code)
        self.client += 1
        self._poll()

    # --- what became of it

    def _poll(self):
        if not self.reports:
            return
        reports, self.reports = self.reports, []
        acked, events, at = {}, [], self.life.instant()
        for kind, request, detail in reports:
            cards = [payload.truth for payload in request.payloads]
            if kind == "acked":
                span = Span(request.first, len(cards), detail)
                acked.setdefault(request.partition, []).append(span)
                self.streams[request.partition].claims.acked([span])
                for card in cards:
                    card.placeless = detail is None
                    self.life.oracle.acknowledged(card)
            else:
                for card in cards:
                    card.gave_up = True
                events.append(RecordsUncertain(at, request.partition, request.run, request.first, len(cards), detail))
        for partition, spans in acked.items():
            # Spans come as they were reported, which need not be the order of the sequences.
            latencies = (0.01,) * len(spans)
            events.append(RecordsAcked(at, partition, self.run, tuple(spans), latencies))
        self._post(events)

    def _post(self, events):
        self.life.post(self.channel, events)
