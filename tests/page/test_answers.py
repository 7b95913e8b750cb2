"""What the page makes of the daemon's answers, in a browser whose clock runs ahead: no answer can break it."""

from __future__ import annotations

import html
import json
import re
import subprocess
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from tests.page.chromium import CHROMIUM
from tests.web.sample import Scene, status

from kafka_sentinel.adapters.metrics import Metrics
from kafka_sentinel.adapters.snapshot import Snapshot
from kafka_sentinel.adapters.web import WebApp
from kafka_sentinel.adapters.web_server import WebServer

if TYPE_CHECKING:
    from wsgiref.types import StartResponse, WSGIEnvironment

FLAGS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"),
    *("--disable-background-networking", "--disable-component-update", "--enable-logging=stderr", "--dump-dom"),
)
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on the PATH: the page is not tried in a browser")

Answer = bytes | None  # a body of /api/v1/status, or None: broken off without one
HOSTILE = '<img src=x onerror="console.error(1)">'


class Browser:
    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.asked = 0

    def show(self, answer: Callable[[int], Answer], seconds: int) -> tuple[str, list[str]]:
        """Return the page's markup after `seconds` of virtual time, and what was written to its console.

        `answer` gets the number of the question, from 0.
        """
        app = WebApp(Snapshot(), Metrics("stage").registry, lambda: 0.0)

        def serve(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
            if environ["PATH_INFO"] != "/api/v1/status":
                return app(environ, start_response)
            body = answer(self.asked)
            self.asked += 1
            start_response("502 Bad Gateway" if body is None else "200 OK", [("Content-Type", "application/json")])
            return [body or b"no gateway"]

        server = WebServer("127.0.0.1", 0, serve)
        server.start()
        command = [str(CHROMIUM), *FLAGS, f"--user-data-dir={self._folder}", f"--virtual-time-budget={seconds * 1000}"]
        command.append(f"http://127.0.0.1:{server.port}/")
        done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
        server.stop()
        return done.stdout, [line for line in done.stderr.splitlines() if "CONSOLE" in line]


@pytest.fixture
def browser(tmp_path: Path) -> Browser:
    return Browser(tmp_path)


def text_of(markup: str, element: str) -> str:
    """Return the text of the element with this id; it must have no child of its own kind."""
    match = re.search(rf'<(\w+)[^>]* id="{element}"[^>]*>(.*?)</\1>', markup, re.DOTALL)
    assert match is not None
    return html.unescape(re.sub(r"<[^>]+>", " ", match[2]))


def body(facts: Any) -> bytes:
    return json.dumps(facts).encode()


@pytest.mark.parametrize(
    ("scene", "headline"),
    [
        ("calm", "No acknowledged record lost"),
        ("incident", "Incident: experiment, process-kill"),
        ("loss", "137 acknowledged records lost"),
        ("blind", "Blind: Sentinel is cut off"),
        ("starting", "Starting"),
    ],
)
def test_the_headline_says_how_it_is(browser: Browser, scene: Scene, headline: str) -> None:
    markup, console = browser.show(lambda asked: body(status(scene, 1.79e9 + asked)), 3)
    assert text_of(markup, "headline") == headline
    assert text_of(markup, "live") == headline  # what a screen reader is told
    assert console == []


def test_a_standby_says_who_keeps_it_waiting(browser: Browser) -> None:
    lease = {"held": False, "holder": "sentinel-2", "problem": None}

    def answer(asked: int) -> bytes:
        facts = status("starting", 1.79e9 + asked)
        return body(facts | {"health": "standby", "experiments": facts["experiments"] | {"lease": lease}})

    markup, console = browser.show(answer, 3)
    assert text_of(markup, "headline") == "Standing by"
    assert "sentinel-2" in text_of(markup, "summary")
    assert console == []


@pytest.mark.parametrize(
    ("scene", "missed", "headline"),
    [
        ("calm", [], "No acknowledged record lost"),
        ("calm", ["lost", "late"], "Not to be trusted: the self-test failed"),
        ("incident", ["lost", "late"], "Incident: experiment, process-kill"),
    ],
)
def test_what_the_self_test_missed_is_on_the_page(
    browser: Browser, scene: Scene, missed: list[str], headline: str
) -> None:
    def answer(asked: int) -> bytes:
        facts = status(scene, 1.79e9 + asked)
        found = [anomaly for anomaly in facts["selftest"]["detected"] if anomaly not in missed]
        return body(facts | {"selftest": facts["selftest"] | {"detected": found, "missed": missed}})

    markup, console = browser.show(answer, 3)
    assert text_of(markup, "headline") == headline
    assert ("missed lost, late." in text_of(markup, "summary")) == bool(missed)
    assert f": {7 - len(missed)} of 7 anomalies found." in text_of(markup, "records-note")
    assert console == []


def test_without_a_self_test_none_is_told(browser: Browser) -> None:
    markup, console = browser.show(lambda asked: body(status("calm", 1.79e9 + asked) | {"selftest": None}), 3)
    assert text_of(markup, "headline") == "No acknowledged record lost"
    assert "Self-test" not in text_of(markup, "records-note")
    assert console == []


@pytest.mark.parametrize(("scene", "places"), [("starting", {"summary", "cluster-note"}), ("calm", {"cluster-note"})])
def test_why_kafka_cannot_be_used_is_on_the_page(browser: Browser, scene: Scene, places: set[str]) -> None:
    trouble = {"reason": "sign-in-refused", "sentence": "the brokers refuse user <b>anna", "since": 1.79e9}

    def answer(asked: int) -> bytes:
        facts = status(scene, 1.79e9 + asked)
        return body(facts | {"kafka": facts["kafka"] | {"trouble": trouble}})

    markup, console = browser.show(answer, 3)
    said = {place for place in ("summary", "cluster-note") if "refuse user <b>anna." in text_of(markup, place)}
    assert (said, console) == (places, [])


def test_certificates_are_on_the_page_when_they_expire_soon(browser: Browser) -> None:
    day = 86_400.0
    left = {"ca_file": 15 * day, "cert_file": 13.5 * day, "<b>": -1.0}

    def answer(asked: int) -> bytes:
        now = 1.79e9 + asked
        facts = status("calm", now)
        until = {key: now + rest for key, rest in left.items()}
        return body(facts | {"kafka": facts["kafka"] | {"certificates": until}})

    markup, console = browser.show(answer, 3)
    note = text_of(markup, "cluster-note").replace("\u202f", " ")
    assert "in sync. A certificate in kafka.security.cert_file expires in 13 d 12 h." in note
    assert "A certificate in kafka.security.<b> has expired." in note
    assert ("ca_file" in note, console) == (False, [])


def test_a_loss_that_a_person_has_resumed_from_stays_in_sight(browser: Browser) -> None:
    markup, _ = browser.show(lambda asked: body(status("loss", 1.79e9 + asked) | {"health": "ok"}), 3)
    assert text_of(markup, "headline") == "No further record lost"
    assert "137 acknowledged records lost in all" in text_of(markup, "summary")


def test_the_page_says_when_the_daemon_is_gone_and_what_was_last_known(browser: Browser) -> None:
    markup, _ = browser.show(lambda asked: body(status()) if asked == 0 else None, 15)
    assert re.match(r"No answer from the daemon for 1\d\ss", text_of(markup, "headline"))
    assert "no acknowledged record lost" in text_of(markup, "summary")
    assert text_of(markup, "live") == "No answer from the daemon"


def test_the_page_says_when_the_daemon_answers_but_stands_still(browser: Browser) -> None:
    markup, _ = browser.show(lambda _: body(status()), 20)
    assert "has not moved for" in text_of(markup, "headline")


def test_a_daemon_that_comes_back_is_believed_again(browser: Browser) -> None:
    markup, _ = browser.show(lambda asked: None if 1 < asked < 8 else body(status(now=1.79e9 + asked)), 14)
    assert text_of(markup, "headline") == "No acknowledged record lost"


def damaged(facts: Any) -> Iterator[Any]:
    """Yield `facts` with each part, at any depth, missing or of the wrong kind."""
    for key in facts if isinstance(facts, dict) else range(min(len(facts), 1)):
        inner = facts[key]
        if isinstance(facts, dict):
            yield {name: value for name, value in facts.items() if name != key}
        for wrong in (None, HOSTILE, [None], {}):
            changed = dict(facts) if isinstance(facts, dict) else list(facts)
            changed[key] = wrong
            yield changed
        if isinstance(inner, (dict, list)):
            for worse in damaged(inner):
                changed = dict(facts) if isinstance(facts, dict) else list(facts)
                changed[key] = worse
                yield changed


def test_no_answer_can_break_the_page_or_be_taken_for_markup(browser: Browser) -> None:
    facts = status("loss")
    facts["incidents"][0] |= {"closed_at": None, "target": HOSTILE, "reasons": [HOSTILE], "cause": HOSTILE}
    facts |= {"history": facts["history"][:3], "instance": HOSTILE, "version": HOSTILE}
    facts["records"] = {"all": {name: facts["records"]["all"][name] for name in ("sent", "lost")}}
    answers = [None, 4, "text", [], {}, *damaged(facts)]

    def answer(asked: int) -> bytes:
        number = asked - 1
        if asked == 0 or number >= len(answers):
            return body(status(now=1.79e9 + asked))
        wrong = answers[number]
        return body(wrong | {"now": 1.79e9 + asked} if isinstance(wrong, dict) and "now" in wrong else wrong)

    markup, console = browser.show(answer, round(1.05 * len(answers)) + 10)  # asking takes some time, too
    assert browser.asked > len(answers), "not all of the answers were asked for"
    assert console == []
    assert text_of(markup, "headline") == "No acknowledged record lost"
    assert "cannot be shown" not in markup


def test_what_comes_from_outside_is_shown_as_text(browser: Browser) -> None:
    facts = status("incident")
    facts["incidents"][0]["target"] = HOSTILE
    markup, _ = browser.show(lambda asked: body(facts | {"now": 1.79e9 + asked, "instance": HOSTILE}), 3)
    assert "<img src=x" not in markup.replace("&lt;", "")
    assert html.escape(HOSTILE, quote=False) in markup
