"""`kafka-sentinel check`: would the daemon work here? It asks; `core.check` judges.

Nothing is written to Kafka: the creation of a topic is only validated, and rights are asked for, not tried out.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Generator, Iterator
from functools import partial

from kafka_sentinel.adapters.check_client import Cluster, KafkaAnswers, Unanswered
from kafka_sentinel.core import check as judge
from kafka_sentinel.core.check import Finding, Outcome, Wanted
from kafka_sentinel.core.connection import Reason
from kafka_sentinel.core.kubernetes.fleet import KafkaSays
from kafka_sentinel.core.placement import partition_count
from kafka_sentinel.engine_config import probe_load
from kafka_sentinel.settings import Settings

OTHER = "__consumer_offsets"  # which every cluster has, once a group has read
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
        yield _unanswered(Outcome.FAIL, "kafka", error)
    else:
        says = KafkaSays(cluster.cluster_id, cluster.brokers)
        if arming := judge.of_arming(settings.experiments.armed_for, cluster.cluster_id):
            yield arming
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
    copies = yield from _probe_topic(settings, settings.probe.topic, kafka, cluster)
    if settings.probe.acks_one.enabled:
        copies += yield from _probe_topic(settings, settings.probe.acks_one.topic, kafka, cluster)
    if copies:
        yield judge.of_cost(probe_load(settings, copies))
    if settings.group_consumer.enabled:
        yield _group(settings.group_consumer.group_id, kafka)
    yield _readers(kafka)
    yield from _quorum(settings, kafka)
    yield from _view(kafka)


def _unanswered(outcome: Outcome, check: str, error: Unanswered) -> Finding:
    return Finding(outcome, check, str(error), reason=error.reason)


def _state_file(settings: Settings) -> Iterator[Finding]:
    file = settings.state.file
    if file is not None:
        folder = file.parent
        writable = os.access(folder, os.W_OK) if folder.is_dir() else None
        yield judge.of_state_file(str(file), str(folder), writable=writable, there=file.exists())


def _probe_topic(
    settings: Settings, name: str, kafka: KafkaAnswers, cluster: Cluster
) -> Generator[Finding, None, tuple[int, ...]]:
    """Returns how many replicas each of its partitions has, or will have; of none where that is not known."""
    wanted = _wanted(settings)
    try:
        topic = kafka.topic(name)
    except Unanswered as error:
        yield _unanswered(Outcome.FAIL, f"topic {name}", error)
        return ()
    if topic is not None:
        yield from judge.of_topic(topic, wanted, cluster.brokers)
        return topic.replicas
    creation = _creation(settings, name, kafka, judge.why_not_created(wanted, cluster.brokers))
    yield creation
    if creation.outcome is Outcome.FAIL:
        return ()
    return (wanted.replication_factor,) * partition_count(len(cluster.brokers), settings.probe.partitions)


def _wanted(settings: Settings) -> Wanted:
    probe = settings.probe
    return Wanted(
        replication_factor=probe.replication_factor,
        min_insync_replicas=probe.min_insync_replicas,
        retention=probe.retention,
        record_size=probe.record_size,
        manage_topic=probe.manage_topic,
        user=settings.kafka.security.username or "",
    )


def _creation(settings: Settings, name: str, kafka: KafkaAnswers, hindrance: str | None) -> Finding:
    check = f"topic {name}"
    if hindrance is not None:
        return Finding(Outcome.FAIL, check, hindrance)
    try:
        kafka.validate_creation(name, settings.probe)
    except Unanswered as error:
        return Finding(Outcome.FAIL, check, f"does not exist and cannot be created: {error}", reason=error.reason)
    return Finding(Outcome.OK, check, "does not exist yet and can be created")


def _group(group: str, kafka: KafkaAnswers) -> Finding:
    try:
        return judge.of_group(group, kafka.group_rights(group))
    except Unanswered as error:
        return _unanswered(Outcome.FAIL, f"group {group}", error)


def _readers(kafka: KafkaAnswers) -> Finding:
    try:
        kafka.group_rights(f"{judge.OF_READERS}verifier")
    except Unanswered as error:
        if error.reason is not Reason.ACL:
            return _unanswered(Outcome.WARN, f"groups {judge.OF_READERS}*", error)
        return judge.of_readers(refused=True)
    return judge.of_readers(refused=False)


def _view(kafka: KafkaAnswers) -> Iterator[Finding]:
    """Say what guards and the audit would not see."""
    for check, ask, judged in (
        ("other topics", partial(kafka.topic_rights, OTHER), judge.of_other_topics),
        ("cluster", kafka.cluster_rights, judge.of_cluster),
    ):
        try:
            finding = judged(ask())
        except Unanswered as error:
            yield _unanswered(Outcome.WARN, check, error)
            return
        if finding is not None:
            yield finding


def _quorum(settings: Settings, kafka: KafkaAnswers) -> Iterator[Finding]:
    try:
        quorum = kafka.quorum()
    except Unanswered as error:
        yield judge.of_unseen_quorum(str(error), error.reason, experiments=bool(settings.experiments.items))
        return
    yield judge.of_quorum(quorum.leader, quorum.voters)
    if wrong := judge.of_clock(quorum.ahead):
        yield wrong
