"""A naive Kafka: what a partition's replicas hold, who leads, and every way in which acknowledged records can vanish.

Nothing here is clever on purpose: a log is a list whose index is the offset, replication copies list items, truncation
compares items one by one. Time belongs to the world, which calls `step` every now and then.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

from tests.sim.segments import first_kept

from kafka_sentinel.core.types import Claims


@dataclass(eq=False, slots=True)
class Payload:
    """The content of one record. `truth` is the oracle's card of a probe record, None for anything else."""

    kind: str  # "record", "corrupted" or "foreign"
    instance: int = 0
    run: int = 0
    sequence: int = 0
    sent_wall: float = 0.0
    claims: Claims | None = None
    truth: object = None


class Entry(NamedTuple):
    """What one offset holds. A payload of None is a transaction marker: an offset that no reader is ever given."""

    epoch: int
    payload: Payload | None
    producer: tuple[int, int] | None = None  # the client that wrote it, and its epoch; None: not idempotent


@dataclass(slots=True)
class Broker:
    alive: bool = True
    paused: bool = False  # its process is stopped: the sockets stay, nothing answers
    isolated: bool = False  # from the other brokers and the controller, not from clients
    fenced: bool = False  # the controller has noticed that it is gone
    starting: bool = False  # its process runs, and no controller has let it in so far
    silent_since: float | None = None

    @property
    def up(self) -> bool:
        return self.alive and not self.paused

    @property
    def running(self) -> bool:
        return self.up and not self.starting

    @property
    def in_cluster(self) -> bool:
        return self.running and not self.isolated


@dataclass(slots=True)
class Zombie:
    """A former leader that does not know it yet."""

    epoch: int
    hw: int
    isr: frozenset[int]


@dataclass(slots=True)
class Waiting:
    """An acks=all write that waits for the in-sync replicas. `answer` takes the offset, or None: it failed."""

    end: int
    epoch: int
    offset: int
    answer: object


class Refused(NamedTuple):
    code: str


class Answered(NamedTuple):
    """Written at `offset` (or there already), and acknowledged."""

    offset: int


PENDING = "pending"  # the answer comes through the callback
NO_ANSWER = "no answer"


@dataclass(slots=True)
class Partition:
    """One partition. `watch` is told what enters and leaves the authoritative log, that of the newest leader."""

    name: object
    brokers: dict[int, Broker]
    replica_ids: tuple[int, ...]
    min_isr: int
    watch: object
    logs: dict[int, list[Entry]] = field(default_factory=dict)
    starts: dict[int, int] = field(default_factory=dict)
    followed: dict[int, int] = field(default_factory=dict)  # replica → leader epoch it has truncated itself to
    behind_since: dict[int, float] = field(default_factory=dict)
    isr: set[int] = field(default_factory=set)
    leader: int = -1
    epoch: int = -1
    hw: int = 0
    zombies: dict[int, Zombie] = field(default_factory=dict)
    waiting: list[Waiting] = field(default_factory=list)
    authority: list[Entry] = field(default_factory=list)
    authority_start: int = 0
    exists: bool = True

    def __post_init__(self):
        for broker in self.replica_ids:
            self.logs[broker], self.starts[broker] = [], 0
        self.isr = set(self.replica_ids)
        self._lead(self.replica_ids[0], 0)

    # --- leadership

    def elect(self, rng, *, unclean: bool):
        """Choose a leader if the present one cannot lead. An unclean election takes any replica that runs."""
        if not self.exists or (self.leader >= 0 and not self._fenced(self.leader)):
            return
        able = [one for one in self.replica_ids if self.brokers[one].in_cluster and not self.brokers[one].fenced]
        clean = [one for one in able if one in self.isr]
        old, old_isr = self.leader, frozenset(self.isr)
        if clean:
            new = rng.choice(clean)
        elif able and unclean:
            new = rng.choice(able)
            self.isr = {new}
        else:
            new = -1
        if old >= 0 and old != new and self.brokers[old].alive:
            self.zombies[old] = Zombie(self.epoch, self.hw, old_isr)
        if old >= 0 and len(self.isr) > 1:
            self.isr.discard(old)
        if new >= 0:
            self._lead(new, rng.choice((0, 0, 1, 5)))
        elif old >= 0:
            self.leader = -1
            self.authority = list(self.authority)  # what the old leader may still take does not count yet
            self._fail_waiting()

    def _fenced(self, broker):
        return self.brokers[broker].fenced

    def _lead(self, broker, hw_lag):
        self.leader, self.epoch = broker, self.epoch + 1
        self.zombies.pop(broker, None)
        self.followed = {broker: self.epoch}
        self.isr.add(broker)
        self.starts[broker] = min(self.starts[broker], len(self.logs[broker]))
        self._take_authority()
        self.hw = max(min(self.hw - hw_lag, len(self.authority)), self.authority_start, 0)
        self._fail_waiting()

    def _take_authority(self):
        """The log of the leader is the truth from now on. Tell the watch what that changes."""
        old, old_start = self.authority, self.authority_start
        new, new_start = self.logs[self.leader], self.starts[self.leader]
        common = _common(old, new)
        for offset in range(old_start, len(old)):
            if offset >= common or offset < new_start:
                self.watch.removed(self.name, offset, old[offset], "retention" if offset < common else "truncated")
        if len(old) > common:
            self.watch.went_back(self.name, common)
        self.watch.starts_at(self.name, new_start)
        self.authority, self.authority_start = new, new_start
        for offset in range(new_start, len(new)):
            if offset >= common or offset < old_start:
                self.watch.added(self.name, offset, new[offset])

    def _fail_waiting(self):
        failed, self.waiting = self.waiting, []
        for wait in failed:
            wait.answer(None)

    # --- replication

    def step(self, now, lag_limit, fetch_limit, *, changes=True):
        """Let the followers fetch once, and the leader look at its in-sync replicas.

        `changes`: there is a controller, without which the in-sync replicas stay those that they are.
        """
        leader = self.leader
        if not self.exists or leader < 0 or not self.brokers[leader].in_cluster:
            return
        log = self.logs[leader]
        for one in self.replica_ids:
            if one == leader:
                continue
            if self.brokers[one].in_cluster and not self.brokers[one].fenced:
                self._fetch(one, log, fetch_limit)
                if len(self.logs[one]) == len(log):
                    if changes:
                        self.isr.add(one)
                    self.behind_since.pop(one, None)
                    continue
            since = self.behind_since.setdefault(one, now)
            if changes and now - since > lag_limit:
                self.isr.discard(one)
        self._advance_hw()

    def _fetch(self, one, log, limit):
        own = self.logs[one]
        if self.followed.get(one) != self.epoch:
            del own[_common(own, log) :]
            self.followed[one] = self.epoch
        self.zombies.pop(one, None)
        own.extend(log[len(own) : len(own) + limit])
        self.starts[one] = max(self.starts[one], self.starts[self.leader]) if own else 0
        self.starts[one] = min(self.starts[one], len(own))

    def _advance_hw(self):
        members = [one for one in self.isr if one != self.leader]
        if any(self.followed.get(one) != self.epoch for one in members):
            return
        self.hw = max(self.hw, min([len(self.logs[one]) for one in members] + [len(self.authority)]))
        done = [wait for wait in self.waiting if wait.end <= self.hw]
        self.waiting = [wait for wait in self.waiting if wait.end > self.hw]
        for wait in done:
            wait.answer(wait.offset if len(self.isr) >= self.min_isr else None)

    # --- clients

    def produce(self, broker, payloads, *, acks_all, producer, answer):
        """Write a batch at `broker`, as far as it takes it. Returns Answered, Refused, PENDING or NO_ANSWER.

        `producer`: an idempotent client and its epoch, None of any other.
        """
        state = self.brokers[broker]
        if not state.running or not self.exists:
            return NO_ANSWER
        if broker == self.leader:
            isr, epoch = self.isr, self.epoch
        elif broker in self.zombies:
            isr, epoch = self.zombies[broker].isr, self.zombies[broker].epoch
        else:
            return Refused("NOT_LEADER_OR_FOLLOWER")
        if acks_all and len(isr) < self.min_isr:
            return Refused("NOT_ENOUGH_REPLICAS")
        log = self.logs[broker]
        if producer is not None:
            again = self._seen_before(log, self.starts[broker], payloads, producer)
            if again is not None:
                return again
        offset = len(log)
        log.extend(Entry(epoch, payload, producer) for payload in payloads)
        if broker == self.leader:
            for index in range(offset, len(log)):
                self.watch.added(self.name, index, log[index])
        if not acks_all or isr == {broker}:
            return self._at_once(broker, offset, log)
        if broker == self.leader:
            self.waiting.append(Waiting(len(log), epoch, offset, answer))
        return PENDING

    def _at_once(self, broker, offset, log):
        if broker in self.zombies and self.zombies[broker].isr == {broker}:
            self.zombies[broker].hw = len(log)
        return Answered(offset)

    @staticmethod
    def _seen_before(log, start, payloads, producer):
        """What an idempotent producer is told if the log has this batch already, or a later one, of the same epoch."""
        first, run = payloads[0].sequence, payloads[0].run
        for offset in range(len(log) - 1, start - 1, -1):
            found = log[offset].payload
            if found is None or found.run != run or found.kind == "foreign" or log[offset].producer[0] != producer[0]:
                continue
            if log[offset].producer != producer:
                return Refused("INVALID_PRODUCER_EPOCH") if log[offset].producer > producer else None
            if found.sequence == payloads[-1].sequence:
                return Answered(offset - len(payloads) + 1)
            return Refused("OUT_OF_ORDER_SEQUENCE_NUMBER") if found.sequence > first else None
        return None

    def append_other(self, payload):
        """Somebody else writes at the leader: foreign records, other Sentinels, transaction markers."""
        if self.exists and self.leader >= 0 and self.brokers[self.leader].in_cluster:
            entry = Entry(self.epoch, payload)
            self.authority.append(entry)
            self.watch.added(self.name, len(self.authority) - 1, entry)

    def readable(self, broker):
        """Return (log, log start, high watermark) as `broker` would serve them, or None if it does not answer."""
        if not self.exists or broker < 0 or not self.brokers[broker].running:
            return None
        if broker == self.leader:
            return self.authority, self.authority_start, self.hw
        if broker in self.zombies:
            return self.logs[broker], self.starts[broker], min(self.zombies[broker].hw, len(self.logs[broker]))
        return None

    # --- mishaps

    def delete_below(self, offset):
        """Retention or DeleteRecords: the log starts at `offset` now."""
        if not self.exists or self.leader < 0:
            return
        start = min(offset, self.hw)
        for gone in range(self.authority_start, start):
            self.watch.removed(self.name, gone, self.authority[gone], "retention")
        self.watch.starts_at(self.name, start)
        self.authority_start = max(self.authority_start, start)
        self.starts[self.leader] = self.authority_start

    def expire(self, segment, oldest):
        """Let each broker that runs delete the whole segments that are too old. `oldest`: by broker, kept from there.

        Followers do so by clocks of their own, and so does one that only believes to lead.
        """
        for one in self.replica_ids if self.exists else ():
            if not self.brokers[one].running:
                continue
            if one in self.zombies:
                hw = self.zombies[one].hw
            elif self.followed.get(one) == self.epoch:
                hw = self.hw
            else:
                continue  # it has not yet found out what of its log counts
            log = self.logs[one]
            start = first_kept(log, self.starts[one], min(hw, len(log)), segment, oldest[one])
            if one == self.leader:
                self.delete_below(start)
            else:
                self.starts[one] = start

    def lose_tail(self, broker, count):
        """A dead broker comes back without its newest records (count None: without any)."""
        log = self.logs[broker]
        self.logs[broker] = [] if count is None else log[: max(len(log) - count, 0)]
        self.starts[broker] = min(self.starts[broker], len(self.logs[broker]))
        self.followed.pop(broker, None)

    def delete_topic(self):
        for offset in range(self.authority_start, len(self.authority)):
            self.watch.removed(self.name, offset, self.authority[offset], "deleted")
        self._fail_waiting()
        self.exists, self.leader, self.authority = False, -1, []
        self.zombies.clear()

    def create_topic(self):
        self.exists, self.epoch, self.hw, self.authority_start = True, -1, 0, 0
        self.logs = {broker: [] for broker in self.replica_ids}
        self.starts = dict.fromkeys(self.replica_ids, 0)
        able = [one for one in self.replica_ids if self.brokers[one].in_cluster] or [self.replica_ids[0]]
        self.isr = set(able)
        self._lead(able[0], 0)


def _common(one, other):
    """Return how many entries both logs share from the start."""
    length = min(len(one), len(other))
    for index in range(length):
        if one[index] is not other[index]:
            return index
    return length
