"""The Kubernetes Events that are left: on each pod that is hit, on Kafka at the end of an incident, and no others."""

from __future__ import annotations

import pytest
from tests.core.kubernetes.raw import meta
from tests.core.kubernetes_world import NOTICE, KubernetesWorld, broker, broker_name

from kafka_sentinel.core.commands import LeaveEvent
from kafka_sentinel.core.events import FaultAnnounced, FaultInjected
from kafka_sentinel.core.experiment_run import Run
from kafka_sentinel.core.kubernetes.notes import of_fault, of_incident
from kafka_sentinel.core.kubernetes.objects import Kind
from kafka_sentinel.core.types import Instant, ObjectRef, PodRef

AT = Instant(1.0, 1.79e9)
PODS = (PodRef("kafka", "b-1", "u-1", 1), PodRef("kafka", "b-2", "u-2", 2), PodRef("kafka", "zoo-0", "u-3", None))
RUN = Run("kill-1", "kill", "pod-crash", (1, 2), 10.0, 0.0, 0.0, PODS)


class Noting(KubernetesWorld):
    def __init__(self, **sections):
        self.notes = []
        super().__init__(**sections)

    def step(self, event):
        commands = super().step(event)
        self.notes += [command for command in commands if isinstance(command, LeaveEvent)]
        return commands


def reclaimed(world):
    """A node goes after a notice, its broker comes back elsewhere, and the incident is closed."""
    world.run(20)
    world.taint("n1", NOTICE)
    world.run(5)
    world.dead |= {1}
    world.run(9)
    world.lose(1, leader=2)
    world.run(20)
    world.drop(Kind.NODE, "n1")
    world.run(5)
    world.delete_pod(1)
    world.make_pod(1, "n9")
    world.dead.clear()
    world.listed = (1, 2, 3)
    world.run(90)
    [incident] = world.incidents
    assert incident["state"] == "closed"
    return incident


def test_each_pod_that_was_hit_is_told_of_and_no_other():
    notes = of_fault(FaultInjected(AT, "kill-1", (1,)), RUN)
    assert [note.about for note in notes] == [
        ObjectRef("v1", "Pod", "kafka", "b-1", "u-1"),
        ObjectRef("v1", "Pod", "kafka", "zoo-0", "u-3"),
    ]
    assert {(note.reason, note.message, note.warning, note.at) for note in notes} == {
        ("KafkaSentinelInjected", "pod-crash by experiment kill (run kill-1)", False, AT)
    }


def test_each_pod_that_is_to_be_hit_is_told_of_at_the_notice():
    notes = of_fault(FaultAnnounced(AT, "kill-1"), RUN)
    assert [note.about.name for note in notes] == ["b-1", "b-2", "zoo-0"]
    assert {note.reason for note in notes} == {"KafkaSentinelAnnounced"}


def kafka_resource():
    return {"apiVersion": "kafka.strimzi.io/v1", "metadata": meta("orders", "kafka"), "status": {}}


def test_the_end_of_an_incident_is_told_of_once_on_the_kafka_resource():
    world = Noting()
    world.put(Kind.KAFKA, kafka_resource())
    incident = reclaimed(world)
    [note] = world.notes
    assert note.about[:4] == ("kafka.strimzi.io/v1", "Kafka", "kafka", "orders")
    assert (note.reason, note.warning) == ("KafkaSentinelIncident", incident["verdict"] != "passed")
    full = incident["phases"]["full"]
    assert note.message.startswith(
        f"{incident['id']}, spot: {incident['verdict']}; 0 acknowledged records lost; recovered after {full:.1f} s ("
    )
    assert "; brokers 1; nodes n1" in note.message
    world.run(120)
    assert len(world.notes) == 1


def test_without_a_kafka_resource_it_is_told_of_on_the_stateful_set():
    world = Noting()
    for number in (1, 2, 3):
        raw = broker(number, f"n{number}")
        owner = {"kind": "StatefulSet", "name": "orders-broker", "uid": "set-uid", "controller": True}
        raw["metadata"]["ownerReferences"] = [owner]
        world.put(Kind.POD, raw)
    reclaimed(world)
    assert [note.about for note in world.notes] == [
        ObjectRef("apps/v1", "StatefulSet", "kafka", "orders-broker", "set-uid")
    ]


def test_where_neither_may_be_seen_it_is_told_of_on_the_first_brokers_pod():
    world = Noting()
    reclaimed(world)
    [note] = world.notes
    assert (note.about.kind, note.about.name) == ("Pod", broker_name(1))


def test_where_no_pod_is_seen_nothing_is_left():
    world = Noting()
    world.run(20)
    world.taint("n1", NOTICE)
    world.run(5)
    [incident], desk = world.engine.incidents.open, world.engine.kubernetes.desk
    assert len(of_incident(incident, desk.fleet, desk.inventory, AT)) == 1
    for number in (1, 2, 3):
        world.drop(Kind.POD, broker_name(number))
    world.run(1)
    assert of_incident(incident, desk.fleet, desk.inventory, AT) == []


@pytest.mark.parametrize("targets", [(), (9,)])
def test_a_fault_that_hit_nobody_we_know_is_told_of_on_pods_without_an_id_only(targets):
    notes = of_fault(FaultInjected(AT, "kill-1", targets), RUN)
    assert [note.about.name for note in notes] == ["zoo-0"]
