"""Runs one world: a safety phase, then a liveness phase, then the exact comparison."""

from __future__ import annotations

from dataclasses import dataclass

from tests.sim.oracle import InexactError, SimulationError, StuckError
from tests.sim.world import World

from kafka_sentinel.core.types import Acks, ProbePartition

LIVENESS = 180.0  # seconds of simulated time in which everything must settle once nothing goes wrong any more
LEAST = 25.0  # seconds of it that pass in any case
RECENT = 12.0  # seconds: younger records may still be on their way at the end
LOOK = 1.0  # seconds between two looks at all figures


@dataclass(frozen=True)
class Outcome:
    seed: int
    steps: int
    deaths: int
    lost: int
    seconds: float
    injections: int


def accounts_of(engine):
    """Return (partition, run) → state → spans, from the JSON that the engine would save.

    Under `folded` stand the sums of records that are settled and have left the log.
    """
    found = {}
    for each in engine.truth.to_state()["partitions"]:
        partition = ProbePartition(Acks(each["acks"]), each["partition"])
        for account in each["accounts"]:
            states = {name: list(spans) for name, spans in account["sets"].items()}
            states["lost_before"] = account["lost_before"]
            states["suspected"] = account["suspected"]
            states["folded"] = account["folded"]
            found[partition, int(account["run"], 16)] = states
    return found


def simulate(seed, options=None):
    """Run the world of `seed`. Raises SimulationError with everything that is needed to look into it."""
    world = World(seed, options)
    try:
        _safety(world)
        _liveness(world)
    except SimulationError as error:
        error.args = (f"seed {seed}: {type(error).__name__}: {error}\n{report(world)}",)
        raise
    engine = world.life.engine
    lost = sum(engine.records(acks)["lost"] for acks in world.all_acks)
    return Outcome(seed, world.life.steps, world.deaths, lost, world.now, world.injections)


def report(world):
    lines = [f"at {world.now:.2f} s of simulated time; options:", world.options.describe(), "last events:"]
    return "\n".join([*lines, *(f"  {when:9.3f} {event}" for when, event in world.events)])


def _safety(world):
    while world.now < world.options.seconds:
        world.run_until(world.now + LOOK)
        look(world)


def _liveness(world):
    world.heal()
    healed, problem = world.now, StuckError("Sentinel never came back")
    while world.now < healed + LIVENESS:
        world.run_until(world.now + LOOK)
        look(world)
        if world.life is not None and world.now >= healed + LEAST:
            problem = unsettled(world)
            if problem is None:
                return
    raise problem


def look(world):
    """Judge all figures as they are now."""
    if world.life is None:
        return
    engine = world.life.engine
    records = engine.status()["records"]
    accounts = accounts_of(engine)
    world.oracle.check_identities(records, accounts, world.life.run)
    world.oracle.check_anomalies(records)
    world.oracle.check_accounts(accounts)
    world.oracle.check_bounds(accounts)


def unsettled(world):
    """Return what has not settled yet, or not on the truth (the slow re-reading may still correct that), or None."""
    status, accounts = world.life.engine.status(), accounts_of(world.life.engine)
    given = {"before": world.now - RECENT, "clean": world.deaths == 0}
    open_incidents = [one for one in status["incidents"] if one["closed_at"] is None]
    if open_incidents:
        return StuckError(f"incidents are open: {open_incidents}")
    still_open = world.oracle.unsettled(accounts, status["records"], **given)
    if still_open is not None:
        return StuckError(still_open)
    try:
        world.oracle.check_final(accounts, status["records"], **given)
    except InexactError as error:
        return error
    return None
