"""What topics are judged by: how many copies, how many of them in sync, who may lead, how long records are kept."""

from __future__ import annotations

from collections.abc import Iterator

from kafka_sentinel.core.audit.facts import OWN_TOPICS, Facts, KafkaFacts, Part
from kafka_sentinel.core.audit.finding import Found, Rule, Severity, counted, named
from kafka_sentinel.core.cluster import TopicView
from kafka_sentinel.core.kubernetes.fleet import Flavour

COPIES = 3  # replicas of a partition that survive one loss while another broker is down
SHORT = 86_400.0  # seconds: a consumer that is down overnight finds less than that gone
TOPICS, SETTINGS = frozenset({Part.TOPICS}), frozenset({Part.TOPICS, Part.TOPIC_SETTINGS})
ISR, UNCLEAN = "min.insync.replicas", "unclean.leader.election.enable"
BY_TOOL = "kafka-configs.sh --alter --entity-type topics --entity-name TOPIC --add-config "


def copies(topic: TopicView) -> int:
    """Return the replicas of the partition that has fewest."""
    return min((len(part.replicas) for part in topic.partitions), default=0)


def _kafka(facts: Facts) -> KafkaFacts:
    assert facts.kafka is not None, "a rule that needs Kafka is not judged without"
    return facts.kafka


def _others(facts: Facts) -> list[TopicView]:
    """Return all topics but Kafka's own, by name."""
    topics = _kafka(facts).view.topics
    return [topics[name] for name in sorted(topics) if name not in OWN_TOPICS and topics[name].partitions]


def _on_local_disk(topic: TopicView, local: frozenset[int]) -> bool:
    return any(not local.isdisjoint(part.replicas) for part in topic.partitions)


def _about(topics: list[TopicView], what: str) -> Iterator[Found]:
    names = tuple(topic.name for topic in topics)
    if names:
        yield Found(f"{counted(len(names), 'topic')} {what}: {named(names)}", names)


def _single_copy(facts: Facts) -> Iterator[Found]:
    return _about([one for one in _others(facts) if copies(one) == 1], "with one replica")


def _stops_at_one_kill(facts: Facts) -> Iterator[Found]:
    known = [(one, one.min_isr) for one in _others(facts) if one.min_isr is not None]
    yield from _about(
        [one for one, least in known if 1 < copies(one) == least],
        "whose min.insync.replicas is as high as the number of replicas",
    )
    yield from _about(
        [one for one, least in known if copies(one) < least],
        "whose min.insync.replicas is above the number of replicas, so that acks=all is refused even now",
    )


def _thin(facts: Facts) -> list[TopicView]:
    return [one for one in _others(facts) if one.min_isr == 1 < copies(one)]


def _thin_on_local_disks(facts: Facts) -> Iterator[Found]:
    local = facts.local_brokers()
    found = [one for one in _thin(facts) if _on_local_disk(one, local)]
    return _about(found, "with min.insync.replicas 1 on disks that go with their node or pod")


def _thin_elsewhere(facts: Facts) -> Iterator[Found]:
    local = facts.local_brokers()
    return _about([one for one in _thin(facts) if not _on_local_disk(one, local)], "with min.insync.replicas 1")


def _unclean(facts: Facts) -> Iterator[Found]:
    kafka = _kafka(facts)
    return _about([one for one in _others(facts) if kafka.setting(one.name, UNCLEAN) == "true"], f"with {UNCLEAN}")


def _own_topics(facts: Facts) -> Iterator[Found]:
    kafka, local = _kafka(facts), facts.local_brokers()
    for name in OWN_TOPICS:
        topic = kafka.view.topics.get(name)
        if topic is None or not topic.partitions:
            continue
        number, least = copies(topic), topic.min_isr
        unclean = kafka.setting(name, UNCLEAN) == "true"
        bare = number == 1 or (least == 1 and _on_local_disk(topic, local)) or unclean
        stops = least is not None and 1 < number <= least
        weak = [
            *([counted(number, "replica")] if number < COPIES else []),
            *([f"min.insync.replicas {least} of {number}"] if stops or least == 1 < number else []),
            *([UNCLEAN] if unclean else []),
        ]
        if weak:
            severity = Severity.CRITICAL if bare or stops else Severity.WARNING
            yield Found(f"Kafka's own topic {name} has {named(weak)}", (name,), severity)


def _short_retention(facts: Facts) -> Iterator[Found]:
    kafka = _kafka(facts)
    found = []
    for topic in _others(facts):
        kept = kafka.number(topic.name, "retention.ms")
        deletes = "delete" in (kafka.setting(topic.name, "cleanup.policy") or "")
        if deletes and kept is not None and 0 <= kept < SHORT * 1000 and topic.name not in kafka.probes:
            found.append(topic)
    return _about(found, "whose records are kept for less than a day")


def _retention_by_size(facts: Facts) -> Iterator[Found]:
    kafka = _kafka(facts)
    found = []
    for topic in _others(facts):
        limit = kafka.number(topic.name, "retention.bytes")
        if limit is not None and limit >= 0 and "delete" in (kafka.setting(topic.name, "cleanup.policy") or ""):
            found.append(topic)
    return _about(found, "whose records are cut by size (retention.bytes)")


MORE_REPLICAS = {
    Flavour.AUTO: "reassign it with three replicas on three brokers (kafka-reassign-partitions.sh --execute)",
    Flavour.STRIMZI: "set spec.replicas: 3 of its KafkaTopic (needs Cruise Control), or reassign it with "
    "kafka-reassign-partitions.sh",
}
SET_ISR = {
    Flavour.AUTO: f"{BY_TOOL}{ISR}=2, and for new topics {ISR}=2 of the brokers; with fewer than three replicas, add "
    "replicas first, or writes stop with each restart",
    Flavour.STRIMZI: f"set {ISR}: 2 in spec.config of its KafkaTopic, and for new topics in spec.kafka.config of the "
    "Kafka resource; with fewer than three replicas, add replicas first, or writes stop with each restart",
}

TOPIC_RULES = (
    Rule(
        "topic-single-replica",
        (Severity.CRITICAL,),
        "Topics with one replica",
        "Each partition stands on one broker. While that one restarts nobody can write or read it, and if its disk is "
        "lost all its records are, whatever acks the producers asked for.",
        MORE_REPLICAS,
        TOPICS,
        _single_copy,
    ),
    Rule(
        "topic-unavailable-at-any-kill",
        (Severity.CRITICAL,),
        "Topics that refuse writes as soon as one broker is away",
        "As many replicas must be in sync as there are, so at any single kill, drain or rolling update the topic goes "
        "unavailable for acks=all until that broker is back and has caught up.",
        {
            Flavour.AUTO: f"give it three replicas and {ISR} 2: kafka-reassign-partitions.sh --execute, then "
            f"{BY_TOOL}{ISR}=2",
            Flavour.STRIMZI: "set spec.replicas: 3 (needs Cruise Control) of its KafkaTopic, and in its spec.config "
            f"{ISR}: 2",
        },
        SETTINGS,
        _stops_at_one_kill,
    ),
    Rule(
        "topic-min-isr-1-on-local-disks",
        (Severity.CRITICAL,),
        "min.insync.replicas 1 on disks that go with their node",
        "acks=all then means one copy as soon as the other replicas are out of sync. If that broker's node goes, its "
        "disk goes with it, and the records it had acknowledged are lost without any unclean election: it returns "
        "empty, as the rightful leader. No error tells the producers.",
        SET_ISR,
        SETTINGS | {Part.PODS, Part.VOLUMES},
        _thin_on_local_disks,
    ),
    Rule(
        "topic-min-isr-1",
        (Severity.WARNING,),
        "min.insync.replicas 1",
        "acks=all then means one copy as soon as the other replicas are out of sync; if that broker's disk is lost "
        "before they return, acknowledged records are lost.",
        SET_ISR,
        SETTINGS,
        _thin_elsewhere,
    ),
    Rule(
        "topic-unclean-election",
        (Severity.CRITICAL,),
        "Unclean leader election is on",
        "A replica that is not in sync may become leader, and all that it does not have is then cut off the others: "
        "acknowledged records are lost for the sake of going on.",
        {
            Flavour.AUTO: f"{BY_TOOL}{UNCLEAN}=false",
            Flavour.STRIMZI: f"set {UNCLEAN}: false in spec.config of its KafkaTopic, or take it out",
        },
        SETTINGS,
        _unclean,
    ),
    Rule(
        "internal-topic-weak",
        (Severity.CRITICAL, Severity.WARNING),
        "Kafka's own topics have too few copies",
        "They hold the committed offsets of all groups and the state of transactions. While one cannot be written no "
        "group commits and no transaction ends; if it is lost, groups start from auto.offset.reset: they read "
        "everything again, or skip what they have not read.",
        {
            Flavour.AUTO: "reassign it with three replicas (kafka-reassign-partitions.sh --execute); then "
            f"{BY_TOOL}{ISR}=2. The brokers' settings (offsets.topic.replication.factor and the like) count only when "
            "it is made",
        },
        SETTINGS,
        _own_topics,
    ),
    Rule(
        "topic-retention-short",
        (Severity.WARNING,),
        "Records are kept for less than a day",
        "What a consumer has not read when its time is up is gone, acknowledged or not. One that is down overnight "
        "misses records, and no broker calls that a loss.",
        {
            Flavour.AUTO: f"{BY_TOOL}retention.ms=604800000, or know that nobody reads that late",
            Flavour.STRIMZI: "set retention.ms in spec.config of its KafkaTopic, or know that nobody reads that late",
        },
        SETTINGS,
        _short_retention,
    ),
    Rule(
        "topic-retention-by-size",
        (Severity.INFO,),
        "Records are cut by size",
        "At a peak of writes the oldest records go sooner than their age says, read or not.",
        {Flavour.AUTO: "see that retention.bytes (per partition) holds a peak for as long as a consumer may be down"},
        SETTINGS,
        _retention_by_size,
    ),
)
