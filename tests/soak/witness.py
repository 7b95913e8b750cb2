"""Reads all probe partitions as long as the soak lasts: so that what was in a log before it was cut is known."""

from __future__ import annotations

import threading
from typing import Self

from confluent_kafka import Consumer, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient
from tests.kafka import truth
from tests.soak.cards import SEEN, Cards, Where

LOOK_FOR_PARTITIONS = 5.0  # seconds between two questions which there are
MOST_AT_ONCE = 2_000
BEGINNING = 0


class Witness:
    """A thread with a client of its own. `topics`: by level. Where a log goes back, it reads that from its start."""

    def __init__(self, bootstrap: str, topics: dict[str, str], cards: Cards) -> None:
        self._levels = {topic: level for level, topic in topics.items()}
        self._cards = cards
        self.given = 0  # records, each as often as it was given one
        self._known: set[Where] = set()
        self._admin = AdminClient({"bootstrap.servers": bootstrap, "log_level": 0})
        self._consumer = Consumer(
            {
                "bootstrap.servers": bootstrap,
                "group.id": "soak-witness",
                "enable.auto.commit": False,
                "isolation.level": "read_uncommitted",
                "auto.offset.reset": "earliest",
                "log_level": 0,
            }
        )
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="witness", daemon=True)
        self.error: BaseException | None = None

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping.set()
        self._thread.join(30)

    def _run(self) -> None:
        try:
            self._read()
        except BaseException as error:  # noqa: BLE001 - the soak asks for it at every look
            self.error = error
        finally:
            self._consumer.close()

    def _read(self) -> None:
        looker = threading.Thread(target=self._look_for_partitions, name="witness-partitions", daemon=True)
        looker.start()
        while not self._stopping.is_set():
            for message in self._consumer.consume(MOST_AT_ONCE, 0.5):
                if message.error() is None:
                    where = (self._levels[message.topic()], message.partition())
                    self._cards.met(where, [truth.parse(message.offset(), message.value())], SEEN)
                    self.given += 1
        looker.join(10)

    def _look_for_partitions(self) -> None:
        """Read what is new from its beginning. In a thread of its own, for brokers may take long to answer."""
        while True:
            for level, partition in partitions_of(self._admin, self._levels) - self._known:
                topic = next(name for name, its in self._levels.items() if its == level)
                self._consumer.incremental_assign([TopicPartition(topic, partition, BEGINNING)])
                self._known.add((level, partition))
            if self._stopping.wait(LOOK_FOR_PARTITIONS):
                return


def partitions_of(admin: AdminClient, levels: dict[str, str]) -> set[Where]:
    """Return the partitions there are of these topics, as far as brokers answer. `levels`: by topic."""
    try:
        topics = admin.list_topics(timeout=5).topics
    except KafkaException:
        return set()
    return {
        (level, number)
        for name, level in levels.items()
        if name in topics and topics[name].error is None
        for number in topics[name].partitions
    }
