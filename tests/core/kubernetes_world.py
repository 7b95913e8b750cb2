"""The production engine beside a small Strimzi cluster: what probes, metadata and watches tell goes in."""

from __future__ import annotations

import copy
import json

from tests.core.engine_world import INTERVAL, RUN, Sentinel, view
from tests.core.kubernetes.raw import at, condition, container, meta, node, pod, stamp

from kafka_sentinel.core import checkpoint
from kafka_sentinel.core.commands import Recheck, SaveState
from kafka_sentinel.core.engine import Engine
from kafka_sentinel.core.events import ObjectChanged, ObjectDeleted, ObjectsListed, RecheckDone, StateSaved, WatchAlive
from kafka_sentinel.core.kubernetes.objects import Kind, parse
from kafka_sentinel.core.types import Sighting, SightingKind

SPOT = {"eks.amazonaws.com/capacityType": "SPOT", "topology.kubernetes.io/zone": "a"}
ON_DEMAND = {"eks.amazonaws.com/capacityType": "ON_DEMAND", "topology.kubernetes.io/zone": "a"}
NOTICE = {"key": "aws-node-termination-handler/spot-itn", "effect": "NoSchedule"}
GONE = {"key": "node.kubernetes.io/unreachable", "effect": "NoExecute"}
SECTIONS = {
    "kubernetes": {"enabled": True, "namespace": "kafka"},
    "incidents": {"settle": 5},
    "state": {"file": "/nowhere/state"},
}


def kafka_labels(number):
    return {
        "strimzi.io/cluster": "orders",
        "strimzi.io/kind": "Kafka",
        "strimzi.io/name": "orders-kafka",
        "strimzi.io/broker-role": "true",
        "strimzi.io/controller-role": "true",
        "strimzi.io/pool-name": "broker",
        "apps.kubernetes.io/pod-index": str(number),
    }


def broker_name(number):
    return f"orders-broker-{number}"


def broker(number, on, **more):
    return pod(broker_name(number), on=on, labels=kafka_labels(number), **more)


OPERATOR = "strimzi-cluster-operator-1"


def budget(name="orders-kafka", allowed=1):
    return {
        "metadata": meta(name, "kafka", generation=1),
        "spec": {"selector": {"matchLabels": {"strimzi.io/name": "orders-kafka"}}},
        "status": {"observedGeneration": 1, "disruptionsAllowed": allowed, "currentHealthy": 3, "desiredHealthy": 2},
    }


def kafka(**status):
    """The Kafka resource as its operator leaves it when all is done."""
    return {
        "apiVersion": "kafka.strimzi.io/v1",
        "metadata": meta("orders", "kafka", generation=4),
        "status": {"clusterId": "cluster", "observedGeneration": 4, "conditions": [condition("Ready")], **status},
    }


class KubernetesWorld(Sentinel):
    """Brokers 1, 2, 3, of which `places` says the node. `dead`: give no answers; `listed`: those metadata names."""

    alive = (Kind.POD, Kind.NODE)  # of which the watches say all the time that nothing was missed

    def __init__(self, *, labels=SPOT, places=("n1", "n2", "n3"), listed=(1, 2, 3), **sections):
        super().__init__(partitions=0, **{**SECTIONS, **sections})
        self.dead, self.listed, self.leader = set(), listed, 1
        self.objects = {}
        for name in sorted(set(places)):
            self.objects[Kind.NODE, name] = node(name, labels=labels)
        for number, place in enumerate(places, start=1):
            self.objects[Kind.POD, broker_name(number)] = broker(number, place)
        self.look()
        self.list_all()

    def list_all(self, *kinds):
        for kind in kinds or Kind:
            views = tuple(parse(kind, raw) for (one, _), raw in self.objects.items() if one is kind)
            self.step(ObjectsListed(self.now(), kind, views))

    @property
    def second(self):
        return self.mono - at(0).mono

    def be_well_run(self):
        """There is an operator, a Kafka resource and a disruption budget, as the guards want them."""
        self.put(Kind.BUDGET, budget())
        self.put(Kind.KAFKA, kafka())
        self.put(Kind.POD, pod(OPERATOR, on="n3", labels={"strimzi.io/kind": "cluster-operator"}))

    # --- what watches tell

    def put(self, kind, raw):
        self.objects[kind, raw["metadata"]["name"]] = raw
        self.step(ObjectChanged(self.now(), kind, parse(kind, raw)))

    def drop(self, kind, name):
        self.step(ObjectDeleted(self.now(), kind, parse(kind, self.objects.pop((kind, name)))))

    def get(self, kind, name):
        return copy.deepcopy(self.objects[kind, name])

    def taint(self, name, *taints, cordoned=False):
        raw = self.get(Kind.NODE, name)
        raw["spec"] |= {"taints": list(taints), "unschedulable": cordoned}
        self.put(Kind.NODE, raw)

    def silent(self, name):
        raw = self.get(Kind.NODE, name)
        ready = raw["status"]["conditions"][-1]
        ready |= {"status": "Unknown", "reason": "NodeStatusUnknown", "lastTransitionTime": stamp(self.second)}
        raw["spec"]["taints"].append(GONE)
        self.put(Kind.NODE, raw)

    def delete_pod(self, number, *, why=None):
        """Somebody asks for its deletion; it ends at once. `why`: the reason of its DisruptionTarget."""
        raw = self.get(Kind.POD, broker_name(number))
        raw["metadata"] |= {"deletionTimestamp": stamp(self.second + 30), "deletionGracePeriodSeconds": 30}
        if why is not None:
            raw["status"]["conditions"].append(condition("DisruptionTarget", "True", why, since=self.second))
        self.put(Kind.POD, raw)
        self.drop(Kind.POD, broker_name(number))

    def make_pod(self, number, on, *, ready=True, uid="new"):
        raw = broker(number, on, ready=ready, uid=f"{uid}-{number}", created=self.second)
        raw["status"]["conditions"][-1]["lastTransitionTime"] = stamp(self.second)
        self.put(Kind.POD, raw)

    def pending_pod(self, number, message):
        raw = broker(number, None, uid=f"pending-{number}", created=self.second, phase="Pending", containers=())
        raw["status"]["conditions"] = [
            condition("PodScheduled", "False", "Unschedulable", message, since=self.second),
        ]
        self.put(Kind.POD, raw)

    def restart_container(self, number, ended):
        """Its container ends, and is started again."""
        raw = self.get(Kind.POD, broker_name(number))
        raw["status"] |= {"containerStatuses": [container(ended=ended)]}
        raw["status"]["conditions"][-1] |= {"status": "False", "lastTransitionTime": stamp(self.second)}
        self.put(Kind.POD, raw)

    def container_ready(self, number, last):
        raw = self.get(Kind.POD, broker_name(number))
        raw["status"] |= {"containerStatuses": [container(restarts=1, last=last)]}
        raw["status"]["conditions"][-1] |= {"status": "True", "lastTransitionTime": stamp(self.second)}
        self.put(Kind.POD, raw)

    # --- time

    def look(self):
        self.sees(view(brokers=self.listed, leader=self.leader))

    def run(self, seconds):
        """Let time pass: probes are answered unless the leader is dead, metadata names those that are listed."""
        for _ in range(round(seconds / INTERVAL)):
            first = self.sent()
            if self.leader not in self.dead:
                offset = self.end[self.partition]
                waiting = first - offset + 1
                self.acked(offset, waiting)
                self.read(offset, offset, waiting)
            self.look()
            for kind in self.alive:
                self.step(WatchAlive(self.now(), kind))
            self.wait(INTERVAL)
            self._answer_rechecks()

    partition = property(lambda self: next(iter(self.engine.truth.ledgers)))

    def _answer_rechecks(self):
        """Every re-reading finds the log as it was written."""
        asked, self.commands = self.commands, []
        for command in asked:
            if isinstance(command, Recheck):
                end = min(command.end, self.end[self.partition])
                instance, start = self.engine.config.instance, min(command.start, end)
                count = end - start
                sightings = (
                    (Sighting(SightingKind.RECORD, start, count, 0, instance, RUN, start, self.wall),) if count else ()
                )
                self.step(
                    RecheckDone(self.now(), command.recheck, command.partition, start, end, 0, "topic id", sightings)
                )
            elif isinstance(command, SaveState):
                json.dumps(command.state)
                self.step(StateSaved(self.now(), command.generation))

    def lose(self, *numbers, leader):
        """Brokers are fenced, nine seconds after they died: `leader` leads from now on."""
        self.listed = tuple(one for one in self.listed if one not in numbers)
        self.leader = leader

    def restart(self, away=20.0):
        """Sentinel dies, and comes back with its state after a while; then it looks at everything again."""
        state = json.loads(json.dumps(checkpoint.to_state(self.engine)))
        self.mono, self.wall = self.mono + away, self.wall + away
        self.engine = Engine(self.engine.config, run=RUN + 1, started=self.now(), state=state)
        self.following.clear()
        self.look()
        self.list_all()
        self.wait(5)

    # --- figures

    @property
    def incidents(self):
        return self.status["incidents"]

    @property
    def kubernetes(self):
        return self.status["kubernetes"]

    def said(self, words):
        return [log for log in self.logs if log.event == words]
