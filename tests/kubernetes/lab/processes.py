"""The processes of a lab, found by the mark in their environment: nothing is remembered, so nobody can be wrong.

Needs only the standard library: the guardian uses it too.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

MARK = "KAFKA_SENTINEL_KUBERNETES_LAB"
INOTIFY_INSTANCES = 1_024
_INOTIFY = Path("/proc/sys/fs/inotify/max_user_instances")
_ROUND_SECONDS = 0.02
_END_SECONDS = 20.0
_QUIET_ROUNDS = 2  # a process that was between fork and exec during one round shows in the next


@dataclass(frozen=True, slots=True)
class Process:
    pid: int
    arguments: tuple[str, ...]
    state: str  # R, S, D, T (stopped) …
    inner: int  # its pid in its own pid namespace


def allow_watches() -> None:
    """Let the machine's root watch more files at a time: Debian's 128 inotify instances do for two labs."""
    if int(_INOTIFY.read_text()) < INOTIFY_INSTANCES:
        _INOTIFY.write_text(str(INOTIFY_INSTANCES))


def marked(folder: Path) -> dict[str, str]:
    """Return an environment that makes a process, and all it starts, one of the lab in `folder`."""
    return {**os.environ, MARK: str(folder)}


def of(folder: Path) -> list[Process]:
    """Return the living processes that bear the mark. Containers do not: they have an environment of their own."""
    wanted = f"{MARK}={folder}".encode()
    found: list[Process] = []
    for entry in os.listdir("/proc"):  # noqa: PTH208  names are enough
        if not entry.isdecimal() or int(entry) == os.getpid():
            continue
        with contextlib.suppress(OSError):  # it ended meanwhile
            proc = Path("/proc", entry)
            if wanted in proc.joinpath("environ").read_bytes().split(b"\0"):
                process = _read(proc)
                if process.state not in "ZX":
                    found.append(process)
    return found


def named(folder: Path, program: str) -> list[Process]:
    """Return those that run `program`, on the host or in a node."""
    return [each for each in of(folder) if each.arguments and Path(each.arguments[0]).name == program]


def start(folder: Path, command: Sequence[str], log: Path) -> None:
    """Start `command` as a process of the lab that belongs to no session and outlives its starter."""
    with log.open("ab") as sink:
        subprocess.run(
            ["setsid", "--fork", *command],
            env=marked(folder),
            cwd="/",
            stdin=subprocess.DEVNULL,
            stdout=sink,
            stderr=subprocess.STDOUT,
            check=True,
        )


def kill(pids: Sequence[int]) -> None:
    """SIGKILL, and return when none of them runs any longer."""
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)  # ends stopped processes as well
    deadline = time.monotonic() + _END_SECONDS
    while any(_runs(pid) for pid in pids):
        if time.monotonic() > deadline:
            raise TimeoutError(f"processes {pids} did not end within {_END_SECONDS:.0f} s of SIGKILL")
        time.sleep(_ROUND_SECONDS)


def kill_all(folder: Path) -> None:
    """Kill every process of the lab, those they start meanwhile too."""
    quiet = 0
    while quiet < _QUIET_ROUNDS:
        pids = [each.pid for each in of(folder)]
        kill(pids)
        quiet = 0 if pids else quiet + 1


def _runs(pid: int) -> bool:
    try:
        return _read(Path("/proc", str(pid))).state not in "ZX"
    except OSError:
        return False


def _read(proc: Path) -> Process:
    fields = dict(line.split(":\t", 1) for line in (proc / "status").read_text().splitlines() if ":\t" in line)
    arguments = proc.joinpath("cmdline").read_bytes().decode(errors="replace").split("\0")[:-1]
    return Process(int(proc.name), tuple(arguments), fields["State"].strip()[0], int(fields["NSpid"].split()[-1]))
