"""What brokers and the quorum are judged by: how many there are, what new topics get, how they shut down, racks."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from kafka_sentinel.core.audit.facts import OWN_TOPICS, BrokerFacts, Facts, Part
from kafka_sentinel.core.audit.finding import Found, Rule, Severity, counted, named
from kafka_sentinel.core.kubernetes.fleet import Flavour

COPIES = 3  # replicas, brokers and voters that survive one loss while another is down
BROKERS, SETTINGS = frozenset({Part.BROKERS}), frozenset({Part.BROKERS, Part.BROKER_SETTINGS})
# What topics get that are made without settings of their own: setting → least good value, or the one that is bad.
LEAST = {"default.replication.factor": COPIES, "min.insync.replicas": 2}
UNCLEAN = "unclean.leader.election.enable"
# What Kafka's own topics get once they are made: topic → setting → least good value.
OWN_LEAST = {
    "__consumer_offsets": {"offsets.topic.replication.factor": COPIES},
    "__transaction_state": {"transaction.state.log.replication.factor": COPIES, "transaction.state.log.min.isr": 2},
    "__share_group_state": {
        "share.coordinator.state.topic.replication.factor": COPIES,
        "share.coordinator.state.topic.min.isr": 2,
    },
}
# Settings that leaders and new topics follow, and that ought to be the same on all brokers.
SAME = (
    *LEAST,
    UNCLEAN,
    "controlled.shutdown.enable",
    "replica.lag.time.max.ms",
    "auto.create.topics.enable",
    "log.retention.ms",
    "log.retention.bytes",
)
IN_KAFKA = "in spec.kafka.config of the Kafka resource"
IN_CHART = "in extraConfig (or overrideConfiguration) of the chart's values"


def _brokers(facts: Facts) -> list[BrokerFacts]:
    """Return the brokers by id."""
    assert facts.kafka is not None, "a rule that needs Kafka is not judged without"
    return [facts.kafka.brokers[number] for number in sorted(facts.kafka.brokers)]


def _named(brokers: list[BrokerFacts]) -> str:
    return f"{'broker' if len(brokers) == 1 else 'brokers'} {named(str(one.broker) for one in brokers)}"


def _ids(brokers: list[BrokerFacts]) -> tuple[str, ...]:
    return tuple(str(one.broker) for one in brokers)


def _few(facts: Facts) -> Iterator[Found]:
    assert facts.kafka is not None
    known = sorted(facts.kafka.known_brokers)  # one that is down at the moment counts, too
    if 0 < len(known) < COPIES:
        severity = Severity.CRITICAL if len(known) == 1 else Severity.WARNING
        which = f"is broker {known[0]}" if len(known) == 1 else f"are brokers {named(map(str, known))}"
        yield Found(f"there {which} and no other", tuple(map(str, known)), severity)


def _quorum(facts: Facts) -> Iterator[Found]:
    assert facts.kafka is not None
    voters = facts.kafka.voters or ()
    if 0 < len(voters) < COPIES:
        which = named(str(number) for number in voters)
        yield Found(f"the KRaft quorum has {counted(len(voters), 'voter')}: {which}", tuple(map(str, voters)))


def _new_topics(facts: Facts) -> Iterator[Found]:
    found: dict[str, list[BrokerFacts]] = defaultdict(list)
    for broker in _brokers(facts):
        for name, least in LEAST.items():
            value = broker.number(name)
            if value is not None and value < least:
                found[f"{name} {value}"].append(broker)
        if broker.value(UNCLEAN) == "true":
            found[f"{UNCLEAN} true"].append(broker)
    for what, brokers in found.items():
        yield Found(f"a topic made without settings of its own gets {what} ({_named(brokers)})", _ids(brokers))


def _auto_create(facts: Facts) -> Iterator[Found]:
    brokers = [one for one in _brokers(facts) if one.value("auto.create.topics.enable") == "true"]
    if brokers:
        thin = min((one.number("default.replication.factor") or COPIES for one in brokers), default=COPIES)
        severity = Severity.WARNING if thin < COPIES else Severity.INFO
        made = f" with {counted(thin, 'replica')}" if thin < COPIES else ""
        yield Found(f"a topic is made{made} by whoever names one that is not there ({_named(brokers)})", (), severity)


def _own_topics_to_come(facts: Facts) -> Iterator[Found]:
    assert facts.kafka is not None
    for topic in OWN_TOPICS:
        if topic in facts.kafka.view.topics:
            continue
        for name, least in OWN_LEAST[topic].items():
            brokers = [one for one in _brokers(facts) if (value := one.number(name)) is not None and value < least]
            if brokers:
                given = named(sorted({str(one.value(name)) for one in brokers}))
                yield Found(f"{topic} is not there yet and would get {name} {given} ({_named(brokers)})", (topic,))


def _no_rack(facts: Facts) -> Iterator[Found]:
    brokers = _brokers(facts)
    without = [one for one in brokers if not one.rack]
    if not without or len(brokers) < 2:  # noqa: PLR2004 - one broker has nothing to be spread over
        return
    matters = len(brokers) > COPIES or len(without) < len(brokers)
    yield Found(
        f"{_named(without)} {'says' if len(without) == 1 else 'say'} nothing of a rack (broker.rack)",
        _ids(without),
        Severity.WARNING if matters else Severity.INFO,
    )


def _rack_is_no_zone(facts: Facts) -> Iterator[Found]:
    """Judge racks where zones are known: brokers that lose their zone together should say the same rack."""
    assert facts.kubernetes is not None
    racks: dict[str, set[str]] = defaultdict(set)
    members: dict[str, list[BrokerFacts]] = defaultdict(list)
    for broker in _brokers(facts):
        pod = facts.kubernetes.fleet.pods.get(broker.broker)
        if pod is not None and pod.zone is not None and broker.rack:
            racks[pod.zone].add(broker.rack)
            members[pod.zone].append(broker)
    for zone in sorted(racks):
        if len(racks[zone]) > 1:
            said = named(sorted(racks[zone]))
            yield Found(f"{_named(members[zone])} are in zone {zone} and say racks {said}", _ids(members[zone]))


def _controlled_shutdown(facts: Facts) -> Iterator[Found]:
    brokers = [one for one in _brokers(facts) if one.value("controlled.shutdown.enable") == "false"]
    if brokers:
        yield Found(f"controlled.shutdown.enable is false on {_named(brokers)}", _ids(brokers))


def _differing(facts: Facts) -> Iterator[Found]:
    for name in SAME:
        values: dict[str, list[BrokerFacts]] = defaultdict(list)
        for broker in _brokers(facts):
            value = broker.value(name)
            if value is not None:
                values[value].append(broker)
        if len(values) > 1:
            said = named([f"{value} on {_named(brokers)}" for value, brokers in sorted(values.items())])
            yield Found(f"{name} is {said}", (name,))


BROKER_RULES = (
    Rule(
        "brokers-too-few",
        (Severity.CRITICAL, Severity.WARNING),
        "Fewer than three brokers",
        "With two brokers a topic has two replicas at most: either it refuses writes while one is away, or one copy is "
        "enough for an acknowledgement. Three replicas, of which two must be in sync, need three brokers.",
        {
            Flavour.AUTO: "run three brokers, on three nodes",
            Flavour.STRIMZI: "set spec.replicas: 3 of the KafkaNodePool with role broker",
        },
        BROKERS,
        _few,
    ),
    Rule(
        "quorum-too-small",
        (Severity.CRITICAL,),
        "Fewer than three controllers",
        "Without a majority of the controllers no leader is elected and no topic changes: whatever happens to a broker "
        "meanwhile stays as it is, unavailable. One or two controllers have no majority once one is away.",
        {
            Flavour.AUTO: "run three controllers, on three nodes",
            Flavour.STRIMZI: "set spec.replicas: 3 of the KafkaNodePool with role controller",
        },
        frozenset({Part.QUORUM}),
        _quorum,
    ),
    Rule(
        "new-topics-weak",
        (Severity.WARNING,),
        "New topics are not durable by default",
        "Topics that clients, Streams or Connect make without saying how get these values, and nobody looks again.",
        {
            Flavour.AUTO: "set default.replication.factor=3, min.insync.replicas=2, "
            "unclean.leader.election.enable=false in the configuration of the brokers",
            Flavour.STRIMZI: f"set default.replication.factor: 3, min.insync.replicas: 2 {IN_KAFKA}, and take "
            "unclean.leader.election.enable out",
            Flavour.BITNAMI: f"set default.replication.factor=3, min.insync.replicas=2 {IN_CHART}",
        },
        SETTINGS,
        _new_topics,
    ),
    Rule(
        "topics-made-by-accident",
        (Severity.WARNING, Severity.INFO),
        "Topics are made by naming them",
        "A name that is mistyped makes a topic, with the settings above, and the records go there: for those who wait "
        "for them elsewhere they are lost. A topic that was deleted comes back with the next record.",
        {
            Flavour.AUTO: "set auto.create.topics.enable=false in the configuration of the brokers",
            Flavour.STRIMZI: f"set auto.create.topics.enable: false {IN_KAFKA}, and make topics as KafkaTopics",
            Flavour.BITNAMI: f"set auto.create.topics.enable=false {IN_CHART}",
        },
        SETTINGS,
        _auto_create,
    ),
    Rule(
        "internal-topics-to-come-weak",
        (Severity.WARNING,),
        "Kafka's own topics will be made with too few copies",
        "They are made when first needed and keep the number of replicas they are made with.",
        {
            Flavour.AUTO: "set offsets.topic.replication.factor=3, transaction.state.log.replication.factor=3, "
            "transaction.state.log.min.isr=2 in the configuration of the brokers before anybody consumes",
            Flavour.STRIMZI: "set offsets.topic.replication.factor: 3, transaction.state.log.replication.factor: 3, "
            f"transaction.state.log.min.isr: 2 {IN_KAFKA} before anybody consumes",
        },
        SETTINGS | {Part.TOPICS},
        _own_topics_to_come,
    ),
    Rule(
        "no-rack-awareness",
        (Severity.WARNING, Severity.INFO),
        "Brokers do not say where they are",
        "Without racks Kafka may put all replicas of a partition into one zone, which is lost as a whole. With three "
        "brokers and three replicas every broker has one anyway; with more it matters.",
        {
            Flavour.AUTO: "set broker.rack of each broker to its zone, then reassign the partitions that are there",
            Flavour.STRIMZI: "set spec.kafka.rack.topologyKey: topology.kubernetes.io/zone of the Kafka resource, then "
            "reassign the partitions that are there",
        },
        BROKERS | {Part.RACKS},
        _no_rack,
    ),
    Rule(
        "rack-is-not-the-zone",
        (Severity.WARNING,),
        "Brokers of one zone say different racks",
        "Kafka takes them for places that are lost apart and spreads replicas over them; the zone takes both.",
        {Flavour.AUTO: "set broker.rack of each broker to the zone of its node"},
        BROKERS | {Part.RACKS, Part.PODS, Part.NODES},
        _rack_is_no_zone,
    ),
    Rule(
        "controlled-shutdown-off",
        (Severity.WARNING,),
        "Brokers do not hand over before they stop",
        "Every restart and drain then looks like a crash: partitions have no leader until the session times out.",
        {
            Flavour.AUTO: "set controlled.shutdown.enable=true in the configuration of the brokers, or take it out",
            Flavour.STRIMZI: f"take controlled.shutdown.enable out {IN_KAFKA}",
        },
        SETTINGS,
        _controlled_shutdown,
    ),
    Rule(
        "broker-settings-differ",
        (Severity.WARNING,),
        "Brokers have different settings",
        "What a new topic gets, and how an election goes, then depends on which broker is asked or leads.",
        {Flavour.AUTO: "give all brokers the same value; `kafka-configs.sh --describe --all` says where each is set"},
        SETTINGS,
        _differing,
    ),
)
