"""What holds for all tests: how long hypothesis searches, which tests are for `make verify` only."""

from __future__ import annotations

import logging
import os
import signal
from collections.abc import Iterator

import pytest
import structlog
from hypothesis import HealthCheck, settings

FULL = os.environ.get("FULL") == "1"  # set by `make verify`
CI = os.environ.get("CI") == "true"

# No deadlines: how long an example takes says more about the machine than about the code.
settings.register_profile("default", deadline=None)
settings.register_profile("ci", deadline=None, derandomize=True, print_blob=True)
settings.register_profile(
    "verify", deadline=None, max_examples=1_000, suppress_health_check=[HealthCheck.too_slow], print_blob=True
)
settings.load_profile("verify" if FULL else "ci" if CI else "default")


@pytest.fixture(autouse=True)
def _log_put_back() -> Iterator[None]:
    """What a test sets up of this process's log goes with it: some run a whole Sentinel."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:], root.level = handlers, level
    logging.captureWarnings(capture=False)
    structlog.reset_defaults()


def pytest_configure(config: pytest.Config) -> None:
    """Take Ctrl-C, which a shell's background jobs do not, nor what they start: some tests press it.

    And keep quiet of what a library does inside, hundreds of times.
    """
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    config.addinivalue_line("filterwarnings", "ignore:(open_text|read_text) is deprecated:DeprecationWarning")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what is marked `full`, except in `make verify`."""
    if FULL:
        return
    left_out = [item for item in items if item.get_closest_marker("full")]
    items[:] = [item for item in items if not item.get_closest_marker("full")]
    config.hook.pytest_deselected(items=left_out)
