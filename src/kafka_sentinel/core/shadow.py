"""A shadow of the accounting desk: one partition that no cluster has, its log, and the hands of a producer and readers.

The desk is of production's own class, and what stands in the log are bytes: encoded as the producer encodes, decoded as
readers decode. So what is done to this log (`drills.py`) is judged by everything between the wire and a verdict. Time
is virtual and passes by `wait` alone.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import NamedTuple

from kafka_sentinel.core.claims import ClaimsTracker
from kafka_sentinel.core.cluster import ClusterView, PartitionView, TopicView
from kafka_sentinel.core.commands import AssignReader, Command, Count, Recheck
from kafka_sentinel.core.events import (
    ReaderLost,
    RecheckDone,
    RecordsAcked,
    RecordsRead,
    RecordsSent,
    RecordsUncertain,
)
from kafka_sentinel.core.record import MIN_CONFIGURED_SIZE, Encoder
from kafka_sentinel.core.sightings import read_spans
from kafka_sentinel.core.truth import CopiesFound, LossesProved, RecordEvent, Truth
from kafka_sentinel.core.types import Acks, Instant, ProbePartition, Sighting, Span

MakeDesk = Callable[[int, float], Truth]  # of a run id, and seconds between two background rechecks

RUN = 0x5E1F_7E57  # real ones are random numbers of 64 bits
PARTITION = ProbePartition(Acks.ALL, 0)
TOPIC, TOPIC_ID = "shadow", "shadow-topic-id"
ROUNDS = 6  # of probing after the story: a fence is sent, read, a re-read asked, refused, asked again and judged
PAUSE = 6.0  # seconds of a round beyond what settling waits for: a re-read that was refused may be asked again
OFTEN, NEVER = 1.0, float("inf")  # seconds between two background rechecks

_NAMES = {
    "records_reordered_total": "reordered",
    "records_corrupted_total": "corrupted",
    "records_conflicting_total": "conflicting",
    "records_foreign_total": "foreign",
    "records_expired_total": "expired",
    "records_unaccounted_total": "unaccounted",
    "invariant_violations_total": "contradiction",
}  # metric → what of it is told; that records were sent, acknowledged and verified is no news


class Entry(NamedTuple):
    """What stands at one offset. `sequence`: None where it is no record of ours, or does not look like one."""

    epoch: int
    value: bytes
    sequence: int | None = None


class Shadow:
    """`told`: what the desk has made known, by name → how many. `lost`: the sequences it has proved lost."""

    def __init__(self, make: MakeDesk, at: Instant, *, background: bool) -> None:
        """`background`: whether what was read is read again without a reason, which finds much that was missed."""
        self.desk = make(RUN, OFTEN if background else NEVER)
        self.at = at
        self.told: Counter[str] = Counter()
        self.lost: set[int] = set()
        self.gone: set[int] = set()  # acknowledged sequences that the log has lost indeed
        self.log: list[Entry] = []
        self.log_start = 0
        self.former_leader: int | None = None  # where its log ends that answers the next re-read; None: none does
        self._epoch = 3  # the first one would stand for a log that never had another leader
        self._sent = 0
        self._acked: set[int] = set()
        self._position = 0  # of the verifier
        self._values: dict[int, bytes] = {}  # what was sent, by sequence
        self._asked: list[Recheck] = []
        self._claims = ClaimsTracker()
        self._encoder = encoder(self.desk.instance, RUN, PARTITION.partition)
        self._do(self.desk.observe(_view(), at))
        self.wait(0.0)  # the first background recheck has nothing to read yet

    # --- the producer

    def send(self, count: int) -> int:
        """Hand `count` records to a client. Returns the first sequence."""
        first, self._sent = self._sent, self._sent + count
        self._take(RecordsSent(self.at, PARTITION, RUN, first, count))
        self._encoder.set_claims(self._claims.claims())
        self._claims.sent(first, count)
        run = self._encoder.encode_run(first, count, int(self.at.wall * 1e9), int(self.at.mono * 1e9))
        self._values |= {first + index: value for index, (_, value) in enumerate(run)}
        return first

    def write(self, *sequences: int) -> int:
        """Have the leader append what was sent. Returns the first offset."""
        offset = len(self.log)
        self.log += [Entry(self._epoch, self._values[sequence], sequence) for sequence in sequences]
        return offset

    def write_damaged(self, sequence: int) -> None:
        """Have it append a record with one bit of its padding turned: only the checksum tells."""
        value = bytearray(self._values[sequence])
        value[-8] ^= 1
        self.put(bytes(value))

    def put(self, value: bytes) -> None:
        """Have it append what somebody else has written."""
        self.log.append(Entry(self._epoch, value))

    def acked(self, *spans: Span) -> None:
        self._claims.acked(spans)
        self._acked |= {span.first + index for span in spans for index in range(span.count)}
        self._take(RecordsAcked(self.at, PARTITION, RUN, spans))

    def gave_up(self, first: int, count: int) -> None:
        self._take(RecordsUncertain(self.at, PARTITION, RUN, first, count, "_MSG_TIMED_OUT"))

    def produce(self, count: int) -> None:
        """Send, write and acknowledge."""
        first = self.send(count)
        self.acked(Span(first, count, self.write(*range(first, first + count))))

    # --- the log

    def cut(self, end: int) -> None:
        """An unclean election: the log of the new leader ends at `end`."""
        self.gone |= self._acked & {entry.sequence for entry in self.log[end:]}
        del self.log[end:]
        self._epoch += 1

    def replace(self, offset: int, sequence: int) -> None:
        """Another record stands at that offset from now on, of the same leader epoch."""
        self.log[offset] = Entry(self.log[offset].epoch, self._values[sequence], sequence)

    # --- the readers

    def read(self) -> None:
        """The verifier reads on, to the end of the log."""
        start, end = self._position, len(self.log)
        if start < end:
            self._position = end
            self._take(RecordsRead(self.at, PARTITION, start, end, self._sightings(start, end)))

    def turned_away(self, log_end: int) -> None:
        """The verifier is told where the log starts and ends, and that it cannot go on where it is."""
        self._take(ReaderLost(self.at, PARTITION, self._position, self.log_start, log_end, "offset out of range"))

    def answer(self) -> None:
        """Fresh readers answer all that was asked."""
        asked, self._asked = self._asked, []
        for each in asked:
            end = len(self.log) if self.former_leader is None else self.former_leader
            self.former_leader = None
            start, position = max(each.start, self.log_start), min(each.end, end)
            found = self._sightings(start, position)
            answer = RecheckDone(
                self.at, each.recheck, PARTITION, start, max(position, start), self.log_start, TOPIC_ID, found
            )
            self._take(answer)

    def _sightings(self, start: int, end: int) -> tuple[Sighting, ...]:
        there = self.log[start:end]
        offsets = range(start, start + len(there))
        read = read_spans(PARTITION.partition, offsets, [one.epoch for one in there], [one.value for one in there])
        return read.sightings

    # --- time

    def wait(self, seconds: float) -> None:
        self.at = Instant(self.at.mono + seconds, self.at.wall + seconds)
        self._do(self.desk.tick(self.at))

    def settle(self) -> None:
        """Probe on until everything has had the time to be judged."""
        for _ in range(ROUNDS):
            self.wait(self.desk.settle_margin + PAUSE)
            self.produce(1)
            self.read()
            self.wait(0.0)
            self.answer()
        self.wait(0.0)  # what the ledger has counted since is made known

    def left_open(self) -> dict[str, int]:
        """Return what should not be by now, and is: what is not settled or accounted for, or taken for a namesake's."""
        figures = self.desk.records(PARTITION.acks)
        names = ("awaiting", "in_flight", "unresolved", "suspected", "namesake")
        found = {name: figures.get(name, 0) for name in names}
        found["acknowledged, not accounted for"] = len(self._acked) - figures.get("acked", 0)
        return {name: number for name, number in found.items() if number}

    # --- the desk

    def _take(self, event: RecordEvent) -> None:
        self._do(self.desk.take(event))

    def _do(self, commands: list[Command]) -> None:
        for command in commands:
            match command:
                case AssignReader(offset=offset):
                    self._position = max(offset, self.log_start)
                case Recheck():
                    self._asked.append(command)
                case Count():
                    self._count(command)
        for finding in self.desk.take_findings():
            match finding:
                case LossesProved(losses=losses):
                    self.told["lost"] += sum(loss.count for loss in losses)
                    self.lost |= {loss.first + index for loss in losses for index in range(loss.count)}
                case CopiesFound(count=count):
                    self.told["duplicated"] += count

    def _count(self, command: Count) -> None:
        name = _NAMES.get(command.metric)
        if command.metric == "records_uncertain_resolved_total" and ("result", "late") in command.labels:
            name = "late"
        if name is not None:
            self.told[name] += round(command.amount)


def encoder(instance: int, run: int, partition: int) -> Encoder:
    return Encoder(instance=instance, run=run, incarnation=0, partition=partition, size=MIN_CONFIGURED_SIZE)


def _view() -> ClusterView:
    """Return how metadata tells of the partition: it is there, and its topic has an id."""
    partition = PartitionView(PARTITION.partition, leader=1, replicas=(1,), isr=(1,))
    topic = TopicView(TOPIC, TOPIC_ID, 1, (partition,))
    return ClusterView("shadow", {1: "shadow:0"}, {TOPIC: topic}, {PARTITION.acks: TOPIC})
