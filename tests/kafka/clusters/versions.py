"""The Kafkas that users run: which jars, which Java, and how their nodes are told from one another in a log."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from kafka_sentinel.lab import jars
from kafka_sentinel.lab.errors import LabError
from kafka_sentinel.lab.java import find_java, version_of

PINS = Path(__file__).with_name("pins")
LAST_JAVA_OF_3 = 23  # Kafka before 4.0 asks for the subject of a login as Java 24 and later refuse to answer


@dataclass(frozen=True)
class Version:
    number: str
    zookeeper: bool = False

    def __str__(self) -> str:
        return f"{self.number}, {'ZooKeeper' if self.zookeeper else 'KRaft'}"

    @property
    def ready(self) -> str:
        """What broker {id} logs once it takes requests."""
        return "[KafkaServer id={id}] started" if self.zookeeper else "Kafka Server started"

    def jars(self) -> Path:
        """Return the folder of its jars, fetched if need be. Raises LabError."""
        if self.number == jars.KAFKA_VERSION:
            return jars.fetch_kafka()
        return jars.fetch(f"kafka-{self.number}", PINS / f"kafka-{self.number}")

    def java(self) -> Path:
        """Return a Java that it runs on. Raises LabError."""
        found = find_java()
        if self.number.startswith("3.") and (version_of(found) or 0) > LAST_JAVA_OF_3:
            raise LabError(f"Kafka {self.number} needs Java 17 to {LAST_JAVA_OF_3}: {found} is later")
        return found


OLDEST = Version("3.2.0", zookeeper=True)
NEWEST = Version(jars.KAFKA_VERSION)
VERSIONS = (OLDEST, Version("3.9.2", zookeeper=True), Version("3.9.2"), Version("4.0.2"), NEWEST)


def find_compiler() -> str:
    """Return `javac`. Raises LabError."""
    home = os.environ.get("JAVA_HOME")
    found = shutil.which("javac", path=f"{home}/bin") if home else None
    found = found or shutil.which("javac")
    if found is None:
        raise LabError("there is no javac on the PATH or in JAVA_HOME, to compile how brokers check MSK's tokens")
    return found
