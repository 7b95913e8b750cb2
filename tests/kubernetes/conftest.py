"""One cluster for the whole session: the project's own lab, or the one that `--kubeconfig` names."""

from __future__ import annotations

import os
from collections.abc import Generator, Iterator
from pathlib import Path

import pytest
from tests.kubernetes.deploy import images
from tests.kubernetes.deploy.evidence import gather
from tests.kubernetes.deploy.installation import Flavour
from tests.kubernetes.deploy.kafka import Kafka
from tests.kubernetes.deploy.pods import Limits
from tests.kubernetes.deploy.sentinel import Deployer, Sentinel
from tests.kubernetes.deploy.shared import CAPACITY, SMALL_TEAM, SPOT, Kind, SharedKafka
from tests.kubernetes.lab import build
from tests.kubernetes.lab.access import Access
from tests.kubernetes.lab.cluster import Cluster
from tests.kubernetes.two_on_a_node import Story, play

NODES = 4
SECONDS = 900  # for one test, with a Kafka to be put up for it on a busy machine
KINDS = (
    "kafka",
    "shared_kafka",
    "plain_kafka",
    "bitnami_kafka",
    "older_kafka",
    "patient_kafka",
    "secured_kafka",
)  # fixtures


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--kubeconfig", metavar="FILE", help="use this cluster, as its admin, instead of the lab's own")
    parser.addoption("--lab", metavar="NAME", help="use this lab, which `python -m tests.kubernetes.lab up` has put up")


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run tests on one kind of Kafka one after the other: to put up another kind takes half a minute."""
    here = Path(__file__).parent
    places = [index for index, item in enumerate(items) if here in item.path.parents]
    ordered = sorted((items[index] for index in places), key=_kind)
    for index, item in zip(places, ordered, strict=True):
        items[index] = item
        if item.get_closest_marker("timeout") is None:
            item.add_marker(pytest.mark.timeout(SECONDS))


def _kind(item: pytest.Item) -> int:
    """Return where the kind of Kafka that a test asks for comes; those that ask for none come first.

    What is played once for several tests has the small team's Kafka.
    """
    call = getattr(item, "callspec", None)
    names = [*getattr(item, "fixturenames", ()), *(call.params.values() if call is not None else ())]
    asked = [KINDS.index(name) + 1 for name in names if name in KINDS]
    return max(asked, default=KINDS.index("shared_kafka") + 1 if "_shared_kafka" in names else 0)


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
    kept = request.config.getoption("--lab")
    if kept is not None:
        yield Cluster.attach(kept)
        return
    labels = {node: {SPOT: kind} for node, kind in CAPACITY.items()}
    with Cluster(NODES, labels=labels, archives=images.archives()) as lab:
        yield lab


@pytest.fixture
def lab(cluster: Access) -> Cluster:
    """The lab's own cluster, for tests that take power, network or disks away."""
    if not isinstance(cluster, Cluster):
        give_up("it switches nodes off, which it can do only to a cluster of the lab's own")
    return cluster


@pytest.fixture(scope="session")
def _shared_kafka(cluster: Access) -> Iterator[SharedKafka]:
    if not isinstance(cluster, Cluster):
        give_up("it brings images and disks of its own, which it can do only to a cluster of the lab's own")
    shared = SharedKafka(cluster)
    yield shared
    shared.close()


@pytest.fixture
def kafka(_shared_kafka: SharedKafka) -> Kafka:
    """Strimzi's kind of Kafka, each broker on a node of its own, well and without topics."""
    return _shared_kafka.get(Kind())


@pytest.fixture
def shared_kafka(_shared_kafka: SharedKafka) -> Kafka:
    """The same with brokers 0 and 1 on one node, and a limit to the memory of each."""
    return _shared_kafka.get(SMALL_TEAM)


@pytest.fixture(scope="session")
def both_lost(_shared_kafka: SharedKafka) -> Story:
    """What became of that node's loss, and of its return with empty disks: played once, for all who ask about it."""
    return play(_shared_kafka.get(SMALL_TEAM), wiped=True)


@pytest.fixture
def older_kafka(_shared_kafka: SharedKafka) -> Kafka:
    """The same as Strimzi 0.45 has it, whose resources are of version v1beta2."""
    return _shared_kafka.get(Kind(flavour=Flavour.OLDER_STRIMZI))


@pytest.fixture
def patient_kafka(_shared_kafka: SharedKafka) -> Kafka:
    """The same, whose pods stay on a node that seems lost for as long as Kubernetes has it by default: 300 s."""
    return _shared_kafka.get(Kind(limits=Limits(tolerated=300)))


@pytest.fixture
def secured_kafka(_shared_kafka: SharedKafka) -> Kafka:
    """The same with listeners for client certificates and for passwords, and ACLs."""
    return _shared_kafka.get(Kind(secured=True))


@pytest.fixture
def plain_kafka(_shared_kafka: SharedKafka) -> Kafka:
    """Kafka in StatefulSets as people write them themselves."""
    return _shared_kafka.get(Kind(flavour=Flavour.STATEFUL_SET))


@pytest.fixture
def bitnami_kafka(_shared_kafka: SharedKafka) -> Kafka:
    """Kafka as Bitnami's chart installs it by default: three nodes that are broker and controller."""
    return _shared_kafka.get(Kind(flavour=Flavour.BITNAMI))


@pytest.fixture
def deploy() -> Iterator[Deployer]:
    """What puts up a Sentinel: `sentinel = deploy(kafka, replicas=2, experiments={…})`. All go down after the test."""
    deployer = Deployer()
    yield deployer
    deployer.close()


@pytest.fixture
def sentinel(kafka: Kafka, deploy: Deployer) -> Sentinel:
    """A Sentinel of usual settings beside `kafka`."""
    return deploy(kafka)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Add to a failure what it may be understood by, while all is still up."""
    report = yield
    if report.failed:
        report.sections += list(gather(getattr(item, "funcargs", {})))
    return report
