"""The mailbox between the world and the engine: one bounded queue, one loop, supervised threads, ordered shutdown.

Adapters post events from their own threads; this loop hands them to the engine one by one and gives each command to
the adapter that can do it. The mailbox's time-out is the engine's clock. A thread that ends by itself ends the process,
non-zero, after a last checkpoint: a Sentinel that is half dead would vouch for what it does not see.
"""

from __future__ import annotations

import queue
import secrets
import signal
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from types import FrameType
from typing import Protocol, TypeVar

from kafka_sentinel import __version__
from kafka_sentinel.adapters import logs
from kafka_sentinel.adapters.kafka_client import ClientProperties, Now, OnDeath, Post
from kafka_sentinel.adapters.metrics import Metrics
from kafka_sentinel.adapters.snapshot import Snapshot
from kafka_sentinel.adapters.state_file import StateFile
from kafka_sentinel.adapters.state_writer import StateWriter
from kafka_sentinel.adapters.status_gauges import features
from kafka_sentinel.adapters.web import WebApp
from kafka_sentinel.adapters.web_server import WebServer
from kafka_sentinel.core.commands import (
    AssignReader,
    Command,
    Count,
    EnsureTopic,
    Heal,
    Inject,
    Log,
    Observe,
    Probe,
    Recheck,
    RenewClients,
    SaveState,
    StartRun,
)
from kafka_sentinel.core.engine import Engine
from kafka_sentinel.core.events import Event, Tick
from kafka_sentinel.core.kubernetes.views import PLURALS
from kafka_sentinel.core.types import Acks, Instant
from kafka_sentinel.engine_config import engine_config
from kafka_sentinel.settings import Settings
from kafka_sentinel.wiring import KafkaAdapters, Part

MAILBOX = 2_000  # batches of events; a poster waits when it is full
REST = 0.05  # seconds the loop lets events gather once it has caught up: each carries its instant, each wake costs
TICK = 0.1  # seconds the loop waits for an event before it tells the engine that time has passed
PUBLISH_EVERY = 0.5  # seconds between two snapshots for the page and the metrics
STOP_TIMEOUT = 5.0  # seconds each adapter gets to end

Answer = TypeVar("Answer")


class Fleet(Protocol):
    """What can break brokers and put them right again."""

    def start(self) -> None: ...
    def stop(self, timeout: float) -> bool: ...
    def submit(self, command: Inject | Heal) -> None: ...


FleetFactory = Callable[[Post, Now, OnDeath], Fleet]


def now() -> Instant:
    return Instant(time.monotonic(), time.time())


class Runtime:
    """One Sentinel. `run` returns when `stop` was called (0) or a part of it died (3)."""

    def __init__(
        self,
        settings: Settings,
        *,
        fleet: FleetFactory | None = None,
        web: bool = True,
        producer_extra: ClientProperties | None = None,
    ) -> None:
        """`producer_extra`: client properties for the probe producer that no user should set (the drills do)."""
        self.settings = settings
        self._mailbox: queue.Queue[Sequence[Event]] = queue.Queue(MAILBOX)
        self._questions: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()  # each asker waits for its own
        self._stopping = threading.Event()
        self._died: tuple[str, BaseException] | None = None
        self._last_tick = time.monotonic()
        self._next_publish = 0.0
        self.snapshot = Snapshot()
        started = now()
        self._state_file = StateFile(settings.state.file) if settings.state.file is not None else None
        state = self._load_state()
        run = secrets.randbits(64)
        self.engine = Engine(engine_config(settings), run=run, started=started, state=state)
        self.metrics = Metrics(
            settings.kafka.cluster_name,
            known={
                "experiment": [item.name for item in settings.experiments.items],
                "resource": PLURALS.values() if settings.kubernetes.enabled else (),
            },
            acks=tuple(level.value for level in self.engine.config.acks),
        )
        for phase, seconds in self.engine.config.slo_recovery.items():
            self.metrics.set_gauge("slo_seconds", {"phase": phase}, seconds)
        for feature, on in settings.features().items():
            self.metrics.set_gauge("feature_enabled", {"feature": feature}, on)
        self._writer = StateWriter(self._state_file, post=self.post, now=now, on_death=self._on_death)
        self._adapters = KafkaAdapters(
            settings,
            instance=self.engine.config.instance,
            producer_extra=producer_extra or {},
            post=self.post,
            now=now,
            on_death=self._on_death,
        )
        self._adapters.begin_run(run)
        self._kubernetes = self._connect_kubernetes()
        self._fleet = fleet(self.post, now, self._on_death) if fleet is not None else None
        self.web: WebServer | None = None
        if web:
            app = WebApp(self.snapshot, self.metrics.registry, self._tick_age)
            self.web = WebServer(settings.http.host, settings.http.port, app)

    def _connect_kubernetes(self) -> Part | None:
        if not self.settings.kubernetes.enabled:
            return None
        from kafka_sentinel.kubernetes_wiring import KubernetesAdapters  # noqa: PLC0415 - memory for those who use it

        return KubernetesAdapters(self.settings.kubernetes, post=self.post, now=now, on_death=self._on_death)

    def _load_state(self) -> dict[str, object] | None:
        if self._state_file is None:
            return None
        self._state_file.open()
        loaded = self._state_file.load()
        if loaded.reason:
            logs.write("warning", "state not used", {"reason": loaded.reason, "set_aside": str(loaded.set_aside)})
        if loaded.state is not None and loaded.state.get("name") != self.settings.name:
            aside = self._state_file.set_aside()
            logs.write(
                "warning", "state is another Sentinel's", {"its": loaded.state.get("name"), "kept_as": str(aside)}
            )
            return None
        return loaded.state

    # --- the mailbox

    def post(self, events: Sequence[Event]) -> None:
        """Hand events over, in order. Waits while the mailbox is full; gives up once the loop has ended."""
        while True:
            try:
                self._mailbox.put(events, timeout=1.0)
            except queue.Full:
                if self._stopping.is_set():
                    return
            else:
                return

    def ask(self, question: Callable[[Engine], Answer], timeout: float = 10.0) -> Answer:
        """Have the loop, the only thread that may touch the engine, answer. Not to be called from that thread.

        Raises what `question` raises, and TimeoutError if the loop has not answered within `timeout` seconds.
        """
        answer: Future[Answer] = Future()

        def reply() -> None:
            if not answer.set_running_or_notify_cancel():
                return  # nobody waits any more
            try:
                answer.set_result(question(self.engine))
            except Exception as error:  # noqa: BLE001 - the asker's, whatever it is
                answer.set_exception(error)

        self._questions.put(reply)
        try:
            return answer.result(timeout)
        finally:
            answer.cancel()

    def stop_sending(self) -> None:
        """Send no more records. What is in flight is still waited for and read; probing does not begin again."""
        self._adapters.stop_sending()

    def _on_death(self, name: str, error: BaseException) -> None:
        if self._died is None:
            self._died = (name, error)
        self.stop()

    def stop(self) -> None:
        """End soon. May be called from any thread, from a signal handler, and again."""
        self._stopping.set()

    def _tick_age(self) -> float:
        return time.monotonic() - self._last_tick

    # --- the loop

    def run(self) -> int:
        self._start()
        try:
            while not self._stopping.is_set():
                self._turn()
        finally:
            self._shut_down()
        if self._died is not None:
            name, error = self._died
            logs.write("error", "a part of Sentinel died", {"part": name, "error": f"{type(error).__name__}: {error}"})
            return 3
        return 0

    def _start(self) -> None:
        if self.web is not None:
            self.web.start()
            logs.write("info", "page", {"address": f"http://{self.settings.http.host}:{self.web.port}/"})
        self._writer.start()
        self._adapters.start()
        if self._kubernetes is not None:
            self._kubernetes.start()
        if self._fleet is not None:
            self._fleet.start()
        logs.write("info", "started", {"version": __version__, "run": f"{self.engine.truth.run:016x}"})

    def _turn(self) -> None:
        while not self._questions.empty():
            self._questions.get_nowait()()
        try:
            events: Sequence[Event] = self._mailbox.get(timeout=TICK)
        except queue.Empty:
            events = (Tick(now()),)
        for event in events:
            for command in self.engine.step(event):
                self._do(command)
        self._last_tick = time.monotonic()
        if self._last_tick >= self._next_publish:
            self._next_publish = self._last_tick + PUBLISH_EVERY
            self._publish()
        if self._mailbox.empty():
            self._stopping.wait(REST)

    def _publish(self) -> None:
        status = self.engine.status()
        self.snapshot.publish(status)
        self.metrics.update_from_status(status)
        for feature, on in features(status).items():
            self.metrics.set_gauge("feature_enabled", {"feature": feature}, on)
        self.metrics.set_gauge("mailbox_depth", {}, self._mailbox.qsize())
        engine = self.engine
        if engine.state_saved is not None:
            self.metrics.set_gauge("checkpoint_last_success_timestamp_seconds", {}, engine.state_saved.wall)
        if engine.truth.last_recheck is not None:
            self.metrics.set_gauge("recheck_last_success_timestamp_seconds", {}, engine.truth.last_recheck.wall)
        for partition, lag in engine.group_lag().items():
            self.metrics.set_gauge(
                "consumer_lag_records", {"reader": "group", "partition": str(partition.partition)}, lag
            )

    def _do(self, command: Command) -> None:
        match command:
            case Count() | Observe():
                self.metrics.apply(command)
            case Log(level=level, event=event, fields=fields):
                logs.write(level, event, fields)
            case Probe() | AssignReader() | RenewClients() | Recheck() | EnsureTopic():
                self._adapters.do(command)
            case SaveState():
                self._writer.submit(command)
            case Inject() | Heal():
                if self._fleet is not None:
                    self._fleet.submit(command)
            case StartRun():
                self._start_run()

    def _start_run(self) -> None:
        run = secrets.randbits(64)
        self.engine.start_run(run)
        self._adapters.begin_run(run)

    # --- the end

    def _shut_down(self) -> None:
        """Stop what breaks, then what sends, then what reads; take in what they still had to say; save; close."""
        drain = threading.Thread(target=self._stop_adapters, name="shutdown", daemon=True)
        drain.start()
        while drain.is_alive() or not self._mailbox.empty():
            self._turn()
        self.engine.save()
        for command in self.engine.step(Tick(now())):
            self._do(command)
        self._writer.stop(STOP_TIMEOUT)
        self._publish()
        if self.web is not None:
            self.web.stop()
        if self._state_file is not None:
            self._state_file.close()
        figures = {name: number for name, number in self.engine.records(Acks.ALL).items() if number}
        logs.write("info", "stopped", {"records": figures})

    def _stop_adapters(self) -> None:
        if self._fleet is not None:
            self._fleet.stop(STOP_TIMEOUT)
        self._adapters.stop(STOP_TIMEOUT)
        if self._kubernetes is not None:
            self._kubernetes.stop(STOP_TIMEOUT)


def run_daemon(settings: Settings) -> int:
    """Run until SIGTERM or Ctrl-C. Returns the exit code."""
    runtime = Runtime(settings)

    def end(_signal: int, _frame: FrameType | None) -> None:
        runtime.stop()

    signal.signal(signal.SIGTERM, end)
    signal.signal(signal.SIGINT, end)
    return runtime.run()
