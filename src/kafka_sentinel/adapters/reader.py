"""What the verifier and the recheck share: a consumer that never jumps, and how its errors are to be understood."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, KafkaException, Message, TopicPartition

from kafka_sentinel.adapters.kafka_client import ClientProperties, client_config
from kafka_sentinel.core.sightings import Spans, read_spans

BEGINNING: int = OFFSET_BEGINNING  # an offset to assign: wherever the log starts
FETCH_WAIT = 0.1  # seconds a broker may hold a fetch back when it has nothing

# The log does not hold the position any more. With offset reset `error` the client says so instead of jumping.
LOST = frozenset({KafkaError._AUTO_OFFSET_RESET, KafkaError._LOG_TRUNCATION, KafkaError.OFFSET_OUT_OF_RANGE})  # noqa: SLF001 - the client's public names for them
END_OF_PARTITION: int = KafkaError._PARTITION_EOF  # noqa: SLF001 - the client's public name for it


def reader_config(common: ClientProperties, client_id: str, group_id: str, extra: ClientProperties) -> dict[str, Any]:
    """Return the properties of a consumer that is assigned by hand and testifies.

    It reads uncommitted records, because somebody else's open transaction would freeze it otherwise, and from leaders
    only: there is no `client.rack`.
    """
    return client_config(
        common,
        {
            "client.id": client_id,
            "group.id": group_id,
            "enable.auto.commit": False,
            "enable.auto.offset.store": False,
            "auto.offset.reset": "error",
            "isolation.level": "read_uncommitted",
            "check.crcs": True,
            "enable.partition.eof": True,
            "fetch.wait.max.ms": int(FETCH_WAIT * 1000),
            "fetch.error.backoff.ms": 100,
            "fetch.queue.backoff.ms": 50,
            "queued.max.messages.kbytes": 16_384,
        },
        extra,
    )


def spans_of(partition: int, messages: Sequence[Message]) -> Spans:
    """Group error-free messages of one partition, in log order."""
    offsets = [offset for message in messages if (offset := message.offset()) is not None]
    epochs = [-1 if (epoch := message.leader_epoch()) is None else epoch for message in messages]
    return read_spans(partition, offsets, epochs, [message.value() for message in messages])


def watermarks(consumer: Consumer, topic: str, partition: int, timeout: float) -> tuple[int, int] | None:
    """Ask the leader where the log starts and ends. None: it did not answer within `timeout` seconds."""
    try:
        answer = consumer.get_watermark_offsets(TopicPartition(topic, partition), timeout=timeout)
    except KafkaException:
        return None
    found = cast("tuple[int, int] | None", answer)  # the client's own annotation forgets the time-out
    return found if found is not None and min(found) >= 0 else None
