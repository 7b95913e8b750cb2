"""Which servers of a ZooKeeper ensemble serve: each is asked by its own word for that, `srvr`, on its client port.

That is the one word every ZooKeeper since 3.5.3 answers unless it was forbidden. A server without a quorum says that it
does not serve; one that only takes TLS on that port, or forbids the word, cannot be told from a dead one.
"""

from __future__ import annotations

import socket
from collections.abc import Sequence

from kafka_sentinel.adapters.kafka_client import Now, OnDeath, Post, Worker
from kafka_sentinel.core.cluster import EnsembleView
from kafka_sentinel.core.events import EnsembleObserved

TIMEOUT = 1.0  # seconds, to connect and for each part of the answer
MAX_ANSWER = 16_384  # bytes
SERVING = frozenset({"leader", "follower", "standalone"})  # an observer has no vote


class EnsembleWatcher:
    """Posts EnsembleObserved once every `interval` seconds. `servers`: "host:port"."""

    def __init__(self, servers: Sequence[str], interval: float, *, post: Post, now: Now, on_death: OnDeath) -> None:
        self._servers = tuple(servers)
        self._interval = interval
        self._post = post
        self._now = now
        self._worker = Worker("ensemble", self._run, on_death)

    def start(self) -> None:
        self._worker.start()

    def stop(self, timeout: float) -> bool:
        """Return whether the thread has ended within `timeout` seconds. May be called again."""
        return self._worker.stop(timeout)

    def _run(self) -> None:
        while not self._worker.stopping.is_set():
            asked = self._now()
            serving = frozenset(server for server in self._servers if mode_of(server) in SERVING)
            self._post([EnsembleObserved(self._now(), EnsembleView(self._servers, serving, asked))])
            self._worker.stopping.wait(max(self._interval - (self._now().mono - asked.mono), 0.05))


def mode_of(server: str) -> str:
    """Return what a server says it is, as "follower"; "" if it does not say."""
    host, _, port = server.rpartition(":")
    answer = b""
    try:
        with socket.create_connection((host, int(port)), TIMEOUT) as connection:
            connection.sendall(b"srvr")
            while len(answer) < MAX_ANSWER and (part := connection.recv(MAX_ANSWER)):
                answer += part
    except OSError:
        return ""
    lines = answer.decode("utf-8", "replace").splitlines()
    return next((line.partition(":")[2].strip().lower() for line in lines if line.startswith("Mode:")), "")
