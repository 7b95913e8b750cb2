"""How large the image is, and how long a container of it takes to the first verified record.

The image is that of the Dockerfile, built as the tests build it (tests/image), on Debian packages. Three kinds of
containers of it are started in turn beside a real Kafka of three brokers, confined as in Kubernetes:

    nothing   Python that starts and prints a line: what starting a container costs here
    bare      imports confluent_kafka, sends one record with acks=all, reads it back, prints a line
    sentinel  `kafka-sentinel run`, its topic there already, until the API has a verified record

Each is timed from the call of podman. The ratio of sentinel to bare is taken from neighbours.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from urllib.error import URLError
from urllib.request import urlopen

from benchmarks import figures
from benchmarks.daemon import free_port
from benchmarks.figures import Figure
from confluent_kafka.admin import AdminClient, NewTopic
from tests.image.built import Built, image
from tests.image.podman import RESTRICTED, environment, podman, running

from kafka_sentinel.lab.cluster import LabCluster
from kafka_sentinel.lab.errors import LabError

READY_SECONDS = 60.0
LOOK = 0.02  # seconds between two looks at the API
TOPIC = "bare"
NOTHING = "print('here')"
BARE = """
import sys
from confluent_kafka import Consumer, Producer, TopicPartition
servers, topic = sys.argv[1:]
sent = []
producer = Producer({"bootstrap.servers": servers, "acks": "all", "enable.idempotence": True})
producer.produce(topic, b"record", partition=0, on_delivery=lambda error, message: sent.append(message.offset()))
producer.flush(30)
reader = Consumer({"bootstrap.servers": servers, "group.id": "bare", "enable.auto.commit": False})
reader.assign([TopicPartition(topic, 0, sent[0])])
print(reader.poll(30).offset() == sent[0])
"""


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.image", description=__doc__)
    parser.add_argument("--rounds", type=int, default=7, metavar="N", help="of each kind (7)")
    figures.options(parser)
    given = parser.parse_args()
    try:
        built = image()
    except LabError as error:
        print(f"image: not measured: {error}")
        return 1 if given.check else 0
    with LabCluster("combined") as lab:
        result = {**sizes(built), **start_up(built, lab.bootstrap_servers, given.rounds)}
    found = [
        Figure("image without its base", result["own_mb"], "MB", most=150),
        Figure("whole image, on Debian", result["whole_mb"], "MB"),
        *(Figure(f"start-up: {kind}", result[f"{kind}_seconds"], "s") for kind in ("nothing", "bare")),
        Figure("start-up: sentinel, to its first verified record", result["sentinel_seconds"], "s", most=3),
        Figure("start-up: sentinel to bare", result["ratio"], most=4),
    ]
    return figures.conclude("image", found, result, given)


def sizes(built: Built) -> dict[str, float]:
    """Return megabytes of unpacked files: a registry holds them compressed."""
    whole, base = (
        int(podman("image", "inspect", "--format", "{{.Size}}", each)) for each in (built.id, built.runtime_base)
    )
    return {"whole_mb": round(whole / 1e6, 1), "own_mb": round((whole - base) / 1e6, 1)}


def start_up(built: Built, servers: str, rounds: int) -> dict[str, float]:
    """Return medians, in seconds. What only a first start does, creating the topics, is not in them."""
    topic = NewTopic(TOPIC, num_partitions=1, replication_factor=3, config={"min.insync.replicas": "2"})
    admin = AdminClient({"bootstrap.servers": servers})
    admin.create_topics([topic])[TOPIC].result(READY_SECONDS)
    sentinel(built, servers)
    times = [
        (python(built, NOTHING), python(built, BARE, servers, TOPIC), sentinel(built, servers)) for _ in range(rounds)
    ]
    names = ("nothing_seconds", "bare_seconds", "sentinel_seconds")
    medians = {
        name: round(statistics.median(column), 2) for name, column in zip(names, zip(*times, strict=True), strict=True)
    }
    return {**medians, "ratio": round(statistics.median(daemon / bare for _, bare, daemon in times), 2)}


def python(built: Built, program: str, *arguments: str) -> float:
    """Return the seconds until Python in a container has printed its line."""
    options = ("--rm", *RESTRICTED, "--network=host", "--entrypoint=python")
    command = ["podman", "run", *options, built.id, "-c", program, *arguments]
    began = time.monotonic()
    with subprocess.Popen(command, env=environment(), stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        line = process.stdout.readline().strip()
        passed = time.monotonic() - began
    if line not in {"here", "True"}:
        raise SystemExit(f"image: Python in a container printed {line!r}")
    return passed


def sentinel(built: Built, servers: str) -> float:
    """Return the seconds until the daemon in a container has verified a record."""
    port = free_port()
    settings = {
        "NAME": "image",
        "KAFKA__BOOTSTRAP_SERVERS": servers,
        "HTTP__HOST": "127.0.0.1",
        "HTTP__PORT": str(port),
    }
    began = time.monotonic()
    with running(built.id, "--network=host", *_given(settings)) as container:
        while not _verified(port):
            if time.monotonic() > began + READY_SECONDS:
                raise SystemExit(f"image: no record verified within {READY_SECONDS:.0f} s: {podman('logs', container)}")
            time.sleep(LOOK)
        return time.monotonic() - began


def _given(settings: dict[str, str]) -> Sequence[str]:
    return [f"--env=KAFKA_SENTINEL__{name}={value}" for name, value in settings.items()]


def _verified(port: int) -> int:
    try:
        with urlopen(f"http://127.0.0.1:{port}/api/v1/status", timeout=5) as answer:
            return int(json.load(answer)["records"]["all"]["verified"])
    except (URLError, KeyError):
        return 0


if __name__ == "__main__":
    sys.exit(main())
