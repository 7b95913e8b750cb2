"""Is a node spot capacity? What the providers label, exactly.

Sources: kubernetes/autoscaler cluster-autoscaler/cloudprovider/aws/aws_wrapper.go and gce/gce_price_model.go;
kubernetes-sigs/karpenter pkg/apis/v1/labels.go; Azure/karpenter-provider-azure pkg/apis/v1beta1/labels.go; the user
guides of EKS (managed-node-groups), AKS (use-labels, spot-node-pool).
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

from kafka_sentinel.core.kubernetes.views import NodeView


class Capacity(StrEnum):
    SPOT = "spot"
    ON_DEMAND = "on_demand"
    UNKNOWN = "unknown"  # no label tells, or nodes may not be seen


SPOT_LABELS = (
    ("eks.amazonaws.com/capacityType", "SPOT"),
    ("karpenter.sh/capacity-type", "spot"),
    ("cloud.google.com/gke-spot", "true"),
    ("cloud.google.com/gke-preemptible", "true"),
    ("kubernetes.azure.com/scalesetpriority", "spot"),
    ("kubernetes.azure.com/priority", "spot"),
)
ON_DEMAND_LABELS = (
    ("eks.amazonaws.com/capacityType", "ON_DEMAND"),
    ("eks.amazonaws.com/capacityType", "CAPACITY_BLOCK"),
    ("karpenter.sh/capacity-type", "on-demand"),
    ("karpenter.sh/capacity-type", "reserved"),
    ("kubernetes.azure.com/priority", "regular"),
)


def capacity(node: NodeView | None, extra: Mapping[str, str] | None = None) -> Capacity:
    """Return what the labels of a node say. `extra`: further labels that mean spot, as configured."""
    if node is None:
        return Capacity.UNKNOWN
    labels = node.meta.labels
    if any(labels.get(key) == value for key, value in (*SPOT_LABELS, *(extra or {}).items())):
        return Capacity.SPOT
    if any(labels.get(key) == value for key, value in ON_DEMAND_LABELS):
        return Capacity.ON_DEMAND
    return Capacity.UNKNOWN
