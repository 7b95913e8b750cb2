"""The command line. Exit codes: 0 fine, 1 failed check, 2 usage or configuration, 3 runtime failure."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

import click
import yaml

from kafka_sentinel import __version__
from kafka_sentinel.settings import ConfigurationError, Settings, load

FAILED_CHECK, USAGE, RUNTIME_FAILURE, INTERRUPTED = 1, 2, 3, 130

EPILOG = """
Configuration comes from a YAML file (--config FILE, or the variable KAFKA_SENTINEL_CONFIG) and from variables named
KAFKA_SENTINEL__SECTION__KEY, which win over the file.

\b
  kafka-sentinel demo                          a local Kafka, brokers killed, nothing to set up
  kafka-sentinel check --config sentinel.yaml  would it work here?
  kafka-sentinel run --config sentinel.yaml    the daemon
\b
  KAFKA_SENTINEL__KAFKA__BOOTSTRAP_SERVERS=broker:9092 kafka-sentinel run

Exit codes: 0 fine, 1 failed check, 2 usage or configuration, 3 runtime failure.
"""
ConfigOption = click.option(
    "--config",
    "config",
    type=click.Path(dir_okay=False, path_type=Path),
    help="YAML file. Else the one KAFKA_SENTINEL_CONFIG names, else defaults and variables alone.",
)


class DurationType(click.ParamType[float]):
    name = "duration"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> float:
        try:
            return parse_duration(value)
        except ValueError:
            self.fail(f'{value!r} is not a duration, for example "90s", "2m" or "1h"', param, ctx)


class Trouble(click.ClickException):
    """A sentence for the user, and the exit code that goes with it."""

    def __init__(self, sentence: str, code: int) -> None:
        super().__init__(sentence)
        self.exit_code = code

    def show(self, file: Any = None) -> None:  # noqa: ANN401 - click's own signature
        click.echo(f"kafka-sentinel: {self.message}", file=file, err=file is None)
