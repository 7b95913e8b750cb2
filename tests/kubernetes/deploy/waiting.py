"""Waiting for something to become so, with a line every few seconds for whoever watches."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

Found = TypeVar("Found")
LOOK = 0.2  # seconds between two looks
SAY = 10.0  # seconds between two lines


def wait_for(
    predicate: Callable[[], Found], what: str, seconds: float, saying: Callable[[], object] | None = None
) -> Found:
    """Return the first true answer. `what` names it, `saying` adds how things stand; both are in the failure."""
    began = time.monotonic()
    next_line = began + SAY
    while not (found := predicate()):
        now = time.monotonic()
        if now > began + seconds:
            raise AssertionError(f"not within {seconds:g} s: {what}{_detail(saying)}")
        if now > next_line:
            print(f"  {now - began:4.0f} s: waiting for {what}{_detail(saying)}", flush=True)  # noqa: T201
            next_line = now + SAY
        time.sleep(LOOK)
    return found


def say(text: str) -> None:
    """Write a line for whoever watches."""
    print(f"  {text}", flush=True)  # noqa: T201


def _detail(saying: Callable[[], object] | None) -> str:
    return "" if saying is None else f" ({saying()})"
