"""How glibc's allocator is told to share memory between threads.

It gives threads arenas of their own, eight for each core, from which nothing goes back while a single piece is in use.
librdkafka has a thread for each broker of each client, and makes and frees their buffers as brokers go and come: beside
three brokers that is a tenth of Sentinel's memory (measured, docs/performance.md).
"""

from __future__ import annotations

import ctypes
import sys

M_ARENA_MAX = -8  # malloc.h of glibc
ARENAS = 2  # a second one for those who find the first one locked


def share_arenas() -> None:
    """Bound the number of arenas. To be called before threads are started; does nothing where there is no glibc."""
    if sys.platform != "linux":
        return
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:  # musl has none
        mallopt(M_ARENA_MAX, ARENAS)
