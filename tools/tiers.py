"""Runs the test tiers, streams what pytest says, and ends with a table: a line for each tier.

Two at a time: those on Kubernetes and on Kafka mostly wait for machines to fail and to come back (tools/turns.py).
A tier that cannot run says why on its line; with CI=true that is a failure. Exit code 0 only if all that ran passed.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import time
from collections import deque
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

import pytest
from tools.turns import BUDGET, MODEST, Prepared, Tier, Turns

from tools import preparation

ROOT = Path(__file__).resolve().parents[1]
WORKERS = 2
PREPARERS = 2
CLOSING = re.compile(r"(\d+ (passed|failed|error|deselected)|no tests ran).* in [\d.]+s")
CORE = ("tests/core", "tests/cli", "tests/demo", "tests/web", "tests/kube_api", "tests/tools", "tests/fuzz")
NO_TESTS = int(pytest.ExitCode.NO_TESTS_COLLECTED)
FAILURE = re.compile(r"(?:FAILED|ERROR) (\S+::.*)")  # a line of pytest's short summary
WIDTH = 240  # characters of such a line that are said again under the table
CRASH = re.compile(r"Fatal Python error: ")  # then the stacks of all threads: what ended pytest was a library in C
BEFORE, AFTER = 12, 100  # lines around that, and without it the last, which are said again too
INNER = re.compile(r'File ".*/(_pytest|pluggy)/')  # pytest's own part of a stack: sixty lines of it
COLOUR = re.compile(r"\x1b\[[0-9;]*m")


TIERS = (  # in the order of their preparation: what is waited for longest begins early
    Tier("core", CORE, preparation.nothing),
    Tier("kafka", ("tests/kafka",), preparation.kafka, slow=True, machines=True),
    Tier("sim", ("tests/sim",), preparation.nothing, slow=True),
    Tier("mock", ("tests/mock",), preparation.nothing),
    Tier("kubernetes", ("tests/kubernetes",), preparation.kubernetes, slow=True, machines=True, budget=12 * 60.0),
    Tier("alerts", ("tests/alerts",), preparation.prometheus),
    Tier("page", ("tests/page",), preparation.chromium),
    Tier("image", ("tests/image",), preparation.image),
    Tier("chart", ("tests/chart",), preparation.chart),  # Go builds its Helm after Kubernetes, one at a time
)


@dataclass(frozen=True)
class Result:
    """What became of a tier.

    `seconds`: with its preparation. `passed` and `failed`: tests. `over`: it took longer than its budget. `failures`:
    the tests that failed, with as much of why as pytest says in a line. `ending`: if pytest itself came to an end, what
    was printed last.
    """

    tier: str
    seconds: float
    words: str
    good: bool
    passed: int = 0
    failed: int = 0
    over: str = ""
    failures: tuple[str, ...] = ()
    ending: tuple[str, ...] = ()


class Ending:
    """The last lines of somebody who may crash: around the crash, if there is one."""

    def __init__(self) -> None:
        self._last: deque[str] = deque(maxlen=BEFORE)
        self._more = 0

    def add(self, line: str) -> None:
        if INNER.match(line):
            return
        if self._more == 0 and CRASH.search(line):
            self._more = AFTER
            self._last = deque(self._last, maxlen=BEFORE + AFTER)
        if self._last.maxlen == BEFORE or self._more > 0:
            self._last.append(line[:WIDTH])
            self._more = max(self._more - 1, 0)

    def lines(self) -> tuple[str, ...]:
        return tuple(self._last)


class Runner:
    """Runs tiers, from several threads if need be. `beside`: so each line says whose it is."""

    def __init__(self, arguments: Sequence[str], *, beside: bool) -> None:
        self._arguments = tuple(arguments)
        self._beside = beside

    def work(self, turns: Turns) -> list[Result]:
        """Run what there is to run, until there is nothing any more."""
        results = []
        while (turn := turns.take()) is not None:
            try:
                results.append(self._run(turn))
            finally:
                turns.ended(turn.tier)
        return results

    def _run(self, turn: Prepared) -> Result:
        tier, began = turn.tier, time.monotonic()
        self._say(tier, f"--- tier {tier.name}: {' '.join(tier.paths)}")
        if turn.missing is not None:
            words = f"NOT RUN: {turn.missing}"
            self._say(tier, words)
            return Result(tier.name, turn.seconds, words, good=os.environ.get("CI") != "true")
        code, closing, failures, ending = self._stream(tier)
        good = code == 0 or (code == NO_TESTS and bool(self._arguments))  # -k may well choose from another tier alone
        words = f"{'passed' if good else f'FAILED (pytest exit code {code})'}: {closing}"
        tested = time.monotonic() - began
        return Result(
            tier.name,
            turn.seconds + tested,
            words,
            good,
            _count("passed", closing),
            _count("failed|error", closing),
            _over(f"tier {tier.name}", tested, tier.budget),
            failures,
            ending,
        )

    def _stream(self, tier: Tier) -> tuple[int, str, tuple[str, ...], tuple[str, ...]]:
        """Run pytest, pass on what it prints. Return its exit code, its closing line, what failed, and its end if bad.

        Its end is bad if there is no closing line.
        """
        colour = "yes" if sys.stdout.isatty() else "no"
        detail = "-v" if tier.slow else "-q"  # of a slow tier each test is said as it ends: it takes minutes
        modest = () if tier.machines else MODEST
        pytest_ = [sys.executable, "-m", "pytest", f"--color={colour}", detail, "--durations=3"]
        closing, failures, ending = "", [], Ending()
        with subprocess.Popen(
            [*modest, *pytest_, *tier.paths, *self._arguments],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
        ) as process:
            assert process.stdout is not None
            for line in process.stdout:
                self._say(tier, line.rstrip("\n"))
                plain = COLOUR.sub("", line).strip()
                ending.add(plain)
                if CLOSING.search(plain):
                    closing = plain.strip("= ")
                elif failure := FAILURE.match(plain):
                    failures.append(failure[1][:WIDTH])
        if not closing:
            return process.returncode, "it printed no closing line", tuple(failures), ending.lines()
        return process.returncode, closing, tuple(failures), ()

    def _say(self, tier: Tier, line: str) -> None:
        said = f"{tier.name:<10} | {line}" if self._beside else line
        print(f"{said}\n", end="", flush=True)  # in one piece: another thread may come between a line and its end


def _over(what: str, seconds: float, budget: float) -> str:
    """Return the words about what took too long. Of tests at full length nothing is asked."""
    if seconds <= budget or os.environ.get("FULL") == "1":
        return ""
    return f"{what}: {seconds:.0f} s is over its budget of {budget:.0f} s"


def _count(words: str, closing: str) -> int:
    return sum(int(number) for number in re.findall(rf"(\d+) (?:{words})", closing))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    names = [tier.name for tier in TIERS]
    parser.add_argument("tiers", nargs="*", metavar="TIER", help=f"which ({', '.join(names)}); all without it")
    parser.add_argument("--pytest", default="", metavar="ARGS", help='further arguments for pytest, as "-k loss -x"')
    given = parser.parse_args()
    unknown = [name for name in given.tiers if name not in names]
    if unknown:
        parser.error(f"no tier is called {', '.join(unknown)}; there are {', '.join(names)}")
    began = time.monotonic()
    try:
        results = run([tier for tier in TIERS if tier.name in (given.tiers or names)], given.pytest.split())
    except KeyboardInterrupt:
        print("\ninterrupted", file=sys.stderr)
        return 130
    return conclude(results, time.monotonic() - began)


def run(tiers: Sequence[Tier], arguments: Sequence[str]) -> list[Result]:
    """Run all tiers, `WORKERS` at a time. Returns their results in the order in which they ended."""
    turns, runner = Turns(tiers, WORKERS), Runner(arguments, beside=len(tiers) > 1)
    with ThreadPoolExecutor(WORKERS + PREPARERS) as pool:
        try:
            preparing = [pool.submit(turns.prepare) for _ in range(PREPARERS)]
            results = list(chain.from_iterable(pool.map(runner.work, [turns] * WORKERS)))
        except KeyboardInterrupt:
            turns.stop()
            raise
        for one in preparing:
            one.result()
    return results


def conclude(results: Sequence[Result], total: float) -> int:
    print(f"\n--- all tiers: {total:.0f} s")
    for result in results:
        print(f"{result.tier:<10} {result.seconds:6.0f} s  {result.words}")
    for result in results:
        print("".join(f"failed: {failure}\n" for failure in result.failures), end="")
        print("".join(f"{result.tier} ended with: {line}\n" for line in result.ending), end="")
    slow = (*(result.over for result in results), _over("all tiers", total, BUDGET))
    print("".join(f"{words}\n" for words in slow if words), end="")
    missing = all(result.words.startswith("NOT RUN") for result in results)
    good = all(result.good for result in results) and (missing or any(result.passed for result in results))
    print("all passed" if good else "FAILED")
    print(f"{sum(each.passed for each in results)} passed, {sum(each.failed for each in results)} failed")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
