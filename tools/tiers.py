"""Runs the test tiers, streams what pytest says, and ends with a table: a line for each tier.

The tier on Kubernetes runs beside the others: each mostly waits for machines to fail and to come back. A tier that
cannot run says why on its line; with CI=true that is a failure. Exit code 0 only if all that ran passed.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
BUDGET = 25 * 60.0  # seconds that all tiers of `make test` may take together
PREPARATION = 900.0  # seconds that installing or fetching something may take
CLOSING = re.compile(r"\d+ (passed|failed|error|deselected)|no tests ran")
BUILD = 3_600.0  # seconds that building Kubernetes from nothing may take, on a slow machine
BROWSER_TESTS = "tests/web/test_page_in_browser.py"
COLOUR = re.compile(r"\x1b\[[0-9;]*m")


@dataclass(frozen=True)
class Tier:
    """`prepare` returns why the tier cannot run, or None."""

    name: str
    paths: tuple[str, ...]
    prepare: Callable[[], str | None] = lambda: None
    slow: bool = False


def chromium() -> str | None:
    """Have a Chromium, which the page is tried in: Debian's, installed if we may."""
    names = ("chromium", "chromium-browser", "google-chrome")
    if any(shutil.which(name) for name in names):
        return None
    if os.geteuid() != 0 or shutil.which("apt-get") is None:
        return "no Chromium on the PATH (only root on Debian gets it installed)"
    print("installing Debian's chromium", flush=True)
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    silent = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, "timeout": PREPARATION}
    for words in ("update -qq", "install -qqy --no-install-recommends chromium"):
        done = subprocess.run(["apt-get", *words.split()], env=environment, check=False, **silent)
        if done.returncode != 0:
            return f"apt-get {words} failed with exit code {done.returncode}"
    return None if shutil.which("chromium") else "apt-get installed no chromium"


def helm() -> str | None:
    """Have Helm 3 and 4, built from source: minutes, once."""
    command = [sys.executable, "-m", "tests.chart.helm"]
    done = subprocess.run(command, cwd=ROOT, stderr=subprocess.PIPE, text=True, timeout=BUILD, check=False)
    print(done.stderr, end="", flush=True)
    return None if done.returncode == 0 else (done.stderr.strip() or "for an unknown reason").splitlines()[0]


def kafka() -> str | None:
    """Have a Java and the jars of Kafka."""
    script = "from kafka_sentinel.lab import jars, java; java.find_java(); jars.fetch_kafka()"
    done = subprocess.run(
        [sys.executable, "-c", script], stderr=subprocess.PIPE, text=True, timeout=PREPARATION, check=False
    )
    return None if done.returncode == 0 else (done.stderr.strip() or "for an unknown reason").splitlines()[-1]


def prometheus() -> str | None:
    """Have Debian's Prometheus and its promtool, unpacked into the cache."""
    command = [sys.executable, "-m", "tests.alerts.binaries"]
    done = subprocess.run(command, cwd=ROOT, stderr=subprocess.PIPE, text=True, timeout=PREPARATION, check=False)
    return None if done.returncode == 0 else (done.stderr.strip() or "for an unknown reason").splitlines()[-1]


def kubernetes() -> str | None:
    """Have what its tests need: Debian's packages, Kubernetes built from source, images of Kafka: minutes, once."""
    for module in ("tests.kubernetes.lab.build", "tests.kubernetes.deploy.images"):
        command = [sys.executable, "-m", module]
        done = subprocess.run(command, cwd=ROOT, stderr=subprocess.PIPE, text=True, timeout=BUILD, check=False)
        print(done.stderr, end="", flush=True)
        if done.returncode != 0:
            return (done.stderr.strip() or "for an unknown reason").splitlines()[0]
    return None


LANES = (
    (
        Tier(
            "core",
            ("tests/core", "tests/cli", "tests/demo", "tests/web", "tests/kube_api", f"--ignore={BROWSER_TESTS}"),
        ),
        Tier("chart", ("tests/chart",), helm),
        Tier("page", (BROWSER_TESTS,), chromium),
        Tier("alerts", ("tests/alerts",), prometheus),
        Tier("sim", ("tests/sim",), slow=True),
        Tier("mock", ("tests/mock",)),
        Tier("kafka", ("tests/kafka",), kafka, slow=True),
    ),
    (Tier("kubernetes", ("tests/kubernetes",), kubernetes, slow=True),),
)
TIERS = tuple(tier for lane in LANES for tier in lane)


@dataclass(frozen=True)
class Result:
    """`passed` and `failed`: tests."""

    tier: str
    seconds: float
    words: str
    good: bool
    passed: int = 0
    failed: int = 0


class Lane:
    """Tiers that run one after the other. `beside`: others run at the same time, so each line says whose it is."""

    def __init__(self, tiers: Sequence[Tier], arguments: Sequence[str], *, beside: bool) -> None:
        self._tiers = tiers
        self._arguments = tuple(arguments)
        self._beside = beside
        self._missing: dict[str, tuple[str | None, float]] = {}

    def prepare(self) -> None:
        """Install and fetch what the tiers need. Two lanes must not do that at a time: they use one apt."""
        for tier in self._tiers:
            self._prepare(tier)

    def _prepare(self, tier: Tier) -> None:
        began = time.monotonic()
        self._missing[tier.name] = (tier.prepare(), time.monotonic() - began)

    def run(self) -> list[Result]:
        return [self._run(tier) for tier in self._tiers]

    def _run(self, tier: Tier) -> Result:
        if tier.name not in self._missing:
            self._prepare(tier)
        began = time.monotonic()
        self._say(tier, f"--- tier {tier.name}: {' '.join(tier.paths)}")
        reason, prepared = self._missing[tier.name]
        if reason is not None:
            words = f"NOT RUN: {reason}"
            self._say(tier, words)
            return Result(tier.name, prepared, words, good=os.environ.get("CI") != "true")
        code, closing = self._stream(tier)
        words = f"{'passed' if code == 0 else f'FAILED (pytest exit code {code})'}: {closing}"
        seconds = prepared + time.monotonic() - began
        return Result(tier.name, seconds, words, code == 0, _count("passed", closing), _count("failed|error", closing))

    def _stream(self, tier: Tier) -> tuple[int, str]:
        """Run pytest, pass on what it prints, and return its exit code and its closing line."""
        colour = "yes" if sys.stdout.isatty() else "no"
        detail = "-v" if tier.slow else "-q"  # of a slow tier each test is said as it ends: it takes minutes
        command = [sys.executable, "-m", "pytest", f"--color={colour}", detail, "--durations=3", *tier.paths]
        closing = "it printed no closing line"
        with subprocess.Popen(
            [*command, *self._arguments],
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
                if CLOSING.search(plain):
                    closing = plain.strip("= ")
        return process.returncode, closing

    def _say(self, tier: Tier, line: str) -> None:
        print(f"{tier.name:<10} | {line}" if self._beside else line, flush=True)


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
    chosen = [[tier for tier in lane if not given.tiers or tier.name in given.tiers] for lane in LANES]
    began = time.monotonic()
    try:
        results = run([lane for lane in chosen if lane], given.pytest.split())
    except KeyboardInterrupt:
        print("\ninterrupted", file=sys.stderr)
        return 130
    return conclude(results, time.monotonic() - began)


def run(chosen: Sequence[Sequence[Tier]], arguments: Sequence[str]) -> list[Result]:
    """Run the lanes at the same time. The last one's preparation takes minutes, so only it comes beside the others."""
    lanes = [Lane(tiers, arguments, beside=len(chosen) > 1) for tiers in chosen]
    for lane in lanes[:-1]:
        lane.prepare()
    with ThreadPoolExecutor(len(lanes)) as pool:
        return [result for results in pool.map(Lane.run, lanes) for result in results]


def conclude(results: Sequence[Result], total: float) -> int:
    print(f"\n--- all tiers: {total:.0f} s")
    for result in results:
        print(f"{result.tier:<10} {result.seconds:6.0f} s  {result.words}")
    if total > BUDGET and os.environ.get("FULL") != "1":
        print(f"over the budget of {BUDGET:.0f} s")
    good = all(result.good for result in results)
    print("all passed" if good else "FAILED")
    print(f"{sum(each.passed for each in results)} passed, {sum(each.failed for each in results)} failed")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
