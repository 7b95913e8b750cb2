"""What one would write in an afternoon instead of Sentinel, for the footprint: the same clients, and nothing proved.

Sends as many records, counts them when they come back through a group, exports two counters to Prometheus, and keeps
pods and nodes in mind by the watches of the official Kubernetes client.
"""

from __future__ import annotations

import argparse
import threading
import time
from collections.abc import Callable
from typing import Any

from confluent_kafka import Consumer, Producer
from kubernetes import client, config, watch
from prometheus_client import Counter, Gauge, start_http_server

READ = Counter("naive_read", "Records read.")
ACKED = Counter("naive_acked", "Records acknowledged.")
PODS = Gauge("naive_seen", "Objects known.", ["kind"])


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.naive", description=__doc__)
    parser.add_argument("--servers", required=True)
    parser.add_argument("--topic", required=True, help="with six partitions")
    parser.add_argument("--kubeconfig", required=True)
    parser.add_argument("--port", type=int, required=True, help="of the metrics")
    given = parser.parse_args()
    start_http_server(given.port, addr="127.0.0.1")
    config.load_kube_config(given.kubeconfig)
    core = client.CoreV1Api()
    for kind, listing, where in (("pod", core.list_namespaced_pod, ("kafka",)), ("node", core.list_node, ())):
        threading.Thread(target=_watch, args=(kind, listing, where), daemon=True).start()
    threading.Thread(target=_read, args=(given.servers, given.topic), daemon=True).start()
    _send(given.servers, given.topic)


def _watch(kind: str, listing: Callable[..., Any], where: tuple[str, ...]) -> None:
    known = {one.metadata.uid: one for one in listing(*where).items}
    for event in watch.Watch().stream(listing, *where, allow_watch_bookmarks=True):
        if event["type"] in {"ADDED", "MODIFIED"}:
            known[event["object"].metadata.uid] = event["object"]
        PODS.labels(kind).set(len(known))


def _read(servers: str, topic: str) -> None:
    consumer = Consumer({"bootstrap.servers": servers, "group.id": topic, "auto.offset.reset": "latest"})
    consumer.subscribe([topic])
    while True:
        message = consumer.poll(1.0)
        if message is not None and message.error() is None:
            READ.inc()


def _send(servers: str, topic: str) -> None:
    producer = Producer({"bootstrap.servers": servers, "acks": "all", "enable.idempotence": True})
    value, due = b"x" * 200, time.monotonic()
    while True:
        for partition in range(6):
            producer.produce(topic, value, partition=partition, on_delivery=lambda *_: ACKED.inc())
        due += 0.1
        while (left := due - time.monotonic()) > 0:
            producer.poll(left)


if __name__ == "__main__":
    main()
