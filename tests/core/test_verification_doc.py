"""docs/verification.md names tests: each of them exists, and each flaw has one."""

from __future__ import annotations

import ast
import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "verification.md").read_text()
NAMED = re.compile(r"(tests/[\w/]+\.py)(?:::(\w+))?")


def names_in(path: Path) -> set[str]:
    """Return the test functions of a file, without importing it."""
    found = (node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.FunctionDef))
    return {node.name for node in found if node.name.startswith("test_")}


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
    assert {one for one in written if f"`{one}`" not in PAGE} == set()
