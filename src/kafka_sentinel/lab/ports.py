"""Ports for brokers that stay theirs while the broker is dead."""

from __future__ import annotations

import random
import socket
import sys
from pathlib import Path

from kafka_sentinel.lab.errors import LabError

HOST = "127.0.0.1"
_LOWEST = 15_000
_HIGHEST = 32_767  # below the range from which Linux takes the local ports of outgoing connections
_TRIES = 200


class Ports:
    """Reserves ports on the loopback address.

    A port out of the ephemeral range could be taken by any outgoing connection while its broker is down, even by the
    client that tries to reach the broker (a connection to itself). So ports lie below that range, and on Linux a bound
    socket that never listens keeps each against other labs: with SO_REUSEADDR, which Java sets too, the broker may
    still listen there, and while it does not, a connection is refused as it should be.
    """

    def __init__(self) -> None:
        self._held: list[socket.socket] = []

    def take(self) -> int:
        """Return a free port. Raises LabError after 200 tries."""
        for _ in range(_TRIES):
            port = random.randint(_LOWEST, min(_HIGHEST, _ephemeral_start() - 1))  # noqa: S311  not a secret
            held = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
            try:
                held.bind((HOST, port))
            except OSError:
                held.close()
                continue
            if sys.platform == "linux":
                held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                self._held.append(held)
            else:
                held.close()
            return port
        raise LabError(f"found no free port between {_LOWEST} and {_HIGHEST} in {_TRIES} tries")

    def release(self) -> None:
        while self._held:
            self._held.pop().close()


def _ephemeral_start() -> int:
    try:
        return int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    except (OSError, ValueError, IndexError):
        return _HIGHEST + 1
