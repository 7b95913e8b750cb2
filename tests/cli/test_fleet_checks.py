"""What `check` says of the fleets that are no pods, before anything is run."""

from __future__ import annotations

import socket
import sys

import pytest
from tests.cli.msk_world import Msk

from kafka_sentinel.adapters.fleet_checks import check_fleet
from kafka_sentinel.settings import Settings

ARN = "arn:aws:kafka:eu-west-1:123456789012:cluster/orders/0a1b2c3d-1"


def said(**sections):
    return [(str(one.outcome), one.check, one.sentence) for one in check_fleet(Settings.model_validate(sections))]


def commands(*items):
    return {"fleet": "command", "items": [{"name": "a", "fault": "command", "every": "1h", **item} for item in items]}


def test_nothing_is_said_where_there_is_nothing_of_that():
    assert said() == []
    assert said(experiments={"fleet": "none"}) == []


def test_experiments_that_nothing_can_do_fail():
    item = {"name": "a", "fault": "process-kill", "every": "1h"}
    [(outcome, check, sentence)] = said(experiments={"fleet": "none", "items": [item]})
    assert (outcome, check) == ("FAIL", "experiments")
    assert sentence.startswith("experiments.fleet is none: probe only")


def test_a_program_is_looked_for_and_not_run():
    found = said(experiments=commands({"command": [sys.executable, "-c", "raise SystemExit"], "heal": ["sh"]}))
    assert found == [("OK", "experiments", f"experiment a: {sys.executable}, sh can be run")]
    [(outcome, _, sentence)] = said(experiments=commands({"command": ["no-such-program", "{id}"], "heal": ["sh"]}))
    assert outcome == "FAIL"
    assert sentence == "experiment a: no program no-such-program can be run here; see its `command`"


def test_zookeeper_servers_that_do_not_answer_fail_by_name():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        server = f"127.0.0.1:{one.getsockname()[1]}"
        [(outcome, check, sentence)] = said(cluster={"zookeeper": [server]})
    assert (outcome, check) == ("FAIL", "zookeeper")
    assert sentence.startswith(f"1 of 1 servers do not say that they serve: {server}; each must answer `srvr`")


@pytest.mark.parametrize(("state", "outcome"), [("ACTIVE", "OK"), ("UPDATING", "WARN")])
def test_msk_is_asked_how_the_cluster_stands(state, outcome, monkeypatch):
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "hunter2")
    msk = Msk()
    try:
        msk.state = state
        [found] = said(experiments={"fleet": "msk", "msk": {"cluster_arn": ARN, "endpoint_url": msk.url}})
        msk.refuse["ListNodes"] = ("AccessDeniedException", "no")
        [refused] = said(experiments={"fleet": "msk", "msk": {"cluster_arn": ARN, "endpoint_url": msk.url}})
    finally:
        msk.close()
    assert found[0] == outcome
    assert found[2].startswith(f"MSK says that the cluster is {state}, with brokers 1, 2, 3")
    assert refused[0] == "FAIL"
    assert "the role Sentinel runs with may not (AccessDeniedException)" in refused[2]
    assert [name for name, _ in msk.asked if name == "RebootBroker"] == []
