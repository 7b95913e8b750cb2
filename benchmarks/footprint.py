"""What the daemon costs at its default rate, beside what one would write instead (benchmarks/naive.py).

They take turns on the same Kafka of three brokers and the same scripted Kubernetes API: six partitions, ten records a
second each, a group consumer, pods and nodes watched, metrics scraped every 15 s. Only the process itself is measured:
resident memory at its highest, processor time (user and system) over time passed.

How much processor time imports take is measured in processes of their own, with compiled files at hand.
"""

from __future__ import annotations

import argparse
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import psutil
from benchmarks import figures
from benchmarks.daemon import PARTITIONS, Daemon, free_port, wait_for
from benchmarks.figures import Figure
from benchmarks.kubernetes_api import ApiServer
from confluent_kafka.admin import AdminClient, NewTopic

from kafka_sentinel.lab.cluster import LabCluster

SAMPLE = 0.5  # seconds between two looks at the memory
SCRAPE = 15.0  # seconds between two scrapes of the metrics
NAIVE_TOPIC = "naive"
IMPORTS = {
    "sentinel": "import kafka_sentinel.cli.commands, kafka_sentinel.runtime, kafka_sentinel.kubernetes_wiring",
    "naive": "import benchmarks.naive",
    "nothing": "pass",
}

# What Sentinel needs of other packages, in the order in which they are imported to see what each adds.
PACKAGES = (
    ("click, PyYAML", ("click", "yaml")),
    ("pydantic-settings", ("pydantic_settings",)),
    ("structlog, with rich", ("structlog", "rich.console")),
    ("prometheus-client", ("prometheus_client",)),
    ("confluent-kafka", ("confluent_kafka.admin",)),
    ("kafka-python (quorums)", ("kafka.admin",)),
    ("kubernetes, without its models", ("kubernetes",)),
    ("Sentinel", ("kafka_sentinel.cli.commands", "kafka_sentinel.runtime", "kafka_sentinel.kubernetes_wiring")),
)
RESIDENT = """
import importlib, pathlib, sys
def resident():
    return int(pathlib.Path("/proc/self/statm").read_text().split()[1]) * 4096
print(resident())
for modules in sys.argv[1:]:
    for module in modules.split():
        importlib.import_module(module)
    print(resident())
"""

Scrape = Callable[[], bytes]


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.footprint", description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=5, metavar="N", help="of each (5)")
    parser.add_argument("--warm-up", type=float, default=20.0, metavar="S", help="seconds before measuring (20)")
    parser.add_argument(
        "--seconds", type=float, default=30.0, metavar="S", help="seconds of measuring, each round (30)"
    )
    figures.options(parser)
    given = parser.parse_args()
    rounds = []
    with LabCluster("combined") as lab, tempfile.TemporaryDirectory(prefix="kafka-sentinel-bench-") as folder:
        _make_topic(lab.bootstrap_servers)
        with ApiServer(Path(folder)) as kubernetes:
            ways = {
                "sentinel": partial(_sentinel, lab.bootstrap_servers, Path(folder), kubernetes.kubeconfig),
                "naive": partial(_naive, lab.bootstrap_servers, kubernetes.kubeconfig),
            }
            for number in range(given.rounds):
                rounds.append({name: measure(ways[name], given) for name in sorted(ways, reverse=number % 2 == 1)})
                print(f"{number + 1}: {rounds[-1]}", flush=True)
    imports = [{name: _import(program) for name, program in IMPORTS.items()} for _ in range(given.rounds)]
    found = [*_figures(rounds, imports), *_parts()]
    return figures.conclude("footprint", found, {"rounds": rounds, "imports": imports}, given)


def _figures(rounds: list[dict[str, dict[str, Any]]], imports: list[dict[str, float]]) -> list[Figure]:
    def middle(name: str, key: str) -> float:
        return statistics.median(each[name][key] for each in rounds)

    def ratio(key: str) -> float:
        return statistics.median(each["sentinel"][key] / each["naive"][key] for each in rounds)

    def taken(name: str) -> float:
        return statistics.median(each[name] - each["nothing"] for each in imports)

    return [
        Figure("resident memory at its highest", middle("sentinel", "rss_max_mb"), "MB", most=90),
        Figure("… naive", middle("naive", "rss_max_mb"), "MB"),
        Figure("… ratio", ratio("rss_max_mb")),
        Figure("processor", middle("sentinel", "cpu_percent"), "% of a core", most=2),
        Figure("… naive", middle("naive", "cpu_percent"), "% of a core"),
        Figure("… ratio", ratio("cpu_percent")),
        Figure("imports: processor time", taken("sentinel"), "s", most=1),
        Figure("… naive", taken("naive"), "s"),
    ]


# --- the two


@contextmanager
def _sentinel(servers: str, folder: Path, kubeconfig: Path) -> Iterator[tuple[psutil.Process, Scrape]]:
    kubernetes = {"enabled": True, "namespace": "kafka", "kubeconfig": str(kubeconfig)}
    daemon = Daemon(servers, folder, kubernetes=kubernetes)
    with daemon.running() as process:
        yield process, lambda: daemon.get("metrics")


@contextmanager
def _naive(servers: str, kubeconfig: Path) -> Iterator[tuple[psutil.Process, Scrape]]:
    port = free_port()

    def scrape() -> bytes:
        with urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5) as answer:
            return bytes(answer.read())

    def reads() -> bool:
        with suppress(OSError):
            return b"naive_read_total 0.0" not in scrape()
        return False

    command = [sys.executable, "-m", "benchmarks.naive", "--servers", servers, "--topic", NAIVE_TOPIC]
    with subprocess.Popen([*command, "--kubeconfig", str(kubeconfig), "--port", str(port)]) as process:
        try:
            wait_for(reads, "the naive monitor reading")
            yield psutil.Process(process.pid), scrape
        finally:
            process.kill()


def _make_topic(servers: str) -> None:
    topic = NewTopic(NAIVE_TOPIC, PARTITIONS, 3, config={"min.insync.replicas": "2"})
    admin = AdminClient({"bootstrap.servers": servers, "log_level": 0})
    admin.create_topics([topic])[NAIVE_TOPIC].result()


# --- what is measured


def measure(way: Callable[[], Any], given: argparse.Namespace) -> dict[str, Any]:
    with way() as (process, scrape):
        time.sleep(given.warm_up)
        threads, begun = _thread_times(process), time.monotonic()
        used = sum(process.cpu_times()[:2])
        memory, due = [process.memory_info().rss], begun
        while (now := time.monotonic()) - begun < given.seconds:
            if now >= due:
                scrape()
                due += SCRAPE
            time.sleep(SAMPLE)
            memory.append(process.memory_info().rss)
        passed = time.monotonic() - begun
        used = sum(process.cpu_times()[:2]) - used
        by_thread = _thread_times(process)
    by_thread.subtract(threads)
    return {
        "rss_max_mb": round(max(memory) / 1e6, 1),
        "cpu_percent": round(100 * used / passed, 2),
        "cpu_percent_by_thread": {name: round(100 * spent / passed, 2) for name, spent in by_thread.most_common(6)},
    }


def _thread_times(process: psutil.Process) -> Counter[str]:
    """Return seconds of processor time by the name that the kernel knows a thread by (Linux only)."""
    times: Counter[str] = Counter()
    for thread in process.threads():
        label = "main" if thread.id == process.pid else f"{_name(process.pid, thread.id)} {thread.id - process.pid}"
        times[label] += thread.user_time + thread.system_time
    return times


def _name(process: int, thread: int) -> str:
    try:
        return Path(f"/proc/{process}/task/{thread}/comm").read_text().strip()
    except OSError:  # it has just ended, or this is not Linux
        return "thread"


def _parts() -> list[Figure]:
    """Return what the imports of each package add to the memory of a process (Linux only)."""
    arguments = [" ".join(modules) for _, modules in PACKAGES]
    ended = subprocess.run([sys.executable, "-c", RESIDENT, *arguments], check=True, capture_output=True, text=True)
    sizes = [int(line) / 1e6 for line in ended.stdout.split()]
    added = [after - before for before, after in pairwise(sizes)]
    return [
        Figure("memory of Python itself", sizes[0], "MB"),
        *(Figure(f"… added by importing {name}", more, "MB") for (name, _), more in zip(PACKAGES, added, strict=True)),
    ]


def _import(program: str) -> float:
    """Return the seconds of processor time that a process takes which does nothing else."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, "-c", program], check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


if __name__ == "__main__":
    sys.exit(main())
