"""Every metric Sentinel exports, as data: name, type, meaning, labels with all their values.

Names, types and labels are a contract; docs/metrics.md is made from this module.
"""

from __future__ import annotations

from kafka_sentinel.adapters.metric_labels import (
    ACKS,
    ANNOUNCED,
    ANOMALY,
    BROKER_STATE,
    CAUSE,
    CLASS,
    CLIENT,
    DOMAIN,
    EXPERIMENT,
    EXPERIMENT_RESULT,
    FEATURE,
    GUARD,
    KAFKA_CODE,
    KUBERNETES_CODE,
    LATENCY_BUCKETS,
    LIBRDKAFKA,
    OPERATION,
    OUTCOME,
    PARTITION,
    PHASE,
    READER,
    RECOVERY_BUCKETS,
    RESOLUTION,
    RESOURCE,
    SECRET,
    SEEN,
    SELFTEST_RESULT,
    SEVERITY,
    SLOT_RESULT,
    SOURCE,
    STUCK_REASON,
    VERDICT,
    VERSION,
    Kind,
    Label,
    Metric,
)


def _counter(name: str, text: str, *labels: Label) -> Metric:
    return Metric(name, Kind.COUNTER, text, labels)


def _gauge(name: str, text: str, *labels: Label) -> Metric:
    return Metric(name, Kind.GAUGE, text, labels)


def _fact(name: str, text: str, *labels: Label) -> Metric:
    """Return a gauge that has no series until its fact is known: unknown is not zero."""
    return Metric(name, Kind.GAUGE, text, labels, absent=True)


def _latency(name: str, text: str, *labels: Label) -> Metric:
    return Metric(name, Kind.HISTOGRAM, text, labels, buckets=LATENCY_BUCKETS)


def _recovery(name: str, text: str, *labels: Label) -> Metric:
    return Metric(name, Kind.HISTOGRAM, text, labels, buckets=RECOVERY_BUCKETS)


_RECORDS = (
    _counter("records_sent_total", "Probe records handed to the Kafka client.", ACKS),
    _counter(
        "records_verified_total",
        "Acknowledged probe records that were read back for the first time; a later loss takes nothing back.",
        ACKS,
    ),
    _counter("records_expired_total", "Acknowledged probe records removed by retention before they were read.", ACKS),
    _counter(
        "records_unaccounted_total",
        "Probe records whose fate Sentinel cannot know, because of its own blind spot or a deleted topic; not lost.",
        ACKS,
    ),
    _counter(
        "records_lost_total",
        "Acknowledged probe records proved to be gone from the log, having been read before or never.",
        *(ACKS, CAUSE, SEEN),
    ),
    _counter(
        "records_duplicated_total",
        "Extra copies of probe records found in the log itself, counted once per sequence and offset.",
        *(ACKS, CAUSE),
    ),
    _counter("records_outcome_total", "Probe records by the outcome of their send.", ACKS, OUTCOME),
    _counter(
        "records_uncertain_resolved_total",
        "Probe records of uncertain outcome that were settled by reading; late ones arrived after they had been"
        " settled as absent and are counted under both, so the results must not be summed.",
        *(ACKS, RESOLUTION),
    ),
    _counter(
        "records_redelivered_total",
        "Probe records handed to the group consumer again at the same offset; an effect of consuming, not of the log.",
        ACKS,
    ),
    _counter("records_reordered_total", "Probe records found in the log behind a later one of the same run.", ACKS),
    _counter("records_corrupted_total", "Probe records that were truncated or failed their checksum.", ACKS),
    _counter(
        "records_conflicting_total",
        "Offsets at which two readings in the same leader epoch found different content.",
        ACKS,
    ),
    _counter("records_foreign_total", "Records in a probe topic that this Sentinel did not write.", ACKS),
    _gauge("records_in_flight", "Probe records sent whose outcome is not known yet.", ACKS),
    _gauge("records_awaiting", "Acknowledged probe records that were not read yet.", ACKS),
    _gauge(
        "records_overdue",
        "Acknowledged probe records that were not read within the objective; part of the awaiting ones, must not be"
        " added to them.",
        ACKS,
    ),
    _gauge(
        "records_suspected",
        "Acknowledged probe records that may be lost and wait for a recheck; part of the awaiting or verified ones,"
        " must not be added to them.",
        ACKS,
    ),
    _gauge("records_uncertain_unresolved", "Probe records of uncertain outcome that reading has not settled.", ACKS),
    _fact(
        "last_loss_timestamp_seconds",
        "When the last loss was proved, in Unix time; survives restarts of Sentinel.",
        *(ACKS, CAUSE),
    ),
)

_SERVICE = (
    _latency("produce_ack_latency_seconds", "Time from the send of a probe record to its acknowledgement.", ACKS),
    _latency("end_to_end_latency_seconds", "Time from the send of a probe record to its reading.", ACKS),
    _latency("commit_latency_seconds", "Time taken by an offset commit of the group consumer."),
    _fact(
        "consumer_lag_records",
        "Acknowledged probe records that the reader has not read; the readers must not be summed.",
        *(READER, PARTITION),
    ),
    _fact(
        "consumer_lag_seconds",
        "Age of the oldest acknowledged probe record that the reader has not read; must not be summed.",
        *(READER, PARTITION),
    ),
    _counter(
        "probe_slots_total",
        "Slots of one partition and one probe interval, by whether the operation met its objective; the operations"
        " must not be summed.",
        *(OPERATION, SLOT_RESULT),
    ),
    _gauge(
        "partitions_unavailable",
        "Probe partitions that cannot be written or read now; the operations must not be summed.",
        OPERATION,
    ),
    _counter(
        "partition_unavailable_seconds_total",
        "Time partitions could not be written or read, summed over the partitions; the operations must not be summed.",
        *(OPERATION, CAUSE),
    ),
    _counter(
        "unavailable_seconds_total",
        "Time during which any partition could not be written or read; the operations must not be summed.",
        *(OPERATION, CAUSE),
    ),
    _gauge("probe_partitions", "Partitions that are probed, of all probe topics."),
    _fact("brokers_unprobed", "Live brokers that lead no partition of the acks=all probe topic."),
)

_INCIDENTS = (
    _counter("incidents_total", "Closed incidents.", CAUSE, VERDICT),
    _gauge("incidents_open", "Incidents that are open, by the cause assumed so far.", CAUSE),
    _recovery(
        "recovery_seconds",
        "Time from the start of an incident to the end of each phase of recovery; phases overlap and must not be"
        " summed.",
        *(CAUSE, PHASE),
    ),
    _fact(
        "recovery_last_seconds",
        "Phases of recovery of the last closed incident; phases overlap and must not be summed.",
        *(CAUSE, PHASE),
    ),
    _fact(
        "slo_seconds",
        "Objective for each phase of recovery, where there is one; phases overlap and must not be summed.",
        PHASE,
    ),
    _fact("slo_availability_ratio", "Share of slots that must be good over 30 days (slo.availability)."),
    _counter("experiments_total", "Experiments that ended.", EXPERIMENT, EXPERIMENT_RESULT),
    _counter(
        "experiments_skipped_total",
        "Runs of an experiment that did not take place, by the first guard that denied.",
        *(EXPERIMENT, GUARD),
    ),
    _fact("experiment_next_run_timestamp_seconds", "When the experiment is due next, in Unix time.", EXPERIMENT),
    _fact("experiment_last_success_timestamp_seconds", "When the experiment last passed, in Unix time.", EXPERIMENT),
    _gauge("experiments_armed", "Whether experiments may inject faults (1) or only rehearse (0)."),
    _gauge("experiments_paused", "Whether experiments were paused by a person (1)."),
    _gauge("experiments_latched", "Whether a failed experiment or a loss holds all experiments until resumed (1)."),
)

_CLUSTER = (
    _counter("disruption_notices_total", "Signs that a node or pod is about to go or gone.", SOURCE, CLASS),
    _recovery("disruption_lead_seconds", "Time from the first notice to the loss of the node.", SOURCE),
    _counter(
        "node_disruptions_total",
        "Nodes with brokers on them that went away, by whether a notice came before.",
        *(CAUSE, ANNOUNCED),
    ),
    _counter("broker_restarts_total", "Broker restarts that were noticed.", CAUSE),
    _fact("brokers", "Brokers that are known, by state.", BROKER_STATE),
    _fact("partitions_under_replicated", "Partitions of any topic with a replica out of sync."),
    _fact(
        "partitions_under_min_isr",
        "Partitions of any topic below min.insync.replicas; part of the under-replicated ones, must not be added.",
    ),
    _fact(
        "partitions_offline",
        "Partitions of any topic without a leader; part of the under-replicated ones, must not be added.",
    ),
    _counter("leader_changes_total", "Changes of leader of probe partitions."),
    _counter("log_truncations_total", "Times the log of a probe partition was seen to go backwards."),
    _counter("group_rebalances_total", "Rebalances that the group consumer went through."),
    _fact(
        "partitions_exposed",
        "Partitions that would fall below min.insync.replicas if one node, one zone or all spot nodes went, the worst"
        " case of each; domains overlap and must not be summed.",
        DOMAIN,
    ),
    _fact("brokers_on_spot", "Brokers on spot nodes."),
    _fact("brokers_sharing_node", "Brokers that share their node with another broker of the cluster."),
    _fact("brokers_on_local_volume", "Brokers whose log lies on a volume bound to one node."),
    _fact("broker_pods_stuck", "Broker pods that cannot come back, by reason.", STUCK_REASON),
)

_SELF = (
    _counter("blind_seconds_total", "Time during which Sentinel itself was cut off and vouches for nothing."),
    _counter(
        "invariant_violations_total", "Times the accounts of a partition contradicted themselves and were closed."
    ),
    _counter("watch_restarts_total", "Kubernetes watches that had to be started again.", RESOURCE),
    _fact("watch_last_sync_timestamp_seconds", "When the watch last told anything, in Unix time.", RESOURCE),
    _counter("kubernetes_errors_total", "Failed requests to the Kubernetes API server.", KUBERNETES_CODE),
    _counter("kafka_errors_total", "Errors met by the Kafka clients.", KAFKA_CODE),
    _gauge(
        "feature_enabled",
        "Whether a part of Sentinel is switched on (1) and, of Kubernetes, the resource can be watched; of the Lease,"
        " whether it is held: a standby has 0.",
        FEATURE,
    ),
    _fact(
        "audit_findings",
        "Findings of the last audit of durability settings, placement and access; what could not be looked at is in"
        " none of them.",
        SEVERITY,
    ),
    _fact(
        "certificate_expiry_timestamp_seconds",
        "When the next certificate in a file that Sentinel uses expires, in Unix time.",
        SECRET,
    ),
    _fact("checkpoint_last_success_timestamp_seconds", "When the state was last saved, in Unix time."),
    _fact("recheck_last_success_timestamp_seconds", "When a recheck last succeeded, in Unix time."),
    _gauge("mailbox_depth", "Events that wait for the engine."),
    _counter("selftest_total", "Drills of the detector with injected anomalies.", ANOMALY, SELFTEST_RESULT),
    _fact("selftest_next_run_timestamp_seconds", "When the detector is drilled next, in Unix time."),
    _fact("build_info", "Always 1; the labels tell the versions in use.", VERSION, CLIENT, LIBRDKAFKA),
)

SECTIONS: tuple[tuple[str, tuple[Metric, ...]], ...] = (
    ("Records", _RECORDS),
    ("Latency and availability", _SERVICE),
    ("Incidents and experiments", _INCIDENTS),
    ("Cluster and nodes", _CLUSTER),
    ("Sentinel itself", _SELF),
)
CATALOGUE: dict[str, Metric] = {metric.name: metric for _, section in SECTIONS for metric in section}
