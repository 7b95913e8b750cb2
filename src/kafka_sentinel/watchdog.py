"""Ends a process whose loop has stopped, whatever holds it: a daemon that hangs must be started anew."""

from __future__ import annotations

import faulthandler
import time

PATIENCE = 60.0  # seconds without a turn of the loop; it goes round ten times a second
RENEWED_EVERY = 1.0  # seconds


class Watchdog:
    """Once fed, ends the process with exit code 1 if it is not fed again for `patience` seconds.

    It then writes the stacks of all threads to standard error. It is a thread of the interpreter's own, which needs no
    lock: it also helps where a call into C holds the interpreter's lock for ever. There can be one in a process.
    """

    def __init__(self, patience: float = PATIENCE) -> None:
        self._patience = patience
        self._renewed = float("-inf")

    def feed(self) -> None:
        now = time.monotonic()
        if now - self._renewed >= RENEWED_EVERY:
            self._renewed = now
            faulthandler.dump_traceback_later(self._patience, exit=True)

    def stop(self) -> None:
        faulthandler.cancel_dump_traceback_later()
