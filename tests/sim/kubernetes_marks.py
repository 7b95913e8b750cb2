"""The mark of a reclaim that is rehearsed: a taint, a label and annotations of its node."""

from __future__ import annotations

RECLAIM = "kafka-sentinel.io/reclaim"
KEEP_OFF = "karpenter.sh/do-not-disrupt"


def mark(raw, run):
    unmark(raw)
    raw["metadata"]["labels"][RECLAIM] = run
    raw["metadata"]["annotations"] |= {RECLAIM: run, KEEP_OFF: "true"}
    raw["spec"]["taints"] = [*raw["spec"]["taints"], {"key": RECLAIM, "value": run, "effect": "NoSchedule"}]


def unmark(raw):
    for what in (raw["metadata"]["labels"], raw["metadata"]["annotations"]):
        what.pop(RECLAIM, None)
        what.pop(KEEP_OFF, None)
    raw["spec"]["taints"] = others_taints(raw)


def mark_on(raw):
    """Return the run whose mark a node bears, or any part of it; None: it bears none."""
    places = (raw["metadata"]["labels"], raw["metadata"]["annotations"])
    found = [place[RECLAIM] for place in places if RECLAIM in place]
    found += [one["value"] for one in raw["spec"]["taints"] if one["key"] == RECLAIM]
    return found[0] if found else None


def taint_on(raw):
    """Return the run whose mark keeps pods off a node; None: none does."""
    return next((one["value"] for one in raw["spec"]["taints"] if one["key"] == RECLAIM), None)


def others_taints(raw):
    return [one for one in raw["spec"]["taints"] if one["key"] != RECLAIM]
