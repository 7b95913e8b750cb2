"""Make sure of Java, its compiler, and the jars of each Kafka; progress goes to stdout, why not to stderr."""

import contextlib
import sys

from tests.kafka.clusters.versions import VERSIONS, find_compiler
from tests.needs import problem


def ensure() -> None:
    """Have all of it. Raises LabError."""
    with contextlib.redirect_stderr(sys.stdout):
        find_compiler()
        for version in VERSIONS:
            version.java()
            version.jars()


if __name__ == "__main__":
    sys.exit(problem(ensure))
