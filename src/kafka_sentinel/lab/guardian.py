"""Ends the brokers and removes the folder of a lab whose owner has gone, however it went.

Run as `python -I guardian.py FOLDER`, in a session of its own, with the read end of a pipe as standard input. The owner
holds the only write end and never writes: end of file means that it closed the lab or died. A process belongs to the
lab if one of its arguments is the lab's mark (`mark`), so nothing needs to be told, and no pid can be mistaken.
Needs only the standard library.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

_ROUND_SECONDS = 0.1
_MAX_ROUNDS = 100  # ten seconds; SIGKILL takes milliseconds
_QUIET_ROUNDS = 2  # a process that was between fork and exec during one round shows in the next


def mark(folder: str) -> str:
    """Return the argument that every Java process of the lab in `folder` is started with."""
    return f"-Dkafka.sentinel.lab={folder}"


def processes_of(folder: str) -> list[int]:
    """Return the pids of the lab in `folder`."""
    wanted = mark(folder)
    return [pid for pid, arguments in _command_lines() if wanted in arguments]


def sweep(folder: str) -> bool:
    """Kill the lab's processes and remove its folder. Return whether nothing is left."""
    quiet = 0
    for _ in range(_MAX_ROUNDS):
        pids = processes_of(folder)
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)  # ends stopped processes as well
        quiet = 0 if pids else quiet + 1
        if quiet >= _QUIET_ROUNDS:
            break
        time.sleep(_ROUND_SECONDS)
    shutil.rmtree(folder, ignore_errors=True)
    return quiet >= _QUIET_ROUNDS and not Path(folder).exists()


def _command_lines() -> list[tuple[int, list[str]]]:
    proc = Path("/proc")
    if not proc.joinpath("self", "cmdline").exists():
        return _command_lines_by_ps()
    lines: list[tuple[int, list[str]]] = []
    for entry in os.listdir(proc):  # noqa: PTH208  names are enough
        if entry.isdecimal():
            with contextlib.suppress(OSError):  # it ended meanwhile
                text = proc.joinpath(entry, "cmdline").read_bytes().decode(errors="replace")
                lines.append((int(entry), text.split("\0")))
    return lines


def _command_lines_by_ps() -> list[tuple[int, list[str]]]:
    command = ["ps", "-A", "-ww", "-o", "pid=,command="]
    text = subprocess.run(command, capture_output=True, text=True, check=False).stdout  # noqa: S603  fixed arguments
    words = (line.split() for line in text.splitlines())
    return [(int(pid), arguments) for pid, *arguments in words if pid.isdecimal()]


def main() -> int:
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)  # it leaves after the owner, not with it
    folder = sys.argv[1]
    while os.read(0, 1024):
        pass
    return 0 if sweep(folder) else 1


if __name__ == "__main__":
    sys.exit(main())
