"""Reads answers: whole ones within a size and a time, endless ones line by line, until somebody closes them."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator

import urllib3
from urllib3 import BaseHTTPResponse, exceptions

from kafka_sentinel.adapters.kubernetes.errors import ANSWER, BROKEN, TIMEOUT, TLS, UNREACHABLE, ApiError

CHUNK = 65_536  # bytes taken from the connection at once
MAX_BODY = 32 * 1_048_576  # bytes of one answer; a page of pods is the largest
MAX_LINE = 8 * 1_048_576  # bytes of one watch event; etcd takes objects up to 1.5 MiB


def as_api_error(error: Exception) -> ApiError:
    """Name what urllib3 or the socket under it raised."""
    match error:
        case ApiError():
            return error
        case exceptions.SSLError():
            code = TLS
        case exceptions.ReadTimeoutError() | TimeoutError():
            code = TIMEOUT
        case exceptions.ConnectTimeoutError() | exceptions.NewConnectionError() | exceptions.ProxyError():
            code = UNREACHABLE
        case _:
            code = BROKEN
    return ApiError(code, type(error).__name__, str(error) or "no message")


def read_body(response: BaseHTTPResponse, deadline: float, clock: Callable[[], float]) -> bytes:
    """Read an answer to its end. Raises ApiError if that takes past `deadline` or more than MAX_BODY bytes.

    A read time-out alone bounds only the pause between two bytes.
    """
    try:
        body = _read_all(response, deadline, clock)
    except Exception as error:
        response.close()  # what is left of it must not meet the next request
        raise as_api_error(error) from error
    response.release_conn()
    return body


def _read_all(response: BaseHTTPResponse, deadline: float, clock: Callable[[], float]) -> bytes:
    body = bytearray()
    while chunk := response.read1(CHUNK):
        body += chunk
        if len(body) > MAX_BODY:
            raise ApiError(ANSWER, "TooLarge", f"the answer is larger than {MAX_BODY} bytes")
        if clock() > deadline:
            raise ApiError(ANSWER, "TooSlow", f"the answer was not complete after {len(body)} bytes")
    return bytes(body)


class Stream:
    """The lines of an answer that does not end by itself. One thread reads; any thread may close."""

    def __init__(self, response: BaseHTTPResponse) -> None:
        self._response = response
        self._lock = threading.Lock()
        self._closed = False

    def batches(self) -> Iterator[list[bytes]]:
        """Yield the complete lines that have come, at once; end where the server ended the answer in good order.

        Raises ApiError if the connection breaks, goes silent or sends a line above MAX_LINE, also when closed from
        outside. A last line that is not complete is never yielded.
        """
        rest = b""
        while True:
            try:
                chunk = self._response.read1(CHUNK)
            except Exception as error:
                raise as_api_error(error) from error
            if self._closed:
                raise ApiError(BROKEN, "Closed", "we closed the stream")
            if not chunk:
                if rest.strip():
                    raise ApiError(BROKEN, "CutOff", "the stream ended in the middle of a line")
                return
            *lines, rest = (rest + chunk).split(b"\n")
            if len(rest) > MAX_LINE or any(len(line) > MAX_LINE for line in lines):
                raise ApiError(ANSWER, "TooLarge", f"a line is longer than {MAX_LINE} bytes")
            if lines := [line for line in lines if line.strip()]:
                yield lines

    def wake(self) -> None:
        """Have the reader, which may be waiting, end at once. May be called from any thread, and again."""
        with self._lock:
            if self._closed:
                return
            self._closed = True
            with contextlib.suppress(ValueError, RuntimeError, OSError):  # it has ended by itself
                self._response.shutdown()

    def close(self) -> None:
        """Give the connection up. For the thread that reads."""
        with self._lock:
            self._closed = True
            with contextlib.suppress(OSError, urllib3.exceptions.HTTPError):
                self._response.close()
