"""One life of Sentinel in the simulated world: the production engine, its simulated adapters, its disk, its death."""

from __future__ import annotations

import json

from tests.sim.errors import CrashError
from tests.sim.producer import Producer
from tests.sim.readers import Reader, Rechecker

from kafka_sentinel.core.cluster import ClusterView, PartitionView, QuorumView, TopicView
from kafka_sentinel.core.commands import (
    AssignReader,
    Count,
    Diagnose,
    EnsureTopic,
    Heal,
    Inject,
    Log,
    Observe,
    Probe,
    Recheck,
    RenewClients,
    SaveState,
    SetLoad,
    StandDown,
    StartRun,
)
from kafka_sentinel.core.engine import Engine
from kafka_sentinel.core.events import (
    ClusterObserved,
    ClusterUnreachable,
    FaultFailed,
    FaultHealed,
    FaultInjected,
    GroupRead,
    QuorumObserved,
    QuorumUnreachable,
    RecheckDone,
    RecordsAcked,
    RecordsRead,
    RecordsRejected,
    RecordsSent,
    RecordsUncertain,
    StateSaved,
    StateSaveFailed,
    Tick,
)
from kafka_sentinel.core.types import Instant

TICK = 0.25
ENGINE_TICK = 0.2  # seconds from one tick of the engine within which it does not do it all again


class Life:
    """Everything of one process. When it has died, whatever it had scheduled does nothing."""

    def __init__(self, world, site, *, state, process=None):
        """`process`: which of those that a Lease decides between."""
        self.world, self.site, self.process = world, site, process
        self.oracle, self.instance = site.oracle, site.instance
        self.alive = True
        self.run = world.rng.getrandbits(64)
        self.mono_offset = world.rng.choice((0.0, 5_000.0, 1e6))
        self.channels: dict[str, float] = {}
        self.stalled_until = 0.0
        self.latched = False  # an acks=all loss was said in this life, and nobody resumes
        self.steps = 0
        self.started = world.now
        given = json.dumps(state)  # an older one says nothing of what an earlier life did since
        self.unaware_of = {run for run in world.broken_by if run not in given}
        self.newest = 0.0  # by its own clock; an event may be told after others that are younger
        self.load = None  # records per second asked of the producers, None: as usual
        self.engine = Engine(site.config, run=self.run, started=self.instant(), state=state)
        self.producers = [Producer(self, acks) for acks in site.config.acks]
        self.readers = [Reader(self, acks) for acks in site.config.acks]
        self.rechecker = Rechecker(self)
        self.group_positions = {}
        self.every(TICK, lambda: self.post("clock", [Tick(self.instant())]))
        self.every(1.0, self._watch_cluster)
        self.every(1.5, self._watch_quorum)
        self.every(0.7, self._group_reads)

    # --- time

    def instant(self):
        world = self.world
        if self.process is None:
            return Instant(world.now * world.options.pace + self.mono_offset, world.wall())
        return Instant(self.process.clock() + self.mono_offset, world.wall() - self.process.wall_lag())

    def at(self, when, action):
        def act():
            if not self.alive:
                return
            if self.process is not None and self.world.now < self.process.frozen_until:
                self.world.at(self.process.frozen_until, act)
            else:
                action()

        self.world.at(when, act)

    def after(self, delay, action):
        self.at(self.world.now + delay, action)

    def every(self, period, action):
        def again():
            action()
            self.after(period, again)

        self.after(self.world.rng.uniform(0.0, period), again)

    # --- the mailbox

    def post(self, channel, events):
        """Put events into the mailbox: each adapter in its own order, and a little late; then first come, first served.

        The producers are never late: they post what they send before they send it, so no reader can be first.
        """
        if not events:
            return
        world = self.world
        late = 0.0 if channel.startswith("producer") else world.rng.uniform(0.0, world.options.mailbox_delay)
        self._in_order(channel, late, lambda: self._enqueue(events))

    def _enqueue(self, events):
        world = self.world
        when = max(world.now, self.stalled_until) + world.rng.uniform(0.0, world.options.mailbox_delay / 4)
        for event in events:
            self._in_order("mailbox", max(when - world.now, 0.0), lambda event=event: self.step(event))

    def step(self, event):
        world = self.world
        self.steps += 1
        world.remember(event)
        if isinstance(event, RecordsSent | RecordsRejected | RecordsAcked | RecordsUncertain):
            self.oracle.told(event)
            if isinstance(event, RecordsSent):
                self.site.calendar.told(event.at.wall, event.partition.acks, event.count)
        elif isinstance(event, RecordsRead | RecheckDone):
            self.oracle.shown(self, event)
        try:
            commands = self.engine.step(event)
        except Exception as error:
            raise CrashError(f"engine.step raised {type(error).__name__}: {error}") from error
        world.judge_step(self, event, commands)
        if isinstance(event, Tick) and world.options.pace > 1.0 and event.at.mono - self.newest > ENGINE_TICK:
            self.site.calendar.look(self.engine)
        self.newest = max(self.newest, event.at.mono)
        done = len(commands)
        if self.site.dies_now():
            done = world.rng.randint(0, len(commands)) if world.faulty("death_mid_step") else done
            for command in commands[:done]:
                self.obey(command)
            if self.alive:
                self.site.kill(self)
            return
        for command in commands:
            self.obey(command)
        world.judge_load(self)

    def obey(self, command):
        world = self.world
        delay = world.rng.uniform(0.0, world.options.mailbox_delay)
        match command:
            case Probe(partitions=partitions):
                for part in (*self.producers, *self.readers):
                    part.probe(partitions)
            case AssignReader(partition=partition, offset=offset):
                reader = next(one for one in self.readers if one.acks is partition.acks)
                self._in_order("assign", delay, lambda: reader.assign(partition, offset))
            case Recheck():
                self.rechecker.submit(command)
            case RenewClients(acks=acks):
                self.oracle.told_of_new_topic(acks)
                producer = next(one for one in self.producers if one.acks is acks)
                reader = next(one for one in self.readers if one.acks is acks)
                self._in_order("assign", delay, reader.renew)
                self.after(delay, producer.renew)
            case SaveState(generation=generation, state=state):
                self._save(generation, json.dumps(state))
            case SetLoad(records_per_second=load):
                self.load = load
            case Inject():
                self._inject(command)
            case Heal():
                self._heal(command)
            case StartRun():
                self._start_run()
            case StandDown():
                self.site.stand_down(self, command)
            case _:
                assert isinstance(command, Count | Log | Observe | EnsureTopic | Diagnose), command

    def _in_order(self, channel, delay, action):
        when = self.channels[channel] = max(self.world.now + delay, self.channels.get(channel, 0.0))
        self.at(when, action)

    def _start_run(self):
        """Go on under a new run, as the runtime does it: the engine at once, the producers when they come to it."""
        self.oracle.dead_runs.add(self.run)
        self.run = self.world.rng.getrandbits(64)
        self.engine.start_run(self.run)
        for producer in self.producers:
            producer.begin_run(self.run)

    # --- the disk

    def _save(self, generation, text):
        world, made = self.world, self.world.now
        delay = world.rng.uniform(0.0, 0.05)
        if world.faulty("save_slow"):
            delay = world.rng.uniform(1.0, 10.0)

        def write():
            if world.faulty("save_fails"):
                self.post("state", [StateSaveFailed(self.instant(), generation, "disk full")])
                return
            problem, taken_over = self.site.keep(self, text, made)
            if problem:
                self.post("state", [StateSaveFailed(self.instant(), generation, problem, taken_over)])
                return
            times = 2 if world.faulty("save_repeats") else 1
            self.post("state", [StateSaved(self.instant(), generation)] * times)

        self._in_order("disk", delay, write)

    # --- cluster and quorum watchers

    def _watch_cluster(self):
        world = self.world
        asked, delay = self.instant(), world.rng.uniform(0.0, 0.3)
        if world.admin_silent():
            return

        def answer():
            view = world.cluster_view()
            if view is None:
                event = ClusterUnreachable(self.instant(), asked, "no broker answered")
            else:
                event = ClusterObserved(self.instant(), asked, view)
            self.post("admin", [event])

        self._in_order("admin-answer", delay if world.reachable() else 2.0, answer)

    def _watch_quorum(self):
        world = self.world
        if world.admin_silent():
            return
        if world.quorum is not None:
            self._ask_quorum()
            return
        view, at = world.quorum_view(), self.instant()
        self.post("quorum", [QuorumObserved(at, at, view) if view else QuorumUnreachable(at, at, "no quorum")])

    def _ask_quorum(self):
        """The answer tells how the quorum stood at some time since it was asked, and may be old when it comes."""
        world, asked = self.world, self.instant()
        late = not world.healed and world.later.random() < world.options.quorum_slow
        world.faults["quorum_slow"] += late
        delay = world.later.uniform(1.0, 3.0) if late else world.later.uniform(0.0, 0.3)

        def look():
            view = world.quorum_view()
            self.after(rest, lambda: answer(view))

        def answer(view):
            if view is None:
                event = QuorumUnreachable(self.instant(), asked, "no quorum")
            else:
                event = QuorumObserved(self.instant(), asked, view)
            self.post("quorum", [event])

        rest = delay * world.later.random()
        self.after(delay - rest, look)

    def _group_reads(self):
        """A group consumer that sometimes goes back a little."""
        world = self.world
        for partition, kafka in world.partitions.items():
            served = kafka.readable(kafka.leader)
            if served is None or partition.acks not in self.site.config.acks:
                continue
            position = min(max(self.group_positions.get(partition, 0), served[1]), served[2])
            if world.rng.random() < 0.05:
                position = max(position - 3, served[1])
            if served[2] > position:
                count = served[2] - position
                self.post("group", [GroupRead(self.instant(), partition, position, count)])
            self.group_positions[partition] = served[2]

    # --- the fleet

    def _inject(self, command):
        world = self.world
        world.judge_injection(self, command)
        delay = world.rng.uniform(0.0, 0.5)
        if world.options.fleet_slow and world.later.random() < world.options.fleet_slow:
            world.faults["fleet_slow"] += 1
            delay = world.later.uniform(1.0, 8.0)
            if world.options.suspend and world.later.random() < 0.5:  # the worst moment for it
                world.after(world.later.uniform(0.0, delay), lambda: world.suspend(self.process))
        if world.rng.random() < 0.1:
            self.after(delay, lambda: self._fault_failed(command.experiment_run))
            return

        def strike():
            if not self.site.may_break(self):
                self._fault_failed(command.experiment_run)
                return
            for target in command.targets:
                world.break_broker(target, command.fault)
            world.broken_by[command.experiment_run] = command.targets
            self.post("fleet", [FaultInjected(self.instant(), command.experiment_run, command.targets)])
            self.after(
                command.duration / world.options.pace, lambda: self._undo(command.experiment_run, command.targets)
            )

        self.after(delay, strike)

    def _fault_failed(self, run):
        self.post("fleet", [FaultFailed(self.instant(), run, "no such process")])

    def _heal(self, command):
        self.after(0.1, lambda: self._undo(command.experiment_run, command.targets))

    def _undo(self, run, targets):
        world = self.world
        if world.broken_by.pop(run, None) is not None:
            for target in targets:
                world.mend_broker(target)
            self.post("fleet", [FaultHealed(self.instant(), run)])


def cluster_view(world):
    """Return what a broker that is in the cluster would answer to a metadata request."""
    live = {one: f"host:{one}" for one, state in world.brokers.items() if not state.fenced}
    topics = {}
    for acks in world.all_acks:
        parts = [
            PartitionView(
                name.partition,
                kafka.leader if not _dead(world, kafka.leader) else -1,
                kafka.replica_ids,
                tuple(sorted(kafka.isr)),
            )
            for name, kafka in world.partitions.items()
            if name.acks is acks and kafka.exists
        ]
        if parts:
            topic_id = world.topic_ids[acks]
            topics[f"probe-{acks}"] = TopicView(f"probe-{acks}", topic_id, world.options.min_isr, tuple(parts))
    return ClusterView("sim", live, topics, {acks: f"probe-{acks}" for acks in world.all_acks})


def _dead(world, leader):
    return leader >= 0 and world.brokers[leader].fenced


def quorum_view(world):
    live = tuple(one for one, state in world.brokers.items() if state.in_cluster)
    if len(live) <= len(world.brokers) // 2:
        return None
    return QuorumView(live[0], 1, tuple(world.brokers), live)
