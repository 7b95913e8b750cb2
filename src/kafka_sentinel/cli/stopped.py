"""What can be done to the state of a daemon that is stopped and keeps it in a file."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from kafka_sentinel.adapters.state_file import StateFile, StateFileError
from kafka_sentinel.adapters.state_shape import checked
from kafka_sentinel.cli.common import RUNTIME_FAILURE, Trouble
from kafka_sentinel.core.checkpoint import StateError

Change = Callable[[dict[str, Any]], dict[str, Any]]


class Stopped:
    """Ends the command with a sentence where the daemon runs, or there is no state."""

    def __init__(self, file: Path) -> None:
        self._file = file

    def pause(self, by: str) -> str:
        """Have the next life begin with a pause. Returns what was done."""
        with self._state() as (store, state):
            store.save({**state, "experiments": {**state["experiments"], "paused": by}})
        return f"paused: {by}. The daemon injects nothing when it is started again, until `kafka-sentinel resume`"

    def resume(self) -> str:
        """Lift latch and pause. Returns what was done."""
        with self._state() as (store, state):
            experiments = state["experiments"]
            held = [experiments["latched"]] if experiments["latched"] is not None else []
            held += [f"paused: {experiments['paused']}"] if experiments["paused"] not in {None, False} else []
            if not held:
                return "nothing holds experiments back"
            store.save({**state, "experiments": {**experiments, "latched": None, "paused": None}})
        return f"lifted: {'; '.join(held)}. Start the daemon again"

    @contextmanager
    def _state(self) -> Iterator[tuple[StateFile, dict[str, Any]]]:
        store = StateFile(self._file)
        try:
            store.open()
            loaded = store.load()
            if loaded.state is None:
                reason = f"{loaded.reason} (kept as {loaded.set_aside})" if loaded.reason else "it does not exist"
                raise Trouble(f"state file {self._file} holds no state: {reason}", code=RUNTIME_FAILURE)
            checked(loaded.state)
            yield store, loaded.state
        except StateError as error:
            raise Trouble(f"state file {self._file}: {error}", code=RUNTIME_FAILURE) from None
        except StateFileError as error:
            raise Trouble(str(error), code=RUNTIME_FAILURE) from None
        finally:
            store.close()
