"""The commands, and `main`, which turns whatever happens into an exit code and at most a sentence."""

from __future__ import annotations

import json
import os
import sys
import traceback
from itertools import chain
from pathlib import Path
from textwrap import indent

import click
import yaml

from kafka_sentinel import __version__
from kafka_sentinel.cli.audit import audit
from kafka_sentinel.cli.common import (
    FAILED_CHECK,
    INTERRUPTED,
    RUNTIME_FAILURE,
    USAGE,
    DurationType,
    Trouble,
    config_option,
    load_settings,
    say,
)
from kafka_sentinel.cli.control import heal, pause, resume, run_now
from kafka_sentinel.cli.experiments import experiments, table
from kafka_sentinel.cli.kubernetes import check_kubernetes
from kafka_sentinel.cli.report import report
from kafka_sentinel.core.check import Outcome
from kafka_sentinel.core.text import one_line
from kafka_sentinel.settings import Settings

EPILOG = """\b
Try it without a Kafka of your own:
  kafka-sentinel demo --duration 2m

\b
Beside a Kafka of your own:
  export KAFKA_SENTINEL__KAFKA__BOOTSTRAP_SERVERS=broker-1:9092,broker-2:9092
  kafka-sentinel check
  kafka-sentinel run

\b
With a file; variables win over it:
  kafka-sentinel run --config sentinel.yaml

Every key: docs/configuration.md, or `kafka-sentinel config schema`.

Exit codes: 0 fine, 1 failed check, 2 usage or configuration, 3 runtime failure.
"""
DEMO_EPILOG = """\b
Two minutes, and the numbers in a file:
  kafka-sentinel demo --duration 2m --json summary.json

\b
A Kafka of your own, nothing is killed (security by variables, as for `run`):
  kafka-sentinel demo --bootstrap-servers broker-1:9092
"""


@click.group(epilog=EPILOG, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
def cli() -> None:
    """Prove what happened to every record a Kafka cluster acknowledged.

    Kafka Sentinel writes numbered records, reads them again, and says in numbers what was lost, what was duplicated,
    how long writes and reads were down, and why.
    """


@cli.command(short_help="The daemon.")
@config_option
def run(config: Path | None) -> None:
    """Run the daemon until it is told to stop (Ctrl-C or SIGTERM).

    Page, metrics and API: port 9464, unless http.port says otherwise.
    """
    settings = load_settings(config, needs_kafka=True)
    if settings.cannot_break:
        raise Trouble(settings.cannot_break, code=USAGE)
    from kafka_sentinel.adapters import logs  # noqa: PLC0415 - the adapters take a second that --help need not pay
    from kafka_sentinel.adapters.check_client import KafkaAnswers, Unanswered  # noqa: PLC0415 - as above
    from kafka_sentinel.adapters.kubernetes.errors import ApiError  # noqa: PLC0415 - as above
    from kafka_sentinel.adapters.msk_api import MissingExtraError  # noqa: PLC0415 - as above
    from kafka_sentinel.adapters.state_file import StateFileError  # noqa: PLC0415 - as above
    from kafka_sentinel.adapters.web_server import WebError  # noqa: PLC0415 - as above

    logs.configure(settings.log, secrets=settings.kafka.secrets())
    for remark in settings.remarks():
        logs.write("warning", remark, {})
    try:
        KafkaAnswers(settings.kafka, timeout=1.0)  # asks nothing: the client says which property it does not take
    except Unanswered as error:
        raise Trouble(str(error), code=USAGE) from None
    from kafka_sentinel.runtime import run_daemon  # noqa: PLC0415 - as above

    try:
        sys.exit(run_daemon(settings))
    except MissingExtraError as error:
        raise Trouble(str(error), code=USAGE) from None
    except (StateFileError, WebError) as error:
        raise Trouble(str(error), code=RUNTIME_FAILURE) from None
    except ApiError as error:
        raise Trouble(f"kubernetes: {error}", code=USAGE) from None


@cli.command(short_help="Would the daemon work here?")
@config_option
@click.option("--timeout", type=DurationType(), default="8s", show_default=True, help="Time for each answer.")
def check(config: Path | None, timeout: float) -> None:
    """Say whether the daemon would work here: configuration, Kafka, topics, rights, quorum, Kubernetes.

    Prints a line for each thing looked at: OK, WARN or FAIL, and what to do. Writes nothing to Kafka or Kubernetes.
    Exit code 1 if anything failed.
    """
    settings = load_settings(config, needs_kafka=True)
    from kafka_sentinel.adapters.check_client import KafkaAnswers  # noqa: PLC0415 - loads the Kafka clients
    from kafka_sentinel.adapters.checks import run_checks  # noqa: PLC0415 - as above
    from kafka_sentinel.adapters.fleet_checks import check_fleet  # noqa: PLC0415 - as above

    failed = 0
    surroundings = check_kubernetes(settings) if settings.kubernetes.enabled else None
    of_kafka = run_checks(settings, lambda: KafkaAnswers(settings.kafka, timeout=timeout), surroundings)
    for finding in chain(of_kafka, check_fleet(settings)):
        say(f"{finding.outcome:<4}  {finding.check}: {one_line(finding.sentence)}")
        if finding.table:
            head, *rows = finding.table
            say(indent(table(head, rows), " " * 6))
        failed += finding.outcome is Outcome.FAIL
    if failed:
        raise Trouble(f"{failed} of the checks failed", code=FAILED_CHECK)


@cli.group(short_help="What can be set, and what is.")
def config() -> None:
    """The configuration: what can be set, and what is."""


@config.command()
def schema() -> None:
    """Print the JSON schema of the configuration file, for editors and CI."""
    document = {"$schema": "https://json-schema.org/draft/2020-12/schema", **Settings.model_json_schema()}
    say(json.dumps(document, indent=2))


@config.command()
@config_option
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of YAML.")
def show(config: Path | None, as_json: bool) -> None:
    """Print the configuration in effect: defaults, file and variables together. Secrets are masked."""
    values = load_settings(config).masked()
    text = json.dumps(values, indent=2) if as_json else yaml.safe_dump(values, sort_keys=False, allow_unicode=True)
    say(text.rstrip())


@cli.command(epilog=DEMO_EPILOG, short_help="A local Kafka, brokers killed, every record accounted for.")
@click.option("--duration", type=DurationType(), help="End after this time, as 120s or 5m. Default: until Ctrl-C.")
@click.option(
    "--json", "json_file", type=click.Path(dir_okay=False, path_type=Path), help="Write the summary here too."
)
@click.option("--bootstrap-servers", help="Use this Kafka instead of a local one. Nothing is killed then.")
@click.option("--http-port", type=click.IntRange(0, 65535), default=0, help="Port of the page. Default: a free one.")
@click.option("--rate", type=click.IntRange(1, 100_000), help="Records per second, over all partitions.")
@click.option("--live/--no-live", default=True, help="Live view on the terminal.")
def demo(
    *,
    duration: float | None,
    json_file: Path | None,
    bootstrap_servers: str | None,
    http_port: int,
    rate: int | None,
    live: bool,
) -> None:
    """Start a local Kafka of three brokers, kill and pause them, and show what becomes of every record.

    Exit code 0 only if nothing acknowledged was lost and all accounts add up.
    """
    settings = load_settings(None)
    from kafka_sentinel.demo import run_demo  # noqa: PLC0415 - the lab and the clients take a second to load

    code = run_demo(
        settings,
        duration=duration,
        json_file=json_file,
        bootstrap_servers=bootstrap_servers,
        http_port=http_port,
        rate=rate,
        live=live,
    )
    sys.exit(code)


@cli.command(short_help="Print the versions.")
def version() -> None:
    """Print the versions of Kafka Sentinel and of the Kafka client it uses."""
    from confluent_kafka import libversion  # noqa: PLC0415 - loads the Kafka client

    say(f"kafka-sentinel {__version__} (librdkafka {libversion()[0]})")


for command in (audit, report, experiments, pause, resume, run_now, heal):
    cli.add_command(command)


def main() -> None:
    """Run the command line and end the process."""
    sys.exit(_exit_code())


def _exit_code() -> int:
    try:
        result = cli.main(prog_name="kafka-sentinel", standalone_mode=False)
    except Trouble as trouble:
        for sentence in trouble.sentences:
            say(f"kafka-sentinel: {one_line(sentence)}", err=True)
        return trouble.code
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except (click.Abort, KeyboardInterrupt):
        say("interrupted", err=True)
        return INTERRUPTED
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # or the interpreter complains at exit
        return 0
    except Exception as error:  # noqa: BLE001 - the last resort: Python's own exit code 1 would mean a failed check
        from kafka_sentinel.adapters import logs  # noqa: PLC0415 - as above

        say(logs.masked(traceback.format_exc()).rstrip(), err=True)
        say(f"kafka-sentinel: internal failure: {type(error).__name__}", err=True)
        return RUNTIME_FAILURE
    return result if isinstance(result, int) else 0
