"""The simulated verifier and rechecks. They obey the contracts of core/events.py, with the worst timing these allow."""

from __future__ import annotations

from dataclasses import dataclass, field

from kafka_sentinel.core.events import ReaderLost, RecheckDone, RecheckFailed, RecordsRead
from kafka_sentinel.core.types import Sighting, SightingKind

BEGINNING = -2


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


AT_ONCE = 0.02  # seconds within which a reader begins where it was assigned, if nothing keeps it


class Reader:
    """The verifier of one acknowledgement level."""

    def __init__(self, life, acks):
        self.life, self.world, self.acks = life, life.world, acks
        self.channel = f"verifier-{acks}"
        self.positions: dict[object, int] = {}
        self.last_entry: dict[object, object] = {}
        self.heard_start: dict[object, int] = {}  # of each log, as the client reports it
        self.stalled_until = 0.0
        life.every(self.world.options.reader_interval, self._read_all)

    def assign(self, partition, offset):
        self.positions[partition] = offset
        self.last_entry.pop(partition, None)
        if self.world.healed:  # else retention that never rests could be ahead of it for ever
            self.life.after(AT_ONCE, self._read_all)

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
        if position == BEGINNING and world.faulty("reader_unplaced"):
            self._lose(partition, position, served, "not the leader")
            return
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
        self.life.oracle.was_read(self.life, partition, position, entries, stale=stale)
        found = sightings_of(entries, position)
        begun = self.positions[partition] == BEGINNING
        event = RecordsRead(
            at=self.life.instant(),
            partition=partition,
            start=(found[0].offset if found else end) if begun else position,
            position=end,
            sightings=found,
            latencies=(0.05,) if found else (),
            log_start=self._reported_start(partition, start if rng.random() < 0.8 else None, end),
        )
        self.positions[partition] = end
        self.last_entry[partition] = log[end - 1]
        self.life.post(self.channel, [event])

    def _reported_start(self, partition, start, end):
        """A client reports what it heard last, for a while also of a log that has gone back to below that since."""
        world, heard = self.world, self.heard_start.get(partition, 0)
        if heard > end and not world.healed and world.later.random() < world.options.former_start:
            world.faults["former_start"] += 1
            return heard
        if start is not None:
            self.heard_start[partition] = start
        return start

    def _truncated(self, partition, position, log):
        last = self.last_entry.get(partition)
        return last is not None and position > 0 and log[position - 1] is not last

    def _lose(self, partition, position, served, reason):
        del self.positions[partition]
        world = self.world
        low, high = served[1], served[2]
        if world.faulty("reader_no_answer"):
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
        world, rng = self.world, self.world.rng
        self._number += 1
        channel = f"recheck-{self._number % 2}"
        delay = rng.uniform(0.05, 0.5)
        if world.faulty("recheck_slow"):
            delay = rng.uniform(1.0, 20.0)
        self.life.after(delay, lambda: self._begin(command, channel))

    def _begin(self, command, channel):
        world, rng = self.world, self.world.rng
        if world.faulty("recheck_fails"):
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
        if world.faulty("recheck_split"):
            reading.goal = rng.randint(start, command.end)
            reading.tries = rng.randint(0, 3)
        self._go_on(reading)

    def _asked(self, partition):
        world = self.world
        kafka = world.partitions[partition]
        if kafka.zombies and world.faulty("recheck_stale"):
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
            self.life.oracle.was_read(self.life, command.partition, reading.position, entries, stale=stale)
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
