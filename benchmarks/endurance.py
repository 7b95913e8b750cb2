"""Whether the core stays as small as it was: the production engine is fed with a thousand million records.

No brokers, no client; an outage of four seconds in every fifteen. What its memory grows by after the first tenth; the
size of its state; how long the state takes to be put together and written as JSON.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from typing import Any

import psutil
from benchmarks import figures
from benchmarks.feed import INTERVAL, Feed
from benchmarks.figures import Figure

from kafka_sentinel.core import checkpoint

PARTITIONS = 6
RATE = 20_000.0  # records a second and partition, in the core's part
PERIOD = round(15 / INTERVAL)  # intervals from one outage to the next
DOWN = round(4 / INTERVAL)  # intervals of an outage
SAVES = 21  # measured at the end


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.endurance", description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--records", type=float, default=1e9, metavar="N", help="to account for (1e9)")
    figures.options(parser)
    given = parser.parse_args()
    found, details = core(given.records)
    return figures.conclude("endurance", found, details, given)


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


if __name__ == "__main__":
    sys.exit(main())
