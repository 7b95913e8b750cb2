"""The plain verdict and its reasons. The rules are all here; docs/report.md lists them.

*Not yet* if anything went wrong that an objective forbids. Else *not enough evidence* if too little was seen to say
more. Else *good enough*. What went wrong outweighs what was not seen: a loss needs no second experiment.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from kafka_sentinel.core.days import DAY
from kafka_sentinel.core.faults import FaultKind
from kafka_sentinel.core.incident import Cause, Verdict
from kafka_sentinel.core.report.evidence import Disruption, Slo
from kafka_sentinel.core.report.figures import at_most, duration, percent, tiny
from kafka_sentinel.core.report.totals import Records, Service, Sight
from kafka_sentinel.core.slots import Operation
from kafka_sentinel.core.types import Acks


class Word(StrEnum):
    GOOD_ENOUGH = "good enough"
    NOT_YET = "not yet"
    NOT_ENOUGH_EVIDENCE = "not enough evidence"


@dataclass(frozen=True, slots=True)
class Rules:
    """The least evidence for *good enough*. Shares from 0 to 1; `seen` in seconds of sight."""

    disruptions: int = 10  # judged ones, of any kind
    of_a_kind: int = 3  # judged ones of each kind that occurred
    seen: float = 7 * DAY
    blind_share: float = 0.05  # at most
    vouched: float = 0.99  # of the acknowledged records, at least


@dataclass(frozen=True, slots=True)
class Judgement:
    """`run`: how many more experiments would be enough, by what to run; empty unless evidence is missing."""

    word: Word
    reasons: tuple[str, ...]
    run: Mapping[str, int]

    @property
    def experiments(self) -> int:
        """How many more experiments would be enough, of all kinds together."""
        return sum(self.run.values())


@dataclass(frozen=True, slots=True)
class Family:
    """Kinds that strike a broker alike, so that one is evidence for the other. `run`: the faults that rehearse them."""

    causes: frozenset[Cause]
    faults: frozenset[FaultKind]

    @property
    def run(self) -> str:
        return " or ".join(f"`{fault}`" for fault in FaultKind if fault in self.faults)

    def has(self, one: Disruption) -> bool:
        return one.cause in self.causes if one.natural else one.fault in self.faults


FAMILIES = (
    Family(frozenset({Cause.SPOT, Cause.DRAIN}), frozenset({FaultKind.NODE_RECLAIM, FaultKind.POD_EVICT})),
    Family(
        frozenset({Cause.CRASH, Cause.OOM, Cause.NODE_FAILURE}),
        frozenset({FaultKind.PROCESS_KILL, FaultKind.POD_CRASH}),
    ),
    Family(
        frozenset({Cause.POD_DELETED, Cause.ROLLOUT}),
        frozenset({FaultKind.POD_DELETE, FaultKind.ROLLING_RESTART, FaultKind.MSK_REBOOT}),
    ),
    Family(frozenset(), frozenset({FaultKind.PROCESS_PAUSE})),
    Family(frozenset(), frozenset({FaultKind.COMMAND})),  # what it does is the user's
)
WORDS = {Operation.PRODUCE: "writes", Operation.CONSUME: "reads"}


def judged(disruptions: Iterable[Disruption]) -> tuple[Disruption, ...]:
    """Return those that are evidence: something was struck, and the verdict is passed or failed."""
    return tuple(one for one in disruptions if one.happened and one.verdict in {Verdict.PASSED, Verdict.FAILED})


@dataclass(frozen=True, slots=True)
class Seen:
    """What there is to judge by. `records`: of acks=all; `violations`: how often accounts contradicted themselves."""

    disruptions: tuple[Disruption, ...]
    records: Records
    services: tuple[Service, ...]
    sight: Sight
    violations: int

    @property
    def judged(self) -> tuple[Disruption, ...]:
        return judged(self.disruptions)


def judge(seen: Seen, slo: Slo, rules: Rules) -> Judgement:
    wrong = tuple(_wrong(seen, slo))
    if wrong:
        return Judgement(Word.NOT_YET, wrong, {})
    unseen = tuple(_unseen(seen, rules))
    if unseen:
        return Judgement(Word.NOT_ENOUGH_EVIDENCE, unseen, _missing(seen.judged, rules))
    return Judgement(Word.GOOD_ENOUGH, tuple(_fine(seen, slo)), {})


# --- not yet


def _wrong(seen: Seen, slo: Slo) -> Iterator[str]:
    lost = max(seen.records.lost, sum(one.lost[Acks.ALL] for one in seen.disruptions))
    if lost:
        yield f"{_many(lost, 'acknowledged record')} lost at acks=all"
    for one in seen.services:
        if one.share is not None and one.share * 100 < slo.availability:
            yield _in_time(one, one.share, slo)
    failed = [one for one in seen.disruptions if one.verdict is Verdict.FAILED]
    if failed:
        yield f"{len(failed)} of {_many(len(seen.judged), 'judged disruption')} failed: {_why(failed)}"
    if seen.violations:
        yield f"the accounts contradicted themselves {_many(seen.violations, 'time')}: no figure here is certain"


def _in_time(service: Service, share: float, slo: Slo) -> str:
    return f"{percent(share)} of {WORDS[service.operation]} were in time, the objective is {slo.availability:g} %"


def _why(failed: Sequence[Disruption]) -> str:
    """Say for what each kind failed, the most frequent first."""
    counts: dict[str, int] = {}
    for one in failed:
        counts[one.kind] = counts.get(one.kind, 0) + 1
    return ", ".join(f"{kind} ({number})" for kind, number in sorted(counts.items(), key=lambda each: (-each[1], each)))


# --- not enough evidence


def _missing(there: Sequence[Disruption], rules: Rules) -> dict[str, int]:
    """Return how many more of what would be enough."""
    wanted: dict[str, int] = {}
    for family in FAMILIES:
        found = sum(family.has(one) for one in there)
        if 0 < found < rules.of_a_kind:
            wanted[family.run] = rules.of_a_kind - found
    rest = rules.disruptions - len(there) - sum(wanted.values())
    if rest > 0:
        wanted["any kind"] = rest
    return wanted


def _unseen(seen: Seen, rules: Rules) -> Iterator[str]:
    missing, there = _missing(seen.judged, rules), len(seen.judged)
    if missing:
        what = ", ".join(f"{number} of {kind}" for kind, number in missing.items())
        was = "was" if there == 1 else "were"
        yield (
            f"{_many(there, 'disruption')} {was} judged, {sum(missing.values())} more are wanted ({what}): at least "
            f"{rules.disruptions} in all, and {rules.of_a_kind} of each kind that occurs"
        )
    sight = seen.sight
    if sight.seen < rules.seen:
        more = _many(math.ceil((rules.seen - sight.seen) / DAY), "more day")
        yield f"watch for {more}: {duration(sight.seen)} seen, {duration(rules.seen)} are wanted"
    if sight.blind_share is not None and sight.blind_share > rules.blind_share:
        most = f"{rules.blind_share * 100:g} %"
        yield f"nothing was seen for {at_most(sight.blind_share)} of the time, at most {most} may be"
    if seen.records.vouched is not None and seen.records.vouched < rules.vouched:
        yield f"the fate of only {percent(seen.records.vouched)} of the acknowledged records is known"
    if seen.records.bound is None:
        yield "of no acknowledged record the fate is known"
    for one in seen.services:
        if one.share is None:
            yield f"no {WORDS[one.operation]} were judged"


# --- good enough


def _fine(seen: Seen, slo: Slo) -> Iterator[str]:
    assert seen.records.bound is not None
    lost = f"0 of {_many(seen.records.judged, 'acknowledged record')} lost"
    yield f"{lost} (at 95 %, fewer than {tiny(seen.records.bound)} are)"
    for one in seen.services:
        assert one.share is not None
        yield _in_time(one, one.share, slo)
    yield f"all {len(seen.judged)} judged disruptions met their objectives"


def _many(number: int, noun: str) -> str:
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"
