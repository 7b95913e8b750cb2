"""Whether the daemon stays as small as it was while brokers are killed again and again.

`kafka-sentinel run` beside a real Kafka of three brokers at the default rate, one of them killed every minute: what
memory, open files and threads are in the last quarter more than in the second.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil
from benchmarks import figures
from benchmarks.daemon import Daemon
from benchmarks.figures import Figure

from kafka_sentinel.lab.cluster import LabCluster

LOOK = 5.0  # seconds between two looks at the process
KILL_EVERY = 60.0  # seconds
AWAY = 15.0  # seconds a killed broker stays away


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.kills", description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--minutes", type=float, default=8.0, metavar="M", help="of traffic (8)")
    figures.options(parser)
    given = parser.parse_args()
    found, details = measure(given.minutes)
    return figures.conclude("kills", found, details, given)


def measure(minutes: float) -> tuple[list[Figure], dict[str, Any]]:
    with LabCluster("combined") as lab, tempfile.TemporaryDirectory(prefix="kafka-sentinel-bench-") as folder:
        daemon = Daemon(lab.bootstrap_servers, Path(folder))
        with daemon.running() as process:
            looks = _look(lab, process, minutes * 60)
            opened = _opened(process.pid)
            records = daemon.status()["records"]["all"]
    if any(records[name] for name in ("lost", "duplicated", "corrupted", "unaccounted")):
        raise SystemExit(f"kills: the accounts do not add up: {records}")
    quarter = len(looks) // 4
    grown = {
        name: statistics.median(look[name] for look in looks[-quarter:])
        - statistics.median(look[name] for look in looks[quarter : 2 * quarter])
        for name in ("memory", "files", "threads")
    }
    by_minute = round(60 / LOOK)
    return [
        Figure("memory at its highest", max(look["memory"] for look in looks) / 1e6, "MB"),
        Figure("minutes, a broker killed in each", minutes),
        Figure("memory of the last quarter beyond the second's", grown["memory"] / 1e6, "MB", most=2),
        Figure("open files, the same", grown["files"], most=0),
        Figure("threads, the same", grown["threads"], most=0),
        Figure("records verified", records["verified"]),
    ], {
        "memory_mb_each_minute": [round(look["memory"] / 1e6, 1) for look in looks[::by_minute]],
        "files_each_minute": [look["files"] for look in looks[::by_minute]],
        "open_at_the_end": opened,
    }


def _look(lab: LabCluster, process: psutil.Process, seconds: float) -> list[dict[str, float]]:
    looks, began, killed, back = [], time.monotonic(), 0, True
    brokers = lab.brokers
    while (passed := time.monotonic() - began) < seconds:
        due = passed - killed * KILL_EVERY
        if due >= KILL_EVERY / 2 and back:
            lab.kill(brokers[killed % len(brokers)])
            back = False
        elif due >= KILL_EVERY / 2 + AWAY and not back:
            lab.start(brokers[killed % len(brokers)])
            killed, back = killed + 1, True
        looks.append(
            {
                "memory": process.memory_info().rss,
                "files": process.num_fds(),
                "threads": process.num_threads(),
            }
        )
        if len(looks) % round(60 / LOOK) == 1:
            print(f"{passed / 60:.0f} minutes, {looks[-1]['memory'] / 1e6:.1f} MB", flush=True)
        time.sleep(LOOK)
    return looks


def _opened(pid: int) -> dict[str, int]:
    """Return how many files of each kind a process has open (Linux only)."""
    kinds: Counter[str] = Counter()
    for each in Path(f"/proc/{pid}/fd").iterdir():
        with suppress(OSError):  # it has just been closed
            kinds[str(each.readlink()).split(":[")[0]] += 1
    return dict(kinds.most_common(20))


if __name__ == "__main__":
    sys.exit(main())
