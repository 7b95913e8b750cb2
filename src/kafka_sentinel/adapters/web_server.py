"""A small HTTP server whose threads are bounded and which slow clients cannot exhaust.

One connection carries one request, of HTTP/1.0 or 1.1: what follows it on the connection is nobody's, so nothing can be
smuggled in behind it. At most `MAX_CONNECTIONS` are open: a new one pushes out the oldest, so that a prompt client is
served however many slow ones hang on; and none outlives `DEADLINE`. The path is what was sent, to the byte: nothing is
decoded or tidied, so that a path which something on the way forbids cannot be asked for in another spelling.
"""

from __future__ import annotations

import errno
import io
import json
import socket
import sys
import time
from contextlib import suppress
from http import HTTPStatus
from io import BufferedIOBase
from socketserver import TCPServer, ThreadingMixIn
from threading import Lock, Thread
from typing import TYPE_CHECKING
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer

import structlog

from kafka_sentinel.adapters.web_headers import SECURITY

if TYPE_CHECKING:
    from wsgiref.types import WSGIApplication

    Request = socket.socket | tuple[bytes, socket.socket]

log = structlog.get_logger(__name__)

MAX_CONNECTIONS = 32
DEADLINE = 10.0  # seconds from accepting a connection to closing it
MAX_HEAD = 16_384  # bytes of a request before its body: the line and all headers
MAX_DRAINED = 262_144  # bytes of one that is too large that are read and dropped, so that the refusal arrives
WORDS = 3  # of the first line: method, path, version
VERSIONS = ("HTTP/1.0", "HTTP/1.1")
POLL = 0.25  # seconds between looks at deadlines, and at being told to stop


class WebError(Exception):
    """The server cannot listen where it was told to. The text is fit for a user."""


class _Head:
    """The beginning of a connection, as far as a request is read from it: bounded as a whole, not only by the line."""

    def __init__(self, stream: BufferedIOBase) -> None:
        self._stream = stream
        self.left = MAX_HEAD

    def readline(self, limit: int) -> bytes:
        line = self._stream.readline(min(limit, self.left))
        self.left -= len(line)
        return line


class _Handler(WSGIRequestHandler):
    raw_requestline: bytes

    def setup(self) -> None:
        super().setup()
        self._stream = self.rfile
        self._head = _Head(self._stream)
        self.rfile = self._head  # type: ignore[assignment]  # all that is asked of it until the request is parsed

    def finish(self) -> None:
        self.rfile = self._stream
        super().finish()

    def parse_request(self) -> bool:
        """Take a request apart. What is too large, or no HTTP/1, or names two hosts, is refused."""
        line = self.raw_requestline.decode("latin-1")
        self.command = self.path = ""
        if not line:
            return False  # nothing was asked: it only looked whether somebody listens
        refused = _refused(line, self._head.left)
        if refused is None and super().parse_request():
            if self._head.left <= 0:
                refused = HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE
            elif len(self.headers.get_all("Host", [])) > 1:
                refused = HTTPStatus.BAD_REQUEST
            else:
                self.rfile, self.path = self._stream, line.split()[1]
                return True
        if refused is not None:
            self.send_error(refused)
        return False

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:  # noqa: ARG002  # what was sent is not repeated
        """Refuse, as everything else on this port is said: in JSON, in HTTP/1.0, with the same headers."""
        status = HTTPStatus(code)
        body = json.dumps({"error": ": ".join(filter(None, (status.phrase, status.description)))})
        own = {"Content-Type": "application/json", "Content-Length": str(len(body)), "Cache-Control": "no-store"}
        headers = [f"{name}: {value}" for name, value in (*own.items(), *SECURITY)]
        lines = [f"HTTP/1.0 {status.value} {status.phrase}", *headers, "", "" if self.command == "HEAD" else body]
        self.wfile.write("\r\n".join(lines).encode())
        if self._head.left <= 0:
            self._drain()

    def _drain(self) -> None:
        """Read on for a while: a connection closed with something unread takes back what was said on it."""
        with suppress(OSError):
            self.connection.shutdown(socket.SHUT_WR)
            left = MAX_DRAINED
            while left > 0 and (read := self.connection.recv(min(left, MAX_HEAD))):
                left -= len(read)

    def get_environ(self) -> dict[str, str]:
        """Return what the application is told: the path as it was sent, nothing decoded."""
        environ: dict[str, str] = super().get_environ()
        environ["PATH_INFO"] = self.path.partition("?")[0]
        return environ

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # the name is given by the base class
        """Log nothing: scrapes and polls would drown what matters."""

    def get_stderr(self) -> io.StringIO:
        """Drop what the base class prints: the application logs its errors, the rest is clients that went away."""
        return io.StringIO()


def _refused(line: str, left: int) -> HTTPStatus | None:
    """Tell why the first line of a request is refused, or None. `left`: bytes that the rest of it may have."""
    if left <= 0:
        return HTTPStatus.REQUEST_URI_TOO_LONG
    words = line.split()
    if len(words) != WORDS or not words[-1].startswith("HTTP/"):  # two are HTTP/0.9, which has no headers
        return HTTPStatus.BAD_REQUEST
    return None if words[-1] in VERSIONS else HTTPStatus.HTTP_VERSION_NOT_SUPPORTED


class _Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 64
    allow_reuse_port = False  # two processes on one port would each get half of the requests

    def __init__(self, address: tuple[str, int], app: WSGIApplication) -> None:
        self.address_family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
        self._lock = Lock()
        self._open: dict[socket.socket, float] = {}  # oldest first, with the monotonic instant of acceptance
        super().__init__(address, _Handler)
        self.set_app(app)

    def server_bind(self) -> None:
        """Bind without asking the DNS for our own name, as the base class would: it may be down when we start."""
        TCPServer.server_bind(self)
        self.server_name = str(self.server_address[0])
        self.server_port = int(self.server_address[1])
        self.setup_environ()

    def process_request(self, request: Request, client_address: object) -> None:
        assert isinstance(request, socket.socket)
        with self._lock:
            if len(self._open) >= MAX_CONNECTIONS:
                self._cut(next(iter(self._open)))
            self._open[request] = time.monotonic()
        super().process_request(request, client_address)

    def shutdown_request(self, request: Request) -> None:
        assert isinstance(request, socket.socket)
        with self._lock:
            self._open.pop(request, None)
        super().shutdown_request(request)

    def service_actions(self) -> None:
        oldest_allowed = time.monotonic() - DEADLINE
        with self._lock:
            for request in [request for request, since in self._open.items() if since < oldest_allowed]:
                self._cut(request)

    def handle_error(self, request: Request, client_address: object) -> None:  # noqa: ARG002  # given by the base class
        log.debug("connection failed", client=str(client_address), error=repr(sys.exception()))

    def _cut(self, request: socket.socket) -> None:
        """Wake the thread that serves `request`: its reads see the end, its writes fail, and it goes."""
        del self._open[request]
        with suppress(OSError):
            request.shutdown(socket.SHUT_RDWR)


class WebServer:
    """Runs an application in a thread of its own. `port` 0 takes any free port; `start` and `stop` may be repeated."""

    def __init__(self, host: str, port: int, app: WSGIApplication) -> None:
        self._host = host
        self._wanted_port = port
        self._app = app
        self._server: _Server | None = None
        self._thread: Thread | None = None

    @property
    def port(self) -> int:
        """The port it listens on; the one wanted while it is stopped."""
        return self._server.server_port if self._server is not None else self._wanted_port

    @property
    def alive(self) -> bool:
        """Whether it was started and its thread still runs."""
        return self._thread is not None and self._thread.is_alive()

    def start(self) -> None:
        """Listen and serve. Raises WebError if the address cannot be had."""
        if self._server is not None:
            return
        try:
            self._server = _Server((self._host, self._wanted_port), self._app)
        except (OSError, OverflowError) as error:
            raise WebError(f"cannot listen on {self._host}:{self._wanted_port}: {_reason(error)}") from error
        self._thread = Thread(target=self._server.serve_forever, args=(POLL,), name="web", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Stop listening. Answers under way may still end."""
        if self._server is None or self._thread is None:
            return
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
        self._server = self._thread = None


def _reason(error: OSError | OverflowError) -> str:
    match getattr(error, "errno", None):
        case errno.EADDRINUSE:
            return "the port is taken by another process; stop that one or choose another port"
        case errno.EACCES:
            return "ports below 1024 need privileges; choose a higher one"
        case errno.EADDRNOTAVAIL:
            return "this machine has no such address"
        case _:
            return str(error)
