"""Writes the state off the engine's thread: a slow disk must not stop the accounting."""

from __future__ import annotations

import queue

from kafka_sentinel.adapters.kafka_client import Now, OnDeath, Post, Worker
from kafka_sentinel.adapters.state_file import StateFile, StateFileError
from kafka_sentinel.core.commands import SaveState
from kafka_sentinel.core.events import Event, StateSaved, StateSaveFailed

PENDING = 16  # states that wait to be written; only the newest of them is


class StateWriter:
    def __init__(self, file: StateFile | None, *, post: Post, now: Now, on_death: OnDeath) -> None:
        self._file = file
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
        error = ""
        if self._file is not None:
            try:
                self._file.save(dict(states[-1].state))
            except StateFileError as failure:
                error = str(failure)
        at = self._now()
        answers: list[Event] = [
            StateSaveFailed(at, state.generation, error) if error else StateSaved(at, state.generation)
            for state in states
        ]
        self._post(answers)
