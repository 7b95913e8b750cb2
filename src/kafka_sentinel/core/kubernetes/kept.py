"""What is kept of objects that may be large, and the keys by which volumes name their place."""

from __future__ import annotations

from kafka_sentinel.core.kubernetes.views import HOSTNAME_LABEL, ZONE_LABELS

# Annotations that are kept; the others of a pod can be larger than the rest of it.
ANNOTATIONS = frozenset(
    {
        "cluster-autoscaler.kubernetes.io/safe-to-evict",
        "cluster-autoscaler.kubernetes.io/scale-down-disabled",
        "karpenter.sh/do-not-disrupt",
        "karpenter.sh/nodeclaim-termination-timestamp",
        "strimzi.io/manual-rolling-update",
        "strimzi.io/node-pools",
        "strimzi.io/kraft",
        "strimzi.io/pause-reconciliation",
        "strimzi.io/revision",
    }
)
OUR_ANNOTATIONS = "kafka-sentinel.io/"
RECLAIM = f"{OUR_ANNOTATIONS}reclaim"  # taint, label and annotation of a node whose reclaim is rehearsed

# Environment variables that tell a broker's id, or the id of the first pod of its StatefulSet (KAFKA_MIN_ID: Bitnami's
# chart, bitnami/kafka/templates/_init_containers.tpl).
VARIABLES = frozenset({"KAFKA_BROKER_ID", "KAFKA_NODE_ID", "KAFKA_CFG_BROKER_ID", "KAFKA_CFG_NODE_ID", "KAFKA_MIN_ID"})

# Keys of a volume's node affinity that name one node. The CSI drivers of local disks have keys of their own.
HOSTNAME_KEYS = frozenset(
    {HOSTNAME_LABEL, "topology.topolvm.io/node", "openebs.io/nodename", "topology.hostpath.csi/node"}
)
ZONE_KEYS = frozenset(
    {*ZONE_LABELS, "topology.ebs.csi.aws.com/zone", "topology.gke.io/zone", "topology.disk.csi.azure.com/zone"}
)
