"""How experiments show in the status snapshot and in `experiments explain`: JSON-ready dicts."""

from __future__ import annotations

from dataclasses import asdict

from kafka_sentinel.core.agenda import Plan
from kafka_sentinel.core.experiment_run import Past, Run
from kafka_sentinel.core.guard_input import ExperimentSpec, GuardInput
from kafka_sentinel.core.guards import evaluate
from kafka_sentinel.core.targets import Target


def item(spec: ExperimentSpec, plan: Plan | None, past: Past) -> dict[str, object]:
    return {
        "name": spec.name,
        "fault": spec.fault,
        "target": str(spec.target),
        "schedule": str(spec.schedule),
        "next_run": plan.due if plan is not None else None,
        **asdict(past),
    }


def explanation(given: GuardInput, target: Target, run: Run | None) -> dict[str, object]:
    """Return whom the experiment would hit now and every guard's answer. `run`: its own, if one is under way."""
    answers = evaluate(given, target)
    denials = [answer.guard for answer in answers if not answer.allowed]
    return {
        "run": run.id if run is not None else None,
        "state": run.state.value if run is not None else None,
        "targets": sorted(target.brokers),
        "pods": [pod.name for pod in target.pods],
        "servers": list(target.servers),
        "node": target.node.name if target.node is not None else None,
        "allowed": not denials,
        "first_denial": denials[0] if denials else None,
        "guards": [asdict(answer) for answer in answers],
    }
