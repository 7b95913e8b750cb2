"""What is asked of a fresh reader, and what its answer amounts to."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from kafka_sentinel.core.commands import Recheck
from kafka_sentinel.core.ledger import Regressed, Suspected
from kafka_sentinel.core.types import Fence, Instant, ProbePartition
from kafka_sentinel.core.verdicts import Loss


class Purpose(StrEnum):
    """In the order in which questions are asked."""

    SUSPICION = "suspicion"
    COPIES = "copies"
    INCIDENT = "incident"
    BACKGROUND = "background"


ORDER = {purpose: rank for rank, purpose in enumerate(Purpose)}


@dataclass(slots=True)
class Suspicion:
    suspected: Suspected
    went_back_to: int | None = None  # the lowest divergence that was proved since it was acknowledged


@dataclass(slots=True)
class Question:
    number: int  # a new one each time it is asked again, so that a late answer is not taken for the new one
    purpose: Purpose
    partition: ProbePartition
    low: int
    high: int | None  # None: through the fence
    opened: Instant
    suspicions: list[Suspicion] = field(default_factory=list)
    regressed: Regressed | None = None  # the deepest regression that raised it
    incident: str | None = None
    topic_gone: bool = False
    fence: Fence | None = None
    asked: Recheck | None = None
    asked_at: Instant | None = None
    stale: bool = False  # the log went backwards since it was asked
    retry_at: float = 0.0
    attempts: int = 0


@dataclass(frozen=True, slots=True)
class Answered:
    """A valid answer was judged: the losses it proved. `question` is closed."""

    question: Question
    losses: tuple[Loss, ...]
    position: int
    log_start: int


@dataclass(frozen=True, slots=True)
class TopicReplaced:
    """The re-read found another topic under the same name."""

    partition: ProbePartition
    topic_id: str | None
