"""What placement is judged by: what goes with one node, one zone or the spot pool, and what keeps pods apart."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator

from kafka_sentinel.core.audit.facts import Facts, KubernetesFacts, Part
from kafka_sentinel.core.audit.finding import Found, Rule, Severity, named
from kafka_sentinel.core.kubernetes.capacity import Capacity
from kafka_sentinel.core.kubernetes.exposure import Domain
from kafka_sentinel.core.kubernetes.fleet import BrokerPod, Flavour, Side, SidePod

QUORUM = 3  # members with which a quorum can lose one; fewer have a rule of their own
PODS, NODES = frozenset({Part.PODS}), frozenset({Part.PODS, Part.NODES})
APART = {
    Flavour.AUTO: "give the pods a required anti-affinity with topologyKey kubernetes.io/hostname that matches all of "
    "them, brokers and controllers",
    Flavour.STRIMZI: "in the KafkaNodePools (or spec.kafka), template.pod.affinity.podAntiAffinity: required, "
    "topologyKey kubernetes.io/hostname, matching the label strimzi.io/name (CLUSTER-kafka)",
    Flavour.BITNAMI: "set controller.podAntiAffinityPreset and broker.podAntiAffinityPreset: hard in the chart's "
    "values",
}


def kubernetes(facts: Facts) -> KubernetesFacts:
    assert facts.kubernetes is not None, "a rule that needs Kubernetes is not judged without"
    return facts.kubernetes


def brokers(pods: Iterable[BrokerPod]) -> str:
    numbers = [str(pod.broker) for pod in pods]
    return f"{'broker' if len(numbers) == 1 else 'brokers'} {named(numbers)}"


def names(pods: Iterable[BrokerPod | SidePod]) -> tuple[str, ...]:
    return tuple(pod.name for pod in pods)


def _by_node(pods: Iterable[BrokerPod]) -> dict[str, list[BrokerPod]]:
    found: dict[str, list[BrokerPod]] = defaultdict(list)
    for pod in sorted(pods, key=lambda one: one.broker):
        if pod.node is not None:
            found[pod.node].append(pod)
    return dict(sorted(found.items()))


def _share_node(facts: Facts) -> Iterator[Found]:
    for node, pods in _by_node(kubernetes(facts).fleet.pods.values()).items():
        if len(pods) > 1:
            yield Found(f"{brokers(pods)} are on node {node}", names(pods))


def _controller_beside(facts: Facts) -> Iterator[Found]:
    """Find controllers of their own pod, and ZooKeeper, on the node of a broker."""
    fleet = kubernetes(facts).fleet
    own = [pod for number, pod in fleet.controllers.items() if number not in fleet.pods]
    for node, pods in _by_node(fleet.pods.values()).items():
        beside: list[BrokerPod | SidePod] = [pod for pod in own if pod.node == node]
        beside += _sides_on(facts, node, Side.ZOOKEEPER)
        if beside:
            said = f"{named(names(beside))} {'is' if len(beside) == 1 else 'are'} on node {node} with {brokers(pods)}"
            yield Found(said, names([*beside, *pods]))


def _operator_beside(facts: Facts) -> Iterator[Found]:
    for node, pods in _by_node(kubernetes(facts).fleet.pods.values()).items():
        beside = _sides_on(facts, node, Side.CLUSTER_OPERATOR)
        if beside:
            yield Found(f"the operator ({named(names(beside))}) is on node {node} with {brokers(pods)}", names(beside))


def _sides_on(facts: Facts, node: str, side: Side) -> list[SidePod]:
    return [pod for pod in kubernetes(facts).fleet.side_pods(side) if pod.node == node]


def _quorum_on(facts: Facts, place: Callable[[BrokerPod | SidePod], str | None], what: str) -> Iterator[Found]:
    """Find nodes or zones that have the majority of the controllers or of ZooKeeper."""
    fleet = kubernetes(facts).fleet
    ensembles: tuple[tuple[str, list[BrokerPod | SidePod]], ...] = (
        ("controllers", list(fleet.controllers.values())),
        ("ZooKeeper servers", list(fleet.side_pods(Side.ZOOKEEPER))),
    )
    for name, members in ensembles:
        places: dict[str, list[BrokerPod | SidePod]] = defaultdict(list)
        for member in members:
            where = place(member)
            if where is not None:
                places[where].append(member)
        for where, there in sorted(places.items()):
            if len(members) >= QUORUM and 2 * (len(members) - len(there)) <= len(members):
                said = f"{len(there)} of {len(members)} {name} are {what} {where}"
                yield Found(f"{said}: {named(names(there))}", names(there))


def _quorum_on_node(facts: Facts) -> Iterator[Found]:
    return _quorum_on(facts, lambda pod: pod.node, "on node")


def _quorum_in_zone(facts: Facts) -> Iterator[Found]:
    return _quorum_on(facts, lambda pod: pod.zone, "in zone")


def _one_zone(facts: Facts) -> Iterator[Found]:
    pods = list(kubernetes(facts).fleet.pods.values())
    zones = {pod.zone for pod in pods}
    if len(pods) > 1 and len(zones) == 1 and None not in zones:
        yield Found(f"all brokers are in zone {next(iter(zones))}", names(pods))


def _zone_takes(facts: Facts) -> Iterator[Found]:
    return _domain_takes(facts, Domain.ZONE)


def _spot_takes(facts: Facts) -> Iterator[Found]:
    return _domain_takes(facts, Domain.SPOT_POOL)


def _domain_takes(facts: Facts, domain: Domain) -> Iterator[Found]:
    """Find what would take partitions below min ISR, unless all brokers are in it, which has a rule of its own."""
    here = kubernetes(facts)
    if here.exposure is None:
        return
    every = set(here.fleet.pods)
    for one in here.exposure.each:
        if one.domain is domain and one.partitions and not every <= set(one.members):
            yield Found(one.sentence(), one.topics)


def _all_on_spot(facts: Facts) -> Iterator[Found]:
    fleet = kubernetes(facts).fleet
    on_spot = [pod for pod in fleet if pod.capacity is Capacity.SPOT]
    if not fleet.pods or {pod.broker for pod in on_spot} < set(fleet.pods):
        return
    controllers = bool(fleet.controllers) and set(fleet.controllers) <= {pod.broker for pod in on_spot}
    local = any(pod.local for pod in on_spot)
    who = "every broker and every controller is" if controllers else "every broker is"
    disks = ", with its log on the node's own disk" if local else ""
    yield Found(f"{who} on a spot node{disks}", names(on_spot), Severity.CRITICAL if local else Severity.WARNING)


def _operator_on_spot(facts: Facts) -> Iterator[Found]:
    pods = [pod for pod in kubernetes(facts).fleet.side_pods(Side.CLUSTER_OPERATOR) if pod.capacity is Capacity.SPOT]
    if pods:
        yield Found(f"the operator ({named(names(pods))}) is on a spot node", names(pods))


def _in_the_pod(pod: BrokerPod) -> bool:
    return any(volume.claim is None for volume in pod.volumes)


def _log_in_pod(facts: Facts) -> Iterator[Found]:
    pods = [pod for pod in kubernetes(facts).fleet if _in_the_pod(pod)]
    if pods:
        yield Found(f"the log of {brokers(pods)} is on no volume claim", names(pods))


def _local_disks(facts: Facts) -> Iterator[Found]:
    pods = [pod for pod in kubernetes(facts).fleet.pods.values() if pod.local and not _in_the_pod(pod)]
    if pods:
        spot = any(pod.capacity is Capacity.SPOT for pod in pods)
        severity = Severity.WARNING if spot else Severity.INFO
        where = "on spot nodes" if spot else "on nodes that are no spot nodes as far as their labels tell"
        yield Found(f"the log of {brokers(pods)} is on the node's own disk, {where}", names(pods), severity)


PLACEMENT_RULES = (
    Rule(
        "brokers-share-node",
        (Severity.CRITICAL,),
        "Several brokers on one node",
        "What takes the node takes all of them: with three brokers, partitions with replicas on both fall below "
        "min.insync.replicas and refuse writes; if their disks go too, so do all copies but one, or all.",
        APART,
        NODES,
        _share_node,
    ),
    Rule(
        "controller-shares-node",
        (Severity.WARNING,),
        "A controller on the node of a broker",
        "The node takes the broker and a vote on who leads in its place. If it takes the majority, nobody leads.",
        APART,
        NODES,
        _controller_beside,
    ),
    Rule(
        "operator-shares-node",
        (Severity.WARNING,),
        "The operator on the node of a broker",
        "The node takes the broker and what would make its pod again; Kafka waits until the operator is back.",
        {
            Flavour.AUTO: "keep the operator off the nodes of brokers: a node selector or an anti-affinity of its "
            "Deployment",
        },
        NODES | {Part.OPERATOR},
        _operator_beside,
        Flavour.STRIMZI,
    ),
    Rule(
        "quorum-on-one-node",
        (Severity.CRITICAL,),
        "The majority of the controllers on one node",
        "What takes the node takes the quorum: no leader is elected until it is back, so whatever brokers went with it "
        "stay without a successor.",
        APART,
        NODES,
        _quorum_on_node,
    ),
    Rule(
        "quorum-in-one-zone",
        (Severity.WARNING,),
        "The majority of the controllers in one zone",
        "If the zone goes, no leader is elected in the others, though their brokers live.",
        {Flavour.AUTO: "spread the controllers over three zones (topologySpreadConstraints with the zone's label)"},
        NODES,
        _quorum_in_zone,
    ),
    Rule(
        "all-brokers-in-one-zone",
        (Severity.WARNING,),
        "All brokers in one zone",
        "If the zone goes, Kafka goes; spot capacity is also reclaimed by zone.",
        {Flavour.AUTO: "spread the brokers over three zones, and tell Kafka by broker.rack"},
        NODES,
        _one_zone,
    ),
    Rule(
        "zone-takes-partitions",
        (Severity.WARNING,),
        "A zone whose loss stops writes",
        "So many replicas of these partitions are in one zone that without it too few are left.",
        {Flavour.AUTO: "set broker.rack to the zone, then reassign these topics so that their replicas are spread"},
        NODES | {Part.TOPICS, Part.TOPIC_SETTINGS},
        _zone_takes,
    ),
    Rule(
        "all-on-spot",
        (Severity.CRITICAL, Severity.WARNING),
        "Everything on spot nodes",
        "Spot nodes of a kind are reclaimed in waves. One wave may take all replicas at once; where the log is on the "
        "node's own disk, all copies of all records go with them.",
        {
            Flavour.AUTO: "run the controllers and at least as many brokers as min.insync.replicas on on-demand nodes, "
            "or spread them over instance types and zones, with volumes that outlive the node",
        },
        NODES,
        _all_on_spot,
    ),
    Rule(
        "spot-takes-partitions",
        (Severity.WARNING,),
        "The spot pool's loss stops writes",
        "Spot nodes of a kind are reclaimed in waves; too few replicas of these partitions are elsewhere.",
        {Flavour.AUTO: "keep as many replicas as min.insync.replicas off spot nodes, or spread the pool over zones"},
        NODES | {Part.TOPICS, Part.TOPIC_SETTINGS},
        _spot_takes,
    ),
    Rule(
        "operator-on-spot",
        (Severity.WARNING,),
        "The operator on a spot node",
        "A reclaim that takes it with a broker leaves nobody who makes the broker's pod again meanwhile.",
        {Flavour.AUTO: "give its Deployment a node selector for on-demand nodes"},
        NODES | {Part.OPERATOR},
        _operator_on_spot,
        Flavour.STRIMZI,
    ),
    Rule(
        "log-in-the-pod",
        (Severity.CRITICAL,),
        "Logs on no volume claim",
        "What a broker holds goes with its pod, or stays behind on a node that the next pod need not come to: every "
        "restart may begin with an empty disk, and with min.insync.replicas 1 acknowledged records are lost.",
        {
            Flavour.AUTO: "give the brokers volume claims (volumeClaimTemplates)",
            Flavour.STRIMZI: "set storage.type: persistent-claim (or jbod of such) in the KafkaNodePools",
            Flavour.BITNAMI: "set controller.persistence.enabled and broker.persistence.enabled: true in the chart's "
            "values",
        },
        PODS | {Part.VOLUMES},
        _log_in_pod,
    ),
    Rule(
        "log-on-local-disk",
        (Severity.WARNING, Severity.INFO),
        "Logs on disks that go with their node",
        "A node that is reclaimed takes a copy of all its partitions along. Its pod waits for a volume that is gone, "
        "until somebody deletes the claim; then all is copied again, and meanwhile one more loss may be the last.",
        {
            Flavour.AUTO: "use volumes that outlive the node (EBS, PD, managed disks; allowed in all zones that the "
            "nodes come from), or keep three replicas with min.insync.replicas 2 and nodes that do not go together",
        },
        PODS | {Part.VOLUMES, Part.NODES},
        _local_disks,
    ),
)
