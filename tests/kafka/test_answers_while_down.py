"""What Sentinel answers, and how soon, while no broker does (docs/verification.md: j)."""

from __future__ import annotations

import http.client
import json
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from statistics import median

import pytest
from tests.kafka.sentinel import SentinelProcess, configuration, wait_for

PATHS = ("/metrics", "/healthz", "/", "/api/v1/status")
TIMES = 20
SOON = 1.0  # seconds: less than any request to a broker that is gone or hangs takes to time out


def ask(port: int, path: str) -> tuple[float, int, bytes]:
    """Ask once, on a connection of its own as Prometheus or a kubelet may. Returns seconds, status and body."""
    begun = time.monotonic()
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        body = answer.read()
    finally:
        connection.close()
    return time.monotonic() - begun, answer.status, body


def check_answers(port: int) -> None:
    """Ask for everything, many times: each answer comes in full, and none waits for a broker.

    One may wait for a processor, so the median of each path tells, and not the slowest.
    """
    for path in PATHS:
        took = []
        for _ in range(TIMES):
            seconds, status, body = ask(port, path)
            assert status == 200, (path, status, body[:200])
            assert body
            took.append(seconds)
        assert median(took) < SOON, (path, took)


@contextmanager
def scraped(port: int) -> Iterator[list[float]]:
    """Have two scrapers ask for the metrics without a pause, and a third client hang. Yields how long answers took."""
    took: list[float] = []
    stopping = threading.Event()

    def scrape() -> None:
        while not stopping.is_set():
            seconds, status, _ = ask(port, "/metrics")
            took.append(seconds if status == 200 else float("inf"))

    threads = [threading.Thread(target=scrape, daemon=True) for _ in range(2)]
    for thread in threads:
        thread.start()
    silent = socket.create_connection(("127.0.0.1", port))
    try:
        yield took
    finally:
        silent.close()
        stopping.set()
        for thread in threads:
            thread.join(30)


@pytest.mark.parametrize("hold", [0, pytest.param(120, marks=pytest.mark.full)])
@pytest.mark.parametrize("fault", [pytest.param("kill", marks=pytest.mark.full), "pause"])
def test_j_answers_while_all_brokers_are_down(lab_combined, make_topic, tmp_path, fault, hold):
    """`hold`: seconds into the outage, by which every client has met every time-out it has."""
    lab = lab_combined
    topic = make_topic(lab, [[1, 2, 3], [2, 3, 1], [3, 1, 2]], config={"min.insync.replicas": "2"})
    state = {"file": str(tmp_path / "state.json"), "checkpoint_interval": 1}
    config = configuration(lab.bootstrap_servers, topic, probe={"manage_topic": False}, state=state)
    with SentinelProcess(tmp_path / "sentinel", config) as sentinel:
        port = sentinel.port
        wait_for(lambda: sentinel.records().get("verified", 0) >= 60, 90, "records verified")
        check_answers(port)
        for broker in lab.brokers:
            getattr(lab, fault)(broker)
        wait_for(lambda: not sentinel.status["kafka"]["reachable"], 30, "Sentinel knows that nothing answers")
        wait_for(lambda: sentinel.status["health"] == "incident", 30, "an incident is open")
        time.sleep(hold)
        asked = time.time()
        check_answers(port)
        with scraped(port) as took:
            check_answers(port)
        assert all(seconds < float("inf") for seconds in took), "a scrape was refused"
        assert median(took) < SOON, took
        status = json.loads(ask(port, "/api/v1/status")[2])
        assert status["now"] > asked, "they are told of now, not of the time before"
        assert not status["kafka"]["reachable"]
        assert not any(partition["writable"] for partition in status["partitions"])
        assert sentinel.stop() == 0, "it ends in order, too"
