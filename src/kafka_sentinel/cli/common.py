"""What all commands share: options, exit codes, and failures that are one sentence."""

from __future__ import annotations

import os
from pathlib import Path

import click

from kafka_sentinel.core.text import one_line
from kafka_sentinel.settings import ConfigurationError, Settings, load
from kafka_sentinel.settings.base import parse_duration

FAILED_CHECK, USAGE, RUNTIME_FAILURE, INTERRUPTED = 1, 2, 3, 130

config_option = click.option(
    "--config",
    type=click.Path(path_type=Path),
    help="YAML file. Without it the one that KAFKA_SENTINEL_CONFIG names, or none.",
)


class Trouble(Exception):  # noqa: N818 - mostly the user's, not an error of ours
    """Ends the command: sentences for the user, and the exit code that goes with them."""

    def __init__(self, *sentences: str, code: int) -> None:
        super().__init__("\n".join(sentences))
        self.sentences = sentences
        self.code = code


class DurationType(click.ParamType[float]):
    name = "duration"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> float:
        try:
            seconds = parse_duration(value)
        except ValueError:
            seconds = 0.0
        if seconds <= 0:
            self.fail(f'{value!r} is not a duration; allowed: "90s", "2m", "1h", or seconds', param, ctx)
        return seconds


def say(text: str, *, err: bool = False) -> None:
    """Print without what steers a terminal: much of what is said was written by brokers, clusters and other people."""
    click.echo("\n".join(map(one_line, text.split("\n"))), err=err)


def load_settings(config: Path | None, *, needs_kafka: bool = False) -> Settings:
    """Return the configuration of this process, or end the command with exit code 2 and a sentence per problem."""
    try:
        return load(config, os.environ, needs_kafka=needs_kafka)
    except ConfigurationError as error:
        raise Trouble(*error.problems, code=USAGE) from None
