"""The production engine of a Sentinel that shares its state by a Lease, and what the API server tells it."""

from __future__ import annotations

from tests.core.engine_world import Sentinel
from tests.core.kubernetes_world import KubernetesWorld

from kafka_sentinel.core.cluster import QuorumView
from kafka_sentinel.core.commands import Inject, SaveState
from kafka_sentinel.core.events import LeaseObserved, OrderGiven, QuorumObserved, StateSaved

KILL = {"name": "kill", "fault": "pod-delete", "target": "broker:1", "schedule": "0 10 1 1 *", "grace": "30s"}
IN_CLUSTER = {
    "kubernetes": {"enabled": True, "namespace": "kafka"},
    "state": {"namespace": "own"},
    "experiments": {"items": [KILL]},
}


class Told:
    """What the API server tells of the Lease and of orders, and what is said of them."""

    def leased(self, seconds=10.0, holder="us", problem=""):
        """The Lease is seen to be ours for so many seconds (None: it is not)."""
        until = None if seconds is None else self.mono + seconds
        return self.step(LeaseObserved(self.now(), until, holder, problem, answered=not problem))

    def order(self, kind, subject="", nonce="n1", problem=""):
        return self.step(OrderGiven(self.now(), kind, subject, nonce, problem))

    @property
    def experiments(self):
        return self.engine.explained()

    @property
    def answers(self):
        return [(one["kind"], one["answer"], one["done"]) for one in self.experiments["orders"]]

    def guard(self, name):
        self.wait(5)  # explanations are made anew every few seconds
        [item] = self.experiments["items"]
        return next(one for one in item["guards"] if one["guard"] == name)

    def said(self, event):
        return [log.fields for log in self.logs if log.event == event]


class Shared(Told, Sentinel):
    """A Sentinel that shares its state by a Lease."""

    def __init__(self, **sections):
        super().__init__(**{**IN_CLUSTER, **sections})


class Armed(Told, KubernetesWorld):
    """The same beside brokers in pods, with guards that all allow but the one for the schedule."""

    def __init__(self):
        armed = {"armed_for": "cluster", "dry_run": False, "warm_up": 0, "steady": 5}
        super().__init__(**{**IN_CLUSTER, "experiments": {"items": [KILL], **armed}})
        self.be_well_run()
        self.injected = []

    def pass_by(self, seconds):
        """Let time pass. The Lease is renewed, the quorum answers, the watches are alive, the state is saved."""
        for _ in range(seconds):
            self.leased(10.0)
            self.step(QuorumObserved(self.now(), self.now(), QuorumView(2, 1, (1, 2, 3), (1, 2, 3))))
            self.list_all()
            self.run(0.5)
            asked, self.commands = self.commands, []
            self.injected += of(asked, Inject)
            for save in of(asked, SaveState):
                self.step(StateSaved(self.now(), save.generation))
            self.run(0.5)
            asked, self.commands = self.commands, []
            self.injected += of(asked, Inject)


def of(commands, kind):
    return [command for command in commands if isinstance(command, kind)]
