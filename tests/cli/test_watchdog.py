"""The watchdog, in a process of its own."""

from __future__ import annotations

import subprocess
import sys

STUCK = """
import ctypes, time
from kafka_sentinel.watchdog import Watchdog
dog = Watchdog(patience={patience})
dog.feed()
{first}
ctypes.PyDLL(None).sleep(600)  # holds the interpreter's lock, as a client that hangs does
"""


def run(source: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", source], capture_output=True, text=True, timeout=120, check=False)


def test_a_process_that_hangs_with_the_interpreters_lock_is_ended_and_says_where_it_hung():
    done = run(STUCK.format(patience=0.5, first=""))
    assert done.returncode == 1
    assert 'File "<string>", line 7 in <module>' in done.stderr


def test_a_process_whose_loop_goes_round_or_has_ended_lives_on():
    fed = "for _ in range(50): time.sleep(0.15), dog.feed()"  # for longer than its patience
    source = STUCK.format(patience=5, first=f"{fed}\ndog.stop()\ntime.sleep(6)\nprint('well')\nraise SystemExit")
    done = run(source)
    assert (done.returncode, done.stdout) == (0, "well\n")
