"""A run: which mutants, what came of them, and what is said of it. What came of one is kept while it holds."""

from __future__ import annotations

import hashlib
import json
import random
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import hypothesis
import pytest
from tools.mutants.accepted import equivalents, rotten
from tools.mutants.forks import OUT_OF_TIME
from tools.mutants.places import Mutant, Source
from tools.mutants.reach import FailingError, Reach, digest, helpers
from tools.mutants.trial import ENOUGH, Bench


@dataclass(frozen=True)
class Wanted:
    """`budget`: seconds after which no further mutant is taken. `sample`: of each module. `show`: only that one.

    `enough`: seconds of processor time that the tests of one mutant may take, unharmed.
    """

    modules: tuple[str, ...]
    budget: float | None = None
    sample: int | None = None
    seed: int = 0
    show: str | None = None
    enough: float = ENOUGH


class Session:
    """A pytest plugin: once the tests are collected, mutants are run in place of them."""

    def __init__(self, wanted: Wanted, folder: Path) -> None:
        self._wanted = wanted
        self._folder = folder
        self._accepted = equivalents()
        self._counts: dict[str, Counter[str]] = {}
        self._ends = time.monotonic() + (wanted.budget or float("inf"))
        self.exit_code = 2  # until it has run

    @pytest.hookimpl(tryfirst=True)
    def pytest_collection(self) -> None:
        """Search as in CI, but do not look for the smallest example that fails: that one fails is enough."""
        phases = (hypothesis.Phase.explicit, hypothesis.Phase.generate)
        hypothesis.settings.register_profile("mutants", deadline=None, derandomize=True, database=None, phases=phases)
        hypothesis.settings.load_profile("mutants")

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        if session.testsfailed:
            print("the tests cannot be collected")
            return True
        reach = Reach(self._folder)
        try:
            reach.take(session.items)
        except FailingError as error:
            print(error)
            return True
        print()
        self._run(reach, Bench(session.items, reach.seconds))
        return True

    def _run(self, reach: Reach, bench: Bench) -> None:
        kept = Kept(self._folder / "results.jsonl")
        killers: dict[tuple[str, str], list[str]] = {}
        for module in self._wanted.modules:
            source = Source(module)
            for mutant in self._chosen(source):
                tests = _in_order(reach.of(module, mutant.lines), killers.setdefault((module, mutant.where), []))
                if not self._wanted.show and any(each.fits(mutant) for each in self._accepted):
                    self._of(module)["equivalent"] += 1
                    continue
                tests = _in_order(bench.enough(tests, self._wanted.enough), kept.killer(mutant, tests))
                known, came = kept.get(source, mutant, tests)
                if self._wanted.show or not known:
                    if time.monotonic() > self._ends:
                        self._of(module)["not run"] += 1
                        continue
                    came = bench.failure(source, mutant, tests)
                    kept.put(source, mutant, came, tests)
                if came is not None and came != OUT_OF_TIME and came not in killers[module, mutant.where]:
                    killers[module, mutant.where].insert(0, came)
                self._note(mutant, came, tests)
            self._say(module, source)
        self._end()

    def _chosen(self, source: Source) -> Sequence[Mutant]:
        if self._wanted.show:
            return [mutant for mutant in source.mutants if mutant.name == self._wanted.show]
        if self._wanted.sample is None:
            return source.mutants
        pick = random.Random(f"{self._wanted.seed} {source.module}")
        return pick.sample(source.mutants, min(self._wanted.sample, len(source.mutants)))

    def _of(self, module: str) -> Counter[str]:
        return self._counts.setdefault(module, Counter())

    def _note(self, mutant: Mutant, came: str | None, tests: Sequence[str]) -> None:
        counts = self._of(mutant.module)
        if self._wanted.show:
            print(f"{mutant.described()}\n    {came or 'survives'}")
            print("\n".join(f"        {test}" for test in tests))
        elif came is not None:
            counts["out of time" if came == OUT_OF_TIME else "killed"] += 1
        else:
            counts["survived"] += 1
            print(f"{mutant.described()}\n    run by {len(tests)} tests, such as {', '.join(tests[:2]) or 'none'}\n")

    def _say(self, module: str, source: Source) -> None:
        gone = rotten(self._accepted, source.mutants, [module])
        for each in gone:
            print(f"rotten: no mutant is like this entry of equivalent.toml any more: {each}")
        self._of(module)["rotten"] += len(gone)
        if not self._wanted.show:
            print(f"{module}: {_said(self._of(module))}\n", flush=True)

    def _end(self) -> None:
        if self._wanted.show:
            self.exit_code = 0
            return
        total: Counter[str] = Counter()
        for module, counts in self._counts.items():
            print(f"{module:28} {_said(counts)}")
            total.update(counts)
        print(f"{'all':28} {_said(total)}")
        if total["survived"]:
            print("one again: make mutants SHOW=NAME, where NAME is the first word that is said of it")
        self.exit_code = 1 if total["survived"] or total["rotten"] else 0


class Kept:
    """What came of each mutant.

    That it was killed holds while its module and the test that did it stand; that it survived, while its module does,
    and all tests that were tried.
    """

    def __init__(self, file: Path) -> None:
        self._file = file
        lines = file.read_text().splitlines() if file.exists() else []
        self._known: dict[str, Any] = dict(map(json.loads, lines))
        self._digests: dict[Path, str] = {}

    def get(self, source: Source, mutant: Mutant, tests: Sequence[str]) -> tuple[bool, str | None]:
        """Return whether it is known what comes of it with these tests, and that."""
        known = self._known.get(mutant.name)
        if known is None or known["key"] != self._key(source, known["came"], tests):
            return False, None
        return True, known["came"]

    def killer(self, mutant: Mutant, tests: Sequence[str]) -> list[str]:
        """Return the one of these tests that killed it once, whether or not that still holds: it is worth a trial."""
        came = self._known.get(mutant.name, {}).get("came")
        return [came] if came in tests else []

    def put(self, source: Source, mutant: Mutant, came: str | None, tests: Sequence[str]) -> None:
        self._known[mutant.name] = {"came": came, "key": self._key(source, came, tests)}
        with self._file.open("a") as file:
            file.write(json.dumps([mutant.name, self._known[mutant.name]]) + "\n")

    def _key(self, source: Source, came: str | None, tests: Sequence[str]) -> str:
        if came is None:
            files = sorted({Path(test.partition("::")[0]) for test in tests})
            tried = hashlib.sha256("\n".join(sorted(tests)).encode()).hexdigest()[:16]
            return tried + digest([source.path, *helpers(), *(path for path in files if path.exists())])
        rests_on = [source.path] if came == OUT_OF_TIME else [source.path, Path(came.partition("::")[0])]
        return "".join(self._digest(path) for path in rests_on if path.exists())

    def _digest(self, path: Path) -> str:
        if path not in self._digests:
            self._digests[path] = digest([path])
        return self._digests[path]


def _in_order(tests: Sequence[str], first: Sequence[str]) -> list[str]:
    """Begin with those that killed another mutant of the same function."""
    reaching = set(tests)
    before = [test for test in first if test in reaching]
    return [*before, *(test for test in tests if test not in set(before))]


def _said(counts: Counter[str]) -> str:
    mutants = sum(counts[each] for each in ("killed", "out of time", "equivalent", "survived"))
    parts = [f"{mutants} mutants"]
    order = ("killed", "out of time", "equivalent", "survived", "not run", "rotten")
    parts += [f"{counts[each]} {each}" for each in order if counts[each]]
    decided = mutants - counts["equivalent"]
    share = (counts["killed"] + counts["out of time"]) / decided if decided else 1.0
    return ", ".join(parts) + f": {share:.1%}"
