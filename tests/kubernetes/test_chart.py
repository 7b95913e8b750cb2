"""The chart on a real cluster: installed with what a user gives, tried, changed and taken away."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from tests.alerts.contract import check_known_in_advance, check_labels, check_metadata
from tests.alerts.server import Prometheus
from tests.chart import helm as programs
from tests.chart.rendering import CHART
from tests.kubernetes.deploy.kafka import Kafka
from tests.kubernetes.deploy.release import RELEASE, SECONDS, Release, installed
from tests.kubernetes.deploy.waiting import wait_for
from tests.kubernetes.lab.cluster import Cluster

FIRST_RECORD = 60.0  # seconds from `helm install`


@pytest.mark.parametrize("major", [programs.MAJORS[0], pytest.param(programs.MAJORS[1], marks=pytest.mark.full)])
def test_installed_with_one_value_it_proves_records_in_a_minute_and_keeps_its_state(
    lab: Cluster, kafka: Kafka, tmp_path: Path, major: str
):
    began = time.monotonic()
    with installed(kafka, major, tmp_path) as release:
        wait_for(lambda: release.verified() > 0, "the first verified record", FIRST_RECORD - (time.monotonic() - began))
        assert "Phase:          Succeeded" in release.helm("test", RELEASE)
        check_rights(release)
        check_metrics(release, tmp_path)
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


def check_rights(release: Release) -> None:
    """Unarmed, it may watch and keep its state, and break nothing."""
    namespace = release.namespace
    for verb in ("list", "watch"):
        for resource in ("pods", "persistentvolumeclaims", "poddisruptionbudgets.policy", "nodes", "persistentvolumes"):
            assert release.may(verb, resource, namespace), f"{verb} {resource}"
    state = next(each["metadata"]["name"] for each in release.manifest if each["kind"] == "ConfigMap")
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
