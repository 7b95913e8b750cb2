"""Real brokers for the tests: two labs for the whole session, put right again for each test that asks for one."""

from __future__ import annotations

import contextlib
import os
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TypeVar

import pytest
from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient, NewTopic, TopicMetadata

from kafka_sentinel.lab.cluster import LabCluster
from kafka_sentinel.lab.errors import LabError
from kafka_sentinel.lab.jars import fetch_kafka
from kafka_sentinel.lab.java import find_java

Found = TypeVar("Found")
RESTORE_SECONDS = 60.0


def wait_until(predicate: Callable[[], Found], timeout: float, what: str | Callable[[], object]) -> Found:
    """Return the first true answer of `predicate`. `what` names what was waited for, in the failure."""
    deadline = time.monotonic() + timeout
    while not (found := predicate()):
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {timeout:g} s: {what() if callable(what) else what}")
        time.sleep(0.05)
    return found


def describe(servers: str) -> dict[str, TopicMetadata]:
    """Return all topics as one of `servers` knows them, asked by a new client; empty if none answers.

    A new client, since one that lost its brokers may answer nothing for long. After a failure only some brokers know
    better: name those.
    """
    try:
        return AdminClient({"bootstrap.servers": servers, "log_level": 0}).list_topics(timeout=3).topics
    except KafkaException:
        return {}


def leader_and_isr(servers: str, topic: str, partition: int = 0) -> tuple[int, set[int]]:
    """Return (leader, in-sync replicas) as one of `servers` says; (-1, nothing) if it cannot."""
    found = describe(servers).get(topic)
    view = found.partitions.get(partition) if found is not None else None
    return (-1, set()) if view is None else (view.leader, set(view.isrs))


@pytest.fixture(scope="session")
def kafka_ready() -> None:
    """Java and Kafka are there: else skip, or fail in CI, where a missing tier is a failure."""
    try:
        find_java()
        fetch_kafka()
    except LabError as error:
        if os.environ.get("CI") == "true":
            pytest.fail(f"the kafka tier cannot run: {error}", pytrace=False)
        pytest.skip(f"the kafka tier cannot run: {error}")


class SharedLab:
    """One lab used by test after test. Between two of them all nodes run, in sync, without topics of their own."""

    def __init__(self, topology: str) -> None:
        self._topology = topology
        self._lab: LabCluster | None = None

    def get(self) -> LabCluster:
        if self._lab is not None:
            try:
                restore(self._lab)
            except (LabError, AssertionError):
                self.close()
        if self._lab is None:
            self._lab = LabCluster(self._topology).__enter__()
        return self._lab

    def close(self) -> None:
        if self._lab is not None:
            self._lab.close()
            self._lab = None


def restore(lab: LabCluster) -> None:
    """Have every node run, delete all topics but Kafka's own, and wait until nothing is under-replicated."""
    for node in {*lab.brokers, *lab.controllers}:
        if lab.state(node) == "paused":
            lab.resume(node)
        elif lab.state(node) == "stopped":
            lab.start(node)
    lab.wait_ready(timeout=RESTORE_SECONDS)
    wait_until(lambda: _clean(lab), RESTORE_SECONDS, "a clean lab")


def _clean(lab: LabCluster) -> bool:
    """Tell whether every broker says that no topic is left and all replicas are in sync; delete what is left."""
    views = [describe(lab.address(broker)) for broker in lab.brokers]
    left = {name for view in views for name in view if not name.startswith("__")}
    if left:
        _delete(lab, sorted(left))
        return False
    partitions = [partition for view in views for topic in view.values() for partition in topic.partitions.values()]
    return all(set(partition.isrs) == set(partition.replicas) for partition in partitions) and all(
        len(AdminClient({"bootstrap.servers": lab.address(broker)}).list_topics(timeout=3).brokers) == len(lab.brokers)
        for broker in lab.brokers
    )


def _delete(lab: LabCluster, topics: Sequence[str]) -> None:
    admin = AdminClient({"bootstrap.servers": lab.bootstrap_servers, "log_level": 0})
    for future in admin.delete_topics(list(topics), request_timeout=10).values():
        with contextlib.suppress(KafkaException):  # gone already, or tried again
            future.result()


@pytest.fixture(scope="session")
def _combined(kafka_ready) -> Iterator[SharedLab]:
    shared = SharedLab("combined")
    yield shared
    shared.close()


@pytest.fixture(scope="session")
def _separate(kafka_ready) -> Iterator[SharedLab]:
    shared = SharedLab("separate")
    yield shared
    shared.close()


@pytest.fixture
def lab_combined(_combined: SharedLab) -> LabCluster:
    """Three combined nodes, shared: a test may kill, pause and wipe, but not add brokers."""
    return _combined.get()


@pytest.fixture
def lab_separate(_separate: SharedLab) -> LabCluster:
    """Controller 9 and three brokers, shared: a test may kill, pause and wipe, but not add brokers."""
    return _separate.get()


@pytest.fixture
def new_lab(kafka_ready) -> Iterator[Callable[..., LabCluster]]:
    """Make a lab of the test's own: `new_lab(topology, overrides=…, node_overrides=…)`."""
    made: list[LabCluster] = []

    def make(topology: str = "combined", **options) -> LabCluster:
        made.append(LabCluster(topology, **options).__enter__())
        return made[-1]

    yield make
    for lab in made:
        lab.close()


@pytest.fixture
def make_topic() -> Callable[..., str]:
    """Make a topic with a name of its own: `make_topic(lab, [[1, 2, 3]], config={…})` gives the name.

    One list of replicas for each partition, the preferred leader first. Returns when every broker knows it and all
    replicas are in sync.
    """

    def make(
        lab: LabCluster,
        assignment: Sequence[Sequence[int]] = ((1, 2, 3),),
        *,
        config: Mapping[str, str] | None = None,
        name: str | None = None,
    ) -> str:
        topic = name or f"test-{uuid.uuid4().hex[:10]}"
        replicas = [list(each) for each in assignment]
        admin = AdminClient({"bootstrap.servers": lab.bootstrap_servers, "log_level": 0})
        new = NewTopic(topic, num_partitions=len(replicas), replica_assignment=replicas, config=dict(config or {}))
        admin.create_topics([new], request_timeout=15)[topic].result()

        def known() -> bool:
            wanted = [(each[0], set(each)) for each in replicas]
            return all(
                [leader_and_isr(lab.address(broker), topic, index) for index in range(len(replicas))] == wanted
                for broker in lab.brokers
            )

        wait_until(known, 20, f"topic {topic} known to all brokers")
        return topic

    return make
