"""librdkafka's in-process mock brokers, with its switches for errors: real clients talk to them over real sockets.

The switches are not part of the Python binding, so they are called in the shared library that it brought along.
"""

from __future__ import annotations

import ctypes
from pathlib import Path
from types import TracebackType
from typing import Self

import confluent_kafka

PRODUCER = 0
PRODUCE = 0  # API keys
FETCH = 1

UNKNOWN_TOPIC_OR_PARTITION = 3
NOT_LEADER_FOR_PARTITION = 6
NOT_ENOUGH_REPLICAS = 19
OUT_OF_ORDER_SEQUENCE = 45


def _library() -> ctypes.CDLL:
    folder = Path(confluent_kafka.__file__).parent.parent / "confluent_kafka.libs"
    library = ctypes.CDLL(str(next(folder.glob("librdkafka*"))))
    pointer, text, number = ctypes.c_void_p, ctypes.c_char_p, ctypes.c_int
    signatures: dict[str, tuple[object, list[object]]] = {
        "rd_kafka_conf_new": (pointer, []),
        "rd_kafka_conf_set": (number, [pointer, text, text, text, ctypes.c_size_t]),
        "rd_kafka_new": (pointer, [number, pointer, text, ctypes.c_size_t]),
        "rd_kafka_destroy": (None, [pointer]),
        "rd_kafka_handle_mock_cluster": (pointer, [pointer]),
        "rd_kafka_mock_cluster_bootstraps": (text, [pointer]),
        "rd_kafka_mock_topic_create": (number, [pointer, text, number, number]),
        "rd_kafka_mock_push_request_errors_array": (
            None,
            [pointer, ctypes.c_int16, ctypes.c_size_t, ctypes.POINTER(number)],
        ),
        "rd_kafka_mock_partition_set_leader": (number, [pointer, text, ctypes.c_int32, ctypes.c_int32]),
        "rd_kafka_mock_broker_set_down": (number, [pointer, ctypes.c_int32]),
        "rd_kafka_mock_broker_set_up": (number, [pointer, ctypes.c_int32]),
        "rd_kafka_mock_partition_delete_records": (number, [pointer, text, ctypes.c_int32, ctypes.c_int64]),
    }
    for name, (result, arguments) in signatures.items():
        function = getattr(library, name)
        function.restype, function.argtypes = result, arguments
    return library


class MockCluster:
    """`brokers` mock brokers, numbered from 1, and one topic. Use as a context manager."""

    def __init__(self, *, brokers: int = 3, topic: str = "probe", partitions: int = 2) -> None:
        self._library = _library()
        error = ctypes.create_string_buffer(512)
        config = self._library.rd_kafka_conf_new()
        self._library.rd_kafka_conf_set(config, b"test.mock.num.brokers", str(brokers).encode(), error, 512)
        self._handle = self._library.rd_kafka_new(PRODUCER, config, error, 512)
        assert self._handle, error.value
        self._cluster = self._library.rd_kafka_handle_mock_cluster(self._handle)
        self.topic = topic
        self._brokers = brokers
        assert self._library.rd_kafka_mock_topic_create(self._cluster, topic.encode(), partitions, brokers) == 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, _: type[BaseException] | None, __: BaseException | None, ___: TracebackType | None) -> None:
        self._library.rd_kafka_destroy(self._handle)

    @property
    def bootstrap_servers(self) -> str:
        return self._library.rd_kafka_mock_cluster_bootstraps(self._cluster).decode()

    @property
    def common(self) -> dict[str, str | int | float | bool]:
        return {"bootstrap.servers": self.bootstrap_servers}

    def create_topic(self, name: str) -> None:
        """Make another topic, with one partition and one replica."""
        assert self._library.rd_kafka_mock_topic_create(self._cluster, name.encode(), 1, 1) == 0

    def fail(self, api: int, *errors: int) -> None:
        """Answer the next requests of `api` with these error codes, one each."""
        self._library.rd_kafka_mock_push_request_errors_array(
            self._cluster, api, len(errors), (ctypes.c_int * len(errors))(*errors)
        )

    def lead(self, partition: int, broker: int) -> None:
        """Make `broker` the leader."""
        self._library.rd_kafka_mock_partition_set_leader(self._cluster, self.topic.encode(), partition, broker)

    def silence(self) -> None:
        """Close all connections and accept none."""
        for broker in range(1, self._brokers + 1):
            self._library.rd_kafka_mock_broker_set_down(self._cluster, broker)

    def revive(self) -> None:
        for broker in range(1, self._brokers + 1):
            self._library.rd_kafka_mock_broker_set_up(self._cluster, broker)

    def delete_records(self, partition: int, before: int) -> None:
        """Delete the records below offset `before`, as a retention policy would."""
        self._library.rd_kafka_mock_partition_delete_records(self._cluster, self.topic.encode(), partition, before)
