"""The engine's memory as plain JSON values, and back. The file format around it is `adapters/state_file.py`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from kafka_sentinel.core.group import GroupAccount
from kafka_sentinel.core.slots import Totals

if TYPE_CHECKING:
    from kafka_sentinel.core.engine import Engine


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
    """Bring a fresh engine to where an earlier process left off. The time between the two was blind."""
    truth, incidents, experiments = _map(state, "truth"), _map(state, "incidents"), _map(state, "experiments")
    losses, natural_losses = state["losses"], state["natural_losses"]
    alive_at, since = state["alive_at"], state["since"]
    assert isinstance(losses, list)
    assert isinstance(natural_losses, list)
    assert isinstance(alive_at, int | float)
    assert isinstance(since, int | float)
    engine.since = since
    engine.truth.restore(truth)
    engine.availability.totals = Totals.from_state(_map(state, "availability"))
    engine.incidents.restore(incidents, engine.started)
    engine.group = GroupAccount.from_state(_map(state, "group"))
    if engine.kubernetes is not None and state.get("kubernetes") is not None:
        engine.kubernetes.restore(_map(state, "kubernetes"), engine.started)
    if state.get("control") is not None:
        engine.control.restore(_map(state, "control"))
    engine.casebook.restore(losses, natural_losses)
    absent = max(engine.started.wall - alive_at, 0.0)
    if state.get("days") is not None:
        engine.days.restore(_map(state, "days"))
    else:  # a state of before there were any: they begin where it ends
        engine.days.since = float(alive_at)
    engine.days.add("lived", absent, engine.started.wall)
    engine.availability.lived_blind(absent)
    engine.resume_with(engine.experiments.restore(experiments, engine.started))


def _map(state: Mapping[str, object], key: str) -> Mapping[str, object]:
    value = state[key]
    if not isinstance(value, Mapping):
        raise TypeError(f"state[{key!r}] should be a map, found {type(value).__name__}")
    return value
