"""The daemon's log while the demo owns the terminal: it goes to a file, and its last warning is remembered."""

from __future__ import annotations

import io
import json
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

SHOWN_ELSEWHERE = ("incident", "experiment")  # events whose names begin so are part of the view

NEW = 10.0  # seconds


class Journal(io.TextIOWrapper):
    """A stream for JSON lines."""

    def __init__(self, path: Path) -> None:
        super().__init__(path.open("ab"), encoding="utf-8", line_buffering=True)
        self.path = path
        self.remark = ""
        self._remarked = 0.0

    def write(self, text: str) -> int:
        if remark := remark_of(text):
            self.remark, self._remarked = remark, time.monotonic()
        return super().write(text)

    @property
    def news(self) -> str:
        """Return the last warning while it is new."""
        return self.remark if time.monotonic() - self._remarked < NEW else ""

    @contextmanager
    def takes_stderr(self) -> Iterator[None]:
        """Have everything that is written to standard error, by C libraries too, go here: it would tear the view."""
        sys.stderr.flush()
        kept = os.dup(2)
        os.dup2(self.fileno(), 2)
        try:
            yield
        finally:
            sys.stderr.flush()
            os.dup2(kept, 2)
            os.close(kept)


def remark_of(line: str) -> str:
    """Return a warning or error in a few words; "" for anything else."""
    try:
        entry = json.loads(line)
    except ValueError:
        return ""
    if not isinstance(entry, dict) or entry.get("level") not in {"warning", "error"}:
        return ""
    event = str(entry.get("event", ""))
    if event.startswith(SHOWN_ELSEWHERE):
        return ""
    detail = entry.get("message") or entry.get("error") or entry.get("reason")
    return f"{event}: {detail}" if detail else event
