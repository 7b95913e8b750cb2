"""One Sentinel, by its name, over all its lives: what it keeps, who judges it, how it dies and comes back."""

from __future__ import annotations

import json
from collections import deque

from tests.sim import life as lives
from tests.sim.calendar import DAILY_BUDGET, NIGHT, SELF_TEST, Calendar
from tests.sim.errors import CrashError
from tests.sim.oracle import Oracle

from kafka_sentinel.adapters.state_shape import checked
from kafka_sentinel.core.engine import EngineConfig
from kafka_sentinel.core.guard_input import ExperimentSpec, GuardSettings
from kafka_sentinel.core.schedule import parse_blackout, parse_schedule
from kafka_sentinel.core.targets import parse_target

WARM_UP = 5.0  # seconds of a life before it may break anything
GUARD_AGE = 4.0  # max_view_age and max_state_age of the guards, in seconds
GRACE = GUARD_AGE + 4.0  # how long the engine may rightly not know what is so in truth


class Site:
    leased = False  # whether a Lease decides which of several processes is the one

    def __init__(self, world, name, instance, *, experiments, begins=0.0):
        """`begins`: when its first life does, in seconds."""
        self.begins = begins
        self.world, self.name, self.instance = world, name, instance
        self.oracle = Oracle(lambda: world.now)
        self.config = config(world, name, instance, experiments=experiments, lease=self.leased)
        self.disk = deque(maxlen=20)  # (when it was made, state as JSON), newest last
        self.calendar = Calendar(self, world.true_wall())
        self.lives = []  # that are under way, oldest first
        self.deaths = 0
        self.crowded = False  # whether two of its processes ever probed at once
        self._doomed = False

    @property
    def life(self):
        """The life that is under way, the newest if there are several; None if there is none."""
        return self.lives[-1] if self.lives else None

    def begin(self):
        if self.begins:
            self.world.after(self.begins, lambda: self.start(None))
        else:
            self.start(None)

    def start(self, state, **named):
        for other in self.lives:  # its acknowledgements are not heard by the new one
            self.oracle.dead_runs.add(other.run)
        try:
            known = None if state is None else checked(state)  # as the daemon does: it refuses nothing that was written
            self.lives.append(lives.Life(self.world, self, state=known, **named))
        except Exception as error:
            raise CrashError(f"the engine did not start: {type(error).__name__}: {error}") from error
        self.crowded |= len(self.lives) > 1
        self.oracle.crowded = len(self.lives) > 1

    # --- death

    def doom(self):
        """Let the next step be the last of a life."""
        self._doomed = True

    def dies_now(self):
        doomed, self._doomed = self._doomed and not self.world.healed, False
        return doomed

    def end(self, life):
        life.alive = False
        self.lives.remove(life)
        self.oracle.dead_runs.add(life.run)
        self.oracle.crowded = len(self.lives) > 1
        self.deaths += 1

    def kill(self, life):
        self.end(life)
        self.world.after(self.world.rng.uniform(0.1, 8.0), self._restart)

    def _restart(self):
        rng, choice = self.world.rng, self.world.options.state_after_death
        if choice == "mixed":
            choice = rng.choice(("last", "older", "none"))
        if not self.disk or choice == "none":
            state = None
            self.disk.clear()
        else:
            made, state = rng.choice(list(self.disk)) if choice == "older" else self.disk[-1]
            self.oracle.restored(made)
        self.start(None if state is None else json.loads(state))

    # --- what it keeps

    def keep(self, life, text, made):
        """Write the state, as of `made`. Returns what keeps that from being done, and whether another Sentinel does."""
        del life
        self.disk.append((made, text))
        return "", False

    def may_break(self, life):
        """Whether the fleet may still do what was commanded a moment ago."""
        del life
        return True

    def heal(self):
        for life in self.lives:
            life.stalled_until = 0.0
            for reader in life.readers:
                reader.stalled_until = 0.0


def config(world, name, instance, *, experiments, lease):
    options, specs, pace = world.options, (), world.options.pace
    slow = pace > 1.0
    if experiments and options.experiments != "off":
        spec = ExperimentSpec(
            name="kill",
            fault="process-kill",
            target=parse_target("controller" if options.quorum_targets else "leader"),
            schedule=parse_schedule(every=f"{10 * pace:.0f}s"),
            duration=3.0 * pace,
            grace=8.0 * pace,
            allow_unavailability=world.rng.random() < 0.3,
            load=1_000.0 if world.rng.random() < 0.5 else None,
        )
        specs = (spec,)
    return EngineConfig(
        name=name,
        version="0",
        instance=instance,
        acks=world.all_acks,
        probe_interval=options.interval * pace,
        slo_produce=1.5 * pace,
        slo_consume=3.0 * pace,
        slo_overdue=5.0 * pace,
        slo_recovery={"produce": 10.0 * pace, "full": 60.0 * pace},
        slo_availability=99.9,
        settle=2.0 * pace,
        session_timeout=options.session * pace,
        recheck_margin=options.margin,
        recheck_interval=options.recheck_interval * pace,
        recheck_chunk=options.recheck_chunk,
        give_up_margin=options.give_up_margin * pace,
        checkpoint_interval=None if options.checkpoint is None else options.checkpoint * pace,
        manage_topic=False,
        experiments=specs,
        group_id="sim",
        lease=lease,
        guards=GuardSettings(
            armed_for="sim",
            dry_run=options.experiments != "armed",
            min_gap=5.0 * pace,
            daily_budget=DAILY_BUDGET,
            warm_up=WARM_UP * pace,
            steady=3.0 * pace,
            max_view_age=GUARD_AGE * pace,
            max_state_age=15.0 * pace,
            blackouts=(parse_blackout(start=NIGHT[0], end=NIGHT[1]),) if slow else (),
        ),
        selftest_interval=SELF_TEST if slow else None,
    )
