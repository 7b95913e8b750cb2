"""What the documents tell people to type to kubectl, word for word, beside a release installed as they tell to.

Names that stand for others (NODE, POD, a port) are replaced, and nothing else.
"""

from __future__ import annotations

import json
import os
import shlex
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.request import urlopen

import pytest
from tests.chart import helm as programs
from tests.kubernetes.deploy.kafka import Kafka
from tests.kubernetes.deploy.release import SECONDS, Release, installed
from tests.kubernetes.deploy.waiting import wait_for
from tests.kubernetes.injections import experiment
from tests.kubernetes.lab.build import BIN
from tests.kubernetes.lab.cluster import Cluster
from tests.typed import typed

from kafka_sentinel.core.kubernetes.kept import RECLAIM
from kafka_sentinel.lab.errors import LabError

NODE, PORT = "n2", 9464
KEPT = ("cluster-autoscaler.kubernetes.io/scale-down-disabled", "karpenter.sh/do-not-disrupt")
NOTHING = {"taints": [], "labels": [], "annotations": []}


@pytest.mark.full
def test_what_is_typed_to_kubectl_is_done(lab: Cluster, kafka: Kafka, tmp_path: Path):
    assert kafka.namespace == "kafka", "as the documents have it"
    settings = {"experiments": {"items": [experiment("kill", "pod-delete", "leader:0")]}}
    with installed(kafka, programs.MAJORS[0], tmp_path, forgetting=True, settings=settings) as release:
        wait_for(lambda: release.verified() > 0, "the first verified record", SECONDS)
        restarted(release)
        with marked(lab):
            said = {each: done(lab, kafka, each) for each in typed("kubectl") if "port-forward" not in each}
            assert NODE in said["kubectl get nodes -l kafka-sentinel.io/reclaim"]
            assert marks(lab) == NOTHING
        checked = [text for command, text in said.items() if command.endswith("-- kafka-sentinel check")]
        assert ["OK    kafka: " in text for text in checked] == [True]
        wait_for(lambda: not release.status()["experiments"]["paused"], "the pause to be over", SECONDS)
        [forward] = [command for command in typed("kubectl") if "port-forward" in command]
        with forwarded(lab, forward) as port:
            address = f"http://localhost:{port}/api/v1/status"
            assert wait_for(lambda: fetched(address), "an answer through the forwarded port", SECONDS)["health"]


def restarted(release: Release) -> None:
    """Have the daemon's container ended and started again: there is a log of the one before."""
    release.exec("python3", "-c", "import os, signal; os.kill(1, signal.SIGTERM)")
    wait_for(lambda: restarts(release) > 0 and release.status(), "the container to be back", SECONDS)


def restarts(release: Release) -> int:
    return sum(each["restartCount"] for pod in release.there() for each in pod["status"].get("containerStatuses", []))


@contextmanager
def marked(lab: Cluster) -> Iterator[None]:
    """Leave a node marked, as a Sentinel that is gone would; if nobody else takes it off, the end does."""
    lab.kubectl("taint", "node", NODE, f"{RECLAIM}=run:NoSchedule")
    lab.kubectl("label", "node", NODE, f"{RECLAIM}=run")
    lab.kubectl("annotate", "node", NODE, f"{RECLAIM}=run", *(f"{each}=true" for each in KEPT))
    try:
        yield
    finally:
        with suppress(LabError):  # there is no such taint any more
            lab.kubectl("taint", "node", NODE, f"{RECLAIM}-")
        lab.kubectl("label", "node", NODE, f"{RECLAIM}-")
        lab.kubectl("annotate", "node", NODE, f"{RECLAIM}-", *(f"{each}-" for each in KEPT))


def marks(lab: Cluster) -> dict[str, list[str]]:
    found = lab.api.get(f"/api/v1/nodes/{NODE}")
    texts = {kind: found["metadata"].get(kind, {}) for kind in ("labels", "annotations")}
    ours = {RECLAIM, *KEPT}
    taints = [each["key"] for each in found["spec"].get("taints", [])]
    return {
        "taints": [key for key in taints if key in ours],
        **{kind: sorted(ours & set(keys)) for kind, keys in texts.items()},
    }


def words(lab: Cluster, command: str) -> list[str]:
    """Return the words of a command, for the lab's own kubectl."""
    _, *rest = shlex.split(command)
    own = BIN / "kubectl"
    return [str(own) if own.exists() else "kubectl", f"--kubeconfig={lab.kubeconfig}", *rest]


def done(lab: Cluster, kafka: Kafka, command: str) -> str:
    """Run it as it stands and return what it prints."""
    named = {"NODE": NODE, "POD": kafka.brokers[1].pod}
    given = [named.get(word, word) for word in words(lab, command)]
    ended = subprocess.run(given, capture_output=True, text=True, timeout=SECONDS, check=False)
    assert ended.returncode == 0, f"{command}: {ended.stdout}{ended.stderr}"
    return ended.stdout


@contextmanager
def forwarded(lab: Cluster, command: str) -> Iterator[int]:
    """Have a port forwarded, of this machine's free ones, until the block ends."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    given = [word.replace(f"{PORT}:", f"{port}:") for word in words(lab, command)]
    process = subprocess.Popen(given, env=os.environ, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        yield port
    finally:
        process.terminate()
        process.wait(SECONDS)


def fetched(address: str) -> dict:
    try:
        with urlopen(address, timeout=5) as answer:
            return json.load(answer)
    except OSError:
        return {}
