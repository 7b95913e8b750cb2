"""The command line. Exit codes: 0 fine, 1 failed check, 2 usage or configuration, 3 runtime failure."""

from kafka_sentinel.cli.commands import main

__all__ = ["main"]
