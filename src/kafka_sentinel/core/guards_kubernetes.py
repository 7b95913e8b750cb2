"""Guards that look at Kubernetes: how fresh its watches are, pods, disruption budgets, nodes, rolls, the operator.

Where the brokers are not watched on Kubernetes, there is nothing to see and they allow.
"""

from __future__ import annotations

from collections import Counter

from kafka_sentinel.core.answers import Answer, age, judged, short
from kafka_sentinel.core.guard_input import GuardInput
from kafka_sentinel.core.kubernetes.fleet import BrokerPod, Flavour, FleetView, Side, SidePod
from kafka_sentinel.core.kubernetes.inventory import WITHHELD, WatchStanding
from kafka_sentinel.core.kubernetes.surroundings import Surroundings
from kafka_sentinel.core.kubernetes.views import PLURALS, KafkaResourceView, Kind
from kafka_sentinel.core.targets import Target
from kafka_sentinel.core.types import PodRef

ELSEWHERE = "not on Kubernetes"


def fresh_watches(given: GuardInput, target: Target) -> Answer:
    """Everything that is watched is known as of a moment ago: what a watch tells too late would be missed.

    What Sentinel never had the right to see, or what is not there, is not asked for, except what no experiment goes
    without: pods, budgets, the Kafka resource with Strimzi, StatefulSets where they own pods, nodes where one is hit.
    """
    around, threshold = given.world.kubernetes, f"<= {given.settings.max_watch_age:g} s old"
    if around is None:
        return _elsewhere("fresh_watches", threshold)
    needed = {Kind.POD, Kind.BUDGET}
    needed |= {Kind.KAFKA} if around.fleet.flavour is Flavour.STRIMZI else set()
    needed |= {Kind.STATEFUL_SET} if around.stateful else set()
    needed |= {Kind.NODE} if target.node is not None else set()
    asked = [(kind, around.fleet.namespace) for kind in Kind if kind in needed or not _is_withheld(around, kind)]
    faults = [fault for kind, namespace in asked if (fault := _staleness(given, around, kind, namespace))]
    faults += [
        f"in namespace {one.scope}, {fault}"
        for one in around.watches
        if one.scope not in {"", around.fleet.namespace} and not _is_off(one) and (fault := _lag(given, one))
    ]
    return judged("fresh_watches", faults, ", ".join(PLURALS[kind] for kind, _ in asked), threshold)


def target_pods(given: GuardInput, target: Target) -> Answer:
    """Every pod of the target is still the one it was, where it was, Ready, not going, and old enough."""
    around, threshold = given.world.kubernetes, f"Ready, >= {given.settings.min_pod_age:g} s old"
    if around is None:
        return _elsewhere("target_pods", threshold)
    if not target.pods:
        return judged("target_pods", ["no pod targeted"], "", threshold)
    faults = [fault for ref in target.pods if (fault := _pod_fault(given, around.fleet, ref))]
    uids = {ref.uid for ref in target.pods}
    members = around.fleet.members
    faults += [
        f"broker {number} has another pod now"
        for number in sorted(target.brokers)
        if number not in members or members[number].uid not in uids
    ]
    if target.node is not None:
        faults += _moved(around.fleet, target.node.uid, uids)
    return judged("target_pods", faults, short([ref.name for ref in target.pods]), threshold)


def disruption_budget(given: GuardInput, target: Target) -> Answer:
    """At most one disruption budget matches each pod, it is up to date, and allows as many losses as are meant at once.

    A real reclaim takes no notice of budgets, and the usual one allows one loss. So for a fault of a node with
    `allow_unavailability` one allowed loss is enough: what is given up there is what the budget would keep, that only
    one is gone at a time. A budget that is used up, out of date, or one of two, denies even then.
    """
    around, threshold = given.world.kubernetes, "<= 1 budget, losses allowed"
    if around is None:
        return _elsewhere("disruption_budget", threshold)
    if target.is_empty or not target.pods:
        return judged("disruption_budget", ["no pod targeted"], "", threshold)
    faults: list[str] = []
    counts: Counter[str] = Counter()
    for ref in target.pods:
        pod = _pod_of(around.fleet, ref)
        if pod is None:
            faults.append(f"pod {ref.name} is not known")
        elif len(pod.budgets) > 1:
            faults.append(f"pod {ref.name} has {len(pod.budgets)} budgets: {', '.join(pod.budgets)}")
        else:
            counts.update(pod.budgets)
    at_once_one = target.one_by_one or (target.node is not None and given.spec.allow_unavailability)
    seen = []
    for name, count in sorted(counts.items()):
        words, fault = _budget(around, name, 1 if at_once_one else count)
        seen.append(words)
        faults += [fault] if fault else []
    return judged("disruption_budget", faults, ", ".join(seen) or "no budget", threshold)


def nodes(given: GuardInput, target: Target) -> Answer:
    """No node with a pod of the cluster is to go, at risk, drained or closed, and those of the target are Ready."""
    around, threshold = given.world.kubernetes, "undisturbed"
    if around is None:
        return _elsewhere("nodes", threshold)
    if _is_withheld(around, Kind.NODE) and target.node is None:
        return Answer("nodes", allowed=True, seen="nodes may not be seen", threshold=threshold)
    own = target.node.uid if target.node is not None and given.announced else None
    faults = list(around.disruptions)
    faults += [
        f"node {node.name} is closed" + ("" if node.cordoned else " by a rehearsal of ours")
        for node in around.nodes.values()
        if node.cordoned or (node.ours and node.uid != own)
    ]
    if target.node is not None:  # its pods have gone elsewhere, and what closed it could not be undone yet
        known = {node.name for node in around.nodes.values()}
        faults += [f"node {name} is still closed by a rehearsal" for name in around.rehearsed if name not in known]
    for ref in target.pods:
        pod = _pod_of(around.fleet, ref)
        node = around.nodes.get(pod.node_uid) if pod is not None and pod.node_uid is not None else None
        if node is None:
            faults.append(f"the node of pod {ref.name} is not known")
        elif not node.ready:
            faults.append(f"node {node.name} is not Ready")
    faults += ["no target"] if target.is_empty else []
    return judged("nodes", tuple(dict.fromkeys(faults)), f"{len(around.nodes)} undisturbed", threshold)


def members(given: GuardInput, _target: Target) -> Answer:
    """Every broker and controller has one pod, Ready and staying; none is restarting, stuck or in doubt."""
    around, world, threshold = given.world.kubernetes, given.world, "all Ready"
    if around is None:
        return _elsewhere("members", threshold)
    fleet = around.fleet
    faults = list(fleet.problems)
    faults += [f"pod {pod.name} is going" if pod.deleting else f"pod {pod.name} is not Ready" for pod in _down(fleet)]
    faults += [f"{restart} is restarting" for restart in around.restarts]
    faults += [f"cannot come back: {stuck}" for stuck in around.stuck]
    live = frozenset(world.cluster.brokers) if world.cluster is not None else frozenset()
    faults += [f"broker {number} has no pod" for number in sorted(live - set(fleet.pods))]
    faults += [f"broker {number} is not alive" for number in sorted(set(fleet.pods) - live)]
    faults += ["no pod is known"] if not fleet.members else []
    return judged("members", faults, f"{len(fleet.members)} Ready", threshold)


def rollout(given: GuardInput, _target: Target) -> Answer:
    """No rolling update is under way or asked for, and the Kafka resource is ready as it stands now and not paused."""
    around, threshold = given.world.kubernetes, "none"
    if around is None:
        return _elsewhere("rollout", threshold)
    faults = list(around.rolls)
    if around.fleet.flavour is Flavour.STRIMZI:
        faults += _resource_faults(around.fleet.kafka)
    return judged("rollout", faults, "none", threshold)


def operator(given: GuardInput, _target: Target) -> Answer:
    """Strimzi's operator is alive, where it runs the cluster: a dead one makes no pod again."""
    around, threshold = given.world.kubernetes, "Ready"
    if around is None:
        return _elsewhere("operator", threshold)
    if around.fleet.flavour is not Flavour.STRIMZI:
        return Answer("operator", allowed=True, seen="not run by Strimzi", threshold=threshold)
    pods = around.fleet.side_pods(Side.CLUSTER_OPERATOR)
    alive = [pod for pod in pods if pod.ready and not pod.deleting]
    stale = {pod.name: _staleness(given, around, Kind.POD, pod.namespace) for pod in alive}
    if any(not fault for fault in stale.values()):
        return judged("operator", (), short([pod.name for pod in alive]), threshold)
    unseen = [
        f"pods of namespace {one.scope} cannot be watched: {one.problem.message}"
        for one in around.watches
        if one.kind is Kind.POD and one.scope not in {"", around.fleet.namespace} and one.problem is not None
    ]
    found = [*stale.values(), *(f"pod {pod.name} is not Ready" for pod in pods if pod not in alive), *unseen]
    return judged("operator", found or ["no pod of Strimzi's operator is known"], "", threshold)


# --- what they share


def _elsewhere(guard: str, threshold: str) -> Answer:
    return Answer(guard, allowed=True, seen=ELSEWHERE, threshold=threshold)


def _is_off(watch: WatchStanding) -> bool:
    """Tell whether a watch has never told anything because Sentinel may not see that, or there is no such thing."""
    return watch.as_of is None and watch.problem is not None and watch.problem.code in WITHHELD


def _standings(around: Surroundings, kind: Kind, namespace: str) -> list[WatchStanding]:
    return [one for one in around.watches if one.kind is kind and one.scope in {"", namespace}]


def _is_withheld(around: Surroundings, kind: Kind) -> bool:
    """Tell whether a kind was never there to be seen, in Kafka's namespace or, if it has none, at all."""
    standings = _standings(around, kind, around.fleet.namespace)
    return bool(standings) and all(_is_off(one) for one in standings)


def _staleness(given: GuardInput, around: Surroundings, kind: Kind, namespace: str) -> str:
    """Say why a kind is not known as of now in a namespace ("" for what has none); "" if it is."""
    standings = _standings(around, kind, namespace)
    if not standings:
        return f"{PLURALS[kind]} are not known yet"
    return next((fault for one in standings if (fault := _lag(given, one))), "")


def _lag(given: GuardInput, watch: WatchStanding) -> str:
    """Say why a watch is behind; "" if it is not."""
    passed, name = age(given, watch.as_of), PLURALS[watch.kind]
    if watch.problem is not None:
        return f"{name} are not watched: {watch.problem.message}"
    if passed is None or not 0 <= passed <= given.settings.max_watch_age:
        return f"{name} are known as of " + ("no time" if passed is None else f"{passed:.0f} s ago")
    return ""


def _pod_of(fleet: FleetView, ref: PodRef) -> BrokerPod | SidePod | None:
    return next((pod for pod in (*fleet, *fleet.sides) if pod.uid == ref.uid), None)


def _pod_fault(given: GuardInput, fleet: FleetView, ref: PodRef) -> str:
    pod, least = _pod_of(fleet, ref), given.settings.min_pod_age
    if pod is None:
        return f"pod {ref.name} is not there any more, or is another one"
    if pod.deleting:
        return f"pod {ref.name} is going"
    if not pod.ready:
        return f"pod {ref.name} is not Ready"
    lived = given.world.now.wall - pod.created if pod.created is not None else None
    if lived is None or lived < least:
        return f"pod {ref.name} is only {lived:.0f} s old" if lived is not None else f"the age of {ref.name} is unknown"
    return ""


def _moved(fleet: FleetView, node_uid: str, uids: set[str]) -> list[str]:
    """Say which pods are on the node without being targets, or targets without being on it."""
    there = fleet.taken_with(node_uid)
    found = [f"pod {pod.name} is on the node too" for pod in there if pod.uid not in uids]
    elsewhere = uids - {pod.uid for pod in there}
    return found + [f"pod {pod.name} is not on the node" for pod in (*fleet, *fleet.sides) if pod.uid in elsewhere]


def _budget(around: Surroundings, name: str, count: int) -> tuple[str, str]:
    """Say what a budget allows, and why it forbids that `count` pods go; "" if it does not."""
    budget = around.budgets.get(name)
    if budget is None:
        return f"{name} not known", f"budget {name} is not known"
    if budget.observed_generation != budget.meta.generation:
        return f"{name} out of date", f"what budget {name} says is of an earlier version of it"
    if budget.allowed is None:
        return f"{name} says nothing", f"budget {name} does not say what it allows"
    seen = f"{name} allows {budget.allowed}"
    return seen, "" if budget.allowed >= count else f"budget {seen}, {count} would go at once"


def _down(fleet: FleetView) -> list[BrokerPod]:
    return [pod for pod in fleet if pod.deleting or not pod.ready]


def _resource_faults(kafka: KafkaResourceView | None) -> list[str]:
    if kafka is None:
        return ["the Kafka resource is not known"]
    name = f"the Kafka resource {kafka.meta.name}"
    if kafka.paused:
        return [f"{name} is paused"]
    if kafka.observed_generation != kafka.meta.generation:
        return [f"{name} was changed, and its operator has not caught up"]
    return [] if kafka.ready else [f"{name} is not ready" + (f": {kafka.reason}" if kafka.reason else "")]
