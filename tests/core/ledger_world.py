"""A world for the ledger: a model log of one partition, and hands that do to it what Kafka and its clients can do.

The hands drive the real ledger and the real rechecks as the engine does, answer each `Recheck` by reading the model
log, and remember what was proved.
"""

from __future__ import annotations

import json
from typing import NamedTuple

from kafka_sentinel.core.account import State
from kafka_sentinel.core.claims import ClaimsTracker
from kafka_sentinel.core.events import RecheckDone, RecheckFailed
from kafka_sentinel.core.ledger import CopySighted, PartitionLedger, Regressed, Reposition, Suspected
from kafka_sentinel.core.rechecks import Answered, Rechecks, TopicReplaced
from kafka_sentinel.core.record import NO_CLAIMS
from kafka_sentinel.core.types import Acks, Claims, Instant, ProbePartition, Sighting, SightingKind, Span

PARTITION = ProbePartition(Acks.ALL, 0)
US, THEM = 7, 8  # instances
RECORD, CORRUPTED, FOREIGN = SightingKind.RECORD, SightingKind.CORRUPTED, SightingKind.FOREIGN
MARGIN = 20


class Entry(NamedTuple):
    """What stands at one offset of the model log."""

    kind: SightingKind
    run: int = 0
    sequence: int = 0
    epoch: int = 0
    instance: int = US
    claims: Claims = NO_CLAIMS


class World:
    def __init__(
        self,
        *,
        run: int = 1,
        state: object = None,
        log: list[Entry | None] | None = None,
        log_start: int = 0,
        margin: int = MARGIN,
    ):
        self.log: list[Entry | None] = log if log is not None else []
        self.log_start = log_start
        self.epoch = max((entry.epoch for entry in self.log if entry), default=0)
        self.topic_id = self.known_topic_id = "first topic"
        self.mono = 1000.0 * run
        self.run = run
        self.ledger = PartitionLedger(PARTITION, instance=US, run=run)
        self.rechecks = Rechecks({PARTITION: self.ledger}, margin=margin)
        self.margin = margin
        self.claims = ClaimsTracker()
        self.claims_when_sent: dict[int, Claims] = {}
        self.losses = []
        self.regressions: list[Regressed] = []
        self.answers: list[Answered] = []
        self.asked = []
        if state is not None:
            self.ledger.restore(state, self.now())
        self.reader = log_start if self.ledger.position is None else self.ledger.position
        self.drain()

    # --- time

    def now(self) -> Instant:
        return Instant(self.mono, 1e9 + self.mono)

    def wait(self, seconds: float = 0.1) -> None:
        self.mono += seconds

    # --- the producer

    def send(self, count: int = 1) -> range:
        """Hand `count` records to the client: one batch."""
        self.wait(0.01)
        first = self.ledger.own.next_sequence
        said = self.claims.claims()
        self.ledger.sent(self.run, first, count, self.now())
        self.claims.sent(first, count)
        for sequence in range(first, first + count):
            self.claims_when_sent[sequence] = said
        return range(first, first + count)

    def append(self, *sequences, epoch=None) -> int:
        """The leader writes these records of ours. Returns the first offset."""
        base = len(self.log)
        for sequence in sequences:
            claims = self.claims_when_sent[sequence]
            self.log.append(Entry(RECORD, self.run, sequence, self.epoch if epoch is None else epoch, US, claims))
        return base

    def ack(self, *spans: tuple[int, int, int | None]) -> None:
        """Acknowledge (first, count, offset)."""
        self.wait(0.01)
        self.claims.acked([Span(*span) for span in spans])
        self.ledger.acked(self.run, tuple(Span(*span) for span in spans), self.now())
        self.drain()

    def give_up(self, first: int, count: int = 1) -> None:
        self.wait(0.01)
        self.ledger.uncertain(self.run, first, count, self.now())
        self.drain()

    def produce(self, count: int = 1) -> range:
        """Send, write and acknowledge."""
        sent = self.send(count)
        offset = self.append(*sent)
        self.ack((sent.start, count, offset))
        return sent

    # --- the log

    def put(self, *entries: Entry | None) -> int:
        base = len(self.log)
        self.log += entries
        return base

    def truncate(self, to: int) -> list[Entry | None]:
        """An unclean election: the new leader's log ends at `to`. Returns what is gone."""
        gone, self.log = self.log[to:], self.log[:to]
        self.log_start = min(self.log_start, to)
        self.epoch += 1
        return gone

    def elect(self) -> None:
        self.epoch += 1

    def retain_from(self, offset: int) -> None:
        self.log_start = offset

    def sightings(self, start: int, end: int) -> tuple[Sighting, ...]:
        found: list[Sighting] = []
        for offset in range(start, min(end, len(self.log))):
            entry = self.log[offset]
            if entry is None:
                continue
            last = found[-1] if found else None
            record = entry.kind is RECORD
            if (
                last
                and last.offset + last.count == offset
                and (last.kind, last.leader_epoch) == (entry.kind, entry.epoch)
                and (
                    not record
                    or (last.instance, last.run, last.first + last.count) == (entry.instance, entry.run, entry.sequence)
                )
            ):
                found[-1] = last._replace(count=last.count + 1, claims=entry.claims if record else None)
            elif record:
                found.append(
                    Sighting(
                        RECORD, offset, 1, entry.epoch, entry.instance, entry.run, entry.sequence, 0.0, entry.claims
                    )
                )
            else:
                found.append(Sighting(entry.kind, offset, 1, entry.epoch))
        return tuple(found)

    # --- the verifier

    def read(self, count: int = 1 << 30) -> None:
        """The verifier reads on, in one batch; where it cannot, it does as the engine would have it do."""
        self.wait(0.01)
        if self.reader < self.log_start:
            self.ledger.said_to_start_at(self.log_start)
            self.ledger.reposition(self.log_start)
        elif self.reader > len(self.log):
            self.ledger.regressed(len(self.log), self.now())
        self.drain()
        start, end = self.reader, min(self.reader + count, len(self.log))
        if start == end and self.ledger.position is not None:
            return
        batch = self.sightings(start, end)
        self.reader = end
        self.deliver(start, end, batch)

    def deliver(self, start: int, end: int, batch: tuple[Sighting, ...]) -> bool:
        taken = self.ledger.read(start, end, batch)
        if taken:
            self.ledger.verifier_told_start(self.log_start)
        self.drain()
        return taken

    # --- what the engine does

    def drain(self) -> None:
        at = self.now()
        for effect in self.ledger.take_effects():
            match effect:
                case Suspected():
                    self.rechecks.suspect(effect, at)
                case Regressed():
                    self.rechecks.regressed(effect)
                    self.regressions.append(effect)
                case CopySighted():
                    self.rechecks.copies(effect, at)
                case Reposition(offset=offset):
                    self.reader = offset
        self.ledger.own.forget_settled_sends()
        self.ledger.check()

    def ask(self) -> list:
        """Let a little time pass and return the rechecks that are asked for now."""
        self.wait(0.01)
        commands = self.rechecks.tick(self.now())
        self.asked += commands
        return commands

    def look(self, command) -> RecheckDone:
        """Read the model log as a fresh reader would, now."""
        start = max(command.start, self.log_start)
        position = max(min(command.end, len(self.log)), start)
        return RecheckDone(
            at=self.now(),
            recheck=command.recheck,
            partition=PARTITION,
            start=start,
            position=position,
            log_start=self.log_start,
            topic_id=self.topic_id,
            sightings=self.sightings(start, position),
        )

    def hand_in(self, done: RecheckDone):
        """The engine takes the answer of a recheck."""
        outcome = self.rechecks.done(done, topic_id=self.known_topic_id, ids_known=True)
        if isinstance(outcome, Answered):
            self.answers.append(outcome)
            self.losses += outcome.losses
        if isinstance(outcome, TopicReplaced):
            self.notice_new_topic()
        self.drain()
        return outcome

    def fail(self, command) -> None:
        self.rechecks.failed(RecheckFailed(self.now(), command.recheck, PARTITION, "no leader"))

    def notice_new_topic(self) -> None:
        self.known_topic_id = self.topic_id
        self.rechecks.topic_replaced(PARTITION, self.now())
        for run, awaited in self.ledger.recreated():
            for first, count in awaited.spans():
                suspected = Suspected(PARTITION, run, first, count, 0, False, -1, "the topic was made anew")
                self.rechecks.suspect(suspected, self.now(), topic_gone=True)
        self.drain()

    def recreate_topic(self) -> None:
        self.log, self.log_start, self.epoch = [], 0, 0
        self.topic_id = self.topic_id + " anew"

    def judge(self, rounds: int = 60) -> None:
        """Probe, read and recheck until every question is answered."""
        for _ in range(rounds):
            self.produce()
            self.read()
            for command in self.ask():
                self.hand_in(self.look(command))
            if not self.rechecks.open_questions:
                return
            self.wait(0.5)
        raise AssertionError(f"questions stay open: {self.rechecks.open_questions}")

    def settle(self, margin: float = 10.0) -> None:
        """Settle what can be: the log is read past a fence, time-outs have passed, rechecks are answered."""
        self.judge()
        self.wait(margin)
        give_ups, self.ledger.give_ups = self.ledger.give_ups, []
        self.produce()
        self.read()
        for entry in give_ups:
            self.ledger.settle_uncertain(entry.run, entry.first, entry.count)
        if self.ledger.has_unsettled_orphans():
            self.ledger.settle_orphans()
        self.ledger.suspect_unplaced()
        self.drain()
        self.judge()

    def recheck_everything(self) -> None:
        """The background recheck, once over the whole log."""
        self.rechecks.background(PARTITION, self.log_start, len(self.log), self.now())
        self.judge()

    def saved(self) -> object:
        return json.loads(json.dumps(self.ledger.to_state()))

    def restart(self, *, state: object = None) -> World:
        """Sentinel dies; another process takes over, with a state or without one."""
        world = World(run=self.run + 1, state=state, log=self.log, log_start=self.log_start, margin=self.margin)
        world.epoch = self.epoch
        world.topic_id, world.known_topic_id = self.topic_id, self.known_topic_id
        return world

    # --- figures

    def count(self, name: str) -> int:
        return self.ledger.records()[name]

    @property
    def lost(self) -> set[tuple[int, int]]:
        """(run, sequence) of every record proved lost, by the evidence."""
        proved = [(loss.run, s) for loss in self.losses for s in range(loss.first, loss.first + loss.count)]
        assert len(proved) == len(set(proved)), "proved lost twice"
        return set(proved)

    def state_of(self, sequence: int, run: int | None = None) -> State:
        account = self.ledger.accounts[self.run if run is None else run]
        (state,) = [state for state, members in account.sets.items() if sequence in members]
        return state

    def in_log(self, run: int | None = None) -> list[int]:
        """The sequences that stand in the log, in its order."""
        run = self.run if run is None else run
        readable = self.log[self.log_start :]
        return [e.sequence for e in readable if e and e.kind is RECORD and (e.run, e.instance) == (run, US)]


def mine(world: World, sequences) -> set[tuple[int, int]]:
    return {(world.run, sequence) for sequence in sequences}
