"""Whom an experiment would hit and why not, as the status tells it."""

from __future__ import annotations

from dataclasses import asdict

import pytest

from kafka_sentinel.core import experiment_view as module
from kafka_sentinel.core.experiment_run import Run
from kafka_sentinel.core.experiment_view import explanation
from kafka_sentinel.core.guards import Answer
from kafka_sentinel.core.targets import Target
from kafka_sentinel.core.types import NodeRef, PodRef


@pytest.fixture
def answers(monkeypatch):
    given = []
    monkeypatch.setattr(module, "evaluate", lambda *_: given)
    return given


def answer(guard, *, allowed):
    return Answer(guard, allowed, "seen", "needed")


def test_everything_that_would_be_hit_is_told(answers):
    answers += [answer("a", allowed=True), answer("b", allowed=False), answer("c", allowed=False)]
    pods = (PodRef("kafka", "kafka-1", "u-1", 1), PodRef("kafka", "zk-0", "u-2", None))
    target = Target(frozenset({16, 8, 1}), pods=pods, node=NodeRef("n1", "u"), servers=("z:2181",))
    run = Run("kill-1", "kill", "pod-crash", (1,), 10.0, 0.0, 0.0, pods)
    assert explanation(None, target, run) == {
        "run": "kill-1",
        "state": run.state.value,
        "targets": [1, 8, 16],
        "pods": ["kafka-1", "zk-0"],
        "servers": ["z:2181"],
        "node": "n1",
        "allowed": False,
        "first_denial": "b",
        "guards": [
            asdict(answers[0]),
            asdict(answers[1]),
            asdict(answers[2]),
        ],
    }


def test_nobody_to_hit_and_nothing_under_way(answers):
    told = explanation(None, Target(frozenset()), None)
    assert [told[key] for key in ("run", "state", "targets", "node", "allowed", "first_denial")] == [
        *(None, None, [], None),
        *(True, None),
    ]
