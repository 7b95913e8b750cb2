import gzip
import json
import re
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPConnection, HTTPResponse
from importlib.resources import files
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from prometheus_client.openmetrics.parser import text_string_to_metric_families
from referencing import Registry, Resource
from tests.web.sample import Scene, status

from kafka_sentinel.adapters.metrics import Metrics
from kafka_sentinel.adapters.snapshot import VIEWS, Snapshot
from kafka_sentinel.adapters.web import TICK_LIMIT, WebApp
from kafka_sentinel.adapters.web_server import MAX_CONNECTIONS, WebError, WebServer

PAGE = files("kafka_sentinel.adapters").joinpath("page")
PAGE_BYTES = 96_000  # all of it, not compressed: what a phone far from everything has to fetch
SCENES: tuple[Scene, ...] = ("calm", "incident", "loss", "blind", "starting")


class Site:
    def __init__(self) -> None:
        self.snapshot = Snapshot()
        self.tick_age = 0.5
        self.app = WebApp(self.snapshot, Metrics("stage").registry, lambda: self.tick_age)
        self.server = WebServer("127.0.0.1", 0, self.app)

    def ask(self, path: str, method: str = "GET", **headers: str) -> tuple[HTTPResponse, bytes]:
        connection = HTTPConnection("127.0.0.1", self.server.port, timeout=20)
        connection.request(method, path, headers={name.replace("_", "-"): value for name, value in headers.items()})
        answer = connection.getresponse()
        body = answer.read()
        connection.close()
        return answer, body


@pytest.fixture
def site() -> Iterator[Site]:
    site = Site()
    site.server.start()
    yield site
    site.server.stop()


def test_the_page_and_its_parts_are_served(site: Site) -> None:
    answer, body = site.ask("/")
    assert answer.status == 200
    assert answer.headers["Content-Type"] == "text/html; charset=utf-8"
    for reference in re.findall(r'(?:href|src)="([\w.-]+\.(?:css|js|svg))"', body.decode()):
        part, _ = site.ask(f"/{reference}")
        assert part.status == 200


def test_every_module_the_page_imports_is_served(site: Site) -> None:
    for file in PAGE.iterdir():
        for module in re.findall(r'from "\./([\w.]+)"', file.read_text()):
            answer, _ = site.ask(f"/{module}")
            assert (answer.status, answer.headers["Content-Type"]) == (200, "text/javascript; charset=utf-8")


def test_the_page_names_no_address_outside_itself_and_parses_no_text_as_markup() -> None:
    for file in PAGE.iterdir():
        text = file.read_text().replace("http://www.w3.org/2000/svg", "")
        assert not re.search(r"https?:|//[a-z]|@import|url\(", text), file.name
        assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(", text), file.name
        assert not re.search(r"<script>|\son\w+=|\sstyle=", text), file.name


def test_the_page_is_small() -> None:
    assert sum(len(file.read_bytes()) for file in PAGE.iterdir()) < PAGE_BYTES


def test_references_are_relative_so_that_the_page_works_behind_a_path_prefix() -> None:
    text = "".join(file.read_text() for file in PAGE.iterdir())
    assert not re.search(r'(?:href|src)="/|fetch\("/', text)


@pytest.mark.parametrize("path", ["/nope", "/api/v1/nope", "/api/v1/schema/nope.json", "/../web.py", "/%2e%2e/web.py"])
def test_an_unknown_path_is_a_404_in_json(site: Site, path: str) -> None:
    answer, body = site.ask(path)
    assert answer.status == 404
    assert "error" in json.loads(body)


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS"])
@pytest.mark.parametrize("path", ["/", "/metrics", "/healthz", "/api/v1/status"])
def test_anything_but_reading_is_refused(site: Site, method: str, path: str) -> None:
    answer, _ = site.ask(path, method)
    assert answer.status == 405
    assert answer.headers["Allow"] == "GET, HEAD"


@pytest.mark.parametrize("path", ["/", "/metrics", "/healthz", "/api/v1/status"])
def test_head_tells_the_length_and_sends_no_body(site: Site, path: str) -> None:
    site.snapshot.publish(status())
    answer, body = site.ask(path, "HEAD")
    assert (answer.status, body) == (200, b"")
    assert int(answer.headers["Content-Length"]) > 0


def test_security_headers_are_everywhere(site: Site) -> None:
    for path in ("/", "/app.js", "/metrics", "/healthz", "/api/v1/status", "/nope"):
        answer, _ = site.ask(path)
        policy = answer.headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert "Python" not in answer.headers["Server"]


def test_health_follows_the_engine_and_not_kafka(site: Site) -> None:
    site.snapshot.publish(status("blind"))
    assert site.ask("/healthz")[0].status == 200
    site.tick_age = TICK_LIMIT + 1
    answer, body = site.ask("/healthz")
    assert answer.status == 503
    assert b"has not handled a tick for 61.0 s" in body
    assert site.ask("/readyz")[0].status == 200


def test_the_api_says_that_it_is_starting_before_the_first_status(site: Site) -> None:
    for view in VIEWS:
        answer, body = site.ask(f"/api/v1/{view}")
        assert answer.status == 503
        assert "starting" in json.loads(body)["error"]


def test_the_api_serves_the_last_status_and_is_never_stored(site: Site) -> None:
    site.snapshot.publish(status(now=1.0e9))
    site.snapshot.publish(facts := status(now=1.1e9))
    answer, body = site.ask("/api/v1/status")
    assert answer.headers["Cache-Control"] == "no-store"
    assert json.loads(body) == VIEWS["status"](facts)


def test_the_api_compresses_for_who_accepts_it(site: Site) -> None:
    site.snapshot.publish(facts := status())
    answer, body = site.ask("/api/v1/status", accept_encoding="gzip, deflate")
    assert answer.headers["Content-Encoding"] == "gzip"
    assert json.loads(gzip.decompress(body)) == VIEWS["status"](facts)


def test_a_status_that_cannot_be_written_as_json_is_an_error_and_not_the_end(site: Site) -> None:
    site.snapshot.publish(status() | {"blind_seconds": float("nan")})
    assert site.ask("/api/v1/status")[0].status == 500
    site.snapshot.publish(status())
    assert site.ask("/api/v1/status")[0].status == 200


def schemas() -> dict[str, Any]:
    folder = files("kafka_sentinel.adapters").joinpath("schema")
    return {f"/api/v1/schema/{file.name}": json.loads(file.read_text()) for file in folder.iterdir()}


def validator(view: str) -> Draft202012Validator:
    known = schemas()
    registry = Registry().with_resources((uri, Resource.from_contents(schema)) for uri, schema in known.items())
    return Draft202012Validator(known[f"/api/v1/schema/{view}.json"], registry=registry)


@pytest.mark.parametrize("scene", SCENES)
@pytest.mark.parametrize("view", VIEWS)
def test_answers_follow_the_published_schema(site: Site, view: str, scene: Scene) -> None:
    site.snapshot.publish(status(scene))
    answer, published = site.ask(f"/api/v1/schema/{view}.json")
    assert answer.headers["Content-Type"] == "application/schema+json"
    assert json.loads(published) == schemas()[f"/api/v1/schema/{view}.json"]
    Draft202012Validator.check_schema(json.loads(published))
    validator(view).validate(json.loads(site.ask(f"/api/v1/{view}")[1]))


@pytest.mark.parametrize(
    ("view", "change"),
    [
        ("status", {"health": "splendid"}),
        ("status", {"records": {}}),
        ("status", {"partitions": [{}]}),
        ("incidents", {"incidents": [{"id": 4}]}),
        ("experiments", {"items": [{}]}),
        ("evidence", {"incidents": [{"id": 4}]}),
        ("evidence", {"days": {"since": 1.0, "items": [{"day": "2026-09-20", "counts": {"read_all": 4}}]}}),
        ("evidence", {"schema": 2}),
        ("evidence", {"audit": {"at": 1.0, "findings": [{"rule": "r"}]}}),
    ],
)
def test_the_schema_refuses_what_is_wrong(view: str, change: dict[str, Any]) -> None:
    assert not validator(view).is_valid(dict(VIEWS[view](status())) | change)


def test_metrics_are_negotiated(site: Site) -> None:
    answer, body = site.ask("/metrics")
    assert answer.headers["Content-Type"].startswith("text/plain; version=0.0.4")
    answer, body = site.ask("/metrics", accept="application/openmetrics-text; version=1.0.0")
    assert answer.headers["Content-Type"].startswith("application/openmetrics-text")
    assert any(family.name == "kafka_sentinel_records_sent" for family in text_string_to_metric_families(body.decode()))


@pytest.fixture
def no_deadline(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kafka_sentinel.adapters.web_server.DEADLINE", 1e6)


@pytest.mark.usefixtures("no_deadline")
def test_slow_clients_do_not_keep_prompt_ones_waiting(site: Site) -> None:
    slow = [socket.create_connection(("127.0.0.1", site.server.port)) for _ in range(2 * MAX_CONNECTIONS)]
    for client in slow:
        client.sendall(b"GET /healthz HT")
    assert [site.ask("/healthz")[0].status for _ in range(5)] == [200] * 5
    assert site.server._server is not None
    assert len(site.server._server._open) <= MAX_CONNECTIONS
    for client in slow:
        client.close()


@pytest.mark.usefixtures("no_deadline")
def test_the_longest_waiting_client_is_the_one_that_is_pushed_out(site: Site) -> None:
    first = socket.create_connection(("127.0.0.1", site.server.port), timeout=20)
    rest = [socket.create_connection(("127.0.0.1", site.server.port)) for _ in range(MAX_CONNECTIONS)]
    assert first.recv(1) == b""
    for client in (first, *rest):
        client.close()


def test_a_client_past_the_deadline_is_cut_off(monkeypatch: pytest.MonkeyPatch, site: Site) -> None:
    monkeypatch.setattr("kafka_sentinel.adapters.web_server.DEADLINE", 0.1)
    with socket.create_connection(("127.0.0.1", site.server.port), timeout=20) as client:
        client.sendall(b"GET /healthz HT")
        assert client.recv(1) == b""


@pytest.mark.parametrize("garbage", [b"\x16\x03\x01\x02\x00", b"GET\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n", b"\r\n" * 200])
def test_garbage_is_survived(site: Site, garbage: bytes, capfd: pytest.CaptureFixture[str]) -> None:
    with socket.create_connection(("127.0.0.1", site.server.port), timeout=20) as client:
        client.sendall(garbage)
        client.shutdown(socket.SHUT_WR)
        while client.recv(4096):
            pass
    assert site.ask("/healthz")[0].status == 200
    assert "Traceback" not in capfd.readouterr().err


def test_many_at_once_all_get_the_same_answer(site: Site) -> None:
    site.snapshot.publish(facts := status())
    with ThreadPoolExecutor(16) as pool:
        bodies = list(pool.map(lambda _: site.ask("/api/v1/status")[1], range(64)))
    assert [json.loads(body) for body in bodies] == [VIEWS["status"](facts)] * 64


def test_starting_and_stopping_may_be_repeated() -> None:
    site = Site()
    site.server.stop()
    site.server.start()
    site.server.start()
    assert site.server.alive
    assert site.ask("/readyz")[0].status == 200
    site.server.stop()
    site.server.stop()
    assert not site.server.alive
    site.server.start()
    assert site.ask("/readyz")[0].status == 200
    site.server.stop()


def test_a_taken_port_is_a_clear_sentence(site: Site) -> None:
    with pytest.raises(WebError, match=rf"cannot listen on 127\.0\.0\.1:{site.server.port}: the port is taken"):
        WebServer("127.0.0.1", site.server.port, site.app).start()


def test_an_address_of_another_machine_is_a_clear_sentence(site: Site) -> None:
    with pytest.raises(WebError, match="this machine has no such address"):
        WebServer("192.0.2.1", 0, site.app).start()


def test_ipv6_is_served_where_there_is_any(site: Site) -> None:
    if not socket.has_ipv6:
        pytest.skip("this machine has no IPv6")
    server = WebServer("::1", 0, site.app)
    try:
        server.start()
    except WebError as error:
        pytest.skip(str(error))
    with socket.create_connection(("::1", server.port), timeout=20) as client:
        client.sendall(b"GET /readyz HTTP/1.0\r\n\r\n")
        assert client.recv(64).startswith(b"HTTP/1.0 200")
    server.stop()
