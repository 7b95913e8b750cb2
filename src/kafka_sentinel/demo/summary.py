"""What the demo found: an object for programs, a page for people, and whether it was good."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from kafka_sentinel.adapters.snapshot import Status
from kafka_sentinel.core.text import one_line
from kafka_sentinel.demo.frame import PHASES, clock, what
from kafka_sentinel.demo.view import VERDICT_STYLES

RECORDS = (
    "sent",
    "acked",
    "rejected",
    "uncertain",
    "in_flight",
    "verified",
    "lost",
    "duplicated",
    "redelivered",
    "reordered",
    "corrupted",
    "conflicting",
    "foreign",
    "expired",
    "unaccounted",
    "awaiting",
    "unresolved",
)
INCIDENT = ("id", "cause", "fault", "target", "started_at", "phases", "lost", "duplicated", "verdict")
SHOWN_PHASES = tuple(phase for phase in PHASES if phase != "lag")  # as many as 80 columns hold
OTHER_ENDS = ("expired", "corrupted_acked", "unaccounted", "awaiting")  # of acknowledged records
ANOMALIES = ("duplicated", "reordered", "redelivered")
RARE_ANOMALIES = ("corrupted", "conflicting", "foreign")
LATENCIES = ("produce_p50", "produce_p99", "end_to_end_p50", "end_to_end_p99")


@dataclass(frozen=True, slots=True)
class Outcome:
    """`end`: the last status. `measured`: the last one while records were sent, for what is measured over time."""

    kafka: str
    duration: float
    measured: Status
    end: Status


def summary(outcome: Outcome) -> dict[str, Any]:
    """Return the object that `--json` writes. `records` are those of acks=all; incidents are in order of time."""
    records, measured = outcome.end["records"]["all"], outcome.measured
    return {
        "kafka": outcome.kafka,
        "duration_seconds": round(outcome.duration, 3),
        "records": {name: records[name] for name in RECORDS},
        "blind_seconds": measured["blind_seconds"],
        "availability": {name: measured["availability"][name] for name in ("produce", "consume")},
        "latency_seconds": {name: measured["latency_seconds"][name] for name in LATENCIES},
        "incidents": [
            {**{name: incident[name] for name in INCIDENT}, "phases": {p: incident["phases"][p] for p in PHASES}}
            for incident in sorted(outcome.end["incidents"], key=lambda each: each["started_at"])
        ],
    }


def contradictions(records: Mapping[str, int]) -> list[str]:
    """Return the identities that the figures of one acknowledgement level break, as sums with their numbers."""
    never = records["lost"] - records["lost_before"]
    identities = (
        ("sent", ("acked", "rejected", "uncertain", "in_flight"), 0),
        ("acked", ("verified", "expired", "corrupted_acked", "unaccounted", "awaiting"), never),
        ("uncertain", ("present", "absent", "unresolved"), 0),
    )
    return [
        f"{total} {records[total]} is not {' + '.join(f'{name} {records[name]}' for name in parts)}"
        + (f" + lost unread {more}" if more else "")
        for total, parts, more in identities
        if records[total] != sum(records[name] for name in parts) + more
    ]


def faults(outcome: Outcome) -> list[str]:
    """Return in sentences why this run does not show that nothing acknowledged was lost; none if it does."""
    records = outcome.end["records"]["all"]
    sentences = (
        ("lost", "acknowledged records were lost"),
        (
            "suspected",
            "acknowledged records are missing from the log; whether they are lost could not be proved in time",
        ),
        ("awaiting", "acknowledged records were not read again in time"),
        ("in_flight", "records were still in flight"),
        ("expired", "acknowledged records expired before they were read"),
        ("corrupted", "records came back damaged"),
        ("conflicting", "offsets held two different records"),
        ("unaccounted", "records could not be accounted for"),
    )
    found = [f"{records[name]:,} {sentence}" for name, sentence in sentences if records[name]]
    return [*found, *(f"the accounts do not add up: {one}" for one in contradictions(records))]


# --- for people


def render(outcome: Outcome) -> RenderableType:
    found, records = faults(outcome), outcome.end["records"]["all"]
    if found:
        verdict = Text("\n".join(found), style="bold red")
    else:
        verdict = Text(
            f"All {records['acked']:,} acknowledged records are in the log; none was lost.", style="bold green"
        )
    head = Text(f"\n{outcome.kafka}, {clock(outcome.duration)} of probing with acks=all\n", style="bold")
    return Group(head, verdict, Text(""), _accounts(records), Text(""), *_incidents(outcome), _service(outcome))


def _accounts(records: Mapping[str, int]) -> Text:
    unread = records["lost"] - records["lost_before"]
    acknowledged = _sum(records, "verified", always=(f"lost {unread:,}",), also=OTHER_ENDS)
    lines = (
        f"sent {records['sent']:,} = {_sum(records, 'acked', 'rejected', 'uncertain', also=('in_flight',))}",
        f"acked {records['acked']:,} = {acknowledged}",
        _sum(records, *ANOMALIES, also=RARE_ANOMALIES, glue=", "),
    )
    return Text("\n".join(f"  {line}" for line in lines))


def _sum(
    records: Mapping[str, int], *names: str, also: Sequence[str] = (), always: Sequence[str] = (), glue: str = " + "
) -> str:
    """Write figures out: `names` in any case, `also` if they are not zero."""
    shown = [*names, *(name for name in also if records[name])]
    parts = [f"{name.replace('_', ' ')} {records[name]:,}" for name in shown]
    return glue.join([*parts[: len(names)], *always, *parts[len(names) :]])


def _incidents(outcome: Outcome) -> list[RenderableType]:
    incidents = sorted(outcome.end["incidents"], key=lambda each: each["started_at"])
    if not incidents:
        return [Text("  no incident\n")]
    table = Table(box=None, padding=(0, 1, 0, 0), pad_edge=False, header_style="dim")
    table.add_column("seconds to:")
    for phase in SHOWN_PHASES:
        table.add_column(phase, justify="right", no_wrap=True)
    table.add_column("lost", justify="right", no_wrap=True)
    table.add_column("verdict", no_wrap=True)
    for incident in incidents:
        verdict = incident["verdict"] or "open"
        table.add_row(
            what(incident),
            *(_tenths(incident["phases"][phase]) for phase in SHOWN_PHASES),
            f"{incident['lost']:,}",
            Text(verdict, style=VERDICT_STYLES.get(verdict, "yellow")),
        )
    reasons = [
        Text(f"  {what(one)}: {one_line('; '.join(one['reasons']))}")
        for one in incidents
        if one["verdict"] != "passed" and one["reasons"]
    ]
    return [table, *reasons, Text("")]


def _tenths(value: float | None) -> str:
    return "-" if value is None else f"{value:.1f}"


def _service(outcome: Outcome) -> Text:
    found = summary(outcome)
    latency, share = found["latency_seconds"], found["availability"]
    return Text(
        f"  in time: {_percent(share['produce'])} of writes, {_percent(share['consume'])} of reads;"
        f" unable to see: {found['blind_seconds']:.1f} s\n"
        f"  acknowledged after {_milliseconds(latency['produce_p50'])} (p99 {_milliseconds(latency['produce_p99'])}),"
        f" read after {_milliseconds(latency['end_to_end_p50'])} (p99 {_milliseconds(latency['end_to_end_p99'])})\n"
    )


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{share:.2%}"


def _milliseconds(value: float | None) -> str:
    return "-" if value is None else f"{value * 1000:.0f} ms"
