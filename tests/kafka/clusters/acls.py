"""The least that Sentinel's user may do: what the table of docs/security.md says, made into ACLs."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from confluent_kafka.admin import (
    AclBinding,
    AclBindingFilter,
    AclOperation,
    AclPermissionType,
    ResourcePatternType,
    ResourceType,
)

TABLE = Path(__file__).parents[3] / "docs" / "security.md"
PROBE_TOPIC, GROUP = "kafka-sentinel-probe", "sentinel-kafka-sentinel"  # as the table has them
ROW = re.compile(r"\| (topic|group|cluster) \|(?: `([^`]+)`( \(prefix\))?)? \| ([A-Za-z, ]+) \|")


class Grant(NamedTuple):
    """One operation on one resource. `kind`: topic, group or cluster."""

    kind: str
    name: str
    prefix: bool
    operation: str  # as Kafka's documentation writes it: DescribeConfigs

    def __str__(self) -> str:
        return f"{self.operation} on {self.kind} {self.name}{' (prefix)' if self.prefix else ''}"


def least(topics: Iterable[str], group: str) -> tuple[Grant, ...]:
    """Return what the documentation says is enough for these probe topics and this group."""
    return tuple(_rows(TABLE.read_text(), tuple(topics), group))


def _rows(text: str, topics: tuple[str, ...], group: str) -> Iterator[Grant]:
    for kind, name, prefix, operations in ROW.findall(text):
        names = {PROBE_TOPIC: topics, GROUP: (group,)}.get(name, (name or "kafka-cluster",))
        for one in names:
            for operation in operations.split(", "):
                yield Grant(kind, one, bool(prefix), operation)


def everything(principal: str) -> AclBindingFilter:
    """Return what finds whatever is allowed to a principal."""
    anything = (ResourceType.ANY, None, ResourcePatternType.ANY, principal, None)
    return AclBindingFilter(*anything, AclOperation.ANY, AclPermissionType.ANY)


def that(principal: str, grant: Grant) -> AclBindingFilter:
    """Return what finds one grant."""
    one = binding(principal, grant)
    place = (one.restype, one.name, one.resource_pattern_type, principal, one.host)
    return AclBindingFilter(*place, one.operation, one.permission_type)


def binding(principal: str, grant: Grant) -> AclBinding:
    resource = ResourceType.BROKER if grant.kind == "cluster" else ResourceType[grant.kind.upper()]
    pattern = ResourcePatternType.PREFIXED if grant.prefix else ResourcePatternType.LITERAL
    operation = AclOperation[re.sub(r"(?<=[a-z])(?=[A-Z])", "_", grant.operation).upper()]
    return AclBinding(resource, grant.name, pattern, principal, "*", operation, AclPermissionType.ALLOW)
