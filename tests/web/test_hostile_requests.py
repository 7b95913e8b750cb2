"""What a client may send that is no request of ours: refused on one path, in one form, with the same headers."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from importlib.resources import files
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis.generation import GenerationMode
from tests.web.sample import status
from tests.web.test_http import Site

from kafka_sentinel.adapters.snapshot import VIEWS
from kafka_sentinel.adapters.web_headers import SECURITY
from kafka_sentinel.adapters.web_server import MAX_CONNECTIONS, MAX_HEAD

DOCUMENT: dict[str, Any] = json.loads(files("kafka_sentinel.adapters").joinpath("openapi", "openapi.json").read_text())
EXAMPLES = 6  # of each operation


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    site = Site()
    site.snapshot.publish(status())
    site.server.start()
    yield site
    site.server.stop()


def ask(site: Site, request: bytes) -> tuple[int, dict[str, str], bytes]:
    """Send bytes, and return status, headers and body of what comes back; 0 if nothing does."""
    with socket.create_connection(("127.0.0.1", site.server.port), timeout=60) as client:
        client.sendall(request)
        client.shutdown(socket.SHUT_WR)
        answer = b""
        while chunk := client.recv(65_536):
            answer += chunk
    head, _, body = answer.partition(b"\r\n\r\n")
    first, *lines = head.decode("latin-1").split("\r\n")
    headers = dict(line.split(": ", 1) for line in lines)
    return int(first.split()[1]) if first else 0, headers, body


def get(path: str, *headers: str, method: str = "GET") -> bytes:
    return "\r\n".join([f"{method} {path} HTTP/1.1", "Host: a", *headers, "", ""]).encode("latin-1")


REFUSED = {
    "HTTP/0.9": (b"GET /healthz\r\n", 400),
    "HTTP/2": (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505),
    "a version that there is not": (b"GET / HTTP/1.1.1\r\n\r\n", 505),
    "a space in the path": (b"GET /healthz /readyz HTTP/1.1\r\n\r\n", 400),
    "no path": (b"GET HTTP/1.1\r\n\r\n", 400),
    "TLS": (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", 400),
    "a long path": (get("/" + "a" * MAX_HEAD), 414),
    "a long header": (get("/healthz", "X: " + "a" * MAX_HEAD), 431),
    "long headers together": (get("/healthz", *(f"X{number}: {'a' * 1_000}" for number in range(20))), 431),
    "many headers": (get("/healthz", *(f"X{number}: a" for number in range(200))), 431),
    "two hosts": (get("/healthz", "Host: b"), 400),
    "an address in place of a path": (get("http://a/healthz"), 404),
    "another's address": (get("http://evil.example/healthz"), 404),
    "a path decoded elsewhere": (get("/api%2fv1%2fstatus"), 404),
    "a letter encoded": (get("/%68ealthz"), 404),
    "a slash too many": (get("//healthz"), 404),
    "dots": (get("/api/v1/../../healthz"), 404),
    "encoded dots": (get("/api/v1/%2e%2e/%2e%2e/healthz"), 404),
    "a backslash": (get("/api/v1\\status"), 404),
    "NUL": (b"GET /healthz\x00 HTTP/1.1\r\n\r\n", 404),
    "an encoded NUL": (get("/healthz%00"), 404),
    "an end of line in the path": (get("/%0d%0aSet-Cookie:%20a=b"), 404),
    "no UTF-8": (b"GET /\xff\xfe HTTP/1.1\r\n\r\n", 404),
    "a parameter": (get("/healthz;a=b"), 404),
    "a method in small letters": (get("/", method="get"), 405),
    "a long method": (get("/", method="A" * 3_000), 405),
    "a method that steers a terminal": (b"\x1b[31m / HTTP/1.1\r\n\r\n", 405),
    "TRACE": (get("/", method="TRACE"), 405),
    "CONNECT": (b"CONNECT evil.example:443 HTTP/1.1\r\n\r\n", 405),
    "all of it": (b"OPTIONS * HTTP/1.1\r\n\r\n", 405),
    "a length that is no number": (get("/", "Content-Length: abc", method="POST"), 405),
    "a length in other digits": (get("/", "Content-Length: \xb2", method="POST"), 405),
    "a length of many digits": (get("/", "Content-Length: " + "9" * 6_000, method="POST"), 405),
    "a negative length": (get("/", "Content-Length: -1", method="POST"), 405),
}


@pytest.mark.parametrize("shape", REFUSED)
def test_what_is_no_request_of_ours_is_refused_in_json_with_every_header(site: Site, shape: str) -> None:
    request, expected = REFUSED[shape]
    found, headers, body = ask(site, request)
    assert found == expected
    assert headers.items() >= dict(SECURITY).items()
    assert headers["Content-Type"] == "application/json"
    assert headers["Cache-Control"] == "no-store"
    assert int(headers["Content-Length"]) == len(body) < 300
    assert json.loads(body)["error"].isprintable()


@pytest.mark.parametrize("path", ["/", "/app.js", "/metrics", "/healthz", "/readyz", "/api/v1/openapi.json", "/nope"])
@pytest.mark.parametrize("method", ["GET", "HEAD", "POST"])
def test_every_answer_has_every_header_once(site: Site, method: str, path: str) -> None:
    _, headers, body = ask(site, get(path, method=method))
    assert headers.items() >= dict(SECURITY).items()
    assert (method == "HEAD") == (body == b"")
    assert not headers.keys() & {"Set-Cookie", "Access-Control-Allow-Origin", "Location"}


SMUGGLED = b"GET /readyz HTTP/1.1\r\nHost: a\r\n\r\n"


@pytest.mark.parametrize(
    "headers",
    [
        ("Content-Length: 0",),
        ("Content-Length: 4", "Transfer-Encoding: chunked"),
        ("Content-Length: 4", "Content-Length: 400"),
        ("Transfer-Encoding: chunked",),
        ("Transfer-Encoding:\x0bchunked",),
        ("Expect: 100-continue", "Content-Length: 4"),
        ("Connection: keep-alive",),
        ("Connection: Upgrade", "Upgrade: h2c"),
    ],
)
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_nothing_behind_a_request_is_ever_answered(site: Site, method: str, headers: tuple[str, ...]) -> None:
    found, _, body = ask(site, get("/healthz", *headers, method=method) + b"0\r\n\r\n" + SMUGGLED)
    assert found == (200 if method == "GET" else 405)
    assert b"HTTP/1" not in body
    assert b"configuration is valid" not in body


def test_who_asks_nothing_is_told_nothing(site: Site) -> None:
    assert ask(site, b"") == (0, {}, b"")


def test_gzip_is_left_where_it_is_not_wanted(site: Site) -> None:
    for wanted, said in (("gzip;q=0", False), ("gzip; q=0.000", False), ("notgzip", False), ("br, gzip;q=0.1", True)):
        _, headers, _ = ask(site, get("/api/v1/status", f"Accept-Encoding: {wanted}"))
        assert ("Content-Encoding" in headers) is said


@pytest.mark.parametrize("accept", ["application/openmetrics-text; version=9; q=x,", "a/b;q=1," * 1_000, "\xff;=;,,"])
def test_metrics_are_told_whatever_is_accepted_and_asked_for(site: Site, accept: str) -> None:
    for path in (
        "/metrics",
        "/metrics?name[]=%00&name[]=%ff",
        "/metrics?name[]=kafka_sentinel_build_info&" + "a" * 900,
    ):
        found, headers, _ = ask(site, get(path, f"Accept: {accept}"))
        assert found == 200
        assert headers.items() >= dict(SECURITY).items()


def test_a_flood_of_hostile_clients_leaves_room_for_a_prompt_one(site: Site) -> None:
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda shape: ask(site, REFUSED[shape][0]), [*REFUSED] * 2))
    idle = [socket.create_connection(("127.0.0.1", site.server.port)) for _ in range(MAX_CONNECTIONS)]
    assert ask(site, get("/healthz"))[0] == 200
    for client in idle:
        client.close()


# --- the OpenAPI document


def test_the_document_names_every_path_and_no_other(site: Site) -> None:
    schemas = [path for path in site.app._static if path.startswith("/api/v1/schema/")]
    parts = {path for path in site.app._static if path.count("/") == 1 and path != "/"}  # of the page
    served = {*site.app._static, *site.app._routes, "/metrics"} - {*schemas, *parts}
    assert set(DOCUMENT["paths"]) == served | {"/api/v1/schema/{name}.json"}
    [name] = DOCUMENT["paths"]["/api/v1/schema/{name}.json"]["get"]["parameters"]
    assert sorted(schemas) == [f"/api/v1/schema/{each}.json" for each in name["schema"]["enum"]]


def test_the_document_takes_the_published_schemas_for_answers() -> None:
    for view in VIEWS:
        answer = DOCUMENT["paths"][f"/api/v1/{view}"]["get"]["responses"]["200"]
        assert answer["content"]["application/json"]["schema"] == {"$ref": f"/api/v1/schema/{view}.json"}


@pytest.mark.parametrize("mode", GenerationMode, ids=lambda mode: mode.value)
@pytest.mark.parametrize("path", DOCUMENT["paths"])
def test_answers_are_as_the_document_has_them_whatever_is_asked(site: Site, path: str, mode: GenerationMode) -> None:
    """Schemathesis asks what the document allows, and what it does not, and compares each answer with the document."""
    schema = schemathesis.openapi.from_url(f"http://127.0.0.1:{site.server.port}/api/v1/openapi.json")
    asked = []

    @settings(max_examples=EXAMPLES, deadline=None, derandomize=True, database=None, suppress_health_check=HealthCheck)
    @given(case=schema[path]["GET"].as_strategy(mode))
    def ask_and_compare(case: schemathesis.Case) -> None:
        asked.append(case)
        answer = case.call()
        assert answer.headers.keys() >= {name.lower() for name, _ in SECURITY}
        case.validate_response(answer, excluded_checks=[schemathesis.checks.unsupported_method])

    with suppress(Unsatisfiable):  # most paths take nothing that could be wrong
        ask_and_compare()
    assert asked or mode is GenerationMode.NEGATIVE
