"""What can happen to the probe topic itself (docs/verification.md: f).

Retention overtakes the verifier, a stranger's transaction stays open, the topic is deleted and made anew, partitions
are added: none of it is a loss, each is counted as what it is, and probing goes on.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterable, Iterator

import pytest
from confluent_kafka import KafkaException, Producer
from confluent_kafka.admin import (
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    NewPartitions,
    ResourceType,
)
from tests.kafka import truth
from tests.kafka.sentinel import Sentinel, assert_identities, configuration, wait_for

from conftest import describe
from kafka import KafkaAdminClient, TopicPartition
from kafka_sentinel.core.types import Acks, ProbePartition

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


def admin(lab) -> AdminClient:
    return AdminClient({"bootstrap.servers": lab.bootstrap_servers, "log_level": 0})


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
        assert truth.log_start(lab.bootstrap_servers, topic) == edge
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
        wait_for(
            lambda: truth.log_start(lab.bootstrap_servers, topic) > position + 500,
            60,
            "retention overtakes the verifier",
        )
        let_the_verifier_go(sentinel)
        verified = sentinel.records()["verified"]
        sentinel.wait_verified(verified + 500)
        stop_retention(lab, topic)
        expired_is_exact(lab, sentinel, topic, least=500)


def stop_retention(lab, topic: str) -> None:
    """What is compared with the log must not leave it meanwhile."""
    entry = ConfigEntry("retention.ms", "-1", incremental_operation=AlterConfigOpType.SET)
    resource = ConfigResource(ResourceType.TOPIC, topic, incremental_configs=[entry])
    client = admin(lab)
    client.incremental_alter_configs([resource])[resource].result(20)


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


def made_anew(sentinel: Sentinel) -> bool:
    return bool(sentinel.said("probe topic was deleted and made anew"))


def delete(lab, topic: str) -> None:
    client = admin(lab)  # kept in a variable: the request is given up with the client
    client.delete_topics([topic])[topic].result(20)


def probed(sentinel: Sentinel, partitions: int, records: int = 50) -> None:
    """Wait until so many more records of each partition have been read."""
    before = [len(sentinel.read(partition)) for partition in range(partitions)]
    wait_for(
        lambda: all(len(sentinel.read(partition)) >= had + records for partition, had in enumerate(before)),
        60,
        lambda: f"every partition read on: {before}, {[len(sentinel.read(each)) for each in range(partitions)]}",
    )


def unread(sentinel: Sentinel, partitions: Iterable[int]) -> int:
    return sum(len(set(sentinel.acked(partition)) - sentinel.read(partition)) for partition in partitions)


def extra_copies(lab, topic: str) -> int:
    partitions = describe(lab.bootstrap_servers)[topic].partitions
    return sum(truth.extra_copies(truth.read_log(lab.bootstrap_servers, topic, each).records) for each in partitions)


def check_made_anew(lab, sentinel: Sentinel, topic: str, copies: int) -> dict[str, int]:
    """It was said once; what was acknowledged and never read is unaccounted, and nothing is called lost.

    `copies`: extra copies in the log of the old topic.
    """
    figures = sentinel.quiesce(60)
    assert len(sentinel.said("probe topic was deleted and made anew")) == 1
    assert (figures["lost"], figures["expired"], figures["corrupted"]) == (0, 0, 0)
    assert sentinel.engine.truth.violations == 0
    assert_identities(figures)
    for partition in describe(lab.bootstrap_servers)[topic].partitions:
        log = truth.read_log(lab.bootstrap_servers, topic, partition).records
        standing = truth.present(log)
        assert standing, f"nothing was written to partition {partition} of the new topic"
        assert standing & set(sentinel.acked(partition)) <= sentinel.read(partition)
    assert figures["duplicated"] == copies + extra_copies(lab, topic)
    return figures


def test_f_a_topic_deleted_and_made_anew_by_itself_is_recognised_and_probed(lab_combined):
    lab, topic = lab_combined, "anew"
    probe = {"records_per_interval": 5}
    with Sentinel(configuration(lab.bootstrap_servers, topic, probe=probe, cluster=SESSION)) as sentinel:
        sentinel.wait_partitions(6)
        probed(sentinel, 6)
        hold_the_verifier(sentinel)
        copies = extra_copies(lab, topic)
        delete(lab, topic)
        wait_for(lambda: made_anew(sentinel), 60, "the new topic is recognised")
        probed(sentinel, 6)
        figures = check_made_anew(lab, sentinel, topic, copies)
        assert figures["unaccounted"] == unread(sentinel, range(6)) >= 100
        assert figures["verified"] == sum(len(set(sentinel.acked(each)) & sentinel.read(each)) for each in range(6))


def change_leaders(lab, sentinel: Sentinel) -> None:
    """Have what clients know of some leaders be newer than anything they will hear of a topic made afterwards."""
    lab.kill(1)
    wait_for(lambda: all(one["leader"] in (2, 3) for one in sentinel.status["partitions"]), 40, "new leaders")
    lab.start(1)
    lab.wait_ready([1])
    wait_for(lambda: all(len(one["isr"]) == 3 for one in sentinel.status["partitions"]), 60, "ISR full again")
    assert any(one["leader"] != one["replicas"][0] for one in sentinel.status["partitions"])


@pytest.fixture
def other_client() -> Iterator[Callable[[object, str], None]]:
    """Have a plain producer of somebody else write to a topic until the test ends, whatever becomes of the topic."""
    stopping = threading.Event()
    threads = []

    def write(lab, topic: str) -> None:
        producer = Producer({"bootstrap.servers": lab.bootstrap_servers, "log_level": 0})
        while not stopping.wait(0.05):
            with contextlib.suppress(KafkaException):
                producer.produce(topic, b"of somebody else")
            producer.poll(0)
        producer.purge()

    def start(lab, topic: str) -> None:
        threads.append(threading.Thread(target=write, args=(lab, topic), daemon=True))
        threads[-1].start()

    yield start
    stopping.set()
    for thread in threads:
        thread.join(20)


@pytest.mark.full
def test_f_a_topic_made_anew_by_another_clients_auto_creation_is_recognised_and_probed(
    new_lab, make_topic, other_client
):
    lab = new_lab("combined", overrides={"auto.create.topics.enable": "true", "num.partitions": "1"})
    topic = make_topic(lab, ([1, 2, 3], [2, 3, 1], [3, 1, 2]))
    with Sentinel(configuration(lab.bootstrap_servers, topic, probe=probing(), cluster=SESSION)) as sentinel:
        probed(sentinel, 3)
        change_leaders(lab, sentinel)
        copies = extra_copies(lab, topic)
        other_client(lab, topic)
        delete(lab, topic)
        wait_for(lambda: made_anew(sentinel), 60, "the new topic is recognised")
        probed(sentinel, 1, 200)
        wait_for(lambda: len(sentinel.status["partitions"]) == 1, 20, "what is gone is probed no more")
        figures = check_made_anew(lab, sentinel, topic, copies)
        least = unread(sentinel, range(3))
        unheard = (
            figures["sent"]
            - len(sentinel.acked(0))
            - sum(len(set(sentinel.acked(each)) & sentinel.read(each)) for each in (1, 2))
        )
        assert least <= figures["unaccounted"] <= least + unheard


def test_f_partitions_added_while_it_runs_are_probed(lab_combined, make_topic):
    lab = lab_combined
    topic = make_topic(lab)
    with Sentinel(configuration(lab.bootstrap_servers, topic, probe=probing(), cluster=SESSION)) as sentinel:
        sentinel.wait_verified(100)
        added = NewPartitions(topic, 3, [[2, 3, 1], [3, 1, 2]])
        client = admin(lab)
        client.create_partitions([added])[topic].result(20)
        wait_for(lambda: min(len(sentinel.read(each)) for each in range(3)) >= 20, 10, "the new ones are read")
        figures = sentinel.quiesce(60)
        logs = [truth.present(truth.read_log(lab.bootstrap_servers, topic, each).records) for each in range(3)]
        assert [set(sentinel.acked(each)) for each in range(3)] == logs
        assert figures["verified"] == figures["acked"] == sum(len(each) for each in logs)
        assert (figures["lost"], figures["unaccounted"], figures["foreign"]) == (0, 0, 0)
        assert_identities(figures)
