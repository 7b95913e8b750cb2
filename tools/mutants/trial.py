"""One mutant is put in place of the function it is of, and the tests that reach it are run until one fails."""

from __future__ import annotations

import gc
from collections.abc import Sequence
from types import CodeType, FunctionType

import pytest
from tools.mutants.forks import Noted, end_after, forked
from tools.mutants.places import CORE, Mutant, Source

PATIENCE = 10.0  # times the processor time that a test took unharmed, and it is out of time
LEAST = 2.0  # seconds of it, however quick the test was
ENOUGH = 10.0  # seconds of processor time, unless told otherwise: the tests of one mutant take no more, unharmed


class Bench:
    """What was collected, ready to be made wrong. `seconds`: of processor time, by test."""

    def __init__(self, items: Sequence[pytest.Item], seconds: dict[str, float]) -> None:
        self._items = {item.nodeid: item for item in items}
        self._seconds = seconds
        self._functions = _functions()
        gc.collect()
        gc.freeze()  # forks share what is here already

    def failure(self, source: Source, mutant: Mutant, tests: Sequence[str]) -> str | None:
        """Return the first of these tests that notices, or that time ran out; None if the mutant survives."""
        held = self._functions.get((str(source.path.resolve()), mutant.outermost))
        if held is None:
            return None  # no test imports it
        code = code_of(source.compiled(mutant), mutant.outermost)
        trials = [(self._items[test], LEAST + PATIENCE * self._seconds[test]) for test in tests]
        return forked(_first_failure, held, code, trials)

    def enough(self, tests: Sequence[str], seconds: float = ENOUGH) -> list[str]:
        """Return the first of these tests, as many as take so much processor time together.

        One that only a slow test would notice counts as a survivor: a quick one is wanted.
        """
        taken: list[str] = []
        spent = 0.0
        for test in tests:
            spent += self._seconds[test]
            if taken and spent > seconds:
                break
            taken.append(test)
        return taken


def _functions() -> dict[tuple[str, str], list[FunctionType]]:
    """Return the core's functions by file and qualified name; whoever imported one holds the same object."""
    core = str(CORE.resolve())
    found: dict[tuple[str, str], list[FunctionType]] = {}
    for each in gc.get_objects():
        if isinstance(each, FunctionType) and each.__code__.co_filename.startswith(core):
            found.setdefault((each.__code__.co_filename, each.__code__.co_qualname), []).append(each)
    return found


def code_of(module: CodeType, name: str) -> CodeType:
    """Return the code of a function, found by its qualified name. Of several, the last is in effect."""
    found = module
    for part in name.split("."):
        found = [each for each in found.co_consts if isinstance(each, CodeType) and each.co_name == part][-1]
    return found


def _first_failure(
    functions: Sequence[FunctionType], code: CodeType, trials: Sequence[tuple[pytest.Item, float]]
) -> str | None:
    """Run the tests until one fails, and return which; None if none does. With each: when it is out of time."""
    for each in functions:
        each.__code__ = code
    if not trials:
        return None
    noted = Noted()
    trials[0][0].config.pluginmanager.register(noted)
    following = [item for item, _ in trials[1:]]
    for (item, limit), after in zip(trials, [*following, None], strict=True):
        end_after(limit)
        item.config.hook.pytest_runtest_protocol(item=item, nextitem=after)
        if noted.failed:
            return item.nodeid
    return None
