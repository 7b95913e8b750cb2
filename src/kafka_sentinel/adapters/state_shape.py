"""What a state looks like, for one that another version wrote or somebody edited: kinds and bounds of all in it.

The core reads a state by name and position, and what it reads may come to light much later: as a label of a metric, or
in the middle of an incident. So a state is looked at here, once, before anything is made of it. What this version does
not know is left out; what it needs and is not there, or is of another kind, is told with its place.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, NotRequired

from pydantic import Field, Strict, StrictBool, TypeAdapter, ValidationError
from pydantic_core import ErrorDetails
from typing_extensions import TypedDict

from kafka_sentinel.core.checkpoint import StateError
from kafka_sentinel.core.faults import FaultKind
from kafka_sentinel.core.incident import Cause, Verdict
from kafka_sentinel.core.text import one_line

MAX_WHOLE = 2**64  # records name their sequence and their run in 64 bits; Kafka's offsets have one less
MAX_WALL = 1e11  # seconds since 1970: in the year 5138
MAX_SPANS = 100_000  # of one set; a ledger lets go of some beyond 20,000
MAX_FOUND = 60  # characters of a wrong value that are shown
MAX_PLACE = 200  # characters of the place of it

Whole = Annotated[int, Strict(), Field(ge=0, le=MAX_WHOLE)]
Place = Annotated[int, Strict(), Field(ge=-1, le=MAX_WHOLE)]  # -1: not known
Number = Annotated[int, Strict(), Field(ge=-(2**31), le=2**31 - 1)]  # of a broker or a partition
Amount = Annotated[float, Strict(), Field(ge=0, le=float(MAX_WHOLE), allow_inf_nan=False)]
Seconds = Annotated[float, Strict(), Field(ge=-MAX_WALL, le=MAX_WALL, allow_inf_nan=False)]
Wall = Annotated[float, Strict(), Field(ge=0, le=MAX_WALL, allow_inf_nan=False)]
Text = Annotated[str, Strict()]
Level = Literal["all", "1"]
Strange = Literal["corrupted", "foreign"]
Run = Annotated[str, Strict(), Field(pattern="^[0-9a-f]{1,16}$")]
Span = tuple[Whole, Whole]
Spans = Annotated[list[Span], Field(max_length=MAX_SPANS)]
Part = tuple[Level, Number]


class _Account(TypedDict):
    run: Run
    next: Whole
    sets: dict[Text, Spans]
    folded: dict[Text, Whole]
    positions: Annotated[list[tuple[Whole, Whole, Whole]], Field(max_length=MAX_SPANS)]
    suspected: Spans
    rewound: Spans
    lost_before: Spans
    reordered: Spans
    blind: Spans
    doubtful: Spans
    highest: Place
    ended: NotRequired[StrictBool]
    outlived: NotRequired[StrictBool]
    inferred: NotRequired[Spans]


class _Ledger(TypedDict):
    acks: Level
    partition: Annotated[int, Strict(), Field(ge=0, le=2**31 - 1)]
    position: Whole | None
    read_epoch: NotRequired[Place]
    counted_to: Whole
    log_start: Whole
    highest_acked: Place
    copies: Annotated[list[tuple[Whole, Whole, Text, Whole, Whole, Place]], Field(max_length=MAX_SPANS)]
    met: NotRequired[Annotated[list[tuple[Whole, Whole, Strange, Whole, Whole, Place]], Field(max_length=MAX_SPANS)]]
    archived: dict[Text, Whole]
    retired: list[Run]
    accounts: list[_Account]


class _Truth(TypedDict):
    run: NotRequired[Run]
    topic_ids: dict[Level, Text | None]
    anomalies: list[tuple[Level, Text, Whole]]
    departed: list[tuple[Level, Text, Whole]]
    partitions: list[_Ledger]


class _Availability(TypedDict):
    slots: list[tuple[Text, Text, Whole]]
    any_seconds: dict[Text, Amount]
    partition_seconds: dict[Text, Amount]
    blind_seconds: Amount


class _Baseline(TypedDict):
    leaders: list[tuple[Level, Number, Number]]
    isr: list[tuple[Level, Number, Number]]
    lag: Annotated[int, Strict()]


class _Recovery(TypedDict):
    started: Wall
    baseline: _Baseline
    partitions: list[Part]
    leaderless: list[Part]
    acked: list[tuple[Level, Number, Wall, Wall]]
    read: list[tuple[Level, Number, Wall, Wall]]
    pods: NotRequired[list[tuple[Number, Wall | None]]]
    detected: Wall | None
    leader: Wall | None
    isr: Wall | None
    lag: Wall | None
    outage_ended: Wall | None
    held: Wall | None


Phases = dict[Text, Seconds | None]
Lost = tuple[
    Literal["records_lost_total"],
    tuple[tuple[Literal["acks"], Level], tuple[Literal["seen"], Literal["never", "before"]]],
    Whole,
]
Duplicated = tuple[Literal["records_duplicated_total"], tuple[tuple[Literal["acks"], Level]], Whole]


class _Incident(TypedDict):
    id: Text
    cause: Cause
    cause_revised: Cause | None
    fault: Text | None
    target: Text | None
    experiment_run: Text | None
    load: NotRequired[Amount | None]
    brokers: list[Number]
    announced: NotRequired[list[Number]]
    nodes: NotRequired[dict[Text, Text]]
    foretold: NotRequired[StrictBool]
    struck: NotRequired[StrictBool]
    opened: Wall
    closed: Wall | None
    final_in: Seconds
    final: StrictBool
    state: Text
    unavailable: list[tuple[Text, Level, Number]]
    lost: dict[Level, Whole]
    duplicated: dict[Level, Whole]
    tallies: list[Lost | Duplicated]
    blind: StrictBool
    verdict: Verdict | None
    recheck_complete: StrictBool | None
    final_phases: Phases | None
    reasons: list[Text]
    recovery: _Recovery


class _InShort(TypedDict):
    id: Text
    cause: Cause
    fault: Text | None
    target: Text | None
    brokers: list[Number]
    load: Amount | None
    started_at: Wall
    closed_at: Wall | None
    phases: Phases
    lost_by_acks: dict[Level, Whole]
    duplicated: Whole
    verdict: Verdict | None
    reasons: list[Text]


class _Incidents(TypedDict):
    number: Whole
    open: list[_Incident]
    closed: list[_Incident]
    older: NotRequired[list[_InShort]]


class _Skip(TypedDict):
    guard: Text
    reason: Text
    at: Wall


class _Past(TypedDict):
    last_run: NotRequired[Wall | None]
    last_result: NotRequired[Text | None]
    last_skip: NotRequired[_Skip | None]
    last_reason: NotRequired[Text]


class _Run(TypedDict):
    id: Text
    experiment: Text
    fault: FaultKind
    targets: list[Number]
    duration: Amount
    due: Wall
    started: Wall
    pods: list[tuple[Text, Text, Text] | tuple[Text, Text, Text, Number | None]]
    node: tuple[Text, Text] | None
    state: Text
    injected: Wall | None
    verdict: Text | None
    reason: Text
    addresses: NotRequired[list[Text]]


class _Experiments(TypedDict):
    paused: Text | Literal[False] | None
    latched: Text | Literal[False] | None
    injections: list[Wall]
    run: _Run | None
    past: dict[Text, _Past]


class _Order(TypedDict):
    given: Wall
    kind: Text
    subject: Text
    nonce: Text
    answer: Text
    done: StrictBool


class _Control(TypedDict):
    orders: list[_Order]


class _Group(TypedDict):
    redelivered: dict[Level, Whole]
    rebalances: Whole
    commits: Whole
    commit_errors: Whole
    commit_regressions: Whole
    partitions: list[tuple[Level, Number, Spans, Place | None, Place | None]]


Heard = tuple[Text, Text, Text, Text, Text, Wall | None, StrictBool, Wall, Wall, StrictBool]


class _Disruption(TypedDict):
    node: Text
    node_uid: Text
    capacity: Text
    opened: Wall
    heard: list[Heard]
    brokers: list[Number]
    drained: StrictBool
    loss_unseen: StrictBool
    was_silent: StrictBool
    deleted: StrictBool
    loss: Text | None
    counted: StrictBool
    cause: Cause
    outcome: Text | None
    lost: Wall | None
    lost_seen: Wall | None
    certain: Wall | None
    closed: Wall | None


class _Disruptions(TypedDict):
    open: list[_Disruption]
    closed: list[_Disruption]
    boots: dict[Text, Text]


class _Kubernetes(TypedDict):
    disruptions: _Disruptions
    restarts: NotRequired[list[tuple[Text, Whole | None]]]


class _Days(TypedDict):
    since: Wall
    columns: list[Text]
    rows: list[Annotated[list[Amount], Field(min_length=1)]]


class _Loss(TypedDict):
    acks: Level
    partition: Number
    run: Text
    first_sequence: Whole
    count: Whole
    offset: Place
    seen: Literal["never", "before"]
    acked_at: Wall | None
    proved_at: Wall
    leader_epoch_before: Place
    topic_id: Text | None
    stands_there: Text | None
    incident: Text
    cause: Cause


class _State(TypedDict):
    name: Text
    cluster_id: Text | None
    since: Wall
    alive_at: Wall
    truth: _Truth
    availability: _Availability
    incidents: _Incidents
    experiments: _Experiments
    control: NotRequired[_Control | None]
    group: _Group
    kubernetes: NotRequired[_Kubernetes | None]
    days: NotRequired[_Days | None]
    losses: list[_Loss]
    natural_losses: list[Wall]


_SHAPE = TypeAdapter(_State)


def checked(state: object) -> dict[str, Any]:
    """Return what this version knows of a state. Raises StateError with what is wrong first, and its place."""
    try:
        return dict(_SHAPE.validate_python(state))
    except ValidationError as error:
        raise StateError(_sentence(error.errors(include_url=False)[0])) from None


def _sentence(problem: ErrorDetails) -> str:
    steps = (f"[{step}]" if isinstance(step, int) else f".{step}" for step in problem["loc"])
    place = one_line("".join(steps).lstrip(".") or "content", MAX_PLACE)
    if problem["type"] == "missing":
        return f"its {place} is missing"
    said = problem["msg"][:1].lower() + problem["msg"][1:]
    return one_line(f"its {place} is wrong: {said}, found {_found(problem['input'])}")


def _found(value: object) -> str:
    """Say what was found: small things as they are, others by their kind, however large they are."""
    if isinstance(value, dict | list | tuple):
        return type(value).__name__
    if isinstance(value, int) and abs(value) > 10**MAX_FOUND:
        return "a larger number"
    return one_line(repr(value) if not isinstance(value, str) else repr(value[: MAX_FOUND + 1]), MAX_FOUND)
