"""A real Prometheus scrapes the daemon's own metrics, and every query of every panel is asked for."""

from __future__ import annotations

import time

import pytest
from tests.alerts.lives import Life
from tests.alerts.server import JOB, Prometheus
from tests.alerts.shown import answers, empty, strange, values

from kafka_sentinel.core.audit.finding import Report, Severity
from kafka_sentinel.core.events import AuditDone, OrderGiven
from kafka_sentinel.core.types import OrderKind

VARIABLES = {"__range": "2m", "__rate_interval": "5s", "kafka_cluster": "stage", "job": JOB}
LATELY = 60.0  # seconds that a graph shows
SCRAPES = 6.0  # seconds, so as many scrapes
WHOLE = "min_over_time(up[5s]) == 1 and count_over_time(up[5s]) >= 4"  # the seconds of a rate
LATE = 60.0  # seconds until so many scrapes in a row have succeeded, beside whatever else keeps the processors busy


@pytest.fixture
def life():
    subject = Life(web=True, places=("n1", "n1", "n3"))
    yield subject
    subject.display.stop()


@pytest.fixture
def prometheus(life, tmp_path):
    server = Prometheus(tmp_path, f"127.0.0.1:{life.display.web.port}")
    try:
        server.wait_for(lambda: bool(server.now("up == 1")), "the first scrape")  # seconds after it is ready
        yield server
    finally:
        server.stop()


def go_on(life, seconds, passing):
    """Let the world's time pass while real time does, so that several scrapes see it."""
    end = time.monotonic() + passing
    step = seconds / (passing * 4)
    for _ in range(round(passing * 4)):
        life.run(step)
        life.publish()
        time.sleep(max(0.0, min(0.25, end - time.monotonic())))


def whole(life, prometheus):
    """Go on until no scrape of the last seconds was late, and return that instant: a late one ends every series."""
    deadline = time.monotonic() + LATE
    while not prometheus.now(WHOLE, now := time.time()):
        assert time.monotonic() < deadline, f"not within {LATE:.0f} s: {WHOLE}"
        go_on(life, 1, 1)
    return now


def test_every_panel_has_something_to_show_and_is_sane_before_there_was_anything(life, prometheus):
    nothing = Report(findings=(), counts=dict.fromkeys(Severity, 0), gaps=())
    life.step(AuditDone(life.now(), nothing))  # a daemon looks soon after its start
    go_on(life, 60, SCRAPES)
    calm = answers(prometheus, LATELY, whole(life, prometheus), **VARIABLES)
    missing = empty({query: result for query, result in calm.items() if not query.waits})
    assert not missing, f"{len(missing)} show nothing: {missing}"
    assert strange(calm) == []

    life.step(OrderGiven(life.now(), OrderKind.RUN_NOW, "kill"))  # no guard allows it: nothing is known of the quorum
    life.roll(3)
    life.crash_by_experiment(2)
    life.publish()
    go_on(life, 30, SCRAPES)
    life.reclaim("n1", 1, 2, leader=3)
    go_on(life, 60, SCRAPES)
    life.truncate(10)
    life.come_back(1, 2, on="n9")
    go_on(life, 300, SCRAPES)
    after = answers(prometheus, LATELY, whole(life, prometheus), **VARIABLES)
    missing = empty(after)
    assert not missing, f"{len(missing)} show nothing: {missing}"
    assert strange(after) == []
    lost = next(query for query in after if query.panel == "Lost (acks=all)")
    assert [round(value) for value in values(after[lost])] == [10]

    rules = prometheus.rules()
    assert len(rules) > 20
    assert {rule["name"]: rule.get("lastError") for rule in rules if rule["health"] != "ok"} == {}
