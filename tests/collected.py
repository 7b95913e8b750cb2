"""Which tests there are, as pytest itself collects them: with FULL, and without."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterable
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
SECONDS = 120.0


def collected(files: Iterable[str], *, full: bool) -> tuple[str, ...]:
    """Return the names of the tests in these files. `full`: those of `make verify`, else those of `make test`."""
    return _collected(tuple(sorted(set(files))), "1" if full else "0")


@cache
def _collected(files: tuple[str, ...], full: str) -> tuple[str, ...]:
    command = [sys.executable, "-m", "pytest", "--collect-only", "-q", "-p", "no:randomly", "-W", "ignore", *files]
    done = subprocess.run(
        command,
        cwd=ROOT,
        env={**os.environ, "FULL": full},
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return tuple(line for line in done.stdout.splitlines() if "::" in line)
