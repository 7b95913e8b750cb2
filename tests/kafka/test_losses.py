"""Acknowledged records really lost, in three ways, and found to the record (docs/verification.md: b and c).

The truth is `acknowledged by the client` minus `present in the log`, the latter read by another client library with a
parser of its own. What a run of the ledger says has to equal it exactly.
"""

from __future__ import annotations

import pytest
from confluent_kafka import ElectionType, TopicPartition
from confluent_kafka.admin import AdminClient
from tests.kafka import truth
from tests.kafka.conftest import leader_and_isr
from tests.kafka.sentinel import Sentinel, assert_identities, configuration, wait_for

from kafka_sentinel.core.types import Acks

ALL_THREE = [[1, 2, 3]]
SESSION = {"session_timeout": 3, "snapshot_interval": 0.3, "quorum_interval": 0.5}
RATE = {"manage_topic": False, "records_per_interval": 10}  # 100 records/s
FIRST = 50  # of the lost ones, which must have been read before the leader is killed


def written_for(seconds: float, sentinel: Sentinel, acks: Acks = Acks.ALL) -> None:
    """Wait until records have been acknowledged for that long from now on."""
    before = len(sentinel.acked(0, acks))
    wait_for(lambda: len(sentinel.acked(0, acks)) >= before + int(seconds * 100), 30, "acknowledgements")


def isolate_leader_by_pausing(lab, sentinel: Sentinel, acks: str = "all") -> None:
    lab.pause(2)
    lab.pause(3)
    wait_for(lambda: sentinel.isr(0, acks) == [1], 30, lambda: f"ISR of {acks} shrinks: {sentinel.isr(0, acks)}")


def check_losses(lab, sentinel: Sentinel, topic: str, acks: Acks, *, least: int) -> None:
    """Compare every lost record with the truth: which, where, whether it had been read, in which incident."""
    acked, read = sentinel.acked(0, acks), sentinel.read(0, acks)
    log = truth.read_log(lab.bootstrap_servers, topic, 0)
    expected = set(acked) - truth.present(log.records)
    said = sentinel.lost(acks.value)
    assert len(expected) >= least, "the recipe lost nothing worth looking for"
    assert set(said) == expected
    incidents = {incident["id"]: incident for incident in sentinel.incidents()}
    for key, evidence in said.items():
        assert evidence["offset"] == acked[key][0]
        assert (evidence["seen"] == "before") == (key in read)
        assert evidence["topic_id"]
        assert evidence["stands_there"]
        assert evidence["leader_epoch_before"] >= 0 or evidence["seen"] == "never"
        incident = incidents[evidence["incident"]]
        assert incident["started_at"] <= evidence["proved_at"]
    figures = sentinel.records(acks.value)
    assert figures["lost"] == len(expected)
    assert figures["lost_before"] == len(expected & read)
    assert figures["sent"] == sentinel.runtime.sent[acks, 0]
    assert_identities(figures)
    charged = sum(incident["lost_by_acks"][acks.value] for incident in incidents.values())
    assert charged == len(expected)


def await_proof(sentinel: Sentinel, acks: Acks, acked_before: int) -> None:
    """Wait for the first acknowledgement after the election, and then for the proof: it takes no more than writes."""
    wait_for(lambda: len(sentinel.acked(0, acks)) > acked_before, 40, "writes resume")
    wait_for(lambda: sentinel.lost(acks.value), 60, lambda: f"the loss is proved: {sentinel.records(acks.value)}")


def test_b_unclean_election_loses_what_was_read(lab_separate, make_topic):
    lab = lab_separate
    topic = make_topic(lab, config={"min.insync.replicas": "1", "unclean.leader.election.enable": "true"})
    with Sentinel(configuration(lab.bootstrap_servers, topic, probe=RATE, cluster=SESSION)) as sentinel:
        sentinel.wait_verified(200)
        isolate_leader_by_pausing(lab, sentinel)
        kept = set(sentinel.acked(0))
        written_for(2.5, sentinel)
        first = sorted(set(sentinel.acked(0)) - kept)[:FIRST]
        wait_for(lambda: sentinel.read(0) >= set(first), 60, "they are read")
        lab.kill(1)
        lab.wipe(1)
        acked = len(sentinel.acked(0))
        lab.resume(2)
        lab.resume(3)
        await_proof(sentinel, Acks.ALL, acked)
        lab.start(1)
        lab.wait_ready([1])
        sentinel.quiesce()
        check_losses(lab, sentinel, topic, Acks.ALL, least=100)
        assert {sentinel.lost()[key]["seen"] for key in first} == {"before"}


def test_b_clean_election_loses_what_acks_1_promised(lab_separate, make_topic):
    lab = lab_separate
    topic = make_topic(lab, config={"min.insync.replicas": "2"})
    make_topic(lab, config={"min.insync.replicas": "2"}, name=f"{topic}-acks1")
    probe = {**RATE, "acks_one": {"enabled": True, "topic": f"{topic}-acks1"}}
    with Sentinel(configuration(lab.bootstrap_servers, topic, probe=probe, cluster=SESSION)) as sentinel:
        sentinel.wait_verified(100)
        sentinel.wait_verified(100, acks="1")
        isolate_leader_by_pausing(lab, sentinel, "1")
        written_for(2.5, sentinel, Acks.ONE)
        lab.kill(1)
        lab.wipe(1)
        acked = len(sentinel.acked(0, Acks.ONE))
        lab.resume(2)
        lab.resume(3)
        await_proof(sentinel, Acks.ONE, acked)
        lab.start(1)
        lab.wait_ready([1])
        sentinel.quiesce(90)
        check_losses(lab, sentinel, f"{topic}-acks1", Acks.ONE, least=100)
        assert sentinel.records("1")["lost_before"] == 0, "the high watermark stood still: nobody can have read them"
        assert sentinel.records("all")["lost"] == 0


def elector(lab, but: int) -> AdminClient:
    """Return a client that asks another broker for an election: with KRaft each of them may be named as controller."""
    never = {"topic.metadata.refresh.interval.ms": -1}  # or it might hear another name
    admin = AdminClient({"bootstrap.servers": lab.bootstrap_servers, "log_level": 0, **never})
    wait_for(lambda: admin.list_topics(timeout=10).controller_id not in (-1, but), 30, "another broker's name")
    return admin


def move_leader(admin: AdminClient, topic: str) -> None:
    """Give its partition to the preferred leader, as Kafka does every five minutes by itself."""
    admin.elect_leaders(ElectionType.PREFERRED, [TopicPartition(topic, 0)]).result(30)


@pytest.mark.full
def test_b_leader_moved_while_all_brokers_run_loses_what_acks_1_promised_and_that_is_said(lab_separate, make_topic):
    lab = lab_separate
    topic = make_topic(lab, config={"min.insync.replicas": "2"})
    weak = make_topic(lab, config={"min.insync.replicas": "2"}, name=f"{topic}-acks1")
    lab.kill(1)
    wait_for(lambda: leader_and_isr(lab.bootstrap_servers, weak) == (2, {2, 3}), 60, "another leader")
    lab.start(1)
    wait_for(lambda: leader_and_isr(lab.bootstrap_servers, weak) == (2, {1, 2, 3}), 60, "all replicas in sync")
    probe = {**RATE, "acks_one": {"enabled": True, "topic": weak}}
    with Sentinel(configuration(lab.bootstrap_servers, topic, probe=probe, cluster=SESSION)) as sentinel:
        sentinel.wait_verified(100)
        sentinel.wait_verified(100, acks="1")
        admin = elector(lab, but=1)
        lab.pause(1)  # it stays in sync for as long as its session lasts, and copies nothing
        written_for(1.0, sentinel, Acks.ONE)
        acked = len(sentinel.acked(0, Acks.ONE))
        move_leader(admin, weak)
        lab.resume(1)
        await_proof(sentinel, Acks.ONE, acked)
        wait_for(lambda: all(one["verdict"] for one in sentinel.incidents()), 60, "the incident to be closed")
        sentinel.quiesce(90)
        check_losses(lab, sentinel, weak, Acks.ONE, least=50)
        assert sentinel.records("all")["lost"] == 0
        [incident] = [one for one in sentinel.incidents() if one["lost_by_acks"]["1"]]
        assert (incident["cause"], incident["brokers"]) == ("unknown", [])
        assert [one for one in incident["reasons"] if "(acks=1 partition 0 from broker 2 to 1" in one], incident


@pytest.mark.full
def test_b_c_leader_returns_empty_and_all_that_was_read_is_gone(lab_separate, make_topic):
    lab = lab_separate
    topic = make_topic(lab, config={"min.insync.replicas": "1", "unclean.leader.election.enable": "false"})
    with Sentinel(configuration(lab.bootstrap_servers, topic, probe=RATE, cluster=SESSION)) as sentinel:
        sentinel.wait_verified(200)
        lab.kill(2)
        lab.kill(3)
        wait_for(lambda: sentinel.isr() == [1], 30, "ISR shrinks")
        written_for(1.0, sentinel)
        verified = sentinel.records()["verified"]
        lab.kill(1)
        acked = len(sentinel.acked(0))
        lab.wipe(1, same_disk=True)
        lab.start(1)
        await_proof(sentinel, Acks.ALL, acked)
        lab.start(2)
        lab.start(3)
        lab.wait_ready([1, 2, 3])
        sentinel.quiesce(90)
        check_losses(lab, sentinel, topic, Acks.ALL, least=200)
        assert sentinel.records()["lost_before"] >= verified, "(c) everything had been read before it vanished"


@pytest.mark.parametrize("kills", [2, pytest.param(10, marks=pytest.mark.full)])
def test_a_leaders_killed_again_and_again_lose_and_duplicate_nothing(lab_combined, kills):
    lab = lab_combined
    topic = f"kills-{kills}"
    probe = {"records_per_interval": 4, "delivery_timeout": 60}  # 6 partitions, 40 records/s each
    with Sentinel(configuration(lab.bootstrap_servers, topic, probe=probe, cluster=SESSION)) as sentinel:
        sentinel.wait_partitions(6)
        sentinel.wait_verified(500)
        for number in range(kills):
            victim = next(p["leader"] for p in sentinel.status["partitions"] if p["partition"] == number % 6)
            assert victim in lab.brokers
            lab.kill(victim)
            before = sentinel.records()["verified"]
            sentinel.wait_verified(before + 400, 60)
            lab.start(victim)
            lab.wait_ready([victim])
            wait_for(lambda: all(len(p["isr"]) == 3 for p in sentinel.status["partitions"]), 60, "ISR full again")
        figures = sentinel.quiesce(90)
        acked = {(p, key) for p in range(6) for key in sentinel.acked(p)}
        logs = [truth.read_log(lab.bootstrap_servers, topic, partition).records for partition in range(6)]
        assert acked <= {(p, key) for p, records in enumerate(logs) for key in truth.present(records)}
        assert [truth.extra_copies(records) for records in logs] == [0] * 6
        assert figures["acked"] == len(acked) == figures["verified"]
        assert len(acked) > kills * 400
        assert (figures["lost"], figures["duplicated"], figures["reordered"], figures["suspected"]) == (0, 0, 0, 0)
        assert_identities(figures)
