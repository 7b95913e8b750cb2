"""One Kafka node: its folder, its Java process, its log."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import threading
from collections import deque
from dataclasses import dataclass
from pathlib import Path

from kafka_sentinel.lab.errors import LabError
from kafka_sentinel.lab.guardian import mark
from kafka_sentinel.lab.process import ChildProcess, ProcessState

_LOG_CONFIGURATION = Path(__file__).with_name("kafka") / "log4j2.properties"
_FORMAT_SECONDS = 60.0
_STOP_SECONDS = 30.0
_SIGNAL_SECONDS = 10.0
_LOGS_KEPT = 3
_JVM = (
    "-Xms64m",
    "-Xmx384m",
    "-XX:+UseSerialGC",
    "-XX:TieredStopAtLevel=1",  # starts sooner; the lab is not a benchmark of Kafka
    "-XX:-UsePerfData",
    "-Djava.awt.headless=true",
)


@dataclass(frozen=True, slots=True)
class Installation:
    """What to run Kafka with. `lab` is the folder of the whole lab, its mark on every process.

    `classes` is a folder of more classes, `options` are further ones of the Java machine, and `ready` is what the
    program logs once it takes requests.
    """

    java: Path
    jars: Path
    lab: Path
    cluster_id: str
    classes: Path | None = None
    options: tuple[str, ...] = ()
    program: str = "kafka.Kafka"
    ready: bytes = b"Kafka Server started"  # once the broker is unfenced


class Node:
    """Every method takes the node's lock, so several threads may work on one lab."""

    def __init__(self, node_id: int, installation: Installation, properties: str) -> None:
        self.id = node_id
        self.folder = installation.lab / f"node-{node_id}"
        self._installation = installation
        self._lock = threading.RLock()
        self._process: ChildProcess | None = None
        self._last_exit: int | None = None  # of the process before
        self._starts = 0
        self._ready = False
        self._closed = False
        self.folder.mkdir()
        self.folder.joinpath("tmp").mkdir()
        self._properties = self.folder / "server.properties"
        self._properties.write_text(properties)

    @property
    def state(self) -> ProcessState:
        process = self._process
        return ProcessState.STOPPED if process is None else process.state

    @property
    def pid(self) -> int | None:
        """Process id while it lives."""
        process = self._process
        return None if process is None or process.state is ProcessState.STOPPED else process.pid

    @property
    def exit_status(self) -> int | None:
        """How its last ended process ended; None if none has."""
        process = self._process
        status = None if process is None else process.exit_status
        return self._last_exit if status is None else status

    def format(self) -> None:
        with self._lock:
            command = self._command(self.folder / "format.log", "kafka.tools.StorageTool")
            command += ["format", "--cluster-id", self._installation.cluster_id]
            command += ["--config", str(self._properties), "--ignore-formatted"]
            try:
                done = subprocess.run(  # noqa: S603  built above, no shell is involved
                    command,
                    cwd=self.folder,
                    env=_environment(),
                    stdin=subprocess.DEVNULL,
                    capture_output=True,
                    text=True,
                    timeout=_FORMAT_SECONDS,
                    check=False,
                    start_new_session=True,
                )
            except subprocess.TimeoutExpired:
                raise LabError(f"formatting node {self.id} took more than {_FORMAT_SECONDS:.0f} s") from None
            if done.returncode != 0:
                raise LabError(f"formatting node {self.id} failed:\n{(done.stdout + done.stderr).strip()}")

    def wipe(self, *, same_disk: bool) -> None:
        """Delete the data, and format anew unless the disk stays `same_disk`. The metadata log stays."""
        with self._lock:
            self._demand(ProcessState.STOPPED)
            data = self.folder / "data"
            identity = (data / "meta.properties").read_bytes()
            shutil.rmtree(data)
            if same_disk:
                data.mkdir()
                (data / "meta.properties").write_bytes(identity)
            else:
                self.format()

    def start(self) -> None:
        with self._lock:
            self._demand(ProcessState.STOPPED)
            if self._closed:
                raise LabError(f"node {self.id} cannot start: the lab is closed")
            self._last_exit = self.exit_status
            self._starts += 1
            for old in self.folder.glob(f"start-{self._starts - _LOGS_KEPT}.*"):
                old.unlink()
            self._ready = False
            command = [*self._command(self._log, self._installation.program), str(self._properties)]
            self._process = ChildProcess(
                command, folder=self.folder, environment=_environment(), output=self._log.with_suffix(".out")
            )

    def kill(self) -> None:
        """SIGKILL, and reap."""
        with self._lock:
            self._live("killed").end(_SIGNAL_SECONDS)

    def stop(self) -> None:
        """SIGTERM; SIGKILL if it has not ended after 30 s."""
        with self._lock:
            self._demand(ProcessState.RUNNING)
            process = self._live("stopped")
            process.send(signal.SIGTERM)
            if not process.wait_for(ProcessState.STOPPED, _STOP_SECONDS):
                process.end(_SIGNAL_SECONDS)

    def pause(self) -> None:
        with self._lock:
            self._demand(ProcessState.RUNNING)
            self._signal(signal.SIGSTOP, ProcessState.PAUSED)

    def resume(self) -> None:
        with self._lock:
            self._demand(ProcessState.PAUSED)
            self._signal(signal.SIGCONT, ProcessState.RUNNING)

    def is_ready(self) -> bool:
        """Tell whether the node has started up since it was last started. Raises LabError if it ended instead."""
        with self._lock:
            if not self._ready:
                self._ready = self._log.exists() and self._installation.ready in self._log.read_bytes()
            if not self._ready and self.state is ProcessState.STOPPED:
                raise LabError(
                    f"node {self.id} ended with status {self.exit_status} before it was ready\n{self.tail()}"
                )
            return self._ready

    def tail(self, lines: int = 25) -> str:
        """Return the last lines of its log and of what it printed."""
        texts: list[str] = []
        for path in (self._log, self._log.with_suffix(".out")):
            if path.exists():
                with path.open(errors="replace") as source:
                    texts.extend(deque(source, maxlen=lines))
        return "".join(texts).rstrip() or "(it logged nothing)"

    def close(self) -> None:
        with self._lock:
            self._closed = True
            if self._process is not None:
                self._process.end(_SIGNAL_SECONDS)

    @property
    def _log(self) -> Path:
        return self.folder / f"start-{self._starts}.log"

    def _command(self, log: Path, main: str) -> list[str]:
        own = self._installation
        return [
            str(own.java),
            mark(str(own.lab)),
            *_JVM,
            f"-XX:ErrorFile={self.folder / 'crash.log'}",
            f"-Djava.io.tmpdir={self.folder / 'tmp'}",
            f"-Dlog4j2.configurationFile={_LOG_CONFIGURATION}",
            f"-Dkafka.sentinel.log={log}",
            *own.options,
            "-cp",
            f"{own.jars}/*" if own.classes is None else f"{own.jars}/*{os.pathsep}{own.classes}",
            main,
        ]

    def _demand(self, wanted: ProcessState) -> None:
        if (state := self.state) is not wanted:
            raise LabError(f"node {self.id} is {state}, not {wanted}")

    def _live(self, what: str) -> ChildProcess:
        process = self._process
        if process is None or process.state is ProcessState.STOPPED:
            raise LabError(f"node {self.id} cannot be {what}: it is not running")
        return process

    def _signal(self, number: signal.Signals, wanted: ProcessState) -> None:
        process = self._live(f"sent {number.name}")
        process.send(number)
        if not process.wait_for(wanted, _SIGNAL_SECONDS) or process.state is not wanted:
            raise LabError(f"node {self.id} is {process.state} after {number.name}, not {wanted}")


def _environment() -> dict[str, str]:
    """Return the little that Java needs: options meant for other Java programs must not reach the brokers."""
    return {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C.UTF-8"}
