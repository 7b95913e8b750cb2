"""`kafka-sentinel experiments`: what is configured and when it comes next; why it may or may not run now."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from http.client import HTTPException
from pathlib import Path
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit
from urllib.request import urlopen

import click

from kafka_sentinel.cli.common import RUNTIME_FAILURE, USAGE, Trouble, config_option, load_settings, say
from kafka_sentinel.core.schedule import next_run
from kafka_sentinel.core.text import one_line
from kafka_sentinel.settings import Experiment

RUNS_SHOWN = 3
ANSWER_SECONDS = 10.0
MAX_ANSWER_BYTES = 16 * 1_048_576
_REASONS = {503: "it has only just started; try again", 404: "it is no Kafka Sentinel, or one too old for this"}


@click.group(short_help="Faults on purpose: when they come, what holds them back.")
def experiments() -> None:
    """Faults injected on purpose: when they come, and what holds them back."""


@experiments.command("list")
@config_option
def list_experiments(config: Path | None) -> None:
    """Print the configured experiments and their next three runs (planned: the guards decide when it is time)."""
    everything = load_settings(config)
    settings = everything.experiments
    if not settings.items:
        probing = "; experiments.fleet is none: probe only" if settings.fleet == "none" else ""
        say(f"no experiments are configured (experiments.items){probing}")
        return
    now = time.time()
    rows = [
        (item.name, item.fault, item.target, item.schedule or f"every {item.every}", _runs(item, now))
        for item in settings.items
    ]
    say(table(("name", "fault", "target", "schedule", f"next {RUNS_SHOWN} runs (UTC)"), rows))
    armed = f"armed for cluster {settings.armed_for}" if settings.armed_for else "not armed (experiments.armed_for)"
    if everything.cannot_break:
        say(f"\n{everything.cannot_break}; `kafka-sentinel run` refuses to start")
    say(f"\n{armed}; dry run {'on: nothing is injected' if settings.dry_run else 'off'}")


def _runs(item: Experiment, after: float) -> str:
    spec, moments = item.spec(), []
    for _ in range(RUNS_SHOWN):
        after = next_run(spec.schedule, after, spec.name)
        moments.append(utc(after))
    return ", ".join(moments)


@experiments.command()
@click.argument("name", required=False)
@click.option("--url", default="http://127.0.0.1:9464", show_default=True, help="Address of the running daemon.")
def explain(name: str | None, url: str) -> None:
    """Ask the running daemon for every guard's answer, of all experiments or of the one called NAME."""
    view = fetch(url)
    items = [item for item in view["items"] if name in {None, item["name"]}]
    if not items:
        known = ", ".join(item["name"] for item in view["items"]) or "none"
        missing = (
            f"there is no experiment {name}; the daemon knows: {known}" if name else "the daemon has no experiments"
        )
        raise Trouble(missing, code=USAGE)
    state = [
        "armed" if view["armed"] else "not armed",
        *(["dry run"] if view["dry_run"] else []),
        *([f"paused: {view.get('paused_by') or 'no reason given'}"] if view["paused"] else []),
        *_lease(view.get("lease")),
        *([f"latched: {view['latched']}"] if view["latched"] else []),
    ]
    say(", ".join(state))
    for item in items:
        say(f"\n{_explanation(item)}")


def _lease(lease: dict[str, Any] | None) -> list[str]:
    if lease is None or lease["held"]:
        return []
    if lease["problem"]:
        return [f"the Lease is not held: {lease['problem']}"]
    return [f"standing by: {lease['holder'] or 'nobody'} holds the Lease"]


def _explanation(item: dict[str, Any]) -> str:
    planned = utc(item["next_run"]) if item["next_run"] is not None else "not planned"
    head = f"{item['name']}: {item['fault']} of {item['target']}, {item['schedule']}, next run {planned}"
    if item.get("last_reason"):
        head += f"\nlast run {utc(item['last_run'])}: {item['last_result']}: {item['last_reason']}"
    if "guards" not in item:
        skip = item["last_skip"]
        last = (
            f"last skipped {utc(skip['at'])} by {skip['guard']}: {skip['reason']}" if skip else "never skipped so far"
        )
        return f"{head}\n{last} (the daemon has not judged its guards yet)"
    hit = _whom(item)
    verdict = "would run now" if item["allowed"] else f"would not run now: {item['first_denial']}"
    rows = [
        (answer["guard"], "yes" if answer["allowed"] else "NO", answer["seen"], answer["threshold"], answer["reason"])
        for answer in item["guards"]
    ]
    return f"{head}\nwould hit {hit}; {verdict}\n\n" + table(("guard", "allows", "seen", "wanted", "reason"), rows)


def _whom(item: dict[str, Any]) -> str:
    brokers = ", ".join(map(str, item["targets"]))
    parts = [
        *([f"broker {brokers}"] if brokers else []),
        *([f"pod {', '.join(item['pods'])}"] if item["pods"] else []),
        *([f"ZooKeeper server {', '.join(item['servers'])}"] if item.get("servers") else []),
        *([f"node {item['node']}"] if item["node"] else []),
    ]
    return "; ".join(parts) or "nobody"


def fetch(url: str) -> dict[str, Any]:
    """Return what the daemon says of its experiments."""
    view = answer(url, "experiments")
    if "items" not in view:
        raise Trouble(f"what answers at {url} is not Kafka Sentinel", code=RUNTIME_FAILURE)
    return view


def answer(url: str, view: str) -> dict[str, Any]:
    """Return what the daemon answers at /api/v1/. Every way in which it may not answer is a sentence."""
    if urlsplit(url).scheme not in {"http", "https"}:
        raise Trouble(f"--url {url} is not a web address; allowed: http://HOST:PORT", code=USAGE)
    address = f"{url.rstrip('/')}/api/v1/{view}"
    try:
        with urlopen(address, timeout=ANSWER_SECONDS) as given:  # noqa: S310 - the scheme was checked above
            found = json.loads(given.read(MAX_ANSWER_BYTES))
    except HTTPError as error:
        why = _REASONS.get(error.code, error.reason)
        raise Trouble(f"the daemon at {url} answered {error.code}: {why}", code=RUNTIME_FAILURE) from None
    except (URLError, HTTPException, OSError) as error:
        reason = getattr(error, "reason", None) or error
        raise Trouble(
            f"no daemon answers at {url}: {reason}; start `kafka-sentinel run`, or name its address with --url",
            code=RUNTIME_FAILURE,
        ) from None
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise Trouble(f"what answers at {url} is not Kafka Sentinel", code=RUNTIME_FAILURE)
    return found


def utc(wall: float) -> str:
    return datetime.fromtimestamp(wall, UTC).strftime("%a %Y-%m-%d %H:%M:%S")


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return columns as wide as their widest cell; the last one ragged."""
    head, *rows = [[one_line(cell) for cell in line] for line in (head, *rows)]
    widths = [max(len(cell) for cell in column) for column in zip(head, *rows, strict=True)]
    lines = [
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in (head, ["-" * width for width in widths], *rows)
    ]
    return "\n".join(lines)
