"""How a module of the tests that has something made or fetched says why that cannot be had, and waits for its turn."""

from __future__ import annotations

import fcntl
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from kafka_sentinel.lab.errors import LabError

# Whoever calls apt-get holds this: of two that fetch its lists at once, one fails.
APT_LOCK = Path(__file__).resolve().parents[1] / ".cache" / "apt.lock"


def problem(ensure: Callable[[], object]) -> str | None:
    """Run `ensure`, and return why it failed, or None: what `sys.exit` takes."""
    try:
        ensure()
    except LabError as error:
        return str(error)
    return None


@contextmanager
def one_apt() -> Iterator[None]:
    """Hold the lock of apt-get, between processes."""
    APT_LOCK.parent.mkdir(exist_ok=True)
    with APT_LOCK.open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
