"""The chart on a real cluster: installed with what a user gives, tried, changed and taken away."""

from __future__ import annotations

import itertools
import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from tests.alerts.contract import check_known_in_advance, check_labels, check_metadata
from tests.alerts.server import Prometheus
from tests.chart import helm as programs
from tests.chart.rendering import CHART
from tests.image import built as dockerfile
from tests.kubernetes.deploy.kafka import Kafka
from tests.kubernetes.deploy.layout import CONTROLLER_NODE
from tests.kubernetes.deploy.objects import run_in_pod
from tests.kubernetes.deploy.release import RELEASE, SECONDS, Release, installed
from tests.kubernetes.deploy.waiting import wait_for
from tests.kubernetes.injections import armed, experiment
from tests.kubernetes.lab.cluster import Cluster

from kafka_sentinel.adapters.kubernetes.access_review import Places
from kafka_sentinel.adapters.kubernetes.permissions import PERMISSIONS, Need, Permission
from kafka_sentinel.core.faults import Reach, of_reach
from kafka_sentinel.lab.errors import LabError

GUARDED = "restricted"  # a namespace that takes pods of the restricted profile alone
ENFORCE = "pod-security.kubernetes.io/enforce"
FIRST_RECORD = 60.0  # seconds from `helm install`
NEVER = (
    ("get", "secrets"),
    ("list", "secrets"),
    ("create", "pods"),
    ("create", "pods --subresource=exec"),
    ("delete", "configmaps"),
    ("delete", "nodes"),
    ("*", "*"),
)


@pytest.mark.parametrize("major", [programs.MAJORS[0], pytest.param(programs.MAJORS[1], marks=pytest.mark.full)])
def test_installed_with_one_value_it_proves_records_in_a_minute_and_keeps_its_state(
    lab: Cluster, kafka: Kafka, tmp_path: Path, major: str
):
    began = time.monotonic()
    with installed(kafka, major, tmp_path) as release:
        wait_for(lambda: release.verified() > 0, "the first verified record", FIRST_RECORD - (time.monotonic() - began))
        assert "Phase:          Succeeded" in release.helm("test", RELEASE)
        check_rights(release, breaks=False)
        check_metrics(release, tmp_path)
        run, since, verified = release.status()["run"], release.status()["since"], release.verified()
        release.helm("upgrade", RELEASE, str(CHART), *release.values(settings={"probe": {"interval": "200ms"}}))
        wait_for(lambda: release.status().get("run", run) != run, "the daemon of the new configuration", SECONDS)
        wait_for(lambda: release.verified() > verified, "its records, added to those of the old one", SECONDS)
        figures = release.status()["records"]["all"]
        assert (figures["lost"], figures["unaccounted"], figures["duplicated"]) == (0, 0, 0)
        assert release.status()["since"] == since, "the state of the old one is gone"
        every = [experiment(kind.value, kind.value) for kind in of_reach(Reach.PODS, Reach.NODE, Reach.ROLL)]
        release.helm("upgrade", RELEASE, str(CHART), *release.values(settings={"experiments": armed(kafka, *every)}))
        check_rights(release, breaks=True)
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


def check_rights(release: Release, *, breaks: bool) -> None:
    """Ask the API server verb by verb: it grants what the table of permissions says, there and nowhere else."""
    state = f"{release.name_of('Deployment')}-state"
    places = Places(release.kafka.namespace, release.namespace, state=state)
    for row in PERMISSIONS:
        for verb, namespace in itertools.product(row.verbs, places.namespaces(row.scope)):
            expected = breaks or row.need is not Need.EXPERIMENTS
            assert granted(release, row, verb, namespace, places.name(row)) is expected, (
                f"{verb} {row.title} in {namespace!r}"
            )
            if namespace:
                assert not granted(release, row, verb, "kube-system", places.name(row)), f"{verb} {row.title} elsewhere"
            if row.named:
                assert not granted(release, row, verb, namespace, "another"), f"{verb} another of {row.title}"
    for verb, resource in NEVER:
        assert release.can_i(verb, resource) == "no", f"{verb} {resource}"
    assert release.can_i("list", "pods") == "yes"
    assert release.can_i("delete", "pods") == ("yes" if breaks else "no")


def granted(release: Release, row: Permission, verb: str, namespace: str, name: str) -> bool:
    """Ask what `kubectl auth can-i` asks."""
    what = {"group": row.resource.group, "resource": row.resource.plural, "subresource": row.subresource or ""}
    asked = {
        "user": release.account,
        "resourceAttributes": {**what, "verb": verb, "namespace": namespace, "name": name},
    }
    review = {"apiVersion": "authorization.k8s.io/v1", "kind": "SubjectAccessReview", "spec": asked}
    return release.lab.api.create("/apis/authorization.k8s.io/v1/subjectaccessreviews", review)["status"]["allowed"]


def check_metrics(release: Release, folder: Path) -> None:
    """A Prometheus of this machine that is pointed at the pod knows every metric of the contract."""
    assert release.address is not None
    prometheus = Prometheus(folder, release.address)
    try:
        prometheus.wait_for(lambda: bool(prometheus.now("up == 1")), "the first scrape")
        check_metadata(prometheus)
        check_labels(prometheus, release.kafka.name, {"job", "instance"})
        check_known_in_advance(prometheus)
    finally:
        prometheus.stop()
