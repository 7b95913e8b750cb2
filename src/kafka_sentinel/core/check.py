"""What `kafka-sentinel check` concludes from what Kafka answered: each a line that says what to do about it."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

from kafka_sentinel.core.connection import CLOCK_WRONG, Reason, Trouble, clock
from kafka_sentinel.core.durations import format_duration
from kafka_sentinel.core.probe_cost import ProbeLoad, probe_cost, told

MAX_OVERHEAD = 100  # bytes a record batch adds to one value, at most
OF_READERS = "kafka-sentinel-"  # what the groups begin with whose coordinator readers ask for, though they join none
NOT_SAID = "the broker does not say what we may do with it; the daemon will find out"


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


def trouble_of(finding: Finding) -> Trouble | None:
    """Return a finding as what keeps the daemon from using Kafka as it should. One that came too late says nothing."""
    if finding.reason is Reason.NO_ANSWER:
        return None
    refused = finding.outcome is Outcome.WARN and finding.reason is Reason.ACL
    if finding.outcome is not Outcome.FAIL and not refused:
        return None
    return Trouble(finding.reason, f"{finding.check}: {finding.sentence}")


class Right(StrEnum):
    """An ACL operation, by the name kafka-acls.sh knows it by."""

    READ = "Read"
    WRITE = "Write"
    DESCRIBE = "Describe"
    ALTER = "Alter"
    CREATE = "Create"
    DESCRIBE_CONFIGS = "DescribeConfigs"


TOPIC_RIGHTS = frozenset({Right.READ, Right.WRITE, Right.DESCRIBE})
LOOK = frozenset({Right.DESCRIBE, Right.DESCRIBE_CONFIGS})
WITHOUT = {  # what Sentinel goes on without
    Right.ALTER: "adds no partitions for new brokers",
    Right.CREATE: "does not make it anew once it was deleted",
    Right.DESCRIBE_CONFIGS: "does not see its settings",
}


class Topic(NamedTuple):
    """What matters of a probe topic. None where the broker did not say. `retention`: seconds; negative: without end."""

    name: str
    replicas: tuple[int, ...]  # how many, of each partition
    leaders: frozenset[int]
    min_isr: int | None = None
    cleanup: str | None = None
    retention: float | None = None
    max_bytes: int | None = None
    rights: frozenset[Right] | None = None

    @property
    def subject(self) -> str:
        """What the findings about it are headed by."""
        return f"topic {self.name}"


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the settings ask of a probe topic. `retention`: seconds; `record_size`: bytes; `user`: who we are, or ""."""

    replication_factor: int
    min_insync_replicas: int
    retention: float
    record_size: int
    manage_topic: bool
    user: str = ""


# --- the probe topics


def of_topic(topic: Topic, wanted: Wanted, brokers: Collection[int]) -> list[Finding]:
    """Judge a topic that exists. `brokers`: the live ones."""
    problems = [*_replication(topic, wanted), *_retention(topic, wanted), *_spread(topic, wanted, brokers)]
    found = [Finding(outcome, topic.subject, sentence) for outcome, sentence in problems]
    if not any(outcome is Outcome.FAIL for outcome, _ in problems):
        shape = f"partitions: {len(topic.replicas)}, replicas of each: {min(topic.replicas)}, min.insync.replicas: "
        shape += "not known" if topic.min_isr is None else str(topic.min_isr)
        found.append(Finding(Outcome.OK, topic.subject, shape))
    return [*found, _rights(topic, wanted)]


def why_not_created(wanted: Wanted, brokers: Collection[int]) -> str | None:
    """Return why a topic that does not exist cannot be made, or None if only Kafka can tell."""
    if not wanted.manage_topic:
        return "does not exist and probe.manage_topic is off: create it, or let Sentinel do it"
    if len(brokers) < wanted.replication_factor:
        return (
            f"cannot be created with probe.replication_factor {wanted.replication_factor}: there are "
            f"{len(brokers)} live brokers; start the others, or lower it and probe.min_insync_replicas"
        )
    return None


def _replication(topic: Topic, wanted: Wanted) -> Iterator[tuple[Outcome, str]]:
    copies = min(topic.replicas)
    if copies < wanted.replication_factor:
        sentence = (
            f"has partitions with {copies} of {wanted.replication_factor} replicas (probe.replication_factor): "
            "reassign it with more, delete it and let Sentinel create it, or lower the setting"
        )
        yield Outcome.FAIL, sentence
    if topic.min_isr is None:
        yield Outcome.WARN, "min.insync.replicas cannot be read: allow DescribeConfigs on the topic"
    elif topic.min_isr >= copies > 1:
        yield Outcome.FAIL, f"min.insync.replicas {topic.min_isr} of {copies}: not writable while one broker is down"
    elif topic.min_isr == 1 < copies:
        yield Outcome.WARN, "min.insync.replicas is 1: acks=all may then mean one copy, and Kafka may lose it; set 2"
    elif topic.min_isr != wanted.min_insync_replicas:
        yield Outcome.WARN, f"min.insync.replicas is {topic.min_isr}, the settings say {wanted.min_insync_replicas}"


def _retention(topic: Topic, wanted: Wanted) -> Iterator[tuple[Outcome, str]]:
    if topic.cleanup is not None and topic.cleanup != "delete":
        yield Outcome.FAIL, f"cleanup.policy is {topic.cleanup}: compaction removes records as loss would; set delete"
    if topic.max_bytes is not None and topic.max_bytes < wanted.record_size + MAX_OVERHEAD:
        yield Outcome.FAIL, f"max.message.bytes is {topic.max_bytes}, below probe.record_size and its overhead"
    if topic.retention is not None and 0 <= topic.retention < wanted.retention:
        kept, asked = format_duration(topic.retention), format_duration(wanted.retention)
        sentence = f"keeps records for {kept}, the settings say {asked}: what is gone cannot be checked again"
        yield Outcome.WARN, sentence


def _spread(topic: Topic, wanted: Wanted, brokers: Collection[int]) -> Iterator[tuple[Outcome, str]]:
    idle = sorted(set(brokers) - topic.leaders)
    if idle:
        names = ", ".join(map(str, idle))
        help_ = "Sentinel adds partitions" if wanted.manage_topic else "add partitions or elect other leaders"
        yield Outcome.WARN, f"no partition is led by broker {names}, so nothing probes it; {help_}"


def _rights(topic: Topic, wanted: Wanted) -> Finding:
    if topic.rights is None:
        return Finding(Outcome.WARN, topic.subject, NOT_SAID)
    managed = {Right.ALTER, Right.CREATE} if wanted.manage_topic else set()
    needed = TOPIC_RIGHTS | {Right.DESCRIBE_CONFIGS} | managed
    missing = needed - topic.rights
    if not missing:
        return Finding(Outcome.OK, topic.subject, f"we may {_listed(needed)}")
    sentence = f"{wanted.user or 'our principal'} may not {_listed(missing)}: add an ACL that allows it on this topic"
    if missing & TOPIC_RIGHTS:
        return Finding(Outcome.FAIL, topic.subject, sentence, reason=Reason.ACL)
    effects = " and ".join(WITHOUT[right] for right in sorted(missing))
    return Finding(Outcome.WARN, topic.subject, f"{sentence}; Sentinel {effects}")


def _listed(rights: Collection[Right]) -> str:
    return ", ".join(sorted(right.value for right in rights))


# --- groups, the other topics, the cluster


def of_group(group: str, rights: frozenset[Right] | None) -> Finding:
    """Judge what we may do with our own group. None: the broker does not say."""
    check = f"group {group}"
    if rights is None:
        return Finding(Outcome.WARN, check, NOT_SAID)
    if Right.READ not in rights:
        sentence = "we may not Read: add an ACL that allows it on this group, or switch group_consumer.enabled off"
        return Finding(Outcome.FAIL, check, sentence, reason=Reason.ACL)
    return Finding(Outcome.OK, check, "we may Read")


def of_readers(*, refused: bool) -> Finding:
    check = f"groups {OF_READERS}*"
    if refused:
        sentence = f"we may not Describe: add an ACL that allows it on groups with the prefix {OF_READERS}"
        return Finding(Outcome.WARN, check, f"{sentence}; without it readers complain, and go on")
    return Finding(Outcome.OK, check, "we may Describe")


def of_other_topics(rights: frozenset[Right] | None) -> Finding | None:
    return _sight("other topics", "topic *", "guards and the audit do not see all topics", rights)


def of_cluster(rights: frozenset[Right] | None) -> Finding | None:
    return _sight("cluster", "the cluster", "the audit does not see what brokers are set to", rights)


def _sight(check: str, where: str, blind: str, rights: frozenset[Right] | None) -> Finding | None:
    """Judge what guards and the audit can look at; nothing where the broker does not say."""
    if rights is None:
        return None
    if missing := LOOK - rights:
        sentence = f"we may not {_listed(missing)}: add an ACL that allows it on {where}; without it {blind}"
        return Finding(Outcome.WARN, check, sentence)
    return Finding(Outcome.OK, check, f"we may {_listed(LOOK)}")


def of_quorum(leader: int, voters: Collection[int]) -> Finding:
    return Finding(Outcome.OK, "quorum", f"led by {leader}, voters {', '.join(map(str, voters))}")


def of_unseen_quorum(why: str, reason: Reason, *, experiments: bool) -> Finding:
    """Say what follows if nobody tells us of the quorum. `experiments`: some are configured."""
    effect = "experiments will be denied" if experiments else "the controller will not be shown"
    return Finding(Outcome.WARN, "quorum", f"{why}; {effect}", reason=reason)


def of_clock(ahead: float | None) -> Finding | None:
    """Judge by how many seconds our clock is ahead of the quorum's leader. None: it does not show its own."""
    wrong = clock(ahead) if ahead is not None else None
    if wrong is None or ahead is None:
        return None
    outcome = Outcome.FAIL if abs(ahead) >= CLOCK_WRONG else Outcome.WARN
    return Finding(outcome, "clock", wrong.sentence, reason=wrong.reason)


def of_arming(armed_for: str | None, cluster_id: str) -> Finding | None:
    if armed_for is None or armed_for == cluster_id:
        return None
    sentence = f"experiments are armed for cluster {armed_for}, this is {cluster_id}: none will run here"
    return Finding(Outcome.WARN, "experiments", sentence)


def of_cost(load: ProbeLoad) -> Finding:
    return Finding(Outcome.OK, "cost", told(probe_cost(load)))


# --- where Sentinel runs


def of_state_file(file: str, folder: str, *, writable: bool | None, there: bool) -> Finding:
    """Judge `state.file`. `writable`: whether its folder can be written; None: there is no such folder."""
    if writable is None:
        return Finding(Outcome.FAIL, "state", f"there is no folder {folder} for state.file; create it")
    if not writable:
        return Finding(Outcome.FAIL, "state", f"the folder {folder} of state.file cannot be written")
    return Finding(Outcome.OK, "state", f"{file} {'is there' if there else 'can be created'}")
