"""What of a status is not over yet."""

from __future__ import annotations

from typing import Any


def is_calm(status: dict[str, Any]) -> bool:
    """Tell whether nothing is open: no incident, no disruption, no record of unknown fate, no replica behind."""
    return not still_open(status)


def still_open(status: dict[str, Any]) -> list[str]:
    """Return what is open, each as a few words."""
    incidents = [f"incident {one['id']} of {one['cause']}" for one in status["incidents"] if one["closed_at"] is None]
    disrupted = [
        f"{one['cause']} of node {one['node']}"
        for one in (status["kubernetes"] or {"disruptions": []})["disruptions"]
        if one["outcome"] is None
    ]
    fates = [f"{count} {fate}" for fate in ("suspected", "unresolved") if (count := status["records"]["all"][fate])]
    behind = [
        f"{one['acks']}-{one['partition']} led by {one['leader']} in sync {one['isr']} of {one['replicas']}"
        for one in status["partitions"]
        if len(one["isr"]) < len(one["replicas"])
    ]
    return [*incidents, *disrupted, *fates, *behind]
