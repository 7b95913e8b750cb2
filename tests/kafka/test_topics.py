"""What can happen to the probe topic itself (docs/verification.md: f).

Retention overtakes the verifier, a stranger's transaction stays open, the topic is deleted and made anew, partitions
are added: none of it is a loss, each is counted as what it is, and probing goes on.
"""

from __future__ import annotations

import threading

import pytest
from confluent_kafka import KafkaException, Producer
from confluent_kafka.admin import AdminClient, NewPartitions
from confluent_kafka.admin import ConfigResource, ConfigEntry, AlterConfigOpType, ResourceType
from conftest import describe
from kafka import KafkaAdminClient, TopicPartition

from kafka_sentinel.core.types import Acks, ProbePartition
from tests.kafka import truth
from tests.kafka.sentinel import Sentinel, assert_identities, configuration, wait_for

SESSION = {"session_timeout": 3, "snapshot_interval": 0.3, "quorum_interval": 0.5}
FIRST = ProbePartition(Acks.ALL, 0)


def probing(records: int = 10, **others: object) -> dict:
    return {"manage_topic": False, "records_per_interval": records, **others}


def hold_the_verifier(sentinel: Sentinel) -> None:
    """Have it read no further, as if it were starved. Records go on being written."""
    sentinel.runtime._adapters._verifiers[Acks.ALL].probe(())
    read = len(sentinel.read(0))
    acked = len(sentinel.acked(0))
    wait_for(lambda: len(sentinel.acked(0)) > acked + 100, 30, "records are written while nobody reads")
    assert len(sentinel.read(0)) <= read + 100, "the verifier reads on"


def let_the_verifier_go(sentinel: Sentinel) -> None:
    position = sentinel.runtime.ask(lambda engine: engine.truth.ledgers[FIRST].position)
    sentinel.runtime._adapters._verifiers[Acks.ALL].assign(FIRST, position)


def log_start(lab, topic: str) -> int:
    return truth.read_log(lab.bootstrap_servers, topic).log_start


def expired_is_exact(lab, sentinel: Sentinel, topic: str, *, least: int) -> None:
    figures = sentinel.quiesce(60)
    present = truth.present(truth.read_log(lab.bootstrap_servers, topic).records)
    expected = set(sentinel.acked(0)) - sentinel.read(0) - present
    assert len(expected) >= least, "retention overtook nothing worth looking for"
    assert figures["expired"] == len(expected)
    assert (figures["lost"], figures["unaccounted"], figures["corrupted"]) == (0, 0, 0)
    assert figures["verified"] == len(set(sentinel.acked(0)) - expected)
    assert_identities(figures)


def test_f_what_deletion_of_records_passes_unread_has_expired_and_is_not_lost(lab_combined, make_topic):
    lab = lab_combined
    topic = make_topic(lab)
    with Sentinel(configuration(lab.bootstrap_servers, topic, probe=probing(), cluster=SESSION)) as sentinel:
        sentinel.wait_verified(200)
        hold_the_verifier(sentinel)
        edge = max(offset for offset, _ in sentinel.acked(0).values() if offset is not None) - 20
        KafkaAdminClient(bootstrap_servers=lab.bootstrap_servers.split(",")).delete_records(
            {TopicPartition(topic, 0): edge}
        )
        let_the_verifier_go(sentinel)
        verified = sentinel.records()["verified"]
        sentinel.wait_verified(verified + 100)
        assert log_start(lab, topic) == edge
        expired_is_exact(lab, sentinel, topic, least=50)


def test_f_what_retention_passes_unread_has_expired_and_is_not_lost(lab_combined, make_topic):
    lab = lab_combined
    small = {"segment.bytes": str(1 << 20), "retention.ms": "1000"}
    topic = make_topic(lab, config=small)
    probe = probing(records=100, record_size=1_000)  # 1 MB/s: a segment each second
    with Sentinel(configuration(lab.bootstrap_servers, topic, probe=probe, cluster=SESSION)) as sentinel:
        sentinel.wait_verified(500)
        hold_the_verifier(sentinel)
        position = sentinel.runtime.ask(lambda engine: engine.truth.ledgers[FIRST].position)
        wait_for(lambda: log_start(lab, topic) > position + 500, 60, "retention overtakes the verifier")
        let_the_verifier_go(sentinel)
        verified = sentinel.records()["verified"]
        sentinel.wait_verified(verified + 500)
        stop_retention(lab, topic)
        expired_is_exact(lab, sentinel, topic, least=500)


def stop_retention(lab, topic: str) -> None:
    """What is compared with the log must not leave it meanwhile."""
    entry = ConfigEntry("retention.ms", "-1", incremental_operation=AlterConfigOpType.SET)
    resource = ConfigResource(ResourceType.TOPIC, topic, incremental_configs=[entry])
    AdminClient({"bootstrap.servers": lab.bootstrap_servers}).incremental_alter_configs([resource])[resource].result(10)


def test_f_a_strangers_open_transaction_leads_to_no_verdict_and_holds_nothing_up(lab_combined, make_topic):
    lab = lab_combined
    topic = make_topic(lab)
    stranger = Producer({"bootstrap.servers": lab.bootstrap_servers, "transactional.id": f"stranger-{topic}"})
    with Sentinel(configuration(lab.bootstrap_servers, topic, probe=probing(), cluster=SESSION)) as sentinel:
        sentinel.wait_verified(100)
        stranger.init_transactions(30)
        stranger.begin_transaction()
        for number in range(7):
            stranger.produce(topic, partition=0, value=f"not committed {number}")
        assert stranger.flush(30) == 0
        verified = sentinel.records()["verified"]
        sentinel.wait_verified(verified + 300)
        wait_for(lambda: sentinel.records()["foreign"] == 7, 20, lambda: f"seen: {sentinel.records()}")
        assert (sentinel.records()["overdue"], sentinel.records()["suspected"]) == (0, 0)
        stranger.abort_transaction(30)
        sentinel.wait_verified(verified + 500)
        figures = sentinel.quiesce(60)
        log = truth.read_log(lab.bootstrap_servers, topic).records
        assert figures["verified"] == len(sentinel.acked(0)) == len(truth.present(log))
        assert (figures["lost"], figures["expired"], figures["corrupted"], figures["foreign"]) == (0, 0, 0, 7)
        assert_identities(figures)


def raise_epochs(lab, sentinel: Sentinel, partitions: int) -> None:
    """Have every partition change its leader: what a client remembers of it is newer than any topic made afterwards."""
    for broker in lab.brokers:
        lab.kill(broker)
        wait_for(
            lambda broker=broker: all(one["leader"] not in (broker, -1) for one in sentinel.status["partitions"]),
            40,
            "new leaders",
        )
        lab.start(broker)
        lab.wait_ready([broker])
        wait_for(lambda: all(len(one["isr"]) == 3 for one in sentinel.status["partitions"]), 60, "ISR full again")
    assert len(sentinel.status["partitions"]) == partitions


def check_made_anew(lab, sentinel: Sentinel, topic: str, partitions: int, said: str) -> None:
    """Everything that was read counts as verified for good; what was acknowledged and not read is unaccounted."""
    figures = sentinel.quiesce(60)
    assert said.count("probe topic was deleted and made anew") == 1
    acked = {(p, key) for p in range(partitions) for key in sentinel.acked(p)}
    read = {(p, key) for p in range(partitions) for key in sentinel.read(p)}
    assert figures["unaccounted"] == len(acked - read)
    assert figures["verified"] == len(acked & read)
    assert (figures["lost"], figures["expired"], figures["duplicated"]) == (0, 0, 0)
    assert_identities(figures)
    assert sentinel.engine.truth.violations == 0
    log = {(p, key) for p in describe(lab.bootstrap_servers)[topic].partitions for key in standing(lab, topic, p)}
    assert log, "nothing was written to the new topic"
    assert log & acked <= read
