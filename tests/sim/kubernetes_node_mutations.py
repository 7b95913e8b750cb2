"""Small ways to make experiments on whole nodes wrong, each with a world of Kubernetes that notices it: its seed, and
what is changed of the options that it draws.
"""

from __future__ import annotations

from dataclasses import replace

from tests.sim.kubernetes_fleet import NodeFleet

from kafka_sentinel.core.experiment_run import HITS_NOTHING_YET, RunState
from kafka_sentinel.core.experiments import Experiments
from kafka_sentinel.core.incidents import Incidents
from kafka_sentinel.core.kubernetes import attribution, signals, surroundings
from kafka_sentinel.core.kubernetes.kept import RECLAIM
from kafka_sentinel.core.kubernetes.restarts import Restarts
from kafka_sentinel.core.targets import Target

SPOT_NOTICE = "aws-node-termination-handler/spot-itn"  # taint


def count_one_broker_of_the_node(patch):
    """Of the brokers that go with their node, the guards count one."""
    patch.setattr(Target, "losses", property(lambda self: (frozenset(sorted(self.brokers)[:1]),)))


def take_our_mark_for_an_interruption(patch):
    """The taint of a rehearsal is the notice of a reclaim."""
    patch.setattr(signals, "TAINTS", {**signals.TAINTS, RECLAIM: signals.TAINTS[SPOT_NOTICE]})


def take_what_we_end_for_somebody_elses(patch):
    """A pod that goes with its node by our own hand was deleted by somebody."""
    patch.setattr(Restarts, "_is_ours", lambda self, restart: False)


def overlook_our_own_marks(patch):
    """A node that is still closed by a rehearsal that is over is a node like any other."""
    real = surroundings.node_state
    patch.setattr(surroundings, "node_state", lambda node: replace(real(node), ours=False))


def ask_no_guard_during_the_notice(patch):
    """Once notice was given, it is done."""
    real = Experiments._denial

    def denial(self, run, world, due):
        return None if run.state in HITS_NOTHING_YET else real(self, run, world, due)

    patch.setattr(Experiments, "_denial", denial)


def strike_before_the_notice_is_over(patch):
    real = Experiments._limit
    patch.setattr(Experiments, "_limit", lambda self, run: 0.0 if run.state is RunState.ANNOUNCED else real(self, run))


def look_for_no_marks_of_an_earlier_life(patch):
    """Of the adapter: what the state does not tell of stays as it is."""
    patch.setattr(NodeFleet, "sweeps", False)


def date_a_fault_by_the_news_of_it(patch):
    """Once wrong, of the adapter: a fault struck when it was known of all pods whether they go."""
    patch.setattr(NodeFleet, "dates_the_first", False)


def leave_out_who_is_not_known_to_be_hit(patch):
    """Once wrong: signs of a pod whose deletion was not answered are not those of the fault."""
    real = Incidents.on_fault

    def on_fault(self, at, **given):
        return real(self, at, **{**given, "meant": ()})

    patch.setattr(Incidents, "on_fault", on_fault)


def wait_for_the_news_of_a_fault(patch):
    """Once wrong: what has recovered before the news of its fault is of unknown cause."""
    patch.setattr(attribution, "_has_recovered", lambda incident: False)


def forget_why_a_pod_was_cleared_away(patch):
    """Once wrong: what is told of a node after its pods were cleared away is not why they went."""
    patch.setattr(Restarts, "_is_cleared_away", lambda self, restart: False)


BUSY = {"experiments": "armed", "pace": 60.0, "deaths": 0.0, "daily_budget": 10_000, "silences": 0.0}
PARTLY = {
    **BUSY,
    "most_on_a_node": 2,
    "allow_unavailability": True,
    "combined": False,
    "controllers_apart": True,
    "silences": 0.4,
    "volumes": True,
    "held": 60.0,
}
MUTATIONS = {
    mutation.__name__.replace("_", " "): (mutation, seed, changes)
    for mutation, seed, changes in (
        (count_one_broker_of_the_node, 1, {**BUSY, "most_on_a_node": 2, "allow_unavailability": False}),
        (take_our_mark_for_an_interruption, 0, {**BUSY, "notice": 0.0, "drain": 0.0}),
        (take_what_we_end_for_somebody_elses, 0, {**BUSY, "notice": 0.0, "drain": 0.0}),
        (overlook_our_own_marks, 0, {**BUSY, "silences": 0.4}),
        (ask_no_guard_during_the_notice, 0, {**BUSY, "notice": 60.0, "drain": 0.0}),
        (strike_before_the_notice_is_over, 0, {**BUSY, "notice": 60.0, "drain": 0.0}),
        (look_for_no_marks_of_an_earlier_life, 2, {**BUSY, "deaths": 0.002, "state": "mixed", "held": 200.0}),
        (date_a_fault_by_the_news_of_it, 371001, {}),
        (leave_out_who_is_not_known_to_be_hit, 371040, PARTLY),
        (wait_for_the_news_of_a_fault, 371218, {}),
        (forget_why_a_pod_was_cleared_away, 371082, {}),
    )
}
