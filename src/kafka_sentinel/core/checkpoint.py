"""The engine's memory as plain JSON values, and back. The file format around it is `adapters/state_file.py`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING

from kafka_sentinel.core.account import InvariantError
from kafka_sentinel.core.group import GroupAccount
from kafka_sentinel.core.slots import Totals
from kafka_sentinel.core.text import one_line

if TYPE_CHECKING:
    from kafka_sentinel.core.engine import Engine


MAX_REASON = 300  # characters

WRONG = (LookupError, TypeError, ValueError, ArithmeticError, AttributeError, AssertionError, InvariantError)


class StateError(Exception):
    """A state that this version cannot go on from. The message says what of it is wrong, as the end of a sentence."""


def to_state(engine: Engine) -> dict[str, object]:
    """Return everything worth keeping. It shares nothing with the engine that the engine changes later."""
    return {
        "name": engine.config.name,
        "cluster_id": engine.view.cluster_id if engine.view is not None else None,
        "since": engine.since,
        "alive_at": engine.now.wall,
        "truth": engine.truth.to_state(),
        "availability": engine.availability.totals.to_state(),
        "incidents": engine.incidents.to_state(),
        "experiments": engine.experiments.to_state(),
        "control": engine.control.to_state(),
        "group": engine.group.to_state(),
        "kubernetes": engine.kubernetes.to_state() if engine.kubernetes is not None else None,
        "days": engine.days.to_state(),
        "losses": list(engine.casebook.losses),
        "natural_losses": list(engine.casebook.natural_losses),
    }


def restore(engine: Engine, state: Mapping[str, object]) -> None:
    """Bring a fresh engine to where an earlier process left off. The time between the two was blind.

    Raises StateError for what `to_state` never gave. The engine is of no use then: it has taken a part of it.
    """
    with _part("dates"):
        alive_at, since = state["alive_at"], state["since"]
        assert isinstance(alive_at, int | float)
        assert isinstance(since, int | float)
        engine.since = since
    with _part("truth"):
        engine.truth.restore(_map(state, "truth"), engine.started)
    with _part("availability"):
        engine.availability.totals = Totals.from_state(_map(state, "availability"))
    with _part("incidents"):
        engine.incidents.restore(_map(state, "incidents"), engine.started)
    with _part("group"):
        engine.group = GroupAccount.from_state(_map(state, "group"))
    with _part("kubernetes"):
        if engine.kubernetes is not None and state.get("kubernetes") is not None:
            engine.kubernetes.restore(_map(state, "kubernetes"), engine.started)
    with _part("control"):
        if state.get("control") is not None:
            engine.control.restore(_map(state, "control"))
    with _part("losses"):
        losses, natural_losses = state["losses"], state["natural_losses"]
        assert isinstance(losses, list)
        assert isinstance(natural_losses, list)
        engine.casebook.restore(losses, natural_losses)
    absent = max(engine.started.wall - alive_at, 0.0)
    with _part("days"):
        if state.get("days") is not None:
            engine.days.restore(_map(state, "days"))
        else:  # a state of before there were any: they begin where it ends
            engine.days.since = float(alive_at)
        engine.days.add("lived", absent, engine.started.wall)
    engine.availability.lived_blind(absent)
    with _part("experiments"):
        engine.resume_with(engine.experiments.restore(_map(state, "experiments"), engine.started))


@contextmanager
def _part(name: str) -> Iterator[None]:
    """Say in which part of the state something is wrong."""
    try:
        yield
    except WRONG as error:
        kind = "" if isinstance(error, InvariantError) else f"{type(error).__name__}: "
        raise StateError(one_line(f"its {name} cannot be: {kind}{error}", MAX_REASON)) from error


def _map(state: Mapping[str, object], key: str) -> Mapping[str, object]:
    value = state[key]
    if not isinstance(value, Mapping):
        raise TypeError(f"state[{key!r}] should be a map, found {type(value).__name__}")
    return value
