"""The production core in seeded worlds, judged by an oracle that shares no code with it (docs/simulation.md).

`python -m tests.sim --seeds N --start K` runs more of the same.
"""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
from tests.conftest import FULL
from tests.sim import kubernetes_mutations, kubernetes_node_mutations, kubernetes_world
from tests.sim.errors import InjectionError, SimulationError
from tests.sim.kubernetes_options import AS_BEFORE
from tests.sim.lease_model import LeasedSite
from tests.sim.mutations import MUTATIONS
from tests.sim.options import PROFILES, Options
from tests.sim.runner import simulate

CHUNK = 10
# Worlds in the fixed samples. Together the short ones have each kind of fault that the whole ones have.
SAMPLE = 150 if FULL else 80
HARSH = {  # worlds of each profile
    "ageing": 60 if FULL else 30,
    "mortal": 60 if FULL else 20,
    "neighbours": 20 if FULL else 10,
    "leased": 30 if FULL else 20,
    "namesakes": 10,
    "suspended": 20 if FULL else 10,
    "quorum": 20 if FULL else 10,
    "timed": 30 if FULL else 10,
    "unplaced": 20 if FULL else 10,
}
ONCE_WRONG = (  # worlds that a core was wrong in, and none of the samples
    ("drawn", 51871),  # an older record in its place, a later leader's above: the log had gone back
    ("drawn", 70153),  # found by a re-read below where the verifier had been sent on to: awaiting for ever
    ("drawn", 70495),  # a damaged entry among retried ones, taken for the next record of the run, which was lost
    ("ageing", 20119),  # absent, and written when all that was sent before it had left the log
    ("ageing", 20936),  # absent, and not read yet when the verifier was sent on, past all that was sent before it
)
ONCE_WRONG_SINCE = (  # the same, with all that came to the simulator later
    ("ageing", 810260),  # a deleted topic's record, claimed by one in the new: lost, by the life after next
    ("ageing", 860363),  # read, cut, written again where retention took it, and claimed as acknowledged: lost
    ("ageing", 860493),  # the same of one that was acknowledged without an offset
    ("ageing", 860357),  # an oracle's defect: a life with an older state was to know what an earlier one had seen
    ("ageing", 870972),  # cut before it was acknowledged, then acknowledged elsewhere and taken by retention: lost
    ("drawn", 860858),  # an earlier run's record, met by a re-read before the verifier began: foreign
    ("mortal", 840030),  # damaged, read in a log that had gone back, and counted again by the next life
    ("unplaced", 879288),  # written below where a former log had started, and a reader was told: absent
    ("drawn", 880158),  # an oracle's defect: a log that went back to its very beginning hid nothing of what was in it
    ("drawn", 803048),  # written twice, and the copy that was acknowledged was cut: lost, though the other one stood
)
HASHED = 46  # a world in which the order of commands did depend on hashes
WEEKS = (11, 14)  # of "weeks": Sentinel dies, faults are injected; brokers die, records are lost
KUBERNETES = 40 if FULL else 20  # worlds of Kubernetes
RECLAIMS = 20 if FULL else 10  # the same with experiments on whole nodes
SUSPENDED = 8  # a world in which a process is suspended between decision and fault
KUBERNETES_ONCE_WRONG = (
    300007,  # whatever left a node within a quarter of an hour after a reboot left it because of that
    310006,  # an oracle's defect: a watch that was back told of a pod that waits, and it was to be said at once
    320007,  # a node that was closed a minute after a roll had drained what the roll ended
    320048,  # a reboot that was over explained what went minutes later: the watch of nodes told of both late
    330078,  # a node that blinked twice, and was back while Sentinel was dead, had failed
    330119,  # what had left a node two minutes before that was closed had been drained
    331053,  # what a roll had moved away from a node twenty seconds before that was closed had been drained
    350003,  # what an experiment did was told before the next tick: its node, closed a moment later, was drained
    332042,  # a pod was rolled while its watch was broken, and was drained by what closed its node minutes later
    332245,  # a container out of memory just before a fault was asked for: ours
    360090,  # a node's failure was a drain, for the node was closed before its broker had recovered
    332677,  # an oracle's defect: what a drain took was to stand in one incident, and one broker's had begun before
    332839,  # what was rolled by hand was drained, for its node was closed a minute later
    332621,  # a drain of a node that had been restarted minutes before was a deletion
    332535,  # a roll that was told a moment after its pod went was a drain, once its node was closed
    320071,  # of a NodeClaim that was gone before its node nothing was known any more, and a reclaim was a drain
)
MUTANT_SEEDS = 100  # a mutation must be noticed within so many worlds


@pytest.mark.parametrize("start", range(0, SAMPLE, CHUNK))
def test_nothing_false_is_said_and_everything_settles(start):
    for seed in range(start, start + CHUNK):
        simulate(seed)


@pytest.mark.parametrize(
    ("profile", "start"), [(profile, start) for profile, count in HARSH.items() for start in range(0, count, CHUNK)]
)
def test_nothing_false_is_said_where_much_dies_or_ages_or_two_are_at_it(profile, start):
    for seed in range(start, start + CHUNK):
        simulate(seed, Options.of(seed, profile))


@pytest.mark.parametrize("seed", WEEKS)
def test_nothing_false_is_said_and_no_budget_is_overdrawn_in_days(seed):
    simulate(seed, Options.of(seed, "weeks"))


@pytest.mark.parametrize(("profile", "seed"), ONCE_WRONG)
def test_worlds_that_once_went_wrong_stay_right(profile, seed):
    simulate(seed, Options.changed(seed, PROFILES[profile], later=False), later=False)


@pytest.mark.parametrize(("profile", "seed"), ONCE_WRONG_SINCE)
def test_worlds_of_today_that_once_went_wrong_stay_right(profile, seed):
    simulate(seed, Options.of(seed, profile))


def test_a_seed_says_the_same_every_time():
    assert simulate(3) == simulate(3)


def test_what_is_said_and_its_order_do_not_depend_on_how_python_hashes():
    said = [_said_by_another_process(HASHED, hash_seed) for hash_seed in (1, 2)]
    assert said[0] == said[1]


def _said_by_another_process(seed, hash_seed):
    command = [sys.executable, "-m", "tests.sim.said", str(seed)]
    environment = {**os.environ, "PYTHONHASHSEED": str(hash_seed)}
    return subprocess.run(command, env=environment, capture_output=True, check=True).stdout


@pytest.mark.parametrize("name", MUTATIONS)
def test_the_oracle_notices_a_core_that_is_wrong(name, monkeypatch):
    mutate, known, changes, later = MUTATIONS[name]
    mutate(monkeypatch)
    assert any(_fails(seed, changes, later) for seed in (known, *range(MUTANT_SEEDS)))


def test_the_oracle_notices_a_fleet_that_asks_no_api_server_who_holds_the_lease(monkeypatch):
    """By its own clock a process holds it still, though it was suspended so long that another has taken over."""
    monkeypatch.setattr(LeasedSite, "asks_again", False)
    with pytest.raises(InjectionError):
        simulate(SUSPENDED, Options.changed(SUSPENDED, PROFILES["suspended"]))


@pytest.mark.parametrize("start", range(0, KUBERNETES, CHUNK))
def test_no_wrong_cause_is_given_and_no_fault_is_allowed_that_should_not_be(start):
    for seed in range(start, start + CHUNK):
        kubernetes_world.simulate(seed)


@pytest.mark.parametrize("start", range(371_000, 371_000 + RECLAIMS, CHUNK))
def test_a_node_is_broken_only_if_all_on_it_may_go_and_what_goes_is_ours(start):
    for seed in range(start, start + CHUNK):
        kubernetes_world.simulate(seed, on_nodes=True)


@pytest.mark.parametrize("seed", KUBERNETES_ONCE_WRONG)
def test_worlds_of_kubernetes_that_once_went_wrong_stay_right(seed):
    kubernetes_world.simulate(seed, AS_BEFORE)


@pytest.mark.parametrize("name", kubernetes_mutations.MUTATIONS)
def test_the_oracle_notices_a_room_that_is_wrong(name, monkeypatch):
    mutate, known, changes = kubernetes_mutations.MUTATIONS[name]
    kubernetes_world.simulate(known, changes)
    mutate(monkeypatch)
    with pytest.raises(SimulationError):
        kubernetes_world.simulate(known, changes)


@pytest.mark.parametrize("name", kubernetes_node_mutations.MUTATIONS)
def test_the_oracle_notices_experiments_on_nodes_that_are_wrong(name, monkeypatch):
    mutate, known, changes = kubernetes_node_mutations.MUTATIONS[name]
    kubernetes_world.simulate(known, changes, on_nodes=True)
    mutate(monkeypatch)
    with pytest.raises(SimulationError):
        kubernetes_world.simulate(known, changes, on_nodes=True)


def _fails(seed, changes, later):
    try:
        simulate(seed, Options.changed(seed, changes, later=later), later=later)
    except SimulationError:
        return True
    return False
