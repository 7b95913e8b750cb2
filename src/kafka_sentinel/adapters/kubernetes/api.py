"""The Kubernetes API in raw JSON: one request, one answer, time-outs on everything, nothing repeated in secret.

The `kubernetes` package finds the server, reads the credentials and sets up TLS. Its models are not used (they take
memory, and refuse objects the server accepts), nor are its retries and urllib3's: a deletion that a library sends twice
is not what we decided. Only a request refused for its credentials is sent again, once, with credentials read afresh.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from kubernetes.client import Configuration
from kubernetes.client.rest import RESTClientObject
from urllib3 import BaseHTTPResponse, Timeout

from kafka_sentinel import __version__
from kafka_sentinel.adapters.kubernetes.access import Load, authorization
from kafka_sentinel.adapters.kubernetes.errors import ANSWER, ApiError, from_answer
from kafka_sentinel.adapters.kubernetes.resources import Resource
from kafka_sentinel.adapters.kubernetes.stream import Stream, as_api_error, read_body

Json = dict[str, Any]
Query = Mapping[str, str]

UNAUTHORIZED = 401
OK = range(200, 300)
RELOAD_EVERY = 10.0  # seconds between two readings of the credentials: one may start a program


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Seconds: to connect, between two bytes, for a whole answer."""

    connect: float = 3.0
    read: float = 10.0
    total: float = 30.0


class _Session:
    """One reading of the configuration, and the connections made with it."""

    def __init__(self, configuration: Configuration) -> None:
        self._configuration = configuration
        self._pool = RESTClientObject(configuration).pool_manager
        self.host: str = configuration.host

    def signature(self) -> str | None:
        return authorization(self._configuration)

    def send(self, request: _Request, signature: str | None, timeout: Timeout) -> BaseHTTPResponse:
        headers = {"Accept": "application/json", "User-Agent": f"kafka-sentinel/{__version__}"}
        if signature is not None:
            headers["Authorization"] = signature
        if request.body is not None:
            headers["Content-Type"] = "application/json"
        try:
            return self._pool.request(
                request.method,
                self.host + request.path + (f"?{urlencode(request.query)}" if request.query else ""),
                body=None if request.body is None else json.dumps(request.body, separators=(",", ":")).encode(),
                headers=headers,
                timeout=timeout,
                retries=False,
                redirect=False,
                preload_content=False,
            )
        except Exception as error:
            raise as_api_error(error) from error

    def close(self) -> None:
        self._pool.clear()


@dataclass(frozen=True, slots=True)
class _Request:
    method: str
    path: str
    query: Query
    body: Json | None = None


class Api:
    """The API server. Every method may be called from any thread, and raises only ApiError."""

    def __init__(
        self, load: Load, *, timeouts: Timeouts | None = None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """Read the configuration. Raises ApiError if there is none that can be used."""
        self._load = load
        self._timeouts = timeouts or Timeouts()
        self._clock = clock
        self._lock = threading.Lock()
        self._session = _Session(load())
        self._reloaded = float("-inf")

    @property
    def server(self) -> str:
        return self._session.host

    # --- one object

    def get(self, resource: Resource, name: str) -> Json:
        return self.call("GET", resource.path(name))

    def create(
        self, resource: Resource, body: Json, *, name: str | None = None, subresource: str | None = None
    ) -> Json:
        """Create an object, or a subresource of the object `name`."""
        return self.call("POST", resource.path(name, subresource), body=body)

    def replace(self, resource: Resource, name: str, body: Json) -> Json:
        """Write an object whole. Refused with 409 unless its resourceVersion is still the one in `body`."""
        return self.call("PUT", resource.path(name), body=body)

    def delete(self, resource: Resource, name: str, options: Json) -> Json:
        """Delete an object; `options` are DeleteOptions."""
        return self.call("DELETE", resource.path(name), body={"apiVersion": "v1", "kind": "DeleteOptions", **options})

    # --- many

    def list_page(self, resource: Resource, query: Query) -> Json:
        return self.call("GET", resource.path(), query=query)

    def watch(self, resource: Resource, query: Query, *, silence: float) -> Stream:
        """Open a watch. It breaks off with ApiError `timeout` after `silence` seconds without a byte."""
        response = self._open(_Request("GET", resource.path(), {**query, "watch": "1"}))
        if response.status not in OK:
            raise self._refusal(response, self._clock() + self._timeouts.total)
        # Until here the ordinary read time-out held: a server that hangs is found sooner than one with nothing to say.
        connection: Any = response.connection
        if connection is not None and connection.sock is not None:
            connection.sock.settimeout(silence)
        return Stream(response)

    # --- any

    def call(self, method: str, path: str, *, query: Query | None = None, body: Json | None = None) -> Json:
        """Send one request and return the JSON object that was answered."""
        deadline = self._clock() + self._timeouts.total
        response = self._open(_Request(method, path, query or {}, body))
        if response.status not in OK:
            raise self._refusal(response, deadline)
        answer = _parse(read_body(response, deadline, self._clock))
        if answer is None:
            raise ApiError(ANSWER, "NoJson", f"{method} {path} was answered with something that is no JSON object")
        return answer

    def close(self) -> None:
        """Close the connections that nobody uses."""
        self._session.close()

    def _open(self, request: _Request) -> BaseHTTPResponse:
        """Send a request and return the answer with its body unread, whatever its status."""
        timeout = Timeout(connect=self._timeouts.connect, read=self._timeouts.read)
        session = self._session
        signature = session.signature()
        response = session.send(request, signature, timeout)
        if response.status != UNAUTHORIZED:
            return response
        session = self._renewed()
        renewed = session.signature()
        if renewed == signature:
            return response
        response.close()
        return session.send(request, renewed, timeout)

    def _renewed(self) -> _Session:
        """Return a session with the configuration read again, unless that was done just now."""
        with self._lock:
            if self._clock() - self._reloaded >= RELOAD_EVERY:
                self._session = _Session(self._load())
                self._reloaded = self._clock()
            return self._session

    def _refusal(self, response: BaseHTTPResponse, deadline: float) -> ApiError:
        try:
            text = read_body(response, deadline, self._clock)
        except ApiError:
            text = b""
        return from_answer(response.status, response.headers, _parse(text), text.decode(errors="replace"))


def _parse(text: bytes) -> Json | None:
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None
