"""The daemon of a soak: `kafka-sentinel run` with a tap, its lives one after the other, and what it says."""

from __future__ import annotations

import json
import os
import shutil
import signal
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil
from tests.kafka.sentinel import SentinelProcess
from tests.soak.cards import STRONG, Cards, Tap
from tests.soak.judge import known_acked

COPIES = 4  # older states kept, one in half a minute
COPY_EVERY = 30.0  # seconds
VIOLATIONS = "kafka_sentinel_invariant_violations_total"


class Daemon(SentinelProcess):
    """`config`: with `state.file`, which lies in `folder`. Its lock keeps those who end it from each other."""

    def __init__(self, folder: Path, config: dict, cards: Cards) -> None:
        super().__init__(folder, config, tapped=True)
        self.state_file = Path(config["state"]["file"])
        self.tap = Tap(folder / "heard.jsonl", cards)
        self.lives = 0
        self.forgot = 0  # lives that began without the newest state
        self.absent = threading.Event()  # it is dead or stands still, and that is meant
        self.busy = threading.Lock()
        self._cards = cards
        self._copies: list[Path] = []
        self._copied = 0.0
        self._told: list[dict[str, Any]] = []
        self._log_read = 0

    # --- lives

    def launch(self) -> None:
        self.lives += 1
        super().launch()
        self.absent.clear()

    def end(self, *, orderly: bool) -> None:
        self.absent.set()
        if orderly:
            self.stop()
        else:
            self.kill()

    def go_on(self) -> None:
        """Begin the next life with what there is of a state: that, and its own doings, is what it can vouch for."""
        self.tap.refresh()
        self._cards.clear(STRONG)
        for key, first, count in known_acked(self.state()) if self.state_file.exists() else ():
            self._cards.mark(key, first, count, STRONG)
        self.launch()

    def forget(self) -> None:
        self.forgot += 1
        self.state_file.unlink(missing_ok=True)

    def bring_back_older_state(self) -> float | None:
        """Put the oldest copy in the place of the state. Returns how many seconds older it is; None without a copy."""
        if not self._copies or not self.state_file.exists():
            return None
        newest = self.state()["alive_at"]
        self.forgot += 1
        shutil.copyfile(self._copies[0], self.state_file)
        return newest - self.state()["alive_at"]

    def copy_state(self) -> None:
        """Keep a copy now and then. A state is replaced as a whole, so a copy is one."""
        if time.monotonic() < self._copied + COPY_EVERY or not self.state_file.exists():
            return
        self._copied = time.monotonic()
        copy = self.state_file.with_name(f"copy-{time.monotonic_ns()}.json")
        shutil.copyfile(self.state_file, copy)
        self._copies.append(copy)
        while len(self._copies) > COPIES:
            self._copies.pop(0).unlink()

    def freeze(self) -> None:
        self.absent.set()
        os.kill(self.pid or 0, signal.SIGSTOP)

    def thaw(self) -> None:
        os.kill(self.pid or 0, signal.SIGCONT)
        self.absent.clear()

    # --- what it says

    def state(self) -> dict[str, Any]:
        """What it saved last: the second line of its file."""
        return json.loads(self.state_file.read_text().splitlines()[1])

    def said(self) -> list[dict[str, Any]]:
        """Every line of its log that has an event, of all its lives."""
        with self._log.open("rb") as stream:
            stream.seek(self._log_read)
            for line in stream:
                if not line.endswith(b"\n"):
                    break
                self._log_read += len(line)
                self._told += _parsed(line)
        return self._told

    def heard_of(self, event: str) -> list[dict[str, Any]]:
        return [line for line in self.said() if line["event"] == event]

    def violations(self) -> int:
        """What /metrics says of them; 0 where nobody answers."""
        lines = (self.get("/metrics") or "").splitlines()
        return int(sum(float(line.split()[-1]) for line in lines if line.startswith(VIOLATIONS)))

    def size(self) -> dict[str, float] | None:
        """What the process takes now; None if there is none."""
        try:
            process = psutil.Process(self.pid)
            found = {"memory": process.memory_info().rss / 1e6, "files": process.num_fds()}
            return {**found, "threads": process.num_threads()}
        except psutil.Error:
            return None

    def threads(self) -> dict[str, int]:
        """Return how many threads it has of each name (Linux only)."""
        names: Counter[str] = Counter()
        for task in Path(f"/proc/{self.pid}/task").iterdir():
            with suppress(OSError):  # it has just ended
                names[(task / "comm").read_text().strip()] += 1
        return dict(names.most_common())


def _parsed(line: bytes) -> Iterator[dict[str, Any]]:
    try:
        found = json.loads(line)
    except ValueError:
        return
    if isinstance(found, dict) and "event" in found:
        yield found
