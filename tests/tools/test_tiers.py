"""What `make test` stands on: nothing missing or failed passes unnoticed, and nobody waits without a word."""

from __future__ import annotations

import dataclasses
import io
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from tests import needs

from tools import preparation, tiers

PASSES = "def test_a(): pass\ndef test_b(): pass\n"
FAILS = "def test_a(): pass\ndef test_b(): raise AssertionError\n"


@pytest.fixture(autouse=True)
def as_a_person_runs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("CI", "FULL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")  # each of dozens of runs would load all of them


def python(program: str) -> list[str]:
    return [sys.executable, "-c", program]


def tier(folder: Path, name: str, tests: str, reason: str | None = None, budget: float = 900.0) -> tiers.Tier:
    file = folder / f"test_{name}.py"
    file.write_text(tests)
    return tiers.Tier(name, (str(file),), lambda: reason, budget=budget)


def judged(chosen: list[tiers.Tier]) -> int:
    return tiers.conclude(tiers.run(chosen, ()), 1.0)


def test_what_is_prepared_is_no_reason(capfd: pytest.CaptureFixture[str]) -> None:
    assert preparation.have("a thing", python("print('built it')"), 60) is None
    assert capfd.readouterr().out == "built it\n"


def test_the_reason_is_what_it_said_first_and_all_it_said_is_shown(capfd: pytest.CaptureFixture[str]) -> None:
    program = "import sys; sys.exit('there is no go on the PATH\\nand more of it')"
    assert preparation.have("a thing", python(program), 60) == "there is no go on the PATH"
    assert capfd.readouterr().err == "there is no go on the PATH\nand more of it\n"


def test_a_failure_without_a_word_is_a_reason_too() -> None:
    assert preparation.have("a thing", python("raise SystemExit(3)"), 60) == "a thing: exit code 3"


def test_what_does_not_end_is_ended_and_named() -> None:
    assert preparation.have("a thing", python("import time; time.sleep(600)"), 0.5) == "a thing: not there after 0 s"


def test_while_it_lasts_there_is_a_word_now_and_then(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(preparation, "FIRST_WORD", 0.05)
    monkeypatch.setattr(preparation, "NEXT_WORD", 0.05)
    program = f"import sys, time\nwhile not __import__('os').path.exists({str(tmp_path / 'go')!r}): time.sleep(0.01)"
    words: list[str] = []

    def said(line: str, **_: object) -> None:
        words.append(line)
        if len(words) == 3:
            (tmp_path / "go").touch()

    monkeypatch.setattr(preparation, "print", said, raising=False)
    assert preparation.have("a thing", python(program), 60) is None
    assert len(words) >= 3
    assert words[0] == "preparing a thing: 0 s so far\n"


def test_of_those_who_call_apt_get_one_does_so_at_a_time(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(needs, "APT_LOCK", tmp_path / "lock")
    tries = ["flock", "--nonblock", str(tmp_path / "lock"), "true"]
    with needs.one_apt():
        assert subprocess.run(tries, check=False).returncode == 1
    assert subprocess.run(tries, check=False).returncode == 0
    called: list[list[str]] = []
    monkeypatch.setattr(preparation.os, "geteuid", lambda: 0)
    monkeypatch.setattr(preparation.shutil, "which", lambda name: "/bin/it" if name == "apt-get" or called else None)
    monkeypatch.setattr(preparation, "have", lambda what, command, seconds: called.append(command))
    assert preparation.chromium() is None
    assert [command[:3] for command in called] == [["flock", str(preparation.APT_LOCK), "apt-get"]] * 2


def test_a_tier_that_cannot_run_is_said_and_is_a_failure_where_all_must(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    chosen = [tier(tmp_path, "one", PASSES), tier(tmp_path, "two", PASSES, "there is no Java")]
    assert judged(chosen) == 0
    assert "NOT RUN: there is no Java" in capfd.readouterr().out
    monkeypatch.setenv("CI", "true")
    assert judged(chosen) == 1


def test_one_failing_test_fails_all_and_is_counted(capfd: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert judged([tier(tmp_path, "one", FAILS), tier(tmp_path, "two", PASSES)]) == 1
    printed = capfd.readouterr().out
    assert "FAILED (pytest exit code 1): 1 failed, 1 passed" in printed
    assert printed.endswith("FAILED\n3 passed, 1 failed\n")


def test_no_test_at_all_is_a_failure(tmp_path: Path) -> None:
    assert judged([tier(tmp_path, "one", "")]) == 1


def test_what_is_chosen_may_be_in_one_tier_alone_but_must_be_somewhere(tmp_path: Path) -> None:
    chosen = [tier(tmp_path, "one", PASSES), tier(tmp_path, "two", "def test_c(): pass")]
    assert tiers.conclude(tiers.run(chosen, ("-k", "test_c")), 1.0) == 0
    assert tiers.conclude(tiers.run(chosen, ("-k", "nowhere")), 1.0) == 1


def test_tiers_side_by_side_say_whose_line_it_is(capfd: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert judged([tier(tmp_path, "one", PASSES), tier(tmp_path, "two", PASSES)]) == 0
    printed = capfd.readouterr().out
    assert "one        | --- tier one" in printed
    assert "two        | --- tier two" in printed
    assert printed.endswith("all passed\n4 passed, 0 failed\n")


class Pieces(io.StringIO):
    """What was written, as it was: between two pieces another thread may write."""

    def __init__(self) -> None:
        super().__init__()
        self.written: list[str] = []

    def write(self, piece: str) -> int:
        self.written.append(piece)
        return super().write(piece)


def test_tiers_side_by_side_do_not_break_into_each_others_lines(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    said = Pieces()
    monkeypatch.setattr(sys, "stdout", said)
    tiers.run([tier(tmp_path, "one", PASSES), tier(tmp_path, "two", PASSES)], ())
    pieces = [piece for piece in said.written if piece]
    assert pieces
    assert [piece for piece in pieces if not piece.endswith("\n")] == []
    assert [piece for piece in pieces if piece == "\n"] == []


def test_beside_brokers_and_nodes_everything_else_is_modest(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """The machines' own tests measure time: what runs beside them must not be what they measure."""
    ours, modest = os.nice(0), min(os.nice(0) + 5, 19)
    says = "import os\ndef test_a(): assert os.nice(0) == {}"
    alone = dataclasses.replace(tier(tmp_path, "one", says.format(ours)), machines=True)
    assert judged([alone, tier(tmp_path, "two", says.format(modest))]) == 0, capfd.readouterr().out
    niced = python(f"import os; raise SystemExit(os.nice(0) != {modest})")
    assert preparation.have("modesty", niced, 60) is None


def test_every_tier_of_the_project_is_in_one_place() -> None:
    names = [tier.name for tier in tiers.TIERS]
    assert len(set(names)) == len(names)
    folders = {path.name for path in (tiers.ROOT / "tests").iterdir() if any(path.glob("test_*.py"))}
    assert {path.removeprefix("tests/") for tier in tiers.TIERS for path in tier.paths} == folders


def test_what_takes_longer_than_its_budget_is_said_but_at_full_length(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    slow, quick = tier(tmp_path, "slow", PASSES, budget=0.0), tier(tmp_path, "quick", PASSES)
    assert judged([slow, quick]) == 0
    printed = capfd.readouterr().out
    assert printed.count("is over its budget of") == 1
    assert "tier slow: " in printed
    assert tiers.conclude([tiers.Result("one", 1.0, "passed", good=True, passed=1)], tiers.BUDGET + 1.0) == 0
    assert "all tiers: 1501 s is over its budget of 1500 s" in capfd.readouterr().out
    monkeypatch.setenv("FULL", "1")
    assert judged([slow]) == 0
    assert "over its budget" not in capfd.readouterr().out


def test_what_failed_is_named_again_under_the_table(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert judged([tier(tmp_path, "one", PASSES), tier(tmp_path, "two", FAILS)]) == 1
    _, after = capfd.readouterr().out.split("--- all tiers")
    [named] = [line for line in after.splitlines() if line.startswith("failed: ")]
    assert "test_two.py::test_b" in named


def test_where_nothing_failed_nothing_is_named(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert judged([tier(tmp_path, "one", PASSES)]) == 0
    assert "failed: " not in capfd.readouterr().out


INTERRUPTED = """
import signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)
from tools import tiers
tiers.TIERS = tuple(tiers.Tier(name, (sys.argv[1],), lambda: None) for name in ("one", "two", "three", "four"))
sys.argv = ["tiers", "--pytest=-s"]
sys.exit(tiers.main())
"""


def test_ctrl_c_ends_what_runs_and_nothing_else_is_begun(tmp_path: Path) -> None:
    file = tmp_path / "test_waits.py"
    file.write_text("import time\ndef test_a():\n    print('it waits', flush=True)\n    time.sleep(600)\n")
    with subprocess.Popen(
        [*python(INTERRUPTED), str(file)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        cwd=tiers.ROOT,
        start_new_session=True,
    ) as process:
        assert process.stdout is not None
        for _ in range(2):
            assert any("it waits" in line for line in iter(process.stdout.readline, ""))
        os.killpg(process.pid, signal.SIGINT)
        rest = process.communicate(timeout=60)[0]
    assert process.returncode == 130
    assert rest.endswith("interrupted\n")
    assert "tier three" not in rest


def test_where_pytest_itself_ended_its_last_words_are_said_again(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """A library in C that gives up takes pytest along: without this, nothing under the table tells in which test."""
    aborts = PASSES + "import os\ndef test_crash(): os.abort()\n"
    ends = "import os\ndef test_end(): os._exit(3)\n"
    both = [tier(tmp_path, "one", aborts), tier(tmp_path, "two", ends)]
    assert judged([dataclasses.replace(each, slow=True) for each in both]) == 1
    table = capfd.readouterr().out.partition("--- all tiers")[2]
    assert "FAILED (pytest exit code -6): it printed no closing line" in table
    assert "test_one.py::test_crash Fatal Python error: Aborted" in table
    assert "line 4 in test_crash" in table
    assert "_pytest/" not in table
    assert re.search("two ended with: .*test_two.py::test_end", table)


@pytest.mark.parametrize(
    ("crash", "kept"), [("Fatal Python error: Aborted", [*range(988, 1100)]), ("", [*range(1988, 2000)])]
)
def test_of_last_words_a_bounded_number_is_kept(crash: str, kept: list[int]) -> None:
    ending = tiers.Ending()
    for number in range(2000):
        ending.add(f"{number} {crash if number == 1000 else ''}")
    assert [int(line.split()[0]) for line in ending.lines()] == kept
