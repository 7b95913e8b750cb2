"""The Kafka adapters, each against real brokers."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator

import pytest
from confluent_kafka import ElectionType, Producer, TopicPartition
from confluent_kafka.admin import AdminClient
from tests.kafka import observer
from tests.kafka.conftest import describe, leader_and_isr, wait_until
from tests.mock.mailbox import Mailbox, now

from kafka_sentinel.adapters.admin import ClusterWatcher, WatchOptions
from kafka_sentinel.adapters.group_consumer import GroupConsumer, GroupOptions
from kafka_sentinel.adapters.producer import ProbeProducer
from kafka_sentinel.adapters.producer_client import ProducerOptions
from kafka_sentinel.adapters.quorum import QuorumOptions, QuorumWatcher
from kafka_sentinel.adapters.reader import BEGINNING
from kafka_sentinel.adapters.recheck import Rechecker, RecheckOptions
from kafka_sentinel.adapters.topics import TopicKeeper, TopicOptions, admin_client, ensure_topic
from kafka_sentinel.adapters.verifier import Verifier, VerifierOptions
from kafka_sentinel.core.cluster import TopicView
from kafka_sentinel.core.commands import Recheck
from kafka_sentinel.core.coordinators import GROUPS_TOPIC, TRANSACTIONS_TOPIC, partition_for
from kafka_sentinel.core.events import (
    AdapterError,
    ClusterObserved,
    ClusterUnreachable,
    GroupCommitted,
    GroupRead,
    ProducerRestarted,
    QuorumObserved,
    QuorumUnreachable,
    ReaderLost,
    RecheckDone,
    RecordsRead,
    RecordsUncertain,
)
from kafka_sentinel.core.guard_input import ExperimentSpec, World
from kafka_sentinel.core.placement import TopicProblem
from kafka_sentinel.core.resolution import resolve
from kafka_sentinel.core.schedule import parse_schedule
from kafka_sentinel.core.targets import TargetKind, TargetSpec
from kafka_sentinel.core.types import Acks, ProbePartition
from kafka_sentinel.lab.cluster import LabCluster

RUN, INSTANCE = 42, 7
ZERO = ProbePartition(Acks.ALL, 0)
numbers = itertools.count()


@pytest.fixture
def mailbox() -> Iterator[Mailbox]:
    made = Mailbox()
    yield made
    assert not made.deaths


class Parts:
    """Adapters of one lab and topic; all are stopped at the end of the test."""

    def __init__(self, lab: LabCluster, topic: str, mailbox: Mailbox) -> None:
        self.lab = lab
        self.topic = topic
        self.common = {"bootstrap.servers": lab.bootstrap_servers}
        self._plumbing = {"post": mailbox.post, "now": now, "on_death": mailbox.on_death}
        self._made: list[object] = []

    def producer(self, *partitions: int, run: int = RUN, rate: float = 50.0, **options: object) -> ProbeProducer:
        made = self._begun(
            ProbeProducer(
                ProducerOptions(self.common, self.topic, Acks.ALL, INSTANCE, records_per_second=rate, **options),
                **self._plumbing,
            )
        )
        made.begin_run(run)
        made.probe([ProbePartition(Acks.ALL, one) for one in partitions])
        return made

    def verifier(self, *partitions: int) -> Verifier:
        made = self._begun(Verifier(VerifierOptions(self.common, self.topic, Acks.ALL, INSTANCE), **self._plumbing))
        made.begin_run(RUN)
        for one in partitions:
            made.assign(ProbePartition(Acks.ALL, one), BEGINNING)
        return made

    def rechecker(self) -> Rechecker:
        return self._begun(Rechecker(RecheckOptions(self.common, {Acks.ALL: self.topic}), **self._plumbing))

    def watcher(self) -> ClusterWatcher:
        options = WatchOptions(self.common, {Acks.ALL: self.topic}, interval=0.2)
        return self._begun(ClusterWatcher(options, **self._plumbing))

    def keeper(self, options: TopicOptions) -> TopicKeeper:
        return self._begun(TopicKeeper(self.common, {Acks.ALL: options}, **self._plumbing))

    def quorum(self) -> QuorumWatcher:
        client = {"bootstrap_servers": self.lab.bootstrap_servers.split(",")}
        return self._begun(QuorumWatcher(QuorumOptions(client, interval=0.2), **self._plumbing))

    def group(self, protocol: str, **options: object) -> GroupConsumer:
        made = GroupOptions(self.common, {Acks.ALL: self.topic}, "group-" + self.topic, protocol, **options)
        return self._begun(GroupConsumer(made, **self._plumbing))

    def _begun(self, made):
        self._made.append(made)
        made.start()
        return made

    def stop(self) -> None:
        for made in self._made:
            assert made.stop(20), made


@pytest.fixture
def parts(mailbox: Mailbox) -> Iterator[Callable[[LabCluster, str], Parts]]:
    made: list[Parts] = []

    def make(lab: LabCluster, topic: str | None = None) -> Parts:
        made.append(Parts(lab, topic or f"probe-{next(numbers)}", mailbox))
        return made[-1]

    yield make
    for one in made:
        one.stop()


def position(mailbox: Mailbox, partition: int = 0) -> int:
    events = [event for event in mailbox.of(RecordsRead) if event.partition.partition == partition]
    return events[-1].position if events else -1


def last_view(mailbox: Mailbox) -> TopicView | None:
    events = mailbox.of(ClusterObserved)
    return events[-1].view.probe_topic(Acks.ALL) if events else None


# --- topics and snapshots


def test_the_probe_topic_is_made_and_observed(lab_combined, parts, mailbox):
    part = parts(lab_combined)
    part.watcher()
    keeper = part.keeper(TopicOptions(part.topic, retention_seconds=3_600))
    keeper.ensure(Acks.ALL)
    view = mailbox.until(lambda: (found := last_view(mailbox)) and found.min_isr and found.topic_id and found)
    assert sorted(one.replicas[0] for one in view.partitions) == [1, 1, 2, 2, 3, 3]
    assert all(sorted(one.replicas) == [1, 2, 3] for one in view.partitions)
    assert (view.min_isr, view.retention_seconds) == (2, 3_600)
    keeper.ensure(Acks.ALL)
    keeper.ensure(Acks.ONE)  # there is none: by the time this is said, the first one is through
    said = mailbox.until(lambda: [one for one in mailbox.of(AdapterError) if one.subject == "topics"])
    assert [(one.code, one.message) for one in said] == [("TOPIC_PROBLEM", "there is no probe topic for acks=1")]
    cluster = mailbox.of(ClusterObserved)[-1].view
    assert cluster.brokers == {broker: lab_combined.address(broker) for broker in (1, 2, 3)}
    assert cluster.cluster_id == lab_combined.cluster_id


def test_a_topic_made_anew_has_another_id_and_its_own_settings(lab_combined, parts, mailbox):
    part = parts(lab_combined)
    client = admin_client(part.common)
    ensure_topic(client, TopicOptions(part.topic, min_isr=1), 10)
    part.watcher()
    first = mailbox.until(lambda: (found := last_view(mailbox)) and found.min_isr and found.topic_id and found)
    client.delete_topics([part.topic])[part.topic].result(10)
    mailbox.until(lambda: mailbox.of(ClusterObserved)[-1].view.probe_topic(Acks.ALL) is None)
    wait_until(
        lambda: all(part.topic not in describe(lab_combined.address(one)) for one in (1, 2, 3)), 20, "it is gone"
    )
    ensure_topic(client, TopicOptions(part.topic, partitions=3), 10)
    view = mailbox.until(lambda: (found := last_view(mailbox)) and found.min_isr == 2 and found.topic_id and found)
    assert view.topic_id != first.topic_id
    assert len(view.partitions) == 3


def test_what_cannot_be_is_a_sentence(lab_combined, parts, make_topic):
    part = parts(lab_combined)
    client = admin_client(part.common)
    with pytest.raises(TopicProblem, match=r"min\.insync\.replicas 4 is above the replication factor 3"):
        ensure_topic(client, TopicOptions(part.topic, min_isr=4), 10)
    with pytest.raises(TopicProblem, match="3 of 4 brokers are up"):
        ensure_topic(client, TopicOptions(part.topic), 10, most_brokers=4)
    thin = make_topic(lab_combined, [[1], [2], [3]])
    with pytest.raises(TopicProblem, match=r"partition\(s\) \[0, 1, 2\] have fewer than the 3 replicas"):
        ensure_topic(client, TopicOptions(thin), 10)


@pytest.mark.full
def test_a_new_broker_leads_a_new_partition(new_lab):
    lab = new_lab("separate")
    client = admin_client({"bootstrap.servers": lab.bootstrap_servers})
    ensure_topic(client, TopicOptions("probe"), 10)
    lab.add_broker(4)
    lab.wait_ready([4])

    def leaders() -> list[int]:
        ensure_topic(client, TopicOptions("probe"), 10)
        return [one.replicas[0] for one in describe(lab.bootstrap_servers)["probe"].partitions.values()]

    wait_until(lambda: 4 in leaders(), 20, "a partition led by broker 4")
    assert leaders() == [1, 2, 3, 1, 2, 3, 4]


@pytest.mark.full
def test_snapshots_follow_a_broker_that_dies_and_one_that_hangs(lab_separate, parts, mailbox, make_topic):
    part = parts(lab_separate, make_topic(lab_separate))
    part.watcher()
    mailbox.first(ClusterObserved)
    lab_separate.kill(1)
    view = mailbox.until(lambda: (found := last_view(mailbox)) and found.partitions[0].leader in (2, 3) and found)
    mailbox.until(lambda: set(last_view(mailbox).partitions[0].isr) == {2, 3})
    lab_separate.pause(view.partitions[0].leader)
    survivor = 5 - view.partitions[0].leader
    mailbox.until(lambda: (found := last_view(mailbox)) and found.partitions[0].leader == survivor, timeout=40)
    lab_separate.pause(survivor)
    unreachable = mailbox.first(ClusterUnreachable, timeout=30)
    assert unreachable.asked.mono < unreachable.at.mono
    assert unreachable.reason


# --- producing and verifying


@pytest.mark.full
def test_two_hundred_records_a_second_survive_the_death_of_a_leader(lab_combined, parts, mailbox):
    part = parts(lab_combined)
    ensure_topic(admin_client(part.common), TopicOptions(part.topic), 10)
    part.verifier(*range(6))
    producer = part.producer(*range(6), rate=200 / 6)
    mailbox.until(lambda: all(len(mailbox.acked(one)) > 30 for one in range(6)))
    lab_combined.kill(1)
    stood = mailbox.sent(0).end
    mailbox.until(lambda: mailbox.acked(0).end > stood and mailbox.acked(3).end > stood, timeout=60)
    assert producer.stop(20)
    mailbox.until(lambda: all(mailbox.read(one).end == mailbox.acked(one).end for one in range(6)))
    for one in range(6):
        assert mailbox.acked(one).spans() == mailbox.sent(one).spans() == mailbox.read(one).spans()
    assert mailbox.of(RecordsUncertain) == []
    assert mailbox.of(ReaderLost) == []


@pytest.mark.full
def test_a_truncated_log_stops_the_reader_and_the_producer_comes_back(lab_separate, parts, mailbox, make_topic):
    lab = lab_separate
    config = {"min.insync.replicas": "1", "unclean.leader.election.enable": "true"}
    part = parts(lab, make_topic(lab, config=config))
    verifier = part.verifier(0)
    part.producer(0)
    mailbox.until(lambda: len(mailbox.read()) > 20)
    lab.pause(2)
    lab.pause(3)
    wait_until(lambda: leader_and_isr(lab.address(1), part.topic) == (1, {1}), 30, "ISR {1}")
    stood = position(mailbox)
    mailbox.until(lambda: position(mailbox) > stood + 50)
    lab.kill(1)
    lab.wipe(1)
    lab.resume(2)
    lab.resume(3)
    lost = mailbox.first(ReaderLost, timeout=60)
    assert lost.partition == ZERO
    assert lost.log_start == 0
    assert lost.log_end is not None
    assert lost.log_end < lost.position
    assert "truncation" in lost.reason
    assert mailbox.first(ProducerRestarted, timeout=60).incarnation == 1
    verifier.assign(ZERO, lost.log_start)
    mailbox.until(lambda: position(mailbox) > lost.log_end + 20)
    after = [one for event in mailbox.of(RecordsRead) if event.start < lost.log_end for one in event.sightings]
    assert {one.leader_epoch for one in after} == {0, *range(1, 1 + max(one.leader_epoch for one in after))}
    part.rechecker().submit(Recheck(1, ZERO, 0, lost.position, None))
    done = mailbox.first(RecheckDone)
    assert (done.start, done.log_start) == (0, 0)
    assert done.topic_id is not None
    stands = [one for one in done.sightings if one.offset < lost.log_end]
    assert [(one.offset, one.first) for one in stands][:1] == [(0, 0)]
    beyond = [one for one in done.sightings if one.offset >= lost.log_end]
    assert all(one.first > one.offset for one in beyond), "what was cut off is not there"


def test_after_a_topic_was_made_anew_renewed_clients_go_on(lab_separate, parts, mailbox, make_topic):
    part = parts(lab_separate, make_topic(lab_separate))
    verifier, producer = part.verifier(0), part.producer(0)
    mailbox.until(lambda: len(mailbox.read()) > 5)
    lab_separate.kill(1)  # the leader's epoch rises, and will be above those of the new topic
    stood = mailbox.sent().end
    mailbox.until(lambda: mailbox.acked().end > stood, timeout=60)
    lab_separate.start(1)
    lab_separate.wait_ready([1])
    admin = admin_client(part.common)
    admin.delete_topics([part.topic])[part.topic].result(10)
    wait_until(lambda: part.topic not in describe(lab_separate.bootstrap_servers), 20, "the topic is gone")
    make_topic(lab_separate, [[3, 1, 2]], name=part.topic)
    producer.renew()
    verifier.renew()
    verifier.assign(ZERO, BEGINNING)
    restarted = mailbox.first(ProducerRestarted)
    index = mailbox.events.index(restarted)
    read = mailbox.until(
        lambda: [one for one in mailbox.events[index:] if isinstance(one, RecordsRead) and one.sightings]
    )
    assert read[0].sightings[0].offset == 0
    assert read[0].sightings[0].first >= stood


@pytest.mark.full
def test_no_client_of_ours_brings_a_deleted_topic_back(new_lab, parts, mailbox):
    lab = new_lab("combined", overrides={"auto.create.topics.enable": "true"})
    part = parts(lab)
    ensure_topic(admin_client(part.common), TopicOptions(part.topic, partitions=3), 10)
    verifier, producer = part.verifier(0, 1, 2), part.producer(0, 1, 2)
    part.watcher()
    group = part.group("classic")
    mailbox.until(lambda: mailbox.read() and mailbox.of(GroupRead))
    admin = AdminClient({"bootstrap.servers": lab.bootstrap_servers, "log_level": 0, "allow.auto.create.topics": False})
    admin.delete_topics([part.topic])[part.topic].result(10)
    seen = len(mailbox.of(ClusterObserved))
    mailbox.until(lambda: len(mailbox.of(ClusterObserved)) > seen + 20)
    assert part.topic not in admin.list_topics(timeout=5).topics
    for one in (group, verifier, producer):
        assert one.stop(20)


def test_control_records_and_open_transactions_of_others_do_not_stop_the_reader(
    lab_combined, parts, mailbox, make_topic
):
    part = parts(lab_combined, make_topic(lab_combined))
    part.verifier(0)
    foreign = Producer({**part.common, "transactional.id": part.topic, "log_level": 0})
    foreign.init_transactions(20)
    foreign.begin_transaction()
    foreign.produce(part.topic, b"foreign", b"", 0)
    foreign.commit_transaction(20)
    mailbox.until(lambda: position(mailbox) == 2)
    assert [one.count for event in mailbox.of(RecordsRead) for one in event.sightings] == [1]
    foreign.begin_transaction()
    foreign.produce(part.topic, b"foreign", b"", 0)
    foreign.flush(10)
    part.producer(0)
    mailbox.until(lambda: len(mailbox.read()) > 10)
    foreign.abort_transaction(20)
    assert mailbox.of(ReaderLost) == []


def test_deleted_records_stop_the_reader_that_was_below(lab_combined, parts, mailbox, make_topic):
    part = parts(lab_combined, make_topic(lab_combined))
    producer = part.producer(0)
    mailbox.until(lambda: len(mailbox.acked()) > 30)
    assert producer.stop(20)
    place = TopicPartition(part.topic, 0, 20)
    admin = admin_client(part.common)
    admin.delete_records([place], request_timeout=10)[place].result(20)
    verifier = part.verifier()
    verifier.assign(ZERO, 10)
    lost = mailbox.first(ReaderLost)
    assert (lost.position, lost.log_start, lost.log_end) == (10, 20, mailbox.acked().end)
    verifier.assign(ZERO, 20)
    part.producer(0)
    mailbox.until(lambda: mailbox.of(RecordsRead) and mailbox.of(RecordsRead)[-1].log_start == 20)


# --- the group, the quorum


@pytest.mark.parametrize("protocol", ["classic", "consumer"])
def test_a_group_member_goes_on_after_its_commits(lab_combined, parts, mailbox, make_topic, protocol):
    part = parts(lab_combined, make_topic(lab_combined))
    part.producer(0)
    first = part.group(protocol, commit_interval=0.2)
    mailbox.until(lambda: len(mailbox.of(GroupCommitted)) >= 2, timeout=60)
    assert first.stop(20)
    committed = max(offset for event in mailbox.of(GroupCommitted) for _, offset in event.offsets)
    seen = len(mailbox.of(GroupRead))
    part.group(protocol, commit=False)
    mailbox.until(lambda: len(mailbox.of(GroupRead)) > seen, timeout=60)
    assert mailbox.of(GroupRead)[seen].offset == committed
    assert {event.error for event in mailbox.of(GroupCommitted)} == {None}


def test_a_group_member_that_never_commits_is_handed_everything_again(lab_combined, parts, mailbox, make_topic):
    part = parts(lab_combined, make_topic(lab_combined))
    part.producer(0)
    first = part.group("classic", commit=False)
    mailbox.until(lambda: mailbox.of(GroupRead), timeout=60)
    assert first.stop(20)
    seen = len(mailbox.of(GroupRead))
    part.group("classic", commit=False)
    mailbox.until(lambda: len(mailbox.of(GroupRead)) > seen, timeout=60)
    assert mailbox.of(GroupRead)[seen].offset == mailbox.of(GroupRead)[0].offset == 0


def elect_preferred(lab: LabCluster, topic: str) -> None:
    """Give every partition back to its first replica: whoever killed brokers before may have left them all to one."""

    def in_sync():
        parts = describe(lab.bootstrap_servers)[topic].partitions
        return parts if all(set(part.isrs) == set(part.replicas) for part in parts.values()) else None

    partitions = [TopicPartition(topic, number) for number in wait_until(in_sync, 60, "replicas in sync")]
    admin = AdminClient({"bootstrap.servers": lab.bootstrap_servers})
    admin.elect_leaders(ElectionType.PREFERRED, partitions).result(30)


def preferred(topic: TopicView) -> dict[int, int]:
    """Return partition → leader once each is led by its first replica, else nothing."""
    led = all(each.leader == each.replicas[0] for each in topic.partitions)
    return {each.partition: each.leader for each in topic.partitions} if led else {}


def test_the_coordinator_of_a_group_is_the_broker_that_we_compute(lab_combined, parts, mailbox, make_topic):
    part = parts(lab_combined, make_topic(lab_combined))
    part.producer(0)
    part.group("classic")
    mailbox.until(lambda: mailbox.of(GroupRead), timeout=60)
    part.watcher()
    mailbox.first(ClusterObserved)
    mailbox.until(lambda: mailbox.of(ClusterObserved)[-1].view.topics.get(GROUPS_TOPIC))
    elect_preferred(lab_combined, GROUPS_TOPIC)
    leaders = mailbox.until(lambda: preferred(mailbox.of(ClusterObserved)[-1].view.topics[GROUPS_TOPIC]))
    groups = ["group-" + part.topic, *(f"ordérs-😀-{number}" for number in range(20))]

    def all_named():
        found = observer.group_coordinators(lab_combined.bootstrap_servers, groups)
        return found if found.keys() == set(groups) else None

    named = wait_until(all_named, 60, "the new leaders to have loaded their groups")
    assert named == {group: leaders[partition_for(group, len(leaders))] for group in groups}
    assert len(set(named.values())) > 1


def test_the_coordinator_of_a_transactional_id_is_the_broker_that_we_resolve(lab_combined, parts, mailbox, make_topic):
    part = parts(lab_combined, make_topic(lab_combined))
    names = [part.topic, *(f"paymënts-😀-{number}-{part.topic}" for number in range(12))]
    commit(part, names[0])  # there is no such topic before the first transaction
    elect_preferred(lab_combined, TRANSACTIONS_TOPIC)
    for name in names:
        commit(part, name)
    named = observer.transaction_coordinators(lab_combined.bootstrap_servers)
    part.watcher()
    mailbox.first(ClusterObserved)
    mailbox.until(lambda: preferred(mailbox.of(ClusterObserved)[-1].view.topics[TRANSACTIONS_TOPIC]))
    view = mailbox.of(ClusterObserved)[-1].view
    resolved = {name: resolve(coordinator_of(name), "", World(now(), now(), cluster=view)).brokers for name in names}
    assert resolved == {name: {named[name]} for name in names}
    assert len({named[name] for name in names}) > 1


def commit(part: Parts, transactional_id: str) -> None:
    """Write one record in a transaction of that id."""
    writer = Producer({**part.common, "transactional.id": transactional_id, "log_level": 0})
    writer.init_transactions(30)
    writer.begin_transaction()
    writer.produce(part.topic, b"paid", b"", 0)
    writer.commit_transaction(30)


def coordinator_of(transactional_id: str) -> ExperimentSpec:
    target = TargetSpec(TargetKind.TRANSACTION_COORDINATOR, name=transactional_id)
    return ExperimentSpec("kill", "process-kill", target, parse_schedule(every="1h"), duration=10.0)


@pytest.mark.parametrize(("topology", "voters"), [("combined", (1, 2, 3)), ("separate", (9,))])
def test_the_quorum_names_its_leader_and_its_voters(request, parts, mailbox, topology, voters):
    lab = request.getfixturevalue(f"lab_{topology}")
    parts(lab).quorum()
    view = mailbox.until(
        lambda: (found := mailbox.of(QuorumObserved)) and found[-1].view.caught_up_voters == voters and found[-1].view
    )
    assert view.voters == voters
    assert view.leader in voters
    assert view.epoch > 0
    assert view.reassigning == frozenset()


def test_a_new_controller_is_found_and_a_silent_one_is_said_so(lab_combined, parts, mailbox):
    part = parts(lab_combined)
    part.quorum()
    old = mailbox.first(QuorumObserved).view
    lab_combined.kill(old.leader)
    new = mailbox.until(
        lambda: [one.view for one in mailbox.of(QuorumObserved) if one.view.leader not in (old.leader, -1)], timeout=40
    )[0]
    assert new.epoch > old.epoch
    assert new.voters == old.voters
    mailbox.until(lambda: old.leader not in mailbox.of(QuorumObserved)[-1].view.caught_up_voters)
    lab_combined.pause(new.leader)
    assert mailbox.until(lambda: mailbox.of(QuorumUnreachable), timeout=40)[0].reason
