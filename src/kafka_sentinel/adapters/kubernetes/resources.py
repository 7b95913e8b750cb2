"""The resources Sentinel asks for, by the names and versions the API server knows them by."""

from __future__ import annotations

from kafka_sentinel.adapters.kubernetes.api import Resource

PODS = Resource("", "v1", "pods")
NODES = Resource("", "v1", "nodes")
CLAIMS = Resource("", "v1", "persistentvolumeclaims")
VOLUMES = Resource("", "v1", "persistentvolumes")
EVENTS = Resource("", "v1", "events")
CONFIG_MAPS = Resource("", "v1", "configmaps")
STATEFUL_SETS = Resource("apps", "v1", "statefulsets")
BUDGETS = Resource("policy", "v1", "poddisruptionbudgets")
LEASES = Resource("coordination.k8s.io", "v1", "leases")
ACCESS_REVIEWS = Resource("authorization.k8s.io", "v1", "selfsubjectaccessreviews")

# Custom resources: the version is found out, the first that is served of those given.
KAFKAS = Resource("kafka.strimzi.io", "", "kafkas")
KAFKA_VERSIONS = ("v1", "v1beta2")  # Strimzi from 0.49 on serves v1; before, v1beta2 alone; from 1.0 on, v1 alone
NODE_CLAIMS = Resource("karpenter.sh", "", "nodeclaims")
NODE_CLAIM_VERSIONS = ("v1", "v1beta1")  # v1 since Karpenter 1.0
