import json
import os
import signal
import socket
import threading
import time

import pytest

from kafka_sentinel.demo import runner
from kafka_sentinel.demo.journal import Journal, remark_of
from kafka_sentinel.demo.runner import Stop, run_demo, unwritable
from kafka_sentinel.lab.errors import LabError
from kafka_sentinel.settings import Settings


@pytest.fixture(autouse=True)
def in_a_folder_of_its_own(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))


@pytest.fixture
def no_lab(monkeypatch):
    def make(error):
        class Lab:
            def __init__(self, **_):
                pass

            def __enter__(self):
                raise error

            def __exit__(self, *_):
                pass

        monkeypatch.setattr(runner, "LabCluster", Lab)

    return make


def test_a_summary_that_cannot_be_written_is_said_before_anything_starts(tmp_path, capsys):
    code = run_demo(Settings.model_validate({}), json_file=tmp_path / "nowhere" / "summary.json")
    assert code == 2
    assert f"there is no folder {tmp_path / 'nowhere'}" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_wrong_servers_are_exit_code_2_and_leave_nothing_behind(tmp_path, capsys):
    assert run_demo(Settings.model_validate({}), bootstrap_servers="nowhere") == 2
    assert "--bootstrap-servers" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_a_lab_that_does_not_start_is_a_sentence_and_exit_code_3(no_lab, tmp_path, capsys):
    no_lab(LabError("the lab needs Java 17 or later"))
    assert run_demo(Settings.model_validate({})) == 3
    assert "kafka-sentinel: the lab needs Java 17 or later\n" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_ctrl_c_while_the_lab_starts_is_exit_code_130_and_leaves_nothing_behind(no_lab, tmp_path, capsys):
    no_lab(KeyboardInterrupt())
    assert run_demo(Settings.model_validate({})) == 130
    assert capsys.readouterr().err == "interrupted\n"
    assert list(tmp_path.iterdir()) == []


def test_a_port_that_is_taken_is_a_sentence(no_lab, tmp_path, capsys):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        code = run_demo(Settings.model_validate({}), bootstrap_servers="127.0.0.1:1", http_port=port, live=False)
    assert code == 3
    assert str(port) in capsys.readouterr().err


def test_a_kafka_that_does_not_answer_is_a_sentence_and_exit_code_3(monkeypatch, capsys):
    monkeypatch.setattr(runner, "START_LIMIT", 1.0)
    began = time.monotonic()
    assert run_demo(Settings.model_validate({}), bootstrap_servers="127.0.0.1:1", live=False) == 3
    assert time.monotonic() - began < 60
    assert "no record was acknowledged within 1 s" in capsys.readouterr().err


def interrupt():
    os.kill(os.getpid(), signal.SIGINT)
    threading.Event().wait(5)  # the handler may run a moment later


def test_the_first_signal_asks_and_the_second_ends_at_once():
    stop = Stop()
    with stop.installed():
        stop.prepared = True
        os.kill(os.getpid(), signal.SIGTERM)
        assert stop.asked.wait(5)
        with pytest.raises(KeyboardInterrupt):
            interrupt()


def test_a_signal_before_anything_runs_ends_at_once():
    with Stop().installed(), pytest.raises(KeyboardInterrupt):
        interrupt()


def test_signals_mean_what_they_meant_before():
    before = signal.getsignal(signal.SIGTERM)
    with Stop().installed():
        assert signal.getsignal(signal.SIGTERM) != before
    assert signal.getsignal(signal.SIGTERM) == before


def test_where_a_file_can_be_written(tmp_path):
    there = tmp_path / "there"
    there.write_text("")
    assert unwritable(there) is None
    assert unwritable(tmp_path / "new") is None
    assert unwritable(tmp_path) == "is a folder"


def test_the_journal_remembers_the_last_warning(tmp_path):
    with Journal(tmp_path / "log") as journal:
        journal.write(json.dumps({"level": "info", "event": "started"}) + "\n")
        assert journal.remark == ""
        journal.write(json.dumps({"level": "warning", "event": "adapter error", "message": "no broker"}) + "\n")
        journal.write(json.dumps({"level": "info", "event": "page"}) + "\n")
        assert journal.remark == journal.news == "adapter error: no broker"
    assert len((tmp_path / "log").read_text().splitlines()) == 3


@pytest.mark.parametrize("line", ["", "not json", "[]", '{"level": "warning", "event": "incident opened"}'])
def test_what_is_no_remark(line):
    assert remark_of(line) == ""


def test_standard_error_goes_to_the_journal_and_comes_back(tmp_path, capfd):
    with Journal(tmp_path / "log") as journal:
        with journal.takes_stderr():
            os.write(2, b"torn\n")
        os.write(2, b"whole\n")
    assert (tmp_path / "log").read_text() == "torn\n"
    assert capfd.readouterr().err == "whole\n"
