"""The simulated world: one virtual clock, one seeded source of chance, a naive Kafka, its mishaps, and Sentinel in it.

First the safety phase: faults happen, and only what must never happen is judged. Then `heal`: everything is repaired,
no fault happens any more, and now progress is demanded as well.
"""

from __future__ import annotations

import random
from collections import Counter, deque

from tests.sim import life as lives
from tests.sim.errors import CrashError, InjectionError
from tests.sim.kafka_model import Broker, Partition
from tests.sim.lease_model import LeasedSite
from tests.sim.mishaps import Mishaps
from tests.sim.options import Options
from tests.sim.quorum_model import Quorum
from tests.sim.site import GRACE, WARM_UP, Site
from tests.sim.truth import Watch

from kafka_sentinel.core.commands import Log
from kafka_sentinel.core.types import Acks, ProbePartition

WALL = 1_700_000_000.0
INSTANCE, NEIGHBOUR = 7, 9
FIRST_CONTROLLER = 101
KEPT_EVENTS = 50
LEADER_AGE = 5.0  # seconds after which a client looks for the leader even if nothing went wrong


class World(Mishaps):
    def __init__(self, seed, options=None, *, later=True):
        """`options`: None, where the seed draws them, with what came `later` or without."""
        super().__init__()
        self.seed = seed
        self.rng = random.Random(seed)
        self.later = random.Random(f"later chance of {seed}")  # for what came later: it moves nothing else
        self.options = options or Options.draw(self.rng)
        if options is None and later:
            self.options = self.options.with_later_ones(seed)
        self.wall_shift = 0.0
        self.healed = False
        self.events = deque(maxlen=KEPT_EVENTS)
        self.all_acks = tuple(Acks(name) for name in self.options.acks)
        self.brokers = {number: Broker() for number in range(1, self.options.brokers + 1)}
        self.broker_shift = dict.fromkeys(self.brokers, 0.0)  # how far each one's clock is wrong
        self.controllers = self._make_controllers()
        self.nodes = {**self.brokers, **self.controllers}
        self.faults = Counter()  # by what it was
        self.quorum = self._make_quorum()
        self.topic_ids = {acks: f"topic-{acks}-0" for acks in self.all_acks}
        self.sites = self._make_sites()
        self.partitions = self._make_partitions()
        self._leaders = {}  # (client, partition) → (broker it takes for the leader, since when)
        self._silent_until = 0.0
        self.broken_by = {}
        # Since when Kafka is not whole, as its controller says, or has no controller.
        self.troubled_since = {"broker": None, "isr": None, "quorum": None}
        self.injections = 0
        self._start_faults()
        self.every(0.1, self._kafka_step)
        if self.options.retention_age:
            self.every(self.options.retention_check, self.expire)
        for site in self.sites:
            site.begin()

    @property
    def deaths(self):
        return sum(site.deaths for site in self.sites)

    # --- the set-up

    def _make_sites(self):
        make = LeasedSite if self.options.second == "standby" else Site
        sites = [make(self, "sim", INSTANCE, experiments=True)]
        if self.options.second == "neighbour":
            sites.append(Site(self, "neighbour", NEIGHBOUR, experiments=False))
        if self.options.second == "namesake":
            sites.append(Site(self, "sim", INSTANCE, experiments=False, begins=self.later.uniform(2.0, 15.0)))
            sites[0].oracle.namesakes, sites[1].oracle.namesakes = (sites[1].oracle,), (sites[0].oracle,)
        return sites

    def _make_controllers(self):
        if self.options.quorum != "separate":
            return {}
        return {FIRST_CONTROLLER + number: Broker() for number in range(self.options.controllers)}

    def _make_quorum(self):
        def note(what):
            self.faults[what] += 1

        return Quorum(self.controllers or self.brokers, self.later, note) if self.options.quorum else None

    def _make_partitions(self):
        count, found = min(3, self.options.brokers), {}
        watch = self.sites[0].oracle if len(self.sites) == 1 else Watch([site.oracle for site in self.sites])
        for acks in self.all_acks:
            for number in range(self.options.partitions):
                ids = sorted(self.brokers)
                turned = ids[number % len(ids) :] + ids[: number % len(ids)]
                name = ProbePartition(acks, number)
                kafka = Partition(name, self.brokers, tuple(turned[:count]), self.options.min_isr, watch)
                found[name] = kafka
        return found

    # --- time

    def true_wall(self):
        return WALL + self.now * self.options.pace

    def wall(self):
        """Return what the clock of Sentinel's machine shows."""
        return self.true_wall() + self.wall_shift

    def broker_wall(self, number):
        return self.true_wall() + self.broker_shift[number]

    def faulty(self, what):
        """Whether this goes wrong this time, of what options give a probability. Never, once everything is healed."""
        probability = getattr(self.options, what)
        happens = not self.healed and probability > 0 and self.rng.random() < probability
        self.faults[what] += happens
        return happens

    def latency(self):
        """Return the longest network delay of a healthy request, in seconds."""
        return min(self.options.latency, 0.05) if self.healed else self.options.latency

    # --- Kafka

    def has_controller(self):
        """Whether anything can be changed: brokers fenced and let in, leaders elected, in-sync replicas counted."""
        return self.quorum is None or self.quorum.active()

    def _kafka_step(self):
        if self.quorum is not None:
            self.quorum.step(self.now)
        led = self.has_controller()
        for number in self.brokers if led else ():
            self._controller_looks(number)
        fetch_limit = 1_000_000 if self.healed else self.options.fetch_limit
        for kafka in self.partitions.values():
            if led:
                kafka.elect(self.rng, unclean=self.options.unclean)
            kafka.step(self.now, self.options.replica_lag, fetch_limit, changes=led)
        self._note_trouble()

    def _controller_looks(self, number):
        broker = self.brokers[number]
        if broker.starting and broker.up and not broker.isolated:
            self.let_in(number)
        led_since = self.quorum.led_since if self.quorum is not None else 0.0  # a new leader waits as long again
        if broker.in_cluster:
            broker.silent_since = None
            broker.fenced = False
        elif broker.silent_since is None:
            broker.silent_since = self.now
        elif self.now - max(broker.silent_since, led_since) >= self.options.session:
            broker.fenced = True

    def _note_trouble(self):
        lacking = any(kafka.leader < 0 or len(kafka.isr) < len(kafka.replica_ids) for kafka in self.partitions.values())
        down = any(broker.fenced for broker in self.brokers.values())
        for name, present in (("isr", lacking), ("broker", down), ("quorum", not self.has_controller())):
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
        """Return what is said of the quorum: by its leader, or where there is none to be asked, by who is alive."""
        if self.quorum is None:
            return lives.quorum_view(self)
        return self.quorum.view(self.now) if self.reachable() else None

    def admin_silent(self):
        return self.now < self._silent_until

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
                life.oracle.losses_claimed(command.fields)
                life.latched |= command.fields["acks"] == "all"

    def judge_load(self, life):
        """The load of an experiment lasts as long as its run, and no other run has any."""
        run = life.engine.experiments.under_way
        if life.load is not None and run is None:
            raise CrashError("the load of an experiment outlived its run")

    def judge_injection(self, life, command):
        self.injections += 1
        wrong = {
            "twice": command.experiment_run in life.oracle.injected,
            "in a dry run": self.options.experiments != "armed",
            "while another fault is in effect": any(
                not self.nodes[target].alive
                for run, targets in self.broken_by.items()
                if run not in life.unaware_of
                for target in targets
            ),
            "during the warm-up": self.now - life.started < WARM_UP,
            "although a loss has latched the experiments": life.latched,
        }
        for what, since in self.troubled_since.items():
            wrong[f"although {what} was in trouble"] = since is not None and self.now - since > GRACE
        if self.quorum is not None:
            spared = self.quorum.spares(command.targets, self.now, GRACE)
            wrong["at the cost of the quorum's majority"] = not spared
        life.oracle.injected.add(command.experiment_run)
        if self.options.pace > 1.0:
            wrong.update(life.site.calendar.injected(self.wall()))
        found = [words for words, true in wrong.items() if true]
        if found:
            raise InjectionError(f"injected {' and '.join(found)}: {command}")

    # --- from safety to liveness

    def heal(self):
        """Repair everything. From now on nothing goes wrong, and everything must settle."""
        self.healed = True
        for number, node in self.nodes.items():
            node.paused = node.isolated = False
            self.mend_broker(number)
        self.broker_shift = dict.fromkeys(self.brokers, 0.0)
        if self.options.retention_age:  # what bears a wrong time would go at once, for ever
            self.wall_shift = 0.0
        self._silent_until = 0.0
        for site in self.sites:
            site.heal()
