"""One life of Sentinel in the simulated Kubernetes: the production engine, its watches and probes, its fleet, its
death; and the object that keeps its state from one life to the next.
"""

from __future__ import annotations

import json
from collections import deque

from tests.core.kubernetes.raw import EPOCH
from tests.sim.errors import CrashError, SimulationError
from tests.sim.kubernetes_api import Watcher
from tests.sim.kubernetes_fleet import NodeFleet
from tests.sim.kubernetes_judge import POD_AGE, WARM_UP, WATCH_AGE
from tests.sim.kubernetes_kafka import CLUSTER, TOPIC_ID, Probes
from tests.sim.kubernetes_model import NAMESPACE, SET
from tests.sim.kubernetes_options import ON_NODES

from kafka_sentinel.adapters.state_shape import checked
from kafka_sentinel.core.commands import (
    Announce,
    AssignReader,
    Heal,
    Inject,
    Log,
    Probe,
    Recheck,
    SaveState,
    StandDown,
    StartRun,
    Sweep,
)
from kafka_sentinel.core.engine import Engine, EngineConfig
from kafka_sentinel.core.events import (
    ClusterObserved,
    ClusterUnreachable,
    FaultFailed,
    FaultHealed,
    FaultInjected,
    PauseSeen,
    QuorumObserved,
    QuorumUnreachable,
    RecheckDone,
    RecheckFailed,
    StateSaved,
    StateSaveFailed,
    Tick,
    WatchBroken,
)
from kafka_sentinel.core.guard_input import ExperimentSpec, GuardSettings
from kafka_sentinel.core.kubernetes.fleet import Flavour, FleetSpec
from kafka_sentinel.core.kubernetes.views import Kind
from kafka_sentinel.core.schedule import parse_schedule
from kafka_sentinel.core.targets import parse_target
from kafka_sentinel.core.types import Acks, Instant

INSTANCE = 7
PROBE_EVERY, LOOK_EVERY = 4, 2  # seconds between two probes, and between two looks at metadata and the quorum
CHECKPOINT = 60.0
RECHECK = 1.0  # seconds that one takes
KEPT_STATES = 10


class StateObject:
    """What keeps the state: it takes a write, refuses it, takes it and does not say so, or takes it late."""

    def __init__(self, world):
        self.world = world
        self.accepted = deque(maxlen=KEPT_STATES)  # (when it was made, as JSON), newest last
        self._free = 0.0  # when the write before is over

    def write(self, life, generation, text):
        world, options, made = self.world, self.world.options, self.world.now
        delay = world.rng.uniform(0.0, 0.2)
        if world.faulty(options.save_slow):  # also: somebody wrote between, so it is read and written once more
            delay = world.rng.uniform(1.0, 10.0)
        self._free = max(self._free, world.now + delay)
        world.kubernetes.at(self._free, lambda: self._end(life, generation, made, text))

    def _end(self, life, generation, made, text):
        """It ends also if who asked for it is dead by then, unless another has read the object since."""
        world = self.world
        if world.life not in {None, life}:
            return
        fails = world.faulty(world.options.save_fails)
        if not fails or world.rng.random() < 0.5:
            self.accepted.append((made, text))
        said = StateSaveFailed(life.instant(), generation, "no answer") if fails else None
        life.step(said or StateSaved(life.instant(), generation))

    def read(self):
        """Return what a new life is given, and when it was made; None: nothing."""
        rng = self.world.rng
        choice = self.world.options.state
        if choice == "mixed":
            choice = rng.choice(("last", "older", "none"))
        if choice == "none":
            self.accepted.clear()
        if not self.accepted:
            return None, None
        made, text = rng.choice(list(self.accepted)) if choice == "older" else self.accepted[-1]
        return json.loads(text), made


class Life:
    """When it has died, whatever it had begun does nothing."""

    instance = INSTANCE

    def __init__(self, world, state):
        self.world, self.began, self.alive, self.doomed = world, world.now, True, False
        self._offset = world.rng.choice((0.0, 5_000.0, 1e6))
        self.run = world.rng.getrandbits(64)
        try:
            known = None if state is None else checked(state)
            self.engine = Engine(config(world.options), run=self.run, started=self.instant(), state=known)
        except Exception as error:
            raise CrashError(f"the engine did not start: {type(error).__name__}: {error}") from error
        self._counted = []  # ends that were counted in this step
        self._overhear()
        self.probes = Probes(self, world.kafka, self.run)
        self.fleet = NodeFleet(self) if world.options.fault == ON_NODES else None
        watched = watched_kinds(world.options)
        self.watchers = [Watcher(world, self, kind) for kind in watched]
        for kind in Kind:
            if kind not in watched:
                self.step(WatchBroken(self.instant(), kind, "404", "there is no such resource"))

    def _overhear(self):
        """Have what the room of Kubernetes says told to the oracle, too."""
        desk, truth = self.engine.kubernetes.desk, self.world.truth
        tick = desk.tick

        def overheard(now, cluster):
            step = tick(now, cluster)
            for change in step.restarts:
                if change.kind == "counted":
                    self._counted.append(truth.restart_counted(change.restart))
            for change in step.disruptions:
                if change.kind == "counted":
                    truth.disruption_counted(change.disruption)
            return step

        desk.tick = overheard

    # --- time

    def instant(self):
        return Instant(self.world.now + self._offset, EPOCH + self.world.now + self.world.clock_off)

    def at(self, when, action):
        self.world.kubernetes.at(when, lambda: action() if self.alive else None)

    def after(self, delay, action):
        self.at(self.world.now + delay, action)

    def live(self):
        """Take what this second brings."""
        world = self.world
        if round(world.now) % PROBE_EVERY == 0:
            self.probes.send()
        self.probes.look()
        if round(world.now) % LOOK_EVERY == 0:
            self._look_at_kafka()
        for watcher in world.rng.sample(self.watchers, len(self.watchers)):
            watcher.poll()
        self.step(Tick(self.instant()))

    def pause(self):
        """Somebody pauses the experiments."""
        self.step(PauseSeen(self.instant(), "all is to settle"))

    def _look_at_kafka(self):
        at, view, quorum = self.instant(), self.world.kafka.view(), self.world.kafka.quorum()
        self.step(ClusterUnreachable(at, at, "no broker answers") if view is None else ClusterObserved(at, at, view))
        self.step(QuorumUnreachable(at, at, "no quorum") if quorum is None else QuorumObserved(at, at, quorum))

    # --- events and commands

    def step(self, event):
        if not self.alive:
            return
        try:
            commands = self.engine.step(event)
        except SimulationError:
            raise
        except Exception as error:
            raise CrashError(f"engine.step raised {type(error).__name__}: {error}") from error
        if self.engine.truth.violations:
            wrong = [one.fields for one in commands if isinstance(one, Log) and one.level == "error"]
            raise CrashError(f"an invariant was violated: {wrong}")
        for end in self._counted:
            self.world.judge.restart_counted(self, end)
        self._counted.clear()
        done = self.world.rng.randint(0, len(commands)) if self.doomed else len(commands)
        for command in commands[:done]:
            self._obey(command)
        if self.doomed:
            self.world.bury(self)

    def _obey(self, command):
        match command:
            case Probe(partitions=partitions):
                self.probes.probed = [partition.partition for partition in partitions]
            case AssignReader(partition=partition, offset=offset):
                self.probes.assign(partition, offset)
            case Recheck():
                self.after(RECHECK, lambda: self._recheck(command))  # they come in no certain order
            case SaveState(generation=generation, state=state):
                self.world.kept.write(self, generation, json.dumps(state))
            case Announce() | Inject() | Heal() | Sweep() if self.fleet is not None:
                self._have_done(command)
            case Inject():
                self._inject(command)
            case Heal(experiment_run=run):
                self.after(0.5, lambda: self.step(FaultHealed(self.instant(), run)))
            case Log(event="experiment_ended", fields=fields) if fields["result"] == "dry_run":
                self._permitted(fields["targets"])
            case Log(event="incident closed", fields=fields):
                self.world.judge.incident_closed(fields)
                self.world.incidents += 1
            case StartRun() | StandDown():
                raise CrashError(f"nothing asked for {command}")

    def _recheck(self, command):
        partition = self.world.kafka.partitions[command.partition.partition]
        if not self.world.kafka.readable(partition):
            self.step(RecheckFailed(self.instant(), command.recheck, command.partition, "no leader"))
            return
        end = min(command.end, partition.end)
        start = min(command.start, end)
        found = partition.read(start, end, INSTANCE, self.instant().wall)
        done = (command.recheck, command.partition, start, end, 0, TOPIC_ID, found)
        self.step(RecheckDone(self.instant(), *done))

    # --- the fleet

    def _permitted(self, brokers):
        self.world.permissions += 1
        self.world.judge.permission(self, brokers)

    def _have_done(self, command):
        """Have it done by the fleet that takes whole nodes."""
        world = self.world
        if isinstance(command, Announce | Inject):
            world.permissions += 1
            world.judge.permission(self, command.targets, command)
        if isinstance(command, Inject):
            world.truth.aimed |= {ref.uid: world.now for ref in command.pods}
        self.fleet.submit(command)

    def _inject(self, command):
        self._permitted(command.targets)
        world, [ref] = self.world, command.pods
        world.truth.aimed[ref.uid] = world.now

        def strike():
            problem = "the API server did not answer" if world.faulty(0.1) else world.strike(ref, command.fault)
            run = command.experiment_run
            if problem:
                self.step(FaultFailed(self.instant(), run, problem))
            else:
                self.step(FaultInjected(self.instant(), run, command.targets))
                self.after(command.duration, lambda: self.step(FaultHealed(self.instant(), run)))

        world.kubernetes.after(world.rng.uniform(0.0, 2.0), strike)  # also if Sentinel dies meanwhile


def watched_kinds(options):
    kinds = [Kind.NODE, Kind.POD, Kind.EVENT, Kind.BUDGET]
    kinds += [Kind.KAFKA, Kind.POD_SET] if options.flavour == "strimzi" else [Kind.STATEFUL_SET]
    kinds += [Kind.NODE_CLAIM] if options.node_claims else []
    return kinds + ([Kind.CLAIM, Kind.VOLUME] if options.volumes else [])


def config(options):
    dry = options.experiments == "dry"
    spec = ExperimentSpec(
        "break",
        options.fault,
        parse_target("any"),
        parse_schedule(every="15s" if dry else "40s"),
        options.held,
        grace=10.0,
        allow_unavailability=options.allow_unavailability,
        notice=options.notice,
        drain=options.drain,
    )
    fleet = FleetSpec(namespace=NAMESPACE, flavour=Flavour(options.flavour), cluster=SET)
    return EngineConfig(
        name="sim",
        version="0",
        instance=INSTANCE,
        acks=(Acks.ALL,),
        probe_interval=float(PROBE_EVERY),
        slo_produce=2.0,
        slo_consume=3.0,
        slo_overdue=10.0,
        slo_recovery={},
        slo_availability=99.9,
        settle=3.0,
        session_timeout=9.0,
        recheck_margin=5,
        recheck_interval=1_200.0,
        recheck_chunk=100_000,
        give_up_margin=20.0,
        checkpoint_interval=CHECKPOINT,
        manage_topic=False,
        experiments=(spec,),
        group_id="sim",
        fleet=fleet,
        guards=GuardSettings(
            armed_for=CLUSTER,
            dry_run=dry,
            min_gap=10.0,
            daily_budget=options.daily_budget,
            warm_up=WARM_UP + 2.0,
            steady=5.0,
            max_view_age=10.0,
            max_watch_age=WATCH_AGE,
            max_state_age=180.0,
            min_pod_age=POD_AGE,
        ),
    )
