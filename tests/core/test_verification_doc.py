"""docs/verification.md names tests: each of them exists, and each flaw and each letter of what must hold has one."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "verification.md").read_text()
NAMED = re.compile(r"(tests/[\w/]+\.py)(?:::(\w+))?")
LETTERED = re.compile(r"test_[b-z]_")  # after "test_" an "a" is mostly the article
OF_LETTER_A = "tests/kubernetes/test_experiments.py"


@cache
def names_in(path: Path) -> frozenset[str]:
    """Return the test functions of a file, without importing it."""
    found = (node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.FunctionDef))
    return frozenset(node.name for node in found if node.name.startswith("test_"))


def missing(page: str) -> list[str]:
    """Return what the page names and the checkout does not have."""
    gone = []
    for path, name in NAMED.findall(page):
        file = ROOT / path
        if not file.is_file() or (name and name not in names_in(file)):
            gone.append(f"{path}::{name}" if name else path)
    return gone


def rows(page: str) -> list[list[str]]:
    """Return the cells of every row of the tables of flaws."""
    section = page.partition("## Flaws seen in other monitors\n")[2]
    lines = [line for line in section.splitlines() if line.startswith("|")]
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    return [row for row in cells if not row[0].startswith(("flaw seen", "---"))]


def of_letters() -> set[str]:
    """Return the tests of what must hold, on Kafka and on Kubernetes: their names begin with the letter."""
    files = [path for tier in ("kafka", "kubernetes") for path in ROOT.glob(f"tests/{tier}/test_*.py")]
    named = {(str(path.relative_to(ROOT)), name) for path in files for name in names_in(path)}
    return {f"{file}::{name}" for file, name in named if LETTERED.match(name) or file == OF_LETTER_A}


def unnamed(page: str, tests: set[str]) -> list[str]:
    """Return the tests that the page does not name."""
    return sorted(one for one in tests if f"`{one}`" not in page)


def test_every_test_named_on_the_page_exists():
    assert missing(PAGE) == []


def test_a_test_or_a_file_that_is_gone_is_noticed():
    page = "`tests/core/test_verification_doc.py::test_gone`, `tests/core/gone.py::test_x`, `tests/core/test_group.py`"
    assert missing(page) == ["tests/core/test_verification_doc.py::test_gone", "tests/core/gone.py::test_x"]


def test_every_flaw_has_a_test():
    assert len(rows(PAGE)) > 50
    assert [row for row in rows(PAGE) if len(row) != 2 or not NAMED.search(row[1])] == []


def test_every_test_that_was_written_for_a_flaw_is_on_the_page():
    written = {
        f"{path.relative_to(ROOT)}::{name}"
        for path in ROOT.glob("tests/*/test_known_flaws*.py")
        for name in names_in(path)
    }
    assert written
    assert unnamed(PAGE, written) == []


def test_every_test_of_a_letter_is_on_the_page():
    assert {one.partition("::test_")[2][0] for one in of_letters()} == set("abcdefghij")
    assert unnamed(PAGE, of_letters()) == []


def test_a_test_of_a_letter_that_the_page_leaves_out_is_noticed():
    page = "`tests/kubernetes/test_guards.py::test_g_one`, `tests/kubernetes/test_guards.py::test_g_two_and_more`"
    of_g = {f"tests/kubernetes/test_guards.py::test_g_{name}" for name in ("one", "two")}
    assert unnamed(page, of_g) == ["tests/kubernetes/test_guards.py::test_g_two"]
