"""Writes the state off the engine's thread: a slow disk must not stop the accounting."""

from __future__ import annotations

import queue
from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

from kafka_sentinel.adapters.kafka_client import Now, OnDeath, Post, Worker
from kafka_sentinel.adapters.state_file import Loaded, StateFileError, StateTakenOverError
from kafka_sentinel.core.commands import SaveState
from kafka_sentinel.core.events import Event, StateSaved, StateSaveFailed

PENDING = 16  # states that wait to be written; only the newest of them is


class StateStore(Protocol):
    """Where the state is kept: a file or a ConfigMap. All methods raise StateFileError, with a sentence."""

    def open(self) -> None: ...
    def close(self) -> None: ...
    def load(self) -> Loaded: ...
    def set_aside(self) -> Path | str: ...
    def save(self, state: Mapping[str, object]) -> None: ...


class StateWriter:
    def __init__(self, store: StateStore | None, *, post: Post, now: Now, on_death: OnDeath) -> None:
        self._store = store
        self._post = post
        self._now = now
        self._queue: queue.Queue[SaveState | None] = queue.Queue(PENDING)
        self._worker = Worker("state-writer", self._run, on_death)

    def start(self) -> None:
        self._worker.start()

    def submit(self, command: SaveState) -> None:
        """Have a state written. Of several that wait, only the newest is written; each is answered."""
        self._queue.put(command)

    def stop(self, timeout: float) -> bool:
        """Write what waits, then end."""
        self._queue.put(None)
        self._worker.stopping.set()
        return self._worker.stop(timeout)

    def _run(self) -> None:
        while True:
            waiting = [self._queue.get()]
            while not self._queue.empty():
                waiting.append(self._queue.get())
            states = [command for command in waiting if command is not None]
            if states:
                self._write(states)
            if None in waiting:
                return

    def _write(self, states: list[SaveState]) -> None:
        error: StateFileError | None = None
        if self._store is not None:
            try:
                self._store.save(dict(states[-1].state))
            except StateFileError as failure:
                error = failure
        self._post([self._answer(state.generation, error) for state in states])

    def _answer(self, generation: int, error: StateFileError | None) -> Event:
        if error is None:
            return StateSaved(self._now(), generation)
        return StateSaveFailed(self._now(), generation, str(error), isinstance(error, StateTakenOverError))
