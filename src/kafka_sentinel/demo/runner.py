"""The demo from beginning to end: a Kafka, a Sentinel beside it, faults by its own experiments, a view, a summary."""

from __future__ import annotations

import json
import os
import shutil
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

from rich.console import Console

from kafka_sentinel.adapters import logs
from kafka_sentinel.adapters.fleet_local import LocalFleet
from kafka_sentinel.adapters.state_file import StateFileError
from kafka_sentinel.adapters.web_server import WebError
from kafka_sentinel.core.text import one_line
from kafka_sentinel.demo import summary
from kafka_sentinel.demo.frame import Frame
from kafka_sentinel.demo.journal import Journal
from kafka_sentinel.demo.plan import LAB_OVERRIDES, lab_settings, own_settings
from kafka_sentinel.demo.screen import Screen, screen
from kafka_sentinel.demo.session import POLL, Session
from kafka_sentinel.lab.cluster import LabCluster
from kafka_sentinel.lab.errors import LabError
from kafka_sentinel.lab.jars import KAFKA_VERSION
from kafka_sentinel.settings import ConfigurationError, Settings

FINE, FAILED, USAGE, RUNTIME_FAILURE, INTERRUPTED = 0, 1, 2, 3, 130
START_LIMIT = 60.0  # seconds within which a first record must have been acknowledged
LAST_CALL = 20.0  # seconds before the end after which nothing more is broken, so that the last incident can close
SHORTEST_HUNT = 0.6  # of the duration, however short


class DemoError(Exception):
    """The demo cannot go on; the message is meant for the user."""


class Stop:
    """What Ctrl-C and SIGTERM mean: the first asks to end, once that is prepared for; any other ends at once."""

    def __init__(self) -> None:
        self.asked = threading.Event()
        self.prepared = False

    def _on_signal(self, _signal: int, _frame: FrameType | None) -> None:
        if not self.prepared or self.asked.is_set():
            raise KeyboardInterrupt
        self.asked.set()

    @contextmanager
    def installed(self) -> Iterator[None]:
        before = {each: signal.signal(each, self._on_signal) for each in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for each, handler in before.items():
                signal.signal(each, handler)


def run_demo(
    settings: Settings,
    *,
    duration: float | None = None,
    json_file: Path | None = None,
    bootstrap_servers: str | None = None,
    http_port: int = 0,
    rate: int | None = None,
    live: bool = True,
) -> int:
    """Run the demo for `duration` seconds (None: until Ctrl-C) and return the exit code of the process.

    `settings` count with `bootstrap_servers` only, for how to reach that Kafka. `http_port` 0 takes a free one.
    `rate`: records per second over all partitions.
    """
    if json_file is not None and (objection := unwritable(json_file)) is not None:
        return _fail(f"--json {json_file} {objection}", USAGE)
    stop = Stop()
    folder = Path(tempfile.mkdtemp(prefix="kafka-sentinel-demo-"))
    journal = Journal(folder / "sentinel.log")
    demo = Demo(stop, journal, duration=duration, live=live)
    try:
        with stop.installed():
            logs.configure(settings.log, secrets=settings.kafka.secrets(), stream=journal)
            if bootstrap_servers is None:
                outcome = demo.on_lab(folder, http_port=http_port, rate=rate)
            else:
                own = own_settings(
                    settings, bootstrap_servers=bootstrap_servers, folder=folder, http_port=http_port, rate=rate
                )
                outcome = demo.on_own(own)
            return _conclude(outcome, json_file, journal)
    except ConfigurationError as error:
        return _fail("\nkafka-sentinel: ".join(error.problems), USAGE)
    except (DemoError, LabError, StateFileError, WebError, OSError) as error:
        return _fail(f"{error}\nThe log is in {journal.path}", RUNTIME_FAILURE)
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)  # noqa: T201 - for the user
        return INTERRUPTED
    finally:
        _tidy(folder, journal)


class Demo:
    def __init__(self, stop: Stop, journal: Journal, *, duration: float | None, live: bool) -> None:
        self._stop = stop
        self._journal = journal
        self._duration = duration
        self._live = live
        self._console = Console(highlight=False, markup=False, emoji=False)

    def on_lab(self, folder: Path, *, http_port: int, rate: int | None) -> summary.Outcome:
        """Start three brokers and break them."""
        self._say(f"starting Apache Kafka {KAFKA_VERSION}, three brokers")
        with LabCluster(overrides=LAB_OVERRIDES) as lab:
            settings = lab_settings(
                bootstrap_servers=lab.bootstrap_servers,
                cluster_id=lab.cluster_id,
                folder=folder,
                http_port=http_port,
                rate=rate,
            )
            return self._watch(
                Session(settings, lambda post, now, death: LocalFleet(lab, post=post, now=now, on_death=death)),
                lambda _: f"apache-kafka {KAFKA_VERSION}",
                lambda: {broker: lab.state(broker) for broker in lab.brokers},
            )

    def on_own(self, settings: Settings) -> summary.Outcome:
        """Probe a Kafka that is there already, and break nothing."""
        servers = settings.kafka.bootstrap_servers
        self._say(f"probing the Kafka at {servers}, topic {settings.probe.topic}; nothing is broken there on purpose")
        return self._watch(
            Session(settings, None),
            lambda cluster: f"kafka at {servers}" if cluster is None else f"kafka cluster {cluster} at {servers}",
            dict,
        )

    def _say(self, sentence: str) -> None:
        self._console.print(one_line(sentence), soft_wrap=True)

    def _watch(
        self, session: Session, kafka: Callable[[str | None], str], processes: Callable[[], Mapping[int, str]]
    ) -> summary.Outcome:
        """Show what `session` finds until it is time, then end it in order."""

        def frame(stage: str | None = None) -> Frame | None:
            status = session.status()
            if status is None:
                return None
            return Frame(
                status=status,
                kafka=kafka(status["kafka"]["cluster_id"]),
                elapsed=time.monotonic() - session.began,
                duration=self._duration,
                page=session.page,
                stage=stage,
                processes=processes(),
                remark=self._journal.news,
            )

        try:
            with screen(self._console, self._journal, live=self._live) as output:
                self._stop.prepared = True
                session.start()
                self._hunt(session, output, frame)
                self._stop.asked.set()  # from here on, Ctrl-C ends it at once
                session.finish(lambda stage: self._idle(output, frame, stage))
        finally:
            session.stop()
        self._check_alive(session, ended=True)
        end = session.status()
        if end is None or session.measured is None:
            raise DemoError(f"nothing could be measured: {self._journal.remark}")
        return summary.Outcome(kafka(end["kafka"]["cluster_id"]), session.sent_for, session.measured, end)

    def _hunt(self, session: Session, output: Screen, frame: Callable[[], Frame | None]) -> None:
        """Show frames until the time is over or somebody asked to end."""
        length = self._duration if self._duration is not None else float("inf")
        last_call = max(length - LAST_CALL, length * SHORTEST_HUNT)
        armed = True
        while (elapsed := time.monotonic() - session.began) < length and not self._stop.asked.wait(POLL):
            self._check_alive(session)
            self._check_started(session, elapsed)
            if armed and elapsed >= last_call:
                armed = not session.hold_fire(at_once=False)
            if (now := frame()) is not None:
                output.show(now)

    def _idle(self, output: Screen, frame: Callable[[str], Frame | None], stage: str) -> None:
        if (now := frame(stage)) is not None:
            output.show(now)
        time.sleep(POLL)

    def _check_alive(self, session: Session, *, ended: bool = False) -> None:
        if session.crash is not None:
            if isinstance(session.crash, WebError | StateFileError):
                raise session.crash
            raise DemoError(f"Sentinel failed: {type(session.crash).__name__}: {session.crash}")
        if session.exit_code or (not ended and not session.alive):
            raise DemoError(f"Sentinel ended by itself: {self._journal.remark}")

    def _check_started(self, session: Session, elapsed: float) -> None:
        status = session.status()
        if elapsed > START_LIMIT and (status is None or not status["records"]["all"]["acked"]):
            raise DemoError(
                f"no record was acknowledged within {START_LIMIT:.0f} s. "
                f"The last warning: {self._journal.remark or 'none'}"
            )


def unwritable(path: Path) -> str | None:
    """Return why a file cannot be written there, or None if it can as far as one can tell beforehand."""
    if path.is_dir():
        return "is a folder"
    if path.exists():
        return None if os.access(path, os.W_OK) else "cannot be written"
    if not path.parent.is_dir():
        return f"cannot be written: there is no folder {path.parent}"
    return None if os.access(path.parent, os.W_OK) else f"cannot be written: no right to write in {path.parent}"


def _conclude(outcome: summary.Outcome, json_file: Path | None, journal: Journal) -> int:
    console = Console(highlight=False, markup=False, emoji=False, width=None if sys.stdout.isatty() else 120)
    console.print(summary.render(outcome))
    if json_file is not None:
        json_file.write_text(json.dumps(summary.summary(outcome), indent=2) + "\n", encoding="utf-8")
        console.print(f"  summary: {json_file}", soft_wrap=True)
    console.print(f"  log: {journal.path}", soft_wrap=True)
    return FAILED if summary.faults(outcome) else FINE


def _fail(sentence: str, code: int) -> int:
    print(f"kafka-sentinel: {sentence}", file=sys.stderr)  # noqa: T201 - for the user
    return code


def _tidy(folder: Path, journal: Journal) -> None:
    """Leave the log, unless nothing was logged."""
    logged = journal.path.stat().st_size > 0
    journal.close()
    if not logged:
        shutil.rmtree(folder, ignore_errors=True)
        return
    for path in folder.iterdir():
        if path != journal.path:
            path.unlink()
