"""A real Prometheus on a free port, for as long as a test lasts: it scrapes one thing, and evaluates our rules."""

from __future__ import annotations

import socket
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import yaml
from tests.alerts import binaries
from tests.alerts.client import Client
from tests.alerts.promtool import RULE_FILE

READY_SECONDS = 60.0
JOB = "kafka-sentinel"


class Prometheus(Client):
    """`scrapes`: host:port of what is scraped each second."""

    def __init__(self, folder: Path, scrapes: str) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            address = f"127.0.0.1:{free.getsockname()[1]}"
        super().__init__(f"http://{address}")
        self._log = folder / "prometheus.log"
        config = folder / "prometheus.yaml"
        config.write_text(
            yaml.safe_dump(
                {
                    "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
                    "rule_files": [str(RULE_FILE)],
                    "scrape_configs": [{"job_name": JOB, "static_configs": [{"targets": [scrapes]}]}],
                }
            )
        )
        command = [
            str(binaries.prometheus()),
            f"--config.file={config}",
            f"--storage.tsdb.path={folder / 'data'}",
            f"--web.listen-address={address}",
        ]
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        try:
            self.wait_for(self.is_ready, "Prometheus to be ready")
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        self._process.terminate()
        try:
            self._process.wait(20)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def wait_for(self, condition: Callable[[], bool], what: str) -> None:
        deadline = time.monotonic() + READY_SECONDS
        while not condition():
            assert self._process.poll() is None, self._log.read_text()
            assert time.monotonic() < deadline, f"not within {READY_SECONDS:.0f} s: {what}\n{self._log.read_text()}"
            time.sleep(0.1)
