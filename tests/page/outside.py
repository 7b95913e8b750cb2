"""Names that come from outside, put wherever the page shows one."""

from __future__ import annotations

from typing import Any


def named(facts: dict[str, Any], name: str) -> dict[str, Any]:
    """Return the facts with `name` wherever a name comes from outside."""
    around = facts["kubernetes"]
    around["nodes"][1] |= {"name": name, "zone": name}
    around["pods"][1] |= {"name": name, "node": name}
    around["sides"][0] |= {"name": name}
    around["exposure"]["sentences"] = [f"1 partition would fall below min.insync.replicas (topics {name})"]
    around["shared"] = around["problems"] = [name]
    around["stuck"] = [{"pod": name, "reason": "placement", "text": name, "since": 1.0}]
    for disruption in around["disruptions"]:
        disruption |= {"node": name, "reasons": [name]}
    facts["kafka"]["brokers"][0]["address"] = name
    facts["incidents"][0] |= {"target": name, "reasons": [name]}
    for loss in facts["losses"]:
        loss["stands_there"] = name
    facts["experiments"] |= {"paused_by": name, "latched": name}
    facts["experiments"]["items"][1] |= {"name": name, "last_skip": {"guard": name, "reason": name, "at": 1.0}}
    return facts | {"instance": name}
