"""Takes a lab down whose owner has gone, however it went.

Runs in a session of its own with the read end of a pipe as standard input. The owner holds the only write end: end of
file means that it died. A byte means that it needs no guardian any more: it took the lab down itself, or keeps it up.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

from .build import ROOT
from .teardown import sweep

_END_SECONDS = 30.0


class Guardian:
    def __init__(self, folder: Path) -> None:
        command = [sys.executable, "-m", f"{__package__}.guardian", str(folder)]
        self._process = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, start_new_session=True)

    def release(self) -> None:
        """Let the guardian go without taking anything down."""
        assert self._process.stdin is not None
        self._process.stdin.write(b"k")
        self._process.stdin.close()
        self._process.wait(_END_SECONDS)


def main() -> None:
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)  # it leaves after the owner, not with it
    if not os.read(0, 1):
        sweep(Path(sys.argv[1]))


if __name__ == "__main__":
    main()
