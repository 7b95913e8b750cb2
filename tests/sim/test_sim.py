"""The production core in seeded worlds, judged by an oracle that shares no code with it (docs/simulation.md).

`python -m tests.sim --seeds N --start K` runs more of the same.
"""

from __future__ import annotations

import pytest
from tests.sim.mutations import MUTATIONS
from tests.sim.options import PROFILES, Options
from tests.sim.oracle import SimulationError
from tests.sim.runner import simulate

CHUNK = 10
SAMPLE = 150  # worlds in the fixed sample; every defect that simulation found is met by one of them
HARSH = 60  # worlds of each profile; what such worlds have taught is in tests/core/test_ledger_harsh.py
MUTANT_SEEDS = 100  # a mutation must be noticed within so many worlds


@pytest.mark.parametrize("start", range(0, SAMPLE, CHUNK))
def test_nothing_false_is_said_and_everything_settles(start):
    for seed in range(start, start + CHUNK):
        simulate(seed)


@pytest.mark.parametrize("profile", [name for name in PROFILES if name != "drawn"])
@pytest.mark.parametrize("start", range(0, HARSH, CHUNK))
def test_nothing_false_is_said_where_much_dies_or_ages(profile, start):
    for seed in range(start, start + CHUNK):
        simulate(seed, Options.changed(seed, PROFILES[profile]))


def test_a_seed_says_the_same_every_time():
    assert simulate(3) == simulate(3)


@pytest.mark.parametrize("name", MUTATIONS)
def test_the_oracle_notices_a_core_that_is_wrong(name, monkeypatch):
    mutate, known, changes = MUTATIONS[name]
    mutate(monkeypatch)
    assert any(_fails(seed, changes) for seed in (known, *range(MUTANT_SEEDS)))


def _fails(seed, changes):
    try:
        simulate(seed, Options.changed(seed, changes))
    except SimulationError:
        return True
    return False
