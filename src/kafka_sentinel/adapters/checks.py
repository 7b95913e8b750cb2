"""`kafka-sentinel check`: would the daemon work here? Each answer is a line that says what to do about it.

Nothing is written to Kafka: the creation of a topic is only validated, and rights are asked for, not tried out.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from enum import StrEnum
from functools import partial
from typing import NamedTuple

from kafka_sentinel.adapters.check_client import Cluster, KafkaAnswers, Right, Topic, Unanswered
from kafka_sentinel.core.connection import CLOCK_WRONG, Reason, clock
from kafka_sentinel.core.kubernetes.fleet import KafkaSays
from kafka_sentinel.settings import Settings
from kafka_sentinel.settings.base import format_duration

MAX_OVERHEAD = 100  # bytes a record batch adds to one value, at most
TOPIC_RIGHTS = frozenset({Right.READ, Right.WRITE, Right.DESCRIBE})
LOOK = frozenset({Right.DESCRIBE, Right.DESCRIBE_CONFIGS})
WITHOUT = {  # what Sentinel goes on without
    Right.ALTER: "adds no partitions for new brokers",
    Right.CREATE: "does not make it anew once it was deleted",
    Right.DESCRIBE_CONFIGS: "does not see its settings",
}
OF_READERS = "kafka-sentinel-"  # what the groups begin with whose coordinator readers ask for, though they join none
OTHER = "__consumer_offsets"  # which every cluster has, once a group has read


class Outcome(StrEnum):
    OK = "OK"
    WARN = "WARN"
    FAIL = "FAIL"


class Finding(NamedTuple):
    """`table`: what was found, if it takes more than a sentence; the first row is its head.

    `reason`: what kind of trouble it is, where it is one that Kafka's clients meet.
    """

    outcome: Outcome
    check: str
    sentence: str
    table: tuple[tuple[str, ...], ...] = ()
    reason: Reason = Reason.UNUSABLE


Surroundings = Callable[[KafkaSays], Iterator[Finding]]  # what else there is to look at, given what Kafka said


def run_checks(
    settings: Settings, connect: Callable[[], KafkaAnswers], surroundings: Surroundings | None = None
) -> Iterator[Finding]:
    """Yield findings as they come. Raises nothing for what Kafka says."""
    for remark in settings.remarks():
        yield Finding(Outcome.WARN, "configuration", remark)
    yield from _state_file(settings)
    says = KafkaSays()
    try:
        kafka = connect()
        cluster = kafka.cluster()
    except Unanswered as error:
        yield Finding(Outcome.FAIL, "kafka", str(error), reason=error.reason)
    else:
        says = KafkaSays(cluster.cluster_id, cluster.brokers)
        yield from _armed(settings, cluster)
        yield from of_kafka(settings, kafka, cluster)
    if surroundings is not None:
        yield from surroundings(says)


def of_kafka(settings: Settings, kafka: KafkaAnswers, cluster: Cluster) -> Iterator[Finding]:
    """Yield what there is to say of a Kafka that answers: can its brokers be reached, and may we do what we have to?"""
    brokers = f"{len(cluster.brokers)} broker{'s' if len(cluster.brokers) != 1 else ''}"
    yield Finding(Outcome.OK, "kafka", f"cluster {cluster.cluster_id} answers with {brokers}")
    unreachable = kafka.advertised(cluster)
    if unreachable is not None:  # whatever is asked next may go to that broker, and wait
        yield Finding(Outcome.FAIL, "kafka", unreachable.sentence, reason=unreachable.reason)
        return
    for finding in _usable(settings, kafka, cluster):
        yield finding
        if finding.reason is Reason.NO_ANSWER:
            return  # each of the other questions would wait as long


def _usable(settings: Settings, kafka: KafkaAnswers, cluster: Cluster) -> Iterator[Finding]:
    yield from _probe_topic(settings, settings.probe.topic, kafka, cluster)
    if settings.probe.acks_one.enabled:
        yield from _probe_topic(settings, settings.probe.acks_one.topic, kafka, cluster)
    if settings.group_consumer.enabled:
        yield _group(settings.group_consumer.group_id, kafka)
    yield _readers(kafka)
    yield from _quorum(settings, kafka)
    yield from _view(kafka)


def _state_file(settings: Settings) -> Iterator[Finding]:
    file = settings.state.file
    if file is None:
        return
    if not file.parent.is_dir():
        yield Finding(Outcome.FAIL, "state", f"there is no folder {file.parent} for state.file; create it")
    elif not os.access(file.parent, os.W_OK):
        yield Finding(Outcome.FAIL, "state", f"the folder {file.parent} of state.file cannot be written")
    else:
        yield Finding(Outcome.OK, "state", f"{file} {'is there' if file.exists() else 'can be created'}")


def _armed(settings: Settings, cluster: Cluster) -> Iterator[Finding]:
    named = settings.experiments.armed_for
    if named is not None and named != cluster.cluster_id:
        sentence = f"experiments are armed for cluster {named}, this is {cluster.cluster_id}: none will run here"
        yield Finding(Outcome.WARN, "experiments", sentence)


def _probe_topic(settings: Settings, name: str, kafka: KafkaAnswers, cluster: Cluster) -> Iterator[Finding]:
    check = f"topic {name}"
    try:
        topic = kafka.topic(name)
    except Unanswered as error:
        yield Finding(Outcome.FAIL, check, str(error), reason=error.reason)
        return
    if topic is None:
        yield _creation(settings, name, kafka, cluster)
        return
    problems = [*_replication(settings, topic), *_retention(settings, topic), *_spread(settings, topic, cluster)]
    yield from (Finding(outcome, check, sentence) for outcome, sentence in problems)
    if not any(outcome is Outcome.FAIL for outcome, _ in problems):
        shape = f"partitions: {len(topic.replicas)}, replicas of each: {min(topic.replicas)}, min.insync.replicas: "
        yield Finding(Outcome.OK, check, f"{shape}{'not known' if topic.min_isr is None else topic.min_isr}")
    yield _rights(settings, topic)


def _creation(settings: Settings, name: str, kafka: KafkaAnswers, cluster: Cluster) -> Finding:
    check, probe = f"topic {name}", settings.probe
    if not probe.manage_topic:
        return Finding(
            Outcome.FAIL, check, "does not exist and probe.manage_topic is off: create it, or let Sentinel do it"
        )
    if len(cluster.brokers) < probe.replication_factor:
        sentence = (
            f"cannot be created with probe.replication_factor {probe.replication_factor}: there are "
            f"{len(cluster.brokers)} live brokers; start the others, or lower it and probe.min_insync_replicas"
        )
        return Finding(Outcome.FAIL, check, sentence)
    try:
        kafka.validate_creation(name, probe)
    except Unanswered as error:
        return Finding(Outcome.FAIL, check, f"does not exist and cannot be created: {error}", reason=error.reason)
    return Finding(Outcome.OK, check, "does not exist yet and can be created")


def _replication(settings: Settings, topic: Topic) -> Iterator[tuple[Outcome, str]]:
    probe, copies = settings.probe, min(topic.replicas)
    if copies < probe.replication_factor:
        sentence = (
            f"has partitions with {copies} of {probe.replication_factor} replicas (probe.replication_factor): "
            "reassign it with more, delete it and let Sentinel create it, or lower the setting"
        )
        yield Outcome.FAIL, sentence
    if topic.min_isr is None:
        yield Outcome.WARN, "min.insync.replicas cannot be read: allow DescribeConfigs on the topic"
    elif topic.min_isr >= copies > 1:
        yield Outcome.FAIL, f"min.insync.replicas {topic.min_isr} of {copies}: not writable while one broker is down"
    elif topic.min_isr == 1 < copies:
        yield Outcome.WARN, "min.insync.replicas is 1: acks=all may then mean one copy, and Kafka may lose it; set 2"
    elif topic.min_isr != probe.min_insync_replicas:
        yield Outcome.WARN, f"min.insync.replicas is {topic.min_isr}, the settings say {probe.min_insync_replicas}"


def _retention(settings: Settings, topic: Topic) -> Iterator[tuple[Outcome, str]]:
    if topic.cleanup is not None and topic.cleanup != "delete":
        yield Outcome.FAIL, f"cleanup.policy is {topic.cleanup}: compaction removes records as loss would; set delete"
    if topic.max_bytes is not None and topic.max_bytes < settings.probe.record_size + MAX_OVERHEAD:
        yield Outcome.FAIL, f"max.message.bytes is {topic.max_bytes}, below probe.record_size and its overhead"
    if topic.retention is not None and 0 <= topic.retention < settings.probe.retention:
        kept, wanted = format_duration(topic.retention), format_duration(settings.probe.retention)
        sentence = f"keeps records for {kept}, the settings say {wanted}: what is gone cannot be checked again"
        yield Outcome.WARN, sentence


def _spread(settings: Settings, topic: Topic, cluster: Cluster) -> Iterator[tuple[Outcome, str]]:
    idle = sorted(cluster.brokers - topic.leaders)
    if idle:
        names = ", ".join(map(str, idle))
        help_ = "Sentinel adds partitions" if settings.probe.manage_topic else "add partitions or elect other leaders"
        yield Outcome.WARN, f"no partition is led by broker {names}, so nothing probes it; {help_}"


def _rights(settings: Settings, topic: Topic) -> Finding:
    check = f"topic {topic.name}"
    if topic.rights is None:
        return Finding(Outcome.WARN, check, "the broker does not say what we may do with it; the daemon will find out")
    managed = {Right.ALTER, Right.CREATE} if settings.probe.manage_topic else set()
    needed = TOPIC_RIGHTS | {Right.DESCRIBE_CONFIGS} | managed
    missing = needed - topic.rights
    if not missing:
        return Finding(Outcome.OK, check, f"we may {_listed(needed)}")
    user = settings.kafka.security.username or "our principal"
    sentence = f"{user} may not {_listed(missing)}: add an ACL that allows it on this topic"
    if missing & TOPIC_RIGHTS:
        return Finding(Outcome.FAIL, check, sentence, reason=Reason.ACL)
    effects = " and ".join(WITHOUT[right] for right in sorted(missing))
    return Finding(Outcome.WARN, check, f"{sentence}; Sentinel {effects}")


def _listed(rights: frozenset[Right]) -> str:
    return ", ".join(sorted(right.value for right in rights))


def _group(group: str, kafka: KafkaAnswers) -> Finding:
    check = f"group {group}"
    try:
        rights = kafka.group_rights(group)
    except Unanswered as error:
        return Finding(Outcome.FAIL, check, str(error), reason=error.reason)
    if rights is None:
        return Finding(Outcome.WARN, check, "the broker does not say what we may do with it; the daemon will find out")
    if Right.READ not in rights:
        sentence = "we may not Read: add an ACL that allows it on this group, or switch group_consumer.enabled off"
        return Finding(Outcome.FAIL, check, sentence, reason=Reason.ACL)
    return Finding(Outcome.OK, check, "we may Read")


def _readers(kafka: KafkaAnswers) -> Finding:
    check = f"groups {OF_READERS}*"
    try:
        kafka.group_rights(f"{OF_READERS}verifier")
    except Unanswered as error:
        if error.reason is not Reason.ACL:
            return Finding(Outcome.WARN, check, str(error), reason=error.reason)
        sentence = f"we may not Describe: add an ACL that allows it on groups with the prefix {OF_READERS}"
        return Finding(Outcome.WARN, check, f"{sentence}; without it readers complain, and go on")
    return Finding(Outcome.OK, check, "we may Describe")


def _view(kafka: KafkaAnswers) -> Iterator[Finding]:
    """Say what guards and the audit would not see."""
    for check, where, blind, rights in (
        ("other topics", "topic *", "guards and the audit do not see all topics", partial(kafka.topic_rights, OTHER)),
        ("cluster", "the cluster", "the audit does not see what brokers are set to", kafka.cluster_rights),
    ):
        try:
            allowed = rights()
        except Unanswered as error:
            yield Finding(Outcome.WARN, check, str(error), reason=error.reason)
            return
        missing = frozenset() if allowed is None else LOOK - allowed
        if missing:
            sentence = f"we may not {_listed(missing)}: add an ACL that allows it on {where}; without it {blind}"
            yield Finding(Outcome.WARN, check, sentence)
        elif allowed is not None:
            yield Finding(Outcome.OK, check, "we may Describe, DescribeConfigs")


def _quorum(settings: Settings, kafka: KafkaAnswers) -> Iterator[Finding]:
    try:
        quorum = kafka.quorum()
    except Unanswered as error:
        effect = "experiments will be denied" if settings.experiments.items else "the controller will not be shown"
        yield Finding(Outcome.WARN, "quorum", f"{error}; {effect}", reason=error.reason)
        return
    yield Finding(Outcome.OK, "quorum", f"led by {quorum.leader}, voters {', '.join(map(str, quorum.voters))}")
    wrong = clock(quorum.ahead) if quorum.ahead is not None else None
    if wrong is not None and quorum.ahead is not None:
        outcome = Outcome.FAIL if abs(quorum.ahead) >= CLOCK_WRONG else Outcome.WARN
        yield Finding(outcome, "clock", wrong.sentence, reason=wrong.reason)
