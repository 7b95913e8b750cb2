"""Which test runs which line of the core, and for how long: taken once, and again where a file has changed."""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import coverage
import pytest
from tools.mutants.forks import Noted, forked
from tools.mutants.places import CORE, path_of

TESTS = Path("tests/core")
LEFT_OUT = TESTS / "test_verification_doc.py"  # it reads documents


class FailingError(Exception):
    """A test fails although nothing is wrong: no mutant can be judged by it."""


class Reach:
    """`tests`: by module and line. `seconds`: of processor time, by test."""

    def __init__(self, folder: Path) -> None:
        self._file = folder / "reach.json"
        self._known: dict[str, Any] = json.loads(self._file.read_text()) if self._file.exists() else {}
        self.tests: dict[str, dict[int, set[str]]] = {}
        self.seconds: dict[str, float] = {}

    def take(self, items: Sequence[pytest.Item]) -> None:
        """Run those tests whose file, or anything that they ran, is not what it was when this was last done.

        Raises FailingError.
        """
        by_file: dict[str, list[pytest.Item]] = {}
        for item in items:
            by_file.setdefault(item.nodeid.partition("::")[0], []).append(item)
        for file, those in sorted(by_file.items()):
            known = self._known.get(file)
            if known is None or known["key"] != what_it_rests_on(file, known["lines"]):
                print(f"what {file} reaches ...", flush=True)
                followed = forked(_followed, those)
                if isinstance(followed, str):
                    raise FailingError(f"{file} was ended before it told what it reaches")
                if failed := followed.pop("failed"):
                    raise FailingError(f"these fail without any mutant: {', '.join(failed)}")
                self._known[file] = {"key": what_it_rests_on(file, followed["lines"]), **followed}
                self._file.write_text(json.dumps(self._known))
        for file in by_file:
            self._add(self._known[file])

    def of(self, module: str, lines: range) -> list[str]:
        """Return the tests that run one of these lines: first those of the module's own file, the quickest first."""
        by_line = self.tests.get(module, {})
        reached = set().union(*(by_line.get(line, set()) for line in lines))
        own = f"/test_{module.rpartition('/')[2]}.py"
        return sorted(reached, key=lambda test: (own not in test, self.seconds[test], test))

    def _add(self, known: dict[str, Any]) -> None:
        names = list(known["seconds"])
        self.seconds.update(known["seconds"])
        for module, by_line in known["lines"].items():
            of_module = self.tests.setdefault(module, {})
            for line, numbers in by_line.items():
                of_module.setdefault(int(line), set()).update(names[number] for number in numbers)


def what_it_rests_on(file: str, ran: Iterable[str]) -> str:
    """Return what changes with a file of tests, with what it rests on, and with the modules of which it ran lines."""
    near = [path for path in helpers() if path.parent in {TESTS, Path(file).parent}]
    return digest([Path(file), *near, *(path for module in sorted(ran) if (path := path_of(module)).exists())])


def helpers() -> list[Path]:
    """What tests rest on and is no test."""
    return sorted(path for path in TESTS.rglob("*.py") if not path.name.startswith("test_"))


def digest(paths: Sequence[Path]) -> str:
    told = hashlib.sha256()
    for path in paths:
        told.update(str(path).encode() + b"\0" + path.read_bytes())
    return told.hexdigest()[:16]


def _followed(items: Sequence[pytest.Item]) -> dict[str, Any]:
    noted = Noted()
    items[0].config.pluginmanager.register(noted)
    follower = coverage.Coverage(data_file=None, config_file=False, source=[str(CORE.resolve())])
    seconds = {}
    numbers = {item.nodeid: number for number, item in enumerate(items)}
    follower.start()
    for item, following in zip(items, [*items[1:], None], strict=True):
        follower.switch_context(item.nodeid)
        began = time.process_time()
        item.config.hook.pytest_runtest_protocol(item=item, nextitem=following)
        seconds[item.nodeid] = round(time.process_time() - began, 4)
    follower.stop()
    data = follower.get_data()
    lines: dict[str, dict[int, list[int]]] = {}
    for path in data.measured_files():
        module = os.path.relpath(path, CORE.resolve()).removesuffix(".py")
        by_line = data.contexts_by_lineno(path)
        lines[module] = {
            line: sorted(numbers[test] for test in tests if test in numbers) for line, tests in by_line.items()
        }
    return {"seconds": seconds, "lines": lines, "failed": sorted(noted.failed)}
