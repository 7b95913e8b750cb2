"""What others write to the probe topic, and what comes back damaged (docs/verification.md: g).

Each is counted apart, once, also over a restart; nothing crashes, and nothing of ours is called lost because of it.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from confluent_kafka import Producer
from tests.kafka import truth
from tests.kafka.sentinel import Sentinel, assert_identities, configuration, wait_for

from kafka import KafkaConsumer, TopicPartition

TWO = ([1, 2, 3], [2, 3, 1])
MAGIC_BITS = 8 * 4


def settings(lab, topic: str, folder: Path | None = None, **others: object) -> dict:
    state = {"state": {"file": str(folder / "state.json"), "checkpoint_interval": 1.0}} if folder else {}
    return configuration(
        lab.bootstrap_servers, topic, probe={"manage_topic": False, "records_per_interval": 5}, **state, **others
    )


def values(lab, topic: str, count: int) -> list[bytes]:
    """The first so many values of partition 0, as they stand in the log."""
    where = TopicPartition(topic, 0)
    consumer = KafkaConsumer(bootstrap_servers=lab.bootstrap_servers.split(","), auto_offset_reset="earliest")
    try:
        consumer.assign([where])
        found: list[bytes] = []
        while len(found) < count:
            found += [message.value for message in consumer.poll(500, max_records=count).get(where, ())]
        return found[:count]
    finally:
        consumer.close()


def write(lab, topic: str, messages: list[bytes | None], partition: int = 0) -> None:
    failed = []
    producer = Producer({"bootstrap.servers": lab.bootstrap_servers, "enable.idempotence": True})
    for message in messages:
        producer.produce(
            topic,
            value=message,
            partition=partition,
            on_delivery=lambda error, _: failed.append(error) if error else None,
        )
    assert producer.flush(60) == 0
    assert not failed


def with_one_bit_flipped(value: bytes, bit: int) -> bytes:
    damaged = bytearray(value)
    damaged[bit // 8] ^= 1 << (bit % 8)
    return bytes(damaged)


def of_strangers(ours: bytes, step: int) -> tuple[list[bytes | None], list[bytes | None]]:
    """What is not a probe record at all, and what was one: foreign, and corrupted. `step`: bits between two flips."""
    bits = len(ours) * 8
    foreign = [b"hello", b"KSE", b"ksen" + ours[4:], ours[1:], bytes(200), *[None] * 3, *[b""] * 4]
    foreign += [with_one_bit_flipped(ours, bit) for bit in range(0, MAGIC_BITS, min(step, 5))]
    damaged = [with_one_bit_flipped(ours, bit) for bit in range(MAGIC_BITS, bits, step)]
    damaged += [ours[:size] for size in (4, 5, 32, 75, 79, 80, len(ours) - 1)]
    damaged += [ours + b"\0", ours[:-4] + bytes(4)]
    return foreign, damaged


def wait_counted(sentinel: Sentinel, foreign: int, corrupted: int) -> None:
    wait_for(
        lambda: (sentinel.records()["foreign"], sentinel.records()["corrupted"]) == (foreign, corrupted),
        30,
        lambda: f"{foreign} foreign and {corrupted} corrupted: {sentinel.records()}",
    )


def all_of_ours_is_there(lab, sentinel: Sentinel, topic: str, partitions: int) -> dict[str, int]:
    figures = sentinel.quiesce(60)
    logs = [truth.read_log(lab.bootstrap_servers, topic, each).records for each in range(partitions)]
    for partition, log in enumerate(logs):
        assert set(sentinel.acked(partition)) <= truth.present(log)
    unwanted = ("lost", "duplicated", "reordered", "conflicting", "expired", "corrupted_acked", "suspected")
    assert [figures[name] for name in unwanted] == [0] * len(unwanted)
    assert sentinel.engine.truth.violations == 0
    assert_identities(figures)
    return figures


@pytest.mark.parametrize("step", [13, pytest.param(1, marks=pytest.mark.full)], ids=["some_bits", "every_bit"])
def test_g_what_strangers_write_and_what_is_damaged_is_counted_apart_and_once(lab_combined, make_topic, tmp_path, step):
    lab = lab_combined
    topic = make_topic(lab, TWO)
    config = settings(lab, topic, tmp_path)
    with Sentinel(config) as sentinel:
        sentinel.wait_verified(100)
        ours = values(lab, topic, 1)[0]
        foreign, damaged = of_strangers(ours, step)
        assert [truth.parse(0, value).kind for value in foreign] == ["foreign"] * len(foreign)
        assert [truth.parse(0, value).kind for value in damaged] == ["corrupted"] * len(damaged)
        write(lab, topic, [each for pair in zip(foreign, damaged, strict=False) for each in pair])
        write(lab, topic, [*foreign[len(damaged) :], *damaged[len(foreign) :]], partition=1)
        write(lab, topic, [ours, ours], partition=1)  # sound, but of another partition: somebody copied it here
        wait_counted(sentinel, len(foreign) + 2, len(damaged))
        sentinel.wait_verified(sentinel.records()["verified"] + 200)  # and the background recheck has read it all again
        figures = all_of_ours_is_there(lab, sentinel, topic, 2)
        assert (figures["foreign"], figures["corrupted"]) == (len(foreign) + 2, len(damaged))
        assert figures["verified"] == sum(len(sentinel.acked(each)) for each in (0, 1))
    with Sentinel(config) as again:
        again.wait_verified(figures["verified"] + 200)
        write(lab, topic, [foreign[0], damaged[0]])
        wait_counted(again, len(foreign) + 3, len(damaged) + 1)
        after = all_of_ours_is_there(lab, again, topic, 2)
        assert (after["foreign"], after["corrupted"]) == (len(foreign) + 3, len(damaged) + 1)
        assert after["verified"] == figures["verified"] + sum(len(again.acked(each)) for each in (0, 1))


def test_g_another_sentinel_on_the_same_topic_is_a_stranger(lab_combined, make_topic, tmp_path):
    """Neither accounts for what the other writes, whichever came first."""
    lab = lab_combined
    topic = make_topic(lab)
    with Sentinel(settings(lab, topic)) as one:
        one.wait_verified(100)
        with Sentinel({**settings(lab, topic), "name": "the other one"}) as other:
            other.wait_verified(200)
            one.wait_verified(400)
            figures = {one: all_of_ours_is_there(lab, one, topic, 1), other: all_of_ours_is_there(lab, other, topic, 1)}
            log = truth.read_log(lab.bootstrap_servers, topic).records
            for sentinel, stranger in ((one, other), (other, one)):
                theirs = sum(record.run == stranger.engine.truth.run for record in log)
                wait_counted(sentinel, theirs, 0)
                assert figures[sentinel]["verified"] == len(sentinel.acked(0)) == sentinel.records()["sent"]
                assert sentinel.records()["unaccounted"] == 0


@pytest.mark.full
def test_g_a_live_namesake_is_told_from_an_earlier_life(lab_combined, make_topic):
    """Two of one name at once. What stands below our own first record may be an earlier life's; the rest is not."""
    lab = lab_combined
    topic = make_topic(lab)
    with Sentinel(settings(lab, topic)) as one:
        one.wait_verified(200)
        with Sentinel(settings(lab, topic)) as other:
            other.wait_verified(400)
            one.wait_verified(400)
            for sentinel in (one, other):
                all_of_ours_is_there(lab, sentinel, topic, 1)
            log = truth.read_log(lab.bootstrap_servers, topic).records
            runs = {sentinel: sentinel.engine.truth.run for sentinel in (one, other)}
            begin = next(record.offset for record in log if record.run == runs[other])
            before = sum(record.run == runs[one] and record.offset < begin for record in log)
            wait_counted(one, sum(record.run == runs[other] for record in log), 0)
            wait_counted(other, sum(record.run == runs[one] for record in log) - before, 0)
            assert one.records()["verified"] == len(one.acked(0)) == one.records()["acked"]
            assert other.records()["verified"] + other.records()["present"] == len(other.acked(0)) + before
            assert (one.records()["unaccounted"], other.records()["unaccounted"]) == (0, 0)
