"""A bench in the simulated world: as its options would have it with every fault switched off."""

from __future__ import annotations

import random
from dataclasses import fields, replace

from tests.scenarios.words import Words
from tests.sim.kafka_model import Payload
from tests.sim.options import Options
from tests.sim.world import World

STEP = 0.1  # seconds of simulated time between two looks
QUIET = ("state_after_death", "experiments", "second")  # options that are names; all other faults are numbers
TIME = ("pace", "look")  # these are no faults


def options(scenario) -> Options:
    """Return options like the settings of the tests on real brokers: short time-outs, no fault."""
    drawn = Options.draw(random.Random(0))
    names = [field.name for field in fields(Options)]
    faults = names[names.index("kill") :]
    off = {name: 0.0 for name in faults if name not in TIME and not isinstance(getattr(drawn, name), str)}
    return replace(
        drawn,
        **off,
        experiments="off",
        seconds=30.0,
        brokers=3,
        partitions=1,
        acks=(scenario.acks,),
        min_isr=scenario.min_isr,
        idempotent=scenario.idempotent,
        unclean=scenario.unclean,
        interval=0.25,
        batch=10,
        poll=0.05,
        latency=0.02,
        delivery_timeout=8.0,
        socket_timeout=2.0 if scenario.idempotent else 0.5,
        session=3.0,
        replica_lag=4.0,
        fetch_limit=1_000,
        reader_interval=0.1,
        reader_limit=1_000,
        detects_truncation=True,
        mailbox_delay=0.01,
        margin=50,
        recheck_interval=1.0,
        recheck_chunk=1_000,
        give_up_margin=5.0,
        checkpoint=None,
    )


class Heard(World):
    def __init__(self, *arguments):
        self.words = Words()
        super().__init__(*arguments)

    def judge_step(self, life, event, commands):
        super().judge_step(life, event, commands)
        self.words.take(commands)


class SimulatedBench:
    def __init__(self, scenario, seed=0):
        self.world = Heard(seed, options(scenario))
        (self._kafka,) = self.world.partitions.values()
        (self._acks,) = self.world.all_acks

    # --- what it sees

    def leader(self):
        return self._kafka.leader

    def in_sync(self):
        return set(self._kafka.isr)

    def records(self, name):
        return self.world.sites[0].life.engine.records(self._acks).get(name, 0)

    def said(self):
        return self.world.words.said

    def until(self, true, what, within=60.0):
        end = self.world.now + within
        while not true():
            assert self.world.now < end, f"not within {within} simulated seconds: {what}; said: {self.said()}"
            self.wait(STEP)

    def wait(self, seconds):
        self.world.run_until(self.world.now + seconds)

    # --- what it does

    def kill(self, broker):
        self.world.break_broker(broker, "process-kill")

    def start(self, broker, *, empty=False):
        if empty:
            state = self.world.brokers[broker]
            state.fenced, state.silent_since = True, self.world.now
            self._kafka.elect(self.world.rng, unclean=self.world.options.unclean)
            self._kafka.lose_tail(broker, None)
        self.world.mend_broker(broker)

    def pause(self, broker):
        self.world.brokers[broker].paused = True

    def resume(self, broker):
        self.world.brokers[broker].paused = False

    def write_foreign(self):
        self._kafka.append_other(Payload("foreign"))

    def write_damaged(self):
        self._kafka.append_other(Payload("corrupted"))

    def hold_reader(self):
        for reader in self.world.sites[0].life.readers:
            reader.stalled_until = float("inf")

    def release_reader(self):
        for reader in self.world.sites[0].life.readers:
            reader.stalled_until = 0.0

    def delete_records(self, left):
        self._kafka.delete_below(self._kafka.hw - left)

    def remake_topic(self):
        self.world._recreate()
        self.wait(8.0)
        self.release_reader()
