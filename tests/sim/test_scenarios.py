"""The simulator gives the verdicts that real brokers give (tests/kafka/test_scenarios.py), scenario by scenario."""

from __future__ import annotations

import pytest
from tests.scenarios.scripts import SCENARIOS
from tests.scenarios.simulated import SimulatedBench
from tests.scenarios.words import differs

SEEDS = 3  # delays differ, and with them the order of what happens at nearly the same time


@pytest.mark.parametrize("seed", range(SEEDS))
@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda one: one.name.replace(" ", "_"))
def test_the_simulator_says_what_is_said_of_real_brokers(scenario, seed):
    bench = SimulatedBench(scenario, seed)
    scenario.play(bench)
    assert not differs(bench.said(), scenario.stages, scenario.may)
