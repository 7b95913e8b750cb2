"""Whatever the API server does, a node is left as others made it, and no pod is asked to go twice."""

import random
import time

import pytest
from tests.kube_api.reclaims import KEY, NODE, Life, Nodes, announce, heal, inject, node, same
from tests.kube_api.server import drop, refuse

from kafka_sentinel.adapters.kubernetes.node_mark import KEEP_OFF
from kafka_sentinel.core.events import FaultAnnounced, FaultFailed, FaultHealed, FaultInjected

LIVES = 3
THEIRS = {"key": "theirs", "value": "x", "effect": "NoExecute"}


class Troubled(Nodes):
    """Loses requests and answers, does some requests only later, and has others write to the node meanwhile."""

    def __init__(self, seed):
        super().__init__()
        self.rng = random.Random(seed)
        self.trouble = True
        self.late = []
        self.put(NODE, node())
        self.others = same(self.node)  # what the node would be without us

    def __call__(self, asked):
        if not self.trouble:
            return super().__call__(asked)
        if self.late and self.rng.random() < 0.3:
            super().__call__(self.late.pop(0))
        if self.rng.random() < 0.2:
            self.somebody_else()
        what = self.rng.choices(["fine", "lost", "unanswered", "late", "503", "409"], [50, 10, 10, 8, 12, 10])[0]
        if what == "late":
            self.late.append(asked)
        if what == "503" or (what == "409" and asked.method == "PUT"):
            return refuse(int(what))
        answer = super().__call__(asked) if what in {"fine", "409", "unanswered"} else None
        return drop() if what in {"lost", "late", "unanswered"} else answer

    def somebody_else(self):
        """Cordon or uncordon it, taint or untaint it, label it."""
        what = self.rng.choice(["cordon", "taint", "label"])
        for raw in (self.others, self.node):
            raw["metadata"]["labels"]["theirs"] = str(self.version) if what == "label" else "0"
            if what == "cordon":
                raw["spec"]["unschedulable"] = not raw["spec"].get("unschedulable", False)
            if what == "taint":
                rest = [one for one in raw["spec"].get("taints", []) if one != THEIRS]
                had = len(rest) < len(raw["spec"].get("taints", []))
                raw["spec"]["taints"] = rest if had else [*rest, THEIRS]
        self.put(NODE, self.node)


@pytest.mark.parametrize("seed", range(12))
def test_whatever_happens_the_node_ends_as_others_made_it(api, script, seed, monkeypatch):
    monkeypatch.setattr("kafka_sentinel.adapters.kubernetes.fleet_pods.SWEEP_EVERY", 0.05)
    script.world = world = Troubled(seed)
    injected = 0
    for _ in range(LIVES):
        life = Life(api, sweep_after=0.0)
        answer = life.do(announce(), (FaultAnnounced, FaultFailed))
        if isinstance(answer, FaultAnnounced) and world.rng.random() < 0.8:
            before = len(life.mailbox.of((FaultInjected, FaultFailed)))
            life.do(inject(), (FaultInjected, FaultFailed), before + 1)
            injected += len(life.mailbox.of(FaultInjected))
        if world.rng.random() < 0.5:
            life.fleet.submit(heal())
        world.away = world.rng.random() < 0.5  # it dies without a chance to put things right
        life.end()
        world.away = False
    world.trouble = False
    for asked in world.late:
        Nodes.__call__(world, asked)
    last = Life(api, sweep_after=0.0)
    deadline = time.monotonic() + 10
    while KEY in world.node["metadata"]["labels"] and time.monotonic() < deadline:
        time.sleep(0.01)
    last.do(heal(), FaultHealed)
    last.end()
    assert same(world.node) == same(world.others)
    assert not set(KEEP_OFF) & set(world.node["metadata"]["annotations"])
    paths = [path for path, _ in world.deleted]
    asked_for = [one.path for one in script.asked if one.method == "DELETE"]
    assert len(paths) <= len(asked_for) <= 2 * LIVES
    assert injected <= len(asked_for)
