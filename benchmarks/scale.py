"""How the engine grows with the fleet, 3 brokers to 1,000: three probe partitions, five nodes, ten pods for each.

No brokers and no API server: the production engine is fed with what its adapters would tell, ten records a second to
each partition, the cluster's metadata each second, all nodes and pods as watches list them. What the adapters need, the
Kafka clients above all, comes on top.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from itertools import pairwise
from typing import Any

import psutil
from benchmarks import figures
from benchmarks.feed import Feed
from benchmarks.figures import Figure
from prometheus_client import generate_latest
from tests.core.kubernetes.raw import node, pod
from tests.core.kubernetes_world import SPOT, broker

from kafka_sentinel.core import checkpoint
from kafka_sentinel.core.events import ObjectsListed
from kafka_sentinel.core.kubernetes.objects import Kind, parse
from kafka_sentinel.display import Display
from kafka_sentinel.runtime import PUBLISH_EVERY

SIZES = (3, 10, 30, 100, 300, 1_000)
PARTITIONS, NODES, PODS = 3, 5, 10  # for each broker
INTERVAL = 0.1  # seconds from one record of a partition to the next: the default
SLOW = 1.0  # the same, for as many brokers as there are
WARM_UP, SECONDS = 5.0, 5.0  # simulated
GROWTH = 1.5  # from one size to the next, cost per broker may grow by this factor: no step is worse than linear


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.scale", description=__doc__)
    parser.add_argument("--brokers", type=int, nargs="+", default=SIZES, metavar="N", help=f"sizes {SIZES}")
    figures.options(parser)
    given = parser.parse_args()
    measured = {}
    for size in given.brokers:
        measured[size] = _measured(size)
        print(f"{size:>5} brokers: {measured[size]}", flush=True)
    most = max(given.brokers)
    slow = _measured(most, SLOW)
    found = [
        *_figures(measured),
        Figure(f"{most:,} brokers, a record a second: processor", slow["cpu_percent"], "% of a core"),
    ]
    return figures.conclude("scale", found, {"measured": measured, "slow": slow}, given)


def _figures(measured: dict[int, dict[str, float]]) -> list[Figure]:
    found = []
    for size, of in measured.items():
        found.append(Figure(f"{size:,} brokers: processor", of["cpu_percent"], "% of a core"))
        found.append(Figure("… memory", of["memory_mb"], "MB"))
        found.append(Figure("… a scrape", of["scrape_ms"], "ms", most=200))
        found.append(Figure("… the state", of["state_kib"], "KiB"))
    each = [of["cpu_percent"] / size for size, of in measured.items()]
    worst = max((larger / smaller for smaller, larger in pairwise(each)), default=0)
    return [*found, Figure("processor per broker, the worst step from one size to the next", worst, most=GROWTH)]


def _measured(size: int, interval: float = INTERVAL) -> dict[str, float]:
    before = psutil.Process().memory_info().rss
    kubernetes = {"enabled": True, "namespace": "kafka"}
    feed = Feed(
        partitions=PARTITIONS * size,
        rate=1 / interval,
        interval=interval,
        brokers=range(1, size + 1),
        kubernetes=kubernetes,
    )
    _list_all(feed, size)
    display = Display(feed.settings, feed.engine.config, tick_age=lambda: 0.0, web=False)
    feed.live(WARM_UP)
    began = time.process_time()
    feed.live(SECONDS)
    busy = (time.process_time() - began) / SECONDS
    began = time.process_time()
    display.publish_engine(feed.engine, waiting=0)
    published = time.process_time() - began
    began = time.process_time()
    text = generate_latest(display.metrics.registry)
    scrape = time.process_time() - began
    began = time.process_time()
    state = json.dumps(checkpoint.to_state(feed.engine), separators=(",", ":"))
    saved = time.process_time() - began
    return {
        "cpu_percent": round(100 * (busy + published / PUBLISH_EVERY), 2),
        "memory_mb": round((psutil.Process().memory_info().rss - before) / 1e6, 1),
        "publish_ms": round(1000 * published, 2),
        "scrape_ms": round(1000 * scrape, 2),
        "scrape_kib": round(len(text) / 1024, 1),
        "state_kib": round(len(state) / 1024, 1),
        "save_ms": round(1000 * saved, 2),
    }


def _list_all(feed: Feed, size: int) -> None:
    names = [f"n{number}" for number in range(NODES * size)]
    objects: dict[Kind, list[dict[str, Any]]] = {kind: [] for kind in Kind}
    objects[Kind.NODE] = [node(name, labels=SPOT) for name in names]
    objects[Kind.POD] = [broker(number, names[number]) for number in range(1, size + 1)]
    objects[Kind.POD] += [pod(f"other-{number}", on=names[number % len(names)]) for number in range((PODS - 1) * size)]
    for kind, raw in objects.items():
        feed.post(ObjectsListed(feed.now(), kind, tuple(parse(kind, one) for one in raw)))


if __name__ == "__main__":
    sys.exit(main())
