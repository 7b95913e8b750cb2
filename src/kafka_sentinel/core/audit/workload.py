"""What the specification of a pod, a disruption budget and a Kafka resource says that placement is judged by.

Kept of raw API objects by the audit alone: the watches do without, so these need no memory all day.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from kafka_sentinel.core.kubernetes.fields import Fields, ObjectError
from kafka_sentinel.core.kubernetes.parsing import selector_at
from kafka_sentinel.core.kubernetes.selector import Selector
from kafka_sentinel.core.text import one_line

DEFAULT_GRACE = 30  # seconds, where a pod says nothing
MAX_DETAIL = 2_000  # characters kept of one detail for the inventory
MAX_DETAILS = 40  # details kept of one pod


@dataclass(frozen=True, slots=True)
class Separation:
    """What keeps pods apart. `required`: a pod that cannot be kept apart is not scheduled. `selector`: from whom."""

    topology: str  # label of nodes, as kubernetes.io/hostname
    required: bool
    selector: Selector | None

    def concerns(self, labels: Mapping[str, str]) -> bool:
        return self.selector is not None and self.selector.matches(labels)


@dataclass(frozen=True, slots=True)
class PodSpec:
    """`details`: (what, text) for the inventory. `memory`: whether every container asks for some."""

    name: str
    namespace: str
    labels: Mapping[str, str]
    grace: int  # seconds
    separations: tuple[Separation, ...]
    memory: bool
    details: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class BudgetSpec:
    """`expected`: pods it covers, `desired`: how many of them must stay; None: its controller did not say yet."""

    name: str
    text: str  # as "minAvailable 2"
    expected: int | None
    desired: int | None

    @property
    def allows(self) -> int | None:
        """How many may be away at once while all are well."""
        if self.expected is None or self.desired is None:
            return None
        return max(self.expected - self.desired, 0)


@dataclass(frozen=True, slots=True)
class ListenerSpec:
    """A listener of a Kafka resource. `kind`: internal, loadbalancer, …; `authentication` "": none."""

    name: str
    kind: str
    tls: bool
    authentication: str

    @property
    def is_outside(self) -> bool:
        """Tell whether it is meant for clients outside of the Kubernetes cluster."""
        return self.kind not in {"internal", "cluster-ip"}


@dataclass(frozen=True, slots=True)
class Extra:
    """An object that only the inventory asks for. `owner`: as "Kafka orders"; `details`: (what, text)."""

    kind: str
    namespace: str
    name: str
    owner: str
    details: tuple[tuple[str, str], ...]


def pod_spec(raw: object) -> PodSpec:
    """Read a pod. Raises ObjectError."""
    pod = Fields(raw, "pod")
    meta, spec = pod.at("metadata"), pod.at("spec")
    grace = spec.whole("terminationGracePeriodSeconds")
    containers = spec.each("containers")
    return PodSpec(
        name=meta.required("name"),
        namespace=meta.text("namespace") or "",
        labels=meta.texts("labels"),
        grace=DEFAULT_GRACE if grace is None else grace,
        separations=(*_affinities(spec), *_spreads(spec)),
        memory=all("memory" in one.at("resources").at("requests") for one in containers) and bool(containers),
        details=tuple(_details(raw))[:MAX_DETAILS],
    )


def _affinities(spec: Fields) -> Iterable[Separation]:
    apart = spec.at("affinity").at("podAntiAffinity")
    for term in apart.each("requiredDuringSchedulingIgnoredDuringExecution"):
        yield _separation(term, required=True)
    for weighted in apart.each("preferredDuringSchedulingIgnoredDuringExecution"):
        yield _separation(weighted.at("podAffinityTerm"), required=False)


def _spreads(spec: Fields) -> Iterable[Separation]:
    for one in spec.each("topologySpreadConstraints"):
        yield _separation(one, required=one.text("whenUnsatisfiable") == "DoNotSchedule" and one.whole("maxSkew") == 1)


def _separation(term: Fields, *, required: bool) -> Separation:
    return Separation(term.text("topologyKey") or "", required, selector_at(term, "labelSelector"))


# Of the specification of a pod, what people ask for and find nowhere in one place.
_OF_POD = (
    ("node selector", "nodeSelector"),
    ("tolerations", "tolerations"),
    ("affinity", "affinity"),
    ("topology spread", "topologySpreadConstraints"),
    ("grace period", "terminationGracePeriodSeconds"),
    ("priority class", "priorityClassName"),
    ("service account", "serviceAccountName"),
    ("pod security context", "securityContext"),
    ("host network", "hostNetwork"),
)
_OF_CONTAINER = (("resources", "resources"), ("security context", "securityContext"), ("image", "image"))


def _details(raw: object) -> Iterable[tuple[str, str]]:
    spec = _spec(raw)
    if spec is None:
        return
    for name, key in _OF_POD:
        yield name, _shown(spec.get(key))
    yield from _mounted(spec)
    for kind in ("initContainers", "containers"):
        for one in _maps(spec.get(kind)):
            for name, key in _OF_CONTAINER:
                yield f"{name} of {_shown(one.get('name'))}", _shown(one.get(key))


def _mounted(spec: Mapping[str, object]) -> Iterable[tuple[str, str]]:
    """Name the ConfigMaps and Secrets that are mounted; what is in them is not looked at."""
    given = _maps(spec.get("volumes"))
    for what, key, name in (("config maps", "configMap", "name"), ("secrets", "secret", "secretName")):
        names = [_shown(source.get(name)) for one in given if isinstance(source := one.get(key), Mapping)]
        yield what, ", ".join(names) or "none mounted"


def _spec(raw: object) -> Mapping[str, object] | None:
    """Return the specification of an object as it stands there; None if it has none."""
    spec = raw.get("spec") if isinstance(raw, Mapping) else None
    return spec if isinstance(spec, Mapping) else None


def _maps(value: object) -> list[Mapping[str, object]]:
    return [one for one in value if isinstance(one, Mapping)] if isinstance(value, list) else []


def _shown(value: object) -> str:
    if value in (None, {}, []):
        return "not set"
    try:
        text = value if isinstance(value, str) else json.dumps(value, separators=(", ", ": "), sort_keys=True)
    except RecursionError:
        return "nested too deeply to be shown"
    return one_line(text if len(text) <= MAX_DETAIL else f"{text[:MAX_DETAIL]}…")


def budget_spec(raw: object) -> BudgetSpec:
    """Read a disruption budget. Raises ObjectError."""
    budget = Fields(raw, "budget")
    spec, status = budget.at("spec"), budget.at("status")
    texts = [f"{key} {_number_or_share(raw, key)}" for key in ("minAvailable", "maxUnavailable") if key in spec]
    observed = budget.at("metadata").whole("generation") == status.whole("observedGeneration")
    return BudgetSpec(
        name=budget.at("metadata").required("name"),
        text=", ".join(texts),
        expected=status.whole("expectedPods") if observed else None,
        desired=status.whole("desiredHealthy") if observed else None,
    )


def _number_or_share(raw: object, key: str) -> str:
    """Return a field that is either a number or a percentage."""
    return _shown((_spec(raw) or {}).get(key))


def listeners(raw: object) -> tuple[ListenerSpec, ...]:
    """Read the listeners of a Kafka resource. Raises ObjectError."""
    kafka = Fields(raw, "kafka").at("spec").at("kafka")
    try:
        found = kafka.each("listeners")
    except ObjectError:
        return ()  # before Strimzi 0.22 it was an object; its brokers tell the same
    return tuple(
        ListenerSpec(
            name=one.text("name") or "",
            kind=one.text("type") or "",
            tls=one.flag("tls"),
            authentication=one.at("authentication").text("type") or "",
        )
        for one in found
    )


# Of other objects, the fields of their specification that say what they are.
_OF_EXTRA: Mapping[str, tuple[str, ...]] = {
    "Deployment": ("replicas",),
    "Service": ("type", "ports", "selector"),
    "KafkaNodePool": ("replicas", "roles", "storage", "resources", "template"),
    "KafkaTopic": ("topicName", "partitions", "replicas", "config"),
    "KafkaUser": ("authentication", "authorization", "quotas"),
    "NetworkPolicy": ("podSelector", "ingress"),
}


def extra(kind: str, raw: object) -> Extra:
    """Read an object of another kind. Raises ObjectError."""
    meta = Fields(raw, kind).at("metadata")
    given = _spec(raw) or {}
    return Extra(
        kind=kind,
        namespace=meta.text("namespace") or "",
        name=meta.required("name"),
        owner=", ".join(f"{one.text('kind')} {one.text('name')}" for one in meta.each("ownerReferences")),
        details=tuple((key, _shown(given[key])) for key in _OF_EXTRA.get(kind, ()) if key in given),
    )
