"""Runs one command to its end."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping, Sequence

from kafka_sentinel.lab.errors import LabError

SECONDS = 120.0  # until a command is taken for stuck


def run(
    *command: str, stdin: str | None = None, seconds: float = SECONDS, environment: Mapping[str, str] | None = None
) -> str:
    """Return what `command` prints. Raises LabError, with what it said, if it fails or takes too long."""
    try:
        done = subprocess.run(
            command,
            input=stdin or "",
            env=environment,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=seconds,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise LabError(f"{_short(command)} took more than {seconds:.0f} s") from None
    if done.returncode != 0:
        said = (done.stderr.strip() or done.stdout.strip())[-2_000:]
        raise LabError(f"{_short(command)} failed with exit code {done.returncode}: {said}")
    return done.stdout


def attempt(*command: str) -> bool:
    """Run `command` and return whether it succeeded; where failing is an answer."""
    return subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, check=False).returncode == 0


def _short(command: Sequence[str]) -> str:
    words = " ".join(command)
    return words if len(words) <= 200 else words[:200] + " …"
