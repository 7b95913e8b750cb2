"""What is served over HTTP: page, metrics, health, JSON. Read-only, and from memory alone.

Every answer comes from the last published snapshot or the metric registry, so a dead broker delays none of them.
"""

from __future__ import annotations

import json
import re
from http import HTTPStatus
from importlib.resources import files
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, NamedTuple

import structlog
from prometheus_client import CollectorRegistry, make_wsgi_app

from kafka_sentinel.adapters.snapshot import VIEWS, Snapshot
from kafka_sentinel.adapters.web_headers import SECURITY
from kafka_sentinel.core.text import one_line

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

log = structlog.get_logger(__name__)

TICK_LIMIT = 60.0  # seconds without a handled tick after which the process counts as hung
MAX_IGNORED_BODY = 65_536  # bytes of a refused request's body that are read, so that the refusal arrives
MAX_DIGITS = 18  # of a length that is believed
MAX_METHOD = 20  # characters of a refused method that are repeated
NOT_AT_ALL = re.compile(r"q=0(\.0*)?")  # the weight of an encoding that is not wanted

_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
    ".json": "application/schema+json",
}
_JSON = "application/json"
OPENAPI = "openapi.json"  # what says of this port what there is: OpenAPI 3.1
_TEXT = "text/plain; charset=utf-8"


class Answer(NamedTuple):
    status: HTTPStatus
    content_type: str
    body: bytes
    cache: str = "no-store"
    headers: tuple[tuple[str, str], ...] = ()


class WebApp:
    """The WSGI application.

    `tick_age` returns the seconds since the engine last handled a tick, counted from the start of the process before
    the first one. It is called from many threads.
    """

    def __init__(self, snapshot: Snapshot, registry: CollectorRegistry, tick_age: Callable[[], float]) -> None:
        self._snapshot = snapshot
        self._tick_age = tick_age
        self._metrics: WSGIApplication = make_wsgi_app(registry)
        self._static = _load("page", "/") | _load("schema", "/api/v1/schema/") | _load("openapi", "/api/v1/")
        self._static["/"] = self._static["/index.html"]
        self._routes: dict[str, Callable[[str], Answer]] = {
            "/healthz": lambda _: self._health(),
            "/readyz": lambda _: _text(HTTPStatus.OK, "ok: the configuration is valid and the server is up"),
        }
        for view in VIEWS:
            self._routes[f"/api/v1/{view}"] = lambda encodings, view=view: self._api(view, encodings)  # type: ignore[misc]  # a default binds the loop variable; mypy cannot type it

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        method = environ["REQUEST_METHOD"]
        path = environ.get("PATH_INFO", "") or "/"
        try:
            if method not in ("GET", "HEAD"):
                _discard_body(environ)
                return _send(_refusal(method), method, start_response)
            if path == "/metrics":
                return self._send_metrics(environ, method, start_response)
            answer = self._answer(path, environ.get("HTTP_ACCEPT_ENCODING", ""))
        except Exception:
            log.exception("request failed", path=path)
            answer = _error(HTTPStatus.INTERNAL_SERVER_ERROR, "the request failed; the log says why")
        return _send(answer, method, start_response)

    def _answer(self, path: str, encodings: str) -> Answer:
        if path in self._static:
            return self._static[path]
        if path in self._routes:
            return self._routes[path](encodings)
        return _error(HTTPStatus.NOT_FOUND, "there is nothing at this path")

    def _health(self) -> Answer:
        age = self._tick_age()
        if age <= TICK_LIMIT:
            return _text(HTTPStatus.OK, f"ok: the engine handled a tick {age:.1f} s ago")
        text = f"hung: the engine has not handled a tick for {age:.1f} s (limit {TICK_LIMIT:.0f} s)"
        return _text(HTTPStatus.SERVICE_UNAVAILABLE, text)

    def _api(self, view: str, encodings: str) -> Answer:
        body = self._snapshot.body(view)
        if body is None:
            return _error(HTTPStatus.SERVICE_UNAVAILABLE, "starting: there is no status yet")
        vary = ("Vary", "Accept-Encoding")
        if _takes_gzip(encodings):
            return Answer(HTTPStatus.OK, _JSON, body.gzipped, headers=(("Content-Encoding", "gzip"), vary))
        return Answer(HTTPStatus.OK, _JSON, body.plain, headers=(vary,))

    def _send_metrics(self, environ: WSGIEnvironment, method: str, start_response: StartResponse) -> Iterable[bytes]:
        """Pass on to the Prometheus client, which negotiates format and compression but knows no HEAD."""
        sent_status, sent_headers = "", list[tuple[str, str]]()

        def start(
            status: str, headers: list[tuple[str, str]], _exc_info: object = None, /
        ) -> Callable[[bytes], object]:
            nonlocal sent_status, sent_headers
            sent_status, sent_headers = status, headers
            return lambda data: data

        body = b"".join(self._metrics({**environ, "REQUEST_METHOD": "GET"}, start))
        headers = [*sent_headers, ("Content-Length", str(len(body))), ("Cache-Control", "no-store"), *SECURITY]
        start_response(sent_status, headers)
        return [] if method == "HEAD" else [body]


def _load(folder: str, prefix: str) -> dict[str, Answer]:
    """Return the files of a folder of this package by the path they are served at."""
    answers = {}
    for file in files("kafka_sentinel.adapters").joinpath(folder).iterdir():
        content_type = _JSON if file.name == OPENAPI else _TYPES.get(PurePosixPath(file.name).suffix)
        if content_type is not None:
            answers[prefix + file.name] = Answer(HTTPStatus.OK, content_type, file.read_bytes(), cache="no-cache")
    return answers


def _text(status: HTTPStatus, text: str) -> Answer:
    return Answer(status, _TEXT, f"{text}\n".encode())


def _error(status: HTTPStatus, text: str) -> Answer:
    return Answer(status, _JSON, json.dumps({"error": text}).encode())


def _refusal(method: str) -> Answer:
    text = f"{one_line(method, MAX_METHOD)} is not allowed: this server is read-only"
    return _error(HTTPStatus.METHOD_NOT_ALLOWED, text)._replace(headers=(("Allow", "GET, HEAD"),))


def _takes_gzip(encodings: str) -> bool:
    """Tell what Accept-Encoding says of gzip: that it is named, and not to be left."""
    for each in encodings.lower().split(","):
        name, _, weight = each.partition(";")
        if name.strip() == "gzip":
            return NOT_AT_ALL.fullmatch(weight.strip()) is None
    return False


def _discard_body(environ: WSGIEnvironment) -> None:
    length = environ.get("CONTENT_LENGTH") or "0"
    if length.isascii() and length.isdigit() and len(length) <= MAX_DIGITS:
        environ["wsgi.input"].read(min(int(length), MAX_IGNORED_BODY))


def _send(answer: Answer, method: str, start_response: StartResponse) -> Iterable[bytes]:
    headers = [
        ("Content-Type", answer.content_type),
        ("Content-Length", str(len(answer.body))),
        ("Cache-Control", answer.cache),
        *answer.headers,
        *SECURITY,
    ]
    start_response(f"{answer.status.value} {answer.status.phrase}", headers)
    return [] if method == "HEAD" else [answer.body]
