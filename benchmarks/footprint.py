"""What the daemon costs at its default rate: six partitions, ten records a second each, the group consumer on.

Sentinel runs as it would anywhere, a process of its own beside a real Kafka of three brokers, its metrics scraped every
15 s. Only that process is measured: resident memory at its highest, processor time (user and system) over time passed.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar
from urllib.error import URLError
from urllib.request import urlopen

import psutil
import yaml
from benchmarks import figures
from benchmarks.figures import Figure

from kafka_sentinel.lab.cluster import LabCluster

PARTITIONS = 6
SAMPLE = 0.5  # seconds between two looks at the memory
SCRAPE = 15.0  # seconds between two scrapes of the metrics
READY_SECONDS = 60.0
STOP_SECONDS = 20.0

Found = TypeVar("Found")


class Daemon:
    """`kafka-sentinel run`, from `start` until the context is left."""

    def __init__(self, servers: str, folder: Path, partitions: int = PARTITIONS, **sections: Mapping[str, Any]) -> None:
        self._partitions = partitions
        self._log = folder / "log"
        config = folder / "sentinel.yaml"
        config.write_text(
            yaml.safe_dump(
                {
                    "name": "footprint",
                    "kafka": {"bootstrap_servers": servers},
                    "http": {"host": "127.0.0.1", "port": 0},
                    "state": {"file": str(folder / "state.json")},
                    **sections,
                }
            )
        )
        self._command = [sys.executable, "-m", "kafka_sentinel", "run", "--config", str(config)]
        self._page = ""

    @contextmanager
    def running(self) -> Iterator[psutil.Process]:
        """Run until the block is left. Shows the end of the log if that is by an exception."""
        with self._log.open("wb") as stream, subprocess.Popen(self._command, stderr=stream) as process:
            try:
                self._page = str(_wait_for(self._address, "the page"))
                _wait_for(self._probes, f"{self._partitions} partitions being verified")
                yield psutil.Process(process.pid)
            except BaseException:
                print(self._log.read_text()[-4_000:], file=sys.stderr)
                raise
            finally:
                process.terminate()
                try:
                    process.wait(STOP_SECONDS)
                except subprocess.TimeoutExpired:
                    process.kill()

    def _address(self) -> str | None:
        for line in self._log.read_text().splitlines():
            try:
                entry = json.loads(line)
            except ValueError:
                continue
            if "address" in entry:
                return str(entry["address"])
        return None

    def _probes(self) -> bool:
        try:
            status = self.status()
        except URLError:
            return False
        return len(status.get("partitions", ())) == self._partitions and self.verified() > 0

    def get(self, path: str) -> bytes:
        with urlopen(self._page + path, timeout=5) as answer:
            return bytes(answer.read())

    def status(self) -> dict[str, Any]:
        return dict(json.loads(self.get("api/v1/status")))

    def verified(self) -> int:
        return int(self.status()["records"]["all"]["verified"])


def _wait_for(found: Callable[[], Found], what: str) -> Found:
    deadline = time.monotonic() + READY_SECONDS
    while not (answer := found()):
        if time.monotonic() > deadline:
            raise SystemExit(f"footprint: not within {READY_SECONDS:.0f} s: {what}")
        time.sleep(0.2)
    return answer


def measure(daemon: Daemon, process: psutil.Process, warm_up: float, seconds: float) -> dict[str, Any]:
    time.sleep(warm_up)
    verified, threads, begun = daemon.verified(), _thread_times(process), time.monotonic()
    used = sum(process.cpu_times()[:2])
    memory, scrape = [process.memory_info().rss], begun
    while (now := time.monotonic()) - begun < seconds:
        if now >= scrape:
            daemon.get("metrics")
            scrape += SCRAPE
        time.sleep(SAMPLE)
        memory.append(process.memory_info().rss)
    passed = time.monotonic() - begun
    used = sum(process.cpu_times()[:2]) - used
    by_thread = _thread_times(process)
    by_thread.subtract(threads)
    return {
        "seconds": round(passed, 1),
        "rss_max_mb": round(max(memory) / 1e6, 1),
        "cpu_percent": round(100 * used / passed, 2),
        "verified_per_second": round((daemon.verified() - verified) / passed, 1),
        "threads": process.num_threads(),
        "cpu_percent_by_thread": {name: round(100 * spent / passed, 2) for name, spent in by_thread.most_common(8)},
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


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.footprint", description=__doc__)
    parser.add_argument("--warm-up", type=float, default=20.0, metavar="S", help="seconds before measuring (20)")
    parser.add_argument("--seconds", type=float, default=60.0, metavar="S", help="seconds of measuring (60)")
    figures.options(parser)
    given = parser.parse_args()
    with LabCluster("combined") as lab, tempfile.TemporaryDirectory(prefix="kafka-sentinel-bench-") as folder:
        daemon = Daemon(lab.bootstrap_servers, Path(folder))
        with daemon.running() as process:
            result = measure(daemon, process, given.warm_up, given.seconds)
    found = [
        Figure("resident memory at its highest", result["rss_max_mb"], "MB", most=90),
        Figure("processor", result["cpu_percent"], "% of a core", most=2),
        Figure("records verified", result["verified_per_second"], "/s"),
    ]
    return figures.conclude("footprint", found, result, given)


if __name__ == "__main__":
    sys.exit(main())
