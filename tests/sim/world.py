"""The simulated world: one virtual clock, one seeded source of chance, a naive Kafka, its mishaps, and Sentinel in it.

First the safety phase: faults happen, and only what must never happen is judged. Then `heal`: everything is repaired,
no fault happens any more, and now progress is demanded as well.
"""

from __future__ import annotations

import heapq
import itertools
import json
import random
from collections import deque

from tests.sim import life as lives
from tests.sim.kafka_model import Broker, Partition, Payload
from tests.sim.options import Options
from tests.sim.oracle import CrashError, InjectionError, Oracle

from kafka_sentinel.core.commands import Log
from kafka_sentinel.core.engine import EngineConfig
from kafka_sentinel.core.events import BrokerExited
from kafka_sentinel.core.guard_input import ExperimentSpec, GuardSettings
from kafka_sentinel.core.schedule import parse_schedule
from kafka_sentinel.core.targets import parse_target
from kafka_sentinel.core.types import Acks, ProbePartition

WALL = 1_700_000_000.0
INSTANCE, OTHER_INSTANCE = 7, 8
KEPT_EVENTS = 50
LEADER_AGE = 5.0  # seconds after which a client looks for the leader even if nothing went wrong
WARM_UP = 5.0  # seconds of a life before it may break anything
GUARD_AGE = 4.0  # max_view_age and max_state_age of the guards, in seconds
GRACE = GUARD_AGE + 4.0  # how long the engine may rightly not know what is so in truth


class World:
    def __init__(self, seed, options=None):
        self.seed = seed
        self.rng = random.Random(seed)
        self.options = options or Options.draw(self.rng)
        self.now = 0.0
        self.wall_shift = 0.0
        self.healed = False
        self.instance = INSTANCE
        self.events = deque(maxlen=KEPT_EVENTS)
        self._queue = []
        self._order = itertools.count()
        self.oracle = Oracle(lambda: self.now)
        self.all_acks = tuple(Acks(name) for name in self.options.acks)
        self.brokers = {number: Broker() for number in range(1, self.options.brokers + 1)}
        self.topic_ids = {acks: f"topic-{acks}-0" for acks in self.all_acks}
        self.partitions = self._make_partitions()
        self._leaders = {}  # (client, partition) → (broker it takes for the leader, since when)
        self._silent_until = 0.0
        self._doomed = False
        self.broken_by = {}
        self.troubled_since = {"broker": None, "isr": None}  # since when Kafka is not whole, as its controller says
        self.disk = deque(maxlen=20)  # (when, state as JSON), newest last
        self.config = self._config()
        self.life = None
        self.deaths = 0
        self.stateless_starts = 0
        self.older_starts = 0
        self.injections = 0
        self._start_faults()
        self.every(0.1, self._kafka_step)
        self.start_sentinel(None)

    # --- the set-up

    def _make_partitions(self):
        count, found = min(3, self.options.brokers), {}
        for acks in self.all_acks:
            for number in range(self.options.partitions):
                ids = sorted(self.brokers)
                turned = ids[number % len(ids) :] + ids[: number % len(ids)]
                name = ProbePartition(acks, number)
                kafka = Partition(name, self.brokers, tuple(turned[:count]), self.options.min_isr, self.oracle)
                found[name] = kafka
        return found

    def _config(self):
        options = self.options
        specs = ()
        if options.experiments != "off":
            spec = ExperimentSpec(
                name="kill",
                fault="process-kill",
                target=parse_target("leader"),
                schedule=parse_schedule(every="10s"),
                duration=3.0,
                grace=8.0,
                allow_unavailability=self.rng.random() < 0.3,
                load=1_000.0 if self.rng.random() < 0.5 else None,
            )
            specs = (spec,)
        return EngineConfig(
            name="sim",
            version="0",
            instance=INSTANCE,
            acks=self.all_acks,
            probe_interval=options.interval,
            slo_produce=1.5,
            slo_consume=3.0,
            slo_overdue=5.0,
            slo_recovery={"produce": 10.0, "full": 60.0},
            slo_availability=99.9,
            settle=2.0,
            session_timeout=options.session,
            recheck_margin=options.margin,
            recheck_interval=options.recheck_interval,
            recheck_chunk=options.recheck_chunk,
            give_up_margin=options.give_up_margin,
            checkpoint_interval=options.checkpoint,
            manage_topic=False,
            experiments=specs,
            group_id="sim",
            guards=GuardSettings(
                armed_for="sim",
                dry_run=options.experiments != "armed",
                min_gap=5.0,
                daily_budget=4,
                warm_up=WARM_UP,
                steady=3.0,
                max_view_age=GUARD_AGE,
                max_state_age=15.0,
            ),
        )

    # --- time

    def wall(self):
        return WALL + self.now + self.wall_shift

    def at(self, when, action):
        heapq.heappush(self._queue, (when, next(self._order), action))

    def after(self, delay, action):
        self.at(self.now + delay, action)

    def every(self, period, action):
        def again():
            action()
            self.after(period, again)

        self.after(period, again)

    def run_until(self, end):
        while self._queue and self._queue[0][0] <= end:
            self.now, _, action = heapq.heappop(self._queue)
            action()
        self.now = end

    def faulty(self, probability):
        """Whether something goes wrong this time. Never, once everything is healed."""
        return not self.healed and probability > 0 and self.rng.random() < probability

    def latency(self):
        """Return the longest network delay of a healthy request, in seconds."""
        return min(self.options.latency, 0.05) if self.healed else self.options.latency

    # --- Kafka

    def _kafka_step(self):
        for broker in self.brokers.values():
            self._controller_looks(broker)
        for kafka in self.partitions.values():
            kafka.elect(self.rng, unclean=self.options.unclean)
            kafka.step(self.now, self.options.replica_lag, 1_000_000 if self.healed else self.options.fetch_limit)
        self._note_trouble()

    def _controller_looks(self, broker):
        if broker.in_cluster:
            broker.silent_since = None
            broker.fenced = False
        elif broker.silent_since is None:
            broker.silent_since = self.now
        elif self.now - broker.silent_since >= self.options.session:
            broker.fenced = True

    def _note_trouble(self):
        lacking = any(kafka.leader < 0 or len(kafka.isr) < len(kafka.replica_ids) for kafka in self.partitions.values())
        down = any(broker.fenced for broker in self.brokers.values())
        for name, present in (("isr", lacking), ("broker", down)):
            if not present:
                self.troubled_since[name] = None
            elif self.troubled_since[name] is None:
                self.troubled_since[name] = self.now

    def leader_for(self, client, partition):
        """Return whom a client takes for the leader: it looks again only when something went wrong, or late."""
        broker, since = self._leaders.get((client, partition), (-1, 0.0))
        if broker < 0 or self.now - since > LEADER_AGE:
            broker = self.partitions[partition].leader
            self._leaders[client, partition] = (broker, self.now)
        return broker

    def forget_leader(self, client, partition):
        self._leaders.pop((client, partition), None)

    def reachable(self):
        return any(broker.in_cluster for broker in self.brokers.values())

    def cluster_view(self):
        return lives.cluster_view(self) if self.reachable() else None

    def quorum_view(self):
        return lives.quorum_view(self)

    def admin_silent(self):
        return self.now < self._silent_until

    # --- mishaps

    def _start_faults(self):
        options = self.options
        for rate, action in (
            (options.kill, self._kill),
            (options.pause, self._pause),
            (options.isolate, self._isolate),
            (options.blackout, self._black_out),
            (options.retention, self._retain),
            (options.recreate, self._recreate),
            (options.foreign, lambda: self._append(Payload("foreign"))),
            (options.other_sentinel, self._append_other_sentinel),
            (options.marker, lambda: self._append(None)),
            (options.reader_stall, self._stall_reader),
            (options.admin_silence, self._silence_admin),
            (options.clock_step, self._step_clock),
            (options.engine_stall, self._stall_engine),
            (options.death, self._doom),
        ):
            if rate:
                self._now_and_then(rate, action)

    def _now_and_then(self, rate, action):
        def again():
            if not self.healed:
                action()
                self.after(self.rng.expovariate(rate), again)

        self.after(3.0 + self.rng.expovariate(rate), again)

    def _any_broker(self, *, leading=0.5):
        leaders = sorted({kafka.leader for kafka in self.partitions.values() if kafka.leader >= 0})
        if leaders and self.rng.random() < leading:
            return self.rng.choice(leaders)
        return self.rng.choice(sorted(self.brokers))

    def _kill(self, number=None):
        number = self._any_broker() if number is None else number
        if self.brokers[number].alive:
            self.break_broker(number, "process-kill")
            self.after(self.rng.uniform(0.2, 10.0), lambda: self.mend_broker(number))
            if self.life is not None and self.rng.random() < 0.5:
                self.life.post("fleet", [BrokerExited(self.life.instant(), number, -9)])

    def _pause(self):
        number = self._any_broker()
        self.brokers[number].paused = True
        self.after(self.rng.uniform(0.5, 8.0), lambda: self._resume(number))

    def _resume(self, number):
        self.brokers[number].paused = False

    def _isolate(self):
        number = self._any_broker(leading=0.9)
        self.brokers[number].isolated = True
        self.after(self.rng.uniform(0.5, 10.0), lambda: self._reconnect(number))

    def _reconnect(self, number):
        self.brokers[number].isolated = False

    def _black_out(self):
        for number in self.brokers:
            self._kill(number)

    def break_broker(self, number, fault):
        del fault
        self.brokers[number].alive = False
        for kafka in self.partitions.values():
            kafka.zombies.pop(number, None)

    def mend_broker(self, number):
        """Start the broker again: with its log, without the newest part of it, or with an empty disk."""
        broker = self.brokers[number]
        if broker.alive:
            return
        # A broker that registers anew was gone, however short that was: the controller elects in its place first.
        broker.fenced, broker.silent_since = True, self.now
        wiped, torn = self.faulty(self.options.wipe), self.faulty(self.options.lose_tail)
        for kafka in self.partitions.values():
            if number in kafka.replica_ids:
                kafka.elect(self.rng, unclean=self.options.unclean)
                if wiped:
                    kafka.lose_tail(number, None)
                elif torn:
                    kafka.lose_tail(number, self.rng.randint(1, 20))
        broker.alive = True

    def _retain(self):
        kafka = self.rng.choice(list(self.partitions.values()))
        kafka.delete_below(self.rng.randint(kafka.authority_start, max(kafka.hw, kafka.authority_start)))

    def _recreate(self):
        acks = self.rng.choice(self.all_acks)
        mine = [kafka for name, kafka in self.partitions.items() if name.acks is acks]
        if not all(kafka.exists for kafka in mine):
            return
        for kafka in mine:
            kafka.delete_topic()
            self.oracle.topic_deleted(kafka.name)
        self.topic_ids.pop(acks)
        self.after(self.rng.uniform(3.0, 6.0), lambda: self._create(acks))

    def _create(self, acks):
        if not self.reachable():
            self.after(1.0, lambda: self._create(acks))
            return
        self.topic_ids[acks] = f"topic-{acks}-{self.now:.2f}"
        for name, kafka in self.partitions.items():
            if name.acks is acks:
                kafka.create_topic()

    def _append(self, payload):
        self.rng.choice(list(self.partitions.values())).append_other(payload)

    def _append_other_sentinel(self):
        self._append(Payload("record", OTHER_INSTANCE, 99, self.rng.randint(0, 1000), self.wall()))

    def _stall_reader(self):
        if self.life is not None:
            self.rng.choice(self.life.readers).stalled_until = self.now + self.rng.uniform(1.0, 15.0)

    def _silence_admin(self):
        self._silent_until = self.now + self.rng.uniform(2.0, 15.0)

    def _step_clock(self):
        self.wall_shift += self.rng.choice((-3_600.0, -30.0, -1.0, 1.0, 30.0, 3_600.0))

    def _stall_engine(self):
        if self.life is not None:
            self.life.stalled_until = self.now + self.rng.uniform(0.5, 6.0)

    # --- Sentinel's own life

    def _doom(self):
        self._doomed = True

    def dies_now(self):
        doomed, self._doomed = self._doomed and not self.healed, False
        return doomed

    def kill_sentinel(self):
        self.life.alive = False
        self.oracle.dead_runs.add(self.life.run)
        self.life = None
        self.deaths += 1
        self.after(self.rng.uniform(0.1, 8.0), self.restart_sentinel)

    def restart_sentinel(self):
        choice = self.options.state_after_death
        if choice == "mixed":
            choice = self.rng.choice(("last", "older", "none"))
        if not self.disk or choice == "none":
            state = None
            self.disk.clear()
        elif choice == "older":
            state = self.rng.choice(list(self.disk))[1]
            self.older_starts += 1
        else:
            state = self.disk[-1][1]
        self.stateless_starts += state is None
        self.start_sentinel(None if state is None else json.loads(state))

    def start_sentinel(self, state):
        try:
            self.life = lives.Life(self, state=state)
        except Exception as error:
            raise CrashError(f"the engine did not start: {type(error).__name__}: {error}") from error

    # --- judging

    def remember(self, event):
        self.events.append((self.now, event))

    def judge_step(self, life, event, commands):
        del event
        if life.engine.truth.violations:
            wrong = [command.fields for command in commands if isinstance(command, Log) and command.level == "error"]
            raise CrashError(f"an invariant was violated: {wrong}")
        for command in commands:
            if isinstance(command, Log) and command.event == "acknowledged records lost":
                self.oracle.losses_claimed(command.fields)
                life.latched |= command.fields["acks"] == "all"

    def judge_load(self, life):
        """The load of an experiment lasts as long as its run, and no other run has any."""
        run = life.engine.experiments.under_way
        if life.load is not None and run is None:
            raise CrashError("the load of an experiment outlived its run")

    def judge_injection(self, life, command):
        self.injections += 1
        wrong = {
            "twice": command.experiment_run in self.oracle.injected,
            "in a dry run": self.options.experiments != "armed",
            "while another fault is in effect": any(
                not self.brokers[target].alive for targets in self.broken_by.values() for target in targets
            ),
            "during the warm-up": self.now - life.started < WARM_UP,
            "although a loss has latched the experiments": life.latched,
        }
        for what, since in self.troubled_since.items():
            wrong[f"although {what} was in trouble"] = since is not None and self.now - since > GRACE
        self.oracle.injected.add(command.experiment_run)
        found = [words for words, true in wrong.items() if true]
        if found:
            raise InjectionError(f"injected {' and '.join(found)}: {command}")

    # --- from safety to liveness

    def heal(self):
        """Repair everything. From now on nothing goes wrong, and everything must settle."""
        self.healed = True
        for number, broker in self.brokers.items():
            broker.paused = broker.isolated = False
            self.mend_broker(number)
        self._silent_until = 0.0
        if self.life is not None:
            self.life.stalled_until = 0.0
            for reader in self.life.readers:
                reader.stalled_until = 0.0
