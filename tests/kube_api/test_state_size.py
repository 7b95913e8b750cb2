"""The state in the cluster stays small, however much has happened, and is written rarely while nothing does."""

from __future__ import annotations

import base64
import json
import random

from tests.core.engine_world import Sentinel
from tests.core.kubernetes_world import KubernetesWorld
from tests.kube_api.store import Store

from kafka_sentinel.adapters.kubernetes.state_configmap import MAX_BYTES, StateConfigMap
from kafka_sentinel.core import checkpoint
from kafka_sentinel.core.commands import SaveState
from kafka_sentinel.core.days import COLUMNS, DAY, MAX_DAYS
from kafka_sentinel.core.engine import Engine
from kafka_sentinel.core.events import LeaseObserved, OrderGiven, StateSaved
from kafka_sentinel.core.incident import Cause
from kafka_sentinel.core.incident_book import MAX_OLDER
from kafka_sentinel.core.types import Acks, Instant, OrderKind

PATH = "/api/v1/namespaces/own/configmaps/sentinel"
SHARED = {"state": {"namespace": "own"}}
INCIDENTS = 500
RESTARTS = 50


def lived_through(incidents):
    """A world with a past: incidents that each say much, losses, orders, restarts, a log with gaps, days."""
    world, chance = KubernetesWorld(**SHARED), random.Random(1)
    for number in range(RESTARTS):
        world.run(1)
        state = json.loads(json.dumps(checkpoint.to_state(world.engine)))
        run = chance.getrandbits(64)
        world.engine = Engine(world.engine.config, run=run, started=world.now(), state=state)
        world.following.clear()
        world.look()
        if number % 10 == 0:
            world.sent(3)  # nobody learns what became of them
    engine = world.engine
    for number in range(incidents):
        at = Instant(world.mono + 1_000.0 * number, world.wall + 1_000.0 * number)
        incident = engine.incidents.on_brokers_gone({number % 3}, at, at, Cause.SPOT)
        incident.nodes[f"uid-{chance.getrandbits(64):x}"] = f"ip-10-0-{number}.eu-central-1.compute.internal"
        incident.note(*(f"sentence {chance.getrandbits(64):x} " + "of what was seen " * 8 for _ in range(20)))
        incident.lost[Acks.ALL] += number
        incident.close(at, engine.config.slo_recovery)
        engine.incidents.tick(at)
        loss = {"acks": "all", "run": f"{chance.getrandbits(64):x}", "reason": "words " * 20, "offset": number}
        engine.casebook.losses = [loss, *engine.casebook.losses][:100]
        world.step(OrderGiven(world.now(), OrderKind.HEAL, "", f"{number:x}"))
    for day in range(MAX_DAYS):
        for name in COLUMNS:
            engine.days.add(name, chance.random() * 10 ** chance.randint(0, 8), world.wall + DAY * day)
    return engine


def test_after_hundreds_of_incidents_and_restarts_it_is_a_small_part_of_what_a_config_map_may_hold(api, script):
    script.world = store = Store()
    state = checkpoint.to_state(lived_through(INCIDENTS))
    assert len(state["incidents"]["closed"]) >= 100
    assert len(state["incidents"]["older"]) == MAX_OLDER
    assert len(state["days"]["rows"]) == MAX_DAYS
    StateConfigMap(api, "own", "sentinel", writer="a", holds=lambda: True).save(state)
    stored = base64.b64decode(store.objects[PATH]["binaryData"]["state.json.gz"])
    assert len(stored) < MAX_BYTES / 4, len(stored)
    assert StateConfigMap(api, "own", "sentinel", writer="b", holds=lambda: True).load().state == json.loads(
        json.dumps(state)
    )


def saves(sentinel, seconds):
    """Let time pass in calm; return how often the state was written."""
    count = 0
    for _ in range(seconds):
        sentinel.live(1)
        asked, sentinel.commands = sentinel.commands, []
        for command in asked:
            if isinstance(command, SaveState):
                count += 1
                sentinel.step(StateSaved(sentinel.now(), command.generation))
    return count


def test_at_rest_it_is_written_once_a_minute_at_most():
    sentinel = Sentinel(kubernetes={"enabled": True, "namespace": "kafka"}, state={"namespace": "own"})
    saves(sentinel, 5)
    assert 9 <= saves(sentinel, 600) <= 10


def test_an_outage_is_written_at_its_edges_and_not_in_between():
    sentinel = Sentinel(kubernetes={"enabled": True, "namespace": "kafka"}, state={"namespace": "own"})
    saves(sentinel, 61)
    sentinel.commands.clear()
    for _ in range(50):
        sentinel.step(LeaseObserved(sentinel.now(), sentinel.mono + 10.0, "us"))
        sentinel.suffer(1)
    asked = [command for command in sentinel.commands if isinstance(command, SaveState)]
    assert 1 <= len(asked) <= 2
