"""Runs a program of the user's: no shell, no input, none of Sentinel's own secrets, and an end in any case.

It begins a process group of its own, which is ended as a whole when its time is over. What it prints is read to its end
and thrown away but for the last of it, of which one line may be repeated where it failed.
"""

from __future__ import annotations

import contextlib
import os
import re
import selectors
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from kafka_sentinel.core.text import STEERING
from kafka_sentinel.settings.model import ENV_PREFIX

KEPT = 4_096  # bytes of what was printed last
MAX_LINE = 200  # characters of the line that is repeated
LOOK_EVERY = 0.05  # seconds between two looks whether it has ended
TO_END = 2.0  # seconds it gets after SIGTERM, before SIGKILL
READ = 65_536  # bytes at a time
MAX_READS = 64  # in a row: more than a pipe holds, and whoever writes for ever is not read for ever
TELLTALE = re.compile(r"passw|secret|token|credential|private.key|api.?key", re.IGNORECASE)
WITHHELD = "(withheld: it speaks of a secret)"


class NotStartedError(RuntimeError):
    """The program could not be started, so nothing of it was done."""


@dataclass(frozen=True, slots=True)
class Ended:
    """How a program ended. `problem`: in words, "" if it ended well. `seconds`: how long it ran."""

    problem: str
    seconds: float


def run(words: Sequence[str], timeout: float, *, is_stopped: Callable[[], bool], secrets: Sequence[str] = ()) -> Ended:
    """Run a program to its end, at most `timeout` seconds, or until `is_stopped`. Raises NotStartedError.

    `secrets`: never repeated. Only the program's name is ever shown of `words`.
    """
    begun, name = time.monotonic(), Path(words[0]).name
    try:
        process = subprocess.Popen(  # noqa: S603 - what the user configured, word by word
            words,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=environment(os.environ),
            start_new_session=True,
        )
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "a word of it cannot be handed to a program"
        raise NotStartedError(f"{name} could not be started: {reason}") from None
    assert process.stdout is not None
    with process.stdout as pipe:
        last = _Last(pipe)
        cut = _wait(process, last, begun + timeout, is_stopped)
        if cut:
            _end_group(process, last)
        status = process.wait()
        last.read(0.0)  # what it left in the background may go on to write, and is heard no more
    passed = time.monotonic() - begun
    if cut:
        return Ended(f"{name} was ended after {passed:.0f} s, with all it had started: {cut}", passed)
    return Ended(_problem(name, status, last.line(secrets)), passed)


def environment(given: Mapping[str, str]) -> dict[str, str]:
    """Return what a program gets of Sentinel's own environment: all but Sentinel's configuration."""
    return {name: value for name, value in given.items() if not name.startswith(ENV_PREFIX)}


def _wait(process: subprocess.Popen[bytes], last: _Last, deadline: float, is_stopped: Callable[[], bool]) -> str:
    """Wait for the end. Returns why it was not waited for any longer, "" if it has ended."""
    while not _has_ended(process):
        if is_stopped():
            return "Sentinel ends"
        if time.monotonic() >= deadline:
            return "its time was over"
        last.read(LOOK_EVERY)
    return ""


def _has_ended(process: subprocess.Popen[bytes]) -> bool:
    """Tell whether it has ended. It stays a zombie, so that its number names no other process or group yet."""
    return os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None


def _end_group(process: subprocess.Popen[bytes], last: _Last) -> None:
    _signal_group(process, signal.SIGTERM)
    deadline = time.monotonic() + TO_END
    while not _has_ended(process) and time.monotonic() < deadline:
        last.read(LOOK_EVERY)
    _signal_group(process, signal.SIGKILL)


def _signal_group(process: subprocess.Popen[bytes], number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):  # gone, or another user's by now
        os.killpg(process.pid, number)


def _problem(name: str, status: int, line: str) -> str:
    if status == 0:
        return ""
    how = f"with exit status {status}" if status > 0 else f"by signal {-status}"
    return f"{name} ended {how}" + (f", saying: {line}" if line else "")


class _Last:
    """The last of what comes out of a pipe that is read as long as anybody writes."""

    def __init__(self, pipe: IO[bytes]) -> None:
        self._pipe = pipe
        self._kept = b""
        self._selector = selectors.DefaultSelector()
        self._selector.register(pipe, selectors.EVENT_READ)
        self._is_open = True

    def read(self, wait: float) -> None:
        """Take what is there; wait for it at most so many seconds."""
        if not self._is_open:
            time.sleep(wait)
            return
        for _ in range(MAX_READS):
            if not self._selector.select(wait):
                return
            found = os.read(self._pipe.fileno(), READ)
            if not found:
                self._is_open = False
                self._selector.close()
                return
            self._kept = (self._kept + found)[-KEPT:]
            if wait:
                return

    def line(self, secrets: Sequence[str]) -> str:
        """Return the last line that says anything, fit to be shown."""
        text = self._kept.decode("utf-8", "replace")
        line = next((one for one in reversed(text.splitlines()) if one.strip()), "")
        line = " ".join(STEERING.sub(" ", line).split())
        if TELLTALE.search(line) or any(secret in text for secret in secrets if secret):
            return WITHHELD
        return line if len(line) <= MAX_LINE else f"{line[:MAX_LINE]}…"
