"""The production core in seeded worlds, judged by an oracle that shares no code with it (docs/simulation.md).

`python -m tests.sim --seeds N --start K` runs more of the same.
"""

from __future__ import annotations

import pytest
from tests.sim.mutations import MUTATIONS
from tests.sim.oracle import SimulationError
from tests.sim.runner import simulate

CHUNK = 10
SAMPLE = 160  # worlds in the fixed sample
MUTANT_SEEDS = range(60)  # a mutation must be caught by one of these

REGRESSIONS = {
    25: "the acknowledgement of a record that was in doubt after a topic was made anew, and had been read already",
    40: "retention had taken an unplaced record of an earlier run, written out of order by a retry",
    74: "an incident that came to its recheck before a restarted Sentinel knew any partition",
    76: "a topic made anew while a Sentinel that remembers the old one was down",
    8: "survivors in a topic made anew that claim the records of the deleted one, met without a state",
}


@pytest.mark.parametrize("start", range(0, SAMPLE, CHUNK))
def test_nothing_false_is_said_and_everything_settles(start):
    for seed in range(start, start + CHUNK):
        simulate(seed)


@pytest.mark.parametrize("seed", REGRESSIONS, ids=lambda seed: f"{seed}-{REGRESSIONS[seed].replace(' ', '-')[:60]}")
def test_what_was_wrong_once_stays_right(seed):
    simulate(seed)


def test_a_seed_says_the_same_every_time():
    assert simulate(3) == simulate(3)


@pytest.mark.parametrize("name", MUTATIONS)
def test_the_oracle_notices_a_core_that_is_wrong(name, monkeypatch):
    MUTATIONS[name](monkeypatch)
    with pytest.raises(SimulationError):
        for seed in MUTANT_SEEDS:
            simulate(seed)
