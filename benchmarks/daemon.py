"""`kafka-sentinel run` as a process beside a Kafka, for the benchmarks."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar
from urllib.error import URLError
from urllib.request import urlopen

import psutil
import yaml

PARTITIONS = 6
READY_SECONDS = 60.0
STOP_SECONDS = 20.0

Found = TypeVar("Found")


class Daemon:
    """`kafka-sentinel run`, from `start` until the context is left."""

    def __init__(self, servers: str, folder: Path, partitions: int = PARTITIONS, **sections: Mapping[str, Any]) -> None:
        self._partitions = partitions
        self._log = folder / "log"
        config = folder / "sentinel.yaml"
        config.write_text(
            yaml.safe_dump(
                {
                    "name": "benchmark",
                    "kafka": {"bootstrap_servers": servers},
                    "http": {"host": "127.0.0.1", "port": 0},
                    "state": {"file": str(folder / "state.json")},
                    **sections,
                }
            )
        )
        self._command = [sys.executable, "-m", "kafka_sentinel", "run", "--config", str(config)]
        self._page = ""

    @contextmanager
    def running(self) -> Iterator[psutil.Process]:
        """Run until the block is left. Shows the end of the log if that is by an exception."""
        with self._log.open("wb") as stream, subprocess.Popen(self._command, stderr=stream) as process:
            try:
                self._page = str(wait_for(self._address, "the page"))
                wait_for(self._probes, f"{self._partitions} partitions being verified")
                yield psutil.Process(process.pid)
            except BaseException:
                print(self._log.read_text()[-4_000:], file=sys.stderr)
                raise
            finally:
                process.terminate()
                try:
                    process.wait(STOP_SECONDS)
                except subprocess.TimeoutExpired:
                    process.kill()

    def _address(self) -> str | None:
        for line in self._log.read_text().splitlines():
            try:
                entry = json.loads(line)
            except ValueError:
                continue
            if "address" in entry:
                return str(entry["address"])
        return None

    def _probes(self) -> bool:
        try:
            status = self.status()
        except URLError:
            return False
        return len(status.get("partitions", ())) == self._partitions and self.verified() > 0

    def get(self, path: str) -> bytes:
        with urlopen(self._page + path, timeout=5) as answer:
            return bytes(answer.read())

    def status(self) -> dict[str, Any]:
        return dict(json.loads(self.get("api/v1/status")))

    def verified(self) -> int:
        return int(self.status()["records"]["all"]["verified"])


def wait_for(found: Callable[[], Found], what: str) -> Found:
    deadline = time.monotonic() + READY_SECONDS
    while not (answer := found()):
        if time.monotonic() > deadline:
            raise SystemExit(f"not within {READY_SECONDS:.0f} s: {what}")
        time.sleep(0.2)
    return answer


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])
