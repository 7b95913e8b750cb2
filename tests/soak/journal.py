"""What was done and when: one line of JSON for each thing, which stays, whatever ends the soak."""

from __future__ import annotations

import json
import threading
import time
from pathlib import Path
from typing import Any

from tests.soak.plan import FAULTS, Step

OF_CLUSTER = frozenset({"brokers", "log", "topic"})


class Journal:
    """`entries`: of faults that have ended, each with `began` and `ended`, wall clock in seconds."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        self.entries: list[dict[str, Any]] = []
        self.under_way = 0

    def note(self, kind: str, **fields: object) -> None:
        line = {"at": round(time.time(), 3), "kind": kind, **fields}
        with self._lock, self._path.open("a") as stream:
            stream.write(json.dumps(line, default=str) + "\n")

    def began(self, step: Step) -> float:
        with self._lock:
            self.under_way += 1
        self.note("began", fault=step.fault, **step.parameters)
        return time.time()

    def ended(self, step: Step, began: float, outcome: str, **fields: object) -> None:
        entry = {"fault": step.fault, "began": began, "ended": time.time(), "outcome": outcome, **fields}
        self.note("ended", **entry)
        with self._lock:
            self.under_way -= 1
            self.entries.append(entry)

    def explains(self, at: float, *, slack: float) -> bool:
        """Tell whether some fault of the cluster was in effect then, or at most `slack` seconds before."""
        with self._lock:
            return any(
                FAULTS[one["fault"]].room in OF_CLUSTER and one["began"] - slack <= at <= one["ended"] + slack
                for one in self.entries
            )

    def count(self, outcome: str) -> dict[str, int]:
        with self._lock:
            found = [one["fault"] for one in self.entries if one["outcome"] == outcome]
        return {name: found.count(name) for name in FAULTS if name in found}
