"""However many threads allocate, they share two arenas."""

from __future__ import annotations

import ctypes
import re
import subprocess
import sys

import pytest

from kafka_sentinel import runtime
from kafka_sentinel.settings import Settings

PROGRAM = """
import ctypes, os, threading
from kafka_sentinel.adapters.allocator import share_arenas
if {limited}:
    share_arenas()
library = ctypes.CDLL(None)
library.malloc.restype, library.malloc.argtypes = ctypes.c_void_p, [ctypes.c_size_t]
gate = threading.Barrier(8)
def work():
    gate.wait()
    for _ in range(1_000):
        library.malloc(3_000)
    gate.wait()
threads = [threading.Thread(target=work) for _ in range(8)]
for each in threads: each.start()
for each in threads: each.join()
library.fdopen.restype = ctypes.c_void_p
stream = ctypes.c_void_p(library.fdopen(1, b"w"))
library.malloc_info(0, stream)
library.fflush(stream)
"""

pytestmark = pytest.mark.skipif(not hasattr(ctypes.CDLL(None), "malloc_info"), reason="needs the allocator of glibc")


def arenas(*, limited):
    ended = subprocess.run(
        [sys.executable, "-c", PROGRAM.format(limited=limited)], capture_output=True, text=True, check=True, timeout=60
    )
    return len(re.findall(r"<heap nr=", ended.stdout))


def test_threads_share_two_arenas():
    assert arenas(limited=True) <= 2


def test_without_the_bound_there_are_more():
    """What the test above is worth."""
    assert arenas(limited=False) > 2


def test_the_daemon_bounds_them_before_it_starts_anything(monkeypatch):
    done = []

    class Stopped:
        def __init__(self, *_args, **_kwargs):
            done.append("runtime")

        def run(self):
            return 0

    monkeypatch.setattr(runtime, "share_arenas", lambda: done.append("arenas"))
    monkeypatch.setattr(runtime, "Runtime", Stopped)
    monkeypatch.setattr(runtime.signal, "signal", lambda *_: None)
    assert runtime.run_daemon(Settings.model_validate({"state": {"file": "state.json"}})) == 0
    assert done == ["arenas", "runtime"]
