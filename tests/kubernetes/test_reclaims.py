"""A node that is taken away, announced in every provider's way or not at all: told for what it was, and timed."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import pytest
from tests.kubernetes.agents import Machine, install_claims
from tests.kubernetes.deploy.kafka import Kafka
from tests.kubernetes.deploy.sentinel import Deployer
from tests.kubernetes.lab.cluster import Cluster
from tests.kubernetes.phases import SECTIONS
from tests.kubernetes.reclaim_world import Reclaim, World

from kafka_sentinel.adapters.kubernetes.permissions import Need

pytestmark = pytest.mark.timeout(900)

TWO, ONE = "n1", "n2"  # nodes: with two brokers, with one
NOTICE = 8.0  # seconds from the notice to the power loss; clouds give 30 to 120
EXACT = 1.0  # seconds by which the lead time may differ from the test's own clock
PHASES = ("detected", "leader", "produce", "consume", "pod", "isr", "lag", "full")

Telling = Callable[[Machine, float], None]  # what is said of a machine, and when it says so itself


def beside(lab: Cluster, shared_kafka: Kafka, deploy: Deployer) -> World:
    """Have a Sentinel beside brokers 0 and 1 on n1, 2 on n2; controller and Sentinel are on n4, which nobody touches.

    Objectives are wide: two of three brokers are down for as long as the test likes, which is no fault of the cluster,
    and a slow machine is no outage.
    """
    install_claims(lab)
    sections = {
        "slo": {"produce": 2, "consume": 3, "recovery": dict.fromkeys(PHASES, 3_600)},
        "incidents": SECTIONS["incidents"],
        "cluster": {"session_timeout": 3, "snapshot_interval": 0.3, "quorum_interval": 0.5},
        "probe": {"delivery_timeout": 240},
        "kubernetes": SECTIONS["kubernetes"],
    }
    sentinel = deploy(shared_kafka, wanted=lambda row: row.need is not Need.EXPERIMENTS, **sections)
    sentinel.wait_verified(100, 180)
    return World(lab, shared_kafka, sentinel)


# --- b: announced


def handler(machine: Machine, _said: float) -> None:
    machine.taint("aws-node-termination-handler/spot-itn", "spot-itn-4f2e1c")


def handler_events(machine: Machine, said: float) -> None:
    message = "Spot ITN received. Instance will be interrupted"
    machine.event("SpotInterruption", "aws-node-termination-handler", message, said=said)


def karpenter(machine: Machine, said: float) -> None:
    for kind in ("NodeClaim", "Node"):
        machine.event("SpotInterrupted", "karpenter", "Spot interruption warning was triggered", kind=kind, said=said)
        machine.event(
            "TerminatingOnInterruption", "karpenter", "Interruption triggered termination", kind=kind, said=said
        )
    machine.taint("karpenter.sh/disrupted")


def gke(machine: Machine, said: float) -> None:
    machine.event("ImpendingNodeTermination", "node-termination-handler", "Node is to be terminated", said=said)
    machine.taint("cloud.google.com/impending-node-termination")


def aks(machine: Machine, said: float) -> None:
    machine.condition("VMEventScheduled", "VMEventScheduled", "Preempt Scheduled: soon; DurationInSeconds: -1", said)
    machine.event("PreemptScheduled", "vm-event", "Preempt Scheduled", said=said)


def aks_newer(machine: Machine, said: float) -> None:
    machine.condition("PreemptionScheduled", "SpotEvictionIncoming", "eviction at the latest soon", said)


@dataclass(frozen=True)
class Signal:
    """`dated`: it says itself when it was said, in whole seconds."""

    provider: str
    source: str
    tell: Telling
    dated: bool = True


SIGNALS = {
    "nth_taint": Signal("eks", "aws-node-termination-handler", handler, dated=False),
    "nth_event": Signal("eks", "aws-node-termination-handler", handler_events),
    "karpenter": Signal("karpenter", "karpenter", karpenter),
    "gke": Signal("gke", "gke", gke),
    "aks": Signal("aks", "aks", aks),
    "aks_newer": Signal("aks", "aks", aks_newer),
}
IN_CI = {("nth_taint", "once")}
ANNOUNCED = [
    pytest.param(name, how, id=f"{name}-{how}", marks=() if (name, how) in IN_CI else pytest.mark.full)
    for name, how in [("nth_taint", "once"), *((name, how) for name in SIGNALS for how in ("twice", "late"))]
]


@pytest.mark.parametrize(("name", "how"), ANNOUNCED)
def test_b_an_announced_reclaim_is_spot_and_its_lead_time_is_right_to_a_second(
    lab: Cluster, shared_kafka: Kafka, deploy: Deployer, name: str, how: str
):
    world = beside(lab, shared_kafka, deploy)
    signal = SIGNALS[name]
    with world.reclaim(TWO, signal.provider) as told:
        machine = world.machine(TWO)
        if signal.source == "karpenter":
            machine.make_claim()
        told.said = float(int(time.time())) if signal.dated else time.time()
        if how != "late":
            signal.tell(machine, told.said)
        if how == "twice":
            time.sleep(NOTICE / 2)
            signal.tell(machine, time.time())
        time.sleep(max(told.said + NOTICE - time.time(), 0))
        world.power_off(told)
        if how == "late":  # the network, the queue or the API server was slow
            time.sleep(2)
            signal.tell(machine, told.said)
        time.sleep(3)
        if signal.source == "karpenter":
            machine.delete_claim()
            machine.release()
        world.delete_node(told)
    assert_reclaim(world, told, signal.source, announced=True, lead=how != "late" or signal.dated)
    assert told.counts[f"disruption_notices_total notice {signal.source}"] == 1
    world.assert_nothing_false()


@pytest.mark.full
@pytest.mark.parametrize("node", [ONE, TWO])
def test_b_a_managed_group_without_a_handler_cordons_and_drains_and_the_node_goes(
    lab: Cluster, shared_kafka: Kafka, deploy: Deployer, node: str
):
    world = beside(lab, shared_kafka, deploy)
    with world.reclaim(node, "eks") as told:
        machine = world.machine(node)
        told.said = time.time()
        machine.drain(seconds=10)  # the budget lets go of one broker only
        world.power_off(told)
        world.delete_node(told)
    assert_reclaim(world, told, "kubernetes", announced=True, lead=True)
    world.assert_nothing_false()


def assert_reclaim(world: World, told: Reclaim, source: str, *, announced: bool, lead: bool) -> None:
    """The node's end was one incident, a reclaim, with all its brokers; and the lead time is that of our own clock."""
    assert (told.incident["cause"], told.incident["verdict"]) == ("spot", "passed"), told.incident
    assert told.incident["nodes"] == [told.node]
    assert set(told.incident["brokers"]) == told.brokers
    assert told.incident["lost"] == told.incident["duplicated"] == 0
    assert (told.disruption["cause"], told.disruption["outcome"]) == ("spot", "lost")
    assert set(told.disruption["brokers"]) == told.brokers
    assert (told.disruption["announced"], told.disruption["source"]) == (announced, source if announced else None)
    expected = {f"node_disruptions_total {str(announced).lower()} spot": 1}
    assert {name: count for name, count in told.counts.items() if name.startswith("node_disruptions")} == expected
    restarts = {name: count for name, count in told.counts.items() if name.startswith("broker_restarts")}
    assert restarts == {"broker_restarts_total spot": len(told.brokers)}
    assert {name for name in told.counts if name.startswith("incidents_total")} == {"incidents_total spot passed"}
    leads = {name for name in told.counts if name.startswith("disruption_lead")}
    if not lead:
        assert leads == set()
        return
    assert told.said is not None
    assert told.lost is not None
    assert told.counts[f"disruption_lead_seconds_count {source}"] == 1
    measured, ours = told.counts[f"disruption_lead_seconds_sum {source}"], told.lost - told.said
    world.say(told, f"lead time: {measured:.2f} s, by our own clock {ours:.2f} s")
    assert measured == pytest.approx(ours, abs=EXACT)


# --- c: unannounced


@pytest.mark.full  # in CI, test_two_on_a_node.py has one
@pytest.mark.parametrize(("provider", "cause"), [("eks", "spot"), ("eks-on-demand", "node_failure")])
def test_c_a_loss_without_a_word_is_what_the_label_says(
    lab: Cluster, shared_kafka: Kafka, deploy: Deployer, provider: str, cause: str
):
    world = beside(lab, shared_kafka, deploy)
    with world.reclaim(ONE, provider) as told:
        world.power_off(told)
        time.sleep(5)
        world.delete_node(told)
    assert (told.incident["cause"], told.incident["verdict"]) == (cause, "passed"), told.incident
    assert set(told.incident["brokers"]) == told.brokers
    assert told.disruption["announced"] is False
    told_late = {name: count for name, count in told.counts.items() if name.startswith("disruption_notices_total gone")}
    assert told.counts == {
        f"node_disruptions_total false {cause}": 1,
        f"broker_restarts_total {cause}": len(told.brokers),
        f"incidents_total {cause} passed": 1,
        **told_late,
    }
    world.assert_nothing_false()


@pytest.mark.full
def test_c_a_consolidation_is_a_drain_and_no_reclaim(lab: Cluster, shared_kafka: Kafka, deploy: Deployer):
    world = beside(lab, shared_kafka, deploy)
    with world.reclaim(ONE, "karpenter") as told:
        machine = world.machine(ONE)
        machine.make_claim()
        told.said = time.time()
        machine.claim_condition("DisruptionReason", "Underutilized")
        machine.event("DisruptionTerminating", "karpenter", "Disrupting Node: Underutilized/Delete", normal=True)
        machine.delete_claim()
        machine.taint("karpenter.sh/disrupted")
        machine.drain(seconds=20)
        world.power_off(told)
        machine.release()
    assert (told.incident["cause"], told.incident["verdict"]) == ("drain", "passed"), told.incident
    assert (told.disruption["cause"], told.disruption["announced"]) == ("drain", True)
    assert told.counts["node_disruptions_total true drain"] == 1
    assert told.counts["broker_restarts_total drain"] == 1
    assert not [name for name in told.counts if "spot" in name]
    world.assert_nothing_false()
