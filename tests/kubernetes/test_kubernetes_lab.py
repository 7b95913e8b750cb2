"""Each verb of the lab does what it says."""

from __future__ import annotations

import contextlib
import itertools
import urllib.request
from collections.abc import Iterator

import pytest
from tests.kubernetes.lab import images
from tests.kubernetes.lab.access import RefusedError
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
    lab.api.create(STATEFUL_SETS, web(name, "n2", "/mnt/disks/d1"))
    found = Web(lab, name)
    lab.wait(lambda: found.ready, SECONDS, "the pod ready")
    yield found
    lab.api.delete(f"{STATEFUL_SETS}/{name}", {"propagationPolicy": "Background"})
    lab.api.delete(f"{PODS}/{name}-0", {"gracePeriodSeconds": 0})


def test_nodes_are_ready_in_their_zones(lab: Cluster) -> None:
    nodes = lab.api.list("/api/v1/nodes")
    zones = {each["metadata"]["name"]: each["metadata"]["labels"]["topology.kubernetes.io/zone"] for each in nodes}
    assert zones == {"n1": "z1", "n2": "z2", "n3": "z3", "n4": "z1"}
    assert all(lab.is_ready(node) for node in lab.nodes)


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
    lab.stop_api()
    with pytest.raises(LabError, match="got no answer"):
        lab.api.list("/api/v1/nodes")
    lab.start_api()
    assert len(lab.api.list("/api/v1/nodes")) == len(lab.nodes)


def test_a_dead_kubelet_leaves_the_containers_alive(lab: Cluster, pod: Web) -> None:
    lab.stop_kubelet("n2")
    try:
        lab.wait(lambda: not lab.is_ready("n2"), SECONDS, "n2 not ready")
        assert ask(pod.address) == "start\n"
    finally:
        lab.start_kubelet("n2")
    lab.wait(lambda: lab.is_ready("n2"), SECONDS, "n2 ready")
