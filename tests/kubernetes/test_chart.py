"""The chart on a real cluster: installed with what a user gives, tried, changed and taken away."""

from __future__ import annotations

import json
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import yaml
from tests.chart import helm as programs
from tests.chart.rendering import CHART
from tests.image import built as dockerfile
from tests.kubernetes.deploy import images
from tests.kubernetes.deploy.kafka import Kafka
from tests.kubernetes.deploy.layout import CONTROLLER_NODE
from tests.kubernetes.deploy.objects import run_in_pod
from tests.kubernetes.deploy.waiting import wait_for
from tests.kubernetes.lab.cluster import Cluster

from kafka_sentinel.lab.errors import LabError

RELEASE = "sentinel"
GUARDED = "monitoring"  # a namespace that takes pods of the restricted profile alone
ENFORCE = "pod-security.kubernetes.io/enforce"
FIRST_RECORD = 60.0  # seconds from `helm install`
SECONDS = 120.0
PORT = 9464


class Release:
    """A release of the chart, beside a Kafka or in a namespace of its own, and what its daemon says."""

    def __init__(self, kafka: Kafka, major: str, folder: Path, namespace: str, image: str) -> None:
        self.kafka, self.lab = kafka, kafka.cluster
        self.namespace = namespace
        self.image = image
        self._program = programs.PROGRAMS[major].path
        self._folder = folder

    def helm(self, *words: str) -> str:
        command = [str(self._program), *words, "-n", self.namespace, f"--kubeconfig={self.lab.kubeconfig}"]
        environment = {"HOME": str(self._folder), "PATH": "/usr/bin:/bin"}
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=SECONDS, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def values(self, **more: object) -> tuple[str, str]:
        """Return the option that gives values: those of every user of Strimzi, and where the image is."""
        repository, _, tag = self.image.rpartition(":")
        kafka = {"clusterName": self.kafka.name}
        if self.namespace != self.kafka.namespace:
            kafka |= {"namespace": self.kafka.namespace, "bootstrapServers": self.kafka.inside}
        given = {
            "kafka": kafka,
            "image": {"repository": repository, "tag": tag},
            "nodeSelector": {"kubernetes.io/hostname": CONTROLLER_NODE},
            **more,
        }
        file = self._folder / "values.yaml"
        file.write_text(yaml.safe_dump(given))
        return "-f", str(file)

    @property
    def objects(self) -> list[dict]:
        """Return what Helm says is of the release."""
        return [each for each in yaml.safe_load_all(self.helm("get", "manifest", RELEASE)) if each]

    def name_of(self, kind: str) -> str:
        (found,) = [each["metadata"]["name"] for each in self.objects if each["kind"] == kind]
        return found

    def pods(self) -> list[dict]:
        path = f"/api/v1/namespaces/{self.namespace}/pods"
        return self.lab.api.list(path, labelSelector=f"app.kubernetes.io/instance={RELEASE}")

    def status(self) -> dict:
        """Return the daemon's snapshot, {} while it does not answer."""
        there = [pod for pod in self.pods() if "deletionTimestamp" not in pod["metadata"]]
        address = there[0]["status"].get("podIP") if len(there) == 1 else None
        if address is None:
            return {}
        try:
            with urllib.request.urlopen(f"http://{address}:{PORT}/api/v1/status", timeout=5) as answer:
                return json.load(answer)
        except OSError:
            return {}

    def verified(self) -> int:
        return self.status().get("records", {}).get("all", {}).get("verified", 0)

    def may(self, verb: str, resource: str, namespace: str) -> bool:
        """Ask the API server, as an admin may, whether the daemon's account may do that."""
        account = f"system:serviceaccount:{self.namespace}:{self.name_of('ServiceAccount')}"
        try:
            said = self.lab.kubectl("auth", "can-i", verb, resource, "-n", namespace, f"--as={account}")
        except LabError:  # it says no by its exit code
            return False
        return said.strip() == "yes"


@contextmanager
def installed(
    kafka: Kafka, major: str, folder: Path, *, namespace: str | None = None, image: str | None = None
) -> Iterator[Release]:
    """Install in Kafka's namespace with the tests' own image, unless others are given."""
    programs.ensure()
    release = Release(kafka, major, folder, namespace or kafka.namespace, image or images.sentinel_image().name)
    release.helm("install", RELEASE, str(CHART), *release.values())
    try:
        yield release
    finally:
        release.helm("uninstall", RELEASE, "--wait")


@pytest.mark.parametrize("major", [programs.MAJORS[0], pytest.param(programs.MAJORS[1], marks=pytest.mark.full)])
def test_installed_with_one_value_it_proves_records_in_a_minute_and_keeps_its_state(
    lab: Cluster, kafka: Kafka, tmp_path: Path, major: str
):
    began = time.monotonic()
    with installed(kafka, major, tmp_path) as release:
        wait_for(lambda: release.verified() > 0, "the first verified record", FIRST_RECORD - (time.monotonic() - began))
        assert "Phase:          Succeeded" in release.helm("test", RELEASE)
        check_rights(release)
        run, verified = release.status()["run"], release.verified()
        release.helm("upgrade", RELEASE, str(CHART), *release.values(settings={"probe": {"interval": "200ms"}}))
        wait_for(lambda: release.status().get("run", run) != run, "the daemon of the new configuration", SECONDS)
        wait_for(lambda: release.verified() > verified, "its records, added to those of the old one", SECONDS)
        figures = release.status()["records"]["all"]
        assert (figures["lost"], figures["unaccounted"], figures["duplicated"]) == (0, 0, 0)
        state = release.name_of("ConfigMap").removesuffix("-config")
    wait_for(lambda: release.pods() == [], "its pod to end", SECONDS)
    listed = lab.kubectl("get", "all,configmap,role,rolebinding,serviceaccount", "-n", kafka.namespace, "-o", "name")
    left = [line for line in listed.split() if RELEASE in line]
    assert left == [f"configmap/{state}-state"]
    assert RELEASE not in lab.kubectl("get", "clusterrole,clusterrolebinding", "-o", "name")
    lab.kubectl("delete", "configmap,lease", f"{state}-state", "-n", kafka.namespace)


@contextmanager
def guarded(lab: Cluster) -> Iterator[str]:
    """Give a namespace that takes pods of the restricted profile alone."""
    namespace = {
        "apiVersion": "v1",
        "kind": "Namespace",
        "metadata": {"name": GUARDED, "labels": {ENFORCE: "restricted"}},
    }
    lab.kubectl("create", "-f", "-", stdin=json.dumps(namespace))
    try:
        yield GUARDED
    finally:
        lab.kubectl("delete", "namespace", GUARDED)


def test_the_image_of_the_dockerfile_proves_records_where_only_restricted_pods_may_run(
    lab: Cluster, kafka: Kafka, tmp_path: Path
):
    image = dockerfile.image().packed()
    image.load(lab, [CONTROLLER_NODE])
    with guarded(lab) as namespace:
        with pytest.raises(LabError, match='violates PodSecurity "restricted'):  # so it is enforced
            lab.kubectl("run", "loose", f"--image={image.name}", "-n", namespace)
        began = time.monotonic()
        with installed(kafka, programs.MAJORS[0], tmp_path, namespace=namespace, image=image.name) as release:
            left = FIRST_RECORD - (time.monotonic() - began)
            wait_for(lambda: release.verified() > 0, "the first verified record", left)
            assert "Phase:          Succeeded" in release.helm("test", RELEASE)
            (pod,) = release.pods()  # that of `helm test` has passed, and gone
            (container,) = pod["status"]["containerStatuses"]
            assert (container["image"], container["restartCount"]) == (image.name, 0)
            asked = ("python", "-c", "import os; print(os.getuid(), os.getgid())")
            assert run_in_pod(lab, namespace, pod["metadata"]["name"], *asked).stdout == "65532 65532\n"
            figures = release.status()["records"]["all"]
            assert (figures["lost"], figures["unaccounted"], figures["duplicated"]) == (0, 0, 0)


def check_rights(release: Release) -> None:
    """Unarmed, it may watch and keep its state, and break nothing."""
    namespace = release.namespace
    for verb in ("list", "watch"):
        for resource in ("pods", "persistentvolumeclaims", "poddisruptionbudgets.policy", "nodes", "persistentvolumes"):
            assert release.may(verb, resource, namespace), f"{verb} {resource}"
    state = next(each["metadata"]["name"] for each in release.objects if each["kind"] == "ConfigMap")
    assert release.may("update", f"configmaps/{state.removesuffix('-config')}-state", namespace)
    for verb, resource in (
        ("delete", "pods"),
        ("create", "pods/eviction"),
        ("create", "pods/exec"),
        ("patch", "nodes"),
        ("update", "nodes"),
        ("get", "secrets"),
        ("list", "secrets"),
        ("update", "configmaps/another"),
        ("delete", "configmaps"),
    ):
        assert not release.may(verb, resource, namespace), f"{verb} {resource}"
        assert not release.may(verb, resource, "kube-system"), f"{verb} {resource} elsewhere"
