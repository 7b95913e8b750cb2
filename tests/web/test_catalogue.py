"""The catalogue is the contract, and docs/metrics.md says what it says."""

import re
from pathlib import Path

import pytest

from kafka_sentinel.adapters.metric_catalogue import CATALOGUE, SECTIONS
from kafka_sentinel.adapters.metric_docs import render_docs
from kafka_sentinel.adapters.metric_labels import OTHER, Label

ROOT = Path(__file__).parents[2]

# name: (type, labels), written by hand: whoever changes the catalogue against this breaks what others built on it.
CONTRACT: dict[str, tuple[str, tuple[str, ...]]] = {
    "records_sent_total": ("counter", ("acks",)),
    "records_verified_total": ("counter", ("acks",)),
    "records_expired_total": ("counter", ("acks",)),
    "records_unaccounted_total": ("counter", ("acks",)),
    "records_lost_total": ("counter", ("acks", "cause", "seen")),
    "records_duplicated_total": ("counter", ("acks", "cause")),
    "records_outcome_total": ("counter", ("acks", "outcome")),
    "records_uncertain_resolved_total": ("counter", ("acks", "result")),
    "records_redelivered_total": ("counter", ("acks",)),
    "records_reordered_total": ("counter", ("acks",)),
    "records_corrupted_total": ("counter", ("acks",)),
    "records_conflicting_total": ("counter", ("acks",)),
    "records_foreign_total": ("counter", ("acks",)),
    "records_in_flight": ("gauge", ("acks",)),
    "records_awaiting": ("gauge", ("acks",)),
    "records_overdue": ("gauge", ("acks",)),
    "records_suspected": ("gauge", ("acks",)),
    "records_uncertain_unresolved": ("gauge", ("acks",)),
    "last_loss_timestamp_seconds": ("gauge", ("acks", "cause")),
    "produce_ack_latency_seconds": ("histogram", ("acks",)),
    "end_to_end_latency_seconds": ("histogram", ("acks",)),
    "commit_latency_seconds": ("histogram", ()),
    "consumer_lag_records": ("gauge", ("reader", "partition")),
    "consumer_lag_seconds": ("gauge", ("reader", "partition")),
    "probe_slots_total": ("counter", ("operation", "result")),
    "partitions_unavailable": ("gauge", ("operation",)),
    "partition_unavailable_seconds_total": ("counter", ("operation", "cause")),
    "unavailable_seconds_total": ("counter", ("operation", "cause")),
    "probe_partitions": ("gauge", ()),
    "brokers_unprobed": ("gauge", ()),
    "incidents_total": ("counter", ("cause", "verdict")),
    "incidents_open": ("gauge", ("cause",)),
    "recovery_seconds": ("histogram", ("cause", "phase")),
    "recovery_last_seconds": ("gauge", ("cause", "phase")),
    "slo_seconds": ("gauge", ("phase",)),
    "slo_availability_ratio": ("gauge", ()),
    "experiments_total": ("counter", ("experiment", "result")),
    "experiments_skipped_total": ("counter", ("experiment", "guard")),
    "experiment_next_run_timestamp_seconds": ("gauge", ("experiment",)),
    "experiment_last_success_timestamp_seconds": ("gauge", ("experiment",)),
    "experiments_armed": ("gauge", ()),
    "experiments_paused": ("gauge", ()),
    "experiments_latched": ("gauge", ()),
    "disruption_notices_total": ("counter", ("source", "class")),
    "disruption_lead_seconds": ("histogram", ("source",)),
    "node_disruptions_total": ("counter", ("cause", "announced")),
    "broker_restarts_total": ("counter", ("cause",)),
    "brokers": ("gauge", ("state",)),
    "partitions_under_replicated": ("gauge", ()),
    "partitions_under_min_isr": ("gauge", ()),
    "partitions_offline": ("gauge", ()),
    "leader_changes_total": ("counter", ()),
    "log_truncations_total": ("counter", ()),
    "group_rebalances_total": ("counter", ()),
    "partitions_exposed": ("gauge", ("domain",)),
    "brokers_on_spot": ("gauge", ()),
    "brokers_sharing_node": ("gauge", ()),
    "brokers_on_local_volume": ("gauge", ()),
    "broker_pods_stuck": ("gauge", ("reason",)),
    "blind_seconds_total": ("counter", ()),
    "invariant_violations_total": ("counter", ()),
    "watch_restarts_total": ("counter", ("resource",)),
    "watch_last_sync_timestamp_seconds": ("gauge", ("resource",)),
    "kubernetes_errors_total": ("counter", ("code",)),
    "kafka_errors_total": ("counter", ("code",)),
    "feature_enabled": ("gauge", ("feature",)),
    "audit_findings": ("gauge", ("severity",)),
    "certificate_expiry_timestamp_seconds": ("gauge", ("secret",)),
    "checkpoint_last_success_timestamp_seconds": ("gauge", ()),
    "recheck_last_success_timestamp_seconds": ("gauge", ()),
    "mailbox_depth": ("gauge", ()),
    "selftest_total": ("counter", ("anomaly", "result")),
    "selftest_next_run_timestamp_seconds": ("gauge", ()),
    "build_info": ("gauge", ("version", "client", "librdkafka")),
}
CLOSED = {
    ("records_lost_total", "seen"): {"never", "before"},
    ("records_lost_total", "acks"): {"all", "1"},
    ("records_outcome_total", "outcome"): {"acked", "rejected", "uncertain"},
    ("records_uncertain_resolved_total", "result"): {"present", "absent", "late"},
    ("consumer_lag_records", "reader"): {"verifier", "group"},
    ("probe_slots_total", "operation"): {"produce", "consume"},
    ("probe_slots_total", "result"): {"good", "bad", "blind"},
    ("incidents_total", "verdict"): {"passed", "failed", "inconclusive"},
    ("recovery_seconds", "phase"): {"detected", "leader", "produce", "consume", "pod", "isr", "lag", "full"},
    ("node_disruptions_total", "announced"): {"true", "false"},
    ("selftest_total", "anomaly"): {
        *("lost", "duplicated", "reordered", "corrupted", "conflicting", "foreign"),
        "late",
    },
    ("selftest_total", "result"): {"detected", "missed"},
    ("partitions_exposed", "domain"): {"node", "zone", "spot_pool"},
}
CAUSES = {"experiment", "spot", "drain", "node_failure", "rollout", "pod_deleted", "oom", "crash", "unknown"}


def label_of(metric: str, name: str) -> Label:
    return next(label for label in CATALOGUE[metric].labels if label.name == name)


def test_the_catalogue_is_the_contract() -> None:
    found = {
        name: (str(metric.kind), tuple(label.name for label in metric.labels)) for name, metric in CATALOGUE.items()
    }
    assert found == CONTRACT


@pytest.mark.parametrize(("metric", "label"), CLOSED)
def test_label_values_of_the_contract_are_closed_sets(metric: str, label: str) -> None:
    found = label_of(metric, label)
    assert set(found.values) == CLOSED[metric, label]
    assert found.limit == 0


def test_every_cause_label_has_the_same_closed_set() -> None:
    for metric in CATALOGUE.values():
        for label in metric.labels:
            if label.name == "cause":
                assert set(label.values) == CAUSES


def test_no_metric_name_occurs_twice() -> None:
    assert sum(len(metrics) for _, metrics in SECTIONS) == len(CATALOGUE)


def test_every_label_is_either_closed_or_says_where_its_values_come_from_and_how_many_there_can_be() -> None:
    for metric in CATALOGUE.values():
        for label in metric.labels:
            assert (label.values and not label.limit) or (label.rule and label.limit)


def test_counters_of_open_labels_have_a_place_for_what_exceeds_the_limit() -> None:
    for name in ("kafka_errors_total", "kubernetes_errors_total"):
        assert OTHER in label_of(name, "code").values


def test_help_is_a_sentence_and_phases_and_domains_warn_against_sums() -> None:
    for metric in CATALOGUE.values():
        assert re.fullmatch(r"[A-Z].*\.", metric.help), metric.name
        names = {label.name for label in metric.labels}
        if names & {"phase", "domain", "operation"}:
            assert "must not be summed" in metric.help, metric.name


def test_buckets_span_what_the_contract_says() -> None:
    for metric in CATALOGUE.values():
        if metric.buckets:
            span = (0.5, 14400.0) if metric.name in ("recovery_seconds", "disruption_lead_seconds") else (0.002, 300.0)
            assert (metric.buckets[0], metric.buckets[-1]) == span
            assert list(metric.buckets) == sorted(set(metric.buckets))


def test_docs_are_current() -> None:
    assert (ROOT / "docs" / "metrics.md").read_text() == render_docs(), "run: make docs"
