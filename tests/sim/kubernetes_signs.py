"""Signs by which the causes of what happens in the simulated Kubernetes can be known.

Each takes the kind, the name and the state of an object (None: gone) and says whether that shows it.
"""

from __future__ import annotations

from typing import NamedTuple

from kafka_sentinel.core.kubernetes.views import Kind

REVISION = "controller-revision-hash"
STRIMZI_REVISION = "strimzi.io/revision"
AROUND = 60.0  # seconds after an end within which what is said of its node, and not dated, is still taken for its cause


class Sign(NamedTuple):
    """`within`: seconds after the end in which it must be delivered to be one."""

    shows: object
    within: float = float("inf")


def gone(kind, which):
    """That object, by name or uid, is gone, or asked to go."""

    def shows(seen, name, raw, last):
        is_it = seen is kind and which in (name, last["metadata"]["uid"])
        return is_it and (raw is None or "deletionTimestamp" in raw["metadata"])

    return Sign(shows)


def container_ended(uid, restarts):
    """A container of that pod ended. Of a pod that is going by then, it is no news."""

    def shows(seen, _name, raw, _last):
        if seen is not Kind.POD or raw is None or raw["metadata"]["uid"] != uid:
            return False
        if "deletionTimestamp" in raw["metadata"]:
            return False
        found = raw["status"]["containerStatuses"]
        return any(one["restartCount"] > restarts or "terminated" in one["state"] for one in found)

    return Sign(shows)


def failed(uid):
    def shows(seen, _name, raw, _last):
        is_it = seen is Kind.POD and raw is not None and raw["metadata"]["uid"] == uid
        return is_it and raw["status"].get("reason") == "Evicted"

    return Sign(shows)


def of_revision(revision):
    def shows(seen, name, raw, _last):
        return seen is Kind.POD and raw is not None and is_broker(name) and revision_of(raw) >= revision

    return Sign(shows)


def closed(node_name):
    def shows(seen, name, raw, _last):
        return seen is Kind.NODE and name == node_name and raw is not None and raw["spec"]["unschedulable"]

    return Sign(shows, AROUND)


def tainted(node_name, key):
    def shows(seen, name, raw, _last):
        is_it = seen is Kind.NODE and name == node_name and raw is not None
        return is_it and any(one["key"] == key for one in raw["spec"]["taints"])

    return Sign(shows, AROUND)


def told_about(name, reason=None):
    """An event about an object of that name, of that reason if one is given."""

    def shows(seen, _name, raw, _last):
        is_it = seen is Kind.EVENT and raw is not None and raw["involvedObject"]["name"] == name
        return is_it and reason in {None, raw["reason"]}

    return Sign(shows, AROUND)


def told_of_pod(uid):
    """The operator's event about the pod of that uid."""

    def shows(seen, _name, raw, _last):
        return seen is Kind.EVENT and raw is not None and raw["involvedObject"]["uid"] == uid

    return Sign(shows, AROUND)


def booted(node_name, boot):
    def shows(seen, name, raw, _last):
        is_it = seen is Kind.NODE and name == node_name and raw is not None
        return is_it and raw["status"]["nodeInfo"]["bootID"] == boot

    return Sign(shows)


# --- what is read of raw objects


def is_broker(name):
    return name.startswith("kafka-")


def node_of(raw):
    return raw["spec"].get("nodeName")


def revision_of(raw):
    meta = raw["metadata"]
    return int((meta["annotations"].get(STRIMZI_REVISION) or meta["labels"][REVISION]).removeprefix("revision-"))


def is_ready(raw):
    """Ready, and not asked to go."""
    return raw["status"]["conditions"][0]["status"] == "True" and raw["metadata"].get("deletionTimestamp") is None
