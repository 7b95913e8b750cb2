"""Keeps, for each experiment, the one next run that is planned."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from kafka_sentinel.core.guard_input import ExperimentSpec
from kafka_sentinel.core.schedule import jittered, next_run
from kafka_sentinel.core.types import Instant

CLOCK_SLACK = 300.0  # seconds the wall clock may be set back before the runs are planned anew


@dataclass(frozen=True, slots=True)
class Plan:
    """When a plan was `made`, the time the schedule says and the time with jitter: wall-clock seconds."""

    made: float
    planned: float
    due: float


class Planner:
    """Plans start from now: what was missed is not made up for, so neither an outage nor a clock can wedge them."""

    def __init__(self, specs: Iterable[ExperimentSpec]) -> None:
        self._specs = {spec.name: spec for spec in specs}
        self._plans: dict[str, Plan] = {}

    def get(self, name: str) -> Plan | None:
        return self._plans.get(name)

    def plan(self, name: str, now: Instant) -> Plan:
        """Forget the plan of `name` and make the next one."""
        spec = self._specs[name]
        planned = next_run(spec.schedule, now.wall, name)
        plan = self._plans[name] = Plan(now.wall, planned, jittered(name, planned, spec.jitter))
        return plan

    def demand(self, name: str, now: Instant) -> None:
        """Have a run of `name` due now, instead of the one that is planned."""
        self._plans[name] = Plan(now.wall, now.wall, now.wall)

    def due(self, now: Instant) -> list[tuple[ExperimentSpec, Plan]]:
        """Return those whose time has come, the longest waiting first."""
        found = [(spec, self._current(spec, now)) for spec in self._specs.values()]
        return sorted(
            ((spec, plan) for spec, plan in found if plan.due <= now.wall), key=lambda pair: (pair[1].due, pair[0].name)
        )

    def next_deadline(self, now: Instant) -> float | None:
        """Return the wall-clock second at which a run comes due, or one that is waiting is given up."""
        return min(
            (
                plan.due if plan.due > now.wall else plan.due + self._specs[name].grace
                for name, plan in self._plans.items()
            ),
            default=None,
        )

    def _current(self, spec: ExperimentSpec, now: Instant) -> Plan:
        plan = self._plans.get(spec.name)
        if plan is None or now.wall < plan.made - CLOCK_SLACK:
            return self.plan(spec.name, now)
        return plan
