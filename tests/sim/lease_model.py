"""Two processes of one Sentinel, of which a Lease lets one probe: a naive API server, and how each asks it.

The protocol is that of `adapters/kubernetes/lease.py` and `state_configmap.py`, written again from the contracts in
`core/events.py`. Its requests take time and are lost, a process may be stopped between any two of its steps, and the
API server may answer one and not the other.
"""

from __future__ import annotations

import json
from dataclasses import dataclass

from tests.sim.errors import InjectionError
from tests.sim.site import Site

from kafka_sentinel.core.commands import StandDown
from kafka_sentinel.core.events import LeaseObserved

DURATION, RENEW_DEADLINE, RETRY = 15.0, 10.0, 2.0  # seconds, as the adapter has them
TIMEOUT = 4.0  # seconds until a request to an API server that is silent fails


@dataclass(slots=True)
class ApiServer:
    """The Lease and the state. Every write makes a new version; who writes names the one it has read."""

    version: int = 0
    holder: str = ""
    state_version: int = 0
    state: str | None = None
    writer: str = ""


class Process:
    """One of them: a standby, or the one that probes."""

    def __init__(self, site, number):
        self.site, self.world, self.number = site, site.world, number
        self.lives_begun = 0
        self.cut_off_until = 0.0  # from the API server
        self.frozen_until = 0.0  # never put forward: what is held until then would come after what comes later
        self._stood_at = 0.0  # what its monotonic clock showed while its machine was suspended last,
        self._suspended_until = 0.0  # and until when that was
        self._wall_lag, self._wall_right_at = 0.0, 0.0  # its wall clock is that much late until it is set
        self.began = 0  # counts its beginnings: what an earlier one has left to do is not done
        self._reset()

    def _reset(self):
        self.began += 1
        self.identity = f"{self.number}-{self.began}"
        self.life = None
        self.held_until = None
        self.holder = ""
        self.known = 0  # version of the state that it has read or written last
        self._seen = (-1, 0.0)  # the version of the Lease seen last, and since when

    def begin(self):
        self._reset()
        self._later(self.world.rng.uniform(0.0, RETRY), self._turn)

    def _later(self, delay, action):
        began = self.began

        def act():
            if self.began != began:
                return
            if self.world.now < self.frozen_until:
                self.world.at(self.frozen_until, act)
            else:
                action()

        self.world.after(delay, act)

    # --- its clocks

    def clock(self):
        """Return its monotonic clock, which stands still while its machine is suspended."""
        return self._stood_at + max(self.world.now - self._suspended_until, 0.0)

    def wall_lag(self):
        """Return how late its wall clock is. After a while somebody sets it."""
        if self.world.now < self._suspended_until:
            return self._wall_lag - (self._suspended_until - self.world.now)
        return self._wall_lag if self.world.now < self._wall_right_at else 0.0

    def suspend(self, seconds, set_after):
        """Suspend its machine: nothing runs, and no clock of it either. The wall clock is set some time after that."""
        now, late = self.world.now, self.wall_lag()
        if now < self._suspended_until:
            return
        self._stood_at, self._suspended_until = self.clock(), now + seconds
        self._wall_lag, self._wall_right_at = late + seconds, now + seconds + set_after
        self.frozen_until = max(self.frozen_until, now + seconds)

    def wake(self):
        """Go on, with a wall clock that is right."""
        self._stood_at, self._suspended_until = self.clock(), self.world.now
        self._wall_right_at = 0.0

    def holds(self):
        return self.held_until is not None and self.clock() < self.held_until

    def is_confirmed(self):
        """Whether the API server says at this moment that the Lease is its own."""
        return not self._silent() and self.site.api.holder == self.identity

    # --- asking for the Lease

    def _turn(self):
        self._later(RETRY * self.world.rng.uniform(0.8, 1.0), self._turn)
        begun = self.clock()
        if self._silent():
            self._later(TIMEOUT, lambda: self._observe(problem="no answer", answered=False))
        else:
            self._later(self._latency(), lambda: self._decide(begun))

    def _silent(self):
        return self.world.now < self.cut_off_until

    def _latency(self):
        rng = self.world.rng
        return rng.uniform(0.001, 0.05) if self.world.healed or rng.random() < 0.9 else rng.uniform(0.05, 3.0)

    def _decide(self, begun):
        api = self.site.api
        version, holder = api.version, api.holder
        if self._seen[0] != version:
            self._seen = (version, self.clock())
        if holder not in ("", self.identity) and self.clock() < self._seen[1] + DURATION:
            self._observe(holder=holder)
        else:
            self._later(self._latency(), lambda: self._write(begun, version))

    def _write(self, begun, version):
        api = self.site.api
        if self._silent():
            self._later(TIMEOUT, lambda: self._observe(problem="no answer", answered=False))
        elif api.version != version:
            self._observe(problem="409: it was changed meanwhile")
        else:
            api.version, api.holder = version + 1, self.identity
            self._seen = (api.version, self.clock())
            if self.world.faulty("lost_response"):
                self._later(TIMEOUT, lambda: self._observe(problem="no answer", answered=False))
            else:
                self._later(self._latency(), lambda: self._observe(begun=begun, holder=self.identity))

    def _observe(self, *, begun=None, holder=None, problem="", answered=True):
        if problem:
            self.held_until = self.held_until if self.holds() else None
        else:
            self.held_until, self.holder = (None if begun is None else begun + RENEW_DEADLINE), holder
        if self.life is None:
            if self.holds():
                self._probe()
            return
        offset = self.life.mono_offset
        until = None if self.held_until is None else self.held_until + offset
        event = LeaseObserved(self.life.instant(), until, self.holder, problem, answered)
        self.life.post("lease", [event])

    def _probe(self):
        """The Lease is ours: go on where the state was left."""
        api = self.site.api
        if self._silent():
            return
        self.known = api.state_version
        self.site.start(None if api.state is None else json.loads(api.state), process=self)
        self.life = self.site.lives[-1]
        offset = self.life.mono_offset
        self.life.post("lease", [LeaseObserved(self.life.instant(), self.held_until + offset, self.identity)])

    # --- the state

    def keep(self, text):
        api = self.site.api
        if not self.holds():
            return "the Lease is not held", False
        if self._silent():
            return "no answer", False
        if api.state_version != self.known and api.writer != self.identity:
            return "another Kafka Sentinel has written it", True
        api.state_version, api.state, api.writer = api.state_version + 1, text, self.identity
        self.known = api.state_version
        return "", False

    def leave(self):
        """Its life is over; it comes back as a standby."""
        self._reset()
        self.world.after(self.world.rng.uniform(0.1, 8.0), self.begin)


class LeasedSite(Site):
    leased = True
    asks_again = True  # right before a fault, who holds the Lease

    def __init__(self, world, name, instance, *, experiments):
        super().__init__(world, name, instance, experiments=experiments)
        self.api = ApiServer()
        self.processes = [Process(self, number) for number in (1, 2)]

    def begin(self):
        for process in self.processes:
            process.begin()

    def kill(self, life):
        self.end(life)
        life.process.leave()

    def stand_down(self, life, command):
        """Sentinel ends itself: there is another."""
        assert isinstance(command, StandDown)
        if life.alive:
            self.kill(life)

    def keep(self, life, text, made):
        del made
        return life.process.keep(text)

    def may_break(self, life):
        """The fleet asks the API server once more. Nobody else may hold the Lease then.

        By its own clock a process may hold the Lease that another one got while its machine was suspended.
        """
        process = life.process
        if not process.holds():
            return False
        if self.asks_again and not process.is_confirmed():
            return False
        if self.api.holder != process.identity:
            raise InjectionError(f"injected by {process.identity}, while {self.api.holder} holds the Lease")
        return True

    def freeze(self):
        """Stop a process in the middle of whatever it does. Its clock goes on."""
        world = self.world
        process = world.rng.choice(self.processes)
        process.frozen_until = max(process.frozen_until, world.now + world.rng.uniform(1.0, 30.0))

    def cut_off(self):
        world = self.world
        world.rng.choice(self.processes).cut_off_until = world.now + world.rng.uniform(1.0, 40.0)

    def heal(self):
        super().heal()
        for process in self.processes:
            process.cut_off_until = 0.0
            process.wake()
