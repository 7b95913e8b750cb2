"""`kafka-sentinel resume`: what a failed experiment has latched is lifted in the state of a daemon that is stopped."""

from __future__ import annotations

import json
import os
import sys

import pytest
from tests.core.engine_world import Sentinel

from kafka_sentinel.adapters.state_file import StateFile
from kafka_sentinel.cli import main
from kafka_sentinel.core.checkpoint import to_state


@pytest.fixture
def resume(monkeypatch, capsys, tmp_path):
    for name in [name for name in os.environ if name.startswith("KAFKA_SENTINEL")]:
        monkeypatch.delenv(name)
    (tmp_path / "sentinel.yaml").write_text(f"state: {{file: {tmp_path / 'state'}}}")

    def run():
        monkeypatch.setattr(sys, "argv", ["kafka-sentinel", "resume", "--config", str(tmp_path / "sentinel.yaml")])
        with pytest.raises(SystemExit) as ended:
            main()
        out, err = capsys.readouterr()
        assert "Traceback" not in out + err
        return ended.value.code or 0, out + err

    return run


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
    assert (code, "holds nothing to resume: it does not exist" in said) == (3, True)


def test_what_is_no_state_is_kept(resume, state_file, tmp_path):
    state_file.close()
    (tmp_path / "state").write_text("something else")
    code, said = resume()
    assert (code, "it was not written by Kafka Sentinel (kept as " in said) == (3, True)
    (kept,) = tmp_path.glob("state.unreadable-*")
    assert kept.read_text() == "something else"
