"""Where Alertmanager delivers: a webhook on the host, as somebody's pager is."""

from __future__ import annotations

import json
import threading
import time
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Self


@dataclass(frozen=True, slots=True)
class Delivered:
    """One alert of one delivery. `status`: firing or resolved. `at`: when it arrived (wall clock)."""

    status: str
    labels: dict[str, str]
    annotations: dict[str, str]
    at: float

    @property
    def name(self) -> str:
        return self.labels["alertname"]


class Receiver:
    """Takes all that is delivered to `url`. `host`: an address of this machine that pods reach."""

    def __init__(self, host: str) -> None:
        self._delivered: list[Delivered] = []
        self._lock = threading.Lock()
        self._server = ThreadingHTTPServer((host, 0), self._handler())
        self.url = f"http://{host}:{self._server.server_port}/"

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, name="receiver", daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()

    def got(self, status: str, **labels: str) -> list[Delivered]:
        """Return what was delivered in that status with these labels, in the order of its arrival."""
        with self._lock:
            found = list(self._delivered)
        return [one for one in found if one.status == status and labels.items() <= one.labels.items()]

    def _take(self, body: bytes) -> None:
        at = time.time()
        alerts = json.loads(body)["alerts"]
        with self._lock:
            self._delivered += [Delivered(one["status"], one["labels"], one["annotations"], at) for one in alerts]

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                receiver._take(self.rfile.read(int(self.headers["Content-Length"])))
                self.send_response(200)
                self.end_headers()

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name it has there
                """Keep quiet: what arrives is looked at by the test."""

        return Handler
