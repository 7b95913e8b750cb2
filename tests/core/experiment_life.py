"""One life of the experiments, and the way of a run through its states."""

from __future__ import annotations

import json

from tests.core.experiment_worlds import START, instant, settings, spec, world

from kafka_sentinel.core.commands import Count, Inject
from kafka_sentinel.core.events import FaultHealed, FaultInjected
from kafka_sentinel.core.experiment_run import RunState
from kafka_sentinel.core.experiments import Experiments
from kafka_sentinel.core.schedule import next_run

DUE = next_run(spec().schedule, START + 900, "kill") - START  # monotonic second of the first run after 900


class Life:
    """One life of the engine, as far as experiments see it: writes the state when asked to, collects the commands."""

    def __init__(self, saved=None, *, now=900.0, specs=None, **changes):
        self.core = Experiments(specs or [spec()], settings(**changes), recovery_limit=600)
        self.commands = []
        self.saved = saved
        self.generation = 0
        self.now = now
        self.world_changes = {}
        if saved is not None:
            self.commands += self.core.restore(json.loads(saved), instant(now))
        self.tick(now)

    def world(self):
        return world(self.now, **self.world_changes)

    def tick(self, now):
        self.now = now
        self.commands += self.core.on_tick(self.world())
        return self

    def start_save(self):
        assert self.core.needs_save
        self.generation += 1
        self.written = json.dumps(self.core.to_state())
        self.core.on_save_started(self.generation)
        return self

    def end_save(self):
        self.saved = self.written
        self.commands += self.core.on_state_saved(self.generation, self.world())
        return self

    def save(self):
        return self.start_save().end_save()

    def fault(self, kind, *details):
        self.commands += self.core.on_fault(kind(instant(self.now), self.run_id(), *details))
        return self

    def close(self, verdict="passed", lost=0):
        self.commands += self.core.on_incident_closed(self.run_id(), verdict, lost, instant(self.now))
        return self

    def run_id(self):
        return self.of(Inject)[-1].experiment_run

    def of(self, kind):
        return [command for command in self.commands if isinstance(command, kind)]

    def state(self):
        return self.core.under_way.state if self.core.under_way else None

    def counts(self):
        return [(count.metric, dict(count.labels)) for count in self.of(Count)]

    def item(self, name="kill"):
        return next(item for item in self.core.status(self.world())["items"] if item["name"] == name)


STEPS = {
    RunState.INTENDED: lambda life: life.tick(DUE),
    RunState.INJECTING: lambda life: life.save(),
    RunState.INJECTED: lambda life: life.fault(FaultInjected, (1,)).save(),
    RunState.RECOVERING: lambda life: life.fault(FaultHealed).save(),
    RunState.RECHECKED: lambda life: life.close(),
}


def life_in(state, **options):
    life = Life(**options)
    for name, step in STEPS.items():
        step(life)
        if name is state:
            break
    assert life.state() is state
    return life
