"""The state is written whole or not at all, and what cannot be read is kept."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kafka_sentinel.adapters import state_file
from kafka_sentinel.adapters.state_file import StateFile, StateFileError

OLD, NEW = {"run": "old"}, {"run": "new", "ranges": [[0, 10]], "name": "ü"}


@pytest.fixture
def file(tmp_path):
    found = StateFile(tmp_path / "state.json", wall=lambda: 0.0)
    found.open()
    yield found
    found.close()


def names(folder):
    return sorted(path.name for path in folder.iterdir() if not path.name.endswith(".lock"))


def test_no_file_is_no_state(file):
    assert file.load() == state_file.Loaded(None)


def test_what_was_saved_is_loaded(file, tmp_path):
    file.save(OLD)
    file.save(NEW)
    assert file.load().state == NEW
    assert names(tmp_path) == ["state.json"]


@settings(deadline=None)  # it syncs to a disk others use too
@given(st.dictionaries(st.text(), st.recursive(st.none() | st.booleans() | st.integers() | st.text(), st.lists)))
def test_any_json_comes_back(tmp_path_factory, state):
    file = StateFile(tmp_path_factory.mktemp("state") / "s")
    file.save(state)
    assert file.load().state == state


class Crash(BaseException):
    """The process ends here."""


@pytest.mark.parametrize(
    ("step", "left"),
    [("open", OLD), ("write", OLD), ("fsync file", OLD), ("replace", OLD), ("fsync folder", NEW)],
)
def test_a_crash_at_any_step_leaves_the_old_state_or_the_new(file, tmp_path, monkeypatch, step, left):
    file.save(OLD)

    def crash(*_given, **_named):
        raise Crash

    fsync = os.fsync

    def fsync_until(number):
        calls = []

        def counted(descriptor):
            calls.append(descriptor)
            return crash() if len(calls) == number else fsync(descriptor)

        return counted

    with monkeypatch.context() as patch:
        if step == "open":
            patch.setattr(Path, "open", crash)
        elif step == "write":
            patch.setattr(os, "fsync", crash)
            patch.setattr(state_file, "_encode", lambda _state: b'{"magic": "kafka-sent')
        elif step == "replace":
            patch.setattr(Path, "replace", crash)
        else:
            patch.setattr(os, "fsync", fsync_until(1 if step == "fsync file" else 2))
        with pytest.raises(Crash):
            file.save(NEW)
    assert file.load().state == left
    assert not [name for name in names(tmp_path) if "unreadable" in name]
    file.save({"run": "next"})
    assert file.load().state == {"run": "next"}
    assert names(tmp_path) == ["state.json"]


def test_only_a_temporary_file_is_no_state(file, tmp_path):
    (tmp_path / "state.json.tmp").write_bytes(b"half")
    assert file.load().state is None
    assert names(tmp_path) == ["state.json.tmp"]


def damaged(content):
    return content[:-3] + b"x" + content[-2:]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda _content: b"", "empty"),
        (lambda _content: b"hello", "not written by Kafka Sentinel"),
        (lambda _content: b"[1]\n{}\n", "not written by Kafka Sentinel"),
        (lambda _content: b"\xff\xfe", "not written by Kafka Sentinel"),
        (lambda _content: b"[" * 100_000, "not written by Kafka Sentinel"),
        (lambda content: content.replace(b'"version": 1', b'"version": 2'), "version is 2"),
        (lambda content: content[:-5], "damaged"),
        (damaged, "damaged"),
    ],
)
def test_a_state_that_cannot_be_used_is_set_aside_with_its_content(file, tmp_path, change, reason):
    file.save(OLD)
    path = tmp_path / "state.json"
    content = change(path.read_bytes())
    path.write_bytes(content)
    loaded = file.load()
    assert loaded.state is None
    assert reason in loaded.reason
    assert loaded.set_aside == tmp_path / "state.json.unreadable-19700101T000000Z"
    assert loaded.set_aside.read_bytes() == content
    assert file.load() == state_file.Loaded(None)


def test_one_set_aside_never_takes_the_place_of_another(file, tmp_path):
    for text in ("one", "two", "three"):
        (tmp_path / "state.json").write_text(text)
        file.load()
    kept = sorted(tmp_path.glob("*.unreadable-*"))
    assert [path.read_text() for path in kept] == ["one", "two", "three"]


def test_a_sound_state_is_not_set_aside(file, tmp_path):
    file.save(OLD)
    assert file.load() == state_file.Loaded(OLD)
    assert names(tmp_path) == ["state.json"]


def test_a_state_that_is_too_big_is_refused_and_the_old_one_stays(file, monkeypatch):
    file.save(OLD)
    monkeypatch.setattr(state_file, "MAX_BYTES", 200)
    with pytest.raises(StateFileError, match="more than the 200 allowed"):
        file.save({"x": "y" * 200})
    assert file.load().state == OLD


def test_a_file_that_is_too_big_is_set_aside_unread(file, tmp_path, monkeypatch):
    file.save(OLD)
    monkeypatch.setattr(state_file, "MAX_BYTES", 20)
    assert "larger than 20 bytes" in file.load().reason


def test_a_write_that_fails_is_a_sentence(file, monkeypatch):
    def full(_descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(StateFileError, match=r"state\.json cannot be written: No space left"):
        file.save(NEW)


def test_a_state_that_can_neither_be_read_nor_moved_stops_us(file, tmp_path, monkeypatch):
    (tmp_path / "state.json").write_text("foreign")

    def denied(*_given):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "rename", denied)
    with pytest.raises(StateFileError, match="cannot be set aside: Permission denied"):
        file.load()
    assert (tmp_path / "state.json").read_text() == "foreign"


def test_a_folder_in_its_place_is_a_sentence(file, tmp_path):
    (tmp_path / "state.json").mkdir()
    with pytest.raises(StateFileError, match="cannot be read: Is a directory"):
        file.load()


def test_a_missing_folder_is_said_at_once(tmp_path):
    with pytest.raises(StateFileError, match="there is no folder"):
        StateFile(tmp_path / "none" / "s").open()


def test_two_processes_cannot_have_one_state(file, tmp_path):
    second = StateFile(tmp_path / "state.json")
    with pytest.raises(StateFileError, match="in use by another Kafka Sentinel"):
        second.open()
    file.close()
    second.open()
    second.close()
    second.close()


def test_the_lock_of_a_killed_process_does_not_stay(tmp_path):
    path = tmp_path / "state.json"
    code = (
        "import os, sys; from pathlib import Path; from kafka_sentinel.adapters.state_file import StateFile;"
        "file = StateFile(Path(sys.argv[1])); file.open(); file.save({'a': 1}); os.kill(os.getpid(), 9)"
    )
    subprocess.run([sys.executable, "-c", code, str(path)], check=False)
    again = StateFile(path)
    again.open()
    assert again.load().state == {"a": 1}
    again.close()


def test_the_first_line_says_what_the_file_is(file, tmp_path):
    file.save(OLD)
    header = json.loads((tmp_path / "state.json").read_text().splitlines()[0])
    assert header["magic"] == "kafka-sentinel-state"
    assert header["version"] == 1
