"""One Sentinel in this process, on a thread of its own, and the orderly end of it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from kafka_sentinel.adapters.snapshot import Status
from kafka_sentinel.core.engine import Engine
from kafka_sentinel.core.types import Instant, ProbePartition
from kafka_sentinel.runtime import FleetFactory, Runtime
from kafka_sentinel.settings import Settings

POLL = 0.25  # seconds between two looks
STOP_TIMEOUT = 60.0  # seconds
SETTLE_LIMIT = 120.0  # seconds the open incident gets to close and the uncertain records to be judged
REREAD_LIMIT = 60.0  # seconds for reading the whole log again
DRAIN_LIMIT = 45.0  # seconds until the last record must have been read; above the producer's delivery time-out

Idle = Callable[[str], None]  # shows what is being waited for, and takes about POLL seconds


class Session:
    """`start`, then `status` as often as wanted, then `finish`, and `stop` in any case."""

    def __init__(self, settings: Settings, fleet: FleetFactory | None) -> None:
        """Raise StateFileError if the state cannot be kept."""
        self.runtime = Runtime(settings, fleet=fleet)
        self.crash: BaseException | None = None
        self.exit_code: int | None = None
        self.began = time.monotonic()
        self.measured: Status | None = None  # the last status before sending stopped
        self.sent_for = 0.0  # seconds, known once sending stopped
        self._thread = threading.Thread(target=self._run, name="sentinel", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def _run(self) -> None:
        try:
            self.exit_code = self.runtime.run()
        except BaseException as error:  # noqa: BLE001 - told to the user by whoever looks at `crash`
            self.crash = error

    @property
    def alive(self) -> bool:
        return self._thread.is_alive()

    @property
    def page(self) -> str | None:
        """Address of the page, once it is served."""
        web = self.runtime.web
        return f"http://{self.runtime.settings.http.host}:{web.port}/" if web is not None and web.alive else None

    def status(self) -> Status | None:
        """Return the newest snapshot; None before the first."""
        return self.runtime.snapshot.get()

    # --- the end

    def hold_fire(self, *, at_once: bool) -> bool:
        """Inject nothing any more. What is under way is undone `at_once`, or else first comes to its end.

        Returns whether nothing will be injected from now on.
        """

        def pause(engine: Engine) -> bool:
            if engine.experiments.under_way is not None and not at_once:
                return False
            engine.resume_with(engine.experiments.pause(engine.now, "the demo ends"))
            return True

        return self.runtime.ask(pause)

    def finish(self, idle: Idle) -> None:
        """Undo what is broken, wait until all is judged, read the log again, send no more, read the rest.

        Each wait has a limit; what is open at the end shows in the figures.
        """
        self.hold_fire(at_once=True)
        self._wait(self._settled, SETTLE_LIMIT, "waiting for the incident to close", idle)
        asked, awaited = self.runtime.ask(_reread_all)
        self._wait(
            lambda: self.runtime.ask(lambda engine: _reread_since(engine, awaited, asked)),
            REREAD_LIMIT,
            "reading the whole log again",
            idle,
        )
        self.measured, self.sent_for = self._fresh(idle), time.monotonic() - self.began
        self.runtime.stop_sending()
        self._wait(self._drained, DRAIN_LIMIT, "reading the last records", idle)

    def stop(self) -> None:
        """End the daemon. May be called again, and before `start`."""
        self.runtime.stop()
        if self._thread.ident is not None:
            self._thread.join(STOP_TIMEOUT)

    def _wait(self, done: Callable[[], bool], limit: float, what: str, idle: Idle) -> None:
        deadline = time.monotonic() + limit
        while self.alive and not done() and time.monotonic() < deadline:
            idle(what)

    def _fresh(self, idle: Idle) -> Status | None:
        """Return a snapshot made after this call."""
        asked = time.time()
        self._wait(lambda: (self.status() or {"now": 0.0})["now"] > asked, 5.0, "taking stock", idle)
        return self.status()

    def _settled(self) -> bool:
        return self.runtime.ask(
            lambda engine: (
                not engine.incidents.open
                and all(
                    figures["unresolved"] == figures["suspected"] == 0
                    for figures in map(engine.records, engine.config.acks)
                )
            )
        )

    def _drained(self) -> bool:
        return self.runtime.ask(
            lambda engine: all(
                figures["in_flight"] == figures["awaiting"] == 0 for figures in map(engine.records, engine.config.acks)
            )
        )


def _reread_all(engine: Engine) -> tuple[Instant, tuple[ProbePartition, ...]]:
    return engine.now, engine.truth.reread_all(engine.now)


def _reread_since(engine: Engine, partitions: tuple[ProbePartition, ...], asked: Instant) -> bool:
    done = (engine.truth.reread.get(partition) for partition in partitions)
    return all(one is not None and one.mono >= asked.mono for one in done)
