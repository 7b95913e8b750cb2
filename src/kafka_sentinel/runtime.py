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
from typing import TYPE_CHECKING, Protocol, TypeVar

from kafka_sentinel import __version__
from kafka_sentinel.adapters import logs
from kafka_sentinel.adapters.allocator import share_arenas
from kafka_sentinel.adapters.kafka_client import ClientProperties, Now, OnDeath, Post
from kafka_sentinel.adapters.state_file import StateFile
from kafka_sentinel.adapters.state_shape import checked
from kafka_sentinel.adapters.state_writer import StateStore, StateWriter
from kafka_sentinel.audit_wiring import auditor
from kafka_sentinel.core.checkpoint import StateError
from kafka_sentinel.core.commands import (
    Announce,
    AssignReader,
    Command,
    Count,
    Diagnose,
    EnsureTopic,
    Heal,
    Inject,
    LeaveEvent,
    Log,
    Observe,
    Probe,
    Recheck,
    RenewClients,
    SaveState,
    SetLoad,
    StandDown,
    StartRun,
    Sweep,
)
from kafka_sentinel.core.engine import Engine
from kafka_sentinel.core.events import Event, LeaseObserved, Tick
from kafka_sentinel.core.standby import Standby
from kafka_sentinel.core.types import Acks, Instant
from kafka_sentinel.display import Display
from kafka_sentinel.engine_config import engine_config
from kafka_sentinel.settings import Settings
from kafka_sentinel.watchdog import Watchdog
from kafka_sentinel.wiring import KafkaAdapters

if TYPE_CHECKING:
    from kafka_sentinel.kubernetes_wiring import KubernetesAdapters, Shared

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
    def submit(self, command: Announce | Inject | Heal | Sweep) -> None: ...


FleetFactory = Callable[[Post, Now, OnDeath], Fleet]


def now() -> Instant:
    return Instant(time.monotonic(), time.time())


class Runtime:
    """One Sentinel. `run` returns when `stop` was called (0), or when a part of it died or another took over (3)."""

    def __init__(
        self,
        settings: Settings,
        *,
        fleet: FleetFactory | None = None,
        web: bool = True,
        producer_extra: ClientProperties | None = None,
        watchdog: Watchdog | None = None,
    ) -> None:
        """`producer_extra`: client properties for the probe producer that no user should set (the drills do).

        `watchdog`: is fed by the loop, and stopped when that ends.
        """
        self.settings = settings
        self._mailbox: queue.Queue[Sequence[Event]] = queue.Queue(MAILBOX)
        self._questions: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()  # each asker waits for its own
        self._stopping = threading.Event()
        self._died: tuple[str, BaseException] | None = None
        self._taken_over = ""  # why another Sentinel is the one now
        self._last_tick = time.monotonic()
        self._watchdog = watchdog
        self._next_publish = 0.0
        self._run_id = secrets.randbits(64)
        self._config = engine_config(settings)
        self._kubernetes = self._connect_kubernetes()
        self._shared: Shared | None = self._kubernetes.shared if self._kubernetes is not None else None
        self._store = self._state_store()
        self._engine = self._make_engine() if self._shared is None else None  # else it waits for the Lease
        self.display = Display(settings, self._config, tick_age=self._tick_age, web=web)
        self.snapshot, self.metrics, self.web = self.display.snapshot, self.display.metrics, self.display.web
        self._writer = StateWriter(self._store, post=self.post, now=now, on_death=self._on_death)
        self._adapters = KafkaAdapters(
            settings,
            instance=self._config.instance,
            producer_extra=producer_extra or {},
            post=self.post,
            now=now,
            on_death=self._on_death,
        )
        self._adapters.begin_run(self._run_id)
        self._auditor = auditor(settings, post=self.post, now=now, on_death=self._on_death)
        self._fleet: Fleet | None = None  # None: there is nothing that could break a broker
        if fleet is not None:
            self._fleet = fleet(self.post, now, self._on_death)
        elif self._kubernetes is not None:
            self._fleet = self._kubernetes.fleet
        elif settings.fleet in {"command", "msk"}:
            from kafka_sentinel.fleet_wiring import fleet_of  # noqa: PLC0415 - memory for those who use it

            self._fleet = fleet_of(settings, post=self.post, now=now, on_death=self._on_death)

    @property
    def engine(self) -> Engine:
        """The engine. There is none yet while this Sentinel stands by."""
        if self._engine is None:
            raise RuntimeError("this Sentinel stands by: there is no engine yet")
        return self._engine

    # --- the set-up

    def _connect_kubernetes(self) -> KubernetesAdapters | None:
        if not self.settings.kubernetes.enabled:
            return None
        from kafka_sentinel.kubernetes_wiring import KubernetesAdapters  # noqa: PLC0415 - memory for those who use it

        return KubernetesAdapters(self.settings, post=self.post, now=now, on_death=self._on_death)

    def _state_store(self) -> StateStore | None:
        if self._shared is not None:
            return self._shared.state
        file = self.settings.state.file
        return StateFile(file) if file is not None else None

    def _make_engine(self) -> Engine:
        """Go on where the state was left. Raises StateFileError if it can neither be read nor be set aside."""
        started, state = now(), self._load_state()
        if state is not None:
            try:
                return Engine(self._config, run=self._run_id, started=started, state=checked(state))
            except StateError as error:
                assert self._store is not None
                aside = self._store.set_aside()
                logs.write("warning", "state not used", {"reason": str(error), "set_aside": str(aside)})
        return Engine(self._config, run=self._run_id, started=started, state=None)

    def _load_state(self) -> dict[str, object] | None:
        if self._store is None:
            return None
        self._store.open()
        loaded = self._store.load()
        if loaded.reason:
            logs.write("warning", "state not used", {"reason": loaded.reason, "set_aside": str(loaded.set_aside)})
        if loaded.state is not None and loaded.state.get("name") != self.settings.name:
            aside = self._store.set_aside()
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
        self.display.start()
        try:
            if self._stand_by():
                self._start()
            while not self._stopping.is_set():
                self._turn()
        finally:
            self._shut_down()
            if self._watchdog is not None:
                self._watchdog.stop()
        if self._died is not None:
            name, error = self._died
            logs.write("error", "a part of Sentinel died", {"part": name, "error": f"{type(error).__name__}: {error}"})
        elif self._taken_over:
            logs.write("error", "ended, because there is another", {"reason": self._taken_over})
        return 3 if self._died is not None or self._taken_over else 0

    def _stand_by(self) -> bool:
        """Wait for the Lease, if there is one; then go on where the state was left. False: we were told to end."""
        if self._kubernetes is None or self._shared is None:
            return True
        standby = Standby(self._config, now())
        self._kubernetes.stand_by()
        while not self._stopping.is_set():
            for event in self._next_events():
                if isinstance(event, LeaseObserved):
                    for command in standby.take(event):
                        self._do(command)
            if standby.may_begin(now()):
                self._engine = self._make_engine()
                return True
            if self._went_round():
                self.display.publish(standby.status(now()))
        return False

    def _start(self) -> None:
        self._writer.start()
        self._adapters.start()
        if self._kubernetes is not None:
            self._kubernetes.start()
        if self._fleet is not None:
            self._fleet.start()
        if self._auditor is not None:
            self._auditor.start()
        logs.write("info", "started", {"version": __version__, "run": f"{self.engine.truth.run:016x}"})

    def _turn(self) -> None:
        while not self._questions.empty():
            self._questions.get_nowait()()
        for event in self._next_events():
            for command in self.engine.step(event):
                self._do(command)
        if self._went_round():
            self._publish()
        if self._mailbox.empty():
            self._stopping.wait(REST)

    def _next_events(self) -> Sequence[Event]:
        try:
            return self._mailbox.get(timeout=TICK)
        except queue.Empty:
            return (Tick(now()),)

    def _went_round(self) -> bool:
        """Note that the loop goes round. Returns whether it is time to publish."""
        self._last_tick = time.monotonic()
        if self._watchdog is not None:
            self._watchdog.feed()
        if self._last_tick < self._next_publish:
            return False
        self._next_publish = self._last_tick + PUBLISH_EVERY
        return True

    def _publish(self) -> None:
        self.display.publish_engine(self.engine, waiting=self._mailbox.qsize())

    def _do(self, command: Command) -> None:
        match command:
            case Count() | Observe():
                self.metrics.apply(command)
            case Log(level=level, event=event, fields=fields):
                logs.write(level, event, fields)
            case Probe() | SetLoad() | AssignReader() | RenewClients() | Recheck() | EnsureTopic() | Diagnose():
                self._adapters.do(command)
            case SaveState():
                if not self._taken_over:
                    self._writer.submit(command)
            case Announce() | Inject() | Heal() | Sweep():
                if self._fleet is not None:
                    self._fleet.submit(command)
            case LeaveEvent():
                if self._kubernetes is not None and not self._kubernetes.events.emit(command):
                    logs.write("warning", "too many Kubernetes Events wait", {"dropped": command.message})
            case StartRun():
                self._start_run()
            case StandDown(reason=reason):
                self._taken_over = self._taken_over or reason
                self.stop()

    def _start_run(self) -> None:
        run = secrets.randbits(64)
        self.engine.start_run(run)
        self._adapters.begin_run(run)

    # --- the end

    def _shut_down(self) -> None:
        """Stop what breaks, then what sends, then what reads; take in what they still had to say; save; close."""
        if self._engine is not None:
            self._wind_up(self._engine)
        self.display.stop()
        if self._store is not None:
            self._store.close()
        if self._kubernetes is not None:
            self._kubernetes.close(STOP_TIMEOUT)

    def _wind_up(self, engine: Engine) -> None:
        drain = threading.Thread(target=self._stop_adapters, name="shutdown", daemon=True)
        drain.start()
        while drain.is_alive() or not self._mailbox.empty():
            self._turn()
        engine.save()
        for command in engine.step(Tick(now())):
            self._do(command)
        self._writer.stop(STOP_TIMEOUT)
        self._publish()
        figures = {name: number for name, number in engine.records(Acks.ALL).items() if number}
        logs.write("info", "stopped", {"records": figures})

    def _stop_adapters(self) -> None:
        if self._fleet is not None:
            self._fleet.stop(STOP_TIMEOUT)
        self._adapters.stop(STOP_TIMEOUT)
        if self._kubernetes is not None:
            self._kubernetes.stop(STOP_TIMEOUT)
        if self._auditor is not None:
            self._auditor.stop(0.0)  # what it still had to say is not waited for


def run_daemon(settings: Settings) -> int:
    """Run until SIGTERM or Ctrl-C. Returns the exit code."""
    share_arenas()
    runtime = Runtime(settings, watchdog=Watchdog())

    def end(_signal: int, _frame: FrameType | None) -> None:
        runtime.stop()

    signal.signal(signal.SIGTERM, end)
    signal.signal(signal.SIGINT, end)
    return runtime.run()
