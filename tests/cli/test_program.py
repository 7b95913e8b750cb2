"""A program of the user's is run without a shell and without Sentinel's secrets, and ends whatever it does."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from kafka_sentinel.adapters.program import MAX_LINE, WITHHELD, NotStartedError, environment, run


def never() -> bool:
    return False


def python(code: str, timeout: float = 30.0, *, is_stopped=never, secrets=()):
    return run([sys.executable, "-c", code], timeout, is_stopped=is_stopped, secrets=secrets)


def is_alive(pid: int) -> bool:
    """Whether a process runs; one that has ended and waits to be buried does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in {"Z", "X"}
    except FileNotFoundError:
        return False


def wait_until(predicate, what: str) -> None:
    deadline = time.monotonic() + 20
    while not predicate():
        assert time.monotonic() < deadline, what
        time.sleep(0.05)


def test_a_program_that_ends_well_has_no_problem_whatever_it_prints():
    assert python("print('all is lost')").problem == ""


def test_one_that_fails_is_told_with_its_status_and_its_last_words():
    name = Path(sys.executable).name
    said = python("import sys; print('begun'); print('no such unit\\n', file=sys.stderr); sys.exit(5)").problem
    assert said == f"{name} ended with exit status 5, saying: no such unit"
    later = "import time; print('begun', flush=True); time.sleep(0.5); print('no such unit'); raise SystemExit(5)"
    assert python(later).problem == said
    assert python("raise SystemExit(7)").problem == f"{name} ended with exit status 7"
    assert python("import os; os.kill(os.getpid(), 9)").problem == f"{name} ended by signal 9"


def test_words_reach_the_program_as_they_are_and_no_shell_reads_them(tmp_path):
    words = ["$HOME", "a; touch x", "*", "two words"]
    code = "import sys, pathlib; pathlib.Path(sys.argv[1]).write_text('|'.join(sys.argv[2:]))"
    ended = run([sys.executable, "-c", code, str(tmp_path / "said"), *words], 30, is_stopped=never)
    assert ended.problem == ""
    assert (tmp_path / "said").read_text() == "|".join(words)


def test_it_reads_nothing_from_us_and_gets_none_of_our_configuration(tmp_path, monkeypatch):
    monkeypatch.setenv("KAFKA_SENTINEL__KAFKA__SECURITY__PASSWORD", "hunter2")
    monkeypatch.setenv("SSH_AUTH_SOCK", "/tmp/agent")
    code = "import os, sys, json; json.dump([sys.stdin.read(), dict(os.environ)], open(FILE, 'w'))"
    code = code.replace("FILE", repr(str(tmp_path / "env")))
    assert python(code).problem == ""
    text = (tmp_path / "env").read_text()
    assert text.startswith('["", ')
    assert "hunter2" not in text
    assert "/tmp/agent" in text
    assert environment({"KAFKA_SENTINEL__A": "1", "KAFKA_SENTINEL_CONFIG": "2", "PATH": "3"}) == {
        "KAFKA_SENTINEL_CONFIG": "2",
        "PATH": "3",
    }


def test_one_that_cannot_be_started_is_said_so_and_only_its_name_is_shown(tmp_path):
    with pytest.raises(NotStartedError) as caught:
        run([str(tmp_path / "no-such-thing"), "hunter2"], 30, is_stopped=never)
    assert str(caught.value) == "no-such-thing could not be started: No such file or directory"
    (tmp_path / "plain").write_text("hello")
    with pytest.raises(NotStartedError, match="plain could not be started: Permission denied"):
        run([str(tmp_path / "plain")], 30, is_stopped=never)


STUBBORN = """
import os, signal, subprocess, sys, time
deaf = "import signal, time; signal.signal(15, signal.SIG_IGN); time.sleep(600)"
child = subprocess.Popen([sys.executable, "-c", deaf])
open(sys.argv[1], "w").write(f"{os.getpid()} {child.pid}")
signal.signal(signal.SIGTERM, signal.SIG_IGN)
time.sleep(600)
"""


def test_one_that_hangs_is_ended_at_its_time_with_what_it_started_though_both_ignore_being_told(tmp_path):
    file = tmp_path / "pids"
    ended = run([sys.executable, "-c", STUBBORN, str(file)], 3.0, is_stopped=never)
    assert "was ended after" in ended.problem
    assert "with all it had started: its time was over" in ended.problem
    pids = [int(pid) for pid in file.read_text().split()]
    assert len(pids) == 2
    wait_until(lambda: not any(map(is_alive, pids)), f"{pids} are ended")


def test_one_is_ended_when_sentinel_ends(tmp_path):
    file = tmp_path / "pids"
    ended = run([sys.executable, "-c", STUBBORN, str(file)], 300.0, is_stopped=file.exists)
    assert "Sentinel ends" in ended.problem
    assert ended.seconds < 300


def test_one_that_leaves_something_in_the_background_that_holds_its_output_is_not_waited_for():
    code = "import subprocess, sys; print(subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(20)']).pid)"
    ended = python(code + "; sys.exit(3)")
    assert ended.seconds < 15
    child = int(ended.problem.rpartition(" ")[2])
    assert is_alive(child)
    os.kill(child, 9)


def test_one_that_prints_without_end_neither_fills_memory_nor_outlives_its_time():
    ended = python("while True: print('x' * 10_000)", timeout=1.0)
    assert "its time was over" in ended.problem


def test_what_prints_for_ever_in_the_background_does_not_hold_us():
    code = "import subprocess, sys; subprocess.Popen(['yes']); sys.exit(3)"
    assert "exit status 3" in python(code).problem  # it gets SIGPIPE when nobody reads any more


def test_its_last_words_are_cut_and_on_one_line():
    said = python("import sys; print('y' * 9_000 + '\\x1b[31m\\u2028'); sys.exit(1)").problem
    assert said.endswith("y" * MAX_LINE + "…")
    said = python("import sys; print('a\\x1b[31m\\tb\\x00c'); sys.exit(1)").problem
    assert said.endswith("saying: a [31m b c")


@pytest.mark.parametrize(
    ("code", "secrets"),
    [
        ("print('login failed for root with hunter2')", ("hunter2",)),
        ("print('using hunter2'); print('failed')", ("hunter2",)),
        ("print('Password: rosebud')", ()),
        ("print('export API_KEY=rosebud')", ()),
        ("print('bad token rosebud')", ()),
    ],
)
def test_what_may_be_a_secret_is_not_repeated(code, secrets):
    said = python(f"import sys; {code}; sys.exit(1)", secrets=secrets).problem
    assert said.endswith(f"saying: {WITHHELD}")


def test_no_zombie_is_left():
    python("pass")
    python("import time; time.sleep(60)", timeout=0.2)
    listed = subprocess.run(["ps", "-o", "stat=,ppid=", "-A"], capture_output=True, text=True, check=True).stdout
    mine = [line.split() for line in listed.splitlines()]
    assert [stat for stat, parent in mine if parent == str(os.getpid()) and stat.startswith("Z")] == []
