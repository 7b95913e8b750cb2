"""A realistic status, in each of the states the page has to tell apart."""

from __future__ import annotations

import math
from typing import Any, Literal

from kafka_sentinel.core.drills import Anomaly
from kafka_sentinel.core.incident import in_short

Scene = Literal["calm", "incident", "loss", "blind", "starting"]
NOW = 1_790_000_000.0
MINUTE = 60.0
HOUR = 3600.0
PHASES = ("detected", "leader", "produce", "consume", "pod", "isr", "lag", "full")


def status(scene: Scene = "calm", now: float = NOW) -> dict[str, Any]:
    failing = scene in ("incident", "loss")
    result = {
        "version": "0.1.0",
        "now": now,
        "started_at": now - 19 * HOUR,
        "instance": "kafka-sentinel-stage",
        "run": "9f3ac07be1d24456",
        "health": {"calm": "ok"}.get(scene, scene),
        "kafka": _kafka(now, failing=failing, reachable=scene != "blind"),
        "records": {"all": _records(lost=137 if scene == "loss" else 0, failing=failing), "1": _records(lost=2210)},
        "blind_seconds": 41.5 if scene != "blind" else 131.0,
        "availability": {"produce": 0.99931, "consume": 0.99974},
        "latency_seconds": {
            "produce_p50": 0.0042,
            "produce_p99": 0.019,
            "end_to_end_p50": 0.0071,
            "end_to_end_p99": 0.031,
        },
        "partitions": [
            _partition(acks, number, down=2 if failing else None) for acks in ("all", "1") for number in range(6)
        ],
        "incidents": _incidents(now, scene),
        "selftest": _selftest(now),
        "audit": _audit(now),
        "audit_for_reports": None,
        "older_incidents": [in_short(incident(1, now - 900 * HOUR, cause="spot"))],
        "slo": {"availability": 99.9, "produce": 1.0, "consume": 2.0, "recovery": dict.fromkeys(PHASES, 15.0)},
        "days": {
            "since": now - 1_000 * HOUR,
            "items": [{"day": "2026-09-20", "counts": {"sent_all": 86_400, "produce_good": 86_399, "lived": 86_400.0}}],
        },
        "losses": _losses(now) if scene == "loss" else [],
        "experiments": _experiments(now, latched=scene == "loss"),
        "history": [_minute(now, age) for age in range(360, 0, -1)],
        "kubernetes": _kubernetes(now, failing=failing),
    }
    return _starting(result) if scene == "starting" else result


def _selftest(now: float) -> dict[str, Any]:
    """Return a drill in which all was found."""
    return {
        "at": now - 21 * MINUTE,
        "next_run": now + 39 * MINUTE,
        "detected": [anomaly.value for anomaly in Anomaly],
        "missed": [],
    }


def _audit(now: float) -> dict[str, Any]:
    """Return the worst of nine findings."""
    found = (
        ("brokers-share-node", "critical", "Several brokers on one node", "brokers 1 and 2 are on node ip-10-0-1-12"),
        (
            "topic-min-isr-1",
            "warning",
            "min.insync.replicas 1",
            "2 topics with min.insync.replicas 1: clicks and audit",
        ),
        ("no-drain-cleaner", "warning", "No Strimzi Drain Cleaner", "evictions are answered by the budget alone"),
        ("acl-for-everything", "info", "Access rules for everything", "User:tool may do everything to all topics"),
    )
    return {
        "at": now - 12 * MINUTE,
        "counts": {"critical": 1, "warning": 2, "info": 6},
        "findings": [dict(zip(("rule", "severity", "title", "what"), one, strict=True)) for one in found],
        "left_out": 5,
        "not_looked_at": ["access rules: not allowed"],
        "not_judged": ["acl-for-everybody", "no-authorizer"],
    }


def incident(number: int, started_at: float, *, cause: str = "experiment", scale: float = 1.0) -> dict[str, Any]:
    seconds = (0.4, 2.1, 3.4, 3.9, 8.7, 9.2, 6.0, 14.5)
    return {
        "id": f"i-{number:04d}",
        "cause": cause,
        "fault": "process-kill" if cause == "experiment" else None,
        "target": f"broker {number % 3}" + (", leader of partition 4" if number % 2 else ""),
        "brokers": [number % 3],
        "load": None,
        "started_at": started_at,
        "opened_at": started_at + 0.4,
        "closed_at": started_at + 40 * scale,
        "phases": {phase: round(value * scale, 2) for phase, value in zip(PHASES, seconds, strict=True)},
        "lost": 0,
        "lost_by_acks": {"all": 0, "1": 0},
        "duplicated": 0,
        "verdict": "passed" if scale < 3 else "failed",
        "state": "closed",
        "reasons": [] if scale < 3 else ["produce took 11.2 s; the objective is 10 s"],
    }


def _kafka(now: float, *, failing: bool, reachable: bool) -> dict[str, Any]:
    return {
        "cluster_id": "MkU3OEVBNTcwNTJENDM2Qg",
        "reachable": reachable,
        "observed_at": now - (0.6 if reachable else 89.0),
        "controller": 1,
        "brokers": [
            {
                "id": broker,
                "address": f"kafka-{broker}.kafka-brokers.kafka.svc:9092",
                "up": not (failing and broker == 2),
            }
            for broker in range(3)
        ],
        "under_replicated": 61 if failing else 0,
        "under_min_isr": 0,
        "offline": 0,
        "trouble": None,
        "certificates": {"ca_file": now + 30 * 86_400.0},
    }


def _records(*, lost: int, failing: bool = False) -> dict[str, int]:
    zero = dict.fromkeys(
        (
            *("rejected", "redelivered", "reordered", "corrupted", "corrupted_acked"),
            *("conflicting", "foreign", "expired", "late"),
        ),
        0,
    )
    awaiting = 84 if failing else 3
    return zero | {
        "sent": 4_104_312,
        "acked": 4_104_203,
        "uncertain": 97,
        "in_flight": 12,
        "verified": 4_104_203 - awaiting - lost - 140,
        "lost": lost,
        "lost_before": 0,
        "duplicated": 0,
        "unaccounted": 140,
        "awaiting": awaiting,
        "overdue": 61 if failing else 0,
        "suspected": 0,
        "unresolved": 20 if failing else 0,
        "present": 31,
        "absent": 46 if failing else 66,
    }


def _partition(acks: str, number: int, down: int | None) -> dict[str, Any]:
    replicas = [number % 3, (number + 1) % 3, (number + 2) % 3]
    isr = [replica for replica in replicas if replica != down]
    hit = replicas[0] == down
    electing = hit and number == 5
    return {
        "acks": acks,
        "partition": number,
        "leader": -1 if electing else isr[0],
        "replicas": replicas,
        "isr": isr,
        "writable": not electing,
        "readable": not electing,
        "lag_records": 61 if electing else 0,
        "lag_seconds": 6.1 if electing else 0.0,
        "suspected": 0,
    }


def _incidents(now: float, scene: Scene) -> list[dict[str, Any]]:
    causes = ("experiment", "spot", "experiment", "experiment", "rollout", "experiment", "drain", "experiment")
    past = [
        incident(
            40 - index, now - (index + 1) * 47 * MINUTE, cause=cause, scale=3.3 if index == 4 else 0.6 + 0.2 * index
        )
        for index, cause in enumerate(causes)
    ]
    if scene == "incident":
        current = incident(41, now - 6.2)
        current |= {
            "closed_at": None,
            "verdict": None,
            "state": "open",
            "target": "broker 2, leader of partitions 2, 5",
        }
        current["phases"] |= {"consume": None, "pod": None, "isr": None, "lag": None, "full": None}
        current["reasons"] = ["partition 5 has no leader", "broker 2 is down"]
        return [current, *past]
    if scene == "loss":
        past[0] |= {"lost": 137, "verdict": "failed", "cause": "spot", "fault": None}
        past[0]["started_at"] = now - 4 * MINUTE
        past[0]["closed_at"] = now - 3 * MINUTE
        past[0]["reasons"] = ["137 acknowledged records were lost"]
    return past


def _losses(now: float) -> list[dict[str, Any]]:
    loss = {
        "acks": "all",
        "partition": 2,
        "run": "9f3ac07be1d24456",
        "first_sequence": 682_011,
        "count": 96,
        "offset": 682_044,
        "seen": "never",
        "acked_at": now - 4 * MINUTE,
        "proved_at": now - 3.5 * MINUTE,
        "leader_epoch_before": 17,
        "topic_id": "hCkVXoqzTcSQfRzUIp2hGg",
        "stands_there": "record 682140 of run 9f3ac07be1d24456",
        "incident": "i-0040",
        "cause": "spot",
    }
    return [
        loss,
        loss | {"partition": 5, "first_sequence": 681_940, "count": 41, "seen": "before", "stands_there": None},
    ]


def _experiments(now: float, *, latched: bool) -> dict[str, Any]:
    skip = {"guard": "steady", "reason": "partition 5 was not writable 12 s ago; steady for 60 s is asked for"}
    return {
        "armed": True,
        "dry_run": False,
        "paused": False,
        "latched": "137 acknowledged records were lost in i-0040" if latched else None,
        "items": [
            {
                "name": "kill-a-leader",
                "fault": "process-kill",
                "target": "leader",
                "schedule": "every 47 minutes",
                "next_run": None if latched else now + 11 * MINUTE + 20,
                "last_run": now - 47 * MINUTE,
                "last_result": "passed",
                "last_skip": None,
                **_judged("latched" if latched else None),
            },
            {
                "name": "pause-the-controller",
                "fault": "process-pause",
                "target": "controller",
                "schedule": "tue,thu 10:30 Europe/Zurich",
                "next_run": None if latched else now + 21 * HOUR,
                "last_run": None,
                "last_result": None,
                "last_skip": skip | {"at": now - 26 * HOUR},
                **_judged("min_gap"),
            },
        ],
    }


def _judged(denial: str | None) -> dict[str, Any]:
    """Return what the guards would say if it were due; that it is not due, they say as well."""
    guards = [
        {"guard": guard, "allowed": guard not in ("schedule", denial), "seen": "1", "threshold": "2", "reason": reason}
        for guard, reason in (
            ("latched", "held until resumed" if denial == "latched" else ""),
            ("schedule", "not due"),
            ("min_gap", "a broker was lost 47 min ago; 60 min are asked for" if denial == "min_gap" else ""),
        )
    ]
    return {
        "run": None,
        "state": None,
        "targets": [1],
        "pods": ["orders-broker-1"],
        "node": None,
        "allowed": False,
        "first_denial": "schedule",
        "guards": guards,
    }


def _minute(now: float, age: int) -> dict[str, Any]:
    hit = age % 47 == 0
    wave = 1 + 0.25 * math.sin(age / 17) + 0.15 * math.sin(age / 5)
    if 200 < age < 207:  # Sentinel did not run
        return {"at": now - age * MINUTE, "lag_records": 0} | dict.fromkeys(
            ("produce_p99", "end_to_end_p99", "produce_good", "consume_good")
        )
    return {
        "at": now - age * MINUTE,
        "produce_p99": round((3.2 if hit else 0.018) * wave, 4),
        "end_to_end_p99": round((3.9 if hit else 0.029) * wave, 4),
        "produce_good": 0.962 if hit else 1.0,
        "consume_good": 0.971 if hit else 1.0,
        "lag_records": 61 if hit else 0,
    }


NODE = "ip-10-0-1-{}.eu-west-1.compute.internal"


def _node(number: int, *, gone: bool = False) -> dict[str, Any]:
    return {
        "name": NODE.format(number),
        "zone": "eu-west-1" + "abc"[number],
        "capacity": "spot" if number else "on_demand",
        "ready": not gone,
        "closed": gone,
        "disruption": "gone" if gone else None,
        "brokers": [] if gone else [number],
    }


def _kubernetes(now: float, *, failing: bool) -> dict[str, Any]:
    node = NODE
    pods = [
        {
            "name": f"orders-broker-{broker}",
            "broker": broker,
            "roles": ["broker", "controller"],
            "node": None if failing and broker == 2 else node.format(broker),
            "zone": None if failing and broker == 2 else "eu-west-1" + "abc"[broker],
            "capacity": "unknown" if failing and broker == 2 else "spot" if broker else "on_demand",
            "claims": [f"data-orders-broker-{broker}"],
            "local": True,
            "ready": not (failing and broker == 2),
            "deleting": False,
        }
        for broker in (0, 1, 2)
    ]
    text = f"its volume pv-2 is on node {node.format(2)}, which does not exist"
    disruption = {
        "node": node.format(2),
        "node_uid": "6d8f",
        "capacity": "spot",
        "class": "gone",
        "cause": "spot",
        "announced": True,
        "source": "aws-node-termination-handler",
        "brokers": [2],
        "opened_at": now - 4 * MINUTE,
        "lost_at": now - 2 * MINUTE,
        "lead_seconds": 121.4,
        "outcome": None,
        "reasons": [f"node {node.format(2)}: spot interruption notice", f"node {node.format(2)} is gone"],
    }
    resources = ("nodes", "pods", "persistentvolumeclaims", "persistentvolumes", "poddisruptionbudgets", "events")
    return {
        "flavour": "strimzi",
        "namespace": "kafka",
        "cluster": "orders",
        "problems": [],
        "nodes": [_node(0), _node(1), _node(2, gone=failing)],
        "pods": pods,
        "sides": [
            {"name": "orders-entity-operator-0", "role": "entity_operator", "node": node.format(0), "ready": True}
        ],
        "shared": ["brokers 1 and 2 are on spot nodes"],
        "counts": {"on_spot": 1 if failing else 2, "sharing_node": 0, "on_local_volume": 3, "stuck": int(failing)},
        "exposure": {
            "partitions": {"node": 0, "zone": 0, "spot_pool": 41},
            "sentences": ["if the spot pool went, 41 partitions would fall below min.insync.replicas"],
            "unplaced": [2] if failing else [],
            "unjudged_topics": 0,
        },
        "stuck": [
            {"pod": "orders-broker-2", "reason": "volume_node_lost", "text": text, "since": now - MINUTE}
            for _ in range(failing)
        ],
        "disruptions": [disruption] if failing else [],
        "watches": [
            {"resource": resource, "synced_at": now - 3, "code": None, "problem": None} for resource in resources
        ],
    }


def _starting(result: dict[str, Any]) -> dict[str, Any]:
    """Return what is known before the first answer of any broker."""
    result["kafka"] |= {"cluster_id": None, "reachable": False, "observed_at": None, "controller": None, "brokers": []}
    result["records"] = {acks: dict.fromkeys(numbers, 0) for acks, numbers in result["records"].items()}
    result["availability"] = dict.fromkeys(result["availability"])
    result["latency_seconds"] = dict.fromkeys(result["latency_seconds"])
    return result | {
        "kubernetes": None,
        "partitions": [],
        "incidents": [],
        "losses": [],
        "history": [],
        "blind_seconds": 0.0,
    }
