"""The Kubernetes Events that are left: on each pod that is hit, on Kafka at the end of an incident, and no others."""

from __future__ import annotations

from typing import ClassVar

import pytest
from tests.core.kubernetes.fleets import broker_pod, fleet
from tests.core.kubernetes.raw import Watches, meta, pod
from tests.core.kubernetes_world import NOTICE, KubernetesWorld, broker, broker_name

from kafka_sentinel.core.commands import LeaveEvent
from kafka_sentinel.core.events import FaultAnnounced, FaultInjected
from kafka_sentinel.core.experiment_run import Run
from kafka_sentinel.core.incident import Cause, Verdict
from kafka_sentinel.core.kubernetes.notes import STRIMZI, of_fault, of_incident
from kafka_sentinel.core.kubernetes.objects import Kind, parse
from kafka_sentinel.core.types import Acks, Instant, ObjectRef, PodRef

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


# --- word for word


class Ended:
    """An incident that is over, as far as it is told of."""

    id, cause, verdict = "i-1", Cause.SPOT, Verdict.FAILED
    lost: ClassVar = {Acks.ALL: 2}
    brokers: ClassVar = {3, 1}
    nodes: ClassVar = {"u-2": "n2", "u-1": "n1"}
    reasons = ("it took too long",)
    took: ClassVar = {"produce": 3.25, "consume": None, "isr": 20.0, "full": 21.0}

    def phases(self):
        return dict(self.took)


def told_of(incident, fleet_view=None, *objects):
    watches = Watches(*objects)
    [note] = of_incident(incident, fleet_view or fleet(broker_pod(1)), watches.inventory, AT)
    return note


def test_an_incident_is_summed_up_in_one_line():
    assert told_of(Ended()).message == (
        "i-1, spot: failed; 2 acknowledged records lost; recovered after 21.0 s (produce 3.2 s, isr 20.0 s); "
        "brokers 1, 3; nodes n1, n2; it took too long"
    )
    bare = Ended()
    bare.took, bare.nodes, bare.brokers, bare.reasons = {"produce": None, "full": None}, {}, set(), ()
    assert told_of(bare).message == (
        "i-1, spot: failed; 2 acknowledged records lost; recovery was not measured; brokers none"
    )


@pytest.mark.parametrize(("verdict", "warning"), [*((one, one is not Verdict.PASSED) for one in Verdict)])
def test_what_did_not_pass_is_a_warning(verdict, warning):
    incident = Ended()
    incident.verdict = verdict
    assert told_of(incident).warning is warning


@pytest.mark.parametrize(("version", "shown"), [("kafka.strimzi.io/v1", "kafka.strimzi.io/v1"), ("", STRIMZI)])
def test_the_kafka_resource_is_named_by_its_version(version, shown):
    kafka = parse(Kind.KAFKA, {**kafka_resource(), "apiVersion": version})
    assert told_of(Ended(), fleet(kafka=kafka)).about == ObjectRef(shown, "Kafka", "kafka", "orders", "uid-orders")


@pytest.mark.parametrize(
    ("owners", "about"),
    [
        (["StrimziPodSet", "StatefulSet"], ObjectRef("apps/v1", "StatefulSet", "kafka", "s", "u")),
        (["StrimziPodSet"], ObjectRef("v1", "Pod", "kafka", "orders-kafka-1", "uid-orders-kafka-1")),
        (None, ObjectRef("v1", "Pod", "kafka", "orders-kafka-1", "uid-orders-kafka-1")),  # it is gone by now
    ],
)
def test_else_the_stateful_set_is_named_or_the_pod(owners, about):
    objects = []
    if owners is not None:
        references = [{"kind": kind, "name": "s", "uid": "u"} for kind in owners]
        objects = [(Kind.POD, pod("orders-kafka-1", ownerReferences=references))]
    assert told_of(Ended(), None, *objects).about == about
