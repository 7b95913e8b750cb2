"""Simulated Kafka adapters. They obey the contracts of core/events.py, with the worst timing these allow."""

from __future__ import annotations

from dataclasses import dataclass, field

from tests.sim.kafka_model import NO_ANSWER, PENDING, Answered, Payload, Refused

from kafka_sentinel.core.claims import ClaimsTracker
from kafka_sentinel.core.events import (
    ProducerRestarted,
    ReaderLost,
    RecheckDone,
    RecheckFailed,
    RecordsAcked,
    RecordsRead,
    RecordsRejected,
    RecordsSent,
    RecordsUncertain,
)
from kafka_sentinel.core.types import Sighting, SightingKind, Span

BEGINNING = -2
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
        if world.faulty(options.fatal):
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
        cards = world.oracle.sent(partition, self.run, first, count)
        payloads = [Payload("record", world.instance, self.run, card.sequence, at.wall, claims, card) for card in cards]
        for payload in payloads:
            if world.faulty(world.options.corrupt):
                payload.kind, payload.truth.was_damaged = "corrupted", True
        stream.claims.sent(first, count)
        stream.following += count
        kept = count
        if world.faulty(world.options.reject):
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
        broker = world.leader_for(self, request.partition)
        delay = rng.uniform(0.001, world.latency())
        if world.faulty(options.held_request):
            delay = rng.uniform(1.0, 15.0)
        if broker >= 0:
            world.after(delay, lambda: self._arrive(request, attempt, broker))
        self.life.after(options.socket_timeout, lambda: self._timed_out(request, attempt))

    def _arrive(self, request, attempt, broker):
        """The network delivers a copy. The client that sent it may be long gone."""
        world, options = self.world, self.world.options

        def answer(offset):
            self._respond(request, attempt, Refused("NOT_LEADER") if offset is None else Answered(offset))

        outcome = world.partitions[request.partition].produce(
            broker,
            request.payloads,
            acks_all=self.acks.value == "all",
            idempotent=options.idempotent,
            answer=answer,
        )
        if outcome not in (PENDING, NO_ANSWER):
            self._respond(request, attempt, outcome)

    def _respond(self, request, attempt, outcome):
        world, options = self.world, self.world.options
        if world.faulty(options.lost_response):
            return
        delay = world.rng.uniform(0.001, world.latency())
        self.life.after(delay, lambda: self._answered(request, attempt, outcome))

    def _answered(self, request, attempt, outcome):
        if request.settled or attempt != request.attempts:
            return  # the client has given up this copy
        if isinstance(outcome, Answered):
            self._settle(request)
            offset = None if self.world.faulty(self.world.options.no_offset) else outcome.offset
            self.reports.append(("acked", request, offset))
        else:
            self.world.forget_leader(self, request.partition)
            self.life.after(0.1, lambda: self._attempt(request))

    def _timed_out(self, request, attempt):
        if not request.settled and attempt == request.attempts:
            self.world.forget_leader(self, request.partition)
            self._attempt(request)

    def _give_up(self, request, code):
        if not request.settled:
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
        self._poll()

    # --- what became of it

    def _poll(self):
        reports, self.reports = self.reports, []
        acked, events, at = {}, [], self.life.instant()
        for kind, request, detail in reports:
            cards = [payload.truth for payload in request.payloads]
            if kind == "acked":
                span = Span(request.first, len(cards), detail)
                acked.setdefault(request.partition, []).append(span)
                self.streams[request.partition].claims.acked([span])
                for card in cards:
                    self.world.oracle.acknowledged(card)
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


def sightings_of(entries, first_offset):
    """Group what stands from `first_offset` on into sightings: one for each run of records that continue each other."""
    found = []
    for offset, entry in enumerate(entries, first_offset):
        payload = entry.payload
        if payload is None:
            continue
        kind = SightingKind(payload.kind)
        last = found[-1] if found else None
        if kind is not SightingKind.RECORD:
            if last and last.kind is kind and last.offset + last.count == offset and last.leader_epoch == entry.epoch:
                found[-1] = last._replace(count=last.count + 1)
            else:
                found.append(Sighting(kind, offset, 1, entry.epoch))
            continue
        new = Sighting(
            kind,
            offset,
            1,
            entry.epoch,
            payload.instance,
            payload.run,
            payload.sequence,
            payload.sent_wall,
            payload.claims,
        )
        if last and _continues(last, new):
            found[-1] = new._replace(offset=last.offset, first=last.first, count=last.count + 1)
        else:
            found.append(new)
    return tuple(found)


def _continues(last, new):
    return (
        last.kind is new.kind
        and (last.leader_epoch, last.instance, last.run) == (new.leader_epoch, new.instance, new.run)
        and last.offset + last.count == new.offset
        and last.first + last.count == new.first
    )


class Reader:
    """The verifier of one acknowledgement level."""

    def __init__(self, life, acks):
        self.life, self.world, self.acks = life, life.world, acks
        self.channel = f"verifier-{acks}"
        self.positions: dict[object, int] = {}
        self.last_entry: dict[object, object] = {}
        self.stalled_until = 0.0
        life.every(self.world.options.reader_interval, self._read_all)

    def assign(self, partition, offset):
        self.positions[partition] = offset
        self.last_entry.pop(partition, None)

    def renew(self):
        """Forget all positions: the topic is another one of the same name."""
        for partition in self.positions:
            self.world.forget_leader(self, partition)
        self.positions.clear()
        self.last_entry.clear()

    def probe(self, partitions):
        for partition in [one for one in self.positions if one not in partitions]:
            del self.positions[partition]

    def _read_all(self):
        if self.world.now >= self.stalled_until:
            for partition in list(self.positions):
                self._read(partition)

    def _read(self, partition):
        world, options, rng = self.world, self.world.options, self.world.rng
        broker = world.leader_for(self, partition)
        served = world.partitions[partition].readable(broker)
        if served is None:
            world.forget_leader(self, partition)
            return
        log, start, hw = served
        position = self.positions[partition]
        if position == BEGINNING:
            position = start
        elif position < start or position > len(log):
            self._lose(partition, position, served, "offset out of range")
            return
        elif options.detects_truncation and self._truncated(partition, position, log):
            self._lose(partition, position, served, "log truncated")
            return
        end = hw if world.healed else min(hw, position + rng.randint(1, options.reader_limit))
        if end <= position:
            return
        entries = log[position:end]
        stale = broker != world.partitions[partition].leader
        world.oracle.was_read(self.life, partition, position, entries, stale=stale)
        found = sightings_of(entries, position)
        begun = self.positions[partition] == BEGINNING
        event = RecordsRead(
            at=self.life.instant(),
            partition=partition,
            start=(found[0].offset if found else end) if begun else position,
            position=end,
            sightings=found,
            latencies=(0.05,) if found else (),
            log_start=start if rng.random() < 0.8 else None,
        )
        self.positions[partition] = end
        self.last_entry[partition] = log[end - 1]
        self.life.post(self.channel, [event])

    def _truncated(self, partition, position, log):
        last = self.last_entry.get(partition)
        return last is not None and position > 0 and log[position - 1] is not last

    def _lose(self, partition, position, served, reason):
        del self.positions[partition]
        world = self.world
        low, high = served[1], served[2]
        if world.faulty(world.options.reader_no_answer):
            low = high = None
        self.life.post(self.channel, [ReaderLost(self.life.instant(), partition, position, low, high, reason)])


@dataclass(slots=True)
class _Reading:
    """How far one recheck has come. `goal`: where this go ends; `tries`: how often it still looks for more."""

    command: object
    channel: str
    broker: int  # which it began to read from
    topic_id: str
    start: int
    log_start: int
    position: int
    goal: int
    tries: int = 20
    found: list = field(default_factory=list)


class Rechecker:
    """Answers every command with exactly one event."""

    def __init__(self, life):
        self.life, self.world = life, life.world
        self._number = 0

    def submit(self, command):
        world, options, rng = self.world, self.world.options, self.world.rng
        self._number += 1
        channel = f"recheck-{self._number % 2}"
        delay = rng.uniform(0.05, 0.5)
        if world.faulty(options.recheck_slow):
            delay = rng.uniform(1.0, 20.0)
        self.life.after(delay, lambda: self._begin(command, channel))

    def _begin(self, command, channel):
        world, options, rng = self.world, self.world.options, self.world.rng
        if world.faulty(options.recheck_fails):
            self._fail(command, channel, "a broker did not answer")
            return
        topic_id = world.topic_ids.get(command.partition.acks)
        broker = self._asked(command.partition)
        served = world.partitions[command.partition].readable(broker)
        if served is None or topic_id is None:
            self.life.after(rng.uniform(0.5, 5.0), lambda: self._fail(command, channel, "no leader"))
            return
        start = max(command.start, served[1])
        reading = _Reading(command, channel, broker, topic_id, start, served[1], position=start, goal=command.end)
        if start >= command.end:
            self._done(reading)
            return
        if world.faulty(options.recheck_split):
            reading.goal = rng.randint(start, command.end)
            reading.tries = rng.randint(0, 3)
        self._go_on(reading)

    def _asked(self, partition):
        world = self.world
        kafka = world.partitions[partition]
        if kafka.zombies and world.faulty(world.options.recheck_stale):
            return min(kafka.zombies)
        return kafka.leader

    def _go_on(self, reading):
        """Read up to the goal and then the rest; wait a little where the log ends before it."""
        world, command = self.world, reading.command
        broker = self._asked(command.partition)
        if broker != reading.broker:
            self._fail(command, reading.channel, "another leader")
            return
        served = world.partitions[command.partition].readable(broker)
        if served is None or served[1] > reading.position or reading.position > len(served[0]):
            self._fail(command, reading.channel, "lost the log")
            return
        log, _, hw = served
        end = min(reading.goal, hw)
        if end > reading.position:
            entries = log[reading.position : end]
            stale = log is not world.partitions[command.partition].authority
            world.oracle.was_read(self.life, command.partition, reading.position, entries, stale=stale)
            reading.found.extend(sightings_of(entries, reading.position))
            reading.position = end
        reading.tries -= 1
        if reading.position >= command.end or reading.tries < 0:
            self._done(reading)
            return
        reading.goal = command.end
        self.life.after(world.rng.uniform(0.1, 0.5), lambda: self._go_on(reading))

    def _done(self, reading):
        command = reading.command
        same = self.world.topic_ids.get(command.partition.acks) == reading.topic_id
        event = RecheckDone(
            at=self.life.instant(),
            recheck=command.recheck,
            partition=command.partition,
            start=reading.start,
            position=reading.position,
            log_start=reading.log_start,
            topic_id=reading.topic_id if same else None,
            sightings=tuple(reading.found),
        )
        self.life.post(reading.channel, [event])

    def _fail(self, command, channel, reason):
        event = RecheckFailed(self.life.instant(), command.recheck, command.partition, reason)
        self.life.post(channel, [event])
