"""A fork of this process that does one thing, says what came of it, and is gone; and which tests failed in it."""

from __future__ import annotations

import os
import pickle
import resource
import signal
import traceback
from collections.abc import Callable
from typing import TypeVar

import pytest

T = TypeVar("T")
MEMORY = 4 << 30  # bytes of address space that a fork may have
OUT_OF_TIME = "out of time"  # told of a fork that used up its processor time, or was ended otherwise


class Noted:
    """A pytest plugin: which tests failed."""

    def __init__(self) -> None:
        self.failed: set[str] = set()

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed:
            self.failed.add(report.nodeid)


def forked(do: Callable[..., T], *given: object) -> T | str:
    """Return what `do` returns there; OUT_OF_TIME if it was ended before that."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reading)
        _be_quiet()
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
        with os.fdopen(writing, "wb") as told:
            try:
                pickle.dump((True, do(*given)), told)
            except BaseException:  # noqa: BLE001 - whatever it is, it is told
                pickle.dump((False, traceback.format_exc()), told)
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading, "rb") as told:
        said = told.read()
    os.waitpid(child, 0)
    if not said:
        return OUT_OF_TIME
    well, answer = pickle.loads(said)
    if not well:
        raise RuntimeError(answer)
    return answer


def _be_quiet() -> None:
    nowhere = os.open(os.devnull, os.O_RDWR)
    os.dup2(nowhere, 1)
    os.dup2(nowhere, 2)


def end_after(seconds: float) -> None:
    """End this process once it has used so much processor time from now on. The next call takes the place of this."""
    signal.setitimer(signal.ITIMER_PROF, seconds)
