"""What a benchmark found beside what it aims at: printed, and written into docs/performance.md."""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

PAGE = Path(__file__).parents[1] / "docs" / "performance.md"
WIDTH = 58  # of the first column on a terminal


@dataclass(frozen=True)
class Figure:
    """`most`, `least`: the aim, if there is one."""

    name: str
    measured: float
    unit: str = ""
    most: float | None = None
    least: float | None = None

    @property
    def met(self) -> bool:
        above = self.least is None or self.measured >= self.least
        return above and (self.most is None or self.measured <= self.most)

    @property
    def value(self) -> str:
        return f"{_plain(self.measured)} {self.unit}".rstrip()

    @property
    def aim(self) -> str:
        if self.most is not None:
            return f"≤ {_plain(self.most)}"
        return f"≥ {_plain(self.least)}" if self.least is not None else ""

    @property
    def row(self) -> str:
        aim = self.aim if self.met else f"{self.aim}, **not met**"
        return f"| {self.name} | {self.value} | {aim} |"


def _plain(number: float) -> str:
    """Write three digits that matter, and no more."""
    if abs(number) >= 100:
        return f"{number:,.0f}"
    return f"{number:.3g}"


def options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--check", action="store_true", help="exit code 1 if an aim is missed")
    parser.add_argument("--write", action="store_true", help="write the table into docs/performance.md")


def busy() -> str:
    """Say how much else the machine has to do: processor time is dearer where caches and cores are shared."""
    return f"load average of the last minute {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores"


def conclude(name: str, figures: Sequence[Figure], details: Mapping[str, Any], given: argparse.Namespace) -> int:
    """Print the figures and, as the last line, everything as JSON. Returns the exit code."""
    print(f"{'':{WIDTH}}{'measured':>14}{'aim':>12}")
    for figure in figures:
        print(f"{figure.name:{WIDTH}}{figure.value:>14}{figure.aim:>12}{'' if figure.met else '  missed'}")
    print(busy())
    print(json.dumps({"figures": [[figure.name, figure.measured] for figure in figures], **details}))
    if given.write:
        _write(name, figures)
    return 0 if all(figure.met for figure in figures) or not given.check else 1


def _write(name: str, figures: Sequence[Figure]) -> None:
    """Put the table between the two comments that name the benchmark; raises SystemExit if they are not there."""
    begin, end = f"<!-- measured: {name} -->\n", f"<!-- end of {name} -->\n"
    text = PAGE.read_text(encoding="utf-8")
    if begin not in text or end not in text:
        raise SystemExit(f"{PAGE}: there is no place for {name}: {begin.strip()} … {end.strip()}")
    before, rest = text.split(begin, 1)
    after = rest.split(end, 1)[1]
    rows = ["| | measured | aim |", "|---|---|---|", *(figure.row for figure in figures)]
    today, python = time.strftime("%Y-%m-%d", time.gmtime()), platform.python_version()
    command = " ".join(["python -m", f"benchmarks.{name}", *sys.argv[1:]])
    where = f"`{command}`, {today}, Python {python}, {busy()}."
    PAGE.write_text(f"{before}{begin}{chr(10).join(rows)}\n\n{where}\n{end}{after}", encoding="utf-8")
