"""How much simulated time passes in a second of one core.

world   worlds of tests/sim as their seeds draw them: production core, model of Kafka, faults, oracle
core    the production core alone, fed with 60 records a second on six partitions, nothing going wrong
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time

from benchmarks import figures
from benchmarks.feed import Feed
from benchmarks.figures import Figure
from tests.sim.runner import simulate

ROUNDS = 5
HOURS = 0.2  # of the core alone, in each round


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.simulation", description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--worlds", type=int, default=20, metavar="N", help="in each of the five rounds (20)")
    figures.options(parser)
    given = parser.parse_args()
    worlds, cores = [], []
    for number in range(ROUNDS):
        worlds.append(_worlds(number * given.worlds, given.worlds))
        cores.append(_core())
    found = [
        Figure("worlds: simulated hours in a second of a core", statistics.median(worlds), "h", least=5),
        Figure("core alone: the same, at 60 records/s", statistics.median(cores), "h"),
    ]
    return figures.conclude("simulation", found, {"worlds": worlds, "cores": cores}, given)


def _worlds(start: int, count: int) -> float:
    began = time.process_time()
    seconds = sum(simulate(seed).seconds for seed in range(start, start + count))
    return seconds / 3600 / (time.process_time() - began)


def _core() -> float:
    feed, began = Feed(partitions=6, rate=10), time.process_time()
    feed.live(HOURS * 3600)
    return HOURS / (time.process_time() - began)


if __name__ == "__main__":
    sys.exit(main())
