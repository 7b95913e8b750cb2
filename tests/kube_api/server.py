"""A real HTTP server in this process that answers what a test wrote down, and remembers what it was asked."""

from __future__ import annotations

import json
import socket
import ssl
import threading
from collections import defaultdict, deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit

PATIENCE = 20.0  # seconds a stalled answer is held if no test ends it


@dataclass(frozen=True)
class Asked:
    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: Any

    @property
    def watch(self) -> bool:
        return self.query.get("watch") in {"1", "true", "True"}  # the last is how the official client says it


Answer = Callable[["Handler", Asked], None]


# --- answers


def say(body: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Answer:
    return lambda handler, _asked: handler.send(status, body, headers or {})


def refuse(status: int, reason: str = "", message: str = "", headers: Mapping[str, str] | None = None) -> Answer:
    return say(status_object(status, reason, message), status, headers)


def status_object(code: int, reason: str = "", message: str = "") -> dict[str, Any]:
    return {
        "kind": "Status",
        "apiVersion": "v1",
        "status": "Failure",
        "code": code,
        "reason": reason,
        "message": message,
    }


def stream(*steps: Any) -> Answer:
    """Send steps one after the other: an event (dict), raw bytes, a pause in seconds (float), STALL, BREAK.

    Without BREAK and STALL it ends in good order.
    """

    def answer(handler: Handler, _asked: Asked) -> None:
        handler.begin_chunks()
        for step in steps:
            if step is STALL:
                handler.server.script.ended.wait(PATIENCE)
                return handler.drop()
            if step is BREAK:
                return handler.drop()
            if isinstance(step, float):
                handler.server.script.ended.wait(step)
                continue
            handler.chunk(step if isinstance(step, bytes) else json.dumps(step).encode() + b"\n")
        handler.chunk(b"")
        return None

    return answer


def drop() -> Answer:
    """Take the request and end the connection without an answer."""
    return lambda handler, _asked: handler.drop()


def hang() -> Answer:
    """Take the request and never answer."""

    def answer(handler: Handler, _asked: Asked) -> None:
        handler.server.script.ended.wait(PATIENCE)
        handler.drop()

    return answer


def dribble(body: Any, pause: float) -> Answer:
    """Answer one byte at a time."""

    def answer(handler: Handler, _asked: Asked) -> None:
        text = json.dumps(body).encode()
        handler.send_response(200)
        handler.send_header("Content-Length", str(len(text)))
        handler.end_headers()
        for index in range(len(text)):
            if handler.server.script.ended.wait(pause):
                return
            handler.wfile.write(text[index : index + 1])
            handler.wfile.flush()

    return answer


STALL, BREAK = object(), object()


# --- objects


def obj(name: str, version: int | str = 1, *, uid: str | None = None, **more: Any) -> dict[str, Any]:
    """A minimal object of namespace `kafka`; its UID is made of its name unless given."""
    meta = {"name": name, "namespace": "kafka", "uid": uid or f"uid-{name}", "resourceVersion": str(version)}
    return {"metadata": meta, **more}


def page(*items: Any, version: int | str = 10, more: str = "") -> dict[str, Any]:
    return {"kind": "List", "metadata": {"resourceVersion": str(version), "continue": more}, "items": list(items)}


def event(kind: str, item: Any) -> dict[str, Any]:
    return {"type": kind, "object": item}


def bookmark(version: int | str) -> dict[str, Any]:
    return event("BOOKMARK", {"metadata": {"resourceVersion": str(version)}})


# --- the server


class Script:
    """What to answer. Of the answers to one question each is given once, the last one again and again."""

    def __init__(self) -> None:
        self.asked: list[Asked] = []
        self.ended = threading.Event()
        self.world: Callable[[Asked], Answer | None] = lambda _asked: None  # asked where nothing is written down
        self._answers: dict[tuple[str, str, bool], deque[Answer]] = defaultdict(deque)
        self._lock = threading.Condition()

    def on(self, method: str, path: str, *answers: Answer, watch: bool = False) -> None:
        with self._lock:
            self._answers[method, path, watch] = deque(answers)

    def answer(self, asked: Asked) -> Answer:
        with self._lock:
            self.asked.append(asked)
            self._lock.notify_all()
            answers = self._answers.get((asked.method, asked.path, asked.watch))
            if answers:
                return answers.popleft() if len(answers) > 1 else answers[0]
        return self.world(asked) or refuse(404, "NotFound", f"nothing is written down for {asked.method} {asked.path}")

    def wait_asked(self, count: int, *, watch: bool | None = None, timeout: float = 10.0) -> None:
        """Wait until `count` requests have come (of watches only, or of others only)."""

        def enough() -> bool:
            return len([one for one in self.asked if watch is None or one.watch == watch]) >= count

        with self._lock:
            assert self._lock.wait_for(enough, timeout), [(one.method, one.path, one.query) for one in self.asked]


class Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 64

    def __init__(self, context: ssl.SSLContext | None = None) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        if context is not None:
            self.socket = context.wrap_socket(self.socket, server_side=True, do_handshake_on_connect=False)
        self.script = Script()
        self.url = f"{'https' if context else 'http'}://127.0.0.1:{self.server_port}"

    def start(self) -> None:
        threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()

    def end(self) -> None:
        self.script.ended.set()
        self.shutdown()
        self.server_close()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Clients that go away are part of the tests."""


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: Server

    def log_message(self, *_args: Any) -> None: ...

    def _handle(self) -> None:
        url = urlsplit(self.path)
        size = int(self.headers.get("Content-Length") or 0)
        body = json.loads(self.rfile.read(size)) if size else None
        asked = Asked(self.command, url.path, dict(parse_qsl(url.query)), dict(self.headers), body)
        self.server.script.answer(asked)(self, asked)

    do_GET = do_POST = do_PUT = do_DELETE = do_PATCH = _handle  # noqa: N815

    def send(self, status: int, body: Any, headers: Mapping[str, str]) -> None:
        text = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def begin_chunks(self) -> None:
        self.send_response(200)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()

    def chunk(self, text: bytes) -> None:
        self.wfile.write(b"%x\r\n%s\r\n" % (len(text), text))
        self.wfile.flush()

    def drop(self) -> None:
        self.close_connection = True
        self.connection.shutdown(socket.SHUT_RDWR)


@dataclass
class Mailbox:
    """Where adapters post."""

    events: list[Any] = field(default_factory=list)
    batches: int = 0
    changed: threading.Condition = field(default_factory=threading.Condition)

    def post(self, events: Any) -> None:
        with self.changed:
            self.events.extend(events)
            self.batches += 1
            self.changed.notify_all()

    def of(self, kind: Any) -> list[Any]:
        return [event for event in list(self.events) if isinstance(event, kind)]

    def wait(self, kind: Any, count: int = 1, timeout: float = 10.0) -> list[Any]:
        """Return the events of a kind once there are `count` of them."""
        with self.changed:
            assert self.changed.wait_for(lambda: len(self.of(kind)) >= count, timeout), self.events
        return self.of(kind)
