"""Runs one world: a safety phase, then a liveness phase, then the exact comparison."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from tests.sim.errors import InexactError, SimulationError, StuckError
from tests.sim.world import World

from kafka_sentinel.core.status import records
from kafka_sentinel.core.types import Acks, ProbePartition

KINDS = ("lost", "duplicated", "corrupted", "foreign")  # anomalies, as the oracle and Sentinel name them
LIVENESS = 180.0  # seconds of the world in which everything must settle once nothing goes wrong any more
LEAST = 25.0  # seconds of it that pass in any case
RECENT = 12.0  # seconds: younger records may still be on their way at the end
WHOLE = 10  # every so many looks, all that the page and the API show is made as well


@dataclass(frozen=True)
class Outcome:
    seed: int
    steps: int
    deaths: int
    lost: int
    seconds: float  # of Sentinel's clock
    injections: int
    done: Counter  # faults of each kind
    there: Counter  # anomalies that there were, by kind
    found: Counter  # anomalies that Sentinel counted


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


def simulate(seed, options=None, *, later=True):
    """Run the world of `seed`. Raises SimulationError with everything that is needed to look into it."""
    world = World(seed, options, later=later)
    try:
        _safety(world)
        _liveness(world)
    except SimulationError as error:
        error.args = (f"seed {seed}: {type(error).__name__}: {error}\n{report(world)}",)
        raise
    engines = [site.life.engine for site in world.sites]
    lost = sum(engine.records(acks)["lost"] for engine in engines for acks in world.all_acks)
    steps = sum(site.life.steps for site in world.sites)
    there, found = Counter(), Counter()
    for site in world.sites:
        there += site.oracle.there()
        for acks in world.all_acks:
            figures = site.life.engine.records(acks)
            found += Counter({name: figures[name] for name in KINDS})
    seconds = world.now * world.options.pace
    return Outcome(seed, steps, world.deaths, lost, seconds, world.injections, world.faults, there, found)


def report(world):
    lines = [f"at {world.now:.2f} s of simulated time; options:", world.options.describe(), "last events:"]
    return "\n".join([*lines, *(f"  {when:9.3f} {event}" for when, event in world.events)])


def _safety(world):
    while world.now < world.options.seconds:
        world.run_until(world.now + world.options.look)
        look(world)


def _liveness(world):
    world.heal()
    healed, problem = world.now, StuckError("Sentinel never came back")
    while world.now < healed + LIVENESS:
        world.run_until(world.now + world.options.look)
        look(world)
        if world.now >= healed + LEAST:
            problem = unsettled(world)
            if problem is None:
                return
    raise problem


def look(world):
    """Judge all figures as they are now."""
    for site in world.sites:
        for life in site.lives:
            _look_at(world, site.oracle, life)


def _look_at(world, oracle, life):
    engine = life.engine
    figures = {acks.value: records(engine, acks) for acks in engine.config.acks}
    accounts = accounts_of(engine)
    if world.now // world.options.look % WHOLE == 0:
        engine.status()
    oracle.check_identities(figures, accounts, life.run)
    oracle.check_anomalies(figures)
    oracle.check_accounts(accounts)
    oracle.check_bounds(accounts)


def unsettled(world):
    """Return what has not settled yet, or not on the truth (the slow re-reading may still correct that), or None."""
    found = [_unsettled(world, site) for site in world.sites]
    return next((problem for problem in found if problem is not None), None)


def _unsettled(world, site):
    if len(site.lives) != 1:
        return StuckError(f"{len(site.lives)} processes of {site.name} probe")
    status, accounts = site.life.engine.status(), accounts_of(site.life.engine)
    given = {"before": world.now - RECENT, "clean": site.deaths == 0 and not site.crowded}
    open_incidents = [one for one in status["incidents"] if one["closed_at"] is None]
    if open_incidents:
        return StuckError(f"incidents are open: {open_incidents}")
    still_open = site.oracle.unsettled(accounts, status["records"], **given)
    if still_open is not None:
        return StuckError(still_open)
    try:
        site.oracle.check_final(accounts, status["records"], **given)
    except InexactError as error:
        return error
    return None
