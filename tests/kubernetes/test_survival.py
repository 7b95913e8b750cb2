"""What a release lives through: its node emptied or silent, no API server, its clock stepped, no broker for ten
minutes, a disk that is full.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import datetime
from pathlib import Path

import pytest
from tests.chart import helm as programs
from tests.kafka.sentinel import assert_identities
from tests.kubernetes.deploy import images, objects
from tests.kubernetes.deploy.clock import Clock
from tests.kubernetes.deploy.kafka import Kafka
from tests.kubernetes.deploy.layout import CONTROLLER_NODE
from tests.kubernetes.deploy.release import SECONDS, Release, installed
from tests.kubernetes.deploy.sentinel import sample
from tests.kubernetes.deploy.waiting import wait_for
from tests.kubernetes.lab.cluster import Cluster
from tests.kubernetes.pod_record import PodRecord, recorded

pytestmark = pytest.mark.full
HELM = programs.MAJORS[0]
FREE_NODE = "n3"  # without a broker, where two share a node
SETTLED = 100  # records
HOUR = 3_600  # seconds
AWAY = 600.0  # seconds without a broker
NO_API = 60.0  # seconds without the API server: a Lease has run out by then
BACK = 60.0  # seconds in which three brokers have started, on a busy machine
WIDE = {"produce": "6s", "consume": "9s"}  # a slow machine is no incident
STATE = "/var/lib/kafka-sentinel"
SAVED = 5.0  # seconds between two writes to a state file
KEPT = 60.0  # the same to a ConfigMap
FILL = f"""
try:
    with open("{STATE}/fill", "wb", buffering=0) as file:
        while file.write(bytes(4096)):
            pass
except OSError as error:
    print(error.strerror)
"""


def verified(release: Release, more_than: int, seconds: float = SECONDS) -> dict:
    """Wait until there are so many verified records, and return the snapshot. None is lost or unaccounted for."""
    found = release.wait_for(
        lambda status: status["records"]["all"]["verified"] > more_than, f"more than {more_than} verified", seconds
    )
    figures = found["records"]["all"]
    assert_identities(figures)
    assert (figures["lost"], figures["unaccounted"], figures["duplicated"]) == (0, 0, 0)
    return found


def restarts(release: Release) -> int:
    (pod,) = release.pods()
    (container,) = pod["status"]["containerStatuses"]
    return container["restartCount"]


@contextmanager
def cordoned(lab: Cluster, node: str) -> Iterator[None]:
    lab.kubectl("cordon", node)
    try:
        yield
    finally:
        lab.kubectl("uncordon", node)


def evict(lab: Cluster, pod: dict) -> None:
    head = {"name": pod["metadata"]["name"], "namespace": pod["metadata"]["namespace"]}
    path = f"{objects.pods_path(head['namespace'])}/{head['name']}/eviction"
    lab.api.create(path, {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": head})


def end_of(record: PodRecord, name: str) -> dict:
    """Return how the container of a pod ended, once it has."""
    for seen in record.events(name):
        for container in seen.pod["status"].get("containerStatuses", []):
            if "terminated" in container["state"]:
                return container["state"]["terminated"]
    return {}


def test_evicted_from_its_node_it_ends_in_time_and_goes_on_elsewhere(lab: Cluster, kafka: Kafka, tmp_path: Path):
    images.sentinel_image().load(lab, lab.nodes)
    with installed(kafka, HELM, tmp_path, forgetting=True, nodeSelector={}) as release:
        before = verified(release, SETTLED)
        wait_for(lambda: all(map(objects.is_ready, release.pods())), "its pod to be ready", SECONDS)
        (pod,) = release.pods()
        name = pod["metadata"]["name"]
        assert pod["spec"]["nodeName"] == CONTROLLER_NODE, "the only node that is not spot"
        with recorded(kafka, [name]) as record, cordoned(lab, CONTROLLER_NODE):
            evict(lab, pod)
            ended = wait_for(lambda: end_of(record, name), "its container to end", SECONDS)
            assert ended["exitCode"] == 0, ended  # by itself, within its grace period: else it would be 137
            after = release.wait_for(lambda status: status["run"] != before["run"], "another life of it", SECONDS)
            (pod,) = release.there()
            assert pod["spec"]["nodeName"] != CONTROLLER_NODE
            more = verified(release, before["records"]["all"]["verified"] + SETTLED)
        stopped = datetime.fromisoformat(ended["finishedAt"]).timestamp()  # in whole seconds
        assert more["blind_seconds"] - before["blind_seconds"] >= after["started_at"] - stopped - 1
        assert [each for each in more["incidents"] if each["opened_at"] > stopped] == []


@pytest.mark.parametrize("how", ["power", "network"])
def test_on_a_node_that_falls_silent_it_goes_on_elsewhere_by_the_charts_own_values(
    lab: Cluster, shared_kafka: Kafka, tmp_path: Path, how: str
):
    """On a node that is only cut off the old pod lives on, until it is heard of again."""
    take, give_back = {"power": (lab.kill_node, lab.start_node), "network": (lab.partition, lab.heal)}[how]
    images.sentinel_image().load(lab, lab.nodes)
    with ExitStack() as stack:
        with cordoned(lab, CONTROLLER_NODE):
            more = {"nodeSelector": {}, "settings": {"slo": WIDE}}
            release = stack.enter_context(installed(shared_kafka, HELM, tmp_path, forgetting=True, **more))
            before = verified(release, SETTLED)
        (pod,) = release.pods()
        assert pod["spec"]["nodeName"] == FREE_NODE
        began = time.time()
        take(FREE_NODE)
        silent = time.time()
        try:
            after = release.wait_for(
                lambda status: status["health"] != "standby" and status["run"] != before["run"],
                "another life of it, that has the Lease",
                2 * SECONDS,
            )
            (pod,) = release.there()
            assert pod["spec"]["nodeName"] == CONTROLLER_NODE, "the only node that is not spot"
            found = verified(release, before["records"]["all"]["verified"] + SETTLED)
            blind = found["blind_seconds"] - before["blind_seconds"]
            assert after["started_at"] - silent <= blind <= found["now"] - began + KEPT
            assert [each for each in found["incidents"] if each["opened_at"] > began] == []
        finally:
            give_back(FREE_NODE)
        wait_for(lambda: len(release.pods()) == 1, "the old pod to end", SECONDS)
        last = verified(release, found["records"]["all"]["verified"] + SETTLED)
        assert (last["run"], restarts(release)) == (after["run"], 0)
        assert [each for each in last["incidents"] if each["opened_at"] > began] == []


def watching(status: dict) -> set[str]:
    """Return the resources that it can watch now, as it says."""
    return {each["resource"] for each in status["kubernetes"]["watches"] if each["problem"] is None}


def test_without_the_api_server_it_probes_on_says_so_and_sees_again_afterwards(
    lab: Cluster, patient_kafka: Kafka, tmp_path: Path
):
    with installed(patient_kafka, HELM, tmp_path, forgetting=True, settings={"slo": WIDE}) as release:
        before = verified(release, SETTLED)
        wait_for(lambda: all(map(objects.is_ready, release.pods())), "its pod to be ready", SECONDS)
        assert {"pods", "nodes"} <= watching(before)
        with lab.without_api():
            gone = time.time()
            blind = release.wait_for(lambda status: not watching(status), "it to say that it sees nothing", SECONDS)
            while time.time() - gone < NO_API:
                blind = verified(release, blind["records"]["all"]["verified"] + SETTLED)
                assert (blind["health"], blind["incidents"], watching(blind)) == ("ok", [], set())
                assert all((each["synced_at"] or 0) < gone + 1 for each in blind["kubernetes"]["watches"])
        patient_kafka.wait_ready()
        release.wait_for(lambda status: watching(status) == watching(before), "it to see again", SECONDS)
        after = verified(release, blind["records"]["all"]["verified"] + SETTLED)
        assert (after["run"], after["incidents"], restarts(release)) == (before["run"], [], 0)
        assert after["blind_seconds"] == before["blind_seconds"]  # Kafka answered all the time


def test_a_clock_that_is_stepped_is_no_outage_no_loss_and_no_blindness(lab: Cluster, kafka: Kafka, tmp_path: Path):
    clock = Clock(lab, CONTROLLER_NODE)
    with installed(kafka, HELM, tmp_path, forgetting=True, **clock.values()) as release:
        found = before = verified(release, SETTLED)
        for offset in (HOUR, -HOUR, 0):
            clock.set(offset)
            found = verified(release, found["records"]["all"]["verified"] + SETTLED)
            assert found["now"] == pytest.approx(time.time() + offset, abs=HOUR / 10)
        assert (found["health"], found["incidents"], found["blind_seconds"]) == ("ok", [], before["blind_seconds"])
        metrics = release.metrics()
        for operation in ("produce", "consume"):
            assert sample(metrics, "partition_unavailable_seconds_total", operation=operation) == 0
        for latency in ("produce_ack_latency_seconds", "end_to_end_latency_seconds"):
            seen = (sample(metrics, f"{latency}_bucket", acks="all", le=le) for le in ("30.0", "+Inf"))
            assert len(set(seen)) == 1, f"{latency} went by the wall clock"
        assert restarts(release) == 0


@pytest.mark.timeout(AWAY + 900)
def test_without_a_broker_for_ten_minutes_it_measures_that_and_forgets_nothing(patient_kafka: Kafka, tmp_path: Path):
    kafka = patient_kafka  # a kubelet that is silent for a moment, as on a busy machine, costs none of its pods
    with installed(kafka, HELM, tmp_path, forgetting=True) as release:
        before = verified(release, SETTLED)
        kafka.set_operator(alive=False)
        for broker in kafka.brokers:
            kafka.delete_pod(broker)
        release.wait_for(lambda status: not status["kafka"]["reachable"], "no broker to be reached", SECONDS)
        began = time.monotonic()
        while time.monotonic() - began < AWAY:
            status = release.status()
            assert (status["health"], status["kafka"]["reachable"]) == ("incident", False)
            time.sleep(10)
        kafka.set_operator(alive=True)
        kafka.wait_ready()
        away = time.monotonic() - began
        after = release.wait_for(
            lambda status: all(each["closed_at"] for each in status["incidents"]), "no open incident", 2 * SECONDS
        )
        (incident,) = after["incidents"]
        assert incident["cause"] == "pod_deleted", incident["reasons"]
        assert set(incident["brokers"]) == set(kafka.brokers)
        for phase in ("produce", "consume"):
            assert AWAY <= incident["phases"][phase] <= away + BACK, incident["phases"]
            down = sample(release.metrics(), "unavailable_seconds_total", operation=phase)
            assert AWAY <= down <= away + BACK
        assert after["blind_seconds"] == before["blind_seconds"]  # the API server answered all the time
        verified(release, before["records"]["all"]["verified"] + SETTLED)
        assert restarts(release) == 0


def test_with_a_full_disk_it_goes_on_says_so_and_writes_again_once_there_is_room(kafka: Kafka, tmp_path: Path):
    volume = {"name": "state", "emptyDir": {"medium": "Memory", "sizeLimit": "1Mi"}}
    more = {"extraVolumes": [volume], "extraVolumeMounts": [{"name": "state", "mountPath": STATE}]}
    settings = {"state": {"file": f"{STATE}/state.json"}}
    with installed(kafka, HELM, tmp_path, settings=settings, **more) as release:

        def saved() -> float:
            return sample(release.metrics(), "checkpoint_last_success_timestamp_seconds")

        before = verified(release, SETTLED)
        filled = release.exec("python3", "-c", FILL)
        assert filled.stdout.strip() == "No space left on device", filled.stdout + filled.stderr
        last = saved()
        wait_for(lambda: "No space left on device" in release.logs(), "it to say so", SECONDS)
        full = verified(release, before["records"]["all"]["verified"] + SETTLED)
        assert full["health"] == "ok"
        assert saved() <= last + SAVED
        emptied = release.exec("python3", "-c", f"import os; os.remove('{STATE}/fill')")
        assert emptied.returncode == 0, emptied.stderr
        wait_for(lambda: saved() > last + SAVED, "the state to be written again", SECONDS)
        assert restarts(release) == 0
