"""ZooKeeper's servers are asked with their own word, over real sockets; what does not answer as one serves nothing."""

from __future__ import annotations

import socket
import socketserver
import threading
import time
from contextlib import contextmanager

import pytest

from kafka_sentinel.adapters.ensemble import MAX_ANSWER, EnsembleWatcher, mode_of
from kafka_sentinel.core.types import Instant

# As ZooKeeper 3.8 answers `srvr`.
ANSWER = (
    "Zookeeper version: 3.8.4-9316c2a7a97e1666d8f4593f34dd6fc36ecc436c, built on 2024-02-12 22:16 UTC\n"
    "Latency min/avg/max: 0/0.8182/8\nReceived: 12\nSent: 11\nConnections: 1\nOutstanding: 0\nZxid: 0x100000002\n"
    "Mode: {mode}\nNode count: 5\n"
)
NO_QUORUM = "This ZooKeeper instance is not currently serving requests\n"
FORBIDDEN = "srvr is not executed because it is not in the whitelist.\n"


@contextmanager
def server(answer: bytes | str | None):
    """A server that answers `srvr` with that and nothing else; None: with nothing, and keeps the connection."""
    over = threading.Event()

    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            if self.request.recv(100) != b"srvr":
                return
            if answer is None:
                over.wait(30)
                return
            self.request.sendall(answer if isinstance(answer, bytes) else answer.encode())

    class Server(socketserver.ThreadingTCPServer):
        daemon_threads = True

        def handle_error(self, *_: object) -> None:
            """Whoever reads no more of an endless answer hangs up."""

    with Server(("127.0.0.1", 0), Handler) as one:
        threading.Thread(target=one.serve_forever, args=(0.05,), daemon=True).start()
        yield f"127.0.0.1:{one.server_address[1]}"
        over.set()
        one.shutdown()


@pytest.mark.parametrize("mode", ["leader", "follower", "standalone", "observer"])
def test_a_server_says_what_it_is(mode):
    with server(ANSWER.format(mode=mode)) as address:
        assert mode_of(address) == mode


@pytest.mark.parametrize(
    "answer", [NO_QUORUM, FORBIDDEN, "", b"\x15\x03\x03\x00\x02\x02\x50", b"Mode" * MAX_ANSWER, None]
)
def test_what_does_not_serve_or_does_not_speak_or_speaks_without_end_says_nothing(answer):
    with server(answer) as address:
        assert mode_of(address) == ""


def test_a_port_nobody_listens_on_says_nothing():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        assert mode_of(f"127.0.0.1:{one.getsockname()[1]}") == ""


def test_the_watcher_tells_of_all_servers_and_which_of_them_serve():
    seen, told = threading.Event(), []

    def post(events) -> None:
        told.extend(events)
        seen.set()

    answers = (ANSWER.format(mode="leader"), ANSWER.format(mode="follower"), NO_QUORUM, ANSWER.format(mode="observer"))
    with server(answers[0]) as a, server(answers[1]) as b, server(answers[2]) as c, server(answers[3]) as d:
        died = []
        watcher = EnsembleWatcher(
            (a, b, c, d),
            60.0,
            post=post,
            now=lambda: Instant(time.monotonic(), time.time()),
            on_death=lambda *what: died.append(what),
        )
        watcher.start()
        assert seen.wait(30)
        assert watcher.stop(30)
    [event] = told
    assert (event.view.servers, event.view.serving) == ((a, b, c, d), {a, b})
    assert event.view.asked.mono <= event.at.mono
    assert died == []
