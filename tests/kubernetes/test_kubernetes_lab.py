"""Each verb of the lab does what it says."""

from __future__ import annotations

import contextlib
import itertools
import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from tests.kubernetes.lab import images, teardown
from tests.kubernetes.lab.access import Access, RefusedError
from tests.kubernetes.lab.build import ROOT
from tests.kubernetes.lab.cluster import Cluster

from kafka_sentinel.lab.errors import LabError

PODS = "/api/v1/namespaces/default/pods"
STATEFUL_SETS = "/apis/apps/v1/namespaces/default/statefulsets"
NUMBERS = itertools.count(1)  # no name is used twice
SECONDS = 60.0  # for anything to happen
SILENCE = 1.0  # seconds without an answer that are silence
PAGE = "/index.html"


def web(name: str, node: str, folder: str) -> dict:
    """Return a StatefulSet of one pod on a node, that serves a node-local folder and adds a line to it as it starts."""
    container = {
        "name": "web",
        "image": images.BUSYBOX,
        "imagePullPolicy": "IfNotPresent",
        "command": ["sh", "-c", f"echo start >> /data{PAGE}; exec httpd -f -p 8080 -h /data"],
        "volumeMounts": [{"name": "data", "mountPath": "/data"}],
        "readinessProbe": {"tcpSocket": {"port": 8080}, "periodSeconds": 1},
    }
    pod = {
        "nodeSelector": {"kubernetes.io/hostname": node},
        "terminationGracePeriodSeconds": 1,
        "containers": [container],
        "volumes": [{"name": "data", "hostPath": {"path": folder}}],
    }
    return {
        "metadata": {"name": name},
        "spec": {
            "serviceName": name,
            "selector": {"matchLabels": {"app": name}},
            "template": {"metadata": {"labels": {"app": name}}, "spec": pod},
        },
    }


class Web:
    """The one pod of such a StatefulSet."""

    def __init__(self, lab: Cluster, name: str) -> None:
        self._lab = lab
        self.name = name

    @property
    def ready(self) -> bool:
        with contextlib.suppress(RefusedError):
            status = self._lab.api.get(f"{PODS}/{self.name}-0")["status"]
            return any(each == {**each, "type": "Ready", "status": "True"} for each in status.get("conditions", []))
        return False

    @property
    def uid(self) -> str:
        return self._lab.api.get(f"{PODS}/{self.name}-0")["metadata"]["uid"]

    @property
    def address(self) -> str:
        return self._lab.api.get(f"{PODS}/{self.name}-0")["status"]["podIP"]


def ask(address: str) -> str:
    """Return what the pod at `address` serves. Raises OSError, TimeoutError if there is silence."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(f"http://{address}:8080{PAGE}", timeout=SILENCE) as answer:
        return answer.read().decode()


def is_silent(address: str) -> bool:
    """Tell whether nothing at all comes back: no page, no refusal, no word of an unreachable host."""
    try:
        ask(address)
    except TimeoutError:
        return True
    except OSError as error:
        return isinstance(getattr(error, "reason", None), TimeoutError)
    return False


@pytest.fixture
def pod(lab: Cluster) -> Iterator[Web]:
    """A pod on n2 that keeps its page on disk d1."""
    name = f"web{next(NUMBERS)}"
    lab.wipe_disk("n2", "d1")
    ports = {"clusterIP": "None", "selector": {"app": name}, "ports": [{"port": 8080}]}
    lab.api.create("/api/v1/namespaces/default/services", {"metadata": {"name": name}, "spec": ports})
    lab.api.create(STATEFUL_SETS, web(name, "n2", "/mnt/disks/d1"))
    found = Web(lab, name)
    lab.wait(lambda: found.ready, SECONDS, "the pod ready")
    yield found
    lab.api.delete(f"/api/v1/namespaces/default/services/{name}")
    lab.api.delete(f"{STATEFUL_SETS}/{name}", {"propagationPolicy": "Background"})
    lab.api.delete(f"{PODS}/{name}-0", {"gracePeriodSeconds": 0})


def test_a_cluster_answers_its_admin(cluster: Access) -> None:
    names = cluster.kubectl("get", "nodes", "-o", "jsonpath={.items[*].metadata.name}").split()
    assert tuple(names) == cluster.nodes
    with pytest.raises(RefusedError, match="404 NotFound") as caught:
        cluster.api.get("/api/v1/nodes/none")
    assert caught.value.status == 404


@pytest.mark.full
@pytest.mark.parametrize(("ci", "outcome"), [("", "1 skipped"), ("true", "1 error")])
def test_of_a_cluster_that_is_given_no_power_is_taken_and_it_is_said_why(lab: Cluster, ci: str, outcome: str) -> None:
    chosen = ["-k", "answers_its_admin or ready_in_their_zones"]
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "pytest",
            "-q",
            "-rsE",
            "-p",
            "no:randomly",
            __file__,
            "--kubeconfig",
            str(lab.kubeconfig),
            *chosen,
        ],
        cwd=ROOT,
        env={**os.environ, "CI": ci, "FULL": "0"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert "1 passed" in done.stdout, done.stdout + done.stderr
    assert outcome in done.stdout
    assert "it switches nodes off, which it can do only to a cluster of the lab's own" in done.stdout


def test_nodes_are_ready_in_their_zones(lab: Cluster) -> None:
    nodes = lab.api.list("/api/v1/nodes")
    zones = {each["metadata"]["name"]: each["metadata"]["labels"]["topology.kubernetes.io/zone"] for each in nodes}
    assert zones == {"n1": "z1", "n2": "z2", "n3": "z3", "n4": "z1"}
    assert all(lab.is_ready(node) for node in lab.nodes)


@pytest.mark.full
def test_a_killed_node_is_silent_and_its_pod_returns_on_its_volume_after_boot(lab: Cluster, pod: Web) -> None:
    address = pod.address
    assert ask(address) == "start\n"
    lab.kill_node("n2")
    assert is_silent(address)
    assert not lab.is_on("n2")
    lab.wait(lambda: not lab.is_ready("n2"), SECONDS, "n2 not ready")
    lab.start_node("n2")
    lab.wait(lambda: lab.is_ready("n2") and pod.ready, SECONDS, "n2 and its pod ready")
    assert ask(pod.address) == "start\nstart\n"


@pytest.mark.full
def test_a_partition_is_silent_and_ends(lab: Cluster, pod: Web) -> None:
    lab.partition("n2")
    try:
        assert is_silent(pod.address)
        lab.wait(lambda: not lab.is_ready("n2"), SECONDS, "n2 not ready")
    finally:
        lab.heal("n2")
    lab.wait(lambda: lab.is_ready("n2") and pod.ready, SECONDS, "n2 and its pod ready")


def test_a_frozen_node_stands_still_and_goes_on_where_it_was(lab: Cluster, pod: Web) -> None:
    before = pod.uid
    lab.freeze("n2")
    try:
        assert is_silent(pod.address)
    finally:
        lab.thaw("n2")
    assert ask(pod.address) == "start\n"
    assert pod.uid == before


def test_the_api_server_goes_and_comes_back(lab: Cluster) -> None:
    with lab.without_api(), pytest.raises(LabError, match="got no answer"):
        lab.api.list("/api/v1/nodes")
    assert len(lab.api.list("/api/v1/nodes")) == len(lab.nodes)


@pytest.mark.full
def test_a_dead_kubelet_leaves_the_containers_alive(lab: Cluster, pod: Web) -> None:
    lab.stop_kubelet("n2")
    try:
        lab.wait(lambda: not lab.is_ready("n2"), SECONDS, "n2 not ready")
        assert ask(pod.address) == "start\n"
    finally:
        lab.start_kubelet("n2")
    lab.wait(lambda: lab.is_ready("n2"), SECONDS, "n2 ready")


def test_a_wiped_disk_is_empty(lab: Cluster) -> None:
    lab.exec_node("n3", "sh", "-c", "mkdir -p /mnt/disks/d2/log && echo kept > /mnt/disks/d2/log/0")
    assert (lab.disk("n3", "d2") / "log" / "0").read_text() == "kept\n"
    lab.wipe_disk("n3", "d2")
    assert lab.exec_node("n3", "ls", "-A", "/mnt/disks/d2") == ""
    with pytest.raises(LabError, match="no disk d3; its disks are d1, d2"):
        lab.wipe_disk("n3", "d3")


@pytest.mark.full
def test_a_deleted_node_returns_as_another_one_with_the_labels_it_boots_with(lab: Cluster) -> None:
    before = lab.api.get("/api/v1/nodes/n4")["metadata"]["uid"]
    lab.kill_node("n4")
    lab.delete_node("n4")
    with pytest.raises(LabError, match="node n4 is off"):
        lab.exec_node("n4", "true")
    lab.start_node("n4", labels={"example.com/born": "again"})
    lab.wait(lambda: lab.is_ready("n4"), SECONDS, "n4 ready")
    found = lab.api.get("/api/v1/nodes/n4")["metadata"]
    assert found["uid"] != before
    assert found["labels"]["example.com/born"] == "again"
    lab.node_labels("n4", {"example.com/born": None})
    assert "example.com/born" not in lab.api.get("/api/v1/nodes/n4")["metadata"]["labels"]


@pytest.mark.full
def test_a_process_of_the_host_resolves_the_names_of_pods(lab: Cluster, pod: Web) -> None:
    ask_name = f"import socket; print(socket.gethostbyname('{pod.name}-0.{pod.name}.default.svc.cluster.local'))"
    found = ""
    deadline = time.monotonic() + SECONDS
    while not found and time.monotonic() < deadline:  # the name server hears of the pod a moment later
        with lab.popen([sys.executable, "-c", ask_name], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
            found = process.stdout.read().decode().strip()
    assert found == pod.address


OWNER = """
import sys, time
from tests.kubernetes.lab.build import ROOT
from tests.kubernetes.lab.cluster import Cluster
lab = Cluster(1, name=sys.argv[1])
lab.up()
print(lab.plan.tag, lab.plan.folder, lab._guardian._process.pid, flush=True)
time.sleep(600)
"""


@dataclass(frozen=True)
class SecondLab:
    owner: subprocess.Popen[str]
    tag: str
    folder: Path
    guardian: int

    @property
    def remains(self) -> list[str]:
        return teardown.remains(self.folder, self.tag)


@pytest.fixture
def second_lab() -> Iterator[SecondLab]:
    """A small lab beside the other one, owned by a process of its own."""
    with subprocess.Popen(
        [sys.executable, "-c", OWNER, f"second-{os.getpid()}"], cwd=ROOT, stdout=subprocess.PIPE, text=True
    ) as owner:
        tag, folder, guardian = owner.stdout.readline().split()
        yield SecondLab(owner, tag, Path(folder), int(guardian))
        owner.kill()


@pytest.mark.full
def test_the_guardian_of_a_killed_owner_leaves_nothing(lab: Cluster, second_lab: SecondLab) -> None:
    kinds = {line.split()[0] for line in second_lab.remains}
    assert kinds == {"process", "link", "network", "control", "folder"}
    second_lab.owner.kill()
    lab.wait(lambda: not second_lab.remains, SECONDS, lambda: second_lab.remains)
    assert all(lab.is_ready(node) for node in lab.nodes)


@pytest.mark.full
def test_what_a_killed_guardian_left_goes_when_the_next_lab_is_put_up(lab: Cluster, second_lab: SecondLab) -> None:
    os.kill(second_lab.guardian, signal.SIGKILL)
    second_lab.owner.kill()
    second_lab.owner.wait()
    assert second_lab.remains
    assert second_lab.folder in teardown.sweep_left_overs()
    assert second_lab.remains == []
    assert all(lab.is_ready(node) for node in lab.nodes)


@pytest.mark.full
def test_down_leaves_nothing(lab: Cluster) -> None:
    with Cluster(1, name=f"third-{os.getpid()}") as third:
        assert third.plan.tag != lab.plan.tag
        with pytest.raises(LabError, match="is up already"):
            Cluster(1, name=f"third-{os.getpid()}").up()
    assert teardown.remains(third.plan.folder, third.plan.tag) == []
