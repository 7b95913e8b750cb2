"""Make sure of a Java and of the jars of Kafka, with progress on stdout, and on stderr why they are not there."""

import contextlib
import sys

from kafka_sentinel.lab import jars, java
from kafka_sentinel.lab.errors import LabError

if __name__ == "__main__":
    try:
        with contextlib.redirect_stderr(sys.stdout):
            java.find_java()
            jars.fetch_kafka()
    except LabError as error:
        sys.exit(str(error))
