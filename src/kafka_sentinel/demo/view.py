"""The live view: one screen, drawn anew several times a second from a frame. It knows no more than the frame."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from kafka_sentinel.demo.frame import (
    PHASES,
    Frame,
    applies,
    broker_state,
    clock,
    closed_incidents,
    open_incident,
    reached,
    seconds,
    upcoming,
    what,
)

STATE_STYLES = {"up": "green", "killed": "bold red", "paused": "bold magenta", "starting": "yellow", "down": "bold red"}
VERDICT_STYLES = {"passed": "green", "failed": "bold red", "inconclusive": "yellow"}
FIXED_LINES = 15  # of the screen: all but the rows of partitions and verdicts
LEAST_PARTITIONS, MOST_PARTITIONS = 6, 12  # rows; the page shows all
ROOMY = 28  # lines of a terminal that has room for a row more
LEAST_VERDICTS = 2
RECORDS_WIDTH = 31


def render(frame: Frame, height: int) -> RenderableType:
    """Return the screen for a terminal of `height` lines."""
    partitions = frame.status["partitions"][:MOST_PARTITIONS]
    middle = Table.grid(expand=True)
    middle.add_column(ratio=1)
    middle.add_column(width=RECORDS_WIDTH)
    rows = max(len(partitions), LEAST_PARTITIONS + (height >= ROOMY))
    middle.add_row(_partitions(partitions, rows), _records(frame.status, rows))
    verdicts = max(height - FIXED_LINES - rows, LEAST_VERDICTS)
    return Group(
        _head(frame), _brokers(frame), middle, _incident(frame), _verdicts(frame, verdicts), _next(frame), _foot(frame)
    )


def _head(frame: Frame) -> Text:
    of = f" of {clock(frame.duration)}" if frame.duration is not None else ""
    head = Text(" Kafka Sentinel ", style="bold reverse", no_wrap=True, overflow="ellipsis")
    head.append(f" {frame.kafka}  {clock(frame.elapsed)}{of}  ", style="not bold not reverse")
    return head.append(frame.page or "", style="not reverse underline cyan")


def _brokers(frame: Frame) -> Text:
    line = Text(" brokers  ", no_wrap=True, overflow="ellipsis")
    kafka = frame.status["kafka"]
    for broker in kafka["brokers"]:
        state = broker_state(frame, broker)
        line.append(f"{broker['id']} ", style="bold").append(state, style=STATE_STYLES.get(state, ""))
        line.append(" (controller)   " if broker["id"] == kafka["controller"] else "   ", style="dim")
    if frame.status["health"] == "blind":
        line.append("Sentinel is cut off", style="bold red")
    return line


def _partitions(partitions: list[Mapping[str, Any]], rows: int) -> Panel:
    table = Table(box=None, expand=True, padding=(0, 1, 0, 0), pad_edge=False, header_style="dim")
    table.add_column("partition", no_wrap=True)
    table.add_column("leader", justify="center")
    table.add_column("in sync", no_wrap=True)
    table.add_column("writes")
    table.add_column("reads")
    table.add_column("unread", justify="right")
    for each in partitions:
        leader = Text("none", style="bold red") if each["leader"] < 0 else Text(str(each["leader"]))
        name = str(each["partition"]) if each["acks"] == "all" else f"{each['partition']} (acks=1)"
        table.add_row(
            name,
            leader,
            _in_sync(each),
            _fine(each["writable"]),
            _fine(each["readable"]),
            str(each["lag_records"]),
        )
    return Panel(table, title="partitions", title_align="left", height=rows + 3, border_style="dim")


def _in_sync(partition: Mapping[str, Any]) -> Text:
    """Name every replica in sync; a dot stands for one that lags behind."""
    text = Text()
    for broker in sorted(partition["replicas"]):
        text.append(*((str(broker), "") if broker in partition["isr"] else ("·", "bold red"))).append(" ")
    return text


def _fine(value: bool) -> Text:
    return Text("yes", style="green") if value else Text("NO", style="bold red")


def _records(status: Mapping[str, Any], rows: int) -> Panel:
    figures, latency = status["records"]["all"], status["latency_seconds"]
    table = Table.grid(expand=True)
    table.add_column()
    table.add_column(justify="right")
    table.add_row("sent", f"{figures['sent']:,}")
    table.add_row("acknowledged", f"{figures['acked']:,}")
    table.add_row(Text("verified in the log", style="bold"), Text(f"{figures['verified']:,}", style="bold"))
    lost = figures["lost"]
    table.add_row(Text("lost", style="bold"), Text(f"{lost:,}", style="bold red" if lost else "bold green"))
    table.add_row("duplicated, reordered", f"{figures['duplicated']:,}, {figures['reordered']:,}")
    table.add_row("in flight, unread", f"{figures['in_flight']:,}, {figures['awaiting']:,}")
    table.add_row("uncertain, suspected", f"{figures['uncertain']:,}, {figures['suspected']:,}")
    if rows > LEAST_PARTITIONS:
        table.add_row("acknowledged in (p50)", _milliseconds(latency["produce_p50"]))
    return Panel(table, title="records (acks=all)", title_align="left", height=rows + 3, border_style="dim")


def _milliseconds(value: float | None) -> str:
    return "-" if value is None else f"{value * 1000:.0f} ms"


def _incident(frame: Frame) -> Panel:
    incident = open_incident(frame.status)
    if incident is None:
        return Panel(
            _calm(frame.status["partitions"]), title="open incident", title_align="left", height=5, border_style="dim"
        )
    age = frame.status["now"] - incident["started_at"]
    table = Table(box=None, expand=True, padding=(0, 1, 0, 0), header_style="dim")
    for phase in PHASES:
        table.add_column(phase, justify="right", no_wrap=True)
    table.add_row(*(_phase(incident, phase, age) for phase in PHASES))
    reasons = "; ".join(incident["reasons"]) or {
        "settling": "all is well again; it has to stay so for a moment",
        "rechecking": "the log is being read again",
    }.get(incident["state"], "")
    title = Text(f"open incident: {what(incident)}, for {age:.1f} s", style="bold yellow")
    body = Group(table, Text(reasons, style="dim", no_wrap=True, overflow="ellipsis"))
    return Panel(body, title=title, title_align="left", height=5, border_style="yellow")


def _calm(partitions: Sequence[Mapping[str, Any]]) -> Text:
    if partitions and all(each["writable"] and each["readable"] for each in partitions):
        return Text("none: every partition can be written and read", style="green")
    return Text("none so far", style="dim")


def _phase(incident: Mapping[str, Any], phase: str, age: float) -> Text:
    if (took := reached(incident, phase)) is not None:
        return Text(seconds(took), style="green")
    return Text(f"{age:.1f} …", style="yellow") if applies(incident, phase) else Text("-", style="dim")


def _verdicts(frame: Frame, rows: int) -> Panel:
    table = Table(box=None, expand=True, padding=(0, 1, 0, 0), header_style="dim")
    table.add_column("incident", no_wrap=True, ratio=1)
    for heading in ("produce", "consume", "full", "lost"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("verdict", no_wrap=True)
    for incident in closed_incidents(frame.status)[:rows]:
        phases, verdict = incident["phases"], incident["verdict"]
        table.add_row(
            what(incident),
            seconds(phases["produce"]),
            seconds(phases["consume"]),
            seconds(phases["full"]),
            Text(str(incident["lost"]), style="bold red" if incident["lost"] else ""),
            Text(verdict, style=VERDICT_STYLES[verdict]),
        )
    return Panel(table, title="verdicts, newest first", title_align="left", height=rows + 3, border_style="dim")


def _next(frame: Frame) -> Text:
    line = Text(" next  ", no_wrap=True, overflow="ellipsis")
    return line.append(upcoming(frame), style="bold")


def _foot(frame: Frame) -> Text:
    if frame.stage is not None:
        return Text(
            f" ending: {frame.stage} (Ctrl-C: end at once)", style="bold yellow", no_wrap=True, overflow="ellipsis"
        )
    line = Text(" Ctrl-C ends it with a summary", style="dim", no_wrap=True, overflow="ellipsis")
    return line.append(f"   log: {frame.remark}" if frame.remark else "")
