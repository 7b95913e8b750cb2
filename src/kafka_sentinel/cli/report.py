"""`kafka-sentinel report`: what was proved over some time, and whether it is good enough."""

from __future__ import annotations

import time
from datetime import tzinfo
from pathlib import Path
from zoneinfo import ZoneInfo

import click

from kafka_sentinel.cli.common import FAILED_CHECK, USAGE, DurationType, Trouble, config_option
from kafka_sentinel.cli.evidence import Source, from_file, from_state, from_url
from kafka_sentinel.core.report.report import Cost, Report, Wish, build
from kafka_sentinel.core.report.verdict import Word

FORMATS = ("markdown", "html", "json")
FAIL_ON = {"not-yet": {Word.NOT_YET}, "not-good-enough": {Word.NOT_YET, Word.NOT_ENOUGH_EVIDENCE}}
LONGEST = 400 * 86_400.0  # seconds; no more days are remembered
EPILOG = """\b
Of the running daemon, over a month, as a file to be shown around:
  kafka-sentinel report --url http://localhost:9464 --format html --output report.html

\b
Of the state that the configuration names, in a pipeline that is to fail:
  kafka-sentinel report --config sentinel.yaml --since 7d --fail-on not-good-enough
"""


class ZoneType(click.ParamType[tzinfo]):
    name = "zone"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> tzinfo:
        if isinstance(value, tzinfo):
            return value
        try:
            return ZoneInfo(str(value))
        except (KeyError, OSError, ValueError):
            self.fail(f'{value!r} is not a time zone; allowed: "UTC", "Europe/Berlin" and the like', param, ctx)


@click.command(short_help="What was proved over some time; is it good enough?", epilog=EPILOG)
@config_option
@click.option("--url", help="Address of a running daemon, such as http://localhost:9464, to ask instead of the state.")
@click.option(
    "--from", "file", type=click.Path(path_type=Path), help="A saved answer of /api/v1/evidence to read instead."
)
@click.option("--since", type=DurationType(), default="30d", show_default=True, help="How far back; whole days (UTC).")
@click.option(
    "--format", "form", type=click.Choice(FORMATS), default="markdown", show_default=True, help="What to make."
)
@click.option("--output", type=click.Path(path_type=Path), help="File to write. Default: print it.")
@click.option("--zone", type=ZoneType(), default="UTC", show_default=True, help="Time zone of the times in it.")
@click.option(
    "--slo-availability",
    type=click.FloatRange(0, 100),
    help="Percent of writes, and of reads, that are to be good. Default: slo.availability.",
)
@click.option("--cost-self", type=click.FloatRange(0), help="What your own nodes cost a month.")
@click.option("--cost-managed", type=click.FloatRange(0), help="What MSK would cost a month.")
@click.option("--currency", default="USD", show_default=True, help="Of these costs.")
@click.option(
    "--fail-on", type=click.Choice(tuple(FAIL_ON)), help="Exit with 1 if the verdict is that. Default: 0 always."
)
def report(
    *,
    config: Path | None,
    url: str | None,
    file: Path | None,
    since: float,
    form: str,
    output: Path | None,
    zone: tzinfo,
    slo_availability: float | None,
    cost_self: float | None,
    cost_managed: float | None,
    currency: str,
    fail_on: str | None,
) -> None:
    """Report on recoveries, losses, availability and blind time, and say whether it is good enough.

    Reads the state that the configuration names, or asks a running daemon (--url), or reads a saved answer (--from).
    """
    if since > LONGEST:
        raise click.UsageError(f"--since is longer than the {LONGEST / 86_400:.0f} days that are remembered")
    cost = _cost(cost_self, cost_managed, currency)
    source = _source(config, url, file)
    wish = Wish(
        now=source.evidence.until if source.saved else max(time.time(), source.evidence.until),
        since=since,
        zone=zone,
        availability=slo_availability,
        cost=cost,
        findings=source.evidence.findings,
    )
    made = build(source.evidence, wish)
    _put(_rendered(made, form), output)
    if fail_on is not None and made.judgement.word in FAIL_ON[fail_on]:
        raise Trouble(f"the verdict is: {made.judgement.word}", code=FAILED_CHECK)


def _source(config: Path | None, url: str | None, file: Path | None) -> Source:
    if url is not None and file is not None:
        raise click.UsageError("--url and --from exclude each other: the evidence comes from one place")
    if url is not None:
        return from_url(url)
    return from_file(file) if file is not None else from_state(config)


def _cost(own: float | None, managed: float | None, currency: str) -> Cost | None:
    if own is None and managed is None:
        return None
    if own is None or managed is None:
        raise click.UsageError("--cost-self and --cost-managed go together: one alone compares with nothing")
    return Cost(own, managed, currency)


def _rendered(made: Report, form: str) -> str:
    from kafka_sentinel.adapters.report.as_json import as_json  # noqa: PLC0415 - only what is asked for
    from kafka_sentinel.adapters.report.document import document  # noqa: PLC0415 - as above
    from kafka_sentinel.adapters.report.html import html  # noqa: PLC0415 - as above
    from kafka_sentinel.adapters.report.markdown import markdown  # noqa: PLC0415 - as above

    if form == "json":
        return as_json(made)
    return html(document(made)) if form == "html" else markdown(document(made))


def _put(text: str, output: Path | None) -> None:
    if output is None:
        click.echo(text, nl=False)
        return
    try:
        output.write_text(text, encoding="utf-8")
    except OSError as error:
        raise Trouble(f"--output {output} cannot be written: {error.strerror}", code=USAGE) from None
