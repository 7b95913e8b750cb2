"""Make sure of a Java and of the jars of Kafka, with progress on stdout, and on stderr why they are not there."""

import contextlib
import sys

from tests.needs import problem

from kafka_sentinel.lab import jars, java


def ensure() -> None:
    """Have both. Raises LabError."""
    with contextlib.redirect_stderr(sys.stdout):
        java.find_java()
        jars.fetch_kafka()


if __name__ == "__main__":
    sys.exit(problem(ensure))
