"""Swarm options of a world of Kubernetes: which things happen there, how often, and how all is set up."""

from __future__ import annotations

import random
from dataclasses import dataclass, fields, replace

# What may happen, and to what: a broker's pod, any node, a spot node, one that is none, or the whole cluster.
ACTS = {
    "delete_pod": "pod",
    "crash": "pod",
    "run_out_of_memory": "pod",
    "evict_for_memory": "pod",
    "fail_probe": "pod",
    "drain": "node",
    "close_node": "node",
    "blink": "node",
    "reboot": "node",
    "consolidate": "node",
    "reclaim": "spot",
    "reclaim_without_notice": "spot",
    "interrupt": "spot",
    "fail_node": "on-demand",
    "roll": "all",
    "ask_for_roll": "all",
    "freeze_budget": "world",
    "pause_operator": "world",
    "stop_operator": "world",
}
MOST_OFF = 4.5  # seconds; Sentinel takes 5 s between two clocks of a cluster for nothing
# What may happen besides, in worlds in which whole nodes are broken: these draw theirs by a chance of their own.
ACTS_BESIDE = {"take_notice_off": "world"}
ON_NODES = "node-reclaim"  # the fault that takes a whole node
OF_STRIMZI = {"ask_for_roll", "pause_operator", "stop_operator"}
OF_KARPENTER = {"consolidate", "interrupt"}
LONG_CUT = 280.0  # seconds; after 300 a node's pods are given up
# Without what came later: each broker is on a node of its own, and what is cut off comes back soon.
AS_BEFORE = {"most_on_a_node": 1, "combined": False, "longest_cut": 90.0}


@dataclass(frozen=True)
class Options:
    flavour: str  # statefulset or strimzi
    budget: str  # strict: one may be gone; loose: two; none
    node_claims: bool  # nodes are Karpenter's
    volumes: bool  # brokers keep their logs on volumes that are on one node
    ghosts: bool  # objects of dead nodes stand for a long time
    most_lag: float  # seconds by which a watch may be behind
    repeats: float  # probability that a change is told twice
    breaks: float  # of watches, a second
    longest_break: float
    forgets: float  # probability a second that the API server forgets old versions
    pace: float  # seconds between two things that happen, on average
    deaths: float  # of Sentinel, a second
    longest_absence: float
    state: str  # what a new life is given: last (state that was accepted), or mixed: also an older one, or none
    save_fails: float  # probability that a write of the state is refused, or its answer lost
    save_slow: float
    experiments: str  # armed, or dry: a dry run every few seconds
    fault: str
    acts: tuple  # names of ACTS; one that is there twice happens twice as often
    # Drawn by a chance of their own: worlds without them are as they were before there were any.
    clock: float = (
        0.0  # most seconds by which Sentinel's clock is off from that of the cluster, and set again and again
    )
    most_on_a_node: int = 1  # brokers that the scheduler puts on one node
    combined: bool = False  # brokers are their own controllers
    longest_cut: float = 90.0  # seconds for which a node may be cut off
    # Of experiments on whole nodes; `on_nodes` draws them.
    notice: float = 0.0
    drain: float = 0.0
    held: float = 10.0  # seconds for which a fault is said to last
    allow_unavailability: bool = False
    controllers_apart: bool = False  # controllers are not among the brokers, nor on Kubernetes
    silences: float = 0.0  # probability that the API server does not answer what the fleet asks
    daily_budget: int = 10_000

    @classmethod
    def draw(cls, rng):
        flavour = rng.choice(("statefulset", "strimzi"))
        node_claims = rng.random() < 0.5
        able = [name for name in ACTS if name not in OF_STRIMZI or flavour == "strimzi"]
        able = [name for name in able if name not in OF_KARPENTER or node_claims]
        acts = [name for name in able for _ in range(rng.choice((0, 1, 1, 2)))]
        return cls(
            flavour=flavour,
            budget=rng.choice(("strict", "strict", "loose", "none")),
            node_claims=node_claims,
            volumes=rng.random() < 0.3,
            ghosts=rng.random() < 0.3,
            most_lag=rng.choice((0.0, 1.0, 8.0)),
            repeats=rng.choice((0.0, 0.2)),
            breaks=rng.choice((0.0, 0.005, 0.02)),
            longest_break=rng.choice((5.0, 40.0, 300.0)),
            forgets=rng.choice((0.0, 0.02)),
            pace=rng.choice((60.0, 150.0, 400.0)),
            deaths=rng.choice((0.0, 0.001, 0.004)),
            longest_absence=rng.choice((5.0, 60.0, 400.0)),
            state=rng.choice(("last", "last", "mixed")),
            save_fails=rng.choice((0.0, 0.0, 0.1)),
            save_slow=rng.choice((0.0, 0.1)),
            experiments=rng.choice(("armed", "dry")),
            fault=rng.choice(("pod-delete", "pod-crash", "pod-evict")),
            acts=tuple(acts or able),
        )

    def with_later_ones(self, seed):
        rng = random.Random(f"later options of {seed}")
        clock, most = rng.choice((0.0, 1.5, MOST_OFF)), rng.choice((1, 1, 1, 1, 2, 3))
        combined, cut = most > 1 and rng.random() < 0.5, LONG_CUT if rng.random() < 0.3 else 90.0
        return replace(self, clock=clock, most_on_a_node=most, combined=combined, longest_cut=cut)

    def on_nodes(self, seed):
        """Return the same with experiments on whole nodes."""
        rng = random.Random(f"experiments on nodes of {seed}")
        most = rng.choice((1, 2, 2, 3))
        combined = most > 1 and rng.random() < 0.3
        notice = rng.choice((0.0, 15.0, 60.0))
        return replace(
            self,
            fault=ON_NODES,
            experiments="dry" if rng.random() < 0.1 else "armed",
            acts=(*self.acts, *rng.choice(((), tuple(ACTS_BESIDE)))),
            most_on_a_node=most,
            combined=combined,
            notice=notice,
            drain=rng.choice((0.0, notice / 3, notice)),
            held=rng.choice((10.0, 60.0, 200.0)),
            allow_unavailability=rng.random() < 0.7,
            controllers_apart=not combined and rng.random() < 0.7,
            silences=rng.choice((0.0, 0.1, 0.4)),
            daily_budget=rng.choice((10_000, 10_000, 12)),
        )

    def changed(self, changes):
        return replace(self, **changes)

    def describe(self):
        return "\n".join(f"  {one.name} = {getattr(self, one.name)}" for one in fields(self))
