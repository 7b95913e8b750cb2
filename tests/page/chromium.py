"""A real Chromium, told what to do through two pipes (its DevTools protocol): no port, no driver, no library."""

from __future__ import annotations

import base64
import json
import os
import select
import shutil
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.web.sample import status

from kafka_sentinel.adapters.metrics import Metrics
from kafka_sentinel.adapters.snapshot import Snapshot
from kafka_sentinel.adapters.web import WebApp
from kafka_sentinel.adapters.web_server import WebServer

if TYPE_CHECKING:
    from wsgiref.types import StartResponse, WSGIEnvironment

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
FLAGS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"),
    *("--disable-background-networking", "--disable-component-update", "--hide-scrollbars"),
    *("--disable-background-timer-throttling", "--disable-renderer-backgrounding", "--remote-debugging-pipe"),
)
PATIENCE = 120.0  # seconds for one answer, or for what a page is to show: a machine may be slow
# Chromium reads from file 3 and writes to file 4, whatever the numbers of our ends are.
START = (
    "import os, sys; os.dup2(int(sys.argv[1]), 3); os.dup2(int(sys.argv[2]), 4); os.execv(sys.argv[3], sys.argv[3:])"
)
KEYS = {"Tab": 9, "Enter": 13}
DESKTOP, PHONE, NARROW = (1280, 900), (390, 844), (320, 640)  # px
SCENES = ("calm", "incident", "loss", "gone")
GONE = "document.documentElement.dataset.state === 'gone'"

Facts = dict[str, Any]


class Daemon:
    """The web server as it is, with a status to be shown: each answer is a second younger than the one before."""

    def __init__(self, facts: Facts) -> None:
        self.facts = facts
        self.asked = 0
        self._app = WebApp(Snapshot(), Metrics("stage").registry, lambda: 0.0)
        self._server = WebServer("127.0.0.1", 0, self._serve)
        self._server.start()
        self.address = f"http://127.0.0.1:{self._server.port}/"

    def _serve(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        if environ["PATH_INFO"] != "/api/v1/status":
            return self._app(environ, start_response)
        self.asked += 1
        start_response("200 OK", [("Content-Type", "application/json")])
        return [json.dumps(self.facts | {"now": self.facts["now"] + self.asked}).encode()]

    def stop(self) -> None:
        self._server.stop()


class Chromium:
    def __init__(self, folder: Path) -> None:
        ours, theirs = os.pipe(), os.pipe()  # what we write, what it writes
        command = [sys.executable, "-c", START, str(ours[0]), str(theirs[1]), str(CHROMIUM), *FLAGS]
        self._process = subprocess.Popen(
            [*command, f"--user-data-dir={folder}"],
            pass_fds=(ours[0], theirs[1]),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        os.close(ours[0])
        os.close(theirs[1])
        self._write, self._read = ours[1], theirs[0]
        self._number = 0
        self._unread = b""
        self.events: list[dict[str, Any]] = []

    def call(self, method: str, session: str | None = None, **given: Any) -> dict[str, Any]:
        """Do one thing and return what comes of it. Raises RuntimeError if Chromium refuses."""
        self._number += 1
        told = {"id": self._number, "method": method, "params": given} | ({"sessionId": session} if session else {})
        os.write(self._write, json.dumps(told).encode() + b"\0")
        while True:
            heard = self._next()
            if heard.get("id") != self._number:
                self.events.append(heard)
            elif "error" in heard:
                raise RuntimeError(f"{method}: {heard['error']['message']}")
            else:
                result: dict[str, Any] = heard["result"]
                return result

    def _next(self) -> dict[str, Any]:
        until = time.monotonic() + PATIENCE
        while b"\0" not in self._unread:
            if not select.select([self._read], [], [], max(0.0, until - time.monotonic()))[0]:
                raise TimeoutError(f"Chromium said nothing for {PATIENCE:.0f} s")
            chunk = os.read(self._read, 1 << 20)
            if not chunk:
                raise EOFError("Chromium has ended")
            self._unread += chunk
        line, _, self._unread = self._unread.partition(b"\0")
        message: dict[str, Any] = json.loads(line)
        return message

    def open(self, address: str, width: int = 1280, height: int = 900, *, dark: bool = False) -> Tab:
        """Open a page of its own, which shares nothing with others."""
        context = self.call("Target.createBrowserContext")["browserContextId"]
        target = self.call("Target.createTarget", url="about:blank", browserContextId=context)["targetId"]
        session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        tab = Tab(self, context, session)
        for domain in ("Page", "Runtime", "Log", "Accessibility"):
            tab.call(f"{domain}.enable")
        tab.resize(width, height)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        motion = {"name": "prefers-reduced-motion", "value": "reduce"}
        tab.call("Emulation.setEmulatedMedia", features=[scheme, motion])
        tab.call("Emulation.setTimezoneOverride", timezoneId="UTC")
        tab.call("Emulation.setFocusEmulationEnabled", enabled=True)
        tab.call("Page.navigate", url=address)
        return tab

    def close(self) -> None:
        os.close(self._write)  # which ends it
        try:
            self._process.wait(PATIENCE)
        finally:
            os.close(self._read)
            self._process.kill()
            self._process.wait()


class Tab:
    def __init__(self, browser: Chromium, context: str, session: str) -> None:
        self._browser = browser
        self._context = context
        self._session = session

    def call(self, method: str, **given: Any) -> dict[str, Any]:
        return self._browser.call(method, self._session, **given)

    def run(self, script: str) -> Any:
        """Return the value of an expression in the page. Raises RuntimeError if it fails there."""
        done = self.call("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in done:
            raise RuntimeError(f"{script}: {done['exceptionDetails']}")
        return done["result"].get("value")

    def wait_for(self, what: str, script: str) -> Any:
        """Return the value of an expression once it is true. Raises TimeoutError that names `what`."""
        until = time.monotonic() + PATIENCE
        while not (value := self.run(script)):
            if time.monotonic() > until:
                raise TimeoutError(f"the page did not show {what} within {PATIENCE:.0f} s")
            time.sleep(0.05)
        return value

    def text(self, element: str) -> str:
        return str(self.run(f"document.getElementById({element!r}).innerText"))

    def press(self, key: str) -> None:
        for kind in ("keyDown", "keyUp"):
            text = {"text": "\r"} if key == "Enter" and kind == "keyDown" else {}
            self.call("Input.dispatchKeyEvent", type=kind, key=key, code=key, windowsVirtualKeyCode=KEYS[key], **text)

    def resize(self, width: int, height: int) -> None:
        metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600}
        self.call("Emulation.setDeviceMetricsOverride", **metrics)

    def heard_of(self) -> list[dict[str, Any]]:
        """Return the accessibility tree: what a screen reader is told, ignored nodes left out."""
        nodes: list[dict[str, Any]] = self.call("Accessibility.getFullAXTree")["nodes"]
        return [
            {"role": node["role"]["value"], "name": node.get("name", {}).get("value", ""), "id": node["nodeId"]}
            | {each["name"]: each["value"].get("value") for each in node.get("properties", ())}
            for node in nodes
            if not node.get("ignored")
        ]

    def complaints(self) -> list[str]:
        """Return what was written to the console as an error or a warning, broken policies among it."""
        found = []
        for event in self._browser.events:
            given = event.get("params", {})
            if event.get("sessionId") != self._session:
                continue
            if event["method"] == "Log.entryAdded" and given["entry"]["level"] in {"error", "warning"}:
                found.append(given["entry"]["text"])
            if event["method"] == "Runtime.consoleAPICalled" and given["type"] in {"error", "warning", "assert"}:
                found.append(str(given["args"]))
            if event["method"] == "Runtime.exceptionThrown":
                found.append(str(given["exceptionDetails"]))
        return found

    def requests(self) -> list[str]:
        """Return the addresses that were asked for since the domain Network was enabled."""
        mine = [event for event in self._browser.events if event.get("sessionId") == self._session]
        return [one["params"]["request"]["url"] for one in mine if one["method"] == "Network.requestWillBeSent"]

    def picture(self, file: Path, *, whole: bool = True) -> None:
        """Write what is to be seen as a PNG; `whole`: the page to its end."""
        size = self.call("Page.getLayoutMetrics")["cssContentSize"]
        clip = {"x": 0, "y": 0, "width": size["width"], "height": size["height"], "scale": 1}
        shape = {"clip": clip, "captureBeyondViewport": True} if whole else {}
        done = self.call("Page.captureScreenshot", format="png", optimizeForSpeed=False, **shape)
        file.write_bytes(base64.b64decode(done["data"]))

    def close(self) -> None:
        self._browser.call("Target.disposeBrowserContext", browserContextId=self._context)


@contextmanager
def page(chromium: Chromium, subject: Facts | Daemon, size: tuple[int, int] = DESKTOP, **how: Any) -> Iterator[Tab]:
    """Show a status, or what a daemon tells, in a page of its own."""
    daemon = subject if isinstance(subject, Daemon) else Daemon(subject)
    tab = chromium.open(daemon.address, *size, **how)
    try:
        tab.wait_for("a status", "document.getElementById('glance')?.hidden === false")
        yield tab
    finally:
        tab.close()
        daemon.stop()


@contextmanager
def scene(chromium: Chromium, name: str, size: tuple[int, int] = DESKTOP, **how: Any) -> Iterator[Tab]:
    """Show one of `SCENES`."""
    daemon = Daemon(status("incident" if name == "incident" else "loss" if name == "loss" else "calm"))
    with page(chromium, daemon, size, **how) as tab:
        if name == "gone":
            daemon.stop()
            tab.wait_for("that the daemon is gone", GONE)
        yield tab


def answers(tab: Tab, daemon: Daemon, more: int) -> None:
    """Wait until the page has shown `more` further answers."""
    wanted = daemon.asked + more
    while daemon.asked <= wanted:  # the one before has been shown when the next is asked for
        tab.run("new Promise((done) => setTimeout(done, 100))")
