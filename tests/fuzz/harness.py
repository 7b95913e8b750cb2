"""What one fuzzed thing is made of. A harness module has one `HARNESS`; `harnesses()` names the modules."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

FOLDER = Path(__file__).parent
REGRESSIONS = FOLDER / "regressions"  # one folder for each harness: inputs that once found something
NAMES = ("record", "state", "objects", "configuration")


@dataclass(frozen=True)
class Harness:
    """`check` takes any bytes; what it raises is a finding. `seeds` are made by code, from what is real."""

    check: Callable[[bytes], None]
    seeds: Callable[[], Iterable[bytes]]
    longest: int = 4_096  # bytes of one input


def load(name: str) -> Harness:
    found = import_module(f"tests.fuzz.{name}").HARNESS
    assert isinstance(found, Harness)
    return found


def regressions(name: str) -> list[Path]:
    return sorted(path for path in (REGRESSIONS / name).glob("*") if path.is_file())
