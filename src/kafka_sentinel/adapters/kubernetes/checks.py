"""What `check` says of Kubernetes: the brokers' pods as a table, what they share, what we may not do."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Protocol

from kafka_sentinel.adapters.kubernetes.access_review import Answer, by_row, sentence
from kafka_sentinel.adapters.kubernetes.errors import FORBIDDEN, ApiError
from kafka_sentinel.adapters.kubernetes.permissions import Need, Scope
from kafka_sentinel.core.check import Finding, Outcome
from kafka_sentinel.core.events import ObjectsListed, WatchBroken
from kafka_sentinel.core.faults import FaultKind
from kafka_sentinel.core.kubernetes.discovery import HEADINGS, discover, mismatches, rows
from kafka_sentinel.core.kubernetes.fleet import FleetSpec, FleetView, KafkaSays
from kafka_sentinel.core.kubernetes.inventory import Inventory
from kafka_sentinel.core.kubernetes.sharing import shared
from kafka_sentinel.core.kubernetes.stuck import stuck
from kafka_sentinel.core.kubernetes.views import PLURALS, Kind
from kafka_sentinel.core.types import Instant

NEEDED = frozenset({Kind.POD, Kind.BUDGET, Kind.CLAIM})
NOT_THERE = "404"


class Answers(Protocol):
    """What `KubernetesAnswers` is."""

    @property
    def server(self) -> str: ...
    def refusals(self) -> Iterator[Answer]: ...
    def survey(self) -> Iterator[ObjectsListed | WatchBroken]: ...


def kubernetes_findings(
    answers: Answers,
    spec: FleetSpec,
    says: KafkaSays,
    now: Instant,
    *,
    keeps_state: bool,
    faults: Collection[FaultKind],
) -> Iterator[Finding]:
    """Yield findings. `keeps_state`: the state is kept in the cluster; `faults`: of the experiments there are."""
    inventory = Inventory()
    broken: list[WatchBroken] = []
    for event in answers.survey():
        inventory.take(event)
        if isinstance(event, WatchBroken):
            broken.append(event)
    if all(inventory.as_of(kind) is None for kind in Kind) and broken[0].code not in FORBIDDEN:
        yield Finding(Outcome.FAIL, "kubernetes", f"{answers.server} cannot be asked: {broken[0].message}")
        return
    yield Finding(Outcome.OK, "kubernetes", f"{answers.server} answers")
    yield from _permissions(answers, keeps_state=keeps_state, faults=faults)
    yield from (_unlisted(event) for event in broken if event.code not in FORBIDDEN | {NOT_THERE})
    fleet = discover(spec, inventory, says)
    yield _pods(fleet)
    for problem in (*fleet.problems, *mismatches(fleet, says)):
        yield Finding(Outcome.WARN, "pods", problem)
    for risk in shared(fleet):
        yield Finding(Outcome.WARN, "placement", risk)
    for member in fleet:
        held = stuck(inventory.pods[member.uid], inventory, now.wall)
        if held is not None:
            yield Finding(Outcome.WARN, "pods", f"pod {held.pod} cannot come back: {held.text}")


def _pods(fleet: FleetView) -> Finding:
    where = f"namespace {fleet.namespace}"
    if not fleet.pods:
        sentence = f"no broker was found in {where}: see kubernetes.namespace, flavour, cluster and selector"
        return Finding(Outcome.FAIL, "pods", sentence)
    name = f"{fleet.flavour} {fleet.cluster}" if fleet.cluster else fleet.flavour.value
    brokers = f"{len(fleet.pods)} broker{'s' if len(fleet.pods) != 1 else ''}"
    table = (HEADINGS, *rows(fleet))
    return Finding(Outcome.OK, "pods", f"{brokers} of {name} in {where}", table)


def _unlisted(event: WatchBroken) -> Finding:
    outcome = Outcome.FAIL if event.kind in NEEDED else Outcome.WARN
    where = f" in namespace {event.scope}" if event.scope else ""
    return Finding(outcome, "kubernetes", f"{PLURALS[event.kind]}{where} cannot be listed: {event.message}")


def _permissions(answers: Answers, *, keeps_state: bool, faults: Collection[FaultKind]) -> Iterator[Finding]:
    try:
        refused = by_row(answers.refusals())
    except ApiError as error:
        yield Finding(Outcome.WARN, "permissions", f"the server does not say what we may do: {error}")
        return
    wanted = {
        key: verbs
        for key, verbs in refused.items()
        if (keeps_state or key[0].scope is not Scope.OWN)
        and (key[0].need is not Need.EXPERIMENTS or key[0].faults.intersection(faults))
    }
    for (permission, namespace), verbs in wanted.items():
        outcome = Outcome.WARN if permission.need is Need.OPTIONAL or permission.makes_our_own else Outcome.FAIL
        yield Finding(outcome, "permissions", sentence(permission, namespace, verbs))
    if not wanted:
        yield Finding(Outcome.OK, "permissions", "we may do all that is needed")
