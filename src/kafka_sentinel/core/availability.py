"""When a partition could not be written or read.

A *slot* is one partition and one probe interval. It is opened by a batch of sends; the first sequence of the batch is
its probe. For `produce` it is good if the probe is acknowledged within the SLO of its send, and bad as soon as the
deadline passes or the send fails. For `consume` it is good if the probe is read within the SLO of its send, else bad:
what cannot be written cannot be read either, so a partition that takes no writes is down for both.

A slot is `blind`, neither good nor bad, when Sentinel itself could not tell: it was cut off (`hearing.py`) or still on
its way back, it stood still (two ticks further apart than `STALL`), or its producer sent nothing for longer than that.
A slot after whose deadline nothing was heard from outside waits until something is, or until we are known cut off.

A partition that has not worked once is not judged for the first `startup` seconds: what is late then is Sentinel's own
start, and the slots are not counted.

A partition is unavailable from the send of its first bad slot until the acknowledgement (read) of the first good one
sent later. A bad slot that is older than a good one counts, but opens nothing. Blind time counts as neither.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from kafka_sentinel.core.slots import Edge, Operation, SlotChanges, SlotResult, Totals
from kafka_sentinel.core.types import Instant, ProbePartition

STALL = 3.0  # seconds without a tick, or without a send, after which Sentinel itself is taken to have stood still
RETURN = 10.0  # seconds after a cut-off in which what is late may be our own clients, on their way back
MAX_PENDING = 1024  # slots awaiting their probe, per partition and operation; further ones widen the newest
MAX_COVERED = 64  # disjoint spells of unavailability a late judgement can still overlap


@dataclass(slots=True)
class _Slot:
    sent: Instant
    weight: int = 1  # probe intervals it stands for
    judged: bool = False


@dataclass(slots=True)
class _Track:
    """One partition and one operation."""

    pending: dict[int, _Slot] = field(default_factory=dict)  # sequence of the probe → slot, ascending
    down: bool = False
    accrued: float = 0.0  # monotonic instant up to which the current unavailability was counted
    opened: float | None = None  # when the first slot was sent
    last_good: float = float("-inf")  # send instants of the newest slots judged so far
    last_bad: float = float("-inf")

    def open(self, sequence: int, at: Instant) -> None:
        if self.pending and sequence <= next(reversed(self.pending)):
            self.pending.clear()  # a new run: what is pending of the old one can no longer be told from it
        if len(self.pending) >= MAX_PENDING:
            oldest = next(iter(self.pending))
            if not self.pending[oldest].judged:
                next(reversed(self.pending.values())).weight += 1
                return
            del self.pending[oldest]
        self.opened = at.mono if self.opened is None else self.opened
        self.pending[sequence] = _Slot(at)

    def starting(self, sent: float, startup: float) -> bool:
        """Tell whether a slot sent at that monotonic second is from before the partition was ever known to work."""
        return self.last_good == float("-inf") and self.opened is not None and sent - self.opened < startup

    def take(self, first: int, count: int, *, before: float = float("inf")) -> list[_Slot]:
        """Remove and return the slots whose probe is among [first, first + count) and was sent `before`."""
        found = []
        for sequence, slot in self.pending.items():
            if sequence >= first + count:
                break
            if sequence >= first and slot.sent.mono < before:
                found.append(sequence)
        return [self.pending.pop(sequence) for sequence in found]


class _Covered:
    """Adds up the length of overlapping intervals, each moment once."""

    def __init__(self) -> None:
        self._spans: list[tuple[float, float]] = []  # disjoint, ascending, at most MAX_COVERED

    def add(self, start: float, end: float) -> float:
        """Return how much of [start, end) was not covered before. It is not empty."""
        touching = [span for span in self._spans if span[1] >= start and span[0] <= end]
        overlap = sum(min(high, end) - max(low, start) for low, high in touching)
        merged = (min([start, *(low for low, _ in touching)]), max([end, *(high for _, high in touching)]))
        self._spans = sorted([*(span for span in self._spans if span not in touching), merged])[-MAX_COVERED:]
        return end - start - overlap


class Availability:
    """Judges the slots of every probed partition. Durations in seconds."""

    def __init__(self, *, slo_produce: float, slo_consume: float, interval: float, startup: float = 0.0) -> None:
        """`startup`: seconds a partition has for its very first success before it is judged."""
        self.totals = Totals()
        self._slo = {Operation.PRODUCE: slo_produce, Operation.CONSUME: slo_consume}
        self._interval = interval
        self._startup = startup
        self._tracks: dict[tuple[Operation, ProbePartition], _Track] = {}
        self._last_slot: dict[ProbePartition, float | None] = {}  # None: probed, but nothing was sent yet
        self._stalled: set[ProbePartition] = set()
        self._covered = {operation: _Covered() for operation in Operation}
        self._last_tick: float | None = None
        self._blind = False
        self._blind_until = float("-inf")
        self._heard = float("inf")  # when anything outside was heard last, as of the last tick
        self._back = float("-inf")  # the last tick at which we were cut off
        self._absence = 0.0  # seconds whose slots are still to be counted
        self._clear()

    def _clear(self) -> None:
        self._slots: Counter[tuple[Operation, SlotResult]] = Counter()
        self._edges: list[Edge] = []
        self._seconds: dict[tuple[Operation, ProbePartition], float] = {}
        self._any: dict[Operation, float] = {}
        self._blind_seconds = 0.0

    # --- what happened

    def probe(self, partitions: Iterable[ProbePartition]) -> None:
        """Judge exactly these partitions from now on. What is pending of the others is dropped, uncounted."""
        wanted = dict.fromkeys(partitions)  # in their order: what follows from it must not depend on hashes
        self._tracks = {key: track for key, track in self._tracks.items() if key[1] in wanted}
        self._last_slot = {partition: self._last_slot.get(partition) for partition in wanted}
        self._count_absence()
        for partition in wanted:
            for operation in Operation:
                self._tracks.setdefault((operation, partition), _Track())

    def sent(self, partition: ProbePartition, sequence: int, at: Instant) -> None:
        """Note a batch of sends of which `sequence` is the first. Batches under half an interval apart share a slot."""
        if partition not in self._last_slot:
            return
        self._note_missing(partition, at.mono)
        self._stalled.discard(partition)
        last = self._last_slot[partition]
        if last is not None and at.mono - last < self._interval / 2:
            return
        self._last_slot[partition] = at.mono
        for operation in Operation:
            self._tracks[operation, partition].open(sequence, at)

    def acked(self, partition: ProbePartition, first: int, count: int, at: Instant) -> list[Instant]:
        """Note acknowledged sequences. Returns the send instants of the probes among them, the late ones included."""
        return self._succeeded(Operation.PRODUCE, partition, first, count, at)

    def read(self, partition: ProbePartition, first: int, count: int, at: Instant) -> list[Instant]:
        """Note sequences that were read. Returns the send instants of the probes among them, the late ones included."""
        return self._succeeded(Operation.CONSUME, partition, first, count, at)

    def failed(self, partition: ProbePartition, first: int, count: int) -> None:
        """Note sequences that were rejected, or given up as uncertain: their produce slots are bad at once.

        Not those since which nothing was heard from outside: they have to wait like the others.
        """
        track = self._tracks.get((Operation.PRODUCE, partition))
        for slot in track.take(first, count, before=self._heard) if track is not None else ():
            self._judge(Operation.PRODUCE, partition, slot, good=False, at=slot.sent)

    def lived_blind(self, seconds: float) -> None:
        """Count time in which Sentinel was not there at all, such as between its death and its restart."""
        self._blind_seconds += seconds
        self._absence += seconds
        self._count_absence()

    def _count_absence(self) -> None:
        """Count the slots of our absence once it is known what is probed."""
        if not (self._last_slot and self._absence):
            return
        for operation in Operation:
            self._slots[operation, SlotResult.BLIND] += round(self._absence / self._interval) * len(self._last_slot)
        self._absence = 0.0

    def tick(self, now: Instant, *, blind: bool, heard: float = float("inf")) -> SlotChanges:
        """Judge what is overdue and return everything that came to be known since the tick before.

        `heard`: when anything outside was heard last, monotonic seconds. `blind`: that is too long ago.
        """
        last = self._last_tick if self._last_tick is not None else now.mono
        stood_still = now.mono - last > STALL
        self._heard = heard
        if blind:
            self._back = now.mono
        if blind or stood_still:
            self._add_blind(min(last, heard) if blind else last, now.mono)
        self._blind = blind or stood_still
        for partition in self._last_slot:
            self._note_missing(partition, now.mono)
        for (operation, partition), track in self._tracks.items():
            self._expire(operation, partition, track, now)
            if track.down:
                self._accrue(operation, partition, track, now.mono if self._blind else min(now.mono, heard))
        self._blind = blind
        self._last_tick = now.mono
        changes = SlotChanges(self._slots, tuple(self._edges), self._seconds, self._any, self._blind_seconds)
        self.totals.add(changes)
        self._clear()
        return changes

    def unavailable(self, operation: Operation) -> list[ProbePartition]:
        return sorted(
            partition for (kind, partition), track in self._tracks.items() if kind is operation and track.down
        )

    # --- judging

    def _succeeded(
        self, operation: Operation, partition: ProbePartition, first: int, count: int, at: Instant
    ) -> list[Instant]:
        track = self._tracks.get((operation, partition))
        slots = track.take(first, count) if track is not None else []
        for slot in slots:
            self._judge(operation, partition, slot, good=at.mono - slot.sent.mono <= self._slo[operation], at=at)
        return [slot.sent for slot in slots]

    def _judge(self, operation: Operation, partition: ProbePartition, slot: _Slot, *, good: bool, at: Instant) -> None:
        """Count a slot once. `at` matters for a good one: from then on the partition is known to work."""
        if slot.judged:
            return
        slot.judged = True
        track = self._tracks[operation, partition]
        sent = slot.sent.mono
        if not good and track.starting(sent, self._startup):
            return
        if not good and (self._blind or self._is_returning(track, sent)):
            self._slots[operation, SlotResult.BLIND] += slot.weight
        elif good:
            self._slots[operation, SlotResult.GOOD] += slot.weight
            track.last_good = max(track.last_good, sent)
            if track.down and sent > track.last_bad:
                self._accrue(operation, partition, track, at.mono)
                track.down = False
                self._edges.append(Edge(operation, partition, available=True, at=at))
        else:
            self._slots[operation, SlotResult.BAD] += slot.weight
            track.last_bad = max(track.last_bad, sent)
            if not track.down and sent > track.last_good:
                track.down, track.accrued = True, max(sent, track.accrued)  # no moment counts twice
                self._edges.append(Edge(operation, partition, available=False, at=slot.sent))

    def _expire(self, operation: Operation, partition: ProbePartition, track: _Track, now: Instant) -> None:
        # What was heard before its deadline says nothing of a slot: we may have been cut off between the two.
        deadline = (now.mono if self._blind else min(now.mono, self._heard)) - self._slo[operation]
        for slot in track.pending.values():
            if slot.sent.mono >= deadline:
                break
            self._judge(operation, partition, slot, good=False, at=now)

    def _is_returning(self, track: _Track, sent: float) -> bool:
        """Tell whether a slot is from a cut-off or from just after it, before the partition worked again."""
        return sent <= self._back or (sent < self._back + RETURN and track.last_good < self._back)

    def _accrue(self, operation: Operation, partition: ProbePartition, track: _Track, until: float) -> None:
        if until <= track.accrued:
            return
        if not self._blind:
            key = operation, partition
            self._seconds[key] = self._seconds.get(key, 0.0) + until - track.accrued
            newly = self._covered[operation].add(track.accrued, until)
            self._any[operation] = self._any.get(operation, 0.0) + newly
        track.accrued = until

    # --- our own absence

    def _note_missing(self, partition: ProbePartition, now: float) -> None:
        """Count the intervals in which our producer should have sent to `partition` and did not."""
        last = self._last_slot[partition]
        if last is None or now - last <= self._interval + (0.0 if partition in self._stalled else STALL):
            return
        self._stalled.add(partition)
        missed = int((now - last) / self._interval) - 1
        for operation in Operation:
            self._slots[operation, SlotResult.BLIND] += missed
        until = last + missed * self._interval
        if all(other is None or other <= last for other in self._last_slot.values()):
            self._add_blind(last, until)
        self._last_slot[partition] = until

    def _add_blind(self, start: float, end: float) -> None:
        self._blind_seconds += max(0.0, end - max(start, self._blind_until))
        self._blind_until = max(self._blind_until, end)
