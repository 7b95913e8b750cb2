"""`pause` and `resume` with a state file: they change the state of a daemon that is stopped."""

from __future__ import annotations

import json

import pytest
from tests.core.engine_world import Sentinel

from kafka_sentinel.adapters.state_file import StateFile
from kafka_sentinel.core.checkpoint import to_state


@pytest.fixture
def sentinel(sentinel, tmp_path):
    (tmp_path / "sentinel.yaml").write_text(f"state: {{file: {tmp_path / 'state'}}}")

    def run(verb, *options):
        code, out, err = sentinel(verb, *options, "--config", tmp_path / "sentinel.yaml")
        return code, out + err

    return run


@pytest.fixture
def resume(sentinel):
    return lambda: sentinel("resume")


@pytest.fixture
def state_file(tmp_path):
    file = StateFile(tmp_path / "state")
    file.open()
    yield file
    file.close()


def state_of(sentinel):
    return json.loads(json.dumps(to_state(sentinel.engine)))


def test_a_latch_is_lifted_and_nothing_else_changes(resume, state_file):
    sentinel = Sentinel()
    sentinel.engine.experiments.latch("experiment kill-1 failed", sentinel.now())
    sentinel.engine.experiments.pause(sentinel.now(), "by anna")
    before = state_of(sentinel)
    state_file.save(before)
    state_file.close()
    assert resume() == (0, "lifted: experiment kill-1 failed; paused: by anna. Start the daemon again\n")
    after = state_file.load().state
    assert (after["experiments"]["latched"], after["experiments"]["paused"]) == (None, None)
    lifted = {**after["experiments"], "latched": "experiment kill-1 failed", "paused": "by anna"}
    assert {**after, "experiments": lifted} == before
    assert resume() == (0, "nothing holds experiments back\n")


def test_the_state_of_a_running_daemon_is_left_alone(resume, state_file):
    state_file.save(state_of(Sentinel()))
    code, said = resume()
    assert code == 3
    assert "is in use by another Kafka Sentinel" in said


def test_where_there_is_no_state_it_says_so(resume, state_file):
    state_file.close()
    code, said = resume()
    assert (code, "holds no state: it does not exist" in said) == (3, True)


def test_what_is_no_state_is_kept(resume, state_file, tmp_path):
    state_file.close()
    (tmp_path / "state").write_text("something else")
    code, said = resume()
    assert (code, "it was not written by Kafka Sentinel (kept as " in said) == (3, True)
    (kept,) = tmp_path.glob("state.unreadable-*")
    assert kept.read_text() == "something else"


def test_a_pause_stands_in_the_state_until_it_is_lifted(sentinel, state_file):
    state_file.save(state_of(Sentinel()))
    state_file.close()
    code, said = sentinel("pause", "--reason", "by anna")
    assert (code, said.startswith("paused: by anna. ")) == (0, True)
    assert state_file.load().state["experiments"]["paused"] == "by anna"
    assert sentinel("resume") == (0, "lifted: paused: by anna. Start the daemon again\n")


@pytest.mark.parametrize("verb", [("run-now", "kill"), ("heal",)])
def test_what_only_a_running_daemon_can_do_is_refused_in_a_sentence(sentinel, verb):
    code, said = sentinel(*verb)
    assert code == 2
    assert "tells a running Sentinel by its state ConfigMap, and here state.file is set" in said


@pytest.mark.parametrize("verb", [("pause",), ("resume",), ("run-now", "kill"), ("heal",)])
def test_without_any_state_nobody_can_be_told(sentinel, tmp_path, verb):
    (tmp_path / "sentinel.yaml").write_text("name: x")
    code, said = sentinel(*verb)
    assert (code, "neither state.config_map nor state.file is set" in said) == (2, True)
