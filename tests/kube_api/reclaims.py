"""A node, its pods and a fleet for the tests of reclaims that are rehearsed."""

from __future__ import annotations

import json
from functools import partial

from tests.kube_api.server import Mailbox, drop, obj, page, say
from tests.kube_api.store import Store

from kafka_sentinel.adapters.kubernetes.fleet_pods import PodFleet
from kafka_sentinel.adapters.kubernetes.node_mark import NodeMarks
from kafka_sentinel.core.commands import Announce, Heal, Inject
from kafka_sentinel.core.events import FaultAnnounced, FaultFailed, FaultInjected
from kafka_sentinel.core.faults import FaultKind
from kafka_sentinel.core.types import NodeRef, PodRef
from kafka_sentinel.runtime import now

RUN = "spot-drill-20261114T130500.123"
KEY = "kafka-sentinel.io/reclaim"
NODES, NODE = "/api/v1/nodes", "/api/v1/nodes/n1"
POD = "/api/v1/namespaces/kafka/pods/k-{}"
PODS = tuple(PodRef("kafka", f"k-{broker}", f"uid-{broker}", broker) for broker in (0, 1))
OWNER, OTHER = "own/sentinel", "other/sentinel"
MARK = NodeMarks(None, OWNER).value(RUN)

whom = {"targets": (0, 1), "pods": PODS, "node": NodeRef("n1", "uid-n1")}
announce = partial(Announce, RUN, FaultKind.NODE_RECLAIM, notice=120.0, **whom)
inject = partial(Inject, RUN, FaultKind.NODE_RECLAIM, duration=300.0, **whom)
heal = partial(Heal, RUN, (0, 1), FaultKind.NODE_RECLAIM, NodeRef("n1", "uid-n1"))


def node(**spec):
    metadata = {
        "name": "n1",
        "uid": "uid-n1",
        "labels": {"karpenter.sh/capacity-type": "spot"},
        "annotations": {"node.alpha.kubernetes.io/ttl": "0"},
    }
    return {"metadata": metadata, "spec": {"providerID": "aws:///i-1", **spec}, "status": {"x": "y"}}


class Nodes(Store):
    """Also lists its nodes that bear our label, and lets pods be deleted. `away`: answers nothing."""

    def __init__(self):
        super().__init__()
        self.away = False
        self.deleted = []

    def __call__(self, asked):
        if self.away:
            return drop()
        if asked.path == NODES:
            assert asked.query["labelSelector"] == KEY
            nodes = [raw for path, raw in self.objects.items() if path.startswith(f"{NODES}/")]
            return say(page(*(raw for raw in nodes if KEY in raw["metadata"].get("labels", {}))))
        if asked.method == "DELETE":
            self.deleted.append((asked.path, asked.body))
            return say(obj(asked.path.rpartition("/")[2]))
        return super().__call__(asked)

    @property
    def node(self):
        return self.objects[NODE]

    @property
    def taints(self):
        return self.node["spec"].get("taints") or []

    def change(self, change):
        raw = json.loads(json.dumps(self.node))
        change(raw)
        self.put(NODE, raw)


class Life:
    """One life of the fleet."""

    def __init__(self, api, owner=OWNER, *, objection="", **options):
        self.mailbox, self.deaths = Mailbox(), []
        self.objection = objection
        self.fleet = PodFleet(
            api,
            owner=owner,
            objection=lambda: self.objection,
            post=self.mailbox.post,
            now=now,
            on_death=lambda name, error: self.deaths.append((name, str(error))),
            look_pause=0.01,
            pauses=(0.01, 0.05),
            **options,
        )
        self.fleet.start()

    def do(self, command, kind, count=1):
        self.fleet.submit(command)
        return self.mailbox.wait(kind, count)[-1]

    def notice(self):
        return self.do(announce(), (FaultAnnounced, FaultFailed))

    def strike(self, **changes):
        return self.do(inject(**changes), (FaultInjected, FaultFailed))

    def end(self):
        assert self.fleet.stop(10.0)
        assert self.deaths == []


def same(raw):
    """Return an object without what each write of it changes; no taints are none, as the API server has it."""
    metadata = {key: part for key, part in raw["metadata"].items() if key != "resourceVersion"}
    spec = {key: part for key, part in raw["spec"].items() if part != []}
    return {**raw, "metadata": metadata, "spec": spec}
