"""`python -m tests.sim --seeds N --start K`: run N worlds; the exit code tells what kind of failure came first."""

from __future__ import annotations

import argparse
import sys
import time
from collections import Counter

from tests.sim import kubernetes_world
from tests.sim.errors import SimulationError
from tests.sim.options import PROFILES, Options
from tests.sim.runner import simulate

KUBERNETES = "kubernetes"  # the profile of the worlds in which Kubernetes is what is simulated
RECLAIMS = "reclaims"  # the same with experiments on whole nodes
PROGRESS = 60.0  # seconds between two lines that say how far it is


def say(text):
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def _simulate(seed, profile):
    if profile in {KUBERNETES, RECLAIMS}:
        return kubernetes_world.simulate(seed, on_nodes=profile == RECLAIMS)
    return simulate(seed, Options.of(seed, profile))


def _command(seed, profile):
    return f"python -m tests.sim --seeds 1 --start {seed} --profile {profile}"


def summary(profile, outcomes, failed, took):
    """Return what was run: worlds and hours, what was done to them, and what there was to be found and was."""
    hours = sum(one.seconds for one in outcomes) / 3600
    done = sum((one.done for one in outcomes), Counter())
    lines = [
        f"{profile}: {len(outcomes)} worlds passed, {failed} failed: {hours:.1f} simulated hours in {took:.1f} s",
        f"  done: {_tally(done)}",
    ]
    if profile in {KUBERNETES, RECLAIMS}:
        ends, permitted, incidents = (
            sum(getattr(one, name) for one in outcomes) for name in ("ends", "permissions", "incidents")
        )
        return [
            *lines,
            f"  judged: {ends} ends of brokers, {incidents} incidents, {permitted} answers that allow a fault",
        ]
    there, found = (sum((getattr(one, name) for one in outcomes), Counter()) for name in ("there", "found"))
    pairs = ", ".join(f"{name} {there[name]}/{found[name]}" for name in sorted(there | found))
    steps, deaths = sum(one.steps for one in outcomes), sum(one.deaths for one in outcomes)
    injected = sum(one.injections for one in outcomes)
    return [
        *lines,
        f"  there at the end or ever/found: {pairs}",
        f"  {steps} events taken, {deaths} deaths of Sentinel, {injected} faults injected by it",
    ]


def _tally(counts):
    return ", ".join(f"{name} {count}" for name, count in sorted(counts.items()) if count) or "nothing"


def main():
    parser = argparse.ArgumentParser(prog="python -m tests.sim", description="Run Sentinel's core in seeded worlds.")
    parser.add_argument("--seeds", type=int, default=100, help="how many worlds")
    parser.add_argument("--start", type=int, default=0, help="the first seed")
    parser.add_argument("--keep-going", action="store_true", help="list all failing seeds, one line each")
    parser.add_argument(
        "--profile", choices=(*PROFILES, KUBERNETES, RECLAIMS), default="drawn", help="which sort of worlds"
    )
    given = parser.parse_args()
    began, outcomes, failures = time.monotonic(), [], []
    told = began
    for seed in range(given.start, given.start + given.seeds):
        try:
            outcomes.append(_simulate(seed, given.profile))
        except SimulationError as error:
            failures.append(error)
            if not given.keep_going:
                say(error)
                say(f"\nreproduce: {_command(seed, given.profile)}")
                break
            say(str(error).splitlines()[0][:400])
        except Exception:
            say(f"seed {seed}: the simulator itself failed\nreproduce: {_command(seed, given.profile)}")
            raise
        if time.monotonic() - told >= PROGRESS:
            told = time.monotonic()
            hours = sum(one.seconds for one in outcomes) / 3600
            done = seed + 1 - given.start
            say(f"{done} of {given.seeds} worlds, {len(failures)} failed: {hours:.1f} simulated hours")
    for line in summary(given.profile, outcomes, len(failures), time.monotonic() - began):
        say(line)
    return failures[0].exit_code if failures else 0


if __name__ == "__main__":
    sys.exit(main())
