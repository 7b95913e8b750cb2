"""What a status snapshot says, as gauges. A gauge without series means that its fact is not known."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from kafka_sentinel.adapters.metric_labels import CAUSES, PHASES
from kafka_sentinel.core.kubernetes.report import stuck_by_reason

if TYPE_CHECKING:
    from collections.abc import Mapping

Gauges = dict[str, dict[tuple[str, ...], float]]  # metric → label values in the order of the catalogue → value

# The snapshot knows one reader; the series of the other stay as they are.
WITHIN = {"consumer_lag_records": ("verifier",), "consumer_lag_seconds": ("verifier",)}

_RECORD_GAUGES = {
    "records_in_flight": "in_flight",
    "records_awaiting": "awaiting",
    "records_overdue": "overdue",
    "records_suspected": "suspected",
    "records_uncertain_unresolved": "unresolved",
}


def status_gauges(status: Mapping[str, Any]) -> Gauges:
    """Return all there is to say about each metric named; series that are not in the answer have to go."""
    partitions = status["partitions"]
    return {
        **_records(status["records"]),
        **_partitions(partitions),
        **_cluster(status["kafka"], partitions),
        **_incidents(status["incidents"], status["losses"]),
        **_experiments(status["experiments"]),
        **_kubernetes(status.get("kubernetes")),
        "audit_findings": _audit(status.get("audit")),
        "selftest_next_run_timestamp_seconds": _selftest(status.get("selftest")),
        "certificate_expiry_timestamp_seconds": {(key,): at for key, at in status["kafka"]["certificates"].items()},
    }


def last_successes(status: Mapping[str, Any]) -> dict[str, float]:
    """Return when each experiment whose last run passed did so; of the others an earlier success stands."""
    items = status["experiments"]["items"]
    return {item["name"]: item["last_run"] for item in items if item["last_result"] == "passed" and item["last_run"]}


def _records(records: Mapping[str, Mapping[str, int]]) -> Gauges:
    return {
        metric: {(acks,): numbers[field] for acks, numbers in records.items()}
        for metric, field in _RECORD_GAUGES.items()
    }


def _partitions(partitions: list[Mapping[str, Any]]) -> Gauges:
    alarm = [partition for partition in partitions if partition["acks"] == "all"]
    return {
        "probe_partitions": {(): len(partitions)},
        "partitions_unavailable": {
            ("produce",): sum(not partition["writable"] for partition in partitions),
            ("consume",): sum(not partition["readable"] for partition in partitions),
        },
        "consumer_lag_records": {("verifier", str(each["partition"])): each["lag_records"] for each in alarm},
        "consumer_lag_seconds": {("verifier", str(each["partition"])): each["lag_seconds"] for each in alarm},
    }


def _cluster(kafka: Mapping[str, Any], partitions: list[Mapping[str, Any]]) -> Gauges:
    metrics = (
        "brokers",
        "brokers_unprobed",
        "partitions_under_replicated",
        "partitions_under_min_isr",
        "partitions_offline",
    )
    if not kafka["reachable"] or kafka["observed_at"] is None:
        return {metric: {} for metric in metrics}
    up = {broker["id"] for broker in kafka["brokers"] if broker["up"]}
    leaders = {partition["leader"] for partition in partitions if partition["acks"] == "all"}
    return {
        "brokers": {("up",): len(up), ("down",): len(kafka["brokers"]) - len(up)},
        "brokers_unprobed": {(): len(up - leaders)},
        "partitions_under_replicated": {(): kafka["under_replicated"]},
        "partitions_under_min_isr": {(): kafka["under_min_isr"]},
        "partitions_offline": {(): kafka["offline"]},
    }


def _incidents(incidents: list[Mapping[str, Any]], losses: list[Mapping[str, Any]]) -> Gauges:
    still_open = Counter(incident["cause"] for incident in incidents if incident["closed_at"] is None)
    recovery: dict[tuple[str, ...], float] = {}
    seen: set[str] = set()
    for incident in incidents:  # newest first
        cause = incident["cause"]
        if incident["closed_at"] is None or cause in seen:
            continue
        seen.add(cause)
        phases = incident["phases"]
        recovery |= {(cause, phase): phases[phase] for phase in PHASES if phases.get(phase) is not None}
    causes = {incident["id"]: incident["cause"] for incident in incidents}
    last_loss: dict[tuple[str, ...], float] = {}
    for loss in losses:
        key = (loss["acks"], causes.get(loss["incident"], loss["cause"]))
        last_loss[key] = max(last_loss.get(key, 0), loss["proved_at"])
    return {
        "incidents_open": {(cause,): still_open[cause] for cause in CAUSES},
        "recovery_last_seconds": recovery,
        "last_loss_timestamp_seconds": last_loss,
    }


def _experiments(experiments: Mapping[str, Any]) -> Gauges:
    items = experiments["items"]
    return {
        "experiments_armed": {(): experiments["armed"]},
        "experiments_paused": {(): experiments["paused"]},
        "experiments_latched": {(): experiments["latched"] is not None},
        "experiment_next_run_timestamp_seconds": {
            (item["name"],): item["next_run"] for item in items if item["next_run"] is not None
        },
    }


def _audit(audit: Mapping[str, Any] | None) -> dict[tuple[str, ...], float]:
    return {} if audit is None else {(severity,): count for severity, count in audit["counts"].items()}


def _selftest(facts: Mapping[str, Any] | None) -> dict[tuple[str, ...], float]:
    return {} if facts is None else {(): facts["next_run"]}


_BROKER_COUNTS = {
    "brokers_on_spot": "on_spot",
    "brokers_sharing_node": "sharing_node",
    "brokers_on_local_volume": "on_local_volume",
}


def _kubernetes(facts: Mapping[str, Any] | None) -> Gauges:
    if facts is None:
        return {}
    counts, exposure, stuck = facts["counts"], facts["exposure"], stuck_by_reason(facts)
    partitions = {} if exposure is None else exposure["partitions"]
    return {
        **{metric: {} if counts[name] is None else {(): counts[name]} for metric, name in _BROKER_COUNTS.items()},
        "broker_pods_stuck": {} if stuck is None else {(reason,): count for reason, count in stuck.items()},
        "partitions_exposed": {(domain,): count for domain, count in partitions.items() if count is not None},
        "watch_last_sync_timestamp_seconds": {
            (watch["resource"],): watch["synced_at"] for watch in facts["watches"] if watch["synced_at"] is not None
        },
    }


def features(status: Mapping[str, Any]) -> dict[str, bool]:
    """Return which parts of Kubernetes are seen or held just now, by the names of `feature_enabled`."""
    facts, experiments = status.get("kubernetes"), status["experiments"]
    lease, refused = experiments.get("lease"), experiments.get("not_permitted")
    return {
        **({"lease": lease["held"]} if lease is not None else {}),
        **({"kubernetes_faults": not refused} if refused is not None else {}),
        **{
            f"kubernetes_{watch['resource']}": watch["code"] is None and watch["synced_at"] is not None
            for watch in (facts["watches"] if facts is not None else ())
        },
    }
