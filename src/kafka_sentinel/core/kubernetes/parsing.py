"""Raw API JSON to views: `parse` for any kind.

Optional fields may be missing (a pod that was just created has no status). What identifies an object may not, and a
field of a wrong type is an `ObjectError`: whatever the rest says, it is not what it claims to be.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from kafka_sentinel.core.kubernetes.fields import Fields
from kafka_sentinel.core.kubernetes.kept import ANNOTATIONS, HOSTNAME_KEYS, OUR_ANNOTATIONS, VARIABLES, ZONE_KEYS
from kafka_sentinel.core.kubernetes.selector import OPERATORS, Requirement, Selector
from kafka_sentinel.core.kubernetes.views import (
    BudgetView,
    ClaimView,
    Condition,
    ContainerView,
    EventView,
    Exit,
    KafkaResourceView,
    Kind,
    Meta,
    NodeClaimView,
    NodeView,
    Owner,
    PodSetView,
    PodView,
    StatefulSetView,
    Taint,
    View,
    VolumeUse,
    VolumeView,
)


def parse(kind: Kind, raw: object) -> View:
    """Return the view of one object. Raises ObjectError naming the object, the field and what was found."""
    return _PARSERS[kind](Fields(raw, _name_of(kind, raw)))


def _name_of(kind: Kind, raw: object) -> str:
    """Return how errors name an object, whatever is wrong with it."""
    meta = raw.get("metadata") if isinstance(raw, Mapping) else None
    if not isinstance(meta, Mapping) or not meta.get("name"):
        return f"{kind} without a name"
    return f"{kind} {meta['namespace']}/{meta['name']}" if meta.get("namespace") else f"{kind} {meta['name']}"


def _meta(raw: Fields) -> Meta:
    meta = raw.at("metadata")
    asked = meta.time("deletionTimestamp")
    if asked is not None:
        asked -= meta.whole("deletionGracePeriodSeconds") or 0
    return Meta(
        namespace=meta.text("namespace") or "",
        name=meta.required("name"),
        uid=meta.required("uid"),
        resource_version=meta.text("resourceVersion") or "",
        generation=meta.whole("generation") or 0,
        labels=meta.texts("labels"),
        annotations={
            key: value
            for key, value in meta.texts("annotations").items()
            if key in ANNOTATIONS or key.startswith(OUR_ANNOTATIONS)
        },
        created=meta.time("creationTimestamp"),
        deleted=asked,
        owners=tuple(
            Owner(one.text("kind") or "", one.text("name") or "", one.text("uid") or "")
            for one in meta.each("ownerReferences")
        ),
    )


def _conditions(status: Fields) -> tuple[Condition, ...]:
    return tuple(
        Condition(
            type=one.required("type"),
            status=one.text("status") or "Unknown",
            reason=one.text("reason") or "",
            message=one.message("message"),
            since=one.time("lastTransitionTime"),
        )
        for one in status.each("conditions")
    )


def selector_at(raw: Fields, key: str) -> Selector | None:
    if key not in raw:
        return None
    selector = raw.at(key)
    requirements = []
    for one in selector.each("matchExpressions"):
        operator = one.choice("operator", OPERATORS)
        requirements.append(Requirement(one.required("key"), operator, one.text_list("values")))
    return Selector(selector.texts("matchLabels"), tuple(requirements))


def _node(raw: Fields) -> NodeView:
    spec, status = raw.at("spec"), raw.at("status")
    return NodeView(
        meta=_meta(raw),
        provider_id=spec.text("providerID") or "",
        unschedulable=spec.flag("unschedulable"),
        taints=tuple(
            Taint(one.required("key"), one.text("value") or "", one.text("effect") or "", one.time("timeAdded"))
            for one in spec.each("taints")
        ),
        conditions=_conditions(status),
        boot_id=status.at("nodeInfo").text("bootID") or "",
    )


def _pod(raw: Fields) -> PodView:
    spec, status = raw.at("spec"), raw.at("status")
    return PodView(
        meta=_meta(raw),
        node=spec.text("nodeName") or None,
        phase=status.text("phase") or "",
        reason=status.text("reason") or "",
        message=status.message("message"),
        conditions=_conditions(status),
        containers=tuple(_container(one) for one in status.each("containerStatuses")),
        volumes=tuple(use for one in spec.each("volumes") if (use := _use(one, raw)) is not None),
        variables={
            one.required("name"): value
            for container in (*spec.each("initContainers"), *spec.each("containers"))
            for one in container.each("env")
            if one.required("name") in VARIABLES and (value := one.text("value")) is not None
        },
    )


def _container(raw: Fields) -> ContainerView:
    return ContainerView(
        name=raw.required("name"),
        ready=raw.flag("ready"),
        restarts=raw.whole("restartCount") or 0,
        waiting=raw.at("state").at("waiting").text("reason") or "",
        ended=_exit(raw.at("state")),
        ended_before=_exit(raw.at("lastState")),
    )


def _exit(state: Fields) -> Exit | None:
    if "terminated" not in state:
        return None
    ended = state.at("terminated")
    finished = ended.time("finishedAt")
    if finished is not None and finished <= 0:
        finished = None  # a runtime that lost a container says the year 1 or 1970
    return Exit(ended.whole("exitCode") or 0, ended.text("reason") or "", finished)


def _use(raw: Fields, pod: Fields) -> VolumeUse | None:
    name = raw.required("name")
    if "persistentVolumeClaim" in raw:
        return VolumeUse(name, "claim", raw.at("persistentVolumeClaim").required("claimName"))
    if "ephemeral" in raw:  # its claim is named after pod and volume
        return VolumeUse(name, "claim", f"{pod.at('metadata').required('name')}-{name}")
    if "emptyDir" in raw:
        return VolumeUse(name, "empty_dir")
    return VolumeUse(name, "host_path") if "hostPath" in raw else None


def _claim(raw: Fields) -> ClaimView:
    spec = raw.at("spec")
    phase = raw.at("status").text("phase") or ""
    return ClaimView(_meta(raw), spec.text("volumeName") or None, spec.text("storageClassName") or "", phase)


def _volume(raw: Fields) -> VolumeView:
    spec = raw.at("spec")
    terms = [
        term
        for one in spec.at("nodeAffinity").at("required").each("nodeSelectorTerms")
        for term in one.each("matchExpressions")
        if term.text("operator") == "In"
    ]
    hostnames = _values(terms, HOSTNAME_KEYS)
    ref = spec.at("claimRef")
    return VolumeView(
        meta=_meta(raw),
        claim=f"{ref.text('namespace') or ''}/{ref.required('name')}" if "claimRef" in spec else None,
        local="local" in spec or "hostPath" in spec or bool(hostnames),
        hostnames=hostnames,
        zones=_values(terms, ZONE_KEYS),
    )


def _values(terms: Iterable[Fields], keys: frozenset[str]) -> tuple[str, ...]:
    return tuple(sorted({value for term in terms if term.text("key") in keys for value in term.text_list("values")}))


def _budget(raw: Fields) -> BudgetView:
    status = raw.at("status")
    return BudgetView(
        meta=_meta(raw),
        selector=selector_at(raw.at("spec"), "selector"),
        allowed=status.whole("disruptionsAllowed"),
        healthy=status.whole("currentHealthy"),
        desired=status.whole("desiredHealthy"),
        observed_generation=status.whole("observedGeneration"),
    )


def _event(raw: Fields) -> EventView:
    about = raw.at("regarding" if "regarding" in raw else "involvedObject")
    times = [
        time
        for time in (
            raw.time("firstTimestamp"),
            raw.time("deprecatedFirstTimestamp"),
            raw.time("eventTime"),
            raw.time("lastTimestamp"),
            raw.time("deprecatedLastTimestamp"),
            raw.at("series").time("lastObservedTime"),
        )
        if time is not None
    ]
    source = raw.at("source").text("component") or raw.at("deprecatedSource").text("component")
    meta = _meta(raw)
    return EventView(
        meta=meta,
        about_kind=about.text("kind") or "",
        about_namespace=about.text("namespace") or "",
        about_name=about.text("name") or "",
        about_uid=about.text("uid") or "",
        reason=raw.text("reason") or "",
        action=raw.text("action") or "",
        component=raw.text("reportingController") or raw.text("reportingComponent") or source or "",
        message=raw.message("note") or raw.message("message"),
        first=min(times, default=meta.created),
        last=max(times, default=meta.created),
        count=raw.at("series").whole("count") or raw.whole("count") or raw.whole("deprecatedCount") or 1,
    )


def _kafka(raw: Fields) -> KafkaResourceView:
    meta, status = _meta(raw), raw.at("status")
    conditions = {one.type: one for one in _conditions(status)}
    failing = conditions.get("NotReady")
    ready = conditions.get("Ready")
    said = ready.status == "True" if ready is not None else None
    paused = conditions.get("ReconciliationPaused")
    return KafkaResourceView(
        meta=meta,
        api_version=raw.text("apiVersion") or "",
        cluster_id=status.text("clusterId") or None,
        ready=False if failing is not None and failing.status == "True" else said,
        paused=meta.annotations.get("strimzi.io/pause-reconciliation") == "true"
        or (paused is not None and paused.status == "True"),
        observed_generation=status.whole("observedGeneration"),
        reason=f"{failing.reason}: {failing.message}" if failing is not None else "",
        zookeepers=raw.at("spec").at("zookeeper").whole("replicas"),
    )


def _node_claim(raw: Fields) -> NodeClaimView:
    status = raw.at("status")
    node, provider = status.text("nodeName") or None, status.text("providerID") or ""
    return NodeClaimView(_meta(raw), node, provider, _conditions(status))


def _stateful_set(raw: Fields) -> StatefulSetView:
    spec, status = raw.at("spec"), raw.at("status")
    replicas = spec.whole("replicas")
    return StatefulSetView(
        meta=_meta(raw),
        replicas=1 if replicas is None else replicas,
        ready_replicas=status.whole("readyReplicas") or 0,
        first_ordinal=spec.at("ordinals").whole("start") or 0,
        selector=selector_at(spec, "selector"),
        current_revision=status.text("currentRevision") or "",
        update_revision=status.text("updateRevision") or "",
        observed_generation=status.whole("observedGeneration"),
    )


def _pod_set(raw: Fields) -> PodSetView:
    return PodSetView(_meta(raw))


_PARSERS: Mapping[Kind, Callable[[Fields], View]] = {
    Kind.NODE: _node,
    Kind.POD: _pod,
    Kind.CLAIM: _claim,
    Kind.VOLUME: _volume,
    Kind.BUDGET: _budget,
    Kind.EVENT: _event,
    Kind.KAFKA: _kafka,
    Kind.NODE_CLAIM: _node_claim,
    Kind.STATEFUL_SET: _stateful_set,
    Kind.POD_SET: _pod_set,
}
