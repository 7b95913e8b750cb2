"""The daemon itself as what it watches grows: its clients, threads and watches included.

kafka       beside as many of librdkafka's mock brokers as this machine bears, which share its cores: three probe
            partitions for each, a record a second to each partition.
kubernetes  beside twenty mock brokers and a scripted API server with 5,000 nodes and 10,000 pods, a node and a pod of
            which change twenty times a second. How long it takes from the moment a node is given a spot notice until
            Sentinel has noted it, and what that costs.

benchmarks/scale.py has the engine alone, up to a thousand brokers.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
from benchmarks import figures
from benchmarks.daemon import Daemon
from benchmarks.figures import Figure
from benchmarks.kubernetes_api import ApiServer
from tests.mock.mock_cluster import MockCluster

SIZES = (3, 10, 30, 100, 200)
PARTITIONS = 3  # for each broker
INTERVAL = "1s"  # from one record of a partition to the next
TOPIC = "kafka-sentinel-probe"
NODES, PODS, CHANGES = 5_000, 10_000, 20.0  # the last: of nodes, and of pods, a second
NOTICES = 20  # and brokers: nodes without one are not looked at
WARM_UP, SECONDS = 10.0, 20.0
SCRAPES = 9


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.fleet", description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--brokers", type=int, nargs="+", default=SIZES, metavar="N", help=f"sizes {SIZES}")
    figures.options(parser)
    given = parser.parse_args()
    kafka = {}
    for size in given.brokers:
        kafka[size] = _kafka(size)
        print(f"{size:>5} brokers: {kafka[size]}", flush=True)
    watches = _kubernetes()
    print(f"watches: {watches}", flush=True)
    found = [figure for size, of in kafka.items() for figure in _of_size(size, of)]
    return figures.conclude("fleet", [*found, *_of_watches(watches)], {"kafka": kafka, "kubernetes": watches}, given)


def _of_size(size: int, of: dict[str, float]) -> list[Figure]:
    return [
        Figure(f"{size:,} brokers: processor", of["cpu_percent"], "% of a core"),
        Figure("… memory", of["memory_mb"], "MB"),
        Figure("… threads", of["threads"]),
        Figure("… a scrape", of["scrape_ms"], "ms", most=200),
    ]


def _of_watches(of: dict[str, float]) -> list[Figure]:
    return [
        Figure(f"{NODES:,} nodes, {PODS:,} pods: until all are known", of["known_seconds"], "s"),
        Figure("… processor", of["cpu_percent"], "% of a core"),
        Figure("… memory", of["memory_mb"], "MB"),
        Figure("… a spot notice is noted after, median", of["lag_ms"], "ms"),
        Figure(f"… the worst of {NOTICES}", of["worst_lag_ms"], "ms"),
        Figure("… a scrape", of["scrape_ms"], "ms", most=200),
    ]


def _kafka(size: int) -> dict[str, float]:
    with _folder() as folder, _beside(size, folder) as (daemon, process):
        time.sleep(WARM_UP)
        return _measured(daemon, process)


def _kubernetes() -> dict[str, float]:
    every = 1 / CHANGES
    with _folder() as folder, ApiServer(folder, brokers=NOTICES, nodes=NODES, pods=PODS, every=every) as server:
        kubernetes = {"enabled": True, "namespace": "kafka", "kubeconfig": str(server.kubeconfig)}
        began = time.monotonic()
        with _beside(NOTICES, folder, kubernetes=kubernetes) as (daemon, process):
            while not _knows_all(daemon):
                time.sleep(0.1)
            known = time.monotonic() - began
            time.sleep(WARM_UP)
            found = _measured(daemon, process)
            lags = sorted(_lags(server, daemon))
    return {
        **found,
        "known_seconds": round(known, 1),
        "lag_ms": round(1000 * statistics.median(lags), 1),
        "worst_lag_ms": round(1000 * lags[-1], 1),
    }


def _lags(server: ApiServer, daemon: Daemon) -> Iterator[float]:
    told = {}
    for number in range(1, NOTICES + 1):
        at = time.time()
        told[server.warn(number)] = at
        time.sleep(0.2)
    time.sleep(2)
    noted = {one["node"]: one["opened_at"] for one in daemon.status()["kubernetes"]["disruptions"]}
    if missing := told.keys() - noted.keys():
        raise SystemExit(f"fleet: notices that were not noted: {', '.join(sorted(missing))}")
    yield from (noted[name] - at for name, at in told.items())


def _knows_all(daemon: Daemon) -> bool:
    kubernetes = daemon.status()["kubernetes"]
    return len(kubernetes["nodes"]) == NOTICES and not any(kubernetes["problems"])


@contextmanager
def _folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="kafka-sentinel-bench-") as folder:
        yield Path(folder)


@contextmanager
def _beside(size: int, folder: Path, **sections: Mapping[str, Any]) -> Iterator[tuple[Daemon, psutil.Process]]:
    partitions = PARTITIONS * size
    probe = {"manage_topic": False, "replication_factor": 1, "min_insync_replicas": 1, "interval": INTERVAL}
    with MockCluster(brokers=size, topic=TOPIC, partitions=partitions) as mock:
        daemon = Daemon(mock.bootstrap_servers, folder, partitions, probe=probe, **sections)
        with daemon.running() as process:
            yield daemon, process


def _measured(daemon: Daemon, process: psutil.Process) -> dict[str, float]:
    used, began = sum(process.cpu_times()[:2]), time.monotonic()
    time.sleep(SECONDS)
    busy = (sum(process.cpu_times()[:2]) - used) / (time.monotonic() - began)
    scrapes = []
    for _ in range(SCRAPES):
        asked = time.monotonic()
        daemon.get("metrics")
        scrapes.append(time.monotonic() - asked)
    return {
        "cpu_percent": round(100 * busy, 1),
        "memory_mb": round(process.memory_info().rss / 1e6, 1),
        "threads": process.num_threads(),
        "scrape_ms": round(1000 * statistics.median(scrapes), 1),
    }


if __name__ == "__main__":
    sys.exit(main())
