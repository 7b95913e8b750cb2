"""The resources Sentinel asks for, by the names and versions the API server knows them by."""

from __future__ import annotations

from dataclasses import dataclass, replace
from urllib.parse import quote


@dataclass(frozen=True, slots=True)
class Resource:
    """A kind of object by its plural name. `namespace` None: it has none, or all namespaces are meant."""

    group: str  # "" is the core group
    version: str
    plural: str
    namespace: str | None = None

    def path(self, name: str | None = None, subresource: str | None = None) -> str:
        """Return the URL's path of the collection, of one object, or of a part of that."""
        root = f"/apis/{self.group}/{self.version}" if self.group else f"/api/{self.version}"
        parts = [] if self.namespace is None else ["namespaces", self.namespace]
        parts += [part for part in (self.plural, name, subresource) if part is not None]
        return "/".join([root, *(quote(part, safe="") for part in parts)])

    def within(self, namespace: str | None) -> Resource:
        return replace(self, namespace=namespace)

    @property
    def title(self) -> str:
        """`pods`, `kafkas.kafka.strimzi.io`: what RBAC and people call it."""
        return f"{self.plural}.{self.group}" if self.group else self.plural


PODS = Resource("", "v1", "pods")
NODES = Resource("", "v1", "nodes")
CLAIMS = Resource("", "v1", "persistentvolumeclaims")
VOLUMES = Resource("", "v1", "persistentvolumes")
EVENTS = Resource("", "v1", "events")
CONFIG_MAPS = Resource("", "v1", "configmaps")
STATEFUL_SETS = Resource("apps", "v1", "statefulsets")
WEBHOOKS = Resource("admissionregistration.k8s.io", "v1", "validatingwebhookconfigurations")
BUDGETS = Resource("policy", "v1", "poddisruptionbudgets")
LEASES = Resource("coordination.k8s.io", "v1", "leases")
ACCESS_REVIEWS = Resource("authorization.k8s.io", "v1", "selfsubjectaccessreviews")

DEPLOYMENTS = Resource("apps", "v1", "deployments")
SERVICES = Resource("", "v1", "services")
SERVICE_ACCOUNTS = Resource("", "v1", "serviceaccounts")
NETWORK_POLICIES = Resource("networking.k8s.io", "v1", "networkpolicies")

# Custom resources: the version is found out, the first that is served of those given.
KAFKAS = Resource("kafka.strimzi.io", "", "kafkas")
KAFKA_VERSIONS = ("v1", "v1beta2")  # Strimzi from 0.49 on serves v1; before, v1beta2 alone; from 1.0 on, v1 alone
NODE_POOLS = Resource("kafka.strimzi.io", "", "kafkanodepools")
TOPICS = Resource("kafka.strimzi.io", "", "kafkatopics")
USERS = Resource("kafka.strimzi.io", "", "kafkausers")
POD_SETS = Resource("core.strimzi.io", "", "strimzipodsets")
POD_SET_VERSIONS = KAFKA_VERSIONS  # Strimzi makes them since 0.30
NODE_CLAIMS = Resource("karpenter.sh", "", "nodeclaims")
NODE_CLAIM_VERSIONS = ("v1", "v1beta1")  # v1 since Karpenter 1.0
