"""Questions to a fresh reader: raised by the ledger, asked once a fence exists, judged by `verdicts`.

A question waits for its fence (only partitions that take writes can prove anything), is asked, and is asked again with
a later fence, after a growing pause, until a valid answer comes: a suspicion is never dropped. If the log goes
backwards while a question is under way, its answer may be older than that, and it is asked again. So is a look for
copies: each is called for once, and the background recheck may read too short a stretch to see both. Only the
background recheck is dropped when it was in vain: its next turn does the same.

What a re-read finds missing besides is a suspicion of its own, and reaches the margin lower: so a truncation is
followed down to where the log is unchanged, however far below its first sign that is.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from kafka_sentinel.core.book import NOWHERE
from kafka_sentinel.core.commands import Recheck
from kafka_sentinel.core.events import RecheckDone, RecheckFailed
from kafka_sentinel.core.ledger import CopySighted, PartitionLedger, Regressed, Suspected
from kafka_sentinel.core.questions import ORDER, Answered, Purpose, Question, Suspicion, TopicReplaced
from kafka_sentinel.core.types import Instant, ProbePartition
from kafka_sentinel.core.verdicts import Judgement, Validity, judge, validity

__all__ = ["Answered", "Purpose", "Question", "Rechecks", "TopicReplaced"]

MAX_ASKED = 16  # questions under way at once, over all partitions; the others wait their turn
MAX_WAITING = 4  # suspicions of one partition are spread over at most so many questions that wait for a fence
ANSWER_TIMEOUT = 360.0  # seconds; then the question counts as failed and is asked again
RETRY_FIRST, RETRY_MAX = 0.25, 5.0  # seconds; doubling
MAX_LOOKS = 4  # how often a background recheck is asked in vain before it is dropped


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

    # --- raising questions

    def regressed(self, regression: Regressed) -> None:
        """Note what raised the suspicions just reported (a ledger reports a regression after them, in one event)."""
        for question in self.open_questions:
            if question.partition != regression.partition:
                continue
            if question.purpose is Purpose.COPIES and regression.proved:
                self._cut_copies(question, regression.divergence)
            for suspicion in question.suspicions if regression.proved else ():
                suspicion.went_back_to = _lower_of(suspicion.went_back_to, regression.divergence)
            if question.asked_at is not None:
                question.stale = True
            elif question.purpose is Purpose.SUSPICION:
                known = question.regressed
                if known is None or known.divergence > regression.divergence:
                    question.regressed = regression

    def suspect(self, suspected: Suspected, at: Instant, *, topic_gone: bool = False) -> None:
        self._suspect(suspected, at, topic_gone=topic_gone)

    def _suspect(self, suspected: Suspected, at: Instant, *, topic_gone: bool) -> Question:
        question = self._joinable(suspected.partition, at, topic_gone=topic_gone)
        # A client that tries again without idempotence writes twice: below where it was acknowledged, too. What stands
        # below the verifier it has met. Where it was acknowledged at all is known by what stands in the whole log.
        ledger = self._ledgers[suspected.partition]
        account = ledger.accounts.get(suspected.run)
        inferred = account is not None and account.inferred.covered(suspected.first, suspected.count)
        question.low = min(question.low, suspected.low, 0 if inferred else ledger.position or 0)
        question.suspicions.append(Suspicion(suspected))
        return question

    def _joinable(self, partition: ProbePartition, at: Instant, *, topic_gone: bool) -> Question:
        """Return a question of the partition that has not been asked, its fence moved past `at`; else a new one.

        One whose fence is under way already is left alone, lest a stream of suspicions postpone it for ever.
        """
        fences = self._ledgers[partition].fences
        waiting = [
            question
            for question in self._questions.values()
            if (question.partition, question.topic_gone) == (partition, topic_gone)
            and question.purpose is Purpose.SUSPICION
            and question.asked_at is None
        ]
        if waiting and (at.mono <= waiting[-1].opened.mono or not fences.under_way(waiting[-1].number)):
            return self._moved(waiting[-1], at)
        if len(waiting) >= MAX_WAITING:
            return self._moved(waiting[-1], at)
        question = self._open(Purpose.SUSPICION, partition, low=NOWHERE, high=None, at=at)
        question.topic_gone = topic_gone
        return question

    def _moved(self, question: Question, at: Instant) -> Question:
        if at.mono > question.opened.mono:
            question.opened = at
            self._ledgers[question.partition].fences.wait(question.number, at)
        return question

    def copies(self, sighted: CopySighted, at: Instant) -> None:
        """Have [low, high) re-read in one go, to count what stands twice in it."""
        waiting = self._waiting_for_copies(sighted.partition)
        if waiting is None:
            self._open(Purpose.COPIES, sighted.partition, low=sighted.low, high=sighted.high, at=at)
        else:
            _widen(waiting, sighted.low, sighted.high)

    def _waiting_for_copies(self, partition: ProbePartition) -> Question | None:
        """Return the look for copies that has not been asked, if there is one."""
        for question in self._questions.values():
            if (question.purpose, question.partition) == (Purpose.COPIES, partition) and question.asked_at is None:
                return question
        return None

    def _cut_copies(self, question: Question, divergence: int) -> None:
        """Nothing stands there any more of what was met; what has been written since, the verifier will meet."""
        question.high = min(question.high or 0, divergence)
        if question.high <= question.low:
            del self._questions[question.number]

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

    def forget_partition(self, partition: ProbePartition) -> list[str]:
        """Drop all questions about a partition. Returns the incidents that waited for an answer to one."""
        dropped = [question for question in self.open_questions if question.partition == partition]
        for question in dropped:
            del self._questions[question.number]
        return [question.incident for question in dropped if question.incident is not None]

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

    # --- asking

    def tick(self, now: Instant) -> list[Recheck]:
        """Return the questions that can be asked now."""
        for question in self.open_questions:
            if question.asked_at is not None and now.mono - question.asked_at.mono > ANSWER_TIMEOUT:
                self._again(question, now)
        commands: list[Recheck] = []
        free = MAX_ASKED - sum(question.asked_at is not None for question in self._questions.values())
        for question in sorted(self._questions.values(), key=lambda each: ORDER[each.purpose]):
            if len(commands) >= free:
                break
            if question.asked_at is None and now.mono >= question.retry_at and self._fenced(question):
                commands.append(self._ask(question, now))
        return commands

    def _fenced(self, question: Question) -> bool:
        if question.purpose is Purpose.COPIES:  # where the verifier was sent back it has to come there again
            return (self._ledgers[question.partition].position or 0) >= (question.high or 0)
        if question.high is not None:
            return True
        question.fence = self._ledgers[question.partition].fences.ready(question.number)
        return question.fence is not None

    def _ask(self, question: Question, now: Instant) -> Recheck:
        end = question.high if question.high is not None else question.fence.offset + 1 if question.fence else 0
        start = max(min(question.low, end) - self._margin, 0)
        question.asked = Recheck(question.number, question.partition, start, end, question.fence)
        question.asked_at = now
        question.stale = False
        return question.asked

    def _again(self, question: Question, now: Instant) -> None:
        """Ask again, later, with a later fence."""
        fences = self._ledgers[question.partition].fences
        del self._questions[question.number]
        fences.forget(question.number)
        waiting = self._waiting_for_copies(question.partition) if question.purpose is Purpose.COPIES else None
        if waiting is not None:  # one look for both, lest they add up while no broker answers
            _widen(question, waiting.low, waiting.high or 0)
            del self._questions[waiting.number]
        question.number = self._next_number
        self._next_number += 1
        self._questions[question.number] = question
        question.asked = question.asked_at = None
        question.retry_at = now.mono + min(RETRY_FIRST * 2 ** min(question.attempts, 10), RETRY_MAX)
        question.attempts += 1
        if question.high is None:
            question.opened = now
            fences.wait(question.number, now)

    def _in_vain(self, question: Question, now: Instant) -> None:
        if question.purpose is Purpose.BACKGROUND and question.attempts + 1 >= MAX_LOOKS:
            del self._questions[question.number]  # the log changes under it: the next look starts afresh
        else:
            self._again(question, now)

    # --- answers

    def failed(self, event: RecheckFailed) -> None:
        question = self._questions.get(event.recheck)
        if question is not None and question.asked_at is not None:
            self._in_vain(question, event.at)

    def done(self, event: RecheckDone, *, topic_id: str | None, ids_known: bool) -> Answered | TopicReplaced | None:
        """Judge an answer. None: it proves nothing, the question stays (or it was closed meanwhile).

        TopicReplaced: the caller sees to what follows of that, `topic_replaced` among it.
        """
        question = self._questions.get(event.recheck)
        if question is None or question.asked is None:
            return None
        asked = question.asked
        valid = validity(
            event, start=asked.start, end=asked.end, fence=question.fence, topic_id=topic_id, ids_known=ids_known
        )
        if valid is Validity.OTHER_TOPIC:
            return TopicReplaced(event.partition, event.topic_id)
        if valid is not Validity.VALID or question.stale:
            self._in_vain(question, event.at)
            return None
        return self._judge(question, event)

    def _judge(self, question: Question, event: RecheckDone) -> Answered:
        ledger = self._ledgers[question.partition]
        if question.fence is not None:  # else it may be the word of a leader that has been replaced
            ledger.log_starts_at(event.log_start)
        answer = ledger.reread(event.start, event.position, event.sightings, fenced=question.fence is not None)
        if question.fence is not None and question.asked_at is not None and question.asked_at.mono > ledger.inferred_at:
            ledger.confirm_inferred(answer)
        by = Judgement(
            done=event,
            answer=answer,
            fence=question.fence,
            topic_gone=question.topic_gone,
            regressed_to=None,
        )
        losses = [
            loss
            for suspicion in question.suspicions
            for loss in judge(ledger, suspicion.suspected, replace(by, regressed_to=suspicion.went_back_to))
        ]
        del self._questions[question.number]
        ledger.fences.forget(question.number)
        self._follow_down(ledger, question, event.at)
        return Answered(question, tuple(losses), event.position, event.log_start)

    def _follow_down(self, ledger: PartitionLedger, question: Question, at: Instant) -> None:
        """What the re-read found missing besides has the same cause, and is a question of its own."""
        found = [effect for effect in ledger.effects if isinstance(effect, Suspected)]
        ledger.effects = [effect for effect in ledger.effects if not isinstance(effect, Suspected)]
        for suspected in found:
            account = ledger.accounts.get(suspected.run)
            if account is not None and account.suspected.covered(suspected.first, suspected.count):
                heir = self._suspect(suspected, at, topic_gone=False)
                heir.regressed = heir.regressed or question.regressed
                heir.incident = heir.incident or question.incident


def _widen(question: Question, low: int, high: int) -> None:
    question.low, question.high = min(question.low, low), max(question.high or 0, high)


def _lower_of(known: int | None, offset: int) -> int:
    return offset if known is None else min(known, offset)
