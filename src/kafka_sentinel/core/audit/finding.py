"""What a rule is and what it finds."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from kafka_sentinel.core.audit.facts import Facts, Gap, Part
from kafka_sentinel.core.kubernetes.fleet import Flavour

MAX_NAMED = 3  # names in one sentence; the rest is counted
MAX_SUBJECTS = 1_000  # names kept of one finding
MAX_OF_RULE = 100  # findings kept of one rule


class Severity(StrEnum):
    """Critical: one ordinary event, as a broker that goes, may lose acknowledged records or stop writes.

    Warning: it takes two such events, or makes one of them worse. Info: good to know.
    """

    CRITICAL = "critical"
    WARNING = "warning"
    INFO = "info"


@dataclass(frozen=True, slots=True)
class Found:
    """One thing that a rule found. `subjects`: all topics, brokers or pods it is about; at most MAX_SUBJECTS are kept.

    `severity` None: the first of the rule's.
    """

    what: str
    subjects: tuple[str, ...] = ()
    severity: Severity | None = None


Judge = Callable[[Facts], Iterator[Found]]


@dataclass(frozen=True, slots=True)
class Rule:
    """`severities`: those it may give, the worst first. `mend`: how, by how Kafka was installed, AUTO for all others.

    `needs`: parts without which it is not judged. `where` None: it is for every installation.
    """

    id: str
    severities: tuple[Severity, ...]
    title: str
    why: str
    mend: Mapping[Flavour, str]
    needs: frozenset[Part]
    judge: Judge
    where: Flavour | None = None

    def mending(self, flavour: Flavour | None) -> str:
        return self.mend.get(flavour or Flavour.AUTO, self.mend[Flavour.AUTO])


@dataclass(frozen=True, slots=True)
class Finding:
    """`subjects`: at most MAX_SUBJECTS of the `subject_count` there are.

    `brokers`: those that are among the subjects, or whose pods are; `probes`: topics of Sentinel are among them.
    """

    rule: str
    severity: Severity
    title: str
    what: str
    why: str
    mend: str
    subjects: tuple[str, ...]
    subject_count: int
    brokers: tuple[int, ...] = ()
    probes: bool = False


@dataclass(frozen=True, slots=True)
class Report:
    """`findings`: the worst first. `more`: rule → how many of its findings were left out, beyond the MAX_OF_RULE worst.

    `not_judged`: rules that were not judged, each with the parts it would have needed. `judged`: those that were.
    """

    findings: tuple[Finding, ...]
    counts: Mapping[Severity, int]
    gaps: tuple[Gap, ...]
    not_judged: Mapping[str, tuple[Part, ...]] = field(default_factory=dict)
    judged: tuple[str, ...] = ()
    more: Mapping[str, int] = field(default_factory=dict)

    def reaches(self, least: Severity) -> bool:
        """Tell whether there is a finding of that severity or a worse one."""
        order = tuple(Severity)
        return any(self.counts[each] for each in order[: order.index(least) + 1])


def named(names: Iterable[str], most: int = MAX_NAMED, count: int | None = None) -> str:
    """Return "a, b, c and 9 more". `count`: how many there are, where more are than are given."""
    given = tuple(names)
    rest = (len(given) if count is None else count) - most
    if rest > 0:
        return f"{', '.join(given[:most])} and {rest} more"
    return " and ".join(part for part in (", ".join(given[:-1]), *given[-1:]) if part)


def counted(number: int, what: str) -> str:
    """Return "1 topic", "2 topics"."""
    return f"{number} {what}{'' if number == 1 else 's'}"
