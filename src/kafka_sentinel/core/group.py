"""What applications feel: the account of the group consumer. It never testifies to loss.

An offset handed over again is `redelivered`: an effect of the consumer group, not of the log. Above a divergence (a
truncated log, a recreated topic) the same offsets hold other records, so what was handed over there is forgotten.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from kafka_sentinel.core.commands import Command, Count, Log, Observe
from kafka_sentinel.core.events import GroupCommitted, GroupRead, GroupRebalanced
from kafka_sentinel.core.ranges import RangeSet
from kafka_sentinel.core.types import Acks, ProbePartition

MAX_RANGES = (
    1024  # ranges of offsets remembered per partition; the oldest go first, and count as new if they come again
)


@dataclass(slots=True)
class _Partition:
    handed: RangeSet = field(default_factory=RangeSet)
    position: int | None = None  # the offset after the newest one handed over
    committed: int | None = None


class GroupAccount:
    """Counts since this account began; `redelivered` by acks level, the others over all partitions."""

    def __init__(self) -> None:
        self.redelivered: dict[Acks, int] = dict.fromkeys(Acks, 0)
        self.rebalances = 0
        self.commits = 0
        self.commit_errors = 0
        self.commit_regressions = 0
        self._partitions: dict[ProbePartition, _Partition] = {}

    def take(self, event: GroupRead | GroupRebalanced | GroupCommitted) -> list[Command]:
        """Take what the group consumer tells. Returns what there is to count and to log."""
        match event:
            case GroupRead(partition=partition, offset=offset, count=count):
                again = self.read(partition, offset, count)
                labels = (("acks", partition.acks.value),)
                return [Count("records_redelivered_total", labels, again)] if again else []
            case GroupRebalanced():
                self.rebalanced()
                return [Count("group_rebalances_total", ())]
            case GroupCommitted(seconds=seconds, error=error, offsets=offsets):
                backwards = self.committed(error, offsets)
                regressed = [f"acks={acks} partition {number}" for acks, number in backwards]
                failed = Count("kafka_errors_total", (("code", str(error)),))
                done = failed if error is not None else Observe("commit_latency_seconds", (), (seconds,))
                words = "committed offset went backwards"
                return [done, *([Log("warning", words, {"partitions": regressed})] if regressed else [])]

    def read(self, partition: ProbePartition, offset: int, count: int) -> int:
        """Note that offsets [offset, offset + count) were handed over. Returns how many of them were so before."""
        known = self._partitions.setdefault(partition, _Partition())
        again = count - known.handed.add(offset, count)
        known.position = offset + count
        while known.handed.intervals > MAX_RANGES:
            first, length = known.handed.spans()[0]
            known.handed.remove_below(first + length)
        self.redelivered[partition.acks] += again
        return again

    def rebalanced(self) -> None:
        self.rebalances += 1

    def committed(self, error: str | None, offsets: Iterable[tuple[ProbePartition, int]]) -> list[ProbePartition]:
        """Note a commit that ended. Returns the partitions whose committed offset went backwards."""
        if error is not None:
            self.commit_errors += 1
            return []
        self.commits += 1
        regressed = []
        for partition, offset in offsets:
            known = self._partitions.setdefault(partition, _Partition())
            if known.committed is not None and offset < known.committed:
                regressed.append(partition)
            known.committed = offset
        self.commit_regressions += len(regressed)
        return regressed

    def void_from(self, partition: ProbePartition, offset: int) -> None:
        """The log was cut at `offset`: what stands there from now on was never handed over."""
        known = self._partitions.get(partition)
        if known is None:
            return
        known.handed.remove_from(offset)
        if known.position is not None:
            known.position = min(known.position, offset)
        if known.committed is not None:
            known.committed = min(known.committed, offset)

    def forget(self, partition: ProbePartition) -> None:
        """The topic was recreated, or the partition is no longer probed."""
        self._partitions.pop(partition, None)

    def lag(self, partition: ProbePartition, end: int) -> int | None:
        """Return how many offsets the group is behind `end`, never negative; None before it was handed anything.

        `end` may be older than the group's position: the two are never known at the same moment.
        """
        known = self._partitions.get(partition)
        if known is None or known.position is None:
            return None
        return max(0, end - known.position)

    def to_state(self) -> dict[str, Any]:
        return {
            "redelivered": dict(self.redelivered),
            "rebalances": self.rebalances,
            "commits": self.commits,
            "commit_errors": self.commit_errors,
            "commit_regressions": self.commit_regressions,
            "partitions": [
                [acks, number, known.handed.spans(), known.position, known.committed]
                for (acks, number), known in sorted(self._partitions.items())
            ],
        }

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> GroupAccount:
        """Restore what `to_state` gave. Raises KeyError, TypeError or ValueError for anything else."""
        account = cls()
        account.redelivered.update({Acks(acks): int(count) for acks, count in state["redelivered"].items()})
        account.rebalances = int(state["rebalances"])
        account.commits = int(state["commits"])
        account.commit_errors = int(state["commit_errors"])
        account.commit_regressions = int(state["commit_regressions"])
        for acks, number, spans, position, committed in state["partitions"]:
            handed = RangeSet.of((int(first), int(count)) for first, count in spans)
            account._partitions[ProbePartition(Acks(acks), int(number))] = _Partition(handed, position, committed)
        return account
