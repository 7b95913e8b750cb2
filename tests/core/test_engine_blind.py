"""Sentinel cut off itself, seen by the whole engine: blind, which is neither an outage nor a loss."""

from __future__ import annotations

import pytest
from tests.core.engine_world import INTERVAL
from tests.core.kubernetes_world import KubernetesWorld

from kafka_sentinel.core.events import LeaseObserved, WatchAlive, WatchBroken
from kafka_sentinel.core.kubernetes.objects import Kind

OUTAGE = ("unavailable_seconds_total", "partition_unavailable_seconds_total")


def silence(world, seconds, *, witness):
    """No broker answers; the API server (`witness`) does or does not. Returns the words for health that were seen."""
    seen = []
    for _ in range(round(seconds / INTERVAL)):
        world.sent()
        world.wait(INTERVAL)
        world.sees_nothing()
        world.step(
            WatchAlive(world.now(), Kind.POD) if witness else WatchBroken(world.now(), Kind.POD, "timeout", "silence")
        )
        seen.append(world.status["health"])
    return seen


def bad_slots(world):
    return sum(count for name, count in world.counts.items() if name.startswith("probe_slots") and "bad" in name)


def outage(world):
    return sum(count for name, count in world.counts.items() if name.split(" ")[0] in OUTAGE)


def test_a_sentinel_that_is_cut_off_claims_neither_an_outage_nor_a_loss():
    world = KubernetesWorld()
    world.run(30)
    slots = world.counts["probe_slots_total produce good"]
    seen = silence(world, 20, witness=False)
    assert set(seen) == {"ok", "blind"}
    assert seen[-1] == "blind"
    world.run(30)
    assert world.status["health"] == "ok"
    assert world.incidents == []
    assert bad_slots(world) == outage(world) == 0
    assert world.counts["blind_seconds_total"] == pytest.approx(20, abs=1)
    assert world.counts["probe_slots_total produce blind"] == pytest.approx(40, abs=3)
    assert world.counts["probe_slots_total produce good"] == pytest.approx(slots + 60, abs=3)
    assert world.records["lost"] == world.records["unaccounted"] == 0
    assert [log.event for log in world.logs if "blind" in log.event] == [
        "blind: neither Kafka nor the API server of Kubernetes answers",
        "not blind any more",
    ]


def test_brokers_that_are_down_while_the_api_server_answers_are_an_outage_from_the_first_bad_slot():
    world = KubernetesWorld()
    world.run(30)
    began = world.wall
    assert "blind" not in silence(world, 20, witness=True)
    [incident] = world.incidents
    assert incident["started_at"] == pytest.approx(began, abs=INTERVAL)
    assert outage(world) > 0
    assert world.counts["blind_seconds_total"] == 0


def test_brokers_that_went_before_sentinel_was_cut_off_stay_an_outage_of_which_the_blind_part_is_not_counted():
    world = KubernetesWorld()
    world.run(30)
    silence(world, 10, witness=True)
    before = world.counts["unavailable_seconds_total produce unknown"]
    silence(world, 20, witness=False)
    assert world.status["health"] == "blind"
    assert len(world.incidents) == 1
    assert world.counts["unavailable_seconds_total produce unknown"] == pytest.approx(before, abs=1.5)
    world.run(40)
    [incident] = world.incidents
    assert incident["state"] == "closed"
    assert "Sentinel could not see for a part of it" in incident["reasons"]


def test_a_lease_that_cannot_be_asked_for_is_a_witness_too():
    world = KubernetesWorld()
    world.run(30)
    for _ in range(20):
        world.sent()
        world.wait(INTERVAL)
        world.sees_nothing()
        world.step(LeaseObserved(world.now(), None, problem="timeout", answered=False))
    assert world.status["health"] == "blind"
    assert world.incidents == []
