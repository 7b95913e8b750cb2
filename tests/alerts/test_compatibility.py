"""The table of docs/install.md of what Sentinel was tried with: each row against its source, and who runs it.

It is here for the version of Prometheus, which no file of the project has: it is that of Debian.
"""

from __future__ import annotations

import platform
import re
import tomllib
from collections.abc import Callable
from dataclasses import dataclass

import pytest
from tests.alerts import binaries
from tests.alerts.promtool import ROOT
from tests.chart.helm import VERSIONS
from tests.collected import SECONDS, collected
from tests.kubernetes.deploy import prometheus_operator
from tests.kubernetes.deploy.crds import Strimzi
from tests.kubernetes.lab.build import KUBERNETES

from kafka_sentinel.lab.jars import KAFKA_VERSION

HEADING = "## What it was tried with\n"
TEST, VERIFY = "`make test`", "`make verify`"
DEBIAN = "12"  # whose Prometheus and Alertmanager the table has
HELM_3, HELM_4 = VERSIONS.values()


@dataclass(frozen=True)
class Source:
    """`says`: what the row has to say, computed. `tests`: those that try it, by file and the beginning of the name."""

    says: Callable[[], str]
    by: str
    tests: tuple[str, ...]


def python() -> str:
    """Return the oldest Python that the project takes."""
    wanted = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["requires-python"]
    return f"{wanted.removeprefix('>=')}, the oldest it takes"


def debians(*packages: str) -> str:
    """Return what Debian's programs say of themselves."""
    there = {binaries.PROMETHEUS: binaries.prometheus, binaries.ALERTMANAGER: binaries.alertmanager}
    return " ".join(binaries.version(there[package]()) for package in packages)


INSTALLED = "test_chart.py::test_installed_with_one_value_it_proves_records_in_a_minute_and_keeps_its_state"
SOURCES = {
    "Apache Kafka": Source(
        lambda: f"{KAFKA_VERSION}, KRaft, in plain text", TEST, ("tests/kafka/test_losses.py::test_a_",)
    ),
    "Kafka with TLS or SASL": Source(
        lambda: "client certificates, and SCRAM-SHA-512 over TLS, both with ACLs",
        VERIFY,
        ("tests/kubernetes/test_secured.py::test_signed_in_as_a_kafka_user_",),
    ),
    "Kubernetes": Source(lambda: KUBERNETES, TEST, (f"tests/kubernetes/{INSTALLED}[3]",)),
    "Strimzi": Source(lambda: f"{Strimzi.V1.value} (`v1`)", TEST, (f"tests/kubernetes/{INSTALLED}[3]",)),
    "Strimzi, older": Source(
        lambda: f"{Strimzi.V1BETA2.value} (`v1beta2`)",
        VERIFY,
        ("tests/kubernetes/test_observing.py::test_the_older_version_of_the_api_is_found_as_well",),
    ),
    "Helm, rendering": Source(
        lambda: f"{HELM_3} and {HELM_4}",
        TEST,
        tuple(f"tests/chart/test_typed.py::test_what_is_typed_to_install_it_installs_it[helm{major}" for major in "34"),
    ),
    "Helm, on a cluster": Source(lambda: f"{HELM_3}", TEST, (f"tests/kubernetes/{INSTALLED}[3]",)),
    "Helm 4, on a cluster": Source(lambda: f"{HELM_4}", VERIFY, (f"tests/kubernetes/{INSTALLED}[4]",)),
    "Bitnami's chart, StatefulSets": Source(
        lambda: "pods with their labels; not the chart itself",
        VERIFY,
        tuple(
            f"tests/kubernetes/test_observing.py::test_brokers_in_stateful_sets_are_found[{flavour}]"
            for flavour in ("plain_kafka", "bitnami_kafka")
        ),
    ),
    "Prometheus": Source(lambda: debians(binaries.PROMETHEUS), TEST, ("tests/alerts/test_prometheus.py::test_",)),
    "Prometheus operator": Source(
        lambda: f"{prometheus_operator.VERSION}, with Prometheus {prometheus_operator.PROMETHEUS_VERSION}",
        VERIFY,
        ("tests/kubernetes/test_monitoring.py::test_the_operators_prometheus_finds_the_pod_",),
    ),
    "Alertmanager": Source(
        lambda: debians(binaries.ALERTMANAGER),
        VERIFY,
        ("tests/kubernetes/test_monitoring.py::test_an_outage_is_delivered_",),
    ),
    "Amazon MSK": Source(
        lambda: "boto3 against a local server that speaks by boto3's service model; not MSK itself",
        TEST,
        ("tests/cli/test_fleet_msk.py::test_",),
    ),
    "ZooKeeper": Source(
        lambda: "pods of Strimzi 0.29 and 0.32",
        TEST,
        ("tests/core/kubernetes/test_discovery.py::test_", "tests/cli/test_ensemble.py::test_"),
    ),
    "Python": Source(python, TEST, ("tests/core/test_ledger.py::test_",)),
}


def rows() -> dict[str, tuple[str, str]]:
    """Return what each row of the page says, and who runs it."""
    section = (ROOT / "docs" / "install.md").read_text().partition(HEADING)[2].partition("\n## ")[0]
    lines = [line for line in section.splitlines() if line.startswith("| ") and not line.startswith("| |")]
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    return {title: (says, by) for title, says, by in cells}


def run_by(test: str) -> str | None:
    """Return who runs such a test, None if there is none."""
    files = [each.partition("::")[0] for source in SOURCES.values() for each in source.tests]
    for verb, full in ((TEST, False), (VERIFY, True)):
        if any(each.startswith(test) for each in collected(files, full=full)):
            return verb
    return None


def test_every_row_has_a_source_and_every_source_a_row():
    assert list(rows()) == list(SOURCES)


@pytest.mark.parametrize("title", [each for each in SOURCES if each not in {"Prometheus", "Alertmanager"}])
def test_a_row_says_what_its_source_says(title: str):
    said = SOURCES[title].says()
    assert re.search(rf"(?<![\w.]){re.escape(said)}(?![\w.]*\d)", rows()[title][0]), said


@pytest.mark.skipif(
    platform.freedesktop_os_release().get("VERSION_ID") != DEBIAN, reason=f"the table has what Debian {DEBIAN} has"
)
@pytest.mark.parametrize("title", ["Prometheus", pytest.param("Alertmanager", marks=pytest.mark.full)])
def test_a_program_of_debian_has_the_version_of_its_row(title: str):
    assert rows()[title][0] == f"{SOURCES[title].says()}, of Debian {DEBIAN}"


@pytest.mark.timeout(2 * SECONDS)
@pytest.mark.parametrize("title", SOURCES)
def test_a_row_says_who_runs_it(title: str):
    source = SOURCES[title]
    assert {each: run_by(each) for each in source.tests} == dict.fromkeys(source.tests, source.by)
    assert rows()[title][1] == source.by


def test_what_nobody_runs_and_what_only_verify_runs_is_told():
    assert run_by("tests/chart/test_typed.py::test_gone") is None
    assert run_by("tests/kubernetes/test_monitoring.py::test_") == VERIFY
