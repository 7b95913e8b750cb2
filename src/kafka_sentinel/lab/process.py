"""A child process that can be killed, stopped and continued, with its state known for certain."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from enum import StrEnum
from pathlib import Path

from kafka_sentinel.lab.errors import LabError

_POLL_SECONDS = 0.002


class ProcessState(StrEnum):
    RUNNING = "running"
    PAUSED = "paused"  # by SIGSTOP: every thread of it stands
    STOPPED = "stopped"  # ended and reaped, or never started


class ChildProcess:
    """One started process. Safe to use from several threads.

    It is the only one to wait for its pid: `subprocess` would reap the process without telling that it was stopped or
    continued. The kernel reports a stop to the parent when the last thread stands, so PAUSED is certain.
    """

    def __init__(self, command: Sequence[str], *, folder: Path, environment: Mapping[str, str], output: Path) -> None:
        """Start `command` in a session of its own, so that no Ctrl-C of the terminal reaches it."""
        self._lock = threading.Lock()
        self._state = ProcessState.RUNNING
        with output.open("ab") as sink:
            self._popen = subprocess.Popen(  # noqa: S603  the caller builds the command, no shell is involved
                command,
                cwd=folder,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=sink,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self.pid = self._popen.pid

    @property
    def state(self) -> ProcessState:
        with self._lock:
            return self._update()

    @property
    def exit_status(self) -> int | None:
        """Exit code, or minus the number of the signal that ended it; None while it lives."""
        with self._lock:
            self._update()
            return self._popen.returncode

    def send(self, number: signal.Signals) -> None:
        """Send a signal, unless the process has ended."""
        with self._lock:
            if self._update() is not ProcessState.STOPPED:
                os.kill(self.pid, number)  # not reaped yet, so the pid is still its own

    def wait_for(self, wanted: ProcessState, seconds: float) -> bool:
        """Return whether the process got into the `wanted` state, or ended, within `seconds`."""
        deadline = time.monotonic() + seconds
        while (state := self.state) is not wanted and state is not ProcessState.STOPPED:
            if time.monotonic() > deadline:
                return False
            time.sleep(_POLL_SECONDS)
        return True

    def end(self, seconds: float = 10.0) -> None:
        """Kill the process and reap it."""
        self.send(signal.SIGKILL)
        if not self.wait_for(ProcessState.STOPPED, seconds):
            raise LabError(f"process {self.pid} did not end within {seconds:.0f} s of SIGKILL")

    def _update(self) -> ProcessState:
        while self._state is not ProcessState.STOPPED:
            pid, status = os.waitpid(self.pid, os.WNOHANG | os.WUNTRACED | os.WCONTINUED)
            if pid == 0:
                break
            if os.WIFSTOPPED(status):
                self._state = ProcessState.PAUSED
            elif os.WIFCONTINUED(status):
                self._state = ProcessState.RUNNING
            else:
                self._popen.returncode = os.waitstatus_to_exitcode(status)
                self._state = ProcessState.STOPPED
        return self._state
