"""`python -m tests.sim --seeds N --start K`: run N worlds; the exit code tells what kind of failure came first."""

from __future__ import annotations

import argparse
import sys
import time

from tests.sim.options import PROFILES, Options
from tests.sim.oracle import SimulationError
from tests.sim.runner import simulate


def say(text):
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def main():
    parser = argparse.ArgumentParser(prog="python -m tests.sim", description="Run Sentinel's core in seeded worlds.")
    parser.add_argument("--seeds", type=int, default=100, help="how many worlds")
    parser.add_argument("--start", type=int, default=0, help="the first seed")
    parser.add_argument("--keep-going", action="store_true", help="list all failing seeds, one line each")
    parser.add_argument("--profile", choices=PROFILES, default="drawn", help="what is changed in the drawn options")
    given = parser.parse_args()
    began, outcomes, failures = time.monotonic(), [], []
    for seed in range(given.start, given.start + given.seeds):
        try:
            outcomes.append(simulate(seed, Options.changed(seed, PROFILES[given.profile])))
        except SimulationError as error:
            failures.append(error)
            if not given.keep_going:
                say(error)
                say(f"\nreproduce: python -m tests.sim --seeds 1 --start {seed} --profile {given.profile}")
                break
            say(str(error).splitlines()[0][:400])
    took = time.monotonic() - began
    say(
        f"{len(outcomes)} worlds passed, {len(failures)} failed, in {took:.1f} s:"
        f" {sum(one.seconds for one in outcomes):.0f} simulated seconds, {sum(one.steps for one in outcomes)} steps,"
        f" {sum(one.deaths for one in outcomes)} deaths of Sentinel, {sum(one.lost for one in outcomes)} records lost,"
        f" {sum(one.injections for one in outcomes)} faults injected by it"
    )
    return failures[0].exit_code if failures else 0


if __name__ == "__main__":
    sys.exit(main())
