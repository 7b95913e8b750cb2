"""A real Prometheus on a free port, for as long as a test lasts: it scrapes one thing, and evaluates our rules."""

from __future__ import annotations

import json
import socket
import subprocess
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml
from tests.alerts import binaries
from tests.alerts.promtool import RULE_FILE

READY_SECONDS = 60.0
JOB = "kafka-sentinel"


class Prometheus:
    """`scrapes`: host:port of what is scraped each second."""

    def __init__(self, folder: Path, scrapes: str) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
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
            f"--web.listen-address=127.0.0.1:{self.port}",
        ]
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        try:
            self.wait_for(lambda: self._get("/-/ready") is not None, "Prometheus to be ready")
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

    def now(self, expr: str) -> list[dict[str, Any]]:
        """Ask for what there is now. Raises AssertionError if it cannot be asked."""
        return self._query("query", query=expr)

    def lately(self, expr: str, seconds: float) -> list[dict[str, Any]]:
        end = time.time()
        return self._query("query_range", query=expr, start=f"{end - seconds:.3f}", end=f"{end:.3f}", step="1")

    def rules(self) -> list[dict[str, Any]]:
        answer = json.loads(self._get("/api/v1/rules") or "{}")
        return [rule for group in answer["data"]["groups"] for rule in group["rules"]]

    def _query(self, kind: str, **what: str) -> list[dict[str, Any]]:
        body = self._get(f"/api/v1/{kind}?{urllib.parse.urlencode(what)}")
        answer = json.loads(body or "{}")
        assert answer.get("status") == "success", f"{answer.get('error', body)}: {what['query']}"
        assert not answer.get("warnings"), answer["warnings"]
        return answer["data"]["result"]

    def _get(self, path: str) -> str | None:
        """Return the answer, also one that tells of a mistake; None if there is none."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=30) as answer:
                return answer.read().decode()
        except urllib.error.HTTPError as error:
            return None if path == "/-/ready" else error.read().decode()
        except OSError:
            return None
