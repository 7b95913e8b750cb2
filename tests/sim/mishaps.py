"""What goes wrong in the simulated world: with brokers, logs, topics, readers, clocks and processes."""

from __future__ import annotations

from tests.sim.kafka_model import Payload
from tests.sim.timeline import Timeline

from kafka_sentinel.core.events import BrokerExited

OTHER_INSTANCE = 8
# These have a chance of their own, so that worlds without them stay as they were.
LATER = ("suspend", "controller_kill", "controller_pause", "controller_isolate", "broker_clock", "quorum_voters")


class Mishaps(Timeline):
    def _start_faults(self):
        options = self.options
        for what, action in (
            ("kill", self._kill),
            ("pause", self._pause),
            ("isolate", self._isolate),
            ("blackout", self._black_out),
            ("retention", self._retain),
            ("recreate", self._recreate),
            ("foreign", lambda: self._append(Payload("foreign", sent_wall=self.true_wall()))),
            ("other_sentinel", self._append_other_sentinel),
            ("marker", lambda: self._append(None)),
            ("reader_stall", self._stall_reader),
            ("admin_silence", self._silence_admin),
            ("clock_step", self._step_clock),
            ("engine_stall", self._stall_engine),
            ("death", lambda: self._some_site().doom()),
            ("api_silence", self._silence_api),
            ("freeze", self._freeze),
            ("suspend", lambda: self.suspend(self.later.choice(self.sites[0].processes))),
            ("controller_kill", self._kill_controller),
            ("controller_pause", self._pause_controller),
            ("controller_isolate", self._isolate_controller),
            ("broker_clock", self._shift_broker_clock),
            ("quorum_voters", lambda: self.quorum.change_voters(self.now)),
        ):
            if rate := getattr(options, what):
                self._now_and_then(what, rate, action, self.later if what in LATER else self.rng)

    def _now_and_then(self, what, rate, action, rng):
        def again():
            if not self.healed:
                self.faults[what] += 1
                action()
                self.after(rng.expovariate(rate), again)

        self.after(3.0 + rng.expovariate(rate), again)

    def _some_site(self):
        return self.sites[0] if len(self.sites) == 1 else self.rng.choice(self.sites)

    def _some_life(self):
        """A life that is under way in some site, None if there is none."""
        lives = [life for site in self.sites for life in site.lives]
        return self.rng.choice(lives) if len(lives) > 1 else (lives or [None])[0]

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
            life = self.sites[0].life
            if life is not None and self.rng.random() < 0.5:
                life.post("fleet", [BrokerExited(life.instant(), number, -9)])

    def _pause(self):
        number = self._any_broker()
        self.brokers[number].paused = True
        self.after(self.rng.uniform(0.5, 8.0), lambda: self._resume(number))

    def _resume(self, number):
        self.nodes[number].paused = False

    def _isolate(self):
        number = self._any_broker(leading=0.9)
        self.brokers[number].isolated = True
        self.after(self.rng.uniform(0.5, 10.0), lambda: self._reconnect(number))

    def _reconnect(self, number):
        self.nodes[number].isolated = False

    # --- controllers of their own, by a chance of their own

    def _kill_controller(self):
        number = self.later.choice(sorted(self.controllers))
        if self.controllers[number].alive:
            self.break_broker(number, "process-kill")
            self.after(self.later.uniform(0.5, 30.0), lambda: self.mend_broker(number))

    def _pause_controller(self):
        number = self.later.choice(sorted(self.controllers))
        self.nodes[number].paused = True
        self.after(self.later.uniform(0.5, 15.0), lambda: self._resume(number))

    def _isolate_controller(self):
        number = self.later.choice(sorted(self.controllers))
        self.nodes[number].isolated = True
        self.after(self.later.uniform(0.5, 15.0), lambda: self._reconnect(number))

    # --- brokers

    def _black_out(self):
        for number in self.brokers:
            self._kill(number)

    def break_broker(self, number, fault):
        """End the process of a broker, or of a controller."""
        del fault
        self.nodes[number].alive = self.nodes[number].starting = False
        for kafka in self.partitions.values():
            kafka.zombies.pop(number, None)

    def mend_broker(self, number):
        """Start the broker again: with its log, without the newest part of it, or with an empty disk."""
        node = self.nodes[number]
        if node.alive:
            return
        if number in self.controllers:
            node.alive = True
            return
        wiped, torn = self.faulty("wipe"), self.faulty("lose_tail")
        led = self.has_controller()
        if led:
            node.fenced, node.silent_since = True, self.now
        for kafka in self.partitions.values():
            if number in kafka.replica_ids:
                if led:  # one that registers anew was gone, however short that was: another is elected first
                    kafka.elect(self.rng, unclean=self.options.unclean)
                if wiped:
                    kafka.lose_tail(number, None)
                elif torn:
                    kafka.lose_tail(number, self.rng.randint(1, 20))
        node.alive, node.starting = True, not led

    def let_in(self, number):
        """A controller is there that takes in a broker which was started while there was none."""
        node = self.brokers[number]
        node.fenced, node.silent_since, node.starting = True, self.now, False
        node.alive = False  # until others were elected in its place
        for kafka in self.partitions.values():
            if number in kafka.replica_ids:
                kafka.elect(self.rng, unclean=self.options.unclean)
        node.alive = True

    def _retain(self):
        kafka = self.rng.choice(list(self.partitions.values()))
        kafka.delete_below(self.rng.randint(kafka.authority_start, max(kafka.hw, kafka.authority_start)))

    def _recreate(self):
        acks = self.rng.choice(self.all_acks)
        mine = [kafka for name, kafka in self.partitions.items() if name.acks is acks]
        if not all(kafka.exists for kafka in mine) or not self.has_controller():
            return
        for kafka in mine:
            kafka.delete_topic()
            for site in self.sites:
                site.oracle.topic_deleted(kafka.name)
        self.topic_ids.pop(acks)
        self.after(self.rng.uniform(3.0, 6.0), lambda: self._create(acks))

    def _create(self, acks):
        if not self.reachable() or not self.has_controller():
            self.after(1.0, lambda: self._create(acks))
            return
        self.topic_ids[acks] = f"topic-{acks}-{self.now:.2f}"
        for name, kafka in self.partitions.items():
            if name.acks is acks:
                kafka.create_topic()

    def expire(self):
        """Retention by time, as each broker sees it. It is no mishap, and goes on when everything is healed."""
        oldest = {number: self.broker_wall(number) - self.options.retention_age for number in self.brokers}
        for kafka in self.partitions.values():
            before = kafka.authority_start
            kafka.expire(self.options.segment, oldest)
            self.faults["expired"] += kafka.authority_start - before
            self.faults["emptied"] += before < kafka.authority_start == len(kafka.authority)

    def _append(self, payload):
        self.rng.choice(list(self.partitions.values())).append_other(payload)

    def _append_other_sentinel(self):
        self._append(Payload("record", OTHER_INSTANCE, 99, self.rng.randint(0, 1000), self.wall()))

    def _stall_reader(self):
        if (life := self._some_life()) is not None:
            self.rng.choice(life.readers).stalled_until = self.now + self.rng.uniform(1.0, 15.0)

    def _silence_api(self):
        self.sites[0].cut_off()

    def _freeze(self):
        self.sites[0].freeze()

    def suspend(self, process):
        """Suspend the machine of a process, whose clocks stand still meanwhile."""
        if self.healed:
            return
        seconds = self.later.uniform(*self.later.choice(((1.0, 10.0), (16.0, 40.0))))  # another gets the Lease, or not
        process.suspend(seconds, self.later.uniform(0.0, 20.0))

    def _silence_admin(self):
        self._silent_until = self.now + self.rng.uniform(2.0, 15.0)

    def _step_clock(self):
        self.wall_shift += self.rng.choice((-3_600.0, -30.0, -1.0, 1.0, 30.0, 3_600.0))

    def _stall_engine(self):
        if (life := self._some_life()) is not None:
            life.stalled_until = self.now + self.rng.uniform(0.5, 6.0)

    def _shift_broker_clock(self):
        number = self.later.choice(sorted(self.brokers))
        self.broker_shift[number] += self.later.choice((-3_600.0, -20.0, 20.0, 3_600.0))
