"""How a module of the tests that has something made or fetched says why that cannot be had."""

from __future__ import annotations

from collections.abc import Callable

from kafka_sentinel.lab.errors import LabError


def problem(ensure: Callable[[], object]) -> str | None:
    """Run `ensure`, and return why it failed, or None: what `sys.exit` takes."""
    try:
        ensure()
    except LabError as error:
        return str(error)
    return None
