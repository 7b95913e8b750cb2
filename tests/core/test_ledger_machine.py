"""Anything that brokers, clients and Sentinel's own deaths can do, in any order, against a naive account of the truth.

At every step the identities hold, and nothing is called lost that stands in the log. Once everything is healed, what is
lost is exactly what was acknowledged and truncated away.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, precondition, rule
from tests.core.ledger_world import FOREIGN, RECORD, US, Entry, World

from kafka_sentinel.core.account import State

SMALL = st.integers(1, 4)
SHARE = st.floats(0, 1, allow_nan=False)


@dataclass(eq=False)
class Batch:
    """One send, and what became of it in truth."""

    run: int
    sequences: range
    claims: object
    offsets: list[int] = field(default_factory=list)  # where each attempt was written


class LedgerMachine(RuleBasedStateMachine):
    in_flight = Bundle("in_flight")
    given_up = Bundle("given_up")

    def __init__(self) -> None:
        super().__init__()
        self.world = World(margin=1)
        self.acked: set[tuple[int, int]] = set()  # heard by the process that lives
        self.told: set[tuple[int, int]] = set()  # heard by any process
        self.unplaced: set[tuple[int, int]] = set()  # acknowledged without an offset
        self.sent: set[tuple[int, int]] = set()
        self.passed: set[tuple[int, int]] = set()  # the log start passed a place at which it had stood
        self.places: dict[tuple[int, int], int] = {}  # the lowest at which it ever stood
        self.truncated: set[tuple[int, int]] = set()  # a copy of it was truncated away
        self.extra_copies = 0  # that ever were
        self.mailbox: list[tuple[int, int, tuple]] = []  # what the verifier has read and nobody has handled
        self.answers: list[object] = []
        self.lost_by_earlier: set[tuple[int, int]] = set()
        self.duplicated_by_earlier = 0
        self.deaths = 0
        self.stateless = 0
        self.checkpoint: tuple[object, set] | None = None

    # --- truth

    def standing(self) -> Counter:
        readable = self.world.log[self.world.log_start :]
        return Counter((e.run, e.sequence) for e in readable if e and e.kind is RECORD and e.instance == US)

    def _records(self, entries) -> set[tuple[int, int]]:
        return {(e.run, e.sequence) for e in entries if e and e.kind is RECORD}

    def _write(self, batch: Batch) -> None:
        standing = self.standing()
        self.extra_copies += sum(standing[batch.run, s] > 0 for s in batch.sequences)
        entries = [Entry(RECORD, batch.run, s, self.world.epoch, US, batch.claims) for s in batch.sequences]
        batch.offsets.append(self.world.put(*entries))
        self._note_places()

    def _note_places(self) -> None:
        for offset, entry in enumerate(self.world.log):
            if entry and entry.kind is RECORD:
                record = (entry.run, entry.sequence)
                self.places[record] = min(offset, self.places.get(record, offset))

    # --- producer and leader

    @rule(target=in_flight, count=SMALL)
    def send(self, count):
        sequences = self.world.send(count)
        self.sent |= {(self.world.run, s) for s in sequences}
        return Batch(self.world.run, sequences, self.world.claims_when_sent[sequences.start])

    @rule(batch=in_flight)
    def write(self, batch):
        """Also again, when the answer to the first attempt went missing."""
        self._write(batch)

    @rule(batch=consumes(in_flight), named=st.sampled_from(["last", "last", "last", "first", "none"]))
    def acknowledge(self, batch, named):
        if batch.run != self.world.run:
            return  # whoever sent it is dead
        if not batch.offsets:
            self._write(batch)
        offset = {"last": batch.offsets[-1], "first": batch.offsets[0], "none": None}[named]
        heard = {(batch.run, s) for s in batch.sequences}
        self.acked |= heard
        self.told |= heard
        self.unplaced |= heard if offset is None else set()
        self.world.ack((batch.sequences.start, len(batch.sequences), offset))

    @rule(target=given_up, batch=consumes(in_flight))
    def give_up(self, batch):
        if batch.run == self.world.run:
            self.world.give_up(batch.sequences.start, len(batch.sequences))
        return batch

    @rule(batch=consumes(given_up))
    def arrive_late(self, batch):
        self._write(batch)

    @rule(count=SMALL)
    def produce(self, count):
        heard = {(self.world.run, s) for s in self.world.produce(count)}
        self.sent |= heard
        self.acked |= heard
        self.told |= heard
        self._note_places()

    @rule(count=SMALL)
    def write_foreign(self, count):
        self.world.put(*[Entry(FOREIGN, epoch=self.world.epoch)] * count)

    @rule(share=SHARE)
    def elect_uncleanly(self, share):
        start, end = self.world.log_start, len(self.world.log)
        self.truncated |= self._records(self.world.truncate(start + round((end - start) * share)))

    @rule()
    def wipe(self):
        self.truncated |= self._records(self.world.truncate(0))

    @rule(share=SHARE)
    def retain(self, share):
        """The readers hear of it before anything else happens: what they cannot know, nobody can judge."""
        start, end = self.world.log_start, len(self.world.log)
        to = start + round((end - start) * share / 2)
        self.passed |= {record for record, place in self.places.items() if place < to}
        self.world.retain_from(to)
        if self.world.ledger.position is not None:
            self.world.ledger.verifier_told_start(to)
            self.world.drain()

    # --- readers

    @rule(count=st.integers(1, 30))
    def read(self, count):
        self._handle_mail()
        self.world.read(count)

    @rule(count=st.integers(1, 10))
    def fetch(self, count):
        """The verifier reads ahead of what the engine handles."""
        start, end = self.world.reader, min(self.world.reader + count, len(self.world.log))
        if self.world.log_start <= start < end:
            self.mailbox.append((start, end, self.world.sightings(start, end)))
            self.world.reader = end

    @rule()
    def handle_mail(self):
        self._handle_mail()

    def _handle_mail(self):
        mail, self.mailbox = self.mailbox, []
        for batch in mail:
            self.world.ledger.read(*batch)
            self.world.drain()

    @rule(share=SHARE)
    def be_misled_by_a_stale_leader(self, share):
        """It answers with a log end that is too low."""
        position = self.world.ledger.position
        if position is not None:
            self.world.ledger.regressed(round(position * share), self.world.now())
            self.world.drain()

    @rule(fails=st.booleans())
    def ask(self, fails):
        for command in self.world.ask():
            if fails:
                self.world.fail(command)
            else:
                self.answers.append(self.world.look(command))

    @precondition(lambda self: self.answers)
    @rule()
    def answer(self):
        self._take(self.answers.pop(0))

    def _take(self, done):
        already = len(self.world.losses)
        self.world.hand_in(done)
        standing = self.standing()
        for loss in self.world.losses[already:]:
            for sequence in range(loss.first, loss.first + loss.count):
                record = (loss.run, sequence)
                assert record in self.told, "lost, but never acknowledged"
                assert not standing[record], "lost, but it stands in the log"
                assert record in self.truncated, "lost, but never truncated"

    @rule(low=SHARE, high=SHARE)
    def recheck_in_the_background(self, low, high):
        end = min(self.world.ledger.position or 0, len(self.world.log))
        low, high = sorted((round(low * end), round(high * end)))
        if low < high:
            self.world.rechecks.background(self.world.ledger.partition, low, high, self.world.now())

    # --- time, life and death

    @rule()
    def let_time_pass(self):
        self.world.wait(5)

    @rule()
    def save(self):
        self.checkpoint = (self.world.saved(), set(self.acked))

    @precondition(lambda self: self.deaths < 3)
    @rule(keeps=st.sampled_from(["last", "now", "nothing"]))
    def die(self, keeps):
        if keeps == "now":
            self.save()
        if keeps == "nothing" or self.checkpoint is None:
            self.checkpoint = None
            self.stateless += 1
        state, heard = self.checkpoint or (None, set())
        self.acked = set(heard)
        self.lost_by_earlier |= {r for r in self.world.lost if self.checkpoint is None or self._holds_lost(state, r)}
        self.duplicated_by_earlier += self.world.ledger.counted["duplicated"]
        self.deaths += 1
        self.mailbox, self.answers = [], []
        self.world = self.world.restart(state=state)

    @staticmethod
    def _holds_lost(state, record):
        for account in state["accounts"]:
            if int(account["run"], 16) == record[0]:
                spans = [*account["sets"].get("lost", []), *account["lost_before"]]
                return any(first <= record[1] < first + count for first, count in spans)
        return False

    # --- judging

    @invariant()
    def the_identities_hold(self):
        self.world.ledger.check()
        sums = self.world.ledger.records()
        assert sums["sent"] == sums["acked"] + sums["rejected"] + sums["uncertain"] + sums["in_flight"]
        assert all(total >= 0 for total in sums.values())

    def teardown(self):
        self._heal()
        standing = self.standing()
        for run, account in self.world.ledger.accounts.items():
            for sequence in range(account.next_sequence):
                if (run, sequence) in self.sent:
                    self._judge(account, run, sequence, standing[run, sequence] > 0)
        self._judge_copies(standing)

    def _heal(self):
        world = self.world
        self._handle_mail()
        for done in self.answers:
            self._take(done)
        for first, count in world.ledger.own.sets[State.IN_FLIGHT].spans():
            world.give_up(first, count)
        for _ in range(2):
            before = world.ledger.own.next_sequence
            world.settle()
            world.recheck_everything()
            made = {(world.run, s) for s in range(before, world.ledger.own.next_sequence)}
            self.sent |= made
            self.acked |= made
            self.told |= made
        assert not world.rechecks.open_questions
        sums = world.ledger.records()
        assert (sums["awaiting"], sums["suspected"], sums["unresolved"], sums["in_flight"]) == (0, 0, 0, 0)

    def _judge(self, account, run, sequence, stands):
        record = (run, sequence)
        held = {state for state, members in account.sets.items() if sequence in members}
        lost_before = sequence in account.lost_before
        if not held:
            unknown = self.stateless and record not in self.told  # nobody was ever told that it stands
            assert not stands or unknown or record in self.passed, f"{record} stands, but was folded"
            return
        (state,) = held
        if state is State.LOST or lost_before:
            assert record in self.told, record
            assert record in self.truncated, record
            assert not stands, f"{record} is called lost, but stands"
            return
        if record in self.acked:
            allowed = self._allowed_for_acked(record, stands)
        elif run == self.world.run:
            allowed = {State.PRESENT} if stands else {State.PRESENT, State.ABSENT}
        else:  # the process that lives did not hear its answer
            allowed = {State.PRESENT, State.VERIFIED, State.UNACCOUNTED, State.ABSENT, State.EXPIRED}
            allowed -= {State.ABSENT, State.EXPIRED} if stands else set()
        assert state in allowed, f"{record} is {state}, allowed are {allowed}; it {'stands' if stands else 'is gone'}"

    def _allowed_for_acked(self, record, stands):
        if stands:
            return {State.VERIFIED}
        if record in self.passed or (record in self.unplaced and self.world.log_start > 0):
            return {State.VERIFIED, State.EXPIRED, State.UNACCOUNTED}  # it may have stood below where the log starts
        return set()  # it was truncated away, and must have been proved lost

    def _judge_copies(self, standing):
        counted = self.duplicated_by_earlier + self.world.ledger.counted["duplicated"]
        if not self.stateless and not self.deaths:
            extra = sum(copies - 1 for copies in standing.values() if copies)
            assert extra <= counted <= self.extra_copies
            if not self.truncated and not self.passed:
                assert counted == self.extra_copies
                assert self.world.ledger.counted["reordered"] == self._inversions()

    def _inversions(self):
        highest, met, count = -1, set(), 0
        for sequence in self.world.in_log():
            if sequence not in met:
                count += sequence < highest
                met.add(sequence)
                highest = max(highest, sequence)
        return count


TestLedgerMachine = LedgerMachine.TestCase
TestLedgerMachine.settings = settings(max_examples=40, stateful_step_count=35, deadline=None)
