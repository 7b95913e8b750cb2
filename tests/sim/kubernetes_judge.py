"""Whether Sentinel may break something in the simulated Kubernetes, and what is true of an incident.

It looks at the API server, the pods and Kafka themselves, and at what was told to Sentinel only by its age.
"""

from __future__ import annotations

from tests.core.kubernetes.raw import EPOCH
from tests.sim.errors import FalseVerdictError, InjectionError, StuckError
from tests.sim.kubernetes_api import BOOKMARK
from tests.sim.kubernetes_faults import GHOST, MANUAL_ROLL, PAUSE
from tests.sim.kubernetes_marks import others_taints
from tests.sim.kubernetes_model import BROKERS, OPERATOR, SET
from tests.sim.kubernetes_nodes import NodeJudge
from tests.sim.kubernetes_options import ON_NODES
from tests.sim.kubernetes_signs import is_ready, node_of, revision_of

from kafka_sentinel.core.incident import Cause
from kafka_sentinel.core.kubernetes.views import Kind

WATCH_AGE = 12.0  # max_watch_age of the guards
POD_AGE = 180.0  # min_pod_age of the guards
WARM_UP = 30.0  # of a life of Sentinel before it may break anything
MOST_LAG = 8.0
# Seconds for which the guards may rightly not know what stands in the API, and a little more for the injection itself.
LONGEST = WATCH_AGE + MOST_LAG + BOOKMARK + 3.0
EARLIER = 90.0  # seconds by which the end of a broker may precede the first sign of its incident
HELD = GHOST[1] + EARLIER  # seconds for which the pod of one that ended with its node may stand
OF_IT = 15.0  # the same, if the end is certainly what the incident is about
FINAL = 600.0  # seconds from its opening after which the cause of an incident stays as it is
NOTICED = 700.0  # seconds by which the notice of the end of a node may
STUCK_AFTER = 60.0  # seconds after which it must be said why a pod cannot come back
TOLD = 10.0  # seconds from the return of a watch within which it must be said, if that told of it


class Judge:
    def __init__(self, world):
        self.world, self.truth = world, world.truth
        self.nodes = NodeJudge(world, LONGEST) if world.options.fault == ON_NODES else None
        self.troubles = {}  # what stands against a fault → since when
        self.waiting = {}  # pods that wait for their volume → since when
        self.named = set()  # (incident, broker) of those that were open a second ago
        self.silent_at = float("-inf")  # when a watch was last silent for long
        self.longest_silence = 0.0  # of a watch; one break may come right after another

    # --- injections

    def look(self):
        """Note since when something stands against a fault."""
        world = self.world
        self.troubles = {words: self.troubles.get(words, world.now) for words, true in self._present() if true}
        if self.nodes is not None:
            self.nodes.look()
        stuck = {name for name, raw in world.kubernetes.brokers().items() if _waits_for_volume(raw)}
        self.waiting = {name: self.waiting.get(name, world.now) for name in stuck}

    def _present(self):
        kubernetes = self.world.kubernetes
        objects, brokers = kubernetes.api.objects, kubernetes.brokers()
        hosts = [objects[Kind.NODE].get(node_of(raw)) for raw in brokers.values()]
        present = [one for one in hosts if one is not None]
        yield "a broker is not well", len(brokers) < BROKERS or not all(is_ready(raw) for raw in brokers.values())
        yield "a node is closed", any(one["spec"]["unschedulable"] for one in present)
        yield "a node is to go, or silent", any(others_taints(one) for one in present)
        yield "a node is gone", len(present) < len(hosts)
        yield "the budget is used up", kubernetes.allowed() < 1
        yield "a roll is under way", any(revision_of(raw) < kubernetes.revision for raw in brokers.values())
        marked = [*brokers.values(), *objects[Kind.POD_SET].values(), *objects[Kind.KAFKA].values()]
        asked = [one for one in marked if {MANUAL_ROLL, PAUSE} & set(one["metadata"]["annotations"])]
        yield "a roll is asked for, or the operator paused", bool(asked)
        resource = objects[Kind.KAFKA].get(SET)
        behind = resource is not None and resource["status"]["observedGeneration"] < resource["metadata"]["generation"]
        yield "the operator is behind", behind
        operator = objects[Kind.POD].get(OPERATOR)
        yield "the operator is not ready", operator is not None and not is_ready(operator)

    def may_be_hit(self):
        """Whether there is anybody whom the guards must allow to hit, if all is well."""
        return self.nodes is None or self.nodes.may_be_hit()

    def permission(self, life, brokers, command=None):
        """The guards allow that the pods of these brokers go. `command`: what is to be done to their node."""
        world, now = self.world, self.world.now
        wrong = [f"{words} for {now - since:.0f} s" for words, since in self.troubles.items() if now - since > LONGEST]
        silent = [one for one in life.watchers if now - one.said_at > WATCH_AGE + BOOKMARK]
        wrong += [f"the watch of {one.kind} is silent for {now - one.said_at:.0f} s" for one in silent]
        lacking = world.kafka.troubled_since
        if lacking is not None and now - lacking > LONGEST:
            wrong.append(f"replicas are missing for {now - lacking:.0f} s")
        if now - life.began < WARM_UP:
            wrong.append("Sentinel has only just begun")
        for broker in brokers:
            raw = world.kubernetes.brokers().get(f"{SET}-{broker}")
            age = POD_AGE if raw is None else now - world.kubernetes.made_at(raw)
            if LONGEST < age < POD_AGE - LONGEST:  # a younger one may not have been told, and is not hit for its uid
                wrong.append(f"its pod is only {age:.0f} s old")
        if self.nodes is not None:
            wrong += self.nodes.objections(life, brokers, command)
        if wrong:
            raise InjectionError(f"broker {brokers} may be hit at {now:.1f}, although {' and '.join(wrong)}")

    # --- incidents

    def incident_closed(self, fields):
        """Judge what is said of an incident: whom it hit, and why."""
        began, ended = fields["started_at"] - EPOCH, self.world.now
        final = min(fields["opened_at"] - EPOCH + FINAL, ended)
        # A list tells late, and not when it was.
        earlier = EARLIER + max(self.world.options.longest_break, self.longest_silence)
        ends = [
            end
            for end in self.truth.lives.values()
            if end.broker in fields["brokers"]
            and began - (HELD if end.on in self.world.kubernetes.dead else earlier) <= end.at <= ended
        ]
        nodes = [end for name in fields["nodes"] for end in self.truth.nodes.get(name, ()) if began - NOTICED <= end.at]
        cuts = {int(name.split("-")[1]) for name, at in self.truth.cuts if began - EARLIER - earlier <= at <= ended}
        strangers = set(fields["brokers"]) - {end.broker for end in ends} - cuts - self._said_to_be_on(fields)
        if strangers:
            raise FalseVerdictError(f"nothing happened to brokers {sorted(strangers)} of incident {_short(fields)}")
        allowed = set().union(*(self.truth.fitting(end, final) for end in [*ends, *nodes]))
        seen = [end for end in ends if end.met and (end.told or end.restarts is not None)]
        of_it = [end for end in seen if began - OF_IT <= end.at <= final]
        explained = [end for end in of_it if Cause.UNKNOWN not in self.truth.fitting(end, final)]
        if not explained:
            allowed.add(Cause.UNKNOWN)
        if fields["cause"] not in {cause.value for cause in allowed}:
            true = [end.describe() for end in [*ends, *nodes]]
            raise FalseVerdictError(f"incident {_short(fields)}, but {true}")

    def _said_to_be_on(self, fields):
        """Return the brokers that were on its nodes by what Sentinel had been told when it opened."""
        opened = fields["opened_at"] - EPOCH
        last = {name: node for at, name, node in self.truth.placed if at <= opened}
        return {int(name.split("-")[1]) for name, node in last.items() if node in fields["nodes"]}

    def restart_counted(self, life, end):
        """Whatever ended a broker stands in an incident that was open then, with all that its node took at once.

        But for a broker that had not recovered yet: that one's incident goes on.
        """
        with_it = {one.broker for one in self.truth.ended_with(end) if one.counts and not one.survived}
        told = life.engine.incidents.status()
        there = [one for one in told if one["closed_at"] is None or one["closed_at"] - EPOCH >= end.at]
        ours = Cause.EXPERIMENT.value  # that one begins when the fault is injected
        edges = {one["id"]: end.at - (0.0 if one["cause"] == ours else OF_IT) for one in there}
        before = {b for one in there if one["started_at"] - EPOCH < edges[one["id"]] for b in one["brokers"]}
        brokers = {end.broker} | (set() if end.broker in before else with_it - before)
        if any(brokers <= set(one["brokers"]) and one["started_at"] - EPOCH <= self.world.now for one in there):
            return
        raise FalseVerdictError(f"no incident tells of it, and of brokers {sorted(brokers)}: {end.describe()}")

    def stuck(self, life):
        """An incident of a broker whose pod waits for its volume says so."""
        now, named = self.world.now, self.named
        self.named = {(one.id, broker) for one in life.engine.incidents.open for broker in one.brokers}
        silence = max(now - one.said_at for one in life.watchers)
        self.longest_silence = max(self.longest_silence, silence)
        if silence > WATCH_AGE + BOOKMARK:
            self.silent_at = now
        if now - self.silent_at < TOLD:
            return
        for name, since in self.waiting.items():
            if now - max(since, life.began) < STUCK_AFTER:
                continue
            broker = int(name.split("-")[1])
            mine = [one for one in life.engine.incidents.open if broker in one.brokers and (one.id, broker) in named]
            if mine and not any(name in words for one in mine for words in one.held_by):
                raise StuckError(f"{name} waits for its volume since {since:.0f}, and no incident says so")


def _waits_for_volume(raw):
    return any("volume node affinity" in one["message"] for one in raw["status"]["conditions"])


def _short(fields):
    kept = ("id", "cause", "cause_revised", "brokers", "nodes", "started_at", "opened_at", "reasons")
    return {name: fields[name] - EPOCH if name.endswith("_at") else fields[name] for name in kept}
