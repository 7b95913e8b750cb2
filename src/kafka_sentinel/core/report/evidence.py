"""The evidence a report is made from: what a running Sentinel answers at /api/v1/evidence, and what its state holds."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, TypeVar

from kafka_sentinel.core.incident import Cause, Verdict
from kafka_sentinel.core.recovery import PHASES
from kafka_sentinel.core.types import Acks

SCHEMA = 1  # of the document; another number is another meaning

Found = TypeVar("Found")


class EvidenceError(ValueError):
    """This is no evidence. The message is a clause that names the key, what was found and what is wanted."""


@dataclass(frozen=True, slots=True)
class Slo:
    """`availability` in percent; `produce` and `consume`: seconds of a good slot; `recovery`: seconds per phase."""

    availability: float
    produce: float
    consume: float
    recovery: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Day:
    """Sums of one day (UTC), by the columns of `days.py`; what is not named is 0."""

    day: date
    counts: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Disruption:
    """One incident. Instants are Unix time, phases seconds from `started`; `load`: records per second, if raised."""

    id: str
    cause: Cause
    fault: str | None
    target: str | None
    brokers: tuple[int, ...]
    load: float | None
    started: float
    closed: float | None
    phases: Mapping[str, float | None]
    lost: Mapping[Acks, int]
    duplicated: int  # acks=all
    verdict: Verdict | None
    reasons: tuple[str, ...]

    @property
    def natural(self) -> bool:
        return self.cause is not Cause.EXPERIMENT

    @property
    def kind(self) -> str:
        """The fault of an experiment, else the cause."""
        return self.fault or self.cause.value

    @property
    def happened(self) -> bool:
        """Whether anything was struck, as far as is known: what was only announced has no phases."""
        return any(seconds is not None for seconds in self.phases.values()) or any(self.lost.values())


@dataclass(frozen=True, slots=True)
class Finding:
    """What an audit found that would explain a disruption that went badly.

    It is about these `brokers` (none: about the cluster), and in disruptions of these `kinds` (none: in all), with
    `several` only where more than one broker was struck. It makes these `phases` late, or causes a `loss` at acks=all;
    without either it bears on anything that went badly. `id`: the rule.
    """

    id: str
    sentence: str
    brokers: frozenset[int] = frozenset()
    phases: frozenset[str] = frozenset()
    kinds: frozenset[str] = frozenset()
    loss: bool = False
    several: bool = False


@dataclass(frozen=True, slots=True)
class Evidence:
    """`until`: when it was taken; `since`: when the days began. Disruptions by their start, oldest first.

    `findings`: of the last audit, the worst first; None: none is known.
    """

    version: str
    instance: str
    cluster_id: str | None
    until: float
    since: float
    acks: tuple[Acks, ...]
    slo: Slo
    days: tuple[Day, ...]
    disruptions: tuple[Disruption, ...]
    findings: tuple[Finding, ...] | None = None


def parse(document: object) -> Evidence:
    """Return the evidence a document holds. Raises EvidenceError."""
    top = _Map(document, "the document")
    schema = top.take("schema", int)
    if schema != SCHEMA:
        raise EvidenceError(f"its schema is {schema}, this Kafka Sentinel reads {SCHEMA}")
    days = top.map("days")
    found = [_disruption(each) for each in top.maps("incidents")]
    return Evidence(
        version=top.take("version", str),
        instance=top.take("instance", str),
        cluster_id=top.maybe("cluster_id", str),
        until=top.number("now"),
        since=days.number("since"),
        acks=_levels(top),
        slo=_slo(top.map("slo")),
        days=tuple(sorted((_day(each) for each in days.maps("items")), key=lambda one: one.day)),
        disruptions=tuple(sorted(found, key=lambda one: (one.started, one.id))),
        findings=None if top.values.get("audit") is None else tuple(map(_finding, top.map("audit").maps("findings"))),
    )


def _levels(top: _Map) -> tuple[Acks, ...]:
    """Return the levels of acknowledgement, acks=all first: it is the alarm, and always there."""
    found = {top.closed(Acks, each, "acks") for each in top.take("acks", list)}
    if Acks.ALL not in found:
        raise EvidenceError("acks is without all: nothing but acks=1 was probed")
    return tuple(acks for acks in Acks if acks in found)


def _slo(given: _Map) -> Slo:
    recovery = given.map("recovery")
    return Slo(
        availability=given.number("availability"),
        produce=given.number("produce"),
        consume=given.number("consume"),
        recovery={phase: recovery.number(phase) for phase in PHASES if phase in recovery.values},
    )


def _day(given: _Map) -> Day:
    text = given.take("day", str)
    try:
        day = date.fromisoformat(text)
    except ValueError:
        raise EvidenceError(f"{given.path}.day is {text!r}, not a day as 2026-01-31") from None
    counts = given.map("counts")
    return Day(day, {name: counts.number(name) for name in counts.values})


def _disruption(given: _Map) -> Disruption:
    phases, lost = given.map("phases"), given.map("lost_by_acks")
    verdict = given.maybe("verdict", str)
    brokers = given.take("brokers", list)
    return Disruption(
        id=given.take("id", str),
        cause=given.closed(Cause, given.take("cause", str), "cause"),
        fault=given.maybe("fault", str),
        target=given.maybe("target", str),
        brokers=tuple(sorted(each for each in brokers if isinstance(each, int))),
        load=given.maybe_number("load"),
        started=given.number("started_at"),
        closed=given.maybe_number("closed_at"),
        phases={phase: phases.maybe_number(phase) for phase in PHASES},
        lost={acks: round(lost.maybe_number(acks.value) or 0) for acks in Acks},
        duplicated=given.take("duplicated", int),
        verdict=None if verdict is None else given.closed(Verdict, verdict, "verdict"),
        reasons=tuple(str(each) for each in given.take("reasons", list)),
    )


def _finding(given: _Map) -> Finding:
    return Finding(
        id=given.take("rule", str),
        sentence=given.take("what", str),
        brokers=frozenset(each for each in given.take("brokers", list) if isinstance(each, int)),
        phases=frozenset(str(each) for each in given.take("phases", list)),
        kinds=frozenset(str(each) for each in given.take("kinds", list)),
        loss=given.flag("loss"),
        several=given.flag("several"),
    )


class _Map:
    """A JSON object that says where it stands when something in it is wrong."""

    def __init__(self, values: object, path: str) -> None:
        if not isinstance(values, Mapping):
            raise EvidenceError(f"{path} is {_named(values)}, not an object")
        self.values: Mapping[str, Any] = values
        self.path = path

    def take(self, key: str, kind: type[Found]) -> Found:
        found = self._get(key)
        if not isinstance(found, kind) or isinstance(found, bool):
            raise EvidenceError(f"{self._at(key)} is {_named(found)}, not {_NAMES[kind]}")
        return found

    def maybe(self, key: str, kind: type[Found]) -> Found | None:
        return None if self.values.get(key) is None else self.take(key, kind)

    def number(self, key: str) -> float:
        found = self._get(key)
        if not isinstance(found, int | float) or isinstance(found, bool) or found - found != 0:
            raise EvidenceError(f"{self._at(key)} is {_named(found)}, not a number")
        return found

    def maybe_number(self, key: str) -> float | None:
        return None if self.values.get(key) is None else self.number(key)

    def flag(self, key: str) -> bool:
        found = self._get(key)
        if not isinstance(found, bool):
            raise EvidenceError(f"{self._at(key)} is {_named(found)}, not true or false")
        return found

    def map(self, key: str) -> _Map:
        return _Map(self._get(key), self._at(key))

    def maps(self, key: str) -> Iterator[_Map]:
        for index, each in enumerate(self.take(key, list)):
            yield _Map(each, f"{self._at(key)}[{index}]")

    def closed(self, kind: type[Found], value: object, key: str) -> Found:
        try:
            return kind(value)  # type: ignore[call-arg]  # an enumeration, by value
        except ValueError:
            allowed = ", ".join(str(each.value) for each in kind)  # type: ignore[attr-defined]  # as above
            raise EvidenceError(f"{self._at(key)} is {_named(value)}; allowed: {allowed}") from None

    def _get(self, key: str) -> object:
        if key not in self.values:
            raise EvidenceError(f"{self._at(key)} is missing")
        return self.values[key]

    def _at(self, key: str) -> str:
        return key if self.path == "the document" else f"{self.path}.{key}"


_NAMES: Mapping[type, str] = {int: "a whole number", str: "a text", list: "a list"}


def _named(value: object) -> str:
    if value is None or isinstance(value, bool | int | float | str):
        return repr(value)[:60]
    return "a list" if isinstance(value, Sequence) else "an object"
