"""The status snapshot: everything the page, the API, the terminal view and the gauges show, as one plain dictionary."""

from __future__ import annotations

from collections.abc import Container, Mapping
from typing import TYPE_CHECKING

from kafka_sentinel.core.account import State
from kafka_sentinel.core.cluster import PartitionView, offline, probe_partitions, under_min_isr, under_replicated
from kafka_sentinel.core.slots import Operation
from kafka_sentinel.core.types import Acks, ProbePartition

if TYPE_CHECKING:
    from kafka_sentinel.core.engine import Engine

LOSS_SHOWN = 86_400.0  # seconds for which a loss dominates the one-word health

RECORD_FIGURES = (
    "sent",
    "acked",
    "rejected",
    "uncertain",
    "in_flight",
    "verified",
    "lost",
    "lost_before",
    "duplicated",
    "redelivered",
    "reordered",
    "corrupted",
    "corrupted_acked",
    "conflicting",
    "foreign",
    "expired",
    "unaccounted",
    "awaiting",
    "overdue",
    "suspected",
    "unresolved",
    "present",
    "absent",
    "late",
)


def status(engine: Engine) -> dict[str, object]:
    """Return the snapshot. It shares nothing with the engine that the engine changes later."""
    now = engine.now
    return {
        "version": engine.config.version,
        "now": now.wall,
        "started_at": engine.started.wall,
        "since": engine.since,
        "instance": engine.config.name,
        "run": f"{engine.truth.run:016x}",
        "health": health(engine),
        "kafka": _kafka(engine),
        "records": {acks.value: records(engine, acks) for acks in engine.config.acks},
        "blind_seconds": engine.availability.totals.blind_seconds,
        "availability": {
            "produce": engine.availability.totals.ratio(Operation.PRODUCE),
            "consume": engine.availability.totals.ratio(Operation.CONSUME),
        },
        "latency_seconds": engine.latency.summary(),
        "partitions": _partitions(engine),
        "incidents": engine.incidents.status(),
        "older_incidents": engine.incidents.older(),
        "losses": list(engine.casebook.losses),
        "experiments": engine.explained(),
        "slo": {
            "availability": engine.config.slo_availability,
            "produce": engine.config.slo_produce,
            "consume": engine.config.slo_consume,
            "recovery": dict(engine.config.slo_recovery),
        },
        "days": {"since": engine.days.since, "items": engine.days.status()},
        "history": engine.latency.history(),
        "selftest": engine.selftest.status(now),
        "audit": engine.audit.status(),
        "audit_for_reports": engine.audit.for_reports(),
        "kubernetes": engine.kubernetes.status(now) if engine.kubernetes is not None else None,
    }


def records(engine: Engine, acks: Acks) -> dict[str, int]:
    figures = engine.records(acks)
    return {name: figures.get(name, 0) for name in RECORD_FIGURES}


def health(engine: Engine) -> str:
    """Return the one word for now: blind before loss before incident before starting."""
    if engine.blind:
        return "blind"
    if any(loss["acks"] == Acks.ALL.value and _recent(engine, loss) for loss in engine.casebook.losses):
        return "loss"
    if engine.incidents.open:
        return "incident"
    if not any(ledger.own.count(State.VERIFIED) for ledger in engine.truth.ledgers.values()):
        return "starting"
    return "ok"


def _recent(engine: Engine, loss: Mapping[str, object]) -> bool:
    proved_at = loss["proved_at"]
    return isinstance(proved_at, int | float) and engine.now.wall - proved_at < LOSS_SHOWN


def _kafka(engine: Engine) -> dict[str, object]:
    view = engine.view
    brokers = engine.known_brokers
    up = set(view.brokers) if view is not None and engine.reachable else set()
    return {
        "cluster_id": view.cluster_id if view is not None else None,
        "reachable": engine.reachable,
        "observed_at": engine.view_asked.wall if engine.view_asked is not None else None,
        "controller": engine.quorum.leader if engine.quorum is not None else None,
        "brokers": [{"id": id_, "address": brokers[id_], "up": id_ in up} for id_ in sorted(brokers)],
        "under_replicated": len(under_replicated(view)) if view is not None else 0,
        "under_min_isr": len(under_min_isr(view)) if view is not None else 0,
        "offline": len(offline(view)) if view is not None else 0,
        **engine.connection.status(),
    }


def _partitions(engine: Engine) -> list[dict[str, object]]:
    """There may be thousands: what concerns all of them is asked for once."""
    down = {operation: frozenset(engine.availability.unavailable(operation)) for operation in Operation}
    seen = probe_partitions(engine.view) if engine.view is not None else {}
    return [_partition(engine, partition, seen.get(partition), down) for partition in sorted(engine.truth.ledgers)]


def _partition(
    engine: Engine,
    partition: ProbePartition,
    seen: PartitionView | None,
    down: Mapping[Operation, Container[ProbePartition]],
) -> dict[str, object]:
    ledger = engine.truth.ledgers[partition]
    oldest = ledger.oldest_awaiting()
    return {
        "acks": partition.acks.value,
        "partition": partition.partition,
        "leader": seen.leader if seen is not None else -1,
        "replicas": list(seen.replicas) if seen is not None else [],
        "isr": list(seen.isr) if seen is not None else [],
        "writable": partition not in down[Operation.PRODUCE],
        "readable": partition not in down[Operation.CONSUME],
        "lag_records": len(ledger.own.sets[State.AWAITING]),
        "lag_seconds": max(engine.now.mono - oldest.mono, 0.0) if oldest is not None else 0.0,
        "suspected": sum(len(account.suspected) for account in ledger.accounts.values()),
    }
