"""One cluster for the whole session: the project's own lab, or the one that `--kubeconfig` names."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.kubernetes.lab import build
from tests.kubernetes.lab.access import Access
from tests.kubernetes.lab.cluster import Cluster

NODES = 4


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--kubeconfig", metavar="FILE", help="use this cluster, as its admin, instead of the lab's own")


def give_up(reason: str) -> None:
    """Skip, or fail in CI, where a missing tier is a failure."""
    if os.environ.get("CI") == "true":
        pytest.fail(reason, pytrace=False)
    pytest.skip(reason)


@pytest.fixture(scope="session")
def cluster(request: pytest.FixtureRequest) -> Iterator[Access]:
    """A cluster with admin rights: any one will do for tests that ask for this alone."""
    given = request.config.getoption("--kubeconfig")
    if given is not None:
        yield Access(Path(given))
        return
    reason = build.cannot_run()
    if reason is not None:
        give_up(f"the kubernetes tier cannot run: {reason}")
    with Cluster(NODES) as lab:
        yield lab


@pytest.fixture
def lab(cluster: Access) -> Cluster:
    """The lab's own cluster, for tests that take power, network or disks away."""
    if not isinstance(cluster, Cluster):
        give_up("it switches nodes off, which it can do only to a cluster of the lab's own")
    return cluster
