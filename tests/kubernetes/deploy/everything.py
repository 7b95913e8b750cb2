"""Everything that a cluster and its Kafka hold, by name: what an installation adds, and what it leaves behind."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from tests.kafka.observer import groups_of
from tests.kubernetes.deploy.kafka import Kafka
from tests.kubernetes.deploy.waiting import wait_for
from tests.kubernetes.lab.cluster import Cluster

SECONDS = 120.0
HEAD = "What stays after helm uninstall"
PASSING = "events"  # of either API group: they come and go by themselves, for an hour each


@dataclass(frozen=True, slots=True)
class Everything:
    """`objects`: of every kind that can be listed, as "kind namespace/name", without a namespace where it has none."""

    objects: frozenset[str]
    topics: frozenset[str]
    groups: frozenset[str]

    def plus(self, more: Everything) -> Everything:
        return Everything(self.objects | more.objects, self.topics | more.topics, self.groups | more.groups)

    def minus(self, less: Everything) -> Everything:
        return Everything(self.objects - less.objects, self.topics - less.topics, self.groups - less.groups)


NOTHING = Everything(frozenset(), frozenset(), frozenset())


def everything(kafka: Kafka) -> Everything:
    groups = groups_of(kafka.bootstrap)
    return Everything(frozenset(_objects(kafka.cluster)), frozenset(kafka.topics()), frozenset(groups))


def at_rest(kafka: Kafka) -> Everything:
    """Return what there is, once nothing is on its way out: whoever deleted it may not have waited."""
    wait_for(lambda: not _going(kafka.cluster), "what is deleted to be gone", SECONDS, lambda: _going(kafka.cluster))
    return everything(kafka)


def _going(cluster: Cluster) -> list[str]:
    return [name for name, metadata in _listed(cluster) if "deletionTimestamp" in metadata]


def _objects(cluster: Cluster) -> Iterator[str]:
    return (name for name, _ in _listed(cluster))


def _listed(cluster: Cluster) -> Iterator[tuple[str, dict[str, Any]]]:
    """Go by discovery, as `kubectl api-resources` does, and list each kind in all namespaces at once."""
    groups = [group["preferredVersion"]["groupVersion"] for group in cluster.api.get("/apis")["groups"]]
    for root in ("/api/v1", *(f"/apis/{group}" for group in groups)):
        for resource in cluster.api.get(root)["resources"]:
            plural = resource["name"]
            if "/" in plural or "list" not in resource["verbs"] or plural == PASSING:
                continue
            for one in cluster.api.list(f"{root}/{plural}"):
                metadata = one["metadata"]
                place = "/".join(filter(None, (metadata.get("namespace"), metadata["name"])))
                yield f"{resource['kind'].lower()} {place}", metadata


def announced(notes: str) -> Everything:
    """Return what the notes of an installation say will stay. What stays only "if" something failed is left out."""
    lines = notes.partition(HEAD)[2].partition("\n\n")[0].splitlines()[1:]
    found = NOTHING
    for line in lines:
        if (deletion := re.fullmatch(r"\s+kubectl delete (\S+) (\S+) -n (\S+)", line)) is not None:
            kinds, name, namespace = deletion.groups()
            told = Everything(frozenset(f"{kind} {namespace}/{name}" for kind in kinds.split(",")), *[frozenset()] * 2)
        elif kafka := re.search(r"in Kafka (?:but )?the consumer group ([^\s,:]+)(?:, and the topics (.+))?", line):
            topics = frozenset((kafka[2] or "").split(", ")) - {""}
            told = Everything(frozenset(), topics, frozenset({kafka[1]}))
        else:
            assert line == "  the state and the Lease:" or re.search(r"^  the \w+ \S+, if ", line), line
            continue
        found = found.plus(told)
    return found


def wait_until_there_is(kafka: Kafka, expected: Everything) -> None:
    """Wait until there is all of that and nothing else: what belonged to something goes a little after it."""

    def others() -> dict[str, Everything]:
        now = everything(kafka)
        found = {"unexpected": now.minus(expected), "missing": expected.minus(now)}
        return {key: one for key, one in found.items() if one != NOTHING}

    wait_for(lambda: not others(), "what the notes say to be all that stays", SECONDS, others)
