"""`kafka-sentinel audit`: would this Kafka, as it is set up and placed, survive the loss of any one thing?"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from kafka_sentinel import __version__
from kafka_sentinel.cli.common import (
    FAILED_CHECK,
    RUNTIME_FAILURE,
    USAGE,
    DurationType,
    Trouble,
    config_option,
    load_settings,
    say,
)
from kafka_sentinel.core.audit.documents import document, sarif
from kafka_sentinel.core.audit.finding import Report, Severity, counted
from kafka_sentinel.core.audit.report import audit as judge
from kafka_sentinel.core.audit.stock import Stock, stock, stock_document
from kafka_sentinel.core.audit.stock_words import stock_lines
from kafka_sentinel.core.audit.words import lines, summary
from kafka_sentinel.settings import Settings

if TYPE_CHECKING:
    from kafka_sentinel.adapters.audit import Gathered

NEVER = "never"
EPILOG = """\b
What is found, and exit code 1 if any of it is critical:
  kafka-sentinel audit --config sentinel.yaml

\b
Everything there is, instead:
  kafka-sentinel audit --inventory --config sentinel.yaml

\b
For continuous integration:
  kafka-sentinel audit --format sarif --output audit.sarif --fail-on warning --complete
"""


@click.command(short_help="Would it survive the loss of a broker, a node, a zone?", epilog=EPILOG)
@config_option
@click.option(
    "--format",
    "form",
    type=click.Choice(("human", "json", "sarif")),
    default="human",
    show_default=True,
    help="How the report is written.",
)
@click.option("--output", type=click.Path(dir_okay=False, path_type=Path), help="Write the report to this file.")
@click.option(
    "--fail-on",
    type=click.Choice((*(severity.value for severity in Severity), NEVER)),
    default=Severity.CRITICAL.value,
    show_default=True,
    help="Exit code 1 for findings of this severity or a worse one.",
)
@click.option("--complete", is_flag=True, help="Exit code 1 also if a rule could not be judged.")
@click.option(
    "--inventory",
    is_flag=True,
    help="Instead of findings: every object, what it is for and where it runs, and every setting in effect.",
)
@click.option("--timeout", type=DurationType(), default="10s", show_default=True, help="Time for each answer of Kafka.")
def audit(
    *,
    config: Path | None,
    form: str,
    output: Path | None,
    fail_on: str,
    complete: bool,
    inventory: bool,
    timeout: float,
) -> None:
    """Judge durability settings, placement and access of the Kafka cluster, and say how to mend what is wrong.

    Looks at Kafka and, with kubernetes.enabled, at its pods, nodes, volumes and disruption budgets. Changes nothing.
    What could not be looked at is said, and is not taken for good. Exit code 3 if Kafka does not answer.
    """
    settings = load_settings(config, needs_kafka=True)
    if inventory and form == "sarif":
        raise Trouble("--inventory has no findings: --format human or json, not sarif", code=USAGE)
    gathered = _gather(settings, timeout, everything=inventory)
    if inventory:
        _write(_listing(stock(gathered.facts, gathered.listed, settings.kubernetes.fleet()), form), output)
        _end_if_silent(settings, gathered)
        return
    report = judge(gathered.facts)
    cluster = gathered.facts.kafka.view.cluster_id if gathered.facts.kafka is not None else None
    _write(_rendered(report, form, cluster), output)
    if output is not None:
        say(f"{output}: {summary(report)}", err=True)
    _end_if_silent(settings, gathered)
    if fail_on != NEVER and report.reaches(Severity(fail_on)):
        worse = "" if fail_on == Severity.CRITICAL else " or worse"
        raise Trouble(f"there are findings that are {fail_on}{worse}", code=FAILED_CHECK)
    if complete and report.not_judged:
        raise Trouble(f"{counted(len(report.not_judged), 'rule')} could not be judged", code=FAILED_CHECK)


def _end_if_silent(settings: Settings, gathered: Gathered) -> None:
    """Where Kafka did not answer, say why, as `check` would."""
    if not gathered.silence:
        return
    from kafka_sentinel.adapters.diagnosis import examine  # noqa: PLC0415 - loads the Kafka clients

    _progress("Kafka did not answer; looking for the reason")
    found = examine(settings)
    raise Trouble(f"Kafka: {gathered.silence if found is None else found.sentence}", code=RUNTIME_FAILURE)


def _listing(found: Stock, form: str) -> str:
    if form == "human":
        return "\n".join(stock_lines(found)).rstrip()
    return json.dumps(stock_document(found, __version__), indent=2, ensure_ascii=False)


def _rendered(report: Report, form: str, cluster: str | None) -> str:
    if form == "human":
        return "\n".join(lines(report))
    made = (sarif if form == "sarif" else document)(report, __version__, cluster)
    return json.dumps(made, indent=2, ensure_ascii=False)


def _write(text: str, output: Path | None) -> None:
    if output is None:
        say(text)
        return
    try:
        output.write_text(f"{text}\n", encoding="utf-8")
    except OSError as error:
        raise Trouble(f"--output {output} cannot be written: {error.strerror}", code=USAGE) from None


def _gather(settings: Settings, timeout: float, *, everything: bool) -> Gathered:
    """Ask Kafka and Kubernetes. How far it is goes to standard error."""
    from kafka_sentinel.adapters.check_client import KafkaAnswers, Unanswered  # noqa: PLC0415 - loads the Kafka clients
    from kafka_sentinel.audit_wiring import look  # noqa: PLC0415 - as above
    from kafka_sentinel.runtime import now  # noqa: PLC0415 - as above

    try:
        KafkaAnswers(settings.kafka, timeout=1.0)  # asks nothing: the client says which property it does not take
    except Unanswered as error:
        raise Trouble(str(error), code=USAGE) from None
    return look(settings, now, timeout=timeout, everything=everything, progress=_progress)


def _progress(text: str) -> None:
    say(f"audit: {text}", err=True)
