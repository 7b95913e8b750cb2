"""What a failed test leaves for its reader: the pods, what Kubernetes said last, and Sentinel's last lines."""

from __future__ import annotations

from collections.abc import Iterator

from tests.kubernetes.deploy.kafka import Kafka
from tests.kubernetes.deploy.sentinel import Deployer
from tests.kubernetes.lab.access import Access

from kafka_sentinel.lab.errors import LabError

EVENTS = 30
Section = tuple[str, str]


def gather(arguments: dict[str, object]) -> Iterator[Section]:
    """Yield titled texts on what the test of these fixtures used. Never fails: a failure is being told already."""
    cluster = next((one for one in arguments.values() if isinstance(one, Access)), None)
    kafka = next((one for one in arguments.values() if isinstance(one, Kafka)), None)
    cluster = kafka.cluster if kafka is not None else cluster
    if cluster is not None:
        yield "nodes and pods", _ask(cluster, "get", "nodes,pods", "-A", "-o", "wide")
        events = _ask(cluster, "get", "events", "-A", "--sort-by=.lastTimestamp").splitlines()
        yield "events", "\n".join(events[-EVENTS:])
    deployers = (one for one in arguments.values() if isinstance(one, Deployer))
    for sentinel in (sentinel for deployer in deployers for sentinel in deployer.sentinels):
        try:
            yield "Sentinel's last lines", sentinel.last_lines()
        except (LabError, AssertionError) as error:
            yield "Sentinel's last lines", f"cannot be read: {error}"


def _ask(cluster: Access, *words: str) -> str:
    try:
        return cluster.kubectl(*words)
    except LabError as error:
        return f"cannot be read: {error}"
