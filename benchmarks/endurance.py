"""Whether Sentinel stays as small as it was: records accounted for without end, and brokers killed again and again.

core   the production engine is fed with a thousand million records (simulated: no brokers, no client), an outage of
       four seconds in every fifteen. What its memory grows by after the first tenth; the size of its state; how
       long the state takes to be put together and written as JSON.
real   `kafka-sentinel run` beside a real Kafka of three brokers at the default rate, one of them killed every
       minute: what memory, open files and threads are in the last quarter more than in the second.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import psutil
from benchmarks import figures
from benchmarks.feed import INTERVAL, Feed
from benchmarks.figures import Figure
from benchmarks.footprint import Daemon

from kafka_sentinel.core import checkpoint
from kafka_sentinel.lab.cluster import LabCluster

PARTITIONS = 6
RATE = 20_000.0  # records a second and partition, in the core's part
PERIOD = round(15 / INTERVAL)  # intervals from one outage to the next
DOWN = round(4 / INTERVAL)  # intervals of an outage
SAVES = 21  # measured at the end
LOOK = 5.0  # seconds between two looks at the process
KILL_EVERY = 60.0  # seconds
AWAY = 15.0  # seconds a killed broker stays away


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.endurance", description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--records", type=float, default=1e9, metavar="N", help="records for the core (1e9)")
    parser.add_argument("--minutes", type=float, default=8.0, metavar="M", help="of real traffic; 0: none (8)")
    figures.options(parser)
    given = parser.parse_args()
    found, details = core(given.records)
    if given.minutes:
        more, seen = real(given.minutes)
        found, details = found + more, details | seen
    return figures.conclude("endurance", found, details, given)


# --- the core


def core(records: float) -> tuple[list[Figure], dict[str, Any]]:
    feed, process = Feed(partitions=PARTITIONS, rate=RATE, incidents={"settle": "2s"}), psutil.Process()
    after_a_tenth, told, began = 0, 0, time.monotonic()
    steps = 0
    while feed.accounted < records:
        steps += 1
        feed.step(down=steps % PERIOD >= PERIOD - DOWN)
        if not after_a_tenth and feed.accounted >= records / 10:
            after_a_tenth = process.memory_info().rss
        if feed.accounted // (records / 10) > told:
            told = int(feed.accounted // (records / 10))
            print(f"core: {feed.accounted:,} records, {process.memory_info().rss / 1e6:.1f} MB", flush=True)
    grown = process.memory_info().rss - after_a_tenth
    took = time.monotonic() - began
    sizes, times = zip(*(_saved(feed) for _ in range(SAVES)), strict=True)
    return [
        Figure("records accounted for by the core", feed.accounted / 1e6, "million"),
        Figure("… its memory grew by, after the first tenth", grown / 1e6, "MB", most=2),
        Figure("… size of its state", sizes[0] / 1024, "KiB", most=256),
        Figure("… to make the state and write it as JSON", 1000 * statistics.median(times), "ms", most=50),
    ], {"core_seconds": round(took, 1), "steps": steps}


def _saved(feed: Feed) -> tuple[int, float]:
    """Return the bytes of the state as it is written, and the seconds that takes."""
    began = time.perf_counter()
    text = json.dumps(checkpoint.to_state(feed.engine), separators=(",", ":"))
    return len(text.encode()), time.perf_counter() - began


# --- the real thing


def real(minutes: float) -> tuple[list[Figure], dict[str, Any]]:
    with LabCluster("combined") as lab, tempfile.TemporaryDirectory(prefix="kafka-sentinel-bench-") as folder:
        daemon = Daemon(lab.bootstrap_servers, Path(folder))
        with daemon.running() as process:
            looks = _look(lab, process, minutes * 60)
            records = daemon.status()["records"]["all"]
    if any(records[name] for name in ("lost", "duplicated", "corrupted", "unaccounted")):
        raise SystemExit(f"endurance: the accounts do not add up: {records}")
    quarter = len(looks) // 4
    grown = {
        name: statistics.median(look[name] for look in looks[-quarter:])
        - statistics.median(look[name] for look in looks[quarter : 2 * quarter])
        for name in ("memory", "files", "threads")
    }
    return [
        Figure("minutes of real traffic, a broker killed in each", minutes),
        Figure("… memory of the last quarter beyond the second's", grown["memory"] / 1e6, "MB", most=2),
        Figure("… open files", grown["files"], most=0),
        Figure("… threads", grown["threads"], most=0),
        Figure("… records verified", records["verified"]),
    ], {"highest_mb": round(max(look["memory"] for look in looks) / 1e6, 1)}


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
        time.sleep(LOOK)
    return looks


if __name__ == "__main__":
    sys.exit(main())
