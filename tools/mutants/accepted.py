"""Mutants that change nothing that can be seen, each with the reason. What matches none is rotten, and an error."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from tools.mutants.places import Mutant

FILE = Path(__file__).with_name("equivalent.toml")
KEYS = {"module", "where", "was", "now", "reason"}


@dataclass(frozen=True)
class Equivalent:
    """`where`, `was`, `now`: as the tool prints them. Where they fit several, all of them are meant."""

    module: str
    where: str
    was: str
    now: str
    reason: str

    def fits(self, mutant: Mutant) -> bool:
        same = (self.module, self.where) == (mutant.module, mutant.where)
        return same and (self.was.strip(), self.now.strip()) == (mutant.was.strip(), mutant.now.strip())


def equivalents(file: Path = FILE) -> list[Equivalent]:
    """Read them. Raises ValueError where a key is missing or unknown, or a reason empty."""
    entries = tomllib.loads(file.read_text()).get("equivalent", [])
    for entry in entries:
        if set(entry) != KEYS or not entry["reason"].strip():
            raise ValueError(f"{file.name}: each entry has {', '.join(sorted(KEYS))}, none empty; found {entry}")
    return [Equivalent(**entry) for entry in entries]


def rotten(entries: Iterable[Equivalent], mutants: Sequence[Mutant], modules: Iterable[str]) -> list[Equivalent]:
    """Return the entries of these modules that match no mutant any more."""
    looked_at = set(modules)
    return [each for each in entries if each.module in looked_at and not any(map(each.fits, mutants))]
