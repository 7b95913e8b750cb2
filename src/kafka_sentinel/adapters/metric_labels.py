"""What metrics are made of: kinds, labels with all their values, buckets."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from kafka_sentinel.core.drills import Anomaly
from kafka_sentinel.core.experiments import RESULTS
from kafka_sentinel.core.guards import GUARD_NAMES
from kafka_sentinel.core.incident import Cause, Verdict
from kafka_sentinel.core.kubernetes.stuck import Reason
from kafka_sentinel.core.kubernetes.views import RESOURCES

PREFIX = "kafka_sentinel_"
CLUSTER_LABEL = "kafka_cluster"  # constant: on every series
OTHER = "other"  # counters of an open label gather here what comes after its limit is reached


class Kind(StrEnum):
    COUNTER = "counter"
    GAUGE = "gauge"
    HISTOGRAM = "histogram"


@dataclass(frozen=True, slots=True)
class Label:
    """A label and its values: all there can be, or, with a `limit`, those that exist from the start.

    `limit` is the most values one process exports of a label that depends on configuration or on the cluster; `rule`
    says in words where those values come from.
    """

    name: str
    values: tuple[str, ...] = ()
    rule: str = ""
    limit: int = 0  # 0: `values` is the closed set


@dataclass(frozen=True, slots=True)
class Metric:
    """`name` is without prefix. `absent`: no series exists before the event or fact it tells of is known."""

    name: str
    kind: Kind
    help: str
    labels: tuple[Label, ...] = ()
    absent: bool = False
    buckets: tuple[float, ...] = ()


CAUSES = tuple(cause.value for cause in Cause)
PHASES = ("detected", "leader", "produce", "consume", "pod", "isr", "lag", "full")
VERDICTS = tuple(verdict.value for verdict in Verdict)
ANOMALIES = tuple(anomaly.value for anomaly in Anomaly)
SOURCES = (
    "aws-node-termination-handler",
    "karpenter",
    "cluster-autoscaler",
    "eks",
    "gke",
    "aks",
    "oke",
    "cloud-provider",
    "kubelet",
    "kubernetes",
    "strimzi",
    "configured",
    "rehearsal",
)

ACKS = Label("acks", ("all", "1"))
CAUSE = Label("cause", CAUSES)
PHASE = Label("phase", PHASES)
VERDICT = Label("verdict", VERDICTS)
SEEN = Label("seen", ("never", "before"))
OUTCOME = Label("outcome", ("acked", "rejected", "uncertain"))
RESOLUTION = Label("result", ("present", "absent", "late"))
OPERATION = Label("operation", ("produce", "consume"))
SLOT_RESULT = Label("result", ("good", "bad", "blind"))
READER = Label("reader", ("verifier", "group"))
GUARD = Label("guard", GUARD_NAMES)
EXPERIMENT_RESULT = Label("result", RESULTS)
SOURCE = Label("source", SOURCES)
CLASS = Label("class", ("notice", "risk", "drain", "gone"))
ANNOUNCED = Label("announced", ("true", "false"))
BROKER_STATE = Label("state", ("up", "down"))
DOMAIN = Label("domain", ("node", "zone", "spot_pool"))
STUCK_REASON = Label("reason", tuple(reason.value for reason in Reason))
SEVERITY = Label("severity", ("critical", "warning", "info"))
FEATURES = (
    "acks_one",
    "group_consumer",
    "background_recheck",
    "experiments",
    "kubernetes",
    "lease",
    "kubernetes_faults",
)
FEATURE = Label("feature", (*FEATURES, *(f"kubernetes_{resource}" for resource in RESOURCES)))
ANOMALY = Label("anomaly", ANOMALIES)
SELFTEST_RESULT = Label("result", ("detected", "missed"))
PARTITION = Label("partition", rule="partition numbers of the acks=all probe topic", limit=1000)
EXPERIMENT = Label("experiment", rule="names of the configured experiments", limit=64)
RESOURCE = Label(
    "resource",
    rule="plural names of the Kubernetes resources that are watched; those in another namespace than Kafka's are"
    " `operator_pods` and `node_events`",
    limit=16,
)
SECRET = Label("secret", ("ca_file", "cert_file"), rule="settings, under kafka.security, that name a file")
KAFKA_CODE = Label("code", (OTHER,), rule="error names of the Kafka protocol and of librdkafka", limit=100)
KUBERNETES_CODE = Label(
    "code", (OTHER,), rule="HTTP status of the API server, or the kind of connection error", limit=32
)
VERSION = Label("version", rule="version of Kafka Sentinel; one value per process", limit=1)
CLIENT = Label("client", rule="version of the Python client; one value per process", limit=1)
LIBRDKAFKA = Label("librdkafka", rule="version of librdkafka; one value per process", limit=1)

LATENCY_BUCKETS = (
    *(0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5),
    *(1.0, 2.0, 3.0, 5.0, 10.0, 20.0, 30.0, 60.0, 120.0, 300.0),
)
RECOVERY_BUCKETS = (
    *(0.5, 1.0, 2.0, 3.0, 5.0, 7.5, 10.0, 15.0, 20.0, 30.0, 45.0),
    *(60.0, 120.0, 300.0, 600.0, 1800.0, 3600.0, 14400.0),
)
