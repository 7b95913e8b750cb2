"""One run of an experiment: its result, what it says it hit, and what a state keeps of it."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from kafka_sentinel.core.experiment_run import Run, RunState, run_from_state
from kafka_sentinel.core.types import NodeRef, PodRef

RUN = Run("r-1", "drill", "pod-crash", (1, 2), 60.0, 10.0, 11.0)
PODS = (PodRef("kafka", "kafka-1", "uid-1", 1), PodRef("kafka", "operator", "uid-2"))
SERVERS = ("z1:2181", "z2:2181")


@pytest.mark.parametrize(
    ("state", "verdict", "result"),
    [
        (RunState.DONE, "passed", "passed"),
        (RunState.DONE, None, "done"),
        (RunState.RECHECKED, "passed", "rechecked"),
        (RunState.ABORTED, None, "aborted"),
    ],
)
def test_the_result_is_the_verdict_of_a_run_that_is_done_and_else_its_state(state, verdict, result):
    assert replace(RUN, state=state, verdict=verdict).result == result


@pytest.mark.parametrize(
    ("run", "hit", "text"),
    [
        (replace(RUN, pods=PODS), (1, 2), "broker 1,broker 2"),
        (replace(RUN, pods=PODS), (), "kafka-1,operator"),
        (replace(RUN, targets=(), addresses=SERVERS), (), "ZooKeeper z1:2181,ZooKeeper z2:2181"),
        (replace(RUN, addresses=SERVERS), (2,), "broker 2"),
        (replace(RUN, addresses=SERVERS), (), ""),
        (replace(RUN, node=NodeRef("n1", "uid-n1")), (1,), "node n1 (broker 1)"),
    ],
)
def test_what_it_says_it_hit(run, hit, text):
    assert run.target_text(hit) == text


@pytest.mark.parametrize(
    "run",
    [
        RUN,
        replace(
            RUN,
            pods=PODS,
            node=NodeRef("n1", "uid-n1"),
            state=RunState.RECHECKED,
            injected=12.0,
            verdict="failed",
            reason="somebody stopped it",
            addresses=("h1", "h2"),
        ),
    ],
)
def test_a_state_keeps_all_of_it_as_plain_values(run):
    saved = run.to_state()
    assert json.loads(json.dumps(saved)) == {**saved, "targets": list(run.targets)}
    assert saved["node"] == (list(run.node) if run.node else None)
    assert run_from_state(json.loads(json.dumps(saved))) == run


def test_a_state_of_before_pods_had_brokers_and_runs_had_addresses_is_taken():
    saved = replace(RUN, pods=PODS[1:]).to_state()
    del saved["addresses"]
    saved["pods"] = [["kafka", "operator", "uid-2"]]
    assert run_from_state(saved) == replace(RUN, pods=PODS[1:])
