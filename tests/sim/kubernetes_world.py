"""A world of Kubernetes made from a seed: a naive cluster with a Kafka on it, and Sentinel, which dies and comes back.

`python -m tests.sim --profile kubernetes` runs such worlds. First things happen, and only what must never be said or
done is judged; then all is left alone, and all must be counted and closed, and the guards must allow something again.
"""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import dataclass

from tests.sim.errors import SimulationError, StuckError
from tests.sim.kubernetes_faults import Kubernetes
from tests.sim.kubernetes_fleet import Moods
from tests.sim.kubernetes_judge import Judge
from tests.sim.kubernetes_kafka import Kafka
from tests.sim.kubernetes_life import Life, StateObject
from tests.sim.kubernetes_marks import mark_on
from tests.sim.kubernetes_model import BROKERS, SPOT
from tests.sim.kubernetes_options import ACTS, ACTS_BESIDE, Options
from tests.sim.kubernetes_oracle import Truth
from tests.sim.kubernetes_signs import is_ready

from kafka_sentinel.core.incident import Cause
from kafka_sentinel.core.kubernetes.views import Kind

SAFETY, SETTLING = 2_400, 2_400  # seconds: while things happen, and within which all must be counted after that
LEAST = 120  # seconds of the latter that pass in any case
CLOCK_SET = 0.01  # probability a second that a clock that is off is set, and off by something else then
LOOK_EVERY = 10  # seconds between two looks at whether all has settled


@dataclass(frozen=True)
class Outcome:
    seed: int
    seconds: float
    ends: int
    permissions: int
    incidents: int
    deaths: int
    done: Counter


class KubernetesWorld:
    def __init__(self, seed, changes=None, *, on_nodes=False):
        self.seed = seed
        self.rng = rng = random.Random(seed)
        drawn = Options.draw(rng).with_later_ones(seed)
        self.options = (drawn.on_nodes(seed) if on_nodes else drawn).changed(changes or {})
        self.later = random.Random(f"later chance of {seed}")  # for what came later: it moves nothing else
        self.api_server = Moods(self, random.Random(f"moods of the API server of {seed}"))
        self.clock_off = 0.0  # seconds by which Sentinel's clock is ahead of the cluster's
        self.done = Counter()
        self.permissions = self.incidents = self.deaths = 0
        self.healed = False
        self.truth = Truth(lambda: self.now)
        self.kubernetes = Kubernetes(rng, self.truth, self.options)
        self.beginning = self.kubernetes.api.version
        self.kafka = Kafka(self.kubernetes)
        self.judge = Judge(self)
        self.kept = StateObject(self)
        self.life = None
        self._begin()

    @property
    def now(self):
        return self.kubernetes.now

    def faulty(self, probability):
        return not self.healed and probability > 0 and self.rng.random() < probability

    def live(self):
        self._later()
        while self.now < SAFETY:
            self._pass_a_second()
        self._heal()
        while True:
            self._pass_a_second()
            if self.life is not None and self.permissions > self._allowed:
                self.life.pause()
            passed = self.now - SAFETY
            if passed >= LEAST and passed % LOOK_EVERY == 0:
                problem = self._unsettled()
                if problem is None:
                    return
                if passed >= SETTLING:
                    raise problem

    def _pass_a_second(self):
        self.kubernetes.run_until(self.now + 1.0)
        self.kafka.step()
        self.judge.look()
        self._trouble_sentinel()
        if self.life is not None:
            self.life.live()
            self.truth.look()
        if self.life is not None:
            self.judge.stuck(self.life)

    def _unsettled(self):
        """Return what has not settled yet, or None."""
        problem = "Sentinel never came back" if self.life is None else next(self._unfinished(), None)
        return None if problem is None else StuckError(problem)

    def _unfinished(self):
        still_open = [one.as_dict() for one in self.life.engine.incidents.open]
        if still_open:
            yield f"incidents are open: {still_open}"
        if not self._all_ready():
            yield f"a broker is not well: {self.judge.troubles}"
        yield from self.truth.not_counted()
        marked = [name for name, raw in self.kubernetes.api.objects[Kind.NODE].items() if mark_on(raw) is not None]
        if marked:
            yield f"the mark of a rehearsal stays on {marked}"
        if self._allowed == self.permissions and self.judge.may_be_hit():
            yield f"no guard allows anything any more: {self.life.engine.explained()['items'][0]}"

    # --- what happens

    def _later(self):
        self.kubernetes.after(self.rng.expovariate(1 / self.options.pace), self._happen)

    def _happen(self):
        if self.healed:
            return
        self._later()
        name = self.rng.choice(self.options.acts)
        takers = {"pod": self._to_a_pod, "all": self._to_all, "world": self._do}
        takers.get((ACTS | ACTS_BESIDE)[name], self._to_a_node)(name, getattr(self.kubernetes, name))

    def _to_all(self, name, act):
        kubernetes = self.kubernetes
        if not kubernetes.busy and self._all_ready():
            kubernetes.busy |= set(kubernetes.api.objects[Kind.NODE]) | set(kubernetes.api.objects[Kind.POD])
            self._do(name, act)

    def _to_a_pod(self, name, act):
        kubernetes = self.kubernetes
        free = [one for one in self._free_nodes() if kubernetes.pods_on(one)]
        if free:
            node_name = self.rng.choice(free)
            pods = kubernetes.pods_on(node_name)
            pod_name = pods[0] if len(pods) == 1 else self.later.choice(pods)
            kubernetes.busy |= {pod_name, node_name}
            kubernetes.done_with(node_name, 200.0)
            self._do(name, act, pod_name)

    def _to_a_node(self, name, act):
        kubernetes, wanted = self.kubernetes, ACTS[name]
        nodes = kubernetes.api.objects[Kind.NODE]
        free = [one for one in self._free_nodes() if wanted == "node" or is_spot(nodes[one]) is (wanted == "spot")]
        if free:
            node_name = self.rng.choice(free)
            pods = kubernetes.pods_on(node_name)
            kubernetes.busy |= {node_name, *pods}
            if len(pods) > 1:
                self.done["several_on_that_node"] += 1
            self._do(name, act, node_name)
            for pod_name in pods:
                kubernetes.done_with(pod_name, 400.0)

    def _free_nodes(self):
        """Return the nodes that nothing is being done to, nor to the brokers on them, which must be well."""
        kubernetes = self.kubernetes
        found = []
        for node_name in kubernetes.api.objects[Kind.NODE]:
            pods = kubernetes.pods_on(node_name)
            busy = {node_name, *pods} & (kubernetes.busy | kubernetes.dead | kubernetes.cut)
            if not busy and all(is_ready(kubernetes.brokers()[one]) for one in pods):
                found.append(node_name)
        return found

    def _all_ready(self):
        pods = self.kubernetes.brokers().values()
        return len(pods) == BROKERS and all(is_ready(raw) for raw in pods)

    def _do(self, name, act, *what):
        self.done[name] += 1
        act(*what)

    def strike(self, ref, fault):
        """What the fleet does to one pod. Returns what kept it from that, "" if nothing did."""
        kubernetes = self.kubernetes
        raw = kubernetes.brokers().get(ref.name)
        if raw is None or raw["metadata"]["uid"] != ref.uid:
            return "that pod is not there any more"
        if fault == "pod-evict" and kubernetes.allowed() < 1:
            return "its disruption budget does not allow it"
        if raw["metadata"].get("deletionTimestamp") is None:
            self.done[fault] += 1
            kubernetes.kill_pod(ref.name, Cause.EXPERIMENT)
        return ""

    # --- Sentinel

    def _trouble_sentinel(self):
        if self.life is None:
            return
        if self.options.clock and self.later.random() < CLOCK_SET:
            self.clock_off = self.later.uniform(-self.options.clock, self.options.clock)
            self.done["set_clock"] += 1
        if self.faulty(self.options.deaths):
            self.life.doomed = True
        if self.faulty(self.options.breaks):
            watcher, lasting = self.rng.choice(self.life.watchers), self.rng.uniform(1.0, self.options.longest_break)
            self.rng.choice((watcher.hang, watcher.break_off))(lasting)
        if self.faulty(self.options.forgets):
            self.kubernetes.api.compacted = self.kubernetes.api.version

    def bury(self, life):
        life.alive, self.life = False, None
        self.deaths += 1
        self.done["death"] += 1
        self.kubernetes.after(self.rng.uniform(1.0, self.options.longest_absence), self._begin)

    def _begin(self):
        state, made = self.kept.read()
        self.truth.begins_anew(made)
        self.life = Life(self, state)

    # --- from safety to liveness

    def _heal(self):
        self.healed = True
        self.kubernetes.heal()
        self._allowed = self.permissions
        if self.life is not None:
            self.life.doomed = False
            for watcher in self.life.watchers:
                watcher.broken_until = min(watcher.broken_until, self.now)


def is_spot(raw):
    return SPOT.items() <= raw["metadata"]["labels"].items()


def simulate(seed, changes=None, *, on_nodes=False):
    """Run the world of `seed`. `on_nodes`: with experiments on whole nodes. Raises SimulationError."""
    world = KubernetesWorld(seed, changes, on_nodes=on_nodes)
    try:
        world.live()
    except SimulationError as error:
        told = f"at {world.now:.0f} s; done: {dict(world.done)}; options:\n{world.options.describe()}"
        error.args = (f"seed {seed}: {type(error).__name__}: {error}\n{told}",)
        raise
    judged = (len(world.truth.lives), world.permissions, world.incidents, world.deaths)
    return Outcome(seed, world.now, *judged, world.done)
