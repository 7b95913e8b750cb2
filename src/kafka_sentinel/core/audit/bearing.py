"""What a finding has to do with a disruption: which rules would explain one that went badly, and which one.

A finding is no proof of a cause. It says that the cluster is set up or placed so that just this may happen.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from kafka_sentinel.core.audit.finding import Finding, Report
from kafka_sentinel.core.faults import FaultKind
from kafka_sentinel.core.incident import Cause

MAX_BEARING = 50  # findings that are handed to reports, the worst first

SERVICE = frozenset({"leader", "produce", "consume", "lag"})  # phases in which clients wait
WRITES = frozenset({"produce", "full"})
BACK = frozenset({"pod", "isr", "full"})  # phases in which the broker comes back
SPOT = frozenset({Cause.SPOT, FaultKind.NODE_RECLAIM})
DRAINS = SPOT | {Cause.DRAIN, FaultKind.POD_EVICT}
NODES = DRAINS | {Cause.NODE_FAILURE}
ORDERLY = DRAINS | {
    *(Cause.ROLLOUT, Cause.POD_DELETED, FaultKind.POD_DELETE, FaultKind.ROLLING_RESTART, FaultKind.MSK_REBOOT)
}  # a broker is told to end, and may hand over


class About(StrEnum):
    """What of a finding must have been struck."""

    CLUSTER = "cluster"  # anything: it holds for every broker
    BROKERS = "brokers"  # one of the brokers it names
    PROBES = "probes"  # anything, but only a finding on Sentinel's own topics: of no other is anything measured


@dataclass(frozen=True, slots=True)
class Bearing:
    """Which bad disruptions a rule would explain.

    `phases`: it makes these take long; `loss`: it loses records at acks=all; either is enough. `kinds`: causes and
    faults it matters in (none: in all); `several`: only where more than one broker was struck.
    """

    phases: frozenset[str] = frozenset()
    loss: bool = False
    kinds: frozenset[str] = frozenset()
    several: bool = False
    about: About = About.CLUSTER


BEARINGS: Mapping[str, Bearing] = {
    "topic-single-replica": Bearing(SERVICE | BACK, loss=True, about=About.PROBES),
    "topic-unavailable-at-any-kill": Bearing(WRITES, about=About.PROBES),
    "topic-min-isr-1-on-local-disks": Bearing(loss=True, about=About.PROBES),
    "topic-min-isr-1": Bearing(loss=True, about=About.PROBES),
    "topic-unclean-election": Bearing(loss=True, about=About.PROBES),
    "internal-topic-weak": Bearing(frozenset({"lag"})),
    "brokers-too-few": Bearing(WRITES, loss=True),
    "quorum-too-small": Bearing(SERVICE, about=About.BROKERS),  # those that are controllers, too
    "no-rack-awareness": Bearing(WRITES, loss=True, kinds=NODES, several=True),
    "rack-is-not-the-zone": Bearing(WRITES, loss=True, kinds=NODES, several=True, about=About.BROKERS),
    "controlled-shutdown-off": Bearing(SERVICE, kinds=ORDERLY, about=About.BROKERS),
    "brokers-share-node": Bearing(SERVICE | BACK, loss=True, kinds=NODES, several=True, about=About.BROKERS),
    "controller-shares-node": Bearing(SERVICE, kinds=NODES, about=About.BROKERS),
    "operator-shares-node": Bearing(frozenset({"pod", "full"}), kinds=NODES),
    "quorum-on-one-node": Bearing(SERVICE, kinds=NODES, about=About.BROKERS),
    "quorum-in-one-zone": Bearing(SERVICE, kinds=NODES, about=About.BROKERS),
    "all-brokers-in-one-zone": Bearing(SERVICE | BACK, loss=True, kinds=NODES, several=True),
    "zone-takes-partitions": Bearing(WRITES, kinds=NODES, several=True, about=About.PROBES),
    "all-on-spot": Bearing(SERVICE | BACK, loss=True, kinds=SPOT, several=True),
    "spot-takes-partitions": Bearing(WRITES, kinds=SPOT, several=True, about=About.PROBES),
    "operator-on-spot": Bearing(frozenset({"pod", "full"}), kinds=SPOT),
    "log-in-the-pod": Bearing(frozenset({"isr", "full"}), loss=True, about=About.BROKERS),
    "log-on-local-disk": Bearing(BACK, loss=True, kinds=NODES, about=About.BROKERS),
    "budget-missing": Bearing(SERVICE, kinds=DRAINS, several=True),
    "budget-too-wide": Bearing(SERVICE, kinds=DRAINS, several=True),
    "budgets-overlap": Bearing(SERVICE, kinds=DRAINS, about=About.BROKERS),
    "budget-blocks-drains": Bearing(SERVICE, kinds=DRAINS),
    "no-drain-cleaner": Bearing(WRITES, kinds=DRAINS, several=True),
    "grace-period-short": Bearing(SERVICE | {"isr"}, kinds=ORDERLY, about=About.BROKERS),
    "no-memory-request": Bearing(SERVICE | BACK, kinds=frozenset({Cause.OOM}), about=About.BROKERS),
}
# What makes no disruption worse by itself: who may do what, how long records are kept, what new topics get, and where
# brokers might come to be, of which other rules say where they are.
NONE = frozenset(
    {
        *("topic-retention-short", "topic-retention-by-size"),
        *("new-topics-weak", "topics-made-by-accident", "internal-topics-to-come-weak", "broker-settings-differ"),
        *("no-anti-affinity", "kafka-resource-paused"),
        *("plaintext-listener", "anonymous-clients", "no-authorizer"),
        *("allowed-without-acl", "acl-for-everybody", "acl-for-everything"),
    }
)


def bearing(report: Report) -> list[dict[str, Any]]:
    """Return the findings that would explain a bad disruption, as the evidence has them; at most MAX_BEARING."""
    return [each for one in report.findings for each in _bearing(one)][:MAX_BEARING]


def _bearing(finding: Finding) -> Iterator[dict[str, Any]]:
    found = BEARINGS.get(finding.rule)
    if found is None or (found.about is About.PROBES and not finding.probes):
        return
    if found.about is About.BROKERS and not finding.brokers:
        return  # which brokers it is about is not known
    yield {
        "rule": finding.rule,
        "severity": finding.severity.value,
        "what": finding.what,
        "brokers": list(finding.brokers) if found.about is About.BROKERS else [],
        "phases": sorted(found.phases),
        "kinds": sorted(found.kinds),
        "loss": found.loss,
        "several": found.several,
    }
