"""How one incident recovers: the phases, each the instant from which something holds again.

All of them are measured from t0, `started`. Nothing that was known, sent or asked for before t0 counts.

- `detected`: the first sign of trouble we saw ourselves.
- `leader`: the first of two agreeing metadata answers that name a live leader for every partition that lost its own.
  None if no partition lost it. An answer that still names the dead leader is not one.
- `produce`, `consume`: the first acknowledgement (read) of a record sent after t0, of the slowest partition. A broker
  that is told to end may take records for another second: where an outage of what it led begins then, it is the first
  since. Later outages move `full` alone.
- `pod`: each pod of a broker that went, or its process, is ready again or replaced by one that is. None without pods.
- `isr`: the first of several agreeing answers, spread over a session time-out, with every ISR as large as at t0.
- `lag`: the verifier is no further behind than at t0, after writes came back.
- `full`: the latest of these and of the ends of the outages; from then on everything holds.

Leader, ISR and lag may fail again before the incident is settled; then the phase starts over.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from kafka_sentinel.core.cluster import ClusterView, PartitionView, has_leader, probe_partitions
from kafka_sentinel.core.slots import Operation
from kafka_sentinel.core.types import Acks, Instant, ProbePartition

PHASES = ("detected", "leader", "produce", "consume", "pod", "isr", "lag", "full")
NEEDED = ("produce", "consume", "isr", "lag")  # phases without which there is no recovery
_INSTANTS = ("detected", "leader", "isr", "lag", "outage_ended", "held")
AGREEING = 3  # answers it takes to believe an ISR

Rebase = Callable[[float], Instant]  # wall clock → instant of this process


@dataclass(frozen=True, slots=True)
class Baseline:
    """How things stood at t0."""

    leaders: Mapping[ProbePartition, int]
    isr: Mapping[ProbePartition, int]  # sizes
    lag: int  # records the verifier was behind, all partitions together


class First(NamedTuple):
    sent: Instant
    at: Instant


@dataclass(slots=True)
class Recovery:
    """`session_timeout`: seconds an ISR must agree over. `lag_tolerance`: records of lag that are no difference, ever.

    Nor are as many as were just sent: an experiment may have raised their rate since t0.
    """

    started: Instant
    baseline: Baseline
    partitions: set[ProbePartition]
    session_timeout: float
    lag_tolerance: int
    detected: Instant | None = None
    leader: Instant | None = None
    isr: Instant | None = None
    lag: Instant | None = None
    outage_ended: Instant | None = None  # of the latest outage that is over
    held: Instant | None = None  # when everything first seemed to hold again
    outages: set[tuple[Operation, ProbePartition]] = field(default_factory=set)  # that there were, not saved
    leaderless: set[ProbePartition] = field(default_factory=set)  # have certainly lost the leader they had at t0
    acked: dict[ProbePartition, First] = field(default_factory=dict)
    read: dict[ProbePartition, First] = field(default_factory=dict)
    pods: dict[int, Instant | None] = field(default_factory=dict)  # brokers whose pod went → since when one is ready
    _leaders_seen: tuple[dict[ProbePartition, int], Instant] | None = None  # the newest good answer
    _isr_since: Instant | None = None
    _isr_answers: int = 0

    # --- signs

    def carry_over(self, other: Recovery) -> None:
        """Take over what `other`, begun with another t0, noted of records sent after ours."""
        self.acked = {key: first for key, first in other.acked.items() if first.sent.mono > self.started.mono}
        self.read = {key: first for key, first in other.read.items() if first.sent.mono > self.started.mono}
        self.outage_ended, self.pods = other.outage_ended, other.pods
        if other.detected is not None:
            self.sign(other.detected)

    def sign(self, at: Instant) -> None:
        if self.detected is None and at.mono >= self.started.mono:
            self.detected = at

    def on_acked(self, partition: ProbePartition, sent: Instant, at: Instant) -> None:
        if sent.mono > self.started.mono:
            self.acked.setdefault(partition, First(sent, at))

    def on_read(self, partition: ProbePartition, sent: Instant, at: Instant) -> None:
        if sent.mono > self.started.mono:
            self.read.setdefault(partition, First(sent, at))

    def on_lag(self, records: int, just_sent: int, at: Instant) -> None:
        if self.produce is None or records > self.baseline.lag + max(self.lag_tolerance, just_sent):
            self.lag = None
        elif self.lag is None:
            self.lag = at

    def interrupted(self, operation: Operation, partition: ProbePartition, since: Instant, brokers: set[int]) -> None:
        """Note an outage from `since` on. The first one of what the failed `brokers` led undoes its recovery."""
        later = (operation, partition) in self.outages or (self.held is not None and since.mono >= self.held.mono)
        self.outages.add((operation, partition))
        if later or self.baseline.leaders.get(partition) not in brokers:
            return
        firsts = self.acked if operation is Operation.PRODUCE else self.read
        first = firsts.get(partition)
        if first is not None and first.sent.mono < since.mono:
            del firsts[partition]

    def outage_over(self, at: Instant) -> None:
        if self.outage_ended is None or at.mono > self.outage_ended.mono:
            self.outage_ended = at

    def probe(self, partitions: Iterable[ProbePartition]) -> None:
        """Stop waiting for partitions that are no longer probed. New ones have nothing to recover from."""
        self.partitions &= set(partitions)

    def on_unreachable(self, asked: Instant, at: Instant, brokers: set[int], down: set[ProbePartition]) -> None:
        """No broker answered: the partitions of the failed `brokers`, and those that are `down`, have no leader."""
        self._leaders_seen, self._isr_since = None, None
        if asked.mono < self.started.mono:
            return
        self.sign(at)
        leaders = self.baseline.leaders
        self._lost_leader({part for part in self.partitions if part in down or leaders.get(part) in brokers})

    def on_cluster(self, asked: Instant, at: Instant, view: ClusterView, brokers: set[int]) -> None:
        """Judge a metadata answer. `brokers`: those known to have failed."""
        if asked.mono < self.started.mono:
            return
        probes = probe_partitions(view)
        now = {part: probes[part].leader if part in probes else -1 for part in self.partitions}
        dead = {part for part in self.partitions if part not in probes or not has_leader(view, probes[part])}
        leaders = self.baseline.leaders
        hit = {part for part in now if not brokers or leaders.get(part) in brokers}
        moved = {part for part in hit if now[part] != leaders.get(part, now[part])}
        if dead | moved:
            self.sign(at)
            self._lost_leader((dead | moved) - self.leaderless)
        stale = {part for part in hit - self.leaderless if brokers and part not in self.acked}
        self._watch_leaders(at, now, complete=not dead and not stale)
        self._watch_isr(at, probes)

    def _lost_leader(self, partitions: set[ProbePartition]) -> None:
        if partitions:
            self.leaderless |= partitions
            self.leader = None

    def _watch_leaders(self, at: Instant, now: dict[ProbePartition, int], *, complete: bool) -> None:
        """`complete`: each partition of a failed broker has a live leader since, by this answer or by an ack."""
        before = self._leaders_seen
        if not self.leaderless:
            return
        if not complete:
            self._leaders_seen, self.leader = None, None
            return
        if self.leader is None and before is not None and before[0] == now:
            self.leader = before[1]
        self._leaders_seen = (now, at)

    def _watch_isr(self, at: Instant, probes: Mapping[ProbePartition, PartitionView]) -> None:
        """An ISR whose size at t0 is not known has to be whole."""
        for part in self.partitions:
            view = probes.get(part)
            if view is None or len(view.isr) < self.baseline.isr.get(part, len(view.replicas)):
                self._isr_since, self.isr = None, None
                return
        if self._isr_since is None:
            self._isr_since, self._isr_answers = at, 0
        self._isr_answers += 1
        agreed = at.mono - self._isr_since.mono >= self.session_timeout and self._isr_answers >= AGREEING
        if self.isr is None and agreed:
            self.isr = self._isr_since

    # --- phases

    @property
    def pod(self) -> Instant | None:
        known = [at for at in self.pods.values() if at is not None]
        return max(known, key=lambda at: at.mono) if known and len(known) == len(self.pods) else None

    @property
    def produce(self) -> Instant | None:
        return self._slowest(self.acked)

    @property
    def consume(self) -> Instant | None:
        return self._slowest(self.read)

    def _slowest(self, firsts: dict[ProbePartition, First]) -> Instant | None:
        if not self.partitions or not all(part in firsts for part in self.partitions):
            return None
        return max((firsts[part].at for part in self.partitions), key=lambda at: at.mono)

    @property
    def full(self) -> Instant | None:
        """The instant from which everything holds, if it does now (outages under way are for the caller to know)."""
        if self.waiting_for():
            return None
        phases = [self.leader, self.produce, self.consume, self.pod, self.isr, self.lag]
        known = [*phases, self.outage_ended, self.started]
        return max((at for at in known if at is not None), key=lambda at: at.mono)

    def waiting_for(self) -> list[str]:
        """Name the phases that are still to come. Without probe partitions only pods are waited for."""
        pod = ["pod"] if self.pods and self.pod is None else []
        if not self.partitions:
            return pod
        reached = {"produce": self.produce, "consume": self.consume, "isr": self.isr, "lag": self.lag}
        waiting = [*pod, *(phase for phase in NEEDED if reached[phase] is None)]
        return ["leader", *waiting] if self.leaderless & self.partitions and self.leader is None else waiting

    def phases(self) -> dict[str, float | None]:
        """Return the seconds from t0 to each phase, None where it did not come (yet)."""
        instants = {
            "detected": self.detected,
            "leader": self.leader,
            "produce": self.produce,
            "consume": self.consume,
            "pod": self.pod,
            "isr": self.isr,
            "lag": self.lag,
            "full": self.full,
        }
        return {phase: None if at is None else max(0.0, at.mono - self.started.mono) for phase, at in instants.items()}

    def forget_details(self) -> None:
        """Keep only the instants: what is known per partition is of no use after the close."""
        self.partitions, self.leaderless, self.acked, self.read, self.outages = set(), set(), {}, {}, set()
        self.baseline = Baseline({}, {}, self.baseline.lag)
        self._leaders_seen = None

    # --- state: instants as wall clock, for the monotonic one ends with the process

    def to_state(self) -> dict[str, Any]:
        return {
            "started": self.started.wall,
            "baseline": {
                "leaders": _pack(self.baseline.leaders),
                "isr": _pack(self.baseline.isr),
                "lag": self.baseline.lag,
            },
            "partitions": [[*part] for part in sorted(self.partitions)],
            "leaderless": [[*part] for part in sorted(self.leaderless)],
            "acked": [[*part, first.sent.wall, first.at.wall] for part, first in sorted(self.acked.items())],
            "read": [[*part, first.sent.wall, first.at.wall] for part, first in sorted(self.read.items())],
            "pods": [[broker, _wall(at)] for broker, at in sorted(self.pods.items())],
            **{name: _wall(getattr(self, name)) for name in _INSTANTS},
        }

    @classmethod
    def from_state(
        cls, state: Mapping[str, Any], rebase: Rebase, *, session_timeout: float, lag_tolerance: int
    ) -> Recovery:
        """Restore what `to_state` gave. Raises KeyError, TypeError or ValueError for anything else."""
        saved = state["baseline"]
        recovery = cls(
            started=rebase(state["started"]),
            baseline=Baseline(_unpack(saved["leaders"]), _unpack(saved["isr"]), int(saved["lag"])),
            partitions={_partition(*part) for part in state["partitions"]},
            session_timeout=session_timeout,
            lag_tolerance=lag_tolerance,
            leaderless={_partition(*part) for part in state["leaderless"]},
            acked={_partition(a, p): First(rebase(sent), rebase(at)) for a, p, sent, at in state["acked"]},
            read={_partition(a, p): First(rebase(sent), rebase(at)) for a, p, sent, at in state["read"]},
            pods={int(broker): None if at is None else rebase(at) for broker, at in state.get("pods", ())},
        )
        for name in _INSTANTS:
            setattr(recovery, name, None if state[name] is None else rebase(state[name]))
        return recovery


def _wall(at: Instant | None) -> float | None:
    return None if at is None else at.wall


def _partition(acks: str, number: int) -> ProbePartition:
    return ProbePartition(Acks(acks), int(number))


def _pack(values: Mapping[ProbePartition, int]) -> list[list[Any]]:
    return [[*part, value] for part, value in sorted(values.items())]


def _unpack(rows: Iterable[tuple[str, int, int]]) -> dict[ProbePartition, int]:
    return {_partition(acks, number): int(value) for acks, number, value in rows}
