"""Questions to a fresh reader: raised by the ledger, asked once a fence exists, judged by `verdicts`.

A question waits for its fence (only partitions that take writes can prove anything), is asked, and is asked again with
a later fence, after a growing pause, until a valid answer comes: a suspicion is never dropped.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from kafka_sentinel.core.commands import Recheck
from kafka_sentinel.core.events import RecheckDone, RecheckFailed
from kafka_sentinel.core.ledger import CopySighted, PartitionLedger, Regressed, Suspected
from kafka_sentinel.core.types import Fence, Instant, ProbePartition
from kafka_sentinel.core.verdicts import Loss, Validity, judge, validity

MAX_ASKED = 16  # questions under way at once, over all partitions; the others wait their turn
ANSWER_TIMEOUT = 120.0  # seconds; then the question counts as failed and is asked again
RETRY_FIRST, RETRY_MAX = 0.25, 10.0  # seconds; doubling


class Purpose(StrEnum):
    SUSPICION = "suspicion"
    COPIES = "copies"
    INCIDENT = "incident"
    BACKGROUND = "background"


@dataclass(slots=True)
class Question:
    number: int
    purpose: Purpose
    partition: ProbePartition
    low: int
    high: int | None  # None: through the fence
    opened: Instant
    suspects: list[Suspected] = field(default_factory=list)
    regressed: Regressed | None = None  # the deepest regression that raised it
    incident: str | None = None
    topic_gone: bool = False
    fence: Fence | None = None
    asked_at: Instant | None = None
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


class Rechecks:
    def __init__(self, ledgers: Mapping[ProbePartition, PartitionLedger], *, margin: int) -> None:
        """`margin`: records re-read below the lowest offset in question."""
        self._ledgers = ledgers
        self._margin = margin
        self._questions: dict[int, Question] = {}
        self._next_number = 1

    @property
    def open_questions(self) -> list[Question]:
        return list(self._questions.values())

    def regressed(self, regression: Regressed) -> None:
        """Note what raised the suspicions just reported (the ledger reports a regression after them, within one event)."""
        for question in self._questions.values():
            if question.partition == regression.partition and question.purpose is Purpose.SUSPICION:
                deeper = question.regressed is None or question.regressed.divergence > regression.divergence
                if deeper and question.asked_at is None:
                    question.regressed = regression

    def suspect(self, suspected: Suspected, at: Instant, *, topic_gone: bool = False) -> None:
        question = self._joinable(suspected.partition, at, topic_gone=topic_gone)
        question.low = min(question.low, suspected.low)
        question.suspects.append(suspected)

    def _joinable(self, partition: ProbePartition, at: Instant, *, topic_gone: bool) -> Question:
        """Return the partition's question that has not been asked yet, its fence moved past `at`; else a new one."""
        for question in self._questions.values():
            same = question.partition == partition and question.topic_gone == topic_gone
            if same and question.purpose is Purpose.SUSPICION and question.asked_at is None:
                if at.mono > question.opened.mono:
                    question.opened = at
                    self._ledgers[partition].fences.wait(question.number, at)
                return question
        question = self._open(Purpose.SUSPICION, partition, low=1 << 62, high=None, at=at)
        question.topic_gone = topic_gone
        return question

    def copies(self, sighted: CopySighted, at: Instant) -> None:
        """Have [low, high) re-read in one go, to count what stands twice in it."""
        for question in self._questions.values():
            waiting = question.purpose is Purpose.COPIES and question.asked_at is None
            if waiting and question.partition == sighted.partition:
                question.low = min(question.low, sighted.low)
                question.high = max(question.high or 0, sighted.high)
                return
        self._open(Purpose.COPIES, sighted.partition, low=sighted.low, high=sighted.high, at=at)

    def incident(self, incident: str, partition: ProbePartition, low: int, at: Instant) -> None:
        """Have everything from `low` to a fence re-read, for the end of an incident."""
        self._open(Purpose.INCIDENT, partition, low=low, high=None, at=at).incident = incident

    def background(self, partition: ProbePartition, low: int, high: int, at: Instant) -> None:
        self._open(Purpose.BACKGROUND, partition, low=low, high=high, at=at)

    def _open(
        self, purpose: Purpose, partition: ProbePartition, *, low: int, high: int | None, at: Instant
    ) -> Question:
        question = Question(self._next_number, purpose, partition, low, high, at)
        self._next_number += 1
        self._questions[question.number] = question
        if high is None:
            self._ledgers[partition].fences.wait(question.number, at)
        return question

    def forget_partition(self, partition: ProbePartition) -> None:
        for number in [n for n, q in self._questions.items() if q.partition == partition]:
            del self._questions[number]

    def topic_replaced(self, partition: ProbePartition, at: Instant) -> None:
        """The topic was made anew: open suspicions are judged as of a deleted topic, other questions are moot."""
        for number, question in list(self._questions.items()):
            if question.partition != partition:
                continue
            if question.purpose in (Purpose.BACKGROUND, Purpose.COPIES):
                del self._questions[number]
                continue
            question.topic_gone = question.purpose is Purpose.SUSPICION
            question.low = 0
            self._again(question, at)

    def tick(self, now: Instant) -> list[Recheck]:
        """Return the questions that can be asked now."""
        asked = 0
        commands = []
        for question in self._questions.values():
            if question.asked_at is not None and now.mono - question.asked_at.mono > ANSWER_TIMEOUT:
                self._again(question, now)
            asked += question.asked_at is not None
        for question in self._questions.values():
            if asked >= MAX_ASKED:
                break
            if question.asked_at is None and now.mono >= question.retry_at and self._fenced(question):
                question.asked_at = now
                asked += 1
                commands.append(self._command(question))
        return commands

    def _fenced(self, question: Question) -> bool:
        if question.high is not None:
            return True
        question.fence = self._ledgers[question.partition].fences.ready(question.number)
        return question.fence is not None

    def _command(self, question: Question) -> Recheck:
        end = question.high if question.high is not None else question.fence.offset + 1 if question.fence else 0
        start = max(min(question.low, end) - self._margin, 0)
        return Recheck(question.number, question.partition, start, end, question.fence)

    def _again(self, question: Question, now: Instant) -> None:
        """Ask again, later, with a later fence."""
        question.asked_at = None
        question.attempts += 1
        question.retry_at = now.mono + min(RETRY_FIRST * 2 ** min(question.attempts, 10), RETRY_MAX)
        if question.high is None:
            question.opened = now
            self._ledgers[question.partition].fences.wait(question.number, now)

    def failed(self, event: RecheckFailed) -> None:
        question = self._questions.get(event.recheck)
        if question is None:
            return
        if question.purpose in (Purpose.BACKGROUND, Purpose.COPIES) and question.attempts >= 3:
            del self._questions[question.number]
        else:
            self._again(question, event.at)

    def done(self, event: RecheckDone, *, topic_id: str | None, ids_known: bool) -> Answered | TopicReplaced | None:
        """Judge an answer. None: it proves nothing, the question stays (or it was closed meanwhile)."""
        question = self._questions.get(event.recheck)
        if question is None or question.asked_at is None:
            return None
        end = self._command(question).end
        valid = validity(event, end=end, fence=question.fence, topic_id=topic_id, ids_known=ids_known)
        if valid is Validity.OTHER_TOPIC:
            return TopicReplaced(event.partition, event.topic_id)
        if valid is not Validity.VALID:
            if question.purpose in (Purpose.BACKGROUND, Purpose.COPIES):
                del self._questions[question.number]  # the range changed under it: the next look starts afresh
            else:
                self._again(question, event.at)
            return None
        return self._judge(question, event)

    def _judge(self, question: Question, event: RecheckDone) -> Answered:
        ledger = self._ledgers[question.partition]
        ledger.log_starts_at(event.log_start)
        ledger.reread(event.start, event.position, event.sightings)
        regression = question.regressed
        losses = [
            loss
            for suspected in question.suspects
            for loss in judge(
                ledger,
                suspected,
                event,
                fence=question.fence,
                topic_gone=question.topic_gone,
                regressed_to=regression.divergence if regression else None,
            )
        ]
        del self._questions[question.number]
        ledger.fences.forget(question.number)
        return Answered(question, tuple(losses), event.position, event.log_start)
